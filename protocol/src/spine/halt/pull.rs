//! Pulling what audit logs say of the acts of a halted root, node by node, page by page.
//!
//! Whose logs: the authors of the acts, then the nodes the acts name, then members whom they touch by region or all at
//! once, of too many those drawn by a hash over halt and key. Each log is *waited* for until it has shown all it has
//! (*whole*), stayed silent three times, or shown what does not hold (*faulty*). Nothing is ever taken on a node's word:
//! every page is checked against its signed head before it comes here, and that head against one held before.
//!
//! An owner can still leave an entry out. So of every act and every node it is told whether its log shows anything.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{HaltId, Part};
use crate::{
    anti_meave::anomaly::{Observed, Touched},
    core::{
        limits::{AUDIT_ACTS_MAX, PACK_LOGS_MAX, PULL_ACTS_MAX, PULL_ENTRIES_MAX},
        time::{Millis, Mono},
    },
    wire::{AuditAsk, AuditShown, LogHead, Region},
};

/// Logs that are asked at the same time.
const AT_ONCE_MAX: usize = 8;
/// Times that a log is asked for the same page.
const TRIES_MAX: u8 = 3;
/// Time before a silent node is asked again.
const AGAIN: Millis = Millis(2_000);

/// What was pulled for one halt.
#[derive(Clone, Debug)]
pub struct Pull {
    halt: HaltId,
    root: RootKey,
    logs: BTreeMap<PublicKey, PulledLog>,
    left_out: u32,
    entries: usize,
}

/// What one log was asked and has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledLog {
    /// What its owner had to do with the acts.
    pub part: Part,
    /// The acts asked about.
    pub acts: BTreeSet<ContentId>,
    /// The newest head that was held of the log before it was asked.
    pub held: Option<LogHead>,
    /// What it has shown, each page checked.
    pub pages: Vec<AuditShown>,
    /// How it came out.
    pub state: Pulled,
    /// Acts not yet asked about.
    to_ask: BTreeSet<ContentId>,
    /// Where to go on in the page of acts under way.
    from: u64,
    tries: u8,
    is_asked: bool,
    again_at: Mono,
}

/// How the asking of a log came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// It goes on.
    Waiting,
    /// The log has shown all it has.
    Whole,
    /// Its owner did not answer, or had no answer.
    Silent(String),
    /// What it showed does not hold.
    Faulty(String),
    /// There was no room for more.
    LeftOut,
}

/// The logs to ask because of one root's acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullPlan {
    logs: BTreeMap<PublicKey, (Part, BTreeSet<ContentId>)>,
    left_out: u32,
}

impl PullPlan {
    /// Lists whose logs to ask about which acts; `members` are the active ones, with their regions.
    pub fn of<'a>(
        halt: &HaltId,
        acts: &[&Observed],
        members: impl Iterator<Item = (PublicKey, Option<&'a Region>)>,
    ) -> Self {
        let authors: BTreeSet<_> = acts.iter().map(|act| act.agent).collect();
        let mut named = BTreeSet::new();
        let (mut regions, mut everyone) = (BTreeSet::new(), false);
        for act in acts {
            match &act.targets {
                Touched::Nodes(keys) => named.extend(keys.iter().copied()),
                Touched::Region { region, .. } => {
                    regions.insert(region);
                }
                Touched::All { .. } => everyone = true,
            }
        }
        let members: BTreeMap<_, _> = members.collect();
        let is_touched = |region: &Option<&Region>| {
            everyone || region.is_some_and(|region| regions.contains(region))
        };
        let touched = members.iter().filter(|(_, region)| is_touched(region));
        let touched: BTreeSet<_> = touched.map(|(key, _)| *key).collect();
        let drawn = |keys: BTreeSet<PublicKey>| {
            let mut keys: Vec<_> = keys.into_iter().collect();
            keys.sort_by_cached_key(|key| place(halt, key));
            keys
        };
        let others = drawn(touched.difference(&named).copied().collect());
        let named = drawn(named);
        let targets = named.into_iter().chain(others);
        let targets = targets.filter(|key| !authors.contains(key));
        let all: Vec<_> = authors
            .iter()
            .map(|key| (*key, Part::Author))
            .chain(targets.map(|key| (key, Part::Target)))
            .collect();
        let left_out = all.len().saturating_sub(PACK_LOGS_MAX);
        let kept = all.into_iter().take(PACK_LOGS_MAX);
        let concerns = |key: &PublicKey, act: &Observed| {
            let is_target = match &act.targets {
                Touched::Nodes(keys) => keys.contains(key),
                Touched::Region { region, .. } => members.get(key) == Some(&Some(region)),
                Touched::All { .. } => true,
            };
            is_target || act.agent == *key
        };
        let logs = kept.map(|(key, part)| {
            let of_key = acts.iter().filter(|act| concerns(&key, act));
            let of_key = of_key.take(PULL_ACTS_MAX).map(|act| act.act);
            (key, (part, of_key.collect()))
        });
        Self {
            logs: logs.collect(),
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        }
    }
}

impl Pull {
    /// Begins to pull for a halt.
    pub const fn new(halt: HaltId, root: RootKey) -> Self {
        Self {
            halt,
            root,
            logs: BTreeMap::new(),
            left_out: 0,
            entries: 0,
        }
    }

