//! The work of a scenario, carried out on a world.

use super::{
    Work, capability_spread::Spreading, charter::Life, gossip::Broadcasting, vault::Life as Vault,
};
use crate::{
    properties::Finding,
    time::Time,
    world::{Founding, World},
};

/// Work under way.
pub(crate) trait Workload {
    /// Returns when there is something to do next.
    fn next(&self) -> Option<Time>;

    /// Does what is due.
    fn act(&mut self, world: &mut World);

    /// Tells what the scenario set out to show, and whether it was so.
    fn findings(&self, world: &World) -> Vec<Finding>;
}

/// Returns how the mesh is founded in which the work is done.
pub(crate) fn founding(work: Work) -> Founding {
    match work {
        Work::Gossip(_) | Work::CapabilitySpread(_) => Founding::default(),
        Work::Charter(life) => super::charter::founding(life),
        Work::Vault(life) => super::vault::founding(life),
    }
}

/// Prepares the work of a scenario.
pub(crate) fn prepare(work: Work, world: &World) -> Box<dyn Workload> {
    match work {
        Work::Gossip(gossip) => Box::new(Broadcasting::new(gossip)),
        Work::CapabilitySpread(spread) => Box::new(Spreading::new(spread, world)),
        Work::Charter(life) => Box::new(Life::new(life, world)),
        Work::Vault(life) => Box::new(Vault::new(life, world)),
    }
}
