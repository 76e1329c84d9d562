//! Members who guard each other's items, at a size that a test can afford.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_sim::{Finding, Report, RunOptions, Scenario, run, scenarios::LIBRARY};

const NODES: u32 = 48;

fn lived(seed: u64, options: RunOptions) -> Report {
    let (_, text) = LIBRARY.iter().find(|(name, _)| *name == "vault").unwrap();
    // Four seats do what seven do, and a third of the items shows what all show, at a part of the cost.
    let text = [
        ("seats: 7", "seats: 4"),
        ("guardians: 48", "guardians: 18"),
        ("leave: 8", "leave: 3"),
        ("strike: 20", "strike: 7"),
        ("items: 12", "items: 3"),
        ("requests: 12", "requests: 6"),
        ("nodes: 10,", "nodes: 3,"),
    ]
    .into_iter()
    .fold((*text).to_owned(), |text, (from, to)| {
        text.replace(from, to)
    });
    let scenario = Scenario::parse_with(&text, Some(NODES), Some(seed)).unwrap();
    run(&scenario, options, &mut |_| {}).unwrap()
}

fn property(report: &Report, number: u8) -> &Finding {
    let mut findings = report.findings.iter();
    let found = findings.find(|finding| finding.property == Some(number));
    found.unwrap_or_else(|| panic!("property {number} was not looked at: {report}"))
}

#[test]
fn items_open_by_votes_only_and_are_dealt_on_through_strike_blackout_and_theft() {
    let report = lived(2, RunOptions::default());

    assert!(report.passed, "{report}");
    let releases = &property(&report, 5).detail;
    assert!(
        !releases.starts_with("0 ") && !releases.contains(" 0 shares"),
        "guardians released and took shares on: {report}"
    );
    assert!(property(&report, 6).detail.contains("sharings"), "{report}");
    assert!(report.traffic.crashes >= 10, "{report}");
}
