//! Counts of values in buckets that widen with the value, so that quantiles cost no list of values.
//!
//! Below 64 buckets are exact; above, each power of two is cut in 32, so a quantile is at most 1/32
//! (3.2 %) above the true one. Counting and joining are integer additions: exact, and independent of
//! order.

/// Buckets per power of two, as a power of two.
const STEP_BITS: u32 = 5;

/// A histogram of unsigned values.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Adds the counts of another histogram.
    pub fn join(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Returns how many values were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the largest value, zero if there was none.
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// Returns the mean, rounded down; zero if nothing was counted.
    pub const fn mean(&self) -> u64 {
        match self.sum.checked_div(self.count) {
            Some(mean) => mean,
            None => 0,
        }
    }

    /// Returns a value that `permille` of 1,000 values do not exceed, zero if nothing was counted.
    pub fn quantile(&self, permille: u64) -> u64 {
        let rank = (self.count * permille).div_ceil(1_000).max(1);
        let mut passed = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= rank {
                return upper_end(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket_of(value: u64) -> usize {
    let octave = value.max(1).ilog2().saturating_sub(STEP_BITS);
    ((u64::from(octave) << STEP_BITS) + (value >> octave)) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let octave = (bucket as u64 >> STEP_BITS).saturating_sub(1);
    let step = bucket as u64 - (octave << STEP_BITS);
    (u128::from(step + 1) << octave)
        .saturating_sub(1)
        .min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_never_below_the_true_ones_and_at_most_a_32nd_above(
            mut values in prop::collection::vec(0_u64..10_000_000_000, 1..300),
            permille in 1_u64..=1_000,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record(*value));
            values.sort_unstable();
            let rank = (values.len() as u64 * permille).div_ceil(1_000) as usize;
            let exact = values[rank - 1];
            let got = histogram.quantile(permille);
            prop_assert!(got >= exact && got <= exact + exact / 32, "{got} for {exact}");
        }

        #[test]
        fn every_value_lies_within_its_bucket(value in any::<u64>()) {
            let bucket = bucket_of(value);
            prop_assert!(value <= upper_end(bucket));
            prop_assert!(bucket == 0 || value > upper_end(bucket - 1));
        }

        #[test]
        fn joining_is_counting_everything_in_one(
            left in prop::collection::vec(any::<u32>(), 0..50),
            right in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let of = |values: &[u32]| {
                let mut histogram = Histogram::default();
                values.iter().for_each(|value| histogram.record(u64::from(*value)));
                histogram
            };
            let mut joined = of(&left);
            joined.join(&of(&right));
            let whole = of(&[left, right].concat());
            prop_assert_eq!(joined.buckets, whole.buckets);
            prop_assert_eq!((joined.count, joined.sum, joined.max), (whole.count, whole.sum, whole.max));
        }
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(500), empty.max(), empty.mean()), (0, 0, 0));
    }
}
