//! What dealers and players send: opaque bytes that were checked for form when they were decoded.
//!
//! Form says nothing about truth: a commitment, dealing, acknowledgement or log is judged by [`super::Player`],
//! [`super::Dealer`] and [`super::Logs`], which know the ceremony.

use core::fmt;
use core::num::NonZeroU32;

use commonware_codec::{Copying, DecodeExt as _, Encode as _, FixedSize, ReadExt as _, Write as _};
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    DealerPrivMsg, DealerPubMsg, PlayerAck, SignedDealerLog,
};
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use zeroize::Zeroizing;

use super::seat_key::SeatKey;
use super::wire::{self, Malformed, serde_by_bytes};
use super::{SEATS_MAX, threshold};
use crate::PublicKey;

/// Bytes of a point of G2, compressed.
pub(super) const G2_BYTES: usize = 96;
/// Bytes before a list that say its length; one is enough below 128 items.
pub(super) const LIST_LENGTH_BYTES: usize = 1;

/// Most bytes of a [`Commitment`]: one point of G2 for each coefficient, as many as a threshold of seats.
pub const COMMITMENT_BYTES_MAX: usize =
    LIST_LENGTH_BYTES + threshold(SEATS_MAX) as usize * G2_BYTES;

/// Bytes of a [`Dealing`]: one scalar.
pub const DEALING_BYTES: usize = 32;

/// Bytes of an [`Ack`]: one signature.
pub const ACK_BYTES: usize = 64;

/// Most bytes of a [`SignedLog`]: dealer, commitment, a byte for whether results follow, players, for each an
/// acknowledgement or (shorter) a dealing with a byte that says which, and the signature.
pub const SIGNED_LOG_BYTES_MAX: usize = 32
    + COMMITMENT_BYTES_MAX
    + 1
    + 2 * LIST_LENGTH_BYTES
    + SEATS_MAX as usize * (32 + 1 + ACK_BYTES)
    + 64;

/// How many seats the library is to expect at most.
pub(super) const SEATS_BOUND: NonZeroU32 = NonZeroU32::MIN.saturating_add(SEATS_MAX as u32 - 1);

/// What a dealer shows everybody: its polynomial, hidden in points of G2.
#[derive(Clone, PartialEq, Eq)]
pub struct Commitment(pub(super) DealerPubMsg<MinSig>);

/// What a dealer gives one player in secret: its polynomial at that player's place. Wiped when dropped.
#[derive(Clone)]
pub struct Dealing(pub(super) DealerPrivMsg);

/// A player's word that its dealing fits the dealer's commitment.
#[derive(Clone, PartialEq)]
pub struct Ack(pub(super) PlayerAck<SeatKey>);

/// A dealer's signed account: its commitment and, for each player, the acknowledgement or the dealing itself.
///
/// A dealer with too few acknowledgements publishes no dealings, so that its log gives nothing away.
#[derive(Clone, PartialEq)]
pub struct SignedLog {
    pub(super) log: SignedDealerLog<MinSig, SeatKey>,
    dealer: PublicKey,
}

serde_by_bytes!(Commitment, COMMITMENT_BYTES_MAX);
serde_by_bytes!(Dealing, DEALING_BYTES);
serde_by_bytes!(Ack, ACK_BYTES);
serde_by_bytes!(SignedLog, SIGNED_LOG_BYTES_MAX);

impl Commitment {
    /// Decodes a commitment.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are too many, or not 1 to 21 points of G2 in the right subgroup.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        wire::decode("commitment", COMMITMENT_BYTES_MAX, bytes, &SEATS_BOUND).map(Self)
    }

    /// Encodes the commitment.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode().into()
    }
}

impl Dealing {
    /// Decodes a dealing.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a scalar from 1 to the order of the groups, big-endian.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        // A scalar below the order has one encoding, so that nothing secret need be encoded again to compare.
        let dealing = DealerPrivMsg::decode(Copying(bytes));
        dealing
            .map(Self)
            .map_err(|reason| Malformed::not_one("dealing", reason))
    }

    /// Encodes the dealing.
    pub fn to_bytes(&self) -> Zeroizing<[u8; DEALING_BYTES]> {
        let mut bytes = Zeroizing::new([0; DEALING_BYTES]);
        self.0.write(&mut bytes.as_mut_slice());
        bytes
    }
}

impl Ack {
    /// Wraps an acknowledgement.
    ///
    /// # Errors
    /// [`Malformed`] if there are not 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        wire::decode("acknowledgement", ACK_BYTES, bytes, &()).map(Self)
    }

    /// Encodes the acknowledgement.
    pub fn to_bytes(&self) -> [u8; ACK_BYTES] {
        let mut bytes = [0; ACK_BYTES];
        self.0.write(&mut bytes.as_mut_slice());
        bytes
    }
}

impl SignedLog {
    /// Decodes a log.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are too many or not a log.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let log = wire::decode("dealer's log", SIGNED_LOG_BYTES_MAX, bytes, &SEATS_BOUND)?;
        // A log begins with its dealer, and this one has just been decoded.
        let SeatKey(dealer) = SeatKey::read(&mut Copying(bytes))
            .map_err(|reason| Malformed::not_one("dealer's log", reason))?;
        Ok(Self { log, dealer })
    }

    /// Reads who is said to have signed a log, without decoding the rest, which costs a check of every point in it.
    pub fn dealer_in(bytes: &[u8]) -> Option<PublicKey> {
        PublicKey::from_bytes(bytes.first_chunk::<32>()?).ok()
    }

    /// Encodes the log.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.log.encode().into()
    }

    /// Returns who is said to have signed it.
    pub const fn dealer(&self) -> PublicKey {
        self.dealer
    }

    pub(super) const fn by(dealer: PublicKey, log: SignedDealerLog<MinSig, SeatKey>) -> Self {
        Self { log, dealer }
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commitment(…)")
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack(…)")
    }
}

impl fmt::Debug for SignedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedLog(of {})", self.dealer)
    }
}

const _: () = assert!(
    DEALING_BYTES == <DealerPrivMsg as FixedSize>::SIZE
        && ACK_BYTES == <PlayerAck<SeatKey> as FixedSize>::SIZE
);
