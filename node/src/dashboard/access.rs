//! Requests for items: who asks and why, how the vote about each goes, what was released, and what to do next.
//!
//! What a member wrote as its reason is shown to all, as text. Requests that wait for members to decide come first.

use std::collections::BTreeMap;

use maud::{Markup, html};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Wall,
    core::{
        sublime::{ReleasedView, RequestView, Standing, SublimeView},
        vote::{VoteView, VotesView},
    },
    spine::ballot::{Outcome, OwnStage},
    wire::{ReleasedPart, VoteEnd},
};

use super::{
    GuardLog, Source,
    page::{Frame, Page},
    parts::{self, Tone},
    read,
    text::Texts,
};

/// Requests on a page; all of them are told by the command line.
const REQUESTS_SHOWN: usize = 50;

/// The requests known here, each with the vote that decides about it.
pub(super) struct Requests<'a> {
    known: &'a SublimeView,
    log: &'a GuardLog,
    votes: BTreeMap<ContentId, &'a VoteView>,
    /// What has come for granted requests of this node.
    arrived: BTreeMap<ContentId, Arrived>,
}

/// Parts that have come to this node for a request.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    shares: usize,
    seats: usize,
    /// Shares that open the item.
    needed: u8,
}

impl Arrived {
    fn of(view: &ReleasedView) -> Self {
        let mut arrived = Self {
            needed: view.shared.access.threshold(),
            ..Self::default()
        };
        for (_, release) in &view.parts {
            match release.part {
                ReleasedPart::Share { .. } => arrived.shares += 1,
                ReleasedPart::Seat { .. } => arrived.seats += 1,
            }
        }
        arrived
    }
}

impl<'a> Requests<'a> {
    /// Puts together what is known of requests.
    pub(super) fn of(known: &'a SublimeView, votes: &'a VotesView, log: &'a GuardLog) -> Self {
        Self {
            known,
            log,
            votes: deciding(&known.requests, votes),
            arrived: BTreeMap::new(),
        }
    }

    /// Asks what has come for granted requests of this node.
    pub(super) async fn look_for_parts<S: Source>(&mut self, source: &S, own: &PublicKey) {
        for request in &self.known.requests {
            if request.by != *own || request.standing != Standing::Granted {
                continue;
            }
            // The node may have forgotten the item: then nothing can be opened, and nothing is told of parts.
            if let Ok(view) = read::released(source, request.id).await {
                self.arrived.insert(request.id, Arrived::of(&view));
            }
        }
    }

