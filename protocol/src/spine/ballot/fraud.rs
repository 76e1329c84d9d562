//! Short proofs that a certified tally is false, and the recount that finds them.
//!
//! Whoever has the published leaves and tree of a tally can recount it ([`super::recount()`]). If the [`TallyStatement`] that the
//! committee certified does not follow from them, [`find_fraud`] makes a proof of a few kilobytes, which anybody
//! checks against the statement alone ([`Fraud::verify`]). No proof holds against an honest tally, if seats list
//! every ballot for which they gave a receipt.
//!
//! What is *not* provable in short: that a delegation was in force (only the log says what was committed before
//! what), that a delegated vote was left out, and that nobody publishes the leaves. The first two are found by
//! whoever follows the log, as its own poll comes to another root; for the third, a statement without leaves is
//! not to be acted on.
//!
//! A broken promise is enough, but only of seats whose lists were counted: if `2f+1` of them gave receipts for a
//! ballot before the close, `f+1` honest ones held it, and a ballot that `f+1` seats list counts. A seat that was cut
//! off at the close has broken no promise, and `f` hostile ones alone cannot void an honest count.

use serde::{Deserialize, Serialize};
use x0_crypto::PublicKey;

use super::{
    recount::{
        Basis, LeafFault, delegate_of, fault_of, first_fault, is_of_vote, signatures_hold,
        speaks_for,
    },
    tally::{Cast, Leaf, Node, Path, Sums, TallyStatement, Tree},
    terms::{Finality, Terms},
};
use crate::{
    core::limits::{FRAUD_BYTES_MAX, SEATS_MAX},
    wire::{Ballot, DecodeError, Receipt, VoteStatement, decode_entry, encode_entry},
};

/// A ballot, and the receipts that its voter has for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipted {
    /// The ballot.
    pub ballot: Ballot,
    /// The receipts.
    pub receipts: Vec<Receipt>,
}

/// A leaf and its way to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The leaf.
    pub leaf: Box<Leaf>,
    /// Its path.
    pub path: Path,
}

/// Where a member stands in a tally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Place {
    /// Here.
    Present(Placed),
    /// Nowhere: the tally is empty.
    Empty,
    /// Nowhere: this is the first leaf, and comes after it.
    BeforeFirst(Placed),
    /// Nowhere: it would stand between these two neighbours.
    Between(Placed, Placed),
    /// Nowhere: this is the last leaf, and comes before it.
    AfterLast(Placed),
}

/// A proof that a statement about a tally is false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Fraud {
    /// The statement contradicts the terms of the vote or itself.
    AgainstTerms,
    /// A node whose children do not add up to it.
    WrongSum {
        /// What it is said to add up to.
        claimed: Sums,
        /// Its left child.
        left: Node,
        /// Its right child.
        right: Node,
        /// Its way to the root.
        path: Path,
    },
    /// A leaf that does not count as stated, or not at all.
    WrongLeaf {
        /// What it is said to add.
        claimed: Sums,
        /// The leaf.
        placed: Placed,
    },
    /// Two neighbours of one voter or in the wrong order.
    DoubleVoter {
        /// One leaf.
        left: Placed,
        /// The next.
        right: Placed,
    },
    /// A member whose delegate did not vote, or voted otherwise.
    FalseProxy {
        /// The member's leaf.
        placed: Placed,
        /// Where its delegate stands.
        delegate: Place,
    },
    /// A ballot that enough of the seats whose lists were counted promised to list, and that does not count.
    LeftOut {
        /// The ballot and its receipts.
        receipted: Receipted,
        /// Where its voter stands.
        voter: Place,
    },
}

/// Why something is no proof of fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFraud {
    /// It is about another tree.
    #[error("the proof does not lead to the root of this statement")]
    OtherTree,
    /// What it shows is as it should be.
    #[error("what the proof shows is in order")]
    InOrder,
    /// The leaves are not where the proof needs them.
    #[error("the leaves do not stand where the proof needs them")]
    Misplaced,
    /// The ballot could not have counted.
    #[error("the ballot could not have counted in this vote")]
    NoBallot,
    /// Too few seats promised to list the ballot.
    #[error(
        "{found} seats whose lists were counted gave receipts from before the close, {needed} are needed"
    )]
    TooFewReceipts {
        /// How many did.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// There is no certified tally that could be void.
    #[error("the vote has no tally that is open to challenge")]
    NotOpenToChallenge,
}

/// Reports leaves or a tree that are not those of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the published leaves and tree are not those of the statement; ask another node for them")]
pub struct NotPublished;

