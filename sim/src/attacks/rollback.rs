//! Nodes and a seat come back from an old copy of their disks, and old acts are shown to them.

use std::collections::BTreeMap;

use x0_crypto::ContentId;
use x0_protocol::wire::{Record, Request, Verified};

use super::{
    Attack, Config, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::time::Span;

/// See the module.
pub(super) struct Rollback;

#[derive(Default)]
struct Seen {
    restored: u64,
    alone: u64,
    at_once: u64,
    again: u64,
    twice: u64,
    late: u64,
    forked_log: u64,
    heights: u64,
    shown: u64,
}

impl Attack for Rollback {
    fn name(&self) -> &'static str {
        "rollback"
    }

    fn summary(&self) -> &'static str {
        "Targets of an executed act are put back to a disk from before it and shown the act at once, after they have \
         caught up, and after its life; a seat is put back as well."
    }

    fn expected(&self) -> &'static str {
        "Nothing runs before a restored node has caught up, nothing runs after its life, and a node never holds one \
         act's effect twice; the committee's log stays one."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        for (done, seed) in config.seeds().enumerate() {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut seen);
            pulse((done + 1) as f64 / f64::from(config.runs));
        }
        let Seen {
            restored,
            alone,
            at_once,
            again,
            twice,
            late,
            forked_log,
            heights,
            shown,
        } = seen;
        let mut outcome = Outcome::new(self, config);
        outcome.claim(
            "nothing runs on a restored node before it has caught up",
            at_once == 0,
            format!("{at_once} executions on {alone} nodes cut off from all but the attacker"),
        );
        outcome.claim(
            "no disk holds the effect of the act twice",
            twice == 0,
            format!("{twice} policies above version 1"),
        );
        outcome.claim(
            "after its life the act runs on no restored node",
            late == 0,
            format!("{late} executions"),
        );
        outcome.claim(
            "the seats hold one log",
            forked_log == 0 && heights > 0,
            format!("{forked_log} heights with two blocks, of {heights}"),
        );
        outcome.share(
            "restored nodes that run the act again within its life, to where they were",
            again,
            restored,
            None,
        );
        outcome.share(
            "old acts shown that ran after their life",
            late,
            shown,
            None,
        );
        outcome
    }
}

fn attack(mut stage: Stage, seen: &mut Seen) {
    let size = (stage.world.nodes() / 100).clamp(3, 50) as usize;
    let (agent, friend) = (stage.order[0], stage.order[1]);
    let at = stage.order[2..2 + size].to_vec();
    let backups: Vec<_> = at.iter().map(|node| stage.world.backup(*node)).collect();
    let seat = stage.world.backup(1);
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &at);
    let proposed = stage.propose(agent, &act);
    stage.pass(ACT_TIME);
    let Some(id) = stage.record_of(proposed) else {
        return;
    };
    let stored = stage.world.stored(agent).iter();
    let Some(record) = stored
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
        .find(|record| record.value().id() == id)
    else {
        return;
    };

    // Half of the targets come back within the life of the act; whoever shows it to them does so first.
    let (early, late) = at.split_at(size / 2);
    let executed = |stage: &Stage, nodes: &[u32]| {
        stage
            .executed(&id)
            .iter()
            .filter(|node| nodes.contains(node))
            .count()
    };
    let before = executed(&stage, early);
    // The first is cut off from all but who shows it the act: it cannot catch up, however long it has time.
    let (lone, rest) = (&early[..1], &early[1..]);
    stage.world.eclipse(early[0], [friend]);
    stage.world.restore(early[0], backups[0].clone());
    show(&mut stage, friend, lone, &record);
    stage.pass(Span::from_secs(15));
    seen.alone += 1;
    seen.at_once += (executed(&stage, early) - before) as u64;
    stage.world.join();
    for (node, backup) in rest.iter().zip(&backups[1..]) {
        stage.world.restore(*node, backup.clone());
    }
    stage.world.restore(1, seat);
    show(&mut stage, friend, rest, &record);
    seen.restored += early.len() as u64;
    stage.pass(Span::from_secs(60));
    seen.again += (executed(&stage, early) - before) as u64;
    seen.twice += twice(&stage, &at);

    // The others come back when its life is over.
    stage.pass(Span::from_secs(11 * 60));
    let before = executed(&stage, late);
    for (node, backup) in late.iter().zip(&backups[size / 2..]) {
        stage.world.restore(*node, backup.clone());
    }
    stage.pass(Span::from_secs(30));
    show(&mut stage, friend, late, &record);
    stage.pass(Span::from_secs(10));
    seen.shown += late.len() as u64;
    seen.late += (executed(&stage, late) - before) as u64;
    seen.twice += twice(&stage, &at);
    let (forked, heights) = logs(&stage);
    seen.forked_log += forked;
    seen.heights += heights;
}

fn show(stage: &mut Stage, by: u32, to: &[u32], record: &Verified<Record>) {
    for node in to {
        let records = vec![record.to_unverified()];
        stage
            .world
            .request_past_peer(by, *node, Request::Push { records });
    }
}

fn twice(stage: &Stage, nodes: &[u32]) -> u64 {
    let versions = nodes
        .iter()
        .filter_map(|node| stage.world.policy(*node, "acts.shown"));
    versions.filter(|(version, _)| *version > 1).count() as u64
}

/// Counts the heights at which the four seats hold different blocks, and all heights.
fn logs(stage: &Stage) -> (u64, u64) {
    let mut blocks: BTreeMap<u64, ContentId> = BTreeMap::new();
    let mut forked = 0;
    for (height, id) in (0..4).flat_map(|seat| stage.world.blocks(seat)) {
        forked += u64::from(*blocks.entry(height).or_insert(id) != id);
    }
    (forked, blocks.len() as u64)
}
