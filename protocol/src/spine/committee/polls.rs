//! Votes as they follow from the committee log.
//!
//! A member that counts proposes; the vote is open from that block on, for all who count then. An emergency vote waits
//! for a round of the beacon first, by which its jury is drawn from the members on call. Ballots and delegations come
//! in batches; after the close each seat lists what it holds; the tally is certified, can be refuted for a time, and
//! then the committee says how the vote ended. The rules of one vote are [`Poll`]'s.
//!
//! What a block brings for a vote is taken before the delegations of the same block: a delegation holds from the next
//! block on.
//!
//! So that nobody can fill the log there are at most a number of open votes, and a smaller one for each proposer;
//! one jury is drawn for one subject in a day.
//!
//! Each day the beacon draws the jury of the day after the next, if members enough are on call ([`super::juries`]): an
//! emergency vote is put to it. What it has decided while the seats could not be reached the log takes in afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, PublicKey,
    committee::{BeaconValue, CommitteeKey},
};

use super::{
    Seats,
    juries::DayJuries,
    members::{Roll, rolls},
};
use crate::{
    core::{
        limits::{
            BALLOTS_KEPT_MAX, PAGE_LEAVES_MAX, PROPOSAL_AGE_MAX, VOTE_STALL_MAX, VOTES_KEPT_MAX,
            VOTES_OPEN_MAX, VOTES_PER_MEMBER_MAX,
        },
        time::{Millis, Wall},
    },
    spine::ballot::{
        self, Batch, Delegations, Electorate, Leaf, Opening, Outcome, Phase, Poll, Secrecy, Sums,
        VoidReason,
        fraud::{Fraud, NotFraud},
        jury::JurySize,
    },
    wire::{
        Ballot, BallotList, Certificate, Delegation, Elector, JuryProof, OnCall, Statement,
        VoteBatch, VoteEnd, VoteEntry, VoteItem, VoteNotice, VoteOpened, VotePassed, VoteProposal,
        VoteResolved, decided, jury_electorate,
    },
};

/// Time in which no second jury is drawn for one subject.
const JURY_AGAIN: Millis = Millis::from_mins(24 * 60);

/// All votes of a mesh.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polls {
    mesh: ContentId,
    seats: Seats,
    scale: u64,
    #[serde(with = "crate::core::pairs")]
    held: BTreeMap<ContentId, Held>,
    delegations: Delegations,
    #[serde(with = "crate::core::pairs")]
    on_call: BTreeMap<PublicKey, (u32, bool)>,
    days: DayJuries,
    /// What juries have decided past the log, by subject.
    #[serde(with = "crate::core::pairs")]
    verdicts: BTreeMap<ContentId, VoteResolved>,
    /// Subjects for which a jury was asked for within the last day, and when: they are not asked for again, even if the
    /// vote is forgotten.
    #[serde(with = "crate::core::pairs")]
    juries: BTreeMap<ContentId, Wall>,
}

/// One vote.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    proposal: VoteProposal,
    proposed: Wall,
    voters: Voters,
    /// The height at which it was opened.
    opened: u64,
    poll: Option<Box<Poll>>,
    resolved: Option<VoteResolved>,
}

/// Who votes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Voters {
    /// All who counted at the opening.
    Members(#[serde(with = "rolls")] Arc<Roll>),
    /// A jury that this round of the beacon is to draw, from those who were on call before anybody knew the round.
    ToDraw { round: u64, pool: Vec<Elector> },
    /// A jury, in order.
    Jury(Vec<PublicKey>),
}

impl ballot::Roll for Voters {
    fn contains(&self, key: &PublicKey) -> bool {
        match self {
            Self::Members(roll) => roll.place_of(key).is_some(),
            Self::ToDraw { .. } => false,
            Self::Jury(jury) => jury.binary_search(key).is_ok(),
        }
    }
}

/// What a block brings, and what it is judged by.
pub(super) struct Turn<'a> {
    /// The entries, in their order.
    pub(super) entries: &'a [&'a VoteEntry],
    /// The height of the block.
    pub(super) height: u64,
    /// Mesh time.
    pub(super) time: Wall,
    /// Those who count.
    pub(super) roll: &'a Arc<Roll>,
    /// The highest round of the beacon asked for.
    pub(super) round: u64,
}

/// Something that happened to a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The vote.
    pub proposal: ContentId,
    /// What, in words.
    pub what: String,
}

