//! The members as the committee log knows them, and those of them who count.
//!
//! Each node learns of members when gossip reaches it; for shares and draws all must count alike, so the seats
//! agree on the list. Those who count are members of a certain age and founders, from one first-level invite subtree the
//! eldest first and not many more than from others ([`most_of_one`]): so that whoever invites many gains little.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use crate::{
    charter::violation::{Barred, Sentence, Sentences},
    core::time::{Millis, Wall},
    spine::audit::tree::{Frontier, Hash, inclusion_proof, leaf_hash},
    wire::{Elector, Electorate, MemberChange, MemberFacts, Placed, Targets, encode_entry},
};

/// A subtree may always count for one in so many of those who count, whatever the size of the others.
const SUBTREE_PARTS: usize = 10;

/// The members, and since when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    #[serde(with = "shared")]
    all: Arc<BTreeMap<PublicKey, MemberFacts>>,
    age: Millis,
    /// Who is suspended, on probation or removed by a verdict.
    #[serde(default)]
    sentences: Sentences,
    #[serde(skip)]
    roll: Option<(Wall, Arc<Roll>)>,
}

/// Serde for what many peers of one process may share.
mod shared {
    use std::{collections::BTreeMap, sync::Arc};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_bytes::{ByteBuf, Bytes};
    use x0_crypto::PublicKey;

    use crate::{
        core::{
            packed::{Packer, Unpacker},
            time::Wall,
        },
        wire::MemberFacts,
    };

    type All = BTreeMap<PublicKey, MemberFacts>;

    /// Key, since when, subtree, whether a founder and whether it serves, and the length of the region.
    const ROW_BYTES: usize = 32 + 8 + 32 + 1 + 8;

    pub(super) fn serialize<S: Serializer>(all: &Arc<All>, to: S) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(all.len(), ROW_BYTES + 8);
        for (key, facts) in all.iter() {
            let MemberFacts {
                since,
                subtree,
                region,
                founder,
                serves,
            } = facts;
            packer.fixed(key.bytes());
            packer.u64(since.0);
            packer.fixed(subtree.bytes());
            packer.u8(u8::from(*founder) | u8::from(*serves) << 1);
            // No region has an empty name.
            let region = region.as_ref().map_or("", |region| region.as_str());
            packer.bytes(region.as_bytes());
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<All>, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let rows = Unpacker::new(&bytes).list(ROW_BYTES, |from| {
            let key = PublicKey::from_bytes(&from.fixed()?).ok()?;
            let since = Wall(from.u64()?);
            let subtree = PublicKey::from_bytes(&from.fixed()?).ok()?;
            let flags = from.u8()?;
            if flags > 0b11 {
                return None;
            }
            let region = match core::str::from_utf8(from.bytes()?).ok()? {
                "" => None,
                region => Some(region.parse().ok()?),
            };
            let facts = MemberFacts {
                since,
                subtree,
                region,
                founder: flags & 0b01 != 0,
                serves: flags & 0b10 != 0,
            };
            Some((key, facts))
        });
        let rows = rows.ok_or_else(|| D::Error::custom("the list of members is damaged"))?;
        Ok(Arc::new(rows.into_iter().collect()))
    }
}

/// Serde for those who count at the opening of a vote.
pub(super) mod rolls {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_bytes::{ByteBuf, Bytes};
    use x0_crypto::PublicKey;

    use super::Roll;
    use crate::{
        core::packed::{Packer, Unpacker},
        wire::Elector,
    };

    /// Key and subtree.
    const ROW_BYTES: usize = 32 + 32;

