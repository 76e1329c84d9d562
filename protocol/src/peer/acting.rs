//! Acts on this node, its own local changes, and the self-healing loop's.
//!
//! All three go one way: judge, ask the token, approve, write down, carry out, tell.

use std::{collections::BTreeSet, sync::Arc};

use x0_crypto::{
    PublicKey,
    capability::{Capability, Refusal, Scope, Use},
};

use super::{AfterPersist, Asked, Peer, Purpose, Waiting, commands::Proposal, refuse};
use crate::{
    anti_meave::{
        Admittance, Approved, Pending,
        acts::{judge, judge_local},
        warrants::{Proven, Question},
    },
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, JobId},
        job::Job,
        limits::REASON_BYTES_MAX,
        reject::ActRefusal,
        time::Now,
    },
    spine::{
        audit::What,
        committee::{
            cosigners,
            panel::{self, NoPanel, Room},
        },
        halt::Step,
    },
    wire::{
        Body, Change, MultiSig, Outcome, Policy, PolicyName, Record, Request, Verified, Warrants,
    },
};

/// Most targets that tell the proposer their outcome when there is no link to it.
const OUTCOME_TARGETS_MAX: u32 = 100;

impl Peer {
    /// Judges an act if this node is one of its targets and has not settled it.
    pub(super) fn consider(&mut self, now: Now, record: Verified<Record>, out: &mut Outbox) {
        let Body::Act(act) = record.value().body() else {
            return;
        };
        let id = record.value().id();
        let own = self.config.key;
        if !self.directory.is_target(&act.targets, &own) || self.acts.is_settled(&id) {
            return;
        }
        if !self.chain.caught_up {
            return;
        }
        let agent = record.value().author();
        let Some(capability) = record.capability().cloned() else {
            return;
        };
        let suspended = self.index.is_suspended(&agent) || self.index.is_forked(record.value());
        let written = record.value().header().time;
        let judged = if suspended {
            Err(ActRefusal::AuthorSuspended)
        } else {
            // A freeze is asked for when the act is carried out: whoever sends a stroke is told first what else is
            // wrong with it.
            self.check_halt(now)
                .and_then(|()| judge(self.bench(now), agent, act, written, &capability))
        };
        let pending = judged.map(|usage| Pending {
            change: act.change.clone(),
            capability,
            usage,
        });
        match (pending, self.has_committee()) {
            (Ok(pending), false) => {
                self.authorize(pending, Admittance::TokenAlone, Purpose::Act(record), out);
            }
            (Ok(_), true) => self.check_warrants(now, record, out),
            (Err(refusal), _) => self.on_refused(now, &refusal, Purpose::Act(record), None, out),
        }
    }

    /// Has the warrants of an act checked, which a mesh with a committee asks for.
    fn check_warrants(&mut self, now: Now, record: Verified<Record>, out: &mut Outbox) {
        let Body::Act(act) = record.value().body() else {
            return;
        };
        let agent = record.value().author();
        let warrants = Warrants::of(act).unwrap_or_default();
        let keys = match self.keys_in_touch(now, warrants.ticket.as_ref()) {
            Ok(keys) => keys,
            Err(refusal) => {
                return self.on_refused(now, &refusal, Purpose::Act(record), None, out);
            }
        };
        if let Err(refusal) = self.check_vote(now, &warrants) {
            return self.on_refused(now, &refusal, Purpose::Act(record), None, out);
        }
        let vote_keys = self.vote_keys(warrants.vote.as_deref());
        let question = Question {
            mesh: self.directory.mesh(),
            act: act.digest(&agent),
            matter: act.matter(&agent),
            agent,
            warrants,
            keys,
            vote_keys,
        };
        let id = self.job(Waiting::Warrants(record));
        let job = Job::Warrants(Box::new(question));
        out.push(Effect::Check { id, job });
    }

    pub(super) fn on_warrants_checked(
        &mut self,
        now: Now,
        record: Verified<Record>,
        checked: Result<Proven, String>,
        out: &mut Outbox,
    ) {
        let (Body::Act(act), Some(capability)) = (record.value().body(), record.capability())
        else {
            return;
        };
        let (agent, written) = (record.value().author(), record.value().header().time);
        let pending = checked.map_err(ActRefusal::BadWarrants).and_then(|proven| {
            let time = self.mesh_time(now);
            let signed = proven.suffices(&self.directory, (act, &agent), capability, time)?;
            self.check_told_in_time(proven.overriding())?;
            let usage = judge(self.bench(now), agent, act, written, capability)?;
            let pending = Pending {
                change: act.change.clone(),
                capability: capability.clone(),
                usage: Use {
                    peer_signatures: signed.peers,
                    multi_sig: signed.multi_sig,
                    vote: proven.vote(),
                    ..usage
                },
            };
            let admittance = Admittance::Warrants {
                proven: Box::new(proven),
                act: Box::new(act.clone()),
                agent,
            };
            Ok((pending, admittance))
        });
        match pending {
            Ok((pending, admittance)) => {
                self.authorize(pending, admittance, Purpose::Act(record), out);
            }
            Err(refusal) => self.on_refused(now, &refusal, Purpose::Act(record), None, out),
        }
    }

