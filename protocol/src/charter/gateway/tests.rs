//! What must hold of the gateway, whichever way samples come in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::{
    super::{
        CharterDraft, Metric,
        cases::{Expect, Probe, cases},
    },
    render::{Audience, Escaping},
    *,
};

const NOW: Wall = Wall(1_800_000_000_000);
const DAY: u64 = DAY_MS;

fn metric(name: &str, kind: MetricKind) -> Metric {
    Metric {
        name: name.to_owned(),
        kind,
        purpose: "To see that the gateway works.".to_owned(),
        retention_days: 2,
        consent: false,
        cohort_min: 1,
        labels: vec!["zone".to_owned()],
    }
}

fn charter(change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = Charter::shipped().text().clone();
    draft.metrics = vec![
        metric("requests", MetricKind::Counter),
        metric("queue.depth", MetricKind::Gauge),
        metric("wait_ms", MetricKind::Histogram),
        metric("load_ms", MetricKind::Summary),
        metric("visitors", MetricKind::Set),
    ];
    change(&mut draft);
    Charter::new(draft).unwrap()
}

fn gateway() -> Gateway {
    Gateway::new(charter(|_| ()), Consents::default())
}

fn own(source: &str) -> Origin {
    of("self", source)
}

fn of(node: &str, source: &str) -> Origin {
    Origin {
        node: node.to_owned(),
        source: source.to_owned(),
    }
}

fn send(gateway: &mut Gateway, datagram: &str) -> Taken {
    gateway.statsd(NOW, &own("statsd"), datagram.as_bytes())
}

fn scrape(gateway: &mut Gateway, node: &str, text: &str) -> Taken {
    gateway.exposition(NOW, &of(node, "http://x/metrics"), text.as_bytes())
}

fn seen(gateway: &Gateway, audience: Audience) -> Vec<String> {
    let text = gateway.shown(audience, Escaping::Quotes, |_| false);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn anyone(gateway: &Gateway) -> Vec<String> {
    seen(gateway, Audience::Anyone)
}

fn reasons(gateway: &Gateway) -> Vec<&'static str> {
    gateway
        .refusals()
        .iter()
        .map(|refused| refused.reason)
        .collect()
}

#[test]
fn statsd_adds_up_what_it_counts_and_keeps_what_it_measures() {
    let mut gateway = gateway();

    for datagram in [
        "requests:3|c\nrequests:2|c|@0.5",
        "queue.depth:7|g\nqueue.depth:-2|g\nqueue.depth:+1|g\n",
        "wait_ms:10|ms\nwait_ms:2.5|h|@0.5\nload_ms:4|d",
        "visitors:1|s\nvisitors:2|s\nvisitors:1|s",
    ] {
        assert_eq!(send(&mut gateway, datagram).refused, 0, "{datagram}");
    }

    assert_eq!(
        anyone(&gateway),
        [
            "load_ms_count 1",
            "load_ms_sum 4",
            "{\"queue.depth\"} 6",
            "requests_total 7",
            "visitors 2",
            "wait_ms_count 3",
            "wait_ms_sum 15",
        ]
    );
    assert_eq!(gateway.taken(), 11);
}

#[test]
fn names_are_judged_as_in_every_enforcement() {
    let charter = Charter::shipped();
    let mut gateway = Gateway::new(charter.clone(), Consents::default());
    for case in cases(&charter) {
        let Probe::Name(name) = &case.probe else {
            continue;
        };
        let found = gateway.judge(name);
        let expected = match case.expect {
            Expect::Allowed | Expect::Guarded => None,
            Expect::Blocked => Some("blocked"),
            Expect::NotListed => Some("not-listed"),
            Expect::Malformed => Some("malformed"),
        };
        assert_eq!(
            found.as_ref().err().map(Refusal::word),
            expected,
            "{case:?}"
        );
        // Nor does one pass in a datagram.
        let datagram = [name.as_slice(), b":1|c"].concat();
        let taken = gateway.statsd(NOW, &own("statsd"), &datagram);
        assert!(!case.expect.is_refusal() || taken.taken == 0, "{case:?}");
    }
}

