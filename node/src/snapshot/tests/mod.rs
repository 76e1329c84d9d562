//! The client against vectors of the service's own client, and against a hub on the loopback that speaks as a real one.
//!
//! `vectors.json` holds what snapshot.js 0.17.5 signs with the key `0x11…11`: a proposal, and votes of three forms
//! on it (`scripts/snapshot-vectors.mjs` makes it).
//! A hub, sequencer and gateway cannot run here, since they need a database and a chain; the stand-in speaks their
//! documented forms, and its ballots are those vectors.

#![allow(clippy::unwrap_used)]

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    check,
    envelope::{Envelope, NotShown},
    hub::{Gateway, Hub},
    message::{Choice, Message},
    sequencer,
};
use crate::{
    ethereum_key::{EthereumKey, KeyError},
    web::{Web, WebError},
};

const ADDRESS: &str = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn decode(envelope: &Value) -> Result<Envelope, NotShown> {
    Envelope::decode(&serde_json::to_vec(envelope).unwrap())
}

fn key() -> EthereumKey {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, format!("0x{}\n", "11".repeat(32))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    EthereumKey::open(&path).unwrap()
}

#[test]
fn what_the_services_own_client_signed_verifies_and_is_written_the_same() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let envelope = decode(&vector).unwrap();
        assert_eq!(envelope.verify().unwrap().to_checksum(None), ADDRESS);
        assert_eq!(envelope.to_json(), vector);
    }
}

#[test]
fn our_signature_is_that_of_the_services_own_client() {
    let key = key();
    for vector in vectors() {
        let message = decode(&vector).unwrap().message;
        assert_eq!(Envelope::sign(message, &key).unwrap().to_json(), vector);
    }
}

#[test]
fn an_envelope_that_was_changed_anywhere_shows_nothing() {
    let changes: [(&str, Value); 8] = [
        ("/data/message/choice", json!(2)),
        ("/data/message/space", json!("other.eth")),
        ("/data/message/timestamp", json!(1_700_000_001)),
        ("/data/message/reason", json!("another")),
        (
            "/data/message/from",
            json!("0x0000000000000000000000000000000000000001"),
        ),
        ("/data/domain/version", json!("0.1.3")),
        ("/data/types/Vote/4/type", json!("string")),
        ("/sig", json!(format!("0x{}", "00".repeat(65)))),
    ];
    for (place, value) in changes {
        let mut vote = vectors().swap_remove(1);
        *vote.pointer_mut(place).unwrap() = value;
        let shown = decode(&vote).and_then(|envelope| envelope.verify());
        assert!(shown.is_err(), "{place}");
    }
    let mut contract = vectors().swap_remove(1);
    contract["sig"] = json!("0x");
    assert_eq!(decode(&contract).unwrap().verify(), Err(NotShown::Contract));
    let mut more = vectors().swap_remove(1);
    more["data"]["message"]["unsigned"] = json!(1);
    assert!(decode(&more).is_err(), "a field that no signature covers");
}

#[test]
fn a_choice_is_written_in_the_form_of_its_way_of_voting() {
    let parse = |kind, text| Choice::parse(kind, 3, text);
    assert_eq!(parse("basic", "2"), Ok(Choice::One(2)));
    assert_eq!(parse("approval", "1,3"), Ok(Choice::Many(vec![1, 3])));
    assert_eq!(
        parse("ranked-choice", "3,1,2"),
        Ok(Choice::Many(vec![3, 1, 2]))
    );
    let weights = Choice::Text("{\"1\":1,\"2\":3}".to_owned());
    assert_eq!(parse("weighted", "1:1,2:3"), Ok(weights));
    for (kind, text) in [
        ("basic", "0"),
        ("basic", "4"),
        ("approval", "1,1"),
        ("ranked-choice", "1,2"),
        ("weighted", "1"),
        ("weighted", "1:1,1:2"),
        ("copeland", "1"),
    ] {
        assert!(parse(kind, text).is_err(), "{kind} {text}");
    }
}

