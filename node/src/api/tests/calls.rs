//! Whole stories through the API: invite, grant, act, audit, follow.

use serde_json::json;
use x0_protocol::spine::public_log::proof::KnownLog;

use super::*;
use crate::{
    api::{
        capability_view::{GrantedView, InspectedView, KnownCapabilityView},
        gateway::{ConsentsView, GatewayView},
        proofs::ProofView,
        public::{OverrideView, PublicPageView},
        view::{
            AuditHeadsView, AuditPage, AuditVerifyView, DoneView, InviteView, MembersPage,
            PolicyView, RecordView, RecordedView,
        },
    },
    cli::client::{Client, Events, Streamed},
    runtime::invite::InviteLink,
};

#[tokio::test]
async fn an_invite_leads_to_this_mesh_and_is_on_record() {
    let served = Served::start().await;
    let address = format!("/ip4/203.0.113.7/tcp/4700/p2p/{}", served.api.node.key());
    let body = json!({"life_secs": 60, "addresses": [address]});

    let invite: InviteView = served.post("/v1/invites", body).await;

    let link: InviteLink = invite.invite.parse().unwrap();
    assert_eq!(link.mesh, served.api.node.mesh());
    assert_eq!(link.invite.to_string(), invite.id);
    assert_eq!(link.addresses[0].to_string(), address);
    assert!(!invite.local_only);
    let record: RecordView = served.get(&format!("/v1/records/{}", invite.id)).await;
    assert_eq!(record.words, "an invite");
}

#[tokio::test]
async fn an_invite_that_stays_open_too_long_or_leads_nowhere_is_refused() {
    let served = Served::start().await;
    let address = format!("/ip4/203.0.113.7/tcp/4700/p2p/{}", served.api.node.key());
    let year = json!({"life_secs": 365 * 24 * 60 * 60, "addresses": [address]});
    let nowhere = json!({"addresses": ["203.0.113.7:4700"]});

    let too_long = served.unix(Call::post("/v1/invites", year)).await;
    let nowhere = served.unix(Call::post("/v1/invites", nowhere)).await;

    assert_eq!(too_long.refusal(), (422, "out_of_range".to_owned()));
    assert_eq!(nowhere.refusal(), (400, "bad_request".to_owned()));
    assert!(nowhere.error().mend.contains("/p2p/"));
}

#[tokio::test]
async fn a_granted_token_is_published_listed_inspected_and_revoked() {
    let served = Served::start().await;
    let grant = json!({
        "actions": ["set.links.target"],
        "caveats": ["affects_nodes_le=5"],
        "publish": false,
    });

    let granted: GrantedView = served.post("/v1/capabilities/grant", grant).await;
    let before: Vec<KnownCapabilityView> = served.get("/v1/capabilities").await;
    let token = json!({"token": granted.token});
    let published: RecordedView = served.post("/v1/capabilities", token.clone()).await;
    let after: Vec<KnownCapabilityView> = served.get("/v1/capabilities").await;

    assert_eq!((before.len(), after.len()), (0, 1));
    assert_eq!(
        (&after[0].id, &after[0].capability),
        (&published.id, &granted.capability)
    );
    assert!(after[0].accepted && !after[0].revoked);

    let ids = json!({"ids": granted.capability.revocation_ids, "reason": "test"});
    let _: RecordedView = served.post("/v1/capabilities/revoke", ids).await;
    let inspected: InspectedView = served.post("/v1/capabilities/inspect", token).await;

    assert_eq!(inspected.capability, granted.capability);
    assert_eq!(inspected.revoked, Some(true));
}

#[tokio::test]
async fn a_bad_grant_and_a_damaged_token_are_refused_with_the_mend() {
    let served = Served::start().await;
    let grant =
        json!({"actions": ["set.links.target"], "caveats": ["scope=world"], "publish": false});
    let token = json!({"token": "x0cap1nonsense!"});

    let grant = served
        .unix(Call::post("/v1/capabilities/grant", grant))
        .await;
    let token = served
        .unix(Call::post("/v1/capabilities/inspect", token))
        .await;

    assert_eq!(grant.refusal().0, 400);
    assert!(grant.error().message.contains("local, regional or network"));
    assert!(token.status.is_client_error());
    assert!(
        token.error().message.contains("damaged at character"),
        "{}",
        token.text()
    );
}

