//! Seats give receipts for ballots and leave them out, or speak for ballots that were made too late.

use std::collections::BTreeSet;

use x0_crypto::ContentId;
use x0_protocol::{
    Millis, Wall,
    spine::ballot::{Cast, Finality, Phase, Recounted, Refuted, VoidReason, fraud::Receipted},
    wire::{Ballot, Choice, Receipt, Statement, VoteBatch, VoteEntry, VoteRules},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Hall, draw_hostile},
    stage::founding,
};
use crate::random::Seed;

/// Sizes of the committee.
const SIZES: [u32; 3] = [4, 7, 10];
/// The fewest and the most voters whose ballots are to vanish.
const VICTIMS: (u32, u32) = (5, 100);
/// Voters whose ballots are in the log long before the close.
const OTHERS: u32 = 10;
/// Time in which seats list what they hold, and that for which the count waits for what is listed.
const LISTING: Millis = Millis::from_mins(30);
/// Time before the close in which victims vote: no block comes in it.
const LAST: Millis = Millis(1_000);

/// See the module.
pub(super) struct LeftOutBallots;

impl Attack for LeftOutBallots {
    fn name(&self) -> &'static str {
        "left-out-ballots"
    }

    fn summary(&self) -> &'static str {
        "Hostile seats give receipts for ballots cast in the last second and leave them out of their lists and blocks; \
         they hand receipts to who wants an honest count void, and list or receipt ballots made after the close."
    }

    fn expected(&self) -> &'static str {
        "Up to f hostile seats no ballot vanishes, and with receipts handed in at the close none does while one honest \
         seat can write to the log; what vanishes with receipts of 2f+1 listed seats voids the count by a short proof; \
         fewer receipts void nothing, and f seats bring in nothing that was made after the close."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        let all = f64::from(config.runs) * SIZES.len() as f64;
        let mut done = 0.0;
        for seed in config.seeds() {
            for size in SIZES {
                one_committee(config, seed, size, &mut seen);
                done += 1.0;
                pulse(done / all);
            }
        }
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

/// How hostile seats go about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arm {
    /// Seats of the committee.
    size: usize,
    /// Hostile ones among them.
    hostile: usize,
    /// Whether voters hand their receipts in at the close.
    is_online: bool,
    /// Whether hostile seats send no list where a quorum of lists is there without them.
    is_silent: bool,
}

/// What came of one arm, over all runs.
struct Row {
    arm: Arm,
    ballots: u64,
    vanished: u64,
    /// Votes in which ballots vanished, and of them those that a proof made void, in the log and at any node.
    short: u64,
    proven: u64,
    proven_anywhere: u64,
    /// Proofs that held without the place of their voter among those who can vote.
    bare: u64,
    proof_bytes: usize,
}

#[derive(Default)]
struct Seen {
    rows: Vec<Row>,
    cut_off: Counted,
    late: Vec<Late>,
    last_block: Counted,
    crowded: Counted,
    bare: Counted,
}

/// Trials, and how often an honest count went wrong in them.
#[derive(Default)]
struct Counted {
    trials: u64,
    wrong: u64,
}

/// Ballots made after the close that counted, by the seats that spoke for them.
struct Late {
    size: usize,
    seats: usize,
    listed: u64,
    receipted: u64,
    trials: u64,
}

impl Arm {
    fn faulty_max(size: usize) -> usize {
        (size - 1) / 3
    }

    fn quorum(size: usize) -> usize {
        2 * size / 3 + 1
    }

    fn is_hostile(&self, seat: usize) -> bool {
        seat < self.hostile
    }

    /// Returns how many hostile seats send a list.
    fn lists(&self) -> usize {
        let needed = Self::quorum(self.size).saturating_sub(self.size - self.hostile);
        if self.is_silent { needed } else { self.hostile }
    }

    /// Tells whether an honest seat's block can be decided: hostile seats are fewer than a quorum.
    fn can_honest_write(&self) -> bool {
        self.hostile < Self::quorum(self.size)
    }

