//! Seats on a virtual network that loses, delays and cuts, with disks that lag, crashes at any moment, and liars.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{ContentId, Identity, PublicKey};
use zeroize::Zeroizing;

use super::{CommitteeLog, Seats, State, StoredLog, Todo, Weighed, log::HEARTBEAT};
use crate::{
    core::{
        rng::Rng,
        time::{Millis, Mono, Wall},
    },
    wire::{
        Block, Decided, Entry, Parameters, Phase, SeatDraft, SeatMessage, Unverified, Verified,
    },
};

const FOUNDED: Wall = Wall(1_700_000_000_000);
/// A write takes this long to be safe.
const DISK_DELAY: Millis = Millis(4);

#[test]
fn seats_agree_on_what_is_submitted() {
    let mut net = Net::new(4, 1);
    let entry = net.entry(1);
    net.submit(0, entry.clone());

    net.run(Millis::from_secs(2));

    for seat in 0..4 {
        assert_eq!(net.entries(seat), vec![entry.clone()], "at seat {seat}");
    }
    assert!(net.tip(0) < 3, "nothing else was to be decided");
}

#[test]
fn mesh_time_moves_on_when_nothing_is_to_be_decided() {
    let mut net = Net::new(4, 2);

    net.run(Millis(HEARTBEAT.0 * 4));

    assert!((3..=5).contains(&net.tip(0)), "{} heights", net.tip(0));
    let times: Vec<_> = net.seats[0].blocks.iter().map(Block::median).collect();
    assert!(times.is_sorted_by(|a, b| a < b));
    let lag = net.clock(0).0 - times[times.len() - 1].0;
    assert!(lag <= HEARTBEAT.0 + 1_000, "mesh time lags by {lag} ms");
}

#[test]
fn a_lying_third_cannot_move_mesh_time_out_of_what_honest_clocks_show() {
    let mut net = Net::new(7, 3);
    net.seats[1].clock_error = 365 * 24 * 3_600_000;
    net.seats[4].clock_error = -365 * 24 * 3_600_000;
    for at in [0, 2, 3] {
        net.submit(at, net.entry(u8::try_from(at).unwrap()));
        net.run(Millis::from_secs(3));
    }

    assert!(net.tip(0) >= 3);
    for block in &net.seats[0].blocks {
        let off = block.median().0.abs_diff(net.clock(0).0);
        assert!(off < 20_000, "mesh time is off by {off} ms");
    }
}

#[test]
fn loss_and_delay_hold_nothing_up_for_ever() {
    let mut net = Net::new(4, 4);
    net.loss_percent = 25;
    net.delay_max = 400;
    for n in 0..10 {
        net.submit(usize::from(n) % 4, net.entry(n));
        net.run(Millis::from_secs(4));
    }
    net.loss_percent = 0;
    net.run(Millis::from_secs(60));

    net.same_everywhere();
    assert_eq!(net.entries(0).len(), 10);
}

#[test]
fn a_third_may_be_away_and_one_more_stops_the_log_until_it_is_back() {
    let mut net = Net::new(7, 5);
    net.crash(0);
    net.crash(1);
    net.submit(2, net.entry(1));
    net.run(Millis::from_secs(30));
    let before = net.tip(2);
    assert_eq!(net.entries(2), vec![net.entry(1)]);

    net.crash(3);
    net.submit(2, net.entry(2));
    net.run(Millis::from_secs(120));
    assert_eq!(net.entries(2), vec![net.entry(1)], "no quorum, no block");
    assert!(net.tip(2) <= before + 1);

    net.restart(3);
    net.run(Millis::from_secs(60));
    assert_eq!(net.entries(2).len(), 2);
    net.restart(0);
    net.restart(1);
    net.run(Millis::from_secs(60));
    net.same_everywhere();
}

#[test]
fn a_seat_that_was_away_catches_up() {
    let mut net = Net::new(4, 6);
    net.crash(3);
    for n in 0..30 {
        net.submit(0, net.entry(n));
        net.run(Millis::from_secs(3));
    }
    assert_eq!(net.tip(3), 0);

    net.restart(3);
    net.run(Millis(HEARTBEAT.0 * 2));

    net.same_everywhere();
    assert_eq!(net.entries(3).len(), 30);
}

