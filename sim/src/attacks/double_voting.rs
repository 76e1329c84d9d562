//! Members vote twice, late and in circles, and people vote who may not.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, Identity};
use x0_protocol::{
    Millis, Wall,
    spine::ballot::{Finality, Recounted, Sums, TallyStatement},
    wire::{
        Ballot, Choice, Delegation, DelegationScope, MemberChange, MemberFacts, VoteBatch,
        VoteEntry, VoteRules,
    },
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Hall, draw_hostile},
    stage::founding,
};
use crate::random::{Purpose, Seed, Stream};

/// Seats of the committee, of which the first is hostile and writes anything into its blocks.
const SEATS: u32 = 4;
/// Ways to vote wrongly, each tried by as many hostile members.
const WAYS: usize = 8;
/// Fewest hostile members: three for every way.
const HOSTILE_MIN: u32 = 24;
/// Share of the honest members that vote, per cent: the rest keeps the vote open.
const TURNOUT: u32 = 40;
/// What an honest member may want.
const CHOICES: [Choice; 3] = [Choice::Yes, Choice::No, Choice::Abstain];
/// Time in which seats list what they hold, and that for which the count waits for what is listed.
const LISTING: Millis = Millis::from_mins(30);
/// Blocks in which a seat gets rid of all ballots that it holds.
const BLOCKS_MAX: u32 = 64;

/// See the module.
pub(super) struct DoubleVoting;

impl Attack for DoubleVoting {
    fn name(&self) -> &'static str {
        "double-voting"
    }

    fn summary(&self) -> &'static str {
        "Hostile members sign two ballots, change them, vote late, delegate in circles and beside their own ballot, copy \
         ballots from another vote; strangers and members invited after the opening vote; a hostile seat writes all of it \
         into its blocks."
    }

    fn expected(&self) -> &'static str {
        "The count is exactly that of somebody who knows what everybody did, with final and with changeable ballots; \
         anybody counts the same from what is published, and of what may not count nothing does."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        for (done, seed) in config.seeds().enumerate() {
            one_run(config, seed, &mut seen);
            pulse((done + 1) as f64 / f64::from(config.runs));
        }
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

#[derive(Default)]
struct Seen {
    votes: Vec<Counted>,
    /// Ballots that honest seats refused when they were handed in, by why they must not count.
    turned_away: BTreeMap<&'static str, [u64; 2]>,
    next_electorate: u64,
    electorate: u64,
    sybils: u64,
}

/// One vote as it was counted, and as it should be.
struct Counted {
    finality: Finality,
    expected: Sums,
    found: Option<Sums>,
    same_again: bool,
    hostile: u64,
}

/// What somebody who saw everything would count, with no rule of the protocol: who counts, and as what.
#[derive(Default)]
struct Ledger(BTreeMap<u32, Option<Choice>>);

impl Ledger {
    fn count(&mut self, node: u32, choice: Choice) {
        self.0.insert(node, Some(choice));
    }

    fn void(&mut self, node: u32) {
        self.0.insert(node, None);
    }

    fn sums(&self) -> Sums {
        let of = |wanted: Choice| {
            let all = self.0.values();
            all.filter(|choice| **choice == Some(wanted)).count() as u64
        };
        Sums {
            yes: of(Choice::Yes),
            no: of(Choice::No),
            abstain: of(Choice::Abstain),
            leaves: self.0.len() as u64,
        }
    }
}

/// One vote under attack.
struct Scheme<'a> {
    hall: &'a mut Hall,
    id: ContentId,
    finality: Finality,
    ledger: Ledger,
    stream: Stream,
    turned_away: &'a mut BTreeMap<&'static str, [u64; 2]>,
}

