//! The committee log as one seat keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    engine::{Awaited, Engine, Step, Timer},
    seats::Seats,
    state::State,
};
use crate::{
    core::{
        limits::{
            BLOCK_ENTRIES_BYTES_MAX, BLOCK_ENTRIES_MAX, MEMBER_CHANGES_MAX, SEAT_EARLY_MAX,
            SEAT_POOL_MAX, SEAT_ROUNDS_AHEAD_MAX,
        },
        time::{Millis, Mono, Wall},
    },
    spine::halt::HaltId,
    wire::{
        Block, ClockReading, Decided, Entry, MemberChange, MemberFacts, Phase, Proposal, SeatDraft,
        SeatMessage, Verified, encode_entry,
    },
};

/// Longest wait for the proposal of the first round; covers building, sending and checking a full block.
const PROPOSAL_WAIT: Millis = Millis(2_000);
/// Longest wait for a quorum of votes for one thing, once a quorum has voted.
const VOTES_WAIT: Millis = Millis(1_000);
/// What each further round waits longer, so that rounds become long enough for any network in the end.
const WAIT_STEP: Millis = Millis(500);
/// Longest wait in any round.
const WAIT_MAX: Millis = Millis::from_secs(30);
/// Time after which a seat says again what it said last, while the height is undecided.
const REPEAT_EVERY: Millis = Millis(1_000);
/// Time after which the next height begins although nothing is to be decided: mesh time moves on.
pub(crate) const HEARTBEAT: Millis = Millis::from_secs(10);
/// Shortest time between two heights: bounds what hostile seats can make of the others' work.
const HEIGHT_GAP: Millis = Millis(100);
/// Time before a seat that is behind asks again.
const ASK_AGAIN: Millis = Millis(1_000);

/// Time between two heights while a ceremony waits for its end, which mesh time decides.
const PRESSING_BEAT: Millis = Millis(500);
/// Time that news of a member gets to reach the other seats before they are asked to agree on it.
const MEMBER_SETTLES: Millis = Millis(3_000);
/// Time for which a halt that this seat knows makes heights follow each other soon; a seat that knows it alone does not
/// keep the others busy.
const HALT_PRESSES: Millis = Millis::from_secs(30);
/// Heights between two copies of the state in the store: a restart applies that many blocks at most.
const SNAPSHOT_EVERY: u64 = 256;

/// The last block decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// Its height; 0 before the first.
    pub height: u64,
    /// Its name; the mesh's before the first.
    pub block: ContentId,
    /// Mesh time as of it.
    pub time: Wall,
}

/// One line of a seat's journal: what it fed its engine at the height under way, and what it is about to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum JournalLine {
    /// A verified proposal or vote, of another seat or its own.
    Heard(SeatMessage),
    /// A block it built for a round.
    Built {
        /// The round.
        round: u32,
        /// The block.
        block: Box<Block>,
    },
    /// A wait that is over.
    Elapsed(Timer),
    /// A proposal or vote that it signs once this line is safe.
    Signing(SeatDraft),
}

/// What a seat finds in its store at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLog {
    /// The last block decided; none before the first.
    pub tip: Option<Tip>,
    /// The newest copy of the state, if there is one.
    pub snapshot: Option<Vec<u8>>,
    /// The blocks after it, in order.
    pub blocks: Vec<Decided>,
    /// The journal of the height under way, in order.
    pub journal: Vec<JournalLine>,
}

impl StoredLog {
    /// Takes in a block as a store does that holds it in memory: the journal of its height is over.
    pub fn keep(&mut self, decided: &Decided, tip: Tip, snapshot: Option<Vec<u8>>) {
        self.tip = Some(tip);
        self.journal.clear();
        if snapshot.is_some() {
            self.snapshot = snapshot;
            self.blocks.clear();
        } else {
            self.blocks.push(decided.clone());
        }
    }
}

