//! The node's own audit log: what it did and what it refused, so that nothing can be rewritten unseen.
//!
//! Entries are hashed into the Merkle tree of RFC 9162. The head (size and root) is signed and told
//! to linked peers some seconds after the last entry; a peer that holds an earlier head asks for a
//! consistency proof and keeps the newest head it could check. A head that contradicts an earlier
//! one is proof of a rewritten log.
//!
//! The entries themselves stand in the driver's store; here are the leaf hashes (32 bytes each),
//! which proofs need, and the newest entries about others' acts, which are shown after a halt.

pub mod tree;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use self::tree::{
    ConsistencyProof, Frontier, Hash, consistency_proof, inclusion_proofs, leaf_hash,
};
use crate::{
    core::{
        limits::{
            AUDIT_ACTS_KEPT_MAX, AUDIT_ACTS_MAX, AUDIT_ENTRY_BYTES_MAX, HEAD_GOSSIP_DELAY,
            WITNESSED_MAX,
        },
        time::{Mono, Wall},
    },
    wire::{AuditAsk, AuditShown, Kind, LogHead, ShownEntry, encode_entry},
};

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
            | Self::Erased { .. } => None,
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
            | Self::SplitView { .. } => self.act(),
        }
    }
}

impl Entry {
    /// Returns the bytes that are hashed into the tree and stored.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(self)
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
    witnesses: BTreeMap<PublicKey, u64>,
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
    /// It contradicts the one known.
    Split,
}

impl AuditLog {
    /// Rebuilds the log from its stored entries, in order, and the heads seen of others.
    pub fn restore<'a>(entries: impl Iterator<Item = &'a Entry>, seen: Vec<LogHead>) -> Self {
        let mut log = Self::default();
        for entry in entries {
            log.push(entry);
        }
        log.seen = seen.into_iter().map(|head| (head.author, head)).collect();
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
            Some(known) if known.size == head.size => Seen::Split,
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
        if self.seen.len() >= WITNESSED_MAX && !self.seen.contains_key(&head.author) {
            let oldest = self
                .seen
                .values()
                .min_by_key(|known| (known.time, known.author));
            if let Some(oldest) = oldest.map(|known| known.author) {
                self.seen.remove(&oldest);
            }
        }
        self.seen.insert(head.author, head);
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
