//! What the committee certifies: statements under a threshold signature, of one length whatever the number of
//! seats, which any node checks with the 96 bytes of the committee's key.

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use x0_crypto::{
    ContentId, PublicKey,
    capability::RootKey,
    committee::{CommitteeKey, Purpose, ThresholdSignature},
};

use super::{
    AuditsDrawn, Decided, DecodeError, Entry, HandOver, JuryDrawn, PublicHead, RotationStated,
    Ruling, VoteOpened, VoteResolved,
    codec::{decode, encode},
};
use crate::{
    charter::violation,
    core::time::Wall,
    spine::{
        audit::tree::Hash,
        ballot::{TallyStatement, sealed},
        halt::HaltId,
    },
};

/// The public keys of the committee in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteeKeys {
    /// Counts the ceremonies of the mesh, failed ones too.
    pub epoch: u64,
    /// Verifies certificates.
    pub certificate: CommitteeKey,
    /// Verifies the beacon.
    pub beacon: CommitteeKey,
    /// What is sealed to the committee is sealed to this.
    pub decryption: CommitteeKey,
}

impl CommitteeKeys {
    /// Returns the key for a purpose.
    pub const fn key(&self, purpose: Purpose) -> &CommitteeKey {
        match purpose {
            Purpose::Certificate => &self.certificate,
            Purpose::Beacon => &self.beacon,
            Purpose::Decryption => &self.decryption,
        }
    }
}

/// The members who may be drawn and who count in shares, as of one height of the committee log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electorate {
    /// Root of the Merkle tree over them, in order of key.
    pub root: Hash,
    /// How many they are.
    pub count: u32,
    /// In how many first-level invite subtrees they stand.
    pub subtrees: u32,
}

/// Where the committee log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The height.
    pub height: u64,
    /// The block.
    pub block: ContentId,
    /// Mesh time as of it.
    pub time: Wall,
    /// The highest round of the beacon that was asked for.
    pub round: u64,
    /// Active members, whether they count yet or not.
    pub members: u32,
    /// Those who count.
    pub electorate: Electorate,
    /// Hash of the state that follows from the log up to the block before: whoever has been away may take it over.
    pub state: ContentId,
    /// Where the public log stands; left out as long as it has no entry.
    #[serde(default, skip_serializing_if = "PublicHead::is_empty")]
    pub log: PublicHead,
}

/// How many signatories must approve an act, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiSig {
    /// Approvals needed, 1 to `n`.
    pub k: u8,
    /// Signatories drawn.
    pub n: u8,
}

impl MultiSig {
    /// Returns how many signatories may refuse or stay silent.
    pub const fn spare(self) -> u8 {
        self.n.saturating_sub(self.k)
    }
}

impl std::fmt::Display for MultiSig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-of-{}", self.k, self.n)
    }
}

/// The panel whose approvals an act needs, and from whom it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// How many must approve, and how many are drawn.
    pub multi_sig: MultiSig,
    /// Those who hold a seat as of the ticket: they are drawn first, and members only when they do not suffice.
    pub seats: Electorate,
}

/// Admits one act: counted together with all that its root, and this change under any root, reached lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The act, by its digest.
    pub act: ContentId,
    /// The agent.
    pub agent: PublicKey,
    /// The delegation root.
    pub root: RootKey,
    /// Nodes that the act touches.
    pub nodes: u32,
    /// Nodes that acts under this root touch within the window, this one included.
    pub of_root: u32,
    /// Nodes that this very change touches within the window, this act included.
    pub of_change: u32,
    /// Those who count, and over whom co-signers are drawn.
    pub electorate: Electorate,
    /// The height at which it was issued.
    pub height: u64,
    /// The highest round of the beacon asked for before it: co-signers are drawn by the next.
    pub round: u64,
    /// Mesh time of issue.
    pub time: Wall,
    /// Mesh time at which it lapses.
    pub expires: Wall,
    /// How many silent co-signers were passed over.
    pub passed: u8,
    /// Whose approvals it needs beyond co-signers, if any are needed.
    pub panel: Option<Panel>,
}

impl Ticket {
    /// Returns the ticket's name, under which signatories approve. It stays the same when silent co-signers are passed
    /// over; a ticket issued anew after this one has lapsed has another, as another round draws for it.
    pub fn name(&self) -> ContentId {
        let Self {
            act,
            agent,
            root,
            electorate,
            round,
            panel,
            nodes: _,
            of_root: _,
            of_change: _,
            height: _,
            time: _,
            expires: _,
            passed: _,
        } = self;
        ContentId::of(&encode(&(
            "ticket", act, agent, root, electorate, round, panel,
        )))
    }

