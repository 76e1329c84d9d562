//! What follows from the committee log, and nothing else: every seat that has read the same blocks is in the same
//! state.
//!
//! - the committee's keys, and the ceremonies in which they are made;
//! - the members, as all seats agree to count them;
//! - acts admitted, and the rounds of the beacon asked for;
//! - what the seats are to sign together.
//!
//! An entry that holds no longer when its turn comes has no effect. What depends on clocks goes by mesh time, as the
//! block says it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{RootKey, ShareBp},
    committee::{BeaconValue, Ceremony, Logs, Purpose, ThresholdSignature},
};

use super::{
    Seats,
    admissions::{Admissions, Decision, Terms},
    making::{Keys, Made, Making},
    members::{Members, Roll},
};
use crate::{
    core::time::{Millis, Wall},
    spine::{
        beacon::{check_draw, draw, drawable},
        halt::{HALT_LIFE, HaltId, Step, allows},
    },
    wire::{
        Admission, Block, Checkpoint, Draw, Entry, Halted, MemberChange, MemberFacts, Parameters,
        Said, Statement, Subject, Word, decode_own, encode_entry,
    },
};

/// Time after which the log is certified anew although nothing but time has passed, real time.
const CHECKPOINT_EVERY: Millis = Millis::from_mins(60);
/// Tickets, of the newest, that the seats still sign after a restart.
const TICKETS_SIGNED_MAX: usize = 256;
/// Halts, of the last to lapse, that the log remembers.
const HALTS_KEPT_MAX: usize = 256;
/// Rounds, of the newest, that the seats still sign after a restart.
const ROUNDS_SIGNED_MAX: u64 = 16;

/// The state after a height of the log.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    mesh: ContentId,
    share: ShareBp,
    floor: u32,
    scale: u64,
    height: u64,
    time: Wall,
    making: Option<Making>,
    /// The ceremonies that made the keys, until every seat must have its share.
    made: Option<Making>,
    keys: Option<Keys>,
    named: bool,
    members: Members,
    admissions: Admissions,
    round: u64,
    checkpoint: Option<Checkpoint>,
    /// Tickets to be signed, by the order in which they were issued.
    #[serde(with = "super::rows")]
    tickets: BTreeMap<u64, Statement>,
    issued: u64,
    /// The halts taken up, those past too.
    #[serde(default, with = "super::rows")]
    halts: BTreeMap<HaltId, Halted>,
}

