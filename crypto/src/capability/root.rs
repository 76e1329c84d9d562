//! The keys at the root of capabilities, and the names by which parts of a token are revoked.

use core::fmt;
use core::str::FromStr;

use biscuit_auth::builder::Algorithm;
use biscuit_auth::{KeyPair, PrivateKey};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::PublicKey;
use crate::fixed_bytes::{self, serde_as_bytes};
use crate::identity::hkdf_sha256;

const NEXT_KEY_LABEL: &[u8] = b"x0/capability-next-key/1";

/// Holds the secret key that grants capabilities.
pub struct CapabilityRoot(KeyPair);

/// Names whoever granted a capability; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootKey([u8; 32]);

/// Reports a text or bytes that are not a root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRootKey {
    /// The text is not 64 hexadecimal digits.
    #[error("a root key is written as 64 digits 0-9 and a-f")]
    NotHex,
    /// The bytes are not a usable Ed25519 key.
    #[error("these 32 bytes are not a usable Ed25519 key")]
    NotAKey,
}

/// Names one block of a token: revoking it revokes every token that contains the block.
///
/// It is the SHA-256 hash of Biscuit's own revocation identifier (the block's signature).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId([u8; 32]);

serde_as_bytes!(RevocationId);

impl CapabilityRoot {
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Self {
        Self(key_pair(secret))
    }

    /// Returns the public half.
    pub fn public(&self) -> RootKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.0.public().to_bytes());
        RootKey(bytes)
    }

    pub(super) const fn key_pair(&self) -> &KeyPair {
        &self.0
    }
}

/// Derives the key that may append the block after one with this content.
///
/// A seed that is used again for another content gives another key, so blocks can never be moved between the
/// two tokens.
pub(super) fn next_key_pair(seed: &[u8; 32], content: &[&[u8]]) -> KeyPair {
    let mut info = Sha256::new_with_prefix(NEXT_KEY_LABEL);
    for part in content {
        info.update((part.len() as u64).to_le_bytes());
        info.update(part);
    }
    key_pair(&hkdf_sha256(seed, &info.finalize()))
}

/// Makes a Biscuit key pair of 32 secret bytes.
fn key_pair(secret: &[u8; 32]) -> KeyPair {
    // Every 32 bytes are an Ed25519 secret key (RFC 8032, 5.1.5), so this cannot fail.
    let key = PrivateKey::from_bytes(secret, Algorithm::Ed25519).map(|key| KeyPair::from(&key));
    key.unwrap_or_else(|_| unreachable!("32 bytes are an Ed25519 secret key"))
}

impl RootKey {
    /// Takes the 32 bytes of an Ed25519 public key.
    ///
    /// # Errors
    /// [`InvalidRootKey::NotAKey`] if they are not canonical, or the point has small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidRootKey> {
        PublicKey::from_bytes(&bytes)
            .map(|_| Self(bytes))
            .map_err(|_| InvalidRootKey::NotAKey)
    }

    /// Returns the 32 bytes of the key.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first eight digits, for tables and logs.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..4])
    }
}

impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RootKey {
    type Err = InvalidRootKey;

    fn from_str(text: &str) -> Result<Self, InvalidRootKey> {
        Self::from_bytes(fixed_bytes::from_hex(text).ok_or(InvalidRootKey::NotHex)?)
    }
}

impl Serialize for RootKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed_bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for RootKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(fixed_bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl RevocationId {
    pub(super) fn of(biscuit_id: &[u8]) -> Self {
        Self(Sha256::digest(biscuit_id).into())
    }

    /// Wraps an identifier that was read elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RevocationId {
    type Err = InvalidRevocationId;

    fn from_str(text: &str) -> Result<Self, InvalidRevocationId> {
        fixed_bytes::from_hex(text)
            .map(Self)
            .ok_or(InvalidRevocationId)
    }
}

/// Reports a text that is not a revocation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a revocation id is written as 64 digits 0-9 and a-f; `x0 cap inspect` shows those of a token"
)]
pub struct InvalidRevocationId;
