//! What every tier can do.

use std::fmt;

use async_trait::async_trait;
use cid::Cid;

use crate::{Block, NotThisBlock};

/// Which tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TierKind {
    /// The embedded IPFS nodes of the mesh.
    Ipfs,
    /// Arweave, through a gateway.
    Arweave,
    /// Sia, through its SDK.
    Sia,
}

impl TierKind {
    /// Returns the name, as settings and the command line write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipfs => "ipfs",
            Self::Arweave => "arweave",
            Self::Sia => "sia",
        }
    }
}

impl fmt::Display for TierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What forgetting a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// The tier no longer holds it.
    Gone,
    /// The tier keeps for ever what it has once taken; only its keys can be destroyed.
    Kept,
}

/// Says why a tier did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// The tier does not have the block.
    #[error("{tier} does not have {cid}")]
    NotFound {
        /// Which tier.
        tier: TierKind,
        /// Which block.
        cid: Cid,
    },
    /// The tier gave something else in its place.
    #[error("{tier} gave other bytes: {reason}")]
    Wrong {
        /// Which tier.
        tier: TierKind,
        /// What does not fit.
        reason: NotThisBlock,
    },
    /// The tier cannot be reached, or did not answer in time; trying later may help.
    #[error("{tier} does not answer: {reason}")]
    Unreachable {
        /// Which tier.
        tier: TierKind,
        /// What happened.
        reason: String,
    },
    /// The tier said no; trying again as it is will not help.
    #[error("{tier} refused: {reason}")]
    Refused {
        /// Which tier.
        tier: TierKind,
        /// What it said, and what to do about it.
        reason: String,
    },
}

/// A place that keeps blocks of ciphertext.
#[async_trait]
pub trait Tier: Send + Sync {
    /// Returns which tier this is.
    fn kind(&self) -> TierKind;

    /// Stores a block; when it returns, the tier has taken it over for good.
    ///
    /// # Errors
    /// [`TierError`] if the tier is out of reach or refuses.
    async fn put(&self, block: &Block) -> Result<(), TierError>;

    /// Stores several blocks, where they are better stored together than one by one; as [`Self::put`] else.
    ///
    /// # Errors
    /// [`TierError`] of the first that is not stored; others may be.
    async fn put_together(&self, blocks: &[Block]) -> Result<(), TierError> {
        for block in blocks {
            self.put(block).await?;
        }
        Ok(())
    }

    /// Fetches a block, checked against its name.
    ///
    /// # Errors
    /// [`TierError`] if the tier has none, gives another, or is out of reach.
    async fn get(&self, cid: &Cid) -> Result<Block, TierError>;

    /// Tells whether the tier holds a block, as far as it can be asked without fetching it.
    ///
    /// # Errors
    /// [`TierError`] if the tier is out of reach.
    async fn holds(&self, cid: &Cid) -> Result<bool, TierError>;

    /// Has the tier let go of a block, where it can.
    ///
    /// # Errors
    /// [`TierError`] if the tier is out of reach or refuses.
    async fn forget(&self, cid: &Cid) -> Result<Forgotten, TierError>;
}
