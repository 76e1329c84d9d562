//! What a vote of many costs a seat, in the path that its log takes: every ballot checked and held as it comes, the
//! blocks of a quorum checked and applied, lists, count.
//!
//! A seat's turn is one call of its log; what is checked outside of it is a job. `longest` is the longest turn of all,
//! and what it did. `in time` has every ballot in a block before the close; `at the close` has none of them there, so
//! that all come by the lists of the seats; `sealed` has them in time, and opened by four seats after the close. The last
//! lines compare the check of a certificate with nothing but the pairings.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// A bench measures time, reads what the process holds, and prints.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/mesh/world.rs"]
#[expect(dead_code, reason = "the tests of the mesh drive all of it")]
mod world;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use x0_crypto::{
    ContentId, Identity,
    committee::{CommitteeKey, Purpose},
};
use x0_protocol::{
    Millis, Mono,
    core::{
        job::Job,
        limits::{LIST_IDS_MAX, OPENINGS_MAX, SEALED_VOTERS_MAX, SEATS_MIN},
    },
    spine::{
        ballot::{Basis, Phase, recount, sealed::seal_own},
        committee::{CommitteeLog, Seats, State, StoredLog, Tip, Trust},
    },
    wire::{
        Ballot, BallotList, Block, Choice, Decided, Entry, MemberChange, MemberFacts, Openings,
        Quorum, SeatDraft, SeatMessage, Subject, Verified, Vote, VoteEntry, VoteItem, VoteProposal,
        VoteRules,
    },
};
use zeroize::Zeroizing;

use self::world::{START, World, identity};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
/// The second is as many as can vote under seal beside the four founders.
const SEALED_SIZES: [u32; 2] = [1_000, SEALED_VOTERS_MAX - 4];
/// How often a certificate is checked for the comparison.
const CHECKS: u32 = 200;

fn main() {
    let mesh = Mesh::found();
    for size in SIZES {
        let electors: Vec<_> = (0..size).map(elector).collect();
        let (log, proposal) = mesh.with_vote(&electors, VoteRules::ordinary());
        let ballots: Vec<_> = electors
            .iter()
            .zip([Choice::Yes, Choice::No].into_iter().cycle())
            .map(|(voter, choice)| {
                // Nothing is settled before nearly all have voted, so that nothing closes early.
                let signed = Ballot::sign(&mesh.id, voter, proposal, 0, Vote::Open(choice));
                signed.value().clone()
            })
            .collect();
        mesh.in_time(log, proposal, &ballots);
        let (log, _) = mesh.with_vote(&electors, VoteRules::ordinary());
        mesh.at_the_close(log, proposal, &ballots);
    }
    for size in SEALED_SIZES {
        mesh.sealed(size);
    }
    mesh.certificates();
}

/// What turns and jobs took.
#[derive(Default)]
struct Spent {
    turns: Duration,
    longest: (Duration, &'static str),
    jobs: Duration,
}

impl Spent {
    fn turn<T>(&mut self, what: &'static str, run: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = run();
        let took = began.elapsed();
        self.turns += took;
        if took > self.longest.0 {
            self.longest = (took, what);
        }
        done
    }

    fn job<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = run();
        self.jobs += began.elapsed();
        done
    }

    fn tell(&self, what: &str) {
        let Self {
            turns,
            longest,
            jobs,
        } = self;
        println!(
            "  {what:<28} jobs {:>6} ms, turns {:>5} ms, longest {:>4} ms ({})",
            jobs.as_millis(),
            turns.as_millis(),
            longest.0.as_millis(),
            longest.1,
        );
    }
}

/// Four seats with keys, and the state of their log.
struct Mesh {
    world: World,
    id: ContentId,
    seats: Vec<Identity>,
    state: State,
}

impl Mesh {
    fn found() -> Self {
        let count = u8::try_from(SEATS_MIN).unwrap();
        let mut world = World::fast(count, 20_000);
        world.pass(Millis::from_secs(20));
        let parameters = &world.genesis_body().parameters;
        let seats = Seats::new(world.genesis_body().seats.clone()).unwrap();
        let directory = world.peer(0).directory();
        let members = directory.first_members().clone();
        let mut state = State::new(directory.mesh(), &seats, parameters, START, members);
        for decided in &world.nodes[0].disk.blocks {
            let block = &decided.block;
            let time = block.median().max(state.time() + Millis(1));
            state.apply(block, time);
        }
        Self {
            id: directory.mesh(),
            seats: (1..=count).map(identity).collect(),
            state,
            world,
        }
    }

