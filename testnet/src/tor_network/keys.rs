//! The keys of relays, made by Tor's own programs.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use data_encoding::BASE64_NOPAD;
use tokio::{io::AsyncWriteExt as _, process::Command, task::JoinSet};

use super::{Relay, Role, last_lines, torrc};

/// What others know a relay by.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The fingerprint of its RSA key, in hexadecimal digits.
    pub(super) rsa: String,
    /// Its Ed25519 key, in base 64.
    pub(super) ed25519: String,
    /// The fingerprint that an authority's votes are known by.
    pub(super) votes: Option<String>,
}

/// Where an Ed25519 public key begins in Tor's file of it, after a tag, and how long it is, in bytes.
const ED25519_AT: std::ops::Range<usize> = 32..64;

/// Makes the keys of all relays, in their order.
pub(super) async fn make(relays: &[Relay]) -> Result<Vec<Keys>> {
    let mut making = JoinSet::new();
    for (index, relay) in relays.iter().enumerate() {
        let (folder, address) = (relay.folder.clone(), relay.directory.to_string());
        let authority = relay.role == Role::Authority;
        fs::write(relay.torrc(), torrc::without_network(relay))?;
        making.spawn(async move {
            if authority {
                certify(&folder, &address).await?;
            }
            list_fingerprint(&folder).await?;
            read(&folder, authority).map(|keys| (index, keys))
        });
    }
    let mut made = Vec::new();
    while let Some(keys) = making.join_next().await {
        made.push(keys??);
    }
    made.sort_by_key(|(index, _)| *index);
    Ok(made.into_iter().map(|(_, keys)| keys).collect())
}

async fn certify(folder: &Path, address: &str) -> Result<()> {
    let keys = folder.join("keys");
    let mut command = Command::new("tor-gencert");
    command
        .args([
            "--create-identity-key",
            "--passphrase-fd",
            "0",
            "-m",
            "12",
            "-a",
            address,
        ])
        .arg("-i")
        .arg(keys.join("authority_identity_key"))
        .arg("-s")
        .arg(keys.join("authority_signing_key"))
        .arg("-c")
        .arg(keys.join("authority_certificate"));
    // The passphrase of keys that live for a test.
    run(command, b"x\n").await
}

async fn list_fingerprint(folder: &Path) -> Result<()> {
    let mut command = Command::new("tor");
    command.arg("-f").arg(folder.join("torrc")).args([
        "--quiet",
        "--defaults-torrc",
        "/dev/null",
        "--list-fingerprint",
    ]);
    run(command, b"").await
}

async fn run(mut command: Command, input: &[u8]) -> Result<()> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program} does not start"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).await?;
    }
    let ended = child.wait_with_output().await?;
    let said = [ended.stdout, ended.stderr].concat();
    let said = last_lines(&String::from_utf8_lossy(&said), 3);
    ensure!(ended.status.success(), "{program} makes no keys: {said}");
    Ok(())
}

fn read(folder: &Path, authority: bool) -> Result<Keys> {
    let text = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("tor wrote no {name}"))
    };
    let fingerprint = text("fingerprint")?;
    let rsa = fingerprint
        .split_whitespace()
        .nth(1)
        .context("a fingerprint without a name")?;
    let public = fs::read(folder.join("keys/ed25519_master_id_public_key"))?;
    let public = public.get(ED25519_AT).context("a short Ed25519 key")?;
    let votes = if authority {
        let certificate = text("keys/authority_certificate")?;
        let line = certificate
            .lines()
            .find_map(|line| line.strip_prefix("fingerprint "));
        Some(
            line.context("a certificate without a fingerprint")?
                .to_owned(),
        )
    } else {
        None
    };
    Ok(Keys {
        rsa: rsa.to_owned(),
        ed25519: BASE64_NOPAD.encode(public),
        votes,
    })
}
