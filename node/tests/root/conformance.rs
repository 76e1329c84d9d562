//! The kernel answers the same list of cases as every other enforcement of a charter: names as StatsD datagrams, traffic by
//! `connect` and `sendto`, from programs under `x0 charter guard`.
//!
//! Each service runs in a network of its own in which every address is this machine's, so that nothing leaves; whatever
//! the kernel lets pass ends there.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::hex;
use serde_json::json;
use x0_ebpf_loader::{
    ProbeError,
    messages::{Answer, Refusal},
};
use x0_node::charter::{SHIPPED, kernel};
use x0_protocol::charter::{
    Charter, CharterDraft, Egress, Metric, MetricKind, Protocol, Service, Telemetry,
    cases::{Case, Expect, Probe as Asked, cases},
    compiled::{Destination, EgressRefusal},
};

use crate::{
    node::Programs,
    probe::{NOBODY, Probe},
};

const CASES: &str = include_str!("cases.py");

/// A network in which every address is this machine's, and then an ordinary user.
const ENTER: &str = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo && \
    exec setpriv --reuid \"$0\" --regid \"$0\" --clear-groups -- \"$@\"";

/// Most refusals that one run makes: the helper keeps 1,024 to be told.
const REFUSALS_MAX: usize = 1_000;

#[test]
#[ignore = "takes root"]
fn the_kernel_answers_every_case_of_the_shipped_charter_as_it_must() {
    hold(&SHIPPED);
}

#[test]
#[ignore = "takes root"]
fn the_kernel_answers_every_case_of_a_charter_with_another_gateway_and_narrow_rules() {
    hold(&changed(|draft| {
        draft.gateway.address = "::1".parse().unwrap();
        draft.gateway.port = 9_125;
        draft.telemetry = vec![
            Telemetry {
                port: 9_125,
                ..draft.telemetry[0]
            },
            Telemetry {
                port: 7_125,
                ..draft.telemetry[0]
            },
        ];
        draft.services.push(Service {
            name: "narrow".to_owned(),
            egress: vec![
                rule("192.0.2.64/26", Protocol::Udp, &["443", "7124-7126"]),
                rule("2001:db8:7::/48", Protocol::Tcp, &["8080-8090"]),
                rule("198.51.100.7/32", Protocol::Tcp, &["1", "65535"]),
            ],
        });
    }));
}

#[test]
#[ignore = "takes root"]
fn the_kernel_answers_every_case_of_a_charter_whose_gateway_takes_connections() {
    hold(&changed(|draft| {
        draft.gateway.port = 4_318;
        draft.gateway.protocol = Protocol::Tcp;
    }));
}

fn changed(change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = SHIPPED.text().clone();
    draft.metrics.push(Metric {
        name: "queue.depth-now".to_owned(),
        kind: MetricKind::Summary,
        purpose: "How much waits, to see when to add a worker.".to_owned(),
        retention_days: 7,
        consent: false,
        cohort_min: 1,
        labels: Vec::new(),
    });
    change(&mut draft);
    Charter::new(draft).unwrap()
}

fn rule(to: &str, protocol: Protocol, ports: &[&str]) -> Egress {
    Egress {
        to: to.parse().unwrap(),
        protocol,
        ports: ports.iter().map(|ports| ports.parse().unwrap()).collect(),
    }
}

/// Asks the kernel every case of a charter, and compares answers and reasons.
fn hold(charter: &Charter) {
    let probe = Probe::start();
    let policy = kernel::policy(charter.compiled()).unwrap().check().unwrap();
    probe.client.load(&policy).unwrap();
    let programs = Programs::copied();
    fs::write(programs.at("cases.py"), CASES).unwrap();
    let all = cases(charter);
    let mut asked = 0;
    let mut services: Vec<&str> = charter
        .text()
        .services
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    // The node hands no telemetry in: names are told by another service.
    let sender = *services.iter().find(|one| **one != "node").unwrap();
    services.extend(["", "Nobody"]);
    for service in services {
        let of_service: Vec<&Case> = all
            .iter()
            .filter(|case| match &case.probe {
                Asked::Name(_) => service == sender && is_told_over_statsd(charter),
                Asked::Flow { service: own, .. } => own == service,
            })
            .collect();
        assert!(!of_service.is_empty(), "{service}");
        asked += of_service.len();
        ask(charter, &probe, &programs, service, &of_service);
    }
    let names = all
        .iter()
        .filter(|case| matches!(case.probe, Asked::Name(_)))
        .count();
    let unasked = if is_told_over_statsd(charter) {
        0
    } else {
        names
    };
    assert_eq!(asked + unasked, all.len(), "every case is asked");
    assert!(asked > 50, "{asked}");
}

/// Names can be told where the gateway takes StatsD.
fn is_told_over_statsd(charter: &Charter) -> bool {
    charter.text().gateway.protocol == Protocol::Udp
}

