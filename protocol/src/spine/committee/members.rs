//! The members as the committee log knows them, and those of them who count.
//!
//! Each node learns of members when gossip reaches it; for shares and draws all must count alike, so the seats
//! agree on the list. Those who count are members of a certain age and founders, at most a tenth of them from one
//! first-level invite subtree, the eldest first: so that whoever invites many gains little.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{PublicKey, capability::ShareBp};

use crate::{
    core::time::{Millis, Wall},
    spine::audit::tree::{Frontier, Hash, inclusion_proof, leaf_hash},
    wire::{Elector, Electorate, MemberChange, MemberFacts, Placed, Targets, encode_entry},
};

/// The most of those who count that may stand in one first-level invite subtree.
const SUBTREE_SHARE: ShareBp = ShareBp::from_percent(10);

/// The members, and since when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    #[serde(with = "shared")]
    all: Arc<BTreeMap<PublicKey, MemberFacts>>,
    age: Millis,
    #[serde(skip)]
    roll: Option<(Wall, Arc<Roll>)>,
}

/// Serde for what many peers of one process may share.
mod shared {
    use std::{collections::BTreeMap, sync::Arc};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use x0_crypto::PublicKey;

    use crate::wire::MemberFacts;

    type All = BTreeMap<PublicKey, MemberFacts>;

    pub(super) fn serialize<S: Serializer>(all: &Arc<All>, to: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<_> = all.iter().collect();
        rows.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<All>, D::Error> {
        let rows = Vec::<(PublicKey, MemberFacts)>::deserialize(from)?;
        Ok(Arc::new(rows.into_iter().collect()))
    }
}

/// Serde for those who count at the opening of a vote.
pub(super) mod rolls {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Roll;
    use crate::wire::Elector;

    pub(crate) fn serialize<S: Serializer>(roll: &Arc<Roll>, to: S) -> Result<S::Ok, S::Error> {
        roll.electors.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Roll>, D::Error> {
        let electors = Vec::<Elector>::deserialize(from)?;
        Ok(Arc::new(Roll::of_electors(electors)))
    }
}

/// Those who count, in order of key, as the leaves of a Merkle tree.
#[derive(Debug)]
pub struct Roll {
    electors: Vec<Elector>,
    leaves: Vec<Hash>,
    electorate: Electorate,
}

impl Members {
    pub(super) fn new(all: Arc<BTreeMap<PublicKey, MemberFacts>>, age: Millis) -> Self {
        Self {
            all,
            age,
            roll: None,
        }
    }

    /// Returns what is known of a member.
    pub(super) fn facts(&self, key: &PublicKey) -> Option<&MemberFacts> {
        self.all.get(key)
    }

    /// Iterates over the members, in order of key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.all.keys()
    }

    /// Counts the members, whether they count yet or not.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn apply(&mut self, change: &MemberChange) {
        let all = Arc::make_mut(&mut self.all);
        match &change.facts {
            Some(facts) => all.insert(change.key, facts.clone()),
            None => all.remove(&change.key),
        };
        self.roll = None;
    }

    /// Returns the nodes that targets name; strangers stay among them, so that nothing is won by naming them.
    pub(super) fn touched(&self, targets: &Targets) -> Vec<PublicKey> {
        match targets {
            Targets::Nodes(nodes) => nodes.clone(),
            Targets::Region(region) => {
                let inside = self.all.iter();
                let inside = inside.filter(|(_, facts)| facts.region.as_ref() == Some(region));
                inside.map(|(key, _)| *key).collect()
            }
            Targets::All => self.all.keys().copied().collect(),
        }
    }

    /// Returns those who count as they were last asked for.
    pub(super) fn counted(&self) -> Option<&Arc<Roll>> {
        self.roll.as_ref().map(|(_, roll)| roll)
    }

    /// Returns those who count at a moment; the list is made anew only when it may have changed.
    pub(super) fn roll(&mut self, time: Wall) -> Arc<Roll> {
        if let Some((until, roll)) = self.roll.as_ref().filter(|(until, _)| time < *until) {
            debug_assert!(time < *until, "a list is used while it holds");
            return roll.clone();
        }
        let counts = |facts: &MemberFacts| facts.founder || facts.since + self.age <= time;
        let until = self
            .all
            .values()
            .filter(|facts| !counts(facts))
            .map(|facts| facts.since + self.age)
            .min()
            .unwrap_or(Wall(u64::MAX));
        let of_age = self.all.iter().filter(|(_, facts)| counts(facts));
        let roll = Arc::new(Roll::new(of_age.map(|(key, facts)| (*key, facts))));
        self.roll = Some((until, roll.clone()));
        roll
    }
}

