//! What is said about violations of the charter, and what the committee certifies of them.
//!
//! - [`Report`], signed by a member; or [`SealedReport`], which only the committee can open, signed by a key that is
//!   used for it and for nothing else: the record stands at place 0 of a chain that nobody knows.
//! - [`CaseWord`]: the word of a seat's person; [`Appeal`]: that of the accused; [`Claim`]: that of whoever holds the
//!   receipt of a sealed report.
//! - [`Ruling`]: what came of a case, under the committee's certificate.
//!
//! A case is named by the record that reported it. All of these are records; the committee log takes them up whole, so
//! that each seat checks the very signature that everybody else checks.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_bytes::{ByteBuf, Bytes};
use x0_crypto::{
    ContentId, PublicKey,
    committee::{SealedToLabel, ThresholdSignature},
};

use super::{
    Body, Certificate, DecodeError, Kind, Reason, Record, Unverified,
    body::{Description, ordered},
    codec::encode,
    decode_record,
    work::{Worker, check_alone},
};
use crate::{
    charter::{
        Charter,
        violation::{Sentence, Violation},
    },
    core::{
        limits::{CASE_RECORD_BYTES_MAX, EVIDENCE_MAX, REPORT_WORK_BITS, SEALED_REPORT_BYTES},
        reject::RejectReason,
        time::Wall,
    },
};

/// A violation as somebody reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Who is said to have done it; none if the reporter does not know.
    pub accused: Option<PublicKey>,
    /// Which sort it is.
    pub sort: Violation,
    /// What happened, in words.
    pub description: Description,
    /// What shows it, by content ids in order.
    pub evidence: Vec<ContentId>,
    /// What the reporter asks for, in words; may be empty.
    pub asked: Reason,
}

impl Report {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        ordered("report", "evidence", &self.evidence, 0, EVIDENCE_MAX)
    }
}

/// A report that only the committee can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedReport {
    /// The hash of the receipt's secret, see [`SealedReport::commit`].
    pub commitment: ContentId,
    /// The report, padded to one length and sealed to the label of this report.
    pub sealed: SealedToLabel,
    /// What the work was found with, see [`SealedReport::work`].
    pub nonce: u64,
}

impl SealedReport {
    /// Returns what stands in the report for a secret.
    pub fn commit(secret: &[u8; 32]) -> ContentId {
        ContentId::of(&encode(&("x0/report/secret/1", Bytes::new(secret))))
    }

    /// Returns how much work stands in the report: zero bits at the front of a hash over the mesh, the one-time key and
    /// all that it says. Each bit doubles what it takes to find the nonce.
    pub fn work(&self, mesh: &ContentId, author: &PublicKey) -> u32 {
        self.worker(mesh, author).bits(self.nonce)
    }

    /// Finds the first nonce that comes to so many bits of work, at most 40.
    pub fn find_nonce(&mut self, mesh: &ContentId, author: &PublicKey, bits: u32) {
        self.nonce = self.worker(mesh, author).find(bits);
    }

    fn worker(&self, mesh: &ContentId, author: &PublicKey) -> Worker {
        let said = (
            "x0/report/work/1",
            mesh,
            author,
            &self.commitment,
            &self.sealed,
        );
        Worker::over(&said)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let len = self.sealed.to_bytes().len();
        if len != SEALED_REPORT_BYTES {
            let why = format!("has {len} bytes, every sealed report has {SEALED_REPORT_BYTES}");
            return Err(DecodeError::bounds("sealed report", "sealed", why));
        }
        Ok(())
    }

    /// Checks place and work of the record that carries the report.
    pub(super) fn check_carried(
        &self,
        mesh: &ContentId,
        record: &Record,
    ) -> Result<(), RejectReason> {
        let work = self.work(mesh, &record.author());
        let why = "a sealed report stands alone at place 0 of a key of its own";
        check_alone(record, (work, REPORT_WORK_BITS), why)
    }
}

/// What the person of a seat finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFinding {
    /// Who has done it.
    pub accused: PublicKey,
    /// Which sort it is; the penalty follows from it.
    pub sort: Violation,
    /// What the reporter gets, x0, within the charter's bounds.
    pub bounty_x0: u64,
}