/// Looks for a proof that a statement is false, given the leaves and tree that were published for it and ballots
/// with receipts that somebody holds.
///
/// # Errors
///
/// Returns [`NotPublished`] if leaves and tree do not lead to the root of the statement.
pub fn find_fraud(
    basis: &Basis<'_>,
    statement: &TallyStatement,
    (leaves, tree): (&[Leaf], &Tree),
    held: &[Receipted],
) -> Result<Option<Fraud>, NotPublished> {
    if !fits_terms(basis, statement) {
        return Ok(Some(Fraud::AgainstTerms));
    }
    let tree = as_stated(statement, leaves, tree)?;
    if let Some(fraud) = find_wrong_sum(&tree) {
        return Ok(Some(fraud));
    }
    let claim = Claim {
        leaves,
        tree: &tree,
    };
    if let Some(fraud) = claim.find_wrong_leaf(basis) {
        return Ok(Some(fraud));
    }
    let left_out = held.iter().find_map(|receipted| {
        let fraud = Fraud::LeftOut {
            receipted: receipted.clone(),
            voter: claim.place(&receipted.ballot.voter)?,
        };
        fraud.verify(basis, statement).is_ok().then_some(fraud)
    });
    Ok(left_out)
}

impl Fraud {
    /// Checks that the proof refutes the statement.
    ///
    /// # Errors
    ///
    /// Returns why it proves nothing.
    pub fn verify(&self, basis: &Basis<'_>, statement: &TallyStatement) -> Result<(), NotFraud> {
        let refuted = match self {
            Self::AgainstTerms => !fits_terms(basis, statement),
            Self::WrongSum {
                claimed,
                left,
                right,
                path,
            } => {
                let node = Node {
                    hash: Node::hash_of(left, right),
                    sums: *claimed,
                };
                place_of(statement, node, path)?;
                Node::sums_of(left, right) != Some(*claimed)
            }
            Self::WrongLeaf { claimed, placed } => {
                let node = Node {
                    sums: *claimed,
                    ..placed.leaf.node()
                };
                place_of(statement, node, &placed.path)?;
                *claimed != placed.leaf.sums()
                    || fault_of(basis, &placed.leaf).is_some()
                    || !signatures_hold(basis.mesh, &placed.leaf)
            }
            Self::DoubleVoter { left, right } => {
                let (first, second) = (left.index(statement)?, right.index(statement)?);
                if first.checked_add(1) != Some(second) {
                    return Err(NotFraud::Misplaced);
                }
                left.leaf.voter() >= right.leaf.voter()
            }
            Self::FalseProxy { placed, delegate } => {
                placed.index(statement)?;
                let Cast::Delegated { delegation } = &placed.leaf.cast else {
                    return Err(NotFraud::InOrder);
                };
                let key = delegation.delegate.ok_or(NotFraud::InOrder)?;
                let delegate = delegate.leaf_of(&key, statement)?;
                !delegate.is_some_and(|delegate| speaks_for(delegate, &placed.leaf))
            }
            Self::LeftOut { receipted, voter } => {
                receipted.check(basis, statement)?;
                let ballot = &receipted.ballot;
                let leaf = voter.leaf_of(&ballot.voter, statement)?;
                is_left_out(basis.terms, ballot, leaf)
            }
        };
        refuted.then_some(()).ok_or(NotFraud::InOrder)
    }

    /// Returns the member on whom the proof depends: that it can vote, or that it cannot.
    pub const fn member(&self) -> Option<PublicKey> {
        match self {
            Self::WrongLeaf { placed, .. } => Some(placed.leaf.voter()),
            Self::LeftOut { receipted, .. } => Some(receipted.ballot.voter),
            Self::AgainstTerms
            | Self::WrongSum { .. }
            | Self::DoubleVoter { .. }
            | Self::FalseProxy { .. } => None,
        }
    }

    /// Tells whether the proof holds rather if its member cannot vote.
    pub(super) const fn holds_unless_member(&self) -> bool {
        matches!(self, Self::WrongLeaf { .. })
    }

    /// Encodes the proof.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Reads a proof; what it proves shows when it is verified.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_entry("fraud proof", bytes, FRAUD_BYTES_MAX)
    }
}

impl Placed {
    /// Returns how many leaves come before this one.
    fn index(&self, statement: &TallyStatement) -> Result<u64, NotFraud> {
        place_of(statement, self.leaf.node(), &self.path)
    }
}

