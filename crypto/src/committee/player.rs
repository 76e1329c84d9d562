//! A player's part in a ceremony: check each dealing, acknowledge it, and finish with a share of the key.
//!
//! A player keeps every commitment and dealing *before* it sends the acknowledgement. After a restart it takes
//! the kept ones again, in any order, gives the very same acknowledgements, and goes on.

use std::collections::BTreeMap;

use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    self as dkg, DealerMessageError, FinalizeError,
};
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_parallel::Sequential;
use commonware_utils::N3f1;

use super::logs::{CeremonyFailed, Logs, Outcome};
use super::messages::{Ack, Commitment, Dealing};
use super::seat_key::{SeatKey, SeatSigner};
use super::{Ceremony, KeyShare};
use crate::{Identity, PublicKey};

/// Takes dealings and makes a share of the key of them.
pub struct Player {
    ceremony: Ceremony,
    key: PublicKey,
    inner: dkg::Player<MinSig, SeatSigner>,
    taken: BTreeMap<PublicKey, Taken>,
}

/// What was taken from a dealer, and the answer.
struct Taken {
    commitment: Commitment,
    dealing: Dealing,
    ack: Ack,
}

/// Says why a node cannot play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlayerError {
    /// The plan does not name it.
    #[error("{key} is not a player of this ceremony; play with the identity of one of its players")]
    NotAPlayer {
        /// Who tried.
        key: PublicKey,
    },
}

/// Says why a dealing is not acknowledged. It proves nothing to others: dealings are not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DealingError {
    /// The plan does not name the sender.
    #[error("{key} is not a dealer of this ceremony; drop its dealing")]
    NotADealer {
        /// Who sent it.
        key: PublicKey,
    },
    /// The polynomial would make a key with another threshold.
    #[error(
        "{dealer} committed to degree {found}, not {needed}; wait for a right dealing or for its log"
    )]
    WrongDegree {
        /// Who sent it.
        dealer: PublicKey,
        /// The degree of its commitment.
        found: u32,
        /// The degree that the number of players asks for.
        needed: u32,
    },
    /// The polynomial does not hand over the dealer's share of the previous key.
    #[error(
        "{dealer} hands over something else than its share; wait for a right dealing or for its log"
    )]
    NotItsShare {
        /// Who sent it.
        dealer: PublicKey,
    },
    /// The dealing is not the polynomial's value at this seat.
    #[error(
        "the dealing of {dealer} does not fit its commitment; wait for a right dealing or for its log"
    )]
    DoesNotFit {
        /// Who sent it.
        dealer: PublicKey,
    },
    /// The dealer has sent another dealing before, which was acknowledged.
    #[error("{dealer} has dealt differently before; keep to the first dealing")]
    Another {
        /// Who sent it.
        dealer: PublicKey,
    },
}

/// Says why a player has no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// No key came of the ceremony, for anybody.
    #[error(transparent)]
    Failed(#[from] CeremonyFailed),
    /// The logs were collected for another ceremony.
    #[error("these logs are of another ceremony; give the logs of this one")]
    OtherCeremony,
    /// The key was made, but this player no longer has what it acknowledged.
    #[error(
        "the key was made, but this seat lacks what it acknowledged to {dealers:?}; restore the kept dealings, \
         or stay without a share until the key is handed over"
    )]
    LostDealings {
        /// The dealers whose dealings are missing or are others than those acknowledged.
        dealers: Vec<PublicKey>,
    },
}

impl Player {
    /// Starts playing.
    ///
    /// # Errors
    /// [`PlayerError`] if the ceremony has no seat for this identity.
    pub fn new(ceremony: &Ceremony, identity: &Identity) -> Result<Self, PlayerError> {
        let key = identity.public();
        let inner = dkg::Player::new(ceremony.info().clone(), SeatSigner::new(identity));
        // The library refuses only strangers.
        let inner = inner.map_err(|_| PlayerError::NotAPlayer { key })?;
        Ok(Self {
            ceremony: ceremony.clone(),
            key,
            inner,
            taken: BTreeMap::new(),
        })
    }

