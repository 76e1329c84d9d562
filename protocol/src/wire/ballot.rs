//! What is said in a vote: ballots and delegations of members, receipts and lists of seats (see `spine::ballot`).
//!
//! Every statement is signed by one key, together with the mesh it belongs to, under a namespace of its own and a
//! word that says which statement it is. A [`Ballot`] names its proposal and voter: it cannot be counted for
//! another proposal, mesh or member. The id of a ballot is the hash of what it says without the signature, so
//! that signing the same ballot again makes no second one.
//!
//! Whether the signer has a vote or a seat is not decided here.

use core::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature, Signed, committee::SealedToLabel, verify,
    verify_batch,
};

use super::{
    DecodeError, Unverified, Verified,
    body::ordered,
    codec::{decode, encode},
};
use crate::core::{
    limits::{
        BALLOT_BYTES_MAX, LIST_BYTES_MAX, LIST_IDS_MAX, LIST_PARTS_MAX, SEALED_CHOICE_BYTES_MAX,
        VOTE_SEQ_MAX,
    },
    reject::RejectReason,
    time::Wall,
};

/// What a voter wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The proposal shall pass.
    Yes,
    /// It shall not.
    No,
    /// Neither; the ballot counts as cast.
    Abstain,
}

impl Choice {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Abstain => "abstain",
        }
    }
}

/// A choice that nobody can read before the close, sealed to a label that names proposal and voter.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedChoice(Box<SealedToLabel>);

/// A choice as a ballot carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Vote {
    /// For all to read.
    Open(Choice),
    /// Opened after the close.
    Sealed(SealedChoice),
}

/// A member's ballot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// The proposal.
    pub proposal: ContentId,
    /// Who votes.
    pub voter: PublicKey,
    /// 0 for the first; a higher one replaces it where ballots can be changed.
    pub seq: u32,
    /// The choice.
    pub vote: Vote,
    /// The voter's signature over the mesh and the id of the ballot.
    pub signature: Signature,
}

/// What a delegation is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum DelegationScope {
    /// Every proposal for which the member has said nothing of its own.
    Standing,
    /// One proposal.
    Proposal(ContentId),
}

/// A member lets another vote in its place, or takes that back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Who delegates.
    pub member: PublicKey,
    /// For what.
    pub scope: DelegationScope,
    /// 0 for the first of this scope; a higher one replaces it.
    pub seq: u32,
    /// To whom; nobody takes it back.
    pub delegate: Option<PublicKey>,
    /// The member's signature over the mesh and the fields above.
    pub signature: Signature,
}

/// A seat's word that it holds a ballot and will list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The proposal.
    pub proposal: ContentId,
    /// The ballot.
    pub ballot: ContentId,
    /// Whose word it is.
    pub seat: PublicKey,
    /// When the seat took the ballot in, in mesh time.
    pub time: Wall,
    /// The seat's signature over the mesh and the fields above, the seat left out.
    pub signature: Signature,
}

/// A part of the list of ballots that a seat holds and the log does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotList {
    /// The proposal.
    pub proposal: ContentId,
    /// Whose list.
    pub seat: PublicKey,
    /// Which part, from 0.
    pub part: u32,
    /// Whether it is the last part.
    pub last: bool,
    /// The ballots, in rising order.
    pub ballots: Vec<ContentId>,
    /// The seat's signature over the mesh and the fields above, the seat left out.
    pub signature: Signature,
}

/// A statement made in a vote, signed by one key.
pub trait VoteStatement: Clone + Serialize + DeserializeOwned {
    /// What it is called in errors.
    const WHAT: &'static str;
    /// The most bytes it may have.
    const BYTES_MAX: usize;
    /// What its signature is for.
    const NAMESPACE: Namespace;

    /// Returns who makes it.
    fn signer(&self) -> PublicKey;

    /// Returns the signature, whether it holds or not.
    fn signature(&self) -> Signature;

    /// Returns what is signed.
    fn message(&self, mesh: &ContentId) -> Vec<u8>;

    /// Signs the statement, in place of whatever signature it has.
    fn signed(self, mesh: &ContentId, by: &Identity) -> Verified<Self>;

    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// Returns which field is out of bounds.
    fn check(&self) -> Result<(), DecodeError>;

