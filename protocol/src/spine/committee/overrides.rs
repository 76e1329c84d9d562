//! Overrides that wait to be told to all.
//!
//! An override stays only if a quorum of seats says within its notice that it has the act as a record, as it is told to
//! all; else it lapses on every node by itself. Which seats have said so counts as of the seats that sit when it is said.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::Seats;
use crate::core::{
    limits::{OVERRIDES_OF_AGENT_MAX, OVERRIDES_OF_SUBTREE_MAX, OVERRIDES_OPEN_MAX},
    time::Wall,
};

/// The overrides that are still to be told to all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OpenOverrides(
    #[serde(with = "crate::core::pairs")] BTreeMap<ContentId, OpenOverride>,
);

/// Who asks for an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asker {
    /// The agent.
    pub(super) agent: PublicKey,
    /// The head of the agent's first-level invite subtree.
    pub(super) subtree: PublicKey,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenOverride {
    by: Asker,
    until: Wall,
    heard: BTreeSet<PublicKey>,
}

impl OpenOverrides {
    /// Tells whether one more may be admitted. A root is no more than a key, which costs nothing; so the places are shared
    /// out among members and those who invited them.
    pub(super) fn has_room(&self, by: Asker) -> bool {
        let count = |is_alike: &dyn Fn(&Asker) -> bool| {
            let open = self.0.values();
            open.filter(|open| is_alike(&open.by)).count()
        };
        self.0.len() < OVERRIDES_OPEN_MAX
            && count(&|other| other.agent == by.agent) < OVERRIDES_OF_AGENT_MAX
            && count(&|other| other.subtree == by.subtree) < OVERRIDES_OF_SUBTREE_MAX
    }

    /// Takes in an override that was just admitted.
    pub(super) fn open(&mut self, act: ContentId, by: Asker, until: Wall) {
        let heard = BTreeSet::new();
        self.0.insert(act, OpenOverride { by, until, heard });
    }

    /// Tells whether a seat's word that it has heard of an override would be news, and in time.
    pub(super) fn lacks(&self, act: &ContentId, by: &PublicKey, time: Wall) -> bool {
        let open = self.0.get(act);
        open.is_some_and(|open| open.until > time && !open.heard.contains(by))
    }

    /// Takes note of a seat's word; `true` once a quorum has said so, with which the override is open no more.
    pub(super) fn hear(&mut self, act: ContentId, by: PublicKey, seats: &Seats) -> bool {
        let Some(open) = self.0.get_mut(&act) else {
            return false;
        };
        open.heard.insert(by);
        let is_told = seats.is_quorum(open.heard.iter().filter(|seat| seats.contains(seat)));
        if is_told {
            self.0.remove(&act);
        }
        is_told
    }

    /// Returns the overrides of which a seat has not said that it heard.
    pub(super) fn unheard(&self, by: PublicKey, time: Wall) -> impl Iterator<Item = &ContentId> {
        let open = self.0.iter();
        let open = open.filter(move |(_, open)| open.until > time && !open.heard.contains(&by));
        open.map(|(act, _)| act)
    }

    /// Forgets those whose time is over.
    pub(super) fn forget(&mut self, time: Wall) {
        self.0.retain(|_, open| open.until > time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spine::committee::members::tests::key;

    #[test]
    fn neither_one_agent_nor_one_subtree_fills_the_places_and_all_together_do() {
        let mut open = OpenOverrides::default();
        let mut admitted = 0_usize;
        let mut ask = |open: &mut OpenOverrides, agent: u16, subtree: u16| {
            let by = Asker {
                agent: key(agent),
                subtree: key(subtree),
            };
            let has_room = open.has_room(by);
            if has_room {
                admitted += 1;
                open.open(ContentId::of(&admitted.to_be_bytes()), by, Wall(60));
            }
            has_room
        };
        let alone = (0..10).filter(|_| ask(&mut open, 1, 900)).count();
        assert_eq!(alone, OVERRIDES_OF_AGENT_MAX);
        let of_subtree = (2..50).filter(|agent| ask(&mut open, *agent, 900)).count();
        assert_eq!(alone + of_subtree, OVERRIDES_OF_SUBTREE_MAX);
        let others = (50..200)
            .filter(|agent| ask(&mut open, *agent, *agent))
            .count();
        assert_eq!(OVERRIDES_OF_SUBTREE_MAX + others, OVERRIDES_OPEN_MAX);

        open.forget(Wall(60));
        assert!(ask(&mut open, 1, 900));
    }
}
