//! The charter in force: what it says in plain words, how this machine is held to it now, and what is about to change.
//!
//! What a community wrote (name, principles, purposes) is shown as it is. Everything else says the same as
//! `x0 charter show`, in the reader's language (`crate::charter::wording`).

use maud::{Markup, html};
use x0_protocol::{
    charter::{Charter, CharterDraft, Egress, Metric, Prefix, Principle, violation::Violation},
    core::command::Status,
};

use super::{
    Enforcement, Source, amendments, enforcement,
    page::{Frame, Page},
    parts::{self, Tone},
    read::{self, Trouble},
    text::Texts,
    verdicts,
};
use crate::charter::{in_force, wording};

/// Metrics, names of a kind and ways that are shown: a charter may have 10,000 of each, and no page should.
const LINES_SHOWN: usize = 200;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let (t, status) = (frame.t, &frame.status);
    let charter = in_force(status.charter.clone());
    let here = read::enforcement(frame.source, &charter).await?;
    let votes = read::votes(frame.source).await?;
    let draft = charter.text();
    Ok(html! {
        div.title {
            h1 { (t.say("page-charter")) }
            p.lead { (t.say("charter-lead")) }
        }
        (identity(t, status, &charter))
        (amendments::under_way(t, &charter, &votes))
        div.columns.even {
            (enforcement::here_and_now(t, &here))
            (enforcement::audit(t, &here))
        }
        (enforcement::refusals(t, &here))
        (principles(t, draft))
        (never(t, draft))
        (figures(t, draft))
        (ways(t, draft))
        (collected(t, draft, &here))
    })
}

fn identity(t: Texts, status: &Status, charter: &Charter) -> Markup {
    let (open, overdue) = status.cases;
    html! {
        section.card #charter data-live {
            h2 { bdi { (charter.text().name) } }
            @if status.charter.is_none() {
                p.notice.waiting { (parts::sign(Tone::Waiting)) span { (t.say("charter-none")) } }
            }
            dl.pairs.tall {
                div { dt { (t.say("charter-number")) } dd { strong { (charter.number()) } } }
                div { dt { (t.say("charter-id")) } dd { code.whole { (charter.id()) } } }
            }
            p {
                a href=(Page::Cases.path()) { (t.count("charter-cases", open)) }
                @if overdue > 0 { " " (parts::badge(Tone::Bad, &t.count("charter-cases-overdue", overdue))) }
            }
        }
    }
}

fn principles(t: Texts, draft: &CharterDraft) -> Markup {
    let own_words = |principle: Principle| draft.principles.get(principle.name());
    html! {
        section.card #principles data-live {
            h2 { (t.say("charter-principles")) }
            dl.glossary {
                @for principle in Principle::ALL {
                    div {
                        dt { (title(t, principle)) }
                        dd { @if let Some(words) = own_words(principle) { (parts::foreign(words)) } }
                    }
                }
            }
        }
    }
}

fn title(t: Texts, principle: Principle) -> String {
    match principle {
        Principle::NoHiddenCollection => t.say("principle-no-hidden-collection"),
        Principle::DataMinimization => t.say("principle-data-minimization"),
        Principle::UserControl => t.say("principle-user-control"),
        Principle::NoBehaviouralPrediction => t.say("principle-no-behavioural-prediction"),
        Principle::PrivacyByDesign => t.say("principle-privacy-by-design"),
        Principle::AlgorithmTransparency => t.say("principle-algorithm-transparency"),
        Principle::NoExploitation => t.say("principle-no-exploitation"),
        Principle::PublicOverride => t.say("principle-public-override"),
    }
}

fn collected(t: Texts, draft: &CharterDraft, here: &Enforcement) -> Markup {
    html! {
        section.card #collected data-live {
            h2 { (t.say("charter-collected")) " " span.count { (draft.metrics.len()) } }
            p.quiet { (t.say("charter-collected-what")) }
            table {
                thead {
                    tr {
                        th scope="col" { (t.say("column-name")) }
                        th scope="col" { (t.say("column-purpose")) }
                        th scope="col" { (t.say("column-kept")) }
                        th scope="col" { (t.say("column-consent")) }
                        th scope="col" { (t.say("column-shown-over")) }
                        th scope="col" { (t.say("column-here")) }
                    }
                }
                tbody {
                    @for metric in draft.metrics.iter().take(LINES_SHOWN) {
                        (row(t, metric, here.hands_out(&metric.name)))
                    }
                }
            }
            (rest(t, draft.metrics.len()))
        }
    }
}

