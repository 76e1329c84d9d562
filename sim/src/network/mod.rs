//! The virtual network: who is linked to whom, how long a message takes, and whether it arrives.
//!
//! [`Network::transmit`] is a pure function of sender, receiver, the sender's message count and the
//! faults in force, so shards on several threads share one network. It models delay, loss and
//! partitions; it does not model bandwidth, queues in routers or connection set-up.

pub mod gossip;
pub mod latency;
pub mod topology;

use std::collections::BTreeSet;

use crate::{
    random::{Ppm, Purpose, Seed},
    time::{Span, Time},
};
use latency::{Latency, LatencyModel};
use topology::Topology;

/// The network between the nodes of a run.
pub struct Network {
    seed: Seed,
    /// Who is linked to whom.
    pub topology: Topology,
    latency: Latency,
    loss: Ppm,
    /// What every message takes longer than usual.
    lag: Span,
    /// The partition each node is in; empty while the network is whole.
    groups: Vec<u16>,
    eclipse: Option<Eclipse>,
}

/// A node all of whose links are in hostile hands.
struct Eclipse {
    victim: u32,
    circle: BTreeSet<u32>,
}

impl Network {
    /// Lays a network between `nodes` nodes.
    pub fn new(seed: Seed, nodes: u32, model: LatencyModel) -> Self {
        Self {
            seed,
            topology: Topology::new(seed, nodes),
            latency: Latency::new(seed, nodes, model),
            loss: Ppm::NEVER,
            lag: Span::default(),
            groups: Vec::new(),
            eclipse: None,
        }
    }

    /// Lets each message be lost with this probability from now on.
    pub fn lose(&mut self, loss: Ppm) {
        self.loss = loss;
    }

    /// Lets each message take so much longer from now on.
    pub fn lag(&mut self, lag: Span) {
        self.lag = lag;
    }

    /// Cuts the network: from now on messages pass only between nodes of one group.
    ///
    /// # Panics
    ///
    /// Panics unless there is a group for every node.
    pub fn partition(&mut self, groups: Vec<u16>) {
        assert_eq!(
            groups.len(),
            self.topology.nodes() as usize,
            "a group for every node"
        );
        self.groups = groups;
    }

    /// Cuts a node off from all but a hostile circle, which listens to it and says nothing to it by itself.
    pub fn eclipse(&mut self, victim: u32, circle: BTreeSet<u32>) {
        self.eclipse = Some(Eclipse { victim, circle });
    }

    /// Takes partitions and eclipses away.
    pub fn join(&mut self) {
        self.groups = Vec::new();
        self.eclipse = None;
    }

    /// Tells whether the two nodes are in one partition.
    pub fn joined(&self, a: u32, b: u32) -> bool {
        let is_cut = |eclipse: &Eclipse| {
            let is_out = |one, other| one == eclipse.victim && !eclipse.circle.contains(&other);
            is_out(a, b) || is_out(b, a)
        };
        let in_one = self.groups.is_empty() || self.groups[a as usize] == self.groups[b as usize];
        in_one && !self.eclipse.as_ref().is_some_and(is_cut)
    }

    /// Tells whether what `from` sends by its peer's rules gets through to `to`.
    fn passes(&self, from: u32, to: u32) -> bool {
        let is_mute = self
            .eclipse
            .as_ref()
            .is_some_and(|eclipse| to == eclipse.victim && from != to);
        self.joined(from, to) && !is_mute
    }

    /// Returns when a message arrives, `None` if it is lost; `sequence` counts the sender's messages.
    #[inline]
    pub fn transmit(&self, from: u32, to: u32, sequence: u32, at: Time) -> Option<Time> {
        if !self.passes(from, to) {
            return None;
        }
        let [jitter, loss, ..] = self.seed.block(Purpose::Transit, from, u64::from(sequence));
        (!self.loss.hit(loss)).then(|| at + self.lag + self.latency.sample(from, to, jitter))
    }

    /// Returns when something sent over a reliable transport arrives; `None` across a partition.
    ///
    /// What is lost is sent again: after 1 s, then after twice as long each time (RFC 6298, 2 and 5.5);
    /// the fourth try always arrives.
    pub fn transmit_reliably(&self, from: u32, to: u32, sequence: u32, at: Time) -> Option<Time> {
        self.passes(from, to)
            .then(|| self.transmit_past_peers(from, to, sequence, at))?
    }