#[test]
fn what_behaves_otherwise_than_listed_is_refused_and_says_so() {
    let mut gateway = gateway();

    for datagram in [
        "requests:1|g",
        "queue.depth:1|c",
        "wait_ms:1|c",
        "wait_ms_bucket:1|c",
        "visitors:1|ms",
        "load_ms:1|s",
    ] {
        let taken = send(&mut gateway, datagram);
        assert_eq!((taken.taken, taken.refused), (0, 1), "{datagram}");
    }
    let text = "# TYPE requests gauge\nrequests 1\n# TYPE queue.depth info\nqueue.depth 1\n";
    assert_eq!(scrape(&mut gateway, "self", text).taken, 0);

    let refusals = gateway.refusals();
    let told = refusals
        .iter()
        .find(|one| one.name.as_deref() == Some("queue.depth"));
    assert!(told.is_some());
    let sent = refusals.iter().find(|one| one.source == "statsd").unwrap();
    assert_eq!(sent.reason, "kind");
    assert!(refusals.iter().any(|one| {
        one.words
            .contains("lists it as a counter, and it was sent as gauge")
    }));
    assert!(anyone(&gateway).is_empty());
}

#[test]
fn a_datagram_that_cannot_be_read_is_refused_as_a_whole_and_its_words_are_not_kept() {
    let mut gateway = gateway();

    for datagram in [
        "requests:1|c\nrequests:1|c|#user:alice",
        "requests:alice|c",
        "requests",
        "",
        "requests:1|c\0",
    ] {
        assert_eq!(
            send(&mut gateway, datagram),
            Taken {
                taken: 0,
                refused: 1
            },
            "{datagram}"
        );
    }
    let long = format!(
        "requests:1|c\n{}:1|c",
        "z".repeat(statsd::DATAGRAM_BYTES_MAX)
    );
    assert_eq!(send(&mut gateway, &long).taken, 0);

    assert!(anyone(&gateway).is_empty());
    let book = format!("{:?}", gateway.refusals());
    assert!(!book.contains("alice"), "{book}");
    assert_eq!(gateway.book().by_reason()["unreadable"], 5);
    assert_eq!(gateway.book().by_reason()["too-long"], 1);
}

#[test]
fn a_name_that_is_none_is_not_repeated_and_an_unknown_one_gets_a_hint() {
    let mut gateway = gateway();

    send(&mut gateway, "Alice@home:1|c");
    send(&mut gateway, "request:1|c");

    let refusals = gateway.refusals();
    let find = |reason: &str| refusals.iter().find(|one| one.reason == reason).unwrap();
    assert_eq!(find("malformed").name, None);
    assert!(!format!("{:?}", find("malformed")).contains("Alice"));
    assert_eq!(find("not-listed").name.as_deref(), Some("request"));
    assert!(find("not-listed").words.ends_with("did you mean requests?"));
}

#[test]
fn an_exposition_takes_the_place_of_the_one_before() {
    let mut gateway = gateway();
    let before = "# TYPE requests_total counter\nrequests_total{zone=\"a\"} 3\nrequests_total{zone=\"b\"} 4\n";
    let after = "# TYPE requests counter\nrequests_total{zone=\"a\"} 5 1700000000 # {trace_id=\"x\"} 1\n# EOF\n";

    assert_eq!(scrape(&mut gateway, "self", before).taken, 2);
    assert_eq!(scrape(&mut gateway, "self", after).taken, 1);

    assert_eq!(anyone(&gateway), ["requests_total{zone=\"a\"} 5"]);
}

