//! Anomalies in the acts this node sees, and what stops because of them: freezes here, halts everywhere.
//!
//! Every act that reaches the node is watched once. A critical finding freezes its root here at once; a node whose
//! alert counts, a seat or a witness of the epoch, tells the mesh by a record. An alert from outside counts only
//! once this node has recomputed its finding. If acts that it names are missing here, it waits, and the node catches
//! up with its links; it is taken up again as they come.
//!
//! All moments are in real time by the mesh's clock, also on a test mesh whose time runs faster.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, RootKey},
};

use super::{AfterPersist, Peer, Waiting, pulling::Pulls, voting::Voting};
use crate::{
    anti_meave::{
        anomaly::{Alert, Detector, Evidence, Finding, NotAFinding, Observed, Severity, Standing},
        warrants::{Proven, Question},
    },
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        job::Job,
        limits::{ALERTS_KEPT_MAX, ALERTS_PER_SIGNER_MAX, CLOCK_SKEW_MAX, OBSERVED_KEPT_MAX},
        reject::ActRefusal,
        time::{Mono, Now, Wall},
    },
    spine::{
        committee::Seats,
        halt::{
            self, ALERT_LIFE, AlertReport, Confirmation, EvidencePack, Groups, Halt, HaltId,
            HaltReport, Heard, NotHeard, Pardon, Step, Stop, Turn, Witnesses, allows,
        },
    },
    wire::{Body, Certificate, Halted, Record, Statement, Subject, Verified, Warrants},
};

/// What a node keeps about anomalies and halts; nothing as long as it has seen no act.
pub(super) struct Halting {
    detector: Detector,
    stop: Stop,
    /// The newest acts as detection saw them.
    seen: BTreeMap<ContentId, Observed>,
    dates: BTreeSet<(Wall, ContentId)>,
    /// The newest alerts, in order of arrival.
    alerts: VecDeque<Kept>,
    /// Roots about which this node has said an alert, and when.
    said: BTreeMap<RootKey, Wall>,
    /// Alerts heard of each member, since when and how many.
    heard_of: BTreeMap<PublicKey, (Wall, u32)>,
    /// The committee's certificates of halts.
    certificates: BTreeMap<HaltId, Certificate>,
    /// What audit logs were asked and have shown.
    pub(super) pulls: Pulls,
    /// The witnesses drawn for the checkpoint of a height among so many members; none if they cannot be.
    witnesses: Option<((u64, u32), Option<Witnesses>)>,
    due: Option<Mono>,
    /// When a vote on a halt will have been known for long enough to be acted on.
    votes_due: Option<Mono>,
}

/// An alert that may have to be looked at again.
struct Kept {
    id: ContentId,
    signer: PublicKey,
    alert: Box<Alert>,
    /// The act that was missing when it was last looked at.
    lacks: Option<ContentId>,
}

/// What a store holds of alerts and halts, beside its records.
pub(super) struct StoredHalting {
    halts: Vec<Halt>,
    alerts: Vec<(ContentId, PublicKey, Box<Alert>)>,
    certificates: Vec<Certificate>,
}

impl StoredHalting {
    /// Finds in what a store held what is still of use.
    pub(super) fn of(halts: Vec<Halt>, records: &[Verified<Record>], now: Now) -> Self {
        let mut stored = Self {
            halts,
            alerts: Vec::new(),
            certificates: Vec::new(),
        };
        for record in records {
            let record = record.value();
            match record.body() {
                Body::Alert(alert) if alert.time + ALERT_LIFE + CLOCK_SKEW_MAX > now.wall => {
                    stored
                        .alerts
                        .push((record.id(), record.author(), alert.clone()));
                }
                Body::Halt(certificate) => stored.certificates.push(**certificate),
                Body::Alert(_)
                | Body::Genesis(_)
                | Body::Invite(_)
                | Body::Join(_)
                | Body::Leave(_)
                | Body::Removal(_)
                | Body::Merge(_)
                | Body::Capability(_)
                | Body::Revocation(_)
                | Body::Act(_)
                | Body::Keys(_)
                | Body::Checkpoint(_)
                | Body::HandOver(_)
                | Body::Recovery(_)
                | Body::Jury(_)
                | Body::Charter(_)
                | Body::Erasure(_)
                | Body::Erased { .. }
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
                | Body::Unknown(..) => {}
            }
        }
        stored
            .alerts
            .sort_by_key(|(id, _, alert)| (alert.time, *id));
        stored
    }
}

