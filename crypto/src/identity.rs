//! A node's key pair, and the one name by which users see it.
//!
//! The public key is written as the libp2p peer id of the same key (`12D3KooW…`), so that there is a single
//! identifier in tables, logs, addresses and records.
//!
//! From the one seed several independent secrets are derived with HKDF-SHA256 under their own labels (root of
//! capabilities, membership secret, what is dealt in key ceremonies). They are separate keys: bytes signed for a Biscuit can never be taken for a
//! signed record. The transport uses the identity key itself, because its peer id must be the same.
//!
//! Secrets are wiped from memory when dropped and have no `Debug`.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::capability::CapabilityRoot;
use crate::{MembershipCommitment, Namespace, NoRandomness, Signature, fixed_bytes};

/// What stands before the key in a peer id: identity multihash (`00`) of 36 bytes (`24`), holding the protobuf
/// of a public key of type Ed25519 (`08 01`) with 32 bytes of data (`12 20`). Source: libp2p peer-ids spec.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const PEER_ID_BYTES: usize = PEER_ID_PREFIX.len() + 32;
/// Length of a peer id in base58; the fixed prefix makes all of them equally long.
const PEER_ID_CHARS: usize = 52;
/// Characters that [`PublicKey::short`] keeps.
const SHORT_CHARS: usize = 6;

/// HKDF labels; each derived secret has its own.
const CAPABILITY_ROOT_LABEL: &[u8] = b"x0/capability-root/1";
const MEMBERSHIP_LABEL: &[u8] = b"x0/membership/1";
const DEALER_LABEL: &[u8] = b"x0/committee/dealer/1";
const BALLOT_LABEL: &[u8] = b"x0/ballot/seed/1";
const RELEASE_LABEL: &[u8] = b"x0/release-seed/1";

/// Names a node or an agent by its Ed25519 public key.
///
/// Always a canonical encoding of a point that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Holds a node's secret key.
pub struct Identity(SigningKey);

/// Says why bytes or a text are not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    /// The bytes encode no point of the curve, or encode one in a way that is not canonical.
    #[error("these 32 bytes are not the canonical encoding of an Ed25519 key")]
    NotAKey,
    /// The point has small order: signatures under it prove nothing.
    #[error("this key has small order, so anyone could sign for it")]
    SmallOrder,
    /// The text is not a peer id of an Ed25519 key.
    #[error(
        "{text:?} is not a peer id; one starts with 12D3KooW and has {PEER_ID_CHARS} characters"
    )]
    NotAPeerId {
        /// What was given, cut to a readable length.
        text: String,
    },
}

impl Identity {
    /// Makes a new identity from the operating system's randomness.
    ///
    /// # Errors
    /// [`NoRandomness`] if there is none.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self::from_seed(seed))
    }

    /// Makes the identity that belongs to a seed (the Ed25519 secret key of RFC 8032).
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message for one purpose.
    pub fn sign(&self, namespace: Namespace, message: &[u8]) -> Signature {
        Signature::from_bytes(self.0.sign(&namespace.bind(message)).to_bytes())
    }

    /// Derives the key that signs the capabilities this node grants.
    pub fn capability_root(&self) -> CapabilityRoot {
        CapabilityRoot::from_secret(&self.derive(CAPABILITY_ROOT_LABEL))
    }

    /// Derives the commitment by which this member can later prove membership without its name.
    pub fn membership_commitment(&self) -> MembershipCommitment {
        MembershipCommitment::of_secret(&self.derive(MEMBERSHIP_LABEL))
    }

    /// Returns the seed for the transport's key pair, whose peer id then equals [`Identity::public`].
    pub fn transport_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed()
    }

    /// Returns the scalar of the key, which X25519 uses as well (RFC 7748, RFC 8032).
    pub(crate) fn scalar(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_scalar_bytes())
    }

    /// Derives the seed of everything this node deals in a key ceremony.
    pub(crate) fn dealer_seed(&self) -> Zeroizing<[u8; 32]> {
        self.derive(DEALER_LABEL)
    }

    /// Derives the seed with which this node seals a ballot; `of` names it among all others.
    pub fn ballot_seed(&self, of: &[u8]) -> Zeroizing<[u8; 32]> {
        self.derive(&[BALLOT_LABEL, &[0], of].concat())
    }

    /// Derives the seed with which this node seals what a vote has it release.
    pub fn release_seed(&self) -> Zeroizing<[u8; 32]> {
        self.derive(RELEASE_LABEL)
    }

    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        hkdf_sha256(self.0.as_bytes(), label)
    }
}

/// Derives a secret for the purpose that the label names (RFC 5869, without salt).
pub(crate) fn hkdf_sha256(secret: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label, derived.as_mut_slice());
    // HKDF-SHA256 fails only above 255 · 32 bytes of output (RFC 5869, 2.3).
    assert!(
        expanded.is_ok(),
        "32 bytes are within the reach of HKDF-SHA256"
    );
    derived
}

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 public key.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] if they are no canonical encoding, or the point has small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidPublicKey> {
        if !is_canonical(bytes) {
            return Err(InvalidPublicKey::NotAKey);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| InvalidPublicKey::NotAKey)?;
        if key.is_weak() {
            return Err(InvalidPublicKey::SmallOrder);
        }
        Ok(Self(*bytes))
    }

    /// Returns the 32 bytes of the key.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the same point on the curve of X25519 (RFC 7748, 4.1).
    pub(crate) fn montgomery(&self) -> Option<[u8; 32]> {
        let key = VerifyingKey::from_bytes(&self.0).ok()?;
        Some(key.to_montgomery().to_bytes())
    }

    /// Returns the last six characters of the peer id, for tables and logs.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.split_off(text.len() - SHORT_CHARS)
    }
}

