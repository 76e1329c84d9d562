//! Why something from another peer is not taken, and whose fault that is.

use x0_crypto::{
    ContentId, PublicKey,
    capability::{CapabilityError, Refusal},
};

use super::time::{Millis, Wall};
use crate::{
    charter::violation::Barred,
    spine::{
        committee::panel::NoPanel,
        halt::{Standing, Step},
    },
    wire::{DecodeError, MultiSig, Pinned},
};

/// Why a record or message from outside is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// The bytes do not decode.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The record is longer than any may be.
    #[error("the record has {len} bytes, more than a record may have")]
    TooLong {
        /// Its length, bytes.
        len: usize,
    },
    /// The signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// The capability token does not hold or says what this build does not understand.
    #[error("the capability token is refused: {0}")]
    BadToken(CapabilityError),
    /// The record belongs to another mesh.
    #[error("the record belongs to another mesh")]
    OtherMesh,
    /// The author was never a member.
    #[error("{0} is not a member")]
    NotAMember(PublicKey),
    /// The author has been removed or has left.
    #[error("{0} is no longer a member")]
    NoLongerAMember(PublicKey),
    /// The author may not write this.
    #[error("the author may not do this: {0}")]
    NotEntitled(&'static str),
    /// The record is dated too far ahead.
    #[error("the record is dated {ahead_ms} ms ahead of this node's clock")]
    FromTheFuture {
        /// How far ahead, milliseconds.
        ahead_ms: u64,
    },
    /// The record waits for another that is not here.
    #[error("the record depends on {0}, which is not known here")]
    Missing(ContentId),
    /// The invite is unknown, used, expired, or its secret was not shown.
    #[error("the invite does not admit: {0}")]
    InviteRefused(&'static str),
    /// A verdict bars the author from this.
    #[error("{author} {barred}")]
    Barred {
        /// The author.
        author: PublicKey,
        /// By what.
        barred: Barred,
    },
    /// Too little work stands in a sealed report.
    #[error("less work stands in the sealed report than any must have")]
    TooLittleWork,
    /// More sealed reports have come than a node takes in an hour, or it comes by gossip long after its date.
    #[error(
        "a node takes 16 sealed reports of one hour, and by gossip none older than 2 hours: send it again later"
    )]
    TooManyReports,
}

impl RejectReason {
    /// Tells whether the peer that passed this on is at fault: an honest peer would have refused it.
    ///
    /// What depends on when records arrive (membership, clocks, missing records) is nobody's fault:
    /// an honest peer may know more or less than this one.
    pub const fn is_senders_fault(&self) -> bool {
        match self {
            Self::Undecodable(error) => !matches!(error, DecodeError::NewerVersion { .. }),
            Self::TooLong { .. }
            | Self::BadSignature
            | Self::BadToken(_)
            | Self::OtherMesh
            | Self::TooLittleWork => true,
            Self::NotAMember(_)
            | Self::NoLongerAMember(_)
            | Self::NotEntitled(_)
            | Self::FromTheFuture { .. }
            | Self::Missing(_)
            | Self::InviteRefused(_)
            | Self::Barred { .. }
            | Self::TooManyReports => false,
        }
    }
}

