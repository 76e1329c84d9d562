//! What a node and an event cost as a run grows: the scenario `gossip` at 1,000 to 100,000 nodes.
//!
//! Both should stay flat. Each size runs in this one process, smallest first, so that memory freed by
//! one is there for the next; bytes per node are what the run added.

use std::error::Error;

use x0_sim::{RunOptions, Scenario, run, scenarios::LIBRARY, take_huge_pages};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    take_huge_pages()?;
    let sizes: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![1_000, 10_000, 100_000]
    } else {
        sizes
    };
    let (_, text) = LIBRARY[0];
    println!(
        "nodes    events      wall s  founding s  ns/event  bytes/node  peak MiB  p50 ms  p99 ms"
    );
    for nodes in sizes {
        let scenario = Scenario::parse_with(text, Some(nodes), None)?;
        let report = run(&scenario, RunOptions::default(), &mut |_| {})?;
        let cost = report.cost;
        println!(
            "{nodes:<8} {:<11} {:<7.2} {:<11.2} {:<9.0} {:<11} {:<9} {:<7.0} {:.0}",
            cost.events,
            cost.wall_s,
            cost.founding_s,
            cost.ns_per_event,
            cost.bytes_per_node,
            cost.resident_bytes_peak >> 20,
            report.delivery_ms.p50,
            report.delivery_ms.p99,
        );
        if !report.passed {
            return Err(report.to_string().into());
        }
    }
    Ok(())
}
