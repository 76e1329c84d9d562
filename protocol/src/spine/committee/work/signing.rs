//! Signing together: what the log says is to be signed, the parts of it, and what is signed.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{
    ContentId, PublicKey,
    committee::{CombineError, GroupKey, PartialSignature, Seat, ThresholdSignature},
};

use super::{Duty, REPEAT_EVERY, SecretFor, State, making::Making};
use crate::{
    core::{
        limits::{PARTS_MAX, SIGNED_KEPT_MAX},
        secret::SecretTask,
        time::Mono,
    },
    wire::{CaseEntry, Certificate, Entry, SignaturePart, Subject},
};

/// A seat's part in what the committee signs.
#[derive(Debug)]
pub(super) struct Signing {
    own: PublicKey,
    pending: BTreeMap<ContentId, Pending>,
    signed: BTreeMap<ContentId, (Subject, ThresholdSignature)>,
    rounds: BTreeMap<u64, ThresholdSignature>,
    /// What opens the ballots that the log waits for.
    openings: BTreeMap<ContentId, ThresholdSignature>,
    /// The seats of an epoch whose part of an opening was bad: they have no part in others. Ballots may be many, and
    /// each bad part costs the check of all.
    left_out: (u64, BTreeSet<Seat>),
}

/// Something to be signed together.
#[derive(Debug)]
struct Pending {
    subject: Subject,
    epoch: u64,
    own: Option<PartialSignature>,
    is_asked: bool,
    is_combining: bool,
    parts: BTreeMap<Seat, PartialSignature>,
    said_at: Option<Mono>,
}

