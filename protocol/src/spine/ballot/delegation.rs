//! Who lets whom vote in its place, across all votes.
//!
//! A member has at most one standing delegation and one for each proposal, the latter going first; the highest
//! number of each scope holds. Chains end after one step: a delegate's ballot counts for those who delegated to
//! it, never for those who delegated to them. Whoever takes a delegation knows whom it speaks for, and a member
//! knows from whom to expect an answer; longer chains would gather votes where nobody looks.
//!
//! What is in force when a delegate's ballot is committed is asked of the state *before* that block; a vote that
//! has closed asks for what was said before its close. Whether the members have a vote, and whether they use it
//! themselves, is the poll's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_bytes::{ByteBuf, Bytes};
use x0_crypto::{ContentId, PublicKey};

use super::packed::{DELEGATION_BYTES, pack_delegation, unpack_delegation};
use crate::{
    core::{
        packed::{Packer, Unpacker},
        time::Wall,
    },
    wire::{Delegation, DelegationScope, Verified, VoteStatement},
};

/// The delegations in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegations {
    /// By scope and member: what was said last, and when it was committed.
    said: BTreeMap<DelegationScope, BTreeMap<PublicKey, (Delegation, Wall)>>,
    /// Who has named a delegate: each name once for every scope.
    named: BTreeMap<(DelegationScope, PublicKey), BTreeSet<PublicKey>>,
}

/// Why a delegation changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationRefused {
    /// One with the same or a higher number holds.
    #[error("a delegation with the number {holds} holds already; use a higher one")]
    Stale {
        /// Its number.
        holds: u32,
    },
    /// A field is out of its bounds.
    #[error("the delegation is not well formed")]
    Malformed,
}

impl Serialize for Delegations {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let count = self.said.values().map(BTreeMap::len).sum();
        let mut packer = Packer::of(count, DELEGATION_BYTES + 8);
        for (delegation, at) in self.said.values().flat_map(BTreeMap::values) {
            pack_delegation(&mut packer, delegation);
            packer.u64(at.0);
        }
        Bytes::new(&packer.finish()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Delegations {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(from)?;
        let said = Unpacker::new(&bytes).list(32, |from| {
            Some((unpack_delegation(from)?, Wall(from.u64()?)))
        });
        let said = said.ok_or_else(|| D::Error::custom("the delegations are damaged"))?;
        let mut delegations = Self::default();
        for (delegation, at) in said {
            // Each stands there once, as it was taken before.
            delegations.take_one(&delegation, at).ok();
        }
        Ok(delegations)
    }
}

impl Delegations {
    /// Takes the delegations of a block, at the block's mesh time; their order in it does not matter. Returns
    /// those that change nothing.
    pub fn take(
        &mut self,
        mut block: Vec<Verified<Delegation>>,
        now: Wall,
    ) -> Vec<(Delegation, DelegationRefused)> {
        // Of two different ones with the same number the first in this order holds.
        block.sort_by_cached_key(|delegation| {
            let delegation = delegation.value();
            let content = (delegation.delegate, *delegation.signature.bytes());
            (delegation.member, delegation.scope, delegation.seq, content)
        });
        let mut refused = Vec::new();
        for delegation in block {
            let delegation = delegation.value();
            if let Err(why) = self.take_one(delegation, now) {
                refused.push((delegation.clone(), why));
            }
        }
        refused
    }

    /// Returns the number of what a member has said last in a scope.
    pub fn seq_of(&self, member: &PublicKey, scope: &DelegationScope) -> Option<u32> {
        let (delegation, _) = self.said.get(scope)?.get(member)?;
        Some(delegation.seq)
    }

    /// Returns what a member has said for a proposal, or else in general.
    pub fn of(&self, member: &PublicKey, proposal: ContentId) -> Option<&Delegation> {
        self.committed(member, proposal)
            .map(|(delegation, _)| delegation)
    }

    /// Returns the delegations to a delegate that are in force for a proposal and were committed before some mesh
    /// time, in order of member.
    pub fn to(&self, delegate: &PublicKey, proposal: ContentId, before: Wall) -> Vec<&Delegation> {
        let scopes = [
            DelegationScope::Proposal(proposal),
            DelegationScope::Standing,
        ];
        let members: BTreeSet<_> = scopes
            .iter()
            .filter_map(|scope| self.named.get(&(*scope, *delegate)))
            .flatten()
            .collect();
        members
            .into_iter()
            .filter_map(|member| self.committed(member, proposal))
            .filter(|(delegation, at)| delegation.delegate == Some(*delegate) && *at < before)
            .map(|(delegation, _)| delegation)
            .collect()
    }

    /// Forgets what was said for one proposal, once its vote is over.
    pub fn forget(&mut self, proposal: ContentId) {
        let scope = DelegationScope::Proposal(proposal);
        self.said.remove(&scope);
        self.named.retain(|(named, _), _| *named != scope);
    }

