//! Violations of the charter: their sorts, what follows from each, and what a node knows of reported ones.
//!
//! - [`Violation`] and [`Sentence`]: the sort of a violation decides the penalty, and nobody else does.
//! - [`Sentences`]: who is suspended, on probation or removed. It is a function of the set of final verdicts, so that
//!   it is the same whatever order they came in.
//! - [`Docket`]: what every node knows of cases, from what the committee has certified.
//! - [`sealed`]: reports that only the committee opens; [`receipt`]: what their reporters keep.
//!
//! How a case goes its way is a matter of the committee log (`spine::committee::cases`). What x0 a verdict moves is
//! counted by `spine::ledger`. Nothing here decides who is guilty.

mod docket;
pub mod receipt;
pub mod sealed;
mod sentences;
#[cfg(test)]
mod tests;

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    docket::{CaseKnown, Docket, Stage},
    sentences::{Barred, Sentence, Sentences},
};
use super::{Penalties, Penalty};

/// A sort of violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Violation {
    /// Behaviour or location was tracked in silence.
    SilentCollection,
    /// Freedom was restricted by a model of behaviour.
    BehaviouralPrediction,
    /// Data was sold or taken without being allowed.
    DataExtraction,
    /// An override without a vote, or with a false log.
    UnauthorizedOverride,
}

impl Violation {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::SilentCollection,
        Self::BehaviouralPrediction,
        Self::DataExtraction,
        Self::UnauthorizedOverride,
    ];

    /// Returns the name that it has in a charter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SilentCollection => "silent_collection",
            Self::BehaviouralPrediction => "behavioural_prediction",
            Self::DataExtraction => "data_extraction",
            Self::UnauthorizedOverride => "unauthorized_override",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Violation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|sort| sort.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no sort of violation: write one of {names}")
        })
    }
}

impl Penalties {
    /// Returns what follows from a sort of violation.
    pub const fn of(&self, sort: Violation) -> Penalty {
        match sort {
            Violation::SilentCollection => self.silent_collection,
            Violation::BehaviouralPrediction => self.behavioural_prediction,
            Violation::DataExtraction => self.data_extraction,
            Violation::UnauthorizedOverride => self.unauthorized_override,
        }
    }
}
