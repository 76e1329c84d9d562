//! What this machine holds as a guardian: since when it keeps which share, what it released, the sealed content on its
//! disk, and whether the key to its shares lies open there.

use std::collections::{BTreeMap, VecDeque};

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Wall,
    core::limits::{REQUESTS_KNOWN_MAX, SHARES_KEPT_MAX},
    spine::audit::{Entry, What},
};

use super::Gathered;
use crate::sublime::Drills;

/// What this machine holds as a guardian.
#[derive(Clone, Debug)]
pub struct Guarding {
    /// What its audit log tells.
    pub log: GuardLog,
    /// The sealed content on its disk, or why that cannot be told.
    pub content: Result<ContentHeld, String>,
    /// Whether the identity, for which shares are sealed here, needs a passphrase; none if its file cannot be read.
    pub needs_passphrase: Option<bool>,
    /// The drill that runs, and what the last one found.
    pub drills: Drills,
}

/// Sealed content that the IPFS node of this machine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentHeld {
    /// Bytes of it.
    pub bytes: u64,
    /// IPFS nodes that it is connected to.
    pub peers: usize,
}

/// What the audit log tells of shares that were kept and of what was released.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardLog {
    /// By the key of the item: the epoch of the newest share, and when it was kept.
    kept: BTreeMap<PublicKey, (u32, Wall)>,
    /// How much was released.
    releases: u64,
    /// The newest releases, the last first, each with its place in the log.
    newest: VecDeque<(u64, Entry)>,
}

impl GuardLog {
    /// Returns since when the share of an item and epoch is kept, if the log tells.
    pub fn since(&self, item: &PublicKey, epoch: u32) -> Option<Wall> {
        let (newest, since) = self.kept.get(item)?;
        (*newest == epoch).then_some(*since)
    }

    /// Returns when this node released its part for a request, if it did.
    pub fn released(&self, to_request: &ContentId) -> Option<Wall> {
        let is_for = |entry: &&(u64, Entry)| matches!(&entry.1.what, What::Released { request, .. } if request == to_request);
        self.newest.iter().find(is_for).map(|(_, entry)| entry.time)
    }

    /// Returns how much was released.
    pub const fn releases(&self) -> u64 {
        self.releases
    }

    /// Returns the newest releases, the last first, each with its place in the log.
    pub fn newest(&self) -> impl Iterator<Item = &(u64, Entry)> {
        self.newest.iter()
    }

    fn keep(&mut self, item: PublicKey, epoch: u32, since: Wall) {
        self.kept.insert(item, (epoch, since));
        // A node keeps no more shares than that: what was kept longest ago is gone.
        if self.kept.len() > SHARES_KEPT_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(item, _)| *item) {
                self.kept.remove(&oldest);
            }
        }
    }
}

impl Gathered for GuardLog {
    fn take(&mut self, index: u64, entry: Entry) {
        match entry.what {
            What::ShareKept { item, epoch, .. } => self.keep(item, epoch, entry.time),
            What::Released { .. } => {
                self.releases += 1;
                self.newest.push_front((index, entry));
                self.newest.truncate(REQUESTS_KNOWN_MAX);
            }
            What::Executed { .. }
            | What::Refused { .. }
            | What::Local { .. }
            | What::LocalRefused { .. }
            | What::Wrote { .. }
            | What::Fork { .. }
            | What::SplitView { .. }
            | What::Erased { .. }
            | What::Lapsed { .. }
            | What::TwoHeads { .. }
            | What::TwoPublicLogs { .. }
            | What::Account { .. }
            | What::ShareDestroyed { .. }
            | What::BadDealer { .. }
            | What::Attested { .. }
            | What::AccountRefused { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;

    fn key(number: u32) -> PublicKey {
        let mut seed = Zeroizing::new([5; 32]);
        seed[..4].copy_from_slice(&number.to_be_bytes());
        Identity::from_seed(seed).public()
    }

    fn kept(item: u32, epoch: u32, time: u64) -> Entry {
        let (item, owner) = (key(item), Some(key(900)));
        Entry {
            time: Wall(time),
            what: What::ShareKept { item, epoch, owner },
        }
    }

    fn released(request: u32, time: u64) -> Entry {
        Entry {
            time: Wall(time),
            what: What::Released {
                request: ContentId::of(&request.to_be_bytes()),
                item: ContentId::of(b"item"),
                to: key(901),
            },
        }
    }

    #[test]
    fn a_share_is_kept_since_its_newest_epoch_came() {
        let mut log = GuardLog::default();
        for entry in [kept(1, 0, 10), kept(2, 0, 20), kept(1, 1, 30)] {
            log.take(0, entry);
        }

        assert_eq!(log.since(&key(1), 1), Some(Wall(30)));
        assert_eq!(log.since(&key(2), 0), Some(Wall(20)));
        assert_eq!(log.since(&key(1), 0), None, "it gave way");
        assert_eq!(log.since(&key(3), 0), None);
    }

    #[test]
    fn what_was_released_is_found_by_its_request_and_the_newest_stand_first() {
        let mut log = GuardLog::default();
        let many = u32::try_from(REQUESTS_KNOWN_MAX).unwrap() + 5;
        for number in 0..many {
            log.take(u64::from(number), released(number, u64::from(number)));
        }

        assert_eq!(log.releases(), u64::from(many));
        assert_eq!(log.newest().count(), REQUESTS_KNOWN_MAX);
        assert_eq!(
            log.newest().next().map(|(index, _)| *index),
            Some(u64::from(many) - 1)
        );
        let last = ContentId::of(&(many - 1).to_be_bytes());
        assert_eq!(log.released(&last), Some(Wall(u64::from(many) - 1)));
        assert_eq!(log.released(&ContentId::of(b"another")), None);
    }
}
