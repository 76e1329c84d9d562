//! What records say: one type per kind, one enum over all of them.
//!
//! Kinds are numbers on the wire. A number this build does not know gives [`Body::Unknown`].

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, MembershipCommitment, PublicKey, Signature,
    capability::{RevocationId, RootKey, ShareBp, Token},
};

use super::{
    Act, Appeal, AuditReport, AuditRound, CaseWord, Certificate, Checkpoint, Claim, CommitteeKeys,
    DecodeError, Erasure, HandedOver, JuryWord, KeysNamed, RecoveryWord, Report, Rules,
    SealedReport, Statement, SublimeBody, VoteNotice,
    case::check_body,
    codec::{decode, encode},
};
use crate::{
    anti_meave::anomaly::Alert,
    charter::Charter,
    core::{
        limits::{
            DESCRIPTION_BYTES_MAX, FOUNDERS_MAX, MERGE_HEADS_MAX, REASON_BYTES_MAX,
            RECORD_BYTES_MAX, REGIONS_MAX, REVOCATIONS_MAX, SEATS_MAX,
        },
        time::{Millis, TimeScale, Wall},
    },
};

const TEN_PERCENT: ShareBp = ShareBp::from_percent(10);

/// Age from which a member counts, unless the genesis of a test mesh says otherwise.
const MEMBER_AGE: Millis = Millis::from_mins(60 * 24 * 30);

/// The number of a record kind on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub u16);

