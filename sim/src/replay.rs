//! Running a reported run again, to see that it is the same.

use serde::{Deserialize, Serialize};

use crate::{
    Report, SimError,
    digest::RunDigest,
    run::{Progress, RunOptions, run},
    scenarios::Scenario,
};

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Whether the digests are the same.
    pub same: bool,
    /// The digest in the report.
    pub before: RunDigest,
    /// The version of the simulator that wrote the report.
    pub before_version: String,
    /// The report of the new run.
    pub report: Report,
}

/// Runs the scenario of a report again and compares the digests.
///
/// # Errors
///
/// Returns [`SimError::Report`] if the text is no report, [`SimError::Scenario`] if its scenario is
/// out of bounds, and what [`run`] returns.
pub fn replay(
    report_json: &str,
    options: RunOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Replay, SimError> {
    let before = Report::from_json(report_json)?;
    let scenario = Scenario::parse(&before.scenario.to_string())?;
    let report = run(&scenario, options, progress)?;
    Ok(Replay {
        same: report.digest == before.digest,
        before: before.digest,
        before_version: before.version,
        report,
    })
}
