//! Somebody takes along what is held about them, and has what they wrote erased: everywhere, with proof, for latecomers too.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use x0_node::api::{
    capability_view::GrantedView,
    data::{DataPage, ErasureView},
};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Who exports and erases.
const OWNER: usize = 1;
/// Who is away meanwhile.
const AWAY: usize = 3;
/// Longest wait for an erasure to be everywhere, and for its receipts.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the owner made known to all.
struct Published {
    record: String,
    /// The end of the token: the part of its bytes that is searched for on disks.
    bytes: Vec<u8>,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let published = publishes(mesh, account).await?;
    exports(mesh, account, &published).await?;
    erases(mesh, account, &published).await?;
    comes_back(mesh, account, &published).await?;
    joins_later(mesh, account, &published).await
}

async fn publishes(mesh: &mut Mesh, account: &mut Account) -> Result<Published> {
    let name = mesh.node(OWNER)?.name().to_owned();
    account.step(
        format!("{name} makes a token known to all"),
        "what people write is theirs, also when others hold copies of it",
    );
    let owner = mesh.node(OWNER)?;
    let holder = mesh.node(2)?.key()?;
    let limits = ["affects_nodes_le=1".to_owned()];
    let granted: GrantedView = owner.grant(Some(holder), "testnet.note", &limits).await?;
    let record = granted.published.context("nothing was published")?;
    mesh.all_know(std::slice::from_ref(&record)).await?;
    let line = lines(owner, owner).await?;
    let line = line.into_iter().find(|line| line.id.to_string() == record);
    let line = line.context("the record is not among the owner's")?;
    let token = line.says.pointer("/token/~1/bytes");
    let token = token
        .and_then(|it| it.as_str())
        .context("the record has no token")?;
    let bytes = data_encoding::BASE64_NOPAD.decode(token.as_bytes())?;
    let bytes = bytes[bytes.len().saturating_sub(48)..].to_vec();
    for node in mesh.running() {
        ensure!(
            stands_in(node.dir(), &bytes)?.is_some(),
            "{} does not hold it",
            node.name()
        );
    }
    account.saw("every node holds what it says; a search of the files on disk finds it at each");
    Ok(Published { record, bytes })
}

async fn exports(mesh: &Mesh, account: &mut Account, published: &Published) -> Result<()> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!(
            "{} exports all that is held about it, and checks it: x0 data export, x0 data check",
            owner.name()
        ),
        "a right to one's data is worth something if one can see that nothing is missing",
    );
    let dir = mesh.home().join("export");
    let text = dir.to_str().context("the folder has a strange name")?;
    let said = owner.run_well(&["data", "export", text]).await?;
    ensure!(
        said.contains("yes: each record names the one before it"),
        "{said}"
    );
    let records = fs::read_to_string(dir.join("records.jsonl"))?;
    ensure!(
        records.contains(&published.record),
        "the token is not in it"
    );
    owner.run_well(&["data", "check", text]).await?;
    account.saw(format!(
        "{} records, the chain whole, every signature good",
        records.lines().count()
    ));

    let file = dir.join("records.jsonl");
    let mut changed = fs::read(&file)?;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed)?;
    let refused = owner.run_to_end(&["data", "check", text]).await?;
    ensure!(!refused.status.success(), "a changed export passes");
    account.saw(format!("one bit changed: {}", refused.said.trim()));
    Ok(())
}

async fn erases(mesh: &mut Mesh, account: &mut Account, published: &Published) -> Result<()> {
    let (name, away) = (
        mesh.node(OWNER)?.name().to_owned(),
        mesh.node(AWAY)?.name().to_owned(),
    );
    account.step(
        format!(
            "{away} is switched off; {name} has all that can be erased erased: x0 data erase --all"
        ),
        "erasing is done by those who hold the copies, and each must be able to show that it did",
    );
    mesh.stop(AWAY).await?;
    mesh.node(OWNER)?
        .run_well(&["data", "erase", "--all", "--yes"])
        .await?;
    erased(mesh, published).await?;
    in_no_file(mesh, published).await?;
    ensure!(
        stands_in(mesh.node(AWAY)?.dir(), &published.bytes)?.is_some(),
        "who is off has lost it"
    );
    account.saw("no file of any node that runs holds it; headers and signatures are left");
    let others = mesh.running().count() - 1;
    let shown = receipts(mesh, others).await?;
    account.saw(format!(
        "{shown} other nodes have shown it, by entries of their signed audit logs"
    ));
    Ok(())
}

