//! Content in encrypted chunks: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár,
//! "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015, section 7).
//!
//! ```text
//! nonce of a chunk = prefix (7 bytes, derived with the key) ‖ place (4, big-endian) ‖ 1 if it is the last, else 0
//! ```
//!
//! A chunk opens at its place and nowhere else, and only the last as the last: chunks that were swapped, left out or
//! cut off are noticed. Each is sealed and opened by itself, so that putting and fetching resume anywhere and run in
//! parallel. Sealed chunks have no header and look random.
//!
//! **A key seals one content.** Two contents under one key would use each nonce twice, which reveals the difference
//! of the contents and lets anybody forge. Whoever goes on after an interruption has to be sure that the content is
//! still the same, and otherwise starts over with a new item.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use zeroize::Zeroizing;

use super::padded_len;

/// Bytes of a sealed chunk, except of the last: what IPFS cuts files into by default, and far below the 1 MiB that its
/// peers take as a block.
pub const SEALED_CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of content in a chunk, except in the last.
pub const CHUNK_BYTES: usize = SEALED_CHUNK_BYTES - TAG_BYTES;

/// Most chunks under one key: 4 TiB. With 2²⁴ chunks of 2¹⁴ blocks the advantage of telling them from random
/// is below 2⁻⁵⁰ (σ² / 2¹²⁸ with σ = 2³⁸ blocks; McGrew and Viega, INDOCRYPT 2004).
pub const CHUNKS_MAX: u32 = 1 << 24;

/// Most bytes of padded content.
pub const CONTENT_BYTES_MAX: u64 = CHUNKS_MAX as u64 * CHUNK_BYTES as u64;

const TAG_BYTES: usize = 16;
/// Bytes of a nonce that are the same for all chunks.
pub(super) const PREFIX_BYTES: usize = 7;

/// Seals and opens the chunks of one content. Wiped when dropped.
pub struct ContentKey {
    cipher: Aes256Gcm,
    prefix: Zeroizing<[u8; PREFIX_BYTES]>,
}

/// How content is cut into chunks, by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    padded: u64,
    chunks: u32,
}

/// A chunk's place in its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    index: u32,
    bytes: usize,
    is_last: bool,
}

/// Reports content that is too long for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the content has {bytes} bytes, padded {padded}; the most is {CONTENT_BYTES_MAX}; cut it into several items"
)]
pub struct ContentTooLong {
    /// How many it has.
    pub bytes: u64,
    /// How many it would have, padded.
    pub padded: u64,
}

/// Reports a buffer that is not as long as its sealed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "chunk {index} takes a buffer of {expected} bytes, the last {TAG_BYTES} for its tag; this one has {bytes}"
)]
pub struct WrongBuffer {
    /// The chunk's place, counted from 0.
    pub index: u32,
    /// How many bytes it should have.
    pub expected: usize,
    /// How many it has.
    pub bytes: usize,
}

/// Reports a chunk that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "chunk {index} is damaged, belongs elsewhere or was sealed under another key; fetch it from another place"
)]
pub struct BadChunk {
    /// The chunk's place, counted from 0.
    pub index: u32,
}

impl ContentKey {
    pub(super) fn new(key: &[u8; 32], prefix: Zeroizing<[u8; PREFIX_BYTES]>) -> Self {
        Self {
            cipher: Aes256Gcm::new(<&Key<Aes256Gcm>>::from(key)),
            prefix,
        }
    }

    /// Seals a chunk in place: the buffer holds [`Chunk::bytes`] of content, then room for the tag.
    ///
    /// # Errors
    /// [`WrongBuffer`] if it is not [`Chunk::sealed_bytes`] long.
    pub fn seal(&self, chunk: Chunk, buffer: &mut [u8]) -> Result<(), WrongBuffer> {
        let wrong = WrongBuffer {
            index: chunk.index,
            expected: chunk.sealed_bytes(),
            bytes: buffer.len(),
        };
        if wrong.bytes != wrong.expected {
            return Err(wrong);
        }
        let (content, room) = buffer.split_at_mut(chunk.bytes);
        let tag = self
            .cipher
            .encrypt_inout_detached(&self.nonce(chunk), &[], content.into());
        // AES-GCM refuses only above 64 GiB, far beyond a chunk.
        room.copy_from_slice(&tag.map_err(|_| wrong)?);
        Ok(())
    }

