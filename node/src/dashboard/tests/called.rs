//! Calls in an emergency on the page of Sublime: what a juror reads, what others read, and the form by which a juror answers.

#![allow(clippy::unwrap_used)]

use axum::http::{StatusCode, header};
use x0_crypto::ContentId;
use x0_protocol::{
    Millis,
    core::emergency::{AskedView, CallView, CallsView},
    wire::{CallStage, CardTerms, Choice, Reason},
};

use super::{
    charter::part,
    page_of, post,
    sample::{self, Data, HOSTILE, HOUR_MS, NOW, before, key, record},
    sheltered::GUARDED,
};
use crate::dashboard::text::Language::{English, Russian};

/// A call that waits for this member's word.
const WAITING: u8 = 120;
/// One that this member has answered.
const ANSWERED: u8 = 121;
/// One of which another jury decides.
const OF_OTHERS: u8 = 122;
/// One that has passed, in the owner's veto time.
const IN_VETO: u8 = 123;
/// One about which no jury was asked.
const UNASKED: u8 = 124;

/// What the owner says of a card.
pub(super) fn terms(label: &str) -> CardTerms {
    CardTerms {
        key: key(720),
        committee: record(203),
        label: label.parse().unwrap(),
        policy: "Whoever has the card and is in danger".parse().unwrap(),
        veto: Millis(6 * HOUR_MS),
    }
}

/// Calls at every stage, and the reason for a juror, in such words.
pub(super) fn calls(words: &str) -> (CallsView, Vec<(ContentId, Reason)>) {
    let call = |number, stage, asked| CallView {
        id: record(number),
        item: record(GUARDED),
        card: terms(words),
        time: before(1),
        stage,
        asked,
        parts: 0,
    };
    let until = NOW + Millis(HOUR_MS);
    let others = AskedView {
        is_juror: false,
        ..asked(1)
    };
    let answered = AskedView {
        own: Some(Choice::No),
        ..asked(2)
    };
    let calls = vec![
        call(125, CallStage::Over, Some(asked(3))),
        call(126, CallStage::Denied, Some(answered.clone())),
        call(127, CallStage::Granted, Some(others.clone())),
        call(128, CallStage::Revoked, None),
        call(UNASKED, CallStage::Open, None),
        call(IN_VETO, CallStage::Veto { until }, Some(asked(4))),
        call(OF_OTHERS, CallStage::Open, Some(others)),
        call(ANSWERED, CallStage::Open, Some(answered)),
        call(WAITING, CallStage::Open, Some(asked(0))),
    ];
    let view = CallsView {
        calls,
        now: NOW,
        ..CallsView::default()
    };
    let reason: Reason = words.parse().unwrap();
    let reasons = [WAITING, ANSWERED].map(|of| (record(of), reason.clone()));
    (view, reasons.into())
}

fn asked(number: u8) -> AskedView {
    AskedView {
        proposal: record(130 + number),
        since: before(1),
        until: NOW + Millis(HOUR_MS),
        jury: 7,
        needed: 4,
        yes: 1,
        no: 2,
        is_juror: true,
        own: None,
    }
}

/// Returns the card of a call.
async fn call_on_page(data: &Data, call: u8) -> String {
    let html = page_of(data, "/ui/sublime", English).await;
    let named = format!("title=\"{}\"", record(call));
    let cards = part(&html, "calls").split("<article").skip(1);
    let mut cards = cards.filter(|card| card.contains(&named));
    let card = cards.next();
    card.unwrap_or_else(|| panic!("no call {call} in {html}"))
        .to_owned()
}

