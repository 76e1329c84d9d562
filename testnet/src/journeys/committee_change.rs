//! A seat is replaced while the mesh goes on: new keys in force on every node, whoever dies on the way, and a claim to
//! the committee that nobody believes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use x0_crypto::capability::Token;
use x0_node::api::committee::{PlannedView, SeatsView};

use super::{
    capabilities::{attack, rejected},
    mass_action::{POLICY, answer, asked, drawn, ended, everywhere, grant, makes_keys, propose},
};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Places of the seats of the genesis in the mesh.
const OLD: [usize; 4] = [0, 1, 2, 3];
/// Places of the seats after the change.
const NEW: [usize; 4] = [0, 1, 2, 4];
/// The seat that is killed in the middle: it stays.
const KILLED: usize = 1;
/// The member whose key the attacker has.
const ROGUE: usize = 14;
/// Longest wait for a plan or a hand-over to begin.
const PLAN_PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for new keys to be in force everywhere.
const CHANGE_PATIENCE: Duration = Duration::from_secs(90);

/// What the adversary says of a claim that it has sent.
#[derive(Debug, Deserialize)]
struct Claimed {
    handed_to: Vec<String>,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    makes_keys(mesh, account).await?;
    let sleeper = acts_before(mesh, account).await?;
    let plan = plans(mesh, account).await?;
    changes(mesh, account, &plan, sleeper).await?;
    old_word_holds(mesh, account, sleeper).await?;
    acts_after(mesh, account).await?;
    claim_is_refused(mesh, account).await
}

/// Has an act co-signed while one node sleeps, and returns which.
async fn acts_before(mesh: &mut Mesh, account: &mut Account) -> Result<usize> {
    account.step(
        format!("an act sets {POLICY} = 901 on every node, admitted by the first keys; one node sleeps meanwhile"),
        "what the old keys have certified must not lose its worth when they go",
    );
    let agent = agent(mesh)?;
    let token = grant(mesh.node(0)?, agent).await?;
    let act = propose(agent, token, 901).await?;
    let signers = drawn(mesh, agent, &act).await?;
    let names: Vec<_> = signers.iter().map(|node| node.name().to_owned()).collect();
    let free = (5..ROGUE).find(|at| {
        let node = mesh.node(*at);
        node.is_ok_and(|node| !names.contains(&node.name().to_owned()))
    });
    let sleeper = free.context("everybody was drawn")?;
    for signer in &signers {
        asked(signer, &act).await?;
    }
    mesh.stop(sleeper).await?;
    for signer in mesh
        .nodes()
        .iter()
        .filter(|node| names.contains(&node.name().to_owned()))
    {
        answer(signer, &act, true).await?;
    }
    let own = ended(self::agent(mesh)?, &act).await?;
    ensure!(
        own.record.is_some(),
        "the act was not written: {}",
        own.words
    );
    everywhere(mesh, 901).await?;
    account.saw(format!(
        "executed on all nodes but {}, which sleeps",
        mesh.node(sleeper)?.name()
    ));
    Ok(sleeper)
}

async fn plans(mesh: &Mesh, account: &mut Account) -> Result<String> {
    let (leaves, comes) = (mesh.node(OLD[3])?, mesh.node(NEW[3])?);
    account.step(
        format!(
            "{} proposes that {} gives its seat to {}",
            mesh.node(0)?.name(),
            leaves.name(),
            comes.name()
        ),
        "no single seat may say who sits: a quorum of the present ones must approve",
    );
    let (add, remove) = (comes.key()?.to_string(), leaves.key()?.to_string());
    let arguments = [
        "committee",
        "propose-seats",
        "--add",
        &add,
        "--remove",
        &remove,
        "--json",
    ];
    let said = mesh.node(0)?.run_to_end(&arguments).await?;
    ensure!(
        said.status.success(),
        "the proposal was refused: {}",
        said.said
    );
    let seen = until(
        "the other seats to see the plan",
        PLAN_PATIENCE,
        async || {
            let mut plans = Vec::new();
            for seat in [1, 2] {
                plans.push(seats(mesh.node(seat)?).await?.plans);
            }
            Ok(match plans.iter().find(|plans| plans.is_empty()) {
                None => Look::Holds(plans.remove(0)),
                Some(_) => Look::NotYet("not yet in the log".to_owned()),
            })
        },
    )
    .await?;
    let plan = seen.first().context("a plan")?;
    ensure!(
        (plan.come.as_slice(), plan.leave.as_slice()) == ([add].as_slice(), [remove].as_slice()),
        "another plan is seen: {plan:?}"
    );
    ensure!(
        plan.approved_by.len() == 1,
        "it is approved already: {plan:?}"
    );
    account.saw(format!(
        "every seat sees who comes and who leaves; 1 of 3 approves: {}",
        plan.plan
    ));
    Ok(plan.plan.clone())
}

