//! Where a store stands in its data directory, and how a whole store takes the place of another.
//!
//! A store is made or migrated under another name and takes its place by renaming, so that whatever stands
//! under `store` is complete. [`settle`] finishes or undoes what a crash left half done.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use x0_crypto::PublicKey;

use super::{StoreError, lock::Lock};

/// The store in use.
const STORE: &str = "store";
/// A store being made.
const MAKING: &str = "store.new";
/// A migrated copy: incomplete while `store` exists beside it.
const MIGRATING: &str = "store.migrating";
/// What stood under `store` before a migration, kept until the migrated one has been opened.
const BEFORE: &str = "store.before-migration";

/// Tells whether a data directory holds a store.
pub fn exists(data_dir: &Path) -> bool {
    path(data_dir).exists() || data_dir.join(BEFORE).exists()
}

/// Checks that a data directory holds no store yet.
///
/// # Errors
/// [`StoreError::Exists`].
pub fn expect_none(data_dir: &Path) -> Result<(), StoreError> {
    if !exists(data_dir) {
        return Ok(());
    }
    Err(StoreError::Exists {
        path: data_dir.to_owned(),
    })
}

/// Moves a store out of the way, for a node that goes on under a new identity, and returns where it went.
///
/// # Errors
/// If it is missing, in use, or another one was set aside under that name.
pub fn set_aside(data_dir: &Path, owner: &PublicKey) -> Result<PathBuf, StoreError> {
    if !exists(data_dir) {
        return Err(StoreError::Missing {
            path: data_dir.to_owned(),
        });
    }
    let _lock = Lock::take(data_dir)?;
    settle(data_dir)?;
    let aside = data_dir.join(format!("store.old-{}", owner.short()));
    if aside.exists() {
        return Err(StoreError::io(
            &aside,
            "it exists already; move it away first",
        ));
    }
    rename(data_dir, &path(data_dir), &aside)?;
    Ok(aside)
}

pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(STORE)
}

pub(super) fn making(data_dir: &Path) -> PathBuf {
    data_dir.join(MAKING)
}

pub(super) fn migrating(data_dir: &Path) -> PathBuf {
    data_dir.join(MIGRATING)
}

/// Brings a data directory into one of the states "no store" and "one complete store".
pub(super) fn settle(data_dir: &Path) -> Result<(), StoreError> {
    remove(&making(data_dir))?;
    let (store, copy, before) = (path(data_dir), migrating(data_dir), data_dir.join(BEFORE));
    if store.exists() {
        return remove(&copy);
    }
    if copy.exists() && before.exists() {
        return rename(data_dir, &copy, &store);
    }
    if before.exists() {
        return rename(data_dir, &before, &store);
    }
    Ok(())
}

/// Puts a newly made store in place.
pub(super) fn adopt_new(data_dir: &Path) -> Result<(), StoreError> {
    rename(data_dir, &making(data_dir), &path(data_dir))
}

/// Puts a migrated copy in place of the original, which is kept.
pub(super) fn adopt_migrated(data_dir: &Path) -> Result<(), StoreError> {
    let before = data_dir.join(BEFORE);
    remove(&before)?;
    rename(data_dir, &path(data_dir), &before)?;
    rename(data_dir, &migrating(data_dir), &path(data_dir))
}

/// Removes the original of a migrated store that has been opened.
pub(super) fn forget_original(data_dir: &Path) -> Result<(), StoreError> {
    remove(&data_dir.join(BEFORE))
}

fn rename(data_dir: &Path, from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to)
        .and_then(|()| sync_dir(data_dir))
        .map_err(|error| StoreError::io(to, error))
}

/// Makes renames and new files in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(dir, error)),
        _ => Ok(()),
    }
}
