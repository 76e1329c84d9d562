//! A gateway of Arweave (arlocal) and a bundler before it, on the loopback; both end when this is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// The program, as the tests of the tier have it.
const SCRIPT: &str = include_str!("../../node/tiers/arweave/gateway.mjs");
/// Longest wait until it listens: the first time it makes keys of 4096 bits.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The gateway and its bundler.
pub struct Arlocal {
    child: Child,
    dir: PathBuf,
    places: Places,
}

#[derive(Deserialize)]
struct Places {
    gateway: String,
    bundler: String,
}

impl Arlocal {
    /// Starts both, with their files in a folder.
    ///
    /// # Errors
    ///
    /// Returns what is missing, and how to install it.
    pub async fn start(dir: &Path, packages: &Path) -> Result<Self> {
        ensure!(
            packages.join("installed.json").is_file(),
            "arlocal is not in {}: run scripts/setup.sh test",
            packages.display()
        );
        fs::create_dir_all(dir)?;
        let script = dir.join("gateway.mjs");
        fs::write(&script, SCRIPT)?;
        let mut child = Command::new("node")
            .arg(&script)
            .arg(dir)
            .env("X0_ARWEAVE_PACKAGES", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.join("log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("node does not start: run scripts/setup.sh test")?;
        let stdout = child.stdout.take().context("the gateway has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START_PATIENCE, lines.next_line())
            .await
            .context("the gateway does not say where it listens")??;
        let line = line.context("the gateway ended at once: run scripts/setup.sh test")?;
        Ok(Self {
            child,
            dir: dir.to_owned(),
            places: serde_json::from_str(&line)?,
        })
    }

    /// Returns the settings of a node that reads here.
    pub fn reading(&self) -> Vec<String> {
        vec![format!("sublime.arweave.gateway={}", self.places.gateway)]
    }

    /// Returns the settings of a node that also stores here.
    pub fn storing(&self) -> Vec<String> {
        let wallet = self.dir.join("rich.json");
        let mut settings = self.reading();
        settings.push(format!("sublime.arweave.key_file={}", wallet.display()));
        settings.push(format!("sublime.arweave.bundler={}", self.places.bundler));
        settings
    }

    /// Ends both.
    ///
    /// # Errors
    ///
    /// Returns that the system does not let it.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