    /// Returns the log of a seat in which a vote of so many is open.
    fn with_vote(&self, electors: &[Identity], rules: VoteRules) -> (CommitteeLog, ContentId) {
        let mut state = self.state.clone();
        let since = state.time();
        let change = |elector: &Identity| MemberChange {
            key: elector.public(),
            facts: Some(MemberFacts {
                since,
                subtree: elector.public(),
                region: None,
                founder: true,
                serves: false,
            }),
        };
        let changes: Vec<_> = electors.iter().map(change).collect();
        let tip = |state: &State| Tip {
            height: state.height(),
            block: state.block(),
            time: state.time(),
        };
        let joined = self.block(tip(&state), Millis(1), vec![Entry::Members(changes)]);
        state.apply(&joined, since + Millis(1));
        let proposal = VoteProposal::sign(
            &self.id,
            &electors[0],
            (ContentId::of(b"bench"), "A vote of many".parse().unwrap()),
            rules,
            state.time(),
        );
        let proposal = Box::new(proposal.value().clone());
        let id = proposal.id();
        let entry = Entry::Vote(Box::new(VoteEntry::Proposed(proposal)));
        let opened = self.block(tip(&state), Millis(1), vec![entry]);
        state.apply(&opened, since + Millis(2));
        assert!(state.polls().find(&id).unwrap().poll().is_some());
        let stored = StoredLog {
            tip: Some(tip(&state)),
            snapshot: Some(state.encode()),
            ..StoredLog::default()
        };
        let own = self.seats[0].public();
        let (log, _) = CommitteeLog::new(self.id, own, START, state, stored, Mono(0), since);
        (log, id)
    }

    /// Every ballot stands in a block before the close.
    fn in_time(&self, mut log: CommitteeLog, proposal: ContentId, ballots: &[Ballot]) {
        println!("{} ballots, in time", ballots.len());
        let before = resident();
        let mut intake = Spent::default();
        self.hold_all(&mut log, ballots, &mut intake);
        intake.tell("as they come, one by one");
        let mut tally = Spent::default();
        while let Some(entries) = next_batch(&log, &mut tally) {
            self.decide(&mut log, Millis(1), entries, &mut tally);
        }
        self.copy(&log, ballots.len(), "copy of the state, open");
        let window = log.state().polls().find(&proposal).unwrap();
        let window = window.poll().unwrap().close();
        let ahead = Millis(window.0.saturating_sub(log.tip().time.0).max(1));
        self.decide(&mut log, ahead, Vec::new(), &mut tally);
        self.list_and_count(&mut log, proposal, &mut tally);
        tally.tell("blocks, lists and count");
        self.copy(&log, ballots.len(), "copy of the state, counted");
        let grown = resident().saturating_sub(before);
        println!("  memory grown by {} bytes a ballot", grown / ballots.len());
    }

    /// No ballot stands in a block at the close: all come by the lists.
    fn at_the_close(&self, mut log: CommitteeLog, proposal: ContentId, ballots: &[Ballot]) {
        println!("{} ballots, at the close", ballots.len());
        self.hold_all(&mut log, ballots, &mut Spent::default());
        let mut tally = Spent::default();
        let poll = log.state().polls().find(&proposal).unwrap().poll().unwrap();
        let ahead = Millis(poll.close().0 - log.tip().time.0);
        self.decide(&mut log, ahead, Vec::new(), &mut tally);
        while let Some(entries) = next_batch(&log, &mut tally) {
            self.decide(&mut log, Millis(1), entries, &mut tally);
        }
        self.list_all(&mut log, proposal, ballots, &mut tally);
        self.list_and_count(&mut log, proposal, &mut tally);
        tally.tell("blocks, lists and count");
    }

