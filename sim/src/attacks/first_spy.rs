//! Nodes that keep to the protocol note from whom they first hear a record that names nobody, and guess where it began.
//!
//! The estimator is the first spy's of Dandelion++ (Fanti et al. 2018, section 3): whoever sent the record to the first of
//! the observers is taken for its origin. As observers do nothing but note, one run serves every set of them.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::ContentId;
use x0_protocol::{
    Command, Millis, Wall,
    charter::{
        Charter,
        violation::{Violation, receipt::Receipt, sealed},
    },
    core::{
        case::CaseCommand,
        limits::{REPORT_WORK_BITS, SEALED_AN_HOUR_MAX},
    },
    wire::{Record, Report, Verified},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    stage::{Stage, founding},
};
use crate::{
    random::{Purpose, Seed},
    time::{Span, Time},
    world::Founding,
};

/// Seats of the committee, without which nobody can seal a report.
const SEATS: u32 = 4;
/// Shares of the nodes that observe, per million.
const OBSERVERS_PPM: [u32; 6] = [10_000, 20_000, 50_000, 100_000, 200_000, 330_000];
/// Hours by which reports may be dated so that all are kept: this one and the two before.
const HOURS: u32 = 3;
/// Sealed reports of one world are at most so many as nodes keep of these hours; one node in twenty says one.
const NODES_A_REPORT: u32 = 20;
/// Time between two reports.
const BETWEEN: Span = Span::from_secs(1);
/// Time until the last report is everywhere.
const SPREADS: Span = Span::from_secs(30);
/// The time within which a report must be with nearly all.
const LIMIT_S: f64 = 15.0;
/// What nearly all is.
const MOST: f64 = 0.99;
/// How much less often origins must be guessed right than without stems.
const LESS: f64 = 0.7;
/// Up to this share of observers, per million, the recall must be near their share.
const FEW_PPM: u32 = 100_000;
/// By how much it may be above.
const ABOVE: f64 = 0.02;

/// See the module.
pub(super) struct FirstSpy;

/// How reports leave the node that says them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// As the protocol has it: along a stem first.
    Stem,
    /// Handed to the node's gossip at once.
    Gossip,
}

/// What was seen of one way.
#[derive(Default)]
struct Seen {
    /// By share of observers: guesses that are right, guesses, and the precision in each draw.
    guessed: BTreeMap<u32, (u64, u64, Vec<f64>)>,
    /// Links that a report passed before it was gossiped.
    hops: Vec<f64>,
    /// Time until most nodes had a report, s.
    most_s: Vec<f64>,
    unknown: u64,
    reports: u64,
}

/// A report on its way: who said it, when, and who heard it first from whom, in order.
struct Said {
    origin: u32,
    at: Time,
    id: ContentId,
    heard: Vec<(Time, u32, u32)>,
    hops: u32,
}

impl Way {
    const ALL: [Self; 2] = [Self::Stem, Self::Gossip];

    const fn name(self) -> &'static str {
        match self {
            Self::Stem => "with a stem",
            Self::Gossip => "gossiped at once",
        }
    }
}

impl Attack for FirstSpy {
    fn name(&self) -> &'static str {
        "first-spy"
    }

    fn summary(&self) -> &'static str {
        "A share of the nodes, 1 % to 33 %, keeps to the protocol and notes from whom each first hears sealed reports; \
         together they take whoever sent one to the first of them for its origin."
    }

    fn expected(&self) -> &'static str {
        "They are right about as often as the first link of a stem leads to one of them, and no more: far less often than \
         without stems. Reports still reach everybody within 15 s."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen: BTreeMap<Way, Seen> = BTreeMap::new();
        config.repeat(pulse, |seed, tell| {
            let mut reports = Vec::new();
            for (part, way) in Way::ALL.into_iter().enumerate() {
                let said = say_all(seed, config.nodes, way, &mut reports, &mut seen);
                guess_all(seed, config, &said, seen.entry(way).or_default());
                tell((part + 1) as f64 / 2.0);
            }
        });
        let mut outcome = Outcome::new(self, config);
        report(&mut outcome, &seen);
        outcome
    }
}

