//! A rogue agent with a genuine token tries every way to change the whole mesh; what it reaches, and what stops it.
//!
//! The agent is the last node. It tries what a node lets it try; then its node is stopped, and `x0-adversary` goes on
//! with its key, past every check that an honest node makes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::{process::Command, time::timeout};
use x0_crypto::capability::{RootKey, Token};
use x0_node::{
    api::{
        acts::{AimBody, ChangeBody, LocalBody, ProposeBody},
        capabilities::RevokeBody,
        halts::HaltView,
        packs::{PackCheckView, PackView},
        view::{DoneView, PolicyView, ProposedView, RecordView, RecordedView},
        votes::VoteView,
    },
    cli::client::Streamed,
};

use super::mass_action::{ended, makes_keys, proposal};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// The policy the rogue wants to change, which changes nothing else of a node's conduct.
const POLICY: &str = "acts.shown";
/// The action a token must grant for it.
const ACTION: &str = "set.acts.shown";
/// The value that the rogue wants everywhere.
const WANTED: u64 = 666;
/// Longest wait for a step.
const PATIENCE: Duration = Duration::from_secs(30);
/// An event id from which a node tells all that it still keeps.
const FROM_THE_START: &str = "0-0";

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    let rogue_at = mesh.nodes().len() - 1;
    let (token, act) = slices(mesh, account, rogue_at).await?;
    delegates(mesh, account, rogue_at).await?;
    mesh.stop(rogue_at).await?;
    let rogue = Rogue {
        at: rogue_at,
        root: mesh.node(0)?.root()?,
        token,
    };
    old_and_forged(mesh, account, &rogue, &act).await?;
    stroke(mesh, account, &rogue).await?;
    refused_to_all(mesh, account, &rogue).await?;
    evidence(mesh, account).await?;
    restart(mesh, account).await?;
    ends(mesh, account).await
}

/// The agent, once it has turned adversary.
struct Rogue {
    at: usize,
    root: RootKey,
    token: Token,
}

/// Slices of one node each: the first is what a token may do, the second counts together with it.
async fn slices(mesh: &Mesh, account: &mut Account, rogue_at: usize) -> Result<(Token, String)> {
    let rogue = mesh.node(rogue_at)?;
    account.step(
        format!(
            "{} holds a token for one node at a time under the root of {}, and slices its change",
            rogue.name(),
            mesh.founder().name()
        ),
        "small steps must not add up to what a large one may not do",
    );
    let caveats = ["affects_nodes_le=1".to_owned()];
    let granted = mesh
        .founder()
        .grant(Some(rogue.key()?), ACTION, &caveats)
        .await?;
    let token: Token = granted.token.parse().context("the node granted no token")?;
    let first = propose(rogue, &token, mesh.node(5)?).await?;
    let first = ended(rogue, &first).await?;
    let record = first
        .record
        .with_context(|| format!("the first slice failed: {}", first.words))?;
    let second = propose(rogue, &token, mesh.node(6)?).await?;
    let waits = until(
        "the second slice to wait for co-signers",
        PATIENCE,
        async || {
            let own = proposal(rogue, &second).await?;
            Ok(match own.cosigned {
                Some((0, needed)) if needed >= 3 => Look::Holds(own),
                _ => Look::NotYet(own.words),
            })
        },
    )
    .await?;
    let third = propose(rogue, &token, mesh.node(7)?).await?;
    let third = ended(rogue, &third).await?;
    ensure!(
        third.stage == "failed",
        "the third slice was admitted: {}",
        third.words
    );
    account.saw(format!(
        "the first slice reached 1 of {} nodes, as its token says",
        mesh.nodes().len()
    ));
    account.saw(format!(
        "the second waits for people whom the rogue cannot choose: {}",
        waits.words
    ));
    account.saw(format!("the third: {}", third.words));
    Ok((token, record))
}