impl Halting {
    fn new(stop: Stop) -> Self {
        Self {
            detector: Detector::default(),
            stop,
            seen: BTreeMap::new(),
            dates: BTreeSet::new(),
            alerts: VecDeque::new(),
            said: BTreeMap::new(),
            heard_of: BTreeMap::new(),
            certificates: BTreeMap::new(),
            pulls: Pulls::default(),
            witnesses: None,
            due: None,
            votes_due: None,
        }
    }

    /// Returns when a freeze or a halt ends by itself, a vote can be acted on, or evidence is to be pulled.
    pub(super) fn due(&self) -> Option<Mono> {
        let own = self.due.into_iter().chain(self.votes_due);
        own.chain(self.pulls.due()).min()
    }

    /// Returns a halt that is known here.
    pub(super) fn halt(&self, halt: &HaltId) -> Option<&Halt> {
        self.stop.halts().find(|known| known.id == *halt)
    }

    /// Iterates over the halts in force.
    pub(super) fn in_force(&self, time: Wall) -> impl Iterator<Item = HaltId> + '_ {
        let halts = self.stop.halts();
        halts.filter(move |it| it.is_in_force(time)).map(|it| it.id)
    }

    /// Returns the root whose acts caused a halt that is known here.
    pub(super) fn root_of(&self, halt: &HaltId) -> Option<RootKey> {
        self.halt(halt).map(|known| known.root)
    }

    /// Returns the committee's certificate of a halt, if it is known here.
    pub(super) fn certificate(&self, halt: &HaltId) -> Option<&Certificate> {
        self.certificates.get(halt)
    }

    /// Returns the acts under a root, as detection saw them.
    pub(super) fn acts_under(&self, root: &RootKey) -> Vec<&Observed> {
        let acts = self.seen.values();
        acts.filter(|act| act.root == *root).collect()
    }

    /// Returns the records of the alerts about a root, newest first.
    pub(super) fn alerts_about(&self, root: &RootKey) -> Vec<ContentId> {
        let alerts = self.alerts.iter().rev();
        let about = alerts.filter(|kept| kept.alert.root == *root);
        about.map(|kept| kept.id).collect()
    }

    /// Keeps the committee's certificate of a halt, as long as the halt is remembered.
    fn keep_certificate(&mut self, halt: HaltId, certificate: Certificate) {
        self.certificates.insert(halt, certificate);
        let known: BTreeSet<_> = self.stop.halts().map(|halt| halt.id).collect();
        self.certificates.retain(|halt, _| known.contains(halt));
    }

    /// Tells whether the committee's word on a halt is known here.
    pub(super) fn knows_certified(&self, halt: &HaltId) -> bool {
        let known = self.stop.halts().find(|known| known.id == *halt);
        known.is_some_and(Halt::is_certified)
    }

    fn keep(&mut self, act: Observed) {
        self.dates.insert((act.time, act.act));
        self.seen.insert(act.act, act);
        if self.seen.len() > OBSERVED_KEPT_MAX
            && let Some((_, first)) = self.dates.pop_first()
        {
            self.seen.remove(&first);
        }
    }

    /// Tells whether an alert of a member is looked at, and counts it.
    fn may_speak(&mut self, signer: PublicKey, time: Wall) -> bool {
        self.heard_of
            .retain(|_, (since, _)| *since + ALERT_LIFE > time);
        if self.heard_of.len() >= ALERTS_KEPT_MAX && !self.heard_of.contains_key(&signer) {
            return false;
        }
        let (_, count) = self.heard_of.entry(signer).or_insert((time, 0));
        *count = count.saturating_add(1);
        *count <= ALERTS_PER_SIGNER_MAX
    }

    /// Tells whether this node has an alert to say about a root: it says one for each while that counts.
    fn may_say(&mut self, root: RootKey, time: Wall) -> bool {
        let most = usize::try_from(ALERTS_PER_SIGNER_MAX).unwrap_or(usize::MAX);
        self.said.retain(|_, at| *at + ALERT_LIFE > time);
        if self.said.len() >= most || self.said.contains_key(&root) {
            return false;
        }
        self.said.insert(root, time);
        true
    }

    fn hold(&mut self, alert: Kept) {
        if self.alerts.len() >= ALERTS_KEPT_MAX {
            self.alerts.pop_front();
        }
        self.alerts.push_back(alert);
    }

    fn acts_of(&self, alert: &Alert) -> Vec<Observed> {
        let acts = alert.evidence.acts.iter();
        acts.filter_map(|act| self.seen.get(act).cloned()).collect()
    }
}

