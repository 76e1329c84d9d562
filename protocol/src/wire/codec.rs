//! Strict DAG-CBOR: bytes decode only if encoding the result gives the same bytes back.

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes from outside could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is longer than its kind may be.
    #[error("{what} of {len} bytes exceeds the limit of {max} bytes")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// Its length, bytes.
        len: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// The input is not DAG-CBOR of the expected shape.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// The decoder's account.
        why: String,
    },
    /// The input is not in the one canonical encoding.
    #[error("{what} is not in canonical encoding")]
    NotCanonical {
        /// What was being read.
        what: &'static str,
    },
    /// The input is of a version this build does not speak.
    #[error("{what} has version {version}, this build reads up to {max}")]
    NewerVersion {
        /// What was being read.
        what: &'static str,
        /// The version found.
        version: u16,
        /// The newest version known.
        max: u16,
    },
    /// A field holds a value outside its bounds.
    #[error("{what}: {field} {why}")]
    OutOfBounds {
        /// What was being read.
        what: &'static str,
        /// The field at fault.
        field: &'static str,
        /// What is allowed.
        why: String,
    },
    /// The body does not hash to what the header commits to.
    #[error("the record's body does not match its header")]
    BodyMismatch,
}

impl DecodeError {
    pub(crate) fn bounds(what: &'static str, field: &'static str, why: impl Into<String>) -> Self {
        Self::OutOfBounds {
            what,
            field,
            why: why.into(),
        }
    }
}

/// Encodes a value of ours.
///
/// # Panics
///
/// Never for the wire types of this crate: they contain no floats, no non-string map keys and no
/// fallible serializers, the only causes DAG-CBOR knows.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    match serde_ipld_dagcbor::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("wire types always encode: {error}"),
    }
}

/// Decodes bytes of at most `max` and refuses any but the canonical encoding.
///
/// # Errors
///
/// Returns what is wrong with the bytes, naming `what`.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong {
            what,
            len: bytes.len(),
            max,
        });
    }
    let value: T =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|error| DecodeError::Malformed {
            what,
            why: error.to_string(),
        })?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical { what });
    }
    Ok(value)
}
