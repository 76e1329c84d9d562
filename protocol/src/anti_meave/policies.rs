//! The policies in force on this node, each with the number of its version.
//!
//! Versions only rise: going back is a new version with the old value.

use crate::{
    core::{command::PolicyView, reject::ActRefusal},
    wire::{Policy, PolicyName},
};

/// Value and version of every policy.
#[derive(Clone, Debug)]
pub struct Policies([(u64, u64); Policy::ALL.len()]);

impl Default for Policies {
    fn default() -> Self {
        Self(Policy::ALL.map(|policy| (policy.default_value(), 0)))
    }
}

impl Policies {
    /// Returns the value in force.
    pub const fn value(&self, policy: Policy) -> u64 {
        self.0[policy as usize].0
    }

    /// Returns how often the policy was changed.
    pub const fn version(&self, policy: Policy) -> u64 {
        self.0[policy as usize].1
    }

    /// Sets a policy; an older version than the one in force changes nothing.
    pub fn set(&mut self, policy: Policy, version: u64, value: u64) {
        if version > self.version(policy) {
            self.0[policy as usize] = (value, version);
        }
    }

    /// Checks that a policy may go from a version to a value.
    ///
    /// # Errors
    ///
    /// Returns that the name is unknown, the value out of range or the version another.
    pub fn check(&self, name: &PolicyName, value: u64, from: u64) -> Result<Policy, ActRefusal> {
        let policy: Policy = name.as_str().parse().map_err(ActRefusal::BadChange)?;
        policy.check(value).map_err(ActRefusal::BadChange)?;
        let present = self.version(policy);
        if from != present {
            return Err(ActRefusal::StaleVersion {
                stated: from,
                present,
            });
        }
        Ok(policy)
    }

    /// Lists all policies.
    pub fn view(&self) -> Vec<PolicyView> {
        Policy::ALL
            .into_iter()
            .map(|policy| PolicyView {
                policy: policy.written(),
                value: self.value(policy),
                version: self.version(policy),
            })
            .collect()
    }
}
