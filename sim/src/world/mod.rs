//! The world: nodes, the network between them, and virtual time.
//!
//! Every node is the protocol's own `Peer`, driven as a real node drives it. The nodes are cut into
//! shards, one per thread. No message is faster than the network's shortest delay, so all shards may
//! run side by side for that long before they have to exchange what they have for each other
//! (conservative synchronisation: Chandy and Misra 1979; Bryant 1977). Between two such windows, and
//! never within one, the world itself acts: it numbers what was published, lets lazy repair happen,
//! hands in commands, and brings faults. As every event carries its full order, neither the number of
//! shards nor the cut of the windows changes what happens.
//!
//! Not modelled: bandwidth, disks that fail, discovery of addresses, and proofs of membership.

mod cost;
mod event;
mod founding;
mod guard;
mod guarded;
mod hostile;
mod journal;
mod keys;
mod looks;
mod node;
mod shard;
mod store;
mod telemetry;
mod verdicts;
mod workers;

use std::{collections::HashMap, sync::Arc};

use x0_crypto::{ContentId, Identity, PublicKey};
use x0_protocol::{
    Command, CommandId, Wall,
    wire::{HeldHead, LogHead, Record, Unverified, Verified, decode_record},
};

use self::{
    event::{Event, Kind, Parcel, What},
    keys::{ByDigest, Mesh},
    shard::{Mail, Publication, Shard},
    workers::Workers,
};
pub(crate) use self::{
    founding::{Founding, Guards, HandedOut},
    guarded::Sample,
    hostile::Backup,
    journal::{Alarm, Alarmed, Heard},
    keys::{Keys, WALL_START, found},
    looks::Checked,
    store::NotAppended,
};
use crate::{
    digest::{Digest, RunDigest},
    histogram::Histogram,
    network::{
        Network,
        gossip::{ADVERTISED_HEARTBEATS, HEARTBEAT, advertisers},
    },
    random::{Ppm, Purpose, Seed},
    scenarios::{self, LatencyPlan, NetworkPlan, Scenario},
    time::{Span, Time},
};

/// Time after which a connection to a silent peer is taken for dead (keep-alive of the transport).
const KEEP_ALIVE: Span = Span::from_secs(10);

/// Span over which links are opened at the start, and again after a partition.
const LINKING: Span = Span::from_secs(1);

/// Heartbeats without an advertiser after which a message is forgotten: libp2p keeps ids for a minute.
const FORGOTTEN_HEARTBEATS: u32 = 60;

/// What all shards read while they run.
pub(crate) struct Shared {
    seed: Seed,
    network: Network,
    keys: Keys,
    mesh: Mesh,
    founding: Founding,
    messages: Vec<Message>,
}

/// A published record, decoded once for all nodes.
struct Message {
    record: Unverified<Record>,
    fingerprint: u64,
    at: Time,
}

/// A run's nodes and network at a moment.
pub(crate) struct World {
    shared: Arc<Shared>,
    shards: Vec<Box<Shard>>,
    workers: Workers,
    now: Time,
    heartbeat: u32,
    /// Messages not forgotten yet, with the heartbeats since somebody advertised them.
    live: Vec<(u32, u32)>,
    numbers: HashMap<[u8; 32], u32, ByDigest>,
    commands: u64,
    /// Requests that went past peers.
    past_peers: u64,
    /// When links that lead nowhere are noticed.
    cut_links_at: Option<Time>,
    loss: Ppm,
}

impl World {
    /// Founds a mesh, starts its nodes and opens their links.
    pub(crate) fn new(scenario: &Scenario, threads: u32) -> Self {
        let (seed, nodes) = (Seed(scenario.seed), scenario.nodes);
        let founding = scenarios::workload::founding(scenario.work);
        Self::found(seed, nodes, scenario.network, founding, threads)
    }

