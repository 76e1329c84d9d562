//! What leaves a node: copies of gossip, requests and answers, dials, and the parcels that carry them.

use x0_crypto::PublicKey;
use x0_protocol::{
    Input, MessageId, RequestId, RequestToken,
    core::effect::MessageVerdict,
    wire::{Record, Request, Response},
};

use super::{
    super::{
        Shared,
        event::{Event, Kind, Parcel, What},
        node::{asker_of, token_of},
    },
    DIAL_TIMEOUT, Mail, Publication, Shard, Turn, remove,
};
use crate::time::{Span, Time};

/// Time after which a request is given up.
const REQUEST_TIMEOUT: Span = Span::from_secs(10);

impl Shard {
    /// Keeps numbers for the copies; the message gets its own between two windows.
    pub(in crate::world) fn publish(
        &mut self,
        shared: &Shared,
        local: usize,
        at: Time,
        record: Record,
    ) {
        // Local places are below the number of nodes, which has 32 bits.
        let node = self.first + local as u32;
        let copies = shared.network.topology.mesh.neighbours(node).len() as u32;
        let sequence = self.nodes[local].reserve_sequences(copies);
        self.published.push(Publication {
            at,
            node,
            sequence,
            record,
        });
    }

    /// Pushes a published message to the mesh neighbours, unless the node has seen it already.
    pub(in crate::world) fn launch(
        &mut self,
        shared: &Shared,
        message: u32,
        publication: &Publication,
    ) {
        let local = self.local(publication.node) as u32;
        if !self.seen.first_copy(message, local) {
            return;
        }
        self.seen.take(message, local);
        self.journal.accepted(message);
        self.push_copies(
            shared,
            message,
            publication.node,
            None,
            publication.at,
            publication.sequence,
        );
    }

    pub(super) fn report(
        &mut self,
        shared: &Shared,
        turn: &Turn,
        message: MessageId,
        verdict: MessageVerdict,
    ) -> u64 {
        // The driver numbers messages with 32 bits.
        let message = message.0 as u32;
        if verdict != MessageVerdict::Accept {
            self.journal.not_accepted += 1;
            return 17;
        }
        let info = &shared.messages[message as usize];
        if shared.founding.mute.contains(&turn.id) {
            return 23;
        }
        self.seen.take(message, turn.local as u32);
        self.journal.accepted(message);
        self.journal.delivery.record(turn.now.since(info.at).0);
        let from = turn
            .gossip
            .and_then(|(about, from)| (about == message).then_some(from));
        let copies = shared.network.topology.mesh.neighbours(turn.id).len() as u32;
        let sequence = self.nodes[turn.local].reserve_sequences(copies);
        self.push_copies(shared, message, turn.id, from, turn.now, sequence);
        2
    }

    pub(super) fn push_copies(
        &mut self,
        shared: &Shared,
        message: u32,
        node: u32,
        from: Option<u32>,
        at: Time,
        first_sequence: u32,
    ) {
        let what = What::pack(Kind::Copy(message));
        let neighbours = shared.network.topology.mesh.neighbours(node);
        for (&to, sequence) in neighbours.iter().zip(first_sequence..) {
            if Some(to) == from {
                continue;
            }
            if let Some(at) = shared.network.transmit(node, to, sequence, at) {
                self.deliver(
                    Event {
                        at,
                        destination: to,
                        source: node,
                        sequence,
                        what,
                    },
                    None,
                );
            }
        }
    }

    pub(super) fn request(
        &mut self,
        shared: &Shared,
        turn: &Turn,
        id: RequestId,
        to: &PublicKey,
        request: Request,
    ) {
        // A driver dials for what is asked of somebody it has no link to.
        let peer = self.nodes[turn.local].peer.as_ref();
        if peer.is_some_and(|peer| !peer.is_linked(to)) {
            self.dial(shared, turn, to);
        }
        let node = &mut self.nodes[turn.local];
        let (sequence, life) = (node.next_sequence(), node.life);
        let arrival = shared.keys.node(to).and_then(|to| {
            Some((
                to,
                shared
                    .network
                    .transmit_reliably(turn.id, to, sequence, turn.now)?,
            ))
        });
        self.journal.requests += 1;
        let Some((to, at)) = arrival else {
            let response = Parcel::Response {
                id,
                life,
                response: None,
            };
            self.post(turn.id, turn.id, turn.now + REQUEST_TIMEOUT, response);
            return;
        };
        let parcel = Parcel::Request {
            token: token_of(turn.id, life, id),
            request,
        };
        self.deliver_parcel(Event::parcel(at, to, turn.id, sequence), parcel);
    }

