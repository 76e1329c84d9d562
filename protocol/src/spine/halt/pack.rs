//! What the committee pulls after a halt: the audit logs of whoever had a part in the evidence.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use x0_crypto::{ContentId, PublicKey};

use crate::{
    anti_meave::anomaly::{Alert, Observed, Touched},
    core::{
        limits::{ACT_LIFE_MAX, CLOCK_SKEW_MAX, PACK_LOGS_MAX},
        time::Wall,
    },
    wire::{LogHead, Region},
};

/// What a node whose log is pulled had to do with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It wrote acts of the evidence.
    Author,
    /// Acts of the evidence name it.
    Target,
}

/// A piece of one node's audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPull {
    /// Whose log.
    pub node: PublicKey,
    /// Why.
    pub part: Part,
    /// Date of the first entry wanted.
    pub from: Wall,
    /// Date of the last entry wanted.
    pub to: Wall,
    /// Entries in the newest head known of that log: what is pulled must extend it, so nothing can be rewritten now.
    pub head_size: Option<u64>,
}

/// The audit logs to pull for one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePack {
    /// The alert's record.
    pub alert: ContentId,
    /// The acts of the evidence.
    pub acts: Vec<ContentId>,
    /// Which logs, authors first.
    pub pulls: Vec<LogPull>,
    /// Regions that acts of the evidence name as a whole; whose logs of theirs are pulled is the committee's choice.
    pub regions: BTreeSet<Region>,
    /// Whether acts of the evidence name every member.
    pub everyone: bool,
    /// Logs left out because the pack is full.
    pub left_out: u32,
}

impl EvidencePack {
    /// Lists what to pull for an alert, from the acts it names and the log heads known.
    ///
    /// Authors come first, in order of key. Of too many targets the ones kept are drawn by a hash over alert and key,
    /// so that no author chooses who is left out.
    pub fn of(
        (id, alert): (ContentId, &Alert),
        acts: &[Observed],
        heads: &BTreeMap<PublicKey, LogHead>,
    ) -> Self {
        let named: Vec<_> = acts
            .iter()
            .filter(|act| alert.evidence.acts.binary_search(&act.act).is_ok())
            .collect();
        let authors: BTreeSet<_> = named.iter().map(|act| act.agent).collect();
        let mut targets = BTreeSet::new();
        let (mut regions, mut everyone) = (BTreeSet::new(), false);
        for act in &named {
            match &act.targets {
                Touched::Nodes(keys) => targets.extend(keys.iter().copied()),
                Touched::Region { region, .. } => {
                    regions.insert(region.clone());
                }
                Touched::All { .. } => everyone = true,
            }
        }
        let mut drawn: Vec<_> = targets.difference(&authors).copied().collect();
        drawn.sort_by_cached_key(|key| place(&id, key));
        let authors = authors.into_iter().map(|node| (node, Part::Author));
        let targets = drawn.into_iter().map(|node| (node, Part::Target));
        let (from, to) = dates(&named);
        let mut pulls: Vec<_> = authors
            .chain(targets)
            .map(|(node, part)| LogPull {
                node,
                part,
                from,
                to,
                head_size: heads.get(&node).map(|head| head.size),
            })
            .collect();
        let left_out = pulls.len().saturating_sub(PACK_LOGS_MAX);
        pulls.truncate(PACK_LOGS_MAX);
        Self {
            alert: id,
            acts: alert.evidence.acts.clone(),
            pulls,
            regions,
            everyone,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        }
    }
}

/// Returns the dates between which the acts can have left traces, whatever the clocks of their targets.
fn dates(acts: &[&Observed]) -> (Wall, Wall) {
    let first = acts.iter().map(|act| act.time).min().unwrap_or_default();
    let last = acts.iter().map(|act| act.time).max().unwrap_or_default();
    let from = Wall(first.0.saturating_sub(CLOCK_SKEW_MAX.0));
    (from, last + ACT_LIFE_MAX + CLOCK_SKEW_MAX)
}

fn place(alert: &ContentId, node: &PublicKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"x0/pack/1\0")
        .chain_update(alert.digest())
        .chain_update(node.bytes())
        .finalize()
        .into()
}