    /// Tells whether a ballot held by a quorum of seats, as many of them hostile as can be, counts by the protocol's
    /// stated bound.
    fn counts(&self) -> bool {
        let (f, t) = (Self::faulty_max(self.size), Self::quorum(self.size));
        let honest = t - self.hostile.min(t);
        self.can_honest_write() && (self.is_online || honest > f)
    }

    /// Tells whether so many of the seats with a receipt have listed that a ballot that vanished makes a proof.
    fn is_provable(&self) -> bool {
        let quorum = Self::quorum(self.size);
        let listing = (self.hostile - self.lists())..self.size;
        let spoke = listing.filter(|seat| *seat < quorum).count();
        spoke > 2 * Self::faulty_max(self.size)
    }

    fn words(&self) -> String {
        let Self {
            size,
            hostile,
            is_online,
            is_silent,
        } = self;
        let voters = if *is_online {
            "receipts handed in"
        } else {
            "voters gone"
        };
        let lists = if *is_silent {
            "few lists"
        } else {
            "empty lists"
        };
        format!("{hostile} of {size} seats, {voters}, {lists}")
    }
}

fn arms(size: u32) -> Vec<Arm> {
    let size = size as usize;
    let (f, t) = (Arm::faulty_max(size), Arm::quorum(size));
    let hostile: BTreeSet<_> = [f, f + 1, t - 1, size - 1].into();
    let mut arms = Vec::new();
    for hostile in hostile {
        for (is_online, is_silent) in [(false, false), (false, true), (true, false)] {
            arms.push(Arm {
                size,
                hostile,
                is_online,
                is_silent,
            });
        }
    }
    arms
}

/// Carries out all arms on one committee, one vote after the other.
fn one_committee(config: &Config, seed: Seed, size: u32, seen: &mut Seen) {
    let nodes = config.nodes;
    let mut hall = Hall::new(seed, nodes, &founding(size));
    let wanted = config.hostile_of(nodes).clamp(VICTIMS.0, VICTIMS.1);
    let victims = draw_hostile(seed, size + OTHERS, nodes, wanted);
    let mut number = 0;
    for arm in arms(size) {
        number += 1;
        leave_out(&mut hall, (arm, number), &victims, seen);
    }
    let seats = size as usize;
    cut_one_off(&mut hall, number + 1, victims[0], &mut seen.cut_off);
    for seats in 1..=Arm::faulty_max(seats) + 1 {
        number += 2;
        come_late(&mut hall, (seats, number), victims[0], &mut seen.late);
    }
    in_last_block(&mut hall, number + 2, &victims, &mut seen.last_block);
    crowd(&mut hall, number + 3, victims[0], &mut seen.crowded);
    put_in_bare(&mut hall, number + 4, victims[0], &mut seen.bare);
}

/// Opens a vote, has some members vote long before the close, and waits for the last second.
fn open(hall: &mut Hall, number: u32, rules: VoteRules) -> (ContentId, Wall) {
    let on = ContentId::of(format!("left out {number}").as_bytes());
    let first = hall.seats() as u32;
    let id = hall.propose(first + number % OTHERS, on, "A proposal", rules);
    for node in first..first + OTHERS {
        let ballot = hall.ballot(node, id, 0, Choice::Yes);
        hall.hand_in(0, &ballot).ok();
    }
    let batch = hall.batch(0);
    hall.block(batch.into_iter().collect());
    let close = hall.poll(&id).close();
    hall.pass_to(Wall(close.0 - LAST.0));
    (id, close)
}

/// Has the count done and certified, and lets nothing more of the vote happen.
fn count(hall: &mut Hall, id: &ContentId) {
    hall.pass(LISTING);
    hall.pass(LISTING);
    hall.certify(id);
}

/// Lets the challenge time pass, so that the vote is over.
fn end(hall: &mut Hall, id: &ContentId) {
    let challenge = hall.poll(id).terms().challenge();
    hall.pass(challenge);
}