impl Polls {
    /// Passes votes to other seats. Those that are open go on with what the seats before have listed; as many of them
    /// stay as make a quorum.
    pub(super) fn pass_to(&mut self, seats: Seats) {
        self.seats = seats;
    }

    pub(super) fn new(mesh: ContentId, seats: Seats, scale: u64) -> Self {
        Self {
            mesh,
            seats,
            scale,
            held: BTreeMap::new(),
            delegations: Delegations::default(),
            on_call: BTreeMap::new(),
            days: DayJuries::new(mesh),
            verdicts: BTreeMap::new(),
            juries: BTreeMap::new(),
        }
    }

    /// Iterates over the votes, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &Held)> {
        self.held.iter()
    }

    /// Finds a vote.
    pub fn find(&self, proposal: &ContentId) -> Option<&Held> {
        self.held.get(proposal)
    }

    /// Finds the vote whose counted ballots have this name.
    pub fn of_bundle(&self, bundle: &ContentId) -> Option<&Held> {
        self.held.values().find(|held| {
            let poll = held.poll.as_ref();
            let stated = poll.and_then(|poll| poll.statement());
            stated.is_some_and(|stated| stated.bundle() == *bundle)
        })
    }

    /// Finds a vote on a subject that has passed and is in force.
    pub fn passed(&self, subject: &ContentId) -> Option<VoteResolved> {
        let passed = VoteEnd::Outcome(Outcome::Passed);
        let resolved = self.held.values().filter_map(|held| held.resolved);
        let mut resolved = resolved.chain(self.verdicts.get(subject).copied());
        resolved.find(|resolved| resolved.subject == *subject && resolved.end == passed)
    }

    /// Returns the votes that passed at a height of the log, in order of vote.
    pub(super) fn passed_at(&self, height: u64) -> impl Iterator<Item = VoteResolved> {
        let passed = VoteEnd::Outcome(Outcome::Passed);
        let resolved = self.held.values().filter_map(|held| held.resolved);
        let resolved = resolved.chain(self.verdicts.values().copied());
        resolved.filter(move |vote| vote.height == height && vote.end == passed)
    }

    /// Tells what became of something that a member handed in: that it stands in the log, or that it cannot.
    ///
    /// # Errors
    ///
    /// Returns why it has no effect, in words; `Ok(false)` if it may still come into the log. What a member says once and
    /// for long, on juries or whom it trusts with its vote, waits until the committee counts the member.
    pub fn standing(&self, item: &VoteItem, time: Wall, roll: &Roll) -> Result<bool, String> {
        match item {
            VoteItem::Proposal(proposal) => {
                if self.held.contains_key(&proposal.id()) {
                    return Ok(true);
                }
                self.may_propose(proposal, time, roll).map(|()| false)
            }
            VoteItem::Ballot(ballot) => self.ballot_standing(ballot, time),
            VoteItem::Delegation(said) => {
                let known = self.delegations.seq_of(&said.member, &said.scope);
                Ok(known.is_some_and(|known| known >= said.seq))
            }
            VoteItem::OnCall(ready) => {
                let known = self.on_call.get(&ready.member);
                Ok(known.is_some_and(|(seq, _)| *seq >= ready.seq))
            }
        }
    }

    fn ballot_standing(&self, ballot: &Ballot, time: Wall) -> Result<bool, String> {
        let Some(held) = self.held.get(&ballot.proposal) else {
            return Err("the committee knows no such vote, or has forgotten it".to_owned());
        };
        let Some(poll) = &held.poll else {
            return Err("its jury is not drawn yet".to_owned());
        };
        if poll.is_double(&ballot.voter) {
            return Err("two different ballots of this voter have the same number".to_owned());
        }
        if poll.has(ballot) {
            return Ok(true);
        }
        let would = poll.would_take(ballot, &held.voters, time);
        would.map(|()| false).map_err(|why| why.to_string())
    }

    fn may_propose(&self, proposal: &VoteProposal, time: Wall, roll: &Roll) -> Result<(), String> {
        counts(&proposal.proposer, roll)?;
        let span = PROPOSAL_AGE_MAX.0.saturating_mul(self.scale);
        if proposal.made.0.abs_diff(time.0) > span {
            return Err("the proposal is too old, or dated ahead of mesh time".to_owned());
        }
        let open = || self.held.values().filter(|held| held.resolved.is_none());
        if open().count() >= VOTES_OPEN_MAX {
            return Err(format!(
                "{VOTES_OPEN_MAX} votes are open, no more are taken: wait until one ends"
            ));
        }
        let own = open().filter(|held| held.proposal.proposer == proposal.proposer);
        if own.count() >= VOTES_PER_MEMBER_MAX {
            return Err(format!(
                "this member has {VOTES_PER_MEMBER_MAX} open votes already: wait until one ends"
            ));
        }
        if proposal.rules.is_emergency() {
            if self.days.serving(proposal.made).is_none() && self.pool(roll).is_empty() {
                return Err("no member is on call for a jury".to_owned());
            }
            let last = self.juries.get(&proposal.subject);
            if last.is_some_and(|asked| *asked + JURY_AGAIN > time) {
                return Err("a jury was drawn for this subject within the last day".to_owned());
            }
        }
        Ok(())
    }

    /// Returns the members on call who count, in order of key.
    fn pool(&self, roll: &Roll) -> Vec<Elector> {
        let serves = |elector: &&Elector| {
            let ready = self.on_call.get(&elector.key);
            ready.is_some_and(|(_, serves)| *serves)
        };
        roll.electors().iter().filter(serves).copied().collect()
    }

    /// Tells whether an entry may stand in the next block; signatures of the committee are checked by the caller.
    pub(super) fn admits(&self, entry: &VoteEntry, time: Wall, roll: &Roll) -> bool {
        match entry {
            VoteEntry::Proposed(proposal) => {
                !self.held.contains_key(&proposal.id())
                    && self.may_propose(proposal, time, roll).is_ok()
            }
            VoteEntry::OnCall(ready) => {
                let known = self.on_call.get(&ready.member);
                known.is_none_or(|(seq, _)| *seq < ready.seq)
                    && roll.place_of(&ready.member).is_some()
            }
            VoteEntry::Drawn { proposal, .. } => self.to_draw(proposal).is_some(),
            VoteEntry::Batch(batch) => {
                !(batch.ballots.is_empty() && batch.delegations.is_empty())
                    && batch.ballots.iter().all(|ballot| self.takes(ballot, batch))
                    && batch
                        .delegations
                        .iter()
                        .all(|said| self.takes_delegation(said, roll))
            }
            VoteEntry::List(list) => {
                let poll = self.poll(&list.proposal);
                let due = poll.and_then(|poll| poll.part_due(&list.seat));
                self.seats.contains(&list.seat) && due == Some(list.part)
            }
            VoteEntry::Opened(openings) => {
                let poll = self.poll(&openings.proposal);
                poll.is_some_and(|poll| {
                    let mut voters = openings.signatures.iter().map(|(voter, _)| voter);
                    is_sealed_to(poll, &openings.key) && voters.all(|voter| poll.is_to_open(voter))
                })
            }
            VoteEntry::Certified(certificate) => self.to_certify(certificate).is_some(),
            VoteEntry::Refuted { proposal, fraud } => self.check_fraud(proposal, fraud).is_ok(),
            VoteEntry::Verdict(proof) => self.to_heed(proof).is_some(),
        }
    }

    fn takes(&self, ballot: &Ballot, batch: &VoteBatch) -> bool {
        let poll = self.poll(&ballot.proposal);
        // Whoever puts a ballot in without the receipts that speak for it does not keep them out.
        let adds_word = |poll: &Poll| {
            let mut receipts = batch.receipts.iter();
            poll.lacks_word(ballot) && receipts.any(|receipt| receipt.ballot == ballot.id())
        };
        poll.is_some_and(|poll| match poll.phase() {
            Phase::Open | Phase::Closing { .. } => !poll.has(ballot) || adds_word(poll),
            Phase::Opening { .. }
            | Phase::Counting
            | Phase::Tallied { .. }
            | Phase::Challenge { .. }
            | Phase::Effective(_)
            | Phase::Failed
            | Phase::Void(_) => false,
        })
    }

    fn takes_delegation(&self, said: &Delegation, roll: &Roll) -> bool {
        let known = self.delegations.seq_of(&said.member, &said.scope);
        let is_open = match said.scope {
            crate::wire::DelegationScope::Standing => true,
            crate::wire::DelegationScope::Proposal(proposal) => {
                let held = self.held.get(&proposal);
                held.is_some_and(|held| held.resolved.is_none())
            }
        };
        is_open
            && known.is_none_or(|known| known < said.seq)
            && roll.place_of(&said.member).is_some()
    }

    /// Checks a proof against the tally of a vote.
    ///
    /// # Errors
    ///
    /// Returns why it proves nothing.
    pub fn check_fraud(&self, proposal: &ContentId, fraud: &[u8]) -> Result<(), NotFraud> {
        let Some((held, poll)) = self.held.get(proposal).and_then(Held::open) else {
            return Err(NotFraud::NotOpenToChallenge);
        };
        let (Phase::Tallied { .. } | Phase::Challenge { .. }, Some(statement)) =
            (poll.phase(), poll.statement())
        else {
            return Err(NotFraud::NotOpenToChallenge);
        };
        let fraud = Fraud::from_bytes(fraud).map_err(|_| NotFraud::Misplaced)?;
        fraud.verify(&poll.basis(&held.voters), statement)
    }

    /// Returns the round of the beacon that is to draw the jury of a vote or a day.
    pub(super) fn to_draw(&self, name: &ContentId) -> Option<u64> {
        if let Some((_, round)) = self.days.to_draw().filter(|(day, _)| day == name) {
            return Some(round);
        }
        match self.held.get(name)?.voters {
            Voters::ToDraw { round, .. } => Some(round),
            Voters::Members(_) | Voters::Jury(_) => None,
        }
    }

    /// Returns the votes and days whose jury is to be drawn, and by which round.
    pub fn all_to_draw(&self) -> impl Iterator<Item = (ContentId, u64)> {
        let held = self.held.keys();
        let votes = held.filter_map(|proposal| Some((*proposal, self.to_draw(proposal)?)));
        votes.chain(self.days.to_draw())
    }

    /// Returns what a jury has decided past the log, if it was drawn as the log knows it and the log has not taken it
    /// in. The committee's word for the jury is the log's own, so that no certificate need be checked.
    fn to_heed(&self, proof: &JuryProof) -> Option<VotePassed> {
        let proposal = &proof.proposal;
        if self.passed(&proposal.subject).is_some() {
            return None;
        }
        let drawn = match proof.drawn.statement {
            Statement::Jury(stated) => self.days.has(&stated),
            Statement::Opened(stated) => {
                let held = self.held.get(&stated.proposal);
                held.and_then(Held::opened) == Some(stated)
            }
            Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => false,
        };
        proof.verdict(&self.mesh).ok().filter(|_| drawn)
    }

    /// Takes in what a jury has decided past the log.
    fn heed(&mut self, proof: &JuryProof, turn: &Turn<'_>, happened: &mut Vec<Happened>) {
        let Some(passed) = self.to_heed(proof) else {
            return;
        };
        let resolved = VoteResolved {
            proposal: passed.proposal(),
            subject: passed.subject(),
            end: VoteEnd::Outcome(Outcome::Passed),
            emergency: true,
            time: turn.time,
            height: turn.height,
        };
        self.verdicts.insert(passed.subject(), resolved);
        while self.verdicts.len() > VOTES_KEPT_MAX {
            let all = self.verdicts.iter();
            let oldest = all.min_by_key(|(subject, verdict)| (verdict.time, **subject));
            let Some(oldest) = oldest.map(|(subject, _)| *subject) else {
                break;
            };
            self.verdicts.remove(&oldest);
        }
        let what = format!("passed by {} jurors' ballots", proof.ballots.len());
        happened.push(Happened {
            proposal: passed.proposal(),
            what,
        });
    }

    fn to_certify(&self, certificate: &Certificate) -> Option<ContentId> {
        let Statement::Tally(stated) = certificate.statement else {
            return None;
        };
        let poll = self.poll(&stated.tally.proposal)?;
        let is_it =
            matches!(poll.phase(), Phase::Tallied { .. }) && poll.statement() == Some(&stated);
        is_it.then_some(stated.tally.proposal)
    }

    fn poll(&self, proposal: &ContentId) -> Option<&Poll> {
        self.held.get(proposal)?.poll.as_deref()
    }

    /// Takes what a block brings; returns what happened, and how many rounds of the beacon are asked for by it.
    pub(super) fn apply(
        &mut self,
        turn: &Turn<'_>,
        beacon: impl Fn(&ContentId) -> Option<BeaconValue>,
    ) -> (Vec<Happened>, u64) {
        let mut happened = Vec::new();
        let mut asked = 0;
        let mut batches: BTreeMap<ContentId, Batch> = BTreeMap::new();
        let mut delegations = Vec::new();
        for entry in turn.entries {
            if !self.admits(entry, turn.time, turn.roll) {
                continue;
            }
            match entry {
                VoteEntry::Proposed(proposal) => {
                    asked += self.open(proposal, turn, asked, &mut happened);
                }
                VoteEntry::OnCall(OnCall {
                    member,
                    seq,
                    serves,
                    signature: _,
                }) => {
                    self.on_call.insert(*member, (*seq, *serves));
                }
                VoteEntry::Drawn { proposal, .. } => {
                    if let Some(value) = beacon(proposal) {
                        self.seat_jury(proposal, &value, turn, &mut happened);
                    }
                }
                VoteEntry::Batch(batch) => {
                    for ballot in &batch.ballots {
                        let of = batches.entry(ballot.proposal).or_default();
                        of.ballots.push(decided(ballot.clone()));
                    }
                    for receipt in &batch.receipts {
                        let of = batches.entry(receipt.proposal).or_default();
                        of.receipts.push(decided(receipt.clone()));
                    }
                    delegations.extend(batch.delegations.iter().cloned().map(decided));
                }
                VoteEntry::List(list) => {
                    let of = batches.entry(list.proposal).or_default();
                    of.lists.push(decided::<BallotList>(list.clone()));
                }
                VoteEntry::Opened(openings) => {
                    let of = batches.entry(openings.proposal).or_default();
                    let openings = openings.signatures.iter();
                    let openings = openings.map(|(voter, signature)| Opening {
                        voter: *voter,
                        signature: *signature,
                    });
                    of.openings.extend(openings);
                }
                VoteEntry::Certified(_) | VoteEntry::Refuted { .. } | VoteEntry::Verdict(_) => {}
            }
        }
        for (proposal, held) in &mut self.held {
            let mut batch = batches.remove(proposal).unwrap_or_default();
            batch.height = turn.height;
            held.turn(
                *proposal,
                batch,
                &self.delegations,
                turn.time,
                &mut happened,
            );
        }
        self.delegations.take(delegations, turn.time);
        for entry in turn.entries {
            self.judge(entry, turn, &mut happened);
            if let VoteEntry::Verdict(proof) = entry {
                self.heed(proof, turn, &mut happened);
            }
        }
        if self.days.is_due(turn.time) {
            let on_call = self.on_call.iter().filter(|(_, (_, serves))| *serves);
            let counted = on_call.filter(|(member, _)| turn.roll.place_of(member).is_some());
            let (pool, members) = (counted.count(), turn.roll.electorate().count);
            let next = turn.round + asked + 1;
            if self.days.plan((pool, members), next) {
                asked += 1;
                self.days.keep_pool(self.pool(turn.roll));
            }
        }
        self.resolve(turn, &mut happened);
        self.forget();
        (happened, asked)
    }

    fn open(
        &mut self,
        proposal: &VoteProposal,
        turn: &Turn<'_>,
        asked: u64,
        happened: &mut Vec<Happened>,
    ) -> u64 {
        let id = proposal.id();
        let mut held = Held {
            proposal: proposal.clone(),
            proposed: turn.time,
            voters: Voters::Members(turn.roll.clone()),
            opened: turn.height,
            poll: None,
            resolved: None,
        };
        if proposal.rules.is_emergency() {
            self.juries
                .retain(|_, asked| *asked + JURY_AGAIN > turn.time);
            self.juries.insert(proposal.subject, turn.time);
        }
        if let Some(jury) = self.days.serving(proposal.made)
            && proposal.rules.is_emergency()
        {
            let (electorate, jurors) = (jury.stated.electorate, jury.jurors.clone());
            held.voters = Voters::Jury(jurors);
            if held.begin(self.mesh, &self.seats, electorate, turn) {
                self.held.insert(id, held);
                let what = format!("open for the day's jury of {}", electorate.count);
                happened.push(Happened { proposal: id, what });
            }
            return 0;
        }
        if proposal.rules.is_emergency() {
            let round = turn.round + asked + 1;
            let pool = self.pool(turn.roll);
            held.voters = Voters::ToDraw { round, pool };
            self.held.insert(id, held);
            let what = format!("proposed; round {round} of the beacon is to draw the jury");
            happened.push(Happened { proposal: id, what });
            return 1;
        }
        let of = turn.roll.electorate();
        let electorate = Electorate {
            members_root: of.root.0,
            count: of.count,
        };
        if held.begin(self.mesh, &self.seats, electorate, turn) {
            self.held.insert(id, held);
            let what = format!("open for {} members", of.count);
            happened.push(Happened { proposal: id, what });
        }
        0
    }

    fn seat_jury(
        &mut self,
        proposal: &ContentId,
        value: &BeaconValue,
        turn: &Turn<'_>,
        happened: &mut Vec<Happened>,
    ) {
        if self.days.to_draw().is_some_and(|(day, _)| day == *proposal) {
            let jury = draw_jury(self.days.pool(), turn.roll, value, proposal);
            self.days.seat(jury, turn.height, turn.time);
            return;
        }
        let Some(held) = self.held.get_mut(proposal) else {
            return;
        };
        let Voters::ToDraw { pool, .. } = &held.voters else {
            return;
        };
        let jury = draw_jury(pool, turn.roll, value, proposal);
        if jury.is_empty() {
            return;
        }
        let electorate = jury_electorate(&jury);
        held.voters = Voters::Jury(jury);
        held.begin(self.mesh, &self.seats, electorate, turn);
        let what = format!("open for a jury of {}", electorate.count);
        happened.push(Happened {
            proposal: *proposal,
            what,
        });
    }

    fn judge(&mut self, entry: &VoteEntry, turn: &Turn<'_>, happened: &mut Vec<Happened>) {
        let event = match entry {
            VoteEntry::Certified(certificate) => {
                let Some(proposal) = self.to_certify(certificate) else {
                    return;
                };
                let poll = self
                    .held
                    .get_mut(&proposal)
                    .and_then(|held| held.poll.as_mut());
                poll.and_then(|poll| poll.certified(turn.time))
                    .map(|event| (proposal, event))
            }
            VoteEntry::Refuted { proposal, fraud } => {
                let Some(held) = self.held.get_mut(proposal) else {
                    return;
                };
                let (Some(poll), Ok(fraud)) = (&mut held.poll, Fraud::from_bytes(fraud)) else {
                    return;
                };
                let refuted = poll.refute(&fraud, &held.voters);
                refuted.ok().map(|event| (*proposal, event))
            }
            VoteEntry::Proposed(_)
            | VoteEntry::OnCall(_)
            | VoteEntry::Drawn { .. }
            | VoteEntry::Batch(_)
            | VoteEntry::List(_)
            | VoteEntry::Opened(_)
            | VoteEntry::Verdict(_) => None,
        };
        if let Some((proposal, event)) = event {
            let what = event.to_string();
            happened.push(Happened { proposal, what });
        }
    }

    /// Notes how votes have ended.
    fn resolve(&mut self, turn: &Turn<'_>, happened: &mut Vec<Happened>) {
        let time = turn.time;
        for (id, held) in &mut self.held {
            let end = match &held.poll {
                None if held.proposed + VOTE_STALL_MAX <= time => {
                    Some(VoteEnd::Void(VoidReason::NoJury))
                }
                None => None,
                Some(poll) => match (poll.phase(), poll.statement()) {
                    (Phase::Effective(outcome), _) => Some(VoteEnd::Outcome(*outcome)),
                    (Phase::Failed, Some(statement)) => Some(VoteEnd::Outcome(statement.outcome)),
                    (Phase::Void(why), _) => Some(VoteEnd::Void(*why)),
                    (
                        Phase::Open
                        | Phase::Closing { .. }
                        | Phase::Opening { .. }
                        | Phase::Counting
                        | Phase::Tallied { .. }
                        | Phase::Challenge { .. }
                        | Phase::Failed,
                        _,
                    ) => None,
                },
            };
            if let (Some(end), None) = (end, &held.resolved) {
                held.resolved = Some(VoteResolved {
                    proposal: *id,
                    subject: held.proposal.subject,
                    end,
                    emergency: held.proposal.rules.is_emergency(),
                    time,
                    height: turn.height,
                });
                let what = format!("ended: {end}");
                happened.push(Happened {
                    proposal: *id,
                    what,
                });
            }
        }
    }

    /// Forgets the votes longest over, when too many are kept, and the ballots of those longest over, when all together
    /// are too many.
    fn forget(&mut self) {
        let leaves = |held: &Held| held.poll.as_ref().map_or(0, |poll| poll.leaves().len());
        let mut kept: usize = self.held.values().map(leaves).sum();
        while kept > BALLOTS_KEPT_MAX {
            let ended = self.held.iter_mut();
            let ended = ended.filter(|(_, held)| leaves(held) > 0);
            let ended = ended.filter_map(|(id, held)| Some((held.resolved?.time, *id, held)));
            let Some((_, _, held)) = ended.min_by_key(|(time, id, _)| (*time, *id)) else {
                break;
            };
            kept -= leaves(held);
            if let Some(poll) = &mut held.poll {
                poll.forget_leaves();
            }
        }
        while self.held.len() > VOTES_KEPT_MAX {
            let ended = self.held.iter();
            let ended = ended.filter_map(|(id, held)| Some((held.resolved?.time, *id)));
            let Some((_, oldest)) = ended.min() else {
                return;
            };
            self.held.remove(&oldest);
            self.delegations.forget(oldest);
        }
    }

    /// Returns the next mesh time at which a vote moves on by itself.
    pub(super) fn deadline_after(&self, time: Wall) -> Option<Wall> {
        let open = self.held.values().filter(|held| held.resolved.is_none());
        let due = open.filter_map(|held| held.poll.as_ref()?.deadline_after(time));
        let draw = self.days.due_at().filter(|at| *at > time);
        due.chain(draw).min()
    }

    /// Tells whether ballots are being counted, some in each block.
    pub(super) fn is_counting(&self) -> bool {
        let mut polls = self.held.values().filter_map(|held| held.poll.as_ref());
        polls.any(|poll| matches!(poll.phase(), Phase::Counting))
    }

    /// Returns the sealed ballots that wait for being opened: vote and voter.
    pub fn to_open(&self) -> impl Iterator<Item = (ContentId, PublicKey)> {
        let opening = self.held.iter().filter_map(|(proposal, held)| {
            let poll = held.poll.as_ref()?;
            matches!(poll.phase(), Phase::Opening { .. }).then_some((proposal, poll))
        });
        opening.flat_map(|(proposal, poll)| poll.to_open().map(|voter| (*proposal, *voter)))
    }

    /// Tells whether a sealed ballot waits for being opened.
    pub fn is_to_open(&self, proposal: &ContentId, voter: &PublicKey) -> bool {
        let poll = self.poll(proposal);
        poll.is_some_and(|poll| poll.is_to_open(voter))
    }

    /// Returns what the seats certify of votes.
    pub(super) fn statements(&self) -> impl Iterator<Item = Statement> {
        let juries = self.days.iter().map(|jury| Statement::Jury(jury.stated));
        let verdicts = self.verdicts.values();
        let verdicts = verdicts.filter(|said| !self.held.contains_key(&said.proposal));
        let verdicts = verdicts.copied().map(Statement::Resolved);
        let votes = self.held.values().flat_map(|held| {
            let opened = held.opened().map(Statement::Opened);
            let tally = held.poll.as_ref().and_then(|poll| poll.statement());
            let tally = tally.copied().map(Statement::Tally);
            let resolved = held.resolved.map(Statement::Resolved);
            opened.into_iter().chain(tally).chain(resolved)
        });
        votes.chain(juries).chain(verdicts)
    }

    /// Returns what every node is told together with a certificate.
    pub fn notice(&self, certificate: Certificate) -> Option<VoteNotice> {
        let bare = VoteNotice {
            certificate,
            proposal: None,
            jury: Vec::new(),
            refutation: None,
        };
        match certificate.statement {
            Statement::Opened(opened) => {
                let held = self.held.get(&opened.proposal)?;
                let jury = match &held.voters {
                    Voters::Jury(jury) => jury.clone(),
                    Voters::Members(_) | Voters::ToDraw { .. } => Vec::new(),
                };
                Some(VoteNotice {
                    proposal: Some(Box::new(held.proposal.clone())),
                    jury,
                    ..bare
                })
            }
            Statement::Tally(_) | Statement::Resolved(_) => Some(bare),
            Statement::Jury(stated) => {
                let mut juries = self.days.iter();
                let jury = juries.find(|jury| jury.stated == stated)?.jurors.clone();
                Some(VoteNotice { jury, ..bare })
            }
            Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::HandOver(_)
            | Statement::Halt(_) => None,
        }
    }
}

