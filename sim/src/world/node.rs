//! One node of a world: its peer, its disk, its links and its processor.

use x0_protocol::{Peer, RequestId, RequestToken};

use super::{
    guarded::{Guarded, Watched},
    store::Store,
};
use crate::time::{Span, Time};

/// One node.
pub(super) struct Node {
    /// The peer; none while the node has no power.
    pub(super) peer: Option<Box<Peer>>,
    pub(super) store: Store,
    /// The other ends of open links and their lives, in order.
    pub(super) links: Vec<(u32, u8)>,
    /// Until when the processor is busy.
    pub(super) busy_until: Time,
    /// Until when the disk is busy.
    pub(super) disk_until: Time,
    /// When the wake-up that counts happens.
    pub(super) wake_at: Time,
    /// Processor time used so far.
    pub(super) cpu: Span,
    /// Counts the events this node has caused.
    sequence: u32,
    /// Counts the starts, so that what belongs to an earlier life is not taken for this one's.
    pub(super) life: u8,
    /// Requests of others not answered yet.
    pub(super) owed: Vec<RequestToken>,
    /// Parcels of writes that are not safe yet, in order.
    pub(super) unsafe_writes: Vec<u32>,
    /// The guarded process and what stands over it, while the node has power and if it has one.
    pub(super) guarded: Option<Box<Guarded>>,
    /// What somebody saw of it, through all lives.
    pub(super) watched: Option<Box<Watched>>,
}

/// No wake-up is scheduled.
pub(super) const NEVER: Time = Time(u64::MAX);

impl Node {
    pub(super) fn new() -> Self {
        Self {
            peer: None,
            store: Store::default(),
            links: Vec::new(),
            busy_until: Time::START,
            disk_until: Time::START,
            wake_at: NEVER,
            cpu: Span::default(),
            sequence: 0,
            life: 0,
            owed: Vec::new(),
            unsafe_writes: Vec::new(),
            guarded: None,
            watched: None,
        }
    }

    /// Returns the number of the next event this node causes.
    pub(super) fn next_sequence(&mut self) -> u32 {
        self.reserve_sequences(1)
    }

    /// Keeps numbers for several events and returns the first.
    pub(super) fn reserve_sequences(&mut self, count: u32) -> u32 {
        let first = self.sequence;
        // A node that caused 2^32 events would have taken days of real time.
        self.sequence += count;
        first
    }

    /// Works for a while as soon as the processor is free, and returns when it is done.
    pub(super) fn work(&mut self, at: Time, cost: Span) -> Time {
        self.busy_until = self.busy_until.max(at) + cost;
        self.cpu += cost;
        self.busy_until
    }

    /// Notes a link; returns whether one to the same node was open.
    pub(super) fn link(&mut self, other: u32, life: u8) -> bool {
        match self.links.binary_search_by_key(&other, |(node, _)| *node) {
            Ok(place) => {
                self.links[place].1 = life;
                true
            }
            Err(place) => {
                self.links.insert(place, (other, life));
                false
            }
        }
    }

    /// Drops a link to one life of the other node, or to any; returns whether it was open.
    pub(super) fn unlink(&mut self, other: u32, life: Option<u8>) -> bool {
        let found = self.links.binary_search_by_key(&other, |(node, _)| *node);
        let Ok(place) = found else { return false };
        let is_meant = life.is_none_or(|life| self.links[place].1 == life);
        if is_meant {
            self.links.remove(place);
        }
        is_meant
    }

    /// Tells whether a link to the other node is open.
    pub(super) fn is_linked(&self, other: u32) -> bool {
        self.links
            .binary_search_by_key(&other, |(node, _)| *node)
            .is_ok()
    }
}

/// The first number of requests that go past a node's peer; its peer's own stay below.
const PAST_PEER: u64 = 1 << 23;

/// Returns the number of a request that goes past a node's peer.
pub(super) fn past_peer(count: u64) -> RequestId {
    RequestId(PAST_PEER + count)
}

/// Tells whether a request went past its node's peer.
pub(super) const fn is_past_peer(id: RequestId) -> bool {
    id.0 >= PAST_PEER
}

/// A request token that names the asker, its life and its request, so that none needs a table.
pub(super) fn token_of(asker: u32, life: u8, id: RequestId) -> RequestToken {
    assert!(
        id.0 < 1 << 24,
        "a node asks fewer than 8 million times in one life, and as often past its peer"
    );
    RequestToken(u64::from(asker) << 32 | u64::from(life) << 24 | id.0)
}

/// Takes a request token apart: asker, its life, its request.
pub(super) const fn asker_of(token: RequestToken) -> (u32, u8, RequestId) {
    let id = token.0 & 0x00FF_FFFF;
    ((token.0 >> 32) as u32, (token.0 >> 24) as u8, RequestId(id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn tokens_come_apart_as_they_were_put_together() {
        let token = token_of(99_999, 7, RequestId(123_456));
        assert_eq!(asker_of(token), (99_999, 7, RequestId(123_456)));
    }

    #[test]
    fn work_queues_behind_work() {
        let mut node = Node::new();
        assert_eq!(node.work(Time(100), Span(10)), Time(110));
        assert_eq!(node.work(Time(105), Span(10)), Time(120));
        assert_eq!(node.cpu, Span(20));
    }

    #[test]
    fn only_the_life_that_is_meant_loses_its_link() {
        let mut node = Node::new();
        assert!(!node.link(5, 1));
        assert!(node.link(5, 2));
        assert!(!node.unlink(5, Some(1)));
        assert!(node.is_linked(5));
        assert!(node.unlink(5, Some(2)));
        assert!(!node.unlink(5, None));
    }
}
