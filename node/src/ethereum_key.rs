//! An Ethereum key in a file of its own: it signs messages to Snapshot, acts of a charter contract and transactions.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Signature};
use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

/// The mode of the file: the owner's alone.
const MODE: u32 = 0o600;
/// The mode of its folder, if that is made: as that of the data directory.
const DIR_MODE: u32 = 0o700;
/// Longest file read, bytes: 64 digits, `0x` and white space.
const FILE_BYTES_MAX: u64 = 256;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no file, or it cannot be read.
    #[error("cannot use the key in {}: {cause}. Make one with `x0 snapshot new-key` or `x0 chain new-key`, or name the file with --key", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write a key to {}: {cause}. Name another file with --key", path.display())]
    NotWritten {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Others can read it.
    #[error("{} can be read by others (mode {mode:o}): run `chmod 600` on it, and think about who may have read it", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key.
    #[error("{} holds no key: it is to be 64 hexadecimal digits", path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{} exists already and is left as it is: a key that is lost cannot be had again", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("no random numbers: {0}")]
    NoRandomness(#[from] getrandom::Error),
    /// The signature could not be made.
    #[error("the message could not be signed with this key")]
    NotSigned,
}

/// A key for signing. Wiped when dropped.
pub struct EthereumKey(SigningKey);

impl EthereumKey {
    /// Reads the key from a file of 64 hexadecimal digits that only its owner can read.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::File {
            path: path.to_owned(),
            cause,
        };
        let file = fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(KeyError::Open { path, mode });
        }
        // Reserved at once: growing would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        let none = || KeyError::NoKey {
            path: path.to_owned(),
        };
        let mut secret = Zeroizing::new([0; 32]);
        alloy_primitives::hex::decode_to_slice(text.trim(), secret.as_mut()).map_err(|_| none())?;
        SigningKey::from_slice(secret.as_slice())
            .map(Self)
            .map_err(|_| none())
    }

    /// Makes a key and writes it to a file that does not exist yet, in a folder that may not exist either.
    ///
    /// # Errors
    ///
    /// Returns that the file exists or cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        let key = loop {
            getrandom::fill(secret.as_mut())?;
            // Not every number is a key; all but one in 2^128 are.
            if let Ok(key) = SigningKey::from_slice(secret.as_slice()) {
                break Self(key);
            }
        };
        let failed = |cause: std::io::Error| {
            let path = path.to_owned();
            match cause.kind() == std::io::ErrorKind::AlreadyExists {
                true => KeyError::Exists { path },
                false => KeyError::NotWritten { path, cause },
            }
        };
        if let Some(dir) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(DIR_MODE)
                .create(dir)
                .map_err(failed)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(path)
            .map_err(failed)?;
        let digits = Zeroizing::new(alloy_primitives::hex::encode(secret.as_slice()));
        file.write_all(digits.as_bytes()).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(key)
    }

    /// Returns the address that the key signs for.
    pub fn address(&self) -> Address {
        Address::from_private_key(&self.0)
    }

    /// Signs a hash.
    ///
    /// # Errors
    ///
    /// Returns that the signature could not be made.
    pub fn sign(&self, hash: &B256) -> Result<Signature, KeyError> {
        self.0
            .sign_prehash_recoverable(hash.as_slice())
            .map(Signature::from)
            .map_err(|_| KeyError::NotSigned)
    }
}