    /// Judges the acts that arrived before this node had caught up.
    pub(super) fn consider_unsettled(&mut self, now: Now, out: &mut Outbox) {
        for record in self.acts.unsettled(&self.config.key, &self.directory) {
            self.consider(now, record, out);
        }
    }

    /// Lets the self-healing loop link to the members it planned, as any agent would.
    pub(super) fn heal(&mut self, now: Now, out: &mut Outbox) {
        let Some(capability) = self.config.healing.clone() else {
            return self.healing.rest();
        };
        let target = self.policies.value(Policy::LinksTarget);
        let (own, links, directory) = (self.config.key, &self.links, &self.directory);
        let plan = self
            .healing
            .plan(now.mono, &own, target, links, directory, &mut self.rng);
        for peer in plan {
            self.try_local(now, Change::Link { peer }, capability.clone(), None, out);
        }
    }

    pub(super) fn try_local(
        &mut self,
        now: Now,
        change: Change,
        capability: Arc<Capability>,
        command: Option<CommandId>,
        out: &mut Outbox,
    ) {
        let agent = *capability.holder();
        let purpose = Purpose::Local { command, agent };
        match judge_local(self.bench(now), &change, &capability) {
            Ok(usage) => self.authorize(
                Pending {
                    change,
                    capability,
                    usage,
                },
                Admittance::Own,
                purpose,
                out,
            ),
            Err(refusal) => self.on_refused(now, &refusal, purpose, Some(&change), out),
        }
    }

    pub(super) fn try_proposal(
        &mut self,
        now: Now,
        proposal: Proposal,
        capability: Arc<Capability>,
        out: &mut Outbox,
    ) {
        let command = proposal.command;
        let agent = self.config.key;
        let root = &proposal.act.root;
        let judged = self
            .check_stop(now, root, &capability, Step::PolicyChange)
            .and_then(|()| judge(self.bench(now), agent, &proposal.act, now.wall, &capability));
        match judged {
            Ok(mut usage) => {
                let change = proposal.act.change.clone();
                if self.has_committee() {
                    let matter = proposal.act.matter(&agent);
                    usage.vote = self.voting.passed(&matter);
                    let nodes = usage.nodes;
                    let is_override = proposal.emergency.is_some();
                    if usage.scope == Scope::Network && usage.vote.is_none() && !is_override {
                        let refusal = ActRefusal::NeedsVote { nodes, matter };
                        return refuse(command, CommandError::Act(refusal), out);
                    }
                    let level = match is_override {
                        true => Scope::Network,
                        false => usage.scope,
                    };
                    match self.panel_for(&agent, &capability, (&usage, level)) {
                        Ok(panel) => usage.multi_sig = panel.map(|panel| (panel.n, panel.n)),
                        Err(refusal) => {
                            return refuse(command, CommandError::Act(refusal.into()), out);
                        }
                    }
                }
                let proposed = (proposal.act, proposal.emergency);
                self.proposals.insert(command, proposed);
                // What an act needs beyond its token is collected after this, and counted by its targets.
                let admittance = if self.has_committee() {
                    usage.peer_signatures = u8::MAX;
                    Admittance::Own
                } else {
                    Admittance::TokenAlone
                };
                let pending = Pending {
                    change,
                    capability,
                    usage,
                };
                self.authorize(pending, admittance, Purpose::Propose { command }, out);
            }
            Err(refusal) => refuse(command, CommandError::Act(refusal), out),
        }
    }

