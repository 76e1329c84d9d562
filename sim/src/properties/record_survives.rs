//! Property 7: an acknowledged record survives any crash and reaches every correct node once
//! partitions heal, unless erased or expired.
//!
//! A record is acknowledged when the node that wrote it told its user so. At the end of the liveness
//! phase it must be durable at every node, and known to every peer.

use std::collections::BTreeSet;

use x0_crypto::ContentId;

use super::Finding;
use crate::world::World;

/// Looks for acknowledged records that are missing somewhere.
#[derive(Default)]
pub(crate) struct Survival {
    acknowledged: BTreeSet<ContentId>,
}

impl Survival {
    /// Takes note of what was acknowledged so far.
    pub(crate) fn note(&mut self, world: &World) {
        let replies = world.replies().into_iter();
        self.acknowledged
            .extend(replies.filter_map(|(_, _, answer)| answer.ok().flatten()));
    }

    /// Tells whether every node has every acknowledged record.
    pub(crate) fn is_complete(&self, world: &World) -> bool {
        (0..world.nodes()).all(|node| self.missing_at(world, node) == 0)
    }

    /// Tells what is missing where.
    pub(crate) fn finding(&self, world: &World) -> Finding {
        let lacking: Vec<_> = (0..world.nodes())
            .map(|node| (node, self.missing_at(world, node)))
            .filter(|(_, missing)| *missing > 0)
            .collect();
        let records = self.acknowledged.len();
        let detail = match lacking.first() {
            None => format!("all {} nodes have all {records} records", world.nodes()),
            Some((node, missing)) => format!(
                "{} nodes lack some of {records} records; node {node} lacks {missing}",
                lacking.len()
            ),
        };
        Finding {
            property: Some(7),
            name: "an acknowledged record survives any crash and reaches every node".to_owned(),
            holds: lacking.is_empty(),
            detail,
        }
    }

    fn missing_at(&self, world: &World, node: u32) -> usize {
        let stored = world.stored(node);
        let known = |id: &&ContentId| world.knows(node, id);
        if self.acknowledged.len() <= 32 {
            let durable = |id: &ContentId| stored.iter().any(|record| record.value().id() == *id);
            return self
                .acknowledged
                .iter()
                .filter(|id| !durable(id) || !known(id))
                .count();
        }
        let durable: BTreeSet<_> = stored.iter().map(|record| record.value().id()).collect();
        self.acknowledged
            .iter()
            .filter(|id| !durable.contains(id) || !known(id))
            .count()
    }
}
