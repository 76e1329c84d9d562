//! What this node has handed to the seats: its proposals, ballots, delegations, and how far each is.
//!
//! Each is on disk before it is sent, and is sent again until enough seats have answered: for a ballot a quorum of
//! receipts, for anything else so many who have it in the log that one of them is honest. So a seat that is not to be
//! had holds nothing up, and neither does a restart.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::fraud::Receipted;
use crate::{
    core::{
        limits::OWN_VOTES_MAX,
        time::{Millis, Mono, Wall},
    },
    spine::committee::Seats,
    wire::{Ballot, DelegationScope, Receipt, VoteItem},
};

/// Time after which is asked again first; doubles each time up to the longest.
const ASK_AGAIN: Millis = Millis(1_000);
/// Longest time before is asked again.
const ASK_AGAIN_MAX: Millis = Millis::from_secs(16);
/// The same for what may have to wait for weeks, until the member counts.
const STANDING_AGAIN_MAX: Millis = Millis::from_mins(10);

/// What a node finds in its store of votes at a start.
#[derive(Clone, Debug, Default)]
pub struct StoredVotes {
    /// As a seat: ballots taken in, and when, in mesh time.
    pub held: Vec<(Ballot, Wall)>,
    /// What this node has handed in.
    pub own: Vec<VoteItem>,
    /// The receipts it got.
    pub receipts: Vec<Receipt>,
}

/// Something that is written down about votes.
#[derive(Clone, Debug)]
pub enum VoteWrite {
    /// As a seat: a ballot that it gives its word for.
    Held {
        /// The ballot.
        ballot: Ballot,
        /// When it was taken in, in mesh time.
        time: Wall,
    },
    /// As a seat: the ballots of this vote need not be kept any more.
    Over(ContentId),
    /// What this node hands in.
    Own(VoteItem),
    /// A receipt for an own ballot.
    Receipt(Receipt),
    /// What this node had handed in is done with.
    Done(ContentId),
}

impl StoredVotes {
    /// Takes in a write as a store does that holds everything in memory.
    pub fn apply(&mut self, write: VoteWrite) {
        match write {
            VoteWrite::Held { ballot, time } => self.held.push((ballot, time)),
            VoteWrite::Over(proposal) => self.held.retain(|(held, _)| held.proposal != proposal),
            VoteWrite::Own(item) => self.own.push(item),
            VoteWrite::Receipt(receipt) => self.receipts.push(receipt),
            VoteWrite::Done(id) => {
                self.own.retain(|own| own.id() != id);
                self.receipts.retain(|receipt| receipt.ballot != id);
            }
        }
    }
}

/// How far something is that this node has handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnStage {
    /// It is on its way.
    Sending,
    /// Enough seats have it.
    Taken,
    /// It has no effect.
    Refused(String),
}

/// Something that this node has handed in.
#[derive(Clone, Debug)]
pub struct OwnItem {
    /// What.
    pub item: VoteItem,
    /// How far it is.
    pub stage: OwnStage,
    /// Whether this node has said it to all, as it is for a jury.
    pub said: bool,
    receipts: BTreeMap<PublicKey, Receipt>,
    taken: BTreeSet<PublicKey>,
    refused: BTreeMap<PublicKey, String>,
    ask_at: Mono,
    again: Millis,
}

/// All that this node has handed in, by name.
#[derive(Debug, Default)]
pub struct OwnVotes(BTreeMap<ContentId, OwnItem>);

impl OwnVotes {
    /// Takes up what the store held.
    pub fn restore(own: Vec<VoteItem>, receipts: Vec<Receipt>, now: Mono) -> Self {
        let mut all = Self::default();
        for item in own {
            all.put(item, now);
        }
        for receipt in receipts {
            if let Some(own) = all.0.get_mut(&receipt.ballot) {
                own.receipts.insert(receipt.seat, receipt);
            }
        }
        all
    }

    /// Takes in something to be sent; returns what is forgotten for it.
    pub fn put(&mut self, item: VoteItem, now: Mono) -> Option<ContentId> {
        let own = OwnItem {
            item,
            stage: OwnStage::Sending,
            said: false,
            receipts: BTreeMap::new(),
            taken: BTreeSet::new(),
            refused: BTreeMap::new(),
            ask_at: now,
            again: ASK_AGAIN,
        };
        self.0.insert(own.item.id(), own);
        if self.0.len() <= OWN_VOTES_MAX {
            return None;
        }
        let done = self.0.iter();
        let mut done = done.filter(|(_, own)| own.stage != OwnStage::Sending);
        let done = done.next().map(|(id, _)| *id)?;
        self.0.remove(&done);
        Some(done)
    }