impl Kind {
    /// [`Genesis`].
    pub const GENESIS: Self = Self(0x0100);
    /// [`Invite`].
    pub const INVITE: Self = Self(0x0101);
    /// [`Join`].
    pub const JOIN: Self = Self(0x0102);
    /// [`Leave`].
    pub const LEAVE: Self = Self(0x0103);
    /// [`Removal`].
    pub const REMOVAL: Self = Self(0x0104);
    /// [`Merge`].
    pub const MERGE: Self = Self(0x0105);
    /// [`CapabilityGrant`].
    pub const CAPABILITY: Self = Self(0x0200);
    /// [`Revocation`].
    pub const REVOCATION: Self = Self(0x0201);
    /// [`Act`].
    pub const ACT: Self = Self(0x0300);
    /// [`Alert`].
    pub const ALERT: Self = Self(0x0301);
    /// [`KeysNamed`].
    pub const KEYS: Self = Self(0x0400);
    /// [`Certificate`] over a [`super::Checkpoint`].
    pub const CHECKPOINT: Self = Self(0x0401);
    /// What the committee certifies of a vote.
    pub const VOTE: Self = Self(0x0402);
    /// [`Certificate`] over a [`super::Halted`].
    pub const HALT: Self = Self(0x0403);
    /// [`JuryWord`].
    pub const JURY: Self = Self(0x0404);
    /// [`HandedOver`].
    pub const HAND_OVER: Self = Self(0x0410);
    /// [`RecoveryWord`].
    pub const RECOVERY: Self = Self(0x0411);
    /// [`Charter`].
    pub const CHARTER: Self = Self(0x0500);
    /// [`Certificate`] over a [`super::Ruling`].
    pub const RULING: Self = Self(0x0501);
    /// [`Report`].
    pub const REPORT: Self = Self(0x0502);
    /// [`SealedReport`].
    pub const SEALED_REPORT: Self = Self(0x0503);
    /// [`CaseWord`].
    pub const CASE_WORD: Self = Self(0x0504);
    /// [`Appeal`].
    pub const APPEAL: Self = Self(0x0505);
    /// [`Claim`].
    pub const CLAIM: Self = Self(0x0506);
    /// [`AuditRound`].
    pub const AUDIT_ROUND: Self = Self(0x0507);
    /// [`AuditReport`].
    pub const AUDIT_REPORT: Self = Self(0x0508);
    /// [`super::GuardianWord`].
    pub const GUARDIAN: Self = Self(0x0600);
    /// [`super::Manifest`].
    pub const MANIFEST: Self = Self(0x0601);
    /// [`super::AccessRequest`].
    pub const ACCESS_REQUEST: Self = Self(0x0602);
    /// A rotation of guardians.
    pub const ROTATION: Self = Self(0x0603);
    /// An item is to be forgotten.
    pub const FORGET: Self = Self(0x0604);
    /// [`super::EmergencyCall`].
    pub const EMERGENCY_CALL: Self = Self(0x0605);
    /// [`super::CardRevoked`].
    pub const CARD_REVOKED: Self = Self(0x0606);
    /// [`super::OnionWord`].
    pub const ONION: Self = Self(0x0607);
    /// [`super::Drilled`].
    pub const DRILLED: Self = Self(0x0608);
    /// [`super::Attestation`].
    pub const ATTESTATION: Self = Self(0x0609);
    /// [`super::TrusteesRevoked`].
    pub const TRUSTEES_REVOKED: Self = Self(0x060a);
    /// [`Erasure`].
    pub const ERASURE: Self = Self(0x0700);
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The first record of a mesh; its id is the mesh's id.
    Genesis(Genesis),
    /// An open door for one newcomer.
    Invite(Invite),
    /// A newcomer's entry through an invite.
    Join(Join),
    /// A member's own departure.
    Leave(Leave),
    /// A committee seat's statement that a member be removed.
    Removal(Removal),
    /// A signed merge of the forks of the author's own chain.
    Merge(Merge),
    /// A capability token made known to the mesh.
    Capability(CapabilityGrant),
    /// The end of tokens before their time.
    Revocation(Revocation),
    /// A change asked of nodes.
    Act(Act),
    /// An anomaly found in acts, with the evidence that shows it.
    Alert(Box<Alert>),
    /// The committee's keys.
    Keys(Box<KeysNamed>),
    /// Where the committee log stands.
    Checkpoint(Box<Certificate>),
    /// A vote is open, counted or over.
    Vote(Box<VoteNotice>),
    /// The committee has halted the mesh.
    Halt(Box<Certificate>),
    /// An item for the jury of the day, or a juror's ballot.
    Jury(Box<JuryWord>),
    /// The committee's next keys and seats.
    HandOver(Box<HandedOver>),
    /// A member's word for a new committee in place of a lost one.
    Recovery(Box<RecoveryWord>),
    /// An amendment of the charter; a vote on its content id decides.
    Charter(Charter),
    /// What has become of a reported violation.
    Ruling(Box<Certificate>),
    /// A member reports a violation of the charter.
    Report(Box<Report>),
    /// Somebody reports one to the committee alone, under a key used for nothing else.
    SealedReport(Box<SealedReport>),
    /// The word of a seat's person about a case.
    CaseWord(Box<CaseWord>),
    /// The word of the accused against a verdict.
    Appeal(Box<Appeal>),
    /// To whom the bounty of a sealed report goes.
    Claim(Box<Claim>),
    /// A round of audits of members' nodes is open.
    AuditRound(Box<AuditRound>),
    /// What came of an audit.
    AuditReport(Box<AuditReport>),
    /// About Sublime: guardians, items, requests.
    Sublime(SublimeBody),
    /// The author has what own records say erased.
    Erasure(Erasure),
    /// What the record said is erased; only its header is left.
    Erased {
        /// What it was.
        kind: Kind,
        /// The author's record that had it erased.
        by: ContentId,
    },
    /// A kind this build does not know: stored and relayed, never acted upon.
    Unknown(Kind, Box<[u8]>),
}

/// A mesh's beginning: who founds it and under which parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The mesh's name.
    pub name: MeshName,
    /// The first members, in order of key.
    pub founders: Vec<Founder>,
    /// Founders whose statements remove members, in order; two thirds and one must agree.
    pub seats: Vec<PublicKey>,
    /// Delegation roots that every member accepts by joining, in order.
    pub roots: Vec<RootKey>,
    /// The figures the mesh runs under.
    pub parameters: Parameters,
}

/// One of the first members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// Who it is.
    pub key: PublicKey,
    /// The root of the capability tokens it grants.
    pub root: RootKey,
    /// Commitment for anonymous membership proofs.
    pub commitment: MembershipCommitment,
    /// Region it picked, if any.
    pub region: Option<Region>,
}

