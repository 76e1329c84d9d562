//! Reported violations of the charter: how far each case is, what is overdue, what was decided and what follows.
//!
//! What a report says is shown only if a member has reported by name, which is public. Of a report that came sealed
//! nothing is shown here, not even at a seat that has opened it; and whoever reported without a name is named nowhere,
//! neither by the one-time key nor by the key that took the bounty.

use maud::{Markup, html};
use x0_protocol::{
    Wall,
    charter::violation::{Barred, CaseKnown, Stage},
    core::case::CaseView,
    spine::committee::OpenCase,
    wire::{CaseSay, DismissedBy, Ruled, Verdict},
};

use super::{
    Source, ledger,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
    verdicts,
};

/// Cases on one sheet.
const CASES_SHOWN: usize = 30;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let mut known = read::cases(frame.source).await?;
    let ledger = read::ledger(frame.source).await?;
    let time = known.time;
    known.cases.sort_by_key(|case| Urgency::of(case, time));
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), known.cases.len(), CASES_SHOWN);
    let overdue = known
        .cases
        .iter()
        .filter(|case| Urgency::of(case, time) == Urgency::Overdue);
    let overdue = overdue.count();
    Ok(html! {
        div.title {
            h1 { (t.say("page-cases")) }
            p.lead { (t.say("cases-lead")) }
        }
        div #notices data-live {
            @if let Some(barred) = &frame.status.barred { (barred_here(t, barred)) }
            @if overdue > 0 {
                p.notice.bad { (parts::sign(Tone::Bad)) span { (t.count("cases-overdue", overdue)) } }
            }
        }
        div.stack #cases data-live {
            @if known.cases.is_empty() {
                section.card {
                    (parts::empty(&t.say("cases-empty-title"), &t.say("cases-empty"), Some("x0 charter report")))
                }
            }
            @for case in sheet.cut(&known.cases) { (card(frame, case, time)) }
            (parts::pager(t, Page::Cases, sheet))
        }
        (ledger::sentences(frame, &ledger, time))
        (ledger::moved(frame, &ledger))
    })
}

/// How soon a case wants to be looked at, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Overdue,
    Open,
    Over,
}

impl Urgency {
    fn of(case: &CaseView, time: Wall) -> Self {
        match &case.known {
            Some(known) if known.is_overdue(time) => Self::Overdue,
            Some(known) if known.stage().is_over() => Self::Over,
            Some(_) | None => Self::Open,
        }
    }
}

/// Says what a verdict bars this node from.
pub(super) fn barred_here(t: Texts, barred: &Barred) -> Markup {
    let (words, until) = match barred {
        Barred::Suspended { until } => (t.say("barred-suspended"), Some(*until)),
        Barred::Probation { until } => (t.say("barred-probation"), Some(*until)),
        Barred::Removed => (t.say("barred-removed"), None),
    };
    html! {
        p.notice.bad {
            (parts::sign(Tone::Bad))
            span { (words) @if let Some(until) = until { " " (parts::moment(until)) } }
        }
    }
}

fn card<S>(frame: &Frame<'_, S>, case: &CaseView, time: Wall) -> Markup {
    let t = frame.t;
    let known = case.known.as_ref();
    let stage = known.map_or(Stage::Reported, CaseKnown::stage);
    let (tone, name, meaning) = told(t, stage);
    html! {
        article.card.act {
            header {
                h2 { (t.say("case")) " " (parts::record(&case.case)) }
                span {
                    (parts::badge(tone, &name))
                    @if known.is_some_and(|known| known.is_overdue(time)) {
                        " " (parts::badge(Tone::Bad, &t.say("case-overdue")))
                    }
                }
            }
            p {
                (meaning)
                @if let Some(known) = known { (ended(t, known)) }
            }
            @if let Some(known) = known {
                dl.pairs {
                    div { dt { (t.say("case-since")) } dd { (parts::moment(known.newest.time)) } }
                    @if let Some((what, at)) = next(t, known) {
                        div { dt { (what) } dd { (parts::moment(at)) } }
                    }
                    @if let Some(verdict) = known.verdict.as_deref() { (found(frame, verdict)) }
                }
            }
            @if let Some(verdict) = known.and_then(|known| known.verdict.as_deref()) {
                h3 { (t.say(match stage {
                    Stage::Final | Stage::Claimed => "case-follows",
                    Stage::Reported | Stage::Opened | Stage::Dismissed | Stage::Announced | Stage::Appealed
                    | Stage::Overturned => "case-would-follow",
                })) }
                (verdicts::sentence(t, &verdict.sentence))
            }
            @if let Some(open) = &case.open { (before_the_committee(frame, case, open)) }
        }
    }
}

