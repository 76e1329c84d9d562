//! Who asks the helper, as the kernel says it: never as the asker does.
//!
//! Before a process comes under guard it must be an ordinary one that cannot become another: no capability, no way to gain
//! any, one thread, its filter of system calls in place. After it has moved, it must hold no socket from
//! before: the kernel would go on judging that one by where it was made.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use rustix::{fs::getxattr, net::sockopt::socket_peercred};

use crate::error::ProbeError;

/// Mode 2 of `Seccomp:` in `/proc/PID/status`: a filter is in place (proc(5)).
const SECCOMP_FILTER: &str = "2";

/// What else lets packets out, or holds sockets where `/proc` does not show them.
const WAYS_OUT: [&str; 3] = ["anon_inode:[io_uring]", "/dev/net/tun", "/dev/vhost-net"];

/// A process at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

impl Visitor {
    /// Returns who connected.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let who = socket_peercred(stream)?;
        Ok(Self {
            pid: who.pid.as_raw_nonzero().get(),
            uid: who.uid.as_raw(),
        })
    }

    /// Returns why the process may not come under guard, if so.
    pub(crate) fn check_ordinary(self, guarded: &Path) -> Result<(), ProbeError> {
        let status = self.read("status")?;
        if let Some(fault) = not_ordinary(&status, self.uid) {
            return Err(refuse(
                "not_ordinary",
                fault,
                "start it by `x0 charter guard` as an ordinary user",
            ));
        }
        match self.guarded_as(guarded)? {
            Some(_) => Err(refuse(
                "guarded_already",
                "a guarded process cannot change the rules it is under",
                "start the command from outside the guard",
            )),
            None => Ok(()),
        }
    }

    /// Returns the service under whose rules the process runs, if it is guarded; empty where that cannot be told.
    pub(crate) fn guarded_as(self, guarded: &Path) -> Result<Option<String>, ProbeError> {
        Ok(service_in(&self.read("cgroup")?, guarded))
    }

    /// Returns which open descriptor would lead round the guard, if there is one.
    pub(crate) fn check_descriptors(self) -> Result<(), ProbeError> {
        let dir = self.dir().join("fd");
        let entries = fs::read_dir(&dir).map_err(|cause| ProbeError::io("read", &dir, cause))?;
        for entry in entries {
            let entry = entry.map_err(|cause| ProbeError::io("read", &dir, cause))?;
            let target = match fs::read_link(entry.path()) {
                Ok(target) => target,
                // Closed meanwhile.
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                Err(cause) => return Err(ProbeError::io("read", &entry.path(), cause)),
            };
            let target = target.to_string_lossy();
            if is_way_out(&target, || is_unix(&entry.path())) {
                let number = entry.file_name();
                let number = number.to_string_lossy();
                return Err(refuse(
                    "open_socket",
                    format!(
                        "descriptor {number} is {target}, which was opened before the guard and would escape it"
                    ),
                    "close it first; standard input, output and error may be files, pipes, terminals and unix sockets",
                ));
            }
        }
        Ok(())
    }

    fn dir(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    fn read(self, name: &str) -> Result<String, ProbeError> {
        let path = self.dir().join(name);
        fs::read_to_string(&path).map_err(|cause| ProbeError::io("read", &path, cause))
    }
}

fn refuse(code: &str, message: impl Into<String>, mend: &str) -> ProbeError {
    ProbeError::refused(code, message, mend)
}

fn not_ordinary(status: &str, uid: u32) -> Option<String> {
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    };
    if uid == 0 {
        return Some("root cannot be guarded: it can take every guard away".to_owned());
    }
    let own = uid.to_string();
    if field("Uid").split_whitespace().count() != 4
        || field("Uid").split_whitespace().any(|id| id != own)
    {
        return Some("the process can become another user".to_owned());
    }
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        if field(set).is_empty() || field(set).bytes().any(|digit| digit != b'0') {
            return Some(format!(
                "the process has capabilities ({set} {})",
                field(set)
            ));
        }
    }
    if field("NoNewPrivs") != "1" || field("Seccomp") != SECCOMP_FILTER {
        return Some(
            "the process has not given up its ways to more rights and other sockets".to_owned(),
        );
    }
    if field("Threads") != "1" {
        return Some(format!(
            "the process has {} threads, each with its own view",
            field("Threads")
        ));
    }
    None
}

