//! A node's power: starting from what its disk holds, and losing what was not yet on it.

use std::mem;

use x0_crypto::committee::{Keyring, Purpose as KeyPurpose};
use x0_protocol::{Peer, PeerConfig, peer::Stored};

use super::{
    super::{Shared, guarded::Guarded, node::NEVER, store::Store},
    Shard, Turn, clock,
};
use crate::{random::Purpose, time::Time};

impl Shard {
    /// Returns what a seat holds of the committee's keys.
    pub(in crate::world) fn keyring(&self, node: u32) -> Option<&Keyring> {
        self.keyrings.get(&node)
    }

    /// Puts a node's disk back to what it held before; it must have no power.
    pub(in crate::world) fn put_back(&mut self, node: u32, store: Store) {
        let local = self.local(node);
        for record in store.records() {
            self.keep(record);
        }
        self.nodes[local].store = store;
    }

    /// Starts a node's peer from what its store holds.
    pub(in crate::world) fn start(&mut self, shared: &Shared, node: u32, now: Time, is_new: bool) {
        let local = self.local(node);
        let mut stored = if is_new {
            Stored::default()
        } else {
            self.nodes[local].store.read()
        };
        stored.work.shares = self.open_shares(shared, node, local);
        let config = PeerConfig {
            key: shared.keys.key(node),
            root: shared.keys.root(node),
            genesis: shared.mesh.genesis.clone(),
            directory: Some(shared.mesh.directory.clone()),
            introducers: Vec::new(),
            healing: None,
            seed: shared.seed.bytes(Purpose::PeerSeed, node),
            fresh: is_new,
            may_sit: true,
            cosign: shared.founding.cosign_of(node),
        };
        let mut outbox = mem::take(&mut self.outbox);
        let peer = Peer::new(config, stored, clock(shared, node, now), &mut outbox);
        self.nodes[local].peer = Some(Box::new(peer));
        self.start_guarded(shared, node, local);
        let mut turn = Turn {
            local,
            id: node,
            now,
            gossip: None,
            effects: 0,
        };
        self.settle(shared, &mut turn, &mut outbox);
        self.outbox = outbox;
        self.schedule_wake(local, node, turn.now);
    }

    /// Starts a node's guarded process, if it has one, under the charter in force at its peer.
    fn start_guarded(&mut self, shared: &Shared, id: u32, local: usize) {
        let node = &mut self.nodes[local];
        let charter = node.peer.as_ref().and_then(|peer| peer.charter());
        let (Some(guards), Some(charter)) = (shared.founding.guards, charter) else {
            return;
        };
        let [a, b, c, d] = shared.seed.block(Purpose::Guard, id, u64::from(node.life));
        let key = [
            u64::from(a) << 32 | u64::from(b),
            u64::from(c) << 32 | u64::from(d),
        ];
        let key = guards.in_kernel(id).then_some(key);
        let watched = node.watched.get_or_insert_default();
        node.guarded = Some(Box::new(Guarded::start(charter, key, watched)));
    }

    /// Opens the shares of the committee's keys that a node has kept.
    pub(super) fn open_shares(
        &mut self,
        shared: &Shared,
        node: u32,
        local: usize,
    ) -> Vec<(KeyPurpose, u64)> {
        self.keyrings.remove(&node);
        let shares = self.nodes[local].store.shares();
        if shares.is_empty() {
            return Vec::new();
        }
        let (mesh, identity) = (shared.mesh.genesis.value().id(), shared.keys.identity(node));
        let mut keyring = Keyring::default();
        let opened = shares.iter().filter_map(|(purpose, epoch, sealed)| {
            keyring
                .open(&mesh, *purpose, *epoch, sealed, &identity)
                .ok()?;
            Some((*purpose, *epoch))
        });
        let opened = opened.collect();
        self.keyrings.insert(node, keyring);
        opened
    }

    /// Takes a node's power away and returns the links it had and the life they belonged to.
    ///
    /// Of the writes not safe on disk some survive: a random number of them, the earliest.
    pub(in crate::world) fn crash(
        &mut self,
        shared: &Shared,
        node: u32,
        now: Time,
    ) -> (Vec<u32>, u8) {
        let local = self.local(node);
        if self.nodes[local].peer.take().is_none() {
            return (Vec::new(), 0);
        }
        let waiting = mem::take(&mut self.nodes[local].unsafe_writes);
        let sequence = self.nodes[local].next_sequence();
        let [bits, ..] = shared.seed.block(Purpose::Fault, node, u64::from(sequence));
        let survive = (u64::from(bits) * (waiting.len() as u64 + 1)) >> 32;
        for slot in waiting.into_iter().take(survive as usize) {
            if let Some(writes) = self.parcels.take_writes(slot) {
                self.write(node, local, writes);
            }
        }
        for token in mem::take(&mut self.nodes[local].owed) {
            self.fail(node, now, token);
        }
        let node = &mut self.nodes[local];
        if let (Some(guarded), Some(watched)) = (node.guarded.take(), &mut node.watched) {
            guarded.stop(watched);
        }
        let (links, life) = (mem::take(&mut node.links), node.life);
        node.life = life.wrapping_add(1);
        node.wake_at = NEVER;
        node.busy_until = now;
        node.disk_until = now;
        self.seen.forget(local as u32);
        self.journal.crashes += 1;
        (links.into_iter().map(|(other, _)| other).collect(), life)
    }

    /// Alters a node's disk past its peer.
    #[cfg(test)]
    pub(in crate::world) fn alter(&mut self, node: u32, with: impl FnOnce(&mut Store)) {
        let local = self.local(node);
        with(&mut self.nodes[local].store);
    }

    /// Lets a node tell its user that an act ran.
    #[cfg(test)]
    pub(in crate::world) fn tell_executed(
        &mut self,
        shared: &Shared,
        node: u32,
        now: Time,
        act: x0_crypto::ContentId,
    ) {
        let turn = Turn {
            local: self.local(node),
            id: node,
            now,
            gossip: None,
            effects: 0,
        };
        let change = String::new();
        let act = Some(act);
        self.note(shared, &turn, x0_protocol::Event::Executed { act, change });
    }
}