/// The figures a mesh runs under, fixed by its genesis until votes exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Rules of validity in force.
    pub rules: Rules,
    /// Mesh seconds per real second; 1 unless this is a test mesh.
    pub time_scale: TimeScale,
    /// Region labels members may pick from, in order.
    pub regions: Vec<Region>,
    /// Share of the mesh above which an act is a mass action.
    pub mass_action_share: ShareBp,
    /// Nodes an act may always touch without being a mass action; matters in small meshes only.
    pub mass_action_floor: u32,
    /// How long a member must have been one to be drawn and to count in shares; founders always do.
    #[serde(default = "thirty_days", skip_serializing_if = "is_thirty_days")]
    pub member_age: Millis,
    /// The charter it begins under; its content id names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<Charter>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            rules: Rules::NEWEST,
            time_scale: TimeScale::REAL,
            regions: Vec::new(),
            mass_action_share: TEN_PERCENT,
            mass_action_floor: 1,
            member_age: MEMBER_AGE,
            charter: None,
        }
    }
}

const fn thirty_days() -> Millis {
    MEMBER_AGE
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_thirty_days(age: &Millis) -> bool {
    *age == MEMBER_AGE
}

/// An open door for one newcomer, held by whoever knows the one-time secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Public half of the one-time key whose secret stands in the invite string.
    pub key: PublicKey,
    /// When the door closes.
    pub expires: Wall,
    /// The newest checkpoint that the inviter knew: whoever comes in by this obeys nobody before it knows that one or
    /// a later, so that it cannot be shown the mesh of long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Pinned>,
}

/// A checkpoint of the committee, by its place and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Its height in the committee log.
    pub height: u64,
    /// Its name.
    pub id: ContentId,
}

/// A newcomer's entry through an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The invite record.
    pub invite: ContentId,
    /// Public half of the invite's one-time key, as in the invite record.
    pub key: PublicKey,
    /// The one-time key's signature over [`Join::proof_message`].
    pub proof: Signature,
    /// The root of the capability tokens the newcomer will grant.
    pub root: RootKey,
    /// Commitment for anonymous membership proofs.
    pub commitment: MembershipCommitment,
    /// Region it picked, if any.
    pub region: Option<Region>,
}

impl Join {
    /// Returns what the one-time key signs: this invite admits this key to this mesh.
    pub fn proof_message(mesh: &ContentId, invite: &ContentId, newcomer: &PublicKey) -> Vec<u8> {
        let mut message = Vec::with_capacity(96);
        message.extend_from_slice(mesh.digest());
        message.extend_from_slice(invite.digest());
        message.extend_from_slice(newcomer.bytes());
        message
    }
}

/// A member's own departure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {}

/// A committee seat's statement that a member be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Who should go.
    pub member: PublicKey,
    /// Why, in words for everyone.
    pub reason: Reason,
}

/// A signed merge: the author's chain continues from several heads at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The records that stand at a place taken twice, in order.
    pub heads: Vec<ContentId>,
}

/// A capability token made known to the mesh, so that delegations are no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityGrant {
    /// The root the token is signed under.
    pub root: RootKey,
    /// The token.
    pub token: Token,
}

/// The end of tokens before their time, said by the member whose root granted them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Ids of the blocks revoked, in order: a block takes everything derived from it along.
    pub ids: Vec<RevocationId>,
    /// Why, in words for everyone.
    pub reason: Reason,
}

/// Makes a type for text within bounds.
macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $valid:expr, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let valid: fn(&str) -> bool = $valid;
                if text.len() > $max || !valid(text) {
                    return Err(format!(
                        concat!($what, " {:?} is not allowed: write ", $allowed, ", at most {} bytes"),
                        text.chars().take(80).collect::<String>(),
                        $max,
                    ));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

impl Reason {
    /// Takes a text as a reason: what is too long of it is left out, and control characters become spaces.
    pub fn shortened(text: &str) -> Self {
        let mut short = String::new();
        for letter in text.chars() {
            let letter = if letter.is_control() { ' ' } else { letter };
            if short.len() + letter.len_utf8() > REASON_BYTES_MAX {
                break;
            }
            short.push(letter);
        }
        short.parse().unwrap_or_else(|_| Self("?".to_owned()))
    }
}

pub(super) use bounded_text;

bounded_text! {
    /// The name of a mesh.
    MeshName, "mesh name", 64,
    |text| !text.trim().is_empty() && !text.chars().any(char::is_control),
    "printable text, not empty"
}

bounded_text! {
    /// A coarse region label from the genesis list; never derived from addresses.
    Region, "region", 32,
    |text| !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
    "a-z, 0-9 and '-'"
}

bounded_text! {
    /// Where an IPFS node is reached, as a multiaddress.
    TierAddress, "address", 256,
    |text| text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()),
    "a multiaddress such as /ip4/192.0.2.1/tcp/4001/p2p/12D3…"
}

