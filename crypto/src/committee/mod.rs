//! The keys of a committee: BLS12-381 keys that no one holds alone.
//!
//! The seats make a key together in a [`Ceremony`]: every [`Dealer`] shares a secret of its own out to the seats,
//! every [`Player`] checks and acknowledges what it is given, and the dealers' signed [`SignedLog`]s decide what
//! counts. From the same [`Logs`] each player finishes with the same [`GroupKey`] and its own [`KeyShare`], and
//! whoever only watches observes the same [`GroupKey`]. A later ceremony hands the key to other seats without
//! changing its public half (GJKR99, joint Feldman, for a new key; Desmedt97 for handing over).
//!
//! A [`threshold`] of seats signs by [`PartialSignature`]s that combine into one [`ThresholdSignature`] of 48
//! bytes; everybody else keeps the 96 bytes of the [`CommitteeKey`]. Each [`Purpose`] has keys of its own, and a
//! tag of its own in everything that is signed.
//!
//! The state machines have no IO, clock or randomness: who carries the messages, how long to wait for them and
//! which logs count is decided outside, and dealings must travel over a channel that is private and authentic.
//! All seats must finish with the same logs. A key made this way is not perfectly uniform (an attacker can bias
//! some bits, GJKR99, section 3), which signing and encryption to it can bear; nothing else may be built on it.

mod ceremony;
mod committee_key;
mod dealer;
mod group_key;
mod logs;
mod messages;
mod player;
mod seal_to;
mod seat_key;
mod secrets;
mod share;
mod signature;

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::wire;

pub use crate::wire::Malformed;
pub use ceremony::{Ceremony, CeremonyError, CeremonyPlan, Role};
pub use committee_key::{BadThresholdSignature, BeaconValue, COMMITTEE_KEY_BYTES, CommitteeKey};
pub use dealer::{AckError, Dealer, DealerError, Dealt};
pub use group_key::{BadPartialSignature, CombineError, GROUP_KEY_BYTES_MAX, GroupKey};
pub use logs::{CeremonyFailed, Fault, LogError, Logs, Outcome, Standing};
pub use messages::{
    ACK_BYTES, Ack, COMMITMENT_BYTES_MAX, Commitment, DEALING_BYTES, Dealing, SIGNED_LOG_BYTES_MAX,
    SignedLog,
};
pub use player::{DealingError, FinishError, Player, PlayerError};
pub use seal_to::{
    LABEL_BYTES_MAX, OpenWithError, SEALED_PLAINTEXT_BYTES_MAX, SealToError, SealedToLabel,
};
pub use secrets::{
    AccountError, AcknowledgeError, KeepError, Keyring, SEALED_SHARE_BYTES, SealedDealing,
    SealedDealings, ShareError, account, acknowledge, deal, own_share,
};
pub use share::{KEY_SHARE_BYTES, KeyShare};
pub use signature::{PartialSignature, THRESHOLD_SIGNATURE_BYTES, ThresholdSignature};

/// Fewest seats of a committee: with fewer, not one of them may be hostile (n ≥ 3f + 1 with f = 1).
pub const SEATS_MIN: u8 = 4;

/// Most seats of a committee: twice the default 15 and one; bounds the length and cost of every message here.
pub const SEATS_MAX: u8 = 31;

/// Says what a committee's key is for; each purpose has keys and a tag of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Certificates over what the committee has decided.
    Certificate,
    /// The public randomness of a round.
    Beacon,
    /// Signatures over a label that open what was sealed to it.
    Decryption,
}

/// Names a seat by its place among the players of a ceremony, who are sorted by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Seat(u8);

/// Reports that a number names no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} names no seat; seats are counted from 0 and a committee has at most {SEATS_MAX}")]
pub struct NoSeat(u8);

/// Returns how many seats must sign together: n − ⌊(n − 1) / 3⌋, which is ⌊2n / 3⌋ + 1.
///
/// Any two such groups share an honest seat while at most ⌊(n − 1) / 3⌋ seats are hostile.
pub const fn threshold(seats: u8) -> u8 {
    seats - seats.saturating_sub(1) / 3
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Certificate, Self::Beacon, Self::Decryption];

    /// Returns the tag that stands in everything the keys of this purpose sign. No tag begins another.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Certificate => "x0/committee/certificate/1",
            Self::Beacon => "x0/committee/beacon/1",
            Self::Decryption => "x0/committee/decryption/1",
        }
    }

    /// Returns the number that stands for this purpose in encodings.
    pub const fn number(self) -> u8 {
        match self {
            Self::Certificate => 0,
            Self::Beacon => 1,
            Self::Decryption => 2,
        }
    }

    /// Returns the purpose that a number stands for in encodings.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.number() == number)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Beacon => "beacon",
            Self::Decryption => "decryption",
        })
    }
}

impl Seat {
    /// Names the seat at a place, counted from 0.
    ///
    /// # Errors
    /// [`NoSeat`] from [`SEATS_MAX`] on.
    pub const fn new(place: u8) -> Result<Self, NoSeat> {
        if place < SEATS_MAX {
            Ok(Self(place))
        } else {
            Err(NoSeat(place))
        }
    }

    /// Returns the place, counted from 0.
    pub const fn place(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Seat {
    type Error = NoSeat;

    fn try_from(place: u8) -> Result<Self, NoSeat> {
        Self::new(place)
    }
}

impl From<Seat> for u8 {
    fn from(seat: Seat) -> Self {
        seat.place()
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests;
