//! What the seats of the committee say to each other: readings of clocks, proposals, votes, and what comes of
//! them, the blocks of the committee log (see `spine::committee`).
//!
//! Every statement names its seat and is signed by it, together with the mesh it belongs to, under one namespace
//! and a tag of its own: a vote of one mesh, height or round can never pass for another.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature, Signed,
    capability::{RevocationId, RootKey},
    committee::ThresholdSignature,
    verify_batch,
};

use super::{
    Admission, Authority, CaseEntry, Certificate, CommitteeKeys, DecodeError, Draw, Region,
    RotationEntry, Said, SeatsPlan, Unverified, Verified, VoteEntry,
    body::ordered,
    codec::{decode, encode},
};
use crate::{
    core::{
        limits::{
            BLOCK_BYTES_MAX, BLOCK_ENTRIES_MAX, DEALER_LOG_BYTES_MAX, MEMBER_CHANGES_MAX,
            OPENINGS_MAX, REVOCATIONS_MAX, SEATS_MAX,
        },
        reject::RejectReason,
        time::Wall,
    },
    spine::halt::HaltId,
};

/// One height of the committee log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The mesh.
    pub mesh: ContentId,
    /// Its place in the log, from 1.
    pub height: u64,
    /// The block before it; the mesh itself before the first.
    pub previous: ContentId,
    /// Readings of as many clocks as make a quorum, in order of seat; mesh time is their median.
    pub clocks: Vec<ClockReading>,
    /// What is decided.
    pub entries: Vec<Entry>,
}

/// What a seat's clock shows as work on a height begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockReading {
    /// Whose clock.
    pub seat: PublicKey,
    /// What it shows, in mesh time.
    pub time: Wall,
    /// The seat's signature over the mesh, the height and the time.
    pub signature: Signature,
}

/// One thing the committee decides. Entries are in order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Entry {
    /// A seat has dealt its part of a key, and others have acknowledged it.
    Dealt {
        /// Which ceremony.
        ceremony: ContentId,
        /// The dealer's signed log.
        log: ByteBuf,
    },
    /// The keys that came of a ceremony. Stands alone in its block, so that the block can be shown to everybody.
    Keys(Box<CommitteeKeys>),
    /// Who became a member or ceased to be one.
    Members(Vec<MemberChange>),
    /// The log is to be certified up to here.
    Checkpoint,
    /// An agent asks for an act.
    Admission(Box<Admission>),
    /// Somebody's word about an admitted act: the agent passes over a silent co-signer, or a co-signer refuses.
    Said {
        /// The word.
        said: Said,
        /// The draw by which a co-signer has one.
        draw: Option<Box<Draw>>,
    },
    /// Somebody wants other seats.
    Seats {
        /// Which.
        plan: Box<SeatsPlan>,
        /// What stands for it.
        by: Authority,
    },
    /// The committee certifies its successors, who decide from the next height on.
    HandOver(Box<Certificate>),
    /// The mesh is halted: enough seats or witnesses have shown why.
    Halt {
        /// Which halt.
        halt: HaltId,
        /// The root whose acts caused it.
        root: RootKey,
    },
    /// Something about a vote.
    Vote(Box<VoteEntry>),
    /// Tokens are revoked under which an act is asked for or admitted.
    Revoked {
        /// The root under which they were granted.
        root: RootKey,
        /// The blocks revoked, in order.
        ids: Vec<RevocationId>,
    },
    /// Something about a reported violation.
    Case(Box<CaseEntry>),
    /// The round of the beacon by which the audits of members' nodes are drawn.
    Audits {
        /// The round of audits.
        round: u64,
        /// The committee's signature over the beacon's round.
        signature: ThresholdSignature,
    },
    /// Something about the rotation of guardians.
    Rotation(Box<RotationEntry>),
}

/// A change of the list of members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// Whose.
    pub key: PublicKey,
    /// What is known of the member; none if it is one no more.
    pub facts: Option<MemberFacts>,
}

/// What the committee knows of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFacts {
    /// Since when.
    pub since: Wall,
    /// Who is at the head of the first-level invite subtree that it stands in.
    pub subtree: PublicKey,
    /// Region it picked, if any.
    pub region: Option<Region>,
    /// Whether it is a founder, who counts from the first day.
    pub founder: bool,
    /// Whether it serves as a guardian of Sublime.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub serves: bool,
}

/// The two votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The seat finds the proposal good.
    Prevote,
    /// The seat knows that a quorum finds it good.
    Precommit,
}

