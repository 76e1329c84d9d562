//! A Tor network of its own on this machine's loopback: real relays of C-tor, real circuits and onion services, no internet.
//!
//! Three authorities and five relays, each on an address 127.N.0.1 of its own so that paths may lead over any of them, and a
//! bridge that the others do not list, if wanted. They agree on a directory within half a minute. Clients find the
//! network by a file that [`TorNetwork::description`] names, in arti's words; a client of bridges by [`TorNetwork::bridge`] as well.
//!
//! All relays are killed and their folder is removed when this is dropped. After a `kill -9` of this program they end by
//! themselves within 15 s; the folder stays. Several networks can run at a time.

mod keys;
mod torrc;

use std::{
    fs::{self, DirBuilder, File},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::sleep;

use crate::{
    ports,
    wait::{Look, until},
};
use keys::Keys;

/// Relays that vote on the directory: the fewest of which one may fail.
const AUTHORITIES: u8 = 3;
/// Other relays. With eight in all every path of an onion service finds relays that it does not use already.
const RELAYS: u8 = 5;
/// Time between the first votes, by try: long enough for all relays to be known to all authorities, on a busy machine
/// the longer ones. A directory that lacks some would stay for an hour, so all is started anew.
const FIRST_VOTES_EVERY_S: [u64; 4] = [12, 20, 30, 60];
/// Longest wait for a directory after the first vote.
const AGREED_AFTER_VOTE: Duration = Duration::from_secs(20);
/// Longest wait for the bridge, which takes the directory from the others.
const BRIDGE_PATIENCE: Duration = Duration::from_secs(60);
/// Below the network's folder, what is removed at the end.
const RELAYS_FOLDER: &str = "tor-relays";
/// Lines of a log that an error shows.
const LOG_LINES: usize = 6;

/// What a relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Authority,
    Relay,
    Exit,
    Bridge,
}

/// A relay, running or not.
struct Relay {
    role: Role,
    name: String,
    folder: PathBuf,
    /// Where other relays and clients reach it.
    address: SocketAddrV4,
    /// Where an authority takes votes and gives the directory.
    directory: SocketAddrV4,
}

/// A bridge, as its operator gives it away.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// The line.
    pub line: String,
    /// The address in it.
    pub address: SocketAddrV4,
}

/// The network; dropping it ends it.
pub struct TorNetwork {
    folder: PathBuf,
    relays: Vec<Relay>,
    children: Vec<(String, Child)>,
    bridge: Option<Bridge>,
}

impl TorNetwork {
    /// Starts a network with its files in a folder, which is made if it is not there, and waits until it can be used.
    ///
    /// # Errors
    ///
    /// Returns what is missing and how to install it, or which relay failed and the end of its log.
    pub async fn start(folder: &Path, with_bridge: bool) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let version = version()?;
        let below = folder.join(RELAYS_FOLDER);
        ensure!(
            !below.exists(),
            "a Tor network is running in {0}, or one was killed: if none runs, `rm -r {1}`",
            folder.display(),
            below.display()
        );
        let mut network = Self {
            folder,
            relays: relays(&below, with_bridge)?,
            children: Vec::new(),
            bridge: None,
        };
        let keys = keys::make(&network.relays).await?;
        let authorities = torrc::authorities(&network.relays, &keys);
        network.agree(&version, &authorities).await?;
        fs::write(
            network.description(),
            torrc::description(&network.relays, &keys),
        )?;
        network.open_bridge(&keys).await?;
        Ok(network)
    }

    /// Returns the file that tells clients of the network.
    pub fn description(&self) -> PathBuf {
        self.folder.join("arti-network.toml")
    }

    /// Returns the file with the line of the bridge; there is none if no bridge was wanted.
    pub fn bridges(&self) -> PathBuf {
        self.folder.join("bridges.txt")
    }

    /// Returns the bridge, if one was wanted.
    pub const fn bridge(&self) -> Option<&Bridge> {
        self.bridge.as_ref()
    }

    /// Counts the relays, bridges among them.
    pub const fn relays(&self) -> usize {
        self.relays.len()
    }

    /// Starts all relays until they have a directory that lists all of them.
    async fn agree(&mut self, version: &str, authorities: &str) -> Result<()> {
        let mut seen = Ok(());
        for every in FIRST_VOTES_EVERY_S.map(Duration::from_secs) {
            for relay in &self.relays {
                fs::write(relay.torrc(), torrc::of(relay, authorities, every))?;
                if relay.role == Role::Authority {
                    let shared = torrc::shared_random(version, &self.folder);
                    fs::write(relay.folder.join("sr-state"), shared)?;
                }
            }
            sleep(until_next_vote(every)?).await;
            self.start_all()?;
            seen = self.agreed(every).await;
            if seen.is_ok() || self.dead()?.is_some() {
                break;
            }
            self.kill();
            for relay in &self.relays {
                relay.forget()?;
            }
        }
        seen
    }

    fn start_all(&mut self) -> Result<()> {
        for relay in &self.relays {
            let child = Command::new("tor")
                .arg("-f")
                .arg(relay.torrc())
                .args(["--defaults-torrc", "/dev/null", "--quiet"])
                .stdin(Stdio::null())
                .stdout(File::create(relay.folder.join("out"))?)
                .stderr(Stdio::null())
                .spawn()
                .context("tor does not start")?;
            self.children.push((relay.name.clone(), child));
        }
        Ok(())
    }

    async fn agreed(&mut self, every: Duration) -> Result<()> {
        let listed = self
            .relays
            .iter()
            .filter(|relay| relay.role != Role::Bridge)
            .count();
        let directory = self
            .relays
            .first()
            .context("no relays")?
            .folder
            .join("cached-microdesc-consensus");
        let patience = every + AGREED_AFTER_VOTE;
        until("a directory of all relays of Tor", patience, async || {
            if let Some(dead) = self.dead()? {
                bail!("{dead}");
            }
            let text = fs::read_to_string(&directory).unwrap_or_default();
            let running = text
                .lines()
                .filter(|line| line.starts_with("s ") && line.contains(" Running"))
                .count();
            match running {
                _ if running == listed => Ok(Look::Holds(())),
                0 => Ok(Look::NotYet("none".to_owned())),
                // It would stay.
                _ => bail!("it lists {running} of {listed} relays: this machine is too busy"),
            }
        })
        .await
    }

    async fn open_bridge(&mut self, keys: &[Keys]) -> Result<()> {
        let Some((relay, keys)) = self
            .relays
            .iter()
            .zip(keys)
            .find(|(relay, _)| relay.role == Role::Bridge)
        else {
            return Ok(());
        };
        let bridge = Bridge {
            line: format!("Bridge {} {}", relay.address, keys.rsa),
            address: relay.address,
        };
        let log = relay.log();
        until(
            "the bridge of the Tor network",
            BRIDGE_PATIENCE,
            async || {
                if let Some(dead) = self.dead()? {
                    bail!("{dead}");
                }
                let text = fs::read_to_string(&log).unwrap_or_default();
                Ok(if text.contains("Bootstrapped 100%") {
                    Look::Holds(())
                } else {
                    Look::NotYet(last_lines(&text, 1))
                })
            },
        )
        .await?;
        fs::write(self.bridges(), format!("{}\n", bridge.line))?;
        self.bridge = Some(bridge);
        Ok(())
    }

    /// Says which relay has ended, if one has.
    fn dead(&mut self) -> Result<Option<String>> {
        for (name, child) in &mut self.children {
            if let Some(status) = child.try_wait()? {
                let relay = self.relays.iter().find(|relay| relay.name == *name);
                let log = relay.map(|relay| fs::read_to_string(relay.log()).unwrap_or_default());
                let log = last_lines(&log.unwrap_or_default(), LOG_LINES);
                return Ok(Some(format!(
                    "{name} of the Tor network ended with {status}; its log ends:\n{log}"
                )));
            }
        }
        Ok(None)
    }

    fn kill(&mut self) {
        for (_, child) in &mut self.children {
            // It may have ended by itself.
            child.kill().ok();
        }
        for (_, mut child) in self.children.drain(..) {
            child.wait().ok();
        }
    }
}

