//! Reported violations at a node: hands what is said about cases to the committee log, as a seat; takes what the
//! committee has certified; and holds everybody to the sentences.
//!
//! *Who is barred.* A suspended key's invites, acts, tokens, amendments, removals, reports and words on cases are refused
//! if their date, or their arrival by gossip, lies within the suspension. It may still leave, appeal, mend its chain,
//! revoke its own tokens, warn, and vote where a vote was open before. On probation its invites and acts are refused.
//! Local changes of the own node are nobody else's matter.
//!
//! *The same everywhere.* Sentences follow from the set of final verdicts. An invite that was taken before its verdict was
//! known loses its effect when that comes; acts that were executed stay executed.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{Peer, ingest::Origin, refuse};
use crate::{
    charter::violation::{Barred, Docket, Stage},
    core::{
        case::{CaseCommand, CaseRefusal, CaseView, CasesView, LedgerView},
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        event::Event,
        ids::CommandId,
        limits::{CASE_RECORDS_WAITING_MAX, SEALED_AGE_MAX, SEALED_AN_HOUR_MAX},
        reject::RejectReason,
        time::{Millis, Now, Wall},
    },
    spine::committee::{CasePhase, Timely},
    wire::{
        Appeal, Body, CaseEntry, CaseRecord, CaseSay, CaseWord, Certificate, Claim, Entry, Kind,
        Reason, Record, Ruled, Ruling, Unverified, Verified,
    },
};

const HOUR: Millis = Millis::from_mins(60);

/// What a peer knows of cases.
#[derive(Default)]
pub(super) struct Court {
    pub(super) docket: Docket,
    /// Records that the committee log may still take up; a seat keeps them.
    waiting: BTreeMap<ContentId, CaseRecord>,
    /// Sealed reports kept, by the hour of their date.
    hours: BTreeMap<u64, u32>,
}

impl Court {
    /// Holds a record for the committee log. When there are too many, one of the author with most of them gives way: of
    /// sealed reports, each of which has an author of its own, the one with the least work, else the oldest.
    fn hold(&mut self, mesh: &ContentId, record: CaseRecord) {
        self.waiting.insert(record.record().id(), record);
        if self.waiting.len() <= CASE_RECORDS_WAITING_MAX {
            return;
        }
        let mut of_author: BTreeMap<PublicKey, usize> = BTreeMap::new();
        for held in self.waiting.values() {
            *of_author.entry(held.record().author()).or_default() += 1;
        }
        let rank = |record: &Record| {
            let count = of_author.get(&record.author()).copied();
            let time = record.header().time;
            (core::cmp::Reverse(count), work_in(mesh, record), time)
        };
        let least = self.waiting.iter();
        let least = least.min_by_key(|(id, held)| (rank(held.record()), **id));
        if let Some(id) = least.map(|(id, _)| *id) {
            self.waiting.remove(&id);
        }
    }
}

/// Returns how much work stands in a sealed report; what else is said about cases comes before all of them.
fn work_in(mesh: &ContentId, record: &Record) -> u32 {
    let Body::SealedReport(sealed) = record.body() else {
        return u32::MAX;
    };
    sealed.work(mesh, &record.author())
}

/// Tells whether records of a kind are about cases.
pub(super) const fn is_about_a_case(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::RULING
            | Kind::REPORT
            | Kind::SEALED_REPORT
            | Kind::CASE_WORD
            | Kind::APPEAL
            | Kind::CLAIM
    )
}

/// Tells whether a key that is barred so may not write records of a kind.
const fn bars(barred: Barred, kind: Kind) -> bool {
    match barred {
        Barred::Suspended { .. } | Barred::Removed => matches!(
            kind,
            Kind::INVITE
                | Kind::CAPABILITY
                | Kind::ACT
                | Kind::REMOVAL
                | Kind::CHARTER
                | Kind::REPORT
                | Kind::CASE_WORD
        ),
        Barred::Probation { .. } => matches!(kind, Kind::INVITE | Kind::ACT),
    }
}

