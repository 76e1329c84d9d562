//! Questions to a gateway, its index and a bundler, over HTTP.
//!
//! Only addresses that the settings name are asked: https, or http on this machine; redirects are not followed. Each answer
//! has a longest size and a longest wait, and words of the other side are made safe to print.

use std::time::Duration;

use cid::Cid;
use reqwest::{Method, Response, StatusCode, Url, header, redirect};
use serde::Deserialize;
use serde_json::{Value, json};

use super::item::{CID_TAG, DataItem, ItemId};
use crate::{BLOCK_BYTES_MAX, TierError, TierKind};

/// Longest wait for a whole answer. Blocks have 1 MiB at most; a gateway may have to fetch one from the network.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// Longest answer that is not a block, bytes: ten entries of an index, a receipt, a refusal.
const WORDS_BYTES_MAX: usize = 64 * 1024;
/// Most items of one tag that are looked at. Anybody can tag anything: more than one is somebody's error or malice.
const FOUND_MAX: usize = 10;
/// Longest reason of the other side that is passed on, characters.
const REASON_CHARS_MAX: usize = 300;

/// Asks the index for the items of a content id, the oldest first: who tags other bytes with the name of a block has to
/// have known the name before the block was there.
const LOOK_UP: &str = "query($name: String!, $cid: String!, $owners: [String!], $first: Int!) { \
    transactions(tags: [{name: $name, values: [$cid]}], owners: $owners, sort: HEIGHT_ASC, first: $first) { \
    edges { node { id } } } }";

/// The ways to one gateway.
pub(super) struct Gateway {
    client: reqwest::Client,
    gateway: Url,
    index: Url,
}

/// Bytes that a gateway gives, or how many there are if they are too many for a block.
pub(super) enum Given {
    Bytes(Vec<u8>),
    TooMany(usize),
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Found>,
}

#[derive(Deserialize)]
struct Found {
    transactions: Edges,
}

#[derive(Deserialize)]
struct Edges {
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    node: Node,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
}

/// Takes an address: https, or http on this machine.
pub(super) fn address(text: &str) -> Result<Url, TierError> {
    let refuse = |why: String| {
        refused(format!(
            "{text:?} cannot be asked: {why}. Name an address like https://arweave.net"
        ))
    };
    let url: Url = text.parse().map_err(|error| refuse(format!("{error}")))?;
    let is_here = matches!(
        url.host_str().unwrap_or_default(),
        "localhost" | "127.0.0.1" | "[::1]"
    );
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(refuse(
            "everybody on the way could see what is asked for".to_owned(),
        )),
        scheme => Err(refuse(format!("{scheme} is not https"))),
    }
}

