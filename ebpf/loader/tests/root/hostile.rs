//! A guarded program that tries everything it can: no name off the list arrives anywhere, and the sender is told.

use std::collections::BTreeMap;

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

#[test]
#[ignore = "takes root"]
fn no_way_of_sending_leads_round_the_check() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let above = probe.cgroup.parent().unwrap().display().to_string();

    let output = probe
        .sender(
            "exporter",
            "ways",
            &[
                ("statsd", &gateway.port),
                ("telemetry", &gateway.telemetry_port()),
                ("web", &port_of(&gateway.web)),
                ("plain", &gateway.plain.local_addr().unwrap().port()),
                ("other", &gateway.other.local_addr().unwrap().port()),
                ("cgroup", &above),
            ],
        )
        .output()
        .unwrap();

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

    let output = probe
        .sender(
            "node",
            "ways",
            &[
                ("statsd", &gateway.port),
                ("telemetry", &gateway.telemetry_port()),
                ("web", &port_of(&gateway.web)),
                ("plain", &gateway.plain.local_addr().unwrap().port()),
                ("other", &gateway.other.local_addr().unwrap().port()),
                ("cgroup", &"/nonexistent"),
            ],
        )
        .output()
        .unwrap();

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
