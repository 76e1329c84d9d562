//! Links: what the application is told about connections.
//!
//! A peer has one link, whatever its number of connections. It is up while there is a connection,
//! and *admitted* while one of them is inside the gate; each change between down, up and admitted
//! is announced exactly once.
//!
//! A link that is up outside the gate is replaced once both sides admit each other: the side that
//! dialled opens a new connection, and closes the old ones when the new one is up and no hello is
//! open. A replacement is made at most once per hello timeout, so that nobody can keep us dialling.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, swarm::ConnectionId};

use crate::api::{Direction, DownReason, NetEvent, PeerKey};

/// A connection with a peer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) address: Multiaddr,
    pub(crate) direction: Direction,
    /// Whether it is inside the gate.
    pub(crate) is_inside: bool,
    /// When it was established, or when its peer was admitted.
    pub(crate) since: Instant,
    pub(crate) rtt: Option<Duration>,
    /// Why we are closing it.
    closing: Option<DownReason>,
}

/// The connections with a peer.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Oldest first.
    pub(crate) connections: Vec<Connection>,
    /// Whether the peer said that it admits us.
    pub(crate) admits_us: bool,
    replaced_at: Option<Instant>,
    replacing: Vec<ConnectionId>,
    retired: Vec<ConnectionId>,
    announced: State,
}

/// What was announced of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Down,
    Up {
        admitted: bool,
    },
}

/// All links, ordered by peer.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<PeerKey, Link>,
    owners: HashMap<ConnectionId, PeerKey>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        address: Multiaddr,
        direction: Direction,
        is_inside: bool,
        now: Instant,
    ) -> Self {
        Self {
            id,
            address,
            direction,
            is_inside,
            since: now,
            rtt: None,
            closing: None,
        }
    }
}

impl Link {
    pub(crate) fn is_admitted(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.is_inside)
    }

    /// Starts the time of connections outside the gate anew; returns how many there are.
    pub(crate) fn admit(&mut self, now: Instant) -> usize {
        let outside = self.connections.iter_mut().filter(|one| !one.is_inside);
        outside.map(|one| one.since = now).count()
    }

    fn state(&self) -> State {
        if self.connections.is_empty() {
            return State::Down;
        }
        State::Up {
            admitted: self.is_admitted(),
        }
    }

    /// Announces the difference between what is and what was announced.
    fn announce(&mut self, peer: PeerKey, reason: DownReason) -> Vec<NetEvent> {
        let (before, now) = (self.announced, self.state());
        if before == now {
            return Vec::new();
        }
        self.announced = now;
        let reason = match (before, now) {
            (State::Up { admitted: false }, State::Up { admitted: true }) => DownReason::Regated,
            (State::Down | State::Up { .. }, _) => reason,
        };
        let down = (before != State::Down).then_some(NetEvent::LinkDown { peer, reason });
        down.into_iter().chain(self.up(peer)).collect()
    }

    fn up(&self, peer: PeerKey) -> Option<NetEvent> {
        let admitted = self.is_admitted();
        let best = self
            .connections
            .iter()
            .find(|connection| connection.is_inside == admitted)?;
        Some(NetEvent::LinkUp {
            peer,
            address: best.address.clone(),
            dialer: best.direction == Direction::Outbound,
            admitted,
        })
    }
}

impl Links {
    pub(crate) fn of(&self, peer: &PeerKey) -> Option<&Link> {
        self.links.get(peer)
    }

