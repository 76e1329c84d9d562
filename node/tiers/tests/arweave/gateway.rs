//! A gateway of Arweave and a bundler on the loopback, ended with the test.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use cid::Cid;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use x0_tiers::{ArweaveKey, ArweaveSettings, ArweaveTier, Writing};

/// More than any block costs with arlocal.
pub(super) const PRICE_MAX: u128 = 1_000_000_000_000;

/// arlocal, and the bundler before it.
pub(super) struct Arlocal {
    child: Child,
    dir: TempDir,
    places: Places,
}

#[derive(Deserialize)]
struct Places {
    gateway: String,
    bundler: String,
}

/// An item as the client of others sees it.
#[derive(Deserialize)]
pub(super) struct SeenItem {
    pub(super) tags: Vec<Value>,
    pub(super) owner: Owner,
    /// In hexadecimal digits.
    pub(super) data: String,
}

#[derive(Deserialize)]
pub(super) struct Owner {
    pub(super) address: String,
}

/// What arbundles makes of an item.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked {
    pub(super) is_valid: bool,
    pub(super) id: String,
    pub(super) tags: Vec<Value>,
    pub(super) kind: u16,
    pub(super) data: String,
}

impl Arlocal {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = script("gateway.mjs")
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| {
                panic!("node does not start ({cause}); run: scripts/setup.sh test")
            });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let places = serde_json::from_str(&line).expect(
            "the gateway says where it listens; if it does not start, run: scripts/setup.sh test",
        );
        Self { child, dir, places }
    }

    pub(super) fn gateway(&self) -> &str {
        &self.places.gateway
    }

    pub(super) fn bundler(&self) -> &str {
        &self.places.bundler
    }

    /// Opens a wallet that it made: `rich.json` has AR, `poor.json` has none.
    pub(super) fn wallet(&self, name: &str) -> ArweaveKey {
        ArweaveKey::open(&self.dir.path().join(name)).unwrap()
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sets up a tier on it.
    pub(super) fn tier(&self, writing: Writing) -> ArweaveTier {
        ArweaveTier::new(settings(self.gateway(), writing)).unwrap()
    }

    pub(super) fn bundled(&self, key: ArweaveKey) -> ArweaveTier {
        let url = self.bundler().to_owned();
        self.tier(Writing::Bundler { url, key })
    }

    /// Reads the items with a content id as the client of others does.
    pub(super) fn seen(&self, cid: &Cid) -> Vec<SeenItem> {
        let output = script("client.mjs")
            .args([self.gateway(), &cid.to_string()])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Has arbundles check an item.
    pub(super) fn check(&self, item: &[u8]) -> Checked {
        let mut child = script("client.mjs")
            .args([self.gateway(), "--check"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(item).unwrap();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Arlocal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(super) fn settings(gateway: &str, writing: Writing) -> ArweaveSettings {
    ArweaveSettings {
        gateway: gateway.to_owned(),
        index: None,
        owners: Vec::new(),
        proxy: None,
        writing,
    }
}

/// Prepares one of the programs in `node/tiers/arweave`, on the packages in the target folder.
fn script(name: &str) -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("arweave");
    let packages = packages();
    let same = |at: &Path| std::fs::read(at).ok();
    assert!(
        same(&packages.join("installed.json")) == same(&own.join("package-lock.json")),
        "arlocal is not installed in {}, or not this version; run: scripts/setup.sh test",
        packages.display()
    );
    let mut command = Command::new("node");
    command
        .arg(own.join(name))
        .env("X0_ARWEAVE_PACKAGES", packages);
    command
}

fn packages() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("arweave")
}
