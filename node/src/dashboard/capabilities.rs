//! The capability tokens known here, with their limits in words.

use maud::{Markup, html};
use x0_crypto::capability::{Action, Caveat, Scope};
use x0_protocol::{Wall, core::command::CapabilityView};

use super::{
    Source,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Tokens on one sheet.
const TOKENS_SHOWN: usize = 30;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let mut tokens = read::capabilities(frame.source).await?;
    tokens.sort_by_key(|token| State::of(token, frame.now.wall));
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), tokens.len(), TOKENS_SHOWN);
    Ok(html! {
        div.title {
            h1 { (t.say("page-capabilities")) }
            p.lead { (t.say("capabilities-lead")) }
        }
        div.stack #tokens data-live {
            @if tokens.is_empty() {
                section.card {
                    (parts::empty(
                        &t.say("capabilities-empty-title"),
                        &t.say("capabilities-empty"),
                        Some("x0 cap grant"),
                    ))
                }
            }
            @for token in sheet.cut(&tokens) { (card(frame, token)) }
            (parts::pager(t, Page::Capabilities, sheet))
        }
    })
}

/// Whether a token opens anything here, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    InForce,
    NotAccepted,
    Expired,
    Revoked,
}

impl State {
    fn of(token: &CapabilityView, now: Wall) -> Self {
        let has_expired = |last_second| last_second < now.as_secs();
        if token.revoked {
            Self::Revoked
        } else if token.capability.expires_at().is_some_and(has_expired) {
            Self::Expired
        } else if token.accepted {
            Self::InForce
        } else {
            Self::NotAccepted
        }
    }

    fn badge(self, t: Texts) -> Markup {
        match self {
            Self::InForce => parts::badge(Tone::Good, &t.say("token-in-force")),
            Self::NotAccepted => parts::badge(Tone::Waiting, &t.say("token-not-accepted")),
            Self::Expired => parts::badge(Tone::Waiting, &t.say("token-expired")),
            Self::Revoked => parts::badge(Tone::Bad, &t.say("token-revoked")),
        }
    }
}

fn card<S>(frame: &Frame<'_, S>, token: &CapabilityView) -> Markup {
    let (t, own) = (frame.t, &frame.status.node);
    let state = State::of(token, frame.now.wall);
    let capability = &token.capability;
    let limits: Vec<_> = capability.blocks().iter().zip(0usize..).collect();
    html! {
        article.card.token.idle[state != State::InForce] {
            header {
                h2 { @for action in capability.actions() { code.action { (action) } " " } }
                (state.badge(t))
            }
            dl.pairs {
                div { dt { (t.say("token-holder")) } dd { (parts::node_or_self(t, capability.holder(), own)) } }
                div { dt { (t.say("token-publisher")) } dd { (parts::node_or_self(t, &token.publisher, own)) } }
                div {
                    dt { (t.say("token-root")) }
                    dd { span.id title=(capability.root()) { (capability.root().short()) "…" } }
                }
                div { dt { (t.say("token-record")) } dd { (parts::record(&token.id)) } }
            }
            @if capability.caveats().next().is_none() { p.quiet { (t.say("token-unlimited")) } }
            @else {
                h3 { (t.say("token-limits")) }
                ul.facts {
                    @for (caveats, block) in &limits {
                        @for caveat in *caveats {
                            li {
                                span { (words(t, caveat)) }
                                @if *block > 0 { " " span.note { (t.count("token-narrowed", *block)) } }
                            }
                        }
                    }
                }
            }
            @if state == State::NotAccepted {
                p.quiet { (t.say("token-accept-how")) " " code { "x0 cap accept " (capability.root()) } }
            }
        }
    }
}

/// Writes a caveat as a sentence.
fn words(t: Texts, caveat: &Caveat) -> Markup {
    let said = match caveat {
        Caveat::Actions(actions) => {
            let names: Vec<_> = actions.iter().map(Action::as_str).collect();
            t.with("caveat-actions", [("actions", names.join(", ").into())])
        }
        Caveat::Scope(Scope::Local) => t.say("caveat-scope-local"),
        Caveat::Scope(Scope::Regional) => t.say("caveat-scope-regional"),
        Caveat::Scope(Scope::Network) => t.say("caveat-scope-network"),
        Caveat::AffectsNodesLe(nodes) => t.count("caveat-nodes", *nodes),
        Caveat::AffectsNetworkPctLe(share) => {
            t.with("caveat-share", [("share", share.to_string().into())])
        }
        Caveat::ValidUntil(seconds) => {
            let end = parts::moment(Wall(seconds.saturating_mul(1_000)));
            return html! { (t.say("caveat-until")) " " (end) };
        }
        Caveat::RequiresPeerSignature => t.say("caveat-peer-signature"),
        Caveat::RequiresDaoVote(None) => t.say("caveat-any-vote"),
        Caveat::RequiresDaoVote(Some(proposal)) => {
            return html! { (t.say("caveat-vote")) " " (parts::record(proposal)) };
        }
        Caveat::RequiresMultiSig { k, n } => {
            t.with("caveat-multi-sig", [("n", k.into()), ("of", n.into())])
        }
    };
    html! { (said) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dashboard::text::Language;

    #[test]
    fn every_caveat_reads_as_a_sentence_in_both_languages() {
        let written = [
            "actions=routing.read,routing.update",
            "scope=local",
            "scope=regional",
            "scope=network",
            "affects_nodes_le=20",
            "affects_network_pct_le=1%",
            "valid_until=2026-12-31T00:00:00Z",
            "requires_peer_signature",
            "requires_dao_vote",
            "requires_dao_vote=bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
            "requires_multi_sig=3-of-5",
        ];
        for caveat in written {
            let caveat = caveat.parse().unwrap();
            let [english, russian] =
                Language::ALL.map(|language| words(Texts(language), &caveat).into_string());
            assert_ne!(english, russian, "{caveat}");
            assert!(
                !english.contains(['⟦', '{']) && !russian.contains(['⟦', '{']),
                "{english}"
            );
        }
    }
}
