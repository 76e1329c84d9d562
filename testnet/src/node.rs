//! One real `x0` process: started, asked by its own API, stopped, killed.
//!
//! A node keeps its data directory over restarts; what it logs goes to `log` in there. Errors name that file
//! and show its end.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use x0_crypto::{PublicKey, capability::RootKey};
use x0_node::{
    api::{
        capabilities::GrantBody,
        capability_view::GrantedView,
        invites::InviteBody,
        view::{InviteView, LinkView, RecordView, StatusView},
    },
    cli::{client::Client, error::CliError},
    identity,
};

use crate::{
    measure::{self, Ran},
    programs::Programs,
    relay::{Half, Register},
};

/// Longest wait until a node is up; joining alone may take 45 s.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait until a node has stopped by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// Lines of a log that an error shows.
const LOG_LINES: usize = 12;
/// Calls a second that a node takes: stories ask for thousands of records, one by one.
const CALLS_PER_SECOND: &str = "api.rate_per_second=10000";
/// Nodes of one machine leave the gateway's address, and the kernel's helper, to the node of its user.
const APART: [&str; 3] = [
    "gateway.listen=off",
    "charter.probe=manual",
    "sublime.listen=/ip4/127.0.0.1/tcp/0",
];

/// Where a node is and how it is reached.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name in accounts.
    pub name: String,
    /// Its data directory.
    pub dir: PathBuf,
    /// The address it listens on.
    pub listen: String,
    /// The address by which others know it.
    pub external: String,
    /// The half it belongs to when the mesh is cut.
    pub half: Half,
    /// Settings that it is run with beside the usual ones, as `KEY=VALUE`.
    pub settings: Vec<String>,
}

/// What a node says of itself once it is up.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Its peer id.
    pub peer: String,
    /// The mesh.
    pub mesh: String,
}

/// How a program ended that was meant to end.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub status: ExitStatus,
    /// All it said, results and notes.
    pub said: String,
}

/// How a mesh is founded.
#[derive(Clone, Copy, Debug)]
pub struct Founding<'a> {
    /// The mesh's name.
    pub name: &'a str,
    /// The words of the other founders.
    pub others: &'a [String],
    /// How many seconds of mesh time pass in one.
    pub time_scale: u32,
    /// The file of its charter; none for the one that ships.
    pub charter: Option<&'a str>,
}

/// A node, running or not.
pub struct Node {
    place: Place,
    programs: Programs,
    client: Client,
    child: Option<Child>,
    ready: Option<Ready>,
}

impl Node {
    /// Makes the node's data directory; nothing runs yet.
    ///
    /// # Errors
    ///
    /// Returns that the directory cannot be made.
    pub fn new(place: Place, programs: Programs) -> Result<Self> {
        fs::create_dir_all(&place.dir)
            .with_context(|| format!("cannot make {}", place.dir.display()))?;
        let client = Client::new(place.dir.join("x0.sock"), None);
        Ok(Self {
            place,
            programs,
            client,
            child: None,
            ready: None,
        })
    }

    /// Returns the node's name in accounts.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Returns the node's data directory.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// Adds a setting, which counts from the next start on.
    pub fn set(&mut self, setting: String) {
        self.place.settings.push(setting);
    }

    /// Returns the half the node belongs to.
    pub const fn half(&self) -> Half {
        self.place.half
    }

    /// Returns the process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Tells whether the process runs.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Returns the node's peer id.
    ///
    /// # Errors
    ///
    /// Returns that it was never up.
    pub fn key(&self) -> Result<PublicKey> {
        Ok(self.said()?.peer.parse()?)
    }

    /// Returns the mesh's id.
    ///
    /// # Errors
    ///
    /// As for [`Node::key`].
    pub fn mesh(&self) -> Result<String> {
        Ok(self.said()?.mesh.clone())
    }

