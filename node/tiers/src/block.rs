//! A block: some bytes that are what their name says.

use bytes::Bytes;
use cid::Cid;
use sha2::{Digest as _, Sha256};

/// Longest block: 1 MiB, what every implementation of Bitswap takes.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// Codecs of the blocks that are kept (multicodec table): raw chunks of ciphertext, and DAG-CBOR with links to them.
const CODECS: [u64; 2] = [0x55, 0x71];
/// Multihash code of SHA-256 (multicodec table).
const SHA2_256: u64 = 0x12;

/// Bytes that hash to their name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

/// Says why bytes are not the block that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotThisBlock {
    /// The name is of a kind that content never has.
    #[error(
        "{0} names no block of content: those are CIDs of version 1, raw or dag-cbor, by sha2-256"
    )]
    OtherName(Cid),
    /// There are too many bytes.
    #[error("a block of {0} bytes is longer than {BLOCK_BYTES_MAX}")]
    TooLong(usize),
    /// The bytes hash to something else.
    #[error("the bytes are not those that {0} names")]
    OtherBytes(Cid),
}

impl Block {
    /// Checks bytes against their name.
    ///
    /// # Errors
    /// [`NotThisBlock`] by what does not fit.
    pub fn new(cid: Cid, bytes: Bytes) -> Result<Self, NotThisBlock> {
        let hash = cid.hash();
        if cid.version() != cid::Version::V1
            || !CODECS.contains(&cid.codec())
            || hash.code() != SHA2_256
        {
            return Err(NotThisBlock::OtherName(cid));
        }
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(NotThisBlock::TooLong(bytes.len()));
        }
        match hash.digest() == Sha256::digest(&bytes).as_slice() {
            true => Ok(Self { cid, bytes }),
            false => Err(NotThisBlock::OtherBytes(cid)),
        }
    }

    /// Returns the name.
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Returns the bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
