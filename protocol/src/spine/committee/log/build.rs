//! What a block may hold: how one is built, and what makes a proposed one valid.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
};

use super::{CommitteeLog, JournalLine, MEMBER_SETTLES, News, State, Todo, Urn};
use crate::{
    core::{
        limits::{
            BLOCK_ENTRIES_BYTES_MAX, BLOCK_ENTRIES_MAX, MEMBER_CHANGES_MAX, OPENINGS_MAX,
            ROTATIONS_A_BLOCK,
        },
        time::Mono,
    },
    spine::{ballot::Secrecy, halt::HaltId},
    wire::{
        Block, CaseEntry, Entry, MemberChange, Openings, RotationEntry, VoteBatch, VoteEntry,
        encode_entry,
    },
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
        let entries = self.entries(now);
        let Some(work) = &mut self.work else {
            return Vec::new();
        };
        let block = Block {
            mesh: self.mesh,
            height: work.height,
            previous: self.tip.block,
            clocks: work.clocks.values().cloned().collect(),
            entries,
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

    /// Tells whether an entry may stand in the next block, and says of members, sentences, halts, revocations and sharings that
    /// are due what this seat knows as well.
    fn admits(&self, entry: &Entry) -> bool {
        let is_known = match entry {
            Entry::Members(changes) => changes.iter().all(|change| {
                let own = self.news.get(&change.key);
                own.is_some_and(|(facts, _)| *facts == change.facts)
            }),
            Entry::Halt { halt, .. } => self.halts.contains_key(halt),
            Entry::Revoked { root, ids } => ids.iter().all(|id| self.revoked.has(root, id)),
            Entry::Case(entry) => match &**entry {
                CaseEntry::Sentence {
                    accused,
                    case,
                    sentence,
                } => self.sentences.has(*accused, *case, sentence),
                CaseEntry::Record(_) | CaseEntry::Opened { .. } | CaseEntry::Charter(_) => true,
            },
            Entry::Rotation(entry) => match &**entry {
                RotationEntry::Open(opening) => {
                    self.due_rotations.get(&opening.item) == Some(opening)
                }
                RotationEntry::Draw { .. } | RotationEntry::Fix(_) => true,
            },
            Entry::Dealt { .. }
            | Entry::Keys(_)
            | Entry::Checkpoint
            | Entry::Admission(_)
            | Entry::Said { .. }
            | Entry::Seats { .. }
            | Entry::HandOver(_)
            | Entry::Vote(_)
            | Entry::Audits { .. } => true,
        };
        is_known && self.state.admits(entry)
    }

    /// Returns the acts with a ticket whose token this seat knows to be revoked, and the log does not yet: this seat
    /// has no part in signing those tickets.
    pub fn withheld(&self) -> BTreeSet<ContentId> {
        let open = self.state.open_tickets();
        let struck = open.filter(|(ticket, blocks)| {
            let blocks = self.unnamed(&ticket.root, blocks);
            self.revoked.strikes(&ticket.root, &blocks).is_some()
        });
        struck.map(|(ticket, _)| ticket.act).collect()
    }

    /// Returns the revocations that strike acts which wait or hold a ticket, and the log does not know yet.
    pub(super) fn due_revocations(&self, now: Mono) -> Vec<Entry> {
        let waiting = self.struck_in_pool().map(|(_, token)| token);
        let open = self.state.open_tickets();
        let open = open.map(|(ticket, blocks)| (ticket.root, self.unnamed(&ticket.root, blocks)));
        self.revoked.entries(waiting.chain(open), now)
    }

    /// Finds the acts that wait for admission under tokens this seat knows to be revoked, and the log does not yet.
    fn struck_in_pool(&self) -> impl Iterator<Item = (ContentId, (RootKey, Vec<RevocationId>))> {
        self.pool.iter().filter_map(|(id, entry)| {
            let Entry::Admission(admission) = entry else {
                return None;
            };
            let act = &admission.act;
            // Reading a token costs more than looking whether anything was revoked there.
            if !self.revoked.is_any_of(&act.root) {
                return None;
            }
            let capability = act.token.verify(&act.root).ok()?;
            let blocks = self.unnamed(&act.root, capability.revocation_ids());
            self.revoked.strikes(&act.root, &blocks)?;
            Some((*id, (act.root, blocks)))
        })
    }

    /// Returns the blocks of a token that the log does not know to be revoked.
    fn unnamed(&self, root: &RootKey, blocks: &[RevocationId]) -> Vec<RevocationId> {
        let blocks = blocks.iter().copied();
        blocks
            .filter(|id| !self.state.is_revoked(root, id))
            .collect()
    }

    /// Returns what waits but stands in no block of this seat yet: acts whose token is revoked, until the block that
    /// says so.
    pub(super) fn held_back(&self, now: Mono) -> BTreeSet<ContentId> {
        self.held_back_by(&self.due_revocations(now))
    }

    fn held_back_by(&self, revoked: &[Entry]) -> BTreeSet<ContentId> {
        let named = |root: &RootKey, id: &RevocationId| {
            let mut all = revoked.iter();
            all.any(|entry| matches!(entry, Entry::Revoked { root: of, ids } if of == root && ids.contains(id)))
        };
        let held_back = self.struck_in_pool().filter(|(_, (root, blocks))| {
            let known = |id: &&RevocationId| self.revoked.has(root, id);
            !blocks.iter().filter(known).any(|id| named(root, id))
        });
        held_back.map(|(id, _)| id).collect()
    }

    /// Returns when the revocations that strike what waits or holds a ticket can be named.
    pub(super) fn revocations_settle(&self) -> Option<Mono> {
        let waiting = self.struck_in_pool().map(|(_, token)| token);
        let open = self.state.open_tickets();
        let open = open.map(|(ticket, blocks)| (ticket.root, self.unnamed(&ticket.root, blocks)));
        let struck = waiting.chain(open);
        struck
            .filter_map(|(root, blocks)| self.revoked.strikes(&root, &blocks))
            .min()
    }

    /// Chooses what the next block holds.
    fn entries(&self, now: Mono) -> Vec<Entry> {
        let mut known = self.due_revocations(now);
        let held_back = self.held_back_by(&known);
        known.extend(self.due_sentences());
        known.extend(self.due_openings());
        let pool = self.pool.iter();
        let pool = pool.filter(|(id, _)| !held_back.contains(*id));
        let pool = pool.map(|(_, entry)| entry.clone());
        entries(
            &self.state,
            (&self.news, &self.halts, known),
            (pool, &self.urn, self.opened()),
            now,
        )
    }

    /// Returns the sentences that this seat knows and the log does not.
    fn due_sentences(&self) -> impl Iterator<Item = Entry> {
        let known = self.sentences.iter();
        let lacking = known.filter(|(accused, case, sentence)| {
            self.state.lacks_sentence(*accused, *case, sentence)
        });
        lacking.map(|(accused, case, sentence)| {
            Entry::Case(Box::new(CaseEntry::Sentence {
                accused,
                case,
                sentence,
            }))
        })
    }

    /// Returns the rotations that this seat finds due and the log would open, some at a time. Each block begins with another,
    /// so that those that nobody deals on do not hold up the rest.
    pub(super) fn due_openings(&self) -> impl Iterator<Item = Entry> {
        let first = *self.tip.block.digest();
        let is_later = move |item: &PublicKey| *item.bytes() >= first;
        let later = self.due_rotations.iter();
        let later = later.filter(move |(item, _)| is_later(item));
        let earlier = self.due_rotations.iter();
        let earlier = earlier.filter(move |(item, _)| !is_later(item));
        let due = later.chain(earlier).map(|(_, opening)| opening);
        let openings = due.filter(|opening| self.state.may_open_rotation(opening));
        let entries = openings.map(|opening| RotationEntry::Open(opening.clone()));
        entries
            .map(|entry| Entry::Rotation(Box::new(entry)))
            .take(ROTATIONS_A_BLOCK)
    }

    /// Returns what opens sealed ballots, as many as one block opens.
    fn opened(&self) -> Vec<Entry> {
        let mut by_vote: BTreeMap<ContentId, Vec<_>> = BTreeMap::new();
        for ((proposal, voter), signature) in self.openings.iter().take(OPENINGS_MAX) {
            let of_vote = by_vote.entry(*proposal).or_default();
            of_vote.push((*voter, *signature));
        }
        let all = by_vote.into_iter().filter_map(|(proposal, signatures)| {
            let poll = self.state.polls().find(&proposal)?.poll()?;
            let Secrecy::Sealed { key } = poll.terms().secrecy() else {
                return None;
            };
            let openings = Openings {
                proposal,
                key: **key,
                signatures,
            };
            Some(Entry::Vote(Box::new(VoteEntry::Opened(Box::new(openings)))))
        });
        all.collect()
    }
}

/// Chooses what the next block holds: keys to be named alone, else what is due and what was offered, as much as fits.
fn entries(
    state: &State,
    (news, halts, known): (&News, &BTreeMap<HaltId, RootKey>, Vec<Entry>),
    (pool, urn, opened): (impl Iterator<Item = Entry>, &Urn, Vec<Entry>),
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
        .chain(opened.into_iter().filter(|entry| state.admits(entry)))
        .chain(ballots.filter(|entry| state.admits(entry)))
        .chain(known.into_iter().filter(|entry| state.admits(entry)))
        .chain(pool)
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
        | VoteEntry::Opened(_)
        | VoteEntry::Certified(_)
        | VoteEntry::Refuted { .. }
        | VoteEntry::Verdict(_) => None,
    }
}

pub(super) fn names_keys(block: &Block) -> bool {
    let mut entries = block.entries.iter();
    entries.any(|entry| matches!(entry, Entry::Keys(_)))
}
