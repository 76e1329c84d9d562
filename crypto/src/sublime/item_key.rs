//! An item's keys follow from two parts together: the secret that guardians share, and the second part, which is
//! encrypted to the committee and stands on the recovery card.
//!
//! ```text
//! key = HKDF-SHA256(salt = item, ikm = secret (32) ‖ second part (32), info = label)
//! labels: "x0/sublime/content/1", "x0/sublime/content-prefix/1", "x0/sublime/metadata/1"
//! ```
//!
//! Either part alone says nothing about a key: the other has 252 bits or more that are missing from the input of
//! HKDF (RFC 5869). The key that *signs* for an item does not follow from the two parts: everybody who was once let
//! in has both, and could otherwise speak for the item from then on. It is drawn beside them and is its author's.

use curve25519_dalek::scalar::Scalar;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::content::{ContentKey, PREFIX_BYTES};
use super::{CardSeed, MetadataKey, seeded};
use crate::Identity;

const PARTS_DOMAIN: &[u8] = b"x0/sublime/parts/1";
const CONTENT_LABEL: &[u8] = b"x0/sublime/content/1";
const PREFIX_LABEL: &[u8] = b"x0/sublime/content-prefix/1";
const METADATA_LABEL: &[u8] = b"x0/sublime/metadata/1";

/// The part of an item's key that guardians share: a scalar of Ristretto's group. Wiped when dropped.
///
/// It cannot be written out: it is dealt, combined, and used with the second part.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ItemSecret(pub(super) Scalar);

/// The part of an item's key that the committee opens and the recovery card holds. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecondPart([u8; 32]);

/// All that an item begins with.
pub struct ItemParts {
    /// What guardians share.
    pub secret: ItemSecret,
    /// What is encrypted to the committee and stands on the recovery card.
    pub second: SecondPart,
    /// Seed of the Ed25519 key that signs what the author says about the item; for [`crate::Identity::from_seed`].
    pub signing_seed: Zeroizing<[u8; 32]>,
}

/// The keys of an item's content.
pub struct ItemKeys {
    /// Seals and opens the content.
    pub content: ContentKey,
    /// Seals and opens what is said about it.
    pub metadata: MetadataKey,
}

impl ItemParts {
    /// Draws the parts of an item from a seed and the item's own name.
    ///
    /// The seed must be secret and random, and must not follow from a key that stays on the author's node: whoever
    /// takes the node would have the item. While content is being put it may be kept to go on after an
    /// interruption, then it has to be wiped.
    pub fn draw(seed: &[u8; 32], item: &[u8]) -> Self {
        let mut stream = seeded::stream(PARTS_DOMAIN, seed, &[item]);
        Self {
            secret: ItemSecret(seeded::scalar(&mut stream)),
            second: SecondPart(*seeded::bytes(&mut stream)),
            signing_seed: seeded::bytes(&mut stream),
        }
    }

    /// Draws the parts as [`ItemParts::draw`] does, but for the second one: it is the card's for this item, so that the
    /// words of the card stand for it as well as what is encrypted to the committee.
    ///
    /// Whoever holds the card finds it again by [`CardSeed::second`] of the key that signs for the item.
    pub fn draw_with_card(seed: &[u8; 32], item: &[u8], card: &CardSeed) -> Self {
        let parts = Self::draw(seed, item);
        let signer = Identity::from_seed(parts.signing_seed.clone()).public();
        Self {
            second: card.second(&signer),
            ..parts
        }
    }
}

impl SecondPart {
    /// Takes the 32 bytes that the committee opened or the card holds.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }
}

impl ItemKeys {
    /// Derives the keys from both parts and the item's own name.
    pub fn derive(secret: &ItemSecret, second: &SecondPart, item: &[u8]) -> Self {
        let mut parts = Zeroizing::new([0; 64]);
        parts[..32].copy_from_slice(secret.0.as_bytes());
        parts[32..].copy_from_slice(&second.0);
        let keys = Hkdf::<Sha256>::new(Some(item), parts.as_slice());
        let prefix = expand::<PREFIX_BYTES>(&keys, PREFIX_LABEL);
        Self {
            content: ContentKey::new(&expand(&keys, CONTENT_LABEL), prefix),
            metadata: MetadataKey::new(expand(&keys, METADATA_LABEL)),
        }
    }
}

pub(super) fn expand<const N: usize>(keys: &Hkdf<Sha256>, label: &[u8]) -> Zeroizing<[u8; N]> {
    let mut derived = Zeroizing::new([0; N]);
    let expanded = keys.expand(label, derived.as_mut_slice());
    // HKDF-SHA256 fails only above 255 · 32 bytes of output (RFC 5869, 2.3).
    assert!(expanded.is_ok(), "a key is within the reach of HKDF-SHA256");
    derived
}