fn has_counted(hall: &Hall, ballot: &Ballot) -> bool {
    let leaves = hall.poll(&ballot.proposal).leaves();
    leaves.iter().any(|leaf| match &leaf.cast {
        Cast::Own {
            ballot: counted, ..
        } => counted.id() == ballot.id(),
        Cast::Delegated { .. } | Cast::Double { .. } => false,
    })
}

/// Has a member that holds a ballot and receipts count again; returns the proof that it finds.
fn find_proof(hall: &Hall, ballot: &Ballot, receipts: Vec<Receipt>) -> Option<Refuted> {
    let id = ballot.proposal;
    let stated = *hall.poll(&id).statement()?;
    let ballot = ballot.clone();
    let held = vec![Receipted { ballot, receipts }];
    let leaves = hall.poll(&id).leaves().to_vec();
    match hall.recount(&id, stated, leaves, held) {
        Recounted::False(refuted) => Some(*refuted),
        Recounted::Same(_) | Recounted::NotPublished(_) => None,
    }
}

/// Victims vote in the last second at a quorum of seats, hostile ones first.
fn leave_out(hall: &mut Hall, (arm, number): (Arm, u32), victims: &[u32], seen: &mut Seen) {
    let (id, _) = open(hall, number, VoteRules::ordinary());
    let (quorum, time) = (Arm::quorum(arm.size), hall.chamber.time());
    let mut cast = Vec::new();
    for victim in victims {
        let ballot = hall.ballot(*victim, id, 0, Choice::No);
        let mut receipts = Vec::new();
        for seat in 0..quorum {
            receipts.extend(if arm.is_hostile(seat) {
                Some(hall.receipt(seat, &ballot, time))
            } else {
                hall.hand_in(seat, &ballot).ok()
            });
        }
        cast.push((ballot, receipts));
    }
    hall.chamber.pass(LAST);
    let writes = arm.can_honest_write();
    let batch = hall.batch(quorum - 1).filter(|_| writes);
    hall.block(batch.into_iter().collect());
    let listing = (arm.hostile - arm.lists())..arm.hostile;
    let mut entries: Vec<_> = listing
        .map(|seat| hall.list(seat, &id, Vec::new()))
        .chain((arm.hostile..arm.size).map(|seat| hall.own_list(seat, &id)))
        .collect();
    if arm.is_online && writes {
        for (ballot, receipts) in &cast {
            hall.vouch(arm.size - 1, ballot, receipts.clone());
        }
        entries.extend(hall.batch(arm.size - 1));
    }
    hall.block(entries);
    count(hall, &id);
    note(hall, (arm, id), &cast, seen);
    end(hall, &id);
}

/// Notes what became of the victims' ballots, and puts a proof before the committee and any node.
fn note(
    hall: &mut Hall,
    (arm, id): (Arm, ContentId),
    cast: &[(Ballot, Vec<Receipt>)],
    seen: &mut Seen,
) {
    let at = seen.rows.iter().position(|row| row.arm == arm);
    let at = at.unwrap_or_else(|| {
        seen.rows.push(Row {
            arm,
            ballots: 0,
            vanished: 0,
            short: 0,
            proven: 0,
            proven_anywhere: 0,
            bare: 0,
            proof_bytes: 0,
        });
        seen.rows.len() - 1
    });
    let row = &mut seen.rows[at];
    let vanished: Vec<_> = cast
        .iter()
        .filter(|(ballot, _)| !has_counted(hall, ballot))
        .collect();
    row.ballots += cast.len() as u64;
    row.vanished += vanished.len() as u64;
    let Some((ballot, receipts)) = vanished.first() else {
        return;
    };
    row.short += 1;
    let Some(refuted) = find_proof(hall, ballot, receipts.clone()) else {
        return;
    };
    row.proof_bytes = row.proof_bytes.max(refuted.fraud.len());
    let seats: Vec<_> = (0..arm.size).collect();
    let stated = hall.poll(&id).statement().copied().map(Statement::Tally);
    let certificate = stated.and_then(|stated| hall.certificate(stated, &seats));
    if let Some(certificate) = certificate {
        let holds = |refuted: &Refuted| u64::from(hall.is_refuted(&id, &certificate, refuted));
        row.proven_anywhere += holds(&refuted);
        row.bare += holds(&Refuted {
            electors: Vec::new(),
            ..refuted.clone()
        });
    }
    let fraud = refuted.fraud.into();
    let proposal = id;
    hall.block(vec![VoteEntry::Refuted { proposal, fraud }]);
    row.proven += u64::from(*hall.poll(&id).phase() == Phase::Void(VoidReason::Refuted));
}

