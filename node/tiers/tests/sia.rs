//! The Sia tier on the SDK's network in memory, which can lose sectors: the SDK itself is the real one, with encryption and
//! erasure coding.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use sha2::{Digest as _, Sha256};
use sia_storage::{AppKey, mock::MockNetwork};
use x0_tiers::{BLOCK_BYTES_MAX, Block, Depth, Forgotten, Pace, SiaTier, Tier, TierError, Tiers};

/// Enough for a large slab.
const HOSTS: usize = 30;

fn network() -> MockNetwork {
    let network = MockNetwork::new();
    network.add_hosts(HOSTS);
    network
}

async fn tier(network: &MockNetwork) -> SiaTier {
    SiaTier::new(network.sdk(AppKey::import([7; 32])).await.unwrap())
}

fn block(seed: u8, length: usize) -> Block {
    let bytes: Vec<u8> = (0..length).map(|at| seed ^ (at / 7) as u8).collect();
    let hash = Multihash::wrap(0x12, &Sha256::digest(&bytes)).unwrap();
    Block::new(Cid::new_v1(0x55, hash), Bytes::from(bytes)).unwrap()
}

#[tokio::test]
async fn blocks_are_stored_found_by_another_connection_and_let_go() {
    let network = network();
    let blocks = [block(1, 1), block(2, 5_000), block(3, BLOCK_BYTES_MAX)];
    let writer = tier(&network).await;
    for block in &blocks {
        writer.put(block).await.unwrap();
        writer.put(block).await.unwrap();
    }
    assert_eq!(
        network.pinned_slabs(),
        3,
        "a block that is there is not stored again"
    );
    let reader = tier(&network).await;
    for block in &blocks {
        assert!(reader.holds(block.cid()).await.unwrap());
        assert_eq!(reader.get(block.cid()).await.unwrap(), *block);
        assert_eq!(reader.forget(block.cid()).await.unwrap(), Forgotten::Gone);
        assert!(
            !writer.holds(block.cid()).await.unwrap(),
            "the other one hears of it"
        );
        let missing = writer.get(block.cid()).await.unwrap_err();
        assert!(matches!(missing, TierError::NotFound { .. }), "{missing}");
        assert_eq!(reader.forget(block.cid()).await.unwrap(), Forgotten::Gone);
    }
    assert_eq!(network.pinned_slabs(), 0, "nothing is paid for any more");
}

#[tokio::test]
async fn blocks_that_hosts_have_lost_are_seen_to_be_lost_and_stored_anew() {
    let network = network();
    let block = block(1, 100_000);
    let tier = tier(&network).await;
    tier.put(&block).await.unwrap();
    network.clear_sectors();
    assert!(!tier.holds(block.cid()).await.unwrap());
    let lost = tier.get(block.cid()).await.unwrap_err();
    assert!(matches!(lost, TierError::NotFound { .. }), "{lost}");
    tier.put(&block).await.unwrap();
    assert!(tier.holds(block.cid()).await.unwrap());
    assert_eq!(tier.get(block.cid()).await.unwrap(), block);
    assert_eq!(network.pinned_slabs(), 1, "the remains are gone");
}

#[tokio::test]
async fn many_blocks_share_a_slab_and_each_is_read_and_let_go_by_itself() {
    let network = network();
    let blocks: Vec<Block> = (0..16)
        .map(|seed| block(seed, 200_000 + usize::from(seed)))
        .collect();
    let tier = tier(&network).await;
    tier.put_together(&blocks).await.unwrap();
    assert_eq!(network.pinned_slabs(), 1);
    tier.forget(blocks[0].cid()).await.unwrap();
    assert!(!tier.holds(blocks[0].cid()).await.unwrap());
    for block in &blocks[1..] {
        assert_eq!(tier.get(block.cid()).await.unwrap(), *block);
    }
}

#[tokio::test]
async fn what_one_account_has_lost_is_repaired_from_another() {
    let (lossy, sound) = (network(), network());
    let blocks = [block(1, 10_000), block(2, 20_000)];
    let cids = blocks.each_ref().map(|block| *block.cid());
    let (one, other) = (tier(&lossy).await, tier(&sound).await);
    one.put_together(&blocks).await.unwrap();
    other.put_together(&blocks).await.unwrap();
    lossy.clear_sectors();
    let tiers: Vec<Arc<dyn Tier>> = vec![Arc::new(one), Arc::new(other)];
    let tiers = Tiers::new(tiers, Pace::default());
    let audits = tiers.audit(&cids, Depth::Word, |_| {}).await;
    assert_eq!(audits[0].lost, cids);
    assert_eq!(audits[1].held, 2);
    let mendings = tiers.repair(&audits, |_| {}).await;
    assert!(
        mendings.iter().all(|mending| mending.outcome.is_ok()),
        "{mendings:?}"
    );
    let again = tiers.audit(&cids, Depth::Bytes, |_| {}).await;
    assert_eq!(again[0].held, 2);
}

#[tokio::test]
async fn a_block_that_the_indexer_does_not_pin_does_not_count_as_stored() {
    let network = network();
    let tier = tier(&network).await;
    let block = block(1, 1_000);
    network.set_pin_slabs_failures(100);
    let failed = tier.put(&block).await.unwrap_err();
    assert!(matches!(failed, TierError::Unreachable { .. }), "{failed}");
    assert!(!tier.holds(block.cid()).await.unwrap());
}

#[tokio::test]
async fn a_key_that_is_none_and_an_indexer_that_is_not_there_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sia.key");
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("none");
    let refused = SiaTier::connect("http://127.0.0.1:9", &path)
        .await
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("the account's key"),
        "{refused}"
    );
    write(&"07".repeat(32));
    let silent = SiaTier::connect("http://127.0.0.1:9", &path)
        .await
        .err()
        .unwrap();
    assert!(matches!(silent, TierError::Unreachable { .. }), "{silent}");
    let refused = SiaTier::connect("nowhere", &path).await.err().unwrap();
    assert!(matches!(refused, TierError::Refused { .. }), "{refused}");
}
