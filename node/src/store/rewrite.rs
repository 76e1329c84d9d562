//! Rewriting the files that still hold what was erased: RocksDB keeps removed values in its files until these are
//! rewritten, and in its log until every column is flushed. What the disk itself keeps of freed blocks is not in the
//! store's hand.
//!
//! Shares of keys are rewritten away before their deletion is confirmed. Bodies that an author has erased go soon after: a
//! member could ask for erasures without end, so that rewriting takes a tenth of the time at most. What is still to be done
//! is noted in the store, so that a crash forgets none of it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rocksdb::{BottommostLevelCompaction, CompactOptions, DB};

use super::{
    StoreError,
    columns::{Column, REWRITE_KEY},
};

/// Rows up to which each is rewritten by itself; beyond it the whole column is.
const ROWS_MAX: usize = 64;
/// For each time that rewriting took, so many times that pass before the next.
const REST: u32 = 9;
/// Least time that passes before the next.
const REST_MIN: Duration = Duration::from_secs(1);
/// Time after which rewriting that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What the files still hold of erased bodies.
#[derive(Default)]
pub(super) struct Rewrite {
    rows: BTreeSet<[u8; 32]>,
    whole: bool,
    not_before: Option<Instant>,
}

impl Rewrite {
    /// Finds out whether the last run of the program left something.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub(super) fn recall(db: &DB) -> Result<Self, StoreError> {
        let left = db.get_cf(Column::Meta.of(db)?, REWRITE_KEY);
        let left = left.map_err(|error| StoreError::rocks(db.path(), &error))?;
        Ok(Self {
            whole: left.is_some(),
            ..Self::default()
        })
    }

    /// Takes note of rows that were erased.
    pub(super) fn add(&mut self, rows: impl IntoIterator<Item = [u8; 32]>) {
        self.rows.extend(rows);
        if self.rows.len() > ROWS_MAX {
            self.whole = true;
            self.rows.clear();
        }
    }

    /// Returns when there is something to do; none if there is nothing.
    pub(super) fn due(&self) -> Option<Instant> {
        self.has_work()
            .then(|| self.not_before.unwrap_or_else(Instant::now))
    }

    fn has_work(&self) -> bool {
        self.whole || !self.rows.is_empty()
    }

    /// Rewrites what is due; what cannot be rewritten now, as when the disk is full, is tried again.
    pub(super) fn run(&mut self, db: &DB) {
        let start = Instant::now();
        let must_wait = self.not_before.is_some_and(|at| at > start);
        if !self.has_work() || must_wait {
            return;
        }
        if let Err(error) = self.rewrite(db) {
            tracing::warn!(%error, "files still hold what was erased: it is tried again");
            self.not_before = Some(Instant::now() + RETRY_AFTER);
            return;
        }
        let rest = start.elapsed().saturating_mul(REST).max(REST_MIN);
        *self = Self {
            not_before: Some(Instant::now() + rest),
            ..Self::default()
        };
    }

    fn rewrite(&self, db: &DB) -> Result<(), StoreError> {
        flush(db)?;
        let records = Column::Records.of(db)?;
        let options = thorough();
        if self.whole {
            db.compact_range_cf_opt(records, None::<&[u8]>, None::<&[u8]>, &options);
        }
        for row in &self.rows {
            db.compact_range_cf_opt(records, Some(row), Some(row), &options);
        }
        db.delete_cf(Column::Meta.of(db)?, REWRITE_KEY)
            .map_err(|error| StoreError::rocks(db.path(), &error))
    }
}

/// Rewrites the column of keys, so that no file holds what was deleted from it.
///
/// # Errors
/// If the disk cannot be written.
pub(super) fn keys(db: &DB) -> Result<(), StoreError> {
    flush(db)?;
    let keys = Column::Keys.of(db)?;
    db.compact_range_cf_opt(keys, None::<&[u8]>, None::<&[u8]>, &thorough());
    Ok(())
}

/// Writes all columns to files, which ends the write-ahead logs that hold what was.
fn flush(db: &DB) -> Result<(), StoreError> {
    Column::ALL.iter().try_for_each(|column| {
        db.flush_cf(column.of(db)?)
            .map_err(|error| StoreError::rocks(db.path(), &error))
    })
}

fn thorough() -> CompactOptions {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options
}