    /// Takes a plan in: new logs, and acts that became known since the last; `held` knows the newest heads of logs.
    pub fn plan<'a>(
        &mut self,
        plan: PullPlan,
        held: impl Fn(&PublicKey) -> Option<&'a LogHead>,
        now: Mono,
    ) {
        self.left_out = plan.left_out;
        for (node, (part, acts)) in plan.logs {
            let log = self.logs.entry(node).or_insert_with(|| PulledLog {
                part,
                acts: BTreeSet::new(),
                held: held(&node).cloned(),
                pages: Vec::new(),
                state: Pulled::Waiting,
                to_ask: BTreeSet::new(),
                from: 0,
                tries: 0,
                is_asked: false,
                again_at: now,
            });
            let news: Vec<_> = acts.difference(&log.acts).copied().collect();
            let room = PULL_ACTS_MAX.saturating_sub(log.acts.len());
            let news: Vec<_> = news.into_iter().take(room).collect();
            if news.is_empty() {
                continue;
            }
            log.acts.extend(news.iter().copied());
            log.to_ask.extend(news);
            if log.state == Pulled::Whole {
                log.state = Pulled::Waiting;
            }
        }
    }

    /// Asks the silent once more.
    pub fn try_again(&mut self, now: Mono) {
        for log in self.logs.values_mut() {
            if matches!(log.state, Pulled::Silent(_)) {
                log.state = Pulled::Waiting;
                (log.tries, log.again_at) = (0, now);
            }
        }
    }

    /// Returns what is to be asked now.
    pub fn due(&mut self, now: Mono) -> Vec<(PublicKey, AuditAsk)> {
        let asked = self.logs.values().filter(|log| log.is_asked).count();
        let room = AT_ONCE_MAX.saturating_sub(asked);
        let is_full = self.entries >= PULL_ENTRIES_MAX;
        let waiting = self.logs.iter_mut();
        let waiting = waiting.filter(|(_, log)| log.state == Pulled::Waiting && !log.is_asked);
        let mut due = Vec::new();
        for (node, log) in waiting {
            if log.to_ask.is_empty() {
                log.state = Pulled::Whole;
            } else if is_full {
                log.state = Pulled::LeftOut;
            } else if due.len() < room && log.again_at <= now {
                log.is_asked = true;
                let acts = log.to_ask.iter().take(AUDIT_ACTS_MAX).copied();
                due.push((
                    *node,
                    AuditAsk {
                        halt: Some(self.halt),
                        acts: acts.collect(),
                        known: log.held.as_ref().map(|held| held.size),
                        from: log.from,
                    },
                ));
            }
        }
        due
    }

    /// Returns when something is to be asked next.
    pub fn next_at(&self) -> Option<Mono> {
        let asked = self.logs.values().filter(|log| log.is_asked).count();
        if asked >= AT_ONCE_MAX {
            // It goes on when one of them answers.
            return None;
        }
        let waiting = self.logs.values();
        let waiting = waiting.filter(|log| log.state == Pulled::Waiting && !log.is_asked);
        waiting.map(|log| log.again_at).min()
    }

    /// Returns the log of a node, if it was asked.
    pub fn log(&self, node: &PublicKey) -> Option<&PulledLog> {
        self.logs.get(node)
    }

    /// Takes a page that was checked, to what was asked.
    pub fn take(&mut self, node: &PublicKey, ask: &AuditAsk, page: AuditShown) {
        let Some(log) = self.logs.get_mut(node) else {
            return;
        };
        (log.is_asked, log.tries) = (false, 0);
        match page.more.filter(|more| *more > ask.from) {
            Some(more) => log.from = more,
            None => {
                log.from = 0;
                log.to_ask
                    .retain(|act| ask.acts.binary_search(act).is_err());
            }
        }
        self.entries += page.entries.len();
        log.pages.push(page);
    }

    /// Hears that a node did not answer, or cannot.
    pub fn refused(&mut self, node: &PublicKey, why: &str, now: Mono) {
        if let Some(log) = self.logs.get_mut(node) {
            (log.is_asked, log.again_at) = (false, now + AGAIN);
            log.tries += 1;
            if log.tries >= TRIES_MAX {
                log.state = Pulled::Silent(why.to_owned());
            }
        }
    }

    /// Hears that what a node showed does not hold.
    pub fn faulted(&mut self, node: &PublicKey, why: String) {
        if let Some(log) = self.logs.get_mut(node) {
            log.is_asked = false;
            log.state = Pulled::Faulty(why);
        }
    }

    /// Tells whether every log has come out in some way.
    pub fn is_done(&self) -> bool {
        self.logs.values().all(|log| log.state != Pulled::Waiting)
    }

    /// Returns the halt.
    pub const fn halt(&self) -> HaltId {
        self.halt
    }

    /// Returns the root whose acts are asked about.
    pub const fn root(&self) -> &RootKey {
        &self.root
    }

    /// Iterates over the logs, in order of key.
    pub fn logs(&self) -> impl Iterator<Item = (&PublicKey, &PulledLog)> {
        self.logs.iter()
    }

    /// Returns how many logs were not asked as there are too many.
    pub const fn left_out(&self) -> u32 {
        self.left_out
    }
}

fn place(halt: &HaltId, node: &PublicKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"x0/pull/1\0")
        .chain_update(halt.digest())
        .chain_update(node.bytes())
        .finalize()
        .into()
}
