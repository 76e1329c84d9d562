//! How long a message takes: regions of the world, and what was measured between them.
//!
//! The numbers are those of SimBlock (Aoki, Otsuki, Kaneko, Banno, Shudo 2019, "SimBlock: a
//! blockchain network simulator", CryBlock at IEEE INFOCOM; `NetworkConfiguration.java`, year 2019):
//! mean delays between six regions, and the share of nodes in each. As there, the delay of a message
//! is Pareto distributed with a floor 5 ms below the mean and shape 0.2 · mean / ms, so that a
//! link has a fixed base and each message its jitter.
//!
//! What is approximate: all links between two regions share one base; means are of 2019, and as in
//! SimBlock stand for one way though they are near what is measured both ways, so the model is
//! slower than the internet rather than faster; the tail ends at the 99.8th percentile. Sampling is
//! in integers from tables, the same on every machine.

use crate::{
    random::{Purpose, Seed},
    time::Span,
};

/// Regions: North America, Europe, South America, Asia-Pacific, Japan, Australia.
const REGIONS: usize = 6;

/// Mean delay between regions, ms (SimBlock, `LATENCY_2019`).
const MEAN_MS: [[u32; REGIONS]; REGIONS] = [
    [32, 124, 184, 198, 151, 189],
    [124, 11, 227, 237, 252, 294],
    [184, 227, 88, 325, 301, 322],
    [198, 237, 325, 85, 58, 198],
    [151, 252, 301, 58, 12, 126],
    [189, 294, 322, 198, 126, 16],
];

/// Share of nodes per region, in 1/10,000 (SimBlock, `REGION_DISTRIBUTION_BITCOIN_2019`; its shares
/// sum to 0.9999, the rest is added to the largest).
const SHARES: [u32; REGIONS] = [3_316, 4_999, 90, 1_177, 224, 194];

/// How far below its mean the floor of a delay lies, ms (SimBlock, `Network.getLatency`).
const FLOOR_BELOW_MEAN_MS: u32 = 5;

/// Quantiles per table.
const QUANTILES: usize = 256;

/// Where delays come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyModel {
    /// Regions of the world as measured in 2019.
    Internet,
    /// The same delay for every message.
    Fixed(Span),
}

/// Delays between the nodes of a run.
pub struct Latency {
    /// The region of each node; one for all if the delay is fixed.
    regions: Vec<u8>,
    /// Per ordered pair of regions: quantiles of the delay, µs.
    tables: Vec<[u32; QUANTILES]>,
    fixed: Option<Span>,
    min: Span,
}

impl Latency {
    /// Places `nodes` nodes in regions by the published shares.
    pub fn new(seed: Seed, nodes: u32, model: LatencyModel) -> Self {
        match model {
            LatencyModel::Fixed(span) => Self {
                regions: Vec::new(),
                tables: Vec::new(),
                fixed: Some(span),
                min: span,
            },
            LatencyModel::Internet => {
                let tables: Vec<_> = MEAN_MS
                    .as_flattened()
                    .iter()
                    .map(|&m| quantiles(m))
                    .collect();
                let least = tables.iter().map(|table| table[0]).min().unwrap_or(0);
                Self {
                    regions: (0..nodes).map(|node| region_of(seed, node)).collect(),
                    tables,
                    fixed: None,
                    min: Span(u64::from(least)),
                }
            }
        }
    }

    /// Returns the delay of one message, drawn by 32 random bits.
    #[inline]
    pub fn sample(&self, from: u32, to: u32, bits: u32) -> Span {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let (from, to) = (self.regions[from as usize], self.regions[to as usize]);
        let table = &self.tables[usize::from(from) * REGIONS + usize::from(to)];
        let (knot, part) = ((bits >> 24) as usize, u64::from(bits & 0x00FF_FFFF));
        let low = u64::from(table[knot]);
        let high = u64::from(table[(knot + 1).min(QUANTILES - 1)]);
        Span(low + (((high - low) * part) >> 24))
    }

    /// Returns the shortest delay there is.
    pub const fn min(&self) -> Span {
        self.min
    }

    /// Returns a node's region, an index into the six; zero for all if the delay is fixed.
    pub fn region(&self, node: u32) -> u8 {
        self.regions.get(node as usize).copied().unwrap_or(0)
    }
}

