//! The gate: behaviours behind it exist only on connections of admitted peers.
//!
//! [`Gated`] wraps a behaviour and decides once per connection, when its handler is made: an
//! admitted peer gets the real handler, anybody else one that speaks nothing. Connections outside
//! the gate are never mentioned to the inner behaviour; the counts it is told are those inside.
//! A connection does not come inside later: after [`Gated::admit`] a new one is needed. It can be
//! put outside by [`Gated::retire`]: to the inner behaviour it is closed then.
//!
//! Dials that the inner behaviour wants are not started here but handed out as
//! [`GateEvent::Dial`], so that all dials share one throttle; dials to peers that are not admitted
//! fail at once, and addresses from hearsay are kept only in scopes that the mesh really spans.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what names no connection passes the gate, also in later versions of libp2p"
)]

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    task::{Context, Poll},
};

use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour,
        NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::{ConnectionClosed, ConnectionEstablished},
        dial_opts::DialOpts,
        dummy,
    },
};

use crate::{
    address_book::Scope,
    api::{NotEd25519, PeerKey},
};

/// A behaviour that only admitted peers reach.
pub(crate) struct Gated<B> {
    inner: B,
    admitted: HashSet<PeerKey>,
    /// Connections with a real handler, from the making of the handler to their end.
    inside: HashMap<ConnectionId, Inside>,
    /// The established ones of them, by peer, oldest first.
    established: HashMap<PeerId, Vec<ConnectionId>>,
    /// Inbound connections outside, from the making of the handler to their end.
    strangers: HashSet<ConnectionId>,
    strangers_max: usize,
}

/// A connection with a real handler.
struct Inside {
    scope: Scope,
    /// Its peer and ends, once it is established.
    ends: Option<(PeerId, ConnectedPoint)>,
}

/// What comes out of the gate.
#[derive(Debug)]
pub(crate) enum GateEvent<E> {
    /// An event of the inner behaviour.
    Inner(E),
    /// The inner behaviour wants to dial an admitted peer.
    Dial(DialOpts),
}

/// Why a connection is refused at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Key(#[from] NotEd25519),
    #[error("{0} strangers are connected already")]
    TooManyStrangers(usize),
    #[error("the peer is not admitted")]
    NotAdmitted,
    #[error("too many dials are waiting")]
    QueueFull,
}

impl<B: NetworkBehaviour> Gated<B> {
    /// Closes the gate around a behaviour, with nobody admitted.
    pub(crate) fn new(inner: B, strangers_max: usize) -> Self {
        Self {
            inner,
            admitted: HashSet::new(),
            inside: HashMap::new(),
            established: HashMap::new(),
            strangers: HashSet::new(),
            strangers_max,
        }
    }

    /// Lets a peer in from its next connection on.
    pub(crate) fn admit(&mut self, peer: PeerKey) {
        self.admitted.insert(peer);
    }

    /// Keeps a peer out from its next connection on.
    pub(crate) fn dismiss(&mut self, peer: &PeerKey) {
        self.admitted.remove(peer);
    }

    pub(crate) fn is_admitted(&self, peer: &PeerKey) -> bool {
        self.admitted.contains(peer)
    }

    /// Tells whether a connection has a real handler.
    pub(crate) fn is_inside(&self, connection: ConnectionId) -> bool {
        self.inside.contains_key(&connection)
    }

    /// Returns the scope of a connection inside the gate.
    pub(crate) fn scope(&self, connection: ConnectionId) -> Option<Scope> {
        self.inside.get(&connection).map(|inside| inside.scope)
    }

    /// Puts a connection outside: the peer does not serve us on it, so it only confuses the inner
    /// behaviour beside the one that will replace it.
    pub(crate) fn retire(&mut self, connection: ConnectionId) {
        let Some((peer_id, endpoint)) = self.inside.remove(&connection).and_then(|one| one.ends)
        else {
            return;
        };
        self.tell_closed(ConnectionClosed {
            peer_id,
            connection_id: connection,
            endpoint: &endpoint,
            cause: None,
            remaining_established: 0,
        });
    }

    /// Tells whether an address that some admitted peer told about another may be dialled: one in
    /// a private scope only while a connection inside the gate is in that scope or a narrower one.
    pub(crate) fn accepts_hearsay(&self, address: &Multiaddr) -> bool {
        let scope = Scope::of(address);
        scope == Scope::Global || self.inside.values().any(|inside| inside.scope <= scope)
    }

    /// Tells the inner behaviour that a dial it asked for does not take place.
    pub(crate) fn refuse_dial(&mut self, dial: &DialOpts, refusal: Refusal) {
        let error = DialError::Denied {
            cause: ConnectionDenied::new(refusal),
        };
        self.inner
            .on_swarm_event(FromSwarm::DialFailure(DialFailure {
                peer_id: dial.get_peer_id(),
                error: &error,
                connection_id: dial.connection_id(),
            }));
    }

    pub(crate) fn inner(&self) -> &B {
        &self.inner
    }

