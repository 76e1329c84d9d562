//! The keys that open shares, as files of their own beside the store.
//!
//! A store keeps what was deleted for a while, and copies of it are made; a file can be overwritten and removed. So the
//! sealed shares stand in the store, and what opens them stands here. Two kinds of keys:
//!
//! - the member's keys, `NNNN.key`: shares on their way here are sealed to the newest. The one before is kept as well.
//! - the key of each share, `NAME.share`: a share that has arrived is sealed anew, under a key of its own. When the share is
//!   dealt on, this file is overwritten and removed, and with it that share is gone and no other.
//!
//! Each is sealed for the node's identity. Where the identity is stored without a passphrase, whoever takes the disk has
//! both; `x0 guardian serve` says so. A file system or a disk that copies on write may keep what was overwritten.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use tracing::warn;
use x0_crypto::{
    Identity, seal_for,
    sublime::{HybridPublic, HybridSecret, seal_hybrid},
};
use x0_protocol::{
    core::secret::{SHARE_KEYS_KEPT, ShareKeys, kept_info, open_by_newest},
    sublime::shares::ShareKeyName,
};
use zeroize::Zeroizing;

use crate::identity::write_over;

const DIR: &str = "share-keys";
const INFO: &[u8] = b"x0/share-key-file/1";
const OF_MEMBER: &str = "key";
const OF_SHARE: &str = "share";

/// The keys of one data directory.
pub struct ShareKeyFiles {
    dir: PathBuf,
    identity: Arc<Identity>,
    /// The member's keys with their files, the newest last.
    keys: Vec<HybridSecret>,
    paths: Vec<PathBuf>,
}

impl ShareKeyFiles {
    /// Reads the member's keys that there are; one that does not open is reported and left alone.
    ///
    /// # Errors
    ///
    /// Returns what kept the directory from being read.
    pub fn open(data_dir: &Path, identity: Arc<Identity>) -> io::Result<Self> {
        let mut files = Self {
            dir: data_dir.join(DIR),
            identity,
            keys: Vec::new(),
            paths: Vec::new(),
        };
        for path in files.list(OF_MEMBER)? {
            match files.read(&path) {
                Some(key) => {
                    files.keys.push(key);
                    files.paths.push(path);
                }
                None => {
                    warn!(path = %path.display(), "a key for shares does not open: shares on their way to it are lost")
                }
            }
        }
        Ok(files)
    }

    fn list(&self, of: &str) -> io::Result<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> = match fs::read_dir(&self.dir) {
            Ok(entries) => entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<_>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        paths.retain(|path| path.extension().is_some_and(|ending| ending == of));
        paths.sort();
        Ok(paths)
    }

    fn read(&self, path: &Path) -> Option<HybridSecret> {
        let seed = self
            .identity
            .open_sealed(INFO, &fs::read(path).ok()?)
            .ok()?;
        let seed = seed.as_slice().try_into().ok()?;
        Some(HybridSecret::from_seed(Zeroizing::new(seed)))
    }

    /// Draws a key and has it on disk, in place of what the file held before.
    fn draw(&self, path: &Path) -> Result<HybridSecret, String> {
        let seed = random()?;
        fs::create_dir_all(&self.dir)
            .map_err(|error| format!("{}: {error}", self.dir.display()))?;
        let sealed = seal_for(&self.identity.public(), INFO, seed.as_slice(), &*random()?);
        let sealed = sealed.map_err(|error| error.to_string())?;
        write_over(path, &sealed).map_err(|error| error.to_string())?;
        Ok(HybridSecret::from_seed(seed))
    }

    fn path_of(&self, name: ShareKeyName) -> PathBuf {
        let name = HEXLOWER.encode(name.bytes());
        self.dir.join(format!("{name}.{OF_SHARE}"))
    }
}

fn random() -> Result<Zeroizing<[u8; 32]>, String> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut_slice()).map_err(|error| error.to_string())?;
    Ok(random)
}

/// Overwrites a file and removes it; a file that is not there is removed already.
fn shred(path: &Path) {
    let shredded = OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| {
            let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(0);
            file.write_all(&vec![0; bytes])?;
            file.sync_all()?;
            fs::remove_file(path)?;
            path.parent()
                .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        });
    match shredded {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            warn!(path = %path.display(), %error, "the key of a share that is not kept any more cannot be destroyed: remove the file")
        }
    }
}

