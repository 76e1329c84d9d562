//! The Arweave tier on a real gateway (arlocal on the loopback), read back by a client that is not ours; and on gateways
//! that do what no real one would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gateway;
mod hostile;
mod keys;

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use x0_tiers::{
    ArweaveKey, BLOCK_BYTES_MAX, Block, DataItem, Depth, Forgotten, Pace, Tier, TierError, Tiers,
    Writing,
};

use self::gateway::{Arlocal, PRICE_MAX, settings};

/// Returns a raw block of bytes that vary, so that no two chunks of it are alike.
fn block(seed: u8, length: usize) -> Block {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut hash = Sha256::digest([seed]);
    while bytes.len() < length {
        bytes.extend_from_slice(&hash);
        hash = Sha256::digest(hash);
    }
    bytes.truncate(length);
    named(&bytes, 0x55)
}

fn named(bytes: &[u8], codec: u64) -> Block {
    let hash = Multihash::wrap(0x12, &Sha256::digest(bytes)).unwrap();
    Block::new(Cid::new_v1(codec, hash), Bytes::copy_from_slice(bytes)).unwrap()
}

/// Writes a key that is always the same, as `x0 chain new-key` does.
fn ethereum_key(dir: &Path) -> ArweaveKey {
    let path = dir.join("ethereum.key");
    std::fs::write(&path, "46".repeat(32) + "\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    ArweaveKey::open(&path).unwrap()
}

fn wallet(key: ArweaveKey) -> Writing {
    Writing::Wallet {
        key,
        price_max: PRICE_MAX,
    }
}

#[tokio::test]
async fn a_bundler_takes_blocks_of_either_key_and_another_client_reads_them_back() {
    let arlocal = Arlocal::start();
    let keys = [arlocal.wallet("rich.json"), ethereum_key(arlocal.dir())];
    for (seed, key) in (0..).zip(keys) {
        let address = key.address();
        let tier = arlocal.bundled(key);
        let small = named(&[0xa1, 0x61, 0x78, seed], 0x71);
        for block in [small, block(seed, 1), block(seed, 300_000)] {
            tier.put(&block).await.unwrap();
            assert!(tier.holds(block.cid()).await.unwrap());
            assert_eq!(tier.get(block.cid()).await.unwrap(), block);
            let seen = arlocal.seen(block.cid());
            assert_eq!(seen.len(), 1);
            let tag = json!({ "name": "IPFS-CID", "value": block.cid().to_string() });
            assert_eq!(seen[0].tags, [tag], "nothing else is told");
            assert_eq!(seen[0].data, HEXLOWER.encode(block.bytes()));
            assert_eq!(seen[0].owner.address, address);
        }
    }
}

#[tokio::test]
async fn a_wallet_posts_blocks_up_to_the_longest_itself_and_a_tier_that_only_reads_finds_it() {
    let arlocal = Arlocal::start();
    let key = arlocal.wallet("rich.json");
    let address = key.address();
    let tier = arlocal.tier(wallet(key));
    // The transaction commits to its data over chunks: a single one, one that is just full and an empty one after it, two
    // of which the last would be too short by itself, and several.
    for (seed, length) in [
        (1, 1),
        (2, 262_144),
        (3, 270_001),
        (4, BLOCK_BYTES_MAX - 7),
        (5, BLOCK_BYTES_MAX),
    ] {
        let block = block(seed, length);
        tier.put(&block).await.unwrap();
        let reader = arlocal.tier(Writing::No);
        assert!(reader.holds(block.cid()).await.unwrap());
        assert_eq!(reader.get(block.cid()).await.unwrap(), block);
        let seen = arlocal.seen(block.cid());
        assert_eq!(seen[0].data, HEXLOWER.encode(block.bytes()));
        assert_eq!(seen[0].owner.address, address);
        assert_eq!(seen[0].tags.len(), 1, "nothing else is told");
    }
}

#[tokio::test]
async fn a_block_is_paid_for_once_and_kept_for_ever() {
    let arlocal = Arlocal::start();
    let block = block(9, 1_000);
    let tier = arlocal.tier(wallet(arlocal.wallet("rich.json")));
    tier.put(&block).await.unwrap();
    tier.put(&block).await.unwrap();
    let later = arlocal.tier(wallet(arlocal.wallet("rich.json")));
    later.put(&block).await.unwrap();
    assert_eq!(arlocal.seen(block.cid()).len(), 1);
    assert_eq!(tier.forget(block.cid()).await.unwrap(), Forgotten::Kept);
    assert!(tier.holds(block.cid()).await.unwrap());
}

#[tokio::test]
async fn what_was_never_put_is_not_there_and_a_tier_without_a_key_does_not_write() {
    let arlocal = Arlocal::start();
    let block = block(7, 100);
    let reader = arlocal.tier(Writing::No);
    assert!(!reader.holds(block.cid()).await.unwrap());
    let missing = reader.get(block.cid()).await.unwrap_err();
    assert!(matches!(missing, TierError::NotFound { .. }), "{missing}");
    let refused = reader.put(&block).await.unwrap_err();
    assert!(
        refused.to_string().contains("for reading only"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_wallet_that_cannot_pay_and_a_price_over_the_limit_are_told() {
    let arlocal = Arlocal::start();
    let block = block(5, 200_000);
    let poor = arlocal.tier(wallet(arlocal.wallet("poor.json")));
    let refused = poor.put(&block).await.unwrap_err();
    assert!(refused.to_string().contains("put AR on it"), "{refused}");
    let key = arlocal.wallet("rich.json");
    let thrifty = arlocal.tier(Writing::Wallet { key, price_max: 10 });
    let refused = thrifty.put(&block).await.unwrap_err();
    assert!(refused.to_string().contains("10 is the most"), "{refused}");
    assert!(arlocal.seen(block.cid()).is_empty());
    let key = ethereum_key(arlocal.dir());
    let refused = x0_tiers::ArweaveTier::new(settings(arlocal.gateway(), wallet(key)));
    assert!(refused.err().unwrap().to_string().contains("cannot pay"));
}

#[tokio::test]
async fn bytes_that_another_tags_with_the_name_are_passed_over() {
    let arlocal = Arlocal::start();
    let wanted = block(3, 5_000);
    let key = arlocal.wallet("poor.json");
    let squatted = DataItem::sign(&key, wanted.cid(), b"junk").unwrap();
    let posted = post(arlocal.bundler(), squatted.bytes()).await;
    assert_eq!(posted, 200);
    let tier = arlocal.bundled(arlocal.wallet("rich.json"));
    let wrong = tier.get(wanted.cid()).await.unwrap_err();
    assert!(matches!(wrong, TierError::Wrong { .. }), "{wrong}");
    assert!(tier.holds(wanted.cid()).await.unwrap(), "by its word");

    tier.put(&wanted).await.unwrap();
    let reader = arlocal.tier(Writing::No);
    assert_eq!(reader.get(wanted.cid()).await.unwrap(), wanted);
    let mut by_owner = settings(arlocal.gateway(), Writing::No);
    by_owner.owners = vec![key.address()];
    let by_owner = x0_tiers::ArweaveTier::new(by_owner).unwrap();
    let wrong = by_owner.get(wanted.cid()).await.unwrap_err();
    assert!(
        matches!(wrong, TierError::Wrong { .. }),
        "the owner's alone are read: {wrong}"
    );
}

#[tokio::test]
async fn arbundles_accepts_items_of_either_key_and_none_that_was_changed() {
    let arlocal = Arlocal::start();
    let block = block(8, 2_000);
    let keys = [
        (1, arlocal.wallet("rich.json")),
        (3, ethereum_key(arlocal.dir())),
    ];
    for (kind, key) in keys {
        let item = DataItem::sign(&key, block.cid(), block.bytes()).unwrap();
        let checked = arlocal.check(item.bytes());
        assert!(checked.is_valid);
        assert_eq!(checked.id, item.id().to_string());
        assert_eq!(checked.kind, kind);
        assert_eq!(checked.data, HEXLOWER.encode(block.bytes()));
        assert_eq!(checked.tags.len(), 1);
        let mut changed = item.bytes().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!arlocal.check(&changed).is_valid);
        assert_eq!(post(arlocal.bundler(), &changed).await, 400);
    }
    assert!(arlocal.seen(block.cid()).is_empty());
}

#[tokio::test]
async fn a_copy_that_one_gateway_lacks_is_repaired_from_another() {
    let (full, empty) = (Arlocal::start(), Arlocal::start());
    let blocks = [block(1, 3_000), block(2, 70_000)];
    let writer = full.bundled(full.wallet("rich.json"));
    for block in &blocks {
        writer.put(block).await.unwrap();
    }
    let mend = empty.bundled(empty.wallet("rich.json"));
    let tiers: Vec<Arc<dyn Tier>> = vec![Arc::new(mend), Arc::new(writer)];
    let tiers = Tiers::new(tiers, Pace::default());
    let cids = blocks.each_ref().map(|block| *block.cid());
    let audits = tiers.audit(&cids, Depth::Word, |_| {}).await;
    assert_eq!(audits[0].lost, cids);
    assert_eq!(audits[1].held, 2);
    let mendings = tiers.repair(&audits, |_| {}).await;
    assert!(mendings.iter().all(|mending| mending.outcome.is_ok()));
    let again = tiers.audit(&cids, Depth::Bytes, |_| {}).await;
    assert_eq!(again[0].held, 2);
}

async fn post(bundler: &str, item: &[u8]) -> u16 {
    // A client finds no implementation of TLS otherwise, unless a tier was set up before.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let asked = reqwest::Client::new()
        .post(bundler)
        .header("content-type", "application/octet-stream")
        .body(item.to_vec());
    asked.send().await.unwrap().status().as_u16()
}
