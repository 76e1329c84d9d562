//! What this node is asked to agree to, to co-sign or to approve: checked as any act is, then answered by the node or a person.

use x0_crypto::{ContentId, PublicKey};

use super::{Peer, Purpose, Waiting, WordFor, requests::respond};
use crate::{
    anti_meave::{
        Admittance, Pending,
        acts::judge,
        consents::{Answer, Consent, ConsentView, CosignPolicy},
        warrants::{self, Proven, Question},
    },
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        event::Event,
        ids::{CommandId, JobId, RequestToken},
        job::Job,
        reject::ActRefusal,
        time::Now,
    },
    spine::halt::Step,
    wire::{
        self, Admission, Change, Consented, Entry, Policy, Refused, Request, Response, Role, Said,
        Ticket, Verified, Word,
    },
};

impl Peer {
    pub(super) fn on_consent_asked(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        asked: wire::Consent,
        out: &mut Outbox,
    ) {
        let wire::Consent {
            admission,
            warrants,
            role,
        } = asked;
        let said = admission.peek().asked;
        if said.by != from {
            return respond(token, Response::Refused(Refused::Malformed), out);
        }
        if let Some(answer) = self.consents.answer(&said.act, role) {
            return respond(token, Response::Consent(answer), out);
        }
        let answer = match self.keys_in_touch(now, warrants.ticket.as_ref()) {
            Err(refusal) => Consented::Refused {
                why: refusal.to_string(),
            },
            Ok(keys) => {
                let vote_keys = self.vote_keys(warrants.vote.as_deref());
                let question = Question {
                    mesh: self.directory.mesh(),
                    act: said.act,
                    matter: admission.peek().act.matter(&from),
                    agent: from,
                    warrants: warrants.clone(),
                    keys,
                    vote_keys,
                };
                let consent = Consent {
                    admission: admission.peek().clone(),
                    warrants,
                    ticket: None,
                    since: now.wall,
                    answer: Answer::Checking,
                };
                if self.consents.open(said.act, role, consent) {
                    let id = self.job(Waiting::Consent {
                        act: said.act,
                        role,
                    });
                    let job = Job::Consent {
                        admission: Box::new(admission),
                        warrants: Box::new(question),
                    };
                    out.push(Effect::Check { id, job });
                    Consented::Pending
                } else {
                    let why = "this node has too many open requests".to_owned();
                    Consented::Refused { why }
                }
            }
        };
        respond(token, Response::Consent(answer), out);
    }

    pub(super) fn on_consent_checked(
        &mut self,
        now: Now,
        (act, role): (ContentId, Role),
        checked: Result<(Verified<Admission>, Proven), String>,
        out: &mut Outbox,
    ) {
        let (admission, proven) = match checked {
            Ok(checked) => checked,
            Err(why) => return self.refuse_consent(&act, role, why),
        };
        if let Some(consent) = self.consents.find(&act, role) {
            consent.ticket = Some(*proven.ticket());
        }
        let warrants = self.consents.find(&act, role);
        let warrants = warrants.map(|consent| consent.warrants.clone());
        let heeded = self.check_vote(now, &warrants.unwrap_or_default());
        let judged = heeded.and_then(|()| self.judge_consent(now, &admission, &proven, role));
        match judged {
            Ok(pending) => {
                let purpose = Purpose::Consent { act, role };
                self.authorize(pending, Admittance::Own, purpose, out);
            }
            Err(refusal) => self.refuse_consent(&act, role, refusal.to_string()),
        }
    }

