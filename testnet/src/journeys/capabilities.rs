//! An agent acts within its token. Beyond it nobody obeys, neither its own node nor, past that, any target.
//!
//! The agent is the last node of the mesh. Once its own node has refused, the agent turns adversary: its node
//! is stopped, and `x0-adversary` sends the same acts with its key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::{process::Command, time::timeout};
use x0_crypto::{
    PublicKey,
    capability::{RevocationId, RootKey, Token},
};
use x0_node::{
    api::{
        acts::{AimBody, ChangeBody, ProposeBody},
        capabilities::RevokeBody,
        capability_view::{GrantedView, KnownCapabilityView},
        view::{ActView, AuditEntryView, AuditPage, PolicyView, RecordedView},
    },
    cli::{client::Streamed, error::CliError},
};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// The policy that all acts of this story change: one that hurts nobody.
const POLICY: &str = "acts.shown";
/// The action a token must grant for it.
const ACTION: &str = "set.acts.shown";
/// Longest wait for the attacker's program.
const ATTACK_PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait for an event of a node that has happened already.
const EVENT_PATIENCE: Duration = Duration::from_secs(20);
/// An id after which the stream of events starts at the oldest kept: no run of a node has this number.
pub(super) const FROM_THE_START: &str = "0-0";

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let cast = Cast::of(mesh)?;
    let tokens = grant(mesh, account, &cast).await?;
    within(mesh, account, &cast, &tokens).await?;
    refused_by_own_node(mesh, account, &cast, &tokens).await?;
    account.step(
        "the agent turns adversary: its node is stopped, x0-adversary takes its key",
        "a node's own checks are courtesy: whoever owns the machine can leave them out",
    );
    mesh.stop(cast.agent_at).await?;
    account.saw("it links to the others as the agent, as they cannot know the difference");
    refused_by_targets(mesh, account, &cast, &tokens).await?;
    rejected_unread(mesh, account, &cast, &tokens).await?;
    nothing_changed(mesh, account, &cast).await?;
    agent_comes_back(mesh, account, &cast).await
}

/// Who plays which part.
struct Cast {
    agent: PublicKey,
    agent_at: usize,
    root: RootKey,
    /// How many nodes the agent's token allows.
    share: usize,
    /// Half the mesh, as places; none of them is touched by what is allowed.
    half: Vec<usize>,
    /// The nodes of the act that is allowed, as places.
    allowed: Vec<usize>,
}

impl Cast {
    fn of(mesh: &Mesh) -> Result<Self> {
        let count = mesh.nodes().len();
        let agent_at = count.checked_sub(1).context("the mesh is empty")?;
        // What a token alone may reach: a tenth of the mesh, one node in small ones.
        let share = (count / 10).max(1);
        Ok(Self {
            agent: mesh.node(agent_at)?.key()?,
            agent_at,
            root: mesh.founder().root()?,
            share,
            half: (0..count / 2).collect(),
            allowed: (agent_at.saturating_sub(share)..agent_at).collect(),
        })
    }

    fn keys(mesh: &Mesh, places: &[usize]) -> Result<Vec<PublicKey>> {
        places
            .iter()
            .map(|place| mesh.node(*place)?.key())
            .collect()
    }
}

/// The tokens of the story, by what is to become of them.
struct Tokens {
    good: Token,
    unlimited: Token,
    expired: Token,
    revoked: Token,
    widened: Token,
    forged: Token,
}

