//! Blocks on disk, and who holds them.
//!
//! A put is on disk before it returns: a `kill -9` or a loss of power afterwards loses nothing. A block leaves when the last
//! holder let go of it; a holder is the node itself or a pinned tree. Values stand apart from keys (RocksDB's BlobDB), so
//! that a block is not rewritten whenever keys are merged. A small put is written twice, to the log and later to its place;
//! a large one only to its place, for half of the disk's time is more than what a file of its own costs. Blocks that left
//! leave holes in the files; [`BlockStore::reclaim`] closes them, and [`BlockStore::is_worth_reclaiming`] says when that is
//! worth its time.
//!
//! Calls block; async callers use a thread that may.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use cid::Cid;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, Direction, ErrorKind, FlushOptions, IteratorMode,
    LogLevel, Options, WriteBatch, WriteOptions,
};

use crate::{Block, NotThisBlock};

/// Bytes of blocks by CID; the values stand in blob files.
const BLOCKS: &str = "blocks";
/// Length of each block by CID, so that presence and sums cost no read of blobs.
const LENGTHS: &str = "lengths";
/// CID, then the holder: empty for the node itself, else the CID of a tree's root. No values.
const HOLDERS: &str = "holders";
/// Pins by the CID of their root.
const PINS: &str = "pins";
const COLUMNS: [&str; 4] = [BLOCKS, LENGTHS, HOLDERS, PINS];

/// Of one column; two of them are the most that waits to be written: 32 MiB in memory.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// A put of so many bytes goes to files of its own at once, and is in no log.
const DIRECT_BYTES_MIN: usize = 4 << 20;
/// What a block takes in a batch beside its bytes: names, a length, and what RocksDB puts around them.
const BESIDE_BYTES: usize = 256;
/// Log files are let go when this much stands in them.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Keys, lengths and filters; blobs are cached by the system.
const CACHE_BYTES: usize = 8 << 20;
/// Shorter values, the last pieces of files, stay beside their keys.
const BLOB_BYTES_MIN: u64 = 4 << 10;
const BLOB_FILE_BYTES: u64 = 256 << 20;
const OPEN_FILES_MAX: i32 = 512;
const LOG_BYTES_MAX: usize = 1 << 20;
/// Holes are not worth closing below this.
const GARBAGE_BYTES_MIN: u64 = 256 << 20;

/// Blocks on disk.
#[derive(Clone)]
pub struct BlockStore {
    shared: Arc<Shared>,
}

struct Shared {
    db: DB,
    path: PathBuf,
    /// Whoever adds a holder shares it, whoever drops a block has it alone: a block cannot leave while it gets a holder.
    holders: RwLock<()>,
    /// Bytes that have left since the last [`BlockStore::reclaim`].
    garbage: AtomicU64,
}

/// On whose behalf a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The node, by a put.
    Node,
    /// The pinned tree with this root.
    Tree(Cid),
}

/// What letting go of a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It has left, or was not there.
    Gone,
    /// Another holder keeps it.
    KeptBy(Holder),
}

/// A pinned tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// Whether all of it is here.
    pub is_complete: bool,
    /// Blocks that were here when it was last looked at.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
}

/// Says why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("the blocks in {} cannot be opened: {reason}. If another program holds them, stop it; else restore them from a backup or move them away", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
    },
    /// The disk does not read or write.
    #[error("the blocks in {} cannot be read or written: {reason}. Look after the disk, then try again", path.display())]
    Disk {
        /// Where it is.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
    },
    /// The disk gave other bytes than were put.
    #[error("a block on disk is damaged: {0}. Fetch it again, and look after the disk")]
    Damaged(#[from] NotThisBlock),
}

