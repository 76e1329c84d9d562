//! Calls in an emergency at one node: what a device may know and do here, how far a call is, and what a juror sees of it.
//!
//! A call is said to all by the node that a device has reached, which asks the jury of the day about it; after that neither
//! this node nor any seat is needed. Each guardian's node counts the jurors' ballots for itself (`spine::ballot::Verdicts`),
//! waits for the owner's veto time, and seals its share to the key of the call. It keeps what it has sealed, for whichever
//! device asks at its own onion service, and hands it to the nodes that have asked the jury, for a device that reaches one of
//! them.
//!
//! The card's second part stands for the committee's opening: seats release nothing for a call.

use x0_crypto::{ContentId, PublicKey};

use super::{
    Peer, Waiting, ingest::Origin, polling::VoteFor, refuse, releasing::VaultFor, sublime::Vault,
};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        emergency::{
            AskedView, CallView, CallsView, EmergencyCommand, EmergencyRefusal, OnionView,
        },
        ids::CommandId,
        limits::{CALL_LIFE, MANIFEST_AGE_MAX, ONIONS_SHOWN_MAX},
        reject::RejectReason,
        secret::SecretTask,
        time::{Millis, Now, Wall},
    },
    spine::ballot::Case,
    sublime::known::{Call, Item},
    wire::{
        Body, CallStage, CallStanding, CardTerms, Checkpoint, Choice, HelloShown, JuryShown,
        OnionWord, Reason, Record, SublimeBody, Unverified, Vote, VoteDraft, VoteRules,
        call_reason_info,
    },
};

impl Peer {
    /// Bounds how many calls are kept here.
    pub(super) fn bound_call(
        &mut self,
        now: Now,
        record: &Record,
        live: bool,
    ) -> Result<(), RejectReason> {
        let Body::Sublime(SublimeBody::Call(call)) = record.body() else {
            return Ok(());
        };
        let dated = record.header().time;
        let is_late = live && dated + MANIFEST_AGE_MAX < now.wall;
        let known = &mut self.vault.get_or_insert_default().known;
        match !is_late && known.is_call_kept(call, dated) {
            true => Ok(()),
            false => Err(RejectReason::TooManyReports),
        }
    }

    /// Has calls looked at: a jury has said something.
    pub(super) fn look_at_calls(&mut self) {
        if let Some(vault) = &mut self.vault {
            vault.releasing.look();
        }
    }

