//! Every attack of the library, at a size that a test can afford: its outcome is as it says it expects.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;

use x0_sim::attacks::{Config, Drill, LIBRARY, NODES_MIN, Outcome, Step, find, run_all};

const NODES: u32 = 200;

fn small(seed: u64) -> Config {
    Config {
        nodes: NODES,
        adversary_ppm: 330_000,
        runs: 1,
        draws: 60,
        hours: 1,
        seed,
    }
}

/// Carries out an attack and returns what it measured, by name.
fn as_expected(name: &str) -> Outcome {
    let outcome = find(name).unwrap().run(&small(1), &|_| {});
    assert!(outcome.holds(), "{outcome}");
    assert!(!outcome.claims.is_empty() && !outcome.measures.is_empty());
    outcome
}

fn measured(outcome: &Outcome, what: &str) -> f64 {
    let measure = outcome
        .measures
        .iter()
        .find(|measure| measure.what.contains(what));
    measure
        .unwrap_or_else(|| panic!("nothing measured of {what}: {outcome}"))
        .value
}

#[test]
fn a_rogue_agent_changes_no_node_beyond_its_token() {
    as_expected("rogue-agent");
}

#[test]
fn slices_count_as_one_in_a_whole_and_in_a_divided_mesh() {
    as_expected("slicing");
}

#[test]
fn colluding_signers_pass_as_often_as_the_formula_says() {
    as_expected("collusion");
}

#[test]
fn grinding_gains_no_draw_and_bends_none() {
    as_expected("grinding");
}

#[test]
fn a_flood_of_invites_counts_late_and_never_twice_in_a_draw() {
    as_expected("sybil");
}

#[test]
fn nothing_that_is_replayed_runs() {
    as_expected("replay");
}

#[test]
fn a_forked_author_is_found_everywhere_and_obeyed_nowhere() {
    as_expected("equivocation");
}

#[test]
fn forged_and_stale_certificates_fool_nobody() {
    as_expected("forgery");
}

#[test]
fn an_eclipsed_node_believes_nothing_unsigned_and_misses_what_is_withheld() {
    let outcome = as_expected("eclipse");
    assert!(measured(&outcome, "records withheld") > 0.0, "{outcome}");
}

#[test]
fn a_silent_third_changes_nothing_and_one_more_stops_the_mesh() {
    as_expected("silent-committee");
}

#[test]
fn who_withholds_the_beacon_chooses_nobody() {
    as_expected("beacon-withholding");
}

#[test]
fn lying_clocks_move_mesh_time_only_when_they_are_more_than_may_lie() {
    let outcome = as_expected("clock-lies");
    let two = outcome
        .measures
        .iter()
        .filter(|measure| measure.what.contains("by 2 of 4"));
    assert!(
        two.map(|measure| measure.value.abs()).fold(0.0, f64::max) > 60_000.0,
        "{outcome}"
    );
}

#[test]
fn observers_learn_no_more_of_an_origin_than_that_a_stem_began_at_them() {
    let outcome = as_expected("first-spy");
    for percent in [5, 33] {
        let recall = |way| measured(&outcome, &format!("{way}, {percent} % observe: recall"));
        let (with, without) = (recall("with a stem"), recall("gossiped at once"));
        assert!(with < 0.7 * without, "{percent} %: {with} and {without}");
    }
}

#[test]
fn a_restored_node_runs_nothing_late() {
    as_expected("rollback");
}

#[test]
fn false_alarms_halt_nothing_and_true_ones_do() {
    as_expected("false-alarms");
}

#[test]
fn usual_work_is_no_anomaly_whatever_a_third_of_the_nodes_cries() {
    let outcome = as_expected("benign-load");
    assert!(measured(&outcome, "false alarms raised") > 100.0);
    assert!(measured(&outcome, "acts of usual work that ran") > 0.9);
}

#[test]
fn a_stroke_halts_honest_nodes_within_seconds_with_and_without_a_committee() {
    let outcome = as_expected("halt-spread");
    for speakers in ["committee at work", "drawn witnesses alone"] {
        let what = format!("{speakers}: honest nodes that are halted within 5 s");
        assert!(measured(&outcome, &what) >= 0.99, "{outcome}");
    }
}

#[test]
fn a_false_tally_is_refuted_everywhere_and_obeyed_nowhere_once_one_node_counts_again() {
    let outcome = as_expected("false-tally");
    let time = measured(&outcome, "until every honest node has the proof");
    assert!(time > 0.0 && time < 8.64, "{outcome}");
}

