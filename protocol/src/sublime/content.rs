//! How encrypted content lies in blocks: a tree of links over chunks of ciphertext.
//!
//! The chunks are blocks of raw bytes, all of 256 KiB but the last. Over them stand blocks of DAG-CBOR with up to
//! [`LINKS_MAX`] links each, level over level, until one is left, the *root*. Its name fixes every byte below it, any IPFS
//! node can fetch, pin and serve the tree, and a reader needs no more than one block of each level at a time.
//!
//! The shape follows from the number of chunks: all blocks of a level are full but the last. A block says how many chunks
//! lie under it; what says anything else than its place allows is refused, so that a tree is read in the order in which it
//! was written, and no reader can be led in circles or kept busy.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use x0_crypto::{ChunkId, ContentId, sublime};

use crate::wire::{DecodeError, decode_entry as decode, encode_entry as encode};

/// Most links in a block: 1,024 of 41 bytes each stay below 43 KiB.
pub const LINKS_MAX: usize = 1024;

/// Most levels of links: 1,024³ chunks are more than one key seals.
const LEVELS_MAX: u32 = 3;

/// Most chunks of one item: what one key seals.
pub const CHUNKS_MAX: u64 = sublime::CHUNKS_MAX as u64;

/// Longest encoding of a block of links.
const TREE_BLOCK_BYTES_MAX: usize = 64 * 1024;

/// A block of links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeBlock {
    place: Place,
    /// What it links to, in order.
    links: Links,
}

/// Where a block stands in its tree, from which follows what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many chunks lie under it.
    chunks: u64,
    /// How many levels of links there are from it down to chunks.
    levels: u32,
}

/// What a block links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Chunks of ciphertext.
    Chunks(Vec<ChunkId>),
    /// Blocks of links, one level below.
    Blocks(Vec<ContentId>),
}

/// A block as it is written; its place says what it links to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<L> {
    chunks: u64,
    links: Vec<L>,
}

/// A block of links as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its name.
    pub id: ContentId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Returns how many chunks a block spans that stands so many levels above them.
const fn span(level: u32) -> u64 {
    (LINKS_MAX as u64).pow(level)
}

/// Returns how many chunks a block spans that names those which wait at a level.
const fn spanned(level: usize) -> u64 {
    (LINKS_MAX as u64).pow(level as u32 + 2)
}

/// Returns how many levels of links stand over so many chunks.
fn levels(chunks: u64) -> u32 {
    (1..LEVELS_MAX)
        .find(|level| chunks <= span(*level))
        .unwrap_or(LEVELS_MAX)
}

impl Place {
    /// Returns the place of the root over so many chunks.
    pub fn root(chunks: u64) -> Self {
        Self {
            chunks,
            levels: levels(chunks),
        }
    }

    /// Returns the places of the blocks below, in order.
    fn below(self) -> impl Iterator<Item = Self> {
        let each = span(self.levels - 1);
        let starts = (0..self.chunks.div_ceil(each)).map(move |place| place * each);
        starts.map(move |start| Self {
            chunks: (self.chunks - start).min(each),
            levels: self.levels - 1,
        })
    }
}

impl TreeBlock {
    /// Reads the block at a place.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes, or that they say something else than their place allows.
    pub fn read(bytes: &[u8], place: Place) -> Result<Self, DecodeError> {
        let wrong = |field, why: String| Err(DecodeError::bounds("block of links", field, why));
        if !(1..=CHUNKS_MAX).contains(&place.chunks) {
            return wrong("chunks", format!("are 1 to {CHUNKS_MAX}"));
        }
        let (said, links, count) = match place.levels {
            1 => {
                let Written { chunks, links } = written::<ChunkId>(bytes)?;
                let count = links.len();
                (chunks, Links::Chunks(links), count)
            }
            _ => {
                let Written { chunks, links } = written::<ContentId>(bytes)?;
                let count = links.len();
                (chunks, Links::Blocks(links), count)
            }
        };
        if said != place.chunks {
            let why = format!("are {said}, its place has {}", place.chunks);
            return wrong("chunks", why);
        }
        let wanted = place.chunks.div_ceil(span(place.levels - 1));
        if u64::try_from(count) != Ok(wanted) {
            return wrong("links", format!("are {wanted} of the level below"));
        }
        Ok(Self { place, links })
    }

