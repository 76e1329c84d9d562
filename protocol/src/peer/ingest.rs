//! Records coming in: decode -> dedup -> bound -> verify -> authorize, in that order.
//!
//! Decoding happened before; here a record is looked up, bounded by mesh and date, sent to have its
//! signature checked, and then takes effect. A record whose author or cause is not known yet waits.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Peer, Waiting};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, MessageVerdict, Outbox, Write},
        event::Event,
        ids::{CommandId, MessageId, RequestToken},
        job::Job,
        limits::{CLOCK_SKEW_MAX, MERGE_HEADS_MAX},
        reject::RejectReason,
        time::Now,
    },
    spine::{audit::What, committee::Seats, delivery::Placed, directory},
    wire::{
        Body, Certificate, Kind, Merge, Record, Refused, Response, SublimeBody, Topic, Unverified,
        Verified, VersionRange, Warrants, Welcome,
    },
};

/// Where records came from, and who waits for what becomes of them.
pub(super) enum Origin {
    Gossip {
        from: PublicKey,
        message: MessageId,
    },
    Pushed {
        from: PublicKey,
        token: RequestToken,
    },
    Fetched {
        from: PublicKey,
        came: Vec<ContentId>,
    },
    OwnHead {
        from: PublicKey,
    },
    /// Along the stem of a sensitive record; nobody waits for what becomes of it.
    Stem {
        from: PublicKey,
    },
    Knock {
        from: PublicKey,
        token: RequestToken,
    },
    /// The local user hands in what is signed by a key of its own.
    Submitted {
        by: PublicKey,
        command: CommandId,
    },
}

impl Origin {
    const fn from(&self) -> PublicKey {
        match self {
            Self::Gossip { from, .. }
            | Self::Pushed { from, .. }
            | Self::Fetched { from, .. }
            | Self::OwnHead { from }
            | Self::Stem { from }
            | Self::Knock { from, .. } => *from,
            Self::Submitted { by, .. } => *by,
        }
    }
}

/// Makes the effect that gossips a record on the topic of its class.
pub(super) fn publish(record: &Record) -> Effect {
    Effect::Publish {
        topic: Topic::of(record.header().kind),
        record: record.clone(),
    }
}

/// Finds the acts among what is about to be written.
fn acts_in(writes: &[Write]) -> Vec<Verified<Record>> {
    let acts = writes.iter().filter_map(|write| match write {
        Write::Record(record) => Some(record),
        Write::Executed(_)
        | Write::Policy { .. }
        | Write::Audit { .. }
        | Write::Witnessed(_)
        | Write::Journal { .. }
        | Write::Block { .. }
        | Write::State { .. }
        | Write::Dealing { .. }
        | Write::KeyShare { .. }
        | Write::ForgetKeys { .. }
        | Write::Erase { .. }
        | Write::Receipt(_)
        | Write::Halt(_)
        | Write::Vote(_)
        | Write::Proposal(_)
        | Write::AcceptRoot { .. }
        | Write::Public { .. }
        | Write::Override(_)
        | Write::Sublime(_) => None,
    });
    acts.filter(|record| matches!(record.value().body(), Body::Act(_)))
        .cloned()
        .collect()
}

impl Peer {
    pub(super) fn on_gossip(
        &mut self,
        now: Now,
        from: PublicKey,
        message: MessageId,
        record: Unverified<Record>,
        out: &mut Outbox,
    ) {
        if self.index.contains(&record.peek().id()) {
            self.hear_gossiped(&record.peek().id());
            out.push(Effect::Report {
                message,
                verdict: MessageVerdict::Accept,
            });
            return;
        }
        let origin = Origin::Gossip { from, message };
        match self.bound(now, record.peek()) {
            Ok(()) => self.check_records(vec![record], origin, out),
            Err(reason) => self.conclude(now, origin, vec![Err(reason)], out),
        }
    }