#[test]
fn ballots_left_out_vanish_only_beyond_the_stated_bound() {
    let outcome = as_expected("left-out-ballots");
    let vanish = |seats: &str| measured(&outcome, &format!("{seats} seats, voters gone, empty"));
    assert_eq!(
        [vanish("2 of 7"), vanish("3 of 7")],
        [0.0, 1.0],
        "{outcome}"
    );
}

#[test]
fn whatever_voters_do_the_count_is_exact() {
    as_expected("double-voting");
}

#[test]
fn a_jury_is_captured_as_often_as_published_and_one_subject_gets_one() {
    let outcome = as_expected("jury-capture");
    assert_eq!(measured(&outcome, "64 different items at once"), 16.0);
}

#[test]
fn a_packed_bench_convicts_only_from_as_many_seats_on_as_the_charter_asks_words_of() {
    let outcome = as_expected("packed-case");
    let fewest = |size: &str| {
        measured(
            &outcome,
            &format!("{size} seats: fewest hostile ones that convict"),
        )
    };
    assert_eq!(
        [fewest("4"), fewest("7"), fewest("10"), fewest("15")],
        [3.0, 5.0, 5.0, 5.0],
        "{outcome}"
    );
}

#[test]
fn false_reports_keep_others_waiting_only_when_they_fill_every_place() {
    as_expected("false-reports");
}

#[test]
fn an_override_that_is_hidden_runs_nowhere_or_lapses() {
    // Its page tells of the seeds that come out otherwise.
    let outcome = find("hidden-override").unwrap().run(&small(3), &|_| {});
    assert!(outcome.holds(), "{outcome}");
}

#[test]
fn a_flood_of_overrides_is_bounded_and_public() {
    as_expected("override-flood");
}

#[test]
fn two_logs_of_one_size_are_found_out_and_two_sizes_are_not() {
    as_expected("log-split");
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_another_does_not() {
    let attack = find("grinding").unwrap();
    let [one, again, other] = [1, 1, 2].map(|seed| attack.run(&small(seed), &|_| {}));
    assert_eq!(one, again);
    assert_ne!(one.measures, other.measures);
}

#[test]
fn a_drill_writes_every_outcome_as_soon_as_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("new");
    let attacks = [find("sybil").unwrap(), find("false-alarms").unwrap()];
    let config = Config {
        nodes: NODES_MIN,
        draws: 12,
        ..small(3)
    };
    let ended = Mutex::new(Vec::new());
    let tell = |step: Step| {
        if step.ended.is_some() {
            let written = std::fs::read_to_string(out.join("report.md")).unwrap();
            assert!(
                written.contains(&format!("## {}", step.attack)),
                "{written}"
            );
            ended.lock().unwrap().push(step.attack);
        }
    };

    let drill = Drill {
        attacks: &attacks,
        config,
        threads: 2,
        out: Some(&out),
    };
    let outcomes = run_all(drill, &tell).unwrap();

    assert_eq!(
        outcomes
            .iter()
            .map(|outcome| outcome.attack)
            .collect::<Vec<_>>(),
        ["sybil", "false-alarms"]
    );
    assert_eq!(ended.lock().unwrap().len(), 2);
    let table = std::fs::read_to_string(out.join("measures.csv")).unwrap();
    assert!(
        table.lines().count() > 10 && table.contains("sybil,100,330000,1,3,"),
        "{table}"
    );
    for plot in outcomes.iter().flat_map(|outcome| &outcome.plots) {
        let picture = std::fs::read_to_string(out.join(format!("{}.svg", plot.name))).unwrap();
        assert!(
            picture.starts_with("<svg")
                && picture.ends_with("</svg>\n")
                && !picture.contains("NaN"),
            "{picture}"
        );
    }
}

#[test]
fn every_attack_has_a_page_and_a_name_of_its_own() {
    let mut names: Vec<_> = LIBRARY.iter().map(|attack| attack.name()).collect();
    for attack in LIBRARY {
        let page = format!(
            "{}/../docs/attacks/{}.md",
            env!("CARGO_MANIFEST_DIR"),
            attack.name()
        );
        let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(
            page.contains(attack.name()) && page.contains("## Measured"),
            "{page}"
        );
        assert!(!attack.summary().is_empty() && !attack.expected().is_empty());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LIBRARY.len());
}

#[test]
fn a_configuration_out_of_range_is_named_with_its_range() {
    let error = Config {
        nodes: 5,
        ..small(1)
    }
    .checked()
    .unwrap_err()
    .to_string();
    assert_eq!(
        error,
        "nodes = 5 is out of range: 100 to 100000 are allowed"
    );
}