impl Peer {
    /// Refuses what a barred key has dated into the time of its sentence.
    pub(super) fn check_sentence(&self, record: &Record) -> Result<(), RejectReason> {
        self.check_barred(self.in_mesh_time(record.header().time), record)
    }

    /// Refuses what comes by gossip from a key that is barred now, whatever its date.
    pub(super) fn check_barred_now(&self, now: Now, record: &Record) -> Result<(), RejectReason> {
        self.check_barred(self.mesh_time(now), record)
    }

    fn check_barred(&self, time: Wall, record: &Record) -> Result<(), RejectReason> {
        let author = record.author();
        let barred = self.directory.barred(&author, time);
        match barred.filter(|barred| bars(*barred, record.header().kind)) {
            // Who was removed is no member: its older records are history.
            None | Some(Barred::Removed) => Ok(()),
            Some(barred) => Err(RejectReason::Barred { author, barred }),
        }
    }

    /// Tells the user of a barred node before it writes what others would refuse.
    pub(super) fn check_own_sentence(&self, now: Now, kind: Kind) -> Result<(), CommandError> {
        let barred = self.directory.barred(&self.config.key, self.mesh_time(now));
        match barred.filter(|barred| bars(*barred, kind)) {
            Some(barred) => Err(CommandError::Barred(barred)),
            None => Ok(()),
        }
    }

    /// Bounds how many sealed reports of one hour are kept here.
    pub(super) fn bound_report(
        &mut self,
        now: Now,
        record: &Record,
        live: bool,
    ) -> Result<(), RejectReason> {
        let Body::SealedReport(_) = record.body() else {
            return Ok(());
        };
        let dated = record.header().time;
        let is_late = live && dated + SEALED_AGE_MAX < now.wall;
        let court = self.court.get_or_insert_default();
        let count = court.hours.entry(dated.0 / HOUR.0).or_default();
        if is_late || *count >= SEALED_AN_HOUR_MAX {
            return Err(RejectReason::TooManyReports);
        }
        *count += 1;
        Ok(())
    }

    /// Bounds claims: one for each sealed report that is known here, by its own key.
    pub(super) fn bound_claim(
        &self,
        author: &PublicKey,
        claim: &Claim,
    ) -> Result<(), RejectReason> {
        if !self.index.begins_with(author, &claim.case) {
            return Err(RejectReason::Missing(claim.case));
        }
        match self.index.head(author) {
            Some((0, _)) => Ok(()),
            Some(_) | None => Err(RejectReason::NotEntitled(
                "the bounty of a report is claimed once",
            )),
        }
    }

    /// Hands what somebody says about a case to the committee log, if this node has a seat.
    pub(super) fn hear_of_case(&mut self, now: Now, record: &Verified<Record>) {
        if self.committee.is_none() {
            return;
        }
        let mesh = self.directory.mesh();
        if let Some(record) = CaseRecord::new(record.value().clone()) {
            self.court.get_or_insert_default().hold(&mesh, record);
        }
        self.offer_cases(now);
    }

    /// Puts before the committee what the log may take up by now: of sealed reports those with most work first.
    pub(super) fn offer_cases(&mut self, now: Now) {
        let mesh = self.directory.mesh();
        self.offer_charter(now);
        let (Some(seat), Some(court)) = (&mut self.committee, &mut self.court) else {
            return;
        };
        let state = seat.log.state();
        let mut ready: Vec<(u32, CaseRecord)> = Vec::new();
        let docket = &court.docket;
        court.waiting.retain(|id, held| {
            let record = held.record();
            // A committee that members have seated anew does not know what the one before it has decided.
            if docket.case(id).is_some_and(|case| case.stage().is_over()) {
                return false;
            }
            let timely = state.timely(record);
            if timely == Timely::Now {
                ready.push((work_in(&mesh, record), held.clone()));
            }
            timely != Timely::Never
        });
        ready.sort_by_key(|(work, held)| (core::cmp::Reverse(*work), held.record().id()));
        for (_, record) in ready {
            let entry = Entry::Case(Box::new(CaseEntry::Record(record)));
            seat.log.submit(entry, now.mono);
        }
    }

