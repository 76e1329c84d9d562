//! Revoked tokens: what the log has agreed on, and what one seat knows before it has.
//!
//! A revocation is a record and reaches each seat when gossip brings it. Whether an act is admitted must follow from
//! the log alone, so a revocation counts there once an entry names it, and seats name only those that strike an act
//! which waits or was admitted. A seat votes for such an entry if it knows the revocation itself: so a decided one
//! stands on the signed record that an honest seat holds. What is known only grows; an entry that was valid stays so.
//!
//! Seats do *not* vote against blocks with an act whose token they know to be revoked: a block that turns invalid
//! between two rounds could lock those who have voted for it already, and the log would stand still.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use x0_crypto::capability::{RevocationId, RootKey};

use crate::{
    core::{
        limits::{REVOCATIONS_MAX, REVOKED_KEPT_MAX},
        time::{Millis, Mono},
    },
    wire::Entry,
};

/// Time that a revocation gets to reach the other seats before they are asked to agree on it.
const REVOCATION_SETTLES: Millis = Millis(3_000);

/// The blocks of tokens that the log has agreed are revoked; the first named gives way, and is named anew when it
/// strikes again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoked {
    ids: BTreeSet<(RootKey, RevocationId)>,
    order: VecDeque<(RootKey, RevocationId)>,
}

impl Revoked {
    /// Takes note of a revocation.
    pub(super) fn insert(&mut self, root: RootKey, id: RevocationId) {
        if !self.ids.insert((root, id)) {
            return;
        }
        self.order.push_back((root, id));
        while self.order.len() > REVOKED_KEPT_MAX {
            if let Some(first) = self.order.pop_front() {
                self.ids.remove(&first);
            }
        }
    }

    /// Tells whether a block of a token is revoked.
    pub(super) fn has(&self, root: &RootKey, id: &RevocationId) -> bool {
        self.ids.contains(&(*root, *id))
    }

    /// Returns the place of the first block of a token that is revoked.
    pub(super) fn strikes(&self, root: &RootKey, blocks: &[RevocationId]) -> Option<usize> {
        blocks.iter().position(|id| self.has(root, id))
    }
}

/// The revocations that one seat knows, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownRevoked(BTreeMap<(RootKey, RevocationId), Mono>);

impl KnownRevoked {
    /// Takes note of a revocation.
    pub(super) fn insert(&mut self, root: RootKey, id: RevocationId, now: Mono) {
        self.0.entry((root, id)).or_insert(now);
    }

    /// Tells whether this seat knows that a block of a token is revoked.
    pub(super) fn has(&self, root: &RootKey, id: &RevocationId) -> bool {
        self.0.contains_key(&(*root, *id))
    }

    /// Tells whether this seat knows of any revocation under a root.
    pub(super) fn is_any_of(&self, root: &RootKey) -> bool {
        let first = (*root, RevocationId::from_bytes([0; 32]));
        let mut from_there = self.0.range(first..);
        from_there.next().is_some_and(|((of, _), _)| of == root)
    }

    /// Returns when the revocations that strike a token have reached the other seats; `None` if none strikes it.
    pub(super) fn strikes(&self, root: &RootKey, blocks: &[RevocationId]) -> Option<Mono> {
        let since = blocks.iter().filter_map(|id| self.0.get(&(*root, *id)));
        since.min().map(|since| *since + REVOCATION_SETTLES)
    }

    /// Returns the revocations among the blocks of tokens that have reached the other seats, as entries name them.
    pub(super) fn entries(
        &self,
        struck: impl Iterator<Item = (RootKey, Vec<RevocationId>)>,
        now: Mono,
    ) -> Vec<Entry> {
        let mut by_root: BTreeMap<RootKey, BTreeSet<RevocationId>> = BTreeMap::new();
        for (root, blocks) in struck {
            let settled = blocks.into_iter().filter(|id| {
                let since = self.0.get(&(root, *id));
                since.is_some_and(|since| *since + REVOCATION_SETTLES <= now)
            });
            by_root.entry(root).or_default().extend(settled);
        }
        let by_root = by_root.into_iter();
        by_root
            .flat_map(|(root, ids)| {
                let ids: Vec<_> = ids.into_iter().collect();
                let chunks = ids.chunks(REVOCATIONS_MAX).map(<[_]>::to_vec);
                chunks
                    .map(|ids| Entry::Revoked { root, ids })
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zeroize::Zeroizing;

    use x0_crypto::Identity;

    use super::*;

    fn root(seed: u8) -> RootKey {
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        identity.capability_root().public()
    }

    fn id(number: u16) -> RevocationId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        RevocationId::from_bytes(bytes)
    }

    #[test]
    fn the_first_revocation_gives_way_when_too_many_are_kept() {
        let mut revoked = Revoked::default();
        let most = u16::try_from(REVOKED_KEPT_MAX).unwrap();
        for number in 0..=most {
            revoked.insert(root(1), id(number));
            revoked.insert(root(1), id(number));
        }
        assert!(!revoked.has(&root(1), &id(0)));
        assert!(revoked.has(&root(1), &id(1)));
        assert!(revoked.has(&root(1), &id(most)));
    }

    #[test]
    fn a_revocation_is_named_once_it_has_settled_and_only_if_it_strikes() {
        let mut known = KnownRevoked::default();
        known.insert(root(1), id(1), Mono(1_000));
        known.insert(root(1), id(2), Mono(1_000));
        let token = || std::iter::once((root(1), vec![id(7), id(2)]));
        assert_eq!(known.entries(token(), Mono(3_999)), Vec::new());
        let named = Entry::Revoked {
            root: root(1),
            ids: vec![id(2)],
        };
        assert_eq!(known.entries(token(), Mono(4_000)), vec![named]);
        assert!(known.is_any_of(&root(1)));
        assert!(!known.is_any_of(&root(2)));
        assert_eq!(known.strikes(&root(2), &[id(2)]), None);
    }
}
