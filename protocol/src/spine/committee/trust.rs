//! What every node knows of the committee: its keys, and the last checkpoint it certified.
//!
//! The first keys are named by a block that a quorum of the seats of the genesis has signed. Everything else the
//! committee says is checked with those keys. Between two checkpoints mesh time goes on with the node's own monotonic
//! clock; without any, the node goes by its wall clock.

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId,
    committee::{CommitteeKey, Purpose, ThresholdSignature},
};

use super::Seats;
use crate::{
    core::time::{Millis, Mono, Wall},
    wire::{Certificate, Checkpoint, CommitteeKeys, KeysNamed, Statement, Subject, encode_entry},
};

/// The committee as a node without a seat knows it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Option<CommitteeKeys>,
    checkpoint: Option<(Checkpoint, Mono)>,
    /// The hash of the signature over it, which nobody knew before a threshold of seats had signed.
    seed: [u8; 32],
}

impl Trust {
    /// Returns the committee's keys, once they are made and known.
    pub const fn keys(&self) -> Option<&CommitteeKeys> {
        self.keys.as_ref()
    }

    /// Returns the newest checkpoint known.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// Takes the keys that a block names, if a quorum of the seats has signed it. Its signatures have been checked.
    pub fn name_keys(&mut self, mesh: &ContentId, seats: &Seats, named: &KeysNamed) -> bool {
        let block = &named.decided.block;
        let voters = named.decided.commit.votes.iter().map(|(seat, _)| seat);
        let Some(keys) = named.keys() else {
            return false;
        };
        if block.mesh != *mesh || !seats.is_quorum(voters) {
            return false;
        }
        if self.keys.is_none_or(|known| known.epoch < keys.epoch) {
            self.keys = Some(keys);
        }
        true
    }

    /// Tells what a certificate must be checked against; `None` if the keys of its epoch are not known here.
    pub fn question(&self, mesh: &ContentId, certificate: &Certificate) -> Option<Question> {
        let keys = self.keys.filter(|keys| keys.epoch == certificate.epoch)?;
        Some(Question {
            key: *keys.key(Purpose::Certificate),
            message: Subject::Statement(certificate.statement).message(mesh, certificate.epoch),
            signature: certificate.signature,
        })
    }

    /// Returns public randomness of the newest checkpoint known: fixed until the next, and steered by nobody.
    pub fn seed(&self) -> Option<(&Checkpoint, &[u8; 32])> {
        Some((self.checkpoint()?, &self.seed))
    }

    /// Takes a checkpoint whose certificate was found good.
    pub fn take(&mut self, certificate: &Certificate, now: Mono) {
        let Statement::Checkpoint(checkpoint) = &certificate.statement else {
            return;
        };
        let known = self.checkpoint.as_ref();
        if known.is_none_or(|(known, _)| known.height < checkpoint.height) {
            self.checkpoint = Some((*checkpoint, now));
            self.seed = *ContentId::of(&encode_entry(&certificate.signature)).digest();
        }
    }

    /// Returns mesh time: that of the last checkpoint, and what has passed since on the monotonic clock.
    pub fn time(&self, now: Mono, scale: u64) -> Option<Wall> {
        let (checkpoint, at) = self.checkpoint.as_ref()?;
        let passed = now.since(*at).0.saturating_mul(scale);
        Some(checkpoint.time + Millis(passed))
    }
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
