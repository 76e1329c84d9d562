//! What must hold of charters: of their encoding, their files, their faults, and what enforcements make of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;

use core::net::IpAddr;

use proptest::prelude::*;

use super::{
    bounds::{CARRIED_BYTES_MAX, METRICS_MAX, NAME_BYTES_MAX},
    cases::{Case, Expect, Probe, cases},
    compiled::{Destination, NameRefusal, Passage},
    diff::{Effect, changes},
    *,
};

fn shipped() -> Charter {
    Charter::shipped()
}

/// Checks a file made of the shipped one, and returns its faults.
fn faults_of(from: &str, to: &str) -> Vec<Fault> {
    assert!(SHIPPED.contains(from), "{from}");
    let file = SHIPPED.replacen(from, to, 1);
    read(file.as_bytes()).expect_err("it has a fault").faults
}

#[track_caller]
fn only_fault(from: &str, to: &str) -> Fault {
    let faults = faults_of(from, to);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.into_iter().next().unwrap()
}

/// Returns the line of the shipped file that a text stands on, from 1.
fn line_of(text: &str) -> u64 {
    let at = SHIPPED
        .lines()
        .position(|line| line.contains(text))
        .unwrap();
    at as u64 + 1
}

#[test]
fn the_shipped_charter_is_one_and_fits_into_a_record() {
    let charter = read(SHIPPED.as_bytes()).unwrap_or_else(|unread| panic!("{:#?}", unread.faults));

    charter.check_carried().unwrap();
    assert_eq!(charter.number(), 1);
    assert!(
        charter.encode().len() * 4 < CARRIED_BYTES_MAX,
        "{}",
        charter.encode().len()
    );
    let allowed = charter.compiled().name(b"latency_p99").unwrap();
    assert_eq!((allowed.retention_days, allowed.consent), (30, false));
    assert_eq!(
        charter.compiled().name(b"user_location"),
        Err(NameRefusal::Blocked)
    );
}

#[test]
fn a_charter_written_as_a_file_or_as_bytes_reads_back_as_itself() {
    let charter = shipped();

    let file = read(write(&charter).as_bytes()).unwrap_or_else(|unread| panic!("{unread:#?}"));
    let bytes = Charter::decode(&charter.encode()).unwrap();

    assert_eq!(file.text(), charter.text());
    assert_eq!(bytes.text(), charter.text());
    assert_eq!(bytes.id(), ContentId::of(&charter.encode()));
}

#[test]
fn bytes_that_are_not_the_one_encoding_are_refused() {
    let charter = shipped();
    let mut draft = charter.text().clone();
    draft.metrics.reverse();
    let unordered = encode_entry(&draft);
    let mut flawed = charter.text().clone();
    flawed.principles.remove("user_control");
    let mut longer = charter.encode();
    longer.push(0);

    assert!(
        Charter::decode(&unordered)
            .unwrap_err()
            .to_string()
            .contains("order")
    );
    let flaw = Charter::decode(&encode_entry(&flawed))
        .unwrap_err()
        .to_string();
    assert!(flaw.contains("user_control"), "{flaw}");
    assert!(Charter::decode(&longer).is_err());
    assert!(Charter::decode(&[]).is_err());
}

#[test]
fn a_fault_names_line_column_key_value_what_is_allowed_and_the_mend() {
    let fault = only_fault(
        "retention_days: 30\n    consent: false\n    cohort_min: 10\n  - name: deanon",
        "retention_days: 900\n    consent: false\n    cohort_min: 10\n  - name: deanon",
    );

    assert_eq!(fault.line, line_of("name: latency_p99") + 3);
    assert_eq!(fault.column, 5);
    assert_eq!(fault.key, "metrics[0].retention_days");
    assert_eq!(fault.value, "900");
    assert!(fault.allowed.contains("from 1 to 730"), "{fault}");
    assert!(fault.mend.contains("730 or less"), "{fault}");
}