async fn comes_back(mesh: &mut Mesh, account: &mut Account, published: &Published) -> Result<()> {
    let away = mesh.node(AWAY)?.name().to_owned();
    account.step(
        format!("{away} is switched on again, with the copy it still has"),
        "a copy that was away must not bring back what is gone",
    );
    mesh.restart(AWAY).await?;
    erased(mesh, published).await?;
    in_no_file(mesh, published).await?;
    let others = mesh.running().count() - 1;
    let shown = receipts(mesh, others).await?;
    account.saw(format!(
        "it erases its copy too, and shows it: {shown} receipts"
    ));
    Ok(())
}

async fn joins_later(mesh: &mut Mesh, account: &mut Account, published: &Published) -> Result<()> {
    account.step(
        "a newcomer joins and learns all that the others know",
        "who comes later is given the husk, and the chain is whole without what it said",
    );
    let invite = mesh.founder().invite().await?.invite;
    let newcomer = mesh.newcomer()?;
    mesh.admit(newcomer, &invite).await?;
    mesh.settled().await?;
    erased(mesh, published).await?;
    let owner = mesh.node(OWNER)?;
    let dir = mesh.home().join("export-after");
    let text = dir.to_str().context("the folder has a strange name")?;
    owner.run_well(&["data", "export", text]).await?;
    owner.run_well(&["data", "check", text]).await?;
    account.saw(
        "every node has the same records; an export made now holds the receipts, and is whole",
    );
    Ok(())
}

/// Waits until every node that runs holds the husk.
async fn erased(mesh: &Mesh, published: &Published) -> Result<()> {
    let owner = mesh.node(OWNER)?;
    until("every node to have erased it", PATIENCE, async || {
        let mut lacking = Vec::new();
        for node in mesh.running() {
            let lines = lines(node, owner).await?;
            let line = lines
                .iter()
                .find(|line| line.id.to_string() == published.record);
            if line.is_none_or(|line| line.erased_by.is_none()) {
                lacking.push(node.name().to_owned());
            }
        }
        Ok(match lacking.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(format!("not yet at {}", lacking.join(", "))),
        })
    })
    .await
}

/// Waits until no file of a node that runs holds what was said: files are rewritten soon after the erasure.
async fn in_no_file(mesh: &Mesh, published: &Published) -> Result<()> {
    until("files to be rewritten", PATIENCE, async || {
        let mut holding = Vec::new();
        for node in mesh.running() {
            if let Some(path) = stands_in(node.dir(), &published.bytes)? {
                holding.push(path.display().to_string());
            }
        }
        Ok(match holding.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(format!("still in {}", holding.join(", "))),
        })
    })
    .await
}

/// Waits until so many nodes have shown that they complied.
async fn receipts(mesh: &Mesh, wanted: usize) -> Result<usize> {
    until("the receipts", PATIENCE, async || {
        let erasures: Vec<ErasureView> = mesh.node(OWNER)?.get("/v1/data/erasures").await?;
        let shown = erasures.first().map_or(0, |erasure| erasure.receipts.len());
        Ok(match shown >= wanted {
            true => Look::Holds(shown),
            false => Look::NotYet(format!("{shown} of {wanted}")),
        })
    })
    .await
}

async fn lines(node: &Node, about: &Node) -> Result<Vec<x0_node::data::pack::RecordLine>> {
    let path = format!("/v1/data/records?about={}", about.key()?);
    let page: DataPage = node.get(&path).await?;
    Ok(page.records)
}

/// Finds a file of a store that holds these bytes.
fn stands_in(dir: &Path, bytes: &[u8]) -> Result<Option<PathBuf>> {
    let mut left: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
            continue;
        }
        // Files come and go while the store runs, and sockets cannot be read.
        let Ok(held) = fs::read(&path) else { continue };
        if held.windows(bytes.len()).any(|part| part == bytes) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