    /// Founds a mesh in a given way, starts its nodes and opens their links.
    pub(crate) fn found(
        seed: Seed,
        nodes: u32,
        plan: NetworkPlan,
        founding: Founding,
        threads: u32,
    ) -> Self {
        let (keys, mesh) = keys::found(seed, nodes, &founding);
        let latency = match plan.latency {
            LatencyPlan::Internet => crate::network::latency::LatencyModel::Internet,
            LatencyPlan::FixedMs(ms) => {
                crate::network::latency::LatencyModel::Fixed(Span::from_millis(ms))
            }
        };
        let loss = Ppm::new(plan.loss_ppm).unwrap_or(Ppm::NEVER);
        let mut network = Network::new(seed, nodes, latency);
        network.lose(loss);
        let shared = Shared {
            seed,
            network,
            keys,
            mesh,
            founding,
            messages: Vec::new(),
        };
        let size = nodes.div_ceil(threads.clamp(1, nodes));
        let shards: Vec<_> = (0..nodes)
            .step_by(size as usize)
            .map(|first| Box::new(Shard::new(first, size.min(nodes - first))))
            .collect();
        let shared = Arc::new(shared);
        let workers = Workers::new(shards.len());
        let mut world = Self {
            shared,
            shards,
            workers,
            now: Time::START,
            heartbeat: 0,
            live: Vec::new(),
            numbers: HashMap::default(),
            commands: 0,
            past_peers: 0,
            cut_links_at: None,
            loss,
        };
        for shard in &mut world.shards {
            shard.keep(&world.shared.mesh.genesis);
        }
        for node in 0..nodes {
            world.start(node, true);
        }
        for node in 0..nodes {
            world.open_links(node, |node, other| node < other);
        }
        world.collect_published();
        world
    }

    /// Returns the present moment.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    /// Returns how many nodes there are, with power or without.
    pub(crate) fn nodes(&self) -> u32 {
        self.shared.network.topology.nodes()
    }

    /// Returns how many events have happened.
    pub(crate) fn events(&self) -> u64 {
        self.shards.iter().map(|shard| shard.journal.events).sum()
    }

    /// Lets everything happen that happens before `until`.
    pub(crate) fn run_until(&mut self, until: Time) {
        while self.now < until {
            let heartbeat = Time((u64::from(self.heartbeat) + 1) * HEARTBEAT.0);
            let cut = self.cut_links_at.unwrap_or(Time(u64::MAX));
            let stop = until.min(heartbeat).min(cut);
            self.run_window(stop);
            if self.now == heartbeat {
                self.heartbeat += 1;
                self.repair();
            }
            if Some(self.now) == self.cut_links_at {
                self.cut_links_at = None;
                self.cut_links();
            }
        }
    }

    fn run_window(&mut self, stop: Time) {
        let next = self
            .shards
            .iter()
            .filter_map(|shard| shard.next_at_or_after())
            .min();
        let start = next.unwrap_or(stop).max(self.now);
        if start >= stop {
            self.now = stop;
            return;
        }
        let end = stop.min(start + self.shared.network.delay_min());
        self.workers.run(&self.shared, &mut self.shards, end);
        self.now = end;
        self.exchange();
        self.collect_published();
    }

    fn exchange(&mut self) {
        let mut between: Vec<Mail> = Vec::new();
        for shard in &mut self.shards {
            between.append(&mut shard.outgoing);
        }
        for mail in between {
            self.shard_of(mail.event.destination).accept(mail);
        }
    }

    /// Numbers what was published since the last window, in its own order, and sends it off.
    fn collect_published(&mut self) {
        let mut published: Vec<Publication> = self
            .shards
            .iter_mut()
            .flat_map(|shard| shard.published.drain(..))
            .collect();
        published.sort_unstable_by_key(|p| (p.at, p.node, p.sequence));
        for publication in published {
            if let Some(message) = self.number(&publication) {
                let index = self.index_of(publication.node);
                self.shards[index].launch(&self.shared, message, &publication);
            }
        }
        self.exchange();
    }

    /// Returns the number of a published record, decoded as every receiver would; none if it does
    /// not decode, which an honest node's record always does.
    fn number(&mut self, publication: &Publication) -> Option<u32> {
        let digest = *publication.record.id().digest();
        if let Some(known) = self.numbers.get(&digest) {
            return Some(*known);
        }
        let record = decode_record(publication.record.bytes()).ok()?;
        // Packing an event refuses numbers beyond 29 bits.
        let number = self.shared.messages.len() as u32;
        let message = Message {
            record,
            fingerprint: event::fold(&digest),
            at: publication.at,
        };
        self.shared_mut().messages.push(message);
        for shard in &mut self.shards {
            shard.seen.publish();
        }
        self.live.push((number, 0));
        self.numbers.insert(digest, number);
        Some(number)
    }