#[test]
fn each_sort_of_fault_is_found_alone() {
    let table = [
        (
            "members: 10",
            "member: 10",
            "committee.member",
            "did you mean members?",
            2,
        ),
        (
            "audit_days: 90",
            "audit_days: 90\n  audit_days: 90",
            "committee.audit_days",
            "keep one",
            1,
        ),
        (
            "audit_days: 90",
            "audit_days: ninety",
            "committee.audit_days",
            "digits",
            1,
        ),
        (
            "audit_days: 90",
            "audit_days: \"90\"",
            "committee.audit_days",
            "digits",
            1,
        ),
        (
            "export_hours: 24",
            "export_hours: 48",
            "windows.export_hours",
            "24 or less",
            1,
        ),
        ("number: 1\n", "", "number", "number", 1),
        (
            "kind: gauge",
            "kind: gage",
            "metrics[0].kind",
            "did you mean gauge?",
            1,
        ),
        (
            "consent: false",
            "consent: no",
            "metrics[0].consent",
            "write true or false",
            1,
        ),
        (
            "name: latency_p99",
            "name: Latency p99",
            "metrics[0].name",
            "latency_p99",
            1,
        ),
        (
            "name: latency_p99",
            "name: deanon_risk_score",
            "metrics[1].name",
            "drop one",
            1,
        ),
        (
            "- user_location",
            "- latency_p99",
            "blocked.names[0]",
            "the one list or the other",
            1,
        ),
        (
            "- biometric_",
            "- x0_",
            "blocked.prefixes[1]",
            "the one list or the other",
            1,
        ),
        (
            "- biometric_",
            "- user_b",
            "blocked.prefixes[4]",
            "shorter one",
            1,
        ),
        (
            "to: 0.0.0.0/0",
            "to: 10.1.2.3/8",
            "services[0].egress[0].to",
            "10.0.0.0/8",
            1,
        ),
        (
            "ports: [4780]",
            "ports: [99999]",
            "services[1].egress[0].ports[0]",
            "443",
            1,
        ),
        (
            "address: 127.0.0.1",
            "address: 192.0.2.1",
            "gateway.address",
            "127.0.0.1",
            1,
        ),
        (
            "approvals: 5",
            "approvals: 4",
            "committee.approvals",
            "5 or more",
            1,
        ),
        (
            "approvals: 5",
            "approvals: 16",
            "committee.approvals",
            "15 or less",
            1,
        ),
        (
            "protocol: udp\n    parser",
            "protocol: tcp\n    parser",
            "telemetry[0].protocol",
            "write udp",
            1,
        ),
        (
            "most_x0: 1_000",
            "most_x0: 50",
            "bounty.most_x0",
            "larger",
            1,
        ),
        (
            "  user_control: >-",
            "  user_controls: >-",
            "principles",
            "",
            2,
        ),
        ("name: Anti-Delos Charter", "name: ~", "name", "a text", 1),
        (
            "windows:\n",
            "window:\n",
            "window",
            "did you mean windows?",
            2,
        ),
        (
            "members: 10",
            "members: ten",
            "committee.members",
            "digits",
            1,
        ),
        (
            "removal: true\n  data",
            "removal: maybe\n  data",
            "penalties.behavioural_prediction.removal",
            "true or false",
            1,
        ),
    ];
    for (from, to, key, mend, count) in table {
        let faults = faults_of(from, to);
        assert_eq!(faults.len(), count, "{to}: {faults:#?}");
        let is_told = faults.iter().any(|fault| {
            let words = format!("{} {}", fault.what, fault.mend);
            fault.key.starts_with(key) && words.contains(mend)
        });
        assert!(is_told, "{to}: {faults:#?}");
    }
}

#[test]
fn many_faults_are_told_at_once_and_in_order() {
    let file = SHIPPED
        .replacen("kind: gauge", "kind: gage", 1)
        .replacen("audit_days: 90", "audit_days: never", 1)
        .replacen("number: 1\n", "nummer: 1\n", 1)
        .replacen("- user_location", "- latency_p99", 1)
        .replacen("erase_days: 30", "erase_days: 400", 1);

    let unread = read(file.as_bytes()).unwrap_err();

    let keys: Vec<_> = unread
        .faults
        .iter()
        .map(|fault| fault.key.as_str())
        .collect();
    assert!(!unread.stopped);
    assert_eq!(
        keys,
        [
            "number",
            "nummer",
            "metrics[0].kind",
            "blocked.names[0]",
            "committee.audit_days",
            "windows.erase_days"
        ]
    );
}

#[test]
fn a_fault_shows_no_control_characters_of_a_key() {
    let faults = faults_of("  privacy_by_design:", "  \"privacy\\t_by_design\":");

    assert!(
        faults
            .iter()
            .any(|fault| fault.key == "principles.privacy _by_design"),
        "{faults:#?}"
    );
}

