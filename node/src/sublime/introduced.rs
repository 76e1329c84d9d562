//! The IPFS nodes that linked members have named: who is asked for content, and for how much of it they hold.
//!
//! Kept in memory only: a node is introduced anew whenever a link opens. Each member stands for one IPFS node, and an IPFS node
//! for one copy, however many members name it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use tracing::debug;
use x0_crypto::PublicKey;
use x0_protocol::wire::TierAddress;
use x0_tiers::{IpfsTier, Multiaddr, PeerId};

/// Members whose IPFS nodes are remembered, some hundreds of bytes each.
const MEMBERS_MAX: usize = 256;
/// IPFS nodes that are connected to for one question: what the node has connections for, less those of others.
const CONNECTED_MAX: usize = 48;
/// Nodes that are dialled at a time.
const DIALLED_AT_A_TIME: usize = 8;
/// Time between two introductions of one member for which its addresses are dialled at once.
const INTRODUCED_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for one address, and for all of a member: one that leads nowhere must not hold up a count.
const DIAL_WAIT: Duration = Duration::from_secs(2);
const MEMBER_WAIT: Duration = Duration::from_secs(6);

/// Who was introduced.
#[derive(Default)]
pub(super) struct Introduced(Mutex<BTreeMap<PublicKey, Named>>);

struct Named {
    addresses: Vec<Multiaddr>,
    at: Instant,
}

impl Introduced {
    /// Takes in what a linked member says; tells whether its node is to be connected to at once. What it said last counts.
    pub(super) fn hear(&self, member: PublicKey, addresses: &[TierAddress]) -> bool {
        let mut members = self.members();
        let before = members.get(&member).map(|named| named.at);
        let is_soon = before.is_some_and(|at| at.elapsed() < INTRODUCED_EVERY);
        let addresses = addresses.iter();
        let addresses = addresses.filter_map(|address| address.as_str().parse().ok());
        let named = Named {
            addresses: addresses.collect(),
            at: before.filter(|_| is_soon).unwrap_or_else(Instant::now),
        };
        members.insert(member, named);
        if members.len() > MEMBERS_MAX {
            let oldest = members.iter().min_by_key(|(_, named)| named.at);
            if let Some(oldest) = oldest.map(|(member, _)| *member) {
                members.remove(&oldest);
            }
        }
        !is_soon
    }

    /// Forgets a member who has left.
    pub(super) fn forget(&self, member: &PublicKey) {
        self.members().remove(member);
    }

    /// Connects to the IPFS node of one member, by the first of its addresses that works.
    pub(super) async fn connect_one(&self, ipfs: &IpfsTier, member: &PublicKey) -> Option<PeerId> {
        let addresses = self.members().get(member)?.addresses.clone();
        connect(ipfs, addresses).await
    }

    /// Connects to the IPFS nodes of all members, and returns those that are there.
    pub(super) async fn connect(&self, ipfs: &IpfsTier) -> BTreeSet<PeerId> {
        let named: Vec<_> = {
            let members = self.members();
            let mut named: Vec<_> = members.values().collect();
            // Who was introduced last is the likeliest to be there.
            named.sort_by_key(|named| std::cmp::Reverse(named.at));
            let named = named.into_iter().take(CONNECTED_MAX);
            named.map(|named| named.addresses.clone()).collect()
        };
        stream::iter(named)
            .map(|addresses| connect(ipfs, addresses))
            .buffer_unordered(DIALLED_AT_A_TIME)
            .filter_map(|peer| async move { peer })
            .collect()
            .await
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Named>> {
        // Nothing is done under the lock that could leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(ipfs: &IpfsTier, addresses: Vec<Multiaddr>) -> Option<PeerId> {
    let connected = tokio::time::timeout(MEMBER_WAIT, first_of(ipfs, addresses)).await;
    connected.ok().flatten()
}

async fn first_of(ipfs: &IpfsTier, addresses: Vec<Multiaddr>) -> Option<PeerId> {
    for address in addresses {
        let connected = tokio::time::timeout(DIAL_WAIT, ipfs.connect(address.clone())).await;
        match connected {
            Ok(Ok(peer)) => return Some(peer),
            Ok(Err(cause)) => debug!(%cause, %address, "an IPFS node is not reached"),
            Err(_) => debug!(%address, "an IPFS node does not answer"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;

    use super::*;

    fn member(number: usize) -> PublicKey {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Identity::from_seed(seed.into()).public()
    }

    #[test]
    fn what_a_member_said_last_counts_and_is_dialled_at_once_only_now_and_then() {
        let introduced = Introduced::default();
        let address =
            |port: u16| -> TierAddress { format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap() };
        assert!(introduced.hear(member(1), &[address(1)]));
        assert!(
            !introduced.hear(member(1), &[address(2)]),
            "it was heard just now"
        );
        assert!(introduced.hear(member(2), &[address(3)]));
        let known = introduced.members()[&member(1)].addresses.clone();
        assert_eq!(known, ["/ip4/127.0.0.1/tcp/2".parse().unwrap()]);
    }

    #[test]
    fn no_more_members_are_remembered_than_the_limit() {
        let introduced = Introduced::default();
        for number in 0..MEMBERS_MAX + 3 {
            introduced.hear(member(number), &[]);
        }
        let members = introduced.members();
        assert_eq!(members.len(), MEMBERS_MAX);
        assert!(!members.contains_key(&member(0)));
        assert!(members.contains_key(&member(MEMBERS_MAX + 2)));
    }
}