fn one_run(config: &Config, seed: Seed, seen: &mut Seen) {
    let nodes = config.nodes;
    let mut founding = founding(SEATS);
    // Members count at once, so that it is the opening that keeps out who comes later.
    founding.parameters.member_age = Millis(0);
    let mut hall = Hall::new(seed, nodes, &founding);
    let wanted = config.hostile_of(nodes).clamp(HOSTILE_MIN, nodes / 2);
    let hostile = draw_hostile(seed, SEATS, nodes, wanted);
    let honest: Vec<u32> = (0..nodes).filter(|node| !hostile.contains(node)).collect();
    for (number, finality) in [Finality::FirstFinal, Finality::Changeable]
        .into_iter()
        .enumerate()
    {
        let mut rules = VoteRules::ordinary();
        rules.finality = finality;
        let on = |what: &str| ContentId::of(format!("{what} {number}").as_bytes());
        let id = hall.propose(honest[0], on("voted on"), "A proposal", rules.clone());
        let other = hall.propose(honest[1], on("beside it"), "Another", rules.clone());
        let could_vote = hall.held(&id).electors(0, usize::MAX).len() as u64;
        let number = number as u32;
        let sybils = invite(&mut hall, seed, number, hostile.len() as u32);
        let mut plot = Scheme {
            hall: &mut hall,
            id,
            finality,
            ledger: Ledger::default(),
            stream: seed.stream(Purpose::Workload, 20 + number),
            turned_away: &mut seen.turned_away,
        };
        let stated = plot.carry_out(other, &honest, &hostile, &sybils);
        let expected = plot.ledger.sums();
        let found = stated.map(|stated| stated.tally.sums);
        let leaves = hall.poll(&id).leaves().to_vec();
        let same_again = stated.is_some_and(|stated| {
            let found = hall.recount(&id, stated, leaves, Vec::new());
            found == Recounted::Same(stated.outcome)
        });
        seen.votes.push(Counted {
            finality,
            expected,
            found,
            same_again,
            hostile: hostile.len() as u64,
        });
        if number == 0 {
            seen.electorate = could_vote;
            let later = hall.propose(honest[2], on("later"), "A later one", rules.clone());
            seen.next_electorate = hall.held(&later).electors(0, usize::MAX).len() as u64;
            seen.sybils = sybils.len() as u64;
        }
        hall.pass(Millis::from_mins(9 * 24 * 60));
    }
}

/// Lets the committee know members that the first seats' founders have invited since.
fn invite(hall: &mut Hall, seed: Seed, vote: u32, count: u32) -> Vec<Identity> {
    let time = hall.chamber.time();
    let first = u32::MAX - vote * count;
    let sybils: Vec<_> = (0..count)
        .map(|number| seed.bytes(Purpose::Commitment, first - number))
        .map(|bytes| Identity::from_seed(bytes.into()))
        .collect();
    let changes = sybils.iter().enumerate().map(|(number, sybil)| {
        let inviter = hall.chamber.key(number as u32 % SEATS);
        MemberChange {
            key: sybil.public(),
            facts: Some(MemberFacts {
                since: time,
                subtree: inviter,
                region: None,
                founder: false,
                serves: false,
            }),
        }
    });
    let changes = changes.collect();
    hall.chamber.know(changes);
    sybils
}

