//! What came to the directory since its base.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::Member;
use crate::{charter::violation::Sentences, core::time::Wall, wire::Pinned};

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
    /// What verdicts have come to.
    pub(super) sentences: Sentences,
    /// When suspensions hold by the clocks of records: whose, from and until.
    pub(super) suspensions: BTreeMap<(PublicKey, ContentId), (Wall, Wall)>,
    /// Exclusive-or of the ids of all records applied.
    pub(super) applied: [u8; 32],
}

/// An invite and who came through it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) key: PublicKey,
    pub(super) expires: Wall,
    pub(super) by: PublicKey,
    /// When it was opened, by the clock of who did.
    pub(super) opened: Wall,
    pub(super) checkpoint: Option<Pinned>,
    pub(super) entered: Option<(ContentId, PublicKey)>,
}

impl Overlay {
    /// Tells whether a door admits nobody, as who opened it was suspended then.
    pub(super) fn is_void(&self, door: &Door) -> bool {
        let mut of = self.suspensions.iter();
        of.any(|((key, _), (from, until))| {
            *key == door.by && *from <= door.opened && door.opened < *until
        })
    }

    pub(super) fn note_applied(&mut self, id: &ContentId) {
        for (sum, byte) in self.applied.iter_mut().zip(id.digest()) {
            *sum ^= byte;
        }
    }
}