/// Delegates of the same root are counted as one.
async fn delegates(mesh: &Mesh, account: &mut Account, rogue_at: usize) -> Result<()> {
    account.step(
        "three other members act for the rogue, each with a token of its own under the same root",
        "who acts does not matter: what is done under one root is one count",
    );
    let mut refused = Vec::new();
    for (place, target) in [(8, 9), (10, 11), (12, 5)] {
        let (delegate, target) = (mesh.node(place.min(rogue_at - 1))?, mesh.node(target)?);
        let granted = mesh
            .founder()
            .grant(Some(delegate.key()?), ACTION, &[])
            .await?;
        let token: Token = granted.token.parse().context("the node granted no token")?;
        let act = propose(delegate, &token, target).await?;
        let own = ended(delegate, &act).await?;
        ensure!(
            own.stage == "failed",
            "{} reached a node: {}",
            delegate.name(),
            own.words
        );
        refused.push(own.words);
    }
    account.saw(format!("all three are refused, such as: {}", refused[0]));
    reached(mesh, 1).await
}

async fn old_and_forged(
    mesh: &Mesh,
    account: &mut Account,
    rogue: &Rogue,
    act: &str,
) -> Result<()> {
    account.step(
        "its node is stopped and x0-adversary goes on: an old act again, an old ticket, a forged one",
        "what was admitted once admits nothing else",
    );
    let old: RecordView = mesh.founder().get(&format!("/v1/records/{act}")).await?;
    let member = mesh.node(5)?;
    let before = version(member).await?;
    let mut replay = vec![
        "replay".to_owned(),
        "--record".to_owned(),
        old.bytes.clone(),
    ];
    replay.extend(rogue.arguments(mesh, &[5])?);
    let _: serde_json::Value = attack(mesh, &replay).await?;
    let borrowed = ["--warrants-of".to_owned(), old.bytes];
    let sent = rogue.send(mesh, &[6], &borrowed).await?;
    let borrowed_why = refusal(&sent)?;
    let forged = [
        borrowed[0].clone(),
        borrowed[1].clone(),
        "--forge-ticket".to_owned(),
    ];
    let sent = rogue.send(mesh, &[6], &forged).await?;
    let forged_why = refusal(&sent)?;
    ensure!(
        version(member).await? == before,
        "the old act was executed again"
    );
    account.saw(format!(
        "{} does not execute the old act again",
        member.name()
    ));
    account.saw(format!("the ticket of another act: {borrowed_why}"));
    account.saw(format!("the forged ticket: {forged_why}"));
    reached(mesh, 1).await
}

/// The same change on many nodes within a second, each by an act of its own.
async fn stroke(mesh: &Mesh, account: &mut Account, rogue: &Rogue) -> Result<()> {
    let places: Vec<_> = (1..mesh.nodes().len() - 1).collect();
    account.step(
        format!(
            "the rogue asks {} nodes for the same change at once, by an act for each",
            places.len()
        ),
        "one point that decides for many in silence is what must be seen and stopped",
    );
    let began = Instant::now();
    let sent = rogue
        .send(
            mesh,
            &places,
            &["--each".to_owned(), "--no-outcomes".to_owned()],
        )
        .await?;
    until("the halt on every node", PATIENCE, async || {
        let mut running = 0;
        for node in mesh.running() {
            running += usize::from(!node.status().await?.stopped.halted);
        }
        Ok(match running {
            0 => Look::Holds(()),
            more => Look::NotYet(format!(
                "{more} nodes are not halted after {} ms",
                began.elapsed().as_millis()
            )),
        })
    })
    .await?;
    let mut lines = Vec::new();
    let (mut freezes, mut halts) = (Vec::new(), Vec::new());
    for node in mesh.running() {
        let at = first_events(node, &["frozen", "halted"]).await?;
        let after = |event: &str| at.get(event).map(|at| at.saturating_sub(sent.sent_ms));
        let frozen = after("frozen").with_context(|| format!("{} froze nothing", node.name()))?;
        let halted =
            after("halted").with_context(|| format!("{} tells of no halt", node.name()))?;
        freezes.push(frozen);
        halts.push(halted);
        lines.push(format!("{} {frozen}/{halted}", node.name()));
    }
    let last = |all: &[u64]| all.iter().copied().max().unwrap_or_default();
    account.saw(format!(
        "every node froze the root within {} ms and was halted within {} ms of the first act",
        last(&freezes),
        last(&halts)
    ));
    account.saw(format!("frozen/halted after, ms: {}", lines.join(", ")));
    reached(mesh, 1).await
}