#[tokio::test]
async fn a_local_act_changes_the_policy_and_is_in_an_audit_log_that_verifies() {
    let served = Served::start().await;
    let change = json!({"change": {"set": {"policy": "links.target", "value": 7}}});

    let _: DoneView = served.post("/v1/acts/local", change).await;

    let policies: Vec<PolicyView> = served.get("/v1/policies").await;
    let links = policies
        .iter()
        .find(|policy| policy.policy == "links.target")
        .unwrap();
    assert_eq!((links.value, links.version), (7, 1));
    let page: AuditPage = served.get("/v1/audit").await;
    assert!(
        page.entries.iter().any(|entry| entry.what == "local"),
        "{page:?}"
    );
    let heads: AuditHeadsView = served.get("/v1/audit/heads").await;
    let verified: AuditVerifyView = served.get("/v1/audit/verify").await;
    assert!(verified.intact, "{}", verified.words);
    assert_eq!(
        (verified.size, &verified.computed_root),
        (page.size, &heads.root)
    );
}

#[tokio::test]
async fn a_local_act_without_a_capability_needs_the_scope_admin() {
    let served = Served::start().await;
    let actor = served.token(Scope::Act);
    let change = json!({"set": {"policy": "links.target", "value": 7}});
    let grant = json!({
        "actions": ["set.links.target"],
        "caveats": ["scope=local"],
        "publish": false,
    });
    let granted: GrantedView = served.post("/v1/capabilities/grant", grant).await;
    let call = |body| Call::post("/v1/acts/local", body).token(&actor);

    let bare = served.tcp(call(json!({"change": change}))).await;
    let held = served
        .tcp(call(json!({"change": change, "token": granted.token})))
        .await;

    assert_eq!(bare.refusal(), (403, "scope_missing".to_owned()));
    assert_eq!(held.status, StatusCode::OK, "{}", held.text());
}

