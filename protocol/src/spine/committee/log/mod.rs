//! The committee log as one seat keeps it.

mod build;
mod height;
mod resume;
mod stored;

use std::{collections::BTreeMap, sync::Arc};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
    committee::ThresholdSignature,
};

pub use self::stored::{JournalLine, StoredLog, Tip};
use self::{
    build::{batch_in, due_halts, names_keys},
    height::{Height, REPEAT_EVERY, Slot, patience},
};
use super::{
    engine::{self, Awaited, Engine, Step, Timer},
    revoked::KnownRevoked,
    seats::Seats,
    state::State,
    urn::Urn,
};
use crate::{
    charter::violation::{Sentence, Sentences},
    core::{
        limits::{SEAT_EARLY_MAX, SEAT_POOL_MAX, SEAT_ROUNDS_AHEAD_MAX, STATE_PART_BYTES},
        time::{Millis, Mono, Wall},
    },
    spine::halt::HaltId,
    wire::{
        Ballot, Block, Decided, Entry, MemberFacts, Receipt, RotationOpening, SeatDraft,
        SeatMessage, Verified,
    },
};

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
        /// A copy of the state as of the block before it, now and then.
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
    own: PublicKey,
    tip: Tip,
    begin_at: Mono,
    not_before: Mono,
    work: Option<Box<Height>>,
    early: Vec<Verified<SeatMessage>>,
    pool: BTreeMap<ContentId, Entry>,
    asked: Option<Mono>,
    state: State,
    /// What this seat knows of members otherwise than the log does, and since when.
    news: News,
    /// The halts in force as this seat has counted the alerts itself, and until when their entry is pressing.
    halts: BTreeMap<HaltId, RootKey>,
    halts_press_until: Mono,
    /// The sharings of items that this seat finds due to be dealt on.
    due_rotations: BTreeMap<PublicKey, RotationOpening>,
    /// The sentences that this seat knows.
    sentences: Sentences,
    /// The revocations that this seat knows.
    revoked: KnownRevoked,
    /// The block that names the keys, until the mesh knows them.
    named: Option<Arc<Decided>>,
    /// The newest copy of the state that a checkpoint certifies, for seats that are far behind.
    copy: Option<Vec<u8>>,
    /// Whether the mesh has passed to seats without this one, although this log has not come so far.
    is_retired: bool,
    urn: Urn,
    /// What opens sealed ballots and stands in no block yet, by vote and voter.
    openings: BTreeMap<(ContentId, PublicKey), ThresholdSignature>,
    /// Votes for which no ballots need be kept in the store any more.
    over: Vec<ContentId>,
}

type News = BTreeMap<PublicKey, (Option<MemberFacts>, Mono)>;

