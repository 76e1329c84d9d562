//! The dashboard in a real browser: every page, on a desktop and a phone, in both languages, by keyboard, live.
//!
//! `browser/look.py` is the user at the browser and says what it sees; this is the node's side of the story. While pages are
//! open, an override is done, a violation is reported, an amendment is put to the vote, a guardian serves, and an item is put and
//! asked for.
//! With `X0_TESTNET_PICTURES` naming a folder, each page is left there as a picture.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};
use x0_node::api::{
    cases::ReportBody,
    consents::ConsentView,
    view::{DashboardLinkView, RecordedView},
    votes::VotesView,
};

use super::{mass_action, overriding, vault};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

const LOOK: &str = include_str!("../../browser/look.py");
/// Names a folder for pictures of the pages.
const PICTURES_VARIABLE: &str = "X0_TESTNET_PICTURES";
/// What the token is for that is granted while the page is open.
const GRANTED: &str = "testnet.seen_live";
/// What the act that a person co-signs in the browser sets.
const VALUE: u64 = 903;
/// What the override sets that appears on an open page.
const OVERRIDDEN: u64 = 904;
/// Whose node it is done on, and who is reported. It has no seat.
const TARGET: usize = 4;
/// What is reported while the page is open.
const REPORTED: &str = "It kept where people were, and told nobody";
/// What the item is called that is put while the page is open: on no page may it be found.
const TITLE: &str = "Where the second well is";
/// Why a member asks for it.
const ASKED_WHY: &str = "The first well is dry";
/// Who asks; it is neither at the browser nor did it put the item.
const ASKER: usize = 2;
/// Longest time without a word from the browser.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    mesh.settled().await?;
    mass_action::makes_keys(mesh, account).await?;
    account.step(
        "a browser opens the one-time link of the founder's node and looks at every page",
        "a mesh that people cannot see into is one they cannot watch over",
    );
    let link = link(mesh.founder()).await?;
    look(mesh, account, &link).await
}

async fn link(node: &Node) -> Result<String> {
    let link: DashboardLinkView = node
        .post("/v1/dashboard-link", &serde_json::json!({}))
        .await?;
    Ok(link.url)
}

/// Asks for an act on the whole mesh, and leaves the last word on it to the browser on a drawn node.
async fn left_to_the_browser(mesh: &Mesh) -> Result<String> {
    let agent = mesh.nodes().last().context("the mesh is empty")?;
    let token = mass_action::grant(mesh.founder(), agent).await?;
    let act = mass_action::propose(agent, token, VALUE).await?;
    let drawn = mass_action::drawn(mesh, agent, &act).await?;
    let [by_browser, others @ ..] = drawn.as_slice() else {
        bail!("nobody was drawn");
    };
    for signer in others {
        mass_action::asked(signer, &act).await?;
        mass_action::answer(signer, &act, true).await?;
    }
    mass_action::asked(by_browser, &act).await?;
    link(by_browser).await
}

/// Has an override done with the word of everybody who is drawn; returns its proof's file.
async fn overridden(mesh: &Mesh) -> Result<std::path::PathBuf> {
    let agent = mesh.nodes().last().context("the mesh is empty")?;
    let token = mass_action::grant(mesh.node(1)?, agent).await?;
    let act = overriding::propose(agent, mesh.node(TARGET)?, token, OVERRIDDEN).await?;
    until(
        "the override to be written",
        mass_action::STEP_PATIENCE,
        async || {
            for node in mesh.nodes() {
                let asked: Vec<ConsentView> = node.get("/v1/consents").await?;
                let waits =
                    |one: &ConsentView| one.cosign && one.act == act && one.answer == "waiting";
                if asked.iter().any(waits) {
                    mass_action::answer(node, &act, true).await?;
                }
            }
            let own = mass_action::proposal(agent, &act).await?;
            if own.is_ended() && own.record.is_none() {
                bail!("the override ended too early: {}", own.words);
            }
            Ok(match own.record {
                Some(_) => Look::Holds(()),
                None => Look::NotYet(own.words),
            })
        },
    )
    .await?;
    Ok(mesh.home().join("proof-of-the-browser.json"))
}

/// Checks the file that the browser has saved as anybody would who is given it.
async fn proven(mesh: &Mesh, file: &std::path::Path) -> Result<String> {
    let judge = mesh.node(TARGET)?;
    let (file, mesh_id) = (file.display().to_string(), judge.mesh()?);
    let verify = ["audit", "verify", &file, "--mesh", &mesh_id];
    let said = judge.run_well(&verify).await?;
    ensure!(
        said.contains("holds") && said.contains(overriding::WHY),
        "{said}"
    );
    Ok(said)
}

async fn reported(mesh: &Mesh) -> Result<()> {
    let reporter = mesh.nodes().last().context("the mesh is empty")?;
    let body = ReportBody {
        accused: Some(mesh.node(TARGET)?.key()?),
        sort: "silent_collection".to_owned(),
        description: REPORTED.to_owned(),
        evidence: Vec::new(),
        asked: String::new(),
    };
    let _: RecordedView = reporter.post("/v1/charter/reports", &body).await?;
    Ok(())
}

