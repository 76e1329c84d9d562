//! Bytes sealed for a key that a quantum computer does not break: X25519 and ML-KEM-768 together.
//!
//! HPKE in base mode (RFC 9180; draft-ietf-hpke-pq) with X-Wing (draft-connolly-cfrg-xwing-kem: X25519 and
//! ML-KEM-768 of FIPS 203), HKDF-SHA256 and AES-256-GCM. It holds while either of the two holds.
//!
//! ```text
//! encapsulated key (1,120 bytes: ML-KEM 1,088, X25519 32) ‖ locked bytes ‖ tag (16)
//! ```
//!
//! What the bytes are and what they belong to is the `info`: it is not sealed along, and opening needs the same.
//! Who sealed them is not proven. ML-KEM never says that an encapsulated key is wrong: it yields another secret
//! (implicit rejection), under which the cipher then notices.

use core::fmt;

use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, Serializable as _};
use zeroize::Zeroizing;

use super::seeded;
use crate::NotForThisKey;
use crate::hpke_base::{self, TAG_BYTES};
use crate::wire::{Malformed, serde_by_bytes};

/// Bytes of a [`HybridPublic`]: key of ML-KEM-768 (1,184), key of X25519 (32).
pub const HYBRID_PUBLIC_BYTES: usize = 1184 + 32;

/// By how many bytes the sealed form is longer.
pub const HYBRID_OVERHEAD: usize = 1088 + 32 + TAG_BYTES;

const SEAL_DOMAIN: &[u8] = b"x0/sublime/seal-hybrid/1";
const WHAT: &str = "hybrid key";

/// Opens what was sealed for its public half. Wiped when dropped.
pub struct HybridSecret(Zeroizing<[u8; 32]>);

/// The key that others seal for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridPublic(Box<[u8; HYBRID_PUBLIC_BYTES]>);

serde_by_bytes!(HybridPublic, HYBRID_PUBLIC_BYTES);

/// Seals bytes for the holder of a hybrid key.
///
/// Everything random is drawn from the seed and from what is sealed: the seed must be secret, and one used twice
/// shows whether the same was sealed for the same key, and no more.
///
/// # Errors
/// [`NotForThisKey`] if nothing can be sealed for this key.
pub fn seal_hybrid(
    public: &HybridPublic,
    info: &[u8],
    plaintext: &[u8],
    seed: &[u8; 32],
) -> Result<Vec<u8>, NotForThisKey> {
    let key = decode(public.0.as_slice()).ok_or(NotForThisKey)?;
    let parts = [public.0.as_slice(), info, plaintext];
    let rng = &mut seeded::stream(SEAL_DOMAIN, seed, &parts);
    hpke_base::seal::<XWing>(&key, info, plaintext, rng).map_err(|_| NotForThisKey)
}

impl HybridSecret {
    /// Makes the key that belongs to a seed, which must be secret and random.
    pub const fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(seed)
    }

    /// Returns the seed, to be kept under seal.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// Returns the key that others seal for.
    pub fn public(&self) -> HybridPublic {
        let mut bytes = Box::new([0; HYBRID_PUBLIC_BYTES]);
        XWing::sk_to_pk(&self.key()).write_exact(bytes.as_mut_slice());
        HybridPublic(bytes)
    }

    /// Opens bytes that were sealed for this key.
    ///
    /// # Errors
    /// [`NotForThisKey`] if they were not, or not under this `info`.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotForThisKey> {
        hpke_base::open::<XWing>(&self.key(), info, sealed).map_err(|_| NotForThisKey)
    }

    fn key(&self) -> <XWing as Kem>::PrivateKey {
        let key = <XWing as Kem>::PrivateKey::from_bytes(self.0.as_slice());
        // X-Wing's secret keys are any 32 bytes; hpke refuses only other lengths.
        #[allow(clippy::expect_used)]
        key.expect("32 bytes are a secret key of X-Wing")
    }
}

impl HybridPublic {
    /// Decodes a key.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not as many, or a number in them is not below ML-KEM's modulus
    /// (FIPS 203, 7.2).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let Ok(sized) = <[u8; HYBRID_PUBLIC_BYTES]>::try_from(bytes) else {
            return Err(Malformed::not_one(WHAT, "it has another length"));
        };
        if decode(bytes).is_none() {
            return Err(Malformed::not_one(WHAT, "a number in it is too large"));
        }
        Ok(Self(Box::new(sized)))
    }

    /// Returns the bytes of the key.
    pub fn to_bytes(&self) -> [u8; HYBRID_PUBLIC_BYTES] {
        *self.0
    }
}

fn decode(bytes: &[u8]) -> Option<<XWing as Kem>::PublicKey> {
    <XWing as Kem>::PublicKey::from_bytes(bytes).ok()
}

impl fmt::Debug for HybridPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = data_encoding::HEXLOWER.encode(&self.0[..8]);
        write!(f, "HybridPublic({start}…)")
    }
}
