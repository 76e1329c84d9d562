//! Events and entries of the audit log in words.

use maud::{Markup, html};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Event, Wall,
    spine::audit::What,
    wire::{Kind, Role},
};

use super::{
    feed::News,
    parts::{self, Tone},
    text::Texts,
};
use crate::sublime::{ContentNews, Happening};

/// One line of a list of what happened.
#[derive(Debug)]
pub(super) struct Line {
    tone: Tone,
    words: String,
    who: Option<PublicKey>,
    record: Option<ContentId>,
    /// In the words of another node, or of the rules.
    quote: Option<String>,
}

impl Line {
    fn new(tone: Tone, words: String) -> Self {
        Self {
            tone,
            words,
            who: None,
            record: None,
            quote: None,
        }
    }

    const fn who(mut self, who: &PublicKey) -> Self {
        self.who = Some(*who);
        self
    }

    const fn record(mut self, record: Option<ContentId>) -> Self {
        self.record = record;
        self
    }

    fn quote(mut self, words: &str) -> Self {
        self.quote = Some(words.to_owned());
        self
    }

    /// Shows the line as an item of a list.
    pub(super) fn item(&self, number: u64, wall: Wall) -> Markup {
        html! {
            li data-number=(number) {
                (parts::sign(self.tone))
                div.what {
                    span.words { (self.words) }
                    @if let Some(who) = &self.who { " " (parts::node(who)) }
                    @if let Some(record) = &self.record { " " (parts::record(record)) }
                    @if let Some(quote) = &self.quote { " " (parts::foreign(quote)) }
                }
                (parts::moment(wall))
            }
        }
    }
}

/// Tells news.
pub(super) fn news(t: Texts, news: &News) -> Line {
    match news {
        News::Node(event) => self::event(t, event),
        News::Content(happening) => content(t, happening),
    }
}

/// Tells what happened to an item that is kept here.
fn content(t: Texts, happening: &Happening) -> Line {
    use Tone::{Bad, Good, Waiting};
    let counted = |tone, key, copies: u32, needed: u32| {
        let counts = [("copies", copies.into()), ("needed", needed.into())];
        Line::new(tone, t.with(key, counts))
    };
    let line = match &happening.news {
        ContentNews::Held { blocks, .. } => Line::new(Good, t.count("event-content-held", *blocks)),
        ContentNews::Repaired { blocks } => {
            Line::new(Good, t.count("event-content-repaired", *blocks))
        }
        ContentNews::Stored { tier } => Line::new(
            Good,
            t.with("event-content-stored", [("tier", (*tier).into())]),
        ),
        ContentNews::Trouble { why } => Line::new(Bad, t.say("event-content-trouble")).quote(why),
        ContentNews::LostCopy {
            copies,
            before,
            needed,
        } => {
            let counts = [
                ("copies", copies.into()),
                ("before", before.into()),
                ("needed", needed.into()),
            ];
            Line::new(Waiting, t.with("event-content-lost", counts))
        }
        ContentNews::Safe { copies, needed } => {
            counted(Good, "event-content-safe", *copies, *needed)
        }
        ContentNews::NotSafe { copies, needed } => {
            counted(Bad, "event-content-not-safe", *copies, *needed)
        }
    };
    line.record(Some(happening.item))
}

