//! The node's own audit log: what it did and what it refused, so that nothing can be rewritten unseen.
//!
//! Entries are hashed into the Merkle tree of RFC 9162. The head (size and root) is signed and told
//! to linked peers some seconds after the last entry; a peer that holds an earlier head asks for a
//! consistency proof and keeps the newest head it could check. A head that contradicts an earlier
//! one is proof of a rewritten log. Peers pass some of the heads they hold on to others, so that two
//! who were shown different logs find out: two signed heads of one size with different roots.
//!
//! The entries themselves stand in the driver's store; here are the leaf hashes (32 bytes each),
//! which proofs need, and the newest entries about others' acts, which are shown after a halt.

pub mod countersigned;
pub mod tree;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use self::tree::{
    ConsistencyProof, Frontier, Hash, InclusionProof, consistency_proof, inclusion_proof,
    inclusion_proofs, leaf_hash,
};
use crate::{
    core::{
        limits::{
            AUDIT_ACTS_KEPT_MAX, AUDIT_ACTS_MAX, AUDIT_ENTRY_BYTES_MAX, COUNTERSIGNED_MAX,
            HEAD_GOSSIP_DELAY, WITNESSED_MAX,
        },
        time::{Mono, Wall},
    },
    wire::{
        AuditAsk, AuditShown, Certificate, DecodeError, Kind, LogHead, ShownEntry, decode_entry,
        encode_entry,
    },
};

/// Longest encoding of an entry that is read, bytes: what tells of two certificates has a few thousand.
const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When, by the node's own clock.
    pub time: Wall,
    /// What.
    pub what: What,
}

/// What an entry tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum What {
    /// An act of another agent is executed on this node.
    Executed {
        /// The act's record.
        act: ContentId,
        /// The agent.
        agent: PublicKey,
        /// What changes, in words.
        change: String,
    },
    /// An act of another agent is refused on this node.
    Refused {
        /// The act's record.
        act: ContentId,
        /// The agent.
        agent: PublicKey,
        /// Why.
        why: String,
    },
    /// This node changes itself.
    Local {
        /// Who asked: the key its token names.
        agent: PublicKey,
        /// What changes, in words.
        change: String,
    },
    /// A change of this node by itself is refused.
    LocalRefused {
        /// Who asked.
        agent: PublicKey,
        /// Why.
        why: String,
    },
    /// This node wrote a record.
    Wrote {
        /// The record.
        record: ContentId,
        /// Its kind's number.
        kind: u16,
    },
    /// An author signed two records at one place.
    Fork {
        /// The author.
        author: PublicKey,
        /// The place in its chain.
        seq: u64,
    },
    /// A node showed a log head that contradicts an earlier one.
    SplitView {
        /// The node.
        author: PublicKey,
        /// The size at which its heads disagree.
        size: u64,
    },
    /// What an author's records said is erased here, as it asked.
    Erased {
        /// The author's record that asks for it.
        erasure: ContentId,
        /// The author.
        author: PublicKey,
        /// How many of the records that it covers were known here.
        records: u32,
    },
    /// An override of this node has lapsed: it was not told to all in time.
    Lapsed {
        /// The act's record.
        act: ContentId,
        /// What changes back, in words.
        change: String,
    },
    /// A node signed two heads of one size: the proof that it shows different logs to different nodes.
    TwoHeads {
        /// One of them.
        one: Box<LogHead>,
        /// The other.
        other: Box<LogHead>,
    },
    /// The committee has certified two public logs: the proof that seats have signed twice.
    TwoPublicLogs {
        /// The certificate known first.
        first: Box<Certificate>,
        /// The one that contradicts it.
        second: Box<Certificate>,
    },
    /// This node told an auditor what it collects.
    Account {
        /// Who asked.
        auditor: PublicKey,
        /// By which right, in words.
        right: String,
    },
    /// This node did not tell who asked what it collects.
    AccountRefused {
        /// Who asked.
        auditor: PublicKey,
        /// By which right it claimed to, in words.
        right: String,
        /// Why it was refused.
        why: String,
    },
    /// This node keeps a share of an item.
    ShareKept {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the sharing.
        epoch: u32,
        /// Who asked; none if it came by a rotation.
        owner: Option<PublicKey>,
    },
    /// This node keeps a share of an item no longer: it was dealt on to others.
    ShareDestroyed {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the sharing.
        epoch: u32,
    },
    /// A guardian dealt something wrong to this node in a rotation.
    BadDealer {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the new sharing.
        epoch: u32,
        /// Who.
        dealer: PublicKey,
    },
    /// Enough of an item's trustees have attested a request, as this node sees it: the time begins in which the owner can
    /// stop it. The newest entry about a request counts.
    Attested {
        /// The request.
        request: ContentId,
        /// The item.
        item: ContentId,
        /// Mesh time.
        since: Wall,
    },
    /// This node releases what it holds of an item, as a vote or trustees have decided.
    Released {
        /// The request that was decided about.
        request: ContentId,
        /// The item.
        item: ContentId,
        /// Who asked for it.
        to: PublicKey,
    },
}

