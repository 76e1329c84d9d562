//! What a seat does with its secrets in a ceremony, as functions of its identity and of what it has kept.
//!
//! Nothing secret is carried from one step to the next: what a seat deals follows from its identity and the
//! ceremony, what it was dealt stays sealed for its key until it is used, and its shares are kept sealed as well.
//! So a seat may stop at any moment and go on from what it has written down, and whoever carries these messages
//! or stores them sees nothing.
//!
//! The price: who learns a seat's identity key learns what the seat dealt and was dealt in the ceremonies whose
//! messages he has kept. A fresh ceremony after a key was lost is the mend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    Ack, AckError, COMMITMENT_BYTES_MAX, Ceremony, Commitment, DEALING_BYTES, Dealer, DealerError,
    Dealing, DealingError, Dealt, FinishError, KEY_SHARE_BYTES, KeyShare, Logs, PartialSignature,
    Player, PlayerError, Purpose, SignedLog,
};
use crate::{ContentId, Identity, NotForThisKey, PublicKey, SEALED_FOR_OVERHEAD, seal_for};

/// Bytes of a share as it is kept.
pub const SEALED_SHARE_BYTES: usize = KEY_SHARE_BYTES + SEALED_FOR_OVERHEAD;

/// What a dealer sends to one player: the commitment, and the dealing sealed for the player's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedDealing {
    /// What everybody may see, encoded: reading it costs a check of every point in it.
    pub commitment: ByteBuf,
    /// The sealed dealing.
    pub sealed: ByteBuf,
}

/// All that a dealer sends, by player in the order of seats.
pub type SealedDealings = Vec<(PublicKey, SealedDealing)>;

/// Says why a dealing is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// The ceremony has no seat for this identity.
    #[error(transparent)]
    Player(#[from] PlayerError),
    /// It cannot be opened.
    #[error("the dealing of {dealer} does not open ({reason}); it has to reveal it")]
    Sealed {
        /// Who dealt.
        dealer: PublicKey,
        /// What is wrong with it.
        reason: String,
    },
    /// It does not fit the commitment.
    #[error(transparent)]
    Dealing(#[from] DealingError),
}

/// Says why a dealer's account is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// This identity cannot deal in this ceremony.
    #[error(transparent)]
    Dealer(#[from] DealerError),
    /// Acknowledgements in it do not count.
    #[error("{} acknowledgements do not count; leave them out", faults.len())]
    Acks {
        /// Each with its player.
        faults: Vec<(PublicKey, AckError)>,
    },
}

/// Says why a player gets no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The ceremony has no seat for this identity.
    #[error(transparent)]
    Player(#[from] PlayerError),
    /// The ceremony failed, or this player has lost what it was dealt.
    #[error(transparent)]
    Finish(#[from] FinishError),
}

/// Says why a kept share is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// It was sealed for another key, or for another mesh, purpose or epoch.
    #[error(transparent)]
    Sealed(#[from] NotForThisKey),
    /// It is no share.
    #[error("what was kept as a key share is none; get a new one in the next ceremony")]
    NotAShare,
}

/// Deals: all that goes out, each dealing sealed for its player. The same again gives the same.
///
/// # Errors
/// [`DealerError`] if this identity or share cannot deal in this ceremony.
pub fn deal(
    ceremony: &Ceremony,
    identity: &Identity,
    previous: Option<&KeyShare>,
) -> Result<SealedDealings, DealerError> {
    let Dealt {
        commitment,
        dealings,
        ..
    } = start(ceremony, identity, previous)?;
    let own = identity.public();
    let seed = identity.dealer_seed();
    let commitment = ByteBuf::from(commitment.to_bytes());
    let dealings = dealings.into_iter().map(|(player, dealing)| {
        let info = dealing_info(ceremony, &own, &player);
        let sealed = seal_for(&player, &info, dealing.to_bytes().as_slice(), &seed);
        // A key nothing can be sealed for gets nothing that opens, and its dealing is revealed.
        let sealed = ByteBuf::from(sealed.unwrap_or_default());
        let commitment = commitment.clone();
        (player, SealedDealing { commitment, sealed })
    });
    Ok(dealings.collect())
}

/// Takes a dealing and acknowledges it. The same again gives the same; two different ones of one dealer must not
/// both be acknowledged, which the caller sees to.
///
/// # Errors
/// [`AcknowledgeError`] if it does not open or does not fit.
pub fn acknowledge(
    ceremony: &Ceremony,
    identity: &Identity,
    dealer: &PublicKey,
    sealed: &SealedDealing,
) -> Result<Ack, AcknowledgeError> {
    let mut player = Player::new(ceremony, identity)?;
    let (commitment, dealing) = open_dealing(ceremony, identity, dealer, sealed)?;
    Ok(player.take_dealing(dealer, &commitment, &dealing)?)
}

/// Signs the dealer's account with the acknowledgements it has got.
///
/// # Errors
/// [`AccountError`] if this identity cannot deal, or acknowledgements do not count; all of them are named.
pub fn account(
    ceremony: &Ceremony,
    identity: &Identity,
    previous: Option<&KeyShare>,
    acks: &BTreeMap<PublicKey, Ack>,
) -> Result<SignedLog, AccountError> {
    let mut dealer = start(ceremony, identity, previous)?.dealer;
    let faults = acks.iter().filter_map(|(player, ack)| {
        let taken = dealer.take_ack(player, ack);
        taken.err().map(|fault| (*player, fault))
    });
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        return Err(AccountError::Acks { faults });
    }
    Ok(dealer.finish())
}

/// Finds this player's share of the key from what it was dealt and the logs that count.
///
/// Dealings that do not open or fit are passed over, as those that were never taken.
///
/// # Errors
/// [`ShareError`] if the ceremony failed or this player has lost what it acknowledged.
pub fn own_share(
    ceremony: &Ceremony,
    identity: &Identity,
    dealings: &BTreeMap<PublicKey, SealedDealing>,
    logs: &Logs,
) -> Result<KeyShare, ShareError> {
    let mut player = Player::new(ceremony, identity)?;
    for (dealer, sealed) in dealings {
        if let Ok((commitment, dealing)) = open_dealing(ceremony, identity, dealer, sealed) {
            player.take_dealing(dealer, &commitment, &dealing).ok();
        }
    }
    let (_, share) = player.finish(logs)?;
    Ok(share)
}

fn start(
    ceremony: &Ceremony,
    identity: &Identity,
    previous: Option<&KeyShare>,
) -> Result<Dealt, DealerError> {
    Dealer::start(ceremony, identity, previous, &identity.dealer_seed())
}

fn open_dealing(
    ceremony: &Ceremony,
    identity: &Identity,
    dealer: &PublicKey,
    sealed: &SealedDealing,
) -> Result<(Commitment, Dealing), AcknowledgeError> {
    let refused = |reason: String| AcknowledgeError::Sealed {
        dealer: *dealer,
        reason,
    };
    let info = dealing_info(ceremony, dealer, &identity.public());
    let opened = identity
        .open_sealed(&info, &sealed.sealed)
        .map_err(|error| refused(error.to_string()))?;
    let dealing = Dealing::from_bytes(&opened).map_err(|error| refused(error.to_string()))?;
    let commitment = Commitment::from_bytes(&sealed.commitment);
    Ok((
        commitment.map_err(|error| refused(error.to_string()))?,
        dealing,
    ))
}

fn dealing_info(ceremony: &Ceremony, dealer: &PublicKey, player: &PublicKey) -> Vec<u8> {
    let id = ceremony.id();
    let parts: [&[u8]; 4] = [
        b"x0/committee/dealing/1",
        id.digest(),
        dealer.bytes(),
        player.bytes(),
    ];
    parts.concat()
}

fn share_info(mesh: &ContentId, purpose: Purpose, epoch: u64) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        b"x0/committee/key-share/1",
        purpose.tag().as_bytes(),
        mesh.digest(),
        &epoch.to_be_bytes(),
    ];
    parts.concat()
}