impl Halting {
    /// Has the witnesses of the epoch drawn anew: who may be one has changed.
    pub(super) fn forget_witnesses(&mut self) {
        self.witnesses = None;
    }
}

impl Peer {
    /// Looks at an act that has just become known here, whoever wrote it and whether or not it is for this node.
    pub(super) fn watch(&mut self, now: Now, record: &Verified<Record>, out: &mut Outbox) {
        let Body::Act(act) = record.value().body() else {
            return;
        };
        let is_barred = self.bars(now, record);
        let warrants = Warrants::of(act).unwrap_or_default();
        let is_drawn_for = warrants.draw.is_some() && warrants.ticket.is_some();
        match self
            .keys_for(warrants.ticket.as_ref())
            .filter(|_| is_drawn_for && !is_barred)
        {
            None => {
                let standing = if is_barred {
                    Standing::Barred
                } else {
                    Standing::Plain
                };
                self.observe(now, record, standing, out);
            }
            Some(keys) => {
                let agent = record.value().author();
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
                let id = self.job(Waiting::Watched(record.clone()));
                let job = Job::Warrants(Box::new(question));
                out.push(Effect::Check { id, job });
            }
        }
    }

    pub(super) fn on_watched(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        checked: Result<Proven, String>,
        out: &mut Outbox,
    ) {
        let Body::Act(act) = record.value().body() else {
            return;
        };
        let is_cosigned = checked.is_ok_and(|proven| proven.is_cosigned(&self.directory, act));
        let standing = if is_cosigned {
            Standing::Certified
        } else {
            Standing::Plain
        };
        self.observe(now, record, standing, out);
    }

    /// Tells whether no target follows an act, whatever its token says.
    fn bars(&self, now: Now, record: &Verified<Record>) -> bool {
        let author = record.value().author();
        let Body::Act(act) = record.value().body() else {
            return true;
        };
        !self.bench(now).accepts(&act.root) || !self.directory.is_active(&author)
    }

    fn observe(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        standing: Standing,
        out: &mut Outbox,
    ) {
        let time = self.halt_time(now);
        let Some(act) = Observed::of_record(record, &self.directory, standing, time) else {
            return;
        };
        let members = self.directory.active_count();
        let id = act.act;
        let halting = self.halting();
        halting.keep(act.clone());
        for (finding, evidence) in halting.detector.observe(act, members) {
            self.on_finding(now, &finding, evidence, out);
        }
        let halting = self.halting();
        let waiting = halting.alerts.iter().filter(|kept| kept.lacks == Some(id));
        let waiting: Vec<_> = waiting.map(|kept| kept.id).collect();
        for alert in waiting {
            self.weigh_alert(now, &alert, out);
        }
    }

    fn on_finding(&mut self, now: Now, finding: &Finding, evidence: Evidence, out: &mut Outbox) {
        let critical = finding.severity == Severity::Critical;
        out.push(Effect::Notify(Event::Anomaly {
            agent: finding.agent,
            critical,
            words: finding.words.clone(),
        }));
        if !critical {
            return;
        }
        let (mesh, own, time) = (self.directory.mesh(), self.config.key, self.halt_time(now));
        let members = self.directory.active_count();
        let alert = Alert::of(mesh, finding, evidence, time);
        let halting = self.halting();
        let acts = halting.acts_of(&alert);
        // What this node has found itself freezes at once; it counts when it is said in a record.
        let found = (ContentId::of(&alert.encode()), own);
        if let Ok(heard) = Heard::of(&alert, found, &mesh, &acts, members) {
            let nobody = Groups {
                committee: None,
                witnesses: None,
            };
            let turns = halting.stop.hear(&heard, nobody, time);
            self.on_turns(now, &turns, out);
        }
        let halting = self.halting();
        let is_halted = halting.stop.halts().any(|halt| halt.root == alert.root);
        let speaks = !is_halted && self.counts(&own) != (false, false);
        if speaks && self.halting().may_say(alert.root, time) {
            self.write(now, Body::Alert(Box::new(alert)), None, out);
        }
    }