/// Names a stage and says what it means.
fn told(t: Texts, stage: Stage) -> (Tone, String, String) {
    let (tone, name, meaning) = match stage {
        Stage::Reported => (Tone::Waiting, "stage-reported", "stage-reported-is"),
        Stage::Opened => (Tone::Waiting, "stage-opened", "stage-opened-is"),
        Stage::Dismissed => (Tone::Plain, "stage-dismissed", "stage-dismissed-is"),
        Stage::Announced => (Tone::Waiting, "stage-announced", "stage-announced-is"),
        Stage::Appealed => (Tone::Waiting, "stage-appealed", "stage-appealed-is"),
        Stage::Overturned => (Tone::Plain, "stage-overturned", "stage-overturned-is"),
        Stage::Final => (Tone::Bad, "stage-final", "stage-final-is"),
        Stage::Claimed => (Tone::Bad, "stage-claimed", "stage-claimed-is"),
    };
    (tone, t.say(name), t.say(meaning))
}

/// Says by what a case ended without a penalty.
fn ended(t: Texts, known: &CaseKnown) -> Markup {
    let by = match known.newest.ruled {
        Ruled::Dismissed { by } | Ruled::Overturned { by } => by,
        Ruled::TakenUp { .. }
        | Ruled::Opened { .. }
        | Ruled::Announced { .. }
        | Ruled::Appealed { .. }
        | Ruled::Final { .. }
        | Ruled::Claimed { .. } => return html! {},
    };
    let words = match by {
        DismissedBy::Approvals => t.say("ended-approvals"),
        DismissedBy::Unreadable => t.say("ended-unreadable"),
        DismissedBy::Lapse => t.say("ended-lapse"),
    };
    html! { " " (words) }
}

/// Says what comes next and when, if anything does.
fn next(t: Texts, known: &CaseKnown) -> Option<(String, Wall)> {
    match known.newest.ruled {
        Ruled::TakenUp { due } | Ruled::Opened { due } | Ruled::Appealed { due } => {
            Some((t.say("case-due"), due))
        }
        Ruled::Announced { until, .. } => Some((t.say("case-appeal-until"), until)),
        Ruled::Dismissed { .. }
        | Ruled::Overturned { .. }
        | Ruled::Final { .. }
        | Ruled::Claimed { .. } => None,
    }
}

fn found<S>(frame: &Frame<'_, S>, verdict: &Verdict) -> Markup {
    let t = frame.t;
    html! {
        div { dt { (t.say("case-accused")) } dd { (parts::node_or_self(t, &verdict.accused, &frame.status.node)) } }
        div { dt { (t.say("case-sort")) } dd { (verdicts::sort(t, verdict.sort)) } }
        div { dt { (t.say("case-bounty")) } dd { (t.count("case-bounty-is", verdict.bounty_x0)) } }
    }
}

/// Shows what a seat knows of a case that is not over, and nothing of what was sealed.
fn before_the_committee<S>(frame: &Frame<'_, S>, case: &CaseView, open: &OpenCase) -> Markup {
    let t = frame.t;
    let report = open.report.as_ref().filter(|_| !open.is_sealed());
    html! {
        h3 { (t.say("case-at-seat")) }
        @match report {
            None => p.quiet {
                (t.say("case-sealed")) " " code { "x0 charter case show " (case.case) }
            },
            Some(report) => {
                dl.pairs {
                    div {
                        dt { (t.say("case-reporter")) }
                        dd { (parts::node_or_self(t, &open.author, &frame.status.node)) }
                    }
                    @if let Some(accused) = &report.accused {
                        div {
                            dt { (t.say("case-accused")) }
                            dd { (parts::node_or_self(t, accused, &frame.status.node)) }
                        }
                    }
                    div { dt { (t.say("case-sort")) } dd { (verdicts::sort(t, report.sort)) } }
                    @if !report.asked.to_string().is_empty() {
                        div { dt { (t.say("case-asked")) } dd { (parts::foreign(&report.asked.to_string())) } }
                    }
                }
                p { (parts::foreign(&report.description.to_string())) }
            }
        }
        @if let Some(appeal) = &open.appeal {
            p { (t.say("case-appeal")) " " (parts::foreign(&appeal.to_string())) }
        }
        (words(t, open))
    }
}

/// Counts what the seats' persons say.
fn words(t: Texts, open: &OpenCase) -> Markup {
    let count = |is: fn(&CaseSay) -> bool| open.words().filter(|(_, say)| is(say)).count();
    let counts = [
        ("say-open", count(|say| matches!(say, CaseSay::Open))),
        ("say-dismiss", count(|say| matches!(say, CaseSay::Dismiss))),
        ("say-find", count(|say| matches!(say, CaseSay::Find(_)))),
        ("say-uphold", count(|say| matches!(say, CaseSay::Uphold))),
        (
            "say-overturn",
            count(|say| matches!(say, CaseSay::Overturn)),
        ),
    ];
    let said = counts.into_iter().filter(|(_, count)| *count > 0);
    let said: Vec<_> = said.collect();
    html! {
        @if !said.is_empty() {
            ul.tally {
                @for (key, count) in said { li { (parts::badge(Tone::Plain, &t.count(key, count))) } }
            }
        }
    }
}
