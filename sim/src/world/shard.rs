//! A shard: a range of nodes and the events that happen to them.
//!
//! Shards run side by side up to a common moment that no message can cross (see [`super`]), and
//! exchange what they have for each other between two such moments. Within a shard events happen
//! strictly in their order. A shard decides nothing about the protocol: it turns events into inputs
//! and carries out effects, as the driver of a real node does.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
};

use x0_crypto::{
    ContentId, PublicKey,
    committee::{Keyring, Purpose as KeyPurpose},
};
use x0_protocol::{
    Effect, Event as Told, Input, JobId, MessageId, Millis, Mono, Now, Outbox, Peer, PeerConfig,
    RequestId, RequestToken, Wall,
    charter::{Charter, inspection::Collected},
    core::{
        effect::{MessageVerdict, Write},
        secret::{SecretDone, SecretTask},
    },
    peer::Stored,
    wire::{Change, LogHead, Record, Request, Response, Said, Unverified, Verified},
};

use super::{
    Shared, cost,
    event::{CONTROL, Event, Kind, Parcel, Parcels, What},
    journal::Journal,
    keys::{ByDigest, WALL_START},
    node::{NEVER, Node, asker_of, is_past_peer, token_of},
    store::Store,
    verdicts::Verdicts,
};
use crate::{
    digest::Digest,
    network::gossip::Seen,
    queue::{EventQueue, Wheel},
    random::Purpose,
    time::{Span, Time},
};

/// Time after which a request is given up.
const REQUEST_TIMEOUT: Span = Span::from_secs(10);

/// Time after which a dial is given up.
const DIAL_TIMEOUT: Span = Span::from_secs(5);

/// Most records in one message between two peers (the protocol's page).
const PAGE: usize = x0_protocol::core::limits::PAGE_RECORDS_MAX;

/// Something for a node of another shard.
pub(super) struct Mail {
    pub(super) event: Event,
    pub(super) parcel: Option<Box<Parcel>>,
}

/// A record that a node publishes; it gets its number between two windows.
pub(super) struct Publication {
    pub(super) at: Time,
    pub(super) node: u32,
    /// The first of the sequence numbers kept for the copies.
    pub(super) sequence: u32,
    pub(super) record: Record,
}

/// A range of nodes.
pub(super) struct Shard {
    first: u32,
    pub(super) nodes: Vec<Node>,
    queue: Wheel<Event>,
    pub(super) seen: Seen,
    parcels: Parcels,
    verdicts: Verdicts,
    /// What seats of the committee hold of its keys.
    keyrings: BTreeMap<u32, Keyring>,
    /// Every record that a node of this shard stores.
    library: HashMap<[u8; 32], Unverified<Record>, ByDigest>,
    pub(super) outgoing: Vec<Mail>,
    pub(super) published: Vec<Publication>,
    pub(super) journal: Journal,
    pub(super) digest: Digest,
    outbox: Outbox,
    inputs: VecDeque<Input>,
}

/// What is being handled: which node, when, and the gossip message it is about.
struct Turn {
    local: usize,
    id: u32,
    now: Time,
    gossip: Option<(u32, u32)>,
    effects: u64,
}

impl Shard {
    /// Makes a shard of `nodes` nodes without power.
    pub(super) fn new(first: u32, nodes: u32) -> Self {
        Self {
            first,
            nodes: (0..nodes).map(|_| Node::new()).collect(),
            queue: Wheel::default(),
            seen: Seen::new(nodes),
            parcels: Parcels::default(),
            verdicts: Verdicts::default(),
            keyrings: BTreeMap::new(),
            library: HashMap::default(),
            outgoing: Vec::new(),
            published: Vec::new(),
            journal: Journal::default(),
            digest: Digest::default(),
            outbox: Outbox::new(),
            inputs: VecDeque::new(),
        }
    }

    /// Tells whether the node belongs here.
    pub(super) fn has(&self, node: u32) -> bool {
        (self.first..self.first + self.nodes.len() as u32).contains(&node)
    }

    /// Returns the node's place within the shard.
    pub(super) const fn local(&self, node: u32) -> usize {
        (node - self.first) as usize
    }

