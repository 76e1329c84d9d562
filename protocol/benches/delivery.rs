//! What it costs a peer to take in records: one that comes by gossip, and many that it missed.
//!
//! Links and disks are instant, so that what is measured is the work of the peers. What a simulated peer costs in
//! memory is measured by the simulator's bench `scale`.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The bench attribute keeps its arguments in a `LazyLock`.
#![allow(clippy::disallowed_types)]

mod pair;

use divan::{Bencher, counter::ItemsCount};

use self::pair::{Pair, records};

/// Founders of the mesh; all but the two peers are authors of what is delivered.
const FOUNDERS: u8 = 10;

fn main() {
    divan::main();
}

/// From the decoded record to the verdict for the network and the write for the disk.
#[divan::bench]
fn one_record_by_gossip(bencher: Bencher<'_, '_>) {
    let record = &records(FOUNDERS, 1)[0];
    bencher
        .with_inputs(|| Pair::new(FOUNDERS, &[]))
        .bench_local_values(|mut pair| {
            pair.gossip(record);
            assert_eq!(pair.counts(), (1, 2));
            pair
        });
}

/// Both peers' work: reconciliation, pages, checks, writes.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 5, sample_size = 1)]
fn catch_up_on_missed_records(bencher: Bencher<'_, '_>, missed: usize) {
    let records = records(FOUNDERS, missed);
    bencher
        .counter(ItemsCount::new(missed))
        .with_inputs(|| Pair::new(FOUNDERS, &records))
        .bench_local_values(|mut pair| {
            pair.link();
            let genesis = 1;
            assert_eq!(pair.counts(), (missed + genesis, missed + genesis));
            pair
        });
}
