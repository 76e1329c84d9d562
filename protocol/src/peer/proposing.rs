//! Own acts on their way through a mesh with a committee: asks for the ticket, then for the words it needs.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, WordFor, refuse};
use crate::{
    anti_meave::{
        proposals::{KeptProposal, Next, OwnProposal, ProposalWrite, Stage},
        warrants::{Proven, Question},
    },
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::CommandId,
        job::Job,
        limits::PROPOSALS_KEPT_MAX,
        time::{Millis, Now},
    },
    wire::{
        Act, Admission, Admitted, Body, Certificate, Consent, Consented, Draw, Entry, Override,
        Record, Request, Role, Said, Verified, Warrants,
    },
};

/// Time after which is asked again what is not answered for good.
const ASK_AGAIN: Millis = Millis(1_000);

/// Finds the records of own acts by their digests, among those that a store held; of none if no act is on its way.
pub(super) fn written_acts(
    records: &[Verified<Record>],
    own: &PublicKey,
    kept: &[KeptProposal],
) -> BTreeMap<ContentId, ContentId> {
    let mut found = BTreeMap::new();
    if kept.iter().all(|kept| kept.end.is_some()) {
        return found;
    }
    let records = records.iter().map(Verified::value);
    for record in records.filter(|record| record.author() == *own) {
        if let Body::Act(act) = record.body() {
            found.insert(act.digest(own), record.id());
        }
    }
    found
}

impl Peer {
    /// Sets an act on its way that its token allows: first the agent asks for it under its signature.
    pub(super) fn begin_proposal(
        &mut self,
        command: CommandId,
        (act, emergency): (Act, Option<Box<Override>>),
        out: &mut Outbox,
    ) {
        if !self.own_acts.has_room() {
            return refuse(
                command,
                CommandError::TooManyProposals(PROPOSALS_KEPT_MAX),
                out,
            );
        }
        let digest = act.digest(&self.config.key);
        let word = Admission::word(emergency.as_deref());
        let what = WordFor::Ask {
            command,
            act: Box::new(act),
            emergency,
        };
        self.sign_word(digest, word, what, out);
    }

    pub(super) fn on_asked_signed(
        &mut self,
        now: Now,
        command: CommandId,
        (act, emergency): (Act, Option<Box<Override>>),
        asked: Said,
        out: &mut Outbox,
    ) {
        let vote = self.voting.proof(&act.matter(&self.config.key));
        let admission = Admission {
            act,
            asked,
            emergency,
        };
        let proposal = OwnProposal::new(admission, vote.map(Box::new), now.wall, now.mono);
        let forgotten = self.own_acts.make_room().map(ProposalWrite::Forget);
        let kept = ProposalWrite::Keep(Box::new(proposal.kept()));
        let writes = forgotten.into_iter().chain([kept]).map(Write::Proposal);
        let after = AfterPersist::Asked {
            command,
            proposal: Box::new(proposal),
        };
        self.persist(writes.collect(), after, out);
    }

    /// Goes on its way with an act that is on disk.
    pub(super) fn on_asked_kept(
        &mut self,
        command: CommandId,
        proposal: OwnProposal,
        out: &mut Outbox,
    ) {
        let act = proposal.admission.asked.act;
        self.own_acts.open(act, proposal);
        let reply = Ok(Reply::Proposed(act));
        out.push(Effect::Reply { id: command, reply });
    }

    /// Takes up the own acts that were on their way at the last stop, and those of them that `written` tells are
    /// written.
    pub(super) fn recall_proposals(
        &mut self,
        now: Now,
        kept: Vec<KeptProposal>,
        written: &BTreeMap<ContentId, ContentId>,
    ) {
        for kept in kept {
            let (act, matter) = (
                kept.admission.asked.act,
                kept.admission.act.matter(&self.config.key),
            );
            let written = written.get(&act).copied();
            let vote = self.voting.book.passed(&matter).map(Box::new);
            let proposal = OwnProposal::recall(kept, vote, written, (now.wall, now.mono));
            self.own_acts.open(act, proposal);
        }
    }

    /// Goes on with own acts for which something is to be asked.
    pub(super) fn run_proposals(&mut self, now: Now, out: &mut Outbox) {
        for act in self.own_acts.take_due(now.mono) {
            self.run_proposal(now, act, out);
        }
    }

