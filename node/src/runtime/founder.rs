//! The founder's word: what somebody who founds a mesh with others hands to the one who writes the genesis.
//!
//! `x0founder1` followed by lower-case base32 of DAG-CBOR: key, root of capabilities, membership commitment,
//! region. It holds no secret. Who is named in a genesis enters by any invite, without spending it.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::ContentId;
use x0_protocol::wire::Founder;

use super::invite::base32;

const PREFIX: &str = "x0founder1";
/// Longest word, characters.
const LENGTH_MAX: usize = 600;

/// A founder as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FounderWord(pub Founder);

/// Why a text is no founder's word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFounder {
    /// It does not start like one.
    #[error(
        "a founder's word starts with \"{PREFIX}\": `x0 identity founder` prints it on the founder's device"
    )]
    NotAFounder,
    /// It is cut off or mistyped.
    #[error("the founder's word is incomplete or mistyped ({0}): copy the whole word again")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    /// The first bytes of the hash over the founder, against typing errors.
    c: ByteBuf,
    f: Founder,
}

fn check(founder: &Founder) -> ByteBuf {
    let bytes = serde_ipld_dagcbor::to_vec(founder).unwrap_or_default();
    ByteBuf::from(&ContentId::of(&bytes).digest()[..4])
}

impl fmt::Display for FounderWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = Packed {
            c: check(&self.0),
            f: self.0.clone(),
        };
        let bytes = serde_ipld_dagcbor::to_vec(&packed).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", base32().encode(&bytes))
    }
}

impl FromStr for FounderWord {
    type Err = InvalidFounder;

    fn from_str(text: &str) -> Result<Self, InvalidFounder> {
        let text: String = text.split_whitespace().collect();
        let text = text.to_ascii_lowercase();
        let word = text
            .strip_prefix(PREFIX)
            .ok_or(InvalidFounder::NotAFounder)?;
        if word.len() > LENGTH_MAX {
            return Err(InvalidFounder::Damaged("it is too long"));
        }
        let bytes = base32()
            .decode(word.as_bytes())
            .map_err(|_| InvalidFounder::Damaged("it holds a character that no word has"))?;
        let packed: Packed = serde_ipld_dagcbor::from_slice(&bytes)
            .map_err(|_| InvalidFounder::Damaged("a part is missing"))?;
        if packed.c != check(&packed.f) {
            return Err(InvalidFounder::Damaged("its check sum is wrong"));
        }
        Ok(Self(packed.f))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;
    use crate::runtime::genesis::founder;

    fn word() -> FounderWord {
        let identity = Identity::from_seed(Zeroizing::new([3; 32]));
        FounderWord(founder(&identity, Some("north".parse().unwrap())))
    }

    #[test]
    fn a_word_survives_being_written_and_read_even_in_capitals_and_wrapped() {
        let text = word().to_string();
        let (head, tail) = text.split_at(50);
        let wrapped = format!(" {head}\n {}", tail.to_ascii_uppercase());
        assert_eq!(wrapped.parse(), Ok(word()));
    }

    #[test]
    fn another_word_says_where_a_founder_word_comes_from() {
        let error = "x0invite1abc".parse::<FounderWord>().unwrap_err();
        assert!(error.to_string().contains("x0 identity founder"), "{error}");
    }

    proptest! {
        #[test]
        fn any_changed_character_is_noticed(at in 10usize..250, with in "[a-z2-7]") {
            let text = word().to_string();
            let at = at.min(text.len() - 1);
            let mut changed = text.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != text);
            prop_assert!(changed.parse::<FounderWord>().is_err());
        }

        #[test]
        fn hostile_text_never_panics(text in ".{0,200}") {
            let word = format!("{PREFIX}{text}");
            prop_assert!(word.parse::<FounderWord>().is_err());
        }
    }
}
