//! Rogue agents strike at once, and a part of the mesh keeps quiet about it: how long until all others stand.

use std::collections::BTreeSet;

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    stage::{Stage, founding},
    stroke::{LIMIT, MOST, ROGUES, Stroke, Told, WATCHED, secs},
};
use crate::{random::Seed, time::Span};

/// Seats of the committee: two may be hostile.
const SEATS: u32 = 7;
/// Seats that keep quiet.
const FAULTY: u32 = 2;
/// Time in which links to nodes without power are noticed.
const NOTICED: Span = Span::from_secs(12);
/// Points of a line of the picture, and the time between two of them, s.
const POINTS: u32 = 60;
const STEP_S: f64 = 0.1;

/// See the module.
pub(super) struct HaltSpread;

/// Who can halt the mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speakers {
    Committee,
    Witnesses,
}

/// What the worlds of one kind showed.
#[derive(Default)]
struct Seen {
    found: Vec<Told>,
    halted: Vec<Told>,
    executed: u64,
    quiet_witnesses: Vec<f64>,
}

impl Speakers {
    const ALL: [Self; 2] = [Self::Committee, Self::Witnesses];

    const fn name(self) -> &'static str {
        match self {
            Self::Committee => "committee at work",
            Self::Witnesses => "committee silent, drawn witnesses alone",
        }
    }
}

impl Attack for HaltSpread {
    fn name(&self) -> &'static str {
        "halt-spread"
    }

    fn summary(&self) -> &'static str {
        "Three agents under one root make the same change at once, past the committee, while a third of the members and \
         two of seven seats pass nothing on and raise no alarm; then the same with no seat at all."
    }

    fn expected(&self) -> &'static str {
        "99 % of the honest nodes are halted within 5 s of the first act, by alerts that travelled as gossip; no target \
         runs an act of the stroke."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut lines = Vec::new();
        for (part, speakers) in Speakers::ALL.into_iter().enumerate() {
            let of_both = |share: f64| pulse((part as f64 + share) / 2.0);
            let mut seen = Seen::default();
            config.repeat(&of_both, |seed, _| {
                attack(config, seed, speakers, &mut seen)
            });
            report(&mut outcome, speakers, &seen, &mut lines);
        }
        outcome.plots.push(Plot {
            name: "halt-spread",
            title: "Honest nodes that have found the stroke, and are halted".to_owned(),
            x: "time since the first act, s",
            y: "share of the honest nodes",
            series: lines,
        });
        outcome
    }
}

fn attack(config: &Config, seed: Seed, speakers: Speakers, seen: &mut Seen) {
    let mut stage = Stage::found(seed, config.nodes, founding(SEATS));
    let nodes = stage.world.nodes();
    let count = config.hostile_of(nodes - SEATS) as usize;
    let (quiet, rest) = stage.order.split_at(count.max(ROGUES));
    let at = rest[..(nodes as usize / 100).clamp(ROGUES, 300)].to_vec();
    let mut quiet: BTreeSet<u32> = quiet.iter().copied().collect();
    let rogues = stage.order[..ROGUES].to_vec();
    match speakers {
        Speakers::Committee => quiet.extend(SEATS - FAULTY..SEATS),
        Speakers::Witnesses => (0..SEATS).for_each(|seat| stage.world.crash(seat)),
    }
    stage.world.mute(quiet.iter().copied());
    stage.pass(NOTICED);
    let report = stage.halt_report(at[0]);
    let drawn = report.and_then(|report| report.witnesses);
    if let Some((drawn, _)) = drawn {
        let keeps_quiet = |key| {
            let node = stage.world.node(key);
            node.is_none_or(|node| quiet.contains(&node) || !stage.world.is_up(node))
        };
        let count = drawn.iter().filter(|key| keeps_quiet(key)).count();
        seen.quiet_witnesses.push(count as f64);
    }
    let honest = (0..nodes).filter(|node| stage.world.is_up(*node) && !quiet.contains(node));
    let honest = honest.collect();

    let stroke = Stroke::of(&mut stage, (&rogues, 0), &at, &honest);

    let executed = stroke.acts.iter().map(|act| stage.executed(act).len());
    seen.executed += executed.sum::<usize>() as u64;
    seen.found.push(stroke.found);
    seen.halted.push(stroke.halted);
}

fn report(outcome: &mut Outcome, speakers: Speakers, seen: &Seen, lines: &mut Vec<Series>) {
    let name = speakers.name();
    let limit = secs(LIMIT);
    let by_most: Vec<_> = seen.halted.iter().map(|told| told.by_share(MOST)).collect();
    let slowest = by_most
        .iter()
        .try_fold(0.0_f64, |slowest, at| Some(slowest.max((*at)?)));
    outcome.claim(
        format!("{name}: 99 % of the honest nodes are halted within {limit} s of the first critical evidence"),
        slowest.is_some_and(|slowest| slowest <= limit),
        match slowest {
            Some(slowest) => format!("after {slowest:.2} s in the slowest of {} runs", by_most.len()),
            None => format!("in a run fewer than 99 % were halted within {} s", secs(WATCHED)),
        },
    );
    outcome.claim(
        format!("{name}: no target runs an act of the stroke"),
        seen.executed == 0,
        format!("{} executions", seen.executed),
    );
    outcome.mean(
        format!("{name}: witnesses of 16 that keep quiet"),
        "",
        &seen.quiet_witnesses,
    );
    for (what, all) in [("have found it", &seen.found), ("are halted", &seen.halted)] {
        for (share, part) in [(0.5, "half"), (MOST, "99 %")] {
            let times: Vec<_> = all.iter().filter_map(|told| told.by_share(share)).collect();
            outcome.mean(
                format!("{name}: time until {part} of the honest nodes {what}"),
                "s",
                &times,
            );
        }
        let last: Vec<_> = all.iter().filter_map(Told::last).collect();
        outcome.mean(
            format!("{name}: time until the last of those who {what}"),
            "s",
            &last,
        );
        let trials = all.iter().map(Told::nodes).sum();
        for within in [limit, secs(WATCHED)] {
            let hits = all.iter().map(|told| told.by(within)).sum();
            outcome.share(
                format!("{name}: honest nodes that {what} within {within} s"),
                hits,
                trials,
                None,
            );
        }
        let points = (0..=POINTS).map(|step| {
            let x = f64::from(step) * STEP_S;
            Point::share(x, all.iter().map(|told| told.by(x)).sum(), trials)
        });
        lines.push(Series {
            label: format!("{what}: {name}"),
            points: points.collect(),
        });
    }
}
