//! Keys, signatures, content ids, capabilities and sealing: everything in x0 that is secret or proves something.
//!
//! - [`Identity`] and [`PublicKey`]: one Ed25519 key per node; its public half is written as a libp2p peer id.
//! - [`Signature`], [`verify`], [`verify_batch`]: signatures that carry a [`Namespace`], under one validity rule.
//! - [`ContentId`] and [`ChunkId`]: the name of a block by its hash.
//! - [`OnionAddress`]: where a node is reached through Tor.
//! - [`capability`]: Biscuit tokens that say what an agent may do, narrowed offline, checked by Datalog.
//! - [`committee`]: keys that the seats of a committee hold together: how they make, use and hand them over.
//! - [`seal`] and [`open`]: bytes locked with a passphrase.
//! - [`seal_for`] and [`Identity::open_sealed`]: bytes that one node alone can open.
//! - [`sublime`]: content in encrypted chunks, keys shared among guardians, sealing that outlasts quantum computers.
//! - [`MembershipCommitment`]: what a member publishes so that it can later prove membership without its name.
//!
//! Verification is pure: it reads no clock and no randomness, so every node answers alike. Only making new
//! secrets ([`Identity::generate`], [`capability::Token::grant`], [`capability::Token::attenuate`], [`seal`])
//! asks the operating system for randomness.
//!
//! The crate does not decide anything about a mesh: who is a member, which root counts and what time it is are
//! given to it.

pub mod capability;
pub mod committee;
pub mod sublime;

mod content_id;
mod fixed_bytes;
mod hpke_base;
mod identity;
mod identity_file;
mod membership;
mod onion;
mod poseidon;
mod sealed;
mod sealed_for;
mod signature;
mod wire;

pub use content_id::{BlockId, ChunkId, ContentId, ParseContentIdError};
pub use identity::{Identity, InvalidPublicKey, PublicKey};
pub use identity_file::IdentityFileError;
pub use membership::MembershipCommitment;
pub use onion::{OnionAddress, ParseOnionError};
pub use sealed::{OpenError, SealError, open, seal};
pub use sealed_for::{NotForThisKey, SEALED_FOR_OVERHEAD, seal_for};
pub use signature::{
    BadSignature, BadSignatures, Namespace, Signature, Signed, verify, verify_batch,
};

/// Reports that the operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the operating system gave no randomness ({0}); free some file handles or memory and try again"
)]
pub struct NoRandomness(#[from] getrandom::Error);
