//! The acts known here: what was asked, of whom, and what became of it at every target.

use maud::{Markup, html};
use x0_crypto::PublicKey;
use x0_protocol::{
    Now,
    core::{
        command::{ActView, Status},
        limits::ACT_LIFE_MAX,
    },
    wire::{Outcome, Targets},
};

use super::{
    Source, consents,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Acts on one sheet.
const ACTS_SHOWN: usize = 30;
/// Most targets of one act listed one by one.
const TARGETS_SHOWN: usize = 100;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let (t, status) = (frame.t, &frame.status);
    let acts = read::acts(frame.source).await?;
    let asked = read::consents(frame.source).await?;
    let own = read::proposals(frame.source).await?;
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), acts.len(), ACTS_SHOWN);
    let reach = [
        ("n", status.token_reach.into()),
        ("of", status.members.into()),
    ];
    Ok(html! {
        div.title {
            h1 { (t.say("page-acts")) }
            p.lead { (t.say("acts-lead")) " " (t.with("acts-reach", reach)) }
        }
        div.stack #consents data-live { (consents::waiting(t, status, &asked)) }
        div.stack #proposals data-live { (consents::on_their_way(t, &own)) }
        div.stack #acts data-live {
            @if acts.is_empty() {
                section.card {
                    (parts::empty(&t.say("acts-empty-title"), &t.say("acts-empty"), Some("x0 act propose")))
                }
            }
            @for act in sheet.cut(&acts) { (card(t, status, frame.now, act)) }
            (parts::pager(t, Page::Acts, sheet))
        }
    })
}

fn card(t: Texts, status: &Status, now: Now, act: &ActView) -> Markup {
    let is_own = act.agent == status.node;
    let tally = Tally::of(status, now, act);
    html! {
        article.card.act {
            header {
                h2 lang="en" { bdi { (act.change) } }
                (parts::moment(act.time))
            }
            p.by {
                (t.say("act-by")) " " (parts::node_or_self(t, &act.agent, &status.node)) " · "
                (targets(t, &act.targets)) " · " (parts::record(&act.id))
            }
            @if let Some(outcome) = &act.here {
                p.outcome { strong { (t.say("act-here")) } " " (told(t, outcome)) }
            }
            @if is_own { (elsewhere(t, act, &tally)) }
            @else if act.here.is_none() { p.quiet { (t.say("act-not-for-us")) } }
        }
    }
}

/// What became of an own act, counted over its targets.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    executed: usize,
    refused: usize,
    /// Named targets that have not answered.
    silent: Vec<PublicKey>,
    /// Whether they still may.
    open: bool,
}

impl Tally {
    fn of(status: &Status, now: Now, act: &ActView) -> Self {
        let executed = act
            .elsewhere
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Executed);
        let executed = executed.count();
        let silent = match &act.targets {
            Targets::Nodes(nodes) => nodes
                .iter()
                .filter(|node| **node != status.node)
                .filter(|node| act.elsewhere.iter().all(|(told, _)| told != *node))
                .copied()
                .collect(),
            Targets::Region(_) | Targets::All => Vec::new(),
        };
        Self {
            executed,
            refused: act.elsewhere.len() - executed,
            silent,
            open: now.wall < act.time + ACT_LIFE_MAX,
        }
    }
}

fn elsewhere(t: Texts, act: &ActView, tally: &Tally) -> Markup {
    let silent = tally.silent.len();
    html! {
        ul.tally {
            @if tally.executed > 0 { li { (parts::badge(Tone::Good, &t.count("tally-executed", tally.executed))) } }
            @if tally.refused > 0 { li { (parts::badge(Tone::Bad, &t.count("tally-refused", tally.refused))) } }
            @if silent > 0 && tally.open { li { (parts::badge(Tone::Waiting, &t.count("tally-open", silent))) } }
            @if silent > 0 && !tally.open { li { (parts::badge(Tone::Waiting, &t.count("tally-silent", silent))) } }
            @if act.elsewhere.is_empty() && silent == 0 && act.here.is_none() {
                li { (parts::badge(Tone::Waiting, &t.say("tally-none"))) }
            }
        }
        @if !act.elsewhere.is_empty() {
            details #{ "act-" (act.id) } {
                summary { (t.say("act-each-target")) }
                ul.targets {
                    @for (target, outcome) in act.elsewhere.iter().take(TARGETS_SHOWN) {
                        li { (parts::node(target)) " " (told(t, outcome)) }
                    }
                    @for target in tally.silent.iter().take(TARGETS_SHOWN) {
                        li { (parts::node(target)) " " (parts::badge(Tone::Waiting, &t.say("outcome-silent"))) }
                    }
                }
                @if act.elsewhere.len().max(silent) > TARGETS_SHOWN {
                    p.quiet { (t.say("act-more-targets")) " " code { "x0 act show " (act.id) } }
                }
            }
        }
    }
}

fn told(t: Texts, outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Executed => parts::badge(Tone::Good, &t.say("outcome-executed")),
        Outcome::Refused { why } => html! {
            (parts::badge(Tone::Bad, &t.say("outcome-refused"))) " " (parts::foreign(why))
        },
    }
}

/// Says in words where an act is to change something.
pub(super) fn targets(t: Texts, targets: &Targets) -> String {
    match targets {
        Targets::Nodes(nodes) => t.count("targets-nodes", nodes.len()),
        Targets::Region(region) => t.with("targets-region", [("region", region.as_str().into())]),
        Targets::All => t.say("targets-all"),
    }
}