async fn grant(mesh: &Mesh, account: &mut Account, cast: &Cast) -> Result<Tokens> {
    account.step(
        format!("the founder grants {} a token: {ACTION}, on {} node(s) at a time", name(mesh, cast.agent_at), cast.share),
        "an agent needs power over others' nodes, but only so much; a delegation that all can see is no secret deal",
    );
    let founder = mesh.founder();
    let limit = format!("affects_nodes_le={}", cast.share);
    let good = founder.grant(Some(cast.agent), ACTION, &[limit]).await?;
    known_everywhere(mesh, &good, false).await?;
    account.saw(format!(
        "all {} nodes list the token, with its limit in words",
        mesh.nodes().len()
    ));

    account.step(
        "four more tokens: one without a limit, one that ended a minute ago, one that is revoked, one narrowed",
        "attackers try what lies about: old tokens, revoked ones, copies with a limit scratched out",
    );
    let unlimited = founder.grant(Some(cast.agent), ACTION, &[]).await?;
    let past = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_secs()
        .saturating_sub(60);
    let expired = founder
        .grant(Some(cast.agent), ACTION, &[format!("valid_until={past}")])
        .await?;
    let revoked = founder.grant(Some(cast.agent), ACTION, &[]).await?;
    let ids = revoked
        .capability
        .revocation_ids
        .iter()
        .map(|id| id.parse());
    let ids: Vec<RevocationId> = ids.collect::<Result<_, _>>()?;
    let revocation = RevokeBody {
        ids,
        reason: "lent by mistake".to_owned(),
    };
    let _: RecordedView = founder.post("/v1/capabilities/revoke", &revocation).await?;
    known_everywhere(mesh, &revoked, true).await?;
    account.saw("the revocation is known to every node");
    let plain: Token = unlimited.token.parse()?;
    let narrowed = plain.attenuate(&[format!("affects_nodes_le={}", cast.share).parse()?])?;
    let data_dir = mesh.node(cast.agent_at)?.dir().display().to_string();
    let (holder, narrow) = (cast.agent.to_string(), narrowed.to_string());
    let forge = [
        "forge",
        "--data-dir",
        &data_dir,
        "--holder",
        &holder,
        "--action",
        ACTION,
    ];
    let (widened, forged) = (
        attack::<Made>(mesh, &["widen", &narrow]).await?,
        attack::<Made>(mesh, &forge).await?,
    );
    account
        .saw("the adversary scratched the limit out of one, and forged one in the founder's name");
    Ok(Tokens {
        good: good.token.parse()?,
        unlimited: plain,
        expired: expired.token.parse()?,
        revoked: revoked.token.parse()?,
        widened: widened.token,
        forged: forged.token,
    })
}

async fn known_everywhere(mesh: &Mesh, token: &GrantedView, revoked: bool) -> Result<()> {
    let id = token
        .published
        .as_ref()
        .context("the token was not published")?;
    until(
        "the token to be known everywhere",
        mesh.patience(),
        async || {
            for node in mesh.running() {
                let known: Vec<KnownCapabilityView> = node.get("/v1/capabilities").await?;
                match known.iter().find(|known| known.id == *id) {
                    Some(known) if known.revoked == revoked => {}
                    Some(_) => {
                        return Ok(Look::NotYet(format!(
                            "{} does not know it as revoked",
                            node.name()
                        )));
                    }
                    None => return Ok(Look::NotYet(format!("{} does not know it", node.name()))),
                }
            }
            Ok(Look::Holds(()))
        },
    )
    .await
}

async fn within(mesh: &Mesh, account: &mut Account, cast: &Cast, tokens: &Tokens) -> Result<()> {
    let names = names(mesh, &cast.allowed);
    account.step(
        format!("the agent sets {POLICY} to 500 on {names}, within its token"),
        "every target checks token, limit and version by itself before it does anything",
    );
    let agent = mesh.node(cast.agent_at)?;
    let act = propose(
        agent,
        &Cast::keys(mesh, &cast.allowed)?,
        &tokens.good,
        cast.root,
        500,
    )
    .await;
    let act = act
        .map_err(|error| anyhow::anyhow!("the agent's own node refused: {error}"))?
        .id;
    let path = format!("/v1/acts/{act}");
    until(
        "all targets to execute the act",
        mesh.patience(),
        async || {
            let view: ActView = agent.get(&path).await?;
            let done = view
                .elsewhere
                .iter()
                .filter(|told| told.outcome.executed)
                .count();
            if let Some(refused) = view.elsewhere.iter().find(|told| !told.outcome.executed) {
                bail!("{} refused: {:?}", refused.node, refused.outcome.why);
            }
            Ok(match done == cast.allowed.len() {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{done} of {} did", cast.allowed.len())),
            })
        },
    )
    .await?;
    for place in &cast.allowed {
        let node = mesh.node(*place)?;
        ensure!(
            policy(node).await?.value == 500,
            "{} did not set the policy",
            node.name()
        );
        let entry = logged(node, &act).await?;
        ensure!(entry.what == "executed", "{} logged {entry:?}", node.name());
        account.saw(format!(
            "{} did it, and its audit log says so: {}",
            node.name(),
            entry.words
        ));
    }
    Ok(())
}

async fn refused_by_own_node(
    mesh: &Mesh,
    account: &mut Account,
    cast: &Cast,
    tokens: &Tokens,
) -> Result<()> {
    account.step(
        format!(
            "the agent asks the same of half the mesh ({}), by its own node",
            names(mesh, &cast.half)
        ),
        "an honest mistake should be told at once, before anything is sent",
    );
    let agent = mesh.node(cast.agent_at)?;
    let half = Cast::keys(mesh, &cast.half)?;
    for (token, what) in [
        (&tokens.good, "with its token"),
        (&tokens.unlimited, "with the token without a limit"),
    ] {
        let why = refusal(agent, &half, token, cast.root).await?;
        account.saw(format!("{what}: {why}"));
    }
    account.step(
        "it tries the other four tokens on a single node",
        "each fails for a reason of its own, and the message says which",
    );
    for (token, what) in tokens.bad() {
        let why = refusal(agent, &half[..1], token, cast.root).await?;
        account.saw(format!("{what}: {why}"));
    }
    Ok(())
}

