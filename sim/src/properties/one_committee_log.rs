//! The seats keep one committee log: no two of them have decided different blocks at one height.
//!
//! Checked on the blocks on every seat's disk. It is the ground on which property 4 will stand: certificates exist
//! only over what this log holds.

use std::collections::BTreeMap;

use x0_crypto::ContentId;

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let mut decided: BTreeMap<u64, (u32, ContentId)> = BTreeMap::new();
    let mut highest = 0;
    let mut fault = None;
    for node in 0..world.nodes() {
        for (height, block) in world.blocks(node) {
            highest = height.max(highest);
            let (first, known) = *decided.entry(height).or_insert((node, block));
            if known != block {
                fault.get_or_insert(format!(
                    "nodes {first} and {node} have decided different blocks at height {height}"
                ));
            }
        }
    }
    Finding {
        property: None,
        name: "the seats keep one committee log".to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| format!("it stands at block {highest}")),
    }
}
