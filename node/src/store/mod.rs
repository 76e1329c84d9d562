//! What a node keeps on disk: its records, its acts, its policies, its audit log.
//!
//! - *Durable in order.* Groups of writes become durable whole, in the order they were submitted, and a
//!   [`Receipt`] completes only when its group is safe on disk. What the disk holds is always a prefix of
//!   what was submitted: if a group has to be given up, all later ones are refused.
//! - *A full disk loses nothing.* Groups wait in the store until there is space again; meanwhile
//!   [`Store::room`] says so, and a driver lets nothing new in.
//! - *One process.* A store that is open elsewhere is refused, so that two nodes never write one chain.
//! - *Versioned.* A newer layout is refused; an older one is migrated on a copy, which takes the place of
//!   the original only when it is complete.
//!
//! The store decides nothing about what it keeps and verifies no signatures: only verified records reach it.

mod columns;
mod error;
mod lock;
mod place;
mod rewrite;
mod rocks;
mod schema;
mod space;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use x0_crypto::{ContentId, committee::Purpose};
use x0_protocol::{Stored, Write, spine::audit::Entry};

pub use error::StoreError;
pub use place::{exists, expect_none, set_aside};
pub use rocks::{RocksStore, StoreOptions};
pub use schema::SCHEMA;
pub use space::{FREE_BYTES_MIN, MAX_BYTES_MIN};

/// A place that keeps what a peer writes and gives it back after a restart.
pub trait Store: Send + Sync {
    /// Queues a group of writes, to be made durable whole and after all groups before it.
    ///
    /// Waits while 4,096 groups are queued, unless the disk is full: then the store gives up,
    /// and this and every later receipt reports why.
    fn submit(&self, writes: Vec<Write>) -> Receipt;

    /// Tells whether there is room for writes caused by others, or for those of this node.
    ///
    /// A driver asks before it lets records of others in: what a peer has taken in must be written.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Capped`] while there is none, or why the store gave up.
    fn room(&self, writer: Writer) -> Result<(), StoreError>;

    /// Reads back all that a peer needs to start.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the row that cannot be read.
    fn load(&self) -> Result<Stored, StoreError>;

    /// Reads this seat's shares of the committee's keys as they are kept, sealed: purpose, epoch, share.
    ///
    /// They are not in what [`Store::load`] returns: whoever holds the identity opens them first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the row that cannot be read.
    fn key_shares(&self) -> Result<Vec<(Purpose, u64, Vec<u8>)>, StoreError>;

    /// Reads the encoding of one record.
    ///
    /// # Errors
    /// If the disk cannot be read.
    fn record(&self, id: &ContentId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads the encodings of records, in the order asked.
    ///
    /// # Errors
    /// If the disk cannot be read.
    fn records(&self, ids: &[ContentId]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Reads the records that follow an id, in the order of their ids.
    ///
    /// # Errors
    /// If the disk cannot be read.
    fn records_page(
        &self,
        after: Option<&ContentId>,
        count_max: usize,
    ) -> Result<Vec<(ContentId, Vec<u8>)>, StoreError>;

    /// Reads entries of the audit log from an index on, in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if an entry is missing or unreadable.
    fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, StoreError>;

    /// Reads blocks of the committee log from a height on, in order.
    ///
    /// # Errors
    /// If the disk cannot be read.
    fn blocks(&self, from: u64, count_max: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Returns the space the store takes on disk, at most a second old, in bytes.
    fn size_bytes(&self) -> u64;

    /// Sets the most space the store may take on disk, in bytes.
    fn set_max_bytes(&self, max_bytes: u64);
}

/// On whose account something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// This node: its own records, and what it must log.
    Own,
    /// Others; a reserve is kept back from them.
    Foreign,
}

/// Completes when a group of writes is safe on disk.
#[derive(Debug)]
#[must_use = "nothing may rest on a write before its receipt has completed"]
pub struct Receipt(oneshot::Receiver<Result<(), StoreError>>);

impl Receipt {
    /// Waits on this thread, which must not be one of an async runtime.
    ///
    /// # Errors
    /// Why the group is not on disk.
    pub fn wait(self) -> Result<(), StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl Future for Receipt {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}