/// Has reports said in a new world and returns who heard them from whom. The second world of a seed is like the first, so
/// that its reports are the same.
fn say_all(
    seed: Seed,
    nodes: u32,
    way: Way,
    reports: &mut Vec<Verified<Record>>,
    seen: &mut BTreeMap<Way, Seen>,
) -> Vec<Said> {
    let mut founding = Founding {
        listens: true,
        ..founding(SEATS)
    };
    founding.parameters.charter = Some(Charter::shipped());
    let mut stage = Stage::found(seed, nodes, founding);
    let count = (nodes / NODES_A_REPORT).min(SEALED_AN_HOUR_MAX * HOURS);
    let mut said = Vec::new();
    for number in 0..count {
        let known = reports.get(number as usize).cloned();
        let Some(record) = known.or_else(|| seal(&stage, seed, number)) else {
            continue;
        };
        if reports.len() == number as usize {
            reports.push(record.clone());
        }
        let origin = stage.order[number as usize];
        said.push(Said {
            origin,
            at: stage.world.now(),
            id: record.value().id(),
            heard: Vec::new(),
            hops: 0,
        });
        match way {
            Way::Stem => {
                let command = CaseCommand::Submit(Box::new(record.to_unverified()));
                stage.world.command(origin, Command::Case(command));
            }
            Way::Gossip => stage
                .world
                .publish_past_peer(origin, record.value().clone()),
        }
        stage.pass(BETWEEN);
    }
    stage.pass(SPREADS);
    let places: BTreeMap<_, _> = said
        .iter()
        .enumerate()
        .map(|(at, one)| (one.id, at))
        .collect();
    for heard in stage.world.heard() {
        let Some(one) = places.get(&heard.record).map(|at| &mut said[*at]) else {
            continue;
        };
        one.heard.push((heard.at, heard.node, heard.from));
        one.hops += u32::from(heard.on_stem);
    }
    let seen = seen.entry(way).or_default();
    for one in &mut said {
        one.heard.sort_unstable();
        let mut nodes_heard = BTreeSet::from([one.origin]);
        one.heard.retain(|(_, node, _)| nodes_heard.insert(*node));
        let most = (f64::from(nodes) * MOST) as usize;
        if let Some((at, ..)) = one.heard.get(most.saturating_sub(2)) {
            seen.most_s.push(at.since(one.at).0 as f64 / 1e6);
        }
        seen.hops.push(f64::from(one.hops));
        let knows = |node: &u32| *node == one.origin || stage.world.knows(*node, &one.id);
        seen.unknown += (0..nodes).filter(|node| !knows(node)).count() as u64;
    }
    seen.reports += said.len() as u64;
    said
}

/// Seals a report, so that at most as many are dated in one hour as nodes keep.
fn seal(stage: &Stage, seed: Seed, number: u32) -> Option<Verified<Record>> {
    let key = stage.world.keys_of(0, 1)?.decryption;
    let receipt = Receipt::of_seed(seed.bytes(Purpose::Receipt, number).into());
    let report = Report {
        accused: Some(stage.world.key(0)),
        sort: Violation::SilentCollection,
        description: "It kept where people were.".to_owned().try_into().ok()?,
        evidence: vec![ContentId::of(b"a log of it")],
        asked: "That it ends".parse().ok()?,
    };
    // A minute for the reports to be said in: they are taken up to two hours after their date.
    let back = Millis::from_mins(59).0 * u64::from(number / SEALED_AN_HOUR_MAX);
    let dated = Wall(stage.world.wall().0.saturating_sub(back));
    let mesh = stage.world.mesh();
    sealed::seal(&key, &mesh, &report, &receipt, (dated, REPORT_WORK_BITS)).ok()
}

/// Draws sets of observers and has each guess all reports.
fn guess_all(seed: Seed, config: &Config, said: &[Said], seen: &mut Seen) {
    for (sort, share) in (0..).zip(OBSERVERS_PPM) {
        // A share of a number of 32 bits.
        let count = (u64::from(config.nodes) * u64::from(share) / 1_000_000).max(1) as usize;
        for draw in 0..config.draws {
            let mut order: Vec<u32> = (0..config.nodes).collect();
            let stream = (sort << 20) | draw;
            seed.stream(Purpose::Fault, stream).shuffle(&mut order);
            let mut observes = vec![false; order.len()];
            for node in &order[..count] {
                observes[*node as usize] = true;
            }
            let (right, guesses, precision) = guess(said, &observes);
            let known = seen.guessed.entry(share).or_default();
            known.0 += right;
            known.1 += guesses;
            if guesses > 0 {
                known.2.push(precision);
            }
        }
    }
}