    /// Opens a chunk in place and returns its content, the beginning of the buffer.
    ///
    /// A buffer that does not open is left as it was.
    ///
    /// # Errors
    /// [`BadChunk`] if this is not what was sealed at this place.
    pub fn open<'a>(&self, chunk: Chunk, buffer: &'a mut [u8]) -> Result<&'a mut [u8], BadChunk> {
        let bad = BadChunk { index: chunk.index };
        if buffer.len() != chunk.sealed_bytes() {
            return Err(bad);
        }
        let (content, tag) = buffer.split_at_mut(chunk.bytes);
        let tag = Tag::try_from(&*tag).map_err(|_| bad)?;
        let nonce = self.nonce(chunk);
        let opened = self
            .cipher
            .decrypt_inout_detached(&nonce, &[], (&mut *content).into(), &tag);
        opened.map(|()| content).map_err(|_| bad)
    }

    fn nonce(&self, chunk: Chunk) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = [0; 12];
        nonce[..PREFIX_BYTES].copy_from_slice(self.prefix.as_slice());
        nonce[PREFIX_BYTES..11].copy_from_slice(&chunk.index.to_be_bytes());
        nonce[11] = chunk.is_last.into();
        nonce.into()
    }
}

impl Layout {
    /// Returns how content of so many bytes is cut; for its padded length it is the same.
    ///
    /// # Errors
    /// [`ContentTooLong`] if its padded form has more than [`CONTENT_BYTES_MAX`].
    pub const fn of(bytes: u64) -> Result<Self, ContentTooLong> {
        let padded = padded_len(bytes);
        if padded > CONTENT_BYTES_MAX {
            return Err(ContentTooLong { bytes, padded });
        }
        let chunks = padded.div_ceil(CHUNK_BYTES as u64);
        // At most CHUNKS_MAX, by the check above.
        #[allow(clippy::cast_possible_truncation)]
        let chunks = chunks as u32;
        Ok(Self { padded, chunks })
    }

    /// Returns how many bytes the padded content has: the content, then zeros.
    pub const fn padded_bytes(&self) -> u64 {
        self.padded
    }

    /// Returns how many bytes all sealed chunks have together.
    pub const fn sealed_bytes(&self) -> u64 {
        self.padded + self.chunks as u64 * TAG_BYTES as u64
    }

    /// Returns how many chunks there are; at least 1.
    pub const fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Returns the chunk at a place, counted from 0, if there is one.
    pub const fn chunk(&self, index: u32) -> Option<Chunk> {
        if index >= self.chunks {
            return None;
        }
        let is_last = index + 1 == self.chunks;
        let bytes = if is_last {
            // What is left is at most one chunk, by the number of chunks.
            #[allow(clippy::cast_possible_truncation)]
            let rest = (self.padded - index as u64 * CHUNK_BYTES as u64) as usize;
            rest
        } else {
            CHUNK_BYTES
        };
        Some(Chunk {
            index,
            bytes,
            is_last,
        })
    }
}

impl Chunk {
    /// Returns its place, counted from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Returns where its content begins in the padded content, in bytes.
    pub const fn offset(self) -> u64 {
        self.index as u64 * CHUNK_BYTES as u64
    }

    /// Returns how many bytes of padded content it has.
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// Returns how many bytes it has sealed.
    pub const fn sealed_bytes(self) -> usize {
        self.bytes + TAG_BYTES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key() -> ContentKey {
        ContentKey::new(&[1; 32], Zeroizing::new([2; PREFIX_BYTES]))
    }

    fn chunk(is_last: bool) -> Chunk {
        Chunk {
            index: 0x0102_0304,
            bytes: 5,
            is_last,
        }
    }

    fn sealed(chunk: Chunk) -> Vec<u8> {
        let mut buffer = b"hello................".to_vec();
        key().seal(chunk, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn a_sealed_chunk_is_aes_gcm_under_the_nonce_of_its_place() {
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([1; 32]));
        for (is_last, end) in [(false, 0), (true, 1)] {
            let nonce = Nonce::from([2, 2, 2, 2, 2, 2, 2, 1, 2, 3, 4, end]);
            let mut expected = b"hello".to_vec();
            let tag = cipher.encrypt_inout_detached(&nonce, &[], expected.as_mut_slice().into());
            expected.extend_from_slice(&tag.unwrap());
            assert_eq!(sealed(chunk(is_last)), expected);
        }
    }

    #[test]
    fn content_that_was_cut_off_or_went_on_is_noticed() {
        for is_last in [false, true] {
            let mut buffer = sealed(chunk(is_last));
            assert!(key().open(chunk(!is_last), &mut buffer).is_err());
            assert_eq!(key().open(chunk(is_last), &mut buffer).unwrap(), b"hello");
        }
    }
}
