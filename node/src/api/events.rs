//! What happens on the node, as a stream that survives a lost connection.
//!
//! The newest events are kept in a ring. A client that comes back with `Last-Event-ID` gets what it missed,
//! or is told by a `lost` event how much it missed beyond the ring. An id carries a number drawn at the
//! node's start: one from before a restart starts over at the oldest event kept.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as SseEvent, KeepAlive},
    },
};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_protocol::Event;

use super::{ApiState, halts::rfc3339, view::kind_name};
use crate::{runtime::TimedEvent, sublime::Happening};

/// Events kept for clients that come back: some minutes of a busy mesh.
const RING_EVENTS: usize = 4_096;
/// Events handed over at a time.
const BATCH_EVENTS: usize = 256;
/// How often an idle stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// When, by the node's wall clock.
    pub time_ms: u64,
    /// What sort of thing: the name of the event.
    pub event: String,
    /// The member or peer it is about.
    pub peer: Option<String>,
    /// The record it is about.
    pub record: Option<String>,
    /// What happened, in words.
    pub words: String,
}

impl From<&TimedEvent> for EventView {
    fn from(timed: &TimedEvent) -> Self {
        let (event, peer, record, words) = describe(&timed.event);
        Self {
            time_ms: timed.wall.0,
            event: event.to_owned(),
            peer: peer.map(|peer| peer.to_string()),
            record: record.map(|record| record.to_string()),
            words,
        }
    }
}

impl From<&Happening> for EventView {
    fn from(happening: &Happening) -> Self {
        Self {
            time_ms: happening.time_ms,
            event: "content".to_owned(),
            peer: None,
            record: Some(happening.item.to_string()),
            words: format!("content of the item: {}", happening.news),
        }
    }
}

type Described<'a> = (
    &'static str,
    Option<&'a x0_crypto::PublicKey>,
    Option<&'a x0_crypto::ContentId>,
    String,
);

