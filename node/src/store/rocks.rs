//! The store on RocksDB, sized for a node that does little most of the time.
//!
//! Columns are in [`columns`](super::columns), the writing thread in [`writer`](super::writer). Reads go
//! straight to the database from any thread.

use std::{path::Path, sync::Arc, thread::JoinHandle};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType,
    DEFAULT_COLUMN_FAMILY_NAME, Direction, IteratorMode, LogLevel, Options, WriteBatch,
};
use x0_crypto::{ContentId, PublicKey, committee::Purpose};
use x0_protocol::{
    Stored, Write,
    core::limits::WITNESSED_MAX,
    spine::{
        audit::Entry,
        ballot::StoredVotes,
        committee::{State, StoredLog, StoredWork},
    },
    sublime::shares::StoredSublime,
    wire::{Record, Verified},
};

use super::{
    Receipt, Store, StoreError, Writer,
    columns::{self, Column, GENESIS_KEY, KeyRow, OWNER_KEY, Rows, STATE_KEY, TIP_KEY},
    lock::Lock,
    place,
    rewrite::Rewrite,
    schema::{self, SCHEMA},
    space::{FREE_BYTES_MIN, Space},
    writer::{Line, Thread},
};
use crate::metrics::{Gauge, Metrics};

/// Blocks and their indices kept in memory, bytes.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
/// One column's writes kept in memory before they go to a file, bytes.
const WRITE_BUFFER_BYTES: usize = 4 << 20;
/// All columns' writes kept in memory, bytes.
const WRITE_BUFFERS_BYTES: usize = 8 << 20;
/// Write-ahead logs kept; beyond it, the columns that hold them back are flushed, bytes.
const WAL_BYTES_MAX: u64 = 16 << 20;
/// Files kept open; each costs its index in the cache.
const OPEN_FILES_MAX: i32 = 128;
/// RocksDB's own log, bytes per file; two files are kept.
const LOG_BYTES_MAX: usize = 256 << 10;

/// What a store is opened with.
#[derive(Clone)]
pub struct StoreOptions {
    /// The most space it may take on disk, in bytes.
    pub max_bytes: u64,
    /// Free space on the disk below which nothing is written, in bytes.
    pub free_bytes_min: u64,
    /// Where it reports its size and the time writes take.
    pub metrics: Metrics,
}

impl StoreOptions {
    /// Takes the usual bounds but for the cap.
    pub const fn new(max_bytes: u64, metrics: Metrics) -> Self {
        Self {
            max_bytes,
            free_bytes_min: FREE_BYTES_MIN,
            metrics,
        }
    }
}

/// A node's store in its data directory.
///
/// Dropping it writes what still waits, waits for that, and lets the directory go.
pub struct RocksStore {
    db: Arc<DB>,
    line: Arc<Line>,
    space: Arc<Space>,
    thread: Option<JoinHandle<()>>,
    genesis: Verified<Record>,
    owner: PublicKey,
    _lock: Lock,
}

