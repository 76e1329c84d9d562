//! No node holds anybody to a sentence that the committee has not certified, and all hold people to the same.
//!
//! Each sentence in force at a peer must stand in a final ruling on that node's disk, word for word, and the ruling's
//! certificate must hold by the committee's keys, checked here and not taken from the peer.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    charter::violation::Sentence,
    wire::{Body, Ruled},
};

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let mut certified: BTreeMap<(PublicKey, ContentId, Sentence), bool> = BTreeMap::new();
    let (mut fault, mut held) = (None, 0_u64);
    for node in 0..world.nodes() {
        for sentence in world.sentences(node) {
            held += 1;
            let is_new = !certified.contains_key(&sentence);
            let ruling = ruling(world, node, sentence, is_new);
            if is_new && let Some(holds) = ruling {
                certified.insert(sentence, holds);
            }
            if ruling.is_none() || certified.get(&sentence) != Some(&true) {
                let (accused, case, _) = sentence;
                fault.get_or_insert(format!(
                    "node {node} holds {accused} to a sentence in case {case} without a certified ruling"
                ));
            }
        }
    }
    Finding {
        property: None,
        name: "no sentence without a certified ruling".to_owned(),
        holds: fault.is_none(),
        detail: fault
            .unwrap_or_else(|| format!("{} sentences, {held} times at nodes", certified.len())),
    }
}

/// Finds the ruling of a sentence on a node's disk; tells whether its certificate holds, if that is asked.
fn ruling(
    world: &World,
    node: u32,
    (accused, case, sentence): (PublicKey, ContentId, Sentence),
    is_asked: bool,
) -> Option<bool> {
    let mut records = world.stored(node).iter();
    records.find_map(|record| {
        let Body::Ruling(certificate) = record.value().body() else {
            return None;
        };
        let ruling = certificate.statement.ruling()?;
        let Ruled::Final { verdict, .. } = ruling.ruled else {
            return None;
        };
        let is_it = (verdict.accused, ruling.case, verdict.sentence) == (accused, case, sentence);
        is_it.then(|| !is_asked || world.is_certified(node, certificate))
    })
}