#[tokio::test]
async fn members_are_listed_in_pages() {
    let served = Served::start().await;

    let page: MembersPage = served.get("/v1/members?limit=1").await;

    assert_eq!(page.members.len(), 1);
    assert!(page.members[0].this_node && page.next.is_none());
    let after = format!("/v1/members?after={}", page.members[0].key);
    let rest: MembersPage = served.get(&after).await;
    assert!(rest.members.is_empty());
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let served = Served::start().await;

    let answer = served.unix(Call::get("/metrics")).await;

    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics")
    );
    assert!(answer.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_gateway_tells_where_it_stands_and_a_consent_that_nothing_needs_is_not_written_down() {
    let served = Served::start().await;
    let say = |metric: &str, person: &str, given: bool| {
        let body = json!({"metric": metric, "person": person, "given": given});
        served.unix(Call::post("/v1/charter/consents", body))
    };

    let gateway: GatewayView = served.get("/v1/charter/gateway").await;
    let consents: ConsentsView = served.get("/v1/charter/consents").await;

    assert_eq!((gateway.state.as_str(), gateway.charter), ("off", 1));
    assert_eq!(gateway.kernel.state, "waiting");
    assert!(consents.needed.is_empty() && consents.words.is_empty());
    assert_eq!(
        say("latency_p99", "ada", true).await.refusal(),
        (409, "not_needed".to_owned())
    );
    assert_eq!(
        say("nothing", "ada", true).await.refusal(),
        (404, "no_such_metric".to_owned())
    );
    assert_eq!(
        say("latency_p99", "ada", false).await.refusal(),
        (409, "never_given".to_owned())
    );
    assert_eq!(
        say("latency_p99", "", true).await.refusal(),
        (422, "bad_person".to_owned())
    );
}

#[tokio::test]
async fn a_stream_that_broke_off_goes_on_where_it_was() {
    let served = Served::start().await;
    let client = Client::new(served.socket.clone(), None);
    let mut first = client.events(None).await.unwrap();
    let made = [
        invite(&served).await,
        invite(&served).await,
        invite(&served).await,
    ];

    let seen = recorded(&mut first, &made[0]).await;
    drop(first);
    let mut second = client.events(Some(&seen)).await.unwrap();
    let Streamed::Event(next_id, next) = next(&mut second).await else {
        panic!("nothing was lost");
    };

    assert_eq!(next.record.as_ref(), Some(&made[1]), "{next:?}");
    assert_ne!(next_id, seen);
    recorded(&mut second, &made[2]).await;
}

#[tokio::test]
async fn a_stream_ends_when_the_node_stops() {
    let served = Served::start().await;
    let client = Client::new(served.socket.clone(), None);
    let mut events = client.events(None).await.unwrap();

    served.api.stop.send_replace(true);

    let drained = timeout(PATIENCE, async {
        while events.next().await.unwrap().is_some() {}
    });
    drained.await.expect("the stream ends");
}

async fn invite(served: &Served) -> String {
    let address = format!("/ip4/127.0.0.1/tcp/4700/p2p/{}", served.api.node.key());
    let body = json!({"addresses": [address]});
    let invite: InviteView = served.post("/v1/invites", body).await;
    invite.id
}

/// Waits for the event of a record and returns the event's id.
async fn recorded(events: &mut Events, record: &str) -> String {
    loop {
        if let Streamed::Event(id, event) = next(events).await
            && event.record.as_deref() == Some(record)
        {
            return id;
        }
    }
}

async fn next(events: &mut Events) -> Streamed {
    let event = timeout(PATIENCE, events.next()).await;
    event
        .expect("an event comes")
        .unwrap()
        .expect("the stream goes on")
}

#[tokio::test]
async fn an_entry_of_the_own_log_is_proven_and_checked_without_the_node() {
    let served = Served::start().await;
    let change = json!({"change": {"set": {"policy": "links.target", "value": 6}}});
    let _: DoneView = served.post("/v1/acts/local", change).await;
    let page: AuditPage = served.get("/v1/audit").await;
    let index = page.entries.last().unwrap().index;

    let proof: ProofView = served
        .get(&format!("/v1/audit/{index}/proof?since=1"))
        .await;

    let known = KnownLog {
        mesh: Some(served.api.node.mesh()),
        node: Some(served.api.node.key()),
        head: None,
    };
    let text = proof.text().unwrap();
    let read = ProofView::read(text.as_bytes()).unwrap();
    let shown = read.check(&known).unwrap();
    assert_eq!(shown.node, Some(served.api.node.key()));
    assert!(
        read.words.contains("set links.target to 6"),
        "{}",
        read.words
    );
    assert_eq!(read.earlier.map(|earlier| earlier.size), Some(1));

    let nowhere = served.unix(Call::get("/v1/audit/999/proof")).await;
    assert_eq!(nowhere.refusal(), (404, "no_such_entry".to_owned()));
}

#[tokio::test]
async fn the_public_log_of_a_mesh_without_a_committee_is_empty_and_open_and_takes_no_override() {
    let served = Served::start().await;
    let page: PublicPageView = served.get("/v1/public-log").await;
    assert_eq!((page.size, page.certified_height), (0, None));
    let open = served.tcp(Call::get("/v1/public-log")).await;
    assert_eq!(open.status, StatusCode::OK, "no token is needed");
    let too_many = served.unix(Call::get("/v1/public-log?limit=257")).await;
    assert_eq!(too_many.refusal(), (400, "bad_request".to_owned()));
    let nowhere = served.unix(Call::get("/v1/public-log/0/proof")).await;
    assert_eq!(nowhere.refusal(), (404, "no_such_entry".to_owned()));
    let all: Vec<OverrideView> = served.get("/v1/overrides").await;
    assert!(all.is_empty());

    let grant = json!({"actions": ["set.links.target"], "caveats": [], "publish": false});
    let granted: GrantedView = served.post("/v1/capabilities/grant", grant).await;
    let body = json!({
        "change": {"set": {"policy": "links.target", "value": 6}},
        "targets": "all",
        "token": granted.token,
        "why": "no time",
        "consequences": "fewer links",
    });
    let refused = served.unix(Call::post("/v1/overrides", body)).await;
    assert_eq!(refused.refusal(), (403, "act_refused".to_owned()));
    assert!(
        refused.error().message.contains("no committee"),
        "{}",
        refused.text()
    );
}
