//! The question put to a capability, and the answer in words.
//!
//! Biscuit's Datalog engine decides: a use becomes facts, every caveat is a check on them, and one policy allows
//! the holder what was granted. What is added here is the reason, so that whoever is refused learns which
//! caveat stood in the way, what it allows and what the act asked for.

use core::fmt;
use core::time::Duration;

use biscuit_auth::error::{self, FailedCheck, Logic};
use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits};

use super::caveat::display_time;
use super::{Action, Capability, CapabilityError, Caveat, RevocationId, Scope, ShareBp, datalog};
use crate::{ContentId, PublicKey};

/// Limits of the Datalog engine.
///
/// They are set in facts and rounds, which do not depend on how busy a machine is. Tokens have no rules, at
/// most 65 facts and 128 checks, so none comes near them. Biscuit also wants a limit in time; its default of
/// 1 ms refuses valid tokens whenever the thread is preempted, so it is set where only a hung machine gets to.
const LIMITS: AuthorizerLimits = AuthorizerLimits {
    max_facts: 256,
    max_iterations: 8,
    max_time: Duration::from_secs(10),
};

/// One act for which a capability is presented, as the caller has established it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Who acts; the caller has checked its signature.
    pub agent: PublicKey,
    /// What is done.
    pub action: Action,
    /// How far it reaches.
    pub scope: Scope,
    /// How many nodes it affects.
    pub nodes: u32,
    /// How many nodes the mesh has.
    pub mesh_size: u32,
    /// When, in Unix seconds of the clock the caller trusts.
    pub time: u64,
    /// How many peers have validly signed the act.
    pub peer_signatures: u8,
    /// The proposal whose passed vote approves the act.
    pub vote: Option<ContentId>,
    /// How many of how many have validly signed as a group: `(k, n)`.
    pub multi_sig: Option<(u8, u8)>,
}

/// Says why an act is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token itself is no good.
    #[error(transparent)]
    BadToken(#[from] CapabilityError),
    /// The token, or a token it was narrowed from, is revoked.
    #[error("block {block} of the token is revoked ({id}); ask its root for a new one")]
    Revoked {
        /// The block, the root's being 0.
        block: usize,
        /// Its name.
        id: RevocationId,
    },
    /// Someone else's token.
    #[error("the token belongs to {holder}, and the act is by {agent}")]
    NotHolder {
        /// Whom the token names.
        holder: PublicKey,
        /// Who acts.
        agent: PublicKey,
    },
    /// The root granted something else.
    #[error("the token grants {}, and the act is {action}", list(granted))]
    ActionNotGranted {
        /// What is done.
        action: Action,
        /// What was granted.
        granted: Vec<Action>,
    },
    /// One or more caveats do not hold.
    #[error("{}", list(failed))]
    Caveats {
        /// Each caveat that failed, in the order of the token; never empty.
        failed: Vec<FailedCaveat>,
    },
    /// The engine came to no decision.
    #[error("the token could not be evaluated ({reason}); the act is refused to be safe")]
    Undecided {
        /// What Biscuit reported.
        reason: String,
    },
}

/// A caveat that stood in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCaveat {
    /// The block it stands in, the root's being 0.
    pub block: usize,
    /// The caveat.
    pub caveat: Caveat,
    /// What it allows and what the act asked for.
    pub reason: String,
}

impl Capability {
    /// Decides whether the act is allowed.
    ///
    /// Revocation is not looked at here; see [`super::check`].
    ///
    /// # Errors
    /// A [`Refusal`] that names what stood in the way.
    pub fn authorize(&self, act: &Use) -> Result<(), Refusal> {
        let decision = datalog::write_use(act)
            .map(|authorizer| authorizer.set_limits(LIMITS))
            .and_then(|authorizer: AuthorizerBuilder| authorizer.build(self.biscuit()))
            .and_then(|mut authorizer| authorizer.authorize());
        match decision {
            Ok(_) => Ok(()),
            Err(error::Token::FailedLogic(Logic::NoMatchingPolicy { .. })) => {
                Err(self.explain_no_grant(act))
            }
            Err(error::Token::FailedLogic(Logic::Unauthorized { checks, .. })) => {
                Err(self.explain(&checks, act))
            }
            Err(other) => Err(Refusal::Undecided {
                reason: other.to_string(),
            }),
        }
    }

    fn explain_no_grant(&self, act: &Use) -> Refusal {
        if *self.holder() != act.agent {
            return Refusal::NotHolder {
                holder: *self.holder(),
                agent: act.agent,
            };
        }
        Refusal::ActionNotGranted {
            action: act.action.clone(),
            granted: self.actions().iter().cloned().collect(),
        }
    }

    fn explain(&self, checks: &[FailedCheck], act: &Use) -> Refusal {
        let caveat_of = |check: &FailedCheck| match check {
            FailedCheck::Block(check) => {
                let (block, index) = (
                    usize::try_from(check.block_id).ok()?,
                    usize::try_from(check.check_id).ok()?,
                );
                let caveat = self.blocks().get(block)?.get(index)?;
                Some(FailedCaveat {
                    block,
                    caveat: caveat.clone(),
                    reason: explain_caveat(caveat, act),
                })
            }
            FailedCheck::Authorizer(_) => None,
        };
        let failed: Vec<FailedCaveat> = checks.iter().filter_map(caveat_of).collect();
        if failed.is_empty() {
            return Refusal::Undecided {
                reason: "Biscuit named no check of the token".to_owned(),
            };
        }
        Refusal::Caveats { failed }
    }
}

fn explain_caveat(caveat: &Caveat, act: &Use) -> String {
    match caveat {
        Caveat::Actions(actions) => format!(
            "the token is narrowed to {}, the act is {}",
            list(actions),
            act.action
        ),
        Caveat::Scope(most) => format!(
            "the token allows {most} acts at most, the act is {}",
            act.scope
        ),
        Caveat::AffectsNodesLe(most) => {
            format!(
                "the token allows at most {most} nodes, the act names {}",
                act.nodes
            )
        }
        Caveat::AffectsNetworkPctLe(most) => format!(
            "the token allows at most {} of {} nodes ({most}), the act names {} ({})",
            most.nodes_of(act.mesh_size),
            act.mesh_size,
            act.nodes,
            ShareBp::of(act.nodes, act.mesh_size)
        ),
        Caveat::ValidUntil(end) => {
            format!(
                "the token was valid until {}, now it is {}",
                display_time(*end),
                display_time(act.time)
            )
        }
        Caveat::RequiresPeerSignature => {
            "the token requires the signature of a peer, the act has none".to_owned()
        }
        Caveat::RequiresDaoVote(None) => "the token requires a vote, the act has none".to_owned(),
        Caveat::RequiresDaoVote(Some(proposal)) => match act.vote {
            None => format!("the token requires the vote on {proposal}, the act has none"),
            Some(other) => {
                format!("the token requires the vote on {proposal}, the act has that on {other}")
            }
        },
        Caveat::RequiresMultiSig { k, n } => match act.multi_sig {
            None => {
                format!("the token requires {k} signatures of a group of {n}, the act has none")
            }
            Some((got, of)) => {
                format!(
                    "the token requires {k} signatures of a group of {n}, the act has {got} of a group of {of}"
                )
            }
        },
    }
}

/// Writes the reason; the block is named only where it is not the root's.
impl fmt::Display for FailedCaveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            0 => f.write_str(&self.reason),
            block => write!(f, "{} (added in block {block})", self.reason),
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