impl Held {
    /// Opens the vote; `false` if its rules are out of range.
    fn begin(
        &mut self,
        mesh: ContentId,
        seats: &Seats,
        electorate: Electorate,
        turn: &Turn<'_>,
    ) -> bool {
        let id = self.proposal.id();
        let Ok(terms) = self.proposal.rules.terms(id, turn.time, electorate) else {
            return false;
        };
        self.opened = turn.height;
        self.poll = Some(Box::new(Poll::open(mesh, terms, seats.clone())));
        true
    }

    fn turn(
        &mut self,
        proposal: ContentId,
        batch: Batch,
        delegations: &Delegations,
        time: Wall,
        happened: &mut Vec<Happened>,
    ) {
        let Some(poll) = self.poll.as_mut().filter(|_| self.resolved.is_none()) else {
            return;
        };
        let taken = poll.take(batch, delegations, &self.voters, time);
        happened.extend(taken.events.iter().map(|event| Happened {
            proposal,
            what: event.to_string(),
        }));
    }

    fn open(&self) -> Option<(&Self, &Poll)> {
        Some((self, self.poll.as_deref()?))
    }

    fn opened(&self) -> Option<VoteOpened> {
        let terms = self.poll.as_ref()?.terms();
        Some(VoteOpened {
            proposal: terms.proposal(),
            subject: self.proposal.subject,
            electorate: terms.electorate(),
            opened: terms.opened(),
            height: self.opened,
        })
    }

