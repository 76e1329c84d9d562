//! Overrides that run on this node and may lapse.
//!
//! An override is an act done without a vote in an emergency. A target carries it out only with the proof that it stands
//! in the public log, and writes down in the same write what it ran before. Unless the committee log says within the
//! notice that it was told to all, the node goes back to that by itself: with a new version of the policy, without
//! asking anybody, halted or not, cut off or not. If another act has changed the policy in the meantime, that one
//! stands: it was decided with the override known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::ContentId;

use super::{Approved, Policies};
use crate::{
    core::time::{Millis, Now, Wall},
    wire::{Change, Policy, PolicyName},
};

/// An override that runs here and has not been seen to be told to all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideHere {
    /// The act, by its digest.
    pub act: ContentId,
    /// Its record.
    pub record: ContentId,
    /// The policy that it changed.
    pub policy: PolicyName,
    /// The value that ran before.
    pub before: u64,
    /// The version that it set.
    pub version: u64,
    /// Mesh time at which it lapses.
    pub until: Wall,
    /// The same by this node's own clock: mesh time stands still at a node that is off, this does not.
    pub until_own: Wall,
}

/// Something to be written about overrides that run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideWrite {
    /// It runs here.
    Keep(Box<OverrideHere>),
    /// It stays, or has lapsed: by the act's digest.
    Forget(ContentId),
}

impl OverrideWrite {
    /// Applies it to what is kept, as a store does.
    pub fn apply(self, kept: &mut Vec<OverrideHere>) {
        let act = match &self {
            Self::Keep(here) => here.act,
            Self::Forget(act) => *act,
        };
        kept.retain(|known| known.act != act);
        if let Self::Keep(here) = self {
            kept.push(*here);
        }
    }
}

impl OverrideHere {
    /// Notes what a change takes the place of; `None` for a change of no policy.
    pub fn of(
        (act, record): (ContentId, ContentId),
        change: &Change,
        policies: &Policies,
        (until, left): (Wall, Millis),
        now: Now,
    ) -> Option<Self> {
        match change {
            Change::SetPolicy {
                policy,
                from_version,
                ..
            } => {
                let known: Policy = policy.as_str().parse().ok()?;
                Some(Self {
                    act,
                    record,
                    policy: policy.clone(),
                    before: policies.value(known),
                    version: from_version.saturating_add(1),
                    until,
                    until_own: now.wall + left,
                })
            }
            Change::Link { .. } | Change::Unlink { .. } => None,
        }
    }

    /// Tells whether its time is over, by mesh time or by this node's own clock.
    pub fn is_over(&self, time: Wall, own: Wall) -> bool {
        self.until <= time || self.until_own <= own
    }

    /// Returns the way back to what ran before; `None` if another act has changed the policy since.
    pub fn way_back(&self, policies: &Policies) -> Option<Approved<Change>> {
        let known: Policy = self.policy.as_str().parse().ok()?;
        if policies.version(known) != self.version {
            return None;
        }
        Some(Approved(Change::SetPolicy {
            policy: self.policy.clone(),
            value: self.before,
            from_version: self.version,
        }))
    }
}

/// The overrides that run here, by act.
#[derive(Clone, Debug, Default)]
pub struct Overrides(BTreeMap<ContentId, OverrideHere>);

impl Overrides {
    /// Takes up what was kept.
    pub fn restore(kept: Vec<OverrideHere>) -> Self {
        Self(kept.into_iter().map(|here| (here.act, here)).collect())
    }

    /// Takes note of one that is about to run.
    pub fn keep(&mut self, here: OverrideHere) {
        self.0.insert(here.act, here);
    }

    /// Lets go of one that stays.
    pub fn settle(&mut self, act: &ContentId) -> Option<OverrideHere> {
        self.0.remove(act)
    }

    /// Lets the override on top of one that has lapsed go back to what ran before both; returns it as it is to be kept.
    pub fn inherit(&mut self, lapsed: &OverrideHere) -> Option<OverrideHere> {
        let above = self.0.values_mut().find(|here| {
            here.policy == lapsed.policy && here.version == lapsed.version.saturating_add(1)
        })?;
        above.before = lapsed.before;
        Some(above.clone())
    }

    /// Takes out those whose time is over.
    pub fn take_over(&mut self, time: Wall, own: Wall) -> Vec<OverrideHere> {
        let over = self.0.extract_if(.., |_, here| here.is_over(time, own));
        over.map(|(_, here)| here).collect()
    }

    /// Returns the time until the next one lapses, real time.
    pub fn next(&self, time: Wall, own: Wall, scale: u64) -> Option<Millis> {
        let left = self.0.values().map(|here| {
            let by_mesh = here.until.0.saturating_sub(time.0).div_ceil(scale.max(1));
            by_mesh.min(here.until_own.0.saturating_sub(own.0))
        });
        left.min().map(Millis)
    }

    /// Iterates over them.
    pub fn iter(&self) -> impl Iterator<Item = &OverrideHere> {
        self.0.values()
    }
}