impl ShareKeys for ShareKeyFiles {
    fn make(&mut self) -> Result<HybridPublic, String> {
        let taken = |number: &usize| self.dir.join(format!("{number:04}.{OF_MEMBER}")).exists();
        let newest = self
            .paths
            .last()
            .and_then(|path| path.file_stem()?.to_str());
        let after = newest.and_then(|name| name.parse::<usize>().ok());
        let mut numbers = after.map_or(0, |newest| newest + 1)..;
        let number = numbers.find(|number| !taken(number)).unwrap_or_default();
        let path = self.dir.join(format!("{number:04}.{OF_MEMBER}"));
        let secret = self.draw(&path)?;
        let public = secret.public();
        self.keys.push(secret);
        self.paths.push(path);
        while self.keys.len() > SHARE_KEYS_KEPT {
            self.keys.remove(0);
            shred(&self.paths.remove(0));
        }
        Ok(public)
    }

    fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_by_newest(&self.keys, info, sealed)
    }

    fn wrap(&mut self, name: ShareKeyName, secret: &[u8]) -> Result<Vec<u8>, String> {
        let key = self.draw(&self.path_of(name))?;
        let sealed = seal_hybrid(&key.public(), &kept_info(name), secret, &*random()?);
        sealed.map_err(|error| error.to_string())
    }

    fn unwrap(&self, name: ShareKeyName, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.read(&self.path_of(name))?;
        key.open(&kept_info(name), sealed).ok()
    }

    fn destroy(&mut self, names: &[ShareKeyName]) {
        for name in names {
            shred(&self.path_of(*name));
        }
    }

    fn retain(&mut self, names: &BTreeSet<ShareKeyName>) {
        let kept: BTreeSet<PathBuf> = names.iter().map(|name| self.path_of(*name)).collect();
        match self.list(OF_SHARE) {
            Ok(paths) => paths
                .iter()
                .filter(|path| !kept.contains(*path))
                .for_each(|path| shred(path)),
            Err(error) => {
                warn!(dir = %self.dir.display(), %error, "the keys of shares cannot be looked through")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use x0_crypto::{ContentId, sublime::ShareIndex};

    use super::*;

    fn identity(number: u8) -> Arc<Identity> {
        Arc::new(Identity::from_seed(Zeroizing::new([number; 32])))
    }

    fn name(number: u8) -> ShareKeyName {
        let item = identity(number).public();
        let index = ShareIndex::new(1).unwrap();
        ShareKeyName::of_share(&item, &ContentId::of(b"sharing"), index)
    }

    #[test]
    fn keys_come_back_after_a_restart_and_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        let (first, second) = (files.make().unwrap(), files.make().unwrap());
        assert_ne!(first, second);
        let sealed = seal_hybrid(&first, b"share", b"of somebody", &[9; 32]).unwrap();
        let kept = files.wrap(name(1), b"of somebody else").unwrap();
        drop(files);

        let again = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        assert_eq!(*again.open(b"share", &sealed).unwrap(), b"of somebody");
        assert!(again.open(b"other", &sealed).is_none());
        assert_eq!(*again.unwrap(name(1), &kept).unwrap(), b"of somebody else");
        assert!(again.unwrap(name(2), &kept).is_none());
        let thief = ShareKeyFiles::open(dir.path(), identity(2)).unwrap();
        assert!(thief.open(b"share", &sealed).is_none());
        assert!(thief.unwrap(name(1), &kept).is_none());
        for entry in fs::read_dir(dir.path().join(DIR)).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn the_two_newest_keys_of_a_member_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        let made: Vec<_> = (0..4).map(|_| files.make().unwrap()).collect();
        let again = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        let opens = made.iter().map(|key| {
            let sealed = seal_hybrid(key, b"share", b"of somebody", &[9; 32]).unwrap();
            again.open(b"share", &sealed).is_some()
        });
        assert_eq!(opens.collect::<Vec<_>>(), [false, false, true, true]);
    }

    #[test]
    fn a_destroyed_key_takes_one_share_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        let kept: Vec<_> = (1..4)
            .map(|number| files.wrap(name(number), &[number]).unwrap())
            .collect();
        files.destroy(&[name(1)]);
        files.retain(&[name(1), name(2)].into());
        let opens = (1..4).zip(&kept);
        let opens = opens.map(|(number, sealed)| files.unwrap(name(number), sealed).is_some());
        assert_eq!(opens.collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(fs::read_dir(dir.path().join(DIR)).unwrap().count(), 1);
    }
}