    fn judge_consent(
        &self,
        now: Now,
        admission: &Verified<Admission>,
        proven: &Proven,
        role: Role,
    ) -> Result<Pending, ActRefusal> {
        let (act, agent) = (&admission.value().act, admission.value().asked.by);
        let own = self.config.key;
        if self.index.is_suspended(&agent) {
            return Err(ActRefusal::AuthorSuspended);
        }
        let is_asked = match role {
            Role::Target => self.directory.is_target(&act.targets, &own),
            Role::Cosigner => proven.drawn(&self.directory).contains(&own),
            Role::Signatory => proven.signatories().contains(&own),
        };
        if !is_asked {
            let why = format!("this node is no {role} of it");
            return Err(ActRefusal::BadWarrants(why));
        }
        let time = self.mesh_time(now);
        warrants::check_ticket(proven, &self.directory, (act, &agent), time)?;
        let capability = admission.capability().cloned();
        let capability =
            capability.ok_or_else(|| ActRefusal::BadWarrants("no token".to_owned()))?;
        self.check_stop(now, &act.root, &capability, Step::PolicyChange)?;
        let emergency = admission.value().emergency.is_some();
        if emergency != proven.overriding().is_some() {
            return Err(ActRefusal::BadOverride(
                "it is not shown to stand in the public log as one".to_owned(),
            ));
        }
        self.check_told_in_time(proven.overriding())?;
        let panel = warrants::check_panel(proven, &self.directory, act, &capability)?;
        let mut usage = judge(self.bench(now), agent, act, now.wall, &capability)?;
        usage.peer_signatures = u8::MAX;
        usage.multi_sig = panel.map(|panel| (panel.n, panel.n));
        usage.vote = proven.vote();
        Ok(Pending {
            change: act.change.clone(),
            capability,
            usage,
        })
    }

    /// The token allows the act: a target agrees, the person of a co-signer or signatory is asked.
    pub(super) fn on_consent_allowed(&mut self, act: ContentId, role: Role, out: &mut Outbox) {
        let policy = self.config.cosign;
        let Some(consent) = self.consents.find(&act, role) else {
            return;
        };
        let approve = match (role, policy) {
            (Role::Target, _) | (_, CosignPolicy::Approve) => true,
            (Role::Cosigner | Role::Signatory, CosignPolicy::Refuse) => false,
            (Role::Cosigner | Role::Signatory, CosignPolicy::Ask) => {
                consent.answer = Answer::Waiting;
                return out.push(Effect::Notify(Event::CosignAsked {
                    act,
                    role,
                    agent: consent.admission.asked.by,
                    change: consent.admission.act.change.to_string(),
                }));
            }
        };
        self.sign_consent(act, role, approve, out);
    }

    /// Signs the answer to a request whose ticket was found good.
    fn sign_consent(&mut self, act: ContentId, role: Role, approve: bool, out: &mut Outbox) {
        let Some(consent) = self.consents.find(&act, role) else {
            return;
        };
        let Some(ticket) = consent.ticket.as_ref().map(Ticket::name) else {
            return;
        };
        let word = match (role, approve) {
            (Role::Target, _) => Word::Agree,
            (Role::Cosigner, true) => Word::Cosign,
            (Role::Cosigner, false) => Word::Refuse,
            (Role::Signatory, true) => Word::Sign { ticket },
            (Role::Signatory, false) => Word::Decline { ticket },
        };
        consent.answer = Answer::Signing;
        self.sign_word(act, word, WordFor::Consent { role }, out);
    }

    pub(super) fn refuse_consent(&mut self, act: &ContentId, role: Role, why: String) {
        if let Some(consent) = self.consents.find(act, role) {
            consent.answer = Answer::Refused(super::acting::shorten(&why));
        }
    }

    pub(super) fn cosign(
        &mut self,
        id: CommandId,
        act: ContentId,
        approve: bool,
        out: &mut Outbox,
    ) {
        let Some((role, _)) = self.consents.waiting_for(&act) else {
            let reply = Err(CommandError::NothingToCosign(act));
            return out.push(Effect::Reply { id, reply });
        };
        self.sign_consent(act, role, approve, out);
        let reply = Ok(Reply::Done);
        out.push(Effect::Reply { id, reply });
    }

    pub(super) fn sign_word(
        &mut self,
        act: ContentId,
        word: Word,
        what: WordFor,
        out: &mut Outbox,
    ) {
        let id = self.job(Waiting::SignWord(what));
        out.push(Effect::SignWord { id, act, word });
    }