impl RocksStore {
    /// Makes the store of an identity in a mesh, with what it begins with; it exists only once it is complete.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one.
    pub fn create(
        data_dir: &Path,
        owner: PublicKey,
        genesis: &Verified<Record>,
        first: &[Write],
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let lock = Lock::take(data_dir)?;
        place::settle(data_dir)?;
        if place::path(data_dir).exists() {
            return Err(StoreError::Exists {
                path: data_dir.to_owned(),
            });
        }
        let new = place::making(data_dir);
        let rocks = |error| StoreError::rocks(&new, &error);
        let db = open_columns(&new, Column::ALL.map(Column::name)).map_err(rocks)?;
        let meta = Column::Meta.of(&db)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, GENESIS_KEY, genesis.value().bytes());
        batch.put_cf(meta, OWNER_KEY, owner.bytes());
        for write in first {
            columns::put(&db, &mut batch, &first.iter(), write)?;
        }
        db.write(batch).map_err(rocks)?;
        schema::write(&db, SCHEMA)?;
        drop(db);
        place::adopt_new(data_dir)?;
        Self::open_locked(data_dir, owner, options, lock)
    }

    /// Opens the store of an identity.
    ///
    /// # Errors
    /// By what can be done: missing, in use, of another identity, of a newer layout, damaged.
    pub fn open(
        data_dir: &Path,
        owner: PublicKey,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        if !place::exists(data_dir) {
            return Err(StoreError::Missing {
                path: data_dir.to_owned(),
            });
        }
        let lock = Lock::take(data_dir)?;
        Self::open_locked(data_dir, owner, options, lock)
    }

    fn open_locked(
        data_dir: &Path,
        expected: PublicKey,
        options: StoreOptions,
        lock: Lock,
    ) -> Result<Self, StoreError> {
        place::settle(data_dir)?;
        schema::bring_up_to_date(data_dir)?;
        let path = place::path(data_dir);
        let db = open_columns(&path, Column::ALL.map(Column::name))
            .map_err(|error| StoreError::rocks(&path, &error))?;
        let (genesis, owner) = read_meta(&db)?;
        if owner != expected {
            return Err(StoreError::OtherOwner {
                path: data_dir.to_owned(),
                found: owner,
                expected,
            });
        }
        place::forget_original(data_dir)?;
        let db = Arc::new(db);
        let space = Arc::new(Space::new(path, options.max_bytes, options.free_bytes_min));
        options.metrics.set(Gauge::StoreBytes, space.size_bytes());
        let line = Arc::new(Line::default());
        let thread = Thread {
            rewrite: Rewrite::recall(&db)?,
            db: Arc::clone(&db),
            line: Arc::clone(&line),
            space: Arc::clone(&space),
            metrics: options.metrics,
        };
        Ok(Self {
            thread: Some(thread.start()?),
            db,
            line,
            space,
            genesis,
            owner,
            _lock: lock,
        })
    }

    /// Returns the genesis record of the mesh.
    pub const fn genesis(&self) -> &Verified<Record> {
        &self.genesis
    }

    /// Returns whose store it is.
    pub const fn owner(&self) -> PublicKey {
        self.owner
    }

    /// Checks that the store belongs to a mesh.
    ///
    /// # Errors
    /// [`StoreError::OtherMesh`] names both.
    pub fn expect_mesh(&self, mesh: ContentId) -> Result<(), StoreError> {
        let found = self.genesis.value().id();
        if found == mesh {
            return Ok(());
        }
        Err(StoreError::OtherMesh {
            path: self.db.path().to_owned(),
            found,
            expected: mesh,
        })
    }

    /// Returns the genesis if it is what is asked for; it stands apart from the other records.
    fn genesis_if(&self, id: &ContentId) -> Option<Vec<u8>> {
        let genesis = self.genesis.value();
        (genesis.id() == *id).then(|| genesis.bytes().to_vec())
    }

    /// Reads the committee log's end and the journal of the height under way.
    fn committee(&self) -> Result<StoredLog, StoreError> {
        let rows = self.rows();
        let tip = self.db.get_cf(Column::Meta.of(&self.db)?, TIP_KEY);
        let tip = tip.map_err(|error| self.rocks(&error))?;
        let tip = tip.map(|bytes| rows.tip(&bytes)).transpose()?;
        let state = self.db.get_cf(Column::Meta.of(&self.db)?, STATE_KEY);
        let snapshot = state.map_err(|error| self.rocks(&error))?;
        let known = snapshot.as_deref().and_then(State::decode);
        let first = known.map_or(1, |state| state.height() + 1);
        let blocks = self.blocks(first, usize::MAX)?;
        let mut place = 0..;
        Ok(StoredLog {
            tip,
            snapshot,
            blocks: blocks
                .iter()
                .map(|bytes| rows.block(bytes))
                .collect::<Result<_, _>>()?,
            journal: self.each(Column::Journal, |key, value| {
                rows.line(place.next().unwrap_or(u32::MAX), key, value)
            })?,
        })
    }

    /// Reads what the seat was dealt, and its shares as they are kept.
    fn key_rows(&self) -> Result<Vec<KeyRow>, StoreError> {
        let rows = self.rows();
        self.each(Column::Keys, |key, value| rows.key_row(key, value))
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            store: self.db.path(),
        }
    }

    fn rocks(&self, error: &rocksdb::Error) -> StoreError {
        StoreError::rocks(self.db.path(), error)
    }

    /// Hands every row of a column to a reader, in the order of the keys.
    fn each<T>(
        &self,
        column: Column,
        mut read: impl FnMut(&[u8], &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        for row in self
            .db
            .iterator_cf(column.of(&self.db)?, IteratorMode::Start)
        {
            let (key, value) = row.map_err(|error| self.rocks(&error))?;
            rows.push(read(&key, &value)?);
        }
        Ok(rows)
    }
}

