//! Bitswap 1.2.0: the exchange of blocks by their CID.
//!
//! Our own, because neither of the two implementations for libp2p 0.56 can be used: rust-ipfs fixes its block store to its
//! own files, and beetswap answers any number of wants in one message, beyond the 4 MiB that others read. What is asked of
//! whom is decided in [`wants`], what one peer is asked about itself in [`probes`], what is given to whom in [`serving`]; all
//! three know no network, clock or disk. The behaviour
//! only carries messages.

mod handler;
mod message;
mod probes;
mod serving;
mod wants;

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished,
    },
};

pub(crate) use handler::INBOUND_STREAMS_MAX;
use handler::{FromHandler, Handler, ToHandler};
pub(crate) use message::{Message, Payload};
pub use probes::PeerAnswer;
pub(crate) use probes::Probes;
pub(crate) use serving::{Outcome, Serving};
pub(crate) use wants::Wants;

/// What happened on a connection.
#[derive(Debug)]
pub(crate) struct Event {
    pub peer: PeerId,
    pub connection: ConnectionId,
    pub what: What,
}

/// What can happen on a connection.
#[derive(Debug)]
pub(crate) enum What {
    /// It is there.
    Opened,
    /// It is gone.
    Closed,
    /// A message came; [`Behaviour::release`] lets the next one in.
    Received(Message),
    /// The message sent last is on its way, and the next may be sent.
    Sent,
    /// The peer does not speak Bitswap 1.2.0.
    Unsupported,
    /// The peer sent what is no message, or took none.
    Broken(String),
}

/// Carries messages, one at a time each way and connection.
#[derive(Default)]
pub(crate) struct Behaviour {
    events: VecDeque<ToSwarm<Event, ToHandler>>,
}

impl Behaviour {
    /// Sends a message; the connection takes the next one after [`What::Sent`].
    pub(crate) fn send(&mut self, peer: PeerId, connection: ConnectionId, message: Message) {
        self.tell(peer, connection, ToHandler::Send(message));
    }

    /// Lets the next message of a connection in.
    pub(crate) fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        self.tell(peer, connection, ToHandler::Release);
    }

    fn tell(&mut self, peer_id: PeerId, connection: ConnectionId, event: ToHandler) {
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event,
        });
    }

    fn report(&mut self, peer: PeerId, connection: ConnectionId, what: What) {
        self.events.push_back(ToSwarm::GenerateEvent(Event {
            peer,
            connection,
            what,
        }));
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's enum is not exhaustive; only connections matter here"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            }) => self.report(peer_id, connection_id, What::Opened),
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => self.report(peer_id, connection_id, What::Closed),
            _ => (),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let what = match event {
            FromHandler::Received(message) => What::Received(message),
            FromHandler::Sent => What::Sent,
            FromHandler::Unsupported => What::Unsupported,
            FromHandler::Broken(reason) => What::Broken(reason),
        };
        self.report(peer, connection, what);
    }

    /// What is pushed from outside is polled right after, as whoever pushes owns the swarm and polls it next.
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