/// What a seat is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Sign, and hand in the result by [`CommitteeLog::signed`].
    Sign(SeatDraft),
    /// Write to the journal; when it is safe, sign.
    Note {
        /// The height.
        height: u64,
        /// The place of the first line in the height's journal.
        first: u32,
        /// The lines.
        lines: Vec<JournalLine>,
        /// What to sign then.
        then: SeatDraft,
    },
    /// Send to all other seats.
    Send(SeatMessage),
    /// Ask a seat for the blocks from a height on.
    Ask {
        /// Whom.
        seat: PublicKey,
        /// The first height wanted.
        from: u64,
    },
    /// Store the block as decided, with the tip, and forget the journal.
    Store {
        /// The block and its commit.
        decided: Arc<Decided>,
        /// The tip from now on.
        tip: Tip,
        /// A copy of the state as of it, now and then.
        snapshot: Option<Vec<u8>>,
    },
}

/// What to do with a message before its signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// Check it.
    Wanted,
    /// It is old, known or out of bounds: drop it.
    Unwanted,
    /// No honest seat sends this.
    Faulty,
}

/// The committee log of one seat.
pub struct CommitteeLog {
    mesh: ContentId,
    seats: Seats,
    own: PublicKey,
    tip: Tip,
    begin_at: Mono,
    not_before: Mono,
    work: Option<Box<Work>>,
    early: Vec<Verified<SeatMessage>>,
    pool: BTreeMap<ContentId, Entry>,
    asked: Option<Mono>,
    state: State,
    /// What this seat knows of members otherwise than the log does, and since when.
    news: News,
    /// The halts in force as this seat has counted the alerts itself, and until when their entry is pressing.
    halts: BTreeMap<HaltId, RootKey>,
    halts_press_until: Mono,
    /// The block that names the keys, until the mesh knows them.
    named: Option<Arc<Decided>>,
}

type News = BTreeMap<PublicKey, (Option<MemberFacts>, Mono)>;

/// Work on the height after the tip.
struct Work {
    height: u64,
    began: Mono,
    engine: Engine,
    clocks: BTreeMap<PublicKey, ClockReading>,
    build: Option<u32>,
    timers: BTreeMap<Timer, Mono>,
    repeat_at: Mono,
    /// Lines not yet on their way to the store.
    unsaved: Vec<JournalLine>,
    saved: u32,
    /// What this seat has bound itself to say, and has said.
    bound: BTreeMap<Slot, SeatDraft>,
    said: BTreeMap<Slot, SeatMessage>,
    own_clock: Option<SeatMessage>,
    /// Blocks proposed, at most two for each round: a second is proof enough of a lie.
    proposed: BTreeMap<u32, BTreeSet<ContentId>>,
}

/// A place in which a seat says one thing only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Proposal(u32),
    Vote(u32, Phase),
}

impl Slot {
    const fn of(draft: &SeatDraft) -> Option<Self> {
        match draft {
            SeatDraft::Clock { .. } => None,
            SeatDraft::Proposal { round, .. } => Some(Self::Proposal(*round)),
            SeatDraft::Vote { round, phase, .. } => Some(Self::Vote(*round, *phase)),
        }
    }

    const fn round(self) -> u32 {
        match self {
            Self::Proposal(round) | Self::Vote(round, _) => round,
        }
    }
}

