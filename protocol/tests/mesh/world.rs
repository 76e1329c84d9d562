//! A driver for a handful of peers: virtual clock, instant links, a disk each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey,
    capability::{Caveat, Grant, Scope, Token},
    committee::{Keyring, PartialSignature, Purpose},
    sublime::{ItemParts, deal},
};
use x0_protocol::{
    Command, CommandError, CommandId, Effect, Event, Input, MessageId, MessageVerdict, Millis,
    Mono, Now, Outbox, Peer, PeerConfig, Reply, RequestId, RequestToken, Stored, Wall, Write,
    anti_meave::CosignPolicy,
    charter::{Charter, inspection::Collected},
    core::{
        command::Status,
        limits::STEM_WAIT_MAX,
        secret::{SecretDone, SeededShareKeys},
        time::TimeScale,
    },
    wire::{
        Body, Change, CommitteeKeys, Decided, Draft, Founder, Genesis, Hello, Join, Kind, LogHead,
        Parameters, Record, Request, Response, RotationDealing, Said, SignaturePart, Verified,
        VersionRange,
    },
};
use zeroize::Zeroizing;

pub(crate) const START: Wall = Wall(1_700_000_000_000);

#[derive(Default, Clone)]
pub(crate) struct Disk {
    pub(crate) records: BTreeMap<ContentId, Verified<Record>>,
    pub(crate) rest: Stored,
    pub(crate) blocks: Vec<Arc<Decided>>,
    shares: Vec<(Purpose, u64, Vec<u8>)>,
}

impl Disk {
    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Record(record) => {
                    self.records.insert(record.value().id(), record);
                }
                Write::Executed(id) => {
                    self.rest.executed.insert(id);
                }
                Write::Policy {
                    policy,
                    version,
                    value,
                } => {
                    self.rest.policies.push((policy, version, value));
                }
                Write::Audit { index, entry } => {
                    assert_eq!(index, self.rest.audit.len() as u64, "the log has no gaps");
                    self.rest.audit.push(entry);
                }
                Write::Witnessed(head) => {
                    self.rest
                        .witnessed
                        .retain(|known| known.author != head.author);
                    self.rest.witnessed.push(head);
                }
                Write::Journal { first, lines } => {
                    let journal = &mut self.rest.committee.journal;
                    assert_eq!(first as usize, journal.len(), "the journal has no gaps");
                    journal.extend(lines);
                }
                Write::Block {
                    decided,
                    tip,
                    snapshot,
                } => {
                    self.rest.committee.keep(&decided, tip, snapshot);
                    self.blocks.push(decided);
                }
                Write::State { tip, state } => self.rest.committee.adopt(tip, state),
                Write::Dealing {
                    ceremony,
                    dealer,
                    dealing,
                } => {
                    let dealings = &mut self.rest.work.dealings;
                    dealings.push((ceremony, dealer, *dealing));
                }
                Write::KeyShare {
                    purpose,
                    epoch,
                    sealed,
                } => self.shares.push((purpose, epoch, sealed)),
                Write::ForgetKeys { shares, dealings } => {
                    self.shares
                        .retain(|(purpose, epoch, _)| !shares.contains(&(*purpose, *epoch)));
                    let held = &mut self.rest.work.dealings;
                    held.retain(|(ceremony, dealer, _)| !dealings.contains(&(*ceremony, *dealer)));
                }
                Write::Erase { records, by } => {
                    for id in records {
                        let record = self.records.get_mut(&id).unwrap();
                        *record = record.husk(by);
                    }
                }
                Write::Receipt(receipt) => self.rest.receipts.push(*receipt),
                Write::Halt(halt) => {
                    self.rest.halts.retain(|known| known.id != halt.id);
                    self.rest.halts.push(*halt);
                }
                Write::Vote(write) => self.rest.votes.apply(*write),
                Write::Proposal(write) => write.apply(&mut self.rest.proposals),
                Write::Public { index, entry } => {
                    let public = &mut self.rest.public;
                    assert_eq!(index, public.len() as u64, "the public log has no gaps");
                    public.push(*entry);
                }
                Write::Override(write) => write.apply(&mut self.rest.overrides),
                Write::Sublime(write) => write.apply(&mut self.rest.sublime),
                Write::AcceptRoot {
                    root,
                    accepted: true,
                } => self.rest.roots.push(root),
                Write::AcceptRoot { root, .. } => self.rest.roots.retain(|known| *known != root),
            }
        }
    }

    fn stored(&self) -> Stored {
        Stored {
            records: self.records.values().cloned().collect(),
            ..self.rest.clone()
        }
    }

    /// Returns the epochs of the keys of which a share is kept.
    pub(crate) fn epochs_of_shares(&self) -> BTreeSet<u64> {
        self.shares.iter().map(|(_, epoch, _)| *epoch).collect()
    }

    /// Opens the shares that were kept, onto a new keyring.
    fn open_shares(&self, mesh: &ContentId, identity: &Identity) -> (Keyring, Vec<(Purpose, u64)>) {
        let mut keyring = Keyring::default();
        for (purpose, epoch, sealed) in &self.shares {
            keyring
                .open(mesh, *purpose, *epoch, sealed, identity)
                .unwrap();
        }
        let held = self.shares.iter();
        let held = held.map(|(purpose, epoch, _)| (*purpose, *epoch)).collect();
        (keyring, held)
    }
}

pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) peer: Option<Peer>,
    pub(crate) disk: Disk,
    pub(crate) events: Vec<Event>,
    pub(crate) cosign: CosignPolicy,
    /// What the node says it collects.
    pub(crate) collects: Collected,
    keyring: Keyring,
    /// Kept apart from the disk, as a node does.
    share_keys: SeededShareKeys,
    replies: BTreeMap<CommandId, Result<Reply, CommandError>>,
}

/// How a dealer lies.
#[derive(Clone, Copy)]
pub(crate) enum DealerLie {
    /// Its parts are not what it commits to.
    Parts,
    /// What it commits to is not its share.
    Dealing,
}

impl DealerLie {
    fn tell(self, done: SecretDone, identity: &Identity) -> SecretDone {
        let SecretDone::Redealt(Some(mut dealt)) = done else {
            return done;
        };
        match self {
            Self::Parts => {
                for (_, sealed) in &mut dealt.parts {
                    sealed.reverse();
                }
            }
            Self::Dealing => {
                let secret = ItemParts::draw(&[0xbb; 32], b"").secret;
                let access = dealt.dealing.commitments.access();
                let other = deal(&secret, access, &[0xbb; 32]).commitments;
                let (plan, index) = (dealt.dealing.plan, dealt.dealing.index);
                dealt.dealing = RotationDealing::sign(identity, plan, index, other);
            }
        }
        SecretDone::Redealt(Some(dealt))
    }
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) genesis: Verified<Record>,
    now: Now,
    links: BTreeSet<(usize, usize)>,
    severed: BTreeSet<(usize, usize)>,
    /// Nodes, and kinds of records that do not reach them.
    deaf: BTreeSet<(usize, Kind)>,
    /// Nodes whose parts of signatures are all bad, and that take nobody else's.
    pub(crate) lying: BTreeSet<usize>,
    /// Nodes that deal something wrong in rotations of guardians.
    pub(crate) lying_dealers: BTreeMap<usize, DealerLie>,
    /// Nodes that swallow what comes to them along a stem.
    pub(crate) swallowing: BTreeSet<usize>,
    /// What was sent along stems: by whom, to whom, which record.
    pub(crate) stems: Vec<(usize, usize, ContentId)>,
    queue: VecDeque<(usize, Input)>,
    asked: BTreeMap<RequestToken, (usize, RequestId)>,
    next: u64,
    /// Gossip messages that await their verdict: who sent them, and what.
    under_way: BTreeMap<MessageId, (PublicKey, Vec<u8>)>,
    /// What each node has passed on, so that it does so once.
    forwarded: BTreeSet<(usize, ContentId)>,
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([seed; 32]))
}

pub(crate) fn founder(identity: &Identity) -> Founder {
    Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: None,
    }
}

fn genesis(
    parameters: Parameters,
    founders: &[&Identity],
    roots: &[&Identity],
    seats: usize,
) -> Verified<Record> {
    let mut all: Vec<_> = founders.iter().map(|identity| founder(identity)).collect();
    all.sort_by_key(|founder| founder.key);
    let mut roots: Vec<_> = roots
        .iter()
        .map(|id| id.capability_root().public())
        .collect();
    roots.sort_unstable();
    let body = Body::Genesis(Genesis {
        name: "test".parse().unwrap(),
        seats: all.iter().take(seats).map(|founder| founder.key).collect(),
        founders: all,
        roots,
        parameters,
    });
    let author = founders[0];
    Draft::new(None, author.public(), (0, None), START, [0; 16], body)
        .sign(author)
        .unwrap()
}

