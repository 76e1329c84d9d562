//! Evidence of an anomaly, and the one rule by which it is found in signed acts.
//!
//! [`recheck`] is what the detector itself makes its findings with, so a finding that is told can be recomputed by
//! whoever holds the same records. It looks at the acts the evidence names and at nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{
    cover::Cover,
    finding::{
        BURST_ACTS, Finding, IDENTICAL_ACTS, IDENTICAL_NODES_MIN, IDENTICAL_SHARE, Pattern,
        Severity,
    },
    observed::{Observed, Standing},
    rate::{ALARM_FLOOR, Usual, bucket_of},
};
use crate::core::{
    limits::EVIDENCE_ACTS_MAX,
    time::{Millis, Wall},
};

/// The signed acts that show an anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What they show.
    pub pattern: Pattern,
    /// The acts' records, in order: as few as suffice, none of which can be left out.
    pub acts: Vec<ContentId>,
    /// For an unusual rate, what the teller has learned as usual: its own word, which no signed act proves. That is
    /// why such a finding freezes and halts nothing.
    pub usual: Option<Usual>,
}

/// Why acts do not show what evidence claims, and what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAFinding {
    /// It names too many acts or none.
    #[error("the evidence names {acts} acts, 1 to {EVIDENCE_ACTS_MAX} are allowed")]
    OutOfBounds {
        /// Acts named.
        acts: usize,
    },
    /// It names its acts out of order or twice.
    #[error("the evidence does not name its acts in rising order, each once")]
    NotInOrder,
    /// A record it names was not shown.
    #[error("the record of act {0} is missing: fetch it and check again")]
    Missing(ContentId),
    /// An act rests on something that rules this pattern out.
    #[error("act {act} does not count to this pattern: it is {why}")]
    DoesNotCount {
        /// Which act.
        act: ContentId,
        /// What it is.
        why: &'static str,
    },
    /// The acts have not in common what they should.
    #[error("the acts are not all {0}")]
    Mixed(&'static str),
    /// The acts are too few.
    #[error("the evidence holds {have} acts, {need} are needed")]
    TooFewActs {
        /// Acts shown.
        have: u32,
        /// Acts needed.
        need: u32,
    },
    /// The acts lie too far apart.
    #[error("the acts lie {apart_ms} ms apart, less than {window_ms} ms is needed")]
    TooFarApart {
        /// Between the first date and the last, milliseconds.
        apart_ms: u64,
        /// The pattern's window, milliseconds.
        window_ms: u64,
    },
    /// The acts touch too few nodes.
    #[error("the acts touch {have} nodes of {members}, {need} are needed")]
    TooFewNodes {
        /// Distinct nodes touched.
        have: u32,
        /// Nodes needed.
        need: u32,
        /// Active members.
        members: u32,
    },
    /// An unusual rate is claimed without what is usual, or with an alarm its own figures do not give.
    #[error(
        "the evidence does not say what is usual, or sets the alarm where its own figures do not"
    )]
    NoUsual,
}

/// Recomputes the finding that evidence claims, from the acts it names.
///
/// The order of `acts` says nothing, and what the evidence does not name is passed over. `members_total` is the
/// number of active members as the checking node knows it.
///
/// # Errors
///
/// Returns what is missing or does not fit.
pub fn recheck(
    evidence: &Evidence,
    acts: &[Observed],
    members_total: u32,
) -> Result<Finding, NotAFinding> {
    let shown: BTreeMap<_, _> = acts.iter().map(|act| (act.act, act)).collect();
    recheck_shown(evidence, &shown, members_total)
}

/// Makes the finding and its evidence from acts chosen to show it; `None` if they do not.
pub(super) fn found(
    pattern: Pattern,
    chosen: &[&Observed],
    usual: Option<Usual>,
    members_total: u32,
) -> Option<(Finding, Evidence)> {
    let shown: BTreeMap<_, _> = chosen.iter().map(|act| (act.act, *act)).collect();
    let evidence = Evidence {
        pattern,
        acts: shown.keys().copied().collect(),
        usual,
    };
    let finding = recheck_shown(&evidence, &shown, members_total).ok()?;
    Some((finding, evidence))
}

fn recheck_shown(
    evidence: &Evidence,
    shown: &BTreeMap<ContentId, &Observed>,
    members_total: u32,
) -> Result<Finding, NotAFinding> {
    let case = Case::open(evidence, shown, members_total)?;
    match evidence.pattern {
        Pattern::Burst => case.burst(),
        Pattern::MassChange => case.mass_change(),
        Pattern::SilentIdentical => case.silent_identical(),
        Pattern::RateJump => case.rate_jump(evidence.usual),
    }
}

/// Returns the nodes that changes of one agent or root must reach to be a mass change: more than half.
pub(super) const fn mass_nodes(members_total: u32) -> u32 {
    (members_total / 2).saturating_add(1)
}

