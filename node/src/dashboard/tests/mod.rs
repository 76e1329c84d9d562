//! The pages as a browser gets them: in both languages, with nothing and with everything to show.

#![allow(clippy::unwrap_used)]

mod called;
mod charter;
mod duties;
mod judged;
mod sample;
mod sheltered;
mod source;
mod vault;

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use x0_crypto::capability::RootKey;
use x0_protocol::{
    Wall,
    charter::violation::Barred,
    spine::halt::{HaltId, Standing},
};

use self::{
    sample::{Data, HOSTILE, key},
    source::Sample,
};
use super::{
    assets::ASSETS,
    page::{Group, Page},
    router,
    text::Language,
};

/// Most bytes of all assets together: a page must open at once over a slow line.
const ASSETS_BYTES_MAX: usize = 300 * 1024;

#[tokio::test]
async fn every_page_renders_in_both_languages_with_nothing_and_with_everything() {
    for data in [
        sample::empty(),
        sample::full(24),
        sample::full(400),
        without_peers(),
        barred(),
    ] {
        for language in Language::ALL {
            for page in Page::ALL {
                let html = page_of(&data, page.path(), language).await;

                assert!(html.starts_with("<!DOCTYPE html>"), "{page:?}");
                assert!(html.contains(&format!("<html lang=\"{}\">", language.code())));
                assert!(!html.contains('⟦'), "{page:?} lacks a message: {html}");
                assert!(!html.contains("{$"), "{page:?} lacks a variable: {html}");
            }
        }
    }
}

#[tokio::test]
async fn a_fragment_is_the_content_of_its_page_alone() {
    let data = sample::full(24);
    for page in Page::ALL {
        let html = page_of(&data, page.path(), Language::English).await;
        let path = format!("/ui/fragment/{}", page.name());
        let fragment = page_of(&data, &path, Language::English).await;

        assert!(!fragment.contains("<html"), "{page:?}");
        assert!(html.contains(&fragment), "{page:?}");
        assert!(
            html.contains(&format!("data-fragment=\"{path}\"")),
            "{page:?}"
        );
    }
}

#[tokio::test]
async fn text_of_others_is_escaped_and_isolated_wherever_it_stands() {
    let data = sample::hostile();
    for page in Page::ALL {
        let html = page_of(&data, page.path(), Language::English).await;
        assert!(!html.contains("<script>alert"), "{page:?}");
        assert!(!html.contains("alert(\"x\")"), "{page:?}");
    }
    let shown = "<bdi class=\"foreign\" lang=\"en\">&lt;/script&gt;";
    for page in [
        Page::Overview,
        Page::Acts,
        Page::Charter,
        Page::Cases,
        Page::Sublime,
        Page::Guardian,
        Page::Public,
        Page::Audit,
    ] {
        assert!(
            page_of(&data, page.path(), Language::English)
                .await
                .contains(shown),
            "{page:?}"
        );
    }
}