/// Finds the service in `/proc/PID/cgroup`: the part of the path behind the guarded cgroup. What cannot be read counts
/// as guarded by no service known.
fn service_in(cgroups: &str, guarded: &Path) -> Option<String> {
    let unified = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
    let (Some(path), Some(name)) = (unified, guarded.file_name()) else {
        return Some(String::new());
    };
    let mut parts = path.split('/').skip_while(|part| *part != name);
    parts.next()?;
    Some(parts.next().unwrap_or_default().to_owned())
}

/// Tells whether an open descriptor is a socket other than a unix one, or another way out.
fn is_way_out(target: &str, is_unix: impl FnOnce() -> bool) -> bool {
    WAYS_OUT.contains(&target) || (target.starts_with("socket:") && !is_unix())
}

/// Tells whether an open socket is a unix one, by the name that the kernel keeps with it; the list in `/proc/net/unix`
/// leaves some out while others come and go.
fn is_unix(descriptor: &Path) -> bool {
    let mut name = [0; 32];
    let read = getxattr(descriptor, "system.sockprotoname", &mut name);
    read.is_ok() && name.starts_with(b"UNIX")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::fd::AsRawFd as _;

    use super::*;

    const ORDINARY: &str = "Name:\tx0\nUid:\t1000\t1000\t1000\t1000\nThreads:\t1\nCapInh:\t0000000000000000\n\
        CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\n";

    #[test]
    fn an_ordinary_process_is_let_in_and_any_other_is_not() {
        assert_eq!(not_ordinary(ORDINARY, 1_000), None);
        for (part, other) in [
            ("Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000\t1000\t0\t1000"),
            ("CapEff:\t0000000000000000", "CapEff:\t0000000000002000"),
            ("CapAmb:\t0000000000000000\n", ""),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
            ("Threads:\t1", "Threads:\t2"),
        ] {
            assert!(
                not_ordinary(&ORDINARY.replace(part, other), 1_000).is_some(),
                "{other:?}"
            );
        }
        assert!(not_ordinary(ORDINARY, 1_001).is_some());
        assert!(not_ordinary(&ORDINARY.replace("1000", "0"), 0).is_some());
    }

    #[test]
    fn only_unix_sockets_may_have_been_open_before() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let internet = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let is_unix = |fd: i32| is_unix(&PathBuf::from(format!("/proc/self/fd/{fd}")));

        assert!(is_unix(stream.as_raw_fd()));
        assert!(!is_unix(internet.as_raw_fd()));
        assert!(is_way_out("socket:[2424]", || false));
        assert!(!is_way_out("socket:[2424]", || true));
        assert!(is_way_out("anon_inode:[io_uring]", || true));
        assert!(!is_way_out("pipe:[5]", || false));
        assert!(!is_way_out("/dev/pts/0", || false));
    }

    #[test]
    fn a_guarded_process_is_known_by_its_cgroup() {
        let guarded = Path::new("/sys/fs/cgroup/x0-charter");

        let service = |text| service_in(text, guarded);

        assert_eq!(
            service("0::/x0-charter/exporter\n").as_deref(),
            Some("exporter")
        );
        assert_eq!(
            service("1:cpu:/\n0::/a/x0-charter/node/b\n").as_deref(),
            Some("node")
        );
        assert_eq!(service("1:cpu:/\n0::/x0-charter\n").as_deref(), Some(""));
        assert_eq!(
            service("1:cpu:/x0-charter/exporter\n0::/user.slice\n"),
            None
        );
        assert_eq!(
            service("1:cpu:/\n").as_deref(),
            Some(""),
            "what cannot be read is guarded"
        );
    }
}
