//! The gateway over HTTP, on the loopback: OTLP metrics and Prometheus remote write come in, what anybody may see goes out.
//!
//! Only programs of this machine get here, and no web page of a browser: requests must name the loopback as their host, and
//! those that hand something in must be of a type that no page can send unasked. Traces and logs are refused wholly.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost_otlp::Message;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};
use x0_protocol::charter::gateway::{Taken, refusal::Refusal, render::Escaping};

use super::{
    Hub,
    otlp::{self, BODY_BYTES_MAX, Sample},
    remote_write,
};

/// Requests that are worked on at the same time: each may take as much memory as its decoded body.
const REQUESTS_MAX: usize = 4;
/// How long a request may take to come in and wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// What OTLP and remote write are encoded in.
const PROTOBUF: &str = "application/x-protobuf";
/// What OpenMetrics is served as.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// `PERMISSION_DENIED` and `INVALID_ARGUMENT` (google.rpc.Code), which OTLP tells refusals by.
const DENIED: i32 = 7;
const INVALID: i32 = 3;

/// How OTLP tells an error (google.rpc.Status).
#[derive(Clone, PartialEq, Message)]
#[prost(prost_path = "::prost_otlp")]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// What the handlers share.
struct Shared {
    hub: Arc<Hub>,
    turns: Semaphore,
}

/// Serves until told to stop.
pub(super) async fn serve(hub: Arc<Hub>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let shared = Arc::new(Shared {
        hub,
        turns: Semaphore::new(REQUESTS_MAX),
    });
    let service = router(shared);
    let stopped = async move {
        stop.wait_for(|stop| *stop).await.ok();
    };
    let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
    if let Err(cause) = served.await {
        tracing::warn!(%cause, "the gateway's HTTP side stopped");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/metrics", post(metrics))
        .route("/v1/traces", post(traces))
        .route("/v1/logs", post(logs))
        .route("/api/v1/write", post(write))
        .route("/metrics", get(show))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(check_host))
        .with_state(shared)
}

/// Lets through only requests that were made to this machine by its own names, so that no page of a browser reads what
/// stands here under a name of its own.
async fn check_host(request: Request, next: Next) -> Result<Response, Infallible> {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let is_here = host.is_some_and(|host| {
        let by_address = host
            .parse::<SocketAddr>()
            .map(|address| address.ip())
            .or_else(|_| host.trim_matches(['[', ']']).parse::<IpAddr>());
        let name = host.split(':').next();
        name == Some("localhost") || by_address.is_ok_and(|address| address.is_loopback())
    });
    if is_here {
        return Ok(next.run(request).await);
    }
    let words = "the gateway serves programs of this machine only: ask for it by 127.0.0.1\n";
    Ok((StatusCode::FORBIDDEN, words).into_response())
}

async fn metrics(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let body = match shared.read(request, "otlp").await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    match shared.take("otlp", &body, otlp::read).await {
        Ok(taken) => protobuf(StatusCode::OK, &answer(&shared.hub, taken)),
        Err(refusal) => status(StatusCode::BAD_REQUEST, INVALID, refusal.to_string()),
    }
}

/// Says how many samples were refused, and where to read why.
fn answer(hub: &Hub, taken: Taken) -> ExportMetricsServiceResponse {
    let partial = (taken.refused > 0).then(|| ExportMetricsPartialSuccess {
        rejected_data_points: i64::try_from(taken.refused).unwrap_or(i64::MAX),
        error_message: format!(
            "refused by charter number {}: `x0 charter gateway status` tells each name and why",
            hub.number()
        ),
    });
    ExportMetricsServiceResponse {
        partial_success: partial,
    }
}

async fn write(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let body = match shared.read(request, "remote-write").await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    match shared.take("remote-write", &body, remote_write::read).await {
        // What is refused is refused for good: anything but a success would have it sent again and again.
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => (StatusCode::BAD_REQUEST, format!("{refusal}\n")).into_response(),
    }
}

async fn traces(State(shared): State<Arc<Shared>>) -> Response {
    shared.refuse_wholly(&Refusal::Traces)
}

async fn logs(State(shared): State<Arc<Shared>>) -> Response {
    shared.refuse_wholly(&Refusal::Logs)
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let escaping = match accepted {
        Some(accept) if accept.contains("escaping=allow-utf-8") => Escaping::Quotes,
        Some(_) | None => Escaping::Underscores,
    };
    let text = shared.hub.shown(escaping);
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

async fn nowhere(uri: Uri) -> Response {
    let words = format!(
        "there is nothing at {}: hand metrics in by POST at /v1/metrics (OTLP) or /api/v1/write (remote write), \
         by StatsD over UDP at the same address; GET /metrics shows what anybody may see\n",
        uri.path()
    );
    (StatusCode::NOT_FOUND, words).into_response()
}

impl Shared {
    /// Reads a body of protobuf, whole and in time.
    async fn read(&self, request: Request, source: &str) -> Result<Bytes, (StatusCode, String)> {
        let (head, body) = request.into_parts();
        let header = |name| {
            let value = head.headers.get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let is_packed = source == "otlp" && !matches!(header(CONTENT_ENCODING), "" | "identity");
        let is_protobuf = header(CONTENT_TYPE).split(';').next().map(str::trim) == Some(PROTOBUF);
        if is_packed || !is_protobuf {
            let why =
                "send protobuf (content type application/x-protobuf), and OTLP without compression";
            self.hub.refuse(source, &Refusal::Unreadable(why));
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{why}\n")));
        }
        let read = timeout(PATIENCE, axum::body::to_bytes(body, BODY_BYTES_MAX)).await;
        match read {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => {
                let refusal = Refusal::TooLong(BODY_BYTES_MAX);
                self.hub.refuse(source, &refusal);
                Err((StatusCode::PAYLOAD_TOO_LARGE, format!("{refusal}\n")))
            }
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                "the request took longer than 10 s to come in: send it again\n".to_owned(),
            )),
        }
    }

    /// Decodes and judges, a few requests at a time.
    async fn take(
        &self,
        source: &str,
        body: &[u8],
        read: impl Fn(&[u8]) -> Result<Vec<Sample>, Refusal>,
    ) -> Result<Taken, Refusal> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        match read(body) {
            Ok(samples) => Ok(self.hub.offers(source, samples)),
            Err(refusal) => {
                self.hub.refuse(source, &refusal);
                Err(refusal)
            }
        }
    }

    fn refuse_wholly(&self, refusal: &Refusal) -> Response {
        self.hub.refuse("otlp", refusal);
        status(StatusCode::FORBIDDEN, DENIED, refusal.to_string())
    }
}

fn status(http: StatusCode, code: i32, message: String) -> Response {
    protobuf(http, &Status { code, message })
}

fn protobuf(http: StatusCode, message: &impl Message) -> Response {
    (http, [(CONTENT_TYPE, PROTOBUF)], message.encode_to_vec()).into_response()
}
