//! Signatures that say what they are for, verified under one rule.
//!
//! A signature covers `label ‖ 0x00 ‖ message`, where the label belongs to a [`Namespace`]: a signed invite can
//! never pass for a signed record.
//!
//! **One validity rule.** Ed25519 as published leaves open what to do with points that have a small-order part,
//! and implementations differ, often between their own single and batch verification. A record that one node
//! takes and another refuses splits a mesh, so the rule here is ZIP-215 everywhere: the cofactored equation,
//! with `s` canonical. Batch and single verification then agree on every input.
//!
//! The random weights of batch verification are drawn from a hash of the whole batch: they cannot be known
//! before the batch is fixed, and the function stays pure.

use core::fmt;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use sha2::{Digest, Sha256};

use crate::PublicKey;
use crate::fixed_bytes::serde_as_bytes;

/// Says what a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// A record of the mesh.
    Record,
    /// An invitation to join.
    Invite,
    /// The opening words of two nodes that connect.
    Hello,
    /// The head of a node's audit log.
    LogHead,
    /// What a seat of the committee says to the others.
    Seat,
    /// What a seat says while a committee makes a key.
    KeyCeremony,
    /// What somebody says about an act: asks for it, agrees, co-signs or refuses.
    Act,

    /// A member's ballot, or whom it lets vote in its place.
    Ballot,
    /// A seat's word that it holds a ballot.
    BallotReceipt,
    /// An answer of whoever holds the receipt of a sealed report.
    Receipt,
    /// A witness's word that it holds the head of a node's audit log.
    Countersign,
    /// What a node says it collects, and who asks for it.
    Account,
    /// Who keeps a share of an item of Sublime, deals it on or has taken it.
    Share,
    /// What the holder of a recovery card asks of guardians.
    Card,
}

/// Holds an Ed25519 signature; says nothing about its validity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

serde_as_bytes!(Signature);

/// Reports that a signature does not belong to the message and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature was not made by {key} over this message as a {namespace}")]
pub struct BadSignature {
    /// The key it was checked against.
    pub key: PublicKey,
    /// What it should have been for.
    pub namespace: Namespace,
}

/// Names the bad signatures of a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} of the signatures in the batch are bad, at {indices:?}", indices.len())]
pub struct BadSignatures {
    /// Positions in the batch, ascending, never empty.
    pub indices: Vec<usize>,
}

/// One signed message of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What the signature is for.
    pub namespace: Namespace,
    /// The message without label.
    pub message: &'a [u8],
    /// The signature to check.
    pub signature: Signature,
}

/// Verifies one signature.
///
/// # Errors
/// [`BadSignature`] if it does not belong to the key, namespace and message.
pub fn verify(
    key: &PublicKey,
    namespace: Namespace,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    VerificationKey::try_from(*key.bytes())
        .and_then(|verification_key| {
            verification_key.verify(&signature.0.into(), &namespace.bind(message))
        })
        .map_err(|_| BadSignature {
            key: *key,
            namespace,
        })
}

/// Verifies many signatures at about half the cost each, and names the bad ones.
///
/// Accepts exactly when [`verify`] accepts each item. A batch with a bad item costs as much as verifying each
/// alone on top of the batch.
///
/// # Errors
/// [`BadSignatures`] with the position of each bad item.
pub fn verify_batch(items: &[Signed<'_>]) -> Result<(), BadSignatures> {
    if items.len() > 1 && whole_batch_is_valid(items) {
        return Ok(());
    }
    let is_bad = |item: &Signed<'_>| {
        verify(&item.key, item.namespace, item.message, &item.signature).is_err()
    };
    let indices: Vec<usize> = (0..items.len()).filter(|&i| is_bad(&items[i])).collect();
    if indices.is_empty() {
        Ok(())
    } else {
        Err(BadSignatures { indices })
    }
}

fn whole_batch_is_valid(items: &[Signed<'_>]) -> bool {
    let mut batch = batch::Verifier::new();
    let mut transcript = Sha256::new_with_prefix(b"x0/batch/1");
    for item in items {
        let message = item.namespace.bind(item.message);
        let key = VerificationKeyBytes::from(*item.key.bytes());
        transcript.update(item.key.bytes());
        transcript.update(item.signature.0);
        transcript.update((message.len() as u64).to_le_bytes());
        transcript.update(&message);
        batch.queue((key, item.signature.0.into(), &message));
    }
    batch
        .verify(ChaCha20Rng::from_seed(transcript.finalize().into()))
        .is_ok()
}

impl Namespace {
    /// Returns the label that stands before a signed message.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Record => "x0/record/1",
            Self::Invite => "x0/invite/1",
            Self::Hello => "x0/hello/1",
            Self::LogHead => "x0/log-head/1",
            Self::Seat => "x0/seat/1",
            Self::KeyCeremony => "x0/key-ceremony/1",
            Self::Act => "x0/act/1",

            Self::Ballot => "x0/ballot/1",
            Self::BallotReceipt => "x0/ballot-receipt/1",
            Self::Receipt => "x0/report-receipt/1",
            Self::Countersign => "x0/countersign/1",
            Self::Account => "x0/collection-account/1",
            Self::Share => "x0/guardian-share/1",
            Self::Card => "x0/recovery-card/1",
        }
    }

    /// Returns the bytes that are signed: `label ‖ 0x00 ‖ message`. No label contains a zero byte.
    pub(crate) fn bind(self, message: &[u8]) -> Vec<u8> {
        let label = self.label().as_bytes();
        let mut bound = Vec::with_capacity(label.len() + 1 + message.len());
        bound.extend_from_slice(label);
        bound.push(0);
        bound.extend_from_slice(message);
        bound
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "record",
            Self::Invite => "invite",
            Self::Hello => "hello",
            Self::LogHead => "log head",
            Self::Seat => "seat's statement",
            Self::KeyCeremony => "key ceremony message",
            Self::Act => "word about an act",

            Self::Ballot => "ballot",
            Self::BallotReceipt => "receipt of a ballot",
            Self::Receipt => "receipt of a report",
            Self::Countersign => "countersigned log head",
            Self::Account => "collection account",
            Self::Share => "word about a share",
            Self::Card => "call of a recovery card",
        })
    }
}

impl Signature {
    /// Wraps the 64 bytes of a signature.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the 64 bytes `R ‖ s`.
    pub const fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Signature({}…)",
            data_encoding::HEXLOWER.encode(&self.0[..8])
        )
    }
}

#[cfg(test)]
mod tests;
