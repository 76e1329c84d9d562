//! What a charter costs: checking a file, and looking up a name, which must not grow with the list.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// What divan makes of its attributes keeps a global.
#![allow(clippy::disallowed_types)]

use divan::Bencher;
use x0_protocol::charter::{
    Charter, Metric, MetricKind, Protocol, SHIPPED, bounds::METRICS_MAX, compiled::Destination,
    read, write,
};

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn check_a_file_of_the_most_metrics(bencher: Bencher<'_, '_>) {
    let file = write(&wide(METRICS_MAX));
    bencher.bench(|| read(divan::black_box(file.as_bytes())).unwrap());
}

#[divan::bench(sample_count = 10)]
fn check_the_shipped_file(bencher: Bencher<'_, '_>) {
    bencher.bench(|| read(divan::black_box(SHIPPED.as_bytes())).unwrap());
}

#[divan::bench(sample_count = 10)]
fn decode_the_most_metrics(bencher: Bencher<'_, '_>) {
    let bytes = wide(METRICS_MAX).encode();
    bencher.bench(|| Charter::decode(divan::black_box(&bytes)).unwrap());
}

#[divan::bench]
fn find_a_name_among_10(bencher: Bencher<'_, '_>) {
    find(bencher, 10);
}

#[divan::bench]
fn find_a_name_among_1_000(bencher: Bencher<'_, '_>) {
    find(bencher, 1_000);
}

#[divan::bench]
fn find_a_name_among_10_000(bencher: Bencher<'_, '_>) {
    find(bencher, METRICS_MAX);
}

#[divan::bench]
fn refuse_a_blocked_name_among_10_000(bencher: Bencher<'_, '_>) {
    let charter = wide(METRICS_MAX);
    bencher.bench(|| {
        charter
            .compiled()
            .name(divan::black_box(b"user_name"))
            .is_err()
    });
}

fn find(bencher: Bencher<'_, '_>, metrics: usize) {
    let charter = wide(metrics);
    let name = format!("team_{:05}_latency_bucket", metrics / 2);
    bencher.bench(|| {
        let found = charter.compiled().name(divan::black_box(name.as_bytes()));
        found.is_ok()
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