    pub(super) fn on_word_signed(&mut self, now: Now, id: JobId, said: Said, out: &mut Outbox) {
        let Some(Waiting::SignWord(what)) = self.waiting.remove(&id) else {
            return;
        };
        match what {
            WordFor::Ask {
                command,
                act,
                emergency,
            } => self.on_asked_signed(now, command, (*act, emergency), said, out),
            WordFor::Heard => self.offer(now, Entry::Said { said, draw: None }, out),
            WordFor::Approve { plan } => self.on_approval_signed(now, plan, said, out),
            WordFor::Pass => self.offer(now, Entry::Said { said, draw: None }, out),
            WordFor::Consent { role } => {
                let Some(consent) = self.consents.find(&said.act, role) else {
                    return;
                };
                if matches!(said.word, Word::Refuse | Word::Decline { .. }) {
                    consent.answer = Answer::Refused("a person of this node refused".to_owned());
                    let draw = consent.warrants.draw.clone().map(Box::new);
                    self.offer(now, Entry::Said { said, draw }, out);
                } else {
                    consent.answer = Answer::Said(said);
                }
            }
        }
    }

    /// Hands something to the seats to be decided: to all that are linked, or to some that the driver can find.
    pub(super) fn offer(&mut self, now: Now, entry: Entry, out: &mut Outbox) {
        if let Some(seat) = &mut self.committee {
            seat.log.submit(entry.clone(), now.mono);
        }
        for to in self.some_seats(0) {
            let entry = Box::new(entry.to_unverified());
            self.ask(to, Request::Offer(entry), super::Asked::Told, out);
        }
    }

    /// Returns the other seats to ask: all that are linked, else as many as cannot all be hostile, others each time.
    pub(super) fn some_seats(&self, round: u32) -> Vec<PublicKey> {
        let seats = self.seats();
        let others = || {
            seats
                .iter()
                .filter(|seat| **seat != self.config.key)
                .copied()
        };
        let linked: Vec<_> = others()
            .filter(|seat| self.links.is_greeted(seat))
            .collect();
        let some = (seats.len().saturating_sub(1) / 3 + 1).min(seats.len());
        if linked.len() >= some {
            return linked;
        }
        let skip = usize::try_from(round).unwrap_or_default() % seats.len().max(1);
        let turned = others().cycle().skip(skip).take(some);
        let mut asked = linked;
        for seat in turned {
            if !asked.contains(&seat) {
                asked.push(seat);
            }
        }
        asked
    }

    pub(super) fn consent_views(&self) -> Vec<ConsentView> {
        let view = |(act, role, consent): (&ContentId, Role, &Consent)| ConsentView {
            act: *act,
            agent: consent.admission.asked.by,
            role,
            change: consent.admission.act.change.to_string(),
            difference: self.difference(&consent.admission.act.change),
            targets: consent.admission.act.targets.clone(),
            ticket: consent.ticket,
            emergency: consent.admission.emergency.as_deref().cloned(),
            since: consent.since,
            answer: consent.answer.clone(),
        };
        let mut views: Vec<_> = self.consents.iter().map(view).collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.since, view.act)));
        views
    }

    /// Says what a change would make of the value in force at this node.
    fn difference(&self, change: &Change) -> String {
        match change {
            Change::SetPolicy {
                policy,
                value,
                from_version,
            } => {
                let known: Option<Policy> = policy.as_str().parse().ok();
                let Some(known) = known else {
                    return format!("{policy} is unknown to this node; it would become {value}");
                };
                let (_, _, unit) = known.range();
                let (present, version) = (self.policies.value(known), self.policies.version(known));
                format!(
                    "{policy}: {present} -> {value} {unit} (here at version {version}, the act starts from \
                     {from_version}; default {})",
                    known.default_value()
                )
            }
            Change::Link { .. } | Change::Unlink { .. } => change.to_string(),
        }
    }
}
