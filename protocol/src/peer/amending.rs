//! The charter in force, and what puts another in its place.
//!
//! A mesh begins under the charter of its genesis. A member says an amendment to all as a record; a vote on its content
//! id decides. Each node takes the amendment by itself: it is a charter, its number is the next, the committee's
//! certificate says that an ordinary vote on that very id has passed, open as long as the charter before asks for, and
//! this node heeds the vote as it does for an act (see `spine::ballot::Book`). A jury amends nothing.
//!
//! What is in force follows from the records that are known and from nothing else: the way is gone from the genesis
//! each time something is learned. So it is the same whatever order the records came in, after a restart as before,
//! and for whoever joins later.

use std::collections::BTreeMap;

use x0_crypto::ContentId;

use super::{Peer, refuse};
use crate::{
    charter::Charter,
    core::{
        command::{AmendmentRefusal, CommandError},
        effect::{Effect, Outbox},
        event::Event,
        ids::CommandId,
        limits::AMENDMENTS_WAITING_MAX,
        time::{Millis, Mono, Now},
        vote::VoteRefusal,
    },
    spine::{
        ballot::{Book, Known, NotHeeded},
        directory::Member,
    },
    wire::{Body, VoteResolved},
};

/// What a peer knows of charters beside that of the genesis.
#[derive(Default)]
pub(super) struct Amendments {
    known: BTreeMap<ContentId, Charter>,
    /// Those that led from the genesis to the one in force, which is the last.
    way: Vec<Charter>,
    /// When a vote that has passed will be heeded here.
    due: Option<Mono>,
}

impl Amendments {
    /// Lets go of amendments beyond [`AMENDMENTS_WAITING_MAX`]: never of one that was taken, first of those that no vote
    /// is known about, the last by name.
    fn trim(&mut self, book: &Book) {
        while self.known.len() > self.way.len() + AMENDMENTS_WAITING_MAX {
            let is_taken = |id: &ContentId| self.way.iter().any(|charter| charter.id() == *id);
            let waiting = self.known.keys().filter(|id| !is_taken(id));
            let least = waiting.min_by_key(|id| (book.is_voted(id), core::cmp::Reverse(**id)));
            let Some(least) = least.copied() else { return };
            self.known.remove(&least);
        }
    }
}

impl Peer {
    /// Returns the charter in force; none if the mesh was founded without one.
    pub fn charter(&self) -> Option<&Charter> {
        let amended = self.amendments.as_ref();
        let amended = amended.and_then(|amendments| amendments.way.last());
        amended.or_else(|| self.founding_charter())
    }

    /// Iterates over the charters that are or were in force.
    pub(super) fn charters(&self) -> impl Iterator<Item = &Charter> {
        let amended = self.amendments.iter();
        let amended = amended.flat_map(|amendments| &amendments.way);
        self.founding_charter().into_iter().chain(amended)
    }

    fn founding_charter(&self) -> Option<&Charter> {
        self.directory.genesis().parameters.charter.as_ref()
    }

    /// Finds an amendment that a member has said to all, by the charter's name.
    pub(super) fn amendment(&self, charter: &ContentId) -> Option<&Charter> {
        self.amendments.as_ref()?.known.get(charter)
    }

    /// Says an amendment to all, so that it can be voted on.
    pub(super) fn propose_charter(
        &mut self,
        now: Now,
        id: CommandId,
        charter: Charter,
        out: &mut Outbox,
    ) {
        let checked = match self.charter() {
            None => Err(AmendmentRefusal::NoCharter),
            Some(old) => charter.check_follows(old).map_err(Into::into),
        };
        let checked = checked.map_err(CommandError::Amendment);
        let checked = checked.and_then(|()| match self.trust_status(now).has_committee {
            true => Ok(()),
            false => Err(CommandError::Vote(VoteRefusal::NoCommittee)),
        });
        let written = checked.and_then(|()| {
            self.write_for(now, id, Body::Charter(charter), out)
                .map(|_| ())
        });
        if let Err(error) = written {
            refuse(id, error, out);
        }
    }

    /// Takes note of an amendment that a member has said to all.
    pub(super) fn hear_charter(&mut self, now: Now, charter: &Charter, out: &mut Outbox) {
        self.recall_charters([charter.clone()]);
        self.take_up_charters(now, out);
    }