    /// Says which panel an own act will need, if this node sees that one can be drawn; the seats know exactly.
    fn panel_for(
        &self,
        agent: &PublicKey,
        capability: &Capability,
        (usage, level): (&Use, Scope),
    ) -> Result<Option<MultiSig>, NoPanel> {
        let wanted = panel::wanted(capability, level)?;
        let Some(multi_sig) = wanted else {
            return Ok(None);
        };
        // Who does not count yet counts here: what is impossible even so is impossible.
        let active = self.directory.members().filter(|member| member.is_active());
        let mut subtrees: BTreeSet<_> = active
            .map(|member| self.directory.subtree_of(&member.key))
            .collect();
        subtrees.remove(&self.directory.subtree_of(agent));
        let drawable = u32::try_from(subtrees.len()).unwrap_or(u32::MAX);
        let allowed = self.directory.token_reach();
        let cosigners = cosigners(usage.nodes, usage.mesh_size, allowed, drawable);
        let room = Room {
            signatories: drawable,
            cosigners: drawable,
        };
        room.check(multi_sig, cosigners)?;
        Ok(wanted)
    }

    pub(super) fn authorize(
        &mut self,
        pending: Pending,
        admittance: Admittance,
        purpose: Purpose,
        out: &mut Outbox,
    ) {
        let capability = pending.capability.clone();
        let usage = pending.usage.clone();
        let id = self.job(Waiting::Authorize {
            pending,
            admittance,
            purpose,
        });
        out.push(Effect::Check {
            id,
            job: Job::Authorize { capability, usage },
        });
    }

    pub(super) fn on_authorized(
        &mut self,
        now: Now,
        pending: Pending,
        (admittance, answer): (Admittance, Result<(), Refusal>),
        purpose: Purpose,
        out: &mut Outbox,
    ) {
        let change = pending.change.clone();
        let approved = pending.approve(self.bench(now), &admittance, answer);
        match (approved, purpose) {
            (Ok(_), Purpose::Propose { command }) => {
                let Some(proposed) = self.proposals.remove(&command) else {
                    return;
                };
                if self.has_committee() {
                    self.begin_proposal(command, proposed, out);
                } else {
                    self.write(now, Body::Act(proposed.0), Some(command), out);
                }
            }
            (Ok(_), Purpose::Consent { act, role }) => self.on_consent_allowed(act, role, out),
            (Ok(approved), purpose) => self.carry_out(now, approved, purpose, out),
            (Err(refusal), purpose) => {
                self.on_refused(now, &refusal, purpose, Some(&change), out);
            }
        }
    }

    /// Writes an approved change down; it runs once that is on disk.
    fn carry_out(
        &mut self,
        now: Now,
        change: Approved<Change>,
        purpose: Purpose,
        out: &mut Outbox,
    ) {
        if let Err(stale) = self.recheck(now, &change, &purpose) {
            return self.on_refused(now, &stale, purpose, Some(change.value()), out);
        }
        let words = change.value().to_string();
        let mut writes = Vec::new();
        match &purpose {
            Purpose::Act(record) => {
                let (act, agent) = (record.value().id(), record.value().author());
                if self.acts.is_settled(&act) {
                    return;
                }
                self.acts.begin(act);
                writes.push(Write::Executed(act));
                writes.extend(self.note_override(now, record, change.value()));
                writes.push(self.log(
                    now,
                    What::Executed {
                        act,
                        agent,
                        change: words,
                    },
                ));
            }
            Purpose::Local { agent, .. } => {
                writes.push(self.log(
                    now,
                    What::Local {
                        agent: *agent,
                        change: words,
                    },
                ));
            }
            Purpose::Propose { .. } | Purpose::Consent { .. } | Purpose::Lapse { .. } => {}
        }
        if let Some((policy, version, value)) = policy_step(change.value()) {
            if let Ok(known) = policy.as_str().parse() {
                self.policies.set(known, version, value);
            }
            writes.push(Write::Policy {
                policy,
                version,
                value,
            });
        }
        self.persist(writes, AfterPersist::Execute { change, purpose }, out);
    }

    /// Checks again what may have come between judging and approval: another change, a freeze or a halt.
    fn recheck(
        &self,
        now: Now,
        change: &Approved<Change>,
        purpose: &Purpose,
    ) -> Result<(), ActRefusal> {
        if let Purpose::Act(record) = purpose
            && let (Body::Act(act), Some(capability)) = (record.value().body(), record.capability())
        {
            self.check_stop(now, &act.root, capability, Step::PolicyChange)?;
        }
        match change.value() {
            Change::SetPolicy {
                policy,
                value,
                from_version,
            } => self
                .policies
                .check(policy, *value, *from_version)
                .map(|_| ()),
            Change::Link { .. } | Change::Unlink { .. } => Ok(()),
        }
    }

    pub(super) fn execute(&mut self, change: Approved<Change>, purpose: Purpose, out: &mut Outbox) {
        let words = change.value().to_string();
        let id = self.job(Waiting::Execute { words, purpose });
        out.push(Effect::Execute { id, change });
    }

