//! OTLP metrics over HTTP, as the samples that the charter judges (opentelemetry.io, "OTLP/HTTP" and "Metrics data model").
//!
//! Taken are a point's name, its attributes as labels and its value. What stands beside (resource, scope, exemplars, times)
//! names machines, programs and requests; it is not looked at. An attribute that the charter does not list has the point
//! refused. Exponential histograms are refused, as their buckets are none that a charter's reader knows.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
        metric::Data, number_data_point,
    },
};
use prost_otlp::Message as _;
use x0_protocol::charter::gateway::{
    offer::{Offer, Sent},
    refusal::{Refusal, ValueFault},
    value::Value,
};

/// Largest request, bytes: decoding makes up to sixty times as much of it.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

/// A sample with its name, or why it is none.
pub type Sample = (Vec<u8>, Result<Offer, Refusal>);

/// Reads a request.
///
/// # Errors
///
/// Returns why none of it is read.
pub fn read(body: &[u8]) -> Result<Vec<Sample>, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong(BODY_BYTES_MAX));
    }
    let request = ExportMetricsServiceRequest::decode(body)
        .map_err(|_| Refusal::Unreadable("it is no request of OTLP metrics in protobuf"))?;
    let resources = request.resource_metrics.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    let mut samples = Vec::new();
    for metric in metrics {
        add(&mut samples, metric);
    }
    Ok(samples)
}

fn add(samples: &mut Vec<Sample>, metric: Metric) {
    let name = metric.name;
    let refuse = |why| (name.clone().into_bytes(), Err(Refusal::Unreadable(why)));
    match metric.data {
        Some(Data::Gauge(gauge)) => {
            let points = gauge.data_points.into_iter();
            samples.extend(points.map(|point| number(&name, point, Sent::Level)));
        }
        Some(Data::Sum(sum)) => {
            let sent = match (sum.is_monotonic, is_growth(sum.aggregation_temporality)) {
                (true, Some(true)) => Sent::Growth,
                (true, Some(false)) => Sent::Total,
                (false, Some(true)) => Sent::Shift,
                (false, Some(false)) => Sent::Level,
                (_, None) => {
                    samples.push(refuse("a sum must say whether it is cumulative or a delta"));
                    return;
                }
            };
            let points = sum.data_points.into_iter();
            samples.extend(points.map(|point| number(&name, point, sent)));
        }
        Some(Data::Histogram(histogram)) => {
            let sent = match is_growth(histogram.aggregation_temporality) {
                Some(true) => Sent::GrowthOfHistogram,
                Some(false) => Sent::OfHistogram,
                None => {
                    samples.push(refuse(
                        "a histogram must say whether it is cumulative or a delta",
                    ));
                    return;
                }
            };
            for point in histogram.data_points {
                samples.extend(buckets(&name, point, sent));
            }
        }
        Some(Data::Summary(summary)) => {
            for point in summary.data_points {
                samples.extend(quantiles(&name, point));
            }
        }
        Some(Data::ExponentialHistogram(_)) => samples.push(refuse(
            "it is an exponential histogram: have its exporter use explicit buckets",
        )),
        None => samples.push(refuse("it holds no data")),
    }
}

/// Tells whether numbers say what something grew by; none if they do not say.
fn is_growth(temporality: i32) -> Option<bool> {
    match AggregationTemporality::try_from(temporality) {
        Ok(AggregationTemporality::Delta) => Some(true),
        Ok(AggregationTemporality::Cumulative) => Some(false),
        Ok(AggregationTemporality::Unspecified) | Err(_) => None,
    }
}

fn number(name: &str, point: NumberDataPoint, sent: Sent) -> Sample {
    let value = match point.value {
        Some(number_data_point::Value::AsDouble(value)) => of_double(value),
        Some(number_data_point::Value::AsInt(value)) => Value::parse(&value.to_string()),
        None => Err(ValueFault::NotNumber),
    };
    sample(name, labels(point.attributes), sent, value)
}

fn buckets(name: &str, point: HistogramDataPoint, sent: Sent) -> Vec<Sample> {
    let own = labels(point.attributes);
    let mut samples = vec![sample(
        &format!("{name}_count"),
        own.clone(),
        sent,
        Ok(Value::whole(point.count)),
    )];
    if let Some(sum) = point.sum {
        samples.push(sample(
            &format!("{name}_sum"),
            own.clone(),
            sent,
            of_double(sum),
        ));
    }
    let bounds = point.explicit_bounds.iter();
    let bounds = bounds
        .map(|bound| of_double(*bound).map(|bound| bound.to_string()))
        .chain([Ok("+Inf".to_owned())]);
    let mut below = 0_u64;
    for (count, bound) in point.bucket_counts.iter().zip(bounds) {
        below = below.saturating_add(*count);
        let value = bound.clone().map(|_| Value::whole(below));
        let labels = with(own.clone(), "le", bound.unwrap_or_default());
        samples.push(sample(&format!("{name}_bucket"), labels, sent, value));
    }
    samples
}

fn quantiles(name: &str, point: SummaryDataPoint) -> Vec<Sample> {
    let own = labels(point.attributes);
    let part = |suffix: &str, value| {
        let name = format!("{name}{suffix}");
        sample(&name, own.clone(), Sent::OfSummary, value)
    };
    let mut samples = vec![
        part("_count", Ok(Value::whole(point.count))),
        part("_sum", of_double(point.sum)),
    ];
    for quantile in point.quantile_values {
        let at = of_double(quantile.quantile).map(|at| at.to_string());
        let labels = with(own.clone(), "quantile", at.unwrap_or_default());
        samples.push(sample(
            name,
            labels,
            Sent::OfSummary,
            of_double(quantile.value),
        ));
    }
    samples
}

type Labels = Result<Vec<(String, String)>, Refusal>;

/// Makes labels of attributes; one whose value is a list or a map is refused.
fn labels(attributes: Vec<KeyValue>) -> Labels {
    let one = |attribute: KeyValue| {
        let value = attribute.value.and_then(|value| value.value);
        let text = match value {
            Some(any_value::Value::StringValue(text)) => text,
            Some(any_value::Value::BoolValue(value)) => value.to_string(),
            Some(any_value::Value::IntValue(value)) => value.to_string(),
            Some(any_value::Value::DoubleValue(value)) => value.to_string(),
            Some(_) | None => {
                return Err(Refusal::Unreadable(
                    "the value of an attribute is neither text nor number",
                ));
            }
        };
        Ok((attribute.key, text))
    };
    attributes.into_iter().map(one).collect()
}

fn with(labels: Labels, label: &str, value: String) -> Labels {
    labels.map(|mut labels| {
        labels.push((label.to_owned(), value));
        labels
    })
}

fn sample(name: &str, labels: Labels, sent: Sent, value: Result<Value, ValueFault>) -> Sample {
    let name = name.as_bytes().to_vec();
    let offer = labels.and_then(|labels| {
        Ok(Offer {
            name: name.clone(),
            labels,
            sent,
            value: value?,
        })
    });
    (name, offer)
}

/// Takes a double by its shortest decimal form, so that one reader judges all numbers.
pub(super) fn of_double(value: f64) -> Result<Value, ValueFault> {
    Value::parse(&value.to_string())
}
