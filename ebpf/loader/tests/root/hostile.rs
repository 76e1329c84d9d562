//! A guarded program that tries everything it can: no name off the list arrives anywhere, and the sender is told.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    process::{Output, Stdio},
    thread,
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use x0_ebpf_common::{PAYLOAD_BYTES_MAX, statsd};

use crate::support::{Gateway, Probe, port_of, results};

/// Tries of `sender.py` that go through because the policy says so.
const ALLOWED: [&str; 11] = [
    "good unconnected",
    "good connected",
    "good lines",
    "good at the limit",
    "good many",
    "good v6",
    "good mapped",
    "scrape port of the gateway",
    "allowed tcp",
    "allowed tcp mapped",
    "allowed udp",
];

/// Tries that this kernel may end in another way than by EPERM, since it knows no such socket, or leaves no one the right.
const OTHERWISE: [&str; 8] = [
    "sctp",
    "multipath",
    "routing header",
    "packet",
    "raw",
    "raw v6",
    "ping",
    "move out",
];

/// Tries in which the call that sends has no way to tell of a refusal; that nothing arrives is checked for all.
const UNTOLD: [&str; 1] = ["cork"];

fn check(results: &BTreeMap<String, String>) {
    for (name, result) in results {
        if ALLOWED.contains(&name.as_str()) {
            assert_eq!(result, "sent", "{name}");
        } else if OTHERWISE.contains(&name.as_str()) {
            assert_ne!(result, "sent", "{name}");
        } else if !UNTOLD.contains(&name.as_str()) {
            assert_eq!(result, "EPERM", "{name}");
        }
    }
}

fn check_arrived(gateway: &Gateway) {
    let arrived = gateway.arrived();
    assert!(!arrived.is_empty(), "what is allowed arrives");
    for payload in arrived {
        for line in payload
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let text = String::from_utf8_lossy(line);
            assert!(
                [b"peers.count".as_slice(), b"msg.rate"].contains(&name),
                "escaped: {text}"
            );
        }
    }
}

fn check_counts(probe: &Probe) {
    let status = probe.status();
    let refused: u64 = status.refused.values().sum();
    assert!(refused > 0);
    assert_eq!(
        refused,
        status.delivered + status.lost,
        "every refusal is told or counted as lost"
    );
}

#[test]
#[ignore = "takes root"]
fn no_name_off_the_list_leaves_however_it_is_spelled() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());

    let output = probe
        .sender("exporter", "names", &[("statsd", &gateway.port)])
        .output()
        .unwrap();

    let results = results(&output);
    assert!(results.len() > 60, "{results:?}");
    check(&results);
    check_arrived(&gateway);
    check_counts(&probe);
    let status = probe.status();
    for reason in ["name", "malformed", "oversized", "telemetry-elsewhere"] {
        assert!(status.refused.contains_key(reason), "{reason}: {status:?}");
    }
}

/// Has the sender try every way of sending it knows, under a service; `cgroup` is where it tries to move to.
fn try_all_ways(probe: &Probe, gateway: &Gateway, service: &str, cgroup: &str) -> Output {
    let ways: [(&str, &dyn ToString); 6] = [
        ("statsd", &gateway.port),
        ("telemetry", &gateway.telemetry_port()),
        ("web", &port_of(&gateway.web)),
        ("plain", &gateway.plain.local_addr().unwrap().port()),
        ("other", &gateway.other.local_addr().unwrap().port()),
        ("cgroup", &cgroup),
    ];
    probe.sender(service, "ways", &ways).output().unwrap()
}

#[test]
#[ignore = "takes root"]
fn no_way_of_sending_leads_round_the_check() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let above = probe.cgroup.parent().unwrap().display().to_string();

    let output = try_all_ways(&probe, &gateway, "exporter", &above);

    let results = results(&output);
    assert!(results.len() > 40, "{results:?}");
    check(&results);
    check_arrived(&gateway);
    check_counts(&probe);
    let status = probe.status();
    for reason in [
        "segmented",
        "shared-memory",
        "headers",
        "transport",
        "destination",
        "socket-kind",
        "listen",
    ] {
        assert!(status.refused.contains_key(reason), "{reason}: {status:?}");
    }
}