/// Asks the cases of one service, names first as the charter lists them.
fn ask(charter: &Charter, probe: &Probe, programs: &Programs, service: &str, cases: &[&Case]) {
    let before = refusals(probe).len();
    let output = run(programs, charter, probe, service, cases);
    if !charter
        .text()
        .services
        .iter()
        .any(|one| one.name == service)
    {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && text.contains("has no service"),
            "{text}"
        );
        assert!(cases.iter().all(|case| case.expect.is_refusal()));
        return;
    }
    let said: Vec<String> = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| {
        panic!(
            "{service}: {fault}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    assert_eq!(said.len(), cases.len());
    let mut refused = Vec::new();
    for (case, said) in cases.iter().zip(&said) {
        if said == "EINVAL" && is_to_nowhere(case) {
            continue;
        }
        assert_eq!(
            said == "EPERM",
            case.expect.is_refusal(),
            "{service}: {said}: {case:?}"
        );
        if case.expect.is_refusal() {
            refused.push(*case);
        }
    }
    assert!(refused.len() < REFUSALS_MAX);
    let told = refusals_of(probe, before, refused.len());
    for (case, refusal) in refused.iter().zip(&told) {
        let expected = reasons(charter, case);
        assert!(
            expected.contains(&refusal.reason.as_str()),
            "{refusal:?}: {case:?}"
        );
    }
}

/// Port 0 is nobody's: the system refuses a datagram there by itself (EINVAL), before the charter is asked.
fn is_to_nowhere(case: &Case) -> bool {
    match &case.probe {
        Asked::Flow { port, protocol, .. } => {
            case.expect.is_refusal() && (*port, *protocol) == (0, Protocol::Udp)
        }
        Asked::Name(_) => false,
    }
}

/// The words by which the kernel may refuse a case: where a name is refused, whether for its form or for the list is all
/// that the kernel knows.
fn reasons(charter: &Charter, case: &Case) -> &'static [&'static str] {
    match (&case.probe, case.expect) {
        (Asked::Name(_), Expect::Malformed) => &["name", "malformed", "oversized"],
        (Asked::Name(_), _) => &["name"],
        (
            Asked::Flow {
                service,
                address,
                port,
                protocol,
            },
            _,
        ) => {
            let to = Destination {
                address: *address,
                port: *port,
                protocol: *protocol,
            };
            match charter.compiled().egress(service, to).unwrap_err() {
                EgressRefusal::NoService => &["no-policy"],
                EgressRefusal::NoRule => &["destination"],
                EgressRefusal::PastGateway if service == "node" => &["telemetry-from-node"],
                EgressRefusal::PastGateway => &["telemetry-elsewhere", "transport"],
            }
        }
    }
}

fn refusals(probe: &Probe) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let read = probe.client.events::<ProbeError>(false, |answer| {
        if let Answer::Event(refusal) = answer {
            refusals.push(refusal);
        }
        Ok(())
    });
    read.unwrap();
    refusals
}

/// Waits until the helper has read the refusals of one run.
fn refusals_of(probe: &Probe, before: usize, count: usize) -> Vec<Refusal> {
    let began = Instant::now();
    loop {
        let mut all = refusals(probe);
        if all.len() >= before + count {
            assert_eq!(all.len(), before + count, "one refusal is told once");
            return all.split_off(before);
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{} of {count} refusals were told",
            all.len() - before
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn run(
    programs: &Programs,
    charter: &Charter,
    probe: &Probe,
    service: &str,
    cases: &[&Case],
) -> Output {
    let gateway = charter.text().gateway;
    let names = cases.iter().filter_map(|case| match &case.probe {
        Asked::Name(name) => Some(hex::encode(name)),
        Asked::Flow { .. } => None,
    });
    let flows = cases.iter().filter_map(|case| match &case.probe {
        Asked::Name(_) => None,
        Asked::Flow {
            address,
            port,
            protocol,
            ..
        } => Some(json!({ "address": address, "port": port, "protocol": protocol })),
    });
    let asked = json!({
        "gateway": [gateway.address, gateway.port],
        "good": charter.text().metrics[0].name,
        "names": names.collect::<Vec<_>>(),
        "flows": flows.collect::<Vec<_>>(),
    });
    let file = programs.at("asked.json");
    fs::write(&file, asked.to_string()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", ENTER, &NOBODY.to_string()]);
    command
        .arg(programs.at("x0"))
        .args(["charter", "guard", "--service", service, "--socket"]);
    command.arg(probe.client.socket()).args(["--", "python3"]);
    command
        .arg(programs.at("cases.py"))
        .arg(&file)
        .current_dir(Path::new("/tmp"));
    command.stdin(Stdio::null()).output().unwrap()
}
