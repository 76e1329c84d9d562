//! Acts that need the approvals of a panel: three of five approve and one refuses, three refuse, and an adversary makes
//! approvals up.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use x0_crypto::capability::Token;
use x0_node::api::{
    acts::AimBody,
    consents::ConsentView,
    view::{PolicyView, RecordView},
};

use super::{
    mass_action::{
        POLICY, STEP_PATIENCE, answer, asked, drawn, ended, everywhere, fails, grant_with, named,
        propose_at,
    },
    takeover::attack,
};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// What the tokens of this chapter ask for.
const CAVEAT: &str = "requires_multi_sig=3-of-5";
/// What the adversary wants.
const FORGED_VALUE: u64 = 905;

/// Tells the chapter, after that on co-signers: the policy stands at 901 everywhere, its second version.
///
/// # Errors
///
/// Returns what did not hold.
pub(super) async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let last = mesh.nodes().len() - 1;
    let agent = mesh.node(last)?;
    let record = approved_by_three(mesh, account, agent).await?;
    refused_by_three(mesh, account, agent).await?;
    let approved: RecordView = mesh.founder().get(&format!("/v1/records/{record}")).await?;
    let victim = mesh.node(6)?;
    let token = grant(victim, agent).await?;
    mesh.stop(last).await?;
    forged(mesh, account, (last, 6), (&token, &approved.bytes)).await
}

async fn approved_by_three(mesh: &Mesh, account: &mut Account, agent: &Node) -> Result<String> {
    account.step(
        format!(
            "{} holds a token with {CAVEAT} and asks to set {POLICY} = 903 on every node; of the panel one refuses, one \
             stays silent, three approve",
            agent.name()
        ),
        "a token may ask for more than its level does, and no single one of five can block what three approve",
    );
    let token = grant(mesh.node(2)?, agent).await?;
    let act = propose_at(agent, token, 903, AimBody::All).await?;
    let cosigners = drawn(mesh, agent, &act).await?;
    let panel = panel(mesh, agent, &act).await?;
    ensure!(
        panel.iter().all(|node| cosigners
            .iter()
            .all(|cosigner| cosigner.name() != node.name())),
        "somebody is co-signer and signatory of one act"
    );
    account.saw(format!(
        "the beacon drew {} co-signers and, apart from them, a panel of {}: {}",
        cosigners.len(),
        panel.len(),
        names(&panel)
    ));
    for cosigner in &cosigners {
        let shown = asked(cosigner, &act).await?;
        ensure!(shown.role == "co-signer", "asked as {}", shown.role);
        answer(cosigner, &act, true).await?;
    }
    let [at_the_prompt, refuser, second, third, _silent] = panel.as_slice() else {
        bail!("the panel has {} signatories", panel.len());
    };
    for node in &panel {
        as_signatory(&asked(node, &act).await?)?;
    }
    let shown = at_the_prompt.run_well(&["act", "cosign", &act]).await?;
    ensure!(
        shown.contains("signatory, 3 of 5 must approve") && shown.contains("-> 903"),
        "`x0 act cosign` does not say what is asked:\n{shown}"
    );
    at_the_prompt
        .run_well(&["act", "cosign", &act, "--yes"])
        .await?;
    answer(refuser, &act, false).await?;
    answer(second, &act, true).await?;
    until("two approvals to be counted", STEP_PATIENCE, async || {
        let told = agent.run_well(&["act", "proposals"]).await?;
        Ok(match told.contains("2 of 3 approvals are there") {
            true => Look::Holds(()),
            false => Look::NotYet(told),
        })
    })
    .await?;
    everywhere(mesh, 901).await?;
    account.saw(format!(
        "{} approves at the command line, {} refuses, {} approves: two of three approvals, and no node has changed",
        at_the_prompt.name(),
        refuser.name(),
        second.name()
    ));
    answer(third, &act, true).await?;
    let own = ended(agent, &act).await?;
    let record = own.record.with_context(|| own.words.clone())?;
    everywhere(mesh, 903).await?;
    let told = agent.run_well(&["act", "show", &record]).await?;
    ensure!(
        told.contains("3 of 3 approvals, of a panel of 5"),
        "`x0 act show` tells of no multi-signature:\n{told}"
    );
    account.saw(format!(
        "with the approval of {} it is executed on all {} nodes, though one refused and one said nothing",
        third.name(),
        mesh.nodes().len()
    ));
    Ok(record)
}

