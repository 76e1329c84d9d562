//! The name of a block: its SHA-256 hash, written as a CID so that any IPFS node can hold the block.
//!
//! Only two kinds of CID exist here, both of version 1 with multihash sha2-256: [`ContentId`], codec dag-cbor, names
//! what is said, and [`ChunkId`], codec raw, names a chunk of encrypted content. So the 32 bytes of the hash and the
//! type say everything, and the hash is all that is kept. Text and wire forms are the ordinary ones (`bafyrei…` and
//! `bafkrei…`, and an IPLD link in DAG-CBOR); CIDs of any other kind are refused with the reason.

use core::fmt;
use core::str::FromStr;

use cid::Cid;
use cid::multihash::Multihash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Multihash code of SHA-256 (multicodec table).
const SHA2_256: u64 = 0x12;
/// Characters that [`ContentId::short`] keeps.
const SHORT_CHARS: usize = 8;

/// Names a block of one codec by its SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId<const CODEC: u64>([u8; 32]);

/// Names a DAG-CBOR block (0x71 in the multicodec table) by its SHA-256 hash.
pub type ContentId = BlockId<0x71>;

/// Names a block of raw bytes (0x55), a chunk of encrypted content, by its SHA-256 hash.
pub type ChunkId = BlockId<0x55>;

/// Says why a text or a link is not a content id of x0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseContentIdError {
    /// The text is no CID at all.
    #[error(
        "{text:?} is not a content id ({reason}); one looks like bafyrei… and has 59 characters"
    )]
    NotACid {
        /// What was given, cut to a readable length.
        text: String,
        /// What the decoder said.
        reason: String,
    },
    /// A CID of version 0, which cannot name DAG-CBOR.
    #[error("this content id has version 0 (Qm…); x0 uses version 1 (bafyrei…)")]
    Version0,
    /// A CID of a block in another encoding.
    #[error(
        "this content id names a block of codec {codec:#x}; here belongs one of codec {wanted:#x} \
         (0x71 is dag-cbor, bafyrei…; 0x55 is raw, bafkrei…)"
    )]
    OtherCodec {
        /// The multicodec number found.
        codec: u64,
        /// The one that belongs there.
        wanted: u64,
    },
    /// A CID with another hash.
    #[error(
        "this content id uses hash {code:#x} of {length} bytes; x0 uses sha2-256 (0x12) of 32 bytes"
    )]
    OtherHash {
        /// The multihash code found.
        code: u64,
        /// The digest length found.
        length: u8,
    },
}

impl<const CODEC: u64> BlockId<CODEC> {
    /// Hashes an encoded block.
    pub fn of(block: &[u8]) -> Self {
        Self(Sha256::digest(block).into())
    }

    /// Wraps a SHA-256 digest that was computed elsewhere.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the SHA-256 digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the last eight characters of the text form, for tables and logs.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.split_off(text.len() - SHORT_CHARS)
    }

    fn to_cid(self) -> Cid {
        // 32 bytes always fit the 64 of `Cid`'s multihash, so the fallback is never taken.
        let hash = Multihash::wrap(SHA2_256, &self.0).unwrap_or_default();
        Cid::new_v1(CODEC, hash)
    }
}

impl<const CODEC: u64> fmt::Display for BlockId<CODEC> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_cid().fmt(f)
    }
}

impl<const CODEC: u64> fmt::Debug for BlockId<CODEC> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const CODEC: u64> FromStr for BlockId<CODEC> {
    type Err = ParseContentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let cid = Cid::from_str(text).map_err(|reason| ParseContentIdError::NotACid {
            text: text.chars().take(80).collect(),
            reason: reason.to_string(),
        })?;
        let id = Self::try_from(cid)?;
        // One text an id: else what is signed or proven in text could be changed and stay the same.
        match id.to_string() == text {
            true => Ok(id),
            false => Err(ParseContentIdError::NotACid {
                text: text.chars().take(80).collect(),
                reason: "it is not in base32 of lower case".to_owned(),
            }),
        }
    }
}

impl<const CODEC: u64> TryFrom<Cid> for BlockId<CODEC> {
    type Error = ParseContentIdError;

