//! What this node was asked to agree to or to co-sign, and what it answered.
//!
//! As a target a node agrees by itself, if it would execute the act. As a drawn co-signer a person decides, unless
//! the operator has told the node to decide for him. An answer once given is final: it is given again whenever it is
//! asked for, and never changed.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::{limits::CONSENTS_MAX, time::Wall},
    wire::{Admission, Consented, Said, Targets, Ticket, Warrants},
};

/// What the node does when it is drawn to co-sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CosignPolicy {
    /// Waits for a person.
    #[default]
    Ask,
    /// Signs whatever the rules allow.
    Approve,
    /// Refuses.
    Refuse,
}

/// One request, and how far it is.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The act.
    pub admission: Admission,
    /// Its warrants as they were shown.
    pub warrants: Warrants,
    /// The ticket, once it was found good.
    pub ticket: Option<Ticket>,
    /// When it came, by this node's clock.
    pub since: Wall,
    /// How far it is.
    pub answer: Answer,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its warrants are being checked.
    Checking,
    /// A person is to decide.
    Waiting,
    /// The word is being signed.
    Signing,
    /// The word, of agreement.
    Said(Said),
    /// It is refused.
    Refused(String),
}

/// A request as the user sees it.
#[derive(Clone, Debug)]
pub struct ConsentView {
    /// The act, by its digest.
    pub act: ContentId,
    /// The agent.
    pub agent: PublicKey,
    /// Whether it is to be co-signed; else a target's agreement.
    pub cosign: bool,
    /// What would change, in words.
    pub change: String,
    /// What it would change here, in words: the value in force and the value asked for.
    pub difference: String,
    /// Where.
    pub targets: Targets,
    /// The ticket: nodes touched and reached, members that count, mesh time of expiry.
    pub ticket: Option<Ticket>,
    /// When it came.
    pub since: Wall,
    /// How far it is.
    pub answer: Answer,
}

/// All requests, by act and by what is wanted; the oldest answered gives way when too many are kept.
#[derive(Debug, Default)]
pub struct Consents(BTreeMap<(ContentId, bool), Consent>);

impl Consents {
    /// Finds a request.
    pub fn find(&mut self, act: &ContentId, cosign: bool) -> Option<&mut Consent> {
        self.0.get_mut(&(*act, cosign))
    }

    /// Takes in a request; `false` if there is no room for more that are open.
    pub fn open(&mut self, act: ContentId, cosign: bool, consent: Consent) -> bool {
        if self.0.len() >= CONSENTS_MAX {
            let is_closed =
                |consent: &Consent| matches!(consent.answer, Answer::Said(_) | Answer::Refused(_));
            let closed = self.0.iter().filter(|(_, consent)| is_closed(consent));
            let oldest = closed.min_by_key(|(key, consent)| (consent.since, **key));
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                return false;
            };
            self.0.remove(&oldest);
        }
        self.0.insert((act, cosign), consent);
        true
    }

    /// Answers who asks again; `None` if this was not asked before.
    pub fn answer(&self, act: &ContentId, cosign: bool) -> Option<Consented> {
        Some(match &self.0.get(&(*act, cosign))?.answer {
            Answer::Checking | Answer::Waiting | Answer::Signing => Consented::Pending,
            Answer::Said(said) => Consented::Said(*said),
            Answer::Refused(why) => Consented::Refused { why: why.clone() },
        })
    }

    /// Counts those that wait for a person.
    pub fn waiting(&self) -> u32 {
        let waiting = self
            .0
            .values()
            .filter(|consent| consent.answer == Answer::Waiting);
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// Iterates over the requests, by act.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, bool, &Consent)> {
        self.0
            .iter()
            .map(|((act, cosign), consent)| (act, *cosign, consent))
    }
}
