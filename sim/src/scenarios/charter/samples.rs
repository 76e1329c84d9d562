//! What guarded processes send: names on the list, names made to look like them, and what is no telemetry at all.

use x0_protocol::charter::{Charter, Metric, MetricKind};

use crate::{
    random::{Purpose, Seed, Stream},
    world::Sample,
};

/// Names that nobody lists; the shipped charter blocks some of them and some of their beginnings.
const OFF: [&str; 6] = [
    "user_location",
    "user_email",
    "gps_latitude",
    "behaviour_score",
    "http_requests",
    "profile.age",
];

/// Longest name that guard and gateway look up, bytes, and longest datagram that they read.
const NAME_BYTES_MAX: usize = 128;
const DATAGRAM_BYTES_MAX: usize = 1_472;

/// How many sorts of samples there are.
const SORTS: u32 = 14;

/// How a sample comes to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// The guarded process sends it.
    Sent(Sample),
    /// The gateway fetches it.
    Fetched(Sample),
}

/// Draws what a process hands in; `charters` are those of the run, the one in force or not.
pub(super) fn draw(seed: Seed, number: u32, charters: &[Charter]) -> Drawn {
    let mut stream = seed.stream(Purpose::Sample, number);
    let at = stream.below(charters.len() as u32) as usize;
    let metrics = &charters[at].text().metrics;
    let listed = |stream: &mut Stream| &metrics[stream.below(metrics.len() as u32) as usize];
    let one = listed(&mut stream);
    let off = OFF[stream.below(OFF.len() as u32) as usize];
    let named = |name: String| plain(&[(name, one.kind)]);
    let own = |metric: &Metric| (metric.name.clone(), metric.kind);
    let sample = match stream.below(SORTS) {
        0..=2 => plain(&[own(one)]),
        3 => {
            let more = [listed(&mut stream), listed(&mut stream)];
            plain(&[own(one), own(more[0]), own(more[1])])
        }
        4 => named(off.to_owned()),
        5 => named(one.name.to_uppercase()),
        6 => named(renamed(&one.name, &mut stream)),
        7 => named(disguised(&one.name, &mut stream)),
        8 => plain(&[own(one), (off.to_owned(), MetricKind::Gauge)]),
        9 => named(format!("{:z<width$}", one.name, width = NAME_BYTES_MAX + 1)),
        10 => {
            let mut tagged = plain(&[own(one)]);
            tagged.bytes.extend_from_slice(b"|#user:alice");
            unreadable(tagged)
        }
        11 => {
            let mut long = plain(&[own(one)]);
            let line = long.bytes.clone();
            while long.bytes.len() <= DATAGRAM_BYTES_MAX {
                long.bytes.push(b'\n');
                long.bytes.extend_from_slice(&line);
            }
            unreadable(long)
        }
        12 => {
            let mut cut = plain(&[own(one)]);
            cut.bytes.extend_from_slice(b"\n\0user");
            unreadable(cut)
        }
        _ => return Drawn::Fetched(shown(one, off)),
    };
    Drawn::Sent(sample)
}

/// A datagram of StatsD with values that fit the metrics' kinds.
fn plain(lines: &[(String, MetricKind)]) -> Sample {
    let written: Vec<_> = lines
        .iter()
        .map(|(name, kind)| {
            let kind = match kind {
                MetricKind::Counter => "c",
                MetricKind::Gauge => "g",
                MetricKind::Set => "s",
                MetricKind::Histogram => "h",
                MetricKind::Summary => "ms",
            };
            format!("{name}:1|{kind}")
        })
        .collect();
    Sample {
        bytes: written.join("\n").into_bytes(),
        names: lines
            .iter()
            .map(|(name, _)| name.clone().into_bytes())
            .collect(),
        is_plain: true,
    }
}

fn unreadable(sample: Sample) -> Sample {
    Sample {
        is_plain: false,
        ..sample
    }
}

/// What an exporter shows: a metric of the list, one that is not on it, and one with a label that is not.
fn shown(one: &Metric, off: &str) -> Sample {
    let name = &one.name;
    let bytes = format!("{name}{{user=\"alice\"}} 1\n{off} 2\n").into_bytes();
    Sample {
        bytes,
        names: vec![name.clone().into_bytes(), off.as_bytes().to_vec()],
        is_plain: false,
    }
}

/// Names that are near a listed one.
fn renamed(name: &str, stream: &mut Stream) -> String {
    match stream.below(5) {
        0 => format!("{name}x"),
        1 => format!("x{name}"),
        2 => name.replace('_', "-"),
        3 => format!("{name}.user"),
        _ => name[..name.len() - 1].to_owned(),
    }
}

/// Names that look like a listed one on a screen.
fn disguised(name: &str, stream: &mut Stream) -> String {
    match stream.below(4) {
        0 => name.replacen('a', "\u{430}", 1).replacen('e', "\u{435}", 1) + "\u{200b}",
        1 => format!("{name}\u{200b}"),
        2 => format!("\u{feff}{name}"),
        _ => {
            name.chars()
                .map(|c| match c {
                    'a'..='z' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
                    other => other,
                })
                .collect::<String>()
                + "\u{301}"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_sort_is_drawn_and_the_same_number_draws_the_same() {
        let charters = [Charter::shipped()];
        let draw = |number| draw(Seed(3), number, &charters);
        let lists = |name: &[u8]| {
            let compiled = charters[0].compiled();
            compiled.name(name).is_ok()
        };
        let (mut allowed, mut off, mut unread, mut fetched) = (0, 0, 0, 0);
        for number in 0..500 {
            assert_eq!(draw(number), draw(number));
            match draw(number) {
                Drawn::Fetched(_) => fetched += 1,
                Drawn::Sent(sample) if !sample.is_plain => unread += 1,
                Drawn::Sent(sample) if sample.names.iter().all(|name| lists(name)) => allowed += 1,
                Drawn::Sent(_) => off += 1,
            }
        }
        assert!(allowed > 80 && off > 100 && unread > 50 && fetched > 10);
    }
}
