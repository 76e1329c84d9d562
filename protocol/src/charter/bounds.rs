//! Every bound of a charter in one place, each with its unit and its reason.

/// What a number in a charter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// In what it counts; empty for a bare number.
    pub unit: &'static str,
}

impl Range {
    const fn new(least: u64, most: u64, unit: &'static str) -> Self {
        Self { least, most, unit }
    }

    /// Tells whether a number is allowed.
    pub const fn contains(self, number: u64) -> bool {
        self.least <= number && number <= self.most
    }
}

impl core::fmt::Display for Range {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { least, most, unit } = self;
        write!(f, "a whole number from {least} to {most}")?;
        match unit.is_empty() {
            true => Ok(()),
            false => write!(f, " ({unit})"),
        }
    }
}

/// The form of charters that this build reads and writes.
pub const FORMAT: u64 = 1;

/// Largest file, bytes: [`METRICS_MAX`] metrics with long purposes fit.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest encoded charter, bytes: [`METRICS_MAX`] metrics with purposes of usual length fit.
pub const CHARTER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest encoded charter that a mesh can run under, bytes: it travels whole inside one record of 128 KiB, beside the
/// founders of a genesis. About 400 metrics.
pub const CARRIED_BYTES_MAX: usize = 64 * 1024;

/// Most values, keys included, in a file: what [`METRICS_MAX`] metrics, their blocked names and services come to.
pub const NODES_MAX: usize = 400_000;

/// Deepest nesting in a file: a charter needs 5.
pub const DEPTH_MAX: usize = 8;

/// Most faults told of one file; more are only counted.
pub const FAULTS_MAX: usize = 1_000;

/// Most metrics, so that every lookup stays a handful of comparisons and a probe's map stays a few MiB.
pub const METRICS_MAX: usize = 10_000;

/// Longest name of a metric, bytes, its suffix included: what a kernel probe compares in full, and what a contract stores
/// in four words.
pub const NAME_BYTES_MAX: usize = 128;

/// Ports of telemetry by their programs' documentation: Graphite 2003, OTLP 4317 and 4318, InfluxDB 8086, Prometheus 9090,
/// its push gateway 9091 and node exporter 9100, StatsD exporter 9102 and 9125. What goes there is telemetry whatever a
/// charter's rules say, so that only the gateway may be spoken to on them.
pub const TELEMETRY_PORTS: [u16; 9] = [
    2_003, 4_317, 4_318, 8_086, 9_090, 9_091, 9_100, 9_102, 9_125,
];

/// The service that is the node itself: it speaks to members on any port but those of telemetry, and hands none in, as it
/// keeps the gateway.
pub const NODE_SERVICE: &str = "node";

/// Longest name of a metric as declared, bytes: leaves room for the longest suffix, `_created`.
pub const DECLARED_BYTES_MAX: usize = NAME_BYTES_MAX - 8;

/// Most labels of one metric: each multiplies what is collected.
pub const LABELS_MAX: usize = 8;

/// Longest name of a label, bytes.
pub const LABEL_BYTES_MAX: usize = 64;

/// Most names blocked one by one.
pub const BLOCKED_NAMES_MAX: usize = 10_000;

/// Most prefixes blocked: a kernel probe looks at one, but keeps them all.
pub const BLOCKED_PREFIXES_MAX: usize = 1_000;

/// Shortest blocked prefix, bytes: a shorter one would block by accident.
pub const PREFIX_BYTES_MIN: usize = 2;

/// Most services.
pub const SERVICES_MAX: usize = 64;

/// Longest name of a service, bytes.
pub const SERVICE_BYTES_MAX: usize = 32;

/// Most rules of egress of one service: a check walks them.
pub const RULES_MAX: usize = 256;

/// Most ranges of ports in one rule.
pub const PORT_RANGES_MAX: usize = 16;

/// Most telemetry ports.
pub const TELEMETRY_MAX: usize = 16;

/// Length of the charter's name, bytes.
pub const TITLE: Range = Range::new(1, 80, "bytes");

/// Length of a principle's text, bytes: a sentence or some.
pub const PRINCIPLE: Range = Range::new(20, 600, "bytes");

/// Length of a metric's purpose, bytes: a sentence for whoever is asked.
pub const PURPOSE: Range = Range::new(10, 200, "bytes");

/// The number of a charter, which only rises.
pub const NUMBER: Range = Range::new(1, 1_000_000, "");

/// How long a metric may be kept, days: two years, so that one year can be compared with the one before.
pub const RETENTION: Range = Range::new(1, 730, "days");

/// Over how many nodes a metric is combined at least before it leaves the operator's hands.
pub const COHORT: Range = Range::new(1, 10_000, "nodes");

/// A port.
pub const PORT: Range = Range::new(1, 65_535, "port");

/// Members of the committee: as many as a committee log has seats, at most.
pub const MEMBERS: Range = Range::new(1, 31, "members");

/// Researchers from outside.
pub const RESEARCHERS: Range = Range::new(0, 31, "researchers");

/// Approvals that decide; at least a third of all, see the check.
pub const APPROVALS: Range = Range::new(2, 62, "approvals");

/// Time between two audits, days: a principle promises four a year, so it can only be shortened.
pub const AUDIT: Range = Range::new(1, 92, "days");

/// Window of an ordinary vote, hours: what votes allow (`core::limits`, 24 h to 30 days).
pub const VOTE: Range = Range::new(24, 720, "hours");

/// Window of an emergency vote, minutes: what votes allow (`core::limits`, 30 min to 24 h).
pub const EMERGENCY: Range = Range::new(30, 1_440, "minutes");

/// Time in which an override is told to all, minutes: a principle promises the hour, so it can only be shortened.
pub const NOTICE: Range = Range::new(1, 60, "minutes");

/// Time in which a report is processed, hours.
pub const REPORT: Range = Range::new(1, 168, "hours");

/// Time in which somebody's data is handed out, hours: a principle promises the day, so it can only be shortened.
pub const EXPORT: Range = Range::new(1, 24, "hours");

/// Time after which an erasure is irrevocable, days: a principle promises 30, so it can only be shortened.
pub const ERASE: Range = Range::new(1, 30, "days");

/// A ban, days: none, to ten years; for longer there is removal.
pub const BAN: Range = Range::new(0, 3_650, "days");

/// Probation, days.
pub const PROBATION: Range = Range::new(0, 3_650, "days");

/// A fine, x0.
pub const FINE: Range = Range::new(0, 1_000_000_000, "x0");

/// A bounty, x0.
pub const BOUNTY: Range = Range::new(1, 1_000_000, "x0");

const _: () = {
    use crate::core::limits;
    assert!(VOTE.least * 60 * 60 * 1_000 == limits::VOTE_WINDOW_MIN.0);
    assert!(VOTE.most * 60 * 60 * 1_000 == limits::VOTE_WINDOW_MAX.0);
    assert!(EMERGENCY.least * 60 * 1_000 == limits::EMERGENCY_WINDOW_MIN.0);
    assert!(EMERGENCY.most * 60 * 1_000 == limits::EMERGENCY_WINDOW_MAX.0);
    assert!(CARRIED_BYTES_MAX * 2 <= limits::RECORD_BYTES_MAX);
};
