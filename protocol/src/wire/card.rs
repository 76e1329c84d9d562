//! The page of a recovery card: what the card says beside its words, and what is no secret between its holder and
//! those it calls.
//!
//! ```text
//! text     = "X0CARD1-" ‖ base32( page ‖ checksum (4) ), upper case, in groups of eight with '-' between them
//! page     = DAG-CBOR of [mesh, item, key, [height, checkpoint], onions, label, made]
//! checksum = the first four bytes of SHA-256("x0/card-page/1" ‖ 00 ‖ page)
//! ```
//!
//! It is written for paper and for typing: fields without names, so that a QR code stays coarse; characters that a QR
//! code packs densely; a checksum that lets one typing error of four billion pass. It is not signed: it is trusted as the
//! paper is that it stands on.

use core::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, DecodeKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, OnionAddress, PublicKey};

use super::{
    DecodeError, Pinned,
    body::bounded_text,
    codec::{decode, encode},
};
use crate::core::{
    limits::{CARD_ONIONS_MAX, CARD_PAGE_BYTES_MAX},
    time::Wall,
};

/// What every page begins with; the digit is the version of the form.
const PREFIX: &str = "X0CARD1";
/// What a page of any version begins with.
const PREFIX_OF_ANY: &str = "X0CARD";
const CHECKSUM_DOMAIN: &[u8] = b"x0/card-page/1\0";
const CHECKSUM_BYTES: usize = 4;
/// Characters between two dashes.
const GROUP_CHARS: usize = 8;
/// Most characters after the prefix, without dashes: eight for five bytes.
const CHARS_MAX: usize = ((CARD_PAGE_BYTES_MAX + CHECKSUM_BYTES) * 8).div_ceil(5);

bounded_text! {
    /// What its holder calls a recovery card; may be empty.
    CardLabel, "label", 80,
    |text| !text.chars().any(char::is_control),
    "printable text without line breaks"
}

/// Where those are reached whom the holder of a card calls, through Tor: one to eight addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<OnionAddress>", into = "Vec<OnionAddress>")]
pub struct CardOnions(Vec<OnionAddress>);

/// Reports a number of addresses that no recovery card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recovery card names 1 to {CARD_ONIONS_MAX} onion addresses, not {0}")]
pub struct WrongOnions(pub usize);

/// What a recovery card says beside its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardPage {
    /// The mesh.
    pub mesh: ContentId,
    /// The item that the words help to open, by the name of its manifest's record.
    pub item: ContentId,
    /// The key that signs the card's calls; it follows from the words.
    pub key: PublicKey,
    /// The checkpoint that its holder trusted when the card was made: what guardians show later must stand on it.
    pub checkpoint: Pinned,
    /// Whom to call.
    pub onions: CardOnions,
    /// What its holder calls the card.
    pub label: CardLabel,
    /// When it was made.
    pub made: Wall,
}

/// Why a text is not the page of a recovery card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardPageError {
    /// It does not begin as one.
    #[error("this is not the page of a recovery card: one begins with {PREFIX}-")]
    NotAPage,
    /// It is of a later version.
    #[error(
        "this page of a recovery card begins with {PREFIX_OF_ANY}{0}, this build reads {PREFIX}: use a newer x0"
    )]
    Newer(char),
    /// A character that no page has.
    #[error(
        "{found:?} in group {group} after {PREFIX}- is none of A–Z and 2–7; compare the group with the card"
    )]
    Character {
        /// In which group of eight, from 1.
        group: usize,
        /// The character.
        found: char,
    },
    /// It is longer than any page.
    #[error("the page of a recovery card has at most {CHARS_MAX} characters, this one is longer")]
    TooLong,
    /// Characters are missing.
    #[error("characters are missing; compare the number of groups and the last one with the card")]
    CutShort,
    /// The checksum does not fit.
    #[error("there is a typing error in the page of the card; compare each group with the card")]
    Checksum,
    /// It was made by something else than x0.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// A page as it is encoded.
type Fields = (
    ContentId,
    ContentId,
    PublicKey,
    (u64, ContentId),
    CardOnions,
    CardLabel,
    Wall,
);

impl CardOnions {
    /// Returns the addresses.
    pub fn as_slice(&self) -> &[OnionAddress] {
        &self.0
    }
}

impl TryFrom<Vec<OnionAddress>> for CardOnions {
    type Error = WrongOnions;

    fn try_from(onions: Vec<OnionAddress>) -> Result<Self, WrongOnions> {
        match onions.len() {
            1..=CARD_ONIONS_MAX => Ok(Self(onions)),
            wrong => Err(WrongOnions(wrong)),
        }
    }
}

impl From<CardOnions> for Vec<OnionAddress> {
    fn from(onions: CardOnions) -> Self {
        onions.0
    }
}