impl Tokens {
    fn bad(&self) -> [(&Token, &'static str); 4] {
        [
            (&self.expired, "expired"),
            (&self.revoked, "revoked"),
            (&self.widened, "widened"),
            (&self.forged, "forged"),
        ]
    }
}

async fn refused_by_targets(
    mesh: &Mesh,
    account: &mut Account,
    cast: &Cast,
    tokens: &Tokens,
) -> Result<()> {
    account.step(
        format!(
            "the adversary sends the act on half the mesh to {}",
            names(mesh, &cast.half)
        ),
        "the last word is each target's own, and its log keeps the reason for whoever asks later",
    );
    let beyond = [
        (&tokens.good, "with the agent's token"),
        (&tokens.unlimited, "with the token without a limit"),
    ];
    for (token, what) in beyond {
        let reasons = attack_refused(mesh, cast, &cast.half, token).await?;
        for (node, why) in &reasons {
            account.saw(format!("{what}, {node}'s audit log: {why}"));
        }
    }
    account.step(
        format!(
            "it sends acts on {} alone, with the expired and the revoked token",
            name(mesh, 0)
        ),
        "a small act needs a valid token no less",
    );
    for (token, what) in [(&tokens.expired, "expired"), (&tokens.revoked, "revoked")] {
        for (node, why) in attack_refused(mesh, cast, &[0], token).await? {
            account.saw(format!("{what}, {node}'s audit log: {why}"));
        }
    }
    Ok(())
}

/// Sends an act that every target must refuse, and returns what their audit logs say.
async fn attack_refused(
    mesh: &Mesh,
    cast: &Cast,
    places: &[usize],
    token: &Token,
) -> Result<Vec<(String, String)>> {
    let sent = send(mesh, cast, places, token, true).await?;
    if let Some(obeyed) = sent.outcomes.iter().find(|outcome| outcome.executed) {
        bail!("{} obeyed the adversary", obeyed.node);
    }
    ensure!(
        sent.outcomes.len() == places.len(),
        "not every target said what it did: {sent:?}"
    );
    let mut reasons = Vec::new();
    for place in places {
        let node = mesh.node(*place)?;
        let entry = logged(node, &sent.act).await?;
        ensure!(entry.what == "refused", "{} logged {entry:?}", node.name());
        reasons.push((node.name().to_owned(), entry.words));
    }
    Ok(reasons)
}

async fn rejected_unread(
    mesh: &Mesh,
    account: &mut Account,
    cast: &Cast,
    tokens: &Tokens,
) -> Result<()> {
    account.step(
        format!("it sends acts with the widened and the forged token to {}", names(mesh, &cast.half)),
        "a token that does not hold is no matter of limits: the record itself is rejected, and not passed on",
    );
    for (token, what) in [(&tokens.widened, "widened"), (&tokens.forged, "forged")] {
        let since_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let sent = send(mesh, cast, &cast.half, token, false).await?;
        for place in &cast.half {
            let node = mesh.node(*place)?;
            let why = rejected(node, cast.agent, since_ms).await?;
            ensure!(
                !node.knows(&sent.act).await?,
                "{} keeps the {what} act",
                node.name()
            );
            if *place == 0 {
                account.saw(format!("{what}, {}: {why}", node.name()));
            }
        }
        account.saw(format!(
            "none of {} nodes keeps the record",
            cast.half.len()
        ));
    }
    Ok(())
}

async fn nothing_changed(mesh: &Mesh, account: &mut Account, cast: &Cast) -> Result<()> {
    account.step(
        "every node that was aimed at is asked for its policy",
        "refusing is one thing, having done nothing is what counts",
    );
    for place in &cast.half {
        let node = mesh.node(*place)?;
        let policy = policy(node).await?;
        ensure!(
            policy.version == 0,
            "{} stands at version {} of {POLICY}",
            node.name(),
            policy.version
        );
    }
    account.saw(format!(
        "{POLICY} stands at its first version on all of {}",
        names(mesh, &cast.half)
    ));
    Ok(())
}

async fn agent_comes_back(mesh: &mut Mesh, account: &mut Account, cast: &Cast) -> Result<()> {
    account.step(
        "the agent's own node starts again",
        "its key wrote records it never saw; it must find its place after them, not fork its chain",
    );
    mesh.restart(cast.agent_at).await?;
    let agreed = mesh.settled().await?;
    let agent = mesh.node(cast.agent_at)?;
    let record = Node::write(agent.client()).await?;
    mesh.all_know(&[record]).await?;
    account.saw(format!(
        "it wrote on after them; all nodes agree on {} records",
        agreed.records + 1
    ));
    Ok(())
}

async fn propose(
    agent: &Node,
    targets: &[PublicKey],
    token: &Token,
    root: RootKey,
    value: u64,
) -> Result<RecordedView, CliError> {
    let body = ProposeBody {
        change: ChangeBody::Set {
            policy: POLICY.to_owned(),
            value,
        },
        targets: AimBody::Nodes(targets.to_vec()),
        token: token.clone(),
        root: Some(root),
        life_secs: None,
    };
    agent.client().post("/v1/acts", &body).await
}

/// Proposes what the agent's own node must refuse, and returns the reason.
async fn refusal(
    agent: &Node,
    targets: &[PublicKey],
    token: &Token,
    root: RootKey,
) -> Result<String> {
    match propose(agent, targets, token, root, 700).await {
        Ok(act) => bail!("the agent's own node sent it, as {}", act.id),
        Err(CliError::Refused(error)) => Ok(error.message),
        Err(error) => Err(error.into()),
    }
}

/// What the attacker tells of an act it sent.
#[derive(Debug, Deserialize)]
struct Sent {
    act: String,
    outcomes: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    node: String,
    executed: bool,
}

/// What the attacker tells of a token it made.
#[derive(Debug, Deserialize)]
struct Made {
    token: Token,
}

async fn send(
    mesh: &Mesh,
    cast: &Cast,
    places: &[usize],
    token: &Token,
    outcomes: bool,
) -> Result<Sent> {
    let agent = mesh.node(cast.agent_at)?;
    let mut arguments = vec![
        "act".to_owned(),
        "--data-dir".to_owned(),
        agent.dir().display().to_string(),
    ];
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--mesh", agent.mesh()?);
    add("--token", token.to_string());
    add("--root", cast.root.to_string());
    add("--policy", POLICY.to_owned());
    add("--value", "700".to_owned());
    for place in places {
        add("--member", mesh.node(*place)?.address()?);
        add("--target", mesh.node(*place)?.key()?.to_string());
    }
    if !outcomes {
        arguments.push("--no-outcomes".to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    attack(mesh, &arguments).await
}

pub(super) async fn attack<T: for<'de> Deserialize<'de>>(
    mesh: &Mesh,
    arguments: &[&str],
) -> Result<T> {
    let mut command = Command::new(&mesh.programs().adversary);
    command.args(arguments).kill_on_drop(true);
    let output = timeout(ATTACK_PATIENCE, command.output())
        .await
        .context("the adversary does not end")?;
    let output = output.context("cannot run the adversary")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "the adversary failed: {said}{noted}"
    );
    serde_json::from_str(&said).with_context(|| format!("the adversary said {said:?}"))
}

async fn policy(node: &Node) -> Result<PolicyView> {
    let all: Vec<PolicyView> = node.get("/v1/policies").await?;
    all.into_iter()
        .find(|policy| policy.policy == POLICY)
        .context("the node lacks the policy")
}

/// Waits for the entry about an act in a node's audit log.
async fn logged(node: &Node, act: &str) -> Result<AuditEntryView> {
    let what = format!("an entry about {act} in the audit log of {}", node.name());
    until(&what, EVENT_PATIENCE, async || {
        let page: AuditPage = node.get("/v1/audit?limit=1000").await?;
        let entry = page
            .entries
            .into_iter()
            .find(|entry| entry.record.as_deref() == Some(act));
        Ok(entry.map_or_else(
            || Look::NotYet(format!("{} entries", page.size)),
            Look::Holds,
        ))
    })
    .await
}

/// Waits until a node tells that it rejected a record of a peer since a moment, and why.
pub(super) async fn rejected(node: &Node, from: PublicKey, since_ms: u64) -> Result<String> {
    let from = from.to_string();
    let mut events = node.client().events(Some(FROM_THE_START)).await?;
    let found = async {
        let mut why = None;
        while let Some(streamed) = events.next().await? {
            if let Streamed::Event(_, event) = streamed
                && event.time_ms >= since_ms
                && event.event == "rejected"
                && event.peer.as_deref() == Some(&from)
            {
                why = Some(event.words);
                break;
            }
        }
        why.context("the node stopped")
    };
    timeout(EVENT_PATIENCE, found).await.with_context(|| {
        format!(
            "{} does not tell that it rejected anything of {from}",
            node.name()
        )
    })?
}

fn name(mesh: &Mesh, place: usize) -> String {
    mesh.nodes()
        .get(place)
        .map_or_else(String::new, |node| node.name().to_owned())
}

fn names(mesh: &Mesh, places: &[usize]) -> String {
    places
        .iter()
        .map(|place| name(mesh, *place))
        .collect::<Vec<_>>()
        .join(", ")
}
