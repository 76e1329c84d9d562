//! What a final verdict takes from somebody, and for how long.
//!
//! *Suspended*: nothing that the key writes about others has effect, it is not drawn, not counted, and may hold no seat
//! anew. *On probation*: local acts only, no invites, and no seat anew. *Removed*: no member any more, for good. Whoever
//! votes in a running vote goes on doing so: no sentence changes a running electorate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::Penalty;
use crate::core::time::{Millis, Wall};

const DAY: Millis = Millis::from_mins(24 * 60);

/// What follows from a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Mesh time at which it begins.
    pub from: Wall,
    /// Mesh time until which the key is suspended, if it is.
    pub suspended_until: Option<Wall>,
    /// Whether the member is removed for good.
    pub removed: bool,
    /// What is to be paid to the common fund, x0.
    pub fine_x0: u64,
    /// Whether what was taken is to be deleted.
    pub deletion: bool,
    /// Mesh time until which the key is on probation, if it is; after a suspension.
    pub probation_until: Option<Wall>,
    /// Whether the case is referred to whoever is in charge outside the mesh.
    pub public_referral: bool,
}

/// Why a key may not do something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It is suspended.
    Suspended {
        /// Mesh time until which it is.
        until: Wall,
    },
    /// It is on probation.
    Probation {
        /// Mesh time until which it is.
        until: Wall,
    },
    /// It was removed.
    Removed,
}

impl core::fmt::Display for Barred {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Suspended { until } => {
                write!(f, "is suspended by a verdict until mesh time {until}")
            }
            Self::Probation { until } => write!(
                f,
                "is on probation until mesh time {until}: it may change its own node only, invite nobody and hold no seat"
            ),
            Self::Removed => f.write_str("was removed from the mesh by a verdict"),
        }
    }
}

impl Sentence {
    /// Returns what a penalty comes to if it begins at a moment of mesh time.
    pub fn of(penalty: Penalty, from: Wall) -> Self {
        let Penalty {
            ban_days,
            removal,
            fine_x0,
            deletion,
            probation_days,
            public_referral,
        } = penalty;
        let days = |days: u64| Millis(DAY.0.saturating_mul(days));
        let banned = (ban_days > 0).then(|| from + days(ban_days));
        let free = banned.unwrap_or(from);
        Self {
            from,
            suspended_until: banned,
            removed: removal,
            fine_x0,
            deletion,
            probation_until: (probation_days > 0).then(|| free + days(probation_days)),
            public_referral,
        }
    }

    fn bars(&self, time: Wall) -> Option<Barred> {
        if self.removed {
            return Some(Barred::Removed);
        }
        if time < self.from {
            return None;
        }
        let lasts = |until: &Wall| time < *until;
        let suspended = self.suspended_until.filter(lasts);
        let suspended = suspended.map(|until| Barred::Suspended { until });
        let probation = self.probation_until.filter(lasts);
        suspended.or_else(|| probation.map(|until| Barred::Probation { until }))
    }

    /// Tells whether it bars nobody from anything any more.
    pub fn is_over(&self, time: Wall) -> bool {
        !self.removed && self.changes().all(|at| at <= time)
    }

    fn changes(&self) -> impl Iterator<Item = Wall> {
        let ends = self.suspended_until.into_iter().chain(self.probation_until);
        ends.chain([self.from])
    }
}

/// The sentences of all, by key and case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sentences {
    #[serde(with = "crate::core::pairs")]
    of: BTreeMap<(PublicKey, ContentId), Sentence>,
}

impl Sentences {
    /// Takes a sentence; tells whether it is news.
    pub fn pass(&mut self, accused: PublicKey, case: ContentId, sentence: Sentence) -> bool {
        self.of.insert((accused, case), sentence) != Some(sentence)
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Returns the sentences of a key, by case.
    pub fn of(&self, key: &PublicKey) -> impl Iterator<Item = (&ContentId, &Sentence)> {
        let (first, last) = (
            ContentId::from_digest([0; 32]),
            ContentId::from_digest([0xff; 32]),
        );
        let of = self.of.range((*key, first)..=(*key, last));
        of.map(|((_, case), sentence)| (case, sentence))
    }

    /// Tells whether a sentence is known as it is.
    pub fn has(&self, accused: PublicKey, case: ContentId, sentence: &Sentence) -> bool {
        self.of.get(&(accused, case)) == Some(sentence)
    }

    /// Iterates over all: whose, in which case, what.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, ContentId, Sentence)> {
        let of = self.of.iter();
        of.map(|((key, case), sentence)| (*key, *case, *sentence))
    }

    /// Returns what bars a key at a moment of mesh time; of several the hardest, and of those the longest.
    pub fn barred(&self, key: &PublicKey, time: Wall) -> Option<Barred> {
        let barred = self.of(key).filter_map(|(_, sentence)| sentence.bars(time));
        barred.max_by_key(|barred| match barred {
            Barred::Removed => (2, Wall(0)),
            Barred::Suspended { until } => (1, *until),
            Barred::Probation { until } => (0, *until),
        })
    }

    /// Tells whether a key is out of all that concerns others at a moment of mesh time: suspended or removed.
    pub fn is_out(&self, key: &PublicKey, time: Wall) -> bool {
        match self.barred(key, time) {
            Some(Barred::Suspended { .. } | Barred::Removed) => true,
            Some(Barred::Probation { .. }) | None => false,
        }
    }

    /// Returns when something begins or ends next.
    pub fn changes_after(&self, time: Wall) -> Option<Wall> {
        let changes = self.of.values().flat_map(Sentence::changes);
        changes.filter(|at| *at > time).min()
    }

    /// Forgets what is over.
    pub fn forget(&mut self, time: Wall) {
        self.of.retain(|_, sentence| !sentence.is_over(time));
    }
}
