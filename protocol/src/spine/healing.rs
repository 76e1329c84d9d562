//! The self-healing loop: monitor, analyse, plan, execute, with what it learned as knowledge.
//!
//! *Monitor*: links that come and go, dials that fail. *Analyse*: are there fewer greeted links than
//! the policy wants and the mesh allows? *Plan*: which members to link to, drawn at random, those that
//! just failed left aside. *Execute* is not here: every plan goes the way of any other agent's local
//! act, through the capability check and into the audit log. *Knowledge*: recent failures and the time
//! the last repair took (MTTR = mean time to repair; the target is 2 s).

use std::collections::BTreeMap;

use x0_crypto::PublicKey;

use super::{directory::Directory, links::Links};
use crate::core::{
    limits::LINKS_MAX,
    rng::Rng,
    time::{Millis, Mono},
};

/// Time before a member that could not be reached is tried again.
const RETRY_AFTER: Millis = Millis::from_secs(10);
/// Time a dial may take before another member is tried instead.
const DIAL_PATIENCE: Millis = Millis::from_secs(10);
/// Time between two looks while links are missing.
const LOOK_EVERY: Millis = Millis(1_000);

/// The state of the loop.
#[derive(Clone, Debug, Default)]
pub struct Healing {
    dialling: BTreeMap<PublicKey, Mono>,
    failed: BTreeMap<PublicKey, Mono>,
    lost_at: Option<Mono>,
    look_at: Option<Mono>,
    last_repair: Option<Millis>,
}

impl Healing {
    /// Notes that a greeted link was lost.
    pub fn lost(&mut self, peer: PublicKey, now: Mono) {
        self.lost_at.get_or_insert(now);
        self.failed.insert(peer, now);
        self.look_at = Some(now);
    }

    /// Notes that a dial came to nothing.
    pub fn dial_failed(&mut self, peer: PublicKey, now: Mono) {
        self.dialling.remove(&peer);
        self.failed.insert(peer, now);
        self.look_at = Some(now);
    }

    /// Notes a greeted link; returns how long the repair took if it replaces a lost one.
    pub fn greeted(&mut self, peer: &PublicKey, now: Mono) -> Option<Millis> {
        self.dialling.remove(peer);
        self.failed.remove(peer);
        let took = now.since(self.lost_at.take()?);
        self.last_repair = Some(took);
        Some(took)
    }

    /// Notes that there may be somebody new to link to.
    pub fn look(&mut self, now: Mono) {
        self.look_at = Some(self.look_at.map_or(now, |at| at.min(now)));
    }

    /// Leaves the links as they are, for want of the right to change them.
    pub fn rest(&mut self) {
        self.look_at = None;
    }

    /// Returns when the loop wants to look again.
    pub const fn look_at(&self) -> Option<Mono> {
        self.look_at
    }

    /// Returns how long the last repair took.
    pub const fn last_repair(&self) -> Option<Millis> {
        self.last_repair
    }

    /// Returns the members to link to now, and takes note that they are being dialled.
    pub fn plan(
        &mut self,
        now: Mono,
        own: &PublicKey,
        target: u64,
        links: &Links,
        directory: &Directory,
        rng: &mut Rng,
    ) -> Vec<PublicKey> {
        if self.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.dialling
            .retain(|_, since| now.since(*since) < DIAL_PATIENCE);
        self.failed
            .retain(|_, since| now.since(*since) < RETRY_AFTER);
        let others = u64::from(directory.active_count().saturating_sub(1));
        let wanted = target.min(LINKS_MAX).min(others);
        let have = u64::from(links.greeted_count()).saturating_add(self.dialling.len() as u64);
        let missing = wanted.saturating_sub(have);
        let all_up = u64::from(links.greeted_count()) >= wanted;
        self.look_at = (!all_up).then_some(now + LOOK_EVERY);
        if all_up {
            self.lost_at = None;
        }
        let mut chosen = Vec::new();
        for _ in 0..missing {
            let Some(peer) = self.choose(own, links, directory, rng) else {
                break;
            };
            self.dialling.insert(peer, now);
            chosen.push(peer);
        }
        chosen
    }

    fn choose(
        &self,
        own: &PublicKey,
        links: &Links,
        directory: &Directory,
        rng: &mut Rng,
    ) -> Option<PublicKey> {
        const TRIES: u32 = 16;
        (0..TRIES).find_map(|_| {
            let key = directory.draw(rng)?.key;
            let is_free = key != *own
                && !links.contains(&key)
                && !self.dialling.contains_key(&key)
                && !self.failed.contains_key(&key);
            is_free.then_some(key)
        })
    }
}