    /// Takes an alert whose record has just become known here.
    pub(super) fn on_alert(
        &mut self,
        now: Now,
        (id, signer): (ContentId, PublicKey),
        alert: &Alert,
        out: &mut Outbox,
    ) {
        let time = self.halt_time(now);
        // What others found, this node finds itself once it has the acts.
        let is_heard = self.directory.is_active(&signer) && self.counts(&signer) != (false, false);
        let is_old = alert.time + ALERT_LIFE <= time;
        let own = self.config.key;
        let halting = self.halting();
        if signer == own {
            halting.said.entry(alert.root).or_insert(alert.time);
        }
        if !is_heard || is_old || !halting.may_speak(signer, time) {
            return;
        }
        halting.hold(Kept {
            id,
            signer,
            alert: Box::new(alert.clone()),
            lacks: None,
        });
        self.weigh_alert(now, &id, out);
    }

    /// Recomputes an alert's finding and counts it if it holds; if an act is missing here, asks for it.
    fn weigh_alert(&mut self, now: Now, id: &ContentId, out: &mut Outbox) {
        let (mesh, members) = (self.directory.mesh(), self.directory.active_count());
        let time = self.halt_time(now);
        let seats = Seats::new(self.seats().to_vec());
        let witnesses = self.witnesses();
        let halting = self.halting();
        let place = halting.alerts.iter().position(|kept| kept.id == *id);
        let Some(place) = place else { return };
        let kept = &halting.alerts[place];
        let acts = halting.acts_of(&kept.alert);
        let heard = Heard::of(&kept.alert, (kept.id, kept.signer), &mesh, &acts, members);
        let lacks = match &heard {
            Err(NotHeard::Evidence(NotAFinding::Missing(act))) => Some(*act),
            Ok(_) | Err(_) => None,
        };
        let is_news = lacks.is_some() && kept.lacks.is_none();
        halting.alerts[place].lacks = lacks;
        if let Ok(heard) = heard {
            let groups = Groups {
                committee: seats.as_ref(),
                witnesses: witnesses.as_ref(),
            };
            let turns = halting.stop.hear(&heard, groups, time);
            self.on_turns(now, &turns, out);
        } else if is_news {
            self.catch_up_with_others(&self.config.key.clone());
        }
    }

    /// Takes up a halt that the committee has certified.
    pub(super) fn on_halt_certified(
        &mut self,
        now: Now,
        certificate: &Certificate,
        out: &mut Outbox,
    ) {
        let Statement::Halt(halted) = certificate.statement else {
            return;
        };
        let subject = Subject::Statement(certificate.statement);
        let name = subject.id(&self.directory.mesh(), certificate.epoch);
        let Halted {
            halt,
            root,
            began,
            until,
            ..
        } = halted;
        let span = (self.real_time(began), self.real_time(until));
        let time = self.halt_time(now);
        let halting = self.halting();
        let turns = halting.stop.certify((halt, root), name, span, time);
        halting.keep_certificate(halt, *certificate);
        self.on_turns(now, &turns, out);
        self.heed_votes_on_halts(now, out);
    }

