//! What every node knows of the committee: the chain of its epochs, and the last checkpoint it certified.
//!
//! The first keys are named by a block that a quorum of the seats of the genesis has signed. Every later epoch is
//! certified by the keys of the one before, so that whoever knows the genesis finds the keys in force by following
//! the records. The keys of an epoch that is over verify only what lies at or below the height of its hand-over:
//! whoever gets hold of them later can forge nothing new. Between two checkpoints mesh time goes on as `mesh_clock` tells;
//! without any, the node goes by its wall clock.
//!
//! Keys are not copied out of their records: where many peers share records they share the keys as well.

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, PublicKey,
    committee::{CommitteeKey, Purpose, ThresholdSignature},
};

use super::{
    Seats,
    mesh_clock::{MeshClock, Reading, SILENCE_MAX},
    recovery::{EPOCHS_AHEAD, Recovered, RecoveryView, Words},
};
use crate::{
    core::{
        limits::EPOCHS_KEPT_MAX,
        time::{Millis, Mono, Wall},
    },
    wire::{
        Body, Certificate, Checkpoint, CommitteeKeys, HandedOver, KeysNamed, Record, RecoveryPlan,
        RecoveryWord, Statement, Subject, encode_entry,
    },
};

/// The committee as a node without a seat knows it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The records that made each epoch's keys known, the newest last.
    epochs: Vec<Record>,
    checkpoint: Option<(Checkpoint, Mono)>,
    /// What the checkpoints say of the time.
    clock: Option<MeshClock>,
    /// The epoch of the keys that certified it, and their signature.
    signed: Option<(u64, ThresholdSignature)>,
    /// Words for a new committee; none in quiet times.
    words: Option<Box<Words>>,
    /// The last committee that members have seated, and how many epochs there were before it.
    recovered: Option<Box<(Recovered, usize)>>,
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
        match self.is_lost() {
            true => None,
            false => self.epochs.last()?.body().committee_keys(),
        }
    }

    /// Tells whether members have seated a committee that has no keys yet.
    fn is_lost(&self) -> bool {
        let recovered = self.recovered.as_ref();
        recovered.is_some_and(|recovered| recovered.1 == self.epochs.len())
    }

    /// Returns the last committee that members have seated, if there ever was one.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref().map(|recovered| &recovered.0)
    }

    /// Returns a plan of recovery that members have spoken for.
    pub fn recovery_plan(&self, id: &ContentId) -> Option<&RecoveryPlan> {
        self.words.as_ref()?.plan(id)
    }

    /// Returns the plans of recovery after the last checkpoint, and how many have spoken for each.
    pub fn recoveries(&self) -> Vec<RecoveryView> {
        match (&self.words, self.checkpoint()) {
            (Some(words), Some(checkpoint)) => words.view(checkpoint),
            (_, _) => Vec::new(),
        }
    }

    /// Counts a member's word for a new committee; returns whether it is seated by it.
    ///
    /// # Errors
    ///
    /// [`Unchecked`] if its checkpoint is not known here, or its author did not count as of it.
    pub fn hear_recovery(
        &mut self,
        mesh: &ContentId,
        author: &PublicKey,
        word: &RecoveryWord,
    ) -> Result<bool, Unchecked> {
        let Some(checkpoint) = self.checkpoint().copied() else {
            return Err(Unchecked::Unknown);
        };
        if word.plan.height > checkpoint.height {
            return Err(Unchecked::Unknown);
        }
        // One committee at most takes the place of what a checkpoint speaks of.
        let done = self
            .recovered()
            .map(|recovered| recovered.checkpoint.height);
        if word.plan.height < checkpoint.height || done >= Some(word.plan.height) {
            return Ok(false);
        }
        if word.plan.checkpoint != checkpoint.id() {
            return Err(Unchecked::Void);
        }
        let last = self
            .epochs
            .last()
            .and_then(|record| record.body().committee_keys());
        let epoch = last.map_or(0, |keys| keys.epoch) + EPOCHS_AHEAD;
        let words = self.words.get_or_insert_default();
        let is_enough = words.hear(mesh, author, &checkpoint, word);
        if !is_enough.map_err(|()| Unchecked::Void)? {
            return Ok(false);
        }
        let recovered = Recovered {
            plan: word.plan.clone(),
            id: word.plan.id(mesh),
            checkpoint,
            epoch,
        };
        self.recovered = Some(Box::new((recovered, self.epochs.len())));
        self.words = None;
        Ok(true)
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
        let handed = next
            .and_then(HandedOver::stated)
            .map(|stated| stated.height);
        let recovered = self
            .recovered
            .as_ref()
            .filter(|recovered| recovered.1 == at + 1);
        let lost = recovered.map(|recovered| recovered.0.checkpoint.height);
        let last = handed.or(lost);
        match last.is_none_or(|last| height <= last) {
            true => Ok(keys),
            false => Err(Unchecked::Void),
        }
    }

    /// Returns the seats in force, if the committee was ever handed over; before that they are those of the genesis.
    pub fn seats(&self) -> Option<&[PublicKey]> {
        let handed = self.epochs.last().and_then(handed_over);
        let handed = handed.filter(|_| !self.is_lost());
        let handed = handed.map(|handed| handed.next.seats.as_slice());
        handed.or_else(|| Some(self.recovered()?.plan.seats.as_slice()))
    }

    /// Returns the seats that held what was begun at a height; those of the genesis if nothing is known that has
    /// changed them by then.
    pub fn seats_at(&self, height: u64) -> Option<&[PublicKey]> {
        let recovered = self.recovered.as_deref();
        let recovered = recovered.filter(|(by_members, _)| by_members.checkpoint.height < height);
        let handed = self
            .epochs
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, record)| {
                let handed = handed_over(record)?;
                (handed.stated()?.height < height).then_some((at, handed))
            });
        match (handed, recovered) {
            (Some((at, _)), Some((by_members, before))) if at < *before => {
                Some(&by_members.plan.seats)
            }
            (Some((_, handed)), _) => Some(&handed.next.seats),
            (None, Some((by_members, _))) => Some(&by_members.plan.seats),
            (None, None) => None,
        }
    }

    /// Returns the records that made each epoch's keys known, the newest last.
    pub fn epochs(&self) -> &[Record] {
        &self.epochs
    }

    /// Returns the newest checkpoint known.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// Takes the first keys, which a block names, if a quorum of the seats of the genesis has signed it, or of those
    /// whom members have seated. Its signatures have been checked.
    pub fn name_keys(&mut self, mesh: &ContentId, genesis: &Seats, record: &Record) -> bool {
        let Body::Keys(named) = record.body() else {
            return false;
        };
        let KeysNamed { decided } = &**named;
        let voters = decided.commit.votes.iter().map(|(seat, _)| seat);
        let Some(keys) = named.keys().filter(|_| decided.block.mesh == *mesh) else {
            return false;
        };
        let voters: Vec<_> = voters.collect();
        if let Some((recovered, before)) = self.recovered.as_deref() {
            let seats = Seats::new(recovered.plan.seats.clone());
            let is_named = seats.is_some_and(|seats| seats.is_quorum(voters.iter().copied()));
            if is_named && keys.epoch >= recovered.epoch {
                if *before == self.epochs.len() {
                    self.epochs.push(record.clone());
                }
                return true;
            }
        }
        if !genesis.is_quorum(voters.into_iter()) {
            return false;
        }
        if self.epochs.is_empty() && self.recovered.is_none() {
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

    /// Returns the certificate of the newest checkpoint known.
    pub fn certificate(&self) -> Option<Certificate> {
        let (epoch, signature) = self.signed?;
        Some(Certificate {
            epoch,
            statement: Statement::Checkpoint(*self.checkpoint()?),
            signature,
        })
    }

    /// Takes a checkpoint whose certificate was found good; `live` if it came as soon as it was made known, and was
    /// neither read back nor caught up with.
    pub fn take(&mut self, certificate: &Certificate, live: bool, at: &Reading) {
        let Statement::Checkpoint(checkpoint) = &certificate.statement else {
            return;
        };
        let known = self.checkpoint.as_ref();
        if known.is_none_or(|(known, _)| known.height < checkpoint.height) {
            self.checkpoint = Some((*checkpoint, at.mono));
            match &mut self.clock {
                Some(clock) => clock.date(checkpoint.time, live, at),
                None => self.clock = Some(MeshClock::new(checkpoint.time, live, at)),
            }
            self.signed = Some((certificate.epoch, certificate.signature));
        }
    }

    /// Returns mesh time, once a checkpoint is known.
    pub fn time(&self, at: &Reading) -> Option<Wall> {
        Some(self.clock.as_ref()?.time(at))
    }

    /// Notes how late it is: mesh time is never earlier again while this node runs.
    pub fn reach(&mut self, at: &Reading) {
        if let Some(clock) = &mut self.clock {
            clock.reach(at);
        }
    }

    /// Returns for how long no newer checkpoint was heard of, in real time, once that is longer than a committee at
    /// work leaves between two: then it is down, or this node is cut off from it. `None` as long as all is well, and
    /// before the first checkpoint.
    pub fn silence(&self, now: Mono) -> Option<Millis> {
        let (_, at) = self.checkpoint.as_ref()?;
        let passed = now.since(*at);
        (passed > SILENCE_MAX).then_some(passed)
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