#[test]
fn after_a_crash_at_any_step_a_seat_says_the_same_again_or_nothing() {
    // Seat 1 proposes at one of four heights; first its steps are counted, then it crashes after each of them.
    let decide_four = |net: &mut Net| {
        for n in 0..4 {
            net.submit(0, net.entry(n));
            net.run(Millis::from_secs(2));
        }
    };
    let steps = {
        let mut net = Net::new(4, 7);
        decide_four(&mut net);
        net.seats[1].steps
    };
    assert!(steps > 24, "{steps} steps are too few for four heights");
    for step in 1..=steps {
        let mut net = Net::new(4, 7);
        net.seats[1].crash_at = Some(step);
        decide_four(&mut net);
        assert!(net.seats[1].log.is_none(), "there was no step {step}");
        net.restart(1);
        net.submit(2, net.entry(9));
        net.run(Millis::from_secs(40));
        // `Net::say` has checked every statement against all before it.
        net.same_everywhere();
        assert_eq!(net.entries(1).len(), 5, "crashed after step {step}");
    }
}

#[test]
fn a_seat_that_proposes_and_votes_two_ways_splits_nobody() {
    for seed in 0..10 {
        let mut net = Net::new(4, 100 + seed);
        net.liar = Some(1);
        for n in 0..6 {
            net.submit(0, net.entry(n));
            net.run(Millis::from_secs(8));
        }
        net.run(Millis::from_secs(60));
        net.agree();
        let entries = net.entries(0);
        assert!(
            (0..6).all(|n| entries.contains(&net.entry(n))),
            "seed {seed}"
        );
    }
}

#[test]
fn whatever_fails_no_two_seats_decide_differently_and_all_go_on_once_it_is_mended() {
    for seed in 0..40 {
        let mut net = Net::new(if seed % 2 == 0 { 4 } else { 7 }, 1_000 + seed);
        net.delay_max = 300;
        for n in 0..8 {
            net.loss_percent = net.rng.below(40);
            let count = net.seats.len();
            let at = net.draw(count);
            match net.rng.below(4) {
                0 => net.crash(at),
                1 => net.cut = (0..count).filter(|_| net.rng.below(2) == 0).collect(),
                2 => net.cut.clear(),
                _ => {}
            }
            net.submit(0, net.entry(n));
            let pause = 500 + net.rng.below(6_000);
            net.run(Millis(pause));
            let down: Vec<_> = (0..count)
                .filter(|at| net.seats[*at].log.is_none())
                .collect();
            for at in down {
                if net.rng.below(2) == 0 {
                    net.restart(at);
                }
            }
            net.agree();
        }
        net.cut.clear();
        net.loss_percent = 0;
        for at in 0..net.seats.len() {
            net.restart(at);
        }
        net.submit(1, net.entry(200));
        net.run(Millis::from_secs(120));
        net.same_everywhere();
        assert!(net.entries(0).contains(&net.entry(200)), "seed {seed}");
    }
}

#[test]
fn what_no_honest_seat_sends_is_not_even_checked() {
    let mut net = Net::new(4, 8);
    net.submit(0, net.entry(1));
    net.run(Millis::from_secs(2));
    let log = net.seats[0].log.as_ref().unwrap();
    let height = log.tip().height + 1;
    let vote = |height, round| SeatDraft::Vote {
        height,
        round,
        phase: Phase::Prevote,
        block: None,
    };
    let by =
        |identity: &Identity, draft: SeatDraft| draft.sign(&net.mesh, identity).value().clone();

    let stranger = identity(99);
    assert_eq!(log.weigh(&by(&stranger, vote(height, 0))), Weighed::Faulty);
    let other = &net.seats[1].identity;
    assert_eq!(
        log.weigh(&by(other, vote(height - 1, 0))),
        Weighed::Unwanted
    );
    assert_eq!(
        log.weigh(&by(other, vote(height, 1_000))),
        Weighed::Unwanted
    );
    assert_eq!(log.weigh(&by(other, vote(height, 0))), Weighed::Wanted);
    let proposer = *log.seats().proposer(height, 0);
    let usurper = net
        .seats
        .iter()
        .find(|s| {
            s.identity.public() != proposer && s.identity.public() != net.seats[0].identity.public()
        })
        .unwrap();
    let block = Block {
        mesh: net.mesh,
        height,
        previous: log.tip().block,
        clocks: Vec::new(),
        entries: Vec::new(),
    };
    let draft = SeatDraft::Proposal {
        round: 0,
        block: Box::new(block),
        polka: None,
    };
    assert_eq!(log.weigh(&by(&usurper.identity, draft)), Weighed::Faulty);
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([seed; 32]))
}

