//! Small things about an item, sealed under its own key: title, true length, whatever the caller encodes.
//!
//! ```text
//! salt (32 bytes) ‖ AES-256-GCM under a key of its own ( length (4, big-endian) ‖ metadata ‖ zeros ) ‖ tag (16)
//! salt = HMAC-SHA256(salt key, length of what it belongs to (8) ‖ what it belongs to ‖ metadata)
//! ```
//!
//! The salt follows from what is sealed (a synthetic nonce: Rogaway and Shrimpton, "A Provable-Security Treatment of
//! the Key-Wrap Problem", EUROCRYPT 2006), so that sealing takes no randomness and may be repeated: the same gives
//! the same, and something else is sealed under another key. All of it looks random, and only four lengths occur.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Most bytes of metadata.
pub const METADATA_BYTES_MAX: usize = BUCKETS[BUCKETS.len() - 1] - LENGTH_BYTES;

/// Most bytes of sealed metadata.
pub const SEALED_METADATA_BYTES_MAX: usize = SALT_BYTES + BUCKETS[BUCKETS.len() - 1] + TAG_BYTES;

/// The lengths that occur, with the length that stands before the metadata: 1, 4, 16, 64 KiB.
const BUCKETS: [usize; 4] = [1024, 4 * 1024, 16 * 1024, 64 * 1024];
const LENGTH_BYTES: usize = 4;
const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const SALT_KEY_LABEL: &[u8] = b"x0/sublime/metadata/salt/1";
const MESSAGE_KEY_LABEL: &[u8] = b"x0/sublime/metadata/message/1";

/// Seals and opens what is said about one item. Wiped when dropped.
pub struct MetadataKey(Zeroizing<[u8; 32]>);

/// Reports metadata that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the metadata has {bytes} bytes; the most is {METADATA_BYTES_MAX}; shorten it")]
pub struct MetadataTooLong {
    /// How many it has.
    pub bytes: usize,
}

/// Reports sealed metadata that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metadata is damaged, of something else, or was sealed under another key; fetch it from another place"
)]
pub struct BadMetadata;

impl MetadataKey {
    pub(super) const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals metadata so that it opens only together with what it belongs to.
    ///
    /// # Errors
    /// [`MetadataTooLong`] above [`METADATA_BYTES_MAX`].
    pub fn seal(&self, belongs_to: &[u8], metadata: &[u8]) -> Result<Vec<u8>, MetadataTooLong> {
        let bytes = metadata.len();
        let too_long = MetadataTooLong { bytes };
        let length = u32::try_from(bytes).map_err(|_| too_long)?.to_be_bytes();
        let mut buckets = BUCKETS.into_iter();
        let bucket = buckets.find(|bucket| LENGTH_BYTES + bytes <= *bucket);
        let end = SALT_BYTES + bucket.ok_or(too_long)?;
        let salt = self.salt(belongs_to, metadata);
        let mut sealed = vec![0; end + TAG_BYTES];
        sealed[..SALT_BYTES].copy_from_slice(&salt);
        sealed[SALT_BYTES..][..LENGTH_BYTES].copy_from_slice(&length);
        sealed[SALT_BYTES + LENGTH_BYTES..][..bytes].copy_from_slice(metadata);
        let tag = self.cipher(&salt).encrypt_inout_detached(
            &Nonce::default(),
            belongs_to,
            (&mut sealed[SALT_BYTES..end]).into(),
        );
        // AES-GCM refuses only above 64 GiB, far beyond the largest bucket.
        sealed[end..].copy_from_slice(&tag.map_err(|_| too_long)?);
        Ok(sealed)
    }

    /// Opens metadata that belongs to the given.
    ///
    /// # Errors
    /// [`BadMetadata`] if it is not what was sealed for it.
    pub fn open(
        &self,
        belongs_to: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadMetadata> {
        if sealed.len() > SEALED_METADATA_BYTES_MAX {
            return Err(BadMetadata);
        }
        let (salt, rest) = sealed.split_first_chunk().ok_or(BadMetadata)?;
        let (locked, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(BadMetadata)?;
        let mut opened = Zeroizing::new(locked.to_vec());
        self.cipher(salt)
            .decrypt_inout_detached(
                &Nonce::default(),
                belongs_to,
                opened.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| BadMetadata)?;
        let (length, rest) = opened.split_first_chunk().ok_or(BadMetadata)?;
        let length = u32::from_be_bytes(*length);
        let length = usize::try_from(length).map_err(|_| BadMetadata)?;
        let metadata = rest.get(..length).ok_or(BadMetadata)?;
        Ok(Zeroizing::new(metadata.to_vec()))
    }

    fn salt(&self, belongs_to: &[u8], metadata: &[u8]) -> [u8; SALT_BYTES] {
        let key = crate::identity::hkdf_sha256(&self.0, SALT_KEY_LABEL);
        // HKDF-Extract is HMAC with the salt as its key (RFC 5869, 2.2).
        let mut hmac = HkdfExtract::<Sha256>::new(Some(key.as_slice()));
        hmac.input_ikm(&(belongs_to.len() as u64).to_be_bytes());
        hmac.input_ikm(belongs_to);
        hmac.input_ikm(metadata);
        hmac.finalize().0.into()
    }

    /// Each salt has a key of its own, which locks one message, so the nonce is always zero.
    fn cipher(&self, salt: &[u8; SALT_BYTES]) -> Aes256Gcm {
        let mut key = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(Some(salt), self.0.as_slice())
            .expand(MESSAGE_KEY_LABEL, key.as_mut_slice());
        // HKDF-SHA256 fails only above 255 · 32 bytes of output (RFC 5869, 2.3).
        assert!(expanded.is_ok(), "a key is within the reach of HKDF-SHA256");
        Aes256Gcm::new(<&Key<Aes256Gcm>>::from(&*key))
    }
}