bounded_text! {
    /// The written name of a policy, known to this build or not.
    PolicyName, "policy name", 60,
    |text| !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'.')),
    "a-z, '_' and '.'"
}

bounded_text! {
    /// What somebody has to say at some length, line by line.
    Description, "description", DESCRIPTION_BYTES_MAX,
    |text| !text.trim().is_empty() && !text.chars().any(|c| c.is_control() && c != '\n'),
    "printable text, not empty"
}

bounded_text! {
    /// A reason in words for everyone; may be empty.
    Reason, "reason", REASON_BYTES_MAX,
    |text| !text.chars().any(char::is_control),
    "printable text without line breaks"
}

impl Body {
    /// Returns the kind under which the body travels.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::GENESIS,
            Self::Invite(_) => Kind::INVITE,
            Self::Join(_) => Kind::JOIN,
            Self::Leave(_) => Kind::LEAVE,
            Self::Removal(_) => Kind::REMOVAL,
            Self::Merge(_) => Kind::MERGE,
            Self::Capability(_) => Kind::CAPABILITY,
            Self::Revocation(_) => Kind::REVOCATION,
            Self::Act(_) => Kind::ACT,
            Self::Alert(_) => Kind::ALERT,
            Self::Keys(_) => Kind::KEYS,
            Self::Checkpoint(_) => Kind::CHECKPOINT,
            Self::Vote(_) => Kind::VOTE,
            Self::Halt(_) => Kind::HALT,
            Self::Jury(_) => Kind::JURY,
            Self::HandOver(_) => Kind::HAND_OVER,
            Self::Recovery(_) => Kind::RECOVERY,
            Self::Charter(_) => Kind::CHARTER,
            Self::Ruling(_) => Kind::RULING,
            Self::Report(_) => Kind::REPORT,
            Self::SealedReport(_) => Kind::SEALED_REPORT,
            Self::CaseWord(_) => Kind::CASE_WORD,
            Self::Appeal(_) => Kind::APPEAL,
            Self::Claim(_) => Kind::CLAIM,
            Self::AuditRound(_) => Kind::AUDIT_ROUND,
            Self::AuditReport(_) => Kind::AUDIT_REPORT,
            Self::Sublime(body) => body.kind(),
            Self::Erasure(_) => Kind::ERASURE,
            Self::Erased { kind, .. } => *kind,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Tells whether nobody is to learn at which node the record was first said: its author is a key used for nothing else,
    /// so that the record itself names nobody. It goes along a stem before it is gossiped (`spine::delivery::Stem`).
    ///
    /// What a member signs with its own key is none of these: whoever reads it knows whose node said it.
    pub const fn is_sensitive(&self) -> bool {
        match self {
            Self::SealedReport(_) | Self::Claim(_) => true,
            Self::Sublime(body) => body.is_sensitive(),
            Self::Genesis(_)
            | Self::Invite(_)
            | Self::Join(_)
            | Self::Leave(_)
            | Self::Removal(_)
            | Self::Merge(_)
            | Self::Capability(_)
            | Self::Revocation(_)
            | Self::Act(_)
            | Self::Alert(_)
            | Self::Keys(_)
            | Self::Checkpoint(_)
            | Self::Vote(_)
            | Self::Halt(_)
            | Self::Jury(_)
            | Self::HandOver(_)
            | Self::Recovery(_)
            | Self::Charter(_)
            | Self::Ruling(_)
            | Self::Report(_)
            | Self::CaseWord(_)
            | Self::Appeal(_)
            | Self::AuditRound(_)
            | Self::AuditReport(_)
            | Self::Erasure(_)
            | Self::Erased { .. }
            | Self::Unknown(..) => false,
        }
    }

