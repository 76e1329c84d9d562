//! Running a program under the charter.
//!
//! The calling process itself becomes the program, so that signals, exit code, terminal and descriptors are the program's own:
//!
//! 1. It gives up, for good, all ways to more rights, and all kinds of sockets the charter does not judge.
//! 2. It asks the helper, which looks at it and moves it into the cgroup of the service.
//! 3. It becomes the program. There is no moment in which the program runs and is not guarded.
//!
//! The filter of system calls is a second fence, for families of sockets that have no hook; the promise about names and
//! destinations rests on the programs in the kernel alone.

use std::{
    collections::BTreeMap,
    env::consts::ARCH,
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt as _,
    process::Command,
};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use crate::{client::Client, error::ProbeError, place};

/// Families of sockets a guarded program may have: unix(7), ip(7), ipv6(7), netlink(7). The resolver needs the last.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Calls that reach into other processes, or make sockets past the filter.
const REFUSED: [libc::c_long; 4] = [
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_io_uring_setup,
];

/// Brings this process under the rules of a service and becomes the command. Returns only if that did not work out.
///
/// The process must have one thread.
pub fn exec(client: &Client, service: &str, command: &OsStr, args: &[OsString]) -> ProbeError {
    if let Err(error) = fence() {
        return error;
    }
    if let Err(error) = client.guard(service) {
        return error;
    }
    let cause = Command::new(command).args(args).exec();
    ProbeError::Exec {
        command: command.to_string_lossy().into_owned(),
        cause,
    }
}

/// Returns the service under whose rules this process runs, if it is guarded.
pub fn own_service() -> Option<String> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (_, service) = path.split_once(&format!("/{}/", place::CGROUP))?;
    Some(service.to_owned())
}

fn fence() -> Result<(), ProbeError> {
    let refused = |detail: String| ProbeError::Kernel {
        what: "the filter of system calls".to_owned(),
        detail,
    };
    let filter = filter().map_err(|cause| refused(cause.to_string()))?;
    apply_filter(&filter).map_err(|cause| refused(cause.to_string()))
}

fn filter() -> Result<BpfProgram, BackendError> {
    let is_not = |family: &i32| {
        let family = u64::from(family.unsigned_abs());
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
    };
    let others = FAMILIES.iter().map(is_not).collect::<Result<Vec<_>, _>>()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.map(|call| (call, Vec::new())).into();
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![SeccompRule::new(others.clone())?]);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        TargetArch::try_from(ARCH)?,
    )?;
    filter.try_into()
}