impl Scheme<'_> {
    fn carry_out(
        &mut self,
        other: ContentId,
        honest: &[u32],
        hostile: &[u32],
        sybils: &[Identity],
    ) -> Option<TallyStatement> {
        let size = hostile.len() / WAYS;
        let ways: Vec<&[u32]> = hostile.chunks(size).take(WAYS).collect();
        let circles = ways[4].chunks_exact(3);
        let pairs = ways[5].chunks_exact(2);
        let mut delegations = Vec::new();
        for circle in circles.clone() {
            for (at, member) in circle.iter().enumerate() {
                delegations.push(self.delegation(*member, circle[(at + 1) % 3]));
            }
        }
        for pair in pairs.clone() {
            delegations.push(self.delegation(pair[0], pair[1]));
        }
        self.hall.block(vec![VoteEntry::Batch(VoteBatch {
            delegations,
            ..VoteBatch::default()
        })]);

        let voters = honest.len() * TURNOUT as usize / 100;
        for node in &honest[..voters] {
            let choice = self.choose();
            let seat = 1 + self.stream.below(SEATS - 1) as usize;
            self.vote(*node, (seat, 0), choice);
            self.ledger.count(*node, choice);
        }
        for node in ways[0] {
            self.vote(*node, (1, 0), Choice::Yes);
            self.vote(*node, (2, 0), Choice::No);
            self.ledger.void(*node);
        }
        for node in ways[1] {
            (1..SEATS).for_each(|seat| self.vote(*node, (seat as usize, 0), Choice::Yes));
            self.ledger.count(*node, Choice::Yes);
        }
        for node in ways[2] {
            self.vote(*node, (1, 0), Choice::Yes);
            self.ledger.count(*node, Choice::Yes);
        }
        // The last of a circle votes: its neighbour counts as it does, and nobody passes that on.
        for circle in circles {
            self.vote(circle[2], (1, 0), Choice::Yes);
            self.ledger.count(circle[2], Choice::Yes);
            self.ledger.count(circle[1], Choice::Yes);
        }
        for pair in pairs.clone() {
            self.vote(pair[1], (1, 0), Choice::Yes);
            self.ledger.count(pair[1], Choice::Yes);
        }
        for node in ways[7] {
            self.vote(*node, (1, 0), Choice::Yes);
            self.ledger.count(*node, Choice::Yes);
        }
        self.write();
        self.second_thoughts(ways[2], pairs);
        self.smuggle(other, ways[6], sybils);
        self.at_the_close(ways[3], ways[7])
    }

    /// Those who have voted vote otherwise, and those whose delegate has vote themselves.
    fn second_thoughts<'a>(&mut self, again: &[u32], pairs: impl Iterator<Item = &'a [u32]>) {
        for node in again {
            self.vote(*node, (2, 1), Choice::No);
            if self.finality == Finality::Changeable {
                self.ledger.count(*node, Choice::No);
            }
        }
        for pair in pairs {
            self.vote(pair[0], (2, 0), Choice::No);
            let counted = match self.finality {
                Finality::FirstFinal => Choice::Yes,
                Finality::Changeable => Choice::No,
            };
            self.ledger.count(pair[0], counted);
        }
        self.write();
    }

    /// Ballots that are of no use here: of another vote, of strangers, of members invited since.
    fn smuggle(&mut self, other: ContentId, members: &[u32], sybils: &[Identity]) {
        for node in members {
            let elsewhere = self.hall.ballot(*node, other, 0, Choice::Yes);
            let copied = Ballot {
                proposal: self.id,
                ..elsewhere
            };
            self.must_fail("copied from another vote", &copied);
        }
        for sybil in sybils {
            let ballot = self.hall.ballot_of(sybil, self.id, 0, Choice::Yes);
            self.must_fail("of members invited after the opening", &ballot);
        }
        for number in 0..members.len() as u32 {
            let bytes = self
                .stream
                .below(u32::MAX)
                .wrapping_add(number)
                .to_be_bytes();
            let stranger =
                Identity::from_seed(core::array::from_fn::<u8, 32, _>(|at| bytes[at % 4]).into());
            let ballot = self.hall.ballot_of(&stranger, self.id, 0, Choice::Yes);
            self.must_fail("of strangers", &ballot);
        }
    }

    /// Votes beside a ballot that stands in the last second, lets the vote close, and votes late.
    fn at_the_close(&mut self, late: &[u32], beside: &[u32]) -> Option<TallyStatement> {
        let close = self.hall.poll(&self.id).close();
        self.hall.pass_to(Wall(close.0 - 1_000));
        for node in beside {
            (1..SEATS).for_each(|seat| self.vote(*node, (seat as usize, 0), Choice::No));
        }
        self.hall.chamber.pass(Millis(1_000));
        // The block that closes the vote holds the second ballots; seats list them as what they took in in time.
        self.write();
        for node in late {
            let ballot = self.hall.ballot(*node, self.id, 0, Choice::Yes);
            self.must_fail("cast after the close", &ballot);
        }
        let id = self.id;
        let late_ids = late.iter().map(|node| {
            let ballot = self.hall.ballot(*node, id, 0, Choice::Yes);
            ballot.id()
        });
        let listed = late_ids.collect();
        let hostile = self.hall.list(0, &id, listed);
        let honest = (1..self.hall.seats()).map(|seat| self.hall.own_list(seat, &id));
        let lists = core::iter::once(hostile).chain(honest).collect();
        self.hall.block(lists);
        self.hall.pass(LISTING);
        self.hall.pass(LISTING);
        self.hall.certify(&id)
    }

    fn choose(&mut self) -> Choice {
        CHOICES[self.stream.below(3) as usize]
    }

    fn delegation(&self, member: u32, delegate: u32) -> Delegation {
        let chamber = &self.hall.chamber;
        let (mesh, member) = (chamber.mesh(), chamber.identity(member));
        let scope = DelegationScope::Proposal(self.id);
        let delegate = Some(chamber.key(delegate));
        let signed = Delegation::sign(&mesh, &member, scope, 0, delegate);
        signed.value().clone()
    }

    /// Hands a ballot to an honest seat; what that refuses the hostile one writes.
    fn vote(&mut self, node: u32, (seat, seq): (usize, u32), choice: Choice) {
        let ballot = self.hall.ballot(node, self.id, seq, choice);
        if self.hall.hand_in(seat, &ballot).is_err() {
            self.write_alone(ballot);
        }
    }

    /// Hands in what may not count, and has the hostile seat write it all the same.
    fn must_fail(&mut self, why: &'static str, ballot: &Ballot) {
        let refused = self.hall.hand_in(1, ballot).is_err();
        let [all, turned_away] = self.turned_away.entry(why).or_default();
        *all += 1;
        *turned_away += u64::from(refused);
        self.write_alone(ballot.clone());
    }

    fn write_alone(&mut self, ballot: Ballot) {
        self.hall.block(vec![VoteEntry::Batch(VoteBatch {
            ballots: vec![ballot],
            ..VoteBatch::default()
        })]);
    }

    /// Has the honest seats write what they hold.
    fn write(&mut self) {
        for seat in 1..self.hall.seats() {
            for _ in 0..BLOCKS_MAX {
                let Some(batch) = self.hall.batch(seat) else {
                    break;
                };
                self.hall.block(vec![batch]);
            }
        }
    }
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    for finality in [Finality::FirstFinal, Finality::Changeable] {
        let words = match finality {
            Finality::FirstFinal => "first ballots final",
            Finality::Changeable => "ballots changeable",
        };
        let votes = || seen.votes.iter().filter(|vote| vote.finality == finality);
        let is_off = |vote: &&Counted| vote.found != Some(vote.expected);
        outcome.claim(
            format!("{words}: the count is that of somebody who knows what everybody did"),
            votes().count() > 0 && !votes().any(|vote| is_off(&vote)),
            votes().find(is_off).or_else(|| votes().next()).map_or_else(
                || "no vote was held".to_owned(),
                |vote| {
                    format!(
                        "{} expected, {} found",
                        sums(Some(vote.expected)),
                        sums(vote.found)
                    )
                },
            ),
        );
        outcome.claim(
            format!("{words}: any node counts the same from what is published"),
            votes().all(|vote| vote.same_again),
            format!("{} votes counted again", votes().count()),
        );
        let of = |part: fn(&Counted) -> u64| votes().map(part).sum::<u64>();
        outcome.share(
            format!("{words}: leaves that count"),
            of(|vote| vote.found.map_or(0, |sums| sums.cast())),
            of(|vote| vote.found.map_or(0, |sums| sums.leaves)),
            None,
        );
    }
    for (why, [all, turned_away]) in &seen.turned_away {
        outcome.claim(
            format!("honest seats take in no ballot {why}"),
            all == turned_away && *all > 0,
            format!("{turned_away} of {all} turned away"),
        );
    }
    outcome.claim(
        "whoever is invited after the opening has no vote in it, and one in the next",
        seen.next_electorate > seen.electorate,
        format!(
            "{} could vote, {} in the next vote, after {} were invited",
            seen.electorate, seen.next_electorate, seen.sybils
        ),
    );
    let points = |part: fn(&Counted) -> u64| {
        let votes = seen.votes.iter().enumerate();
        let points = votes.map(|(number, vote)| Point::exact(number as f64, part(vote) as f64));
        points.collect()
    };
    outcome.count(
        "hostile members, each voting wrongly in one way",
        seen.votes.first().map_or(0, |vote| vote.hostile),
        seen.votes.len() as u64,
    );
    outcome.plots.push(Plot {
        name: "double-voting",
        title: "Ballots counted as yes in each vote".to_owned(),
        x: "vote",
        y: "ballots",
        series: vec![
            Series {
                label: "counted by the committee".to_owned(),
                points: points(|vote| vote.found.map_or(0, |sums| sums.yes)),
            },
            Series {
                label: "counted by somebody who knows all".to_owned(),
                points: points(|vote| vote.expected.yes),
            },
        ],
    });
}

fn sums(sums: Option<Sums>) -> String {
    sums.map_or("nothing".to_owned(), |sums| {
        format!(
            "{} yes, {} no, {} abstain of {} leaves",
            sums.yes, sums.no, sums.abstain, sums.leaves
        )
    })
}
