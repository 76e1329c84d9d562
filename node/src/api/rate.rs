//! How many requests a caller may send: a token bucket for each, in bounded memory.
//!
//! A caller may burst, then goes on at a steady rate. The buckets of callers who have rested long enough to
//! be full again are forgotten; if everybody is busy and the table is full, newcomers share one bucket.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::auth::CallerName;

/// Callers remembered; a node has a handful.
const CALLERS_MAX: usize = 256;

/// What a caller may send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests at once.
    pub burst: f64,
    /// Requests per second in the long run.
    pub per_second: f64,
}

impl Rate {
    /// For callers who have not: enough for a mistyped token, too little for guessing.
    pub const STRANGER: Self = Self {
        burst: 20.0,
        per_second: 2.0,
    };

    /// Returns what callers who have shown who they are may send: a burst of four seconds' worth.
    pub fn of_known(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self {
            burst: per_second * 4.0,
            per_second,
        }
    }
}

/// The buckets of all callers.
#[derive(Default)]
pub struct RateLimiter {
    buckets: Mutex<BTreeMap<CallerName, Bucket>>,
}

struct Bucket {
    left: f64,
    filled_at: Instant,
}

impl RateLimiter {
    /// Takes one request of a caller into account.
    ///
    /// # Errors
    ///
    /// Returns how long the caller has to wait.
    pub fn admit(&self, caller: &CallerName, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(caller) {
            buckets.retain(|_, bucket| !bucket.is_rested(now));
        }
        let caller = if buckets.len() >= CALLERS_MAX && !buckets.contains_key(caller) {
            CallerName::Crowd
        } else {
            caller.clone()
        };
        let bucket = buckets.entry(caller).or_insert(Bucket {
            left: rate.burst,
            filled_at: now,
        });
        bucket.take(rate, now)
    }
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let rested = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.left = (self.left + rested * rate.per_second).min(rate.burst);
        self.filled_at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / rate.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }

    /// Tells whether the caller rested so long that any bucket is full.
    fn is_rested(&self, now: Instant) -> bool {
        let slowest = Rate::STRANGER.burst / Rate::STRANGER.per_second;
        now.saturating_duration_since(self.filled_at).as_secs_f64() >= slowest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const RATE: Rate = Rate {
        burst: 3.0,
        per_second: 2.0,
    };

    #[test]
    fn a_burst_is_served_and_then_the_caller_waits_as_told() {
        let limiter = RateLimiter::default();
        let start = Instant::now();
        let caller = CallerName::Unix(1000);
        for _ in 0..3 {
            limiter.admit(&caller, RATE, start).unwrap();
        }

        let wait = limiter.admit(&caller, RATE, start).unwrap_err();

        assert_eq!(wait, Duration::from_millis(500));
        assert!(limiter.admit(&caller, RATE, start + wait / 2).is_err());
        assert!(limiter.admit(&caller, RATE, start + wait).is_ok());
    }

    #[test]
    fn one_caller_does_not_use_up_what_another_has() {
        let limiter = RateLimiter::default();
        let now = Instant::now();
        while limiter.admit(&CallerName::Unix(1), RATE, now).is_ok() {}

        assert!(limiter.admit(&CallerName::Unix(2), RATE, now).is_ok());
    }

    #[test]
    fn memory_is_bounded_however_many_callers_come() {
        let limiter = RateLimiter::default();
        let now = Instant::now();
        for uid in 0..2_000 {
            limiter.admit(&CallerName::Unix(uid), RATE, now).ok();
        }

        assert!(limiter.buckets.lock().unwrap().len() <= CALLERS_MAX + 1);
        assert!(limiter.admit(&CallerName::Unix(9_999), RATE, now).is_err());
        let later = now + Duration::from_secs(60);
        assert!(limiter.admit(&CallerName::Unix(9_999), RATE, later).is_ok());
    }
}
