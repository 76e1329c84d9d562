//! What a metric's name is, byte for byte: the same in the node, in a kernel probe and in a contract.
//!
//! - A name is compared as **bytes**, and **case counts**. Nothing is trimmed, folded or normalised.
//! - A name has 1 to 128 bytes, begins with `a`–`z`, and goes on with `a`–`z`, `0`–`9`, `_`, `.` and `-`. Whatever holds
//!   another byte is *malformed* and refused, whichever list stands beside it. So neither capitals nor letters of other
//!   scripts can stand in for one of a name.
//! - In StatsD (`name:value|type`) the name ends before the first `:`; in Prometheus and OpenMetrics before `{`, or the
//!   first space. What comes before that is the name, and all of it.
//! - A declared metric is exported under its own name, and those that its kind adds ([`MetricKind::suffixes`]). A charter is
//!   compiled into all of these, so that an enforcement looks for the whole name and knows no suffixes.

use serde::{Deserialize, Serialize};

use super::bounds::{DECLARED_BYTES_MAX, NAME_BYTES_MAX};

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
    /// Keeps quantiles of observations.
    Summary,
    /// Counts different values.
    Set,
}

impl MetricKind {
    /// Every kind, with the name it has in a file.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::Counter, "counter"),
        (Self::Gauge, "gauge"),
        (Self::Histogram, "histogram"),
        (Self::Summary, "summary"),
        (Self::Set, "set"),
    ];

    /// Returns the name it has in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Set => "set",
        }
    }

    /// Returns what an exporter adds to the name, beside the bare name itself (OpenMetrics 1.0, section "Metric
    /// Types"; StatsD adds nothing on the wire).
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total", "_created"],
            Self::Gauge | Self::Set => &[],
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["_sum", "_count", "_created"],
        }
    }

    /// Returns the label that the kind itself brings.
    pub const fn own_label(self) -> Option<&'static str> {
        match self {
            Self::Histogram => Some("le"),
            Self::Summary => Some("quantile"),
            Self::Counter | Self::Gauge | Self::Set => None,
        }
    }
}

/// Why bytes are no name of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes")]
    TooLong(usize),
    /// A byte is none of the alphabet, or the first is no letter.
    #[error("the byte at place {0} is not allowed there")]
    Byte(usize),
}

/// Says what is wrong with the name that something is collected under.
///
/// # Errors
///
/// Returns why the bytes are no name.
pub fn check_name(name: &[u8]) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameFault::TooLong(name.len()));
    }
    let is_fault = |(at, byte): (usize, &u8)| !in_alphabet(*byte, at == 0);
    match name.iter().enumerate().position(is_fault) {
        Some(at) => Err(NameFault::Byte(at + 1)),
        None => Ok(()),
    }
}

/// Says what is wrong with a name as a charter declares it: room is left for suffixes.
pub(super) fn check_declared(name: &str) -> Result<(), NameFault> {
    check_name(name.as_bytes())?;
    match name.len() > DECLARED_BYTES_MAX {
        true => Err(NameFault::TooLong(name.len())),
        false => Ok(()),
    }
}

const fn in_alphabet(byte: u8, is_first: bool) -> bool {
    match byte {
        b'a'..=b'z' => true,
        b'0'..=b'9' | b'_' | b'.' | b'-' => !is_first,
        _ => false,
    }
}

/// Returns every name under which a metric is exported, the bare one first.
pub(super) fn exported(name: &str, kind: MetricKind) -> impl Iterator<Item = String> {
    let suffixes = kind.suffixes().iter();
    core::iter::once("")
        .chain(suffixes.copied())
        .map(move |suffix| format!("{name}{suffix}"))
}