impl BlockStore {
    /// Opens the blocks of a directory, which is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Open`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let columns =
            COLUMNS.map(|name| ColumnFamilyDescriptor::new(name, column_options(name, &cache)));
        let db = DB::open_cf_descriptors(&database_options(), path, columns).map_err(|error| {
            StoreError::Open {
                path: path.to_owned(),
                reason: error.to_string(),
            }
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                path: path.to_owned(),
                holders: RwLock::default(),
                garbage: AtomicU64::new(0),
            }),
        })
    }

    /// Stores blocks on behalf of a holder; all of them are on disk when it returns, or none has a new holder.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn put(&self, blocks: &[Block], holder: Holder) -> Result<(), StoreError> {
        let _shared = self.shared.holders.read();
        let room = |block: &Block| block.bytes().len() + BESIDE_BYTES;
        // Left to itself the batch doubles, and holds everything twice while it does.
        let mut batch = WriteBatch::with_capacity_bytes(blocks.iter().map(room).sum());
        for block in blocks {
            match self.length(block.cid())? {
                None => self.write_block(&mut batch, block, holder),
                Some(_) => {
                    let name = block.cid().to_bytes();
                    batch.put_cf(self.column(HOLDERS), holder_key(&name, holder), []);
                }
            }
        }
        self.write(batch)
    }

    /// Writes blocks anew in the place of damaged ones, on behalf of a holder; all of them are on disk when it returns.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn replace(&self, blocks: &[Block], holder: Holder) -> Result<(), StoreError> {
        let _shared = self.shared.holders.read();
        let mut batch = WriteBatch::default();
        for block in blocks {
            self.write_block(&mut batch, block, holder);
        }
        self.write(batch)
    }

    fn write_block(&self, batch: &mut WriteBatch, block: &Block, holder: Holder) {
        let name = block.cid().to_bytes();
        let length = u32::try_from(block.bytes().len()).unwrap_or(u32::MAX);
        batch.put_cf(self.column(BLOCKS), &name, block.bytes());
        batch.put_cf(self.column(LENGTHS), &name, length.to_be_bytes());
        batch.put_cf(self.column(HOLDERS), holder_key(&name, holder), []);
    }

    /// Adds a holder to a block that is here, and returns the block's length. It is on disk with the next put.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn hold(&self, cid: &Cid, holder: Holder) -> Result<Option<u32>, StoreError> {
        let _shared = self.shared.holders.read();
        let length = self.length(cid)?;
        if length.is_some() {
            let key = holder_key(&cid.to_bytes(), holder);
            let put = self.shared.db.put_cf(self.column(HOLDERS), key, []);
            put.map_err(|error| self.failed(&error))?;
        }
        Ok(length)
    }

    /// Reads a block and checks it.
    ///
    /// # Errors
    /// [`StoreError::Disk`], or [`StoreError::Damaged`] if the disk gave other bytes.
    pub fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let read = self.shared.db.get_cf(self.column(BLOCKS), cid.to_bytes());
        let bytes = read.map_err(|error| {
            // RocksDB has a checksum of its own for each value.
            if error.kind() == ErrorKind::Corruption {
                return StoreError::Damaged(NotThisBlock::OtherBytes(*cid));
            }
            self.failed(&error)
        })?;
        let block = bytes.map(|bytes| Block::new(*cid, Bytes::from(bytes)));
        Ok(block.transpose()?)
    }

    /// Returns the length of a block, if it is here.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn length(&self, cid: &Cid) -> Result<Option<u32>, StoreError> {
        let read = self
            .shared
            .db
            .get_pinned_cf(self.column(LENGTHS), cid.to_bytes());
        let length = read.map_err(|error| self.failed(&error))?;
        Ok(length.and_then(|bytes| Some(u32::from_be_bytes(bytes.as_ref().try_into().ok()?))))
    }

    /// Has a holder let go of blocks, of which those leave that nobody else holds; all at once.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn release(&self, cids: &[Cid], holder: Holder) -> Result<Vec<Released>, StoreError> {
        let _alone = self.shared.holders.write();
        let mut batch = WriteBatch::default();
        let mut released = Vec::with_capacity(cids.len());
        let mut garbage = 0;
        for cid in cids {
            let name = cid.to_bytes();
            batch.delete_cf(self.column(HOLDERS), holder_key(&name, holder));
            let other = self
                .holders(&name)?
                .into_iter()
                .find(|other| *other != holder);
            released.push(other.map_or(Released::Gone, Released::KeptBy));
            if other.is_none() {
                garbage += u64::from(self.length(cid)?.unwrap_or(0));
                batch.delete_cf(self.column(BLOCKS), &name);
                batch.delete_cf(self.column(LENGTHS), &name);
            }
        }
        self.write(batch)?;
        self.shared.garbage.fetch_add(garbage, Ordering::Relaxed);
        Ok(released)
    }

    /// Returns who holds a block.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn holders_of(&self, cid: &Cid) -> Result<Vec<Holder>, StoreError> {
        self.holders(&cid.to_bytes())
    }

    /// Writes down a pin.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn put_pin(&self, root: &Cid, pin: Pin) -> Result<(), StoreError> {
        let mut value = vec![u8::from(pin.is_complete)];
        value.extend(pin.blocks.to_be_bytes());
        value.extend(pin.bytes.to_be_bytes());
        let mut batch = WriteBatch::default();
        batch.put_cf(self.column(PINS), root.to_bytes(), value);
        self.write(batch)
    }

    /// Strikes out a pin.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_pin(&self, root: &Cid) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.column(PINS), root.to_bytes());
        self.write(batch)
    }

    /// Returns a pin.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn pin(&self, root: &Cid) -> Result<Option<Pin>, StoreError> {
        let read = self.shared.db.get_cf(self.column(PINS), root.to_bytes());
        let value = read.map_err(|error| self.failed(&error))?;
        Ok(value.as_deref().and_then(pin_from))
    }

    /// Returns all pins by the CID of their root.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn pins(&self) -> Result<Vec<(Cid, Pin)>, StoreError> {
        let mut pins = Vec::new();
        for entry in self
            .shared
            .db
            .iterator_cf(self.column(PINS), IteratorMode::Start)
        {
            let (root, value) = entry.map_err(|error| self.failed(&error))?;
            pins.extend(Cid::try_from(root.as_ref()).ok().zip(pin_from(&value)));
        }
        Ok(pins)
    }

    /// Counts blocks and bytes, without reading them.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn held(&self) -> Result<Held, StoreError> {
        let mut held = Held::default();
        for entry in self
            .shared
            .db
            .iterator_cf(self.column(LENGTHS), IteratorMode::Start)
        {
            let (_, length) = entry.map_err(|error| self.failed(&error))?;
            let length = length.as_ref().try_into().map_or(0, u32::from_be_bytes);
            held.blocks += 1;
            held.bytes += u64::from(length);
        }
        Ok(held)
    }

    /// Tells whether as much has left as is still here, and [`Self::reclaim`] is worth its time.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn is_worth_reclaiming(&self) -> Result<bool, StoreError> {
        let garbage = self.shared.garbage.load(Ordering::Relaxed);
        Ok(garbage >= GARBAGE_BYTES_MIN && garbage >= self.held()?.bytes)
    }

    /// Writes what is held anew, so that what has left is on disk no more. It takes as long as reading and writing all.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn reclaim(&self) -> Result<(), StoreError> {
        let blocks = self.column(BLOCKS);
        let collect = |on| {
            self.shared
                .db
                .set_options_cf(blocks, &[(COLLECT, on), (COLLECT_AGE, "1.0")])
        };
        let garbage = self.shared.garbage.swap(0, Ordering::Relaxed);
        // The log of writes holds blocks too.
        if let Err(error) = self.flush().and_then(|()| collect("true")) {
            self.shared.garbage.fetch_add(garbage, Ordering::Relaxed);
            return Err(self.failed(&error));
        }
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.shared
            .db
            .compact_range_cf_opt(blocks, None::<&[u8]>, None::<&[u8]>, &options);
        collect("false").map_err(|error| self.failed(&error))
    }

    fn holders(&self, name: &[u8]) -> Result<Vec<Holder>, StoreError> {
        let from = IteratorMode::From(name, Direction::Forward);
        let mut holders = Vec::new();
        for entry in self.shared.db.iterator_cf(self.column(HOLDERS), from) {
            let (key, _) = entry.map_err(|error| self.failed(&error))?;
            let Some(holder) = key.strip_prefix(name) else {
                break;
            };
            match holder {
                [] => holders.push(Holder::Node),
                root => holders.extend(Cid::try_from(root).ok().map(Holder::Tree)),
            }
        }
        Ok(holders)
    }

    /// Has a batch on disk when it returns: in the log, or, if it is large, in the columns, all of them at once.
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let is_large = batch.size_in_bytes() >= DIRECT_BYTES_MIN;
        let mut options = WriteOptions::default();
        options.disable_wal(is_large);
        options.set_sync(!is_large);
        let written = self.shared.db.write_opt(batch, &options);
        let written = written.and_then(|()| match is_large {
            true => self.flush(),
            false => Ok(()),
        });
        written.map_err(|error| self.failed(&error))
    }

    /// Has all columns in their files when it returns: the log serves all of them.
    fn flush(&self) -> Result<(), rocksdb::Error> {
        let columns: Vec<_> = COLUMNS.iter().map(|name| self.column(name)).collect();
        let options = FlushOptions::default();
        self.shared.db.flush_cfs_opt(&columns, &options)
    }

    #[expect(clippy::expect_used, reason = "all columns are opened with the store")]
    fn column(&self, name: &str) -> &ColumnFamily {
        self.shared
            .db
            .cf_handle(name)
            .expect("opened with the store")
    }

    fn failed(&self, error: &rocksdb::Error) -> StoreError {
        StoreError::Disk {
            path: self.shared.path.clone(),
            reason: error.to_string(),
        }
    }
}

