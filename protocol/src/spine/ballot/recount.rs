//! Counting published leaves again: what each leaf must hold for it to count as stated.
//!
//! A leaf is checked alone (its voter, what was signed, as what it counts), then against its neighbour and, where a
//! delegate spoke, against the delegate's leaf. Signatures are checked in batches.
//!
//! Whether ballots are missing is not visible in the leaves: see [`super::fraud`].

use x0_crypto::{ContentId, PublicKey};

use super::{
    sealed::{self, Unopened},
    tally::{Cast, Leaf, OutOfOrder, Tally, TallyBuilder},
    terms::{Roll, Secrecy, Terms},
};
use crate::{
    spine::committee::Seats,
    wire::{Ballot, Delegation, DelegationScope, SignedPart, Vote, VoteStatement},
};

/// Leaves whose signatures are checked together: where a larger batch gains nothing more.
const CHECKED_TOGETHER: usize = 1_024;

/// What a tally is checked against.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The mesh.
    pub mesh: &'a ContentId,
    /// The rules of the vote.
    pub terms: &'a Terms,
    /// The committee that took the ballots.
    pub seats: &'a Seats,
    /// Who may vote: the checkpoint that the terms name.
    pub roll: &'a dyn Roll,
}

/// What is wrong with a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafFault {
    /// The voter is not in the electorate.
    #[error("the voter is not in the electorate")]
    NoVote,
    /// It is for another proposal, or of a form that this vote does not take.
    #[error("what the voter signed is not for this vote")]
    OtherVote,
    /// A signature does not hold.
    #[error("a signature does not hold")]
    BadSignature,
    /// It counts as something else than what was voted.
    #[error("it does not count as what was voted")]
    WrongChoice,
    /// The sealed ballot is not opened by the signature, or there is none.
    #[error("the sealed ballot is not opened by this signature")]
    WrongOpening,
    /// The two ballots do not void each other.
    #[error("the two ballots do not void each other")]
    NoDouble,
    /// The voter does not come after the one before.
    #[error("the voter does not come after the one before")]
    OutOfOrder,
    /// The delegate did not vote, or voted otherwise.
    #[error("the delegate did not vote, or voted otherwise")]
    FalseProxy,
}

/// Reports the first leaf by which a recount fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf {index} of the tally, of {voter}, is wrong: {fault}")]
pub struct Miscount {
    /// Which leaf, from 0.
    pub index: usize,
    /// Whose.
    pub voter: PublicKey,
    /// What is wrong with it.
    pub fault: LeafFault,
}

/// Counts published leaves again.
///
/// # Errors
///
/// Returns the first leaf that does not count as stated.
pub fn recount(basis: &Basis<'_>, leaves: &[Leaf]) -> Result<Tally, Miscount> {
    if let Some((index, fault)) = first_fault(basis, leaves) {
        return Err(Miscount {
            index,
            voter: leaves[index].voter(),
            fault,
        });
    }
    let mut builder = TallyBuilder::default();
    for (index, leaf) in leaves.iter().enumerate() {
        let out_of_order = |OutOfOrder { voter }| Miscount {
            index,
            voter,
            fault: LeafFault::OutOfOrder,
        };
        builder.push(leaf).map_err(out_of_order)?;
    }
    Ok(builder.finish(basis.terms.proposal()))
}

/// Returns the first fault: of order, else of a leaf alone, else of a delegate.
pub(super) fn first_fault(basis: &Basis<'_>, leaves: &[Leaf]) -> Option<(usize, LeafFault)> {
    let disorder = leaves
        .windows(2)
        .position(|pair| pair[0].voter() >= pair[1].voter());
    if let Some(before) = disorder {
        return Some((before + 1, LeafFault::OutOfOrder));
    }
    for (chunk, start) in leaves
        .chunks(CHECKED_TOGETHER)
        .zip((0..).step_by(CHECKED_TOGETHER))
    {
        let faults = chunk.iter().enumerate();
        let fault = faults.filter_map(|(at, leaf)| Some((at, fault_of(basis, leaf)?)));
        let forged = first_forged(basis.mesh, chunk).map(|at| (at, LeafFault::BadSignature));
        let first = fault.chain(forged).min_by_key(|(at, _)| *at);
        if let Some((at, fault)) = first {
            return Some((start + at, fault));
        }
    }
    let is_false = |leaf: &Leaf| {
        delegate_of(leaf).is_some_and(|delegate| {
            let found = leaves.binary_search_by_key(&delegate, Leaf::voter);
            !found.is_ok_and(|index| speaks_for(&leaves[index], leaf))
        })
    };
    let index = leaves.iter().position(is_false)?;
    Some((index, LeafFault::FalseProxy))
}

