//! The counted ballots in order of voter, under a Merkle tree whose nodes carry the sums.
//!
//! Each member has at most one [`Leaf`], and a leaf holds everything that says why it counts: the signed ballot, or
//! the signed delegation, or two ballots that void each other. A delegate's weight is therefore not a number
//! that somebody states but the number of leaves that name it.
//!
//! The tree has the shape of RFC 9162 (§2.1). A [`Node`] is a hash and the [`Sums`] of the leaves below it; the
//! hash of an inner node covers hashes *and* sums of both its children (a Merkle-sum tree), so that a path shows
//! the whole count to add up along it. The sums include the number of leaves: a path tells by itself which leaf
//! it belongs to.
//!
//! [`TallyBuilder`] needs memory for one node of each level; [`Tree`] keeps all nodes and makes paths.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, PublicKey, committee::ThresholdSignature};

use super::terms::{Electorate, Outcome};
use crate::{
    core::{
        limits::{PAGE_LEAVES_MAX, TALLY_PATH_MAX},
        time::Wall,
    },
    spine::audit::tree::Hash,
    wire::{Ballot, Choice, Delegation, encode_entry},
};

/// Leaves below the root of a page.
const PAGE_LEAVES: u64 = PAGE_LEAVES_MAX as u64;

/// Begins what is hashed into a leaf; names the form, so that no other hash of the protocol equals it.
const LEAF_DOMAIN: &[u8] = b"x0/tally/leaf/1\0";

/// Begins what is hashed into an inner node.
const NODE_DOMAIN: &[u8] = b"x0/tally/node/1\0";

/// What is hashed into the root of no leaves.
const EMPTY_DOMAIN: &[u8] = b"x0/tally/empty/1\0";

/// Why a member stands in the tally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Cast {
    /// It voted itself.
    Own {
        /// Its ballot.
        ballot: Ballot,
        /// For a sealed ballot: the committee's signature that opens it.
        opening: Option<ThresholdSignature>,
    },
    /// It did not, and its delegate did.
    Delegated {
        /// What it signed.
        delegation: Delegation,
    },
    /// It signed two different ballots with the same number, and neither counts.
    Double {
        /// The one with the lower id.
        first: Ballot,
        /// The other.
        second: Ballot,
    },
}

/// What one member comes to in a tally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Why it stands here.
    pub cast: Cast,
    /// As what it counts; nothing for a double ballot and for one that does not open.
    pub counted: Option<Choice>,
}

/// How many leaves lie below a node, and as what they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Votes for the proposal.
    pub yes: u64,
    /// Votes against it.
    pub no: u64,
    /// Votes for neither.
    pub abstain: u64,
    /// All leaves, counted or not.
    pub leaves: u64,
}

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Covers everything below.
    pub hash: Hash,
    /// What everything below adds up to.
    pub sums: Sums,
}

/// The result of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// What was voted on.
    pub proposal: ContentId,
    /// The root of the tree.
    pub root: Hash,
    /// The sums at the root.
    pub sums: Sums,
}

/// What a committee certifies of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyStatement {
    /// The mesh.
    pub mesh: ContentId,
    /// Who could vote.
    pub electorate: Electorate,
    /// The mesh time of the close: receipts from before it oblige.
    pub closed: Wall,
    /// The seats whose lists were counted: bit `i` stands for the seat at place `i`, in order of key.
    pub lists: u32,
    /// The count.
    pub tally: Tally,
    /// What it comes to.
    pub outcome: Outcome,
    /// The height of the committee log at which it was counted: the keys of that time verify it.
    pub height: u64,
}

/// On which side of the way up a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before it.
    Left,
    /// After it.
    Right,
}

/// The nodes beside the way from a node up to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(Vec<(Side, Node)>);

/// Reports a leaf that does not come after all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{voter} does not come after the voter before; add leaves in rising order of voter")]
pub struct OutOfOrder {
    /// Whose leaf.
    pub voter: PublicKey,
}

/// Counts leaves as they come; keeps one node of each level. Read back from the own store only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyBuilder {
    last: Option<PublicKey>,
    /// The roots of the complete subtrees, largest first: one for each bit of the number of leaves.
    peaks: Vec<Node>,
    /// The roots of the complete pages of leaves.
    pages: Vec<Node>,
}

