//! Audits of members' nodes, at the node that audits: a seat's node does by itself what it was drawn for, and any node
//! asks for its user.
//!
//! What is to be done follows from the newest round and the reports known, so that a restart, or a long absence, costs
//! nothing but time. A node that does not answer is asked again until it does or the next round opens. Once an audit is
//! overdue the silence is reported, as silence and not as a violation; an account that comes later still counts.

use std::collections::BTreeMap;

use x0_crypto::PublicKey;

use super::{Asked, Peer, Waiting, acting::shorten, refuse};
use crate::{
    charter::inspection::rounds::RoundKnown,
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        ids::CommandId,
        inspection::{AskBy, InspectionCommand, InspectionRefusal},
        job::Job,
        limits::{ASKED_BY_HAND_MAX, AUDIT_RETRY, AUDIT_RETRY_MIN, AUDITS_AT_ONCE},
        time::{Millis, Mono, Now},
    },
    wire::{
        Account, AccountAsk, AskDraft, AuditOutcome, AuditReport, AuditRight, Body, Entry,
        InspectionDraft, Request, Response,
    },
};

/// What an auditor's node has under way.
#[derive(Default)]
pub(super) struct Auditing {
    /// The round that the tries belong to.
    round: u64,
    tries: BTreeMap<PublicKey, Try>,
    by_hand: usize,
}

/// How far it is with one node.
struct Try {
    count: u32,
    step: TryStep,
    /// Whether its silence was reported.
    silent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TryStep {
    /// It is asked then.
    At(Mono),
    /// It was asked.
    Asked,
    /// It has answered, and the report is on its way.
    Answered,
}

/// For what a node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskFor {
    Round(u64),
    Hand(CommandId),
}

impl Auditing {
    /// Returns when a node is to be asked.
    fn due(&self) -> Option<Mono> {
        let steps = || self.tries.values().map(|it| it.step);
        let asked = steps().filter(|step| *step == TryStep::Asked).count();
        let next = steps().filter_map(|step| match step {
            TryStep::At(at) => Some(at),
            TryStep::Asked | TryStep::Answered => None,
        });
        next.min().filter(|_| asked < AUDITS_AT_ONCE)
    }

    /// Finds how far it is with a node, if the round still runs.
    fn of(&mut self, round: u64, node: &PublicKey) -> Option<&mut Try> {
        let tries = (self.round == round).then_some(&mut self.tries)?;
        tries.get_mut(node)
    }

    /// Takes out the node whose turn it is.
    fn next(&mut self, now: Mono) -> Option<PublicKey> {
        let at = self.due().filter(|at| *at <= now)?;
        let mut tries = self.tries.iter_mut();
        let (node, it) = tries.find(|(_, it)| it.step == TryStep::At(at))?;
        it.step = TryStep::Asked;
        it.count = it.count.saturating_add(1);
        Some(*node)
    }
}

impl Peer {
    /// Takes up what this node was drawn for in the newest round.
    pub(super) fn plan_audits(&mut self, now: Now) {
        let own = self.config.key;
        let Some(inspections) = &mut self.inspections else {
            return;
        };
        let Some(newest) = inspections.rounds.newest() else {
            return;
        };
        let auditing = &mut inspections.auditing;
        if auditing.round == newest.drawn.round || !self.config.may_sit {
            return;
        }
        auditing.round = newest.drawn.round;
        auditing.tries.clear();
        for pair in newest.pairs.iter().filter(|pair| pair.auditor == own) {
            let spread = Millis(self.rng.below(AUDIT_RETRY_MIN.0));
            let first = Try {
                count: 0,
                step: TryStep::At(now.mono + spread),
                silent: false,
            };
            auditing.tries.insert(pair.node, first);
        }
    }

    /// Returns when a node is to be asked.
    pub(super) fn audits_due(&self) -> Option<Mono> {
        let inspections = self.inspections.as_ref().filter(|_| self.chain.ready)?;
        inspections.auditing.due()
    }