    /// Ends the halts that an emergency vote resumes, confirms those that one confirms, and prolongs those that a vote
    /// renews. A vote that the committee certified is acted on as for any act: once its tally was known for long enough.
    pub(super) fn heed_votes_on_halts(&mut self, now: Now, out: &mut Outbox) {
        let time = self.halt_time(now);
        let Some(halting) = &self.halting else {
            return;
        };
        let Voting { book, verdicts, .. } = &self.voting;
        let scale = self.time_scale();
        let early = Cell::new(None);
        let certified = |subject: ContentId| {
            let vote = book.passed_vote(&subject)?;
            match book.heed(&vote.proposal, now.mono, scale) {
                Ok(()) => Some(vote),
                Err(why) => {
                    let due = why.wait(scale).map(|wait| now.mono + wait);
                    early.set(early.get().into_iter().chain(due).min());
                    None
                }
            }
        };
        // What a jury decided, by the committee's count or by the jurors' own ballots, and when that was, or it was asked.
        let by_jury = |subject: ContentId| {
            let counted = certified(subject).filter(|vote| vote.emergency);
            let counted = counted.map(|vote| (vote.proposal, vote.time));
            counted.or_else(|| {
                let (id, case) = verdicts.passed(&subject)?;
                Some((*id, case.proposal.made))
            })
        };
        let in_force = halting.stop.halts().filter(|halt| halt.is_in_force(time));
        let heeded = in_force.map(|halt| {
            // Whoever has a vote ready before there is a halt has judged nothing.
            let is_later = |(_, at): &(ContentId, Wall)| self.real_time(*at) >= halt.began;
            (
                halt.id,
                by_jury(halt.id.resumption()).map(|(vote, _)| vote),
                by_jury(halt.id.confirmation())
                    .filter(is_later)
                    .map(|(vote, _)| vote),
                certified(halt.id.renewal()).map(|vote| vote.proposal),
            )
        });
        let heeded: Vec<_> = heeded.collect();
        let votes_due = early.get();
        let halting = self.halting();
        halting.votes_due = votes_due;
        let stop = &mut halting.stop;
        let mut turns = Vec::new();
        for (halt, resumed, confirmed, renewed) in heeded {
            if let Some(vote) = resumed {
                let resumed = stop.resume(halt, vote, Pardon::Withheld, time);
                turns.extend(resumed.into_iter().flatten());
                continue;
            }
            if let Some(vote) = confirmed {
                let by = Confirmation::Jury(vote);
                turns.extend(stop.confirm(halt, by, time).into_iter().flatten());
            }
            if let Some(vote) = renewed {
                // A vote that has renewed the halt before does so no more.
                let renewed = stop.renew(halt, vote, time);
                turns.extend(renewed.into_iter().flatten());
            }
        }
        if !turns.is_empty() {
            self.on_turns(now, &turns, out);
        }
    }

    /// Tells, keeps and passes on what has changed.
    fn on_turns(&mut self, now: Now, turns: &[Turn], out: &mut Outbox) {
        let mut writes = Vec::new();
        let mut told = Vec::new();
        let mut begun = Vec::new();
        let mut has_changed = false;
        let time = self.halt_time(now);
        let halting = self.halting();
        for turn in turns {
            let id = match *turn {
                Turn::Frozen { root, until } => {
                    out.push(Effect::Notify(Event::Frozen { root, until }));
                    continue;
                }
                Turn::Halted(id) | Turn::Confirmed(id) | Turn::Renewed(id) | Turn::Ended(id, _) => {
                    id
                }
            };
            has_changed = true;
            let Some(halt) = halting.stop.halts().find(|halt| halt.id == id) else {
                continue;
            };
            writes.push(Write::Halt(Box::new(halt.clone())));
            begun.extend(matches!(turn, Turn::Halted(_)).then_some(id));
            told.push(Effect::Notify(match *turn {
                Turn::Ended(halt, how) => Event::HaltEnded { halt, how },
                Turn::Frozen { .. } | Turn::Halted(_) | Turn::Confirmed(_) | Turn::Renewed(_) => {
                    Event::Halted {
                        halt: id,
                        root: halt.root,
                        confirmed: halt.is_confirmed(),
                        until: halt.end(),
                    }
                }
            }));
        }
        let left = halting
            .stop
            .next_deadline(time)
            .map(|at| at.0.saturating_sub(time.0));
        halting.due = left.map(|left| Mono(now.mono.0.saturating_add(left)));
        if !writes.is_empty() {
            self.persist(writes, AfterPersist::Effects(told), out);
        }
        for halt in begun {
            self.plan_pull(now, halt);
        }
        if has_changed {
            self.tell_seat_of_halts(now);
        }
    }

    /// Lets pass what is over by now, and goes on with pulling evidence.
    pub(super) fn run_halting(&mut self, now: Now, out: &mut Outbox) {
        self.run_pulls(now, out);
        let votes_due = self.halting.as_ref().and_then(|halting| halting.votes_due);
        if votes_due.is_some_and(|at| at <= now.mono) {
            self.heed_votes_on_halts(now, out);
        }
        let is_due = self.halting.as_ref().and_then(|halting| halting.due);
        if is_due.is_none_or(|at| at > now.mono) {
            return;
        }
        let time = self.halt_time(now);
        let turns = self.halting().stop.tick(time);
        self.on_turns(now, &turns, out);
    }

