//! A mesh under its charter, at a size that a test can afford.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_sim::{Finding, Report, RunOptions, Scenario, run, scenarios::LIBRARY};

/// Enough that an act on more than a hundred nodes is less than half of them.
const NODES: u32 = 220;

fn lived(nodes: u32, seed: u64, options: RunOptions) -> Report {
    let (_, text) = LIBRARY.iter().find(|(name, _)| *name == "charter").unwrap();
    // Four seats do what seven do, and thirty senders what a hundred do, at a part of the cost.
    let text = text.replace("seats: 7", "seats: 4");
    let text = text.replace("senders: 100", "senders: 30");
    let scenario = Scenario::parse_with(&text, Some(nodes), Some(seed)).unwrap();
    run(&scenario, options, &mut |_| {}).unwrap()
}

fn property(report: &Report, number: u8) -> &Finding {
    let mut findings = report.findings.iter();
    let found = findings.find(|finding| finding.property == Some(number));
    found.unwrap_or_else(|| panic!("property {number} was not looked at: {report}"))
}

#[test]
fn a_mesh_keeps_its_charter_through_faults_an_amendment_cases_and_overrides() {
    let report = lived(NODES, 1, RunOptions::default());

    assert!(report.passed, "{report}");
    assert!(report.traffic.crashes >= 50, "{report}");
    let wide = &property(&report, 2).detail;
    assert!(
        !wide.starts_with("0 "),
        "an act on the network ran: {report}"
    );
    let guarded = &property(&report, 10).detail;
    assert!(guarded.contains("were made and counted"), "{report}");
    // Answers that were overtaken by others are nobody's fault.
    let blamed = report.rejections.iter();
    let blamed = blamed.filter(|rejected| rejected.why.contains("leads elsewhere"));
    assert_eq!(blamed.count(), 0, "{report}");
}

#[test]
fn a_life_under_a_charter_is_the_same_with_one_thread_and_with_two() {
    let options = RunOptions {
        threads: 2,
        twice: true,
    };
    let report = lived(60, 2, options);

    let same = property(&report, 12);
    assert!(same.holds, "{}", same.detail);
}
