//! The settings of a swarm, checked before anything starts.

use std::time::Duration;

use libp2p::Multiaddr;
use zeroize::Zeroizing;

use crate::{
    api::{Topic, is_plain_name},
    error::NetError,
};

/// What a swarm is started with. It has no `Debug`: it holds the identity.
#[derive(Clone)]
pub struct NetConfig {
    /// Seed of the Ed25519 identity (RFC 8032 secret key).
    pub identity_seed: Zeroizing<[u8; 32]>,
    /// Short id of the mesh, in protocol names and topics: 1–64 of `a-z`, `0-9`, `-`.
    pub mesh: String,
    /// Addresses to listen on. One with `/p2p/<relay>/p2p-circuit` is reserved at that relay as
    /// soon as the relay is connected and has admitted us.
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach us, known beforehand.
    pub external: Vec<Multiaddr>,
    /// Topics to take part in from the start.
    pub topics: Vec<Topic>,
    /// Whether to announce and discover on the local network (mDNS), and tell peers private
    /// addresses of ours.
    pub lan: bool,
    /// Whether to carry connections between admitted peers.
    pub relay_server: bool,
    /// Whether to look peers up through each other.
    pub kademlia: bool,
    /// Whether to find out if we are reachable, use relays and punch holes.
    pub nat: bool,
    /// Whether to speak TCP.
    pub tcp: bool,
    /// Whether to speak QUIC.
    pub quic: bool,
    /// Bounds.
    pub limits: NetLimits,
    /// Gossip.
    pub gossip: GossipConfig,
    /// How long a connection without open streams is kept. Between members gossip keeps one open.
    pub idle: Duration,
    /// How long a stranger may stay connected.
    pub hello_timeout: Duration,
    /// How often admitted peers are pinged. A ping unanswered for 20 s closes its connection.
    pub ping_interval: Duration,
}

/// Bounds of a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetLimits {
    /// Established connections that others opened.
    pub inbound_max: u32,
    /// Established connections that we opened.
    pub outbound_max: u32,
    /// Inbound handshakes under way.
    pub pending_inbound_max: u32,
    /// Connections with one peer: at least 2, since a link is replaced when a peer is admitted.
    pub per_peer_max: u32,
    /// Inbound connections of peers that are not admitted.
    pub strangers_max: usize,
    /// Outbound handshakes under way. Above 200, handshakes of a large swarm time out
    /// (measured from 2,000 nodes in one process on).
    pub dials_in_flight_max: usize,
    /// Dials waiting for their turn.
    pub dials_waiting_max: usize,
    /// A gossip message, in bytes.
    pub message_bytes_max: usize,
    /// A sync request, in bytes.
    pub request_bytes_max: usize,
    /// An answer to a sync request, in bytes.
    pub response_bytes_max: usize,
    /// A hello and its answer, in bytes: strangers send it.
    pub hello_bytes_max: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Open requests, both ways, on one connection.
    pub requests_per_connection_max: usize,
    /// Commands waiting for the driver; beyond it, callers wait or get `Busy`.
    pub command_queue: usize,
    /// Events waiting for the application; beyond it, messages, requests and discoveries are
    /// dropped and counted, while links and answers are kept.
    pub event_queue: usize,
    /// Peers whose addresses are remembered.
    pub known_peers_max: usize,
    /// Addresses remembered per peer.
    pub addresses_per_peer_max: usize,
}

/// Gossip settings; mesh degrees as in the gossipsub v1.1 specification.
#[derive(Debug, Clone, PartialEq)]
pub struct GossipConfig {
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Wanted mesh peers per topic (D).
    pub degree: usize,
    /// Fewer than this and peers are grafted (D_lo).
    pub degree_low: usize,
    /// More than this and peers are pruned (D_hi).
    pub degree_high: usize,
    /// Outbound connections kept in each mesh (D_out): below `degree_low` and at most `degree / 2`.
    pub degree_outbound: usize,
    /// Whether our own messages go to all peers of the topic and not only to the mesh: records are
    /// few and small, and a mesh captured by an attacker cannot swallow them.
    pub flood_publish: bool,
    /// How long a seen message is recognised: 2–5 minutes outlasts any route through the mesh.
    pub duplicate_cache: Duration,
}

impl NetConfig {
    /// Returns the default settings: TCP and QUIC, no listening, no local discovery, no relay server.
    pub fn new(identity_seed: Zeroizing<[u8; 32]>, mesh: impl Into<String>) -> Self {
        Self {
            identity_seed,
            mesh: mesh.into(),
            listen: Vec::new(),
            external: Vec::new(),
            topics: Vec::new(),
            lan: false,
            relay_server: false,
            kademlia: true,
            nat: true,
            tcp: true,
            quic: true,
            limits: NetLimits::default(),
            gossip: GossipConfig::default(),
            idle: Duration::from_secs(600),
            hello_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(15),
        }
    }

