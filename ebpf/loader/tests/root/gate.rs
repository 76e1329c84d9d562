//! The gate through its life: changes of policy under fire, helpers killed and restarted, floods, events.

use std::{
    fs,
    io::{BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use x0_ebpf_loader::messages::{Answer, Refusal};

use crate::support::{Gateway, NOBODY, Probe, line_of, rest_of, results};

fn events(probe: &Probe) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let read = probe
        .client
        .events::<x0_ebpf_loader::ProbeError>(false, |answer| {
            if let Answer::Event(refusal) = answer {
                refusals.push(refusal);
            }
            Ok(())
        });
    read.unwrap();
    refusals
}

/// Waits until the helper has read what the kernel delivered.
fn wait_for_events(probe: &Probe, count: usize) -> Vec<Refusal> {
    let began = Instant::now();
    loop {
        let events = events(probe);
        if events.len() >= count || began.elapsed() > Duration::from_secs(30) {
            return events;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "takes root"]
fn a_refusal_tells_who_where_to_and_why_and_names_only_by_their_hash() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());

    let mut sender = probe.sender(
        "exporter",
        "flood",
        &[("statsd", &gateway.port), ("times", &1)],
    );
    let child = sender.stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    child.wait_with_output().unwrap();

    let events = wait_for_events(&probe, 1);
    let [event] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((event.pid, event.uid), (pid, NOBODY));
    assert_eq!(
        (event.address.as_str(), event.port),
        ("127.0.0.1", gateway.port)
    );
    assert_eq!(
        (event.service.as_str(), event.protocol.as_str()),
        ("exporter", "udp")
    );
    assert_eq!((event.reason.as_str(), event.payload_bytes), ("name", 14));
    assert_eq!(event.name_hash, probe.client.hash("user.email").unwrap());
    assert_ne!(event.name_hash, probe.client.hash("user.emaiL").unwrap());
    assert!(!format!("{event:?}").contains("user.email"));
}

#[test]
#[ignore = "takes root"]
fn a_change_of_policy_has_no_gap_in_either_direction() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    let policies = [
        gateway.policy_with(&["peers.count", "msg.rate"]),
        gateway.policy_with(&["other.name", "peers.count"]),
    ];
    probe.load(&policies[0]);
    let mut sender = probe.sender("exporter", "forever", &[("statsd", &gateway.port)]);
    let mut child = sender
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line_of(&mut output), "started");

    for turn in 0..200 {
        probe.load(&policies[turn % 2]);
    }
    drop(child.stdin.take());
    let line = rest_of(output);
    assert!(child.wait().unwrap().success());

    let counts: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(|word| word.parse().unwrap())
        .collect();
    let [good_sent, good_refused, bad_sent, bad_refused] = counts[..] else {
        panic!("{line}")
    };
    assert_eq!(good_refused, 0, "an allowed name was refused");
    assert_eq!(bad_sent, 0, "a refused name was sent");
    assert!(good_sent > 1_000 && bad_refused > 1_000, "{line}");
    let status = probe.status();
    assert_eq!(status.refused.get("name"), Some(&bad_refused));
    assert_eq!(status.checked, good_sent);
}

/// Starts a sender that tries one good and one bad name for each line it is given.
fn on_demand(probe: &Probe, gateway: &Gateway) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut sender = probe.sender("exporter", "on_demand", &[("statsd", &gateway.port)]);
    sender.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = sender.spawn().unwrap();
    let input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line_of(&mut output), "ready");
    (child, input, output)
}

