//! A node's own copy of the public log.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::ContentId;

use super::PublicLog;
use crate::{
    spine::audit::tree::{
        ConsistencyProof, Frontier, Hash, ProofError, consistency_proof, inclusion_proof,
    },
    wire::{
        Certificate, Checkpoint, OverrideProof, PUBLIC_PAGE_BYTES_MAX, PublicAsk, PublicEntry,
        PublicHead, PublicPage, PublicWhat, Statement,
    },
};

/// A node's copy of the public log, and the newest checkpoints that certify it.
///
/// Entries stay in memory: there are few, for none comes without a vote, a halt, a hand-over or a drawn panel.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    entries: Vec<PublicEntry>,
    leaves: Vec<Hash>,
    frontier: Frontier,
    /// The newest checkpoint known whose log this copy has in full.
    covered: Option<Certificate>,
    /// The newest checkpoint known whose log is larger than this copy.
    ahead: Option<Certificate>,
    /// The newest override of each act.
    overrides: BTreeMap<ContentId, u64>,
    /// Overrides that were told to all.
    broadcast: BTreeSet<ContentId>,
}

/// What a certified checkpoint means for the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// It certifies what is here, or what was here once.
    Known,
    /// It certifies a larger log: entries are to be fetched.
    Behind,
    /// It certifies another log than one that was certified before: the committee has signed both.
    Split(Box<(Certificate, Certificate)>),
}

impl Mirror {
    /// Rebuilds the copy from the own store, entries in order.
    pub fn restore(entries: Vec<PublicEntry>) -> Self {
        let mut mirror = Self::default();
        for entry in entries {
            mirror.push(entry);
        }
        mirror
    }

    /// Returns the size and the root.
    pub fn head(&self) -> PublicHead {
        PublicHead::of(&self.frontier)
    }

    /// Returns the entries, in order.
    pub fn entries(&self) -> &[PublicEntry] {
        &self.entries
    }

    /// Returns the newest checkpoint that certifies the copy as it is.
    pub const fn certificate(&self) -> Option<&Certificate> {
        self.covered.as_ref()
    }

    /// Returns the certified size that is still to be reached.
    pub fn wanted(&self) -> Option<PublicAsk> {
        let head = self.ahead_head()?;
        let from = self.frontier.size();
        Some(PublicAsk {
            from,
            size: head.size,
        })
    }

    fn ahead_head(&self) -> Option<PublicHead> {
        let head = checkpoint(self.ahead.as_ref()?)?.log;
        (head.size > self.frontier.size()).then_some(head)
    }

    /// Weighs a checkpoint whose certificate holds, and takes note of it.
    pub fn weigh(&mut self, certificate: &Certificate) -> Weighed {
        let Some(new) = checkpoint(certificate) else {
            return Weighed::Known;
        };
        // A log only grows with the height.
        let cut = [self.covered, self.ahead]
            .into_iter()
            .flatten()
            .find(|known| {
                checkpoint(known).is_some_and(|known| {
                    (known.height < new.height && known.log.size > new.log.size)
                        || (known.height > new.height && known.log.size < new.log.size)
                })
            });
        if let Some(known) = cut {
            return Weighed::Split(Box::new((known, *certificate)));
        }
        let size = self.frontier.size();
        if new.log.size > size {
            if let Some(split) = self
                .ahead
                .as_ref()
                .and_then(|ahead| same_size(ahead, certificate))
            {
                return split;
            }
            let known = self.ahead.as_ref().and_then(checkpoint);
            if known.is_none_or(|known| (known.log.size, known.height) < (new.log.size, new.height))
            {
                self.ahead = Some(*certificate);
            }
            return Weighed::Behind;
        }
        if self.root_at(new.log.size) != Some(new.log.root) {
            // What is here leads to what was certified of it: both certificates cannot be true.
            return self.covered.map_or(Weighed::Known, |covered| {
                Weighed::Split(Box::new((covered, *certificate)))
            });
        }
        let known = self.covered.as_ref().and_then(checkpoint);
        if new.log.size == size && known.is_none_or(|known| known.height < new.height) {
            self.covered = Some(*certificate);
        }
        Weighed::Known
    }

    /// Checks a page that was asked for, and takes its entries. Returns the place of the first, and them.
    ///
    /// # Errors
    ///
    /// Returns how the page does not lead from here to the root that is certified.
    pub fn take(&mut self, page: PublicPage) -> Result<(u64, Vec<PublicEntry>), ProofError> {
        let first = self.frontier.size();
        let Some(head) = self.ahead_head() else {
            return Ok((first, Vec::new()));
        };
        page.follow(&self.frontier, head)?;
        for entry in &page.entries {
            self.push(entry.clone());
        }
        if self.frontier.size() == head.size {
            self.covered = self.ahead.take();
        }
        Ok((first, page.entries))
    }

