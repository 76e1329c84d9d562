//! Recovery: members seat a new committee, signing for themselves, when the old one is lost.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{Checkpoint, DecodeError, Pinned, Placed, body::ordered, codec::encode};
use crate::core::limits::{SEATS_MAX, SEATS_MIN};

/// Who is to sit on a new committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlan {
    /// Height of the last checkpoint: those who counted as of it decide.
    pub height: u64,
    /// That checkpoint, by its name.
    pub checkpoint: ContentId,
    /// The seats, in order.
    pub seats: Vec<PublicKey>,
}

/// A member's word for new seats. Its author is the member; the record's signature is the word's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryWord {
    /// For which seats.
    pub plan: RecoveryPlan,
    /// The member, with the proof that it counted as of the checkpoint.
    pub placed: Placed,
}

impl Checkpoint {
    /// Returns the checkpoint's name, which recovery plans speak of.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&("checkpoint", self)))
    }

    /// Returns place and name of the checkpoint, by which invites speak of it.
    pub fn pinned(&self) -> Pinned {
        Pinned {
            height: self.height,
            id: self.id(),
        }
    }
}

impl RecoveryPlan {
    /// Makes a plan after a checkpoint.
    pub fn after(checkpoint: &Checkpoint, mut seats: Vec<PublicKey>) -> Self {
        seats.sort_unstable();
        seats.dedup();
        Self {
            height: checkpoint.height,
            checkpoint: checkpoint.id(),
            seats,
        }
    }

    /// Returns the plan's name.
    pub fn id(&self, mesh: &ContentId) -> ContentId {
        ContentId::of(&encode(&("recovery", mesh, self)))
    }

    /// Says whether so many seats make a committee, each named once and in order.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with them.
    pub fn check(&self) -> Result<(), DecodeError> {
        ordered("recovery", "seats", &self.seats, SEATS_MIN, SEATS_MAX)
    }
}
