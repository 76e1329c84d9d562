//! The shares that a node keeps for others, and the parts of new ones, sealed: nothing here opens one.
//!
//! Each is sealed under a key of its own, which is not in the store where they are. Destroying the key destroys the share,
//! whatever copies of the store there are, and no other share with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, PublicKey, sublime::ShareIndex};

use super::invitations::Invitation;
use crate::{
    core::limits::{SHARES_KEPT_MAX, SHARES_PER_OWNER_MAX},
    wire::{
        Appointed, GuardAsk, PartAck, Refused, Release, RotationDealing, RotationPlan,
        RotationShared, encode_entry,
    },
};

/// Names the key under which a share or a part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareKeyName(ContentId);

impl ShareKeyName {
    /// Names the key of a share by its sharing and its number.
    pub fn of_share(item: &PublicKey, sharing: &ContentId, index: ShareIndex) -> Self {
        let said = ("share", item, sharing, index);
        Self(ContentId::of(&encode_entry(&said)))
    }

    /// Names the key of what a dealer deals in a rotation.
    pub fn of_part(plan: &ContentId, dealer: ShareIndex) -> Self {
        Self(ContentId::of(&encode_entry(&("part", plan, dealer))))
    }

    /// Returns the name as bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        self.0.digest()
    }
}

/// A share that a node keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptShare {
    /// The key of the item.
    pub item: PublicKey,
    /// Who asked to keep it; none if it came by a rotation.
    pub owner: Option<PublicKey>,
    /// The sharing that it belongs to.
    pub sharing: ContentId,
    /// Its epoch.
    pub epoch: u32,
    /// The number of the share.
    pub index: ShareIndex,
    /// What shows that this node keeps it.
    pub appointed: Appointed,
    /// The share, sealed under the key [`KeptShare::key`].
    pub sealed: ByteBuf,
}

impl KeptShare {
    /// Names the key that opens it.
    pub fn key(&self) -> ShareKeyName {
        ShareKeyName::of_share(&self.item, &self.sharing, self.index)
    }
}

/// A dealer's part that a node keeps until the rotation is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPart {
    /// What the dealer has signed.
    pub dealing: RotationDealing,
    /// What this node has said to it.
    pub ack: PartAck,
    /// The part, sealed under the key [`ShareKeyName::of_part`].
    pub sealed: ByteBuf,
}

/// What a node keeps of a rotation in which it is a new guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptParts {
    /// The plan.
    pub plan: RotationPlan,
    /// Its name.
    pub name: ContentId,
    /// The number of the share that comes of it.
    pub index: ShareIndex,
    /// The parts, in order of their dealers.
    pub parts: Vec<KeptPart>,
}

impl KeptParts {
    /// Finds the part of a dealer.
    pub fn of(&self, dealer: ShareIndex) -> Option<&KeptPart> {
        self.parts.iter().find(|part| part.dealing.index == dealer)
    }

    /// Returns the parts of the dealers that a rotation was fixed with; none if one of them lacks.
    pub fn of_dealers(&self, shared: &RotationShared) -> Option<Vec<&KeptPart>> {
        let dealers = shared.dealers.iter();
        dealers.map(|dealer| self.of(*dealer)).collect()
    }

    /// Names the keys that open the parts.
    pub fn keys(&self) -> impl Iterator<Item = ShareKeyName> {
        let parts = self.parts.iter();
        parts.map(|part| ShareKeyName::of_part(&self.name, part.dealing.index))
    }
}

/// That a guardian's node has said that it destroyed its share of an item which this node's member has had forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetReceipt {
    /// The key of the item.
    pub item: PublicKey,
    /// Whose node says so.
    pub by: PublicKey,
    /// The epoch of the share.
    pub epoch: u32,
    /// Its number.
    pub index: ShareIndex,
}

/// Who guards an item, as guardians have shown it to a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownGuards {
    /// The key of the item.
    pub item: PublicKey,
    /// The sharing.
    pub sharing: ContentId,
    /// Its epoch.
    pub epoch: u32,
    /// The guardians, in order.
    pub guardians: BTreeSet<PublicKey>,
}

/// What is to be stored about Sublime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SublimeWrite {
    /// A share that this node keeps from now on; one of the same item gives way.
    Share(Box<KeptShare>),
    /// A share that this node keeps no longer.
    NoShare(PublicKey),
    /// Parts that this node keeps from now on; those of the same item give way.
    Parts(Box<KeptParts>),
    /// Parts that this node keeps no longer.
    NoParts(PublicKey),
    /// What was released for a request of this node, and by whom.
    Released(Box<(PublicKey, Release)>),
    /// That a guardian's node has destroyed its share of an own item.
    Destroyed(ForgetReceipt),
    /// An invitation to serve as a guardian, as it stands from now on.
    Invitation(Box<Invitation>),
    /// An invitation with this member that stands no longer: one of this node's member, or the member's own.
    NoInvitation {
        /// The other member.
        with: PublicKey,
        /// Whether this node's member made it.
        is_own: bool,
    },
    /// Who guards an item, as this seat knows; what was known of it before gives way.
    Guards(Box<KnownGuards>),
    /// That it is not known any more, or of no matter.
    NoGuards(PublicKey),
}

