//! A quorum of the committee certifies a count that never was, to have an act on the whole network.

use std::collections::BTreeSet;

use x0_crypto::{ContentId, Identity, PublicKey, capability::ShareBp};
use x0_protocol::{
    Command, Millis,
    core::vote::VoteCommand,
    spine::{
        ballot::{Cast, Leaf, Outcome as End, Recounted, Sums, Tally, TallyStatement, tally::Tree},
        committee::State,
    },
    wire::{
        Act, Ballot, Body, Certificate, Choice, Said, Statement, Targets, Ticket, Vote, VoteEnd,
        VoteNotice, VoteOpened, VoteProof, VoteProposal, VoteResolved, VoteRules, Warrants, Word,
    },
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::targets,
    stage::{LIFE, Stage, founding},
};
use crate::{
    random::{Purpose, Seed},
    time::Span,
    world::HandedOut,
};

/// Seats of the committee.
const SEATS: u32 = 7;
/// How many of them may be hostile.
const FAULTY: u32 = 2;
/// How many sign.
const QUORUM: u32 = 5;
/// Mesh seconds in a second: a challenge time of 24 hours passes in 8.64 s.
const SCALE: u32 = 10_000;
/// The challenge time.
const CHALLENGE: Span = Span::from_millis(24 * 3_600 * 1_000 / SCALE as u64);
/// Fewest hostile members: who tells the lies, who agrees, and an agent for each case.
const HOSTILE_MIN: u32 = 14;
/// Leaves of a false tally.
const LEAVES: usize = 16;
/// Nodes that a wide act names: it takes a vote.
const WIDE: usize = 104;
/// Nodes that count again where ballots are withheld.
const RECOUNTERS: usize = 10;
/// What a node says that does not act on a vote.
const FOR_VOTE: &str = "its vote is not acted on here";
/// How often is looked whether everybody knows.
const STEP: Span = Span::from_millis(250);

/// See the module.
pub(super) struct FalseTally;

impl Attack for FalseTally {
    fn name(&self) -> &'static str {
        "false-tally"
    }

    fn summary(&self) -> &'static str {
        "Two, three and five of seven seats certify a tally that is false in its sum, by forged ballots, by ballots of \
         strangers or by voters who stand in it twice, then that the vote has passed, and a ticket for the act; they \
         skip the tally or the challenge time, or withhold the ballots."
    }

    fn expected(&self) -> &'static str {
        "Fewer than a quorum certify nothing. The nodes that count again by lot, without being asked, find each lie; its \
         proof makes the vote void at all honest nodes within the challenge time, and none carries out an act on it. \
         Where the ballots are withheld, the lie holds at those who do not count again."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        for (done, seed) in config.seeds().enumerate() {
            let told = |share: f64| pulse((done as f64 + share) / f64::from(config.runs));
            for (number, case) in CASES.into_iter().enumerate() {
                // An act that is refused leaves alarm behind: each case has a mesh of its own.
                one_mesh(config, seed, (number, case), &mut seen);
                told((number + 1) as f64 / CASES.len() as f64);
            }
        }
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

/// What is false about a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Its sum.
    Sum,
    /// Ballots that members did not sign.
    Forged,
    /// Ballots of people who are no members.
    Strangers,
    /// Voters who stand in it twice.
    Twice,
}

/// How the quorum goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Honest nodes count again, those on whom the lot falls.
    CountedAgain(Lie),
    /// The committee certifies the end of a vote, and no tally.
    NoTally,
    /// It certifies tally and end at once, and the act follows.
    AtOnce,
    /// Its seats hand out no ballots; some more nodes count again, as they are asked to.
    Withheld,
}

const CASES: [Case; 7] = [
    Case::CountedAgain(Lie::Sum),
    Case::CountedAgain(Lie::Forged),
    Case::CountedAgain(Lie::Strangers),
    Case::CountedAgain(Lie::Twice),
    Case::NoTally,
    Case::AtOnce,
    Case::Withheld,
];

impl Lie {
    const fn words(self) -> &'static str {
        match self {
            Self::Sum => "a wrong sum",
            Self::Forged => "forged ballots",
            Self::Strangers => "ballots of strangers",
            Self::Twice => "voters who stand in it twice",
        }
    }
}