    /// Lets one heartbeat of lazy repair happen: see `network::gossip`.
    fn repair(&mut self) {
        let shared = &self.shared;
        let (seed, lazy) = (shared.seed, &shared.network.topology.lazy);
        let mut adverts = Vec::new();
        for (message, quiet) in &mut self.live {
            let message = *message;
            *quiet += 1;
            if !self
                .shards
                .iter()
                .any(|shard| shard.seen.is_advertised(message))
            {
                continue;
            }
            *quiet = 0;
            for shard in &self.shards {
                for local in shard.seen.missing(message) {
                    let node = shard.first() + local;
                    if !shard.is_up(node) {
                        continue;
                    }
                    let advertises = |neighbour| {
                        let theirs = shard_index(&self.shards, neighbour);
                        self.shards[theirs].advertises(neighbour, message)
                    };
                    let told = advertisers(seed, lazy, node, self.heartbeat, advertises);
                    adverts.extend(told.map(|neighbour| (neighbour, node, message)));
                }
            }
        }
        for (from, to, message) in adverts {
            let [bits, ..] = shared.seed.block(Purpose::Phase, from, 0);
            let phase = Span((u64::from(bits) * HEARTBEAT.0) >> 32);
            let index = shard_index(&self.shards, from);
            self.shards[index].advertise(shared, from, to, self.now + phase, message);
        }
        let forgotten: Vec<u32> = self
            .live
            .iter()
            .filter(|(_, quiet)| *quiet > FORGOTTEN_HEARTBEATS + ADVERTISED_HEARTBEATS as u32)
            .map(|(message, _)| *message)
            .collect();
        self.live
            .retain(|(message, _)| !forgotten.contains(message));
        for message in &forgotten {
            self.numbers.remove(
                self.shared.messages[*message as usize]
                    .record
                    .peek()
                    .id()
                    .digest(),
            );
        }
        for shard in &mut self.shards {
            shard
                .seen
                .end_heartbeat(self.live.iter().map(|(message, _)| *message));
            forgotten
                .iter()
                .for_each(|message| shard.seen.drop_message(*message));
        }
        self.exchange();
    }

    fn index_of(&self, node: u32) -> usize {
        shard_index(&self.shards, node)
    }

    fn shard_of(&mut self, node: u32) -> &mut Shard {
        let index = self.index_of(node);
        &mut self.shards[index]
    }

    fn shared_mut(&mut self) -> &mut Shared {
        let Some(shared) = Arc::get_mut(&mut self.shared) else {
            unreachable!("workers give the shared part back at the end of every window")
        };
        shared
    }
}

fn shard_index(shards: &[Box<Shard>], node: u32) -> usize {
    shards.partition_point(|shard| shard.first() <= node) - 1
}

/// What scenarios do to a world.
impl World {
    /// Hands a command to a node; it is answered some time later.
    pub(crate) fn command(&mut self, node: u32, command: Command) -> CommandId {
        self.commands += 1;
        let id = CommandId(self.commands);
        // A run has fewer commands than 2^32.
        let event = Event::from_control(self.now, node, self.commands as u32);
        let parcel = Some(Box::new(Parcel::Command {
            id,
            command: Box::new(command),
        }));
        self.shard_of(node).accept(Mail { event, parcel });
        id
    }

    /// Lets a node's gossip publish a record past its own peer, as an adversary would.
    pub(crate) fn publish_past_peer(&mut self, node: u32, record: Record) {
        let (index, now) = (self.index_of(node), self.now);
        let local = self.shards[index].local(node);
        self.shards[index].publish(&self.shared, local, now, record);
        self.collect_published();
    }

    /// Lets messages be lost with this probability, or as the scenario's network says.
    pub(crate) fn lose(&mut self, loss: Option<Ppm>) {
        let loss = loss.unwrap_or(self.loss);
        self.shared_mut().network.lose(loss);
    }

