//! What the local user asks of the node about violations of the charter, and what comes back.

use x0_crypto::{ContentId, PublicKey, committee::CommitteeKey};

use super::time::Wall;
use crate::{
    charter::{
        Bounty,
        violation::{CaseKnown, Sentence},
    },
    spine::{
        committee::OpenCase,
        ledger::{Account, Posting},
    },
    wire::{Appeal, CaseSay, Reason, Record, Report, Unverified},
};

/// What the local user asks or does about violations.
#[derive(Clone, Debug)]
pub enum CaseCommand {
    /// Lists the cases known here.
    List,
    /// Shows the balances and what moved them.
    Ledger,
    /// Reports a violation by this member's name.
    Report(Box<Report>),
    /// Hands in a sealed report or a claim, signed by a key used for nothing else.
    Submit(Box<Unverified<Record>>),
    /// Says the word of this seat's person.
    Say {
        /// About which case.
        case: ContentId,
        /// What.
        say: CaseSay,
        /// Why.
        why: Reason,
    },
    /// Appeals against a verdict, as the accused.
    Appeal(Box<Appeal>),
}

/// Why something about a case cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// There is no charter to break.
    #[error("this mesh was founded without a charter, so that nothing violates one")]
    NoCharter,
    /// There is nobody to report to.
    #[error(
        "this mesh has no committee, so that nobody decides about reports: found one with 4 seats or more"
    )]
    NoCommittee,
    /// No such case is known.
    #[error("no case {0} is known here: `x0 charter case list` lists those known")]
    NoSuchCase(ContentId),
    /// The word does not fit the case as it stands.
    #[error("case {case} is {stage}: {mend}")]
    NotNow {
        /// The case.
        case: ContentId,
        /// How far it is.
        stage: &'static str,
        /// What can be done instead.
        mend: &'static str,
    },
    /// The bounty is out of the charter's range.
    #[error("the charter pays a bounty of {} to {} x0, not {asked}", range.least_x0, range.most_x0)]
    Bounty {
        /// What was asked for.
        asked: u64,
        /// What is allowed.
        range: Bounty,
    },
    /// Who is accused has no word in the case.
    #[error("this node is accused in case {0}: its seat has no word in it")]
    OwnCase(ContentId),
    /// Only a sealed report or a claim may be handed in for somebody else.
    #[error(
        "only a sealed report and a claim can be handed in: everything else is signed by the node itself"
    )]
    NotForOthers,
}

/// The cases known here.
#[derive(Clone, Debug)]
pub struct CasesView {
    /// The mesh.
    pub mesh: ContentId,
    /// The committee's key that reports are sealed to, once it is known here.
    pub seal_to: Option<CommitteeKey>,
    /// Mesh time, as this node knows it.
    pub time: Wall,
    /// How many persons of the committee must say the same for a step; none if this node has no seat.
    pub approvals: Option<u32>,
    /// Each case, the last to change first.
    pub cases: Vec<CaseView>,
}

/// A case known here.
#[derive(Clone, Debug)]
pub struct CaseView {
    /// The report that it is named by.
    pub case: ContentId,
    /// What the committee has certified of it; none as long as only seats know of it.
    pub known: Option<CaseKnown>,
    /// What the committee log says of it, as long as it is not over; seats only.
    pub open: Option<OpenCase>,
}

/// The balances known here.
#[derive(Clone, Debug)]
pub struct LedgerView {
    /// The number of the last settlement that counts.
    pub last: u64,
    /// Settlements that wait for one before them.
    pub waiting: u64,
    /// What each account holds, x0.
    pub balances: Vec<(Account, i64)>,
    /// The newest postings, the last first.
    pub postings: Vec<Posting>,
    /// The sentences known here, by key and case.
    pub sentences: Vec<(PublicKey, ContentId, Sentence)>,
}