    pub(crate) fn of_mut(&mut self, peer: &PeerKey) -> Option<&mut Link> {
        self.links.get_mut(peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerKey, &Link)> {
        self.links.iter()
    }

    /// Notes a new connection.
    pub(crate) fn open(&mut self, peer: PeerKey, connection: Connection) -> Vec<NetEvent> {
        self.owners.insert(connection.id, peer);
        let link = self.links.entry(peer).or_default();
        link.connections.push(connection);
        link.announce(peer, DownReason::Closed)
    }

    /// Notes the end of a connection; `reason` holds unless we were closing it for one of our own.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: DownReason) -> Vec<NetEvent> {
        let Some(peer) = self.owners.remove(&id) else {
            return Vec::new();
        };
        let Some(link) = self.links.get_mut(&peer) else {
            return Vec::new();
        };
        let Some(at) = link
            .connections
            .iter()
            .position(|connection| connection.id == id)
        else {
            return Vec::new();
        };
        let closed = link.connections.remove(at);
        link.replacing.retain(|other| *other != id);
        link.retired.retain(|other| *other != id);
        let events = link.announce(peer, closed.closing.unwrap_or(reason));
        if link.connections.is_empty() {
            self.links.remove(&peer);
        }
        events
    }

    /// Notes why we are closing a connection.
    pub(crate) fn closing(&mut self, id: ConnectionId, reason: DownReason) {
        if let Some(connection) = self.connection_mut(id) {
            connection.closing.get_or_insert(reason);
        }
    }

    /// Notes why we are closing all connections with a peer, and returns them.
    pub(crate) fn closing_all(&mut self, peer: &PeerKey, reason: &DownReason) -> Vec<ConnectionId> {
        let connections = self
            .links
            .get_mut(peer)
            .into_iter()
            .flat_map(|link| &mut link.connections);
        connections
            .map(|connection| {
                connection.closing.get_or_insert(reason.clone());
                connection.id
            })
            .collect()
    }

    pub(crate) fn measured(&mut self, id: ConnectionId, rtt: Duration) {
        if let Some(connection) = self.connection_mut(id) {
            connection.rtt = Some(rtt);
        }
    }

    /// Returns the connections that have been outside the gate for too long.
    pub(crate) fn overdue(&self, now: Instant, timeout: Duration) -> Vec<ConnectionId> {
        let connections = self.links.values().flat_map(|link| &link.connections);
        connections
            .filter(|connection| {
                !connection.is_inside && now.duration_since(connection.since) > timeout
            })
            .map(|connection| connection.id)
            .collect()
    }

    /// Notes that a connection was put outside the gate. Nothing is announced yet: either it is
    /// replaced soon, which is a new link as it is to the peer, or its time outside runs out.
    pub(crate) fn retire(&mut self, id: ConnectionId, now: Instant) {
        if let Some(connection) = self.connection_mut(id) {
            connection.is_inside = false;
            connection.since = now;
        }
        if let Some(link) = self
            .owners
            .get(&id)
            .and_then(|peer| self.links.get_mut(peer))
        {
            link.announced = link.state();
        }
    }

    /// Starts the replacement of a link that we dialled; returns the address to dial again.
    ///
    /// `None` if the peer is not known to admit us, if it dialled, or if a replacement was
    /// started less than `pause` ago.
    pub(crate) fn replace(
        &mut self,
        peer: &PeerKey,
        now: Instant,
        pause: Duration,
    ) -> Option<Multiaddr> {
        let link = self.links.get_mut(peer)?;
        let is_recent = |at: Instant| now.duration_since(at) < pause;
        if !link.admits_us || link.replaced_at.is_some_and(is_recent) {
            return None;
        }
        let dialled = link
            .connections
            .iter()
            .filter(|one| one.direction == Direction::Outbound);
        let (ids, addresses): (Vec<_>, Vec<_>) = dialled.map(|one| (one.id, &one.address)).unzip();
        let address = (*addresses.last()?).clone();
        link.replacing = ids;
        link.replaced_at = Some(now);
        Some(address)
    }

    /// Notes that the replacement is up, or failed: then the old connections stay.
    pub(crate) fn replaced(&mut self, peer: &PeerKey, is_up: bool) {
        if let Some(link) = self.links.get_mut(peer) {
            let old = std::mem::take(&mut link.replacing);
            if is_up {
                link.retired.extend(old);
            }
        }
    }