    /// Returns the number of the next event that a node causes.
    pub(super) fn next_sequence(&mut self, node: u32) -> u32 {
        let local = self.local(node);
        self.nodes[local].next_sequence()
    }

    /// Returns the first node of the range.
    pub(super) const fn first(&self) -> u32 {
        self.first
    }

    /// Tells whether the node has power.
    pub(super) fn is_up(&self, node: u32) -> bool {
        self.nodes[self.local(node)].peer.is_some()
    }

    /// Returns the node's present life.
    pub(super) fn life(&self, node: u32) -> u8 {
        self.nodes[self.local(node)].life
    }

    /// Tells whether the node has an open link to the other.
    pub(super) fn is_linked(&self, node: u32, other: u32) -> bool {
        self.nodes[self.local(node)].is_linked(other)
    }

    /// Returns the node's open links, and the lives of their other ends.
    pub(super) fn links(&self, node: u32) -> &[(u32, u8)] {
        &self.nodes[self.local(node)].links
    }

    /// Returns what is durable on the node.
    pub(super) fn store(&self, node: u32) -> &Store {
        &self.nodes[self.local(node)].store
    }

    /// Tells whether the node has power and its peer knows the record.
    pub(super) fn knows(&self, node: u32, record: &ContentId) -> bool {
        self.nodes[self.local(node)]
            .peer
            .as_ref()
            .is_some_and(|peer| peer.knows(record))
    }

    /// Tells whether the node has power and advertises a message at this heartbeat.
    pub(super) fn advertises(&self, node: u32, message: u32) -> bool {
        self.is_up(node) && self.seen.advertises(message, node - self.first)
    }

    /// Returns a moment before which nothing happens here.
    pub(super) fn next_at_or_after(&self) -> Option<Time> {
        self.queue.next_at_or_after()
    }

    /// Takes something in from another shard, or from outside.
    pub(super) fn accept(&mut self, mail: Mail) {
        let mut event = mail.event;
        if let Some(parcel) = mail.parcel {
            event.what = What::pack(Kind::Parcel(self.parcels.put(parcel)));
        }
        self.queue.push(event);
    }

    /// Lets everything happen that happens before `until`.
    pub(super) fn run(&mut self, shared: &Shared, until: Time) {
        while let Some(event) = self.queue.pop_before(until) {
            self.step(shared, event);
        }
    }

    fn step(&mut self, shared: &Shared, event: Event) {
        let local = self.local(event.destination);
        let detail = match event.what.unpack() {
            Kind::Copy(message) => self.on_copy(shared, event, local, message),
            Kind::Advert(message) => self.on_advert(shared, event, local, message),
            Kind::Want(message) => self.on_want(shared, event, local, message),
            Kind::Parcel(slot) => self.on_parcel(shared, event, local, slot),
            Kind::Wake => self.on_wake(shared, event, local),
            Kind::LinkUp { dialled, life } => self.on_link_up(shared, event, local, dialled, life),
            Kind::LinkDown { life } => self.on_link_down(shared, event, local, life),
        };
        self.journal.events += 1;
        let who = u64::from(event.destination) << 32 | u64::from(event.source);
        let what = u64::from(event.sequence) << 32 | u64::from(event.what.tag());
        self.digest
            .absorb(event.at, [event.at.0, who, what, detail]);
    }

    fn on_copy(&mut self, shared: &Shared, event: Event, local: usize, message: u32) -> u64 {
        let fingerprint = shared.messages[message as usize].fingerprint;
        if self.nodes[local].peer.is_none() {
            return fingerprint ^ 1;
        }
        self.journal.copies += 1;
        let now = self.nodes[local].work(event.at, cost::COPY);
        // Local places are below the number of nodes, which has 32 bits.
        if !self.seen.first_copy(message, local as u32) {
            return fingerprint ^ 2;
        }
        self.journal.first_copies += 1;
        let input = Input::Gossip {
            from: shared.keys.key(event.source),
            message: MessageId(u64::from(message)),
            record: shared.messages[message as usize].record.clone(),
        };
        let gossip = Some((message, event.source));
        fingerprint ^ self.handle(shared, local, now, gossip, input)
    }

