//! A transaction of Arweave that carries a block under the tag of its content id, and that a wallet pays for (format 2).

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    deep_hash::{Part, deep_hash},
    item::{CID_TAG, ItemId},
    key::ArweaveKey,
};
use crate::{Block, KeyError};

/// Longest chunk of a transaction's data, bytes (`MAX_CHUNK_SIZE` of arweave-js).
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Shortest chunk, but for data that is shorter itself, bytes (`MIN_CHUNK_SIZE` of arweave-js).
const CHUNK_BYTES_MIN: usize = 32 * 1024;

/// What the network asks for a transaction.
pub(super) struct Terms {
    /// The price in winston, 10^-12 AR, as the node says it.
    pub(super) reward: u128,
    /// A recent block, which keeps the transaction from being played back later.
    pub(super) anchor: Vec<u8>,
}

/// Signs a transaction that carries a block, and writes it as a node takes it.
pub(super) fn sign(
    wallet: &ArweaveKey,
    terms: &Terms,
    block: &Block,
) -> Result<(ItemId, Value), KeyError> {
    let data = block.bytes();
    let cid = block.cid().to_string();
    let reward = terms.reward.to_string();
    let size = data.len().to_string();
    let root = data_root(data);
    let tag = vec![Part::Blob(CID_TAG.as_bytes()), Part::Blob(cid.as_bytes())];
    let message = deep_hash(&Part::List(vec![
        Part::Blob(b"2"),
        Part::Blob(wallet.owner()),
        Part::Blob(b""),
        Part::Blob(b"0"),
        Part::Blob(reward.as_bytes()),
        Part::Blob(&terms.anchor),
        Part::List(vec![Part::List(tag)]),
        Part::Blob(size.as_bytes()),
        Part::Blob(&root),
    ]));
    let signature = wallet.sign(&message)?;
    let id = ItemId::of_signature(&signature);
    let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let tag = json!({ "name": text(CID_TAG.as_bytes()), "value": text(cid.as_bytes()) });
    let transaction = json!({
        "format": 2,
        "id": id.to_string(),
        "last_tx": text(&terms.anchor),
        "owner": text(wallet.owner()),
        "tags": [tag],
        "target": "",
        "quantity": "0",
        "data": text(data),
        "data_size": size,
        "data_root": text(&root),
        "reward": reward,
        "signature": text(&signature),
    });
    Ok((id, transaction))
}

/// A node of the tree over the chunks.
struct Branch {
    hash: [u8; 32],
    /// Where its last chunk ends.
    end: usize,
}

/// Returns the root of the tree over the chunks of some data (`ar_merkle` of the Arweave node).
fn data_root(data: &[u8]) -> [u8; 32] {
    let mut layer = leaves(data);
    while layer.len() > 1 {
        let pairs = layer.chunks(2).map(|pair| match pair {
            [left, right] => Branch {
                hash: hashed(&[&left.hash, &right.hash, &note(left.end)]),
                end: right.end,
            },
            one => Branch {
                hash: one[0].hash,
                end: one[0].end,
            },
        });
        layer = pairs.collect();
    }
    layer[0].hash
}

/// Cuts data into chunks. There is at least one: what is left when a chunk has been full is one more, of no length.
fn leaves(data: &[u8]) -> Vec<Branch> {
    let mut leaves = Vec::new();
    let mut rest = data;
    while rest.len() >= CHUNK_BYTES_MAX {
        let left_over = rest.len() - CHUNK_BYTES_MAX;
        // A last chunk that would be too short takes half of the one before it.
        let length = match left_over > 0 && left_over < CHUNK_BYTES_MIN {
            true => rest.len().div_ceil(2),
            false => CHUNK_BYTES_MAX,
        };
        let (chunk, after) = rest.split_at(length);
        rest = after;
        leaves.push(leaf(chunk, data.len() - rest.len()));
    }
    leaves.push(leaf(rest, data.len()));
    leaves
}

fn leaf(chunk: &[u8], end: usize) -> Branch {
    let hash = hashed(&[&Sha256::digest(chunk), &note(end)]);
    Branch { hash, end }
}

/// Hashes parts, each hashed before.
fn hashed(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update(Sha256::digest(part))
    });
    hash.finalize().into()
}

/// Writes a place in the data as the tree has it: 32 bytes, the highest first.
fn note(place: usize) -> [u8; 32] {
    let mut note = [0; 32];
    note[24..].copy_from_slice(&(place as u64).to_be_bytes());
    note
}
