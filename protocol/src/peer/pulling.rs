//! Pulling evidence after a halt: asking others what their audit logs say of the acts of its root, and answering.
//!
//! A seat pulls by itself, some seconds after it has learned of a halt, so that what had been done by then is in the
//! logs; any node pulls when its user asks. What a log shows is kept in memory until the user packs it, not on disk:
//! a seat that restarts while the mesh is halted pulls again.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, refuse, requests::respond};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        event::Event,
        ids::{CommandId, JobId, RequestToken},
        job::Job,
        limits::PULLS_KEPT_MAX,
        time::{Millis, Mono, Now},
    },
    spine::halt::{HaltId, Pull, PullPlan, PullReport},
    wire::{AuditAsk, AuditShown, LogHead, Refused, Response, ShownFault},
};

/// Time between a halt and what a seat asks because of it: acts on their way are judged by then.
const SETTLES: Millis = Millis::from_secs(5);

/// What was pulled and is to be pulled.
#[derive(Default)]
pub(super) struct Pulls {
    kept: Vec<Pull>,
    /// When a seat begins by itself.
    begin_at: BTreeMap<HaltId, Mono>,
}

/// To whom the own log is shown.
pub(super) enum ShowTo {
    Asker(RequestToken),
    Own,
}

impl Pulls {
    /// Returns when something is to be done.
    pub(super) fn due(&self) -> Option<Mono> {
        let begins = self.begin_at.values().copied();
        let asks = self.kept.iter().filter_map(Pull::next_at);
        begins.chain(asks).min()
    }

    fn find(&mut self, halt: &HaltId) -> Option<&mut Pull> {
        self.kept.iter_mut().find(|pull| pull.halt() == *halt)
    }
}

impl Peer {
    /// Has this node's seat pull evidence for a halt, if it has one.
    pub(super) fn plan_pull(&mut self, now: Now, halt: HaltId) {
        let is_seat = self.committee.as_ref().is_some_and(|it| it.log.is_seated());
        if is_seat {
            let begin_at = &mut self.halting().pulls.begin_at;
            begin_at.entry(halt).or_insert(now.mono + SETTLES);
        }
    }

    /// Has the seat pull anew, after a restart, for the halts in force.
    pub(super) fn plan_pulls_again(&mut self, now: Now) {
        let time = self.halt_time(now);
        let halts = self.halting.iter().flat_map(|it| it.in_force(time));
        let halts: Vec<_> = halts.collect();
        for halt in halts {
            self.plan_pull(now, halt);
        }
    }

    /// Begins or goes on with the pulling for a halt, for the local user.
    pub(super) fn pull_for(
        &mut self,
        now: Now,
        id: CommandId,
        (halt, again): (HaltId, bool),
        out: &mut Outbox,
    ) {
        if !self.begin_pull(now, &halt) {
            return refuse(id, CommandError::NoSuchHalt(halt.short()), out);
        }
        if again && let Some(pull) = self.halting().pulls.find(&halt) {
            pull.try_again(now.mono);
        }
        self.run_pulls(now, out);
        let reply = match self.pull_report(now, &halt) {
            Some(report) => Ok(Reply::Pulled(Box::new(report))),
            None => Err(CommandError::NoSuchHalt(halt.short())),
        };
        out.push(Effect::Reply { id, reply });
    }

    /// Takes up what is known of the acts of a halt's root by now; `false` if the halt is not known.
    fn begin_pull(&mut self, now: Now, halt: &HaltId) -> bool {
        let Some(halting) = self.halting.as_deref_mut() else {
            return false;
        };
        halting.pulls.begin_at.remove(halt);
        let Some(root) = halting.root_of(halt) else {
            return false;
        };
        let directory = &self.directory;
        let members = directory.members().filter(|member| member.is_active());
        let members = members.map(|member| (member.key, member.region.as_ref()));
        let plan = PullPlan::of(halt, &halting.acts_under(&root), members);
        let pulls = &mut halting.pulls;
        if pulls.find(halt).is_none() {
            if pulls.kept.len() >= PULLS_KEPT_MAX {
                pulls.kept.remove(0);
            }
            pulls.kept.push(Pull::new(*halt, root));
        }
        let audit = &self.audit;
        if let Some(pull) = pulls.find(halt) {
            pull.plan(plan, |node| audit.head_of(node), now.mono);
        }
        true
    }

    /// Asks what is due.
    pub(super) fn run_pulls(&mut self, now: Now, out: &mut Outbox) {
        let Some(halting) = self.halting.as_deref_mut() else {
            return;
        };
        if halting.pulls.due().is_none_or(|at| at > now.mono) {
            return;
        }
        let begins = halting.pulls.begin_at.iter();
        let begins = begins.filter(|(_, at)| **at <= now.mono);
        let begins: Vec<_> = begins.map(|(halt, _)| *halt).collect();
        for halt in begins {
            self.begin_pull(now, &halt);
        }
        let own = self.config.key;
        let due: Vec<_> = self
            .halting()
            .pulls
            .kept
            .iter_mut()
            .flat_map(|pull| pull.due(now.mono))
            .collect();
        for (node, ask) in due {
            let ask = Box::new(ask);
            if node == own {
                self.sign_shown(now, ask, ShowTo::Own, out);
            } else {
                let request = crate::wire::Request::Audit(ask.clone());
                self.ask(node, request, Asked::Audit { node, ask }, out);
            }
        }
    }

