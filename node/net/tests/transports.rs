//! Ways to connect: TCP, QUIC, memory, relays; and what is said when it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm
)]

mod mesh;

use std::time::Duration;

use libp2p::{
    Multiaddr, Transport,
    core::{transport::MemoryTransport, upgrade::Version},
    identity, tls, yamux,
};
use mesh::{Node, PATIENCE, full_mesh, meshed, settings, topic};
use x0_net::{DialError, Discovery, NetConfig, NetError, NetEvent, PeerKey, Protocol, RequestId};

fn on(mut config: NetConfig, listen: &str) -> NetConfig {
    config.listen = vec![listen.parse().unwrap()];
    config
}

async fn gossip_works(nodes: &mut [Node]) {
    meshed(nodes).await;
    nodes[0]
        .net
        .publish(topic(), b"hello".to_vec())
        .await
        .unwrap();
    nodes[1]
        .wait("the message", |event| {
            matches!(event, NetEvent::Message { .. }).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_over_tcp_only() {
    let configs = [1, 2].map(|seed| {
        let mut config = settings(seed);
        config.quic = false;
        config
    });
    gossip_works(&mut full_mesh(configs.into()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_over_quic_only() {
    let configs = [1, 2].map(|seed| {
        let mut config = on(settings(seed), "/ip4/127.0.0.1/udp/0/quic-v1");
        config.tcp = false;
        config
    });
    gossip_works(&mut full_mesh(configs.into()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_over_a_given_memory_transport() {
    let node = |seed: u8, port: u64| {
        let config = on(settings(seed), &format!("/memory/{port}"));
        let mut secret = [seed; 32];
        let secret = identity::ed25519::SecretKey::try_from_bytes(&mut secret).unwrap();
        let keypair = identity::Keypair::from(identity::ed25519::Keypair::from(secret));
        let transport = MemoryTransport::new()
            .upgrade(Version::V1Lazy)
            .authenticate(tls::Config::new(&keypair).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        Node::over(config, transport)
    };
    let (mut one, mut two) = (node(1, 7001), node(2, 7002));
    one.net.admit(vec![two.key]).await.unwrap();
    two.net.admit(vec![one.key]).await.unwrap();
    let address = two.listening().await;

    one.net.dial(two.key, vec![address]).await.unwrap();
    one.link(two.key, true).await;

    gossip_works(&mut [one, two]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_without_an_address_is_reached_through_a_relay() {
    let member = |seed| {
        let mut config = settings(seed);
        config.nat = true;
        config
    };
    let mut relay_config = member(3);
    relay_config.relay_server = true;
    let mut relay = Node::start(relay_config);
    let relay_address = relay.listening().await;
    let circuit: Multiaddr = format!("{relay_address}/p2p/{}/p2p-circuit", relay.key)
        .parse()
        .unwrap();
    let mut hidden = Node::start(on(member(2), &circuit.to_string()));
    let mut caller_config = member(1);
    caller_config.listen.clear();
    let mut caller = Node::start(caller_config);
    let keys = vec![relay.key, hidden.key, caller.key];
    for node in [&relay, &hidden, &caller] {
        node.net.admit(keys.clone()).await.unwrap();
    }

    hidden
        .net
        .dial(relay.key, vec![relay_address.clone()])
        .await
        .unwrap();
    let reserved = hidden.listening().await;
    assert!(reserved.to_string().contains("p2p-circuit"), "{reserved}");
    caller.net.dial(hidden.key, vec![circuit]).await.unwrap();

    caller.link(hidden.key, true).await;
    hidden.link(caller.key, true).await;
    caller
        .net
        .request(
            hidden.key,
            Protocol::Sync,
            RequestId(1),
            b"through".to_vec(),
        )
        .await
        .unwrap();
    hidden
        .wait("the request", |event| match event {
            NetEvent::Request { data, .. } if data == b"through" => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_of_a_peer_is_found_through_another() {
    let mut nodes = full_mesh(vec![settings(1), settings(2)]).await;
    let mut third = Node::plain(3);
    let keys = vec![nodes[0].key, nodes[1].key, third.key];
    for node in nodes.iter().chain([&third]) {
        node.net.admit(keys.clone()).await.unwrap();
    }
    // The second has told the first where it listens.
    let (first, second) = (nodes[0].key, nodes[1].key);
    nodes[0]
        .wait(
            "addresses by identify",
            discovered(second, Discovery::Identify),
        )
        .await;
    let address = nodes[0].net.addresses().await.unwrap().listen[0].clone();
    third.net.dial(first, vec![address]).await.unwrap();
    third.link(first, true).await;
    // Whom the third may ask, it learns from the first's identify, which announces nothing new: so it asks
    // until it is told.
    let net = third.net.clone();
    let asking = tokio::spawn(async move {
        loop {
            net.find(second).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    // A look-up dials whom it hears of by itself, which serves the purpose as well.
    let is_linked = third
        .wait("addresses by look-up", |event| match event {
            NetEvent::Discovered { peer, by, .. } => {
                (*peer == second && *by == Discovery::Kademlia).then_some(false)
            }
            NetEvent::LinkUp { peer, .. } => (*peer == second).then_some(true),
            _ => None,
        })
        .await;
    asking.abort();

    if !is_linked {
        third.net.dial(second, vec![]).await.unwrap();
        third.link(second, true).await;
    }
    nodes[1].link(third.key, true).await;
}

fn discovered(wanted: PeerKey, how: Discovery) -> impl FnMut(&NetEvent) -> Option<()> {
    move |event| match event {
        NetEvent::Discovered { peer, by, .. } => (*peer == wanted && *by == how).then_some(()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_port_is_named_with_the_mend() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());

    let error = x0_net::spawn(on(settings(1), &address)).err().unwrap();

    assert!(matches!(error, NetError::AddressInUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&address) && error.to_string().contains("set another port"));
}

#[test]
fn spawn_outside_a_runtime_says_so() {
    assert!(matches!(
        x0_net::spawn(settings(1)),
        Err(NetError::NoRuntime)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_dials_say_who_and_why() {
    let (mut one, mut two) = (Node::plain(1), Node::plain(2));
    let address = two.listening().await;
    let failure = |wanted: PeerKey| {
        move |event: &NetEvent| match event {
            NetEvent::DialFailed { peer, error, .. } if *peer == wanted => Some(error.clone()),
            _ => None,
        }
    };

    let absent =
        PeerKey::try_from(identity::Keypair::generate_ed25519().public().to_peer_id()).unwrap();
    one.net.dial(absent, vec![]).await.unwrap();
    assert_eq!(
        one.wait("the failure", failure(absent)).await,
        DialError::NoAddress
    );

    one.net.dial(absent, vec![address]).await.unwrap();
    assert_eq!(
        one.wait("the failure", failure(absent)).await,
        DialError::WrongPeer {
            found: two.key.to_string()
        }
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    one.net
        .dial(
            absent,
            vec![format!("/ip4/127.0.0.1/tcp/{closed}").parse().unwrap()],
        )
        .await
        .unwrap();
    let DialError::Unreachable(tried) = one.wait("the failure", failure(absent)).await else {
        panic!("somebody answered on a closed port");
    };
    assert!(tried[0].1.contains("refused"), "{tried:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_dials_are_under_way_than_allowed() {
    const DIALS: u8 = 12;
    // A host that accepts and says nothing holds each dial until it hangs up.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", mute.local_addr().unwrap().port())
        .parse()
        .unwrap();
    let mut config = settings(1);
    config.limits.dials_in_flight_max = 4;
    let mut node = Node::start(config);
    let peer = |seed: u8| {
        let secret = identity::ed25519::SecretKey::try_from_bytes([seed; 32]).unwrap();
        let public = identity::ed25519::Keypair::from(secret).public();
        PeerKey(public.to_bytes())
    };
    for seed in 100..100 + DIALS {
        node.net
            .dial(peer(seed), vec![address.clone()])
            .await
            .unwrap();
    }

    // Three of the four places are for us: they fill, and free up only as dials end.
    for _ in 0..DIALS / 3 {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(
                tokio::time::timeout(PATIENCE, mute.accept())
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        drop(held);
    }
    for _ in 0..DIALS {
        node.wait("the failure", |event| {
            matches!(event, NetEvent::DialFailed { .. }).then_some(())
        })
        .await;
    }

    assert_eq!(node.net.metrics().dials, u64::from(DIALS));
    assert_eq!(node.net.metrics().dials_peak, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_frees_the_port_and_ends_events() {
    let mut first = Node::plain(1);
    let address = first.listening().await;

    first.net.shutdown().await;

    first.ended().await;
    let again = Node::start(on(settings(2), &address.to_string()));
    assert_ne!(again.key, first.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_is_that_of_the_seed() {
    let node = Node::plain(42);
    let secret = identity::ed25519::SecretKey::try_from_bytes([42; 32]).unwrap();
    let expected = identity::ed25519::Keypair::from(secret).public().to_bytes();
    assert_eq!(node.key, PeerKey(expected));
}