/// Guesses the origin of every report that no observer said; returns how many guesses are right, how many there are, and the
/// precision: each right guess counts for less the more reports are taken for those of the same node.
fn guess(said: &[Said], observes: &[bool]) -> (u64, u64, f64) {
    let hidden = said.iter().filter(|one| !observes[one.origin as usize]);
    let guesses: Vec<_> = hidden
        .map(|one| {
            let mut heard = one.heard.iter();
            let first = heard.find(|(_, node, _)| observes[*node as usize]);
            (one.origin, first.map(|(_, _, from)| *from))
        })
        .collect();
    let mut taken_for: BTreeMap<u32, u32> = BTreeMap::new();
    for guess in guesses.iter().filter_map(|(_, guess)| *guess) {
        *taken_for.entry(guess).or_default() += 1;
    }
    let right = || {
        guesses
            .iter()
            .filter(|(origin, guess)| Some(*origin) == *guess)
    };
    let exact: f64 = right()
        .map(|(origin, _)| 1.0 / f64::from(taken_for[origin]))
        .sum();
    let precision = exact / guesses.len().max(1) as f64;
    (right().count() as u64, guesses.len() as u64, precision)
}

fn report(outcome: &mut Outcome, seen: &BTreeMap<Way, Seen>) {
    let none = Seen::default();
    let [stem, gossip] = Way::ALL.map(|way| seen.get(&way).unwrap_or(&none));
    let recall = |seen: &Seen, share: &u32| {
        let (right, guesses, _) = seen.guessed.get(share)?;
        Some(*right as f64 / (*guesses).max(1) as f64)
    };
    for share in &OBSERVERS_PPM {
        let part = f64::from(*share) / 1e6;
        let (Some(with), Some(without)) = (recall(stem, share), recall(gossip, share)) else {
            continue;
        };
        let percent = part * 100.0;
        let detail = format!("{with:.4} of the guesses, and {without:.4} without stems");
        outcome.claim(
            format!(
                "{percent} % observe: with a stem they are right at most {LESS} times as often"
            ),
            with <= LESS * without,
            detail.clone(),
        );
        if *share <= FEW_PPM {
            outcome.claim(
                format!("{percent} % observe: they are right about as often as they are many, give or take {ABOVE}"),
                with <= part + ABOVE,
                detail,
            );
        }
    }
    outcome.claim(
        format!(
            "whatever way a report goes, {} % of the nodes have it within {LIMIT_S} s",
            MOST * 100.0
        ),
        stem.reports > 0 && stem.most_s.len() as u64 == stem.reports && slowest(stem) <= LIMIT_S,
        format!("{:.2} s in the slowest of {}", slowest(stem), stem.reports),
    );
    outcome.claim(
        "every report is known to every node in the end",
        stem.reports > 0 && stem.unknown == 0,
        format!("{} reports lack at nodes", stem.unknown),
    );
    let mut lines = Vec::new();
    for way in Way::ALL {
        let seen = seen.get(&way).unwrap_or(&none);
        let mut points = Vec::new();
        for (share, (right, guesses, precision)) in &seen.guessed {
            let (name, part) = (way.name(), f64::from(*share) / 1e6);
            let percent = part * 100.0;
            outcome.share(
                format!("{name}, {percent} % observe: recall"),
                *right,
                *guesses,
                None,
            );
            outcome.mean(
                format!("{name}, {percent} % observe: precision"),
                "",
                precision,
            );
            points.push(Point::share(part, *right, *guesses));
        }
        lines.push(Series {
            label: way.name().to_owned(),
            points,
        });
        let name = way.name();
        if way == Way::Stem {
            outcome.mean(
                "links that a report passes before it is gossiped",
                "",
                &seen.hops,
            );
        }
        outcome.mean(
            format!("{name}: time until 99 % of the nodes have it"),
            "s",
            &seen.most_s,
        );
    }
    let shares = OBSERVERS_PPM.iter().map(|share| f64::from(*share) / 1e6);
    lines.push(Series {
        label: "as often as they are many".to_owned(),
        points: shares.map(|part| Point::exact(part, part)).collect(),
    });
    outcome.plots.push(Plot {
        name: "first-spy",
        title: "Origins that observers guess right".to_owned(),
        x: "share of the nodes that observe",
        y: "share of the reports",
        series: lines,
    });
}

fn slowest(seen: &Seen) -> f64 {
    seen.most_s.iter().copied().fold(0.0, f64::max)
}
