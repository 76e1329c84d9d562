//! One vote, as every follower of the committee log keeps it.
//!
//! ```text
//! Open -> Closing -> Counting (-> Opening -> Counting) -> Tallied -> Challenge -> Effective | Failed
//!            \______________________\_______________________\___________\______-> Void
//! ```
//!
//! - *Open*: ballots committed by the log count. A quorum met late moves the close once; a result that can no
//!   longer change closes the vote early, where first ballots are final and open.
//! - *Closing*: each seat lists the ballots it holds and the log does not. A ballot that comes to the log now counts
//!   if so many seats list it, or gave receipts for it before the close, that one of them is honest: a hostile seat
//!   cannot bring in what was made after the close. Nothing is counted before a quorum of seats has listed, and what
//!   is listed so often is waited for.
//! - *Opening*: sealed votes only; the committee's signatures open the choices.
//! - *Counting*: some thousand ballots are taken from the lists, then hashed, in each block.
//! - *Tallied*: the statement is there, its certificate is not. *Challenge*: [`super::fraud`] can void it.
//!
//! All windows go by mesh time. Inside a block the order of ballots does not matter.
//!
//! A voter who signs two different ballots with one number is void, and the two are kept. A ballot that stood at
//! the close is not undone by what only appears in lists: nobody can void a vote after the fact. Early closing
//! counts on ballots that stand: it reckons with whatever those may do who have none, not with voters who
//! would still void themselves.
//!
//! Delegations are fixed for a delegate when its first ballot is committed. Where ballots can be changed, a
//! member's own ballot always goes before its delegate's; where first ballots are final, the delegate's
//! committed one does, and the member's own is kept in reserve should the delegate's turn out void.
//!
//! Not here: signatures on ballots and lists (they come in verified), certificates, what an outcome brings about.

mod closing;
mod event;
mod packed;
mod running;

use std::collections::{BTreeMap, BTreeSet};

pub use self::event::{Batch, Event, Opening, Phase, Refused, Taken, VoidReason};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, committee::ThresholdSignature};

use self::{
    closing::Closing,
    running::{Proxies, Touched},
};

use super::{
    delegation::Delegations,
    fraud::{Fraud, NotFraud},
    recount::Basis,
    sealed::{self, Unopened},
    tally::{Cast, Leaf, Node, Sums, TallyBuilder, TallyStatement},
    terms::{Finality, Outcome, Roll, Secrecy, Terms},
};
use crate::{
    core::{
        limits::{LEAVES_COUNTED_MAX, LISTING_TIME, OPENING_TIME, VOTE_STALL_MAX},
        time::Wall,
    },
    spine::committee::Seats,
    wire::{Ballot, Choice, Delegation, Verified, Vote, VoteStatement},
};

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    mesh: ContentId,
    terms: Terms,
    seats: Seats,
    phase: Phase,
    close: Wall,
    quorum_met: bool,
    /// The height of the last block.
    height: u64,
    /// The sums of what stands, sealed ballots as abstentions.
    running: Sums,
    /// Until they are counted.
    #[serde(with = "packed::voters")]
    voters: BTreeMap<PublicKey, Own>,
    proxies: Proxies,
    closing: Closing,
    #[serde(with = "crate::core::pairs")]
    opened: BTreeMap<PublicKey, (ThresholdSignature, Option<Choice>)>,
    late: BTreeSet<PublicKey>,
    /// The seats whose lists were counted, by place.
    lists: u32,
    counting: Option<Counting>,
    #[serde(with = "packed::leaves")]
    leaves: Vec<Leaf>,
    /// The roots of the pages of leaves.
    pages: Vec<Node>,
    statement: Option<TallyStatement>,
}

/// Work on a tally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counting {
    /// Everybody who may stand in it, in order, and how many of them are done.
    members: Vec<PublicKey>,
    done: u32,
    builder: TallyBuilder,
}

/// What a member has cast itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Own {
    /// A ballot, and whether it only came while the vote closed.
    Stands { ballot: Ballot, listed: bool },
    /// Two that void each other, lower id first.
    Double(Box<(Ballot, Ballot)>),
}

