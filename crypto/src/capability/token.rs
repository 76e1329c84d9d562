//! Tokens as they travel, and the capability that a verified token is.
//!
//! The order of work on a token from outside: bound ([`Token::from_bytes`]), decode and look at its frame,
//! verify the chain of signatures, read every statement. Only then does a [`Capability`] exist.
//!
//! There is one encoding of a token: unknown fields, reordered fields and padded numbers are refused, so that
//! two different byte strings are never the same token.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;
use std::sync::Arc;

use biscuit_auth::builder::Algorithm;
use biscuit_auth::format::schema::{self, proof, public_key};
use biscuit_auth::{Biscuit, error};
use data_encoding::BASE64URL_NOPAD;
use prost::Message;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::datalog::{self, NotUnderstood, Statements};
use super::{
    Action, Caveat, MAX_ACTIONS, MAX_BLOCKS, MAX_CAVEATS, MAX_TOKEN_BYTES, RevocationId, RootKey,
};
use crate::{NoRandomness, PublicKey};

/// Begins the text form of a token; the digit is the version of that form.
const TEXT_PREFIX: &str = "x0cap1";

/// Holds the bytes of a token, of which nothing is known but that they are not too many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Arc<[u8]>);

/// Holds a token that was verified under a root and understood to the last word.
#[derive(Clone)]
pub struct Capability {
    biscuit: Biscuit,
    root: RootKey,
    statements: Statements,
    revocation_ids: Vec<RevocationId>,
}

/// Says why a token cannot be made, narrowed or verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// The token is too large.
    #[error(
        "the token has {bytes} bytes and the most is {MAX_TOKEN_BYTES}; ask its root for one with fewer blocks"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The token was narrowed too often.
    #[error(
        "the token has {blocks} blocks and the most is {MAX_BLOCKS}; ask its root for one that is narrow at once"
    )]
    TooManyBlocks {
        /// Its blocks.
        blocks: usize,
    },
    /// The bytes are not a token.
    #[error("these bytes are not a capability token ({reason}); copy it again, whole")]
    Malformed {
        /// What does not fit.
        reason: String,
    },
    /// The signatures do not lead back to the root.
    #[error("the token was not granted by root {root}, or was changed after it was signed")]
    NotFromRoot {
        /// The root it was checked against.
        root: RootKey,
    },
    /// A statement in the token has no meaning here.
    #[error(
        "block {block} of the token says `{statement}`, which this x0 does not understand ({reason}); \
         a token is refused as a whole rather than read in part"
    )]
    NotUnderstood {
        /// The block, the root's being 0.
        block: usize,
        /// The statement, in Datalog where it is Datalog.
        statement: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A grant needs at least one action, and not too many.
    #[error("a grant names 1 to {MAX_ACTIONS} actions; this one names {actions}")]
    ActionCount {
        /// How many were given.
        actions: usize,
    },
    /// A block holds only so many caveats, and narrowing needs at least one.
    #[error(
        "a block holds at most {MAX_CAVEATS} caveats, and narrowing needs at least one; {caveats} were given"
    )]
    CaveatCount {
        /// How many were given.
        caveats: usize,
    },
    /// A caveat that says nothing sensible.
    #[error(
        "the caveat {caveat} can mean nothing: a set of actions has 1 to {MAX_ACTIONS}, and K-of-N needs 1 ≤ K ≤ N"
    )]
    SenselessCaveat {
        /// The caveat.
        caveat: Caveat,
    },
    /// No randomness for the key of the new block.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Says why a text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTokenError {
    /// The text does not begin like a token.
    #[error("a capability token begins with {TEXT_PREFIX}; this text begins with {start:?}")]
    NoPrefix {
        /// Its first characters.
        start: String,
    },
    /// A character does not belong, or the end is missing.
    #[error("the capability token is damaged at character {position}; copy it again, whole")]
    Damaged {
        /// Counted in characters without blanks, from 1.
        position: usize,
    },
    /// Too long.
    #[error(transparent)]
    Bounds(#[from] CapabilityError),
}

