//! Blocks one after the other in the body of a call: name and bytes, each with its length before it.
//!
//! ```text
//! length of the CID (1 byte) ‖ CID ‖ length of the block (4, big-endian) ‖ block
//! ```

use bytes::Bytes;
use x0_tiers::{Block, Cid, NotThisBlock};

/// Most bytes of blocks in one call: 16 of the longest, or 64 chunks of content.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why bytes are no blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrames {
    /// They end too early, or a name is none.
    #[error("the blocks are cut short, or one has no name")]
    CutShort,
    /// A block is not what its name says.
    #[error(transparent)]
    NotThisBlock(#[from] NotThisBlock),
}

/// Appends a block.
pub fn push(frames: &mut Vec<u8>, cid: &Cid, bytes: &[u8]) {
    let name = cid.to_bytes();
    // CIDs of content have 36 bytes, and a block at most a mebibyte.
    frames.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    frames.extend_from_slice(&name);
    frames.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    frames.extend_from_slice(bytes);
}

/// Takes the blocks apart; each is held against its name.
///
/// # Errors
///
/// Returns what is wrong with the first that is not as it should be.
pub fn read(mut frames: Bytes) -> Result<Vec<Block>, BadFrames> {
    let mut blocks = Vec::new();
    while !frames.is_empty() {
        let length = usize::from(take(&mut frames, 1)?[0]);
        let name = take(&mut frames, length)?;
        let cid = Cid::try_from(&name[..]).map_err(|_| BadFrames::CutShort)?;
        let length = take(&mut frames, 4)?;
        let length: [u8; 4] = length[..].try_into().map_err(|_| BadFrames::CutShort)?;
        let length = usize::try_from(u32::from_be_bytes(length));
        let bytes = take(&mut frames, length.map_err(|_| BadFrames::CutShort)?)?;
        blocks.push(Block::new(cid, bytes)?);
    }
    Ok(blocks)
}

fn take(frames: &mut Bytes, count: usize) -> Result<Bytes, BadFrames> {
    match count <= frames.len() {
        true => Ok(frames.split_to(count)),
        false => Err(BadFrames::CutShort),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use x0_crypto::ChunkId;

    use super::*;

    proptest! {
        #[test]
        fn blocks_come_back_and_nothing_else_is_read(contents: Vec<Vec<u8>>, cut: prop::sample::Index, change in 1_u8..) {
            let mut frames = Vec::new();
            for content in &contents {
                push(&mut frames, &ChunkId::of(content).into(), content);
            }
            let read_back = read(frames.clone().into()).unwrap();
            let bytes: Vec<_> = read_back.iter().map(|block| block.bytes().to_vec()).collect();
            prop_assert_eq!(&bytes, &contents);
            if !frames.is_empty() {
                let at = cut.index(frames.len());
                prop_assert!(at == 0 || read(frames[..at].to_vec().into()).map_or(true, |some| some.len() < contents.len()));
                frames[at] ^= change;
                prop_assert!(read(frames.into()).map_or(true, |some| some != read_back));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(bytes.into());
        }
    }
}
