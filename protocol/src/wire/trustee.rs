//! What is said when an owner who lost every device is let in by people who know it.
//!
//! - [`TrusteeTerms`] stand in the manifest of an item whose owner named trustees: how many of how many must attest, and how
//!   long the owner can still stop it. Each trustee has a slot, which tells its name to nobody but itself: a salted hash, and
//!   the salt sealed to that member.
//! - A recovery is an [`AccessRequest`](super::AccessRequest) that says so, with a key made for it alone.
//! - [`Attestation`]: a trustee says of one such request whether it comes from the owner. The request's name covers mesh, item,
//!   one-time key and date, so that what is said of one counts for no other. It shows the salt, and with it that its author is
//!   a trustee; who attests is known to all from then on.
//! - [`TrusteesRevoked`]: the item's own key says that its trustees count no longer.
//!
//! As many attestations as the terms ask for are themselves the certificate: each node counts them for itself.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest as _, Sha256};
use x0_crypto::{
    ContentId, Identity, Namespace, NotForThisKey, PublicKey, SEALED_FOR_OVERHEAD, Signature,
    seal_for, verify,
};
use zeroize::Zeroizing;

use super::{
    DecodeError,
    codec::{decode, encode},
};
use crate::core::{
    limits::{
        TRUSTEES_MAX, TRUSTEES_MIN, TRUSTEES_NEEDED_MIN, TRUSTEES_WAIT_MAX, TRUSTEES_WAIT_MIN,
    },
    time::Millis,
};

/// What a slot's hash is salted with, bytes.
const SALT_BYTES: usize = 32;
/// A salt as it is sealed to a trustee, bytes.
const SEALED_SALT_BYTES: usize = SALT_BYTES + SEALED_FOR_OVERHEAD;

/// What names a trustee in a manifest to those who know it.
pub type TrusteeSalt = ByteArray<SALT_BYTES>;

/// What a manifest says of the item's trustees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrusteeTerms {
    /// The trustees, in order of their slots' hashes.
    pub trustees: Vec<TrusteeSlot>,
    /// How many of them must attest.
    pub needed: u8,
    /// Mesh time, from the moment a node sees that they have, in which the owner can still stop it and nothing is released.
    pub wait: Millis,
}

/// A trustee, named to itself alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrusteeSlot {
    /// The hash of mesh, item, member and salt.
    pub name: ContentId,
    /// The salt, sealed to the member.
    pub sealed: ByteBuf,
}

/// A trustee says whether a request to recover an item comes from its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The request.
    pub request: ContentId,
    /// What the trustee's slot is salted with.
    pub salt: TrusteeSalt,
    /// Whether it comes from the owner.
    pub is_owner: bool,
}

