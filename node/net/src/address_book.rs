//! Addresses: how far they reach, and which ones are known of whom.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::api::PeerKey;

/// How far an address reaches, narrow to wide.
///
/// A peer may tell only addresses at least as wide as the connection it tells them on: nobody from
/// afar can make us knock on doors of our own machine or network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Within one process (memory transport).
    Process,
    /// Within one machine.
    Machine,
    /// Within one network: RFC 1918, RFC 4193, RFC 6598, link-local.
    Network,
    /// The internet, or a name.
    Global,
}

impl Scope {
    /// Finds the scope from the first part of an address; through a relay, that of the relay.
    pub(crate) fn of(address: &Multiaddr) -> Self {
        if let Some(Protocol::Memory(_)) = address.iter().next() {
            return Self::Process;
        }
        ip_of(address).map_or(Self::Global, Self::of_ip)
    }

    fn of_ip(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        if ip.is_loopback() || ip.is_unspecified() {
            return Self::Machine;
        }
        let local = match ip {
            IpAddr::V4(ip) => {
                let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
                ip.is_private() || ip.is_link_local() || shared
            }
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        if local { Self::Network } else { Self::Global }
    }
}

/// Returns the IP address that an address starts with.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    if let Some(Protocol::Ip4(ip)) = address.iter().next() {
        return Some(ip.into());
    }
    if let Some(Protocol::Ip6(ip)) = address.iter().next() {
        return Some(ip.into());
    }
    None
}

/// Tells whether an address leads through a relay.
pub(crate) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Returns the relay of an address to listen on through it.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut relay = None;
    for part in address.iter() {
        if part == Protocol::P2pCircuit {
            return relay;
        }
        if let Protocol::P2p(peer) = part {
            relay = Some(peer);
        }
    }
    None
}

/// Returns the address without the name of the peer at its end; `None` if another peer is named.
pub(crate) fn bare(address: &Multiaddr, peer: &PeerId) -> Option<Multiaddr> {
    let mut address = address.clone();
    match address.iter().last() {
        Some(Protocol::P2p(named)) if named == *peer => {
            address.pop();
        }
        Some(Protocol::P2p(_)) | None => return None,
        Some(_) => {}
    }
    (!address.is_empty()).then_some(address)
}

/// The addresses known of peers, newest first; the peer known for longest makes room.
#[derive(Debug)]
pub(crate) struct AddressBook {
    peers: HashMap<PeerKey, VecDeque<Multiaddr>>,
    order: VecDeque<PeerKey>,
    peers_max: usize,
    addresses_max: usize,
}

impl AddressBook {
    pub(crate) fn new(peers_max: usize, addresses_max: usize) -> Self {
        Self {
            peers: HashMap::new(),
            order: VecDeque::new(),
            peers_max,
            addresses_max,
        }
    }

    /// Notes an address as the newest; returns whether it was not known.
    pub(crate) fn add(&mut self, peer: PeerKey, address: &Multiaddr) -> bool {
        let Some(address) = bare(address, &peer.peer_id()) else {
            return false;
        };
        if !self.peers.contains_key(&peer) {
            self.make_room();
            self.order.push_back(peer);
        }
        let known = self.peers.entry(peer).or_default();
        let before = known.len();
        known.retain(|other| *other != address);
        let is_new = known.len() == before;
        known.push_front(address);
        known.truncate(self.addresses_max);
        is_new
    }

    pub(crate) fn of(&self, peer: &PeerKey) -> impl Iterator<Item = &Multiaddr> {
        self.peers.get(peer).into_iter().flatten()
    }

    pub(crate) fn forget(&mut self, peer: &PeerKey) {
        if self.peers.remove(peer).is_some() {
            self.order.retain(|other| other != peer);
        }
    }

    fn make_room(&mut self) {
        while self.peers.len() >= self.peers_max {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.peers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn scopes_widen_from_process_to_internet() {
        let scopes = [
            "/memory/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/100.64.0.1/tcp/1",
            "/ip4/9.9.9.9/tcp/1",
        ]
        .map(|text| Scope::of(&address(text)));
        assert!(scopes.is_sorted() && scopes[0] < scopes[3]);
        assert_eq!(
            Scope::of(&address("/ip6/::ffff:10.0.0.1/tcp/1")),
            Scope::Network
        );
        assert_eq!(Scope::of(&address("/ip6/fe80::1/tcp/1")), Scope::Network);
        assert_eq!(
            Scope::of(&address("/dns4/example.org/tcp/1")),
            Scope::Global
        );
    }

    #[test]
    fn book_stays_within_its_bounds() {
        let mut book = AddressBook::new(2, 2);
        for peer in 1..=3 {
            for port in 1..=3 {
                book.add(
                    PeerKey([peer; 32]),
                    &address(&format!("/ip4/9.9.9.9/tcp/{port}")),
                );
            }
        }

        assert_eq!(
            book.of(&PeerKey([1; 32])).count(),
            0,
            "the oldest peer makes room"
        );
        let newest: Vec<_> = book.of(&PeerKey([3; 32])).cloned().collect();
        assert_eq!(
            newest,
            [address("/ip4/9.9.9.9/tcp/3"), address("/ip4/9.9.9.9/tcp/2")]
        );
    }

    #[test]
    fn address_that_names_another_peer_is_not_noted() {
        let mut book = AddressBook::new(2, 2);
        let (peer, other) = (PeerKey([1; 32]), PeerKey([2; 32]));

        assert!(!book.add(peer, &address(&format!("/ip4/9.9.9.9/tcp/1/p2p/{other}"))));
        assert!(book.add(peer, &address(&format!("/ip4/9.9.9.9/tcp/1/p2p/{peer}"))));
        assert!(
            !book.add(peer, &address("/ip4/9.9.9.9/tcp/1")),
            "the same without its name"
        );
    }

    #[test]
    fn relay_is_found_in_a_circuit_address() {
        let relay = PeerKey([5; 32]);
        let circuit = address(&format!("/ip4/9.9.9.9/tcp/1/p2p/{relay}/p2p-circuit"));
        assert_eq!(relay_of(&circuit), Some(relay.peer_id()));
        assert_eq!(relay_of(&address("/ip4/9.9.9.9/tcp/1")), None);
    }
}