async fn refused_by_three(mesh: &Mesh, account: &mut Account, agent: &Node) -> Result<()> {
    let target = mesh.node(5)?;
    account.step(
        format!(
            "under another root the same is asked of {} alone; two approve, and three refuse",
            target.name()
        ),
        "the token counts for small acts too, and what cannot reach three approvals any more is over",
    );
    let token = grant(mesh.node(3)?, agent).await?;
    let aim = AimBody::Nodes(vec![target.key()?]);
    let act = propose_at(agent, token.clone(), 904, aim.clone()).await?;
    let panel = panel(mesh, agent, &act).await?;
    for (at, node) in panel.iter().enumerate() {
        as_signatory(&asked(node, &act).await?)?;
        answer(node, &act, at < 2).await?;
    }
    let own = fails(agent, &act, "3 of 5 signatories refused").await?;
    account.saw(format!("the act is over: {}", own.words));
    let again = propose_at(agent, token, 904, aim).await?;
    let own = fails(agent, &again, "next draw").await?;
    account.saw(format!("a second try draws no other panel: {}", own.words));
    everywhere(mesh, 903).await?;
    account.saw("no node has changed");
    Ok(())
}

/// What the adversary tells of one forged multi-signature.
#[derive(Debug, Deserialize)]
struct Tried {
    trick: String,
    executed: bool,
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Told {
    outcomes: Vec<Tried>,
}

async fn forged(
    mesh: &Mesh,
    account: &mut Account,
    (agent_at, victim_at): (usize, usize),
    (token, approved): (&Token, &str),
) -> Result<()> {
    let (agent, victim) = (mesh.node(agent_at)?, mesh.node(victim_at)?);
    account.step(
        format!(
            "{} is stopped and x0-adversary goes on with its key: it gets a true ticket and the agreement of {}, and \
             sends the act with approvals of its own making",
            agent.name(),
            victim.name()
        ),
        "what its own node would never send must fail at the target itself",
    );
    let mut arguments = vec!["approve".to_owned()];
    let fixed = [
        ("--data-dir", agent.dir().display().to_string()),
        ("--mesh", agent.mesh()?),
        ("--token", token.to_string()),
        ("--root", victim.root()?.to_string()),
        ("--target", victim.key()?.to_string()),
        ("--policy", POLICY.to_owned()),
        ("--value", FORGED_VALUE.to_string()),
        ("--from-version", version(victim).await?.to_string()),
        ("--warrants-of", approved.to_owned()),
    ];
    for (flag, value) in fixed {
        arguments.extend([flag.to_owned(), value]);
    }
    for place in [0, 1, 2, 3, victim_at] {
        arguments.extend(["--member".to_owned(), mesh.node(place)?.address()?]);
    }
    let told: Told = attack(mesh, &arguments).await?;
    ensure!(told.outcomes.len() == 3, "{told:?}");
    for tried in &told.outcomes {
        let why = tried.why.as_deref().unwrap_or_default();
        ensure!(
            !tried.executed && (why.contains("approve") || why.contains("not admitted")),
            "{}: {tried:?}",
            victim.name()
        );
        account.saw(format!("{}: refused, {why}", tried.trick));
    }
    everywhere(mesh, 903).await?;
    account.saw("no node has changed");
    Ok(())
}

async fn version(node: &Node) -> Result<u64> {
    let policies: Vec<PolicyView> = node.get("/v1/policies").await?;
    let found = policies.into_iter().find(|policy| policy.policy == POLICY);
    Ok(found.context("the node lacks the policy")?.version)
}

async fn grant(root: &Node, agent: &Node) -> Result<Token> {
    grant_with(root, agent, &[CAVEAT.to_owned()]).await
}

/// Waits until a panel is drawn, and finds its nodes.
async fn panel<'a>(mesh: &'a Mesh, agent: &Node, act: &str) -> Result<Vec<&'a Node>> {
    named(mesh, agent, act, "a panel", |own| own.panel.clone()).await
}

fn as_signatory(asked: &ConsentView) -> Result<()> {
    ensure!(
        asked.role == "signatory" && asked.panel == Some((3, 5)),
        "asked as {} of {:?}",
        asked.role,
        asked.panel
    );
    Ok(())
}

fn names(nodes: &[&Node]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| node.name()).collect();
    names.join(", ")
}
