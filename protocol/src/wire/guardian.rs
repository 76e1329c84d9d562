//! What guardians say of themselves: that they serve, and that they have tried what they keep.

use serde::{Deserialize, Serialize};
use x0_crypto::sublime::HybridPublic;

use super::DecodeError;
use crate::core::limits::SHARES_KEPT_MAX;

/// A member's consent to be drawn as a guardian, or its end; the newest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianWord {
    /// The key that shares are sealed to; none if the member serves no longer.
    pub key: Option<HybridPublic>,
}

/// A guardian's node has tried all that it keeps for others: its own word, which nobody can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drilled {
    /// Shares that it keeps of items as they are shared now.
    pub shares: u32,
    /// Those of them that opened, were what was committed to, and whose content was there.
    pub good: u32,
}

impl Drilled {
    pub(super) fn check(self) -> Result<Self, DecodeError> {
        let wrong = |field, why: String| Err(DecodeError::bounds("drill", field, why));
        if self.shares as usize > SHARES_KEPT_MAX {
            return wrong("shares", format!("are at most {SHARES_KEPT_MAX}"));
        }
        if self.good > self.shares {
            return wrong("good", "are no more than there are shares".to_owned());
        }
        Ok(self)
    }
}