    /// Returns when something arrives that a hostile driver sends; `None` where no line leads.
    pub fn transmit_past_peers(&self, from: u32, to: u32, sequence: u32, at: Time) -> Option<Time> {
        if !self.joined(from, to) {
            return None;
        }
        let [jitter, tries @ ..] = self.seed.block(Purpose::Transit, from, u64::from(sequence));
        let lost = tries
            .into_iter()
            .take_while(|bits| self.loss.hit(*bits))
            .count();
        let waited = Span::from_secs((1 << lost) - 1);
        Some(at + waited + self.lag + self.latency.sample(from, to, jitter))
    }

    /// Returns the region that a node stands in; one for all if every message takes as long.
    pub fn region(&self, node: u32) -> u8 {
        self.latency.region(node)
    }

    /// Returns the shortest time any message takes: how far apart in time shards may run.
    pub fn delay_min(&self) -> Span {
        self.latency.min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const MODEL: LatencyModel = LatencyModel::Internet;

    #[test]
    fn a_partition_lets_nothing_through_until_it_is_joined() {
        let mut network = Network::new(Seed(1), 4, MODEL);
        network.partition(vec![0, 0, 1, 1]);
        assert!(network.transmit(0, 1, 0, Time::START).is_some());
        assert_eq!(network.transmit(1, 2, 0, Time::START), None);

        network.join();
        assert!(network.transmit(1, 2, 0, Time::START).is_some());
    }

    #[test]
    fn an_eclipsed_node_is_heard_by_its_circle_only_and_hears_what_hostile_drivers_send() {
        let mut network = Network::new(Seed(1), 4, MODEL);
        network.eclipse(0, BTreeSet::from([1]));
        assert!(network.transmit(0, 1, 0, Time::START).is_some());
        assert_eq!(network.transmit(0, 2, 0, Time::START), None);
        assert_eq!(network.transmit_reliably(1, 0, 0, Time::START), None);
        assert!(network.transmit_past_peers(1, 0, 0, Time::START).is_some());
        assert_eq!(network.transmit_past_peers(2, 0, 0, Time::START), None);
        assert!(network.transmit(1, 2, 0, Time::START).is_some());
    }

    #[test]
    fn messages_are_lost_as_often_as_asked() {
        let mut network = Network::new(Seed(1), 4, MODEL);
        network.lose(Ppm::new(100_000).unwrap());
        let lost = (0..20_000)
            .filter(|n| network.transmit(0, 1, *n, Time::START).is_none())
            .count();
        assert!((1_800..2_200).contains(&lost), "{lost}");
    }

    #[test]
    fn a_lag_is_added_to_every_delay() {
        let mut network = Network::new(Seed(1), 4, LatencyModel::Fixed(Span(5)));
        network.lag(Span(100));
        assert_eq!(network.transmit(0, 1, 0, Time::START), Some(Time(105)));
        assert_eq!(
            network.transmit_reliably(0, 1, 1, Time::START),
            Some(Time(105))
        );
        network.lag(Span::default());
        assert_eq!(network.transmit(0, 1, 2, Time::START), Some(Time(5)));
    }

    #[test]
    fn a_reliable_transport_delivers_everything_some_of_it_late() {
        let mut network = Network::new(Seed(1), 4, LatencyModel::Fixed(Span(5)));
        network.lose(Ppm::new(500_000).unwrap());
        let mut waits = [0_u32; 4];
        for n in 0..8_000 {
            let arrival = network.transmit_reliably(0, 1, n, Time::START).unwrap();
            match arrival.0 {
                5 => waits[0] += 1,
                1_000_005 => waits[1] += 1,
                3_000_005 => waits[2] += 1,
                7_000_005 => waits[3] += 1,
                other => panic!("arrived after {other} µs"),
            }
        }
        assert!(
            waits
                .iter()
                .zip([4_000, 2_000, 1_000, 1_000])
                .all(|(n, m)| n.abs_diff(m) < 200)
        );
    }

    #[test]
    fn no_message_is_faster_than_the_shortest_delay() {
        let network = Network::new(Seed(1), 100, MODEL);
        let least = (0..20_000)
            .map(|n| {
                network
                    .transmit(n % 100, (n * 7 + 1) % 100, n, Time::START)
                    .unwrap()
            })
            .min();
        assert!(least >= Some(Time::START + network.delay_min()));
    }
}
