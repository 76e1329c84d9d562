//! Bounded requests to servers outside the mesh: hubs, gateways and sequencers of Snapshot, nodes of a chain.
//!
//! Nobody is asked by itself. Addresses are https, or http on this machine; answers have a longest size and a longest
//! wait, redirects are not followed, and words of the other side are made safe to print.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url, header::RETRY_AFTER, redirect};
use serde_json::Value;

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is asked again after the other side says that it was asked too often.
const TRIES_MAX: u32 = 4;
/// Longest wait before asking again.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// First wait before asking again, unless the other side names one; doubles.
const WAIT_FIRST: Duration = Duration::from_secs(2);
/// Longest reason of the other side that is passed on, characters.
const REASON_CHARS_MAX: usize = 300;

/// Why a question or a message got nowhere.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address cannot be asked.
    #[error("{url:?} cannot be asked: {why}. Name one like https://hub.example.org")]
    BadAddress {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers.
    #[error(
        "{host} does not answer ({cause}). Check the network and the address; behind a proxy set HTTPS_PROXY or ALL_PROXY"
    )]
    Unreachable {
        /// Who.
        host: String,
        /// What went wrong.
        cause: String,
    },
    /// The other side wants to be asked less often.
    #[error(
        "{host} was asked too often ({why}). Try again later or ask another; a hub of Snapshot lets more through by a key in X0_SNAPSHOT_API_KEY"
    )]
    TooOften {
        /// Who.
        host: String,
        /// What it says.
        why: String,
    },
    /// What is asked for is not there, or no more.
    #[error("{what} is not there: {host} has never had it or has dropped it")]
    Gone {
        /// Who was asked.
        host: String,
        /// What for.
        what: String,
    },
    /// The other side says no.
    #[error("{host} refuses ({status}): {why}")]
    Refused {
        /// Who.
        host: String,
        /// The status of its answer.
        status: u16,
        /// What it says.
        why: String,
    },
    /// The answer is not understood.
    #[error("the answer of {host} is not understood: {why}")]
    BadAnswer {
        /// Whose.
        host: String,
        /// What is wrong with it.
        why: String,
    },
}

impl WebError {
    /// Returns the kind of error, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "bad_address",
            Self::Unreachable { .. } => "nobody_answered",
            Self::TooOften { .. } => "too_often",
            Self::Gone { .. } => "gone",
            Self::Refused { .. } => "refused",
            Self::BadAnswer { .. } => "bad_answer",
        }
    }
}

/// The way out.
#[derive(Debug)]
pub struct Web {
    client: reqwest::Client,
    wait_first: Duration,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    url: Url,
}

impl Place {
    /// Takes an address: https, or http on this machine.
    pub(crate) fn parse(text: &str) -> Result<Self, WebError> {
        let refuse = |why: String| WebError::BadAddress {
            url: text.to_owned(),
            why,
        };
        let url: Url = text
            .trim_end_matches('/')
            .parse()
            .map_err(|error| refuse(format!("{error}")))?;
        let host = url.host_str().unwrap_or_default();
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match url.scheme() {
            "https" => Ok(Self { url }),
            "http" if is_here => Ok(Self { url }),
            "http" => Err(refuse(
                "everybody on the way could read and change what is said; https is wanted"
                    .to_owned(),
            )),
            scheme => Err(refuse(format!("{scheme} is not https"))),
        }
    }

    /// Returns the address of something below it; each part is one step of a path.
    pub(crate) fn at(&self, parts: &[&str]) -> Self {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        Self { url }
    }

    /// Returns its name, for messages.
    pub(crate) fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

impl Web {
    /// Makes the way out. Proxies are taken from the environment.
    ///
    /// # Errors
    ///
    /// Returns why the system lets nothing out.
    pub fn new() -> Result<Self, WebError> {
        crate::tls::ready();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("x0/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| WebError::Unreachable {
                host: "the network".to_owned(),
                cause: cause.to_string(),
            })?;
        Ok(Self {
            client,
            wait_first: WAIT_FIRST,
        })
    }

    /// Waits so little between tries that a test does not.
    #[cfg(test)]
    pub(crate) const fn impatient(mut self) -> Self {
        self.wait_first = Duration::from_millis(1);
        self
    }

