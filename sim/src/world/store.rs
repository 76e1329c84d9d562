//! A virtual disk: what a node finds again after it lost power.
//!
//! Writes become durable all or nothing and in the order in which they were asked for. The disk also
//! keeps watch that the audit log is only ever appended to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{
    ContentId, PublicKey,
    capability::RootKey,
    committee::{Purpose, SealedDealing},
};
use x0_protocol::{
    anti_meave::{overrides::OverrideHere, proposals::KeptProposal},
    core::{effect::Write, limits::PAGE_BLOCKS_MAX},
    peer::Stored,
    spine::{
        audit::Entry,
        ballot::StoredVotes,
        committee::StoredLog,
        erasure::ErasureReceipt,
        halt::{Halt, HaltId},
    },
    sublime::shares::StoredSublime,
    wire::{Decided, LogHead, PolicyName, PublicEntry, Record, Unverified, Verified},
};

/// What is durable on one node.
#[derive(Clone, Default)]
pub(super) struct Store {
    records: Vec<Verified<Record>>,
    rest: Option<Box<Rest>>,
}

/// What most nodes of a large run never write.
#[derive(Clone, Default)]
struct Rest {
    executed: BTreeSet<ContentId>,
    policies: BTreeMap<PolicyName, (u64, u64)>,
    audit: Vec<Entry>,
    witnessed: BTreeMap<PublicKey, LogHead>,
    roots: BTreeSet<RootKey>,
    halts: BTreeMap<HaltId, Halt>,
    committee: StoredLog,
    blocks: Vec<Arc<Decided>>,
    dealings: Vec<(ContentId, PublicKey, SealedDealing)>,
    shares: Vec<(Purpose, u64, Vec<u8>)>,
    votes: StoredVotes,
    proposals: Vec<KeptProposal>,
    receipts: Vec<ErasureReceipt>,
    public: Vec<PublicEntry>,
    overrides: Vec<OverrideHere>,
    sublime: StoredSublime,
}

/// An audit entry written at a place that was not the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAppended {
    pub(crate) index: u64,
    pub(crate) size: u64,
}

impl Store {
    /// Returns what is kept of Sublime.
    pub(super) fn sublime(&self) -> Option<&StoredSublime> {
        self.rest.as_ref().map(|rest| &rest.sublime)
    }

    /// Makes writes durable.
    ///
    /// # Errors
    ///
    /// Returns the first audit entry that was not appended; the rest is written all the same.
    pub(super) fn apply(&mut self, writes: Vec<Write>) -> Result<(), NotAppended> {
        let mut result = Ok(());
        for write in writes {
            match write {
                Write::Record(record) => self.records.push(record),
                Write::Executed(act) => {
                    self.rest().executed.insert(act);
                }
                Write::Policy {
                    policy,
                    version,
                    value,
                } => {
                    self.rest().policies.insert(policy, (version, value));
                }
                Write::Audit { index, entry } => {
                    let audit = &mut self.rest().audit;
                    let size = audit.len() as u64;
                    if index == size {
                        audit.push(entry);
                    } else {
                        result = result.and(Err(NotAppended { index, size }));
                    }
                }
                Write::Witnessed(head) => {
                    self.rest().witnessed.insert(head.author, head);
                }
                Write::Journal { lines, .. } => self.rest().committee.journal.extend(lines),
                Write::Block {
                    decided,
                    tip,
                    snapshot,
                } => {
                    let rest = self.rest();
                    rest.committee.keep(&decided, tip, snapshot);
                    rest.blocks.push(decided);
                }
                Write::State { tip, state } => self.rest().committee.adopt(tip, state),
                Write::Dealing {
                    ceremony,
                    dealer,
                    dealing,
                } => {
                    let dealing = (ceremony, dealer, *dealing);
                    self.rest().dealings.push(dealing);
                }
                Write::KeyShare {
                    purpose,
                    epoch,
                    sealed,
                } => self.rest().shares.push((purpose, epoch, sealed)),
                Write::ForgetKeys { shares, dealings } => {
                    let rest = self.rest();
                    rest.shares
                        .retain(|(purpose, epoch, _)| !shares.contains(&(*purpose, *epoch)));
                    rest.dealings
                        .retain(|(ceremony, dealer, _)| !dealings.contains(&(*ceremony, *dealer)));
                }
                Write::Erase { records, by } => {
                    let erased: BTreeSet<_> = records.into_iter().collect();
                    let known = self.records.iter_mut();
                    for record in known.filter(|record| erased.contains(&record.value().id())) {
                        *record = record.husk(by);
                    }
                }
                Write::Receipt(receipt) => self.rest().receipts.push(*receipt),
                Write::Halt(halt) => {
                    self.rest().halts.insert(halt.id, *halt);
                }
                Write::Vote(write) => self.rest().votes.apply(*write),
                Write::Proposal(write) => write.apply(&mut self.rest().proposals),
                Write::Public { entry, .. } => self.rest().public.push(*entry),
                Write::Override(write) => write.apply(&mut self.rest().overrides),
                Write::Sublime(write) => write.apply(&mut self.rest().sublime),
                Write::AcceptRoot {
                    root,
                    accepted: true,
                } => {
                    self.rest().roots.insert(root);
                }
                Write::AcceptRoot {
                    root,
                    accepted: false,
                } => {
                    self.rest().roots.remove(&root);
                }
            }
        }
        result
    }

