//! Work that prices what keys which nobody knows may put on everybody's disk (Dwork and Naor, "Pricing via Processing or
//! Combatting Junk Mail", CRYPTO 1992): a nonce for which a hash over all that is said begins with zero bits.

use serde::Serialize;
use sha2::{Digest, Sha256};
use x0_crypto::ContentId;

use super::{Record, codec::encode};
use crate::core::reject::RejectReason;

/// Most bits that are searched for.
const BITS_MAX: u32 = 40;

/// Checks that a record stands alone at place 0 of a key of its own, and has as much work in it as it needs.
pub(super) fn check_alone(
    record: &Record,
    (work, needed): (u32, u32),
    why: &'static str,
) -> Result<(), RejectReason> {
    if record.header().seq != 0 {
        return Err(RejectReason::NotEntitled(why));
    }
    match work >= needed {
        true => Ok(()),
        false => Err(RejectReason::TooLittleWork),
    }
}

/// The fixed part of what is hashed in search of a nonce.
pub(super) struct Worker([u8; 32]);

impl Worker {
    /// Works over something said.
    pub(super) fn over<T: Serialize>(said: &T) -> Self {
        Self(*ContentId::of(&encode(said)).digest())
    }

    /// Returns how many zero bits a nonce comes to. Each bit doubles what it takes to find one.
    pub(super) fn bits(&self, nonce: u64) -> u32 {
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(nonce.to_be_bytes())
            .finalize();
        let mut zeros = 0;
        for byte in hash {
            zeros += byte.leading_zeros();
            if byte != 0 {
                break;
            }
        }
        zeros
    }

    /// Finds the first nonce that comes to so many bits, at most 40.
    pub(super) fn find(&self, bits: u32) -> u64 {
        let bits = bits.min(BITS_MAX);
        let found = (0..=u64::MAX).find(|nonce| self.bits(*nonce) >= bits);
        found.unwrap_or_default()
    }
}
