//! Property 10: no metric off the whitelist leaves a guarded process; every refusal is counted.
//!
//! Held against each other are what a guarded process knows that it sent, what the text of the charter in force at its
//! node's peer said at that moment, and what guard and gateway did and counted. So it holds through amendments and crashes:
//!
//! - what left a process stood on the list, or on the one before as long as the helper writes the new one
//!   (`FOLLOWS`, 200 ms); what was on the list was let out;
//! - what a gateway took or kept was on the list in force, with the consent that it asks for;
//! - errors that processes saw, and samples refused, are as many as guard and gateway counted; of the guard's, as many as
//!   its events told, and were counted as lost.
//!
//! What is claimed is what `THREATMODEL.md` claims: readable names, of processes in the guarded cgroup. That the kernel's
//! programs do what `x0-ebpf-common` says is the matter of `ebpf/loader/tests`, not of a simulation.

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let mut fault = None;
    let mut sum = Sum::default();
    for node in 0..world.nodes() {
        let Some(watched) = world.watched(node) else {
            continue;
        };
        if let Some(leaked) = watched.leaked.first() {
            fault.get_or_insert(format!("node {node}: {leaked}"));
        }
        let counted = world.refusals_counted(node);
        if counted != watched.made {
            fault.get_or_insert(format!(
                "node {node}: {:?} refusals were made by guard and gateway, {counted:?} counted",
                watched.made
            ));
        }
        let (told, lost) = world.refusals_told(node);
        if told + lost != counted[0] {
            fault.get_or_insert(format!(
                "node {node}: {} refusals of the guard, {told} told and {lost} lost",
                counted[0]
            ));
        }
        sum.sent += watched.sent;
        sum.left += watched.left;
        sum.late += watched.left_late;
        sum.taken += watched.taken;
        sum.guard += counted[0];
        sum.gateway += counted[1];
    }
    Finding {
        property: Some(10),
        name: "no metric off the whitelist leaves a guarded process; every refusal is counted"
            .to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| sum.words()),
    }
}

#[derive(Default)]
struct Sum {
    sent: u64,
    left: u64,
    late: u64,
    taken: u64,
    guard: u64,
    gateway: u64,
}

impl Sum {
    fn words(&self) -> String {
        let Self {
            sent,
            left,
            late,
            taken,
            guard,
            gateway,
        } = self;
        format!(
            "of {sent} datagrams {left} left, {late} of them under the list just amended; gateways took {taken} samples; \
             {guard} refusals of guards and {gateway} of gateways were made and counted"
        )
    }
}
