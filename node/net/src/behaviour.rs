//! Everything a swarm speaks, in two circles.
//!
//! Outside the gate: connection limits, the list of expelled peers, local discovery, `hello`, and
//! `gate` (one byte each way: "I admit you — do you admit me?"). Inside, for admitted peers only:
//! gossip, `sync`, identify, ping, Kademlia, AutoNAT, relay and hole punching.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, allow_block_list, autonat, connection_limits, dcutr, identify,
    identity, kad, mdns, ping, relay, request_response,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    codec::ByteCodec,
    config::NetConfig,
    error::NetError,
    gate::Gated,
    gossip::{self, Gossip},
    traffic::Counters,
};

/// Requests and answers of bytes.
pub(crate) type Requests = request_response::Behaviour<ByteCodec>;

/// The outer circle.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) expelled: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) hello: Requests,
    pub(crate) gate: Requests,
    pub(crate) members: Gated<Members>,
}

/// The inner circle.
#[derive(NetworkBehaviour)]
pub(crate) struct Members {
    pub(crate) gossip: Gossip,
    pub(crate) sync: Requests,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) kademlia: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    autonat: Toggle<autonat::v1::Behaviour>,
    relay_client: Toggle<relay::client::Behaviour>,
    relay_server: Toggle<relay::Behaviour>,
    hole_punching: Toggle<dcutr::Behaviour>,
}

/// What identify says of every x0 node: no product, version or system.
const IDENTIFY_PROTOCOL: &str = "x0";
/// A connection whose ping is unanswered for so long is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Open hellos on one connection: a stranger needs one at a time.
const HELLOS_PER_CONNECTION_MAX: usize = 4;
/// Time for a Kademlia look-up: a few rounds of dials of 10 s.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a Kademlia packet: 20 peers with 8 addresses of about 60 bytes.
const KADEMLIA_PACKET_BYTES_MAX: usize = 16 << 10;

/// Sets up both circles.
pub(crate) fn build(
    config: &NetConfig,
    keypair: &identity::Keypair,
    relay_client: Option<relay::client::Behaviour>,
    counters: Arc<Counters>,
) -> Result<Behaviour, NetError> {
    let local = keypair.public().to_peer_id();
    let limits = &config.limits;
    let has_relay_client = relay_client.is_some();
    let members = Members {
        gossip: gossip::build(config, Arc::clone(&counters))?,
        sync: requests(
            protocol(config, "sync")?,
            ByteCodec {
                request_bytes_max: limits.request_bytes_max,
                response_bytes_max: limits.response_bytes_max,
                counters: Arc::clone(&counters),
            },
            limits.request_timeout,
            limits.requests_per_connection_max,
        ),
        identify: identify(keypair),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(config.ping_interval)
                .with_timeout(PING_TIMEOUT),
        ),
        kademlia: if config.kademlia {
            Some(kademlia(config, local)?)
        } else {
            None
        }
        .into(),
        autonat: config
            .nat
            .then(|| autonat::v1::Behaviour::new(local, autonat::v1::Config::default()))
            .into(),
        relay_client: relay_client.into(),
        relay_server: config
            .relay_server
            .then(|| relay::Behaviour::new(local, relay::Config::default()))
            .into(),
        hole_punching: has_relay_client
            .then(|| dcutr::Behaviour::new(local))
            .into(),
    };
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(connection_limits(config)),
        expelled: allow_block_list::Behaviour::default(),
        mdns: if config.lan {
            Some(local_discovery(local)?)
        } else {
            None
        }
        .into(),
        hello: requests(
            protocol(config, "hello")?,
            ByteCodec {
                request_bytes_max: limits.hello_bytes_max,
                response_bytes_max: limits.hello_bytes_max,
                counters: Arc::clone(&counters),
            },
            limits.request_timeout,
            HELLOS_PER_CONNECTION_MAX,
        ),
        gate: requests(
            protocol(config, "gate")?,
            ByteCodec {
                request_bytes_max: 0,
                response_bytes_max: 1,
                counters,
            },
            limits.request_timeout,
            HELLOS_PER_CONNECTION_MAX,
        ),
        members: Gated::new(members, limits.strangers_max),
    })
}

fn protocol(config: &NetConfig, name: &str) -> Result<StreamProtocol, NetError> {
    StreamProtocol::try_from_owned(format!("/x0/{}/{name}/1", config.mesh)).map_err(|error| {
        NetError::Setup {
            part: "protocol names",
            reason: error.to_string(),
        }
    })
}

fn requests(
    protocol: StreamProtocol,
    codec: ByteCodec,
    timeout: Duration,
    streams_max: usize,
) -> Requests {
    let settings = request_response::Config::default()
        .with_request_timeout(timeout)
        .with_max_concurrent_streams(streams_max);
    let protocols = [(protocol, request_response::ProtocolSupport::Full)];
    Requests::with_codec(codec, protocols, settings)
}

/// Listening addresses are never told; the driver decides which of them are external ones.
fn identify(keypair: &identity::Keypair) -> identify::Behaviour {
    identify::Behaviour::new(
        identify::Config::new(IDENTIFY_PROTOCOL.into(), keypair.public())
            .with_agent_version(String::new())
            .with_hide_listen_addrs(true)
            .with_push_listen_addr_updates(true)
            .with_cache_size(0),
    )
}

/// Kademlia for the addresses of peers: a server to admitted peers, storing no records.
fn kademlia(
    config: &NetConfig,
    local: PeerId,
) -> Result<kad::Behaviour<kad::store::MemoryStore>, NetError> {
    let mut settings = kad::Config::new(protocol(config, "kad")?);
    settings
        .set_query_timeout(LOOKUP_TIMEOUT)
        .set_max_packet_size(KADEMLIA_PACKET_BYTES_MAX)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_provider_publication_interval(None);
    let mut behaviour =
        kad::Behaviour::with_config(local, kad::store::MemoryStore::new(local), settings);
    behaviour.set_mode(Some(kad::Mode::Server));
    Ok(behaviour)
}

fn local_discovery(local: PeerId) -> Result<mdns::tokio::Behaviour, NetError> {
    mdns::tokio::Behaviour::new(mdns::Config::default(), local).map_err(|error| {
        NetError::LocalDiscovery {
            reason: error.to_string(),
        }
    })
}

fn connection_limits(config: &NetConfig) -> connection_limits::ConnectionLimits {
    let limits = &config.limits;
    let dials_max = u32::try_from(limits.dials_in_flight_max).unwrap_or(u32::MAX);
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_inbound_max))
        .with_max_pending_outgoing(Some(dials_max))
        .with_max_established_incoming(Some(limits.inbound_max))
        .with_max_established_outgoing(Some(limits.outbound_max))
        .with_max_established_per_peer(Some(limits.per_peer_max))
}
