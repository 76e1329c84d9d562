//! One connection's streams of Bitswap.
//!
//! It holds at most one message each way: the next is read when the last one was worked off ([`ToHandler::Release`]), and
//! the next is handed in when the last one is on its way ([`FromHandler::Sent`]). A peer that sends faster than it is
//! served waits in its own buffers, not in ours.
//!
//! Kubo keeps one stream open for what it wants and opens one for each answer, Helia one for each message; all are read.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

use asynchronous_codec::FramedRead;
use bytes::Bytes;
use futures::{
    AsyncWriteExt as _, FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{BoxStream, SelectAll},
};
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use unsigned_varint::{codec::UviBytes, encode};

use super::message::{MESSAGE_BYTES_MAX, Message};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
/// Streams of a peer at a time. Kubo sends each block on a stream of its own, and Helia each message, as fast as they
/// can; what is on a stream that is not taken is lost.
pub(crate) const INBOUND_STREAMS_MAX: usize = 256;

/// What the handler is told.
#[derive(Debug)]
pub(crate) enum ToHandler {
    /// Send this; nothing else until [`FromHandler::Sent`].
    Send(Message),
    /// The last message was worked off.
    Release,
}

/// What the handler tells.
#[derive(Debug)]
pub(crate) enum FromHandler {
    /// A message came; no other will until [`ToHandler::Release`].
    Received(Message),
    /// The message handed in last is on its way.
    Sent,
    /// The peer does not speak Bitswap 1.2.0; what was handed in is lost.
    Unsupported,
    /// The message handed in last could not be sent, or the peer sent what is no message.
    Broken(String),
}

enum Sending {
    /// There is no stream.
    Closed,
    /// A stream was asked for, and this is to be sent on it.
    Opening(Vec<Bytes>),
    /// A stream is open and idle.
    Idle(Stream),
    /// A message is being written.
    Writing(BoxFuture<'static, io::Result<Stream>>),
}

pub(crate) struct Handler {
    inbound: SelectAll<BoxStream<'static, io::Result<Message>>>,
    /// Whether the last message is still being worked off.
    is_held: bool,
    sending: Sending,
    /// A message that needs a stream first.
    wants_stream: bool,
    events: VecDeque<FromHandler>,
}

impl Default for Handler {
    fn default() -> Self {
        Self {
            inbound: SelectAll::new(),
            is_held: false,
            sending: Sending::Closed,
            wants_stream: false,
            events: VecDeque::new(),
        }
    }
}

impl Handler {
    fn send(&mut self, message: &Message) {
        let pieces = message.pieces();
        self.sending = match std::mem::replace(&mut self.sending, Sending::Closed) {
            Sending::Idle(stream) => Sending::Writing(write(stream, pieces)),
            Sending::Closed | Sending::Opening(_) | Sending::Writing(_) => {
                self.wants_stream = true;
                Sending::Opening(pieces)
            }
        };
    }

    fn opened(&mut self, stream: Stream) {
        self.sending = match std::mem::replace(&mut self.sending, Sending::Closed) {
            Sending::Opening(pieces) => Sending::Writing(write(stream, pieces)),
            Sending::Closed | Sending::Idle(_) => Sending::Idle(stream),
            Sending::Writing(writing) => Sending::Writing(writing),
        };
    }

    fn accepted(&mut self, stream: Stream) {
        if self.inbound.len() >= INBOUND_STREAMS_MAX {
            // Dropped, which resets it. The multiplexer allows no more in any case.
            return;
        }
        let messages = FramedRead::new(stream, frames())
            .map(|frame| Ok(Message::decode(frame?.freeze())?))
            .boxed();
        self.inbound.push(messages);
    }

    fn poll_sending(&mut self, cx: &mut Context<'_>) {
        if let Sending::Writing(writing) = &mut self.sending
            && let Poll::Ready(written) = writing.poll_unpin(cx)
        {
            let (next, event) = match written {
                Ok(stream) => (Sending::Idle(stream), FromHandler::Sent),
                Err(error) => (Sending::Closed, FromHandler::Broken(error.to_string())),
            };
            self.sending = next;
            self.events.push_back(event);
        }
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) {
        while !self.is_held {
            match self.inbound.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    self.is_held = true;
                    self.events.push_back(FromHandler::Received(message));
                }
                Poll::Ready(Some(Err(error))) if is_offence(&error) => {
                    self.events
                        .push_back(FromHandler::Broken(error.to_string()));
                    return;
                }
                // A stream that was reset is nothing: another one may come.
                Poll::Ready(Some(Err(_))) => (),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

/// Tells what the peer did from what befell it: a frame that is too long (the codec's "permission denied"), or is no message.
fn is_offence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied
    )
}

fn frames() -> UviBytes<Bytes> {
    let mut frames = UviBytes::default();
    frames.set_max_len(MESSAGE_BYTES_MAX);
    frames
}

/// Writes a message after its length, as the codec reads it, without a buffer that stays.
fn write(mut stream: Stream, pieces: Vec<Bytes>) -> BoxFuture<'static, io::Result<Stream>> {
    async move {
        let length = pieces.iter().map(Bytes::len).sum();
        let mut buffer = encode::usize_buffer();
        stream.write_all(encode::usize(length, &mut buffer)).await?;
        for piece in pieces {
            stream.write_all(&piece).await?;
        }
        stream.flush().await?;
        Ok(stream)
    }
    .boxed()
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ToHandler;
    type ToBehaviour = FromHandler;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn on_behaviour_event(&mut self, event: ToHandler) {
        match event {
            ToHandler::Send(message) => self.send(&message),
            ToHandler::Release => self.is_held = false,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's enum is not exhaustive; what it adds is not about our streams"
    )]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.accepted(protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.opened(protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.sending = Sending::Closed;
                self.events.push_back(match error {
                    StreamUpgradeError::NegotiationFailed => FromHandler::Unsupported,
                    StreamUpgradeError::Timeout
                    | StreamUpgradeError::Apply(_)
                    | StreamUpgradeError::Io(_) => FromHandler::Broken(error.to_string()),
                });
            }
            _ => (),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if std::mem::take(&mut self.wants_stream) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.poll_sending(cx);
        self.poll_inbound(cx);
        match self.events.pop_front() {
            Some(event) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event)),
            None => Poll::Pending,
        }
    }
}