    fn on_advert(&mut self, shared: &Shared, event: Event, local: usize, message: u32) -> u64 {
        let fingerprint = shared.messages[message as usize].fingerprint;
        if self.nodes[local].peer.is_none() || self.seen.has(message, local as u32) {
            return fingerprint ^ 3;
        }
        let now = self.nodes[local].work(event.at, cost::MESSAGE);
        self.journal.wants += 1;
        self.send(shared, local, event.source, now, Kind::Want(message));
        fingerprint ^ 4
    }

    fn on_want(&mut self, shared: &Shared, event: Event, local: usize, message: u32) -> u64 {
        let fingerprint = shared.messages[message as usize].fingerprint;
        if self.nodes[local].peer.is_none() || !self.seen.has(message, local as u32) {
            return fingerprint ^ 5;
        }
        let now = self.nodes[local].work(event.at, cost::MESSAGE);
        self.send(shared, local, event.source, now, Kind::Copy(message));
        fingerprint ^ 6
    }

    fn on_wake(&mut self, shared: &Shared, event: Event, local: usize) -> u64 {
        let node = &mut self.nodes[local];
        if node.wake_at != event.at || node.peer.is_none() {
            return 1;
        }
        node.wake_at = NEVER;
        let now = node.work(event.at, Span::default());
        self.handle(shared, local, now, None, Input::Wake)
    }

    fn on_link_up(
        &mut self,
        shared: &Shared,
        event: Event,
        local: usize,
        dialled: bool,
        life: u8,
    ) -> u64 {
        let node = &mut self.nodes[local];
        if node.peer.is_none() {
            return 2;
        }
        let now = node.work(event.at, cost::MESSAGE);
        let peer = shared.keys.key(event.source);
        let mut detail = 3;
        if node.link(event.source, life) {
            detail ^= self.handle(shared, local, now, None, Input::LinkDown { peer });
        }
        let input = Input::LinkUp {
            peer,
            dialled,
            admitted: true,
        };
        detail ^ self.handle(shared, local, now, None, input)
    }

    fn on_link_down(&mut self, shared: &Shared, event: Event, local: usize, life: u8) -> u64 {
        let node = &mut self.nodes[local];
        if node.peer.is_none() || !node.unlink(event.source, Some(life)) {
            return 4;
        }
        let now = node.work(event.at, cost::MESSAGE);
        let peer = shared.keys.key(event.source);
        self.handle(shared, local, now, None, Input::LinkDown { peer })
    }

    fn on_parcel(&mut self, shared: &Shared, event: Event, local: usize, slot: u32) -> u64 {
        let Some(parcel) = self.parcels.take(slot) else {
            return 5;
        };
        let fingerprint = parcel.fingerprint();
        let (is_up, own_life) = (self.nodes[local].peer.is_some(), self.nodes[local].life);
        let input = match *parcel {
            Parcel::Request { token, request } => {
                if !is_up {
                    self.fail(event.destination, event.at, token);
                    return fingerprint ^ 1;
                }
                let lies = shared.founding.handed_out.as_ref();
                if let Some(answer) = lies.and_then(|lies| lies.answer(event.destination, &request))
                {
                    let turn = Turn {
                        local,
                        id: event.destination,
                        now: event.at,
                        gossip: None,
                        effects: 0,
                    };
                    self.respond(shared, &turn, token, answer);
                    return fingerprint ^ 9;
                }
                self.nodes[local].owed.push(token);
                Input::Request {
                    from: shared.keys.key(event.source),
                    token,
                    request,
                }
            }
            Parcel::Response { id, response, .. } if is_past_peer(id) => {
                self.journal.past_peer.insert(id, response);
                return fingerprint ^ 7;
            }
            Parcel::Response { id, life, response } => {
                if !is_up || life != own_life {
                    return fingerprint ^ 2;
                }
                Input::Response { id, response }
            }
            Parcel::Dial { life } => return fingerprint ^ self.on_dial(shared, event, local, life),
            Parcel::DialFailed if !is_up => return fingerprint ^ 3,
            Parcel::DialFailed => Input::DialFailed {
                peer: shared.keys.key(event.source),
            },
            Parcel::Written { life, id, writes } => {
                if !is_up || life != own_life {
                    return fingerprint ^ 4;
                }
                remove(&mut self.nodes[local].unsafe_writes, &slot);
                self.write(event.destination, local, writes);
                Input::Persisted { id }
            }
            Parcel::Own { life, input } => {
                if !is_up || life != own_life {
                    return fingerprint ^ 5;
                }
                *input
            }
            Parcel::Command { .. } if !is_up => return fingerprint ^ 6,
            Parcel::Command { id, command } => Input::Command {
                id,
                command: *command,
            },
        };
        let cost = if event.source == event.destination {
            Span::default()
        } else {
            cost::MESSAGE
        };
        let now = self.nodes[local].work(event.at, cost);
        fingerprint ^ self.handle(shared, local, now, None, input)
    }

