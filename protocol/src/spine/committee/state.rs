//! What follows from the committee log, and nothing else: every seat that has read the same blocks is in the same
//! state.
//!
//! - the seats, the committee's keys, and the ceremonies in which they are made (`making`, `handing`);
//! - the members, as all seats agree to count them;
//! - votes, and the delegations in force;
//! - acts admitted, and the rounds of the beacon asked for;
//! - what the seats are to sign together.
//!
//! What belongs to acts, cases, seats and votes stands in a file for each; here is what they share, and the turn of a block.
//!
//! An entry that holds no longer when its turn comes has no effect. What depends on clocks goes by mesh time, as the
//! block says it.

mod acts;
mod cases;
mod handing;
mod rotations;
mod votes;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, PublicKey,
    capability::ShareBp,
    committee::{Ceremony, Logs, Purpose, ThresholdSignature},
};

use super::{
    Seats,
    admissions::{Admissions, Decision},
    audits::Audits,
    cases::Cases,
    handing::{Handing, Plans, SeatNews},
    making::{Keys, Making},
    members::{Members, Roll},
    overrides::OpenOverrides,
    polls::{Happened, Polls},
    recovery::Recovered,
    revoked::Revoked,
    rotations::Rotations,
};
use crate::{
    core::{
        limits::OPENINGS_AT_ONCE,
        time::{Millis, Wall},
    },
    spine::{
        halt::{HaltId, Step, allows},
        public_log::PublicLog,
    },
    wire::{
        Authority, Block, Certificate, Checkpoint, Entry, Halted, HandedOver, MemberChange,
        MemberFacts, Parameters, PublicEntry, PublicWhat, Statement, Subject, Word, decode_own,
        encode_entry,
    },
};

/// Time after which the log is certified anew although nothing but time has passed, real time.
pub(super) const CHECKPOINT_EVERY: Millis = Millis::from_mins(60);
/// Tickets, of the newest, that the seats still sign after a restart.
const TICKETS_SIGNED_MAX: usize = 256;
/// Halts, of the last to lapse, that the log remembers.
const HALTS_KEPT_MAX: usize = 256;
/// Rounds, of the newest, that the seats still sign after a restart.
const ROUNDS_SIGNED_MAX: u64 = 16;
/// Heights after which the state is copied and what counts no longer is forgotten: a restart applies that many blocks
/// at most.
const COPIED_EVERY: u64 = 256;

/// The state after a height of the log.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    mesh: ContentId,
    share: ShareBp,
    floor: u32,
    scale: u64,
    height: u64,
    /// The last block applied; the mesh before the first.
    block: ContentId,
    time: Wall,
    seats: Seats,
    /// The last height that the epoch before verifies; 0 in the first.
    since: u64,
    /// The number of the newest ceremonies.
    numbered: u64,
    plans: Plans,
    handing: Option<Handing>,
    /// How the keys in force were handed over; none for the first.
    handed: Option<Box<HandedOver>>,
    #[serde(skip)]
    news: Vec<SeatNews>,
    making: Option<Making>,
    /// The ceremonies that made the keys, until every seat must have its share.
    made: Option<Making>,
    keys: Option<Keys>,
    named: bool,
    members: Members,
    admissions: Admissions,
    /// What was named of revoked tokens.
    #[serde(default)]
    revoked: Revoked,
    round: u64,
    checkpoint: Option<Checkpoint>,
    /// Tickets to be signed, by the order in which they were issued.
    #[serde(with = "crate::core::pairs")]
    tickets: BTreeMap<u64, Statement>,
    issued: u64,
    polls: Polls,
    /// What the last block did to votes.
    #[serde(skip)]
    happened: Vec<Happened>,
    /// The halts taken up, those past too.
    #[serde(default, with = "crate::core::pairs")]
    halts: BTreeMap<HaltId, Halted>,
    /// What is to be seen by all, for good.
    #[serde(default)]
    public: PublicLog,
    /// Overrides that are still to be told to all.
    #[serde(default)]
    overrides: OpenOverrides,
    /// Reported violations of the charter.
    #[serde(default)]
    cases: Cases,
    /// Audits of members' nodes.
    #[serde(default)]
    audits: Audits,
    /// Rotations of guardians.
    #[serde(default)]
    rotations: Rotations,
}

