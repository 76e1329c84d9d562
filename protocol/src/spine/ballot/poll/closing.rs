//! What comes while a vote closes, and how what was listed is taken into the count.
//!
//! A ballot that comes to the log after the close waits here. Once the lists are complete, those for which so many seats
//! speak that one of them is honest stand beside the others, whatever the order in which they came; the rest is late. A
//! block takes some thousand of them, voter by voter, so that no seat is busy for long; then whom the new voters speak
//! for, in the order in which their ballots came.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{Own, Poll, Touched, counts_as_cast, packed};
use crate::{
    core::{
        limits::{BALLOTS_MERGED_MAX, URN_PER_VOTER_MAX, VOTE_SEQ_MAX},
        time::Wall,
    },
    spine::ballot::{Event, Phase, Refused, delegation::Delegations, terms::Roll},
    wire::{Ballot, BallotList, Delegation, Receipt, Verified, VoteStatement},
};

/// Most ballots of one voter that are kept until the lists are complete: three choices under every number there is.
/// Were they fewer, a voter could fill the room and then void an honest count by one for which it has receipts.
const HELD_PER_VOTER_MAX: usize = 3 * (VOTE_SEQ_MAX as usize + 1);

/// Most ballots on a seat's list for each member that may vote: as many as an honest seat holds of one voter.
const LISTED_PER_MEMBER_MAX: u64 = URN_PER_VOTER_MAX as u64;

/// What comes while the vote closes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    #[serde(with = "crate::core::pairs")]
    lists: BTreeMap<PublicKey, Listing>,
    /// Ballots on lists, and the seats that list them, by place.
    #[serde(with = "packed::vouched")]
    listed: BTreeMap<ContentId, u32>,
    /// Ballots for which there are receipts, and the seats that gave them, by place.
    #[serde(with = "packed::vouched")]
    receipted: BTreeMap<ContentId, u32>,
    /// Ballots that count by the lists and have not come to the log yet.
    #[serde(with = "packed::names")]
    awaited: BTreeSet<ContentId>,
    #[serde(with = "packed::held")]
    waiting: Waiting,
    merging: Option<Merging>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    parts: u32,
    ballots: u64,
    complete: bool,
}

/// How far what was listed is taken into the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Merging {
    /// Ballots, by voter and number: the last that is done, and whether its voter is new to the count.
    Ballots { last: Option<(Place, bool)> },
    /// Whom the new voters speak for: how many voters are done.
    Proxies { done: u32 },
}

/// Voter, number, and how many ballots came before.
type Place = (PublicKey, u32, u32);

/// A ballot that came after the close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: ContentId,
    pub(super) ballot: Ballot,
    /// Whom it would speak for.
    pub(super) proxies: Vec<Delegation>,
}

/// Ballots that came after the close, as they came; found by name and by voter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    all: Vec<Held>,
    names: BTreeSet<ContentId>,
    places: BTreeSet<Place>,
}

impl Waiting {
    pub(super) fn of(all: Vec<Held>) -> Self {
        let mut waiting = Self::default();
        for held in all {
            waiting.push(held);
        }
        waiting
    }

    pub(super) fn all(&self) -> &[Held] {
        &self.all
    }

    fn push(&mut self, held: Held) {
        let came = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.names.insert(held.id);
        let (voter, seq) = (held.ballot.voter, held.ballot.seq);
        self.places.insert((voter, seq, came));
        self.all.push(held);
    }

    fn count_of(&self, voter: &PublicKey) -> usize {
        let of = (*voter, 0, 0)..=(*voter, u32::MAX, u32::MAX);
        self.places.range(of).count()
    }

    /// Returns some that follow a place, by voter and number.
    fn after(&self, place: Option<Place>, count_max: usize) -> Vec<Place> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.places.range((from, Bound::Unbounded));
        following.take(count_max).copied().collect()
    }

    fn at(&mut self, place: &Place) -> Option<&mut Held> {
        self.all.get_mut(usize::try_from(place.2).ok()?)
    }
}

impl Closing {
    /// Tells whether the lists are complete and are being taken into the count.
    pub(super) const fn is_merging(&self) -> bool {
        self.merging.is_some()
    }

    fn receipted_by(&self, ballot: &ContentId) -> u32 {
        self.receipted.get(ballot).copied().unwrap_or(0)
    }

