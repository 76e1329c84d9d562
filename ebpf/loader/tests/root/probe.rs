//! A helper with a cgroup, pins and a socket of its own, and guarded senders. Shared with the tests of the node, whose
//! programs stand in the same folder.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;
use x0_ebpf_loader::{Policy, client::Client, messages::Status, place::cgroup_mount};

/// The user nobody: no test needs a right.
pub(crate) const NOBODY: u32 = 65_534;

/// Another user without rights.
pub(crate) const STRANGER: u32 = 65_533;

const SENDER: &str = include_str!("sender.py");

pub(crate) struct Probe {
    dir: TempDir,
    pub(crate) cgroup: PathBuf,
    pub(crate) client: Client,
    helper: Child,
}

impl Probe {
    pub(crate) fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "run this as root: scripts/test.sh root"
        );
        let dir = open_dir();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let cgroup = cgroup_mount()
            .unwrap()
            .join(format!("x0-test-{}-{number}", std::process::id()));
        fs::write(dir.path().join("sender.py"), SENDER).unwrap();
        let client = Client::new(dir.path().join("socket"));
        let helper = run_helper(&dir, &cgroup);
        let probe = Self {
            dir,
            cgroup,
            client,
            helper,
        };
        probe.wait();
        probe
    }

    fn wait(&self) {
        for _ in 0..600 {
            if self.client.status().is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the helper does not answer: {:?}", self.client.status());
    }

    /// Ends the helper as nothing in it can prevent.
    pub(crate) fn kill(&mut self) {
        self.helper.kill().unwrap();
        self.helper.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.helper = run_helper(&self.dir, &self.cgroup);
        self.wait();
    }

    pub(crate) fn helper_id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.helper)
    }

    pub(crate) fn load(&self, policy: &str) {
        self.client
            .load(&Policy::from_json(policy.as_bytes()).unwrap())
            .unwrap();
    }

    pub(crate) fn status(&self) -> Status {
        self.client.status().unwrap()
    }

    pub(crate) fn program(&self) -> PathBuf {
        program()
    }

    /// A command that runs another one under the rules of a service, as nobody.
    pub(crate) fn guarded(&self, service: &str) -> Command {
        let mut command = Command::new(self.program());
        command.args(["guard", "--service", service, "--socket"]);
        command.arg(self.client.socket()).arg("--");
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/tmp")
            .stdin(Stdio::null());
        command
    }

    /// The guarded sender, about to make its tries.
    pub(crate) fn sender(
        &self,
        service: &str,
        tries: &str,
        options: &[(&str, &dyn ToString)],
    ) -> Command {
        let mut command = self.guarded(service);
        command
            .arg("python3")
            .arg(self.dir.path().join("sender.py"))
            .arg(tries);
        for (key, value) in options {
            command.arg(format!("{key}={}", value.to_string()));
        }
        command
    }
}

/// The program where an ordinary user can reach it, copied once: while it is written, nothing may be started.
fn program() -> PathBuf {
    static COPY: OnceLock<TempDir> = OnceLock::new();
    let dir = COPY.get_or_init(|| {
        let dir = open_dir();
        fs::copy(crate::helper(), dir.path().join("x0-probe")).unwrap();
        dir
    });
    dir.path().join("x0-probe")
}

fn open_dir() -> TempDir {
    let mut made = tempfile::Builder::new();
    made.permissions(Permissions::from_mode(0o755))
        .tempdir_in("/tmp")
        .unwrap()
}

fn run_helper(dir: &TempDir, cgroup: &Path) -> Child {
    let at = |name: &str| dir.path().join(name);
    let mut command = Command::new(program());
    command.args(["run", "--owner", &NOBODY.to_string()]);
    command
        .arg("--cgroup")
        .arg(cgroup)
        .arg("--pins")
        .arg(at("bpf/x0"));
    command
        .arg("--socket")
        .arg(at("socket"))
        .arg("--state")
        .arg(at("state"));
    // Programs built just now, to be judged by the same tests as those that are checked in.
    if let Some(programs) = std::env::var_os("X0_PROBE_PROGRAMS") {
        command.arg("--programs").arg(programs);
    }
    command.spawn().unwrap()
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.helper.kill().ok();
        self.helper.wait().ok();
        fs::write(self.cgroup.join("cgroup.kill"), "1").ok();
        rustix::mount::unmount(
            self.dir.path().join("bpf"),
            rustix::mount::UnmountFlags::DETACH,
        )
        .ok();
        for _ in 0..100 {
            for service in fs::read_dir(&self.cgroup).into_iter().flatten().flatten() {
                fs::remove_dir(service.path()).ok();
            }
            if fs::remove_dir(&self.cgroup).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads the sender's lines: what it tried, and what came of it.
pub(crate) fn results(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, result)| (name.to_owned(), result.to_owned()))
        .collect()
}

/// Reads one line of a process that goes on.
pub(crate) fn line_of(reader: &mut BufReader<impl Read>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Reads the rest of a process that has ended.
pub(crate) fn rest_of(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}
