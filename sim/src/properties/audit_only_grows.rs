//! Property 11: the audit log only grows.
//!
//! Checked on every honest node: entries were written only at the end of its log; every head it
//! signed is the root over a prefix of the entries on its disk; heads never shrink; and nobody found
//! a contradiction between two heads. (That a split view needs a third of the epoch's witnesses is
//! the committee's half of the property, and comes with it.)

use std::collections::BTreeMap;

use x0_protocol::spine::audit::tree::{Frontier, Hash, leaf_hash};

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let heads = world.heads();
    let fault = not_appended(world)
        .or_else(|| split_view(world))
        .or_else(|| contradicted_head(world, &heads));
    Finding {
        property: Some(11),
        name: "the audit log only grows".to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| format!("{} signed heads stand", heads.len())),
    }
}

fn not_appended(world: &World) -> Option<String> {
    let (node, fault) = world.not_appended().into_iter().next()?;
    Some(format!(
        "node {node} wrote entry {} into a log of {} entries",
        fault.index, fault.size
    ))
}

fn split_view(world: &World) -> Option<String> {
    let nodes = world.split_views();
    let first = nodes.first()?;
    Some(format!(
        "{} nodes, the first {first}, found a log rewritten",
        nodes.len()
    ))
}

fn contradicted_head(world: &World, heads: &[(u32, x0_protocol::wire::LogHead)]) -> Option<String> {
    let mut roots: BTreeMap<u32, Vec<Hash>> = BTreeMap::new();
    let mut last: Option<(u32, u64)> = None;
    for (node, head) in heads {
        if last.is_some_and(|(before, size)| before == *node && size > head.size) {
            return Some(format!(
                "node {node} signed a head of {} entries after a larger",
                head.size
            ));
        }
        last = Some((*node, head.size));
        let roots = roots.entry(*node).or_insert_with(|| roots_of(world, *node));
        let durable = usize::try_from(head.size)
            .ok()
            .and_then(|size| roots.get(size));
        if durable != Some(&head.root) {
            return Some(format!(
                "node {node} signed a head of {} entries that is not the root over its log of {}",
                head.size,
                roots.len() - 1
            ));
        }
    }
    None
}

/// Returns the roots over the first 0, 1, 2, … entries on a node's disk.
fn roots_of(world: &World, node: u32) -> Vec<Hash> {
    let mut frontier = Frontier::default();
    let mut roots = vec![frontier.root()];
    for entry in world.audit(node) {
        frontier.append(leaf_hash(&entry.encode()));
        roots.push(frontier.root());
    }
    roots
}
