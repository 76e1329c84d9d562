//! Overrides on a mesh whose clock runs fast: one is told to all and stays, one is told to too few seats and lapses. Then a
//! proof of the public log as a program gives it to another.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use x0_crypto::capability::Token;
use x0_node::api::{
    acts::{AimBody, ChangeBody},
    consents::ConsentView,
    public::{OverrideBody, OverrideView, PublicPageView},
    view::{PolicyView, ProposedView},
};

use super::{
    mass_action::{POLICY, STEP_PATIENCE, answer, asked, ended, grant, makes_keys, named},
    shipped_but,
};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Mesh seconds per real one: the notice in which an override must be told to all takes 40 real seconds.
pub(super) const TIME_SCALE: u32 = 30;
/// That notice in the charter of this mesh, minutes.
const NOTICE_MINUTES: u64 = 20;
/// Longest wait for the end of an override's notice.
const NOTICE_PATIENCE: Duration = Duration::from_secs(120);
/// Mesh time after an override's notice by which a node that let it lapse would have gone back.
const AFTERWARDS_MS: u64 = 60_000;
/// The node on which an override is done that stays. It has no seat.
const TARGET: usize = 5;
/// That on which one lapses: it stands at the version from which the agent starts.
const LAPSING: usize = 6;
/// What that node runs before.
const BEFORE: u64 = 1_000;
pub(super) const WHY: &str = "acts flood every page";
const CONSEQUENCES: &str = "fewer acts are shown for an hour";

/// Returns the charter of the mesh: the one that ships, with a shorter notice.
///
/// # Errors
///
/// Returns that the charter that ships asks for another notice than this knows.
pub(super) fn charter() -> Result<String> {
    shipped_but(
        "override_notice_minutes: 60",
        &format!("override_notice_minutes: {NOTICE_MINUTES}"),
    )
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    refused_without_words(mesh, account).await?;
    let index = stays(mesh, account).await?;
    proven(mesh, account, index).await?;
    lapses(mesh, account).await
}

async fn refused_without_words(mesh: &Mesh, account: &mut Account) -> Result<()> {
    let (agent, target) = (agent(mesh)?, mesh.node(TARGET)?);
    account.step(
        format!("{} proposes an override and says not why", agent.name()),
        "what is done without a vote must be said to all, and its author must know at once what is missing",
    );
    let token = grant(mesh.node(0)?, agent).await?.to_string();
    let key = target.key()?.to_string();
    let setting = format!("{POLICY}=901");
    let mut asked = vec!["override", "propose", "--set", &setting, "--to", &key];
    asked.extend([
        "--token",
        &token,
        "--consequences",
        CONSEQUENCES,
        "--why",
        " ",
    ]);
    let said = agent.run_to_end(&asked).await?;
    ensure!(
        !said.status.success() && said.said.contains("the reason of an override must be said"),
        "{}",
        said.said
    );
    account.saw(format!("refused: {}", said.said));
    Ok(())
}

