//! What the gateway shows, as OpenMetrics 1.0 text, and to whom.
//!
//! The operator sees each node's values. Everybody else sees a line only if at least as many nodes gave a value for it as the
//! charter says, and then what they come to together: counts are added up, of gauges the mean is told, and quantiles, which
//! cannot be combined, only where one node is enough. A line is a name with its labels, so that no label can single out one.
//!
//! What several programs of one node say under one name is that node's: counts are added up, of gauges the newest counts.
//!
//! Not prevented: who sees the sums of ten and of eleven nodes can tell the eleventh from them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{MetricKind, compiled::Allowed},
    Gateway, Key, Series,
    value::Value,
};
use crate::core::time::Wall;

/// The label by which the operator tells nodes apart; no charter can list one with a capital.
const NODE_LABEL: &str = "Node";

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The operator of this node.
    Operator,
    /// Anybody else.
    Anyone,
}

/// How names are written that older readers do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// Byte for byte, in quotes where they hold a dot or a dash; for readers that ask for it (`escaping=allow-utf-8`).
    Quotes,
    /// With underscores in place of dots and dashes; of two names that become one, the first in order of bytes is shown.
    Underscores,
}

/// A metric that is kept and not shown to anybody but the operator, as too few nodes have given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The metric.
    pub metric: String,
    /// How many nodes gave it, for the line that most gave.
    pub nodes: usize,
    /// How many must.
    pub cohort_min: u16,
}

/// A line without its value: name and labels.
type Line<'a> = (&'a str, &'a [(String, String)]);

/// What each node gave for each line of a metric.
type Lines<'a> = BTreeMap<Line<'a>, BTreeMap<&'a str, Given>>;

/// What one node gave for a line.
#[derive(Clone, Copy, Debug)]
struct Given {
    value: Value,
    at: Wall,
}

impl Gateway {
    /// Writes what somebody may see, without the mark of the end, so that it can stand behind other metrics: those of `before`
    /// are left away.
    pub fn shown(
        &self,
        audience: Audience,
        escaping: Escaping,
        before: impl Fn(&str) -> bool,
    ) -> String {
        let mut text = String::new();
        let mut written = BTreeSet::new();
        for (allowed, lines) in self.by_metric() {
            if before(&allowed.metric) {
                continue;
            }
            let name = escaped(&allowed.metric, escaping);
            if !written.insert(name.clone()) {
                continue;
            }
            let lines = match audience {
                Audience::Operator => one_by_one(&lines),
                Audience::Anyone => combined(allowed, &lines),
            };
            if lines.is_empty() {
                continue;
            }
            let has_buckets = lines.iter().any(|(name, _, _)| name.ends_with("_bucket"));
            self.head(&mut text, allowed, &quoted(&name, escaping), has_buckets);
            for (name, labels, value) in lines {
                let name = escaped(name, escaping);
                text.push_str(&sample(&name, &labels, value));
            }
        }
        text
    }

    /// Lists what is kept and not shown to everybody.
    pub fn withheld(&self) -> Vec<Withheld> {
        let metrics = self.by_metric().into_iter();
        let counted = metrics.map(|(allowed, lines)| Withheld {
            metric: allowed.metric.clone(),
            nodes: lines.values().map(BTreeMap::len).max().unwrap_or_default(),
            cohort_min: allowed.cohort_min,
        });
        counted
            .filter(|one| one.nodes < usize::from(one.cohort_min))
            .collect()
    }

    /// Puts the series together by metric, line and node.
    fn by_metric(&self) -> Vec<(&Allowed, Lines<'_>)> {
        let mut metrics: BTreeMap<&str, (&Allowed, Lines<'_>)> = BTreeMap::new();
        for (key, series) in &self.series {
            let Ok(allowed) = self.charter.compiled().name(key.name.as_bytes()) else {
                continue;
            };
            let (_, lines) = metrics
                .entry(&allowed.metric)
                .or_insert_with(|| (allowed, BTreeMap::new()));
            let line: Line<'_> = (&key.name, &key.labels);
            let nodes = lines.entry(line).or_default();
            add(nodes, allowed, key, series);
        }
        metrics.into_values().collect()
    }

    /// Writes what a metric is; a histogram of which nothing but sum and count is known reads as a summary.
    fn head(&self, text: &mut String, allowed: &Allowed, name: &str, has_buckets: bool) {
        let metrics = self.charter.text().metrics.iter();
        let mut metric = metrics.filter(|metric| metric.name == allowed.metric);
        let kind = match allowed.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge | MetricKind::Set => "gauge",
            MetricKind::Histogram if has_buckets => "histogram",
            MetricKind::Histogram | MetricKind::Summary => "summary",
        };
        text.push_str(&format!("# TYPE {name} {kind}\n"));
        if let Some(metric) = metric.next() {
            let purpose = escaped_text(&metric.purpose);
            text.push_str(&format!("# HELP {name} {purpose}\n"));
        }
    }
}

