//! What the local user asks of the node about audits of members' nodes, and what comes back.

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RootKey, Token},
};

use super::time::Wall;
use crate::{
    charter::inspection::{
        Inspected,
        rounds::{AuditState, Tally},
    },
    wire::{Account, AuditPair, AuditsDrawn},
};

/// What the local user asks about audits.
#[derive(Clone, Debug)]
pub enum InspectionCommand {
    /// Lists the rounds known here, and how their audits stand.
    Rounds,
    /// Asks another member's node what it collects.
    Ask {
        /// Whom.
        node: PublicKey,
        /// By which right.
        by: AskBy,
    },
}

/// By which right the user asks.
#[derive(Clone, Debug)]
pub enum AskBy {
    /// As the auditor that was drawn for the node in the round that runs.
    Draw,
    /// As a seat, because of a case that the committee looks into.
    Case(ContentId),
    /// With a token for audits.
    Token {
        /// The root it is signed under.
        root: RootKey,
        /// The token.
        token: Token,
    },
}

/// The rounds known here.
#[derive(Clone, Debug)]
pub struct RoundsView {
    /// Mesh time as this node knows it.
    pub time: Wall,
    /// Days between two rounds, by the charter in force; none without a charter or a committee.
    pub days: Option<u64>,
    /// Mesh time at which the next round is to open.
    pub next: Option<Wall>,
    /// Whether that is so long ago that the committee is at fault.
    pub overdue: bool,
    /// The rounds, the newest first.
    pub rounds: Vec<RoundView>,
}

/// A round, and how its audits stand.
#[derive(Clone, Debug)]
pub struct RoundView {
    /// What the committee has certified.
    pub drawn: AuditsDrawn,
    /// How many audits stand how.
    pub tally: Tally,
    /// Each audit.
    pub audits: Vec<(AuditPair, AuditState)>,
}

/// What a node says it collects, and what this node finds in it.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The mesh it was signed for.
    pub mesh: ContentId,
    /// What the node has signed.
    pub account: Account,
    /// What is found, by the charter that the account names; none if that is not known here.
    pub found: Option<Inspected>,
}

/// Why an account was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectionRefusal {
    /// The mesh has no charter.
    #[error("this mesh was founded without a charter, so that there is nothing to audit by")]
    NoCharter,
    /// This is the own node.
    #[error("this is the own node: `x0 charter audit` without --peer audits it")]
    OwnNode,
    /// This node was not drawn.
    #[error(
        "this node was not drawn to audit {0} in the round that runs: ask with --token, or as a seat with --case; \
         `x0 charter audits` shows the draw"
    )]
    NotDrawn(PublicKey),
    /// The node has not answered, or refuses.
    #[error("{node} gave no account: {why}")]
    Unanswered {
        /// Whom.
        node: PublicKey,
        /// What it said, or that it said nothing.
        why: String,
    },
    /// The node's answer does not hold.
    #[error("what {0} answered is not signed as an answer to what was asked: it proves nothing")]
    Unsigned(PublicKey),
    /// Too many are under way.
    #[error("{0} nodes are being asked already: wait until some have answered")]
    TooMany(usize),
}