    /// Checks every setting against its range.
    pub(crate) fn check(&self) -> Result<(), NetError> {
        let limits = &self.limits;
        let gossip = &self.gossip;
        let duration = |value: Duration| format!("{value:?}");
        require(
            is_plain_name(&self.mesh, 64),
            "mesh",
            &self.mesh,
            "1 to 64 characters of a-z, 0-9 and -",
        )?;
        require(
            limits.per_peer_max >= 2,
            "per_peer_max",
            limits.per_peer_max,
            "2 or more",
        )?;
        for (key, value) in [
            ("dials_in_flight_max", limits.dials_in_flight_max),
            (
                "requests_per_connection_max",
                limits.requests_per_connection_max,
            ),
            ("command_queue", limits.command_queue),
            ("event_queue", limits.event_queue),
            ("known_peers_max", limits.known_peers_max),
            ("addresses_per_peer_max", limits.addresses_per_peer_max),
        ] {
            require(
                value >= if key == "dials_in_flight_max" { 2 } else { 1 },
                key,
                value,
                "1 or more (dials: 2 or more)",
            )?;
        }
        for (key, value) in [
            ("message_bytes_max", limits.message_bytes_max),
            ("request_bytes_max", limits.request_bytes_max),
            ("response_bytes_max", limits.response_bytes_max),
            ("hello_bytes_max", limits.hello_bytes_max),
        ] {
            require(
                (100..=BYTES_MAX).contains(&value),
                key,
                value,
                "100 bytes to 64 MiB",
            )?;
        }
        let heartbeat = gossip.heartbeat;
        require(
            (Duration::from_millis(50)..=Duration::from_secs(60)).contains(&heartbeat),
            "heartbeat",
            duration(heartbeat),
            "50 ms to 60 s",
        )?;
        require(
            (Duration::from_secs(120)..=Duration::from_secs(300)).contains(&gossip.duplicate_cache),
            "duplicate_cache",
            duration(gossip.duplicate_cache),
            "2 to 5 minutes",
        )?;
        require(
            gossip.degree_outbound <= gossip.degree / 2
                && gossip.degree_outbound <= gossip.degree_low
                && gossip.degree_low <= gossip.degree
                && gossip.degree <= gossip.degree_high,
            "degree",
            format!(
                "{}/{}/{}/{}",
                gossip.degree_outbound, gossip.degree_low, gossip.degree, gossip.degree_high
            ),
            "outbound ≤ low ≤ degree ≤ high, and outbound ≤ degree / 2",
        )?;
        require(
            !self.hello_timeout.is_zero(),
            "hello_timeout",
            duration(self.hello_timeout),
            "more than 0",
        )?;
        require(
            !self.ping_interval.is_zero(),
            "ping_interval",
            duration(self.ping_interval),
            "more than 0",
        )
    }
}

/// Largest message of any kind: length prefixes stay far from 4 GiB, one peer far from all memory.
const BYTES_MAX: usize = 64 << 20;

fn require(
    holds: bool,
    key: &'static str,
    value: impl ToString,
    range: &'static str,
) -> Result<(), NetError> {
    if holds {
        return Ok(());
    }
    Err(NetError::Config {
        key,
        value: value.to_string(),
        range,
    })
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            inbound_max: 256,
            outbound_max: 256,
            pending_inbound_max: 64,
            per_peer_max: 4,
            strangers_max: 32,
            dials_in_flight_max: 200,
            dials_waiting_max: 4096,
            message_bytes_max: 64 << 10,
            request_bytes_max: 1 << 20,
            response_bytes_max: 8 << 20,
            hello_bytes_max: 64 << 10,
            request_timeout: Duration::from_secs(20),
            requests_per_connection_max: 32,
            command_queue: 1024,
            event_queue: 4096,
            known_peers_max: 10_000,
            addresses_per_peer_max: 8,
        }
    }
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            degree: 8,
            degree_low: 6,
            degree_high: 12,
            degree_outbound: 2,
            flood_publish: true,
            duplicate_cache: Duration::from_secs(180),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn config() -> NetConfig {
        NetConfig::new(Zeroizing::new([7; 32]), "testmesh")
    }

    #[test]
    fn defaults_are_in_range() {
        assert!(config().check().is_ok());
    }

    #[test]
    fn setting_out_of_range_is_named() {
        let mut bad = config();
        bad.gossip.duplicate_cache = Duration::from_secs(1);

        let error = bad.check().unwrap_err().to_string();

        assert_eq!(
            error,
            "network setting `duplicate_cache` is 1s: set it to 2 to 5 minutes"
        );
    }

    #[test]
    fn mesh_name_cannot_smuggle_a_path() {
        let mut bad = config();
        bad.mesh = "a/../b".into();
        assert!(bad.check().unwrap_err().to_string().contains("`mesh`"));
    }
}
