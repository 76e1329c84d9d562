//! Own acts on their way into a mesh with a committee: from asking for a ticket to the last word collected.
//!
//! ```text
//! asked -> ticket -> (draw) -> agreements, co-signatures and approvals -> the act is written, with all of it
//! ```
//!
//! This module keeps what was collected and says what is still wanted of whom; asking is the peer's business.
//!
//! What was asked for is on disk before anybody is asked, with how it ended: a node that was killed goes on with the
//! same act, by its digest, so that nobody is drawn twice for what was asked once. What was collected is not kept;
//! whoever gave it gives it again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::warrants::{Needed, Proven, needed};
use crate::{
    core::{
        limits::PROPOSALS_KEPT_MAX,
        time::{Mono, Wall},
    },
    spine::{committee::too_many_decline, directory::Directory},
    wire::{Admission, Certificate, Draw, OverrideProof, Role, Said, VoteProof, Warrants, Word},
};

/// How often the same targets are asked for their word before others are.
const ASKED_EACH: u32 = 4;

/// An own act on its way.
#[derive(Clone, Debug)]
pub struct OwnProposal {
    /// The act, asked for.
    pub admission: Admission,
    /// When it was asked for.
    pub since: Wall,
    /// How far it is.
    pub stage: Stage,
    /// When to ask next.
    pub ask_at: Mono,
    /// How often was asked; tells which seats are next.
    pub round: u32,
    ticket: Option<Certificate>,
    vote: Option<Box<VoteProof>>,
    draw: Option<Draw>,
    proven: Option<Proven>,
    said: Vec<Said>,
    refused: BTreeMap<(PublicKey, Role), String>,
    passing: u8,
    doubts: BTreeSet<PublicKey>,
    emergency: Option<Box<OverrideProof>>,
}

/// An own act as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptProposal {
    /// The act, asked for.
    pub admission: Admission,
    /// When it was asked for.
    pub since: Wall,
    /// How it ended, if it has.
    pub end: Option<ProposalEnd>,
}

/// How an own act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum ProposalEnd {
    /// It is written as this record.
    Written(ContentId),
    /// It failed, and why.
    Failed(String),
}

/// Something to be written about own acts on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalWrite {
    /// It stands so.
    Keep(Box<KeptProposal>),
    /// It gives way to newer ones.
    Forget(ContentId),
}

impl ProposalWrite {
    /// Applies it to what is kept, as a store does.
    pub fn apply(self, kept: &mut Vec<KeptProposal>) {
        let act = match &self {
            Self::Keep(proposal) => proposal.admission.asked.act,
            Self::Forget(act) => *act,
        };
        kept.retain(|known| known.admission.asked.act != act);
        if let Self::Keep(proposal) = self {
            kept.push(*proposal);
        }
    }
}

/// How far an own act is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The committee has not admitted it yet.
    Asked,
    /// Words are being collected.
    Collecting {
        /// Targets that agree, and how many must.
        agreed: (u32, u32),
        /// Drawn co-signers who signed, and how many must.
        cosigned: (u32, u32),
        /// Drawn signatories who approve, and how many must.
        approved: (u32, u32),
    },
    /// It is an override, and the committee has not certified its entry in the public log yet.
    Publishing,
    /// It is written.
    Written(Option<ContentId>),
    /// It failed.
    Failed(String),
}

/// What is wanted next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A ticket, or a newer one, or the draw.
    Admission,
    /// The proof that it stands in the public log, as an override must.
    Publication,
    /// These words.
    Words {
        /// Targets to agree.
        agree: Vec<PublicKey>,
        /// Drawn members to co-sign.
        cosign: Vec<PublicKey>,
        /// Drawn signatories to approve.
        approve: Vec<PublicKey>,
    },
    /// Nothing: it may be written.
    Write,
}

/// An own act as the user sees it.
#[derive(Clone, Debug)]
pub struct ProposalView {
    /// The act, by its digest.
    pub act: ContentId,
    /// What it changes, in words.
    pub change: String,
    /// When it was asked for.
    pub since: Wall,
    /// How far it is.
    pub stage: Stage,
    /// Who was drawn to co-sign.
    pub drawn: Vec<PublicKey>,
    /// Who was drawn to approve.
    pub panel: Vec<PublicKey>,
    /// Who has said what.
    pub said: Vec<(PublicKey, Word)>,
    /// Who refused, and why.
    pub refused: Vec<(PublicKey, String)>,
}

