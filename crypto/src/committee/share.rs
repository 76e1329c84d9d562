//! A seat's share of a key: signs its part, and nothing else.

use commonware_codec::{Copying, DecodeExt as _, Write as _};
use commonware_cryptography::bls12381::primitives::{
    group::{Private, Share},
    ops::threshold::sign_message,
    variant::MinSig,
};
use commonware_utils::Participant;
use zeroize::Zeroizing;

use super::wire::{Malformed, serde_by_bytes};
use super::{PartialSignature, Purpose, Seat};

/// Bytes of a [`KeyShare`]: number of the purpose, seat, scalar (32, big-endian).
pub const KEY_SHARE_BYTES: usize = 1 + 1 + 32;

const WHAT: &str = "key share";

/// Holds a seat's secret share of a committee's key. Wiped when dropped.
///
/// A share signs for the purpose its key was made for and for no other.
pub struct KeyShare {
    purpose: Purpose,
    seat: Seat,
    share: Share,
}

serde_by_bytes!(KeyShare, KEY_SHARE_BYTES);

impl KeyShare {
    /// Signs this seat's part of a signature of the committee (RFC 9380 for hashing to the curve, suite
    /// `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`, over the purpose's tag and the message).
    pub fn sign(&self, message: &[u8]) -> PartialSignature {
        let tag = self.purpose.tag().as_bytes();
        PartialSignature::of(sign_message::<MinSig>(&self.share, tag, message).value)
    }

    /// Returns what the key is for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns whose share it is.
    pub const fn seat(&self) -> Seat {
        self.seat
    }

    /// Decodes a share.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a purpose, a seat and a scalar from 1 to the order of the groups.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let [purpose, seat, scalar @ ..] = bytes else {
            return Err(Malformed::not_one(WHAT, "it is cut short"));
        };
        let purpose = Purpose::from_number(*purpose)
            .ok_or_else(|| Malformed::not_one(WHAT, "there is no such purpose"))?;
        let seat = Seat::new(*seat).map_err(|reason| Malformed::not_one(WHAT, reason))?;
        let private =
            Private::decode(Copying(scalar)).map_err(|reason| Malformed::not_one(WHAT, reason))?;
        Ok(Self {
            purpose,
            seat,
            share: Share::new(participant(seat), private),
        })
    }

    /// Encodes the share.
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_SHARE_BYTES]> {
        let mut bytes = Zeroizing::new([0; KEY_SHARE_BYTES]);
        (bytes[0], bytes[1]) = (self.purpose.number(), self.seat.place());
        self.share.private.write(&mut &mut bytes[2..]);
        bytes
    }

    /// Wraps a share of the library, unless its index is no seat.
    pub(super) fn of(purpose: Purpose, share: Share) -> Option<Self> {
        let place = u8::try_from(share.index.get()).ok()?;
        Some(Self {
            purpose,
            seat: Seat::new(place).ok()?,
            share,
        })
    }

    pub(super) const fn inner(&self) -> &Share {
        &self.share
    }
}

/// Returns the library's name for a seat.
pub(super) fn participant(seat: Seat) -> Participant {
    Participant::new(seat.place().into())
}
