//! Votes as a member takes part in them: proposes, casts, delegates, follows what the committee certifies, and counts
//! again.
//!
//! What the user hands in is signed, written down and then sent to the seats until enough have answered. What is
//! certified of votes comes as records, like the committee's keys.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::{
    AfterPersist, Asked, Peer, Waiting,
    polling::VoteFor,
    recounting::{Recount, Wanted},
    refuse,
};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::CommandId,
        job::Job,
        limits::{OWN_VOTES_MAX, VOTE_SEQ_MAX, VOTES_KNOWN_MAX},
        reject::{ActRefusal, RejectReason},
        time::{Millis, Mono, Now, Wall},
        vote::{VoteCommand, VoteRefusal, VoteView, VotesView},
    },
    spine::{
        ballot::{
            Book, Bundles, Case, Finality, Heard, Known, OwnVotes, RefutationTask, Refuted,
            Verdicts, VoidReason, VoteWrite, vote_of,
        },
        committee::{Seats, Unchecked},
    },
    wire::{
        Body, Certificate, Choice, DelegationScope, Reason, Receipt, Record, Refutation, Request,
        Statement, Verified, Vote, VoteAnswer, VoteAsk, VoteDraft, VoteEnd, VoteItem, VoteNotice,
        VoteProof, VoteRules, VoteStatement, Warrants,
    },
};

/// What a node knows and does about votes.
#[derive(Default)]
pub(super) struct Voting {
    pub(super) book: Book,
    pub(super) own: OwnVotes,
    pub(super) verdicts: Verdicts,
    /// What this node has set out to say to juries.
    pub(super) saying: BTreeSet<ContentId>,
    /// Commands whose ballot is being signed, by vote: no second one is signed beside it.
    signing: BTreeMap<CommandId, ContentId>,
    pub(super) recounts: BTreeMap<ContentId, Box<Recount>>,
    pub(super) bundles: Bundles,
}

impl Voting {
    /// Tells whether what a certificate says of votes and juries is known.
    pub(super) fn knows(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Jury(stated) => self.verdicts.has(stated),
            Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => self.book.has(statement),
        }
    }

    /// Finds a vote on a subject that has passed, by the committee's word or else by a jury's ballots.
    pub(super) fn passed(&self, subject: &ContentId) -> Option<ContentId> {
        let voted = self.book.passed_vote(subject).map(|vote| vote.proposal);
        voted.or_else(|| self.verdicts.passed(subject).map(|(id, _)| *id))
    }

    /// Finds the proof that a vote on a subject has passed, of the committee or else of a jury.
    pub(super) fn proof(&self, subject: &ContentId) -> Option<VoteProof> {
        let of_jury = || {
            let (_, case) = self.verdicts.passed(subject)?;
            Some(VoteProof::Jury(Box::new(case.proof()?)))
        };
        self.book.passed(subject).or_else(of_jury)
    }

    pub(super) fn restore(own: Vec<VoteItem>, receipts: Vec<Receipt>, now: Mono) -> Self {
        Self {
            own: OwnVotes::restore(own, receipts, now),
            ..Self::default()
        }
    }
}