/// Tells an event.
fn event(t: Texts, event: &Event) -> Line {
    use Tone::{Bad, Good, Plain, Waiting};
    let line = |tone, key| Line::new(tone, t.say(key));
    match event {
        Event::Linked { peer } => line(Good, "event-linked").who(peer),
        Event::Unlinked { peer } => line(Waiting, "event-unlinked").who(peer),
        Event::TurnedAway { peer, why } => line(Bad, "event-turned-away").who(peer).quote(why),
        Event::Joined { member } => line(Good, "event-joined").who(member),
        Event::Gone { member } => line(Waiting, "event-gone").who(member),
        Event::Rejected { from, why } => line(Bad, "event-rejected").who(from).quote(why),
        Event::Recorded { id, author, kind } => {
            let words = t.with("event-recorded", [("kind", kind_name(t, *kind).into())]);
            Line::new(Plain, words).who(author).record(Some(*id))
        }
        Event::Executed { act, change } => line(Good, "event-executed").record(*act).quote(change),
        Event::Refused { act, why } => line(Bad, "event-refused").record(*act).quote(why),
        Event::Outcome {
            act,
            target,
            executed: true,
        } => line(Good, "event-outcome-executed")
            .who(target)
            .record(Some(*act)),
        Event::Outcome {
            act,
            target,
            executed: false,
        } => line(Bad, "event-outcome-refused")
            .who(target)
            .record(Some(*act)),
        Event::CaughtUp {
            with,
            received,
            sent,
        } => {
            let counts = [("received", received.into()), ("sent", sent.into())];
            Line::new(Good, t.with("event-caught-up", counts)).who(with)
        }
        Event::ForkFound { author, seq } => Line::new(Bad, t.count("event-fork", *seq)).who(author),
        Event::SplitView { author } => line(Bad, "event-split-view").who(author),
        Event::Healed { peer, took } => {
            let span = parts::span(t, *took);
            Line::new(Good, t.with("event-healed", [("span", span.into())])).who(peer)
        }
        Event::Decided { height, .. } => {
            let words = t.with("event-decided", [("height", height.into())]);
            Line::new(Plain, words)
        }
        Event::KeysMade { epoch, .. } => {
            Line::new(Good, t.with("event-keys-made", [("epoch", epoch.into())]))
        }
        Event::Seats(news) => line(Plain, "event-seats").quote(&news.to_string()),
        Event::ShareLost { why, .. } => line(Bad, "event-share-lost").quote(why),
        Event::Proposed { act, stage, .. } => line(Plain, "event-proposed")
            .record(Some(*act))
            .quote(stage),
        Event::CosignAsked {
            act,
            role,
            agent,
            change,
        } => {
            let key = match role {
                Role::Signatory => "event-approval-asked",
                Role::Target | Role::Cosigner => "event-cosign-asked",
            };
            line(Plain, key).who(agent).record(Some(*act)).quote(change)
        }
        Event::Anomaly {
            agent,
            critical,
            words,
        } => {
            let (tone, key) = match critical {
                true => (Bad, "event-anomaly-critical"),
                false => (Plain, "event-anomaly"),
            };
            line(tone, key).who(agent).quote(words)
        }
        Event::Frozen { root, .. } => {
            Line::new(Bad, t.with("event-frozen", [("root", root.short().into())]))
        }
        Event::Halted {
            halt, confirmed, ..
        } => {
            let key = match confirmed {
                true => "event-halted",
                false => "event-halted-unconfirmed",
            };
            Line::new(Bad, t.with(key, [("halt", halt.short().into())]))
        }
        Event::HaltEnded { halt, .. } => Line::new(
            Good,
            t.with("event-halt-ended", [("halt", halt.short().into())]),
        ),
        Event::Vote { proposal, what } => line(Plain, "event-vote")
            .record(Some(*proposal))
            .quote(what),
        Event::Charter { number, .. } => Line::new(
            Plain,
            t.with("event-charter", [("number", number.to_string().into())]),
        ),
        Event::ErasedAt { erasure, node } => {
            line(Good, "event-erased").who(node).record(Some(*erasure))
        }
        Event::Public { index, words } => {
            let text = t.with("event-public", [("index", index.to_string().into())]);
            Line::new(Plain, text).quote(words)
        }
        Event::TwoPublicLogs { heights } => {
            let heights = [
                ("first", heights.0.to_string().into()),
                ("second", heights.1.to_string().into()),
            ];
            Line::new(Bad, t.with("event-two-public-logs", heights))
        }
        Event::OverrideStays { act } => line(Good, "event-override-stays").record(Some(*act)),
        Event::OverrideLapsed { act, change } => line(Bad, "event-override-lapsed")
            .record(Some(*act))
            .quote(change),
        Event::Case { case, what } => line(Plain, "event-case").record(Some(*case)).quote(what),
        Event::Audit { round, node, what } => {
            let told = Line::new(Plain, t.count("event-audit", *round)).quote(what);
            match node {
                Some(node) => told.who(node),
                None => told,
            }
        }
        Event::AccountAsked {
            auditor,
            refused: None,
        } => line(Plain, "entry-account").who(auditor),
        Event::AccountAsked {
            auditor,
            refused: Some(why),
        } => line(Bad, "entry-account-refused").who(auditor).quote(why),
        Event::Sublime { record, kind } => {
            let key = match *kind {
                "guardian" => "event-sublime-guardian",
                "item" => "event-sublime-item",
                "rotation" => "event-sublime-rotation",
                "forget" => "event-sublime-forget",
                "drill" => "event-sublime-drill",
                "attestation" => "event-sublime-attestation",
                "trustees" => "event-sublime-trustees",
                _ => "event-sublime-request",
            };
            line(Plain, key).record(Some(*record))
        }
        Event::Rotation { is_over: false, .. } => line(Plain, "event-rotation-open"),
        Event::Rotation { is_over: true, .. } => line(Good, "event-rotation-over"),
        Event::BadDealer { dealer, .. } => line(Bad, "event-bad-dealer").who(dealer),
        Event::Forgot { by, .. } => line(Plain, "event-forgot").who(by),
        Event::Invited { by } => line(Plain, "event-invited").who(by),
        Event::InviteAnswered { by, serves: true } => line(Good, "event-invite-accepted").who(by),
        Event::InviteAnswered { by, serves: false } => line(Plain, "event-invite-declined").who(by),
        Event::ShareNotMade { why, .. } => line(Bad, "event-share-not-made").quote(why),
        Event::TierPeer { peer, .. } => line(Plain, "event-tier-peer").who(peer),
        Event::Released { request, parts } => {
            let parts = u64::try_from(*parts).unwrap_or(u64::MAX);
            Line::new(Good, t.count("event-released", parts)).record(Some(*request))
        }
        Event::Ready { witnesses } => Line::new(Good, t.count("event-ready", *witnesses)),
    }
}