    /// Tells whether there is room for one more that is on its way.
    pub fn has_room(&self) -> bool {
        let sending = self.0.values();
        let sending = sending.filter(|own| own.stage == OwnStage::Sending);
        sending.count() < OWN_VOTES_MAX
    }

    /// Iterates over all of it, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &OwnItem)> {
        self.0.iter()
    }

    /// Finds something by its name.
    pub fn find(&self, id: &ContentId) -> Option<&OwnItem> {
        self.0.get(id)
    }

    /// Returns the newest own ballot of a vote.
    pub fn ballot(&self, proposal: &ContentId) -> Option<(&Ballot, &OwnItem)> {
        let ballots = self.0.values().filter_map(|own| match &own.item {
            VoteItem::Ballot(ballot) if ballot.proposal == *proposal => Some((ballot, own)),
            VoteItem::Ballot(_)
            | VoteItem::Proposal(_)
            | VoteItem::Delegation(_)
            | VoteItem::OnCall(_) => None,
        });
        ballots.max_by_key(|(ballot, _)| ballot.seq)
    }

    /// Returns the number for the next own delegation of a scope.
    pub fn next_delegation(&self, scope: &DelegationScope) -> u32 {
        let said = self.0.values().filter_map(|own| match &own.item {
            VoteItem::Delegation(said) if said.scope == *scope => Some(said.seq),
            VoteItem::Ballot(_)
            | VoteItem::Proposal(_)
            | VoteItem::Delegation(_)
            | VoteItem::OnCall(_) => None,
        });
        said.max().map_or(0, |seq| seq + 1)
    }

    /// Returns the number for the next own word on juries.
    pub fn next_on_call(&self) -> u32 {
        let said = self.0.values().filter_map(|own| match &own.item {
            VoteItem::OnCall(ready) => Some(ready.seq),
            VoteItem::Ballot(_) | VoteItem::Proposal(_) | VoteItem::Delegation(_) => None,
        });
        said.max().map_or(0, |seq| seq + 1)
    }

    /// Returns what this member has said last about juries.
    pub fn on_call(&self) -> Option<bool> {
        let said = self.0.values().filter_map(|own| match &own.item {
            VoteItem::OnCall(ready) => Some((ready.seq, ready.serves)),
            VoteItem::Ballot(_) | VoteItem::Proposal(_) | VoteItem::Delegation(_) => None,
        });
        said.max().map(|(_, serves)| serves)
    }

    /// Takes note that something was said to all.
    pub fn said(&mut self, id: &ContentId) {
        if let Some(own) = self.0.get_mut(id) {
            own.said = true;
        }
    }

    /// Returns the own ballots of a vote with their receipts: what shows that a ballot was left out.
    pub fn receipted(&self, proposal: &ContentId) -> Vec<Receipted> {
        let ballots = self.0.values().filter_map(|own| match &own.item {
            VoteItem::Ballot(ballot) if ballot.proposal == *proposal => Some(Receipted {
                ballot: ballot.clone(),
                receipts: own.receipts(),
            }),
            VoteItem::Ballot(_)
            | VoteItem::Proposal(_)
            | VoteItem::Delegation(_)
            | VoteItem::OnCall(_) => None,
        });
        ballots.collect()
    }

    /// Returns when something is to be sent again.
    pub fn due(&self) -> Option<Mono> {
        let sending = self.0.values();
        let sending = sending.filter(|own| own.stage == OwnStage::Sending);
        sending.map(|own| own.ask_at).min()
    }

    /// Takes what is to be sent now, with the receipts there are; each is due again later.
    pub fn take_due(&mut self, now: Mono) -> Vec<(ContentId, VoteItem, Vec<Receipt>)> {
        let due = self.0.iter_mut();
        let due = due.filter(|(_, own)| own.stage == OwnStage::Sending && own.ask_at <= now);
        due.map(|(id, own)| {
            own.ask_at = now + own.again;
            let most = if own.is_standing() {
                STANDING_AGAIN_MAX
            } else {
                ASK_AGAIN_MAX
            };
            own.again = Millis(own.again.0.saturating_mul(2)).min(most);
            (*id, own.item.clone(), own.receipts())
        })
        .collect()
    }

    /// Tells whether a seat has still to answer for something.
    pub fn awaits(&self, id: &ContentId, seat: &PublicKey) -> bool {
        self.0.get(id).is_some_and(|own| {
            own.stage == OwnStage::Sending
                && !own.receipts.contains_key(seat)
                && !own.taken.contains(seat)
                && !own.refused.contains_key(seat)
        })
    }

    /// Takes a seat's receipt, whose signature was checked; `true` if it is new.
    pub fn receipt(&mut self, receipt: &Receipt, seats: &Seats) -> bool {
        let Some(own) = self.0.get_mut(&receipt.ballot) else {
            return false;
        };
        let is_new = own.receipts.insert(receipt.seat, receipt.clone()).is_none();
        own.settle(seats);
        is_new
    }

    /// Hears that something stands in a seat's log.
    pub fn taken(&mut self, id: &ContentId, seat: PublicKey, seats: &Seats) {
        if let Some(own) = self.0.get_mut(id) {
            own.taken.insert(seat);
            own.settle(seats);
        }
    }

    /// Hears that a seat refuses something.
    pub fn refused(&mut self, id: &ContentId, seat: PublicKey, why: String, seats: &Seats) {
        if let Some(own) = self.0.get_mut(id) {
            own.refused.insert(seat, why);
            own.settle(seats);
        }
    }

    /// Ends what waits for a vote that is counted.
    pub fn end(&mut self, proposal: &ContentId) {
        for own in self.0.values_mut() {
            let is_of_it = match &own.item {
                VoteItem::Ballot(ballot) => ballot.proposal == *proposal,
                VoteItem::Proposal(_) | VoteItem::Delegation(_) | VoteItem::OnCall(_) => false,
            };
            if is_of_it && own.stage == OwnStage::Sending {
                let why = "the vote was counted before enough seats had the ballot".to_owned();
                own.stage = OwnStage::Refused(why);
            }
        }
    }
}

