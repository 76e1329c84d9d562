//! The count as it stands, kept up to date with every ballot: what a vote comes to so far is looked up, not counted.
//!
//! A member's place in the count depends on its own ballot, on its delegate's, and on the rule that puts one before the
//! other. So whoever may be touched by a block is taken out of the count before, and put back in after it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_bytes::{ByteBuf, Bytes};
use x0_crypto::PublicKey;

use super::{Poll, counts_as_cast};
use crate::{
    core::packed::{Packer, Unpacker},
    spine::ballot::{
        packed::{DELEGATION_BYTES, pack_delegation, unpack_delegation},
        tally::Sums,
    },
    wire::{Choice, Delegation},
};

/// Delegations fixed by a delegate's ballot: one for each member, for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    of: BTreeMap<PublicKey, Delegation>,
    /// Who has one, by delegate.
    by: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
}

impl Proxies {
    /// Fixes whom a delegate speaks for; who has a delegate keeps it.
    pub(super) fn fix(&mut self, delegation: Delegation) {
        let member = delegation.member;
        let Some(delegate) = delegation.delegate else {
            return;
        };
        if !self.of.contains_key(&member) {
            self.by.entry(delegate).or_default().insert(member);
            self.of.insert(member, delegation);
        }
    }

    pub(super) fn get(&self, member: &PublicKey) -> Option<&Delegation> {
        self.of.get(member)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &PublicKey> {
        self.of.keys()
    }

    fn of_delegate(&self, delegate: &PublicKey) -> impl Iterator<Item = &PublicKey> {
        self.by.get(delegate).into_iter().flatten()
    }
}

impl Serialize for Proxies {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut packer = Packer::of(self.of.len(), DELEGATION_BYTES);
        for delegation in self.of.values() {
            pack_delegation(&mut packer, delegation);
        }
        Bytes::new(&packer.finish()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let fixed = Unpacker::new(&bytes).list(32, unpack_delegation);
        let fixed = fixed.ok_or_else(|| D::Error::custom("the delegations are damaged"))?;
        let mut proxies = Self::default();
        for delegation in fixed {
            proxies.fix(delegation);
        }
        Ok(proxies)
    }
}

/// Members who are out of the count while something about them changes.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeSet<PublicKey>);

impl Poll {
    /// Takes a voter out of the count, and all for whom it speaks.
    pub(super) fn touch_voter(&mut self, voter: &PublicKey, touched: &mut Touched) {
        let spoken_for: Vec<_> = self.proxies.of_delegate(voter).copied().collect();
        for member in spoken_for {
            self.touch(&member, touched);
        }
        self.touch(voter, touched);
    }

    /// Takes a member out of the count.
    pub(super) fn touch(&mut self, member: &PublicKey, touched: &mut Touched) {
        if touched.0.insert(*member)
            && let Some((_, counted)) = self.standing_of(member, &counts_as_cast)
        {
            shift(&mut self.running, counted, |part| {
                *part = part.saturating_sub(1);
            });
        }
    }

    /// Puts everybody back into the count as they stand now.
    pub(super) fn count_in(&mut self, touched: Touched) {
        for member in touched.0 {
            if let Some((_, counted)) = self.standing_of(&member, &counts_as_cast) {
                shift(&mut self.running, counted, |part| {
                    *part = part.saturating_add(1);
                });
            }
        }
    }
}

fn shift(sums: &mut Sums, counted: Option<Choice>, by_one: impl Fn(&mut u64)) {
    by_one(&mut sums.leaves);
    match counted {
        Some(Choice::Yes) => by_one(&mut sums.yes),
        Some(Choice::No) => by_one(&mut sums.no),
        Some(Choice::Abstain) => by_one(&mut sums.abstain),
        None => {}
    }
}
