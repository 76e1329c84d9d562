//! What the local user asks of the node about votes, and what comes back.

use x0_crypto::{ContentId, PublicKey};

use super::time::Wall;
use crate::{
    charter::Charter,
    spine::ballot::{Announced, Case, Drawn, OwnItem, Sums, TallyStatement, TermsError},
    wire::{Choice, DelegationScope, Reason, VoteResolved, VoteRules},
};

/// What the local user asks or does about votes.
#[derive(Clone, Debug)]
pub enum VoteCommand {
    /// Lists the votes known here, and what this node has handed in.
    List,
    /// Proposes a vote.
    Propose {
        /// What is decided: an act by its digest, or a document by its content id.
        subject: ContentId,
        /// What it is about, in words.
        text: Reason,
        /// The rules; the key to which ballots are sealed is put in by the peer.
        rules: VoteRules,
        /// Whether ballots are sealed to the committee until the close.
        sealed: bool,
    },
    /// Casts this node's ballot.
    Cast {
        /// The vote.
        proposal: ContentId,
        /// The choice.
        choice: Choice,
    },
    /// Lets another member vote in this one's place, or takes that back.
    Delegate {
        /// For what.
        scope: DelegationScope,
        /// To whom; nobody takes it back.
        delegate: Option<PublicKey>,
    },
    /// Says whether this member serves on juries.
    OnCall {
        /// Whether it does.
        serves: bool,
    },
    /// Lists the juries known here and what they were asked.
    Jury,
    /// Fetches what was counted and counts it again.
    Recount(ContentId),
    /// The same, and hands out all that was counted.
    Bundle(ContentId),
}

/// The juries known here, and what they were asked.
#[derive(Clone, Debug)]
pub struct JuryView {
    /// This node's member.
    pub own: PublicKey,
    /// Whether it has said to serve; none if it has said nothing yet.
    pub on_call: Option<bool>,
    /// The juries of days, in order of day.
    pub days: Vec<Drawn>,
    /// What juries were asked, the newest first, by the id of the proposal.
    pub cases: Vec<(ContentId, Case)>,
    /// Mesh time now.
    pub time: Wall,
}

/// The votes known here, and what this node has handed in.
#[derive(Clone, Debug, Default)]
pub struct VotesView {
    /// The votes, newest first.
    pub votes: Vec<VoteView>,
    /// What this node has handed in, by name.
    pub own: Vec<(ContentId, OwnItem)>,
}

/// A vote as the user sees it.
#[derive(Clone, Debug)]
pub struct VoteView {
    /// Its name.
    pub proposal: ContentId,
    /// How it was opened, if that is known here.
    pub opening: Option<Announced>,
    /// The mesh time at which it closes, as far as known.
    pub closes: Option<Wall>,
    /// What was counted.
    pub tally: Option<TallyStatement>,
    /// How it ended.
    pub resolved: Option<VoteResolved>,
    /// The jurors' ballots, if a jury decides.
    pub case: Option<Case>,
    /// At a seat: the sums as they stand.
    pub live: Option<Sums>,
    /// This node's own ballot.
    pub ballot: Option<OwnItem>,
    /// The charter that it is to put in force, if its subject is one that a member has said to all.
    pub amendment: Option<Charter>,
    /// How far it is, in words.
    pub stage: String,
}

/// Why something about a vote cannot be done, with the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefusal {
    /// There is no committee.
    #[error(
        "this mesh has no committee, which holds votes: that takes a mesh founded with four seats or more"
    )]
    NoCommittee,
    /// The keys are not known yet.
    #[error(
        "the committee's keys are not known here yet: try again in a minute, `x0 status` tells"
    )]
    NoKeys,
    /// There is no such vote.
    #[error("no vote {0} is known here: `x0 vote list` shows those that are")]
    NoSuchVote(ContentId),
    /// It takes no more ballots.
    #[error("the vote {0} takes no more ballots: it is counted")]
    Over(ContentId),
    /// A jury decides, and this node does not sit on it.
    #[error("the vote {0} is decided by a jury that this node was not drawn for")]
    NotAJuror(ContentId),
    /// The ballot is final.
    #[error("this node has voted {0} already, and the first ballot is final in this vote")]
    AlreadyCast(&'static str),
    /// No more changes.
    #[error("this was changed so often that it cannot be changed again")]
    TooManyChanges,
    /// Another is being signed.
    #[error("another ballot for this vote is being signed: try again in a moment")]
    Busy,
    /// Too much is on its way.
    #[error(
        "{0} ballots, proposals and delegations are on their way: wait until some have arrived"
    )]
    TooMany(usize),
    /// The rules are out of range.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// Nobody delegates to itself or to a stranger.
    #[error("{0} is not another active member: `x0 peers --members` lists them")]
    NoDelegate(PublicKey),
    /// There is nothing to count again.
    #[error("the vote {0} is not counted yet: `x0 vote show` tells when it closes")]
    NotCounted(ContentId),
    /// The seats do not hand out what was counted.
    #[error("no seat hands out what was counted in the vote {0}: try again later")]
    NotPublished(ContentId),
}