    /// Tells whether the signature holds.
    fn holds(&self, mesh: &ContentId) -> bool {
        let message = self.message(mesh);
        verify(&self.signer(), Self::NAMESPACE, &message, &self.signature()).is_ok()
    }

    /// Checks the signature of a statement.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    fn verify(
        mesh: &ContentId,
        statement: Unverified<Self>,
    ) -> Result<Verified<Self>, RejectReason> {
        let statement = statement.into_inner();
        if statement.holds(mesh) {
            Ok(Verified::attest(statement))
        } else {
            Err(RejectReason::BadSignature)
        }
    }

    /// Checks many statements at once, faster than one by one; each gets its own answer, in order.
    fn verify_all(
        mesh: &ContentId,
        statements: Vec<Unverified<Self>>,
    ) -> Vec<Result<Verified<Self>, RejectReason>> {
        let parts = statements.iter().map(Unverified::peek);
        let parts: Vec<_> = parts
            .map(|statement| SignedPart::of(statement, mesh))
            .collect();
        let bad = SignedPart::bad(&parts);
        let check = |(index, statement): (usize, Unverified<Self>)| {
            if bad.binary_search(&index).is_ok() {
                Err(RejectReason::BadSignature)
            } else {
                Ok(Verified::attest(statement.into_inner()))
            }
        };
        statements.into_iter().enumerate().map(check).collect()
    }

    /// Encodes the statement.
    fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Unverified<Self>, DecodeError> {
        let statement: Self = decode(Self::WHAT, bytes, Self::BYTES_MAX)?;
        statement.check()?;
        Ok(Unverified::from_wire(statement))
    }

    /// Returns the statement as another peer would have to take it: unverified.
    fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }
}

/// What every signed statement has alike: who signs it, and the field that holds the signature.
macro_rules! signed_by {
    ($signer:ident) => {
        fn signer(&self) -> PublicKey {
            self.$signer
        }

        fn signature(&self) -> Signature {
            self.signature
        }

        fn signed(mut self, mesh: &ContentId, by: &Identity) -> Verified<Self> {
            self.signature = by.sign(Self::NAMESPACE, &self.message(mesh));
            Verified::attest(self)
        }
    };
}
pub(super) use signed_by;

/// What a signature is checked against.
pub(crate) struct SignedPart {
    key: PublicKey,
    namespace: Namespace,
    message: Vec<u8>,
    signature: Signature,
}

impl SignedPart {
    pub(crate) fn of<T: VoteStatement>(statement: &T, mesh: &ContentId) -> Self {
        Self {
            key: statement.signer(),
            namespace: T::NAMESPACE,
            message: statement.message(mesh),
            signature: statement.signature(),
        }
    }

    /// Returns the places of those whose signature does not hold, ascending.
    pub(crate) fn bad(all: &[Self]) -> Vec<usize> {
        let batch: Vec<_> = all
            .iter()
            .map(|part| Signed {
                key: part.key,
                namespace: part.namespace,
                message: &part.message,
                signature: part.signature,
            })
            .collect();
        verify_batch(&batch)
            .err()
            .map(|bad| bad.indices)
            .unwrap_or_default()
    }
}

impl SealedChoice {
    /// Takes bytes sealed to a label; whether they hold a choice shows when they are opened.
    pub fn new(sealed: SealedToLabel) -> Self {
        Self(Box::new(sealed))
    }

    /// Returns what is sealed.
    pub fn sealed(&self) -> &SealedToLabel {
        &self.0
    }
}

impl fmt::Debug for SealedChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedChoice")
    }
}

impl Ballot {
    /// Signs a ballot with the voter's identity.
    pub fn sign(
        mesh: &ContentId,
        voter: &Identity,
        proposal: ContentId,
        seq: u32,
        vote: Vote,
    ) -> Verified<Self> {
        let ballot = Self {
            proposal,
            voter: voter.public(),
            seq,
            vote,
            signature: UNSIGNED,
        };
        ballot.signed(mesh, voter)
    }

    /// Returns the ballot's name: the hash of what it says, without the signature.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&(
            &self.proposal,
            &self.voter,
            self.seq,
            &self.vote,
        )))
    }
}