    fn run_proposal(&mut self, now: Now, act: ContentId, out: &mut Outbox) {
        let (time, scale) = (self.mesh_time(now), self.time_scale());
        let Some(proposal) = self.own_acts.find(&act) else {
            return;
        };
        proposal.ask_at = now.mono + ASK_AGAIN;
        proposal.round = proposal.round.wrapping_add(1);
        let round = proposal.round;
        let before = proposal.stage.clone();
        if proposal.admission.act.expires <= now.wall {
            proposal.stage = Stage::Failed(match before {
                Stage::Asked => "the committee did not answer in time".to_owned(),
                collecting @ (Stage::Publishing | Stage::Collecting { .. }) => {
                    format!("its time is over: {collecting}")
                }
                Stage::Written(_) | Stage::Failed(_) => return,
            });
            return self.tell_stage(act, out);
        }
        let next = proposal.next(&self.directory);
        let pass = proposal.pass(&self.directory, time, scale);
        let is_news = proposal.stage != before;
        let is_open = proposal.is_open();
        if is_news {
            self.tell_stage(act, out);
        }
        if !is_open {
            return;
        }
        if let Some(word) = pass {
            self.sign_word(act, word, WordFor::Pass, out);
        }
        match next {
            Next::Admission => self.ask_admission(now, act, round, out),
            Next::Publication => self.look_for_publication(now, act, out),
            Next::Words {
                agree,
                cosign,
                approve,
            } => {
                // A newer ticket, or that too many refuse, is known to the seats first.
                if !cosign.is_empty() || !approve.is_empty() {
                    self.ask_admission(now, act, round, out);
                }
                for to in agree {
                    self.ask_consent(now, act, (to, Role::Target), out);
                }
                for to in cosign {
                    self.ask_consent(now, act, (to, Role::Cosigner), out);
                }
                for to in approve {
                    self.ask_consent(now, act, (to, Role::Signatory), out);
                }
            }
            Next::Write => self.write_proposal(now, act, out),
        }
    }

    /// Takes the proof that an own override is public, once the copy of the public log here is as far.
    fn look_for_publication(&mut self, now: Now, act: ContentId, out: &mut Outbox) {
        let public = self.public.as_deref();
        let proof = public.and_then(|public| public.mirror.prove_override(&act));
        let (Some(proof), Some(proposal)) = (proof, self.own_acts.find(&act)) else {
            return;
        };
        proposal.take_publication(proof);
        self.run_proposal(now, act, out);
    }

    fn ask_admission(&mut self, now: Now, act: ContentId, round: u32, out: &mut Outbox) {
        let Some(proposal) = self.own_acts.find(&act) else {
            return;
        };
        let admission = proposal.admission.clone();
        if self.committee.is_some() {
            let entry = Entry::Admission(Box::new(admission.clone()));
            let stopped = self.stopped(now, &admission.act.root);
            let answer = stopped.unwrap_or_else(|| self.admission_answer(now, &act, entry, out));
            self.on_admitted(act, self.config.key, answer, out);
        }
        for to in self.some_seats(round) {
            let asked = Box::new(admission.to_unverified());
            self.ask(to, Request::Admit(asked), Asked::Admit { act, to }, out);
        }
    }

    fn ask_consent(
        &mut self,
        now: Now,
        act: ContentId,
        (to, role): (PublicKey, Role),
        out: &mut Outbox,
    ) {
        let Some(proposal) = self.own_acts.find(&act) else {
            return;
        };
        let warrants = proposal.warrants();
        let consent = Consent {
            admission: proposal.admission.to_unverified(),
            warrants: Warrants {
                said: Vec::new(),
                draw: warrants.draw.filter(|_| role.is_persons()),
                ..warrants
            },
            role,
        };
        debug_assert!(to != self.config.key, "an agent asks others: {now:?}");
        let asked = Asked::Consent { act, to, role };
        self.ask(to, Request::Consent(Box::new(consent)), asked, out);
    }

