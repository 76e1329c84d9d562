//! The keys that shares for this node's member are sealed to, as files of their own beside the store.
//!
//! A store keeps what was deleted for a while, and copies of it are made; a file can be overwritten and removed. So the
//! sealed shares stand in the store, and what opens them stands here: destroying a key destroys every share sealed to it.
//! Each key is sealed for the node's identity. Where the identity is stored without a passphrase, whoever takes the disk has
//! both; `x0 guardian serve` says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::warn;
use x0_crypto::{
    Identity, seal_for,
    sublime::{HybridPublic, HybridSecret},
};
use x0_protocol::core::secret::{ShareKeys, open_by_newest};
use zeroize::Zeroizing;

use crate::identity::write_private;

const DIR: &str = "share-keys";
const INFO: &[u8] = b"x0/share-key-file/1";

/// The keys of one data directory.
pub struct ShareKeyFiles {
    dir: PathBuf,
    identity: Arc<Identity>,
    keys: Vec<HybridSecret>,
}

impl ShareKeyFiles {
    /// Reads the keys that there are; one that does not open is reported and left alone.
    ///
    /// # Errors
    ///
    /// Returns what kept the directory from being read.
    pub fn open(data_dir: &Path, identity: Arc<Identity>) -> io::Result<Self> {
        let dir = data_dir.join(DIR);
        let mut paths: Vec<PathBuf> = match fs::read_dir(&dir) {
            Ok(entries) => entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<_>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "key"));
        paths.sort();
        let mut keys = Vec::new();
        for path in paths {
            let opened = identity.open_sealed(INFO, &fs::read(&path)?).ok();
            let seed = opened.and_then(|seed| seed.as_slice().try_into().ok());
            match seed {
                Some(seed) => keys.push(HybridSecret::from_seed(Zeroizing::new(seed))),
                None => {
                    warn!(path = %path.display(), "a key for shares does not open: the shares sealed to it are lost")
                }
            }
        }
        Ok(Self {
            dir,
            identity,
            keys,
        })
    }

    fn keep(&self, seed: &[u8; 32]) -> Result<(), String> {
        fs::create_dir_all(&self.dir)
            .map_err(|error| format!("{}: {error}", self.dir.display()))?;
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut_slice()).map_err(|error| error.to_string())?;
        let sealed = seal_for(&self.identity.public(), INFO, seed, &random);
        let sealed = sealed.map_err(|error| error.to_string())?;
        let taken = |number: &usize| self.dir.join(format!("{number:04}.key")).exists();
        let number = (self.keys.len()..).find(|number| !taken(number));
        let path = self
            .dir
            .join(format!("{:04}.key", number.unwrap_or_default()));
        write_private(&path, &sealed).map_err(|error| error.to_string())
    }
}

impl ShareKeys for ShareKeyFiles {
    fn make(&mut self) -> Result<HybridPublic, String> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| error.to_string())?;
        self.keep(&seed)?;
        let secret = HybridSecret::from_seed(seed);
        let public = secret.public();
        self.keys.push(secret);
        Ok(public)
    }

    fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_by_newest(&self.keys, info, sealed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use x0_crypto::sublime::seal_hybrid;

    use super::*;

    fn identity(number: u8) -> Arc<Identity> {
        Arc::new(Identity::from_seed(Zeroizing::new([number; 32])))
    }

    #[test]
    fn keys_come_back_after_a_restart_and_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        let (first, second) = (files.make().unwrap(), files.make().unwrap());
        assert_ne!(first, second);
        let sealed = seal_hybrid(&first, b"share", b"of somebody", &[9; 32]).unwrap();
        drop(files);

        let again = ShareKeyFiles::open(dir.path(), identity(1)).unwrap();
        assert_eq!(*again.open(b"share", &sealed).unwrap(), b"of somebody");
        assert!(again.open(b"other", &sealed).is_none());
        let thief = ShareKeyFiles::open(dir.path(), identity(2)).unwrap();
        assert!(thief.open(b"share", &sealed).is_none());
        for entry in fs::read_dir(dir.path().join(DIR)).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
