//! Usual work for many hours in a mesh of whole peers, while a third of its nodes cry wolf; at last a true strike.
//!
//! Unlike `false_alarms`, nobody hands anything to a detector here: acts go the way of every act, alerts travel as
//! records, and each peer finds, freezes and halts by itself.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    CommandId,
    anti_meave::anomaly::{Alert, Evidence, Pattern, Severity},
    wire::{Act, Body},
};

use super::{
    Attack, Config, NODES_MIN, Outcome, Plot, Point, Series,
    stage::{ACT_TIME, Stage, founding_drawn_for, width_drawn_for},
    stroke::{LIMIT, MOST, ROGUES, Stroke, secs},
};
use crate::{
    random::{Purpose, Seed, Stream},
    time::{Span, Time},
    world::{Alarm, Alarmed},
};

/// Seats of the committee, of which the last is hostile.
const SEATS: u32 = 4;
/// Nodes of the mesh in which most hours pass.
const SMALL: u32 = NODES_MIN;
/// For so many hours in the small mesh one passes in that of all nodes.
const LARGE_ONE_IN: u32 = 100;
/// Hours of one world: more than any window within which something critical is found.
const WORLD_HOURS: u32 = 6;
/// Delegation roots of the agents at work: those of the first founders. The next one's is that of the roll-outs.
const ROOTS: u32 = 2;
/// Agents at work under each of them, each with a node to look after beside its own: together within a tenth of the small
/// mesh, so that a token alone reaches them.
const AGENTS: usize = 4;
/// Mean time between two starts of an agent's work, ms.
const BETWEEN_MS: f64 = 20.0 * 60_000.0;
/// One start in so many is that of a few acts in a row.
const ROW_ONE_IN: u32 = 40;
/// Acts in a row, and the time between two of them: that in which an act is carried out.
const ROW: u8 = 6;
const ROW_GAP: Span = ACT_TIME;
/// Time at the end of a world in which no more work is begun.
const SETTLING: Span = Span::from_secs(60);
/// Time between two changes of many nodes, which drawn co-signers sign.
const ROLL_OUTS: Span = Span::from_secs(4 * 3_600);
/// Time between two false alarms, which everybody hostile raises together.
const VOLLEYS: Span = Span::from_secs(15 * 60);
/// Hostile nodes beside the seat and the witnesses that raise it in the large mesh; in the small one all do.
const OTHERS: usize = 8;
/// Least share of the acts asked for that must have run: else there was no load.
const CARRIED_OUT: f64 = 0.95;

/// See the module.
pub(super) struct BenignLoad;

#[derive(Default)]
struct Seen {
    /// Hours in the small mesh and in that of all nodes.
    hours: [u32; 2],
    acts: u64,
    executed: u64,
    roll_outs: u64,
    rolled_out: u64,
    alarms: u64,
    looked_at: u64,
    heard: u64,
    /// Critical findings at honest nodes, each agent's counted once a minute.
    critical: u64,
    high: u64,
    freezes: u64,
    halts: u64,
    bad_hours: u64,
    hostile_witnesses_max: usize,
    strikes: u64,
    found_s: Vec<f64>,
    halted_s: Vec<Option<f64>>,
}

impl Attack for BenignLoad {
    fn name(&self) -> &'static str {
        "benign-load"
    }

    fn summary(&self) -> &'static str {
        "For --hours of usual work by whole peers a third of the nodes, a seat among them, raises the same false alarm \
         together every 15 minutes: of true acts, of acts nobody wrote, of acts with a copied token or under a root \
         nobody accepts. At last agents strike in earnest."
    }

    fn expected(&self) -> &'static str {
        "No honest node freezes a root, halts, or takes usual or certified work for critical; the strike halts 99 % of \
         the honest nodes within 5 s."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, told| {
            let large = config.hours.div_ceil(LARGE_ONE_IN);
            let all = f64::from(config.hours + large);
            let meshes = [(0, SMALL, config.hours), (1, config.nodes, large)];
            let mut number = 0;
            let mut done = 0;
            for (mesh, nodes, hours) in meshes {
                let mut left = hours;
                while left > 0 {
                    let now = left.min(WORLD_HOURS);
                    let of_world =
                        |share: f64| told((f64::from(done) + share * f64::from(now)) / all);
                    // Worlds of one repetition differ as those of two do.
                    let seed = Seed(seed.0.wrapping_add(number << 32));
                    Hours::found(config, seed, nodes).pass(now, &mut seen, &of_world);
                    seen.hours[mesh] += now;
                    (left, done, number) = (left - now, done + now, number + 1);
                }
            }
        });
        report(self, config, &seen)
    }
}

