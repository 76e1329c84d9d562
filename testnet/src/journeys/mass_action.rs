//! An act on the whole mesh: drawn co-signers sign and it runs everywhere; one refuses and it is over. Then acts that
//! need a panel's approvals as well (`multi_sig`).

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use x0_crypto::capability::Token;
use x0_node::api::{
    acts::{AimBody, ChangeBody, ProposeBody},
    consents::{ConsentView, CosignBody, ProposalView},
    view::{AuditPage, DoneView, PolicyView, ProposedView, StatusView},
};

use super::multi_sig;
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// The policy the agent changes, which changes nothing else of a node's conduct.
pub(super) const POLICY: &str = "acts.shown";
/// The action a token must grant for it.
pub(super) const ACTION: &str = "set.acts.shown";
/// Longest wait for the committee's keys, and for members to count.
const KEYS_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for a step of an act.
pub(super) const STEP_PATIENCE: Duration = Duration::from_secs(90);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    let agent = mesh.nodes().last().context("the mesh is empty")?;
    signed_by_all(mesh, account, agent).await?;
    refused_by_one(mesh, account, agent).await?;
    multi_sig::tell(mesh, account).await
}

pub(super) async fn makes_keys(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the founders' seats make the committee's keys, and agree who the members are",
        "no single node may hold a key that binds the mesh, and all must count the same members",
    );
    let members = u32::try_from(mesh.nodes().len())?;
    until(
        "every node to know keys and members",
        KEYS_PATIENCE,
        async || {
            let mut seen = Vec::new();
            for node in mesh.nodes() {
                let StatusView { trust, .. } = node.status().await?;
                seen.push((trust.epoch, trust.electorate));
            }
            let all = seen.iter().all(|known| *known == (Some(1), Some(members)));
            Ok(match all {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{seen:?}")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "all {members} nodes know the keys, and that {members} members count"
    ));
    Ok(())
}

async fn signed_by_all(mesh: &Mesh, account: &mut Account, agent: &Node) -> Result<()> {
    account.step(
        format!("{} holds a token without a limit and asks to set {POLICY} = 901 on every node", agent.name()),
        "a token is not enough for the whole mesh: people whom the agent could not choose must agree",
    );
    let token = grant(mesh.node(0)?, agent).await?;
    let act = propose(agent, token, 901).await?;
    let drawn = drawn(mesh, agent, &act).await?;
    account.saw(format!(
        "the beacon drew {} co-signers, none of them the agent",
        drawn.len()
    ));
    let [at_the_prompt, others @ ..] = drawn.as_slice() else {
        bail!("nobody was drawn");
    };
    asked(at_the_prompt, &act).await?;
    let shown = at_the_prompt.run_well(&["act", "cosign", &act]).await?;
    ensure!(
        shown.contains("-> 901"),
        "`x0 act cosign` shows no difference:\n{shown}"
    );
    let done = at_the_prompt
        .run_well(&["act", "cosign", &act, "--yes"])
        .await?;
    account.saw(format!(
        "{} signs at the command line: {done}",
        at_the_prompt.name()
    ));
    for signer in others {
        let shown = asked(signer, &act).await?;
        ensure!(
            shown.difference.contains("-> 901"),
            "the co-signer does not see what would change: {}",
            shown.difference
        );
        answer(signer, &act, true).await?;
    }
    account.saw("each was shown what would change on its own node, and signed");
    let own = ended(agent, &act).await?;
    ensure!(
        own.record.is_some(),
        "the act was not written: {}",
        own.words
    );
    everywhere(mesh, 901).await?;
    account.saw(format!("executed on all {} nodes", mesh.nodes().len()));
    Ok(())
}

async fn refused_by_one(mesh: &Mesh, account: &mut Account, agent: &Node) -> Result<()> {
    account.step(
        "under another root the agent asks for another value; one co-signer refuses",
        "one refusal ends an act, and trying again must not bring other co-signers",
    );
    let token = grant(mesh.node(1)?, agent).await?;
    let act = propose(agent, token.clone(), 902).await?;
    let drawn = drawn(mesh, agent, &act).await?;
    let refuser = drawn.first().context("nobody was drawn")?;
    asked(refuser, &act).await?;
    answer(refuser, &act, false).await?;
    let own = fails(agent, &act, "refused").await?;
    account.saw(format!("the act is over: {}", own.words));

    let again = propose(agent, token, 902).await?;
    let own = fails(agent, &again, "next draw").await?;
    account.saw(format!("a second try gains nothing: {}", own.words));
    everywhere(mesh, 901).await?;
    account.saw("no node has changed");
    Ok(())
}

pub(super) async fn grant(root: &Node, agent: &Node) -> Result<Token> {
    grant_with(root, agent, &[]).await
}

/// Grants a token with limits.
pub(super) async fn grant_with(root: &Node, agent: &Node, limits: &[String]) -> Result<Token> {
    let granted = root.grant(Some(agent.key()?), ACTION, limits).await?;
    granted.token.parse().context("the node granted no token")
}

/// Proposes the policy's value for every node.
pub(super) async fn propose(agent: &Node, token: Token, value: u64) -> Result<String> {
    propose_at(agent, token, value, AimBody::All).await
}

/// Proposes the policy's value for some nodes.
pub(super) async fn propose_at(
    agent: &Node,
    token: Token,
    value: u64,
    targets: AimBody,
) -> Result<String> {
    let body = ProposeBody {
        change: ChangeBody::Set {
            policy: POLICY.to_owned(),
            value,
        },
        targets,
        token,
        root: None,
        life_secs: None,
    };
    let proposed: ProposedView = agent.post("/v1/acts", &body).await?;
    proposed
        .proposal
        .context("the act was written without a ticket")
}

pub(super) async fn proposal(agent: &Node, act: &str) -> Result<ProposalView> {
    agent.get(&format!("/v1/proposals/{act}")).await
}

/// Waits until co-signers are drawn, and finds their nodes.
pub(super) async fn drawn<'a>(mesh: &'a Mesh, agent: &Node, act: &str) -> Result<Vec<&'a Node>> {
    named(mesh, agent, act, "co-signers", |own| own.drawn.clone()).await
}

