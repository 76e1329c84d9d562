//! No override is in force at any node past its notice unless it was announced: told to all, and seen by a quorum of seats.
//!
//! What a node keeps of an override ends with its notice, by mesh time or by the node's own clock. A node that has power
//! goes back by itself within [`LATE`].

use x0_crypto::ContentId;
use x0_protocol::{
    Millis,
    spine::audit::What,
    wire::{Body, Record, Warrants},
};

use super::Finding;
use crate::world::World;

/// Longest time a node takes to go back once the notice is over, real time: it wakes by its deadline and writes once.
const LATE: Millis = Millis::from_secs(1);

/// Returns the overrides that run at nodes past their time, by the nodes' own clocks, which are right by the end of a run.
fn overdue_overrides(world: &World) -> Vec<(u32, ContentId)> {
    let mut overdue = Vec::new();
    for node in 0..world.nodes() {
        let Some((_, own)) = world.times(node) else {
            continue;
        };
        for here in world.overrides_here(node) {
            if here.until_own + LATE < own {
                overdue.push((node, here.act));
            }
        }
    }
    overdue
}

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let mut fault = overdue_overrides(world)
        .first()
        .map(|(node, act)| format!("node {node} still runs the override {act} past its notice"));
    let (mut stayed, mut lapsed) = (0_u64, 0_u64);
    for (record, node) in world.executed() {
        let Some(Body::Act(act)) = world.record(node, &record).map(Record::body) else {
            continue;
        };
        let emergency = Warrants::of(act)
            .ok()
            .and_then(|warrants| warrants.emergency);
        let Some(told) = emergency
            .as_ref()
            .and_then(|proof| proof.entry.overriding())
        else {
            continue;
        };
        let is_broadcast = world
            .mirror(node)
            .is_some_and(|log| log.is_broadcast(&told.act));
        let is_lapsed = world
            .audit(node)
            .iter()
            .any(|entry| matches!(&entry.what, What::Lapsed { act, .. } if *act == record));
        let waits = world
            .overrides_here(node)
            .iter()
            .any(|here| here.act == told.act);
        stayed += u64::from(is_broadcast && !is_lapsed);
        lapsed += u64::from(is_lapsed);
        if world.is_up(node) && !is_broadcast && !is_lapsed && !waits {
            fault.get_or_insert(format!(
                "node {node} runs the override {} that was never told to all",
                told.act
            ));
        }
    }
    Finding {
        property: None,
        name: "no override is in force past its notice without its announcement".to_owned(),
        holds: fault.is_none(),
        detail: fault
            .unwrap_or_else(|| format!("at nodes, {stayed} stay and {lapsed} have lapsed")),
    }
}