/// What happens next in a world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// An agent starts to work.
    Work(usize),
    /// An agent goes on with acts in a row.
    Row(usize, u8),
    RollOut,
    Volley(u32),
}

/// A world at work.
struct Hours {
    stage: Stage,
    stream: Stream,
    hostile: BTreeSet<u32>,
    honest: BTreeSet<u32>,
    agents: Vec<Agent>,
    /// The nodes of a roll-out; the first is that of the agent who rolls out.
    roll_out: Vec<u32>,
    asked: Vec<Asked>,
    roll_outs: Vec<CommandId>,
    alarms: u64,
    hostile_witnesses_max: usize,
}

/// An agent at work.
#[derive(Clone, Copy)]
struct Agent {
    node: u32,
    /// The node it looks after.
    other: u32,
    /// The founder whose root it works under.
    root: u32,
}

/// An act of usual work.
struct Asked {
    at: Time,
    agent: u32,
    root: u32,
    command: CommandId,
}

impl Hours {
    fn found(config: &Config, seed: Seed, nodes: u32) -> Self {
        let mut stage = Stage::found(seed, nodes, founding_drawn_for(SEATS, nodes));
        let count = (config.hostile_of(nodes) as usize).max(ROGUES + 1);
        let hostile: BTreeSet<u32> = stage.order[..count - 1].iter().copied().collect();
        let mut free = stage.order[count - 1..].to_vec();
        let mut take = |count: usize| free.split_off(free.len() - count);
        let roots = (0..ROOTS).flat_map(|root| [root; AGENTS]);
        let agents = roots.map(|root| {
            let pair = take(2);
            Agent {
                node: pair[0],
                other: pair[1],
                root,
            }
        });
        let agents = agents.collect();
        let roll_out = take(width_drawn_for(nodes));
        let hostile: BTreeSet<u32> = hostile.into_iter().chain([SEATS - 1]).collect();
        stage.world.mute(hostile.iter().copied());
        Self {
            stream: seed.stream(Purpose::Workload, 12),
            honest: (0..nodes).filter(|node| !hostile.contains(node)).collect(),
            hostile,
            agents,
            roll_out,
            asked: Vec::new(),
            roll_outs: Vec::new(),
            alarms: 0,
            hostile_witnesses_max: 0,
            stage,
        }
    }

    /// Lets hours pass, and then has agents strike.
    fn pass(mut self, hours: u32, seen: &mut Seen, told: &dyn Fn(f64)) {
        let began = self.stage.world.now();
        let length = Span::from_secs(u64::from(hours) * 3_600);
        let end = began + length;
        let mut due: BinaryHeap<Reverse<(Time, Task)>> = BinaryHeap::new();
        for agent in 0..self.agents.len() {
            due.push(Reverse((began + self.wait(), Task::Work(agent))));
        }
        due.push(Reverse((began + Span::from_secs(600), Task::RollOut)));
        due.push(Reverse((began + Span::from_secs(120), Task::Volley(0))));
        while let Some(Reverse((at, task))) = due.pop()
            && at + SETTLING < end
        {
            self.stage.world.run_until(at);
            told(at.since(began).0 as f64 / length.0 as f64);
            match task {
                Task::Work(agent) => {
                    self.act(agent);
                    if self.stream.below(ROW_ONE_IN) == 0 {
                        due.push(Reverse((at + ROW_GAP, Task::Row(agent, ROW - 1))));
                    }
                    due.push(Reverse((at + self.wait(), Task::Work(agent))));
                }
                Task::Row(agent, left) => {
                    self.act(agent);
                    if left > 1 {
                        due.push(Reverse((at + ROW_GAP, Task::Row(agent, left - 1))));
                    }
                }
                Task::RollOut => {
                    self.roll_out();
                    due.push(Reverse((at + ROLL_OUTS, Task::RollOut)));
                }
                Task::Volley(number) => {
                    self.cry_wolf(number);
                    due.push(Reverse((at + VOLLEYS, Task::Volley(number + 1))));
                }
            }
        }
        self.stage.world.run_until(end);
        self.look(began, seen);
        self.strike(seen);
    }

