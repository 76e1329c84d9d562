//! An agent signs two acts at one place of its chain, one for each half of the mesh.

use std::collections::BTreeSet;

use x0_protocol::wire::Body;

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// See the module.
pub(super) struct Equivocation;

#[derive(Default)]
struct Seen {
    nodes: u64,
    found: u64,
    both: u64,
    either: u64,
    after: u64,
    refused: u64,
    merged: u64,
    reasons: Vec<String>,
}

impl Attack for Equivocation {
    fn name(&self) -> &'static str {
        "equivocation"
    }

    fn summary(&self) -> &'static str {
        "An agent gets tickets for two acts, signs both at one place of its chain and shows one to each half of the \
         mesh; then it goes on with a third act."
    }

    fn expected(&self) -> &'static str {
        "Every node finds the fork; no target executes both acts; none executes a third while the fork is open."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut seen);
        });
        let Seen {
            nodes,
            found,
            both,
            either,
            after,
            refused,
            merged,
            mut reasons,
        } = seen;
        reasons.sort();
        reasons.dedup();
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            "every honest node finds the fork",
            found == nodes,
            format!("{found} of {nodes} nodes"),
        );
        outcome.claim(
            "no target executes both acts",
            both == 0,
            format!("{both} did, {either} executed one of them"),
        );
        outcome.claim(
            "no target executes a third act while the fork is open",
            after == 0 && refused > 0,
            format!("{after} did, {refused} refused: {}", reasons.join(" / ")),
        );
        outcome.share("nodes that find the fork", found, nodes, None);
        outcome.share(
            "targets that execute an act of a forked author",
            after,
            after + refused,
            None,
        );
        outcome.count(
            "executions after the author's own merge",
            merged,
            u64::from(config.runs),
        );
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let nodes = stage.world.nodes();
    let size = (nodes / 100).clamp(3, 100) as usize;
    let (agent, friend) = (stage.order[0], stage.order[1]);
    let at = stage.order[2..2 + size].to_vec();
    let mut ready = Vec::new();
    for _ in 0..3 {
        let value = stage.fresh_value();
        let act = stage.act(agent, 0, &[], value, &at);
        let Ok(act) = stage.warrant(agent, &act, &at) else {
            return;
        };
        ready.push(act);
    }
    let [one, other, third] =
        <[_; 3]>::try_from(ready).unwrap_or_else(|_| unreachable!("three acts were made"));
    let (place, date) = (stage.chain_end(agent), stage.world.wall());
    let fork = [one, other].map(|act| stage.sign(agent, place, date, Body::Act(act)));
    let after = stage.sign(
        agent,
        (place.0 + 1, Some(fork[0].value().id())),
        date,
        Body::Act(third.clone()),
    );
    // The agent's own peer would mend the fork: it is switched off before it can.
    stage.world.crash(agent);
    let far = stage.order[stage.order.len() - 1];
    stage
        .world
        .publish_past_peer(friend, fork[0].value().clone());
    stage.world.publish_past_peer(far, fork[1].value().clone());
    stage.pass(ACT_TIME);
    stage.world.publish_past_peer(friend, after.value().clone());
    stage.pass(ACT_TIME);

    let key = stage.world.key(agent);
    let found: BTreeSet<_> = stage
        .world
        .forked()
        .into_iter()
        .filter(|(_, whose)| *whose == key)
        .map(|(node, _)| node)
        .collect();
    // Neither the agent, which is off, nor the two that published past their peers.
    let hostile = [agent, friend, far];
    seen.nodes += u64::from(nodes) - 3;
    seen.found += found.iter().filter(|node| !hostile.contains(node)).count() as u64;
    let [one, other] = [&fork[0], &fork[1]].map(|act| {
        stage
            .executed(&act.value().id())
            .into_iter()
            .collect::<BTreeSet<_>>()
    });
    seen.both += one.intersection(&other).count() as u64;
    seen.either += one.union(&other).count() as u64;
    let third = after.value().id();
    seen.after += stage.executed(&third).len() as u64;
    for (why, nodes) in stage.refusals(&third) {
        seen.refused += nodes as u64;
        seen.reasons.push(why);
    }

    // What its own merge is good for: nobody else can judge the fork yet.
    stage.world.restart(agent);
    stage.pass(Span::from_secs(30));
    let rest = stage.order[2 + size..2 + 2 * size].to_vec();
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &rest);
    let proposed = stage.propose(agent, &act);
    stage.pass(ACT_TIME);
    if let Some(record) = stage.record_of(proposed) {
        seen.merged += stage.executed(&record).len() as u64;
    }
}
