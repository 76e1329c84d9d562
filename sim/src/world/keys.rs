//! Who the nodes are: their keys, and the mesh they found.
//!
//! All keys come from the seed. The mesh has a few founders in its genesis; everybody else is in the
//! certified state that came since, one directory that all peers share. An identity is made again
//! from the seed when a node signs, so that no secret is kept for the many that never do.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use x0_crypto::{Identity, MembershipCommitment, PublicKey, capability::RootKey};
use x0_protocol::{
    Wall,
    spine::directory::{Base, Directory, Member, Standing},
    wire::{Body, Draft, Founder, Genesis, Record, Verified},
};

use super::founding::Founding;
use crate::random::{Purpose, Seed};

/// Wall time at the start of every run: 1 January 2026, 00:00 UTC, ms since the Unix epoch.
pub(crate) const WALL_START: Wall = Wall(1_767_225_600_000);

/// The keys of all nodes, by number and back.
pub(crate) struct Keys {
    seed: Seed,
    by_node: Vec<(PublicKey, RootKey)>,
    nodes: HashMap<PublicKey, u32, ByDigest>,
}

/// The mesh that all nodes belong to.
pub(crate) struct Mesh {
    pub(crate) genesis: Verified<Record>,
    pub(crate) directory: Directory,
}

impl Keys {
    /// Returns the number of the node with this key.
    pub(crate) fn node(&self, key: &PublicKey) -> Option<u32> {
        self.nodes.get(key).copied()
    }

    /// Returns the key of a node.
    pub(crate) fn key(&self, node: u32) -> PublicKey {
        self.by_node[node as usize].0
    }

    /// Returns the root under which a node grants capabilities.
    pub(super) fn root(&self, node: u32) -> RootKey {
        self.by_node[node as usize].1
    }

    /// Makes the identity of a node.
    pub(crate) fn identity(&self, node: u32) -> Identity {
        identity(self.seed, node)
    }
}

fn identity(seed: Seed, node: u32) -> Identity {
    Identity::from_seed(seed.bytes(Purpose::PeerKey, node).into())
}

/// Founds the mesh of a run.
///
/// # Panics
///
/// Panics if the genesis it writes is refused, which its construction excludes.
pub(crate) fn found(seed: Seed, nodes: u32, founding: &Founding) -> (Keys, Mesh) {
    let founders = founding.seats.min(nodes);
    let founder_ids: Vec<_> = (0..founders).map(|node| identity(seed, node)).collect();
    let mut listed: Vec<_> = founder_ids.iter().map(founder).collect();
    listed.sort_by_key(|founder| founder.key);
    let first = &founder_ids[0];
    let named = founder_ids.iter().take(founding.roots as usize);
    let mut roots: Vec<_> = named
        .map(|founder| founder.capability_root().public())
        .collect();
    roots.sort_unstable();
    let Ok(name) = "simulated".parse() else {
        unreachable!("a plain word names a mesh")
    };
    let genesis = Genesis {
        name,
        seats: listed.iter().map(|founder| founder.key).collect(),
        founders: listed,
        roots,
        parameters: founding.parameters.clone(),
    };
    let salt = [0; 16];
    let body = Body::Genesis(genesis.clone());
    let draft = Draft::new(None, first.public(), (0, None), WALL_START, salt, body);
    let record = match draft.sign(first) {
        Ok(record) => record,
        Err(error) => unreachable!("a genesis of {founders} founders is in bounds: {error}"),
    };
    let id = record.value().id();
    let members: Vec<_> = (0..nodes)
        .map(|node| {
            let identity = identity(seed, node);
            Member {
                key: identity.public(),
                root: identity.capability_root().public(),
                commitment: commitment(seed, node < founders, node, &identity),
                region: None,
                since: WALL_START,
                invited_by: None,
                entry: id,
                entry_seq: 0,
                standing: Standing::Active,
            }
        })
        .collect();
    let by_node: Vec<_> = members
        .iter()
        .map(|member| (member.key, member.root))
        .collect();
    let nodes = by_node
        .iter()
        .zip(0..)
        .map(|((key, _), node)| (*key, node))
        .collect();
    let base = match founding.counted_ahead {
        true => Base::new(members).counted_ahead(),
        false => Base::new(members),
    };
    let directory = Directory::with_base(id, Arc::new(genesis), Arc::new(base));
    (
        Keys {
            seed,
            by_node,
            nodes,
        },
        Mesh {
            genesis: record,
            directory,
        },
    )
}

/// Returns what a member commits to. Those of members who are no founders are drawn, for computing them would take
/// a third of a large run's founding: in a simulation nobody proves membership.
fn commitment(
    seed: Seed,
    is_founder: bool,
    node: u32,
    identity: &Identity,
) -> MembershipCommitment {
    if is_founder {
        return identity.membership_commitment();
    }
    MembershipCommitment::from_bytes(seed.bytes(Purpose::Commitment, node))
}

fn founder(identity: &Identity) -> Founder {
    Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: None,
    }
}

/// Hashes keys and digests, which are spread evenly already, by their last eight bytes.
#[derive(Default)]
pub(super) struct DigestHasher(u64);

pub(super) type ByDigest = BuildHasherDefault<DigestHasher>;

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}
