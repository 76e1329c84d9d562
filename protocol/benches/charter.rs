//! What a charter costs: checking a file, and looking up a name, which must not grow with the list.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use divan::Bencher;
use x0_protocol::charter::{
    Charter, Metric, MetricKind, Protocol, bounds::METRICS_MAX, compiled::Destination, read, write,
};

/// Metrics in a charter, from a few to the most there may be.
const METRICS: [usize; 3] = [10, 1_000, METRICS_MAX];

fn main() {
    divan::main();
}

#[divan::bench(args = METRICS, sample_count = 10)]
fn check_a_file(bencher: Bencher<'_, '_>, metrics: usize) {
    let file = write(&wide(metrics));
    bencher.bench(|| read(divan::black_box(file.as_bytes())).unwrap());
}

#[divan::bench(args = METRICS, sample_count = 10)]
fn decode(bencher: Bencher<'_, '_>, metrics: usize) {
    let bytes = wide(metrics).encode();
    bencher.bench(|| Charter::decode(divan::black_box(&bytes)).unwrap());
}

#[divan::bench(args = METRICS)]
fn look_up_a_listed_name(bencher: Bencher<'_, '_>, metrics: usize) {
    let charter = wide(metrics);
    let name = format!("team_{:05}_latency_bucket", metrics / 2);
    bencher.bench(|| {
        charter
            .compiled()
            .name(divan::black_box(name.as_bytes()))
            .is_ok()
    });
}

#[divan::bench(args = METRICS)]
fn look_up_a_blocked_name(bencher: Bencher<'_, '_>, metrics: usize) {
    let charter = wide(metrics);
    bencher.bench(|| {
        charter
            .compiled()
            .name(divan::black_box(b"user_name"))
            .is_err()
    });
}

#[divan::bench]
fn look_up_a_destination(bencher: Bencher<'_, '_>) {
    let charter = Charter::shipped();
    let to = Destination {
        address: "2001:db8::7".parse().unwrap(),
        port: 443,
        protocol: Protocol::Tcp,
    };
    bencher.bench(|| {
        charter
            .compiled()
            .egress("node", divan::black_box(to))
            .is_ok()
    });
}

fn wide(metrics: usize) -> Charter {
    let mut draft = Charter::shipped().text().clone();
    let one = draft.metrics[0].clone();
    let named = |at| Metric {
        name: format!("team_{at:05}_latency"),
        kind: MetricKind::Histogram,
        ..one.clone()
    };
    draft.metrics = (0..metrics).map(named).collect();
    Charter::new(draft).unwrap()
}
