//! An agent's usual rate of acts, learned from its own past, in integers.
//!
//! Acts are counted in buckets of ten minutes of their signed dates. The usual is the median over a day of buckets
//! and the spread their median distance from it, so that a few wild buckets move neither. The alarm stands where a
//! bell curve of that spread would put six standard deviations. It cannot be taught away quickly: its upper limit
//! stands at twice the alarm first learned and at most doubles from one day to the next.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::core::{
    limits::RECENT_PER_AGENT_MAX,
    time::{Millis, Wall},
};

/// Width of a bucket.
pub(super) const BUCKET: Millis = Millis::from_mins(10);

/// Buckets remembered: a day.
const BUCKETS_KEPT: usize = 144;

/// Buckets of history before there is a usual to compare with: two hours.
const BUCKETS_MIN: usize = 12;

/// Six standard deviations in units of the median distance, in ten-thousandths: 6 × 1.4826, the factor by which the
/// median absolute deviation of a normal distribution falls short of its standard deviation (Rousseeuw and Croux,
/// "Alternatives to the Median Absolute Deviation", 1993).
const ALARM_SPREADS: u64 = 88_956;
const ALARM_SPREADS_UNIT: u64 = 10_000;

/// Fewest acts in a bucket that can be an alarm: one a minute is nobody's emergency.
pub(super) const ALARM_FLOOR: u32 = 10;

/// Most acts in a bucket without an alarm, whatever is usual: as many as evidence is kept of.
const ALARM_CEILING: u32 = {
    assert!(RECENT_PER_AGENT_MAX <= u32::MAX as usize);
    RECENT_PER_AGENT_MAX as u32
};

/// Least spread reckoned with: an agent as regular as a clock may be off by one.
const SPREAD_MIN: u32 = 1;

/// Factor by which the alarm may rise from one day to the next.
const DAILY_GROWTH_MAX: u32 = 2;

/// What an agent usually does in ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    /// Acts in the median bucket.
    pub median: u32,
    /// Median distance of buckets from the median, at least one.
    pub spread: u32,
    /// Acts in a bucket from which it is an alarm.
    pub alarm_from: u32,
}

impl Usual {
    /// Returns the alarm that median and spread call for; the growth limit can only lower it.
    pub(super) fn called_for(median: u32, spread: u32) -> u32 {
        let above = u64::from(spread) * ALARM_SPREADS / ALARM_SPREADS_UNIT;
        u32::try_from(u64::from(median) + above + 1)
            .unwrap_or(u32::MAX)
            .clamp(ALARM_FLOOR, ALARM_CEILING)
    }
}

/// Returns the bucket of a date.
pub(super) const fn bucket_of(time: Wall) -> u64 {
    time.0 / BUCKET.0
}

/// The counts of one agent.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    newest: u64,
    newest_acts: u32,
    /// The buckets before the newest, oldest first.
    past: VecDeque<u32>,
    anchor: Option<u32>,
    buckets_since_anchor: u64,
}

impl Rate {
    /// Begins with an agent whose first act lies in a bucket.
    pub(super) const fn starting(bucket: u64) -> Self {
        Self {
            newest: bucket,
            newest_acts: 0,
            past: VecDeque::new(),
            anchor: None,
            buckets_since_anchor: 0,
        }
    }

    /// Counts an act and returns how many its bucket holds now; `None` if the bucket is forgotten.
    pub(super) fn count(&mut self, bucket: u64) -> Option<u32> {
        if bucket > self.newest {
            self.advance(bucket);
        }
        let acts = if bucket == self.newest {
            &mut self.newest_acts
        } else {
            let back = usize::try_from(self.newest - bucket).ok()?;
            let place = self.past.len().checked_sub(back)?;
            self.past.get_mut(place)?
        };
        *acts = acts.saturating_add(1);
        Some(*acts)
    }