    /// Returns the proposal.
    pub const fn proposal(&self) -> &VoteProposal {
        &self.proposal
    }

    /// Returns the vote itself, once it is open.
    pub fn poll(&self) -> Option<&Poll> {
        self.poll.as_deref()
    }

    /// Returns how it ended.
    pub const fn resolved(&self) -> Option<&VoteResolved> {
        self.resolved.as_ref()
    }

    /// Returns the sums as they stand, and when the vote closes or closed.
    pub fn sums(&self) -> Option<(Sums, Wall)> {
        let poll = self.poll.as_ref()?;
        let sums = poll
            .statement()
            .map_or_else(|| poll.sums(), |stated| stated.tally.sums);
        Some((sums, poll.close()))
    }

    /// Returns a page of the counted ballots.
    pub fn page(&self, page: u32) -> Vec<Leaf> {
        let leaves = self.poll.as_ref().map_or(&[][..], |poll| poll.leaves());
        let page = usize::try_from(page).unwrap_or(usize::MAX);
        let mut pages = leaves.chunks(PAGE_LEAVES_MAX);
        pages.nth(page).map(<[Leaf]>::to_vec).unwrap_or_default()
    }

    /// Returns some of those who can vote, from a place on; a jury travels with the notice.
    pub fn electors(&self, from: u32, count_max: usize) -> Vec<Elector> {
        let Voters::Members(roll) = &self.voters else {
            return Vec::new();
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let some = roll.electors().iter().skip(from).take(count_max);
        some.copied().collect()
    }

    /// Tells whether a member can vote.
    pub fn can_vote(&self, key: &PublicKey) -> bool {
        ballot::Roll::contains(&self.voters, key)
    }
}

/// Tells whether ballots of a vote are sealed to this key.
fn is_sealed_to(poll: &Poll, key: &CommitteeKey) -> bool {
    match poll.terms().secrecy() {
        Secrecy::Open => false,
        Secrecy::Sealed { key: own } => **own == *key,
    }
}

fn counts(member: &PublicKey, roll: &Roll) -> Result<(), String> {
    roll.place_of(member).map(|_| ()).ok_or_else(|| {
        "the committee does not count this member: it is new, or suspended; so it has no vote"
            .to_owned()
    })
}

/// Draws a jury from those on call by a round of the beacon, one of each first-level invite subtree as far as that
/// goes; the jurors are in order.
fn draw_jury(
    pool: &[Elector],
    roll: &Roll,
    value: &BeaconValue,
    proposal: &ContentId,
) -> Vec<PublicKey> {
    let count = u32::try_from(pool.len()).unwrap_or(u32::MAX);
    let Some(size) = JurySize::for_pool(count, roll.electorate().count) else {
        return Vec::new();
    };
    let lot = |elector: &Elector| -> [u8; 32] {
        Sha256::new()
            .chain_update(b"x0/jury-draw/1\0")
            .chain_update(value.bytes())
            .chain_update(proposal.digest())
            .chain_update(elector.key.bytes())
            .finalize()
            .into()
    };
    let mut lots: Vec<_> = pool.iter().map(|elector| (lot(elector), elector)).collect();
    lots.sort_unstable();
    let mut subtrees = BTreeSet::new();
    let (first, rest): (Vec<_>, Vec<_>) = lots
        .iter()
        .partition(|(_, elector)| subtrees.insert(elector.subtree));
    let jurors = usize::try_from(size.jurors).unwrap_or(usize::MAX);
    let drawn = first.into_iter().chain(rest).take(jurors);
    let mut jury: Vec<_> = drawn.map(|(_, elector)| elector.key).collect();
    jury.sort_unstable();
    jury
}