    /// Draws the time until an agent's next start: exponential.
    fn wait(&mut self) -> Span {
        let uniform = (f64::from(self.stream.bits()) + 1.0) / 4_294_967_297.0;
        // The logarithm of a number of 32 bits is below 23.
        Span::from_millis((-uniform.ln() * BETWEEN_MS) as u64 + 1)
    }

    /// Has an agent change its node and the one it looks after, unless its last act is still on its way.
    fn act(&mut self, agent: usize) {
        let Agent { node, other, root } = self.agents[agent];
        let now = self.stage.world.now();
        let last = self.asked.iter().rev().find(|asked| asked.agent == node);
        if last.is_some_and(|last| last.at + ROW_GAP > now) {
            return;
        }
        let command = self.change(node, root, &[node, other]);
        self.asked.push(Asked {
            at: now,
            agent: node,
            root,
            command,
        });
    }

    /// Has an agent change many nodes by one act, for which co-signers are drawn.
    fn roll_out(&mut self) {
        let at = self.roll_out.clone();
        let command = self.change(at[0], ROOTS, &at);
        self.roll_outs.push(command);
    }

    /// Has an agent propose a change of nodes, of which it is one: its own peer names the version they all are at.
    fn change(&mut self, agent: u32, root: u32, at: &[u32]) -> CommandId {
        let value = u64::from(self.stream.below(1_000)) + 1;
        let act = self.stage.act(agent, root, &[], value, at);
        self.stage.propose(agent, &act)
    }

    /// Has everybody hostile raise the same false alarm.
    fn cry_wolf(&mut self, number: u32) {
        let now = self.stage.world.now();
        let last_hour = self.asked.iter().rev();
        let last_hour = last_hour.take_while(|asked| asked.at.0 + 3_600_000_000 > now.0);
        let written = last_hour.filter_map(|asked| {
            let record = self.stage.record_of(asked.command)?;
            Some((record, asked.agent, asked.root))
        });
        let written: Vec<_> = written.collect();
        let blamed = written.first().copied();
        let (agent, root) =
            blamed.map_or((self.agents[0].node, 0), |(_, agent, root)| (agent, root));
        let of_root = written.iter().filter(|(_, _, of)| *of == root);
        let of_root: Vec<ContentId> = of_root.map(|(record, ..)| *record).collect();
        let unknown = vec![ContentId::of(&number.to_be_bytes())];
        let liars: Vec<u32> = self.hostile.iter().rev().take(ROGUES).copied().collect();
        let (pattern, acts, agent, root) = match number % 5 {
            0 if !of_root.is_empty() => (Pattern::MassChange, of_root, agent, root),
            1 if !of_root.is_empty() => {
                let three = of_root.into_iter().take(3).collect();
                (Pattern::SilentIdentical, three, agent, root)
            }
            2 => {
                // The token is another's: no target follows it.
                let acts = self.barred(&liars, |stage, liar, at| Act {
                    token: stage.act(agent, root, &[], 1, at).token,
                    ..stage.act(liar, root, &[], 1, at)
                });
                (Pattern::SilentIdentical, acts, liars[0], root)
            }
            3 => {
                // The root is the first liar's: no node accepts it.
                let grantor = liars[0];
                let acts = self.barred(&liars, |stage, liar, at| {
                    stage.act(liar, grantor, &[], 1, at)
                });
                (Pattern::SilentIdentical, acts, liars[0], grantor)
            }
            _ => (Pattern::MassChange, unknown, agent, root),
        };
        let root = self.stage.world.identity(root).capability_root().public();
        let mut acts = acts;
        acts.sort_unstable();
        let alert = Alert {
            mesh: self.stage.world.mesh(),
            severity: Severity::Critical,
            agent: self.stage.world.key(agent),
            root,
            evidence: Evidence {
                pattern,
                acts,
                usual: None,
            },
            time: self.stage.world.wall(),
        };
        for speaker in self.speakers() {
            let body = Body::Alert(Box::new(alert.clone()));
            self.stage.publish(speaker, body);
            self.alarms += 1;
        }
    }

