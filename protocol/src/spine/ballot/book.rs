//! What a node knows of the mesh's votes: what the committee has certified of each, as it came with notices.
//!
//! Every notice is checked against the committee's keys before it comes here. The vote that is longest over is
//! forgotten when too many are known; its records stay.
//!
//! That the committee says a vote has passed is not enough for this node to act on it: the tally must have been known
//! here for a good part of its challenge time, by this node's own clock, so that a hostile quorum cannot skip the time
//! in which others count again; no proof against it may be known; and what this node has counted again itself must have
//! been published.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::{Outcome, TallyStatement, Terms};
use crate::{
    core::{
        limits::VOTES_KNOWN_MAX,
        time::{Millis, Mono, Wall},
    },
    wire::{
        Certificate, Statement, VoteEnd, VoteNotice, VoteOpened, VoteProof, VoteProposal,
        VoteResolved,
    },
};

/// The part of the challenge time for which a node must have known a tally before it acts on the vote: half. The
/// committee's time begins with its certificate, which takes a moment to reach everybody.
const CHALLENGE_PART: u64 = 2;

/// The votes that are known, by name.
#[derive(Debug, Default)]
pub struct Book {
    votes: BTreeMap<ContentId, Box<Known>>,
    /// Subjects whose votes are forgotten last, as what is in force rests on them, in order.
    held: Box<[ContentId]>,
}

/// What is known of one vote.
#[derive(Clone, Debug, Default)]
pub struct Known {
    opening: Option<Opening>,
    tally: Option<(Certificate, Heard)>,
    resolved: Option<Certificate>,
    is_refuted: bool,
    is_unpublished: bool,
}

/// Since when something is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// A moment of this node's own clock.
    pub at: Mono,
    /// How long it was known by then, in mesh time.
    pub ago: Millis,
}

/// Why this node does not act on a vote that is said to have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeeded {
    /// The tally was proven false.
    #[error("a tally that was certified for it is proven false")]
    Refuted,
    /// Its opening or a tally by which it passed is not known here.
    #[error(
        "no certified tally by which it passed is known here: wait until this node has caught up"
    )]
    NoTally,
    /// This node has counted again, and nobody had the ballots.
    #[error("its ballots are not published: count again once a seat hands them out")]
    NotPublished,
    /// The time in which others may refute the tally is not over here.
    #[error(
        "its tally is known here for {known} s of mesh time, and {needed} are needed for others to count again"
    )]
    TooEarly {
        /// For how long, s.
        known: u64,
        /// For how long it must be, s.
        needed: u64,
    },
}

impl NotHeeded {
    /// Returns the time after which it may be otherwise, in real time, if time alone can change it.
    pub fn wait(self, scale: u64) -> Option<Millis> {
        let Self::TooEarly { known, needed } = self else {
            return None;
        };
        let left = needed.saturating_sub(known).saturating_add(1);
        Some(Millis(left.saturating_mul(1_000).div_ceil(scale.max(1))))
    }
}

/// How a vote was opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The committee's word.
    pub certificate: Certificate,
    /// What it says.
    pub opened: VoteOpened,
    /// The proposal.
    pub proposal: VoteProposal,
    /// The jury, if one decides.
    pub jury: Vec<PublicKey>,
}

impl Book {
    /// Finds a vote.
    pub fn find(&self, proposal: &ContentId) -> Option<&Known> {
        self.votes.get(proposal).map(|known| &**known)
    }

