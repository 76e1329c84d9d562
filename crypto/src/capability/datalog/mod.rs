//! Grants, caveats and uses as Biscuit Datalog: typed builders one way, a strict reader the other.
//!
//! A token's first block states who holds it and what it grants; every block may add checks:
//!
//! ```text
//! holder(hex:…); can("routing.update");
//! check if action($action), {"routing.update"}.contains($action);
//! check if scope($scope), {"local", "regional"}.contains($scope);
//! check if nodes($nodes), $nodes <= 20;
//! check if network_share_bp($share), $share <= 100;
//! check if time($time), $time <= 2026-12-31T00:00:00Z;
//! check if peer_signatures($count), $count >= 1;
//! check if vote($proposal);      check if vote(hex:…);
//! check if multi_sig($k, 5), $k >= 3;
//! ```
//!
//! The wording is part of the wire format: a node that words a caveat otherwise is not understood by others.

mod read;
mod write;

use core::fmt;
use std::collections::BTreeSet;

use super::{Action, Caveat};
use crate::PublicKey;

pub(super) use read::read;
pub(super) use write::{write_caveats, write_grant, write_use};

/// Most characters of a statement that are repeated in an error.
const STATEMENT_CHARS_MAX: usize = 160;

const HOLDER: &str = "holder";
const CAN: &str = "can";
const AGENT: &str = "agent";
const ACTION: &str = "action";
const SCOPE: &str = "scope";
const NODES: &str = "nodes";
const SHARE: &str = "network_share_bp";
const TIME: &str = "time";
const PEER_SIGNATURES: &str = "peer_signatures";
const VOTE: &str = "vote";
const MULTI_SIG: &str = "multi_sig";
/// Head that Biscuit gives to the query of a check.
const QUERY: &str = "query";

/// What a token says, block by block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statements {
    pub(super) holder: PublicKey,
    pub(super) actions: BTreeSet<Action>,
    /// The authority block first; caveat `i` of block `b` is check `i` of that block.
    pub(super) blocks: Vec<Vec<Caveat>>,
}

/// Names the first statement that is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood {
    pub(super) block: usize,
    pub(super) statement: String,
    pub(super) reason: &'static str,
}

impl NotUnderstood {
    /// Quotes a statement for an error: cut to a readable length, and without characters that could play tricks
    /// on a terminal, since anybody may have written it.
    fn new(block: usize, statement: &str, reason: &'static str) -> Self {
        let quote = |c: char| match c {
            '"' | '\'' => c.to_string(),
            _ => c.escape_debug().to_string(),
        };
        Self {
            block,
            statement: statement
                .chars()
                .take(STATEMENT_CHARS_MAX)
                .map(quote)
                .collect(),
            reason,
        }
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {} says `{}`: {}",
            self.block, self.statement, self.reason
        )
    }
}
