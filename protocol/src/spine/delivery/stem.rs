//! The stem: the way of a sensitive record before it is gossiped, so that who hears it first does not learn where it began.
//!
//! Dandelion++ (Fanti et al. 2018, <https://arxiv.org/abs/1805.11060>). In each epoch a node has two *relays* among its
//! links; what comes from one link always goes to the same relay, and what its own user says always to one. In one of ten
//! epochs a node *ends* the stems that reach it: it gossips. Relays, ends and the wait below hang on a secret of the node.
//!
//! Who passes a record along keeps it and waits a time drawn without memory. If it has not been heard by then, it gossips
//! the record itself: a relay that is dead or swallows it delays it and cannot stop it. A record that comes back goes on
//! along the other relay, once, and is then waited for; so a loop ends, and looks to whoever sends a record like any node.
//!
//! What is on a stem is in no index that others may look into. It is not kept on disk but by the node whose user said it.
//! Not done: hiding that a link carries a stem from whoever watches the line, and against relays that work together more
//! than their share of the nodes (`x0 sim attack first-spy` measures that).

use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::{
        limits::{
            STEM_ENDS_ONE_IN, STEM_EPOCH, STEM_HELD_MAX, STEM_LINKS_MIN, STEM_RELAYS,
            STEM_WAIT_ENDS_ONE_IN, STEM_WAIT_MAX, STEM_WAIT_MIN, STEM_WAIT_STEP,
        },
        rng::Rng,
        time::{Millis, Mono},
    },
    spine::links::Links,
    wire::{Record, Verified},
};

/// A record that is to be gossiped now.
pub struct Ended {
    /// The record.
    pub record: Verified<Record>,
    /// Whether this node's user has said it.
    pub is_own: bool,
}

/// A record that was passed along.
struct Held {
    id: ContentId,
    record: Verified<Record>,
    is_own: bool,
    due: Mono,
    /// The relays that it was passed to, at most two.
    went: Vec<PublicKey>,
}

/// What a node knows of stems.
pub struct Stem {
    secret: [u8; 32],
    draws: Rng,
    epoch: u64,
    relays: [Option<PublicKey>; STEM_RELAYS],
    held: Vec<Held>,
}

impl Stem {
    /// Starts with the random numbers of this node, which nobody else knows.
    pub fn new(rng: &Rng) -> Self {
        let mut draws = rng.branch("stem");
        Self {
            secret: draws.bytes(),
            draws,
            epoch: 0,
            relays: [None; STEM_RELAYS],
            held: Vec::new(),
        }
    }

    /// Returns when the first of the records is gossiped if it is not heard before.
    pub fn due(&self) -> Option<Mono> {
        self.held.iter().map(|held| held.due).min()
    }

    /// Tells whether the record is on its way along here.
    pub fn holds(&self, id: &ContentId) -> bool {
        self.held.iter().any(|held| held.id == *id)
    }

    /// Passes a record along that came from a link, or from this node's user; returns the relay to send it to.
    ///
    /// # Errors
    ///
    /// Returns the record if its stem ends here: it is to be gossiped.
    pub fn pass(
        &mut self,
        now: Mono,
        record: Verified<Record>,
        from: Option<&PublicKey>,
        links: &Links,
    ) -> Result<PublicKey, Ended> {
        let is_own = from.is_none();
        let Some(to) = self.relay(now, from, links) else {
            return Err(Ended { record, is_own });
        };
        if self.held.len() >= STEM_HELD_MAX {
            let oldest = self.held.iter_mut().min_by_key(|held| held.is_own);
            if let Some(oldest) = oldest {
                oldest.due = now;
            }
        }
        let due = now + self.wait();
        self.held.push(Held {
            id: record.value().id(),
            record,
            is_own,
            due,
            went: vec![to],
        });
        Ok(to)
    }

    /// Passes a record along that has come back; no more than once along each relay.
    pub fn pass_again(
        &mut self,
        now: Mono,
        id: &ContentId,
        from: &PublicKey,
        links: &Links,
    ) -> Option<(PublicKey, Verified<Record>)> {
        let to = self.relay(now, Some(from), links)?;
        let held = self.held.iter_mut().find(|held| held.id == *id)?;
        if held.went.len() >= STEM_RELAYS || held.went.contains(&to) {
            return None;
        }
        held.went.push(to);
        Some((to, held.record.clone()))
    }

