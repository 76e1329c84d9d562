//! A halt by itself: what made it, where it stands, when it ends.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, capability::RootKey};

use super::Turn;
use crate::core::time::Wall;

/// Names a halt: the same at every node, whichever alerts it heard first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HaltId(ContentId);

impl HaltId {
    /// Names the halt of a mesh that a root causes after it was pardoned so many times.
    pub fn of(mesh: &ContentId, root: &RootKey, pardons: u32) -> Self {
        let mut name = b"x0/halt/1\0".to_vec();
        name.extend_from_slice(mesh.digest());
        name.extend_from_slice(root.bytes());
        name.extend_from_slice(&pardons.to_be_bytes());
        Self(ContentId::of(&name))
    }

    /// Returns the subject of the emergency vote that ends this halt.
    pub fn resumption(&self) -> ContentId {
        self.subject(b"x0/halt-resume/1\0")
    }

    /// Returns the subject of the emergency vote that confirms this halt, so that it does not expire.
    pub fn confirmation(&self) -> ContentId {
        self.subject(b"x0/halt-confirm/1\0")
    }

    /// Returns the subject of the vote that renews this halt.
    pub fn renewal(&self) -> ContentId {
        self.subject(b"x0/halt-renew/1\0")
    }

    fn subject(&self, tag: &[u8]) -> ContentId {
        ContentId::of(&[tag, self.0.digest()].concat())
    }

    /// Reads a name back from its 32 bytes.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(ContentId::from_digest(digest))
    }

    /// Returns the 32 bytes of the name.
    pub const fn digest(&self) -> &[u8; 32] {
        self.0.digest()
    }

    /// Returns the last characters, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

/// Which group made a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// f+1 seats of the committee.
    Committee,
    /// f+1 of the epoch's witnesses.
    Witnesses,
}

/// What confirms a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// Alerts of f+1 seats.
    Alerts,
    /// A certificate of the committee.
    Certificate(ContentId),
    /// The verdict of a jury.
    Jury(ContentId),
    /// A vote of the members that renewed it.
    Vote(ContentId),
}

/// How a halt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nobody confirmed it in time.
    Expired,
    /// It was confirmed, and no vote renewed it.
    Lapsed,
    /// A vote resumed.
    Resumed {
        /// The vote's certificate.
        vote: ContentId,
        /// What becomes of the root.
        pardon: Pardon,
    },
}

/// Whether a resuming vote lets the root cause another halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pardon {
    /// It has had its one halt.
    Withheld,
    /// It counts like one that never caused any.
    Granted,
}

/// Where a halt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Stage {
    /// In force, until it expires.
    Unconfirmed,
    /// In force, until it lapses.
    Confirmed {
        /// By what.
        by: Confirmation,
        /// When it lapses.
        until: Wall,
    },
    /// Over.
    Ended {
        /// Since when.
        at: Wall,
        /// How.
        how: End,
    },
}

/// A halt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    /// Its name.
    pub id: HaltId,
    /// The root whose acts caused it.
    pub root: RootKey,
    /// One of the alerts that made it: of those counted, the lowest; none if this node knows it by the committee's
    /// certificate only.
    pub alert: Option<ContentId>,
    /// Mesh time of the last alert it took, as far as that is not ahead.
    pub began: Wall,
    /// When it ends if nobody confirms it.
    pub expires: Wall,
    /// When it lapses once it is confirmed, if no vote renews it.
    pub lapses: Wall,
    /// Which group made it.
    pub by: By,
    /// Where it stands.
    pub stage: Stage,
    /// The votes that renewed it, in order of arrival.
    pub renewals: Vec<ContentId>,
}

impl Halt {
    /// Returns when the halt ends or ended, with all that is known.
    pub fn end(&self) -> Wall {
        match self.stage {
            Stage::Unconfirmed => self.expires,
            Stage::Confirmed { until, .. } => until,
            Stage::Ended { at, .. } => at,
        }
    }

    /// Tells whether the halt is in force.
    pub fn is_in_force(&self, now: Wall) -> bool {
        match self.stage {
            Stage::Unconfirmed | Stage::Confirmed { .. } => now < self.end(),
            Stage::Ended { .. } => false,
        }
    }

    /// Tells whether the halt is or was confirmed by more than those who made it.
    pub const fn is_confirmed(&self) -> bool {
        match self.stage {
            Stage::Confirmed { .. } => true,
            Stage::Unconfirmed => false,
            Stage::Ended { how, .. } => !matches!(how, End::Expired),
        }
    }

    /// Tells whether the committee's certificate confirms the halt.
    pub const fn is_certified(&self) -> bool {
        match self.stage {
            Stage::Confirmed { by, .. } => matches!(by, Confirmation::Certificate(_)),
            Stage::Unconfirmed => false,
            // Over: nothing is left to be made known.
            Stage::Ended { .. } => true,
        }
    }

    pub(super) const fn is_pardoned(&self) -> bool {
        matches!(
            self.stage,
            Stage::Ended {
                how: End::Resumed {
                    pardon: Pardon::Granted,
                    ..
                },
                ..
            }
        )
    }

    /// Confirms the halt by the committee's word, which sets one end for all nodes, whichever alerts each counted.
    pub(super) fn certify(&mut self, by: Confirmation, until: Wall) -> Vec<Turn> {
        self.lapses = until;
        match self.stage {
            Stage::Confirmed {
                by: Confirmation::Alerts | Confirmation::Jury(_),
                ..
            } => {
                self.stage = Stage::Confirmed { by, until };
                vec![Turn::Confirmed(self.id)]
            }
            Stage::Unconfirmed | Stage::Confirmed { .. } | Stage::Ended { .. } => self.confirm(by),
        }
    }

    /// Confirms the halt if nothing has yet.
    pub(super) fn confirm(&mut self, by: Confirmation) -> Vec<Turn> {
        match self.stage {
            Stage::Unconfirmed => {
                let until = self.lapses;
                self.stage = Stage::Confirmed { by, until };
                vec![Turn::Confirmed(self.id)]
            }
            Stage::Confirmed { .. } | Stage::Ended { .. } => Vec::new(),
        }
    }
}
