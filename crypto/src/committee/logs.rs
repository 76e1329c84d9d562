//! The dealers' logs of one ceremony, what each is worth, and the key that follows from them.
//!
//! Of a dealer that signs two logs the first one added counts, so everybody must add logs in an agreed order. Apart
//! from that, order means nothing: of the usable logs the library takes as many as it needs, by the dealers' keys.
//!
//! Checking needs random weights; they are drawn from a hash of the logs, so that they cannot be known before the
//! logs are fixed and everybody judges alike.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    self as dkg, DealerLog, DealerLogSummary, Failure, FaultReason, Output,
};
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_parallel::Sequential;
use commonware_utils::N3f1;
use sha2::{Digest as _, Sha256};

use super::messages::SignedLog;
use super::seat_key::SeatKey;
use super::{Ceremony, GroupKey};
use crate::PublicKey;

/// Collects the logs of one ceremony.
#[derive(Clone)]
pub struct Logs {
    ceremony: Ceremony,
    checked: BTreeMap<PublicKey, CheckedLog>,
}

#[derive(Clone)]
struct CheckedLog {
    log: DealerLog<MinSig, SeatKey>,
    /// Of the whole log with its signature.
    digest: [u8; 32],
    standing: Standing,
}

/// Says what a dealer has contributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No log of it is there.
    Missing,
    /// Its log is in order and may be used.
    Usable {
        /// The players whose dealings it had to reveal: they did not acknowledge, or it did not send them any.
        revealed: Vec<PublicKey>,
    },
    /// Too many players did not acknowledge, so it holds the dealings back; nobody is to blame for certain.
    HeldBack,
    /// Its signed log is wrong, which nobody else can have caused.
    Faulty(Fault),
}

/// Says what is wrong with a log; the log proves it against its dealer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An acknowledgement in it was not made by its player.
    #[error("an acknowledgement in it is forged")]
    ForgedAck,
    /// A revealed dealing does not fit the commitment.
    #[error("a dealing in it does not fit the commitment")]
    WrongDealing,
    /// The polynomial would make a key with another threshold.
    #[error("it commits to degree {found} instead of {needed}")]
    WrongDegree {
        /// The degree of its commitment.
        found: u32,
        /// The degree that the number of players asks for.
        needed: u32,
    },
    /// The polynomial does not hand over the dealer's share of the previous key.
    #[error("it hands over something else than the dealer's share")]
    NotItsShare,
    /// It is about other players than the ceremony's.
    #[error("it lists other players than the ceremony's")]
    OtherPlayers,
    /// It gives away more dealings than may be known.
    #[error("it reveals more dealings than may be known")]
    TooManyRevealed,
}

/// Says why a log is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The plan does not name its dealer.
    #[error("{key} is not a dealer of this ceremony; drop its log")]
    NotADealer {
        /// Who is said to have signed it.
        key: PublicKey,
    },
    /// It was not signed by its dealer for this ceremony.
    #[error("the log was not signed by {dealer} for this ceremony; drop it")]
    NotSigned {
        /// Who is said to have signed it.
        dealer: PublicKey,
    },
    /// The dealer has signed another log for this ceremony before.
    #[error("{dealer} has signed another log for this ceremony; the first one counts")]
    Second {
        /// Who has signed both.
        dealer: PublicKey,
    },
}

/// What came of a ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The key.
    pub group: GroupKey,
    /// What each dealer has contributed.
    pub dealers: BTreeMap<PublicKey, Standing>,
}

/// Reports that no key came of a ceremony.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{usable} dealers have a usable log and it takes {needed}; hold a new ceremony without those who failed"
)]
pub struct CeremonyFailed {
    /// How many usable logs it takes.
    pub needed: u32,
    /// How many there are.
    pub usable: u32,
    /// What each dealer has contributed.
    pub dealers: BTreeMap<PublicKey, Standing>,
}

impl Logs {
    /// Starts without any.
    pub fn new(ceremony: &Ceremony) -> Self {
        Self {
            ceremony: ceremony.clone(),
            checked: BTreeMap::new(),
        }
    }

    /// Checks a log, keeps it, and says what it is worth; adding the same again changes nothing.
    ///
    /// A faulty log is kept as the proof against its dealer.
    ///
    /// # Errors
    /// [`LogError`] if it is not of this ceremony, or not the first of its dealer.
    pub fn add(&mut self, signed: &SignedLog) -> Result<&Standing, LogError> {
        let dealer = signed.dealer();
        if self.ceremony.dealers().binary_search(&dealer).is_err() {
            return Err(LogError::NotADealer { key: dealer });
        }
        let checked = signed.log.clone().check(self.ceremony.info());
        let (SeatKey(dealer), log) = checked.ok_or(LogError::NotSigned { dealer })?;
        let digest: [u8; 32] = Sha256::digest(signed.log.encode()).into();
        let kept = self.checked.get(&dealer);
        if kept.is_some_and(|kept| kept.digest != digest) {
            return Err(LogError::Second { dealer });
        }
        let ceremony = &self.ceremony;
        let kept = self.checked.entry(dealer).or_insert_with(|| CheckedLog {
            standing: judge(ceremony, dealer, &log, &digest),
            log,
            digest,
        });
        Ok(&kept.standing)
    }