/// All own acts on their way, and the last that ended.
#[derive(Debug, Default)]
pub struct Proposals(BTreeMap<ContentId, OwnProposal>);

impl OwnProposal {
    /// Starts with nothing collected but the vote on it, if there was one.
    pub const fn new(
        admission: Admission,
        vote: Option<Box<VoteProof>>,
        since: Wall,
        now: Mono,
    ) -> Self {
        Self {
            admission,
            since,
            stage: Stage::Asked,
            ask_at: now,
            round: 0,
            ticket: None,
            vote,
            draw: None,
            proven: None,
            said: Vec::new(),
            refused: BTreeMap::new(),
            passing: 0,
            doubts: BTreeSet::new(),
            emergency: None,
        }
    }

    /// Takes up what was kept; `written` is the act's own record, if it was written.
    pub fn recall(
        kept: KeptProposal,
        vote: Option<Box<VoteProof>>,
        written: Option<ContentId>,
        now: (Wall, Mono),
    ) -> Self {
        let is_late = kept.admission.act.expires <= now.0;
        let stage = match (kept.end, written) {
            (Some(ProposalEnd::Written(record)), _) | (None, Some(record)) => {
                Stage::Written(Some(record))
            }
            (Some(ProposalEnd::Failed(why)), _) => Stage::Failed(why),
            (None, None) if is_late => Stage::Failed(
                "its time was over before this node was up again: propose it anew".to_owned(),
            ),
            (None, None) => Stage::Asked,
        };
        Self {
            stage,
            ..Self::new(kept.admission, vote, kept.since, now.1)
        }
    }

    /// Returns what is kept of it on disk.
    pub fn kept(&self) -> KeptProposal {
        KeptProposal {
            admission: self.admission.clone(),
            since: self.since,
            end: match &self.stage {
                Stage::Asked
                | Stage::Publishing
                | Stage::Collecting { .. }
                | Stage::Written(None) => None,
                Stage::Written(Some(record)) => Some(ProposalEnd::Written(*record)),
                Stage::Failed(why) => Some(ProposalEnd::Failed(why.clone())),
            },
        }
    }

    /// Tells whether it is still on its way.
    pub const fn is_open(&self) -> bool {
        match self.stage {
            Stage::Asked | Stage::Publishing | Stage::Collecting { .. } => true,
            Stage::Written(_) | Stage::Failed(_) => false,
        }
    }

    /// Tells whether an answer of a seat brings anything new.
    pub fn lacks(&self, ticket: &Certificate, draw: Option<&Draw>) -> bool {
        self.ticket
            .is_none_or(|own| own.statement != ticket.statement)
            || (self.draw.is_none() && draw.is_some())
    }

    /// Takes a ticket, and the draw, that were found good.
    pub fn admit(&mut self, ticket: Certificate, draw: Option<Draw>, proven: Proven) {
        self.ticket = Some(ticket);
        self.draw = draw;
        self.proven = Some(proven);
    }

    /// Takes the proof that it stands in the public log.
    pub fn take_publication(&mut self, proof: OverrideProof) {
        self.emergency = Some(Box::new(proof));
    }

    /// Tells whether a word is the one that is wanted of somebody in this role.
    pub fn wants(&self, role: Role, word: Word) -> bool {
        match role {
            Role::Target => word == Word::Agree,
            Role::Cosigner => word == Word::Cosign,
            Role::Signatory => self
                .ticket_name()
                .is_some_and(|ticket| word == Word::Sign { ticket }),
        }
    }

    /// Takes a word whose signature was found good.
    pub fn hear(&mut self, said: Said) {
        if !self.said.contains(&said) {
            self.said.push(said);
        }
    }

    /// Takes note that somebody refuses. A co-signer's refusal ends the act, and so does that of more signatories than
    /// can be spared.
    pub fn refuse(&mut self, by: PublicKey, role: Role, why: String) {
        if role == Role::Cosigner {
            self.stage = Stage::Failed(format!("the drawn co-signer {by} refused: {why}"));
        }
        self.refused.insert((by, role), why);
        let ticket = self.proven.as_ref().map(Proven::ticket);
        let Some(panel) = ticket.and_then(|ticket| ticket.panel) else {
            return;
        };
        let declined: Vec<_> = self.of_role(Role::Signatory).collect();
        if declined.len() > usize::from(panel.multi_sig.spare()) {
            let over = too_many_decline(declined.len(), panel.multi_sig);
            let why: Vec<_> = declined.iter().take(3).map(|why| why.as_str()).collect();
            self.stage = Stage::Failed(format!("{over} ({})", why.join("; ")));
        }
    }