impl Signing {
    pub(super) const fn new(own: PublicKey) -> Self {
        Self {
            own,
            pending: BTreeMap::new(),
            signed: BTreeMap::new(),
            rounds: BTreeMap::new(),
            openings: BTreeMap::new(),
            left_out: (0, BTreeSet::new()),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn signature(&self, subject: &ContentId) -> Option<ThresholdSignature> {
        let opening = || self.openings.get(subject).copied();
        let signed = self.signed.get(subject).map(|(_, signature)| *signature);
        signed.or_else(opening)
    }

    pub(super) fn round(&self, round: u64) -> Option<ThresholdSignature> {
        self.rounds.get(&round).copied()
    }

    /// Takes the own part of a signature.
    pub(super) fn has_signed(&mut self, subject: &ContentId, part: Option<PartialSignature>) {
        if let Some(pending) = self.pending.get_mut(subject) {
            pending.own = part;
        }
    }

    /// Takes parts of another seat; returns the signatures that this seat knows already.
    pub(super) fn hear(
        &mut self,
        state: &State,
        from: &PublicKey,
        parts: &[SignaturePart],
    ) -> (Vec<(ContentId, ThresholdSignature)>, Vec<Duty>) {
        let mut known = Vec::new();
        let mut todo = Vec::new();
        for SignaturePart { subject, part } in parts {
            if let Some(signature) = self.signature(subject) {
                known.push((*subject, signature));
                continue;
            }
            let Some(pending) = self.pending.get_mut(subject) else {
                continue;
            };
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            if let Some(seat) = group.seat_of(from)
                && !pending.leaves_out(seat, &self.left_out)
            {
                pending.parts.entry(seat).or_insert(*part);
                todo.extend(pending.combine(*subject, group));
            }
        }
        (known, todo)
    }

    /// Takes signatures that another seat knows already: each is checked as any other.
    pub(super) fn told(
        &mut self,
        mesh: &ContentId,
        state: &State,
        signatures: &[(ContentId, ThresholdSignature)],
    ) -> Vec<Duty> {
        let mut todo = Vec::new();
        for (subject, signature) in signatures {
            let Some(pending) = self.pending.get(subject) else {
                continue;
            };
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            let message = pending.subject.message(mesh, pending.epoch);
            if group.verify(&message, signature).is_ok() {
                todo.extend(self.complete(*subject, *signature));
            }
        }
        todo
    }

    /// Takes what came of combining parts; bad ones are dropped, with their seats named, and the rest is combined if it
    /// is enough.
    pub(super) fn combined(
        &mut self,
        state: &State,
        subject: ContentId,
        result: Result<ThresholdSignature, CombineError>,
    ) -> Vec<Duty> {
        let error = match result {
            Ok(signature) => return self.complete(subject, signature),
            Err(error) => error,
        };
        let Some(pending) = self.pending.get_mut(&subject) else {
            return Vec::new();
        };
        pending.is_combining = false;
        let (CombineError::Bad { seats }, Some(group)) = (error, group_of(state, pending)) else {
            return Vec::new();
        };
        pending.parts.retain(|seat, _| !seats.contains(seat));
        let mut todo: Vec<_> = pending.combine(subject, group).into_iter().collect();
        if pending.is_opening() {
            let (_, left_out) = &mut self.left_out;
            let found = seats.into_iter().filter(|seat| left_out.insert(*seat));
            let found = found.filter_map(|seat| group.player(seat));
            todo.extend(found.map(Duty::LeftOut));
            for pending in self.pending.values_mut() {
                pending.leave_out(&self.left_out);
            }
        }
        todo
    }

    fn complete(&mut self, subject: ContentId, signature: ThresholdSignature) -> Vec<Duty> {
        let Some(pending) = self.pending.remove(&subject) else {
            return Vec::new();
        };
        if let Subject::Opening { proposal, voter } = pending.subject {
            self.openings.insert(subject, signature);
            return vec![Duty::Opened {
                proposal,
                voter,
                signature,
            }];
        }
        if let Subject::Report { case, .. } = pending.subject {
            self.openings.insert(subject, signature);
            let signature = Box::new(signature);
            let entry = CaseEntry::Opened { case, signature };
            return vec![Duty::Offer(Entry::Case(Box::new(entry)))];
        }
        if let Subject::Round(round) = pending.subject {
            self.rounds.insert(round, signature);
            if self.rounds.len() > SIGNED_KEPT_MAX {
                self.rounds.pop_first();
            }
        }
        self.signed.insert(subject, (pending.subject, signature));
        if self.signed.len() > SIGNED_KEPT_MAX {
            let oldest = self
                .signed
                .iter()
                .min_by_key(|(_, (subject, _))| age(subject));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.signed.remove(&oldest);
            }
        }
        match pending.subject {
            Subject::Statement(statement) => vec![Duty::Certified(Certificate {
                epoch: pending.epoch,
                statement,
                signature,
            })],
            Subject::Round(_) | Subject::Opening { .. } | Subject::Report { .. } => Vec::new(),
        }
    }

    /// Notes what is to be signed by the log as it stands now.
    pub(super) fn expect(&mut self, mesh: &ContentId, state: &State) {
        let Some(epoch) = state.keys().map(|keys| keys.epoch) else {
            return;
        };
        let wanted: BTreeMap<_, _> = state
            .subjects()
            .into_iter()
            .map(|subject| (subject.id(mesh, epoch), subject))
            .collect();
        self.pending
            .retain(|id, pending| pending.epoch == epoch && wanted.contains_key(id));
        self.openings.retain(|id, _| wanted.contains_key(id));
        if self.left_out.0 != epoch {
            self.left_out = (epoch, BTreeSet::new());
        }
        for (id, subject) in wanted {
            if self.signature(&id).is_none() {
                self.pending.entry(id).or_insert_with(|| Pending {
                    subject,
                    epoch,
                    own: None,
                    is_asked: false,
                    is_combining: false,
                    parts: BTreeMap::new(),
                    said_at: None,
                });
            }
        }
    }

    /// Makes the own part of what is to be signed, but of tickets for the acts in `withheld`.
    pub(super) fn sign(
        &mut self,
        mesh: &ContentId,
        (state, withheld): (&State, &BTreeSet<ContentId>),
        making: &Making,
        todo: &mut Vec<Duty>,
    ) {
        for (id, pending) in &mut self.pending {
            let is_withheld = pending.ticket().is_some_and(|act| withheld.contains(act));
            if pending.own.is_none() && is_withheld {
                continue;
            }
            let purpose = pending.subject.purpose();
            if pending.own.is_none() {
                if making.holds(purpose, pending.epoch) && !pending.is_asked {
                    pending.is_asked = true;
                    todo.push(Duty::Secret {
                        task: SecretTask::Part {
                            purpose,
                            epoch: pending.epoch,
                            message: pending.subject.message(mesh, pending.epoch),
                        },
                        what: SecretFor::Part(*id),
                    });
                }
                continue;
            }
            let Some(group) = group_of(state, pending) else {
                continue;
            };
            if let (Some(seat), Some(part)) = (group.seat_of(&self.own), pending.own)
                && !pending.leaves_out(seat, &self.left_out)
            {
                pending.parts.entry(seat).or_insert(part);
            }
            todo.extend(pending.combine(*id, group));
        }
    }

    /// Says what was not said yet, and again what is not answered.
    pub(super) fn say(&mut self, now: Mono, todo: &mut Vec<Duty>) {
        let is_due = |said_at: Option<Mono>| said_at.is_none_or(|at| at + REPEAT_EVERY <= now);
        let mut parts = Vec::new();
        for (subject, pending) in &mut self.pending {
            if let Some(part) = pending.own.filter(|_| is_due(pending.said_at)) {
                pending.said_at = Some(now);
                parts.push(SignaturePart {
                    subject: *subject,
                    part,
                });
            }
        }
        for some in parts.chunks(PARTS_MAX) {
            todo.push(Duty::Parts(some.to_vec()));
        }
    }
}

impl Pending {
    /// Returns the act that it is a ticket for, if it is one.
    const fn ticket(&self) -> Option<&ContentId> {
        match &self.subject {
            Subject::Statement(statement) => match statement.ticket() {
                Some(ticket) => Some(&ticket.act),
                None => None,
            },
            Subject::Round(_) | Subject::Opening { .. } | Subject::Report { .. } => None,
        }
    }