fn describe(event: &Event) -> Described<'_> {
    let say = str::to_owned;
    match event {
        Event::Linked { peer } => ("linked", Some(peer), None, say("a link is open")),
        Event::Unlinked { peer } => ("unlinked", Some(peer), None, say("a link is gone")),
        Event::TurnedAway { peer, why } => (
            "turned_away",
            Some(peer),
            None,
            format!("turned away: {why}"),
        ),
        Event::Joined { member } => ("joined", Some(member), None, say("joined the mesh")),
        Event::Gone { member } => ("gone", Some(member), None, say("left or was removed")),
        Event::Rejected { from, why } => (
            "rejected",
            Some(from),
            None,
            format!("sent a record that was refused: {why}"),
        ),
        Event::Recorded { id, author, kind } => (
            "recorded",
            Some(author),
            Some(id),
            format!("wrote {}", kind_name(*kind)),
        ),
        Event::Executed { act, change } => (
            "executed",
            None,
            act.as_ref(),
            format!("executed here: {change}"),
        ),
        Event::Refused { act, why } => (
            "refused",
            None,
            act.as_ref(),
            format!("refused here: {why}"),
        ),
        Event::Outcome {
            act,
            target,
            executed,
        } => {
            let words = if *executed {
                "executed it"
            } else {
                "refused it"
            };
            ("outcome", Some(target), Some(act), say(words))
        }
        Event::CaughtUp {
            with,
            received,
            sent,
        } => (
            "caught_up",
            Some(with),
            None,
            format!("caught up: {received} records came, {sent} went"),
        ),
        Event::ForkFound { author, seq } => (
            "fork_found",
            Some(author),
            None,
            format!("signed two different records at place {seq} of its chain"),
        ),
        Event::SplitView { author } => (
            "split_view",
            Some(author),
            None,
            say("showed an audit log that contradicts an earlier one"),
        ),
        Event::Healed { peer, took } => (
            "healed",
            Some(peer),
            None,
            format!("replaced a lost link in {} ms", took.0),
        ),
        Event::Decided { height, .. } => (
            "decided",
            None,
            None,
            format!("the committee decided block {height} of its log"),
        ),
        Event::KeysMade { epoch, revealed } => (
            "keys_made",
            None,
            None,
            match revealed {
                0 => format!("the committee made its keys, epoch {epoch}"),
                some => format!(
                    "the committee made its keys, epoch {epoch}; the shares of {some} seats are known to all"
                ),
            },
        ),
        Event::Seats(news) => ("seats", None, None, news.to_string()),
        Event::ShareLost { epoch, why } => (
            "share_lost",
            None,
            None,
            format!("this seat has no share of the committee's key of epoch {epoch}: {why}"),
        ),
        Event::Proposed { act, stage, .. } => ("proposed", None, Some(act), stage.clone()),
        Event::CosignAsked {
            act,
            role,
            agent,
            change,
        } => (
            "cosign_asked",
            Some(agent),
            Some(act),
            format!("asks this node for its word as {role}: {change}"),
        ),
        Event::Anomaly {
            agent,
            critical,
            words,
        } => {
            let grave = if *critical {
                "critical"
            } else {
                "to be looked at"
            };
            let words = format!("an anomaly, {grave}: {words}");
            ("anomaly", Some(agent), None, words)
        }
        Event::Frozen { root, until } => (
            "frozen",
            None,
            None,
            format!("froze the delegation root {root} until {}", rfc3339(*until)),
        ),
        Event::Halted {
            halt,
            root,
            confirmed,
            until,
        } => {
            let (short, root) = (halt.short(), root.short());
            let end = rfc3339(*until);
            let words = if *confirmed {
                format!("the mesh is halted because of the root {root}: halt {short}, until {end}")
            } else {
                format!(
                    "the mesh is halted by its witnesses because of the root {root}: halt {short} ends at {end} \
                     unless it is confirmed"
                )
            };
            ("halted", None, None, words)
        }
        Event::HaltEnded { halt, how } => {
            let words = format!(
                "halt {} is over: {}",
                halt.short(),
                super::halts::end_words(how)
            );
            ("halt_ended", None, None, words)
        }
        Event::Vote { proposal, what } => ("vote", None, Some(proposal), what.clone()),
        Event::Charter { charter, number } => (
            "charter",
            None,
            None,
            format!("charter number {number} is in force, {charter}: `x0 charter show`"),
        ),
        Event::ErasedAt { erasure, node } => (
            "erased",
            Some(node),
            Some(erasure),
            "has shown that it erased what this node asked for".to_owned(),
        ),
        Event::Public { index, words } => (
            "public",
            None,
            None,
            format!("entry {index} of the public log: {words}"),
        ),
        Event::TwoPublicLogs { heights } => (
            "two_public_logs",
            None,
            None,
            format!(
                "the committee certified two public logs that contradict each other, at heights {} and {}",
                heights.0, heights.1
            ),
        ),
        Event::OverrideStays { act } => (
            "override_stays",
            None,
            Some(act),
            say("the override was told to all in time: it stays"),
        ),
        Event::OverrideLapsed { act, change } => (
            "override_lapsed",
            None,
            Some(act),
            format!("the override was not told to all in time and has lapsed: {change}"),
        ),
        Event::Case { case, what } => ("case", None, Some(case), what.clone()),
        Event::Audit { round, node, what } => (
            "audit",
            node.as_ref(),
            None,
            format!("round {round} of the audits: {what}"),
        ),
        Event::Sublime { record, kind } => {
            ("sublime", None, Some(record), format!("{kind} of Sublime"))
        }
        Event::Rotation {
            item,
            epoch,
            is_over,
        } => (
            "rotation",
            None,
            None,
            match is_over {
                false => format!(
                    "the shares of the item with the key {item} are dealt on: epoch {epoch}"
                ),
                true => format!(
                    "the shares of the item with the key {item} were dealt on: epoch {epoch} is in force"
                ),
            },
        ),
        Event::BadDealer {
            item,
            epoch,
            dealer,
            by,
            is_public,
        } => (
            "bad_dealer",
            Some(dealer),
            None,
            match is_public {
                true => format!(
                    "it deals something else than its share of the item with the key {item}, epoch {epoch}: what it signed shows it"
                ),
                false => format!(
                    "{by} says that it dealt it a wrong part of the item with the key {item}, epoch {epoch}"
                ),
            },
        ),
        Event::Forgot { item, by } => (
            "forgot",
            Some(by),
            None,
            format!("it has destroyed its share of the item with the key {item}, as was asked"),
        ),
        Event::Invited { by } => (
            "guardian_invited",
            Some(by),
            None,
            say("invites this member to serve as a guardian"),
        ),
        Event::InviteAnswered { by, serves } => (
            "guardian_answered",
            Some(by),
            None,
            say(match serves {
                true => "serves as a guardian, as it was invited to",
                false => "declines to serve as a guardian",
            }),
        ),
        Event::ShareNotMade { item, epoch, why } => (
            "share_not_made",
            None,
            None,
            format!("this node has no share of the item with the key {item}, epoch {epoch}: {why}"),
        ),
        Event::TierPeer { peer, addresses } => (
            "tier_peer",
            Some(peer),
            None,
            format!("said {} addresses of its IPFS node", addresses.len()),
        ),
        Event::Released { request, parts } => (
            "released",
            None,
            Some(request),
            format!("{parts} parts were released for this request so far"),
        ),
        Event::AccountAsked { auditor, refused } => (
            "account_asked",
            Some(auditor),
            None,
            match refused {
                None => "it was told what this node collects".to_owned(),
                Some(why) => format!("it was not told what this node collects: {why}"),
            },
        ),
        Event::Ready { witnesses } => (
            "ready",
            None,
            None,
            format!("this node may write and execute; {witnesses} peers vouched for its chain"),
        ),
    }
}

