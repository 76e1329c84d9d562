//! How much room a store has: on its disk, and under the cap its owner set.
//!
//! Room is judged before a write, while there is still enough of it to stop in good order: RocksDB needs
//! space to flush and compact what it has accepted. Of either kind of room a part is kept back from what
//! others cause, so that the node can still write its own records and its log.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{StoreError, Writer};

/// Free space on the disk below which nothing is written, bytes: RocksDB's write buffers and one compaction
/// of small files fit in it. Twice as much must be free for what others cause.
pub const FREE_BYTES_MIN: u64 = 32 << 20;

/// Smallest cap a store may have, bytes: its files take some MiB even when nearly empty.
pub const MAX_BYTES_MIN: u64 = 64 << 20;

/// Part of the cap that is kept back from others: one in eight.
const RESERVE_PARTS: u64 = 8;

/// How long a measurement is used; what is written meanwhile is added to it.
const MEASURE_FOR: Duration = Duration::from_secs(1);

/// Unit of `st_blocks`, bytes (POSIX `stat`, as Linux defines it).
const BLOCK_BYTES: u64 = 512;

/// Watches the room of one store.
pub(super) struct Space {
    store: PathBuf,
    free_bytes_min: u64,
    max_bytes: AtomicU64,
    measured: Mutex<Option<Measured>>,
}

#[derive(Clone, Copy)]
struct Measured {
    at: Instant,
    free_bytes: u64,
    size_bytes: u64,
}

impl Space {
    pub(super) fn new(store: PathBuf, max_bytes: u64, free_bytes_min: u64) -> Self {
        Self {
            store,
            free_bytes_min,
            max_bytes: AtomicU64::new(max_bytes),
            measured: Mutex::new(None),
        }
    }

    /// Tells whether there is room for a writer.
    pub(super) fn room(&self, writer: Writer) -> Result<(), StoreError> {
        let Measured {
            free_bytes,
            size_bytes,
            ..
        } = self.measure()?;
        let cap = self.max_bytes.load(Ordering::Relaxed);
        let (wanted_bytes, max_bytes) = match writer {
            Writer::Own => (self.free_bytes_min, cap),
            Writer::Foreign => (
                self.free_bytes_min.saturating_mul(2),
                cap - cap / RESERVE_PARTS,
            ),
        };
        if free_bytes < wanted_bytes {
            return Err(StoreError::Full {
                path: self.store.clone(),
                free_bytes,
                wanted_bytes,
            });
        }
        if size_bytes >= max_bytes {
            return Err(StoreError::Capped {
                path: self.store.clone(),
                size_bytes,
                max_bytes,
            });
        }
        Ok(())
    }

    /// Takes into account what was just written.
    pub(super) fn wrote(&self, bytes: u64) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(measured) = measured.as_mut() {
            measured.size_bytes = measured.size_bytes.saturating_add(bytes);
            measured.free_bytes = measured.free_bytes.saturating_sub(bytes);
        }
    }

    /// Forgets the last measurement, after the disk turned out to be fuller than it said.
    pub(super) fn remeasure(&self) {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.measure().map_or(0, |measured| measured.size_bytes)
    }

    pub(super) fn set_max_bytes(&self, max_bytes: u64) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Makes the error for a write that the disk refused for want of space.
    pub(super) fn full(&self) -> StoreError {
        self.remeasure();
        StoreError::Full {
            path: self.store.clone(),
            free_bytes: self.measure().map_or(0, |measured| measured.free_bytes),
            wanted_bytes: self.free_bytes_min.max(FREE_BYTES_MIN),
        }
    }

    fn measure(&self) -> Result<Measured, StoreError> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        match *measured {
            Some(known) if known.at.elapsed() < MEASURE_FOR => Ok(known),
            _ => {
                let fresh = Measured {
                    at: Instant::now(),
                    free_bytes: free_bytes(&self.store)?,
                    size_bytes: disk_bytes(&self.store),
                };
                *measured = Some(fresh);
                Ok(fresh)
            }
        }
    }
}

fn free_bytes(dir: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(dir).map_err(|error| StoreError::io(dir, error))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Adds up the space of the files in a directory; files that vanish meanwhile count nothing.
fn disk_bytes(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.blocks() * BLOCK_BYTES)
        .sum()
}
