//! Frozen roots: what one node does at once on critical evidence it has checked itself.
//!
//! A freeze binds this node only and ends by itself. The same evidence never freezes a root twice: a further freeze
//! needs an act dated after the last one began, and after the acts that caused it.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
};

use super::{ALERT_LIFE, FREEZE, Heard};
use crate::core::{
    limits::{CLOCK_SKEW_MAX, ROOTS_FROZEN_MAX},
    time::Wall,
};

/// A frozen root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// The alert that froze it.
    pub alert: ContentId,
    /// The agent the finding was laid to.
    pub agent: PublicKey,
    /// The tokens frozen with it, whatever their root.
    pub tokens: BTreeSet<RevocationId>,
    /// When it began.
    pub began: Wall,
    /// When it ends.
    pub until: Wall,
    /// Evidence whose last act is dated no later than this does not freeze the root again.
    pub settled: Wall,
}

/// The freezes of one node, and those past whose evidence could still come again.
#[derive(Clone, Debug, Default)]
pub struct Freezes(BTreeMap<RootKey, Freeze>);

impl Freezes {
    /// Starts with nothing frozen.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Freezes the root and tokens of an alert; `None` if its evidence is stale or froze the root before.
    pub fn freeze(&mut self, heard: &Heard, now: Wall) -> Option<Freeze> {
        if !heard.is_fresh(now) {
            return None;
        }
        let root = heard.root();
        if let Some(known) = self.0.get(&root)
            && heard.last_act() <= known.settled
        {
            return None;
        }
        if self.0.len() >= ROOTS_FROZEN_MAX && !self.0.contains_key(&root) {
            let thaws_first = self.0.iter().min_by_key(|(root, it)| (it.until, **root));
            if let Some(thaws_first) = thaws_first.map(|(root, _)| *root) {
                self.0.remove(&thaws_first);
            }
        }
        let freeze = Freeze {
            alert: heard.alert(),
            agent: heard.agent(),
            tokens: heard.tokens().clone(),
            began: now,
            until: now + FREEZE,
            settled: heard.last_act().max(now),
        };
        self.0.insert(root, freeze.clone());
        Some(freeze)
    }

    /// Returns the freeze that binds an act under a root, by a token of these blocks; of several the last to end.
    pub fn on(
        &self,
        root: &RootKey,
        blocks: &[RevocationId],
        now: Wall,
    ) -> Option<(RootKey, &Freeze)> {
        self.0
            .iter()
            .filter(|(_, freeze)| freeze.until > now)
            .filter(|(frozen, freeze)| {
                *frozen == root || blocks.iter().any(|id| freeze.tokens.contains(id))
            })
            .max_by_key(|(root, freeze)| (freeze.until, **root))
            .map(|(root, freeze)| (*root, freeze))
    }

    /// Forgets what has ended and whose evidence is too old to come again.
    pub fn tick(&mut self, now: Wall) {
        self.0
            .retain(|_, freeze| freeze.settled + ALERT_LIFE + CLOCK_SKEW_MAX > now);
    }

    /// Returns when the next freeze ends.
    pub fn next_end(&self, now: Wall) -> Option<Wall> {
        let ends = self.0.values().map(|freeze| freeze.until);
        ends.filter(|until| *until > now).min()
    }

    /// Iterates over the roots frozen now, in order.
    pub fn active(&self, now: Wall) -> impl Iterator<Item = (&RootKey, &Freeze)> {
        self.0.iter().filter(move |(_, freeze)| freeze.until > now)
    }
}
