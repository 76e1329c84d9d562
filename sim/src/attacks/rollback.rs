//! Nodes and a seat come back from an old copy of their disks, and old acts are shown to them.

use std::collections::BTreeMap;

use x0_crypto::ContentId;
use x0_protocol::wire::{Record, Request, Verified};

use super::{
    Attack, Config, NODES_MIN, Outcome,
    stage::{ACT_TIME, Stage, founding},
};
use crate::{time::Span, world::Backup};

/// Targets of the act whose every state on disk is brought back: as many as a token alone reaches in a small mesh.
const WATCHED: usize = 10;
/// Time between two looks at a disk: no two writes of one node end within it.
const LOOK: Span = Span(500);
/// Time in which a restored node catches up and does what it is shown.
const SETTLED: Span = Span::from_secs(25);

/// See the module.
pub(super) struct Rollback;

/// What came of bringing back every state that a disk went through.
#[derive(Default)]
struct States {
    /// States of one disk, at most.
    most: usize,
    /// Restores within the act's life to a state without the act's mark, and how often the act ran after one.
    unmarked: Vec<f64>,
    /// Restores within its life to a state with the mark, and executions after them.
    marked: u64,
    after_marked: u64,
    /// Restores when its life is over, and executions after them.
    late: u64,
    after_late: u64,
    /// Executions of the act by one node in all, its first and those after restores.
    by_one_node: Vec<f64>,
}

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
    states: States,
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
        config.repeat(pulse, |seed, _| {
            attack(Stage::found(seed, config.nodes, founding(4)), &mut seen);
            // Only the targets take part in this: a hundred nodes are as good as many.
            let small = config.nodes.min(NODES_MIN);
            every_state(Stage::found(seed, small, founding(4)), &mut seen.states);
        });
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
            states,
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
        report_states(&mut outcome, &states);
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

/// Notes every state that the disks of an act's targets go through, and brings each back within the act's life and after
/// it, and shows the act to the node.
fn every_state(mut stage: Stage, states: &mut States) {
    let (agent, friend) = (stage.order[0], stage.order[1]);
    let at = stage.order[2..2 + WATCHED].to_vec();
    let first = |node: &u32| vec![(stage.world.disk_state(*node), stage.world.backup(*node))];
    let mut disks: Vec<_> = at.iter().map(first).collect();
    let value = stage.fresh_value();
    let act = stage.act(agent, 0, &[], value, &at);
    let proposed = stage.propose(agent, &act);
    let until = stage.world.now() + ACT_TIME;
    while stage.world.now() < until {
        stage.pass(LOOK);
        for (node, seen) in at.iter().zip(&mut disks) {
            let state = stage.world.disk_state(*node);
            if seen.last().is_none_or(|(last, _)| *last != state) {
                seen.push((state, stage.world.backup(*node)));
            }
        }
    }
    let Some(id) = stage.record_of(proposed) else {
        return;
    };
    let mut all = stage.world.stored(agent).iter();
    let Some(record) = all.find(|record| record.value().id() == id).cloned() else {
        return;
    };
    let most = disks.iter().map(Vec::len).max().unwrap_or(0);
    states.most = states.most.max(most);
    let mut bring_back = |stage: &mut Stage, number: usize, is_late: bool| {
        let before = runs(stage, &id);
        let mut restored: Vec<(u32, Backup)> = Vec::new();
        for (node, seen) in at.iter().zip(&disks) {
            if let Some((_, backup)) = seen.get(number) {
                stage.world.restore(*node, backup.clone());
                restored.push((*node, backup.clone()));
            }
        }
        let nodes: Vec<_> = restored.iter().map(|(node, _)| *node).collect();
        show(stage, friend, &nodes, &record);
        stage.pass(SETTLED);
        show(stage, friend, &nodes, &record);
        stage.pass(Span::from_secs(5));
        let after = runs(stage, &id);
        let of = |runs: &BTreeMap<u32, u64>, node: &u32| runs.get(node).copied().unwrap_or(0);
        for (node, backup) in &restored {
            let again = of(&after, node) - of(&before, node);
            match (is_late, backup.has_executed(&id)) {
                (true, _) => {
                    states.late += 1;
                    states.after_late += again;
                }
                (false, true) => {
                    states.marked += 1;
                    states.after_marked += again;
                }
                (false, false) => states.unmarked.push(again as f64),
            }
        }
    };
    for number in 0..most {
        bring_back(&mut stage, number, false);
    }
    stage.pass(Span::from_secs(11 * 60));
    for number in 0..most {
        bring_back(&mut stage, number, true);
    }
    let by_one_node = runs(&stage, &id).into_values();
    states
        .by_one_node
        .extend(by_one_node.map(|runs| runs as f64));
}

/// Counts how often each node told its user that it executed an act.
fn runs(stage: &Stage, act: &ContentId) -> BTreeMap<u32, u64> {
    let mut runs = BTreeMap::new();
    for node in stage.executed(act) {
        *runs.entry(node).or_default() += 1;
    }
    runs
}

fn report_states(outcome: &mut Outcome, states: &States) {
    let most = |runs: &[f64]| runs.iter().copied().fold(0.0, f64::max);
    let restores = states.unmarked.len();
    outcome.claim(
        "from any state of a disk before the act's mark a restore makes the act run once more at most",
        most(&states.unmarked) <= 1.0 && restores > 0,
        format!("{} times at most after {restores} restores", most(&states.unmarked)),
    );
    outcome.claim(
        "from any state with the mark, and from every state after the act's life, it runs no more",
        states.after_marked == 0 && states.after_late == 0 && states.marked > 0 && states.late > 0,
        format!(
            "{} executions after {} restores with the mark, {} after {} late ones",
            states.after_marked, states.marked, states.after_late, states.late
        ),
    );
    let what = format!(
        "executions after a restore to a state before the mark, of {} states of a disk at most",
        states.most
    );
    outcome.mean(what, "", &states.unmarked);
    outcome.mean(
        "executions of the act by one node in all, put back to each of its states twice",
        "",
        &states.by_one_node,
    );
}