    /// Has liars make the same change at once by acts that nobody follows; returns the acts.
    fn barred(
        &mut self,
        liars: &[u32],
        act: impl Fn(&Stage, u32, &[u32]) -> Act,
    ) -> Vec<ContentId> {
        let at = self.at_work();
        let acts = liars.iter().zip(at.chunks(at.len() / ROGUES));
        let acts: Vec<_> = acts
            .map(|(liar, at)| {
                let act = act(&self.stage, *liar, at);
                self.stage.publish(*liar, Body::Act(act))
            })
            .collect();
        self.stage.pass(Span::from_secs(2));
        acts
    }

    /// Returns who raises an alarm: the hostile seat and witnesses, and some or all of the others.
    fn speakers(&mut self) -> Vec<u32> {
        let watcher = self.watcher();
        let report = self.stage.halt_report(watcher);
        let drawn = report.and_then(|report| report.witnesses);
        let drawn = drawn.map_or(Vec::new(), |(drawn, _)| drawn);
        let drawn = drawn.iter().filter_map(|key| self.stage.world.node(key));
        let drawn: BTreeSet<u32> = drawn.filter(|node| self.hostile.contains(node)).collect();
        self.hostile_witnesses_max = self.hostile_witnesses_max.max(drawn.len());
        let (count, others) = match self.stage.world.nodes() {
            SMALL => (self.hostile.len(), 0),
            _ => (0, OTHERS),
        };
        let of_all = self.hostile.iter().take(count.max(others)).copied();
        let all: BTreeSet<u32> = drawn.into_iter().chain([SEATS - 1]).chain(of_all).collect();
        all.into_iter().collect()
    }

    /// Returns the nodes that agents look after.
    fn at_work(&self) -> Vec<u32> {
        self.agents.iter().map(|agent| agent.other).collect()
    }

    /// An honest node that takes no part in the work.
    fn watcher(&self) -> u32 {
        SEATS - 2
    }

    /// Notes what honest nodes made of the hours that have passed.
    fn look(&mut self, began: Time, seen: &mut Seen) {
        let watcher = self.watcher();
        let at_work: BTreeSet<PublicKey> = self
            .agents
            .iter()
            .map(|agent| agent.node)
            .chain([self.roll_out[0]])
            .map(|agent| self.stage.world.key(agent))
            .collect();
        let (mut critical, mut bad_hours) = (BTreeSet::new(), BTreeSet::new());
        for Alarm { at, node, what } in self.stage.world.alarms() {
            if !self.honest.contains(&node) {
                continue;
            }
            let since = at.since(began).0;
            match what {
                Alarmed::Found {
                    agent,
                    critical: true,
                } => {
                    critical.insert((agent, since / 60_000_000));
                }
                Alarmed::Found {
                    agent,
                    critical: false,
                } => {
                    seen.high += u64::from(node == watcher && at_work.contains(&agent));
                    continue;
                }
                Alarmed::Frozen => seen.freezes += 1,
                Alarmed::Halted { .. } => seen.halts += 1,
            }
            bad_hours.insert(since / 3_600_000_000);
        }
        seen.critical += critical.len() as u64;
        seen.bad_hours += bad_hours.len() as u64;
        seen.alarms += self.alarms;
        seen.hostile_witnesses_max = seen.hostile_witnesses_max.max(self.hostile_witnesses_max);
        if let Some(report) = self.stage.halt_report(watcher) {
            seen.looked_at += report.alerts.len() as u64;
            let heard = report.alerts.iter().filter(|alert| alert.finding.is_ok());
            seen.heard += heard.count() as u64;
        }
        let mut executions: BTreeMap<ContentId, u64> = BTreeMap::new();
        for (act, _) in self.stage.world.executed() {
            *executions.entry(act).or_default() += 1;
        }
        let of = |command: CommandId| {
            let record = self.stage.record_of(command);
            record.map_or(0, |record| executions.get(&record).copied().unwrap_or(0))
        };
        seen.acts += self.asked.len() as u64;
        let ran = self.asked.iter().filter(|asked| of(asked.command) == 2);
        seen.executed += ran.count() as u64;
        seen.roll_outs += self.roll_outs.len() as u64;
        let width = self.roll_out.len() as u64;
        let ran = self
            .roll_outs
            .iter()
            .filter(|command| of(**command) == width);
        seen.rolled_out += ran.count() as u64;
    }