/// Grants `holder` the change of a policy, under the root of `by`.
pub(crate) fn token(by: &Identity, holder: PublicKey, caveats: &[Caveat]) -> Token {
    let change = set_links(1);
    let grant = Grant {
        holder,
        actions: [change.action()].into(),
        caveats: caveats.to_vec(),
    };
    Token::grant(&by.capability_root(), &grant).unwrap()
}

pub(crate) fn set_links(value: u64) -> Change {
    Change::SetPolicy {
        policy: "links.target".parse().unwrap(),
        value,
        from_version: 0,
    }
}

impl World {
    /// Founds a mesh of `count` founders, fully linked.
    pub(crate) fn founded(count: u8) -> Self {
        Self::unlinked(count).linked_all()
    }

    /// Founds a mesh of so few seats that it has no committee: its acts go by tokens alone.
    pub(crate) fn without_committee(count: u8) -> Self {
        Self::seated(count, 3).linked_all()
    }

    /// Asks a node something in another's name.
    pub(crate) fn ask_as(&mut self, from: usize, to: usize, request: Request) {
        self.next += 1;
        let token = RequestToken(self.next);
        self.asked.insert(token, (from, RequestId(u64::MAX)));
        let from = self.key(from);
        self.queue.push_back((
            to,
            Input::Request {
                from,
                token,
                request,
            },
        ));
        self.settle();
    }

    /// Founds a mesh of `count` founders of whom some have a seat, fully linked.
    pub(crate) fn with_seats(count: u8, seats: usize) -> Self {
        Self::seated(count, seats).linked_all()
    }

    fn linked_all(self) -> Self {
        let mut world = self;
        let count = world.nodes.len();
        for a in 0..count {
            for b in a + 1..count {
                world.link(a, b);
            }
        }
        world.settle();
        world
    }

    pub(crate) fn genesis_body(&self) -> &Genesis {
        let Body::Genesis(genesis) = self.genesis.value().body() else {
            panic!("the genesis record holds a genesis");
        };
        genesis
    }

    pub(crate) fn unlinked(count: u8) -> Self {
        Self::seated(count, usize::from(count))
    }

    /// Founds a mesh of `count` founders, fully linked, whose time runs so many times faster.
    pub(crate) fn fast(count: u8, scale: u32) -> Self {
        Self::fast_with_seats(count, usize::from(count), scale)
    }

    /// The same, but only some of the founders have a seat.
    pub(crate) fn fast_with_seats(count: u8, seats: usize, scale: u32) -> Self {
        let parameters = Parameters {
            time_scale: TimeScale(scale),
            ..Parameters::default()
        };
        Self::under(parameters, count, seats).linked_all()
    }

    /// The same, under a charter.
    pub(crate) fn fast_under(charter: Charter, count: u8, scale: u32) -> Self {
        Self::fast_under_seats(charter, count, usize::from(count), scale)
    }

    /// The same, but only some of the founders have a seat.
    pub(crate) fn fast_under_seats(charter: Charter, count: u8, seats: usize, scale: u32) -> Self {
        let parameters = Parameters {
            time_scale: TimeScale(scale),
            charter: Some(charter),
            ..Parameters::default()
        };
        Self::under(parameters, count, seats).linked_all()
    }

    /// Starts nodes anew that do something else from now on when they are drawn, and links them to all.
    pub(crate) fn reboot_with(&mut self, nodes: &[usize], cosign: CosignPolicy) {
        for at in nodes {
            self.nodes[*at].cosign = cosign;
            self.crash(*at);
            self.boot(*at, false);
        }
        for at in nodes {
            for to in 0..self.nodes.len() {
                self.link(*at, to);
            }
        }
        self.settle();
        self.pass(Millis::from_secs(15));
    }

    /// Returns the nodes that hold the seats of the genesis.
    pub(crate) fn seats(&self) -> Vec<usize> {
        let seats = self.genesis_body().seats.iter();
        seats.map(|seat| self.at(seat).unwrap()).collect()
    }

    /// Returns two nodes without a seat.
    pub(crate) fn outsiders(&self) -> (usize, usize) {
        let seats = self.seats();
        let mut others = (0..self.nodes.len()).filter(|at| !seats.contains(at));
        (others.next().unwrap(), others.next().unwrap())
    }

    pub(crate) fn at(&self, key: &PublicKey) -> Option<usize> {
        (0..self.nodes.len()).find(|at| self.key(*at) == *key)
    }