/// What came of one case, over all runs.
struct Row {
    case: Case,
    runs: u64,
    /// Runs in which who counted again found what it should.
    found: u64,
    honest: u64,
    void: u64,
    /// Time from the certificate until all honest nodes have the proof, s; none if they never had.
    void_after_s: Vec<f64>,
    honest_targets: u64,
    executed: u64,
    /// Honest targets that refused the act for its vote.
    refused: u64,
    /// Why targets refused the act otherwise.
    otherwise: BTreeSet<String>,
    /// Of those who counted again.
    recounters: u64,
    executed_by_recounters: u64,
}

#[derive(Default)]
struct Seen {
    rows: Vec<Row>,
    /// Certificates made, by so many seats.
    certified: Vec<(u32, u64)>,
    trials: u64,
}

/// A mesh, and who is hostile in it.
struct Scene {
    stage: Stage,
    /// The committee's state, as a hostile seat follows it.
    state: State,
    hostile: Vec<u32>,
    honest: Vec<u32>,
}

/// A vote as everybody knows it.
struct Opened {
    proposal: VoteProposal,
    opened: VoteOpened,
}

fn one_mesh(config: &Config, seed: Seed, (number, case): (usize, Case), seen: &mut Seen) {
    let mut founding = founding(SEATS);
    founding.parameters.time_scale.0 = SCALE;
    // No act takes co-signers: what stands against this one is the vote.
    founding.parameters.mass_action_floor = 2 * WIDE as u32;
    let stage = Stage::found(seed, config.nodes, founding);
    let most = stage.order.len() as u32 / 2;
    let wanted = config.hostile_of(config.nodes).clamp(HOSTILE_MIN, most);
    let (hostile, honest) = stage.order.split_at(wanted as usize);
    let (hostile, honest) = (hostile.to_vec(), honest.to_vec());
    let Some(state) = stage.world.first_state() else {
        return;
    };
    let mut scene = Scene {
        stage,
        state,
        hostile,
        honest,
    };
    let at = seen.rows.iter().position(|row| row.case == case);
    let at = at.unwrap_or_else(|| {
        seen.rows.push(Row::new(case));
        seen.rows.len() - 1
    });
    scene.carry_out(number, &mut seen.rows[at]);
    seen.trials += 1;
    for seats in [FAULTY, FAULTY + 1, QUORUM - 1, QUORUM] {
        let made = u64::from(scene.can_certify(seats));
        match seen.certified.iter_mut().find(|(by, _)| *by == seats) {
            Some((_, certified)) => *certified += made,
            None => seen.certified.push((seats, made)),
        }
    }
}

impl Row {
    const fn new(case: Case) -> Self {
        Self {
            case,
            runs: 0,
            found: 0,
            honest: 0,
            void: 0,
            void_after_s: Vec::new(),

            honest_targets: 0,
            executed: 0,
            refused: 0,
            otherwise: BTreeSet::new(),
            recounters: 0,
            executed_by_recounters: 0,
        }
    }
}