    /// Takes the connections of a peer that were replaced and can be closed.
    pub(crate) fn take_retired(&mut self, peer: &PeerKey) -> Vec<ConnectionId> {
        self.links
            .get_mut(peer)
            .map(|link| std::mem::take(&mut link.retired))
            .unwrap_or_default()
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let link = self.links.get_mut(self.owners.get(&id)?)?;
        link.connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

    use super::*;

    const PEER: PeerKey = PeerKey([7; 32]);
    const PAUSE: Duration = Duration::from_secs(15);

    fn connection(id: usize, direction: Direction, is_inside: bool) -> Connection {
        let id = ConnectionId::new_unchecked(id);
        Connection::new(
            id,
            "/memory/1".parse().unwrap(),
            direction,
            is_inside,
            Instant::now(),
        )
    }

    fn told(events: &[NetEvent]) -> String {
        let word = |event: &NetEvent| match event {
            NetEvent::LinkUp { admitted: true, .. } => "in".to_owned(),
            NetEvent::LinkUp {
                admitted: false, ..
            } => "up".to_owned(),
            NetEvent::LinkDown { reason, .. } => format!("{reason:?}"),
            other => panic!("links do not speak of {other:?}"),
        };
        events.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_change_of_a_link_is_told_once() {
        let mut links = Links::default();
        let close = |links: &mut Links, id| {
            told(&links.close(ConnectionId::new_unchecked(id), DownReason::Closed))
        };

        assert_eq!(
            told(&links.open(PEER, connection(1, Direction::Outbound, false))),
            "up"
        );
        assert_eq!(
            told(&links.open(PEER, connection(2, Direction::Outbound, true))),
            "Regated in"
        );
        assert_eq!(
            told(&links.open(PEER, connection(3, Direction::Inbound, true))),
            ""
        );
        assert_eq!(close(&mut links, 1), "");
        assert_eq!(close(&mut links, 2), "");
        assert_eq!(close(&mut links, 3), "Closed");
        assert!(links.of(&PEER).is_none());
    }

    #[test]
    fn replacement_of_a_retired_connection_is_told_as_the_new_link_it_is_to_the_peer() {
        let mut links = Links::default();
        links.open(PEER, connection(1, Direction::Outbound, true));

        links.retire(ConnectionId::new_unchecked(1), Instant::now());

        assert_eq!(
            told(&links.open(PEER, connection(2, Direction::Outbound, true))),
            "Regated in"
        );
    }

    #[test]
    fn our_own_reason_for_closing_is_told() {
        let mut links = Links::default();
        links.open(PEER, connection(1, Direction::Inbound, true));

        let ids = links.closing_all(&PEER, &DownReason::Expelled);

        assert_eq!(told(&links.close(ids[0], DownReason::Closed)), "Expelled");
    }

    #[test]
    fn only_the_side_that_dialled_replaces_and_only_once_per_pause() {
        let now = Instant::now();
        let mut links = Links::default();
        links.open(PEER, connection(1, Direction::Inbound, false));
        links.of_mut(&PEER).unwrap().admits_us = true;
        assert_eq!(links.replace(&PEER, now, PAUSE), None, "the peer dialled");

        links.open(PEER, connection(2, Direction::Outbound, false));
        assert!(links.replace(&PEER, now, PAUSE).is_some());
        assert_eq!(links.replace(&PEER, now, PAUSE), None, "too soon");

        links.replaced(&PEER, true);
        assert_eq!(links.take_retired(&PEER), [ConnectionId::new_unchecked(2)]);
    }

    #[test]
    fn link_is_not_replaced_before_the_peer_admits_us() {
        let mut links = Links::default();
        links.open(PEER, connection(1, Direction::Outbound, false));
        assert_eq!(links.replace(&PEER, Instant::now(), PAUSE), None);
    }
}
