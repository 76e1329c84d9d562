//! Old acts, old tickets and old words are brought again.

use x0_protocol::wire::{Act, Body, Record, Request, Verified};

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// Longer than any act lives.
const BEYOND_LIFE: Span = Span::from_secs(11 * 60);

/// See the module.
pub(super) struct Replay;

#[derive(Default)]
struct Seen {
    targets: u64,
    executed: u64,
    logged: u64,
    again: u64,
    late: u64,
    sent: u64,
}

impl Attack for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn summary(&self) -> &'static str {
        "An executed act is pushed to its targets again, at once, after they have restarted and after its life; it is \
         signed again as a new record with the old ticket; its ticket is put on another act."
    }

    fn expected(&self) -> &'static str {
        "Every target executes the act once, and nothing that was made of it."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut seen);
        });
        let Seen {
            targets,
            executed,
            logged,
            again,
            late,
            sent,
        } = seen;
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            "the act is executed once by each target",
            executed == targets && logged == targets,
            format!("{executed} executions at {targets} targets, {logged} in their logs"),
        );
        outcome.claim(
            "nothing that was brought again is executed",
            again == 0,
            format!("{again} executions of {sent} replays"),
        );
        outcome.claim(
            "who was away while the act lived does not execute it afterwards",
            late == 0,
            format!("{late} late executions"),
        );
        outcome.share("replays executed", again, sent, None);
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let nodes = stage.world.nodes();
    let size = (nodes / 100).clamp(5, 100) as usize;
    let (agent, friend) = (stage.order[0], stage.order[1]);
    let mut at = stage.order[2..2 + size].to_vec();
    // One target is away while the act lives; the first three must be there to agree.
    at.sort_by_key(|node| std::cmp::Reverse(stage.world.key(*node)));
    let (away, present) = (at[0], &at[1..]);
    stage.world.crash(away);
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &at);
    let proposed = stage.propose(agent, &act);
    stage.pass(ACT_TIME);
    seen.targets += present.len() as u64;
    let Some(record) = stage
        .record_of(proposed)
        .and_then(|id| find(&stage, agent, &id))
    else {
        return;
    };
    let id = record.value().id();

    push(&mut stage, friend, present, &record, seen);
    for target in present.iter().take(size / 2) {
        stage.world.crash(*target);
        stage.world.restart(*target);
    }
    push(&mut stage, friend, present, &record, seen);
    stage.pass(Span::from_secs(5));
    push(&mut stage, friend, present, &record, seen);

    // The same act, signed again; then its ticket on another act.
    let Body::Act(old) = record.value().body().clone() else {
        return;
    };
    let value = stage.fresh_value();
    let worn = Act {
        warrants: old.warrants.clone(),
        ..stage.act(agent, 0, &[], value, &at)
    };
    let remade = [old, worn].map(|act| stage.publish(agent, Body::Act(act)));
    stage.pass(ACT_TIME);
    for act in remade {
        seen.sent += present.len() as u64;
        seen.again += stage.executed(&act).len() as u64;
    }

    stage.pass(BEYOND_LIFE);
    stage.world.restart(away);
    stage.pass(Span::from_secs(20));
    push(&mut stage, friend, &at, &record, seen);
    stage.pass(Span::from_secs(5));
    let executed = stage.executed(&id);
    seen.late += executed.iter().filter(|node| **node == away).count() as u64;
    seen.executed += executed.len() as u64;
    seen.logged += stage.executions_logged(&id) as u64;
    seen.again += executed.len().saturating_sub(present.len()) as u64;
}

/// Pushes a record to nodes past everybody's gossip.
fn push(stage: &mut Stage, from: u32, to: &[u32], record: &Verified<Record>, seen: &mut Seen) {
    for target in to {
        let records = vec![record.to_unverified()];
        stage
            .world
            .request_past_peer(from, *target, Request::Push { records });
        seen.sent += 1;
    }
    stage.pass(Span::from_secs(2));
}

fn find(stage: &Stage, node: u32, id: &x0_crypto::ContentId) -> Option<Verified<Record>> {
    let mut stored = stage.world.stored(node).iter();
    stored.find(|record| record.value().id() == *id).cloned()
}
