//! Overrides that wait to be told to all.
//!
//! An override stays only if a quorum of seats says within its notice that it has the act as a record, as it is told to
//! all; else it lapses on every node by itself. Which seats have said so counts as of the seats that sit when it is said.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::Seats;
use crate::core::{limits::OVERRIDES_OPEN_MAX, time::Wall};

/// The overrides that are still to be told to all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OpenOverrides(
    #[serde(with = "crate::core::pairs")] BTreeMap<ContentId, OpenOverride>,
);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenOverride {
    until: Wall,
    heard: BTreeSet<PublicKey>,
}

impl OpenOverrides {
    /// Tells whether one more may be admitted.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < OVERRIDES_OPEN_MAX
    }

    /// Takes in an override that was just admitted.
    pub(super) fn open(&mut self, act: ContentId, until: Wall) {
        let heard = BTreeSet::new();
        self.0.insert(act, OpenOverride { until, heard });
    }

    /// Tells whether a seat's word that it has heard of an override would be news, and in time.
    pub(super) fn lacks(&self, act: &ContentId, by: &PublicKey, time: Wall) -> bool {
        let open = self.0.get(act);
        open.is_some_and(|open| open.until > time && !open.heard.contains(by))
    }

    /// Takes note of a seat's word; `true` once a quorum has said so, with which the override is open no more.
    pub(super) fn hear(&mut self, act: ContentId, by: PublicKey, seats: &Seats) -> bool {
        let Some(open) = self.0.get_mut(&act) else {
            return false;
        };
        open.heard.insert(by);
        let is_told = seats.is_quorum(open.heard.iter().filter(|seat| seats.contains(seat)));
        if is_told {
            self.0.remove(&act);
        }
        is_told
    }

    /// Returns the overrides of which a seat has not said that it heard.
    pub(super) fn unheard(&self, by: PublicKey, time: Wall) -> impl Iterator<Item = &ContentId> {
        let open = self.0.iter();
        let open = open.filter(move |(_, open)| open.until > time && !open.heard.contains(&by));
        open.map(|(act, _)| act)
    }

    /// Forgets those whose time is over.
    pub(super) fn forget(&mut self, time: Wall) {
        self.0.retain(|_, open| open.until > time);
    }
}