    /// Reads everything back, as a start does.
    pub(super) fn read(&self) -> Stored {
        let mut stored = Stored {
            records: self.records.clone(),
            ..Stored::default()
        };
        if let Some(rest) = &self.rest {
            stored.executed = rest.executed.clone();
            stored.policies = rest
                .policies
                .iter()
                .map(|(name, (version, value))| (name.clone(), *version, *value))
                .collect();
            stored.audit = rest.audit.clone();
            stored.witnessed = rest.witnessed.values().cloned().collect();
            stored.roots = rest.roots.iter().copied().collect();
            stored.halts = rest.halts.values().cloned().collect();
            stored.committee = rest.committee.clone();
            stored.work.dealings = rest.dealings.clone();
            stored.votes = rest.votes.clone();
            stored.proposals = rest.proposals.clone();
            stored.receipts = rest.receipts.clone();
            stored.public = rest.public.clone();
            stored.overrides = rest.overrides.clone();
            stored.sublime = rest.sublime.clone();
        }
        stored
    }

    /// Returns the shares of the committee's keys, sealed.
    pub(super) fn shares(&self) -> &[(Purpose, u64, Vec<u8>)] {
        self.rest.as_ref().map_or(&[], |rest| &rest.shares)
    }

    /// Returns the durable records, in the order in which they were written.
    pub(super) fn records(&self) -> &[Verified<Record>] {
        &self.records
    }

    /// Returns the durable blocks of the committee log, in order.
    pub(super) fn committee_blocks(&self) -> &[Arc<Decided>] {
        self.rest.as_ref().map_or(&[], |rest| &rest.blocks)
    }

    /// Returns durable blocks of the committee log from a height on, at most a page.
    pub(super) fn blocks(&self, from: u64) -> Vec<Unverified<Decided>> {
        let blocks = self.committee_blocks();
        let first = blocks.partition_point(|decided| decided.block.height < from);
        let page = blocks.iter().skip(first).take(PAGE_BLOCKS_MAX);
        page.map(|decided| decided.to_unverified()).collect()
    }

    /// Returns the newest heads of others' audit logs that are kept.
    pub(super) fn witnessed(&self) -> impl Iterator<Item = &LogHead> {
        let rest = self.rest.iter();
        rest.flat_map(|rest| rest.witnessed.values())
    }

    /// Returns the durable entries of the public log, in order.
    pub(super) fn public(&self) -> &[PublicEntry] {
        self.rest.as_ref().map_or(&[], |rest| &rest.public)
    }

    /// Returns the durable audit entries, in order.
    pub(super) fn audit(&self) -> &[Entry] {
        self.rest.as_ref().map_or(&[], |rest| &rest.audit)
    }

    /// Returns the policies changed: version and value.
    pub(super) fn policies(&self) -> impl Iterator<Item = (&PolicyName, (u64, u64))> {
        let rest = self.rest.iter();
        rest.flat_map(|rest| rest.policies.iter().map(|(name, at)| (name, *at)))
    }

    /// Tells whether the act was about to be executed, or was.
    pub(super) fn has_executed(&self, act: &ContentId) -> bool {
        self.rest
            .as_ref()
            .is_some_and(|rest| rest.executed.contains(act))
    }

    /// Counts what only ever becomes more as a node works: records, acts executed, audit entries, policies changed.
    pub(super) fn state(&self) -> [usize; 4] {
        let rest = self.rest.as_deref();
        let of_rest = |count: fn(&Rest) -> usize| rest.map_or(0, count);
        [
            self.records.len(),
            of_rest(|rest| rest.executed.len()),
            of_rest(|rest| rest.audit.len()),
            of_rest(|rest| rest.policies.len()),
        ]
    }

    /// Takes the records of a kind off the disk.
    #[cfg(test)]
    pub(super) fn forget(&mut self, kind: x0_protocol::wire::Kind) {
        self.records
            .retain(|record| record.value().header().kind != kind);
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }
}