impl CommitteeLog {
    /// Takes up the log where the store left it; `founded` is the time of the genesis, and `first` the state before
    /// the first block.
    pub fn new(
        mesh: ContentId,
        (seats, own): (Seats, PublicKey),
        founded: Wall,
        first: State,
        stored: StoredLog,
        now: Mono,
        clock: Wall,
    ) -> (Self, Vec<Todo>) {
        let tip = stored.tip.unwrap_or(Tip {
            height: 0,
            block: mesh,
            time: founded,
        });
        let kept = stored.snapshot.as_deref().and_then(State::decode);
        let mut state = kept.unwrap_or(first);
        let mut named = None;
        let mut time = state.time();
        for decided in stored.blocks {
            let block = &decided.block;
            if block.height == state.height() + 1 {
                time = block.median().max(time + Millis(1));
                state.apply(block, time);
                if names_keys(block) {
                    named = Some(Arc::new(decided));
                }
            }
        }
        let mut log = Self {
            mesh,
            seats,
            own,
            tip,
            begin_at: now + HEIGHT_GAP,
            not_before: now,
            work: None,
            early: Vec::new(),
            pool: BTreeMap::new(),
            asked: None,
            state,
            news: BTreeMap::new(),
            halts: BTreeMap::new(),
            halts_press_until: now,
            named,
        };
        let todo = if stored.journal.is_empty() {
            Vec::new()
        } else {
            log.resume(stored.journal, now, clock)
        };
        (log, todo)
    }

    /// Returns the last block decided.
    pub const fn tip(&self) -> Tip {
        self.tip
    }

    /// Returns what follows from the log.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Returns what follows from the log, to draw by it.
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Takes out the block that names the keys, to make it known; once.
    pub const fn take_named(&mut self) -> Option<Arc<Decided>> {
        self.named.take()
    }

    /// Returns the seats.
    pub const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Returns the height under way, and since when, if there is one.
    pub fn under_way(&self) -> Option<(u64, Mono)> {
        let work = self.work.as_ref()?;
        Some((work.height, work.began))
    }

    /// Returns when [`CommitteeLog::on_time`] has something to do.
    pub fn due(&self) -> Mono {
        match &self.work {
            None => self.begin_at,
            Some(work) => {
                let timers = work.timers.values().copied();
                timers.fold(work.repeat_at, Mono::min)
            }
        }
    }

    /// Offers something to be decided; it waits until a block holds it.
    ///
    /// What waits already or has its effect is refused, and so is everything while the pool is full: who offered it
    /// offers it again.
    pub fn submit(&mut self, entry: Entry, now: Mono) -> bool {
        if self.pool.len() >= SEAT_POOL_MAX || !self.state.admits(&entry) {
            return false;
        }
        if self.pool.insert(entry.id(), entry).is_some() {
            return false;
        }
        self.begin_at = self.begin_at.min(now.max(self.not_before));
        true
    }

    /// Takes note of what this seat knows of a member; once it has settled, the seats agree on it.
    pub fn see(&mut self, key: PublicKey, facts: Option<MemberFacts>, now: Mono) {
        if self.state.member(&key) == facts.as_ref() {
            self.news.remove(&key);
            return;
        }
        if self.news.get(&key).is_none_or(|(known, _)| *known != facts) {
            self.news.insert(key, (facts, now));
            self.begin_at = self.begin_at.min(now + MEMBER_SETTLES);
        }
    }

    /// Takes note of the halts in force as this seat knows them, and puts those before the committee that it has not
    /// taken up: no other seat's word is needed for that, as every seat counts the alerts itself.
    pub fn know_halts(&mut self, halts: impl IntoIterator<Item = (HaltId, RootKey)>, now: Mono) {
        let known: BTreeMap<_, _> = halts.into_iter().collect();
        let is_news = known.keys().any(|halt| !self.halts.contains_key(halt));
        self.halts = known;
        if is_news && due_halts(&self.state, &self.halts).next().is_some() {
            self.halts_press_until = now + HALT_PRESSES;
            self.begin_at = self.begin_at.min(now.max(self.not_before));
        }
    }