    /// Answers who asks what the own log says of acts, because of a halt that is known here.
    pub(super) fn on_audit_asked(
        &mut self,
        now: Now,
        token: RequestToken,
        ask: Box<AuditAsk>,
        out: &mut Outbox,
    ) {
        let Some(halt) = ask.halt else {
            return self.on_erasures_asked(now, token, ask, out);
        };
        let halting = self.halting.as_ref();
        let is_known = halting.is_some_and(|halting| halting.root_of(&halt).is_some());
        if !is_known {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        self.sign_shown(now, ask, ShowTo::Asker(token), out);
    }

    /// Has the head signed under which entries are shown, once all that it covers is on disk.
    pub(super) fn sign_shown(
        &mut self,
        now: Now,
        ask: Box<AuditAsk>,
        to: ShowTo,
        out: &mut Outbox,
    ) {
        let (size, root) = self.audit.head();
        let id = self.job(Waiting::Show { ask, to });
        let sign = Effect::SignHead {
            id,
            size,
            root,
            time: now.wall,
        };
        self.persist(Vec::new(), AfterPersist::Effects(vec![sign]), out);
    }

    pub(super) fn on_shown_signed(
        &mut self,
        now: Now,
        head: LogHead,
        (ask, to): (Box<AuditAsk>, ShowTo),
        out: &mut Outbox,
    ) {
        let shown = self.audit.show(&ask, head);
        match to {
            ShowTo::Asker(token) => {
                let no_answer = Response::Refused(Refused::NoAnswer);
                let response = shown.map_or(no_answer, |shown| Response::Audit(Box::new(shown)));
                respond(token, response, out);
            }
            ShowTo::Own => self.on_audit_shown(now, self.config.key, ask, shown, out),
        }
    }

    /// Takes what a node shows of its log, to be checked; `None` if it did not answer.
    pub(super) fn on_audit_shown(
        &mut self,
        now: Now,
        node: PublicKey,
        ask: Box<AuditAsk>,
        shown: Option<AuditShown>,
        out: &mut Outbox,
    ) {
        let Some(halt) = ask.halt else {
            if let Some(shown) = shown {
                self.check_receipt(node, ask, shown, out);
            }
            return;
        };
        let Some(pull) = self.halting().pulls.find(&halt) else {
            return;
        };
        let Some(shown) = shown else {
            pull.refused(&node, "it did not answer", now.mono);
            return self.run_pulls(now, out);
        };
        let held = pull.log(&node).and_then(|log| log.held.clone());
        let acts: BTreeSet<ContentId> = ask.acts.iter().copied().collect();
        let job = Job::Shown {
            author: node,
            acts,
            held: held.map(Box::new),
            shown: Box::new(shown),
        };
        let id: JobId = self.job(Waiting::Shown { node, ask });
        out.push(Effect::Check { id, job });
    }

    pub(super) fn on_shown_checked(
        &mut self,
        now: Now,
        (node, ask): (PublicKey, Box<AuditAsk>),
        checked: Result<AuditShown, (ShownFault, LogHead)>,
        out: &mut Outbox,
    ) {
        let Some(halt) = ask.halt else {
            return self.on_receipt_checked(now, (node, &ask), checked, out);
        };
        let Some(pull) = self.halting().pulls.find(&halt) else {
            return;
        };
        match checked {
            Ok(shown) => pull.take(&node, &ask, shown),
            Err((fault, head)) => {
                pull.faulted(&node, fault.to_string());
                let why = format!("its audit log does not hold: {fault}");
                out.push(Effect::Notify(Event::Rejected { from: node, why }));
                if matches!(fault, ShownFault::Rewritten { .. } | ShownFault::Cut { .. }) {
                    self.on_split_view(now, &head, out);
                }
            }
        }
        self.run_pulls(now, out);
    }

    /// Hears that a node has no answer.
    pub(super) fn on_audit_refused(
        &mut self,
        now: Now,
        node: &PublicKey,
        ask: &AuditAsk,
        refused: Option<Refused>,
        out: &mut Outbox,
    ) {
        let why = refused.map_or_else(|| "it did not answer".to_owned(), |why| why.to_string());
        let Some(halt) = ask.halt else {
            return;
        };
        if let Some(pull) = self.halting().pulls.find(&halt) {
            pull.refused(node, &why, now.mono);
        }
        self.run_pulls(now, out);
    }

    fn pull_report(&mut self, now: Now, halt: &HaltId) -> Option<PullReport> {
        let (time, members) = (self.halt_time(now), self.directory.active_count());
        let epochs = self
            .trust
            .epochs()
            .iter()
            .map(crate::wire::Record::id)
            .collect();
        let halting = self.halting.as_deref_mut()?;
        let known = halting.halt(halt)?.clone();
        let certificate = halting.certificate(halt).copied();
        let alerts = halting.alerts_about(&known.root);
        let acts = halting.acts_under(&known.root);
        let acts = acts.iter().map(|act| act.act).collect();
        let pull = halting.pulls.find(halt)?.clone();
        Some(PullReport {
            time,
            genesis: self.config.genesis.clone(),
            members,
            halt: known,
            certificate,
            epochs,
            alerts,
            acts,
            pull,
        })
    }
}
