//! The public side of a shared key: who holds it, and what each seat's signature must look like.
//!
//! Seats and those who combine their signatures need it; everybody else keeps its [`CommitteeKey`].
//!
//! ```text
//! purpose (1 byte) ‖ mesh (32) ‖ epoch (8, big-endian) ‖ the library's form of the outcome
//! ```

use core::fmt;
use std::collections::BTreeSet;

use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::dkg::feldman_desmedt::Output;
use commonware_cryptography::bls12381::primitives::ops::threshold::{recover, verify_message};
use commonware_cryptography::bls12381::primitives::sharing::ModeVersion;
use commonware_cryptography::bls12381::primitives::variant::{MinSig, PartialSignature as Partial};
use commonware_parallel::Sequential;
use commonware_utils::ordered::Set;

use super::messages::{G2_BYTES, LIST_LENGTH_BYTES, SEATS_BOUND};
use super::seat_key::SeatKey;
use super::share::participant;
use super::wire::{self, Malformed, serde_by_bytes};
use super::{
    BadThresholdSignature, Ceremony, CommitteeKey, KeyShare, PartialSignature, Purpose, SEATS_MAX,
    SEATS_MIN, Seat, ThresholdSignature, threshold,
};
use crate::{ContentId, PublicKey};

/// Bytes that stand before the library's form.
const HEADER_BYTES: usize = 1 + 32 + 8;

/// Most bytes of the library's form: a hash, how seats map to points (1), seats (4), a threshold of points of G2,
/// and three lists of keys (dealers used, players, players whose shares are known).
const OUTPUT_BYTES_MAX: usize = 32
    + 1
    + 4
    + LIST_LENGTH_BYTES
    + threshold(SEATS_MAX) as usize * G2_BYTES
    + 3 * (LIST_LENGTH_BYTES + SEATS_MAX as usize * 32);

/// Most bytes of a [`GroupKey`].
pub const GROUP_KEY_BYTES_MAX: usize = HEADER_BYTES + OUTPUT_BYTES_MAX;

const WHAT: &str = "group key";

/// The public side of a key that a committee shares.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupKey {
    purpose: Purpose,
    mesh: ContentId,
    epoch: u64,
    output: Output<MinSig, SeatKey>,
    public: CommitteeKey,
}

serde_by_bytes!(GroupKey, GROUP_KEY_BYTES_MAX);

/// Reports that a partial signature is not its seat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seat {seat} did not sign this message as a {purpose}; ask it again")]
pub struct BadPartialSignature {
    /// Whose it should have been.
    pub seat: Seat,
    /// What it should have been for.
    pub purpose: Purpose,
}

/// Says why partial signatures do not combine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Fewer than the threshold.
    #[error("{found} partial signatures are there and it takes {needed}; wait for more")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: u8,
    },
    /// Two for the same seat.
    #[error("there are two partial signatures of seat {seat}; give one")]
    Twice {
        /// Whose.
        seat: Seat,
    },
    /// No such seat in this committee.
    #[error("the committee has no seat {seat}; drop its partial signature")]
    NoSuchSeat {
        /// Which.
        seat: Seat,
    },
    /// Some are bad.
    #[error("the partial signatures of seats {seats:?} are bad; combine others instead")]
    Bad {
        /// Whose, ascending, never empty.
        seats: Vec<Seat>,
    },
}

impl GroupKey {
    /// Verifies a signature of the committee.
    ///
    /// # Errors
    /// [`BadThresholdSignature`] if a threshold of seats did not sign this message.
    pub fn verify(
        &self,
        message: &[u8],
        signature: &ThresholdSignature,
    ) -> Result<(), BadThresholdSignature> {
        self.public.verify(self.purpose, message, signature)
    }

    /// Verifies a seat's part of a signature.
    ///
    /// # Errors
    /// [`BadPartialSignature`] if that seat did not sign this message.
    pub fn verify_partial(
        &self,
        seat: Seat,
        message: &[u8],
        partial: &PartialSignature,
    ) -> Result<(), BadPartialSignature> {
        let tag = self.purpose.tag().as_bytes();
        verify_message(
            self.output.public(),
            tag,
            message,
            &library_partial(seat, partial),
        )
        .map_err(|_| BadPartialSignature {
            seat,
            purpose: self.purpose,
        })
    }

    /// Combines partial signatures over one message. Any threshold of good ones gives the same signature.
    ///
    /// Of more than the threshold, those of the lowest seats are combined; a bad part among the rest goes unnoticed.
    /// The result is verified; only if it does not hold is each part verified alone.
    ///
    /// # Errors
    /// [`CombineError`]; bad parts are named.
    pub fn combine(
        &self,
        message: &[u8],
        partials: &[(Seat, PartialSignature)],
    ) -> Result<ThresholdSignature, CombineError> {
        self.check_seats(partials)?;
        let found = partials.len();
        let library = partials
            .iter()
            .map(|(seat, partial)| library_partial(*seat, partial));
        let library: Vec<Partial<MinSig>> = library.collect();
        // The library refuses only unknown seats and too few of them, which is checked above.
        let point = recover::<MinSig, _>(self.output.public(), &library, &Sequential);
        let point = point.map_err(|_| CombineError::TooFew {
            found,
            needed: self.threshold(),
        })?;
        let signature = ThresholdSignature::of(point);
        if self.verify(message, &signature).is_ok() {
            return Ok(signature);
        }
        let is_bad = |(seat, partial): &&(Seat, PartialSignature)| {
            self.verify_partial(*seat, message, partial).is_err()
        };
        let bad: BTreeSet<Seat> = partials
            .iter()
            .filter(is_bad)
            .map(|(seat, _)| *seat)
            .collect();
        Err(CombineError::Bad {
            seats: bad.into_iter().collect(),
        })
    }