/// The ring of the newest events.
pub struct EventLog {
    boot: u64,
    ring: Mutex<VecDeque<EventView>>,
    /// Events ever taken in; the ring holds the last of them.
    count: watch::Sender<u64>,
}

/// What stands in the ring from a place on.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    lost: u64,
    events: Vec<EventView>,
    next: u64,
}

impl EventLog {
    /// Makes an empty log; `boot` tells this run of the node from others.
    pub fn new(boot: u64) -> Self {
        Self {
            boot,
            ring: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Takes in an event.
    pub fn push(&self, event: EventView) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() >= RING_EVENTS {
            ring.pop_front();
        }
        ring.push_back(event);
        self.count.send_modify(|count| *count += 1);
    }

    /// Counts events that nobody saw; what is before them can no longer be told in order.
    pub fn skip(&self, missed: u64) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.clear();
        self.count.send_modify(|count| *count += missed);
    }

    fn read(&self, from: u64) -> Batch {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *self.count.borrow();
        let oldest = count.saturating_sub(ring.len() as u64);
        let start = from.max(oldest);
        let skipped = usize::try_from(start.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events: Vec<_> = ring
            .iter()
            .skip(skipped)
            .take(BATCH_EVENTS)
            .cloned()
            .collect();
        Batch {
            lost: oldest.saturating_sub(from),
            next: start + events.len() as u64,
            events,
        }
    }

    /// Finds the place to go on from: after the id given, or from now.
    fn place_after(&self, last_id: Option<&str>) -> u64 {
        let Some(last_id) = last_id else {
            return *self.count.borrow();
        };
        let parsed = last_id
            .split_once('-')
            .and_then(|(boot, seq)| Some((boot.parse::<u64>().ok()?, seq.parse::<u64>().ok()?)));
        match parsed {
            Some((boot, seq)) if boot == self.boot => (seq + 1).min(*self.count.borrow()),
            _ => 0,
        }
    }

    fn id(&self, place: u64) -> String {
        format!("{}-{place}", self.boot)
    }

    /// Streams from a place on, until the node stops.
    fn stream(
        self: Arc<Self>,
        from: u64,
        stop: watch::Receiver<bool>,
    ) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        let start = Follower {
            count: self.count.subscribe(),
            log: self,
            next: from,
            stop,
            ready: VecDeque::new(),
        };
        stream::unfold(start, |mut follower| async move {
            let event = follower.next_event().await?;
            Some((Ok(event), follower))
        })
    }
}