/// A seat's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatVote {
    /// Who votes.
    pub seat: PublicKey,
    /// At which height.
    pub height: u64,
    /// In which round.
    pub round: u32,
    /// Which of the two votes.
    pub phase: Phase,
    /// For which block; none is a vote for no block in this round.
    pub block: Option<ContentId>,
    /// The seat's signature over the mesh and the fields above, the seat left out.
    pub signature: Signature,
}

/// A seat's proposal of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Who proposes.
    pub seat: PublicKey,
    /// In which round.
    pub round: u32,
    /// The block.
    pub block: Block,
    /// If the block was found good in an earlier round: by whom.
    pub polka: Option<Quorum>,
    /// The seat's signature over the mesh, height, round, the polka's round and the block's id.
    pub signature: Signature,
}

/// Votes of one round and phase for one block, in order of seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The round.
    pub round: u32,
    /// Who voted, and the signatures of the votes.
    pub votes: Vec<(PublicKey, Signature)>,
}

/// A block and the precommits that decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The block.
    pub block: Block,
    /// The precommits.
    pub commit: Quorum,
}

/// What one seat sends to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SeatMessage {
    /// Work on a height begins.
    Clock {
        /// Which height.
        height: u64,
        /// What the seat's clock shows.
        reading: ClockReading,
    },
    /// A block is proposed.
    Proposal(Box<Proposal>),
    /// A vote is cast.
    Vote(SeatVote),
}

/// What a seat is about to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SeatDraft {
    /// A reading of its clock.
    Clock {
        /// For which height.
        height: u64,
        /// What it shows, in mesh time.
        time: Wall,
    },
    /// A proposal.
    Proposal {
        /// In which round.
        round: u32,
        /// The block.
        block: Box<Block>,
        /// If the block was found good in an earlier round: by whom.
        polka: Option<Quorum>,
    },
    /// A vote.
    Vote {
        /// At which height.
        height: u64,
        /// In which round.
        round: u32,
        /// Which of the two.
        phase: Phase,
        /// For which block, if any.
        block: Option<ContentId>,
    },
}

impl Block {
    /// Returns the block's name: the hash of its encoding.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(self))
    }

    /// Returns the median of the clocks; of an even number, the earlier of the two in the middle.
    ///
    /// At most a third of the seats lie about the time; as the clocks are a quorum, honest clocks stand on both
    /// sides of the median or it is one of them.
    pub fn median(&self) -> Wall {
        let mut times: Vec<_> = self.clocks.iter().map(|clock| clock.time).collect();
        times.sort_unstable();
        let middle = times.len().saturating_sub(1) / 2;
        times.get(middle).copied().unwrap_or_default()
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.clocks.len() > SEATS_MAX {
            let why = format!("are {}, at most {SEATS_MAX} are allowed", self.clocks.len());
            return Err(DecodeError::bounds("block", "clocks", why));
        }
        if !self.clocks.is_sorted_by(|a, b| a.seat < b.seat) {
            let why = "are not in strictly rising order of seat";
            return Err(DecodeError::bounds("block", "clocks", why));
        }
        if self.entries.len() > BLOCK_ENTRIES_MAX {
            let why = format!(
                "are {}, a block holds {BLOCK_ENTRIES_MAX}",
                self.entries.len()
            );
            return Err(DecodeError::bounds("block", "entries", why));
        }
        self.entries.iter().try_for_each(Entry::check)?;
        let opened: usize = self.entries.iter().map(Entry::openings).sum();
        if opened > OPENINGS_MAX {
            let why = format!("open {opened} sealed ballots, a block opens {OPENINGS_MAX} at most");
            return Err(DecodeError::bounds("block", "entries", why));
        }
        let bytes = encode(self).len();
        if bytes > BLOCK_BYTES_MAX {
            return Err(DecodeError::TooLong {
                what: "block",
                len: bytes,
                max: BLOCK_BYTES_MAX,
            });
        }
        Ok(())
    }

    fn signed_clocks(&self, all: &mut Vec<(PublicKey, Vec<u8>, Signature)>) {
        for clock in &self.clocks {
            let message = clock_message(&self.mesh, self.height, clock.time);
            all.push((clock.seat, message, clock.signature));
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(&other.id())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Entry {
    /// Returns the entry's name: the hash of its encoding.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(self))
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Dealt { log, .. } if log.len() > DEALER_LOG_BYTES_MAX => {
                Err(DecodeError::TooLong {
                    what: "dealer's log",
                    len: log.len(),
                    max: DEALER_LOG_BYTES_MAX,
                })
            }
            Self::Members(changes) => {
                let keys: Vec<_> = changes.iter().map(|change| change.key).collect();
                ordered("entry", "members", &keys, 1, MEMBER_CHANGES_MAX)
            }
            Self::Admission(admission) => admission.check(),
            Self::Said { draw, .. } => draw.as_ref().map_or(Ok(()), |draw| draw.check()),
            Self::Vote(entry) => entry.check(),
            Self::Case(entry) => entry.check(),
            Self::Rotation(entry) => entry.check(),
            Self::Seats { plan, .. } => plan.check(),
            Self::Revoked { ids, .. } => ordered("entry", "revoked", ids, 1, REVOCATIONS_MAX),
            Self::Dealt { .. }
            | Self::Keys(_)
            | Self::Checkpoint
            | Self::HandOver(_)
            | Self::Halt { .. }
            | Self::Audits { .. } => Ok(()),
        }
    }

    /// Counts the sealed ballots that it opens.
    fn openings(&self) -> usize {
        let Self::Vote(entry) = self else { return 0 };
        match &**entry {
            VoteEntry::Opened(openings) => openings.signatures.len(),
            VoteEntry::Proposed(_)
            | VoteEntry::OnCall(_)
            | VoteEntry::Drawn { .. }
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Certified(_)
            | VoteEntry::Refuted { .. }
            | VoteEntry::Verdict(_) => 0,
        }
    }

    /// Checks the signatures of those who are not seats.
    fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        match self {
            Self::Admission(admission) => admission.to_unverified().verify(mesh).map(|_| ()),
            Self::Said { said, .. } => said.verify(mesh),
            Self::Vote(entry) => entry.verify(mesh),
            Self::Case(entry) => entry.verify(mesh),
            Self::Rotation(entry) => entry.verify(mesh),
            Self::Seats {
                by: Authority::Seat(said),
                ..
            } => said.verify(mesh),
            Self::Dealt { .. }
            | Self::Keys(_)
            | Self::Members(_)
            | Self::Checkpoint
            | Self::HandOver(_)
            | Self::Halt { .. }
            | Self::Revoked { .. }
            | Self::Audits { .. } => Ok(()),
        }
    }

    /// Returns the entry as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }
}

