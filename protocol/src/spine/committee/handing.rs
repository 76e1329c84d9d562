//! How the committee passes to new seats: plans, ceremonies among the new seats, and the certificate of the old ones.
//!
//! ```text
//! plans --a quorum of seats approves--> keys being made --keys--> to be certified --certificate--> handed over
//!                                             |
//!                                             +-- failed, or too long: the old epoch stays in force
//! ```
//!
//! From the height at which the new keys are made nothing more is admitted or certified by the old ones but the
//! hand-over itself. So what the old keys have signed lies at or below that height, and the certificate says so.
//!
//! *How much may change at once.* Of `n` seats at most `⌊(n−1)/3⌋` leave, and of the new ones at most as many of their
//! number are newcomers. So those who stay are a quorum of the old seats and of the new ones: nobody new is needed
//! for the log to go on, and two blocks at one height would need a seat that stays to sign both.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{
    Seats,
    making::{Keys, Making},
};
use crate::{
    core::time::{Millis, Wall},
    wire::{HandOver, NextCommittee, SeatsPlan, Statement},
};

/// Longest time that the keys of a hand-over may take, real time; then the old epoch stays in force.
pub(super) const MAKING_KEYS_MAX: Millis = Millis::from_mins(10);
/// How often the ceremonies of one hand-over are held before it is given up.
pub(super) const TRIES_MAX: u8 = 3;
/// Plans of one epoch that one seat may approve of: bounds what a hostile seat can have all others keep.
const APPROVALS_MAX: usize = 4;

/// A plan that waits for more approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenPlan {
    /// Who is to sit.
    pub plan: SeatsPlan,
    /// Seats whose persons approve.
    pub by: BTreeSet<PublicKey>,
}

/// Plans that wait. A seat approves of a plan once and for all, so that saying its word again changes nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plans {
    #[serde(with = "crate::core::pairs")]
    open: BTreeMap<ContentId, OpenPlan>,
}

impl Plans {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ContentId, &OpenPlan)> {
        self.open.iter()
    }

    pub(super) fn may_approve(&self, id: &ContentId, by: &PublicKey) -> bool {
        let approved = self.open.values().filter(|open| open.by.contains(by));
        let knows = self.open.get(id).is_some_and(|open| open.by.contains(by));
        !knows && approved.count() < APPROVALS_MAX
    }

    /// Takes an approval; returns how many there are now.
    pub(super) fn approve(&mut self, id: ContentId, plan: &SeatsPlan, by: PublicKey) -> usize {
        let open = self.open.entry(id).or_insert_with(|| OpenPlan {
            plan: plan.clone(),
            by: BTreeSet::new(),
        });
        open.by.insert(by);
        open.by.len()
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

/// Says why seats cannot follow others.
///
/// # Errors
///
/// Returns what is wrong with them, in words.
pub(super) fn check_change(old: &Seats, new: &[PublicKey]) -> Result<Seats, String> {
    let seats = Seats::new(new.to_vec()).filter(|seats| seats.keys() == new);
    let Some(seats) = seats else {
        return Err(format!(
            "{} seats, each named once and in order, make no committee: 4 to 31 do",
            new.len()
        ));
    };
    let leave = old.keys().iter().filter(|key| !seats.contains(key)).count();
    if leave > old.faulty_max() {
        return Err(format!(
            "{leave} seats leave at once, at most {} of {} may: those who stay must be a quorum",
            old.faulty_max(),
            old.len()
        ));
    }
    let come = seats.keys().iter().filter(|key| !old.contains(key)).count();
    if come > seats.faulty_max() {
        return Err(format!(
            "{come} of {} seats are new, at most {} may be: those who stay must be a quorum",
            seats.len(),
            seats.faulty_max()
        ));
    }
    Ok(seats)
}

/// A hand-over under way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handing {
    pub(super) seats: Seats,
    pub(super) making: Making,
    pub(super) begun: Wall,
    pub(super) tries: u8,
    /// The keys and the height at which they were made.
    pub(super) made: Option<(Box<Keys>, u64)>,
}

impl Handing {
    /// Returns who comes, once their keys are made.
    pub(super) fn next(&self) -> Option<NextCommittee> {
        let (keys, _) = self.made.as_ref()?;
        Some(NextCommittee {
            keys: keys.public(),
            seats: self.seats.keys().to_vec(),
        })
    }

    /// Returns what the old seats are to certify, once the keys are made.
    pub(super) fn statement(&self) -> Option<Statement> {
        let (_, height) = self.made.as_ref()?;
        Some(Statement::HandOver(HandOver {
            height: *height,
            next: self.next()?.id(),
        }))
    }
}

/// How far a hand-over is, for whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandingView {
    /// The epoch that is to begin.
    pub epoch: u64,
    /// Its seats.
    pub seats: Vec<PublicKey>,
    /// Whether its keys are made, and only the old seats' certificate is missing.
    pub is_made: bool,
}

/// What the log tells about seats and keys as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeatNews {
    /// A seat approves of new seats.
    Approved {
        /// The plan.
        plan: ContentId,
        /// Whose word.
        by: PublicKey,
        /// How many approve, and how many must.
        approvals: (u32, u32),
    },
    /// New seats make their keys.
    Begun {
        /// The epoch that is to begin.
        epoch: u64,
        /// How many seats it has.
        seats: u32,
    },
    /// Somebody did not do its part in making the keys.
    LeftOut {
        /// Who.
        who: PublicKey,
        /// What is missing or wrong.
        why: String,
    },
    /// No keys came of it; tried again or given up.
    Failed {
        /// The epoch that did not begin.
        epoch: u64,
        /// Whether it is tried again.
        again: bool,
    },
    /// Members have seated a new committee in place of a lost one.
    Recovered {
        /// How many seats it has.
        seats: u32,
    },
    /// New keys are in force.
    HandedOver {
        /// The epoch.
        epoch: u64,
        /// How many seats it has.
        seats: u32,
    },
}

impl std::fmt::Display for SeatNews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Approved {
                plan,
                by,
                approvals: (have, need),
            } => write!(f, "{by} approves of the seats {plan}: {have} of {need}"),
            Self::Begun { epoch, seats } => {
                write!(f, "{seats} seats make the keys of epoch {epoch}")
            }
            Self::LeftOut { who, why } => write!(f, "{who} {why}"),
            Self::Failed { epoch, again: true } => {
                write!(f, "no keys came of epoch {epoch}; they are made again")
            }
            Self::Failed {
                epoch,
                again: false,
            } => write!(
                f,
                "no keys came of epoch {epoch}; the seats stay as they are"
            ),
            Self::Recovered { seats } => {
                write!(f, "members have seated a new committee of {seats}")
            }
            Self::HandedOver { epoch, seats } => {
                write!(f, "epoch {epoch} with {seats} seats is in force")
            }
        }
    }
}