impl Own {
    const fn is_sealed(&self) -> bool {
        match self {
            Self::Stands { ballot, .. } => matches!(ballot.vote, Vote::Sealed(_)),
            Self::Double(_) => false,
        }
    }
}

/// Why a member stands in the tally, looked at in place.
enum Standing<'a> {
    Own(&'a Ballot),
    Delegated(&'a Delegation),
    Double(&'a Ballot, &'a Ballot),
}

impl Poll {
    /// Opens a vote.
    pub fn open(mesh: ContentId, terms: Terms, seats: Seats) -> Self {
        Self {
            mesh,
            seats,
            phase: Phase::Open,
            close: terms.closes(),
            quorum_met: false,
            height: 0,
            running: Sums::default(),
            voters: BTreeMap::new(),
            proxies: Proxies::default(),
            closing: Closing::default(),
            opened: BTreeMap::new(),
            late: BTreeSet::new(),
            lists: 0,
            counting: None,
            leaves: Vec::new(),
            pages: Vec::new(),
            statement: None,
            terms,
        }
    }

    /// Takes what a block brings, at the block's mesh time; `delegations` are those before this block.
    pub fn take(
        &mut self,
        batch: Batch,
        delegations: &Delegations,
        roll: &dyn Roll,
        now: Wall,
    ) -> Taken {
        let mut taken = Taken::default();
        self.height = batch.height;
        self.run(now, &mut taken);
        let ballots = in_order(batch.ballots);
        match self.phase {
            Phase::Open => {
                let changed = self.take_ballots(ballots, delegations, roll, now, &mut taken);
                if changed {
                    self.weigh(now, &mut taken);
                }
            }
            Phase::Closing { .. } => {
                for ballot in ballots.into_iter().rev() {
                    let voter = ballot.voter;
                    let held = self.hold(ballot, delegations, roll, now);
                    taken.note(voter, held);
                }
            }
            Phase::Opening { .. }
            | Phase::Counting
            | Phase::Tallied { .. }
            | Phase::Challenge { .. }
            | Phase::Effective(_)
            | Phase::Failed
            | Phase::Void(_) => {
                let late = self.not_now(now);
                let refused = ballots.iter().map(|ballot| (ballot.voter, late));
                taken.refused.extend(refused);
            }
        }
        self.take_receipts(&batch.receipts);
        let mut lists = batch.lists;
        lists.sort_by_key(|list| (list.value().seat, list.value().part));
        for list in &lists {
            let list = list.value();
            let listed = self.take_list(list, now);
            taken.note(list.seat, listed);
        }
        self.run(now, &mut taken);
        for opening in batch.openings {
            match self.take_opening(&opening, now) {
                Ok(Some(_)) => {}
                Ok(None) => taken.events.push(Event::Unopened(opening.voter)),
                Err(why) => taken.refused.push((opening.voter, why)),
            }
        }
        self.run(now, &mut taken);
        taken
    }

    /// Moves the vote on to this mesh time by one step; call again until there is none.
    pub fn on_time(&mut self, now: Wall) -> Option<Event> {
        match self.phase {
            Phase::Open => (now >= self.close).then(|| self.shut(now, false)),
            Phase::Closing { until } => {
                let complete = self.lists_complete();
                let is_enough = complete == self.seats.len()
                    || (now >= until && complete >= self.seats.quorum());
                if is_enough && (now >= until + LISTING_TIME || !self.awaits_listed()) {
                    return self.end_lists(now);
                }
                (now >= until + VOTE_STALL_MAX).then(|| self.void(VoidReason::NoLists))
            }
            Phase::Opening { until } => {
                if self.to_open().next().is_none() {
                    return self.begin_count(now);
                }
                (now >= until).then(|| self.void(VoidReason::NotOpened))
            }
            Phase::Counting => self.count_on(now),
            Phase::Tallied { until } => {
                (now >= until).then(|| self.void(VoidReason::NoCertificate))
            }
            Phase::Challenge { until } => {
                let outcome = self.statement.as_ref()?.outcome;
                (now >= until).then(|| self.settle(outcome))
            }
            Phase::Effective(_) | Phase::Failed | Phase::Void(_) => None,
        }
    }

    /// Returns the next mesh time after `now` at which the vote may move on by itself.
    pub fn deadline_after(&self, now: Wall) -> Option<Wall> {
        match self.phase {
            Phase::Closing { until } => [until, until + LISTING_TIME, until + VOTE_STALL_MAX]
                .into_iter()
                .find(|at| *at > now),
            Phase::Open
            | Phase::Counting
            | Phase::Opening { .. }
            | Phase::Tallied { .. }
            | Phase::Challenge { .. }
            | Phase::Effective(_)
            | Phase::Failed
            | Phase::Void(_) => self.deadline().filter(|at| *at > now),
        }
    }

    /// Returns the next mesh time at which the vote may move on by itself.
    pub fn deadline(&self) -> Option<Wall> {
        match self.phase {
            Phase::Open => Some(self.close),
            Phase::Closing { until }
            | Phase::Opening { until }
            | Phase::Tallied { until }
            | Phase::Challenge { until } => Some(until),
            Phase::Counting | Phase::Effective(_) | Phase::Failed | Phase::Void(_) => None,
        }
    }

    /// Notes that the log holds a certificate over this vote's statement; the caller has verified it.
    pub fn certified(&mut self, now: Wall) -> Option<Event> {
        let Phase::Tallied { .. } = self.phase else {
            return None;
        };
        let until = now + self.terms.challenge();
        self.phase = Phase::Challenge { until };
        Some(Event::Certified { until })
    }

    /// Voids the vote if the proof refutes its statement.
    ///
    /// # Errors
    ///
    /// Returns why the proof proves nothing, or that the time for it is over.
    pub fn refute(&mut self, fraud: &Fraud, roll: &dyn Roll) -> Result<Event, NotFraud> {
        let (Phase::Tallied { .. } | Phase::Challenge { .. }, Some(statement)) =
            (&self.phase, &self.statement)
        else {
            return Err(NotFraud::NotOpenToChallenge);
        };
        fraud.verify(&self.basis(roll), statement)?;
        Ok(self.void(VoidReason::Refuted))
    }

    /// Returns what proofs about this vote are checked against.
    pub const fn basis<'a>(&'a self, roll: &'a dyn Roll) -> Basis<'a> {
        Basis {
            mesh: &self.mesh,
            terms: &self.terms,
            seats: &self.seats,
            roll,
        }
    }

    /// Returns where the vote stands.
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns when the vote closes or has closed.
    pub const fn close(&self) -> Wall {
        self.close
    }

    /// Returns the rules of the vote.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Returns the statement to certify, once the ballots are counted.
    pub const fn statement(&self) -> Option<&TallyStatement> {
        self.statement.as_ref()
    }

    /// Tells whether a ballot stands in the log, whether it counts or not.
    pub fn has(&self, ballot: &Ballot) -> bool {
        let is_it = |stands: &Ballot| stands.seq > ballot.seq || same(stands, ballot);
        let stands = match (self.voters.get(&ballot.voter), self.leaf_of(&ballot.voter)) {
            (Some(Own::Stands { ballot, .. }), _) => is_it(ballot),
            (Some(Own::Double(_)), _) => true,
            (None, Some(leaf)) => match &leaf.cast {
                Cast::Own { ballot, .. } => is_it(ballot),
                Cast::Double { .. } => true,
                Cast::Delegated { .. } => false,
            },
            (None, None) => false,
        };
        stands || self.is_held(ballot)
    }

    /// Tells whether a voter's two ballots with one number void each other.
    pub fn is_double(&self, voter: &PublicKey) -> bool {
        let counted = || self.leaf_of(voter).map(|leaf| &leaf.cast);
        match self.voters.get(voter) {
            Some(own) => matches!(own, Own::Double(_)),
            None => matches!(counted(), Some(Cast::Double { .. })),
        }
    }

    fn leaf_of(&self, voter: &PublicKey) -> Option<&Leaf> {
        let place = self.leaves.binary_search_by_key(voter, Leaf::voter).ok()?;
        self.leaves.get(place)
    }

    /// Returns the roots of the pages of counted ballots: by them each page is checked alone.
    pub fn pages(&self) -> &[Node] {
        &self.pages
    }

    /// Lets go of the counted ballots of a vote that is over, when too many are kept.
    pub(crate) fn forget_leaves(&mut self) {
        self.leaves = Vec::new();
        self.pages = Vec::new();
    }

    /// Checks whether a ballot could count, taken alone, by what costs nothing to look at.
    ///
    /// # Errors
    ///
    /// Returns why it could not.
    pub fn would_take(&self, ballot: &Ballot, roll: &dyn Roll, now: Wall) -> Result<(), Refused> {
        self.check(ballot, roll, now)?;
        let is_open = matches!(self.phase, Phase::Open) && now < self.close;
        is_open.then_some(()).ok_or_else(|| self.not_now(now))
    }

    /// Returns the counted ballots in order of voter: what is published for all to recount.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Returns the pairs of ballots by which voters have made themselves void.
    pub fn doubles(&self) -> impl Iterator<Item = (&Ballot, &Ballot)> {
        let standing = self.voters.values().filter_map(|own| match own {
            Own::Stands { .. } => None,
            Own::Double(both) => Some((&both.0, &both.1)),
        });
        let counted = self.leaves.iter().filter_map(|leaf| match &leaf.cast {
            Cast::Own { .. } | Cast::Delegated { .. } => None,
            Cast::Double { first, second } => Some((first, second)),
        });
        // While they are being counted they stand in both.
        let is_counted = self.voters.is_empty();
        standing.chain(counted.filter(move |_| is_counted))
    }

    /// Returns the voters whose sealed ballots are to be opened.
    pub fn to_open(&self) -> impl Iterator<Item = &PublicKey> {
        let sealed = self.voters.iter().filter(|(_, own)| own.is_sealed());
        let sealed = sealed.map(|(voter, _)| voter);
        sealed.filter(|voter| !self.opened.contains_key(voter))
    }

    /// Tells whether a sealed ballot of a voter waits for being opened.
    pub fn is_to_open(&self, voter: &PublicKey) -> bool {
        matches!(self.phase, Phase::Opening { .. })
            && self.voters.get(voter).is_some_and(Own::is_sealed)
            && !self.opened.contains_key(voter)
    }

    /// Returns the voters whose sealed ballots were opened and hold no choice.
    pub fn unopened(&self) -> impl Iterator<Item = &PublicKey> {
        let opened = self.opened.iter();
        opened.filter_map(|(voter, (_, choice))| choice.is_none().then_some(voter))
    }

    /// Returns the voters who have a ballot that came to the log after the close and that no seat had listed.
    pub fn late(&self) -> impl Iterator<Item = &PublicKey> {
        self.late.iter()
    }

    /// Returns the sums as they stand; sealed ballots that are not open yet are not in them.
    pub fn sums(&self) -> Sums {
        match (self.terms.secrecy(), &self.statement) {
            (_, Some(statement)) => statement.tally.sums,
            (Secrecy::Open, None) => self.running,
            (Secrecy::Sealed { .. }, None) => self.sums_with(|ballot| self.choice(ballot)),
        }
    }

    fn run(&mut self, now: Wall, taken: &mut Taken) {
        while let Some(event) = self.on_time(now) {
            taken.events.push(event);
        }
    }

    /// Takes ballots while the vote is open; tells whether anything changed.
    fn take_ballots(
        &mut self,
        ballots: Vec<Ballot>,
        delegations: &Delegations,
        roll: &dyn Roll,
        now: Wall,
        taken: &mut Taken,
    ) -> bool {
        let (mut changed, mut first) = (false, BTreeSet::new());
        let mut touched = Touched::default();
        for ballot in ballots {
            let voter = ballot.voter;
            let is_new = !self.voters.contains_key(&voter);
            self.touch_voter(&voter, &mut touched);
            let admitted = self
                .check(&ballot, roll, now)
                .and_then(|()| self.admit(ballot, false));
            changed |= admitted.is_ok() || admitted == Err(Refused::Double);
            if is_new && admitted.is_ok() {
                first.insert(voter);
            }
            taken.note(voter, admitted);
        }
        for voter in first {
            if self.is_represented(&voter, &counts_as_cast) {
                taken.refused.push((voter, Refused::Represented));
                continue;
            }
            let proxies = delegations.to(&voter, self.terms.proposal(), self.close);
            let proxies = proxies.into_iter().cloned().collect();
            self.fix(proxies, roll, &mut touched);
        }
        self.count_in(touched);
        changed
    }

    fn check(&self, ballot: &Ballot, roll: &dyn Roll, now: Wall) -> Result<(), Refused> {
        ballot.check().map_err(|_| Refused::Malformed)?;
        if ballot.proposal != self.terms.proposal() {
            return Err(Refused::OtherProposal);
        }
        if !roll.contains(&ballot.voter) {
            return Err(Refused::NoVote);
        }
        if now < self.terms.opened() {
            return Err(self.not_now(now));
        }
        if !self.terms.takes_form(&ballot.vote) {
            return Err(Refused::OtherForm);
        }
        if !self.terms.takes_seq(ballot.seq) {
            return Err(Refused::NotChangeable);
        }
        Ok(())
    }

    /// Lets a ballot stand in place of the voter's former one, or finds that it cannot.
    fn admit(&mut self, ballot: Ballot, listed: bool) -> Result<(), Refused> {
        let voter = ballot.voter;
        match self.voters.get(&voter) {
            Some(Own::Double(_)) => return Err(Refused::Double),
            Some(Own::Stands {
                ballot: stands,
                listed: stands_listed,
            }) => {
                if stands.seq > ballot.seq || same(stands, &ballot) {
                    return Err(Refused::Stale);
                }
                if stands.seq == ballot.seq {
                    if *stands_listed == listed {
                        let both = ordered(stands.clone(), ballot);
                        self.voters.insert(voter, Own::Double(Box::new(both)));
                    }
                    return Err(Refused::Double);
                }
            }
            None => {}
        }
        self.voters.insert(voter, Own::Stands { ballot, listed });
        Ok(())
    }

    /// Fixes for whom a delegate speaks.
    fn fix(&mut self, proxies: Vec<Delegation>, roll: &dyn Roll, touched: &mut Touched) {
        for delegation in proxies {
            let member = delegation.member;
            let votes_itself =
                self.terms.finality() == Finality::FirstFinal && self.voters.contains_key(&member);
            if !votes_itself && roll.contains(&member) {
                self.touch(&member, touched);
                self.proxies.fix(delegation);
            }
        }
    }

    /// Looks whether the quorum was met late, and whether the outcome can no longer change.
    fn weigh(&mut self, now: Wall, taken: &mut Taken) {
        let can_close_early =
            self.terms.finality() == Finality::FirstFinal && *self.terms.secrecy() == Secrecy::Open;
        let members = u64::from(self.terms.electorate().count);
        let sums = self.running;
        if !self.quorum_met && self.terms.is_quorum(sums.cast()) {
            self.quorum_met = true;
            if self.terms.is_late_quorum(now) {
                self.close = self.close + self.terms.late_quorum();
                taken.events.push(Event::Extended { close: self.close });
            }
        }
        let open = members.saturating_sub(sums.leaves);
        if can_close_early && self.terms.settled(&sums, open).is_some() {
            self.close = now;
            let closed = self.shut(now, true);
            taken.events.push(closed);
        }
    }

    fn shut(&mut self, now: Wall, early: bool) -> Event {
        let until = now + LISTING_TIME;
        self.phase = Phase::Closing { until };
        Event::Closed { early }
    }

    /// Opens a ballot; no choice if it holds none.
    fn take_opening(&mut self, opening: &Opening, now: Wall) -> Result<Option<Choice>, Refused> {
        let Phase::Opening { .. } = self.phase else {
            return Err(self.not_now(now));
        };
        let Some(Own::Stands { ballot, .. }) = self.voters.get(&opening.voter) else {
            return Err(Refused::OpensNothing);
        };
        if self.opened.contains_key(&opening.voter) {
            return Err(Refused::Stale);
        }
        let choice = match sealed::open_checked(&self.mesh, ballot, &opening.signature) {
            Ok(choice) => Some(choice),
            Err(Unopened::NoChoice) => None,
            Err(Unopened::WrongOpening | Unopened::NotSealed) => {
                return Err(Refused::OpensNothing);
            }
        };
        self.opened
            .insert(opening.voter, (opening.signature, choice));
        Ok(choice)
    }

    /// Goes on with the lists, then with the count, by as much as a block may cost.
    fn count_on(&mut self, now: Wall) -> Option<Event> {
        if self.closing.is_merging() {
            return self.merge(now);
        }
        self.count(now)
    }

    /// Begins to count, or waits for what sealed ballots hold.
    fn end_merge(&mut self, now: Wall) -> Option<Event> {
        if self.to_open().next().is_none() {
            return self.begin_count(now);
        }
        let until = now + OPENING_TIME;
        self.phase = Phase::Opening { until };
        Some(Event::ToOpen(self.to_open().copied().collect()))
    }

    fn begin_count(&mut self, now: Wall) -> Option<Event> {
        self.phase = Phase::Counting;
        self.counting = Some(Counting {
            members: self.members().into_iter().copied().collect(),
            done: 0,
            builder: TallyBuilder::default(),
        });
        self.count(now)
    }

    /// Counts some more; none until the last is counted.
    fn count(&mut self, now: Wall) -> Option<Event> {
        let mut counting = self.counting.take()?;
        let done = usize::try_from(counting.done).unwrap_or(usize::MAX);
        let some = counting.members.iter().skip(done).take(LEAVES_COUNTED_MAX);
        let mut leaves = Vec::new();
        for member in some {
            counting.done += 1;
            let choice = |ballot: &Ballot| self.choice(ballot);
            let Some((standing, counted)) = self.standing_of(member, &choice) else {
                continue;
            };
            let leaf = Leaf {
                cast: self.cast(&standing),
                counted,
            };
            let pushed = counting.builder.push(&leaf);
            assert!(pushed.is_ok(), "each member stands in the tally once");
            leaves.push(leaf);
        }
        self.leaves.extend(leaves);
        if usize::try_from(counting.done).unwrap_or(usize::MAX) < counting.members.len() {
            self.counting = Some(counting);
            return None;
        }
        let builder = counting.builder;
        self.pages = builder.pages();
        let tally = builder.finish(self.terms.proposal());
        let statement = TallyStatement {
            mesh: self.mesh,
            electorate: self.terms.electorate(),
            closed: self.close,
            lists: self.lists,
            outcome: self.terms.outcome(&tally.sums),
            tally,
            height: self.height,
        };
        self.statement = Some(statement);
        // What counts stands in the leaves from now on.
        self.voters = BTreeMap::new();
        self.proxies = Proxies::default();
        let until = now + VOTE_STALL_MAX;
        self.phase = Phase::Tallied { until };
        Some(Event::Tallied(Box::new(statement)))
    }

    fn settle(&mut self, outcome: Outcome) -> Event {
        let (phase, event) = match outcome {
            Outcome::Passed | Outcome::Rejected => {
                (Phase::Effective(outcome), Event::Effective(outcome))
            }
            Outcome::NoQuorum => (Phase::Failed, Event::Failed),
        };
        self.phase = phase;
        event
    }

    fn void(&mut self, reason: VoidReason) -> Event {
        self.phase = Phase::Void(reason);
        Event::Voided(reason)
    }

    fn cast(&self, standing: &Standing<'_>) -> Cast {
        match standing {
            Standing::Own(ballot) => Cast::Own {
                ballot: (*ballot).clone(),
                opening: self.opened.get(&ballot.voter).map(|(opening, _)| *opening),
            },
            Standing::Delegated(delegation) => Cast::Delegated {
                delegation: (*delegation).clone(),
            },
            Standing::Double(first, second) => Cast::Double {
                first: (*first).clone(),
                second: (*second).clone(),
            },
        }
    }

    /// Returns everybody who stands in the tally, in order, with what each counts as.
    fn standings(
        &self,
        choice: &dyn Fn(&Ballot) -> Option<Choice>,
    ) -> impl Iterator<Item = (Standing<'_>, Option<Choice>)> {
        let members = self.members().into_iter();
        members.filter_map(move |member| self.standing_of(member, choice))
    }

    /// Returns everybody who may stand in the tally, in order.
    fn members(&self) -> BTreeSet<&PublicKey> {
        self.voters.keys().chain(self.proxies.members()).collect()
    }

    /// Returns why a member stands in the tally, if it does, and as what it counts.
    fn standing_of(
        &self,
        member: &PublicKey,
        choice: &dyn Fn(&Ballot) -> Option<Choice>,
    ) -> Option<(Standing<'_>, Option<Choice>)> {
        let delegated = self.delegated(member, choice);
        match (self.voters.get(member), delegated) {
            (Some(_), Some((delegation, counted)))
                if self.terms.finality() == Finality::FirstFinal =>
            {
                Some((Standing::Delegated(delegation), Some(counted)))
            }
            (Some(Own::Stands { ballot, .. }), _) => Some((Standing::Own(ballot), choice(ballot))),
            (Some(Own::Double(both)), _) => Some((Standing::Double(&both.0, &both.1), None)),
            (None, Some((delegation, counted))) => {
                Some((Standing::Delegated(delegation), Some(counted)))
            }
            (None, None) => None,
        }
    }

    /// Returns what a member's delegate says in its place, if it has one whose ballot counts.
    fn delegated(
        &self,
        member: &PublicKey,
        choice: &dyn Fn(&Ballot) -> Option<Choice>,
    ) -> Option<(&Delegation, Choice)> {
        let delegation = self.proxies.get(member)?;
        match self.voters.get(&delegation.delegate?)? {
            Own::Stands { ballot, .. } => Some((delegation, choice(ballot)?)),
            Own::Double(_) => None,
        }
    }

    fn is_represented(
        &self,
        member: &PublicKey,
        choice: &dyn Fn(&Ballot) -> Option<Choice>,
    ) -> bool {
        self.terms.finality() == Finality::FirstFinal && self.delegated(member, choice).is_some()
    }

    fn sums_with(&self, choice: impl Fn(&Ballot) -> Option<Choice>) -> Sums {
        let mut sums = Sums::default();
        for (_, counted) in self.standings(&choice) {
            sums.leaves += 1;
            match counted {
                Some(Choice::Yes) => sums.yes += 1,
                Some(Choice::No) => sums.no += 1,
                Some(Choice::Abstain) => sums.abstain += 1,
                None => {}
            }
        }
        sums
    }

    fn choice(&self, ballot: &Ballot) -> Option<Choice> {
        match &ballot.vote {
            Vote::Open(choice) => Some(*choice),
            Vote::Sealed(_) => self.opened.get(&ballot.voter)?.1,
        }
    }

    const fn not_now(&self, now: Wall) -> Refused {
        Refused::NotNow {
            now,
            close: self.close,
        }
    }
}

/// Counts a sealed ballot as an abstention: it takes part, and nobody knows how.
#[expect(
    clippy::unnecessary_wraps,
    reason = "stands where choices may be unknown"
)]
const fn counts_as_cast(ballot: &Ballot) -> Option<Choice> {
    match ballot.vote {
        Vote::Open(choice) => Some(choice),
        Vote::Sealed(_) => Some(Choice::Abstain),
    }
}

/// Puts a block's ballots in the one order in which they are taken, whatever order they stood in.
fn in_order(ballots: Vec<Verified<Ballot>>) -> Vec<Ballot> {
    let mut ballots: Vec<_> = ballots
        .iter()
        .map(|ballot| ballot.value().clone())
        .collect();
    ballots.sort_by_cached_key(|ballot| {
        let signature = *ballot.signature.bytes();
        (ballot.voter, ballot.seq, ballot.id(), signature)
    });
    ballots
}

/// Tells whether two ballots say the same, so that they have one name.
fn same(a: &Ballot, b: &Ballot) -> bool {
    (a.proposal, a.voter, a.seq) == (b.proposal, b.voter, b.seq) && a.vote == b.vote
}

fn ordered(a: Ballot, b: Ballot) -> (Ballot, Ballot) {
    if a.id() < b.id() { (a, b) } else { (b, a) }
}
