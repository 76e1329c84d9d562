//! Random values from a seed the driver hands in: SHA-256 in counter mode.
//!
//! The core reads no entropy. A node seeds this from the operating system, the simulator from its
//! scenario seed, so that a run can be repeated. With a secret seed the output is unpredictable
//! (SHA-256 as a pseudo-random function), which session keys need.

use sha2::{Digest, Sha256};

/// A stream of random values, fixed by its seed.
#[derive(Clone)]
pub struct Rng {
    seed: [u8; 32],
    counter: u64,
}

impl Rng {
    /// Starts the stream that belongs to `seed`.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// Starts a stream of its own for one purpose; this one is not moved on, so that whether there is a branch changes
    /// nothing else.
    pub fn branch(&self, purpose: &str) -> Self {
        let seed = Sha256::new()
            .chain_update(b"x0/rng/branch/1\0")
            .chain_update(self.seed)
            .chain_update(purpose.as_bytes())
            .finalize();
        Self::new(seed.into())
    }

    /// Draws 32 bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        self.counter += 1;
        Sha256::new()
            .chain_update(b"x0/rng/1\0")
            .chain_update(self.seed)
            .chain_update(self.counter.to_be_bytes())
            .finalize()
            .into()
    }

    /// Draws an integer below `bound`; zero when the bound is zero.
    ///
    /// The bias of the reduction is below `bound` / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
            .checked_rem(bound)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn same_seed_gives_the_same_stream_and_another_seed_another() {
        let (mut a, mut b, mut c) = (Rng::new([1; 32]), Rng::new([1; 32]), Rng::new([2; 32]));

        let (first, second) = (a.bytes(), a.bytes());

        assert_eq!((first, second), (b.bytes(), b.bytes()));
        assert_ne!(first, second);
        assert_ne!(first, c.bytes());
    }

    #[test]
    fn a_branch_is_another_stream_and_moves_nothing_on() {
        let (mut plain, mut branched) = (Rng::new([1; 32]), Rng::new([1; 32]));

        let (mut a, mut b) = (branched.branch("a"), branched.branch("b"));

        assert_ne!(a.bytes(), b.bytes());
        assert_eq!(plain.bytes(), branched.bytes());
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut rng = Rng::new([7; 32]);
        assert!((0..1_000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
    }
}
