//! The public log of the mesh: what is to be seen by all, for good, newest first, each entry with its proof.
//!
//! At the top stands what the committee has certified; above it, if there is any, the proof that somebody showed two
//! different logs. A proof is handed out as the file that `x0 audit verify` checks without any node.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use x0_protocol::{
    core::command::{OverrideView, PublicView},
    wire::{ActAdmitted, OverrideTold, PublicEntry, PublicWhat},
};

use super::{
    Contradictions, Source, acts, happenings,
    page::{Frame, Page, failed},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::{Language, Texts},
    verdicts,
};
use crate::api::proofs::ProofView;

/// Entries on one sheet.
const ENTRIES_SHOWN: u32 = 50;
/// What the query says of a page with overrides alone.
const OVERRIDES: &str = "overrides";

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let overrides = read::overrides(frame.source).await?;
    let contradictions = read::contradictions(frame.source).await?;
    let only_overrides = frame.asked.only.as_deref() == Some(OVERRIDES);
    let part = match only_overrides {
        true => "only=overrides&",
        false => "",
    };
    let listed = listed(frame, &overrides, only_overrides).await?;
    Ok(html! {
        div.title {
            h1 { (t.say("page-public")) }
            p.lead { (t.say("public-lead")) }
        }
        div #notices data-live { (split_views(t, &contradictions)) }
        (head(frame, &listed.log))
        nav.filter aria-label=(t.say("public-filter")) {
            a href=(Page::Public.path()) aria-current=[(!only_overrides).then_some("true")] { (t.say("public-all")) }
            a href={ (Page::Public.path()) "?only=" (OVERRIDES) }
                aria-current=[only_overrides.then_some("true")] { (t.say("public-overrides")) }
        }
        div.stack #entries data-live data-feed {
            @if listed.entries.is_empty() {
                section.card {
                    @if only_overrides {
                        (parts::empty(&t.say("overrides-empty-title"), &t.say("overrides-empty"), None))
                    } @else {
                        (parts::empty(&t.say("public-empty-title"), &t.say("public-empty"), None))
                    }
                }
            }
            @for (index, entry) in &listed.entries {
                @let of = overrides.iter().find(|of| of.index == *index);
                (card(frame, *index, entry, of))
            }
            (parts::pager_of(t, Page::Public, part, listed.sheet))
        }
    })
}

/// Hands out the proof that an entry stands in the public log.
pub(super) async fn proof<S: Source>(
    State(source): State<S>,
    index: Result<Path<u64>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let t = Texts(Language::of_request(&headers));
    let Ok(Path(index)) = index else {
        let trouble = Trouble(t.say("proof-no-number"));
        return failed(StatusCode::BAD_REQUEST, t, &trouble);
    };
    let proof = match read::public_proof(&source, index).await {
        Ok(proof) => ProofView::of_public(&proof).text().map_err(Trouble),
        Err(trouble) => Err(trouble),
    };
    match proof {
        Ok(text) => {
            let file = format!("attachment; filename=\"public-log-{index}.json\"");
            let headers = [
                (CONTENT_TYPE, "application/json".to_owned()),
                (CONTENT_DISPOSITION, file),
            ];
            (headers, text).into_response()
        }
        Err(trouble) => failed(StatusCode::NOT_FOUND, t, &trouble),
    }
}

/// The entries that a page shows, newest first, each with its place in the log.
struct Listed {
    log: PublicView,
    entries: Vec<(u64, PublicEntry)>,
    sheet: Sheet,
}

