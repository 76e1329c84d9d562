//! Shares of an item are dealt on: a vote decides it, a guardian lies, others are killed, one leaves; and the item still opens,
//! with the new shares only. At last another item takes its place, under a new key.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use x0_node::api::sublime::ItemView;

use super::{
    capabilities::attack,
    vault::{self, agree_to_serve, ask_for, get, sublime, vote},
    vote::{counts_members, everywhere},
};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Who puts; it holds a seat and is no guardian.
const OWNER: usize = 0;
/// A guardian that lies; it holds no seat.
const LIAR: usize = 6;
/// A guardian that is down, so that too few can have the new shares.
const AWAY: usize = 5;
/// A guardian that is killed while it deals and takes.
const KILLED: usize = 4;
/// A guardian that leaves.
const LEAVER: usize = 7;
/// Who asks and opens.
const ASKER: usize = 1;
/// What the file holds.
const CONTENT: &[u8] = b"the names of those who can be trusted";
/// Folder of the keys of shares in a data directory.
const SHARE_KEYS: &str = "share-keys";

/// Longest wait for a step.
const STEP_PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait for a vote to end with its challenge time: 72 h pass in 32 s.
const VOTE_PATIENCE: Duration = Duration::from_secs(180);

/// What the adversary tells.
#[derive(Deserialize)]
struct Lied {
    answers: Vec<String>,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    let item = puts(mesh, account).await?;
    let first = share_keys(mesh, |_| true)?;
    is_voted(mesh, account, &item).await?;
    is_held_up(mesh, account, &item, &first).await?;
    lies(mesh, account, &item).await?;
    comes_to_its_end(mesh, account, &item, &first).await?;
    leaves(mesh, account, &item).await?;
    opens(mesh, account, &item).await?;
    let item = is_replaced(mesh, account, &item).await?;
    is_forgotten(mesh, account, &item).await
}

async fn puts(mesh: &Mesh, account: &mut Account) -> Result<ItemView> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!(
            "all but {} serve as guardians, and it puts a file",
            owner.name()
        ),
        "each guardian's share is sealed under a key of its own, a file beside the store",
    );
    let count = agree_to_serve(guardians(mesh).map(|(_, node)| node), owner).await?;
    let source = mesh.home().join("source");
    fs::write(&source, CONTENT)?;
    let (name, _) = vault::put(owner, &source, "Whom to trust").await?;
    let item = until("every node to know it", STEP_PATIENCE, async || {
        let mut known = Vec::new();
        for node in mesh.nodes() {
            let items = sublime(node).await?.items;
            known.extend(items.into_iter().find(|item| item.item == name));
        }
        Ok(match known.len() == mesh.nodes().len() {
            true => Look::Holds(known.swap_remove(0)),
            false => Look::NotYet(format!("{} know it", known.len())),
        })
    })
    .await?;
    let keys = share_keys(mesh, |_| true)?.len();
    ensure!(keys == count, "{keys} keys of shares for {count} guardians");
    account.saw(format!(
        "{} of {} shares open item {name}; {keys} keys of shares stand on guardians' disks",
        item.shares_needed, item.guardians
    ));
    Ok(item)
}

async fn is_voted(mesh: &Mesh, account: &mut Account, item: &ItemView) -> Result<()> {
    let owner = mesh.node(OWNER)?;
    account.step(
        "members vote that the shares are dealt on now",
        "it happens by itself every six months; before that all of them decide, and nobody alone",
    );
    let why = "two guardians were searched";
    let said = owner
        .run_well(&["--json", "sublime", "rotate", &item.item, "--why", why])
        .await?;
    let asked: serde_json::Value = serde_json::from_str(&said)?;
    let id = asked["vote"].as_str().context("no vote was told")?;
    everywhere(mesh, "to be open", id, |seen| seen.stage == "open").await?;
    vote(mesh, id, "yes").await?;
    account.saw(format!("vote {id}, five say yes"));
    Ok(())
}

async fn is_held_up(
    mesh: &mut Mesh,
    account: &mut Account,
    item: &ItemView,
    first: &BTreeSet<String>,
) -> Result<()> {
    let names = (
        mesh.node(LIAR)?.name().to_owned(),
        mesh.node(AWAY)?.name().to_owned(),
    );
    account.step(
        format!("two guardians are down, {} and {}", names.0, names.1),
        "no share is destroyed before eight in ten new guardians have theirs; here it takes six of seven",
    );
    mesh.stop(LIAR).await?;
    mesh.crash(AWAY).await?;
    until("the rotation to be open", VOTE_PATIENCE, async || {
        let view = sublime(mesh.node(ASKER)?).await?;
        let open = view.rotations.iter().find(|open| open.key == item.key);
        let reached = open.map(|open| open.dealers);
        Ok(match reached {
            Some(_) => Look::Holds(()),
            None => Look::NotYet("it is not open".to_owned()),
        })
    })
    .await?;
    let left = share_keys(mesh, |_| true)?;
    ensure!(left.is_superset(first), "a share was destroyed too early");
    account.saw("the committee has opened it and drawn new guardians; every old share is there");
    Ok(())
}