    /// Sends the records of a page that are new and in bounds to be checked.
    pub(super) fn on_page(
        &mut self,
        now: Now,
        records: Vec<Unverified<Record>>,
        origin: Origin,
        out: &mut Outbox,
    ) {
        for record in &records {
            if self.index.contains(&record.peek().id()) {
                self.hear_handed(now, &record.peek().id(), out);
            }
        }
        let fresh: Vec<_> = records
            .into_iter()
            .filter(|record| !self.index.contains(&record.peek().id()))
            .filter(|record| self.bound(now, record.peek()).is_ok())
            .collect();
        if fresh.is_empty() {
            self.conclude(now, origin, Vec::new(), out);
        } else {
            self.check_records(fresh, origin, out);
        }
    }

    pub(super) fn check_records(
        &mut self,
        records: Vec<Unverified<Record>>,
        origin: Origin,
        out: &mut Outbox,
    ) {
        let id = self.job(Waiting::Records(origin));
        out.push(Effect::Check {
            id,
            job: Job::Records(records),
        });
    }

    pub(super) fn bound(&self, now: Now, record: &Record) -> Result<(), RejectReason> {
        if record.header().mesh != Some(self.directory.mesh()) {
            return Err(RejectReason::OtherMesh);
        }
        let latest = now.wall + CLOCK_SKEW_MAX;
        if record.header().time > latest {
            let ahead_ms = record.header().time.0.saturating_sub(now.wall.0);
            return Err(RejectReason::FromTheFuture { ahead_ms });
        }
        Ok(())
    }

    pub(super) fn on_records_checked(
        &mut self,
        now: Now,
        origin: Origin,
        mut records: Vec<Result<Verified<Record>, RejectReason>>,
        out: &mut Outbox,
    ) {
        if let Origin::Stem { from } = origin {
            return self.on_stem_checked(now, from, records, out);
        }
        records.sort_by_key(|checked| {
            let header = checked.as_ref().ok().map(|record| record.value().header());
            header.map(|header| (header.time, header.author, header.seq))
        });
        let mut writes = Vec::new();
        let mut results = Vec::with_capacity(records.len());
        for checked in records {
            results.push(checked.and_then(|record| {
                let live = matches!(origin, Origin::Gossip { .. });
                self.accept(now, record, live, &mut writes, out)
            }));
        }
        self.retry_orphans(now, &mut writes, out);
        let after = match origin {
            Origin::Knock { .. } | Origin::Pushed { .. } | Origin::Submitted { .. } => {
                let mut held = Outbox::new();
                held.extend(self.news(now, &origin, &writes));
                self.conclude(now, origin, results, &mut held);
                AfterPersist::Effects(held.drain().collect())
            }
            Origin::Gossip { .. }
            | Origin::Fetched { .. }
            | Origin::OwnHead { .. }
            | Origin::Stem { .. } => {
                self.conclude(now, origin, results, out);
                AfterPersist::Nothing
            }
        };
        self.keep(now, writes, after, out);
    }

    /// Spreads what only this peer may have heard: a newcomer's join and what its user hands in by gossip or along a stem,
    /// anything else that was handed over by catching up with the other links.
    fn news(&mut self, now: Now, origin: &Origin, writes: &[Write]) -> Vec<Effect> {
        if !matches!(origin, Origin::Knock { .. } | Origin::Submitted { .. }) {
            if !writes.is_empty() {
                self.catch_up_with_others(&origin.from());
            }
            return Vec::new();
        }
        let records = writes.iter().filter_map(|write| match write {
            Write::Record(record) => Some(self.first_word(now, record)),
            Write::Executed(_)
            | Write::Policy { .. }
            | Write::Audit { .. }
            | Write::Witnessed(_)
            | Write::Journal { .. }
            | Write::Block { .. }
            | Write::State { .. }
            | Write::Dealing { .. }
            | Write::KeyShare { .. }
            | Write::ForgetKeys { .. }
            | Write::Erase { .. }
            | Write::Receipt(_)
            | Write::Halt(_)
            | Write::Vote(_)
            | Write::Proposal(_)
            | Write::AcceptRoot { .. }
            | Write::Public { .. }
            | Write::Override(_)
            | Write::Sublime(_) => None,
        });
        records.collect()
    }

