//! Content that guardians and the committee keep shut: put on one node, granted by a vote, opened on another after the owner is
//! gone; and found nowhere in the meantime.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use x0_node::api::{guardians::GuardiansView, sublime::SublimeView, votes::VoteView};

use super::vote::{cast, counts_members, everywhere};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Who puts; it holds a seat.
const OWNER: usize = 0;
/// Who asks and opens.
const ASKER: usize = 7;
/// A guardian that is down while the vote runs.
const AWAY: usize = 5;
/// Bytes of the file: 97 chunks, the last of them short.
const BYTES: usize = 24 * 1024 * 1024 + 77;
/// What the file is full of; nowhere else may it be found.
const MARK: &[u8] = b"the well is under the third stone";
const TITLE: &str = "Where the well is";

/// Longest wait for a step.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a vote to end with its challenge time: 72 h pass in 32 s.
const VOTE_PATIENCE: Duration = Duration::from_secs(180);

/// A request, and the vote about it.
pub(super) struct Asked {
    pub(super) request: String,
    pub(super) vote: String,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    serve(mesh, account).await?;
    let source = write_source(mesh)?;
    let item = puts(mesh, account, &source).await?;
    drills(mesh, account).await?;
    is_found_nowhere(mesh, account)?;
    let refused = asks(mesh, account, &item).await?;
    decides(mesh, account, &refused, "no").await?;
    stays_shut(mesh, account, &item, &refused).await?;
    let granted = asks(mesh, account, &item).await?;
    loses_two(mesh, account).await?;
    decides(mesh, account, &granted, "yes").await?;
    opens(mesh, account, (&item, &granted), &source).await
}

async fn serve(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "all but the owner say that they serve as guardians",
        "nobody keeps a share of anything without having said so",
    );
    let owner = mesh.node(OWNER)?;
    let file = owner.dir().join("too-early");
    fs::write(&file, "nothing")?;
    let early = owner
        .run_to_end(&["sublime", "put", &file.display().to_string()])
        .await?;
    ensure!(
        !early.status.success() && early.said.contains("serve as guardians"),
        "{}",
        early.said
    );
    account.saw(format!("before that: {}", early.said));
    let invited = mesh.node(ASKER)?;
    let at_once = others(mesh).filter(|node| node.name() != invited.name());
    agree_to_serve(at_once, owner).await?;
    invites(owner, invited, account).await?;
    let count = others(mesh).count();
    all_serve(owner, count).await?;
    account.saw(format!("{count} serve"));
    Ok(())
}

/// Has the owner ask a member to serve, who accepts.
async fn invites(owner: &Node, invited: &Node, account: &mut Account) -> Result<()> {
    let (from, to) = (owner.key()?.to_string(), invited.key()?.to_string());
    owner
        .run_well(&[
            "guardian",
            "invite",
            &to,
            "--why",
            "one more would be safer",
        ])
        .await?;
    let came: GuardiansView = invited.get("/v1/sublime/guardians").await?;
    let why = came.received.iter().map(|came| came.why.as_str());
    ensure!(
        why.eq(["one more would be safer"]),
        "{} was invited by {:?}",
        invited.name(),
        came.received
    );
    invited.run_well(&["guardian", "accept", &from]).await?;
    let answer = until("the owner to have the answer", STEP_PATIENCE, async || {
        let sent = owner
            .run_well(&["guardian", "invitations", "--sent"])
            .await?;
        Ok(match sent.contains("serves") {
            true => Look::Holds(sent),
            false => Look::NotYet(sent),
        })
    })
    .await?;
    account.saw(format!(
        "{} was invited by {}, and accepted: {answer}",
        invited.name(),
        owner.name()
    ));
    Ok(())
}

