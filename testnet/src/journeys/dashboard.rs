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

use crate::{account::Account, mesh::Mesh};

const LOOK: &str = include_str!("../../browser/look.py");
/// Names a folder for pictures of the pages.
const PICTURES_VARIABLE: &str = "X0_TESTNET_PICTURES";
/// What the token is for that is granted while the page is open.
const GRANTED: &str = "testnet.seen_live";
/// Longest time without a word from the browser.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    mesh.settled().await?;
    account.step(
        "a browser opens the one-time link of the founder's node and looks at every page",
        "a mesh that people cannot see into is one they cannot watch over",
    );
    let link: DashboardLinkView = mesh
        .founder()
        .post("/v1/dashboard-link", &serde_json::json!({}))
        .await?;
    look(mesh, account, &link.url).await
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
