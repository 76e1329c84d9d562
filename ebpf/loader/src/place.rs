//! Where the probe stands on this machine: its cgroup, its pins, its socket, its saved policy.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use crate::error::ProbeError;

/// Name of the cgroup under which all guarded processes run.
pub(crate) const CGROUP: &str = "x0-charter";

/// The magic number of a BPF file system (Linux, include/uapi/linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Where things stand.
#[derive(Clone, Debug)]
pub struct Places {
    /// The cgroup that the programs are attached to.
    pub cgroup: PathBuf,
    /// The directory of pins, on a BPF file system.
    pub pins: PathBuf,
    /// The socket that the helper answers on.
    pub socket: PathBuf,
    /// The directory of the saved policy.
    pub state: PathBuf,
}

impl Places {
    /// Returns the usual places.
    ///
    /// # Errors
    ///
    /// Returns that this machine has no cgroup of the second version.
    pub fn usual() -> Result<Self, ProbeError> {
        Ok(Self {
            cgroup: cgroup_mount()?.join(CGROUP),
            pins: PathBuf::from("/sys/fs/bpf/x0"),
            socket: socket(),
            state: PathBuf::from("/var/lib/x0-probe"),
        })
    }

    /// Returns the file of the saved policy.
    pub fn saved_policy(&self) -> PathBuf {
        self.state.join("policy.json")
    }
}

/// Returns the usual place of the socket.
pub fn socket() -> PathBuf {
    PathBuf::from("/run/x0-probe/probe.sock")
}

/// Finds where cgroups of the second version are mounted.
///
/// # Errors
///
/// Returns that they are nowhere.
pub fn cgroup_mount() -> Result<PathBuf, ProbeError> {
    let mounts = Path::new("/proc/self/mounts");
    let text = fs::read_to_string(mounts).map_err(|cause| ProbeError::io("read", mounts, cause))?;
    mounted(&text).ok_or(ProbeError::NoCgroup2)
}

fn mounted(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, dir, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(dir.replace("\\040", " ")))
    })
}

/// Makes the cgroup and the directories, and mounts the BPF file system where it is missing.
pub(crate) fn prepare(places: &Places) -> Result<(), ProbeError> {
    make(&places.cgroup, 0o755)?;
    if !places.cgroup.join("cgroup.procs").exists() {
        return Err(ProbeError::NoCgroup2);
    }
    // The root of all cgroups would take the whole machine with it.
    if !places.cgroup.join("cgroup.type").exists() {
        return Err(ProbeError::RootCgroup {
            cgroup: places.cgroup.clone(),
        });
    }
    let parent = places.pins.parent().unwrap_or(Path::new("/"));
    if !is_bpf(parent) {
        make(parent, 0o755)?;
        mount(
            "bpf",
            parent,
            "bpf",
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            None,
        )
        .map_err(|cause| ProbeError::of_mount(parent, cause.into()))?;
    }
    make(&places.pins, 0o700)?;
    make(&places.state, 0o700)
}

fn is_bpf(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|found| found.f_type == BPF_FS_MAGIC)
}

fn make(dir: &Path, mode: u32) -> Result<(), ProbeError> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(dir);
    made.map_err(|cause| {
        if cause.kind() == ErrorKind::PermissionDenied {
            return ProbeError::NoPrivilege;
        }
        ProbeError::io("make", dir, cause)
    })
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ProbeError> {
    let fresh = path.with_extension("new");
    let written = (|| -> io::Result<()> {
        fs::write(&fresh, bytes)?;
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, path)
    })();
    written.map_err(|cause| ProbeError::io("write", path, cause))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_second_version_of_cgroups_is_found_wherever_it_is_mounted() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";

        assert_eq!(
            mounted(mounts).unwrap(),
            Path::new("/sys/fs/cgroup/unified")
        );
        assert_eq!(mounted("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n"), None);
    }
}
