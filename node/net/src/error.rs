//! What can go wrong, by what the caller can do about it.

use libp2p::Multiaddr;

/// Why a swarm could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// Called outside an async runtime.
    #[error("the network needs a tokio runtime: call it from inside one")]
    NoRuntime,
    /// A setting is out of range.
    #[error("network setting `{key}` is {value}: set it to {range}")]
    Config {
        /// The setting's name.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What is accepted.
        range: &'static str,
    },
    /// An address cannot be listened on because it is taken.
    #[error(
        "cannot listen on {address}: another program uses it. Stop that program, or set another \
         port (0 lets the system choose)"
    )]
    AddressInUse {
        /// The address as configured.
        address: Multiaddr,
    },
    /// An address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {reason}. Check that this machine has that address")]
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// Local discovery could not start.
    #[error("cannot start discovery on the local network: {reason}. Run without it (no --lan)")]
    LocalDiscovery {
        /// What the system said.
        reason: String,
    },
    /// A part of the stack refused its configuration.
    #[error("cannot set up {part}: {reason}. Restore the default settings of the network")]
    Setup {
        /// The part.
        part: &'static str,
        /// What it said.
        reason: String,
    },
}

/// Why a call on a handle was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The swarm has stopped.
    #[error("the network has shut down: start the node again")]
    Closed,
    /// The command queue is full; nothing was done.
    #[error("the network is busy: try again in a moment")]
    Busy,
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connected peer takes part in the topic; the message was not kept.
    #[error("nobody to publish to on topic {topic}: wait until a peer is connected")]
    NoPeers {
        /// The topic.
        topic: String,
    },
    /// The message is over the limit.
    #[error("message of {bytes} bytes is over the limit of {max_bytes}: send it as a request")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The same bytes were published or seen a short time ago.
    #[error("message was already published: nothing to do")]
    Duplicate,
    /// All peers' queues are full.
    #[error("the queues of all {peers} peers are full: publish more slowly")]
    QueuesFull {
        /// How many peers were tried.
        peers: usize,
    },
    /// The call itself was not taken.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No connection to the peer is up; requests do not dial.
    #[error("not connected to the peer: dial it first")]
    NotConnected,
    /// This side did not admit the peer, so it offers it nothing but hello.
    #[error("the peer is not admitted here: only hello can be sent to it")]
    NotAdmitted,
    /// The peer does not offer the protocol to us: it did not admit us, or is of another mesh.
    #[error("the peer does not serve this protocol to us: it has not admitted this node")]
    Unsupported,
    /// The request is over the limit and was not sent.
    #[error("request of {bytes} bytes is over the limit of {max_bytes}: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The peer's answer is over the limit and was not read.
    #[error("answer of {bytes} bytes is over the limit of {max_bytes}: ask for less")]
    AnswerTooLarge {
        /// Its announced size.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The peer closed the stream without an answer.
    #[error("the peer closed the request without an answer: it is busy or refuses it")]
    Refused,
    /// No answer within the time limit.
    #[error("no answer in time: try again or ask another peer")]
    Timeout,
    /// The connection went down first.
    #[error("the connection closed before the answer: dial again")]
    LinkLost,
    /// An input or output error.
    #[error("the request failed: {0}")]
    Io(String),
}

/// Why a peer was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// No address is known.
    #[error("no address of the peer is known: give one, or look the peer up")]
    NoAddress,
    /// Somebody else answered there.
    #[error("another node ({found}) answers at that address: the invite or record is out of date")]
    WrongPeer {
        /// Who answered, as text.
        found: String,
    },
    /// The peer is this node.
    #[error("the address leads back to this node")]
    Ourselves,
    /// The peer was expelled, or a connection limit is reached.
    #[error("dial refused here: {0}")]
    Denied(String),
    /// Too many dials are waiting.
    #[error("too many dials are waiting: try again in a moment")]
    QueueFull,
    /// No address answered.
    #[error("no answer: {}", .0.iter().map(|(address, why)| format!("{address} ({why})")).collect::<Vec<_>>().join(", "))]
    Unreachable(Vec<(Multiaddr, String)>),
    /// Given up, for instance at shutdown.
    #[error("dial aborted")]
    Aborted,
}