async fn stays(mesh: &Mesh, account: &mut Account) -> Result<u64> {
    let (agent, target) = (agent(mesh)?, mesh.node(TARGET)?);
    account.step(
        format!(
            "{} proposes it with words; three of the drawn panel approve",
            agent.name()
        ),
        "an override is public before it runs, and stays only if it was told to all within the charter's notice",
    );
    let token = grant(mesh.node(0)?, agent).await?;
    let act = propose(agent, target, token, 901).await?;
    let panel = panel(mesh, agent, &act).await?;
    for node in panel.iter().take(3) {
        let shown: ConsentView = asked(node, &act).await?;
        ensure!(
            shown.override_why.as_deref() == Some(WHY)
                && shown.override_consequences.as_deref() == Some(CONSEQUENCES),
            "the panel does not see the words: {shown:?}"
        );
        answer(node, &act, true).await?;
    }
    let own = ended(agent, &act).await?;
    ensure!(own.record.is_some(), "not written: {}", own.words);
    has_value(target, 901, STEP_PATIENCE).await?;
    let view = stands(target, &act, "stays", STEP_PATIENCE).await?;
    account.saw(format!(
        "the panel saw the words; {} runs it, and a quorum of seats has it: entry {} of the public log",
        target.name(),
        view.entry.index
    ));
    for node in mesh.nodes() {
        stands(node, &act, "stays", STEP_PATIENCE).await?;
    }
    let until_ms = view.entry.until_ms.context("it has no end")?;
    until(
        "the override's notice to be over",
        NOTICE_PATIENCE,
        async || {
            let time_ms = target.status().await?.trust.mesh_time_ms;
            let time_ms = time_ms.context("the mesh has no time")?;
            Ok(match time_ms > until_ms + AFTERWARDS_MS {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{time_ms} of {until_ms} ms")),
            })
        },
    )
    .await?;
    has_value(target, 901, Duration::from_secs(1)).await?;
    account.saw(format!(
        "all {} nodes have it in their copy; after its notice it still stands",
        mesh.nodes().len()
    ));
    Ok(view.entry.index)
}

async fn proven(mesh: &Mesh, account: &mut Account, index: u64) -> Result<()> {
    let (prover, judge) = (mesh.node(TARGET)?, mesh.node(6)?);
    account.step(
        format!(
            "{} writes a proof of that entry to a file; {} checks it, then a copy with one byte changed",
            prover.name(),
            judge.name()
        ),
        "whoever is given a proof needs nobody's word, and no change of it goes unseen",
    );
    let file = mesh.home().join("override-proof.json");
    let name = file.display().to_string();
    let place = index.to_string();
    let prove = [
        "audit", "prove", "--public", &place, "--since", "1", "--out", &name,
    ];
    prover.run_well(&prove).await?;
    let mesh_id = prover.mesh()?;
    let verify = ["audit", "verify", &name, "--mesh", &mesh_id];
    let said = judge.run_well(&verify).await?;
    ensure!(said.contains("holds") && said.contains(WHY), "{said}");
    account.saw(said);
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes)?;
    let said = judge.run_to_end(&verify).await?;
    ensure!(
        !said.status.success(),
        "a changed proof holds: {}",
        said.said
    );
    account.saw(format!("with one byte changed: {}", said.said));

    let own = mesh.home().join("own-proof.json");
    let own = own.display().to_string();
    prover
        .run_well(&["audit", "prove", "0", "--out", &own])
        .await?;
    let key = prover.key()?.to_string();
    judge
        .run_well(&["audit", "verify", &own, "--node", &key])
        .await?;
    let exported = judge.run_well(&["audit", "public", "export"]).await?;
    let page: PublicPageView = judge.get("/v1/public-log?from=0&limit=256").await?;
    ensure!(
        exported.lines().count() as u64 == page.size,
        "the export has other entries than the log: {exported}"
    );
    account.saw(format!(
        "an entry of its own log is proven as well; the export has all {} entries",
        page.size
    ));
    Ok(())
}

