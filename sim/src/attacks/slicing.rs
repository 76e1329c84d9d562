//! One root's agents cut a change of a fifth of the mesh into slices that are each small enough.

use std::collections::BTreeSet;

use x0_protocol::anti_meave::CosignPolicy;

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    stage::{ACT_TIME, Stage, founding},
};
use crate::{random::Seed, time::Span};

/// Slices that are tried, one per cent each.
const SLICES: usize = 14;
/// Agents who take turns, all under one root.
const DELEGATES: usize = 4;

/// See the module.
pub(super) struct Slicing;

impl Attack for Slicing {
    fn name(&self) -> &'static str {
        "slicing"
    }

    fn summary(&self) -> &'static str {
        "Four delegates of one root, who may each act without limit, change 1 % of the mesh at a time, on nodes of \
         their own; then both sides of a divided mesh do so."
    }

    fn expected(&self) -> &'static str {
        "All slices count as one: at most 10 % of the mesh is changed without co-signers, and honest co-signers refuse. \
         The side of a division that has no quorum changes nothing."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let (mut whole, mut divided, mut without) = (Vec::new(), Vec::new(), 0);
        let mut steps = Vec::new();
        config.repeat(pulse, |seed, _| {
            let changed = slices(seed, config.nodes, &mut steps);
            whole.push(changed as f64 / f64::from(config.nodes));
            let (minority, all) = divide(seed, config.nodes);
            without += minority;
            divided.push(all as f64 / f64::from(config.nodes));
        });
        let most = |shares: &[f64]| shares.iter().copied().fold(0.0, f64::max);
        for (what, shares) in [("one mesh", &whole), ("a divided mesh", &divided)] {
            outcome.claim(
                format!("in {what} slices change at most 10 % without co-signers"),
                most(shares) <= 0.1,
                format!("{:.4} of the mesh at most", most(shares)),
            );
            outcome.mean(format!("share of the mesh changed, {what}"), "", shares);
        }
        outcome.claim(
            "slices within the limit are carried out",
            most(&whole) >= 0.09,
            format!("{:.4} of the mesh", most(&whole)),
        );
        outcome.claim(
            "the side without a quorum changes nothing",
            without == 0,
            format!("{without} nodes changed there"),
        );
        outcome.plots.push(Plot {
            name: "slicing",
            title: "Share of the mesh changed, slice by slice (the first run)".to_owned(),
            x: "slices tried, 1 % each",
            y: "share changed",
            series: vec![Series {
                label: "changed".to_owned(),
                points: steps,
            }],
        });
        outcome
    }
}

/// Everybody refuses to co-sign: a person who knows nothing of the change.
fn refusing(seed: Seed, nodes: u32) -> Stage {
    let mut founding = founding(4);
    founding.cosign = vec![CosignPolicy::Refuse; nodes as usize];
    Stage::found(seed, nodes, founding)
}

fn slices(seed: Seed, nodes: u32, steps: &mut Vec<Point>) -> usize {
    let mut stage = refusing(seed, nodes);
    let is_first = steps.is_empty();
    let targets = stage.order[DELEGATES..].to_vec();
    let size = slice_size(nodes);
    for (number, slice) in targets.chunks(size).take(SLICES).enumerate() {
        let agent = stage.order[number % DELEGATES];
        propose(&mut stage, agent, slice);
        stage.pass(ACT_TIME);
        if is_first {
            let changed = stage.changed().len() as f64 / f64::from(nodes);
            steps.push(Point::exact((number + 1) as f64, changed));
        }
    }
    stage.pass(ACT_TIME);
    stage.changed().len()
}

/// Divides the mesh, has both sides act, joins it and lets them go on; returns what the side without a quorum changed,
/// and what was changed in all.
fn divide(seed: Seed, nodes: u32) -> (usize, usize) {
    let mut stage = refusing(seed, nodes);
    let half = stage.order.len() / 2;
    let (mut small, large) = (stage.order[..half].to_vec(), stage.order[half..].to_vec());
    // One of four seats: three on the other side decide.
    small.push(0);
    stage.world.isolate(&small);
    stage.pass(Span::from_secs(15));
    let size = slice_size(nodes);
    for round in 0..3 {
        for side in [&small, &large] {
            let agents = &side[..2];
            let slice = &side[2 + round * 2 * size..2 + (round + 1) * 2 * size];
            for (agent, slice) in agents.iter().zip(slice.chunks(size)) {
                propose(&mut stage, *agent, slice);
            }
        }
        stage.pass(ACT_TIME);
    }
    let inside: BTreeSet<_> = small.iter().collect();
    let minority = stage
        .changed()
        .iter()
        .filter(|node| inside.contains(node))
        .count();
    stage.world.join();
    stage.pass(Span::from_secs(20));
    for round in 3..6 {
        for side in [&small, &large] {
            let slice = &side[2 + round * 2 * size..2 + (round + 1) * 2 * size];
            for (agent, slice) in side[..2].iter().zip(slice.chunks(size)) {
                propose(&mut stage, *agent, slice);
            }
        }
        stage.pass(ACT_TIME);
    }
    (minority, stage.changed().len())
}

fn slice_size(nodes: u32) -> usize {
    (nodes / 100).clamp(1, 100) as usize
}

fn propose(stage: &mut Stage, agent: u32, at: &[u32]) {
    let act = stage.act(agent, 0, &[], 500, at);
    stage.propose(agent, &act);
}