/// A whole tree: every level from the leaves up to the root.
///
/// As somebody claims it, or as it is: [`Tree::of`] makes one whose hashes and sums are right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree {
    /// A last node without sibling stands again, unchanged, one level up.
    levels: Vec<Vec<Node>>,
}

impl Leaf {
    /// Returns whose leaf it is.
    pub const fn voter(&self) -> PublicKey {
        match &self.cast {
            Cast::Own { ballot, .. } => ballot.voter,
            Cast::Delegated { delegation } => delegation.member,
            Cast::Double { first, .. } => first.voter,
        }
    }

    /// Returns what the leaf adds to the count.
    pub fn sums(&self) -> Sums {
        let one = |choice| u64::from(self.counted == Some(choice));
        Sums {
            yes: one(Choice::Yes),
            no: one(Choice::No),
            abstain: one(Choice::Abstain),
            leaves: 1,
        }
    }

    /// Returns the leaf as a node of the tree.
    pub fn node(&self) -> Node {
        let hash = Sha256::new()
            .chain_update(LEAF_DOMAIN)
            .chain_update(encode_entry(self))
            .finalize();
        Node {
            hash: Hash(hash.into()),
            sums: self.sums(),
        }
    }
}

impl Sums {
    /// Returns the number of ballots cast: yes, no and abstain.
    pub const fn cast(&self) -> u64 {
        self.yes
            .saturating_add(self.no)
            .saturating_add(self.abstain)
    }

    /// Adds two sums; none if one of the four does not fit its type, which no honest count comes near.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            yes: self.yes.checked_add(other.yes)?,
            no: self.no.checked_add(other.no)?,
            abstain: self.abstain.checked_add(other.abstain)?,
            leaves: self.leaves.checked_add(other.leaves)?,
        })
    }

    fn parts(&self) -> [u64; 4] {
        [self.yes, self.no, self.abstain, self.leaves]
    }
}

impl Node {
    /// Returns the root of no leaves.
    pub fn empty() -> Self {
        Self {
            hash: Hash(Sha256::digest(EMPTY_DOMAIN).into()),
            sums: Sums::default(),
        }
    }

    /// Hashes two nodes into the one above them.
    pub fn hash_of(left: &Self, right: &Self) -> Hash {
        let mut hash = Sha256::new_with_prefix(NODE_DOMAIN);
        for node in [left, right] {
            hash.update(node.hash.0);
            for part in node.sums.parts() {
                hash.update(part.to_be_bytes());
            }
        }
        Hash(hash.finalize().into())
    }

    /// Returns the sums of the node above two others; none if they cannot stand side by side, because they
    /// overflow or the left one is not the largest complete subtree that leaves something to the right.
    pub fn sums_of(left: &Self, right: &Self) -> Option<Sums> {
        let (left_leaves, right_leaves) = (left.sums.leaves, right.sums.leaves);
        let in_shape = left_leaves.is_power_of_two() && (1..=left_leaves).contains(&right_leaves);
        in_shape.then(|| left.sums.plus(&right.sums)).flatten()
    }

    /// Joins nodes of this module's own making, which fit.
    fn join(left: &Self, right: &Self) -> Self {
        Self {
            hash: Self::hash_of(left, right),
            sums: left.sums.plus(&right.sums).unwrap_or_default(),
        }
    }
}

impl TallyBuilder {
    /// Adds the next leaf.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`] if its voter does not come after the last one; the count stays as it was.
    pub fn push(&mut self, leaf: &Leaf) -> Result<(), OutOfOrder> {
        let voter = leaf.voter();
        if self.last.is_some_and(|last| last >= voter) {
            return Err(OutOfOrder { voter });
        }
        self.last = Some(voter);
        let mut node = leaf.node();
        self.note_page(&node);
        // Each complete subtree as large as the new one is doubled by it.
        while let Some(left) = self
            .peaks
            .pop_if(|left| left.sums.leaves == node.sums.leaves)
        {
            node = Node::join(&left, &node);
            self.note_page(&node);
        }
        self.peaks.push(node);
        Ok(())
    }

    fn note_page(&mut self, node: &Node) {
        if node.sums.leaves == PAGE_LEAVES {
            self.pages.push(*node);
        }
    }