impl Unverified<Entry> {
    /// Checks the signatures of those who are not seats; whether the entry may be decided is the log's business.
    ///
    /// # Errors
    ///
    /// Returns why it must be rejected.
    pub fn verify(self, mesh: &ContentId) -> Result<Verified<Entry>, RejectReason> {
        let entry = self.into_inner();
        entry.verify(mesh)?;
        Ok(Verified::attest(entry))
    }
}

impl Quorum {
    fn check(&self) -> Result<(), DecodeError> {
        let seats: Vec<_> = self.votes.iter().map(|(seat, _)| *seat).collect();
        ordered("quorum", "votes", &seats, 1, SEATS_MAX)
    }

    fn signed_votes(
        &self,
        block: &Block,
        phase: Phase,
        all: &mut Vec<(PublicKey, Vec<u8>, Signature)>,
    ) {
        let message = vote_message(
            &block.mesh,
            block.height,
            self.round,
            phase,
            Some(block.id()),
        );
        for (seat, signature) in &self.votes {
            all.push((*seat, message.clone(), *signature));
        }
    }
}

impl SeatMessage {
    /// Returns the seat that says it.
    pub const fn seat(&self) -> &PublicKey {
        match self {
            Self::Clock { reading, .. } => &reading.seat,
            Self::Proposal(proposal) => &proposal.seat,
            Self::Vote(vote) => &vote.seat,
        }
    }

    /// Returns the height it is about.
    pub const fn height(&self) -> u64 {
        match self {
            Self::Clock { height, .. } => *height,
            Self::Proposal(proposal) => proposal.block.height,
            Self::Vote(vote) => vote.height,
        }
    }

    /// Returns the message as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }

    /// Counts the signatures in the message.
    pub fn signatures(&self) -> usize {
        match self {
            Self::Clock { .. } | Self::Vote(_) => 1,
            Self::Proposal(proposal) => {
                let polka = proposal.polka.as_ref().map_or(0, |polka| polka.votes.len());
                1 + proposal.block.clocks.len() + polka
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Clock { .. } | Self::Vote(_) => Ok(()),
            Self::Proposal(proposal) => {
                proposal.block.check()?;
                proposal.polka.as_ref().map_or(Ok(()), Quorum::check)
            }
        }
    }

    fn signed(&self, mesh: &ContentId) -> Vec<(PublicKey, Vec<u8>, Signature)> {
        let mut all = Vec::new();
        match self {
            Self::Clock { height, reading } => {
                let message = clock_message(mesh, *height, reading.time);
                all.push((reading.seat, message, reading.signature));
            }
            Self::Vote(vote) => {
                let message = vote_message(mesh, vote.height, vote.round, vote.phase, vote.block);
                all.push((vote.seat, message, vote.signature));
            }
            Self::Proposal(proposal) => {
                let pol_round = proposal.polka.as_ref().map(|polka| polka.round);
                let message = proposal_message(mesh, proposal.round, pol_round, &proposal.block);
                all.push((proposal.seat, message, proposal.signature));
                proposal.block.signed_clocks(&mut all);
                if let Some(polka) = &proposal.polka {
                    polka.signed_votes(&proposal.block, Phase::Prevote, &mut all);
                }
            }
        }
        all
    }
}

impl Decided {
    /// Encodes the block and its commit for the store.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a decided block.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Unverified<Self>, DecodeError> {
        let decided: Self = decode("decided block", bytes, 2 * BLOCK_BYTES_MAX)?;
        decided.check()?;
        Ok(Unverified::from_wire(decided))
    }

    /// Counts the signatures in the block and its commit.
    pub fn signatures(&self) -> usize {
        self.block.clocks.len() + self.commit.votes.len()
    }

    /// Returns the block as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.block.check()?;
        self.commit.check()
    }
}

impl Unverified<SeatMessage> {
    /// Checks every signature in the message; whether the signers hold seats is the log's business.
    ///
    /// # Errors
    ///
    /// Returns why it must be rejected: a signature or the token of an act does not hold.
    pub fn verify(self, mesh: &ContentId) -> Result<Verified<SeatMessage>, RejectReason> {
        let message = self.into_inner();
        verify_all(&message.signed(mesh))?;
        if let SeatMessage::Proposal(proposal) = &message {
            let entries = &proposal.block.entries;
            entries.iter().try_for_each(|entry| entry.verify(mesh))?;
        }
        Ok(Verified::attest(message))
    }
}

impl Unverified<Decided> {
    /// Checks every signature in the block and its commit; whether the signers hold seats is the log's business.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    pub fn verify(self) -> Result<Verified<Decided>, RejectReason> {
        let decided = self.into_inner();
        let mut all = Vec::new();
        decided.block.signed_clocks(&mut all);
        decided
            .commit
            .signed_votes(&decided.block, Phase::Precommit, &mut all);
        verify_all(&all)?;
        Ok(Verified::attest(decided))
    }
}

impl SeatDraft {
    /// Signs the statement with the seat's identity.
    pub fn sign(self, mesh: &ContentId, identity: &Identity) -> Verified<SeatMessage> {
        let seat = identity.public();
        let sign = |message: &[u8]| identity.sign(Namespace::Seat, message);
        Verified::attest(match self {
            Self::Clock { height, time } => SeatMessage::Clock {
                height,
                reading: ClockReading {
                    seat,
                    time,
                    signature: sign(&clock_message(mesh, height, time)),
                },
            },
            Self::Proposal {
                round,
                block,
                polka,
            } => {
                let pol_round = polka.as_ref().map(|polka| polka.round);
                let signature = sign(&proposal_message(mesh, round, pol_round, &block));
                SeatMessage::Proposal(Box::new(Proposal {
                    seat,
                    round,
                    block: *block,
                    polka,
                    signature,
                }))
            }
            Self::Vote {
                height,
                round,
                phase,
                block,
            } => SeatMessage::Vote(SeatVote {
                seat,
                height,
                round,
                phase,
                block,
                signature: sign(&vote_message(mesh, height, round, phase, block)),
            }),
        })
    }
}

fn verify_all(all: &[(PublicKey, Vec<u8>, Signature)]) -> Result<(), RejectReason> {
    let signed: Vec<_> = all
        .iter()
        .map(|(key, message, signature)| Signed {
            key: *key,
            namespace: Namespace::Seat,
            message,
            signature: *signature,
        })
        .collect();
    verify_batch(&signed).map_err(|_| RejectReason::BadSignature)
}

fn clock_message(mesh: &ContentId, height: u64, time: Wall) -> Vec<u8> {
    encode(&("clock", mesh, height, time))
}

fn vote_message(
    mesh: &ContentId,
    height: u64,
    round: u32,
    phase: Phase,
    block: Option<ContentId>,
) -> Vec<u8> {
    encode(&("vote", mesh, height, round, phase, block))
}

fn proposal_message(
    mesh: &ContentId,
    round: u32,
    pol_round: Option<u32>,
    block: &Block,
) -> Vec<u8> {
    encode(&("proposal", mesh, block.height, round, pol_round, block.id()))
}
