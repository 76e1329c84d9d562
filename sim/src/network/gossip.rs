//! Dissemination as gossipsub does it: eager push over the mesh, lazy repair beside it.
//!
//! A node that takes a message pushes it to its mesh neighbours, save the one it came from. At every
//! heartbeat it advertises what it took during the last three to six plain neighbours, and one that
//! misses a message asks for it (gossipsub v1.1: heartbeat 1 s, `mcache_gossip` 3, `D_lazy` 6).
//!
//! What a node has seen is a bit per message and node, not a set of ids. Advertisements are looked
//! up from the receiving side: one to a node that has the message changes nothing, so only nodes
//! that miss one are visited, and a heartbeat costs nothing when all have everything. Not modelled:
//! scoring, grafting, IDONTWANT, and the limits on how much is advertised or asked for.

use super::topology::Graph;
use crate::{
    random::{Purpose, Seed},
    time::Span,
};

/// Time between heartbeats.
pub const HEARTBEAT: Span = Span::from_secs(1);

/// Heartbeats during which a message is advertised.
pub const ADVERTISED_HEARTBEATS: usize = 3;

/// Neighbours who hear an advertisement.
pub const ADVERTISED_TO: usize = 6;

/// Which nodes of one shard have taken which messages.
///
/// Messages are numbered from zero in the order in which they were published.
#[derive(Default)]
pub struct Seen {
    nodes: u32,
    messages: Vec<Option<Message>>,
}

struct Message {
    seen: Bits,
    /// Who took it during the present heartbeat and the ones before it.
    taken: [Option<Bits>; ADVERTISED_HEARTBEATS],
}

impl Seen {
    /// Starts with no message for a shard of `nodes` nodes.
    pub const fn new(nodes: u32) -> Self {
        Self {
            nodes,
            messages: Vec::new(),
        }
    }

    /// Adds the next message, which nobody has seen.
    pub fn publish(&mut self) {
        self.messages.push(Some(Message {
            seen: Bits::new(self.nodes),
            taken: [const { None }; ADVERTISED_HEARTBEATS],
        }));
    }

    /// Notes that a node has a copy of a message, and tells whether it is the first.
    #[inline]
    pub fn first_copy(&mut self, message: u32, node: u32) -> bool {
        match &mut self.messages[message as usize] {
            Some(state) => state.seen.set(node),
            None => false,
        }
    }

    /// Notes that a node takes a message, and so will advertise it.
    pub fn take(&mut self, message: u32, node: u32) {
        if let Some(state) = &mut self.messages[message as usize] {
            state.taken[0]
                .get_or_insert_with(|| Bits::new(self.nodes))
                .set(node);
        }
    }

    /// Tells whether a node has had a copy of a message; all have had what is long forgotten.
    pub fn has(&self, message: u32, node: u32) -> bool {
        self.messages[message as usize]
            .as_ref()
            .is_none_or(|state| state.seen.has(node))
    }

    /// Tells whether a node advertises a message at this heartbeat.
    pub fn advertises(&self, message: u32, node: u32) -> bool {
        self.messages[message as usize]
            .as_ref()
            .is_some_and(|state| state.taken.iter().flatten().any(|bits| bits.has(node)))
    }

    /// Tells whether anybody here advertises a message at this heartbeat.
    pub fn is_advertised(&self, message: u32) -> bool {
        self.messages[message as usize]
            .as_ref()
            .is_some_and(|state| state.taken.iter().any(Option::is_some))
    }

    /// Lists the nodes that have no copy of a message.
    pub fn missing(&self, message: u32) -> impl Iterator<Item = u32> {
        self.messages[message as usize]
            .iter()
            .flat_map(|state| state.seen.zeros())
    }

    /// Ends a heartbeat for these messages: what was taken three heartbeats ago is advertised no more.
    pub fn end_heartbeat(&mut self, messages: impl Iterator<Item = u32>) {
        for message in messages {
            if let Some(state) = &mut self.messages[message as usize] {
                state.taken.rotate_right(1);
                state.taken[0] = None;
            }
        }
    }

    /// Forgets a message: from now on it is nobody's first copy.
    pub fn drop_message(&mut self, message: u32) {
        self.messages[message as usize] = None;
    }

    /// Forgets what a node has seen, as a crash does.
    pub fn forget(&mut self, node: u32) {
        for state in self.messages.iter_mut().flatten() {
            state.seen.clear(node);
            state
                .taken
                .iter_mut()
                .flatten()
                .for_each(|bits| bits.clear(node));
        }
    }
}

