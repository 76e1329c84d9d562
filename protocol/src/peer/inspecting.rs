//! Audits of members' nodes, at the node that is asked: who may know what it collects, and what it says.
//!
//! Who asks must have been drawn for this node in the round that runs; or hold a seat while the committee looks into a
//! case about this node; or hold a token for audits under the root of a seat or of this node. The node checks that by
//! itself. Every ask that is read, answered or refused, is an entry of its audit log, on disk before the answer leaves;
//! the answer is signed over the ask and the head of the log with that entry in it. From one member a node reads
//! [`ASKS_AN_HOUR_MAX`] asks in an hour, so that nobody fills its log.

use std::{collections::BTreeMap, sync::Arc};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, Scope, Use},
};

use super::{AfterPersist, Peer, Waiting, acting::shorten, auditing::Auditing, requests::respond};
use crate::{
    charter::{
        Charter,
        inspection::{
            inspect,
            rounds::{NotTaken, RoundKnown, Rounds},
        },
        violation::Stage,
    },
    core::{
        effect::{Effect, Outbox},
        event::Event,
        ids::{JobId, RequestToken},
        inspection::{AccountView, RoundView, RoundsView},
        job::Job,
        limits::{ACCUSED_KNOWN_MAX, ASK_LIFE, ASKS_AN_HOUR_MAX},
        reject::RejectReason,
        time::{Millis, Mono, Now, Wall},
    },
    spine::{
        audit::What,
        committee::{Unchecked, audit_period, audit_time},
    },
    wire::{
        Account, AccountAsk, AccountDraft, AuditReport, AuditRight, AuditRound, Body, Certificate,
        InspectionDraft, InspectionSigned, Kind, Record, Refused, Response, Verified,
    },
};

const HOUR: Millis = Millis::from_mins(60);

/// What a peer knows of audits.
#[derive(Default)]
pub(super) struct Inspections {
    pub(super) rounds: Rounds,
    pub(super) auditing: Auditing,
    /// Whom named reports accuse, by case, with the date of the report.
    accused: BTreeMap<ContentId, (Wall, Option<PublicKey>)>,
    /// Asks read in this hour of the own clock, by who asked.
    asks: (u64, BTreeMap<PublicKey, u32>),
}

impl Inspections {
    /// Tells whether one more ask of a member is read in this hour.
    fn is_read(&mut self, now: Mono, from: PublicKey) -> bool {
        let hour = now.0 / HOUR.0;
        if self.asks.0 != hour {
            self.asks = (hour, BTreeMap::new());
        }
        let count = self.asks.1.entry(from).or_default();
        *count = count.saturating_add(1);
        *count <= ASKS_AN_HOUR_MAX
    }

    /// Tells whether a round is known, or one that counts in its place.
    pub(super) fn knows(&self, round: &AuditRound) -> bool {
        let drawn = round.drawn();
        drawn.is_some_and(|drawn| self.rounds.find(drawn.round).is_some())
    }

    fn hear_report(&mut self, case: ContentId, time: Wall, accused: Option<PublicKey>) {
        self.accused.insert(case, (time, accused));
        while self.accused.len() > ACCUSED_KNOWN_MAX {
            let reports = self.accused.iter();
            let oldest = reports.min_by_key(|(case, (time, _))| (*time, **case));
            let Some(oldest) = oldest.map(|(case, _)| *case) else {
                return;
            };
            self.accused.remove(&oldest);
        }
    }
}

/// Tells whether audits go by records of a kind.
pub(super) const fn is_about_audits(kind: Kind) -> bool {
    matches!(kind, Kind::AUDIT_ROUND | Kind::AUDIT_REPORT | Kind::REPORT)
}