    pub(crate) fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Decides the side of a new connection.
    fn passes(&self, peer: PeerId) -> Result<bool, ConnectionDenied> {
        let key =
            PeerKey::try_from(peer).map_err(|error| ConnectionDenied::new(Refusal::Key(error)))?;
        Ok(self.admitted.contains(&key))
    }

    fn may_dial(&self, dial: &DialOpts) -> bool {
        let key = dial
            .get_peer_id()
            .and_then(|peer| PeerKey::try_from(peer).ok());
        key.is_some_and(|key| self.admitted.contains(&key))
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.inside.remove(&connection);
        self.strangers.remove(&connection);
    }

    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let Some(inside) = self.inside.get_mut(&event.connection_id) else {
            return;
        };
        inside.ends = Some((event.peer_id, event.endpoint.clone()));
        let connections = self.established.entry(event.peer_id).or_default();
        let other_established = connections.len();
        connections.push(event.connection_id);
        self.inner
            .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                other_established,
                ..event
            }));
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        let was_inside = self.inside.contains_key(&event.connection_id);
        self.forget(event.connection_id);
        if was_inside {
            self.tell_closed(event);
        }
    }

    /// Tells the inner behaviour that a connection is closed, with the count of those inside.
    fn tell_closed(&mut self, event: ConnectionClosed<'_>) {
        let connections = self.established.entry(event.peer_id).or_default();
        connections.retain(|id| *id != event.connection_id);
        let remaining_established = connections.len();
        if remaining_established == 0 {
            self.established.remove(&event.peer_id);
        }
        self.inner
            .on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                remaining_established,
                ..event
            }));
    }

    /// Picks the connection inside that a notification is for; `None` if it is gone.
    fn receiver(&self, peer: PeerId, wanted: NotifyHandler) -> Option<NotifyHandler> {
        let id = match wanted {
            NotifyHandler::One(id) => self.inside.contains_key(&id).then_some(id)?,
            NotifyHandler::Any => *self.established.get(&peer)?.first()?,
        };
        Some(NotifyHandler::One(id))
    }
}

type GatedHandler<B> = Either<THandler<B>, dummy::ConnectionHandler>;
type GatedToSwarm<B> =
    ToSwarm<GateEvent<<B as NetworkBehaviour>::ToSwarm>, Either<THandlerInEvent<B>, Infallible>>;

impl<B: NetworkBehaviour> NetworkBehaviour for Gated<B> {
    type ConnectionHandler = GatedHandler<B>;
    type ToSwarm = GateEvent<B::ToSwarm>;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.passes(peer)? {
            let handler = self
                .inner
                .handle_established_inbound_connection(id, peer, local, remote)?;
            self.inside.insert(
                id,
                Inside {
                    scope: Scope::of(remote),
                    ends: None,
                },
            );
            return Ok(Either::Left(handler));
        }
        if self.strangers.len() >= self.strangers_max {
            return Err(ConnectionDenied::new(Refusal::TooManyStrangers(
                self.strangers_max,
            )));
        }
        self.strangers.insert(id);
        Ok(Either::Right(dummy::ConnectionHandler))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut more = self
            .inner
            .handle_pending_outbound_connection(id, peer, addresses, role)?;
        more.retain(|address| self.accepts_hearsay(address));
        Ok(more)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.passes(peer)? {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self
            .inner
            .handle_established_outbound_connection(id, peer, address, role, port_use)?;
        self.inside.insert(
            id,
            Inside {
                scope: Scope::of(address),
                ends: None,
            },
        );
        Ok(Either::Left(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            FromSwarm::AddressChange(event) => {
                if self.inside.contains_key(&event.connection_id) {
                    self.inner.on_swarm_event(FromSwarm::AddressChange(event));
                }
            }
            FromSwarm::DialFailure(event) => {
                self.forget(event.connection_id);
                self.inner.on_swarm_event(FromSwarm::DialFailure(event));
            }
            FromSwarm::ListenFailure(event) => {
                self.forget(event.connection_id);
                self.inner.on_swarm_event(FromSwarm::ListenFailure(event));
            }
            // The rest names no connection. (The enum is open: it may grow in libp2p.)
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) if self.inside.contains_key(&connection) => {
                self.inner
                    .on_connection_handler_event(peer, connection, event);
            }
            Either::Left(_retired) => {}
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<GatedToSwarm<B>> {
        loop {
            let Poll::Ready(wish) = self.inner.poll(cx) else {
                return Poll::Pending;
            };
            match wish {
                ToSwarm::Dial { opts } if self.may_dial(&opts) => {
                    return Poll::Ready(ToSwarm::GenerateEvent(GateEvent::Dial(opts)));
                }
                ToSwarm::Dial { opts } => self.refuse_dial(&opts, Refusal::NotAdmitted),
                ToSwarm::NotifyHandler {
                    peer_id,
                    handler,
                    event,
                } => {
                    if let Some(handler) = self.receiver(peer_id, handler) {
                        let event = Either::Left(event);
                        return Poll::Ready(ToSwarm::NotifyHandler {
                            peer_id,
                            handler,
                            event,
                        });
                    }
                }
                other => return Poll::Ready(other.map_out(GateEvent::Inner).map_in(Either::Left)),
            }
        }
    }
}
