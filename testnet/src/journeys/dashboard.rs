//! The dashboard in a real browser: every page, on a desktop and a phone, in both languages, by keyboard, live.
//!
//! `browser/look.py` is the user at the browser and says what it sees; this is the node's side of the story.
//! With `X0_TESTNET_PICTURES` naming a folder, each page is left there as a picture.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};
use x0_node::api::view::DashboardLinkView;

use super::mass_action;
use crate::{account::Account, mesh::Mesh, node::Node};

const LOOK: &str = include_str!("../../browser/look.py");
/// Names a folder for pictures of the pages.
const PICTURES_VARIABLE: &str = "X0_TESTNET_PICTURES";
/// What the token is for that is granted while the page is open.
const GRANTED: &str = "testnet.seen_live";
/// What the act that a person co-signs in the browser sets.
const VALUE: u64 = 903;
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