async fn lies(mesh: &Mesh, account: &mut Account, item: &ItemView) -> Result<()> {
    let liar = mesh.node(LIAR)?;
    account.step(
        format!(
            "x0-adversary goes on with the key and the share of {}",
            liar.name()
        ),
        "who deals something else than its share is refused by every new guardian, and named",
    );
    let mut arguments = vec![
        "deal".to_owned(),
        "--data-dir".to_owned(),
        liar.dir().display().to_string(),
        "--mesh".to_owned(),
        liar.mesh()?,
        "--item".to_owned(),
        item.key.clone(),
        "--lie".to_owned(),
        "commitments".to_owned(),
    ];
    for node in mesh.running() {
        arguments.extend(["--member".to_owned(), node.address()?]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lied: Lied = attack(mesh, &arguments).await?;
    ensure!(!lied.answers.is_empty(), "no new guardian was asked");
    for answer in &lied.answers {
        ensure!(answer.contains("something else than its share"), "{answer}");
    }
    account.saw(format!(
        "{} new guardians: {}",
        lied.answers.len(),
        lied.answers[0]
    ));
    let name = liar.key()?.to_string();
    let seat = mesh.node(ASKER)?;
    let named = until("a seat to name it", STEP_PATIENCE, async || {
        let log = seat.run_well(&["audit", "show"]).await?;
        let named = log
            .lines()
            .find(|line| line.contains(&name) && line.contains("dealt this node"));
        Ok(match named {
            Some(line) => Look::Holds(line.to_owned()),
            None => Look::NotYet(log.lines().last().unwrap_or_default().to_owned()),
        })
    })
    .await?;
    account.saw(format!("audit log of {}: {}", seat.name(), named.trim()));
    Ok(())
}

async fn comes_to_its_end(
    mesh: &mut Mesh,
    account: &mut Account,
    item: &ItemView,
    first: &BTreeSet<String>,
) -> Result<()> {
    let names = (
        mesh.node(KILLED)?.name().to_owned(),
        mesh.node(AWAY)?.name().to_owned(),
    );
    account.step(
        format!(
            "{} is killed and comes back, then {} comes back",
            names.0, names.1
        ),
        "each step of a rotation is on disk before the next, and is taken again after a crash",
    );
    mesh.crash(KILLED).await?;
    mesh.restart(KILLED).await?;
    mesh.restart(AWAY).await?;
    epoch_is(mesh, item, 1).await?;
    mesh.restart(LIAR).await?;
    until(
        "every old share to be destroyed",
        STEP_PATIENCE,
        async || {
            let left = share_keys(mesh, |_| true)?;
            let old: Vec<_> = left.intersection(first).collect();
            Ok(match old.is_empty() {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{} are left", old.len())),
            })
        },
    )
    .await?;
    let made = share_keys(mesh, |_| true)?.len();
    ensure!(made >= 6, "only {made} guardians have a new share");
    account.saw(format!(
        "epoch 1 is in force everywhere; {made} new shares, and the file of every old key is gone"
    ));
    Ok(())
}

async fn leaves(mesh: &Mesh, account: &mut Account, item: &ItemView) -> Result<()> {
    let leaver = mesh.node(LEAVER)?;
    account.step(
        format!("{} leaves", leaver.name()),
        "who serves no longer has its shares dealt on, and then keeps nothing",
    );
    leaver.run_well(&["guardian", "leave"]).await?;
    epoch_is(mesh, item, 2).await?;
    until("its shares to be gone", STEP_PATIENCE, async || {
        let view = sublime(leaver).await?;
        let files = share_keys(mesh, |place| place == LEAVER)?;
        Ok(match view.shares_kept.is_empty() && files.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{} shares", view.shares_kept.len())),
        })
    })
    .await?;
    account.saw("epoch 2 is in force; it keeps no share and no key of one");
    Ok(())
}

async fn opens(mesh: &Mesh, account: &mut Account, item: &ItemView) -> Result<()> {
    let asker = mesh.node(ASKER)?;
    account.step(
        format!(
            "{} asks for the item, members grant it, it opens",
            asker.name()
        ),
        "the secret was dealt on twice and never put together",
    );
    let asked = ask_for(mesh, asker, &item.item, "we have to know whom to ask").await?;
    vote(mesh, &asked.vote, "yes").await?;
    until("it to open", VOTE_PATIENCE, async || {
        let ended = get(asker, &item.item, &asked.request, "opened").await?;
        Ok(match ended.status.success() {
            true => Look::Holds(()),
            false => Look::NotYet(ended.said),
        })
    })
    .await?;
    let digest = |path: &Path| Ok::<_, anyhow::Error>(Sha256::digest(fs::read(path)?));
    ensure!(
        digest(&asker.dir().join("opened"))? == digest(&mesh.home().join("source"))?,
        "what was opened is something else"
    );
    account.saw("it equals what was put");
    Ok(())
}

async fn is_replaced(mesh: &Mesh, account: &mut Account, old: &ItemView) -> Result<ItemView> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!("{} puts the file anew, in place of the item", owner.name()),
        "whoever kept a copy of old shares holds nothing of a new key; the old item goes only once the new one is safe",
    );
    let source = mesh.home().join("source").display().to_string();
    let put = ["--json", "sublime", "put", &source, "--replaces", &old.item];
    let other = mesh.node(ASKER)?.run_to_end(&put).await?;
    ensure!(
        !other.status.success() && other.said.contains("only who put the item"),
        "{}",
        other.said
    );
    let said: serde_json::Value = serde_json::from_str(&owner.run_well(&put).await?)?;
    ensure!(
        said["safe"] == true && said["replaces"] == old.item.as_str(),
        "{said}"
    );
    let name = said["item"]
        .as_str()
        .context("no item was told")?
        .to_owned();
    let new = until(
        "only shares of the new item to be kept",
        STEP_PATIENCE,
        async || {
            let items = sublime(owner).await?.items;
            let Some(new) = items.into_iter().find(|item| item.item == name) else {
                return Ok(Look::NotYet("it is not known".to_owned()));
            };
            let (mut of_new, mut of_others) = (0, 0);
            for node in mesh.running() {
                for share in sublime(node).await?.shares_kept {
                    match share.item_key == new.key {
                        true => of_new += 1,
                        false => of_others += 1,
                    }
                }
            }
            Ok(match of_new > 0 && of_others == 0 {
                true => Look::Holds(new),
                false => Look::NotYet(format!("{of_new} of it, {of_others} of others")),
            })
        },
    )
    .await?;
    ensure!(new.key != old.key, "the key is the same");
    let again: serde_json::Value = serde_json::from_str(&owner.run_well(&put).await?)?;
    ensure!(
        again["item"] == said["item"],
        "said again it puts another: {again}"
    );
    let shown = owner.run_well(&["sublime", "show", &old.item]).await?;
    ensure!(
        shown.contains("replaced by") && shown.contains(&name),
        "{shown}"
    );
    let shown = owner.run_well(&["sublime", "show", &name]).await?;
    ensure!(
        shown.contains("replaces") && shown.contains(&old.item),
        "{shown}"
    );
    account.saw(format!(
        "item {name} is safe with {} copies; every share of {} is destroyed, and each of the two names the other",
        said["copies"], old.item
    ));
    Ok(new)
}