/// Returns what is wrong with a leaf taken alone, signatures left aside.
pub(super) fn fault_of(basis: &Basis<'_>, leaf: &Leaf) -> Option<LeafFault> {
    if !basis.roll.contains(&leaf.voter()) {
        return Some(LeafFault::NoVote);
    }
    match &leaf.cast {
        Cast::Own { ballot, opening } => {
            if !is_of_vote(basis, ballot) {
                return Some(LeafFault::OtherVote);
            }
            let choice = match (&ballot.vote, basis.terms.secrecy(), opening) {
                (Vote::Open(choice), _, None) => Some(*choice),
                (Vote::Sealed(_), Secrecy::Sealed { key }, Some(opening)) => {
                    match sealed::open(key, basis.mesh, ballot, opening) {
                        Ok(choice) => Some(choice),
                        Err(Unopened::NoChoice) => None,
                        Err(Unopened::WrongOpening | Unopened::NotSealed) => {
                            return Some(LeafFault::WrongOpening);
                        }
                    }
                }
                (Vote::Open(_) | Vote::Sealed(_), _, _) => {
                    return Some(LeafFault::WrongOpening);
                }
            };
            (leaf.counted != choice).then_some(LeafFault::WrongChoice)
        }
        Cast::Delegated { delegation } => {
            if !is_for(delegation, basis.terms.proposal()) {
                return Some(LeafFault::OtherVote);
            }
            leaf.counted.is_none().then_some(LeafFault::WrongChoice)
        }
        Cast::Double { first, second } => {
            if !is_of_vote(basis, first) || !is_of_vote(basis, second) {
                return Some(LeafFault::OtherVote);
            }
            let is_double =
                first.voter == second.voter && first.seq == second.seq && first.id() < second.id();
            if !is_double {
                return Some(LeafFault::NoDouble);
            }
            leaf.counted.is_some().then_some(LeafFault::WrongChoice)
        }
    }
}

pub(super) fn is_of_vote(basis: &Basis<'_>, ballot: &Ballot) -> bool {
    ballot.check().is_ok()
        && ballot.proposal == basis.terms.proposal()
        && basis.terms.takes_form(&ballot.vote)
        && basis.terms.takes_seq(ballot.seq)
}

fn is_for(delegation: &Delegation, proposal: ContentId) -> bool {
    let in_scope = match delegation.scope {
        DelegationScope::Standing => true,
        DelegationScope::Proposal(of) => of == proposal,
    };
    in_scope && delegation.check().is_ok() && delegation.delegate.is_some()
}

pub(super) const fn delegate_of(leaf: &Leaf) -> Option<PublicKey> {
    match &leaf.cast {
        Cast::Own { .. } | Cast::Double { .. } => None,
        Cast::Delegated { delegation } => delegation.delegate,
    }
}

/// Tells whether a leaf is a ballot of its own that counts as the other leaf does.
pub(super) fn speaks_for(delegate: &Leaf, leaf: &Leaf) -> bool {
    match &delegate.cast {
        Cast::Own { .. } => delegate.counted == leaf.counted,
        Cast::Delegated { .. } | Cast::Double { .. } => false,
    }
}

fn signed_parts(mesh: &ContentId, leaf: &Leaf, parts: &mut Vec<SignedPart>) {
    match &leaf.cast {
        Cast::Own { ballot, .. } => parts.push(SignedPart::of(ballot, mesh)),
        Cast::Delegated { delegation } => parts.push(SignedPart::of(delegation, mesh)),
        Cast::Double { first, second } => {
            parts.push(SignedPart::of(first, mesh));
            parts.push(SignedPart::of(second, mesh));
        }
    }
}

pub(super) fn signatures_hold(mesh: &ContentId, leaf: &Leaf) -> bool {
    first_forged(mesh, core::slice::from_ref(leaf)).is_none()
}

/// Returns the first leaf with a signature that does not hold.
fn first_forged(mesh: &ContentId, leaves: &[Leaf]) -> Option<usize> {
    let (mut parts, mut whose) = (Vec::new(), Vec::new());
    for (index, leaf) in leaves.iter().enumerate() {
        signed_parts(mesh, leaf, &mut parts);
        whose.resize(parts.len(), index);
    }
    let bad = SignedPart::bad(&parts);
    bad.first().and_then(|part| whose.get(*part)).copied()
}
