//! A node that an ordinary user runs, and programs of his.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    os::unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use x0_node::charter::SHIPPED;
use x0_protocol::charter::{Charter, CharterDraft, write};

use crate::probe::{NOBODY, Probe};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program where an ordinary user can reach it.
pub(crate) struct Programs {
    dir: TempDir,
}

impl Programs {
    pub(crate) fn copied() -> Self {
        let mut made = tempfile::Builder::new();
        let made = made.permissions(Permissions::from_mode(0o755));
        let programs = Self {
            dir: made.tempdir_in("/tmp").unwrap(),
        };
        fs::copy(env!("CARGO_BIN_EXE_x0"), programs.at("x0")).unwrap();
        programs
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The shipped charter with the gateway at a port that is free now.
pub(crate) fn charter(change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = SHIPPED.text().clone();
    let port = free_port();
    draft.gateway.port = port;
    draft.telemetry[0].port = port;
    change(&mut draft);
    Charter::new(draft).unwrap()
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

/// A node in a folder of its own, run by nobody; under guard if wanted.
pub(crate) struct Node<'a> {
    programs: &'a Programs,
    dir: PathBuf,
    socket: PathBuf,
    child: Option<Child>,
}

impl<'a> Node<'a> {
    /// Founds a mesh under a charter.
    pub(crate) fn found(programs: &'a Programs, probe: &Probe, charter: &Charter) -> Self {
        let dir = programs.at("node");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        let file = programs.at("charter.yaml");
        fs::write(&file, write(charter)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let node = Self {
            programs,
            dir,
            socket: probe.client.socket().to_owned(),
            child: None,
        };
        node.say(&[
            "genesis",
            "--name",
            "garden",
            "--charter",
            &file.display().to_string(),
        ]);
        node
    }

    /// Starts the node and waits until it says that it is up.
    pub(crate) fn run(&mut self, is_guarded: bool, settings: &[&str]) {
        let mut command = match is_guarded {
            true => guarded(self.programs, &self.socket, "node"),
            false => Command::new("env"),
        };
        command.arg(self.programs.at("x0"));
        command.arg("--json").arg("--data-dir").arg(&self.dir);
        command.args([
            "run",
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
            "--http",
            "off",
            "--set",
        ]);
        command.arg(format!("charter.probe_socket={}", self.socket.display()));
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.uid(NOBODY).gid(NOBODY).current_dir("/tmp");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let log = fs::File::create(self.programs.at("log")).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().and_then(Result::ok).unwrap_or_default();
        self.child = Some(child);
        assert!(ready.contains("\"ready\":true"), "{ready}\n{}", self.log());
        // Whatever else it says must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.programs.at("log")).unwrap_or_default()
    }

    /// Runs a command of `x0` that must end well, and returns what it answers.
    pub(crate) fn say(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(self.programs.at("x0"));
        command
            .arg("--json")
            .arg("--data-dir")
            .arg(&self.dir)
            .args(arguments);
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/tmp")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let fault = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{fault}\n{}",
            self.log()
        );
        serde_json::from_str(text.trim()).unwrap_or(Value::Null)
    }

    /// Waits until a page of the dashboard says something, and returns it.
    pub(crate) fn wait_for_page(&self, path: &str, words: &str) -> String {
        let began = Instant::now();
        loop {
            let page = self.page(path);
            if page.contains(words) {
                return page;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{words}: {page}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns a page of the dashboard, as the node's own user sees it.
    fn page(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(self.dir.join("x0.sock")).unwrap();
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept-Language: en\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.0 200"), "{text}\n{}", self.log());
        text
    }

    /// Waits until the gateway's status is as wanted.
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.say(&["charter", "gateway", "status"]);
            if holds(&status) {
                return status;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: {status:#}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a program under the rules of a service, as a person would.
    pub(crate) fn guarded(&self, service: &str) -> Command {
        guarded(self.programs, &self.socket, service)
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn guarded(programs: &Programs, socket: &Path, service: &str) -> Command {
    let mut command = Command::new(programs.at("x0"));
    command.args(["charter", "guard", "--service", service, "--socket"]);
    command.arg(socket).arg("--");
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/tmp")
        .stdin(Stdio::null());
    command
}
