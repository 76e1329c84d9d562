//! Bytes that open when the committee has signed a label, and not before.
//!
//! A fresh key is locked to the signature of the label (Boneh and Franklin, "Identity-Based Encryption from the
//! Weil Pairing", with the Fujisaki-Okamoto transform, as in tlock, eprint 2023/189); the key locks the bytes with
//! AES-256-GCM. Whoever changes a byte is noticed. The length of the bytes is not hidden.
//!
//! ```text
//! version (1 byte) ‖ point of G2 (96) ‖ masked sigma (32) ‖ masked key (32) ‖ locked bytes ‖ tag (16)
//! ```

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_cryptography::bls12381::tle::{self, Block, Ciphertext};
use core::fmt;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::messages::G2_BYTES;
use super::wire::{self, Malformed, serde_by_bytes};
use super::{CommitteeKey, Purpose, ThresholdSignature};

/// Most bytes that are sealed at once: 1 MiB, as for secrets under a passphrase.
pub const SEALED_PLAINTEXT_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of a label: a purpose and an id or two.
pub const LABEL_BYTES_MAX: usize = 1024;

const VERSION: u8 = 1;
const LOCKED_KEY_BYTES: usize = G2_BYTES + 32 + 32;
const TAG_BYTES: usize = 16;
const SEALED_BYTES_MIN: usize = 1 + LOCKED_KEY_BYTES + TAG_BYTES;
const SEALED_BYTES_MAX: usize = SEALED_BYTES_MIN + SEALED_PLAINTEXT_BYTES_MAX;
const WHAT: &str = "sealed message";
const DOMAIN: &[u8] = b"x0/committee/sealed/1";

/// Bytes sealed to a label.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToLabel {
    key: Ciphertext<MinSig>,
    locked: Vec<u8>,
}

serde_by_bytes!(SealedToLabel, SEALED_BYTES_MAX);

/// Says why bytes are not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealToError {
    /// Too much to seal at once.
    #[error("{bytes} bytes are too many to seal; the most is {SEALED_PLAINTEXT_BYTES_MAX}")]
    TooLong {
        /// How many were given.
        bytes: usize,
    },
    /// The label is too long.
    #[error("the label has {bytes} bytes; the most is {LABEL_BYTES_MAX}")]
    LabelTooLong {
        /// How many it has.
        bytes: usize,
    },
    /// The key is the neutral point, which no [`CommitteeKey`] is.
    #[error("nothing can be sealed to this committee key; fetch it again")]
    BadKey,
}

/// Reports that sealed bytes do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signature is not the committee's over the label of these bytes, or they are damaged; \
     check both with the committee key"
)]
pub struct OpenWithError;

impl CommitteeKey {
    /// Seals bytes to a label: they open with this committee's signature of it for [`Purpose::Decryption`].
    ///
    /// Key and randomness come from the seed, which must be secret and random, and from everything that is sealed:
    /// a seed used twice shows whether the same was sealed, and no more.
    ///
    /// # Errors
    /// [`SealToError`] if the bytes or the label are too long.
    pub fn seal_to(
        &self,
        label: &[u8],
        plaintext: &[u8],
        seed: &[u8; 32],
    ) -> Result<SealedToLabel, SealToError> {
        let bytes = plaintext.len();
        if bytes > SEALED_PLAINTEXT_BYTES_MAX {
            return Err(SealToError::TooLong { bytes });
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(SealToError::LabelTooLong { bytes: label.len() });
        }
        let mut rng = self.rng(label, plaintext, seed);
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        let key = tle::encrypt::<_, MinSig>(
            &mut rng,
            *self.point(),
            (Purpose::Decryption.tag().as_bytes(), label),
            &Zeroizing::new(Block::new(*secret)),
        );
        let key = key.map_err(|tle::Error::InvalidPublicKey| SealToError::BadKey)?;
        let payload = Payload {
            msg: plaintext,
            aad: &bound(label),
        };
        // AES-GCM refuses only above 64 GiB, far beyond the most that is sealed.
        let locked = cipher(&secret).encrypt(&Nonce::default(), payload);
        let locked = locked.map_err(|_| SealToError::TooLong { bytes })?;
        Ok(SealedToLabel { key, locked })
    }

    fn rng(&self, label: &[u8], plaintext: &[u8], seed: &[u8; 32]) -> ChaCha20Rng {
        let mut hash = Sha256::new_with_prefix(b"x0/committee/seal/1");
        hash.update(seed);
        hash.update(self.to_bytes());
        hash.update((label.len() as u64).to_be_bytes());
        hash.update(label);
        hash.update(plaintext);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        ChaCha20Rng::from_seed(*seed)
    }
}

impl SealedToLabel {
    /// Opens the bytes with the committee's signature of their label.
    ///
    /// # Errors
    /// [`OpenWithError`] if signature, label and bytes do not belong together.
    pub fn open_with(
        &self,
        label: &[u8],
        signature: &ThresholdSignature,
    ) -> Result<Zeroizing<Vec<u8>>, OpenWithError> {
        let secret = tle::decrypt::<MinSig>(signature.point(), &self.key).ok_or(OpenWithError)?;
        let secret = Zeroizing::new(secret);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&secret);
        let payload = Payload {
            msg: &self.locked,
            aad: &bound(label),
        };
        let plaintext = cipher(&key).decrypt(&Nonce::default(), payload);
        plaintext.map(Zeroizing::new).map_err(|_| OpenWithError)
    }

    /// Decodes sealed bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are too few, too many, another version, or no point where one belongs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > SEALED_BYTES_MAX {
            return Err(Malformed::TooLong {
                what: WHAT,
                bytes_max: SEALED_BYTES_MAX,
                bytes: bytes.len(),
            });
        }
        if bytes.len() < SEALED_BYTES_MIN {
            return Err(Malformed::not_one(WHAT, "it is cut short"));
        }
        let (version, rest) = bytes.split_at(1);
        if version != [VERSION] {
            return Err(Malformed::not_one(WHAT, "it is of another version"));
        }
        let (key, locked) = rest.split_at(LOCKED_KEY_BYTES);
        Ok(Self {
            key: wire::decode(WHAT, LOCKED_KEY_BYTES, key, &())?,
            locked: locked.to_vec(),
        })
    }

    /// Encodes the sealed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION], self.key.encode().as_ref(), &self.locked].concat()
    }
}

/// Each key locks one message, so the nonce is always zero.
fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(<&Key<Aes256Gcm>>::from(key))
}

/// Returns what is authenticated with the locked bytes.
fn bound(label: &[u8]) -> Vec<u8> {
    [DOMAIN, &[0], label].concat()
}

impl fmt::Debug for SealedToLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToLabel({} bytes)", self.locked.len())
    }
}
