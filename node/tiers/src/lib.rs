//! The tiers that keep encrypted content: each holds blocks by their CID and gives them back to anybody who asks.
//!
//! A tier never sees plaintext or keys. What it gives back is checked here against the name under which it was asked
//! for ([`Block::new`]), so that a tier can lose content but never change it. A tier decides nothing: which content is
//! kept where, and how often, is told to it.

mod block;
mod tier;

pub use block::{BLOCK_BYTES_MAX, Block, NotThisBlock};
pub use tier::{Forgotten, Tier, TierError, TierKind};
