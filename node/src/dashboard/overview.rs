//! The first page: how the node and its mesh are, what protects them now, what just happened.

use maud::{Markup, html};
use x0_protocol::{
    Millis, Wall,
    core::command::{CommitteeStatus, PolicyView, Status},
    spine::{committee::Seats, halt::Standing},
};

use super::{
    Source, cases, happenings, map,
    page::{Frame, Page},
    parts::{self, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let Frame {
        source, t, status, ..
    } = frame;
    let t = *t;
    let links = read::links(*source).await?;
    let members = read::members(*source).await?;
    let policies = read::policies(*source).await?;
    Ok(html! {
        div.title {
            h1 { bdi { (status.name) } }
            p.lead {
                (t.say("overview-node")) " " (parts::node(&status.node)) " · "
                (t.count("members-count", status.members))
            }
        }
        div #notices data-live { (notices(t, status)) }
        (figures(t, status))
        div.columns {
            div.column {
                (protection(t, status))
                (policies_in_force(t, &policies))
            }
            section.card.preview #preview data-live {
                h2 { a href=(Page::Map.path()) { (t.say("page-map")) } }
                (map::preview(t, status, &links, &members))
            }
        }
        (feed(frame))
    })
}

/// Says what keeps the node from working as it should.
fn notices(t: Texts, status: &Status) -> Markup {
    let notice = |tone: Tone, key| {
        html! { p.notice.(tone.class()) { (parts::sign(tone)) span { (t.say(key)) } } }
    };
    html! {
        (stopped(t, status))
        @if !status.member { (notice(Tone::Bad, "notice-not-a-member")) }
        @else if !status.ready { (notice(Tone::Waiting, "notice-not-ready")) }
        @if status.member && status.links == 0 && status.members > 1 {
            (notice(Tone::Bad, "notice-alone"))
        }
        @if status.member && status.members == 1 {
            div.notice.plain {
                (parts::sign(Tone::Plain))
                div {
                    p { (t.say("notice-only-member")) }
                    p { code { "x0 invite" } }
                }
            }
        }
        @if status.trust.silence.is_some() {
            (notice(Tone::Bad, "notice-out-of-touch"))
        }
        @if let Some(barred) = &status.barred { (cases::barred_here(t, barred)) }
        @if status.cases.1 > 0 {
            p.notice.bad {
                (parts::sign(Tone::Bad))
                span { a href=(Page::Cases.path()) { (t.count("cases-overdue", status.cases.1)) } }
            }
        }
        @if status.trust.cosign_waiting > 0 {
            p.notice.waiting {
                (parts::sign(Tone::Waiting))
                span { a href=(Page::Acts.path()) { (t.count("notice-cosign", status.trust.cosign_waiting)) } }
            }
        }
        @if status.time_scale != 1 {
            p.notice.waiting {
                (parts::sign(Tone::Waiting))
                span { (t.count("notice-test-mesh", status.time_scale)) }
            }
        }
    }
}

/// Says first of all that the mesh is halted, or what is frozen here.
fn stopped(t: Texts, status: &Status) -> Markup {
    let left = |until: Wall| parts::span(t, Millis(until.0.saturating_sub(status.standing_at.0)));
    let (tone, words) = match status.standing {
        Standing::Halted {
            halt,
            confirmed,
            until,
            ..
        } => {
            let key = match confirmed {
                true => "notice-halted",
                false => "notice-halted-unconfirmed",
            };
            let named = [("halt", halt.short().into()), ("span", left(until).into())];
            (Tone::Bad, t.with(key, named))
        }
        Standing::Restarting { until } => {
            let words = t.with("notice-restarting", [("span", left(until).into())]);
            (Tone::Waiting, words)
        }
        Standing::Running | Standing::Frozen { .. } if status.frozen > 0 => {
            (Tone::Waiting, t.count("notice-frozen", status.frozen))
        }
        Standing::Running | Standing::Frozen { .. } => return html! {},
    };
    html! {
        div.notice.(tone.class()) #halt role="alert" {
            (parts::sign(tone))
            div {
                p { (words) }
                p { code { "x0 halt status" } }
            }
        }
    }
}