    /// Returns the root under which the node grants capabilities.
    ///
    /// # Errors
    ///
    /// Returns that its key cannot be read.
    pub fn root(&self) -> Result<RootKey> {
        Ok(identity::load(&self.place.dir, None)?
            .capability_root()
            .public())
    }

    /// Returns the address by which others know the node, with its peer id.
    ///
    /// # Errors
    ///
    /// As for [`Node::key`].
    pub fn address(&self) -> Result<String> {
        Ok(format!("{}/p2p/{}", self.place.external, self.said()?.peer))
    }

    fn said(&self) -> Result<&Ready> {
        self.ready
            .as_ref()
            .ok_or_else(|| anyhow!("{} was never up", self.place.name))
    }

    /// Runs a command of `x0` that ends by itself, in this node's data directory.
    ///
    /// # Errors
    ///
    /// Returns that it cannot be started or does not end.
    pub async fn run_to_end(&self, arguments: &[&str]) -> Result<Ended> {
        self.run_with(arguments, &[]).await
    }

    /// As [`Node::run_to_end`], with variables of the environment that name files.
    ///
    /// # Errors
    ///
    /// As for [`Node::run_to_end`].
    pub async fn run_with(&self, arguments: &[&str], files: &[(&str, &Path)]) -> Result<Ended> {
        let mut command = self.command();
        command
            .args(arguments)
            .envs(files.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let said = format!(
            "`x0 {}` on {}",
            arguments.first().unwrap_or(&""),
            self.place.name
        );
        let output = timeout(START_PATIENCE, command.output())
            .await
            .map_err(|_| anyhow!("{said} does not end within {} s", START_PATIENCE.as_secs()))?
            .with_context(|| format!("cannot run {}", self.programs.x0.display()))?;
        Ok(Ended {
            status: output.status,
            said: measure::said(&output),
        })
    }

    /// Runs a command that ends by itself and must end well, and measures it.
    ///
    /// # Errors
    ///
    /// Returns what it said if it ended otherwise.
    pub async fn run_measured(&self, arguments: &[&str]) -> Result<Ran> {
        let ran = measure::run(self.command().args(arguments)).await?;
        if !ran.output.status.success() {
            let said = measure::said(&ran.output);
            bail!("`x0 {}` failed:\n{said}", arguments.join(" "));
        }
        Ok(ran)
    }

    /// Makes an identity and returns the word by which others name the node as a founder.
    ///
    /// # Errors
    ///
    /// Returns what the program said instead.
    pub async fn founder_word(&self) -> Result<String> {
        self.run_well(&["init"]).await?;
        self.run_well(&["identity", "founder"]).await
    }

    /// Runs a command that ends by itself and must end well; returns what it said.
    ///
    /// # Errors
    ///
    /// Returns what it said if it ended otherwise.
    pub async fn run_well(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.run_to_end(arguments).await?;
        if !ended.status.success() {
            bail!(
                "`x0 {}` failed ({}):\n{}",
                arguments.join(" "),
                ended.status,
                ended.said
            );
        }
        Ok(ended.said)
    }

    /// Founds a mesh with other founders, named by their words, and runs.
    ///
    /// # Errors
    ///
    /// Returns what the node said instead of coming up.
    pub async fn found(&mut self, founding: Founding<'_>, register: &Register) -> Result<()> {
        let Founding {
            name,
            others,
            time_scale,
            charter,
        } = founding;
        let mut arguments = vec!["genesis", "--name", name];
        if let Some(charter) = charter {
            arguments.extend(["--charter", charter]);
        }
        for word in others {
            arguments.extend(["--founder", word]);
        }
        if !others.is_empty() {
            arguments.extend(["--test-member-age", "1s"]);
        }
        let scale = time_scale.to_string();
        if time_scale != 1 {
            arguments.extend(["--test-time-scale", &scale]);
        }
        self.run_well(&arguments).await?;
        self.run(register).await
    }

    /// Joins by an invite and runs.
    ///
    /// # Errors
    ///
    /// As for [`Node::found`].
    pub async fn join(&mut self, invite: &str, register: &Register) -> Result<()> {
        self.start(&["join", invite], register).await
    }

    /// Runs with what is in the data directory.
    ///
    /// # Errors
    ///
    /// As for [`Node::found`].
    pub async fn run(&mut self, register: &Register) -> Result<()> {
        self.start(&["run"], register).await
    }

    async fn start(&mut self, first: &[&str], register: &Register) -> Result<()> {
        let mut command = self.command();
        command.arg("--json").args(first);
        command.args([
            "--listen",
            &self.place.listen,
            "--external",
            &self.place.external,
        ]);
        command.args(["--http", "127.0.0.1:0", "--set", CALLS_PER_SECOND]);
        let settings = APART.into_iter();
        for setting in settings.chain(self.place.settings.iter().map(String::as_str)) {
            command.args(["--set", setting]);
        }
        command.stdout(Stdio::piped()).stderr(self.log()?);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", self.programs.x0.display()))?;
        if let Some(pid) = child.id() {
            register.place(pid, self.place.half);
        }
        let Some(stdout) = child.stdout.take() else {
            bail!("{} has no output to read", self.place.name);
        };
        self.child = Some(child);
        let mut lines = BufReader::new(stdout).lines();
        let ready = timeout(START_PATIENCE, first_word(&mut lines))
            .await
            .unwrap_or_else(|_| Err(anyhow!("not up within {} s", START_PATIENCE.as_secs())));
        match ready {
            Ok(ready) => self.ready = Some(ready),
            Err(error) => {
                self.kill().await.ok();
                return Err(self.at_fault(error));
            }
        }
        // Whatever else it says must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(())
    }

    /// Prepares a command of `x0` in this node's data directory, for whoever wants to end it early.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.args(arguments);
        command
    }

