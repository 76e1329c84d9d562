//! The words spoken with a swarm: keys, topics, events, snapshots.

use std::{fmt, sync::Arc, time::Duration};

use libp2p::{Multiaddr, PeerId, multihash::Multihash, request_response::ResponseChannel};

use crate::error::{DialError, NetError, RequestError};

/// A peer: its raw Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl PeerKey {
    /// Returns the libp2p name of the peer.
    pub fn peer_id(&self) -> PeerId {
        PeerId::from(*self)
    }
}

/// Multihash code of the identity function, which names Ed25519 peers
/// (libp2p specification, peer-ids: keys of up to 42 bytes are inlined).
const IDENTITY_HASH: u64 = 0;
/// Protobuf prefix of an Ed25519 public key: field 1 = 1 (Ed25519), field 2 of 32 bytes.
const ED25519_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

impl From<PeerKey> for PeerId {
    #[expect(
        clippy::expect_used,
        reason = "36 inline bytes are below both limits, 64 and 42"
    )]
    fn from(key: PeerKey) -> Self {
        let mut digest = [0; 36];
        digest[..4].copy_from_slice(&ED25519_PREFIX);
        digest[4..].copy_from_slice(&key.0);
        let hash = Multihash::wrap(IDENTITY_HASH, &digest).expect("36 bytes fit a multihash");
        PeerId::from_multihash(hash).expect("an inlined key is a peer id")
    }
}

/// A peer id that holds no Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("peer {0} is not an Ed25519 identity: x0 nodes have no other")]
pub struct NotEd25519(pub PeerId);

impl TryFrom<PeerId> for PeerKey {
    type Error = NotEd25519;

    fn try_from(peer: PeerId) -> Result<Self, NotEd25519> {
        let hash: &Multihash<64> = peer.as_ref();
        let key = (hash.code() == IDENTITY_HASH)
            .then(|| hash.digest().strip_prefix(&ED25519_PREFIX))
            .flatten()
            .and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.map(PeerKey).ok_or(NotEd25519(peer))
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer_id().fmt(f)
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerKey(")?;
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

/// The short name of a gossip topic; on the wire it is `/x0/<mesh>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The longest name, in bytes.
    pub const LENGTH_MAX: usize = 32;

    /// Checks a topic name.
    ///
    /// # Errors
    /// [`NetError::Config`] unless the name is 1–32 of `a-z`, `0-9`, `-`.
    pub fn new(name: &str) -> Result<Self, NetError> {
        if is_plain_name(name, Self::LENGTH_MAX) {
            return Ok(Self(name.into()));
        }
        Err(NetError::Config {
            key: "topic",
            value: name.chars().take(64).collect(),
            range: "1 to 32 characters of a-z, 0-9 and -",
        })
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn is_plain_name(name: &str, length_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=length_max).contains(&name.len()) && name.bytes().all(plain)
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A protocol of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Open to strangers, with small limits.
    Hello,
    /// For admitted peers.
    Sync,
}

/// The caller's own number for a request; it comes back with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A received gossip message that awaits its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef {
    /// SHA-256 of the message.
    pub id: [u8; 32],
    /// The neighbour that brought it first.
    pub from: PeerKey,
}

/// What the application found about a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward it.
    Accept,
    /// Invalid by its sender's fault: drop it and lower the scores of those who sent it.
    Reject,
    /// Not for now (stale, unknown, overload): drop it, nobody is to blame.
    Ignore,
}

/// The right to answer one request, once.
///
/// Dropping it tells the peer that there will be no answer.
#[derive(Debug)]
pub struct InboundRequest {
    pub(crate) protocol: Protocol,
    pub(crate) channel: ResponseChannel<Vec<u8>>,
}

impl InboundRequest {
    /// Tells whether the peer still waits for the answer.
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }
}

/// How an address was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// Multicast on the local network.
    Mdns,
    /// A Kademlia look-up among admitted peers.
    Kademlia,
    /// The peer itself said so.
    Identify,
}

