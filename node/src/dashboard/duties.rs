//! A guardian's life on its page: who has asked this member to serve, whom it has asked, what a drill found here, and when the
//! others last tried what they keep.
//!
//! Two things are decided here: whether this member serves as it was asked to, and that a drill begins.

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use x0_crypto::PublicKey;
use x0_protocol::{
    Wall,
    core::sublime::{GuardiansView, SublimeView},
    sublime::{invitations::Invitation, known::LastDrill},
    wire::Drilled,
};

use super::{
    Source,
    guardian::named,
    page::{Frame, Page},
    parts::{self, Tone},
    read::Trouble,
    text::{Language, Texts},
};
use crate::sublime::{DrillReport, Drills};

/// Faults of a drill, and guardians with their drills, that are shown; the commands beside them tell all.
const SHOWN: usize = 50;

/// Shows the invitations that wait for this member, each with the two answers, and what became of those made from here.
pub(super) fn invitations(t: Texts, guardians: &GuardiansView) -> Markup {
    let open = guardians.received.iter();
    let open: Vec<_> = open.filter(|came| came.serves.is_none()).collect();
    html! {
        div.stack #invitations data-live {
            @if !open.is_empty() {
                h2 { (t.say("guardian-invited")) " " span.count { (open.len()) } }
                p.lead { (t.say("guardian-invited-lead")) }
            }
            @for came in open { (invitation(t, came)) }
            @if !guardians.made.is_empty() {
                section.card {
                    h2 { (t.say("guardian-made")) " " span.count { (guardians.made.len()) } }
                    ul.plain {
                        @for made in &guardians.made {
                            li { (parts::node(&made.with)) " " (answer(t, made)) " " (parts::moment(made.since)) }
                        }
                    }
                }
            }
        }
    }
}

fn invitation(t: Texts, came: &Invitation) -> Markup {
    html! {
        article.card.act {
            header {
                h3 { (parts::node(&came.with)) }
                (parts::moment(came.since))
            }
            @if !came.why.as_str().is_empty() { p { (parts::foreign(came.why.as_str())) } }
            form.decide method="post" action={ "/ui/guardian/invitation/" (came.with) } {
                button type="submit" name="word" value="accept" { (t.say("guardian-invite-accept")) }
                button.quiet type="submit" name="word" value="decline" { (t.say("guardian-invite-decline")) }
                small { (t.say("guardian-invite-final")) }
            }
        }
    }
}

fn answer(t: Texts, made: &Invitation) -> Markup {
    match made.serves {
        None => parts::badge(Tone::Waiting, &t.say("guardian-made-open")),
        Some(true) => parts::badge(Tone::Good, &t.say("guardian-serves")),
        Some(false) => parts::badge(Tone::Plain, &t.say("guardian-made-declined")),
    }
}

/// Shows the drill that runs and what the last one found, with the button that begins one.
pub(super) fn drill(
    t: Texts,
    known: &SublimeView,
    drills: &Drills,
    told: Option<&LastDrill>,
) -> Markup {
    html! {
        section.card #drill data-live {
            h2 { (t.say("guardian-drill")) }
            p { (t.say("guardian-drill-is")) }
            @if let Some((done, of)) = drills.running {
                p { (parts::badge(Tone::Waiting, &t.with("guardian-drill-runs", [
                    ("n", done.into()), ("of", of.into()),
                ]))) }
            }
            @match (&drills.last, told) {
                (Some(last), _) => { (found(t, known, last)) }
                (None, Some(told)) => { p { (count(t, told.said)) " " (parts::moment(told.time)) } }
                (None, None) => { p.quiet { (t.say("guardian-drill-none")) } }
            }
            @if drills.running.is_none() {
                form.decide method="post" action="/ui/guardian/drill" {
                    button type="submit" { (t.say("guardian-drill-begin")) }
                }
            }
            p.quiet { (t.say("audit-verify-elsewhere")) " " code { "x0 guardian drill" } }
        }
    }
}

fn found(t: Texts, known: &SublimeView, last: &DrillReport) -> Markup {
    let shares = last.shares.as_ref().map_or(&[][..], Vec::as_slice);
    let faults = shares
        .iter()
        .filter_map(|share| Some((&share.share.key, share.fault()?)));
    html! {
        @if let Err(why) = &last.shares {
            p { (t.say("guardian-drill-nothing")) " " (parts::foreign(why)) }
        } @else {
            p { (count(t, last.count())) " " (parts::moment(Wall(last.time_ms))) }
        }
        ul.plain {
            @for (item, fault) in faults.take(SHOWN) {
                li { (named(t, known, item)) " " (parts::foreign(&fault)) }
            }
        }
        @if let (Ok(_), Err(why)) = (&last.shares, &last.told) {
            p.quiet { (t.say("guardian-drill-not-told")) " " (parts::foreign(why)) }
        }
    }
}

fn count(t: Texts, said: Drilled) -> Markup {
    let tone = match said.good == said.shares {
        true => Tone::Good,
        false => Tone::Bad,
    };
    let numbers = [("n", said.good.into()), ("of", said.shares.into())];
    parts::badge(tone, &t.with("guardian-drill-good", numbers))
}

/// Shows the members who serve, each with what its node last told of a drill.
pub(super) fn others<S>(frame: &Frame<'_, S>, guardians: &GuardiansView) -> Markup {
    let t = frame.t;
    html! {
        section.card #guardians data-live {
            h2 { (t.say("guardian-others")) " " span.count { (guardians.serving.len()) } }
            p.quiet { (t.say("guardian-others-is")) }
            @if !guardians.serving.is_empty() {
                table {
                    thead {
                        tr {
                            th scope="col" { (t.say("column-guardian")) }
                            th scope="col" { (t.say("column-drill")) }
                        }
                    }
                    tbody {
                        @for (member, drilled) in guardians.serving.iter().take(SHOWN) {
                            tr {
                                th scope="row" { span { (parts::node_or_self(t, member, &frame.status.node)) } }
                                td data-label=(t.say("column-drill")) {
                                    @match drilled {
                                        Some(told) => { (count(t, told.said)) " " (parts::moment(told.time)) }
                                        None => { (t.say("guardian-others-never")) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.quiet { (t.say("guardian-others-all")) " " code { "x0 guardian list" } }
            p.quiet { (t.say("guardian-made-how")) " " code { "x0 guardian invite MEMBER --why TEXT" } }
        }
    }
}

/// A person's answer to an invitation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    word: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Accept,
    Decline,
}

/// Takes a person's answer to an invitation and leads back to the guardian.
pub(super) async fn decide<S: Source>(
    State(source): State<S>,
    Path(member): Path<String>,
    headers: HeaderMap,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let t = Texts(Language::of_request(&headers));
    let member: Result<PublicKey, _> = member.parse();
    let (Ok(member), Ok(Form(decision))) = (member, decision) else {
        let trouble = Trouble("the form names no member, or neither of the two answers".to_owned());
        return super::page::failed(StatusCode::BAD_REQUEST, t, &trouble);
    };
    let accepts = decision.word == Said::Accept;
    match source.answer_invitation(member, accepts).await {
        Ok(()) => back(),
        Err(why) => super::page::failed(StatusCode::CONFLICT, t, &Trouble(why)),
    }
}

/// Begins a drill and leads back to the guardian.
pub(super) async fn begin_drill<S: Source>(State(source): State<S>) -> Response {
    source.begin_drill();
    back()
}

fn back() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, Page::Guardian.path())]).into_response()
}