    /// Weighs a message by what costs nothing to look at.
    pub fn weigh(&self, message: &SeatMessage) -> Weighed {
        if !self.seats.contains(message.seat()) || *message.seat() == self.own {
            return Weighed::Faulty;
        }
        let next = self.tip.height + 1;
        if message.height() < next {
            return Weighed::Unwanted;
        }
        if message.height() > next {
            // A seat that is behind learns so by it, and asks; the signature is checked first.
            return Weighed::Wanted;
        }
        let round = self.work.as_ref().and_then(|work| work.engine.round());
        let round = round.unwrap_or_default();
        let is_near = |asked: u32| asked <= round.saturating_add(SEAT_ROUNDS_AHEAD_MAX);
        let good = match message {
            SeatMessage::Clock { reading, .. } => self
                .work
                .as_ref()
                .is_none_or(|work| !work.clocks.contains_key(&reading.seat)),
            SeatMessage::Vote(vote) => {
                is_near(vote.round)
                    && self
                        .work
                        .as_ref()
                        .is_none_or(|work| !work.engine.has_vote(vote))
            }
            SeatMessage::Proposal(proposal) => {
                if self.seats.proposer(next, proposal.round) != &proposal.seat {
                    return Weighed::Faulty;
                }
                is_near(proposal.round)
                    && self.work.as_ref().is_none_or(|work| work.lacks(proposal))
            }
        };
        if good {
            Weighed::Wanted
        } else {
            Weighed::Unwanted
        }
    }

    /// Takes a verified message of another seat.
    pub fn heard(&mut self, message: Verified<SeatMessage>, now: Mono, clock: Wall) -> Vec<Todo> {
        let next = self.tip.height + 1;
        if !self.seats.contains(message.value().seat()) || message.value().height() < next {
            return Vec::new();
        }
        if message.value().height() > next {
            let seat = *message.value().seat();
            self.keep_early(message);
            return self.ask(seat, now);
        }
        let mut todo = Vec::new();
        if self.work.is_none() {
            if now < self.not_before {
                self.keep_early(message);
                self.begin_at = self.begin_at.min(self.not_before);
                return todo;
            }
            todo = self.begin(now, clock);
        }
        todo.extend(self.take(message.value().clone(), now));
        todo
    }

    /// Takes what this seat has signed.
    pub fn signed(&mut self, message: Verified<SeatMessage>, now: Mono) -> Vec<Todo> {
        let message = message.value().clone();
        let Some(work) = self.work.as_mut().filter(|w| w.height == message.height()) else {
            return Vec::new();
        };
        match &message {
            SeatMessage::Clock { .. } => work.own_clock = Some(message.clone()),
            SeatMessage::Proposal(proposal) => {
                let slot = Slot::Proposal(proposal.round);
                work.said.insert(slot, message.clone());
            }
            SeatMessage::Vote(vote) => {
                let slot = Slot::Vote(vote.round, vote.phase);
                work.said.insert(slot, message.clone());
            }
        }
        let mut todo = vec![Todo::Send(message.clone())];
        todo.extend(self.take(message, now));
        todo
    }

    /// Takes a block that others have decided while this seat was away.
    pub fn caught_up(&mut self, decided: &Verified<Decided>, now: Mono) -> Vec<Todo> {
        let decided = decided.value();
        let voters = decided.commit.votes.iter().map(|(seat, _)| seat);
        if !self.is_valid(&decided.block, true) || !self.seats.is_quorum(voters) {
            return Vec::new();
        }
        self.asked = None;
        self.decide(Arc::new(decided.clone()), now)
    }

    /// Hears that another seat has decided up to a height.
    pub fn is_told(&mut self, seat: PublicKey, height: u64, now: Mono) -> Vec<Todo> {
        if height > self.tip.height && self.seats.contains(&seat) {
            return self.ask(seat, now);
        }
        Vec::new()
    }

