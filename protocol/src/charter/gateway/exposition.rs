//! What Prometheus exporters answer: the text format 0.0.4 and OpenMetrics 1.0, line by line.
//!
//! A name ends before the first `{` or space. Times and exemplars behind a value are not taken. A line that cannot be read
//! is refused by itself, the others count. Names in quotes are refused: no listed name needs them.

use std::collections::BTreeMap;

use super::{
    offer::{Offer, Sent},
    refusal::Refusal,
    value::Value,
};

/// Longest exposition that is read, bytes.
pub const EXPOSITION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Labels with their values.
type Labels = Vec<(String, String)>;

/// What a family is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untold,
    /// Kinds that no charter knows: info, state sets, histograms of gauges.
    Other,
}

/// One sample's line: what it is named, and what it offers or why that is refused.
pub type Line<'a> = (&'a str, Result<Offer, Refusal>);

/// Reads an exposition.
///
/// # Errors
///
/// Returns why none of it is read.
pub fn read(text: &[u8]) -> Result<Vec<Line<'_>>, Refusal> {
    if text.len() > EXPOSITION_BYTES_MAX {
        return Err(Refusal::TooLong(EXPOSITION_BYTES_MAX));
    }
    let text = core::str::from_utf8(text).map_err(|_| Refusal::Unreadable("it is no text"))?;
    let mut families = BTreeMap::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_ascii_whitespace();
            if words.next() == Some("TYPE")
                && let (Some(name), Some(family)) = (words.next(), words.next())
            {
                families.insert(name, family_of(family));
            }
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let name = line.split(['{', ' ', '\t']).next().unwrap_or_default();
        samples.push((name, sample(name, line, &families)));
    }
    Ok(samples)
}

fn family_of(word: &str) -> Family {
    match word {
        "counter" => Family::Counter,
        "gauge" => Family::Gauge,
        "histogram" => Family::Histogram,
        "summary" => Family::Summary,
        "untyped" | "unknown" => Family::Untold,
        _ => Family::Other,
    }
}

fn sample(name: &str, line: &str, families: &BTreeMap<&str, Family>) -> Result<Offer, Refusal> {
    let rest = line.get(name.len()..).unwrap_or_default();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next().unwrap_or_default();
    let sent = match family(name, families) {
        Family::Counter => Sent::Total,
        Family::Gauge => Sent::Level,
        Family::Histogram => Sent::OfHistogram,
        Family::Summary => Sent::OfSummary,
        Family::Untold => Sent::Untold,
        Family::Other => {
            return Err(Refusal::Unreadable(
                "its kind is none of counter, gauge, histogram and summary",
            ));
        }
    };
    // A summary that has seen nothing tells so.
    let value = match (sent, value) {
        (Sent::OfSummary, "NaN") => Value::ZERO,
        (_, value) => Value::parse(value)?,
    };
    Ok(Offer {
        name: name.as_bytes().to_vec(),
        labels,
        sent,
        value,
    })
}

/// Finds the family of a sample: its own name's, or that of the name without what a kind adds.
fn family(name: &str, families: &BTreeMap<&str, Family>) -> Family {
    let suffixes = ["_total", "_created", "_bucket", "_sum", "_count"].iter();
    let shorter = suffixes.filter_map(|suffix| name.strip_suffix(suffix));
    let mut names = core::iter::once(name).chain(shorter);
    names
        .find_map(|name| families.get(name))
        .copied()
        .unwrap_or(Family::Untold)
}

/// Reads labels behind their opening brace, and returns what follows the closing one.
fn labels(mut rest: &str) -> Result<(Labels, &str), Refusal> {
    const BROKEN: Refusal = Refusal::Unreadable("its labels are not label=\"value\", in braces");
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (label, value) = rest.split_once("=\"").ok_or(BROKEN)?;
        let (value, behind) = quoted(value).ok_or(BROKEN)?;
        labels.push((label.trim().to_owned(), value));
        rest = behind;
    }
}

/// Reads a value up to its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}
