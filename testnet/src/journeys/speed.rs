//! How fast a mesh is and what it takes: how long a record travels, a repair, a catch-up; what idling costs.
//!
//! The figures hold for a mesh that shares one machine, where all nodes compete for its processors; a mesh of
//! machines adds their distance and takes off the competition.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use x0_node::cli::{
    client::{Client, Streamed},
    output::bytes,
};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Records whose way is timed, one after the other.
const TIMED_RECORDS: usize = 200;
/// Longest time from the call that publishes a record until the last node has it, for 99 of 100 records.
const SPREAD_MAX: Duration = Duration::from_millis(250);
/// Longest wait for one record.
const SPREAD_PATIENCE: Duration = Duration::from_secs(10);

/// Time over which idling is measured.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Most memory an idle node takes, bytes.
const IDLE_BYTES_MAX: u64 = 80 << 20;
/// Most processor time an idle node takes, share of one core.
const IDLE_CPU_MAX: f64 = 0.01;
/// Clock ticks of proc(5) in a second; Linux shows user space 100, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;

/// Longest mean time until nodes that lost links and lack some have another (MTTR).
const REPAIR_MAX: Duration = Duration::from_secs(2);

/// Nodes left when the catch-up is measured: the machine is to do nothing else.
const CATCH_UP_NODES: usize = 3;
/// Records that a node missed.
const MISSED: usize = 10_000;
/// Calls under way while they are written.
const WRITERS: usize = 32;
/// Longest time from the start of the node until it knows them all.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// Tells the story.
///
/// # Errors
///
/// Returns which figure was missed, after all of them were told.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let missed = [
        idling(mesh, account).await?,
        spreading(mesh, account).await?,
        repairing(mesh, account).await?,
        catching_up(mesh, account).await?,
    ];
    let missed: Vec<_> = missed.into_iter().flatten().collect();
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

/// What was missed, if anything was.
type Missed = Option<String>;

fn judge(what: &str, is: Duration, max: Duration) -> Missed {
    let told = || format!("{what}: {} ms, {} allowed", is.as_millis(), max.as_millis());
    (is > max).then(told)
}

async fn idling(mesh: &Mesh, account: &mut Account) -> Result<Missed> {
    account.step(
        format!(
            "nobody asks anything of the nodes for {} s",
            IDLE_FOR.as_secs()
        ),
        "a node runs day and night on somebody's old laptop: it must not be noticed",
    );
    let before = processor_time(mesh)?;
    let began = Instant::now();
    sleep(IDLE_FOR).await;
    let elapsed = began.elapsed().as_secs_f64();
    let after = processor_time(mesh)?;
    let shares = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after - before) / elapsed);
    let cpu_max = shares.clone().fold(0.0, f64::max);
    let cpu_mean = shares.sum::<f64>() / before.len() as f64;
    let memory = mesh.running().filter_map(Node::memory_bytes);
    let memory_max = memory.max().context("no node runs")?;
    account.saw(format!(
        "processor {:.2} % of a core in the mean, {:.2} % at most; memory {} at most",
        cpu_mean * 100.0,
        cpu_max * 100.0,
        bytes(memory_max)
    ));
    let told = || format!("idle: {:.2} % and {}", cpu_max * 100.0, bytes(memory_max));
    Ok((cpu_max > IDLE_CPU_MAX || memory_max > IDLE_BYTES_MAX).then(told))
}

/// Returns the processor time each running node has used, in seconds.
fn processor_time(mesh: &Mesh) -> Result<Vec<f64>> {
    let of = |node: &Node| {
        let pid = node.pid().context("a node has ended")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // proc(5): after the name in brackets, fields 14 and 15 of all are user and system time.
        let (_, fields) = stat.rsplit_once(')').context("no stat of the process")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS_PER_SECOND)
    };
    mesh.running().map(of).collect()
}

async fn spreading(mesh: &Mesh, account: &mut Account) -> Result<Missed> {
    let nodes = mesh.running().count();
    account.step(
        format!("{TIMED_RECORDS} records are published, one after the other, each by another node"),
        "who revokes a stolen token wants to be heard before the thief",
    );
    let (_listening, mut heard) = listen(mesh).await?;
    let mut ways = Vec::new();
    for number in 0..TIMED_RECORDS {
        let publisher = mesh.running().nth(number % nodes).context("no node runs")?;
        let began = Instant::now();
        let record = Node::write(publisher.client()).await?;
        let mut at = 0;
        while at < nodes {
            let next = timeout(SPREAD_PATIENCE, heard.recv()).await;
            let next = next.with_context(|| format!("{at} of {nodes} nodes have {record}"))?;
            at += usize::from(next.context("the nodes tell nothing more")? == record);
        }
        ways.push(began.elapsed());
    }
    ways.sort_unstable();
    let p99 = quantile(&ways, 0.99);
    account.saw(format!(
        "from the call until the last of {nodes} nodes told of it: p50 {} ms, p99 {} ms",
        quantile(&ways, 0.5).as_millis(),
        p99.as_millis()
    ));
    Ok(judge("a record's way to all nodes, p99", p99, SPREAD_MAX))
}

