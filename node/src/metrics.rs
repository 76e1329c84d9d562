//! The numbers a node keeps about itself: each is declared once, in the table of this file.
//!
//! A declaration says what the number is for, how long whoever collects it may keep it, and over how many
//! nodes it must be combined before it is shown to anybody but the operator. A number that is not declared
//! cannot be counted: [`Metrics`] takes only the enums made of the table, and no name or label at run time.
//! Rows of one name differ by one label, whose few values stand in the table. No number names a peer, a record or an address.
//!
//! The text form is OpenMetrics, which Prometheus reads, served by the local API only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter, family::Family, gauge, histogram},
    registry::{Metric, Registry},
};
use serde::Serialize;
use x0_protocol::{
    Event,
    charter::{Charter, Compiled, compiled::Allowed},
    core::command::Status,
};

/// What stands in the table about one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Declaration {
    /// The name it is exported under, before the suffix OpenMetrics gives to counters.
    pub name: &'static str,
    /// The label that tells it from other rows of that name, and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<(&'static str, &'static str)>,
    /// How it behaves.
    pub kind: Kind,
    /// What it is for.
    pub purpose: &'static str,
    /// How long whoever collects it may keep it, in days.
    pub retention_days: u16,
    /// Over how many nodes it is combined, at least, before it leaves the operator's hands.
    pub cohort_min: u16,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only grows while the node runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

macro_rules! table {
    (@label) => { None };
    (@label $label:ident = $value:literal) => { Some((stringify!($label), $value)) };
    ($($kind:ident { $($metric:ident = $name:literal $([$label:ident = $value:literal])?, $purpose:literal, $days:literal days, $cohort:literal nodes;)* })*) => {
        $(
            #[doc = concat!("The metrics of kind ", stringify!($kind), ".")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $kind {
                $(#[doc = concat!($purpose $(, " Here ", stringify!($label), " is ", $value, ".")?)] $metric,)*
            }

            impl $kind {
                const TABLE: &[Declaration] = &[$(Declaration {
                    name: $name,
                    label: table!(@label $($label = $value)?),
                    kind: Kind::$kind,
                    purpose: $purpose,
                    retention_days: $days,
                    cohort_min: $cohort,
                },)*];
            }
        )*

        /// Every metric there is.
        pub const TABLES: &[&[Declaration]] = &[$($kind::TABLE,)*];
    };
}