impl What {
    /// Returns the act it tells of: one that was executed or refused here, or that this node wrote.
    pub fn act(&self) -> Option<&ContentId> {
        match self {
            Self::Executed { act, .. } | Self::Refused { act, .. } => Some(act),
            Self::Wrote { record, kind } => (*kind == Kind::ACT.0).then_some(record),
            Self::Local { .. }
            | Self::LocalRefused { .. }
            | Self::Fork { .. }
            | Self::SplitView { .. }
            | Self::Erased { .. }
            | Self::Lapsed { .. }
            | Self::TwoHeads { .. }
            | Self::TwoPublicLogs { .. }
            | Self::Account { .. }
            | Self::AccountRefused { .. }
            | Self::ShareKept { .. }
            | Self::ShareDestroyed { .. }
            | Self::BadDealer { .. }
            | Self::Attested { .. }
            | Self::Released { .. } => None,
        }
    }

    /// Tells whether it is about two logs where there must be one.
    pub const fn is_contradiction(&self) -> bool {
        match self {
            Self::SplitView { .. } | Self::TwoHeads { .. } | Self::TwoPublicLogs { .. } => true,
            Self::Wrote { .. }
            | Self::Executed { .. }
            | Self::Refused { .. }
            | Self::Local { .. }
            | Self::LocalRefused { .. }
            | Self::Fork { .. }
            | Self::Erased { .. }
            | Self::Lapsed { .. }
            | Self::Account { .. }
            | Self::AccountRefused { .. }
            | Self::ShareKept { .. }
            | Self::ShareDestroyed { .. }
            | Self::BadDealer { .. }
            | Self::Attested { .. }
            | Self::Released { .. } => false,
        }
    }

    /// Returns the record under which the entry is found when others ask: its act, or the erasure.
    pub fn subject(&self) -> Option<&ContentId> {
        match self {
            Self::Erased { erasure, .. } => Some(erasure),
            Self::Executed { .. }
            | Self::Refused { .. }
            | Self::Wrote { .. }
            | Self::Local { .. }
            | Self::LocalRefused { .. }
            | Self::Fork { .. }
            | Self::SplitView { .. }
            | Self::Lapsed { .. }
            | Self::TwoHeads { .. }
            | Self::TwoPublicLogs { .. }
            | Self::Account { .. }
            | Self::AccountRefused { .. }
            | Self::ShareKept { .. }
            | Self::ShareDestroyed { .. }
            | Self::BadDealer { .. }
            | Self::Attested { .. }
            | Self::Released { .. } => self.act(),
        }
    }
}

impl Entry {
    /// Returns the bytes that are hashed into the tree and stored.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_entry("entry of an audit log", bytes, ENTRY_BYTES_MAX)
    }
}

/// The own log, and the heads seen of others.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    frontier: Frontier,
    leaves: Vec<Hash>,
    told_size: u64,
    tell_at: Option<Mono>,
    seen: BTreeMap<PublicKey, LogHead>,
    /// Of these, the ones that this node has countersigned, and the height of the checkpoint for whose epoch it has.
    promised: BTreeMap<PublicKey, u64>,
    epoch: Option<u64>,
    witnesses: BTreeMap<PublicKey, u64>,
    /// Nodes of whom two heads of one size are kept as entries.
    split: BTreeSet<PublicKey>,
    /// The newest entries about acts, by place.
    about: BTreeMap<u64, Entry>,
    /// Their places, by act.
    places: BTreeSet<(ContentId, u64)>,
}