struct Seat {
    identity: Identity,
    log: Option<CommitteeLog>,
    /// What is safe on its disk.
    disk: StoredLog,
    blocks: Vec<Block>,
    decided: Vec<Arc<Decided>>,
    clock_error: i64,
    /// Which life it is in: writes of an earlier one are lost.
    life: u32,
    /// Writes and statements so far, and after how many it crashes.
    steps: u32,
    crash_at: Option<u32>,
}

enum Event {
    Deliver(Verified<SeatMessage>),
    Saved { life: u32, write: Todo },
    Told { seat: PublicKey, height: u64 },
    Blocks(Vec<Arc<Decided>>),
}

struct Net {
    mesh: ContentId,
    seats: Vec<Seat>,
    now: Mono,
    queue: BTreeMap<(Mono, u64), (usize, Event)>,
    next: u64,
    rng: Rng,
    loss_percent: u64,
    delay_max: u64,
    /// Seats that hear and are heard only by each other.
    cut: BTreeSet<usize>,
    /// A seat that says one thing to some and another to the rest.
    liar: Option<usize>,
    /// All that was ever said, by seat, height, round and what it is.
    said: BTreeMap<(PublicKey, u64, u32, u8), ContentId>,
}

impl Net {
    fn new(count: u8, seed: u64) -> Self {
        let mesh = ContentId::of(b"mesh");
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let mut net = Self {
            mesh,
            seats: Vec::new(),
            now: Mono(0),
            queue: BTreeMap::new(),
            next: 0,
            rng: Rng::new(key),
            loss_percent: 0,
            delay_max: 40,
            cut: BTreeSet::new(),
            liar: None,
            said: BTreeMap::new(),
        };
        for n in 1..=count {
            net.seats.push(Seat {
                identity: identity(n),
                log: None,
                disk: StoredLog::default(),
                blocks: Vec::new(),
                decided: Vec::new(),
                clock_error: 0,
                life: 0,
                steps: 0,
                crash_at: None,
            });
        }
        for at in 0..usize::from(count) {
            net.restart(at);
        }
        net
    }

    /// Returns the state before the first block, as every seat starts from it.
    fn first(&self) -> (Seats, State) {
        let keys = self.seats.iter().map(|seat| seat.identity.public());
        let seats = Seats::new(keys.collect()).unwrap();
        let parameters = Parameters::default();
        let state = State::new(self.mesh, &seats, &parameters, FOUNDED, Arc::default());
        (seats, state)
    }

    /// Makes something that may be decided and has no effect: a dealer's log that does not hold.
    fn entry(&self, n: u8) -> Entry {
        let (seats, state) = self.first();
        let ceremony = state.ceremonies().next().unwrap().id();
        let dealer = seats.keys()[0];
        let log = [dealer.bytes().as_slice(), &[n]].concat();
        Entry::Dealt {
            ceremony,
            log: log.into(),
        }
    }

    fn draw(&mut self, below: usize) -> usize {
        let below = u64::try_from(below).unwrap();
        usize::try_from(self.rng.below(below)).unwrap()
    }

    fn clock(&self, at: usize) -> Wall {
        let shown = i64::try_from(FOUNDED.0 + 5_000 + self.now.0).unwrap();
        Wall(u64::try_from(shown + self.seats[at].clock_error).unwrap())
    }

    fn tip(&self, at: usize) -> u64 {
        self.seats[at].disk.tip.map_or(0, |tip| tip.height)
    }

    fn entries(&self, at: usize) -> Vec<Entry> {
        let blocks = self.seats[at].blocks.iter();
        blocks.flat_map(|block| block.entries.clone()).collect()
    }

    fn submit(&mut self, at: usize, entry: Entry) {
        // Who wants something decided tells every seat.
        for seat in [at].into_iter().chain(0..self.seats.len()) {
            let now = self.now;
            if let Some(log) = &mut self.seats[seat].log {
                log.submit(entry.clone(), now);
            }
        }
    }

    fn crash(&mut self, at: usize) {
        self.seats[at].log = None;
        self.seats[at].life += 1;
    }

