//! Votes as a member takes part in them: proposes, casts, delegates, follows what the committee certifies, and counts
//! again.
//!
//! What the user hands in is signed, written down and then sent to the seats until enough have answered. What is
//! certified of votes comes as records, like the committee's keys.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, polling::VoteFor, refuse};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::CommandId,
        job::Job,
        limits::{OWN_VOTES_MAX, VOTE_SEQ_MAX, VOTES_KNOWN_MAX},
        reject::{ActRefusal, RejectReason},
        time::{Millis, Mono, Now},
        vote::{VoteCommand, VoteRefusal, VoteView, VotesView},
    },
    spine::{
        ballot::{
            Book, Finality, Heard, Known, Leaf, OwnVotes, RecountTask, Recounted, RefutationTask,
            Refuted, VoidReason, VoteWrite,
        },
        committee::{Seats, Unchecked},
    },
    wire::{
        Body, Certificate, Choice, DelegationScope, Elector, Receipt, Record, Refutation, Request,
        Statement, Verified, Vote, VoteAnswer, VoteAsk, VoteDraft, VoteEnd, VoteItem, VoteNotice,
        VoteProof, VoteStatement, Warrants,
    },
};

/// What a node knows and does about votes.
#[derive(Default)]
pub(super) struct Voting {
    pub(super) book: Book,
    pub(super) own: OwnVotes,
    /// Commands whose ballot is being signed, by vote: no second one is signed beside it.
    signing: BTreeMap<CommandId, ContentId>,
    recounts: BTreeMap<ContentId, Box<Recount>>,
}

/// A recount whose parts are being fetched.
struct Recount {
    commands: Vec<CommandId>,
    electors: Vec<Elector>,
    leaves: Vec<Leaf>,
    /// Seats that were asked and did not give what is certified.
    tried: Vec<PublicKey>,
    asking: Option<PublicKey>,
    is_counting: bool,
}

impl Voting {
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
            VoteCommand::Recount(proposal) => self.begin_recount(id, proposal, out),
            VoteCommand::Propose {
                subject,
                text,
                rules,
            } => rules.check().map_err(VoteRefusal::Terms).map(|()| {
                let made = self.mesh_time(now);
                Some(VoteDraft::Proposal {
                    subject,
                    text,
                    rules,
                    made,
                })
            }),
            VoteCommand::Cast { proposal, choice } => self.ballot_draft(id, proposal, choice),
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

