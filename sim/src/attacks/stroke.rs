//! A stroke by rogue agents in a world of whole peers, and when honest nodes found it and stood still.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::ContentId;
use x0_protocol::wire::Body;

use super::stage::Stage;
use crate::{
    time::{Span, Time},
    world::Alarmed,
};

/// Agents of one stroke: as many acts make an identical change an anomaly.
pub(super) const ROGUES: usize = 3;
/// Within how long of the first critical evidence honest nodes are to be halted.
pub(super) const LIMIT: Span = Span::from_secs(5);
/// How long a stroke is watched.
pub(super) const WATCHED: Span = Span::from_secs(30);
/// How many of the honest nodes are to be halted by then: all but one of a hundred.
pub(super) const MOST: f64 = 0.99;

/// When honest nodes found a stroke and were halted by it.
pub(super) struct Stroke {
    /// Its acts.
    pub(super) acts: Vec<ContentId>,
    /// When each honest node first told that it had found it.
    pub(super) found: Told,
    /// When each honest node first told that a halt was in force and safe on its disk.
    pub(super) halted: Told,
}

/// When nodes first told something, counted from the first act of a stroke.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// The spans of those who told it, shortest first, s.
    times_s: Vec<f64>,
    nodes: usize,
}

impl Stroke {
    /// Has agents make one change at once, each by an act on some of the nodes, past their peers and the committee, by
    /// tokens of a founder; then lets time pass.
    ///
    /// The clock starts when the first act leaves its agent, before there is evidence enough anywhere.
    pub(super) fn of(
        stage: &mut Stage,
        (rogues, grantor): (&[u32], u32),
        at: &[u32],
        honest: &BTreeSet<u32>,
    ) -> Self {
        let began = stage.world.now();
        let value = stage.fresh_value();
        let each = at.len() / rogues.len().max(1);
        let acts = rogues.iter().zip(at.chunks(each.max(1)));
        let acts = acts.map(|(rogue, at)| {
            let act = stage.act(*rogue, grantor, &[], value, at);
            stage.publish(*rogue, Body::Act(act))
        });
        let acts = acts.collect();
        stage.pass(WATCHED);
        let told = |is_meant: fn(&Alarmed) -> bool| Told::since(stage, began, honest, is_meant);
        Self {
            acts,
            found: told(|what| matches!(what, Alarmed::Found { critical: true, .. })),
            halted: told(|what| matches!(what, Alarmed::Halted { .. })),
        }
    }
}

impl Told {
    fn since(
        stage: &Stage,
        began: Time,
        honest: &BTreeSet<u32>,
        is_meant: impl Fn(&Alarmed) -> bool,
    ) -> Self {
        let mut first: BTreeMap<u32, Time> = BTreeMap::new();
        for alarm in stage.world.alarms() {
            if alarm.at >= began && honest.contains(&alarm.node) && is_meant(&alarm.what) {
                first.entry(alarm.node).or_insert(alarm.at);
            }
        }
        let times = first.values().map(|at| at.since(began).0 as f64 / 1e6);
        let mut times_s: Vec<_> = times.collect();
        times_s.sort_by(f64::total_cmp);
        Self {
            times_s,
            nodes: honest.len(),
        }
    }

    /// Counts the nodes asked about.
    pub(super) const fn nodes(&self) -> u64 {
        self.nodes as u64
    }

    /// Returns by when a share of all nodes had told it, s; `None` if fewer ever did.
    pub(super) fn by_share(&self, share: f64) -> Option<f64> {
        // A share of fewer nodes than 2^32.
        let rank = (share * self.nodes as f64).ceil() as usize;
        self.times_s.get(rank.saturating_sub(1)).copied()
    }

    /// Returns when the last of those who told it did, s.
    pub(super) fn last(&self) -> Option<f64> {
        self.times_s.last().copied()
    }

    /// Counts those who had told it by a moment, s.
    pub(super) fn by(&self, at_s: f64) -> u64 {
        self.times_s.partition_point(|told| *told <= at_s) as u64
    }
}

/// Returns a span in seconds.
pub(super) const fn secs(span: Span) -> f64 {
    span.as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_told_it_counts_among_all() {
        let told = Told {
            times_s: (1..=98).map(f64::from).collect(),
            nodes: 100,
        };
        assert_eq!(told.by_share(0.5), Some(50.0));
        assert_eq!(told.by_share(0.98), Some(98.0));
        assert_eq!(told.by_share(MOST), None);
        assert_eq!((told.by(10.5), told.last()), (10, Some(98.0)));
    }
}