#[test]
fn what_a_client_library_writes_is_read() {
    let mut gateway = gateway();
    let text = "# HELP wait_ms Wait.\n# TYPE wait_ms histogram\nwait_ms_bucket{le=\"3.0\",zone=\"a\"} 1.0\n\
        wait_ms_bucket{le=\"10.0\",zone=\"a\"} 2.0\nwait_ms_bucket{le=\"+Inf\",zone=\"a\"} 2.0\nwait_ms_count{zone=\"a\"} 2.0\n\
        wait_ms_sum{zone=\"a\"} 7.5\n# TYPE wait_ms_created gauge\nwait_ms_created{zone=\"a\"} 1.7e+09\n\
        # TYPE load_ms summary\nload_ms{quantile=\"0.99\"} NaN\nload_ms_count 0\nload_ms_sum 0\n";

    let taken = scrape(&mut gateway, "self", text);

    // When it was made is no more than noise, and said of another kind.
    assert_eq!(taken.refused, 0, "{:?}", gateway.refusals());
    assert_eq!(
        anyone(&gateway),
        [
            "load_ms{quantile=\"0.99\"} 0",
            "load_ms_count 0",
            "load_ms_sum 0",
            "wait_ms_bucket{le=\"3.0\",zone=\"a\"} 1",
            "wait_ms_bucket{le=\"10.0\",zone=\"a\"} 2",
            "wait_ms_bucket{le=\"+Inf\",zone=\"a\"} 2",
            "wait_ms_count{zone=\"a\"} 2",
            "wait_ms_sum{zone=\"a\"} 7.5",
        ]
    );
}

#[test]
fn labels_that_are_not_listed_are_refused_however_they_are_written() {
    let mut gateway = gateway();
    let lines = [
        "requests_total{user=\"alice\"} 1",
        "requests_total{zone=\"a\",user=\"alice\"} 1",
        "requests_total{zone=\"a\",zone=\"b\"} 1",
        "requests_total{zone=\"a\\\",user=\\\"alice\"} 1",
        "requests_total{zone=\"a} 1",
        "requests_total{zone} 1",
        "{\"requests_total\"} 1",
        "requests_total NaN",
        "requests_total -1",
        "requests_total",
    ];

    let taken = scrape(&mut gateway, "self", &lines.join("\n"));

    // The fourth is one label with a strange value, which may stand there.
    assert_eq!((taken.taken, taken.refused), (1, 9));
    assert_eq!(
        anyone(&gateway),
        ["requests_total{zone=\"a\\\",user=\\\"alice\"} 1"]
    );
    let long = format!("requests_total{{zone=\"{}\"}} 1", "z".repeat(129));
    assert_eq!(scrape(&mut gateway, "self", &long).refused, 1);
    assert!(reasons(&gateway).contains(&"label"));
}

#[test]
fn nothing_is_kept_longer_than_the_charter_says() {
    let mut gateway = gateway();
    send(&mut gateway, "requests:3|c\nqueue.depth:7|g");

    // Something that goes on and on begins anew, so that no sum holds what is older.
    gateway.statsd(
        Wall(NOW.0 + DAY),
        &own("statsd"),
        b"requests:1|c\nqueue.depth:8|g",
    );
    gateway.expire(Wall(NOW.0 + 2 * DAY - 1));
    assert_eq!(
        anyone(&gateway),
        ["{\"queue.depth\"} 8", "requests_total 4"]
    );
    gateway.expire(Wall(NOW.0 + 2 * DAY));
    assert_eq!(anyone(&gateway), ["{\"queue.depth\"} 8"]);
    gateway.statsd(Wall(NOW.0 + 2 * DAY), &own("statsd"), b"requests:1|c");
    gateway.expire(Wall(NOW.0 + 3 * DAY));

    assert_eq!(anyone(&gateway), ["requests_total 1"]);
}

#[test]
fn a_metric_that_needs_consent_passes_with_it_and_is_forgotten_when_it_is_withdrawn() {
    let needing = charter(|draft| draft.metrics[0].consent = true);
    let mut gateway = Gateway::new(needing, Consents::default());
    let say = |gateway: &mut Gateway, person: &str, given: bool| {
        let word = gateway.check_word(NOW, "requests", person, given).unwrap();
        gateway.take_word(word);
    };

    assert_eq!(send(&mut gateway, "requests:3|c").refused, 1);
    assert_eq!(reasons(&gateway), ["consent"]);
    say(&mut gateway, "ada", true);
    say(&mut gateway, "bob", true);
    assert_eq!(send(&mut gateway, "requests:3|c").taken, 1);
    assert_eq!(anyone(&gateway), ["requests_total 3"]);
    say(&mut gateway, "bob", false);
    assert!(
        anyone(&gateway).is_empty(),
        "what was collected is forgotten"
    );
    assert_eq!(send(&mut gateway, "requests:3|c").refused, 1);
    say(&mut gateway, "bob", true);
    assert_eq!(send(&mut gateway, "requests:1|c").taken, 1);

    let again = Consents::restore(gateway.consents().words().cloned());
    assert_eq!(&again, gateway.consents());
    let fault = |metric: &str, person: &str, given| {
        gateway.check_word(NOW, metric, person, given).unwrap_err()
    };
    assert!(matches!(
        fault("nothing", "ada", true),
        WordFault::NoMetric(_)
    ));
    assert!(matches!(
        fault("wait_ms", "ada", true),
        WordFault::NotNeeded(_)
    ));
    assert!(matches!(
        fault("requests", "eve", false),
        WordFault::NeverGiven { .. }
    ));
    assert_eq!(fault("requests", "", true), WordFault::BadPerson);
    assert_eq!(fault("requests", "a\nb", true), WordFault::BadPerson);
}