/// What the person of a seat says about a case; so many alike as the charter asks for decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum CaseSay {
    /// It is to be looked into.
    Open,
    /// There is nothing in it.
    Dismiss,
    /// There was a violation.
    Find(CaseFinding),
    /// After an appeal: the verdict stands.
    Uphold,
    /// After an appeal: the verdict falls.
    Overturn,
}

/// The word of a seat's person about a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseWord {
    /// The case.
    pub case: ContentId,
    /// What is said.
    pub say: CaseSay,
    /// Why, in words for everyone.
    pub why: Reason,
}

/// The word of the accused against a verdict, while its window is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appeal {
    /// The case.
    pub case: ContentId,
    /// Why the verdict is wrong, in words for everyone.
    pub why: Description,
}

/// Says to whom the bounty of a sealed report goes; signed by the report's one-time key, at place 1 after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The case.
    pub case: ContentId,
    /// Whose the bounty is to be.
    pub to: PublicKey,
    /// The receipt's secret, which is none from then on.
    #[serde(with = "serde_bytes")]
    pub secret: [u8; 32],
}

impl Claim {
    /// Checks the place of the record that carries the claim.
    pub(super) fn check_carried(&self, record: &Record) -> Result<(), RejectReason> {
        let header = record.header();
        match (header.seq, header.prev) {
            (1, Some(prev)) if prev == self.case => Ok(()),
            (_, _) => Err(RejectReason::NotEntitled(
                "a claim stands at place 1, after its report",
            )),
        }
    }
}

/// A verdict: who has done what, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Who has done it.
    pub accused: PublicKey,
    /// Which sort it is.
    pub sort: Violation,
    /// The charter from which the penalty follows.
    pub charter: ContentId,
    /// What follows.
    pub sentence: Sentence,
    /// Who has reported it: a member, or the one-time key of a sealed report.
    pub reporter: PublicKey,
    /// What the reporter gets, x0.
    pub bounty_x0: u64,
}

/// What has become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Ruled {
    /// The committee has the report, and is to say by then whether it looks into it.
    TakenUp {
        /// Mesh time from which it is overdue.
        due: Wall,
    },
    /// It is looked into.
    Opened {
        /// Mesh time from which the decision is overdue.
        due: Wall,
    },
    /// There is nothing in it.
    Dismissed {
        /// By what it ended.
        by: DismissedBy,
    },
    /// There was a violation; the accused may appeal until then.
    Announced {
        /// The verdict as it will be if nobody appeals.
        verdict: Verdict,
        /// Mesh time at which the window for an appeal ends.
        until: Wall,
    },
    /// The accused has appealed: it is decided anew.
    Appealed {
        /// Mesh time from which the second decision is overdue.
        due: Wall,
    },
    /// The verdict has fallen.
    Overturned {
        /// By what it ended.
        by: DismissedBy,
    },
    /// The verdict stands, and holds at every node.
    Final {
        /// Its number among all that moves x0, from 1 and without gaps.
        number: u64,
        /// The verdict.
        verdict: Verdict,
    },
    /// The bounty of a sealed report has gone to somebody.
    Claimed {
        /// Its number among all that moves x0.
        number: u64,
        /// The report's one-time key.
        from: PublicKey,
        /// Who has it now.
        to: PublicKey,
        /// How much, x0.
        amount_x0: u64,
    },
}

/// By what a case ended without a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DismissedBy {
    /// Enough seats' persons have said so.
    Approvals,
    /// What was sealed is no report.
    Unreadable,
    /// Nobody has decided for too long.
    Lapse,
}

impl core::fmt::Display for DismissedBy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Approvals => "enough of the seats' persons say so",
            Self::Unreadable => "what was sealed is no report",
            Self::Lapse => "nobody decided in 90 days",
        })
    }
}

/// What has become of a case at one height of the committee log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// The case, by the record that reported it.
    pub case: ContentId,
    /// What has become of it.
    pub ruled: Ruled,
    /// The height.
    pub height: u64,
    /// Mesh time as of that height.
    pub time: Wall,
}

