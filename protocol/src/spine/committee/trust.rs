//! What every node knows of the committee: the chain of its epochs, and the last checkpoint it certified.
//!
//! The first keys are named by a block that a quorum of the seats of the genesis has signed. Every later epoch is
//! certified by the keys of the one before, so that whoever knows the genesis finds the keys in force by following
//! the records. The keys of an epoch that is over verify only what lies at or below the height of its hand-over:
//! whoever gets hold of them later can forge nothing new. Between two checkpoints mesh time goes on with the node's own
//! monotonic clock; without any, the node goes by its wall clock.
//!
//! Keys are not copied out of their records: where many peers share records they share the keys as well.

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    committee::{CommitteeKey, Purpose, ThresholdSignature},
};

use super::Seats;
use crate::{
    core::{
        limits::EPOCHS_KEPT_MAX,
        time::{Millis, Mono, Wall},
    },
    wire::{
        Body, Certificate, Checkpoint, CommitteeKeys, HandedOver, KeysNamed, Record, Statement,
        Subject, encode_entry,
    },
};

/// The committee as a node without a seat knows it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The records that made each epoch's keys known, the newest last.
    epochs: Vec<Record>,
    checkpoint: Option<(Checkpoint, Mono)>,
}

/// Why a certificate cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// The keys of its epoch are not known here, or not yet.
    Unknown,
    /// No key of the committee may say this: the epoch was over, or is known to have been handed over otherwise.
    Void,
}

impl Trust {
    /// Returns the committee's keys in force, once they are made and known.
    pub fn keys(&self) -> Option<&CommitteeKeys> {
        self.epochs.last()?.body().committee_keys()
    }

    /// Returns the keys that verify what an epoch has certified about a height.
    ///
    /// # Errors
    ///
    /// [`Unchecked`] if they are not known, or the epoch was over at that height.
    pub fn keys_of(&self, epoch: u64, height: u64) -> Result<&CommitteeKeys, Unchecked> {
        let all = self.epochs.iter().enumerate();
        let mut all = all.filter_map(|(at, record)| Some((at, record.body().committee_keys()?)));
        let found = all.find(|(_, keys)| keys.epoch == epoch);
        let Some((at, keys)) = found else {
            // Epochs between two that are known were ceremonies that failed: nobody holds keys of them.
            let is_past = self.keys().is_some_and(|known| epoch < known.epoch);
            let is_forgotten = self.epochs.len() >= EPOCHS_KEPT_MAX;
            return Err(match is_past && !is_forgotten {
                true => Unchecked::Void,
                false => Unchecked::Unknown,
            });
        };
        let next = self.epochs.get(at + 1).and_then(handed_over);
        let last = next
            .and_then(HandedOver::stated)
            .map(|stated| stated.height);
        match last.is_none_or(|last| height <= last) {
            true => Ok(keys),
            false => Err(Unchecked::Void),
        }
    }

    /// Returns the seats in force, if the committee was ever handed over; before that they are those of the genesis.
    pub fn seats(&self) -> Option<&[PublicKey]> {
        let handed = self.epochs.last().and_then(handed_over)?;
        Some(&handed.next.seats)
    }

    /// Returns the newest checkpoint known.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// Takes the first keys, which a block names, if a quorum of the seats of the genesis has signed it. Its
    /// signatures have been checked.
    pub fn name_keys(&mut self, mesh: &ContentId, seats: &Seats, record: &Record) -> bool {
        let Body::Keys(named) = record.body() else {
            return false;
        };
        let KeysNamed { decided } = &**named;
        let voters = decided.commit.votes.iter().map(|(seat, _)| seat);
        if decided.block.mesh != *mesh || !seats.is_quorum(voters) || named.keys().is_none() {
            return false;
        }
        if self.epochs.is_empty() {
            self.epochs.push(record.clone());
        }
        true
    }

    /// Tells what a hand-over must be checked against; nothing if it is known already.
    ///
    /// # Errors
    ///
    /// [`Unchecked`] if the epoch that hands over is not known here, or was over before.
    pub fn hand_over_question(
        &self,
        mesh: &ContentId,
        handed: &HandedOver,
    ) -> Result<Option<Question>, Unchecked> {
        let Some(keys) = self.keys() else {
            return Err(Unchecked::Unknown);
        };
        if self
            .epochs
            .iter()
            .filter_map(handed_over)
            .any(|known| known == handed)
        {
            return Ok(None);
        }
        if handed.certificate.epoch > keys.epoch {
            return Err(Unchecked::Unknown);
        }
        if handed.certificate.epoch < keys.epoch {
            return Err(Unchecked::Void);
        }
        Ok(Some(Question::new(mesh, keys, &handed.certificate)))
    }

    /// Takes the next epoch from a record whose certificate was found good; tells whether it is in force now.
    pub fn hand_over(&mut self, record: &Record) -> bool {
        let (Some(handed), Some(keys)) = (handed_over(record), self.keys()) else {
            return false;
        };
        if handed.certificate.epoch != keys.epoch {
            return false;
        }
        self.epochs.push(record.clone());
        if self.epochs.len() > EPOCHS_KEPT_MAX {
            self.epochs.remove(0);
        }
        true
    }

    /// Tells what a certificate must be checked against.
    ///
    /// # Errors
    ///
    /// [`Unchecked`] if the keys of its epoch are not known here, or it is about a height above their hand-over.
    pub fn question(
        &self,
        mesh: &ContentId,
        certificate: &Certificate,
    ) -> Result<Question, Unchecked> {
        let keys = self.keys_of(certificate.epoch, certificate.statement.height())?;
        Ok(Question::new(mesh, keys, certificate))
    }

    /// Takes a checkpoint whose certificate was found good.
    pub fn take(&mut self, statement: &Statement, now: Mono) {
        let Statement::Checkpoint(checkpoint) = statement else {
            return;
        };
        let known = self.checkpoint.as_ref();
        if known.is_none_or(|(known, _)| known.height < checkpoint.height) {
            self.checkpoint = Some((*checkpoint, now));
        }
    }

    /// Returns mesh time: that of the last checkpoint, and what has passed since on the monotonic clock.
    pub fn time(&self, now: Mono, scale: u64) -> Option<Wall> {
        let (checkpoint, at) = self.checkpoint.as_ref()?;
        let passed = now.since(*at).0.saturating_mul(scale);
        Some(checkpoint.time + Millis(passed))
    }
}

fn handed_over(record: &Record) -> Option<&HandedOver> {
    record.body().handed_over()
}

/// A certificate to be checked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The committee's key.
    pub key: CommitteeKey,
    /// What should be signed.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: ThresholdSignature,
}

impl Question {
    fn new(mesh: &ContentId, keys: &CommitteeKeys, certificate: &Certificate) -> Self {
        Self {
            key: *keys.key(Purpose::Certificate),
            message: Subject::Statement(certificate.statement).message(mesh, certificate.epoch),
            signature: certificate.signature,
        }
    }

    /// Names the question: the same question has the same answer everywhere.
    pub fn name(&self) -> ContentId {
        ContentId::of(&encode_entry(&(
            self.key,
            ByteBuf::from(self.message.as_slice()),
            self.signature,
        )))
    }

    /// Answers it.
    pub fn holds(&self) -> bool {
        let checked = self
            .key
            .verify(Purpose::Certificate, &self.message, &self.signature);
        checked.is_ok()
    }
}