    /// Returns the checkpoint and its certificate, if that is what the record says.
    pub fn checkpoint(&self) -> Option<(&Checkpoint, &Certificate)> {
        let Self::Checkpoint(certificate) = self else {
            return None;
        };
        match &certificate.statement {
            Statement::Checkpoint(checkpoint) => Some((checkpoint, certificate)),
            Statement::Ticket(_)
            | Statement::Halt(_)
            | Statement::HandOver(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_) => None,
        }
    }

    /// Returns the word for a new committee, if that is what the record says.
    pub fn recovery(&self) -> Option<&RecoveryWord> {
        let Self::Recovery(word) = self else {
            return None;
        };
        Some(word)
    }

    /// Returns the hand-over of the committee, if that is what the record says.
    pub fn handed_over(&self) -> Option<&HandedOver> {
        let Self::HandOver(handed) = self else {
            return None;
        };
        Some(handed)
    }

    /// Returns the keys of the committee that the record makes known, if it makes any.
    pub fn committee_keys(&self) -> Option<&CommitteeKeys> {
        match self {
            Self::Keys(named) => named.keys(),
            Self::HandOver(handed) => Some(&handed.next.keys),
            Self::Genesis(_)
            | Self::Invite(_)
            | Self::Join(_)
            | Self::Leave(_)
            | Self::Removal(_)
            | Self::Merge(_)
            | Self::Capability(_)
            | Self::Revocation(_)
            | Self::Act(_)
            | Self::Alert(_)
            | Self::Halt(_)
            | Self::Jury(_)
            | Self::Vote(_)
            | Self::Checkpoint(_)
            | Self::Recovery(_)
            | Self::Charter(_)
            | Self::Erasure(_)
            | Self::Erased { .. }
            | Self::Ruling(_)
            | Self::Report(_)
            | Self::SealedReport(_)
            | Self::CaseWord(_)
            | Self::Appeal(_)
            | Self::Claim(_)
            | Self::AuditRound(_)
            | Self::AuditReport(_)
            | Self::Sublime(_)
            | Self::Unknown(..) => None,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Genesis(body) => encode(body),
            Self::Invite(body) => encode(body),
            Self::Join(body) => encode(body),
            Self::Leave(body) => encode(body),
            Self::Removal(body) => encode(body),
            Self::Merge(body) => encode(body),
            Self::Capability(body) => encode(body),
            Self::Revocation(body) => encode(body),
            Self::Act(body) => encode(body),
            Self::Alert(body) => encode(body),
            Self::Keys(body) => encode(body),
            Self::Checkpoint(body) => encode(body),
            Self::Vote(body) => encode(body),
            Self::Halt(body) => encode(body),
            Self::Jury(body) => encode(body),
            Self::HandOver(body) => encode(body),
            Self::Recovery(body) => encode(body),
            Self::Charter(body) => encode(body),
            Self::Erasure(body) => encode(body),
            Self::Erased { .. } => Vec::new(),
            Self::Ruling(body) => encode(body),
            Self::Report(body) => encode(body),
            Self::SealedReport(body) => encode(body),
            Self::CaseWord(body) => encode(body),
            Self::Appeal(body) => encode(body),
            Self::Claim(body) => encode(body),
            Self::AuditRound(body) => encode(body),
            Self::AuditReport(body) => encode(body),
            Self::Sublime(body) => body.encode(),
            Self::Unknown(_, bytes) => bytes.to_vec(),
        }
    }

