//! Embedded IPFS nodes among themselves, on the loopback.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

mod shared;

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use shared::{CHUNK_BYTES, NO_LIMIT, config, node, raw, root, start, tree};
use x0_tiers::{
    Dht, Forgotten, IpfsConfig, IpfsTier, Multiaddr, PinError, StartError, Tier as _, TierError,
    TreeLimits, Unpinned,
};

async fn connect(one: &IpfsTier, to: &IpfsTier) {
    let address = to.addresses().await.unwrap().remove(0);
    assert_eq!(one.connect(address).await.unwrap(), to.peer_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_fetched_from_a_peer_and_then_held_without_it() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let keeper = start(dirs[1].path()).await;
    let blocks = tree(1, 40, CHUNK_BYTES);
    author.put_many(blocks.clone()).await.unwrap();
    connect(&keeper, &author).await;

    let mut seen = 0;
    let done = keeper
        .pin_tree(root(&blocks), &[], NO_LIMIT, |progress| {
            assert!(progress.blocks > seen);
            seen = progress.blocks;
        })
        .await
        .unwrap();
    assert_eq!(done.blocks, blocks.len() as u64);
    assert_eq!(
        (done.fetched, done.missing, seen),
        (done.blocks, 0, done.blocks)
    );
    author.close().await;
    for block in &blocks {
        assert_eq!(keeper.get(block.cid()).await.unwrap(), *block);
    }
    let stats = keeper.stats().await.unwrap();
    assert_eq!(
        (stats.held.blocks, stats.held.bytes),
        (done.blocks, done.bytes)
    );
    assert_eq!(stats.pins, (1, 1));
    assert_eq!(stats.traffic.blocks_received, done.blocks);
    assert_eq!(stats.traffic.blocks_refused, 0, "nothing came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_over_quic_as_well() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = IpfsTier::start(IpfsConfig {
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()],
        ..config(dirs[0].path())
    });
    let author = author.await.unwrap();
    let keeper = start(dirs[1].path()).await;
    let blocks = tree(1, 40, CHUNK_BYTES);
    author.put_many(blocks.clone()).await.unwrap();
    connect(&keeper, &author).await;
    let pinned = keeper.pin_tree(root(&blocks), &[], NO_LIMIT, |_| ());
    assert_eq!(pinned.await.unwrap().fetched, blocks.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_comes_when_the_one_who_has_it_connects() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let reader = start(dirs[1].path()).await;
    let block = raw(1, CHUNK_BYTES);
    author.put(&block).await.unwrap();
    let (got, ()) = tokio::join!(reader.get(block.cid()), connect(&author, &reader));
    assert_eq!(got.unwrap(), block);
    assert!(
        !reader.holds(block.cid()).await.unwrap(),
        "reading keeps nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_waits_for_a_block_gets_it_when_it_is_put() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let reader = start(dirs[1].path()).await;
    connect(&reader, &author).await;
    let block = raw(1, CHUNK_BYTES);
    let asked = async {
        // Whether the author hears of the want before or after it has the block, it gives it.
        while reader.stats().await.unwrap().traffic.wanted == 0 {
            tokio::task::yield_now().await;
        }
        author.put(&block).await.unwrap();
    };
    let (got, ()) = tokio::join!(reader.get(block.cid()), asked);
    assert_eq!(got.unwrap(), block);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_broke_off_goes_on_where_it_was() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let keeper = start(dirs[1].path()).await;
    let blocks = tree(1, 40, 1000);
    author.put_many(blocks.clone()).await.unwrap();
    connect(&keeper, &author).await;
    let limits = TreeLimits {
        blocks_max: u64::MAX,
        bytes_max: 30_000,
    };
    let broken = keeper.pin_tree(root(&blocks), &[], limits, |_| ()).await;
    assert!(
        matches!(broken, Err(PinError::TooLarge { .. })),
        "{broken:?}"
    );
    let pins = keeper.pins().await.unwrap();
    assert!(!pins[0].1.is_complete);
    let before = keeper.stats().await.unwrap().held.blocks;
    assert!(before > 10, "{before} blocks of the first try are here");

    keeper.close().await;
    drop(keeper);
    let keeper = start(dirs[1].path()).await;
    connect(&keeper, &author).await;
    let done = keeper
        .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
        .await
        .unwrap();
    assert_eq!(done.blocks, blocks.len() as u64);
    assert_eq!(done.fetched, done.blocks - before);
    assert!(keeper.pins().await.unwrap()[0].1.is_complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_over_its_limit_is_refused_before_it_is_fetched() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let keeper = start(dirs[1].path()).await;
    let blocks = tree(1, 400, 1000);
    author.put_many(blocks.clone()).await.unwrap();
    connect(&keeper, &author).await;
    let limits = TreeLimits {
        blocks_max: 50,
        bytes_max: u64::MAX,
    };
    let refused = keeper.pin_tree(root(&blocks), &[], limits, |_| ()).await;
    assert!(
        matches!(refused, Err(PinError::TooLarge { .. })),
        "{refused:?}"
    );
    assert!(keeper.stats().await.unwrap().held.blocks <= 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_leaves_when_nobody_holds_it_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let tier = start(dir.path()).await;
    let shared = raw(1, 1000);
    let own = raw(2, 1000);
    let first = node(&[*shared.cid(), *own.cid()]);
    let second = node(&[*shared.cid()]);
    let all = [&shared, &own, &first, &second];
    tier.put_many(all.into_iter().cloned().collect())
        .await
        .unwrap();
    for tree in [&first, &second] {
        let done = tier
            .pin_tree(*tree.cid(), &[], NO_LIMIT, |_| ())
            .await
            .unwrap();
        assert_eq!(done.fetched, 0);
    }
    for block in [&shared, &first, &second] {
        let refused = tier.forget(block.cid()).await;
        assert!(
            matches!(refused, Err(TierError::Refused { .. })),
            "{refused:?}"
        );
    }

    let unpinned = tier.unpin(*first.cid()).await.unwrap();
    assert_eq!(
        unpinned,
        Unpinned { gone: 0, kept: 3 },
        "this node put them"
    );
    assert_eq!(tier.forget(own.cid()).await.unwrap(), Forgotten::Gone);
    assert!(!tier.holds(own.cid()).await.unwrap());
    assert_eq!(
        tier.unpin(*second.cid()).await.unwrap(),
        Unpinned { gone: 0, kept: 2 }
    );
    assert_eq!(
        tier.unpin(*second.cid()).await.unwrap(),
        Unpinned::default()
    );
    for block in [&shared, &first, &second] {
        assert_eq!(tier.forget(block.cid()).await.unwrap(), Forgotten::Gone);
    }
    assert_eq!(tier.stats().await.unwrap().held.blocks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetched_tree_leaves_with_its_pin() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let author = start(dirs[0].path()).await;
    let keeper = start(dirs[1].path()).await;
    let blocks = tree(1, 9, 1000);
    author.put_many(blocks.clone()).await.unwrap();
    connect(&keeper, &author).await;
    keeper
        .pin_tree(root(&blocks), &[author.peer_id()], NO_LIMIT, |_| ())
        .await
        .unwrap();
    let count = blocks.len() as u64;
    assert_eq!(
        keeper.unpin(root(&blocks)).await.unwrap(),
        Unpinned {
            gone: count,
            kept: 0
        }
    );
    assert_eq!(keeper.stats().await.unwrap().held.blocks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_nobody_has_is_not_found_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.fetch_wait = Duration::from_millis(50);
    let tier = IpfsTier::start(config).await.unwrap();
    let missing = tier.get(raw(1, 10).cid()).await;
    assert!(
        matches!(missing, Err(TierError::NotFound { .. })),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_found_and_fetched_through_the_dht_of_a_third_node() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let in_dht = |at: usize, bootstrap: &[Multiaddr]| IpfsConfig {
        dht: Dht::Lan,
        provide: true,
        bootstrap: bootstrap.to_vec(),
        ..config(dirs[at].path())
    };
    let server = IpfsTier::start(in_dht(0, &[])).await.unwrap();
    let bootstrap = server.addresses().await.unwrap();
    server.announce(bootstrap[0].clone()).await.unwrap();

    let author = IpfsTier::start(in_dht(1, &bootstrap)).await.unwrap();
    author
        .announce(author.addresses().await.unwrap().remove(0))
        .await
        .unwrap();
    let blocks = tree(1, 8, 1000);
    author.put_many(blocks.clone()).await.unwrap();
    author
        .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
        .await
        .unwrap();

    let reader = IpfsTier::start(in_dht(2, &bootstrap)).await.unwrap();
    while reader.providers(root(&blocks)).await.unwrap() != [author.peer_id()] {
        tokio::task::yield_now().await;
    }
    let done = reader
        .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
        .await
        .unwrap();
    assert_eq!(done.fetched, blocks.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dht_that_knows_nobody_is_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.dht = Dht::Lan;
    let tier = IpfsTier::start(config).await.unwrap();
    let refused = tier.provide(*raw(1, 10).cid()).await;
    assert!(
        matches!(refused, Err(TierError::Unreachable { .. })),
        "{refused:?}"
    );
    assert_eq!(tier.stats().await.unwrap().traffic.dht_peers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dht_nobody_is_told_or_asked() {
    let dir = tempfile::tempdir().unwrap();
    let tier = start(dir.path()).await;
    let cid = *raw(1, 10).cid();
    assert!(matches!(
        tier.provide(cid).await,
        Err(TierError::Refused { .. })
    ));
    assert!(matches!(
        tier.providers(cid).await,
        Err(TierError::Refused { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_dht_s_node_does_not_dial_its_own_network() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let other = start(dirs[0].path()).await;
    let mut config = config(dirs[1].path());
    config.dht = Dht::Public;
    let public = IpfsTier::start(config).await.unwrap();
    let address = other.addresses().await.unwrap().remove(0);
    let refused = public.connect(address).await;
    assert!(
        matches!(refused, Err(TierError::Unreachable { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_lasts_and_belongs_to_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tier = start(dir.path()).await;
    let peer = tier.peer_id();
    let second = IpfsTier::start(config(dir.path())).await;
    assert!(
        matches!(second, Err(StartError::Store(_))),
        "two nodes on one directory"
    );
    tier.close().await;
    assert!(matches!(
        tier.addresses().await,
        Err(TierError::Unreachable { .. })
    ));
    drop(tier);
    let key = dir.path().join("ipfs.key");
    assert_eq!(
        std::fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(start(dir.path()).await.peer_id(), peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let mut config = config(dir.path());
    config.listen = vec![address.parse().unwrap()];
    let taken = IpfsTier::start(config).await.err().unwrap();
    assert!(taken.to_string().contains(&address), "{taken}");
}
