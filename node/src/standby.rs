//! The right to sign for a seat, which one data directory has at a time.
//!
//! Two nodes with one identity that both sign for a seat would vote twice, and the committee log rests on that nobody
//! does. So the right is a thing that moves, and is never copied:
//!
//! ```text
//! here --export--> given to a standby's one-time key        (written down before the file is)
//! restored from a backup --standby--> waiting --import--> here    (the one-time key is used up with it)
//! ```
//!
//! - A data directory that got its identity from a backup has no right: the seat may be kept elsewhere.
//! - Exporting takes the right away first, in a file that is synced, and only then writes what the standby needs: the
//!   log with the journal of the height under way, dealings, and shares of keys, sealed for that standby alone.
//! - A file can be taken over once, by the standby it was made for: its key is used up in the same step that gives
//!   the right.
//!
//! Until then the node runs as one without a seat. What this cannot prevent is that somebody copies a whole data
//! directory with the right in it and runs both.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::{Purpose, SealedDealing},
    seal_for,
};
use x0_protocol::{
    Write,
    spine::committee::{JournalLine, State, Tip},
    wire::Decided,
};

use crate::{
    identity::{self, IdentityError},
    store::{RocksStore, Store as _, StoreError},
};

/// The file that says that the right is not here.
const FILE: &str = "seat.away";
/// Where a standby keeps its one-time key.
const KEY_DIR: &str = "standby";
/// Most bytes of an exported seat: a state of 128 MiB with the blocks after it.
const EXPORT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Why the right is not here, or no longer was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Away {
    /// The identity came from a backup.
    Restored,
    /// It was exported for this one-time key.
    Given { to: PublicKey },
    /// An export for this one-time key is awaited.
    Waiting { key: PublicKey },
    /// It was taken over: the right is here, and only this file is left to be removed.
    Taken,
}

/// All that a standby needs to go on with a seat.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seat {
    tip: Option<Tip>,
    #[serde(with = "serde_bytes")]
    snapshot: Option<Vec<u8>>,
    blocks: Vec<Decided>,
    journal: Vec<JournalLine>,
    dealings: Vec<(ContentId, PublicKey, SealedDealing)>,
    shares: Vec<(u8, u64, serde_bytes::ByteBuf)>,
}

