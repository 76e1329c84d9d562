//! Records that hold but rest on another that is not here yet.
//!
//! They wait in memory, bounded, and are tried again when the directory has changed. When full the
//! longest waiting gives way: it is in no index, so the next catch-up brings it again.

use std::collections::VecDeque;

use crate::{
    core::limits::ORPHANS_MAX,
    wire::{Record, Verified},
};

/// The records that wait.
#[derive(Clone, Debug, Default)]
pub struct Orphans {
    waiting: VecDeque<Verified<Record>>,
    overflowed: bool,
}

impl Orphans {
    /// Lets a record wait.
    pub fn add(&mut self, record: Verified<Record>) {
        if self
            .waiting
            .iter()
            .any(|known| known.value().id() == record.value().id())
        {
            return;
        }
        if self.waiting.len() == ORPHANS_MAX {
            self.waiting.pop_front();
            self.overflowed = true;
        }
        self.waiting.push_back(record);
    }

    /// Takes all records out to be tried again.
    pub fn take(&mut self) -> VecDeque<Verified<Record>> {
        std::mem::take(&mut self.waiting)
    }

    /// Tells once whether a record had to give way since the last time this was asked.
    pub fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Counts the records that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Tells whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
