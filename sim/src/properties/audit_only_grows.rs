//! Property 11: the audit log only grows, and so does the public log of the mesh.
//!
//! *Each node's own log*, on every honest node: entries were written only at the end of its log; every head it signed is the
//! root over a prefix of the entries on its disk; heads never shrink; and nobody accused another of a rewritten log.
//!
//! *Heads of others*: of the heads that nodes keep of each other no two of one author contradict each other without a node
//! having found it. Heads are passed on (`peer/publishing.rs`, `peer/linking.rs`), so who was shown another log learns of it
//! as soon as one honest peer has both, with no bound on how long that takes; the attack `log-split` measures it.
//!
//! *Countersigned heads*: no two of one author that contradict each other were countersigned by the witnesses of one epoch. That
//! takes more than a third of them, and the world's honest nodes are all of them.
//!
//! *The public log*: the copy on every node's disk is a prefix of one log, of which the newest certified head that any node
//! holds is the root over as many entries; the certificate is checked by the committee's keys, and not taken from a peer.

use std::collections::BTreeMap;

use x0_crypto::PublicKey;
use x0_protocol::{
    spine::audit::tree::{Frontier, Hash, leaf_hash},
    wire::{LogHead, PublicEntry, Statement},
};

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let heads = world.heads();
    let mut public = Ok(0);
    let fault = not_appended(world)
        .or_else(|| split_view(world))
        .or_else(|| contradicted_head(world, &heads))
        .or_else(|| contradiction_kept(world))
        .or_else(|| countersigned_twice(world))
        .or_else(|| {
            public = public_log(world);
            public.as_ref().err().cloned()
        });
    let entries = public.unwrap_or_default();
    Finding {
        property: Some(11),
        name: "the audit log only grows".to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| {
            let stand = format!(
                "{} signed heads stand, countersigned {} times",
                heads.len(),
                world.countersigned().count()
            );
            match entries {
                0 => stand,
                entries => {
                    format!("{stand}; all copies are one public log of {entries} entries")
                }
            }
        }),
    }
}

fn not_appended(world: &World) -> Option<String> {
    let (node, fault) = world.not_appended().into_iter().next()?;
    Some(format!(
        "node {node} wrote entry {} into a log of {} entries",
        fault.index, fault.size
    ))
}

fn split_view(world: &World) -> Option<String> {
    let found = world.split_views();
    let (node, author) = found.first()?;
    Some(format!(
        "{} times a log was found rewritten, first that of {author} by node {node}",
        found.len()
    ))
}

fn contradicted_head(world: &World, heads: &[(u32, LogHead)]) -> Option<String> {
    let mut roots: BTreeMap<u32, Vec<Hash>> = BTreeMap::new();
    let mut last: Option<(u32, u64)> = None;
    for (node, head) in heads {
        if last.is_some_and(|(before, size)| before == *node && size > head.size) {
            return Some(format!(
                "node {node} signed a head of {} entries after a larger",
                head.size
            ));
        }
        last = Some((*node, head.size));
        let roots = roots.entry(*node).or_insert_with(|| roots_of(world, *node));
        let durable = usize::try_from(head.size)
            .ok()
            .and_then(|size| roots.get(size));
        if durable != Some(&head.root) {
            return Some(format!(
                "node {node} signed a head of {} entries that is not the root over its log of {}",
                head.size,
                roots.len() - 1
            ));
        }
    }
    None
}

/// Returns the roots over the first 0, 1, 2, … entries on a node's disk.
fn roots_of(world: &World, node: u32) -> Vec<Hash> {
    let mut frontier = Frontier::default();
    let mut roots = vec![frontier.root()];
    for entry in world.audit(node) {
        frontier.append(leaf_hash(&entry.encode()));
        roots.push(frontier.root());
    }
    roots
}

/// Finds two heads of one author and one size that nodes keep and that nobody has found to contradict each other.
fn contradiction_kept(world: &World) -> Option<String> {
    let mut kept: BTreeMap<(PublicKey, u64), (u32, Hash)> = BTreeMap::new();
    for node in 0..world.nodes() {
        for head in world.witnessed(node) {
            let (first, root) = *kept
                .entry((head.author, head.size))
                .or_insert((node, head.root));
            if root != head.root {
                return Some(format!(
                    "nodes {first} and {node} keep two heads of {} of the size {}, and nobody has found it",
                    head.author, head.size
                ));
            }
        }
    }
    None
}

/// Finds two heads of one log and one size that witnesses of one epoch have countersigned.
fn countersigned_twice(world: &World) -> Option<String> {
    let mut roots: BTreeMap<(u64, PublicKey, u64), (u32, Hash)> = BTreeMap::new();
    for (node, held) in world.countersigned() {
        let place = (held.height, held.author, held.size);
        let (first, root) = *roots.entry(place).or_insert((*node, held.root));
        if root != held.root {
            return Some(format!(
                "nodes {first} and {node} countersigned two heads of {} of the size {}",
                held.author, held.size
            ));
        }
    }
    None
}

/// Checks that all copies are prefixes of one certified log; returns how long it is.
fn public_log(world: &World) -> Result<usize, String> {
    let all = 0..world.nodes();
    let longest = all
        .clone()
        .max_by_key(|node| world.public_on_disk(*node).len());
    let Some(longest) = longest else { return Ok(0) };
    let log = world.public_on_disk(longest);
    for node in all.clone() {
        let own = world.public_on_disk(node);
        if log.get(..own.len()) != Some(own) {
            return Err(format!(
                "the public log of node {node} is no prefix of that of node {longest}"
            ));
        }
    }
    let mut certified = 0;
    let mut checked: BTreeMap<u64, bool> = BTreeMap::new();
    for node in all {
        let mirror = world.mirror(node);
        let Some(certificate) = mirror.and_then(|mirror| mirror.certificate()) else {
            continue;
        };
        let Statement::Checkpoint(checkpoint) = certificate.statement else {
            return Err(format!(
                "node {node} takes its public log from no checkpoint"
            ));
        };
        let size = usize::try_from(checkpoint.log.size).unwrap_or(usize::MAX);
        let root = log.get(..size).map(root_of);
        let holds = *checked
            .entry(checkpoint.height)
            .or_insert_with(|| world.is_certified(node, certificate));
        if root != Some(checkpoint.log.root) || !holds {
            return Err(format!(
                "what certifies the public log of node {node} at {size} entries does not hold"
            ));
        }
        certified = certified.max(size);
    }
    match certified == log.len() {
        true => Ok(certified),
        false => Err(format!(
            "{certified} of {} entries of the public log are certified at any node",
            log.len()
        )),
    }
}

fn root_of(entries: &[PublicEntry]) -> Hash {
    let leaves = entries.iter().map(PublicEntry::leaf);
    leaves.collect::<Frontier>().root()
}
