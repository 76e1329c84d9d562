//! The work of a scenario, carried out on a world.

use super::{Work, capability_spread::Spreading, gossip::Broadcasting};
use crate::{properties::Finding, time::Time, world::World};

/// Work under way.
pub(crate) trait Workload {
    /// Returns when there is something to do next.
    fn next(&self) -> Option<Time>;

    /// Does what is due.
    fn act(&mut self, world: &mut World);

    /// Tells what the scenario set out to show, and whether it was so.
    fn findings(&self, world: &World) -> Vec<Finding>;
}

/// Prepares the work of a scenario.
pub(crate) fn prepare(work: Work, world: &World) -> Box<dyn Workload> {
    match work {
        Work::Gossip(gossip) => Box::new(Broadcasting::new(gossip)),
        Work::CapabilitySpread(spread) => Box::new(Spreading::new(spread, world)),
    }
}
