//! How far the changes of each agent and each root reach within the mass-change window.
//!
//! For every subject the acts of the hour before its newest act are kept, with what they touch counted as they come
//! and go, so that an act costs what it names and not what was named before. A subject that was told starts over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    cover::{Cover, smallest},
    evidence::{Evidence, found, mass_nodes},
    finding::{Finding, MASS_WINDOW, Pattern},
    observed::{Observed, Touched},
};
use crate::core::{
    limits::{CLOCK_SKEW_MAX, EVIDENCE_ACTS_MAX, REACH_KEYS_MAX, SUBJECTS_TRACKED_MAX},
    time::Wall,
};

/// Whose changes are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Those of one agent, under whatever roots.
    Agent(PublicKey),
    /// Those under one root, by whatever agents.
    Root(RootKey),
}

#[derive(Clone, Debug, Default)]
struct Reach {
    acts: BTreeMap<(Wall, ContentId), Arc<Observed>>,
    cover: Cover,
    keys: usize,
}

/// The reach of every subject tracked.
///
/// When subjects or keys are too many, those whose hour is over go first, then those that reach the fewest nodes:
/// whoever floods with narrow acts cannot push out the one nearest to the alarm.
#[derive(Clone, Debug, Default)]
pub(super) struct Reaches {
    subjects: BTreeMap<Subject, Reach>,
    by_weight: BTreeSet<(u32, Subject)>,
    keys: usize,
    swept: Wall,
}

impl Reaches {
    /// Counts an act for a subject and returns the mass change it completes, if any.
    pub(super) fn observe(
        &mut self,
        subject: Subject,
        act: &Arc<Observed>,
        members_total: u32,
    ) -> Option<(Finding, Evidence)> {
        let mut reach = self.take(subject);
        reach.add(act);
        let need = mass_nodes(members_total);
        if reach.cover.nodes(members_total) < need {
            self.put(subject, reach);
            self.make_room(act.seen);
            return None;
        }
        let acts: Vec<_> = reach.acts.values().map(Arc::as_ref).collect();
        let chosen = smallest(&acts, |cover, _| cover.nodes(members_total) >= need);
        found(Pattern::MassChange, &chosen, None, members_total)
    }

    fn take(&mut self, subject: Subject) -> Reach {
        let Some(reach) = self.subjects.remove(&subject) else {
            return Reach::default();
        };
        self.by_weight.remove(&(reach.cover.weight(), subject));
        self.keys -= reach.keys;
        reach
    }

    fn put(&mut self, subject: Subject, reach: Reach) {
        self.by_weight.insert((reach.cover.weight(), subject));
        self.keys += reach.keys;
        self.subjects.insert(subject, reach);
    }

    fn is_full(&self) -> bool {
        self.subjects.len() > SUBJECTS_TRACKED_MAX || self.keys > REACH_KEYS_MAX
    }

    fn make_room(&mut self, seen: Wall) {
        if self.is_full() && self.swept + MASS_WINDOW <= seen {
            self.swept = seen;
            let over: Vec<_> = self
                .subjects
                .iter()
                .filter(|(_, reach)| reach.newest() + MASS_WINDOW + CLOCK_SKEW_MAX < seen)
                .map(|(subject, _)| *subject)
                .collect();
            for subject in over {
                self.take(subject);
            }
        }
        while self.is_full() {
            let Some((_, least)) = self.by_weight.first().copied() else {
                return;
            };
            self.take(least);
        }
    }
}

impl Reach {
    fn newest(&self) -> Wall {
        let newest = self.acts.last_key_value();
        newest.map_or(Wall::default(), |((time, _), _)| *time)
    }

    fn add(&mut self, act: &Arc<Observed>) {
        if act.time + MASS_WINDOW < self.newest() || self.acts.contains_key(&act.place()) {
            return;
        }
        self.cover.add(&act.targets);
        self.keys += keys_of(act);
        self.acts.insert(act.place(), Arc::clone(act));
        let (newest, mut held) = (self.newest(), self.acts.len());
        while let Some(oldest) = self.acts.first_entry() {
            let is_over = oldest.get().time + MASS_WINDOW < newest;
            if !is_over && held <= EVIDENCE_ACTS_MAX {
                return;
            }
            let gone = oldest.remove();
            held -= 1;
            self.cover.remove(&gone.targets);
            self.keys -= keys_of(&gone);
        }
    }
}

fn keys_of(act: &Observed) -> usize {
    match &act.targets {
        Touched::Nodes(keys) => keys.len(),
        Touched::Region { .. } | Touched::All { .. } => 1,
    }
}