fn region_of(seed: Seed, node: u32) -> u8 {
    let mut left = seed
        .stream(Purpose::Region, node)
        .below(SHARES.iter().sum());
    let mut region = 0;
    for share in SHARES {
        if left < share {
            break;
        }
        left -= share;
        region += 1;
    }
    region
}

/// Tabulates floor · u^(−1/shape), which is floor · exp(5 · E / mean) for an exponential E, in µs.
fn quantiles(mean_ms: u32) -> [u32; QUANTILES] {
    let floor_us = u128::from(mean_ms - FLOOR_BELOW_MEAN_MS) * 1_000;
    core::array::from_fn(|knot| {
        let survivors = (2 * (QUANTILES - knot) - 1) as u128;
        let exponential = ln(2 * QUANTILES as u128) - ln(survivors);
        let stretch = exp(exponential * 5 / u128::from(mean_ms));
        // At most 6 ms · exp(5 · 6.3 / 11) or 320 ms · exp(0.1): far below 2^32 µs.
        ((floor_us * stretch) >> 32) as u32
    })
}

/// ln(2) with 32 fraction bits.
const LN_2: u128 = 0xB172_17F8;

/// The natural logarithm of a positive integer, with 32 fraction bits.
fn ln(value: u128) -> u128 {
    let whole = value.ilog2();
    let mut mantissa = (value << 32) >> whole;
    let mut log2 = u128::from(whole);
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 32;
        let carry = mantissa >> 33;
        mantissa >>= carry;
        log2 = log2 << 1 | carry;
    }
    (log2 * LN_2) >> 32
}

/// The exponential function, argument and value with 32 fraction bits; arguments below 8.
fn exp(argument: u128) -> u128 {
    let small = argument >> 3;
    let (mut term, mut sum) = (1_u128 << 32, 1_u128 << 32);
    for n in 1..20 {
        term = ((term * small) >> 32) / n;
        sum += term;
    }
    (0..3).fold(sum, |value, _| (value * value) >> 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn logarithm_and_exponential_are_right_to_seven_digits() {
        for value in [1_u32, 2, 3, 10, 511, 512] {
            let got = ln(u128::from(value)) as f64 / 2_f64.powi(32);
            assert!(
                (got - f64::from(value).ln()).abs() < 1e-7,
                "ln({value}) = {got}"
            );
        }
        for argument in [0.0_f64, 0.1, 1.0, 2.5, 6.0] {
            let got = exp((argument * 2_f64.powi(32)) as u128) as f64 / 2_f64.powi(32);
            assert!(
                (got / argument.exp() - 1.0).abs() < 1e-7,
                "exp({argument}) = {got}"
            );
        }
    }

    #[test]
    fn mean_delays_are_the_published_ones() {
        for (pair, table) in MEAN_MS.as_flattened().iter().map(|&m| (m, quantiles(m))) {
            let mean = table.iter().map(|&us| f64::from(us)).sum::<f64>() / 256e3;
            let published = f64::from(pair);
            assert!(
                (mean - published).abs() < 0.03 * published + 0.5,
                "{mean} for {published} ms"
            );
        }
    }

    #[test]
    fn delays_grow_with_the_quantile_and_begin_at_the_floor() {
        for &mean in MEAN_MS.as_flattened() {
            let table = quantiles(mean);
            assert!(table.is_sorted());
            assert_eq!(table[0] / 1_000, mean - FLOOR_BELOW_MEAN_MS);
        }
    }

    #[test]
    fn regions_have_their_shares() {
        let latency = Latency::new(Seed(1), 20_000, LatencyModel::Internet);
        let mut counts = [0_u32; REGIONS];
        for node in 0..20_000 {
            counts[usize::from(latency.region(node))] += 1;
        }
        for (count, share) in counts.iter().zip(SHARES) {
            assert!((count.abs_diff(share * 2)) < 250, "{counts:?}");
        }
        assert_eq!(SHARES.iter().sum::<u32>(), 10_000);
    }

    /// Pins the tables: another value would silently be another network.
    #[test]
    fn the_tables_are_the_same_on_every_machine() {
        let latency = Latency::new(Seed(1), 0, LatencyModel::Internet);
        let sum: u64 = latency
            .tables
            .as_flattened()
            .iter()
            .map(|&us| u64::from(us))
            .sum();
        assert_eq!(sum, 1_693_540_064);
    }
}