fn add<'a>(nodes: &mut BTreeMap<&'a str, Given>, allowed: &Allowed, key: &'a Key, series: &Series) {
    let given = Given {
        value: series.value,
        at: series.at,
    };
    let Some(known) = nodes.get_mut(key.origin.node.as_str()) else {
        nodes.insert(&key.origin.node, given);
        return;
    };
    match is_level(allowed, &key.labels) {
        true if given.at >= known.at => *known = given,
        true => {}
        // A sum beyond every bound stays at it.
        false => known.value = known.value.plus(given.value).unwrap_or(known.value),
    }
}

/// Tells whether values of several sources cannot be added up.
fn is_level(allowed: &Allowed, labels: &[(String, String)]) -> bool {
    allowed.kind == MetricKind::Gauge || is_quantile(allowed, labels)
}

fn is_quantile(allowed: &Allowed, labels: &[(String, String)]) -> bool {
    allowed.kind == MetricKind::Summary && labels.iter().any(|(label, _)| label == "quantile")
}

type Shown<'a> = (&'a str, Vec<(String, String)>, Value);

fn one_by_one<'a>(lines: &Lines<'a>) -> Vec<Shown<'a>> {
    let mut shown: Vec<Shown<'a>> = Vec::new();
    for ((name, labels), nodes) in lines {
        for (node, given) in nodes {
            let mut labels = labels.to_vec();
            labels.push((NODE_LABEL.to_owned(), (*node).to_owned()));
            shown.push((*name, labels, given.value));
        }
    }
    in_order(shown)
}

fn combined<'a>(allowed: &Allowed, lines: &Lines<'a>) -> Vec<Shown<'a>> {
    let mut shown: Vec<Shown<'a>> = Vec::new();
    for ((name, labels), nodes) in lines {
        let is_enough = nodes.len() >= usize::from(allowed.cohort_min);
        if !is_enough || (is_quantile(allowed, labels) && nodes.len() > 1) {
            continue;
        }
        let sum = nodes
            .values()
            .try_fold(Value::ZERO, |sum, given| sum.plus(given.value));
        let Ok(sum) = sum else {
            continue;
        };
        let value = match allowed.kind {
            MetricKind::Gauge => sum.shared_by(nodes.len() as u64),
            MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary | MetricKind::Set => {
                sum
            }
        };
        shown.push((*name, labels.to_vec(), value));
    }
    in_order(shown)
}

/// Puts lines of one set of labels together, buckets and quantiles by their bounds (OpenMetrics 1.0, sections "Histogram"
/// and "Summary").
fn in_order(mut shown: Vec<Shown<'_>>) -> Vec<Shown<'_>> {
    shown.sort_by_cached_key(|(name, labels, _)| {
        let (bounds, others): (Vec<_>, Vec<_>) = labels
            .iter()
            .cloned()
            .partition(|(label, _)| matches!(label.as_str(), "le" | "quantile"));
        let bound = bounds
            .first()
            .map(|(_, bound)| Value::parse(bound).map_or((1, Value::ZERO), |bound| (0, bound)));
        (others, (*name).to_owned(), bound)
    });
    shown
}

fn sample(name: &str, labels: &[(String, String)], value: Value) -> String {
    let is_plain = is_plain(name);
    let mut parts: Vec<String> = Vec::new();
    if !is_plain {
        parts.push(format!("\"{name}\""));
    }
    let labels = labels.iter();
    parts.extend(labels.map(|(label, value)| format!("{label}=\"{}\"", escaped_text(value))));
    let labels = match parts.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", parts.join(",")),
    };
    let name = if is_plain { name } else { "" };
    format!("{name}{labels} {value}\n")
}

/// Tells whether a name needs no quotes (Prometheus, "Metric names and labels").
fn is_plain(name: &str) -> bool {
    !name.contains(['.', '-'])
}

fn escaped(name: &str, escaping: Escaping) -> String {
    match escaping {
        Escaping::Quotes => name.to_owned(),
        Escaping::Underscores => name.replace(['.', '-'], "_"),
    }
}

fn quoted(name: &str, escaping: Escaping) -> String {
    match escaping == Escaping::Quotes && !is_plain(name) {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    }
}

fn escaped_text(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