#[test]
fn what_is_no_yaml_stops_the_reader_which_says_so() {
    for (file, what) in [
        ("a: [1\nb: 2", "no YAML"),
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("a: &x 1\nb: *x\n", "anchors"),
        ("a: !!int 1\n", "tags"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("[[[[[[[[[[1]]]]]]]]]]", "deep"),
    ] {
        let unread = read(file.as_bytes()).unwrap_err();

        let fault = &unread.faults[0];
        assert!(unread.stopped, "{file}");
        assert!(fault.what.contains(what), "{file}: {fault}");
        assert!(
            fault.line <= file.lines().count().max(1) as u64,
            "{file}: {fault}"
        );
    }
    let unread = read(b"version: 1\nname: \xff\n").unwrap_err();
    assert_eq!((unread.faults[0].line, unread.faults[0].column), (2, 7));
    let unread = read(b"- 1\n- 2\n").unwrap_err();
    assert!(unread.faults[0].what.contains("no mapping"), "{unread:?}");
}

/// What the node's own validator answers.
fn answer(charter: &Charter, probe: &Probe) -> Expect {
    match probe {
        Probe::Name(name) => match charter.compiled().name(name) {
            Ok(_) => Expect::Allowed,
            Err(NameRefusal::Malformed(_)) => Expect::Malformed,
            Err(NameRefusal::Blocked) => Expect::Blocked,
            Err(NameRefusal::NotListed) => Expect::NotListed,
        },
        Probe::Flow {
            service,
            address,
            port,
            protocol,
        } => {
            let to = Destination {
                address: *address,
                port: *port,
                protocol: *protocol,
            };
            match charter.compiled().egress(service, to) {
                Ok(Passage::Free) => Expect::Allowed,
                Ok(Passage::Guarded(Parser::Statsd)) => Expect::Guarded,
                Err(_) => Expect::NotListed,
            }
        }
    }
}

fn hold(charter: &Charter) -> Vec<Case> {
    let cases = cases(charter);
    for case in &cases {
        assert_eq!(answer(charter, &case.probe), case.expect, "{case:?}");
    }
    cases
}

#[test]
fn the_nodes_validator_answers_every_case_as_it_must() {
    let cases = hold(&shipped());

    assert_eq!(
        cases,
        super::cases::cases(&shipped()),
        "the same charter has the same cases"
    );
    for expect in [
        Expect::Allowed,
        Expect::Guarded,
        Expect::Blocked,
        Expect::NotListed,
        Expect::Malformed,
    ] {
        assert!(cases.iter().any(|case| case.expect == expect), "{expect:?}");
    }
    let is_mapped = |case: &Case| match &case.probe {
        Probe::Flow {
            address: IpAddr::V6(address),
            ..
        } => address.to_ipv4_mapped().is_some(),
        Probe::Flow { .. } | Probe::Name(_) => false,
    };
    assert!(
        cases
            .iter()
            .any(|case| is_mapped(case) && !case.expect.is_refusal())
    );
    assert!(cases.len() > 500, "{}", cases.len());
}

#[test]
fn suffixes_are_those_of_the_kind_and_no_others() {
    let charter = shipped();
    let name = |name: &str| charter.compiled().name(name.as_bytes()).is_ok();

    assert!(name("x0_repairs") && name("x0_repairs_total") && name("x0_repairs_created"));
    assert!(name("x0_store_write_ms_bucket") && name("x0_store_write_ms_sum"));
    assert!(name("x0_links") && !name("x0_links_total"));
    assert!(!name("x0_repairs_bucket") && !name("x0_store_write_ms_total"));
}

/// A charter with so many metrics.
fn wide(metrics: usize) -> Charter {
    let mut draft = shipped().text().clone();
    let one = draft.metrics[0].clone();
    draft.metrics = (0..metrics)
        .map(|at| Metric {
            name: format!("team_{at:05}_latency"),
            kind: MetricKind::Histogram,
            ..one.clone()
        })
        .collect();
    Charter::new(draft).unwrap()
}

#[test]
fn the_most_metrics_are_checked_found_and_encoded() {
    let charter = wide(METRICS_MAX);

    assert_eq!(charter.compiled().names.len(), METRICS_MAX * 5);
    assert!(
        charter
            .compiled()
            .name(b"team_09999_latency_bucket")
            .is_ok()
    );
    assert!(charter.compiled().name(b"team_10000_latency").is_err());
    assert_eq!(Charter::decode(&charter.encode()).unwrap(), charter);
    assert!(matches!(charter.check_carried(), Err(NotNext::TooLarge(_))));
    assert_eq!(read(write(&charter).as_bytes()).unwrap(), charter);
    let mut draft = charter.text().clone();
    draft.metrics.push(draft.metrics[0].clone());
    assert!(Charter::new(draft).is_err());
}

#[test]
fn an_amendment_has_the_next_number() {
    let old = shipped();
    let next = amended(|draft| draft.number += 1);
    let skips = amended(|draft| draft.number += 2);

    next.check_follows(&old).unwrap();
    assert_eq!(
        skips.check_follows(&old),
        Err(NotNext::Number { found: 3, of: 1 })
    );
    assert!(old.check_follows(&old).is_err());
    assert!(old.check_follows(&next).is_err());
}

fn amended(change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = shipped().text().clone();
    change(&mut draft);
    Charter::new(draft).unwrap()
}

#[test]
fn a_difference_says_first_what_people_lose() {
    let new = amended(|draft| {
        draft.number = 2;
        draft.blocked.names.retain(|name| name != "ip_address");
        draft.metrics[0].retention_days = 90;
        draft.metrics[1].consent = true;
        draft.metrics.retain(|metric| metric.name != "latency_p99");
        draft.metrics.push(Metric {
            name: "page_views".to_owned(),
            kind: MetricKind::Counter,
            purpose: "To see which pages are read.".to_owned(),
            retention_days: 10,
            consent: true,
            cohort_min: 50,
            labels: vec![],
        });
        draft.windows.export_hours = 12;
    });

    let all = changes(&shipped(), &new);

    let of = |effect| {
        let found = all.iter().filter(move |change| change.effect == effect);
        found
            .map(|change| change.words.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (losses, gains) = (of(Effect::Loss), of(Effect::Gain));
    assert!(
        losses.contains("ip_address is no longer blocked"),
        "{losses}"
    );
    assert!(
        losses.contains("retention of charter_violations falls")
            || gains.contains("charter_violations falls from 730 to 90 days"),
        "{losses}"
    );
    assert!(
        losses.contains("page_views may now be collected, with each person's consent"),
        "{losses}"
    );
    assert!(
        gains.contains("latency_p99 may no longer be collected"),
        "{gains}"
    );
    assert!(
        gains.contains("your data is handed to you falls from 24 to 12 hours"),
        "{gains}"
    );
    assert!(all.is_sorted_by_key(|change| change.effect));
    assert!(changes(&new, &new).is_empty());
}

proptest! {
    #[test]
    fn any_charter_survives_bytes_and_file_and_answers_its_cases(draft in drafts()) {
        let charter = Charter::new(draft);
        prop_assume!(charter.is_ok());
        let charter = charter.unwrap();

        let decoded = Charter::decode(&charter.encode()).unwrap();
        prop_assert_eq!(decoded.text(), charter.text());
        let file = read(write(&charter).as_bytes());
        prop_assert!(file.is_ok(), "{:?}", file);
        let file = file.unwrap();
        prop_assert_eq!(file.text(), charter.text());
        hold(&charter);
    }

    #[test]
    fn hostile_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Charter::decode(&bytes).is_err());
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn a_name_is_found_exactly_if_it_is_exported(name in "[a-z][a-z0-9_.-]{0,12}|.{0,20}") {
        let charter = shipped();
        let is_exported = charter.text().metrics.iter().any(|metric| {
            let suffixes = metric.kind.suffixes().iter();
            metric.name == name || suffixes.into_iter().any(|suffix| format!("{}{suffix}", metric.name) == name)
        });
        prop_assert_eq!(charter.compiled().name(name.as_bytes()).is_ok(), is_exported);
        prop_assert!(name.len() <= NAME_BYTES_MAX);
    }
}

/// Draws drafts, most of which are charters.
fn drafts() -> impl Strategy<Value = CharterDraft> {
    let text =
        "[a-zA-Z0-9 :#'\"\\\\{}\\[\\]&*!|>%@`,?-]{20,60}".prop_map(|text| format!("x{text}x"));
    let kinds = prop::sample::select(MetricKind::NAMED.map(|(kind, _)| kind).to_vec());
    let metric = (
        "[a-z][a-z0-9_.-]{3,9}",
        kinds,
        text.clone(),
        1u64..731,
        any::<bool>(),
        1u64..10_001,
    )
        .prop_map(
            |(name, kind, purpose, retention_days, consent, cohort_min)| Metric {
                name,
                kind,
                purpose,
                retention_days,
                consent,
                cohort_min,
                labels: vec!["zone".to_owned()],
            },
        );
    let rule = (any::<IpAddr>(), 0u8..=32, any::<bool>(), 1u16..65_535).prop_filter_map(
        "the address is none of its prefix",
        |(address, bits, is_tcp, port)| {
            let masked = match address {
                IpAddr::V4(one) => IpAddr::V4(
                    (one.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))
                        .into(),
                ),
                IpAddr::V6(one) => IpAddr::V6(
                    (one.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0))
                        .into(),
                ),
            };
            Some(Egress {
                to: format!("{masked}/{bits}").parse().ok()?,
                protocol: if is_tcp { Protocol::Tcp } else { Protocol::Udp },
                ports: vec![format!("{port}-{}", port + 1).parse().ok()?],
            })
        },
    );
    let metrics = prop::collection::vec(metric, 1..6);
    let rules = prop::collection::vec(rule, 0..5);
    let prefixes = prop::collection::vec("[a-z]{3,5}_", 0..4);
    (metrics, rules, prefixes, text, 1u64..1_000_001).prop_map(
        |(metrics, egress, prefixes, name, number)| {
            let mut draft = shipped().text().clone();
            draft.metrics = metrics;
            draft.blocked.prefixes = prefixes;
            draft
                .principles
                .insert("user_control".to_owned(), name.clone());
            draft.services = vec![Service {
                name: "any".to_owned(),
                egress,
            }];
            draft.number = number;
            draft
        },
    )
}
