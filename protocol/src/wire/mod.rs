//! What travels: signed records and the direct messages of two peers.
//!
//! Everything is deterministic DAG-CBOR with a version in front. Decoding is strict: an encoding
//! that is not the canonical one, a field that is unknown, or a value out of its bounds is refused
//! with an error that names it. Kinds of records this version does not know decode to
//! [`Body::Unknown`]: they are stored and relayed, never acted upon.

mod act;
mod admission;
mod ballot;
mod body;
mod card;
mod case;
mod certificate;
mod codec;
mod countersign;
mod emergency;
mod erasure;
mod guardian;
mod handover;
mod inspection;
mod jury;
mod message;
mod proof;
mod public;
mod record;
mod recovery;
mod rotation;
mod seat;
mod shown;
mod sublime;
mod topic;
mod trustee;
mod version;
mod vote;
mod work;

pub use act::{Act, Change, Policy, Targets, Warrant};
pub use admission::{
    Admission, Admitted, Consented, Draw, Elector, PanelDraw, Placed, Role, Said, Warrants, Word,
};
pub(crate) use ballot::SignedPart;
pub use ballot::{
    Ballot, BallotList, Choice, Delegation, DelegationScope, Receipt, SealedChoice, Vote,
    VoteStatement,
};
pub use body::{
    Body, CapabilityGrant, Description, Founder, Genesis, Invite, Join, Kind, Leave, Merge,
    MeshName, Parameters, Pinned, PolicyName, Reason, Region, Removal, Revocation, TierAddress,
};
pub use card::{CardLabel, CardOnions, CardPage, CardPageError, WrongOnions};
pub use case::{
    Appeal, CaseEntry, CaseFinding, CaseRecord, CaseSay, CaseWord, Claim, DismissedBy, Report,
    Ruled, Ruling, SealedReport, Verdict,
};
#[cfg(test)]
pub(crate) use certificate::no_signature;
pub use certificate::{
    Certificate, Checkpoint, CommitteeKeys, Electorate, Halted, KeysNamed, MultiSig, Panel,
    Statement, Subject, Ticket,
};
pub use codec::DecodeError;
pub use countersign::{Countersign, CountersignAsk, CountersignedHead, HeldHead};
pub use emergency::{
    CallStage, CallStanding, CardRevoked, CardTerms, EmergencyAnswer, EmergencyAsk, EmergencyCall,
    HelloShown, JuryShown, OnionWord, call_reason_info, keys_name, read_reason, write_reason,
};
pub use erasure::{ERASE_ACTS_AFTER, Erasure};
pub use guardian::{Drilled, GuardianWord};
pub use handover::{Authority, HandOver, HandedOver, NextCommittee, SeatsPlan};
pub use inspection::{
    Account, AccountAsk, AccountDraft, AskDraft, AuditOutcome, AuditPair, AuditReport, AuditRight,
    AuditRound, AuditsDrawn, InspectionDraft, InspectionSigned,
};
pub use jury::{JuryDrawn, JuryWord, OnCall, jury_electorate};
pub use message::{
    Consent, Hello, LogHead, Outcome, Part, Refused, Request, Response, SignaturePart, Welcome,
};
pub(crate) use proof::certified;
pub use proof::{JuryProof, NotPassed, VotePassed, VoteProof};
pub(crate) use public::PUBLIC_PAGE_BYTES_MAX;
pub use public::{
    ActAdmitted, Override, OverrideProof, OverrideTold, PublicAsk, PublicEntry, PublicHead,
    PublicPage, PublicWhat,
};
pub use record::{Draft, Header, Place, Record, Unverified, Verified, decode_record};
pub use recovery::{RecoveryPlan, RecoveryWord};
pub use rotation::{
    Appointed, Complaint, Dealt, GuardianAsk, GuardianWants, PartAck, PartAsk, RotationAnswer,
    RotationDealing, RotationEntry, RotationFix, RotationNotice, RotationOpening, RotationPlan,
    RotationShared, RotationStated, part_info, rotation_subject,
};
pub use seat::{
    Block, ClockReading, Decided, Entry, MemberChange, MemberFacts, Phase, Proposal, Quorum,
    SeatDraft, SeatMessage, SeatVote,
};
pub use shown::{AuditAsk, AuditShown, ShownEntry, ShownFault};
pub use sublime::{
    AccessRequest, Forget, GuardAsk, Manifest, Release, ReleasedPart, SeatOpening, Sharing,
    SublimeAsk, SublimeBody, release_info, second_label, share_info,
};
pub use topic::Topic;
pub use trustee::{
    Attestation, TrusteeSalt, TrusteeSlot, TrusteeTerms, TrusteesRevoked, spoken_number,
    trustee_info,
};
pub use version::{Rules, VersionRange, WIRE_VERSION};
pub(crate) use vote::decided;
pub use vote::{
    Openings, Refutation, VoteAnswer, VoteAsk, VoteBatch, VoteDraft, VoteEnd, VoteEntry, VoteItem,
    VoteNotice, VoteOpened, VoteProposal, VoteResolved, VoteRules, VoteSigned,
};

pub(crate) use codec::{decode as decode_entry, encode as encode_entry};

/// Reads what this node has written itself; `None` if it is damaged.
pub(crate) fn decode_own<T: serde::Serialize + serde::de::DeserializeOwned>(
    bytes: &[u8],
) -> Option<T> {
    codec::decode("own state", bytes, usize::MAX).ok()
}
