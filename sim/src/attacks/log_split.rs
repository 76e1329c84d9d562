//! A node shows one audit log to one half of the mesh and another to the other half.

use x0_protocol::{
    Wall,
    spine::audit::tree::{Frontier, leaf_hash},
    wire::{LogHead, Request},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    stage::{Stage, founding},
};
use crate::{
    random::Seed,
    time::{Span, Time},
};

/// Seats of the committee.
const SEATS: u32 = 4;
/// How long is watched, and how often is looked: catch-ups, with which heads are passed on, come every 300 s or so.
const WATCHED: Span = Span::from_secs(1_800);
const STEP: Span = Span::from_secs(10);
/// How long the halves cannot reach each other, where they cannot.
const APART: Span = Span::from_secs(900);

/// See the module.
pub(super) struct LogSplit;

/// How the two logs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    /// Heads of one size, to nodes that can all reach each other.
    OneSize,
    /// The same, while the halves are apart for a while.
    Apart,
    /// Heads of two sizes, and the author answers nobody who asks it to show that one grew from the other.
    TwoSizes,
}

const ARMS: [Arm; 3] = [Arm::OneSize, Arm::Apart, Arm::TwoSizes];

impl Arm {
    const fn words(self) -> &'static str {
        match self {
            Self::OneSize => "heads of one size",
            Self::Apart => "heads of one size, the halves apart for 900 s",
            Self::TwoSizes => "heads of two sizes, the author silent",
        }
    }
}

/// What one arm came to, over all runs.
#[derive(Default)]
struct Row {
    runs: u64,
    found: u64,
    first_s: Vec<f64>,
    nodes: u64,
    /// Nodes that hold the proof at the end.
    finders: u64,
    /// By time: how many have found it.
    over_time: Vec<u64>,
    early: u64,
    false_ones: u64,
}

impl Attack for LogSplit {
    fn name(&self) -> &'static str {
        "log-split"
    }

    fn summary(&self) -> &'static str {
        "A node signs two audit logs and shows the head of one to half of the mesh, the head of the other to the other \
         half: of one size, of one size while the halves are apart, and of two sizes without answering anybody."
    }

    fn expected(&self) -> &'static str {
        "Two heads of one size meet at an honest node once those who hold them pass heads on, and both signatures are \
         proof; apart, the halves find nothing. Two sizes prove nothing as long as the author does not answer."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut rows: Vec<Row> = ARMS.iter().map(|_| Row::default()).collect();
        config.repeat(pulse, |seed, told| {
            for (number, arm) in ARMS.into_iter().enumerate() {
                attack(seed, config.nodes, arm, &mut rows[number]);
                told((number + 1) as f64 / ARMS.len() as f64);
            }
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &rows);
        outcome
    }
}

fn attack(seed: Seed, nodes: u32, arm: Arm, row: &mut Row) {
    let mut stage = Stage::found(seed, nodes, founding(SEATS));
    let author = stage.order[0];
    let (one, other) = stage.order[1..].split_at(nodes as usize / 2);
    let halves = [one.to_vec(), other.to_vec()];
    stage.world.crash(author);
    stage.pass(Span::from_secs(12));
    let identity = stage.world.identity(author);
    let heads: Vec<LogHead> = [1_u8, 2]
        .into_iter()
        .map(|log| {
            let size = match arm {
                Arm::OneSize | Arm::Apart => 5,
                Arm::TwoSizes => 4 + u64::from(log),
            };
            let leaves = (0..size).map(|entry| leaf_hash(&[log, entry as u8]));
            let root = leaves.collect::<Frontier>().root();
            LogHead::sign(&identity, size, root, Wall(stage.world.wall().0))
        })
        .collect();
    for (half, head) in halves.iter().zip(&heads) {
        for node in half {
            let request = Request::Head(head.to_unverified());
            stage.world.request_past_peer(author, *node, request);
        }
    }
    stage.pass(Span::from_secs(2));
    if arm == Arm::Apart {
        stage.world.isolate(&halves[0]);
    }
    let since = stage.world.now();
    let mut first = None;
    let mut over_time = Vec::new();
    let mut is_apart = arm == Arm::Apart;
    while stage.world.now() < since + WATCHED {
        stage.pass(STEP);
        let now = stage.world.now();
        let found = finders(&stage, author);
        if found > 0 && first.is_none() {
            first = Some(secs(now, since));
        }
        if is_apart {
            row.early += found as u64;
        }
        over_time.push(found as u64);
        if is_apart && now >= since + APART {
            stage.world.join();
            is_apart = false;
        }
    }
    let accused = stage.world.key(author);
    let others = stage.world.split_views().into_iter();
    row.false_ones += others.filter(|(_, of)| *of != accused).count() as u64;
    row.runs += 1;
    row.found += u64::from(first.is_some());
    row.first_s.extend(first);
    row.nodes += u64::from(nodes - 1);
    row.finders += finders(&stage, author) as u64;
    if row.over_time.is_empty() {
        row.over_time = over_time;
    } else {
        let sums = row.over_time.iter_mut().zip(over_time);
        sums.for_each(|(sum, more)| *sum += more);
    }
}

fn secs(now: Time, since: Time) -> f64 {
    now.since(since).0 as f64 / 1e6
}

/// Counts the nodes that have found that the author shows two logs.
fn finders(stage: &Stage, author: u32) -> usize {
    let author = stage.world.key(author);
    let found = stage.world.split_views().into_iter();
    let mut nodes: Vec<_> = found
        .filter(|(_, of)| *of == author)
        .map(|(node, _)| node)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.len()
}

fn report(outcome: &mut Outcome, rows: &[Row]) {
    let [one, apart, two] = rows else { return };
    let found = |row: &Row| format!("in {} of {} runs", row.found, row.runs);
    outcome.claim(
        "two heads of one size are found out by honest nodes that pass heads on",
        one.found == one.runs && one.runs > 0,
        found(one),
    );
    outcome.claim(
        "halves that cannot reach each other find nothing, and do once they can",
        apart.early == 0 && apart.found == apart.runs && apart.runs > 0,
        format!("{}, {} before", found(apart), apart.early),
    );
    outcome.claim(
        "heads of two sizes are proof of nothing as long as their author is silent",
        two.found == 0 && two.runs > 0,
        found(two),
    );
    let false_ones: u64 = rows.iter().map(|row| row.false_ones).sum();
    outcome.claim(
        "nobody else is accused",
        false_ones == 0,
        format!("{false_ones} others were"),
    );
    for (row, arm) in rows.iter().zip(ARMS) {
        let words = arm.words();
        outcome.share(
            format!("{words}: runs in which it is found"),
            row.found,
            row.runs,
            None,
        );
        if !row.first_s.is_empty() {
            outcome.mean(
                format!("{words}: time until the first node has proof"),
                "s",
                &row.first_s,
            );
        }
        outcome.share(
            format!("{words}: nodes that have proof after 1800 s"),
            row.finders,
            row.nodes,
            None,
        );
    }
    let line = |(row, arm): (&Row, Arm)| Series {
        label: arm.words().to_owned(),
        points: row
            .over_time
            .iter()
            .enumerate()
            .map(|(step, found)| {
                let x = (step + 1) as f64 * (STEP.0 as f64 / 1e6);
                Point::share(x, *found, row.nodes)
            })
            .collect(),
    };
    outcome.plots.push(Plot {
        name: "log-split",
        title: "Nodes that have proof of a node that shows two logs".to_owned(),
        x: "time since the heads were shown, s",
        y: "share of the nodes",
        series: rows.iter().zip(ARMS).map(line).collect(),
    });
}
