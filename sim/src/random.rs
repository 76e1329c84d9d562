//! Random numbers without a generator's state: a value is a function of who asks for what.
//!
//! Every value is drawn from a stream named by (seed, purpose, peer) at a counter, by Philox4x32-10
//! (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"). So a draw does
//! not depend on what else was drawn before it, on threads, or on how many nodes there are, and a
//! million streams cost no memory. Decisions are integers throughout; there is no float here.
//!
//! Philox is no cipher: these numbers drive simulations and protect nothing.

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// What a random value is for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Links of the gossip mesh.
    MeshLinks = 1,
    /// Links beside the mesh, over which lazy repair runs.
    LazyLinks = 2,
    /// The region a node stands in.
    Region = 3,
    /// Delay and loss of one message.
    Transit = 4,
    /// Which neighbours hear a heartbeat's advertisement.
    Advertise = 5,
    /// The seed of a peer's own random numbers.
    PeerSeed = 6,
    /// The key of a peer.
    PeerKey = 7,
    /// When a scenario's actions happen, and who takes them.
    Workload = 8,
    /// When and whom faults hit.
    Fault = 9,
    /// How long a write to a node's store takes.
    Persist = 10,
    /// When within its period a node's heartbeat falls.
    Phase = 11,
    /// When a link is opened.
    Linking = 12,
    /// What a member commits to.
    Commitment = 13,
    /// The key under which a guard looks names up.
    Guard = 14,
    /// What a guarded process sends.
    Sample = 15,
    /// The receipt of a sealed report.
    Receipt = 16,
    /// What the key of an item is drawn from.
    Item = 17,
    /// The key of a request for an item.
    Request = 18,
}

/// A probability in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ppm(u32);

impl Ppm {
    /// What never happens.
    pub const NEVER: Self = Self(0);

    /// Makes a probability of at most one.
    pub fn new(parts: u32) -> Option<Self> {
        (parts <= 1_000_000).then_some(Self(parts))
    }

    /// Decides by 32 random bits whether it happens; off by less than 2^-32.
    pub const fn hit(self, bits: u32) -> bool {
        ((bits as u64 * 1_000_000) >> 32) < self.0 as u64
    }
}

impl Seed {
    /// Draws the 128 bits at one counter of one stream.
    pub const fn block(self, purpose: Purpose, peer: u32, counter: u64) -> [u32; 4] {
        philox4x32_10(
            [counter as u32, (counter >> 32) as u32, peer, purpose as u32],
            [self.0 as u32, (self.0 >> 32) as u32],
        )
    }

    /// Starts to read one stream from its beginning.
    pub const fn stream(self, purpose: Purpose, peer: u32) -> Stream {
        Stream {
            seed: self,
            purpose,
            peer,
            counter: 0,
            block: [0; 4],
            left: 0,
        }
    }

    /// Draws a 32-byte seed.
    pub fn bytes(self, purpose: Purpose, peer: u32) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (counter, half) in bytes.chunks_exact_mut(16).enumerate() {
            let block = self.block(purpose, peer, counter as u64);
            for (word, into) in block.iter().zip(half.chunks_exact_mut(4)) {
                into.copy_from_slice(&word.to_le_bytes());
            }
        }
        bytes
    }
}

/// One stream, read in order.
pub struct Stream {
    seed: Seed,
    purpose: Purpose,
    peer: u32,
    counter: u64,
    block: [u32; 4],
    left: usize,
}

impl Stream {
    /// Draws 32 bits.
    pub fn bits(&mut self) -> u32 {
        if self.left == 0 {
            self.block = self.seed.block(self.purpose, self.peer, self.counter);
            self.counter += 1;
            self.left = self.block.len();
        }
        self.left -= 1;
        self.block[self.left]
    }

    /// Draws an integer below `bound`, each equally likely; zero when the bound is zero.
    ///
    /// Lemire 2019, "Fast random integer generation in an interval", algorithm 5.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let mut product = u64::from(self.bits()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.bits()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// Puts a slice in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // A slice longer than 2^32 is not a set of nodes.
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

/// Philox4x32 with ten rounds; constants from Salmon et al. 2011, section 4.3, and Random123.
const fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < 10 {
        let a = 0xD251_1F53_u64 * counter[0] as u64;
        let b = 0xCD9E_8D57_u64 * counter[2] as u64;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
        round += 1;
    }
    counter
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Known answers from the file `kat_vectors` of Random123.
    #[test]
    fn philox_gives_the_published_known_answers() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn streams_of_other_seeds_purposes_and_peers_differ() {
        let block = Seed(1).block(Purpose::Transit, 7, 3);
        assert_eq!(block, Seed(1).block(Purpose::Transit, 7, 3));
        assert_ne!(block, Seed(2).block(Purpose::Transit, 7, 3));
        assert_ne!(block, Seed(1).block(Purpose::Fault, 7, 3));
        assert_ne!(block, Seed(1).block(Purpose::Transit, 8, 3));
        assert_ne!(block, Seed(1).block(Purpose::Transit, 7, 4));
    }

    #[test]
    fn integers_below_a_bound_are_uniform() {
        let mut stream = Seed(42).stream(Purpose::Workload, 0);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[stream.below(6) as usize] += 1;
        }
        // Chi-square with 5 degrees of freedom stays below 20.5 with probability 0.999.
        let chi_square: f64 = counts
            .iter()
            .map(|&n| (f64::from(n) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi_square < 20.5, "{counts:?}");
        assert_eq!(stream.below(0), 0);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..1_000).collect();
        Seed(1).stream(Purpose::MeshLinks, 0).shuffle(&mut items);
        assert_ne!(items, (0..1_000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_probability_hits_as_often_as_it_says() {
        let loss = Ppm::new(50_000).unwrap();
        let mut stream = Seed(3).stream(Purpose::Transit, 0);
        let hits = (0..100_000).filter(|_| loss.hit(stream.bits())).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
        assert!(!Ppm::NEVER.hit(0));
        assert!(Ppm::new(1_000_000).unwrap().hit(u32::MAX));
        assert_eq!(Ppm::new(1_000_001), None);
    }
}
