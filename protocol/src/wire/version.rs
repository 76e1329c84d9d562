//! Versions: of the wire between two peers, and of the rules of validity in a mesh.
//!
//! The wire version is agreed per link: each side announces a range and the highest common one is
//! spoken. Rules of validity are a matter of the whole mesh: they switch for everyone at a certified
//! epoch, which needs a committee; until one exists a mesh keeps the rules of its genesis.

use serde::{Deserialize, Serialize};

/// The wire version this build writes.
pub const WIRE_VERSION: u16 = 1;

/// An inclusive range of wire versions a peer can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRange {
    /// The oldest version spoken.
    pub min: u16,
    /// The newest version spoken.
    pub max: u16,
}

impl VersionRange {
    /// The range this build speaks.
    pub const OURS: Self = Self {
        min: 1,
        max: WIRE_VERSION,
    };

    /// Returns the highest version both sides speak.
    pub fn common(self, other: Self) -> Option<u16> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// The version of the rules of validity in force in a mesh, fixed by its genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(pub u16);

impl Rules {
    /// The newest rules this build knows how to follow.
    pub const NEWEST: Self = Self(1);
}

#[cfg(test)]
mod tests {
    use super::VersionRange;

    #[test]
    fn the_highest_common_version_is_spoken() {
        let range = |min, max| VersionRange { min, max };
        assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
        assert_eq!(range(1, 3).common(range(1, 1)), Some(1));
        assert_eq!(range(1, 1).common(range(2, 3)), None);
    }
}