impl Drop for TorNetwork {
    fn drop(&mut self) {
        self.kill();
        fs::remove_dir_all(self.folder.join(RELAYS_FOLDER)).ok();
    }
}

impl Relay {
    fn torrc(&self) -> PathBuf {
        self.folder.join("torrc")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("notice.log")
    }

    /// Removes all but its keys and settings.
    fn forget(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_file() && !path.ends_with("torrc") {
                fs::remove_file(path)?;
            } else if path.ends_with("diff-cache") {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }
}

/// Finds addresses for all and makes their folders.
fn relays(below: &Path, with_bridge: bool) -> Result<Vec<Relay>> {
    let roles = (0..AUTHORITIES).map(|_| Role::Authority);
    let roles = roles
        .chain((1..RELAYS).map(|_| Role::Relay))
        .chain([Role::Exit]);
    let roles = roles.chain(with_bridge.then_some(Role::Bridge));
    let relays: Result<Vec<Relay>> = roles
        .zip(1..)
        .map(|(role, number)| relay(below, role, number))
        .collect();
    relays
}

fn relay(below: &Path, role: Role, number: u8) -> Result<Relay> {
    let ip = Ipv4Addr::new(127, number, 0, 1);
    let [address, directory] = ports::free_on(ip, 2)?[..] else {
        bail!("no ports on {ip}");
    };
    let name = match role {
        Role::Authority => format!("authority{number}"),
        Role::Relay | Role::Exit => format!("relay{number}"),
        Role::Bridge => format!("bridge{number}"),
    };
    let folder = below.join(&name);
    // Tor refuses folders that others can read.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder.join("keys"))
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(Relay {
        role,
        name,
        folder,
        address: SocketAddrV4::new(ip, address),
        directory: SocketAddrV4::new(ip, directory),
    })
}

/// Returns the version of the installed Tor.
fn version() -> Result<String> {
    const MISSING: &str = "tor is not installed: run `scripts/setup.sh test`, or `sudo apt-get install -y --no-install-recommends \
                           tor` and `sudo systemctl disable --now tor`, for its own daemon is not needed";
    for program in ["tor-gencert", "tor"] {
        let ran = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        let said = ran.context(MISSING)?.stdout;
        let said = String::from_utf8_lossy(&said);
        if let Some(version) = said
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("Tor version "))
        {
            let version = version.split_whitespace().next().unwrap_or_default();
            return Ok(version.trim_end_matches('.').to_owned());
        }
    }
    bail!(MISSING)
}

/// Returns the time until the next of the votes, which authorities hold at full multiples of their interval.
fn until_next_vote(every: Duration) -> Result<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let every = every.as_millis();
    // A fifth of a second after it, so that no clock is still before it.
    Ok(Duration::from_millis(u64::try_from(
        every - now % every + 200,
    )?))
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
