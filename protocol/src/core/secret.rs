//! What a seat does with secrets, handed out so that the core never holds any.
//!
//! A [`SecretTask`] says what to do and holds only what anybody may see or what is sealed for this node; the driver
//! runs it with the node's identity and keyring, and what comes back holds no secret either.

use std::collections::BTreeMap;

use x0_crypto::{
    Identity, PublicKey,
    committee::{
        AccountError, Ack, Ceremony, KeyShare, Keyring, Logs, PartialSignature, Purpose,
        SealedDealing, SealedDealings, SignedLog, account, acknowledge, deal, own_share,
    },
};

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
    /// To [`SecretTask::Part`]; none if the seat has no share of that key.
    Part(Option<PartialSignature>),
}

impl SecretTask {
    /// Does it.
    pub fn run(self, identity: &Identity, keyring: &mut Keyring) -> SecretDone {
        match self {
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
        })
    }
}
