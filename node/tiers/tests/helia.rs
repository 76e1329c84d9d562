//! The IPFS tier and Helia, the IPFS node written in JavaScript, on the loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by it what did not come"
)]

#[path = "shared/peer.rs"]
mod peer;
mod shared;

use cid::Cid;
use peer::Peer;
use shared::{CHUNK_BYTES, NO_LIMIT, node, raw, start};
use x0_tiers::Tier as _;

#[tokio::test(flavor = "multi_thread")]
async fn helia_fetches_a_tree_from_x0() {
    let dir = tempfile::tempdir().unwrap();
    let author = start(dir.path()).await;
    let mut blocks: Vec<_> = (0..40).map(|leaf| raw(leaf, CHUNK_BYTES)).collect();
    let cids: Vec<_> = blocks.iter().map(|block| *block.cid()).collect();
    let nodes: Vec<_> = cids.chunks(8).map(node).collect();
    let root = node(&nodes.iter().map(|node| *node.cid()).collect::<Vec<_>>());
    blocks.extend(nodes);
    blocks.push(root.clone());
    author.put_many(blocks.clone()).await.unwrap();

    let mut helia = Peer::helia();
    let address = author.addresses().await.unwrap().remove(0);
    assert_eq!(
        helia.order(&format!("connect {address}")),
        author.peer_id().to_string()
    );
    let fetched = helia.order(&format!("fetch {}", root.cid()));
    assert_eq!(fetched["blocks"], blocks.len());
    let bytes: usize = blocks.iter().map(|block| block.bytes().len()).sum();
    assert_eq!(fetched["bytes"], bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn x0_fetches_a_tree_that_helia_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut helia = Peer::helia();
    let root: Cid = helia.order("make 7 40").as_str().unwrap().parse().unwrap();
    let keeper = start(dir.path()).await;
    assert_eq!(
        keeper.connect(helia.addresses[0].clone()).await.unwrap(),
        helia.id
    );
    let done = keeper
        .pin_tree(root, &[helia.id], NO_LIMIT, |_| ())
        .await
        .unwrap();
    assert_eq!((done.blocks, done.fetched), (41, 41));
    drop(helia);
    assert!(keeper.get(&root).await.unwrap().bytes().len() > 40 * 36);
    assert_eq!(
        keeper.stats().await.unwrap().traffic.blocks_refused,
        0,
        "nothing came twice"
    );
}
