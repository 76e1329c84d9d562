//! Audits through the API, at a node whose mesh has neither charter nor committee.

use serde_json::json;
use x0_crypto::{ContentId, Identity};
use zeroize::Zeroizing;

use super::*;
use crate::{api::inspections::AuditsView, charter::inspection::OwnAudit};

#[tokio::test]
async fn a_mesh_without_a_committee_has_no_rounds_and_each_refused_ask_says_why() {
    let served = Served::start().await;
    let view: AuditsView = served.get("/v1/charter/audits").await;
    assert_eq!((view.days, view.next_ms, view.overdue), (None, None, false));
    assert!(view.rounds.is_empty());

    let own = served.api.node.key().to_string();
    let stranger = Identity::from_seed(Zeroizing::new([77; 32])).public();
    let case = ContentId::of(b"case").to_string();
    let calls = [
        (json!({"peer": own}), (409, "own_node")),
        (json!({"peer": stranger.to_string()}), (409, "no_charter")),
        (
            json!({"peer": stranger.to_string(), "case": case}),
            (409, "no_charter"),
        ),
        (
            json!({"peer": stranger.to_string(), "token": "nonsense"}),
            (422, "bad_request"),
        ),
    ];
    for (body, (status, code)) in calls {
        let answer = served
            .unix(Call::post("/v1/charter/audits/ask", body.clone()))
            .await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn the_own_node_is_audited_by_the_rule_of_all() {
    let served = Served::start().await;
    let audit: OwnAudit = served.get("/v1/charter/audit").await;
    assert_eq!(audit.violations, [""; 0]);
    assert!(
        audit
            .metrics
            .iter()
            .any(|one| one.name == "x0_audits_overdue")
    );
    assert!(audit.metrics.iter().all(|one| one.exported));
}
