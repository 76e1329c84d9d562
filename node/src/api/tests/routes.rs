//! What is served where, and how a call that does not fit is answered.

use serde_json::json;
use x0_crypto::ContentId;

use super::*;
use crate::api::openapi;

/// Begins the message for a path that leads nowhere; an id that is unknown is told otherwise.
const NOWHERE: &str = "there is nothing at";

#[tokio::test]
async fn a_path_that_leads_nowhere_points_to_the_description() {
    let served = Served::start().await;

    for path in ["/v1/nothing", "/v2/status", "/v1/records", "/v1/status/"] {
        let answer = served.unix(Call::get(path)).await;
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{path}");
        assert!(answer.error().message.starts_with(NOWHERE));
        assert!(answer.error().mend.contains("/v1/openapi.json"));
    }
}

#[tokio::test]
async fn a_method_a_route_does_not_take_is_named() {
    let served = Served::start().await;

    let answer = served.unix(Call::new(Method::DELETE, "/v1/status")).await;

    assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()));
    assert!(answer.error().message.contains("DELETE"));
}

#[tokio::test]
async fn every_route_that_is_described_is_served() {
    let served = Served::start().await;
    let routes = described();
    assert!(routes.len() > 30, "{}", routes.len());

    for (method, path, _) in routes {
        let answer = served.unix(Call::new(method.clone(), &path)).await;
        assert_ne!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert!(!answer.text().contains(NOWHERE), "{method} {path}");
        assert!(
            !answer.status.is_server_error(),
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn every_route_refuses_callers_without_the_scope_in_its_description() {
    let served = Served::with_settings("[api]\nrate_per_second = 100\n").await;
    let reader = served.token(Scope::Read);
    let actor = served.token(Scope::Act);

    for (method, path, scope) in described() {
        let weaker = match scope.as_deref() {
            Some("admin") => &actor,
            Some("act") => &reader,
            Some("read") | None => continue,
            Some(other) => panic!("{path} asks for an unknown scope {other}"),
        };
        let answer = served
            .tcp(Call::new(method.clone(), &path).token(weaker))
            .await;
        assert_eq!(
            answer.refusal(),
            (403, "scope_missing".to_owned()),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn only_health_and_the_public_log_are_open_to_everybody() {
    let open: Vec<_> = described()
        .into_iter()
        .filter(|(_, _, scope)| scope.is_none())
        .map(|(_, path, _)| path)
        .collect();

    let public = ["/v1/public-log", "/v1/public-log/{index}/proof"];
    assert_eq!(open, ["/v1/health", public[0], public[1]]);
}

#[tokio::test]
async fn the_description_served_is_the_one_in_the_program() {
    let served = Served::start().await;

    let described: Value = served.get("/v1/openapi.json").await;

    assert_eq!(described, serde_json::to_value(openapi()).unwrap());
}

#[tokio::test]
async fn the_root_leads_a_browser_to_the_dashboard() {
    let served = Served::start().await;

    let answer = served.tcp(Call::get("/")).await;

    assert!(answer.status.is_redirection());
    assert_eq!(answer.headers["location"], crate::dashboard::HOME);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_its_place() {
    let served = Served::start().await;
    let invite = || Call::new(Method::POST, "/v1/invites");

    let broken = served
        .unix(invite().text("{\"life_secs\": 60,\n  oops}"))
        .await;
    let mistyped = served
        .unix(invite().text("{\"life_secs\": \"long\"}"))
        .await;
    let unknown = served.unix(invite().text("{\"life\": 60}")).await;
    let bare = served.unix(invite()).await;

    assert!(
        broken.error().message.contains("line 2 column 3"),
        "{}",
        broken.text()
    );
    assert!(
        mistyped.error().message.contains("life_secs"),
        "{}",
        mistyped.text()
    );
    assert!(
        unknown.error().message.contains("unknown field `life`"),
        "{}",
        unknown.text()
    );
    assert_eq!(bare.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(bare.error().mend.contains("application/json"));
}

#[tokio::test]
async fn ids_and_queries_that_do_not_read_are_refused_as_such() {
    let served = Served::start().await;
    let unknown = ContentId::of(b"nothing");

    for (path, status) in [
        ("/v1/records/bafynonsense".to_owned(), 400),
        ("/v1/acts/1".to_owned(), 400),
        ("/v1/members?limit=0".to_owned(), 400),
        ("/v1/members?limit=x".to_owned(), 400),
        ("/v1/members?colour=red".to_owned(), 400),
        ("/v1/audit?limit=100000".to_owned(), 400),
        (format!("/v1/records/{unknown}"), 404),
        (format!("/v1/acts/{unknown}"), 404),
    ] {
        let answer = served.unix(Call::get(&path)).await;
        assert_eq!(answer.refusal().0, status, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_change_out_of_range_is_refused_with_the_range() {
    let served = Served::start().await;
    let change = json!({"change": {"set": {"policy": "links.target", "value": 65}}});

    let answer = served.unix(Call::post("/v1/acts/local", change)).await;

    assert_eq!(answer.refusal(), (422, "out_of_range".to_owned()));
    assert!(answer.error().message.contains("64"), "{}", answer.text());
}

/// Returns method, path and needed scope of every route, ids filled in with one that nobody has.
fn described() -> Vec<(Method, String, Option<String>)> {
    let description = serde_json::to_value(openapi()).unwrap();
    let id = ContentId::of(b"nobody").to_string();
    let mut routes = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let scope = operation["security"][0]["api_token"][0].as_str();
            routes.push((method, path.replace("{id}", &id), scope.map(str::to_owned)));
        }
    }
    routes
}