    /// Returns those that nobody has decided about, with a vote that this member can still vote in.
    pub(super) fn waiting<S>(&self, frame: &Frame<'_, S>) -> Vec<&'a RequestView> {
        let time = frame.status.trust.time;
        let waits = |request: &&RequestView| {
            let vote = self.votes.get(&request.id);
            let is_open = vote.is_some_and(|vote| takes_ballots(vote, time));
            frame.status.member && request.standing == Standing::Undecided && is_open
        };
        self.known.requests.iter().filter(waits).collect()
    }

    /// Shows the requests, those first that are to be decided.
    pub(super) fn all<S>(&self, frame: &Frame<'_, S>) -> Markup {
        let mut requests: Vec<_> = self.known.requests.iter().collect();
        requests.sort_by_key(|request| Urgency::of(request));
        self.listed(frame, &requests)
    }

    /// Shows some of the requests.
    pub(super) fn listed<S>(&self, frame: &Frame<'_, S>, requests: &[&RequestView]) -> Markup {
        let t = frame.t;
        html! {
            @for request in requests.iter().take(REQUESTS_SHOWN) { (self.card(frame, request)) }
            @if requests.len() > REQUESTS_SHOWN {
                p.quiet { (t.say("all-of-it")) " " code { "x0 sublime list" } }
            }
        }
    }

    fn card<S>(&self, frame: &Frame<'_, S>, request: &RequestView) -> Markup {
        let (t, own) = (frame.t, &frame.status.node);
        let (tone, name, meaning) = told(t, request);
        let vote = self.votes.get(&request.id).copied();
        html! {
            article.card.act {
                header {
                    h3 { (t.say("request")) " " (parts::record(&request.id)) }
                    span { (parts::badge(tone, &name)) }
                }
                p { (parts::foreign(&request.why)) }
                dl.pairs {
                    div { dt { (t.say("request-by")) } dd { (parts::node_or_self(t, &request.by, own)) } }
                    div { dt { (t.say("request-when")) } dd { (parts::moment(request.time)) } }
                    div {
                        dt { (t.say("item")) }
                        dd {
                            (parts::record(&request.item))
                            @if self.is_guarded(&request.item) {
                                " " (parts::badge(Tone::Plain, &t.say("item-share-here")))
                            }
                        }
                    }
                    div { dt { (t.say("request-vote")) } dd { (vote_told(t, vote)) } }
                    @if let Some(vote) = vote { (ballot(t, vote)) }
                    @if let Some(at) = self.log.released(&request.id) {
                        div { dt { (t.say("request-released-here")) } dd { (parts::moment(at)) } }
                    }
                }
                p.quiet { (meaning) }
                (self.next(frame, request, vote))
            }
        }
    }

    /// Tells whether this node keeps a share of an item.
    fn is_guarded(&self, id: &ContentId) -> bool {
        let mut items = self.known.items.iter();
        let item = items
            .find(|(known, ..)| known == id)
            .map(|(_, item, _)| item);
        let mut kept = self.known.shares_kept.iter();
        item.is_some_and(|item| kept.any(|(key, ..)| *key == item.key))
    }

    /// Says by which command it goes on.
    fn next<S>(
        &self,
        frame: &Frame<'_, S>,
        request: &RequestView,
        vote: Option<&VoteView>,
    ) -> Markup {
        let t = frame.t;
        let is_own = request.by == frame.status.node;
        if request.by_trustees && request.standing != Standing::Granted {
            return html! { p.quiet { code { "x0 sublime recoveries" } } };
        }
        match request.standing {
            Standing::Undecided => match vote {
                Some(vote) if takes_ballots(vote, frame.status.trust.time) => html! {
                    p.quiet {
                        (t.say("amendment-vote")) " " code { "x0 vote cast " (vote.proposal) " yes" } " "
                        code { "x0 vote cast " (vote.proposal) " no" }
                    }
                },
                Some(vote) => html! {
                    p.quiet { (t.say("amendment-follow")) " " code { "x0 vote show " (vote.proposal) } }
                },
                None if is_own => html! {
                    p.quiet {
                        (t.say("request-propose-how")) " " code { "x0 vote propose TEXT --subject " (request.id) }
                    }
                },
                None => html! {},
            },
            Standing::Granted if is_own => html! {
                @if let Some(arrived) = self.arrived.get(&request.id) {
                    p {
                        (t.with("request-arrived", [
                            ("shares", arrived.shares.into()),
                            ("needed", arrived.needed.into()),
                            ("seats", arrived.seats.into()),
                        ]))
                    }
                }
                p.quiet {
                    (t.say("request-get-how")) " "
                    code { "x0 sublime get " (request.item) " --request " (request.id) " --out FILE" }
                }
            },
            Standing::Passed | Standing::Granted | Standing::Denied | Standing::Over => html! {},
        }
    }
}

/// Finds the votes that decide about requests: those that whoever asks has proposed, of all members, for 72 hours or longer;
/// of several the first that ended, else the first that closes.
fn deciding<'a>(
    requests: &[RequestView],
    votes: &'a VotesView,
) -> BTreeMap<ContentId, &'a VoteView> {
    let asked: BTreeMap<_, _> = requests
        .iter()
        .map(|request| (request.id, request.by))
        .collect();
    let order = |vote: &VoteView| match vote.resolved {
        Some(ended) => (false, ended.time, vote.proposal),
        None => (true, vote.closes.unwrap_or(Wall(u64::MAX)), vote.proposal),
    };
    let mut deciding: BTreeMap<ContentId, &VoteView> = BTreeMap::new();
    for vote in &votes.votes {
        let Some(proposal) = vote.opening.as_ref().map(|opening| &opening.proposal) else {
            continue;
        };
        let counts = asked.get(&proposal.subject) == Some(&proposal.proposer)
            && proposal.rules.may_open_items();
        if !counts {
            continue;
        }
        let known = deciding.entry(proposal.subject).or_insert(vote);
        if order(vote) < order(known) {
            *known = vote;
        }
    }
    deciding
}

