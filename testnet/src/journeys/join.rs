//! A newcomer joins by one string and catches up. A string that does not work says why.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use x0_node::api::view::MembersPage;

use crate::{
    account::Account,
    mesh::Mesh,
    node::{Ended, Node},
    ports,
};

/// Longest time from the invite to a newcomer that knows everything, seconds.
const JOIN_SECS_MAX: u64 = 60;
/// Records that exist before the newcomer comes.
const RECORDS: usize = 20;

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let used = newcomer_joins(mesh, account).await?;
    used_invite(mesh, account, &used).await?;
    mistyped_invite(mesh, account, &used).await?;
    nobody_answers(mesh, account).await
}

async fn newcomer_joins(mesh: &mut Mesh, account: &mut Account) -> Result<String> {
    account.step(
        format!("the founder writes {RECORDS} records, then makes an invite"),
        "an invite is one string: the mesh, an address, and a secret that opens the door once",
    );
    for _ in 0..RECORDS {
        Node::write(mesh.founder().client()).await?;
    }
    let invite = mesh.founder().invite().await?;
    let before = mesh.settled().await?;
    account.saw(format!(
        "{} … of {} characters",
        start_of(&invite.invite),
        invite.invite.len()
    ));
    account.saw(format!(
        "{} members, {} records on every node",
        before.members, before.records
    ));

    account.step(
        "a new node is given that string and nothing else: x0 join x0invite1…",
        "joining must take one step and less than a minute, and end with a node that knows what all others know",
    );
    let began = Instant::now();
    let newcomer = mesh.newcomer()?;
    let name = mesh
        .admit(newcomer, &invite.invite)
        .await?
        .name()
        .to_owned();
    account.saw(format!(
        "{name} was let in after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    let after = mesh.settled().await?;
    let took = began.elapsed();
    let newest = mesh.nodes().last().context("the newcomer is gone")?;
    ensure!(
        after.members == before.members + 1,
        "{} members after, {} before",
        after.members,
        before.members
    );
    ensure!(
        members(newest).await? == members(mesh.founder()).await?,
        "the newcomer and the founder know different members"
    );
    ensure!(
        took.as_secs() < JOIN_SECS_MAX,
        "joining and catching up took {} s",
        took.as_secs()
    );
    account.saw(format!(
        "{name} knows all {} members and all {} records after {:.1} s",
        after.members,
        after.records,
        took.as_secs_f64()
    ));
    Ok(invite.invite)
}

async fn used_invite(mesh: &mut Mesh, account: &mut Account, used: &str) -> Result<()> {
    account.step(
        "another node tries the same string",
        "whoever finds an old invite in a chat must not get in with it",
    );
    let before = members(mesh.founder()).await?;
    let ended = mesh.try_invite(used).await?;
    refused(&ended, "used")?;
    ensure!(
        members(mesh.founder()).await? == before,
        "the members changed all the same"
    );
    account.saw(quote(&ended.said, "used"));
    Ok(())
}

async fn mistyped_invite(mesh: &mut Mesh, account: &mut Account, good: &str) -> Result<()> {
    account.step(
        "a string with one wrong letter, one that is cut off, and something else altogether",
        "people copy by hand and miss the end; the message must name the fault before anything is dialled",
    );
    for (bad, word) in [
        (mistyped(good), "mistyped"),
        (good.chars().take(good.len() / 2).collect(), "incomplete"),
        ("https://example.org/invite".to_owned(), "x0invite1"),
    ] {
        let ended = mesh.try_invite(&bad).await?;
        refused(&ended, word)?;
        account.saw(quote(&ended.said, word));
    }
    Ok(())
}

async fn nobody_answers(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "a string whose address nobody listens on",
        "if nobody answers, a person needs to know which doors were tried and what to do next",
    );
    let port = ports::free(1)?
        .first()
        .copied()
        .context("no port is free")?;
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let dead = format!("{address}/p2p/{}", mesh.founder().key()?);
    let invite = mesh.founder().invite_at(vec![dead]).await?;
    let ended = mesh.try_invite(&invite.invite).await?;
    refused(&ended, &address)?;
    refused(&ended, "What to do")?;
    // Progress and log come first; what counts is how it ends.
    for line in ended
        .said
        .lines()
        .skip_while(|line| !line.starts_with("x0: "))
    {
        account.saw(line.trim());
    }
    Ok(())
}

async fn members(node: &Node) -> Result<Vec<String>> {
    let page: MembersPage = node.get("/v1/members?active=true").await?;
    Ok(page.members.into_iter().map(|member| member.key).collect())
}

fn refused(ended: &Ended, word: &str) -> Result<()> {
    ensure!(
        !ended.status.success(),
        "the node was let in: {}",
        ended.said
    );
    ensure!(
        ended.said.contains(word),
        "{word:?} was expected in what the node said:\n{}",
        ended.said
    );
    Ok(())
}

fn quote(said: &str, word: &str) -> String {
    let line = said
        .lines()
        .find(|line| line.contains(word))
        .unwrap_or(said);
    format!("“{}”", line.trim())
}

/// Changes one letter in the middle; both are letters an invite may have.
fn mistyped(good: &str) -> String {
    let middle = good.len() / 2;
    let change = |(place, letter)| match (place == middle, letter) {
        (true, 'a') => 'b',
        (true, _) => 'a',
        (false, letter) => letter,
    };
    good.chars().enumerate().map(change).collect()
}

fn start_of(invite: &str) -> String {
    invite.chars().take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::mistyped;

    #[test]
    fn one_letter_differs() {
        for good in ["x0invite1aaaaaa", "x0invite1bcdefgh"] {
            let bad = mistyped(good);

            let differing = good
                .chars()
                .zip(bad.chars())
                .filter(|(a, b)| a != b)
                .count();
            assert_eq!((differing, bad.len()), (1, good.len()));
        }
    }
}
