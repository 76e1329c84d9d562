//! When which item that is kept here is looked after next.
//!
//! An item that is whole and safe has its turn once in the interval that the settings say, give or take a tenth, so that the
//! keepers of an item do not all begin at once. One that is not has it again soon, and then less and less often.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::sublime::known::Item;

/// First wait after a turn that left something to be done; it doubles up to the interval.
const SOON: Duration = Duration::from_secs(5);
/// How often it doubles at most: 5 s to 11 hours.
const DOUBLINGS_MAX: u32 = 13;

/// An item that is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptItem {
    /// Its name.
    pub(super) id: ContentId,
    /// What is known of it.
    pub(super) item: Item,
    /// Whether this node keeps a share of it; else its user put it.
    pub(super) guards: bool,
}

/// The items by their content, each with its next turn.
pub(super) struct Agenda {
    own: PublicKey,
    interval: Duration,
    entries: BTreeMap<ContentId, Entry>,
}

struct Entry {
    kept: KeptItem,
    next: Instant,
    failures: u32,
    is_busy: bool,
}

impl Agenda {
    /// Begins the agenda of a node.
    pub(super) const fn new(own: PublicKey, interval: Duration) -> Self {
        Self {
            own,
            interval,
            entries: BTreeMap::new(),
        }
    }

    /// Takes the items that are kept: new ones have their turn at once, others leave.
    pub(super) fn set(&mut self, kept: Vec<KeptItem>, now: Instant) {
        let mut kept: BTreeMap<_, _> = kept
            .into_iter()
            .map(|kept| (kept.item.content, kept))
            .collect();
        // One that is busy leaves when it is done.
        self.entries
            .retain(|content, entry| kept.contains_key(content) || entry.is_busy);
        for (content, entry) in &mut self.entries {
            if let Some(kept) = kept.remove(content) {
                entry.kept = kept;
            }
        }
        let fresh = kept.into_iter().map(|(content, kept)| {
            let entry = Entry {
                kept,
                next: now,
                failures: 0,
                is_busy: false,
            };
            (content, entry)
        });
        self.entries.extend(fresh);
    }

    /// Returns the contents of the items that are kept.
    pub(super) fn contents(&self) -> Vec<ContentId> {
        self.entries.keys().copied().collect()
    }

    /// Has an item looked after at once.
    pub(super) fn hurry(&mut self, content: &ContentId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(content) {
            entry.next = now;
        }
    }

    /// Takes out an item whose turn has come, the longest overdue first; it has no other turn until [`Self::done`].
    pub(super) fn take(&mut self, now: Instant) -> Option<KeptItem> {
        let due = self.entries.values_mut();
        let due = due.filter(|entry| !entry.is_busy && entry.next <= now);
        let entry = due.min_by_key(|entry| entry.next)?;
        entry.is_busy = true;
        // Who hurries it meanwhile sets it anew.
        entry.next = now + self.interval;
        Some(entry.kept.clone())
    }

    /// Takes in that a turn is over; `is_well` tells whether it left nothing to be done.
    pub(super) fn done(
        &mut self,
        content: &ContentId,
        is_well: bool,
        is_hurried: bool,
        now: Instant,
    ) {
        let interval = self.interval;
        let calm = interval / 1_000 * (900 + self.shift(content));
        let Some(entry) = self.entries.get_mut(content) else {
            return;
        };
        entry.is_busy = false;
        entry.failures = match is_well {
            true => 0,
            false => (entry.failures + 1).min(DOUBLINGS_MAX),
        };
        let wait = match entry.failures.checked_sub(1) {
            Some(doublings) => interval.min(SOON.saturating_mul(1 << doublings)),
            None => calm,
        };
        entry.next = match is_hurried {
            true => now,
            false => now + wait,
        };
    }

    /// Returns 0 to 200, for each keeper of a content another number.
    fn shift(&self, content: &ContentId) -> u32 {
        let mixed = self.own.bytes().iter().zip(content.digest());
        let mixed = mixed.fold(0_u32, |sum, (one, other)| {
            sum.wrapping_mul(31).wrapping_add(u32::from(one ^ other))
        });
        mixed % 201
    }

    /// Returns when the next turn comes.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| !entry.is_busy);
        waiting.map(|entry| entry.next).min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;
    use x0_protocol::Wall;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1_000);

    fn kept(number: u8) -> KeptItem {
        let content = ContentId::of(&[number]);
        let item = Item {
            key: Identity::from_seed([7; 32].into()).public(),
            first: crate::sublime::tests::sharing(),
            content,
            chunks: 1,
            time: Wall(0),
            card: None,
            trustees: None,
        };
        KeptItem {
            id: content,
            item,
            guards: true,
        }
    }

    fn agenda(now: Instant, kept: Vec<KeptItem>) -> Agenda {
        let own = Identity::from_seed([1; 32].into()).public();
        let mut agenda = Agenda::new(own, INTERVAL);
        agenda.set(kept, now);
        agenda
    }

    #[test]
    fn each_has_its_turn_at_once_then_after_about_the_interval_and_never_twice_at_a_time() {
        let now = Instant::now();
        let mut agenda = agenda(now, vec![kept(1), kept(2)]);
        let (first, second) = (agenda.take(now).unwrap(), agenda.take(now).unwrap());
        assert_ne!(first, second);
        assert_eq!((agenda.take(now), agenda.next()), (None, None));

        agenda.done(&first.item.content, true, false, now);
        let next = agenda.next().unwrap().duration_since(now);
        assert!(next >= INTERVAL * 9 / 10 && next <= INTERVAL * 11 / 10);
        assert_eq!(agenda.take(now + next), Some(first));
    }

    #[test]
    fn one_that_is_not_well_has_its_turn_soon_and_then_less_often_up_to_the_interval() {
        let now = Instant::now();
        let mut agenda = agenda(now, vec![kept(1)]);
        let content = kept(1).item.content;
        let mut waits = Vec::new();
        for _ in 0..12 {
            agenda.done(&content, false, false, now);
            waits.push(agenda.next().unwrap().duration_since(now));
        }
        assert_eq!(waits[..3], [SOON, SOON * 2, SOON * 4]);
        assert_eq!(waits.last(), Some(&INTERVAL));
        agenda.done(&content, true, false, now);
        agenda.done(&content, false, false, now);
        assert_eq!(agenda.next(), Some(now + SOON), "it was well in between");
    }

    #[test]
    fn who_is_hurried_during_its_turn_has_another_right_after() {
        let now = Instant::now();
        let mut agenda = agenda(now, vec![kept(1)]);
        let taken = agenda.take(now).unwrap();
        agenda.done(&taken.item.content, true, true, now);
        assert_eq!(agenda.take(now), Some(taken));
    }

    #[test]
    fn what_is_kept_no_longer_leaves_when_its_turn_is_over() {
        let now = Instant::now();
        let mut agenda = agenda(now, vec![kept(1), kept(2)]);
        let taken = agenda.take(now).unwrap();
        agenda.set(Vec::new(), now);
        assert_eq!(agenda.take(now), None);
        agenda.done(&taken.item.content, true, true, now);
        agenda.set(Vec::new(), now);
        assert_eq!(agenda.take(now), None);
    }
}
