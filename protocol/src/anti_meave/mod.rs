//! Acts and the capabilities they need: no agent changes a node without that node's own consent.
//!
//! An *agent* is whoever holds a capability token: a person, a script, the self-healing loop. An *act*
//! asks nodes for a change. Every target judges it alone and in full, whatever the proposer checked:
//! the token, its root, its limits against a blast radius the target computes itself, the version it
//! starts from, its life. The same rule runs at the proposer, so that an honest one learns the refusal
//! before anything is sent.
//!
//! In a mesh with a committee every act on others needs more than a token ([`warrants`]): the committee's ticket, by
//! which many small acts are counted as one, the agreement of targets, and beyond 10 % of the mesh co-signers that a
//! beacon draws. What is done without the vote it needs, as an override, lapses by itself unless it was told to all
//! ([`overrides`]). Own acts collect these on their way ([`proposals`]); what a node is asked to agree to or to co-sign
//! is kept in [`consents`]. A mesh too small for a committee goes by tokens alone, and no act reaches beyond 10 %.

pub mod acts;
pub mod anomaly;
mod capabilities;
pub mod consents;
pub mod overrides;
mod policies;
pub mod proposals;
pub mod warrants;

pub use acts::{Acts, Admittance, Pending};
pub use capabilities::Capabilities;
pub use consents::{Consents, CosignPolicy};
pub use overrides::Overrides;
pub use policies::Policies;
pub use proposals::Proposals;

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