table! {
    Gauge {
        Links = "x0_links", "Links to other members, to see whether the node is well connected.", 30 days, 10 nodes;
        Members = "x0_members", "Active members known, to see whether the node has the directory.", 365 days, 1 nodes;
        Records = "x0_records", "Records kept, to see whether the node has caught up.", 365 days, 1 nodes;
        Orphans = "x0_orphans", "Records that wait for one they depend on; many mean that catching up is stuck.", 30 days, 10 nodes;
        Halted = "x0_halted", "1 while the mesh is halted as this node knows it, else 0.", 365 days, 1 nodes;
        AuditEntries = "x0_audit_entries", "Entries in the node's own audit log.", 365 days, 10 nodes;
        StoreBytes = "x0_store_bytes", "Space the store takes on disk.", 90 days, 10 nodes;
        StoreWaiting = "x0_store_waiting", "1 while the store cannot write for want of space, else 0.", 30 days, 10 nodes;
        LastRepairMs = "x0_last_repair_ms", "Time from the last loss of links to their repair.", 90 days, 10 nodes;
        ResidentBytes = "x0_resident_bytes", "Memory the process takes.", 30 days, 10 nodes;
        ProbeBehind = "x0_probe_behind", "1 while the kernel could not be given the charter in force, else 0.", 365 days, 1 nodes;
        CasesOpen = "x0_cases_open", "Reported violations known here that are not over.", 365 days, 1 nodes;
        CasesOverdue = "x0_cases_overdue", "Reported violations whose next step is overdue.", 365 days, 1 nodes;
        AuditsDue = "x0_audits_due", "Audits of members' nodes in this round that have time.", 365 days, 1 nodes;
        AuditsOverdue = "x0_audits_overdue", "Audits of members' nodes, and rounds of them, that are overdue.", 365 days, 1 nodes;
        ContentSafe = "x0_content_items" [state = "safe"], "Items whose content this node keeps, by whether enough copies were counted.", 365 days, 10 nodes;
        ContentNotSafe = "x0_content_items" [state = "not_safe"], "Items whose content this node keeps, by whether enough copies were counted.", 365 days, 10 nodes;
        ContentNotCounted = "x0_content_items" [state = "not_counted"], "Items whose content this node keeps, by whether enough copies were counted.", 365 days, 10 nodes;
        CopiesWhole = "x0_content_copies" [state = "whole"], "What nodes that were asked for content kept here said of theirs, over all items.", 90 days, 10 nodes;
        CopiesLacking = "x0_content_copies" [state = "lacking"], "What nodes that were asked for content kept here said of theirs, over all items.", 90 days, 10 nodes;
        CopiesSilent = "x0_content_copies" [state = "silent"], "What nodes that were asked for content kept here said of theirs, over all items.", 90 days, 10 nodes;
        ContentBytes = "x0_content_bytes", "Space that the sealed content kept here takes.", 90 days, 10 nodes;
        GatewaySeries = "x0_gateway_series", "Series of other programs that the gateway keeps.", 30 days, 10 nodes;
    }
    Counter {
        GossipIn = "x0_gossip_in", "Gossip messages received.", 30 days, 10 nodes;
        GossipOut = "x0_gossip_out", "Gossip messages published by this node.", 30 days, 10 nodes;
        GossipRejected = "x0_gossip_rejected", "Gossip messages that were their sender's fault.", 90 days, 10 nodes;
        CatchUps = "x0_catch_ups", "Times this node caught up with another.", 30 days, 10 nodes;
        ActsExecuted = "x0_acts_executed", "Acts of agents executed on this node.", 365 days, 1 nodes;
        ActsRefused = "x0_acts_refused", "Acts of agents refused on this node.", 365 days, 1 nodes;
        Anomalies = "x0_anomalies", "Anomalies that this node found in the acts it saw.", 365 days, 1 nodes;
        Freezes = "x0_freezes", "Delegation roots that this node froze because of an anomaly.", 365 days, 1 nodes;
        Repairs = "x0_repairs", "Times the node healed its links.", 90 days, 10 nodes;
        ContentAuditsWell = "x0_content_audits" [result = "well"], "Audits of items that this node keeps, by what they found.", 365 days, 10 nodes;
        ContentAuditsNotSafe = "x0_content_audits" [result = "not_safe"], "Audits of items that this node keeps, by what they found.", 365 days, 10 nodes;
        ContentAuditsNotWhole = "x0_content_audits" [result = "not_whole"], "Audits of items that this node keeps, by what they found.", 365 days, 10 nodes;
        ContentRepairsDone = "x0_content_repairs" [result = "done"], "Repairs of content that was whole here before, by how they ended.", 365 days, 10 nodes;
        ContentRepairsFailed = "x0_content_repairs" [result = "failed"], "Repairs of content that was whole here before, by how they ended.", 365 days, 10 nodes;
        MetricsRefused = "x0_metrics_refused", "Names that this node did not export because the charter does not list them.", 365 days, 1 nodes;
        GatewayTaken = "x0_gateway_taken", "Samples of other programs that the gateway took.", 30 days, 10 nodes;
        GatewayRefused = "x0_gateway_refused", "Samples of other programs that the gateway refused.", 365 days, 1 nodes;
    }
    Histogram {
        StoreWrite = "x0_store_write_ms", "Time for a batch of writes to be safe on disk.", 30 days, 10 nodes;
    }
}

/// Upper bounds of the buckets, in milliseconds: from a fast SSD's sync to a disk in trouble.
const BUCKETS_MS: [f64; 12] = [
    0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0,
];

/// The label of a number, and its value.
type Label = [(&'static str, &'static str); 1];

