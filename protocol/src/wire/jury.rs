//! Juries on their way: who serves, whom the beacon drew, and what jurors say where every node hears it.
//!
//! The committee names the jury of a day a day before ([`JuryDrawn`]). From then on no seat is needed: whoever wants an
//! item decided asks the jury of the day by a record, the jurors answer by records, and the ballots of more than half of
//! them are proof (`JuryProof`).

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, Identity, Namespace, PublicKey, Signature};

use super::{
    Ballot, DecodeError, Verified, Vote, VoteOpened, VoteProposal, VoteStatement,
    ballot::{UNSIGNED, signed_by},
    codec::encode,
};
use crate::{
    core::{
        limits::{BALLOT_BYTES_MAX, JURY_SIZE_MAX},
        reject::RejectReason,
        time::Wall,
    },
    spine::ballot::{Electorate, Finality},
};

/// A member says whether it serves on juries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnCall {
    /// Who.
    pub member: PublicKey,
    /// 0 for the first; a higher one replaces it.
    pub seq: u32,
    /// Whether it serves from now on.
    pub serves: bool,
    /// The member's signature over the mesh and the fields above.
    pub signature: Signature,
}

/// The committee's word whom the beacon drew to be the jury of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JuryDrawn {
    /// The height of the committee log at which it was drawn.
    pub height: u64,
    /// The jury.
    pub electorate: Electorate,
    /// The mesh time from which it is asked.
    pub from: Wall,
    /// The mesh time from which it is asked no more.
    pub until: Wall,
}

/// What is said to and by a jury where every node hears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum JuryWord {
    /// An item for the jury of the day.
    Asked(Box<VoteProposal>),
    /// A juror's ballot.
    Cast(Box<Ballot>),
}

impl OnCall {
    /// Signs the readiness of a member.
    pub fn sign(mesh: &ContentId, member: &Identity, seq: u32, serves: bool) -> Verified<Self> {
        let ready = Self {
            member: member.public(),
            seq,
            serves,
            signature: UNSIGNED,
        };
        ready.signed(mesh, member)
    }
}

impl VoteStatement for OnCall {
    const WHAT: &'static str = "readiness for juries";
    const BYTES_MAX: usize = BALLOT_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::Ballot;

    signed_by!(member);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        encode(&("on call", mesh, self.member, self.seq, self.serves))
    }

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl JuryDrawn {
    /// Tells whether this jury is asked about what is proposed at a moment of mesh time.
    pub fn serves(&self, made: Wall) -> bool {
        (self.from..self.until).contains(&made)
    }
}

impl JuryWord {
    /// Returns who says it; nobody says it for another.
    pub const fn signer(&self) -> PublicKey {
        match self {
            Self::Asked(proposal) => proposal.proposer,
            Self::Cast(ballot) => ballot.voter,
        }
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let what = "word on a jury";
        match self {
            Self::Asked(proposal) => {
                proposal.check()?;
                let is_final = proposal.rules.finality == Finality::FirstFinal;
                if proposal.rules.is_emergency() && is_final {
                    return Ok(());
                }
                let why = "are not those of an emergency vote whose first ballots are final";
                Err(DecodeError::bounds(what, "rules", why))
            }
            Self::Cast(ballot) => {
                ballot.check()?;
                if ballot.seq == 0 && matches!(ballot.vote, Vote::Open(_)) {
                    return Ok(());
                }
                let why = "is not a first, open one";
                Err(DecodeError::bounds(what, "ballot", why))
            }
        }
    }

    /// Checks the signature, and that who writes the record says it itself.
    pub(super) fn verify(&self, mesh: &ContentId, author: &PublicKey) -> Result<(), RejectReason> {
        let holds = self.signer() == *author
            && match self {
                Self::Asked(proposal) => proposal.holds(mesh),
                Self::Cast(ballot) => ballot.holds(mesh),
            };
        holds.then_some(()).ok_or(RejectReason::BadSignature)
    }
}

/// Tells whether an opening names this proposal, and this jury if a jury decides.
pub(super) fn names(opened: &VoteOpened, proposal: &VoteProposal, jury: &[PublicKey]) -> bool {
    let has_jury = if proposal.rules.is_emergency() {
        jury_electorate(jury) == opened.electorate
    } else {
        jury.is_empty()
    };
    has_jury && opened.proposal == proposal.id() && opened.subject == proposal.subject
}

/// Returns a jury as an electorate; the jurors are in order.
pub fn jury_electorate(jury: &[PublicKey]) -> Electorate {
    Electorate {
        members_root: *ContentId::of(&encode(&("x0/jury/1", jury))).digest(),
        count: u32::try_from(jury.len()).unwrap_or(u32::MAX),
    }
}

pub(super) fn jury_max() -> usize {
    usize::try_from(JURY_SIZE_MAX).unwrap_or(usize::MAX)
}
