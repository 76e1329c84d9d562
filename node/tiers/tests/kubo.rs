//! The IPFS tier and Kubo, the IPFS node written in Go, on the loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by it what did not come"
)]

#[path = "shared/peer.rs"]
mod peer;
mod shared;

use libp2p::multiaddr::Protocol;
use peer::Peer;
use shared::{CHUNK_BYTES, NO_LIMIT, config, root, start, tree};
use x0_tiers::{Dht, IpfsConfig, IpfsTier, Multiaddr, Tier as _};

fn by(kubo: &Peer, is_it: impl Fn(&Protocol<'_>) -> bool) -> Multiaddr {
    let has_it = |address: &&Multiaddr| address.iter().any(|part| is_it(&part));
    kubo.addresses.iter().find(has_it).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_fetches_a_tree_from_x0_and_gives_it_to_another_x0() {
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut kubo = Peer::kubo(dirs[0].path());
    let author = start(dirs[1].path()).await;
    let blocks = tree(1, 40, CHUNK_BYTES);
    author.put_many(blocks.clone()).await.unwrap();
    let address = author.addresses().await.unwrap().remove(0);
    assert_eq!(kubo.order(&format!("connect {address}")), 0);
    assert_eq!(kubo.order(&format!("pin {}", root(&blocks))), 0);
    let leaf = &blocks[7];
    let fetched = kubo.order(&format!("fetch {}", leaf.cid()));
    let fetched = std::fs::read(fetched.as_str().unwrap()).unwrap();
    assert_eq!(fetched, *leaf.bytes());
    let sent = author.stats().await.unwrap().traffic;
    assert!(sent.blocks_sent >= blocks.len() as u64, "{sent:?}");
    author.close().await;

    for (dir, transport) in [(&dirs[2], Protocol::Tcp(0)), (&dirs[3], Protocol::QuicV1)] {
        let keeper = start(dir.path()).await;
        let address = by(&kubo, |part| part.tag() == transport.tag());
        assert_eq!(keeper.connect(address).await.unwrap(), kubo.id);
        let done = keeper
            .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
            .await
            .unwrap();
        assert_eq!(
            (done.blocks, done.fetched),
            (blocks.len() as u64, blocks.len() as u64)
        );
        for block in &blocks {
            assert_eq!(keeper.get(block.cid()).await.unwrap(), *block);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_found_through_kubo_s_dht_and_fetched_from_who_provides_it() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let kubo = Peer::kubo(dirs[0].path());
    let in_dht = |at: usize| IpfsConfig {
        dht: Dht::Lan,
        provide: true,
        bootstrap: vec![by(&kubo, |part| matches!(part, Protocol::Tcp(_)))],
        ..config(dirs[at].path())
    };
    let author = IpfsTier::start(in_dht(1)).await.unwrap();
    let address = author.addresses().await.unwrap().remove(0);
    author.announce(address).await.unwrap();
    let blocks = tree(1, 8, 1000);
    author.put_many(blocks.clone()).await.unwrap();
    author
        .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
        .await
        .unwrap();

    let reader = IpfsTier::start(in_dht(2)).await.unwrap();
    while !reader
        .providers(root(&blocks))
        .await
        .unwrap()
        .contains(&author.peer_id())
    {
        tokio::task::yield_now().await;
    }
    let done = reader
        .pin_tree(root(&blocks), &[], NO_LIMIT, |_| ())
        .await
        .unwrap();
    assert_eq!(done.fetched, blocks.len() as u64);
    let received = author.stats().await.unwrap().traffic.blocks_sent;
    assert!(received >= 1, "it came from its author");
}