/// An item's trustees count no longer. The item's key signs it when the item is put, and its author keeps it; whoever can
/// show it may say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrusteesRevoked {
    /// The key of the item.
    pub item: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl TrusteeTerms {
    /// Names trustees of an item to themselves. The salts follow from the seed, which must be secret.
    ///
    /// # Errors
    ///
    /// Returns to whom nothing can be sealed.
    pub fn name(
        (mesh, item): (&ContentId, &PublicKey),
        members: &[PublicKey],
        (needed, wait): (u8, Millis),
        seed: &[u8; 32],
    ) -> Result<Self, (PublicKey, NotForThisKey)> {
        let info = trustee_info(mesh, item);
        let slots = members.iter().map(|member| {
            let salt = draw_salt(seed, item, member);
            let sealed = seal_for(member, &info, salt.as_slice(), seed);
            let sealed = sealed.map_err(|cause| (*member, cause))?;
            Ok(TrusteeSlot {
                name: slot_name((mesh, item), member, &TrusteeSalt::new(*salt)),
                sealed: sealed.into(),
            })
        });
        let mut trustees = slots.collect::<Result<Vec<_>, _>>()?;
        trustees.sort_by_key(|slot| slot.name);
        Ok(Self {
            trustees,
            needed,
            wait,
        })
    }

    /// Tells whether a member is a trustee, as a salt shows.
    pub fn names(
        &self,
        of: (&ContentId, &PublicKey),
        member: &PublicKey,
        salt: &TrusteeSalt,
    ) -> bool {
        let name = slot_name(of, member, salt);
        self.trustees.iter().any(|slot| slot.name == name)
    }

    /// Checks the terms.
    ///
    /// # Errors
    ///
    /// Returns which bound they are beyond.
    pub fn check(&self) -> Result<(), DecodeError> {
        let wrong = |field, why: String| Err(DecodeError::bounds("trustees", field, why));
        let count = self.trustees.len();
        if !(TRUSTEES_MIN..=TRUSTEES_MAX).contains(&count) {
            return wrong("trustees", format!("are {TRUSTEES_MIN} to {TRUSTEES_MAX}"));
        }
        if !self.trustees.is_sorted_by(|one, next| one.name < next.name) {
            return wrong("trustees", "are in order, each once".to_owned());
        }
        let mut slots = self.trustees.iter();
        if !slots.all(|slot| slot.sealed.len() == SEALED_SALT_BYTES) {
            return wrong("sealed", format!("has {SEALED_SALT_BYTES} bytes"));
        }
        if !(TRUSTEES_NEEDED_MIN..=count).contains(&usize::from(self.needed)) {
            let why = format!("is {TRUSTEES_NEEDED_MIN} or more, and no more than there are");
            return wrong("needed", why);
        }
        if !(TRUSTEES_WAIT_MIN..=TRUSTEES_WAIT_MAX).contains(&self.wait) {
            let hour = Millis::from_mins(60).0;
            let (least, most) = (TRUSTEES_WAIT_MIN.0 / hour, TRUSTEES_WAIT_MAX.0 / hour);
            return wrong("wait", format!("is {least} to {most} hours"));
        }
        Ok(())
    }
}

impl TrusteesRevoked {
    fn message(mesh: &ContentId) -> Vec<u8> {
        encode(&("trustees revoked", mesh))
    }

    /// Signs it with the item's key.
    pub fn sign(signer: &Identity, mesh: &ContentId) -> Self {
        Self {
            item: signer.public(),
            signature: signer.sign(Namespace::Share, &Self::message(mesh)),
        }
    }

    /// Tells whether the item's key has signed it.
    pub fn is_signed(&self, mesh: &ContentId) -> bool {
        let message = Self::message(mesh);
        verify(&self.item, Namespace::Share, &message, &self.signature).is_ok()
    }

    /// Encodes it, to be kept by who put the item.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("word that trustees are revoked", bytes, REVOKED_BYTES_MAX)
    }
}

/// Longest encoding of [`TrusteesRevoked`]: a key, a signature and two names.
const REVOKED_BYTES_MAX: usize = 256;

fn draw_salt(seed: &[u8; 32], item: &PublicKey, member: &PublicKey) -> Zeroizing<[u8; SALT_BYTES]> {
    let salt = Sha256::new()
        .chain_update(b"x0/trustee/salt/1\0")
        .chain_update(seed)
        .chain_update(item.bytes())
        .chain_update(member.bytes())
        .finalize();
    Zeroizing::new(salt.into())
}

fn slot_name(
    (mesh, item): (&ContentId, &PublicKey),
    member: &PublicKey,
    salt: &TrusteeSalt,
) -> ContentId {
    ContentId::of(&encode(&("x0/trustee/name/1", mesh, item, member, salt)))
}

/// Returns what a salt is sealed to a trustee as.
pub fn trustee_info(mesh: &ContentId, item: &PublicKey) -> Vec<u8> {
    encode(&("x0/sublime/trustee/1", mesh, item))
}

/// Digits of the number by which a request is told to a trustee: 80 bits, so that nobody finds another request with the same.
const SPOKEN_DIGITS: u32 = 24;