impl CommitteeLog {
    /// Takes up the log where the store left it; `founded` is the time of the genesis, and `first` the state before
    /// the first block.
    pub fn new(
        mesh: ContentId,
        own: PublicKey,
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
        let mut copy = stored.snapshot;
        let mut named = None;
        let mut time = state.time();
        for decided in stored.blocks {
            let block = &decided.block;
            if block.height == state.height() + 1 {
                time = block.median().max(time + Millis(1));
                copy = state.apply(block, time).or(copy);
                if names_keys(block) {
                    named = Some(Arc::new(decided));
                }
            }
        }
        // What follows from the past is no news.
        state.take_news();
        let mut log = Self {
            mesh,
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
            due_rotations: BTreeMap::new(),
            sentences: Sentences::default(),
            revoked: KnownRevoked::default(),
            named,
            copy,
            is_retired: false,
            urn: Urn::default(),
            openings: BTreeMap::new(),
            over: Vec::new(),
        };
        let todo = if stored.journal.is_empty() || !log.is_seated() {
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

    /// Returns the ballots that wait for a block.
    pub const fn urn(&self) -> &Urn {
        &self.urn
    }

    /// Takes a ballot in for the next block; its receipts of other seats may speak for it after the close. `false` if
    /// it is here already, or too many of its voter are.
    pub fn hold(
        &mut self,
        ballot: &Ballot,
        time: Option<Wall>,
        others: Vec<Receipt>,
        now: Mono,
    ) -> bool {
        let is_new = self.urn.hold(ballot, time, others);
        self.begin_at = self.begin_at.min(now.max(self.not_before));
        is_new
    }

    /// Takes what opens a sealed ballot for the next block; it was found to be the committee's.
    pub fn keep_opening(
        &mut self,
        (proposal, voter): (ContentId, PublicKey),
        signature: ThresholdSignature,
        now: Mono,
    ) {
        if self.state.polls().is_to_open(&proposal, &voter) {
            self.openings.insert((proposal, voter), signature);
            self.begin_at = self.begin_at.min(now.max(self.not_before));
        }
    }

    /// Takes note that the store keeps ballots of a vote.
    pub fn remember(&mut self, proposal: ContentId) {
        self.urn.remember(proposal);
    }

    /// Keeps the own receipt for a ballot, to give it again.
    pub fn keep_receipt(&mut self, receipt: &Receipt) {
        self.urn.keep_receipt(receipt);
    }

    /// Takes out the votes that take no more ballots; once each.
    pub fn take_over(&mut self) -> Vec<ContentId> {
        std::mem::take(&mut self.over)
    }

    /// Returns a part of the state that a checkpoint certifies, and how many parts there are; none if this seat has no
    /// copy of that state.
    pub fn state_part(&self, state: &ContentId, part: u32) -> Option<(u32, &[u8])> {
        let is_certified = self.state.checkpoint().is_some_and(|at| at.state == *state);
        let copy = self.copy.as_ref().filter(|_| is_certified)?;
        let mut parts = copy.chunks(STATE_PART_BYTES);
        let count = u32::try_from(parts.len()).ok()?;
        Some((count, parts.nth(usize::try_from(part).ok()?)?))
    }

    /// Takes over a state that a checkpoint certifies, instead of the blocks that led to it.
    pub fn adopt(&mut self, state: State, now: Mono) -> Option<Tip> {
        if state.height() <= self.tip.height {
            return None;
        }
        self.tip = Tip {
            height: state.height(),
            block: state.block(),
            time: state.time(),
        };
        self.state = state;
        let over = self.urn.settle_all(self.state.polls());
        self.over.extend(over);
        self.settle_openings();
        self.work = None;
        self.copy = None;
        self.named = None;
        self.pool.clear();
        self.asked = None;
        self.not_before = now + HEIGHT_GAP;
        self.begin_at = now + HEARTBEAT;
        Some(self.tip)
    }

    /// Tells whether this node decides the next height with others; else it follows, as a seat to be does.
    pub fn is_seated(&self) -> bool {
        !self.is_retired && self.state.seats().contains(&self.own)
    }

    /// Hears that an epoch is in force in which this node has no seat.
    pub fn retire(&mut self) {
        self.is_retired = true;
        self.work = None;
    }

    /// Returns the seats.
    pub const fn seats(&self) -> &Seats {
        self.state.seats()
    }

    /// Returns the height under way, and since when, if there is one.
    pub fn under_way(&self) -> Option<(u64, Mono)> {
        let work = self.work.as_ref()?;
        Some((work.height, work.began))
    }

    /// Returns when [`CommitteeLog::on_time`] has something to do.
    pub fn due(&self) -> Mono {
        match &self.work {
            None if !self.is_seated() => Mono(u64::MAX),
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

    /// Takes note of the sharings that this seat finds due to be dealt on, in place of those before.
    pub fn know_due_rotations(&mut self, due: BTreeMap<PublicKey, RotationOpening>, now: Mono) {
        self.due_rotations = due;
        if self.due_openings().next().is_some() {
            self.begin_at = self.begin_at.min(now.max(self.not_before));
        }
    }

    /// Takes note of a sentence that this seat knows; if the log does not, as its committee was seated after the verdict, a
    /// height begins soon.
    pub fn know_sentence(
        &mut self,
        (accused, case, sentence): (PublicKey, ContentId, Sentence),
        now: Mono,
    ) {
        let is_news = self.sentences.pass(accused, case, sentence);
        if is_news && self.state.lacks_sentence(accused, case, &sentence) {
            self.begin_at = self.begin_at.min(now + MEMBER_SETTLES);
        }
    }

    /// Takes note of a revocation that this seat knows; if it strikes an act with a ticket, a height begins soon.
    pub fn know_revoked(&mut self, root: RootKey, ids: &[RevocationId], now: Mono) {
        for id in ids {
            self.revoked.insert(root, *id, now);
        }
        self.begin_for_revoked();
    }

    /// Has the next height begin when a revocation that strikes an act can be named.
    fn begin_for_revoked(&mut self) {
        if let Some(settled) = self.revocations_settle() {
            self.begin_at = self.begin_at.min(settled.max(self.not_before));
        }
    }

    /// Weighs a message by what costs nothing to look at.
    pub fn weigh(&self, message: &SeatMessage) -> Weighed {
        if *message.seat() == self.own {
            return Weighed::Faulty;
        }
        let next = self.tip.height + 1;
        if message.height() < next {
            return Weighed::Unwanted;
        }
        if message.height() > next {
            // A seat that is behind learns so by it, and asks; the signature is checked first. Of a seat that it does
            // not know yet it learns from the others.
            return match self.state.is_seated(message.seat()) {
                true => Weighed::Wanted,
                false => Weighed::Unwanted,
            };
        }
        if !self.is_seated() {
            return Weighed::Unwanted;
        }
        if !self.state.seats().contains(message.seat()) {
            return Weighed::Faulty;
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
                if self.state.seats().proposer(next, proposal.round) != &proposal.seat {
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
        let speaks = self.state.is_seated(message.value().seat());
        if !speaks || message.value().height() < next {
            return Vec::new();
        }
        if message.value().height() > next {
            let seat = *message.value().seat();
            self.keep_early(message);
            return self.ask(seat, now);
        }
        if !self.state.seats().contains(message.value().seat()) || !self.is_seated() {
            return Vec::new();
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
        if !self.follows(&decided.block) || !self.state.seats().is_quorum(voters) {
            return Vec::new();
        }
        self.asked = None;
        self.decide(Arc::new(decided.clone()), now)
    }

    /// Hears that another seat has decided up to a height.
    pub fn is_told(&mut self, seat: PublicKey, height: u64, now: Mono) -> Vec<Todo> {
        if height > self.tip.height && self.state.is_seated(&seat) {
            return self.ask(seat, now);
        }
        Vec::new()
    }

    /// Does what is due; `clock` is the seat's own clock in mesh time.
    pub fn on_time(&mut self, now: Mono, clock: Wall) -> Vec<Todo> {
        let Some(work) = &mut self.work else {
            if now < self.begin_at || !self.is_seated() {
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
        let mut work = Box::new(Height::new(height, self.state.seats(), self.own, now));
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

    /// Feeds a message of the present height to the engine.
    fn take(&mut self, message: SeatMessage, now: Mono) -> Vec<Todo> {
        let is_valid = match &message {
            SeatMessage::Proposal(proposal) => self.is_valid(&proposal.block),
            SeatMessage::Clock { .. } | SeatMessage::Vote(_) => true,
        };
        let polka_holds = match &message {
            SeatMessage::Proposal(proposal) => proposal.polka.as_ref().is_none_or(|polka| {
                let voters = polka.votes.iter().map(|(seat, _)| seat);
                polka.round < proposal.round && self.state.seats().is_quorum(voters)
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

    fn decide(&mut self, decided: Arc<Decided>, now: Mono) -> Vec<Todo> {
        let block = &decided.block;
        self.tip = Tip {
            height: block.height,
            block: block.id(),
            time: block.median().max(self.tip.time + Millis(1)),
        };
        let epoch = self.state.keys().map(|keys| keys.epoch);
        let snapshot = self.state.apply(block, self.tip.time);
        if epoch != self.state.keys().map(|keys| keys.epoch) {
            self.is_retired = false;
        }
        if let Some(copy) = &snapshot {
            self.copy = Some(copy.clone());
        }
        if names_keys(block) {
            self.named = Some(decided.clone());
        }
        for entry in &block.entries {
            self.pool.remove(&entry.id());
        }
        let batches: Vec<_> = block.entries.iter().filter_map(batch_in).collect();
        let over = self.urn.settle(&batches, self.state.polls());
        self.over.extend(over);
        self.settle_openings();
        let state = &self.state;
        self.pool.retain(|_, entry| state.admits(entry));
        self.news
            .retain(|key, (facts, _)| state.member(key) != facts.as_ref());
        self.work = None;
        self.not_before = now + HEIGHT_GAP;
        let next = self.tip.height + 1;
        self.early
            .retain(|message| message.value().height() >= next);
        let held_back = self.held_back(now);
        let is_awaited = self.pool.keys().any(|id| !held_back.contains(id))
            || self
                .early
                .iter()
                .any(|message| message.value().height() == next);
        let is_awaited = is_awaited
            || self.state.due().is_some()
            || !self.openings.is_empty()
            || self.urn.awaits_block(self.state.polls());
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
        if let Some(deadline) = self.state.deadline() {
            // A vote moves on then: in real time, from now.
            let ahead = deadline.0.saturating_sub(self.tip.time.0);
            let wait = Millis(ahead.div_ceil(self.state.scale().max(1))).max(HEIGHT_GAP);
            self.begin_at = self.begin_at.min(now + wait);
        }
        self.begin_for_revoked();
        let tip = self.tip;
        vec![Todo::Store {
            decided,
            tip,
            snapshot,
        }]
    }

    /// Lets go of what opens ballots that are open, or that nobody waits for any more.
    fn settle_openings(&mut self) {
        let polls = self.state.polls();
        self.openings
            .retain(|(proposal, voter), _| polls.is_to_open(proposal, voter));
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
