//! Strict, bounded decoding, and serde as byte strings (hexadecimal in human-readable formats).
//!
//! What decodes is the one encoding of its value: longer input is refused before it is read, and what would be
//! encoded otherwise is refused after.

use core::fmt;

use commonware_codec::{Copying, Decode, Encode};
use data_encoding::HEXLOWER;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};
use zeroize::Zeroizing;

/// Says why bytes are not what they should encode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than any such value has.
    #[error("a {what} has at most {bytes_max} bytes and this has {bytes}; ask its sender again")]
    TooLong {
        /// What was expected.
        what: &'static str,
        /// The most it can have.
        bytes_max: usize,
        /// How many were given.
        bytes: usize,
    },
    /// The bytes encode no such value, or not in the one way.
    #[error("these bytes are not a {what} ({reason}); ask its sender again")]
    NotOne {
        /// What was expected.
        what: &'static str,
        /// What does not fit.
        reason: String,
    },
}

impl Malformed {
    pub(crate) fn not_one(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::NotOne {
            what,
            reason: reason.to_string(),
        }
    }
}

/// Decodes all of the bytes.
///
/// # Errors
/// [`Malformed`] if they are more than `bytes_max` or not the encoding of a value.
pub(crate) fn decode<T: Decode + Encode>(
    what: &'static str,
    bytes_max: usize,
    bytes: &[u8],
    config: &T::Cfg,
) -> Result<T, Malformed> {
    if bytes.len() > bytes_max {
        return Err(Malformed::TooLong {
            what,
            bytes_max,
            bytes: bytes.len(),
        });
    }
    let value =
        T::decode_cfg(Copying(bytes), config).map_err(|reason| Malformed::not_one(what, reason))?;
    if value.encode() != bytes {
        return Err(Malformed::not_one(what, "it is encoded in a second way"));
    }
    Ok(value)
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(bytes)))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    bytes_max: usize,
    deserializer: D,
) -> Result<Zeroizing<Vec<u8>>, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Bounded { bytes_max })
    } else {
        deserializer.deserialize_bytes(Bounded { bytes_max })
    }
}

/// Takes at most so many bytes. What it holds is wiped, because it may be secret.
struct Bounded {
    bytes_max: usize,
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Zeroizing<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {} bytes, or twice as many lowercase hexadecimal digits",
            self.bytes_max
        )
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        if bytes.len() > self.bytes_max {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(Zeroizing::new(bytes.to_vec()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.len() > 2 * self.bytes_max {
            return Err(E::invalid_length(text.len(), &self));
        }
        let bytes = HEXLOWER.decode(text.as_bytes());
        // The text may be secret: it is not repeated in the error.
        bytes.map(Zeroizing::new).map_err(|_| {
            E::custom(format_args!(
                "not hexadecimal; expected {}",
                &self as &dyn serde::de::Expected
            ))
        })
    }

    /// Some formats hand byte strings over as sequences.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes_max));
        while let Some(byte) = seq.next_element()? {
            if bytes.len() == self.bytes_max {
                return Err(A::Error::invalid_length(self.bytes_max + 1, &self));
            }
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// Implements serde by `to_bytes` and `from_bytes`.
macro_rules! serde_by_bytes {
    ($name:ident, $bytes_max:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::wire::serialize(&self.to_bytes()[..], serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = $crate::wire::deserialize($bytes_max, deserializer)?;
                Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_by_bytes;