    /// Tells the committee log which halts this node's seat knows to be in force.
    pub(super) fn tell_seat_of_halts(&mut self, now: Now) {
        let time = self.halt_time(now);
        let (Some(halting), Some(seat)) = (&self.halting, &mut self.committee) else {
            return;
        };
        let in_force = halting.stop.halts().filter(|halt| halt.is_in_force(time));
        let in_force = in_force.map(|halt| (halt.id, halt.root));
        seat.log.know_halts(in_force, now.mono);
    }

    /// Tells whether a step may be taken for an act under a root, by a token.
    pub(super) fn check_stop(
        &self,
        now: Now,
        root: &RootKey,
        capability: &Capability,
        step: Step,
    ) -> Result<(), ActRefusal> {
        let Some(halting) = self.halting.as_ref().filter(|_| !allows(step)) else {
            return Ok(());
        };
        let time = self.halt_time(now);
        let blocks = capability.revocation_ids();
        let standing = halting.stop.standing(&self.config.key, root, blocks, time);
        if standing.allows(step) {
            return Ok(());
        }
        Err(ActRefusal::Stopped { standing, time })
    }

    /// Tells whether policies may be changed at all.
    pub(super) fn check_halt(&self, now: Now) -> Result<(), ActRefusal> {
        match self.own_standing(now) {
            halt::Standing::Running | halt::Standing::Frozen { .. } => Ok(()),
            standing @ (halt::Standing::Halted { .. } | halt::Standing::Restarting { .. }) => {
                let time = self.halt_time(now);
                Err(ActRefusal::Stopped { standing, time })
            }
        }
    }

    /// Says why this node's seat issues no ticket for acts under a root; `None` if it does.
    pub(super) fn ticket_refusal(&self, now: Now, root: &RootKey) -> Option<String> {
        let halting = self.halting.as_ref()?;
        let time = self.halt_time(now);
        let standing = halting.stop.standing(&self.config.key, root, &[], time);
        standing.refuse_reason(Step::Ticket, time)
    }

    /// Reads back what was halted, and counts the newest alerts again.
    pub(super) fn recall_halting(&mut self, now: Now, stored: StoredHalting, out: &mut Outbox) {
        let StoredHalting {
            halts,
            alerts,
            certificates,
        } = stored;
        if !halts.is_empty() {
            let stop = Stop::restore(self.directory.mesh(), self.time_scale(), halts);
            self.halting = Some(Box::new(Halting::new(stop)));
        }
        for certificate in certificates {
            let Statement::Halt(halted) = certificate.statement else {
                continue;
            };
            let halting = self.halting.as_ref();
            let is_known = halting.is_some_and(|it| it.certificate(&halted.halt).is_some());
            let question = self.trust.question(&self.directory.mesh(), &certificate);
            if !is_known && question.is_ok_and(|question| question.holds()) {
                self.on_halt_certified(now, &certificate, out);
            }
        }
        for (id, signer, alert) in alerts {
            self.on_alert(now, (id, signer), &alert, out);
        }
        // Alerts whose acts are missing until here are taken up as those come.
        for record in self.acts.recent(self.halt_time(now)) {
            self.watch(now, &record, out);
        }
        if self.halting.is_some() {
            self.on_turns(now, &[], out);
        }
    }