    /// Founds a mesh whose time runs faster, in which only its seats and one agent, the node returned, are linked to all:
    /// a mesh of many nodes that a test can afford.
    pub(crate) fn fast_around_hubs(count: u8, seats: usize, scale: u32) -> (Self, usize) {
        let parameters = Parameters {
            time_scale: TimeScale(scale),
            ..Parameters::default()
        };
        let mut world = Self::under(parameters, count, seats);
        let seated = world.genesis_body().seats.clone();
        let nodes = 0..usize::from(count);
        let (mut hubs, others): (Vec<_>, Vec<_>) =
            nodes.partition(|at| seated.contains(&world.key(*at)));
        let agent = others[0];
        hubs.push(agent);
        for hub in hubs {
            for other in 0..usize::from(count) {
                world.link(hub, other);
            }
        }
        world.settle();
        (world, agent)
    }

    fn seated(count: u8, seats: usize) -> Self {
        Self::under(Parameters::default(), count, seats)
    }

    fn under(parameters: Parameters, count: u8, seats: usize) -> Self {
        let identities: Vec<_> = (1..=count).map(identity).collect();
        let founders: Vec<_> = identities.iter().collect();
        let genesis = genesis(parameters, &founders, &founders[..1], seats);
        let mut world = Self {
            nodes: Vec::new(),
            genesis,
            now: Now {
                mono: Mono(0),
                wall: START + Millis(1_000),
            },
            links: BTreeSet::new(),
            severed: BTreeSet::new(),
            deaf: BTreeSet::new(),
            lying: BTreeSet::new(),
            lying_dealers: BTreeMap::new(),
            swallowing: BTreeSet::new(),
            stems: Vec::new(),
            queue: VecDeque::new(),
            asked: BTreeMap::new(),
            next: 0,
            under_way: BTreeMap::new(),
            forwarded: BTreeSet::new(),
        };
        for identity in identities {
            world.add(identity, Disk::default(), true);
        }
        world
    }

