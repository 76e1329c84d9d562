//! Randomness that follows from a secret seed and from everything it is used with.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Returns the stream of ChaCha20 (wiped when dropped) under SHA-256 of domain, seed and parts, each part after its length.
///
/// No domain begins another.
pub(super) fn stream(domain: &[u8], seed: &[u8; 32], parts: &[&[u8]]) -> ChaCha20Rng {
    let mut hash = Sha256::new_with_prefix(domain);
    hash.update(seed);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
    ChaCha20Rng::from_seed(*key)
}

/// Draws 32 bytes.
pub(super) fn bytes(stream: &mut ChaCha20Rng) -> Zeroizing<[u8; 32]> {
    let mut drawn = Zeroizing::new([0; 32]);
    stream.fill_bytes(drawn.as_mut_slice());
    drawn
}

/// Draws a scalar; the reduction of 512 bits leaves a bias below 2⁻²⁵⁰.
pub(super) fn scalar(stream: &mut ChaCha20Rng) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    stream.fill_bytes(wide.as_mut_slice());
    Scalar::from_bytes_mod_order_wide(&wide)
}