/// What became of an admission, with what a seat needs to draw for it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Whether co-signers are to be drawn, and how many.
    pub cosigners: u32,
    /// Whether a round draws for it: co-signers, a panel or both.
    pub is_drawn: bool,
}

impl State {
    /// Starts from a genesis and the members known at the beginning.
    pub fn new(
        mesh: ContentId,
        seats: &Seats,
        parameters: &Parameters,
        founded: Wall,
        members: Arc<BTreeMap<PublicKey, MemberFacts>>,
    ) -> Self {
        let scale = u64::from(parameters.time_scale.0);
        let mut state = Self {
            mesh,
            share: parameters.mass_action_share,
            floor: parameters.mass_action_floor,
            scale,
            height: 0,
            block: mesh,
            time: founded,
            seats: seats.clone(),
            since: 0,
            numbered: 1,
            plans: Plans::default(),
            handing: None,
            handed: None,
            news: Vec::new(),
            making: Making::first(mesh, 1, seats),
            made: None,
            keys: None,
            named: false,
            members: Members::new(members, parameters.member_age),
            admissions: Admissions::default(),
            revoked: Revoked::default(),
            round: 0,
            checkpoint: None,
            tickets: BTreeMap::new(),
            issued: 0,
            halts: BTreeMap::new(),
            public: PublicLog::default(),
            overrides: OpenOverrides::default(),
            polls: Polls::new(mesh, seats.clone(), scale),
            happened: Vec::new(),
            cases: Cases::new(founded, scale, parameters.charter.as_ref()),
            audits: Audits::new(founded, parameters.charter.as_ref()),
            rotations: Rotations::default(),
        };
        state.roll();
        state
    }

    /// Starts the log of a committee that members have seated in place of a lost one. What the old log knew of acts is
    /// lost; members are agreed on anew. The public log goes on where the last checkpoint has certified it.
    pub fn recovered(
        (mesh, public): (ContentId, PublicLog),
        seats: &Seats,
        parameters: &Parameters,
        recovered: &Recovered,
        members: Arc<BTreeMap<PublicKey, MemberFacts>>,
    ) -> Self {
        let time = recovered.checkpoint.time;
        let mut cases = Cases::new(
            time,
            u64::from(parameters.time_scale.0),
            parameters.charter.as_ref(),
        );
        cases.number_from(recovered.epoch);
        let mut audits = Audits::new(time, parameters.charter.as_ref());
        audits.number_from(recovered.epoch);
        Self {
            cases,
            audits,
            height: recovered.height(),
            block: recovered.id,
            since: recovered.height(),
            numbered: recovered.epoch,
            round: recovered.checkpoint.round,
            making: Making::first(mesh, recovered.epoch, seats),
            public,
            ..Self::new(mesh, seats, parameters, time, members)
        }
    }

