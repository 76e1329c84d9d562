//! A mesh under its charter, at a size that a test can afford.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_sim::{Report, RunOptions, Scenario, run, scenarios::LIBRARY};

/// Enough that an act on more than a hundred nodes is less than half of them.
const NODES: u32 = 220;

fn lived(nodes: u32, seed: u64, options: RunOptions) -> Report {
    let (_, text) = LIBRARY.iter().find(|(name, _)| *name == "charter").unwrap();
    let scenario = Scenario::parse_with(text, Some(nodes), Some(seed)).unwrap();
    run(&scenario, options, &mut |_| {}).unwrap()
}

#[test]
fn a_mesh_keeps_its_charter_through_faults_an_amendment_cases_and_overrides() {
    let report = lived(NODES, 1, RunOptions::default());
    println!("{report}");
    assert!(report.passed, "{report}");
}
