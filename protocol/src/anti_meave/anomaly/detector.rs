//! The detector: takes in acts as they come and tells every anomaly once.

use std::{collections::BTreeMap, sync::Arc};

use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    evidence::{Evidence, found},
    finding::{BURST_ACTS, BURST_WINDOW, Finding, MASS_WINDOW, Pattern, Severity},
    identical::Changes,
    observed::{Observed, Standing},
    rate::{ALARM_FLOOR, BUCKET, Rate, Usual, bucket_of},
    reach::{Reaches, Subject},
};
use crate::core::{
    limits::{
        AGENTS_TRACKED_MAX, CLOCK_SKEW_MAX, FINDINGS_TOLD_MAX, RECENT_ACTS_MAX,
        RECENT_PER_AGENT_MAX,
    },
    time::{Millis, Wall},
};

/// Span before an agent's newest date over which its acts are kept: a bucket, even if the newest is dated ahead.
const RECENT_SPAN: Millis = Millis(BUCKET.0 + CLOCK_SKEW_MAX.0);

/// Span before the present in which an act may be dated to be looked at: older ones are history, which no target
/// executes any more.
const AGE_MAX: Millis = Millis(MASS_WINDOW.0 + CLOCK_SKEW_MAX.0);

/// Watches the acts a node sees; each should come in once.
///
/// Memory is bounded by the limits of [`core::limits`](crate::core::limits). Too many agents, or too many of their
/// acts: the agent silent for longest is forgotten whole, its usual rate included. What gives way elsewhere is said
/// at the limits; nothing that gives way can make a finding wrong, it can only be missed here.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    agents: Agents,
    reaches: Reaches,
    changes: Changes,
    told: Told,
}

impl Detector {
    /// Takes in an act and returns what it completes: findings with their evidence, each told once per window for its
    /// agent, root and pattern.
    ///
    /// `members_total` is the number of active members.
    pub fn observe(&mut self, act: Observed, members_total: u32) -> Vec<(Finding, Evidence)> {
        if act.time > act.seen + CLOCK_SKEW_MAX || act.time + AGE_MAX < act.seen {
            return Vec::new();
        }
        let act = Arc::new(act);
        let mut completed = self.agents.observe(&act, members_total);
        match act.standing {
            Standing::Certified | Standing::Barred => {}
            Standing::Plain => {
                for subject in [Subject::Agent(act.agent), Subject::Root(act.root)] {
                    completed.extend(self.reaches.observe(subject, &act, members_total));
                }
                completed.extend(self.changes.observe(&act, members_total));
            }
        }
        completed.retain(|(finding, _)| self.told.is_news(finding));
        completed
    }

    /// Returns what an agent usually does; `None` while too little of it is known.
    pub fn usual(&self, agent: &PublicKey) -> Option<Usual> {
        self.agents.tracked.get(agent)?.rate.usual()
    }

    /// Returns how many agents are tracked.
    pub fn agents_tracked(&self) -> usize {
        self.agents.tracked.len()
    }
}

/// The recent acts of each agent and its usual rate.
#[derive(Clone, Debug, Default)]
struct Agents {
    tracked: BTreeMap<PublicKey, Agent>,
    by_turn: BTreeMap<u64, PublicKey>,
    turn: u64,
    recent_acts: usize,
}

#[derive(Clone, Debug)]
struct Agent {
    recent: BTreeMap<(Wall, ContentId), Arc<Observed>>,
    rate: Rate,
    turn: u64,
}

impl Agents {
    fn observe(&mut self, act: &Arc<Observed>, members_total: u32) -> Vec<(Finding, Evidence)> {
        self.turn += 1;
        let agent = self.tracked.entry(act.agent).or_insert_with(|| Agent {
            recent: BTreeMap::new(),
            rate: Rate::starting(bucket_of(act.time)),
            turn: self.turn,
        });
        self.by_turn.remove(&agent.turn);
        agent.turn = self.turn;
        self.by_turn.insert(self.turn, act.agent);
        let before = agent.recent.len();
        let completed = agent.observe(act, members_total);
        self.recent_acts = self.recent_acts + agent.recent.len() - before;
        self.make_room();
        completed
    }