    /// Lets go of a record, which has been heard otherwise.
    pub fn forget(&mut self, id: &ContentId) -> Option<Ended> {
        let at = self.held.iter().position(|held| held.id == *id)?;
        Some(self.end(at))
    }

    /// Takes out a record whose time has come.
    pub fn take_due(&mut self, now: Mono) -> Option<Ended> {
        let at = self.held.iter().position(|held| held.due <= now)?;
        Some(self.end(at))
    }

    fn end(&mut self, at: usize) -> Ended {
        let Held { record, is_own, .. } = self.held.remove(at);
        Ended { record, is_own }
    }

    /// Returns the relay for what comes from a link, or from this node's user; none where a stem ends.
    fn relay(&mut self, now: Mono, from: Option<&PublicKey>, links: &Links) -> Option<PublicKey> {
        self.look(now, links);
        let ends = self.number("end", &[]).is_multiple_of(STEM_ENDS_ONE_IN);
        if links.greeted_count() < STEM_LINKS_MIN || (ends && from.is_some()) {
            return None;
        }
        let first = match from {
            Some(link) => self.number("from", link.bytes()),
            None => self.number("own", &[]),
        };
        let [one, other] = self.relays;
        let in_turn = match first.is_multiple_of(2) {
            true => [one, other],
            false => [other, one],
        };
        let mut relays = in_turn.into_iter().flatten();
        relays.find(|relay| Some(relay) != from)
    }

    /// Sees that the relays are those of the epoch, and linked. A relay whose link has gone is replaced, and stays so.
    ///
    /// They are drawn from the links that this node has dialled, as long as these are enough: whoever dials into a node
    /// does not become its relay by doing it often.
    fn look(&mut self, now: Mono, links: &Links) {
        let phase = Sha256::new()
            .chain_update(b"x0/stem/phase/1\0")
            .chain_update(self.secret)
            .finalize();
        let phase = leading(&phase) % STEM_EPOCH.0;
        let epoch = (now + Millis(phase)).0 / STEM_EPOCH.0;
        if std::mem::replace(&mut self.epoch, epoch) != epoch {
            self.relays = [None; STEM_RELAYS];
        }
        for at in 0..STEM_RELAYS {
            if self.relays[at].is_some_and(|relay| links.is_greeted(&relay)) {
                continue;
            }
            let taken = self.relays[1 - at];
            let greeted = || links.iter().filter(|link| link.greeted);
            let dialled = greeted().filter(|link| link.dialled).count() >= STEM_RELAYS;
            let candidates = greeted().filter(|link| !dialled || link.dialled);
            let candidates = candidates.map(|link| link.peer);
            let free = candidates.filter(|peer| Some(*peer) != taken);
            self.relays[at] = free.min_by_key(|peer| (self.number("relay", peer.bytes()), *peer));
        }
    }

    /// Returns a number that is fixed in the epoch and that nobody else knows.
    fn number(&self, what: &str, key: &[u8]) -> u64 {
        let hash = Sha256::new()
            .chain_update(b"x0/stem/1\0")
            .chain_update(self.secret)
            .chain_update(self.epoch.to_be_bytes())
            .chain_update(what.as_bytes())
            .chain_update(key)
            .finalize();
        leading(&hash)
    }

    /// Draws how long a record is waited for.
    fn wait(&mut self) -> Millis {
        let mut wait = STEM_WAIT_MIN.0 + self.draws.below(STEM_WAIT_STEP.0);
        while wait < STEM_WAIT_MAX.0 && self.draws.below(STEM_WAIT_ENDS_ONE_IN) != 0 {
            wait += STEM_WAIT_STEP.0;
        }
        Millis(wait.min(STEM_WAIT_MAX.0))
    }
}

/// Reads the first eight bytes of a hash.
fn leading(hash: &[u8]) -> u64 {
    hash.iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
