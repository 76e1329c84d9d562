//! Sealing with X25519 and ML-KEM-768 together.

use core::convert::Infallible;

use chacha20::rand_core::{TryCryptoRng, TryRng};
use data_encoding::HEXLOWER;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, Serializable as _};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::*;
use crate::NotForThisKey;

/// The three test vectors of draft-connolly-cfrg-xwing-kem-06, appendix C: seed, randomness of the encapsulation,
/// SHA-256 of the public key, SHA-256 of the encapsulated key, shared secret.
const VECTORS: [[&str; 5]; 3] = [
    [
        "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
        "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
        "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
        "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
    ],
    [
        "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
        "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdefaee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
        "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916",
        "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
        "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
    ],
    [
        "ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9",
        "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b",
        "6b080d6b84f095342092fa7a22423e58bd681397ad0ef00eac92bd254db4fa95",
        "d3ca5578500344b5896cffc4fd740c9311946b82951df155e6fd86a7966b43c6",
        "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
    ],
];

fn key(number: u8) -> HybridSecret {
    HybridSecret::from_seed(Zeroizing::new([number; 32]))
}

fn sealed() -> Vec<u8> {
    seal_hybrid(&key(1).public(), b"a share", b"meet at noon", &SEED).unwrap()
}

#[test]
fn the_vectors_of_the_draft_are_met() {
    for [seed, randomness, public, encapsulated, shared] in VECTORS {
        let seed: [u8; 32] = bytes(seed).try_into().unwrap();
        let secret = HybridSecret::from_seed(Zeroizing::new(seed));
        assert_eq!(hash(&secret.public().to_bytes()), public);
        let key = <XWing as Kem>::PublicKey::from_bytes(&secret.public().to_bytes()).unwrap();
        let mut randomness = Played(bytes(randomness));
        let (made, sent) = XWing::encap_with_rng(&key, None, &mut randomness).unwrap();
        assert_eq!(hash(&sent.to_bytes()), encapsulated);
        assert_eq!(HEXLOWER.encode(&made.0), shared);
        let key = <XWing as Kem>::PrivateKey::from_bytes(&seed).unwrap();
        let taken = XWing::decap(&key, None, &sent).unwrap();
        assert_eq!(HEXLOWER.encode(&taken.0), shared);
    }
}

#[test]
fn who_it_is_for_opens_it_and_nobody_else() {
    assert_eq!(sealed().len(), b"meet at noon".len() + HYBRID_OVERHEAD);
    let opened = key(1).open(b"a share", &sealed()).unwrap();
    assert_eq!(opened.as_slice(), b"meet at noon");
    assert_eq!(key(2).open(b"a share", &sealed()), Err(NotForThisKey));
    assert_eq!(key(1).open(b"a song", &sealed()), Err(NotForThisKey));
}

#[test]
fn a_wrong_encapsulated_key_ends_in_a_clear_error() {
    // ML-KEM rejects implicitly: the cipher has to notice.
    let mut bytes = sealed();
    bytes[..1120].fill(0);
    let error = key(1).open(b"a share", &bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these bytes were not sealed for this key as what they are said to be; have them sealed again"
    );
}

#[test]
fn the_same_seed_seals_the_same_alike_and_other_things_under_other_keys() {
    let seal = |info: &[u8], text: &[u8]| {
        seal_hybrid(&key(1).public(), info, text, &SEED).unwrap()[..1120].to_vec()
    };
    assert_eq!(seal(b"i", b"yes"), seal(b"i", b"yes"));
    assert_ne!(seal(b"i", b"yes"), seal(b"i", b"noo"));
    assert_ne!(seal(b"i", b"yes"), seal(b"j", b"yes"));
    // Where the info ends and the text begins makes a difference.
    assert_ne!(seal(b"iy", b"es"), seal(b"i", b"yes"));
}

#[test]
fn a_key_comes_back_from_its_seed() {
    let again = HybridSecret::from_seed(key(1).seed());
    assert_eq!(again.public(), key(1).public());
    assert!(again.open(b"a share", &sealed()).is_ok());
}

#[test]
fn a_key_with_a_number_above_the_modulus_is_refused() {
    // FIPS 203, 7.2: the first 12 bits would be 4,095, and the modulus is 3,329.
    let mut bytes = key(1).public().to_bytes();
    bytes[0] = 0xff;
    bytes[1] |= 0x0f;
    let error = HybridPublic::from_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these bytes are not a hybrid key (a number in it is too large); ask its sender again"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_anywhere_is_noticed(at: prop::sample::Index, change in 1_u8..=255) {
        let mut bytes = sealed();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert_eq!(key(1).open(b"a share", &bytes), Err(NotForThisKey));
    }

    #[test]
    fn what_was_cut_or_lengthened_is_noticed(bytes in 0_usize..2 * 1148) {
        let mut sealed = sealed();
        prop_assume!(bytes != sealed.len());
        sealed.resize(bytes, 0);
        prop_assert_eq!(key(1).open(b"a share", &sealed), Err(NotForThisKey));
    }

    #[test]
    fn a_changed_public_key_opens_for_nobody(at: prop::sample::Index, change in 1_u8..=255) {
        let mut bytes = key(1).public().to_bytes();
        bytes[at.index(HYBRID_PUBLIC_BYTES)] ^= change;
        if let Ok(changed) = HybridPublic::from_bytes(&bytes) {
            let sealed = seal_hybrid(&changed, b"", b"text", &SEED).unwrap();
            prop_assert_eq!(key(1).open(b"", &sealed), Err(NotForThisKey));
        }
    }
}

/// Plays given bytes back as randomness.
struct Played(Vec<u8>);

impl TryRng for Played {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, filled: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(filled.len());
        filled.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Played {}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    HEXLOWER.decode(hexadecimal.as_bytes()).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
