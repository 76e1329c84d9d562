//! What keeps a device's memory and files from telling: no core dumps, pages locked, files in memory only.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statfs,
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
};

use crate::cli::error::CliError;

/// Kinds of file systems that are in memory (`linux/magic.h`: TMPFS_MAGIC, RAMFS_MAGIC).
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// Keeps this process from being dumped or traced, and its pages out of swap; returns what was not granted, in words.
pub(super) fn harden() -> Vec<String> {
    let mut not = Vec::new();
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(cause) = setrlimit(Resource::Core, none) {
        not.push(format!("core dumps are not switched off ({cause})"));
    }
    if let Err(cause) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        not.push(format!(
            "other programs of this user may read this one's memory ({cause})"
        ));
    }
    if let Err(cause) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)
        && has_swap()
    {
        not.push(format!(
            "pages could not be locked ({cause}), and this machine swaps: what is opened may be left on its disk. Switch swap off \
             first (`swapoff -a` as root), or raise the limit of locked memory"
        ));
    }
    not
}

fn has_swap() -> bool {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    swaps.lines().skip(1).any(|line| !line.trim().is_empty())
}

/// Tells whether what is written in a folder stays in memory.
pub(super) fn is_in_memory(dir: &Path) -> io::Result<bool> {
    let kind = statfs(dir)?.f_type;
    // The kernel's numbers have 32 bits, whatever the field has.
    Ok(IN_MEMORY.iter().any(|known| i64::from(*known) == kind))
}

/// A folder in memory that is removed, with all in it, when this is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one, below the first of the usual places that is in memory, or the one that is named.
    pub(super) fn make(named: Option<&Path>) -> Result<Self, CliError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let usual = runtime
            .into_iter()
            .chain(["/dev/shm".into(), "/run/shm".into()]);
        let mut places: Vec<PathBuf> =
            named.map_or_else(|| usual.collect(), |dir| vec![dir.into()]);
        places.retain(|dir| is_in_memory(dir).unwrap_or(false));
        for place in places {
            let dir = place.join(format!(".x0-{}", std::process::id()));
            if fs::DirBuilder::new().mode(0o700).create(&dir).is_ok() {
                return Ok(Self(dir));
            }
        }
        Err(CliError::Failed(match named {
            Some(dir) => format!(
                "{} is not in memory, so what is kept there would stay on a disk: name a folder of a tmpfs, such as /dev/shm",
                dir.display()
            ),
            None => "this machine has no folder in memory that you may write to: mount a tmpfs and name it by --state".to_owned(),
        }))
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_in_memory_goes_with_all_in_it() {
        let folder = Folder::make(Some(Path::new("/dev/shm"))).unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("key"), b"secret").unwrap();
        assert!(is_in_memory(&path).unwrap());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_on_a_disk_is_refused() {
        assert!(!is_in_memory(Path::new("/proc")).unwrap());
        let refused = Folder::make(Some(Path::new("/proc")))
            .map(drop)
            .unwrap_err();
        assert!(refused.to_string().contains("/dev/shm"));
    }
}
