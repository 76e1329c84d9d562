//! The ballots that a seat holds and the log does not have yet.
//!
//! A ballot stays until a block holds it or its vote takes no more. What is here when a vote closes is the seat's
//! list: a ballot that only comes into the log after the close stays here, for it counts by the lists. For a voter who
//! was cut off at the close, its receipts of other seats are kept with the ballot.
//!
//! What a block costs here goes by what is in the block, not by how many ballots wait.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::Polls;
use crate::{
    core::{
        limits::{BATCH_BALLOTS_MAX, URN_PER_VOTER_MAX},
        time::Wall,
    },
    spine::ballot::{Phase, Poll},
    wire::{Ballot, Receipt, Vote, VoteBatch},
};

/// Ballots, by vote.
#[derive(Debug, Default)]
pub struct Urn {
    held: BTreeMap<ContentId, OfVote>,
    /// Votes of which the store keeps ballots.
    stored: BTreeSet<ContentId>,
}

/// The ballots held for one vote, by name, and which are whose.
#[derive(Debug, Default)]
struct OfVote {
    kept: BTreeMap<ContentId, Kept>,
    of_voter: BTreeMap<PublicKey, Vec<ContentId>>,
}

#[derive(Debug)]
struct Kept {
    ballot: Ballot,
    /// When this seat took it in before the close; none if only others' receipts speak for it.
    time: Option<Wall>,
    receipt: Option<Receipt>,
    others: Vec<Receipt>,
}

impl OfVote {
    /// Lets go of those of a voter's ballots that stand in the log, or are as good as there, and need not be listed.
    fn settle(&mut self, polls: &Polls, voter: &PublicKey) {
        let Some(ids) = self.of_voter.get_mut(voter) else {
            return;
        };
        let kept = &mut self.kept;
        ids.retain(|id| {
            let of = kept.get(id);
            let stays = of.is_some_and(|kept| kept.waits(polls) || kept.is_to_list(polls));
            if !stays {
                kept.remove(id);
            }
            stays
        });
        if ids.is_empty() {
            self.of_voter.remove(voter);
        }
    }
}

impl Urn {
    /// Takes a ballot in; `false` if it is here already, or too many of its voter are.
    pub fn hold(&mut self, ballot: &Ballot, time: Option<Wall>, others: Vec<Receipt>) -> bool {
        let of_vote = self.held.entry(ballot.proposal).or_default();
        let id = ballot.id();
        if let Some(kept) = of_vote.kept.get_mut(&id) {
            for receipt in others {
                if kept.others.iter().all(|known| known.seat != receipt.seat) {
                    kept.others.push(receipt);
                }
            }
            return false;
        }
        let of_voter = of_vote.of_voter.entry(ballot.voter).or_default();
        if of_voter.len() >= URN_PER_VOTER_MAX {
            return false;
        }
        of_voter.push(id);
        let kept = Kept {
            ballot: ballot.clone(),
            time,
            receipt: None,
            others,
        };
        of_vote.kept.insert(id, kept);
        self.remember(ballot.proposal);
        true
    }

    /// Takes note that the store keeps ballots of a vote, until it takes no more.
    pub fn remember(&mut self, proposal: ContentId) {
        self.stored.insert(proposal);
    }

    /// Tells whether a ballot is here, and returns the own receipt for it if it is signed.
    pub fn find(&self, proposal: &ContentId, ballot: &ContentId) -> Option<Option<&Receipt>> {
        let kept = self.held.get(proposal)?.kept.get(ballot)?;
        Some(kept.receipt.as_ref())
    }

    /// Keeps the own receipt for a ballot, to give it again.
    pub fn keep_receipt(&mut self, receipt: &Receipt) {
        let of_vote = self.held.get_mut(&receipt.proposal);
        if let Some(kept) = of_vote.and_then(|of_vote| of_vote.kept.get_mut(&receipt.ballot)) {
            kept.receipt = Some(receipt.clone());
        }
    }