    /// Asks the nodes whose turn it is.
    pub(super) fn run_audits(&mut self, now: Now, out: &mut Outbox) {
        while self.audits_due().is_some_and(|at| at <= now.mono) {
            let Some(inspections) = &mut self.inspections else {
                return;
            };
            let round = inspections.auditing.round;
            let Some(node) = inspections.auditing.next(now.mono) else {
                return;
            };
            let known = inspections.rounds.find(round);
            if known.is_none_or(|known| known.is_answered(&node)) {
                inspections.auditing.tries.remove(&node);
                continue;
            }
            self.begin_ask(
                now,
                node,
                (AuditRight::Round(round), AskFor::Round(round)),
                out,
            );
        }
    }

    fn begin_ask(
        &mut self,
        now: Now,
        node: PublicKey,
        (right, purpose): (AuditRight, AskFor),
        out: &mut Outbox,
    ) {
        let nonce = self.rng.below(u64::MAX);
        let draft = AskDraft {
            auditor: self.config.key,
            node,
            right,
            time: self.mesh_time(now),
            nonce,
        };
        let id = self.job(Waiting::SignAsk(purpose));
        let draft = Box::new(InspectionDraft::Ask(Box::new(draft)));
        out.push(Effect::Inspect { id, draft });
    }

    pub(super) fn send_ask(&mut self, ask: AccountAsk, purpose: AskFor, out: &mut Outbox) {
        let (node, ask) = (ask.asked.node, Box::new(ask));
        let asked = Asked::Account {
            ask: ask.clone(),
            purpose,
        };
        self.ask(node, Request::Account(ask), asked, out);
    }

    /// Takes what came of an ask: an account is checked before it counts.
    pub(super) fn on_account(
        &mut self,
        now: Now,
        (ask, purpose): (Box<AccountAsk>, AskFor),
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        let node = ask.asked.node;
        let why = match response {
            Some(Response::Account(account)) if account.stated.ask == *ask => {
                let mesh = self.directory.mesh();
                let id = self.job(Waiting::AccountSigned { node, purpose });
                let job = Job::Account { mesh, account };
                return out.push(Effect::Check { id, job });
            }
            Some(Response::Account(_)) => "it answered something else than what was asked".into(),
            Some(Response::Refused(refused)) => shorten(&refused.to_string()),
            Some(_) | None => "it did not answer".to_owned(),
        };
        let refusal = InspectionRefusal::Unanswered {
            node,
            why: why.clone(),
        };
        self.on_no_account(now, node, purpose, (why, refusal), out);
    }

    pub(super) fn on_account_checked(
        &mut self,
        now: Now,
        (node, purpose): (PublicKey, AskFor),
        account: Option<Box<Account>>,
        out: &mut Outbox,
    ) {
        let Some(account) = account else {
            let why = "its answer is not signed by it".to_owned();
            let refusal = InspectionRefusal::Unsigned(node);
            return self.on_no_account(now, node, purpose, (why, refusal), out);
        };
        let right = account.stated.ask.asked.right.clone();
        if let AskFor::Hand(id) = purpose {
            self.end_by_hand();
            let view = self.account_view((*account).clone());
            let reply = Ok(Reply::Account(Box::new(view)));
            out.push(Effect::Reply { id, reply });
        }
        // What was asked by hand as the drawn auditor is that audit.
        if let AuditRight::Round(round) = right {
            let outcome = AuditOutcome::Answered(account);
            self.report_audit(now, round, node, outcome, out);
        }
    }

    fn on_no_account(
        &mut self,
        now: Now,
        node: PublicKey,
        purpose: AskFor,
        (why, refusal): (String, InspectionRefusal),
        out: &mut Outbox,
    ) {
        let round = match purpose {
            AskFor::Hand(id) => {
                self.end_by_hand();
                return refuse(id, CommandError::Inspection(refusal), out);
            }
            AskFor::Round(round) => round,
        };
        let retry = AUDIT_RETRY.0.checked_div(self.time_scale());
        let retry = Millis(retry.unwrap_or(AUDIT_RETRY.0)).max(AUDIT_RETRY_MIN);
        let time = self.mesh_time(now);
        let Some(inspections) = &mut self.inspections else {
            return;
        };
        let known = inspections.rounds.find(round);
        let is_due = known.is_some_and(|known| known.drawn.due <= time && !known.is_filed(&node));
        let Some(it) = inspections.auditing.of(round, &node) else {
            return;
        };
        it.step = TryStep::At(now.mono + retry);
        if !is_due || it.silent {
            return;
        }
        it.silent = true;
        let tries = it.count;
        let Ok(why) = shorten(&why).parse() else {
            return;
        };
        let outcome = AuditOutcome::Unanswered { tries, why };
        self.report_audit(now, round, node, outcome, out);
    }

