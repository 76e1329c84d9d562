//! A mesh lives under its charter for some days of its own time.
//!
//! - *Telemetry*: each second some guarded processes hand in what the charter lists and what it does not, and owners of
//!   machines give and withdraw consent.
//! - *Amendment*: in the middle a member says another charter to all, a vote passes it, and each node takes it by itself.
//! - *Cases* ([`cases`]): violations are reported by name and sealed, and go the ways there are: sentenced, appealed and
//!   upheld, appealed and overturned, dismissed. Who is accused goes on acting on others.
//! - *Overrides*: agents act without a vote, on a few nodes and on more than a hundred, in good times and while faults
//!   strike, so that some are told to all in time and others lapse.
//!
//! Everything goes through nodes' own peers; what faults bring down is tried again. Persons do what their part says.

mod cases;
mod samples;

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{
    ContentId,
    capability::{Grant, Token},
};
use x0_protocol::{
    Command, CommandId, Millis,
    charter::{Charter, Metric, violation::Violation},
    core::{command::Aim, time::TimeScale, vote::VoteCommand},
    spine::ballot::Kind,
    wire::{Choice, Targets, VoteRules},
};

use self::{
    cases::{Case, Course},
    samples::Drawn,
};
use super::{CharterLife, capability_spread::change, workload::Workload};
use crate::{
    properties::Finding,
    random::Purpose,
    time::{Span, Time},
    world::{Founding, Guards, World},
};

/// When life begins: after the committee has its keys and every node knows them.
const START: Time = Time(20_000_000);
/// How often something is done.
const TICK: Span = Span::from_secs(1);
/// When the amendment is said to all.
const AMEND_AT: Time = Time(40_000_000);
/// Time between two tries of what did not work.
const AGAIN: Span = Span::from_secs(20);
/// Time between two overrides.
const OVERRIDE_EVERY: Span = Span::from_secs(55);
/// The notice of an override, mesh time, and the longest time a node takes to go back after it.
const NOTICE: Span = Span::from_secs(3_600);
const LATE: Span = Span::from_secs(2);
/// Time between two acts of those who are accused.
const ACT_EVERY: Span = Span::from_secs(30);
/// Nodes that an act or a small override touches.
const FEW: usize = 3;
/// How long an act may wait for execution.
const LIFE: Millis = Millis::from_mins(10);
/// Every so many overrides one is wide.
const WIDE_EVERY: u32 = 3;
/// The metric that asks for consent, one that the amendment drops, and one that it lists.
const ASKS: &str = "battery_share";
const DROPPED: &str = "packet_loss_share";
const LISTED: &str = "route_length";

impl CharterLife {
    /// Nodes beside the seats that have a part of their own: four who are accused, four who report, three who propose, and
    /// room for the targets of a small override.
    pub(crate) const CAST: u32 = 24;
}

/// Returns how the mesh is founded.
pub(super) fn founding(life: CharterLife) -> Founding {
    let mut founding = Founding {
        seats: life.seats,
        roots: life.seats,
        counted_ahead: true,
        guards: Some(Guards {
            bare_every: life.bare_every,
        }),
        ..Founding::default()
    };
    founding.parameters.time_scale = TimeScale(life.time_scale);
    founding.parameters.charter = Some(first_charter());
    // Small acts of the accused are many: what is drawn for is not what this run is about.
    founding.parameters.mass_action_floor = 20;
    founding
}

/// The shipped charter with a metric that asks for consent, votes of a day and a ban of a day.
fn first_charter() -> Charter {
    let mut draft = Charter::shipped().text().clone();
    draft.windows.vote_hours = 24;
    draft.penalties.silent_collection.ban_days = 1;
    draft.penalties.data_extraction.probation_days = 1;
    let mut asks = draft.metrics[0].clone();
    asks.name = ASKS.to_owned();
    asks.consent = true;
    draft.metrics.push(asks);
    draft.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    checked(draft)
}

/// The amendment: one metric is dropped, another listed, and what asks for consent is kept for a shorter time.
fn next_charter(first: &Charter) -> Charter {
    let mut draft = first.text().clone();
    draft.number += 1;
    draft.penalties.behavioural_prediction.fine_x0 = 7;
    draft.metrics.retain(|metric| metric.name != DROPPED);
    let mut listed = draft.metrics[0].clone();
    listed.name = LISTED.to_owned();
    listed.consent = false;
    draft.metrics.push(listed);
    for metric in draft.metrics.iter_mut().filter(|one| one.name == ASKS) {
        metric.retention_days = 7;
    }
    draft.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    checked(draft)
}

fn checked(draft: x0_protocol::charter::CharterDraft) -> Charter {
    match Charter::new(draft) {
        Ok(charter) => charter,
        Err(flaws) => unreachable!("the shipped charter with small changes is one: {flaws:?}"),
    }
}