#[test]
fn a_yes_to_one_purpose_is_none_to_another() {
    let needing = charter(|draft| draft.metrics[0].consent = true);
    let mut gateway = Gateway::new(needing.clone(), Consents::default());
    let word = gateway.check_word(NOW, "requests", "ada", true).unwrap();
    gateway.take_word(word.clone());
    send(&mut gateway, "requests:3|c");

    let mut draft = needing.text().clone();
    draft.number += 1;
    let requests = draft
        .metrics
        .iter_mut()
        .find(|one| one.name == "requests")
        .unwrap();
    requests.purpose = "To sell it to whoever pays.".to_owned();
    let amended = Charter::new(draft).unwrap();
    gateway.amend(amended.clone());

    assert!(anyone(&gateway).is_empty());
    assert_eq!(send(&mut gateway, "requests:3|c").refused, 1);
    assert!(gateway.consents().has_lapsed(&amended, &word));
    assert!(!gateway.consents().has_lapsed(&needing, &word));
}

#[test]
fn an_amendment_is_obeyed_at_once() {
    let mut gateway = gateway();
    send(&mut gateway, "requests:3|c\nqueue.depth:7|g");
    scrape(
        &mut gateway,
        "self",
        "# TYPE wait_ms histogram\nwait_ms_count{zone=\"a\"} 2\n",
    );

    gateway.amend(charter(|draft| {
        draft.number = 2;
        draft.metrics.retain(|metric| metric.name != "requests");
        draft
            .metrics
            .iter_mut()
            .for_each(|metric| metric.labels.clear());
    }));

    assert_eq!(anyone(&gateway), ["{\"queue.depth\"} 7"]);
    assert_eq!(send(&mut gateway, "requests:3|c").refused, 1);
}

#[test]
fn only_the_operator_sees_what_too_few_nodes_gave() {
    let wide = charter(|draft| {
        draft
            .metrics
            .iter_mut()
            .for_each(|metric| metric.cohort_min = 3)
    });
    let mut gateway = Gateway::new(wide, Consents::default());
    let text = |count: u32| {
        format!(
            "# TYPE requests counter\nrequests_total {count}\n# TYPE queue.depth gauge\nqueue.depth {count}\n\
             # TYPE load_ms summary\nload_ms{{quantile=\"0.5\"}} {count}\nload_ms_count {count}\nload_ms_sum {count}\n"
        )
    };

    scrape(&mut gateway, "a", &text(1));
    scrape(&mut gateway, "b", &text(2));
    // Two programs of one node are one node.
    let later = Wall(NOW.0 + 1);
    gateway.exposition(later, &of("b", "http://other/metrics"), text(6).as_bytes());
    assert!(anyone(&gateway).is_empty());
    let withheld = gateway.withheld();
    assert_eq!(withheld.len(), 3);
    assert_eq!((withheld[0].nodes, withheld[0].cohort_min), (2, 3));
    let operator = seen(&gateway, Audience::Operator);
    assert!(
        operator.contains(&"requests_total{Node=\"a\"} 1".to_owned()),
        "{operator:?}"
    );
    assert!(
        operator.contains(&"requests_total{Node=\"b\"} 8".to_owned()),
        "{operator:?}"
    );

    scrape(&mut gateway, "c", &text(3));
    assert_eq!(
        anyone(&gateway),
        [
            "load_ms_count 12",
            "load_ms_sum 12",
            // Of b the newest: 6. The mean of 1, 6 and 3.
            "{\"queue.depth\"} 3.333333333",
            "requests_total 12",
        ]
    );
    gateway.forget(&of("c", "http://x/metrics"));
    assert!(anyone(&gateway).is_empty());
}

