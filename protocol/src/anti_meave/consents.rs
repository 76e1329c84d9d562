//! What this node was asked to agree to, to co-sign or to approve, and what it answered.
//!
//! As a target a node agrees by itself, if it would execute the act. As a drawn co-signer or signatory a person
//! decides, unless the operator has told the node to decide for him. An answer once given is final: it is given again whenever it is
//! asked for, and never changed.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::{limits::CONSENTS_MAX, time::Wall},
    wire::{Admission, Consented, MultiSig, Override, Role, Said, Targets, Ticket, Warrants},
};

/// What the node does when it is drawn to co-sign or to approve.
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
    /// In which role the node is asked.
    pub role: Role,
    /// What would change, in words.
    pub change: String,
    /// What it would change here, in words: the value in force and the value asked for.
    pub difference: String,
    /// Where.
    pub targets: Targets,
    /// The ticket: nodes touched and reached, members that count, mesh time of expiry.
    pub ticket: Option<Ticket>,
    /// What its agent says of it, if it is an override.
    pub emergency: Option<Override>,
    /// When it came.
    pub since: Wall,
    /// How far it is.
    pub answer: Answer,
}

impl ConsentView {
    /// Returns of how many signatories how many must approve, if the node is asked as one.
    pub fn panel(&self) -> Option<MultiSig> {
        let panel = self.ticket.as_ref()?.panel?;
        (self.role == Role::Signatory).then_some(panel.multi_sig)
    }
}

/// All requests, by act and by what is wanted; the oldest answered gives way when too many are kept.
#[derive(Debug, Default)]
pub struct Consents(BTreeMap<(ContentId, Role), Consent>);

impl Consents {
    /// Finds the request that waits for a person's word about an act, and the role it is asked in.
    pub fn waiting_for(&mut self, act: &ContentId) -> Option<(Role, &mut Consent)> {
        let of_act = (*act, Role::Target)..=(*act, Role::Signatory);
        let mut waiting = self.0.range_mut(of_act);
        let ((_, role), consent) =
            waiting.find(|(_, consent)| consent.answer == Answer::Waiting)?;
        Some((*role, consent))
    }

    /// Finds a request.
    pub fn find(&mut self, act: &ContentId, role: Role) -> Option<&mut Consent> {
        self.0.get_mut(&(*act, role))
    }

    /// Takes in a request; `false` if there is no room for more that are open.
    pub fn open(&mut self, act: ContentId, role: Role, consent: Consent) -> bool {
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
        self.0.insert((act, role), consent);
        true
    }

    /// Answers who asks again; `None` if this was not asked before.
    pub fn answer(&self, act: &ContentId, role: Role) -> Option<Consented> {
        Some(match &self.0.get(&(*act, role))?.answer {
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
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, Role, &Consent)> {
        self.0
            .iter()
            .map(|((act, role), consent)| (act, *role, consent))
    }
}