    /// Tells whether it opens something that is sealed to the committee.
    const fn is_opening(&self) -> bool {
        match self.subject {
            Subject::Opening { .. } | Subject::Report { .. } => true,
            Subject::Statement(_) | Subject::Round(_) => false,
        }
    }

    /// Tells whether a seat has no part in this.
    fn leaves_out(&self, seat: Seat, (epoch, seats): &(u64, BTreeSet<Seat>)) -> bool {
        self.is_opening() && *epoch == self.epoch && seats.contains(&seat)
    }

    /// Drops the parts of seats that have no part in this.
    fn leave_out(&mut self, left_out: &(u64, BTreeSet<Seat>)) {
        let parts = core::mem::take(&mut self.parts);
        let stay = parts.into_iter();
        self.parts = stay
            .filter(|(seat, _)| !self.leaves_out(*seat, left_out))
            .collect();
    }

    /// Combines the parts once there are enough; a job checks and names bad ones.
    fn combine(&mut self, subject: ContentId, group: &GroupKey) -> Option<Duty> {
        if self.is_combining || self.parts.len() < usize::from(group.threshold()) {
            return None;
        }
        self.is_combining = true;
        Some(Duty::Combine {
            subject,
            group: Box::new(group.clone()),
            what: self.subject,
            epoch: self.epoch,
            parts: self
                .parts
                .iter()
                .map(|(seat, part)| (*seat, *part))
                .collect(),
        })
    }
}

fn group_of<'a>(state: &'a State, pending: &Pending) -> Option<&'a GroupKey> {
    let keys = state.keys().filter(|keys| keys.epoch == pending.epoch)?;
    Some(keys.group(pending.subject.purpose()))
}

/// Orders what was signed by how long ago that was; the newest are kept.
const fn age(subject: &Subject) -> u64 {
    match subject {
        Subject::Statement(statement) => statement.height(),
        Subject::Round(_) | Subject::Opening { .. } | Subject::Report { .. } => u64::MAX,
    }
}