/// Why a link went down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// Idle for too long, or closed in good order.
    Closed,
    /// Closed by [`crate::NetHandle::disconnect`].
    Disconnected,
    /// The peer was expelled.
    Expelled,
    /// Replaced by a connection on which the peer is admitted; a [`NetEvent::LinkUp`] follows.
    Regated,
    /// A stranger that was not admitted in time.
    HelloTimeout,
    /// The peer stopped answering pings.
    Unresponsive,
    /// The peer closed it, or it broke: what the transport said.
    Lost(String),
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// What a swarm reports.
#[derive(Debug)]
pub enum NetEvent {
    /// A gossip message, once; it is forwarded after [`crate::NetHandle::report`] says `Accept`.
    Message {
        /// Reference for the verdict.
        message: MessageRef,
        /// Its topic.
        topic: Topic,
        /// The neighbour that brought it first.
        from: PeerKey,
        /// The bytes as published.
        data: Vec<u8>,
    },
    /// A request to answer with [`crate::NetHandle::respond`].
    Request {
        /// Who asks.
        from: PeerKey,
        /// By which protocol.
        protocol: Protocol,
        /// The right to answer.
        token: InboundRequest,
        /// The request.
        data: Vec<u8>,
        /// Whether the peer is admitted now.
        admitted: bool,
    },
    /// The end of a request of ours.
    Response {
        /// The caller's number.
        id: RequestId,
        /// Who was asked.
        from: PeerKey,
        /// The answer.
        result: Result<Vec<u8>, RequestError>,
    },
    /// A peer is connected. There is one link per peer, whatever its number of connections.
    LinkUp {
        /// The peer.
        peer: PeerKey,
        /// Its address.
        address: Multiaddr,
        /// Whether we dialled.
        dialer: bool,
        /// Whether gossip and requests flow; if not, only hello.
        admitted: bool,
    },
    /// A peer is no longer connected, or its link changes between admitted and not.
    LinkDown {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: DownReason,
    },
    /// An address is listened on.
    Listening(Multiaddr),
    /// An address by which others reach us is confirmed.
    External(Multiaddr),
    /// Addresses of a peer were learned; they are kept for dialling.
    Discovered {
        /// The peer.
        peer: PeerKey,
        /// New addresses.
        addresses: Vec<Multiaddr>,
        /// How.
        by: Discovery,
    },
    /// A dial asked for through the handle did not reach the peer.
    DialFailed {
        /// The peer.
        peer: PeerKey,
        /// The addresses tried.
        addresses: Vec<Multiaddr>,
        /// Why.
        error: DialError,
    },
    /// A listener stopped.
    ListenFailed {
        /// Its address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
}

/// A connected peer at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerSnapshot {
    /// The peer.
    pub peer: PeerKey,
    /// Remote addresses of its connections.
    pub addresses: Vec<Multiaddr>,
    /// Who opened its oldest connection.
    pub direction: Direction,
    /// Whether gossip and requests flow.
    pub admitted: bool,
    /// The last round trip.
    pub rtt: Option<Duration>,
    /// The gossip score, if the peer takes part; see `GossipConfig` for the thresholds.
    pub score: Option<f64>,
    /// Topics in whose mesh the peer is.
    pub in_mesh_topics: Vec<Topic>,
}

/// Our own addresses at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// What is listened on.
    pub listen: Vec<Multiaddr>,
    /// What others reach us by.
    pub external: Vec<Multiaddr>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn key_survives_the_way_to_a_peer_id_and_back() {
        let pair = Keypair::generate_ed25519();
        let raw = pair.public().try_into_ed25519().unwrap().to_bytes();

        let key = PeerKey::try_from(pair.public().to_peer_id()).unwrap();

        assert_eq!(key, PeerKey(raw));
        assert_eq!(key.peer_id(), pair.public().to_peer_id());
    }

    #[test]
    fn peer_of_another_key_type_is_refused() {
        let hashed = PeerId::random();
        assert_eq!(PeerKey::try_from(hashed), Err(NotEd25519(hashed)));
    }

    #[test]
    fn topic_names_are_plain() {
        assert!(Topic::new("acts").is_ok());
        for bad in ["", "a/b", "Acts", "ü", "123456789012345678901234567890123"] {
            assert!(Topic::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