impl Delegation {
    /// Signs a delegation with the member's identity.
    pub fn sign(
        mesh: &ContentId,
        member: &Identity,
        scope: DelegationScope,
        seq: u32,
        delegate: Option<PublicKey>,
    ) -> Verified<Self> {
        let delegation = Self {
            member: member.public(),
            scope,
            seq,
            delegate,
            signature: UNSIGNED,
        };
        delegation.signed(mesh, member)
    }
}

impl Receipt {
    /// Signs a receipt with the seat's identity.
    pub fn sign(
        mesh: &ContentId,
        seat: &Identity,
        proposal: ContentId,
        ballot: ContentId,
        time: Wall,
    ) -> Verified<Self> {
        let receipt = Self {
            proposal,
            ballot,
            seat: seat.public(),
            time,
            signature: UNSIGNED,
        };
        receipt.signed(mesh, seat)
    }
}

impl BallotList {
    /// Signs a part of a list with the seat's identity; the ballots are put in order.
    pub fn sign(
        mesh: &ContentId,
        seat: &Identity,
        proposal: ContentId,
        (part, last): (u32, bool),
        mut ballots: Vec<ContentId>,
    ) -> Verified<Self> {
        ballots.sort_unstable();
        ballots.dedup();
        let list = Self {
            proposal,
            seat: seat.public(),
            part,
            last,
            ballots,
            signature: UNSIGNED,
        };
        list.signed(mesh, seat)
    }
}

/// Stands in a statement until it is signed.
pub(super) const UNSIGNED: Signature = Signature::from_bytes([0; 64]);

impl VoteStatement for Ballot {
    const WHAT: &'static str = "ballot";
    const BYTES_MAX: usize = BALLOT_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::Ballot;

    signed_by!(voter);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        encode(&("ballot", mesh, self.id()))
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_seq(Self::WHAT, self.seq)?;
        match &self.vote {
            Vote::Open(_) => Ok(()),
            Vote::Sealed(choice) => {
                let len = choice.0.to_bytes().len();
                let too_long = DecodeError::TooLong {
                    what: "sealed choice",
                    len,
                    max: SEALED_CHOICE_BYTES_MAX,
                };
                (len <= SEALED_CHOICE_BYTES_MAX)
                    .then_some(())
                    .ok_or(too_long)
            }
        }
    }
}

impl VoteStatement for Delegation {
    const WHAT: &'static str = "delegation";
    const BYTES_MAX: usize = BALLOT_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::Ballot;

    signed_by!(member);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        let Self {
            member,
            scope,
            seq,
            delegate,
            signature: _,
        } = self;
        encode(&("delegation", mesh, member, scope, seq, delegate))
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_seq(Self::WHAT, self.seq)?;
        if self.delegate == Some(self.member) {
            let why = "is the member itself";
            return Err(DecodeError::bounds(Self::WHAT, "delegate", why));
        }
        Ok(())
    }
}

impl VoteStatement for Receipt {
    const WHAT: &'static str = "receipt";
    const BYTES_MAX: usize = BALLOT_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::BallotReceipt;

    signed_by!(seat);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        encode(&("receipt", mesh, self.proposal, self.ballot, self.time))
    }

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl VoteStatement for BallotList {
    const WHAT: &'static str = "list of ballots";
    const BYTES_MAX: usize = LIST_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::BallotReceipt;

    signed_by!(seat);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        let Self {
            proposal,
            seat: _,
            part,
            last,
            ballots,
            signature: _,
        } = self;
        encode(&("list", mesh, proposal, part, last, ballots))
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.part >= LIST_PARTS_MAX {
            let why = format!("is {}, a list has {LIST_PARTS_MAX} parts", self.part);
            return Err(DecodeError::bounds(Self::WHAT, "part", why));
        }
        ordered(Self::WHAT, "ballots", &self.ballots, 0, LIST_IDS_MAX)
    }
}

fn check_seq(what: &'static str, seq: u32) -> Result<(), DecodeError> {
    if seq > VOTE_SEQ_MAX {
        let why = format!("is {seq}, the highest is {VOTE_SEQ_MAX}");
        return Err(DecodeError::bounds(what, "seq", why));
    }
    Ok(())
}