/// Tells an entry of the audit log.
pub(super) fn entry(t: Texts, what: &What) -> Line {
    use Tone::{Bad, Good, Plain};
    let line = |tone, key| Line::new(tone, t.say(key));
    match what {
        What::Executed { act, agent, change } => line(Good, "entry-executed")
            .who(agent)
            .record(Some(*act))
            .quote(change),
        What::Refused { act, agent, why } => line(Bad, "entry-refused")
            .who(agent)
            .record(Some(*act))
            .quote(why),
        What::Local { agent, change } => line(Good, "entry-local").who(agent).quote(change),
        What::LocalRefused { agent, why } => line(Bad, "entry-local-refused").who(agent).quote(why),
        What::Wrote { record, kind } => {
            let words = t.with("entry-wrote", [("kind", kind_name(t, *kind).into())]);
            Line::new(Plain, words).record(Some(*record))
        }
        What::Fork { author, seq } => Line::new(Bad, t.count("event-fork", *seq)).who(author),
        What::SplitView { author, size } => {
            Line::new(Bad, t.count("entry-split-view", *size)).who(author)
        }
        What::Erased {
            erasure,
            author,
            records,
        } => Line::new(Plain, t.count("entry-erased", u64::from(*records)))
            .who(author)
            .record(Some(*erasure)),
        What::Lapsed { act, change } => line(Bad, "event-override-lapsed")
            .record(Some(*act))
            .quote(change),
        What::TwoHeads { one, .. } => {
            Line::new(Bad, t.count("entry-two-heads", one.size)).who(&one.author)
        }
        What::Account { auditor, right } => line(Plain, "entry-account").who(auditor).quote(right),
        What::AccountRefused { auditor, why, .. } => {
            line(Bad, "entry-account-refused").who(auditor).quote(why)
        }
        What::ShareKept {
            owner: Some(owner), ..
        } => line(Plain, "entry-share-kept").who(owner),
        What::ShareKept { owner: None, .. } => line(Plain, "entry-share-dealt-on"),
        What::ShareDestroyed { .. } => line(Plain, "entry-share-destroyed"),
        What::BadDealer { dealer, .. } => line(Bad, "event-bad-dealer").who(dealer),
        What::Attested { request, .. } => line(Plain, "entry-attested").record(Some(*request)),
        What::Released { request, to, .. } => {
            line(Plain, "entry-released").who(to).record(Some(*request))
        }
        What::TwoPublicLogs { first, second } => {
            let heights = [
                ("first", first.statement.height().to_string().into()),
                ("second", second.statement.height().to_string().into()),
            ];
            Line::new(Bad, t.with("event-two-public-logs", heights))
        }
    }
}

/// Names a kind of record.
fn kind_name(t: Texts, kind: u16) -> String {
    match Kind(kind) {
        Kind::GENESIS => t.say("kind-genesis"),
        Kind::INVITE => t.say("kind-invite"),
        Kind::JOIN => t.say("kind-join"),
        Kind::LEAVE => t.say("kind-leave"),
        Kind::REMOVAL => t.say("kind-removal"),
        Kind::MERGE => t.say("kind-merge"),
        Kind::CAPABILITY => t.say("kind-capability"),
        Kind::REVOCATION => t.say("kind-revocation"),
        Kind::ACT => t.say("kind-act"),
        Kind::ALERT => t.say("kind-alert"),
        Kind::AUDIT_ROUND => t.say("kind-audit-round"),
        Kind::AUDIT_REPORT => t.say("kind-audit-report"),
        Kind::HALT => t.say("kind-halt"),
        Kind::JURY => t.say("kind-jury"),
        Kind::KEYS => t.say("kind-keys"),
        Kind::CHECKPOINT => t.say("kind-checkpoint"),
        Kind::VOTE => t.say("kind-vote"),
        Kind::HAND_OVER => t.say("kind-hand-over"),
        Kind::RECOVERY => t.say("kind-recovery"),
        Kind::CHARTER => t.say("kind-charter"),
        Kind::ERASURE => t.say("kind-erasure"),
        Kind::RULING => t.say("kind-ruling"),
        Kind::REPORT => t.say("kind-report"),
        Kind::SEALED_REPORT => t.say("kind-sealed-report"),
        Kind::CASE_WORD => t.say("kind-case-word"),
        Kind::APPEAL => t.say("kind-appeal"),
        Kind::CLAIM => t.say("kind-claim"),
        Kind::GUARDIAN => t.say("kind-guardian"),
        Kind::MANIFEST => t.say("kind-manifest"),
        Kind::ACCESS_REQUEST => t.say("kind-access-request"),
        Kind::ROTATION => t.say("kind-rotation"),
        Kind::FORGET => t.say("kind-forget"),
        Kind::EMERGENCY_CALL => t.say("kind-call"),
        Kind::CARD_REVOKED => t.say("kind-card-revoked"),
        Kind::ONION => t.say("kind-onion"),
        Kind::DRILLED => t.say("kind-drill"),
        Kind::ATTESTATION => t.say("kind-attestation"),
        Kind::TRUSTEES_REVOKED => t.say("kind-trustees-revoked"),
        Kind(number) => t.with(
            "kind-unknown",
            [("number", format!("{number:#06x}").into())],
        ),
    }
}
