//! Identical changes in one stroke: acts that change the same thing within a second of each other.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use x0_crypto::{ContentId, PublicKey};

use super::{
    cover::{Cover, smallest},
    evidence::{Evidence, found, is_identical_stroke},
    finding::{Finding, IDENTICAL_WINDOW, Pattern},
    observed::{ChangeDigest, Observed},
};
use crate::core::{
    limits::{CHANGE_ACTS_MAX, CHANGE_ACTS_PER_AGENT_MAX},
    time::Wall,
};

/// The id that stands before all others.
const LOWEST: ContentId = ContentId::from_digest([0; 32]);

/// The acts kept, by what they change.
///
/// When they are too many the first come goes, so that dates set ahead win nothing; an agent with too many loses its
/// own first.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    acts: BTreeMap<ChangeDigest, BTreeMap<(Wall, ContentId), Kept>>,
    arrivals: BTreeMap<u64, Arc<Observed>>,
    by_agent: BTreeMap<PublicKey, VecDeque<u64>>,
    arrived: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    act: Arc<Observed>,
    arrival: u64,
}

impl Changes {
    /// Takes in an act and returns the stroke it completes, if any: of one root, else of one agent, else of several.
    ///
    /// The acts of a critical stroke are used up. Those of a stroke by several stay, so that nobody can spend the
    /// acts of a root by adding their own.
    pub(super) fn observe(
        &mut self,
        act: &Arc<Observed>,
        members_total: u32,
    ) -> Option<(Finding, Evidence)> {
        if !self.add(act) {
            return None;
        }
        let near = self.near(act);
        let of_one = stroke(&near, members_total, |other| other.root == act.root)
            .or_else(|| stroke(&near, members_total, |other| other.agent == act.agent));
        let Some((told, arrivals)) = of_one else {
            let of_several = stroke(&near, members_total, |_| true);
            return of_several.map(|(told, _)| told);
        };
        for arrival in arrivals {
            self.remove(arrival);
        }
        Some(told)
    }

    fn add(&mut self, act: &Arc<Observed>) -> bool {
        let alike = self.acts.entry(act.change).or_default();
        if alike.contains_key(&act.place()) {
            return false;
        }
        self.arrived += 1;
        let arrival = self.arrived;
        let kept = Kept {
            act: Arc::clone(act),
            arrival,
        };
        alike.insert(act.place(), kept);
        self.arrivals.insert(arrival, Arc::clone(act));
        let own = self.by_agent.entry(act.agent).or_default();
        own.push_back(arrival);
        let own_first = own.front().copied();
        if own.len() > CHANGE_ACTS_PER_AGENT_MAX
            && let Some(first) = own_first
        {
            self.remove(first);
        }
        if self.arrivals.len() > CHANGE_ACTS_MAX
            && let Some(first) = self.arrivals.first_key_value().map(|(first, _)| *first)
        {
            self.remove(first);
        }
        true
    }

    fn remove(&mut self, arrival: u64) {
        let Some(act) = self.arrivals.remove(&arrival) else {
            return;
        };
        if let Some(alike) = self.acts.get_mut(&act.change) {
            alike.remove(&act.place());
            if alike.is_empty() {
                self.acts.remove(&act.change);
            }
        }
        if let Some(own) = self.by_agent.get_mut(&act.agent) {
            own.retain(|other| *other != arrival);
            if own.is_empty() {
                self.by_agent.remove(&act.agent);
            }
        }
    }

    /// Returns the acts of the same change that may lie in one window with `act`, by date.
    fn near(&self, act: &Observed) -> Vec<Kept> {
        let from = Wall(act.time.0.saturating_sub(IDENTICAL_WINDOW.0));
        let to = act.time + IDENTICAL_WINDOW;
        let Some(alike) = self.acts.get(&act.change) else {
            return Vec::new();
        };
        alike
            .range((from, LOWEST)..)
            .take_while(|((time, _), _)| *time <= to)
            .map(|(_, kept)| kept.clone())
            .collect()
    }
}

/// Returns the first stroke among the acts that belong, and the arrivals it is made of.
fn stroke(
    near: &[Kept],
    members_total: u32,
    belongs: impl Fn(&Observed) -> bool,
) -> Option<((Finding, Evidence), Vec<u64>)> {
    let passes = |cover: &Cover, acts: u32| is_identical_stroke(cover, acts, members_total);
    let (mut cover, mut window) = (Cover::default(), VecDeque::<&Observed>::new());
    for act in near.iter().map(|kept| kept.act.as_ref()) {
        if !belongs(act) {
            continue;
        }
        while let Some(first) = window.front()
            && first.time + IDENTICAL_WINDOW < act.time
        {
            cover.remove(&first.targets);
            window.pop_front();
        }
        cover.add(&act.targets);
        window.push_back(act);
        if passes(&cover, u32::try_from(window.len()).unwrap_or(u32::MAX)) {
            let acts: Vec<_> = window.into_iter().collect();
            let told = found(
                Pattern::SilentIdentical,
                &smallest(&acts, passes),
                None,
                members_total,
            )?;
            let used = near
                .iter()
                .filter(|kept| told.1.acts.binary_search(&kept.act.act).is_ok())
                .map(|kept| kept.arrival)
                .collect();
            return Some((told, used));
        }
    }
    None
}
