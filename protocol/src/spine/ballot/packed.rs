//! Ballots and delegations laid out by hand, as what a node keeps for itself holds many of them.

use x0_crypto::{ContentId, PublicKey, Signature, committee::SealedToLabel};

use crate::{
    core::packed::{Packer, Unpacker},
    wire::{Ballot, Choice, Delegation, DelegationScope, SealedChoice, Vote},
};

/// Bytes of an open ballot: voter, number, choice, signature.
pub(super) const BALLOT_BYTES: usize = 32 + 4 + 1 + 64;

/// Most bytes of a delegation: member, scope, number, delegate, signature.
pub(super) const DELEGATION_BYTES: usize = 32 + 33 + 4 + 33 + 64;

/// Writes what a ballot says beside its proposal.
pub(super) fn pack_ballot(to: &mut Packer, ballot: &Ballot) {
    let Ballot {
        proposal: _,
        voter,
        seq,
        vote,
        signature,
    } = ballot;
    to.fixed(voter.bytes());
    to.u32(*seq);
    match vote {
        Vote::Open(choice) => to.u8(choice_tag(*choice)),
        Vote::Sealed(choice) => {
            to.u8(3);
            to.bytes(&choice.sealed().to_bytes());
        }
    }
    to.fixed(signature.bytes());
}

/// Reads a ballot for a proposal.
pub(super) fn unpack_ballot(from: &mut Unpacker<'_>, proposal: ContentId) -> Option<Ballot> {
    Some(Ballot {
        proposal,
        voter: PublicKey::from_bytes(&from.fixed()?).ok()?,
        seq: from.u32()?,
        vote: match from.u8()? {
            3 => Vote::Sealed(SealedChoice::new(
                SealedToLabel::from_bytes(from.bytes()?).ok()?,
            )),
            tag => Vote::Open(choice_of(tag)?),
        },
        signature: Signature::from_bytes(from.fixed()?),
    })
}

pub(super) const fn choice_tag(choice: Choice) -> u8 {
    match choice {
        Choice::Yes => 0,
        Choice::No => 1,
        Choice::Abstain => 2,
    }
}

pub(super) fn choice_of(tag: u8) -> Option<Choice> {
    let choices = [Choice::Yes, Choice::No, Choice::Abstain];
    choices
        .into_iter()
        .find(|choice| choice_tag(*choice) == tag)
}

/// Writes a delegation.
pub(super) fn pack_delegation(to: &mut Packer, delegation: &Delegation) {
    let Delegation {
        member,
        scope,
        seq,
        delegate,
        signature,
    } = delegation;
    to.fixed(member.bytes());
    match scope {
        DelegationScope::Standing => to.u8(0),
        DelegationScope::Proposal(proposal) => {
            to.u8(1);
            to.fixed(proposal.digest());
        }
    }
    to.u32(*seq);
    match delegate {
        None => to.u8(0),
        Some(delegate) => {
            to.u8(1);
            to.fixed(delegate.bytes());
        }
    }
    to.fixed(signature.bytes());
}

/// Reads a delegation.
pub(super) fn unpack_delegation(from: &mut Unpacker<'_>) -> Option<Delegation> {
    Some(Delegation {
        member: PublicKey::from_bytes(&from.fixed()?).ok()?,
        scope: match from.u8()? {
            0 => DelegationScope::Standing,
            1 => DelegationScope::Proposal(ContentId::from_digest(from.fixed()?)),
            _ => return None,
        },
        seq: from.u32()?,
        delegate: match from.u8()? {
            0 => None,
            1 => Some(PublicKey::from_bytes(&from.fixed()?).ok()?),
            _ => return None,
        },
        signature: Signature::from_bytes(from.fixed()?),
    })
}