impl Store for RocksStore {
    fn submit(&self, writes: Vec<Write>) -> Receipt {
        self.line.submit(writes)
    }

    fn room(&self, writer: Writer) -> Result<(), StoreError> {
        match self.line.trouble() {
            Some(error) => Err(error),
            None => self.space.room(writer),
        }
    }

    fn load(&self) -> Result<Stored, StoreError> {
        let rows = self.rows();
        let mut witnessed = self.each(Column::Witnessed, |_, value| rows.head(value))?;
        witnessed.sort_by_key(|head| std::cmp::Reverse((head.time, head.author)));
        witnessed.truncate(WITNESSED_MAX);
        let mut index = 0..;
        let mut votes = StoredVotes::default();
        self.each(Column::Votes, |key, value| {
            rows.vote_row(key, value, &mut votes)
        })?;
        let mut public = Stored::default();
        self.each(Column::PublicLog, |key, value| {
            rows.public_row(key, value, &mut public)
        })?;
        let mut sublime = StoredSublime::default();
        self.each(Column::Sublime, |key, value| {
            rows.sublime_row(key, value, &mut sublime)
        })?;
        Ok(Stored {
            sublime,
            public: public.public,
            overrides: public.overrides,
            votes,
            records: self.each(Column::Records, |key, value| rows.record(key, value))?,
            executed: self
                .each(Column::Executed, |key, _| rows.content_id("act", key))?
                .into_iter()
                .collect(),
            policies: self.each(Column::Policies, |key, value| rows.policy(key, value))?,
            audit: self.each(Column::Audit, |key, value| {
                rows.entry(index.next().unwrap_or(u64::MAX), key, value)
            })?,
            witnessed,
            roots: self.each(Column::Roots, |key, _| rows.root(key))?,
            halts: self.each(Column::Halts, |_, value| rows.halt(value))?,
            proposals: self.each(Column::Proposals, |_, value| rows.proposal(value))?,
            receipts: self.each(Column::Receipts, |_, value| rows.receipt(value))?,
            committee: self.committee()?,
            work: StoredWork {
                dealings: self
                    .key_rows()?
                    .into_iter()
                    .filter_map(|row| match row {
                        KeyRow::Dealing(ceremony, dealer, dealing) => {
                            Some((ceremony, dealer, dealing))
                        }
                        KeyRow::Share(..) => None,
                    })
                    .collect(),
                shares: Vec::new(),
            },
        })
    }

    fn key_shares(&self) -> Result<Vec<(Purpose, u64, Vec<u8>)>, StoreError> {
        let shares = self.key_rows()?.into_iter().filter_map(|row| match row {
            KeyRow::Share(purpose, epoch, sealed) => Some((purpose, epoch, sealed)),
            KeyRow::Dealing(..) => None,
        });
        Ok(shares.collect())
    }

