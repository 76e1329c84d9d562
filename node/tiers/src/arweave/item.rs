//! A data item: some bytes with tags, signed by themselves, that a bundle carries (ANS-104).
//!
//! The format is small, so it is written here: the crates that have it stand on reqwest 0.11, and on the `rsa` crate
//! (RUSTSEC-2023-0071) or a ring of long ago. Items are only written. What a gateway gives back is checked by its content id, never
//! by the item that carried it.

use cid::Cid;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::{
    deep_hash::{Part, deep_hash},
    key::ArweaveKey,
};
use crate::KeyError;

/// The name of the one tag, by which an item is found.
pub(super) const CID_TAG: &str = "IPFS-CID";

/// What a data item or a transaction is called: the SHA-256 of its signature, 43 characters in base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId([u8; 32]);

impl ItemId {
    pub(super) fn of_signature(signature: &[u8]) -> Self {
        Self(Sha256::digest(signature).into())
    }

    /// Reads an id as gateways write it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for ItemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        BASE64URL_NOPAD.encode_display(&self.0).fmt(f)
    }
}

/// A signed data item, as it travels.
pub struct DataItem {
    id: ItemId,
    bytes: Vec<u8>,
}

impl DataItem {
    /// Signs bytes under the content id that names them. Nothing else goes into the item: no target, no anchor, no type.
    ///
    /// # Errors
    /// [`KeyError`] if the signature cannot be made.
    pub fn sign(key: &ArweaveKey, cid: &Cid, data: &[u8]) -> Result<Self, KeyError> {
        let tags = avro(&[(CID_TAG, &cid.to_string())]);
        let kind = key.signature_kind();
        // The tags are hashed as they are encoded, and the kind of signature with them: so every implementation has it,
        // though the text of ANS-104 says otherwise.
        let message = deep_hash(&Part::List(vec![
            Part::Blob(b"dataitem"),
            Part::Blob(b"1"),
            Part::Blob(kind.to_string().as_bytes()),
            Part::Blob(key.owner()),
            Part::Blob(b""),
            Part::Blob(b""),
            Part::Blob(&tags),
            Part::Blob(data),
        ]));
        let signature = key.sign(&message)?;
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend_from_slice(&signature);
        bytes.extend_from_slice(key.owner());
        // Neither target nor anchor.
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        bytes.extend_from_slice(&(tags.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&tags);
        bytes.extend_from_slice(data);
        let id = ItemId::of_signature(&signature);
        Ok(Self { id, bytes })
    }

    /// Returns its id.
    pub const fn id(&self) -> ItemId {
        self.id
    }

    /// Returns its bytes, as a bundler takes them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Encodes tags as Avro does an array of records of two strings: one block and the end.
fn avro(tags: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    long(tags.len(), &mut bytes);
    for text in tags.iter().flat_map(|(name, value)| [name, value]) {
        long(text.len(), &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Encodes a length as Avro's `long`: zigzag, then seven bits to the byte, the lowest first.
fn long(length: usize, bytes: &mut Vec<u8>) {
    let mut rest = (length as u64) << 1;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