    /// Takes note of amendments before the votes about them are read back.
    pub(super) fn recall_charters(&mut self, charters: impl IntoIterator<Item = Charter>) {
        for charter in charters {
            let amendments = self.amendments.get_or_insert_default();
            amendments.known.insert(charter.id(), charter);
        }
        self.hold_on_to_votes();
    }

    /// Finds the charter in force once amendments are noted, and lets go of those that are too many.
    pub(super) fn take_up_charters(&mut self, now: Now, out: &mut Outbox) {
        self.settle_charter(now, out);
        if let Some(amendments) = &mut self.amendments {
            amendments.trim(&self.voting.book);
        }
        self.hold_on_to_votes();
    }

    fn hold_on_to_votes(&mut self) {
        if let Some(amendments) = &self.amendments {
            let held = amendments.known.keys().copied().collect();
            self.voting.book.hold_on(held);
        }
    }

    /// Finds the charter in force, and tells if it is another than before.
    pub(super) fn settle_charter(&mut self, now: Now, out: &mut Outbox) {
        let (Some(founding), Some(amendments)) =
            (self.founding_charter().cloned(), &self.amendments)
        else {
            return;
        };
        let mut due = None;
        let mut in_force = founding;
        let mut way = Vec::new();
        loop {
            let next = amendments
                .known
                .values()
                .filter(|charter| charter.check_follows(&in_force).is_ok());
            let passed =
                next.filter_map(
                    |charter| match self.amended(now, &in_force, &charter.id())? {
                        Ok(vote) => Some((vote.time, charter.id(), charter)),
                        Err(why) => {
                            let wait = why.wait(self.time_scale());
                            due = due
                                .into_iter()
                                .chain(wait.map(|wait| now.mono + wait))
                                .min();
                            None
                        }
                    },
                );
            // Of two amendments with one number the one that was decided first is in force everywhere.
            match passed.min_by_key(|(time, id, _)| (*time, *id)) {
                Some((_, _, charter)) => {
                    in_force = charter.clone();
                    way.push(in_force.clone());
                }
                None => break,
            }
        }
        let is_new = self.charter() != Some(&in_force);
        let (charter, number) = (in_force.id(), in_force.number());
        if let Some(amendments) = &mut self.amendments {
            amendments.due = due;
            amendments.way = way;
        }
        if is_new {
            self.judge_audits();
            out.push(Effect::Notify(Event::Charter { charter, number }));
        }
    }

    /// Finds the vote by which an amendment was taken, if one has passed that was open for as long as the charter before
    /// it asks for; an error if it is not heeded here.
    fn amended(
        &self,
        now: Now,
        old: &Charter,
        charter: &ContentId,
    ) -> Option<Result<VoteResolved, NotHeeded>> {
        let book = &self.voting.book;
        let vote = book.passed_vote(charter).filter(|vote| !vote.emergency)?;
        let opening = book.find(&vote.proposal).and_then(Known::opening)?;
        let needed = Millis::from_mins(old.text().windows.vote_hours * 60);
        if opening.proposal.rules.window() < needed {
            return None;
        }
        Some(self.heed_vote(now, &vote).map(|()| vote))
    }

    /// Tells whether this node acts on a vote of which the committee says that it has passed.
    pub(super) fn heed_vote(&self, now: Now, vote: &VoteResolved) -> Result<(), NotHeeded> {
        let book = &self.voting.book;
        // Whoever came later could not have counted again: all that is left is to look for proofs against the tally.
        let own = self.directory.member(&self.config.key);
        let came_later = own.is_some_and(|own: &Member| own.since > self.real_time(vote.time));
        match came_later {
            true => book.heed_later(&vote.proposal),
            false => book.heed(&vote.proposal, now.mono, self.time_scale()),
        }
    }

    /// Returns when a vote that has passed will be heeded here.
    pub(super) fn charter_due(&self) -> Option<Mono> {
        self.amendments.as_ref()?.due
    }

    pub(super) fn wake_charter(&mut self, now: Now, out: &mut Outbox) {
        if self.charter_due().is_some_and(|at| at <= now.mono) {
            self.settle_charter(now, out);
        }
    }
}
