//! Work a peer hands out because it is heavy: signature and capability checks.
//!
//! [`Job::run`] is pure and is the only way to a [`Verdict`]; a driver decides where and when it
//! runs, not what it finds. The simulator keeps verdicts of the same job for many peers.

use std::sync::Arc;

use x0_crypto::{
    ContentId,
    capability::{Capability, CapabilityError, Refusal, RootKey, Token, Use},
};

use super::reject::RejectReason;
use crate::wire::{Decided, LogHead, Record, SeatMessage, Unverified, Verified};

/// A check to be run outside the peer's own turn.
#[derive(Clone, Debug)]
pub enum Job {
    /// Checks signatures and tokens of records.
    Records(Vec<Unverified<Record>>),
    /// Checks the signature of a log head.
    Head(Unverified<LogHead>),
    /// Checks every signature in a statement of a seat.
    Seat {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// The statement.
        message: Box<Unverified<SeatMessage>>,
    },
    /// Checks every signature in blocks of the committee log.
    Blocks(Vec<Unverified<Decided>>),
    /// Verifies a token the local user hands in.
    Token {
        /// The token.
        token: Token,
        /// The root it should be signed under.
        root: RootKey,
    },
    /// Asks a capability whether it allows a use.
    Authorize {
        /// The verified capability.
        capability: Arc<Capability>,
        /// What it is to be used for.
        usage: Use,
    },
}

/// What a job found; only [`Job::run`] makes one.
#[derive(Clone, Debug)]
pub struct Verdict(pub(crate) Finding);

#[derive(Clone, Debug)]
pub(crate) enum Finding {
    Records(Vec<Result<Verified<Record>, RejectReason>>),
    Head(Result<LogHead, RejectReason>),
    Seat(Box<Result<Verified<SeatMessage>, RejectReason>>),
    Blocks(Vec<Result<Verified<Decided>, RejectReason>>),
    Token(Result<Arc<Capability>, CapabilityError>),
    Authorize(Result<(), Refusal>),
}

impl Job {
    /// Runs the check.
    pub fn run(self) -> Verdict {
        Verdict(match self {
            Self::Records(records) => Finding::Records(Unverified::verify_all(records)),
            Self::Head(head) => {
                let head = head.into_inner();
                Finding::Head(head.verify().map(|()| head))
            }
            Self::Seat { mesh, message } => Finding::Seat(Box::new(message.verify(&mesh))),
            Self::Blocks(blocks) => Finding::Blocks(
                blocks
                    .into_iter()
                    .map(Unverified::<Decided>::verify)
                    .collect(),
            ),
            Self::Token { token, root } => Finding::Token(token.verify(&root).map(Arc::new)),
            Self::Authorize { capability, usage } => {
                Finding::Authorize(capability.authorize(&usage))
            }
        })
    }

    /// Joins the verdicts of single-record jobs into the verdict of one job over all of them.
    ///
    /// Lets a driver that remembers verdicts per record answer a job without running it again.
    pub fn verdict_of_records(parts: Vec<Verdict>) -> Verdict {
        let mut all = Vec::with_capacity(parts.len());
        for Verdict(part) in parts {
            match part {
                Finding::Records(records) => all.extend(records),
                Finding::Head(_)
                | Finding::Seat(_)
                | Finding::Blocks(_)
                | Finding::Token(_)
                | Finding::Authorize(_) => {}
            }
        }
        Verdict(Finding::Records(all))
    }
}
