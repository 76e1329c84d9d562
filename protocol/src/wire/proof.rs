//! What proves to any node that a vote has passed.
//!
//! A [`VoteProof`] is the committee's word how a vote ended, or, where a jury decides, the jurors' own ballots: then no
//! seat need be reachable any more. Either rests on a certificate, and the keys of the time at which that was given
//! check it for good.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, committee::Purpose};

use super::{
    Ballot, Certificate, CommitteeKeys, DecodeError, Statement, Subject, VoteEnd, VoteProposal,
    VoteResolved, VoteStatement,
    body::ordered,
    jury::{jury_electorate, jury_max, names},
};
use crate::{
    core::time::Wall,
    spine::ballot::{
        Electorate, Outcome, TermsError,
        jury::{JuryVerdict, NoVerdict},
    },
};

/// Proves to any node that knows the committee's keys that a vote on some subject has passed and is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteProof {
    /// The committee's word.
    Resolved(Box<Certificate>),
    /// The ballots of a jury that the committee has drawn before.
    Jury(Box<JuryProof>),
}

/// The ballots of a jury, with all it takes to check them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JuryProof {
    /// The committee's word whom it has drawn: for the day on which the proposal was made, or for this vote.
    pub drawn: Certificate,
    /// The proposal.
    pub proposal: VoteProposal,
    /// The jury, in order.
    pub jury: Vec<PublicKey>,
    /// First, open yes ballots of more than half of them, in order of voter.
    pub ballots: Vec<Ballot>,
}

/// A vote that has passed; only [`VoteProof::check`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VotePassed {
    proposal: ContentId,
    subject: ContentId,
    emergency: bool,
    time: Wall,
}

/// Why something proves no passed vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPassed {
    /// It is about something else.
    #[error("the vote decided about {found}, not about {wanted}")]
    OtherSubject {
        /// What it decided about.
        found: ContentId,
        /// What it should have.
        wanted: ContentId,
    },
    /// The certificate says something else.
    #[error("the certificate does not say how a vote ended, or who sits on a jury")]
    OtherStatement,
    /// It is of another epoch of the committee.
    #[error("the certificate is of epoch {found} of the committee, known are the keys of {known}")]
    OtherEpoch {
        /// Which.
        found: u64,
        /// Which is known.
        known: u64,
    },
    /// The committee did not sign it.
    #[error("the committee did not sign it")]
    BadSignature,
    /// The vote did not pass.
    #[error("the vote did not pass")]
    NotPassed,
    /// The jury or the proposal is not the one that the committee names.
    #[error("the jury is not the one that the committee has drawn for this proposal or its day")]
    OtherJury,
    /// The rules are out of range.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The jurors' ballots decide nothing.
    #[error(transparent)]
    Jury(#[from] NoVerdict),
}

impl VoteProof {
    /// Returns the certificate that it rests on: the keys of its epoch check the proof.
    pub const fn certificate(&self) -> &Certificate {
        match self {
            Self::Resolved(certificate) => certificate,
            Self::Jury(jury) => &jury.drawn,
        }
    }

    /// Checks that a vote about `subject` has passed and is in force, by the keys of the committee alone.
    ///
    /// # Errors
    ///
    /// Returns why it proves nothing.
    pub fn check(
        &self,
        mesh: &ContentId,
        keys: &CommitteeKeys,
        subject: &ContentId,
    ) -> Result<VotePassed, NotPassed> {
        let passed = match self {
            Self::Resolved(certificate) => {
                let Statement::Resolved(resolved) = certificate.statement else {
                    return Err(NotPassed::OtherStatement);
                };
                let VoteResolved {
                    proposal,
                    subject,
                    end,
                    emergency,
                    time,
                    height: _,
                } = resolved;
                if end != VoteEnd::Outcome(Outcome::Passed) {
                    return Err(NotPassed::NotPassed);
                }
                certified(mesh, keys, certificate)?;
                VotePassed {
                    proposal,
                    subject,
                    emergency,
                    time,
                }
            }
            Self::Jury(jury) => jury.check(mesh, keys)?,
        };
        if passed.subject != *subject {
            return Err(NotPassed::OtherSubject {
                found: passed.subject,
                wanted: *subject,
            });
        }
        Ok(passed)
    }

    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// Returns which field is out of bounds.
    pub fn check_bounds(&self) -> Result<(), DecodeError> {
        let Self::Jury(jury) = self else {
            return Ok(());
        };
        let voters: Vec<_> = jury.ballots.iter().map(|ballot| ballot.voter).collect();
        ordered("jury's verdict", "ballots", &voters, 1, jury_max())?;
        ordered("jury's verdict", "jury", &jury.jury, 1, jury_max())?;
        jury.ballots.iter().try_for_each(Ballot::check)?;
        jury.proposal.check()
    }
}

impl JuryProof {
    fn check(&self, mesh: &ContentId, keys: &CommitteeKeys) -> Result<VotePassed, NotPassed> {
        certified(mesh, keys, &self.drawn)?;
        self.verdict(mesh)
    }

    /// Checks all but the committee's word, which the caller knows to hold.
    ///
    /// # Errors
    ///
    /// Returns why it proves nothing.
    pub fn verdict(&self, mesh: &ContentId) -> Result<VotePassed, NotPassed> {
        let (electorate, time) = self.drawn_for()?;
        let proposal = self.proposal.id();
        let terms = self.proposal.rules.terms(proposal, time, electorate)?;
        let verdict = JuryVerdict {
            proposal,
            ballots: self.ballots.clone(),
        };
        verdict.verify(mesh, &terms, &self.jury)?;
        Ok(VotePassed {
            proposal,
            subject: self.proposal.subject,
            emergency: true,
            time,
        })
    }

    /// Returns the jury as an electorate, and from when it was asked.
    fn drawn_for(&self) -> Result<(Electorate, Wall), NotPassed> {
        let is_emergency = self.proposal.rules.is_emergency();
        let drawn = match self.drawn.statement {
            Statement::Opened(opened) => {
                let is_it = names(&opened, &self.proposal, &self.jury);
                is_it.then_some((opened.electorate, opened.opened))
            }
            Statement::Jury(drawn) => {
                let is_it = drawn.serves(self.proposal.made)
                    && jury_electorate(&self.jury) == drawn.electorate;
                is_it.then_some((drawn.electorate, self.proposal.made))
            }
            Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => return Err(NotPassed::OtherStatement),
        };
        drawn.filter(|_| is_emergency).ok_or(NotPassed::OtherJury)
    }
}

impl VotePassed {
    /// Returns the vote.
    pub const fn proposal(&self) -> ContentId {
        self.proposal
    }

    /// Returns what was decided.
    pub const fn subject(&self) -> ContentId {
        self.subject
    }

    /// Tells whether a jury decided.
    pub const fn is_emergency(&self) -> bool {
        self.emergency
    }

    /// Returns the mesh time from which it holds; for a jury's own ballots, that at which the vote was opened.
    pub const fn time(&self) -> Wall {
        self.time
    }
}

pub(crate) fn certified(
    mesh: &ContentId,
    keys: &CommitteeKeys,
    certificate: &Certificate,
) -> Result<(), NotPassed> {
    if certificate.epoch != keys.epoch {
        return Err(NotPassed::OtherEpoch {
            found: certificate.epoch,
            known: keys.epoch,
        });
    }
    let message = Subject::Statement(certificate.statement).message(mesh, certificate.epoch);
    keys.key(Purpose::Certificate)
        .verify(Purpose::Certificate, &message, &certificate.signature)
        .map_err(|_| NotPassed::BadSignature)
}
