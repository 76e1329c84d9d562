//! The identities of the seats in the form the key ceremony's library asks for.
//!
//! What a seat signs inside a ceremony is bound into [`Namespace::KeyCeremony`]: it can never pass for anything
//! else the node signs, nor the other way round.

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt as _, Write};
use commonware_cryptography::{BatchEntry, BatchVerifier, Signer, Verifier};
use commonware_math::algebra::Random;
use commonware_parallel::Strategy;
use commonware_utils::{Array, Span};
use zeroize::Zeroizing;

use crate::{Identity, Namespace, PublicKey, Signature, Signed, verify, verify_batch};

/// A seat's secret key.
#[derive(Clone)]
pub(super) struct SeatSigner(Arc<Identity>);

/// A seat's public key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SeatKey(pub(super) PublicKey);

/// A seat's signature.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SeatSignature(Signature);

/// Returns the message of [`Namespace::KeyCeremony`]: length of the library's namespace (8 bytes, big-endian),
/// that namespace, and what it signs.
fn bind(namespace: &[u8], message: &[u8]) -> Vec<u8> {
    let length = (namespace.len() as u64).to_be_bytes();
    [&length, namespace, message].concat()
}

impl SeatSigner {
    pub(super) fn new(identity: &Identity) -> Self {
        Self(Arc::new(Identity::from_seed(identity.seed())))
    }
}

impl Signer for SeatSigner {
    type Signature = SeatSignature;
    type PublicKey = SeatKey;

    fn public_key(&self) -> SeatKey {
        SeatKey(self.0.public())
    }

    fn sign(&self, namespace: &[u8], message: &[u8]) -> SeatSignature {
        let bound = bind(namespace, message);
        SeatSignature(self.0.sign(Namespace::KeyCeremony, &bound))
    }
}

/// Part of the library's notion of a signer; no ceremony draws keys.
impl Random for SeatSigner {
    fn random(mut rng: impl chacha20::rand_core::CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self(Arc::new(Identity::from_seed(seed)))
    }
}

impl Verifier for SeatKey {
    type Signature = SeatSignature;

    fn verify(&self, namespace: &[u8], message: &[u8], signature: &SeatSignature) -> bool {
        let bound = bind(namespace, message);
        verify(&self.0, Namespace::KeyCeremony, &bound, &signature.0).is_ok()
    }
}

impl BatchVerifier for SeatKey {
    /// The weights come from a hash of the batch (see [`verify_batch`]), so the given randomness is not used.
    fn verify_batch<'a, R, T, F>(_: &mut R, items: &'a [T], project: F, _: &impl Strategy) -> bool
    where
        R: chacha20::rand_core::CryptoRng,
        T: Sync,
        F: Fn(usize, &'a T) -> BatchEntry<'a, Self> + Sync,
    {
        let entries = items.iter().enumerate();
        let entries: Vec<_> = entries.map(|(at, item)| project(at, item)).collect();
        let bound = entries
            .iter()
            .map(|entry| bind(entry.namespace, entry.message));
        let bound: Vec<Vec<u8>> = bound.collect();
        let signed = entries.iter().zip(&bound).map(|(entry, message)| Signed {
            key: entry.public_key.0,
            namespace: Namespace::KeyCeremony,
            message,
            signature: entry.signature.0,
        });
        let signed: Vec<Signed<'_>> = signed.collect();
        !signed.is_empty() && verify_batch(&signed).is_ok()
    }
}

impl Read for SeatKey {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let bytes = <[u8; Self::SIZE]>::read(buf)?;
        let key = PublicKey::from_bytes(&bytes);
        key.map(Self)
            .map_err(|_| Error::Invalid("SeatKey", "not the key of a node"))
    }
}

impl Read for SeatSignature {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        <[u8; Self::SIZE]>::read(buf).map(|bytes| Self(Signature::from_bytes(bytes)))
    }
}

impl FixedSize for SeatKey {
    const SIZE: usize = 32;
}

impl FixedSize for SeatSignature {
    const SIZE: usize = 64;
}

impl fmt::Debug for SeatSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SeatSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for SeatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SeatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Implements what the library asks of anything that is a fixed number of bytes.
macro_rules! array_of_bytes {
    ($name:ident) => {
        impl Write for $name {
            fn write(&self, buf: &mut impl BufMut) {
                buf.put_slice(self.0.bytes());
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.bytes()
            }
        }

        impl Deref for $name {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                self.0.bytes()
            }
        }

        impl Span for $name {}
        impl Array for $name {}
    };
}

array_of_bytes!(SeatKey);
array_of_bytes!(SeatSignature);

impl commonware_cryptography::PublicKey for SeatKey {}
impl commonware_cryptography::Signature for SeatSignature {}