impl Place {
    /// Returns the leaf of a voter, or none once it is shown that there is none.
    fn leaf_of(
        &self,
        voter: &PublicKey,
        statement: &TallyStatement,
    ) -> Result<Option<&Leaf>, NotFraud> {
        let leaves = statement.tally.sums.leaves;
        let (fits, leaf) = match self {
            Self::Present(placed) => {
                placed.index(statement)?;
                (placed.leaf.voter() == *voter, Some(&*placed.leaf))
            }
            Self::Empty => (statement.tally.node() == Node::empty(), None),
            Self::BeforeFirst(first) => {
                let is_first = first.index(statement)? == 0;
                (is_first && *voter < first.leaf.voter(), None)
            }
            Self::Between(left, right) => {
                let (before, after) = (left.index(statement)?, right.index(statement)?);
                let around = left.leaf.voter() < *voter && *voter < right.leaf.voter();
                (around && before.checked_add(1) == Some(after), None)
            }
            Self::AfterLast(last) => {
                let is_last = last.index(statement)?.checked_add(1) == Some(leaves);
                (is_last && last.leaf.voter() < *voter, None)
            }
        };
        fits.then_some(leaf).ok_or(NotFraud::Misplaced)
    }
}

impl Receipted {
    /// Checks that the ballot could have counted, and that enough seats promised that it would.
    fn check(&self, basis: &Basis<'_>, statement: &TallyStatement) -> Result<(), NotFraud> {
        let ballot = &self.ballot;
        let could_count = is_of_vote(basis, ballot)
            && basis.roll.contains(&ballot.voter)
            && ballot.holds(basis.mesh);
        if !could_count {
            return Err(NotFraud::NoBallot);
        }
        let id = ballot.id();
        let has_listed = |seat: &PublicKey| {
            let place = basis.seats.keys().binary_search(seat).ok();
            let place = place.and_then(|place| u32::try_from(place).ok());
            place.is_some_and(|place| statement.lists >> place & 1 == 1)
        };
        let mut seats: Vec<_> = self
            .receipts
            .iter()
            .take(SEATS_MAX)
            .filter(|receipt| {
                receipt.ballot == id
                    && receipt.proposal == ballot.proposal
                    && receipt.time < statement.closed
                    && has_listed(&receipt.seat)
                    && receipt.holds(basis.mesh)
            })
            .map(|receipt| receipt.seat)
            .collect();
        seats.sort_unstable();
        seats.dedup();
        let (found, needed) = (seats.len(), 2 * basis.seats.faulty_max() + 1);
        (found >= needed)
            .then_some(())
            .ok_or(NotFraud::TooFewReceipts { found, needed })
    }
}

/// The leaves of a statement and its tree, every sum of which adds up.
struct Claim<'a> {
    leaves: &'a [Leaf],
    tree: &'a Tree,
}

impl Claim<'_> {
    fn find_wrong_leaf(&self, basis: &Basis<'_>) -> Option<Fraud> {
        let mut stated = self.tree.levels().first()?.iter().zip(self.leaves);
        if let Some(index) = stated.position(|(node, leaf)| node.sums != leaf.sums()) {
            return self.wrong_leaf(index);
        }
        let (index, fault) = first_fault(basis, self.leaves)?;
        match fault {
            LeafFault::NoVote
            | LeafFault::OtherVote
            | LeafFault::BadSignature
            | LeafFault::WrongChoice
            | LeafFault::WrongOpening
            | LeafFault::NoDouble => self.wrong_leaf(index),
            LeafFault::OutOfOrder => Some(Fraud::DoubleVoter {
                left: self.placed(index.checked_sub(1)?)?,
                right: self.placed(index)?,
            }),
            LeafFault::FalseProxy => {
                let placed = self.placed(index)?;
                let delegate = delegate_of(&placed.leaf)?;
                Some(Fraud::FalseProxy {
                    delegate: self.place(&delegate)?,
                    placed,
                })
            }
        }
    }

    fn wrong_leaf(&self, index: usize) -> Option<Fraud> {
        Some(Fraud::WrongLeaf {
            claimed: self.tree.levels().first()?.get(index)?.sums,
            placed: self.placed(index)?,
        })
    }

    fn placed(&self, index: usize) -> Option<Placed> {
        Some(Placed {
            leaf: Box::new(self.leaves.get(index)?.clone()),
            path: self.tree.path(index)?,
        })
    }

    /// Finds a voter among leaves that are in order.
    fn place(&self, voter: &PublicKey) -> Option<Place> {
        match self.leaves.binary_search_by_key(voter, Leaf::voter) {
            Ok(index) => Some(Place::Present(self.placed(index)?)),
            Err(_) if self.leaves.is_empty() => Some(Place::Empty),
            Err(0) => Some(Place::BeforeFirst(self.placed(0)?)),
            Err(index) if index == self.leaves.len() => {
                Some(Place::AfterLast(self.placed(index - 1)?))
            }
            Err(index) => Some(Place::Between(self.placed(index - 1)?, self.placed(index)?)),
        }
    }
}

