//! Requests: bounds, and one clear outcome for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm
)]

mod mesh;

use mesh::{Node, full_mesh, settings};
use x0_net::{CallError, PeerKey, Protocol, RequestError, RequestId};

async fn pair() -> (Node, Node) {
    let mut wide = settings(1);
    wide.limits.request_bytes_max = 2000;
    wide.limits.response_bytes_max = 1000;
    let mut narrow = settings(2);
    narrow.limits.request_bytes_max = 500;
    let mut nodes = full_mesh(vec![wide, narrow]).await;
    let narrow = nodes.remove(1);
    (nodes.remove(0), narrow)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_over_our_limit_is_not_sent() {
    let (mut asking, answering) = pair().await;

    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(1), vec![0; 2001])
        .await
        .unwrap();

    assert_eq!(
        asking.outcome(1).await,
        Err(RequestError::TooLarge {
            bytes: 2001,
            max_bytes: 2000
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_over_the_peers_limit_never_reaches_its_application() {
    let (mut asking, mut answering) = pair().await;

    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(1), vec![0; 501])
        .await
        .unwrap();
    assert_eq!(asking.outcome(1).await, Err(RequestError::Refused));
    answering
        .until("the refusal", |net| async move {
            net.metrics().requests_refused == 1
        })
        .await;

    // The connection lives on, and what fits is served.
    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(2), vec![0; 500])
        .await
        .unwrap();
    let (token, data, _) = answering.asked(Protocol::Sync).await;
    assert_eq!(data.len(), 500);
    answering.net.respond(token, vec![1; 1000]).await.unwrap();
    assert_eq!(asking.outcome(2).await, Ok(vec![1; 1000]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_over_our_limit_is_reported_with_its_size() {
    let (mut asking, mut answering) = pair().await;
    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(1), vec![])
        .await
        .unwrap();
    let (token, ..) = answering.asked(Protocol::Sync).await;

    answering.net.respond(token, vec![0; 1001]).await.unwrap();

    assert_eq!(
        asking.outcome(1).await,
        Err(RequestError::AnswerTooLarge {
            bytes: 1001,
            max_bytes: 1000
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_request_is_refused_at_once() {
    let (mut asking, mut answering) = pair().await;
    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(1), vec![])
        .await
        .unwrap();

    drop(answering.asked(Protocol::Sync).await);

    assert_eq!(asking.outcome(1).await, Err(RequestError::Refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_does_not_dial() {
    let mut node = Node::plain(1);
    for protocol in [Protocol::Hello, Protocol::Sync] {
        node.net
            .request(PeerKey([9; 32]), protocol, RequestId(1), vec![])
            .await
            .unwrap();
        assert_eq!(node.outcome(1).await, Err(RequestError::NotConnected));
    }
    assert_eq!(node.net.metrics().dials, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_request_fails_when_the_link_goes_down() {
    let (mut asking, mut answering) = pair().await;
    asking
        .net
        .request(answering.key, Protocol::Sync, RequestId(1), vec![])
        .await
        .unwrap();
    let (_token, ..) = answering.asked(Protocol::Sync).await;

    answering.net.shutdown().await;

    let failed = asking.outcome(1).await;
    assert!(
        matches!(
            failed,
            Err(RequestError::LinkLost | RequestError::Refused | RequestError::Io(_))
        ),
        "{failed:?}"
    );
    assert_eq!(answering.net.peers().await, Err(CallError::Closed));
}
