//! An agent whose token allows 1 % of the mesh tries to change more with it.

use x0_crypto::capability::{Caveat, ShareBp};
use x0_protocol::wire::{Act, Body};

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// See the module.
pub(super) struct RogueAgent;

/// What one world showed.
#[derive(Default)]
struct Seen {
    within: u64,
    allowed: u64,
    beyond: u64,
    refused: u64,
    /// Nodes whose policy differs from the first on their disks, and all nodes.
    changed: u64,
    nodes: u64,
    reasons: Vec<String>,
}

impl Attack for RogueAgent {
    fn name(&self) -> &'static str {
        "rogue-agent"
    }

    fn summary(&self) -> &'static str {
        "An agent with a valid token for 1 % of the mesh sends wider acts past its own peer: bare, with a ticket of \
         another act, over a confederate, and asks the seats for a wider ticket."
    }

    fn expected(&self) -> &'static str {
        "The act within the token runs on all its targets; no node executes any other, whatever it carries."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut all = Seen::default();
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut all);
        });
        let Seen {
            within,
            allowed,
            beyond,
            refused,
            changed,
            nodes,
            mut reasons,
        } = all;
        reasons.sort();
        reasons.dedup();
        let mut outcome = Outcome::new(self, config);
        let runs = u64::from(config.runs);
        outcome.claim(
            "the act within the token is executed by all its targets",
            within == allowed,
            format!("{within} of {allowed}"),
        );
        outcome.claim(
            "no node executes an act beyond the token",
            beyond == 0,
            format!("{beyond} executions; refused for: {}", reasons.join(" / ")),
        );
        outcome.claim(
            "on the disks of the mesh no more nodes are changed than the token allows",
            changed <= allowed && changed == within,
            format!("{changed} nodes of {nodes}, {allowed} allowed"),
        );
        outcome.claim(
            "targets refuse what reaches them, with a reason",
            refused > 0,
            format!("{refused} refusals"),
        );
        outcome.share(
            "targets that execute an act within the token",
            within,
            allowed,
            None,
        );
        outcome.share(
            "targets that execute an act beyond it",
            beyond,
            beyond + refused,
            None,
        );
        outcome.share(
            "nodes of the mesh changed, by their disks",
            changed,
            nodes,
            Some(allowed as f64 / nodes.max(1) as f64),
        );
        outcome.count("executions beyond the token", beyond, runs);
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let nodes = stage.world.nodes();
    let (agent, friend) = (stage.order[0], stage.order[1]);
    // Beyond 100 nodes an act needs a vote, whatever the token says.
    let within = (nodes / 100).clamp(1, 100) as usize;
    let small = stage.order[2..2 + within].to_vec();
    let wide = stage.order[2..2 + 2 * within].to_vec();
    let limits = [Caveat::AffectsNetworkPctLe(ShareBp::from_percent(1))];

    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &limits, value, &small);
    let proposed = stage.propose(agent, &act);
    stage.pass(ACT_TIME);
    seen.allowed += small.len() as u64;
    if let Some(record) = stage.record_of(proposed) {
        seen.within += stage.executed(&record).len() as u64;
    }

    let value = stage.fresh_value();
    let wider = stage.act(agent, 0, &limits, value, &wide);
    let bare = stage.publish(agent, Body::Act(wider.clone()));

    // A ticket for the small act, worn by the wide one.
    let value = stage.fresh_value();
    let others = stage.order[2 + 3 * within..2 + 4 * within].to_vec();
    let decoy = stage.act(agent, 0, &limits, value, &others);
    let mut tries = vec![bare];
    if let Ok(decoy) = stage.warrant(agent, &decoy, &others) {
        let worn = Act {
            warrants: decoy.warrants.clone(),
            ..wider.clone()
        };
        tries.push(stage.publish(agent, Body::Act(worn)));
        stage.pass(Span::from_secs(2));
    }
    // The seats themselves, asked for the wide act.
    match stage.ask_ticket(agent, &wider) {
        Err(why) => seen.reasons.push(format!("by the seats: {why}")),
        Ok(warrants) => {
            let admitted = Act {
                warrants: warrants.to_wire(),
                ..wider.clone()
            };
            tries.push(stage.publish(agent, Body::Act(admitted)));
        }
    }
    // The token in the hands of somebody else, on nodes that nobody has changed yet.
    let value = stage.fresh_value();
    let fresh = stage.order[2 + 2 * within..2 + 3 * within].to_vec();
    let copied = Act {
        token: wider.token.clone(),
        ..stage.act(friend, 0, &[], value, &fresh)
    };
    if let Err(why) = stage.ask_ticket(friend, &copied) {
        seen.reasons.push(format!("by the seats: {why}"));
    }
    tries.push(stage.publish(friend, Body::Act(copied)));
    stage.pass(ACT_TIME);
    seen.changed += stage.changed().len() as u64;
    seen.nodes += u64::from(nodes);
    for act in tries {
        seen.beyond += stage.executed(&act).len() as u64;
        for (why, nodes) in stage.refusals(&act) {
            seen.refused += nodes as u64;
            seen.reasons.push(why);
        }
    }
}