async fn refused_to_all(mesh: &Mesh, account: &mut Account, rogue: &Rogue) -> Result<()> {
    account.step(
        "the rogue and an honest member ask for changes; others revoke, change themselves, leave",
        "a halt stops every change of others, and nothing that undoes, mends or leaves",
    );
    let sent = rogue.send(mesh, &[6], &[]).await?;
    let why = refusal(&sent)?;
    ensure!(
        why.contains("halted"),
        "the rogue was refused for another reason: {why}"
    );
    account.saw(format!("the rogue: {why}"));
    let honest = mesh.node(2)?;
    let granted = honest.grant(Some(honest.key()?), ACTION, &[]).await?;
    let own: Token = granted.token.parse().context("the node granted no token")?;
    let refused = match propose(honest, &own, mesh.node(6)?).await {
        Ok(act) => bail!("the honest act {act} went on its way"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(refused.contains("halted"), "{refused}");
    account.saw(format!(
        "honest {}: refused as well: the mesh is halted",
        honest.name()
    ));

    let ids = rogue.token.verify(&rogue.root)?.revocation_ids().to_vec();
    let revoke = RevokeBody {
        ids,
        reason: "its agent went rogue".to_owned(),
    };
    let _: RecordedView = mesh
        .founder()
        .post("/v1/capabilities/revoke", &revoke)
        .await?;
    let local = LocalBody {
        change: ChangeBody::Set {
            policy: POLICY.to_owned(),
            value: 555,
        },
        token: None,
    };
    let _: DoneView = honest.post("/v1/acts/local", &local).await?;
    let leaver = mesh.node(mesh.nodes().len() - 2)?;
    let _: RecordedView = leaver.post("/v1/leave", &serde_json::json!(null)).await?;
    account.saw(format!(
        "{} revoked the rogue's token, {} changed itself, {} left the mesh",
        mesh.founder().name(),
        honest.name(),
        leaver.name()
    ));
    Ok(())
}

/// A seat packs what shows the halt; who was not asked checks it with no node's word.
async fn evidence(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "a seat asks the audit logs of all who had a part in it and packs the evidence; another node checks the file alone",
        "nobody has to believe an alert or a log: whoever holds the pack finds the same",
    );
    let (packer, checker) = (mesh.node(3)?, mesh.node(8)?);
    let file = mesh.home().join("pack.json");
    let out = file.display().to_string();
    packer
        .run_well(&["halt", "evidence", "--out", &out])
        .await?;
    let pack: PackView = serde_json::from_slice(&std::fs::read(&file)?)?;
    let (holds, view) = check(checker, &out).await?;
    ensure!(holds, "the pack does not hold: {:?}", view.faults);
    let shown: Vec<_> = view
        .logs
        .iter()
        .filter(|log| log.entries.is_some())
        .collect();
    let targets: Vec<_> = shown.iter().filter(|log| log.part == "target").collect();
    // The stroke is acts past the committee, which every target it reached has refused.
    let refusing = targets.iter().filter(|log| log.refused > 0).count();
    ensure!(
        refusing >= mesh.nodes().len() / 2,
        "{refusing} targets show that they refused: {:?}",
        view.logs
    );
    let executed: u32 = targets.iter().map(|log| log.executed).sum();
    ensure!(
        executed >= 1,
        "the first slice shows nowhere: {:?}",
        view.logs
    );
    ensure!(
        view.proven
            .iter()
            .any(|line| line.contains("the committee has halted the mesh")),
        "the halt is not proven: {:?}",
        view.proven
    );
    account.saw(format!(
        "{} packed {} signed records and {} audit logs into {} kB",
        packer.name(),
        pack.records.len(),
        pack.logs.len(),
        std::fs::metadata(&file)?.len() / 1024
    ));
    for line in &view.proven {
        account.saw(format!("{} finds proven: {line}", checker.name()));
    }
    let silent = view.logs.iter().filter(|log| log.entries.is_none()).count();
    account.saw(format!(
        "and names what is missing, {} lines, {silent} silent logs among them, such as: {}",
        view.missing.len(),
        view.missing[0]
    ));
    tampered(mesh, account, checker, &pack).await
}

/// Everything that can be changed in a pack is told.
async fn tampered(
    mesh: &Mesh,
    account: &mut Account,
    checker: &Node,
    pack: &PackView,
) -> Result<()> {
    let alter = |name: &str, change: &dyn Fn(&mut PackView) -> Result<()>| -> Result<String> {
        let mut altered = pack.clone();
        change(&mut altered)?;
        let file = mesh.home().join(format!("{name}.json"));
        std::fs::write(&file, serde_json::to_vec(&altered)?)?;
        Ok(file.display().to_string())
    };
    let says_otherwise = alter("words", &|pack| {
        let mut logs = pack.logs.iter_mut();
        let entry = logs.find_map(|log| log.entries.first_mut());
        entry.context("no log shows an entry")?.words = "it was never asked".to_owned();
        Ok(())
    })?;
    let other_log = alter("log", &|pack| {
        let shown: Vec<_> = (0..pack.logs.len())
            .filter(|at| !pack.logs[*at].entries.is_empty())
            .take(2)
            .collect();
        let [first, second] = shown[..] else {
            bail!("two logs show entries");
        };
        pack.logs[first].pages = pack.logs[second].pages.clone();
        pack.logs[first].entries = pack.logs[second].entries.clone();
        Ok(())
    })?;
    let other_root = alter("root", &|pack| {
        pack.halt.root = mesh.node(2)?.root()?.to_string();
        Ok(())
    })?;
    for file in [says_otherwise, other_log, other_root] {
        let (holds, view) = check(checker, &file).await?;
        ensure!(!holds && !view.faults.is_empty(), "{file} passes: {view:?}");
        account.saw(format!(
            "a pack that was altered is refused: {}",
            view.faults[0]
        ));
    }
    Ok(())
}

/// Checks a pack by the command line; tells whether it holds.
async fn check(node: &Node, file: &str) -> Result<(bool, PackCheckView)> {
    let ended = node
        .run_to_end(&["--json", "halt", "evidence", "--check", file])
        .await?;
    let view = ended
        .said
        .lines()
        .find_map(|line| serde_json::from_str::<PackCheckView>(line).ok())
        .with_context(|| format!("the check is not shown: {}", ended.said))?;
    ensure!(ended.status.success() == view.holds, "{}", ended.said);
    Ok((view.holds, view))
}

async fn restart(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "a node is killed and started again",
        "what is halted is on disk before anybody is told",
    );
    mesh.crash(4).await?;
    mesh.restart(4).await?;
    let node = mesh.node(4)?;
    ensure!(
        node.status().await?.stopped.halted,
        "{} forgot the halt",
        node.name()
    );
    account.saw(format!("{} is halted as before", node.name()));
    Ok(())
}