    /// Does what is due; `clock` is the seat's own clock in mesh time.
    pub fn on_time(&mut self, now: Mono, clock: Wall) -> Vec<Todo> {
        let Some(work) = &mut self.work else {
            if now < self.begin_at {
                return Vec::new();
            }
            return self.begin(now, clock);
        };
        let mut todo = Vec::new();
        if work.repeat_at <= now {
            work.repeat_at = now + REPEAT_EVERY;
            todo.extend(work.repeated().map(Todo::Send));
        }
        let due: Vec<_> = work
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(timer, _)| *timer)
            .collect();
        for timer in due {
            let Some(work) = &mut self.work else { break };
            work.timers.remove(&timer);
            work.unsaved.push(JournalLine::Elapsed(timer));
            let steps = work.engine.elapsed(timer);
            todo.extend(self.follow(steps, now));
        }
        todo
    }

    fn begin(&mut self, now: Mono, clock: Wall) -> Vec<Todo> {
        let height = self.tip.height + 1;
        let mut work = Box::new(Work::new(height, &self.seats, self.own, now));
        let steps = work.engine.start();
        self.work = Some(work);
        let mut todo = vec![Todo::Sign(SeatDraft::Clock {
            height,
            time: clock,
        })];
        todo.extend(self.follow(steps, now));
        for message in std::mem::take(&mut self.early) {
            if message.value().height() == height {
                todo.extend(self.take(message.value().clone(), now));
            } else if message.value().height() > height {
                self.early.push(message);
            }
        }
        todo
    }

    /// Goes on with a height from the journal: the engine is fed what it was fed before.
    fn resume(&mut self, journal: Vec<JournalLine>, now: Mono, clock: Wall) -> Vec<Todo> {
        let height = self.tip.height + 1;
        let mut work = Box::new(Work::new(height, &self.seats, self.own, now));
        work.saved = u32::try_from(journal.len()).unwrap_or(u32::MAX);
        let mut steps = work.engine.start();
        let (mut built, mut elapsed) = (Vec::new(), Vec::new());
        for line in journal {
            match line {
                JournalLine::Heard(SeatMessage::Proposal(proposal)) => {
                    work.note(&proposal);
                    let is_valid = self.is_valid(&proposal.block, false);
                    steps.extend(work.engine.proposal(&proposal, is_valid));
                    if proposal.seat == self.own {
                        let slot = Slot::Proposal(proposal.round);
                        work.said.insert(slot, SeatMessage::Proposal(proposal));
                    }
                }
                JournalLine::Heard(SeatMessage::Vote(vote)) => {
                    steps.extend(work.engine.vote(&vote));
                    if vote.seat == self.own {
                        let slot = Slot::Vote(vote.round, vote.phase);
                        work.said.insert(slot, SeatMessage::Vote(vote));
                    }
                }
                JournalLine::Heard(SeatMessage::Clock { .. }) => {}
                JournalLine::Built { round, block } => {
                    built.push(round);
                    steps.extend(work.engine.propose(round, Arc::new(*block)));
                }
                JournalLine::Elapsed(timer) => {
                    elapsed.push(timer);
                    steps.extend(work.engine.elapsed(timer));
                }
                JournalLine::Signing(draft) => {
                    if let Some(slot) = Slot::of(&draft) {
                        work.bound.insert(slot, draft);
                    }
                }
            }
        }
        steps.retain(|step| match step {
            Step::Build { round } => !built.contains(round),
            Step::Wait(timer) => !elapsed.contains(timer),
            Step::Propose { .. } | Step::Vote { .. } | Step::Decide { .. } => true,
        });
        let unsaid: Vec<_> = work
            .bound
            .iter()
            .filter(|(slot, _)| !work.said.contains_key(slot))
            .map(|(_, draft)| Todo::Sign(draft.clone()))
            .collect();
        self.work = Some(work);
        let mut todo = vec![Todo::Sign(SeatDraft::Clock {
            height,
            time: clock,
        })];
        todo.extend(unsaid);
        todo.extend(self.follow(steps, now));
        todo
    }

    /// Feeds a message of the present height to the engine.
    fn take(&mut self, message: SeatMessage, now: Mono) -> Vec<Todo> {
        let is_valid = match &message {
            SeatMessage::Proposal(proposal) => self.is_valid(&proposal.block, false),
            SeatMessage::Clock { .. } | SeatMessage::Vote(_) => true,
        };
        let polka_holds = match &message {
            SeatMessage::Proposal(proposal) => proposal.polka.as_ref().is_none_or(|polka| {
                let voters = polka.votes.iter().map(|(seat, _)| seat);
                polka.round < proposal.round && self.seats.is_quorum(voters)
            }),
            SeatMessage::Clock { .. } | SeatMessage::Vote(_) => true,
        };
        let Some(work) = self.work.as_mut().filter(|_| polka_holds) else {
            return Vec::new();
        };
        let steps = match &message {
            SeatMessage::Clock { reading, .. } => {
                work.clocks.insert(reading.seat, reading.clone());
                return self.build(now);
            }
            SeatMessage::Proposal(proposal) => {
                if !work.lacks(proposal) {
                    return Vec::new();
                }
                work.note(proposal);
                work.engine.proposal(proposal, is_valid)
            }
            SeatMessage::Vote(vote) => {
                if work.engine.has_vote(vote) {
                    return Vec::new();
                }
                work.engine.vote(vote)
            }
        };
        work.unsaved.push(JournalLine::Heard(message));
        self.follow(steps, now)
    }

    /// Does what the engine asks for.
    fn follow(&mut self, steps: Vec<Step>, now: Mono) -> Vec<Todo> {
        let mut todo = Vec::new();
        for step in steps {
            let Some(work) = &mut self.work else {
                return todo;
            };
            match step {
                Step::Build { round } => {
                    work.build = Some(round);
                    todo.extend(self.build(now));
                }
                Step::Propose {
                    round,
                    block,
                    polka,
                } => {
                    let block = Box::new(Block::clone(&block));
                    todo.extend(work.bind(SeatDraft::Proposal {
                        round,
                        block,
                        polka,
                    }));
                }
                Step::Vote {
                    round,
                    phase,
                    block,
                } => {
                    let height = work.height;
                    todo.extend(work.bind(SeatDraft::Vote {
                        height,
                        round,
                        phase,
                        block,
                    }));
                }
                Step::Wait(timer) => {
                    work.timers.insert(timer, now + patience(timer));
                }
                Step::Decide { commit, block } => {
                    let block = Block::clone(&block);
                    todo.extend(self.decide(Arc::new(Decided { block, commit }), now));
                }
            }
        }
        todo
    }

    /// Builds the block that the engine waits for, once a quorum of clocks is read.
    fn build(&mut self, now: Mono) -> Vec<Todo> {
        let quorum = self.seats.quorum();
        let Some(work) = self.work.as_mut().filter(|w| w.clocks.len() >= quorum) else {
            return Vec::new();
        };
        let Some(round) = work
            .build
            .take()
            .filter(|r| Some(*r) == work.engine.round())
        else {
            return Vec::new();
        };
        let block = Block {
            mesh: self.mesh,
            height: work.height,
            previous: self.tip.block,
            clocks: work.clocks.values().cloned().collect(),
            entries: entries(&self.state, (&self.news, &self.halts), &self.pool, now),
        };
        work.unsaved.push(JournalLine::Built {
            round,
            block: Box::new(block.clone()),
        });
        let steps = work.engine.propose(round, Arc::new(block));
        self.follow(steps, now)
    }

    /// Tells whether a block may follow the tip. Of one that a quorum has decided this seat need not know the halts.
    fn is_valid(&self, block: &Block, is_decided: bool) -> bool {
        block.mesh == self.mesh
            && block.height == self.tip.height + 1
            && block.previous == self.tip.block
            && self
                .seats
                .is_quorum(block.clocks.iter().map(|clock| &clock.seat))
            && block.entries.is_sorted_by(|a, b| a.id() < b.id())
            && (block.entries.len() == 1 || !names_keys(block))
            && block
                .entries
                .iter()
                .all(|entry| self.admits(entry, is_decided))
    }

    /// Tells whether an entry may stand in the next block, and says of members what this seat knows as well.
    fn admits(&self, entry: &Entry, is_decided: bool) -> bool {
        let is_known = match entry {
            Entry::Members(changes) => changes.iter().all(|change| {
                let own = self.news.get(&change.key);
                own.is_some_and(|(facts, _)| *facts == change.facts)
            }),
            Entry::Halt { halt, .. } => is_decided || self.halts.contains_key(halt),
            Entry::Dealt { .. }
            | Entry::Keys(_)
            | Entry::Checkpoint
            | Entry::Admission(_)
            | Entry::Said { .. } => true,
        };
        is_known && self.state.admits(entry)
    }

    fn decide(&mut self, decided: Arc<Decided>, now: Mono) -> Vec<Todo> {
        let block = &decided.block;
        self.tip = Tip {
            height: block.height,
            block: block.id(),
            time: block.median().max(self.tip.time + Millis(1)),
        };
        self.state.apply(block, self.tip.time);
        if names_keys(block) {
            self.named = Some(decided.clone());
        }
        for entry in &block.entries {
            self.pool.remove(&entry.id());
        }
        let state = &self.state;
        self.pool.retain(|_, entry| state.admits(entry));
        self.news
            .retain(|key, (facts, _)| state.member(key) != facts.as_ref());
        let snapshot = self.tip.height.is_multiple_of(SNAPSHOT_EVERY).then(|| {
            self.state.forget();
            self.state.encode()
        });
        self.work = None;
        self.not_before = now + HEIGHT_GAP;
        let next = self.tip.height + 1;
        self.early
            .retain(|message| message.value().height() >= next);
        let is_awaited = !self.pool.is_empty()
            || self
                .early
                .iter()
                .any(|message| message.value().height() == next);
        let is_awaited = is_awaited || self.state.due().is_some();
        let is_halt_pressing =
            now < self.halts_press_until && due_halts(&self.state, &self.halts).next().is_some();
        self.begin_at = if is_awaited {
            now + HEIGHT_GAP
        } else if self.state.is_pressing() || is_halt_pressing {
            now + PRESSING_BEAT
        } else {
            let settled = self.news.values().map(|(_, since)| *since + MEMBER_SETTLES);
            let settled = settled.min().unwrap_or(now + HEARTBEAT);
            settled.max(now + HEIGHT_GAP).min(now + HEARTBEAT)
        };
        let tip = self.tip;
        vec![Todo::Store {
            decided,
            tip,
            snapshot,
        }]
    }

    fn ask(&mut self, seat: PublicKey, now: Mono) -> Vec<Todo> {
        if self.asked.is_some_and(|at| now < at + ASK_AGAIN) {
            return Vec::new();
        }
        self.asked = Some(now);
        let from = self.tip.height + 1;
        vec![Todo::Ask { seat, from }]
    }

    /// Keeps a message of a height to come; the oldest gives way, for seats repeat what they say.
    fn keep_early(&mut self, message: Verified<SeatMessage>) {
        if self.early.len() >= SEAT_EARLY_MAX {
            self.early.remove(0);
        }
        self.early.push(message);
    }
}