    fn make_room(&mut self) {
        while self.tracked.len() > AGENTS_TRACKED_MAX || self.recent_acts > RECENT_ACTS_MAX {
            let Some((_, silent_longest)) = self.by_turn.pop_first() else {
                return;
            };
            if let Some(gone) = self.tracked.remove(&silent_longest) {
                self.recent_acts -= gone.recent.len();
            }
        }
    }
}

impl Agent {
    fn observe(&mut self, act: &Arc<Observed>, members_total: u32) -> Vec<(Finding, Evidence)> {
        if self.recent.contains_key(&act.place()) {
            return Vec::new();
        }
        let in_bucket = self.rate.count(bucket_of(act.time));
        self.recent.insert(act.place(), Arc::clone(act));
        self.drop_old();
        let burst = self.burst(act, members_total);
        let jump = in_bucket.and_then(|acts| self.rate_jump(act, acts, members_total));
        burst.into_iter().chain(jump).collect()
    }

    fn drop_old(&mut self) {
        let newest = self
            .recent
            .last_key_value()
            .map_or(Wall::default(), |((time, _), _)| *time);
        while let Some(((time, _), _)) = self.recent.first_key_value() {
            if *time + RECENT_SPAN >= newest && self.recent.len() <= RECENT_PER_AGENT_MAX {
                return;
            }
            self.recent.pop_first();
        }
    }

    /// Returns the first burst that the act belongs to.
    fn burst(&self, act: &Observed, members_total: u32) -> Option<(Finding, Evidence)> {
        let need = usize::try_from(BURST_ACTS).ok()?;
        let from = Wall(act.time.0.saturating_sub(BURST_WINDOW.0));
        let near: Vec<&Observed> = self
            .recent
            .range((from, ContentId::from_digest([0; 32]))..)
            .map(|(_, other)| other.as_ref())
            .take_while(|other| other.time < act.time + BURST_WINDOW)
            .filter(|other| other.standing != Standing::Certified)
            .collect();
        let burst = near.windows(need).find(|acts| {
            let (first, last) = (acts[0], acts[need - 1]);
            last.time < first.time + BURST_WINDOW
                && (first.place()..=last.place()).contains(&act.place())
        })?;
        found(Pattern::Burst, burst, None, members_total)
    }

    /// Returns the jump that the act completes as the last of so many in its bucket.
    fn rate_jump(
        &self,
        act: &Observed,
        in_bucket: u32,
        members_total: u32,
    ) -> Option<(Finding, Evidence)> {
        if in_bucket < ALARM_FLOOR {
            return None;
        }
        let usual = self.rate.usual()?;
        if in_bucket < usual.alarm_from {
            return None;
        }
        let bucket = bucket_of(act.time);
        let acts: Vec<_> = self
            .recent
            .values()
            .map(Arc::as_ref)
            .filter(|other| bucket_of(other.time) == bucket)
            .take(usize::try_from(usual.alarm_from).ok()?)
            .collect();
        found(Pattern::RateJump, &acts, Some(usual), members_total)
    }
}

type ToldKey = (Pattern, Severity, PublicKey, RootKey);

/// What was told, and the last date of its acts.
#[derive(Clone, Debug, Default)]
struct Told(BTreeMap<ToldKey, Wall>);

impl Told {
    /// Tells whether a finding was not told within its window, and takes note of it.
    fn is_news(&mut self, finding: &Finding) -> bool {
        let key = (
            finding.pattern,
            finding.severity,
            finding.agent,
            finding.root,
        );
        let window = finding.pattern.window().0;
        if let Some(told) = self.0.get(&key)
            && told.0.abs_diff(finding.last.0) < window
        {
            return false;
        }
        if self.0.len() >= FINDINGS_TOLD_MAX && !self.0.contains_key(&key) {
            let oldest = self.0.iter().min_by_key(|(key, told)| (**told, **key));
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, finding.last);
        true
    }
}