    /// Tells the committee log of an amended charter, by which cases are decided from then on.
    fn offer_charter(&mut self, now: Now) {
        if self.amendments.is_none() {
            return;
        }
        let charter = self.charter().cloned();
        if let (Some(seat), Some(charter)) = (&mut self.committee, charter) {
            let entry = Entry::Case(Box::new(CaseEntry::Charter(charter)));
            seat.log.submit(entry, now.mono);
        }
    }

    /// Takes what the committee has certified of a case.
    pub(super) fn on_ruled(&mut self, now: Now, certificate: &Certificate, out: &mut Outbox) {
        let Some(ruling) = certificate.statement.ruling() else {
            return;
        };
        let court = self.court.get_or_insert_default();
        if !court.docket.take(ruling, certificate) {
            return;
        }
        out.push(Effect::Notify(Event::Case {
            case: ruling.case,
            what: words(ruling),
        }));
        let Ruled::Final { verdict, .. } = ruling.ruled else {
            return;
        };
        let span = (
            self.real_time(verdict.sentence.from),
            self.real_time(verdict.sentence.suspended_until.unwrap_or_default()),
        );
        let time = self.real_time(ruling.time);
        let passed = (verdict.accused, ruling.case, verdict.sentence);
        let changes = self.directory.sentence(passed, span, time);
        self.see_all_sentences(now);
        if let Some(halting) = &mut self.halting {
            halting.forget_witnesses();
        }
        for change in changes {
            self.on_directory_change(now, change, out);
        }
    }

    /// Takes up cases among the records read back at a start.
    pub(super) fn recall_cases(
        &mut self,
        now: Now,
        records: &[Verified<Record>],
        out: &mut Outbox,
    ) {
        let mesh = self.directory.mesh();
        for record in records {
            let value = record.value();
            if let Body::SealedReport(_) = value.body() {
                let court = self.court.get_or_insert_default();
                *court
                    .hours
                    .entry(value.header().time.0 / HOUR.0)
                    .or_default() += 1;
            }
            if let Body::Ruling(certificate) = value.body() {
                let question = self.trust.question(&mesh, certificate);
                if question.is_ok_and(|question| question.holds()) {
                    self.on_ruled(now, certificate, out);
                }
                continue;
            }
            if let Some(record) = CaseRecord::new(value.clone()) {
                // The log says of each whether it has had it.
                self.court.get_or_insert_default().hold(&mesh, record);
            }
        }
    }