#[test]
fn a_rare_label_does_not_single_out_a_node() {
    let wide = charter(|draft| {
        draft
            .metrics
            .iter_mut()
            .for_each(|metric| metric.cohort_min = 2)
    });
    let mut gateway = Gateway::new(wide, Consents::default());

    scrape(&mut gateway, "a", "requests_total{zone=\"x\"} 1\n");
    scrape(
        &mut gateway,
        "b",
        "requests_total{zone=\"x\"} 2\nrequests_total{zone=\"home\"} 5\n",
    );

    assert_eq!(anyone(&gateway), ["requests_total{zone=\"x\"} 3"]);
}

#[test]
fn names_that_older_readers_do_not_know_are_told_with_underscores_once() {
    let both = charter(|draft| draft.metrics.push(metric("queue_depth", MetricKind::Gauge)));
    let mut gateway = Gateway::new(both, Consents::default());
    send(&mut gateway, "queue.depth:7|g\nqueue_depth:8|g");

    let shown = gateway.shown(Audience::Anyone, Escaping::Underscores, |_| false);
    let quoted = gateway.shown(Audience::Anyone, Escaping::Quotes, |metric| {
        metric == "nothing"
    });

    assert_eq!(shown.matches("queue_depth 7").count(), 1, "{shown}");
    assert!(!shown.contains("queue_depth 8"), "{shown}");
    assert!(
        quoted.contains("# TYPE \"queue.depth\" gauge\n"),
        "{quoted}"
    );
    assert!(quoted.contains("\nqueue_depth 8\n"), "{quoted}");
}

#[test]
fn there_is_a_limit_to_everything() {
    let mut gateway = gateway();
    let many: String = (0..SERIES_OF_NAME_MAX + 5)
        .map(|at| format!("requests_total{{zone=\"{at}\"}} 1\n"))
        .collect();

    let taken = scrape(&mut gateway, "self", &many);
    assert_eq!((taken.taken, taken.refused), (SERIES_OF_NAME_MAX as u64, 5));
    assert_eq!(reasons(&gateway), ["full"]);
    for node in 0..9 {
        scrape(&mut gateway, &node.to_string(), "queue.depth 1\n");
    }
    for name in 0..refusal::REFUSALS_MAX + 10 {
        send(&mut gateway, &format!("unknown{name}:1|c"));
    }
    assert_eq!(gateway.refusals().len(), refusal::REFUSALS_MAX);
    for member in 0..MEMBERS_MAX + 3 {
        send(&mut gateway, &format!("visitors:{member}|s"));
    }
    assert!(anyone(&gateway).contains(&format!("visitors {MEMBERS_MAX}")));
    let endless = "queue.depth 1\n".repeat(SAMPLES_MAX + 1);
    let taken = scrape(&mut gateway, "self", &endless);
    assert_eq!((taken.taken, taken.refused), (SAMPLES_MAX as u64, 1));
}

proptest! {
    #[test]
    fn hostile_bytes_do_no_harm_and_what_is_shown_is_listed(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        line in "(requests|queue.depth|wait_ms_bucket|user_x)(_total)?(\\{[a-z\"=,\\\\]{0,12}\\})?[: ][0-9.e+-]{0,5}(\\|[cgs]|\\|ms)?",
    ) {
        let mut gateway = gateway();
        for input in [bytes.as_slice(), line.as_bytes()] {
            gateway.statsd(NOW, &own("statsd"), input);
            gateway.exposition(NOW, &own("http://x"), input);
        }
        for shown in anyone(&gateway) {
            let name = shown.trim_start_matches("{\"");
            let name = name.split(['{', ' ', '"']).next().unwrap_or_default();
            prop_assert!(gateway.charter().compiled().name(name.as_bytes()).is_ok(), "{shown}");
        }
    }
}
