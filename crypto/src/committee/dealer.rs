//! A dealer's part in a ceremony: share out, collect acknowledgements, sign the account.
//!
//! A dealer that starts again from the same seed deals the very same: it takes the acknowledgements it has kept
//! and goes on. Two different seeds in one ceremony would be taken for deceit.

use std::collections::BTreeSet;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use commonware_cryptography::bls12381::dkg::feldman_desmedt as dkg;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_utils::N3f1;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::messages::{Ack, Commitment, Dealing, SignedLog};
use super::seat_key::{SeatKey, SeatSigner};
use super::{Ceremony, KeyShare};
use crate::{Identity, PublicKey};

/// Shares out a secret and collects the players' acknowledgements.
pub struct Dealer {
    key: PublicKey,
    inner: dkg::Dealer<MinSig, SeatSigner>,
    players: BTreeSet<PublicKey>,
    waiting: BTreeSet<PublicKey>,
}

/// What a dealer starts with.
pub struct Dealt {
    /// The state that takes the acknowledgements.
    pub dealer: Dealer,
    /// What everybody may see; goes to every player.
    pub commitment: Commitment,
    /// What each player, in the order of seats, may see alone.
    pub dealings: Vec<(PublicKey, Dealing)>,
}

/// Says why a node cannot deal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DealerError {
    /// The plan does not name it.
    #[error("{key} is not a dealer of this ceremony; deal with the identity of one of its dealers")]
    NotADealer {
        /// Who tried.
        key: PublicKey,
    },
    /// A key cannot be handed over without a share of it.
    #[error("this ceremony hands a key over; give this seat's share of that key")]
    NeedsShare,
    /// A new key comes from new secrets.
    #[error("this ceremony makes a new key; give no share of an older one")]
    NoShareWanted,
    /// The share is of another key or seat, and every player would refuse what it deals.
    #[error("this is not the share of {key} in the key handed over; restore that share")]
    ShareDoesNotFit {
        /// Whose share is wanted.
        key: PublicKey,
    },
}

/// Says why an acknowledgement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The plan does not name the sender.
    #[error("{key} is not a player of this ceremony; drop its acknowledgement")]
    NotAPlayer {
        /// Who sent it.
        key: PublicKey,
    },
    /// It is not the sender's signature over this dealer's commitment in this ceremony.
    #[error(
        "the acknowledgement was not made by {player} for this dealing; send the dealing again"
    )]
    Bad {
        /// Who is said to have sent it.
        player: PublicKey,
    },
}

impl Dealer {
    /// Starts dealing: everything is drawn from the seed, the ceremony and the identity.
    ///
    /// The seed must be secret, drawn for this ceremony, and kept until it is over.
    ///
    /// # Errors
    /// [`DealerError`] if this identity or share cannot deal in this ceremony.
    pub fn start(
        ceremony: &Ceremony,
        identity: &Identity,
        previous: Option<&KeyShare>,
        seed: &[u8; 32],
    ) -> Result<Dealt, DealerError> {
        let key = identity.public();
        if ceremony.dealers().binary_search(&key).is_err() {
            return Err(DealerError::NotADealer { key });
        }
        match (ceremony.previous(), previous) {
            (None, None) => {}
            (Some(_), None) => return Err(DealerError::NeedsShare),
            (None, Some(_)) => return Err(DealerError::NoShareWanted),
            (Some(group), Some(share)) => {
                if group.seat_of(&key) != Some(share.seat()) || !group.covers(share) {
                    return Err(DealerError::ShareDoesNotFit { key });
                }
            }
        }
        let started = dkg::Dealer::start::<N3f1>(
            rng(ceremony, &key, seed),
            ceremony.info().clone(),
            SeatSigner::new(identity),
            previous.map(|share| share.inner().clone()),
        );
        // The library refuses only strangers and missing shares, and neither gets here.
        let (inner, commitment, dealings) = started.map_err(|_| DealerError::NotADealer { key })?;
        let dealings = dealings.into_iter();
        Ok(Dealt {
            dealer: Self {
                key,
                inner,
                players: ceremony.players().iter().copied().collect(),
                waiting: ceremony.players().iter().copied().collect(),
            },
            commitment: Commitment(commitment),
            dealings: dealings
                .map(|(SeatKey(player), dealing)| (player, Dealing(dealing)))
                .collect(),
        })
    }

    /// Takes a player's acknowledgement; taking one again changes nothing.
    ///
    /// # Errors
    /// [`AckError`] if it does not count.
    pub fn take_ack(&mut self, player: &PublicKey, ack: &Ack) -> Result<(), AckError> {
        if !self.players.contains(player) {
            return Err(AckError::NotAPlayer { key: *player });
        }
        self.inner
            .receive_player_ack(SeatKey(*player), ack.0.clone())
            .map_err(|_| AckError::Bad { player: *player })?;
        self.waiting.remove(player);
        Ok(())
    }

    /// Returns the players who have not acknowledged yet; their dealings would be revealed.
    pub const fn waiting(&self) -> &BTreeSet<PublicKey> {
        &self.waiting
    }

    /// Signs the account.
    ///
    /// The dealings of those who have not acknowledged stand in it for all to see, unless they are more than
    /// ⌊(n − 1) / 3⌋: then it holds none and does not count.
    pub fn finish(self) -> SignedLog {
        SignedLog::by(self.key, self.inner.finalize::<N3f1>())
    }
}

/// Draws from the seed; other ceremonies and other dealers draw other secrets from the same one.
fn rng(ceremony: &Ceremony, dealer: &PublicKey, seed: &[u8; 32]) -> ChaCha20Rng {
    let mut hash = Sha256::new_with_prefix(b"x0/committee/dealing/1");
    hash.update(seed);
    hash.update(ceremony.digest());
    hash.update(dealer.bytes());
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
    ChaCha20Rng::from_seed(*seed)
}
