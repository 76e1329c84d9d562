//! The seat of this node: what the committee log and the seat's work are told, and what they want done.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, PublicKey,
    capability::RootKey,
    committee::{Ack, CombineError, Purpose, SealedDealing, SignedLog, ThresholdSignature},
};

use super::{
    AfterPersist, Asked, Peer, Waiting, halting::Halting, handover::Fetching,
    inspecting::Inspections, judging::Court, requests::respond, sublime::Vault, voting::Voting,
};
use crate::{
    core::{
        command::{CommitteeStatus, TrustStatus},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{JobId, RequestToken},
        job::Job,
        reject::{ActRefusal, RejectReason},
        secret::SecretDone,
        time::{Millis, Mono, Now, Wall},
    },
    spine::{
        committee::{
            CommitteeLog, Decision, Duty, Reading, Recovered, Seats, State, StoredLog, StoredWork,
            Taken, Todo, Trust, Weighed, Work,
        },
        halt::HaltId,
    },
    wire::{
        Admission, Admitted, AuditRound, AuditsDrawn, Body, CaseEntry, Certificate, Checkpoint,
        CommitteeKeys, Decided, Entry, Halted, HandedOver, KeysNamed, MemberFacts, Pinned, Refused,
        Request, Response, RotationNotice, RotationStated, Ruling, SeatDraft, SeatMessage,
        SignaturePart, Statement, Subject, SublimeBody, Unverified, Verified, VoteEntry,
        VoteNotice, VoteProof,
    },
};

/// Time after which the next seat in turn makes a certificate known, if the one before has not.
const TURN: Millis = Millis::from_secs(3);

/// What a node with a seat keeps.
pub(super) struct Seat {
    pub(super) log: CommitteeLog,
    pub(super) work: Work,
    /// The part of its list that this seat has signed last for each vote that closes, and when.
    pub(super) listed: BTreeMap<ContentId, (u32, Mono)>,
    /// What is to be made known to the mesh, and when, if nobody has done so until then.
    unpublished: Vec<(Mono, News)>,
    told_epoch: u64,
    /// The newest hand-over that this seat has set out to make known.
    pub(super) told_hand_over: Option<u64>,
    /// A state on its way from another seat.
    pub(super) fetching: Option<Fetching>,
    /// Whether the seat asked last has no state to give: blocks are asked for next.
    pub(super) no_state: bool,
}

/// Something to be made known to the mesh.
pub(super) enum News {
    Vote(Box<VoteNotice>),
    Keys(Box<KeysNamed>),
    Checkpoint {
        height: u64,
        certificate: Box<Certificate>,
    },
    HandOver(Box<HandedOver>),
    Halt {
        halt: HaltId,
        certificate: Box<Certificate>,
    },
    Ruling(Box<Certificate>),
    Audits(Box<AuditRound>),
    Rotation(Box<RotationNotice>),
}

impl News {
    fn is_known(
        &self,
        (trust, court, inspections): (&Trust, Option<&Court>, Option<&Inspections>),
        (halting, vault): (Option<&Halting>, Option<&Vault>),
        voting: &Voting,
    ) -> bool {
        match self {
            Self::Ruling(certificate) => {
                let ruling = certificate.statement.ruling();
                court
                    .zip(ruling)
                    .is_some_and(|(court, ruling)| court.docket.knows(ruling))
            }
            Self::Rotation(notice) => vault
                .zip(notice.stated())
                .is_some_and(|(vault, stated)| vault.known.knows_rotation(stated)),
            Self::Audits(round) => inspections.is_some_and(|known| known.knows(round)),
            Self::Vote(notice) => voting.knows(&notice.certificate.statement),
            Self::Keys(named) => {
                let epoch = named.keys().map(|keys| keys.epoch);
                trust.keys().map(|keys| keys.epoch) >= epoch
            }
            Self::HandOver(handed) => {
                let known = trust.keys().map(|keys| keys.epoch);
                known >= Some(handed.next.keys.epoch)
            }
            Self::Checkpoint { height, .. } => trust
                .checkpoint()
                .is_some_and(|known| known.height >= *height),
            Self::Halt { halt, .. } => halting.is_some_and(|known| known.knows_certified(halt)),
        }
    }

    fn into_body(self) -> Body {
        match self {
            Self::Vote(notice) => Body::Vote(notice),
            Self::Keys(named) => Body::Keys(named),
            Self::Checkpoint { certificate, .. } => Body::Checkpoint(certificate),
            Self::HandOver(handed) => Body::HandOver(handed),
            Self::Halt { certificate, .. } => Body::Halt(certificate),
            Self::Ruling(certificate) => Body::Ruling(certificate),
            Self::Audits(round) => Body::AuditRound(round),
            Self::Rotation(notice) => Body::Sublime(SublimeBody::Rotation(notice)),
        }
    }
}

