//! What answers the dashboard's questions in tests: the sample.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Mono, Now, Reply,
    charter::Charter,
    core::{
        case::CaseCommand,
        command::PublicView,
        emergency::EmergencyCommand,
        sublime::{SublimeCommand, SublimeRefusal},
        vote::VoteCommand,
    },
    spine::audit::{Entry, tree::Frontier},
    wire::{PublicEntry, PublicHead},
};

use super::{
    judged,
    sample::{Data, HOUR_MS, NOW},
    sheltered,
};
use crate::dashboard::{
    Contradictions, Enforcement, Followed, Gathered, Guarding, Happened, Source,
};

/// A source of fixed data.
#[derive(Clone)]
pub(super) struct Sample(Arc<Data>);

impl From<Data> for Sample {
    fn from(data: Data) -> Self {
        Self(Arc::new(data))
    }
}

impl Sample {
    fn gathered<T: Gathered>(&self) -> Result<T, String> {
        let mut followed = Followed::<T>::default();
        followed.follow(|from, count_max| {
            let entries = self.0.entries.iter().skip(from as usize).take(count_max);
            Ok::<_, String>(entries.cloned().collect())
        })?;
        Ok(followed.found().clone())
    }
}

impl Source for Sample {
    async fn ask(&self, question: Command) -> Result<Reply, String> {
        let data = self.0.as_ref().clone();
        if let Some(why) = data.broken {
            return Err(why);
        }
        match question {
            Command::Status => Ok(Reply::Status(Box::new(data.status))),
            Command::Links => Ok(Reply::Links(data.links)),
            Command::Members => Ok(Reply::Members(data.members)),
            Command::Acts => Ok(Reply::Acts(data.acts)),
            Command::Capabilities => Ok(Reply::Capabilities(data.capabilities)),
            Command::Policies => Ok(Reply::Policies(data.policies)),
            Command::Proposals => Ok(Reply::Proposals(data.proposals)),
            Command::Consents => Ok(Reply::Consents(data.consents)),
            Command::Committee => panic!("the dashboard does not ask for the seats"),
            Command::Sublime(SublimeCommand::Show) => Ok(Reply::Sublime(Box::new(data.sublime))),
            Command::Sublime(SublimeCommand::Guardians) => {
                Ok(Reply::Guardians(Box::new(data.guardians)))
            }
            Command::Sublime(SublimeCommand::Released(request)) => {
                let arrived = sheltered::arrived(&data.sublime, &request);
                let arrived =
                    arrived.ok_or_else(|| SublimeRefusal::NoSuchRequest(request).to_string())?;
                Ok(Reply::Released(Box::new(arrived)))
            }
            Command::Emergency(EmergencyCommand::Calls) => Ok(Reply::Calls(Box::new(data.calls))),
            Command::Emergency(EmergencyCommand::Reason(call)) => {
                let reason = data.reasons.into_iter().find(|(of, _)| *of == call);
                Ok(Reply::Reason(reason.map(|(_, reason)| reason)))
            }
            Command::Inspection(_) => panic!("the dashboard reads of audits in the status"),
            Command::Halt | Command::Pull { .. } => {
                panic!("the dashboard reads of halts in the status")
            }
            Command::AuditHeads => Ok(Reply::AuditHeads(data.heads)),
            Command::Vote(VoteCommand::List) => Ok(Reply::Votes(Box::new(data.votes))),
            Command::Case(CaseCommand::List) => Ok(Reply::Cases(Box::new(data.cases))),
            Command::Case(CaseCommand::Ledger) => Ok(Reply::Ledger(Box::new(data.ledger))),
            Command::Overrides => Ok(Reply::Overrides(data.overrides)),
            Command::PublicLog { from, count } => {
                Ok(Reply::PublicLog(Box::new(page(&data.public, from, count))))
            }
            Command::ProvePublic { index, .. } => {
                let proof = judged::proof();
                match index == proof.proof.index {
                    true => Ok(Reply::PublicProof(Box::new(proof))),
                    false => Err(format!("there is no entry {index}: the log is shorter")),
                }
            }
            Command::ProveEntry { .. } => panic!("the dashboard proves no entry of the own log"),
            change @ (Command::Invite { .. }
            | Command::PublishCapability { .. }
            | Command::Revoke { .. }
            | Command::AcceptRoot { .. }
            | Command::Propose { .. }
            | Command::Override { .. }
            | Command::Local { .. }
            | Command::Cosign { .. }
            | Command::ProposeSeats { .. }
            | Command::ApproveSeats(_)
            | Command::Sublime(_)
            | Command::Emergency(_)
            | Command::ProposeRecovery { .. }
            | Command::SignRecovery(_)
            | Command::ProposeCharter(_)
            | Command::Erase(_)
            | Command::Erasures
            | Command::Vote(_)
            | Command::Case(_)
            | Command::Leave
            | Command::Remove { .. }
            | Command::CatchUp) => panic!("the dashboard asks for a change: {change:?}"),
        }
    }

    async fn cosign(&self, act: ContentId, approve: bool) -> Result<(), String> {
        let is_asked = self.0.consents.iter().any(|asked| asked.act == act);
        if !is_asked {
            return Err("this node was not drawn for that act".to_owned());
        }
        self.0.cosigned.lock().unwrap().push((act, approve));
        Ok(())
    }

    async fn cast(&self, proposal: ContentId, yes: bool) -> Result<(), String> {
        self.0.cast.lock().unwrap().push((proposal, yes));
        Ok(())
    }

    async fn answer_invitation(&self, of: PublicKey, accepts: bool) -> Result<(), String> {
        let mut came = self.0.guardians.received.iter();
        if !came.any(|came| came.with == of && came.serves.is_none()) {
            return Err(SublimeRefusal::NoInvitation.to_string());
        }
        self.0.answered.lock().unwrap().push((of, accepts));
        Ok(())
    }

    fn begin_drill(&self) {
        *self.0.drilled.lock().unwrap() += 1;
    }

    async fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, String> {
        let entries = self.0.entries.iter().skip(from as usize).take(count_max);
        Ok(entries.cloned().collect())
    }

    async fn enforcement(&self, _: &Charter) -> Result<Enforcement, String> {
        Ok(self.0.enforcement.clone())
    }

    async fn contradictions(&self) -> Result<Contradictions, String> {
        self.gathered()
    }

    async fn guarding(&self) -> Result<Guarding, String> {
        Ok(Guarding {
            log: self.gathered()?,
            content: self.0.content.clone(),
            needs_passphrase: self.0.needs_passphrase,
            drills: self.0.drills.clone(),
        })
    }

    fn happened(&self) -> Vec<Happened> {
        self.0.happened.clone()
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono(10 * HOUR_MS),
            wall: NOW,
        }
    }
}

/// A page of a public log of which everything is certified.
fn page(all: &[PublicEntry], from: u64, count: u32) -> PublicView {
    let mut tree = Frontier::default();
    for entry in all {
        tree.append(entry.leaf());
    }
    let head = PublicHead::of(&tree);
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let entries = all.iter().skip(skip).take(count as usize);
    PublicView {
        head,
        certificate: (!all.is_empty()).then(|| judged::checkpoint(head)),
        wanted: None,
        entries: entries.cloned().collect(),
    }
}