/// Returns the nodes that one identical change must reach to be an anomaly even in a single act.
pub(super) const fn identical_nodes(members_total: u32) -> u32 {
    let above_share = (members_total / IDENTICAL_SHARE).saturating_add(1);
    if above_share > IDENTICAL_NODES_MIN {
        above_share
    } else {
        IDENTICAL_NODES_MIN
    }
}

/// Tells whether identical changes on so many nodes by so many acts are an anomaly.
pub(super) fn is_identical_stroke(cover: &Cover, acts: u32, members_total: u32) -> bool {
    let nodes = cover.nodes(members_total);
    nodes >= identical_nodes(members_total) || (acts >= IDENTICAL_ACTS && nodes >= IDENTICAL_ACTS)
}

/// The acts of one piece of evidence, in order of date.
struct Case<'a> {
    pattern: Pattern,
    acts: Vec<&'a Observed>,
    count: u32,
    members_total: u32,
}

impl<'a> Case<'a> {
    fn open(
        evidence: &Evidence,
        shown: &BTreeMap<ContentId, &'a Observed>,
        members_total: u32,
    ) -> Result<Self, NotAFinding> {
        let ids = &evidence.acts;
        if !(1..=EVIDENCE_ACTS_MAX).contains(&ids.len()) {
            return Err(NotAFinding::OutOfBounds { acts: ids.len() });
        }
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(NotAFinding::NotInOrder);
        }
        let mut acts = Vec::with_capacity(ids.len());
        for id in ids {
            acts.push(*shown.get(id).ok_or(NotAFinding::Missing(*id))?);
        }
        acts.sort_by_key(|act| act.place());
        Ok(Self {
            pattern: evidence.pattern,
            count: u32::try_from(acts.len()).unwrap_or(u32::MAX),
            acts,
            members_total,
        })
    }

    fn burst(self) -> Result<Finding, NotAFinding> {
        self.refuse_certified()?;
        if !self.is_of_one_agent() {
            return Err(NotAFinding::Mixed("by one agent"));
        }
        self.need_acts(BURST_ACTS)?;
        let apart = self.within_window()?;
        let words = format!(
            "{} acts by one agent in {}; alarm from {BURST_ACTS} within a minute",
            self.count,
            Spoken(apart)
        );
        Ok(self.finding(Severity::High, words))
    }

    fn mass_change(self) -> Result<Finding, NotAFinding> {
        self.only_plain()?;
        let by = match (self.is_of_one_agent(), self.is_of_one_root()) {
            (true, _) => "one agent",
            (false, true) => "one delegation root",
            (false, false) => return Err(NotAFinding::Mixed("by one agent or under one root")),
        };
        let apart = self.within_window()?;
        let nodes = self.cover().nodes(self.members_total);
        self.need_nodes(nodes, mass_nodes(self.members_total))?;
        let words = format!(
            "{} acts of {by} reach {nodes} of {} members within {}; alarm above half of the mesh within an hour",
            self.count,
            self.members_total,
            Spoken(apart)
        );
        Ok(self.finding(Severity::Critical, words))
    }

    /// Identical changes under several roots by several agents are told but not critical: whoever adds acts of their
    /// own beside those of an honest agent must not have its root frozen.
    fn silent_identical(self) -> Result<Finding, NotAFinding> {
        self.only_plain()?;
        if !self.all_share(|act| act.change) {
            return Err(NotAFinding::Mixed("the same change"));
        }
        let apart = self.within_window()?;
        let cover = self.cover();
        let nodes = cover.nodes(self.members_total);
        if !is_identical_stroke(&cover, self.count, self.members_total) {
            self.need_nodes(nodes, IDENTICAL_ACTS)?;
            self.need_nodes(nodes, identical_nodes(self.members_total))?;
        }
        let is_of_one = self.is_of_one_agent() || self.is_of_one_root();
        let (severity, by) = if is_of_one {
            (Severity::Critical, "")
        } else {
            (Severity::High, ", by several agents under several roots")
        };
        let words = format!(
            "the same change on {nodes} nodes by {} acts within {}, without a certificate{by}; alarm from {} nodes, \
             or from {IDENTICAL_ACTS} acts on as many nodes, within a second",
            self.count,
            Spoken(apart),
            identical_nodes(self.members_total)
        );
        Ok(self.finding(severity, words))
    }

    fn rate_jump(self, usual: Option<Usual>) -> Result<Finding, NotAFinding> {
        let usual = usual.ok_or(NotAFinding::NoUsual)?;
        let called_for = Usual::called_for(usual.median, usual.spread);
        if !(ALARM_FLOOR..=called_for).contains(&usual.alarm_from) {
            return Err(NotAFinding::NoUsual);
        }
        if !self.is_of_one_agent() {
            return Err(NotAFinding::Mixed("by one agent"));
        }
        if !self.all_share(|act| bucket_of(act.time)) {
            return Err(NotAFinding::Mixed("dated in the same ten minutes"));
        }
        self.need_acts(usual.alarm_from)?;
        let words = format!(
            "{} acts in 10 minutes; this agent's usual is {}, spread {}; alarm from {}",
            self.count, usual.median, usual.spread, usual.alarm_from
        );
        Ok(self.finding(Severity::High, words))
    }

    fn finding(&self, severity: Severity, words: String) -> Finding {
        let (agent, root) = self.laid_to();
        Finding {
            pattern: self.pattern,
            severity,
            agent,
            root,
            last: self.ends().1,
            words,
        }
    }

    /// Returns the agent and the root with the most acts, of several the lowest.
    fn laid_to(&self) -> (PublicKey, RootKey) {
        let first = self.acts[0];
        let (mut agents, mut roots) = (BTreeMap::new(), BTreeMap::new());
        for act in &self.acts {
            *agents.entry(act.agent).or_insert(0_u32) += 1;
            *roots.entry(act.root).or_insert(0_u32) += 1;
        }
        (
            most_frequent(&agents).unwrap_or(first.agent),
            most_frequent(&roots).unwrap_or(first.root),
        )
    }

    fn cover(&self) -> Cover {
        let mut cover = Cover::default();
        for act in &self.acts {
            cover.add(&act.targets);
        }
        cover
    }

    fn ends(&self) -> (Wall, Wall) {
        let date = |act: Option<&&Observed>| act.map_or(Wall::default(), |act| act.time);
        (date(self.acts.first()), date(self.acts.last()))
    }

    /// Checks that the acts lie within the pattern's window; the second of identical changes may be a full one.
    fn within_window(&self) -> Result<Millis, NotAFinding> {
        let (first, last) = self.ends();
        let (apart, window) = (last.0.saturating_sub(first.0), self.pattern.window().0);
        let fits = match self.pattern {
            Pattern::Burst | Pattern::RateJump => apart < window,
            Pattern::MassChange | Pattern::SilentIdentical => apart <= window,
        };
        if fits {
            return Ok(Millis(apart));
        }
        Err(NotAFinding::TooFarApart {
            apart_ms: apart,
            window_ms: window,
        })
    }

    fn need_acts(&self, need: u32) -> Result<(), NotAFinding> {
        if self.count >= need {
            return Ok(());
        }
        Err(NotAFinding::TooFewActs {
            have: self.count,
            need,
        })
    }

    fn need_nodes(&self, have: u32, need: u32) -> Result<(), NotAFinding> {
        if have >= need {
            return Ok(());
        }
        Err(NotAFinding::TooFewNodes {
            have,
            need,
            members: self.members_total,
        })
    }

    fn refuse_certified(&self) -> Result<(), NotAFinding> {
        self.refuse(|standing| match standing {
            Standing::Certified => Some("openly decided"),
            Standing::Plain | Standing::Barred => None,
        })
    }

    fn only_plain(&self) -> Result<(), NotAFinding> {
        self.refuse(|standing| match standing {
            Standing::Certified => Some("openly decided"),
            Standing::Barred => Some("one that no target follows"),
            Standing::Plain => None,
        })
    }

    fn refuse(&self, why: impl Fn(Standing) -> Option<&'static str>) -> Result<(), NotAFinding> {
        let refused = self
            .acts
            .iter()
            .find_map(|act| Some((act.act, why(act.standing)?)));
        refused.map_or(Ok(()), |(act, why)| {
            Err(NotAFinding::DoesNotCount { act, why })
        })
    }

    fn is_of_one_agent(&self) -> bool {
        self.all_share(|act| act.agent)
    }

    fn is_of_one_root(&self) -> bool {
        self.all_share(|act| act.root)
    }

    fn all_share<T: Ord>(&self, of: impl Fn(&Observed) -> T) -> bool {
        let different: BTreeSet<_> = self.acts.iter().map(|act| of(act)).collect();
        different.len() <= 1
    }
}

fn most_frequent<T: Copy + Ord>(counts: &BTreeMap<T, u32>) -> Option<T> {
    let most = counts.values().max()?;
    counts
        .iter()
        .find(|(_, count)| *count == most)
        .map(|(item, _)| *item)
}

/// A span as a person says it.
struct Spoken(Millis);

impl core::fmt::Display for Spoken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.0 {
            ms @ 0..1_000 => write!(f, "{ms} ms"),
            ms @ 1_000..120_000 => write!(f, "{} s", ms / 1_000),
            ms => write!(f, "{} minutes", ms / 60_000),
        }
    }
}