    /// Takes a seat's answer.
    pub(super) fn on_admitted(
        &mut self,
        act: ContentId,
        seat: PublicKey,
        answer: Admitted,
        out: &mut Outbox,
    ) {
        let seats = self.seats();
        let is_seat = seats.binary_search(&seat).is_ok();
        let seats = seats.len();
        let own = self.own_acts.find(&act);
        let Some(proposal) = own.filter(|own| own.is_open() && is_seat) else {
            return;
        };
        match answer {
            Admitted::Pending => {}
            Admitted::Refused { why } => {
                if proposal.doubt(seat, seats) {
                    proposal.stage = Stage::Failed(format!("not admitted: {why}"));
                    self.tell_stage(act, out);
                }
            }
            Admitted::Ticket { ticket, draw } => {
                let draw = draw.map(|draw| *draw);
                if !proposal.lacks(&ticket, draw.as_ref()) {
                    return;
                }
                let (matter, vote) = (
                    proposal.admission.act.matter(&self.config.key),
                    proposal.warrants().vote,
                );
                let Some(keys) = self.keys_for(Some(&ticket)) else {
                    return;
                };
                let vote_keys = self.vote_keys(vote.as_deref());
                let question = Question {
                    mesh: self.directory.mesh(),
                    act,
                    matter,
                    agent: self.config.key,
                    warrants: Warrants {
                        ticket: Some(*ticket),
                        vote,
                        draw: draw.clone(),
                        said: Vec::new(),
                        emergency: None,
                    },
                    keys,
                    vote_keys,
                };
                let id = self.job(Waiting::Admitted {
                    act,
                    ticket,
                    draw: draw.map(Box::new),
                });
                let job = Job::Warrants(Box::new(question));
                out.push(Effect::Check { id, job });
            }
        }
    }

    pub(super) fn on_admitted_checked(
        &mut self,
        now: Now,
        act: ContentId,
        (ticket, draw): (Certificate, Option<Draw>),
        checked: Result<Proven, String>,
        out: &mut Outbox,
    ) {
        // A seat that hands out what does not hold is not believed; others are asked.
        let Ok(proven) = checked else { return };
        if let Some(proposal) = self.own_acts.find(&act) {
            proposal.admit(ticket, draw, proven);
            proposal.ask_at = now.mono;
        }
        self.run_proposals(now, out);
    }

    /// Takes the answer of a target, co-signer or signatory.
    pub(super) fn on_consented(
        &mut self,
        now: Now,
        (act, from, role): (ContentId, PublicKey, Role),
        answer: Consented,
        out: &mut Outbox,
    ) {
        let mesh = self.directory.mesh();
        let Some(proposal) = self.own_acts.find(&act).filter(|own| own.is_open()) else {
            return;
        };
        match answer {
            Consented::Pending => return,
            Consented::Said(said) => {
                let is_it = said.by == from && said.act == act && proposal.wants(role, said.word);
                if !is_it || said.verify(&mesh).is_err() {
                    return;
                }
                proposal.hear(said);
            }
            Consented::Refused { why } => {
                proposal.refuse(from, role, why);
                if !proposal.is_open() {
                    return self.tell_stage(act, out);
                }
            }
        }
        proposal.ask_at = now.mono;
        self.run_proposals(now, out);
    }

    fn write_proposal(&mut self, now: Now, act: ContentId, out: &mut Outbox) {
        let Some(proposal) = self.own_acts.find(&act) else {
            return;
        };
        proposal.stage = Stage::Written(None);
        let body = Act {
            warrants: proposal.warrants().to_wire(),
            ..proposal.admission.act.clone()
        };
        self.write(now, Body::Act(body), None, out);
    }

    /// Links an own act's record to its way here.
    pub(super) fn on_act_written(&mut self, act: &Act, record: ContentId, out: &mut Outbox) {
        let digest = act.digest(&self.config.key);
        if let Some(proposal) = self.own_acts.find(&digest) {
            proposal.stage = Stage::Written(Some(record));
            self.tell_stage(digest, out);
        }
    }

    fn tell_stage(&mut self, act: ContentId, out: &mut Outbox) {
        if let Some(proposal) = self.own_acts.find(&act) {
            let record = match proposal.stage {
                Stage::Written(record) => record,
                Stage::Asked | Stage::Publishing | Stage::Collecting { .. } | Stage::Failed(_) => {
                    None
                }
            };
            let stage = proposal.stage.to_string();
            let told = Effect::Notify(Event::Proposed { act, stage, record });
            let kept = proposal.kept();
            if kept.end.is_none() {
                return out.push(told);
            }
            let write = Write::Proposal(ProposalWrite::Keep(Box::new(kept)));
            self.persist(vec![write], AfterPersist::Effects(vec![told]), out);
        }
    }

    /// Tells an agent what became of its act, as far as this seat knows; what is new is put before the committee.
    pub(super) fn admission_answer(
        &mut self,
        now: Now,
        act: &ContentId,
        entry: Entry,
        out: &mut Outbox,
    ) -> Admitted {
        let mesh = self.directory.mesh();
        let Some(seat) = &mut self.committee else {
            return Admitted::Pending;
        };
        let answer = seat.admitted(&mesh, act);
        if answer.is_none() {
            self.put_before_committee(now, entry, out);
        }
        answer.unwrap_or(Admitted::Pending)
    }
}