#[tokio::test]
async fn a_juror_reads_label_policy_and_reason_and_what_yes_does_beside_the_form() {
    let data = sample::full(24);
    let card = call_on_page(&data, WAITING).await;

    let action = format!("action=\"/ui/calls/{}\"", record(WAITING));
    for words in [
        "They are at the door",
        "Whoever has the card and is in danger",
        "The caller says, to jurors alone",
        "1 yes of 4 needed, 2 no, 7 jurors",
        "you sit on it",
        "for good",
        "6 h after the jury was asked",
        "An answer cannot be changed",
        &action,
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let html = page_of(&data, "/ui/sublime", English).await;
    assert_eq!(html.matches("action=\"/ui/calls/").count(), 1);
    let first = part(&html, "calls").split("<article").nth(1);
    let first = first.unwrap().contains(&record(WAITING).to_string());
    assert!(first, "what waits stands first");
}

#[tokio::test]
async fn calls_are_told_at_every_stage_and_the_reason_to_jurors_alone() {
    let data = sample::full(24);
    for (call, words) in [
        (ANSWERED, "you said no"),
        (OF_OTHERS, "you were not drawn"),
        (IN_VETO, "The owner can revoke the card until"),
        (UNASKED, "none was asked yet"),
        (125, "It is too old"),
        (126, "That is final for this call"),
        (127, "to the key of this call"),
        (128, "The owner has revoked the card"),
    ] {
        let card = call_on_page(&data, call).await;
        assert!(card.contains(words), "{words}: {card}");
        assert!(!card.contains("<form"), "{call}");
    }
    let of_others = call_on_page(&data, OF_OTHERS).await;
    assert!(!of_others.contains("The caller says"), "{of_others}");
    let russian = page_of(&data, "/ui/sublime", Russian).await;
    assert!(russian.contains("Да, выдать") && russian.contains("вы среди них"));
}

#[tokio::test]
async fn a_juror_says_yes_or_no_by_the_form() {
    let data = sample::full(24);
    let here = format!("/ui/calls/{}", record(WAITING));

    for word in ["yes", "no"] {
        let answer = post(&data, &here, &format!("word={word}")).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[header::LOCATION], "/ui/sublime");
    }

    let vote = record(130);
    assert_eq!(*data.cast.lock().unwrap(), [(vote, true), (vote, false)]);
}

#[tokio::test]
async fn what_is_no_answer_or_not_asked_for_casts_nothing() {
    let mut data = sample::full(24);
    let path = |call| format!("/ui/calls/{}", record(call));
    for (path, form, status) in [
        (path(WAITING), "", StatusCode::BAD_REQUEST),
        (path(WAITING), "word=maybe", StatusCode::BAD_REQUEST),
        (path(WAITING), "word=yes&more=1", StatusCode::BAD_REQUEST),
        (
            "/ui/calls/x".to_owned(),
            "word=yes",
            StatusCode::BAD_REQUEST,
        ),
        (path(99), "word=yes", StatusCode::CONFLICT),
        (path(OF_OTHERS), "word=yes", StatusCode::CONFLICT),
        (path(ANSWERED), "word=yes", StatusCode::CONFLICT),
        (path(UNASKED), "word=yes", StatusCode::CONFLICT),
        (path(IN_VETO), "word=no", StatusCode::CONFLICT),
    ] {
        let answer = post(&data, &path, form).await;
        assert_eq!(answer.status(), status, "{path} {form}");
    }
    data.calls.now = NOW + Millis(HOUR_MS);
    let late = post(&data, &path(WAITING), "word=yes").await;
    assert_eq!(late.status(), StatusCode::CONFLICT, "the time is over");
    assert!(!call_on_page(&data, WAITING).await.contains("<form"));
    assert!(data.cast.lock().unwrap().is_empty());
}

#[tokio::test]
async fn words_of_owner_and_caller_stay_text_and_a_reason_that_is_shut_is_said_to_be() {
    let mut data = sample::hostile();
    let escaped = maud::html! { (HOSTILE) }.into_string();
    let card = call_on_page(&data, WAITING).await;
    assert_eq!(
        card.matches(&escaped).count(),
        2,
        "label and reason: {card}"
    );
    assert!(!card.contains("<script>alert"));

    data.reasons.clear();
    let card = call_on_page(&data, WAITING).await;
    assert!(card.contains("The reason was not sealed to you"));
    assert!(card.contains("<form"), "it can be answered all the same");
}

#[tokio::test]
async fn an_item_tells_of_its_card_and_whether_it_is_revoked() {
    let html = page_of(&sample::full(24), "/ui/sublime", English).await;
    let items = part(&html, "items");

    assert_eq!(items.matches("It has a recovery card.").count(), 2);
    assert_eq!(items.matches("revoked</span>").count(), 1);
    let empty = page_of(&sample::empty(), "/ui/sublime", English).await;
    assert!(empty.contains("Nobody has called"));
}
