//! What keeps items alive through the API, at a node that keeps none.

use serde_json::json;
use x0_crypto::ContentId;

use super::*;
use crate::api::{
    keeping::{AccountView, WishView},
    sublime::SublimeView,
};

#[tokio::test]
async fn an_item_that_is_not_known_is_neither_shown_nor_counted_nor_repaired() {
    let served = Served::start().await;
    let item = ContentId::of(b"nothing");
    let path = format!("/v1/sublime/items/{item}");
    let calls = [
        Call::get(&path),
        Call::post(&format!("{path}/count"), json!({"beyond": true})),
        Call::post(&format!("{path}/repair"), json!(null)),
    ];

    for call in calls {
        let answer = served.unix(call).await;
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
    }
    let view: SublimeView = served.get("/v1/sublime").await;
    assert!(view.kept.is_empty() && view.accounts.is_empty());
}

#[tokio::test]
async fn a_wish_names_the_tiers_that_have_no_account_and_stands_all_the_same() {
    let served = Served::start().await;
    let content = ContentId::of(b"content");

    let wish = |policy: &str| json!({"content": content.to_string(), "policy": policy});
    let wished: WishView = served.post("/v1/sublime/policies", wish("all")).await;

    assert_eq!(wished.without, ["arweave", "sia"]);
    let wished: WishView = served.post("/v1/sublime/policies", wish("mesh")).await;
    assert!(wished.without.is_empty());
    let answer = Call::post("/v1/sublime/policies", wish("moon"));
    assert_eq!(served.unix(answer).await.status, 422);
}

#[tokio::test]
async fn a_gateway_without_a_key_is_read_and_cannot_store() {
    let served =
        Served::with_settings("[sublime.arweave]\ngateway = \"http://127.0.0.1:9\"\n").await;

    let view: SublimeView = served.get("/v1/sublime").await;

    let arweave = AccountView {
        tier: "arweave".to_owned(),
        stores: false,
    };
    assert_eq!(view.accounts, [arweave]);
    let wish = json!({"content": ContentId::of(b"content").to_string(), "policy": "mesh+arweave"});
    let wished: WishView = served.post("/v1/sublime/policies", wish).await;
    assert_eq!(wished.without, ["arweave"]);
}