async fn is_forgotten(mesh: &Mesh, account: &mut Account, item: &ItemView) -> Result<()> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!("{} has the item forgotten", owner.name()),
        "who put something has the last word: every guardian destroys its share, and says so",
    );
    let unsure = owner.run_to_end(&["sublime", "forget", &item.item]).await?;
    ensure!(
        !unsure.status.success() && unsure.said.contains("cannot be undone"),
        "{}",
        unsure.said
    );
    let said = owner
        .run_well(&["sublime", "forget", &item.item, "--yes"])
        .await?;
    account.saw(said);
    until("every share to be destroyed", STEP_PATIENCE, async || {
        let left = share_keys(mesh, |_| true)?;
        let mut held = 0;
        for node in mesh.running() {
            held += sublime(node).await?.shares_kept.len();
        }
        Ok(match left.is_empty() && held == 0 {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{held} shares, {} keys", left.len())),
        })
    })
    .await?;
    let other = mesh.node(ASKER)?;
    let refused = other
        .run_to_end(&["sublime", "forget", &item.item, "--yes"])
        .await?;
    ensure!(
        !refused.status.success() && refused.said.contains("only who put the item"),
        "{}",
        refused.said
    );
    account.saw("no node keeps a share or a key of one; nobody else could have said it");
    Ok(())
}

/// Waits until every node that runs knows a sharing of this epoch.
async fn epoch_is(mesh: &Mesh, item: &ItemView, epoch: u32) -> Result<()> {
    let what = format!("epoch {epoch} to be in force everywhere");
    until(&what, STEP_PATIENCE, async || {
        let mut seen = Vec::new();
        for node in mesh.running() {
            let items = sublime(node).await?.items;
            let known = items.into_iter().find(|known| known.item == item.item);
            seen.extend(known.map(|known| known.epoch));
        }
        let is_there = !seen.is_empty() && seen.iter().all(|known| *known == epoch);
        Ok(match is_there {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{seen:?}")),
        })
    })
    .await
}

/// Lists the files of keys of shares on the disks of nodes.
fn share_keys(mesh: &Mesh, of: impl Fn(usize) -> bool) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (place, node) in guardians(mesh).filter(|(place, _)| of(*place)) {
        let dir = node.dir().join(SHARE_KEYS);
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".share") {
                names.insert(format!("{place}/{name}"));
            }
        }
    }
    Ok(names)
}

fn guardians(mesh: &Mesh) -> impl Iterator<Item = (usize, &Node)> {
    let nodes = mesh.nodes().iter().enumerate();
    nodes.filter(|(place, _)| *place != OWNER)
}
