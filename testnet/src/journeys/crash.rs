//! Nodes are killed while they write. What they had acknowledged is still there, and reaches everybody.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use x0_node::{
    api::view::{AuditPage, AuditVerifyView},
    cli::client::Client,
};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// How often nodes are killed.
const ROUNDS: usize = 2;
/// Records every node has acknowledged before the kill, and writes on after it.
const RECORDS: usize = 25;
/// Time between two records of one node: a stream, not a flood.
const PACE: Duration = Duration::from_millis(20);
/// Longest wait for that many records.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_in_mid_write(mesh, account, round).await?);
    }
    nothing_is_lost(mesh, account, &acknowledged).await
}

/// Records acknowledged so far, of one node.
type Acknowledged = Arc<Mutex<Vec<String>>>;

async fn kill_in_mid_write(
    mesh: &mut Mesh,
    account: &mut Account,
    round: usize,
) -> Result<Vec<String>> {
    let victims = [round % mesh.nodes().len(), (round + 2) % mesh.nodes().len()];
    let names = victims
        .map(|victim| mesh.nodes().get(victim).map_or("", Node::name).to_owned())
        .join(" and ");
    account.step(
        format!(
            "every node writes record after record; in the midst of it {names} are killed (kill -9)"
        ),
        "power fails without asking: a node may say “done” only of what is on its disk",
    );
    let mut writers = JoinSet::new();
    let mut kept: Vec<Acknowledged> = Vec::new();
    for node in mesh.nodes() {
        let mine = Acknowledged::default();
        kept.push(Arc::clone(&mine));
        writers.spawn(write_on(node.client().clone(), mine));
    }
    wait_for(&kept, RECORDS, |_| true).await?;
    for victim in victims {
        mesh.crash(victim).await?;
    }
    let at_kill: Vec<usize> = kept.iter().map(count).collect();
    wait_for(
        &kept,
        RECORDS + at_kill.iter().max().copied().unwrap_or(0),
        |place| !victims.contains(&place),
    )
    .await?;
    writers.shutdown().await;
    let lists = kept
        .iter()
        .map(|mine| mine.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let all: Vec<String> = lists.flatten().collect();
    let dying: Vec<String> = victims
        .iter()
        .map(|victim| at_kill[*victim].to_string())
        .collect();
    account.saw(format!(
        "{} records acknowledged in all; those killed had {} each",
        all.len(),
        dying.join(" and ")
    ));

    account.step(
        format!("{names} start again on what is on their disks"),
        "a node asks others for the end of its own chain before it writes, so that it never writes a place twice",
    );
    for victim in victims {
        mesh.restart(victim).await?;
    }
    let agreed = mesh.settled().await?;
    account.saw(format!(
        "all nodes agree again: {} members, {} records",
        agreed.members, agreed.records
    ));
    Ok(all)
}

async fn nothing_is_lost(
    mesh: &Mesh,
    account: &mut Account,
    acknowledged: &[String],
) -> Result<()> {
    account.step(
        format!("every node is asked for each of the {} acknowledged records", acknowledged.len()),
        "counting is not enough: each one must be there, on the node that wrote it and on all others",
    );
    mesh.all_know(acknowledged).await?;
    account.saw(format!(
        "0 of {} lost, on {} nodes",
        acknowledged.len(),
        mesh.nodes().len()
    ));

    account.step(
        "every node's audit log is hashed anew, and looked through for places written twice",
        "a crash must not look like a lie: a forked chain or an altered log would be held against the node",
    );
    for node in mesh.running() {
        let verified: AuditVerifyView = node.get("/v1/audit/verify").await?;
        ensure!(verified.intact, "{}: {}", node.name(), verified.words);
        let page: AuditPage = node.get("/v1/audit?limit=1000").await?;
        let fork = page.entries.iter().find(|entry| entry.what == "fork");
        ensure!(fork.is_none(), "{} saw a fork: {fork:?}", node.name());
    }
    account.saw("all logs are whole, no chain has a place written twice");
    Ok(())
}

/// Writes until told to end, or until the node is gone.
async fn write_on(client: Client, acknowledged: Acknowledged) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        match Node::write(&client).await {
            Ok(record) => acknowledged
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(record),
            Err(_) => return,
        }
    }
}

fn count(acknowledged: &Acknowledged) -> usize {
    acknowledged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len()
}

async fn wait_for(kept: &[Acknowledged], records: usize, of: impl Fn(usize) -> bool) -> Result<()> {
    let what = format!("{records} acknowledged records of every writing node");
    until(&what, WRITE_PATIENCE, async || {
        let counts: Vec<usize> = kept
            .iter()
            .enumerate()
            .filter(|(place, _)| of(*place))
            .map(|(_, mine)| count(mine))
            .collect();
        if counts.iter().all(|count| *count >= records) {
            return Ok(Look::Holds(()));
        }
        Ok(Look::NotYet(format!("{counts:?}")))
    })
    .await
}