/// Life under way.
pub(crate) struct Life {
    plan: CharterLife,
    ticks: u32,
    charters: [Charter; 2],
    /// Nodes without a seat, in random order.
    order: Vec<u32>,
    cases: Vec<Case>,
    amendment: Amendment,
    overrides: Vec<(u32, CommandId)>,
    acts: u32,
    /// Overrides that wait at nodes, and since when.
    waiting: BTreeMap<(u32, ContentId), Time>,
    /// Those that were seen to run past their time without having been told to all.
    overdue: BTreeSet<(u32, ContentId)>,
}

#[derive(Default)]
struct Amendment {
    said: Option<(Time, CommandId)>,
    proposed: Option<(Time, CommandId)>,
    vote: Option<ContentId>,
    cast: BTreeSet<u32>,
}

impl Life {
    pub(crate) fn new(plan: CharterLife, world: &World) -> Self {
        let mut order: Vec<u32> = (plan.seats..world.nodes()).collect();
        world
            .seed()
            .stream(Purpose::Workload, 0)
            .shuffle(&mut order);
        let first = first_charter();
        let pair = |at: usize| (order[at], order[at + 4]);
        let cases = vec![
            Case::new(
                pair(0),
                Violation::SilentCollection,
                Course::Sentenced,
                None,
                START,
            ),
            Case::new(
                pair(1),
                Violation::DataExtraction,
                Course::Sentenced,
                Some(1),
                START,
            ),
            Case::new(
                pair(2),
                Violation::SilentCollection,
                Course::Overturned,
                None,
                START + Span::from_secs(30),
            ),
            Case::new(
                pair(3),
                Violation::BehaviouralPrediction,
                Course::Upheld,
                Some(2),
                START + Span::from_secs(60),
            ),
            Case::new(
                pair(2),
                Violation::UnauthorizedOverride,
                Course::Dismissed,
                None,
                START + Span::from_secs(300),
            ),
        ];
        Self {
            plan,
            ticks: 0,
            charters: [first.clone(), next_charter(&first)],
            order,
            cases,
            amendment: Amendment::default(),
            overrides: Vec::new(),
            acts: 0,
            waiting: BTreeMap::new(),
            overdue: BTreeSet::new(),
        }
    }

    /// Has guarded processes hand something in, and owners say what they consent to.
    fn telemetry(&self, world: &mut World) {
        let (seed, ticks) = (world.seed(), self.ticks);
        let mut stream = seed.stream(Purpose::Sample, u32::MAX - ticks);
        for count in 0..self.plan.senders {
            let node = stream.below(world.nodes());
            let number = ticks.wrapping_mul(self.plan.senders).wrapping_add(count);
            match samples::draw(seed, number, &self.charters) {
                Drawn::Sent(sample) => world.send_sample(node, &sample),
                Drawn::Fetched(sample) => world.fetch_sample(node, &sample),
            }
            if count % 8 == 0 {
                self.consent(world, node, stream.below(3) != 0);
            }
            if count % 16 == 1 {
                world.look_at_gateway(node);
            }
        }
    }

    fn consent(&self, world: &mut World, node: u32, given: bool) {
        let charter = world.charter(node);
        let metric: Option<Metric> = charter.and_then(|charter| {
            let mut metrics = charter.text().metrics.iter();
            metrics.find(|metric| metric.name == ASKS).cloned()
        });
        if let Some(metric) = metric {
            world.say_consent(node, &metric, given);
        }
    }

    /// Says the amendment to all, proposes the vote on it and has members vote, each until it is done.
    fn amend(&mut self, world: &mut World) {
        if world.now() < AMEND_AT {
            return;
        }
        let proposer = self.order[8];
        let is_over = |tried: Option<(Time, CommandId)>, now: Time| {
            tried.is_none_or(|(at, _)| now >= at + AGAIN)
        };
        let now = world.now();
        let next = &self.charters[1];
        let is_said = self
            .amendment
            .said
            .is_some_and(|(_, id)| answered(world, id));
        if !is_said {
            if is_over(self.amendment.said, now) {
                let id = world.command(proposer, Command::ProposeCharter(next.clone()));
                self.amendment.said = Some((now, id));
            }
            return;
        }
        if self.amendment.vote.is_none() {
            let proposed = self.amendment.proposed;
            self.amendment.vote = proposed.and_then(|(_, id)| world.handed_in(id));
            if self.amendment.vote.is_none() && is_over(proposed, now) {
                self.amendment.proposed = propose_vote(world, proposer, next.id());
            }
            return;
        }
        let Some(vote) = self.amendment.vote else {
            return;
        };
        let voters = self.order.iter().copied().filter(|node| world.is_up(*node));
        let wanted = world.nodes() as usize * 7 / 10;
        let left = wanted.saturating_sub(self.amendment.cast.len());
        let voters = voters.filter(|node| !self.amendment.cast.contains(node));
        let voters: Vec<_> = voters.take(left.min(200)).collect();
        for node in voters {
            let cast = VoteCommand::Cast {
                proposal: vote,
                choice: Choice::Yes,
            };
            world.command(node, Command::Vote(cast));
            self.amendment.cast.insert(node);
        }
    }