    /// Every ballot is sealed, stands in a block before the close, and is opened after it.
    fn sealed(&self, size: u32) {
        println!("{size} ballots, sealed");
        let key = self.state.keys().unwrap().public().decryption;
        let rules = VoteRules {
            sealed_to: Some(Box::new(key)),
            ..VoteRules::ordinary()
        };
        let electors: Vec<_> = (0..size).map(elector).collect();
        let (mut log, proposal) = self.with_vote(&electors, rules.clone());
        let mut sealing = Spent::default();
        let ballots: Vec<_> = electors
            .iter()
            .map(|voter| {
                let place = (&self.id, &proposal);
                let sealed = sealing.job(|| seal_own(&key, place, voter, 0, Choice::Yes));
                let signed = Ballot::sign(&self.id, voter, proposal, 0, Vote::Sealed(sealed));
                signed.value().clone()
            })
            .collect();
        sealing.tell("sealed by their voters");
        let mut intake = Spent::default();
        self.hold_all(&mut log, &ballots, &mut intake);
        intake.tell("as they come, one by one");
        let mut tally = Spent::default();
        while let Some(entries) = next_batch(&log, &mut tally) {
            self.decide(&mut log, Millis(1), entries, &mut tally);
        }
        let poll = log.state().polls().find(&proposal).unwrap().poll().unwrap();
        let ahead = Millis(poll.close().0.saturating_sub(log.tip().time.0).max(1));
        self.decide(&mut log, ahead, Vec::new(), &mut tally);
        self.list(&mut log, proposal, &mut tally);
        tally.tell("blocks and lists");
        let mut opening = Spent::default();
        let mut count = 0;
        while self.phase(&log, proposal) != Phase::Counting {
            let entries = self.openings(&log, key, proposal, &mut opening);
            if entries.is_empty() {
                break;
            }
            count += 1;
            self.decide(&mut log, Millis(1), entries, &mut opening);
        }
        opening.tell("opened, with lists");
        println!("  {count} blocks open them");
        self.copy(&log, ballots.len(), "copy of the state, counted");
        self.recount(&log, proposal, &rules, &electors);
    }

    /// Has four seats sign the next labels: each makes its own part, and combines all of them.
    fn openings(
        &self,
        log: &CommitteeLog,
        key: CommitteeKey,
        proposal: ContentId,
        spent: &mut Spent,
    ) -> Vec<Entry> {
        let subjects = spent.turn("what is to be signed", || log.state().subjects());
        let voters = subjects.iter().filter_map(|subject| match subject {
            Subject::Opening { voter, .. } => Some(*voter),
            Subject::Statement(_) | Subject::Round(_) | Subject::Report { .. } => None,
        });
        let group = log.state().keys().unwrap().group(Purpose::Decryption);
        let signatures: Vec<_> = voters
            .take(OPENINGS_MAX)
            .map(|voter| {
                let message = Subject::Opening { proposal, voter }.message(&self.id, 1);
                let part = |at: usize| {
                    let seat = group.seat_of(&self.seats[at].public()).unwrap();
                    let part = self.world.part(at, Purpose::Decryption, &message);
                    (seat, part)
                };
                let own = spent.job(|| part(0));
                let parts: Vec<_> = [own].into_iter().chain((1..3).map(part)).collect();
                let whole = spent.job(|| group.combine(&message, &parts));
                (voter, whole.unwrap())
            })
            .collect();
        if signatures.is_empty() {
            return Vec::new();
        }
        let openings = Openings {
            proposal,
            key,
            signatures,
        };
        vec![Entry::Vote(Box::new(VoteEntry::Opened(Box::new(openings))))]
    }

    /// Counts the opened ballots again.
    fn recount(
        &self,
        log: &CommitteeLog,
        proposal: ContentId,
        rules: &VoteRules,
        electors: &[Identity],
    ) {
        let poll = log.state().polls().find(&proposal).unwrap().poll().unwrap();
        let stated = poll.statement().unwrap();
        assert_eq!(
            stated.tally.sums.yes,
            u64::try_from(electors.len()).unwrap()
        );
        let terms = rules.terms(proposal, poll.terms().opened(), stated.electorate);
        let terms = terms.unwrap();
        let seats = Seats::new(self.world.genesis_body().seats.clone()).unwrap();
        let roll: BTreeSet<_> = electors.iter().map(Identity::public).collect();
        let basis = Basis {
            mesh: &self.id,
            terms: &terms,
            seats: &seats,
            roll: &roll,
        };
        let began = Instant::now();
        assert_eq!(recount(&basis, poll.leaves()), Ok(stated.tally));
        println!(
            "  counted again                {} ms",
            began.elapsed().as_millis()
        );
    }

