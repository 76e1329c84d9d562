//! What a member publishes, so that it can later prove membership without saying who it is.
//!
//! The commitment is that of a Semaphore identity, version 3 of the protocol, as the crate `semaphore-rs` 0.6
//! computes it from a secret (zk-kit derivation, Poseidon over BN254 with circom's constants):
//!
//! ```text
//! seed       = hex(SHA-256(secret))
//! trapdoor   = SHA-256(seed ‖ "identity_trapdoor")  mod r
//! nullifier  = SHA-256(seed ‖ "identity_nullifier") mod r
//! commitment = Poseidon(Poseidon(nullifier, trapdoor))
//! ```
//!
//! So a member's record carries from the first day what its proofs will need, without the proving system being
//! built into every node. Making and verifying proofs is not here.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    fixed_bytes::serde_as_bytes,
    poseidon::{hash1, hash2},
};

/// Commits to a member's secret; an element of BN254's scalar field, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MembershipCommitment([u8; 32]);

serde_as_bytes!(MembershipCommitment);

impl MembershipCommitment {
    /// Wraps 32 bytes that were read elsewhere; they need not be a field element.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes, big-endian.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of_secret(secret: &[u8; 32]) -> Self {
        let seed = Zeroizing::new(data_encoding::HEXLOWER.encode(&Sha256::digest(secret)));
        let trapdoor = field_element(&seed, "identity_trapdoor");
        let nullifier = field_element(&seed, "identity_nullifier");
        let secret_hash = Zeroizing::new(hash2(*nullifier, *trapdoor));
        let commitment = hash1(*secret_hash).into_bigint().to_bytes_be();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&commitment);
        Self(bytes)
    }
}

fn field_element(seed: &str, purpose: &str) -> Zeroizing<Fr> {
    let hash = Sha256::new()
        .chain_update(seed)
        .chain_update(purpose)
        .finalize();
    Zeroizing::new(Fr::from_be_bytes_mod_order(&hash))
}

impl core::fmt::Debug for MembershipCommitment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Printed by `Identity::from_secret(secret, None).commitment()` of semaphore-rs 0.6.0.
    const SEMAPHORE_RS: [([u8; 32], &str); 4] = [
        (
            [0x00; 32],
            "1fdedc0cf695956f0fff1d6e92d9a3f40517286dcae976b4877b7faabd5870b7",
        ),
        (
            [0x01; 32],
            "0d8dd8d988feded7aaa7bf4e60c283dff6d78f8242cd19e7a5616a32508fa3b6",
        ),
        (
            [0xff; 32],
            "21ca17663cf32941b424d273fdbe4205d5380cf61b665f9fd68a475356dacb90",
        ),
        (
            [
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                23, 24, 25, 26, 27, 28, 29, 30, 31,
            ],
            "213d316bc3bbd5ebd4e1a46f1c5c7c64bc0a762f9c834b429b0b448ad508e4c2",
        ),
    ];

    #[test]
    fn a_commitment_is_that_of_the_semaphore_identity_with_the_same_secret() {
        for (secret, commitment) in SEMAPHORE_RS {
            let ours = MembershipCommitment::of_secret(&secret);

            assert_eq!(format!("{ours:?}"), commitment);
        }
    }
}
