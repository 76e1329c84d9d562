//! Gateways and bundlers that lie, flood, send elsewhere and fall silent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use x0_tiers::{ArweaveTier, BLOCK_BYTES_MAX, Tier as _, TierError, Writing};

use super::{block, ethereum_key, gateway::settings};

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA";

/// A server that answers each path by a rule of the test, and counts what it was asked.
struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
}

/// What is sent for an answer, status line and headers too.
type Rule = fn(path: &str) -> Vec<u8>;

impl Server {
    async fn start(rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, rule));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn reader(&self) -> ArweaveTier {
        ArweaveTier::new(settings(&self.url, Writing::No)).unwrap()
    }
}

/// Reads one request to its end and answers it.
async fn answer(mut stream: TcpStream, rule: Rule) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Ok(length) = stream.read(&mut piece).await else {
            return;
        };
        request.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else {
            continue;
        };
        let body = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if length == 0 || request.len() >= head + 4 + body {
            break;
        }
    }
    let line = String::from_utf8_lossy(&request);
    let path = line.split(' ').nth(1).unwrap_or_default();
    stream.write_all(&rule(path)).await.ok();
}

fn said(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn found(ids: usize) -> Vec<u8> {
    let edge = format!("{{\"node\":{{\"id\":\"{ID}\"}}}}");
    let edges = vec![edge; ids].join(",");
    said(
        "200 OK",
        format!("{{\"data\":{{\"transactions\":{{\"edges\":[{edges}]}}}}}}").as_bytes(),
    )
}

#[tokio::test]
async fn other_bytes_and_too_many_bytes_are_refused() {
    let wanted = block(1, 10);
    let server = Server::start(|path| match path {
        "/graphql" => found(1),
        _ => said("200 OK", b"something else"),
    })
    .await;
    let wrong = server.reader().get(wanted.cid()).await.unwrap_err();
    assert!(matches!(wrong, TierError::Wrong { .. }), "{wrong}");

    let server = Server::start(|path| match path {
        "/graphql" => found(1),
        _ => said("200 OK", &vec![0; 2 * BLOCK_BYTES_MAX]),
    })
    .await;
    let wrong = server.reader().get(wanted.cid()).await.unwrap_err();
    assert!(
        wrong.to_string().contains("is longer than 1048576"),
        "{wrong}"
    );
}

#[tokio::test]
async fn an_index_that_names_a_thousand_items_has_ten_of_them_fetched() {
    let server = Server::start(|path| match path {
        "/graphql" => found(1_000),
        _ => said("200 OK", b"junk"),
    })
    .await;
    server.reader().get(block(1, 10).cid()).await.unwrap_err();
    assert_eq!(server.asked(), 11);
}

#[tokio::test]
async fn an_index_that_floods_or_talks_nonsense_counts_as_out_of_reach() {
    let floods = Server::start(|_| said("200 OK", &vec![b' '; 1_000_000])).await;
    let refused = floods.reader().holds(block(1, 10).cid()).await.unwrap_err();
    assert!(
        refused.to_string().contains("longer than 65536 bytes"),
        "{refused}"
    );

    let nonsense = Server::start(|_| said("200 OK", b"<html>")).await;
    let refused = nonsense.reader().get(block(1, 10).cid()).await.unwrap_err();
    assert!(refused.to_string().contains("not understood"), "{refused}");

    let fault =
        Server::start(|_| said("200 OK", b"{\"errors\":[{\"message\":\"no such tag\"}]}")).await;
    let refused = fault.reader().get(block(1, 10).cid()).await.unwrap_err();
    assert!(refused.to_string().contains("no such tag"), "{refused}");
}

#[tokio::test]
async fn words_of_a_gateway_cannot_steer_a_terminal() {
    let rules: [Rule; 2] = [
        |_| said("400 Bad Request", b"bad \x1b[31mtag"),
        |_| said("200 OK", b"\"a \\u001b[31m string\""),
    ];
    for rule in rules {
        let server = Server::start(rule).await;
        let refused = server.reader().get(block(1, 10).cid()).await.unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("[31m"), "{refused}");
        assert!(!refused.contains('\x1b'), "{refused}");
    }
}

#[tokio::test]
async fn nobody_is_followed_to_another_host() {
    let server = Server::start(|path| match path {
        "/graphql" => found(1),
        _ => b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_vec(),
    })
    .await;
    let refused = server.reader().get(block(1, 10).cid()).await.unwrap_err();
    assert!(refused.to_string().contains("sends elsewhere"), "{refused}");
}

#[tokio::test]
async fn a_gateway_that_hangs_up_or_is_overloaded_may_be_asked_again() {
    let hangs_up = Server::start(|_| Vec::new()).await;
    let overloaded = Server::start(|_| said("503 Service Unavailable", b"later")).await;
    let too_often = Server::start(|_| said("429 Too Many Requests", b"")).await;
    for server in [hangs_up, overloaded, too_often] {
        let error = server.reader().get(block(1, 10).cid()).await.unwrap_err();
        assert!(matches!(error, TierError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_receipt_for_something_else_and_a_bundler_that_wants_money_are_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let empty = Server::start(|_| found(0)).await;
    let cases: [(Rule, &str); 4] = [
        (
            |_| said("200 OK", format!("{{\"id\":\"{ID}\"}}").as_bytes()),
            "a receipt for something else",
        ),
        (|_| said("200 OK", b""), "a receipt for something else"),
        (
            |_| said("402 Payment Required", b"Insufficient balance"),
            "buy credit there for the address",
        ),
        (
            |_| said("400 Bad Request", b"Invalid Data Item!"),
            "Invalid Data Item!",
        ),
    ];
    for (rule, wanted) in cases {
        let bundler = Server::start(rule).await;
        let (url, key) = (bundler.url.clone(), ethereum_key(dir.path()));
        let tier = ArweaveTier::new(settings(&empty.url, Writing::Bundler { url, key })).unwrap();
        let refused = tier.put(&block(1, 10)).await.unwrap_err();
        assert!(matches!(refused, TierError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains(wanted), "{refused}");
        assert_eq!(bundler.asked(), 1);
    }
}

#[tokio::test]
async fn only_https_or_this_machine_can_be_named() {
    for gateway in ["http://example.org", "ftp://example.org", "example.org", ""] {
        let refused = ArweaveTier::new(settings(gateway, Writing::No))
            .err()
            .unwrap();
        assert!(refused.to_string().contains("Name an address"), "{refused}");
    }
    assert!(ArweaveTier::new(settings("https://example.org", Writing::No)).is_ok());
    let mut strange = settings("https://example.org", Writing::No);
    strange.proxy = Some("::".to_owned());
    let refused = ArweaveTier::new(strange).err().unwrap();
    assert!(refused.to_string().contains("socks5h"), "{refused}");
}
