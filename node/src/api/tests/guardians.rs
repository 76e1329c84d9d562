//! A guardian's life through the API, at a node that is alone in its mesh.

use std::time::Duration;

use serde_json::json;
use x0_crypto::Identity;
use zeroize::Zeroizing;

use super::*;
use crate::api::{
    guardians::{DrillsView, GuardiansView},
    view::RecordedView,
};

#[tokio::test]
async fn who_cannot_be_invited_or_answered_is_refused_with_the_reason() {
    let served = Served::start().await;
    let own = served.api.node.key().to_string();
    let stranger = Identity::from_seed(Zeroizing::new([77; 32])).public();
    let stranger = stranger.to_string();
    let invite = |member: &str, why: &str| json!({"member": member, "why": why});
    let to = |path: &str| format!("/v1/sublime/invitations{path}");
    let calls = [
        (to(""), invite(&own, "me"), (404, "not_invitable")),
        (to(""), invite(&stranger, ""), (404, "not_invitable")),
        (to(""), invite(&stranger, "two\nlines"), (422, "malformed")),
        (
            to("/accept"),
            json!({"member": null}),
            (404, "no_invitation"),
        ),
        (
            to("/decline"),
            json!({"member": own}),
            (404, "no_invitation"),
        ),
    ];

    for (path, body, wanted) in calls {
        let answer = served.unix(Call::post(&path, body)).await;
        let (status, code) = answer.refusal();
        assert_eq!((status, code.as_str()), wanted, "{path}");
    }
    let view: GuardiansView = served.get("/v1/sublime/guardians").await;
    assert!(view.serving.is_empty() && view.made.is_empty() && view.received.is_empty());
}

#[tokio::test]
async fn a_drill_comes_to_its_end_and_is_told_once_a_day() {
    let served = Served::start().await;
    let _: RecordedView = served
        .post("/v1/sublime/guardian", json!({"serves": true}))
        .await;
    let before: DrillsView = served.get("/v1/sublime/drill").await;
    assert!(!before.runs && before.last.is_none());

    let first = drilled(&served).await;
    assert_eq!(
        (first["owed"].clone(), first["good"].clone()),
        (json!(0), json!(0))
    );
    assert!(
        first["record"].is_string() && first["trouble"].is_null(),
        "{first}"
    );
    let view: GuardiansView = served.get("/v1/sublime/guardians").await;
    let told = view.serving[0].drilled.expect("it is told");
    assert_eq!((told.shares, told.good), (0, 0));
    assert_eq!(view.drilled, Some(told));

    let second = drilled(&served).await;
    assert!(second["record"].is_null(), "{second}");
    let why = second["not_told"].as_str().expect("it says why");
    assert!(why.contains("within a day"), "{why}");
}

/// Has a drill run to its end.
async fn drilled(served: &Served) -> Value {
    let mut view: Value = served.post("/v1/sublime/drill", json!(null)).await;
    while view["runs"] == json!(true) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        view = served.get("/v1/sublime/drill").await;
    }
    view["last"].clone()
}
