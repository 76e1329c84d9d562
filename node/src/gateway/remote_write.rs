//! Prometheus remote write 1.0: protobuf in Snappy's block format (prometheus.io, "Prometheus Remote-Write 1.0").
//!
//! Of each series the newest sample is taken. How a series behaves it does not say; its name does, by the charter. Series of
//! native histograms are refused. Exemplars are not looked at.

use prost_otlp::Message;
use x0_protocol::charter::gateway::{
    offer::{Offer, Sent},
    refusal::Refusal,
};

use super::otlp::{BODY_BYTES_MAX, Sample, of_double};

/// Largest request once it is unpacked, bytes.
const UNPACKED_BYTES_MAX: usize = 1024 * 1024;

/// The label that is the name.
const NAME_LABEL: &str = "__name__";

/// The bits of the number by which Prometheus says that a series has ended (prometheus/model/value, `StaleNaN`).
const ENDED: u64 = 0x7ff0_0000_0000_0002;

#[derive(Clone, PartialEq, Message)]
#[prost(prost_path = "::prost_otlp")]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(prost_path = "::prost_otlp")]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(prost_path = "::prost_otlp")]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
#[prost(prost_path = "::prost_otlp")]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Reads a request.
///
/// # Errors
///
/// Returns why none of it is read.
pub fn read(body: &[u8]) -> Result<Vec<Sample>, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong(BODY_BYTES_MAX));
    }
    let broken = Refusal::Unreadable("it is no remote write 1.0: protobuf in Snappy's blocks");
    // The length stands in front; it is looked at before so much is made.
    match snap::raw::decompress_len(body) {
        Ok(length) if length > UNPACKED_BYTES_MAX => {
            return Err(Refusal::TooLong(UNPACKED_BYTES_MAX));
        }
        Ok(_) => {}
        Err(_) => return Err(broken),
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(body);
    let unpacked = unpacked.map_err(|_| broken.clone())?;
    let request = WriteRequest::decode(unpacked.as_slice()).map_err(|_| broken)?;
    Ok(request.timeseries.into_iter().filter_map(series).collect())
}

/// Returns the newest sample of a series; none if the series has ended, or holds nothing.
fn series(series: TimeSeries) -> Option<Sample> {
    let (names, labels): (Vec<Label>, Vec<Label>) = series
        .labels
        .into_iter()
        .partition(|label| label.name == NAME_LABEL);
    let name = match names.as_slice() {
        [name] => name.value.clone().into_bytes(),
        _ => Vec::new(),
    };
    if !series.histograms.is_empty() {
        let why = "it is a native histogram: have its exporter use buckets";
        return Some((name, Err(Refusal::Unreadable(why))));
    }
    let newest = series.samples.iter().max_by_key(|point| point.timestamp)?;
    if newest.value.to_bits() == ENDED {
        return None;
    }
    let labels = labels.into_iter().map(|label| (label.name, label.value));
    let offer = of_double(newest.value).map(|value| Offer {
        name: name.clone(),
        labels: labels.collect(),
        sent: Sent::Untold,
        value,
    });
    Some((name, offer.map_err(Refusal::from)))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    type Series<'a> = (&'a [(&'a str, &'a str)], &'a [(f64, i64)]);

    /// Encodes a request as a sender would.
    pub(in super::super) fn request(series: &[Series<'_>]) -> Vec<u8> {
        let timeseries = series.iter().map(|(labels, samples)| TimeSeries {
            labels: labels
                .iter()
                .map(|(name, value)| Label {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            samples: samples
                .iter()
                .map(|(value, timestamp)| Point {
                    value: *value,
                    timestamp: *timestamp,
                })
                .collect(),
            histograms: Vec::new(),
        });
        let request = WriteRequest {
            timeseries: timeseries.collect(),
        };
        let packed = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec());
        packed.unwrap()
    }

    #[test]
    fn the_newest_sample_counts_and_one_that_says_the_end_is_no_sample() {
        let ended = f64::from_bits(ENDED);
        let samples = read(&request(&[
            (&[("__name__", "a")], &[(2.0, 20), (1.0, 10)]),
            (&[("__name__", "b")], &[(1.0, 10), (ended, 20)]),
            (&[("__name__", "c")], &[]),
        ]))
        .unwrap();

        let [(name, offer)] = samples.as_slice() else {
            panic!("{samples:?}")
        };
        assert_eq!(name, b"a");
        assert_eq!(offer.as_ref().unwrap().value.to_string(), "2");
    }
}