    pub(crate) async fn post(
        &self,
        to: &Place,
        body: &Value,
        api_key: Option<&str>,
        bytes_max: usize,
    ) -> Result<Value, WebError> {
        let bytes = self
            .ask(to, "the address", bytes_max, || {
                let question = self.client.post(to.url.clone()).json(body);
                match api_key {
                    Some(key) => question.header("x-api-key", key),
                    None => question,
                }
            })
            .await?;
        serde_json::from_slice(&bytes).map_err(|error| to.not_understood(&error.to_string()))
    }

    pub(crate) async fn get(
        &self,
        from: &Place,
        what: &str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, WebError> {
        self.ask(from, what, bytes_max, || self.client.get(from.url.clone()))
            .await
    }

    async fn ask(
        &self,
        place: &Place,
        what: &str,
        bytes_max: usize,
        question: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, WebError> {
        let mut wait = self.wait_first;
        let mut tries = 1;
        loop {
            let answer = question()
                .send()
                .await
                .map_err(|error| place.unreachable(&error))?;
            let status = answer.status();
            let named = retry_after(&answer);
            let bytes = place.read(answer, bytes_max).await?;
            if status.is_success() {
                return Ok(bytes);
            }
            let why = reason(&bytes);
            if status != StatusCode::TOO_MANY_REQUESTS || tries == TRIES_MAX {
                return Err(place.refused(status, what, why));
            }
            tokio::time::sleep(named.unwrap_or(wait).min(WAIT_MAX)).await;
            wait *= 2;
            tries += 1;
        }
    }
}

impl Place {
    async fn read(&self, mut answer: Response, bytes_max: usize) -> Result<Vec<u8>, WebError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(self.not_understood(&format!("it has more than {bytes_max} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn unreachable(&self, error: &reqwest::Error) -> WebError {
        let mut cause = error.to_string();
        let mut below = std::error::Error::source(error);
        while let Some(deeper) = below {
            cause = deeper.to_string();
            below = deeper.source();
        }
        WebError::Unreachable {
            host: self.host(),
            cause,
        }
    }

    fn refused(&self, status: StatusCode, what: &str, why: String) -> WebError {
        let host = self.host();
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => WebError::Gone {
                host,
                what: what.to_owned(),
            },
            StatusCode::TOO_MANY_REQUESTS => WebError::TooOften { host, why },
            _ => WebError::Refused {
                host,
                status: status.as_u16(),
                why,
            },
        }
    }

    /// Tells that an answer is none that is understood.
    pub(crate) fn not_understood(&self, why: &str) -> WebError {
        WebError::BadAnswer {
            host: self.host(),
            why: why.to_owned(),
        }
    }

    /// Tells that the answer is an error in place of data.
    pub(crate) fn answered_no(&self, answer: &Value) -> WebError {
        WebError::Refused {
            host: self.host(),
            status: StatusCode::OK.as_u16(),
            why: spoken(answer).unwrap_or_else(|| "it does not say why".to_owned()),
        }
    }

    /// Tells that something is not there.
    pub(crate) fn lacks(&self, what: String) -> WebError {
        WebError::Gone {
            host: self.host(),
            what,
        }
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let secs = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    secs.parse().ok().map(Duration::from_secs)
}

/// Finds the words in a refusal, whichever of the usual forms it has.
fn reason(bytes: &[u8]) -> String {
    let answer: Option<Value> = serde_json::from_slice(bytes).ok();
    let words = answer.as_ref().and_then(spoken);
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(bytes).trim().to_owned());
    match words.is_empty() {
        true => "it does not say why".to_owned(),
        false => shown(&words),
    }
}

fn spoken(answer: &Value) -> Option<String> {
    let places = [
        "/error_description",
        "/error/data/message",
        "/error/message",
        "/errors/0/message",
        "/message",
        "/error",
    ];
    let found = places
        .iter()
        .find_map(|place| answer.pointer(place)?.as_str());
    found.map(shown)
}

/// Makes words of another program safe to print on a terminal.
fn shown(words: &str) -> String {
    let printable = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(REASON_CHARS_MAX).collect()
}