impl Work {
    fn new(height: u64, seats: &Seats, own: PublicKey, now: Mono) -> Self {
        Self {
            height,
            began: now,
            engine: Engine::new(height, seats, own),
            clocks: BTreeMap::new(),
            build: None,
            timers: BTreeMap::new(),
            repeat_at: now + REPEAT_EVERY,
            unsaved: Vec::new(),
            saved: 0,
            bound: BTreeMap::new(),
            said: BTreeMap::new(),
            own_clock: None,
            proposed: BTreeMap::new(),
        }
    }

    /// Binds the seat to say this in its place: notes it, and signs once it is noted.
    ///
    /// If the place is taken, the same is said again, or nothing.
    fn bind(&mut self, draft: SeatDraft) -> Option<Todo> {
        let slot = Slot::of(&draft)?;
        if let Some(bound) = self.bound.get(&slot) {
            let is_unsaid = *bound == draft && !self.said.contains_key(&slot);
            return is_unsaid.then_some(Todo::Sign(draft));
        }
        self.bound.insert(slot, draft.clone());
        self.unsaved.push(JournalLine::Signing(draft.clone()));
        let lines = std::mem::take(&mut self.unsaved);
        let first = self.saved;
        self.saved = first.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        Some(Todo::Note {
            height: self.height,
            first,
            lines,
            then: draft,
        })
    }