    pub(crate) fn serialize<S: Serializer>(roll: &Arc<Roll>, to: S) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(roll.electors.len(), ROW_BYTES);
        for Elector { key, subtree } in &roll.electors {
            packer.fixed(key.bytes());
            packer.fixed(subtree.bytes());
        }
        Bytes::new(&packer.finish()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Roll>, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let electors = Unpacker::new(&bytes).list(ROW_BYTES, |from| {
            Some(Elector {
                key: PublicKey::from_bytes(&from.fixed()?).ok()?,
                subtree: PublicKey::from_bytes(&from.fixed()?).ok()?,
            })
        });
        let electors = electors.ok_or_else(|| D::Error::custom("the electorate is damaged"))?;
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
            sentences: Sentences::default(),
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

    /// Returns the sentences that verdicts have come to.
    pub(super) const fn sentences(&self) -> &Sentences {
        &self.sentences
    }

    /// Takes note of a sentence: who is suspended counts no more and is not drawn.
    pub(super) fn sentence(&mut self, accused: PublicKey, case: ContentId, sentence: Sentence) {
        self.sentences.pass(accused, case, sentence);
        self.roll = None;
    }

    /// Forgets sentences that are over.
    pub(super) fn forget_sentences(&mut self, time: Wall) {
        self.sentences.forget(time);
    }

    /// Returns what bars a key now.
    pub(super) fn barred(&self, key: &PublicKey, time: Wall) -> Option<Barred> {
        self.sentences.barred(key, time)
    }

    /// Tells whether a key is suspended or removed.
    pub(super) fn is_out(&self, key: &PublicKey, time: Wall) -> bool {
        self.sentences.is_out(key, time)
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
            .chain(self.sentences.changes_after(time))
            .min()
            .unwrap_or(Wall(u64::MAX));
        let of_age = self.all.iter().filter(|(_, facts)| counts(facts));
        let of_age = of_age.filter(|(key, _)| !self.sentences.is_out(key, time));
        let roll = Arc::new(Roll::new(of_age.map(|(key, facts)| (*key, facts))));
        self.roll = Some((until, roll.clone()));
        roll
    }
}

impl Roll {
    fn new<'a>(members: impl Iterator<Item = (PublicKey, &'a MemberFacts)>) -> Self {
        let mut subtrees: BTreeMap<PublicKey, Vec<(Wall, PublicKey)>> = BTreeMap::new();
        for (key, facts) in members {
            let subtree = subtrees.entry(facts.subtree).or_default();
            subtree.push((facts.since, key));
        }
        let most = most_of_one(subtrees.values().map(Vec::len).collect());
        let mut electors = Vec::new();
        for (subtree, mut inside) in subtrees {
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

/// Returns how many of one first-level invite subtree count at most, by the sizes of all of them.
///
/// The larger of two bounds, neither of which a subtree can raise by growing:
///
/// - a tenth of those who count when every subtree counts for no more than that. Who floods a subtree does not raise it,
///   as nobody beyond it counts, and several who do hold a tenth each at most;
/// - the size of the largest subtree but the largest third. As long as at most a third of the subtrees flood it is not
///   above the size of an honest one. It lets members of a mesh of few subtrees count, where nobody could have a tenth.
fn most_of_one(mut sizes: Vec<usize>) -> usize {
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let usual = sizes.get(sizes.len() / 3).copied().unwrap_or_default();
    let counted = |most: usize| sizes.iter().map(|size| *size.min(&most)).sum::<usize>();
    // What all count for together rises ever slower with the bound, so that the tenth is met up to one bound and not after.
    let largest = sizes.first().copied().unwrap_or_default();
    let (mut met, mut missed) = (usual.max(1), largest + 1);
    while met + 1 < missed {
        let most = met.midpoint(missed);
        match most * SUBTREE_PARTS <= counted(most) {
            true => met = most,
            false => missed = most,
        }
    }
    met
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
    use proptest::prelude::*;
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
            serves: false,
        };
        let all: BTreeMap<_, _> = (0..count).map(|n| (key(n), facts(n))).collect();
        Roll::new(all.iter().map(|(key, facts)| (*key, facts)))
    }

    #[test]
    fn the_eldest_of_a_subtree_count() {
        let alone = roll_of(50, None).electorate();
        assert_eq!((alone.count, alone.subtrees), (50, 50));
        let member = |number: u16| {
            let facts = MemberFacts {
                since: Wall(u64::from(number)),
                subtree: key(number.min(40)),
                region: None,
                founder: false,
                serves: false,
            };
            (key(number), facts)
        };
        let all: BTreeMap<_, _> = (0..1_000).map(member).collect();

        let flooded = Roll::new(all.iter().map(|(key, facts)| (*key, facts)));

        let counted = flooded.electorate();
        assert_eq!((counted.count, counted.subtrees), (44, 41));
        let counts = (40..1_000).filter(|number| flooded.place_of(&key(*number)).is_some());
        assert_eq!(counts.collect::<Vec<_>>(), [40, 41, 42, 43]);
    }

    #[test]
    fn most_of_one_subtree_by_the_others() {
        // Nobody is left out where subtrees are alike, few or many.
        assert_eq!(most_of_one(vec![7; 4]), 7);
        assert_eq!(most_of_one(vec![50; 300]), 50);
        assert_eq!(most_of_one(Vec::new()), 1);
        // Four founders by themselves, and six whom they invited and who each brought fifty.
        assert_eq!(most_of_one([vec![1; 4], vec![50; 6]].concat()), 50);
        // One that brings a thousand into a mesh of few, and into one of many.
        assert_eq!(most_of_one(vec![25, 1_000, 25, 25]), 25);
        assert_eq!(most_of_one([vec![1; 90], vec![1_000]].concat()), 10);
    }

    proptest! {
        /// However large a third of the subtrees make themselves, each of them is no larger than an honest one may be,
        /// or a tenth of those who count.
        #[test]
        fn floods_gain_no_weight(
            honest in proptest::collection::vec(1_usize..200, 3..60),
            floods in proptest::collection::vec(1_usize..1_000_000, 1..30),
        ) {
            let floods = &floods[..floods.len().min(honest.len() / 2)];
            let usual = honest.iter().copied().max().unwrap();
            let sizes = [honest, floods.to_vec()].concat();

            let most = most_of_one(sizes.clone());

            let counted: usize = sizes.iter().map(|size| *size.min(&most)).sum();
            prop_assert!(most <= usual || most * SUBTREE_PARTS <= counted, "{most} of {counted}, usual {usual}");
        }

        /// Nobody can be left out without need: one more each would give one more than a tenth.
        #[test]
        fn nobody_is_left_out_without_need(sizes in proptest::collection::vec(1_usize..500, 1..60)) {
            let most = most_of_one(sizes.clone());

            let one_more: usize = sizes.iter().map(|size| *size.min(&(most + 1))).sum();
            let is_all = sizes.iter().all(|size| *size <= most);
            prop_assert!(is_all || (most + 1) * SUBTREE_PARTS > one_more);
        }
    }

    #[test]
    fn members_count_when_they_are_of_age_and_founders_at_once() {
        let facts = |since, founder| MemberFacts {
            since: Wall(since),
            subtree: key(0),
            region: None,
            founder,
            serves: false,
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
