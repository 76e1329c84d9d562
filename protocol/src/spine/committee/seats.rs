//! Who sits on the committee, and how many of them it takes.

use serde::{Deserialize, Serialize};
use x0_crypto::PublicKey;

use crate::core::limits::{SEATS_MAX, SEATS_MIN};

/// The seats of one epoch, in order of key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PublicKey>", into = "Vec<PublicKey>")]
pub struct Seats(Vec<PublicKey>);

impl TryFrom<Vec<PublicKey>> for Seats {
    type Error = &'static str;

    fn try_from(keys: Vec<PublicKey>) -> Result<Self, Self::Error> {
        Self::new(keys).ok_or("these seats make no committee")
    }
}

impl From<Seats> for Vec<PublicKey> {
    fn from(seats: Seats) -> Self {
        seats.0
    }
}

impl Seats {
    /// Takes the keys of the seats; `None` if they are too few or too many to agree on anything.
    pub fn new(mut keys: Vec<PublicKey>) -> Option<Self> {
        keys.sort_unstable();
        keys.dedup();
        Self::can_be(keys.len()).then_some(Self(keys))
    }

    /// Tells whether so many seats make a committee.
    pub fn can_be(count: usize) -> bool {
        (SEATS_MIN..=SEATS_MAX).contains(&count)
    }

    /// Returns the keys, in order.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Returns the number of seats.
    #[expect(clippy::len_without_is_empty, reason = "there are never none")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether `key` holds a seat.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.binary_search(key).is_ok()
    }

    /// Returns how many seats may be hostile without harm: `⌊(n−1)/3⌋`.
    pub const fn faulty_max(&self) -> usize {
        (self.0.len() - 1) / 3
    }

    /// Returns how many seats decide: `⌊2n/3⌋+1`.
    pub const fn quorum(&self) -> usize {
        self.0.len() * 2 / 3 + 1
    }

    /// Returns who proposes at a height in a round: each in turn, beginning with another at every height.
    pub fn proposer(&self, height: u64, round: u32) -> &PublicKey {
        &self.0[self.turn(height, round)]
    }

    pub(super) fn turn(&self, height: u64, round: u32) -> usize {
        let count = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        let turn = (height % count + u64::from(round) % count) % count;
        usize::try_from(turn).unwrap_or_default()
    }

    /// Tells whether these are a quorum of different seats, in order.
    pub fn is_quorum<'a>(&self, keys: impl Iterator<Item = &'a PublicKey>) -> bool {
        let keys: Vec<_> = keys.collect();
        keys.len() >= self.quorum()
            && keys.is_sorted_by(|a, b| a < b)
            && keys.iter().all(|key| self.contains(key))
    }
}
