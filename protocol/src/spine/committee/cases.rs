//! Cases before the committee: from a report to a verdict that stands.
//!
//! ```text
//! report --taken up--> reported --open--> opened --find--> announced --window over--> final
//!                          |                 |                 |
//!                          +--- dismiss -----+              appeal
//!                          |                 |                 |
//!                          +---- 90 days ----+---- lapse -- appealed --uphold--> final
//!                                                              |
//!                                                              +--overturn--> overturned
//! ```
//!
//! Each step but the first and those of time takes as many seats' persons, saying the same, as the charter asks for (in a
//! small committee a quorum of its seats). A person says its last word anew until the step is taken. The accused has no
//! word in its own case, whatever seat it holds, nor has anybody who is suspended. A sealed report is opened by a
//! quorum of seats' shares as soon as it is taken up; one that does not open to a report is dismissed.
//!
//! What becomes of a case is a [`Ruling`], which the seats certify. A penalty is never in force before its accused could
//! appeal, and what nobody decides ends without one. Everything that is due goes by mesh time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, committee::ThresholdSignature};

use super::Seats;
use crate::{
    charter::{
        Bounty, Charter, Penalties,
        violation::{Sentence, Sentences, sealed},
    },
    core::{
        limits::{
            APPEAL_WINDOW, BOUNTIES_WAITING_MAX, CASE_DECISION_TIME, CASE_LIFE, CASES_DONE_MAX,
            CASES_OPEN_MAX, CASES_PER_MEMBER_MAX, CLOCK_SKEW_MAX, REPORT_AGE_MAX,
            RULINGS_SIGNED_MAX, SEALED_AN_HOUR_MAX, SEALED_CASES_MAX, SENTENCE_NOTICE,
        },
        time::{Millis, Wall},
    },
    spine::ledger::NUMBERS_OF_LOG_BITS,
    wire::{
        Appeal, Body, CaseFinding, CaseSay, Claim, Description, DismissedBy, Record, Report, Ruled,
        Ruling, SealedReport, Subject, Verdict,
    },
};

const HOUR: Millis = Millis::from_mins(60);

/// What of the charter in force cases go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    charter: ContentId,
    number: u64,
    approvals: u64,
    report_hours: u64,
    vote_hours: u64,
    penalties: Penalties,
    bounty: Bounty,
}

impl Terms {
    fn of(charter: &Charter) -> Self {
        let text = charter.text();
        Self {
            charter: charter.id(),
            number: charter.number(),
            approvals: text.committee.approvals,
            report_hours: text.windows.report_hours,
            vote_hours: text.windows.vote_hours,
            penalties: text.penalties,
            bounty: text.bounty,
        }
    }
}

/// A case that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCase {
    /// Who reported: a member, or a one-time key.
    pub author: PublicKey,
    /// The report; none as long as it is sealed.
    pub report: Option<Report>,
    /// What was sealed, if it was.
    sealed: Option<SealedReport>,
    /// Mesh time at which it was taken up.
    pub taken_up: Wall,
    /// How far it is.
    pub phase: CasePhase,
    /// The last word of each seat's person in this phase, and its place in the person's chain.
    #[serde(with = "crate::core::pairs")]
    words: BTreeMap<PublicKey, (u64, Option<CaseSay>)>,
    /// What the accused has said against the verdict.
    pub appeal: Option<Description>,
}

/// How far a case is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum CasePhase {
    /// Nobody has said yet whether it is looked into.
    Reported,
    /// It is looked into.
    Opened {
        /// Mesh time since when.
        since: Wall,
    },
    /// It is decided, and the accused may appeal.
    Announced {
        /// What was found.
        found: CaseFinding,
        /// Mesh time until which the accused may appeal.
        until: Wall,
    },
    /// It is decided anew.
    Appealed {
        /// What was found.
        found: CaseFinding,
        /// Mesh time since when.
        since: Wall,
    },
}

/// A bounty of a sealed report that nobody has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bountied {
    author: PublicKey,
    commitment: ContentId,
    amount_x0: u64,
    since: Wall,
}

/// What becomes of a record about a case if it is offered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timely {
    /// It may stand in the next block.
    Now,
    /// It may later, when there is room or what it belongs to is there.
    Later,
    /// It never will.
    Never,
}