    /// Has an agent override, in turn on a few nodes and on many.
    fn override_something(&mut self, world: &mut World) {
        // A few overrides at most, and as many seconds between them.
        let number = self.overrides.len() as u32;
        let from = START + Span::from_secs(40);
        let due = from + Span(OVERRIDE_EVERY.0 * u64::from(number));
        if number >= self.plan.overrides || world.now() < due {
            return;
        }
        let wide = number % WIDE_EVERY == WIDE_EVERY - 1;
        let count = match wide {
            true => self.plan.wide as usize,
            false => FEW,
        };
        // Targets of small ones stand behind the cast, one after the other; wide ones take from the end.
        let (agent, rest) = (self.order[9], &self.order[10..]);
        let at: Vec<u32> = match wide {
            true => rest.iter().rev().take(count).copied().collect(),
            false => {
                let skip = number as usize * FEW % (rest.len() - FEW + 1);
                rest[skip..skip + FEW].to_vec()
            }
        };
        let root = number % self.plan.seats;
        let Some((token, keys)) = self.granted(world, (agent, root), &at) else {
            return;
        };
        let grantor = world.identity(root);
        let command = Command::Override {
            change: change(u64::from(number) + 20, 0),
            targets: Aim::At(Targets::Nodes(keys)),
            token,
            root: grantor.capability_root().public(),
            life: LIFE,
            why: "a flood of requests in the region".to_owned(),
            consequences: "fewer acts are shown for an hour".to_owned(),
        };
        let id = world.command(agent, command);
        self.overrides.push((number, id));
    }

    /// Has those who are accused act on others, before their sentences, within them and after.
    fn act_on_others(&mut self, world: &mut World) {
        let due = START + Span(ACT_EVERY.0 * u64::from(self.acts));
        if world.now() < due {
            return;
        }
        let number = self.acts;
        self.acts += 1;
        // Who is removed first begins, so that everybody has acted before.
        let agent = self.cases[3 - number as usize % 4].accused;
        // Each act has targets that no other act has: they stand at version 0.
        let at = &self.order[10..];
        let skip = (40 + number as usize * FEW) % (at.len() - FEW + 1);
        let at = at[skip..skip + FEW].to_vec();
        let root = number % self.plan.seats;
        let Some((token, keys)) = self.granted(world, (agent, root), &at) else {
            return;
        };
        let command = Command::Propose {
            change: change(u64::from(number % 500) + 200, 0),
            targets: Aim::At(Targets::Nodes(keys)),
            token,
            root: world.identity(root).capability_root().public(),
            life: LIFE,
        };
        world.command(agent, command);
    }

    fn granted(
        &self,
        world: &World,
        (agent, root): (u32, u32),
        at: &[u32],
    ) -> Option<(Token, Vec<x0_crypto::PublicKey>)> {
        let grant = Grant {
            holder: world.key(agent),
            actions: BTreeSet::from([change(0, 0).action()]),
            caveats: Vec::new(),
        };
        let seed = world.seed().bytes(Purpose::Workload, self.ticks);
        let root = world.identity(root).capability_root();
        let token = Token::grant_seeded(&root, &grant, &seed).ok()?;
        let mut keys: Vec<_> = at.iter().map(|node| world.key(*node)).collect();
        keys.sort_unstable();
        keys.dedup();
        Some((token, keys))
    }

    /// Notes overrides that still run somewhere though their time is over and they were not told to all. Time is that of
    /// the run: some nodes' clocks are wrong.
    fn watch_overrides(&mut self, world: &World) {
        let now = world.now();
        let notice = Span(NOTICE.0 / u64::from(self.plan.time_scale)) + LATE;
        let before = std::mem::take(&mut self.waiting);
        for node in 0..world.nodes() {
            for here in world.overrides_here(node) {
                let place = (node, here.act);
                let since = before.get(&place).copied().unwrap_or(now);
                self.waiting.insert(place, since);
                if since + notice < now {
                    self.overdue.insert(place);
                }
            }
        }
    }
}

fn answered(world: &World, id: CommandId) -> bool {
    world.answer(id).is_some_and(|answer| answer.is_ok())
}