impl Scene {
    /// Carries out one case from the proposal to the act.
    fn carry_out(&mut self, number: usize, row: &mut Row) {
        let agent = self.hostile[4 + number];
        let value = self.stage.fresh_value();
        let (act, at) = self.wide_act(agent, number, value);
        let matter = act.matter(&self.stage.world.key(agent));
        row.runs += 1;
        let Some(vote) = self.open(number, matter) else {
            return;
        };
        let id = vote.opened.proposal;
        let (stated, leaves) = self.false_tally(row.case, &vote);
        self.stage.world.follow_log(0, &mut self.state);
        let handed_out = match row.case {
            Case::Withheld => Vec::new(),
            Case::CountedAgain(_) | Case::NoTally | Case::AtOnce => leaves,
        };
        self.stage.world.hand_out(Some(HandedOut {
            by: (0..QUORUM).collect(),
            bundle: stated.bundle(),
            leaves: handed_out,
        }));
        if row.case != Case::NoTally {
            self.publish(Statement::Tally(stated));
        }
        let since = self.stage.world.now();
        let recounters = self.count_again(row, id);
        let waits = match row.case {
            Case::AtOnce => Span::from_millis(0),
            Case::CountedAgain(_) | Case::NoTally | Case::Withheld => {
                CHALLENGE + Span::from_secs(1)
            }
        };
        self.stage.world.run_until(since + waits);
        self.publish(Statement::Resolved(VoteResolved {
            proposal: id,
            subject: matter,
            end: VoteEnd::Outcome(End::Passed),
            emergency: false,
            time: vote.opened.opened,
            height: self.state.height(),
        }));
        self.stage.pass(Span::from_secs(2));
        self.note_void(row, id);
        let record = self.act_on(agent, act, id, matter);
        self.stage.pass(Span::from_secs(5));
        row.refused += self.refused_for_vote(&record, &at);
        let reasons = self.stage.refusals(&record).into_keys();
        row.otherwise
            .extend(reasons.filter(|why| !why.contains(FOR_VOTE)));
        let executed: BTreeSet<u32> = self.stage.executed(&record).into_iter().collect();
        let honest: Vec<_> = at
            .iter()
            .filter(|node| self.honest.contains(node))
            .collect();
        row.honest_targets += honest.len() as u64;
        row.executed += honest
            .iter()
            .filter(|node| executed.contains(*node))
            .count() as u64;
        let recounted = recounters.iter().filter(|node| executed.contains(*node));
        row.executed_by_recounters += recounted.count() as u64;
        row.recounters += recounters.len() as u64;
        self.stage.world.hand_out(None);
    }

    /// Returns a wide act, and the nodes of the mesh that it names.
    fn wide_act(&self, agent: u32, number: usize, value: u64) -> (Act, Vec<u32>) {
        let agreeing = self.hostile[1..4].iter();
        let at: Vec<u32> = agreeing.chain(&self.honest).copied().take(WIDE).collect();
        let world = &self.stage.world;
        let keys: Vec<_> = at.iter().map(|node| world.key(*node)).collect();
        let missing = (WIDE - keys.len()) as u32;
        let strangers = (0..missing).map(|number| stranger(world.seed(), number).public());
        let keys = targets(keys.into_iter().chain(strangers));
        let grantor = number as u32 % SEATS;
        let act = Act {
            targets: keys,
            ..self.stage.act(agent, grantor, &[], value, &at)
        };
        (act, at)
    }

    /// Has an honest member propose a vote, and waits until everybody knows that it is open.
    fn open(&mut self, number: usize, subject: ContentId) -> Option<Opened> {
        let mut rules = VoteRules::ordinary();
        // Few ballots are enough, so that few hostile members are.
        rules.quorum = ShareBp::new(1).ok()?;
        let command = VoteCommand::Propose {
            subject,
            text: "A change on the whole network".parse().ok()?,
            rules,
            sealed: false,
        };
        let proposer = self.honest[number];
        let asked = self.stage.world.command(proposer, Command::Vote(command));
        self.stage.pass(Span::from_secs(4));
        let id = self.stage.world.handed_in(asked)?;
        let records = self.stage.world.stored(self.hostile[0]).iter();
        let mut opened = records.filter_map(|record| {
            let Body::Vote(notice) = record.value().body() else {
                return None;
            };
            let Statement::Opened(opened) = notice.certificate.statement else {
                return None;
            };
            let proposal = notice.proposal.as_deref()?.clone();
            (opened.proposal == id).then_some(Opened { proposal, opened })
        });
        opened.next()
    }