    fn hold_all(&self, log: &mut CommitteeLog, ballots: &[Ballot], spent: &mut Spent) {
        let time = log.tip().time;
        for ballot in ballots {
            let item = VoteItem::Ballot(ballot.clone());
            let job = Job::Vote {
                mesh: self.id,
                item: Box::new(item.to_unverified()),
                receipts: Vec::new(),
            };
            spent.job(|| job.run());
            assert!(spent.turn("hold", || {
                log.hold(ballot, Some(time), Vec::new(), Mono(0))
            }));
        }
    }

    /// Has the seats list so many ballots as they hold, one part of each in a block.
    fn list_all(
        &self,
        log: &mut CommitteeLog,
        proposal: ContentId,
        ballots: &[Ballot],
        spent: &mut Spent,
    ) {
        let mut ids: Vec<_> = ballots.iter().map(Ballot::id).collect();
        ids.sort_unstable();
        let parts = ids.chunks(LIST_IDS_MAX);
        let last = parts.len() - 1;
        for (part, ids) in (0_u32..).zip(parts) {
            let is_last = usize::try_from(part).unwrap() == last;
            let lists = self.seats.iter().map(|seat| {
                let part = (part, is_last);
                let signed = BallotList::sign(&self.id, seat, proposal, part, ids.to_vec());
                Entry::Vote(Box::new(VoteEntry::List(signed.value().clone())))
            });
            self.decide(log, Millis(1), lists.collect(), spent);
        }
    }

    /// Has the seats end their lists, if they have not, and the ballots counted.
    fn list_and_count(&self, log: &mut CommitteeLog, proposal: ContentId, spent: &mut Spent) {
        if let Phase::Closing { .. } = self.phase(log, proposal) {
            self.list(log, proposal, spent);
        }
        while self.phase(log, proposal) == Phase::Counting {
            self.decide(log, Millis(1), Vec::new(), spent);
        }
        assert!(matches!(self.phase(log, proposal), Phase::Tallied { .. }));
    }

    fn phase(&self, log: &CommitteeLog, proposal: ContentId) -> Phase {
        let poll = log.state().polls().find(&proposal).unwrap().poll().unwrap();
        *poll.phase()
    }

    /// Has the seats end their lists, with nothing on them.
    fn list(&self, log: &mut CommitteeLog, proposal: ContentId, spent: &mut Spent) {
        let lists = self.seats.iter().map(|seat| {
            let signed = BallotList::sign(&self.id, seat, proposal, (0, true), Vec::new());
            Entry::Vote(Box::new(VoteEntry::List(signed.value().clone())))
        });
        self.decide(log, Millis(1), lists.collect(), spent);
    }

    /// Has a block decided: its signatures are checked in a job, and the log takes it in a turn.
    fn decide(
        &self,
        log: &mut CommitteeLog,
        later: Millis,
        entries: Vec<Entry>,
        spent: &mut Spent,
    ) {
        let what = match entries.first() {
            Some(Entry::Vote(entry)) if matches!(**entry, VoteEntry::Batch(_)) => {
                "block of ballots"
            }
            Some(Entry::Vote(entry)) if matches!(**entry, VoteEntry::Opened(_)) => {
                "block of openings"
            }
            Some(_) => "block of lists",
            None => "block without entries",
        };
        let block = self.block(log.tip(), later, entries);
        let proposal = SeatDraft::Proposal {
            round: 0,
            block: Box::new(block.clone()),
            polka: None,
        };
        let proposal = proposal.sign(&self.id, &self.seats[0]);
        let job = Job::Seat {
            mesh: self.id,
            message: Box::new(proposal.value().to_unverified()),
        };
        spent.job(|| job.run());
        let decided = self.decided(block).to_unverified();
        let decided: Verified<Decided> = spent.job(|| decided.verify()).unwrap();
        let height = log.tip().height;
        let todo = spent.turn(what, || log.caught_up(&decided, Mono(0)));
        assert_eq!(log.tip().height, height + 1, "{what}: {}", todo.len());
    }