    /// Tells whether something waits for a block.
    pub fn awaits_block(&self, polls: &Polls) -> bool {
        let mut all = self.held.values().flat_map(|of_vote| of_vote.kept.values());
        all.any(|kept| kept.waits(polls))
    }

    /// Returns what the next block may hold of it.
    pub fn batch(&self, polls: &Polls) -> Option<VoteBatch> {
        let mut batch = VoteBatch::default();
        let mut parts = 0;
        let all = self.held.values().flat_map(|of_vote| of_vote.kept.values());
        for kept in all.filter(|kept| kept.waits(polls)) {
            parts += kept.parts();
            if parts > BATCH_BALLOTS_MAX {
                break;
            }
            batch.ballots.push(kept.ballot.clone());
            batch.receipts.extend(kept.others.iter().cloned());
        }
        (!batch.ballots.is_empty()).then_some(batch)
    }

    /// Returns the ballots of a vote that this seat took in before the close, in order: its list.
    pub fn list(&self, proposal: &ContentId) -> Vec<ContentId> {
        let of_vote = self.held.get(proposal);
        let of_vote = of_vote.into_iter().flat_map(|of_vote| &of_vote.kept);
        let in_time = of_vote.filter(|(_, kept)| kept.time.is_some());
        in_time.map(|(id, _)| *id).collect()
    }

    /// Lets go of all that stands in a log that was taken over from other seats.
    pub fn settle_all(&mut self, polls: &Polls) -> Vec<ContentId> {
        for of_vote in self.held.values_mut() {
            let voters: Vec<_> = of_vote.of_voter.keys().copied().collect();
            for voter in voters {
                of_vote.settle(polls, &voter);
            }
        }
        self.settle(&[], polls)
    }

    /// Lets go of what a block held, unless it is still to be listed, and of all for votes that take no more ballots;
    /// returns those of which the store keeps some.
    pub fn settle(&mut self, batches: &[&VoteBatch], polls: &Polls) -> Vec<ContentId> {
        for ballot in batches.iter().flat_map(|batch| &batch.ballots) {
            if let Some(of_vote) = self.held.get_mut(&ballot.proposal) {
                of_vote.settle(polls, &ballot.voter);
            }
        }
        let over = self.stored.iter();
        let over = over.filter(|proposal| taking(polls, proposal).is_none());
        let over: Vec<_> = over.copied().collect();
        for proposal in &over {
            self.stored.remove(proposal);
        }
        self.held.retain(|proposal, of_vote| {
            taking(polls, proposal).is_some() && !of_vote.kept.is_empty()
        });
        over
    }
}

impl Kept {
    /// Returns how much of a batch it takes up with its receipts; a sealed ballot is as long as two.
    fn parts(&self) -> usize {
        let ballot = match self.ballot.vote {
            Vote::Open(_) => 1,
            Vote::Sealed(_) => 2,
        };
        ballot + self.others.len()
    }

    /// Tells whether the log lacks the ballot, or the receipts that speak for it.
    fn waits(&self, polls: &Polls) -> bool {
        let poll = taking(polls, &self.ballot.proposal);
        poll.is_some_and(|poll| {
            let adds_word = !self.others.is_empty() && poll.lacks_word(&self.ballot);
            !poll.has(&self.ballot) || adds_word
        })
    }

    /// Tells whether the ballot stands in the log only if seats list it, and this one has to.
    fn is_to_list(&self, polls: &Polls) -> bool {
        self.time.is_some() && is_held(polls, &self.ballot)
    }
}

fn is_held(polls: &Polls, ballot: &Ballot) -> bool {
    taking(polls, &ballot.proposal).is_some_and(|poll| poll.is_held(ballot))
}

fn taking<'a>(polls: &'a Polls, proposal: &ContentId) -> Option<&'a Poll> {
    let poll = polls.find(proposal)?.poll();
    poll.filter(|poll| matches!(poll.phase(), Phase::Open | Phase::Closing { .. }))
}
