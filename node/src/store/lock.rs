//! The lock that lets one process at a time use a data directory.
//!
//! It is an advisory lock of the operating system on `store.lock`, so it ends with the process however that
//! ends. The file holds the number of the process, for the message to the second one.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use super::StoreError;

const FILE: &str = "store.lock";

/// Holds a data directory until dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "holding the file holds the lock")] File);

impl Lock {
    /// Takes the lock of a data directory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(data_dir, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(data_dir.join(FILE))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                return Err(StoreError::InUse {
                    path: data_dir.to_owned(),
                    process: read.ok().and_then(|_| text.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // A full disk must not keep a node from starting: the number only serves a message.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}
