//! Which sharings are due to be dealt on, found without looking at those that are not.
//!
//! A sharing is due at its term; at once when a vote has said so, or when one of its guardians is a member no more. Each of the
//! three has an index, so that asking costs what is due and not what there is. The schedule follows from the sharings in force
//! and from who guards them, in whatever order they came: a seat that starts anew makes the same one.
//!
//! Terms of sharings that came to be together lie up to a day apart. Nothing here opens a rotation, and how many are open at a
//! time is for the log to bound.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use crate::core::{
    limits::{ROTATION_EVERY, ROTATION_SPREAD},
    time::{Millis, Wall},
};

/// Returns when a sharing is due: six months after it came to be, less what its name says, a day at most.
pub fn term(since: Wall, sharing: &ContentId) -> Wall {
    let [a, b, c, d, ..] = *sharing.digest();
    let part = u64::from(u32::from_be_bytes([a, b, c, d]));
    let early = Millis((ROTATION_SPREAD.0 * part) >> 32);
    since + Millis(ROTATION_EVERY.0 - early.0)
}

/// The sharings in force, by what makes them due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    items: BTreeMap<PublicKey, Planned>,
    terms: BTreeMap<Wall, BTreeSet<PublicKey>>,
    /// Items by what a vote about dealing them on is about.
    subjects: BTreeMap<ContentId, PublicKey>,
    /// Items by who guards them.
    guarded: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// Guardians who were seen to go.
    gone: BTreeSet<PublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Planned {
    sharing: ContentId,
    term: Wall,
    subject: ContentId,
    guardians: BTreeSet<PublicKey>,
}

impl Schedule {
    /// Puts an item in its place, as it is shared now: the name of the sharing, since when, and what a vote about it is about. Who
    /// guarded it before counts no more if it is another sharing.
    pub fn put(
        &mut self,
        item: PublicKey,
        (sharing, since): (ContentId, Wall),
        subject: ContentId,
    ) {
        let term = term(since, &sharing);
        let known = self.items.get(&item);
        if known.is_some_and(|known| known.sharing == sharing && known.term == term) {
            return;
        }
        self.remove(&item);
        self.terms.entry(term).or_default().insert(item);
        self.subjects.insert(subject, item);
        let planned = Planned {
            sharing,
            term,
            subject,
            guardians: BTreeSet::new(),
        };
        self.items.insert(item, planned);
    }

    /// Takes note of who guards an item as it is shared; of another sharing nothing is noted.
    pub fn guard(
        &mut self,
        item: &PublicKey,
        sharing: &ContentId,
        guardians: impl IntoIterator<Item = PublicKey>,
    ) {
        let planned = self.items.get_mut(item);
        let Some(planned) = planned.filter(|planned| planned.sharing == *sharing) else {
            return;
        };
        for guardian in guardians {
            if planned.guardians.insert(guardian) {
                self.guarded.entry(guardian).or_default().insert(*item);
            }
        }
    }

    /// Takes note that a member has gone, if it guards anything.
    pub fn see_gone(&mut self, member: PublicKey) {
        if self.guarded.contains_key(&member) {
            self.gone.insert(member);
        }
    }

    /// Takes an item out.
    pub fn remove(&mut self, item: &PublicKey) {
        let Some(planned) = self.items.remove(item) else {
            return;
        };
        self.subjects.remove(&planned.subject);
        if let Some(of_term) = self.terms.get_mut(&planned.term) {
            of_term.remove(item);
            if of_term.is_empty() {
                self.terms.remove(&planned.term);
            }
        }
        for guardian in &planned.guardians {
            let Some(of_guardian) = self.guarded.get_mut(guardian) else {
                continue;
            };
            of_guardian.remove(item);
            if of_guardian.is_empty() {
                self.guarded.remove(guardian);
                self.gone.remove(guardian);
            }
        }
    }

    /// Tells whether an item is shared like this.
    pub fn is_shared(&self, item: &PublicKey, sharing: &ContentId) -> bool {
        let planned = self.items.get(item);
        planned.is_some_and(|planned| planned.sharing == *sharing)
    }

