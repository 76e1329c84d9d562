//! Trees of blocks and nodes on the loopback, for the tests of the IPFS tier.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use std::{collections::BTreeMap, path::Path, time::Duration};

use cid::Cid;
use ipld_core::ipld::Ipld;
use x0_tiers::{Block, DAG_CBOR, IpfsConfig, IpfsTier, RAW, TreeLimits};

pub(crate) const CHUNK_BYTES: usize = 256 << 10;
pub(crate) const NO_LIMIT: TreeLimits = TreeLimits {
    blocks_max: u64::MAX,
    bytes_max: u64::MAX,
};

/// Bytes that do not repeat, as ciphertext: a counter stretched by multiplication.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn raw(seed: u64, length: usize) -> Block {
    Block::named(RAW, bytes(seed, length).into()).unwrap()
}

/// A block of DAG-CBOR that links to others.
pub(crate) fn node(links: &[Cid]) -> Block {
    let links = links.iter().copied().map(Ipld::Link).collect();
    let value = Ipld::Map(BTreeMap::from([("chunks".to_owned(), Ipld::List(links))]));
    Block::named(DAG_CBOR, serde_ipld_dagcbor::to_vec(&value).unwrap().into()).unwrap()
}

/// A root over nodes of four leaves each; the root is the last block.
pub(crate) fn tree(seed: u64, leaves: u64, leaf_bytes: usize) -> Vec<Block> {
    let mut blocks: Vec<_> = (0..leaves)
        .map(|leaf| raw(seed * 1_000_000 + leaf, leaf_bytes))
        .collect();
    let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
    let nodes: Vec<_> = cids.chunks(4).map(node).collect();
    let root = node(&nodes.iter().map(|node| *node.cid()).collect::<Vec<_>>());
    blocks.extend(nodes);
    blocks.push(root);
    blocks
}

pub(crate) fn root(tree: &[Block]) -> Cid {
    *tree.last().unwrap().cid()
}

pub(crate) fn config(dir: &Path) -> IpfsConfig {
    IpfsConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        fetch_wait: Duration::from_secs(30),
        ..IpfsConfig::new(dir.to_owned())
    }
}

pub(crate) async fn start(dir: &Path) -> IpfsTier {
    IpfsTier::start(config(dir)).await.unwrap()
}