async fn lapses(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "another override is approved while two of the four seats are killed",
        "what was not told to all in time must end by itself, on a node that nobody asks",
    );
    let token = grant(mesh.node(1)?, agent(mesh)?).await?;
    let act = propose(agent(mesh)?, mesh.node(LAPSING)?, token, 902).await?;
    let on_panel: Vec<_> = {
        let panel = panel(mesh, agent(mesh)?, &act).await?;
        panel.iter().map(|node| node.name().to_owned()).collect()
    };
    let places: Vec<_> = (0..mesh.nodes().len())
        .filter(|at| on_panel.iter().any(|name| mesh.nodes()[*at].name() == name))
        .collect();
    // The seats are the first four; two that have approved are killed before the third approval completes the act.
    let (killed, others): (Vec<_>, Vec<_>) = places.iter().partition(|at| matches!(**at, 2 | 3));
    let [first, second] = killed.as_slice() else {
        bail!("the panel is not made of the seats first: {on_panel:?}");
    };
    for at in [*first, *second] {
        let node = mesh.node(at)?;
        asked(node, &act).await?;
        answer(node, &act, true).await?;
    }
    until("two approvals to be counted", STEP_PATIENCE, async || {
        let told = agent(mesh)?.run_well(&["act", "proposals"]).await?;
        Ok(match told.contains("2 of 3 approvals are there") {
            true => Look::Holds(()),
            false => Look::NotYet(told),
        })
    })
    .await?;
    mesh.crash(*first).await?;
    mesh.crash(*second).await?;
    let third = mesh.node(*others.first().context("nobody else is on the panel")?)?;
    asked(third, &act).await?;
    answer(third, &act, true).await?;
    let own = ended(agent(mesh)?, &act).await?;
    ensure!(own.record.is_some(), "not written: {}", own.words);
    let target = mesh.node(LAPSING)?;
    has_value(target, 902, STEP_PATIENCE).await?;
    account.saw(format!(
        "{} runs it; two seats of four are no quorum, and nothing says that it was told to all",
        target.name()
    ));
    has_value(target, BEFORE, NOTICE_PATIENCE).await?;
    let log = target.run_well(&["audit", "show"]).await?;
    ensure!(
        log.contains("lapsed"),
        "its audit log does not tell:\n{log}"
    );
    account.saw(format!(
        "when its notice is over {} goes back to {BEFORE} by itself, and its audit log tells",
        target.name()
    ));
    for at in [*first, *second] {
        mesh.restart(at).await?;
    }
    let view = stands(mesh.node(LAPSING)?, &act, "lapsed", STEP_PATIENCE).await?;
    has_value(mesh.node(LAPSING)?, BEFORE, Duration::from_secs(1)).await?;
    account.saw(format!(
        "the seats are back; entry {} of the public log stands as lapsed, for good",
        view.entry.index
    ));
    Ok(())
}

fn agent(mesh: &Mesh) -> Result<&Node> {
    mesh.nodes().last().context("the mesh is empty")
}

pub(super) async fn propose(
    agent: &Node,
    target: &Node,
    token: Token,
    value: u64,
) -> Result<String> {
    let body = OverrideBody {
        change: ChangeBody::Set {
            policy: POLICY.to_owned(),
            value,
        },
        targets: AimBody::Nodes(vec![target.key()?]),
        token,
        root: None,
        life_secs: None,
        why: WHY.to_owned(),
        consequences: CONSEQUENCES.to_owned(),
    };
    let proposed: ProposedView = agent.post("/v1/overrides", &body).await?;
    proposed.proposal.context("it is not on its way")
}

/// Waits until a panel is drawn, and finds its nodes.
async fn panel<'a>(mesh: &'a Mesh, agent: &Node, act: &str) -> Result<Vec<&'a Node>> {
    named(mesh, agent, act, "a panel", |own| own.panel.clone()).await
}

/// Waits until a node has the policy at a value.
async fn has_value(node: &Node, value: u64, patience: Duration) -> Result<()> {
    until("the policy to have its value", patience, async || {
        let policies: Vec<PolicyView> = node.get("/v1/policies").await?;
        let found = policies.into_iter().find(|policy| policy.policy == POLICY);
        let seen = found.context("the node lacks the policy")?.value;
        Ok(match seen == value {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{seen}, not {value}")),
        })
    })
    .await
}

/// Waits until a node tells an override to stand so.
async fn stands(node: &Node, act: &str, how: &str, patience: Duration) -> Result<OverrideView> {
    until("the override to stand so", patience, async || {
        let all: Vec<OverrideView> = node.get("/v1/overrides").await?;
        let found = all
            .into_iter()
            .find(|view| view.entry.act.as_deref() == Some(act));
        Ok(match found {
            Some(view) if view.stands == how => Look::Holds(view),
            other => Look::NotYet(format!("{}: {other:?}", node.name())),
        })
    })
    .await
}