/// Puts an amendment to the vote by which people lose; returns the vote.
async fn amended(mesh: &Mesh) -> Result<String> {
    let proposer = mesh.node(1)?;
    let text = proposer.run_well(&["charter", "show", "--yaml"]).await?;
    let number = text.replacen("number: 1", "number: 2", 1);
    let longer = number.replacen("retention_days: 30", "retention_days: 60", 1);
    ensure!(
        number != text && longer != number,
        "the charter in force is another: {text}"
    );
    let file = mesh.home().join("amended.yaml");
    std::fs::write(&file, longer)?;
    let file = file.display().to_string();
    proposer
        .run_well(&["charter", "amend", &file, "--no-wait"])
        .await?;
    until(
        "the vote to be open",
        mass_action::STEP_PATIENCE,
        async || {
            let all: VotesView = mesh.founder().get("/v1/votes").await?;
            let found = all.votes.first().map(|vote| vote.vote.clone());
            Ok(found.map_or_else(|| Look::NotYet("no vote".to_owned()), Look::Holds))
        },
    )
    .await
}

/// Has all but the last member serve as guardians, and the last one put an item; returns it.
async fn guarded(mesh: &Mesh) -> Result<String> {
    let owner = mesh.nodes().last().context("the mesh is empty")?;
    let others = mesh.nodes().iter().take(mesh.nodes().len() - 1);
    vault::agree_to_serve(others, owner).await?;
    let file = mesh.home().join("map-of-the-well");
    std::fs::write(&file, "under the third stone")?;
    let (item, _) = vault::put(owner, &file, TITLE).await?;
    Ok(item)
}

async fn look(mesh: &Mesh, account: &mut Account, link: &str) -> Result<()> {
    let python = &mesh.programs().python;
    let mut command = Command::new(python);
    command.args(["-c", LOOK, link]).kill_on_drop(true);
    command.args(std::env::var_os(PICTURES_VARIABLE));
    let mut browser = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!(
                "cannot run {}, which drives the browser; run: make setup-test",
                python.display()
            )
        })?;
    let (Some(mut answers), Some(output)) = (browser.stdin.take(), browser.stdout.take()) else {
        bail!("the browser's driver has no input or output");
    };
    let mut lines = BufReader::new(output).lines();
    let mut faults = Vec::new();
    let mut proof = None;
    let mut item = None;
    while let Some(line) = timeout(PATIENCE, lines.next_line())
        .await
        .with_context(|| format!("the browser said nothing for {} s", PATIENCE.as_secs()))??
    {
        match line.strip_prefix("FAULT ") {
            Some(fault) => faults.push(fault.to_owned()),
            None if line == "write" => {
                mesh.founder()
                    .grant(None, GRANTED, &["affects_nodes_le=0".to_owned()])
                    .await?;
                answers.write_all(format!("{GRANTED}\n").as_bytes()).await?;
            }
            None if line == "ask" => {
                let link = left_to_the_browser(mesh).await?;
                answers.write_all(format!("{link}\n").as_bytes()).await?;
            }
            None if line == "signed" => {
                mass_action::everywhere(mesh, VALUE).await?;
                account.saw("with that the act was executed on every node");
            }
            None if line == "override" => {
                let file = overridden(mesh).await?;
                let answer = format!("{}\t{}\n", overriding::WHY, file.display());
                answers.write_all(answer.as_bytes()).await?;
                proof = Some(file);
            }
            None if line == "proof" => {
                let file = proof.as_ref().context("no override was asked for")?;
                account.saw(proven(mesh, file).await?);
            }
            None if line == "report" => {
                reported(mesh).await?;
                answers
                    .write_all(format!("{REPORTED}\n").as_bytes())
                    .await?;
            }
            None if line == "amend" => {
                let vote = amended(mesh).await?;
                answers.write_all(format!("{vote}\n").as_bytes()).await?;
            }
            None if line == "guard" => {
                let put = guarded(mesh).await?;
                let answer = format!("{put}\t{TITLE}\n");
                answers.write_all(answer.as_bytes()).await?;
                item = Some(put);
            }
            None if line == "request" => {
                let item = item.as_ref().context("no item was put")?;
                let asked = vault::request(mesh.node(ASKER)?, item, ASKED_WHY).await?;
                let answer = format!("{ASKED_WHY}\t{}\t{}\n", asked.request, asked.vote);
                answers.write_all(answer.as_bytes()).await?;
            }
            None => account.saw(line),
        }
    }
    let ended = browser.wait().await?;
    ensure!(
        faults.is_empty(),
        "the dashboard has faults:\n  {}",
        faults.join("\n  ")
    );
    ensure!(
        ended.success(),
        "the browser's driver ended with {ended}; what it said stands above"
    );
    Ok(())
}
