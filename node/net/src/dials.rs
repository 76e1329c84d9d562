//! The throttle on dials: a bounded queue, and a bound on how many are under way.
//!
//! A quarter of the places is kept for dials that behaviours ask for (look-ups, relays, probes): a
//! dial through a relay waits for the dial of the relay and must not hold its place.

use std::collections::{HashMap, VecDeque};

use libp2p::{
    Multiaddr,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use crate::api::PeerKey;

/// Why a dial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Asked for through the handle.
    Asked,
    /// Replaces a connection on which the peer was not admitted.
    Replacement,
    /// Asked for by a behaviour.
    Inner,
}

/// A dial under way.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    /// The peer, if it was asked for by key.
    pub(crate) peer: Option<PeerKey>,
    /// The addresses given; behaviours may add to them.
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) purpose: Purpose,
}

/// The waiting dials and those under way.
#[derive(Debug)]
pub(crate) struct Dials {
    asked: VecDeque<Dial>,
    inner: VecDeque<DialOpts>,
    under_way: HashMap<ConnectionId, Dial>,
    asked_max: usize,
    inner_max: usize,
    waiting_max: usize,
}

impl Dials {
    /// Makes a throttle of `max` (2 or more) dials under way and `waiting_max` waiting.
    pub(crate) fn new(max: usize, waiting_max: usize) -> Self {
        let inner_max = (max / 4).max(1);
        Self {
            asked: VecDeque::new(),
            inner: VecDeque::new(),
            under_way: HashMap::new(),
            asked_max: (max - inner_max.min(max)).max(1),
            inner_max,
            waiting_max,
        }
    }

    /// Queues a dial of a peer. One that waits already gets the addresses; one under way is left
    /// to report. Returns the dial if the queue is full.
    pub(crate) fn ask(&mut self, dial: Dial) -> Result<(), Dial> {
        let is_same = |other: &Dial| other.peer == dial.peer && other.purpose == dial.purpose;
        if let Some(waiting) = self.asked.iter_mut().find(|waiting| is_same(waiting)) {
            for address in dial.addresses {
                if !waiting.addresses.contains(&address) {
                    waiting.addresses.push(address);
                }
            }
            return Ok(());
        }
        if self.under_way.values().any(is_same) {
            return Ok(());
        }
        if self.asked.len() >= self.waiting_max {
            return Err(dial);
        }
        self.asked.push_back(dial);
        Ok(())
    }

    /// Queues a dial of a behaviour; returns it if the queue is full.
    pub(crate) fn ask_inner(&mut self, options: DialOpts) -> Option<DialOpts> {
        if self.inner.len() >= self.waiting_max {
            return Some(options);
        }
        self.inner.push_back(options);
        None
    }

    /// Takes the next dial, if there is a free place for it, and counts it as under way.
    pub(crate) fn next(&mut self) -> Option<DialOpts> {
        self.next_asked().or_else(|| self.next_inner())
    }

    /// Ends a dial that was under way.
    pub(crate) fn end(&mut self, connection: ConnectionId) -> Option<Dial> {
        self.under_way.remove(&connection)
    }

    /// Drops a peer's waiting dials.
    pub(crate) fn forget(&mut self, peer: &PeerKey) {
        self.asked.retain(|dial| dial.peer.as_ref() != Some(peer));
    }

    fn next_asked(&mut self) -> Option<DialOpts> {
        if self.count(|purpose| purpose != Purpose::Inner) >= self.asked_max {
            return None;
        }
        let dial = self.asked.pop_front()?;
        let options = options(&dial)?;
        self.under_way.insert(options.connection_id(), dial);
        Some(options)
    }

    fn next_inner(&mut self) -> Option<DialOpts> {
        if self.count(|purpose| purpose == Purpose::Inner) >= self.inner_max {
            return None;
        }
        let options = self.inner.pop_front()?;
        let peer = options
            .get_peer_id()
            .and_then(|peer| PeerKey::try_from(peer).ok());
        let dial = Dial {
            peer,
            addresses: Vec::new(),
            purpose: Purpose::Inner,
        };
        self.under_way.insert(options.connection_id(), dial);
        Some(options)
    }

    fn count(&self, wanted: impl Fn(Purpose) -> bool) -> usize {
        self.under_way
            .values()
            .filter(|dial| wanted(dial.purpose))
            .count()
    }
}

fn options(dial: &Dial) -> Option<DialOpts> {
    let options = DialOpts::peer_id(dial.peer?.peer_id());
    let options = match dial.purpose {
        // A replacement runs beside the old connection, so it needs a port of its own.
        Purpose::Replacement => options.condition(PeerCondition::Always).allocate_new_port(),
        Purpose::Asked | Purpose::Inner => options.condition(PeerCondition::Disconnected),
    };
    Some(
        options
            .addresses(dial.addresses.clone())
            .extend_addresses_through_behaviour()
            .build(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn dial(peer: u8) -> Dial {
        let addresses = vec!["/memory/1".parse().unwrap()];
        Dial {
            peer: Some(PeerKey([peer; 32])),
            addresses,
            purpose: Purpose::Asked,
        }
    }

    #[test]
    fn no_more_dials_start_than_there_are_places() {
        let mut dials = Dials::new(4, 100);
        for peer in 0..10 {
            dials.ask(dial(peer)).unwrap();
        }

        let started: Vec<_> = std::iter::from_fn(|| dials.next()).collect();
        assert_eq!(started.len(), 3, "the fourth place is for behaviours");

        dials.end(started[0].connection_id());
        assert!(dials.next().is_some() && dials.next().is_none());
        assert_eq!(dials.under_way.len(), 3);
    }

    #[test]
    fn behaviour_dials_have_places_of_their_own() {
        let mut dials = Dials::new(4, 100);
        for peer in 0..10 {
            dials.ask(dial(peer)).unwrap();
        }
        while dials.next().is_some() {}

        assert!(
            dials
                .ask_inner(DialOpts::from(PeerKey([99; 32]).peer_id()))
                .is_none()
        );
        assert!(dials.next().is_some());
    }

    #[test]
    fn second_wish_for_a_peer_joins_the_first() {
        let mut dials = Dials::new(4, 1);
        dials.ask(dial(1)).unwrap();
        let mut again = dial(1);
        again.addresses = vec!["/memory/2".parse().unwrap()];

        dials.ask(again).unwrap();

        assert_eq!(dials.asked.front().unwrap().addresses.len(), 2);
        assert!(dials.ask(dial(2)).is_err(), "the queue is full");
    }
}