impl OwnItem {
    /// Says how far it is, in words.
    pub fn words(&self) -> String {
        let what = match &self.item {
            VoteItem::Proposal(_) => "the proposal",
            VoteItem::Ballot(_) => "the ballot",
            VoteItem::Delegation(_) => "the delegation",
            VoteItem::OnCall(_) => "the word on juries",
        };
        match &self.stage {
            OwnStage::Sending if self.said => {
                format!("{what} is said to all; {} seats have it", self.held_by())
            }
            OwnStage::Sending if self.held_by() == 0 && self.is_standing() => {
                format!(
                    "{what} is on its way: the seats take it once the committee counts this member"
                )
            }
            OwnStage::Sending => format!("{what} is on its way: {} seats have it", self.held_by()),
            OwnStage::Taken => format!("{what} has arrived: {} seats have it", self.held_by()),
            OwnStage::Refused(why) => format!("{what} has no effect: {why}"),
        }
    }

    /// Tells whether it holds until the member says otherwise.
    const fn is_standing(&self) -> bool {
        match self.item {
            VoteItem::Delegation(_) | VoteItem::OnCall(_) => true,
            VoteItem::Proposal(_) | VoteItem::Ballot(_) => false,
        }
    }

    /// Returns the seats that gave a receipt or have it in their log.
    pub fn held_by(&self) -> usize {
        let receipts = self.receipts.keys();
        let all: BTreeSet<_> = receipts.chain(&self.taken).collect();
        all.len()
    }

    fn receipts(&self) -> Vec<Receipt> {
        self.receipts.values().cloned().collect()
    }

    fn settle(&mut self, seats: &Seats) {
        if self.stage != OwnStage::Sending {
            return;
        }
        let one_honest = seats.faulty_max() + 1;
        let enough = match self.item {
            VoteItem::Ballot(_) => seats.quorum(),
            VoteItem::Proposal(_) | VoteItem::Delegation(_) | VoteItem::OnCall(_) => one_honest,
        };
        if self.held_by() >= enough || self.taken.len() >= one_honest {
            self.stage = OwnStage::Taken;
        } else if self.refused.len() >= one_honest {
            let why = self.refused.values().next().cloned();
            self.stage = OwnStage::Refused(why.unwrap_or_default());
        }
    }
}
