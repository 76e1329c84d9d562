//! Acts that want a person's word, and this node's own acts on their way.
//!
//! The one thing the dashboard decides: whether this node co-signs or approves an act it was drawn for.

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
    anti_meave::{
        consents::{Answer, ConsentView},
        proposals::{ProposalView, Stage},
    },
    core::command::Status,
    wire::{Role, Word},
};

use super::{
    Source, acts,
    page::Page,
    parts::{self, Tone},
    read::Trouble,
    text::{Language, Texts},
};

/// Own acts shown, newest first.
const PROPOSALS_SHOWN: usize = 10;

/// Shows the acts that wait for a person here, each with what it would change and the two answers.
pub(super) fn waiting(t: Texts, status: &Status, asked: &[ConsentView]) -> Markup {
    let waiting: Vec<_> = asked
        .iter()
        .filter(|asked| asked.role.is_persons() && asked.answer == Answer::Waiting)
        .collect();
    html! {
        @if !waiting.is_empty() {
            h2 { (t.count("cosign-title", waiting.len())) }
            p.lead { (t.say("cosign-lead")) }
        }
        @for asked in waiting { (card(t, status, asked)) }
    }
}

fn role(t: Texts, asked: &ConsentView) -> String {
    match asked.panel() {
        Some(panel) => {
            let numbers = [("n", panel.k.into()), ("of", panel.n.into())];
            t.with("cosign-role-signatory", numbers)
        }
        None => t.say("cosign-role-cosigner"),
    }
}

fn card(t: Texts, status: &Status, asked: &ConsentView) -> Markup {
    let (sign, refuse, end) = match asked.role {
        Role::Signatory => ("approve-sign", "approve-refuse", "approve-final"),
        Role::Target | Role::Cosigner => ("cosign-sign", "cosign-refuse", "cosign-final"),
    };
    html! {
        article.card.act {
            header {
                h3 lang="en" { bdi { (asked.change) } }
                (parts::moment(asked.since))
            }
            p.by {
                (t.say("act-by")) " " (parts::node_or_self(t, &asked.agent, &status.node)) " · "
                (acts::targets(t, &asked.targets)) " · " (parts::record(&asked.act))
            }
            dl.pairs {
                div { dt { (t.say("cosign-role")) } dd { (role(t, asked)) } }
                div { dt { (t.say("cosign-here")) } dd { bdi lang="en" { (asked.difference) } } }
                @if let Some(words) = &asked.emergency {
                    div { dt { (t.say("cosign-override")) } dd { (parts::foreign(&words.why)) } }
                    div { dt { (t.say("cosign-consequences")) } dd { (parts::foreign(&words.consequences)) } }
                }
                @if let Some(ticket) = &asked.ticket {
                    div {
                        dt { (t.say("cosign-reach")) }
                        dd { (t.with("cosign-reach-of", [
                            ("n", ticket.reach().into()), ("of", ticket.electorate.count.into()),
                        ])) }
                    }
                    div { dt { (t.say("cosign-until")) } dd { (parts::moment(ticket.expires)) } }
                }
            }
            form.decide method="post" action={ "/ui/cosign/" (asked.act) } {
                button type="submit" name="word" value="sign" { (t.say(sign)) }
                button.quiet type="submit" name="word" value="refuse" { (t.say(refuse)) }
                small { (t.say(end)) }
            }
        }
    }
}

/// Shows this node's own acts that are not written yet, or have failed.
pub(super) fn on_their_way(t: Texts, own: &[ProposalView]) -> Markup {
    let open = own
        .iter()
        .filter(|own| !matches!(own.stage, Stage::Written(_)));
    let open: Vec<_> = open.take(PROPOSALS_SHOWN).collect();
    html! {
        @if !open.is_empty() { h2 { (t.say("proposals-title")) } }
        @for own in open {
            article.card.act {
                header {
                    h3 lang="en" { bdi { (own.change) } }
                    (parts::moment(own.since))
                }
                (stage(t, own))
            }
        }
    }
}

fn stage(t: Texts, own: &ProposalView) -> Markup {
    let of = |key, (n, of): (u32, u32)| t.with(key, [("n", n.into()), ("of", of.into())]);
    match &own.stage {
        Stage::Asked => parts::badge(Tone::Waiting, &t.say("proposal-asked")),
        Stage::Publishing => parts::badge(Tone::Waiting, &t.say("proposal-publishing")),
        Stage::Collecting {
            agreed,
            cosigned,
            approved,
        } => html! {
            ul.tally {
                li { (parts::badge(Tone::Waiting, &of("proposal-agreed", *agreed))) }
                @if cosigned.1 > 0 { li { (parts::badge(Tone::Waiting, &of("proposal-cosigned", *cosigned))) } }
                @if approved.1 > 0 { li { (parts::badge(Tone::Waiting, &of("proposal-approved", *approved))) } }
            }
            @if !own.drawn.is_empty() || !own.panel.is_empty() {
                ul.targets {
                    @for drawn in own.drawn.iter().chain(&own.panel) {
                        li { (parts::node(drawn)) " " (word(t, own, drawn)) }
                    }
                }
            }
        },
        Stage::Written(_) => parts::badge(Tone::Good, &t.say("proposal-written")),
        Stage::Failed(why) => html! {
            (parts::badge(Tone::Bad, &t.say("proposal-failed"))) " " (parts::foreign(why))
        },
    }
}

fn word(t: Texts, own: &ProposalView, of: &x0_crypto::PublicKey) -> Markup {
    let is_signed = |word: &Word| matches!(word, Word::Cosign | Word::Sign { .. });
    let mut said = own.said.iter();
    let has_signed = said.any(|(by, word)| by == of && is_signed(word));
    let refusal = own.refused.iter().find(|(by, _)| by == of);
    match refusal {
        Some((_, why)) => html! {
            (parts::badge(Tone::Bad, &t.say("cosigner-refused"))) " " (parts::foreign(why))
        },
        None if has_signed => parts::badge(Tone::Good, &t.say("cosigner-signed")),
        None => parts::badge(Tone::Waiting, &t.say("cosigner-silent")),
    }
}

/// A person's answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    word: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Sign,
    Refuse,
}

/// Takes a person's answer and leads back to the acts.
pub(super) async fn decide<S: Source>(
    State(source): State<S>,
    Path(act): Path<String>,
    headers: HeaderMap,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let t = Texts(Language::of_request(&headers));
    let act: Result<ContentId, _> = act.parse();
    let (Ok(act), Ok(Form(decision))) = (act, decision) else {
        let trouble = Trouble("the form names no act, or neither of the two answers".to_owned());
        return super::page::failed(StatusCode::BAD_REQUEST, t, &trouble);
    };
    match source.cosign(act, decision.word == Said::Sign).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(LOCATION, Page::Acts.path())]).into_response(),
        Err(why) => super::page::failed(StatusCode::CONFLICT, t, &Trouble(why)),
    }
}
