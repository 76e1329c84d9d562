//! Signatures of a committee and of a single seat: points of G1 in 48 bytes.
//!
//! Only points of the curve in the subgroup of prime order, except the neutral one, in their one compressed form,
//! can be held here (draft-irtf-cfrg-bls-signature-05, 2.7 and 5.2). Whether a signature holds is another
//! question, answered by [`super::CommitteeKey`] and [`super::GroupKey`].

use core::fmt;

use commonware_codec::{Copying, DecodeExt as _, EncodeFixed as _};
use commonware_cryptography::bls12381::primitives::group::G1;

use super::wire::{Malformed, serde_by_bytes};

/// Bytes of a [`ThresholdSignature`] and of a [`PartialSignature`]: one compressed point of G1.
pub const THRESHOLD_SIGNATURE_BYTES: usize = 48;

/// A signature of the whole committee; says nothing about its validity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThresholdSignature(Point);

/// A seat's contribution to a signature of the committee; says nothing about its validity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialSignature(Point);

/// A point with its compressed form, so that neither is computed twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Point {
    bytes: [u8; THRESHOLD_SIGNATURE_BYTES],
    point: G1,
}

impl Point {
    fn decode(what: &'static str, bytes: &[u8]) -> Result<Self, Malformed> {
        let point = G1::decode(Copying(bytes));
        point
            .map(Self::of)
            .map_err(|reason| Malformed::not_one(what, reason))
    }

    fn of(point: G1) -> Self {
        Self {
            bytes: point.encode_fixed(),
            point,
        }
    }
}

macro_rules! signature {
    ($name:ident, $what:literal) => {
        serde_by_bytes!($name, THRESHOLD_SIGNATURE_BYTES);

        impl $name {
            /// Takes 48 bytes.
            ///
            /// # Errors
            /// [`Malformed`] if they are not a compressed point of G1 other than the neutral one.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
                Point::decode($what, bytes).map(Self)
            }

            /// Returns the 48 bytes.
            pub const fn to_bytes(&self) -> [u8; THRESHOLD_SIGNATURE_BYTES] {
                self.0.bytes
            }

            pub(super) fn of(point: G1) -> Self {
                Self(Point::of(point))
            }

            pub(super) const fn point(&self) -> &G1 {
                &self.0.point
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let start = data_encoding::HEXLOWER.encode(&self.0.bytes[..8]);
                write!(f, concat!(stringify!($name), "({}…)"), start)
            }
        }
    };
}

signature!(ThresholdSignature, "threshold signature");
signature!(PartialSignature, "partial signature");
