//! Keys in files of their own, which only their owner can read.

use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

/// Longest key file, bytes: an Arweave wallet takes 3,200.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of a key that is written in hexadecimal digits.
const SEED_BYTES: usize = 32;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no file, or it cannot be read.
    #[error("cannot read the key in {path}: {cause}. Name another file in the settings")]
    File {
        /// Which file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Others can read it.
    #[error(
        "{path} can be read by others (mode {mode:o}): run `chmod 600` on it, and think about who may have read it"
    )]
    Open {
        /// Which file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key.
    #[error("{path} holds no key: {why}. It is to hold {wanted}")]
    NoKey {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
        /// What it is to hold.
        wanted: &'static str,
    },
    /// The signature could not be made.
    #[error("the key does not sign")]
    NotSigned,
}

impl KeyError {
    pub(crate) fn no_key(path: &Path, why: &'static str, wanted: &'static str) -> Self {
        let path = path.display().to_string();
        Self::NoKey { path, why, wanted }
    }
}

/// Reads a file that only its owner can read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let shown = || path.display().to_string();
    let failed = |cause| KeyError::File {
        path: shown(),
        cause,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = shown();
        return Err(KeyError::Open { path, mode });
    }
    // Reserved at once: growing would leave copies of the secret behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// Reads a key of 64 hexadecimal digits, with or without `0x` before them.
pub(crate) fn seed(text: &str) -> Result<Zeroizing<[u8; SEED_BYTES]>, &'static str> {
    let none = "it has not 64 hexadecimal digits";
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.len() != 2 * SEED_BYTES {
        return Err(none);
    }
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    HEXLOWER_PERMISSIVE
        .decode_mut(digits, seed.as_mut())
        .map_err(|_| none)?;
    Ok(seed)
}
