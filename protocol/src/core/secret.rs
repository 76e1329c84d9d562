//! What a seat or a guardian does with secrets, handed out so that the core never holds any.
//!
//! A [`SecretTask`] says what to do and holds only what anybody may see or what is sealed for this node; the driver
//! runs it with the node's identity and keyring, and what comes back holds no secret either.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use x0_crypto::{
    Identity, PublicKey,
    committee::{
        AccountError, Ack, Ceremony, KeyShare, Keyring, Logs, PartialSignature, Purpose,
        SealedDealing, SealedDealings, SignedLog, account, acknowledge, deal, own_share,
    },
    sublime::{Commitments, HybridPublic, HybridSecret, Share, ShareIndex, seal_hybrid},
};
use zeroize::Zeroizing;

use crate::wire::SeatOpening;

/// The keys that shares for this node are sealed to; how they are kept is the driver's matter.
pub trait ShareKeys: Send {
    /// Makes a new key, which is safely kept when this returns.
    ///
    /// # Errors
    ///
    /// Returns why it cannot be made or kept, in words.
    fn make(&mut self) -> Result<HybridPublic, String>;

    /// Opens what was sealed to one of the keys.
    fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// Keys for shares that follow from a seed, one after the other: for worlds whose nodes have no disk.
pub struct SeededShareKeys {
    seed: Zeroizing<[u8; 32]>,
    keys: Vec<HybridSecret>,
}

impl SeededShareKeys {
    /// Begins without a key.
    pub const fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self {
            seed,
            keys: Vec::new(),
        }
    }
}

impl ShareKeys for SeededShareKeys {
    fn make(&mut self) -> Result<HybridPublic, String> {
        let number = (self.keys.len() as u64).to_be_bytes();
        let seed = Sha256::new()
            .chain_update(b"x0/share-key/1\0")
            .chain_update(*self.seed)
            .chain_update(number)
            .finalize();
        let secret = HybridSecret::from_seed(Zeroizing::new(seed.into()));
        let public = secret.public();
        self.keys.push(secret);
        Ok(public)
    }

    fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_by_newest(&self.keys, info, sealed)
    }
}

/// Opens what was sealed to one of several keys, of which the last is the newest.
pub fn open_by_newest(
    keys: &[HybridSecret],
    info: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut newest_first = keys.iter().rev();
    newest_first.find_map(|key| key.open(info, sealed).ok())
}

/// Something to be done with the node's secrets.
#[derive(Clone)]
pub enum SecretTask {
    /// Deals in a ceremony.
    Deal(Box<Ceremony>),
    /// Takes a dealing and acknowledges it.
    Acknowledge {
        /// The ceremony.
        ceremony: Box<Ceremony>,
        /// Who dealt.
        dealer: PublicKey,
        /// The sealed dealing.
        dealing: Box<SealedDealing>,
    },
    /// Signs the dealer's account.
    Account {
        /// The ceremony.
        ceremony: Box<Ceremony>,
        /// The acknowledgements.
        acks: BTreeMap<PublicKey, Ack>,
    },
    /// Finds the seat's share of a key.
    Share {
        /// The ceremony.
        ceremony: Box<Ceremony>,
        /// What the seat was dealt.
        dealings: BTreeMap<PublicKey, SealedDealing>,
        /// The logs that count.
        logs: Box<Logs>,
    },
    /// Forgets the shares of all keys of epochs before one.
    Forget {
        /// The first epoch whose shares are kept.
        before: u64,
    },
    /// Makes a key that shares are sealed to.
    ShareKey,
    /// Opens a share and checks it.
    CheckShare {
        /// What it was sealed as.
        info: Vec<u8>,
        /// The sealed share.
        sealed: Vec<u8>,
        /// Its number.
        index: ShareIndex,
        /// What it is checked against.
        commitments: Box<Commitments>,
    },
    /// Seals a share that this node keeps to the key of a request.
    ReleaseShare {
        /// What it was sealed as.
        info: Vec<u8>,
        /// The sealed share.
        sealed: Vec<u8>,
        /// The key of the request.
        to: HybridPublic,
        /// What it is sealed as then.
        release_info: Vec<u8>,
    },
    /// Seals the seat's part of what opens the second part of an item's key to the key of a request.
    ReleaseOpening {
        /// The epoch of the committee's key.
        epoch: u64,
        /// What is signed.
        label: Vec<u8>,
        /// What the part is checked against, encoded.
        group: Vec<u8>,
        /// The key of the request.
        to: HybridPublic,
        /// What it is sealed as.
        release_info: Vec<u8>,
    },
    /// Signs the seat's part.
    Part {
        /// For what.
        purpose: Purpose,
        /// The epoch of the key.
        epoch: u64,
        /// What is signed.
        message: Vec<u8>,
    },
}

