//! The public log of the mesh: what is to be seen by all, for good.
//!
//! Entries follow from the committee log and from nothing else; a checkpoint certifies how many there are and the root
//! over them ([`PublicHead`]). Every node keeps a copy, which it fetches in pages from its links. A page proves by
//! itself that it leads to the certified root, so that nobody has to be believed.

use core::fmt;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    Act, Certificate, Change, DecodeError, Targets, Verdict,
    codec::{decode, encode},
};
use crate::{
    anti_meave::acts::describe_targets,
    core::{
        limits::{
            MESSAGE_BYTES_MAX, OVERRIDE_NOTICE_MAX, OVERRIDE_TARGETS_MAX, OVERRIDE_TEXT_BYTES_MAX,
            PUBLIC_PAGE_ENTRIES_MAX, SEATS_MAX,
        },
        time::{Millis, Wall},
    },
    spine::{
        audit::tree::{ConsistencyProof, Frontier, Hash, InclusionProof, ProofError, leaf_hash},
        halt::HaltId,
    },
};

/// Where the public log stands: as a checkpoint certifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicHead {
    /// Entries in the log.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 9162).
    pub root: Hash,
}

impl Default for PublicHead {
    fn default() -> Self {
        Self::of(&Frontier::default())
    }
}

impl PublicHead {
    /// Returns the head of a log with this frontier.
    pub fn of(frontier: &Frontier) -> Self {
        Self {
            size: frontier.size(),
            root: frontier.root(),
        }
    }

    /// Tells whether it is that of a log without entries, which a checkpoint does not mention.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One entry of the public log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicEntry {
    /// Mesh time at which the committee took it up.
    pub time: Wall,
    /// The height of the committee log.
    pub height: u64,
    /// What.
    pub what: PublicWhat,
}

/// What an entry of the public log tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum PublicWhat {
    /// An act is admitted in an emergency, without a vote.
    Override(Box<OverrideTold>),
    /// A quorum of seats has seen the act of an override as it was told to all: it stays.
    Broadcast {
        /// The act, by its digest.
        act: ContentId,
    },
    /// An act on the whole network is admitted; its vote is named.
    Admitted(Box<ActAdmitted>),
    /// The mesh is halted.
    Halted {
        /// Which halt.
        halt: HaltId,
        /// The root whose acts caused it.
        root: RootKey,
        /// Mesh time at which it lapses.
        until: Wall,
    },
    /// A vote has passed: on an amendment of the charter, an act or a halt, as its subject says.
    Passed {
        /// The vote.
        proposal: ContentId,
        /// What it was about; of an amendment, the charter's name.
        subject: ContentId,
        /// Whether it was an emergency vote.
        emergency: bool,
    },
    /// The committee was handed over.
    HandedOver {
        /// The epoch of the keys in force from then on.
        epoch: u64,
        /// Who sits, in order.
        seats: Vec<PublicKey>,
    },
    /// A verdict on a violation of the charter stands.
    Verdict {
        /// The case, by the record that reported it.
        case: ContentId,
        /// What was found, and what follows.
        verdict: Box<Verdict>,
    },
}

impl fmt::Display for PublicWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(told) => write!(
                f,
                "override by {}: {} on {} ({} nodes); why: {}; consequences: {}",
                told.agent,
                told.change,
                describe_targets(&told.targets),
                told.nodes,
                told.words.why,
                told.words.consequences
            ),
            Self::Broadcast { act } => {
                write!(f, "the override {act} was told to all in time: it stays")
            }
            Self::Admitted(admitted) => write!(
                f,
                "act of {} on the network admitted: {} on {} nodes, by the vote {}",
                admitted.agent, admitted.change, admitted.nodes, admitted.vote
            ),
            Self::Halted { root, .. } => {
                write!(
                    f,
                    "the mesh is halted because of acts under the root {root}"
                )
            }
            Self::Passed {
                proposal, subject, ..
            } => write!(f, "the vote {proposal} on {subject} has passed"),
            Self::HandedOver { epoch, seats } => write!(
                f,
                "the committee was handed over: {} seats in epoch {epoch}",
                seats.len()
            ),
            Self::Verdict { case, verdict } => write!(
                f,
                "verdict in the case {case}: {} by {}",
                verdict.sort, verdict.accused
            ),
        }
    }
}

/// An override as the public log tells it: who, what, where, why, and what is to be expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideTold {
    /// The act, by its digest.
    pub act: ContentId,
    /// Who does it.
    pub agent: PublicKey,
    /// Under which delegation root.
    pub root: RootKey,
    /// What changes.
    pub change: Change,
    /// On which nodes.
    pub targets: Targets,
    /// How many these are.
    pub nodes: u32,
    /// Why, with what consequences.
    pub words: Override,
    /// Mesh time at which it lapses on every node, unless it was told to all before.
    pub until: Wall,
}

/// An act on the whole network as the public log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActAdmitted {
    /// The act, by its digest.
    pub act: ContentId,
    /// Who does it.
    pub agent: PublicKey,
    /// Under which delegation root.
    pub root: RootKey,
    /// What changes.
    pub change: Change,
    /// How many nodes it touches.
    pub nodes: u32,
    /// The vote that approved it.
    pub vote: ContentId,
}

/// What its author says of an override, with its signature: why, and what will come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Why there is no time for a vote.
    pub why: String,
    /// What will come of it.
    pub consequences: String,
    /// Minutes of mesh time within which it must be told to all, from the entry in the public log on.
    pub notice_minutes: u8,
}