/// What of Sublime is read back at a start.
#[derive(Clone, Debug, Default)]
pub struct StoredSublime {
    /// The shares that this node keeps.
    pub shares: Vec<KeptShare>,
    /// The parts that this node keeps.
    pub parts: Vec<KeptParts>,
    /// What was released for requests of this node, and by whom.
    pub released: Vec<(PublicKey, Release)>,
    /// Whose nodes have destroyed their shares of own items.
    pub destroyed: Vec<ForgetReceipt>,
    /// Invitations to serve as a guardian, made here and sent here.
    pub invitations: Vec<Invitation>,
    /// Who guards which items, as this seat knows.
    pub guards: Vec<KnownGuards>,
}

impl SublimeWrite {
    /// Applies what is to be stored to what is stored.
    pub fn apply(self, stored: &mut StoredSublime) {
        match self {
            Self::Share(share) => {
                stored.shares.retain(|kept| kept.item != share.item);
                stored.shares.push(*share);
            }
            Self::NoShare(item) => stored.shares.retain(|kept| kept.item != item),
            Self::Parts(parts) => {
                stored
                    .parts
                    .retain(|kept| kept.plan.item != parts.plan.item);
                stored.parts.push(*parts);
            }
            Self::NoParts(item) => stored.parts.retain(|kept| kept.plan.item != item),
            Self::Released(released) => stored.released.push(*released),
            Self::Destroyed(receipt) => {
                let place = |kept: &ForgetReceipt| (kept.item, kept.by);
                stored
                    .destroyed
                    .retain(|kept| place(kept) != place(&receipt));
                stored.destroyed.push(receipt);
            }
            Self::Invitation(invitation) => {
                let (with, is_own) = (invitation.with, invitation.is_own);
                let kept = &mut stored.invitations;
                kept.retain(|kept| (kept.with, kept.is_own) != (with, is_own));
                kept.push(*invitation);
            }
            Self::NoInvitation { with, is_own } => {
                let kept = &mut stored.invitations;
                kept.retain(|kept| (kept.with, kept.is_own) != (with, is_own));
            }
            Self::Guards(guards) => {
                stored.guards.retain(|known| known.item != guards.item);
                stored.guards.push(*guards);
            }
            Self::NoGuards(item) => stored.guards.retain(|known| known.item != item),
        }
    }
}

/// The shares that a node keeps, by item.
#[derive(Clone, Debug, Default)]
pub struct Shares(BTreeMap<PublicKey, KeptShare>);

/// A share that somebody asks to keep, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedShare {
    /// The key of the item.
    pub item: PublicKey,
    /// Who asks to keep it.
    pub owner: PublicKey,
    /// The sharing that it belongs to.
    pub sharing: ContentId,
    /// The number of the share.
    pub index: ShareIndex,
    /// What shows that it is for this node.
    pub appointed: Appointed,
}

impl OfferedShare {
    /// Returns it as it is kept, sealed anew.
    pub fn keep(self, sealed: Vec<u8>) -> KeptShare {
        KeptShare {
            item: self.item,
            owner: Some(self.owner),
            sharing: self.sharing,
            epoch: 0,
            index: self.index,
            appointed: self.appointed,
            sealed: sealed.into(),
        }
    }
}

/// What is to be done about a share that somebody asks to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept already.
    Kept,
    /// It has to be checked.
    Check(Box<OfferedShare>),
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
        let share = OfferedShare {
            item: ask.item,
            owner,
            sharing: ask.sharing.id(),
            index: ask.index,
            appointed: Appointed::Owner(ask.appointed),
        };
        match self.0.get(&ask.item) {
            Some(kept) if (kept.sharing, kept.index) == (share.sharing, share.index) => {
                Ok(Taken::Kept)
            }
            Some(kept) if kept.owner != Some(owner) => {
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
        kept.filter(|share| share.owner == Some(*owner)).count()
    }

    /// Keeps a share.
    pub fn keep(&mut self, share: KeptShare) {
        self.0.insert(share.item, share);
    }

    /// Lets go of the share of an item.
    pub fn drop(&mut self, item: &PublicKey) -> Option<KeptShare> {
        self.0.remove(item)
    }

    /// Finds the share of an item.
    pub fn of(&self, item: &PublicKey) -> Option<&KeptShare> {
        self.0.get(item)
    }

    /// Counts the shares.
    pub fn count(&self) -> usize {
        self.0.len()
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
        Identity, Signature,
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
        // Another way of sharing stands for another share.
        let commitments = deal(&parts.secret, access, &[sealed; 32]).commitments;
        GuardAsk {
            item: key(item),
            sharing: Sharing { epoch, commitments },
            index: ShareIndex::new(1).unwrap(),
            appointed: Signature::from_bytes([0; 64]),
            sealed: vec![sealed; 8].into(),
        }
    }

    fn keep(shares: &mut Shares, owner: u32, ask: &GuardAsk) -> bool {
        match shares.look(key(owner), ask, true) {
            Ok(Taken::Check(share)) => {
                shares.keep(share.keep(Vec::new()));
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
        assert!(matches!(looked, Ok(Taken::Check(share)) if share.sharing == again.sharing.id()));
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