    fn check_may_hand_in(&self) -> Result<(), CommandError> {
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

    fn ballot_draft(
        &mut self,
        command: CommandId,
        proposal: ContentId,
        choice: Choice,
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        let known = self.voting.book.find(&proposal);
        let known = known.ok_or(VoteRefusal::NoSuchVote(proposal))?;
        let opening = known.opening().ok_or(VoteRefusal::NoSuchVote(proposal))?;
        if known.tally().is_some() || known.resolved().is_some() {
            return Err(VoteRefusal::Over(proposal));
        }
        let is_juror = opening.jury.is_empty() || opening.jury.contains(&self.config.key);
        if !is_juror {
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
                match opening.proposal.rules.finality {
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
            VoteAnswer::Pending | VoteAnswer::Leaves(_) | VoteAnswer::Electors(_) => {}
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
        if self.voting.book.has(&notice.certificate.statement) {
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
        let Some(seats) = Seats::new(self.seats().to_vec()) else {
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
        self.heed_votes_on_halts(now, out);
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
        notices.sort_by_key(|(time, _)| core::cmp::Reverse(*time));
        let (proofs, notices): (Vec<_>, Vec<_>) = notices
            .into_iter()
            .partition(|(_, notice)| notice.refutation.is_some());
        let (mesh, scale) = (self.directory.mesh(), self.time_scale());
        for (time, notice) in notices.into_iter().take(VOTES_KNOWN_MAX) {
            let certificate: &Certificate = &notice.certificate;
            let question = self.trust.question(&mesh, certificate);
            if question.is_ok_and(|question| question.holds()) {
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
    }

    fn votes_view(&self) -> VotesView {
        let mut votes: Vec<_> = self
            .voting
            .book
            .iter()
            .map(|(proposal, known)| self.vote_view(*proposal, known))
            .collect();
        votes.sort_by_key(|vote| {
            let opened = vote.opening.as_ref().map(|opening| opening.opened.opened);
            core::cmp::Reverse((opened, vote.proposal))
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
        let stage = match (known.resolved(), known.tally()) {
            _ if known.is_refuted() => VoteEnd::Void(VoidReason::Refuted).to_string(),
            (_, Some(_)) if known.is_unpublished() => {
                "counted, and not acted on here: no seat publishes its ballots".to_owned()
            }
            (Some(resolved), _) => resolved.end.to_string(),
            (None, Some(_)) => "counted; its tally can be refuted".to_owned(),
            (None, None) => "open".to_owned(),
        };
        VoteView {
            proposal,
            closes: closes.or_else(planned),
            opening,
            tally: known.tally(),
            resolved: known.resolved(),
            live: live.map(|(sums, _)| sums),
            ballot: self
                .voting
                .own
                .ballot(&proposal)
                .map(|(_, own)| own.clone()),
            stage,
        }
    }

    fn begin_recount(
        &mut self,
        command: CommandId,
        proposal: ContentId,
        out: &mut Outbox,
    ) -> Result<Option<VoteDraft>, VoteRefusal> {
        let known = self.voting.book.find(&proposal);
        let known = known.ok_or(VoteRefusal::NoSuchVote(proposal))?;
        if known.tally().is_none() || known.opening().is_none() {
            return Err(VoteRefusal::NotCounted(proposal));
        }
        let recount = self.voting.recounts.entry(proposal).or_insert_with(|| {
            Box::new(Recount {
                commands: Vec::new(),
                electors: Vec::new(),
                leaves: Vec::new(),
                tried: Vec::new(),
                asking: None,
                is_counting: false,
            })
        });
        recount.commands.push(command);
        if recount.commands.len() == 1 {
            self.fetch_counted(proposal, out);
        }
        Ok(None)
    }

    /// Asks for the next page of what a recount takes, or counts.
    fn fetch_counted(&mut self, proposal: ContentId, out: &mut Outbox) {
        let seats = self.seats().to_vec();
        let own = self.config.key;
        let Some(known) = self.voting.book.find(&proposal) else {
            return;
        };
        let (Some(opening), Some(statement)) = (known.opening().cloned(), known.tally()) else {
            return;
        };
        let (voters, counted) = (opening.opened.electorate.count, statement.tally.sums.leaves);
        let Some(recount) = self.voting.recounts.get_mut(&proposal) else {
            return;
        };
        if recount.is_counting {
            return;
        }
        let from = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let has_voters = !opening.jury.is_empty() || from(recount.electors.len()) >= voters;
        let ask = if !has_voters {
            VoteAsk::Electors {
                proposal,
                from: from(recount.electors.len()),
            }
        } else if u64::from(from(recount.leaves.len())) < counted {
            VoteAsk::Leaves {
                proposal,
                from: from(recount.leaves.len()),
            }
        } else {
            recount.is_counting = true;
            let task = RecountTask {
                mesh: self.directory.mesh(),
                seats: match Seats::new(seats) {
                    Some(seats) => seats,
                    None => return,
                },
                proposal: opening.proposal,
                opened: opening.opened,
                statement,
                electors: std::mem::take(&mut recount.electors),
                jury: opening.jury,
                leaves: std::mem::take(&mut recount.leaves),
                held: self.voting.own.receipted(&proposal),
            };
            let id = self.job(Waiting::Recount(proposal));
            let job = Job::Recount(Box::new(task));
            return out.push(Effect::Check { id, job });
        };
        let seat = recount.asking.or_else(|| {
            let others = seats.iter().filter(|seat| **seat != own);
            let untried = others.filter(|seat| !recount.tried.contains(seat)).copied();
            let untried: Vec<_> = untried.collect();
            let linked = untried.iter().find(|seat| self.links.is_greeted(seat));
            linked.or_else(|| untried.first()).copied()
        });
        recount.asking = seat;
        match seat {
            Some(to) => {
                let request = Request::Vote(Box::new(ask));
                self.ask(to, request, Asked::Counted { proposal, to }, out);
            }
            None => self.end_recount(proposal, Err(VoteRefusal::NotPublished(proposal)), out),
        }
    }

    /// Takes a page of what a recount takes; a seat that has none is not asked again.
    pub(super) fn on_counted_page(
        &mut self,
        proposal: ContentId,
        seat: PublicKey,
        answer: Option<VoteAnswer>,
        out: &mut Outbox,
    ) {
        let Some(recount) = self.voting.recounts.get_mut(&proposal) else {
            return;
        };
        match answer {
            Some(VoteAnswer::Leaves(leaves)) if !leaves.is_empty() => recount.leaves.extend(leaves),
            Some(VoteAnswer::Electors(electors)) if !electors.is_empty() => {
                recount.electors.extend(electors);
            }
            Some(_) | None => {
                recount.tried.push(seat);
                recount.asking = None;
                recount.leaves.clear();
                recount.electors.clear();
            }
        }
        self.fetch_counted(proposal, out);
    }

    pub(super) fn on_recounted(
        &mut self,
        now: Now,
        proposal: ContentId,
        found: Recounted,
        out: &mut Outbox,
    ) {
        match &found {
            Recounted::Same(_) => self.voting.book.note_published(&proposal, true),
            Recounted::False(refuted) => self.refute(now, proposal, refuted, out),
            Recounted::NotPublished(_) => {
                let others = self.seats().iter();
                let others = others.filter(|seat| **seat != self.config.key).count();
                // Another seat may hand out what was certified.
                if let Some(recount) = self.voting.recounts.get_mut(&proposal) {
                    recount.tried.extend(recount.asking.take());
                    recount.is_counting = false;
                    if recount.tried.len() < others {
                        return self.fetch_counted(proposal, out);
                    }
                }
                self.voting.book.note_published(&proposal, false);
            }
        }
        self.end_recount(proposal, Ok(found), out);
    }

    fn end_recount(
        &mut self,
        proposal: ContentId,
        found: Result<Recounted, VoteRefusal>,
        out: &mut Outbox,
    ) {
        let Some(recount) = self.voting.recounts.remove(&proposal) else {
            return;
        };
        if found.is_err() {
            self.voting.book.note_published(&proposal, false);
        }
        for id in recount.commands {
            let reply = found.clone().map(Reply::Recounted).map_err(Into::into);
            out.push(Effect::Reply { id, reply });
        }
    }

    /// Makes a proof against a tally known to all nodes, and puts it before the committee.
    fn refute(&mut self, now: Now, proposal: ContentId, refuted: &Refuted, out: &mut Outbox) {
        let what = "a recount came to something else: the proof goes to all nodes".to_owned();
        out.push(Effect::Notify(Event::Vote { proposal, what }));
        let Refuted { fraud, electors } = refuted;
        let known = self.voting.book.find(&proposal);
        let known = known.filter(|known| !known.is_refuted());
        if let Some(certificate) = known.and_then(Known::certified_tally).copied() {
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
