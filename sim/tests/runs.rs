//! Whole runs of the shipped scenarios, at sizes that a test can afford.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_sim::{Phase, Report, RunOptions, Scenario, SimError, replay, run, scenarios::LIBRARY};

#[test]
fn a_broadcast_reaches_every_node() {
    let report = run_shipped("gossip", Some(200), 1);

    assert!(report.passed, "{report}");
    // Ten broadcasts, and what the committee makes known: its keys and a checkpoint.
    assert_eq!(report.traffic.messages, 12);
    assert!(report.traffic.reach_min >= 1.0, "{report}");
    assert!(
        report.delivery_ms.p50 > 50.0 && report.delivery_ms.max < 3_000.0,
        "{report}"
    );
    assert!((5.0..9.0).contains(&report.traffic.redundancy), "{report}");
}

#[test]
fn nothing_acknowledged_is_lost_to_crashes_loss_and_partition() {
    for seed in 1..=3 {
        let report = run_shipped("gossip-faults", None, seed);
        assert!(report.passed, "{report}");
        assert!(report.traffic.crashes >= 50, "{report}");
        assert!(
            report.traffic.wants > 0,
            "lazy repair had nothing to do: {report}"
        );
        assert!(
            report.traffic.reach_min < 1.0,
            "the partition cut nobody off: {report}"
        );
    }
}

#[test]
fn an_act_within_its_token_passes_and_one_beyond_is_refused_everywhere() {
    let report = run_shipped("capability-spread", None, 1);

    assert!(report.passed, "{report}");
    let refused: u64 = report.refusals.iter().map(|refusal| refusal.count).sum();
    assert!(refused >= 500, "{report}");
}

#[test]
fn the_same_seed_gives_the_same_digest_with_one_thread_and_with_two() {
    for name in ["gossip", "gossip-faults", "capability-spread"] {
        let text = shipped(name);
        let nodes = (name == "gossip").then_some(150);
        let scenario = Scenario::parse_with(text, nodes, Some(5)).unwrap();
        let options = RunOptions {
            threads: 1,
            twice: true,
        };
        let report = run(&scenario, options, &mut |_| {}).unwrap();
        let finding = report
            .findings
            .iter()
            .find(|f| f.property == Some(12))
            .unwrap();
        assert!(finding.holds, "{name}: {}", finding.detail);
    }
}

#[test]
fn another_seed_is_another_run() {
    let [one, two] = [1, 2].map(|seed| run_shipped("gossip", Some(50), seed));
    assert_ne!(one.digest, two.digest);
    assert_ne!(one.scenario_hash, two.scenario_hash);
}

#[test]
fn a_report_replays_to_the_same_digest_and_a_changed_one_does_not() {
    let report = run_shipped("gossip", Some(50), 1);
    let mut changed = report.clone();
    changed.scenario["seed"] = 2.into();

    let same = replay(&report.to_json(), RunOptions::default(), &mut |_| {}).unwrap();
    let other = replay(&changed.to_json(), RunOptions::default(), &mut |_| {}).unwrap();

    assert!(same.same);
    assert_eq!(same.report.digest, report.digest);
    assert!(!other.same);
}

#[test]
fn what_is_no_report_is_refused_with_the_mend() {
    let error = replay("{}", RunOptions::default(), &mut |_| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("give the report.json of an earlier run"),
        "{error}"
    );

    let mut report = run_shipped("gossip", Some(20), 1);
    report.scenario["nodes"] = 0.into();
    let error = replay(&report.to_json(), RunOptions::default(), &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().contains("nodes = 0 is out of range"),
        "{error}"
    );
}

#[test]
fn reports_are_written_as_text_and_as_json_that_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    let report = run_shipped("gossip", Some(20), 1);

    let [json, text] = report.write_to(&directory.path().join("new")).unwrap();

    let read = Report::from_json(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(read, report);
    let text = std::fs::read_to_string(text).unwrap();
    assert!(
        text.contains(&report.digest.to_string()) && text.contains("property 7"),
        "{text}"
    );
}

#[test]
fn a_report_that_cannot_be_written_names_the_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let report = run_shipped("gossip", Some(20), 1);
    let error = report.write_to(file.path()).unwrap_err();
    assert!(
        matches!(&error, SimError::Write { path, .. } if path == file.path()),
        "{error}"
    );
}

#[test]
fn progress_is_told_from_founding_to_convergence() {
    let scenario = Scenario::parse_with(shipped("gossip"), Some(20), None).unwrap();
    let mut told = Vec::new();
    run(&scenario, RunOptions::default(), &mut |progress| {
        told.push(progress)
    })
    .unwrap();

    assert_eq!(told[0].phase, Phase::Founding);
    assert!(told.len() > 50);
    assert!(told.is_sorted_by_key(|progress| (progress.virtual_ms, progress.events)));
}

#[test]
fn more_threads_than_any_machine_has_are_refused() {
    let scenario = Scenario::parse(shipped("gossip")).unwrap();
    let options = RunOptions {
        threads: 0,
        twice: false,
    };
    assert!(matches!(
        run(&scenario, options, &mut |_| {}),
        Err(SimError::Threads { .. })
    ));
}

fn shipped(name: &str) -> &'static str {
    LIBRARY.iter().find(|(known, _)| *known == name).unwrap().1
}

fn run_shipped(name: &str, nodes: Option<u32>, seed: u64) -> Report {
    let scenario = Scenario::parse_with(shipped(name), nodes, Some(seed)).unwrap();
    run(&scenario, RunOptions::default(), &mut |_| {}).unwrap()
}
