//! What a node knows of the mesh's votes: what the committee has certified of each, as it came with notices.
//!
//! Every notice is checked against the committee's keys before it comes here. The vote that is longest over is
//! forgotten when too many are known; its records stay.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{TallyStatement, Terms};
use crate::{
    core::{limits::VOTES_KNOWN_MAX, time::Wall},
    wire::{
        Certificate, Statement, VoteEnd, VoteNotice, VoteOpened, VoteProof, VoteProposal,
        VoteResolved,
    },
};

/// The votes that are known, by name.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<ContentId, Box<Known>>);

/// What is known of one vote.
#[derive(Clone, Debug, Default)]
pub struct Known {
    opening: Option<Opening>,
    tally: Option<Certificate>,
    resolved: Option<Certificate>,
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
        self.0.get(proposal).map(|known| &**known)
    }

    /// Iterates over the votes, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &Known)> {
        self.0.iter().map(|(proposal, known)| (proposal, &**known))
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

    fn on(&self, subject: &ContentId) -> impl Iterator<Item = &Known> {
        let known = self.0.values().map(|known| &**known);
        known.filter(move |known| {
            let resolved = known.resolved();
            resolved.is_some_and(|resolved| resolved.subject == *subject)
        })
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
            | Statement::HandOver(_)
            | Statement::Halt(_) => false,
        }
    }

    /// Takes a notice whose certificate was found good; says what is new, in words.
    pub fn take(&mut self, notice: &VoteNotice) -> Option<(ContentId, String)> {
        let statement = notice.certificate.statement;
        let proposal = vote_of(&statement)?;
        if self.has(&statement) {
            return None;
        }
        let known = self.0.entry(proposal).or_default();
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
                known.tally = Some(notice.certificate);
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
            | Statement::HandOver(_)
            | Statement::Halt(_) => return None,
        };
        self.forget();
        Some((proposal, what))
    }

    fn forget(&mut self) {
        if self.0.len() <= VOTES_KNOWN_MAX {
            return;
        }
        let age = |known: &Known| match known.resolved() {
            Some(resolved) => (false, resolved.time),
            None => {
                let opened = known.opening().map(|opening| opening.opened.opened);
                (true, opened.unwrap_or_default())
            }
        };
        let all = self.0.iter();
        let oldest = all.min_by_key(|(proposal, known)| (age(known), **proposal));
        if let Some(oldest) = oldest.map(|(proposal, _)| *proposal) {
            self.0.remove(&oldest);
        }
    }
}

impl Known {
    /// Returns how it was opened.
    pub const fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    /// Returns what was counted.
    pub fn tally(&self) -> Option<TallyStatement> {
        match self.tally?.statement {
            Statement::Tally(stated) => Some(stated),
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Resolved(_) => None,
        }
    }

    /// Returns the committee's word what was counted.
    pub const fn certified(&self) -> Option<&Certificate> {
        self.tally.as_ref()
    }

    /// Returns how it ended.
    pub fn resolved(&self) -> Option<VoteResolved> {
        match self.resolved?.statement {
            Statement::Resolved(resolved) => Some(resolved),
            Statement::Checkpoint(_)
            | Statement::Jury(_)
            | Statement::Ticket(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Tally(_) => None,
        }
    }

    /// Returns the proof that it passed, by the committee's word.
    pub fn proof(&self) -> Option<VoteProof> {
        let resolved = self.resolved()?;
        let has_passed = resolved.end == VoteEnd::Outcome(super::Outcome::Passed);
        has_passed.then_some(VoteProof::Resolved(Box::new(self.resolved?)))
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

/// Returns the vote that a statement is about.
fn vote_of(statement: &Statement) -> Option<ContentId> {
    match statement {
        Statement::Opened(opened) => Some(opened.proposal),
        Statement::Tally(stated) => Some(stated.tally.proposal),
        Statement::Resolved(resolved) => Some(resolved.proposal),
        Statement::Checkpoint(_)
        | Statement::Jury(_)
        | Statement::Ticket(_)
        | Statement::HandOver(_)
        | Statement::Halt(_) => None,
    }
}