/// Waits until a proposal names some nodes, and finds them.
pub(super) async fn named<'a>(
    mesh: &'a Mesh,
    agent: &Node,
    act: &str,
    who: &str,
    names: impl Fn(&ProposalView) -> Vec<String>,
) -> Result<Vec<&'a Node>> {
    let keys = until(&format!("{who} to be drawn"), STEP_PATIENCE, async || {
        let own = proposal(agent, act).await?;
        if own.is_ended() {
            bail!("the act ended too early: {}", own.words);
        }
        let keys = names(&own);
        Ok(match keys.is_empty() {
            true => Look::NotYet(own.words),
            false => Look::Holds(keys),
        })
    })
    .await?;
    nodes_of(mesh, &keys)
}

/// Finds the nodes that keys name.
fn nodes_of<'a>(mesh: &'a Mesh, keys: &[String]) -> Result<Vec<&'a Node>> {
    let mut nodes = Vec::new();
    for node in mesh.nodes() {
        if keys.contains(&node.key()?.to_string()) {
            nodes.push(node);
        }
    }
    ensure!(
        nodes.len() == keys.len(),
        "somebody was drawn who is no node"
    );
    Ok(nodes)
}

/// Waits until a node asks its person to co-sign or to approve.
pub(super) async fn asked(signer: &Node, act: &str) -> Result<ConsentView> {
    until("the drawn to be asked", STEP_PATIENCE, async || {
        let asked: Vec<ConsentView> = signer.get("/v1/consents").await?;
        let found = asked
            .into_iter()
            .find(|asked| asked.cosign && asked.act == act);
        Ok(match found {
            Some(asked) if asked.answer == "waiting" => Look::Holds(asked),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

pub(super) async fn answer(signer: &Node, act: &str, approve: bool) -> Result<()> {
    let body = CosignBody { approve };
    let _: DoneView = signer.post(&format!("/v1/consents/{act}"), &body).await?;
    Ok(())
}

pub(super) async fn ended(agent: &Node, act: &str) -> Result<ProposalView> {
    until("the act to come to its end", STEP_PATIENCE, async || {
        let own = proposal(agent, act).await?;
        Ok(match own.is_ended() {
            true => Look::Holds(own),
            false => Look::NotYet(own.words),
        })
    })
    .await
}

/// Waits until an act has come to its end, which must be a failure for this reason.
pub(super) async fn fails(agent: &Node, act: &str, why: &str) -> Result<ProposalView> {
    let own = ended(agent, act).await?;
    ensure!(
        own.stage == "failed" && own.words.contains(why),
        "{}",
        own.words
    );
    Ok(own)
}

/// Waits until the policy has a value on every node that runs.
pub(super) async fn everywhere(mesh: &Mesh, value: u64) -> Result<()> {
    until("every node to have the value", STEP_PATIENCE, async || {
        let mut lacking = Vec::new();
        for node in mesh.running() {
            let policies: Vec<PolicyView> = node.get("/v1/policies").await?;
            let found = policies.into_iter().find(|policy| policy.policy == POLICY);
            let found = found.context("the node lacks the policy")?.value;
            if found != value {
                let log: AuditPage = node.get("/v1/audit?limit=5").await?;
                let said = log.entries.iter().map(|entry| entry.words.as_str());
                let said = said.collect::<Vec<_>>().join("; ");
                lacking.push(format!("{} has {found}, its log says: {said}", node.name()));
            }
        }
        Ok(match lacking.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(lacking.join("\n")),
        })
    })
    .await
}