    /// Returns how many nodes the act counts as: the widest of the three counts.
    pub fn reach(&self) -> u32 {
        self.nodes.max(self.of_root).max(self.of_change)
    }
}

/// The mesh is halted, by the committee or confirmed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halted {
    /// Which halt.
    pub halt: HaltId,
    /// The root whose acts caused it.
    pub root: RootKey,
    /// The height at which the committee took it up.
    pub height: u64,
    /// Mesh time as of that height.
    pub began: Wall,
    /// Mesh time at which it lapses.
    pub until: Wall,
}

/// What a threshold of seats signs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Statement {
    /// Where the log stands.
    Checkpoint(Checkpoint),
    /// An act is admitted.
    Ticket(Ticket),
    /// A vote is open.
    Opened(VoteOpened),
    /// The ballots of a vote are counted.
    Tally(TallyStatement),
    /// A vote has ended.
    Resolved(VoteResolved),
    /// The jury of a day is drawn.
    Jury(JuryDrawn),
    /// The keys pass to new seats.
    HandOver(HandOver),
    /// All changes are stopped.
    Halt(Halted),
    /// Something has become of a reported violation.
    Ruling(Ruling),
    /// A round of audits is open.
    Audits(AuditsDrawn),
    /// A rotation of an item's guardians is open, or has come to its end.
    Rotation(RotationStated),
}

impl Statement {
    /// Returns the height of the log that the statement is about. Of what it says of votes, the keys of that time are
    /// proof for good.
    pub const fn height(&self) -> u64 {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.height,
            Self::Ticket(ticket) => ticket.height,
            Self::HandOver(stated) => stated.height,
            Self::Halt(halted) => halted.height,
            Self::Opened(opened) => opened.height,
            Self::Tally(stated) => stated.height,
            Self::Resolved(resolved) => resolved.height,
            Self::Jury(drawn) => drawn.height,
            Self::Ruling(ruling) => ruling.height,
            Self::Audits(drawn) => drawn.height,
            Self::Rotation(stated) => stated.height,
        }
    }

    /// Returns the head of the public log, if it is a checkpoint.
    pub const fn public_head(&self) -> Option<PublicHead> {
        match self {
            Self::Checkpoint(checkpoint) => Some(checkpoint.log),
            Self::Ticket(_)
            | Self::Opened(_)
            | Self::Tally(_)
            | Self::Resolved(_)
            | Self::Jury(_)
            | Self::HandOver(_)
            | Self::Halt(_)
            | Self::Ruling(_)
            | Self::Audits(_)
            | Self::Rotation(_) => None,
        }
    }

    /// Returns the ticket, if it is one.
    pub const fn ticket(&self) -> Option<&Ticket> {
        match self {
            Self::Ticket(ticket) => Some(ticket),
            Self::Checkpoint(_)
            | Self::HandOver(_)
            | Self::Halt(_)
            | Self::Opened(_)
            | Self::Jury(_)
            | Self::Tally(_)
            | Self::Resolved(_)
            | Self::Ruling(_)
            | Self::Audits(_)
            | Self::Rotation(_) => None,
        }
    }

    /// Returns what has become of a case, if that is what it says.
    pub const fn ruling(&self) -> Option<&Ruling> {
        match self {
            Self::Ruling(ruling) => Some(ruling),
            Self::Checkpoint(_)
            | Self::Ticket(_)
            | Self::HandOver(_)
            | Self::Halt(_)
            | Self::Opened(_)
            | Self::Jury(_)
            | Self::Tally(_)
            | Self::Resolved(_)
            | Self::Audits(_)
            | Self::Rotation(_) => None,
        }
    }

    /// Returns the round of audits, if it is about one.
    pub const fn audits(&self) -> Option<&AuditsDrawn> {
        match self {
            Self::Audits(drawn) => Some(drawn),
            Self::Checkpoint(_)
            | Self::Ticket(_)
            | Self::HandOver(_)
            | Self::Halt(_)
            | Self::Opened(_)
            | Self::Jury(_)
            | Self::Tally(_)
            | Self::Resolved(_)
            | Self::Ruling(_)
            | Self::Rotation(_) => None,
        }
    }

    /// Returns what is said of a rotation, if it is about one.
    pub const fn rotation(&self) -> Option<&RotationStated> {
        match self {
            Self::Rotation(stated) => Some(stated),
            Self::Checkpoint(_)
            | Self::Ticket(_)
            | Self::HandOver(_)
            | Self::Halt(_)
            | Self::Opened(_)
            | Self::Jury(_)
            | Self::Tally(_)
            | Self::Resolved(_)
            | Self::Ruling(_)
            | Self::Audits(_) => None,
        }
    }
}

