//! The kernel's guard over a node's guarded process: which datagrams leave it.
//!
//! Grammar, hash, keys, reasons and counters are those that the kernel's programs run (`x0-ebpf-common`), and a datagram is
//! taken apart by what the gateway takes it apart with. What is modelled here is the rest: two slots of which one is in force,
//! and a ring of events that somebody has to read. Not modelled: addresses and ports, which no simulated process has.

use std::collections::BTreeSet;

use x0_ebpf_common::{
    EVENTS_BYTES, NAME_BYTES_MAX, SLOTS, event,
    keys::name_key,
    reason::{COUNT_CHECKED, COUNT_DELIVERED, COUNT_LOST, COUNTERS, Reason},
    siphash,
};
use x0_protocol::charter::{
    Charter,
    gateway::{refusal::Refusal, statsd},
};

/// Events that the ring holds, each with the eight bytes that the kernel puts before it.
const RING: u64 = EVENTS_BYTES as u64 / (event::BYTES as u64 + 8);

/// The guard of one machine, from the moment it has power.
pub(super) struct Guard {
    key: [u64; 2],
    names: BTreeSet<[u64; 2]>,
    slot: u32,
    counters: [u64; COUNTERS as usize],
    unread: u64,
}

impl Guard {
    /// Loads the programs, with a key of its own and the names of a charter.
    pub(super) fn load(key: [u64; 2], charter: &Charter) -> Self {
        let mut guard = Self {
            key,
            names: BTreeSet::new(),
            slot: 0,
            counters: [0; COUNTERS as usize],
            unread: 0,
        };
        guard.enforce(charter);
        guard
    }

    /// Writes the names of another charter into the other slot, and changes over to it.
    pub(super) fn enforce(&mut self, charter: &Charter) {
        let next = (self.slot + 1) % SLOTS;
        let (key, before) = (self.key, self.slot);
        let listed = charter.compiled().names.iter();
        let written = listed.map(|allowed| key_of(key, next, allowed.name.as_bytes()));
        self.names.extend(written);
        self.slot = next;
        self.names.retain(|known| known[1] as u32 != before);
    }

    /// Judges a datagram that the process sends, and counts what came of it.
    ///
    /// # Errors
    ///
    /// Returns why the sender sees an error in place of its datagram leaving.
    pub(super) fn judge(&mut self, datagram: &[u8]) -> Result<(), Reason> {
        let judged = self.look_at(datagram);
        match judged {
            Ok(()) => self.count(COUNT_CHECKED),
            Err(reason) => {
                self.count(reason.counter());
                if self.unread < RING {
                    self.unread += 1;
                    self.count(COUNT_DELIVERED);
                } else {
                    self.count(COUNT_LOST);
                }
            }
        }
        judged
    }

    fn look_at(&self, datagram: &[u8]) -> Result<(), Reason> {
        let lines = statsd::read(datagram).map_err(|refusal| match refusal {
            Refusal::TooLong(_) => Reason::Oversized,
            Refusal::Unreadable(_)
            | Refusal::Malformed(_)
            | Refusal::Blocked
            | Refusal::NotListed
            | Refusal::Kind { .. }
            | Refusal::Label(_)
            | Refusal::LabelValue(_)
            | Refusal::NoConsent(_)
            | Refusal::Value(_)
            | Refusal::Full
            | Refusal::Traces
            | Refusal::Logs => Reason::Malformed,
        })?;
        let is_listed = |name: &[u8]| {
            name.len() <= NAME_BYTES_MAX as usize
                && self.names.contains(&key_of(self.key, self.slot, name))
        };
        match lines.iter().all(|(name, _)| is_listed(name)) {
            true => Ok(()),
            false => Err(Reason::Name),
        }
    }

    fn count(&mut self, counter: u32) {
        self.counters[counter as usize] += 1;
    }

    /// Reads all events, as the node's helper does all the time.
    pub(super) const fn read_events(&mut self) {
        self.unread = 0;
    }

    /// Returns how many datagrams were refused, by the reasons' counters.
    pub(super) fn refused(&self) -> u64 {
        let reasons = Reason::ALL.iter();
        reasons.map(|reason| self.counter(reason.counter())).sum()
    }

    /// Returns how many refusals were told as events, and how many found the ring full.
    pub(super) fn told(&self) -> (u64, u64) {
        (self.counter(COUNT_DELIVERED), self.counter(COUNT_LOST))
    }

    fn counter(&self, counter: u32) -> u64 {
        self.counters[counter as usize]
    }

    /// Forgets a refusal that was counted, as a broken probe would.
    #[cfg(test)]
    pub(super) fn miscount(&mut self) {
        let counter = &mut self.counters[Reason::Name.counter() as usize];
        *counter = counter.saturating_sub(1);
    }
}

fn key_of(key: [u64; 2], slot: u32, name: &[u8]) -> [u64; 2] {
    // Names that are longer than 32 bits can say are refused before they are looked up.
    name_key(slot, siphash::hash(key, name), name.len() as u32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn without(charter: &Charter, name: &str) -> Charter {
        let mut draft = charter.text().clone();
        draft.number += 1;
        draft.metrics.retain(|metric| metric.name != name);
        Charter::new(draft).unwrap()
    }

    #[test]
    fn only_listed_names_leave_and_every_refusal_is_counted_once() {
        let charter = Charter::shipped();
        let mut guard = Guard::load([1, 2], &charter);
        assert_eq!(guard.judge(b"latency_p99:1|g"), Ok(()));
        for (datagram, why) in [
            (&b"user_location:1|g"[..], Reason::Name),
            (b"Latency_p99:1|g", Reason::Name),
            (b"latency_p99:1|g\nuser_email:1|g", Reason::Name),
            (b"latency_p99:1|g|#user:7", Reason::Malformed),
            (&[b'a'; 1_473], Reason::Oversized),
        ] {
            assert_eq!(guard.judge(datagram), Err(why));
        }
        assert_eq!((guard.refused(), guard.told()), (5, (5, 0)));

        guard.enforce(&without(&charter, "latency_p99"));
        assert_eq!(guard.judge(b"latency_p99:1|g"), Err(Reason::Name));
        assert_eq!(guard.judge(b"deanon_risk_score:1|g"), Ok(()));
    }

    #[test]
    fn what_nobody_reads_is_counted_as_lost() {
        let mut guard = Guard::load([1, 2], &Charter::shipped());
        for _ in 0..RING + 7 {
            guard.judge(b"user_location:1|g").unwrap_err();
        }
        assert_eq!(guard.told(), (RING, 7));
        guard.read_events();
        guard.judge(b"user_location:1|g").unwrap_err();
        assert_eq!(guard.told(), (RING + 1, 7));
        assert_eq!(guard.refused(), RING + 8);
    }
}
