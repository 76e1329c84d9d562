//! What a suspended or removed member asks of others runs nowhere once its sentence has reached the node.
//!
//! Noted at the moment an act ran: whether that node's own directory said of the act's author that it is out, both then
//! and when the act was written down. Acts that ran before stay: no sentence undoes anything.

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let ran = world.executed_for_barred();
    let ran_at_all = world.executed().len();
    Finding {
        property: None,
        name: "no act of a suspended member runs where its sentence is known".to_owned(),
        holds: ran.is_empty(),
        detail: match ran.first() {
            None => format!("looked at {ran_at_all} acts as they ran"),
            Some((node, act, author)) => {
                format!(
                    "{} acts did, the first {act} of {author} at node {node}",
                    ran.len()
                )
            }
        },
    }
}
