//! The mesh is cut in two. Both halves go on by themselves; when the cut is mended they are one again.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    relay::Half,
    wait::{Look, until},
};

/// Records each node writes while the mesh is cut.
const RECORDS: usize = 4;
/// Longest wait until no node has a link to the other half.
const CUT_PATIENCE: Duration = Duration::from_secs(30);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let before = mesh.settled().await?;
    cut(mesh, account).await?;
    let written = write_on_both_sides(mesh, account).await?;
    heal(mesh, account, &written, before.records).await
}

async fn cut(mesh: &Mesh, account: &mut Account) -> Result<()> {
    let (left, right) = (names(mesh, Half::Left), names(mesh, Half::Right));
    account.step(
        format!("the cable between {left} and {right} is cut"),
        "networks fall apart; the nodes know each other only by the doors of a relay that can be shut",
    );
    account.saw(format!(
        "{} connections went from one half to the other",
        mesh.relay()?.crossing()
    ));
    mesh.relay()?.cut();
    let began = Instant::now();
    until(
        "the last link between the halves to go",
        CUT_PATIENCE,
        async || {
            let crossing = crossing_links(mesh).await?;
            Ok(match crossing {
                0 => Look::Holds(()),
                left => Look::NotYet(format!("{left} links are up")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "after {:.1} s no node has a link to the other half",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

async fn write_on_both_sides(mesh: &Mesh, account: &mut Account) -> Result<[Vec<String>; 2]> {
    account.step(
        format!("every node writes {RECORDS} records"),
        "there is no leader to lose: each half must go on, and know nothing of the other",
    );
    let mut written = [Vec::new(), Vec::new()];
    for node in mesh.nodes() {
        for _ in 0..RECORDS {
            written[side(node)].push(Node::write(node.client()).await?);
        }
    }
    until(
        "each half to know its own records",
        mesh.patience(),
        async || {
            for node in mesh.nodes() {
                for record in &written[side(node)] {
                    if !node.knows(record).await? {
                        return Ok(Look::NotYet(format!("{} lacks {record}", node.name())));
                    }
                }
            }
            Ok(Look::Holds(()))
        },
    )
    .await?;
    for node in mesh.nodes() {
        for record in &written[1 - side(node)] {
            ensure!(
                !node.knows(record).await?,
                "{} knows {record} of the other half",
                node.name()
            );
        }
    }
    ensure!(
        crossing_links(mesh).await? == 0,
        "a link between the halves came up"
    );
    account.saw(format!(
        "{} records on one side, {} on the other; each half knows its own and none of the other's",
        written[0].len(),
        written[1].len()
    ));
    Ok(written)
}

async fn heal(
    mesh: &Mesh,
    account: &mut Account,
    written: &[Vec<String>; 2],
    before: u64,
) -> Result<()> {
    account.step(
        "the cable is mended, and nobody does anything else",
        "nodes find lost members by themselves and compare what they know; nobody repairs a mesh by hand",
    );
    mesh.relay()?.mend();
    let began = Instant::now();
    mesh.all_know(&written.concat()).await?;
    let took = began.elapsed().as_secs_f64();
    let after = mesh.settled().await?;
    let expected = before + (written[0].len() + written[1].len()) as u64;
    ensure!(
        after.records == expected,
        "{} records are known, {expected} were expected",
        after.records
    );
    account.saw(format!(
        "after {took:.1} s every node knows all {} records of both halves",
        expected
    ));
    account.saw(format!(
        "{} links between the halves are up again",
        crossing_links(mesh).await?
    ));
    Ok(())
}

async fn crossing_links(mesh: &Mesh) -> Result<usize> {
    let mut crossing = 0;
    for node in mesh.nodes() {
        for link in node.links().await? {
            let other = mesh
                .nodes()
                .iter()
                .find(|other| other.key().is_ok_and(|key| key.to_string() == link.peer));
            crossing += usize::from(other.is_some_and(|other| other.half() != node.half()));
        }
    }
    // Both ends of a link count it.
    Ok(crossing.div_ceil(2))
}

fn side(node: &Node) -> usize {
    match node.half() {
        Half::Left => 0,
        Half::Right => 1,
    }
}

fn names(mesh: &Mesh, half: Half) -> String {
    let nodes = mesh.nodes().iter().filter(|node| node.half() == half);
    nodes.map(Node::name).collect::<Vec<_>>().join(", ")
}