async fn ends(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "every person goes on call for juries; one asks by `x0 halt resume` for an emergency vote, and the jury says yes",
        "no key, seat or operator ends a halt; people whom nobody chose can",
    );
    for node in mesh.running() {
        if node.status().await?.member {
            node.run_well(&["vote", "jury", "on"]).await?;
        }
    }
    let asker = mesh.node(1)?;
    let said = asker.run_well(&["--json", "halt", "resume"]).await?;
    let vote = said
        .lines()
        .find_map(|line| serde_json::from_str::<VoteView>(line).ok())
        .with_context(|| format!("the vote is not shown: {said}"))?;
    account.saw(format!(
        "{} asked, and the vote is {}",
        asker.name(),
        vote.vote
    ));
    let opened = until("the jury to be drawn", PATIENCE, async || {
        let seen: VoteView = asker.get(&format!("/v1/votes/{}", vote.vote)).await?;
        Ok(match !seen.jury.is_empty() {
            true => Look::Holds(seen),
            false => Look::NotYet(format!("{seen:?}")),
        })
    })
    .await?;
    let mut jurors = 0;
    for node in mesh.running() {
        let cast = node
            .run_to_end(&["vote", "cast", &vote.vote, "yes"])
            .await?;
        jurors += usize::from(cast.status.success());
    }
    account.saw(format!(
        "{jurors} of a jury of {} have said yes",
        opened.jury.len()
    ));
    until("the halt to be over everywhere", PATIENCE, async || {
        let mut in_force = Vec::new();
        for node in mesh.running() {
            if !node.status().await?.member {
                continue;
            }
            let view: HaltView = node.get("/v1/halt").await?;
            if view.halts.iter().any(|halt| halt.stage != "ended") {
                in_force.push(node.name().to_owned());
            }
        }
        Ok(match in_force.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(format!("it is in force on {}", in_force.join(", "))),
        })
    })
    .await?;
    let halt: HaltView = asker.get("/v1/halt").await?;
    let halt = halt.halts.first().context("no halt is known")?;
    account.saw(format!("on all nodes the halt is over: {}", halt.words));
    Ok(())
}