impl Seat {
    /// Tells what became of an act; `None` if it was never asked for, or its ticket has lapsed.
    pub(super) fn admitted(&mut self, mesh: &ContentId, act: &ContentId) -> Option<Admitted> {
        let standing = self.log.state().standing(act)?;
        let ticket = match standing.decision {
            Decision::Refused { why } => {
                let why = super::acting::shorten(&why);
                return Some(Admitted::Refused { why });
            }
            Decision::Admitted(ticket) if ticket.expires <= self.log.tip().time => return None,
            Decision::Admitted(ticket) => ticket,
        };
        let epoch = self.log.state().keys()?.epoch;
        let statement = Statement::Ticket(ticket);
        let subject = Subject::Statement(statement).id(mesh, epoch);
        let Some(signature) = self.work.signature(&subject) else {
            return Some(Admitted::Pending);
        };
        let draw = if standing.is_drawn {
            let round = self.work.round(ticket.round + 1);
            round.and_then(|signature| self.log.state_mut().draw(act, signature))
        } else {
            None
        };
        Some(Admitted::Ticket {
            ticket: Box::new(Certificate {
                epoch,
                statement,
                signature,
            }),
            draw: draw.map(Box::new),
        })
    }

    /// Returns when something is due.
    pub(super) fn due(&self) -> Mono {
        let published = self.unpublished.iter().map(|(at, _)| *at);
        let due = published.chain(self.work.due());
        due.fold(self.log.due(), Mono::min)
    }
}

impl Peer {
    /// Takes up the committee log, if this node has a seat, has had one or was to have one.
    pub(super) fn take_seat(
        &mut self,
        now: Now,
        stored: (StoredLog, StoredWork),
        out: &mut Outbox,
    ) {
        let own = self.config.key;
        let is_of_genesis = self.directory.genesis().seats.contains(&own);
        let begins = self.trust.recovered().map(Recovered::height);
        let is_older = begins > Some(stored.0.tip.map_or(0, |tip| tip.height));
        if is_older {
            // The log that is kept here is that of the committee that was lost.
            self.begin_recovered(now, stored.1, out);
        } else if is_of_genesis || self.seats().contains(&own) || stored.0.tip.is_some() {
            self.open_log(now, stored, out);
        }
    }

    pub(super) fn open_log(&mut self, now: Now, stored: (StoredLog, StoredWork), out: &mut Outbox) {
        let genesis = self.directory.genesis();
        let seats = Seats::new(genesis.seats.clone()).filter(|_| self.config.may_sit);
        let Some(seats) = seats else {
            return;
        };
        let own = self.config.key;
        let (mesh, founded) = (self.directory.mesh(), self.founded());
        let members = self.directory.first_members().clone();
        let first = State::new(mesh, &seats, &genesis.parameters, founded, members);
        let (log, work) = stored;
        let clock = self.clock(now);
        let (log, todo) = CommitteeLog::new(mesh, own, founded, first, log, now.mono, clock);
        let told_epoch = log.state().keys().map_or(0, |keys| keys.epoch);
        self.committee = Some(Box::new(Seat {
            log,
            work: Work::new(own, work),
            listed: BTreeMap::new(),
            unpublished: Vec::new(),
            told_epoch,
            told_hand_over: None,
            fetching: None,
            no_state: false,
        }));
        self.retire_if_out(now, out);
        self.see_all_members(now);
        self.see_all_revocations(now);
        self.see_all_sentences(now);
        self.do_seat_work(now, todo, out);
    }

    fn facts_of(&self, key: &PublicKey) -> Option<MemberFacts> {
        let member = self
            .directory
            .member(key)
            .filter(|member| member.is_active())?;
        let vault = self.vault.as_ref();
        Some(MemberFacts {
            serves: vault.is_some_and(|vault| vault.known.guardian(key).is_some()),
            ..member.facts(self.directory.subtree_of(key))
        })
    }

    /// Tells the log what this node knows of all members.
    pub(super) fn see_all_members(&mut self, now: Now) {
        let Some(seat) = &self.committee else { return };
        let state = seat.log.state();
        let is_news = |key: &PublicKey| state.member(key) != self.facts_of(key).as_ref();
        let known = self.directory.members().map(|member| member.key);
        let gone = state.members().copied();
        let news: Vec<_> = known.chain(gone).filter(is_news).collect();
        for key in news {
            self.see_member(now, key);
        }
    }