    /// Finds the key without having a share of it.
    ///
    /// # Errors
    /// [`CeremonyFailed`] if there are too few usable logs.
    pub fn observe(&self) -> Result<Outcome, CeremonyFailed> {
        dkg::observe(&mut self.rng(), self.usable(), &Sequential)
            .map(|output| self.outcome(output))
            .map_err(|failure| self.failed(&failure))
    }

    /// Returns what each dealer of the ceremony has contributed so far.
    pub fn standings(&self) -> BTreeMap<PublicKey, Standing> {
        let standing = |dealer| {
            let checked: Option<&CheckedLog> = self.checked.get(dealer);
            checked.map_or(Standing::Missing, |checked| checked.standing.clone())
        };
        let dealers = self.ceremony.dealers().iter();
        dealers.map(|dealer| (*dealer, standing(dealer))).collect()
    }

    pub(super) const fn ceremony(&self) -> &Ceremony {
        &self.ceremony
    }

    /// Gives the library the logs that are in order.
    pub(super) fn usable(&self) -> dkg::Logs<MinSig, SeatKey, N3f1> {
        let mut logs = dkg::Logs::new(self.ceremony.info().clone());
        for (dealer, checked) in &self.checked {
            if matches!(checked.standing, Standing::Usable { .. }) {
                logs.record(SeatKey(*dealer), checked.log.clone());
            }
        }
        logs
    }

    pub(super) fn outcome(&self, output: Output<MinSig, SeatKey>) -> Outcome {
        Outcome {
            group: GroupKey::of(&self.ceremony, output),
            dealers: self.standings(),
        }
    }

    pub(super) fn failed(&self, failure: &Failure<SeatKey>) -> CeremonyFailed {
        let Failure::InsufficientLogs {
            required, found, ..
        } = failure;
        CeremonyFailed {
            needed: *required,
            usable: *found,
            dealers: self.standings(),
        }
    }

    /// Returns the dealers whose logs hold an acknowledgement of this player, with the log encoded: it begins with
    /// the commitment.
    pub(super) fn acknowledged_by(
        &self,
        player: &PublicKey,
    ) -> impl Iterator<Item = (PublicKey, Vec<u8>)> {
        let player = SeatKey(*player);
        self.checked
            .iter()
            .filter_map(move |(dealer, checked)| match checked.log.summary() {
                DealerLogSummary::Ok { acks, .. } if acks.position(&player).is_some() => {
                    Some((*dealer, checked.log.encode().into()))
                }
                DealerLogSummary::Ok { .. } | DealerLogSummary::TooManyReveals => None,
            })
    }

    /// Draws from all the logs.
    pub(super) fn rng(&self) -> ChaCha20Rng {
        let mut hash = Sha256::new_with_prefix(b"x0/committee/logs/1");
        hash.update(self.ceremony.digest());
        for (dealer, checked) in &self.checked {
            hash.update(dealer.bytes());
            hash.update(checked.digest);
        }
        ChaCha20Rng::from_seed(hash.finalize().into())
    }
}

/// Judges one log by itself: alone it can never make a key, and the library says whether it is at fault.
fn judge(
    ceremony: &Ceremony,
    dealer: PublicKey,
    log: &DealerLog<MinSig, SeatKey>,
    digest: &[u8; 32],
) -> Standing {
    let mut alone = dkg::Logs::<MinSig, SeatKey, N3f1>::new(ceremony.info().clone());
    alone.record(SeatKey(dealer), log.clone());
    let mut hash = Sha256::new_with_prefix(b"x0/committee/log/1");
    hash.update(ceremony.digest());
    hash.update(digest);
    let mut rng = ChaCha20Rng::from_seed(hash.finalize().into());
    if let Err(Failure::InsufficientLogs { faults, .. }) =
        dkg::observe(&mut rng, alone, &Sequential)
        && let Some(reason) = faults.get_value(&SeatKey(dealer))
    {
        return Standing::Faulty(fault(reason));
    }
    match log.summary() {
        DealerLogSummary::TooManyReveals => Standing::HeldBack,
        DealerLogSummary::Ok { reveals, .. } => Standing::Usable {
            revealed: reveals.iter().map(|SeatKey(player)| *player).collect(),
        },
    }
}

fn fault(reason: &FaultReason) -> Fault {
    match *reason {
        FaultReason::InvalidAck => Fault::ForgedAck,
        FaultReason::InvalidReveal => Fault::WrongDealing,
        FaultReason::InvalidCommitmentDegree { expected, actual } => Fault::WrongDegree {
            found: actual,
            needed: expected,
        },
        FaultReason::MismatchedReshareCommitment => Fault::NotItsShare,
        FaultReason::MismatchedLogPlayers => Fault::OtherPlayers,
        FaultReason::ExcessiveReveals => Fault::TooManyRevealed,
    }
}
