//! What can stand in the way, by what whoever reads it can do about it.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::policy::PolicyFaults;

/// What holds although the kernel does not enforce anything.
const WITHOUT: &str = "Nothing is enforced in the kernel; the node goes on and checks in user space what it sends itself.";

/// Why the probe does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The right to load programs is missing.
    #[error(
        "loading the charter into the kernel takes root (or the capabilities CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and \
         CAP_SYS_ADMIN). {WITHOUT} What to do: start the helper as root, with `systemctl start x0-probe` or \
         `sudo x0-probe run`"
    )]
    NoPrivilege,
    /// There is no second version of cgroups.
    #[error(
        "this machine has no cgroup file system of version 2. {WITHOUT} What to do: \
         `mount -t cgroup2 none /sys/fs/cgroup/unified` as root, or start the machine with \
         systemd.unified_cgroup_hierarchy=1"
    )]
    NoCgroup2,
    /// The cgroup named is the root of all.
    #[error("{} is the root of all cgroups: the whole machine would be guarded. Name one below it", cgroup.display())]
    RootCgroup {
        /// The cgroup named.
        cgroup: PathBuf,
    },
    /// The kernel has no such hook, or it is switched off.
    #[error(
        "this kernel does not take the program for '{hook}' ({detail}). {WITHOUT} What to do: use Linux 6.10 or newer, \
         built with CONFIG_CGROUP_BPF=y and CONFIG_BPF_SYSCALL=y"
    )]
    NoHook {
        /// The hook.
        hook: String,
        /// What the kernel said.
        detail: String,
    },
    /// The kernel refused something else.
    #[error("the kernel did not take {what}: {detail}. {WITHOUT}")]
    Kernel {
        /// What it did not take.
        what: String,
        /// What it said.
        detail: String,
    },
    /// The object with the programs is not the one this build expects.
    #[error("{detail}; build the node and its programs from one source (scripts/ebpf.sh)")]
    Programs {
        /// What does not fit.
        detail: String,
    },
    /// A file or directory could not be used.
    #[error("cannot {verb} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The policy will not do.
    #[error(transparent)]
    Policy(#[from] PolicyFaults),
    /// No helper answers.
    #[error(
        "the charter's probe does not answer on {} ({cause}). {WITHOUT} What to do: start it as root, with \
         `systemctl start x0-probe` or `sudo x0-probe run`", socket.display()
    )]
    NotRunning {
        /// Where it would answer.
        socket: PathBuf,
        /// Why it does not.
        cause: io::Error,
    },
    /// The helper says no.
    #[error("{message}{}", mend_text(mend))]
    Refused {
        /// A word for programs.
        code: String,
        /// What happened.
        message: String,
        /// What to do; empty where there is nothing.
        mend: String,
    },
    /// The helper's answer makes no sense.
    #[error(
        "the charter's probe did not answer as expected ({detail}): restart it if it is of another version"
    )]
    BadAnswer {
        /// What is odd.
        detail: String,
    },
    /// The command could not be started.
    #[error("cannot run {command}: {cause}")]
    Exec {
        /// The command.
        command: String,
        /// Why not.
        cause: io::Error,
    },
}

fn mend_text(mend: &str) -> String {
    match mend.is_empty() {
        true => String::new(),
        false => format!(". What to do: {mend}"),
    }
}

impl ProbeError {
    pub(crate) fn io(verb: &'static str, path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { verb, path, cause }
    }

    /// Makes a refusal of a request.
    pub(crate) fn refused(code: &str, message: impl Into<String>, mend: &str) -> Self {
        Self::Refused {
            code: code.to_owned(),
            message: message.into(),
            mend: mend.to_owned(),
        }
    }

    /// Returns the word by which programs know the error.
    pub fn code(&self) -> &str {
        match self {
            Self::NoPrivilege => "no_privilege",
            Self::NoCgroup2 => "no_cgroup2",
            Self::RootCgroup { .. } => "root_cgroup",
            Self::NoHook { .. } => "no_hook",
            Self::Kernel { .. } => "kernel",
            Self::Programs { .. } => "programs",
            Self::Io { .. } => "io",
            Self::Policy(_) => "policy",
            Self::NotRunning { .. } => "probe_not_running",
            Self::Refused { code, .. } => code,
            Self::BadAnswer { .. } => "bad_answer",
            Self::Exec { .. } => "exec",
        }
    }

    /// Returns what happened, without what to do.
    pub(crate) fn message(&self) -> String {
        if let Self::Refused { message, .. } = self {
            return message.clone();
        }
        self.to_string()
    }

    /// Returns what to do, where the helper said it.
    pub fn mend(&self) -> &str {
        let Self::Refused { mend, .. } = self else {
            return "";
        };
        mend
    }

    /// Makes the error of a hook that did not take its program.
    pub(crate) fn hook(hook: &str, cause: &(dyn Error + 'static)) -> Self {
        match errno(cause) {
            Some(Errno::PERM | Errno::ACCESS) if !is_verdict(cause) => Self::NoPrivilege,
            _ => Self::NoHook {
                hook: hook.to_owned(),
                detail: chain(cause),
            },
        }
    }

    /// Makes the error of what else the kernel refused.
    pub(crate) fn of_kernel(what: &str, cause: &(dyn Error + 'static)) -> Self {
        match errno(cause) {
            Some(Errno::PERM) => Self::NoPrivilege,
            _ => Self::Kernel {
                what: what.to_owned(),
                detail: chain(cause),
            },
        }
    }

    pub(crate) fn of_mount(dir: &Path, cause: io::Error) -> Self {
        if cause.kind() == io::ErrorKind::PermissionDenied {
            return Self::NoPrivilege;
        }
        Self::io("mount the BPF file system on", dir, cause)
    }
}

/// Finds the system's error number, which says more reliably than any text what was wrong.
fn errno(cause: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(cause);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Errno::from_io_error(io);
        }
        next = error.source();
    }
    None
}

/// Tells whether the verifier looked at the program: it says EACCES too where a program is not to its liking.
fn is_verdict(cause: &(dyn Error + 'static)) -> bool {
    chain(cause).contains("processed ")
}

fn chain(cause: &(dyn Error + 'static)) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}