    fn block(&self, tip: Tip, later: Millis, mut entries: Vec<Entry>) -> Block {
        entries.sort_by_key(Entry::id);
        let height = tip.height + 1;
        let time = tip.time + later;
        let mut clocks: Vec<_> = self
            .seats
            .iter()
            .map(|seat| {
                let draft = SeatDraft::Clock { height, time };
                match draft.sign(&self.id, seat).value() {
                    SeatMessage::Clock { reading, .. } => reading.clone(),
                    SeatMessage::Proposal(_) | SeatMessage::Vote(_) => unreachable!(),
                }
            })
            .collect();
        clocks.sort_by_key(|clock| clock.seat);
        Block {
            mesh: self.id,
            height,
            previous: tip.block,
            clocks,
            entries,
        }
    }

    fn decided(&self, block: Block) -> Decided {
        let draft = || SeatDraft::Vote {
            height: block.height,
            round: 0,
            phase: x0_protocol::wire::Phase::Precommit,
            block: Some(block.id()),
        };
        let mut votes: Vec<_> = self
            .seats
            .iter()
            .map(|seat| match draft().sign(&self.id, seat).value() {
                SeatMessage::Vote(vote) => (vote.seat, vote.signature),
                SeatMessage::Clock { .. } | SeatMessage::Proposal(_) => unreachable!(),
            })
            .collect();
        votes.sort_by_key(|(seat, _)| *seat);
        let commit = Quorum { round: 0, votes };
        Decided { block, commit }
    }

    /// Copies the state as the log does before a checkpoint: encodes and hashes it.
    fn copy(&self, log: &CommitteeLog, ballots: usize, what: &str) {
        let began = Instant::now();
        let copy = log.state().encode();
        let name = ContentId::of(&copy);
        let took = began.elapsed();
        assert_ne!(name, self.id);
        println!(
            "  {what:<28} {} ms, {} bytes a ballot",
            took.as_millis(),
            copy.len() / ballots
        );
    }

    /// Compares the check of a certificate with its pairings.
    fn certificates(&self) {
        let records = || self.world.nodes[1].disk.records.values();
        let seats = Seats::new(self.world.genesis_body().seats.clone()).unwrap();
        let mut trust = Trust::default();
        assert!(records().any(|record| trust.name_keys(&self.id, &seats, record.value())));
        let certificate = records().find_map(|record| {
            let (_, certificate) = record.value().body().checkpoint()?;
            Some(*certificate)
        });
        let certificate = certificate.unwrap();
        let question = trust.question(&self.id, &certificate).unwrap();
        let message = Subject::Statement(certificate.statement).message(&self.id, 1);
        let key = trust.keys().unwrap().certificate;
        let (mut bare, mut whole) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..CHECKS {
            let began = Instant::now();
            let held = key.verify(Purpose::Certificate, &message, &certificate.signature);
            bare += began.elapsed();
            held.unwrap();
            let job = Job::Certificate(Box::new(question.clone()));
            let began = Instant::now();
            job.run();
            whole += began.elapsed();
        }
        println!(
            "certificate: {} us, its pairings {} us: {} per cent",
            (whole / CHECKS).as_micros(),
            (bare / CHECKS).as_micros(),
            whole.as_nanos() * 100 / bare.as_nanos()
        );
    }
}

/// Returns what a proposer would put into the next block.
fn next_batch(log: &CommitteeLog, spent: &mut Spent) -> Option<Vec<Entry>> {
    let polls = log.state().polls();
    let batch = spent.turn("build a block", || log.urn().batch(polls))?;
    Some(vec![Entry::Vote(Box::new(VoteEntry::Batch(batch)))])
}

fn elector(number: u32) -> Identity {
    let mut seed = [200; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed))
}

/// Returns the memory of this process that is in use, bytes; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map_or(0, |kib: usize| kib * 1024)
}