    /// Has hostile agents strike under a root that all accept.
    fn strike(&mut self, seen: &mut Seen) {
        let rogues: Vec<u32> = self.hostile.iter().rev().take(ROGUES).copied().collect();
        let at = self.at_work();
        let stroke = Stroke::of(&mut self.stage, (&rogues, 0), &at, &self.honest);
        seen.strikes += 1;
        seen.found_s.extend(stroke.found.by_share(MOST));
        seen.halted_s.push(stroke.halted.by_share(MOST));
    }
}

fn report(attack: &dyn Attack, config: &Config, seen: &Seen) -> Outcome {
    let mut outcome = Outcome::new(attack, config);
    let [small, large] = seen.hours;
    let hours = u64::from(small + large);
    let where_passed = format!(
        "{hours} h, of which {small} h in meshes of {SMALL} nodes and {large} h in meshes of {}",
        config.nodes
    );
    outcome.claim(
        format!("in {hours} hours no honest node freezes a root or halts"),
        seen.freezes == 0 && seen.halts == 0 && seen.alarms > 0,
        format!(
            "{} freezes, {} halts, {} false alarms; {where_passed}",
            seen.freezes, seen.halts, seen.alarms
        ),
    );
    outcome.claim(
        "no honest node takes usual or certified work for critical",
        seen.critical == 0,
        format!(
            "{} findings in {} acts",
            seen.critical,
            seen.acts + seen.roll_outs
        ),
    );
    outcome.claim(
        "false alarms reach honest nodes and are heard by none",
        seen.looked_at > 0 && seen.heard == 0,
        format!(
            "{} heard of {} that one node still held",
            seen.heard, seen.looked_at
        ),
    );
    let (acts, ran) = (seen.acts.max(1) as f64, seen.executed as f64);
    outcome.claim(
        "usual work is carried out all the while",
        ran >= CARRIED_OUT * acts && seen.acts > 0 && seen.rolled_out == seen.roll_outs,
        format!(
            "{} of {} acts, {} of {} co-signed ones",
            seen.executed, seen.acts, seen.rolled_out, seen.roll_outs
        ),
    );
    let slowest = seen
        .halted_s
        .iter()
        .try_fold(0.0_f64, |slowest, at| Some(slowest.max((*at)?)));
    outcome.claim(
        format!(
            "a true strike then halts 99 % of the honest nodes within {} s",
            secs(LIMIT)
        ),
        slowest.is_some_and(|slowest| slowest <= secs(LIMIT)),
        match slowest {
            Some(slowest) => format!(
                "after {slowest:.2} s in the slowest of {} worlds",
                seen.strikes
            ),
            None => "in a world fewer were halted at all".to_owned(),
        },
    );
    let all_acts = seen.acts + seen.roll_outs;
    outcome.share(
        "acts that complete a critical finding at an honest node",
        seen.critical,
        all_acts,
        None,
    );
    outcome.share(
        "acts that complete a finding for a person to look at",
        seen.high,
        all_acts,
        None,
    );
    outcome.share(
        "hours with a critical finding, a freeze or a halt",
        seen.bad_hours,
        hours,
        None,
    );
    outcome.share(
        "false alarms heard, of those one node still held",
        seen.heard,
        seen.looked_at,
        None,
    );
    outcome.share(
        "acts of usual work that ran",
        seen.executed,
        seen.acts,
        None,
    );
    outcome.count("false alarms raised", seen.alarms, hours);
    outcome.count("acts of usual work", seen.acts, hours);
    outcome.count(
        "hostile among 16 witnesses, at most",
        seen.hostile_witnesses_max as u64,
        hours,
    );
    outcome.mean(
        "a true strike: time until 99 % of the honest nodes have found it",
        "s",
        &seen.found_s,
    );
    let mut halted: Vec<f64> = seen.halted_s.iter().flatten().copied().collect();
    outcome.mean(
        "a true strike: time until 99 % of the honest nodes are halted",
        "s",
        &halted,
    );
    halted.sort_by(f64::total_cmp);
    let points = halted.iter().zip(1_u64..);
    outcome.plots.push(Plot {
        name: "benign-load",
        title: "Worlds in which 99 % of the honest nodes are halted after a true strike".to_owned(),
        x: "time since its first act, s",
        y: "share of the worlds",
        series: vec![Series {
            label: "worlds".to_owned(),
            points: points
                .map(|(at, count)| Point::share(*at, count, seen.strikes))
                .collect(),
        }],
    });
    outcome
}