struct Follower {
    log: Arc<EventLog>,
    count: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    next: u64,
    ready: VecDeque<SseEvent>,
}

impl Follower {
    async fn next_event(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.count.mark_unchanged();
            self.fill();
            if self.ready.is_empty() {
                tokio::select! {
                    changed = self.count.changed() => changed.ok()?,
                    _ = self.stop.wait_for(|stop| *stop) => return None,
                }
            }
        }
    }

    fn fill(&mut self) {
        let batch = self.log.read(self.next);
        if batch.lost > 0 {
            let data = format!("{{\"lost\":{}}}", batch.lost);
            let event = SseEvent::default().event("lost").data(data);
            self.ready.push_back(event);
        }
        let first = batch.next - batch.events.len() as u64;
        for (place, event) in (first..).zip(&batch.events) {
            let data = serde_json::to_string(event).unwrap_or_default();
            let id = self.log.id(place);
            let event = SseEvent::default().id(id).event(&event.event).data(data);
            self.ready.push_back(event);
        }
        self.next = batch.next;
    }
}

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Follow what happens: server-sent events, resumable with `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Go on after this event; without it, from now.")),
    responses((status = 200, description = "A stream of events; each `data` is an EventView.", body = EventView, content_type = "text/event-stream")),
    security(("api_token" = ["read"]))
)]
async fn events(State(api): State<Arc<ApiState>>, headers: HeaderMap) -> Response {
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let from = api.events.place_after(last_id);
    let stream = Arc::clone(&api.events).stream(from, api.stop.subscribe());
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(stream).keep_alive(keep_alive).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed() {
        let log = log(5);

        let batch = log.read(log.place_after(Some("7-2")));

        assert_eq!(times(&batch), [3, 4]);
        assert_eq!((batch.lost, batch.next), (0, 5));
    }

    #[test]
    fn a_new_client_gets_what_happens_from_now_on() {
        let log = log(5);
        let from = log.place_after(None);
        log.push(event(5));

        assert_eq!(times(&log.read(from)), [5]);
    }

    #[test]
    fn what_fell_out_of_the_ring_is_counted_as_lost() {
        let log = log(RING_EVENTS as u64 + 10);

        let batch = log.read(log.place_after(Some("7-3")));

        assert_eq!(batch.lost, 6);
        assert_eq!(times(&batch).first(), Some(&10));
    }

    #[test]
    fn an_id_of_an_earlier_run_or_no_id_at_all_starts_at_the_oldest_event() {
        let log = log(3);

        for id in ["6-1", "x", "-", "7-x", "99999999999999999999-1"] {
            assert_eq!(log.place_after(Some(id)), 0, "{id}");
        }
        assert_eq!(log.place_after(Some("7-99")), 3, "an id of the future");
    }

    #[test]
    fn events_nobody_saw_are_lost_for_those_who_waited_for_them() {
        let log = log(3);
        log.skip(4);
        log.push(event(7));

        let batch = log.read(1);

        assert_eq!((batch.lost, times(&batch)), (6, vec![7]));
    }

    fn log(events: u64) -> EventLog {
        let log = EventLog::new(7);
        for time_ms in 0..events {
            log.push(event(time_ms));
        }
        log
    }

    fn event(time_ms: u64) -> EventView {
        EventView {
            time_ms,
            event: "ready".to_owned(),
            peer: None,
            record: None,
            words: String::new(),
        }
    }

    fn times(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|event| event.time_ms).collect()
    }
}
