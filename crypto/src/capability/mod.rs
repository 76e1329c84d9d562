//! Capability tokens: what an agent may do, as Biscuits.
//!
//! A [`CapabilityRoot`] grants a [`Token`] to a holder for a set of [`Action`]s under [`Caveat`]s. Anybody who
//! has the token can narrow it further, offline; nobody can widen it. Whoever knows the [`RootKey`] can verify
//! it into a [`Capability`] and ask whether a [`Use`] is allowed. Biscuit's Datalog engine decides; the
//! [`Refusal`] says in words which caveat stood in the way.
//!
//! A token is not secret: only its holder, who must be proven by other means (a signed record), can use it. It
//! carries the key that appends the next block, so anyone may narrow a copy, which harms nobody.
//!
//! Everything written in a token is understood or the token is refused: an unknown fact, check, rule, scope
//! annotation, third-party block, comment, unused symbol or unknown field is an error that names the block and the
//! statement. So nothing that a later author wrote is ever silently ignored.
//!
//! ```
//! # use std::collections::BTreeSet;
//! # use x0_crypto::capability::{Action, Grant, Scope, Token, Use, check};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (owner, agent) = (x0_crypto::Identity::generate()?, x0_crypto::Identity::generate()?);
//! let root = owner.capability_root();
//! let update: Action = "routing.update".parse()?;
//! let granted = Token::grant(&root, &Grant {
//!     holder: agent.public(),
//!     actions: BTreeSet::from([update.clone()]),
//!     caveats: vec!["affects_network_pct_le=1%".parse()?],
//! })?;
//! let narrower = granted.attenuate(&["affects_nodes_le=5".parse()?])?;
//!
//! let act = Use {
//!     agent: agent.public(),
//!     action: update,
//!     scope: Scope::Regional,
//!     nodes: 10,
//!     mesh_size: 1000,
//!     time: 1_767_268_800,
//!     peer_signatures: 0,
//!     vote: None,
//!     multi_sig: None,
//! };
//! let nothing_revoked = |_: &_| false;
//! assert!(check(&granted, &root.public(), &nothing_revoked, &act).is_ok());
//! let refusal = check(&narrower, &root.public(), &nothing_revoked, &act).unwrap_err();
//! assert_eq!(
//!     refusal.to_string(),
//!     "the token allows at most 5 nodes, the act names 10 (added in block 1)"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! Not here: who may be a root, which tokens are revoked, what time it is, who signed or voted. Those facts come
//! in through [`Use`] and the revocation callback, established by the caller.

mod action;
mod authorize;
mod caveat;
mod datalog;
mod grant;
mod root;
mod token;
mod verifier;

pub use action::{Action, InvalidAction, InvalidShare, Scope, ShareBp, UnknownScope};
pub use authorize::{FailedCaveat, Refusal, Use};
pub use caveat::{Caveat, ParseCaveatError};
pub use grant::Grant;
pub use root::{CapabilityRoot, InvalidRevocationId, InvalidRootKey, RevocationId, RootKey};
pub use token::{Capability, CapabilityError, ParseTokenError, Token};
pub use verifier::{Verifier, check};

/// Most bytes of a token: eight blocks of caveats fit several times over, and thousands of tokens fit in memory.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Most blocks of a token, the root's included: each costs a signature check, so this bounds the work.
pub const MAX_BLOCKS: usize = 8;
/// Most caveats in one block.
pub const MAX_CAVEATS: usize = 16;
/// Most actions in one grant, or in one narrowing.
pub const MAX_ACTIONS: usize = 64;
/// Tokens that a [`Verifier`] remembers unless told otherwise.
pub const DEFAULT_CACHE_TOKENS: usize = 4096;

#[cfg(test)]
mod tests;
