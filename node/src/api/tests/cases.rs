//! Reported violations through the API, at a node whose mesh has neither charter nor committee.

use serde_json::json;
use x0_crypto::ContentId;

use super::*;
use crate::api::{
    cases::{CasesView, LedgerView},
    view::StatusView,
};

#[tokio::test]
async fn nothing_is_reported_where_nobody_decides_and_each_refusal_says_what_is_wrong() {
    let served = Served::start().await;
    let report = json!({"sort": "silent_collection", "description": "It kept where people were"});
    let tracking = json!({"sort": "tracking", "description": "It kept where people were"});
    let empty = json!({"sort": "silent_collection", "description": "  "});
    let no_record = json!({"record": "AAAA"});
    let case = ContentId::of(b"nobody");
    let word = json!({"say": "find", "why": "seen"});
    let appeal = json!({"why": "not me"});
    let calls = [
        (
            "/v1/charter/reports".to_owned(),
            report,
            (409, "no_charter"),
        ),
        (
            "/v1/charter/reports".to_owned(),
            tracking,
            (422, "bad_report"),
        ),
        ("/v1/charter/reports".to_owned(), empty, (422, "bad_report")),
        (
            "/v1/charter/reports/sealed".to_owned(),
            no_record,
            (422, "bad_report"),
        ),
        (
            format!("/v1/charter/cases/{case}/word"),
            word,
            (422, "bad_report"),
        ),
        (
            format!("/v1/charter/cases/{case}/appeal"),
            appeal,
            (409, "no_charter"),
        ),
    ];

    for (path, body, (status, code)) in calls {
        let answer = served.unix(Call::post(&path, body)).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{path}");
    }
    let tracking = json!({"sort": "tracking", "description": "It"});
    let answer = served
        .unix(Call::post("/v1/charter/reports", tracking))
        .await;
    assert!(
        answer.error().message.contains("data_extraction"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn cases_balances_and_status_of_a_quiet_mesh_are_empty() {
    let served = Served::start().await;

    let cases: CasesView = served.get("/v1/charter/cases").await;
    let ledger: LedgerView = served.get("/v1/ledger").await;
    let status: StatusView = served.get("/v1/status").await;

    assert_eq!(cases.mesh, status.mesh);
    assert!(cases.cases.is_empty() && cases.seal_to.is_none() && cases.approvals.is_none());
    assert_eq!((ledger.last, ledger.balances.len()), (0, 0));
    assert_eq!((status.cases.open, status.cases.barred), (0, None));
}