#[test]
#[ignore = "takes root"]
fn the_node_reaches_any_peer_and_no_telemetry_port() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());

    let output = try_all_ways(&probe, &gateway, "node", "/nonexistent");

    let results = results(&output);
    for name in ["allowed tcp", "other tcp", "other tcp v6", "other udp"] {
        assert_eq!(results[name], "sent", "{name}");
    }
    for name in [
        "statsd by tcp",
        "scrape port of the gateway",
        "scrape port elsewhere",
        "program",
        "raw v6",
        "ping",
    ] {
        assert_ne!(results[name], "sent", "{name}");
    }
    let is_telemetry = |payload: &Vec<u8>| payload.starts_with(b"peers");
    assert!(!gateway.arrived().iter().any(is_telemetry));
    assert!(probe.status().refused.contains_key("telemetry-from-node"));
}

/// The same judgement, byte by byte and without any cleverness.
fn is_allowed(payload: &[u8], names: &[&str]) -> bool {
    let mut state = statsd::LINE;
    for byte in payload {
        state = statsd::step(state, *byte);
    }
    let name_of = |line: &[u8]| {
        line.split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
            .to_vec()
    };
    let mut lines = payload
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    !payload.is_empty()
        && payload.len() <= PAYLOAD_BYTES_MAX as usize
        && statsd::may_end(state)
        && lines.all(|line| names.iter().any(|name| name.as_bytes() == name_of(line)))
}

/// Datagrams that are nearly right: lines of listed names of every length around a word, some of them spoilt.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(&NAMES[..]);
    let value =
        "-?[0-9]{1,12}(\\.[0-9]{1,9})?(e-?[0-9]{1,2})?\\|(c|g|ms|h|d|s)(\\|@[01](\\.[0-9]{1,4})?)?";
    let line = (name, value).prop_map(|(name, value)| format!("{name}:{value}"));
    let lines = prop::collection::vec(line, 1..12).prop_map(|lines| lines.join("\n").into_bytes());
    let spoil = prop::option::weighted(
        0.6,
        (
            any::<prop::sample::Index>(),
            prop::sample::select(&b":|@\n.a0-\0\xff"[..]),
        ),
    );
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (lines, spoil, cut, any::<bool>()).prop_map(|(mut bytes, spoil, cut, ends)| {
        if let Some((place, byte)) = spoil {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(place) = cut {
            bytes.truncate(place.index(bytes.len()).max(1));
        }
        if ends {
            bytes.push(b'\n');
        }
        bytes
    })
}

const NAMES: [&str; 10] = [
    "a",
    "ab",
    "abcdef",
    "abcdefg",
    "abcdefgh",
    "abcdefghi",
    "peers.count",
    "abcdefghijklmno",
    "abcdefghijklmnop",
    "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz",
];

#[test]
#[ignore = "takes root"]
fn the_kernel_judges_thousands_of_nearly_right_datagrams_as_the_grammar_does() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy_with(&NAMES));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = datagrams();
    let payloads: Vec<Vec<u8>> = (0..6_000)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();

    let mut sender = probe.sender("exporter", "given", &[("statsd", &gateway.port)]);
    let mut child = sender
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = payloads
        .iter()
        .map(|payload| {
            payload
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + "\n"
        })
        .collect();
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let mut marks = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut marks)
        .unwrap();
    writer.join().unwrap();
    child.wait().unwrap();

    assert_eq!(marks.len(), payloads.len());
    let mut sent = 0;
    for (payload, mark) in payloads.iter().zip(marks.chars()) {
        let text = String::from_utf8_lossy(payload);
        assert_eq!(mark == '+', is_allowed(payload, &NAMES), "{text:?}");
        sent += usize::from(mark == '+');
    }
    assert!(sent > 1_000 && sent < 5_000, "{sent} of them were right");
}