/// What cases need to know of the rest of the state.
#[derive(Clone, Copy)]
pub(super) struct Hall<'a> {
    pub(super) mesh: &'a ContentId,
    pub(super) seats: &'a Seats,
    pub(super) sentences: &'a Sentences,
    pub(super) height: u64,
    pub(super) time: Wall,
    pub(super) can_open: bool,
    pub(super) is_member: &'a dyn Fn(&PublicKey) -> bool,
}

/// The cases of a mesh.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    founded: Wall,
    scale: u64,
    terms: Option<Terms>,
    #[serde(with = "crate::core::pairs")]
    open: BTreeMap<ContentId, OpenCase>,
    /// Reports that are over, and when they were taken up.
    #[serde(with = "crate::core::pairs")]
    done: BTreeMap<ContentId, Wall>,
    #[serde(with = "crate::core::pairs")]
    bounties: BTreeMap<ContentId, Bountied>,
    /// The hour of mesh time in which sealed reports were taken up last, and how many.
    sealed_in: (u64, u32),
    /// The number of the last ruling that moves x0.
    numbered: u64,
    /// What the seats certify, the newest last.
    rulings: Vec<Ruling>,
    /// What verdicts of the present block have come to.
    #[serde(skip)]
    passed: Vec<(ContentId, Verdict)>,
}

impl Cases {
    pub(super) fn new(founded: Wall, scale: u64, charter: Option<&Charter>) -> Self {
        Self {
            founded,
            scale,
            terms: charter.map(Terms::of),
            ..Self::default()
        }
    }

    /// Has the log of a committee that members have seated in place of a lost one number what moves x0 from there on: the
    /// numbers of each log stand apart from those of the one before.
    pub(super) fn number_from(&mut self, epoch: u64) {
        self.numbered = epoch << NUMBERS_OF_LOG_BITS;
    }

