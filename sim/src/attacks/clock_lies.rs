//! Hostile seats lie about the time.

use std::collections::BTreeMap;

use x0_protocol::Wall;

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    stage::{Stage, founding},
};
use crate::{
    random::{Purpose, Seed},
    time::Span,
};

/// Seats of the committee: one may lie.
const SEATS: u32 = 4;
/// How far honest clocks are off, ms, at most.
const HONEST_MS: u32 = 2_000;
/// How far liars' clocks are off, ms.
const LIES_MS: [i64; 4] = [5 * 60_000, -5 * 60_000, 24 * 3_600_000, -24 * 3_600_000];
/// How long each world is watched.
const WATCHED: u32 = 60;
/// Most time from one block to the next while nothing is to be decided, ms: heartbeat, rounds waited out, agreement.
const BLOCK_MS: f64 = 20_000.0;

/// See the module.
pub(super) struct ClockLies;

impl Attack for ClockLies {
    fn name(&self) -> &'static str {
        "clock-lies"
    }

    fn summary(&self) -> &'static str {
        "One of four seats says that it is five minutes or a day later or earlier than it is; then two do so."
    }

    fn expected(&self) -> &'static str {
        "One moves mesh time nowhere beyond what honest clocks show. Two are more than the committee is made for, and \
         may move it."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut lines = Vec::new();
        for liars in [1_u32, 2] {
            let mut points = Vec::new();
            let (mut ahead, mut behind, mut stopped) = (f64::MIN, f64::MIN, 0_u64);
            for (number, lie) in LIES_MS.into_iter().enumerate() {
                let mut errors = Vec::new();
                let done = f64::from(liars - 1) + number as f64 / LIES_MS.len() as f64;
                let of_all = |share: f64| pulse((done + share / LIES_MS.len() as f64) / 2.0);
                config.repeat(&of_all, |seed, _| {
                    let world = watch(seed, config.nodes, liars, lie);
                    stopped += u64::from(world.is_empty());
                    errors.extend(world);
                });
                ahead = errors.iter().copied().fold(ahead, f64::max);
                behind = errors.iter().map(|error| -error).fold(behind, f64::max);
                outcome.mean(
                    format!(
                        "{} min by {liars} of {SEATS}: error of mesh time as it is decided",
                        lie / 60_000
                    ),
                    "ms",
                    &errors,
                );
                let worst = errors.iter().copied().fold(0.0, |worst: f64, error| {
                    if error.abs() > worst.abs() {
                        error
                    } else {
                        worst
                    }
                });
                points.push(Point::exact(lie as f64 / 60_000.0, worst / 1_000.0));
            }
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            lines.push(Series {
                label: format!("{liars} of {SEATS} lie"),
                points,
            });
            if liars == 1 {
                outcome.claim(
                    "one liar moves mesh time nowhere beyond what honest clocks show",
                    ahead <= f64::from(HONEST_MS) + 1.0 && behind <= f64::from(HONEST_MS) + BLOCK_MS,
                    format!("{ahead:.0} ms ahead at most, {behind:.0} ms behind with the age of the block"),
                );
                outcome.claim(
                    "mesh time never stands still for one liar",
                    stopped == 0,
                    format!("{stopped} worlds without a block"),
                );
            }
        }
        outcome.plots.push(Plot {
            name: "clock-lies",
            title: "Largest error of mesh time, by what the liars say".to_owned(),
            x: "lie, minutes",
            y: "error of mesh time, s",
            series: lines,
        });
        outcome
    }
}

/// Lets seats lie and returns how far mesh time was off whenever a block was new, ms.
fn watch(seed: Seed, nodes: u32, liars: u32, lie: i64) -> Vec<f64> {
    let mut founding = founding(SEATS);
    let mut stream = seed.stream(Purpose::Workload, 3);
    let honest = (liars..SEATS).map(|seat| {
        let off = i64::from(stream.below(2 * HONEST_MS)) - i64::from(HONEST_MS);
        (seat, off)
    });
    let mut clocks: BTreeMap<_, _> = honest.collect();
    clocks.extend((0..liars).map(|seat| (seat, lie)));
    founding.clock_errors_ms = clocks;
    // Only the seats take part in this: a hundred nodes are as good as many.
    let mut stage = Stage::found(seed, nodes.min(100), founding);
    let watcher = SEATS - 1;
    let mut errors = Vec::new();
    let mut last: Option<u64> = None;
    for _ in 0..WATCHED * 5 {
        stage.pass(Span::from_millis(200));
        let now = stage.world.wall();
        let block = stage.world.decided(watcher).last();
        let Some((height, time)) = block.map(|block| (block.height, block.median())) else {
            continue;
        };
        if last.is_some_and(|last| last < height) {
            errors.push(error_ms(time, now));
        }
        last = Some(height);
    }
    errors
}

fn error_ms(time: Wall, now: Wall) -> f64 {
    time.0 as f64 - now.0 as f64
}
