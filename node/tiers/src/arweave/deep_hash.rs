//! Arweave's hash of nested data, which is what its signatures are made over.
//!
//! Each blob and each list is hashed with its kind and its length before it (`ar_deep_hash` of the Arweave node, taken over
//! by ANS-104), so that no two different structures hash alike.

use sha2::{Digest as _, Sha384};

/// Bytes of a deep hash.
pub(super) const DEEP_HASH_BYTES: usize = 48;

/// What can be hashed.
pub(super) enum Part<'a> {
    Blob(&'a [u8]),
    List(Vec<Part<'a>>),
}

/// Hashes a structure. It is ours, and three levels deep: the recursion ends soon.
pub(super) fn deep_hash(part: &Part<'_>) -> [u8; DEEP_HASH_BYTES] {
    match part {
        Part::Blob(bytes) => {
            let tag = Sha384::digest(format!("blob{}", bytes.len()));
            joined(&tag, &Sha384::digest(bytes))
        }
        Part::List(parts) => {
            let tag = Sha384::digest(format!("list{}", parts.len()));
            parts
                .iter()
                .fold(tag.into(), |hash: [u8; DEEP_HASH_BYTES], part| {
                    joined(&hash, &deep_hash(part))
                })
        }
    }
}

fn joined(left: &[u8], right: &[u8]) -> [u8; DEEP_HASH_BYTES] {
    Sha384::new()
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}
