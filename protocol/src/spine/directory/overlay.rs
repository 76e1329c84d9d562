//! What came to the directory since its base.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::Member;
use crate::{core::time::Wall, wire::Pinned};

/// Changes since the base; equal `applied` means equal contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    /// Members added or changed.
    pub(super) members: BTreeMap<PublicKey, Member>,
    /// Active members here less those of the base.
    pub(super) active_delta: i32,
    /// Open and used doors, by invite record.
    pub(super) doors: BTreeMap<ContentId, Door>,
    /// Seats that stated a member's removal.
    pub(super) removals: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// The last place at which a member said that it leaves.
    pub(super) leaves: BTreeMap<PublicKey, u64>,
    /// When members ceased to be: as the record says that ended it here.
    pub(super) ended: BTreeMap<PublicKey, Wall>,
    /// Exclusive-or of the ids of all records applied.
    pub(super) applied: [u8; 32],
}

/// An invite and who came through it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) key: PublicKey,
    pub(super) expires: Wall,
    pub(super) by: PublicKey,
    pub(super) checkpoint: Option<Pinned>,
    pub(super) entered: Option<(ContentId, PublicKey)>,
}

impl Overlay {
    pub(super) fn note_applied(&mut self, id: &ContentId) {
        for (sum, byte) in self.applied.iter_mut().zip(id.digest()) {
            *sum ^= byte;
        }
    }
}