/// A voter and f hostile seats want an honest count void: receipts of theirs and of one honest seat that is cut off.
fn cut_one_off(hall: &mut Hall, number: u32, voter: u32, seen: &mut Counted) {
    let (id, _) = open(hall, number, VoteRules::ordinary());
    let (faulty, time) = (Arm::faulty_max(hall.seats()), hall.chamber.time());
    let ballot = hall.ballot(voter, id, 0, Choice::No);
    let mut receipts: Vec<_> = (0..faulty)
        .map(|seat| hall.receipt(seat, &ballot, time))
        .collect();
    receipts.extend(hall.hand_in(faulty, &ballot).ok());
    hall.chamber.pass(LAST);
    let hostile = (0..faulty).map(|seat| hall.list(seat, &id, Vec::new()));
    let honest = (faulty + 1..hall.seats()).map(|seat| hall.own_list(seat, &id));
    let lists = hostile.chain(honest).collect();
    hall.block(Vec::new());
    hall.block(lists);
    count(hall, &id);
    seen.trials += 1;
    let is_counted = hall.poll(&id).statement().is_some();
    let is_void = find_proof(hall, &ballot, receipts).is_some();
    seen.wrong += u64::from(is_void || !is_counted);
    end(hall, &id);
}

/// Hostile seats speak for a ballot that was made after the close: by their lists, then by receipts of old date.
fn come_late(hall: &mut Hall, (seats, number): (usize, u32), voter: u32, seen: &mut Vec<Late>) {
    let size = hall.seats();
    let known = seen
        .iter()
        .position(|late| (late.size, late.seats) == (size, seats));
    let at = known.unwrap_or_else(|| {
        seen.push(Late {
            size,
            seats,
            listed: 0,
            receipted: 0,
            trials: 0,
        });
        seen.len() - 1
    });
    seen[at].trials += 1;
    for by_receipts in [false, true] {
        let (id, close) = open(hall, number + u32::from(by_receipts), VoteRules::ordinary());
        hall.pass_to(close + Millis::from_mins(1));
        let ballot = hall.ballot(voter, id, 0, Choice::No);
        let (mut receipts, mut ids) = (Vec::new(), Vec::new());
        if by_receipts {
            let backdated = |seat| hall.receipt(seat, &ballot, Wall(close.0 - 1));
            receipts.extend((0..seats).map(backdated));
        } else {
            ids.push(ballot.id());
        }
        let batch = VoteBatch {
            ballots: vec![ballot.clone()],
            receipts,
            delegations: Vec::new(),
        };
        hall.block(vec![VoteEntry::Batch(batch)]);
        let hostile = (0..seats).map(|seat| hall.list(seat, &id, ids.clone()));
        let honest = (seats..size).map(|seat| hall.own_list(seat, &id));
        let lists = hostile.chain(honest).collect();
        hall.block(lists);
        count(hall, &id);
        let counted = u64::from(has_counted(hall, &ballot));
        if by_receipts {
            seen[at].receipted += counted;
        } else {
            seen[at].listed += counted;
        }
        end(hall, &id);
    }
}