#[tokio::test]
async fn hostile_queries_change_nothing_but_what_they_ask() {
    let data = sample::full(24);
    let paths = [
        format!("/ui/map?node={}", encoded(HOSTILE)),
        "/ui/peers?sheet=-1".to_owned(),
        "/ui/acts?sheet=99999999999999999999999".to_owned(),
        "/ui/audit?sheet=%3Cb%3E".to_owned(),
        "/ui/audit?sheet=1&sheet=2".to_owned(),
        format!("/ui/public?only={}", encoded(HOSTILE)),
        "/ui/public?only=overrides&sheet=99".to_owned(),
        "/ui/sublime?sheet=-1".to_owned(),
        format!("/ui/guardian?sheet={}", encoded(HOSTILE)),
        format!("/ui/public/{}/proof", encoded(HOSTILE)),
    ];
    for path in paths {
        let html = page_of(&data, &path, Language::English).await;
        assert!(
            !html.contains("<script>alert") && !html.contains("<b>"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_the_page_to_itself() {
    let data = sample::full(24);
    for path in [
        "/ui",
        "/ui/map",
        "/ui/fragment/acts",
        "/ui/assets/live.js",
        "/ui/public/0/proof",
        "/ui/no-such-page",
    ] {
        let answer = get(&data, path, &[]).await;
        let header = |name: header::HeaderName| answer.headers()[name].to_str().unwrap().to_owned();

        let policy = header(header::CONTENT_SECURITY_POLICY);
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path} lacks {rule}");
        }
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(header(header::REFERRER_POLICY), "same-origin", "{path}");
    }
    let page = get(&data, "/ui", &[]).await;
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn nothing_in_a_page_needs_more_than_the_policy_allows() {
    for page in Page::ALL {
        let html = page_of(&sample::full(24), page.path(), Language::Russian).await;
        for forbidden in [
            " style=",
            " onclick=",
            "<style",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!html.contains(forbidden), "{page:?} has {forbidden}");
        }
        assert_eq!(html.matches("<script").count(), 1, "{page:?}");
    }
}

#[test]
fn assets_are_small_and_refer_to_nothing_outside() {
    let bytes: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
    assert!(bytes < ASSETS_BYTES_MAX, "{bytes} bytes");
    for asset in ASSETS {
        let text = asset.text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !text.contains("//") || asset.kind.starts_with("text/javascript"),
            "{}",
            asset.name
        );
        for outside in ["http:", "https:", "@import", "url(", "eval(", "innerHTML"] {
            assert!(!text.contains(outside), "{} has {outside}", asset.name);
        }
    }
}

#[tokio::test]
async fn every_module_that_a_script_imports_is_served() {
    let data = sample::empty();
    for asset in ASSETS {
        let answer = get(&data, &format!("/ui/assets/{}", asset.name), &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], asset.kind);
        for import in asset.text.split("from \"./").skip(1) {
            let name = import.split('"').next().unwrap();
            assert!(ASSETS.iter().any(|other| other.name == name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_browser_that_holds_an_asset_is_not_sent_it_again() {
    let data = sample::empty();
    let first = get(&data, "/ui/assets/style.css", &[]).await;
    let tag = first.headers()[header::ETAG].to_str().unwrap();

    let again = get(
        &data,
        "/ui/assets/style.css",
        &[(header::IF_NONE_MATCH, tag)],
    )
    .await;

    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(text(again).await.is_empty());
}

#[tokio::test]
async fn the_choice_of_language_is_kept_and_leads_back() {
    let data = sample::empty();
    let answer = get(&data, "/ui/language/ru?back=peers", &[]).await;
    let cookie = answer.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();

    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()[header::LOCATION], "/ui/peers");
    assert!(cookie.starts_with("x0_language=ru;"));
    let elsewhere = get(&data, "/ui/language/xx?back=//evil.example", &[]).await;
    assert_eq!(elsewhere.headers()[header::LOCATION], "/ui");
    assert!(!elsewhere.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn the_overview_says_what_protects_and_what_is_missing() {
    let html = page_of(&sample::full(24), "/ui", Language::English).await;

    assert!(html.contains("An act may touch at most 2 of 24 nodes"));
    assert!(html.contains("3 of 4 seats"));
    assert!(html.contains("The committee log stands at block 812; 3 of 4 seats are linked"));
    assert!(html.contains("The committee certifies nothing yet"));
    let alone = page_of(&sample::empty(), "/ui", Language::English).await;
    assert!(alone.contains("No committee exists yet"));
    assert!(html.contains("1.2 s"));
    assert!(!html.contains("test mesh"));
    let mut test_mesh = sample::full(24);
    test_mesh.status.time_scale = 60;
    assert!(
        page_of(&test_mesh, "/ui", Language::English)
            .await
            .contains("This is a test mesh")
    );
}

#[tokio::test]
async fn the_overview_begins_with_what_is_stopped() {
    let mut data = sample::full(24);
    data.status.frozen = 2;
    let frozen = page_of(&data, "/ui", Language::English).await;
    assert!(frozen.contains("2 delegation roots are frozen"));
    let until = Wall(data.status.standing_at.0 + 3 * 3_600_000);
    let root = RootKey::from_bytes(*data.status.node.bytes()).unwrap();
    let halt = HaltId::of(&data.status.mesh, &root, 0);
    data.status.standing = Standing::Halted {
        halt,
        root,
        confirmed: true,
        until,
    };
    let halted = page_of(&data, "/ui", Language::English).await;
    assert!(halted.contains("THE MESH IS HALTED") && halted.contains(&halt.short()));
    assert!(
        page_of(&data, "/ui", Language::Russian)
            .await
            .contains("СЕТЬ ОСТАНОВЛЕНА")
    );
    data.status.standing = Standing::Restarting { until };
    let restarting = page_of(&data, "/ui", Language::English).await;
    assert!(restarting.contains("The halt is over"));
}

#[tokio::test]
async fn an_act_shows_what_became_of_it_at_each_target() {
    let html = page_of(&sample::full(24), "/ui/acts", Language::English).await;

    assert!(html.contains("2 executed"));
    assert!(html.contains("1 refused"));
    assert!(html.contains("1 not answered yet"));
    assert!(html.contains("1 never answered"));
    assert!(html.contains("this mesh has no committee in force"));
}

#[tokio::test]
async fn a_person_sees_what_would_change_and_decides() {
    let data = sample::full(24);
    let act = sample::record(sample::WAITING);

    let html = page_of(&data, "/ui/acts", Language::English).await;
    assert!(html.contains("60 s -&gt; 30 s"), "{html}");
    assert!(html.contains(&format!("action=\"/ui/cosign/{act}\"")));
    for word in ["sign", "refuse"] {
        let answer = post(&data, &format!("/ui/cosign/{act}"), &format!("word={word}")).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[header::LOCATION], "/ui/acts");
    }
    assert_eq!(*data.cosigned.lock().unwrap(), [(act, true), (act, false)]);
}

#[tokio::test]
async fn a_person_is_told_in_which_role_the_node_was_drawn() {
    let html = page_of(&sample::full(24), "/ui/acts", Language::English).await;

    assert!(html.contains("co-signer: every one drawn must sign"));
    assert!(html.contains("signatory: 3 of 5 must approve"), "{html}");
    assert!(html.contains("2 of 3 approvals are there"), "{html}");
}

#[tokio::test]
async fn what_is_no_decision_decides_nothing() {
    let data = sample::full(24);
    let act = sample::record(sample::WAITING);
    let here = format!("/ui/cosign/{act}");
    let other = format!("/ui/cosign/{}", sample::record(99));
    for (path, form, status) in [
        (&here, "", StatusCode::BAD_REQUEST),
        (&here, "word=maybe", StatusCode::BAD_REQUEST),
        (&here, "word=sign&more=1", StatusCode::BAD_REQUEST),
        (
            &"/ui/cosign/x".to_owned(),
            "word=sign",
            StatusCode::BAD_REQUEST,
        ),
        (&other, "word=sign", StatusCode::CONFLICT),
    ] {
        assert_eq!(
            post(&data, path, form).await.status(),
            status,
            "{path} {form}"
        );
    }
    let got = get(&data, &here, &[]).await;
    assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(data.cosigned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tokens_in_force_come_before_those_that_open_nothing() {
    let html = page_of(&sample::full(24), "/ui/capabilities", Language::English).await;
    let place = |words: &str| html.find(words).unwrap_or_else(|| panic!("no {words}"));

    assert!(place("in force") < place("not accepted here"));
    assert!(place("not accepted here") < place("expired"));
    assert!(place("expired") < place("revoked"));
    assert!(html.contains("Touches at most 1 % of the mesh"));
}

#[tokio::test]
async fn a_whole_log_is_told_from_an_altered_and_from_a_short_one() {
    let whole = sample::full(24);
    let mut altered = whole.clone();
    altered.entries[30].time.0 += 1;
    let mut short = whole.clone();
    short.entries.pop();

    let verify = async |data: &Data| page_of(data, "/ui/audit?verify=1", Language::English).await;

    assert!(
        verify(&whole)
            .await
            .contains("All 61 entries on disk lead to the head")
    );
    assert!(verify(&whole).await.contains("5 peers hold heads of it"));
    assert!(
        verify(&altered)
            .await
            .contains("do not lead to the head (61 read)")
    );
    assert!(
        verify(&short)
            .await
            .contains("do not lead to the head (60 read)")
    );
    assert!(
        !page_of(&altered, "/ui/audit", Language::English)
            .await
            .contains("do not lead")
    );
}

#[tokio::test]
async fn the_log_is_shown_newest_first_in_sheets() {
    let data = sample::full(24);
    let first = page_of(&data, "/ui/audit", Language::English).await;
    let second = page_of(&data, "/ui/audit?sheet=2", Language::English).await;

    assert!(first.find("data-number=\"60\"").unwrap() < first.find("data-number=\"11\"").unwrap());
    assert!(!first.contains("data-number=\"10\""));
    assert!(second.contains("data-number=\"10\"") && second.contains("data-number=\"0\""));
}

#[tokio::test]
async fn the_map_shows_the_details_of_the_node_asked_for() {
    let data = sample::full(24);
    let linked = page_of(
        &data,
        &format!("/ui/map?node={}", key(1)),
        Language::English,
    )
    .await;
    let stranger = page_of(
        &data,
        &format!("/ui/map?node={}", key(999)),
        Language::English,
    )
    .await;

    assert!(linked.contains(&format!("<code class=\"whole\">{}</code>", key(1))));
    assert!(linked.contains("Holds our log up to"));
    assert!(stranger.contains("not known as a member"));
}

#[tokio::test]
async fn a_mesh_of_thousands_gives_a_page_of_bounded_size() {
    let data = sample::full(3_000);
    for page in Page::ALL {
        let html = page_of(&data, page.path(), Language::English).await;
        assert!(html.len() < 1_500_000, "{page:?} has {} bytes", html.len());
    }
    let map = page_of(&data, "/ui/map", Language::English).await;
    assert!(map.contains("members are not drawn"));
}

#[tokio::test]
async fn a_node_that_does_not_answer_gives_a_page_that_says_so() {
    let mut data = sample::full(24);
    data.broken = Some("the node is stopping".to_owned());
    for path in ["/ui", "/ui/acts", "/ui/fragment/acts"] {
        let answer = get(&data, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(
            text(answer).await.contains("the node is stopping"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_page_leads_back_to_the_first() {
    let answer = get(&sample::empty(), "/ui/no-such-page", &[]).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(text(answer).await.contains("href=\"/ui\""));
}

#[test]
fn every_message_is_used() {
    let sources = [
        include_str!("../about.rs"),
        include_str!("../access.rs"),
        include_str!("../acts.rs"),
        include_str!("../audit.rs"),
        include_str!("../calls.rs"),
        include_str!("../../charter/wording.rs"),
        include_str!("../amendments.rs"),
        include_str!("../capabilities.rs"),
        include_str!("../cases.rs"),
        include_str!("../charter.rs"),
        include_str!("../consents.rs"),
        include_str!("../duties.rs"),
        include_str!("../enforcement.rs"),
        include_str!("../guardian.rs"),
        include_str!("../happenings.rs"),
        include_str!("../ledger.rs"),
        include_str!("../map.rs"),
        include_str!("../overview.rs"),
        include_str!("../page.rs"),
        include_str!("../parts.rs"),
        include_str!("../peers.rs"),
        include_str!("../public.rs"),
        include_str!("../sublime.rs"),
        include_str!("../verdicts.rs"),
    ];
    let keyed = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    for line in Language::English.source().lines().filter(keyed) {
        let key = line.split(" =").next().unwrap();
        let written = format!("\"{key}\"");
        assert!(
            sources.iter().any(|source| source.contains(&written)),
            "{key} is not used"
        );
    }
}

#[tokio::test]
async fn every_part_that_is_kept_up_to_date_is_there_from_the_start() {
    // A script puts what has changed in the place of what is there, and makes no new places.
    let parts = async |data: &Data, page: Page| {
        let html = page_of(data, page.path(), Language::English).await;
        let places = html.match_indices(" data-live");
        let ids = places.map(|(at, _)| {
            let tag = &html[html[..at].rfind('<').unwrap()..at];
            tag.split("id=\"").nth(1).unwrap().replace('"', "")
        });
        ids.collect::<BTreeSet<_>>()
    };
    for page in Page::ALL {
        let fresh = parts(&sample::empty(), page).await;
        assert_eq!(fresh, parts(&sample::full(24), page).await, "{page:?}");
    }
}

#[test]
fn the_navigation_leads_to_every_page_once_and_keeps_groups_together() {
    let in_groups: Vec<_> = Group::ALL
        .into_iter()
        .flat_map(|group| {
            Page::ALL
                .into_iter()
                .filter(move |page| page.group() == group)
        })
        .collect();
    assert_eq!(in_groups, Page::ALL);
}

/// A member that is suspended by a verdict, in a mesh that amends nothing.
fn barred() -> Data {
    let mut data = sample::full(24);
    let until = Wall(data.status.standing_at.0 + 86_400_000);
    data.status.barred = Some(Barred::Suspended { until });
    data.votes.votes.clear();
    data
}

/// A member whose links are gone and that is not ready: the notices of the first page.
fn without_peers() -> Data {
    let mut data = sample::full(24);
    data.status.links = 0;
    data.status.ready = false;
    data.links.clear();
    data.heads.witnesses.clear();
    data.heads.seen.clear();
    data.status.time_scale = 60;
    data
}

async fn page_of(data: &Data, path: &str, language: Language) -> String {
    let code = language.code();
    text(get(data, path, &[(header::ACCEPT_LANGUAGE, code)]).await).await
}

async fn get(data: &Data, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let router = router(Sample::from(data.clone()));
    router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn post(data: &Data, path: &str, form: &str) -> Response {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    router(Sample::from(data.clone()))
        .oneshot(request)
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