impl CardPage {
    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        let Pinned { height, id } = self.checkpoint;
        let (onions, label) = (self.onions.clone(), self.label.clone());
        let checkpoint = (height, id);
        let fields: Fields = (
            self.mesh, self.item, self.key, checkpoint, onions, label, self.made,
        );
        encode(&fields)
    }

    /// Reads an encoded page.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let fields: Fields = decode("page of a recovery card", bytes, CARD_PAGE_BYTES_MAX)?;
        let (mesh, item, key, (height, id), onions, label, made) = fields;
        Ok(Self {
            mesh,
            item,
            key,
            checkpoint: Pinned { height, id },
            onions,
            label,
            made,
        })
    }

    /// Returns the text without dashes after the first, as a QR code holds it.
    pub fn compact(&self) -> String {
        let mut bytes = self.encode();
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}-{}", BASE32_NOPAD.encode(&bytes))
    }
}

fn checksum(page: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new_with_prefix(CHECKSUM_DOMAIN);
    hash.update(page);
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
    [a, b, c, d]
}

impl fmt::Display for CardPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compact = self.compact();
        let (prefix, body) = compact.split_at(PREFIX.len() + 1);
        f.write_str(prefix)?;
        for (place, character) in body.chars().enumerate() {
            if place > 0 && place % GROUP_CHARS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

impl FromStr for CardPage {
    type Err = CardPageError;

    fn from_str(text: &str) -> Result<Self, CardPageError> {
        // One more than there may be, so that too many are noticed.
        let kept_max = PREFIX.len() + CHARS_MAX + 1;
        let kept = text.chars().filter(|c| !is_between(*c)).take(kept_max);
        let kept: String = kept.map(|c| c.to_ascii_uppercase()).collect();
        let body = body(&kept)?;
        let is_foreign = |c: &char| !matches!(c, 'A'..='Z' | '2'..='7');
        if let Some((before, found)) = body.chars().enumerate().find(|(_, c)| is_foreign(c)) {
            let group = before / GROUP_CHARS + 1;
            return Err(CardPageError::Character { group, found });
        }
        if body.len() > CHARS_MAX {
            return Err(CardPageError::TooLong);
        }
        let bytes = BASE32_NOPAD
            .decode(body.as_bytes())
            .map_err(|error| match error.kind {
                DecodeKind::Length => CardPageError::CutShort,
                DecodeKind::Symbol | DecodeKind::Trailing | DecodeKind::Padding => {
                    CardPageError::Checksum
                }
            })?;
        let (page, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(CardPageError::CutShort)?;
        if *sum != checksum(page) {
            return Err(CardPageError::Checksum);
        }
        Ok(Self::decode(page)?)
    }
}

/// Returns what stands after the prefix.
fn body(kept: &str) -> Result<&str, CardPageError> {
    if let Some(body) = kept.strip_prefix(PREFIX) {
        return Ok(body);
    }
    let after = kept.strip_prefix(PREFIX_OF_ANY);
    match after.and_then(|after| after.chars().next()) {
        Some(version) if version.is_ascii_digit() => Err(CardPageError::Newer(version)),
        Some(_) | None => Err(CardPageError::NotAPage),
    }
}

/// Tells whether a character may stand anywhere and says nothing: white space, and dashes as programs and people write them.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::{collection::vec, prelude::*};
    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;

    fn page(onions: usize, label: &str) -> CardPage {
        let onion = |number: usize| OnionAddress::from_key([u8::try_from(number).unwrap(); 32]);
        CardPage {
            mesh: ContentId::of(b"mesh"),
            item: ContentId::of(b"item"),
            key: Identity::from_seed(Zeroizing::new([7; 32])).public(),
            checkpoint: Pinned {
                height: u64::MAX,
                id: ContentId::of(b"checkpoint"),
            },
            onions: (0..onions)
                .map(onion)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap(),
            label: label.parse().unwrap(),
            made: Wall(1_800_000_000_000),
        }
    }

    fn fault(text: &str) -> CardPageError {
        text.parse::<CardPage>().unwrap_err()
    }

    /// Puts prefix, checksum and alphabet round any bytes.
    fn dressed(bytes: &[u8]) -> String {
        let whole = [bytes, &checksum(bytes)].concat();
        format!("{PREFIX}-{}", BASE32_NOPAD.encode(&whole))
    }

    #[test]
    fn a_page_stays_small_enough_for_paper() {
        assert!(page(5, &"x".repeat(30)).encode().len() <= 400);
        assert!(page(5, &"x".repeat(80)).encode().len() <= 450);
        assert!(page(8, &"x".repeat(80)).encode().len() <= 550);
    }

    #[test]
    fn a_page_is_read_however_it_was_copied() {
        let page = page(3, "the archive of 2026");
        let shown = page.to_string();
        assert!(
            shown.starts_with("X0CARD1-") && shown[8..].split('-').all(|group| group.len() <= 8)
        );
        let lines = shown.replace('-', "\r\n  ");
        let spaced = shown.replace('-', " \u{2013} ");
        for text in [
            &shown,
            &page.compact(),
            &shown.to_lowercase(),
            &lines,
            &spaced,
        ] {
            assert_eq!(text.parse(), Ok(page.clone()), "{text}");
        }
        assert_eq!(shown.replace('-', "").parse(), Ok(page));
    }

    #[test]
    fn what_is_no_page_is_refused_with_the_reason() {
        let compact = page(1, "").compact();
        assert_eq!(fault(""), CardPageError::NotAPage);
        assert_eq!(fault("X0CARD"), CardPageError::NotAPage);
        assert_eq!(fault("abandon ability"), CardPageError::NotAPage);
        assert_eq!(fault("x0card2-AAAA"), CardPageError::Newer('2'));
        assert_eq!(fault("X0CARD1-"), CardPageError::CutShort);
        assert_eq!(fault("X0CARD1-AA"), CardPageError::CutShort);
        assert_eq!(fault(&compact[..9]), CardPageError::CutShort);
        let zero = compact.clone() + "0";
        let group = (compact.len() - 8) / 8 + 1;
        assert_eq!(fault(&zero), CardPageError::Character { group, found: '0' });
        let long = format!("X0CARD1-{}", "A".repeat(CHARS_MAX + 1));
        assert_eq!(fault(&long), CardPageError::TooLong);
        assert_eq!(fault(&long[..8 + 64]), CardPageError::Checksum);
    }

    #[test]
    fn a_page_with_too_many_or_no_addresses_is_neither_made_nor_read() {
        let onion = OnionAddress::from_key([1; 32]);
        for wrong in [0, CARD_ONIONS_MAX + 1] {
            let onions = vec![onion; wrong];
            assert_eq!(
                CardOnions::try_from(onions.clone()),
                Err(WrongOnions(wrong))
            );
            let page = page(1, "");
            let Pinned { height, id } = page.checkpoint;
            let fields = (
                page.mesh,
                page.item,
                page.key,
                (height, id),
                onions,
                page.label,
                page.made,
            );
            let read = fault(&dressed(&encode(&fields)));
            assert!(matches!(
                read,
                CardPageError::Malformed(DecodeError::Malformed { .. })
            ));
        }
    }

    #[test]
    fn a_label_is_one_line_of_printable_text() {
        assert!("".parse::<CardLabel>().is_ok());
        assert!("ä".repeat(40).parse::<CardLabel>().is_ok());
        assert!("ä".repeat(41).parse::<CardLabel>().is_err());
        assert!("two\nlines".parse::<CardLabel>().is_err());
        assert!("\u{1b}[31m".parse::<CardLabel>().is_err());
    }

    proptest! {
        #[test]
        fn a_page_comes_back(
            digests: [[u8; 32]; 3],
            seed: [u8; 32],
            onions in vec(any::<[u8; 32]>(), 1..=CARD_ONIONS_MAX),
            label in "\\PC{0,20}",
            (height, made) in any::<(u64, u64)>(),
        ) {
            let [mesh, item, id] = digests.map(ContentId::from_digest);
            let onions: Vec<_> = onions.into_iter().map(OnionAddress::from_key).collect();
            let page = CardPage {
                mesh,
                item,
                key: Identity::from_seed(Zeroizing::new(seed)).public(),
                checkpoint: Pinned { height, id },
                onions: onions.try_into().unwrap(),
                label: label.parse().unwrap(),
                made: Wall(made),
            };
            prop_assert_eq!(page.to_string().parse(), Ok(page.clone()));
            prop_assert_eq!(CardPage::decode(&page.encode()), Ok(page));
        }

        #[test]
        fn a_typing_error_is_found(at: prop::sample::Index, to in "[A-Z2-7]") {
            let compact = page(2, "label").compact();
            let at = 8 + at.index(compact.len() - 8);
            let mut changed = compact.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != compact);
            prop_assert_eq!(fault(&changed), CardPageError::Checksum);
        }

        #[test]
        fn two_neighbours_swapped_are_found(at: prop::sample::Index) {
            let compact = page(2, "label").compact();
            let at = 8 + at.index(compact.len() - 9);
            let mut changed = compact.clone().into_bytes();
            changed.swap(at, at + 1);
            let changed = String::from_utf8(changed).unwrap();
            prop_assume!(changed != compact);
            prop_assert_eq!(fault(&changed), CardPageError::Checksum);
        }

        #[test]
        fn text_without_its_end_is_found(left: prop::sample::Index) {
            let compact = page(2, "label").compact();
            prop_assert!(compact[..left.index(compact.len())].parse::<CardPage>().is_err());
        }

        /// Whatever decodes is the one encoding of its page.
        #[test]
        fn hostile_bytes_are_refused_or_are_a_page(
            mut bytes in vec(any::<u8>(), 0..600),
            genuine: bool,
            at: prop::sample::Index,
            to: u8,
        ) {
            if genuine {
                bytes = page(2, "label").encode();
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            if let Ok(page) = dressed(&bytes).parse::<CardPage>() {
                prop_assert_eq!(page.encode(), bytes);
            }
        }

        #[test]
        fn hostile_text_never_panics(text: String, rest in "[a-zA-Z0-9 \\-]{0,2000}") {
            let _ = text.parse::<CardPage>();
            let _ = format!("x0card1{rest}").parse::<CardPage>();
        }
    }
}