impl Roll {
    fn new<'a>(members: impl Iterator<Item = (PublicKey, &'a MemberFacts)>) -> Self {
        let mut subtrees: BTreeMap<PublicKey, Vec<(Wall, PublicKey)>> = BTreeMap::new();
        let mut total = 0_u32;
        for (key, facts) in members {
            total += 1;
            let subtree = subtrees.entry(facts.subtree).or_default();
            subtree.push((facts.since, key));
        }
        let most = usize::try_from(SUBTREE_SHARE.nodes_of(total).max(1)).unwrap_or(usize::MAX);
        let mut electors = Vec::new();
        for (subtree, mut inside) in subtrees.clone() {
            inside.sort_unstable();
            let counted = inside.into_iter().take(most);
            electors.extend(counted.map(|(_, key)| Elector { key, subtree }));
        }
        electors.sort_unstable();
        Self::of_electors(electors)
    }

    /// Takes those who count as somebody names them, in order of key; whether they are those shows by the root.
    pub fn of_electors(electors: Vec<Elector>) -> Self {
        let subtrees: BTreeSet<_> = electors.iter().map(|elector| elector.subtree).collect();
        let leaves: Vec<_> = electors.iter().map(leaf).collect();
        let frontier: Frontier = leaves.iter().copied().collect();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            electorate: Electorate {
                root: frontier.root(),
                count: count(electors.len()),
                subtrees: count(subtrees.len()),
            },
            electors,
            leaves,
        }
    }

    /// Lists those of the members who count at a moment.
    pub(crate) fn counted(
        members: impl Iterator<Item = (PublicKey, MemberFacts)>,
        age: Millis,
        time: Wall,
    ) -> Arc<Self> {
        Members::new(Arc::new(members.collect()), age).roll(time)
    }

    /// Returns who stands at a place.
    pub(crate) fn elector(&self, place: u32) -> Option<&Elector> {
        self.electors.get(usize::try_from(place).ok()?)
    }

    /// Returns the root and the numbers.
    pub const fn electorate(&self) -> Electorate {
        self.electorate
    }

    /// Returns those who count, in order of key.
    pub fn electors(&self) -> &[Elector] {
        &self.electors
    }

    /// Finds the place of a member.
    pub fn place_of(&self, key: &PublicKey) -> Option<u32> {
        let place = self
            .electors
            .binary_search_by_key(key, |elector| elector.key);
        u32::try_from(place.ok()?).ok()
    }

    /// Returns a member's place with the proof of it, or those between which it would stand.
    pub fn around(&self, key: &PublicKey) -> Vec<Placed> {
        let place = self
            .electors
            .binary_search_by_key(key, |elector| elector.key);
        let (first, last) = match place {
            Ok(at) => (at, at),
            Err(at) => (at.saturating_sub(1), at),
        };
        let places = (first..=last).filter_map(|at| u32::try_from(at).ok());
        places.filter_map(|at| self.placed(at)).collect()
    }

    /// Returns who stands at a place, with the proof of it.
    pub fn placed(&self, place: u32) -> Option<Placed> {
        let elector = *self.electors.get(usize::try_from(place).ok()?)?;
        let size = u64::from(self.electorate.count);
        Some(Placed {
            place,
            elector,
            proof: inclusion_proof(&self.leaves, place.into(), size)?,
        })
    }
}

/// Returns those of some members who count at a moment.
pub(crate) fn roll_at(
    members: Arc<BTreeMap<PublicKey, MemberFacts>>,
    age: Millis,
    time: Wall,
) -> Arc<Roll> {
    Members::new(members, age).roll(time)
}

/// Returns a member's leaf in the tree.
pub(crate) fn leaf(elector: &Elector) -> Hash {
    leaf_hash(&encode_entry(elector))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use zeroize::Zeroizing;

    use x0_crypto::Identity;

    use super::*;

    pub(crate) fn key(number: u16) -> PublicKey {
        let [a, b] = number.to_be_bytes();
        let mut seed = [7; 32];
        (seed[0], seed[1]) = (a, b);
        Identity::from_seed(Zeroizing::new(seed)).public()
    }

    /// Members who each stand in a subtree of their own, or all in that of one.
    pub(crate) fn roll_of(count: u16, head: Option<u16>) -> Roll {
        let facts = |number: u16| MemberFacts {
            since: Wall(u64::from(number)),
            subtree: key(head.unwrap_or(number)),
            region: None,
            founder: false,
        };
        let all: BTreeMap<_, _> = (0..count).map(|n| (key(n), facts(n))).collect();
        Roll::new(all.iter().map(|(key, facts)| (*key, facts)))
    }

    #[test]
    fn whoever_invites_many_counts_for_a_tenth_at_most() {
        let alone = roll_of(50, None);
        assert_eq!(alone.electorate().count, 50);
        assert_eq!(alone.electorate().subtrees, 50);
        let flood = roll_of(50, Some(3));
        assert_eq!(flood.electorate().count, 5);
        assert_eq!(flood.electorate().subtrees, 1);
        assert!(flood.place_of(&key(0)).is_some(), "the eldest count");
    }

    #[test]
    fn members_count_when_they_are_of_age_and_founders_at_once() {
        let facts = |since, founder| MemberFacts {
            since: Wall(since),
            subtree: key(0),
            region: None,
            founder,
        };
        let all = [(key(1), facts(0, true)), (key(2), facts(100, false))];
        let spread = |all: [(PublicKey, MemberFacts); 2]| {
            let mut own = all.map(|(key, facts)| {
                (
                    key,
                    MemberFacts {
                        subtree: key,
                        ..facts
                    },
                )
            });
            own.sort_by_key(|(key, _)| *key);
            own.into_iter().collect()
        };
        let mut members = Members::new(Arc::new(spread(all)), Millis(50));
        assert_eq!(members.roll(Wall(120)).electorate().count, 1);
        assert_eq!(members.roll(Wall(149)).electorate().count, 1);
        assert_eq!(members.roll(Wall(150)).electorate().count, 2);
        members.apply(&MemberChange {
            key: key(2),
            facts: None,
        });
        assert_eq!(members.roll(Wall(150)).electorate().count, 1);
    }

    #[test]
    fn every_place_is_proven_against_the_root() {
        let roll = roll_of(13, None);
        let electorate = roll.electorate();
        for place in 0..13 {
            let placed = roll.placed(place).unwrap();
            let leaf = leaf(&placed.elector);
            placed
                .proof
                .verify(leaf, place.into(), 13, electorate.root)
                .unwrap();
            assert_eq!(roll.place_of(&placed.elector.key), Some(place));
        }
        assert_eq!(roll.placed(13), None);
    }
}