    /// Iterates over the votes, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &Known)> {
        self.votes
            .iter()
            .map(|(proposal, known)| (proposal, &**known))
    }

    /// Finds the proof that a vote on a subject has passed.
    pub fn passed(&self, subject: &ContentId) -> Option<VoteProof> {
        self.on(subject).find_map(Known::proof)
    }

    /// Finds a vote on a subject that has passed.
    pub fn passed_vote(&self, subject: &ContentId) -> Option<VoteResolved> {
        let mut passed = self.on(subject).filter(|known| known.proof().is_some());
        passed.next()?.resolved()
    }

    /// Iterates over the votes that have decided something, each with how it was opened.
    pub fn decided(&self) -> impl Iterator<Item = (VoteResolved, &Opening)> {
        let known = self.votes.values();
        known.filter_map(|known| {
            let resolved = known.resolved()?;
            match resolved.end {
                VoteEnd::Outcome(_) => Some((resolved, known.opening()?)),
                VoteEnd::Void(_) => None,
            }
        })
    }

    fn on(&self, subject: &ContentId) -> impl Iterator<Item = &Known> {
        let known = self.votes.values().map(|known| &**known);
        known.filter(move |known| {
            let resolved = known.resolved();
            resolved.is_some_and(|resolved| resolved.subject == *subject)
        })
    }

    /// Tells whether this node may act on a vote of which the committee says that it has passed.
    ///
    /// # Errors
    ///
    /// Returns why it does not.
    pub fn heed(&self, proposal: &ContentId, now: Mono, scale: u64) -> Result<(), NotHeeded> {
        let known = self.find(proposal).ok_or(NotHeeded::NoTally)?;
        known.is_sound()?;
        let terms = known.opening().and_then(Opening::terms);
        let (Some(terms), Some((_, heard))) = (terms, known.tally) else {
            return Err(NotHeeded::NoTally);
        };
        let needed = Millis(terms.challenge().0 / CHALLENGE_PART);
        let age = heard.age(now, scale);
        if age < needed {
            return Err(NotHeeded::TooEarly {
                known: age.0 / 1_000,
                needed: needed.0 / 1_000,
            });
        }
        Ok(())
    }

    /// Tells whether a node that came after a vote had passed may act on it: it could not have counted again, and looks
    /// for proofs against the tally only.
    ///
    /// # Errors
    ///
    /// Returns why it may not.
    pub fn heed_later(&self, proposal: &ContentId) -> Result<(), NotHeeded> {
        let known = self.find(proposal).ok_or(NotHeeded::NoTally)?;
        known.is_sound()
    }

    /// Names the subjects whose votes are forgotten last.
    pub fn hold_on(&mut self, subjects: BTreeSet<ContentId>) {
        self.held = subjects.into_iter().collect();
    }

    /// Tells whether a subject is one whose votes are forgotten last.
    pub fn holds_on(&self, subject: &ContentId) -> bool {
        self.held.binary_search(subject).is_ok()
    }

    /// Tells whether a vote on a subject is known.
    pub fn is_voted(&self, subject: &ContentId) -> bool {
        let mut known = self.votes.values();
        known.any(|known| known.subject() == Some(*subject))
    }

    /// Tells whether a proof against a tally of a vote is known.
    pub fn is_refuted(&self, proposal: &ContentId) -> bool {
        self.find(proposal).is_some_and(|known| known.is_refuted)
    }

    /// Tells whether a recount by this node found the ballots of a vote nowhere.
    pub fn is_unpublished(&self, proposal: &ContentId) -> bool {
        self.find(proposal)
            .is_some_and(|known| known.is_unpublished)
    }

    /// Takes note whether a recount by this node found the ballots of a vote.
    pub fn note_published(&mut self, proposal: &ContentId, is_published: bool) {
        if let Some(known) = self.votes.get_mut(proposal) {
            known.is_unpublished = !is_published;
        }
    }

    /// Tells whether what a certificate says is known.
    pub fn has(&self, statement: &Statement) -> bool {
        let Some(known) = vote_of(statement).and_then(|proposal| self.find(&proposal)) else {
            return false;
        };
        match statement {
            Statement::Opened(_) => known.opening.is_some(),
            Statement::Tally(_) => known.tally.is_some(),
            Statement::Resolved(_) => known.resolved.is_some(),
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => false,
        }
    }

    /// Takes a notice whose certificate, and proof if it has one, was found good; says what is new, in words.
    pub fn take(&mut self, notice: &VoteNotice, heard: Heard) -> Option<(ContentId, String)> {
        let statement = notice.certificate.statement;
        let proposal = vote_of(&statement)?;
        if notice.refutation.is_some() {
            let known = self.votes.get_mut(&proposal)?;
            let is_new = !core::mem::replace(&mut known.is_refuted, true);
            let what = "void: a proof shows that its certified tally is false";
            return is_new.then(|| (proposal, what.to_owned()));
        }
        if self.has(&statement) {
            return None;
        }
        let known = self.votes.entry(proposal).or_default();
        let what = match statement {
            Statement::Opened(opened) => {
                let proposal = notice.proposal.as_deref()?.clone();
                let what = format!("open: {}", proposal.text);
                known.opening = Some(Opening {
                    certificate: notice.certificate,
                    opened,
                    proposal,
                    jury: notice.jury.clone(),
                });
                what
            }
            Statement::Tally(stated) => {
                known.tally = Some((notice.certificate, heard));
                let sums = stated.tally.sums;
                format!(
                    "counted: {} yes, {} no, {} abstain",
                    sums.yes, sums.no, sums.abstain
                )
            }
            Statement::Resolved(resolved) => {
                known.resolved = Some(notice.certificate);
                format!("ended: {}", resolved.end)
            }
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => return None,
        };
        self.forget();
        Some((proposal, what))
    }

    fn forget(&mut self) {
        if self.votes.len() <= VOTES_KNOWN_MAX {
            return;
        }
        let age = |known: &Known| match known.resolved() {
            Some(resolved) => (false, resolved.time),
            None => {
                let opened = known.opening().map(|opening| opening.opened.opened);
                (true, opened.unwrap_or_default())
            }
        };
        let is_held = |known: &Known| {
            known
                .subject()
                .is_some_and(|subject| self.holds_on(&subject))
        };
        let all = self.votes.iter();
        let oldest = all.min_by_key(|(proposal, known)| (is_held(known), age(known), **proposal));
        if let Some(oldest) = oldest.map(|(proposal, _)| *proposal) {
            self.votes.remove(&oldest);
        }
    }
}