/// Most bytes of a sealed dealing.
pub(super) const SEALED_DEALING_BYTES: usize = DEALING_BYTES + SEALED_FOR_OVERHEAD;

impl SealedDealing {
    /// Tells whether both parts have a length that they can have.
    pub fn is_well_formed(&self) -> bool {
        self.sealed.len() == SEALED_DEALING_BYTES && self.commitment.len() <= COMMITMENT_BYTES_MAX
    }
}

/// The shares of one seat, by purpose and by the epoch of the key. Wiped when dropped.
#[derive(Default)]
pub struct Keyring {
    shares: BTreeMap<(Purpose, u64), KeyShare>,
}

impl Keyring {
    /// Puts a share in, and returns it as it is to be kept: sealed for the seat's own key.
    ///
    /// # Errors
    /// [`NotForThisKey`] if it cannot be sealed, which an identity's own key never causes.
    pub fn put(
        &mut self,
        mesh: &ContentId,
        epoch: u64,
        share: KeyShare,
        identity: &Identity,
    ) -> Result<Vec<u8>, NotForThisKey> {
        let info = share_info(mesh, share.purpose(), epoch);
        let bytes = share.to_bytes();
        let seed = identity.dealer_seed();
        let sealed = seal_for(&identity.public(), &info, bytes.as_slice(), &seed)?;
        self.shares.insert((share.purpose(), epoch), share);
        Ok(sealed)
    }

    /// Opens a share that was kept, and puts it in.
    ///
    /// # Errors
    /// [`KeepError`] if it is not a share of this seat for this purpose and epoch.
    pub fn open(
        &mut self,
        mesh: &ContentId,
        purpose: Purpose,
        epoch: u64,
        sealed: &[u8],
        identity: &Identity,
    ) -> Result<(), KeepError> {
        let opened = identity.open_sealed(&share_info(mesh, purpose, epoch), sealed)?;
        let share = KeyShare::from_bytes(&opened).map_err(|_| KeepError::NotAShare)?;
        if share.purpose() != purpose {
            return Err(KeepError::NotAShare);
        }
        self.shares.insert((purpose, epoch), share);
        Ok(())
    }

    /// Returns the share of a key.
    pub fn share(&self, purpose: Purpose, epoch: u64) -> Option<&KeyShare> {
        self.shares.get(&(purpose, epoch))
    }

    /// Signs the seat's part of a signature; `None` without a share of that key.
    pub fn sign(&self, purpose: Purpose, epoch: u64, message: &[u8]) -> Option<PartialSignature> {
        Some(self.share(purpose, epoch)?.sign(message))
    }

    /// Forgets the shares of all keys of a purpose older than an epoch.
    pub fn forget_before(&mut self, purpose: Purpose, epoch: u64) {
        self.shares
            .retain(|(of, at), _| *of != purpose || *at >= epoch);
    }
}