    /// Lets a verified record take effect and stand in the index.
    pub(super) fn accept(
        &mut self,
        now: Now,
        record: Verified<Record>,
        live: bool,
        writes: &mut Vec<Write>,
        out: &mut Outbox,
    ) -> Result<ContentId, RejectReason> {
        let id = record.value().id();
        if self.index.contains(&id) {
            return Ok(id);
        }
        let record = match self.erasures.covering(record.value().place()) {
            Some(by) => record.husk(by),
            None => record,
        };
        let author = record.value().author();
        let enters = record.value().header().kind == Kind::JOIN;
        if live
            && !enters
            && self
                .directory
                .member(&author)
                .is_some_and(|m| !m.is_active())
        {
            return Err(RejectReason::NoLongerAMember(author));
        }
        self.bound_report(now, record.value(), live)?;
        self.bound_manifest(now, record.value(), live)?;
        self.bound_call(now, record.value(), live)?;
        self.bound_drill(record.value())?;
        if live {
            self.check_barred_now(now, record.value())?;
        }
        let taken = self
            .check_epoch_known(record.value())
            .and_then(|()| self.take_effect(now, &record, live, out));
        match taken {
            Err(reason @ (RejectReason::Missing(_) | RejectReason::NotAMember(_))) => {
                self.orphans.add(record);
                return Err(reason);
            }
            taken => taken?,
        }
        writes.push(Write::Record(record.clone()));
        writes.extend(self.erase(now, record.value()));
        self.place(now, &record, writes, out);
        match live {
            true => self.hear_gossiped(&id),
            false => self.hear_handed(now, &id, out),
        }
        if let Body::Act(_) = record.value().body() {
            self.acts.track(record);
        }
        Ok(id)
    }