async fn propose(agent: &Node, token: &Token, target: &Node) -> Result<String> {
    let body = ProposeBody {
        change: ChangeBody::Set {
            policy: POLICY.to_owned(),
            value: WANTED,
        },
        targets: AimBody::Nodes(vec![target.key()?]),
        token: token.clone(),
        root: None,
        life_secs: None,
    };
    let proposed: ProposedView = agent.post("/v1/acts", &body).await?;
    proposed
        .proposal
        .context("the act was written without a ticket")
}

/// Checks on how many nodes the rogue's value is in force.
async fn reached(mesh: &Mesh, wanted: usize) -> Result<()> {
    let mut changed = Vec::new();
    for node in mesh.running() {
        if policy(node).await?.value == WANTED {
            changed.push(node.name());
        }
    }
    ensure!(
        changed.len() == wanted,
        "the rogue's value is in force on {}",
        changed.join(", ")
    );
    Ok(())
}

async fn policy(node: &Node) -> Result<PolicyView> {
    let policies: Vec<PolicyView> = node.get("/v1/policies").await?;
    let found = policies.into_iter().find(|policy| policy.policy == POLICY);
    found.context("the node lacks the policy")
}

async fn version(node: &Node) -> Result<u64> {
    Ok(policy(node).await?.version)
}

/// Returns when a node first told of some events, ms since the epoch.
async fn first_events(node: &Node, wanted: &[&str]) -> Result<BTreeMap<String, u64>> {
    let mut events = node.client().events(Some(FROM_THE_START)).await?;
    let mut found = BTreeMap::new();
    let all = async {
        while found.len() < wanted.len() {
            match events.next().await? {
                Some(Streamed::Event(_, event)) if wanted.contains(&event.event.as_str()) => {
                    found.entry(event.event).or_insert(event.time_ms);
                }
                Some(Streamed::Event(..) | Streamed::Lost(_)) => {}
                None => bail!("{} has stopped", node.name()),
            }
        }
        Ok(())
    };
    timeout(PATIENCE, all)
        .await
        .with_context(|| format!("{} does not tell of {}", node.name(), wanted.join(" and ")))??;
    Ok(found)
}

/// What the adversary tells of acts it sent.
#[derive(Debug, Deserialize)]
struct Sent {
    sent_ms: u64,
    outcomes: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    executed: bool,
    #[serde(default)]
    why: String,
}

fn refusal(sent: &Sent) -> Result<String> {
    match sent.outcomes.as_slice() {
        [
            Told {
                executed: false,
                why,
            },
        ] => Ok(why.clone()),
        other => bail!("the target did not refuse: {other:?}"),
    }
}

impl Rogue {
    fn arguments(&self, mesh: &Mesh, places: &[usize]) -> Result<Vec<String>> {
        let agent = mesh.node(self.at)?;
        let mut arguments = vec!["--data-dir".to_owned(), agent.dir().display().to_string()];
        arguments.extend(["--mesh".to_owned(), agent.mesh()?]);
        for place in places {
            arguments.extend(["--member".to_owned(), mesh.node(*place)?.address()?]);
        }
        Ok(arguments)
    }

    async fn send(&self, mesh: &Mesh, places: &[usize], more: &[String]) -> Result<Sent> {
        let mut arguments = vec!["act".to_owned()];
        arguments.extend(self.arguments(mesh, places)?);
        for place in places {
            arguments.extend(["--target".to_owned(), mesh.node(*place)?.key()?.to_string()]);
        }
        let fixed = [
            ("--token", self.token.to_string()),
            ("--root", self.root.to_string()),
            ("--policy", POLICY.to_owned()),
            ("--value", WANTED.to_string()),
        ];
        for (flag, value) in fixed {
            arguments.extend([flag.to_owned(), value]);
        }
        arguments.extend_from_slice(more);
        attack(mesh, &arguments).await
    }
}

/// Runs the adversary, and reads what it tells.
pub(super) async fn attack<T: for<'de> Deserialize<'de>>(
    mesh: &Mesh,
    arguments: &[String],
) -> Result<T> {
    let mut command = Command::new(&mesh.programs().adversary);
    command.args(arguments).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.context("the adversary does not end")?;
    let output = output.context("cannot run the adversary")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "the adversary failed: {said}{noted}"
    );
    serde_json::from_str(&said).with_context(|| format!("the adversary said {said:?}"))
}