    pub(crate) fn add(&mut self, identity: Identity, disk: Disk, fresh: bool) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node {
            identity,
            peer: None,
            disk,
            events: Vec::new(),
            cosign: CosignPolicy::Approve,
            collects: Collected::as_listed(&Charter::shipped()),
            keyring: Keyring::default(),
            share_keys: SeededShareKeys::new(Zeroizing::new([at as u8; 32])),
            replies: BTreeMap::new(),
        });
        self.boot(at, fresh);
        at
    }

    /// Starts a node from its disk, linked to all that run.
    pub(crate) fn boot_linked(&mut self, at: usize) {
        self.boot(at, false);
        for other in 0..self.nodes.len() {
            if other != at && self.nodes[other].peer.is_some() {
                self.link(at, other);
            }
        }
        self.settle();
    }

    /// Starts a node from its disk.
    pub(crate) fn boot(&mut self, at: usize, fresh: bool) {
        let node = &mut self.nodes[at];
        let root = node.identity.capability_root();
        let grant = Grant {
            holder: node.identity.public(),
            actions: [Change::Link {
                peer: node.identity.public(),
            }
            .action()]
            .into(),
            caveats: vec![Caveat::Scope(Scope::Local)],
        };
        let healing = Token::grant(&root, &grant)
            .unwrap()
            .verify(&root.public())
            .unwrap();
        let config = PeerConfig {
            key: node.identity.public(),
            root: root.public(),
            genesis: self.genesis.clone(),
            directory: None,
            introducers: Vec::new(),
            healing: Some(healing.into()),
            seed: [at as u8; 32],
            fresh,
            may_sit: true,
            cosign: node.cosign,
        };
        let mut out = Outbox::new();
        let mut stored = node.disk.stored();
        let mesh = self.genesis.value().id();
        (node.keyring, stored.work.shares) = node.disk.open_shares(&mesh, &node.identity);
        node.peer = Some(Peer::new(config, stored, self.now, &mut out));
        self.perform(at, &mut out);
    }

    /// Stops a node at once; what is not on its disk is gone.
    pub(crate) fn crash(&mut self, at: usize) {
        self.nodes[at].peer = None;
        self.queue.retain(|(to, _)| *to != at);
        let links: Vec<_> = self
            .links
            .iter()
            .copied()
            .filter(|(a, b)| *a == at || *b == at)
            .collect();
        for (a, b) in links {
            self.unlink(a, b);
        }
    }

    pub(crate) fn link(&mut self, a: usize, b: usize) {
        let pair = (a.min(b), a.max(b));
        if a == b || self.severed.contains(&pair) || !self.links.insert(pair) {
            return;
        }
        let admitted = self.peer(a).directory().is_active(&self.key(b));
        let admits = self.peer(b).directory().is_active(&self.key(a));
        let both = admitted && admits;
        let (peer_a, peer_b) = (self.key(a), self.key(b));
        self.queue.push_back((
            b,
            Input::LinkUp {
                peer: peer_a,
                dialled: false,
                admitted: both,
            },
        ));
        self.queue.push_back((
            a,
            Input::LinkUp {
                peer: peer_b,
                dialled: true,
                admitted: both,
            },
        ));
    }

    pub(crate) fn unlink(&mut self, a: usize, b: usize) {
        self.links.remove(&(a.min(b), a.max(b)));
        let (peer_a, peer_b) = (self.key(a), self.key(b));
        self.queue.push_back((a, Input::LinkDown { peer: peer_b }));
        self.queue.push_back((b, Input::LinkDown { peer: peer_a }));
    }

    /// Has one end see its connection replaced while the other sees no gap.
    pub(crate) fn replace_connection_at(&mut self, at: usize, other: usize) {
        let peer = self.key(other);
        let up = Input::LinkUp {
            peer,
            dialled: false,
            admitted: true,
        };
        self.queue.push_back((at, Input::LinkDown { peer }));
        self.queue.push_back((at, up));
        self.settle();
    }

    /// Cuts the mesh in two: nodes before `at` and the rest.
    pub(crate) fn partition(&mut self, at: usize) {
        for a in 0..at {
            for b in at..self.nodes.len() {
                self.severed.insert((a, b));
                if self.links.contains(&(a, b)) {
                    self.unlink(a, b);
                }
            }
        }
        self.settle();
    }

    pub(crate) fn heal(&mut self) {
        self.severed.clear();
    }

    pub(crate) fn key(&self, at: usize) -> PublicKey {
        self.nodes[at].identity.public()
    }

    pub(crate) fn peer(&self, at: usize) -> &Peer {
        self.nodes[at].peer.as_ref().expect("the node runs")
    }

    /// Returns the first keys of the committee, as a node has them on its disk.
    pub(crate) fn first_keys(&self, at: usize) -> CommitteeKeys {
        let mut records = self.nodes[at].disk.records.values();
        let named = records.find_map(|record| {
            let Body::Keys(named) = record.value().body() else {
                return None;
            };
            named.keys().copied()
        });
        named.expect("the first keys are known")
    }

    pub(crate) const fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn command(&mut self, at: usize, command: Command) -> Result<Reply, CommandError> {
        self.next += 1;
        let id = CommandId(self.next);
        self.queue.push_back((at, Input::Command { id, command }));
        self.settle();
        self.nodes[at]
            .replies
            .remove(&id)
            .expect("every command is answered")
    }

    pub(crate) fn recorded(&mut self, at: usize, command: Command) -> ContentId {
        match self.command(at, command) {
            Ok(Reply::Recorded(id)) => id,
            other => panic!("not recorded: {other:?}"),
        }
    }

    /// Hands a record to a node as gossip from another.
    fn status(&mut self, at: usize) -> Status {
        match self.command(at, Command::Status) {
            Ok(Reply::Status(status)) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// Counts the greeted links of a node.
    pub(crate) fn links(&mut self, at: usize) -> u32 {
        self.status(at).links
    }

    /// Returns how many links a node wants.
    pub(crate) fn links_target(&mut self, at: usize) -> u64 {
        self.status(at).links_target
    }

    pub(crate) fn gossip(&mut self, from: usize, to: usize, record: &Verified<Record>) {
        self.send_gossip(from, to, record.value().bytes());
        self.settle();
    }

    fn send_gossip(&mut self, from: usize, to: usize, bytes: &[u8]) {
        self.next += 1;
        let (from, message) = (self.key(from), MessageId(self.next));
        let record = x0_protocol::wire::decode_record(bytes).unwrap();
        if self.is_kept_from(to, record.peek()) {
            return;
        }
        self.under_way.insert(message, (from, bytes.to_vec()));
        let input = Input::Gossip {
            from,
            message,
            record,
        };
        self.queue.push_back((to, input));
    }

    /// Passes on what was accepted, as gossipsub does.
    fn report(&mut self, at: usize, message: MessageId, verdict: MessageVerdict) {
        let (from, bytes) = self.under_way.remove(&message).expect("reported once");
        if verdict != MessageVerdict::Accept {
            return;
        }
        let id = x0_protocol::wire::decode_record(&bytes)
            .unwrap()
            .peek()
            .id();
        if self.forwarded.insert((at, id)) {
            for to in self.linked(at) {
                if self.key(to) != from {
                    self.send_gossip(at, to, &bytes);
                }
            }
        }
    }

    /// Delivers everything under way.
    pub(crate) fn settle(&mut self) {
        let mut turns = 0;
        while let Some((to, input)) = self.queue.pop_front() {
            turns += 1;
            assert!(turns < 2_000_000, "the mesh never comes to rest");
            self.handle(to, input);
        }
    }

    /// Lets time pass, waking peers at their deadlines.
    pub(crate) fn pass(&mut self, span: Millis) {
        let until = self.now.mono + span;
        loop {
            let next = (0..self.nodes.len())
                .filter_map(|at| {
                    let deadline = self.nodes[at].peer.as_ref()?.next_deadline()?;
                    Some((deadline.at, at))
                })
                .min();
            match next {
                Some((due, at)) if due <= until => {
                    self.advance(due);
                    self.handle(at, Input::Wake);
                    self.settle();
                }
                _ => break,
            }
        }
        self.advance(until);
    }

    /// Lets time pass until a record that goes along a stem first is known to all who run.
    pub(crate) fn spread(&mut self, id: &ContentId) {
        let latest = self.now.mono + STEM_WAIT_MAX;
        let lacks = |node: &Node| node.peer.as_ref().is_some_and(|peer| !peer.knows(id));
        while self.now.mono < latest && self.nodes.iter().any(lacks) {
            self.pass(Millis(50));
        }
    }

    fn advance(&mut self, to: Mono) {
        let span = to.since(self.now.mono);
        self.now = Now {
            mono: self.now.mono + span,
            wall: self.now.wall + span,
        };
    }

    fn handle(&mut self, at: usize, input: Input) {
        let mut out = Outbox::new();
        let now = self.now;
        match self.nodes[at].peer.as_mut() {
            Some(peer) => peer.handle(now, input, &mut out),
            None => return,
        }
        self.perform(at, &mut out);
    }

    fn perform(&mut self, at: usize, out: &mut Outbox) {
        let effects: Vec<_> = out.drain().collect();
        for effect in effects {
            self.perform_one(at, effect);
        }
    }

    fn perform_one(&mut self, at: usize, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Publish { record, .. } => {
                self.forwarded.insert((at, record.id()));
                for to in self.linked(at) {
                    self.send_gossip(at, to, record.bytes());
                }
            }
            Effect::Report { message, verdict } => self.report(at, message, verdict),
            Effect::Request { id, to, request } => self.request(at, id, to, request),
            Effect::Push { id, to, records } => {
                let records = self.page(at, &records, &to);
                self.request(at, id, to, Request::Push { records });
            }
            Effect::Respond { token, response } => self.respond(token, response),
            Effect::RespondRecords { token, records } => {
                let asker = self.key(self.asked[&token].0);
                let records = self.page(at, &records, &asker);
                self.respond(token, Response::Records(records));
            }
            Effect::RespondBlocks { token, from } => {
                let blocks = self.nodes[at].disk.blocks.iter();
                let blocks = blocks
                    .filter(|decided| decided.block.height >= from)
                    .take(8);
                let blocks = blocks.map(|decided| decided.to_unverified()).collect();
                self.respond(token, Response::Blocks(blocks));
            }
            Effect::Check { id, job } => {
                self.queue.push_back((
                    at,
                    Input::Checked {
                        id,
                        verdict: job.run(),
                    },
                ));
            }
            Effect::Sign { id, draft } => {
                let result = draft.sign(&self.nodes[at].identity);
                self.queue.push_back((at, Input::Signed { id, result }));
            }
            Effect::SignHead {
                id,
                size,
                root,
                time,
            } => {
                let head = LogHead::sign(&self.nodes[at].identity, size, root, time);
                self.queue.push_back((at, Input::HeadSigned { id, head }));
            }
            Effect::Countersign { id, held } => {
                let one = held.sign(&self.nodes[at].identity);
                self.queue.push_back((at, Input::Countersigned { id, one }));
            }
            Effect::SignSeat { id, draft } => {
                let message = draft.sign(&self.genesis.value().id(), &self.nodes[at].identity);
                self.queue
                    .push_back((at, Input::SeatSigned { id, message }));
            }
            Effect::Secret { id, task } => {
                let node = &mut self.nodes[at];
                let done = task.run(&node.identity, &mut node.keyring, &mut node.share_keys);
                let done = match self.lying_dealers.get(&at) {
                    Some(lie) => lie.tell(done, &node.identity),
                    None => done,
                };
                self.queue.push_back((at, Input::SecretDone { id, done }));
            }
            Effect::SignWord { id, act, word } => {
                let mesh = self.genesis.value().id();
                let said = Said::sign(&mesh, act, word, &self.nodes[at].identity);
                self.queue.push_back((at, Input::WordSigned { id, said }));
            }
            Effect::SignVote { id, draft } => {
                let mesh = self.genesis.value().id();
                let signed = Box::new(draft.sign(&mesh, &self.nodes[at].identity));
                self.queue.push_back((at, Input::VoteSigned { id, signed }));
            }
            Effect::Inspect { id, draft } => {
                let mesh = self.genesis.value().id();
                let node = &self.nodes[at];
                let signed = draft.sign(&mesh, &node.identity, || node.collects.clone());
                let signed = Box::new(signed);
                self.queue.push_back((at, Input::Inspected { id, signed }));
            }
            Effect::Persist { id, writes } => {
                self.nodes[at].disk.write(writes);
                self.queue.push_back((at, Input::Persisted { id }));
            }
            Effect::Execute { id, change } => {
                if let Change::Link { peer } = change.value() {
                    match self.at(peer).filter(|to| self.nodes[*to].peer.is_some()) {
                        Some(to) if !self.severed.contains(&(at.min(to), at.max(to))) => {
                            self.link(at, to);
                        }
                        _ => self
                            .queue
                            .push_back((at, Input::DialFailed { peer: *peer })),
                    }
                }
                self.queue
                    .push_back((at, Input::Executed { id, result: Ok(()) }));
            }
            Effect::Reply { id, reply } => {
                self.nodes[at].replies.insert(id, reply);
            }
            Effect::Notify(event) => self.nodes[at].events.push(event),
            Effect::Admit(peers) => {
                for to in peers
                    .iter()
                    .filter_map(|peer| self.at(peer))
                    .collect::<Vec<_>>()
                {
                    let pair = (at.min(to), at.max(to));
                    if self.links.contains(&pair) && !self.peer(at).is_linked(&self.key(to)) {
                        continue;
                    }
                    if self.links.remove(&pair) {
                        self.queue
                            .push_back((at, Input::LinkDown { peer: self.key(to) }));
                        self.queue
                            .push_back((to, Input::LinkDown { peer: self.key(at) }));
                        self.link(to, at);
                    }
                }
            }
            Effect::Expel(peer) | Effect::Disconnect(peer) => {
                if let Some(to) = self.at(&peer) {
                    self.unlink(at, to);
                }
            }
        }
        let _ = now;
    }

    fn linked(&self, at: usize) -> Vec<usize> {
        let links = self.links.iter().filter(|(a, b)| *a == at || *b == at);
        links.map(|(a, b)| if *a == at { *b } else { *a }).collect()
    }

    /// Keeps records of some kinds from nodes, as a cut would that lets all else pass.
    pub(crate) fn deafen(&mut self, nodes: &[usize], kinds: &[Kind]) {
        for node in nodes {
            self.deaf.extend(kinds.iter().map(|kind| (*node, *kind)));
        }
    }

    /// Lets everything reach everybody again.
    pub(crate) fn undeafen(&mut self) {
        self.deaf.clear();
    }

    fn is_kept_from(&self, to: usize, record: &Record) -> bool {
        self.deaf.contains(&(to, record.header().kind))
    }

    fn page(
        &self,
        at: usize,
        ids: &[ContentId],
        to: &PublicKey,
    ) -> Vec<x0_protocol::wire::Unverified<Record>> {
        let disk = &self.nodes[at].disk;
        let to = self.at(to);
        ids.iter()
            .filter_map(|id| disk.records.get(id))
            .filter(|record| !to.is_some_and(|to| self.is_kept_from(to, record.value())))
            .map(Verified::to_unverified)
            .collect()
    }

    fn request(&mut self, at: usize, id: RequestId, to: PublicKey, request: Request) {
        let to = self
            .at(&to)
            .filter(|to| self.links.contains(&(at.min(*to), at.max(*to))));
        let is_deaf = |to: &usize| matches!(request, Request::Parts(_)) && self.lying.contains(to);
        let Some(to) = to.filter(|to| !is_deaf(to)) else {
            self.queue
                .push_back((at, Input::Response { id, response: None }));
            return;
        };
        if let Request::Stem(record) = &request {
            self.stems.push((at, to, record.peek().id()));
            if self.swallowing.contains(&to) {
                let response = Some(Response::Noted);
                self.queue.push_back((at, Input::Response { id, response }));
                return;
            }
        }
        self.next += 1;
        let token = RequestToken(self.next);
        self.asked.insert(token, (at, id));
        let mut request = request;
        if let Request::Parts(parts) = &mut request
            && self.lying.contains(&at)
        {
            self.twist(at, parts);
        }
        let request = Request::decode(&request.encode()).expect("what we encode decodes");
        self.queue.push_back((
            to,
            Input::Request {
                from: self.key(at),
                token,
                request,
            },
        ));
    }

    /// Puts parts of another signature in place of these.
    fn twist(&self, at: usize, parts: &mut [SignaturePart]) {
        for part in parts {
            part.part = self.part(at, Purpose::Decryption, b"a lie");
        }
    }

    /// Returns a node's part of a signature under the newest keys of which it has a share.
    pub(crate) fn part(&self, at: usize, purpose: Purpose, message: &[u8]) -> PartialSignature {
        let keyring = &self.nodes[at].keyring;
        let epochs = self.nodes[at].disk.epochs_of_shares().into_iter().rev();
        let mut parts = epochs.filter_map(|epoch| keyring.sign(purpose, epoch, message));
        parts.next().expect("it has a share of some keys")
    }

    fn respond(&mut self, token: RequestToken, response: Response) {
        let (to, id) = self.asked.remove(&token).expect("answered once");
        let response = Response::decode(&response.encode()).expect("what we encode decodes");
        self.queue.push_back((
            to,
            Input::Response {
                id,
                response: Some(response),
            },
        ));
    }

    /// Lets `inviter` open a door and a newcomer with this seed enter through it.
    pub(crate) fn join(&mut self, inviter: usize, seed: u8) -> usize {
        let door = identity(seed ^ 0xff);
        let life = Millis::from_mins(60);
        let invite = self.recorded(
            inviter,
            Command::Invite {
                key: door.public(),
                life,
            },
        );
        let newcomer = identity(seed);
        let record = self.join_record(&newcomer, &door, invite);
        let mut disk = Disk::default();
        disk.records.insert(record.value().id(), record);
        let at = self.add(newcomer, disk, true);
        let entry = self.nodes[at]
            .disk
            .records
            .values()
            .next()
            .cloned()
            .unwrap();
        self.gossip(at, inviter, &entry);
        self.link(at, inviter);
        self.settle();
        at
    }

    pub(crate) fn join_record(
        &self,
        newcomer: &Identity,
        door: &Identity,
        invite: ContentId,
    ) -> Verified<Record> {
        let mesh = self.genesis.value().id();
        let message = Join::proof_message(&mesh, &invite, &newcomer.public());
        let body = Body::Join(Join {
            invite,
            key: door.public(),
            proof: door.sign(Namespace::Invite, &message),
            root: newcomer.capability_root().public(),
            commitment: newcomer.membership_commitment(),
            region: None,
        });
        let place = (0, None);
        let wall = self.now.wall;
        Draft::new(Some(mesh), newcomer.public(), place, wall, [1; 16], body)
            .sign(newcomer)
            .unwrap()
    }

    /// Lets somebody who is no node of this world knock at a peer with a join; nobody hears the answer.
    pub(crate) fn knock(&mut self, at: usize, join: &Verified<Record>) {
        self.next += 1;
        let token = RequestToken(self.next);
        self.asked.insert(token, (at, RequestId(u64::MAX)));
        let request = Request::Hello(Hello {
            versions: VersionRange::OURS,
            mesh: self.genesis.value().id(),
            join: Some(join.to_unverified()),
        });
        let from = join.value().author();
        self.queue.push_back((
            at,
            Input::Request {
                from,
                token,
                request,
            },
        ));
        self.settle();
    }

    pub(crate) fn heard(&self, at: usize, wanted: impl Fn(&Event) -> bool) -> bool {
        self.nodes[at].events.iter().any(wanted)
    }
}