fn figures(t: Texts, status: &Status) -> Markup {
    let others = u64::from(status.members.saturating_sub(1));
    let wanted = status.links_target.min(others);
    let links = match u64::from(status.links) {
        have if have >= wanted => t.say("tile-links-all-up"),
        _ => t.say("tile-links-healing"),
    };
    let waiting = match status.orphans {
        0 => String::new(),
        n => t.count("tile-records-waiting", n),
    };
    let repair = match status.last_repair {
        Some(took) => (parts::span(t, took), t.say("tile-repair-took")),
        None => ("—".to_owned(), t.say("tile-repair-none")),
    };
    html! {
        dl.tiles #figures data-live {
            (parts::tile(&t.say("tile-links"), t.with("tile-links-of", [
                ("n", status.links.into()), ("of", wanted.into()),
            ]), &links))
            (parts::tile(&t.say("tile-records"), t.count("number", status.records), &waiting))
            (parts::tile(&t.say("tile-audit"), t.count("number", status.audit_size), ""))
            (parts::tile(&t.say("tile-repair"), repair.0, &repair.1))
        }
    }
}

/// Says in plain words what is enforced now and what is not there yet.
fn protection(t: Texts, status: &Status) -> Markup {
    let (seats, needed) = status.seats;
    let reach = [
        ("n", status.token_reach.into()),
        ("of", status.members.into()),
    ];
    let enforced = [
        t.with("protection-reach", reach),
        t.with(
            "protection-removal",
            [("n", needed.into()), ("of", seats.into())],
        ),
        t.say("protection-recheck"),
        t.say("protection-log"),
    ];
    let committee = match usize::try_from(seats).is_ok_and(Seats::can_be) {
        true => t.say("protection-no-certificates"),
        false => t.say("protection-no-committee"),
    };
    let missing = [committee, t.say("protection-own-clock")];
    html! {
        section.card #protection data-live {
            h2 { (t.say("protection")) }
            ul.facts {
                @for fact in &enforced { li { (parts::sign(Tone::Good)) span { (fact) } } }
                @if let Some(committee) = &status.committee { (committee_log(t, committee)) }
                @for fact in &missing { li { (parts::sign(Tone::Waiting)) span { (fact) } } }
            }
        }
    }
}

fn committee_log(t: Texts, committee: &CommitteeStatus) -> Markup {
    let (seats, quorum) = committee.seats;
    let tone = if committee.linked < quorum {
        Tone::Bad
    } else {
        Tone::Good
    };
    let counts = [
        ("height", committee.height.into()),
        ("linked", committee.linked.into()),
        ("seats", seats.into()),
        ("quorum", quorum.into()),
    ];
    html! { li { (parts::sign(tone)) span { (t.with("protection-committee", counts)) } } }
}

fn policies_in_force(t: Texts, policies: &[PolicyView]) -> Markup {
    html! {
        section.card #policies data-live {
            h2 { (t.say("policies")) }
            @if policies.is_empty() { p.quiet { (t.say("policies-none")) } }
            @else {
                dl.pairs {
                    @for policy in policies {
                        div {
                            dt { code { (policy.policy) } }
                            dd { strong { (policy.value) } " " small { (t.count("policy-version", policy.version)) } }
                        }
                    }
                }
            }
        }
    }
}

fn feed<S: Source>(frame: &Frame<'_, S>) -> Markup {
    let t = frame.t;
    let events = frame.source.happened();
    html! {
        section.card #feed data-live data-feed {
            h2 { (t.say("feed")) }
            @if events.is_empty() {
                (parts::empty(&t.say("feed-empty-title"), &t.say("feed-empty"), None))
            } @else {
                ol.lines {
                    @for happened in &events {
                        (happenings::news(t, &happened.news).item(happened.number, happened.wall))
                    }
                }
            }
        }
    }
}
