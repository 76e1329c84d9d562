//! What strangers can do, and how they become members and cease to be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm
)]

mod mesh;

use std::time::Duration;

use mesh::{Node, full_mesh, meshed, settings, topic};
use x0_net::{DownReason, NetEvent, Protocol, PublishError, RequestError, RequestId};

/// Waits for a request and answers it; returns what was asked and whether by a member.
async fn answer(node: &mut Node, wanted: Protocol, answer: &[u8]) -> (Vec<u8>, bool) {
    let (token, data, admitted) = node.asked(wanted).await;
    node.net.respond(token, answer.to_vec()).await.unwrap();
    (data, admitted)
}

/// Connects two nodes that do not admit each other.
async fn strangers() -> (Node, Node) {
    let (mut dialler, mut listener) = (Node::plain(1), Node::plain(2));
    let address = listener.listening().await;
    dialler.net.dial(listener.key, vec![address]).await.unwrap();
    dialler.link(listener.key, false).await;
    listener.link(dialler.key, false).await;
    (dialler, listener)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_exchange_hello_both_ways() {
    let (mut one, mut two) = strangers().await;

    one.net
        .request(
            two.key,
            Protocol::Hello,
            RequestId(1),
            b"let me in".to_vec(),
        )
        .await
        .unwrap();
    assert_eq!(
        answer(&mut two, Protocol::Hello, b"who are you").await,
        (b"let me in".to_vec(), false)
    );
    assert_eq!(one.outcome(1).await, Ok(b"who are you".to_vec()));

    two.net
        .request(one.key, Protocol::Hello, RequestId(2), b"and you?".to_vec())
        .await
        .unwrap();
    assert_eq!(
        answer(&mut one, Protocol::Hello, b"one").await,
        (b"and you?".to_vec(), false)
    );
    assert_eq!(two.outcome(2).await, Ok(b"one".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_stranger_is_disconnected_and_may_be_dialled_again() {
    let start = |seed| {
        let mut config = settings(seed);
        config.idle = Duration::from_millis(300);
        Node::start(config)
    };
    let (mut dialler, mut listener) = (start(1), start(2));
    let address = listener.listening().await;
    for _ in 0..2 {
        dialler
            .net
            .dial(listener.key, vec![address.clone()])
            .await
            .unwrap();
        dialler.link(listener.key, false).await;

        let is_down = |event: &NetEvent| matches!(event, NetEvent::LinkDown { .. });
        let down = dialler.take("the end", is_down).await;

        let NetEvent::LinkDown { reason, .. } = down else {
            unreachable!("it was asked for")
        };
        assert_ne!(reason, DownReason::HelloTimeout, "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_reaches_neither_sync_nor_gossip() {
    let mut members = full_mesh(vec![settings(1), settings(2)]).await;
    meshed(&members).await;
    let mut stranger = Node::plain(3);
    // The stranger would speak everything with the member; the member does not admit it.
    stranger.net.admit(vec![members[0].key]).await.unwrap();
    let address = members[0].net.addresses().await.unwrap().listen[0].clone();
    stranger
        .net
        .dial(members[0].key, vec![address])
        .await
        .unwrap();
    stranger.link(members[0].key, true).await;
    let stranger_key = stranger.key;
    members[0].link(stranger_key, false).await;

    stranger
        .net
        .request(
            members[0].key,
            Protocol::Sync,
            RequestId(1),
            b"tell me all".to_vec(),
        )
        .await
        .unwrap();
    assert_eq!(stranger.outcome(1).await, Err(RequestError::Unsupported));

    let refused = stranger.net.publish(topic(), b"spam".to_vec()).await;
    assert!(
        matches!(refused, Err(PublishError::NoPeers { .. })),
        "{refused:?}"
    );

    members[0]
        .net
        .request(stranger_key, Protocol::Sync, RequestId(2), vec![1])
        .await
        .unwrap();
    assert_eq!(members[0].outcome(2).await, Err(RequestError::NotAdmitted));

    // A message among members passes the stranger by: a hello that follows it on the stranger's
    // own connection arrives, the message does not.
    members[0]
        .net
        .publish(topic(), b"members only".to_vec())
        .await
        .unwrap();
    members[1]
        .wait("the message", |event| {
            matches!(event, NetEvent::Message { .. }).then_some(())
        })
        .await;
    members[0]
        .net
        .request(stranger_key, Protocol::Hello, RequestId(3), vec![])
        .await
        .unwrap();
    answer(&mut stranger, Protocol::Hello, b"").await;
    assert!(
        !stranger
            .seen()
            .any(|event| matches!(event, NetEvent::Message { .. }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_admit_each_other_become_members_without_losing_a_hello() {
    for listener_first in [true, false] {
        let (mut dialler, mut listener) = strangers().await;
        dialler
            .net
            .request(
                listener.key,
                Protocol::Hello,
                RequestId(1),
                b"join".to_vec(),
            )
            .await
            .unwrap();
        let (token, ..) = listener.asked(Protocol::Hello).await;

        if listener_first {
            listener.net.admit(vec![dialler.key]).await.unwrap();
            dialler.net.admit(vec![listener.key]).await.unwrap();
        } else {
            dialler.net.admit(vec![listener.key]).await.unwrap();
            listener.net.admit(vec![dialler.key]).await.unwrap();
        }
        dialler.link(listener.key, true).await;
        listener.link(dialler.key, true).await;

        // The hello was open all the while and is answered on the old connection.
        listener
            .net
            .respond(token, b"welcome".to_vec())
            .await
            .unwrap();
        assert_eq!(dialler.outcome(1).await, Ok(b"welcome".to_vec()));
        dialler
            .net
            .request(listener.key, Protocol::Sync, RequestId(2), b"?".to_vec())
            .await
            .unwrap();
        assert!(answer(&mut listener, Protocol::Sync, b"!").await.1);
        assert_eq!(dialler.outcome(2).await, Ok(b"!".to_vec()));
        for (node, other) in [(&dialler, listener.key), (&listener, dialler.key)] {
            node.until("the old connection to be closed", |net| async move {
                net.peers()
                    .await
                    .unwrap()
                    .iter()
                    .any(|peer| peer.peer == other && peer.addresses.len() == 1)
            })
            .await;
            let regated = node.seen().any(|event| {
                matches!(
                    event,
                    NetEvent::LinkDown {
                        reason: DownReason::Regated,
                        ..
                    }
                )
            });
            assert!(regated, "the change from stranger to member is told");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialler_that_admits_beforehand_becomes_member_when_the_listener_admits_it() {
    let (mut dialler, mut listener) = (Node::plain(1), Node::plain(2));
    dialler.net.admit(vec![listener.key]).await.unwrap();
    let address = listener.listening().await;
    dialler.net.dial(listener.key, vec![address]).await.unwrap();
    dialler.link(listener.key, true).await;
    listener.link(dialler.key, false).await;

    listener.net.admit(vec![dialler.key]).await.unwrap();

    listener.link(dialler.key, true).await;
    meshed(&[dialler, listener]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expelled_peer_is_cut_off_and_cannot_return() {
    let mut nodes = full_mesh(vec![settings(1), settings(2)]).await;
    let (expelled, address) = (
        nodes[1].key,
        nodes[0].net.addresses().await.unwrap().listen[0].clone(),
    );
    let keeper = nodes[0].key;

    nodes[0].net.expel(expelled).await.unwrap();

    let reason = nodes[0].wait("the cut", down_with(expelled)).await;
    assert_eq!(reason, DownReason::Expelled);
    nodes[1].wait("the cut", down_with(keeper)).await;

    // The handshake succeeds before the peer is known, so the dial may look established for a
    // moment; the keeper never has a link, and the other side ends up without one.
    nodes[1].net.dial(keeper, vec![address]).await.unwrap();
    nodes[1]
        .wait("the refusal", |event| match event {
            NetEvent::DialFailed { .. } => Some(()),
            NetEvent::LinkDown { peer, .. } if *peer == keeper => Some(()),
            _ => None,
        })
        .await;
    nodes[0].settle().await;
    assert!(nodes[0].net.peers().await.unwrap().is_empty());
    assert!(nodes[0].net.metrics().connections_refused >= 1);

    let own_address = nodes[1].net.addresses().await.unwrap().listen[0].clone();
    nodes[0]
        .net
        .dial(expelled, vec![own_address])
        .await
        .unwrap();
    nodes[0]
        .wait("the refusal", |event| {
            matches!(event, NetEvent::DialFailed { .. }).then_some(())
        })
        .await;
}

fn down_with(wanted: x0_net::PeerKey) -> impl FnMut(&NetEvent) -> Option<DownReason> {
    move |event| match event {
        NetEvent::LinkDown { peer, reason } if *peer == wanted => Some(reason.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_that_is_not_admitted_in_time_is_disconnected() {
    let mut hasty = settings(1);
    hasty.hello_timeout = Duration::from_millis(300);
    let (mut host, mut stranger) = (Node::start(hasty), Node::plain(2));
    let address = host.listening().await;

    stranger.net.dial(host.key, vec![address]).await.unwrap();

    let guest = stranger.key;
    assert_eq!(
        host.wait("the cut", down_with(guest)).await,
        DownReason::HelloTimeout
    );
    stranger.wait("the cut", down_with(host.key)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_limited_in_number_and_members_are_not_counted() {
    let mut narrow = settings(1);
    narrow.limits.strangers_max = 1;
    let mut host = Node::start(narrow);
    let address = host.listening().await;
    let (first, mut second, mut member) = (Node::plain(2), Node::plain(3), Node::plain(4));
    host.net.admit(vec![member.key]).await.unwrap();
    first
        .net
        .dial(host.key, vec![address.clone()])
        .await
        .unwrap();
    host.link(first.key, false).await;

    second
        .net
        .dial(host.key, vec![address.clone()])
        .await
        .unwrap();
    second
        .wait("the refusal", |event| {
            matches!(
                event,
                NetEvent::DialFailed { .. } | NetEvent::LinkDown { .. }
            )
            .then_some(())
        })
        .await;

    member.net.dial(host.key, vec![address]).await.unwrap();
    host.link(member.key, true).await;
    member.link(host.key, false).await;
    let connected: Vec<_> = host
        .net
        .peers()
        .await
        .unwrap()
        .iter()
        .map(|peer| peer.peer)
        .collect();
    assert!(connected.contains(&first.key) && !connected.contains(&second.key));
}