/// Why a target does not execute an act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActRefusal {
    /// The token's delegation root is neither named by the mesh's genesis nor by this node.
    #[error("the delegation root {0} is accepted neither by the genesis nor by this node")]
    UnknownRoot(String),
    /// The token does not allow this.
    #[error("{0}")]
    Token(Refusal),
    /// The act reaches further than a token alone may allow.
    #[error(
        "the act touches {nodes} of {members} nodes, more than {allowed}: a mass action needs drawn \
         co-signers and a committee ticket, and this mesh has no committee in force"
    )]
    MassAction {
        /// Nodes the act names.
        nodes: u32,
        /// Active members of the mesh.
        members: u32,
        /// Nodes an act may touch with a token alone.
        allowed: u32,
    },
    /// The committee has made no keys yet, or they are not known here.
    #[error(
        "the committee's keys are not known here yet, so no ticket can be checked: its seats make them once they are \
         linked; `x0 status` tells how far they are"
    )]
    NoKeys,
    /// Nothing was heard of the committee for so long that it may be down, or this node cut off from it.
    #[error(
        "nothing was heard of the committee for {} minutes: it is down, or this node is cut off from the mesh and may \
         not know what was revoked",
        silence.0 / 60_000
    )]
    OutOfTouch {
        /// For how long.
        silence: Millis,
    },
    /// The committee's word that this node's invite names is not known here, nor a later one.
    #[error(
        "this node's invite names the committee's checkpoint {}, and here {} is known: it still catches up, or is shown \
         the mesh of long ago",
        pinned.height,
        known.map_or_else(|| "none".to_owned(), |known| format!("no later than {known}"))
    )]
    BehindInvite {
        /// What the invite names.
        pinned: Pinned,
        /// The height of the newest checkpoint known.
        known: Option<u64>,
    },
    /// The ticket, draw or a signature does not hold.
    #[error("the act is not admitted: {0}")]
    BadWarrants(String),
    /// The ticket's time is over.
    #[error("the act's ticket has expired: propose it again")]
    TicketExpired,
    /// Too few targets agree.
    #[error("{agreed} of {needed} targets agree")]
    TooFewAgree {
        /// How many do.
        agreed: u32,
        /// How many must.
        needed: u32,
    },
    /// Too few signatories of the panel approve.
    #[error(
        "{approved} of {} signatories approve under its ticket, and {} of them must", panel.n, panel.k
    )]
    TooFewApprove {
        /// How many do.
        approved: u32,
        /// How many must, and of how many.
        panel: MultiSig,
    },
    /// No panel would do for the token and the level of the act.
    #[error(transparent)]
    NoPanel(#[from] NoPanel),
    /// Too few drawn co-signers have signed.
    #[error(
        "{signed} of {needed} drawn co-signers have signed; it reaches {reach} of {members} members"
    )]
    TooFewCosigned {
        /// How many have.
        signed: u32,
        /// How many must.
        needed: u32,
        /// Nodes that the act counts as.
        reach: u32,
        /// Members that count.
        members: u32,
    },
    /// A network act needs a vote.
    #[error(
        "the act touches {nodes} nodes: beyond 100 an act needs a passed vote on it, whose subject is {matter}"
    )]
    NeedsVote {
        /// How many it touches.
        nodes: u32,
        /// What is to be voted on.
        matter: ContentId,
    },
    /// The act is not taken as an override.
    #[error("the override is refused: {0}")]
    BadOverride(String),
    /// The act expired before it arrived, or lives longer than an act may.
    #[error("the act's life is over or longer than allowed")]
    Expired,
    /// The policy stands at another version than the act was written for.
    #[error("the act starts from version {stated}, this node is at version {present}")]
    StaleVersion {
        /// The version the act was written for.
        stated: u64,
        /// The version in force here.
        present: u64,
    },
    /// The act names a value the policy does not allow.
    #[error("{0}")]
    BadChange(String),
    /// The author forked its chain in acts and is suspended until a verdict.
    #[error("the author signed two different records at the same place and is suspended")]
    AuthorSuspended,
    /// The author is not an active member.
    #[error("the author is not an active member")]
    NotAMember,
    /// The root or token is frozen here, the mesh is halted, or this node waits its turn after a halt.
    #[error(
        "{}",
        standing.refuse_reason(Step::PolicyChange, *time).unwrap_or_default()
    )]
    Stopped {
        /// How things stand.
        standing: Standing,
        /// When it was refused.
        time: Wall,
    },
    /// This node has not caught up after a restart and executes nothing yet.
    #[error("this node has not caught up yet")]
    CatchingUp,
    /// Only the node itself may do this to itself.
    #[error("links are a node's own affair: this change is local only")]
    LocalOnly,
    /// A verdict bars the author from acts on others.
    #[error("the author {0}")]
    Barred(Barred),
}
