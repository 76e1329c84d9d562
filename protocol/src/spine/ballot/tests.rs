//! Whole votes, and tallies that lie.

#![allow(clippy::unwrap_used)]

mod closing;
mod deceit;
mod running;
mod votes;

use std::collections::BTreeSet;

use x0_crypto::{ContentId, Identity, PublicKey};
use zeroize::Zeroizing;

use super::*;
use crate::{
    core::time::{Millis, Wall},
    spine::committee::Seats,
    wire::{Ballot, BallotList, Choice, Delegation, DelegationScope, Receipt, Verified, Vote},
};

pub(super) const MESH: ContentId = ContentId::from_digest([1; 32]);
pub(super) const PROPOSAL: ContentId = ContentId::from_digest([2; 32]);

const OPENED: Wall = Wall(1_000_000);
/// A block a minute after the opening, and every minute from there.
const fn minute(minute: u64) -> Wall {
    Wall(OPENED.0 + minute * 60_000)
}
const HOUR: u64 = 60;

pub(super) fn member(number: u16) -> Identity {
    let mut seed = [9; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed))
}

pub(super) fn key(number: u16) -> PublicKey {
    member(number).public()
}

/// Leaves of members who voted themselves, in order.
pub(super) fn leaves(count: u16) -> Vec<Leaf> {
    let choices = [Choice::Yes, Choice::No, Choice::Abstain, Choice::Yes];
    let leaf = |number: u16| {
        let choice = choices[usize::from(number % 4)];
        Leaf {
            cast: Cast::Own {
                ballot: ballot(number, choice).value().clone(),
                opening: None,
            },
            counted: Some(choice),
        }
    };
    let mut leaves: Vec<_> = (0..count).map(leaf).collect();
    leaves.sort_by_key(Leaf::voter);
    leaves
}

fn ballot(voter: u16, choice: Choice) -> Verified<Ballot> {
    changed(voter, 0, choice)
}

fn changed(voter: u16, seq: u32, choice: Choice) -> Verified<Ballot> {
    Ballot::sign(&MESH, &member(voter), PROPOSAL, seq, Vote::Open(choice))
}

fn seat(number: u16) -> Identity {
    member(60_000 + number)
}

/// Four seats: one may be hostile, three are a quorum.
fn seats() -> Seats {
    Seats::new((0..4).map(|number| seat(number).public()).collect()).unwrap()
}

fn list(number: u16, ballots: &[&Verified<Ballot>]) -> Verified<BallotList> {
    let ids = ballots.iter().map(|ballot| ballot.value().id()).collect();
    BallotList::sign(&MESH, &seat(number), PROPOSAL, (0, true), ids)
}

/// A vote of members 0, 1, 2…
struct Held {
    poll: Poll,
    delegations: Delegations,
    roll: BTreeSet<PublicKey>,
}

impl Held {
    fn ordinary(count: u16) -> Self {
        Self::with(count, |_| ())
    }

    fn changeable(count: u16) -> Self {
        Self::with(count, |draft| draft.finality = Finality::Changeable)
    }

    fn with(count: u16, change: impl Fn(&mut TermsDraft)) -> Self {
        let electorate = Electorate {
            members_root: [3; 32],
            count: count.into(),
        };
        let mut draft = TermsDraft::ordinary(electorate);
        change(&mut draft);
        let terms = Terms::new(PROPOSAL, OPENED, draft).unwrap();
        Self {
            poll: Poll::open(MESH, terms, seats()),
            delegations: Delegations::default(),
            roll: (0..count).map(key).collect(),
        }
    }

    fn take(&mut self, at: Wall, ballots: impl IntoIterator<Item = Verified<Ballot>>) -> Taken {
        self.block(
            at,
            Batch {
                ballots: ballots.into_iter().collect(),
                ..Batch::default()
            },
        )
    }

    fn lists(&mut self, at: Wall, lists: impl IntoIterator<Item = Verified<BallotList>>) -> Taken {
        self.block(
            at,
            Batch {
                lists: lists.into_iter().collect(),
                ..Batch::default()
            },
        )
    }

    fn block(&mut self, at: Wall, batch: Batch) -> Taken {
        self.poll.take(batch, &self.delegations, &self.roll, at)
    }

    fn delegate(&mut self, at: Wall, member_: u16, seq: u32, delegate: Option<u16>) {
        let scope = DelegationScope::Standing;
        let delegation = Delegation::sign(&MESH, &member(member_), scope, seq, delegate.map(key));
        assert!(self.delegations.take(vec![delegation], at).is_empty());
    }

    /// Closes the vote with empty lists and returns the sums: yes, no, abstain, leaves.
    fn close(&mut self) -> [u64; 4] {
        let close = self.poll.close();
        self.lists(close, (0..4).map(|number| list(number, &[])));
        self.counted()
    }

    fn counted(&self) -> [u64; 4] {
        let sums = self.poll.statement().unwrap().tally.sums;
        [sums.yes, sums.no, sums.abstain, sums.leaves]
    }
}

fn after(time: Wall, minutes: u64) -> Wall {
    time + Millis::from_mins(minutes)
}
