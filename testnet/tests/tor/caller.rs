//! A client in a process of its own, whose connections are looked at.

use std::{
    collections::BTreeSet,
    net::SocketAddrV4,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::{sleep, timeout},
};
use x0_testnet::{sockets, tor_network::TorNetwork};

/// Longest wait for an answer, with Tor coming up before it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at connections: those to relays are kept for minutes.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(super) struct Caller {
    child: Child,
    seen: Arc<Mutex<BTreeSet<SocketAddrV4>>>,
    looking: JoinHandle<()>,
}

impl Caller {
    pub(super) fn start(
        network: &TorNetwork,
        bridges: Option<&Path>,
        address: &str,
        port: u16,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_x0-testnet"));
        command
            .args(["onion", address, &port.to_string()])
            .arg("--network")
            .arg(network.description());
        if let Some(bridges) = bridges {
            command.arg("--bridges").arg(bridges);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let into = Arc::clone(&seen);
        let looking = tokio::spawn(async move {
            loop {
                into.lock().unwrap().extend(sockets::peers(pid).unwrap());
                sleep(LOOK_EVERY).await;
            }
        });
        Self {
            child,
            seen,
            looking,
        }
    }

    /// Says a word, hears it again, ends, and returns to whom the process spoke meanwhile.
    pub(super) async fn talk(mut self, word: &str) -> BTreeSet<SocketAddrV4> {
        let mut input = self.child.stdin.take().unwrap();
        input
            .write_all(format!("{word}\n").as_bytes())
            .await
            .unwrap();
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let answer = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        assert_eq!(answer.as_deref(), Some(word));
        self.looking.abort();
        self.child.kill().await.unwrap();
        let seen = self.seen.lock().unwrap();
        seen.clone()
    }
}
