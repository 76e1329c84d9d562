//! What follows from the committee log, and nothing else: every seat that has read the same blocks is in the same
//! state.
//!
//! - the seats, the committee's keys, and the ceremonies in which they are made (`making`, `handing`);
//! - the members, as all seats agree to count them;
//! - votes, and the delegations in force;
//! - acts admitted, and the rounds of the beacon asked for;
//! - what the seats are to sign together.
//!
//! An entry that holds no longer when its turn comes has no effect. What depends on clocks goes by mesh time, as the
//! block says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey, Scope, ShareBp},
    committee::{BeaconValue, Ceremony, Logs, Purpose, ThresholdSignature},
};

use super::{
    Seats,
    admissions::{Admissions, Decision, Terms, scope_of},
    audits::Audits,
    cases::{Cases, Hall, Timely},
    handing::{
        Handing, HandingView, MAKING_KEYS_MAX, OpenPlan, Plans, SeatNews, TRIES_MAX, check_change,
    },
    making::{Keys, Made, Making},
    members::{Members, Roll},
    overrides::{Asker, OpenOverrides},
    panel::{Room, cosigners_over},
    polls::{Happened, Polls, Turn},
    recovery::Recovered,
    revoked::Revoked,
};
use crate::{
    charter::{Charter, violation::Sentence},
    core::{
        limits::{OPENINGS_AT_ONCE, SEALED_VOTERS_MAX},
        time::{Millis, Wall},
    },
    spine::{
        beacon::{Found, check_draw, draw, drawable},
        halt::{HALT_LIFE, HaltId, Step, allows},
        public_log::PublicLog,
    },
    wire::{
        Act, ActAdmitted, Admission, Authority, Block, CaseEntry, Certificate, Checkpoint, Draw,
        Elector, Entry, Halted, HandedOver, MemberChange, MemberFacts, OverrideTold, Parameters,
        PublicEntry, PublicWhat, Record, Said, SeatsPlan, Statement, Subject, Ticket, VoteEntry,
        VoteItem, VoteProposal, Word, decode_own, encode_entry,
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

    /// Returns who is to decide once the hand-over under way is done.
    pub fn incoming(&self) -> Option<&Seats> {
        self.handing.as_ref().map(|handing| &handing.seats)
    }

    /// Tells whether `key` has a seat now, or is to have one.
    pub fn is_seated(&self, key: &PublicKey) -> bool {
        let is_incoming = self.incoming().is_some_and(|seats| seats.contains(key));
        is_incoming || self.seats.contains(key)
    }

    /// Returns the plans that wait for approvals, by name.
    pub fn plans(&self) -> impl Iterator<Item = (&ContentId, &OpenPlan)> {
        self.plans.iter()
    }

    /// Returns how far the hand-over under way is.
    pub fn handing(&self) -> Option<HandingView> {
        self.handing.as_ref().map(|handing| HandingView {
            epoch: handing.making.epoch(),
            seats: handing.seats.keys().to_vec(),
            is_made: handing.made.is_some(),
        })
    }

    /// Returns how the keys in force were handed over; none for the first.
    pub fn handed(&self) -> Option<&HandedOver> {
        self.handed.as_deref()
    }

    /// Says why these seats cannot follow the present ones.
    ///
    /// # Errors
    ///
    /// Returns what stands against them, in words.
    pub fn check_plan(&self, plan: &SeatsPlan) -> Result<(), String> {
        let keys = self.keys.as_ref().filter(|_| self.named);
        let Some(keys) = keys else {
            return Err("the first keys are not made yet".to_owned());
        };
        if self.handing.is_some() {
            return Err("a hand-over is under way".to_owned());
        }
        if plan.epoch != keys.epoch {
            return Err(format!("epoch {} is in force by now", keys.epoch));
        }
        let seats = check_change(&self.seats, &plan.seats)?;
        let come = seats.keys().iter().filter(|key| !self.seats.contains(key));
        let mut barred = come.filter_map(|key| Some((key, self.members.barred(key, self.time)?)));
        if let Some((key, barred)) = barred.next() {
            return Err(format!("{key} can have no seat: it {barred}"));
        }
        let strangers = seats.keys().iter();
        let mut strangers = strangers.filter(|key| self.members.facts(key).is_none());
        if let Some(stranger) = strangers.next() {
            return Err(format!(
                "the committee does not know {stranger} as a member"
            ));
        }
        Ok(())
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

    /// Returns the reported violations.
    pub const fn cases(&self) -> &Cases {
        &self.cases
    }

    /// Returns the audits of members' nodes.
    pub const fn audits(&self) -> &Audits {
        &self.audits
    }

    /// Tells whether a record about a case may come into the log.
    pub fn timely(&self, record: &Record) -> Timely {
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        self.cases.timely(record, self.hall(&is_member))
    }

    fn hall<'a>(&'a self, is_member: &'a dyn Fn(&PublicKey) -> bool) -> Hall<'a> {
        Hall {
            mesh: &self.mesh,
            seats: &self.seats,
            sentences: self.members.sentences(),
            height: self.height,
            time: self.time,
            can_open: self.named,
            is_member,
        }
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
        }
    }

    /// Tells whether something about a case may stand in the next block.
    fn admits_case(&self, entry: &CaseEntry) -> bool {
        let is_at_work = self.named && !self.is_passing();
        match entry {
            // Even before there are keys, so that the first checkpoint counts as all nodes do.
            CaseEntry::Sentence {
                accused,
                case,
                sentence,
            } => self.lacks_sentence(*accused, *case, sentence),
            CaseEntry::Record(record) => is_at_work && self.timely(record.record()) == Timely::Now,
            CaseEntry::Opened { case, signature } => {
                let keys = self.keys.as_ref();
                let label = self.cases.label(case, &self.mesh);
                let opened = keys.zip(label).filter(|_| is_at_work);
                opened.is_some_and(|(keys, label)| {
                    let key = keys.group(Purpose::Decryption).public();
                    key.verify(Purpose::Decryption, &label, signature).is_ok()
                })
            }
            CaseEntry::Charter(charter) => {
                is_at_work && self.cases.follows(charter) && self.is_voted_for(charter)
            }
        }
    }

    /// Tells whether a sentence that holds now is not known here.
    pub(super) fn lacks_sentence(
        &self,
        accused: PublicKey,
        case: ContentId,
        sentence: &Sentence,
    ) -> bool {
        !sentence.is_over(self.time) && !self.members.sentences().has(accused, case, sentence)
    }

    /// Tells whether a vote has put a charter in force: an ordinary one that was open as long as the charter before it
    /// asks for.
    fn is_voted_for(&self, charter: &Charter) -> bool {
        let vote = self.polls.passed(&charter.id());
        let Some(vote) = vote.filter(|vote| !vote.emergency) else {
            return false;
        };
        let held = self.polls.find(&vote.proposal);
        let window = held.map(|held| held.proposal().rules.window());
        window >= self.cases.vote_window()
    }

    /// Tells whether something about votes may stand in the next block, the committee's signatures included.
    fn admits_vote(&self, entry: &VoteEntry) -> bool {
        let Some(roll) = self.members.counted().filter(|_| self.named) else {
            return false;
        };
        if !self.polls.admits(entry, self.time, roll) {
            return false;
        }
        // No vote is opened by seats that are about to leave, so that its opening tells which seats hold it.
        let opens = matches!(entry, VoteEntry::Proposed(_) | VoteEntry::Drawn { .. });
        if opens && self.is_passing() {
            return false;
        }
        match entry {
            VoteEntry::Drawn {
                proposal,
                signature,
            } => {
                let round = self.polls.to_draw(proposal);
                round.is_some_and(|round| self.beacon(round, signature).is_some())
            }
            VoteEntry::Certified(certificate) => self.has_certified(certificate),
            VoteEntry::Proposed(proposal) => self.check_seal(proposal, roll).is_ok(),
            VoteEntry::OnCall(_)
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Opened(_)
            | VoteEntry::Refuted { .. }
            | VoteEntry::Verdict(_) => true,
        }
    }

    /// Tells what became of something that a member handed in for a vote: that it stands in the log, or that it cannot.
    ///
    /// # Errors
    ///
    /// Returns why it has no effect, in words; `Ok(false)` if it may still come into the log.
    pub fn vote_standing(&self, item: &VoteItem, time: Wall, roll: &Roll) -> Result<bool, String> {
        let standing = self.polls.standing(item, time, roll)?;
        if let (VoteItem::Proposal(proposal), false) = (item, standing) {
            self.check_seal(proposal, roll)?;
        }
        Ok(standing)
    }

    /// Checks that the ballots of a proposed vote are open, or that the committee can open them.
    fn check_seal(&self, proposal: &VoteProposal, roll: &Roll) -> Result<(), String> {
        let Some(key) = &proposal.rules.sealed_to else {
            return Ok(());
        };
        let own = self.keys.as_ref().map(Keys::public);
        if own.is_none_or(|own| own.decryption != **key) {
            return Err("its ballots would be sealed to another key than the committee's".into());
        }
        let voters = roll.electorate().count;
        if voters > SEALED_VOTERS_MAX {
            return Err(format!(
                "{voters} members could vote, and the seats open {SEALED_VOTERS_MAX} sealed ballots at most: propose \
                 it with open ballots"
            ));
        }
        Ok(())
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

    /// Takes what a block says of votes: their own before the delegations of the same block.
    fn take_votes(&mut self, block: &Block) {
        let roll = self.roll();
        let entries: Vec<_> = block
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Vote(entry) if self.admits_vote(entry) => Some(&**entry),
                Entry::Vote(_)
                | Entry::Dealt { .. }
                | Entry::Keys(_)
                | Entry::Members(_)
                | Entry::Checkpoint
                | Entry::Admission(_)
                | Entry::Said { .. }
                | Entry::Seats { .. }
                | Entry::HandOver(_)
                | Entry::Halt { .. }
                | Entry::Revoked { .. }
                | Entry::Case(_)
                | Entry::Audits { .. } => None,
            })
            .collect();
        let drawn = entries.iter().filter_map(|entry| match entry {
            VoteEntry::Drawn {
                proposal,
                signature,
            } => {
                let round = self.polls.to_draw(proposal)?;
                Some((*proposal, self.beacon(round, signature)?))
            }
            VoteEntry::Proposed(_)
            | VoteEntry::OnCall(_)
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Opened(_)
            | VoteEntry::Certified(_)
            | VoteEntry::Refuted { .. }
            | VoteEntry::Verdict(_) => None,
        });
        let drawn: BTreeMap<_, _> = drawn.collect();
        let turn = Turn {
            entries: &entries,
            height: self.height,
            time: self.time,
            roll: &roll,
            round: self.round,
        };
        let (happened, asked) = self
            .polls
            .apply(&turn, |proposal| drawn.get(proposal).copied());
        self.round += asked;
        self.happened = happened;
        let passed: Vec<_> = self.polls.passed_at(self.height).collect();
        for vote in passed {
            self.publish(PublicWhat::Passed {
                proposal: vote.proposal,
                subject: vote.subject,
                emergency: vote.emergency,
            });
        }
        self.heed_votes_on_halts();
    }

    /// Ends the halts that an emergency vote resumes, and prolongs those that a vote renews.
    fn heed_votes_on_halts(&mut self) {
        let (time, polls) = (self.time, &self.polls);
        for halted in self.halts.values_mut().filter(|it| it.until > time) {
            let resumed = polls.passed(&halted.halt.resumption());
            if resumed.is_some_and(|vote| vote.emergency) {
                halted.until = time;
            } else if let Some(vote) = polls.passed(&halted.halt.renewal()) {
                halted.until = halted.until.max(vote.time + HALT_LIFE);
            }
        }
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
        self.close_first();
        self.close_handing();
        self.overrides.forget(self.time);
        if is_turn {
            self.admissions.forget(self.time);
        }
        copy
    }

    /// Moves cases on with time, and takes note of what verdicts have come to.
    fn ripen_cases(&mut self) {
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        let mut cases = core::mem::take(&mut self.cases);
        let passed = cases.ripen(self.hall(&is_member));
        self.cases = cases;
        for (case, verdict) in passed {
            let (accused, sentence) = (verdict.accused, verdict.sentence);
            self.members.sentence(accused, case, sentence);
            self.publish(PublicWhat::Verdict {
                case,
                verdict: Box::new(verdict),
            });
        }
        self.members.forget_sentences(self.time);
    }

    /// Takes something about a case.
    fn take_case(&mut self, entry: &CaseEntry) {
        if let CaseEntry::Sentence {
            accused,
            case,
            sentence,
        } = entry
        {
            return self.members.sentence(*accused, *case, *sentence);
        }
        let members = &self.members;
        let is_member = |key: &PublicKey| members.facts(key).is_some();
        let mut cases = core::mem::take(&mut self.cases);
        match entry {
            CaseEntry::Record(record) => cases.take(record.record(), self.hall(&is_member)),
            CaseEntry::Opened { case, signature } => {
                cases.unseal(case, signature, self.hall(&is_member));
            }
            CaseEntry::Charter(charter) => {
                cases.amend(charter);
                self.audits.amend(charter);
            }
            CaseEntry::Sentence { .. } => {}
        }
        self.cases = cases;
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

    /// Ends the ceremonies that make the first keys, if it is time.
    fn close_first(&mut self) {
        let Some(making) = &mut self.making else {
            return;
        };
        match making.close(self.time, self.scale) {
            Some(Made::Keys(keys)) => {
                let left_out = making.left_out();
                self.keys = Some(*keys);
                self.named = false;
                self.made = self.making.take();
                self.tell_left_out(left_out);
            }
            Some(Made::Failed { again }) => {
                let (epoch, left_out) = (making.epoch(), making.left_out());
                if let Some(again) = again {
                    self.numbered = again.epoch();
                    self.making = Some(*again);
                }
                self.tell_left_out(left_out);
                self.news.push(SeatNews::Failed { epoch, again: true });
            }
            None => {}
        }
    }

    /// Ends the ceremonies of a hand-over, if it is time: with keys, once more, or for good.
    fn close_handing(&mut self) {
        let (time, scale, height) = (self.time, self.scale, self.height);
        let Some(handing) = self.handing.as_mut().filter(|h| h.made.is_none()) else {
            return;
        };
        let epoch = handing.making.epoch();
        let closed = handing.making.close(time, scale);
        let left_out = closed.as_ref().map(|_| handing.making.left_out());
        let longest = Millis(MAKING_KEYS_MAX.0.saturating_mul(scale));
        let is_over = handing.begun + longest <= time;
        match closed {
            Some(Made::Keys(keys)) => handing.made = Some((keys, height)),
            Some(Made::Failed { again: Some(again) }) if handing.tries < TRIES_MAX && !is_over => {
                handing.tries += 1;
                handing.making = *again;
                self.numbered = handing.making.epoch();
                self.news.push(SeatNews::Failed { epoch, again: true });
            }
            None if !is_over => {}
            None | Some(Made::Failed { .. }) => {
                self.handing = None;
                let again = false;
                self.news.push(SeatNews::Failed { epoch, again });
            }
        }
        self.tell_left_out(left_out.unwrap_or_default());
    }

    fn tell_left_out(&mut self, left_out: Vec<(PublicKey, String)>) {
        let named = left_out.into_iter();
        self.news
            .extend(named.map(|(who, why)| SeatNews::LeftOut { who, why }));
    }

    /// Tells whether the next keys are made: nothing is certified any more but their hand-over.
    fn is_passing(&self) -> bool {
        let handing = self.handing.as_ref();
        handing.is_some_and(|handing| handing.made.is_some())
    }

    fn is_handed_over_by(&self, certificate: &Certificate) -> bool {
        let (Some(keys), Some(handing)) = (&self.keys, &self.handing) else {
            return false;
        };
        let subject = Subject::Statement(certificate.statement);
        certificate.epoch == keys.epoch
            && handing.statement() == Some(certificate.statement)
            && keys
                .group(Purpose::Certificate)
                .verify(
                    &subject.message(&self.mesh, keys.epoch),
                    &certificate.signature,
                )
                .is_ok()
    }

    /// Begins a hand-over, if its ceremonies can be held.
    fn begin_handing(&mut self, plan: &SeatsPlan) {
        let (Some(keys), Some(seats)) = (&self.keys, Seats::new(plan.seats.clone())) else {
            return;
        };
        let epoch = self.numbered + 1;
        let Some(making) = Making::hand_over(self.mesh, epoch, keys, &seats) else {
            return;
        };
        self.numbered = epoch;
        self.plans.clear();
        self.news.push(SeatNews::Begun {
            epoch,
            seats: u32::try_from(seats.len()).unwrap_or(u32::MAX),
        });
        self.handing = Some(Handing {
            seats,
            making,
            begun: self.time,
            tries: 1,
            made: None,
        });
    }

    /// Puts the next keys and seats in force: they decide and sign from the next height on.
    fn hand_over(&mut self, certificate: Certificate) {
        let next = self.handing.as_ref().and_then(Handing::next);
        let (Some(next), Some(handing)) = (next, self.handing.take()) else {
            return;
        };
        let Some((keys, height)) = handing.made else {
            return;
        };
        self.news.push(SeatNews::HandedOver {
            epoch: keys.epoch,
            seats: u32::try_from(handing.seats.len()).unwrap_or(u32::MAX),
        });
        self.publish(PublicWhat::HandedOver {
            epoch: keys.epoch,
            seats: handing.seats.keys().to_vec(),
        });
        self.keys = Some(*keys);
        self.seats = handing.seats;
        self.polls.pass_to(self.seats.clone());
        self.made = Some(handing.making);
        self.since = height;
        self.plans.clear();
        self.handed = Some(Box::new(HandedOver { next, certificate }));
        // Tickets that still hold are signed again, so that an act does not have to be asked for anew.
        let time = self.time;
        self.tickets.retain(|_, statement| match statement {
            Statement::Ticket(ticket) => ticket.expires > time,
            Statement::Checkpoint(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_)
            | Statement::Ruling(_)
            | Statement::Audits(_) => false,
        });
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
        let certified = votes.chain(rulings).chain(audits);
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

    /// Returns what became of an act that was asked for.
    pub fn standing(&self, act: &ContentId) -> Option<Standing> {
        let decision = self.admissions.decision(act)?.clone();
        let (cosigners, is_drawn) = match &decision {
            Decision::Admitted(ticket) => {
                let allowed = self.share.nodes_of(ticket.electorate.count).max(self.floor);
                let cosigners = cosigners_over(&ticket.electorate, ticket.reach(), allowed);
                (cosigners, cosigners > 0 || ticket.panel.is_some())
            }
            Decision::Refused { .. } => (0, false),
        };
        Some(Standing {
            decision,
            cosigners,
            is_drawn,
        })
    }

    /// Draws co-signers and signatories for an admitted act by the signature over its round.
    ///
    /// `None` if the electorate or the seats have changed since: another seat may know them still.
    pub fn draw(&mut self, act: &ContentId, signature: ThresholdSignature) -> Option<Draw> {
        let standing = self.standing(act)?;
        let Decision::Admitted(ticket) = standing.decision else {
            return None;
        };
        let (roll, seated) = (self.roll(), self.seated());
        let has_changed = ticket
            .panel
            .is_some_and(|panel| panel.seats != seated.electorate());
        if roll.electorate() != ticket.electorate || has_changed {
            return None;
        }
        let value = self.beacon(ticket.round + 1, &signature)?;
        let wanted = match standing.cosigners {
            0 => 0,
            needed => needed + u32::from(super::admissions::PASSES_MAX),
        };
        draw((&roll, &seated), &ticket, &value, signature, wanted)
    }

    /// Lists those who hold a seat, as signatories are drawn from them.
    fn seated(&self) -> Roll {
        let electors = self.seats.keys().iter();
        let electors = electors.filter(|key| !self.members.is_out(key, self.time));
        let electors = electors.map(|key| Elector {
            key: *key,
            subtree: self.subtree_of(key),
        });
        Roll::of_electors(electors.collect())
    }

    fn asker(&self, agent: PublicKey) -> Asker {
        let subtree = self.subtree_of(&agent);
        Asker { agent, subtree }
    }

    fn subtree_of(&self, key: &PublicKey) -> PublicKey {
        self.members.facts(key).map_or(*key, |facts| facts.subtree)
    }

    /// Counts who can be drawn for an agent: one of each first-level invite subtree, and none of its own.
    fn room(&self, roll: &Roll, seated: &Roll, agent: &PublicKey) -> Option<Room> {
        roll.place_of(agent)?;
        let subtree = |elector: &Elector| elector.subtree;
        let mut subtrees: BTreeSet<_> = roll.electors().iter().map(subtree).collect();
        subtrees.extend(seated.electors().iter().map(subtree));
        subtrees.remove(&self.subtree_of(agent));
        Some(Room {
            signatories: u32::try_from(subtrees.len()).unwrap_or(u32::MAX),
            cosigners: drawable(&roll.electorate()),
        })
    }

    fn beacon(&self, round: u64, signature: &ThresholdSignature) -> Option<BeaconValue> {
        let keys = self.keys.as_ref()?;
        let message = Subject::Round(round).message(&self.mesh, keys.epoch);
        let key = keys.group(Purpose::Beacon).public();
        key.beacon_value(&message, signature).ok()
    }

    fn roll(&mut self) -> Arc<Roll> {
        self.members.roll(self.time)
    }

    fn is_open(&self, act: &ContentId) -> bool {
        match self.admissions.decision(act) {
            Some(Decision::Admitted(ticket)) => ticket.expires > self.time,
            Some(Decision::Refused { .. }) => true,
            None => false,
        }
    }

    fn may_pass(&self, said: &Said, passed: u8) -> bool {
        let Some(Decision::Admitted(ticket)) = self.admissions.decision(&said.act) else {
            return false;
        };
        said.by == ticket.agent && passed == ticket.passed + 1
    }

    fn may_refuse(&self, said: &Said, draw: &Draw) -> bool {
        let found = self.found(said, draw);
        found.is_some_and(|(_, found)| found.cosigners.contains(&said.by))
    }

    fn may_decline(&self, said: &Said, under: ContentId, draw: &Draw) -> bool {
        let Some((ticket, found)) = self.found(said, draw) else {
            return false;
        };
        ticket.name() == under
            && found.signatories.contains(&said.by)
            && self.admissions.may_decline(&said.act, &said.by)
    }

    /// Finds the ticket that a word is about, and repeats the draw for it.
    fn found(&self, said: &Said, draw: &Draw) -> Option<(&Ticket, Found)> {
        let Decision::Admitted(ticket) = self.admissions.decision(&said.act)? else {
            return None;
        };
        let value = self.beacon(ticket.round + 1, &draw.signature)?;
        Some((ticket, check_draw(draw, ticket, &value).ok()?))
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
            Entry::Halt { halt, root } => self.halt(*halt, *root),
            Entry::Revoked { root, ids } => self.revoke(*root, ids),
        }
    }

    fn halt(&mut self, halt: HaltId, root: RootKey) {
        let halted = Halted {
            halt,
            root,
            height: self.height,
            began: self.time,
            until: self.time + HALT_LIFE,
        };
        self.halts.insert(halt, halted);
        let until = halted.until;
        self.publish(PublicWhat::Halted { halt, root, until });
        while self.halts.len() > HALTS_KEPT_MAX {
            let first = self.halts.values().min_by_key(|it| (it.until, it.halt));
            let Some(first) = first.map(|it| it.halt) else {
                return;
            };
            self.halts.remove(&first);
        }
    }

    /// Takes note of revocations, and ends the tickets that they strike.
    fn revoke(&mut self, root: RootKey, ids: &[RevocationId]) {
        for id in ids {
            self.revoked.insert(root, *id);
        }
        self.admissions.revoke(&self.revoked, self.time);
        let admissions = &self.admissions;
        self.tickets.retain(|_, statement| {
            let act = statement.ticket().map(|ticket| ticket.act);
            let decision = act.and_then(|act| admissions.decision(&act));
            !matches!(decision, Some(Decision::Refused { .. }))
        });
    }

    /// Tells whether the log knows that a block of a token is revoked.
    pub(super) fn is_revoked(&self, root: &RootKey, id: &RevocationId) -> bool {
        self.revoked.has(root, id)
    }

    /// Iterates over the tickets that hold, with the blocks of the tokens under which they were issued.
    pub(super) fn open_tickets(&self) -> impl Iterator<Item = (&Ticket, &[RevocationId])> {
        self.admissions.open(self.time)
    }

    fn admit(&mut self, admission: &Admission) {
        let agent = admission.asked.by;
        if let Some(barred) = self.members.barred(&agent, self.time) {
            let why = format!("{agent} {barred}");
            return self.admissions.bar(admission.asked.act, why, self.time);
        }
        let terms = self.terms(Some(&agent));
        let vote = self
            .polls
            .passed(&admission.act.matter(&admission.asked.by))
            .map(|vote| vote.proposal);
        let decision =
            self.admissions
                .admit(admission, (&self.members, &self.revoked), vote, &terms);
        let Decision::Admitted(ticket) = *decision else {
            return;
        };
        self.issue(Statement::Ticket(ticket));
        self.publish_admitted(admission, &ticket, vote);
        if terms.draws_for(&ticket) {
            self.round += 1;
        }
    }

    /// Enters an override into the public log, and an act on the whole network that a vote has approved.
    fn publish_admitted(
        &mut self,
        admission: &Admission,
        ticket: &Ticket,
        vote: Option<ContentId>,
    ) {
        let Ticket {
            act,
            agent,
            root,
            nodes,
            ..
        } = *ticket;
        let Act {
            change, targets, ..
        } = &admission.act;
        if let Some(words) = &admission.emergency {
            let until = self.time + words.notice();
            self.overrides.open(act, self.asker(agent), until);
            return self.publish(PublicWhat::Override(Box::new(OverrideTold {
                act,
                agent,
                root,
                change: change.clone(),
                targets: targets.clone(),
                nodes,
                words: words.as_ref().clone(),
                until,
            })));
        }
        if let Some(vote) = vote.filter(|_| scope_of(nodes) == Scope::Network) {
            self.publish(PublicWhat::Admitted(Box::new(ActAdmitted {
                act,
                agent,
                root,
                change: change.clone(),
                nodes,
                vote,
            })));
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

    /// Returns the overrides that are still to be told to all, and of which this seat has not said that it heard.
    pub fn unheard(&self, seat: &PublicKey) -> impl Iterator<Item = &ContentId> {
        let seated = self.seats.contains(seat) && !self.is_passing();
        let open = self.overrides.unheard(*seat, self.time);
        open.filter(move |_| seated)
    }

    fn issue(&mut self, statement: Statement) {
        self.issued += 1;
        self.tickets.insert(self.issued, statement);
        while self.tickets.len() > TICKETS_SIGNED_MAX {
            self.tickets.pop_first();
        }
    }

    /// Says under which conditions acts are admitted now, and those of an agent who asks.
    fn terms(&mut self, agent: Option<&PublicKey>) -> Terms {
        let (roll, seated) = (self.roll(), self.seated());
        Terms {
            height: self.height,
            time: self.time,
            round: self.round,
            electorate: roll.electorate(),
            seats: seated.electorate(),
            room: agent.and_then(|agent| self.room(&roll, &seated, agent)),
            share: self.share,
            floor: self.floor,
            scale: self.scale,
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
