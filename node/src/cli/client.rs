//! The way from a command to the running node: HTTP over its unix socket.

use std::{path::PathBuf, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};
use zeroize::Zeroizing;

use super::error::CliError;
use crate::api::{
    error::{ErrorBody, ErrorView},
    events::EventView,
};

/// The sort of body that calls have as a rule.
const JSON: &str = "application/json";
/// Longest wait for an answer: longer than the longest the API makes callers wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer read, bytes: a page of acts that each name 2,000 nodes.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Talks to the node on a socket.
#[derive(Clone)]
pub struct Client {
    socket: PathBuf,
    token: Option<Zeroizing<String>>,
}

impl Client {
    /// Makes a client of a socket; a token is shown if the socket alone gives no rights.
    pub const fn new(socket: PathBuf, token: Option<Zeroizing<String>>) -> Self {
        Self { socket, token }
    }

    /// Reads something.
    ///
    /// # Errors
    ///
    /// Returns that no node runs, or what it refuses and why.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.call(Method::GET, path, None).await
    }

    /// Reads bytes that are no JSON.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn download(&self, path: &str) -> Result<Bytes, CliError> {
        self.exchange(Method::GET, path, None).await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.call(Method::POST, path, Some((JSON, to_json(body)?)))
            .await
    }

    /// Hands over bytes that are no JSON.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, CliError> {
        let sort = "application/octet-stream";
        let bytes = self
            .exchange(Method::POST, path, Some((sort, body)))
            .await?;
        read_json(&bytes)
    }

    /// Asks for bytes that are no JSON, by what a list names.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn fetch(&self, path: &str, body: &impl Serialize) -> Result<Bytes, CliError> {
        self.exchange(Method::POST, path, Some((JSON, to_json(body)?)))
            .await
    }

    /// Asks for something to be removed.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.call(Method::DELETE, path, None).await
    }

    /// Tells whether a node answers.
    pub async fn is_running(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
    }

    /// Follows what happens, from after an event or from now on.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub async fn events(&self, after: Option<&str>) -> Result<Events, CliError> {
        let mut request = self
            .request(Method::GET, "/v1/events")
            .header(ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let request = request.body(Full::default()).map_err(bad)?;
        let response = self.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, &read(response.into_body()).await?));
        }
        Ok(Events {
            body: response.into_body(),
            buffer: Vec::new(),
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<T, CliError> {
        read_json(&self.exchange(method, path, body).await?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Bytes, CliError> {
        let mut request = self.request(method, path);
        if let Some((sort, _)) = &body {
            request = request.header(CONTENT_TYPE, *sort);
        }
        let body = body.map(|(_, bytes)| bytes).unwrap_or_default();
        let body = Full::new(Bytes::from(body));
        let request = request.body(body).map_err(bad)?;
        let (status, bytes) = timeout(PATIENCE, async {
            let response = self.send(request).await?;
            let status = response.status();
            Ok::<_, CliError>((status, read(response.into_body()).await?))
        })
        .await
        .map_err(|_| {
            let waited = format!("no answer within {} s", PATIENCE.as_secs());
            CliError::BadAnswer(waited)
        })??;
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        Ok(bytes)
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost");
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {}", token.as_str())),
            None => request,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, CliError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|cause| {
            if cause.kind() == std::io::ErrorKind::PermissionDenied {
                return CliError::Failed(format!(
                    "the node on {} belongs to another user: run this command as that user",
                    self.socket.display()
                ));
            }
            CliError::NotRunning {
                socket: self.socket.clone(),
            }
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(bad)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(bad)
    }
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, CliError> {
    serde_json::to_vec(body).map_err(|fault| CliError::BadAnswer(fault.to_string()))
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(bytes).map_err(|fault| CliError::BadAnswer(fault.to_string()))
}

async fn read(body: Incoming) -> Result<Bytes, CliError> {
    let whole = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    whole
        .map(http_body_util::Collected::to_bytes)
        .map_err(|cause| CliError::BadAnswer(cause.to_string()))
}

fn refusal(status: StatusCode, bytes: &[u8]) -> CliError {
    match serde_json::from_slice::<ErrorBody>(bytes) {
        Ok(body) => CliError::Refused(body.error),
        Err(_) => CliError::Refused(ErrorView {
            code: "refused".to_owned(),
            message: format!("the node refused the call ({status})"),
            mend: "see the log of the node".to_owned(),
        }),
    }
}

fn bad(cause: impl std::fmt::Display) -> CliError {
    CliError::BadAnswer(cause.to_string())
}

/// What happens on the node, event after event.
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

/// One thing of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// An event and its id, after which the stream can be taken up again.
    Event(String, EventView),
    /// So many events were missed.
    Lost(u64),
}

impl Events {
    /// Waits for the next event; `None` when the node stops.
    ///
    /// # Errors
    ///
    /// Returns that the stream broke off or is not understood.
    pub async fn next(&mut self) -> Result<Option<Streamed>, CliError> {
        loop {
            while let Some(block) = take_block(&mut self.buffer) {
                if let Some(streamed) = parse_block(&block)? {
                    return Ok(Some(streamed));
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(cause)) => return Err(bad(cause)),
                None => return Ok(None),
            }
        }
    }
}

/// Takes a block that ends with an empty line out of what has come.
fn take_block(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    let block: Vec<u8> = buffer.drain(..end + 2).collect();
    Some(String::from_utf8_lossy(&block).into_owned())
}

fn parse_block(block: &str) -> Result<Option<Streamed>, CliError> {
    let field = |name: &str| {
        block.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.strip_prefix(' ').unwrap_or(value))
        })
    };
    let Some(data) = field("data") else {
        return Ok(None);
    };
    if field("event") == Some("lost") {
        let lost: serde_json::Value = serde_json::from_str(data).map_err(bad)?;
        let count = lost.get("lost").and_then(serde_json::Value::as_u64);
        return Ok(Some(Streamed::Lost(count.unwrap_or_default())));
    }
    let event = serde_json::from_str(data).map_err(bad)?;
    let id = field("id").unwrap_or_default().to_owned();
    Ok(Some(Streamed::Event(id, event)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[tokio::test]
    async fn a_socket_nobody_serves_means_that_no_node_runs() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::new(dir.path().join("x0.sock"), None);

        let error = client
            .get::<serde_json::Value>("/v1/status")
            .await
            .unwrap_err();

        assert!(matches!(error, CliError::NotRunning { .. }), "{error}");
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let event = r#"{"time_ms":1,"event":"ready","peer":null,"record":null,"words":"w"}"#;
        let text = format!(
            ":\n\nid: 7-3\nevent: ready\ndata: {event}\n\nevent: lost\ndata: {{\"lost\":4}}\n\n"
        );
        let mut buffer = Vec::new();
        let mut read = Vec::new();

        for byte in text.bytes() {
            buffer.push(byte);
            while let Some(block) = take_block(&mut buffer) {
                read.extend(parse_block(&block).unwrap());
            }
        }

        let expected = serde_json::from_str(event).unwrap();
        let expected = Streamed::Event("7-3".to_owned(), expected);
        assert_eq!(read, [expected, Streamed::Lost(4)]);
    }
}
