//! What libp2p says went wrong, in our words.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds of io errors are an open enum of which few concern us"
)]

use std::{
    error::Error,
    io,
    net::{TcpListener, UdpSocket},
};

use libp2p::{
    Multiaddr, TransportError, gossipsub,
    multiaddr::Protocol,
    request_response::OutboundFailure,
    swarm::{self, ConnectionError},
};

use crate::{
    address_book::ip_of,
    api::{DownReason, Topic},
    codec::OverLimit,
    error::{DialError, NetError, PublishError, RequestError},
};

/// Says why a message was not published.
pub(crate) fn publish_error(
    error: gossipsub::PublishError,
    topic: &Topic,
    bytes: usize,
    max_bytes: usize,
) -> PublishError {
    match error {
        gossipsub::PublishError::Duplicate => PublishError::Duplicate,
        gossipsub::PublishError::AllQueuesFull(peers) => PublishError::QueuesFull { peers },
        gossipsub::PublishError::NoPeersSubscribedToTopic => PublishError::NoPeers {
            topic: topic.to_string(),
        },
        // Nothing is signed or transformed, so only the size is left.
        gossipsub::PublishError::MessageTooLarge
        | gossipsub::PublishError::SigningError(_)
        | gossipsub::PublishError::TransformFailed(_) => {
            PublishError::TooLarge { bytes, max_bytes }
        }
    }
}

/// Says why an address cannot be listened on, and the mend.
pub(crate) fn listen_error(address: &Multiaddr, error: &TransportError<io::Error>) -> NetError {
    let address = address.clone();
    match error {
        TransportError::MultiaddrNotSupported(_) => NetError::Listen {
            address,
            reason: "no enabled transport speaks this kind of address".into(),
        },
        TransportError::Other(_) if is_in_use(&address) => NetError::AddressInUse { address },
        TransportError::Other(error) => NetError::Listen {
            address,
            reason: innermost(error),
        },
    }
}

/// Tells whether an address is taken. The transports hide the kind of error in their wrappers, so
/// the system is asked again.
fn is_in_use(address: &Multiaddr) -> bool {
    let Some(ip) = ip_of(address) else {
        return false;
    };
    let attempt = match address.iter().nth(1) {
        Some(Protocol::Tcp(port)) => TcpListener::bind((ip, port)).map(drop),
        Some(Protocol::Udp(port)) => UdpSocket::bind((ip, port)).map(drop),
        _ => return false,
    };
    attempt.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Says why a connection ended.
pub(crate) fn down_reason(cause: Option<&ConnectionError>) -> DownReason {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match cause {
        None | Some(ConnectionError::KeepAliveTimeout) => DownReason::Closed,
        Some(ConnectionError::IO(error)) => match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => DownReason::Closed,
            _ => DownReason::Lost(innermost(error)),
        },
    }
}

/// Says why a peer was not reached.
pub(crate) fn dial_error(error: &swarm::DialError) -> DialError {
    match error {
        swarm::DialError::NoAddresses => DialError::NoAddress,
        swarm::DialError::LocalPeerId { .. } => DialError::Ourselves,
        swarm::DialError::WrongPeerId { obtained, .. } => DialError::WrongPeer {
            found: obtained.to_string(),
        },
        swarm::DialError::Denied { cause } => DialError::Denied(innermost(cause)),
        swarm::DialError::Transport(errors) => DialError::Unreachable(
            errors
                .iter()
                .map(|(address, error)| (address.clone(), innermost(error)))
                .collect(),
        ),
        swarm::DialError::Aborted | swarm::DialError::DialPeerConditionFalse(_) => {
            DialError::Aborted
        }
    }
}

/// Says why a request has no answer.
pub(crate) fn request_error(error: OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => RequestError::NotConnected,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::ConnectionClosed => RequestError::LinkLost,
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) => {
            if let Some(over) = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<OverLimit>())
            {
                return RequestError::AnswerTooLarge {
                    bytes: over.bytes,
                    max_bytes: over.max_bytes,
                };
            }
            match error.kind() {
                std::io::ErrorKind::UnexpectedEof => RequestError::Refused,
                _ => RequestError::Io(innermost(&error)),
            }
        }
    }
}

/// Returns the text of the first cause: transports wrap errors many times.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// An error and its causes, looking into boxed ones too.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(boxed) => Some(boxed),
            None => error.source(),
        }
    })
}
