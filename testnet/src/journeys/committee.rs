//! Four founders keep one log. One is killed and the log goes on; two are killed and it stops, and goes on again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use x0_node::api::view::{CommitteeView, StatusView};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Places of the founders in the mesh.
const SEATS: [usize; 4] = [0, 1, 2, 3];
/// Longest wait for a block: heights begin every ten seconds at the latest.
const BLOCK_PATIENCE: Duration = Duration::from_secs(60);
/// Two seats that have tried for so long cannot decide: three need some 3 s if it was the turn of a seat that is away.
const IN_VAIN_MS: u64 = 10_000;

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    mesh.settled().await?;
    begins(mesh, account).await?;
    goes_on_without_one(mesh, account).await?;
    stops_without_two(mesh, account).await?;
    all_return(mesh, account).await
}

async fn begins(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the four founders hold a seat each and decide the first blocks of the committee log",
        "what a whole mesh relies on must not be one node's word: three of four must agree on every block",
    );
    let height = reached(mesh, &SEATS, 2).await?;
    let told = committee(mesh.node(0)?).await?;
    account.saw(format!(
        "block {height}, decided by {} of {} seats",
        told.quorum, told.seats
    ));
    let ordinary = status(mesh.nodes().last().context("the mesh is empty")?).await?;
    ensure!(
        ordinary.committee.is_none(),
        "a node without a seat claims to keep the log"
    );
    account.saw("nodes without a seat do none of this work");
    Ok(())
}

async fn goes_on_without_one(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "one seat is killed with kill -9",
        "no single node may hold the mesh up, neither by failing nor by refusing",
    );
    let before = highest(mesh, &[0, 1, 2]).await?;
    mesh.crash(3).await?;
    let height = reached(mesh, &[0, 1, 2], before + 2).await?;
    account.saw(format!("the other three go on, up to block {height}"));
    Ok(())
}

async fn stops_without_two(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "a second seat is killed",
        "two of four could be the halves of a split mesh: nothing may be decided by them",
    );
    mesh.crash(2).await?;
    let before = highest(mesh, &[0, 1]).await?;
    until("both seats to try in vain", BLOCK_PATIENCE, async || {
        let mut shortest = u64::MAX;
        for seat in [0, 1] {
            let told = committee(mesh.node(seat)?).await?;
            shortest = shortest.min(told.deciding_for_ms.unwrap_or_default());
        }
        Ok(if shortest >= IN_VAIN_MS {
            Look::Holds(())
        } else {
            Look::NotYet(format!("one has tried for {shortest} ms"))
        })
    })
    .await?;
    let after = highest(mesh, &[0, 1]).await?;
    // A block that was decided while the second seat fell may still come in.
    ensure!(
        after <= before + 1,
        "two of four seats went from block {before} to {after}"
    );
    account.saw(format!(
        "both have tried for {} s to decide the next block, in vain",
        IN_VAIN_MS / 1_000
    ));
    Ok(())
}

async fn all_return(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "both seats are started again",
        "after a crash at any moment a seat says the same again or nothing, and takes over what it missed",
    );
    let before = highest(mesh, &[0, 1]).await?;
    mesh.restart(2).await?;
    mesh.restart(3).await?;
    let height = reached(mesh, &SEATS, before + 1).await?;
    account.saw(format!("all four seats stand at block {height} or later"));
    Ok(())
}

/// Waits until all these seats have decided a height, and returns the lowest.
pub(super) async fn reached(mesh: &Mesh, seats: &[usize], height: u64) -> Result<u64> {
    let what = format!("{} seats to decide block {height}", seats.len());
    until(&what, BLOCK_PATIENCE, async || {
        let mut heights = Vec::new();
        for seat in seats {
            heights.push(committee(mesh.node(*seat)?).await?.height);
        }
        let lowest = heights.iter().copied().min().unwrap_or_default();
        Ok(if lowest >= height {
            Look::Holds(lowest)
        } else {
            Look::NotYet(format!("they stand at {heights:?}"))
        })
    })
    .await
}

/// Returns the highest height that one of these seats has decided.
pub(super) async fn highest(mesh: &Mesh, seats: &[usize]) -> Result<u64> {
    let mut highest = 0;
    for seat in seats {
        highest = highest.max(committee(mesh.node(*seat)?).await?.height);
    }
    Ok(highest)
}

async fn committee(node: &Node) -> Result<CommitteeView> {
    status(node)
        .await?
        .committee
        .with_context(|| format!("{} keeps no committee log", node.name()))
}

async fn status(node: &Node) -> Result<StatusView> {
    node.get("/v1/status").await
}
