//! Time as the protocol sees it: integers handed in by the driver, never read from a clock.
//!
//! Two clocks come in with every input. The monotonic one drives timers and never goes back; the
//! wall clock dates records and may lie. Windows and expiries will go by the committee's certified
//! mesh time; until a committee exists, [`Now::mesh_time`] says plainly that its answer is this
//! node's own wall clock.

use core::{fmt, ops};

use serde::{Deserialize, Serialize};

/// A span of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Makes a span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Makes a span of whole minutes.
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }
}

/// A reading of the monotonic clock, in milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Returns the time passed since `earlier`, zero if that lies ahead.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Millis> for Mono {
    type Output = Self;

    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A reading of a wall clock, in milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub u64);

impl Wall {
    /// Returns the whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }
}

impl ops::Add<Millis> for Wall {
    type Output = Self;

    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The present moment as the driver's two clocks show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: timers and timeouts.
    pub mono: Mono,
    /// The wall clock: dates of records; may be wrong or step.
    pub wall: Wall,
}

/// The time by which windows and expiries are judged, with how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshTime {
    /// No committee certifies time: this is the node's own wall clock.
    Uncertified(Wall),
}

impl MeshTime {
    /// Returns the instant itself, whoever vouches for it.
    pub const fn instant(self) -> Wall {
        match self {
            Self::Uncertified(wall) => wall,
        }
    }
}

impl Now {
    /// Returns the time by which windows and expiries are judged.
    pub const fn mesh_time(self) -> MeshTime {
        MeshTime::Uncertified(self.wall)
    }
}

/// How many seconds of mesh time pass in one real second; anything but 1 marks a test mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeScale(pub u32);

impl TimeScale {
    /// The scale of every mesh that is not a test.
    pub const REAL: Self = Self(1);

    /// Tells whether this scale marks a test mesh.
    pub const fn is_test(self) -> bool {
        self.0 != 1
    }
}