async fn listed<S: Source>(
    frame: &Frame<'_, S>,
    overrides: &[OverrideView],
    only_overrides: bool,
) -> Result<Listed, Trouble> {
    let asked = frame.asked.sheet.as_deref();
    let on_sheet = usize::try_from(ENTRIES_SHOWN).unwrap_or(usize::MAX);
    // Nothing stands behind the last place there can be: this asks for the head alone.
    let log = *read::public_log(frame.source, u64::MAX, 0).await?;
    if only_overrides {
        let sheet = Sheet::pick(asked, overrides.len(), on_sheet);
        let shown = sheet.cut(overrides).iter();
        let entries = shown.map(|of| (of.index, of.entry.clone())).collect();
        return Ok(Listed {
            log,
            entries,
            sheet,
        });
    }
    let size = usize::try_from(log.head.size).unwrap_or(usize::MAX);
    let sheet = Sheet::pick(asked, size, on_sheet);
    let end = log.head.size - (sheet.skipped() as u64).min(log.head.size);
    let from = end.saturating_sub(u64::from(ENTRIES_SHOWN));
    let count = u32::try_from(end - from).unwrap_or(ENTRIES_SHOWN);
    let page = read::public_log(frame.source, from, count).await?;
    let entries = (from..).zip(page.entries).collect::<Vec<_>>();
    Ok(Listed {
        log,
        entries: entries.into_iter().rev().collect(),
        sheet,
    })
}

/// Warns of whoever showed two different logs.
fn split_views(t: Texts, found: &Contradictions) -> Markup {
    html! {
        @if found.count() > 0 {
            div.notice.bad role="alert" {
                (parts::sign(Tone::Bad))
                div {
                    p { (t.count("public-split", found.count())) }
                    ol.lines {
                        @for (index, entry) in found.newest() {
                            (happenings::entry(t, &entry.what).item(*index, entry.time))
                        }
                    }
                    p {
                        (t.say("public-split-mend")) " " code { "x0 audit prove " (found.newest_place()) }
                    }
                }
            }
        }
    }
}

fn head<S>(frame: &Frame<'_, S>, log: &PublicView) -> Markup {
    let t = frame.t;
    let certified = log
        .certificate
        .as_ref()
        .map(|certificate| certificate.statement.height());
    html! {
        section.card #head data-live {
            h2 { (t.say("public-head")) }
            dl.pairs.tall {
                div { dt { (t.say("audit-size")) } dd { strong { (t.count("number", log.head.size)) } } }
                div { dt { (t.say("audit-root")) } dd { code.whole { (log.head.root) } } }
                div {
                    dt { (t.say("public-certified")) }
                    dd { @match certified {
                        Some(height) => (parts::badge(Tone::Good, &t.count("public-certified-at", height))),
                        None => (parts::badge(Tone::Waiting, &t.say("public-not-certified"))),
                    } }
                }
            }
            @if let Some(wanted) = log.wanted { p.quiet { (t.count("public-wanted", wanted)) } }
            p.quiet {
                (t.say("public-verify")) " "
                code { "x0 audit verify FILE --mesh " (frame.status.mesh) }
            }
        }
    }
}

fn card<S>(
    frame: &Frame<'_, S>,
    index: u64,
    entry: &PublicEntry,
    of: Option<&OverrideView>,
) -> Markup {
    let t = frame.t;
    html! {
        article.card.act data-number=(index) {
            header {
                h2.what { (title(t, &entry.what)) }
                (parts::moment(entry.time))
            }
            (body(frame, &entry.what))
            @if let Some(of) = of { (stands(t, of)) }
            p.quiet {
                (t.with("public-place", [("index", index.into()), ("height", entry.height.into())])) " · "
                a href={ (Page::Public.path()) "/" (index) "/proof" } download={ "public-log-" (index) ".json" } {
                    (t.say("public-proof"))
                    span.unseen { " " (t.with("public-proof-of", [("index", index.into())])) }
                }
            }
        }
    }
}

fn title(t: Texts, what: &PublicWhat) -> String {
    match what {
        PublicWhat::Override(_) => t.say("public-override"),
        PublicWhat::Broadcast { .. } => t.say("public-broadcast"),
        PublicWhat::Admitted(_) => t.say("public-admitted"),
        PublicWhat::Halted { .. } => t.say("public-halted"),
        PublicWhat::Passed { emergency, .. } => t.say(match emergency {
            true => "public-passed-emergency",
            false => "public-passed",
        }),
        PublicWhat::HandedOver { epoch, seats } => t.with(
            "public-handed-over",
            [("seats", seats.len().into()), ("epoch", epoch.into())],
        ),
        PublicWhat::Verdict { .. } => t.say("public-verdict"),
    }
}

