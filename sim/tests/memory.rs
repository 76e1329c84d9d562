//! What a simulated peer takes of memory. A file of its own, so that nothing else fills the process.

#![allow(clippy::unwrap_used)]

use x0_sim::{RunOptions, Scenario, run};

/// Most bytes a peer may take, all told: its state, its links, what it knows of the committee, its share of queue
/// and network.
const BYTES_MAX: u64 = 6_656;
/// Most memory the run may ever hold, bytes.
const PEAK_MAX: u64 = 1_500_000_000;

#[test]
fn a_hundred_thousand_peers_take_six_and_a_half_kilobytes_each() {
    let text = "
name: memory
nodes: 100000
seed: 1
work:
  gossip:
    broadcasts: 3
    every_ms: 500
safety_ms: 5000
liveness_ms: 30000
";
    let scenario = Scenario::parse_with(text, None, None).unwrap();

    let report = run(&scenario, RunOptions::default(), &mut |_| {}).unwrap();

    assert!(report.passed, "{report}");
    assert!(report.cost.bytes_per_node <= BYTES_MAX, "{report}");
    assert!(report.cost.resident_bytes_peak <= PEAK_MAX, "{report}");
}
