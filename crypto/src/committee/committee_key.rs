//! What everybody keeps of a committee: 96 bytes that verify its signatures.
//!
//! They stay the same when a key is handed over to other seats.

use core::fmt;

use commonware_codec::{Copying, DecodeExt as _, EncodeFixed as _};
use commonware_cryptography::bls12381::primitives::{
    group::G2, ops::verify_message, variant::MinSig,
};
use sha2::{Digest as _, Sha256};

use super::messages::G2_BYTES;
use super::wire::{Malformed, serde_by_bytes};
use super::{Purpose, ThresholdSignature};
use crate::fixed_bytes::serde_as_bytes;

/// Bytes of a [`CommitteeKey`]: one compressed point of G2.
pub const COMMITTEE_KEY_BYTES: usize = G2_BYTES;

/// Verifies the signatures of a committee, whoever its seats are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitteeKey {
    bytes: [u8; COMMITTEE_KEY_BYTES],
    point: G2,
}

serde_by_bytes!(CommitteeKey, COMMITTEE_KEY_BYTES);

/// Holds public randomness: nobody could know or choose it before a threshold of seats had signed its round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BeaconValue([u8; 32]);

serde_as_bytes!(BeaconValue);

/// Reports that a signature is not the committee's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the committee did not sign this message as a {purpose}; ask another node for it")]
pub struct BadThresholdSignature {
    /// What it should have been for.
    pub purpose: Purpose,
}

impl CommitteeKey {
    /// Takes the 96 bytes of a key.
    ///
    /// # Errors
    /// [`Malformed`] if they are not a compressed point of G2 other than the neutral one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let point = G2::decode(Copying(bytes));
        point
            .map(Self::of)
            .map_err(|reason| Malformed::not_one("committee key", reason))
    }

    /// Returns the 96 bytes.
    pub const fn to_bytes(&self) -> [u8; COMMITTEE_KEY_BYTES] {
        self.bytes
    }

    /// Verifies a signature of the committee.
    ///
    /// # Errors
    /// [`BadThresholdSignature`] if a threshold of seats did not sign this message for this purpose.
    pub fn verify(
        &self,
        purpose: Purpose,
        message: &[u8],
        signature: &ThresholdSignature,
    ) -> Result<(), BadThresholdSignature> {
        let tag = purpose.tag().as_bytes();
        verify_message::<MinSig>(&self.point, tag, message, signature.point())
            .map_err(|_| BadThresholdSignature { purpose })
    }

    /// Verifies a beacon signature over a round and returns the randomness it holds.
    ///
    /// # Errors
    /// [`BadThresholdSignature`] if a threshold of seats did not sign this round as a beacon.
    pub fn beacon_value(
        &self,
        round: &[u8],
        signature: &ThresholdSignature,
    ) -> Result<BeaconValue, BadThresholdSignature> {
        self.verify(Purpose::Beacon, round, signature)?;
        let hash = Sha256::new_with_prefix(b"x0/committee/beacon-value/1")
            .chain_update(signature.to_bytes())
            .finalize();
        Ok(BeaconValue(hash.into()))
    }

    pub(super) fn of(point: G2) -> Self {
        Self {
            bytes: point.encode_fixed(),
            point,
        }
    }

    pub(super) const fn point(&self) -> &G2 {
        &self.point
    }
}

impl BeaconValue {
    /// Returns the 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CommitteeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = data_encoding::HEXLOWER.encode(&self.bytes[..8]);
        write!(f, "CommitteeKey({start}…)")
    }
}

impl fmt::Debug for BeaconValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = data_encoding::HEXLOWER.encode(&self.0[..8]);
        write!(f, "BeaconValue({start}…)")
    }
}
