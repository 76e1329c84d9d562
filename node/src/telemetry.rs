//! Log lines for people or machines, and traces for a collector if one is configured.
//!
//! - Log lines go to standard error; which ones is changed while the node runs ([`Telemetry::set_filter`]).
//! - Traces leave the node only if `telemetry.otlp_endpoint` names a collector, by OTLP over plain HTTP; what
//!   must be encrypted on its way is left to a collector on this machine.
//! - Only spans of x0's own parts are exported, without names of host, process, threads or source lines.
//!   The log filter holds for them as well.
//!
//! Nothing here reads a message: what is logged is decided where it is logged.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use crate::config;

/// What every part of x0 begins its targets with.
const OWN_TARGETS: &str = "x0";
/// Where an OTLP collector takes traces (OTLP specification 1.x, "OTLP/HTTP request").
const TRACES_PATH: &str = "/v1/traces";
/// How long one export may take, and the last one at the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Says why logging or tracing could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error(
        "log.filter \"{filter}\" is not understood ({what}); write for example info,x0_net=debug"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        what: String,
    },
    /// The exporter could not be made.
    #[error(
        "traces cannot be sent to {endpoint} ({what}); mend telemetry.otlp_endpoint or set it to off"
    )]
    Exporter {
        /// Where to.
        endpoint: String,
        /// What is wrong.
        what: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already in this process")]
    Twice,
}

/// Keeps logging and tracing adjustable, and ends them.
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    traces: Option<SdkTracerProvider>,
}

/// Sets up logging and tracing for the whole process.
///
/// # Errors
/// By what is to be mended; nothing is set up then.
pub fn start(
    log: &config::Log,
    telemetry: &config::Telemetry,
) -> Result<Telemetry, TelemetryError> {
    let (subscriber, telemetry) = build(log, telemetry, std::io::stderr)?;
    subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
    Ok(telemetry)
}

impl Telemetry {
    /// Changes which log lines are written from now on.
    ///
    /// # Errors
    /// [`TelemetryError::Filter`]; the filter before stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), TelemetryError> {
        self.filter
            .reload(parse(filter)?)
            .map_err(|error| bad_filter(filter, error))
    }

    /// Sends the traces that still wait, for a few seconds at most; blocks the thread.
    pub fn stop(self) {
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown_with_timeout(EXPORT_TIMEOUT)
        {
            tracing::warn!(%error, "the last traces did not reach the collector");
        }
    }
}

fn build<W>(
    log: &config::Log,
    telemetry: &config::Telemetry,
    writer: W,
) -> Result<(impl SubscriberInitExt + use<W>, Telemetry), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(&log.filter)?);
    let lines = fmt::layer().with_writer(writer);
    let lines = match log.format {
        config::LogFormat::Text => lines.with_ansi(false).boxed(),
        config::LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let traces = telemetry
        .otlp_endpoint
        .as_deref()
        .map(exporter)
        .transpose()?;
    let spans = traces.as_ref().map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("x0"))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|metadata| {
                metadata.target().starts_with(OWN_TARGETS)
            }))
    });
    let subscriber = Registry::default().with(filter).with(lines).with(spans);
    let telemetry = Telemetry {
        filter: handle,
        traces,
    };
    Ok((subscriber, telemetry))
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    crate::tls::ready();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{endpoint}{TRACES_PATH}"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| TelemetryError::Exporter {
            endpoint: endpoint.to_owned(),
            what: error.to_string(),
        })?;
    let resource = Resource::builder_empty().with_service_name("x0").build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| bad_filter(filter, error))
}

fn bad_filter(filter: &str, error: impl std::fmt::Display) -> TelemetryError {
    TelemetryError::Filter {
        filter: filter.to_owned(),
        what: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        sync::{Arc, Mutex, PoisonError},
    };

    use super::*;

    #[test]
    fn the_filter_can_change_while_the_node_runs() {
        let lines = Lines::default();
        let (subscriber, telemetry) = build(&log(config::LogFormat::Text), &off(), lines.clone())
            .unwrap_or_else(|error| panic!("{error}"));

        tracing::dispatcher::with_default(&subscriber.into(), || {
            tracing::debug!("unseen");
            telemetry.set_filter("debug").unwrap();
            tracing::debug!(answer = 42, "seen");
            let error = telemetry.set_filter("info,x0=loud").unwrap_err();
            assert!(error.to_string().contains("info,x0=loud"), "{error}");
            tracing::debug!("still seen");
        });

        let text = lines.text();
        assert!(!text.contains("unseen"), "{text}");
        assert!(text.contains("seen answer=42"), "{text}");
        assert!(text.contains("still seen"), "{text}");
    }

    #[test]
    fn json_lines_are_objects_with_their_fields() {
        let lines = Lines::default();
        let (subscriber, _telemetry) = build(&log(config::LogFormat::Json), &off(), lines.clone())
            .unwrap_or_else(|error| panic!("{error}"));

        tracing::dispatcher::with_default(&subscriber.into(), || {
            tracing::info!(links = 3, "linked");
        });

        let line: serde_json::Value = serde_json::from_str(&lines.text()).unwrap();
        assert_eq!(line["message"], "linked");
        assert_eq!(line["links"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn spans_of_our_own_parts_reach_the_collector_at_the_latest_on_stop() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let telemetry = config::Telemetry {
            otlp_endpoint: Some(format!("http://{}", collector.local_addr().unwrap())),
        };
        let request = std::thread::spawn(move || take_request(&mut collector.accept().unwrap().0));
        let (subscriber, telemetry) =
            build(&log(config::LogFormat::Text), &telemetry, Lines::default())
                .unwrap_or_else(|error| panic!("{error}"));

        tracing::dispatcher::with_default(&subscriber.into(), || {
            tracing::info_span!(target: "x0_node::act", "weigh_act").in_scope(|| {});
            tracing::info_span!(target: "somebody_else", "not_ours").in_scope(|| {});
        });
        telemetry.stop();

        let request = request.join().unwrap();
        assert!(request.starts_with("POST /v1/traces HTTP/1.1"), "{request}");
        assert!(request.contains("weigh_act"), "{request}");
        assert!(!request.contains("not_ours"), "{request}");
        assert!(!request.contains("telemetry.rs"), "{request}");
    }

    fn log(format: config::LogFormat) -> config::Log {
        config::Log {
            format,
            filter: "info".to_owned(),
        }
    }

    fn off() -> config::Telemetry {
        config::Telemetry {
            otlp_endpoint: None,
        }
    }

    /// Reads one HTTP request with its body and answers it.
    fn take_request(stream: &mut TcpStream) -> String {
        let mut request = Vec::new();
        let mut part = [0; 4096];
        loop {
            let read = stream.read(&mut part).unwrap();
            assert_ne!(read, 0, "the request ended early");
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, _)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap();
            if request.len() >= head.len() + 4 + length {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
                return text;
            }
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