impl Peer {
    pub(super) fn on_vote_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: VoteCommand,
        out: &mut Outbox,
    ) {
        let done = match command {
            VoteCommand::List => {
                let reply = Ok(Reply::Votes(Box::new(self.votes_view())));
                return out.push(Effect::Reply { id, reply });
            }
            VoteCommand::Jury => {
                let reply = Ok(Reply::Jury(Box::new(self.jury_view(now))));
                return out.push(Effect::Reply { id, reply });
            }
            VoteCommand::Recount(proposal) => {
                self.begin_recount((id, Wanted::Result), proposal, out)
            }
            VoteCommand::Bundle(proposal) => {
                self.begin_recount((id, Wanted::Bundle), proposal, out)
            }
            VoteCommand::Propose {
                subject,
                text,
                rules,
                sealed,
            } => self.proposal_draft(now, (subject, text), (rules, sealed)),
            VoteCommand::Cast { proposal, choice } => {
                let time = self.mesh_time(now);
                self.ballot_draft((id, time), proposal, choice)
            }
            VoteCommand::Delegate { scope, delegate } => self.delegation_draft(scope, delegate),
            VoteCommand::OnCall { serves } => Ok(Some(VoteDraft::OnCall {
                seq: self.voting.own.next_on_call(),
                serves,
            })),
        };
        match done {
            Ok(None) => {}
            Ok(Some(draft)) => match self.check_may_hand_in() {
                Ok(()) => self.sign_vote(draft, VoteFor::Command(id), out),
                Err(error) => {
                    self.voting.signing.remove(&id);
                    refuse(id, error, out);
                }
            },
            Err(refusal) => refuse(id, refusal.into(), out),
        }
    }

    pub(super) fn check_may_hand_in(&self) -> Result<(), CommandError> {
        if !self.directory.is_active(&self.config.key) {
            return Err(CommandError::NotAMember);
        }
        if !self.has_committee() {
            return Err(VoteRefusal::NoCommittee.into());
        }
        if self.trust.keys().is_none() {
            return Err(VoteRefusal::NoKeys.into());
        }
        if !self.voting.own.has_room() {
            return Err(VoteRefusal::TooMany(OWN_VOTES_MAX).into());
        }
        Ok(())
    }

    /// Drafts a proposal; sealed ballots are sealed to the committee's key as this node knows it.
    fn proposal_draft(
        &self,
        now: Now,
        (subject, text): (ContentId, Reason),
        (mut rules, sealed): (VoteRules, bool),
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        if sealed && !self.has_committee() {
            return Err(VoteRefusal::NoCommittee);
        }
        rules.sealed_to = match (sealed, self.trust.keys()) {
            (false, _) => None,
            (true, Some(keys)) => Some(Box::new(keys.decryption)),
            (true, None) => return Err(VoteRefusal::NoKeys),
        };
        rules.check()?;
        Ok(Some(VoteDraft::Proposal {
            subject,
            text,
            rules,
            made: self.mesh_time(now),
        }))
    }

    fn ballot_draft(
        &mut self,
        (command, time): (CommandId, Wall),
        proposal: ContentId,
        choice: Choice,
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        let known = self.voting.book.find(&proposal);
        let is_over =
            known.is_some_and(|known| known.tally().is_some() || known.resolved().is_some());
        let opening = known.and_then(Known::opening);
        let case = self.voting.verdicts.find(&proposal);
        let sealed_to = opening.and_then(|opening| opening.proposal.rules.sealed_to.clone());
        let (jury, finality) = match (opening, case) {
            (Some(opening), _) => (&opening.jury, opening.proposal.rules.finality),
            (None, Some(case)) if case.closes() <= time => {
                return Err(VoteRefusal::Over(proposal));
            }
            (None, Some(case)) => (&case.jury, Finality::FirstFinal),
            (None, None) => return Err(VoteRefusal::NoSuchVote(proposal)),
        };
        if is_over {
            return Err(VoteRefusal::Over(proposal));
        }
        if !jury.is_empty() && !jury.contains(&self.config.key) {
            return Err(VoteRefusal::NotAJuror(proposal));
        }
        if self.voting.signing.values().any(|of| *of == proposal) {
            return Err(VoteRefusal::Busy);
        }
        let seq = match self.voting.own.ballot(&proposal) {
            None => 0,
            Some((ballot, _)) => {
                let cast = match &ballot.vote {
                    Vote::Open(choice) => choice.name(),
                    Vote::Sealed(_) => "under seal",
                };
                match finality {
                    Finality::FirstFinal => return Err(VoteRefusal::AlreadyCast(cast)),
                    Finality::Changeable if ballot.seq >= VOTE_SEQ_MAX => {
                        return Err(VoteRefusal::TooManyChanges);
                    }
                    Finality::Changeable => ballot.seq + 1,
                }
            }
        };
        self.voting.signing.insert(command, proposal);
        Ok(Some(VoteDraft::Ballot {
            proposal,
            seq,
            choice,
            sealed_to,
        }))
    }

    fn delegation_draft(
        &self,
        scope: DelegationScope,
        delegate: Option<PublicKey>,
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        if let Some(delegate) = delegate
            && (delegate == self.config.key || !self.directory.is_active(&delegate))
        {
            return Err(VoteRefusal::NoDelegate(delegate));
        }
        if let DelegationScope::Proposal(proposal) = scope
            && self.voting.book.find(&proposal).is_none()
        {
            return Err(VoteRefusal::NoSuchVote(proposal));
        }
        let seq = self.voting.own.next_delegation(&scope);
        if seq > VOTE_SEQ_MAX {
            return Err(VoteRefusal::TooManyChanges);
        }
        Ok(Some(VoteDraft::Delegation {
            scope,
            seq,
            delegate,
        }))
    }

    pub(super) fn on_item_signed(&mut self, command: CommandId, item: VoteItem, out: &mut Outbox) {
        let write = Write::Vote(Box::new(VoteWrite::Own(item.clone())));
        let then = AfterPersist::OwnVote(command, Box::new(item));
        self.persist(vec![write], then, out);
    }

    pub(super) fn on_own_vote_kept(
        &mut self,
        now: Now,
        command: CommandId,
        item: VoteItem,
        out: &mut Outbox,
    ) {
        self.voting.signing.remove(&command);
        let reply = Ok(Reply::Voted(item.id()));
        if let Some(done) = self.voting.own.put(item, now.mono) {
            let write = Write::Vote(Box::new(VoteWrite::Done(done)));
            self.persist(vec![write], AfterPersist::Nothing, out);
        }
        out.push(Effect::Reply { id: command, reply });
        self.say_to_juries(now, out);
    }

    /// Sends what the seats have not answered yet.
    pub(super) fn run_votes(&mut self, now: Now, out: &mut Outbox) {
        if self.voting.own.due().is_none_or(|at| at > now.mono) {
            return;
        }
        let seats = self.seats().to_vec();
        for (id, item, receipts) in self.voting.own.take_due(now.mono) {
            for to in &seats {
                if !self.voting.own.awaits(&id, to) {
                    continue;
                }
                let (to, receipts) = (*to, receipts.clone());
                if to == self.config.key {
                    if let Some(answer) = self.seat_takes(now, item.clone(), receipts, None, out) {
                        self.on_vote_answer(id, to, answer, out);
                    }
                    continue;
                }
                let item = item.clone();
                let ask = Request::Vote(Box::new(VoteAsk::Take { item, receipts }));
                self.ask(to, ask, Asked::Vote { id, to }, out);
            }
        }
    }

    /// Takes a seat's answer about something that this node has handed in.
    pub(super) fn on_vote_answer(
        &mut self,
        id: ContentId,
        seat: PublicKey,
        answer: VoteAnswer,
        out: &mut Outbox,
    ) {
        let Some(seats) = Seats::new(self.seats().to_vec()) else {
            return;
        };
        let before = self.voting.own.find(&id).map(|own| own.stage.clone());
        match answer {
            VoteAnswer::Pending
            | VoteAnswer::Contents(_)
            | VoteAnswer::Leaves(_)
            | VoteAnswer::Electors(_) => {}
            VoteAnswer::Taken => self.voting.own.taken(&id, seat, &seats),
            VoteAnswer::Refused { why } => self.voting.own.refused(&id, seat, why, &seats),
            VoteAnswer::Receipt(receipt) => {
                let is_it = receipt.seat == seat && receipt.ballot == id;
                if is_it
                    && receipt.holds(&self.directory.mesh())
                    && self.voting.own.receipt(&receipt, &seats)
                {
                    let write = Write::Vote(Box::new(VoteWrite::Receipt(receipt)));
                    self.persist(vec![write], AfterPersist::Nothing, out);
                }
            }
        }
        let own = self.voting.own.find(&id);
        if let Some(own) = own.filter(|own| Some(&own.stage) != before.as_ref()) {
            let proposal = match &own.item {
                VoteItem::Proposal(proposal) => proposal.id(),
                VoteItem::Ballot(ballot) => ballot.proposal,
                VoteItem::Delegation(_) | VoteItem::OnCall(_) => id,
            };
            let what = own.words();
            out.push(Effect::Notify(Event::Vote { proposal, what }));
        }
    }

    /// Has the certificate of a notice checked; one whose key is not known yet waits for it.
    pub(super) fn check_notice(
        &mut self,
        notice: &VoteNotice,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let mesh = self.directory.mesh();
        if let Some(refutation) = &notice.refutation {
            let Some(task) = self.refutation_task(notice, refutation)? else {
                return Ok(());
            };
            let id = self.job(Waiting::Notice(Box::new(notice.clone())));
            let job = Job::Refutation(Box::new(task));
            out.push(Effect::Check { id, job });
            return Ok(());
        }
        if self.voting.knows(&notice.certificate.statement) {
            return Ok(());
        }
        let question = match self.trust.question(&mesh, &notice.certificate) {
            Ok(question) => question,
            Err(Unchecked::Unknown) => return Err(RejectReason::Missing(mesh)),
            Err(Unchecked::Void) => return Ok(()),
        };
        let id = self.job(Waiting::Notice(Box::new(notice.clone())));
        let job = Job::Certificate(Box::new(question));
        out.push(Effect::Check { id, job });
        Ok(())
    }

    /// Returns what it takes to check a proof against a tally; none if it can change nothing.
    fn refutation_task(
        &self,
        notice: &VoteNotice,
        refutation: &Refutation,
    ) -> Result<Option<RefutationTask>, RejectReason> {
        let mesh = self.directory.mesh();
        let Statement::Tally(statement) = notice.certificate.statement else {
            return Ok(None);
        };
        let known = self.voting.book.find(&statement.tally.proposal);
        let Some(opening) = known.and_then(Known::opening) else {
            return Err(RejectReason::Missing(mesh));
        };
        if known.is_some_and(Known::is_refuted) {
            return Ok(None);
        }
        let certificate = match self.trust.question(&mesh, &notice.certificate) {
            Ok(question) => question,
            Err(Unchecked::Unknown) => return Err(RejectReason::Missing(mesh)),
            Err(Unchecked::Void) => return Ok(None),
        };
        let then = self.trust.seats_at(opening.opened.height);
        let then = then.unwrap_or(&self.directory.genesis().seats);
        let Some(seats) = Seats::new(then.to_vec()) else {
            return Ok(None);
        };
        Ok(Some(RefutationTask {
            mesh,
            seats,
            proposal: opening.proposal.clone(),
            opened: opening.opened,
            jury: opening.jury.clone(),
            statement,
            certificate,
            refutation: refutation.clone(),
        }))
    }

    /// Checks that this node may act on the vote that stands for an act, if one does.
    pub(super) fn check_vote(&self, now: Now, warrants: &Warrants) -> Result<(), ActRefusal> {
        let Some(VoteProof::Resolved(certificate)) = warrants.vote.as_deref() else {
            return Ok(());
        };
        let Statement::Resolved(resolved) = certificate.statement else {
            return Ok(());
        };
        let scale = self.time_scale();
        let heeded = self.voting.book.heed(&resolved.proposal, now.mono, scale);
        heeded
            .map_err(|why| ActRefusal::BadWarrants(format!("its vote is not acted on here: {why}")))
    }

    pub(super) fn on_notice_checked(&mut self, now: Now, notice: &VoteNotice, out: &mut Outbox) {
        let VoteNotice {
            certificate, jury, ..
        } = notice;
        let heard = self.voting.verdicts.draw(certificate, jury);
        self.on_jury_heard(now, heard, out);
        if let Statement::Jury(_) = certificate.statement {
            return self.say_to_juries(now, out);
        }
        let heard = Heard {
            at: now.mono,
            ago: Millis(0),
        };
        let Some((proposal, what)) = self.voting.book.take(notice, heard) else {
            return;
        };
        let known = self.voting.book.find(&proposal);
        if known.is_some_and(|known| known.tally().is_some() || known.resolved().is_some()) {
            self.voting.own.end(&proposal);
        }
        out.push(Effect::Notify(Event::Vote { proposal, what }));
        let opening = known.and_then(Known::opening).cloned();
        let heard = opening.map(|opening| self.voting.verdicts.take_up(&opening));
        self.on_jury_heard(now, heard.unwrap_or_default(), out);
        self.recount_by_lot(proposal, &certificate.statement, out);
        self.heed_votes_on_halts(now, out);
        self.settle_charter(now, out);
        if let Some(vault) = &mut self.vault {
            vault.releasing.look();
        }
    }

    /// Takes up the newest of the notices read back at a start whose certificates hold. How long they are known goes by
    /// the dates of their records.
    pub(super) fn recall_notices(&mut self, now: Now, records: &[Verified<Record>]) {
        let notices = records.iter().filter_map(|record| {
            let Body::Vote(notice) = record.value().body() else {
                return None;
            };
            Some((record.value().header().time, notice))
        });
        let mut notices: Vec<_> = notices.collect();
        let book = &self.voting.book;
        let held: BTreeSet<ContentId> = notices
            .iter()
            .filter_map(|(_, notice)| held_vote(&notice.certificate.statement, book))
            .collect();
        let is_held = |notice: &VoteNotice| {
            let vote = vote_of(&notice.certificate.statement);
            vote.is_some_and(|vote| held.contains(&vote))
        };
        notices.sort_by_key(|(time, notice)| {
            (
                core::cmp::Reverse(is_held(notice)),
                core::cmp::Reverse(*time),
            )
        });
        let (proofs, notices): (Vec<_>, Vec<_>) = notices
            .into_iter()
            .partition(|(_, notice)| notice.refutation.is_some());
        let (mesh, scale) = (self.directory.mesh(), self.time_scale());
        for (time, notice) in notices.into_iter().take(VOTES_KNOWN_MAX) {
            let certificate: &Certificate = &notice.certificate;
            let question = self.trust.question(&mesh, certificate);
            if question.is_ok_and(|question| question.holds()) {
                self.voting.verdicts.draw(certificate, &notice.jury);
                let ago = now.wall.0.saturating_sub(time.0).saturating_mul(scale);
                let heard = Heard {
                    at: now.mono,
                    ago: Millis(ago),
                };
                self.voting.book.take(notice, heard);
            }
        }
        for (_, notice) in proofs {
            let Some(refutation) = &notice.refutation else {
                continue;
            };
            let task = self.refutation_task(notice, refutation);
            if let Ok(Some(task)) = task
                && task.holds()
            {
                self.voting.book.take(notice, Heard::default());
            }
        }
        self.take_up_juries();
    }

    /// Takes up the emergency votes whose openings were read back.
    fn take_up_juries(&mut self) {
        let openings = self.voting.book.iter();
        let openings: Vec<_> = openings
            .filter_map(|(_, known)| known.opening().cloned())
            .collect();
        for opening in openings {
            self.voting.verdicts.take_up(&opening);
        }
    }

    fn votes_view(&self) -> VotesView {
        let mut votes: Vec<_> = self
            .voting
            .book
            .iter()
            .map(|(proposal, known)| self.vote_view(*proposal, known))
            .collect();
        let unopened = self.voting.verdicts.cases();
        let unopened = unopened.filter(|(id, _)| self.voting.book.find(id).is_none());
        votes.extend(unopened.map(|(id, _)| self.vote_view(*id, &Known::default())));
        votes.sort_by_key(|vote| {
            let opened = vote.opening.as_ref().map(|opening| opening.opened.opened);
            let asked = vote.case.as_ref().map(|case| case.asked);
            core::cmp::Reverse((opened.or(asked), vote.proposal))
        });
        let own = self.voting.own.iter();
        VotesView {
            votes,
            own: own.map(|(id, own)| (*id, own.clone())).collect(),
        }
    }

    fn vote_view(&self, proposal: ContentId, known: &Known) -> VoteView {
        let at_seat = self.committee.as_ref();
        let held = at_seat.and_then(|seat| seat.log.state().polls().find(&proposal));
        let live = held.and_then(|held| held.sums());
        let opening = known.opening().cloned();
        let closes = live.map(|(_, close)| close);
        let closes = closes.or_else(|| known.tally().map(|stated| stated.closed));
        let planned = || opening.as_ref().and_then(|opening| opening.closes());
        let case = self.voting.verdicts.find(&proposal);
        let stage = match (known.resolved(), known.tally(), case) {
            (_, _, Some(case)) if case.has_passed() && known.resolved().is_none() => case.words(),
            _ if known.is_refuted() => VoteEnd::Void(VoidReason::Refuted).to_string(),
            (_, Some(_), _) if known.is_unpublished() => {
                "counted, and not acted on here: nobody publishes its ballots".to_owned()
            }
            (Some(resolved), _, _) => resolved.end.to_string(),
            (None, _, Some(case)) if opening.is_none() => case.words(),
            (None, Some(_), _) => "counted; its tally can be refuted".to_owned(),
            (None, None, _) => "open".to_owned(),
        };
        let asked = case.map(Case::closes);
        let subject = opening.as_ref().map(|opening| opening.proposal.subject);
        let subject = subject.or_else(|| case.map(|case| case.proposal.subject));
        VoteView {
            proposal,
            closes: closes.or_else(planned).or(asked),
            case: case.cloned(),
            opening,
            tally: known.tally(),
            resolved: known.resolved(),
            live: live.map(|(sums, _)| sums),
            ballot: self
                .voting
                .own
                .ballot(&proposal)
                .map(|(_, own)| own.clone()),
            amendment: subject.and_then(|subject| self.amendment(&subject).cloned()),
            stage,
        }
    }

    /// Makes a proof against a tally known to all nodes, and puts it before the committee.
    pub(super) fn refute(
        &mut self,
        now: Now,
        proposal: ContentId,
        refuted: &Refuted,
        out: &mut Outbox,
    ) {
        let what = "a recount came to something else: the proof goes to all nodes".to_owned();
        out.push(Effect::Notify(Event::Vote { proposal, what }));
        let Refuted { fraud, electors } = refuted;
        let known = self.voting.book.find(&proposal);
        let known = known.filter(|known| !known.is_refuted());
        if let Some(certificate) = known.and_then(Known::certified).copied() {
            let refutation = Refutation {
                fraud: serde_bytes::ByteBuf::from(fraud.as_slice()),
                electors: electors.clone(),
            };
            let notice = VoteNotice {
                certificate,
                proposal: None,
                jury: Vec::new(),
                refutation: Some(Box::new(refutation)),
            };
            self.write(now, Body::Vote(Box::new(notice)), None, out);
        }
        for to in self.some_seats(0) {
            let fraud = serde_bytes::ByteBuf::from(fraud.as_slice());
            let ask = Request::Vote(Box::new(VoteAsk::Refute { proposal, fraud }));
            self.ask(to, ask, Asked::Told, out);
        }
    }
}

/// Returns the vote of a statement, if it is about a subject whose votes are forgotten last.
fn held_vote(statement: &Statement, book: &Book) -> Option<ContentId> {
    let (vote, subject) = match statement {
        Statement::Opened(opened) => (opened.proposal, opened.subject),
        Statement::Resolved(resolved) => (resolved.proposal, resolved.subject),
        Statement::Tally(_)
        | Statement::Checkpoint(_)
        | Statement::Jury(_)
        | Statement::Ticket(_)
        | Statement::Ruling(_)
        | Statement::Audits(_)
        | Statement::Rotation(_)
        | Statement::HandOver(_)
        | Statement::Halt(_) => return None,
    };
    book.holds_on(&subject).then_some(vote)
}
