//! The erasure of what records say: their author asks, every node complies, and the headers stay.
//!
//! A record's header commits to salt and body by a hash. Once both are gone it says who wrote a record of which kind, and
//! when, and nothing else: it cannot be guessed from the hash what the record said, as nobody knows the salt any more. So
//! chains stay whole, and the *husk* of a record (header and signature) is told to those who come later in its place.
//!
//! Not everything can be erased. A record that the state of the mesh follows from (who is a member, what is revoked, what
//! was voted and certified) is needed by whoever joins later; see [`Kind::is_erasable`].

use serde::{Deserialize, Serialize};
use x0_crypto::ContentId;

use super::{DecodeError, Kind, Place, body::ordered};
use crate::core::{
    limits::{ACT_LIFE_MAX, CLOCK_SKEW_MAX, ERASED_IDS_MAX},
    time::{Millis, Wall},
};

/// Age that an act must have before it can be erased: nobody executes it any more, whatever its clock says.
pub const ERASE_ACTS_AFTER: Millis = Millis(ACT_LIFE_MAX.0 + 2 * CLOCK_SKEW_MAX.0);

/// An author has the bodies of own records erased, everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Erasure {
    /// All that can be erased and stands before this record in the author's chain.
    All,
    /// These, as far as they can be erased, in order.
    Records(Vec<ContentId>),
}

impl Kind {
    /// Tells whether the body of such a record may be erased: nothing that others must be able to follow rests on it.
    pub const fn is_erasable(self) -> bool {
        matches!(self, Self::ACT | Self::CAPABILITY)
    }

    /// Tells whether the body of a record of this kind and date may be erased by a record of that date.
    pub fn is_erasable_at(self, written: Wall, erased: Wall) -> bool {
        self.is_erasable() && (self != Self::ACT || written + ERASE_ACTS_AFTER <= erased)
    }
}

impl Erasure {
    /// Tells whether an erasure at `by` in its author's chain is about the record at `place`, and may be.
    pub fn covers(&self, by: &Place, place: &Place) -> bool {
        let is_own = by.at.0 == place.at.0 && by.at.1 > place.at.1;
        let is_meant = match self {
            Self::All => true,
            Self::Records(ids) => ids.binary_search(&place.id).is_ok(),
        };
        is_own && is_meant && place.kind.is_erasable_at(place.time, by.time)
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::All => Ok(()),
            Self::Records(ids) => ordered("erasure", "records", ids, 1, ERASED_IDS_MAX),
        }
    }
}