    /// Returns what it links to, in order.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Returns the blocks below it, each with its place; none if it links to chunks.
    pub fn below(&self) -> impl Iterator<Item = (ContentId, Place)> + '_ {
        let blocks = match &self.links {
            Links::Chunks(_) => [].as_slice(),
            Links::Blocks(blocks) => blocks,
        };
        blocks.iter().copied().zip(self.place.below())
    }
}

impl Encoded {
    fn over(chunks: u64, links: Links) -> Self {
        let bytes = match links {
            Links::Chunks(links) => encode(&Written { chunks, links }),
            Links::Blocks(links) => encode(&Written { chunks, links }),
        };
        Self {
            id: ContentId::of(&bytes),
            bytes,
        }
    }
}

fn written<L: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Written<L>, DecodeError> {
    decode("block of links", bytes, TREE_BLOCK_BYTES_MAX)
}

/// Lays content out, chunk by chunk; keeps no more than one block of each level.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    chunks: u64,
    leaves: Vec<ChunkId>,
    /// Blocks that none of the level above names yet, level by level from the lowest.
    blocks: Vec<Vec<ContentId>>,
}

/// Reports content of more chunks than one item can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an item has at most {CHUNKS_MAX} chunks of 256 KiB; cut what you want to put into several items"
)]
pub struct TooManyChunks;

impl TreeBuilder {
    /// Takes the next chunk; returns the blocks of links that are complete with it.
    ///
    /// # Errors
    ///
    /// Returns that there are too many.
    pub fn push(&mut self, chunk: ChunkId) -> Result<Vec<Encoded>, TooManyChunks> {
        if self.chunks == CHUNKS_MAX {
            return Err(TooManyChunks);
        }
        let mut done = Vec::new();
        // Only what follows a full block shows that it is not the root.
        if self.leaves.len() == LINKS_MAX {
            self.close_leaves(&mut done);
        }
        self.leaves.push(chunk);
        self.chunks += 1;
        Ok(done)
    }

    /// Returns how many chunks it has.
    pub const fn chunks(&self) -> u64 {
        self.chunks
    }

    fn close_leaves(&mut self, done: &mut Vec<Encoded>) {
        let chunks = self.leaves.len() as u64;
        let links = Links::Chunks(core::mem::take(&mut self.leaves));
        let block = Encoded::over(chunks, links);
        self.lift(0, block.id, done);
        done.push(block);
    }

    /// Returns the blocks that wait for one of the level above.
    fn waiting(&mut self, level: usize) -> &mut Vec<ContentId> {
        if self.blocks.len() <= level {
            self.blocks.resize_with(level + 1, Vec::new);
        }
        &mut self.blocks[level]
    }

    /// Hands a block to the level over it, which is closed first if it is full.
    fn lift(&mut self, level: usize, id: ContentId, done: &mut Vec<Encoded>) {
        if self.waiting(level).len() == LINKS_MAX {
            self.close_blocks(level, spanned(level), done);
        }
        self.waiting(level).push(id);
    }

    fn close_blocks(&mut self, level: usize, chunks: u64, done: &mut Vec<Encoded>) {
        let links = Links::Blocks(core::mem::take(self.waiting(level)));
        let block = Encoded::over(chunks, links);
        self.lift(level + 1, block.id, done);
        done.push(block);
    }

    /// Ends the content; returns its root and the blocks of links that were not complete before, the root last. Nothing if
    /// there was no chunk: even empty content has one, with its tag in it.
    pub fn finish(mut self) -> Option<(ContentId, Vec<Encoded>)> {
        if self.leaves.is_empty() {
            return None;
        }
        let mut done = Vec::new();
        self.close_leaves(&mut done);
        for level in 1..levels(self.chunks) as usize {
            let left = (self.chunks - 1) % spanned(level - 1) + 1;
            self.close_blocks(level - 1, left, &mut done);
        }
        let root = done.last()?.id;
        Some((root, done))
    }
}

#[cfg(test)]
mod tests;
