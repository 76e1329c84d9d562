//! Counting who holds a tree, and mending what is damaged or lost, on the loopback.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

#[path = "race/memory.rs"]
#[allow(dead_code, reason = "the other tests of it use more")]
mod memory;
mod shared;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use cid::Cid;
use memory::MemoryTier;
use shared::{CHUNK_BYTES, NO_LIMIT, config, root, start, tree};
use tempfile::TempDir;
use x0_tiers::{
    Block, CopyStands, Depth, Holding, IpfsTier, Pace, PeerAnswer, PeerId, RAW, Tier as _,
    TierKind, Tiers,
};

const MEND: Holding<'static> = Holding {
    from: &[],
    tiers: None,
    limits: NO_LIMIT,
    depth: Depth::Bytes,
};

async fn connect(one: &IpfsTier, to: &IpfsTier) {
    let address = to.addresses().await.unwrap().remove(0);
    assert_eq!(one.connect(address).await.unwrap(), to.peer_id());
}

/// The root by its bytes, and of the rest every other block by its word.
fn sample(blocks: &[Block]) -> Vec<(Cid, Depth)> {
    let rest = blocks.iter().rev().skip(1).enumerate();
    let rest = rest.map(|(place, block)| match place % 2 {
        0 => (*block.cid(), Depth::Bytes),
        _ => (*block.cid(), Depth::Word),
    });
    std::iter::once((root(blocks), Depth::Bytes))
        .chain(rest)
        .collect()
}

async fn stands(counter: &IpfsTier, peer: PeerId, blocks: &[Block]) -> CopyStands {
    let counted = counter
        .count_copies(&BTreeSet::from([peer, counter.peer_id()]), &sample(blocks))
        .await
        .unwrap();
    let [copy] = counted[..] else {
        unreachable!("one peer was asked, and the own one never is: {counted:?}");
    };
    assert_eq!(copy.peer, peer);
    copy.copy
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_every_block_of_the_sample_counts_as_a_holder() {
    let dirs: [TempDir; 5] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let mut nodes = Vec::new();
    for dir in &dirs {
        nodes.push(start(dir.path()).await);
    }
    let [counter, whole, partial, nothing, away] = &nodes[..] else {
        unreachable!("five were started");
    };
    let blocks = tree(1, 20, 1000);
    let missing = *blocks[7].cid();
    whole.put_many(blocks.clone()).await.unwrap();
    let mut but_one = blocks.clone();
    but_one.remove(7);
    partial.put_many(but_one).await.unwrap();
    for peer in [whole, partial, nothing] {
        connect(counter, peer).await;
    }

    let seen = |peer: &IpfsTier| stands(counter, peer.peer_id(), &blocks);
    assert_eq!(seen(whole).await, CopyStands::Whole);
    assert_eq!(seen(partial).await, CopyStands::Lacks(missing));
    assert_eq!(seen(nothing).await, CopyStands::Lacks(root(&blocks)));
    assert_eq!(seen(away).await, CopyStands::Silent);
    let traffic = counter.stats().await.unwrap().traffic;
    assert_eq!((traffic.blocks_refused, traffic.wanted), (0, 0));

    whole.close().await;
    assert_eq!(seen(whole).await, CopyStands::Silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_asked_for_itself_although_another_has_the_block() {
    let dirs: [TempDir; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let counter = start(dirs[0].path()).await;
    let holder = start(dirs[1].path()).await;
    let other = start(dirs[2].path()).await;
    let blocks = tree(2, 1, 1000);
    holder.put_many(blocks.clone()).await.unwrap();
    connect(&counter, &holder).await;
    connect(&counter, &other).await;
    connect(&other, &holder).await;
    for depth in [Depth::Word, Depth::Bytes] {
        let cid = *blocks[0].cid();
        // It wants the block for itself in the same moment.
        let (asked, given) = tokio::join!(
            counter.ask_peer(other.peer_id(), cid, depth),
            counter.get(&cid)
        );
        assert_eq!(asked.unwrap(), PeerAnswer::HasNot);
        assert_eq!(given.unwrap(), blocks[0]);
        let asked = counter.ask_peer(holder.peer_id(), cid, depth).await;
        assert_eq!(asked.unwrap(), PeerAnswer::Has);
    }
}

/// Changes a byte in the middle of every file of values.
fn damage(dir: &Path) -> usize {
    let files = fs::read_dir(dir.join("blocks")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut damaged = 0;
    for path in paths.filter(|path| path.extension().is_some_and(|kind| kind == "blob")) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    damaged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_the_disk_has_damaged_is_found_and_fetched_anew() {
    let dirs: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let author = start(dirs[0].path()).await;
    let blocks = tree(3, 8, CHUNK_BYTES);
    author.put_many(blocks.clone()).await.unwrap();
    // What is put stands in the log first; opening it again has it written where it stays.
    for _ in 0..2 {
        let keeper = start(dirs[1].path()).await;
        connect(&keeper, &author).await;
        let pinned = keeper.pin_tree(root(&blocks), &[], NO_LIMIT, |_| ());
        pinned.await.unwrap();
        keeper.close().await;
    }
    assert!(damage(dirs[1].path()) > 0, "no value stands on the disk");

    let keeper = start(dirs[1].path()).await;
    let mut bad = 0;
    for block in &blocks {
        bad += u64::from(keeper.read_here(block.cid()).await.is_err());
    }
    assert!(bad > 0, "nothing was damaged");
    connect(&keeper, &author).await;
    let mended = keeper.hold_tree(root(&blocks), MEND, |_| ()).await.unwrap();
    assert_eq!((mended.damaged, mended.fetched), (bad, bad));
    for block in &blocks {
        assert_eq!(
            keeper.read_here(block.cid()).await.unwrap().as_ref(),
            Some(block)
        );
    }
    let again = keeper.hold_tree(root(&blocks), MEND, |_| ()).await.unwrap();
    assert_eq!((again.damaged, again.fetched), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_no_peer_has_comes_back_from_another_tier() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Arc::new(IpfsTier::start(config(dir.path())).await.unwrap());
    let blocks = tree(4, 20, 1000);
    let archive = MemoryTier::new(TierKind::Arweave, &blocks);
    let tiers: Vec<Arc<dyn x0_tiers::Tier>> = vec![keeper.clone(), Arc::new(archive)];
    let tiers = Tiers::new(tiers, Pace::default());
    let holding = Holding {
        tiers: Some(&tiers),
        ..MEND
    };
    let held = keeper
        .hold_tree(root(&blocks), holding, |_| ())
        .await
        .unwrap();
    assert_eq!(held.fetched, blocks.len() as u64);
    for block in &blocks {
        assert!(keeper.holds(block.cid()).await.unwrap());
    }
    let leaves = blocks.iter().filter(|block| block.cid().codec() == RAW);
    assert_eq!(leaves.count(), 20);
}