    /// Makes a tally that is false in the way of the case, with what hostile seats publish for it.
    fn false_tally(&self, case: Case, vote: &Opened) -> (TallyStatement, Vec<Leaf>) {
        let lie = match case {
            Case::CountedAgain(lie) => lie,
            Case::NoTally | Case::AtOnce | Case::Withheld => Lie::Forged,
        };
        let id = vote.opened.proposal;
        let world = &self.stage.world;
        let mesh = world.mesh();
        let ballot = |voter: &Identity, choice| {
            let signed = Ballot::sign(&mesh, voter, id, 0, Vote::Open(choice));
            signed.value().clone()
        };
        let hostile = self.hostile.iter().map(|node| world.identity(*node));
        let hostile = hostile.take(LEAVES / 2);
        let ballots: Vec<Ballot> = match lie {
            Lie::Sum => hostile.map(|voter| ballot(&voter, Choice::No)).collect(),
            Lie::Forged => {
                let forger = world.identity(self.hostile[0]);
                let honest = self.honest.iter().take(LEAVES);
                honest
                    .map(|node| Ballot {
                        voter: world.key(*node),
                        ..ballot(&forger, Choice::Yes)
                    })
                    .collect()
            }
            Lie::Strangers => (0..LEAVES as u32)
                .map(|number| ballot(&stranger(world.seed(), number), Choice::Yes))
                .collect(),
            Lie::Twice => hostile
                .flat_map(|voter| [ballot(&voter, Choice::Yes), ballot(&voter, Choice::Yes)])
                .collect(),
        };
        let leaf = |ballot: Ballot| {
            let counted = match &ballot.vote {
                Vote::Open(choice) => Some(*choice),
                Vote::Sealed(_) => None,
            };
            let cast = Cast::Own {
                ballot,
                opening: None,
            };
            Leaf { cast, counted }
        };
        let mut leaves: Vec<_> = ballots.into_iter().map(leaf).collect();
        leaves.sort_by_key(Leaf::voter);
        let root = Tree::of(&leaves).root();
        let sums = match lie {
            Lie::Sum => Sums {
                yes: root.sums.leaves,
                no: 0,
                ..root.sums
            },
            Lie::Forged | Lie::Strangers | Lie::Twice => root.sums,
        };
        let stated = TallyStatement {
            mesh,
            electorate: vote.opened.electorate,
            closed: vote.opened.opened + Millis::from_mins(1),
            lists: (1 << QUORUM) - 1,
            tally: Tally {
                proposal: vote.proposal.id(),
                root: root.hash,
                sums,
            },
            outcome: End::Passed,
            height: self.state.height(),
        };
        (stated, leaves)
    }

    /// Has as many seats certify a statement as it takes, and one hostile member tell everybody.
    fn publish(&mut self, statement: Statement) {
        let Some(certificate) = self.certified(statement) else {
            return;
        };
        let notice = VoteNotice {
            certificate,
            proposal: None,
            jury: Vec::new(),
            refutation: None,
        };
        let liar = self.hostile[0];
        self.stage.publish(liar, Body::Vote(Box::new(notice)));
    }

    fn certified(&self, statement: Statement) -> Option<Certificate> {
        let seats: Vec<_> = (0..QUORUM).collect();
        self.stage
            .world
            .certify_past_peers(&self.state, &seats, statement)
    }

    /// Tells whether so many seats make a certificate that verifies.
    fn can_certify(&self, seats: u32) -> bool {
        let world = &self.stage.world;
        let statement = Statement::Resolved(VoteResolved {
            proposal: ContentId::of(b"any"),
            subject: ContentId::of(b"any"),
            end: VoteEnd::Outcome(End::Passed),
            emergency: false,
            time: self.state.time(),
            height: self.state.height(),
        });
        let seats: Vec<_> = (0..seats).collect();
        world
            .certify_past_peers(&self.state, &seats, statement)
            .is_some()
    }

    /// Waits until everybody knows what the nodes found that count again; has some more do so where ballots are withheld,
    /// and returns those.
    fn count_again(&mut self, row: &mut Row, id: ContentId) -> Vec<u32> {
        let count = match row.case {
            Case::CountedAgain(_) => 0,
            Case::Withheld => RECOUNTERS,
            Case::NoTally | Case::AtOnce => return Vec::new(),
        };
        let since = self.stage.world.now();
        self.stage.pass(Span::from_secs(1));
        let recounters: Vec<_> = self.honest.iter().take(count).copied().collect();
        let asked: Vec<_> = recounters
            .iter()
            .map(|node| {
                let command = Command::Vote(VoteCommand::Recount(id));
                self.stage.world.command(*node, command)
            })
            .collect();
        while self.stage.world.now().since(since) < CHALLENGE {
            self.stage.pass(STEP);
            if row.case != Case::Withheld && self.have_proof(id) {
                let after = self.stage.world.now().since(since);
                row.void_after_s.push(after.as_millis() as f64 / 1_000.0);
                break;
            }
        }
        let is_found = match row.case {
            Case::CountedAgain(_) => self.have_proof(id),
            Case::NoTally | Case::AtOnce | Case::Withheld => asked.iter().all(|asked| {
                let found = self.stage.world.recounted(*asked);
                !matches!(found, Some(Recounted::Same(_) | Recounted::False(_)))
            }),
        };
        row.found += u64::from(is_found);
        recounters
    }

