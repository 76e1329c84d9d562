//! When a node takes up changes again after a halt: not all at once.

use sha2::{Digest, Sha256};
use x0_crypto::PublicKey;

use super::RESTART_SPREAD;
use crate::core::time::Millis;

/// Returns how long a node waits after the end of a halt: evenly spread, below [`RESTART_SPREAD`].
///
/// Everyone can compute it for everyone; the seed is public and keeps the order different from halt to halt.
pub fn restart_jitter(seed: &[u8; 32], node: &PublicKey) -> Millis {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"x0/restart/1\0")
        .chain_update(seed)
        .chain_update(node.bytes())
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    // The bias of the reduction is below 2^-45.
    Millis(u64::from_be_bytes([a, b, c, d, e, f, g, h]) % RESTART_SPREAD.0)
}
