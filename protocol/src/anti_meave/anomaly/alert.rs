//! What a node says to the others about an anomaly it found.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    evidence::Evidence,
    finding::{Finding, Pattern, Severity},
};
use crate::{
    core::{limits::EVIDENCE_ACTS_MAX, time::Wall},
    wire::{DecodeError, encode_entry},
};

/// An alert: a claim that is worth nothing but for its evidence, which every node checks itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The mesh it belongs to.
    pub mesh: ContentId,
    /// How grave the finding is.
    pub severity: Severity,
    /// The agent it is laid to.
    pub agent: PublicKey,
    /// The delegation root it is laid to.
    pub root: RootKey,
    /// What was found, and the acts that show it.
    pub evidence: Evidence,
    /// Mesh time when it was found.
    pub time: Wall,
}

impl Alert {
    /// Makes the alert that tells a finding.
    pub const fn of(mesh: ContentId, finding: &Finding, evidence: Evidence, time: Wall) -> Self {
        Self {
            mesh,
            severity: finding.severity,
            agent: finding.agent,
            root: finding.root,
            evidence,
            time,
        }
    }

    /// Tells whether the alert claims exactly what was recomputed from its evidence.
    pub fn claims(&self, finding: &Finding) -> bool {
        self.evidence.pattern == finding.pattern
            && self.severity == finding.severity
            && self.agent == finding.agent
            && self.root == finding.root
    }

    /// Returns the canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Checks what can be checked without the acts.
    ///
    /// # Errors
    ///
    /// Returns the field at fault and what is allowed.
    pub fn check(&self) -> Result<(), DecodeError> {
        let acts = &self.evidence.acts;
        if !(1..=EVIDENCE_ACTS_MAX).contains(&acts.len()) {
            let why = format!(
                "has {} entries, 1 to {EVIDENCE_ACTS_MAX} are allowed",
                acts.len()
            );
            return Err(out_of_bounds("acts", why));
        }
        if !acts.is_sorted_by(|a, b| a < b) {
            return Err(out_of_bounds("acts", "is not in strictly rising order"));
        }
        if !self.evidence.pattern.can_be(self.severity) {
            let why = format!("is never that of a {}", self.evidence.pattern);
            return Err(out_of_bounds("severity", why));
        }
        if self.evidence.usual.is_some() != (self.evidence.pattern == Pattern::RateJump) {
            return Err(out_of_bounds(
                "usual",
                "stands exactly with an unusual rate",
            ));
        }
        Ok(())
    }
}

fn out_of_bounds(field: &'static str, why: impl Into<String>) -> DecodeError {
    DecodeError::OutOfBounds {
        what: "alert",
        field,
        why: why.into(),
    }
}
