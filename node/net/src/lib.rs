//! The libp2p swarm driver of an x0 node.
//!
//! One task owns a swarm; a cloneable [`NetHandle`] commands it, a [`NetEvents`] queue reports from
//! it. The crate knows bytes, peers and addresses: no records, no store, no rules. What a message
//! means, whom to admit and whom to dial again is decided by whoever drives it.
//!
//! It guarantees that
//! - every connection is TLS 1.3 and every peer is known by its Ed25519 key ([`PeerKey`]);
//! - a peer that was not admitted can send a hello and nothing else: gossip, requests, Kademlia,
//!   identify, relay and NAT probes exist only on connections of admitted peers;
//! - a gossip message reaches the application once, and is forwarded only when it was accepted;
//! - every queue, message, request and connection count has a limit ([`NetLimits`]).
//!
//! It deliberately does not reconnect lost peers, keep anything on disk, or contact any address that
//! it was not given by its driver or by an admitted peer.

mod address_book;
mod api;
mod behaviour;
mod causes;
mod codec;
mod config;
mod dials;
mod driver;
mod error;
mod events;
mod gate;
mod gossip;
mod handle;
mod links;
mod traffic;
mod transport;

pub use api::{
    Addresses, Direction, Discovery, DownReason, InboundRequest, MessageRef, NetEvent, PeerKey,
    PeerSnapshot, Protocol, RequestId, Topic, Verdict,
};
pub use config::{GossipConfig, NetConfig, NetLimits};
pub use error::{CallError, DialError, NetError, PublishError, RequestError};
pub use handle::{NetEvents, NetHandle};
pub use libp2p::{Multiaddr, PeerId};
pub use traffic::NetMetrics;

use libp2p::core::{muxing::StreamMuxerBox, transport::Boxed};

/// Starts a swarm over TCP and QUIC as the configuration says.
///
/// # Errors
/// [`NetError`] names what could not start and the mend. Nothing keeps running after an error.
pub fn spawn(config: NetConfig) -> Result<(NetHandle, NetEvents), NetError> {
    driver::start(config, None)
}

/// Starts a swarm over a given transport, such as the memory transport.
///
/// The transport must authenticate its peers. Relay client and hole punching need a transport of
/// their own and are off; `config.tcp` and `config.quic` are ignored.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_with_transport(
    config: NetConfig,
    transport: Boxed<(PeerId, StreamMuxerBox)>,
) -> Result<(NetHandle, NetEvents), NetError> {
    driver::start(config, Some(transport))
}
