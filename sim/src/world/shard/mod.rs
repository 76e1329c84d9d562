//! A shard: a range of nodes and the events that happen to them.
//!
//! Shards run side by side up to a common moment that no message can cross (see [`super`]), and
//! exchange what they have for each other between two such moments. Within a shard events happen
//! strictly in their order. A shard decides nothing about the protocol: it turns events into inputs
//! and carries out effects, as the driver of a real node does.

mod effects;
mod power;
mod sending;

use std::collections::{BTreeMap, HashMap, VecDeque};

use x0_crypto::{ContentId, committee::Keyring};
use x0_protocol::{
    Input, MessageId, Millis, Mono, Now, Outbox, Wall,
    core::secret::SeededShareKeys,
    wire::{Record, Request, Unverified},
};

use super::{
    Shared, cost,
    event::{CONTROL, Event, Kind, Parcel, Parcels, What},
    journal::{Heard, Journal},
    keys::{ByDigest, WALL_START},
    node::{NEVER, Node, is_past_peer},
    store::Store,
    verdicts::Verdicts,
};
use crate::{
    digest::Digest,
    network::gossip::Seen,
    queue::{EventQueue, Wheel},
    time::{Span, Time},
};

/// Time after which a dial is given up.
const DIAL_TIMEOUT: Span = Span::from_secs(5);

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
    /// The keys for shares of those who serve as guardians; they outlive a loss of power, as files of a node do.
    share_keys: BTreeMap<u32, SeededShareKeys>,
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
            share_keys: BTreeMap::new(),
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

    /// Returns the keys of a node's shares, which stand beside its disk.
    pub(super) fn share_keys(&self, node: u32) -> Option<&SeededShareKeys> {
        self.share_keys.get(&node)
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
        let record = shared.messages[message as usize].record.peek();
        self.listen(shared, event, record, false);
        let input = Input::Gossip {
            from: shared.keys.key(event.source),
            message: MessageId(u64::from(message)),
            record: shared.messages[message as usize].record.clone(),
        };
        let gossip = Some((message, event.source));
        fingerprint ^ self.handle(shared, local, now, gossip, input)
    }

    /// Notes from whom a record came that names nobody, if anybody wants to know.
    fn listen(&mut self, shared: &Shared, event: Event, record: &Record, on_stem: bool) {
        if shared.founding.listens && record.body().is_sensitive() {
            self.journal.heard.push(Heard {
                record: record.id(),
                at: event.at,
                node: event.destination,
                from: event.source,
                on_stem,
            });
        }
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
                if let Request::Stem(record) = &request {
                    self.listen(shared, event, record.peek(), true);
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
pub(super) fn clock(shared: &Shared, node: u32, now: Time) -> Now {
    let millis = Millis(now.0 / 1_000);
    let right = (WALL_START + millis).0;
    Now {
        mono: Mono(millis.0),
        wall: Wall(right.saturating_add_signed(shared.founding.clock_error_ms(node))),
    }
}