    /// Returns the items that are due: by their term, by votes about these subjects, or as a guardian has gone who is out for good.
    pub fn due<'a>(
        &self,
        time: Wall,
        voted: impl IntoIterator<Item = &'a ContentId>,
        is_out: impl Fn(&PublicKey) -> bool,
    ) -> BTreeSet<PublicKey> {
        let by_term = self.terms.range(..=time).flat_map(|(_, items)| items);
        let voted = voted.into_iter();
        let by_vote = voted.filter_map(|subject| self.subjects.get(subject));
        let gone = self.gone.iter().filter(|member| is_out(member));
        let left = gone.filter_map(|member| self.guarded.get(member)).flatten();
        by_term.chain(by_vote).chain(left).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::{
        Identity,
        sublime::{AccessStructure, ItemParts, deal},
    };
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        core::limits::{ROTATION_LIFE, ROTATIONS_OPEN_MAX},
        spine::committee::Rotations,
        wire::{RotationOpening, Sharing},
    };

    const ITEMS: u32 = 10_000;
    const SINCE: Wall = Wall(1_700_000_000_000);

    fn key(number: u32) -> PublicKey {
        let mut seed = Zeroizing::new([7; 32]);
        seed[..4].copy_from_slice(&number.to_be_bytes());
        Identity::from_seed(seed).public()
    }

    fn keys(count: u32) -> Vec<PublicKey> {
        (0..count).map(key).collect()
    }

    fn sharing(item: &PublicKey, epoch: u32) -> ContentId {
        ContentId::of(&[&item.bytes()[..], &epoch.to_be_bytes()].concat())
    }

    fn subject(item: &PublicKey, epoch: u32) -> ContentId {
        ContentId::of(sharing(item, epoch).digest())
    }

    fn put(schedule: &mut Schedule, item: &PublicKey, epoch: u32, since: Wall) {
        schedule.put(*item, (sharing(item, epoch), since), subject(item, epoch));
    }

    fn scheduled<'a>(items: impl Iterator<Item = &'a PublicKey>) -> Schedule {
        let mut schedule = Schedule::default();
        for item in items {
            put(&mut schedule, item, 0, SINCE);
        }
        schedule
    }

    fn due(schedule: &Schedule, time: Wall) -> BTreeSet<PublicKey> {
        schedule.due(time, [], |_| true)
    }

    #[test]
    fn ten_thousand_items_put_together_come_due_over_a_day_and_the_same_after_a_restart() {
        let items = keys(ITEMS);
        let schedule = scheduled(items.iter());

        let again = scheduled(items.iter().rev());
        assert_eq!(schedule, again, "whatever order they came in");

        let last = SINCE + ROTATION_EVERY;
        let hour = |hour: u64| {
            let before = Millis::from_mins(60 * (24 - hour));
            due(&schedule, Wall(last.0 - before.0)).len()
        };
        assert_eq!((hour(0), hour(24)), (0, items.len()));
        for of_day in 0..24 {
            let came = hour(of_day + 1) - hour(of_day);
            assert!((300..550).contains(&came), "{came} in hour {of_day}");
        }
    }

    #[test]
    fn ten_thousand_items_that_are_due_are_opened_once_each_and_few_at_a_time() {
        let items = keys(ITEMS);
        let mut schedule = scheduled(items.iter());
        let mut log = Rotations::default();
        let secret = ItemParts::draw(&[1; 32], b"").secret;
        let access = AccessStructure::new(2, 3).unwrap();
        let from = Sharing {
            epoch: 0,
            commitments: deal(&secret, access, &[1; 32]).commitments,
        };
        let time = SINCE + ROTATION_EVERY;
        let mut opened = BTreeSet::new();
        for turn in 1.. {
            let now_due = due(&schedule, time);
            if now_due.is_empty() {
                break;
            }
            let mut of_turn = Vec::new();
            for item in now_due {
                let opening = RotationOpening {
                    item,
                    from: from.clone(),
                };
                if log.may_open(&opening) {
                    log.open(&opening, time, turn);
                    of_turn.push(item);
                }
            }
            assert!(of_turn.len() <= ROTATIONS_OPEN_MAX);
            // They are dealt on, and what is open no more makes room.
            log.lapse(time + ROTATION_LIFE, 0);
            for item in of_turn {
                assert!(opened.insert(item), "an item is due twice");
                put(&mut schedule, &item, 1, time);
            }
        }
        assert_eq!(opened.len(), items.len());
    }

    #[test]
    fn an_item_is_due_once_whatever_makes_it_due_and_no_more_when_it_is_dealt_on() {
        let items = keys(3);
        let mut schedule = scheduled(items.iter());
        let guardian = key(9);
        schedule.guard(&items[1], &sharing(&items[1], 0), [guardian]);
        schedule.see_gone(guardian);
        let voted = [subject(&items[1], 0), subject(&items[2], 0)];
        let late = SINCE + ROTATION_EVERY;

        let at_once = schedule.due(SINCE, &voted, |_| true);
        assert_eq!(at_once, [items[1], items[2]].into());
        assert_eq!(schedule.due(late, &voted, |_| true).len(), 3);
        assert_eq!(
            schedule.due(SINCE, [], |_| false),
            BTreeSet::new(),
            "who is a member again has not gone"
        );

        put(&mut schedule, &items[1], 1, late);
        assert_eq!(
            schedule.due(SINCE, &voted, |_| true),
            [items[2]].into(),
            "neither the vote nor who guarded it before is about the new sharing"
        );
    }

    #[test]
    fn what_is_said_of_another_sharing_counts_for_nothing_and_a_dropped_item_leaves_nothing() {
        let items = keys(2);
        let mut schedule = scheduled(items.iter());
        let guardian = key(9);
        schedule.guard(&items[0], &sharing(&items[0], 1), [guardian]);
        schedule.see_gone(guardian);
        assert_eq!(schedule.due(SINCE, [], |_| true), BTreeSet::new());

        schedule.guard(&items[0], &sharing(&items[0], 0), [guardian]);
        schedule.see_gone(guardian);
        for item in &items {
            schedule.remove(item);
        }
        assert_eq!(schedule, Schedule::default());
    }
}