impl Known {
    /// Returns how it was opened.
    pub const fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    /// Returns what it decides about, once that is known.
    fn subject(&self) -> Option<ContentId> {
        let opened = self.opening.as_ref().map(|opening| opening.opened.subject);
        opened.or_else(|| self.resolved().map(|resolved| resolved.subject))
    }

    /// Returns what was counted.
    pub fn tally(&self) -> Option<TallyStatement> {
        match self.tally?.0.statement {
            Statement::Tally(stated) => Some(stated),
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Resolved(_) => None,
        }
    }

    /// Returns the committee's word for what was counted.
    pub fn certified(&self) -> Option<&Certificate> {
        self.tally.as_ref().map(|(certificate, _)| certificate)
    }

    /// Tells whether the tally was proven false.
    pub const fn is_refuted(&self) -> bool {
        self.is_refuted
    }

    /// Tells whether this node has counted again and found no ballots.
    pub const fn is_unpublished(&self) -> bool {
        self.is_unpublished
    }

    /// Checks that what is known of the vote speaks for that it passed.
    fn is_sound(&self) -> Result<(), NotHeeded> {
        if self.is_refuted {
            return Err(NotHeeded::Refuted);
        }
        if self.is_unpublished {
            return Err(NotHeeded::NotPublished);
        }
        let outcome = self.tally().map(|stated| stated.outcome);
        (outcome == Some(Outcome::Passed))
            .then_some(())
            .ok_or(NotHeeded::NoTally)
    }

    /// Returns how it ended.
    pub fn resolved(&self) -> Option<VoteResolved> {
        match self.resolved?.statement {
            Statement::Resolved(resolved) => Some(resolved),
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Tally(_) => None,
        }
    }

    /// Returns the proof that it passed, by the committee's word.
    pub fn proof(&self) -> Option<VoteProof> {
        let resolved = self.resolved()?;
        let has_passed =
            resolved.end == VoteEnd::Outcome(Outcome::Passed) && self.is_sound().is_ok();
        has_passed.then_some(VoteProof::Resolved(Box::new(self.resolved?)))
    }
}

impl Heard {
    /// Returns for how long it is known, in mesh time by this node's own clock.
    pub fn age(&self, now: Mono, scale: u64) -> Millis {
        let since = now.since(self.at).0.saturating_mul(scale);
        Millis(self.ago.0.saturating_add(since))
    }
}

impl Opening {
    /// Returns the whole rules.
    pub fn terms(&self) -> Option<Terms> {
        let VoteOpened {
            proposal,
            subject: _,
            electorate,
            opened,
            height: _,
        } = self.opened;
        let terms = self.proposal.rules.terms(proposal, opened, electorate);
        terms.ok()
    }

    /// Returns the mesh time at which it closes, unless that moves.
    pub fn closes(&self) -> Option<Wall> {
        self.terms().map(|terms| terms.closes())
    }
}

/// Returns the vote that a statement is about, if it is about one.
pub(crate) fn vote_of(statement: &Statement) -> Option<ContentId> {
    match statement {
        Statement::Opened(opened) => Some(opened.proposal),
        Statement::Tally(stated) => Some(stated.tally.proposal),
        Statement::Resolved(resolved) => Some(resolved.proposal),
        Statement::Checkpoint(_)
        | Statement::Jury(_)
        | Statement::Ticket(_)
        | Statement::Ruling(_)
        | Statement::Audits(_)
        | Statement::Rotation(_)
        | Statement::HandOver(_)
        | Statement::Halt(_) => None,
    }
}
