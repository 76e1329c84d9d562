//! A seat moves to a standby: a second data directory with the same identity, which signs for the seat only once the
//! first has given the right away.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use x0_node::{api::view::CommitteeView, identity::PASSPHRASE_FILE_VARIABLE};

use super::{
    committee::{highest, reached},
    mass_action::makes_keys,
};
use crate::{
    account::Account,
    mesh::Mesh,
    node::{Ended, Node},
    wait::{Look, until},
};

/// The place of the node whose seat moves; the three before it hold the other seats.
const PRIMARY: usize = 3;
/// The other seats.
const OTHERS: [usize; 3] = [0, 1, 2];
/// Longest wait for all shares.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    let secret = passphrase(mesh)?;
    let standby = stands_by(mesh, account, &secret).await?;
    let seat = moves(mesh, account, standby).await?;
    signs(mesh, account, standby).await?;
    moves_once(mesh, account, standby, &seat).await
}

/// Writes the passphrase of the backup, which commands take from a file that nobody else can read.
fn passphrase(mesh: &Mesh) -> Result<PathBuf> {
    let path = mesh.home().join("passphrase");
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(b"one word that nobody guesses, and another"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

async fn stands_by(mesh: &mut Mesh, account: &mut Account, secret: &Path) -> Result<usize> {
    let name = mesh.node(PRIMARY)?.name().to_owned();
    account.step(
        format!("{name} backs its identity up and stops; a new data directory restores it and joins"),
        "a machine breaks, a seat should not: but two nodes that sign for one seat would vote twice",
    );
    let backup = mesh.home().join("backup");
    let backup = backup.to_str().context("the folder has a strange name")?;
    let sealed = [(PASSPHRASE_FILE_VARIABLE, secret)];
    let primary = mesh.node(PRIMARY)?;
    well(
        primary
            .run_with(&["identity", "backup", backup], &sealed)
            .await?,
    )?;
    mesh.stop(PRIMARY).await?;
    let invite = mesh.founder().invite().await?.invite;
    let standby = mesh.newcomer()?;
    well(
        standby
            .run_with(&["identity", "restore", backup], &sealed)
            .await?,
    )?;
    let told = mesh.admit(standby, &invite).await?.name().to_owned();
    let at = mesh.nodes().len() - 1;
    ensure!(
        mesh.node(at)?.key()? == mesh.node(PRIMARY)?.key()?,
        "the standby has a key of its own"
    );
    let height = reached(mesh, &OTHERS, 2).await?;
    ensure!(
        committee(mesh.node(at)?).await?.is_none(),
        "{told} keeps the log without the right to"
    );
    account.saw(format!(
        "{told} runs as the same member and signs for no seat; the other three are at block {height}"
    ));
    Ok(at)
}

async fn moves(mesh: &mut Mesh, account: &mut Account, standby: usize) -> Result<PathBuf> {
    account.step(
        "the standby makes a one-time key; the primary exports its seat for that key, and starts again",
        "the right to sign goes away here before the file exists that gives it there",
    );
    mesh.stop(standby).await?;
    let key = mesh
        .node(standby)?
        .run_well(&["committee", "standby", "--json"])
        .await?;
    let key = one_time_key(&key)?;
    let seat = mesh.home().join("seat.x0");
    let file = seat.to_str().context("the folder has a strange name")?;
    let primary = mesh.node(PRIMARY)?;
    primary
        .run_well(&["committee", "export-seat", "--to", &key, file])
        .await?;
    mesh.restart(PRIMARY).await?;
    let before = reached(mesh, &OTHERS, 2).await?;
    reached(mesh, &OTHERS, before + 1).await?;
    ensure!(
        committee(mesh.node(PRIMARY)?).await?.is_none(),
        "the primary still keeps the log"
    );
    account.saw("the primary runs on as a member, and signs for the seat no more");
    mesh.stop(PRIMARY).await?;
    Ok(seat)
}

async fn signs(mesh: &mut Mesh, account: &mut Account, standby: usize) -> Result<()> {
    account.step(
        "the standby takes the seat over; then another seat is killed with kill -9",
        "with three of four up, every block takes the signature of the seat that moved",
    );
    let seat = mesh.home().join("seat.x0");
    let file = seat.to_str().context("the folder has a strange name")?;
    mesh.node(standby)?
        .run_well(&["committee", "import-seat", file])
        .await?;
    mesh.restart(standby).await?;
    until("the standby to hold all shares", PATIENCE, async || {
        let shares = committee(mesh.node(standby)?)
            .await?
            .and_then(|view| view.shares);
        Ok(match shares {
            Some(3) => Look::Holds(()),
            other => Look::NotYet(format!("{other:?} of 3")),
        })
    })
    .await?;
    mesh.crash(0).await?;
    let signing = [1, 2, standby];
    let before = highest(mesh, &signing).await?;
    let reached = reached(mesh, &signing, before + 2).await?;
    account.saw(format!(
        "with its shares of all three keys it decides blocks {} to {reached}",
        before + 1
    ));
    mesh.restart(0).await
}

async fn moves_once(
    mesh: &mut Mesh,
    account: &mut Account,
    standby: usize,
    seat: &Path,
) -> Result<()> {
    account.step(
        "the file is taken over once more, and the primary is asked to export the seat for somebody else",
        "whatever is run in whatever order, one node has the right at a time",
    );
    mesh.stop(standby).await?;
    let file = seat.to_str().context("the folder has a strange name")?;
    let again = mesh
        .node(standby)?
        .run_to_end(&["committee", "import-seat", file])
        .await?;
    refused(account, &again, "no export is awaited")?;
    let key = mesh.node(1)?.key()?.to_string();
    let second = mesh.home().join("second.x0");
    let second = second.to_str().context("the folder has a strange name")?;
    let primary = mesh.node(PRIMARY)?;
    let other = primary
        .run_to_end(&["committee", "export-seat", "--to", &key, second])
        .await?;
    refused(account, &other, "exported for")?;
    mesh.restart(standby).await
}

fn refused(account: &mut Account, ended: &Ended, word: &str) -> Result<()> {
    ensure!(
        !ended.status.success() && ended.said.contains(word),
        "{word:?} was expected in what the node said:\n{}",
        ended.said
    );
    account.saw(ended.said.lines().next().unwrap_or_default());
    Ok(())
}

fn well(ended: Ended) -> Result<()> {
    ensure!(ended.status.success(), "it failed:\n{}", ended.said);
    Ok(())
}

/// Reads the key from what the program said: notes for people may stand beside it.
fn one_time_key(said: &str) -> Result<String> {
    let mut keys = said.lines().filter_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(value.get("standby")?.as_str()?.to_owned())
    });
    keys.next_back()
        .with_context(|| format!("no key in what it said:\n{said}"))
}

async fn committee(node: &Node) -> Result<Option<CommitteeView>> {
    Ok(node.status().await?.committee)
}