#[test]
#[ignore = "takes root"]
fn killing_the_helper_leaves_the_gate_shut_and_the_next_one_adopts_it() {
    let (mut probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    assert!(!probe.status().adopted);
    let (mut child, mut input, mut output) = on_demand(&probe, &gateway);
    let mut check = || {
        input.write_all(b"\n").unwrap();
        assert_eq!(line_of(&mut output), "good: sent");
        assert_eq!(line_of(&mut output), "bad: EPERM");
    };

    check();
    probe.kill();
    check();
    probe.restart();
    check();

    let status = probe.status();
    assert!(status.adopted && status.enforced, "{status:?}");
    assert_eq!(
        status.refused.get("name"),
        Some(&3),
        "counted across helpers: {status:?}"
    );
    assert_eq!((status.delivered, status.lost), (3, 0));
    assert_eq!(status.services.get("exporter"), Some(&1));
    // The refusal that nobody was there to read was kept; the first may have been read by the helper that is gone.
    assert!(wait_for_events(&probe, 2).len() >= 2);
    drop(input);
    child.wait().unwrap();
    let again = probe
        .sender("exporter", "names", &[("statsd", &gateway.port)])
        .output()
        .unwrap();
    assert_eq!(results(&again)["name connected"], "EPERM");
}

#[test]
#[ignore = "takes root"]
fn lost_events_are_counted_to_the_last_one() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let times = 10_000_u64;
    // A helper that does not read: the kernel's buffer fills up.
    kill_process(probe.helper_id(), Signal::STOP).unwrap();
    let options: [(&str, &dyn ToString); 2] = [("statsd", &gateway.port), ("times", &times)];
    // The helper that stands still can let nobody in: the sender joins by hand, as root.
    let mut sender = probe.sender("exporter", "flood", &options);
    let args: Vec<_> = sender.get_args().map(ToOwned::to_owned).collect();
    let inner = args.iter().position(|arg| arg == "--").unwrap() + 1;
    let procs = probe.cgroup.join("exporter/cgroup.procs");
    sender = std::process::Command::new("sh");
    sender
        .arg("-c")
        .arg("echo $$ > \"$0\" && exec \"$@\"")
        .arg(&procs)
        .args(&args[inner..]);
    let output = sender.output().unwrap();
    kill_process(probe.helper_id(), Signal::CONT).unwrap();

    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("refused {times}")
    );
    let status = probe.status();
    assert_eq!(status.refused.get("name"), Some(&times));
    assert!(status.lost > 0, "{status:?}");
    assert_eq!(status.delivered + status.lost, times);
    assert!(gateway.arrived().is_empty());
}

#[test]
#[ignore = "takes root"]
fn a_service_that_leaves_the_policy_can_send_nothing_any_more() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let (mut child, mut input, mut output) = on_demand(&probe, &gateway);

    probe.load(r#"{"metrics":["peers.count"],"services":{"node":{"node":true}}}"#);
    input.write_all(b"\n").unwrap();

    assert_eq!(line_of(&mut output), "good: EPERM");
    assert_eq!(line_of(&mut output), "bad: EPERM");
    drop(input);
    child.wait().unwrap();
    assert_eq!(probe.status().refused.get("no-policy"), Some(&2));
}

#[test]
#[ignore = "takes root"]
fn ten_thousand_names_load_within_a_second_and_all_of_them_count() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    let names: Vec<String> = (0..9_999)
        .map(|number| format!("metric.{number}"))
        .collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push("peers.count");
    let policy = gateway.policy_with(&all);

    probe.load(&policy);
    let began = Instant::now();
    probe.load(&policy);
    let took = began.elapsed();

    assert_eq!(probe.status().metrics, 10_000);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let output = probe
        .sender("exporter", "names", &[("statsd", &gateway.port)])
        .output()
        .unwrap();
    let results = results(&output);
    assert_eq!(results["good connected"], "sent");
    assert_eq!(results["name connected"], "EPERM");
}

#[test]
#[ignore = "takes root"]
fn a_policy_that_will_not_do_changes_nothing_and_the_saved_one_comes_back() {
    let (mut probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let saved = || {
        fs::read(
            probe
                .client
                .socket()
                .with_file_name("state")
                .join("policy.json"),
        )
        .unwrap()
    };
    let before = saved();

    let raw = r#"{"load":{"metrics":["a","a"],"services":{}}}"#.to_owned() + "\n";
    let answer = crate::socket::raw(probe.client.socket(), 0, raw.as_bytes());

    assert!(answer.contains("stands here a second time"), "{answer}");
    assert_eq!(saved(), before);
    assert_eq!(probe.status().metrics, 2);
    probe.kill();
    probe.restart();
    assert_eq!(probe.status().metrics, 2);
}
