//! The Merkle tree of an append-only log (RFC 9162 §2.1, SHA-256).
//!
//! A log is named by its size and root. [`Frontier`] keeps just enough hashes to append and to tell
//! the root; an [`InclusionProof`] shows that an entry stands in the log at an index, a
//! [`ConsistencyProof`] that a later log begins with an earlier one. Whoever verifies needs only
//! the size and root of a head that it trusts.
//!
//! Proofs are made from the leaf hashes, which the log's owner keeps: making one hashes them all
//! (0.2 s for 1,000,000), checking one takes at most 128 hashes. This module neither stores nor
//! signs anything, and a size is to be believed only together with the root it was signed with:
//! some proofs fit several sizes.
//!
//! The crate `ct-merkle` is not used: it keeps every entry in memory, checks proofs of whole
//! entries but not of leaf hashes, and has no append-only state of O(log n).

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest proof and frontier that is decoded, in hashes: one for each level of the largest tree.
pub const PROOF_HASHES_MAX: usize = 64;

/// Largest number of leaves of a tree: no log comes near it, and proofs fit [`PROOF_HASHES_MAX`].
pub const TREE_LEAVES_MAX: u64 = 1 << 62;

/// Prefix of a leaf's preimage (RFC 9162 §2.1.1).
const LEAF_PREFIX: u8 = 0x00;

/// Prefix of an inner node's preimage (RFC 9162 §2.1.1).
const NODE_PREFIX: u8 = 0x01;

/// A SHA-256 hash of a leaf, an inner node or a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Hashes an entry of the log into its leaf.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([LEAF_PREFIX])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// The append-only state of a tree: its size and the roots of its complete subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedFrontier")]
pub struct Frontier {
    size: u64,
    /// One for each bit of the size that is set, largest subtree first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Appends a leaf and returns its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        let index = self.size;
        // Each trailing one bit of the size is a subtree that the new leaf doubles.
        let first_merged = self.peaks.len() - index.trailing_ones() as usize;
        let merged = self
            .peaks
            .drain(first_merged..)
            .rev()
            .fold(leaf, |right, left| node_hash(left, right));
        self.peaks.push(merged);
        self.size += 1;
        index
    }

    /// Returns the root of the tree; for the empty tree the hash of nothing (RFC 9162 §2.1.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or_else(empty_root)
    }

    /// Returns the number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut frontier = Self::default();
        for leaf in leaves {
            frontier.append(leaf);
        }
        frontier
    }
}

/// Why a proof does not prove what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// No tree has these sizes or this index; the question is wrong, whatever the proof.
    #[error(
        "the index or the older size lies beyond the log of {size} entries; \
         compare with the head that the proof was made for"
    )]
    OutOfRange {
        /// Size of the (newer) log in leaves.
        size: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error(
        "a proof of {hashes} hashes does not fit logs of these sizes; \
         ask the log's owner for it again"
    )]
    WrongLength {
        /// Number of hashes in the proof.
        hashes: usize,
    },
    /// The proof leads to another root: it, the leaf or a root is not genuine.
    #[error(
        "the proof leads to another root than the signed head; \
         treat the log as altered and ask a second witness"
    )]
    RootMismatch,
}

/// The hashes that lead from a leaf to the root, from the bottom up (RFC 9162 §2.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InclusionProof {
    #[serde(deserialize_with = "bounded_hashes")]
    path: Vec<Hash>,
}