    /// Lets every message take so much longer than usual.
    pub(crate) fn lag(&mut self, lag: Span) {
        self.shared_mut().network.lag(lag);
    }

    /// Sets the wall clocks of some nodes off by so much, or right again.
    pub(crate) fn set_clocks(&mut self, nodes: &[u32], error_ms: Option<i64>) {
        let errors = &mut self.shared_mut().founding.clock_errors_ms;
        for node in nodes {
            match error_ms {
                Some(error) => errors.insert(*node, error),
                None => errors.remove(node),
            };
        }
    }

    /// Cuts the network into groups drawn at random; the connections between them die later.
    pub(crate) fn partition(&mut self, groups: u32, event: u32) {
        let mut stream = self.shared.seed.stream(Purpose::Fault, event);
        // A group per node at most, and fewer than 2^16 are told apart.
        let groups = groups.min(u32::from(u16::MAX));
        let drawn = (0..self.nodes())
            .map(|_| stream.below(groups) as u16)
            .collect();
        self.shared_mut().network.partition(drawn);
        self.cut_links_at = Some(self.now + KEEP_ALIVE);
    }

    /// Joins the network again; links that died are opened again.
    pub(crate) fn join(&mut self) {
        self.shared_mut().network.join();
        self.cut_links_at = None;
        for node in 0..self.nodes() {
            self.open_links(node, |node, other| node < other);
        }
    }

    /// Draws nodes that have power.
    pub(crate) fn draw_up(&self, count: u32, event: u32) -> Vec<u32> {
        let mut up: Vec<_> = (0..self.nodes()).filter(|node| self.is_up(*node)).collect();
        self.shared
            .seed
            .stream(Purpose::Fault, event)
            .shuffle(&mut up);
        up.truncate(count as usize);
        up
    }

    /// Takes power from a node; its neighbours notice later.
    pub(crate) fn crash(&mut self, node: u32) {
        let (index, now) = (self.index_of(node), self.now);
        let (links, life) = self.shards[index].crash(&self.shared, node, now);
        self.exchange();
        for other in links {
            self.tell(self.now + KEEP_ALIVE, other, node, Kind::LinkDown { life });
        }
    }

    /// Gives a node power again.
    pub(crate) fn restart(&mut self, node: u32) {
        if !self.is_up(node) {
            self.start(node, false);
            self.open_links(node, |_, _| true);
            self.collect_published();
        }
    }

    fn start(&mut self, node: u32, is_new: bool) {
        let (index, now) = (self.index_of(node), self.now);
        self.shards[index].start(&self.shared, node, now, is_new);
    }

    /// Opens the links of a node over the gossip mesh that are not open, where both ends have power.
    fn open_links(&mut self, node: u32, is_meant: impl Fn(u32, u32) -> bool) {
        if !self.is_up(node) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        for &other in shared.network.topology.mesh.neighbours(node) {
            let is_open = self.is_linked(node, other) && self.is_linked(other, node);
            let is_possible = self.is_up(other) && shared.network.joined(node, other);
            if !is_meant(node, other) || is_open || !is_possible {
                continue;
            }
            let counter = (u64::from(other) << 32) | (self.now.0 / 1_000_000);
            let [bits, ..] = shared.seed.block(Purpose::Linking, node, counter);
            let at = self.now + Span((u64::from(bits) * LINKING.0) >> 32);
            for (end, far, dialled) in [(node, other, true), (other, node, false)] {
                let life = self.life(far);
                self.tell(at, end, far, Kind::LinkUp { dialled, life });
            }
        }
    }

    /// Ends the links over which nothing passes any more.
    fn cut_links(&mut self) {
        let mut dead = Vec::new();
        for node in 0..self.nodes() {
            let shard = &self.shards[self.index_of(node)];
            for (other, life) in shard.links(node) {
                if !self.shared.network.joined(node, *other) {
                    dead.push((node, *other, *life));
                }
            }
        }
        for (node, other, life) in dead {
            self.tell(self.now, node, other, Kind::LinkDown { life });
        }
    }

