//! The register of violations: what is there for all to read and for ever, and therefore nothing personal.

use alloy_primitives::{B256, hex};
use serde::{Deserialize, Serialize};

use super::{abi::ICharter, error::ChainError, image};

/// An entry of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Its name, 32 bytes in hexadecimal.
    pub id: String,
    /// The content id of the evidence, which is kept elsewhere.
    pub evidence: String,
    /// What kind of violation it is: a word of a to z and -.
    pub kind: String,
    /// Who it was, 32 bytes in hexadecimal: a salted hash. Once the salt is deleted it leads to nobody.
    pub subject: String,
    /// What was found.
    pub finding: Finding,
    /// What follows.
    pub penalty: Penalty,
    /// When it was entered, seconds since 1970; the contract's to say.
    #[serde(default)]
    pub recorded_at: u64,
    /// When the finding was last revised, seconds since 1970; 0 if never.
    #[serde(default)]
    pub revised_at: u64,
}

/// What the committee found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It did not happen, or was none.
    Unfounded,
    /// It happened.
    Founded,
    /// It was found to have happened, and that was wrong.
    Overturned,
}

/// What follows from a violation; all zero is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Penalty {
    /// How long the subject is kept out, days.
    pub ban_days: u32,
    /// How long it stays under watch afterwards, days.
    pub probation_days: u32,
    /// What it owes, whole x0.
    pub fine: u64,
    /// Whether it is kept out for ever.
    pub removal: bool,
    /// Whether it has to delete what it took.
    pub deletion: bool,
    /// Whether it is named to the public.
    pub referral: bool,
}

impl Violation {
    pub(super) fn to_abi(&self) -> Result<ICharter::Violation, ChainError> {
        Ok(ICharter::Violation {
            id: hash("the id", &self.id)?,
            evidence: image::cid_bytes(&self.evidence)?.into(),
            kind: self.kind.clone(),
            subject: hash("the subject", &self.subject)?,
            finding: self.finding.into(),
            penalty: self.penalty.into(),
            recordedAt: 0,
            revisedAt: 0,
        })
    }

    /// Says it in a line.
    pub fn says(&self) -> String {
        format!(
            "{} {} of subject {}: {}, {}; evidence {}",
            self.kind,
            self.id,
            self.subject,
            self.finding.word(),
            self.penalty.says(),
            self.evidence
        )
    }
}

impl Finding {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unfounded => "unfounded",
            Self::Founded => "founded",
            Self::Overturned => "overturned",
        }
    }
}

impl Penalty {
    /// Says it in words.
    pub fn says(&self) -> String {
        let mut parts = Vec::new();
        if self.removal {
            parts.push("removal for ever".to_owned());
        }
        if self.ban_days > 0 {
            parts.push(format!("{} days kept out", self.ban_days));
        }
        if self.probation_days > 0 {
            parts.push(format!("{} days under watch", self.probation_days));
        }
        if self.fine > 0 {
            parts.push(format!("{} x0 owed", self.fine));
        }
        if self.deletion {
            parts.push("deletion of what was taken".to_owned());
        }
        if self.referral {
            parts.push("named to the public".to_owned());
        }
        match parts.is_empty() {
            true => "no penalty".to_owned(),
            false => parts.join(", "),
        }
    }
}

/// Reads a hash of 32 bytes.
pub(super) fn hash(what: &str, text: &str) -> Result<B256, ChainError> {
    text.parse().map_err(|_| {
        ChainError::bad_input(
            what,
            format!("{text:?} is to be 0x and 64 hexadecimal digits"),
        )
    })
}

impl From<ICharter::Violation> for Violation {
    fn from(found: ICharter::Violation) -> Self {
        Self {
            id: hex::encode_prefixed(found.id),
            evidence: image::cid_text(&found.evidence),
            kind: found.kind,
            subject: hex::encode_prefixed(found.subject),
            finding: found.finding.into(),
            penalty: found.penalty.into(),
            recorded_at: found.recordedAt,
            revised_at: found.revisedAt,
        }
    }
}

impl From<Finding> for ICharter::Finding {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Unfounded => Self::Unfounded,
            Finding::Founded => Self::Founded,
            Finding::Overturned => Self::Overturned,
        }
    }
}

impl From<ICharter::Finding> for Finding {
    fn from(finding: ICharter::Finding) -> Self {
        match finding {
            ICharter::Finding::Founded => Self::Founded,
            ICharter::Finding::Overturned => Self::Overturned,
            // The decoder refuses what the contract does not know.
            ICharter::Finding::Unfounded | ICharter::Finding::__Invalid => Self::Unfounded,
        }
    }
}

impl From<Penalty> for ICharter::Penalty {
    fn from(penalty: Penalty) -> Self {
        Self {
            banDays: penalty.ban_days,
            probationDays: penalty.probation_days,
            fine: penalty.fine,
            removal: penalty.removal,
            deletion: penalty.deletion,
            referral: penalty.referral,
        }
    }
}

impl From<ICharter::Penalty> for Penalty {
    fn from(penalty: ICharter::Penalty) -> Self {
        Self {
            ban_days: penalty.banDays,
            probation_days: penalty.probationDays,
            fine: penalty.fine,
            removal: penalty.removal,
            deletion: penalty.deletion,
            referral: penalty.referral,
        }
    }
}
