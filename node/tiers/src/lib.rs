//! The tiers that keep encrypted content: each holds blocks by their CID and gives them back to anybody who asks.
//!
//! A tier never sees plaintext or keys. What it gives back is checked here against the name under which it was asked
//! for ([`Block::new`]), so that a tier can lose content but never change it. A tier decides nothing: which content is
//! kept where, and how often, is told to it.

mod arweave;
mod block;
mod copies;
mod ipfs;
mod key_file;
mod race;
#[cfg(feature = "sia")]
mod sia;
mod sia_account;
mod tier;
mod upkeep;

pub use cid::Cid;
pub use libp2p::{Multiaddr, PeerId};

pub use arweave::{
    ArweaveKey, ArweaveSettings, ArweaveTier, DataItem, ItemId, Writing, gateway_address,
};
pub use block::{BLOCK_BYTES_MAX, Block, DAG_CBOR, NotThisBlock, RAW};
pub use copies::{CopyStands, PeerCopy};
pub use ipfs::{
    BlockStore, Dht, Held, Holder, Holding, IpfsConfig, IpfsStats, IpfsTier,
    KeyError as IpfsKeyError, PeerAnswer, Pin, PinError, Progress as PinProgress, Released,
    StartError, StoreError, Traffic, TreeLimits, Unpinned,
};
pub use key_file::KeyError;
pub use race::{NobodyGives, Pace, Reading, Tiers};
#[cfg(feature = "sia")]
pub use sia::SiaTier;
pub use sia_account::{HAS_SIA, sia_account};
pub use tier::{Forgotten, Tier, TierError, TierKind};
pub use upkeep::{Audit, Depth, Mending, NotMended, Outcome, Progress};