/// Nobody is hostile: ballots of the last second come into the log with the block that closes the vote.
fn in_last_block(hall: &mut Hall, number: u32, voters: &[u32], seen: &mut Counted) {
    let (id, _) = open(hall, number, VoteRules::ordinary());
    let quorum = Arm::quorum(hall.seats());
    let mut cast = Vec::new();
    for voter in voters {
        let ballot = hall.ballot(*voter, id, 0, Choice::No);
        let receipts = (0..quorum).filter_map(|seat| hall.hand_in(seat, &ballot).ok());
        let receipts: Vec<_> = receipts.collect();
        cast.push((ballot, receipts));
    }
    hall.chamber.pass(LAST);
    let batch = hall.batch(0);
    hall.block(batch.into_iter().collect());
    let lists = (0..hall.seats()).map(|seat| hall.own_list(seat, &id));
    let lists = lists.collect();
    hall.block(lists);
    count(hall, &id);
    for (ballot, receipts) in cast {
        seen.trials += 1;
        let is_void = find_proof(hall, &ballot, receipts).is_some();
        seen.wrong += u64::from(is_void || !has_counted(hall, &ballot));
    }
    end(hall, &id);
}

/// A voter fills the room for its late ballots with earlier changes, so that the last one, for which it has receipts,
/// finds none.
fn crowd(hall: &mut Hall, number: u32, voter: u32, seen: &mut Counted) {
    let mut rules = VoteRules::ordinary();
    rules.finality = Finality::Changeable;
    let (id, _) = open(hall, number, rules);
    for seq in 1..5 {
        let ballot = hall.ballot(voter, id, seq, Choice::No);
        hall.hand_in(0, &ballot).ok();
    }
    let last = hall.ballot(voter, id, 5, Choice::Yes);
    let receipts = (1..hall.seats()).filter_map(|seat| hall.hand_in(seat, &last).ok());
    let receipts = receipts.collect();
    hall.chamber.pass(LAST);
    for seat in 0..2 {
        let batch = hall.batch(seat);
        hall.block(batch.into_iter().collect());
    }
    let lists = (0..hall.seats()).map(|seat| hall.own_list(seat, &id));
    let lists = lists.collect();
    hall.block(lists);
    count(hall, &id);
    seen.trials += 1;
    let is_void = find_proof(hall, &last, receipts).is_some();
    seen.wrong += u64::from(is_void || !has_counted(hall, &last));
    end(hall, &id);
}