/// The numbers themselves; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    registry: Registry,
    gauges: Vec<gauge::Gauge>,
    counters: Vec<counter::Counter>,
    histograms: Vec<histogram::Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Starts every metric at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let gauges = registered(&mut registry, Gauge::TABLE);
        let counters = registered(&mut registry, Counter::TABLE);
        let mut histograms = Vec::new();
        for row in Histogram::TABLE {
            let numbers = histogram::Histogram::new(BUCKETS_MS);
            registry.register(row.name, help(row), numbers.clone());
            histograms.push(numbers);
        }
        Self(Arc::new(Numbers {
            registry,
            gauges,
            counters,
            histograms,
        }))
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.0.gauges[gauge as usize].set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Reads a gauge.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        u64::try_from(self.0.gauges[gauge as usize].get()).unwrap_or(0)
    }

    /// Adds to a counter.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.0.counters[counter as usize].inc_by(amount);
    }

    /// Raises a counter to a total that is kept elsewhere; a lower total changes nothing.
    pub fn raise(&self, counter: Counter, total: u64) {
        let number = self.0.counters[counter as usize].inner();
        number.fetch_max(total, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.0.counters[counter as usize].get()
    }

    /// Takes over what a node says about itself.
    pub fn show(&self, status: &Status) {
        self.set(Gauge::Links, u64::from(status.links));
        self.set(Gauge::Members, u64::from(status.members));
        self.set(Gauge::Records, status.records);
        self.set(Gauge::Orphans, u64::from(status.orphans));
        self.set(Gauge::AuditEntries, status.audit_size);
        self.set(Gauge::Halted, u64::from(status.is_halted()));
        let ((open, late), (due, overdue)) = (status.cases, status.audits);
        self.set(Gauge::CasesOpen, u64::from(open));
        self.set(Gauge::CasesOverdue, u64::from(late));
        self.set(Gauge::AuditsDue, u64::from(due));
        self.set(Gauge::AuditsOverdue, u64::from(overdue));
        if let Some(took) = status.last_repair {
            self.set(Gauge::LastRepairMs, took.0);
        }
    }

    /// Counts something that happened, if there is a number for it.
    pub fn count(&self, event: &Event) {
        let counter = match event {
            Event::CaughtUp { .. } => Counter::CatchUps,
            Event::Executed { .. } => Counter::ActsExecuted,
            Event::Refused { .. } => Counter::ActsRefused,
            Event::Healed { .. } => Counter::Repairs,
            Event::Anomaly { .. } => Counter::Anomalies,
            Event::Frozen { .. } => Counter::Freezes,
            Event::Linked { .. }
            | Event::Unlinked { .. }
            | Event::TurnedAway { .. }
            | Event::Joined { .. }
            | Event::Gone { .. }
            | Event::Rejected { .. }
            | Event::Recorded { .. }
            | Event::Outcome { .. }
            | Event::ForkFound { .. }
            | Event::SplitView { .. }
            | Event::Decided { .. }
            | Event::KeysMade { .. }
            | Event::Seats(_)
            | Event::ShareLost { .. }
            | Event::Proposed { .. }
            | Event::CosignAsked { .. }
            | Event::Halted { .. }
            | Event::HaltEnded { .. }
            | Event::Vote { .. }
            | Event::Charter { .. }
            | Event::ErasedAt { .. }
            | Event::Public { .. }
            | Event::TwoPublicLogs { .. }
            | Event::OverrideStays { .. }
            | Event::OverrideLapsed { .. }
            | Event::Case { .. }
            | Event::Audit { .. }
            | Event::AccountAsked { .. }
            | Event::Sublime { .. }
            | Event::Rotation { .. }
            | Event::BadDealer { .. }
            | Event::ShareNotMade { .. }
            | Event::Forgot { .. }
            | Event::Invited { .. }
            | Event::InviteAnswered { .. }
            | Event::Released { .. }
            | Event::TierPeer { .. }
            | Event::Ready { .. } => return,
        };
        self.add(counter, 1);
    }

    /// Counts a span of time, exported in milliseconds.
    pub fn observe_ms(&self, histogram: Histogram, span: Duration) {
        self.0.histograms[histogram as usize].observe(span.as_secs_f64() * 1_000.0);
    }

    /// Writes the metrics that a charter lists as OpenMetrics text, and counts the names that it does not; content type
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub fn text(&self, charter: &Charter) -> String {
        let (text, refused) = listed(&self.all(), charter.compiled());
        self.add(Counter::MetricsRefused, refused);
        text
    }

    /// Writes the same without counting anything: to look is not to refuse.
    pub fn listed_by(&self, charter: &Charter) -> String {
        listed(&self.all(), charter.compiled()).0
    }

    /// Writes all metrics, whatever the charter says.
    fn all(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            self.set(Gauge::ResidentBytes, bytes);
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

/// Registers the rows of a table; those of one name together, under their labels.
fn registered<N>(registry: &mut Registry, table: &[Declaration]) -> Vec<N>
where
    N: Metric + Clone + Default,
    Family<Label, N>: Metric,
{
    let mut families: BTreeMap<&str, Family<Label, N>> = BTreeMap::new();
    let mut register = |row: &Declaration| {
        let Some(label) = row.label else {
            let number = N::default();
            registry.register(row.name, help(row), number.clone());
            return number;
        };
        let family = families.entry(row.name).or_insert_with(|| {
            let family = Family::default();
            registry.register(row.name, help(row), family.clone());
            family
        });
        family.get_or_create_owned(&[label])
    };
    table.iter().map(&mut register).collect()
}

/// Keeps the lines of an exposition whose names and labels a charter lists, and counts the names that it does not.
///
/// A name ends before the first `{` or space (OpenMetrics 1.0, section "ABNF"); the lines that describe a family name
/// it as their third word.
fn listed(exposition: &str, charter: &Compiled) -> (String, u64) {
    let mut kept = String::with_capacity(exposition.len());
    let mut refused = BTreeSet::new();
    for line in exposition.lines() {
        let name = match line.strip_prefix("# ") {
            Some("EOF") => None,
            Some(described) => Some(described.split(' ').nth(1).unwrap_or_default()),
            None => Some(line.split(['{', ' ']).next().unwrap_or_default()),
        };
        let is_listed = name.is_none_or(|name| {
            let allowed = charter.name(name.as_bytes());
            allowed.is_ok_and(|allowed| line.starts_with('#') || may_carry(allowed, line))
        });
        match name {
            Some(name) if !is_listed => {
                refused.insert(name);
            }
            Some(_) | None => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    (kept, refused.len() as u64)
}

/// Tells whether every label of a line may stand there.
fn may_carry(allowed: &Allowed, line: &str) -> bool {
    let Some((_, mut rest)) = line.split_once('{') else {
        return true;
    };
    while !rest.starts_with('}') {
        let Some((label, value)) = rest.split_once("=\"") else {
            return false;
        };
        let is_escaped = |at: usize| {
            value.as_bytes()[..at]
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count()
                % 2
                == 1
        };
        let Some((end, _)) = value.match_indices('"').find(|(at, _)| !is_escaped(*at)) else {
            return false;
        };
        if !allowed.labels.iter().any(|one| one == label) {
            return false;
        }
        let after = &value[end + 1..];
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    true
}

/// OpenMetrics ends a help text with a full stop; the registry adds its own.
fn help(row: &Declaration) -> String {
    format!(
        "{} Kept {} days; shown over {} nodes or more",
        row.purpose, row.retention_days, row.cohort_min
    )
}

/// Reads the memory the process takes, from `VmRSS` of Linux's `/proc/self/status`, which counts in KiB.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use x0_protocol::charter::MetricKind;

    use super::*;
    use crate::charter::SHIPPED;

    #[test]
    fn every_exported_name_stands_in_the_table_and_every_row_is_exported() {
        let declared: BTreeSet<_> = TABLES
            .iter()
            .flat_map(|table| table.iter().map(|row| row.name))
            .collect();

        let text = Metrics::new().all();
        let exported: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(|line| line.split(' ').next().unwrap())
            .collect();

        assert_eq!(exported, declared);
        assert!(declared.len() >= 17);
    }

    #[test]
    fn the_shipped_charter_lists_every_row_as_it_stands_in_the_table() {
        let metrics = Metrics::new();
        metrics.observe_ms(Histogram::StoreWrite, Duration::from_millis(2));
        let declared = TABLES.iter().copied().flatten();
        for row in declared {
            let listed = &SHIPPED.text().metrics;
            let listed = listed.iter().find(|metric| metric.name == row.name);
            let listed = listed.unwrap_or_else(|| panic!("{} is not in the charter", row.name));
            let kind = match row.kind {
                Kind::Counter => MetricKind::Counter,
                Kind::Gauge => MetricKind::Gauge,
                Kind::Histogram => MetricKind::Histogram,
            };
            assert_eq!((listed.kind, listed.purpose.as_str()), (kind, row.purpose));
            assert_eq!(
                listed.retention_days,
                u64::from(row.retention_days),
                "{}",
                row.name
            );
            assert_eq!(listed.cohort_min, u64::from(row.cohort_min), "{}", row.name);
            let labels = row.label.map(|(label, _)| label.to_owned());
            assert_eq!(listed.labels, Vec::from_iter(labels), "{}", row.name);
        }

        let all = metrics.all();
        assert_eq!(listed(&all, SHIPPED.compiled()), (all.clone(), 0));
    }

    #[test]
    fn what_the_charter_does_not_list_is_not_exported_but_counted() {
        let mut draft = SHIPPED.text().clone();
        draft
            .metrics
            .retain(|metric| metric.name != "x0_store_write_ms" && metric.name != "x0_links");
        let charter = Charter::new(draft).unwrap();
        let metrics = Metrics::new();
        metrics.observe_ms(Histogram::StoreWrite, Duration::from_millis(2));

        let text = metrics.text(&charter);

        assert!(
            !text.contains("x0_store_write") && !text.contains("x0_links"),
            "{text}"
        );
        assert!(
            text.contains("\nx0_records 0\n") && text.ends_with("# EOF\n"),
            "{text}"
        );
        // The family, its buckets, sum and count, and the gauge.
        assert_eq!(metrics.counter(Counter::MetricsRefused), 5);
        assert!(
            metrics
                .text(&charter)
                .contains("\nx0_metrics_refused_total 5\n")
        );
    }

    #[test]
    fn a_label_that_the_charter_does_not_list_is_refused_however_it_is_written() {
        let charter = SHIPPED.compiled();
        let kept = |line: &str| listed(line, charter) == (format!("{line}\n"), 0);

        assert!(kept("x0_links 7"));
        assert!(kept("x0_store_write_ms_bucket{le=\"0.1\"} 1"));
        assert!(kept("x0_store_write_ms_bucket{le=\"a\\\"b,c\"} 1"));
        for hostile in [
            "x0_links{user=\"a\"} 7",
            "x0_store_write_ms_bucket{le=\"1\",user=\"a\"} 1",
            "x0_store_write_ms_bucket{le=\"1\\\",user=\"a\"} 1",
            "x0_store_write_ms_bucket{le=\"1} 1",
            "x0_store_write_ms_bucket{ 1",
            "X0_links 7",
            "user_location 3",
            "# TYPE user_location gauge",
            "# ",
        ] {
            assert_eq!(listed(hostile, charter), (String::new(), 1), "{hostile}");
        }
    }

    #[test]
    fn every_row_says_what_for_how_long_and_over_how_many_nodes() {
        for row in TABLES.iter().copied().flatten() {
            assert!(row.name.starts_with("x0_"), "{row:?}");
            assert!(
                row.purpose.len() > 20 && row.purpose.ends_with('.'),
                "{row:?}"
            );
            assert!((1..=365).contains(&row.retention_days), "{row:?}");
            assert!(row.cohort_min >= 1, "{row:?}");
        }
    }

    #[test]
    fn no_exported_line_carries_a_label_but_the_bucket_bound_and_those_of_the_table() {
        let metrics = Metrics::new();
        metrics.observe_ms(Histogram::StoreWrite, Duration::from_millis(2));

        for line in metrics
            .text(&SHIPPED)
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let Some((family, labels)) = line.split_once('{') else {
                continue;
            };
            let mut rows = TABLES.iter().copied().flatten();
            let is_declared = rows.any(|row| {
                let (label, value) = row.label.unwrap_or_default();
                family.trim_end_matches("_total") == row.name
                    && labels
                        .split_once('}')
                        .is_some_and(|(labels, _)| labels == format!("{label}=\"{value}\""))
            });
            assert!(is_declared || labels.starts_with("le=\""), "{line}");
        }
    }

    #[test]
    fn rows_of_one_name_say_the_same_and_differ_by_the_value_of_their_label() {
        for table in TABLES {
            for (place, row) in table.iter().enumerate() {
                for other in &table[place + 1..] {
                    if row.name != other.name {
                        continue;
                    }
                    let said = |row: &Declaration| {
                        let label = row.label.map(|(label, _)| label);
                        (label, row.purpose, row.retention_days, row.cohort_min)
                    };
                    assert_eq!(said(row), said(other), "{}", row.name);
                    assert!(row.label.is_some() && row.label != other.label, "{row:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let metrics = Metrics::new();
        metrics.set(Gauge::Links, 7);
        metrics.add(Counter::Repairs, 2);
        metrics.clone().add(Counter::Repairs, 1);
        metrics.raise(Counter::GossipIn, 40);
        metrics.raise(Counter::GossipIn, 30);
        metrics.observe_ms(Histogram::StoreWrite, Duration::from_millis(2));
        metrics.add(Counter::ContentAuditsWell, 4);
        metrics.set(Gauge::CopiesSilent, 6);

        let text = metrics.text(&SHIPPED);

        for line in [
            "x0_content_audits_total{result=\"well\"} 4",
            "x0_content_audits_total{result=\"not_whole\"} 0",
            "x0_content_copies{state=\"silent\"} 6",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        assert!(text.contains("\nx0_links 7\n"), "{text}");
        assert!(text.contains("\nx0_repairs_total 3\n"), "{text}");
        assert!(text.contains("\nx0_gossip_in_total 40\n"), "{text}");
        assert!(
            text.contains("\nx0_store_write_ms_bucket{le=\"3.0\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("\nx0_store_write_ms_bucket{le=\"1.0\"} 0\n"),
            "{text}"
        );
        assert!(metrics.gauge(Gauge::ResidentBytes) > 1 << 20);
        assert!(text.ends_with("# EOF\n"));
    }
}
