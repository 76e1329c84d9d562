//! A cable between two halves of a mesh that can be cut: a TCP relay on the loopback.
//!
//! Every node has a *door* here, a port that leads to its own, and is known to the others by that alone. The
//! relay finds out which process knocks, hence which half it belongs to. While the cable is cut, connections
//! between the halves are closed and new ones refused at once; those within a half go on.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::sockets;

/// One of the two halves of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    /// The founder's.
    Left,
    /// The other.
    Right,
}

/// The relay; dropping it closes all doors.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    doors: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    /// Processes and the half each belongs to.
    halves: Mutex<BTreeMap<u32, Half>>,
    cut: watch::Sender<bool>,
    crossing: AtomicUsize,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Relay {
    /// Makes a relay without doors, with its cable whole.
    pub fn new() -> Self {
        let shared = Shared {
            halves: Mutex::default(),
            cut: watch::Sender::new(false),
            crossing: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
            doors: JoinSet::new(),
        }
    }

    /// Opens a door at one port that leads to another, that of a node in a half.
    ///
    /// # Errors
    ///
    /// Returns that the port is taken.
    pub fn open(&mut self, door: u16, to: u16, half: Half) -> Result<()> {
        let listen = || {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, door))?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listener =
            listen().with_context(|| format!("the relay cannot listen on 127.0.0.1:{door}"))?;
        self.doors
            .spawn(serve(listener, to, half, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Returns what says to which half a process belongs.
    pub fn register(&self) -> Register {
        Register(Some(Arc::clone(&self.shared)))
    }

    /// Cuts the cable between the halves.
    pub fn cut(&self) {
        self.shared.cut.send_replace(true);
    }

    /// Mends the cable.
    pub fn mend(&self) {
        self.shared.cut.send_replace(false);
    }

    /// Counts the open connections between the halves.
    pub fn crossing(&self) -> usize {
        self.shared.crossing.load(Ordering::Relaxed)
    }
}

/// Takes down which process belongs to which half.
#[derive(Clone, Debug, Default)]
pub struct Register(Option<Arc<Shared>>);

impl Register {
    /// Says to which half a process belongs; where there is no relay, nobody wants to know.
    pub fn place(&self, pid: u32, half: Half) {
        if let Some(shared) = &self.0 {
            shared.halves().insert(pid, half);
        }
    }
}

impl Shared {
    fn halves(&self) -> MutexGuard<'_, BTreeMap<u32, Half>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a connection comes from the other half; one from an unknown process counts as such.
    fn crosses(&self, stream: &TcpStream, half: Half) -> bool {
        let (Ok(SocketAddr::V4(here)), Ok(SocketAddr::V4(there))) =
            (stream.local_addr(), stream.peer_addr())
        else {
            return true;
        };
        let halves = self.halves().clone();
        let pid = sockets::owner(there, here, halves.keys().copied())
            .ok()
            .flatten();
        pid.and_then(|pid| halves.get(&pid)) != Some(&half)
    }
}

async fn serve(listener: TcpListener, to: u16, half: Half, shared: Arc<Shared>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    carried.spawn(carry(stream, to, half, Arc::clone(&shared)));
                }
            }
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn carry(stream: TcpStream, to: u16, half: Half, shared: Arc<Shared>) {
    if !shared.crosses(&stream, half) {
        pass(stream, to).await.ok();
        return;
    }
    let mut cut = shared.cut.subscribe();
    if *cut.borrow_and_update() {
        return;
    }
    shared.crossing.fetch_add(1, Ordering::Relaxed);
    tokio::select! {
        _ = pass(stream, to) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
    shared.crossing.fetch_sub(1, Ordering::Relaxed);
}

async fn pass(mut from: TcpStream, to: u16) -> io::Result<()> {
    let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    copy_bidirectional(&mut from, &mut to).await.map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::ports;

    /// A relay with a door to a listener of this process, which lives in the half given.
    async fn set_up(own: Half, behind: Half) -> (Relay, u16, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let door = ports::free(1).unwrap()[0];
        let mut relay = Relay::new();
        relay.register().place(std::process::id(), own);
        let to = listener.local_addr().unwrap().port();
        relay.open(door, to, behind).unwrap();
        (relay, door, listener)
    }

    /// Connects through a door and says a word; returns both ends, or `None` if the door is shut.
    async fn connect(door: u16, listener: &TcpListener) -> Option<(TcpStream, TcpStream)> {
        let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, door))
            .await
            .unwrap();
        let mut byte = [0];
        tokio::select! {
            accepted = listener.accept() => {
                let mut far = accepted.unwrap().0;
                near.write_all(b"x").await.unwrap();
                far.read_exact(&mut byte).await.unwrap();
                Some((near, far))
            }
            _ = near.read(&mut byte) => None,
        }
    }

    #[tokio::test]
    async fn a_cut_ends_what_crosses_and_refuses_more_until_it_is_mended() {
        let (relay, door, listener) = set_up(Half::Left, Half::Right).await;
        let (mut near, _far) = connect(door, &listener).await.unwrap();
        assert_eq!(relay.crossing(), 1);

        relay.cut();

        assert!(matches!(near.read(&mut [0]).await, Ok(0) | Err(_)));
        assert!(connect(door, &listener).await.is_none());
        relay.mend();
        assert!(connect(door, &listener).await.is_some());
    }

    #[tokio::test]
    async fn a_cut_leaves_connections_within_a_half_alone() {
        let (relay, door, listener) = set_up(Half::Right, Half::Right).await;
        let (mut near, mut far) = connect(door, &listener).await.unwrap();

        relay.cut();

        far.write_all(b"y").await.unwrap();
        near.read_exact(&mut [0]).await.unwrap();
        assert!(connect(door, &listener).await.is_some());
        assert_eq!(relay.crossing(), 0);
    }
}