fn propose_vote(world: &mut World, proposer: u32, subject: ContentId) -> Option<(Time, CommandId)> {
    let mut rules = VoteRules::ordinary();
    rules.kind = Kind::Ordinary {
        window: Millis::from_mins(24 * 60),
    };
    let propose = VoteCommand::Propose {
        subject,
        text: "Amend the charter".parse().ok()?,
        rules,
        sealed: false,
    };
    let id = world.command(proposer, Command::Vote(propose));
    Some((world.now(), id))
}

impl Workload for Life {
    fn next(&self) -> Option<Time> {
        Some(START + Span(TICK.0 * u64::from(self.ticks)))
    }

    fn act(&mut self, world: &mut World) {
        self.ticks += 1;
        self.telemetry(world);
        self.amend(world);
        let seats = self.plan.seats;
        for case in &mut self.cases {
            case.go_on(world, seats);
        }
        self.override_something(world);
        self.act_on_others(world);
        self.watch_overrides(world);
    }

    fn findings(&self, world: &World) -> Vec<Finding> {
        vec![
            self.amended(world),
            self.cases_ended(world),
            self.overrides_ended(world),
            self.overrides_in_time(world),
            self.accused_acted(world),
        ]
    }
}

fn finding(name: &str, holds: bool, detail: String) -> Finding {
    Finding {
        property: None,
        name: name.to_owned(),
        holds,
        detail,
    }
}

/// What the life of a charter set out to show.
impl Life {
    fn amended(&self, world: &World) -> Finding {
        let nodes = 0..world.nodes();
        let next = &self.charters[1];
        let at = nodes.filter(|node| world.charter(*node) == Some(next));
        let at = at.count();
        finding(
            "the amendment that a vote has passed is in force at every node",
            at == world.nodes() as usize,
            format!("at {at} of {} nodes", world.nodes()),
        )
    }

    fn cases_ended(&self, world: &World) -> Finding {
        let ended = self.cases.iter().filter(|case| {
            let everywhere = |id| {
                let mut nodes = 0..world.nodes();
                nodes.all(|node| {
                    let known = world.docket(node).and_then(|docket| docket.case(&id));
                    known.is_some_and(|known| known.stage() == case.end())
                })
            };
            case.id.is_some_and(everywhere)
        });
        let ended = ended.count();
        let stages = self.cases.iter().map(|case| {
            let stage = case.stage(world, self.plan.seats);
            stage.map_or("not reported", |stage| stage.name())
        });
        let stages: Vec<_> = stages.collect();
        finding(
            "every case comes to the end that was decided, at every node",
            ended == self.cases.len(),
            format!(
                "{ended} of {}; at the seats they are {}",
                self.cases.len(),
                stages.join(", ")
            ),
        )
    }

    /// Each override that ran somewhere has stayed or lapsed.
    fn overrides_ended(&self, world: &World) -> Finding {
        let waiting: usize = (0..world.nodes())
            .map(|node| world.overrides_here(node).len())
            .sum();
        let (mut stayed, mut ran) = (0, 0);
        for (_, command) in &self.overrides {
            let Some((act, record)) = world.proposed(*command) else {
                continue;
            };
            let executed = world.executed();
            let is_run = record.is_some_and(|record| executed.iter().any(|(of, _)| *of == record));
            ran += usize::from(is_run);
            let told = world.mirror(0).is_some_and(|log| log.is_broadcast(&act));
            stayed += usize::from(told && is_run);
        }
        finding(
            "every override that ran has stayed or has lapsed",
            waiting == 0 && stayed > 0,
            format!(
                "{} were asked for, {ran} ran, {stayed} of them stayed; {waiting} wait at nodes",
                self.overrides.len()
            ),
        )
    }

    fn overrides_in_time(&self, world: &World) -> Finding {
        let named = self.overdue.iter().next();
        finding(
            "no override runs past its notice unless it was told to all",
            named.is_none(),
            named.map_or_else(
                || {
                    let looks = u64::from(self.ticks) * u64::from(world.nodes());
                    format!("{looks} looks at nodes found none")
                },
                |(node, act)| format!("{act} ran at node {node}"),
            ),
        )
    }

    /// Those who are accused did act on others, so that what stops them is not that nobody tried.
    fn accused_acted(&self, world: &World) -> Finding {
        let executed: BTreeSet<_> = world.executed().into_iter().map(|(act, _)| act).collect();
        let refused = world.replies().into_iter().filter(|(node, _, answer)| {
            let is_accused = self.cases.iter().any(|case| case.accused == *node);
            let says = |why: &String| why.contains("by a verdict") || why.contains("on probation");
            is_accused && answer.as_ref().is_err_and(says)
        });
        let refused = refused.count();
        finding(
            "who is sentenced acted on others before and is refused afterwards",
            !executed.is_empty() && refused > 0,
            format!(
                "{} acts ran in all, {refused} were refused for a sentence",
                executed.len()
            ),
        )
    }
}