    pub(super) fn on_emergency_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: EmergencyCommand,
        out: &mut Outbox,
    ) {
        let answer = match command {
            EmergencyCommand::Revoke(word) => {
                let body = Body::Sublime(SublimeBody::CardRevoked(word));
                match word.is_signed(&self.directory.mesh()) {
                    true => self.write_for(now, id, body, out),
                    false => Err(EmergencyRefusal::NotItsKey(word.item).into()),
                }
            }
            EmergencyCommand::Onion(address) => {
                let onions = self.vault.iter().flat_map(|vault| vault.known.onions());
                let mut onions = onions.map(|(member, known)| (*member, *known));
                let known = onions.find(|(member, _)| *member == self.config.key);
                let known = known.map(|(_, known)| known);
                drop(onions);
                match known == address {
                    true => Ok(Reply::Done),
                    false => {
                        let body = Body::Sublime(SublimeBody::Onion(OnionWord { address }));
                        self.write_for(now, id, body, out)
                    }
                }
            }
            EmergencyCommand::Call(record) => return self.say_call(now, id, *record, out),
            EmergencyCommand::Convene(call) => return self.convene(now, id, call, out),
            EmergencyCommand::Hello(item) => self
                .hello_shown(now, item)
                .map(|hello| Reply::Hello(Box::new(hello))),
            EmergencyCommand::Standing(call) => Ok(Reply::CallStanding(Box::new(
                self.standing_shown(now, &call),
            ))),
            EmergencyCommand::Calls => Ok(Reply::Calls(Box::new(self.calls_view(now)))),
            EmergencyCommand::Reason(call) => return self.open_reason(id, call, out),
        };
        match answer {
            // Answered once the record is on disk.
            Ok(Reply::Recorded(_)) => {}
            Ok(reply) => out.push(Effect::Reply {
                id,
                reply: Ok(reply),
            }),
            Err(error) => refuse(id, error, out),
        }
    }

    fn say_call(&mut self, now: Now, id: CommandId, record: Unverified<Record>, out: &mut Outbox) {
        let Body::Sublime(SublimeBody::Call(call)) = record.peek().body() else {
            return refuse(id, EmergencyRefusal::NotACall.into(), out);
        };
        if !self.chain.ready {
            return refuse(id, CommandError::NotReady, out);
        }
        if let Err(refusal) = self.card_of(&call.item, &call.card) {
            return refuse(id, refusal.into(), out);
        }
        let by = self.config.key;
        let origin = Origin::Submitted { by, command: id };
        self.on_page(now, vec![record], origin, out);
    }

    /// Finds an item and its card, if it has this one and it counts.
    fn card_of(&self, id: &ContentId, key: &PublicKey) -> Result<&Item, EmergencyRefusal> {
        let vault = self.vault.as_ref();
        let known = vault.map(|vault| &vault.known);
        let item = known.and_then(|known| known.item(id));
        let item = item.ok_or(EmergencyRefusal::NoSuchItem(*id))?;
        if item.card.as_ref().is_none_or(|card| card.key != *key) {
            return Err(EmergencyRefusal::NoSuchCard(*id));
        }
        match known.is_some_and(|known| known.is_revoked(&item.key)) {
            true => Err(EmergencyRefusal::Revoked(*id)),
            false => Ok(item),
        }
    }

    /// Asks the jury of the day about a call.
    fn convene(&mut self, now: Now, id: CommandId, call: ContentId, out: &mut Outbox) {
        match self.convening(now, &call) {
            Ok(None) => out.push(Effect::Reply {
                id,
                reply: Ok(Reply::Done),
            }),
            Ok(Some(draft)) => self.sign_vote(draft, VoteFor::Command(id), out),
            Err(refusal) => refuse(id, refusal, out),
        }
    }

    /// Drafts the question to the jury of the day; none if a jury was asked.
    fn convening(&self, now: Now, id: &ContentId) -> Result<Option<VoteDraft>, CommandError> {
        let none = EmergencyRefusal::NoSuchCall(*id);
        let vault = self.vault.as_ref().ok_or(none.clone())?;
        let call = vault.known.call(id).ok_or(none)?;
        if self.cases_of(id).next().is_some() {
            return Ok(None);
        }
        self.check_may_hand_in()?;
        let made = self.mesh_time(now);
        if self.voting.verdicts.serving(made).is_none() {
            return Err(EmergencyRefusal::NoJury.into());
        }
        let label = vault.known.card_of(call).map(|card| card.label.as_str());
        let rules = VoteRules::emergency();
        rules.check().map_err(EmergencyRefusal::from)?;
        Ok(Some(VoteDraft::Proposal {
            subject: *id,
            text: Reason::shortened(&format!(
                "Emergency call for: {}",
                label.unwrap_or_default()
            )),
            rules,
            made,
        }))
    }

    fn cases_of<'a>(
        &'a self,
        call: &'a ContentId,
    ) -> impl Iterator<Item = (&'a ContentId, &'a Case)> {
        let cases = self.voting.verdicts.cases();
        cases.filter(move |(_, case)| case.proposal.subject == *call)
    }

    /// Tells whether no other jury was asked about the same item in the day before.
    fn is_first_jury(&self, vault: &Vault, item: &ContentId, case: &Case) -> bool {
        let mut cases = self.voting.verdicts.cases().map(|(_, case)| case);
        !cases.any(|other| {
            let about = vault.known.call(&other.proposal.subject);
            about.is_some_and(|call| call.item == *item)
                && other.jury != case.jury
                && other.asked < case.asked
                && case.asked.0.abs_diff(other.asked.0) < CALL_LIFE.0
        })
    }

    /// Returns how far a call is, and after which time it may be otherwise.
    pub(super) fn call_stage(
        &self,
        now: Now,
        (id, call): (&ContentId, &Call),
    ) -> (CallStage, Option<Millis>) {
        let Some((vault, card)) = self
            .vault
            .as_ref()
            .and_then(|vault| Some((vault, vault.known.card_of(call)?)))
        else {
            return (CallStage::Unknown, None);
        };
        let item = vault.known.item(&call.item);
        if item.is_some_and(|item| vault.known.is_revoked(&item.key)) {
            return (CallStage::Revoked, None);
        }
        let time = self.mesh_time(now);
        if time > self.mesh_date(call.time) + CALL_LIFE {
            return (CallStage::Over, None);
        }
        let cases = self.cases_of(id).map(|(_, case)| case);
        let counts = cases.filter(|case| self.is_first_jury(vault, &call.item, case));
        let (mut is_denied, mut passed) = (false, None);
        for case in counts {
            if case.has_passed() {
                let asked = passed.map_or(case.asked, |known: Wall| known.min(case.asked));
                passed = Some(asked);
            }
            is_denied |= case.said(Choice::No) > case.jury.len() - case.needed();
        }
        match passed {
            Some(asked) if time < asked + card.veto => {
                let until = asked + card.veto;
                let wait = (until.0 - time.0).div_ceil(self.time_scale().max(1));
                (CallStage::Veto { until }, Some(Millis(wait)))
            }
            Some(_) => (CallStage::Granted, None),
            None if is_denied => (CallStage::Denied, None),
            None => (CallStage::Open, None),
        }
    }

    /// Returns the members, other than this one, who have asked a jury about a call: their nodes hand on what was released.
    pub(super) fn mailboxes(&self, call: &ContentId) -> Vec<PublicKey> {
        let own = self.config.key;
        let proposers = self.cases_of(call).map(|(_, case)| case.proposal.proposer);
        let mut proposers: Vec<_> = proposers
            .filter(|by| *by != own && self.directory.is_active(by))
            .collect();
        proposers.sort_unstable();
        proposers.dedup();
        proposers
    }

    /// Tells whether this node has asked a jury about a call, and so takes what was released for it.
    pub(super) fn is_mailbox(&self, call: &ContentId) -> bool {
        let own = self.config.key;
        let mut cases = self.cases_of(call);
        cases.any(|(_, case)| case.proposal.proposer == own)
    }

    fn hello_shown(&self, now: Now, id: ContentId) -> Result<HelloShown, CommandError> {
        let vault = self.vault.as_ref();
        let vault = vault.ok_or(EmergencyRefusal::NoSuchItem(id))?;
        let item = vault.known.item(&id);
        let item = item.ok_or(EmergencyRefusal::NoSuchItem(id))?;
        if item.card.is_none() {
            return Err(EmergencyRefusal::NoSuchCard(id).into());
        }
        let committee = self.trust.keys().ok_or(EmergencyRefusal::NoCommittee)?;
        let time = self.mesh_time(now);
        let serving = self.voting.verdicts.serving(time);
        let own = self.config.key;
        let onions = vault.known.onions();
        let onions =
            onions.filter(|(member, _)| **member != own && self.directory.is_active(member));
        Ok(HelloShown {
            manifest: Vec::new().into(),
            rotation: vault.known.shared_notice(&item.key).map(Box::new),
            committee: *committee,
            jury: serving.map(|drawn| JuryShown {
                drawn: *drawn.certificate(),
                jury: drawn.jury.clone(),
            }),
            time,
            onions: onions
                .map(|(_, address)| *address)
                .take(ONIONS_SHOWN_MAX)
                .collect(),
        })
    }

    fn standing_shown(&self, now: Now, id: &ContentId) -> CallStanding {
        let vault = self.vault.as_ref();
        let call = vault.and_then(|vault| vault.known.call(id));
        let stage = call.map_or(CallStage::Unknown, |call| {
            self.call_stage(now, (id, call)).0
        });
        let case = self.furthest(id).map(|(_, case)| case);
        let said = |choice| case.map_or(0, |case| count(case.said(choice)));
        CallStanding {
            stage,
            jury: case.map_or(0, |case| count(case.jury.len())),
            yes: said(Choice::Yes),
            no: said(Choice::No),
            parts: vault.map_or_else(Vec::new, |vault| vault.releasing.parts_of(id)),
        }
    }

    /// Returns the question about a call that most jurors have said yes to.
    fn furthest<'a>(&'a self, call: &'a ContentId) -> Option<(&'a ContentId, &'a Case)> {
        let cases = self.cases_of(call);
        cases.max_by_key(|(id, case)| (case.said(Choice::Yes), **id))
    }

    fn calls_view(&self, now: Now) -> CallsView {
        let time = self.mesh_time(now);
        let checkpoint = self.trust.checkpoint().map(Checkpoint::pinned);
        let Some(vault) = &self.vault else {
            return CallsView {
                checkpoint,
                now: time,
                ..CallsView::default()
            };
        };
        let calls = vault.known.calls().filter_map(|(id, call)| {
            let card = vault.known.card_of(call)?;
            Some(self.call_view(now, (id, call), card, vault))
        });
        let mut calls: Vec<_> = calls.collect();
        calls.sort_by_key(|call| (core::cmp::Reverse(call.time), call.id));
        let onions = vault.known.onions();
        let onions = onions.filter(|(member, _)| self.directory.is_active(member));
        let onions = onions.map(|(member, address)| OnionView {
            member: *member,
            address: *address,
            subtree: self.directory.subtree_of(member),
        });
        CallsView {
            calls,
            onions: onions.collect(),
            checkpoint,
            now: time,
        }
    }

    fn call_view(
        &self,
        now: Now,
        (id, call): (&ContentId, &Call),
        card: &CardTerms,
        vault: &Vault,
    ) -> CallView {
        let own = self.config.key;
        let asked = self.furthest(id).map(|(proposal, case)| AskedView {
            proposal: *proposal,
            since: case.asked,
            until: case.closes(),
            jury: case.jury.len(),
            needed: case.needed(),
            yes: case.said(Choice::Yes),
            no: case.said(Choice::No),
            is_juror: case.jury.binary_search(&own).is_ok(),
            own: case.ballot_of(&own).and_then(|ballot| match ballot.vote {
                Vote::Open(choice) => Some(choice),
                Vote::Sealed(_) => None,
            }),
        });
        CallView {
            id: *id,
            item: call.item,
            card: card.clone(),
            time: call.time,
            stage: self.call_stage(now, (id, call)).0,
            asked,
            parts: vault.releasing.parts_of(id).len(),
        }
    }

    /// Has the reason opened that a call gives to this node's member, if it sits on the jury that was asked.
    fn open_reason(&mut self, id: CommandId, call: ContentId, out: &mut Outbox) {
        let vault = self.vault.as_ref();
        let Some(known) = vault.and_then(|vault| vault.known.call(&call)) else {
            return refuse(id, EmergencyRefusal::NoSuchCall(call).into(), out);
        };
        let own = self.config.key;
        let sealed = self.cases_of(&call).find_map(|(_, case)| {
            let at = case.jury.binary_search(&own).ok()?;
            (case.jury.len() == known.reasons.len())
                .then(|| known.reasons.get(at))
                .flatten()
        });
        let Some(sealed) = sealed else {
            let reply = Ok(Reply::Reason(None));
            return out.push(Effect::Reply { id, reply });
        };
        let task = SecretTask::OpenReason {
            info: call_reason_info(&self.directory.mesh(), &known.item, &known.author),
            sealed: sealed.to_vec(),
        };
        let job = self.job(Waiting::Vault(VaultFor::Reason(id)));
        out.push(Effect::Secret {
            id: job,
            task: Box::new(task),
        });
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