    fn on_dial(&mut self, shared: &Shared, event: Event, local: usize, life: u8) -> u64 {
        if self.nodes[local].peer.is_none() {
            let at = event.at + DIAL_TIMEOUT;
            self.post(event.destination, event.source, at, Parcel::DialFailed);
            return 1;
        }
        let now = self.nodes[local].work(event.at, cost::MESSAGE);
        let own_life = self.nodes[local].life;
        let up = Kind::LinkUp {
            dialled: true,
            life: own_life,
        };
        if !self.send(shared, local, event.source, now, up) {
            return 2;
        }
        let arrived = Event { at: now, ..event };
        self.on_link_up(shared, arrived, local, false, life)
    }

    /// Hands an input to a peer and does what it asks for, until it asks for nothing more.
    fn handle(
        &mut self,
        shared: &Shared,
        local: usize,
        now: Time,
        gossip: Option<(u32, u32)>,
        input: Input,
    ) -> u64 {
        // Local places are below the number of nodes, which has 32 bits.
        let id = self.first + local as u32;
        let mut turn = Turn {
            local,
            id,
            now,
            gossip,
            effects: 0,
        };
        let mut outbox = mem::take(&mut self.outbox);
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            if let Some(peer) = &mut self.nodes[local].peer {
                peer.handle(clock(shared, id, turn.now), input, &mut outbox);
            }
            for effect in outbox.drain() {
                self.perform(shared, &mut turn, effect);
            }
        }
        self.outbox = outbox;
        self.schedule_wake(local, id, turn.now);
        turn.effects
    }

    fn schedule_wake(&mut self, local: usize, id: u32, now: Time) {
        let node = &mut self.nodes[local];
        let Some(deadline) = node.peer.as_ref().and_then(|peer| peer.next_deadline()) else {
            return;
        };
        let earliest = now + Span::from_millis(1);
        let at = Time(deadline.at.0.saturating_mul(1_000)).max(earliest);
        if at < node.wake_at {
            node.wake_at = at;
            let sequence = node.next_sequence();
            let what = What::pack(Kind::Wake);
            self.queue.push(Event {
                at,
                destination: id,
                source: id,
                sequence,
                what,
            });
        }
    }

    fn perform(&mut self, shared: &Shared, turn: &mut Turn, effect: Effect) {
        let tag = match effect {
            Effect::Publish { record, .. } => {
                if !shared.founding.mute.contains(&turn.id) {
                    self.publish(shared, turn.local, turn.now, record);
                }
                1
            }
            Effect::Report { message, verdict } => self.report(shared, turn, message, verdict),
            Effect::Request { id, to, request } => {
                self.request(shared, turn, id, &to, request);
                3
            }
            Effect::Push { id, to, records } => {
                let records = self.fetch(&records);
                self.request(shared, turn, id, &to, Request::Push { records });
                4
            }
            Effect::Respond { token, response } => {
                self.respond(shared, turn, token, response);
                5
            }
            Effect::RespondRecords { token, records } => {
                let records = self.fetch(&records);
                self.respond(shared, turn, token, Response::Records(records));
                6
            }
            Effect::RespondBlocks { token, from } => {
                let blocks = self.nodes[turn.local].store.blocks(from);
                self.respond(shared, turn, token, Response::Blocks(blocks));
                18
            }
            Effect::Check { id, job } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::of_job(&job));
                let verdict = self.verdicts.run(job);
                self.inputs.push_back(Input::Checked { id, verdict });
                7
            }
            Effect::Sign { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let result = draft.sign(&shared.keys.identity(turn.id));
                self.inputs.push_back(Input::Signed { id, result });
                8
            }
            Effect::SignHead {
                id,
                size,
                root,
                time,
            } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let head = LogHead::sign(&shared.keys.identity(turn.id), size, root, time);
                self.journal.heads.push((turn.id, head.clone()));
                self.inputs.push_back(Input::HeadSigned { id, head });
                9
            }
            Effect::Countersign { id, held } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let one = held.sign(&shared.keys.identity(turn.id));
                self.inputs.push_back(Input::Countersigned { id, one });
                23
            }
            Effect::SignSeat { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let identity = shared.keys.identity(turn.id);
                let mesh = shared.mesh.genesis.value().id();
                let message = draft.sign(&mesh, &identity);
                self.inputs.push_back(Input::SeatSigned { id, message });
                19
            }
            Effect::Secret { id, task } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::of_secret(&task));
                let identity = shared.keys.identity(turn.id);
                let keyring = self.keyrings.entry(turn.id).or_default();
                let withheld = is_beacon(&task) && shared.founding.withholders.contains(&turn.id);
                let done = if withheld {
                    SecretDone::Part(None)
                } else {
                    task.run(&identity, keyring)
                };
                self.inputs.push_back(Input::SecretDone { id, done });
                20
            }
            Effect::SignWord { id, act, word } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let said = Said::sign(&mesh, act, word, &shared.keys.identity(turn.id));
                self.inputs.push_back(Input::WordSigned { id, said });
                21
            }
            Effect::SignVote { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let signed = Box::new(draft.sign(&mesh, &shared.keys.identity(turn.id)));
                self.inputs.push_back(Input::VoteSigned { id, signed });
                22
            }
            Effect::Inspect { id, draft } => {
                turn.now = self.nodes[turn.local].work(turn.now, cost::SIGN);
                let mesh = shared.mesh.genesis.value().id();
                let identity = shared.keys.identity(turn.id);
                // A node of the model hands out what the charter that ships lists.
                let collected = || Collected::as_listed(&Charter::shipped());
                let signed = Box::new(draft.sign(&mesh, &identity, collected));
                self.inputs.push_back(Input::Inspected { id, signed });
                23
            }
            Effect::Persist { id, writes } => {
                self.persist(shared, turn, id, writes);
                10
            }
            Effect::Execute { id, change } => {
                self.execute(shared, turn, id, change.value());
                11
            }
            Effect::Reply { id, reply } => {
                self.journal.reply(turn.id, id, reply);
                12
            }
            Effect::Notify(told) => self.note(turn, told),
            Effect::Admit(_) => 14,
            Effect::Expel(peer) | Effect::Disconnect(peer) => {
                self.hang_up(shared, turn, &peer);
                15
            }
        };
        turn.effects = turn.effects.wrapping_mul(31).wrapping_add(tag);
    }

    fn note(&mut self, turn: &Turn, told: Told) -> u64 {
        self.journal.note(turn.id, turn.now, told);
        13
    }

    /// Keeps numbers for the copies; the message gets its own between two windows.
    pub(super) fn publish(&mut self, shared: &Shared, local: usize, at: Time, record: Record) {
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
    pub(super) fn launch(&mut self, shared: &Shared, message: u32, publication: &Publication) {
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

    fn report(
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

    fn push_copies(
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

    fn request(
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
    pub(super) fn request_past_peer(
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

    /// Returns what a seat holds of the committee's keys.
    pub(super) fn keyring(&self, node: u32) -> Option<&Keyring> {
        self.keyrings.get(&node)
    }

    /// Puts a node's disk back to what it held before; it must have no power.
    pub(super) fn put_back(&mut self, node: u32, store: Store) {
        let local = self.local(node);
        for record in store.records() {
            self.keep(record);
        }
        self.nodes[local].store = store;
    }

    fn respond(&mut self, shared: &Shared, turn: &Turn, token: RequestToken, response: Response) {
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
    fn fail(&mut self, from: u32, now: Time, token: RequestToken) {
        let (asker, life, id) = asker_of(token);
        let parcel = Parcel::Response {
            id,
            life,
            response: None,
        };
        self.post(from, asker, now + REQUEST_TIMEOUT, parcel);
    }

    /// Keeps a record that a node of this shard writes, to be read by id later.
    pub(super) fn keep(&mut self, record: &Verified<Record>) {
        let digest = *record.value().id().digest();
        self.library
            .entry(digest)
            .or_insert_with(|| record.to_unverified());
    }

    /// Reads records of this shard's nodes by id, as many as one message holds.
    fn fetch(&self, ids: &[ContentId]) -> Vec<Unverified<Record>> {
        let found = ids.iter().filter_map(|id| self.library.get(id.digest()));
        found.take(PAGE).cloned().collect()
    }

    fn persist(&mut self, shared: &Shared, turn: &Turn, id: JobId, writes: Vec<Write>) {
        for write in &writes {
            if let Write::Record(record) = write {
                self.keep(record);
            }
        }
        let node = &mut self.nodes[turn.local];
        let (sequence, life) = (node.next_sequence(), node.life);
        let [bits, ..] = shared
            .seed
            .block(Purpose::Persist, turn.id, u64::from(sequence));
        let drawn = Span((u64::from(bits) * cost::PERSIST_SPREAD.0) >> 32);
        let at = (turn.now + cost::PERSIST_MIN + drawn).max(node.disk_until);
        node.disk_until = at;
        let parcel = Box::new(Parcel::Written { life, id, writes });
        let slot = self.parcels.put(parcel);
        self.nodes[turn.local].unsafe_writes.push(slot);
        let what = What::pack(Kind::Parcel(slot));
        self.queue.push(Event {
            at,
            destination: turn.id,
            source: turn.id,
            sequence,
            what,
        });
    }

    fn write(&mut self, node: u32, local: usize, writes: Vec<Write>) {
        if let Err(fault) = self.nodes[local].store.apply(writes) {
            self.journal.not_appended.push((node, fault));
        }
    }

    fn execute(&mut self, shared: &Shared, turn: &mut Turn, id: JobId, change: &Change) {
        turn.now = self.nodes[turn.local].work(turn.now, cost::EXECUTE);
        match change {
            Change::SetPolicy { .. } => {}
            Change::Link { peer } => self.dial(shared, turn, peer),
            Change::Unlink { peer } => self.hang_up(shared, turn, peer),
        }
        self.inputs
            .push_back(Input::Executed { id, result: Ok(()) });
    }

    fn dial(&mut self, shared: &Shared, turn: &Turn, peer: &PublicKey) {
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

    fn hang_up(&mut self, shared: &Shared, turn: &Turn, peer: &PublicKey) {
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
    fn send(&mut self, shared: &Shared, local: usize, to: u32, at: Time, kind: Kind) -> bool {
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
    fn post(&mut self, source: u32, destination: u32, at: Time, parcel: Parcel) {
        let sequence = self.next_sequence(source);
        self.deliver_parcel(Event::parcel(at, destination, source, sequence), parcel);
    }

    fn deliver_parcel(&mut self, event: Event, parcel: Parcel) {
        self.deliver(event, Some(Box::new(parcel)));
    }

    fn deliver(&mut self, event: Event, parcel: Option<Box<Parcel>>) {
        let mail = Mail { event, parcel };
        if self.has(event.destination) {
            self.accept(mail);
        } else {
            self.outgoing.push(mail);
        }
    }

    /// Sends an advertisement for a node of this shard.
    pub(super) fn advertise(
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

    /// Starts a node's peer from what its store holds.
    pub(super) fn start(&mut self, shared: &Shared, node: u32, now: Time, is_new: bool) {
        let local = self.local(node);
        let mut stored = if is_new {
            Stored::default()
        } else {
            self.nodes[local].store.read()
        };
        stored.work.shares = self.open_shares(shared, node, local);
        let config = PeerConfig {
            key: shared.keys.key(node),
            root: shared.keys.root(node),
            genesis: shared.mesh.genesis.clone(),
            directory: Some(shared.mesh.directory.clone()),
            introducers: Vec::new(),
            healing: None,
            seed: shared.seed.bytes(Purpose::PeerSeed, node),
            fresh: is_new,
            may_sit: true,
            cosign: shared.founding.cosign_of(node),
        };
        let mut outbox = mem::take(&mut self.outbox);
        let peer = Peer::new(config, stored, clock(shared, node, now), &mut outbox);
        self.nodes[local].peer = Some(Box::new(peer));
        let mut turn = Turn {
            local,
            id: node,
            now,
            gossip: None,
            effects: 0,
        };
        for effect in outbox.drain() {
            self.perform(shared, &mut turn, effect);
        }
        self.outbox = outbox;
        self.schedule_wake(local, node, now);
    }

    /// Opens the shares of the committee's keys that a node has kept.
    fn open_shares(&mut self, shared: &Shared, node: u32, local: usize) -> Vec<(KeyPurpose, u64)> {
        self.keyrings.remove(&node);
        let shares = self.nodes[local].store.shares();
        if shares.is_empty() {
            return Vec::new();
        }
        let (mesh, identity) = (shared.mesh.genesis.value().id(), shared.keys.identity(node));
        let mut keyring = Keyring::default();
        let opened = shares.iter().filter_map(|(purpose, epoch, sealed)| {
            keyring
                .open(&mesh, *purpose, *epoch, sealed, &identity)
                .ok()?;
            Some((*purpose, *epoch))
        });
        let opened = opened.collect();
        self.keyrings.insert(node, keyring);
        opened
    }

    /// Takes a node's power away and returns the links it had and the life they belonged to.
    ///
    /// Of the writes not safe on disk some survive: a random number of them, the earliest.
    pub(super) fn crash(&mut self, shared: &Shared, node: u32, now: Time) -> (Vec<u32>, u8) {
        let local = self.local(node);
        if self.nodes[local].peer.take().is_none() {
            return (Vec::new(), 0);
        }
        let waiting = mem::take(&mut self.nodes[local].unsafe_writes);
        let sequence = self.nodes[local].next_sequence();
        let [bits, ..] = shared.seed.block(Purpose::Fault, node, u64::from(sequence));
        let survive = (u64::from(bits) * (waiting.len() as u64 + 1)) >> 32;
        for slot in waiting.into_iter().take(survive as usize) {
            if let Some(writes) = self.parcels.take_writes(slot) {
                self.write(node, local, writes);
            }
        }
        for token in mem::take(&mut self.nodes[local].owed) {
            self.fail(node, now, token);
        }
        let node = &mut self.nodes[local];
        let (links, life) = (mem::take(&mut node.links), node.life);
        node.life = life.wrapping_add(1);
        node.wake_at = NEVER;
        node.busy_until = now;
        node.disk_until = now;
        self.seen.forget(local as u32);
        self.journal.crashes += 1;
        (links.into_iter().map(|(other, _)| other).collect(), life)
    }
}

impl Event {
    /// Makes the event of a parcel; its slot is filled in where it arrives.
    fn parcel(at: Time, destination: u32, source: u32, sequence: u32) -> Self {
        Self {
            at,
            destination,
            source,
            sequence,
            what: What::pack(Kind::Parcel(0)),
        }
    }

    /// Makes an event that comes from outside.
    pub(super) fn from_control(at: Time, destination: u32, sequence: u32) -> Self {
        Self::parcel(at, destination, CONTROL, sequence)
    }
}

/// Takes one out of a list that is empty most of the time, and then takes no memory.
fn remove<T: PartialEq>(list: &mut Vec<T>, one: &T) {
    list.retain(|other| other != one);
    if list.is_empty() {
        *list = Vec::new();
    }
}

/// Reads a node's clocks: they run true, and the wall clock is right unless the founding says otherwise.
fn clock(shared: &Shared, node: u32, now: Time) -> Now {
    let millis = Millis(now.0 / 1_000);
    let right = (WALL_START + millis).0;
    Now {
        mono: Mono(millis.0),
        wall: Wall(right.saturating_add_signed(shared.founding.clock_error_ms(node))),
    }
}

fn is_beacon(task: &SecretTask) -> bool {
    matches!(
        task,
        SecretTask::Part {
            purpose: KeyPurpose::Beacon,
            ..
        }
    )
}