impl Ruling {
    /// Returns its number, if it moves x0.
    pub const fn number(&self) -> Option<u64> {
        match self.ruled {
            Ruled::Final { number, .. } | Ruled::Claimed { number, .. } => Some(number),
            Ruled::TakenUp { .. }
            | Ruled::Opened { .. }
            | Ruled::Dismissed { .. }
            | Ruled::Announced { .. }
            | Ruled::Appealed { .. }
            | Ruled::Overturned { .. } => None,
        }
    }
}

/// A record that the committee log takes up about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRecord(Record);

impl CaseRecord {
    /// Wraps a record; none if it says nothing about a case, or too much.
    pub fn new(record: Record) -> Option<Self> {
        let kind = record.header().kind;
        let is_about_a_case = matches!(
            kind,
            Kind::REPORT | Kind::SEALED_REPORT | Kind::CASE_WORD | Kind::APPEAL | Kind::CLAIM
        );
        let fits = record.bytes().len() <= CASE_RECORD_BYTES_MAX;
        (is_about_a_case && fits).then_some(Self(record))
    }

    /// Returns the record.
    pub const fn record(&self) -> &Record {
        &self.0
    }
}

impl Serialize for CaseRecord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Bytes::new(self.0.bytes()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for CaseRecord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        if bytes.len() > CASE_RECORD_BYTES_MAX {
            return Err(D::Error::custom("it is longer than any about a case"));
        }
        let record = decode_record(&bytes).map_err(D::Error::custom)?;
        Self::new(record.into_inner())
            .ok_or_else(|| D::Error::custom("it says nothing about a case"))
    }
}

/// One thing in the committee log about cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum CaseEntry {
    /// Somebody reports, speaks, appeals or claims.
    Record(CaseRecord),
    /// What opens a sealed report: the committee's signature over its label.
    Opened {
        /// The case.
        case: ContentId,
        /// The signature.
        signature: Box<ThresholdSignature>,
    },
    /// A vote has put another charter in force, by which cases are decided from now on.
    Charter(Charter),
    /// A sentence of a final verdict that an earlier log has come to; each seat knows its certificate.
    Sentence {
        /// Whose.
        accused: PublicKey,
        /// The case.
        case: ContentId,
        /// What follows.
        sentence: Sentence,
    },
}

impl CaseEntry {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Record(_) | Self::Opened { .. } | Self::Sentence { .. } => Ok(()),
            Self::Charter(charter) => {
                let carried = charter.check_carried();
                carried.map_err(|fault| DecodeError::bounds("charter", "size", fault.to_string()))
            }
        }
    }

    /// Checks the signature of a record; what opens a report is checked against the log's own keys.
    pub(super) fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        let Self::Record(CaseRecord(record)) = self else {
            return Ok(());
        };
        if record.header().mesh != Some(*mesh) {
            return Err(RejectReason::OtherMesh);
        }
        let record = Unverified::from_wire(record.clone());
        record.verify().map(|_| ())
    }
}

/// Checks the bounds of what a record says about a case.
pub(super) fn check_body(body: &Body) -> Result<(), DecodeError> {
    match body {
        Body::Report(report) => report.check(),
        Body::SealedReport(report) => report.check(),
        Body::Ruling(certificate) => match ruling_of(certificate) {
            Some(_) => Ok(()),
            None => Err(DecodeError::bounds(
                "ruling",
                "statement",
                "is not one about a case",
            )),
        },
        Body::Genesis(_)
        | Body::Invite(_)
        | Body::Join(_)
        | Body::Leave(_)
        | Body::Removal(_)
        | Body::Merge(_)
        | Body::Capability(_)
        | Body::Revocation(_)
        | Body::Act(_)
        | Body::Alert(_)
        | Body::Keys(_)
        | Body::Checkpoint(_)
        | Body::Vote(_)
        | Body::Halt(_)
        | Body::Jury(_)
        | Body::HandOver(_)
        | Body::Recovery(_)
        | Body::Charter(_)
        | Body::Erasure(_)
        | Body::Erased { .. }
        | Body::CaseWord(_)
        | Body::Appeal(_)
        | Body::Claim(_)
        | Body::AuditRound(_)
        | Body::AuditReport(_)
        | Body::Sublime(_)
        | Body::Unknown(..) => Ok(()),
    }
}

fn ruling_of(certificate: &Certificate) -> Option<&Ruling> {
    certificate.statement.ruling()
}
