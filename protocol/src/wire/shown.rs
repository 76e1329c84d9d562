//! Entries of an audit log as its owner shows them after a halt, each with the proof that it stands in the log.
//!
//! Who asks names the halt and acts; a log's other entries are nobody's affair. The answer carries a head that its
//! owner has just signed, the proof that this head extends the one the asker holds, and for every entry the way up to
//! the head's root. Whoever holds the answer can check it again, without asking anybody.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{
    DecodeError, LogHead,
    body::ordered,
    codec::{decode, encode},
};
use crate::{
    core::limits::{AUDIT_ACTS_MAX, AUDIT_ENTRY_BYTES_MAX, MESSAGE_BYTES_MAX},
    spine::{
        audit::{
            Entry,
            tree::{ConsistencyProof, InclusionProof, ProofError, leaf_hash},
        },
        halt::HaltId,
    },
};

/// Asks a node what its audit log says of acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditAsk {
    /// The halt because of which is asked about acts; who does not know it does not answer. Of erasures anybody is told.
    pub halt: Option<HaltId>,
    /// The records of the acts, or of erasures, in order.
    pub acts: Vec<ContentId>,
    /// Entries in the newest head that the asker holds of that log.
    pub known: Option<u64>,
    /// The first place in the log that is wanted.
    pub from: u64,
}

/// What an audit log says of acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditShown {
    /// The head of the whole log, signed for this answer.
    pub head: LogHead,
    /// The proof that it extends the head that the asker holds.
    pub growth: Option<ConsistencyProof>,
    /// Entries about the acts, in order of place.
    pub entries: Vec<ShownEntry>,
    /// Where to ask on, if there are more.
    pub more: Option<u64>,
}

/// One entry with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownEntry {
    /// Its place in the log, from 0.
    pub index: u64,
    /// What it says.
    pub entry: Entry,
    /// The way to the head's root.
    pub proof: InclusionProof,
}

/// Why what a log's owner shows proves nothing, and what it may mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShownFault {
    /// The head is somebody else's.
    #[error("the head shown is that of another node's log")]
    OtherLog,
    /// The head's signature is not the owner's.
    #[error("the signature under the head of the log does not hold")]
    BadSignature,
    /// The head is older than one that is held of that log.
    #[error("the log has {shown} entries now, and had {held} before: it was cut")]
    Cut {
        /// Entries in the head shown.
        shown: u64,
        /// Entries in the head held.
        held: u64,
    },
    /// The head does not extend one that is held of that log.
    #[error(
        "the log does not go on from the head of {held} entries held of it: it was rewritten ({why})"
    )]
    Rewritten {
        /// Entries in the head held.
        held: u64,
        /// What the proof lacks.
        why: ProofError,
    },
    /// There is no proof that the head extends the one held.
    #[error("there is no proof that the log goes on from the head of {held} entries held of it")]
    NoGrowth {
        /// Entries in the head held.
        held: u64,
    },
    /// An entry does not stand in the log.
    #[error("entry {index} does not stand in the log under its signed head ({why})")]
    NotInLog {
        /// The place it claims.
        index: u64,
        /// What the proof lacks.
        why: ProofError,
    },
    /// An entry is about something else.
    #[error("entry {index} is about none of the acts asked for")]
    NotAsked {
        /// Its place.
        index: u64,
    },
}

impl AuditAsk {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        ordered("audit", "acts", &self.acts, 1, AUDIT_ACTS_MAX)
    }
}

impl AuditShown {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let places: Vec<_> = self.entries.iter().map(|shown| shown.index).collect();
        ordered("audit", "entries", &places, 0, AUDIT_ACTS_MAX)?;
        let len = |shown: &ShownEntry| shown.entry.encode().len();
        let longest = self.entries.iter().map(len).max().unwrap_or_default();
        if longest > AUDIT_ENTRY_BYTES_MAX {
            return Err(DecodeError::TooLong {
                what: "entry of an audit log",
                len: longest,
                max: AUDIT_ENTRY_BYTES_MAX,
            });
        }
        Ok(())
    }

    /// Encodes the answer, to be kept beside other evidence.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an answer that was kept.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let shown: Self = decode("what an audit log shows", bytes, MESSAGE_BYTES_MAX)?;
        shown.check()?;
        Ok(shown)
    }

    /// Checks that `author` shows entries of its log about these acts, and that the log goes on from the head held.
    ///
    /// # Errors
    ///
    /// Returns the first thing that does not hold.
    pub fn verify(
        &self,
        author: &PublicKey,
        acts: &BTreeSet<ContentId>,
        held: Option<&LogHead>,
    ) -> Result<(), ShownFault> {
        let head = &self.head;
        if head.author != *author {
            return Err(ShownFault::OtherLog);
        }
        head.verify().map_err(|_| ShownFault::BadSignature)?;
        if let Some(held) = held {
            self.check_growth(held)?;
        }
        for ShownEntry {
            index,
            entry,
            proof,
        } in &self.entries
        {
            let index = *index;
            let is_asked = entry.what.subject().is_some_and(|of| acts.contains(of));
            if !is_asked {
                return Err(ShownFault::NotAsked { index });
            }
            let leaf = leaf_hash(&entry.encode());
            let proven = proof.verify(leaf, index, head.size, head.root);
            proven.map_err(|why| ShownFault::NotInLog { index, why })?;
        }
        Ok(())
    }

    fn check_growth(&self, held: &LogHead) -> Result<(), ShownFault> {
        let (shown, size) = (&self.head, held.size);
        if shown.size < size {
            return Err(ShownFault::Cut {
                shown: shown.size,
                held: size,
            });
        }
        let growth = self.growth.as_ref();
        let growth = growth.ok_or(ShownFault::NoGrowth { held: size })?;
        let proven = growth.verify(size, held.root, shown.size, shown.root);
        proven.map_err(|why| ShownFault::Rewritten { held: size, why })
    }
}
