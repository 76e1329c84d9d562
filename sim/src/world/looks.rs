//! What properties see of peers themselves: cases, balances, sentences, the public log, overrides, shares.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, PublicKey,
    committee::{Purpose, ThresholdSignature},
};
use x0_protocol::{
    CommandId, Peer, Wall,
    anti_meave::overrides::OverrideHere,
    charter::violation::{Docket, Sentence},
    core::{
        secret::ShareKeys as _,
        sublime::{DealtView, DrawnView, ReleasedView},
    },
    spine::public_log::Mirror,
    sublime::shares::{KeptShare, StoredSublime},
    wire::{
        Body, Certificate, CommitteeKeys, LogHead, PublicEntry, Record, Statement, Subject,
        Verified,
    },
};

use zeroize::Zeroizing;

use super::{World, shard::clock};

/// Certificates that were checked, for many nodes have the same; all that is asked of one is asked by the same keys.
#[derive(Default)]
pub(crate) struct Checked(BTreeMap<(u64, Statement, ThresholdSignature), bool>);

impl Checked {
    /// Checks a certificate as [`World::is_certified`] does, once.
    pub(crate) fn holds(&mut self, world: &World, node: u32, certificate: &Certificate) -> bool {
        let Certificate {
            epoch,
            statement,
            signature,
        } = *certificate;
        let known = self.0.entry((epoch, statement, signature));
        *known.or_insert_with(|| world.is_certified(node, certificate))
    }
}

impl World {
    /// Returns a node's peer; none without power.
    pub(super) fn peer(&self, node: u32) -> Option<&Peer> {
        let shard = &self.shards[self.index_of(node)];
        shard.nodes[shard.local(node)].peer.as_deref()
    }

    /// Returns what a node knows of cases and balances.
    pub(crate) fn docket(&self, node: u32) -> Option<&Docket> {
        self.peer(node)?.docket()
    }

    /// Returns a node's copy of the public log.
    pub(crate) fn mirror(&self, node: u32) -> Option<&Mirror> {
        self.peer(node)?.public_log()
    }

    /// Returns the newest heads of others' audit logs that a node keeps on its disk.
    pub(crate) fn witnessed(&self, node: u32) -> impl Iterator<Item = &LogHead> {
        self.shards[self.index_of(node)].store(node).witnessed()
    }

    /// Returns the entries of the public log that are durable on a node.
    pub(crate) fn public_on_disk(&self, node: u32) -> &[PublicEntry] {
        self.shards[self.index_of(node)].store(node).public()
    }

    /// Returns the overrides that run on a node and have not been seen to be told to all.
    pub(crate) fn overrides_here(&self, node: u32) -> Vec<OverrideHere> {
        let peer = self.peer(node).into_iter();
        peer.flat_map(Peer::overrides_here).cloned().collect()
    }

    /// Returns the sentences that a node holds people to.
    pub(crate) fn sentences(&self, node: u32) -> Vec<(PublicKey, ContentId, Sentence)> {
        let peer = self.peer(node).into_iter();
        peer.flat_map(|peer| peer.directory().sentences()).collect()
    }

    /// Returns mesh time as a node knows it, and its own clock; none without power.
    pub(crate) fn times(&self, node: u32) -> Option<(Wall, Wall)> {
        let now = clock(&self.shared, node, self.now);
        Some((self.peer(node)?.time(now), now.wall))
    }

    /// Returns acts that ran on a node for an author whom that node knew to be suspended or removed.
    pub(crate) fn executed_for_barred(&self) -> Vec<(u32, ContentId, PublicKey)> {
        let journals = self.shards.iter().map(|shard| &shard.journal);
        let mut all: Vec<_> = journals
            .flat_map(|journal| journal.for_barred.iter().copied())
            .collect();
        all.sort_unstable();
        all
    }

    /// Returns what a node keeps of Sublime on its disk; none if it has written nothing that most nodes never write.
    pub(crate) fn sublime(&self, node: u32) -> Option<&StoredSublime> {
        self.shards[self.index_of(node)].store(node).sublime()
    }

    /// Opens a share that a node keeps, with the key that stands beside its disk, as a thief does who takes both.
    pub(crate) fn open_share(&self, node: u32, share: &KeptShare) -> Option<Zeroizing<Vec<u8>>> {
        let keys = self.shards[self.index_of(node)].share_keys(node)?;
        keys.unwrap(share.key(), &share.sealed)
    }

    /// Returns the region that a node stands in.
    pub(crate) fn region(&self, node: u32) -> u8 {
        self.shared.network.region(node)
    }

    /// Returns who was drawn to guard an item.
    pub(crate) fn drawn(&self, asked: CommandId) -> Option<&DrawnView> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals.find_map(|journal| journal.drawn.get(&asked).map(|view| &**view))
    }

    /// Returns what guardians said to their shares.
    pub(crate) fn dealt(&self, asked: CommandId) -> Option<&DealtView> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals.find_map(|journal| journal.dealt.get(&asked).map(|view| &**view))
    }

    /// Returns what was released for a request.
    pub(crate) fn released(&self, asked: CommandId) -> Option<&ReleasedView> {
        let mut journals = self.shards.iter().map(|shard| &shard.journal);
        journals.find_map(|journal| journal.released.get(&asked).map(|view| &**view))
    }

    /// Returns a record on a node's disk.
    pub(crate) fn record(&self, node: u32, id: &ContentId) -> Option<&Record> {
        let mut records = self.stored(node).iter().map(Verified::value);
        records.find(|record| record.id() == *id)
    }

    /// Returns the committee's keys of an epoch, as a node has them on its disk.
    pub(crate) fn keys_of(&self, node: u32, epoch: u64) -> Option<CommitteeKeys> {
        let mut records = self.stored(node).iter();
        records.find_map(|record| {
            let Body::Keys(named) = record.value().body() else {
                return None;
            };
            named.keys().filter(|keys| keys.epoch == epoch).copied()
        })
    }

    /// Checks a certificate by the keys of its epoch, and by nothing that a peer has found.
    pub(crate) fn is_certified(&self, node: u32, certificate: &Certificate) -> bool {
        let Some(keys) = self.keys_of(node, certificate.epoch) else {
            return false;
        };
        let subject = Subject::Statement(certificate.statement);
        let message = subject.message(&self.mesh(), certificate.epoch);
        let key = keys.key(Purpose::Certificate);
        key.verify(Purpose::Certificate, &message, &certificate.signature)
            .is_ok()
    }
}
