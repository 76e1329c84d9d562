//! What the driver does about events of the swarm.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events of libp2p and kinds of io errors are open enums of which few concern us"
)]

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId, autonat,
    core::ConnectedPoint,
    gossipsub, identify, kad, mdns, ping, relay,
    request_response::{self, OutboundRequestId},
    swarm::{self, ConnectionError, ConnectionId, SwarmEvent},
};
use tracing::{debug, trace, warn};

use crate::{
    address_book::{Scope, is_circuit},
    api::{
        Direction, Discovery, DownReason, InboundRequest, MessageRef, NetEvent, PeerKey, Protocol,
        Verdict,
    },
    behaviour::{BehaviourEvent, MembersEvent},
    causes::{dial_error, down_reason, innermost, request_error},
    dials::Purpose,
    driver::Driver,
    error::RequestError,
    gate::{GateEvent, Refusal},
    gossip,
    links::Connection,
};

/// Addresses taken from one message of a peer.
const ADDRESSES_PER_MESSAGE_MAX: usize = 16;
/// Answers at the gate: whether the peer is admitted.
const ADMITTED: u8 = 1;
const NOT_ADMITTED: u8 = 0;

type RequestEvent = request_response::Event<Vec<u8>, Vec<u8>>;

impl Driver {
    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                self.on_disconnected(peer_id, connection_id, cause.as_ref());
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                self.counters.connections_refused.one();
                debug!(address = %send_back_addr, error = innermost(&error), "inbound connection refused");
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                debug!(%address, "listening");
                self.emit(NetEvent::Listening(address.clone()));
                if !is_circuit(&address) && self.is_shareable(listener_id, &address) {
                    self.add_external(address);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.swarm.remove_external_address(&address)
            }
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                let reason = reason
                    .err()
                    .map_or_else(|| "closed".to_owned(), |error| innermost(&error));
                self.on_listener_closed(listener_id, reason);
            }
            SwarmEvent::ListenerError { error, .. } => {
                warn!(error = innermost(&error), "listener error")
            }
            SwarmEvent::ExternalAddrConfirmed { address } => self.emit(NetEvent::External(address)),
            SwarmEvent::ExternalAddrExpired { address } => {
                debug!(%address, "no longer reachable at address")
            }
            // The rest is noted elsewhere or of no interest. (The enum is open.)
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Hello(event) => self.on_request_event(Protocol::Hello, event),
            BehaviourEvent::Gate(event) => self.on_gate_notice(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.discover(peer, [address], Discovery::Mdns);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Members(GateEvent::Inner(event)) => self.on_member_event(event),
            BehaviourEvent::Members(GateEvent::Dial(dial)) => {
                if let Some(dial) = self.dials.ask_inner(dial) {
                    self.swarm
                        .behaviour_mut()
                        .members
                        .refuse_dial(&dial, Refusal::QueueFull);
                }
            }
            BehaviourEvent::Limits(never) | BehaviourEvent::Expelled(never) => match never {},
        }
    }

    fn on_member_event(&mut self, event: MembersEvent) {
        match event {
            MembersEvent::Gossip(event) => self.on_gossip(event),
            MembersEvent::Sync(event) => self.on_request_event(Protocol::Sync, event),
            MembersEvent::Identify(event) => self.on_identify(event),
            MembersEvent::Ping(event) => self.on_ping(event),
            MembersEvent::Kademlia(event) => self.on_kademlia(event),
            MembersEvent::Autonat(autonat::v1::Event::StatusChanged { old, new }) => {
                debug!(?old, ?new, "reachability changed");
            }
            MembersEvent::Autonat(_) => {}
            MembersEvent::RelayClient(event) => debug!(?event, "relay client"),
            MembersEvent::RelayServer(event) => debug!(?event, "relay server"),
            MembersEvent::HolePunching(event) => {
                debug!(peer = %event.remote_peer_id, ok = event.result.is_ok(), "hole punching");
            }
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let replaced = self
            .dials
            .end(id)
            .filter(|dial| dial.purpose == Purpose::Replacement);
        // Others are refused when their handler is made.
        let Ok(key) = PeerKey::try_from(peer) else {
            return;
        };
        let is_inside = self.swarm.behaviour().members.is_inside(id);
        let address = endpoint.get_remote_address().clone();
        let direction = if endpoint.is_dialer() {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        match direction {
            Direction::Inbound => self.counters.connections_in.one(),
            Direction::Outbound => self.counters.connections_out.one(),
        }
        debug!(peer = %key, %address, ?direction, is_inside, "connected");
        if direction == Direction::Outbound {
            self.learn(key, &address, is_inside);
        }
        let connection = Connection::new(id, address, direction, is_inside, Instant::now());
        for event in self.links.open(key, connection) {
            self.emit(event);
        }
        if replaced.is_some() {
            self.links.replaced(&key, true);
            self.close_retired(key);
        }
    }

    fn on_disconnected(&mut self, peer: PeerId, id: ConnectionId, cause: Option<&ConnectionError>) {
        self.counters.connections_closed.one();
        debug!(%peer, cause = ?cause.map(|cause| innermost(cause)), "connection closed");
        for event in self.links.close(id, down_reason(cause)) {
            self.emit(event);
        }
    }

    pub(crate) fn on_dial_failed(&mut self, id: ConnectionId, error: &swarm::DialError) {
        let Some(dial) = self.dials.end(id) else {
            return;
        };
        let Some(peer) = dial.peer else {
            return;
        };
        match dial.purpose {
            Purpose::Asked => {}
            Purpose::Replacement => self.links.replaced(&peer, false),
            Purpose::Inner => {
                debug!(%peer, error = innermost(error), "look-up dial failed");
                return;
            }
        }
        // Connected meanwhile, or by another dial that reports for itself.
        if matches!(error, swarm::DialError::DialPeerConditionFalse(_)) {
            return;
        }
        self.counters.dials_failed.one();
        let error = dial_error(error);
        debug!(%peer, %error, "dial failed");
        self.emit(NetEvent::DialFailed {
            peer,
            addresses: dial.addresses,
            error,
        });
    }

    fn on_listener_closed(&mut self, id: libp2p::core::transport::ListenerId, reason: String) {
        let circuit = self
            .circuits
            .iter_mut()
            .find(|circuit| circuit.listener == Some(id));
        let address = match circuit {
            Some(circuit) => {
                circuit.listener = None;
                Some(circuit.address.clone())
            }
            None => self.listeners.remove(&id),
        };
        if let Some(address) = address {
            self.emit(NetEvent::ListenFailed { address, reason });
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.on_message(propagation_source, &message_id, message);
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => debug!(peer = %peer_id, "peer is slow"),
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                debug!(peer = %peer_id, "peer does not gossip with us: it has not admitted us yet");
            }
            gossipsub::Event::Subscribed { .. } | gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    fn on_message(&mut self, from: PeerId, id: &gossipsub::MessageId, message: gossipsub::Message) {
        let Ok(from) = PeerKey::try_from(from) else {
            return;
        };
        let reference = MessageRef {
            id: gossip::digest(id),
            from,
        };
        let Some(topic) = gossip::short_topic(&self.mesh, &message.topic) else {
            return self.report(reference, Verdict::Ignore);
        };
        trace!(%from, %topic, bytes = message.data.len(), "message");
        let event = NetEvent::Message {
            message: reference,
            topic,
            from,
            data: message.data,
        };
        if self.offer(event) {
            self.counters.messages_in.one();
        } else {
            self.report(reference, Verdict::Ignore);
        }
    }

    fn on_request_event(&mut self, protocol: Protocol, event: RequestEvent) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request {
                    request_id,
                    request,
                    channel,
                } => {
                    let Ok(from) = PeerKey::try_from(peer) else {
                        return;
                    };
                    if protocol == Protocol::Hello {
                        self.hellos.insert(request_id, from);
                    }
                    let token = InboundRequest { protocol, channel };
                    self.on_request(from, token, request);
                }
                request_response::Message::Response {
                    request_id,
                    response,
                } => {
                    self.on_answer(protocol, request_id, Ok(response));
                }
            },
            request_response::Event::OutboundFailure {
                request_id, error, ..
            } => {
                self.on_answer(protocol, request_id, Err(request_error(error)));
            }
            request_response::Event::InboundFailure {
                request_id,
                peer,
                error,
                ..
            } => {
                debug!(%peer, ?protocol, %error, "request of a peer failed");
                self.on_hello_done(protocol, request_id);
            }
            request_response::Event::ResponseSent { request_id, .. } => {
                self.on_hello_done(protocol, request_id);
            }
        }
    }

    fn on_request(&mut self, from: PeerKey, token: InboundRequest, data: Vec<u8>) {
        let protocol = token.protocol;
        let admitted = self.swarm.behaviour().members.is_admitted(&from);
        trace!(%from, ?protocol, bytes = data.len(), admitted, "request");
        if self.offer(NetEvent::Request {
            from,
            protocol,
            token,
            data,
            admitted,
        }) {
            self.counters.requests_in.one();
        }
    }

    fn on_answer(
        &mut self,
        protocol: Protocol,
        request: OutboundRequestId,
        result: Result<Vec<u8>, RequestError>,
    ) {
        let Some((from, id)) = self.asked.remove(&(protocol, request)) else {
            return;
        };
        if let Err(error) = &result {
            self.counters.requests_failed.one();
            debug!(peer = %from, ?protocol, %error, "request failed");
        }
        self.emit(NetEvent::Response { id, from, result });
        if protocol == Protocol::Hello {
            self.close_retired(from);
        }
    }

    fn on_hello_done(&mut self, protocol: Protocol, request: request_response::InboundRequestId) {
        if protocol == Protocol::Hello
            && let Some(peer) = self.hellos.remove(&request)
        {
            self.close_retired(peer);
        }
    }

    /// Closes the connections that were replaced, unless a hello with the peer is still open.
    fn close_retired(&mut self, peer: PeerKey) {
        let asked = self
            .asked
            .iter()
            .any(|((protocol, _), (asked, _))| *protocol == Protocol::Hello && *asked == peer);
        if asked || self.hellos.values().any(|asking| *asking == peer) {
            return;
        }
        for connection in self.links.take_retired(&peer) {
            self.links.closing(connection, DownReason::Regated);
            self.swarm.close_connection(connection);
        }
    }

    /// Handles "I admit you, but this connection is outside my gate — do you admit me?", and the
    /// answer.
    fn on_gate_notice(&mut self, event: RequestEvent) {
        let request_response::Event::Message {
            peer,
            connection_id,
            message,
        } = event
        else {
            return;
        };
        let Ok(key) = PeerKey::try_from(peer) else {
            return;
        };
        let behaviour = self.swarm.behaviour_mut();
        let admits_us = match message {
            request_response::Message::Request { channel, .. } => {
                let answer = if behaviour.members.is_admitted(&key) {
                    ADMITTED
                } else {
                    NOT_ADMITTED
                };
                // If the channel is closed the peer is gone.
                let _gone = behaviour.gate.send_response(channel, vec![answer]);
                behaviour.members.retire(connection_id);
                self.links.retire(connection_id, Instant::now());
                true
            }
            request_response::Message::Response { response, .. } => response == [ADMITTED],
        };
        trace!(peer = %key, admits_us, "gate notice");
        if !admits_us {
            return;
        }
        if let Some(link) = self.links.of_mut(&key) {
            link.admits_us = true;
            self.replace(key);
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received {
            connection_id,
            peer_id,
            info,
        } = event
        else {
            return;
        };
        let Some(scope) = self.swarm.behaviour().members.scope(connection_id) else {
            return;
        };
        let told = info
            .listen_addrs
            .into_iter()
            .filter(|address| Scope::of(address) >= scope);
        let told: Vec<_> = told.take(ADDRESSES_PER_MESSAGE_MAX).collect();
        self.discover(peer_id, told, Discovery::Identify);
        if info.protocols.contains(&relay::HOP_PROTOCOL_NAME) {
            self.reserve_circuits(peer_id);
        }
    }

    /// Listens through a relay that has shown to serve us.
    fn reserve_circuits(&mut self, relay: PeerId) {
        for circuit in &mut self.circuits {
            if circuit.relay != relay || circuit.listener.is_some() {
                continue;
            }
            match self.swarm.listen_on(circuit.address.clone()) {
                Ok(listener) => circuit.listener = Some(listener),
                Err(error) => {
                    warn!(address = %circuit.address, error = innermost(&error), "cannot use relay")
                }
            }
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => self.links.measured(event.connection, rtt),
            Err(ping::Failure::Timeout) => {
                debug!(peer = %event.peer, "peer does not answer pings: closing");
                self.links
                    .closing(event.connection, DownReason::Unresponsive);
                self.swarm.close_connection(event.connection);
            }
            // Not served on a connection that is outside the peer's gate; other errors end the
            // connection by themselves.
            Err(ping::Failure::Unsupported | ping::Failure::Other { .. }) => {}
        }
    }

    fn on_kademlia(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { result, .. } = event else {
            return;
        };
        let kad::QueryResult::GetClosestPeers(result) = result else {
            return;
        };
        let peers = match result {
            Ok(found) => found.peers,
            Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        for found in peers {
            let members = &self.swarm.behaviour().members;
            let usable = found
                .addrs
                .into_iter()
                .filter(|address| members.accepts_hearsay(address));
            let usable: Vec<_> = usable.take(ADDRESSES_PER_MESSAGE_MAX).collect();
            self.discover(found.peer_id, usable, Discovery::Kademlia);
        }
    }

    /// Notes addresses of a peer and reports the new ones.
    fn discover(
        &mut self,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Multiaddr>,
        by: Discovery,
    ) {
        let Ok(key) = PeerKey::try_from(peer) else {
            return;
        };
        if peer == *self.swarm.local_peer_id() {
            return;
        }
        let is_admitted = self.swarm.behaviour().members.is_admitted(&key);
        let mut addresses: Vec<_> = addresses.into_iter().collect();
        addresses.retain(|address| self.learn(key, address, is_admitted));
        if addresses.is_empty() {
            return;
        }
        self.offer(NetEvent::Discovered {
            peer: key,
            addresses,
            by,
        });
    }

    /// Notes an address of a peer, for look-ups too if it is admitted; returns whether it is new.
    fn learn(&mut self, peer: PeerKey, address: &Multiaddr, is_admitted: bool) -> bool {
        if is_admitted && let Some(kademlia) = self.members().kademlia.as_mut() {
            kademlia.add_address(&peer.peer_id(), address.clone());
        }
        self.book.add(peer, address)
    }
}
