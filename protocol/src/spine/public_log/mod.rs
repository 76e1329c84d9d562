//! The public log of the mesh: what is to be seen by all, for good.
//!
//! Entries are appended by the committee's state as it takes up what they tell of ([`PublicLog`]); checkpoints certify
//! the root of the Merkle tree over them (RFC 9162). Every node keeps a copy ([`Mirror`]), which takes nothing that does
//! not lead to a certified root. So any node makes the proofs that an entry stands in the log and that the log only
//! grew, and any node checks them with the committee's key ([`proof`]).
//!
//! The log cannot be shown differently to two nodes unless the committee certifies twice. A node that holds both
//! certificates has the proof of it.

mod mirror;
pub mod proof;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub use self::mirror::{Mirror, Weighed};
use crate::{
    core::limits::{PUBLIC_KEPT_BYTES_MAX, PUBLIC_KEPT_MAX},
    spine::audit::tree::{Frontier, leaf_hash},
    wire::{PublicEntry, PublicHead},
};

/// The log as the committee's state has it: the way to its root, and its newest entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicLog {
    frontier: Frontier,
    /// The newest entries, encoded, the last of them last.
    newest: VecDeque<ByteBuf>,
}

impl PublicLog {
    /// Appends an entry; the oldest that are kept give way where there are too many or too long ones.
    pub fn append(&mut self, entry: &PublicEntry) {
        let bytes = entry.encode();
        self.frontier.append(leaf_hash(&bytes));
        self.newest.push_back(ByteBuf::from(bytes));
        let bytes = |kept: &VecDeque<ByteBuf>| kept.iter().map(|entry| entry.len()).sum::<usize>();
        while self.newest.len() > PUBLIC_KEPT_MAX
            || (self.newest.len() > 1 && bytes(&self.newest) > PUBLIC_KEPT_BYTES_MAX)
        {
            self.newest.pop_front();
        }
    }

    /// Returns the size and the root.
    pub fn head(&self) -> PublicHead {
        PublicHead::of(&self.frontier)
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Returns the entries from a place up to another, if all of them are still kept.
    pub fn entries(&self, from: u64, to: u64) -> Option<Vec<PublicEntry>> {
        let first = self.size().saturating_sub(self.newest.len() as u64);
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        let count = usize::try_from(to.checked_sub(from)?).ok()?;
        let kept = self.newest.iter().skip(skip).take(count);
        let entries: Vec<_> = kept
            .map(|bytes| PublicEntry::decode(bytes).ok())
            .collect::<Option<_>>()?;
        (entries.len() == count).then_some(entries)
    }
}