/// Why the right was not moved.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// It is here already.
    #[error("this data directory has the right to sign for its seat: there is nothing to wait for")]
    Here,
    /// It is not here to be given.
    #[error(
        "this data directory has no right to sign for a seat ({0}): export where the seat is kept"
    )]
    NotHere(&'static str),
    /// It went to another standby.
    #[error(
        "the seat was exported for {0}: only that standby can take it over, or ask it to export it again"
    )]
    GivenTo(PublicKey),
    /// No export is awaited here.
    #[error(
        "no export is awaited here: run `x0 committee standby` first, and export for the key it prints"
    )]
    NotWaiting,
    /// The file is not for this standby.
    #[error(
        "{path} was not exported for this standby and identity, or is damaged: export the seat for the key that \
         `x0 committee standby` prints"
    )]
    NotForThis {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The mark cannot be written, or the one-time key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Tells whether the node of a data directory may sign for a seat of its identity.
///
/// # Errors
///
/// [`StandbyError::Io`] if the mark cannot be read: then it may not.
pub fn is_here(data_dir: &Path) -> Result<bool, StandbyError> {
    Ok(match mark(data_dir)? {
        None | Some(Away::Taken) => true,
        Some(Away::Restored | Away::Given { .. } | Away::Waiting { .. }) => false,
    })
}

/// Marks a data directory whose identity came from a backup; one that is marked stays as it is.
///
/// # Errors
///
/// Returns why the mark cannot be written.
pub fn restored(data_dir: &Path) -> Result<(), StandbyError> {
    match mark(data_dir)? {
        Some(_) => Ok(()),
        None => set(data_dir, &Away::Restored),
    }
}

/// Makes a one-time key for which a seat can be exported, and waits for that.
///
/// # Errors
///
/// [`StandbyError::Here`] if there is nothing to wait for, else why the key cannot be kept.
pub fn wait(data_dir: &Path) -> Result<PublicKey, StandbyError> {
    if is_here(data_dir)? {
        return Err(StandbyError::Here);
    }
    forget_key(data_dir)?;
    let key = identity::create(&data_dir.join(KEY_DIR), None)?.public();
    set(data_dir, &Away::Waiting { key })?;
    Ok(key)
}

/// Gives the right away to a standby, and writes what it needs to a new file.
///
/// If it breaks off, the same again goes on.
///
/// # Errors
///
/// Returns why the right was not given, or why the file is not there; the right is gone if the mark was written.
pub fn export(
    data_dir: &Path,
    store: &RocksStore,
    own: &Identity,
    to: PublicKey,
    file: &Path,
) -> Result<(), StandbyError> {
    match mark(data_dir)? {
        None | Some(Away::Taken) => set(data_dir, &Away::Given { to })?,
        Some(Away::Given { to: before }) if before == to => {}
        Some(Away::Given { to: before }) => return Err(StandbyError::GivenTo(before)),
        Some(Away::Restored) => {
            return Err(StandbyError::NotHere("its identity came from a backup"));
        }
        Some(Away::Waiting { .. }) => {
            return Err(StandbyError::NotHere("it waits for one itself"));
        }
    }
    let stored = store.load()?;
    let shares = store.key_shares()?.into_iter();
    let seat = Seat {
        tip: stored.committee.tip,
        snapshot: stored.committee.snapshot,
        blocks: stored.committee.blocks,
        journal: stored.committee.journal,
        dealings: stored.work.dealings,
        shares: shares
            .map(|(purpose, epoch, share)| (purpose.number(), epoch, share.into()))
            .collect(),
    };
    let fault = |cause| StandbyError::Io {
        path: file.to_owned(),
        cause,
    };
    let plain = serde_ipld_dagcbor::to_vec(&seat).map_err(|e| fault(io::Error::other(e)))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let info = info(&store.genesis().value().id(), &own.public());
    let sealed = seal_for(&to, &info, &plain, &seed).map_err(|e| fault(io::Error::other(e)))?;
    Ok(identity::write_private(file, &sealed)?)
}

/// Takes a seat over from a file: from now on this data directory has the right.
///
/// # Errors
///
/// Returns why it was not taken over; nothing has changed then.
pub fn import(
    data_dir: &Path,
    store: &RocksStore,
    own: &Identity,
    file: &Path,
) -> Result<(), StandbyError> {
    let Some(Away::Waiting { .. }) = mark(data_dir)? else {
        return Err(StandbyError::NotWaiting);
    };
    let not_for_this = || StandbyError::NotForThis {
        path: file.to_owned(),
    };
    let sealed = read(file, EXPORT_BYTES_MAX)?;
    let key = identity::load(&data_dir.join(KEY_DIR), None)?;
    let info = info(&store.genesis().value().id(), &own.public());
    let plain = key
        .open_sealed(&info, &sealed)
        .map_err(|_| not_for_this())?;
    let seat: Seat = serde_ipld_dagcbor::from_slice(&plain).map_err(|_| not_for_this())?;
    store.submit(seat.into_writes()).wait()?;
    // The one step that uses the key up and gives the right.
    set(data_dir, &Away::Taken)?;
    settle(data_dir)
}

/// Removes what is left of a right that was taken over.
///
/// # Errors
///
/// Returns which file cannot be removed.
pub fn settle(data_dir: &Path) -> Result<(), StandbyError> {
    if mark(data_dir)? == Some(Away::Taken) {
        forget_key(data_dir)?;
        let path = data_dir.join(FILE);
        fs::remove_file(&path).map_err(|cause| StandbyError::Io { path, cause })?;
    }
    Ok(())
}

impl Seat {
    fn into_writes(self) -> Vec<Write> {
        let mut writes = Vec::new();
        if let Some(state) = self.snapshot
            && let Some(known) = State::decode(&state)
        {
            let tip = Tip {
                height: known.height(),
                block: known.block(),
                time: known.time(),
            };
            writes.push(Write::State { tip, state });
        }
        for decided in self.blocks {
            let (height, block) = (decided.block.height, decided.block.id());
            // Only that of the last block stays.
            let time = self.tip.map_or(decided.block.median(), |tip| tip.time);
            writes.push(Write::Block {
                decided: decided.into(),
                tip: Tip {
                    height,
                    block,
                    time,
                },
                snapshot: None,
            });
        }
        let lines = self.journal;
        writes.push(Write::Journal { first: 0, lines });
        let dealings = self.dealings.into_iter();
        writes.extend(dealings.map(|(ceremony, dealer, dealing)| Write::Dealing {
            ceremony,
            dealer,
            dealing: Box::new(dealing),
        }));
        let shares = self
            .shares
            .into_iter()
            .filter_map(|(purpose, epoch, sealed)| {
                Some(Write::KeyShare {
                    purpose: Purpose::from_number(purpose)?,
                    epoch,
                    sealed: sealed.into_vec(),
                })
            });
        writes.extend(shares);
        writes
    }
}

fn info(mesh: &ContentId, owner: &PublicKey) -> Vec<u8> {
    [b"x0/seat/export/1".as_slice(), mesh.digest(), owner.bytes()].concat()
}

fn mark(data_dir: &Path) -> Result<Option<Away>, StandbyError> {
    let path = data_dir.join(FILE);
    let fault = |cause| StandbyError::Io {
        path: path.clone(),
        cause,
    };
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(error)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| fault(error.into())),
    }
}

fn set(data_dir: &Path, away: &Away) -> Result<(), StandbyError> {
    let path = data_dir.join(FILE);
    let bytes = serde_json::to_vec(away).map_err(|error| StandbyError::Io {
        path: path.clone(),
        cause: error.into(),
    })?;
    Ok(identity::write_over(&path, &bytes)?)
}

fn forget_key(data_dir: &Path) -> Result<(), StandbyError> {
    let path = data_dir.join(KEY_DIR);
    match fs::remove_dir_all(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(StandbyError::Io { path, cause })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, StandbyError> {
    use io::Read as _;
    let fault = |cause| StandbyError::Io {
        path: path.to_owned(),
        cause,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fault)?;
    file.take(bytes_max)
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