    pub(super) fn on_executed(
        &mut self,
        now: Now,
        id: JobId,
        result: Result<(), String>,
        out: &mut Outbox,
    ) {
        let Some(Waiting::Execute { words, purpose }) = self.waiting.remove(&id) else {
            return;
        };
        self.healing.look(now.mono);
        if self.catch_up_at.is_some() {
            self.schedule_catch_up(now.mono);
        }
        let act = match &purpose {
            Purpose::Act(record) => Some(record.value().id()),
            Purpose::Lapse { act } => Some(*act),
            Purpose::Local { .. } | Purpose::Propose { .. } | Purpose::Consent { .. } => None,
        };
        match &result {
            Ok(()) if let Purpose::Lapse { act } = purpose => {
                let change = words;
                out.push(Effect::Notify(Event::OverrideLapsed { act, change }));
            }
            Ok(()) => out.push(Effect::Notify(Event::Executed { act, change: words })),
            Err(why) => out.push(Effect::Notify(Event::Refused {
                act,
                why: why.clone(),
            })),
        }
        match purpose {
            Purpose::Act(record) => {
                let outcome = match result {
                    Ok(()) => Outcome::Executed,
                    Err(why) => Outcome::Refused { why: shorten(&why) },
                };
                self.tell_outcome(&record, outcome, out);
            }
            Purpose::Local {
                command: Some(id), ..
            } => {
                let reply = result.map(|()| Reply::Done).map_err(CommandError::Failed);
                out.push(Effect::Reply { id, reply });
            }
            Purpose::Local { command: None, .. }
            | Purpose::Propose { .. }
            | Purpose::Consent { .. }
            | Purpose::Lapse { .. } => {}
        }
    }

    fn on_refused(
        &mut self,
        now: Now,
        refusal: &ActRefusal,
        purpose: Purpose,
        change: Option<&Change>,
        out: &mut Outbox,
    ) {
        let why = refusal.to_string();
        match purpose {
            Purpose::Act(record) => {
                let (act, agent) = (record.value().id(), record.value().author());
                let entry = self.log(
                    now,
                    What::Refused {
                        act,
                        agent,
                        why: why.clone(),
                    },
                );
                let told = Effect::Notify(Event::Refused {
                    act: Some(act),
                    why: why.clone(),
                });
                let mut held = Outbox::new();
                held.push(told);
                self.tell_outcome(&record, Outcome::Refused { why: shorten(&why) }, &mut held);
                let told = AfterPersist::Effects(held.drain().collect());
                self.persist(vec![entry], told, out);
            }
            Purpose::Local { command, agent } => {
                if let Some(Change::Link { peer }) = change {
                    self.healing.dial_failed(*peer, now.mono);
                }
                let entry = self.log(
                    now,
                    What::LocalRefused {
                        agent,
                        why: why.clone(),
                    },
                );
                let mut held = Outbox::new();
                held.push(Effect::Notify(Event::Refused { act: None, why }));
                if let Some(command) = command {
                    refuse(command, CommandError::Act(refusal.clone()), &mut held);
                }
                let told = AfterPersist::Effects(held.drain().collect());
                self.persist(vec![entry], told, out);
            }
            Purpose::Propose { command } => {
                self.proposals.remove(&command);
                refuse(command, CommandError::Act(refusal.clone()), out);
            }
            Purpose::Consent { act, role } => {
                self.refuse_consent(&act, role, refusal.to_string());
            }
            // A lapse is asked of nobody, so nobody refuses it.
            Purpose::Lapse { .. } => {}
        }
    }

    /// Settles an act here and tells its proposer.
    fn tell_outcome(&mut self, record: &Verified<Record>, outcome: Outcome, out: &mut Outbox) {
        let (act, to) = (record.value().id(), record.value().author());
        self.acts.settle(&act, outcome.clone());
        if to == self.config.key {
            return;
        }
        let Body::Act(body) = record.value().body() else {
            return;
        };
        let few = self.directory.blast_radius(&body.targets) <= OUTCOME_TARGETS_MAX;
        if few || self.links.is_greeted(&to) {
            self.ask(to, Request::Outcome { act, outcome }, Asked::Outcome, out);
        }
    }
}

fn policy_step(change: &Change) -> Option<(PolicyName, u64, u64)> {
    match change {
        Change::SetPolicy {
            policy,
            value,
            from_version,
        } => Some((policy.clone(), from_version.saturating_add(1), *value)),
        Change::Link { .. } | Change::Unlink { .. } => None,
    }
}

pub(super) fn shorten(why: &str) -> String {
    let end = why.floor_char_boundary(REASON_BYTES_MAX);
    why[..end].to_owned()
}
