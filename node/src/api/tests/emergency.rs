//! Calls and cards through the API, at a node where nobody has called.

use data_encoding::BASE64;
use serde_json::json;
use x0_protocol::wire::CardRevoked;

use super::*;
use crate::api::emergency::{CallsView, NodesView};

#[tokio::test]
async fn a_node_where_nobody_calls_lists_no_call_and_no_node_but_tells_of_its_own_service() {
    let served = Served::start().await;

    let calls: CallsView = served.get("/v1/emergency/calls").await;
    assert!(calls.calls.is_empty() && calls.mesh_time_ms > 0);
    let nodes: NodesView = served.get("/v1/emergency/nodes").await;

    assert!(nodes.nodes.is_empty());
    assert_eq!(nodes.own.address, None);
    assert_eq!(nodes.own.reached_secs_ago, None);
    assert_eq!(nodes.checkpoint, None, "it has no committee");
}

#[tokio::test]
async fn only_the_key_of_an_item_revokes_its_card() {
    let served = Served::start().await;
    let (item, stranger) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let status: Value = served.get("/v1/status").await;
    let mesh = status["mesh"].as_str().unwrap().parse().unwrap();
    let revoke = |word: &[u8]| {
        let body = json!({"word": BASE64.encode(word)});
        Call::post("/v1/emergency/revoke", body)
    };

    let word = CardRevoked::sign(&item, &mesh);
    let forged = CardRevoked {
        item: item.public(),
        ..CardRevoked::sign(&stranger, &mesh)
    };
    let answer = served.unix(revoke(&forged.encode())).await;
    assert_eq!(answer.refusal(), (403, "not_its_key".to_owned()));
    let answer = served.unix(revoke(b"nothing")).await;
    assert_eq!(answer.refusal(), (422, "malformed".to_owned()));
    let bare = Call::post("/v1/emergency/revoke", json!({"word": "!"}));
    assert_eq!(served.unix(bare).await.refusal().0, 422);
    let answer = served.unix(revoke(&word.encode())).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}
