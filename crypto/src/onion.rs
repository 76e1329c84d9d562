//! The address of an onion service of version 3, by which a node is reached through Tor.
//!
//! ```text
//! text     = base32( key (32) ‖ checksum (2) ‖ 03 ) ".onion"
//! checksum = the first two bytes of SHA3-256(".onion checksum" ‖ key ‖ 03)
//! ```
//!
//! Source: Tor's rend-spec-v3, section 6. The key and the fixed version say everything, and the key is all that is kept.
//! Whether a service answers there, and whether its key is a point of the curve, is found out by whoever connects.

use core::fmt;
use core::str::FromStr;

use data_encoding::BASE32_NOPAD_NOCASE;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Sha3_256};

use crate::fixed_bytes;

const SUFFIX: &str = ".onion";
/// Characters before the suffix: 35 bytes in base32.
const CHARS: usize = 56;
/// Characters before the suffix in addresses of version 2, which Tor has given up.
const CHARS_V2: usize = 16;
const VERSION: u8 = 3;
const CHECKSUM_PREFIX: &[u8] = b".onion checksum";
const CHECKSUM_BYTES: usize = 2;

/// Names an onion service of version 3 by its Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnionAddress([u8; 32]);

/// Says why a text is not the address of an onion service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseOnionError {
    /// It is too long or too short.
    #[error(
        "an onion address has {CHARS} characters before {SUFFIX}, this one has {chars}; give it without http:// and port"
    )]
    Length {
        /// How many characters it has before the suffix.
        chars: usize,
    },
    /// It is an address as Tor had them until 2021.
    #[error(
        "this is an onion address of version 2, which no Tor connects to any more; give one of version 3, with {CHARS} characters"
    )]
    Version2,
    /// A character that no onion address has.
    #[error(
        "character {place} of the onion address is none of a–z and 2–7; compare it with where it was copied from"
    )]
    Character {
        /// Which one, from 1.
        place: usize,
    },
    /// The checksum does not fit.
    #[error("the onion address has a typing error; compare it with where it was copied from")]
    Checksum,
    /// The checksum fits, but not to version 3.
    #[error("this onion address is of version {version}, this build knows version {VERSION}")]
    OtherVersion {
        /// The version found.
        version: u8,
    },
}

impl OnionAddress {
    /// Takes the public key of a service.
    pub const fn from_key(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Returns the public key of the service.
    pub const fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

fn checksum(key: &[u8], version: u8) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha3_256::new_with_prefix(CHECKSUM_PREFIX);
    hash.update(key);
    hash.update([version]);
    let [first, second, ..] = <[u8; 32]>::from(hash.finalize());
    [first, second]
}

impl fmt::Display for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 32 + CHECKSUM_BYTES + 1];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..34].copy_from_slice(&checksum(&self.0, VERSION));
        bytes[34] = VERSION;
        f.pad(&(BASE32_NOPAD_NOCASE.encode(&bytes).to_ascii_lowercase() + SUFFIX))
    }
}

impl fmt::Debug for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OnionAddress {
    type Err = ParseOnionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let start = text.len().saturating_sub(SUFFIX.len());
        let name = match text.get(start..) {
            Some(end) if end.eq_ignore_ascii_case(SUFFIX) => &text[..start],
            Some(_) | None => text,
        };
        match name.chars().count() {
            CHARS => {}
            CHARS_V2 => return Err(ParseOnionError::Version2),
            chars => return Err(ParseOnionError::Length { chars }),
        }
        let is_foreign = |c: char| !matches!(c, 'a'..='z' | 'A'..='Z' | '2'..='7');
        if let Some(before) = name.chars().position(is_foreign) {
            return Err(ParseOnionError::Character { place: before + 1 });
        }
        // 56 characters of the alphabet are 35 bytes, no bit left over.
        let bytes = BASE32_NOPAD_NOCASE
            .decode(name.as_bytes())
            .map_err(|_| ParseOnionError::Checksum)?;
        let (Some((key, rest)), Some(version)) = (bytes.split_first_chunk::<32>(), bytes.last())
        else {
            return Err(ParseOnionError::Checksum);
        };
        if rest[..CHECKSUM_BYTES] != checksum(key, *version) {
            return Err(ParseOnionError::Checksum);
        }
        match *version {
            VERSION => Ok(Self(*key)),
            version => Err(ParseOnionError::OtherVersion { version }),
        }
    }
}

impl Serialize for OnionAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for OnionAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            fixed_bytes::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The three examples of rend-spec-v3, section 6.
    const EXAMPLES: [&str; 3] = [
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
        "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion",
        "xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion",
    ];

    fn fault(text: &str) -> ParseOnionError {
        text.parse::<OnionAddress>().unwrap_err()
    }

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        for example in EXAMPLES {
            let address: OnionAddress = example.parse().unwrap();
            assert_eq!(address.to_string(), example);
            assert_eq!(example[..56].parse::<OnionAddress>().unwrap(), address);
            assert_eq!(example.to_uppercase().parse(), Ok(address));
        }
        let key = EXAMPLES[0].parse::<OnionAddress>().unwrap();
        assert_eq!(
            HEXLOWER.encode(key.key()),
            "79bcc625184b05194975c28b66b66b0469f7f6556fb1ac3189a79b40dda32f1f"
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        assert_eq!(fault(""), ParseOnionError::Length { chars: 0 });
        assert_eq!(fault(".onion"), ParseOnionError::Length { chars: 0 });
        assert_eq!(fault("expyuzz4wqqyqhjn.onion"), ParseOnionError::Version2);
        let prefixed = format!("http://{}", EXAMPLES[0]);
        assert_eq!(fault(&prefixed), ParseOnionError::Length { chars: 63 });
        let digit = EXAMPLES[0].replacen("jiy", "j1y", 1);
        assert_eq!(fault(&digit), ParseOnionError::Character { place: 7 });
        let letter = "ä".repeat(56);
        assert_eq!(fault(&letter), ParseOnionError::Character { place: 1 });
    }

    #[test]
    fn an_address_of_a_later_version_is_no_typing_error() {
        let mut bytes = vec![9; 32];
        bytes.extend(checksum(&[9; 32], 4));
        bytes.push(4);
        let text = BASE32_NOPAD_NOCASE.encode(&bytes);
        assert_eq!(fault(&text), ParseOnionError::OtherVersion { version: 4 });
    }

    proptest! {
        #[test]
        fn round_trips_in_text_json_and_cbor(key: [u8; 32]) {
            let address = OnionAddress::from_key(key);

            prop_assert_eq!(address.to_string().parse(), Ok(address));
            let json = serde_json::to_string(&address).unwrap();
            prop_assert_eq!(json, format!("\"{address}\""));
            let cbor = serde_ipld_dagcbor::to_vec(&address).unwrap();
            prop_assert_eq!(cbor.len(), 34);
            prop_assert_eq!(serde_ipld_dagcbor::from_slice::<OnionAddress>(&cbor).unwrap(), address);
        }

        /// Two bytes of checksum let 1 error of 65,536 pass, and then another address is read, never the same.
        #[test]
        fn another_character_is_never_the_same_address(key: [u8; 32], at in 0_usize..56, to in "[a-z2-7]") {
            let address = OnionAddress::from_key(key);
            let text = address.to_string();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert_ne!(changed.parse(), Ok(address));
        }

        #[test]
        fn never_panics_on_text(text: String) {
            let _ = text.parse::<OnionAddress>();
        }
    }
}