    fn restart(&mut self, at: usize) {
        if self.seats[at].log.is_some() {
            return;
        }
        let (_, first) = self.first();
        let seat = &self.seats[at];
        let (log, todo) = CommitteeLog::new(
            self.mesh,
            seat.identity.public(),
            FOUNDED,
            first,
            seat.disk.clone(),
            self.now,
            self.clock(at),
        );
        self.seats[at].log = Some(log);
        self.perform(at, todo);
    }

    /// Runs for a span of virtual time.
    fn run(&mut self, span: Millis) {
        let end = self.now + span;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timer = self
                .seats
                .iter()
                .enumerate()
                .filter_map(|(at, seat)| Some((seat.log.as_ref()?.due(), at)))
                .min();
            let event_first = match (event, timer) {
                (Some(event), Some((timer, _))) => event <= timer,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let next = if event_first {
                event
            } else {
                timer.map(|(at, _)| at)
            };
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if event_first {
                let (_, (at, event)) = self.queue.pop_first().unwrap();
                self.happen(at, event);
            } else if let Some((_, at)) = timer {
                let (now, clock) = (self.now, self.clock(at));
                let todo = self.seats[at].log.as_mut().unwrap().on_time(now, clock);
                self.perform(at, todo);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, at: usize, event: Event) {
        let (now, clock) = (self.now, self.clock(at));
        match event {
            Event::Deliver(message) => {
                let sender = *message.value().seat();
                let Some(log) = &mut self.seats[at].log else {
                    return;
                };
                let tip = log.tip().height;
                let todo = match log.weigh(message.value()) {
                    Weighed::Wanted => log.heard(message, now, clock),
                    Weighed::Unwanted | Weighed::Faulty => Vec::new(),
                };
                let own = self.seats[at].identity.public();
                self.perform(at, todo);
                let back = self.at(&sender);
                let told = Event::Told {
                    seat: own,
                    height: tip,
                };
                self.post(at, back, told);
            }
            Event::Saved { life, write } => {
                if self.seats[at].life != life {
                    return;
                }
                self.save(at, write);
            }
            Event::Told { seat, height } => {
                if let Some(log) = &mut self.seats[at].log {
                    let todo = log.is_told(seat, height, now);
                    self.perform(at, todo);
                }
            }
            Event::Blocks(blocks) => {
                for decided in blocks {
                    let verified = Unverified::from_wire(Decided::clone(&decided))
                        .verify()
                        .unwrap();
                    if let Some(log) = &mut self.seats[at].log {
                        let todo = log.caught_up(&verified, now);
                        self.perform(at, todo);
                    }
                }
            }
        }
    }

    fn save(&mut self, at: usize, write: Todo) {
        let seat = &mut self.seats[at];
        match write {
            Todo::Note {
                height,
                first,
                lines,
                then,
            } => {
                assert_eq!(height, seat.disk.tip.map_or(0, |tip| tip.height) + 1);
                assert_eq!(
                    first as usize,
                    seat.disk.journal.len(),
                    "the journal has no gaps"
                );
                seat.disk.journal.extend(lines);
                if self.step(at) {
                    self.perform(at, vec![Todo::Sign(then)]);
                }
            }
            Todo::Store {
                decided,
                tip,
                snapshot,
            } => {
                seat.disk.keep(&decided, tip, snapshot);
                assert_eq!(tip.height, seat.blocks.len() as u64 + 1);
                seat.blocks.push(decided.block.clone());
                seat.decided.push(decided);
                self.step(at);
            }
            Todo::Sign(_) | Todo::Send(_) | Todo::Ask { .. } => unreachable!("nothing to save"),
        }
    }

    /// Counts a step; tells whether the seat is still alive after it.
    fn step(&mut self, at: usize) -> bool {
        self.seats[at].steps += 1;
        if self.seats[at].crash_at == Some(self.seats[at].steps) {
            self.seats[at].crash_at = None;
            self.crash(at);
        }
        self.seats[at].log.is_some()
    }

    fn perform(&mut self, at: usize, todo: Vec<Todo>) {
        for each in todo {
            if self.seats[at].log.is_none() {
                return;
            }
            match each {
                Todo::Sign(draft) => self.sign(at, draft),
                write @ (Todo::Note { .. } | Todo::Store { .. }) => {
                    let life = self.seats[at].life;
                    let saved = Event::Saved { life, write };
                    self.queue_at(self.now + DISK_DELAY, at, saved);
                }
                Todo::Send(message) => self.say(at, message),
                Todo::Ask { seat, from } => {
                    let other = self.at(&seat);
                    let from = usize::try_from(from - 1).unwrap();
                    let blocks = self.seats[other].decided.iter().skip(from).take(10);
                    let blocks = blocks.cloned().collect();
                    self.post(other, at, Event::Blocks(blocks));
                }
            }
        }
    }

    fn sign(&mut self, at: usize, draft: SeatDraft) {
        let message = draft.sign(&self.mesh, &self.seats[at].identity);
        let now = self.now;
        if let Some(log) = &mut self.seats[at].log {
            let todo = log.signed(message, now);
            self.perform(at, todo);
        }
    }

    fn say(&mut self, at: usize, message: SeatMessage) {
        if self.liar != Some(at) {
            self.check_honest(&message);
        }
        for to in (0..self.seats.len()).filter(|to| *to != at) {
            let said = if self.liar == Some(at) && to % 2 == 0 {
                self.twisted(at, &message)
            } else {
                message.clone()
            };
            let said = Unverified::from_wire(said).verify(&self.mesh).unwrap();
            self.post(at, to, Event::Deliver(said));
        }
        self.step(at);
    }

    /// No honest seat ever says two things in one place.
    fn check_honest(&mut self, message: &SeatMessage) {
        let (round, what, id) = match message {
            SeatMessage::Clock { .. } => return,
            SeatMessage::Proposal(proposal) => (proposal.round, 0, proposal.block.id()),
            SeatMessage::Vote(vote) => {
                let none = ContentId::of(b"none");
                (vote.round, 1 + vote.phase as u8, vote.block.unwrap_or(none))
            }
        };
        let slot = (*message.seat(), message.height(), round, what);
        let before = *self.said.entry(slot).or_insert(id);
        assert_eq!(before, id, "two statements in one place: {slot:?}");
    }

    /// What the liar tells every other seat: another block, another vote.
    fn twisted(&self, at: usize, message: &SeatMessage) -> SeatMessage {
        let draft = match message {
            SeatMessage::Clock { height, reading } => SeatDraft::Clock {
                height: *height,
                time: reading.time + Millis(77_777),
            },
            SeatMessage::Proposal(proposal) => {
                let mut block = proposal.block.clone();
                block.entries = vec![self.entry(250)];
                SeatDraft::Proposal {
                    round: proposal.round,
                    block: Box::new(block),
                    polka: None,
                }
            }
            SeatMessage::Vote(vote) => SeatDraft::Vote {
                height: vote.height,
                round: vote.round,
                phase: vote.phase,
                block: vote
                    .block
                    .is_none()
                    .then(|| ContentId::of(b"no such block")),
            },
        };
        draft
            .sign(&self.mesh, &self.seats[at].identity)
            .value()
            .clone()
    }

    fn post(&mut self, from: usize, to: usize, event: Event) {
        let is_cut = self.cut.contains(&from) != self.cut.contains(&to);
        if is_cut || self.rng.below(100) < self.loss_percent {
            return;
        }
        let delay = 1 + self.rng.below(self.delay_max);
        self.queue_at(self.now + Millis(delay), to, event);
    }

    fn queue_at(&mut self, when: Mono, at: usize, event: Event) {
        self.next += 1;
        self.queue.insert((when, self.next), (at, event));
    }

    fn at(&self, key: &PublicKey) -> usize {
        let mut seats = self.seats.iter();
        seats
            .position(|seat| seat.identity.public() == *key)
            .unwrap()
    }

    /// Of any two honest seats, one's log begins with the other's.
    fn agree(&self) {
        let honest = (0..self.seats.len()).filter(|at| self.liar != Some(*at));
        let logs: Vec<_> = honest.map(|at| &self.seats[at].blocks).collect();
        for one in &logs {
            for other in &logs {
                let common = one.len().min(other.len());
                assert_eq!(one[..common], other[..common], "two logs");
            }
        }
    }

    fn same_everywhere(&self) {
        self.agree();
        let heights: BTreeSet<_> = (0..self.seats.len()).map(|at| self.tip(at)).collect();
        let spread = heights.last().unwrap() - heights.first().unwrap();
        assert!(spread <= 1, "heights {heights:?}");
        assert!(*heights.first().unwrap() > 0, "nothing was decided");
    }
}