/// Tells whether this member can still vote: ballots count, and it has handed in none that does.
fn takes_ballots(vote: &VoteView, time: Option<Wall>) -> bool {
    let is_over = vote
        .closes
        .zip(time)
        .is_some_and(|(closes, time)| closes <= time);
    let has_voted = vote
        .ballot
        .as_ref()
        .is_some_and(|ballot| matches!(ballot.stage, OwnStage::Sending | OwnStage::Taken));
    vote.tally.is_none() && vote.resolved.is_none() && !is_over && !has_voted
}

/// How soon a request wants to be looked at, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    ToDecide,
    UnderWay,
    Ended,
}

impl Urgency {
    const fn of(request: &RequestView) -> Self {
        match request.standing {
            Standing::Undecided => Self::ToDecide,
            Standing::Passed | Standing::Granted => Self::UnderWay,
            Standing::Denied | Standing::Over => Self::Ended,
        }
    }
}

/// Names a standing and says what it means.
fn told(t: Texts, request: &RequestView) -> (Tone, String, String) {
    let (tone, name, meaning) = match request.standing {
        Standing::Undecided => (Tone::Waiting, "request-undecided", "request-undecided-is"),
        Standing::Passed => (Tone::Waiting, "request-passed", "request-passed-is"),
        Standing::Granted => (Tone::Good, "request-granted", "request-granted-is"),
        Standing::Denied => (Tone::Bad, "request-denied", "request-denied-is"),
        Standing::Over => (Tone::Plain, "request-over", "request-over-is"),
    };
    let meaning = match request.by_trustees {
        true => "request-by-trustees-is",
        false => meaning,
    };
    (tone, t.say(name), t.say(meaning))
}

/// Says how the vote goes; one that has passed stands in the public log for good.
fn vote_told(t: Texts, vote: Option<&VoteView>) -> Markup {
    let Some(vote) = vote else {
        return html! { (t.say("vote-none")) };
    };
    let sums = vote.tally.map(|counted| counted.tally.sums);
    html! {
        (parts::record(&vote.proposal)) " · "
        @match (vote.resolved, sums) {
            (Some(ended), _) => (end(t, ended.end)),
            (None, Some(_)) => (t.say("vote-counted")),
            (None, None) => {
                (t.say("vote-open"))
                @if let Some(closes) = vote.closes { " " (t.say("vote-until")) " " (parts::moment(closes)) }
            },
        }
        @if let Some(sums) = sums {
            " · " (t.with("amendment-sums", [
                ("yes", sums.yes.into()), ("no", sums.no.into()), ("abstain", sums.abstain.into()),
            ]))
        }
    }
}

fn end(t: Texts, end: VoteEnd) -> Markup {
    match end {
        VoteEnd::Outcome(Outcome::Passed) => html! {
            a href=(Page::Public.path()) { (t.say("vote-passed")) }
        },
        VoteEnd::Outcome(Outcome::Rejected) => html! { (t.say("vote-rejected")) },
        VoteEnd::Outcome(Outcome::NoQuorum) => html! { (t.say("vote-no-quorum")) },
        VoteEnd::Void(_) => html! { (t.say("vote-void")) },
    }
}

/// Says what became of this member's own ballot, if it has voted.
fn ballot(t: Texts, vote: &VoteView) -> Markup {
    let Some(own) = &vote.ballot else {
        return html! {};
    };
    html! {
        div {
            dt { (t.say("request-ballot")) }
            dd {
                @match &own.stage {
                    OwnStage::Sending => (parts::badge(Tone::Waiting, &t.say("ballot-sending"))),
                    OwnStage::Taken => (parts::badge(Tone::Good, &t.say("ballot-taken"))),
                    OwnStage::Refused(why) => {
                        (parts::badge(Tone::Bad, &t.say("ballot-refused"))) " " (parts::foreign(why))
                    },
                }
            }
        }
    }
}
