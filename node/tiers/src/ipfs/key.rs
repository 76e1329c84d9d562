//! The key of the IPFS node: its own, so that its peer id says nothing about the mesh's.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use libp2p::identity::Keypair;
use zeroize::Zeroizing;

const FILE: &str = "ipfs.key";
const STAGED: &str = "ipfs.key.new";
/// Read and write for the owner, nothing for anybody else.
const MODE: u32 = 0o600;
/// An Ed25519 seed.
const BYTES: usize = 32;

/// Says why the key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:o}); run `chmod 600 {}`, or remove it to get another peer id in IPFS", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} holds no key of {BYTES} bytes; remove it to get another peer id in IPFS", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness for a key: {0}")]
    NoRandomness(getrandom::Error),
}

/// Reads the key of a directory, or makes one. It is written whole or not at all.
pub(super) fn read_or_make(dir: &Path) -> Result<Keypair, KeyError> {
    let path = dir.join(FILE);
    match read(&path) {
        Err(KeyError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => (),
        read => return read,
    }
    let mut seed = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *seed).map_err(KeyError::NoRandomness)?;
    write(dir, &path, &*seed).map_err(|error| KeyError::File {
        path: path.clone(),
        error,
    })?;
    from_seed(seed, &path)
}

fn read(path: &Path) -> Result<Keypair, KeyError> {
    let file = |error| KeyError::File {
        path: path.to_owned(),
        error,
    };
    let mut opened = fs::File::open(path).map_err(file)?;
    let mode = opened.metadata().map_err(file)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut seed = Zeroizing::new([0; BYTES]);
    let no_key = |_| KeyError::NoKey {
        path: path.to_owned(),
    };
    opened.read_exact(&mut *seed).map_err(no_key)?;
    if opened.read(&mut [0]).map_err(file)? != 0 {
        return Err(KeyError::NoKey {
            path: path.to_owned(),
        });
    }
    from_seed(seed, path)
}

fn write(dir: &Path, path: &Path, seed: &[u8]) -> io::Result<()> {
    let staged = dir.join(STAGED);
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&staged)?;
    file.write_all(seed)?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    fs::File::open(dir)?.sync_all()
}

fn from_seed(mut seed: Zeroizing<[u8; BYTES]>, path: &Path) -> Result<Keypair, KeyError> {
    Keypair::ed25519_from_bytes(&mut *seed).map_err(|_| KeyError::NoKey {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = read_or_make(dir.path()).unwrap().public();
        let path = dir.path().join(FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
        assert_eq!(read_or_make(dir.path()).unwrap().public(), made);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_or_make(dir.path()),
            Err(KeyError::Exposed { mode: 0o640, .. })
        ));
    }

    #[test]
    fn what_is_no_key_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for length in [0, BYTES - 1, BYTES + 1] {
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
            assert!(
                matches!(read_or_make(dir.path()), Err(KeyError::NoKey { .. })),
                "{length}"
            );
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
