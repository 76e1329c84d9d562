//! What the charter in the kernel costs a sender: processor time with and without it, in one run, as a ratio.
//!
//! Short rounds with and without follow each other, and the median of their ratios counts, so that a busy machine disturbs
//! both alike. Takes root.
//! Ends with exit code 1 if a ratio is above its limit.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::ExitCode,
    thread,
    time::Instant,
};

use rustix::{
    mount::{UnmountFlags, unmount},
    time::{ClockId, clock_gettime},
};
use x0_ebpf_loader::{
    Policy,
    kernel::Kernel,
    place::{Places, cgroup_mount},
};

/// Limits of the project (a ratio of processor time; a load in milliseconds).
const UDP_MAX: f64 = 1.15;
const CONNECT_MAX: f64 = 1.10;
const NAMES_MAX: f64 = 1.05;
const LOAD_MS_MAX: u128 = 1_000;

/// Interleaved rounds, and calls in each.
const ROUNDS: usize = 151;
const SENDS: u32 = 600;
const CONNECTS: u32 = 60;

fn main() -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        println!(
            "!!! NOT MEASURED, for it takes root: what the charter in the kernel costs (ebpf/loader/benches)"
        );
        return ExitCode::SUCCESS;
    }
    let dir = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .unwrap();
    let outside = cgroup_mount().unwrap();
    let places = Places {
        cgroup: outside.join(format!("x0-bench-{}", std::process::id())),
        pins: dir.path().join("bpf/x0"),
        socket: dir.path().join("socket"),
        state: dir.path().join("state"),
    };
    let (mut kernel, _events) = Kernel::start(places.clone()).unwrap();
    let held = measure(&mut kernel, &outside);
    enter(&outside);
    drop(kernel);
    unmount(dir.path().join("bpf"), UnmountFlags::DETACH).unwrap();
    fs::remove_dir(places.cgroup.join("bench")).ok();
    fs::remove_dir(&places.cgroup).ok();
    match held {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn measure(kernel: &mut Kernel, outside: &Path) -> bool {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let gateway = sink.local_addr().unwrap();
    thread::spawn(move || while sink.recv(&mut [0; 2_048]).is_ok() {});
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let web = listener.local_addr().unwrap();
    let inside = kernel.service_dir("bench");

    let few = policy(100, gateway.port(), web.port());
    let many = policy(10_000, gateway.port(), web.port());
    kernel.apply(&many).unwrap();
    let began = Instant::now();
    kernel.apply(&many).unwrap();
    let load = began.elapsed().as_millis();

    let mut held = verdict("load 10,000 names, ms", load as f64, LOAD_MS_MAX as f64);
    let five = ["peers.count:7|g"; 5].join("\n");
    for (what, payload, most) in [
        ("UDP send, 1 metric", "peers.count:7|g", Some(UDP_MAX)),
        ("UDP send, 5 metrics", five.as_str(), None),
    ] {
        let costs = pairs(outside, &inside, || connected(gateway, payload), SENDS);
        held &= show(what, costs, most);
    }
    let costs = pairs(outside, &inside, || unconnected(gateway), SENDS);
    held &= show("UDP sendto, 1 metric", costs, None);
    let costs = pairs(
        outside,
        &inside,
        || {
            let listener = listener.try_clone().unwrap();
            move || {
                let stream = TcpStream::connect(web).unwrap();
                drop(listener.accept().unwrap());
                drop(stream);
            }
        },
        CONNECTS,
    );
    held &= show("TCP connect and accept", costs, Some(CONNECT_MAX));

    enter(&inside);
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS / 5 {
        for (cost, policy) in costs.iter_mut().zip([&few, &many]) {
            kernel.apply(policy).unwrap();
            cost.push(nanoseconds(connected(gateway, "peers.count:7|g"), SENDS));
        }
    }
    held & show("UDP send, 100 or 10,000 names", costs, Some(NAMES_MAX))
}

fn policy(names: usize, statsd: u16, web: u16) -> x0_ebpf_loader::Checked {
    let mut metrics: Vec<String> = (1..names)
        .map(|number| format!("metric.{number}"))
        .collect();
    metrics.push("peers.count".to_owned());
    let text = serde_json::json!({
        "metrics": metrics,
        "statsd_ports": [statsd],
        "gateways": [{ "address": "127.0.0.1", "port": statsd, "protocol": "udp" }],
        "services": { "bench": {
            "egress": [{ "to": "127.0.0.0/8", "ports": [web], "protocol": "tcp" }],
            // The other side of each connection runs in this process too.
            "listen": [{ "port": web, "protocol": "tcp" }],
        } },
    });
    Policy::from_json(text.to_string().as_bytes()).unwrap()
}

fn connected(gateway: SocketAddr, payload: &str) -> impl FnMut() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(gateway).unwrap();
    move || {
        socket.send(payload.as_bytes()).unwrap();
    }
}

fn unconnected(gateway: SocketAddr) -> impl FnMut() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    move || {
        socket.send_to(b"peers.count:7|g", gateway).unwrap();
    }
}

/// Returns the costs of a call outside and inside, in nanoseconds, round by round. Sockets are made anew, as they are judged by where they were made.
fn pairs<F: FnMut()>(
    outside: &Path,
    inside: &Path,
    make: impl Fn() -> F,
    calls: u32,
) -> [Vec<f64>; 2] {
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (cost, cgroup) in costs.iter_mut().zip([outside, inside]) {
            enter(cgroup);
            cost.push(nanoseconds(make(), calls));
        }
    }
    costs
}

fn enter(cgroup: &Path) {
    fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string()).unwrap();
}

/// Returns the processor time of this thread for one call.
fn nanoseconds(mut call: impl FnMut(), calls: u32) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    for _ in 0..calls / 10 {
        call();
    }
    let began = now();
    for _ in 0..calls {
        call();
    }
    (now() - began) / f64::from(calls)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn show(what: &str, [off, on]: [Vec<f64>; 2], most: Option<f64>) -> bool {
    let ratio = median(off.iter().zip(&on).map(|(off, on)| on / off).collect());
    let (off, on) = (median(off), median(on));
    println!("{what:<32} {off:>8.0} ns {on:>8.0} ns");
    match most {
        Some(most) => verdict(what, ratio, most),
        None => {
            println!("{what:<32} {ratio:>8.3}");
            true
        }
    }
}

fn verdict(what: &str, value: f64, most: f64) -> bool {
    let is_held = value <= most;
    let word = if is_held { "" } else { "  ABOVE IT" };
    println!("{what:<32} {value:>8.3}   limit {most}{word}");
    is_held
}
