//! What keeps content alive: copies are counted one by one, every tier is lost in turn and comes back from another, and opening
//! that is broken off goes on where it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x0_node::api::keeping::{HeldView, KeepingView};

use super::{
    vault::{Asked, ask_for, get, is_decided, sublime, vote},
    vote::counts_members,
};
use crate::{
    account::Account,
    arlocal::Arlocal,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Who puts, and is gone for good afterwards; it holds a seat.
const OWNER: usize = 0;
/// Who asks and opens; it holds a seat and serves as no guardian.
const ASKER: usize = 1;
/// The guardians; they hold no seats, so that the committee goes on while they are away.
const GUARDIANS: std::ops::Range<usize> = 4..7;
/// Bytes of the file: more than a batch of chunks, so that opening can be broken off before the last.
const BYTES: usize = 18 * 1024 * 1024 + 5;
/// How many of them are to be there when it is.
const BROKEN_OFF_AT: u64 = 8 * 1024 * 1024;

/// Longest wait for a step.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
/// How often opening is broken off, should it be faster than whoever breaks it off.
const TRIES: usize = 5;
/// How often is looked whether there is something to break off.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    let arlocal = Arlocal::start(&mesh.home().join("arlocal"), &mesh.programs().arweave).await?;
    prepares(mesh, account, &arlocal).await?;
    let source = write_source(mesh)?;
    let item = puts(mesh, account, &source).await?;
    let asked = ask_for(mesh, mesh.node(ASKER)?, &item, "the archive is needed").await?;
    // 72 hours of mesh time pass while the tiers are lost.
    vote(mesh, &asked.vote, "yes").await?;
    loses_the_mesh(mesh, account, &arlocal, &item).await?;
    loses_arweave(mesh, account, arlocal, &item).await?;
    opens(mesh, account, (&item, &asked), &source).await
}

async fn prepares(mesh: &mut Mesh, account: &mut Account, arlocal: &Arlocal) -> Result<()> {
    account.step(
        "three members serve as guardians; the owner's node gets an account with Arweave, the others only its gateway",
        "who pays for a permanent copy is one node; everybody can read it",
    );
    for place in GUARDIANS {
        mesh.node(place)?.run_well(&["guardian", "serve"]).await?;
    }
    for place in [OWNER, ASKER] {
        let settings = match place {
            OWNER => arlocal.storing(),
            _ => arlocal.reading(),
        };
        restart_with(mesh, place, settings).await?;
    }
    mesh.settled().await?;
    let owner = mesh.node(OWNER)?;
    until("the owner to know who serves", STEP_PATIENCE, async || {
        let view = sublime(owner).await?;
        Ok(match view.serving == GUARDIANS.len() {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{} serve", view.serving)),
        })
    })
    .await?;
    let view = sublime(owner).await?;
    ensure!(
        view.accounts.len() == 1 && view.accounts[0].stores,
        "{:?}",
        view.accounts
    );
    account.saw(format!("{} serve", view.serving));
    Ok(())
}

async fn puts(mesh: &Mesh, account: &mut Account, source: &Path) -> Result<String> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!(
            "{} puts a file of {BYTES} bytes for the mesh and Arweave",
            owner.name()
        ),
        "a file is safe when enough nodes were asked, each by itself, and hold it; before that the command says that it is not",
    );
    let source = source.display().to_string();
    let put = [
        "--json",
        "sublime",
        "put",
        &source,
        "--policy",
        "mesh+arweave",
    ];
    let put: Value = serde_json::from_str(&owner.run_well(&put).await?)?;
    ensure!(
        put["safe"] == true && put["copies"] == GUARDIANS.len() && put["copies_needed"] == 3,
        "{put}"
    );
    ensure!(
        put["stored"] == serde_json::json!(["arweave"]) && put["without"] == serde_json::json!([]),
        "{put}"
    );
    let item = put["item"].as_str().context("no item was told")?.to_owned();
    let shown = owner.run_well(&["sublime", "show", &item]).await?;
    for words in [
        "safe: 3 copies, 3 are enough; 3 other nodes hold it",
        "sealed with the content",
        "all of it, since",
        "has put it and holds all of it",
    ] {
        ensure!(shown.contains(words), "{words}: {shown}");
    }
    account.saw(format!(
        "item {item}: 3 of 3 guardians' nodes gave pieces of it drawn at random, and Arweave has all of it"
    ));
    Ok(item)
}

