//! What can be found in acts, how grave it is, and the figures that draw the line.

use core::fmt;

use serde::{Deserialize, Serialize};
use x0_crypto::{PublicKey, capability::RootKey};

use crate::core::time::{Millis, Wall};

/// Span in which [`BURST_ACTS`] acts of one agent are a burst.
pub const BURST_WINDOW: Millis = Millis::from_mins(1);

/// Acts of one agent within [`BURST_WINDOW`] that are a burst: more than 10 a minute.
pub const BURST_ACTS: u32 = 11;

/// Span over which the targets of one agent or root are added up.
pub const MASS_WINDOW: Millis = Millis::from_mins(60);

/// Most time between the dates of identical changes that count as one stroke.
pub const IDENTICAL_WINDOW: Millis = Millis::from_secs(1);

/// Different acts that make identical changes an anomaly, if they touch as many nodes.
pub const IDENTICAL_ACTS: u32 = 3;

/// Fewest distinct targets that make an identical change an anomaly in meshes of any size.
pub const IDENTICAL_NODES_MIN: u32 = 10;

/// Share of the mesh, one in so many, above which an identical change is an anomaly: what a token alone may reach.
pub const IDENTICAL_SHARE: u32 = 10;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// More than 10 acts a minute by one agent.
    Burst,
    /// The changes of one agent or one root within an hour reach more than half of the mesh.
    MassChange,
    /// The same change on many nodes within a second, without a certificate.
    SilentIdentical,
    /// Far more acts in ten minutes than this agent's usual.
    RateJump,
}

impl Pattern {
    /// Returns the span of signed dates within which the pattern's acts lie, and within which it is told once.
    pub const fn window(self) -> Millis {
        match self {
            Self::Burst => BURST_WINDOW,
            Self::MassChange => MASS_WINDOW,
            Self::SilentIdentical => IDENTICAL_WINDOW,
            Self::RateJump => super::rate::BUCKET,
        }
    }

    /// Tells whether a finding of this pattern can have this severity.
    pub const fn can_be(self, severity: Severity) -> bool {
        match (self, severity) {
            (Self::Burst | Self::RateJump | Self::SilentIdentical, Severity::High)
            | (Self::MassChange | Self::SilentIdentical, Severity::Critical) => true,
            (Self::Burst | Self::RateJump, Severity::Critical)
            | (Self::MassChange, Severity::High) => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Burst => "burst of acts",
            Self::MassChange => "mass change",
            Self::SilentIdentical => "silent identical change",
            Self::RateJump => "unusual rate of acts",
        })
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A person should look; nothing is stopped.
    High,
    /// The root is frozen, and enough independent alerts halt the mesh.
    Critical,
}

/// An anomaly, recomputed from signed acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub pattern: Pattern,
    /// How grave it is.
    pub severity: Severity,
    /// The agent it is laid to: of several, the one with the most acts, then the lowest key.
    pub agent: PublicKey,
    /// The delegation root it is laid to: of several, the one with the most acts, then the lowest key.
    pub root: RootKey,
    /// The date of the last act of the evidence.
    pub last: Wall,
    /// What was found, for a person to read, with the figures and where the line lies.
    pub words: String,
}