    pub(super) fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, DecodeError> {
        let max = RECORD_BYTES_MAX;
        match kind {
            Kind::GENESIS => {
                let genesis: Genesis = decode("genesis", bytes, max)?;
                genesis.check()?;
                Ok(Self::Genesis(genesis))
            }
            Kind::INVITE => Ok(Self::Invite(decode("invite", bytes, max)?)),
            Kind::JOIN => Ok(Self::Join(decode("join", bytes, max)?)),
            Kind::LEAVE => Ok(Self::Leave(decode("leave", bytes, max)?)),
            Kind::REMOVAL => Ok(Self::Removal(decode("removal", bytes, max)?)),
            Kind::MERGE => {
                let merge: Merge = decode("merge", bytes, max)?;
                ordered("merge", "heads", &merge.heads, 2, MERGE_HEADS_MAX)?;
                Ok(Self::Merge(merge))
            }
            Kind::CAPABILITY => Ok(Self::Capability(decode("capability", bytes, max)?)),
            Kind::REVOCATION => {
                let revocation: Revocation = decode("revocation", bytes, max)?;
                ordered("revocation", "ids", &revocation.ids, 1, REVOCATIONS_MAX)?;
                Ok(Self::Revocation(revocation))
            }
            Kind::ACT => {
                let act: Act = decode("act", bytes, max)?;
                act.check()?;
                Ok(Self::Act(act))
            }
            Kind::ALERT => {
                let alert: Box<Alert> = decode("alert", bytes, max)?;
                alert.check()?;
                Ok(Self::Alert(alert))
            }
            Kind::KEYS => {
                let keys: Box<KeysNamed> = decode("named keys", bytes, max)?;
                keys.check()?;
                Ok(Self::Keys(keys))
            }
            Kind::CHECKPOINT => {
                let certificate: Box<Certificate> = decode("checkpoint", bytes, max)?;
                match certificate.statement {
                    Statement::Checkpoint(_) => Ok(Self::Checkpoint(certificate)),
                    Statement::Ticket(_)
                    | Statement::Halt(_)
                    | Statement::HandOver(_)
                    | Statement::Opened(_)
                    | Statement::Tally(_)
                    | Statement::Resolved(_)
                    | Statement::Jury(_)
                    | Statement::Ruling(_)
                    | Statement::Audits(_)
                    | Statement::Rotation(_) => {
                        let why = "is not one about the log";
                        Err(DecodeError::bounds("checkpoint", "statement", why))
                    }
                }
            }
            Kind::VOTE => {
                let notice: Box<VoteNotice> = decode("notice of a vote", bytes, max)?;
                notice.check()?;
                Ok(Self::Vote(notice))
            }
            Kind::HALT => {
                let certificate: Box<Certificate> = decode("halt", bytes, max)?;
                match certificate.statement {
                    Statement::Halt(_) => Ok(Self::Halt(certificate)),
                    Statement::Checkpoint(_)
                    | Statement::Ticket(_)
                    | Statement::HandOver(_)
                    | Statement::Opened(_)
                    | Statement::Tally(_)
                    | Statement::Resolved(_)
                    | Statement::Jury(_)
                    | Statement::Ruling(_)
                    | Statement::Audits(_)
                    | Statement::Rotation(_) => {
                        let why = "is not one about a halt";
                        Err(DecodeError::bounds("halt", "statement", why))
                    }
                }
            }
            Kind::JURY => {
                let word: Box<JuryWord> = decode("word on a jury", bytes, max)?;
                word.check()?;
                Ok(Self::Jury(word))
            }
            Kind::HAND_OVER => {
                let handed: Box<HandedOver> = decode("hand-over", bytes, max)?;
                handed.check()?;
                Ok(Self::HandOver(handed))
            }
            Kind::RECOVERY => {
                let word: Box<RecoveryWord> = decode("recovery", bytes, max)?;
                word.plan.check()?;
                Ok(Self::Recovery(word))
            }
            Kind::CHARTER => {
                let charter: Charter = decode("charter", bytes, max)?;
                let carried = charter.check_carried();
                carried
                    .map_err(|fault| DecodeError::bounds("charter", "size", fault.to_string()))?;
                Ok(Self::Charter(charter))
            }
            Kind::ERASURE => {
                let erasure: Erasure = decode("erasure", bytes, max)?;
                erasure.check()?;
                Ok(Self::Erasure(erasure))
            }
            Kind::RULING => Self::of_case(Self::Ruling(decode("ruling", bytes, max)?)),
            Kind::REPORT => Self::of_case(Self::Report(decode("report", bytes, max)?)),
            Kind::SEALED_REPORT => {
                Self::of_case(Self::SealedReport(decode("sealed report", bytes, max)?))
            }
            Kind::CASE_WORD => Ok(Self::CaseWord(decode("word on a case", bytes, max)?)),
            Kind::APPEAL => Ok(Self::Appeal(decode("appeal", bytes, max)?)),
            Kind::CLAIM => Ok(Self::Claim(decode("claim", bytes, max)?)),
            Kind::AUDIT_ROUND => {
                let round: Box<AuditRound> = decode("round of audits", bytes, max)?;
                round.check()?;
                Ok(Self::AuditRound(round))
            }
            Kind::AUDIT_REPORT => {
                let report: Box<AuditReport> = decode("report of an audit", bytes, max)?;
                report.check()?;
                Ok(Self::AuditReport(report))
            }
            Kind(_) => match SublimeBody::decode(kind, bytes) {
                Some(decoded) => decoded.map(Self::Sublime),
                None => Ok(Self::Unknown(kind, bytes.into())),
            },
        }
    }
}

