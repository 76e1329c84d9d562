//! How a seat goes on with a height after a restart: by its journal.

use std::sync::Arc;

use super::{
    CommitteeLog, JournalLine, Todo,
    engine::Step,
    height::{Height, Slot},
};
use crate::{
    core::time::{Mono, Wall},
    wire::{SeatDraft, SeatMessage},
};

impl CommitteeLog {
    /// Goes on with a height from the journal: the engine is fed what it was fed before.
    pub(super) fn resume(
        &mut self,
        journal: Vec<JournalLine>,
        now: Mono,
        clock: Wall,
    ) -> Vec<Todo> {
        let height = self.tip.height + 1;
        let mut work = Box::new(Height::new(height, self.state.seats(), self.own, now));
        work.saved = u32::try_from(journal.len()).unwrap_or(u32::MAX);
        let mut steps = work.engine.start();
        let (mut built, mut elapsed) = (Vec::new(), Vec::new());
        for line in journal {
            match line {
                JournalLine::Heard(SeatMessage::Proposal(proposal)) => {
                    work.note(&proposal);
                    let is_valid = self.is_valid(&proposal.block);
                    steps.extend(work.engine.proposal(&proposal, is_valid));
                    if proposal.seat == self.own {
                        let slot = Slot::Proposal(proposal.round);
                        work.said.insert(slot, SeatMessage::Proposal(proposal));
                    }
                }
                JournalLine::Heard(SeatMessage::Vote(vote)) => {
                    steps.extend(work.engine.vote(&vote));
                    if vote.seat == self.own {
                        let slot = Slot::Vote(vote.round, vote.phase);
                        work.said.insert(slot, SeatMessage::Vote(vote));
                    }
                }
                JournalLine::Heard(SeatMessage::Clock { .. }) => {}
                JournalLine::Built { round, block } => {
                    built.push(round);
                    steps.extend(work.engine.propose(round, Arc::new(*block)));
                }
                JournalLine::Elapsed(timer) => {
                    elapsed.push(timer);
                    steps.extend(work.engine.elapsed(timer));
                }
                JournalLine::Signing(draft) => {
                    if let Some(slot) = Slot::of(&draft) {
                        work.bound.insert(slot, draft);
                    }
                }
            }
        }
        steps.retain(|step| match step {
            Step::Build { round } => !built.contains(round),
            Step::Wait(timer) => !elapsed.contains(timer),
            Step::Propose { .. } | Step::Vote { .. } | Step::Decide { .. } => true,
        });
        let unsaid: Vec<_> = work
            .bound
            .iter()
            .filter(|(slot, _)| !work.said.contains_key(slot))
            .map(|(_, draft)| Todo::Sign(draft.clone()))
            .collect();
        self.work = Some(work);
        let mut todo = vec![Todo::Sign(SeatDraft::Clock {
            height,
            time: clock,
        })];
        todo.extend(unsaid);
        todo.extend(self.follow(steps, now));
        todo
    }
}