    fn command(&self) -> Command {
        let mut command = match &self.programs.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command
                    .args(["--pdeathsig", "KILL", "--"])
                    .arg(&self.programs.x0);
                command
            }
            None => Command::new(&self.programs.x0),
        };
        for (variable, _) in std::env::vars_os() {
            // Settings meant for the user's own node.
            if variable.to_string_lossy().starts_with("X0_") {
                command.env_remove(&variable);
            }
        }
        command.arg("--data-dir").arg(&self.place.dir);
        // In a group of its own, so that Ctrl-C reaches this program alone, which then stops the nodes.
        command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .process_group(0);
        command
    }

    fn log_path(&self) -> PathBuf {
        self.place.dir.join("log")
    }

    fn log(&self) -> Result<File> {
        let path = self.log_path();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds to an error whose fault it is and what the node logged last.
    fn at_fault(&self, error: anyhow::Error) -> anyhow::Error {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(LOG_LINES)..)
            .unwrap_or_default()
            .join("\n");
        error.context(format!(
            "{}; end of its log {}:\n{end}\n",
            self.place.name,
            self.log_path().display()
        ))
    }

    /// Stops the node cleanly and waits for its end.
    ///
    /// # Errors
    ///
    /// Returns that it did not end by itself, or not well.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        signal(&child, Signal::TERM)?;
        match timeout(STOP_PATIENCE, child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(ExitStatus::success) => Ok(()),
            Ok(status) => {
                Err(self.at_fault(anyhow!("ended with {:?} when asked to stop", status?)))
            }
            Err(_) => {
                child.kill().await.ok();
                let secs = STOP_PATIENCE.as_secs();
                Err(self.at_fault(anyhow!("did not stop within {secs} s and was killed")))
            }
        }
    }

    /// Kills the process as a crash would (SIGKILL) and waits for its end.
    ///
    /// # Errors
    ///
    /// Returns that the system does not let it.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child
                .kill()
                .await
                .with_context(|| format!("cannot kill {}", self.place.name))?;
        }
        Ok(())
    }

    /// Begins to kill the process, without waiting.
    pub(crate) fn start_kill(&mut self) {
        if let Some(child) = self.child.as_mut() {
            child.start_kill().ok();
        }
    }

    /// Tells whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Returns the way to the node's API.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Reads something from the node's API.
    ///
    /// # Errors
    ///
    /// Returns what the node said instead.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.client
            .get(path)
            .await
            .map_err(|error| self.at_fault(error.into()))
    }

    /// Asks the node's API for a text.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn text(&self, path: &str) -> Result<String> {
        let bytes = self.client.download(path).await;
        let bytes = bytes.map_err(|error| self.at_fault(error.into()))?;
        Ok(String::from_utf8(bytes.to_vec())?)
    }

    /// Asks the node by its API to do something.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.client
            .post(path, body)
            .await
            .map_err(|error| self.at_fault(error.into()))
    }

    /// Asks the node how it is.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn status(&self) -> Result<StatusView> {
        self.get("/v1/status").await
    }

    /// Asks the node for its links.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn links(&self) -> Result<Vec<LinkView>> {
        self.get("/v1/links").await
    }

    /// Makes an invite that names this node by the address at which others know it.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn invite(&self) -> Result<InviteView> {
        let is_behind_door = self.place.listen != self.place.external;
        // Left to itself, a node would name its own port and not the door.
        self.invite_at(if is_behind_door {
            vec![self.address()?]
        } else {
            Vec::new()
        })
        .await
    }

    /// Makes an invite that names the addresses given, or the node's own choice if there are none.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn invite_at(&self, addresses: Vec<String>) -> Result<InviteView> {
        self.post(
            "/v1/invites",
            &InviteBody {
                life_secs: None,
                addresses,
            },
        )
        .await
    }

    /// Grants a capability to a member, or to the node itself.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn grant(
        &self,
        holder: Option<PublicKey>,
        action: &str,
        caveats: &[String],
    ) -> Result<GrantedView> {
        let body = grant_body(holder, action, caveats)?;
        self.post("/v1/capabilities/grant", &body).await
    }

    /// Writes a record of no consequence, a token for nothing, and returns its id once it is acknowledged.
    ///
    /// # Errors
    ///
    /// Returns the refusal, or that no answer came: then nothing was acknowledged.
    pub async fn write(client: &Client) -> Result<String> {
        let body = grant_body(None, "testnet.note", &["affects_nodes_le=0".to_owned()])?;
        let granted: GrantedView = client.post("/v1/capabilities/grant", &body).await?;
        granted
            .published
            .context("the node granted a token and published nothing")
    }

    /// Tells whether the node knows a record.
    ///
    /// # Errors
    ///
    /// As for [`Node::get`].
    pub async fn knows(&self, record: &str) -> Result<bool> {
        match self
            .client
            .get::<RecordView>(&format!("/v1/records/{record}"))
            .await
        {
            Ok(_) => Ok(true),
            Err(CliError::Refused(error)) if error.code == "not_found" => Ok(false),
            Err(error) => Err(self.at_fault(error.into())),
        }
    }

    /// Returns the memory the process holds, in bytes (proc(5), resident set).
    pub fn memory_bytes(&self) -> Option<u64> {
        measure::status_bytes(self.pid()?, "VmRSS:")
    }
}

fn grant_body(holder: Option<PublicKey>, action: &str, caveats: &[String]) -> Result<GrantBody> {
    Ok(GrantBody {
        holder,
        actions: vec![action.parse()?],
        caveats: caveats.to_vec(),
        publish: true,
    })
}

/// Reads until the node says that it is up.
async fn first_word(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Ready> {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if value.get("ready") == Some(&true.into()) {
            return serde_json::from_value(value)
                .with_context(|| format!("not understood: {line}"));
        }
        said = line;
    }
    bail!("ended before it was up, and said {said:?}")
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = child
        .id()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        kill_process(pid, signal).context("cannot signal the node")?;
    }
    Ok(())
}
