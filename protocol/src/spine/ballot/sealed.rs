//! Choices that nobody can read before the close.
//!
//! A choice is sealed to a label that names mesh, proposal and voter. The seats sign the labels only after the
//! close; a sealed choice copied into another member's ballot has another label and does not open. What fails to
//! open, or opens to no choice, is not counted and reported.
//!
//! One threshold signature opens one ballot: a vote of many thousand sealed ballots costs the seats as many. It opens
//! every ballot that its voter has sealed for this vote, those that another has taken the place of included.

use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::{CommitteeKey, Purpose, SealToError, ThresholdSignature},
};

use crate::wire::{Ballot, Choice, SealedChoice, Vote, encode_entry};

/// Says why a choice of a ballot is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// The signature is not the committee's over this ballot's label.
    #[error("the signature does not open this ballot; ask another node for it")]
    WrongOpening,
    /// The signature is the right one, but what is sealed is damaged, copied, or no choice.
    #[error("what is sealed is no choice of this voter for this proposal")]
    NoChoice,
    /// The ballot carries no sealed choice.
    #[error("the ballot is not sealed")]
    NotSealed,
}

/// Returns the label to which a voter's choice is sealed, and which the committee signs to open it.
pub fn label(mesh: &ContentId, proposal: &ContentId, voter: &PublicKey) -> Vec<u8> {
    encode_entry(&("x0/ballot/sealed/1", mesh, proposal, voter))
}

/// Seals a choice; the seed must be secret and used for nothing else.
///
/// # Errors
///
/// Returns [`SealToError::BadKey`] if nothing can be sealed to this key.
pub fn seal(
    key: &CommitteeKey,
    (mesh, proposal): (&ContentId, &ContentId),
    voter: &PublicKey,
    choice: Choice,
    seed: &[u8; 32],
) -> Result<SealedChoice, SealToError> {
    let label = label(mesh, proposal, voter);
    key.seal_to(&label, &[byte_of(choice)], seed)
        .map(SealedChoice::new)
}

/// Seals a member's own choice with a seed that follows from its identity, vote and number: it is the same again after a
/// crash, and nobody else can tell which choice it holds by trying all.
///
/// # Panics
///
/// Never: a [`CommitteeKey`] is no neutral point, and label and choice are short.
pub fn seal_own(
    key: &CommitteeKey,
    (mesh, proposal): (&ContentId, &ContentId),
    own: &Identity,
    seq: u32,
    choice: Choice,
) -> SealedChoice {
    let voter = own.public();
    let seed = own.ballot_seed(&encode_entry(&(mesh, proposal, seq)));
    #[expect(
        clippy::expect_used,
        reason = "sealing fails only for the neutral point, which decoding refuses, and for what is too long"
    )]
    seal(key, (mesh, proposal), &voter, choice, &seed).expect("a choice can be sealed")
}

/// Opens the choice of a ballot with the committee's signature over its label.
///
/// # Errors
///
/// Returns whether the signature or the ballot is at fault.
pub fn open(
    key: &CommitteeKey,
    mesh: &ContentId,
    ballot: &Ballot,
    opening: &ThresholdSignature,
) -> Result<Choice, Unopened> {
    let label = label(mesh, &ballot.proposal, &ballot.voter);
    key.verify(Purpose::Decryption, &label, opening)
        .map_err(|_| Unopened::WrongOpening)?;
    open_checked(mesh, ballot, opening)
}

/// Opens the choice of a ballot with a signature that was found to be the committee's over its label: half the work.
///
/// # Errors
///
/// Returns why the ballot holds no choice.
pub fn open_checked(
    mesh: &ContentId,
    ballot: &Ballot,
    opening: &ThresholdSignature,
) -> Result<Choice, Unopened> {
    let Vote::Sealed(sealed) = &ballot.vote else {
        return Err(Unopened::NotSealed);
    };
    let label = label(mesh, &ballot.proposal, &ballot.voter);
    let opened = sealed
        .sealed()
        .open_with(&label, opening)
        .map_err(|_| Unopened::NoChoice)?;
    choice_of(&opened).ok_or(Unopened::NoChoice)
}

const fn byte_of(choice: Choice) -> u8 {
    match choice {
        Choice::Yes => 1,
        Choice::No => 2,
        Choice::Abstain => 3,
    }
}

fn choice_of(opened: &[u8]) -> Option<Choice> {
    [Choice::Yes, Choice::No, Choice::Abstain]
        .into_iter()
        .find(|choice| opened == [byte_of(*choice)])
}
