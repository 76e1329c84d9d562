//! Work a peer hands out because it is heavy: signature and capability checks.
//!
//! [`Job::run`] is pure and is the only way to a [`Verdict`]; a driver decides where and when it
//! runs, not what it finds. The simulator keeps verdicts of the same job for many peers.

use std::sync::Arc;

use x0_crypto::capability::{Capability, CapabilityError, Refusal, RootKey, Token, Use};

use super::reject::RejectReason;
use crate::wire::{LogHead, Record, Unverified, Verified};

/// A check to be run outside the peer's own turn.
#[derive(Clone, Debug)]
pub enum Job {
    /// Checks signatures and tokens of records.
    Records(Vec<Unverified<Record>>),
    /// Checks the signature of a log head.
    Head(Unverified<LogHead>),
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
                Finding::Head(_) | Finding::Token(_) | Finding::Authorize(_) => {}
            }
        }
        Verdict(Finding::Records(all))
    }
}
