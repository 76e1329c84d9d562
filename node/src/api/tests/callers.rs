//! Who is let in, to what, and how much.

use serde_json::json;

use super::*;
use crate::{
    api::view::{DashboardLinkView, StatusView},
    dashboard::HOME,
};

#[tokio::test]
async fn the_nodes_own_user_needs_no_token_on_the_unix_socket() {
    let served = Served::start().await;

    let status: StatusView = served.get("/v1/status").await;

    assert_eq!(status.node, served.api.node.key().to_string());
}

#[tokio::test]
async fn a_wrong_token_makes_a_stranger_even_of_the_nodes_own_user() {
    let served = Served::start().await;

    let answer = served
        .unix(Call::get("/v1/status").token("x0api1wrong"))
        .await;

    assert_eq!(answer.refusal(), (401, "unknown_caller".to_owned()));
}

#[tokio::test]
async fn the_loopback_asks_for_a_token_and_says_how_to_make_one() {
    let served = Served::start().await;

    for call in [
        Call::get("/v1/status"),
        Call::get("/v1/openapi.json"),
        Call::get("/metrics"),
        Call::get("/v1/status").token("x0api1wrong"),
        Call::get("/v1/status").header("authorization", "Basic eDA6eDA="),
        Call::post("/v1/capabilities", json!({})),
        Call::post("/v1/shutdown", json!({})),
    ] {
        let answer = served.tcp(call).await;
        assert_eq!(answer.refusal(), (401, "unknown_caller".to_owned()));
        assert!(answer.error().mend.contains("x0 api-token add"));
    }
}

#[tokio::test]
async fn a_supervisor_may_ask_for_health_without_a_token() {
    let served = Served::start().await;

    let answer = served.tcp(Call::get("/v1/health")).await;

    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_opens_what_its_scope_covers_and_no_more() {
    let served = Served::start().await;
    let read = || Call::get("/v1/status");
    let act = || Call::post("/v1/acts/local", json!({}));
    let admin = || Call::post("/v1/invites", json!({}));

    for (scope, allowed) in [
        (Scope::Read, [true, false, false]),
        (Scope::Dashboard, [true, false, false]),
        (Scope::Act, [true, true, false]),
        (Scope::Admin, [true, true, true]),
    ] {
        let token = served.token(scope);
        for (call, allowed) in [read(), act(), admin()].into_iter().zip(allowed) {
            let answer = served.tcp(call.token(&token)).await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(!refused, allowed, "{scope} for {}", answer.path);
            if refused {
                assert_eq!(answer.error().code, "scope_missing");
                assert!(answer.error().mend.contains("--scope"));
            }
        }
    }
}

#[tokio::test]
async fn a_removed_token_opens_nothing_any_more() {
    let served = Served::start().await;
    let token = served.token(Scope::Read);
    let call = || Call::get("/v1/status").token(&token);
    assert_eq!(served.tcp(call()).await.status, StatusCode::OK);

    let id = served.api.tokens.list()[0].id.clone();
    let path = format!("/v1/api-tokens/{id}");
    let removed = served.unix(Call::new(Method::DELETE, &path)).await;

    assert_eq!(removed.status, StatusCode::OK);
    assert_eq!(served.tcp(call()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_made_by_the_api_is_shown_once_and_works() {
    let served = Served::start().await;
    let body = json!({"name": "panel", "scopes": ["read"]});

    let made: Value = served.post("/v1/api-tokens", body).await;
    let listed = served.unix(Call::get("/v1/api-tokens")).await.text();

    let token = made["token"].as_str().unwrap();
    let answer = served.tcp(Call::get("/v1/status").token(token)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(listed.contains("panel") && !listed.contains(token));
}

#[tokio::test]
async fn a_page_that_renames_the_node_by_dns_is_refused() {
    let served = Served::start().await;
    let token = served.token(Scope::Admin);
    let port = served.loopback.port();

    for host in [format!("evil.example:{port}"), "127.0.0.1".to_owned()] {
        let call = Call::get("/v1/status").token(&token).header("host", &host);
        let answer = served.tcp(call).await;
        assert_eq!(answer.refusal(), (403, "foreign_host".to_owned()), "{host}");
    }
    let call = Call::get("/v1/status").token(&token);
    let answer = served
        .tcp(call.header("host", &format!("localhost:{port}")))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_whatever_it_carries() {
    let served = Served::start().await;
    let token = served.token(Scope::Admin);
    let call = || Call::post("/v1/shutdown", json!({})).token(&token);

    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let answer = served.tcp(call().header(name, value)).await;
        assert_eq!(
            answer.refusal(),
            (403, "foreign_host".to_owned()),
            "{value}"
        );
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let own = format!("http://{}", served.loopback);
    let answer = served.tcp(call().header("origin", &own)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_one_time_link_lets_one_browser_into_the_dashboard_and_to_reading() {
    let served = Served::start().await;
    let link: DashboardLinkView = served.post("/v1/dashboard-link", json!({})).await;
    let path = link
        .url
        .strip_prefix(&format!("http://{}", served.loopback))
        .unwrap();

    let entered = served
        .tcp(Call::get(path).header("sec-fetch-site", "cross-site"))
        .await;
    let again = served.tcp(Call::get(path)).await;

    assert_eq!(entered.status, StatusCode::OK);
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let cookie = cookie.split(';').next().unwrap();
    for path in [HOME, "/v1/status"] {
        let answer = served.tcp(Call::get(path).header("cookie", cookie)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let change = Call::post("/v1/acts/local", json!({})).header("cookie", cookie);
    assert_eq!(
        served.tcp(change).await.refusal(),
        (403, "scope_missing".to_owned())
    );
}

#[tokio::test]
async fn a_browser_that_was_not_let_in_is_told_how_to_get_in() {
    let served = Served::start().await;

    let answer = served.tcp(Call::get(HOME)).await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("x0 dashboard"), "{}", answer.text());
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let served = Served::with_settings("[api]\nbody_bytes_max = \"4 KiB\"\n").await;
    let call = |len| Call::post("/v1/invites", json!({"addresses": ["a".repeat(len)]}));

    let small = served.unix(call(3 << 10)).await;
    let large = served.unix(call(4 << 10)).await;

    assert_eq!(small.refusal().0, 400);
    assert_eq!(large.refusal(), (413, "too_large".to_owned()));
    assert!(large.error().mend.contains("api.body_bytes_max"));
}

#[tokio::test]
async fn a_stranger_who_guesses_tokens_is_held_back_and_nobody_else_is() {
    let served = Served::start().await;
    let token = served.token(Scope::Read);
    let mut last = served
        .tcp(Call::get("/v1/status").token("x0api1guess"))
        .await;

    for _ in 0..100 {
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = served
            .tcp(Call::get("/v1/status").token("x0api1guess"))
            .await;
    }

    assert_eq!(last.refusal(), (429, "too_many_requests".to_owned()));
    let wait: u64 = last.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let known = served.tcp(Call::get("/v1/status").token(&token)).await;
    assert_eq!(known.status, StatusCode::OK);
    let _: StatusView = served.get("/v1/status").await;
}

#[tokio::test]
async fn a_known_caller_is_held_to_the_rate_in_the_settings() {
    let served = Served::with_settings("[api]\nrate_per_second = 1\n").await;
    let token = served.token(Scope::Read);
    let mut answers = Vec::new();

    for _ in 0..50 {
        answers.push(
            served
                .tcp(Call::get("/v1/health").token(&token))
                .await
                .status,
        );
    }

    assert_eq!(answers[..4], [StatusCode::OK; 4]);
    assert!(
        answers.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{answers:?}"
    );
}