/// Follows what all nodes take in; ends when the first part is dropped.
async fn listen(mesh: &Mesh) -> Result<(JoinSet<()>, mpsc::UnboundedReceiver<String>)> {
    let (told, heard) = mpsc::unbounded_channel();
    let mut listening = JoinSet::new();
    for node in mesh.running() {
        let mut events = node.client().events(None).await?;
        let told = told.clone();
        listening.spawn(async move {
            while let Ok(Some(streamed)) = events.next().await {
                if let Streamed::Event(_, event) = streamed
                    && event.event == "recorded"
                    && let Some(record) = event.record
                {
                    told.send(record).ok();
                }
            }
        });
    }
    Ok((listening, heard))
}

async fn repairing(mesh: &mut Mesh, account: &mut Account) -> Result<Missed> {
    let (all, left) = (mesh.nodes().len(), mesh.nodes().len() * 2 / 3);
    account.step(
        format!("{} nodes are killed at once (kill -9)", all - left),
        "every node watches its links; who has too few finds others by itself",
    );
    let before = repairs(mesh).await?;
    for victim in left..all {
        mesh.crash(victim).await?;
    }
    let others = u64::try_from(left - 1)?;
    until(
        "all to have their links again",
        mesh.patience(),
        async || {
            let mut lacking = Vec::new();
            for node in mesh.running() {
                let status = node.status().await?;
                if u64::from(status.links) < status.links_target.min(others) {
                    lacking.push(format!("{} has {}", node.name(), status.links));
                }
            }
            Ok(if lacking.is_empty() {
                Look::Holds(())
            } else {
                Look::NotYet(lacking.join(", "))
            })
        },
    )
    .await?;
    let after = repairs(mesh).await?;
    let repairs: Vec<u64> = after
        .iter()
        .filter(|(name, took)| before.get(*name) != Some(took))
        .filter_map(|(_, took)| *took)
        .collect();
    let Some(slowest) = repairs.iter().max() else {
        account.saw("all had links enough, none needed another");
        return Ok(None);
    };
    let mean = repairs.iter().sum::<u64>() / u64::try_from(repairs.len())?;
    account.saw(format!(
        "{} of {left} nodes needed links; they had a new one after {mean} ms in the mean, {slowest} ms at most",
        repairs.len()
    ));
    Ok(judge(
        "repair, mean",
        Duration::from_millis(mean),
        REPAIR_MAX,
    ))
}

/// Returns how long each node's last repair took.
async fn repairs(mesh: &Mesh) -> Result<BTreeMap<String, Option<u64>>> {
    let mut repairs = BTreeMap::new();
    for node in mesh.running() {
        repairs.insert(node.name().to_owned(), node.status().await?.last_repair_ms);
    }
    Ok(repairs)
}

async fn catching_up(mesh: &mut Mesh, account: &mut Account) -> Result<Missed> {
    account.step(
        format!("all nodes but {CATCH_UP_NODES} are stopped, one of these too; meanwhile {MISSED} records are written"),
        "a laptop that was shut for a week must know in seconds what it missed",
    );
    let late = CATCH_UP_NODES - 1;
    for place in (late..mesh.nodes().len()).rev() {
        mesh.stop(place).await?;
    }
    let began = Instant::now();
    let last = write_many(mesh.founder().client(), MISSED).await?;
    account.saw(format!(
        "written at {:.0} records a second",
        MISSED as f64 / began.elapsed().as_secs_f64()
    ));
    let known = mesh.founder().status().await?.records;

    account.step(
        "the node that missed them starts again",
        "it compares what it has with what others have and fetches the difference",
    );
    let began = Instant::now();
    mesh.restart(late).await?;
    let node = mesh.node(late)?;
    let up = began.elapsed();
    until("the node to have caught up", mesh.patience(), async || {
        let records = node.status().await?.records;
        Ok(if records >= known {
            Look::Holds(())
        } else {
            Look::NotYet(format!("{records} of {known} records"))
        })
    })
    .await?;
    let took = began.elapsed();
    for record in &last {
        ensure!(node.knows(record).await?, "{} lacks {record}", node.name());
    }
    account.saw(format!(
        "up after {:.1} s, and knows all {known} records after {:.1} s",
        up.as_secs_f64(),
        took.as_secs_f64()
    ));
    Ok(judge("catch-up", took, CATCH_UP_MAX))
}

/// Writes records, many at a time, and returns the last of every writer.
async fn write_many(client: &Client, count: usize) -> Result<Vec<String>> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        let mine = count / WRITERS + usize::from(writer < count % WRITERS);
        writers.spawn(async move {
            let mut last = None;
            for _ in 0..mine {
                last = Some(Node::write(&client).await?);
            }
            last.context("a writer has nothing to write")
        });
    }
    let mut last = Vec::new();
    while let Some(wrote) = writers.join_next().await {
        last.push(wrote??);
    }
    Ok(last)
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    let place = place.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let ways: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&ways, 0.5), Duration::from_millis(100));
        assert_eq!(quantile(&ways, 0.99), Duration::from_millis(198));
        assert_eq!(quantile(&ways, 1.0), Duration::from_millis(200));
        assert_eq!(quantile(&[], 0.99), Duration::ZERO);
    }
}
