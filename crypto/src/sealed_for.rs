//! Bytes sealed for one node, by the key that everybody knows it by.
//!
//! HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. The recipient's
//! Ed25519 key is taken as an X25519 key by the map of RFC 7748; signing and key agreement may share one key
//! (Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM", eprint 2021/509).
//!
//! ```text
//! encapsulated key (32 bytes) ‖ locked bytes ‖ tag (16)
//! ```
//!
//! What the bytes are and what they belong to is the `info`: it is not sealed along, and opening needs the same.
//! Who sealed them is not proven. This is not safe against a quantum computer that comes later.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::hpke_base::{self, TAG_BYTES};
use crate::{Identity, PublicKey};

const ENCAPSULATED_BYTES: usize = 32;

/// By how many bytes the sealed form is longer.
pub const SEALED_FOR_OVERHEAD: usize = ENCAPSULATED_BYTES + TAG_BYTES;

/// Reports bytes that this node cannot open: they are damaged, or sealed for another key or as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "these bytes were not sealed for this key as what they are said to be; have them sealed again"
)]
pub struct NotForThisKey;

/// Seals bytes for one node.
///
/// Everything random is drawn from the seed and from what is sealed: the seed must be secret, and one used twice
/// shows whether the same was sealed for the same node, and no more.
///
/// # Errors
/// [`NotForThisKey`] if nothing can be sealed for this key.
pub fn seal_for(
    recipient: &PublicKey,
    info: &[u8],
    plaintext: &[u8],
    seed: &[u8; 32],
) -> Result<Vec<u8>, NotForThisKey> {
    let key = recipient.montgomery().ok_or(NotForThisKey)?;
    let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&key).map_err(|_| NotForThisKey)?;
    let rng = &mut rng(recipient, info, plaintext, seed);
    hpke_base::seal::<X25519HkdfSha256>(&key, info, plaintext, rng).map_err(|_| NotForThisKey)
}

impl Identity {
    /// Opens bytes that were sealed for this node.
    ///
    /// # Errors
    /// [`NotForThisKey`] if they were not, or not under this `info`.
    pub fn open_sealed(
        &self,
        info: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotForThisKey> {
        let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(self.scalar().as_slice())
            .map_err(|_| NotForThisKey)?;
        hpke_base::open::<X25519HkdfSha256>(&secret, info, sealed).map_err(|_| NotForThisKey)
    }
}

fn rng(recipient: &PublicKey, info: &[u8], plaintext: &[u8], seed: &[u8; 32]) -> ChaCha20Rng {
    let mut hash = Sha256::new_with_prefix(b"x0/seal-for/1");
    hash.update(seed);
    hash.update(recipient.bytes());
    hash.update((info.len() as u64).to_be_bytes());
    hash.update(info);
    hash.update(plaintext);
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
    ChaCha20Rng::from_seed(*seed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn identity(number: u8) -> Identity {
        Identity::from_seed(Zeroizing::new([number; 32]))
    }

    #[test]
    fn who_it_is_for_opens_it_and_nobody_else() {
        let sealed = seal_for(&identity(1).public(), b"a note", b"meet at noon", &[7; 32]).unwrap();
        assert_eq!(sealed.len(), b"meet at noon".len() + SEALED_FOR_OVERHEAD);
        let opened = identity(1).open_sealed(b"a note", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"meet at noon");
        assert_eq!(
            identity(2).open_sealed(b"a note", &sealed),
            Err(NotForThisKey)
        );
        assert_eq!(
            identity(1).open_sealed(b"a song", &sealed),
            Err(NotForThisKey)
        );
    }

    #[test]
    fn the_same_seed_seals_the_same_alike_and_other_things_under_other_keys() {
        let seal = |text: &[u8]| seal_for(&identity(1).public(), b"", text, &[7; 32]).unwrap();
        assert_eq!(seal(b"yes"), seal(b"yes"));
        let (yes, no) = (seal(b"yes"), seal(b"noo"));
        assert_ne!(yes[..ENCAPSULATED_BYTES], no[..ENCAPSULATED_BYTES]);
    }

    proptest! {
        #[test]
        fn a_changed_byte_anywhere_is_noticed(at in 0_usize..60, change in 1_u8..=255) {
            let mut sealed = seal_for(&identity(1).public(), b"i", b"twelve bytes", &[7; 32]).unwrap();
            sealed[at] ^= change;
            let opened = identity(1).open_sealed(b"i", &sealed);
            // The top bit of a coordinate is ignored by X25519 (RFC 7748, 5), which changes nothing of what opens.
            prop_assert!(opened.is_err() || (at == 31 && change == 0x80));
        }

        #[test]
        fn arbitrary_bytes_open_as_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(identity(1).open_sealed(b"i", &bytes), Err(NotForThisKey));
        }
    }
}
