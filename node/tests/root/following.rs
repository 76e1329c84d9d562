//! A node hands the charter in force to the helper by itself, and the gateway stands where the kernel sends telemetry.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

use x0_node::charter::kernel;
use x0_protocol::charter::Charter;

use crate::{
    node::{Node, Programs, charter},
    probe::Probe,
};

/// A StatsD client that says what came of each name.
const SEND: &str = "import socket, sys\nmade = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    for name in sys.argv[2:]:\n try:\n  made.sendto(name.encode() + b':1|g', ('127.0.0.1', int(sys.argv[1])))\n  print('sent')\n \
    except PermissionError:\n  print('refused')\n";

/// Tries names from under guard, and returns what came of them.
fn send(node: &Node<'_>, charter: &Charter, names: &[&str]) -> Vec<String> {
    let mut sender = node.guarded("app");
    sender.args([
        "python3",
        "-c",
        SEND,
        &charter.text().gateway.port.to_string(),
    ]);
    let output = sender.args(names).output().unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fault}\n{}", node.log());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "takes root"]
fn the_node_loads_its_charter_by_itself_and_the_gateway_takes_what_the_kernel_lets_pass() {
    let (mut probe, programs) = (Probe::start(), Programs::copied());
    let charter = charter(|_| ());
    let mut node = Node::found(&programs, &probe, &charter);
    assert!(!probe.status().enforced);

    node.run(false, &["charter.probe_listen=app=9464/tcp"]);
    let status = node.wait_for("the kernel to follow", |status| {
        status["kernel"]["state"] == "in_force" && status["state"] == "open"
    });

    assert_eq!(status["kernel"]["number"], 1);
    assert_eq!(probe.status().charter, Some(charter.id().to_string()));
    let policy = probe.client.policy().unwrap().unwrap();
    assert_eq!(policy.services["app"].listen[0].port, 9_464);
    let words = node.say(&["status"]);
    assert!(
        words["charter"]["kernel"]
            .as_str()
            .unwrap()
            .contains("the kernel enforces number 1")
    );
    assert_eq!(
        send(
            &node,
            &charter,
            &["latency_p99", "user_location", "latency_p98"]
        ),
        ["sent", "refused", "refused"]
    );
    let status = node.wait_for("the gateway to have it", |status| status["taken"] == 1);
    assert_eq!(
        status["refused"],
        serde_json::json!({}),
        "what is refused never got there"
    );
    assert_eq!(status["withheld"][0]["metric"], "latency_p99");

    // Its dashboard shows what was refused: who, where to and why, and no name.
    let page = node.wait_for_page("/ui/charter", "the metric’s name is not on the list");
    let port = charter.text().gateway.port;
    for words in [
        "The kernel of this machine enforces charter number 1",
        &format!("<code>udp 127.0.0.1 {port}</code>"),
        "<bdi>app</bdi>",
        "No refusal was lost",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(
        !page.contains("latency_p98"),
        "a refused name is told by its hash"
    );

    // A helper that is gone is told, and one that comes back is found.
    probe.kill();
    node.wait_for("the helper to be missed", |status| {
        status["kernel"]["state"] == "no_helper"
    });
    node.wait_for_page(
        "/ui/charter",
        "Nothing is enforced in the kernel of this machine",
    );
    probe.restart();
    node.wait_for("the helper to be found", |status| {
        status["kernel"]["state"] == "in_force"
    });
}

#[test]
#[ignore = "takes root"]
fn a_policy_that_somebody_wrote_is_left_alone() {
    let (probe, programs) = (Probe::start(), Programs::copied());
    let charter = charter(|_| ());
    let mut written = kernel::policy(charter.compiled()).unwrap();
    written.charter = None;
    written.metrics = vec!["only.this".to_owned()];
    probe
        .client
        .load(&written.clone().check().unwrap())
        .unwrap();
    let mut node = Node::found(&programs, &probe, &charter);

    node.run(false, &[]);
    node.wait_for("the policy to be seen", |status| {
        status["kernel"]["state"] == "by_hand"
    });

    assert_eq!(probe.client.policy().unwrap(), Some(written));
}

#[test]
#[ignore = "takes root"]
fn what_the_kernel_cannot_hold_is_told_and_nothing_is_loaded() {
    let (probe, programs) = (Probe::start(), Programs::copied());
    let charter = charter(|draft| {
        let node = draft
            .services
            .iter_mut()
            .find(|service| service.name == "node");
        node.unwrap().egress.truncate(1);
    });
    let mut node = Node::found(&programs, &probe, &charter);

    node.run(false, &[]);
    let status = node.wait_for("the failure to be told", |status| {
        status["kernel"]["state"] == "failed"
    });

    let words = status["kernel"]["words"].as_str().unwrap();
    assert!(
        words.contains("BEHIND") && words.contains("all ports of 0.0.0.0/0"),
        "{words}"
    );
    assert!(!probe.status().enforced);
    assert!(
        node.log()
            .contains("the kernel was not given the charter in force"),
        "{}",
        node.log()
    );
}

#[test]
#[ignore = "takes root"]
fn a_guarded_node_keeps_the_gateway_and_loads_the_charter_from_under_guard() {
    let (probe, programs) = (Probe::start(), Programs::copied());
    let charter = charter(|_| ());
    let mut node = Node::found(&programs, &probe, &charter);
    // To come under guard there must be a policy; it is compiled by the program, of another charter.
    let before = programs.at("before.yaml");
    let text = fs::read_to_string(programs.at("charter.yaml")).unwrap();
    fs::write(&before, text.replace("latency_p99", "latency_p98")).unwrap();
    fs::set_permissions(&before, fs::Permissions::from_mode(0o644)).unwrap();
    let policy = programs.at("node/policy.json");
    let (before, policy) = (before.display().to_string(), policy.display().to_string());
    node.say(&[
        "charter", "compile", &before, "--to", "ebpf", "--out", &policy,
    ]);
    let socket = probe.client.socket().display().to_string();
    node.say(&["charter", "probe", "load", &policy, "--socket", &socket]);
    assert_ne!(probe.status().charter, Some(charter.id().to_string()));

    node.run(true, &[]);
    node.wait_for("the kernel to follow", |status| {
        status["kernel"]["state"] == "in_force" && status["state"] == "open"
    });

    assert_eq!(probe.status().services["node"], 1);
    assert_eq!(probe.status().charter, Some(charter.id().to_string()));
    assert_eq!(
        send(&node, &charter, &["emergency_overrides_raw"]),
        ["refused"]
    );
    assert_eq!(
        send(&node, &charter, &["committee_response_hours"]),
        ["sent"]
    );
    node.wait_for("the gateway to have it", |status| status["taken"] == 1);
    // Whoever reads from this machine is answered from under guard.
    let gateway = charter.text().gateway;
    let mut reader = TcpStream::connect((gateway.address, gateway.port)).unwrap();
    reader
        .write_all(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("\ncommittee_response_hours 1\n"), "{text}");
}