    /// Tells the log what this node knows to be revoked.
    fn see_all_revocations(&mut self, now: Now) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        for (root, id) in self.capabilities.revoked() {
            seat.log
                .know_revoked(*root, std::slice::from_ref(id), now.mono);
        }
    }

    /// Tells the log which sentences this node knows.
    pub(super) fn see_all_sentences(&mut self, now: Now) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        for known in self.directory.sentences() {
            seat.log.know_sentence(known, now.mono);
        }
    }

    /// Tells the log what this node knows of a member now.
    pub(super) fn see_member(&mut self, now: Now, key: PublicKey) {
        let facts = self.committee.as_ref().and_then(|_| self.facts_of(&key));
        if let Some(seat) = &mut self.committee {
            seat.log.see(key, facts, now.mono);
        }
    }

    pub(super) fn on_seat_message(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        message: Box<Unverified<SeatMessage>>,
        out: &mut Outbox,
    ) {
        self.follow_log(now, &from, out);
        let Some(log) = self.log_for(&from) else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        let height = log.tip().height;
        match log.weigh(message.peek()) {
            Weighed::Wanted => {
                let mesh = self.directory.mesh();
                let id = self.job(Waiting::Seat);
                let job = Job::Seat { mesh, message };
                out.push(Effect::Check { id, job });
            }
            Weighed::Unwanted => {}
            Weighed::Faulty => {
                let why = "it speaks for a seat as none would".to_owned();
                out.push(Effect::Notify(Event::Rejected { from, why }));
                return respond(token, Response::Refused(Refused::Malformed), out);
            }
        }
        respond(token, Response::Height(height), out);
    }

    pub(super) fn on_blocks_asked(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        height: u64,
        out: &mut Outbox,
    ) {
        if self.log_for(&from).is_none() {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        out.push(Effect::RespondBlocks {
            token,
            from: height,
        });
    }

    pub(super) fn on_seat_checked(
        &mut self,
        now: Now,
        message: Result<Verified<SeatMessage>, RejectReason>,
        out: &mut Outbox,
    ) {
        let clock = self.clock(now);
        let (Some(seat), Ok(message)) = (&mut self.committee, message) else {
            return;
        };
        let todo = seat.log.heard(message, now.mono, clock);
        self.do_seat_work(now, todo, out);
    }

    pub(super) fn check_blocks(&mut self, blocks: Vec<Unverified<Decided>>, out: &mut Outbox) {
        let id = self.job(Waiting::Blocks);
        out.push(Effect::Check {
            id,
            job: Job::Blocks(blocks),
        });
    }

    pub(super) fn on_blocks_checked(
        &mut self,
        now: Now,
        blocks: Vec<Result<Verified<Decided>, RejectReason>>,
        out: &mut Outbox,
    ) {
        for decided in blocks.into_iter().map_while(Result::ok) {
            let Some(seat) = &mut self.committee else {
                return;
            };
            let todo = seat.log.caught_up(&decided, now.mono);
            self.do_seat_work(now, todo, out);
        }
    }

    pub(super) fn on_height_told(
        &mut self,
        now: Now,
        seat: PublicKey,
        height: u64,
        out: &mut Outbox,
    ) {
        let Some(own) = &mut self.committee else {
            return;
        };
        let todo = own.log.is_told(seat, height, now.mono);
        self.do_seat_work(now, todo, out);
    }

    pub(super) fn sign_seat(&mut self, draft: Box<SeatDraft>, out: &mut Outbox) {
        let id = self.job(Waiting::SignSeat);
        out.push(Effect::SignSeat { id, draft });
    }

    pub(super) fn on_seat_signed(
        &mut self,
        now: Now,
        id: JobId,
        message: Verified<SeatMessage>,
        out: &mut Outbox,
    ) {
        let (Some(Waiting::SignSeat), Some(seat)) = (self.waiting.remove(&id), &mut self.committee)
        else {
            return;
        };
        let todo = seat.log.signed(message, now.mono);
        self.do_seat_work(now, todo, out);
    }

    pub(super) fn run_committee(&mut self, now: Now, out: &mut Outbox) {
        let clock = self.clock(now);
        let Some(seat) = self
            .committee
            .as_mut()
            .filter(|seat| seat.due() <= now.mono)
        else {
            return;
        };
        let todo = seat.log.on_time(now.mono, clock);
        self.do_seat_work(now, todo, out);
        self.publish_certified(now, out);
    }

    /// Returns the log for somebody who has a seat, or is to have one.
    pub(super) fn log_for(&self, from: &PublicKey) -> Option<&CommitteeLog> {
        let seat = self.committee.as_ref()?;
        let is_seated = seat.log.state().is_seated(from) || self.seats().contains(from);
        is_seated.then_some(&seat.log)
    }

    pub(super) fn on_dealing(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        (ceremony, dealing): (ContentId, SealedDealing),
        out: &mut Outbox,
    ) {
        let Some(Seat { log, work, .. }) = self.committee.as_deref_mut() else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        match work.dealt(log.state(), from, ceremony, dealing, Some(token)) {
            Taken::Later(duty) => self.do_duties(now, vec![*duty], out),
            Taken::NotNow => respond(token, Response::Refused(Refused::NoAnswer), out),
            Taken::Faulty => respond(token, Response::Refused(Refused::Malformed), out),
        }
    }

    pub(super) fn on_parts(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        parts: &[SignaturePart],
        out: &mut Outbox,
    ) {
        let Some(Seat { log, work, .. }) = self.committee.as_deref_mut() else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        let (known, duties) = work.hear(log.state(), &from, parts);
        respond(token, Response::Signed(known), out);
        self.do_duties(now, duties, out);
    }

    pub(super) fn on_acknowledged(
        &mut self,
        now: Now,
        ceremony: &ContentId,
        from: PublicKey,
        ack: Ack,
        out: &mut Outbox,
    ) {
        if let Some(seat) = &mut self.committee {
            seat.work.acked(ceremony, from, ack, now.mono);
            self.go_on(now, out);
        }
    }

    pub(super) fn on_signatures_told(
        &mut self,
        now: Now,
        signatures: &[(ContentId, ThresholdSignature)],
        out: &mut Outbox,
    ) {
        let mesh = self.directory.mesh();
        if let Some(Seat { log, work, .. }) = self.committee.as_deref_mut() {
            let duties = work.told(&mesh, log.state(), signatures);
            self.do_duties(now, duties, out);
            self.run_polls(now, out);
        }
    }

    /// Takes something offered to be decided, once its signatures are checked.
    pub(super) fn on_offered(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        entry: Box<Unverified<Entry>>,
        out: &mut Outbox,
    ) {
        // A dealer speaks for itself; what a proposer must see to, nobody offers.
        let may_offer = match entry.peek() {
            Entry::Dealt { log, .. } => SignedLog::dealer_in(log) == Some(from),
            Entry::Admission(_) | Entry::Said { .. } | Entry::Seats { .. } | Entry::HandOver(_) => {
                true
            }
            // Each proposer puts in what opens ballots as it has combined it itself.
            Entry::Vote(entry) if matches!(**entry, VoteEntry::Opened(_)) => false,
            Entry::Case(entry) if matches!(**entry, CaseEntry::Sentence { .. }) => false,
            // Members hand theirs in by requests of their own, where each is weighed; what is said about cases are records.
            Entry::Vote(_) | Entry::Case(_) => self.log_for(&from).is_some(),
            Entry::Keys(_)
            | Entry::Members(_)
            | Entry::Checkpoint
            | Entry::Halt { .. }
            | Entry::Revoked { .. }
            | Entry::Rotation(_)
            | Entry::Audits { .. } => false,
        };
        let seat = self.committee.as_ref().filter(|_| may_offer);
        let is_wanted = seat.is_some_and(|seat| seat.log.state().admits(entry.peek()));
        if is_wanted {
            let mesh = self.directory.mesh();
            let id = self.job(Waiting::Offered);
            out.push(Effect::Check {
                id,
                job: Job::Entry { mesh, entry },
            });
        }
        respond(token, Response::Noted, out);
    }

    /// Answers who asks for admission; what is new is checked and then put before the committee.
    pub(super) fn on_admit(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        admission: Unverified<Admission>,
        out: &mut Outbox,
    ) {
        let mesh = self.directory.mesh();
        let asked = admission.peek().asked;
        let stopped = self.stopped(now, &admission.peek().act.root);
        let Some(seat) = &mut self.committee else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        if asked.by != from {
            return respond(token, Response::Refused(Refused::Malformed), out);
        }
        let answer = stopped.or_else(|| seat.admitted(&mesh, &asked.act));
        if answer.is_none() {
            let entry = Entry::Admission(Box::new(admission.peek().clone()));
            if seat.log.state().admits(&entry) {
                let entry = Box::new(entry.to_unverified());
                let id = self.job(Waiting::Offered);
                out.push(Effect::Check {
                    id,
                    job: Job::Entry { mesh, entry },
                });
            }
        }
        let answer = answer.unwrap_or(Admitted::Pending);
        respond(token, Response::Admitted(answer), out);
    }

    /// Answers that no ticket is issued for acts under a root while it is frozen here or the mesh is halted.
    pub(super) fn stopped(&self, now: Now, root: &RootKey) -> Option<Admitted> {
        let why = self.ticket_refusal(now, root)?;
        let why = super::acting::shorten(&why);
        Some(Admitted::Refused { why })
    }

    pub(super) fn on_entry_checked(
        &mut self,
        now: Now,
        entry: Result<Verified<Entry>, RejectReason>,
        out: &mut Outbox,
    ) {
        if let Ok(entry) = entry {
            self.put_before_committee(now, entry.value().clone(), out);
        }
    }

    /// Puts an entry before the committee whose signatures are checked or this node's own.
    pub(super) fn put_before_committee(&mut self, now: Now, entry: Entry, out: &mut Outbox) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let is_new = seat.log.submit(entry.clone(), now.mono);
        // An act is admitted as soon as any seat proposes it; others hear of the rest from who offers it.
        if is_new && matches!(entry, Entry::Admission(_)) {
            self.send_entry(entry, out);
        }
    }

    /// Hands something to be decided to the other seats.
    pub(super) fn send_entry(&mut self, entry: Entry, out: &mut Outbox) {
        for to in self.linked_seats() {
            let entry = Box::new(Unverified::from_wire(entry.clone()));
            self.ask(to, Request::Offer(entry), Asked::Told, out);
        }
    }

    pub(super) fn on_secret_done(
        &mut self,
        now: Now,
        id: JobId,
        done: SecretDone,
        out: &mut Outbox,
    ) {
        let what = match self.waiting.remove(&id) {
            Some(Waiting::Secret(what)) => what,
            Some(Waiting::Vault(what)) => return self.on_vault_done(now, what, done, out),
            _ => return,
        };
        if let Some(seat) = &mut self.committee {
            let duty = seat.work.done(*what, done, now.mono);
            self.do_duties(now, duty.into_iter().collect(), out);
        }
    }

    pub(super) fn on_combined(
        &mut self,
        now: Now,
        subject: ContentId,
        result: Result<ThresholdSignature, CombineError>,
        out: &mut Outbox,
    ) {
        if let Some(Seat { log, work, .. }) = self.committee.as_deref_mut() {
            let duties = work.combined(log.state(), subject, result);
            self.do_duties(now, duties, out);
            // What was signed may be what a vote waits for.
            self.run_polls(now, out);
        }
    }

    /// Puts a certificate to its use: one about the log or a halt is made known, if nobody whose turn comes before does;
    /// one over a hand-over goes before the seats, who pass with it.
    fn on_certified(&mut self, now: Now, certificate: Certificate, out: &mut Outbox) {
        let statement = certificate.statement;
        let certificate = Box::new(certificate);
        let (height, news) = match statement {
            Statement::Ticket(_) => return,
            Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_) => {
                return self.plan_vote_notice(now, *certificate);
            }
            Statement::HandOver(_) => {
                let entry = Entry::HandOver(certificate);
                if let Some(seat) = &mut self.committee {
                    seat.log.submit(entry.clone(), now.mono);
                }
                return self.send_entry(entry, out);
            }
            Statement::Checkpoint(Checkpoint { height, .. }) => (
                height,
                News::Checkpoint {
                    height,
                    certificate,
                },
            ),
            Statement::Ruling(Ruling { height, .. }) => (height, News::Ruling(certificate)),
            Statement::Audits(AuditsDrawn { height, .. }) => {
                let seat = self.committee.as_ref();
                let notice = seat.and_then(|seat| seat.log.state().audits().notice(&certificate));
                let Some(notice) = notice else { return };
                (height, News::Audits(Box::new(notice)))
            }
            Statement::Rotation(RotationStated { height, .. }) => {
                let seat = self.committee.as_ref();
                let state = seat.map(|seat| seat.log.state());
                let notice = state.and_then(|state| state.rotations().notice(&certificate));
                let Some(notice) = notice else { return };
                (height, News::Rotation(Box::new(notice)))
            }
            Statement::Halt(Halted { halt, height, .. }) => {
                (height, News::Halt { halt, certificate })
            }
        };
        self.plan(now, height, news);
    }

    pub(super) fn plan(&mut self, now: Now, height: u64, news: News) {
        let own = self.config.key;
        let Some(seat) = &mut self.committee else {
            return;
        };
        if !seat.log.is_seated() {
            return;
        }
        let mut before = 0;
        while seat.log.seats().proposer(height, before) != &own {
            before += 1;
        }
        let at = now.mono + Millis(TURN.0.saturating_mul(before.into()));
        seat.unpublished.push((at, news));
    }

    fn publish_certified(&mut self, now: Now, out: &mut Outbox) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let (trust, halting) = (
            (
                &self.trust,
                self.court.as_deref(),
                self.inspections.as_deref(),
            ),
            (self.halting.as_deref(), self.vault.as_deref()),
        );
        let voting = &self.voting;
        seat.unpublished
            .retain(|(_, news)| !news.is_known(trust, halting, voting));
        let due = seat.unpublished.extract_if(.., |(at, _)| *at <= now.mono);
        let due: Vec<_> = due.map(|(_, news)| news.into_body()).collect();
        for body in due {
            self.write(now, body, None, out);
        }
    }

    pub(super) fn committee_status(&self, now: Now) -> Option<CommitteeStatus> {
        let seat = self.committee.as_ref()?;
        let log = &seat.log;
        if !log.is_seated() {
            return None;
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let keys = log.seats().keys().iter();
        let linked = keys.filter(|seat| **seat == self.config.key || self.links.is_greeted(seat));
        let tip = log.tip();
        Some(CommitteeStatus {
            seats: (count(log.seats().len()), count(log.seats().quorum())),
            linked: count(linked.count()),
            height: tip.height,
            time: tip.time,
            deciding: log
                .under_way()
                .map(|(height, began)| (height, now.mono.since(began))),
            shares: log.state().keys().map(|keys| {
                let held = Purpose::ALL.into_iter();
                count(
                    held.filter(|purpose| seat.work.holds(*purpose, keys.epoch))
                        .count(),
                )
            }),
        })
    }

    pub(super) fn trust_status(&self, now: Now) -> TrustStatus {
        let checkpoint = self.trust.checkpoint();
        TrustStatus {
            has_committee: self.has_committee(),
            member_age: self.directory.genesis().parameters.member_age,
            epoch: self.trust.keys().map(|keys| keys.epoch),
            checkpoint: checkpoint.map(|at| (at.height, at.electorate.count)),
            time: self.trust.time(&self.reading(now)),
            silence: self.trust.silence(now.mono),
            behind: self.behind_invite().map(|pinned| pinned.height),
            cosign_waiting: self.consents.waiting(),
        }
    }

    /// Tells whether the mesh has seats enough for a committee, so that acts need its tickets.
    pub(super) fn has_committee(&self) -> bool {
        Seats::can_be(self.directory.genesis().seats.len())
    }

    /// Returns the keys that a ticket is to be checked with: those of its epoch, if they may have signed it.
    pub(super) fn keys_for(&self, ticket: Option<&Certificate>) -> Option<CommitteeKeys> {
        let of_epoch = ticket.map(|ticket| {
            let height = ticket.statement.height();
            self.trust.keys_of(ticket.epoch, height)
        });
        match of_epoch {
            Some(Ok(keys)) => Some(*keys),
            Some(Err(_)) | None => self.trust.keys().copied(),
        }
    }

    /// Returns the keys that a ticket is to be checked with, if this node is in touch with the committee.
    ///
    /// # Errors
    ///
    /// [`ActRefusal::OutOfTouch`] or [`ActRefusal::BehindInvite`] if it is not, [`ActRefusal::NoKeys`] if it knows no
    /// keys yet.
    pub(super) fn keys_in_touch(
        &self,
        now: Now,
        ticket: Option<&Certificate>,
    ) -> Result<CommitteeKeys, ActRefusal> {
        if let Some(silence) = self.trust.silence(now.mono) {
            return Err(ActRefusal::OutOfTouch { silence });
        }
        let keys = self.keys_for(ticket).ok_or(ActRefusal::NoKeys)?;
        match self.behind_invite() {
            Some(pinned) => Err(ActRefusal::BehindInvite {
                pinned,
                known: self.trust.checkpoint().map(|known| known.height),
            }),
            None => Ok(keys),
        }
    }

    /// Returns the checkpoint that this node's invite names, as long as neither it nor a later one is known here.
    fn behind_invite(&self) -> Option<Pinned> {
        let pinned = self.directory.pinned(&self.config.key)?;
        let known = self
            .trust
            .checkpoint()
            .is_some_and(|known| known.height > pinned.height || known.pinned() == pinned);
        (!known).then_some(pinned)
    }

    /// Returns the keys of the time at which a vote was certified, or its jury drawn.
    pub(super) fn vote_keys(&self, proof: Option<&VoteProof>) -> Option<CommitteeKeys> {
        let certificate = proof?.certificate();
        let height = certificate.statement.height();
        self.trust.keys_of(certificate.epoch, height).ok().copied()
    }

    /// Returns mesh time as certified and gone on since; this node's own clock as long as nothing is certified.
    pub(super) fn mesh_time(&self, now: Now) -> Wall {
        let at = self.reading(now);
        self.trust.time(&at).unwrap_or(at.clock)
    }

    /// Returns what the clocks of this node show.
    pub(super) fn reading(&self, now: Now) -> Reading {
        Reading {
            mono: now.mono,
            clock: self.clock(now),
            scale: self.time_scale(),
        }
    }

    pub(super) fn time_scale(&self) -> u64 {
        u64::from(self.directory.genesis().parameters.time_scale.0)
    }

    fn linked_seats(&self) -> Vec<PublicKey> {
        let Some(seat) = &self.committee else {
            return Vec::new();
        };
        let own = self.config.key;
        let seats = seat.log.seats().keys().iter().copied();
        let seats = seats.filter(|seat| *seat != own && self.links.is_greeted(seat));
        seats.collect()
    }

    /// Goes on with what the log leaves to the seat.
    fn go_on(&mut self, now: Now, out: &mut Outbox) {
        let mesh = self.directory.mesh();
        let links = &self.links;
        let Some(seat) = self.committee.as_deref_mut() else {
            return;
        };
        let is_linked = |key: &PublicKey| links.is_greeted(key);
        let withheld = seat.log.withheld();
        let duties = seat
            .work
            .on_time(&mesh, (seat.log.state(), &withheld), is_linked, now.mono);
        let made = seat
            .log
            .state()
            .keys()
            .filter(|keys| keys.epoch > seat.told_epoch);
        if let Some(keys) = made {
            seat.told_epoch = keys.epoch;
            let revealed = keys.group(Purpose::Certificate).revealed().len();
            out.push(Effect::Notify(Event::KeysMade {
                epoch: keys.epoch,
                revealed: u32::try_from(revealed).unwrap_or(u32::MAX),
            }));
        }
        let named = seat.log.take_named();
        let news = seat.log.state_mut().take_news();
        out.extend(
            news.into_iter()
                .map(|news| Effect::Notify(Event::Seats(news))),
        );
        let known = self.trust.keys().map(|keys| keys.epoch);
        let handed = seat.untold_hand_over(known);
        self.do_duties(now, duties, out);
        if let Some(handed) = handed {
            let height = self
                .committee
                .as_ref()
                .map_or(0, |seat| seat.log.tip().height);
            self.plan(now, height, News::HandOver(handed));
        }
        if let Some(decided) = named {
            let height = decided.block.height;
            let decided = Decided::clone(&decided);
            self.plan(now, height, News::Keys(Box::new(KeysNamed { decided })));
        }
        self.run_polls(now, out);
        self.offer_cases(now);
        self.offer_audits(now);
        self.offer_rotations(now);
        self.publish_certified(now, out);
    }

    pub(super) fn do_duties(&mut self, now: Now, duties: Vec<Duty>, out: &mut Outbox) {
        for duty in duties {
            match duty {
                Duty::Secret { task, what } => {
                    let id = self.job(Waiting::Secret(Box::new(what)));
                    let task = Box::new(task);
                    out.push(Effect::Secret { id, task });
                }
                Duty::Deal {
                    to,
                    ceremony,
                    dealing,
                } => {
                    let request = Request::Dealing { ceremony, dealing };
                    self.ask(to, request, Asked::Dealing { ceremony, to }, out);
                }
                Duty::Offer(entry) => {
                    if let Some(seat) = &mut self.committee {
                        seat.log.submit(entry.clone(), now.mono);
                    }
                    self.send_entry(entry, out);
                }
                Duty::Parts(parts) => {
                    for to in self.linked_seats() {
                        self.ask(to, Request::Parts(parts.clone()), Asked::Parts, out);
                    }
                }
                Duty::KeepDealing { dealing, answer } => {
                    let answer = answer.map(|(token, ack)| Effect::Respond {
                        token,
                        response: Response::Acknowledged(ack),
                    });
                    match dealing {
                        Some((ceremony, dealer, dealing)) => {
                            let write = Write::Dealing {
                                ceremony,
                                dealer,
                                dealing,
                            };
                            let then = AfterPersist::Effects(answer.into_iter().collect());
                            self.persist(vec![write], then, out);
                        }
                        None => out.extend(answer),
                    }
                }
                Duty::KeepShare {
                    purpose,
                    epoch,
                    sealed,
                } => {
                    let write = Write::KeyShare {
                        purpose,
                        epoch,
                        sealed,
                    };
                    self.persist(vec![write], AfterPersist::Nothing, out);
                }
                Duty::Forget { shares, dealings } => {
                    let write = Write::ForgetKeys { shares, dealings };
                    self.persist(vec![write], AfterPersist::Nothing, out);
                }
                Duty::LostShare { epoch, why, .. } => {
                    out.push(Effect::Notify(Event::ShareLost { epoch, why }));
                }
                Duty::Combine {
                    subject,
                    group,
                    what,
                    epoch,
                    parts,
                } => {
                    let message = what.message(&self.directory.mesh(), epoch);
                    let id = self.job(Waiting::Combine(subject));
                    let job = Job::Combine {
                        group,
                        message,
                        parts,
                    };
                    out.push(Effect::Check { id, job });
                }
                Duty::Certified(certificate) => self.on_certified(now, certificate, out),
                Duty::Opened {
                    proposal,
                    voter,
                    signature,
                } => {
                    if let Some(seat) = &mut self.committee {
                        seat.log
                            .keep_opening((proposal, voter), signature, now.mono);
                    }
                }
                Duty::LeftOut(from) => {
                    let why = "its part of what opens a sealed ballot is bad: the seats open ballots without it"
                        .to_owned();
                    out.push(Effect::Notify(Event::Rejected { from, why }));
                }
                Duty::Refuse(token) => {
                    respond(token, Response::Refused(Refused::Malformed), out);
                }
            }
        }
    }

    fn do_seat_work(&mut self, now: Now, todo: Vec<Todo>, out: &mut Outbox) {
        for each in todo {
            match each {
                Todo::Sign(draft) => self.sign_seat(Box::new(draft), out),
                Todo::Note {
                    first, lines, then, ..
                } => {
                    let then = AfterPersist::SignSeat(Box::new(then));
                    self.persist(vec![Write::Journal { first, lines }], then, out);
                }
                Todo::Send(message) => self.send_to_seats(&message, out),
                Todo::Ask { seat, from } => {
                    self.ask_for_log(seat, from, out);
                }
                Todo::Store {
                    decided,
                    tip,
                    snapshot,
                } => {
                    // A block that only dates the mesh is no news.
                    let after = match decided.block.entries.is_empty() {
                        true => AfterPersist::Nothing,
                        false => AfterPersist::Decided(tip),
                    };
                    let write = Write::Block {
                        decided,
                        tip,
                        snapshot,
                    };
                    self.persist(vec![write], after, out);
                }
            }
        }
        self.go_on(now, out);
    }

    /// Sends to every linked seat. The reading of the clock, with which a height begins, goes to the others as
    /// well, so that the driver looks for a way to them.
    fn send_to_seats(&mut self, message: &SeatMessage, out: &mut Outbox) {
        let Some(seat) = &self.committee else {
            return;
        };
        let state = seat.log.state();
        let is_clock = matches!(message, SeatMessage::Clock { .. });
        let own = self.config.key;
        let seats = state.seats().keys().iter().copied();
        let seats = seats.filter(|seat| is_clock || self.links.is_greeted(seat));
        // Who is to have a seat hears that there is something to follow.
        let incoming = state.incoming().filter(|_| is_clock);
        let incoming = incoming.into_iter().flat_map(Seats::keys).copied();
        let incoming = incoming.filter(|seat| !state.seats().contains(seat));
        let seats: Vec<_> = seats.chain(incoming).filter(|seat| *seat != own).collect();
        for to in seats {
            let message = Box::new(Unverified::from_wire(message.clone()));
            self.ask(to, Request::Seat(message), Asked::Seat { to }, out);
        }
    }

    pub(super) fn founded(&self) -> Wall {
        self.config.genesis.value().header().time
    }

    /// Returns what this node's clock shows in mesh time: on a test mesh time runs faster from its founding on.
    pub(super) fn clock(&self, now: Now) -> Wall {
        self.mesh_date(now.wall)
    }

    /// Returns the mesh time of a real moment, as clocks go without a committee.
    pub(super) fn mesh_date(&self, real: Wall) -> Wall {
        let founded = self.founded();
        let passed = real.0.saturating_sub(founded.0);
        Wall(
            founded
                .0
                .saturating_add(passed.saturating_mul(self.time_scale())),
        )
    }
}