    /// Sends a request that a node's peer knows nothing of, over a link or not.
    pub(in crate::world) fn request_past_peer(
        &mut self,
        shared: &Shared,
        (node, to): (u32, u32),
        now: Time,
        id: RequestId,
        request: Request,
    ) {
        let local = self.local(node);
        let (sequence, life) = (self.nodes[local].next_sequence(), self.nodes[local].life);
        let Some(at) = shared.network.transmit_past_peers(node, to, sequence, now) else {
            self.journal.past_peer.insert(id, None);
            return;
        };
        let token = token_of(node, life, id);
        self.deliver_parcel(
            Event::parcel(at, to, node, sequence),
            Parcel::Request { token, request },
        );
    }

    pub(super) fn respond(
        &mut self,
        shared: &Shared,
        turn: &Turn,
        token: RequestToken,
        response: Response,
    ) {
        let node = &mut self.nodes[turn.local];
        remove(&mut node.owed, &token);
        let sequence = node.next_sequence();
        let (asker, life, id) = asker_of(token);
        let at = shared
            .network
            .transmit_reliably(turn.id, asker, sequence, turn.now);
        let Some(at) = at else {
            self.fail(turn.id, turn.now, token);
            return;
        };
        let parcel = Parcel::Response {
            id,
            life,
            response: Some(response),
        };
        self.deliver_parcel(Event::parcel(at, asker, turn.id, sequence), parcel);
    }

    /// Lets the asker know, after its patience has ended, that no answer comes.
    pub(super) fn fail(&mut self, from: u32, now: Time, token: RequestToken) {
        let (asker, life, id) = asker_of(token);
        let parcel = Parcel::Response {
            id,
            life,
            response: None,
        };
        self.post(from, asker, now + REQUEST_TIMEOUT, parcel);
    }

    pub(super) fn dial(&mut self, shared: &Shared, turn: &Turn, peer: &PublicKey) {
        let Some(to) = shared.keys.node(peer) else {
            return;
        };
        let node = &mut self.nodes[turn.local];
        let (sequence, life) = (node.next_sequence(), node.life);
        match shared
            .network
            .transmit_reliably(turn.id, to, sequence, turn.now)
        {
            Some(at) => {
                let event = Event::parcel(at, to, turn.id, sequence);
                self.deliver_parcel(event, Parcel::Dial { life });
            }
            None => {
                let failed = Input::DialFailed { peer: *peer };
                let parcel = Parcel::Own {
                    life,
                    input: Box::new(failed),
                };
                self.post(turn.id, turn.id, turn.now + DIAL_TIMEOUT, parcel);
            }
        }
    }

    pub(super) fn hang_up(&mut self, shared: &Shared, turn: &Turn, peer: &PublicKey) {
        let Some(other) = shared.keys.node(peer) else {
            return;
        };
        let node = &mut self.nodes[turn.local];
        if node.unlink(other, None) {
            let life = node.life;
            self.inputs.push_back(Input::LinkDown { peer: *peer });
            self.send(shared, turn.local, other, turn.now, Kind::LinkDown { life });
        }
    }

    /// Sends something small to another node; tells whether it will arrive.
    pub(super) fn send(
        &mut self,
        shared: &Shared,
        local: usize,
        to: u32,
        at: Time,
        kind: Kind,
    ) -> bool {
        let source = self.first + local as u32;
        let sequence = self.nodes[local].next_sequence();
        let arrival = match kind {
            Kind::Copy(_) | Kind::Advert(_) | Kind::Want(_) => {
                shared.network.transmit(source, to, sequence, at)
            }
            Kind::Parcel(_) | Kind::Wake | Kind::LinkUp { .. } | Kind::LinkDown { .. } => {
                shared.network.transmit_reliably(source, to, sequence, at)
            }
        };
        let Some(at) = arrival else { return false };
        let what = What::pack(kind);
        self.deliver(
            Event {
                at,
                destination: to,
                source,
                sequence,
                what,
            },
            None,
        );
        true
    }

    /// Puts a parcel of one of this shard's nodes on its way, to arrive at a given moment.
    pub(super) fn post(&mut self, source: u32, destination: u32, at: Time, parcel: Parcel) {
        let sequence = self.next_sequence(source);
        self.deliver_parcel(Event::parcel(at, destination, source, sequence), parcel);
    }

    pub(super) fn deliver_parcel(&mut self, event: Event, parcel: Parcel) {
        self.deliver(event, Some(Box::new(parcel)));
    }

    pub(super) fn deliver(&mut self, event: Event, parcel: Option<Box<Parcel>>) {
        let mail = Mail { event, parcel };
        if self.has(event.destination) {
            self.accept(mail);
        } else {
            self.outgoing.push(mail);
        }
    }

    /// Sends an advertisement for a node of this shard.
    pub(in crate::world) fn advertise(
        &mut self,
        shared: &Shared,
        node: u32,
        to: u32,
        at: Time,
        message: u32,
    ) {
        let local = self.local(node);
        self.journal.adverts += 1;
        self.send(shared, local, to, at, Kind::Advert(message));
    }
}
