//! StatsD datagrams, by the same grammar that the kernel holds guarded senders to ([`x0_ebpf_common::statsd`]).
//!
//! ```text
//! line = name ":" value "|" type [ "|@" rate ]
//! ```
//!
//! A datagram that the grammar does not read is refused as a whole, as in the kernel. A gauge's value with a sign is a change
//! of it; a count or an observation that was sampled is made whole by its rate
//! (github.com/statsd/statsd, docs/metric_types.md).

use x0_ebpf_common::{PAYLOAD_BYTES_MAX, statsd};

use super::{
    offer::{Offer, Sent},
    refusal::Refusal,
    value::Value,
};

/// Longest datagram that is read, bytes: what the kernel lets pass.
pub const DATAGRAM_BYTES_MAX: usize = PAYLOAD_BYTES_MAX as usize;

/// One line: what it is named, and what it offers or why that is refused.
pub type Line<'a> = (&'a [u8], Result<Offer, Refusal>);

/// Reads a datagram.
///
/// # Errors
///
/// Returns why none of it is read.
pub fn read(datagram: &[u8]) -> Result<Vec<Line<'_>>, Refusal> {
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return Err(Refusal::TooLong(DATAGRAM_BYTES_MAX));
    }
    let state = datagram
        .iter()
        .fold(statsd::LINE, |state, byte| statsd::step(state, *byte));
    if datagram.is_empty() || !statsd::may_end(state) {
        return Err(Refusal::Unreadable(
            "lines of StatsD are name:number|type, with |@rate at most: no tags, no texts, no packed values",
        ));
    }
    let lines = datagram.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    Ok(lines.map(line).collect())
}

/// Reads a line that the grammar has read.
fn line(line: &[u8]) -> Line<'_> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, rest) = line.split_at(colon.unwrap_or(line.len()));
    // Behind a name all is ASCII.
    let rest = core::str::from_utf8(rest).unwrap_or_default();
    let mut parts = rest.trim_start_matches(':').split('|');
    let value = parts.next().unwrap_or_default();
    let kind = parts.next().unwrap_or_default();
    let rate = parts.next().and_then(|rate| rate.strip_prefix('@'));
    (name, offer(name, value, kind, rate))
}

fn offer(name: &[u8], value: &str, kind: &str, rate: Option<&str>) -> Result<Offer, Refusal> {
    let number = Value::parse(value)?;
    let rate = rate.map(Value::parse).transpose()?;
    let whole = |value: Value| rate.map_or(Ok(value), |rate| value.over_share(rate));
    let (sent, value) = match kind {
        "c" => (Sent::Growth, whole(number)?),
        "g" if value.starts_with(['+', '-']) => (Sent::Shift, number),
        "g" => (Sent::Level, number),
        "s" => (Sent::Member, number),
        // Timers, histograms and distributions: all count observations and add them up.
        _ => (Sent::Observed(whole(Value::ONE)?), whole(number)?),
    };
    Ok(Offer {
        name: name.to_vec(),
        labels: Vec::new(),
        sent,
        value,
    })
}
