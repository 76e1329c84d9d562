//! What a block may hold: how one is built, and what makes a proposed one valid.

use std::{collections::BTreeMap, sync::Arc};

use x0_crypto::{ContentId, capability::RootKey};

use super::{CommitteeLog, JournalLine, MEMBER_SETTLES, News, State, Todo, Urn};
use crate::{
    core::{
        limits::{BLOCK_ENTRIES_BYTES_MAX, BLOCK_ENTRIES_MAX, MEMBER_CHANGES_MAX},
        time::Mono,
    },
    spine::halt::HaltId,
    wire::{Block, Entry, MemberChange, VoteBatch, VoteEntry, encode_entry},
};

impl CommitteeLog {
    /// Builds the block that the engine waits for, once a quorum of clocks is read.
    pub(super) fn build(&mut self, now: Mono) -> Vec<Todo> {
        let quorum = self.state.seats().quorum();
        let Some(work) = self.work.as_mut().filter(|w| w.clocks.len() >= quorum) else {
            return Vec::new();
        };
        let Some(round) = work
            .build
            .take()
            .filter(|r| Some(*r) == work.engine.round())
        else {
            return Vec::new();
        };
        let block = Block {
            mesh: self.mesh,
            height: work.height,
            previous: self.tip.block,
            clocks: work.clocks.values().cloned().collect(),
            entries: entries(
                &self.state,
                (&self.news, &self.halts),
                (&self.pool, &self.urn),
                now,
            ),
        };
        work.unsaved.push(JournalLine::Built {
            round,
            block: Box::new(block.clone()),
        });
        let steps = work.engine.propose(round, Arc::new(block));
        self.follow(steps, now)
    }

    /// Tells whether a block may follow the tip, whatever is in it: a quorum that decided it has looked at that.
    pub(super) fn follows(&self, block: &Block) -> bool {
        block.mesh == self.mesh
            && block.height == self.tip.height + 1
            && block.previous == self.tip.block
            && self
                .state
                .seats()
                .is_quorum(block.clocks.iter().map(|clock| &clock.seat))
            && block.entries.is_sorted_by(|a, b| a.id() < b.id())
            && (block.entries.len() == 1 || !names_keys(block))
    }

    /// Tells whether a block may be decided after the tip.
    pub(super) fn is_valid(&self, block: &Block) -> bool {
        self.follows(block) && block.entries.iter().all(|entry| self.admits(entry))
    }

    /// Tells whether an entry may stand in the next block, and says of members and halts what this seat knows as well.
    fn admits(&self, entry: &Entry) -> bool {
        let is_known = match entry {
            Entry::Members(changes) => changes.iter().all(|change| {
                let own = self.news.get(&change.key);
                own.is_some_and(|(facts, _)| *facts == change.facts)
            }),
            Entry::Halt { halt, .. } => self.halts.contains_key(halt),
            Entry::Dealt { .. }
            | Entry::Keys(_)
            | Entry::Checkpoint
            | Entry::Admission(_)
            | Entry::Said { .. }
            | Entry::Seats { .. }
            | Entry::HandOver(_)
            | Entry::Vote(_) => true,
        };
        is_known && self.state.admits(entry)
    }
}

/// Chooses what the next block holds: keys to be named alone, else what is due and what was offered, as much as fits.
fn entries(
    state: &State,
    (news, halts): (&News, &BTreeMap<HaltId, RootKey>),
    (pool, urn): (&BTreeMap<ContentId, Entry>, &Urn),
    now: Mono,
) -> Vec<Entry> {
    let due = state.due();
    if let Some(keys @ Entry::Keys(_)) = due {
        return vec![keys];
    }
    let settled = news.iter();
    let settled = settled.filter(|(_, (_, since))| *since + MEMBER_SETTLES <= now);
    let changes: Vec<_> = settled
        .map(|(key, (facts, _))| MemberChange {
            key: *key,
            facts: facts.clone(),
        })
        .take(MEMBER_CHANGES_MAX)
        .collect();
    let members = (!changes.is_empty()).then_some(Entry::Members(changes));
    let ballots = urn.batch(state.polls());
    let ballots = ballots.map(|batch| Entry::Vote(Box::new(VoteEntry::Batch(batch))));
    let mut bytes = 0;
    let mut entries: Vec<_> = due
        .into_iter()
        .chain(due_halts(state, halts))
        .chain(members)
        .chain(ballots.filter(|entry| state.admits(entry)))
        .chain(pool.values().cloned())
        .take(BLOCK_ENTRIES_MAX)
        .take_while(|entry| {
            bytes += encode_entry(entry).len();
            bytes <= BLOCK_ENTRIES_BYTES_MAX
        })
        .collect();
    entries.sort_by_key(Entry::id);
    entries
}

/// Returns the halts that this seat knows and the committee has not taken up.
pub(super) fn due_halts(
    state: &State,
    halts: &BTreeMap<HaltId, RootKey>,
) -> impl Iterator<Item = Entry> {
    let entries = halts.iter();
    let entries = entries.map(|(halt, root)| Entry::Halt {
        halt: *halt,
        root: *root,
    });
    entries.filter(move |entry| state.admits(entry))
}

/// Returns the ballots that an entry takes in, if it takes any.
pub(super) fn batch_in(entry: &Entry) -> Option<&VoteBatch> {
    let Entry::Vote(entry) = entry else {
        return None;
    };
    match &**entry {
        VoteEntry::Batch(batch) => Some(batch),
        VoteEntry::Proposed(_)
        | VoteEntry::OnCall(_)
        | VoteEntry::Drawn { .. }
        | VoteEntry::List(_)
        | VoteEntry::Certified(_)
        | VoteEntry::Refuted { .. }
        | VoteEntry::Verdict(_) => None,
    }
}

pub(super) fn names_keys(block: &Block) -> bool {
    let mut entries = block.entries.iter();
    entries.any(|entry| matches!(entry, Entry::Keys(_)))
}
