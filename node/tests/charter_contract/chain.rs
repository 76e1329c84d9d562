//! A chain of our own, on a free port of the loopback, ended with the test.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use x0_node::{
    chain::{account::Limits, rpc::Rpc},
    ethereum_key::EthereumKey,
    web::Web,
};

/// Anvil's chain.
pub(super) const CHAIN_ID: u64 = 31_337;
/// A deadline that no test reaches: the year 2100.
pub(super) const FAR: u64 = 4_102_444_800;
/// What tests may spend of anvil's coin.
pub(super) const LIMITS: Limits = Limits {
    gas: None,
    fee_gwei_max: 100,
};
/// The key of anvil's first account, which is rich, and known to everybody.
pub(super) const RICH: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// The key of its second.
pub(super) const RICH_TOO: &str =
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// A running chain.
pub(super) struct Anvil {
    child: Child,
    pub(super) url: String,
}

impl Anvil {
    pub(super) fn start() -> Self {
        let program = program();
        let mut child = Command::new(&program)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| {
                panic!(
                    "{} does not start ({cause}); run: scripts/setup.sh test",
                    program.display()
                )
            });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let place = lines.find_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("Listening on ").map(str::to_owned)
        });
        let url = format!("http://{}", place.expect("anvil says where it listens"));
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    pub(super) fn rpc<'a>(&self, web: &'a Web) -> Rpc<'a> {
        Rpc::new(web, &self.url).unwrap()
    }

    /// Asks it for something that our client does not.
    pub(super) async fn ask(&self, method: &str, parameters: Value) -> Value {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = reqwest::Client::new()
            .post(&self.url)
            .json(&question)
            .send()
            .await
            .unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> PathBuf {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join(format!(
        "contracts/node_modules/@foundry-rs/anvil-linux-{architecture}/bin/anvil"
    ))
}

/// Returns the key that pays.
pub(super) fn payer() -> EthereumKey {
    open(RICH)
}

/// Returns a key that is always the same for a number.
pub(super) fn key(number: u8) -> EthereumKey {
    open(&digits(number))
}

pub(super) fn digits(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

/// Returns the keys of the committee.
pub(super) fn members() -> Vec<EthereumKey> {
    (1..=5).map(key).collect()
}

pub(super) fn open(digits: &str) -> EthereumKey {
    let dir = tempfile::tempdir().unwrap();
    EthereumKey::open(&write_key(dir.path(), "key", digits)).unwrap()
}

/// Writes a key into a file that only its owner can read.
pub(super) fn write_key(dir: &Path, name: &str, digits: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, digits).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