    fn listed_by(&self, ballot: &ContentId) -> u32 {
        self.listed.get(ballot).copied().unwrap_or(0)
    }
}

impl Poll {
    /// Returns the next part of its list that a seat owes; none if nothing is awaited of it.
    pub fn part_due(&self, seat: &PublicKey) -> Option<u32> {
        let Phase::Closing { .. } = self.phase else {
            return None;
        };
        match self.closing.lists.get(seat) {
            None => Some(0),
            Some(listing) => (!listing.complete).then_some(listing.parts),
        }
    }

    /// Tells whether a ballot came to the log after the close, so that it counts only if seats speak for it.
    pub fn is_held(&self, ballot: &Ballot) -> bool {
        self.closing.waiting.names.contains(&ballot.id())
    }

    /// Tells whether a ballot that came after the close does not count yet, for want of seats that speak for it.
    pub fn lacks_word(&self, ballot: &Ballot) -> bool {
        let id = ballot.id();
        self.closing.waiting.names.contains(&id) && !self.is_from_before(&id)
    }

    /// Keeps a ballot until it is known whether a seat lists it.
    pub(super) fn hold(
        &mut self,
        ballot: Ballot,
        delegations: &Delegations,
        roll: &dyn Roll,
        now: Wall,
    ) -> Result<(), Refused> {
        self.check(&ballot, roll, now)?;
        let (voter, id) = (ballot.voter, ballot.id());
        let waiting = &mut self.closing.waiting;
        if waiting.names.contains(&id) {
            return Err(Refused::Stale);
        }
        if waiting.count_of(&voter) >= HELD_PER_VOTER_MAX {
            return Err(Refused::TooMany);
        }
        let proxies = delegations.to(&voter, self.terms.proposal(), self.close);
        let proxies = proxies
            .into_iter()
            .filter(|proxy| roll.contains(&proxy.member));
        waiting.push(Held {
            id,
            ballot,
            proxies: proxies.cloned().collect(),
        });
        self.closing.awaited.remove(&id);
        Ok(())
    }

    pub(super) fn take_list(&mut self, list: &BallotList, now: Wall) -> Result<(), Refused> {
        list.check().map_err(|_| Refused::Malformed)?;
        if list.proposal != self.terms.proposal() {
            return Err(Refused::OtherProposal);
        }
        if !self.seats.contains(&list.seat) {
            return Err(Refused::NoVote);
        }
        let Phase::Closing { .. } = self.phase else {
            return Err(self.not_now(now));
        };
        let members = u64::from(self.terms.electorate().count);
        let listing = self.closing.lists.entry(list.seat).or_default();
        if listing.complete || list.part != listing.parts {
            return Err(Refused::OutOfOrder);
        }
        let ballots = u64::try_from(list.ballots.len()).unwrap_or(u64::MAX);
        let ballots = listing.ballots.saturating_add(ballots);
        if ballots > members.saturating_mul(LISTED_PER_MEMBER_MAX) {
            return Err(Refused::TooMany);
        }
        *listing = Listing {
            parts: list.part + 1,
            ballots,
            complete: list.last,
        };
        let place = self.bit_of(&list.seat);
        for ballot in &list.ballots {
            let seats = self.closing.listed.entry(*ballot).or_default();
            *seats |= place;
            let seats = *seats;
            if self.is_vouched(seats) && !self.closing.waiting.names.contains(ballot) {
                self.closing.awaited.insert(*ballot);
            }
        }
        Ok(())
    }

    /// Takes seats' words, from before the close, for ballots that came after it.
    pub(super) fn take_receipts(&mut self, receipts: &[Verified<Receipt>]) {
        let Phase::Closing { .. } = self.phase else {
            return;
        };
        for receipt in receipts {
            let receipt = receipt.value();
            let place = self.bit_of(&receipt.seat);
            let is_for_held = receipt.proposal == self.terms.proposal()
                && receipt.time < self.close
                && self.closing.waiting.names.contains(&receipt.ballot);
            if place != 0 && is_for_held {
                *self.closing.receipted.entry(receipt.ballot).or_default() |= place;
            }
        }
    }