    /// Encodes the state for the store.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Reads a state back from the own store; `None` if it is damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut state: Self = decode_own(bytes)?;
        state.roll();
        Some(state)
    }

    /// Returns mesh time as of the last height applied.
    pub const fn time(&self) -> Wall {
        self.time
    }

    /// Returns the last height applied.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Returns the last block applied; the mesh before the first.
    pub const fn block(&self) -> ContentId {
        self.block
    }

    /// Returns who decides the next height.
    pub const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Tells whether `key` has a seat now, or is to have one.
    pub fn is_seated(&self, key: &PublicKey) -> bool {
        let is_incoming = self.incoming().is_some_and(|seats| seats.contains(key));
        is_incoming || self.seats.contains(key)
    }

    /// Takes out what there is to tell about seats and keys.
    pub fn take_news(&mut self) -> Vec<SeatNews> {
        std::mem::take(&mut self.news)
    }

    /// Returns the ceremonies under way.
    pub fn ceremonies(&self) -> impl Iterator<Item = &Ceremony> {
        self.open().flat_map(Making::ceremonies)
    }

    /// Returns the ceremonies that still take logs: those of the first keys, or of a hand-over.
    fn open(&self) -> impl Iterator<Item = &Making> {
        let handing = self.handing.as_ref();
        let handing = handing.filter(|handing| handing.made.is_none());
        let making = handing.map(|handing| &handing.making);
        self.making.iter().chain(making)
    }

    /// Returns whether a dealer's log is in.
    pub fn has_log(&self, ceremony: &ContentId, dealer: &PublicKey) -> bool {
        let handing = self.handing.iter().map(|handing| &handing.making);
        let mut making = self.making.iter().chain(handing);
        making.any(|making| making.has_log(ceremony, dealer))
    }

    /// Returns the keys in force.
    pub const fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Returns the ceremonies and the logs that made the keys in force, and those of a hand-over.
    pub fn made(&self) -> impl Iterator<Item = (&Ceremony, &Logs)> {
        let handing = self.handing.as_ref();
        let handing = handing.filter(|handing| handing.made.is_some());
        let next = handing.map(|handing| &handing.making);
        let made = self.made.iter().chain(next);
        made.flat_map(|making| Purpose::ALL.into_iter().filter_map(|of| making.logs(of)))
    }

    /// Returns the number of the ceremonies under way or of the keys in force.
    pub fn epoch(&self) -> u64 {
        let making = self.making.as_ref().map(Making::epoch);
        making
            .or_else(|| self.keys.as_ref().map(|keys| keys.epoch))
            .unwrap_or_default()
    }

    /// Returns what the log knows of a member.
    pub fn member(&self, key: &PublicKey) -> Option<&MemberFacts> {
        self.members.facts(key)
    }

    /// Iterates over the members that the log knows.
    pub fn members(&self) -> impl Iterator<Item = &PublicKey> {
        self.members.keys()
    }

    /// Returns the audits of members' nodes.
    pub const fn audits(&self) -> &Audits {
        &self.audits
    }

    /// Returns the rotations of guardians.
    pub const fn rotations(&self) -> &Rotations {
        &self.rotations
    }

    /// Returns the votes.
    pub const fn polls(&self) -> &Polls {
        &self.polls
    }

    /// Returns those who count as of the last height.
    pub fn counted(&self) -> Option<&Arc<Roll>> {
        self.members.counted()
    }

    /// Takes out what the last block did to votes.
    pub fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// Returns the next mesh time at which something moves on by itself.
    pub fn deadline(&self) -> Option<Wall> {
        let cases = self.cases.deadline_after(self.time);
        self.polls
            .deadline_after(self.time)
            .into_iter()
            .chain(cases)
            .chain(self.audits.next_at())
            .chain(self.rotations.deadline())
            .min()
    }

    /// Returns mesh milliseconds per real one.
    pub const fn scale(&self) -> u64 {
        self.scale
    }

    /// Returns the last checkpoint.
    pub const fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Returns the halt in force that lapses last, if the mesh is halted.
    pub fn halted(&self) -> Option<&Halted> {
        let in_force = self.halts.values().filter(|halt| halt.until > self.time);
        in_force.max_by_key(|halt| (halt.until, halt.halt))
    }

    /// Tells whether the seats may take a step now.
    fn may(&self, step: Step) -> bool {
        allows(step) || self.halted().is_none()
    }

    /// Tells what a proposer must see to: entries that are due without anybody having offered them.
    pub fn due(&self) -> Option<Entry> {
        let keys = self.keys.as_ref()?;
        if !self.named {
            return Some(Entry::Keys(Box::new(keys.public())));
        }
        let is_due = !self.is_passing() && self.is_checkpoint_due();
        is_due.then_some(Entry::Checkpoint)
    }

    /// Tells whether the next height should come soon, as a ceremony waits for its end.
    pub fn is_pressing(&self) -> bool {
        let is_begun = self.making.as_ref().is_some_and(Making::is_begun);
        let is_begun = is_begun || self.handing.is_some() || self.is_uncertified();
        is_begun || (self.keys.is_some() && !self.named) || self.polls.is_counting()
    }

    /// Tells whether the public log has entries that no checkpoint speaks of.
    fn is_uncertified(&self) -> bool {
        let certified = self.checkpoint.map_or(0, |last| last.log.size);
        self.named && !self.is_passing() && certified < self.public.size()
    }

    fn is_checkpoint_due(&self) -> bool {
        let Some(last) = &self.checkpoint else {
            return true;
        };
        let every = Millis(CHECKPOINT_EVERY.0.saturating_mul(self.scale));
        last.members != self.members.count()
            || last.time + every <= self.time
            || last.height <= self.since
            || last.log.size < self.public.size()
    }

    /// Tells whether an entry may stand in the next block; what it says of members is for each seat to know.
    pub fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Dealt { ceremony, log } => {
                let mut open = self.open();
                open.any(|making| making.admits(ceremony, log))
            }
            Entry::Keys(keys) => {
                !self.named && self.keys.as_ref().is_some_and(|own| own.public() == **keys)
            }
            Entry::Members(changes) => changes
                .iter()
                .all(|change| self.members.facts(&change.key) != change.facts.as_ref()),
            Entry::Checkpoint => self.named && !self.is_passing() && self.is_checkpoint_due(),
            Entry::Admission(admission) => {
                self.named
                    && !self.is_passing()
                    && self.may(Step::Ticket)
                    && !self.is_open(&admission.asked.act)
                    && (admission.emergency.is_none()
                        || self.overrides.has_room(self.asker(admission.asked.by)))
            }
            Entry::Said { .. } if self.is_passing() => false,
            Entry::Seats {
                plan,
                by: Authority::Seat(said),
            } => {
                let id = plan.id(&self.mesh);
                said.word == Word::Approve
                    && said.act == id
                    && self.seats.contains(&said.by)
                    && self.plans.may_approve(&id, &said.by)
                    && self.check_plan(plan).is_ok()
            }
            Entry::HandOver(certificate) => self.is_handed_over_by(certificate),
            Entry::Said { said, draw } => match said.word {
                Word::Pass { passed } => self.may(Step::Ticket) && self.may_pass(said, passed),
                Word::Refuse => draw
                    .as_ref()
                    .is_some_and(|draw| self.may_refuse(said, draw)),
                Word::Decline { ticket } => draw
                    .as_ref()
                    .is_some_and(|draw| self.may_decline(said, ticket, draw)),
                Word::Heard => {
                    draw.is_none()
                        && self.seats.contains(&said.by)
                        && self.overrides.lacks(&said.act, &said.by, self.time)
                }
                Word::Ask
                | Word::Agree
                | Word::Cosign
                | Word::Approve
                | Word::Sign { .. }
                | Word::Override { .. } => false,
            },
            Entry::Halt { halt, .. } => self.named && !self.halts.contains_key(halt),
            Entry::Vote(entry) => self.admits_vote(entry),
            Entry::Revoked { root, ids } => {
                self.named && ids.iter().any(|id| !self.revoked.has(root, id))
            }
            Entry::Case(entry) => self.admits_case(entry),
            Entry::Audits { round, signature } => {
                let drawn = self.audits.to_draw().filter(|_| self.may_draw_audits());
                drawn.is_some_and(|(next, by)| {
                    next == *round && self.beacon(by, signature).is_some()
                })
            }
            Entry::Rotation(entry) => self.admits_rotation(entry),
        }
    }

    fn has_certified(&self, certificate: &Certificate) -> bool {
        let keys = self.keys.as_ref();
        let Some(keys) = keys.filter(|keys| keys.epoch == certificate.epoch) else {
            return false;
        };
        let message =
            Subject::Statement(certificate.statement).message(&self.mesh, certificate.epoch);
        let key = keys.group(Purpose::Certificate).public();
        key.verify(Purpose::Certificate, &message, &certificate.signature)
            .is_ok()
    }

    /// Applies a block that follows the last one. Now and then returns a copy of the state before it, to be kept: at
    /// every checkpoint, which certifies it by its hash, and in between so often that a restart is short.
    pub fn apply(&mut self, block: &Block, time: Wall) -> Option<Vec<u8>> {
        let is_turn = block.height.is_multiple_of(COPIED_EVERY);
        let is_copied = is_turn || block.entries.contains(&Entry::Checkpoint);
        let copy = is_copied.then(|| self.encode());
        self.height = block.height;
        self.block = block.id();
        self.time = time;
        // A revocation counts for the acts of the same block.
        let is_revoked = |entry: &Entry| matches!(entry, Entry::Revoked { .. });
        let (first, then): (Vec<_>, Vec<_>) = block.entries.iter().partition(|e| is_revoked(e));
        for entry in first.into_iter().chain(then) {
            self.take(entry, block, copy.as_deref().unwrap_or_default());
        }
        self.take_votes(block);
        self.ripen_cases();
        self.plan_audits();
        self.plan_rotations();
        self.close_first();
        self.close_handing();
        self.overrides.forget(self.time);
        if is_turn {
            self.admissions.forget(self.time);
        }
        copy
    }

    /// Tells whether audits may be drawn now: seats that are about to leave open no round.
    fn may_draw_audits(&self) -> bool {
        self.named && !self.is_passing()
    }

    /// Asks for the beacon's next round if a round of audits is to open.
    fn plan_audits(&mut self) {
        let lapsed = self.round.saturating_sub(ROUNDS_SIGNED_MAX);
        if self.may_draw_audits() && self.audits.plan(self.time, (self.round + 1, lapsed)) {
            self.round += 1;
        }
    }

    /// Draws the audits of the round that was asked for: of all members, by the seats that are not suspended.
    fn draw_audits(&mut self, signature: &ThresholdSignature) {
        let by = self.audits.to_draw();
        let Some(value) = by.and_then(|(_, by)| self.beacon(by, signature)) else {
            return;
        };
        let members: Vec<_> = self.members.keys().copied().collect();
        let seats = self.seats.keys().iter();
        let seats = seats.filter(|key| !self.members.is_out(key, self.time));
        let seats: Vec<_> = seats.copied().collect();
        let at = (self.height, self.time);
        self.audits.draw(at, &members, &seats, &value);
    }

    /// Returns all that the seats are to sign together, as of now.
    pub fn subjects(&self) -> Vec<Subject> {
        if !self.named {
            return Vec::new();
        }
        let checkpoint = self.checkpoint.filter(|last| last.height > self.since);
        let checkpoint = checkpoint.map(Statement::Checkpoint);
        let passing = self.handing.as_ref().and_then(Handing::statement);
        let halts = self.halts.values().filter(|halt| halt.until > self.time);
        let halts = halts.map(|halt| Statement::Halt(*halt));
        let may_issue = self.may(Step::Ticket);
        let tickets = self.tickets.values().filter(|_| may_issue).copied();
        let statements = checkpoint.into_iter().chain(passing);
        let statements = statements.chain(halts).chain(tickets);
        // What has come to be since the next keys were made is theirs to certify.
        let handing = self.handing.as_ref();
        let made = handing.and_then(|handing| Some(handing.made.as_ref()?.1));
        let is_theirs = move |said: &Statement| made.is_some_and(|made| said.height() > made);
        let votes = self.polls.statements();
        let rulings = self.cases.rulings().copied().map(Statement::Ruling);
        let audits = self.audits.drawn().copied().map(Statement::Audits);
        let rotations = self.rotations.stated().copied().map(Statement::Rotation);
        let certified = votes.chain(rulings).chain(audits).chain(rotations);
        let votes = certified.filter(move |said| !is_theirs(said));
        let statements = statements.chain(votes);
        let first = self.round.saturating_sub(ROUNDS_SIGNED_MAX) + 1;
        let rounds = (first..=self.round).map(Subject::Round);
        // Some at a time: the next ones follow as the log takes these in.
        let to_open = self.polls.to_open().take(OPENINGS_AT_ONCE);
        let openings = to_open.map(|(proposal, voter)| Subject::Opening { proposal, voter });
        let statements = statements.map(Subject::Statement);
        let reports = self.cases.to_open();
        statements
            .chain(rounds)
            .chain(openings)
            .chain(reports)
            .collect()
    }

    fn roll(&mut self) -> Arc<Roll> {
        self.members.roll(self.time)
    }

    fn take(&mut self, entry: &Entry, block: &Block, copy: &[u8]) {
        if !self.admits(entry) {
            return;
        }
        match entry {
            Entry::Dealt { ceremony, log } => {
                let time = self.time;
                let handing = self.handing.as_mut().filter(|h| h.made.is_none());
                let next = handing.map(|handing| &mut handing.making);
                for making in self.making.iter_mut().chain(next) {
                    making.take(ceremony, log, time);
                }
            }
            Entry::Keys(_) => self.named = true,
            Entry::Members(changes) => changes
                .iter()
                .for_each(|c: &MemberChange| self.members.apply(c)),
            Entry::Checkpoint => {
                let electorate = self.roll().electorate();
                self.checkpoint = Some(Checkpoint {
                    height: block.height,
                    block: block.id(),
                    time: self.time,
                    round: self.round,
                    members: self.members.count(),
                    electorate,
                    state: ContentId::of(copy),
                    log: self.public.head(),
                });
            }
            Entry::Admission(admission) => self.admit(admission),
            Entry::Seats {
                plan,
                by: Authority::Seat(said),
            } => {
                let id = said.act;
                let have = self.plans.approve(id, plan, said.by);
                let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
                let need = self.seats.quorum();
                self.news.push(SeatNews::Approved {
                    plan: id,
                    by: said.by,
                    approvals: (count(have), count(need)),
                });
                if have >= need {
                    self.begin_handing(plan);
                }
            }
            Entry::HandOver(certificate) => self.hand_over(**certificate),
            Entry::Said { said, .. } => match said.word {
                Word::Pass { passed } => {
                    let terms = self.terms(None);
                    if let Some(ticket) = self.admissions.pass(said.act, passed, &terms) {
                        self.issue(Statement::Ticket(ticket));
                    }
                }
                Word::Refuse => self.admissions.refuse(said.act, &said.by),
                Word::Decline { .. } => self.admissions.decline(said),
                Word::Heard => {
                    let heard = self.overrides.hear(said.act, said.by, &self.seats);
                    if heard {
                        self.publish(PublicWhat::Broadcast { act: said.act });
                    }
                }
                Word::Ask
                | Word::Agree
                | Word::Cosign
                | Word::Approve
                | Word::Sign { .. }
                | Word::Override { .. } => {}
            },
            // Taken together, once all else of the block is.
            Entry::Vote(_) => {}
            Entry::Case(entry) => self.take_case(entry),
            Entry::Audits { signature, .. } => self.draw_audits(signature),
            Entry::Rotation(entry) => self.take_rotation(entry),
            Entry::Halt { halt, root } => self.halt(*halt, *root),
            Entry::Revoked { root, ids } => self.revoke(*root, ids),
        }
    }

    /// Appends to the public log.
    fn publish(&mut self, what: PublicWhat) {
        self.public.append(&PublicEntry {
            time: self.time,
            height: self.height,
            what,
        });
    }

    /// Returns the public log.
    pub const fn public(&self) -> &PublicLog {
        &self.public
    }

    fn issue(&mut self, statement: Statement) {
        self.issued += 1;
        self.tickets.insert(self.issued, statement);
        while self.tickets.len() > TICKETS_SIGNED_MAX {
            self.tickets.pop_first();
        }
    }
}

/// Returns how many co-signers an act of this reach needs: none below what a token allows, 3, or 7 over half the
/// mesh; in a small mesh as many as can be drawn.
pub fn cosigners(reach: u32, members: u32, allowed: u32, drawable: u32) -> u32 {
    let wanted = if reach <= allowed {
        0
    } else if u64::from(reach) * 2 > u64::from(members) {
        7
    } else {
        3
    };
    wanted.min(drawable)
}
