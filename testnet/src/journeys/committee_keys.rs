//! How long fifteen seats take to make their keys, the first time and when they make them anew.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::time::timeout;
use x0_node::{
    api::committee::{PlannedView, SeatsBody, SeatsView},
    cli::client::Streamed,
};

use super::{capabilities::FROM_THE_START, mass_action::makes_keys};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Longest time from the last seat's start to keys in force everywhere, on one machine.
const FIRST_MAX: Duration = Duration::from_secs(10);
/// Longest wait for an event that must have happened already.
const EVENT_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for keys that are made anew.
const RENEWED_PATIENCE: Duration = Duration::from_secs(60);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    first_keys(mesh, account).await?;
    renewed_keys(mesh, account).await
}

async fn first_keys(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "every seat is asked when it started, and when it had its shares",
        "three ceremonies among all seats stand before everything that the committee does",
    );
    let (mut started, mut made) = (0, 0);
    for node in mesh.nodes() {
        let (first, keys) = times(node).await?;
        started = started.max(first);
        made = made.max(keys);
    }
    let took = Duration::from_millis(made.saturating_sub(started));
    account.saw(format!(
        "{} seats had all keys {:.1} s after the last of them started",
        mesh.nodes().len(),
        took.as_secs_f64()
    ));
    ensure!(
        took <= FIRST_MAX,
        "that is more than {} s",
        FIRST_MAX.as_secs()
    );
    Ok(())
}

async fn renewed_keys(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "a quorum of the seats approves of making the keys anew, with the same seats",
        "a seat whose share became known is as good as lost until there are new ones",
    );
    let planned: PlannedView = mesh
        .node(0)?
        .post("/v1/committee/plans", &SeatsBody::default())
        .await?;
    let quorum = seats(mesh.node(0)?).await?.quorum;
    let approving = usize::try_from(quorum)?;
    until("the seats to see the plan", RENEWED_PATIENCE, async || {
        for place in 1..approving {
            if seats(mesh.node(place)?).await?.plans.is_empty() {
                return Ok(Look::NotYet(format!("seat {place} does not")));
            }
        }
        Ok(Look::Holds(()))
    })
    .await?;
    let began = Instant::now();
    for place in 1..approving {
        let path = format!("/v1/committee/plans/{}", planned.plan);
        let _: PlannedView = mesh.node(place)?.post(&path, &()).await?;
    }
    until(
        "the new keys to be in force everywhere",
        RENEWED_PATIENCE,
        async || {
            let mut epochs = Vec::new();
            for node in mesh.nodes() {
                epochs.push(seats(node).await?.epoch);
            }
            Ok(match epochs.iter().all(|epoch| *epoch > Some(1)) {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{epochs:?}")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "{:.1} s from the approvals to new keys in force on all {} nodes: approvals decided, two keys dealt on, \
         one made, the old keys' certificate, and the record of it at everybody",
        began.elapsed().as_secs_f64(),
        mesh.nodes().len()
    ));
    Ok(())
}

async fn seats(node: &Node) -> Result<SeatsView> {
    node.get("/v1/committee").await
}

/// Returns when a node told of something first, and when it told that the keys are made.
async fn times(node: &Node) -> Result<(u64, u64)> {
    let mut events = node.client().events(Some(FROM_THE_START)).await?;
    let found = async {
        let mut first = None;
        while let Some(streamed) = events.next().await? {
            if let Streamed::Event(_, event) = streamed {
                let first = *first.get_or_insert(event.time_ms);
                if event.event == "keys_made" {
                    return Ok((first, event.time_ms));
                }
            }
        }
        anyhow::bail!("{} stopped", node.name())
    };
    let found = timeout(EVENT_PATIENCE, found).await;
    found.with_context(|| format!("{} never told that keys are made", node.name()))?
}
