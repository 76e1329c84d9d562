//! Calls for items in an emergency: who is asked, what a juror reads, and the form by which it says yes or no.
//!
//! Nothing tells who calls: a call has no author that anybody knows. What the owner wrote and what the caller writes is text of
//! others. The reason stands on the page of a juror alone, whose node opens it.

use std::collections::BTreeMap;

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use x0_crypto::ContentId;
use x0_protocol::{
    Millis,
    core::emergency::{AskedView, CallView, CallsView},
    wire::{CallStage, Choice, Reason},
};

use super::{
    Source,
    page::{Frame, Page, failed},
    parts::{self, Tone},
    read::{self, Trouble},
    text::{Language, Texts},
};

/// Calls on a page; all of them are told by the command line.
const CALLS_SHOWN: usize = 30;

/// The calls known here, with the reasons that this node's member may read.
pub(super) struct Calls {
    known: CallsView,
    reasons: BTreeMap<ContentId, Reason>,
}

/// Tells whether a call waits for the word of this node's member.
fn waits(call: &CallView, known: &CallsView) -> bool {
    let asked = call.asked.as_ref();
    let is_asked =
        asked.is_some_and(|asked| asked.is_juror && asked.own.is_none() && known.now < asked.until);
    is_asked && call.stage == CallStage::Open
}

impl Calls {
    /// Asks for the calls, and for the reasons of those that this node's member was asked about.
    pub(super) async fn ask<S: Source>(source: &S) -> Result<Self, Trouble> {
        let mut known = *read::calls(source).await?;
        // Those first that wait for somebody here; the newest first before and after.
        let mut calls = std::mem::take(&mut known.calls);
        calls.sort_by_key(|call| !waits(call, &known));
        known.calls = calls;
        let mut reasons = BTreeMap::new();
        for call in known.calls.iter().take(CALLS_SHOWN) {
            if call.asked.as_ref().is_some_and(|asked| asked.is_juror)
                && let Some(reason) = read::reason(source, call.id).await?
            {
                reasons.insert(call.id, reason);
            }
        }
        Ok(Self { known, reasons })
    }

    /// Shows the calls, those first that wait for this member's word.
    pub(super) fn all<S>(&self, frame: &Frame<'_, S>) -> Markup {
        let t = frame.t;
        let calls = &self.known.calls;
        html! {
            div.stack #calls data-live {
                h2 { (t.say("calls")) " " span.count { (calls.len()) } }
                p.lead { (t.say("calls-lead")) }
                @if calls.is_empty() {
                    section.card {
                        (parts::empty(&t.say("calls-empty-title"), &t.say("calls-empty"), Some("x0 vote jury on")))
                    }
                }
                @for call in calls.iter().take(CALLS_SHOWN) { (self.card(t, call)) }
                @if calls.len() > CALLS_SHOWN {
                    p.quiet { (t.say("all-of-it")) " " code { "x0 emergency calls" } }
                }
            }
        }
    }

    fn card(&self, t: Texts, call: &CallView) -> Markup {
        let (tone, name, meaning) = told(t, call.stage);
        html! {
            article.card.act {
                header {
                    h3 { (t.say("call")) " " (parts::record(&call.id)) }
                    span { (parts::badge(tone, &name)) }
                }
                dl.pairs.tall {
                    div {
                        dt { (t.say("call-label")) }
                        dd { (said(t, call.card.label.as_str(), "call-label-none")) }
                    }
                    div {
                        dt { (t.say("call-policy")) }
                        dd { (said(t, call.card.policy.as_str(), "call-policy-none")) }
                    }
                    @if let Some(reason) = self.reasons.get(&call.id) {
                        div {
                            dt { (t.say("call-reason")) }
                            dd { (said(t, reason.as_str(), "call-reason-none")) }
                        }
                    }
                    div { dt { (t.say("item")) } dd { (parts::record(&call.item)) } }
                    div { dt { (t.say("call-when")) } dd { (parts::moment(call.time)) } }
                    div { dt { (t.say("call-jury")) } dd { (jury(t, call.asked.as_ref())) } }
                }
                p.quiet {
                    (meaning)
                    @if let CallStage::Veto { until } = call.stage { " " (parts::moment(until)) }
                }
                @if waits(call, &self.known) { (self.form(t, call)) }
            }
        }
    }

    /// Lets a juror answer.
    fn form(&self, t: Texts, call: &CallView) -> Markup {
        html! {
            @if !self.reasons.contains_key(&call.id) { p { (t.say("call-reason-shut")) } }
            p { (t.say("call-yes-opens")) " " (veto(t, call.card.veto)) }
            form.decide method="post" action={ "/ui/calls/" (call.id) } {
                button type="submit" name="word" value="yes" { (t.say("call-say-yes")) }
                button.quiet type="submit" name="word" value="no" { (t.say("call-say-no")) }
                small { (t.say("call-final")) }
            }
        }
    }
}

