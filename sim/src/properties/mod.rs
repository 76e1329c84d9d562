//! What must always be true, one file per property, numbered as in the project's design.
//!
//! A property is checked on the world as it stands at the end of a run and on what was noted on the
//! way. Here are those that speak about what exists today: 7, 11 and 12. The others come with the
//! parts they speak about.

mod audit_only_grows;
mod one_committee_log;
mod record_survives;
mod same_digest;

use serde::{Deserialize, Serialize};

pub(crate) use record_survives::Survival;
pub(crate) use same_digest::same_digest;

use crate::world::World;

/// Whether something that should be so was so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The number of the property, if it is one of those that must always be true.
    pub property: Option<u8>,
    /// What should be so, in words.
    pub name: String,
    /// Whether it was so.
    pub holds: bool,
    /// What was seen.
    pub detail: String,
}

/// Checks the properties of a finished run that can be checked on one run alone.
pub(crate) fn check(world: &World, survival: &Survival) -> Vec<Finding> {
    vec![
        survival.finding(world),
        audit_only_grows::check(world),
        one_committee_log::check(world),
    ]
}