    /// Returns the root of the leaves added so far.
    pub fn root(&self) -> Node {
        joined(&self.peaks).unwrap_or_else(Node::empty)
    }

    /// Returns the roots of the pages of leaves added so far, the last of which may be smaller.
    pub fn pages(&self) -> Vec<Node> {
        let small = self
            .peaks
            .partition_point(|peak| peak.sums.leaves >= PAGE_LEAVES);
        let mut pages = self.pages.clone();
        pages.extend(joined(&self.peaks[small..]));
        pages
    }

    /// Returns the tally of the leaves added so far.
    pub fn finish(&self, proposal: ContentId) -> Tally {
        let Node { hash, sums } = self.root();
        Tally {
            proposal,
            root: hash,
            sums,
        }
    }
}

/// Joins the roots of complete subtrees, largest first.
fn joined(peaks: &[Node]) -> Option<Node> {
    let peaks = peaks.iter().rev().copied();
    peaks.reduce(|right, left| Node::join(&left, &right))
}

/// Returns the root over the pages of a tally; none if they cannot stand side by side.
pub fn root_of_pages(pages: &[Node]) -> Option<Node> {
    let mut level = pages.to_vec();
    while level.len() > 1 {
        let above = level.chunks(2).map(|pair| match pair {
            [left, right] => Some(Node {
                sums: Node::sums_of(left, right)?,
                hash: Node::hash_of(left, right),
            }),
            carried => carried.first().copied(),
        });
        level = above.collect::<Option<_>>()?;
    }
    Some(level.first().copied().unwrap_or_else(Node::empty))
}

impl Tree {
    /// Builds the tree over these leaves, in their order.
    pub fn of(leaves: &[Leaf]) -> Self {
        let mut level: Vec<Node> = leaves.iter().map(Leaf::node).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => Node::join(left, right),
                carried => carried[0],
            });
            let above = above.collect();
            levels.push(core::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// Takes a tree as somebody claims it; whether its parts fit is found by [`super::fraud::find_fraud`].
    pub const fn claimed(levels: Vec<Vec<Node>>) -> Self {
        Self { levels }
    }

    /// Returns the levels, leaves first.
    pub fn levels(&self) -> &[Vec<Node>] {
        &self.levels
    }

    /// Returns the root.
    pub fn root(&self) -> Node {
        let top = self.levels.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(Node::empty)
    }

    /// Returns the path of leaf `index`; none if there is no such leaf.
    pub fn path(&self, index: usize) -> Option<Path> {
        self.path_from(0, index)
    }

    /// Returns the path of a node of some level; none if there is no such node.
    pub(super) fn path_from(&self, level: usize, mut index: usize) -> Option<Path> {
        self.levels.get(level)?.get(index)?;
        let mut path = Vec::new();
        for nodes in &self.levels[level..] {
            if index % 2 == 1 {
                path.push((Side::Left, *nodes.get(index - 1)?));
            } else if let Some(right) = nodes.get(index + 1) {
                path.push((Side::Right, *right));
            }
            index /= 2;
        }
        Some(Path(path))
    }
}

impl Path {
    /// Climbs from a node and returns the root it leads to, and how many leaves lie before the node.
    ///
    /// None if the path is too long or no tree has it.
    pub fn climb(&self, from: Node) -> Option<(Node, u64)> {
        if self.0.len() > TALLY_PATH_MAX {
            return None;
        }
        let (mut node, mut before) = (from, 0_u64);
        for (side, beside) in &self.0 {
            let (left, right) = match side {
                Side::Left => (beside, &node),
                Side::Right => (&node, beside),
            };
            if *side == Side::Left {
                before = before.checked_add(beside.sums.leaves)?;
            }
            node = Node {
                sums: Node::sums_of(left, right)?,
                hash: Node::hash_of(left, right),
            };
        }
        Some((node, before))
    }
}

impl Tally {
    /// Returns the root as a node.
    pub const fn node(&self) -> Node {
        Node {
            hash: self.root,
            sums: self.sums,
        }
    }
}

impl TallyStatement {
    /// Returns the name of the counted ballots: the content id of the root over them.
    pub const fn bundle(&self) -> ContentId {
        ContentId::from_digest(self.tally.root.0)
    }