    fn try_from(cid: Cid) -> Result<Self, Self::Error> {
        if cid.version() == cid::Version::V0 {
            return Err(ParseContentIdError::Version0);
        }
        if cid.codec() != CODEC {
            return Err(ParseContentIdError::OtherCodec {
                codec: cid.codec(),
                wanted: CODEC,
            });
        }
        let hash = cid.hash();
        match (hash.code(), hash.digest().try_into()) {
            (SHA2_256, Ok(digest)) => Ok(Self(digest)),
            (code, _) => Err(ParseContentIdError::OtherHash {
                code,
                length: hash.size(),
            }),
        }
    }
}

impl<const CODEC: u64> From<BlockId<CODEC>> for Cid {
    fn from(id: BlockId<CODEC>) -> Self {
        id.to_cid()
    }
}

impl<const CODEC: u64> Serialize for BlockId<CODEC> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.to_cid().serialize(serializer)
        }
    }
}

impl<'de, const CODEC: u64> Deserialize<'de> for BlockId<CODEC> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            Self::try_from(Cid::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    /// The empty map, CBOR `a0`; the CID is the well-known one of `{}` in DAG-CBOR.
    const EMPTY_MAP: &str = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";

    #[test]
    fn names_the_empty_map_as_every_ipld_tool_does() {
        let id = ContentId::of(&[0xa0]);

        assert_eq!(id.to_string(), EMPTY_MAP);
        assert_eq!(id.short(), "2fy6swua");
    }

    #[test]
    fn is_a_tagged_link_in_dag_cbor() {
        let bytes = serde_ipld_dagcbor::to_vec(&ContentId::of(&[0xa0])).unwrap();

        // Tag 42, byte string of 37: identity multibase prefix, then the CID.
        assert_eq!(
            bytes[..9],
            [0xd8, 42, 0x58, 37, 0x00, 0x01, 0x71, 0x12, 0x20]
        );
    }

    #[test]
    fn refuses_other_kinds_of_cid_with_the_reason() {
        let parse = |text: &str| text.parse::<ContentId>().unwrap_err();

        assert_eq!(
            parse("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"),
            ParseContentIdError::Version0
        );
        assert_eq!(
            parse("bafkreibme22gw2h7y2h7tg2fhqotaqjucnbc24deqo72b6mkl2egezxhvy"),
            ParseContentIdError::OtherCodec {
                codec: 0x55,
                wanted: 0x71
            }
        );
        assert!(matches!(
            parse("bafyreiabc"),
            ParseContentIdError::NotACid { .. }
        ));
        assert!(matches!(parse(""), ParseContentIdError::NotACid { .. }));
    }

    #[test]
    fn a_chunk_is_named_as_raw_bytes_and_is_no_content_id() {
        let chunk = ChunkId::of(b"hello world");

        // As `ipfs add --cid-version 1` names the eleven bytes.
        let text = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        assert_eq!(chunk.to_string(), text);
        assert_eq!(text.parse::<ChunkId>().unwrap(), chunk);
        assert!(text.parse::<ContentId>().is_err());
        assert!(EMPTY_MAP.parse::<ChunkId>().is_err());
    }

    #[test]
    fn refuses_a_plain_byte_string_where_a_link_belongs() {
        let bytes = serde_ipld_dagcbor::to_vec(&serde_bytes_like(&[0; 32])).unwrap();

        assert!(serde_ipld_dagcbor::from_slice::<ContentId>(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn round_trips_in_text_json_and_dag_cbor(digest: [u8; 32]) {
            let id = ContentId::from_digest(digest);

            prop_assert_eq!(id.to_string().parse::<ContentId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ContentId>(&json).unwrap(), id);
            let cbor = serde_ipld_dagcbor::to_vec(&id).unwrap();
            prop_assert_eq!(serde_ipld_dagcbor::from_slice::<ContentId>(&cbor).unwrap(), id);
        }

        #[test]
        fn never_panics_on_text(text: String) {
            let _ = text.parse::<ContentId>();
        }
    }

    fn serde_bytes_like(bytes: &[u8]) -> impl Serialize {
        struct Raw(Vec<u8>);
        impl Serialize for Raw {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }
        Raw(bytes.to_vec())
    }
}
