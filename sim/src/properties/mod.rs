//! What must always be true, one file per property, numbered as in the project's design.
//!
//! A property is checked on the world as it stands at the end of a run and on what was noted on the
//! way. Here are those that speak about what exists today: 2, 5, 6, 7, 10, 11 and 12 (6 by the scenario that has guardians), and some without a number that speak about
//! cases and overrides. The others come with the parts they speak about. That each can fail is shown by `tests`, in worlds
//! that somebody has tampered with.

mod audit_only_grows;
mod barred_acts;
mod guardians_act_by_vote;
mod network_acts;
mod no_metric_off_the_list;
mod one_committee_log;
mod one_ledger;
mod overrides_announced;
mod record_survives;
mod same_digest;
mod sentences_certified;
#[cfg(test)]
mod tests;

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

/// Checks the properties of a finished run that can be checked on one run alone; those about a charter, if there is one.
pub(crate) fn check(world: &World, survival: &Survival) -> Vec<Finding> {
    let mut findings = vec![
        network_acts::check(world),
        survival.finding(world),
        audit_only_grows::check(world),
        one_committee_log::check(world),
    ];
    if (0..world.nodes()).any(|node| world.charter(node).is_some()) {
        findings.extend([
            no_metric_off_the_list::check(world),
            overrides_announced::check(world),
            sentences_certified::check(world),
            barred_acts::check(world),
            one_ledger::check(world),
        ]);
    }
    if (0..world.nodes()).any(|node| world.sublime(node).is_some()) {
        findings.push(guardians_act_by_vote::check(world));
    }
    findings.sort_by_key(|finding| finding.property.unwrap_or(u8::MAX));
    findings
}