    /// Returns the bytes that the committee signs as a certificate.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_entry(&("tally", self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{super::tests::leaves, *};

    fn rfc_root(nodes: &[Node]) -> Node {
        match nodes {
            [] => Node::empty(),
            [one] => *one,
            _ => {
                let (left, right) = nodes.split_at(1 << (nodes.len() - 1).ilog2());
                Node::join(&rfc_root(left), &rfc_root(right))
            }
        }
    }

    #[test]
    fn builder_tree_and_definition_give_the_same_root_at_every_size() {
        let all = leaves(33);
        let mut builder = TallyBuilder::default();
        for size in 0..=all.len() {
            let nodes: Vec<_> = all[..size].iter().map(Leaf::node).collect();
            assert_eq!(builder.root(), rfc_root(&nodes), "{size}");
            assert_eq!(builder.root(), Tree::of(&all[..size]).root(), "{size}");
            if let Some(next) = all.get(size) {
                builder.push(next).unwrap();
            }
        }
        assert!(builder.peaks.len() <= 6);
    }

    #[test]
    fn pages_are_parts_of_the_tree_and_lead_to_its_root() {
        let all = leaves(1_100);
        for size in [0, 1, 511, 512, 513, 1_024, 1_100] {
            let mut builder = TallyBuilder::default();
            for leaf in &all[..size] {
                builder.push(leaf).unwrap();
            }
            let pages = builder.pages();
            assert_eq!(root_of_pages(&pages), Some(builder.root()), "{size}");
            assert_eq!(pages.len(), size.div_ceil(512), "{size}");
            for (page, leaves) in pages.iter().zip(all[..size].chunks(512)) {
                assert_eq!(*page, Tree::of(leaves).root(), "{size}");
            }
        }
        let mut builder = TallyBuilder::default();
        for leaf in &all {
            builder.push(leaf).unwrap();
        }
        let mut pages = builder.pages();
        pages.swap(0, 2);
        assert_eq!(root_of_pages(&pages), None, "a small page stands last");
        pages.swap(0, 2);
        pages.swap(0, 1);
        assert_ne!(root_of_pages(&pages), Some(builder.root()));
    }

    #[test]
    fn leaves_out_of_order_are_refused() {
        let all = leaves(3);
        let mut builder = TallyBuilder::default();
        builder.push(&all[1]).unwrap();
        assert!(builder.push(&all[1]).is_err());
        assert!(builder.push(&all[0]).is_err());
        builder.push(&all[2]).unwrap();
        assert_eq!(builder.root(), Tree::of(&all[1..]).root());
    }

    #[test]
    fn a_path_leads_to_the_root_and_tells_the_place() {
        for size in 1..=20 {
            let all = leaves(size);
            let tree = Tree::of(&all);
            for (index, leaf) in all.iter().enumerate() {
                let path = tree.path(index).unwrap();
                assert_eq!(path.climb(leaf.node()), Some((tree.root(), index as u64)));
            }
            assert_eq!(tree.path(all.len()), None);
        }
    }

    #[test]
    fn the_hashes_are_pinned() {
        let tree = Tree::of(&leaves(3));
        assert_eq!(
            Node::empty().hash.to_string(),
            "5139ef7981f0d42a6bead1d22de2f53d1ccd54897a9db37cc5907207e1077dd9"
        );
        assert_eq!(
            tree.root().hash.to_string(),
            "adc185401bdae416122ee43e8dc7f6545abff81563d4d007860130d4753a74c3"
        );
    }

    proptest! {
        #[test]
        fn a_path_of_another_leaf_or_with_other_sums_leads_elsewhere(
            size in 2u16..24, a: prop::sample::Index, b: prop::sample::Index, more in 1u64..9,
        ) {
            let all = leaves(size);
            let tree = Tree::of(&all);
            let (a, b) = (a.index(all.len()), b.index(all.len()));
            let path = tree.path(a).unwrap();

            if a != b {
                let found = path.climb(all[b].node());
                prop_assert_ne!(found.map(|(root, _)| root), Some(tree.root()));
            }
            let mut other = path;
            let step = b % other.0.len();
            other.0[step].1.sums.yes += more;
            let found = other.climb(all[a].node());
            prop_assert_ne!(found.map(|(root, _)| root), Some(tree.root()));
        }
    }
}