    /// Lets a node find out at a moment what became of a link to another.
    fn tell(&mut self, at: Time, node: u32, other: u32, kind: Kind) {
        let sequence = self.shard_of(other).next_sequence(other);
        let event = Event {
            at,
            destination: node,
            source: other,
            sequence,
            what: What::pack(kind),
        };
        self.shard_of(node).accept(Mail {
            event,
            parcel: None,
        });
    }
}

/// What scenarios, properties and the report see of a world.
impl World {
    /// Tells whether a node has power.
    pub(crate) fn is_up(&self, node: u32) -> bool {
        self.shards[self.index_of(node)].is_up(node)
    }

    fn life(&self, node: u32) -> u8 {
        self.shards[self.index_of(node)].life(node)
    }

    fn is_linked(&self, node: u32, other: u32) -> bool {
        self.shards[self.index_of(node)].is_linked(node, other)
    }

    /// Returns the records durable on a node, in the order in which they were written.
    pub(crate) fn stored(&self, node: u32) -> &[Verified<Record>] {
        self.shards[self.index_of(node)].store(node).records()
    }

    /// Tells whether a node has power and its peer knows the record.
    pub(crate) fn knows(&self, node: u32, record: &ContentId) -> bool {
        self.shards[self.index_of(node)].knows(node, record)
    }

    /// Returns the audit entries durable on a node, in order.
    pub(crate) fn audit(&self, node: u32) -> &[x0_protocol::spine::audit::Entry] {
        self.shards[self.index_of(node)].store(node).audit()
    }

    /// Returns the blocks of the committee log on a node's disk: heights and names.
    pub(crate) fn blocks(&self, node: u32) -> impl Iterator<Item = (u64, ContentId)> {
        let store = self.shards[self.index_of(node)].store(node);
        let blocks = store.committee_blocks().iter();
        blocks.map(|decided| (decided.block.height, decided.block.id()))
    }

    /// Tells whether an act was executed on a node, or was about to be.
    pub(crate) fn has_executed(&self, node: u32, act: &ContentId) -> bool {
        self.shards[self.index_of(node)]
            .store(node)
            .has_executed(act)
    }

    /// Makes the identity of a node.
    pub(crate) fn identity(&self, node: u32) -> Identity {
        self.shared.keys.identity(node)
    }

    /// Returns the number of the node with this key.
    pub(crate) fn node(&self, key: &PublicKey) -> Option<u32> {
        self.shared.keys.node(key)
    }

    /// Returns the key of a node.
    pub(crate) fn key(&self, node: u32) -> PublicKey {
        self.shared.keys.key(node)
    }

    /// Returns the seed of the run.
    pub(crate) fn seed(&self) -> Seed {
        self.shared.seed
    }

    /// Returns the mesh's id.
    pub(crate) fn mesh(&self) -> ContentId {
        self.shared.mesh.genesis.value().id()
    }

    /// Returns the present wall time.
    pub(crate) fn wall(&self) -> Wall {
        WALL_START + x0_protocol::Millis(self.now.0 / 1_000)
    }

    /// Returns the digest of all events so far.
    pub(crate) fn digest(&self) -> RunDigest {
        Digest::join(self.shards.iter().map(|shard| &shard.digest))
    }

    /// Returns the answers to commands so far: node, command, answer. An act that was admitted since stands there
    /// by its record.
    pub(crate) fn replies(&self) -> Vec<(u32, CommandId, Result<Option<ContentId>, String>)> {
        let journals = || self.shards.iter().map(|shard| &shard.journal);
        let written = |id: &CommandId| {
            let act = journals().find_map(|journal| journal.proposed.get(id))?;
            journals()
                .find_map(|journal| journal.written.get(act))
                .copied()
        };
        let replies = journals().flat_map(|journal| journal.replies.iter());
        let mut replies: Vec<_> = replies
            .map(|(node, id, answer)| {
                let answer = answer.clone().map(|record| record.or_else(|| written(id)));
                (*node, *id, answer)
            })
            .collect();
        replies.sort_unstable_by_key(|(_, id, _)| *id);
        replies
    }

    /// Returns the answer to a command, if one came.
    pub(crate) fn answer(&self, id: CommandId) -> Option<Result<Option<ContentId>, String>> {
        let mut replies = self.shards.iter().flat_map(|shard| &shard.journal.replies);
        let (_, _, answer) = replies.find(|(_, known, _)| *known == id)?;
        Some(answer.clone())
    }

