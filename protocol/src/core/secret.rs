//! What a seat or a guardian does with secrets, handed out so that the core never holds any.
//!
//! A [`SecretTask`] says what to do and holds only what anybody may see or what is sealed for this node; the driver
//! runs it with the node's identity and keyring, and what comes back holds no secret either.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::{
        AccountError, Ack, Ceremony, KeyShare, Keyring, Logs, PartialSignature, Purpose,
        SealedDealing, SealedDealings, SignedLog, account, acknowledge, deal, own_share,
    },
    sublime::{Commitments, HybridPublic, HybridSecret, Share, ShareIndex, seal_hybrid},
};
use zeroize::Zeroizing;

use super::{
    share_tasks::{self, JoinTask, PartFault, PartTask, RedealTask, Redealt, TryTask},
    sublime::DrillFault,
};
use crate::{
    sublime::shares::{KeptPart, KeptShare, OfferedShare, ShareKeyName},
    wire::{Reason, SeatOpening, TrusteeSalt, read_reason, share_info},
};

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

    /// Seals a share or a part under a new key of its own, which is safely kept when this returns.
    ///
    /// # Errors
    ///
    /// Returns why the key cannot be made or kept, in words.
    fn wrap(&mut self, name: ShareKeyName, secret: &[u8]) -> Result<Vec<u8>, String>;

    /// Opens what was sealed under a key of its own.
    fn unwrap(&self, name: ShareKeyName, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// Destroys keys, and with them what was sealed under them.
    fn destroy(&mut self, names: &[ShareKeyName]);

    /// Destroys all keys of shares and parts but these.
    fn retain(&mut self, names: &BTreeSet<ShareKeyName>);
}

/// Members' keys that are kept: shares sealed to the one before the newest may be on their way.
pub const SHARE_KEYS_KEPT: usize = 2;

/// What is sealed under a key of its own is sealed as this.
pub fn kept_info(name: ShareKeyName) -> Vec<u8> {
    [b"x0/sublime/kept/1".as_slice(), name.bytes()].concat()
}

/// Keys for shares that follow from a seed, one after the other: for worlds whose nodes have no disk.
pub struct SeededShareKeys {
    seed: Zeroizing<[u8; 32]>,
    made: u64,
    keys: Vec<HybridSecret>,
    own: BTreeMap<ShareKeyName, HybridSecret>,
}

impl SeededShareKeys {
    /// Begins without a key.
    pub const fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self {
            seed,
            made: 0,
            keys: Vec::new(),
            own: BTreeMap::new(),
        }
    }

    fn draw(&mut self) -> Zeroizing<[u8; 32]> {
        self.made += 1;
        let seed = Sha256::new()
            .chain_update(b"x0/share-key/1\0")
            .chain_update(*self.seed)
            .chain_update(self.made.to_be_bytes())
            .finalize();
        Zeroizing::new(seed.into())
    }
}

impl ShareKeys for SeededShareKeys {
    fn make(&mut self) -> Result<HybridPublic, String> {
        let secret = HybridSecret::from_seed(self.draw());
        let public = secret.public();
        self.keys.push(secret);
        if self.keys.len() > SHARE_KEYS_KEPT {
            self.keys.remove(0);
        }
        Ok(public)
    }

    fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_by_newest(&self.keys, info, sealed)
    }

    fn wrap(&mut self, name: ShareKeyName, secret: &[u8]) -> Result<Vec<u8>, String> {
        let key = HybridSecret::from_seed(self.draw());
        let sealed = seal_hybrid(&key.public(), &kept_info(name), secret, &self.draw());
        self.own.insert(name, key);
        sealed.map_err(|error| error.to_string())
    }

    fn unwrap(&self, name: ShareKeyName, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.own.get(&name)?.open(&kept_info(name), sealed).ok()
    }

    fn destroy(&mut self, names: &[ShareKeyName]) {
        self.own.retain(|name, _| !names.contains(name));
    }

    fn retain(&mut self, names: &BTreeSet<ShareKeyName>) {
        self.own.retain(|name, _| names.contains(name));
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
    /// Opens a share, checks it, and seals it under a key of its own.
    CheckShare {
        /// The mesh.
        mesh: ContentId,
        /// The share.
        share: Box<OfferedShare>,
        /// The sealed share.
        sealed: Vec<u8>,
        /// What it is checked against.
        commitments: Box<Commitments>,
    },
    /// Seals a share that this node keeps to the key of a request.
    ReleaseShare {
        /// The share.
        share: Box<KeptShare>,
        /// The key of the request.
        to: HybridPublic,
        /// What it is sealed as then.
        release_info: Vec<u8>,
    },
    /// Deals a share that this node keeps on to new guardians.
    Redeal(Box<RedealTask>),
    /// Opens a part of a new share, checks it, and seals it under a key of its own.
    TakePart(Box<PartTask>),
    /// Puts a new share together from its parts, and seals it under a key of its own.
    JoinShare(Box<JoinTask>),
    /// Opens a share that this node keeps and checks it, and nothing else.
    TryShare(Box<TryTask>),
    /// Destroys the keys of shares and parts.
    DestroyShareKeys(Vec<ShareKeyName>),
    /// Destroys the keys of all shares and parts but these.
    RetainShareKeys(BTreeSet<ShareKeyName>),
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
    /// Opens the reason of a call in an emergency that is sealed to this node's member.
    OpenReason {
        /// What it is sealed as.
        info: Vec<u8>,
        /// The sealed reason.
        sealed: Vec<u8>,
    },
    /// Opens which of the slots of an item's trustees is this node's member's.
    OpenSlot {
        /// What salts are sealed as.
        info: Vec<u8>,
        /// The sealed salts.
        sealed: Vec<Vec<u8>>,
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
    /// To [`SecretTask::Forget`], [`SecretTask::DestroyShareKeys`] and [`SecretTask::RetainShareKeys`].
    Forgotten,
    /// To [`SecretTask::ShareKey`].
    ShareKey(Result<HybridPublic, String>),
    /// To [`SecretTask::CheckShare`]: the share as it is kept, if it opens and is the one that was committed to.
    ShareChecked(Option<Vec<u8>>),
    /// To [`SecretTask::Redeal`]; none if this node no longer has the share.
    Redealt(Option<Box<Redealt>>),
    /// To [`SecretTask::TakePart`].
    PartTaken(Result<Box<KeptPart>, PartFault>),
    /// To [`SecretTask::JoinShare`]: the share as it is kept.
    Joined(Result<Vec<u8>, String>),
    /// To [`SecretTask::TryShare`].
    Tried(Result<(), DrillFault>),
    /// To [`SecretTask::ReleaseShare`] and [`SecretTask::ReleaseOpening`]; none if this node no longer has what it takes.
    Sealed(Option<Vec<u8>>),
    /// To [`SecretTask::OpenReason`]: the reason, for this node's member to read.
    Reason(Option<Reason>),
    /// To [`SecretTask::OpenSlot`]; none if the member is no trustee.
    Slot(Option<TrusteeSalt>),
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
                mesh,
                share,
                sealed,
                commitments,
            } => {
                let own = (&identity.public(), share.index);
                let checked = check_share(&mesh, own, (&share, &sealed, &commitments), share_keys);
                SecretDone::ShareChecked(checked)
            }
            Self::ReleaseShare {
                share,
                to,
                release_info,
            } => {
                let opened = share_keys.unwrap(share.key(), &share.sealed);
                let seal = |share: Zeroizing<Vec<u8>>| {
                    seal_hybrid(&to, &release_info, &share, &identity.release_seed()).ok()
                };
                SecretDone::Sealed(opened.and_then(seal))
            }
            Self::Redeal(task) => {
                SecretDone::Redealt(share_tasks::redeal(*task, identity, share_keys))
            }
            Self::TakePart(task) => {
                SecretDone::PartTaken(share_tasks::take_part(*task, identity, share_keys))
            }
            Self::JoinShare(task) => SecretDone::Joined(share_tasks::join(*task, share_keys)),
            Self::TryShare(task) => SecretDone::Tried(share_tasks::try_share(&task, share_keys)),
            Self::DestroyShareKeys(names) => {
                share_keys.destroy(&names);
                SecretDone::Forgotten
            }
            Self::RetainShareKeys(names) => {
                share_keys.retain(&names);
                SecretDone::Forgotten
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
            Self::OpenReason { info, sealed } => {
                let opened = identity.open_sealed(&info, &sealed).ok();
                SecretDone::Reason(opened.and_then(|padded| read_reason(&padded)))
            }
            Self::OpenSlot { info, sealed } => {
                let mut sealed = sealed.iter();
                let opened = sealed.find_map(|slot| identity.open_sealed(&info, slot).ok());
                let salt = opened.and_then(|salt| salt.as_slice().try_into().ok());
                SecretDone::Slot(salt.map(TrusteeSalt::new))
            }
            Self::Part {
                purpose,
                epoch,
                message,
            } => SecretDone::Part(keyring.sign(purpose, epoch, &message)),
        }
    }
}

/// Opens a share that somebody asks to keep, and seals it as it is kept if all about it is good.
fn check_share(
    mesh: &ContentId,
    own: (&PublicKey, ShareIndex),
    (share, sealed, commitments): (&OfferedShare, &[u8], &Commitments),
    share_keys: &mut dyn ShareKeys,
) -> Option<Vec<u8>> {
    let OfferedShare {
        item,
        sharing,
        appointed,
        ..
    } = share;
    if !appointed.holds((mesh, item), (0, sharing, None), own) {
        return None;
    }
    let bytes = share_keys.open(&share_info(mesh, item, sharing, own), sealed)?;
    let opened = Share::from_bytes(&bytes).ok()?;
    if opened.index() != own.1 || commitments.verify(&opened).is_err() {
        return None;
    }
    let name = ShareKeyName::of_share(item, sharing, own.1);
    share_keys.wrap(name, &bytes).ok()
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
            Self::Redeal(_) => "Redeal",
            Self::TakePart(_) => "TakePart",
            Self::JoinShare(_) => "JoinShare",
            Self::TryShare(_) => "TryShare",
            Self::DestroyShareKeys(_) => "DestroyShareKeys",
            Self::RetainShareKeys(_) => "RetainShareKeys",
            Self::OpenReason { .. } => "OpenReason",
            Self::OpenSlot { .. } => "OpenSlot",
        })
    }
}
