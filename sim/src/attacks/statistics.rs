//! How sure a measured figure is, and what exact formulas say.

use serde::Serialize;

use crate::random::{Purpose, Seed};

/// The normal quantile of 97.5 %.
const Z_95: f64 = 1.959_964;
/// The normal quantile of 99.95 %.
const Z_999: f64 = 3.290_527;
/// Resamplings of a bootstrap.
const RESAMPLES: usize = 2_000;

/// Where a true value lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Returns the interval of 95 % confidence of a share.
///
/// Wilson 1927, "Probable inference, the law of succession, and statistical inference".
pub(super) fn wilson(hits: u64, trials: u64) -> Interval {
    wilson_at(hits, trials, Z_95)
}

/// Returns the interval of 99.9 % confidence of a share.
pub(super) fn wilson_wide(hits: u64, trials: u64) -> Interval {
    wilson_at(hits, trials, Z_999)
}

fn wilson_at(hits: u64, trials: u64, z: f64) -> Interval {
    if trials == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let (middle, scale) = (p + z * z / (2.0 * n), 1.0 + z * z / n);
    // At both ends rounding would leave a trace of what is exactly nothing or all.
    let low = if hits == 0 {
        0.0
    } else {
        (middle - spread) / scale
    };
    let high = if hits == trials {
        1.0
    } else {
        (middle + spread) / scale
    };
    Interval { low, high }
}

/// Returns the mean and its interval of 95 % confidence by the percentile bootstrap (Efron 1979); none for one value.
pub(super) fn mean_interval(values: &[f64], seed: u64) -> (f64, Option<Interval>) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return (mean, None);
    }
    let mut stream = Seed(seed).stream(Purpose::Workload, u32::MAX);
    // Nobody measures 2^32 values.
    let draw =
        |stream: &mut crate::random::Stream| values[stream.below(values.len() as u32) as usize];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| values.iter().map(|_| draw(&mut stream)).sum::<f64>() / count)
        .collect();
    means.sort_by(f64::total_cmp);
    let (low, high) = (means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]);
    (mean, Some(Interval { low, high }))
}

/// Returns the probability that all of `drawn` out of `total` are among `marked`, drawn without putting back.
pub(super) fn all_marked(total: u32, marked: u32, drawn: u32) -> f64 {
    at_least_marked(total, marked, drawn, drawn)
}

/// Returns the probability that at least `least` of `drawn` out of `total` are among `marked` (hypergeometric).
pub(super) fn at_least_marked(total: u32, marked: u32, drawn: u32, least: u32) -> f64 {
    let ways = |n: u32, k: u32| {
        (0..k).fold(0.0, |sum, i| {
            sum + f64::from(n - i).ln() - f64::from(i + 1).ln()
        })
    };
    (least..=drawn)
        .filter(|k| *k <= marked && drawn - k <= total - marked)
        .map(|k| (ways(marked, k) + ways(total - marked, drawn - k) - ways(total, drawn)).exp())
        .sum()
}

/// Returns the chi-squared statistic of counts that should all be equal, and the probability of one as large or larger.
///
/// The tail is approximated as Wilson and Hilferty 1931 do; with more than ten counts it is off by less than 0.001.
pub(super) fn chi_squared(counts: &[u64]) -> (f64, f64) {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / counts.len().max(1) as f64;
    let statistic = counts
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected.max(1e-9))
        .sum::<f64>();
    let free = counts.len().saturating_sub(1).max(1) as f64;
    let spread = 2.0 / (9.0 * free);
    let z = ((statistic / free).cbrt() - (1.0 - spread)) / spread.sqrt();
    (statistic, normal_tail(z))
}

/// Returns the probability of a standard normal value above `z` (Abramowitz and Stegun 1964, 26.2.17).
fn normal_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * poly;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3 * b.abs().max(1e-3)
    }

    #[test]
    fn a_wilson_interval_is_that_of_the_textbook() {
        let Interval { low, high } = wilson(10, 100);
        assert!(near(low, 0.055_23) && near(high, 0.174_37), "{low} {high}");
        let none = wilson(0, 1_000);
        assert!(none.low == 0.0 && near(none.high, 0.003_83), "{none:?}");
    }

    #[test]
    fn hypergeometric_shares_add_up_to_one_and_match_known_ones() {
        // Poker: four aces among five cards of 52.
        assert!(near(at_least_marked(52, 4, 5, 4), 48.0 / 2_598_960.0));
        assert!(near(at_least_marked(30, 9, 5, 0), 1.0));
        assert!(near(all_marked(10, 3, 3), 1.0 / 120.0));
        assert_eq!(all_marked(10, 2, 3), 0.0);
    }

    #[test]
    fn a_loaded_die_is_found_and_a_fair_one_is_not() {
        let mut stream = Seed(5).stream(Purpose::Workload, 0);
        let mut counts = [0_u64; 20];
        (0..20_000).for_each(|_| counts[stream.below(20) as usize] += 1);
        let (_, fair) = chi_squared(&counts);
        assert!(fair > 0.001, "{fair}");
        counts[3] += 200;
        let (_, loaded) = chi_squared(&counts);
        assert!(loaded < 0.001, "{loaded}");
        assert!(near(normal_tail(1.959_964), 0.025));
    }

    #[test]
    fn a_mean_lies_within_its_interval() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let (mean, interval) = mean_interval(&values, 1);
        let interval = interval.unwrap();
        assert!(near(mean, 24.5));
        assert!(interval.low > 20.0 && interval.high < 29.0, "{interval:?}");
        assert_eq!(mean_interval(&[3.0], 1), (3.0, None));
    }
}