    /// Returns what is usual; `None` before two hours are known.
    pub(super) fn usual(&self) -> Option<Usual> {
        if self.past.len() < BUCKETS_MIN {
            return None;
        }
        let mut counts: Vec<_> = self.past.iter().copied().collect();
        let median = middle(&mut counts);
        let mut distances: Vec<_> = counts.iter().map(|acts| acts.abs_diff(median)).collect();
        let spread = middle(&mut distances).max(SPREAD_MIN);
        let called_for = Usual::called_for(median, spread);
        let most = self
            .anchor
            .map_or(called_for, |anchor| anchor.saturating_mul(DAILY_GROWTH_MAX));
        Some(Usual {
            median,
            spread,
            alarm_from: called_for.min(most),
        })
    }

    fn advance(&mut self, bucket: u64) {
        let passed = bucket - self.newest;
        self.push(self.newest_acts);
        let silent = usize::try_from(passed - 1).unwrap_or(usize::MAX);
        for _ in 0..silent.min(BUCKETS_KEPT) {
            self.push(0);
        }
        self.newest = bucket;
        self.newest_acts = 0;
        self.buckets_since_anchor = self.buckets_since_anchor.saturating_add(passed);
        let is_due = self.anchor.is_none() || self.buckets_since_anchor >= BUCKETS_KEPT as u64;
        if let Some(usual) = self.usual().filter(|_| is_due) {
            self.anchor = Some(usual.alarm_from);
            self.buckets_since_anchor = 0;
        }
    }

    fn push(&mut self, acts: u32) {
        if self.past.len() == BUCKETS_KEPT {
            self.past.pop_front();
        }
        self.past.push_back(acts);
    }
}

/// Returns the median, of an even number the upper of the two in the middle; zero of nothing.
fn middle(values: &mut [u32]) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{BUCKETS_KEPT, Rate, Usual};

    fn after(counts: impl IntoIterator<Item = u32>) -> (Rate, u64) {
        let (mut rate, mut bucket) = (Rate::starting(1_000), 1_000);
        for acts in counts {
            for _ in 0..acts {
                rate.count(bucket);
            }
            bucket += 1;
        }
        rate.advance(bucket);
        (rate, bucket)
    }

    #[test]
    fn median_and_spread_put_the_alarm_at_six_standard_deviations() {
        let (rate, _) = after([1, 2, 3].into_iter().cycle().take(60));
        let usual = rate.usual().unwrap();
        assert_eq!(
            usual,
            Usual {
                median: 2,
                spread: 1,
                alarm_from: 11
            }
        );
    }

    #[test]
    fn there_is_no_usual_before_two_hours_are_known() {
        assert_eq!(after([3; 11]).0.usual(), None);
        assert!(after([3; 12]).0.usual().is_some());
    }

    #[test]
    fn one_wild_hour_moves_the_usual_by_nothing() {
        let wild = [2; 60].into_iter().chain([200; 6]).chain([2; 60]);
        assert_eq!(after(wild).0.usual(), after([2; 126]).0.usual());
    }

    #[test]
    fn silence_counts_and_an_old_bucket_is_still_counted_into() {
        let (mut rate, bucket) = after([5; 20]);
        assert_eq!(rate.count(bucket + 40), Some(1));
        assert_eq!(rate.usual().unwrap().median, 0);
        assert_eq!(rate.count(bucket + 39), Some(1));
        assert_eq!(rate.count(bucket - 1), Some(6));
        assert_eq!(rate.count(1), None);
    }

    #[test]
    fn slow_poisoning_at_most_doubles_the_alarm_in_a_day() {
        let (mut rate, mut bucket) = after([2; BUCKETS_KEPT]);
        let mut most = 2 * rate.usual().unwrap().alarm_from;
        for _ in 0..3 {
            most *= 2;
            for _ in 0..BUCKETS_KEPT {
                for _ in 0..200 {
                    rate.count(bucket);
                }
                bucket += 1;
                rate.count(bucket);
                let usual = rate.usual().unwrap();
                assert!(usual.alarm_from <= most, "{usual:?}, at most {most}");
            }
        }
        assert!(
            Usual::called_for(200, 1) > most / 2,
            "the bound is what holds"
        );
    }
}