    /// Returns who told its user that it executed which act.
    pub(crate) fn executed(&self) -> Vec<(ContentId, u32)> {
        let mut all: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| shard.journal.executed.iter().copied())
            .collect();
        all.sort_unstable();
        all
    }

    /// Returns who refused which act, and why.
    pub(crate) fn refused(&self) -> Vec<(ContentId, u32, String)> {
        let mut all: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| shard.journal.refused.iter().cloned())
            .collect();
        all.sort_unstable();
        all
    }

    /// Returns the heads of audit logs signed so far, per node in the order of signing.
    pub(crate) fn heads(&self) -> Vec<(u32, LogHead)> {
        let mut all: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| shard.journal.heads.iter().cloned())
            .collect();
        all.sort_by_key(|(node, _)| *node);
        all
    }

    /// Returns the heads that witnesses have countersigned so far, and by whom each was.
    pub(crate) fn countersigned(&self) -> impl Iterator<Item = &(u32, HeldHead)> {
        let shards = self.shards.iter();
        shards.flat_map(|shard| &shard.journal.countersigned)
    }

    /// Has a node have countersigned a head, whatever its peer thinks of it.
    #[cfg(test)]
    pub(crate) fn countersign_past_peer(&mut self, node: u32, held: HeldHead) {
        let shard = self.index_of(node);
        self.shards[shard].journal.countersigned.push((node, held));
    }

    /// Returns the audit entries that were not appended: node, and what was wrong.
    pub(crate) fn not_appended(&self) -> Vec<(u32, NotAppended)> {
        self.shards
            .iter()
            .flat_map(|shard| shard.journal.not_appended.iter().copied())
            .collect()
    }

    /// Returns the nodes that found another's audit log rewritten, and whose.
    pub(crate) fn split_views(&self) -> Vec<(u32, PublicKey)> {
        self.shards
            .iter()
            .flat_map(|shard| shard.journal.split_views.iter().copied())
            .collect()
    }

    /// Returns from whom nodes heard records that name nobody, if it is noted.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.shards.iter().flat_map(|shard| &shard.journal.heard)
    }

    /// Returns why records and peers were rejected, and how often.
    pub(crate) fn rejected(&self) -> std::collections::BTreeMap<String, u64> {
        let mut all = std::collections::BTreeMap::new();
        for (why, count) in self.shards.iter().flat_map(|shard| &shard.journal.rejected) {
            *all.entry(why.clone()).or_default() += count;
        }
        all
    }

    /// Adds up the figures of all shards.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally {
            messages: self.shared.messages.len() as u64,
            ..Tally::default()
        };
        for shard in &self.shards {
            let journal = &shard.journal;
            tally.events += journal.events;
            tally.copies += journal.copies;
            tally.first_copies += journal.first_copies;
            tally.adverts += journal.adverts;
            tally.wants += journal.wants;
            tally.requests += journal.requests;
            tally.crashes += journal.crashes;
            tally.not_accepted += journal.not_accepted;
            tally.caught_up += journal.caught_up;
            tally.forks += journal.forks;
            tally.delivery.join(&journal.delivery);
            for node in &shard.nodes {
                tally.cpu.record(node.cpu.0);
            }
        }
        tally.reached = (0..self.shared.messages.len())
            .map(|message| {
                self.shards
                    .iter()
                    .map(|shard| shard.journal.reached(message))
                    .sum()
            })
            .collect();
        tally
    }
}

/// The figures of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) copies: u64,
    pub(crate) first_copies: u64,
    pub(crate) adverts: u64,
    pub(crate) wants: u64,
    pub(crate) requests: u64,
    pub(crate) crashes: u64,
    pub(crate) not_accepted: u64,
    pub(crate) caught_up: u64,
    pub(crate) forks: u64,
    /// Time from publication to acceptance, µs.
    pub(crate) delivery: Histogram,
    /// Virtual processor time per node, µs.
    pub(crate) cpu: Histogram,
    /// Nodes that accepted each message.
    pub(crate) reached: Vec<u32>,
}
