//! Exporters that others wrote, under guard as anybody would run them.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with},
};

use crate::support::{Gateway, Probe};

/// The system's Python, to which packages of the distribution belong; an own one of the user may come first on the path.
fn python() -> &'static str {
    let of_system = "/usr/bin/python3";
    match Path::new(of_system).exists() {
        true => of_system,
        false => "python3",
    }
}

#[test]
#[ignore = "takes root"]
fn a_real_statsd_client_sends_only_names_of_the_list() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let code = format!(
        "import statsd\nc = statsd.StatsClient('127.0.0.1', {})\nc.gauge('peers.count', 7)\nc.incr('user.email')\n\
         c.timing('msg.rate', 3.5)\nc.incr('msg.rate', rate=1)\nc.set('peers.count', 'alice')\n\
         with c.pipeline() as p:\n p.incr('msg.rate')\n p.incr('user.location')\n\
         with c.pipeline() as p:\n p.incr('msg.rate')\n p.gauge('peers.count', 8)\n",
        gateway.port
    );

    let output = probe
        .guarded("exporter")
        .args([python(), "-c", &code])
        .output()
        .unwrap();

    let fault = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{fault}\nInstall it: scripts/setup.sh test"
    );
    let arrived: Vec<_> = gateway
        .arrived()
        .into_iter()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect();
    assert_eq!(
        arrived,
        [
            "peers.count:7|g",
            "msg.rate:3.500000|ms",
            "msg.rate:1|c",
            "msg.rate:1|c\npeers.count:8|g"
        ]
    );
    assert_eq!(probe.status().refused.get("name"), Some(&2));
    assert_eq!(probe.status().refused.get("malformed"), Some(&1));
}

#[test]
#[ignore = "takes root"]
fn a_real_prometheus_exporter_answers_the_gateway_and_nobody_else() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    // A port that is free now, for the exporter to serve on.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let policy = gateway.policy().replace(
        "\"telemetry_ports\":[",
        &format!("\"telemetry_ports\":[{port},"),
    );
    let policy = policy.replace(
        "\"exporter\":{",
        &format!("\"exporter\":{{\"listen\":[{{\"port\":{port},\"protocol\":\"tcp\"}}],"),
    );
    probe.load(&policy);
    let mut exporter = probe.guarded("exporter");
    let code = format!(
        "import time\nfrom prometheus_client import Gauge, start_http_server\nGauge('peers_count', 'peers').set(7)\n\
         start_http_server({port}, '127.0.0.1')\ntime.sleep(600)"
    );
    exporter.args([python(), "-c", &code]);
    let mut child = exporter.spawn().unwrap();

    let text = fetch(port);
    let other = from_elsewhere(port);
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(
        text.contains("peers_count 7.0"),
        "{text}\nInstall it: scripts/setup.sh test"
    );
    assert_eq!(other, ErrorKind::TimedOut);
    assert!(
        probe.status().refused.contains_key("telemetry-elsewhere"),
        "{:?}",
        probe.status()
    );
}

fn fetch(port: u16) -> String {
    let began = Instant::now();
    let mut stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => break stream,
            Err(_) if began.elapsed() < Duration::from_secs(30) => {
                thread::sleep(Duration::from_millis(50))
            }
            Err(fault) => return fault.to_string(),
        }
    };
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Connects from an address that is not the gateway's, and returns why that fails.
fn from_elsewhere(port: u16) -> ErrorKind {
    let made: OwnedFd = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    bind(&made, &SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    rustix::net::sockopt::set_socket_timeout(
        &made,
        rustix::net::sockopt::Timeout::Send,
        Some(Duration::from_secs(2)),
    )
    .unwrap();
    match connect(&made, &SocketAddr::from(([127, 0, 0, 1], port))) {
        Ok(()) => ErrorKind::Other,
        // A blocking connect whose time is up says "in progress" (socket(7), SO_SNDTIMEO).
        Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::TIMEDOUT) => ErrorKind::TimedOut,
        Err(fault) => std::io::Error::from(fault).kind(),
    }
}
