//! All links of one node are in hostile hands.

use x0_crypto::ContentId;
use x0_protocol::{
    Command,
    core::command::Status,
    wire::{Act, Body, Record, Request, Verified, Warrants},
};

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// Longest time in which the node must know everything again once the eclipse has ended.
const RECOVERY: u32 = 700;

/// See the module.
pub(super) struct Eclipse;

#[derive(Default)]
struct Seen {
    forged: u64,
    missed: Vec<f64>,
    behind: Vec<f64>,
    off_ms: Vec<f64>,
    revoked: u64,
    revoked_elsewhere: u64,
    recovered: Vec<f64>,
    lost: u64,
    worlds: u64,
}

impl Attack for Eclipse {
    fn name(&self) -> &'static str {
        "eclipse"
    }

    fn summary(&self) -> &'static str {
        "Everybody whom a victim is linked to is hostile: nothing honest reaches it for ten minutes, and it is shown \
         forged acts, and a true act whose token has been revoked meanwhile."
    }

    fn expected(&self) -> &'static str {
        "The victim believes nothing unsigned, and catches up afterwards. It misses what is withheld, a revocation too, \
         and no rule of this version tells it that it does."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut seen);
        });
        let Seen {
            forged,
            missed,
            behind,
            off_ms,
            revoked,
            revoked_elsewhere,
            recovered,
            lost,
            worlds,
        } = seen;
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            "the victim executes no act that nobody warranted",
            forged == 0 && worlds > 0,
            format!("{forged} executions in {worlds} worlds"),
        );
        let most = off_ms.iter().copied().fold(0.0, f64::max);
        outcome.claim(
            "the victim's mesh time goes on by its own clock",
            most < 5_000.0,
            format!("off by {most:.0} ms at most"),
        );
        outcome.claim(
            "once one honest link is open the victim learns all it missed",
            lost == 0,
            format!("{lost} records never came"),
        );
        outcome.claim(
            "an act under a revoked token is executed by nobody who knows of it",
            revoked_elsewhere == 0,
            format!("{revoked_elsewhere} executions elsewhere"),
        );
        outcome.share(
            "victims that execute an act whose token was revoked meanwhile",
            revoked,
            worlds,
            None,
        );
        outcome.mean("records withheld", "", &missed);
        outcome.mean(
            "blocks that the victim's checkpoint lags behind",
            "",
            &behind,
        );
        outcome.mean("error of the victim's mesh time", "ms", &off_ms);
        outcome.mean(
            "time from the end of the eclipse until nothing is missing",
            "s",
            &recovered,
        );
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    // Nobody around the victim has a seat: the rest of the mesh goes on.
    let is_lone = |stage: &Stage, node: &u32| {
        stage
            .world
            .gossip_neighbours(*node)
            .iter()
            .all(|other| *other >= 4)
    };
    let found = stage
        .order
        .iter()
        .copied()
        .find(|node| is_lone(&stage, node));
    let Some(victim) = found else { return };
    let circle = stage.world.gossip_neighbours(victim);
    let (agent, hostile) = (circle[0], circle[1]);
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &[victim]);
    let Ok(ready) = stage.warrant(agent, &act, &[victim]) else {
        return;
    };

    stage.world.eclipse(victim, circle.iter().copied());
    stage.pass(Span::from_secs(15));
    // Outside, the token is revoked and life goes on.
    let Ok(capability) = act.token.verify(&act.root) else {
        return;
    };
    let Ok(reason) = "stolen".parse() else { return };
    let ids = capability.revocation_ids().to_vec();
    stage.world.command(0, Command::Revoke { ids, reason });
    for _ in 0..3 {
        let (by, at) = (stage.order[3], stage.order[4..7].to_vec());
        if by == victim || at.contains(&victim) {
            continue;
        }
        let value = stage.fresh_value();
        let other = stage.act(by, 1, &[], value, &at);
        stage.propose(by, &other);
        stage.pass(ACT_TIME);
    }
    // Inside, the victim is shown what is forged, and then the true act.
    let value = stage.fresh_value();
    let bare = stage.act(hostile, 0, &[], value, &[victim]);
    let worn = Act {
        warrants: ready.warrants.clone(),
        ..bare.clone()
    };
    let foreign = Act {
        warrants: Warrants::default().to_wire(),
        ..bare
    };
    let mut forged = Vec::new();
    for act in [worn, foreign] {
        forged.push(show(&mut stage, hostile, victim, Body::Act(act)));
    }
    let shown = stage.sign_next(agent, Body::Act(ready));
    push(&mut stage, agent, victim, &shown);
    stage.pass(Span::from_secs(500));
    seen.worlds += 1;
    seen.forged += forged
        .iter()
        .map(|act| stage.executed(act).len() as u64)
        .sum::<u64>();
    let executed = stage.executed(&shown.value().id());
    seen.revoked += executed.iter().filter(|node| **node == victim).count() as u64;
    seen.revoked_elsewhere += executed.iter().filter(|node| **node != victim).count() as u64;
    note(&mut stage, victim, seen);
    recover(&mut stage, victim, seen);
}

/// Signs a record and pushes it to the victim.
fn show(stage: &mut Stage, by: u32, victim: u32, body: Body) -> ContentId {
    let record = stage.sign_next(by, body);
    push(stage, by, victim, &record);
    record.value().id()
}

fn push(stage: &mut Stage, by: u32, victim: u32, record: &Verified<Record>) {
    let records = vec![record.to_unverified()];
    stage
        .world
        .request_past_peer(by, victim, Request::Push { records });
    stage.pass(Span::from_secs(2));
}

/// Notes what the victim does not know, beside a node outside.
fn note(stage: &mut Stage, victim: u32, seen: &mut Seen) {
    let height = |status: &Status| status.trust.checkpoint.map_or(0, |(height, _)| height);
    let (now, outside) = (stage.world.wall(), stage.order[1]);
    seen.missed.push(missing(stage, outside, victim) as f64);
    let (Some(inside), Some(outside)) = (stage.status(victim), stage.status(0)) else {
        return;
    };
    seen.behind
        .push(height(&outside).saturating_sub(height(&inside)) as f64);
    if let Some(time) = inside.trust.time {
        // The answer came 200 ms after the look at the clock, at most.
        seen.off_ms.push(time.0.abs_diff(now.0) as f64);
    }
}

/// Ends the eclipse and waits until the victim knows everything again.
fn recover(stage: &mut Stage, victim: u32, seen: &mut Seen) {
    stage.world.join();
    let outside = stage.order[1];
    for waited in 1..=RECOVERY {
        stage.pass(Span::from_secs(1));
        if missing(stage, outside, victim) == 0 {
            seen.recovered.push(f64::from(waited));
            return;
        }
    }
    seen.lost += missing(stage, outside, victim) as u64;
}

/// Counts the records on one node's disk that another does not know.
fn missing(stage: &Stage, of: u32, at: u32) -> usize {
    let records = stage.world.stored(of).iter();
    records
        .filter(|record| !stage.world.knows(at, &record.value().id()))
        .count()
}