impl Token {
    /// Takes the bytes of a token; checks their number only.
    ///
    /// # Errors
    /// [`CapabilityError::TooLarge`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CapabilityError> {
        if bytes.len() > MAX_TOKEN_BYTES {
            return Err(CapabilityError::TooLarge { bytes: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// Verifies the signatures back to the root and reads every statement.
    ///
    /// # Errors
    /// If the bytes are no token, do not come from the root, or say anything that is not understood.
    pub fn verify(&self, root: &RootKey) -> Result<Capability, CapabilityError> {
        let frame = self.decode()?;
        let (authority, others) = decode_blocks(&frame)?;
        let key = biscuit_auth::PublicKey::from_bytes(root.bytes(), Algorithm::Ed25519);
        let not_from_root = |_| CapabilityError::NotFromRoot { root: *root };
        let biscuit = Biscuit::from(&self.0, key.map_err(not_from_root)?).map_err(|error| {
            if matches!(error, error::Token::Format(error::Format::Signature(_))) {
                CapabilityError::NotFromRoot { root: *root }
            } else {
                malformed(error)
            }
        })?;
        let statements = datalog::read(&authority, &others)?;
        let ids = core::iter::once(&frame.authority).chain(&frame.blocks);
        let revocation_ids = ids
            .map(|block| RevocationId::of(&block.signature))
            .collect();
        Ok(Capability {
            biscuit,
            root: *root,
            statements,
            revocation_ids,
        })
    }

    /// Returns the bytes of the token.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the SHA-256 hash of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// Decodes the frame and refuses what no token of ours has, before any signature is verified.
    pub(super) fn decode(&self) -> Result<schema::Biscuit, CapabilityError> {
        let frame = schema::Biscuit::decode(&*self.0).map_err(malformed)?;
        let blocks = 1 + frame.blocks.len();
        if blocks > MAX_BLOCKS {
            return Err(CapabilityError::TooManyBlocks { blocks });
        }
        let refuse = |block, statement: &str, reason: &str| {
            Err(CapabilityError::NotUnderstood {
                block,
                statement: statement.to_owned(),
                reason: reason.to_owned(),
            })
        };
        for (block, index) in core::iter::once(&frame.authority)
            .chain(&frame.blocks)
            .zip(0..)
        {
            if block.external_signature.is_some() {
                return refuse(
                    index,
                    "a third party's signature",
                    "tokens of x0 have one author per block",
                );
            }
            if block.next_key.algorithm != public_key::Algorithm::Ed25519 as i32 {
                return refuse(
                    index,
                    "a key that is not Ed25519",
                    "tokens of x0 use Ed25519 only",
                );
            }
        }
        if frame.root_key_id.is_some() {
            return refuse(
                0,
                "a root key number",
                "tokens of x0 are checked against a root known beforehand",
            );
        }
        if !matches!(frame.proof.content, Some(proof::Content::NextSecret(_))) {
            return refuse(blocks - 1, "a seal", "tokens of x0 stay open to narrowing");
        }
        if frame.encode_to_vec() != *self.0 {
            return Err(CapabilityError::Malformed {
                reason: "not in the canonical encoding".to_owned(),
            });
        }
        Ok(frame)
    }
}

fn decode_blocks(
    frame: &schema::Biscuit,
) -> Result<(schema::Block, Vec<schema::Block>), CapabilityError> {
    let decode = |signed: &schema::SignedBlock, index| {
        let block = schema::Block::decode(signed.block.as_slice()).map_err(malformed)?;
        if block.encode_to_vec() != signed.block {
            return Err(CapabilityError::NotUnderstood {
                block: index,
                statement: "a field that is unknown or out of place".to_owned(),
                reason: "the block is not in the canonical encoding".to_owned(),
            });
        }
        Ok(block)
    };
    let others = frame
        .blocks
        .iter()
        .zip(1..)
        .map(|(signed, index)| decode(signed, index));
    Ok((
        decode(&frame.authority, 0)?,
        others.collect::<Result<_, _>>()?,
    ))
}

pub(super) fn malformed(reason: impl fmt::Display) -> CapabilityError {
    CapabilityError::Malformed {
        reason: reason.to_string(),
    }
}

impl Capability {
    /// Returns the root it was verified under.
    pub const fn root(&self) -> &RootKey {
        &self.root
    }

    /// Returns who may use it.
    pub const fn holder(&self) -> &PublicKey {
        &self.statements.holder
    }

    /// Returns what the root granted, before any narrowing.
    pub const fn actions(&self) -> &BTreeSet<Action> {
        &self.statements.actions
    }

    /// Returns the caveats of each block, the root's first.
    pub fn blocks(&self) -> &[Vec<Caveat>] {
        &self.statements.blocks
    }

    /// Returns the caveats of all blocks.
    pub fn caveats(&self) -> impl Iterator<Item = &Caveat> {
        self.statements.blocks.iter().flatten()
    }

    /// Returns the name of each block, the root's first; revoking one revokes this capability.
    pub fn revocation_ids(&self) -> &[RevocationId] {
        &self.revocation_ids
    }

    /// Returns the last second in which it is valid, in Unix seconds, if it ever ends.
    pub fn expires_at(&self) -> Option<u64> {
        let ends = self.caveats().filter_map(|caveat| match caveat {
            Caveat::ValidUntil(seconds) => Some(*seconds),
            Caveat::Actions(_)
            | Caveat::Scope(_)
            | Caveat::AffectsNodesLe(_)
            | Caveat::AffectsNetworkPctLe(_)
            | Caveat::RequiresPeerSignature
            | Caveat::RequiresDaoVote(_)
            | Caveat::RequiresMultiSig { .. } => None,
        });
        ends.min()
    }

    pub(super) const fn biscuit(&self) -> &Biscuit {
        &self.biscuit
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capability")
            .field("root", &self.root)
            .field("statements", &self.statements)
            .finish()
    }
}

impl From<NotUnderstood> for CapabilityError {
    fn from(
        NotUnderstood {
            block,
            statement,
            reason,
        }: NotUnderstood,
    ) -> Self {
        Self::NotUnderstood {
            block,
            statement,
            reason: reason.to_owned(),
        }
    }
}

/// Writes the whole token; it is no secret, since only its holder can use it.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TEXT_PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// Reads the text form; blanks and line breaks from copying do no harm.
impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let text: String = text.split_whitespace().collect();
        let Some(encoded) = text.strip_prefix(TEXT_PREFIX) else {
            return Err(ParseTokenError::NoPrefix {
                start: text.chars().take(TEXT_PREFIX.len()).collect(),
            });
        };
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes());
        let damaged = |position| ParseTokenError::Damaged {
            position: TEXT_PREFIX.len() + position + 1,
        };
        Ok(Self::from_bytes(
            &bytes.map_err(|error| damaged(error.position))?,
        )?)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            deserializer.deserialize_bytes(TokenBytes)
        }
    }
}

struct TokenBytes;

impl<'de> Visitor<'de> for TokenBytes {
    type Value = Token;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a token of at most {MAX_TOKEN_BYTES} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Token, E> {
        Token::from_bytes(bytes).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Token, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            if bytes.len() == MAX_TOKEN_BYTES {
                return Err(serde::de::Error::invalid_length(bytes.len() + 1, &self));
            }
            bytes.push(byte);
        }
        Ok(Token(bytes.into()))
    }
}
