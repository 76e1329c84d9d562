//! Votes in the state: what may be handed in, and what closing and counting come to.

use std::collections::BTreeMap;

use super::{
    super::{making::Keys, members::Roll, polls::Turn},
    State,
};
use crate::{
    charter::Charter,
    core::{limits::SEALED_VOTERS_MAX, time::Wall},
    spine::halt::HALT_LIFE,
    wire::{Block, Entry, PublicWhat, VoteEntry, VoteItem, VoteProposal},
};

impl State {
    /// Tells whether a vote has put a charter in force: an ordinary one that was open as long as the charter before it
    /// asks for.
    pub(super) fn is_voted_for(&self, charter: &Charter) -> bool {
        let vote = self.polls.passed(&charter.id());
        let Some(vote) = vote.filter(|vote| !vote.emergency) else {
            return false;
        };
        let held = self.polls.find(&vote.proposal);
        let window = held.map(|held| held.proposal().rules.window());
        window >= self.cases.vote_window()
    }

    /// Tells whether something about votes may stand in the next block, the committee's signatures included.
    pub(super) fn admits_vote(&self, entry: &VoteEntry) -> bool {
        let Some(roll) = self.members.counted().filter(|_| self.named) else {
            return false;
        };
        if !self.polls.admits(entry, self.time, roll) {
            return false;
        }
        // No vote is opened by seats that are about to leave, so that its opening tells which seats hold it.
        let opens = matches!(entry, VoteEntry::Proposed(_) | VoteEntry::Drawn { .. });
        if opens && self.is_passing() {
            return false;
        }
        match entry {
            VoteEntry::Drawn {
                proposal,
                signature,
            } => {
                let round = self.polls.to_draw(proposal);
                round.is_some_and(|round| self.beacon(round, signature).is_some())
            }
            VoteEntry::Certified(certificate) => self.has_certified(certificate),
            VoteEntry::Proposed(proposal) => self.check_seal(proposal, roll).is_ok(),
            VoteEntry::OnCall(_)
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Opened(_)
            | VoteEntry::Refuted { .. }
            | VoteEntry::Verdict(_) => true,
        }
    }

    /// Tells what became of something that a member handed in for a vote: that it stands in the log, or that it cannot.
    ///
    /// # Errors
    ///
    /// Returns why it has no effect, in words; `Ok(false)` if it may still come into the log.
    pub fn vote_standing(&self, item: &VoteItem, time: Wall, roll: &Roll) -> Result<bool, String> {
        let standing = self.polls.standing(item, time, roll)?;
        if let (VoteItem::Proposal(proposal), false) = (item, standing) {
            self.check_seal(proposal, roll)?;
        }
        Ok(standing)
    }

    /// Checks that the ballots of a proposed vote are open, or that the committee can open them.
    fn check_seal(&self, proposal: &VoteProposal, roll: &Roll) -> Result<(), String> {
        let Some(key) = &proposal.rules.sealed_to else {
            return Ok(());
        };
        let own = self.keys.as_ref().map(Keys::public);
        if own.is_none_or(|own| own.decryption != **key) {
            return Err("its ballots would be sealed to another key than the committee's".into());
        }
        let voters = roll.electorate().count;
        if voters > SEALED_VOTERS_MAX {
            return Err(format!(
                "{voters} members could vote, and the seats open {SEALED_VOTERS_MAX} sealed ballots at most: propose \
                 it with open ballots"
            ));
        }
        Ok(())
    }

    /// Takes what a block says of votes: their own before the delegations of the same block.
    pub(super) fn take_votes(&mut self, block: &Block) {
        let roll = self.roll();
        let entries: Vec<_> = block
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Vote(entry) if self.admits_vote(entry) => Some(&**entry),
                Entry::Vote(_)
                | Entry::Dealt { .. }
                | Entry::Keys(_)
                | Entry::Rotation(_)
                | Entry::Members(_)
                | Entry::Checkpoint
                | Entry::Admission(_)
                | Entry::Said { .. }
                | Entry::Seats { .. }
                | Entry::HandOver(_)
                | Entry::Halt { .. }
                | Entry::Revoked { .. }
                | Entry::Case(_)
                | Entry::Audits { .. } => None,
            })
            .collect();
        let drawn = entries.iter().filter_map(|entry| match entry {
            VoteEntry::Drawn {
                proposal,
                signature,
            } => {
                let round = self.polls.to_draw(proposal)?;
                Some((*proposal, self.beacon(round, signature)?))
            }
            VoteEntry::Proposed(_)
            | VoteEntry::OnCall(_)
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Opened(_)
            | VoteEntry::Certified(_)
            | VoteEntry::Refuted { .. }
            | VoteEntry::Verdict(_) => None,
        });
        let drawn: BTreeMap<_, _> = drawn.collect();
        let turn = Turn {
            entries: &entries,
            height: self.height,
            time: self.time,
            roll: &roll,
            round: self.round,
        };
        let (happened, asked) = self
            .polls
            .apply(&turn, |proposal| drawn.get(proposal).copied());
        self.round += asked;
        self.happened = happened;
        let passed: Vec<_> = self.polls.passed_at(self.height).collect();
        for vote in passed {
            self.publish(PublicWhat::Passed {
                proposal: vote.proposal,
                subject: vote.subject,
                emergency: vote.emergency,
            });
        }
        self.heed_votes_on_halts();
    }

    /// Ends the halts that an emergency vote resumes, and prolongs those that a vote renews.
    fn heed_votes_on_halts(&mut self) {
        let (time, polls) = (self.time, &self.polls);
        for halted in self.halts.values_mut().filter(|it| it.until > time) {
            let resumed = polls.passed(&halted.halt.resumption());
            if resumed.is_some_and(|vote| vote.emergency) {
                halted.until = time;
            } else if let Some(vote) = polls.passed(&halted.halt.renewal()) {
                halted.until = halted.until.max(vote.time + HALT_LIFE);
            }
        }
    }
}
