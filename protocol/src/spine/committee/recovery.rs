//! Recovery as every node counts it: words of members for new seats, until two thirds of those who counted as of
//! the last checkpoint have spoken for the same.
//!
//! Whoever speaks for two plans counts for neither, so that all nodes that know the same words come to the same. The
//! new seats begin a log of their own, far above the old one, so that no place in it was ever signed for. The keys of the
//! lost committee verify nothing above the checkpoint any more.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use crate::{
    spine::beacon::stands,
    wire::{Checkpoint, RecoveryPlan, RecoveryWord},
};

/// Heights between the checkpoint and the first block of the new log: many more than the old seats can have decided
/// without certifying them.
pub(super) const HEIGHTS_AHEAD: u64 = 1 << 20;
/// Numbers of ceremonies left out, of which the old seats may have held some that nobody else knows.
pub(super) const EPOCHS_AHEAD: u64 = 1 << 10;

/// Words for recovery plans after one checkpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    checkpoint: Option<ContentId>,
    plans: BTreeMap<ContentId, RecoveryPlan>,
    /// Who has spoken, by place, and for what; none for two plans at once.
    said: BTreeMap<u32, Option<ContentId>>,
}

/// A committee that members have seated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The plan.
    pub plan: RecoveryPlan,
    /// The plan's name, which stands for the block before the first of the new log.
    pub id: ContentId,
    /// The checkpoint that the words are about.
    pub checkpoint: Checkpoint,
    /// The number of the first ceremonies.
    pub epoch: u64,
}

/// How many have spoken for a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryView {
    /// The plan, by its name.
    pub id: ContentId,
    /// Who is to sit.
    pub seats: Vec<PublicKey>,
    /// How many have spoken for it.
    pub have: u32,
    /// How many must.
    pub need: u32,
}

impl Recovered {
    /// Returns the height before the first of the new log.
    pub const fn height(&self) -> u64 {
        self.checkpoint.height.saturating_add(HEIGHTS_AHEAD)
    }
}

impl Words {
    /// Takes the word of a member about the plans after a checkpoint; returns whether its plan has enough.
    pub(super) fn hear(
        &mut self,
        mesh: &ContentId,
        author: &PublicKey,
        checkpoint: &Checkpoint,
        word: &RecoveryWord,
    ) -> Result<bool, ()> {
        let electorate = &checkpoint.electorate;
        if word.placed.elector.key != *author || !stands(&word.placed, electorate) {
            return Err(());
        }
        if self.checkpoint != Some(word.plan.checkpoint) {
            *self = Self {
                checkpoint: Some(word.plan.checkpoint),
                ..Self::default()
            };
        }
        let id = word.plan.id(mesh);
        let said = self.said.entry(word.placed.place).or_insert(Some(id));
        if *said != Some(id) {
            *said = None;
        }
        self.plans.entry(id).or_insert_with(|| word.plan.clone());
        Ok(self.count(&id) >= needed(checkpoint))
    }

    fn count(&self, id: &ContentId) -> u32 {
        let said = self.said.values();
        let said = said.filter(|said| **said == Some(*id));
        u32::try_from(said.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn plan(&self, id: &ContentId) -> Option<&RecoveryPlan> {
        self.plans.get(id)
    }

    pub(super) fn view(&self, checkpoint: &Checkpoint) -> Vec<RecoveryView> {
        let plans = self
            .plans
            .iter()
            .filter(|_| self.checkpoint == Some(checkpoint.id()));
        plans
            .map(|(id, plan)| RecoveryView {
                id: *id,
                seats: plan.seats.clone(),
                have: self.count(id),
                need: needed(checkpoint),
            })
            .collect()
    }
}

/// Returns how many words seat a committee: two thirds, rounded up, of those who counted.
fn needed(checkpoint: &Checkpoint) -> u32 {
    let count = checkpoint.electorate.count;
    (count - count / 3).max(1)
}
