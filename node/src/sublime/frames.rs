//! Blocks one after the other in the body of a call: name and bytes, each with its length before it.
//!
//! ```text
//! length of the CID (1 byte) ‖ CID ‖ length of the block (4, big-endian) ‖ block
//! ```

use bytes::{Buf, Bytes, BytesMut};
use x0_tiers::{BLOCK_BYTES_MAX, Block, Cid, NotThisBlock};

/// Most bytes of blocks in one call: 16 of the longest, or 64 chunks of content.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Room that is made when blocks come in pieces: for four chunks of content.
const ROOM_BYTES: usize = 1024 * 1024;

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
    put_head(frames, cid, bytes.len());
    frames.extend_from_slice(bytes);
}

/// Returns a block in two pieces, of which the second is not copied.
pub fn pieces(block: &Block) -> [Bytes; 2] {
    let mut head = Vec::with_capacity(64);
    put_head(&mut head, block.cid(), block.bytes().len());
    [head.into(), block.bytes().clone()]
}

fn put_head(frames: &mut Vec<u8>, cid: &Cid, length: usize) {
    let name = cid.to_bytes();
    // CIDs of content have 36 bytes, and a block at most a mebibyte.
    frames.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    frames.extend_from_slice(&name);
    frames.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// Takes the blocks apart; each is held against its name.
///
/// # Errors
///
/// Returns what is wrong with the first that is not as it should be.
pub fn read(mut frames: Bytes) -> Result<Vec<Block>, BadFrames> {
    let mut blocks = Vec::new();
    while !frames.is_empty() {
        blocks.push(first(&mut frames)?.ok_or(BadFrames::CutShort)?);
    }
    Ok(blocks)
}

/// Takes blocks apart that come in pieces; each is held against its name.
#[derive(Default)]
pub struct Reader {
    left: BytesMut,
}

impl Reader {
    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        if self.left.capacity() - self.left.len() < piece.len() {
            self.left.reserve(piece.len().max(ROOM_BYTES));
        }
        self.left.extend_from_slice(piece);
    }

    /// Returns the next block, if all of it came.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub fn block(&mut self) -> Result<Option<Block>, BadFrames> {
        first(&mut self.left)
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Returns that a block did not come whole.
    pub fn finish(self) -> Result<(), BadFrames> {
        match self.left.is_empty() {
            true => Ok(()),
            false => Err(BadFrames::CutShort),
        }
    }
}

/// Takes the first block, if all of it is there.
fn first(frames: &mut (impl Buf + AsRef<[u8]>)) -> Result<Option<Block>, BadFrames> {
    let Some((cid, head, length)) = head(frames.as_ref())? else {
        return Ok(None);
    };
    if frames.remaining() - head < length {
        return Ok(None);
    }
    frames.advance(head);
    Ok(Some(Block::new(cid, frames.copy_to_bytes(length))?))
}

/// Reads what stands before a block, if all of it is there: the name, how many bytes that was, and how long the block is.
fn head(frames: &[u8]) -> Result<Option<(Cid, usize, usize)>, BadFrames> {
    let split = frames
        .split_first()
        .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
        .and_then(|(name, rest)| Some((name, rest.split_first_chunk::<4>()?)));
    let Some((name, (length, rest))) = split else {
        return Ok(None);
    };
    let cid = Cid::try_from(name).map_err(|_| BadFrames::CutShort)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    match length <= BLOCK_BYTES_MAX {
        true => Ok(Some((cid, frames.len() - rest.len(), length))),
        false => Err(NotThisBlock::TooLong(length).into()),
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
        fn blocks_that_come_in_pieces_are_the_same(contents: Vec<Vec<u8>>, cuts: Vec<prop::sample::Index>) {
            let blocks = contents.iter().map(|content| Block::new(ChunkId::of(content).into(), content.clone().into()));
            let blocks: Vec<_> = blocks.map(Result::unwrap).collect();
            let frames: Vec<u8> = blocks.iter().flat_map(pieces).flatten().collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(frames.len() + 1)).collect();
            cuts.extend([0, frames.len()]);
            cuts.sort_unstable();
            let (mut reader, mut came) = (Reader::default(), Vec::new());
            for piece in cuts.windows(2) {
                reader.push(&frames[piece[0]..piece[1]]);
                while let Some(block) = reader.block().unwrap() {
                    came.push(block);
                }
            }
            prop_assert_eq!(reader.finish(), Ok(()));
            prop_assert_eq!(&came, &blocks);
            prop_assert_eq!(read(frames.into()).unwrap(), blocks);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(bytes.clone().into());
            let mut reader = Reader::default();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.block() {}
        }
    }
    #[test]
    fn a_block_longer_than_any_is_refused_before_it_comes() {
        let mut reader = Reader::default();
        let mut frames = Vec::new();
        put_head(&mut frames, &ChunkId::of(b"").into(), BLOCK_BYTES_MAX + 1);
        reader.push(&frames);
        let too_long = NotThisBlock::TooLong(BLOCK_BYTES_MAX + 1);
        assert_eq!(reader.block(), Err(too_long.into()));
    }
}
