//! Property 2: no act on the network level is executed without a valid certificate and multi-signature.
//!
//! For each act that told its user it ran and that touches more nodes than a region has, the record on the node's disk is
//! taken and its warrants are checked anew by the committee's keys: the ticket, the draw, the words, the proof of the vote
//! or that the act stands in the public log as an override. Then the signatories of its panel who approve are counted. An
//! override has no vote, as its name says; that it is public takes the vote's place.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::ContentId;
use x0_protocol::{
    anti_meave::warrants::Question,
    spine::committee::panel::NETWORK,
    wire::{Act, Body, Record, Targets, Warrants, Word},
};

use super::Finding;
use crate::world::World;

/// Most nodes of a regional act, as the project's plan fixes it.
const REGION_NODES_MAX: u64 = 100;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let mut found: BTreeMap<ContentId, Result<(), String>> = BTreeMap::new();
    let mut executions = 0_u64;
    for (record, node) in world.executed() {
        let known = world.record(node, &record);
        let Some((act, record)) = known.and_then(|known| Some((network_act(world, known)?, known)))
        else {
            continue;
        };
        executions += 1;
        found
            .entry(record.id())
            .or_insert_with(|| judge(world, node, act, record));
    }
    let fault = found.iter().find_map(|(act, judged)| {
        let why = judged.as_ref().err()?;
        Some(format!("{act} ran: {why}"))
    });
    Finding {
        property: Some(2),
        name: "no network-level act is executed without certificate and multi-signature".to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| {
            format!("{} such acts ran, {executions} times at nodes", found.len())
        }),
    }
}

/// Returns the act in a record, if it is on the network level.
fn network_act<'a>(world: &World, record: &'a Record) -> Option<&'a Act> {
    let Body::Act(act) = record.body() else {
        return None;
    };
    let touched = match &act.targets {
        Targets::Nodes(nodes) => nodes.len() as u64,
        Targets::Region(_) | Targets::All => u64::from(world.nodes()),
    };
    (touched > REGION_NODES_MAX).then_some(act)
}

fn judge(world: &World, node: u32, act: &Act, record: &Record) -> Result<(), String> {
    let warrants = Warrants::of(act).map_err(|error| error.to_string())?;
    let epoch = warrants.ticket.as_ref().map_or(0, |ticket| ticket.epoch);
    let keys = world.keys_of(node, epoch);
    let agent = record.author();
    let question = Question {
        mesh: world.mesh(),
        act: act.digest(&agent),
        matter: act.matter(&agent),
        agent,
        warrants: warrants.clone(),
        keys: keys.ok_or("its node does not know the committee's keys")?,
        vote_keys: keys,
    };
    let proven = question.check()?;
    if proven.vote().is_none() && proven.overriding().is_none() {
        return Err("no vote has approved it and no public log tells of it".to_owned());
    }
    let word = Word::Sign {
        ticket: proven.ticket().name(),
    };
    let approve = warrants.said.iter().filter(|said| said.word == word);
    let approve: BTreeSet<_> = approve.map(|said| said.by).collect();
    let drawn = |by: &&x0_crypto::PublicKey| proven.signatories().contains(by);
    let count = approve.iter().filter(drawn).count();
    match count >= usize::from(NETWORK.k) {
        true => Ok(()),
        false => Err(format!("{count} of its panel approve")),
    }
}
