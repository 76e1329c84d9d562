//! Amendments of the charter that are voted on: what people would lose and gain, until when, and how to vote.

use maud::{Markup, html};
use x0_protocol::{
    charter::{
        Charter,
        diff::{Effect, changes},
    },
    core::vote::{VoteView, VotesView},
};

use super::{
    parts::{self, Tone},
    text::Texts,
};

/// Changes of one amendment that are shown; all of them are told by the command line.
const CHANGES_SHOWN: usize = 30;

/// Shows the amendments under way, against the charter in force.
pub(super) fn under_way(t: Texts, charter: &Charter, votes: &VotesView) -> Markup {
    let open = votes
        .votes
        .iter()
        .filter(|vote| vote.resolved.is_none())
        .filter_map(|vote| Some((vote, vote.amendment.as_ref()?)))
        .filter(|(_, new)| new.number() > charter.number());
    let open: Vec<_> = open.collect();
    html! {
        div.stack #amendments data-live {
            @if !open.is_empty() { h2 { (t.count("amendments-title", open.len())) } }
            @for (vote, new) in open { (card(t, charter, vote, new)) }
        }
    }
}

fn card(t: Texts, old: &Charter, vote: &VoteView, new: &Charter) -> Markup {
    let mut told = changes(old, new);
    told.sort();
    let proposal = vote.opening.as_ref().map(|opening| &opening.proposal);
    let more = told.len().saturating_sub(CHANGES_SHOWN);
    html! {
        article.card.act {
            header {
                h3 { (t.with("amendment-number", [("number", new.number().to_string().into())])) }
                @if let Some(closes) = vote.closes {
                    span { (t.say("amendment-closes")) " " (parts::moment(closes)) }
                }
            }
            @if let Some(proposal) = proposal {
                p.by {
                    (parts::foreign(&proposal.text.to_string())) " · " (t.say("amendment-by")) " "
                    (parts::node(&proposal.proposer))
                }
            }
            dl.pairs {
                div { dt { (t.say("amendment-charter")) } dd { code.whole { (new.id()) } } }
                @if let Some(counted) = &vote.tally {
                    @let sums = counted.tally.sums;
                    div {
                        dt { (t.say("amendment-counted")) }
                        dd { (t.with("amendment-sums", [
                            ("yes", sums.yes.into()), ("no", sums.no.into()), ("abstain", sums.abstain.into()),
                        ])) }
                    }
                }
            }
            @if told.is_empty() { p.quiet { (t.say("amendment-nothing")) } }
            @else {
                ul.facts {
                    @for change in told.iter().take(CHANGES_SHOWN) {
                        li {
                            @let (tone, words) = effect(t, change.effect);
                            (parts::badge(tone, &words)) span { (parts::foreign(&change.words)) }
                        }
                    }
                }
                @if more > 0 { p.quiet { (t.count("amendment-more", more)) } }
            }
            p.quiet {
                (t.say("amendment-vote")) " " code { "x0 vote cast " (vote.proposal) " yes" } " · "
                (t.say("amendment-follow")) " " code { "x0 vote show " (vote.proposal) }
            }
        }
    }
}

fn effect(t: Texts, effect: Effect) -> (Tone, String) {
    match effect {
        Effect::Loss => (Tone::Bad, t.say("amendment-loss")),
        Effect::Gain => (Tone::Good, t.say("amendment-gain")),
        Effect::Neutral => (Tone::Plain, t.say("amendment-neutral")),
    }
}
