//! The shares that a node keeps for others, sealed as they came: nothing here opens one.
//!
//! The key that opens them is not in the store where they are, so that destroying the key destroys the shares, whatever
//! copies of the store there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, PublicKey, sublime::ShareIndex};

use crate::{
    core::limits::{SHARES_KEPT_MAX, SHARES_PER_OWNER_MAX},
    wire::{GuardAsk, Refused, Release},
};

/// A share that a node keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptShare {
    /// The key of the item.
    pub item: PublicKey,
    /// Who asked to keep it.
    pub owner: PublicKey,
    /// The sharing that it belongs to.
    pub sharing: ContentId,
    /// Its epoch.
    pub epoch: u32,
    /// The number of the share.
    pub index: ShareIndex,
    /// The share, sealed to this node's key for shares.
    pub sealed: ByteBuf,
}

/// What is to be stored about Sublime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SublimeWrite {
    /// A share that this node keeps from now on; one of the same item gives way.
    Share(Box<KeptShare>),
    /// What was released for a request of this node, and by whom.
    Released(Box<(PublicKey, Release)>),
}

/// What of Sublime is read back at a start.
#[derive(Clone, Debug, Default)]
pub struct StoredSublime {
    /// The shares that this node keeps.
    pub shares: Vec<KeptShare>,
    /// What was released for requests of this node, and by whom.
    pub released: Vec<(PublicKey, Release)>,
}

impl SublimeWrite {
    /// Applies what is to be stored to what is stored.
    pub fn apply(self, stored: &mut StoredSublime) {
        match self {
            Self::Share(share) => {
                stored.shares.retain(|kept| kept.item != share.item);
                stored.shares.push(*share);
            }
            Self::Released(released) => stored.released.push(*released),
        }
    }
}

/// The shares that a node keeps, by item.
#[derive(Clone, Debug, Default)]
pub struct Shares(BTreeMap<PublicKey, KeptShare>);

/// What is to be done about a share that somebody asks to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept already.
    Kept,
    /// It has to be checked.
    Check(Box<KeptShare>),
}

impl Shares {
    /// Looks at a share that an owner's node asks to keep. As long as the item's manifest is not known the owner may hand out
    /// another: a put that was taken up again may have drawn guardians in another order.
    ///
    /// # Errors
    ///
    /// Returns why it is not kept.
    pub fn look(
        &self,
        owner: PublicKey,
        ask: &GuardAsk,
        is_item_known: bool,
    ) -> Result<Taken, Refused> {
        let refused = |why: &str| {
            let why = why.to_owned();
            Err(Refused::NotEntitled { why })
        };
        let share = KeptShare {
            item: ask.item,
            owner,
            sharing: ask.sharing.id(),
            epoch: ask.sharing.epoch,
            index: ask.index,
            sealed: ask.sealed.clone(),
        };
        match self.0.get(&ask.item) {
            Some(kept) if *kept == share => Ok(Taken::Kept),
            Some(kept) if kept.owner != owner => {
                refused("a share of this item is kept for somebody else")
            }
            Some(_) if is_item_known => {
                refused("another share of this item is kept, which only a rotation replaces")
            }
            Some(_) | None if ask.sharing.epoch != 0 => {
                refused("a share of a later epoch comes by a rotation only")
            }
            Some(_) => Ok(Taken::Check(Box::new(share))),
            None if self.0.len() >= SHARES_KEPT_MAX => refused("it keeps as many shares as it can"),
            None if self.count_of(&owner) >= SHARES_PER_OWNER_MAX => {
                refused("it keeps as many shares of one member as it does")
            }
            None => Ok(Taken::Check(Box::new(share))),
        }
    }

    fn count_of(&self, owner: &PublicKey) -> usize {
        let kept = self.0.values();
        kept.filter(|share| share.owner == *owner).count()
    }

    /// Keeps a share.
    pub fn keep(&mut self, share: KeptShare) {
        self.0.insert(share.item, share);
    }

    /// Finds the share of an item.
    pub fn of(&self, item: &PublicKey) -> Option<&KeptShare> {
        self.0.get(item)
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the shares, by item.
    pub fn iter(&self) -> impl Iterator<Item = &KeptShare> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::{
        Identity,
        sublime::{AccessStructure, ItemParts, deal},
    };
    use zeroize::Zeroizing;

    use super::*;
    use crate::wire::Sharing;

    fn key(number: u32) -> PublicKey {
        let mut seed = Zeroizing::new([0; 32]);
        seed[..4].copy_from_slice(&number.to_be_bytes());
        Identity::from_seed(seed).public()
    }

    fn ask(item: u32, epoch: u32, sealed: u8) -> GuardAsk {
        let parts = ItemParts::draw(&[1; 32], b"");
        let access = AccessStructure::new(2, 3).unwrap();
        let commitments = deal(&parts.secret, access, &[2; 32]).commitments;
        GuardAsk {
            item: key(item),
            sharing: Sharing { epoch, commitments },
            index: ShareIndex::new(1).unwrap(),
            sealed: vec![sealed; 8].into(),
        }
    }

    fn keep(shares: &mut Shares, owner: u32, ask: &GuardAsk) -> bool {
        match shares.look(key(owner), ask, true) {
            Ok(Taken::Check(share)) => {
                shares.keep(*share);
                true
            }
            Ok(Taken::Kept) | Err(_) => false,
        }
    }

    #[test]
    fn a_share_is_taken_once_and_no_other_takes_its_place() {
        let mut shares = Shares::default();
        let first = ask(1, 0, 7);
        assert!(keep(&mut shares, 900, &first));
        assert_eq!(shares.look(key(900), &first, true), Ok(Taken::Kept));
        let others = [
            (900, ask(1, 0, 8)),
            (901, ask(1, 0, 7)),
            (900, ask(1, 1, 7)),
            (900, ask(2, 1, 7)),
        ];
        for (owner, other) in others {
            assert!(!keep(&mut shares, owner, &other), "{other:?} of {owner}");
        }
        assert_eq!(shares.iter().count(), 1);
    }

    #[test]
    fn before_the_item_is_known_its_owner_hands_out_another_share_and_nobody_else_does() {
        let mut shares = Shares::default();
        assert!(keep(&mut shares, 900, &ask(1, 0, 7)));
        let again = ask(1, 0, 8);
        let looked = shares.look(key(900), &again, false);
        assert!(matches!(looked, Ok(Taken::Check(share)) if share.sealed == again.sealed));
        assert!(shares.look(key(901), &again, false).is_err());
        assert!(shares.look(key(900), &ask(1, 1, 8), false).is_err());
    }

    #[test]
    fn one_member_does_not_fill_the_room_of_all() {
        let mut shares = Shares::default();
        let most = u32::try_from(SHARES_PER_OWNER_MAX).unwrap();
        let template = ask(0, 0, 7);
        for item in 0..most {
            let ask = GuardAsk {
                item: key(item),
                ..template.clone()
            };
            assert!(keep(&mut shares, 5_000, &ask));
        }
        let one_more = ask(most, 0, 7);
        assert!(!keep(&mut shares, 5_000, &one_more));
        assert!(keep(&mut shares, 5_001, &one_more), "another has room");
    }
}