/// Makes the proof that leaf `index` stands in the tree of the first `size` leaves, or `None` if it
/// does not.
#[must_use]
pub fn inclusion_proof(leaves: &[Hash], index: u64, size: u64) -> Option<InclusionProof> {
    let mut rest = leaves.get(..usize::try_from(size).ok()?)?;
    let mut index = usize::try_from(index)
        .ok()
        .filter(|index| *index < rest.len())?;
    let mut path = Vec::new();
    while rest.len() > 1 {
        let (left, right) = rest.split_at(left_leaves(rest.len()));
        if index < left.len() {
            path.push(root_of(right));
            rest = left;
        } else {
            path.push(root_of(left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(InclusionProof { path })
}

/// Makes the proofs that the leaves at some places, in rising order, stand in the tree of the first `size` leaves;
/// `None` if one does not. Hashes the tree once, however many are asked for.
#[must_use]
pub fn inclusion_proofs(leaves: &[Hash], places: &[u64], size: u64) -> Option<Vec<InclusionProof>> {
    let leaves = leaves.get(..usize::try_from(size).ok()?)?;
    let places: Vec<_> = places
        .iter()
        .map(|place| usize::try_from(*place).ok())
        .collect::<Option<_>>()?;
    let is_inside = places.last().is_none_or(|last| *last < leaves.len());
    if !is_inside || !places.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let mut paths = vec![Vec::new(); places.len()];
    if !places.is_empty() {
        climb_all(leaves, 0, &places, &mut paths);
    }
    let proofs = paths.into_iter().map(|path| InclusionProof { path });
    Some(proofs.collect())
}

/// Returns the root of a subtree that begins at a place, and adds to the paths of the leaves in it what its two
/// halves are to each other.
fn climb_all(leaves: &[Hash], begin: usize, places: &[usize], paths: &mut [Vec<Hash>]) -> Hash {
    if places.is_empty() || leaves.len() == 1 {
        return root_of(leaves);
    }
    let (left, right) = leaves.split_at(left_leaves(leaves.len()));
    let middle = begin + left.len();
    let of_left = places.partition_point(|place| *place < middle);
    let (left_places, right_places) = places.split_at(of_left);
    let (left_paths, right_paths) = paths.split_at_mut(of_left);
    let left_root = climb_all(left, begin, left_places, left_paths);
    let right_root = climb_all(right, middle, right_places, right_paths);
    left_paths.iter_mut().for_each(|path| path.push(right_root));
    right_paths.iter_mut().for_each(|path| path.push(left_root));
    node_hash(left_root, right_root)
}

impl InclusionProof {
    /// Reads a proof from its hashes, from the bottom up; `None` if they are more than a proof may have.
    #[must_use]
    pub fn from_hashes(path: Vec<Hash>) -> Option<Self> {
        (path.len() <= PROOF_HASHES_MAX).then_some(Self { path })
    }

    /// Returns the hashes, from the bottom up.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.path
    }

    /// Verifies that `leaf` is number `index` (from 0) in the tree of `size` leaves with this `root`
    /// (RFC 9162 §2.1.3.2).
    ///
    /// # Errors
    /// Says whether there is no such index, the proof does not fit the size, or the root differs.
    pub fn verify(&self, leaf: Hash, index: u64, size: u64, root: Hash) -> Result<(), ProofError> {
        if index >= size || size > TREE_LEAVES_MAX {
            return Err(ProofError::OutOfRange { size });
        }
        let wrong_length = ProofError::WrongLength {
            hashes: self.path.len(),
        };
        let mut climb = Climb {
            node: index,
            last: size - 1,
        };
        let mut hash = leaf;
        for sibling in &self.path {
            hash = match climb.step().ok_or(wrong_length)? {
                Side::Left => node_hash(*sibling, hash),
                Side::Right => node_hash(hash, *sibling),
            };
        }
        climb.at_root().then_some(()).ok_or(wrong_length)?;
        (hash == root).then_some(()).ok_or(ProofError::RootMismatch)
    }
}

/// The hashes that lead from a common subtree to both an older and a newer root (RFC 9162 §2.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsistencyProof {
    #[serde(deserialize_with = "bounded_hashes")]
    path: Vec<Hash>,
}

/// Makes the proof that the tree of the first `new` leaves begins with that of the first `old`, or
/// `None` if there are no such trees; it is empty when the sizes are equal or the older tree is.
#[must_use]
pub fn consistency_proof(leaves: &[Hash], old: u64, new: u64) -> Option<ConsistencyProof> {
    let mut rest = leaves.get(..usize::try_from(new).ok()?)?;
    let mut old = usize::try_from(old).ok().filter(|old| *old <= rest.len())?;
    let mut path = Vec::new();
    if old == 0 {
        return Some(ConsistencyProof { path });
    }
    let mut verifier_knows_rest = true;
    while old != rest.len() {
        let (left, right) = rest.split_at(left_leaves(rest.len()));
        if old <= left.len() {
            path.push(root_of(right));
            rest = left;
        } else {
            path.push(root_of(left));
            old -= left.len();
            rest = right;
            verifier_knows_rest = false;
        }
    }
    if !verifier_knows_rest {
        path.push(root_of(rest));
    }
    path.reverse();
    Some(ConsistencyProof { path })
}

impl ConsistencyProof {
    /// Returns the proof that a log begins with itself.
    #[must_use]
    pub const fn none() -> Self {
        Self { path: Vec::new() }
    }

    /// Reads a proof from its hashes; `None` if they are more than a proof may have.
    #[must_use]
    pub fn from_hashes(path: Vec<Hash>) -> Option<Self> {
        (path.len() <= PROOF_HASHES_MAX).then_some(Self { path })
    }

    /// Returns the hashes.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.path
    }

    /// Verifies that the tree `(new_size, new_root)` begins with the tree `(old_size, old_root)`
    /// (RFC 9162 §2.1.4.2).
    ///
    /// # Errors
    /// Says whether the older tree is larger, the proof does not fit the sizes, or a root differs.
    pub fn verify(
        &self,
        old_size: u64,
        old_root: Hash,
        new_size: u64,
        new_root: Hash,
    ) -> Result<(), ProofError> {
        if old_size > new_size || new_size > TREE_LEAVES_MAX {
            return Err(ProofError::OutOfRange { size: new_size });
        }
        let wrong_length = ProofError::WrongLength {
            hashes: self.path.len(),
        };
        if old_size == 0 || old_size == new_size {
            self.path.is_empty().then_some(()).ok_or(wrong_length)?;
            let known = if old_size == 0 {
                empty_root()
            } else {
                new_root
            };
            return (old_root == known)
                .then_some(())
                .ok_or(ProofError::RootMismatch);
        }

        // The climb starts at the largest complete subtree that ends the older tree.
        let levels = (old_size - 1).trailing_ones();
        let mut climb = Climb {
            node: (old_size - 1) >> levels,
            last: (new_size - 1) >> levels,
        };
        let (start, siblings) = if old_size.is_power_of_two() {
            (old_root, self.path.as_slice())
        } else {
            let (first, others) = self.path.split_first().ok_or(wrong_length)?;
            (*first, others)
        };
        let (mut old_hash, mut new_hash) = (start, start);
        for sibling in siblings {
            match climb.step().ok_or(wrong_length)? {
                Side::Left => {
                    old_hash = node_hash(*sibling, old_hash);
                    new_hash = node_hash(*sibling, new_hash);
                }
                Side::Right => new_hash = node_hash(new_hash, *sibling),
            }
        }
        climb.at_root().then_some(()).ok_or(wrong_length)?;
        (old_hash == old_root && new_hash == new_root)
            .then_some(())
            .ok_or(ProofError::RootMismatch)
    }
}

/// The side on which a sibling stands.
enum Side {
    Left,
    Right,
}

/// A way up the tree: the number of a node on its level, and that of the last node there (`fn` and
/// `sn` in RFC 9162).
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up past one sibling and says on which side it stands, or `None` above the root.
    fn step(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level without sibling is carried up until it has one.
            let carried = self.node.trailing_zeros();
            self.up(carried);
            Side::Left
        } else {
            Side::Right
        };
        self.up(1);
        Some(side)
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }

    fn up(&mut self, levels: u32) {
        self.node >>= levels;
        self.last >>= levels;
    }
}

fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut preimage = [NODE_PREFIX; 65];
    preimage[1..33].copy_from_slice(&left.0);
    preimage[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(preimage).into())
}

fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

fn root_of(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<Frontier>().root()
}

/// Returns how many of `leaves` (two or more) stand in the left subtree: the largest power of two
/// below their number.
fn left_leaves(leaves: usize) -> usize {
    1 << (leaves - 1).ilog2()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A frontier as it is read, before its parts are known to fit each other.
#[derive(Deserialize)]
struct UncheckedFrontier {
    size: u64,
    #[serde(deserialize_with = "bounded_hashes")]
    peaks: Vec<Hash>,
}

impl TryFrom<UncheckedFrontier> for Frontier {
    type Error = String;

    fn try_from(UncheckedFrontier { size, peaks }: UncheckedFrontier) -> Result<Self, String> {
        if size >= TREE_LEAVES_MAX || peaks.len() != size.count_ones() as usize {
            let peaks = peaks.len();
            return Err(format!(
                "a log of {size} entries cannot have {peaks} peaks; restore it from its records"
            ));
        }
        Ok(Self { size, peaks })
    }
}

/// Reads at most [`PROOF_HASHES_MAX`] hashes and reserves no room on the sender's word.
fn bounded_hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
    struct Hashes;

    impl<'de> Visitor<'de> for Hashes {
        type Value = Vec<Hash>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {PROOF_HASHES_MAX} hashes of 32 bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut hashes = Vec::new();
            while let Some(hash) = sequence.next_element()? {
                if hashes.len() == PROOF_HASHES_MAX {
                    return Err(A::Error::invalid_length(PROOF_HASHES_MAX + 1, &self));
                }
                hashes.push(hash);
            }
            Ok(hashes)
        }
    }

    deserializer.deserialize_seq(Hashes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    /// Entries, and the roots after each, of the test tree of Certificate Transparency's own code.
    const REFERENCE: [(&str, &str); 8] = [
        (
            "",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            "00",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        ),
        (
            "10",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ),
        (
            "2021",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
        (
            "3031",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        ),
        (
            "40414243",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        ),
        (
            "5051525354555657",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        ),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    #[test]
    fn roots_are_those_of_the_reference_tree() {
        let mut frontier = Frontier::default();
        assert_eq!(
            frontier.root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        for (index, (entry, root)) in (0..).zip(REFERENCE) {
            assert_eq!(frontier.append(leaf_hash(&unhex(entry))), index);
            assert_eq!(frontier.root().to_string(), root);
            assert_eq!(frontier.size(), index + 1);
        }
    }

    proptest! {
        #[test]
        fn proofs_made_together_are_those_made_one_by_one(
            size in 1_usize..70,
            picked in prop::collection::btree_set(0_u64..70, 0..12),
        ) {
            let leaves: Vec<_> = (0..70_u8).map(|entry| leaf_hash(&[entry])).collect();
            let places: Vec<_> = picked.into_iter().collect();
            let one_by_one: Option<Vec<_>> = places
                .iter()
                .map(|place| inclusion_proof(&leaves, *place, size as u64))
                .collect();
            prop_assert_eq!(inclusion_proofs(&leaves, &places, size as u64), one_by_one);
        }
    }

    #[test]
    fn proofs_are_those_of_the_reference_tree() {
        let leaves: Vec<Hash> = REFERENCE
            .iter()
            .map(|(entry, _)| leaf_hash(&unhex(entry)))
            .collect();

        let first = inclusion_proof(&leaves, 0, 8).unwrap();
        let sixth = inclusion_proof(&leaves, 5, 8).unwrap();
        let alone = inclusion_proof(&leaves, 0, 1).unwrap();
        let six_to_eight = consistency_proof(&leaves, 6, 8).unwrap();
        let two_to_five = consistency_proof(&leaves, 2, 5).unwrap();

        assert_eq!(
            hex(&first.path),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hex(&sixth.path),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert!(alone.path.is_empty());
        assert_eq!(
            hex(&six_to_eight.path),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hex(&two_to_five.path),
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ]
        );
    }

    #[test]
    fn consistency_of_all_small_trees_is_proved_and_nothing_else_is() {
        let leaves = numbered_leaves(40);
        let roots: Vec<Hash> = (0..=40).map(|size| defined_root(&leaves[..size])).collect();
        for (new, new_root) in (0..=40).zip(&roots) {
            for (old, old_root) in (0..=new).zip(&roots) {
                let proof = consistency_proof(&leaves, old, new).unwrap();
                assert_eq!(
                    proof.verify(old, *old_root, new, *new_root),
                    Ok(()),
                    "{old} of {new}"
                );
                assert!(
                    proof.verify(old, other(*old_root), new, *new_root).is_err(),
                    "{old} of {new}"
                );
                // Of an empty older tree every tree is a continuation, whatever its root.
                assert_eq!(
                    proof.verify(old, *old_root, new, other(*new_root)).is_ok(),
                    old == 0,
                    "{old} of {new}"
                );
                for altered in alterations(&proof.path) {
                    let altered = ConsistencyProof { path: altered };
                    assert!(
                        altered.verify(old, *old_root, new, *new_root).is_err(),
                        "{old} of {new}"
                    );
                }
            }
            assert_eq!(consistency_proof(&leaves, new + 1, new), None);
        }
        assert_eq!(consistency_proof(&leaves, 1, 41), None);
    }

    #[test]
    fn inclusion_in_all_small_trees_is_proved_and_nothing_else_is() {
        let leaves = numbered_leaves(40);
        for size in 0..=40 {
            let root = defined_root(&leaves[..size as usize]);
            for (index, leaf) in (0..size).zip(&leaves) {
                let proof = inclusion_proof(&leaves, index, size).unwrap();
                assert_eq!(
                    proof.verify(*leaf, index, size, root),
                    Ok(()),
                    "{index} of {size}"
                );
                for elsewhere in (0..=size).filter(|elsewhere| *elsewhere != index) {
                    assert!(
                        proof.verify(*leaf, elsewhere, size, root).is_err(),
                        "{index} of {size}"
                    );
                }
            }
            assert_eq!(inclusion_proof(&leaves, size, size), None);
        }
        assert_eq!(inclusion_proof(&leaves, 0, 41), None);
    }

    #[test]
    fn verifying_against_absurd_sizes_is_an_error() {
        let hash = leaf_hash(b"leaf");
        for hashes in 0..=PROOF_HASHES_MAX {
            let path = vec![hash; hashes];
            let inclusion = InclusionProof { path: path.clone() };
            let consistency = ConsistencyProof { path };
            for size in [TREE_LEAVES_MAX, TREE_LEAVES_MAX + 1, u64::MAX] {
                assert!(inclusion.verify(hash, size - 1, size, hash).is_err());
                assert!(inclusion.verify(hash, size, size, hash).is_err());
                assert!(consistency.verify(size - 1, hash, size, hash).is_err());
                assert!(consistency.verify(size, hash, size - 1, hash).is_err());
            }
        }
    }

    #[test]
    fn decoding_refuses_long_proofs_and_unfit_frontiers() {
        let hashes = numbered_leaves(PROOF_HASHES_MAX + 1);
        let longest = serde_ipld_dagcbor::to_vec(&hashes[1..]).unwrap();
        let too_long = serde_ipld_dagcbor::to_vec(&hashes).unwrap();

        let decoded: InclusionProof = serde_ipld_dagcbor::from_slice(&longest).unwrap();
        assert_eq!(decoded.path, hashes[1..]);
        assert!(serde_ipld_dagcbor::from_slice::<InclusionProof>(&too_long).is_err());
        assert!(serde_ipld_dagcbor::from_slice::<ConsistencyProof>(&too_long).is_err());

        // An array that claims 2^60 hashes and holds none.
        let boast = [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert!(serde_ipld_dagcbor::from_slice::<InclusionProof>(&boast).is_err());

        for (size, peaks) in [(0, 1), (2, 2), (3, 1), (TREE_LEAVES_MAX, 1), (u64::MAX, 64)] {
            let unfit = Frontier {
                size,
                peaks: hashes[..peaks].to_vec(),
            };
            let bytes = serde_ipld_dagcbor::to_vec(&unfit).unwrap();
            assert!(
                serde_ipld_dagcbor::from_slice::<Frontier>(&bytes).is_err(),
                "{size} with {peaks} peaks"
            );
        }
    }

    #[test]
    fn an_empty_frontier_is_small_enough_for_every_simulated_peer() {
        assert!(size_of::<Frontier>() <= 64);
        assert_eq!(Frontier::default().peaks.capacity(), 0);
    }

    proptest! {
        #[test]
        fn a_frontier_has_the_root_of_the_definition_and_survives_storage(size in 0_usize..600) {
            let leaves = numbered_leaves(size);
            let frontier: Frontier = leaves.iter().copied().collect();
            prop_assert_eq!(frontier.root(), defined_root(&leaves));
            prop_assert!(frontier.peaks.len() <= 10);

            let bytes = serde_ipld_dagcbor::to_vec(&frontier).unwrap();
            prop_assert_eq!(serde_ipld_dagcbor::from_slice::<Frontier>(&bytes).unwrap(), frontier);
        }

        #[test]
        fn an_inclusion_proof_verifies_and_its_alterations_do_not(
            size in 1_usize..600,
            at in any::<prop::sample::Index>(),
        ) {
            let leaves = numbered_leaves(size);
            let (leaf, root) = (*at.get(&leaves), defined_root(&leaves));
            let (index, size) = (at.index(size) as u64, size as u64);

            let proof = inclusion_proof(&leaves, index, size).unwrap();

            let mismatch = Err(ProofError::RootMismatch);
            prop_assert_eq!(proof.verify(leaf, index, size, root), Ok(()));
            prop_assert_eq!(proof.verify(other(leaf), index, size, root), mismatch);
            prop_assert_eq!(proof.verify(leaf, index, size, other(root)), mismatch);
            for path in alterations(&proof.path) {
                let altered = InclusionProof { path };
                prop_assert!(altered.verify(leaf, index, size, root).is_err());
            }
        }

        #[test]
        fn a_consistency_proof_verifies_and_its_alterations_do_not(
            a in 1_usize..600,
            b in 1_usize..600,
        ) {
            prop_assume!(a != b);
            let leaves = numbered_leaves(a.max(b));
            let old_root = defined_root(&leaves[..a.min(b)]);
            let new_root = defined_root(&leaves);
            let (old, new) = (a.min(b) as u64, a.max(b) as u64);

            let proof = consistency_proof(&leaves, old, new).unwrap();

            let mismatch = Err(ProofError::RootMismatch);
            prop_assert_eq!(proof.verify(old, old_root, new, new_root), Ok(()));
            prop_assert_eq!(proof.verify(old, other(old_root), new, new_root), mismatch);
            prop_assert_eq!(proof.verify(old, old_root, new, other(new_root)), mismatch);
            for path in alterations(&proof.path) {
                let altered = ConsistencyProof { path };
                prop_assert!(altered.verify(old, old_root, new, new_root).is_err());
            }
        }
    }

    /// The root by the recursive definition of RFC 9162 §2.1.1.
    fn defined_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let left = leaves.len().next_power_of_two() / 2;
                node_hash(defined_root(&leaves[..left]), defined_root(&leaves[left..]))
            }
        }
    }

    /// The path with each hash altered, each one left out, and one too many at either end.
    fn alterations(path: &[Hash]) -> Vec<Vec<Hash>> {
        let mut altered = Vec::new();
        for at in 0..path.len() {
            let mut changed = path.to_vec();
            changed[at] = other(changed[at]);
            let mut shorter = path.to_vec();
            shorter.remove(at);
            altered.extend([changed, shorter]);
        }
        let extra = leaf_hash(b"extra");
        altered.push([&[extra], path].concat());
        altered.push([path, &[extra]].concat());
        altered
    }

    fn other(Hash(mut bytes): Hash) -> Hash {
        bytes[31] ^= 1;
        Hash(bytes)
    }

    fn numbered_leaves(count: usize) -> Vec<Hash> {
        (0..count as u64)
            .map(|number| leaf_hash(&number.to_be_bytes()))
            .collect()
    }

    fn hex(hashes: &[Hash]) -> Vec<String> {
        hashes.iter().map(Hash::to_string).collect()
    }

    fn unhex(digits: &str) -> Vec<u8> {
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }
}