/// Tells whether the y coordinate is below the field's prime 2²⁵⁵ − 19 (RFC 8032, 5.1.3).
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    (high & 0x7f) != 0x7f || middle.iter().any(|&byte| byte != 0xff) || *low < 0xed
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut id = [0; PEER_ID_BYTES];
        id[..PEER_ID_PREFIX.len()].copy_from_slice(&PEER_ID_PREFIX);
        id[PEER_ID_PREFIX.len()..].copy_from_slice(&self.0);
        f.pad(&bs58::encode(id).into_string())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_a_peer_id = || InvalidPublicKey::NotAPeerId {
            text: text.chars().take(80).collect(),
        };
        if text.len() != PEER_ID_CHARS {
            return Err(not_a_peer_id());
        }
        let id = bs58::decode(text).into_vec().map_err(|_| not_a_peer_id())?;
        let key = id
            .strip_prefix(&PEER_ID_PREFIX)
            .and_then(|key| key.try_into().ok())
            .ok_or_else(not_a_peer_id)?;
        Self::from_bytes(key)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            Self::from_bytes(&fixed_bytes::deserialize(deserializer)?)
        };
        key.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    fn identity(number: u8) -> Identity {
        Identity::from_seed(Zeroizing::new([number; 32]))
    }

    /// From the libp2p peer-ids specification: the Ed25519 test vector (private key, then public key).
    #[test]
    fn a_peer_id_is_what_libp2p_makes_of_the_same_key() {
        let seed = HEXLOWER
            .decode(b"7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d")
            .unwrap();
        let identity = Identity::from_seed(Zeroizing::new(seed.try_into().unwrap()));

        assert_eq!(
            HEXLOWER.encode(identity.public().bytes()),
            "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
        );
        assert!(identity.public().to_string().starts_with("12D3KooW"));
        assert_eq!(*identity.transport_seed(), *identity.seed());
    }

    #[test]
    fn short_is_the_end_of_the_peer_id() {
        let key = identity(1).public();

        assert_eq!(key.short().len(), 6);
        assert!(key.to_string().ends_with(&key.short()));
    }

    #[test]
    fn keys_that_prove_nothing_are_refused() {
        let mut zero_y = [0; 32];
        assert_eq!(
            PublicKey::from_bytes(&zero_y),
            Err(InvalidPublicKey::SmallOrder)
        );
        zero_y[0] = 1;
        assert_eq!(
            PublicKey::from_bytes(&zero_y),
            Err(InvalidPublicKey::SmallOrder),
            "the neutral element"
        );
        zero_y[0] = 2;
        assert_eq!(
            PublicKey::from_bytes(&zero_y),
            Err(InvalidPublicKey::NotAKey),
            "no point of the curve"
        );
        // p + 3, a second encoding of y = 3, which is a point of the curve.
        let mut three = [0; 32];
        three[0] = 3;
        assert!(PublicKey::from_bytes(&three).is_ok());
        let mut not_canonical = [0xff; 32];
        (not_canonical[0], not_canonical[31]) = (0xf0, 0x7f);
        assert_eq!(
            PublicKey::from_bytes(&not_canonical),
            Err(InvalidPublicKey::NotAKey)
        );
    }

    #[test]
    fn texts_that_are_no_peer_id_are_refused() {
        let good = identity(1).public().to_string();
        for bad in [
            "",
            "12D3KooW",
            &good[1..],
            &format!("{good}1"),
            &good.replace('K', "0"),
            &"1".repeat(52),
        ] {
            assert!(
                matches!(
                    bad.parse::<PublicKey>(),
                    Err(InvalidPublicKey::NotAPeerId { .. })
                ),
                "{bad}"
            );
        }
        // A peer id of an RSA key.
        let rsa = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert!(
            rsa.parse::<PublicKey>()
                .unwrap_err()
                .to_string()
                .contains("starts with 12D3KooW")
        );
    }

    #[test]
    fn derived_secrets_are_independent_of_each_other_and_of_the_key() {
        let identity = identity(1);
        let secrets = [
            *identity.seed(),
            *identity.derive(CAPABILITY_ROOT_LABEL),
            *identity.derive(MEMBERSHIP_LABEL),
        ];

        assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
        assert_ne!(
            identity.capability_root().public().bytes(),
            identity.public().bytes()
        );
    }

    #[test]
    fn new_identities_differ() {
        assert_ne!(
            Identity::generate().unwrap().public(),
            Identity::generate().unwrap().public()
        );
    }

    proptest! {
        #[test]
        fn public_keys_round_trip_in_text_json_and_dag_cbor(seed: [u8; 32]) {
            let key = Identity::from_seed(Zeroizing::new(seed)).public();

            prop_assert_eq!(key.to_string().len(), PEER_ID_CHARS);
            prop_assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
            prop_assert_eq!(PublicKey::from_bytes(key.bytes()).unwrap(), key);
            let json = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
            let cbor = serde_ipld_dagcbor::to_vec(&key).unwrap();
            prop_assert_eq!(cbor.len(), 34);
            prop_assert_eq!(serde_ipld_dagcbor::from_slice::<PublicKey>(&cbor).unwrap(), key);
        }

        #[test]
        fn what_is_no_key_is_not_deserialized_as_one(bytes: [u8; 32]) {
            let cbor = [&[0x58, 32], bytes.as_slice()].concat();

            prop_assert_eq!(
                serde_ipld_dagcbor::from_slice::<PublicKey>(&cbor).ok(),
                PublicKey::from_bytes(&bytes).ok()
            );
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<PublicKey>();
        }
    }
}
