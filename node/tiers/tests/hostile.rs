//! The IPFS tier and peers that speak Bitswap badly, on the loopback.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

mod shared;

use std::{io, time::Duration};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport as _,
    core::upgrade::Version,
    identity::Keypair,
    request_response::{self, Codec, ProtocolSupport},
    swarm::SwarmEvent,
    tcp, tls, yamux,
};
use shared::{raw, start};
use tempfile::TempDir;
use x0_tiers::{Block, IpfsTier, Tier as _, Traffic};

/// Writes any bytes on a stream of Bitswap, and reads any.
#[derive(Clone, Default)]
struct AnyBytes;

#[async_trait]
impl Codec for AnyBytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut some = vec![0; 4096];
        let length = io.read(&mut some).await?;
        some.truncate(length);
        Ok(some)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(())
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await?;
        io.close().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Ok(())
    }
}

struct Hostile {
    swarm: Swarm<request_response::Behaviour<AnyBytes>>,
}

impl Hostile {
    /// Connects to a node, to which it sends some bytes at once.
    fn new(to: PeerId, address: &Multiaddr, bytes: Vec<u8>) -> Self {
        let key = Keypair::generate_ed25519();
        let transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1Lazy)
            .authenticate(tls::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let protocol = (
            StreamProtocol::new("/ipfs/bitswap/1.2.0"),
            ProtocolSupport::Full,
        );
        let behaviour =
            request_response::Behaviour::new([protocol], request_response::Config::default());
        let config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(Duration::from_secs(3600));
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
        swarm.add_peer_address(to, address.clone());
        swarm.behaviour_mut().send_request(&to, bytes);
        Self { swarm }
    }

    /// Goes on until it was disconnected.
    async fn until_it_is_disconnected(mut self) {
        while !matches!(
            self.swarm.select_next_some().await,
            SwarmEvent::ConnectionClosed { .. }
        ) {}
    }

    /// Goes on for ever in the background.
    fn goes_on(mut self) {
        tokio::spawn(async move {
            loop {
                self.swarm.select_next_some().await;
            }
        });
    }
}

/// Frames a message that has one block: `payload { prefix, data }`.
fn with_block(block: &Block) -> Vec<u8> {
    let data = block.bytes();
    assert!(data.len() < 100);
    let length = u8::try_from(data.len()).unwrap();
    let mut payload = vec![0x0a, 4, 0x01, 0x55, 0x12, 32, 0x12, length];
    payload.extend_from_slice(data);
    let mut message = vec![0x1a, u8::try_from(payload.len()).unwrap()];
    message.extend(payload);
    let mut frame = vec![u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    frame
}

async fn victim() -> (IpfsTier, Multiaddr, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let tier = start(dir.path()).await;
    let address = tier.addresses().await.unwrap().remove(0);
    (tier, address, dir)
}

async fn until(tier: &IpfsTier, is_so: impl Fn(Traffic) -> bool) {
    while !is_so(tier.stats().await.unwrap().traffic) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_nobody_asked_for_is_not_kept() {
    let (tier, address, _dir) = victim().await;
    let block = raw(1, 50);
    Hostile::new(tier.peer_id(), &address, with_block(&block)).goes_on();
    until(&tier, |traffic| traffic.blocks_refused == 1).await;
    assert!(!tier.holds(block.cid()).await.unwrap());
    assert_eq!(tier.stats().await.unwrap().traffic.blocks_received, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_those_asked_for_are_not_taken_and_the_right_ones_are() {
    let (tier, address, _dir) = victim().await;
    let (wanted, other) = (raw(1, 50), raw(2, 50));
    let author_dir = tempfile::tempdir().unwrap();
    let author = start(author_dir.path()).await;
    author.put(&wanted).await.unwrap();
    let give = async {
        until(&tier, |traffic| traffic.wanted == 1).await;
        Hostile::new(tier.peer_id(), &address, with_block(&other)).goes_on();
        until(&tier, |traffic| traffic.blocks_refused == 1).await;
        author.connect(address.clone()).await.unwrap();
    };
    let (got, ()) = tokio::join!(tier.get(wanted.cid()), give);
    assert_eq!(got.unwrap(), wanted);
    assert!(!tier.holds(other.cid()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_or_too_long_for_one_ends_the_connection() {
    let (tier, address, _dir) = victim().await;
    let five_mib = [0x80, 0x80, 0xc0, 0x02];
    for bytes in [&[3, 0x0a, 0xff, 0xff][..], &[2, 0x07, 0x07], &five_mib] {
        let hostile = Hostile::new(tier.peer_id(), &address, bytes.to_vec());
        hostile.until_it_is_disconnected().await;
    }
    until(&tier, |traffic| traffic.peers == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_bitswap_is_no_source_and_does_no_harm() {
    let (tier, address, _dir) = victim().await;
    let key = Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(tls::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(3600));
    let mut silent = Swarm::new(
        transport,
        libp2p::swarm::dummy::Behaviour,
        key.public().to_peer_id(),
        settings,
    );
    silent.dial(address).unwrap();
    tokio::spawn(async move {
        loop {
            silent.select_next_some().await;
        }
    });
    until(&tier, |traffic| traffic.peers == 1).await;
    let author_dir = tempfile::tempdir().unwrap();
    let author = start(author_dir.path()).await;
    let block = raw(1, 50);
    author.put(&block).await.unwrap();
    let give = async {
        // The want was refused by the silent one, as it speaks no Bitswap.
        until(&tier, |traffic| traffic.wanted == 1 && traffic.peers == 0).await;
        author
            .connect(tier.addresses().await.unwrap().remove(0))
            .await
            .unwrap();
    };
    let (got, ()) = tokio::join!(tier.get(block.cid()), give);
    assert_eq!(got.unwrap(), block);
}
