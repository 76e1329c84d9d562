//! Rotations of guardians, as the log takes them.

use super::{ROUNDS_SIGNED_MAX, State};
use crate::{
    spine::halt::Step,
    sublime::draw::Candidate,
    wire::{RotationEntry, RotationOpening},
};

impl State {
    /// Tells whether rotations may begin or end now: seats that are about to leave leave them to the next.
    fn may_rotate(&self) -> bool {
        self.named && !self.is_passing()
    }

    /// Tells whether the log would open the rotation of a sharing; whether it is due, each seat knows.
    pub fn may_open_rotation(&self, opening: &RotationOpening) -> bool {
        self.may_rotate() && self.may(Step::Ticket) && self.rotations.may_open(opening)
    }

    pub(super) fn admits_rotation(&self, entry: &RotationEntry) -> bool {
        match entry {
            RotationEntry::Open(opening) => self.may_open_rotation(opening),
            RotationEntry::Draw { round, signature } => {
                self.may_rotate()
                    && self.rotations.to_draw() == Some(*round)
                    && self.beacon(*round, signature).is_some()
            }
            RotationEntry::Fix(fix) => self.may_rotate() && self.rotations.may_fix(fix),
        }
    }

    pub(super) fn take_rotation(&mut self, entry: &RotationEntry) {
        match entry {
            RotationEntry::Open(opening) => {
                // One round draws for all that are opened in a block.
                self.rotations.open(opening, self.time, self.round + 1);
            }
            RotationEntry::Draw { round, signature } => {
                let Some(value) = self.beacon(*round, signature) else {
                    return;
                };
                let candidates = self.serving();
                let at = (&self.mesh, self.height, self.time);
                self.rotations.draw(at, *round, &candidates, &value);
            }
            RotationEntry::Fix(fix) => {
                self.rotations
                    .fix(&self.mesh, fix, (self.height, self.time));
            }
        }
    }

    /// Asks for the round of the beacon that the rotations of this block wait for, and lets go of what took too long.
    pub(super) fn plan_rotations(&mut self) {
        if self
            .rotations
            .to_draw()
            .is_some_and(|asked| asked > self.round)
        {
            self.round += 1;
        }
        let lapsed = self.round.saturating_sub(ROUNDS_SIGNED_MAX);
        self.rotations.lapse(self.time, lapsed);
    }

    /// Returns the members who serve as guardians, as the log knows them.
    fn serving(&self) -> Vec<Candidate> {
        let members = self.members.keys().filter_map(|key| {
            let facts = self.members.facts(key)?;
            let is_in = facts.serves && !self.members.is_out(key, self.time);
            is_in.then(|| Candidate {
                key: *key,
                subtree: facts.subtree,
                region: facts.region.clone(),
            })
        });
        members.collect()
    }
}