    /// Returns the place of a seat as a bit; none for who is no seat.
    fn bit_of(&self, seat: &PublicKey) -> u32 {
        let place = self.seats.keys().binary_search(seat).ok();
        let place = place.and_then(|place| u32::try_from(place).ok());
        place
            .and_then(|place| 1_u32.checked_shl(place))
            .unwrap_or(0)
    }

    pub(super) fn lists_complete(&self) -> usize {
        let lists = self.closing.lists.values();
        lists.filter(|list| list.complete).count()
    }

    /// Tells whether so many seats speak for something that one of them is honest.
    fn is_vouched(&self, seats: u32) -> bool {
        usize::try_from(seats.count_ones()).unwrap_or(0) > self.seats.faulty_max()
    }

    /// Tells whether a ballot that comes after the close counts.
    fn is_from_before(&self, ballot: &ContentId) -> bool {
        self.is_vouched(self.closing.listed_by(ballot))
            || self.is_vouched(self.closing.receipted_by(ballot))
    }

    /// Tells whether a ballot that counts by the lists has not come to the log yet.
    pub(super) fn awaits_listed(&self) -> bool {
        !self.closing.awaited.is_empty()
    }

    /// Takes no more lists, and begins to take into the count what was listed and came.
    pub(super) fn end_lists(&mut self, now: Wall) -> Option<Event> {
        let lists = self.closing.lists.iter();
        let complete = lists.filter(|(_, list)| list.complete);
        self.lists = complete.fold(0, |places, (seat, _)| places | self.bit_of(seat));
        self.phase = Phase::Counting;
        self.closing.merging = Some(Merging::Ballots { last: None });
        self.merge(now)
    }

    /// Takes some more into the count; none until the last is taken.
    pub(super) fn merge(&mut self, now: Wall) -> Option<Event> {
        if let Some(Merging::Ballots { last }) = self.closing.merging {
            self.merge_ballots(last);
        }
        if let Some(Merging::Proxies { done }) = self.closing.merging {
            self.merge_proxies(done);
        }
        if self.closing.is_merging() {
            return None;
        }
        self.closing = Closing::default();
        self.end_merge(now)
    }

    fn merge_ballots(&mut self, mut last: Option<(Place, bool)>) {
        let some = (self.closing.waiting).after(last.map(|(place, _)| place), BALLOTS_MERGED_MAX);
        let mut touched = Touched::default();
        for place in &some {
            let voter = place.0;
            let is_new = match last {
                Some((before, is_new)) if before.0 == voter => is_new,
                Some(_) | None => !self.voters.contains_key(&voter),
            };
            last = Some((*place, is_new));
            let Some(held) = self.closing.waiting.at(place) else {
                continue;
            };
            let (id, ballot) = (held.id, held.ballot.clone());
            let is_late = !self.is_from_before(&id);
            if (is_late || !is_new)
                && let Some(held) = self.closing.waiting.at(place)
            {
                held.proxies = Vec::new();
            }
            if is_late {
                self.late.insert(voter);
                continue;
            }
            self.touch_voter(&voter, &mut touched);
            // A ballot that is stale or makes a double is as good as not listed, or voids its voter.
            let _admitted = self.admit(ballot, true);
        }
        self.count_in(touched);
        let is_last = some.len() < BALLOTS_MERGED_MAX;
        self.closing.merging = Some(if is_last {
            Merging::Proxies { done: 0 }
        } else {
            Merging::Ballots { last }
        });
    }

    fn merge_proxies(&mut self, done: u32) {
        let from = usize::try_from(done).unwrap_or(usize::MAX);
        let mut touched = Touched::default();
        let (mut reached, mut fixed) = (from, 0);
        while fixed < BALLOTS_MERGED_MAX
            && let Some(held) = self.closing.waiting.all.get_mut(reached)
        {
            reached += 1;
            let (voter, proxies) = (held.ballot.voter, core::mem::take(&mut held.proxies));
            let stands = || matches!(self.voters.get(&voter), Some(Own::Stands { .. }));
            if !proxies.is_empty() && stands() && !self.is_represented(&voter, &counts_as_cast) {
                fixed += proxies.len();
                self.fix(proxies, &|_: &PublicKey| true, &mut touched);
            }
        }
        self.count_in(touched);
        let is_last = reached >= self.closing.waiting.all.len();
        self.closing.merging = (!is_last).then(|| Merging::Proxies {
            done: u32::try_from(reached).unwrap_or(u32::MAX),
        });
    }
}
