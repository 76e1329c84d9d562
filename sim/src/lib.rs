//! A deterministic simulator that drives the x0 protocol with a virtual network and clock.
//!
//! The state machine that a node runs is driven here, by the hundred thousand, by a discrete-event
//! engine: an event [`queue`] decides what happens next, a model of the [`network`] how long messages
//! take, counter-based [`random`] streams what chance decides. A [`digest`] over all events proves
//! that two runs were the same, whatever the number of threads. So a result here speaks about the
//! shipped binary, as far as the model of its surroundings goes; every module says what it leaves out.
//!
//! [`Scenario::parse`] reads a scenario, [`run`] runs it, [`replay`] runs a reported one again.
//!
//! ```
//! use x0_sim::{RunOptions, Scenario, run, scenarios::LIBRARY};
//!
//! let (_, text) = LIBRARY[0];
//! let scenario = Scenario::parse_with(text, Some(50), Some(7))?;
//! let report = run(&scenario, RunOptions::default(), &mut |_progress| {})?;
//! assert!(report.passed, "{report}");
//! # Ok::<(), x0_sim::SimError>(())
//! ```

pub mod attacks;
pub mod digest;
pub mod histogram;
mod memory;
pub mod network;
pub mod properties;
pub mod queue;
pub mod random;
mod replay;
pub mod report;
mod run;
pub mod scenarios;
pub mod time;
mod world;

use std::{io, path::PathBuf};

pub use memory::take_huge_pages;
pub use properties::Finding;
pub use replay::{Replay, replay};
pub use report::Report;
pub use run::{Phase, Progress, RunOptions, run};
pub use scenarios::{Scenario, ScenarioError};

/// Why a simulation could not be run or its report not be used.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The scenario is wrong: mend it.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The number of threads is out of range.
    #[error("a run cannot use {threads} threads: give it 1 to {max}")]
    Threads {
        /// What was asked for.
        threads: u32,
        /// The most.
        max: u32,
    },
    /// The text is no report that can be run again.
    #[error(
        "this is no report that can be run again: {why}; give the report.json of an earlier run"
    )]
    Report {
        /// What is wrong with it.
        why: String,
    },
    /// The report could not be written.
    #[error("the report cannot be written to {}: {source}; give another directory", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
