//! What goes into a vote, what comes out of it, and where it stands.

use core::fmt;

use serde::{Deserialize, Serialize};
use x0_crypto::{PublicKey, committee::ThresholdSignature};

use super::super::{tally::TallyStatement, terms::Outcome};
use crate::{
    core::time::Wall,
    wire::{Ballot, BallotList, Receipt, Verified},
};

/// What a block of the log brings for one vote.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The height of the block.
    pub height: u64,
    /// Ballots.
    pub ballots: Vec<Verified<Ballot>>,
    /// Receipts for ballots that come after the close.
    pub receipts: Vec<Verified<Receipt>>,
    /// Parts of seats' lists.
    pub lists: Vec<Verified<BallotList>>,
    /// Signatures that open sealed ballots, which were found to be the committee's.
    pub openings: Vec<Opening>,
}

/// The committee's signature over the label of one sealed ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whose ballot.
    pub voter: PublicKey,
    /// The signature.
    pub signature: ThresholdSignature,
}

/// Where a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Phase {
    /// Ballots are taken.
    Open,
    /// Seats commit their lists.
    Closing {
        /// When those of a quorum are enough.
        until: Wall,
    },
    /// Sealed ballots are opened.
    Opening {
        /// When the vote is void if some are not.
        until: Wall,
    },
    /// Ballots are being counted, some in each block.
    Counting,
    /// Counted; a certificate is awaited.
    Tallied {
        /// When the vote is void without one.
        until: Wall,
    },
    /// Certified; the tally can be refuted.
    Challenge {
        /// When it takes effect.
        until: Wall,
    },
    /// The outcome holds: passed or rejected.
    Effective(Outcome),
    /// Too few took part.
    Failed,
    /// The vote decides nothing.
    Void(VoidReason),
}

/// Why a vote decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// The certified tally was refuted.
    Refuted,
    /// Too few seats listed what they hold.
    NoLists,
    /// Sealed ballots were not opened.
    NotOpened,
    /// No certificate came.
    NoCertificate,
    /// No jury was drawn in time.
    NoJury,
}

/// What has changed in a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The quorum was met late, and the close has moved.
    Extended {
        /// To when.
        close: Wall,
    },
    /// No more ballots are taken.
    Closed {
        /// Whether it was because the outcome can no longer change.
        early: bool,
    },
    /// The lists are complete; the committee is to open the ballots of these voters.
    ToOpen(Vec<PublicKey>),
    /// The sealed ballot of this voter holds no choice, and does not count.
    Unopened(PublicKey),
    /// The ballots are counted; the committee is to certify this.
    Tallied(Box<TallyStatement>),
    /// The certificate is there.
    Certified {
        /// Until when the tally can be refuted.
        until: Wall,
    },
    /// The outcome holds.
    Effective(Outcome),
    /// Too few took part.
    Failed,
    /// The vote decides nothing.
    Voided(VoidReason),
}

/// Why something committed for a vote does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// It names another proposal.
    #[error("it is for another proposal")]
    OtherProposal,
    /// Its signer has no vote or seat here.
    #[error("its signer is neither in the electorate nor, for a list, a seat")]
    NoVote,
    /// It comes when it is not, or no longer, taken.
    #[error("it came at {now}; this is taken before {close} or while the vote closes")]
    NotNow {
        /// The mesh time at which it came.
        now: Wall,
        /// When the vote closes.
        close: Wall,
    },
    /// The ballot is sealed in an open vote, or open in a sealed one.
    #[error("this vote takes ballots of the other form, open or sealed")]
    OtherForm,
    /// Ballots cannot be changed here.
    #[error("the first ballot is final in this vote")]
    NotChangeable,
    /// The same ballot, or one with a higher number, is there.
    #[error("this ballot or one with a higher number stands already")]
    Stale,
    /// The voter signed two different ballots with this number.
    #[error("two different ballots of this voter have the same number")]
    Double,
    /// The delegate's committed ballot is final for this voter; its own counts only if that turns out void.
    #[error("the voter's delegate has voted for it, and first ballots are final")]
    Represented,
    /// The signer sends more than it can need.
    #[error("the signer has sent more of these than one may")]
    TooMany,
    /// A field is out of its bounds.
    #[error("a field is out of its bounds")]
    Malformed,
    /// A part of the list is missing, or the list is complete.
    #[error("the parts of a list come in order and end with the last")]
    OutOfOrder,
    /// There is nothing to open.
    #[error("it opens no ballot that waits to be opened")]
    OpensNothing,
}

/// What a block did to a vote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What does not count: by whom it is, and why.
    pub refused: Vec<(PublicKey, Refused)>,
    /// What has changed, in order.
    pub events: Vec<Event>,
}

impl Taken {
    pub(super) fn note(&mut self, signer: PublicKey, result: Result<(), Refused>) {
        if let Err(why) = result {
            self.refused.push((signer, why));
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extended { close } => {
                write!(f, "the quorum was met late: it closes at {close} instead")
            }
            Self::Closed { early: true } => f.write_str("closed early: nothing can change it now"),
            Self::Closed { early: false } => f.write_str("closed; the seats list what they hold"),
            Self::ToOpen(voters) => write!(f, "{} sealed ballots are to be opened", voters.len()),
            Self::Unopened(voter) => {
                write!(
                    f,
                    "the sealed ballot of {voter} holds no choice: it does not count"
                )
            }
            Self::Tallied(statement) => {
                let sums = statement.tally.sums;
                write!(
                    f,
                    "counted: {} yes, {} no, {} abstain",
                    sums.yes, sums.no, sums.abstain
                )
            }
            Self::Certified { until } => {
                write!(f, "certified; its tally can be refuted until {until}")
            }
            Self::Effective(outcome) => write!(f, "in force: {outcome}"),
            Self::Failed => f.write_str("failed: too few took part"),
            Self::Voided(why) => write!(f, "void: {why}"),
        }
    }
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuted => "its certified tally was refuted",
            Self::NoLists => "too few seats listed what they hold",
            Self::NotOpened => "sealed ballots were not opened",
            Self::NoCertificate => "no certificate came",
            Self::NoJury => "no jury was drawn in time",
        })
    }
}
