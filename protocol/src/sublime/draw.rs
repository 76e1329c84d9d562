//! Who guards an item: members who serve, drawn so that no corner of the mesh holds it alone.
//!
//! Whoever serves is put in an order that a hash says, over a seed that nobody chose, the item's key and the member's. The
//! order is gone through up to three times: first for members of other invite subtrees *and* other regions than those
//! already drawn, then for other subtrees, then for anybody. So guardians are as diverse as those who serve allow, and
//! [`Drawn::diverse`] says how far that went.
//!
//! The owner picks the item's key and could look for one that draws its friends. The draw does not protect an item from
//! its owner; it keeps everybody else from choosing whose shares they hold.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use x0_crypto::{PublicKey, sublime::AccessStructure};

use crate::{
    core::limits::{GUARDIANS_DRAWN, GUARDIANS_MIN, GUARDIANS_NEEDED},
    wire::Region,
};

/// A member who serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub key: PublicKey,
    /// Its first-level invite subtree.
    pub subtree: PublicKey,
    /// Its region, if it picked one.
    pub region: Option<Region>,
}

/// Who was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The guardians; they keep the shares from 1 in this order.
    pub guardians: Vec<PublicKey>,
    /// Others in the order in which they stand in for who does not take its share.
    pub stand_ins: Vec<PublicKey>,
    /// How many shares of how many are to open the item.
    pub access: AccessStructure,
    /// How many invite subtrees the guardians come from.
    pub subtrees: usize,
}

impl Drawn {
    /// Tells whether no two guardians came in through the same first-level invite.
    pub fn diverse(&self) -> bool {
        self.subtrees == self.guardians.len()
    }
}

/// Returns how many shares of how many open an item where so many members serve; none if they are too few.
///
/// 3 of 10 from ten on, 3 of all from five, else 2.
pub fn shares(serving: usize) -> Option<AccessStructure> {
    let count = u8::try_from(serving).map_or(GUARDIANS_DRAWN, |few| few.min(GUARDIANS_DRAWN));
    let needed = match count {
        ..GUARDIANS_MIN => return None,
        GUARDIANS_MIN..5 => GUARDIANS_NEEDED - 1,
        5.. => GUARDIANS_NEEDED,
    };
    AccessStructure::new(needed, count).ok()
}

/// Draws the guardians of an item; none if too few serve.
pub fn draw(seed: &[u8; 32], item: &PublicKey, candidates: Vec<Candidate>) -> Option<Drawn> {
    let access = shares(candidates.len())?;
    let mut left = candidates;
    left.sort_by_cached_key(|candidate| rank(seed, item, &candidate.key));
    let mut chosen = Chosen::default();
    for strict in [Strict::SubtreeAndRegion, Strict::Subtree, Strict::No] {
        left.retain(|candidate| {
            let is_full = chosen.guardians.len() >= usize::from(access.shares());
            is_full || !chosen.take(candidate, strict)
        });
    }
    Some(Drawn {
        subtrees: chosen.subtrees.len(),
        guardians: chosen.guardians,
        stand_ins: left.into_iter().map(|candidate| candidate.key).collect(),
        access,
    })
}

fn rank(seed: &[u8; 32], item: &PublicKey, member: &PublicKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"x0/guardians/1\0")
        .chain_update(seed)
        .chain_update(item.bytes())
        .chain_update(member.bytes())
        .finalize()
        .into()
}

#[derive(Clone, Copy)]
enum Strict {
    SubtreeAndRegion,
    Subtree,
    No,
}

#[derive(Default)]
struct Chosen {
    guardians: Vec<PublicKey>,
    subtrees: BTreeSet<PublicKey>,
    regions: BTreeSet<Region>,
}

impl Chosen {
    fn take(&mut self, candidate: &Candidate, strict: Strict) -> bool {
        let is_new_subtree = !self.subtrees.contains(&candidate.subtree);
        let region = candidate.region.as_ref();
        let is_new_region = region.is_some_and(|region| !self.regions.contains(region));
        let fits = match strict {
            Strict::SubtreeAndRegion => is_new_subtree && is_new_region,
            Strict::Subtree => is_new_subtree,
            Strict::No => true,
        };
        if fits {
            self.guardians.push(candidate.key);
            self.subtrees.insert(candidate.subtree);
            self.regions.extend(candidate.region.clone());
        }
        fits
    }
}

#[cfg(test)]
mod tests;