    /// Tells whether all honest nodes have a proof against a vote on their disks.
    fn have_proof(&self, id: ContentId) -> bool {
        self.watched().all(|node| {
            let mut records = self.stage.world.stored(node).iter();
            records.any(|record| {
                let Body::Vote(notice) = record.value().body() else {
                    return false;
                };
                let is_about = matches!(
                    notice.certificate.statement,
                    Statement::Tally(stated) if stated.tally.proposal == id
                );
                is_about && notice.refutation.is_some()
            })
        })
    }

    /// Iterates over the honest nodes, honest seats among them.
    fn watched(&self) -> impl Iterator<Item = u32> {
        (QUORUM..SEATS).chain(self.honest.iter().copied())
    }

    /// Counts the honest nodes that hold a vote for void.
    fn note_void(&mut self, row: &mut Row, id: ContentId) {
        let nodes: Vec<_> = self.watched().collect();
        let asked: Vec<_> = nodes
            .iter()
            .map(|node| {
                self.stage
                    .world
                    .command(*node, Command::Vote(VoteCommand::List))
            })
            .collect();
        self.stage.pass(Span::from_millis(200));
        row.honest += nodes.len() as u64;
        for asked in asked {
            let votes = self.stage.world.votes(asked);
            let vote = votes.and_then(|votes| votes.votes.iter().find(|vote| vote.proposal == id));
            row.void += u64::from(vote.is_some_and(|vote| vote.stage.starts_with("void")));
        }
    }

    /// Has the quorum admit the act, hostile targets agree to it, and the agent publish it; returns its record.
    fn act_on(&mut self, agent: u32, act: Act, id: ContentId, matter: ContentId) -> ContentId {
        let key = self.stage.world.key(agent);
        let act = Act {
            expires: self.stage.world.wall() + LIFE,
            ..act
        };
        let digest = act.digest(&key);
        self.stage.world.follow_log(0, &mut self.state);
        let ticket = self.ticket(&act, digest, key);
        let passed = self.certified(Statement::Resolved(VoteResolved {
            proposal: id,
            subject: matter,
            end: VoteEnd::Outcome(End::Passed),
            emergency: false,
            time: self.stage.world.wall(),
            height: self.state.height(),
        }));
        let mesh = self.stage.world.mesh();
        let said = self.hostile[1..4].iter().map(|node| {
            let identity = self.stage.world.identity(*node);
            Said::sign(&mesh, digest, Word::Agree, &identity)
        });
        let warrants = Warrants {
            ticket,
            vote: passed.map(|passed| Box::new(VoteProof::Resolved(Box::new(passed)))),
            draw: None,
            said: said.collect(),
            emergency: None,
        };
        let act = Act {
            warrants: warrants.to_wire(),
            ..act
        };
        self.stage.publish(agent, Body::Act(act))
    }

    /// Counts the honest nodes among some that refuse an act for its vote.
    fn refused_for_vote(&self, record: &ContentId, at: &[u32]) -> u64 {
        let refused = self.stage.world.refused().into_iter();
        let refused = refused.filter(|(act, node, why)| {
            let is_honest = at.contains(node) && self.honest.contains(node);
            act == record && is_honest && why.contains(FOR_VOTE)
        });
        let nodes: BTreeSet<u32> = refused.map(|(_, node, _)| node).collect();
        nodes.len() as u64
    }