    /// Lists the reasons of those who refuse in a role.
    fn of_role(&self, role: Role) -> impl Iterator<Item = &String> {
        let refused = self.refused.iter();
        refused
            .filter(move |((_, as_role), _)| *as_role == role)
            .map(|(_, why)| why)
    }

    fn ticket_name(&self) -> Option<ContentId> {
        Some(self.proven.as_ref()?.ticket().name())
    }

    /// Returns what is wanted next.
    pub fn next(&mut self, directory: &Directory) -> Next {
        let (agent, act) = (self.admission.asked.by, &self.admission.act);
        let Some(proven) = &self.proven else {
            return Next::Admission;
        };
        if self.admission.emergency.is_some() && self.emergency.is_none() {
            self.stage = Stage::Publishing;
            return Next::Publication;
        }
        let Needed {
            agreements,
            cosigners,
            approvals,
        } = needed(directory, act, &agent, proven.ticket());
        let drawn = proven.drawn(directory);
        let by = |word| {
            let said = self.said.iter().filter(move |said| said.word == word);
            said.map(|said| said.by)
        };
        let signed: BTreeSet<_> = by(Word::Cosign).filter(|by| drawn.contains(by)).collect();
        let mut subtrees: BTreeSet<_> = by(Word::Agree)
            .map(|by| directory.subtree_of(&by))
            .collect();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let panel = proven.signatories();
        let ticket = proven.ticket().name();
        let approved: BTreeSet<_> = by(Word::Sign { ticket })
            .filter(|by| panel.contains(by))
            .collect();
        self.stage = Stage::Collecting {
            agreed: (count(subtrees.len()).min(agreements), agreements),
            cosigned: (count(signed.len()).min(cosigners), cosigners),
            approved: (count(approved.len()).min(approvals), approvals),
        };
        if (cosigners > 0 || approvals > 0) && self.draw.is_none() {
            return Next::Admission;
        }
        let cosign: Vec<_> = if count(signed.len()) >= cosigners {
            Vec::new()
        } else {
            drawn
                .iter()
                .filter(|key| !signed.contains(key))
                .copied()
                .collect()
        };
        let approve: Vec<_> = if count(approved.len()) >= approvals {
            Vec::new()
        } else {
            let open = panel.iter().filter(|key| {
                !approved.contains(key) && !self.refused.contains_key(&(**key, Role::Signatory))
            });
            open.copied().collect()
        };
        let mut agree = Vec::new();
        let targets: Vec<_> = directory.active_targets(&act.targets).collect();
        // Who stays silent is not waited for: after some turns others are asked.
        let turn = usize::try_from(self.round / ASKED_EACH).unwrap_or(usize::MAX);
        let first = turn.checked_rem(targets.len()).unwrap_or_default();
        for target in targets.iter().cycle().skip(first).take(targets.len()) {
            if count(subtrees.len()) >= agreements {
                break;
            }
            let is_open =
                **target != agent && !self.refused.contains_key(&(**target, Role::Target));
            if is_open && subtrees.insert(directory.subtree_of(target)) {
                agree.push(**target);
            }
        }
        if count(subtrees.len()) < agreements {
            let refused = self.refused.iter();
            let refused = refused.filter(|((_, role), _)| *role == Role::Target);
            let why = refused.map(|((by, _), why)| format!("{by}: {why}"));
            let why: Vec<_> = why.take(3).collect();
            self.stage = Stage::Failed(format!("too few targets agree ({})", why.join("; ")));
        }
        if agree.is_empty() && cosign.is_empty() && approve.is_empty() {
            return Next::Write;
        }
        Next::Words {
            agree,
            cosign,
            approve,
        }
    }

    /// Returns the number of the next pass, if a co-signer has been silent for so long that the next may stand in.
    pub fn pass(&mut self, directory: &Directory, time: Wall, scale: u64) -> Option<Word> {
        let Stage::Collecting {
            cosigned: (have, need),
            ..
        } = self.stage
        else {
            return None;
        };
        let ticket = self.proven.as_ref()?.ticket();
        let is_late = crate::spine::committee::may_pass(ticket, time, scale);
        let has_next = self.proven.as_ref()?.can_pass(directory);
        if have >= need || !is_late || !has_next || self.passing > ticket.passed {
            return None;
        }
        self.passing = ticket.passed + 1;
        Some(Word::Pass {
            passed: self.passing,
        })
    }