async fn drills(mesh: &Mesh, account: &mut Account) -> Result<()> {
    let guardian = mesh.node(AWAY)?;
    account.step(
        format!("{}, a guardian, tries what it keeps", guardian.name()),
        "a share that does not open is found out now, and not when somebody needs it",
    );
    let said = guardian.run_well(&["guardian", "drill"]).await?;
    ensure!(said.contains("1 of 1 shares are good"), "{said}");
    account.saw(said);
    let name = guardian.key()?.to_string();
    let owner = mesh.node(OWNER)?;
    until("the mesh to have heard of it", STEP_PATIENCE, async || {
        let view: GuardiansView = owner.get("/v1/sublime/guardians").await?;
        let told = view.serving.iter().find(|serving| serving.member == name);
        let told = told.and_then(|serving| serving.drilled);
        Ok(match told {
            Some(told) if (told.shares, told.good) == (1, 1) => Look::Holds(()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await?;
    account.saw(format!("{} knows that it has", owner.name()));
    Ok(())
}

/// Has members say that they serve as guardians, and waits until an owner knows all of them; returns how many.
pub(super) async fn agree_to_serve(
    guardians: impl Iterator<Item = &Node>,
    owner: &Node,
) -> Result<usize> {
    let mut count = 0;
    for node in guardians {
        node.run_well(&["guardian", "serve"]).await?;
        count += 1;
    }
    all_serve(owner, count).await?;
    Ok(count)
}

/// Waits until an owner knows so many who serve.
async fn all_serve(owner: &Node, count: usize) -> Result<()> {
    until("the owner to know them", STEP_PATIENCE, async || {
        let view = sublime(owner).await?;
        Ok(match view.serving == count {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{} serve", view.serving)),
        })
    })
    .await
}

async fn puts(mesh: &Mesh, account: &mut Account, source: &Path) -> Result<String> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!("{} puts a file of {BYTES} bytes", owner.name()),
        "it is sealed before the node sees it; the key goes in parts to guardians and the committee, and is forgotten",
    );
    let (item, guardians) = put(owner, source, TITLE).await?;
    until(
        "every node to know the item, and guardians to hold its content",
        STEP_PATIENCE,
        async || {
            let mut lacking = Vec::new();
            for node in mesh.nodes() {
                let view = sublime(node).await?;
                let knows = view.items.iter().any(|known| known.item == item);
                let holds = view.shares_kept.is_empty() || view.held_bytes > BYTES as u64;
                if !knows || !holds {
                    lacking.push(format!("{}: {} bytes", node.name(), view.held_bytes));
                }
            }
            Ok(match lacking.is_empty() {
                true => Look::Holds(()),
                false => Look::NotYet(lacking.join(", ")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "item {item}: {guardians} guardians keep a share, and the whole sealed content as well"
    ));
    Ok(item)
}

/// Puts a file; returns the item, and how many guardians keep a share.
pub(super) async fn put(owner: &Node, file: &Path, title: &str) -> Result<(String, u64)> {
    let file = file.display().to_string();
    let said = owner
        .run_well(&["--json", "sublime", "put", &file, "--title", title])
        .await?;
    let put: serde_json::Value = serde_json::from_str(&said)?;
    let item = put["item"].as_str().context("no item was told")?.to_owned();
    let guardians = put["guardians"]
        .as_u64()
        .context("no guardians were told")?;
    Ok((item, guardians))
}

/// Searches every file of every node for what stands in the content, its title, and its name.
fn is_found_nowhere(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "every file of every node is searched for the content and its title",
        "whoever takes machines away finds nothing on them",
    );
    let mut searched = 0_u64;
    for node in mesh.nodes() {
        for path in files_under(node.dir())? {
            let bytes = fs::read(&path)?;
            searched += bytes.len() as u64;
            for secret in [MARK, TITLE.as_bytes()] {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                ensure!(!found, "{} has it", path.display());
            }
        }
    }
    ensure!(
        searched > BYTES as u64,
        "only {searched} bytes were searched"
    );
    account.saw(format!("{searched} bytes searched, nothing found"));
    Ok(())
}

async fn asks(mesh: &Mesh, account: &mut Account, item: &str) -> Result<Asked> {
    let asker = mesh.node(ASKER)?;
    account.step(
        format!("{} asks for the item", asker.name()),
        "a request names the item and a key made for it alone; before a vote has passed nothing is released",
    );
    let asked = ask_for(mesh, asker, item, "the well is dry").await?;
    let early = get(asker, item, &asked.request, "early").await?;
    ensure!(
        !early.status.success() && early.said.contains("has not ended"),
        "{}",
        early.said
    );
    account.saw(format!("too early: {}", early.said));
    Ok(asked)
}

/// Makes a request for an item, and the vote about it, which is open everywhere when this returns.
pub(super) async fn ask_for(mesh: &Mesh, asker: &Node, item: &str, why: &str) -> Result<Asked> {
    let asked = request(asker, item, why).await?;
    let opened = |seen: &VoteView| seen.stage == "open";
    everywhere(mesh, "to be open", &asked.vote, opened).await?;
    Ok(asked)
}

/// Asks for an item, with the vote that goes with it.
pub(super) async fn request(asker: &Node, item: &str, why: &str) -> Result<Asked> {
    let said = asker
        .run_well(&["--json", "sublime", "request", item, "--why", why])
        .await?;
    let asked: serde_json::Value = serde_json::from_str(&said)?;
    let request = asked["request"].as_str().context("no request was told")?;
    let vote = asked["vote"].as_str().context("no vote was told")?;
    Ok(Asked {
        request: request.to_owned(),
        vote: vote.to_owned(),
    })
}

async fn loses_two(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let names = (
        mesh.node(OWNER)?.name().to_owned(),
        mesh.node(AWAY)?.name().to_owned(),
    );
    account.step(
        format!(
            "{}, who put it, and {}, a guardian, are killed",
            names.0, names.1
        ),
        "content has to outlive whoever put it",
    );
    mesh.crash(OWNER).await?;
    mesh.crash(AWAY).await?;
    account.saw("three of four seats and five guardians go on");
    Ok(())
}

async fn decides(mesh: &Mesh, account: &mut Account, asked: &Asked, choice: &str) -> Result<()> {
    account.step(
        format!("members vote {choice}, for 72 hours of mesh time"),
        "what people depend on is opened by all of them or by nobody",
    );
    vote(mesh, &asked.vote, choice).await?;
    let wanted = match choice {
        "yes" => "granted",
        _ => "denied",
    };
    is_decided(mesh, asked, wanted).await?;
    account.saw(format!("the request is {wanted} on every node that runs"));
    Ok(())
}

/// Has members vote. More than half of all decide: the vote ends as soon as no ballot that is left could change it.
pub(super) async fn vote(mesh: &Mesh, id: &str, choice: &str) -> Result<()> {
    let enough = mesh.nodes().len() / 2 + 1;
    for node in mesh.running().take(enough) {
        cast(node, id, choice).await?;
    }
    Ok(())
}

/// Waits until a request stands so on every node that runs.
pub(super) async fn is_decided(mesh: &Mesh, asked: &Asked, wanted: &str) -> Result<()> {
    until(
        "the request to be decided everywhere",
        VOTE_PATIENCE,
        async || {
            let mut seen = Vec::new();
            for node in mesh.running() {
                let view = sublime(node).await?;
                let known = view
                    .requests
                    .into_iter()
                    .find(|known| known.request == asked.request);
                seen.push(known.map_or_else(|| "unknown".to_owned(), |known| known.standing));
            }
            Ok(match seen.iter().all(|standing| standing == wanted) {
                true => Look::Holds(()),
                false => Look::NotYet(seen.join(", ")),
            })
        },
    )
    .await
}

async fn stays_shut(mesh: &Mesh, account: &mut Account, item: &str, asked: &Asked) -> Result<()> {
    let asker = mesh.node(ASKER)?;
    let ended = get(asker, item, &asked.request, "denied").await?;
    ensure!(
        !ended.status.success() && ended.said.contains("denied, which is final"),
        "{}",
        ended.said
    );
    account.saw(format!("denied: {}", ended.said));
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
        format!("{} opens it", asker.name()),
        "guardians' nodes and seats have released by themselves, to the key of this request; the rest happens here",
    );
    let out = asker.dir().join("opened");
    let said = until("enough to have released", STEP_PATIENCE, async || {
        let ended = get(asker, item, &asked.request, "opened").await?;
        Ok(match ended.status.success() {
            true => Look::Holds(ended.said),
            false => Look::NotYet(ended.said),
        })
    })
    .await?;
    ensure!(said.contains(TITLE), "{said}");
    let digest = |path: &Path| Ok::<_, anyhow::Error>(Sha256::digest(fs::read(path)?));
    ensure!(
        digest(&out)? == digest(source)?,
        "what was opened is something else"
    );
    account.saw(said);
    let again = get(asker, item, &asked.request, "again").await?;
    ensure!(
        !again.status.success() && again.said.contains("used up"),
        "{}",
        again.said
    );
    account.saw("it equals what was put; the key of the request is gone");
    let log = mesh.node(1)?.run_well(&["audit", "show"]).await?;
    ensure!(log.contains("released"), "{log}");
    account.saw("a guardian's audit log tells of the release");
    Ok(())
}

/// Opens an item for a request, into a file in the node's directory.
pub(super) async fn get(
    node: &Node,
    item: &str,
    request: &str,
    name: &str,
) -> Result<crate::node::Ended> {
    let out = node.dir().join(name).display().to_string();
    node.run_to_end(&["sublime", "get", item, "--request", request, "--out", &out])
        .await
}

pub(super) async fn sublime(node: &Node) -> Result<SublimeView> {
    node.get("/v1/sublime").await
}

pub(super) fn others(mesh: &Mesh) -> impl Iterator<Item = &Node> {
    let nodes = mesh.nodes().iter().enumerate();
    nodes
        .filter(|(place, _)| *place != OWNER)
        .map(|(_, node)| node)
}

fn write_source(mesh: &Mesh) -> Result<PathBuf> {
    let path = mesh.home().join("source");
    let content: Vec<u8> = MARK.iter().copied().cycle().take(BYTES).collect();
    fs::write(&path, content)?;
    Ok(path)
}

pub(super) fn files_under(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(files_under(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}
