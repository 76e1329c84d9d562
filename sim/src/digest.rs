//! A running digest over every event of a run: equal digests, equal runs.
//!
//! Events of one virtual second are added up as a multiset hash (Clarke et al. 2003, "Incremental
//! multiset hash functions", MSet-Add-Hash), and the sums of the seconds are chained by SHA-256.
//! An event carries its full order (time, destination, source, sequence), so the multiset fixes the
//! sequence, and shards that ran on several threads are joined by addition. Where two runs differ,
//! the chain tells the first second in which they did.
//!
//! The per-event hash is 128 bits wide and takes a few nanoseconds. It finds accidents, and is not
//! made to withstand somebody who searches for two different runs with one digest.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::time::{Span, Time};

/// The length of one link of the chain.
const EPOCH: Span = Span::from_secs(1);

/// The digest of a whole run.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunDigest([u8; 32]);

impl fmt::Display for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RunDigest> for String {
    fn from(digest: RunDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for RunDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("{text:?} is not a digest: 64 hexadecimal digits are expected");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// The sum of one second's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Epoch {
    number: u64,
    events: u64,
    sum: u128,
}

/// Takes in events, in any order within a second and with the seconds in order.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    closed: Vec<Epoch>,
    open: Option<Epoch>,
}

impl Digest {
    /// Takes in one event that happened at a moment, described by four words.
    pub fn absorb(&mut self, at: Time, words: [u64; 4]) {
        let number = at.0 / EPOCH.0;
        match &mut self.open {
            Some(open) if open.number == number => open.add(words),
            open => {
                let mut epoch = Epoch {
                    number,
                    events: 0,
                    sum: 0,
                };
                epoch.add(words);
                self.closed.extend(open.replace(epoch));
            }
        }
    }

    /// Joins the digests of shards that ran side by side, and returns that of the whole run.
    pub fn join<'a>(shards: impl IntoIterator<Item = &'a Self>) -> RunDigest {
        let mut epochs: Vec<Epoch> = shards
            .into_iter()
            .flat_map(|shard| shard.closed.iter().chain(&shard.open))
            .copied()
            .collect();
        epochs.sort_unstable_by_key(|epoch| epoch.number);
        epochs.dedup_by(|other, kept| {
            let same = other.number == kept.number;
            if same {
                kept.events += other.events;
                kept.sum = kept.sum.wrapping_add(other.sum);
            }
            same
        });
        RunDigest(epochs.iter().fold([0; 32], |chain, epoch| {
            Sha256::new()
                .chain_update(b"x0/run/1\0")
                .chain_update(chain)
                .chain_update(epoch.number.to_be_bytes())
                .chain_update(epoch.events.to_be_bytes())
                .chain_update(epoch.sum.to_be_bytes())
                .finalize()
                .into()
        }))
    }
}

impl Epoch {
    fn add(&mut self, words: [u64; 4]) {
        self.events += 1;
        self.sum = self.sum.wrapping_add(hash(words));
    }
}

/// Hashes four words to 128 bits in two lanes of folded multiplications; the constants are the
/// first fraction digits of π.
fn hash(words: [u64; 4]) -> u128 {
    const LEFT: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345];
    const RIGHT: [u64; 2] = [0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];
    let lane = |[start, factor]: [u64; 2]| {
        let mixed = words.iter().fold(start, |state, &word| {
            fold(state ^ word, factor)
                .wrapping_add(start)
                .rotate_left(23)
        });
        fold(mixed, factor)
    };
    u128::from(lane(LEFT)) << 64 | u128::from(lane(RIGHT))
}

/// Multiplies and folds the halves, keeping the left factor in so that zero is no sink.
const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    (product as u64) ^ ((product >> 64) as u64) ^ left.rotate_left(32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn digest_of<'a>(events: impl IntoIterator<Item = &'a (u64, u64)>) -> Digest {
        let mut digest = Digest::default();
        for &(at, what) in events {
            digest.absorb(Time(at), [at, what, 0, 0]);
        }
        digest
    }

    proptest! {
        #[test]
        fn shards_join_to_the_digest_of_the_whole(
            mut events in prop::collection::vec((0_u64..5_000_000, any::<u64>()), 0..200),
            cut in any::<u64>(),
        ) {
            events.sort_unstable();
            let whole = digest_of(&events);
            let left = digest_of(events.iter().filter(|(_, what)| *what < cut));
            let right = digest_of(events.iter().filter(|(_, what)| *what >= cut));

            prop_assert_eq!(Digest::join([&whole]), Digest::join([&right, &left]));
        }

        #[test]
        fn one_changed_bit_changes_the_digest(
            words in any::<[u64; 4]>(), word in 0_usize..4, bit in 0_u32..64,
        ) {
            let mut changed = words;
            changed[word] ^= 1 << bit;
            prop_assert_ne!(hash(words), hash(changed));
        }
    }

    #[test]
    fn the_hash_of_small_words_spreads_over_all_bits() {
        let mut hashes: Vec<u128> = (0..100_000_u64)
            .map(|n| hash([n % 10, n / 10, 0, 0]))
            .collect();
        let ones: u32 = hashes.iter().map(|hash| hash.count_ones()).sum();
        assert!(
            (6_390_000..6_410_000).contains(&ones),
            "{ones} ones in 12.8 million bits"
        );
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 100_000);
    }

    #[test]
    fn an_event_in_another_second_is_another_run() {
        let (mut early, mut late) = (Digest::default(), Digest::default());
        early.absorb(Time(999_999), [1, 2, 3, 4]);
        late.absorb(Time(1_000_000), [1, 2, 3, 4]);
        assert_ne!(Digest::join([&early]), Digest::join([&late]));
    }

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Digest::join([&digest_of(&[(1, 2)])]);
        assert_eq!(RunDigest::try_from(digest.to_string()), Ok(digest));
        assert!(RunDigest::try_from("12".to_owned()).is_err());
        assert!(RunDigest::try_from("zz".repeat(32)).is_err());
    }
}