/// What became of an admission, with what a seat needs to draw for it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Whether co-signers are to be drawn, and how many.
    pub cosigners: u32,
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
        Self {
            mesh,
            share: parameters.mass_action_share,
            floor: parameters.mass_action_floor,
            scale: u64::from(parameters.time_scale.0),
            height: 0,
            time: founded,
            making: Making::first(mesh, seats),
            made: None,
            keys: None,
            named: false,
            members: Members::new(members, parameters.member_age),
            admissions: Admissions::default(),
            round: 0,
            checkpoint: None,
            tickets: BTreeMap::new(),
            issued: 0,
            halts: BTreeMap::new(),
        }
    }

    /// Encodes the state for the store.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(self)
    }

    /// Reads a state back from the own store; `None` if it is damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode_own(bytes)
    }

    /// Returns mesh time as of the last height applied.
    pub const fn time(&self) -> Wall {
        self.time
    }

    /// Returns the last height applied.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Returns the ceremonies under way.
    pub fn ceremonies(&self) -> impl Iterator<Item = &Ceremony> {
        self.making.iter().flat_map(Making::ceremonies)
    }

    /// Returns whether a dealer's log is in.
    pub fn has_log(&self, ceremony: &ContentId, dealer: &PublicKey) -> bool {
        let making = self.making.as_ref();
        making.is_some_and(|making| making.has_log(ceremony, dealer))
    }

    /// Returns the keys in force.
    pub const fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Returns the ceremony and the logs that made the key for a purpose.
    pub fn made(&self, purpose: Purpose) -> Option<(&Ceremony, &Logs)> {
        self.made.as_ref()?.logs(purpose)
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
        self.is_checkpoint_due().then_some(Entry::Checkpoint)
    }

    /// Tells whether the next height should come soon, as a ceremony waits for its end.
    pub fn is_pressing(&self) -> bool {
        let is_begun = self.making.as_ref().is_some_and(Making::is_begun);
        is_begun || (self.keys.is_some() && !self.named)
    }

    fn is_checkpoint_due(&self) -> bool {
        let Some(last) = &self.checkpoint else {
            return true;
        };
        let every = Millis(CHECKPOINT_EVERY.0.saturating_mul(self.scale));
        last.members != self.members.count() || last.time + every <= self.time
    }

    /// Tells whether an entry may stand in the next block; what it says of members is for each seat to know.
    pub fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Dealt { ceremony, log } => {
                let making = self.making.as_ref();
                making.is_some_and(|making| making.admits(ceremony, log))
            }
            Entry::Keys(keys) => {
                !self.named && self.keys.as_ref().is_some_and(|own| own.public() == **keys)
            }
            Entry::Members(changes) => changes
                .iter()
                .all(|change| self.members.facts(&change.key) != change.facts.as_ref()),
            Entry::Checkpoint => self.named && self.is_checkpoint_due(),
            Entry::Admission(admission) => {
                self.named && self.may(Step::Ticket) && !self.is_open(&admission.asked.act)
            }
            Entry::Said { said, draw } => match said.word {
                Word::Pass { passed } => self.may(Step::Ticket) && self.may_pass(said, passed),
                Word::Refuse => draw
                    .as_ref()
                    .is_some_and(|draw| self.may_refuse(said, draw)),
                Word::Ask | Word::Agree | Word::Cosign => false,
            },
            Entry::Halt { halt, .. } => self.named && !self.halts.contains_key(halt),
        }
    }

    /// Applies a block that follows the last one.
    pub fn apply(&mut self, block: &Block, time: Wall) {
        self.height = block.height;
        self.time = time;
        for entry in &block.entries {
            self.take(entry, block);
        }
        if let Some(making) = &mut self.making {
            match making.close(time, self.scale) {
                Some(Made::Keys(keys)) => {
                    self.keys = Some(*keys);
                    self.named = false;
                    self.made = self.making.take();
                }
                Some(Made::Failed { again }) => self.making = Some(*again),
                None => {}
            }
        }
    }

    /// Forgets what counts no longer; at the same heights everywhere.
    pub fn forget(&mut self) {
        self.admissions.forget(self.time);
    }

    /// Returns all that the seats are to sign together, as of now.
    pub fn subjects(&self) -> Vec<Subject> {
        if !self.named {
            return Vec::new();
        }
        let checkpoint = self.checkpoint.map(Statement::Checkpoint);
        let halts = self.halts.values().filter(|halt| halt.until > self.time);
        let halts = halts.map(|halt| Statement::Halt(*halt));
        let may_issue = self.may(Step::Ticket);
        let tickets = self.tickets.values().filter(|_| may_issue).copied();
        let statements = checkpoint.into_iter().chain(halts).chain(tickets);
        let first = self.round.saturating_sub(ROUNDS_SIGNED_MAX) + 1;
        let rounds = (first..=self.round).map(Subject::Round);
        statements.map(Subject::Statement).chain(rounds).collect()
    }

    /// Returns what became of an act that was asked for.
    pub fn standing(&self, act: &ContentId) -> Option<Standing> {
        let decision = self.admissions.decision(act)?.clone();
        let cosigners = match &decision {
            Decision::Admitted(ticket) => {
                let allowed = self.share.nodes_of(ticket.electorate.count).max(self.floor);
                cosigners(
                    ticket.reach(),
                    ticket.electorate.count,
                    allowed,
                    drawable(&ticket.electorate),
                )
            }
            Decision::Refused { .. } => 0,
        };
        Some(Standing {
            decision,
            cosigners,
        })
    }

    /// Draws co-signers for an admitted act by the signature over its round.
    ///
    /// `None` if the electorate has changed since: another seat may know it still.
    pub fn draw(&mut self, act: &ContentId, signature: ThresholdSignature) -> Option<Draw> {
        let standing = self.standing(act)?;
        let Decision::Admitted(ticket) = standing.decision else {
            return None;
        };
        let roll = self.roll();
        if roll.electorate() != ticket.electorate {
            return None;
        }
        let value = self.beacon(ticket.round + 1, &signature)?;
        let wanted = standing.cosigners + u32::from(super::admissions::PASSES_MAX);
        draw(&roll, &ticket.agent, act, &value, signature, wanted)
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
        let Some(Decision::Admitted(ticket)) = self.admissions.decision(&said.act) else {
            return false;
        };
        let Some(value) = self.beacon(ticket.round + 1, &draw.signature) else {
            return false;
        };
        let drawn = check_draw(draw, &ticket.electorate, &ticket.agent, &said.act, &value);
        drawn.is_ok_and(|drawn| drawn.contains(&said.by))
    }

    fn take(&mut self, entry: &Entry, block: &Block) {
        if !self.admits(entry) {
            return;
        }
        match entry {
            Entry::Dealt { ceremony, log } => {
                let time = self.time;
                if let Some(making) = &mut self.making {
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
                });
            }
            Entry::Admission(admission) => self.admit(admission),
            Entry::Said { said, .. } => match said.word {
                Word::Pass { passed } => {
                    let terms = self.terms();
                    if let Some(ticket) = self.admissions.pass(said.act, passed, &terms) {
                        self.issue(Statement::Ticket(ticket));
                    }
                }
                Word::Refuse => self.admissions.refuse(said.act, &said.by),
                Word::Ask | Word::Agree | Word::Cosign => {}
            },
            Entry::Halt { halt, root } => self.halt(*halt, *root),
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
        while self.halts.len() > HALTS_KEPT_MAX {
            let first = self.halts.values().min_by_key(|it| (it.until, it.halt));
            let Some(first) = first.map(|it| it.halt) else {
                return;
            };
            self.halts.remove(&first);
        }
    }

    fn admit(&mut self, admission: &Admission) {
        let terms = self.terms();
        let decision = self.admissions.admit(admission, &self.members, &terms);
        let Decision::Admitted(ticket) = *decision else {
            return;
        };
        self.issue(Statement::Ticket(ticket));
        if ticket.reach() > terms.allowed() {
            self.round += 1;
        }
    }

    fn issue(&mut self, statement: Statement) {
        self.issued += 1;
        self.tickets.insert(self.issued, statement);
        while self.tickets.len() > TICKETS_SIGNED_MAX {
            self.tickets.pop_first();
        }
    }

    fn terms(&mut self) -> Terms {
        Terms {
            height: self.height,
            time: self.time,
            round: self.round,
            electorate: self.roll().electorate(),
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