/// What came of a [`SecretTask`].
#[derive(Clone, Debug)]
pub enum SecretDone {
    /// To [`SecretTask::Deal`].
    Dealt(Result<SealedDealings, String>),
    /// To [`SecretTask::Acknowledge`].
    Acknowledged(Result<Ack, String>),
    /// To [`SecretTask::Account`]; if some acknowledgements do not count, whose.
    Accounted(Result<SignedLog, Vec<PublicKey>>),
    /// To [`SecretTask::Share`]: the share, sealed as it is to be kept. It is on the keyring already.
    Shared(Result<Vec<u8>, String>),
    /// To [`SecretTask::Forget`].
    Forgotten,
    /// To [`SecretTask::ShareKey`].
    ShareKey(Result<HybridPublic, String>),
    /// To [`SecretTask::CheckShare`]: whether it opens and is the one that was committed to.
    ShareChecked(bool),
    /// To [`SecretTask::ReleaseShare`] and [`SecretTask::ReleaseOpening`]; none if this node no longer has what it takes.
    Sealed(Option<Vec<u8>>),
    /// To [`SecretTask::Part`]; none if the seat has no share of that key.
    Part(Option<PartialSignature>),
}

impl SecretTask {
    /// Does it.
    pub fn run(
        self,
        identity: &Identity,
        keyring: &mut Keyring,
        share_keys: &mut dyn ShareKeys,
    ) -> SecretDone {
        match self {
            Self::ShareKey => SecretDone::ShareKey(share_keys.make()),
            Self::CheckShare {
                info,
                sealed,
                index,
                commitments,
            } => {
                let opened = share_keys.open(&info, &sealed);
                let share = opened.and_then(|bytes| Share::from_bytes(&bytes).ok());
                let good = share.is_some_and(|share| {
                    share.index() == index && commitments.verify(&share).is_ok()
                });
                SecretDone::ShareChecked(good)
            }
            Self::ReleaseShare {
                info,
                sealed,
                to,
                release_info,
            } => {
                let opened = share_keys.open(&info, &sealed);
                let seal = |share: Zeroizing<Vec<u8>>| {
                    seal_hybrid(&to, &release_info, &share, &identity.release_seed()).ok()
                };
                SecretDone::Sealed(opened.and_then(seal))
            }
            Self::ReleaseOpening {
                epoch,
                label,
                group,
                to,
                release_info,
            } => {
                let part = keyring.sign(Purpose::Decryption, epoch, &label);
                let seal = |part| {
                    let group = group.into();
                    let opening = Zeroizing::new(SeatOpening { part, group }.encode());
                    seal_hybrid(&to, &release_info, &opening, &identity.release_seed()).ok()
                };
                SecretDone::Sealed(part.and_then(seal))
            }
            Self::Deal(ceremony) => {
                let dealt = deal(&ceremony, identity, dealt_on(&ceremony, keyring));
                SecretDone::Dealt(dealt.map_err(|e| e.to_string()))
            }
            Self::Acknowledge {
                ceremony,
                dealer,
                dealing,
            } => SecretDone::Acknowledged(
                acknowledge(&ceremony, identity, &dealer, &dealing).map_err(|e| e.to_string()),
            ),
            Self::Account { ceremony, acks } => {
                let signed = account(&ceremony, identity, dealt_on(&ceremony, keyring), &acks);
                SecretDone::Accounted(signed.map_err(|error| match error {
                    AccountError::Acks { faults } => {
                        faults.into_iter().map(|(player, _)| player).collect()
                    }
                    AccountError::Dealer(_) => Vec::new(),
                }))
            }
            Self::Share {
                ceremony,
                dealings,
                logs,
            } => SecretDone::Shared(find_share(&ceremony, identity, &dealings, &logs, keyring)),
            Self::Forget { before } => {
                for purpose in Purpose::ALL {
                    keyring.forget_before(purpose, before);
                }
                SecretDone::Forgotten
            }
            Self::Part {
                purpose,
                epoch,
                message,
            } => SecretDone::Part(keyring.sign(purpose, epoch, &message)),
        }
    }
}

/// Finds the share that a ceremony deals on, if the key is an old one.
fn dealt_on<'a>(ceremony: &Ceremony, keyring: &'a Keyring) -> Option<&'a KeyShare> {
    let previous = ceremony.previous()?;
    keyring.share(previous.purpose(), previous.epoch())
}

fn find_share(
    ceremony: &Ceremony,
    identity: &Identity,
    dealings: &BTreeMap<PublicKey, SealedDealing>,
    logs: &Logs,
    keyring: &mut Keyring,
) -> Result<Vec<u8>, String> {
    let share = own_share(ceremony, identity, dealings, logs).map_err(|error| error.to_string())?;
    let (mesh, epoch) = (ceremony.mesh(), ceremony.epoch());
    let kept = keyring.put(&mesh, epoch, share, identity);
    kept.map_err(|error| error.to_string())
}

impl std::fmt::Debug for SecretTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deal(_) => "Deal",
            Self::Acknowledge { .. } => "Acknowledge",
            Self::Account { .. } => "Account",
            Self::Share { .. } => "Share",
            Self::Forget { .. } => "Forget",
            Self::Part { .. } => "Part",
            Self::ShareKey => "ShareKey",
            Self::CheckShare { .. } => "CheckShare",
            Self::ReleaseShare { .. } => "ReleaseShare",
            Self::ReleaseOpening { .. } => "ReleaseOpening",
        })
    }
}