#[test]
fn a_key_is_made_once_and_read_only_by_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/key");
    let made = EthereumKey::create(&path).unwrap().address();
    assert_eq!(EthereumKey::open(&path).unwrap().address(), made);
    assert!(matches!(
        EthereumKey::create(&path),
        Err(KeyError::Exists { .. })
    ));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        EthereumKey::open(&path),
        Err(KeyError::Open { mode: 0o644, .. })
    ));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "zz").unwrap();
    assert!(matches!(
        EthereumKey::open(&path),
        Err(KeyError::NoKey { .. })
    ));
}

#[tokio::test]
async fn ballots_count_that_were_signed_as_the_hub_tells_them() {
    let hub = StandIn::start().await;
    let web = Web::new().unwrap();
    let client = Hub::new(&web, &hub.url, None).unwrap();

    let proposal = client.proposal(PROPOSAL).await.unwrap();
    let gateway = Gateway::new(&web, &hub.url).unwrap();
    let found = client.ballots(PROPOSAL, |_| {}).await.unwrap();
    let account = check::ballots(&gateway, &proposal, &found, |_| {})
        .await
        .unwrap();

    assert_eq!((account.told, account.signed, account.faulty), (3, 1, 2));
    assert_eq!(
        account.choices.into_iter().collect::<Vec<_>>(),
        [("1".to_owned(), 1)]
    );
    let mut early = proposal.clone();
    early.end = early.start - 1;
    let outside = check::ballots(&gateway, &early, &found, |_| {})
        .await
        .unwrap();
    assert_eq!((outside.signed, outside.choices.len()), (0, 0));
    let faults: Vec<_> = account
        .faults
        .iter()
        .map(|(_, fault)| fault.as_str())
        .collect();
    assert!(faults[0].contains("another choice"), "{faults:?}");
    assert!(faults[1].contains("gone"), "{faults:?}");
}

#[tokio::test]
async fn a_proposal_is_compared_with_what_its_author_signed() {
    let hub = StandIn::start().await;
    let web = Web::new().unwrap();
    let client = Hub::new(&web, &hub.url, None).unwrap();
    let gateway = Gateway::new(&web, &hub.url).unwrap();
    let told = client.proposal(PROPOSAL).await.unwrap();
    assert_eq!(check::proposal(&gateway, &told).await.unwrap(), Ok(()));

    let mut retitled = told.clone();
    "Another".clone_into(&mut retitled.title);
    let mut swapped = told;
    swapped.id = format!("0x{}", "ab".repeat(32));
    for (told, fault) in [(retitled, "another title"), (swapped, "another proposal")] {
        let found = check::proposal(&gateway, &told).await.unwrap();
        assert!(found.is_err_and(|found| found.contains(fault)), "{fault}");
    }
}

#[tokio::test]
async fn what_a_hub_refuses_is_told_with_its_reason() {
    let hub = StandIn::start().await;
    let web = Web::new().unwrap().impatient();
    let client = Hub::new(&web, &hub.url, None).unwrap();
    let submit = async |path: &str| {
        let envelope = Envelope::sign(decode(&vectors()[1]).unwrap().message, &key()).unwrap();
        sequencer::submit(&web, &format!("{}/{path}", hub.url), &envelope).await
    };

    let gone = client.proposal("0xgone").await.unwrap_err();
    assert!(matches!(gone, WebError::Gone { .. }), "{gone}");
    let swapped = client.proposal("0xother").await.unwrap_err().to_string();
    assert!(swapped.contains("another proposal"), "{swapped}");
    let invalid = client
        .proposals("broken.eth", None)
        .await
        .unwrap_err()
        .to_string();
    assert!(invalid.contains("unknown argument"), "{invalid}");
    let choice = submit("invalid").await.unwrap_err().to_string();
    assert!(choice.contains("invalid choice"), "{choice}");
    let often = submit("busy").await.unwrap_err();
    assert!(matches!(often, WebError::TooOften { .. }), "{often}");
    let taken = submit("busy-once").await.unwrap();
    assert_eq!(
        taken.id, "0xtaken",
        "asked again after the wait the hub named"
    );
    assert!(
        submit("garbage")
            .await
            .unwrap_err()
            .to_string()
            .contains("not understood")
    );
    let nobody =
        sequencer::submit(&web, "https://localhost:1", &decode(&vectors()[1]).unwrap()).await;
    assert!(matches!(nobody, Err(WebError::Unreachable { .. })));
}

