//! A block: some bytes that are what their name says.

use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use sha2::{Digest as _, Sha256};

/// Longest block: 1 MiB, what every implementation of Bitswap takes.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// Codec of raw chunks of ciphertext (multicodec table).
pub const RAW: u64 = 0x55;
/// Codec of DAG-CBOR, which links to them (multicodec table).
pub const DAG_CBOR: u64 = 0x71;
/// Codecs of the blocks that are kept.
const CODECS: [u64; 2] = [RAW, DAG_CBOR];
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
        Self::could_be(&cid)?;
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(NotThisBlock::TooLong(bytes.len()));
        }
        match cid.hash().digest() == Sha256::digest(&bytes).as_slice() {
            true => Ok(Self { cid, bytes }),
            false => Err(NotThisBlock::OtherBytes(cid)),
        }
    }

    /// Tells whether a CID is of a kind that content has, which is all that can be said without the bytes.
    ///
    /// # Errors
    /// [`NotThisBlock::OtherName`].
    pub fn could_be(cid: &Cid) -> Result<(), NotThisBlock> {
        let is_content = cid.version() == cid::Version::V1
            && CODECS.contains(&cid.codec())
            && cid.hash().code() == SHA2_256;
        is_content
            .then_some(())
            .ok_or(NotThisBlock::OtherName(*cid))
    }

    /// Names bytes by hashing them.
    ///
    /// # Errors
    /// [`NotThisBlock`] if they are too long, or the codec is none of content.
    pub fn named(codec: u64, bytes: Bytes) -> Result<Self, NotThisBlock> {
        // Checked first, so that nothing long is hashed.
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(NotThisBlock::TooLong(bytes.len()));
        }
        #[expect(
            clippy::expect_used,
            reason = "32 bytes fit into the 64 of a CID's hash"
        )]
        let hash = Multihash::wrap(SHA2_256, &Sha256::digest(&bytes)).expect("32 bytes fit");
        let cid = Cid::new_v1(codec, hash);
        match CODECS.contains(&codec) {
            true => Ok(Self { cid, bytes }),
            false => Err(NotThisBlock::OtherName(cid)),
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