async fn loses_the_mesh(
    mesh: &mut Mesh,
    account: &mut Account,
    arlocal: &Arlocal,
    item: &str,
) -> Result<()> {
    account.step(
        "the owner is gone, and every guardian loses its IPFS store, disk and all",
        "Arweave is there for the day on which the mesh has lost everything",
    );
    are_whole(mesh, item, "to have it").await?;
    mesh.crash(OWNER).await?;
    for place in GUARDIANS {
        mesh.stop(place).await?;
        fs::remove_dir_all(mesh.node(place)?.dir().join("ipfs"))?;
    }
    let lost = show(mesh.node(ASKER)?, item, true).await;
    ensure!(
        lost.as_ref().map_or(true, |view| view.safe == Some(false)),
        "no node holds it, and yet: {lost:?}"
    );
    for place in GUARDIANS {
        restart_with(mesh, place, arlocal.reading()).await?;
    }
    are_whole(mesh, item, "to have it back from Arweave").await?;
    let guardian = mesh.node(GUARDIANS.start)?;
    let said = guardian.run_well(&["sublime", "repair", "--all"]).await?;
    ensure!(said.contains("is whole here"), "{said}");
    account.saw(format!("{}: {said}", guardian.name()));
    let view = show(guardian, item, false).await?;
    ensure!(
        view.repaired > 0 && view.repaired_ms.is_some(),
        "nothing was put back: {view:?}"
    );
    is_counted(mesh.node(ASKER)?, item, 3).await?;
    account.saw(format!(
        "{} blocks were put back on {}; 3 copies are counted again",
        view.repaired,
        guardian.name()
    ));
    Ok(())
}

async fn loses_arweave(
    mesh: &mut Mesh,
    account: &mut Account,
    arlocal: Arlocal,
    item: &str,
) -> Result<()> {
    account.step(
        "the gateway of Arweave is down, and one guardian loses its store again",
        "no tier may be the only one that helps",
    );
    arlocal.end().await?;
    let place = GUARDIANS.end - 1;
    mesh.stop(place).await?;
    fs::remove_dir_all(mesh.node(place)?.dir().join("ipfs"))?;
    let asker = mesh.node(ASKER)?;
    is_counted(asker, item, 2).await?;
    let shown = asker.run_well(&["sublime", "show", item]).await?;
    ensure!(shown.contains("not safe yet: 2 of 3 copies"), "{shown}");
    account.saw(format!("meanwhile: {}", line_of(&shown, "copies")));
    mesh.restart(place).await?;
    are_whole(mesh, item, "to have it back from the other guardians").await?;
    is_counted(mesh.node(ASKER)?, item, 3).await?;
    account.saw("the mesh has mended itself: 3 copies are counted");
    Ok(())
}

async fn opens(
    mesh: &Mesh,
    account: &mut Account,
    (item, asked): (&str, &Asked),
    source: &Path,
) -> Result<()> {
    let asker = mesh.node(ASKER)?;
    account.step(
        format!(
            "{} opens it, is killed on the way, and goes on",
            asker.name()
        ),
        "what has come over a bad line once need not come again",
    );
    is_decided(mesh, asked, "granted").await?;
    until("enough to have been released", STEP_PATIENCE, async || {
        let shown = asker.run_well(&["sublime", "show", item]).await?;
        let title = line_of(&shown, "title");
        Ok(match title.contains("source (source, 18 MiB)") {
            true => Look::Holds(()),
            false => Look::NotYet(title.to_owned()),
        })
    })
    .await?;
    account.saw("the vote has granted it: with the key of the request the title can be shown");
    let out = asker.dir().join("opened");
    let part = asker.dir().join("opened.part");
    break_off(asker, (item, &asked.request), &out, &part).await?;
    let had = fs::metadata(&part)?.len();
    // What a failing disk makes of it must not be taken for content.
    let damaged = had / 2;
    flip(&part, damaged)?;
    let said = asker
        .run_well(&[
            "--json",
            "sublime",
            "get",
            item,
            "--request",
            &asked.request,
            "--out",
            &out.display().to_string(),
            "--keep-key",
        ])
        .await?;
    let got: Value = serde_json::from_str(&said)?;
    let resumed = got["resumed"].as_u64().context("nothing is said of it")?;
    ensure!(
        resumed > 0 && resumed <= damaged,
        "{resumed} of {had} bytes were kept, and byte {damaged} was damaged"
    );
    let digest = |path: &Path| Ok::<_, anyhow::Error>(Sha256::digest(fs::read(path)?));
    ensure!(
        digest(&out)? == digest(source)?,
        "what was opened is something else"
    );
    ensure!(!part.exists(), "the unfinished file is still there");
    account.saw(format!(
        "of {had} bytes that were there {resumed} were kept, up to one that had been changed; the whole equals what was put"
    ));
    let ended = get(asker, item, &asked.request, "once-more").await?;
    ensure!(ended.status.success(), "{}", ended.said);
    let shown = asker.run_well(&["sublime", "show", item]).await?;
    ensure!(
        line_of(&shown, "title").contains("sealed with the content"),
        "{shown}"
    );
    account.saw("opened once more, without keeping the key, the title cannot be shown any more");
    Ok(())
}