    /// Returns what the seat says again: its clock, and all of this round and the one before.
    fn repeated(&self) -> impl Iterator<Item = SeatMessage> {
        let from = self.engine.round().unwrap_or_default().saturating_sub(1);
        let said = self
            .said
            .iter()
            .filter(move |(slot, _)| slot.round() >= from);
        let said = said.map(|(_, message)| message);
        self.own_clock.iter().chain(said).cloned()
    }

    fn lacks(&self, proposal: &Proposal) -> bool {
        let known = self.proposed.get(&proposal.round);
        known.is_none_or(|known| known.len() < 2 && !known.contains(&proposal.block.id()))
    }

    fn note(&mut self, proposal: &Proposal) {
        let known = self.proposed.entry(proposal.round).or_default();
        known.insert(proposal.block.id());
    }
}

/// Chooses what the next block holds: keys to be named alone, else what is due and what was offered, as much as fits.
fn entries(
    state: &State,
    (news, halts): (&News, &BTreeMap<HaltId, RootKey>),
    pool: &BTreeMap<ContentId, Entry>,
    now: Mono,
) -> Vec<Entry> {
    let due = state.due();
    if let Some(keys @ Entry::Keys(_)) = due {
        return vec![keys];
    }
    let settled = news.iter();
    let settled = settled.filter(|(_, (_, since))| *since + MEMBER_SETTLES <= now);
    let changes: Vec<_> = settled
        .map(|(key, (facts, _))| MemberChange {
            key: *key,
            facts: facts.clone(),
        })
        .take(MEMBER_CHANGES_MAX)
        .collect();
    let members = (!changes.is_empty()).then_some(Entry::Members(changes));
    let mut bytes = 0;
    let mut entries: Vec<_> = due
        .into_iter()
        .chain(due_halts(state, halts))
        .chain(members)
        .chain(pool.values().cloned())
        .take(BLOCK_ENTRIES_MAX)
        .take_while(|entry| {
            bytes += encode_entry(entry).len();
            bytes <= BLOCK_ENTRIES_BYTES_MAX
        })
        .collect();
    entries.sort_by_key(Entry::id);
    entries
}

/// Returns the halts that this seat knows and the committee has not taken up.
fn due_halts(state: &State, halts: &BTreeMap<HaltId, RootKey>) -> impl Iterator<Item = Entry> {
    let entries = halts.iter();
    let entries = entries.map(|(halt, root)| Entry::Halt {
        halt: *halt,
        root: *root,
    });
    entries.filter(move |entry| state.admits(entry))
}

fn names_keys(block: &Block) -> bool {
    let mut entries = block.entries.iter();
    entries.any(|entry| matches!(entry, Entry::Keys(_)))
}

fn patience(timer: Timer) -> Millis {
    let first = match timer.what {
        Awaited::Proposal => PROPOSAL_WAIT,
        Awaited::Prevotes | Awaited::Precommits => VOTES_WAIT,
    };
    let step = WAIT_STEP.0.saturating_mul(u64::from(timer.round));
    Millis(first.0.saturating_add(step)).min(WAIT_MAX)
}
