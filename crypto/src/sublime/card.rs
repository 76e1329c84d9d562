//! The seed of a recovery card: 24 words on paper, from which the second part of an item's key follows without the
//! committee, and the key that signs the card's calls.
//!
//! ```text
//! words       = BIP-39, English: 32 bytes and one byte of checksum, 11 bits a word
//! second part = HKDF-SHA256(salt = public key of the item, ikm = seed (32), info = "x0/sublime/card-second/1")
//! signer      = HKDF-SHA256(no salt,                       ikm = seed (32), info = "x0/sublime/card-signer/1")
//! ```
//!
//! One seed may serve several items, and the second part of one says nothing about that of another. The words are not
//! those of a wallet: the key stretching of BIP-39 is not used, since the seed is random and not chosen by anybody.
//!
//! An error about words gives places and counts, never a word: errors end in logs and on screens.

use bip39::{Language, Mnemonic};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::SecondPart;
use super::item_key::expand;
use crate::identity::hkdf_sha256;
use crate::{Identity, PublicKey};

/// Words of a card: 256 bits and 8 of checksum (BIP-39).
pub const CARD_WORDS: usize = 24;

/// Letters of the longest English word of BIP-39.
const WORD_BYTES_MAX: usize = 8;
/// Length of the seed, bytes.
const SEED_BYTES: usize = 32;
const SECOND_LABEL: &[u8] = b"x0/sublime/card-second/1";
const SIGNER_LABEL: &[u8] = b"x0/sublime/card-signer/1";

/// What the words of a recovery card stand for. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CardSeed([u8; SEED_BYTES]);

/// Says why a text is not the words of a card, without any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWords {
    /// A word that is not on the list.
    #[error(
        "word {place} is not one of the 2048 English words of BIP-39; compare it with the card, letter by letter"
    )]
    Unknown {
        /// Which word, from 1.
        place: usize,
    },
    /// Not as many words as a card has.
    #[error(
        "a recovery card has {CARD_WORDS} words, these are {found}; compare them with the card"
    )]
    Count {
        /// How many there are.
        found: usize,
    },
    /// Each is on the list, but they do not belong together.
    #[error(
        "each word exists, but the checksum does not fit: one is another than on the card, or they are in \
         another order; compare all of them with the card"
    )]
    Checksum,
}

impl CardSeed {
    /// Takes 32 bytes, which must be secret and random.
    pub const fn from_bytes(bytes: [u8; SEED_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the words of a card: in any case, with anything between them that is no letter, so that numbers, dots,
    /// commas and line breaks do no harm.
    ///
    /// # Errors
    /// [`BadWords`] with the first word that does not exist, the count, or that the checksum does not fit.
    pub fn from_words(text: &str) -> Result<Self, BadWords> {
        // Each word is followed by one space and was followed by one character or the end: nothing grows, so that no
        // copy is left behind.
        let mut words = Zeroizing::new(String::with_capacity(text.len() + 1));
        let mut found = 0;
        let letters = text.split(|c: char| !c.is_alphabetic());
        for word in letters.filter(|word| !word.is_empty()) {
            let start = words.len();
            words.push_str(word);
            words[start..].make_ascii_lowercase();
            found += 1;
            if Language::English.find_word(&words[start..]).is_none() {
                return Err(BadWords::Unknown { place: found });
            }
            words.push(' ');
        }
        if found != CARD_WORDS {
            return Err(BadWords::Count { found });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words)
            .map_err(|_| BadWords::Checksum)?;
        let (bytes, _) = mnemonic.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        let mut seed = Self([0; SEED_BYTES]);
        seed.0.copy_from_slice(&bytes[..SEED_BYTES]);
        Ok(seed)
    }

    /// Returns the 24 words in lower case, one space between them.
    pub fn words(&self) -> Zeroizing<String> {
        let mnemonic = match Mnemonic::from_entropy_in(Language::English, &self.0) {
            Ok(mnemonic) => mnemonic,
            // BIP-39 has words for 16, 20, 24, 28 and 32 bytes.
            Err(error) => unreachable!("32 bytes have words: {error}"),
        };
        let bytes = CARD_WORDS * (WORD_BYTES_MAX + 1);
        let mut words = Zeroizing::new(String::with_capacity(bytes));
        for word in mnemonic.words() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// Derives the second part of the key of an item, which is named by the public key that signs for it.
    pub fn second(&self, item: &PublicKey) -> SecondPart {
        let keys = Hkdf::<Sha256>::new(Some(item.bytes()), &self.0);
        SecondPart::from_bytes(*expand(&keys, SECOND_LABEL))
    }

    /// Derives the key that signs the card's calls, as [`crate::Namespace::Card`].
    pub fn signer(&self) -> Identity {
        Identity::from_seed(hkdf_sha256(&self.0, SIGNER_LABEL))
    }
}
