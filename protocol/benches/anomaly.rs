//! What watching an act costs a node, with many agents tracked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use divan::{Bencher, counter::ItemsCount};
use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{RevocationId, RootKey},
};
use x0_protocol::{
    Millis, Wall,
    anti_meave::anomaly::{ChangeDigest, Detector, Observed, Standing, Touched},
};
use zeroize::Zeroizing;

const START: Wall = Wall(1_700_000_000_000);
/// Members of the mesh.
const MEMBERS: u32 = 100_000;
/// Nodes an act touches.
const TARGETS: usize = 5;
/// Acts of each agent before anything is measured: an hour of its usual.
const ACTS_EACH: u64 = 6;
/// Acts measured at a time.
const BATCH: u64 = 1_000;

fn main() {
    divan::main();
}

#[divan::bench]
fn observe_among_1_000_agents(bencher: Bencher<'_, '_>) {
    observe(bencher, 1_000);
}

#[divan::bench]
fn observe_among_10_000_agents(bencher: Bencher<'_, '_>) {
    observe(bencher, 10_000);
}

fn observe(bencher: Bencher<'_, '_>, agents: u64) {
    let keys: Vec<_> = (0..agents).map(key).collect();
    let mut detector = Detector::default();
    let mut next = 0;
    for _ in 0..agents * ACTS_EACH {
        detector.observe(act(&keys, next), MEMBERS);
        next += 1;
    }
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| {
            let batch: Vec<_> = (next..next + BATCH).map(|n| act(&keys, n)).collect();
            next += BATCH;
            batch
        })
        .bench_local_values(|batch| {
            let mut told = 0;
            for act in batch {
                told += detector.observe(act, MEMBERS).len();
            }
            told
        });
}

/// The act of that number: agents take turns, each acts about every ten minutes.
fn act(keys: &[PublicKey], number: u64) -> Observed {
    let agents = keys.len() as u64;
    let agent = keys[(number % agents) as usize];
    let time = START + Millis(number * 600_000 / agents);
    let first = (number * 7_919 % agents) as usize;
    let targets = (0..TARGETS).map(|n| keys[(first + n * 31) % keys.len()]);
    Observed {
        act: ContentId::of(&number.to_be_bytes()),
        agent,
        root: RootKey::from_bytes(*agent.bytes()).unwrap(),
        token: RevocationId::from_bytes([1; 32]),
        change: ChangeDigest::of_policy(&"links.target".parse().unwrap(), number),
        targets: Touched::nodes(targets.collect()),
        time,
        seen: time,
        standing: Standing::Plain,
    }
}

fn key(number: u64) -> PublicKey {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed)).public()
}
