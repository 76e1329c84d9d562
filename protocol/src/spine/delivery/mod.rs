//! Records known here: what arrived, what waits, what forked, and how the rest is caught up.
//!
//! Live records come by gossip, sensitive ones along a stem first; what was missed comes by set reconciliation with a
//! linked peer. The index stands in memory (about 200 bytes a record), the records themselves in the driver's store.

mod catch_up;
mod index;
mod orphans;
pub mod reconcile;
mod sessions;
mod stem;

pub use catch_up::{CatchUp, Progress};
pub use index::{Index, Placed};
pub use orphans::Orphans;
pub use sessions::{Session, Sessions};
pub use stem::{Ended, Stem};