    fn ticket(&self, act: &Act, digest: ContentId, agent: PublicKey) -> Option<Certificate> {
        let state = &self.state;
        let Targets::Nodes(nodes) = &act.targets else {
            return None;
        };
        let nodes = nodes.len() as u32;
        let life = Millis(LIFE.0 * u64::from(SCALE));
        self.certified(Statement::Ticket(Ticket {
            act: digest,
            agent,
            root: act.root,
            nodes,
            of_root: nodes,
            of_change: nodes,
            electorate: state.counted()?.electorate(),
            height: state.height(),
            round: 1,
            time: state.time(),
            expires: state.time() + life,
            passed: 0,
            panel: None,
        }))
    }
}

fn stranger(seed: Seed, number: u32) -> Identity {
    Identity::from_seed(seed.bytes(Purpose::Commitment, u32::MAX - number).into())
}

fn report(outcome: &mut Outcome, seen: &Seen) {
    let few = seen.certified.iter().filter(|(seats, _)| *seats < QUORUM);
    let enough = seen.certified.iter().find(|(seats, _)| *seats == QUORUM);
    outcome.claim(
        format!("fewer than {QUORUM} of {SEATS} seats certify nothing, {QUORUM} do"),
        few.map(|(_, made)| made).sum::<u64>() == 0
            && enough.is_some_and(|(_, made)| *made == seen.trials),
        format!("{:?} certificates by so many seats", seen.certified),
    );
    let mut times = Vec::new();
    for row in &seen.rows {
        times.extend(row.void_after_s.iter().copied());
        report_case(outcome, row);
    }
    outcome.mean(
        "time from a false certificate until every honest node has the proof that those drawn to count again found",
        "s",
        &times,
    );
    let point = |(number, row): (usize, &Row)| {
        Point::share((number + 1) as f64, row.executed, row.honest_targets)
    };
    outcome.plots.push(Plot {
        name: "false-tally",
        title: "Honest targets that carry out an act on a false tally, by case".to_owned(),
        x: "case, in the order of the table",
        y: "share of honest targets",
        series: vec![Series {
            label: "carried out".to_owned(),
            points: seen.rows.iter().enumerate().map(point).collect(),
        }],
    });
}

fn report_case(outcome: &mut Outcome, row: &Row) {
    let Row {
        case,
        runs,
        found,
        honest,
        void,
        void_after_s,
        honest_targets,
        executed,
        refused,
        otherwise,
        recounters,
        executed_by_recounters,
        ..
    } = row;
    let mut carried = format!(
        "{executed} of {honest_targets} honest targets carried the act out, {refused} refused it for its vote"
    );
    for why in otherwise {
        carried += "; others: ";
        carried += why;
    }
    match case {
        Case::CountedAgain(lie) => {
            let lie = lie.words();
            outcome.claim(
                format!("{lie}: the nodes drawn to count again find it, and the vote is void everywhere within the challenge time"),
                found == runs && void == honest && void_after_s.len() as u64 == *runs,
                format!(
                    "found in {found} of {runs} runs, void at {void} of {honest} honest nodes after {void_after_s:?} s of {} s",
                    CHALLENGE.as_millis() as f64 / 1_000.0
                ),
            );
            outcome.claim(
                format!("{lie}: nobody carries out an act on it"),
                *executed == 0 && refused == honest_targets && *refused > 0,
                carried,
            );
        }
        Case::NoTally | Case::AtOnce => {
            let what = if *case == Case::NoTally {
                "without a tally"
            } else {
                "before others could count again"
            };
            outcome.claim(
                format!("no act is carried out {what}"),
                *executed == 0 && refused == honest_targets && *refused > 0,
                carried,
            );
        }
        Case::Withheld => {
            outcome.claim(
                "ballots withheld: who counts again finds none and carries nothing out",
                found == runs
                    && *executed_by_recounters == 0
                    && refused >= recounters
                    && *refused > 0,
                format!("{executed_by_recounters} of {recounters} who counted again; {carried}"),
            );
            outcome.share(
                "ballots withheld: honest targets that carry the act out, those who did not count again",
                *executed,
                *honest_targets,
                None,
            );
        }
    }
}