    /// Takes note that a seat says the act is refused; `true` once so many say so that they cannot all be hostile.
    pub fn doubt(&mut self, seat: PublicKey, seats: usize) -> bool {
        self.doubts.insert(seat);
        self.doubts.len() > seats.saturating_sub(1) / 3
    }

    /// Returns the warrants collected so far; approvals under a ticket that has lapsed are left out.
    pub fn warrants(&self) -> Warrants {
        let current = self.ticket_name();
        let is_current = |said: &&Said| match said.word {
            Word::Sign { ticket } => Some(ticket) == current,
            Word::Ask
            | Word::Pass { .. }
            | Word::Agree
            | Word::Cosign
            | Word::Refuse
            | Word::Approve
            | Word::Decline { .. }
            | Word::Override { .. }
            | Word::Heard => true,
        };
        Warrants {
            ticket: self.ticket,
            vote: self.vote.clone(),
            draw: self.draw.clone(),
            said: self.said.iter().filter(is_current).copied().collect(),
            emergency: self.emergency.clone(),
        }
    }

    fn view(&self, act: ContentId, directory: &Directory) -> ProposalView {
        let drawn = self
            .proven
            .as_ref()
            .map(|proven| proven.drawn(directory).to_vec());
        let panel = self
            .proven
            .as_ref()
            .map(|proven| proven.signatories().to_vec());
        ProposalView {
            act,
            change: self.admission.act.change.to_string(),
            since: self.since,
            stage: self.stage.clone(),
            drawn: drawn.unwrap_or_default(),
            panel: panel.unwrap_or_default(),
            said: self.said.iter().map(|said| (said.by, said.word)).collect(),
            refused: self
                .refused
                .iter()
                .map(|((by, _), why)| (*by, why.clone()))
                .collect(),
        }
    }
}

impl Proposals {
    /// Takes in an own act.
    pub fn open(&mut self, act: ContentId, proposal: OwnProposal) {
        self.0.insert(act, proposal);
    }

    /// Drops the oldest that ended when too many are kept, and returns which.
    pub fn make_room(&mut self) -> Option<ContentId> {
        if self.0.len() < PROPOSALS_KEPT_MAX {
            return None;
        }
        let ended = self.0.iter().filter(|(_, proposal)| !proposal.is_open());
        let oldest = ended.min_by_key(|(act, proposal)| (proposal.since, **act));
        let oldest = oldest.map(|(act, _)| *act)?;
        self.0.remove(&oldest);
        Some(oldest)
    }

    /// Tells whether there is room for one more that is open.
    pub fn has_room(&self) -> bool {
        self.0
            .values()
            .filter(|proposal| proposal.is_open())
            .count()
            < PROPOSALS_KEPT_MAX
    }

    /// Finds an own act.
    pub fn find(&mut self, act: &ContentId) -> Option<&mut OwnProposal> {
        self.0.get_mut(act)
    }

    /// Returns when something is to be asked next.
    pub fn due(&self) -> Option<Mono> {
        let open = self.0.values().filter(|proposal| proposal.is_open());
        open.map(|proposal| proposal.ask_at).min()
    }

    /// Returns the acts for which something is to be asked now.
    pub fn take_due(&self, now: Mono) -> Vec<ContentId> {
        let open = self.0.iter().filter(|(_, proposal)| proposal.is_open());
        let due = open.filter(|(_, proposal)| proposal.ask_at <= now);
        due.map(|(act, _)| *act).collect()
    }

    /// Lists the own acts.
    pub fn view(&self, directory: &Directory) -> Vec<ProposalView> {
        let mut views: Vec<_> = self
            .0
            .iter()
            .map(|(act, proposal)| proposal.view(*act, directory))
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.since, view.act)));
        views
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked => f.write_str("asked the committee for a ticket"),
            Self::Publishing => f.write_str(
                "admitted as an override; waits until the committee has certified its entry in the public log",
            ),
            Self::Collecting {
                agreed,
                cosigned,
                approved,
            } => {
                write!(
                    f,
                    "admitted; {} of {} targets agree, {} of {} co-signers have signed",
                    agreed.0, agreed.1, cosigned.0, cosigned.1
                )?;
                match approved {
                    (_, 0) => Ok(()),
                    (have, need) => write!(f, ", {have} of {need} approvals are there"),
                }
            }
            Self::Written(_) => f.write_str("complete and sent"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}