/// Tells whether a statement agrees with the terms, and with itself as far as it shows.
fn fits_terms(basis: &Basis<'_>, statement: &TallyStatement) -> bool {
    let (terms, tally) = (basis.terms, &statement.tally);
    let closes_by = terms.closes() + terms.late_quorum();
    let members = u64::from(terms.electorate().count);
    let is_empty = |node: Node| node.hash == Node::empty().hash || node.sums.leaves == 0;
    statement.mesh == *basis.mesh
        && statement.electorate == terms.electorate()
        && usize::try_from(statement.lists.count_ones())
            .is_ok_and(|lists| (basis.seats.quorum()..=basis.seats.len()).contains(&lists))
        && tally.proposal == terms.proposal()
        && (terms.opened()..=closes_by).contains(&statement.closed)
        && tally.sums.leaves <= members
        && tally.sums.cast() <= tally.sums.leaves
        && (!is_empty(tally.node()) || tally.node() == Node::empty())
        && statement.outcome == terms.outcome(&tally.sums)
}

/// Takes the published tree with the statement's sums at its root, if it is the tree of the statement at all.
fn as_stated(
    statement: &TallyStatement,
    leaves: &[Leaf],
    tree: &Tree,
) -> Result<Tree, NotPublished> {
    let mut levels = tree.levels().to_vec();
    let nodes = levels.first().ok_or(NotPublished)?;
    let of_leaves = nodes.len() == leaves.len()
        && nodes
            .iter()
            .zip(leaves)
            .all(|(node, leaf)| node.hash == leaf.node().hash);
    let of_each_other = levels.windows(2).all(|pair| {
        let (below, above) = (&pair[0], &pair[1]);
        below.len() > 1
            && above.len() == below.len().div_ceil(2)
            && below
                .chunks(2)
                .zip(above)
                .all(|(children, node)| match children {
                    [left, right] => node.hash == Node::hash_of(left, right),
                    carried => node.hash == carried[0].hash,
                })
    });
    let has_root =
        levels.last().is_some_and(|top| top.len() <= 1) && tree.root().hash == statement.tally.root;
    if !(of_leaves && of_each_other && has_root) {
        return Err(NotPublished);
    }
    if let Some(root) = levels.last_mut().and_then(|top| top.first_mut()) {
        root.sums = statement.tally.sums;
    }
    // What a carried node adds up to is what the node above it covers, whatever its copies below say.
    for level in (1..levels.len()).rev() {
        let carried = levels[level].last().copied();
        let below = &mut levels[level - 1];
        if let (true, Some(carried), Some(last)) = (below.len() % 2 == 1, carried, below.last_mut())
        {
            *last = carried;
        }
    }
    Ok(Tree::claimed(levels))
}

/// Finds the topmost node whose children do not add up: everything above it does, so that its path holds.
fn find_wrong_sum(tree: &Tree) -> Option<Fraud> {
    let levels = tree.levels();
    (1..levels.len()).rev().find_map(|level| {
        let below = levels[level - 1].chunks(2).zip(&levels[level]);
        below.enumerate().find_map(|(index, (children, node))| {
            let [left, right] = children else {
                return None;
            };
            if Node::sums_of(left, right) == Some(node.sums) {
                return None;
            }
            Some(Fraud::WrongSum {
                claimed: node.sums,
                left: *left,
                right: *right,
                path: tree.path_from(level, index)?,
            })
        })
    })
}

/// Tells whether a ballot should count in place of what stands in the tally for its voter.
fn is_left_out(terms: &Terms, ballot: &Ballot, leaf: Option<&Leaf>) -> bool {
    match leaf.map(|leaf| &leaf.cast) {
        None => true,
        Some(Cast::Own { ballot: counts, .. }) => counts.seq < ballot.seq,
        Some(Cast::Delegated { .. }) => terms.finality() == Finality::Changeable,
        Some(Cast::Double { .. }) => false,
    }
}

fn place_of(statement: &TallyStatement, node: Node, path: &Path) -> Result<u64, NotFraud> {
    match path.climb(node) {
        Some((root, before)) if root == statement.tally.node() => Ok(before),
        Some(_) | None => Err(NotFraud::OtherTree),
    }
}