/// A hostile seat puts a late ballot into the log without the receipts that speak for it, before its voter does.
fn put_in_bare(hall: &mut Hall, number: u32, voter: u32, seen: &mut Counted) {
    let (id, _) = open(hall, number, VoteRules::ordinary());
    let (faulty, size, time) = (
        Arm::faulty_max(hall.seats()),
        hall.seats(),
        hall.chamber.time(),
    );
    let ballot = hall.ballot(voter, id, 0, Choice::No);
    let mut receipts: Vec<_> = (0..faulty)
        .map(|seat| hall.receipt(seat, &ballot, time))
        .collect();
    receipts.extend(hall.hand_in(faulty, &ballot).ok());
    hall.chamber.pass(LAST);
    let bare = VoteBatch {
        ballots: vec![ballot.clone()],
        ..VoteBatch::default()
    };
    hall.block(vec![VoteEntry::Batch(bare)]);
    hall.vouch(size - 1, &ballot, receipts);
    let hostile = (0..faulty).map(|seat| hall.list(seat, &id, Vec::new()));
    let honest = (faulty..size).map(|seat| hall.own_list(seat, &id));
    let mut entries: Vec<_> = hostile.chain(honest).collect();
    entries.extend(hall.batch(size - 1));
    hall.block(entries);
    count(hall, &id);
    seen.trials += 1;
    seen.wrong += u64::from(!has_counted(hall, &ballot));
    end(hall, &id);
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    for size in SIZES.map(|size| size as usize) {
        let rows = || seen.rows.iter().filter(|row| row.arm.size == size);
        let off = |row: &&Row| row.vanished != if row.arm.counts() { 0 } else { row.ballots };
        outcome.claim(
            format!("{size} seats: ballots vanish exactly beyond the stated bound"),
            rows().filter(off).count() == 0 && rows().any(|row| row.vanished > 0),
            rows().find(off).map_or_else(
                || format!("{} arms", rows().count()),
                |row| format!("{}: {} of {}", row.arm.words(), row.vanished, row.ballots),
            ),
        );
        let proofs = |row: &Row| if row.arm.is_provable() { row.short } else { 0 };
        let off = |row: &&Row| [row.proven, row.proven_anywhere] != [proofs(row); 2];
        outcome.claim(
            format!("{size} seats: with receipts of 2f+1 seats whose lists were counted a proof voids the count"),
            rows().filter(off).count() == 0 && rows().any(|row| row.proven > 0),
            rows().find(off).map_or_else(
                || {
                    let bytes = rows().map(|row| row.proof_bytes).max().unwrap_or(0);
                    format!("a proof has {bytes} bytes at most")
                },
                |row| {
                    format!(
                        "{}: {} of {} in the log, {} at any node",
                        row.arm.words(),
                        row.proven,
                        row.short,
                        row.proven_anywhere
                    )
                },
            ),
        );
    }
    let bare: u64 = seen.rows.iter().map(|row| row.bare).sum();
    outcome.claim(
        "a proof holds at no node that is not shown that its voter can vote",
        bare == 0,
        format!("{bare} held"),
    );
    report_late(outcome, seen);
    let others = [
        (
            "f+1 receipts, one of them of an honest seat that is cut off, void no honest count",
            &seen.cut_off,
        ),
        (
            "what comes into the log with the block that closes the vote counts by the lists",
            &seen.last_block,
        ),
        (
            "a voter who fills the room for late ballots voids no honest count",
            &seen.crowded,
        ),
        (
            "a late ballot put in without its receipts does not keep them out",
            &seen.bare,
        ),
    ];
    for (what, seen) in others {
        outcome.claim(
            what,
            seen.wrong == 0 && seen.trials > 0,
            format!("{} of {} went wrong", seen.wrong, seen.trials),
        );
    }
    for row in &seen.rows {
        let words = row.arm.words();
        outcome.share(
            format!("{words}: ballots vanish"),
            row.vanished,
            row.ballots,
            None,
        );
        if row.short > 0 {
            outcome.share(
                format!("{words}: a proof voids it"),
                row.proven,
                row.short,
                None,
            );
        }
    }
    let line = |is_online: bool, label: &str| Series {
        label: label.to_owned(),
        points: seen
            .rows
            .iter()
            .filter(|row| {
                row.arm.size == 10 && row.arm.is_online == is_online && !row.arm.is_silent
            })
            .map(|row| Point::share(row.arm.hostile as f64, row.vanished, row.ballots))
            .collect(),
    };
    outcome.plots.push(Plot {
        name: "left-out-ballots",
        title: "Ballots with receipts of a quorum that do not count, 10 seats".to_owned(),
        x: "hostile seats",
        y: "share of ballots",
        series: vec![
            line(false, "voters are gone"),
            line(true, "receipts handed in at the close"),
        ],
    });
}

fn report_late(outcome: &mut Outcome, seen: &Seen) {
    let expected = |late: &Late| {
        if late.seats > Arm::faulty_max(late.size) {
            late.trials
        } else {
            0
        }
    };
    let off = |late: &&Late| [late.listed, late.receipted] != [expected(late); 2];
    outcome.claim(
        "a ballot made after the close counts only if f+1 seats list it or date receipts back",
        !seen.late.is_empty() && !seen.late.iter().any(|late| off(&late)),
        seen.late.iter().find(off).map_or_else(
            || "1 to f+1 hostile seats".to_owned(),
            |late| {
                format!(
                    "{} of {} seats: {} by lists, {} by receipts",
                    late.seats, late.size, late.listed, late.receipted
                )
            },
        ),
    );
    for late in &seen.late {
        let what = format!("{} of {} seats", late.seats, late.size);
        outcome.share(
            format!("{what}: a late ballot counts by lists"),
            late.listed,
            late.trials,
            None,
        );
        outcome.share(
            format!("{what}: a late ballot counts by receipts"),
            late.receipted,
            late.trials,
            None,
        );
    }
}