impl Body {
    fn of_case(self) -> Result<Self, DecodeError> {
        check_body(&self).map(|()| self)
    }
}

impl Genesis {
    /// Checks the figures that bound each other.
    ///
    /// # Errors
    ///
    /// Returns the field at fault and what is allowed.
    pub fn check(&self) -> Result<(), DecodeError> {
        let keys: Vec<_> = self.founders.iter().map(|founder| founder.key).collect();
        ordered("genesis", "founders", &keys, 1, FOUNDERS_MAX)?;
        if self.seats.len() > SEATS_MAX {
            let why = format!(
                "are {}, one committee has {SEATS_MAX} at most: name fewer founders and invite the others",
                self.seats.len()
            );
            return Err(DecodeError::bounds("genesis", "seats", why));
        }
        ordered("genesis", "seats", &self.seats, 1, SEATS_MAX)?;
        ordered("genesis", "roots", &self.roots, 0, FOUNDERS_MAX)?;
        ordered(
            "genesis",
            "regions",
            &self.parameters.regions,
            0,
            REGIONS_MAX,
        )?;
        if let Some(seat) = self
            .seats
            .iter()
            .find(|seat| keys.binary_search(seat).is_err())
        {
            let why = format!("names {seat}, who is not a founder");
            return Err(DecodeError::bounds("genesis", "seats", why));
        }
        let unlisted = self
            .founders
            .iter()
            .filter_map(|founder| founder.region.as_ref());
        for region in unlisted {
            if self.parameters.regions.binary_search(region).is_err() {
                let why = format!("names the region {region}, which is not in the list of regions");
                return Err(DecodeError::bounds("genesis", "founders", why));
            }
        }
        if self.parameters.rules > Rules::NEWEST || self.parameters.rules.0 == 0 {
            let why = format!(
                "is version {}, this build follows 1 to {}: install a newer x0",
                self.parameters.rules.0,
                Rules::NEWEST.0
            );
            return Err(DecodeError::bounds("genesis", "rules", why));
        }
        if !(1..=100_000).contains(&self.parameters.time_scale.0) {
            return Err(DecodeError::bounds(
                "genesis",
                "time_scale",
                "is 1 to 100000",
            ));
        }
        if self.parameters.mass_action_share > TEN_PERCENT {
            return Err(DecodeError::bounds(
                "genesis",
                "mass_action_share",
                "is at most 10 %",
            ));
        }
        if self.parameters.member_age > MEMBER_AGE {
            return Err(DecodeError::bounds(
                "genesis",
                "member_age",
                "is at most 30 days",
            ));
        }
        if let Some(charter) = &self.parameters.charter {
            let carried = charter.check_carried();
            carried
                .map_err(|fault| DecodeError::bounds("genesis", "charter", fault.to_string()))?;
        }
        if !(1..=3).contains(&self.parameters.mass_action_floor) {
            return Err(DecodeError::bounds(
                "genesis",
                "mass_action_floor",
                "is 1 to 3 nodes",
            ));
        }
        Ok(())
    }
}

pub(super) fn ordered<T: Ord>(
    what: &'static str,
    field: &'static str,
    items: &[T],
    min: usize,
    max: usize,
) -> Result<(), DecodeError> {
    if !(min..=max).contains(&items.len()) {
        let why = format!("has {} entries, {min} to {max} are allowed", items.len());
        return Err(DecodeError::bounds(what, field, why));
    }
    if !items.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::bounds(
            what,
            field,
            "is not in strictly rising order",
        ));
    }
    Ok(())
}
