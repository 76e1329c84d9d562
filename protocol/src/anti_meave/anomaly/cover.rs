//! How many nodes a set of acts touches together, as acts come and go.
//!
//! Named nodes are counted once, however many acts name them; strangers count too, so that nothing is won by naming
//! them. A region counts in full beside the named nodes: who is both named and in a region is counted twice, because
//! counting a region's members as if they were the named ones would hide them.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use x0_crypto::PublicKey;

use super::observed::{Observed, Touched};
use crate::wire::Region;

/// The nodes touched by a set of acts.
#[derive(Clone, Debug, Default)]
pub(super) struct Cover {
    named: BTreeMap<PublicKey, u32>,
    regions: BTreeMap<Region, (u32, u32)>,
    regional: u32,
    everywhere: u32,
}

impl Cover {
    /// Adds what an act touches.
    pub(super) fn add(&mut self, touched: &Touched) {
        match touched {
            Touched::Nodes(keys) => {
                for key in keys.iter() {
                    *self.named.entry(*key).or_default() += 1;
                }
            }
            Touched::Region { region, nodes } => {
                let (acts, counted) = self.regions.entry(region.clone()).or_default();
                *acts += 1;
                self.regional = self.regional.saturating_add(nodes.saturating_sub(*counted));
                *counted = (*counted).max(*nodes);
            }
            Touched::All { .. } => self.everywhere += 1,
        }
    }

    /// Takes away what an act touches that was added before.
    pub(super) fn remove(&mut self, touched: &Touched) {
        match touched {
            Touched::Nodes(keys) => {
                for key in keys.iter() {
                    if let Some(acts) = self.named.get_mut(key) {
                        *acts -= 1;
                        if *acts == 0 {
                            self.named.remove(key);
                        }
                    }
                }
            }
            Touched::Region { region, .. } => {
                if let Some((acts, counted)) = self.regions.get_mut(region) {
                    *acts -= 1;
                    if *acts == 0 {
                        self.regional = self.regional.saturating_sub(*counted);
                        self.regions.remove(region);
                    }
                }
            }
            Touched::All { .. } => self.everywhere = self.everywhere.saturating_sub(1),
        }
    }

    /// Returns how many of so many members are touched.
    pub(super) fn nodes(&self, members_total: u32) -> u32 {
        if self.everywhere > 0 {
            return members_total;
        }
        self.weight().min(members_total)
    }

    /// Returns how many nodes are touched, without a bound; all members count as the most there can be.
    pub(super) fn weight(&self) -> u32 {
        if self.everywhere > 0 {
            return u32::MAX;
        }
        u32::try_from(self.named.len())
            .unwrap_or(u32::MAX)
            .saturating_add(self.regional)
    }
}

/// Chooses acts that pass together and of which none can be left out; none if they do not pass.
///
/// `passes` is asked with what is touched and by how many acts, and may never turn false as either grows. The acts
/// that touch the most are taken first, ties by date and id, so that the choice is the same everywhere.
pub(super) fn smallest<'a>(
    acts: &[&'a Observed],
    passes: impl Fn(&Cover, u32) -> bool,
) -> Vec<&'a Observed> {
    let mut widest = acts.to_vec();
    widest.sort_by_key(|act| (Reverse(act.targets.count()), act.place()));
    let (mut cover, mut chosen, mut count) = (Cover::default(), Vec::new(), 0);
    for act in widest {
        if passes(&cover, count) {
            break;
        }
        cover.add(&act.targets);
        chosen.push(act);
        count += 1;
    }
    if !passes(&cover, count) {
        return Vec::new();
    }
    let mut needed = Vec::with_capacity(chosen.len());
    for act in chosen.into_iter().rev() {
        cover.remove(&act.targets);
        if passes(&cover, count - 1) {
            count -= 1;
        } else {
            cover.add(&act.targets);
            needed.push(act);
        }
    }
    needed
}