const COLLECT: &str = "enable_blob_garbage_collection";
const COLLECT_AGE: &str = "blob_garbage_collection_age_cutoff";

/// All CIDs of content have one length, so that none is the beginning of another.
fn holder_key(name: &[u8], holder: Holder) -> Vec<u8> {
    let mut key = name.to_vec();
    match holder {
        Holder::Node => (),
        Holder::Tree(root) => key.extend(root.to_bytes()),
    }
    key
}

fn pin_from(value: &[u8]) -> Option<Pin> {
    let (is_complete, rest) = value.split_first()?;
    let (blocks, bytes) = rest.split_first_chunk::<8>()?;
    Some(Pin {
        is_complete: *is_complete == 1,
        blocks: u64::from_be_bytes(*blocks),
        bytes: u64::from_be_bytes(bytes.try_into().ok()?),
    })
}

fn column_options(name: &str, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // Ciphertext and hashes do not get shorter.
    options.set_compression_type(DBCompressionType::None);
    if name == BLOCKS {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES_MIN);
        options.set_blob_file_size(BLOB_FILE_BYTES);
        options.set_blob_compression_type(DBCompressionType::None);
    }
    options
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    // What is in no log must not be there by half after a crash.
    options.set_atomic_flush(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_max_log_file_size(LOG_BYTES_MAX);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}