    /// Checks that an act's ticket is not of keys yet to become known here: judged without them, it would look as if nobody
    /// had admitted it.
    fn check_epoch_known(&self, record: &Record) -> Result<(), RejectReason> {
        let Body::Act(act) = record.body() else {
            return Ok(());
        };
        let ticket = Warrants::of(act).ok().and_then(|it| it.ticket);
        let known = self.trust.keys().map(|keys| keys.epoch);
        match ticket {
            Some(ticket) if Some(ticket.epoch) > known => {
                Err(RejectReason::Missing(self.directory.mesh()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Gives a record its place in the index; a place taken twice is told.
    pub(super) fn place(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        writes: &mut Vec<Write>,
        out: &mut Outbox,
    ) {
        let value = record.value();
        let (author, seq) = (value.author(), value.header().seq);
        match self.index.insert(value) {
            Placed::Alone => {}
            Placed::Fork => {
                writes.push(self.log(now, What::Fork { author, seq }));
                out.push(Effect::Notify(Event::ForkFound { author, seq }));
                if author == self.config.key {
                    self.mend_own_chain(now, out);
                }
            }
        }
        if let Body::Merge(merge) = value.body() {
            self.index.mend(author, merge);
        }
        if author == self.config.key {
            self.chain.head = self.chain.head.max(self.index.head(&author));
        }
        out.push(Effect::Notify(Event::Recorded {
            id: value.id(),
            author,
            kind: value.header().kind.0,
        }));
    }

    /// Lets a record change what this peer knows; acts are considered apart. It is live if it came as it was made known.
    pub(super) fn take_effect(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        live: bool,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let value = record.value();
        let author = value.author();
        self.check_sentence(value)?;
        match value.body() {
            Body::Genesis(_) => return Err(RejectReason::OtherMesh),
            // Their authors are keys that nobody knows.
            Body::SealedReport(_) => {
                self.hear_of_case(now, record);
                return Ok(());
            }
            Body::Sublime(SublimeBody::Manifest(_) | SublimeBody::Call(_)) => {
                self.hear_sublime(record, out);
                return Ok(());
            }
            Body::Claim(claim) => {
                self.bound_claim(&author, claim)?;
                self.hear_of_case(now, record);
                return Ok(());
            }
            Body::Join(_) => {
                let change = self.directory.apply(value)?;
                self.on_directory_change(now, change, out);
                return Ok(());
            }
            Body::Invite(_) | Body::Leave(_) | Body::Removal(_) => {
                self.directory
                    .member(&author)
                    .ok_or(RejectReason::NotAMember(author))?;
                let change = self.directory.apply(value)?;
                self.on_directory_change(now, change, out);
                return Ok(());
            }
            Body::Merge(_)
            | Body::Capability(_)
            | Body::Revocation(_)
            | Body::Act(_)
            | Body::Alert(_)
            | Body::Keys(_)
            | Body::Checkpoint(_)
            | Body::HandOver(_)
            | Body::Recovery(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::Charter(_)
            | Body::Ruling(_)
            | Body::Report(_)
            | Body::CaseWord(_)
            | Body::Appeal(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Vote(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Unknown(..) => {}
        }
        let member = self
            .directory
            .member(&author)
            .ok_or(RejectReason::NotAMember(author))?;
        if let Body::Revocation(revocation) = value.body() {
            let root = member.root;
            self.capabilities.revoke(root, &revocation.ids);
            if let Some(seat) = &mut self.committee {
                seat.log.know_revoked(root, &revocation.ids, now.mono);
            }
        }
        if let Body::Capability(_) = value.body() {
            self.capabilities.learn(record);
        }
        if let Body::Keys(_) = value.body() {
            self.name_keys(value)?;
        }
        if let Body::HandOver(handed) = value.body() {
            self.check_hand_over(record, handed, out)?;
        }
        if let Body::Recovery(word) = value.body() {
            self.hear_recovery(now, record, word, out)?;
        }
        if let Body::Checkpoint(certificate) | Body::Halt(certificate) | Body::Ruling(certificate) =
            value.body()
        {
            self.check_certificate(certificate, live, out)?;
        }
        if let Body::Alert(alert) = value.body() {
            self.on_alert(now, (value.id(), author), alert, out);
        }
        if let Body::Vote(notice) = value.body() {
            self.check_notice(notice, out)?;
        }
        if let Body::Jury(word) = value.body() {
            self.hear_jury_word(now, word, out);
        }
        if let Body::Charter(charter) = value.body() {
            self.hear_charter(now, charter, out);
        }
        if let Body::Erasure(_) = value.body() {
            self.hear_erasure(now, value);
        }
        if let Body::Erased { by, .. } = value.body() {
            // A husk stands for the record as soon as it is known that its author wants that.
            let covering = self.erasures.covering(value.place());
            covering.ok_or(RejectReason::Missing(*by))?;
        }
        if let Body::Report(_) | Body::CaseWord(_) | Body::Appeal(_) = value.body() {
            self.hear_of_case(now, record);
        }
        self.hear_accused(value);
        if let Body::AuditRound(round) = value.body() {
            self.check_audit_round(round, out)?;
        }
        if let Body::Sublime(SublimeBody::Forget(forget)) = value.body()
            && !forget.is_signed(&self.directory.mesh())
        {
            return Err(RejectReason::BadSignature);
        }
        if let Body::Sublime(SublimeBody::CardRevoked(word)) = value.body()
            && !word.is_signed(&self.directory.mesh())
        {
            return Err(RejectReason::BadSignature);
        }
        if let Body::Sublime(SublimeBody::TrusteesRevoked(word)) = value.body()
            && !word.is_signed(&self.directory.mesh())
        {
            return Err(RejectReason::BadSignature);
        }
        if let Body::Sublime(SublimeBody::Rotation(notice)) = value.body() {
            self.check_rotation(notice, out)?;
        }
        if let Body::AuditReport(report) = value.body() {
            self.file_report(value, report, out)?;
        }
        self.hear_sublime(record, out);
        if let Body::Sublime(SublimeBody::Guardian(_)) = value.body() {
            // The seats agree on who serves.
            self.see_member(now, author);
        }
        Ok(())
    }

    /// Takes the committee's keys from the block that names them.
    pub(super) fn name_keys(&mut self, record: &Record) -> Result<(), RejectReason> {
        let seats = Seats::new(self.directory.genesis().seats.clone());
        let mesh = self.directory.mesh();
        let is_named = seats.is_some_and(|seats| self.trust.name_keys(&mesh, &seats, record));
        // Seats that members have put in place of lost ones may be known later than their keys.
        is_named.then_some(()).ok_or(RejectReason::Missing(mesh))
    }

    /// Has a certificate checked; it counts from then on. One whose key is not known yet waits for it.
    fn check_certificate(
        &mut self,
        certificate: &Certificate,
        live: bool,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let question = self.certificate_question(certificate)?;
        let id = self.job(Waiting::Certificate {
            certificate: Box::new(*certificate),
            live,
        });
        let job = Job::Certificate(Box::new(question));
        out.push(Effect::Check { id, job });
        Ok(())
    }

    /// Takes up the newest of the checkpoints read back at a start whose certificate holds, and returns it.
    ///
    /// Anybody may have written one that does not: those of the seats are looked at first.
    pub(super) fn recall_checkpoint(
        &mut self,
        now: Now,
        stored: Vec<(PublicKey, Certificate)>,
    ) -> Option<Certificate> {
        let genesis = self.directory.genesis();
        let seats = self.trust.seats().unwrap_or(&genesis.seats);
        let is_seat = |author: &PublicKey| seats.binary_search(author).is_ok();
        let (by_seats, by_others): (Vec<_>, Vec<_>) =
            stored.into_iter().partition(|(author, _)| is_seat(author));
        let mesh = self.directory.mesh();
        let holds = |certificate: &Certificate| {
            let question = self.trust.question(&mesh, certificate);
            question.is_ok_and(|question| question.holds())
        };
        let in_order = by_seats.into_iter().chain(by_others);
        let mut certificates = in_order.map(|(_, certificate)| certificate);
        let certificate = certificates.find(holds)?;
        self.trust.take(&certificate, false, &self.reading(now));
        Some(certificate)
    }

    pub(super) fn on_directory_change(
        &mut self,
        now: Now,
        change: directory::Change,
        out: &mut Outbox,
    ) {
        let (joined, gone) = match change {
            directory::Change::Nothing => (None, None),
            directory::Change::Joined(joined) => (Some(joined), None),
            directory::Change::Gone(gone) => (None, Some(gone)),
            directory::Change::Replaced { joined, gone } => (Some(joined), Some(gone)),
        };
        let own = self.config.key;
        for member in joined.into_iter().chain(gone) {
            self.see_member(now, member);
        }
        if let Some(member) = joined {
            out.push(Effect::Notify(Event::Joined { member }));
            if member != own {
                out.push(Effect::Admit(vec![member]));
                self.healing.look(now.mono);
            }
        }
        if let Some(member) = gone {
            out.push(Effect::Notify(Event::Gone { member }));
            self.see_guardian_gone(member);
            if member != own {
                out.push(Effect::Expel(member));
            }
        }
    }

    /// Tries again what waited for something that has become known otherwise than by a record.
    pub(super) fn retry_waiting(&mut self, now: Now, out: &mut Outbox) {
        let mut writes = Vec::new();
        self.retry_orphans(now, &mut writes, out);
        self.keep(now, writes, AfterPersist::Nothing, out);
    }

    /// Keeps what was taken in, and considers the acts in it.
    pub(super) fn keep(
        &mut self,
        now: Now,
        writes: Vec<Write>,
        after: AfterPersist,
        out: &mut Outbox,
    ) {
        if writes.is_empty() {
            if let AfterPersist::Effects(effects) = after {
                out.extend(effects);
            }
            return;
        }
        let acts = acts_in(&writes);
        self.persist(writes, after, out);
        // Only now: what is decided about them enters the log after what came with them.
        for act in acts {
            self.watch(now, &act, out);
            self.consider(now, act, out);
        }
    }

    pub(super) fn retry_orphans(&mut self, now: Now, writes: &mut Vec<Write>, out: &mut Outbox) {
        loop {
            let before = self.orphans.len();
            if before == 0 {
                return;
            }
            for record in self.orphans.take() {
                self.accept(now, record, false, writes, out).ok();
            }
            if self.orphans.len() == before {
                return;
            }
        }
    }

    /// Tells whoever waits what became of the records.
    fn conclude(
        &mut self,
        now: Now,
        origin: Origin,
        results: Vec<Result<ContentId, RejectReason>>,
        out: &mut Outbox,
    ) {
        let from = origin.from();
        let faults = results.iter().filter_map(|result| result.as_ref().err());
        // That somebody is barred is no fault of who passed it on, but whoever looks for the record must find out why.
        let is_told = |reason: &&RejectReason| {
            reason.is_senders_fault() || matches!(reason, RejectReason::Barred { .. })
        };
        for reason in faults.filter(is_told) {
            let why = reason.to_string();
            out.push(Effect::Notify(Event::Rejected { from, why }));
        }
        match origin {
            Origin::Gossip { message, .. } => {
                let verdict = match results.first() {
                    Some(Ok(_)) => MessageVerdict::Accept,
                    Some(Err(reason)) if reason.is_senders_fault() => MessageVerdict::Reject,
                    Some(Err(_)) | None => MessageVerdict::Ignore,
                };
                out.push(Effect::Report { message, verdict });
            }
            Origin::Pushed { token, .. } => {
                out.push(Effect::Respond {
                    token,
                    response: Response::Noted,
                });
            }
            Origin::Fetched { came, .. } => self.on_fetched(now, &came, out),
            Origin::OwnHead { .. } => self.on_own_head(now, out),
            Origin::Stem { .. } => {}
            Origin::Submitted { command, .. } => {
                let reply = match results.into_iter().next() {
                    Some(Ok(id)) => Ok(Reply::Recorded(id)),
                    Some(Err(reason)) => Err(CommandError::Record(reason)),
                    // Only what is known already is not checked.
                    None => Ok(Reply::Done),
                };
                out.push(Effect::Reply { id: command, reply });
            }
            Origin::Knock { token, .. } => {
                let response = self.answer_knock(&from, results.into_iter().next());
                out.push(Effect::Respond { token, response });
            }
        }
    }

    fn answer_knock(
        &self,
        from: &PublicKey,
        result: Option<Result<ContentId, RejectReason>>,
    ) -> Response {
        if let Some(Err(RejectReason::Missing(_))) = result {
            return Response::Refused(Refused::UnknownInvite);
        }
        if let Some(Err(reason)) = result {
            return Response::Refused(Refused::JoinRefused {
                why: reason.to_string(),
            });
        }
        if !self.directory.is_active(from) {
            let why = "the invite has been used by somebody else".to_owned();
            return Response::Refused(Refused::JoinRefused { why });
        }
        Response::Welcome(Welcome {
            versions: VersionRange::OURS,
            genesis: Some(self.config.genesis.to_unverified()),
        })
    }

    fn mend_own_chain(&mut self, now: Now, out: &mut Outbox) {
        let heads = self.index.unmended(&self.config.key, MERGE_HEADS_MAX);
        if heads.len() > 1 {
            self.write(now, Body::Merge(Merge { heads }), None, out);
        }
    }

    /// Takes in the records of the own store, in the order of their dates, without any effect.
    pub(super) fn recall_records(&mut self, mut records: Vec<Verified<Record>>) {
        records.sort_by_key(|record| {
            let header = record.value().header();
            (header.time, header.author, header.seq)
        });
        let mut silent = Outbox::new();
        let mut left = records;
        loop {
            let before = left.len();
            left.retain(|record| !self.recall_one(record, &mut silent));
            if left.is_empty() || left.len() == before {
                return;
            }
        }
    }

    fn recall_one(&mut self, record: &Verified<Record>, silent: &mut Outbox) -> bool {
        if self.index.contains(&record.value().id()) {
            return true;
        }
        // What tells of the committee's epochs, and what it certified, is followed when all records are there; of the
        // checkpoints only the newest is checked. Alerts are counted, notices of votes checked and juries heard then as well.
        let kind = record.value().header().kind;
        let later = [
            Kind::KEYS,
            Kind::CHECKPOINT,
            Kind::HAND_OVER,
            Kind::RECOVERY,
            Kind::ALERT,
            Kind::HALT,
            Kind::VOTE,
            Kind::JURY,
            Kind::CHARTER,
            Kind::RULING,
            Kind::REPORT,
            Kind::SEALED_REPORT,
            Kind::CASE_WORD,
            Kind::APPEAL,
            Kind::CLAIM,
            Kind::AUDIT_ROUND,
            Kind::AUDIT_REPORT,
        ];
        let taken = later.contains(&kind)
            || self
                .take_effect(Now::default(), record, false, silent)
                .is_ok();
        if taken {
            self.index.insert(record.value());
            match record.value().body() {
                Body::Merge(merge) => self.index.mend(record.value().author(), merge),
                Body::Act(_) => self.acts.track(record.clone()),
                Body::Join(_) if record.value().author() == self.config.key => {
                    self.own_join = Some(record.clone());
                }
                Body::Genesis(_)
                | Body::Invite(_)
                | Body::Join(_)
                | Body::Leave(_)
                | Body::Removal(_)
                | Body::Capability(_)
                | Body::Revocation(_)
                | Body::Alert(_)
                | Body::Keys(_)
                | Body::Checkpoint(_)
                | Body::HandOver(_)
                | Body::Recovery(_)
                | Body::Halt(_)
                | Body::Jury(_)
                | Body::Charter(_)
                | Body::Ruling(_)
                | Body::Report(_)
                | Body::SealedReport(_)
                | Body::CaseWord(_)
                | Body::Appeal(_)
                | Body::Claim(_)
                | Body::AuditRound(_)
                | Body::AuditReport(_)
                | Body::Sublime(_)
                | Body::Vote(_)
                | Body::Erasure(_)
                | Body::Erased { .. }
                | Body::Unknown(..) => {}
            }
        }
        silent.drain();
        taken
    }
}

/// Finds the newest checkpoint of each author among records, the highest first.
pub(super) fn newest_checkpoints(records: &[Verified<Record>]) -> Vec<(PublicKey, Certificate)> {
    let mut newest: BTreeMap<PublicKey, (u64, Certificate)> = BTreeMap::new();
    for record in records {
        let Some((checkpoint, certificate)) = record.value().body().checkpoint() else {
            continue;
        };
        let known = newest
            .entry(record.value().author())
            .or_insert((checkpoint.height, *certificate));
        if known.0 < checkpoint.height {
            *known = (checkpoint.height, *certificate);
        }
    }
    let mut newest: Vec<_> = newest.into_iter().collect();
    newest.sort_by_key(|(_, (height, _))| std::cmp::Reverse(*height));
    let certificates = newest.into_iter();
    certificates
        .map(|(author, (_, certificate))| (author, certificate))
        .collect()
}
