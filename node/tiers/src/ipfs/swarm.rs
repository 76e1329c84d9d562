//! The swarm of the IPFS node: its transports and protocols.
//!
//! TLS 1.3 over TCP and QUIC, as in the mesh, and none but four protocols: Bitswap, identify, ping, and Kademlia if a DHT is
//! set. No mDNS, no relay, no NAT probes, no names to look up: nothing is contacted but what the settings or the DHT name.
//! The agent is that of the library, so that it does not say that the mesh is behind it.

use std::time::Duration;

use libp2p::{
    PeerId, Swarm, Transport as _,
    connection_limits::{self, ConnectionLimits},
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, global_only},
        upgrade::Version,
    },
    identify,
    identity::Keypair,
    kad::{self, store::MemoryStore, store::MemoryStoreConfig},
    ping, quic,
    swarm::{self, NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, tls, yamux,
};

use super::{
    bitswap,
    config::{Dht, IpfsConfig, StartError},
    dht::KEYS_OF_OTHERS_MAX,
    one_way::OneWayMuxer,
};

/// Connections at a time. An honest peer costs a message of 4 MiB each way; a hostile one can fill the windows of all its
/// streams as well, 64 MiB.
pub(super) const CONNECTIONS_MAX: u32 = 64;
const CONNECTIONS_OF_A_PEER_MAX: u32 = 2;
const PENDING_MAX: u32 = 32;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a peer may send on a stream before it is read: the least that yamux allows.
const WINDOW_BYTES: u32 = 256 << 10;
/// A connection without a stream is closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// What the protocol is called in identify (IPFS specs).
const IDENTIFY_PROTOCOL: &str = "/ipfs/0.1.0";
/// Trees that are told to the DHT.
const PROVIDED_MAX: usize = 1 << 16;

/// All protocols of the node.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(super) bitswap: bitswap::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) kad: Toggle<kad::Behaviour<MemoryStore>>,
}

/// Builds the swarm; it listens nowhere yet.
pub(super) fn build(config: &IpfsConfig, key: &Keypair) -> Result<Swarm<Behaviour>, StartError> {
    let local = key.public().to_peer_id();
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits()),
        bitswap: bitswap::Behaviour::default(),
        identify: identify::Behaviour::new(identify::Config::new(
            IDENTIFY_PROTOCOL.to_owned(),
            key.public(),
        )),
        ping: ping::Behaviour::new(ping::Config::new()),
        kad: kademlia(config.dht, local).into(),
    };
    let settings = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
    let transport = transport(config.dht, key)?;
    let mut swarm = Swarm::new(transport, behaviour, local, settings);
    for address in &config.announce {
        swarm.add_external_address(address.clone());
    }
    Ok(swarm)
}

fn transport(dht: Dht, key: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let tls = tls::Config::new(key).map_err(|error| StartError::Tls(error.to_string()))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(tls)
        .multiplex(multiplexer())
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic::Config::new(key))
        .map(|(peer, muxer), _| (peer, OneWayMuxer(StreamMuxerBox::new(muxer))))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let both = tcp.or_transport(quic).map(|either, _| either.into_inner());
    Ok(match dht {
        Dht::Off | Dht::Lan => both.boxed(),
        // Strangers name addresses there; nobody gets this node to knock at doors of its own network.
        Dht::Public => global_only::Transport::new(both).boxed(),
    })
}

/// The window does not grow: js-libp2p fills whatever window it is given with one frame, and frames of more than 1 MiB end
/// the connection on our side. It also bounds what a peer can have us hold.
#[expect(
    deprecated,
    reason = "the newer multiplexer has no limit for its window"
)]
fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_receive_window_size(WINDOW_BYTES);
    config.set_window_update_mode(yamux::WindowUpdateMode::on_read());
    config.set_max_num_streams(bitswap::INBOUND_STREAMS_MAX);
    config
}

fn kademlia(dht: Dht, local: PeerId) -> Option<kad::Behaviour<MemoryStore>> {
    let mut settings = kad::Config::new(dht.protocol()?);
    // What others want kept is looked at first (`dht`).
    settings.set_record_filtering(kad::StoreInserts::FilterBoth);
    settings.set_caching(kad::Caching::Disabled);
    let store = MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: PROVIDED_MAX + KEYS_OF_OTHERS_MAX,
        ..MemoryStoreConfig::default()
    };
    let store = MemoryStore::with_config(local, store);
    Some(kad::Behaviour::with_config(local, store, settings))
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_OF_A_PEER_MAX))
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
}