fn body<S>(frame: &Frame<'_, S>, what: &PublicWhat) -> Markup {
    let (t, own) = (frame.t, &frame.status.node);
    html! {
        dl.pairs {
            @match what {
                PublicWhat::Override(told) => (overriding(frame, told)),
                PublicWhat::Broadcast { act } => (pair(t.say("public-act"), &parts::record(act))),
                PublicWhat::Admitted(admitted) => (admission(frame, admitted)),
                PublicWhat::Halted { root, until, .. } => {
                    (pair(t.say("token-root"), &html! { span.id title=(root) { (root.short()) "…" } }))
                    (pair(t.say("public-until"), &parts::moment(*until)))
                }
                PublicWhat::Passed { proposal, subject, .. } => {
                    (pair(t.say("public-vote"), &parts::record(proposal)))
                    (pair(t.say("public-subject"), &html! { code.whole { (subject) } }))
                }
                PublicWhat::HandedOver { seats, .. } => {
                    (pair(t.say("public-seats"), &html! {
                        ul.witnesses { @for seat in seats { li { (parts::node_or_self(t, seat, own)) } } }
                    }))
                }
                PublicWhat::Verdict { case, verdict } => {
                    (pair(t.say("case-accused"), &parts::node_or_self(t, &verdict.accused, own)))
                    (pair(t.say("case-sort"), &html! { (verdicts::sort(t, verdict.sort)) }))
                    (pair(t.say("case"), &html! {
                        a href=(Page::Cases.path()) { (parts::record(case)) }
                    }))
                }
            }
        }
        @if let PublicWhat::Verdict { verdict, .. } = what { (verdicts::sentence(t, &verdict.sentence)) }
    }
}

fn pair(name: String, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn overriding<S>(frame: &Frame<'_, S>, told: &OverrideTold) -> Markup {
    let (t, own) = (frame.t, &frame.status.node);
    html! {
        (pair(t.say("override-who"), &parts::node_or_self(t, &told.agent, own)))
        (pair(t.say("override-what"), &parts::foreign(&told.change.to_string())))
        (pair(t.say("override-where"), &html! {
            (acts::targets(t, &told.targets)) " (" (t.count("charter-nodes", told.nodes)) ")"
        }))
        (pair(t.say("override-why"), &parts::foreign(&told.words.why)))
        (pair(t.say("override-consequences"), &parts::foreign(&told.words.consequences)))
        (pair(t.say("public-act"), &parts::record(&told.act)))
    }
}

fn admission<S>(frame: &Frame<'_, S>, admitted: &ActAdmitted) -> Markup {
    let (t, own) = (frame.t, &frame.status.node);
    html! {
        (pair(t.say("override-who"), &parts::node_or_self(t, &admitted.agent, own)))
        (pair(t.say("override-what"), &parts::foreign(&admitted.change.to_string())))
        (pair(t.say("override-where"), &html! { (t.count("charter-nodes", admitted.nodes)) }))
        (pair(t.say("public-vote"), &parts::record(&admitted.vote)))
        (pair(t.say("public-act"), &parts::record(&admitted.act)))
    }
}

/// Says whether an override was told to all in time.
fn stands(t: Texts, of: &OverrideView) -> Markup {
    let until = of.entry.overriding().map(|told| told.until);
    html! {
        p.outcome {
            @match (of.is_broadcast, of.is_over) {
                (true, _) => (parts::badge(Tone::Good, &t.say("override-stays"))),
                (false, true) => (parts::badge(Tone::Bad, &t.say("override-lapsed"))),
                (false, false) => {
                    (parts::badge(Tone::Waiting, &t.say("override-open")))
                    @if let Some(until) = until { " " (parts::moment(until)) }
                }
            }
            @if of.runs_here { " " (parts::badge(Tone::Plain, &t.say("override-runs-here"))) }
        }
    }
}