/// What a head received means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the first of that node, or what is known already; take note.
    Noted,
    /// It is larger than the one known: the node must show that it only grew.
    Prove {
        /// The size known.
        old: u64,
        /// The size claimed.
        new: u64,
    },
    /// It has the size of the one known and another root: the two are proof.
    Split(Box<LogHead>),
}

impl AuditLog {
    /// Rebuilds the log from its stored entries, in order, and the heads seen of others.
    pub fn restore<'a>(entries: impl Iterator<Item = &'a Entry>, seen: Vec<LogHead>) -> Self {
        let mut log = Self::default();
        for entry in entries {
            log.push(entry);
        }
        log.seen = seen.into_iter().map(|head| (head.author, head)).collect();
        // Which of them were countersigned is not kept: all stay for the epoch in which the node starts.
        log.promised = log.seen.keys().map(|author| (*author, 0)).collect();
        log
    }

    /// Appends an entry and returns its place; its head is told after a moment.
    pub fn append(&mut self, now: Mono, entry: &Entry) -> u64 {
        self.tell_at.get_or_insert(now + HEAD_GOSSIP_DELAY);
        self.push(entry)
    }

    /// Returns the number of entries and the root over them.
    pub fn head(&self) -> (u64, Hash) {
        (self.frontier.size(), self.frontier.root())
    }

    /// Returns when the head should be told to the linked peers.
    pub const fn tell_at(&self) -> Option<Mono> {
        self.tell_at
    }

    /// Returns the head to be signed and told, if the time has come and it is a new one.
    pub fn take_due(&mut self, now: Mono) -> Option<(u64, Hash)> {
        if self.tell_at? > now {
            return None;
        }
        self.tell_at = None;
        if self.told_size == self.frontier.size() {
            return None;
        }
        self.told_size = self.frontier.size();
        Some(self.head())
    }

    /// Takes note that a peer holds the own head of this size.
    pub fn witnessed_by(&mut self, peer: PublicKey, size: u64) {
        if self.witnesses.len() < WITNESSED_MAX || self.witnesses.contains_key(&peer) {
            let held = self.witnesses.entry(peer).or_insert(size);
            *held = size.max(*held);
        }
    }

    /// Returns the peers that hold own heads, and of which size.
    pub fn witnesses(&self) -> impl Iterator<Item = (PublicKey, u64)> + '_ {
        self.witnesses.iter().map(|(peer, size)| (*peer, *size))
    }

    /// Returns the newest heads seen of others.
    pub fn seen(&self) -> impl Iterator<Item = &LogHead> {
        self.seen.values()
    }

    /// Weighs a head of another node whose signature holds.
    pub fn weigh(&self, head: &LogHead) -> Seen {
        match self.seen.get(&head.author) {
            None => Seen::Noted,
            Some(known) if known.size == head.size && known.root == head.root => Seen::Noted,
            Some(known) if known.size == head.size => Seen::Split(Box::new(known.clone())),
            Some(known) if known.size > head.size => Seen::Noted,
            Some(known) => Seen::Prove {
                old: known.size,
                new: head.size,
            },
        }
    }

    /// Keeps a head as the newest of its node; the oldest known gives way when too many are kept.
    pub fn keep(&mut self, head: LogHead) -> bool {
        if self
            .seen
            .get(&head.author)
            .is_some_and(|known| known.size >= head.size)
        {
            return false;
        }
        let free = self.seen.len() - self.promised.len();
        if free >= WITNESSED_MAX && !self.seen.contains_key(&head.author) {
            let free = self.seen.values();
            let free = free.filter(|known| !self.promised.contains_key(&known.author));
            let oldest = free.min_by_key(|known| (known.time, known.author));
            if let Some(oldest) = oldest.map(|known| known.author) {
                self.seen.remove(&oldest);
            }
        }
        self.seen.insert(head.author, head);
        true
    }

    /// Heeds that a checkpoint of this height has begun an epoch: what was countersigned for others may be forgotten.
    pub fn enter_epoch(&mut self, height: u64) {
        if self.epoch.replace(height).is_none() {
            self.promised.values_mut().for_each(|of| *of = height);
        }
        self.promised.retain(|_, of| *of >= height);
    }

    /// Takes on to hold a head, whose signature holds, for the epoch of a checkpoint: the first of its log, or the very one
    /// that is held. `false` if another is held, or too many are.
    pub fn promise(&mut self, head: &LogHead, height: u64) -> bool {
        let author = head.author;
        let held = self.seen.get(&author);
        if held.is_some_and(|held| (held.size, held.root) != (head.size, head.root)) {
            return false;
        }
        if self.promised.len() >= COUNTERSIGNED_MAX && !self.promised.contains_key(&author) {
            return false;
        }
        self.seen.entry(author).or_insert_with(|| head.clone());
        self.promised.insert(author, height);
        true
    }

    /// Checks that a node's log grew from the head known to `head` without rewriting anything.
    pub fn is_extended_by(&self, head: &LogHead, proof: &ConsistencyProof) -> bool {
        self.seen.get(&head.author).is_none_or(|known| {
            proof
                .verify(known.size, known.root, head.size, head.root)
                .is_ok()
        })
    }

    /// Proves that the own log of `new` entries extends that of `old`.
    pub fn prove_growth(&self, old: u64, new: u64) -> Option<ConsistencyProof> {
        consistency_proof(&self.leaves, old, new)
    }

    /// Returns the root that the own log had at a size.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        let leaves = self.leaves.get(..usize::try_from(size).ok()?)?;
        Some(leaves.iter().copied().collect::<Frontier>().root())
    }

    /// Proves that an entry stands in the own log of this size.
    pub fn prove(&self, index: u64, size: u64) -> Option<InclusionProof> {
        inclusion_proof(&self.leaves, index, size)
    }

    /// Takes note that two heads of a node are kept as proof; `false` if others were before.
    pub fn note_split(&mut self, author: PublicKey) -> bool {
        self.split.len() < WITNESSED_MAX && self.split.insert(author)
    }

    /// Returns some of the heads seen of others, from a place on that the caller draws.
    pub fn sample(&self, from: u64, count: usize) -> Vec<LogHead> {
        let heads = self.seen.len();
        let skip = usize::try_from(from).unwrap_or_default() % heads.max(1);
        let cycle = self.seen.values().cycle().skip(skip);
        cycle.take(count.min(heads)).cloned().collect()
    }

    /// Returns the newest head seen of another node's log.
    pub fn head_of(&self, author: &PublicKey) -> Option<&LogHead> {
        self.seen.get(author)
    }

    /// Shows what the own log says of acts, under its head as it was just signed; `None` if the log has no such head.
    pub fn show(&self, ask: &AuditAsk, head: LogHead) -> Option<AuditShown> {
        let mut places = BTreeSet::new();
        for act in &ask.acts {
            let of_act = self.places.range((*act, ask.from)..=(*act, u64::MAX));
            places.extend(of_act.map(|(_, place)| *place).filter(|at| *at < head.size));
        }
        let more = places.iter().nth(AUDIT_ACTS_MAX).copied();
        let places: Vec<_> = places.into_iter().take(AUDIT_ACTS_MAX).collect();
        let proofs = inclusion_proofs(&self.leaves, &places, head.size)?;
        let entries = places.into_iter().zip(proofs).filter_map(|(index, proof)| {
            let entry = self.about.get(&index)?.clone();
            Some(ShownEntry {
                index,
                entry,
                proof,
            })
        });
        let known = ask.known.filter(|known| *known <= head.size);
        Some(AuditShown {
            growth: known.and_then(|known| self.prove_growth(known, head.size)),
            entries: entries.collect(),
            more,
            head,
        })
    }

    fn push(&mut self, entry: &Entry) -> u64 {
        let bytes = entry.encode();
        let leaf = leaf_hash(&bytes);
        self.leaves.push(leaf);
        let place = self.frontier.append(leaf);
        if let What::TwoHeads { one, .. } = &entry.what {
            self.note_split(one.author);
        }
        if let Some(act) = entry
            .what
            .subject()
            .filter(|_| bytes.len() <= AUDIT_ENTRY_BYTES_MAX)
        {
            self.places.insert((*act, place));
            self.about.insert(place, entry.clone());
        }
        if self.about.len() > AUDIT_ACTS_KEPT_MAX
            && let Some((place, first)) = self.about.pop_first()
            && let Some(act) = first.what.subject()
        {
            self.places.remove(&(*act, place));
        }
        place
    }
}