#[test]
fn only_addresses_that_nobody_can_listen_in_on_are_asked() {
    let web = Web::new().unwrap();
    for bad in ["http://hub.example.org", "ftp://hub.example.org", "hub", ""] {
        assert!(
            matches!(Hub::new(&web, bad, None), Err(WebError::BadAddress { .. })),
            "{bad}"
        );
    }
    Hub::new(&web, "https://hub.example.org/", None).unwrap();
    Gateway::new(&web, "http://127.0.0.1:8080").unwrap();
}

/// The proposal that the vectors vote on.
const PROPOSAL: &str = "0x306b31819e5c9e94977692ed6f49cba51f2418f3fd0ee35062cc9cdfa6a1a360";

/// A hub, gateway and sequencer in one, on the loopback.
struct StandIn {
    url: String,
}

impl StandIn {
    async fn start() -> Self {
        let busy = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .route("/graphql", post(graphql))
            .route("/ipfs/{cid}", get(envelope))
            .route("/{fault}", post(hand_in))
            .with_state(busy);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url }
    }
}

async fn graphql(Json(question): Json<Value>) -> Json<Value> {
    let (query, asked) = (question["query"].as_str().unwrap(), &question["variables"]);
    if asked["space"] == "broken.eth" {
        return Json(json!({ "errors": [{ "message": "unknown argument" }], "data": null }));
    }
    if query.contains("votes(") {
        let ballot = |id: &str, cid: &str, choice: u32| json!({ "id": id, "ipfs": cid, "voter": ADDRESS, "created": 1_700_000_000, "choice": choice, "vp": 1.5 });
        return Json(json!({ "data": { "votes": [
            ballot("0x1", "vote", 1), ballot("0x2", "vote", 2), ballot("0x3", "nothing", 1),
        ] } }));
    }
    if asked["id"] == "0xgone" {
        return Json(json!({ "data": { "proposal": null } }));
    }
    Json(json!({ "data": { "proposal": {
        "id": PROPOSAL, "ipfs": "proposal", "author": ADDRESS, "title": "T", "type": "single-choice",
        "choices": ["Yes", "No"], "start": 1_700_000_000, "end": 1_700_003_600, "state": "active",
        "privacy": "", "space": { "id": "probe.eth" },
    } } }))
}

async fn envelope(Path(cid): Path<String>) -> Response {
    let vectors = vectors();
    match cid.as_str() {
        "proposal" => Json(vectors[0].clone()).into_response(),
        "vote" => Json(vectors[1].clone()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn hand_in(
    State(busy): State<Arc<AtomicUsize>>,
    Path(fault): Path<String>,
    Json(handed): Json<Value>,
) -> Response {
    let message = decode(&handed).unwrap();
    assert!(matches!(message.message, Message::Vote(_)));
    let often = || {
        let why = json!({ "jsonrpc": "2.0", "error": { "code": 429, "message": "unauthorized", "data": { "message": "too many requests" } } });
        (
            StatusCode::TOO_MANY_REQUESTS,
            [(RETRY_AFTER, "0")],
            Json(why),
        )
            .into_response()
    };
    match fault.as_str() {
        "invalid" => {
            let why = json!({ "error": "client_error", "error_description": "invalid choice" });
            (StatusCode::BAD_REQUEST, Json(why)).into_response()
        }
        "busy" => often(),
        "busy-once" if busy.fetch_add(1, Ordering::Relaxed) == 0 => often(),
        "busy-once" => {
            Json(json!({ "id": "0xtaken", "ipfs": "cid", "relayer": {} })).into_response()
        }
        _ => "garbage".into_response(),
    }
}