/// A statement with the committee's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The epoch of the key.
    pub epoch: u64,
    /// What is certified.
    pub statement: Statement,
    /// The committee's signature.
    pub signature: ThresholdSignature,
}

/// Longest encoding of a certificate, bytes: the widest statement has some hashes and numbers.
const CERTIFICATE_BYTES_MAX: usize = 4 * 1024;

impl Certificate {
    /// Encodes the certificate, to be kept beside other evidence.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Returns public randomness: the hash of the signature, which nobody knew before a threshold of seats had signed.
    pub fn seed(&self) -> [u8; 32] {
        *ContentId::of(&encode(&self.signature)).digest()
    }

    /// Reads a certificate that was kept; its signature is still to be checked.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("certificate", bytes, CERTIFICATE_BYTES_MAX)
    }
}

/// Returns a signature that decodes and that nobody made: the generator of G1 of BLS12-381, compressed.
#[cfg(test)]
pub(crate) fn no_signature() -> ThresholdSignature {
    let bytes = [
        0x97, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94, 0x26, 0x95, 0x63, 0x8c, 0x4f, 0xa9, 0xac,
        0x0f, 0xc3, 0x68, 0x8c, 0x4f, 0x97, 0x74, 0xb9, 0x05, 0xa1, 0x4e, 0x3a, 0x3f, 0x17, 0x1b,
        0xac, 0x58, 0x6c, 0x55, 0xe8, 0x3f, 0xf9, 0x7a, 0x1a, 0xef, 0xfb, 0x3a, 0xf0, 0x0a, 0xdb,
        0x22, 0xc6, 0xbb,
    ];
    ThresholdSignature::from_bytes(&bytes).unwrap_or_else(|_| unreachable!("it is a point"))
}

/// Anything that the seats sign in parts: a statement, a round of the beacon, or the label of a sealed ballot or report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Subject {
    /// A statement, for a certificate.
    Statement(Statement),
    /// A round, for the beacon.
    Round(u64),
    /// The label of a sealed ballot, to open it.
    Opening {
        /// The vote.
        proposal: ContentId,
        /// Whose ballot.
        voter: PublicKey,
    },
    /// The label of a sealed report, to open it.
    Report {
        /// The case.
        case: ContentId,
        /// The report's one-time key.
        author: PublicKey,
        /// The hash of the receipt's secret.
        commitment: ContentId,
    },
}

impl Subject {
    /// Returns which of the committee's keys signs it.
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Statement(_) => Purpose::Certificate,
            Self::Round(_) => Purpose::Beacon,
            Self::Opening { .. } | Self::Report { .. } => Purpose::Decryption,
        }
    }

    /// Returns what is signed. Rounds and labels are the same in all epochs: their keys outlive them.
    pub fn message(&self, mesh: &ContentId, epoch: u64) -> Vec<u8> {
        match self {
            Self::Statement(statement) => encode(&("statement", mesh, epoch, statement)),
            Self::Round(round) => encode(&("round", mesh, round)),
            Self::Opening { proposal, voter } => sealed::label(mesh, proposal, voter),
            Self::Report {
                case: _,
                author,
                commitment,
            } => violation::sealed::label(mesh, author, commitment),
        }
    }

    /// Returns its name: the hash of what is signed. That of an opening names the epoch besides, so that no part that is
    /// made with the share of another epoch is taken for a bad one.
    pub fn id(&self, mesh: &ContentId, epoch: u64) -> ContentId {
        let message = self.message(mesh, epoch);
        match self {
            Self::Statement(_) | Self::Round(_) => ContentId::of(&message),
            Self::Opening { .. } | Self::Report { .. } => {
                ContentId::of(&encode(&("opening", epoch, Bytes::new(&message))))
            }
        }
    }
}

/// How the mesh learns the committee's first keys: the block that names them, with its commit.
///
/// The seats of the genesis sign the commit, so that whoever holds the genesis can check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysNamed {
    /// The block, whose one entry names the keys.
    pub decided: Decided,
}

impl KeysNamed {
    /// Returns the keys that the block names.
    pub fn keys(&self) -> Option<&CommitteeKeys> {
        match self.decided.block.entries.as_slice() {
            [Entry::Keys(keys)] => Some(keys),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.decided.check()?;
        if self.keys().is_none() {
            let why = "are not the one that names keys";
            return Err(DecodeError::bounds("named keys", "entries", why));
        }
        Ok(())
    }
}