    /// Tells the mesh what came of an audit, once.
    fn report_audit(
        &mut self,
        now: Now,
        round: u64,
        node: PublicKey,
        outcome: AuditOutcome,
        out: &mut Outbox,
    ) {
        let Some(inspections) = &mut self.inspections else {
            return;
        };
        let known = inspections.rounds.find(round);
        if known.is_none_or(|known| known.is_answered(&node)) {
            return;
        }
        let answered = matches!(outcome, AuditOutcome::Answered(_));
        let tried = inspections.auditing.of(round, &node);
        if let Some(it) = tried.filter(|_| answered) {
            if it.step == TryStep::Answered {
                return;
            }
            it.step = TryStep::Answered;
        }
        let report = Box::new(AuditReport {
            round,
            node,
            outcome,
        });
        self.write(now, Body::AuditReport(report), None, out);
    }

    fn end_by_hand(&mut self) {
        if let Some(inspections) = &mut self.inspections {
            let by_hand = &mut inspections.auditing.by_hand;
            *by_hand = by_hand.saturating_sub(1);
        }
    }

    pub(super) fn on_inspection_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: InspectionCommand,
        out: &mut Outbox,
    ) {
        let (node, by) = match command {
            InspectionCommand::Rounds => {
                let reply = Ok(Reply::Rounds(Box::new(self.rounds_view(now))));
                return out.push(Effect::Reply { id, reply });
            }
            InspectionCommand::Ask { node, by } => (node, by),
        };
        match self.right_for(&node, by) {
            Ok(right) => {
                let inspections = self.inspections.get_or_insert_default();
                inspections.auditing.by_hand += 1;
                self.begin_ask(now, node, (right, AskFor::Hand(id)), out);
            }
            Err(error) => refuse(id, error, out),
        }
    }

    fn right_for(&self, node: &PublicKey, by: AskBy) -> Result<AuditRight, CommandError> {
        let refused = |refusal| Err(CommandError::Inspection(refusal));
        if *node == self.config.key {
            return refused(InspectionRefusal::OwnNode);
        }
        if self.charter().is_none() {
            return refused(InspectionRefusal::NoCharter);
        }
        if !self.directory.is_active(node) {
            return Err(CommandError::NoSuchMember(*node));
        }
        let under_way = self.inspections.as_ref().map(|it| it.auditing.by_hand);
        if let Some(by_hand) = under_way.filter(|by_hand| *by_hand >= ASKED_BY_HAND_MAX) {
            return refused(InspectionRefusal::TooMany(by_hand));
        }
        match by {
            AskBy::Case(case) => Ok(AuditRight::Case(case)),
            AskBy::Token { root, token } => Ok(AuditRight::Token { root, token }),
            AskBy::Draw => {
                let inspections = self.inspections.as_ref();
                let newest = inspections.and_then(|it| it.rounds.newest());
                let is_drawn =
                    |known: &&RoundKnown| known.auditor_of(node) == Some(self.config.key);
                match newest.filter(is_drawn) {
                    Some(known) => Ok(AuditRight::Round(known.drawn.round)),
                    None => refused(InspectionRefusal::NotDrawn(*node)),
                }
            }
        }
    }

    /// Puts the signature by which audits are drawn before the committee, once this seat has it.
    pub(super) fn offer_audits(&mut self, now: Now) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let to_draw = seat.log.state().audits().to_draw();
        let Some((round, by)) = to_draw else { return };
        if let Some(signature) = seat.work.round(by) {
            let entry = Entry::Audits { round, signature };
            seat.log.submit(entry, now.mono);
        }
    }
}