    /// Makes the page that another node asks for; `None` if the copy does not reach so far.
    pub fn page(&self, ask: PublicAsk) -> Option<PublicPage> {
        let from = usize::try_from(ask.from).ok()?;
        let to = usize::try_from(ask.size).ok()?;
        let wanted = self
            .entries
            .get(from..to)
            .filter(|wanted| !wanted.is_empty())?;
        let mut bytes = 0;
        let fits = |entry: &&PublicEntry| {
            bytes += entry.encode().len();
            bytes <= PUBLIC_PAGE_BYTES_MAX
        };
        let most = crate::core::limits::PUBLIC_PAGE_ENTRIES_MAX;
        let entries: Vec<_> = wanted.iter().take(most).take_while(fits).cloned().collect();
        let reached = ask.from.saturating_add(entries.len() as u64);
        Some(PublicPage {
            growth: self.growth(reached, ask.size)?,
            entries,
        })
    }

    /// Returns the head that the log had at a size.
    pub fn head_at(&self, size: u64) -> Option<PublicHead> {
        let root = self.root_at(size)?;
        Some(PublicHead { size, root })
    }

    /// Proves that the log of `new` entries extends that of `old`.
    pub fn growth(&self, old: u64, new: u64) -> Option<ConsistencyProof> {
        consistency_proof(&self.leaves, old, new)
    }

    /// Returns an entry with the proof that it stands in the log as the newest checkpoint certifies it.
    pub fn prove(&self, index: u64) -> Option<OverrideProof> {
        let head = *self.covered.as_ref()?;
        let size = checkpoint(&head)?.log.size;
        let place = usize::try_from(index).ok()?;
        Some(OverrideProof {
            entry: self.entries.get(place)?.clone(),
            index,
            inclusion: inclusion_proof(&self.leaves, index, size)?,
            head,
        })
    }

    /// Returns the proof that an act is an override.
    pub fn prove_override(&self, act: &ContentId) -> Option<OverrideProof> {
        self.prove(*self.overrides.get(act)?)
    }

    /// Returns the overrides, the newest of each act, in order of act, with their places.
    pub fn overrides(&self) -> impl Iterator<Item = (&ContentId, u64)> {
        self.overrides.iter().map(|(act, index)| (act, *index))
    }

    /// Tells whether the override of an act was told to all in time.
    pub fn is_broadcast(&self, act: &ContentId) -> bool {
        self.broadcast.contains(act)
    }

    /// Returns the log up to a size, as the committee's state keeps it; `None` if the copy does not reach so far.
    pub fn log_at(&self, size: u64) -> Option<PublicLog> {
        let entries = self.entries.get(..usize::try_from(size).ok()?)?;
        let mut log = PublicLog::default();
        entries.iter().for_each(|entry| log.append(entry));
        Some(log)
    }

    fn root_at(&self, size: u64) -> Option<Hash> {
        if size == self.frontier.size() {
            return Some(self.frontier.root());
        }
        let leaves = self.leaves.get(..usize::try_from(size).ok()?)?;
        Some(leaves.iter().copied().collect::<Frontier>().root())
    }

    fn push(&mut self, entry: PublicEntry) {
        let leaf = entry.leaf();
        let index = self.frontier.append(leaf);
        self.leaves.push(leaf);
        match &entry.what {
            PublicWhat::Override(told) => {
                self.overrides.insert(told.act, index);
                self.broadcast.remove(&told.act);
            }
            PublicWhat::Broadcast { act } => {
                self.broadcast.insert(*act);
            }
            PublicWhat::Admitted(_)
            | PublicWhat::Halted { .. }
            | PublicWhat::Passed { .. }
            | PublicWhat::HandedOver { .. }
            | PublicWhat::Verdict { .. } => {}
        }
        self.entries.push(entry);
    }
}

/// Returns the checkpoint in a certificate.
const fn checkpoint(certificate: &Certificate) -> Option<&Checkpoint> {
    match &certificate.statement {
        Statement::Checkpoint(checkpoint) => Some(checkpoint),
        Statement::Ticket(_)
        | Statement::Opened(_)
        | Statement::Tally(_)
        | Statement::Resolved(_)
        | Statement::Jury(_)
        | Statement::HandOver(_)
        | Statement::Halt(_)
        | Statement::Ruling(_)
        | Statement::Audits(_)
        | Statement::Rotation(_) => None,
    }
}

fn same_size(one: &Certificate, other: &Certificate) -> Option<Weighed> {
    let (a, b) = (checkpoint(one)?.log, checkpoint(other)?.log);
    (a.size == b.size && a.root != b.root).then(|| Weighed::Split(Box::new((*one, *other))))
}