    fn record(&self, id: &ContentId) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(genesis) = self.genesis_if(id) {
            return Ok(Some(genesis));
        }
        self.db
            .get_cf(Column::Records.of(&self.db)?, id.digest())
            .map_err(|error| self.rocks(&error))
    }

    fn records(&self, ids: &[ContentId]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let column = Column::Records.of(&self.db)?;
        let keys = ids.iter().map(ContentId::digest);
        let rows = self.db.batched_multi_get_cf(column, keys, false);
        rows.into_iter()
            .zip(ids)
            .map(|(row, id)| match row {
                Ok(Some(bytes)) => Ok(Some(bytes.to_vec())),
                Ok(None) => Ok(self.genesis_if(id)),
                Err(error) => Err(self.rocks(&error)),
            })
            .collect()
    }

    fn records_page(
        &self,
        after: Option<&ContentId>,
        count_max: usize,
    ) -> Result<Vec<(ContentId, Vec<u8>)>, StoreError> {
        let column = Column::Records.of(&self.db)?;
        let mode = match after {
            None => IteratorMode::Start,
            Some(id) => IteratorMode::From(id.digest(), Direction::Forward),
        };
        let mut page = Vec::new();
        for row in self.db.iterator_cf(column, mode) {
            if page.len() == count_max {
                break;
            }
            let (key, value) = row.map_err(|error| self.rocks(&error))?;
            let id = self.rows().content_id("record", &key)?;
            if Some(&id) != after {
                page.push((id, value.into_vec()));
            }
        }
        Ok(page)
    }

    fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, StoreError> {
        let start = from.to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let rows = self.rows();
        self.db
            .iterator_cf(Column::Audit.of(&self.db)?, mode)
            .take(count_max)
            .zip(from..)
            .map(|(row, index)| {
                let (key, value) = row.map_err(|error| self.rocks(&error))?;
                rows.entry(index, &key, &value)
            })
            .collect()
    }

    fn blocks(&self, from: u64, count_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let start = from.to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let rows = self.db.iterator_cf(Column::Blocks.of(&self.db)?, mode);
        rows.take(count_max)
            .map(|row| row.map(|(_, block)| block.into_vec()))
            .map(|row| row.map_err(|error| self.rocks(&error)))
            .collect()
    }

    fn size_bytes(&self) -> u64 {
        self.space.size_bytes()
    }

    fn set_max_bytes(&self, max_bytes: u64) {
        self.space.set_max_bytes(max_bytes);
        self.line.nudge();
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        self.line.close();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported by the thread.
            let _ = thread.join();
        }
    }
}

fn read_meta(db: &DB) -> Result<(Verified<Record>, PublicKey), StoreError> {
    let rows = Rows { store: db.path() };
    let meta = Column::Meta.of(db)?;
    let read = |key: &[u8]| {
        db.get_cf(meta, key)
            .map_err(|error| StoreError::rocks(db.path(), &error))?
            .ok_or_else(|| rows.damaged(format_args!("meta lacks {}", key.escape_ascii())))
    };
    let genesis = Verified::from_own_store(&read(GENESIS_KEY)?)
        .map_err(|error| rows.damaged(format_args!("genesis: {error}")))?;
    Ok((genesis, rows.owner(&read(OWNER_KEY)?)?))
}

/// Opens a database with the columns named, making what is missing in a new one.
pub(super) fn open_columns(
    path: &Path,
    columns: impl IntoIterator<Item = impl Into<String>>,
) -> Result<DB, rocksdb::Error> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    // The default column holds nothing, but left to RocksDB's own options it would have a full disk count as full
    // until 64 MiB are free: the room for its write buffer.
    let columns = columns
        .into_iter()
        .map(Into::into)
        .filter(|name| name != DEFAULT_COLUMN_FAMILY_NAME)
        .chain([DEFAULT_COLUMN_FAMILY_NAME.to_owned()])
        .map(|name| ColumnFamilyDescriptor::new(name, cached_column_options(&cache)));
    DB::open_cf_descriptors(&database_options(path), path, columns)
}

/// Returns the options of a column that is added to an open database.
pub(super) fn column_options() -> Options {
    cached_column_options(&Cache::new_lru_cache(BLOCK_CACHE_BYTES))
}

fn cached_column_options(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn database_options(path: &Path) -> Options {
    let is_new = !path.exists();
    let mut options = Options::default();
    options.create_if_missing(is_new);
    options.create_missing_column_families(is_new);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_max_log_file_size(LOG_BYTES_MAX);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options
}