impl Peer {
    /// Answers who asks what this node collects, once it is checked what it asks by.
    pub(super) fn on_account_asked(
        &mut self,
        now: Now,
        from: PublicKey,
        token: RequestToken,
        ask: Box<AccountAsk>,
        out: &mut Outbox,
    ) {
        let asked = &ask.asked;
        if asked.auditor != from || asked.node != self.config.key {
            return respond(token, Response::Refused(Refused::Malformed), out);
        }
        let inspections = self.inspections.get_or_insert_default();
        if !inspections.is_read(now.mono, from) {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        let usage = match &asked.right {
            AuditRight::Token { .. } => Some(Box::new(self.audit_use(now, from))),
            AuditRight::Round(_) | AuditRight::Case(_) => None,
        };
        let job = Job::Ask {
            mesh: self.directory.mesh(),
            ask: ask.clone(),
            usage,
        };
        let id = self.job(Waiting::Ask { token, ask });
        out.push(Effect::Check { id, job });
    }

    /// Says for what a token for audits is used.
    fn audit_use(&self, now: Now, agent: PublicKey) -> Use {
        Use {
            agent,
            action: AuditRight::action(),
            scope: Scope::Regional,
            nodes: 1,
            mesh_size: self.directory.active_count(),
            time: self.mesh_time(now).0 / 1_000,
            peer_signatures: 0,
            vote: None,
            multi_sig: None,
        }
    }

    pub(super) fn on_ask_checked(
        &mut self,
        now: Now,
        (token, ask): (RequestToken, Box<AccountAsk>),
        checked: Result<Option<Arc<Capability>>, String>,
        out: &mut Outbox,
    ) {
        let auditor = ask.asked.auditor;
        let right = ask.asked.right.words();
        let allowed = checked.and_then(|capability| {
            let charter = self.check_right(now, &ask, capability.as_deref())?;
            Ok((charter.id(), charter.number()))
        });
        let (what, why) = match &allowed {
            Ok(_) => (What::Account { auditor, right }, None),
            Err(why) => {
                let why = shorten(why);
                let refused = What::AccountRefused {
                    auditor,
                    right,
                    why: why.clone(),
                };
                (refused, Some(why))
            }
        };
        let write = self.log(now, what);
        let answer = match allowed {
            Ok((charter, number)) => {
                let (log_size, log_root) = self.audit.head();
                let time = self.mesh_time(now);
                let draft = AccountDraft {
                    ask: *ask,
                    charter,
                    number,
                    log_size,
                    log_root,
                    time,
                };
                let id = self.job(Waiting::Account(token));
                let draft = Box::new(InspectionDraft::Account(Box::new(draft)));
                Effect::Inspect { id, draft }
            }
            Err(_) => Effect::Respond {
                token,
                response: Response::Refused(Refused::NotEntitled {
                    why: why.clone().unwrap_or_default(),
                }),
            },
        };
        let told = Event::AccountAsked {
            auditor,
            refused: why,
        };
        let effects = vec![answer, Effect::Notify(told)];
        self.persist(vec![write], AfterPersist::Effects(effects), out);
    }

    /// Checks the right by which somebody asks, and returns the charter in force.
    fn check_right(
        &self,
        now: Now,
        ask: &AccountAsk,
        capability: Option<&Capability>,
    ) -> Result<&Charter, String> {
        let asked = &ask.asked;
        let charter = self.charter().ok_or("this mesh has no charter")?;
        let time = self.mesh_time(now);
        let life = ASK_LIFE.0.saturating_mul(self.time_scale());
        if asked.time.0.abs_diff(time.0) > life {
            return Err(format!(
                "it is dated {} in mesh time, and it is {time} here",
                asked.time
            ));
        }
        match &asked.right {
            AuditRight::Round(round) => self.check_drawn(*round, &asked.auditor)?,
            AuditRight::Case(case) => self.check_case(case, &asked.auditor)?,
            AuditRight::Token { .. } => self.check_audit_token(capability)?,
        }
        Ok(charter)
    }

    fn check_drawn(&self, round: u64, auditor: &PublicKey) -> Result<(), String> {
        let rounds = self.inspections.as_ref().map(|it| &it.rounds);
        let newest = rounds.and_then(Rounds::newest);
        let Some(newest) = newest.filter(|known| known.drawn.round == round) else {
            let known = newest.map(|known| known.drawn.round);
            return Err(match known {
                Some(known) => format!("round {known} is the newest known here, not {round}"),
                None => "no round of audits is known here yet".to_owned(),
            });
        };
        match newest.auditor_of(&self.config.key) {
            Some(drawn) if drawn == *auditor => Ok(()),
            Some(_) => Err(format!(
                "somebody else was drawn to audit this node in round {round}"
            )),
            None => Err(format!("this node was not drawn in round {round}")),
        }
    }

    fn check_case(&self, case: &ContentId, auditor: &PublicKey) -> Result<(), String> {
        if self.seats().binary_search(auditor).is_err() {
            return Err("only a seat asks because of a case".to_owned());
        }
        let docket = self.court.as_ref().map(|court| &court.docket);
        let stage = docket.and_then(|docket| docket.case(case));
        match stage.map(|known| known.stage()) {
            Some(Stage::Opened | Stage::Announced | Stage::Appealed) => {}
            Some(
                Stage::Reported
                | Stage::Dismissed
                | Stage::Overturned
                | Stage::Final
                | Stage::Claimed,
            )
            | None => return Err("the committee does not look into that case".to_owned()),
        }
        // Of a sealed report only the seats know whom it accuses: there the seat's signed word counts.
        let accused = self
            .inspections
            .as_ref()
            .and_then(|it| it.accused.get(case));
        match accused {
            Some((_, Some(accused))) if *accused != self.config.key => {
                Err("that case is about somebody else".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_audit_token(&self, capability: Option<&Capability>) -> Result<(), String> {
        let capability = capability.ok_or("the token was not checked")?;
        let root = capability.root();
        let is_of_seat = self.seats().iter().any(|seat| {
            let member = self.directory.member(seat);
            member.is_some_and(|member| member.root == *root)
        });
        if !is_of_seat && *root != self.config.root {
            return Err(
                "its token is granted under the root of no seat, nor of this node".to_owned(),
            );
        }
        let revoked = self.capabilities.check_revoked(capability);
        revoked.map_err(|refusal| refusal.to_string())
    }

    pub(super) fn on_inspected(&mut self, id: JobId, signed: InspectionSigned, out: &mut Outbox) {
        match (self.waiting.remove(&id), signed) {
            (Some(Waiting::Account(token)), InspectionSigned::Account(account)) => {
                respond(token, Response::Account(account), out);
            }
            (Some(Waiting::SignAsk(purpose)), InspectionSigned::Ask(ask)) => {
                self.send_ask(*ask, purpose, out);
            }
            (_, _) => debug_assert!(false, "a driver signs what it is given"),
        }
    }

    /// Has a round's certificate checked; it counts from then on. One whose key is not known yet waits for it.
    pub(super) fn check_audit_round(
        &mut self,
        round: &AuditRound,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let question = self.certificate_question(&round.certificate)?;
        let id = self.job(Waiting::AuditRound(Box::new(round.clone())));
        let job = Job::Certificate(Box::new(question));
        out.push(Effect::Check { id, job });
        Ok(())
    }

    pub(super) fn certificate_question(
        &self,
        certificate: &Certificate,
    ) -> Result<crate::spine::committee::Question, RejectReason> {
        let mesh = self.directory.mesh();
        self.trust
            .question(&mesh, certificate)
            .map_err(|unchecked| match unchecked {
                Unchecked::Unknown => RejectReason::Missing(mesh),
                Unchecked::Void => RejectReason::NotEntitled(
                    "the keys of its epoch verify nothing above their hand-over",
                ),
            })
    }

    pub(super) fn on_audit_round_checked(
        &mut self,
        now: Now,
        round: &AuditRound,
        out: &mut Outbox,
    ) {
        self.take_audit_round(now, round, out);
        // Reports may have come before their round.
        self.retry_waiting(now, out);
    }

    fn take_audit_round(&mut self, now: Now, round: &AuditRound, out: &mut Outbox) {
        let Some(drawn) = round.drawn() else {
            return;
        };
        let inspections = self.inspections.get_or_insert_default();
        if !inspections.rounds.take(round) {
            return;
        }
        let own = self.config.key;
        let is_own = |pair: &&crate::wire::AuditPair| pair.auditor == own;
        let mine = round.pairs.iter().filter(is_own).count();
        let what = match mine {
            0 => format!("open: {} nodes are audited", round.pairs.len()),
            mine => format!(
                "open: {} nodes are audited, {mine} of them by this one",
                round.pairs.len()
            ),
        };
        let (round, node) = (drawn.round, None);
        out.push(Effect::Notify(Event::Audit { round, node, what }));
        self.plan_audits(now);
    }

    /// Takes a report of a drawn auditor.
    pub(super) fn file_report(
        &mut self,
        record: &Record,
        report: &AuditReport,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let mesh = self.directory.mesh();
        let time = self.in_mesh_time(record.header().time);
        let mut inspections = self.inspections.take().unwrap_or_default();
        let filed = inspections
            .rounds
            .file((record.id(), record.author(), time), report, |id| {
                self.charter_named(id)
            });
        let state = inspections.rounds.find(report.round);
        let state = state.map(|known| known.state(&report.node, time));
        self.inspections = Some(inspections);
        filed.map_err(|fault| match fault {
            NotTaken::UnknownRound => RejectReason::Missing(mesh),
            NotTaken::NotDrawn => {
                RejectReason::NotEntitled("somebody else was drawn to audit that node")
            }
            NotTaken::TooMany => RejectReason::NotEntitled("it has reported on that node often"),
        })?;
        if let Some(state) = state {
            out.push(Effect::Notify(Event::Audit {
                round: report.round,
                node: Some(report.node),
                what: state.words(),
            }));
        }
        Ok(())
    }

    /// Takes note of whom a named report accuses.
    pub(super) fn hear_accused(&mut self, record: &Record) {
        if let Body::Report(report) = record.body() {
            let inspections = self.inspections.get_or_insert_default();
            inspections.hear_report(record.id(), record.header().time, report.accused);
        }
    }

    /// Takes up rounds and reports among the records read back at a start: rounds first.
    pub(super) fn recall_audits(&mut self, now: Now, records: &[Verified<Record>]) {
        let mut silent = Outbox::new();
        for record in records {
            self.hear_accused(record.value());
            let Body::AuditRound(round) = record.value().body() else {
                continue;
            };
            let question = self.certificate_question(&round.certificate);
            if question.is_ok_and(|question| question.holds()) {
                self.take_audit_round(now, round, &mut silent);
            }
        }
        for record in records {
            if let Body::AuditReport(report) = record.value().body() {
                // What is refused now was refused before.
                self.file_report(record.value(), report, &mut silent).ok();
            }
        }
        silent.drain();
    }

    /// Finds a charter that is or was in force here.
    fn charter_named(&self, id: &ContentId) -> Option<Charter> {
        self.charters().find(|charter| charter.id() == *id).cloned()
    }

    /// Judges accounts again that name a charter which was not known here.
    pub(super) fn judge_audits(&mut self) {
        let Some(mut inspections) = self.inspections.take() else {
            return;
        };
        inspections.rounds.judge(|id| self.charter_named(id));
        self.inspections = Some(inspections);
    }

    /// Holds an account against the charter that it names, or the one in force here if that is newer.
    pub(super) fn account_view(&self, account: Account) -> AccountView {
        let charter = self.charter_named(&account.stated.charter);
        let charter = charter.zip(self.charter().cloned());
        let charter = charter.map(|(named, own)| match named.number() >= own.number() {
            true => named,
            false => own,
        });
        AccountView {
            mesh: self.directory.mesh(),
            found: charter.map(|charter| inspect(&account.collected, &charter)),
            account,
        }
    }

    pub(super) fn rounds_view(&self, now: Now) -> RoundsView {
        let time = self.mesh_time(now);
        let rounds = self.inspections.iter().flat_map(|it| it.rounds.iter());
        let view = |known: &RoundKnown| RoundView {
            drawn: known.drawn,
            tally: known.tally(time),
            audits: known
                .pairs
                .iter()
                .map(|pair| (*pair, known.state(&pair.node, time)))
                .collect(),
        };
        let next = self.next_audits();
        RoundsView {
            time,
            days: next.map(|(_, days)| days),
            next: next.map(|(at, _)| at),
            overdue: self.is_audit_round_overdue(time),
            rounds: rounds.map(view).collect(),
        }
    }

    /// Returns the mesh time at which the next round is to open, and the days between two, by the charter in force.
    fn next_audits(&self) -> Option<(Wall, u64)> {
        let charter = self.charter().filter(|_| self.has_committee())?;
        let days = charter.text().committee.audit_days;
        let newest = self.inspections.as_ref().and_then(|it| it.rounds.newest());
        let founded = self.config.genesis.value().header().time;
        let last = newest.map_or(founded, |known| known.drawn.opened);
        Some((last + audit_period(days), days))
    }

    fn is_audit_round_overdue(&self, time: Wall) -> bool {
        let next = self.next_audits();
        next.is_some_and(|(at, days)| at + audit_time(days) <= time)
    }

    /// Counts the audits of the newest round that have time, and what is overdue: audits without a report, and a round
    /// that should have opened.
    pub(super) fn audit_counts(&self, now: Now) -> (u32, u32) {
        let time = self.mesh_time(now);
        let newest = self.inspections.as_ref().and_then(|it| it.rounds.newest());
        let tally = newest.map(|known| known.tally(time)).unwrap_or_default();
        let round = u32::from(self.is_audit_round_overdue(time));
        (tally.due, tally.overdue.saturating_add(round))
    }
}
