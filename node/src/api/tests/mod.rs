//! The API as its callers meet it: a real node in a directory of its own, served on both sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callers;
mod calls;
mod cases;
mod emergency;
mod guardians;
mod inspections;
mod keeping;
mod routes;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{mpsc, watch},
    time::timeout,
};
use x0_crypto::Identity;

use super::{
    ApiParts, ApiState, Order,
    control::ReloadView,
    error::{ErrorBody, ErrorView},
    router,
    sockets::Sockets,
    tokens::{ApiTokens, Scope},
};
use crate::{
    charter::{SHIPPED, following::Standing},
    config::{Config, FILE, Sources, SublimeSettings},
    emergency::hosting::Hosted,
    gateway::Hub,
    metrics::Metrics,
    runtime::{
        self, NetworkSettings, NodeSettings,
        genesis::{GenesisPlan, create_genesis},
    },
    store::StoreOptions,
    sublime,
};

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that founded its own mesh, and its API on a unix socket and on the loopback.
struct Served {
    api: Arc<ApiState>,
    socket: PathBuf,
    loopback: SocketAddr,
    _dir: TempDir,
}

impl Served {
    async fn start() -> Self {
        Self::with_settings("").await
    }

    /// Starts with these lines in the file of settings.
    async fn with_settings(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), settings).unwrap();
        let config = Config::load(Sources::file_only(dir.path().to_owned())).unwrap();
        let socket = config.api.unix_socket.clone();
        let sockets = Sockets::open(&socket, config.api.http).await.unwrap();
        let loopback = sockets.loopback().unwrap();
        let node = start_node(dir.path());
        let settings = SublimeSettings {
            listen: Vec::new(),
            ..config.sublime.clone()
        };
        let keeper = sublime::start(dir.path(), &settings, &node).await.unwrap();
        let (orders, taken) = mpsc::channel(8);
        tokio::spawn(take(taken));
        let api = ApiState::start(ApiParts {
            node,
            tokens: ApiTokens::open(dir.path()).unwrap(),
            orders,
            loopback: Some(loopback),
            config: watch::channel(Arc::new(config)).1,
            kernel: watch::channel(Standing::Waiting).1,
            gateway: Arc::new(Hub::open(dir.path(), SHIPPED.clone(), Metrics::new()).unwrap()),
            keeper,
            hosted: watch::channel(Hosted::default()).1,
        })
        .unwrap();
        tokio::spawn(sockets.serve(router(Arc::clone(&api)), Arc::clone(&api)));
        Self {
            api,
            socket,
            loopback,
            _dir: dir,
        }
    }

    /// Makes an API token with one scope.
    fn token(&self, scope: Scope) -> String {
        let (_, token) = self.api.tokens.add("test", &[scope], 0).unwrap();
        token.to_string()
    }

    /// Calls on the unix socket, as the node's own user.
    async fn unix(&self, call: Call) -> Answer {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        call.send(stream, "localhost").await
    }

    /// Calls on the loopback, naming the host as a browser would.
    async fn tcp(&self, call: Call) -> Answer {
        let stream = TcpStream::connect(self.loopback).await.unwrap();
        call.send(stream, &self.loopback.to_string()).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.unix(Call::get(path)).await.json()
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> T {
        self.unix(Call::post(path, body)).await.json()
    }
}

/// Starts a node that founds a mesh of its own and knows nobody.
pub(crate) fn start_node(dir: &Path) -> runtime::NodeHandle {
    let identity = Identity::generate().unwrap();
    let metrics = Metrics::new();
    let options = StoreOptions {
        free_bytes_min: 0,
        ..StoreOptions::new(1 << 30, metrics.clone())
    };
    let plan = GenesisPlan {
        name: "test".parse().unwrap(),
        founders: Vec::new(),
        parameters: x0_protocol::wire::Parameters::default(),
        region: None,
    };
    let store = create_genesis(dir, &identity, plan, options).unwrap();
    let settings = NodeSettings {
        data_dir: dir.to_owned(),
        network: NetworkSettings {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            connections_max: 8,
            ..NetworkSettings::default()
        },
        fresh: true,
        cosign: x0_protocol::anti_meave::CosignPolicy::Ask,
    };
    runtime::start(settings, identity, store, metrics).unwrap()
}

/// Takes the orders that the program around the node would.
async fn take(mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Reload(reply) => {
                let nothing = ReloadView {
                    changes: Vec::new(),
                };
                reply.send(Ok(nothing)).ok();
            }
            Order::Stop => {}
        }
    }
}

/// A call to be made.
struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Call {
    fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path).text(&body.to_string())
    }

    /// Sends this text as if it were JSON.
    fn text(mut self, text: &str) -> Self {
        self.body = text.as_bytes().to_vec();
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn token(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    async fn send(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &str,
    ) -> Answer {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        if !self.headers.iter().any(|(name, _)| *name == HOST.as_str()) {
            request = request.header(HOST, host);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body))).unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answered = timeout(PATIENCE, sender.send_request(request)).await;
        let response = answered.expect("an answer comes").unwrap();
        let (head, body) = response.into_parts();
        let is_stream = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream {
            Bytes::new()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Answer {
            path: self.path,
            status: head.status,
            headers: head.headers,
            body,
        }
    }
}

struct Answer {
    path: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads the body of a success.
    fn json<T: DeserializeOwned>(&self) -> T {
        assert!(self.status.is_success(), "{}: {}", self.path, self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Reads the body of a refusal, which always has one shape and never leaves the caller without a mend.
    fn error(&self) -> ErrorView {
        assert!(!self.status.is_success(), "{}: {}", self.path, self.text());
        let body: ErrorBody = serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{}: {fault}: {}", self.path, self.text()));
        assert!(!body.error.message.is_empty() && !body.error.mend.is_empty());
        body.error
    }

    /// Returns status and code of a refusal.
    fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.error().code)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