/// Shows words of others, or says that there are none.
fn said(t: Texts, words: &str, none: &'static str) -> Markup {
    match words.is_empty() {
        true => html! { (t.say(none)) },
        false => parts::foreign(words),
    }
}

fn veto(t: Texts, veto: Millis) -> String {
    match veto {
        Millis(0) => t.say("call-veto-none"),
        veto => t.with("call-veto", [("span", parts::span(t, veto).into())]),
    }
}

fn jury(t: Texts, asked: Option<&AskedView>) -> Markup {
    let Some(asked) = asked else {
        return html! { (t.say("call-jury-none")) };
    };
    let numbers = [
        ("yes", asked.yes.into()),
        ("needed", asked.needed.into()),
        ("no", asked.no.into()),
        ("jury", asked.jury.into()),
    ];
    html! {
        (t.with("call-votes", numbers)) " · " (t.say("call-until")) " " (parts::moment(asked.until)) " "
        @match (asked.is_juror, asked.own) {
            (true, None) => (parts::badge(Tone::Waiting, &t.say("call-you-sit"))),
            (true, Some(Choice::Yes)) => (parts::badge(Tone::Plain, &t.say("call-you-said-yes"))),
            (true, Some(Choice::No)) => (parts::badge(Tone::Plain, &t.say("call-you-said-no"))),
            (true, Some(Choice::Abstain)) => (parts::badge(Tone::Plain, &t.say("call-you-abstained"))),
            (false, _) => (parts::badge(Tone::Plain, &t.say("call-not-you"))),
        }
    }
}

/// Names a stage and says what it means.
fn told(t: Texts, stage: CallStage) -> (Tone, String, String) {
    let (tone, name, meaning) = match stage {
        CallStage::Unknown => (Tone::Plain, "call-unknown", "call-unknown-is"),
        CallStage::Open => (Tone::Waiting, "call-open", "call-open-is"),
        CallStage::Veto { .. } => (Tone::Waiting, "call-in-veto", "call-in-veto-is"),
        CallStage::Granted => (Tone::Good, "call-granted", "call-granted-is"),
        CallStage::Denied => (Tone::Bad, "call-denied", "call-denied-is"),
        CallStage::Revoked => (Tone::Bad, "call-revoked", "call-revoked-is"),
        CallStage::Over => (Tone::Plain, "call-over", "call-over-is"),
    };
    (tone, t.say(name), t.say(meaning))
}

/// A juror's answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    word: Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Yes,
    No,
}

/// Takes a juror's answer and leads back to the calls.
pub(super) async fn decide<S: Source>(
    State(source): State<S>,
    Path(call): Path<String>,
    headers: HeaderMap,
    answer: Result<Form<Answer>, FormRejection>,
) -> Response {
    let t = Texts(Language::of_request(&headers));
    let call: Result<ContentId, _> = call.parse();
    let (Ok(call), Ok(Form(answer))) = (call, answer) else {
        let trouble = Trouble("the form names no call, or neither of the two answers".to_owned());
        return failed(StatusCode::BAD_REQUEST, t, &trouble);
    };
    match cast(&source, call, answer.word).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(LOCATION, Page::Sublime.path())]).into_response(),
        Err(trouble) => failed(StatusCode::CONFLICT, t, &trouble),
    }
}

async fn cast<S: Source>(source: &S, id: ContentId, word: Word) -> Result<(), Trouble> {
    let known = read::calls(source).await?;
    let call = known.calls.iter().find(|call| call.id == id);
    let open = call.filter(|call| waits(call, &known));
    let Some(asked) = open.and_then(|call| call.asked.as_ref()) else {
        return Err(Trouble(
            "this call does not wait for your word: it is decided or over, you have answered it, or you were not asked"
                .to_owned(),
        ));
    };
    let cast = source.cast(asked.proposal, word == Word::Yes).await;
    cast.map_err(Trouble)
}