impl Override {
    /// Returns its name, which the agent signs as it asks for the act.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&("override", self)))
    }

    /// Returns the time within which it must be told to all, mesh time.
    pub const fn notice(&self) -> Millis {
        Millis::from_mins(self.notice_minutes as u64)
    }

    /// Checks that both texts are there and of a length that is read.
    ///
    /// # Errors
    ///
    /// Returns what is missing or too long, and what is allowed.
    pub fn check_words(&self) -> Result<(), String> {
        for (what, text) in [
            ("the reason", &self.why),
            ("the consequences", &self.consequences),
        ] {
            if text.trim().is_empty() {
                return Err(format!(
                    "{what} of an override must be said: it is public for good"
                ));
            }
            if text.len() > OVERRIDE_TEXT_BYTES_MAX {
                return Err(format!(
                    "{what} of an override has {} bytes, at most {OVERRIDE_TEXT_BYTES_MAX} are allowed: shorten it",
                    text.len()
                ));
            }
        }
        if self.notice_minutes == 0 || self.notice() > OVERRIDE_NOTICE_MAX {
            return Err(format!(
                "an override is told to all within 1 to {} minutes, not {}",
                OVERRIDE_NOTICE_MAX.0 / 60_000,
                self.notice_minutes
            ));
        }
        Ok(())
    }

    /// Checks that an act may be done as an override: words, and targets that the public log can name.
    ///
    /// # Errors
    ///
    /// Returns what stands against it.
    pub fn check_for(&self, act: &Act) -> Result<(), String> {
        self.check_words()?;
        match &act.targets {
            Targets::Nodes(nodes) if nodes.len() > OVERRIDE_TARGETS_MAX => Err(format!(
                "an override names {} nodes one by one, at most {OVERRIDE_TARGETS_MAX} are allowed: name a region or all",
                nodes.len()
            )),
            Targets::Nodes(_) | Targets::Region(_) | Targets::All => Ok(()),
        }
    }
}

/// Longest encoding of an entry: an override of [`OVERRIDE_TARGETS_MAX`] nodes with full texts.
const ENTRY_BYTES_MAX: usize = 64 * 1024;

impl PublicEntry {
    /// Returns the bytes that are hashed into the tree and stored.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let entry: Self = decode("entry of the public log", bytes, ENTRY_BYTES_MAX)?;
        entry.check()?;
        Ok(entry)
    }

    /// Returns its leaf in the tree.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.encode())
    }

    /// Returns the override that it tells of.
    pub fn overriding(&self) -> Option<&OverrideTold> {
        match &self.what {
            PublicWhat::Override(told) => Some(told),
            PublicWhat::Broadcast { .. }
            | PublicWhat::Admitted(_)
            | PublicWhat::Halted { .. }
            | PublicWhat::Passed { .. }
            | PublicWhat::HandedOver { .. }
            | PublicWhat::Verdict { .. } => None,
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        match &self.what {
            PublicWhat::Override(told) => {
                if let Targets::Nodes(nodes) = &told.targets
                    && nodes.len() > OVERRIDE_TARGETS_MAX
                {
                    let why = format!("has more than {OVERRIDE_TARGETS_MAX} entries");
                    return Err(DecodeError::bounds("public entry", "targets", why));
                }
                let words = told.words.check_words();
                words.map_err(|why| DecodeError::bounds("public entry", "words", why))
            }
            PublicWhat::HandedOver { seats, .. } if seats.len() > SEATS_MAX => {
                let why = format!("has more than {SEATS_MAX} entries");
                Err(DecodeError::bounds("public entry", "seats", why))
            }
            PublicWhat::Broadcast { .. }
            | PublicWhat::Admitted(_)
            | PublicWhat::Halted { .. }
            | PublicWhat::Passed { .. }
            | PublicWhat::HandedOver { .. }
            | PublicWhat::Verdict { .. } => Ok(()),
        }
    }
}

/// The proof that the override of an act stands in the public log: a warrant of the act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideProof {
    /// The entry.
    pub entry: PublicEntry,
    /// Its place in the log, from 0.
    pub index: u64,
    /// The way to the root that the checkpoint names.
    pub inclusion: InclusionProof,
    /// The checkpoint.
    pub head: Certificate,
}

impl OverrideProof {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.entry.check()
    }
}

/// Asks a link for entries of the public log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicAsk {
    /// The first place wanted: the size of the asker's copy.
    pub from: u64,
    /// The certified size that the page is to lead to.
    pub size: u64,
}

/// A page of the public log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicPage {
    /// Entries from the place asked for on, in order.
    pub entries: Vec<PublicEntry>,
    /// The proof that the log up to the last of them is a beginning of the log that was asked for.
    pub growth: ConsistencyProof,
}

impl PublicPage {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if self.entries.is_empty() || self.entries.len() > PUBLIC_PAGE_ENTRIES_MAX {
            let why = format!(
                "has {} entries, a page holds 1 to {PUBLIC_PAGE_ENTRIES_MAX}",
                self.entries.len()
            );
            return Err(DecodeError::bounds("message", "entries", why));
        }
        self.entries.iter().try_for_each(PublicEntry::check)
    }

    /// Checks that the page leads from a copy of the log to a head, and returns the copy with it.
    ///
    /// # Errors
    ///
    /// Returns how it does not.
    pub fn follow(&self, copy: &Frontier, head: PublicHead) -> Result<Frontier, ProofError> {
        let mut grown = copy.clone();
        for entry in &self.entries {
            if grown.size() >= head.size {
                return Err(ProofError::OutOfRange { size: head.size });
            }
            grown.append(entry.leaf());
        }
        self.growth
            .verify(grown.size(), grown.root(), head.size, head.root)?;
        Ok(grown)
    }
}

/// Most bytes of entries in one page: room for framing and proof is left in a message.
pub(crate) const PUBLIC_PAGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
