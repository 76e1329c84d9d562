//! Work on one height: what the seat has heard, is bound to say and has said.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::{Awaited, Engine, JournalLine, Seats, Timer, Todo};
use crate::{
    core::time::{Millis, Mono},
    wire::{ClockReading, Phase, Proposal, SeatDraft, SeatMessage},
};

/// Longest wait for the proposal of the first round; covers building, sending and checking a full block.
const PROPOSAL_WAIT: Millis = Millis(2_000);
/// Longest wait for a quorum of votes for one thing, once a quorum has voted.
const VOTES_WAIT: Millis = Millis(1_000);
/// What each further round waits longer, so that rounds become long enough for any network in the end.
const WAIT_STEP: Millis = Millis(500);
/// Longest wait in any round.
const WAIT_MAX: Millis = Millis::from_secs(30);
/// Time after which a seat says again what it said last, while the height is undecided.
pub(super) const REPEAT_EVERY: Millis = Millis(1_000);

/// Work on the height after the tip.
pub(super) struct Height {
    pub(super) height: u64,
    pub(super) began: Mono,
    pub(super) engine: Engine,
    pub(super) clocks: BTreeMap<PublicKey, ClockReading>,
    pub(super) build: Option<u32>,
    pub(super) timers: BTreeMap<Timer, Mono>,
    pub(super) repeat_at: Mono,
    /// Lines not yet on their way to the store.
    pub(super) unsaved: Vec<JournalLine>,
    pub(super) saved: u32,
    /// What this seat has bound itself to say, and has said.
    pub(super) bound: BTreeMap<Slot, SeatDraft>,
    pub(super) said: BTreeMap<Slot, SeatMessage>,
    pub(super) own_clock: Option<SeatMessage>,
    /// Blocks proposed, at most two for each round: a second is proof enough of a lie.
    pub(super) proposed: BTreeMap<u32, BTreeSet<ContentId>>,
}

/// A place in which a seat says one thing only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Proposal(u32),
    Vote(u32, Phase),
}

impl Slot {
    pub(super) const fn of(draft: &SeatDraft) -> Option<Self> {
        match draft {
            SeatDraft::Clock { .. } => None,
            SeatDraft::Proposal { round, .. } => Some(Self::Proposal(*round)),
            SeatDraft::Vote { round, phase, .. } => Some(Self::Vote(*round, *phase)),
        }
    }

    pub(super) const fn round(self) -> u32 {
        match self {
            Self::Proposal(round) | Self::Vote(round, _) => round,
        }
    }
}

impl Height {
    pub(super) fn new(height: u64, seats: &Seats, own: PublicKey, now: Mono) -> Self {
        Self {
            height,
            began: now,
            engine: Engine::new(height, seats, own),
            clocks: BTreeMap::new(),
            build: None,
            timers: BTreeMap::new(),
            repeat_at: now + REPEAT_EVERY,
            unsaved: Vec::new(),
            saved: 0,
            bound: BTreeMap::new(),
            said: BTreeMap::new(),
            own_clock: None,
            proposed: BTreeMap::new(),
        }
    }

    /// Binds the seat to say this in its place: notes it, and signs once it is noted.
    ///
    /// If the place is taken, the same is said again, or nothing.
    pub(super) fn bind(&mut self, draft: SeatDraft) -> Option<Todo> {
        let slot = Slot::of(&draft)?;
        if let Some(bound) = self.bound.get(&slot) {
            let is_unsaid = *bound == draft && !self.said.contains_key(&slot);
            return is_unsaid.then_some(Todo::Sign(draft));
        }
        self.bound.insert(slot, draft.clone());
        self.unsaved.push(JournalLine::Signing(draft.clone()));
        let lines = std::mem::take(&mut self.unsaved);
        let first = self.saved;
        self.saved = first.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        Some(Todo::Note {
            height: self.height,
            first,
            lines,
            then: draft,
        })
    }

    /// Returns what the seat says again: its clock, and all of this round and the one before.
    pub(super) fn repeated(&self) -> impl Iterator<Item = SeatMessage> {
        let from = self.engine.round().unwrap_or_default().saturating_sub(1);
        let said = self
            .said
            .iter()
            .filter(move |(slot, _)| slot.round() >= from);
        let said = said.map(|(_, message)| message);
        self.own_clock.iter().chain(said).cloned()
    }

    pub(super) fn lacks(&self, proposal: &Proposal) -> bool {
        let known = self.proposed.get(&proposal.round);
        known.is_none_or(|known| known.len() < 2 && !known.contains(&proposal.block.id()))
    }

    pub(super) fn note(&mut self, proposal: &Proposal) {
        let known = self.proposed.entry(proposal.round).or_default();
        known.insert(proposal.block.id());
    }
}

pub(super) fn patience(timer: Timer) -> Millis {
    let first = match timer.what {
        Awaited::Proposal => PROPOSAL_WAIT,
        Awaited::Prevotes | Awaited::Precommits => VOTES_WAIT,
    };
    let step = WAIT_STEP.0.saturating_mul(u64::from(timer.round));
    Millis(first.0.saturating_add(step)).min(WAIT_MAX)
}