/// Lists those of the plain neighbours that advertise at all whose advertisements reach `node` at a heartbeat.
pub fn advertisers(
    seed: Seed,
    lazy: &Graph,
    node: u32,
    heartbeat: u32,
    advertises: impl Fn(u32) -> bool,
) -> impl Iterator<Item = u32> {
    lazy.neighbours(node)
        .iter()
        .copied()
        .filter(move |&neighbour| advertises(neighbour))
        .filter(move |&neighbour| {
            let hearers = lazy.neighbours(neighbour);
            let Ok(place) = hearers.binary_search(&node) else {
                return false;
            };
            is_chosen(seed, neighbour, heartbeat, place, hearers.len())
        })
}

/// Tells whether a node's advertisement goes to the neighbour at `place` in its list.
fn is_chosen(seed: Seed, node: u32, heartbeat: u32, place: usize, neighbours: usize) -> bool {
    if neighbours <= ADVERTISED_TO {
        return true;
    }
    // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S), with 32 bits for each decision.
    let mut chosen = 0;
    for index in 0..=place {
        let counter = u64::from(heartbeat) << 8 | (index / 4) as u64;
        let bits = seed.block(Purpose::Advertise, node, counter)[index % 4];
        let (wanted, left) = ((ADVERTISED_TO - chosen) as u64, (neighbours - index) as u64);
        let hit = (u64::from(bits) * left) >> 32 < wanted;
        if index == place {
            return hit;
        }
        chosen += usize::from(hit);
    }
    false
}

/// A bit per node.
struct Bits {
    words: Vec<u64>,
    nodes: u32,
}

impl Bits {
    fn new(nodes: u32) -> Self {
        Self {
            words: vec![0; nodes.div_ceil(64) as usize],
            nodes,
        }
    }

    /// Sets a bit and tells whether it was clear.
    fn set(&mut self, node: u32) -> bool {
        let (word, bit) = (&mut self.words[node as usize / 64], 1 << (node % 64));
        let was_clear = *word & bit == 0;
        *word |= bit;
        was_clear
    }

    fn clear(&mut self, node: u32) {
        self.words[node as usize / 64] &= !(1 << (node % 64));
    }

    fn has(&self, node: u32) -> bool {
        self.words[node as usize / 64] >> (node % 64) & 1 == 1
    }

    fn zeros(&self) -> impl Iterator<Item = u32> {
        (0_u32..)
            .step_by(64)
            .zip(&self.words)
            .flat_map(|(first, &word)| {
                let mut clear = !word;
                core::iter::from_fn(move || {
                    let bit = clear.trailing_zeros();
                    clear &= clear.wrapping_sub(1);
                    (bit < 64).then_some(first + bit)
                })
            })
            .take_while(|&node| node < self.nodes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::network::topology::Topology;

    #[test]
    fn only_the_first_copy_is_first() {
        let mut seen = Seen::new(100);
        seen.publish();
        assert!(seen.first_copy(0, 70));
        assert!(!seen.first_copy(0, 70));
        assert!(seen.first_copy(0, 71));
        assert_eq!(seen.missing(0).count(), 98);
    }

    #[test]
    fn a_message_is_advertised_for_three_heartbeats_after_it_was_taken() {
        let mut seen = Seen::new(10);
        seen.publish();
        seen.first_copy(0, 3);
        seen.take(0, 3);
        for _ in 0..ADVERTISED_HEARTBEATS {
            assert!(seen.advertises(0, 3) && !seen.advertises(0, 4));
            assert!(seen.is_advertised(0));
            seen.end_heartbeat([0].into_iter());
        }
        assert!(!seen.advertises(0, 3) && !seen.is_advertised(0));
    }

    #[test]
    fn a_crash_forgets_and_a_forgotten_message_is_nobodys_first_copy() {
        let mut seen = Seen::new(10);
        seen.publish();
        seen.first_copy(0, 3);
        seen.forget(3);
        assert!(seen.first_copy(0, 3));

        seen.drop_message(0);
        assert!(!seen.first_copy(0, 4));
        assert_eq!(seen.missing(0).count(), 0);
    }

    #[test]
    fn an_advertisement_goes_to_six_neighbours_and_over_time_to_all() {
        let topology = Topology::new(Seed(1), 400);
        let mut heard = vec![0_u32; 400];
        for heartbeat in 0..20 {
            let mut sent = vec![0_usize; 400];
            for node in 0..400 {
                for neighbour in advertisers(Seed(1), &topology.lazy, node, heartbeat, |_| true) {
                    sent[neighbour as usize] += 1;
                    heard[node as usize] += 1;
                }
            }
            assert!(sent.iter().all(|&sent| sent == ADVERTISED_TO), "{sent:?}");
        }
        assert!(
            heard.iter().all(|&heard| (60..=180).contains(&heard)),
            "{heard:?}"
        );
    }
}