impl Gateway {
    /// Makes the way out. Without a proxy of its own it takes those of the environment.
    pub(super) fn new(
        gateway: &str,
        index: Option<&str>,
        proxy: Option<&str>,
    ) -> Result<Self, TierError> {
        let gateway = address(gateway)?;
        let index = match index {
            Some(index) => address(index)?,
            None => below(&gateway, &["graphql"]),
        };
        // Names ring as what TLS is made with; an error says that it was named before, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let mut client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(CONNECT_PATIENCE)
            .redirect(redirect::Policy::none());
        if let Some(proxy) = proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| {
                refused(format!(
                    "{proxy:?} is no proxy. Name one like socks5h://127.0.0.1:9050"
                ))
            })?;
            client = client.proxy(proxy);
        }
        let client = client
            .build()
            .map_err(|cause| unreachable("the network", &cause))?;
        Ok(Self {
            client,
            gateway,
            index,
        })
    }

    /// Finds the items that carry a content id, those of these owners only if there are any.
    pub(super) async fn look_up(
        &self,
        cid: &Cid,
        owners: &[String],
    ) -> Result<Vec<ItemId>, TierError> {
        let owners = (!owners.is_empty()).then_some(owners);
        let variables = json!({ "name": CID_TAG, "cid": cid.to_string(), "owners": owners, "first": FOUND_MAX });
        let question = json!({ "query": LOOK_UP, "variables": variables });
        let host = shown_host(&self.index);
        let asked = self.client.post(self.index.clone()).json(&question);
        let answer = self.send(asked, &host).await?;
        let words = words(answer, &host).await?;
        let answer: Answer = serde_json::from_slice(&words).map_err(|error| {
            unreachable_words(
                &host,
                &format!(
                    "its index answers what is not understood: {}",
                    reason(error.to_string().as_bytes())
                ),
            )
        })?;
        let found = answer.data.ok_or_else(|| {
            unreachable_words(&host, &format!("its index says: {}", reason(&words)))
        })?;
        let ids = found.transactions.edges.into_iter().take(FOUND_MAX);
        Ok(ids
            .filter_map(|edge| ItemId::parse(&edge.node.id))
            .collect())
    }

    /// Fetches what an item carries; nothing if the gateway does not have it.
    pub(super) async fn fetch(&self, id: ItemId) -> Result<Option<Given>, TierError> {
        match self.visit(Method::GET, id).await? {
            Some(answer) => bytes(answer, BLOCK_BYTES_MAX, &shown_host(&self.gateway))
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Tells whether the gateway has an item.
    pub(super) async fn has(&self, id: ItemId) -> Result<bool, TierError> {
        Ok(self.visit(Method::HEAD, id).await?.is_some())
    }

    /// Asks for an item where gateways give it as it is, and where nodes do. The first is never redirected to a host of
    /// its own, as gateways do with the second to keep web pages apart.
    async fn visit(&self, method: Method, id: ItemId) -> Result<Option<Response>, TierError> {
        let host = shown_host(&self.gateway);
        let id = id.to_string();
        for path in [&["raw", id.as_str()][..], &[id.as_str()][..]] {
            let asked = self
                .client
                .request(method.clone(), below(&self.gateway, path));
            let answer = asked
                .send()
                .await
                .map_err(|error| unreachable(&host, &error))?;
            match answer.status() {
                StatusCode::NOT_FOUND | StatusCode::GONE => {}
                StatusCode::OK => return Ok(Some(answer)),
                status => return Err(not_done(&host, status, answer).await),
            }
        }
        Ok(None)
    }

    /// Hands an item to a bundler and checks that its receipt is for this one.
    pub(super) async fn hand_in(
        &self,
        bundler: &Url,
        item: &DataItem,
        payer: &str,
    ) -> Result<(), TierError> {
        let host = shown_host(bundler);
        let asked = self
            .client
            .post(bundler.clone())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(item.bytes().to_vec());
        let answer = asked
            .send()
            .await
            .map_err(|error| unreachable(&host, &error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => {}
            // It has the item already and says so without a receipt.
            StatusCode::ACCEPTED => return Ok(()),
            StatusCode::PAYMENT_REQUIRED => {
                return Err(refused(format!(
                    "{host} wants to be paid first: buy credit there for the address {payer}"
                )));
            }
            status => return Err(not_done(&host, status, answer).await),
        }
        let words = words(answer, &host).await?;
        let receipt: Option<Receipt> = serde_json::from_slice(&words).ok();
        match receipt.and_then(|receipt| ItemId::parse(&receipt.id)) == Some(item.id()) {
            true => Ok(()),
            false => Err(refused(format!(
                "{host} gave a receipt for something else than item {}; do not count on it, and name another bundler",
                item.id()
            ))),
        }
    }

    /// Asks what a transaction of so many bytes costs now, in winston, and on which block it can stand.
    pub(super) async fn terms(&self, bytes: usize) -> Result<(u128, Vec<u8>), TierError> {
        let host = shown_host(&self.gateway);
        let price = self.word(&["price", &bytes.to_string()]).await?;
        let price = price
            .parse()
            .map_err(|_| unreachable_words(&host, "it names no price"))?;
        let anchor = self.word(&["tx_anchor"]).await?;
        let anchor = data_encoding::BASE64URL_NOPAD
            .decode(anchor.as_bytes())
            .map_err(|_| unreachable_words(&host, "it names no recent block"))?;
        Ok((price, anchor))
    }

    /// Posts a transaction.
    pub(super) async fn post(&self, transaction: &Value, payer: &str) -> Result<(), TierError> {
        let host = shown_host(&self.gateway);
        let asked = self
            .client
            .post(below(&self.gateway, &["tx"]))
            .json(transaction);
        let answer = asked
            .send()
            .await
            .map_err(|error| unreachable(&host, &error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::ALREADY_REPORTED => Ok(()),
            // What nodes say when the wallet cannot pay.
            StatusCode::PAYMENT_REQUIRED | StatusCode::GONE => Err(refused(format!(
                "{host} says that the wallet {payer} cannot pay; put AR on it"
            ))),
            status => Err(not_done(&host, status, answer).await),
        }
    }

    async fn word(&self, path: &[&str]) -> Result<String, TierError> {
        let host = shown_host(&self.gateway);
        let asked = self.client.get(below(&self.gateway, path));
        let answer = self.send(asked, &host).await?;
        let words = words(answer, &host).await?;
        Ok(String::from_utf8_lossy(&words).trim().to_owned())
    }

    async fn send(
        &self,
        asked: reqwest::RequestBuilder,
        host: &str,
    ) -> Result<Response, TierError> {
        let answer = asked
            .send()
            .await
            .map_err(|error| unreachable(host, &error))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(not_done(host, status, answer).await),
        }
    }
}

fn below(url: &Url, parts: &[&str]) -> Url {
    let mut url = url.clone();
    // Only an address without a host has no path, and none of ours is.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

fn shown_host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Reads an answer in pieces and stops as soon as it is too long.
async fn bytes(mut answer: Response, bytes_max: usize, host: &str) -> Result<Given, TierError> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| unreachable(host, &error))?
    {
        let length = bytes.len() + piece.len();
        if length > bytes_max {
            return Ok(Given::TooMany(length));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Given::Bytes(bytes))
}

async fn words(answer: Response, host: &str) -> Result<Vec<u8>, TierError> {
    match bytes(answer, WORDS_BYTES_MAX, host).await? {
        Given::Bytes(bytes) => Ok(bytes),
        Given::TooMany(_) => Err(unreachable_words(
            host,
            &format!("its answer is longer than {WORDS_BYTES_MAX} bytes"),
        )),
    }
}

/// Tells what an answer other than the one hoped for means.
async fn not_done(host: &str, status: StatusCode, answer: Response) -> TierError {
    if status.is_redirection() {
        return refused(format!(
            "{host} sends elsewhere ({status}), which is not followed; name the address that it sends to"
        ));
    }
    let words = words(answer, host).await.unwrap_or_default();
    let why = format!("{host} answers {status}: {}", reason(&words));
    match status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        true => TierError::Unreachable {
            tier: TierKind::Arweave,
            reason: why,
        },
        false => refused(why),
    }
}

/// Makes words of another program safe to print on a terminal.
fn reason(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let printable = words
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    let words: String = printable.take(REASON_CHARS_MAX).collect();
    match words.is_empty() {
        true => "it does not say why".to_owned(),
        false => words,
    }
}

pub(super) fn refused(reason: String) -> TierError {
    TierError::Refused {
        tier: TierKind::Arweave,
        reason,
    }
}

fn unreachable(host: &str, error: &reqwest::Error) -> TierError {
    let mut cause = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(deeper) = below {
        cause = deeper.to_string();
        below = deeper.source();
    }
    unreachable_words(host, &format!("{cause}. Check the network and the address"))
}

fn unreachable_words(host: &str, what: &str) -> TierError {
    TierError::Unreachable {
        tier: TierKind::Arweave,
        reason: format!("{host}: {what}"),
    }
}
