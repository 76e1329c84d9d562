//! What the guardian's page asks of a person, and what it tells of drills.

#![allow(clippy::unwrap_used)]

use axum::http::{StatusCode, header};

use super::{
    charter::part,
    get, page_of, post,
    sample::{self, Data, HOSTILE, key},
};
use crate::dashboard::text::Language::{English, Russian};

#[tokio::test]
async fn an_invitation_shows_who_asks_and_why_and_a_person_answers() {
    let data = sample::full(24);
    let html = page_of(&data, "/ui/guardian", English).await;
    let invitations = part(&html, "invitations");
    let here = format!("/ui/guardian/invitation/{}", key(4));

    assert!(invitations.contains("We are two, and it takes three"));
    assert_eq!(invitations.matches("<form").count(), 1, "one is answered");
    assert!(invitations.contains(&format!("action=\"{here}\"")));
    for word in ["accept", "decline"] {
        let answer = post(&data, &here, &format!("word={word}")).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[header::LOCATION], "/ui/guardian");
    }
    assert_eq!(
        *data.answered.lock().unwrap(),
        [(key(4), true), (key(4), false)]
    );
    for words in ["no answer yet", "declined"] {
        assert!(invitations.contains(words), "{words}");
    }
    let html = page_of(&sample::empty(), "/ui/guardian", English).await;
    assert!(!part(&html, "invitations").contains("<form"));
}

#[tokio::test]
async fn what_is_no_answer_to_an_invitation_answers_none() {
    let data = sample::full(24);
    let here = format!("/ui/guardian/invitation/{}", key(4));
    let other = format!("/ui/guardian/invitation/{}", key(3));
    for (path, form, status) in [
        (here.as_str(), "", StatusCode::BAD_REQUEST),
        (&here, "word=maybe", StatusCode::BAD_REQUEST),
        (&here, "word=accept&more=1", StatusCode::BAD_REQUEST),
        (
            "/ui/guardian/invitation/x",
            "word=accept",
            StatusCode::BAD_REQUEST,
        ),
        (&other, "word=accept", StatusCode::CONFLICT),
    ] {
        assert_eq!(
            post(&data, path, form).await.status(),
            status,
            "{path} {form}"
        );
    }
    for path in [here.as_str(), "/ui/guardian/drill"] {
        let got = get(&data, path, &[]).await;
        assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert!(data.answered.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_drill_is_begun_by_a_button_that_is_gone_while_one_runs() {
    let button = "action=\"/ui/guardian/drill\"";
    let mut data = sample::full(24);
    let html = page_of(&data, "/ui/guardian", English).await;
    assert!(part(&html, "drill").contains(button));
    let answer = post(&data, "/ui/guardian/drill", "").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(*data.drilled.lock().unwrap(), 1);

    data.drills.running = Some((3, 9));
    let html = page_of(&data, "/ui/guardian", English).await;
    let drill = part(&html, "drill");
    assert!(
        drill.contains("3 of 9") && !drill.contains(button),
        "{drill}"
    );
}

#[tokio::test]
async fn what_a_drill_found_is_told_with_each_fault_and_else_what_was_last_told() {
    let mut data = sample::full(24);
    let html = page_of(&data, "/ui/guardian", English).await;
    let drill = part(&html, "drill");
    for words in [
        "1 of 2 shares good",
        "the disk is full of moths",
        "has told of a drill within a day",
    ] {
        assert!(drill.contains(words), "{words}: {drill}");
    }

    data.drills.last = None;
    let html = page_of(&data, "/ui/guardian", English).await;
    assert!(part(&html, "drill").contains("2 of 2 shares good"));
    let html = page_of(&sample::empty(), "/ui/guardian", English).await;
    assert!(part(&html, "drill").contains("told of no drill yet"));
}

#[tokio::test]
async fn of_each_member_who_serves_the_last_drill_is_told_in_both_languages() {
    for (language, words) in [
        (English, ["8 of 9 shares good", "never told"]),
        (Russian, ["исправных долей: 8 из 9", "ещё не сообщал"]),
    ] {
        let html = page_of(&sample::full(24), "/ui/guardian", language).await;
        let others = part(&html, "guardians");
        for word in words {
            assert!(others.contains(word), "{word}: {others}");
        }
        assert!(others.contains(&key(8).to_string()));
    }
}

#[tokio::test]
async fn thousands_who_serve_and_faults_give_a_page_of_bounded_size() {
    let mut data = sample::full(24);
    let (first, ..) = data.guardians.serving[0];
    data.guardians.serving = vec![(first, None); 4_000];
    data.drills = many_faults(&data);

    let html = page_of(&data, "/ui/guardian", Russian).await;

    assert!(html.len() < 400_000, "{} bytes", html.len());
    assert!(part(&html, "guardians").contains("x0 guardian list"));
}

fn many_faults(data: &Data) -> crate::sublime::Drills {
    let mut drills = data.drills.clone();
    let mut report = (**drills.last.as_ref().unwrap()).clone();
    let shares = report.shares.as_mut().unwrap();
    let fault = shares[1].clone();
    shares.resize(5_000, fault);
    drills.last = Some(report.into());
    drills
}

#[tokio::test]
async fn hostile_words_of_inviters_and_faults_stay_text() {
    let escaped = maud::html! { (HOSTILE) }.into_string();
    let html = page_of(&sample::hostile(), "/ui/guardian", English).await;
    for id in ["invitations", "drill"] {
        let part = part(&html, id);
        assert!(part.contains(&escaped), "{id}");
        assert!(!part.contains("<script>alert"), "{id}");
    }
}
