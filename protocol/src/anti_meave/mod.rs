//! Acts and the capabilities they need: no agent changes a node without that node's own consent.
//!
//! An *agent* is whoever holds a capability token: a person, a script, the self-healing loop. An *act*
//! asks nodes for a change. Every target judges it alone and in full, whatever the proposer checked:
//! the token, its root, its limits against a blast radius the target computes itself, the version it
//! starts from, its life. The same rule runs at the proposer, so that an honest one learns the refusal
//! before anything is sent.
//!
//! What a token alone can never allow is a mass action: more than 10 % of the mesh. Those need drawn
//! co-signers and a committee's ticket, which this version has no way to verify; it refuses them all.

pub mod acts;
pub mod anomaly;
mod capabilities;
mod policies;

pub use acts::{Acts, Pending};
pub use capabilities::Capabilities;
pub use policies::Policies;

/// Something that passed every check of this node and may be carried out on it.
///
/// Only the checks of this module make one, so executing an unchecked change does not compile.
#[derive(Debug)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// Returns what was approved.
    pub const fn value(&self) -> &T {
        &self.0
    }
}