    /// Says what is stopped here and why.
    pub(super) fn halt_report(&mut self, now: Now) -> HaltReport {
        let time = self.halt_time(now);
        let (mesh, members) = (self.directory.mesh(), self.directory.active_count());
        let seats = Seats::new(self.seats().to_vec());
        let witnesses = self.witnesses();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let heads: BTreeMap<_, _> = self
            .audit
            .seen()
            .map(|head| (head.author, head.clone()))
            .collect();
        let mut report = HaltReport {
            time,
            standing: self.own_standing(now),
            seats: seats
                .as_ref()
                .map(|seats| (count(seats.len()), count(seats.faulty_max() + 1))),
            witnesses: witnesses
                .as_ref()
                .map(|drawn| (drawn.keys().to_vec(), count(drawn.faulty_max() + 1))),
            halts: Vec::new(),
            freezes: Vec::new(),
            alerts: Vec::new(),
        };
        let Some(halting) = &self.halting else {
            return report;
        };
        report.halts = halting.stop.halts().cloned().collect();
        report
            .halts
            .sort_by_key(|halt| core::cmp::Reverse((halt.began, halt.id)));
        let frozen = halting.stop.freezes().active(time);
        report.freezes = frozen
            .map(|(root, freeze)| (*root, freeze.clone()))
            .collect();
        for kept in halting.alerts.iter().rev() {
            let acts = halting.acts_of(&kept.alert);
            let heard = Heard::of(&kept.alert, (kept.id, kept.signer), &mesh, &acts, members);
            let found = crate::anti_meave::anomaly::recheck(&kept.alert.evidence, &acts, members);
            let finding = match (heard, found) {
                (Ok(_), Ok(finding)) => Ok(finding.words),
                (Ok(_), Err(why)) => Err(why.to_string()),
                (Err(why), _) => Err(why.to_string()),
            };
            report.alerts.push(AlertReport {
                id: kept.id,
                signer: kept.signer,
                counts: (
                    seats
                        .as_ref()
                        .is_some_and(|seats| seats.contains(&kept.signer)),
                    witnesses
                        .as_ref()
                        .is_some_and(|drawn| drawn.contains(&kept.signer)),
                ),
                alert: (*kept.alert).clone(),
                finding,
                pack: EvidencePack::of((kept.id, &kept.alert), &acts, &heads),
            });
        }
        report
    }

    /// Says how things stand for acts under this node's own root.
    pub(super) fn own_standing(&self, now: Now) -> halt::Standing {
        let time = self.halt_time(now);
        let halting = self.halting.as_ref();
        let own = (&self.config.key, &self.config.root);
        halting.map_or(halt::Standing::Running, |halting| {
            halting.stop.standing(own.0, own.1, &[], time)
        })
    }

    /// Counts the roots frozen here.
    pub(super) fn frozen_count(&self, now: Now) -> u32 {
        let time = self.halt_time(now);
        let halting = self.halting.as_ref();
        let count = halting.map_or(0, |halting| halting.stop.freezes().active(time).count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns the present moment in real time, by the mesh's clock.
    pub(super) fn halt_time(&self, now: Now) -> Wall {
        self.real_time(self.mesh_time(now))
    }

    /// Returns a moment of mesh time in real time: on a test mesh it runs faster from the founding on.
    pub(super) fn real_time(&self, mesh_time: Wall) -> Wall {
        let founded = self.config.genesis.value().header().time;
        let passed = mesh_time.0.saturating_sub(founded.0);
        let real = passed.checked_div(self.time_scale()).unwrap_or(passed);
        Wall(founded.0.saturating_add(real))
    }

    pub(super) fn halting(&mut self) -> &mut Halting {
        let (mesh, scale) = (self.directory.mesh(), self.time_scale());
        self.halting
            .get_or_insert_with(|| Box::new(Halting::new(Stop::new(mesh, scale))))
    }

    /// Tells whether a node's alerts count as those of a seat, and as those of a witness.
    fn counts(&mut self, key: &PublicKey) -> (bool, bool) {
        let is_seat = self.seats().binary_search(key).is_ok();
        let is_witness = self.witnesses().is_some_and(|drawn| drawn.contains(key));
        (is_seat, is_witness)
    }

    /// Returns the witnesses of the epoch that the newest checkpoint began; none if nothing is certified, or if the
    /// members known here are not those that were certified.
    pub(super) fn witnesses(&mut self) -> Option<Witnesses> {
        let checkpoint = self.trust.checkpoint()?;
        let of = (checkpoint.height, self.directory.active_count());
        let known = self.halting.as_ref();
        let known = known.and_then(|halting| halting.witnesses.as_ref());
        if let Some((_, drawn)) = known.filter(|(known, _)| *known == of) {
            return drawn.clone();
        }
        let drawn = self.draw_of_epoch();
        let drawn = drawn.and_then(|(_, _, drawn)| Witnesses::new(drawn.keys));
        self.halting().witnesses = Some((of, drawn.clone()));
        drawn
    }
}
