//! A sample as an exporter offers it, in one form for all ways in.

use super::{
    super::{compiled::Allowed, name::MetricKind},
    refusal::Refusal,
    value::Value,
};

/// Longest value of a label, bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 128;

/// A sample that somebody offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Under which name: any bytes, as they were sent.
    pub name: Vec<u8>,
    /// With which labels.
    pub labels: Vec<(String, String)>,
    /// How it says that it behaves.
    pub sent: Sent,
    /// Its value.
    pub value: Value,
}

/// How a sample says that it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A counter's total since its exporter started.
    Total,
    /// What a counter grew by.
    Growth,
    /// A gauge.
    Level,
    /// What a gauge changed by.
    Shift,
    /// Something observed so many times, to be counted and added up.
    Observed(Value),
    /// A member of a set.
    Member,
    /// A part of a histogram, under its own name: buckets, sum and count.
    OfHistogram,
    /// What a part of a histogram grew by.
    GrowthOfHistogram,
    /// A part of a summary, under its own name: quantiles, sum and count.
    OfSummary,
    /// It does not say: the charter does.
    Untold,
}

impl Sent {
    /// Says it in the words of the charter.
    const fn words(self) -> &'static str {
        match self {
            Self::Total | Self::Growth => "counter",
            Self::Level | Self::Shift => "gauge",
            Self::Observed(_) => "timer or distribution",
            Self::Member => "set",
            Self::OfHistogram | Self::GrowthOfHistogram => "histogram",
            Self::OfSummary => "summary",
            Self::Untold => "part of another kind",
        }
    }

    /// Checks that a sample which behaves so may stand under an allowed name.
    pub(super) fn check(self, allowed: &Allowed) -> Result<(), Refusal> {
        let suffix = allowed.name.strip_prefix(allowed.metric.as_str());
        let suffix = suffix.unwrap_or_default();
        // When something began is told as what an exporter pleases, and not kept.
        if suffix == "_created" {
            return Ok(());
        }
        let is_untold = self == Self::Untold;
        let fits = match allowed.kind {
            MetricKind::Counter => {
                is_untold
                    || (matches!(self, Self::Total | Self::Growth)
                        && matches!(suffix, "" | "_total"))
            }
            MetricKind::Gauge => is_untold || matches!(self, Self::Level | Self::Shift),
            MetricKind::Set => is_untold || matches!(self, Self::Level | Self::Member),
            MetricKind::Histogram if suffix.is_empty() => matches!(self, Self::Observed(_)),
            MetricKind::Histogram => {
                is_untold || matches!(self, Self::OfHistogram | Self::GrowthOfHistogram)
            }
            MetricKind::Summary => {
                is_untold
                    || self == Self::OfSummary
                    || (matches!(self, Self::Observed(_)) && suffix.is_empty())
            }
        };
        match fits {
            true => Ok(()),
            false => Err(Refusal::Kind {
                listed: allowed.kind.name(),
                sent: self.words(),
            }),
        }
    }
}

/// Checks labels against those that the charter lists for a name, and puts them in order.
pub(super) fn check_labels(
    allowed: &Allowed,
    mut labels: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, Refusal> {
    labels.sort();
    for (at, (label, value)) in labels.iter().enumerate() {
        if allowed.labels.binary_search(label).is_err() {
            return Err(Refusal::Label(shown(label)));
        }
        let is_twice = at > 0 && labels[at - 1].0 == *label;
        if is_twice || value.len() > LABEL_VALUE_BYTES_MAX {
            return Err(Refusal::LabelValue(label.clone()));
        }
    }
    Ok(labels)
}

/// Repeats a label only if it looks like one.
fn shown(label: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    match label.len() <= 64 && label.bytes().all(is_plain) {
        true => label.to_owned(),
        false => "…".to_owned(),
    }
}