    fn check_seats(&self, partials: &[(Seat, PartialSignature)]) -> Result<(), CombineError> {
        let mut seen = BTreeSet::new();
        for &(seat, _) in partials {
            if self.player(seat).is_none() {
                return Err(CombineError::NoSuchSeat { seat });
            }
            if !seen.insert(seat) {
                return Err(CombineError::Twice { seat });
            }
        }
        if partials.len() < usize::from(self.threshold()) {
            return Err(CombineError::TooFew {
                found: partials.len(),
                needed: self.threshold(),
            });
        }
        Ok(())
    }

    /// Returns what everybody else keeps of it.
    pub const fn public(&self) -> CommitteeKey {
        self.public
    }

    /// Returns what the key is for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the mesh whose committee it is.
    pub const fn mesh(&self) -> ContentId {
        self.mesh
    }

    /// Returns the number of the ceremony that it came of.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns how many seats must sign together.
    pub fn threshold(&self) -> u8 {
        threshold(self.seats())
    }

    /// Returns how many seats there are.
    pub fn seats(&self) -> u8 {
        // Ceremonies and decoding both allow at most `SEATS_MAX`.
        u8::try_from(self.output.players().len()).unwrap_or(SEATS_MAX)
    }

    /// Returns who holds the key, in the order of seats.
    pub fn players(&self) -> impl ExactSizeIterator<Item = PublicKey> {
        keys(self.output.players())
    }

    /// Returns the dealers whose logs made the key, sorted.
    pub fn dealers(&self) -> impl ExactSizeIterator<Item = PublicKey> {
        keys(self.output.dealers())
    }

    /// Returns the players whose shares may be known to everybody, because too many dealers had to reveal their
    /// dealings, sorted. Such a share protects nothing; count it as hostile.
    pub fn revealed(&self) -> impl ExactSizeIterator<Item = PublicKey> {
        keys(self.output.revealed())
    }

    /// Returns the seat of a player.
    pub fn seat_of(&self, player: &PublicKey) -> Option<Seat> {
        let place = self.output.players().position(&SeatKey(*player))?;
        Seat::new(u8::try_from(place).ok()?).ok()
    }

    /// Returns who has a seat.
    pub fn player(&self, seat: Seat) -> Option<PublicKey> {
        let player = self.output.players().get(seat.place().into());
        player.map(|SeatKey(key)| *key)
    }

    /// Tells whether a share is its seat's share of this key.
    pub fn covers(&self, share: &KeyShare) -> bool {
        let seat = self
            .output
            .public()
            .partial_public(participant(share.seat()));
        share.purpose() == self.purpose
            && seat.is_ok_and(|public| public == share.inner().public::<MinSig>())
    }

    /// Decodes a key.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are too many, or not a key of 4 to 31 seats whose threshold fits their number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some((header, output)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Malformed::not_one(WHAT, "it is cut short"));
        };
        let [purpose, mesh @ .., e0, e1, e2, e3, e4, e5, e6, e7] = header;
        let purpose = Purpose::from_number(*purpose)
            .ok_or_else(|| Malformed::not_one(WHAT, "there is no such purpose"))?;
        let config = (SEATS_BOUND, ModeVersion::v0());
        let output = wire::decode(WHAT, OUTPUT_BYTES_MAX, output, &config)?;
        check(&output).map_err(|reason| Malformed::not_one(WHAT, reason))?;
        Ok(Self {
            purpose,
            mesh: ContentId::from_digest(*mesh),
            epoch: u64::from_be_bytes([*e0, *e1, *e2, *e3, *e4, *e5, *e6, *e7]),
            public: CommitteeKey::of(*output.public().public()),
            output,
        })
    }

    /// Encodes the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(GROUP_KEY_BYTES_MAX);
        bytes.push(self.purpose.number());
        bytes.extend_from_slice(self.mesh.digest());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.output.encode());
        bytes
    }

    /// Wraps what came of a ceremony.
    pub(super) fn of(ceremony: &Ceremony, output: Output<MinSig, SeatKey>) -> Self {
        Self {
            purpose: ceremony.purpose(),
            mesh: ceremony.mesh(),
            epoch: ceremony.epoch(),
            public: CommitteeKey::of(*output.public().public()),
            output,
        }
    }

    pub(super) const fn output(&self) -> &Output<MinSig, SeatKey> {
        &self.output
    }
}

/// Checks what the library's decoding leaves open.
fn check(output: &Output<MinSig, SeatKey>) -> Result<(), &'static str> {
    let seats = u8::try_from(output.players().len()).unwrap_or(u8::MAX);
    if !(SEATS_MIN..=SEATS_MAX).contains(&seats) {
        return Err("it is not a key of 4 to 31 seats");
    }
    if output.public().total().get() != u32::from(seats) {
        return Err("its seats and players differ in number");
    }
    if output.public().required() != u32::from(threshold(seats)) {
        return Err("its threshold does not fit its seats");
    }
    let mut revealed = output.revealed().iter();
    if !revealed.all(|player| output.players().position(player).is_some()) {
        return Err("it names a stranger's share as known");
    }
    Ok(())
}

fn library_partial(seat: Seat, partial: &PartialSignature) -> Partial<MinSig> {
    Partial {
        index: participant(seat),
        value: *partial.point(),
    }
}

fn keys(set: &Set<SeatKey>) -> impl ExactSizeIterator<Item = PublicKey> {
    set.iter().map(|SeatKey(key)| *key)
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupKey")
            .field("purpose", &self.purpose)
            .field("mesh", &self.mesh)
            .field("epoch", &self.epoch)
            .field("public", &self.public)
            .field("seats", &self.seats())
            .finish_non_exhaustive()
    }
}