    pub(super) fn on_case_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: CaseCommand,
        out: &mut Outbox,
    ) {
        let answer = match command {
            CaseCommand::List => Ok(Reply::Cases(Box::new(self.cases_view(now)))),
            CaseCommand::Ledger => Ok(Reply::Ledger(Box::new(self.ledger_view()))),
            CaseCommand::Submit(record) => return self.submit(now, id, *record, out),
            CaseCommand::Report(report) => self
                .check_court()
                .map_err(CommandError::Case)
                .and_then(|()| self.write_for(now, id, Body::Report(report), out)),
            CaseCommand::Say { case, say, why } => self
                .word(&case, say, why)
                .and_then(|body| self.write_for(now, id, body, out)),
            CaseCommand::Appeal(appeal) => self
                .check_appeal(&appeal)
                .map_err(CommandError::Case)
                .and_then(|()| self.write_for(now, id, Body::Appeal(appeal), out)),
        };
        match answer {
            // Answered once the record is on disk.
            Ok(Reply::Recorded(_)) => {}
            Ok(reply) => out.push(Effect::Reply {
                id,
                reply: Ok(reply),
            }),
            Err(error) => refuse(id, error, out),
        }
    }

    /// Takes a record in that the user hands in, signed by a key of its own, and spreads it.
    fn submit(&mut self, now: Now, id: CommandId, record: Unverified<Record>, out: &mut Outbox) {
        let kind = record.peek().header().kind;
        let checked = match kind {
            Kind::SEALED_REPORT | Kind::CLAIM => self.check_court().map_err(CommandError::Case),
            _ => Err(CommandError::Case(CaseRefusal::NotForOthers)),
        };
        if let Err(error) = checked {
            return refuse(id, error, out);
        }
        if !self.chain.ready {
            return refuse(id, CommandError::NotReady, out);
        }
        let by = self.config.key;
        let origin = Origin::Submitted { by, command: id };
        self.on_page(now, vec![record], origin, out);
    }

    fn check_court(&self) -> Result<(), CaseRefusal> {
        match (self.charter(), self.has_committee()) {
            (None, _) => Err(CaseRefusal::NoCharter),
            (Some(_), false) => Err(CaseRefusal::NoCommittee),
            (Some(_), true) => Ok(()),
        }
    }

    /// Makes the word of this seat's person, if the case is where it fits.
    fn word(&self, case: &ContentId, say: CaseSay, why: Reason) -> Result<Body, CommandError> {
        self.check_court()?;
        let state = self.own_state()?;
        let cases = state.cases();
        let Some(open) = cases.find(case) else {
            return Err(CaseRefusal::NoSuchCase(*case).into());
        };
        if open.accused() == Some(self.config.key) {
            return Err(CaseRefusal::OwnCase(*case).into());
        }
        let not_now = |stage, mend| {
            Err(CaseRefusal::NotNow {
                case: *case,
                stage,
                mend,
            }
            .into())
        };
        match (say, open.phase) {
            (_, CasePhase::Reported) if open.report.is_none() => {
                not_now("sealed", "the seats open it in a moment")
            }
            (CaseSay::Open | CaseSay::Dismiss, CasePhase::Reported)
            | (CaseSay::Dismiss | CaseSay::Find(_), CasePhase::Opened { .. })
            | (CaseSay::Uphold | CaseSay::Overturn, CasePhase::Appealed { .. }) => {
                if let (CaseSay::Find(found), Some(range)) = (say, cases.bounty()) {
                    let asked = found.bounty_x0;
                    if !(range.least_x0..=range.most_x0).contains(&asked) {
                        return Err(CaseRefusal::Bounty { asked, range }.into());
                    }
                }
                let case = *case;
                Ok(Body::CaseWord(Box::new(CaseWord { case, say, why })))
            }
            (_, CasePhase::Reported) => not_now("reported", "open or dismiss it first"),
            (_, CasePhase::Opened { .. }) => {
                not_now("opened", "say a verdict on it, or dismiss it")
            }
            (_, CasePhase::Announced { .. }) => {
                not_now("announced", "the window for the accused's appeal is open")
            }
            (_, CasePhase::Appealed { .. }) => not_now("appealed", "uphold or overturn it"),
        }
    }

    fn check_appeal(&self, appeal: &Appeal) -> Result<(), CaseRefusal> {
        self.check_court()?;
        let docket = self.court.as_ref().map(|court| &court.docket);
        let Some(known) = docket.and_then(|docket| docket.case(&appeal.case)) else {
            return Err(CaseRefusal::NoSuchCase(appeal.case));
        };
        let is_accused = known
            .verdict
            .as_ref()
            .is_some_and(|verdict| verdict.accused == self.config.key);
        match (known.stage(), is_accused) {
            (Stage::Announced, true) => Ok(()),
            (stage, _) => Err(CaseRefusal::NotNow {
                case: appeal.case,
                stage: stage.name(),
                mend: "only whom an announced verdict is about appeals against it, while the window is open",
            }),
        }
    }

    fn cases_view(&self, now: Now) -> CasesView {
        let state = self.committee.as_ref().filter(|seat| seat.log.is_seated());
        let state = state.map(|seat| seat.log.state());
        let mut views: BTreeMap<ContentId, CaseView> = BTreeMap::new();
        let known = self.court.iter().flat_map(|court| court.docket.cases());
        for (case, known) in known {
            let view = CaseView {
                case: *case,
                known: Some(known.clone()),
                open: None,
            };
            views.insert(*case, view);
        }
        for (case, open) in state.iter().flat_map(|state| state.cases().iter()) {
            let view = views.entry(*case).or_insert_with(|| CaseView {
                case: *case,
                known: None,
                open: None,
            });
            view.open = Some(open.clone());
        }
        let mut cases: Vec<_> = views.into_values().collect();
        cases.sort_by_key(|view| {
            let height = view.known.as_ref().map(|known| known.newest.height);
            (core::cmp::Reverse(height), view.case)
        });
        CasesView {
            mesh: self.directory.mesh(),
            seal_to: self.trust.keys().map(|keys| keys.decryption),
            time: self.mesh_time(now),
            approvals: state
                .and_then(|state| state.cases().approvals(state.seats()))
                .map(|(_, needed)| needed),
            cases,
        }
    }

    fn ledger_view(&self) -> LedgerView {
        let ledger = self.court.as_ref().map(|court| court.docket.ledger());
        LedgerView {
            last: ledger.map_or(0, |ledger| ledger.last()),
            waiting: ledger.map_or(0, |ledger| ledger.waiting() as u64),
            balances: ledger
                .into_iter()
                .flat_map(|ledger| ledger.balances())
                .map(|(account, balance)| (*account, balance))
                .collect(),
            postings: ledger
                .into_iter()
                .flat_map(|ledger| ledger.postings())
                .copied()
                .collect(),
            sentences: self.directory.sentences().collect(),
        }
    }

    /// Counts the cases known here that are not over, and those of them that are overdue.
    pub(super) fn case_counts(&self, now: Now) -> (u32, u32) {
        let time = self.mesh_time(now);
        let cases = self.court.iter().flat_map(|court| court.docket.cases());
        let open: Vec<_> = cases.filter(|(_, case)| !case.stage().is_over()).collect();
        let overdue = open
            .iter()
            .filter(|(_, case)| case.is_overdue(time))
            .count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (count(open.len()), count(overdue))
    }

    /// Returns a moment of real time in mesh time.
    pub(super) fn in_mesh_time(&self, real: Wall) -> Wall {
        let founded = self.config.genesis.value().header().time;
        let passed = real.0.saturating_sub(founded.0);
        founded + Millis(passed.saturating_mul(self.time_scale()))
    }
}

/// Says in words what has become of a case.
fn words(ruling: &Ruling) -> String {
    match &ruling.ruled {
        Ruled::TakenUp { due } => {
            format!("taken up; the committee says by mesh time {due} whether it looks into it")
        }
        Ruled::Opened { due } => format!("opened; a decision is due by mesh time {due}"),
        Ruled::Dismissed { by } => format!("dismissed ({by})"),
        Ruled::Announced { verdict, until } => format!(
            "decided: {} by {}; an appeal is open until mesh time {until}",
            verdict.sort, verdict.accused
        ),
        Ruled::Appealed { due } => format!("appealed; the second decision is due by {due}"),
        Ruled::Overturned { by } => format!("overturned ({by})"),
        Ruled::Final { number, verdict } => format!(
            "verdict {number} stands: {} by {}",
            verdict.sort, verdict.accused
        ),
        Ruled::Claimed { to, amount_x0, .. } => {
            format!("the bounty of {amount_x0} x0 went to {to}")
        }
    }
}