/// Begins to open, and kills the program as soon as a part is there.
async fn break_off(
    asker: &Node,
    (item, request): (&str, &str),
    out: &Path,
    part: &Path,
) -> Result<()> {
    let to = out.display().to_string();
    for _ in 0..TRIES {
        let arguments = [
            "sublime",
            "get",
            item,
            "--request",
            request,
            "--out",
            &to,
            "--keep-key",
        ];
        let mut child = asker
            .program(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        loop {
            if fs::metadata(part).is_ok_and(|found| found.len() > BROKEN_OFF_AT) {
                child.kill().await?;
                break;
            }
            if child.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if part.exists() && !out.exists() {
            return Ok(());
        }
        fs::remove_file(out).ok();
    }
    anyhow::bail!("opening could not be broken off in {TRIES} tries: it was over too soon")
}

fn flip(path: &Path, at: u64) -> Result<()> {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    Ok(file.write_all_at(&byte, at)?)
}

async fn restart_with(mesh: &mut Mesh, place: usize, settings: Vec<String>) -> Result<()> {
    mesh.stop(place).await?;
    for setting in settings {
        mesh.set(place, setting)?;
    }
    mesh.restart(place).await
}

/// Waits until every guardian holds all of an item, and its keeper has noted that.
async fn are_whole(mesh: &Mesh, item: &str, what: &str) -> Result<()> {
    until(
        &format!("every guardian {what}"),
        STEP_PATIENCE,
        async || {
            let mut lacking = Vec::new();
            for place in GUARDIANS {
                let node = mesh.node(place)?;
                let view = show(node, item, false).await?;
                let is_checked = |held: HeldView| held.whole && held.checked_ms.is_some();
                if !view.held.is_some_and(is_checked) {
                    lacking.push(format!("{}: {:?}, {:?}", node.name(), view.held, view.work));
                }
            }
            Ok(match lacking.is_empty() {
                true => Look::Holds(()),
                false => Look::NotYet(lacking.join(", ")),
            })
        },
    )
    .await
}

/// Waits until a node counts so many copies.
async fn is_counted(node: &Node, item: &str, wanted: u32) -> Result<()> {
    until("its copies to be counted", STEP_PATIENCE, async || {
        let view = show(node, item, true).await;
        let count = view.map(|view| view.copies);
        Ok(match count {
            Ok(Some(count)) if count.others == wanted => Look::Holds(()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

async fn show(node: &Node, item: &str, count: bool) -> Result<KeepingView> {
    let path = format!("/v1/sublime/items/{item}");
    match count {
        true => {
            let body = serde_json::json!({ "beyond": false });
            node.post(&format!("{path}/count"), &body).await
        }
        false => node.get(&path).await,
    }
}

fn line_of<'a>(shown: &'a str, name: &str) -> &'a str {
    let found = shown.lines().find(|line| line.starts_with(name));
    found.unwrap_or_default()
}

/// Writes bytes that do not repeat from chunk to chunk.
fn write_source(mesh: &Mesh) -> Result<PathBuf> {
    let path = mesh.home().join("source");
    let content: Vec<u8> = (0_u64..)
        .flat_map(|number| number.to_le_bytes())
        .take(BYTES)
        .collect();
    fs::write(&path, content)?;
    Ok(path)
}