/// Returns the number that the owner reads out and a trustee compares: it follows from the request's name, and so from the
/// item and the one-time key.
pub fn spoken_number(request: &ContentId) -> String {
    let hash = Sha256::new()
        .chain_update(b"x0/recovery/spoken/1\0")
        .chain_update(request.digest())
        .finalize();
    let mut number = [0; 16];
    number.copy_from_slice(&hash[..16]);
    let number = u128::from_be_bytes(number) % 10_u128.pow(SPOKEN_DIGITS);
    let digits = format!("{number:0width$}", width = SPOKEN_DIGITS as usize);
    let groups = digits.as_bytes().chunks(4);
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> PublicKey {
        Identity::from_seed(Zeroizing::new([number; 32])).public()
    }

    fn terms(members: &[PublicKey]) -> TrusteeTerms {
        let mesh = ContentId::of(b"mesh");
        let wait = Millis::from_mins(60);
        TrusteeTerms::name((&mesh, &key(200)), members, (2, wait), &[7; 32]).unwrap()
    }

    #[test]
    fn a_trustee_opens_its_own_slot_and_no_other() {
        let (mesh, item) = (ContentId::of(b"mesh"), key(200));
        let members: Vec<_> = (1..=3).map(key).collect();
        let terms = terms(&members);
        terms.check().unwrap();
        let info = trustee_info(&mesh, &item);
        let mine = Identity::from_seed(Zeroizing::new([2; 32]));
        let slots = terms.trustees.iter();
        let opened: Vec<_> = slots
            .filter_map(|slot| mine.open_sealed(&info, &slot.sealed).ok())
            .collect();
        assert_eq!(opened.len(), 1);
        let salt = TrusteeSalt::new(opened[0].as_slice().try_into().unwrap());
        assert!(terms.names((&mesh, &item), &mine.public(), &salt));
        assert!(!terms.names((&mesh, &item), &key(1), &salt));
        assert!(!terms.names((&mesh, &key(201)), &mine.public(), &salt));
        assert!(!terms.names((&ContentId::of(b"other"), &item), &mine.public(), &salt));
    }

    #[test]
    fn terms_beyond_their_bounds_are_refused() {
        let members: Vec<_> = (1..=3).map(key).collect();
        let good = terms(&members);
        let with = |change: &dyn Fn(&mut TrusteeTerms)| {
            let mut terms = good.clone();
            change(&mut terms);
            terms.check()
        };
        assert!(with(&|terms| terms.needed = 1).is_err());
        assert!(with(&|terms| terms.needed = 4).is_err());
        assert!(with(&|terms| terms.wait = Millis(0)).is_err());
        assert!(with(&|terms| terms.wait = Millis(TRUSTEES_WAIT_MAX.0 + 1)).is_err());
        assert!(with(&|terms| terms.trustees.reverse()).is_err());
        assert!(with(&|terms| terms.trustees[1] = terms.trustees[0].clone()).is_err());
        assert!(with(&|terms| terms.trustees.truncate(2)).is_err());
        assert!(with(&|terms| terms.trustees[0].sealed.truncate(9)).is_err());
        let many: Vec<_> = (1..=11).map(key).collect();
        assert!(terms(&many).check().is_err());
    }

    proptest! {
        #[test]
        fn the_number_read_out_has_six_groups_and_follows_from_the_request(one: [u8; 8], other: [u8; 8]) {
            let (one, other) = (ContentId::of(&one), ContentId::of(&other));
            let spoken = spoken_number(&one);
            prop_assert_eq!(spoken.split(' ').filter(|group| group.len() == 4).count(), 6);
            prop_assert_eq!(spoken == spoken_number(&other), one == other);
        }

        #[test]
        fn only_who_is_named_is_a_trustee(member: u8, salt: [u8; 32]) {
            let mesh = ContentId::of(b"mesh");
            let members: Vec<_> = (1..=3).map(key).collect();
            let terms = terms(&members);
            prop_assert!(!terms.names((&mesh, &key(200)), &key(member), &TrusteeSalt::new(salt)));
        }
    }
}