    fn committed(&self, member: &PublicKey, proposal: ContentId) -> Option<&(Delegation, Wall)> {
        let said = |scope| self.said.get(&scope)?.get(member);
        said(DelegationScope::Proposal(proposal)).or_else(|| said(DelegationScope::Standing))
    }

    fn take_one(&mut self, delegation: &Delegation, now: Wall) -> Result<(), DelegationRefused> {
        delegation
            .check()
            .map_err(|_| DelegationRefused::Malformed)?;
        let (scope, member) = (delegation.scope, delegation.member);
        let of_scope = self.said.entry(scope).or_default();
        if let Some((holds, _)) = of_scope.get(&member) {
            if holds.seq >= delegation.seq {
                return Err(DelegationRefused::Stale { holds: holds.seq });
            }
            if let Some(delegate) = holds.delegate {
                let key = (scope, delegate);
                if let Some(members) = self.named.get_mut(&key) {
                    members.remove(&member);
                    if members.is_empty() {
                        self.named.remove(&key);
                    }
                }
            }
        }
        if let Some(delegate) = delegation.delegate {
            let members = self.named.entry((scope, delegate)).or_default();
            members.insert(member);
        }
        of_scope.insert(member, (delegation.clone(), now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{MESH, key, member},
        *,
    };

    fn said(
        who: u16,
        scope: DelegationScope,
        seq: u32,
        delegate: Option<u16>,
    ) -> Verified<Delegation> {
        Delegation::sign(&MESH, &member(who), scope, seq, delegate.map(key))
    }

    fn members(delegations: &Delegations, delegate: u16, proposal: ContentId) -> Vec<PublicKey> {
        let to = delegations.to(&key(delegate), proposal, Wall(u64::MAX));
        to.iter().map(|delegation| delegation.member).collect()
    }

    #[test]
    fn a_delegation_for_one_proposal_goes_before_the_standing_one() {
        let (this, other) = (ContentId::of(b"this"), ContentId::of(b"other"));
        let mut all = Delegations::default();
        all.take(
            vec![
                said(1, DelegationScope::Standing, 0, Some(8)),
                said(1, DelegationScope::Proposal(this), 0, Some(9)),
                said(2, DelegationScope::Standing, 0, Some(8)),
                said(2, DelegationScope::Proposal(this), 0, None),
            ],
            Wall(1),
        );

        assert_eq!(members(&all, 9, this), [key(1)]);
        assert!(members(&all, 8, this).is_empty());
        assert_eq!(members(&all, 8, other).len(), 2);

        all.forget(this);
        assert_eq!(members(&all, 8, this).len(), 2);
        assert!(members(&all, 9, this).is_empty());
    }

    #[test]
    fn only_a_higher_number_changes_or_revokes_a_delegation() {
        let (standing, any) = (DelegationScope::Standing, ContentId::of(b"any"));
        let mut all = Delegations::default();
        all.take(vec![said(1, standing, 1, Some(8))], Wall(1));

        let refused = all.take(
            vec![said(1, standing, 1, Some(9)), said(1, standing, 0, None)],
            Wall(2),
        );
        assert!(
            refused
                .iter()
                .all(|(_, why)| *why == DelegationRefused::Stale { holds: 1 })
        );
        assert_eq!((refused.len(), members(&all, 8, any)), (2, vec![key(1)]));

        assert!(
            all.take(vec![said(1, standing, 2, None)], Wall(3))
                .is_empty()
        );
        assert!(members(&all, 8, any).is_empty());
        assert!(all.named.is_empty());
    }

    #[test]
    fn the_order_inside_a_block_does_not_matter() {
        let block = [
            said(1, DelegationScope::Standing, 0, Some(8)),
            said(1, DelegationScope::Standing, 0, Some(9)),
            said(1, DelegationScope::Standing, 1, Some(7)),
            said(2, DelegationScope::Standing, 0, Some(8)),
            said(2, DelegationScope::Standing, 0, Some(7)),
        ];
        let (mut forth, mut back) = (Delegations::default(), Delegations::default());
        forth.take(block.to_vec(), Wall(1));
        back.take(block.iter().rev().cloned().collect(), Wall(1));
        assert_eq!(forth, back);
    }

    #[test]
    fn nobody_delegates_to_itself() {
        let mut all = Delegations::default();
        let refused = all.take(
            vec![said(1, DelegationScope::Standing, 0, Some(1))],
            Wall(1),
        );
        assert_eq!(refused[0].1, DelegationRefused::Malformed);
    }

    #[test]
    fn what_was_said_after_a_close_is_left_out() {
        let any = ContentId::of(b"any");
        let mut all = Delegations::default();
        all.take(
            vec![said(1, DelegationScope::Standing, 0, Some(8))],
            Wall(5),
        );
        assert!(all.to(&key(8), any, Wall(5)).is_empty());
        assert_eq!(all.to(&key(8), any, Wall(6)).len(), 1);
    }
}
