//! The cryptography of content that guardians keep: item keys, encrypted chunks, shares, sealing that outlasts
//! quantum computers.
//!
//! - [`ItemParts`] and [`ItemKeys`]: an item's keys follow from two parts together, and from neither alone.
//! - [`CardSeed`]: the second part once more, as 24 words on paper.
//! - [`ContentKey`] and [`Layout`]: content in encrypted chunks, each sealed and opened by its place; a length that
//!   tells little.
//! - [`MetadataKey`]: small things about the content, such as its title and true length.
//! - [`deal`], [`Share`], [`Commitments`], [`combine`]: the first part, shared so that any `t` of `n` guardians
//!   give it back, fewer learn nothing, and whoever hands in a wrong share is named.
//! - [`Share::redeal`] and [`Resharing`]: the same secret for other guardians, without ever putting it together.
//! - [`HybridSecret`] and [`HybridPublic`]: sealing with X25519 and ML-KEM-768 together.
//!
//! Everything here is pure. What has to be random comes from a seed that the caller draws, which must be secret,
//! and from everything that goes into the same computation, so that one seed used for two things gives unrelated
//! randomness. Secrets are wiped when dropped and have no `Debug`.
//!
//! Who may deal, which dealers count, and who gets a share is not decided here.

mod access;
mod card;
mod content;
mod hybrid;
mod item_key;
mod metadata;
mod padding;
mod resharing;
mod seeded;
mod sharing;

pub use crate::wire::Malformed;
pub use access::{AccessStructure, NoSuchAccess, NoSuchIndex, SHARES_MAX, ShareIndex};
pub use card::{BadWords, CARD_WORDS, CardSeed};
pub use content::{
    BadChunk, CHUNK_BYTES, CHUNKS_MAX, CONTENT_BYTES_MAX, Chunk, ContentKey, ContentTooLong,
    Layout, SEALED_CHUNK_BYTES, WrongBuffer,
};
pub use hybrid::{HYBRID_OVERHEAD, HYBRID_PUBLIC_BYTES, HybridPublic, HybridSecret, seal_hybrid};
pub use item_key::{ItemKeys, ItemParts, ItemSecret, SecondPart};
pub use metadata::{
    BadMetadata, METADATA_BYTES_MAX, MetadataKey, MetadataTooLong, SEALED_METADATA_BYTES_MAX,
};
pub use padding::{PADDED_BYTES_MIN, padded_len};
pub use resharing::{BadDealer, DealerFault, Resharing, ResharingError};
pub use sharing::{
    BadShare, COMMITMENTS_BYTES_MAX, CombineError, Combined, Commitments, Dealing, SHARE_BYTES,
    Share, combine, deal,
};

#[cfg(test)]
mod tests;