async fn changes(mesh: &mut Mesh, account: &mut Account, plan: &str, sleeper: usize) -> Result<()> {
    account.step(
        format!(
            "two more seats approve; while the new seats make their keys, {} is killed with kill -9",
            mesh.node(KILLED)?.name()
        ),
        "a hand-over must survive the death of any one node at any moment",
    );
    let began = Instant::now();
    for seat in [1, 2] {
        let path = format!("/v1/committee/plans/{plan}");
        let _: PlannedView = mesh.node(seat)?.post(&path, &()).await?;
    }
    until("the new seats to make keys", PLAN_PATIENCE, async || {
        let view = seats(mesh.node(0)?).await?;
        Ok(match (&view.handing, view.epoch) {
            (Some(handing), _) => Look::Holds(handing.stage.clone()),
            (None, Some(epoch)) if epoch > 1 => Look::Holds("over already".to_owned()),
            (None, epoch) => Look::NotYet(format!("epoch {epoch:?}, no hand-over")),
        })
    })
    .await?;
    mesh.crash(KILLED).await?;
    account.saw(format!(
        "{} fell in the middle of it",
        mesh.node(KILLED)?.name()
    ));
    in_force(mesh, &[KILLED, sleeper]).await?;
    account.saw(format!(
        "{:.1} s after the second approval the new keys are in force on every node that runs",
        began.elapsed().as_secs_f64()
    ));
    mesh.restart(KILLED).await?;
    in_force(mesh, &[sleeper]).await?;
    let told = mesh.node(KILLED)?.status().await?.committee;
    ensure!(told.is_some(), "the seat that fell does not keep the log");
    let left = mesh.node(OLD[3])?.status().await?.committee;
    ensure!(left.is_none(), "the seat that left still keeps the log");
    account.saw("started again, it takes its seat; the one that left keeps the log no more");
    Ok(())
}

async fn old_word_holds(mesh: &mut Mesh, account: &mut Account, sleeper: usize) -> Result<()> {
    let name = mesh.node(sleeper)?.name().to_owned();
    account.step(
        format!("{name} wakes up; it knows neither the act nor the new seats"),
        "who comes later follows the chain of hand-overs, and the old keys still verify what lies below",
    );
    mesh.restart(sleeper).await?;
    in_force(mesh, &[]).await?;
    everywhere(mesh, 901).await?;
    account.saw("it follows the chain to the new keys, and executes the act by its old ticket");
    Ok(())
}

async fn acts_after(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        format!("the agent asks for {POLICY} = 902 on every node"),
        "the new seats must be able to do all that the old ones did",
    );
    let agent = agent(mesh)?;
    let token: Token = grant(mesh.node(1)?, agent).await?;
    let act = propose(agent, token, 902).await?;
    let signers = drawn(mesh, agent, &act).await?;
    for signer in &signers {
        asked(signer, &act).await?;
        answer(signer, &act, true).await?;
    }
    let own = ended(agent, &act).await?;
    ensure!(
        own.record.is_some(),
        "the act was not written: {}",
        own.words
    );
    everywhere(mesh, 902).await?;
    account.saw(format!(
        "admitted by the new keys, drawn by the beacon whose key has stayed, executed on all {} nodes",
        mesh.nodes().len()
    ));
    Ok(())
}

async fn claim_is_refused(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let rogue = mesh.node(ROGUE)?.key()?;
    account.step(
        format!(
            "with the key of {} an attacker claims that the committee has passed to keys of its own",
            mesh.node(ROGUE)?.name()
        ),
        "only a certificate of the keys in force hands over, whoever says otherwise",
    );
    let before = seats(mesh.node(0)?).await?;
    let epoch = before.epoch.context("the keys are known")?;
    mesh.stop(ROGUE).await?;
    let since_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut arguments = vec![
        "usurp".to_owned(),
        "--data-dir".to_owned(),
        mesh.node(ROGUE)?.dir().display().to_string(),
        "--mesh".to_owned(),
        mesh.node(0)?.mesh()?,
        "--epoch".to_owned(),
        epoch.to_string(),
    ];
    let told = [5, 6, 7];
    for place in told {
        arguments.extend(["--member".to_owned(), mesh.node(place)?.address()?]);
    }
    for place in [5, 6, 7, ROGUE] {
        arguments.extend(["--seat".to_owned(), mesh.node(place)?.key()?.to_string()]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let claimed: Claimed = attack(mesh, &arguments).await?;
    ensure!(
        claimed.handed_to.len() == told.len(),
        "not all were told: {claimed:?}"
    );
    for place in told {
        let why = rejected(mesh.node(place)?, rogue, since_ms).await?;
        if place == told[0] {
            account.saw(format!("{}: {why}", mesh.node(place)?.name()));
        }
    }
    for node in mesh.running() {
        let view = seats(node).await?;
        ensure!(
            (view.epoch, &view.seats) == (before.epoch, &before.seats),
            "{} believes the claim: {view:?}",
            node.name()
        );
    }
    mesh.restart(ROGUE).await?;
    account.saw("no node has moved from the keys and seats in force");
    Ok(())
}

/// Waits until every node but some knows the new seats and the keys of one new epoch, and the seats have checkpoints.
async fn in_force(mesh: &Mesh, but: &[usize]) -> Result<u64> {
    let mut wanted = Vec::new();
    for place in NEW {
        wanted.push(mesh.node(place)?.key()?);
    }
    wanted.sort_unstable();
    let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    until(
        "the new keys to be in force everywhere",
        CHANGE_PATIENCE,
        async || {
            let mut epochs = Vec::new();
            for (place, node) in mesh.nodes().iter().enumerate() {
                if but.contains(&place) {
                    continue;
                }
                let view = seats(node).await?;
                let epoch = view
                    .epoch
                    .filter(|epoch| *epoch > 1 && view.seats == wanted);
                epochs.push(epoch);
            }
            let first = epochs.first().copied().flatten();
            Ok(
                match first.filter(|_| epochs.iter().all(|epoch| *epoch == first)) {
                    Some(epoch) => Look::Holds(epoch),
                    None => Look::NotYet(format!("{epochs:?}")),
                },
            )
        },
    )
    .await
}

async fn seats(node: &Node) -> Result<SeatsView> {
    node.get("/v1/committee").await
}

fn agent(mesh: &Mesh) -> Result<&Node> {
    mesh.nodes().last().context("the mesh is empty")
}