/// Says where the rest of a long list is to be seen.
fn rest(t: Texts, lines: usize) -> Markup {
    html! { @if lines > LINES_SHOWN { p.quiet { (t.say("all-of-it")) " " code { "x0 charter show" } } } }
}

fn row(t: Texts, metric: &Metric, is_handed_out: bool) -> Markup {
    html! {
        tr {
            th scope="row" {
                span { code { (metric.name) } " " small { (metric.kind.name()) (wording::labels(t, metric)) } }
            }
            td data-label=(t.say("column-purpose")) { (parts::foreign(&metric.purpose)) }
            td data-label=(t.say("column-kept")) { (wording::kept(t, metric.retention_days)) }
            td data-label=(t.say("column-consent")) { (wording::consent(t, metric.consent)) }
            td data-label=(t.say("column-shown-over")) { (wording::over(t, metric.cohort_min)) }
            td data-label=(t.say("column-here")) {
                @if is_handed_out { (parts::badge(Tone::Plain, &t.say("charter-handed-out"))) }
                @else { "—" }
            }
        }
    }
}

fn never(t: Texts, draft: &CharterDraft) -> Markup {
    html! {
        section.card #never data-live {
            h2 { (t.say("charter-never")) }
            p.quiet { (t.say("charter-never-what")) }
            (names(t, &t.say("charter-never-names"), &draft.blocked.names, ""))
            (names(t, &t.say("charter-never-prefixes"), &draft.blocked.prefixes, "*"))
        }
    }
}

fn names(t: Texts, title: &str, names: &[String], end: &str) -> Markup {
    html! {
        @if !names.is_empty() {
            h3 { (title) }
            ul.names { @for name in names.iter().take(LINES_SHOWN) { li { code { (name) (end) } } } }
            (rest(t, names.len()))
        }
    }
}

fn ways(t: Texts, draft: &CharterDraft) -> Markup {
    let gateway = draft.gateway;
    let ways = draft.services.iter();
    let ways = ways.flat_map(|service| service.egress.iter().map(|rule| (&service.name, rule)));
    let ways: Vec<_> = ways.collect();
    html! {
        section.card #ways data-live {
            h2 { (t.say("charter-ways")) }
            p.quiet { (t.say("charter-ways-what")) }
            table {
                thead {
                    tr {
                        th scope="col" { (t.say("column-service")) }
                        th scope="col" { (t.say("column-hosts")) }
                        th scope="col" { (t.say("column-ports")) }
                    }
                }
                tbody {
                    @for (service, rule) in ways.iter().take(LINES_SHOWN) { (way(t, service, rule)) }
                    tr {
                        th scope="row" { (t.say("charter-every-service")) }
                        td data-label=(t.say("column-hosts")) {
                            span { (t.say("charter-gateway")) " " code { (gateway.address) } }
                        }
                        td data-label=(t.say("column-ports")) { (gateway.port) " " (gateway.protocol.name()) }
                    }
                }
            }
            (rest(t, ways.len()))
            @for guard in &draft.telemetry { p { (wording::guard(t, guard)) } }
        }
    }
}

fn way(t: Texts, service: &str, rule: &Egress) -> Markup {
    let ports: Vec<_> = rule.ports.iter().map(ToString::to_string).collect();
    let hosts = match rule.to {
        Prefix::OWN_MACHINE => Some(t.say("charter-own-machine")),
        to if to.bits() == 0 => Some(t.say("charter-anybody")),
        _ => None,
    };
    html! {
        tr {
            th scope="row" { bdi { (service) } }
            td data-label=(t.say("column-hosts")) {
                span { @if let Some(hosts) = hosts { (hosts) " " } code { (rule.to) } }
            }
            td data-label=(t.say("column-ports")) { (ports.join(", ")) " " (rule.protocol.name()) }
        }
    }
}

fn figures(t: Texts, draft: &CharterDraft) -> Markup {
    html! {
        div.columns.even #figures data-live {
            section.card {
                h2 { (t.say("charter-watch")) }
                p { (wording::watchers(t, &draft.committee)) }
                h3 { (t.say("charter-windows")) }
                ul.plain { @for window in wording::windows(t, &draft.windows) { li { (window) } } }
            }
            section.card {
                h2 { (t.say("charter-penalties")) }
                dl.pairs.tall {
                    @for sort in Violation::ALL {
                        div {
                            dt { (verdicts::sort(t, sort)) }
                            dd { (wording::consequences(t, &draft.penalties.of(sort))) }
                        }
                    }
                }
                p { (wording::bounty(t, &draft.bounty)) }
                p.quiet { (t.say("charter-report")) " " code { "x0 charter report" } }
            }
        }
    }
}