    /// Takes what a dealer has dealt and acknowledges it; taking the same again gives the same acknowledgement.
    ///
    /// # Errors
    /// [`DealingError`] if it is not acknowledged; the dealer then has to reveal it in its log.
    pub fn take_dealing(
        &mut self,
        dealer: &PublicKey,
        commitment: &Commitment,
        dealing: &Dealing,
    ) -> Result<Ack, DealingError> {
        if let Some(taken) = self.taken.get(dealer) {
            let same = taken.commitment == *commitment && taken.dealing.0 == dealing.0;
            return if same {
                Ok(taken.ack.clone())
            } else {
                Err(DealingError::Another { dealer: *dealer })
            };
        }
        let ack = self.inner.dealer_message::<N3f1>(
            SeatKey(*dealer),
            commitment.0.clone(),
            dealing.0.clone(),
        );
        let ack = ack.map_err(|error| dealing_error(*dealer, &error))?;
        // The library answers nothing only to a dealer it has answered before, who is in `taken`.
        let ack = Ack(ack.ok_or(DealingError::Another { dealer: *dealer })?);
        self.taken.insert(
            *dealer,
            Taken {
                commitment: commitment.clone(),
                dealing: dealing.clone(),
                ack: ack.clone(),
            },
        );
        Ok(ack)
    }

    /// Returns the dealers whose dealings were taken.
    pub fn taken_from(&self) -> impl Iterator<Item = &PublicKey> {
        self.taken.keys()
    }

    /// Finishes: the key that everybody gets from the same logs, and this player's share of it.
    ///
    /// # Errors
    /// [`FinishError`] if no key came of the ceremony or this player has no share of it.
    pub fn finish(self, logs: &Logs) -> Result<(Outcome, KeyShare), FinishError> {
        if logs.ceremony().digest() != self.ceremony.digest() {
            return Err(FinishError::OtherCeremony);
        }
        let lost = self.lost(logs);
        let finished = self
            .inner
            .finalize::<N3f1>(&mut logs.rng(), logs.usable(), &Sequential);
        let (output, share) = match finished {
            Ok(finished) => finished,
            Err(FinalizeError::Failure(failure)) => return Err(logs.failed(&failure).into()),
            Err(FinalizeError::Error(_)) => {
                return Err(FinishError::LostDealings { dealers: lost });
            }
        };
        let outcome = logs.outcome(output);
        let share = KeyShare::of(self.ceremony.purpose(), share);
        let Some(share) = share.filter(|share| outcome.group.covers(share)) else {
            return Err(FinishError::LostDealings { dealers: lost });
        };
        Ok((outcome, share))
    }

    /// Returns the dealers in whose logs this player acknowledges what it does not have.
    fn lost(&self, logs: &Logs) -> Vec<PublicKey> {
        let has = |dealer: &PublicKey, log: &[u8]| {
            let taken = self.taken.get(dealer);
            taken.is_some_and(|taken| log.starts_with(&taken.commitment.to_bytes()))
        };
        logs.acknowledged_by(&self.key)
            .filter(|(dealer, log)| !has(dealer, log))
            .map(|(dealer, _)| dealer)
            .collect()
    }
}

fn dealing_error(dealer: PublicKey, error: &DealerMessageError) -> DealingError {
    match *error {
        DealerMessageError::UnexpectedDealer => DealingError::NotADealer { key: dealer },
        DealerMessageError::InvalidCommitmentDegree { expected, actual } => {
            DealingError::WrongDegree {
                dealer,
                found: actual,
                needed: expected,
            }
        }
        DealerMessageError::MismatchedReshareCommitment => DealingError::NotItsShare { dealer },
        DealerMessageError::InvalidDealerShare => DealingError::DoesNotFit { dealer },
    }
}