    /// Iterates over the cases that are not over, by their reports.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &OpenCase)> {
        self.open.iter()
    }

    /// Finds a case that is not over.
    pub fn find(&self, case: &ContentId) -> Option<&OpenCase> {
        self.open.get(case)
    }

    /// Returns the charter by which cases are decided, and how many persons' words a step takes.
    pub fn approvals(&self, seats: &Seats) -> Option<(ContentId, u32)> {
        let terms = self.terms.as_ref()?;
        let needed = u32::try_from(self.needed(seats)?).unwrap_or(u32::MAX);
        Some((terms.charter, needed))
    }

    /// Returns the bounds of a bounty.
    pub fn bounty(&self) -> Option<Bounty> {
        self.terms.as_ref().map(|terms| terms.bounty)
    }

    /// Returns the rulings that the seats certify.
    pub(super) fn rulings(&self) -> impl Iterator<Item = &Ruling> {
        self.rulings.iter()
    }

    /// Returns the labels of the reports that wait for being opened.
    pub(super) fn to_open(&self) -> impl Iterator<Item = Subject> {
        self.open.iter().filter_map(|(case, open)| {
            let sealed = open.sealed.as_ref().filter(|_| open.report.is_none())?;
            Some(Subject::Report {
                case: *case,
                author: open.author,
                commitment: sealed.commitment,
            })
        })
    }

    /// Returns the label of a report that waits for being opened.
    pub(super) fn label(&self, case: &ContentId, mesh: &ContentId) -> Option<Vec<u8>> {
        let open = self.open.get(case).filter(|open| open.report.is_none())?;
        let sealed = open.sealed.as_ref()?;
        Some(sealed::label(mesh, &open.author, &sealed.commitment))
    }

    /// Returns the next mesh time at which a case moves on by itself.
    pub(super) fn deadline_after(&self, time: Wall) -> Option<Wall> {
        let due = self.open.values().map(OpenCase::ripe_at);
        due.filter(|at| *at > time).min()
    }

    /// Tells whether a charter is the next by number, which a vote must have put in force.
    pub(super) fn follows(&self, charter: &Charter) -> bool {
        let terms = self.terms.as_ref();
        terms.is_some_and(|terms| charter.number() == terms.number + 1)
    }

    /// Returns how long a vote on the next charter must have been open.
    pub(super) fn vote_window(&self) -> Option<Millis> {
        let terms = self.terms.as_ref()?;
        Some(Millis::from_mins(terms.vote_hours.saturating_mul(60)))
    }

    pub(super) fn amend(&mut self, charter: &Charter) {
        self.terms = Some(Terms::of(charter));
    }

    /// Tells whether a record may stand in the next block.
    pub(super) fn timely(&self, record: &Record, hall: Hall<'_>) -> Timely {
        let Some(terms) = &self.terms else {
            return Timely::Never;
        };
        let (id, author) = (record.id(), record.author());
        match record.body() {
            Body::Report(_) => {
                let own = self.open.values().filter(|open| open.author == author);
                match self.may_begin(&id, record, hall.time) {
                    Timely::Now => {}
                    Timely::Later => return Timely::Later,
                    Timely::Never => return Timely::Never,
                }
                if !(hall.is_member)(&author) || own.count() >= CASES_PER_MEMBER_MAX {
                    return Timely::Later;
                }
                match hall.sentences.is_out(&author, hall.time) {
                    true => Timely::Later,
                    false => Timely::Now,
                }
            }
            Body::SealedReport(_) => {
                let is_full = self.sealed_left(hall.time) == 0 || !hall.can_open;
                match (self.may_begin(&id, record, hall.time), is_full) {
                    (Timely::Now, true) => Timely::Later,
                    (timely, _) => timely,
                }
            }
            Body::CaseWord(word) => {
                let seq = record.header().seq;
                self.may_say(&word.case, &author, (seq, &word.say), (terms, hall))
            }
            Body::Appeal(appeal) => self.may_appeal(appeal, &author, hall.time),
            Body::Claim(claim) => self.may_claim(claim, &author),
            Body::Genesis(_)
            | Body::Invite(_)
            | Body::Join(_)
            | Body::Leave(_)
            | Body::Removal(_)
            | Body::Merge(_)
            | Body::Capability(_)
            | Body::Revocation(_)
            | Body::Act(_)
            | Body::Alert(_)
            | Body::Keys(_)
            | Body::Checkpoint(_)
            | Body::Vote(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::HandOver(_)
            | Body::Recovery(_)
            | Body::Charter(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Ruling(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Unknown(..) => Timely::Never,
        }
    }

    fn may_begin(&self, id: &ContentId, record: &Record, time: Wall) -> Timely {
        let dated = self.mesh_time(record.header().time);
        let ahead = Millis(CLOCK_SKEW_MAX.0.saturating_mul(self.scale));
        if dated > time + ahead {
            return Timely::Later;
        }
        let is_old = dated + REPORT_AGE_MAX <= time;
        if is_old || self.open.contains_key(id) || self.done.contains_key(id) {
            return Timely::Never;
        }
        match self.open.len() < CASES_OPEN_MAX {
            true => Timely::Now,
            false => Timely::Later,
        }
    }

    /// Returns how many more sealed reports are taken up in this hour of mesh time.
    fn sealed_left(&self, time: Wall) -> u32 {
        let is_sealed = |open: &&OpenCase| open.sealed.is_some();
        if self.open.values().filter(is_sealed).count() >= SEALED_CASES_MAX {
            return 0;
        }
        let (hour, count) = self.sealed_in;
        match hour == hour_of(time) {
            true => SEALED_AN_HOUR_MAX.saturating_sub(count),
            false => SEALED_AN_HOUR_MAX,
        }
    }

    fn may_say(
        &self,
        case: &ContentId,
        author: &PublicKey,
        (seq, say): (u64, &CaseSay),
        (terms, hall): (&Terms, Hall<'_>),
    ) -> Timely {
        if self.done.contains_key(case) {
            return Timely::Never;
        }
        let Some(open) = self.open.get(case) else {
            return Timely::Later;
        };
        let last = open.words.get(author).map(|(seq, _)| *seq);
        if last >= Some(seq) {
            return Timely::Never;
        }
        if !hall.seats.contains(author) || !open.hears(author, hall) {
            return Timely::Later;
        }
        let fits = match (say, open.phase) {
            (CaseSay::Open, CasePhase::Reported) => open.report.is_some(),
            (CaseSay::Dismiss, CasePhase::Reported | CasePhase::Opened { .. }) => {
                open.report.is_some()
            }
            (CaseSay::Find(found), CasePhase::Opened { .. }) => {
                let Bounty { least_x0, most_x0 } = terms.bounty;
                if !(least_x0..=most_x0).contains(&found.bounty_x0) || found.accused == *author {
                    return Timely::Never;
                }
                true
            }
            (CaseSay::Uphold | CaseSay::Overturn, CasePhase::Appealed { .. }) => true,
            (_, _) => false,
        };
        match fits {
            true => Timely::Now,
            false => Timely::Later,
        }
    }

    fn may_appeal(&self, appeal: &Appeal, author: &PublicKey, time: Wall) -> Timely {
        if self.done.contains_key(&appeal.case) {
            return Timely::Never;
        }
        let Some(open) = self.open.get(&appeal.case) else {
            return Timely::Later;
        };
        match open.phase {
            CasePhase::Announced { found, until } if found.accused == *author => {
                match time < until {
                    true => Timely::Now,
                    false => Timely::Never,
                }
            }
            CasePhase::Reported | CasePhase::Opened { .. } => Timely::Later,
            CasePhase::Announced { .. } | CasePhase::Appealed { .. } => Timely::Never,
        }
    }

    fn may_claim(&self, claim: &Claim, author: &PublicKey) -> Timely {
        if let Some(bounty) = self.bounties.get(&claim.case) {
            let is_holder = bounty.author == *author
                && bounty.commitment == SealedReport::commit(&claim.secret);
            return match is_holder {
                true => Timely::Now,
                false => Timely::Never,
            };
        }
        match self.done.contains_key(&claim.case) {
            true => Timely::Never,
            false => Timely::Later,
        }
    }

    /// Takes a record that may stand in this block.
    pub(super) fn take(&mut self, record: &Record, hall: Hall<'_>) {
        let (id, author) = (record.id(), record.author());
        match record.body() {
            Body::Report(report) => self.begin(id, author, Some(report), None, hall),
            Body::SealedReport(sealed) => {
                let hour = hour_of(hall.time);
                let (last, count) = self.sealed_in;
                self.sealed_in = (hour, if last == hour { count + 1 } else { 1 });
                self.begin(id, author, None, Some(sealed), hall);
            }
            Body::CaseWord(word) => {
                if let Some(open) = self.open.get_mut(&word.case) {
                    let said = (record.header().seq, Some(word.say));
                    open.words.insert(author, said);
                }
                self.weigh(&word.case, hall);
            }
            Body::Appeal(appeal) => self.appeal(appeal, hall),
            Body::Claim(claim) => {
                if let Some(bounty) = self.bounties.remove(&claim.case) {
                    self.numbered += 1;
                    let ruled = Ruled::Claimed {
                        number: self.numbered,
                        from: bounty.author,
                        to: claim.to,
                        amount_x0: bounty.amount_x0,
                    };
                    self.rule(claim.case, ruled, hall);
                }
            }
            Body::Genesis(_)
            | Body::Invite(_)
            | Body::Join(_)
            | Body::Leave(_)
            | Body::Removal(_)
            | Body::Merge(_)
            | Body::Capability(_)
            | Body::Revocation(_)
            | Body::Act(_)
            | Body::Alert(_)
            | Body::Keys(_)
            | Body::Checkpoint(_)
            | Body::Vote(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::HandOver(_)
            | Body::Recovery(_)
            | Body::Charter(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Ruling(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Unknown(..) => {}
        }
    }

    fn begin(
        &mut self,
        id: ContentId,
        author: PublicKey,
        report: Option<&Report>,
        sealed: Option<&SealedReport>,
        hall: Hall<'_>,
    ) {
        let hours = self.terms.as_ref().map_or(0, |terms| terms.report_hours);
        let open = OpenCase {
            author,
            report: report.cloned(),
            sealed: sealed.cloned(),
            taken_up: hall.time,
            phase: CasePhase::Reported,
            words: BTreeMap::new(),
            appeal: None,
        };
        self.open.insert(id, open);
        let due = hall.time + Millis(HOUR.0.saturating_mul(hours));
        self.rule(id, Ruled::TakenUp { due }, hall);
    }

    /// Opens a sealed report with a signature that was found to be the committee's over its label.
    pub(super) fn unseal(
        &mut self,
        case: &ContentId,
        signature: &ThresholdSignature,
        hall: Hall<'_>,
    ) {
        let Some(open) = self.open.get_mut(case) else {
            return;
        };
        let sealed = open.sealed.as_ref();
        let report =
            sealed.and_then(|sealed| sealed::open(hall.mesh, &open.author, sealed, signature));
        match report {
            Some(report) => open.report = Some(report),
            None => self.end(
                case,
                Ruled::Dismissed {
                    by: DismissedBy::Unreadable,
                },
                hall,
            ),
        }
    }

    fn appeal(&mut self, appeal: &Appeal, hall: Hall<'_>) {
        let Some(open) = self.open.get_mut(&appeal.case) else {
            return;
        };
        let CasePhase::Announced { found, .. } = open.phase else {
            return;
        };
        let since = hall.time;
        open.appeal = Some(appeal.why.clone());
        open.turn(CasePhase::Appealed { found, since });
        let due = since + CASE_DECISION_TIME;
        self.rule(appeal.case, Ruled::Appealed { due }, hall);
    }

    /// Takes the step that enough persons speak for.
    fn weigh(&mut self, case: &ContentId, hall: Hall<'_>) {
        let (Some(needed), Some(open)) = (self.needed(hall.seats), self.open.get_mut(case)) else {
            return;
        };
        let Some(say) = open.agreed(needed, hall) else {
            return;
        };
        let time = hall.time;
        match say {
            CaseSay::Open => {
                open.turn(CasePhase::Opened { since: time });
                let due = time + CASE_DECISION_TIME;
                self.rule(*case, Ruled::Opened { due }, hall);
            }
            CaseSay::Dismiss => {
                let by = DismissedBy::Approvals;
                self.end(case, Ruled::Dismissed { by }, hall);
            }
            CaseSay::Find(found) => {
                let until = time + APPEAL_WINDOW;
                open.turn(CasePhase::Announced { found, until });
                let author = open.author;
                if let Some(verdict) = self.verdict(author, found, until) {
                    self.rule(*case, Ruled::Announced { verdict, until }, hall);
                }
            }
            CaseSay::Uphold => {
                let found = open.found();
                self.stand(case, found, hall);
            }
            CaseSay::Overturn => {
                let by = DismissedBy::Approvals;
                self.end(case, Ruled::Overturned { by }, hall);
            }
        }
    }

    /// Moves on what time moves on. Returns the sentences that verdicts have come to since.
    pub(super) fn ripen(&mut self, hall: Hall<'_>) -> Vec<(ContentId, Verdict)> {
        let ripe = self.open.iter();
        let ripe = ripe.filter(|(_, open)| open.ripe_at() <= hall.time);
        let ripe: Vec<_> = ripe.map(|(case, open)| (*case, open.phase)).collect();
        for (case, phase) in ripe {
            let by = DismissedBy::Lapse;
            match phase {
                CasePhase::Announced { found, .. } => self.stand(&case, Some(found), hall),
                CasePhase::Reported | CasePhase::Opened { .. } => {
                    self.end(&case, Ruled::Dismissed { by }, hall);
                }
                CasePhase::Appealed { .. } => self.end(&case, Ruled::Overturned { by }, hall),
            }
        }
        let oldest = Wall(
            hall.time
                .0
                .saturating_sub(2 * REPORT_AGE_MAX.0 + CASE_LIFE.0),
        );
        self.done.retain(|_, taken_up| *taken_up >= oldest);
        core::mem::take(&mut self.passed)
    }

    /// Lets a verdict stand.
    fn stand(&mut self, case: &ContentId, found: Option<CaseFinding>, hall: Hall<'_>) {
        let (Some(open), Some(found)) = (self.open.get(case), found) else {
            return;
        };
        let from = hall.time + SENTENCE_NOTICE;
        let (author, sealed) = (open.author, open.sealed.as_ref());
        let commitment = sealed.map(|sealed| sealed.commitment);
        let Some(verdict) = self.verdict(author, found, from) else {
            return;
        };
        if let Some(commitment) = commitment {
            let bounty = Bountied {
                author,
                commitment,
                amount_x0: verdict.bounty_x0,
                since: hall.time,
            };
            self.bounties.insert(*case, bounty);
            while self.bounties.len() > BOUNTIES_WAITING_MAX {
                let all = self.bounties.iter();
                let oldest = all.min_by_key(|(id, bounty)| (bounty.since, **id));
                let Some(oldest) = oldest.map(|(id, _)| *id) else {
                    break;
                };
                self.bounties.remove(&oldest);
            }
        }
        self.numbered += 1;
        let number = self.numbered;
        self.passed.push((*case, verdict));
        self.end(case, Ruled::Final { number, verdict }, hall);
    }

    fn verdict(&self, reporter: PublicKey, found: CaseFinding, from: Wall) -> Option<Verdict> {
        let terms = self.terms.as_ref()?;
        let CaseFinding {
            accused,
            sort,
            bounty_x0,
        } = found;
        Some(Verdict {
            accused,
            sort,
            charter: terms.charter,
            sentence: Sentence::of(terms.penalties.of(sort), from),
            reporter,
            bounty_x0,
        })
    }

    fn end(&mut self, case: &ContentId, ruled: Ruled, hall: Hall<'_>) {
        let Some(open) = self.open.remove(case) else {
            return;
        };
        self.done.insert(*case, open.taken_up);
        while self.done.len() > CASES_DONE_MAX {
            let oldest = self.done.iter().min_by_key(|(id, at)| (**at, **id));
            let Some(oldest) = oldest.map(|(id, _)| *id) else {
                break;
            };
            self.done.remove(&oldest);
        }
        self.rule(*case, ruled, hall);
    }

    fn rule(&mut self, case: ContentId, ruled: Ruled, hall: Hall<'_>) {
        self.rulings.push(Ruling {
            case,
            ruled,
            height: hall.height,
            time: hall.time,
        });
        if self.rulings.len() > RULINGS_SIGNED_MAX {
            self.rulings.remove(0);
        }
    }

    /// Returns how many persons' words a step takes: as many as the charter says, and where there are fewer seats a
    /// quorum of them.
    fn needed(&self, seats: &Seats) -> Option<usize> {
        let approvals = self.terms.as_ref()?.approvals;
        let approvals = usize::try_from(approvals).unwrap_or(usize::MAX);
        Some(approvals.min(seats.quorum()))
    }

    /// Returns a moment of real time in mesh time: on a test mesh it runs faster from the founding on.
    fn mesh_time(&self, real: Wall) -> Wall {
        let passed = real.0.saturating_sub(self.founded.0);
        self.founded + Millis(passed.saturating_mul(self.scale))
    }
}

impl OpenCase {
    /// Returns who is accused, as far as that is known.
    pub fn accused(&self) -> Option<PublicKey> {
        let found = self.found().map(|found| found.accused);
        found.or_else(|| self.report.as_ref()?.accused)
    }

    /// Returns what was found, once it is decided.
    pub const fn found(&self) -> Option<CaseFinding> {
        match self.phase {
            CasePhase::Announced { found, .. } | CasePhase::Appealed { found, .. } => Some(found),
            CasePhase::Reported | CasePhase::Opened { .. } => None,
        }
    }

    /// Tells whether it came sealed.
    pub const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Returns what seats' persons say in this phase.
    pub fn words(&self) -> impl Iterator<Item = (&PublicKey, CaseSay)> {
        let words = self.words.iter();
        words.filter_map(|(seat, (_, say))| Some((seat, (*say)?)))
    }

    /// Returns when it moves on by itself.
    fn ripe_at(&self) -> Wall {
        match self.phase {
            CasePhase::Announced { until, .. } => until,
            CasePhase::Reported | CasePhase::Opened { .. } | CasePhase::Appealed { .. } => {
                self.taken_up + CASE_LIFE
            }
        }
    }

    fn turn(&mut self, phase: CasePhase) {
        self.phase = phase;
        for (_, say) in self.words.values_mut() {
            *say = None;
        }
    }

    /// Tells whether somebody has a word in this case.
    fn hears(&self, author: &PublicKey, hall: Hall<'_>) -> bool {
        self.accused() != Some(*author) && !hall.sentences.is_out(author, hall.time)
    }

    /// Returns what so many persons say alike.
    fn agreed(&self, needed: usize, hall: Hall<'_>) -> Option<CaseSay> {
        let mut alike: BTreeMap<CaseSay, usize> = BTreeMap::new();
        for (seat, say) in self.words() {
            let is_accused = matches!(say, CaseSay::Find(found) if found.accused == *seat);
            if hall.seats.contains(seat) && self.hears(seat, hall) && !is_accused {
                *alike.entry(say).or_default() += 1;
            }
        }
        let mut enough = alike.into_iter().filter(|(_, count)| *count >= needed);
        enough.next().map(|(say, _)| say)
    }
}

fn hour_of(time: Wall) -> u64 {
    time.0 / HOUR.0
}
