//! Nodes on loopback for tests: start them, connect them, wait for what they report.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm
)]

use std::{collections::VecDeque, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    core::{muxing::StreamMuxerBox, transport::Boxed},
};
use x0_net::{
    InboundRequest, NetConfig, NetEvent, NetEvents, NetHandle, PeerKey, Protocol, RequestError,
    RequestId, Topic,
};
use zeroize::Zeroizing;

/// Longest wait for anything; generous, since tests share a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running node with the events it has not been asked about yet.
pub(crate) struct Node {
    pub(crate) net: NetHandle,
    pub(crate) key: PeerKey,
    events: NetEvents,
    seen: VecDeque<NetEvent>,
}

/// Settings for a quiet node on TCP loopback: nothing runs but what a test turns on.
pub(crate) fn settings(seed: u8) -> NetConfig {
    let mut config = NetConfig::new(Zeroizing::new([seed; 32]), "test");
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    config.topics = vec![topic()];
    config.gossip.heartbeat = Duration::from_millis(200);
    config.nat = false;
    config
}

pub(crate) fn topic() -> Topic {
    Topic::new("acts").unwrap()
}

impl Node {
    pub(crate) fn start(config: NetConfig) -> Self {
        let (net, events) = x0_net::spawn(config).unwrap();
        Self {
            key: net.local(),
            net,
            events,
            seen: VecDeque::new(),
        }
    }

    pub(crate) fn over(config: NetConfig, transport: Boxed<(PeerId, StreamMuxerBox)>) -> Self {
        let (net, events) = x0_net::spawn_with_transport(config, transport).unwrap();
        Self {
            key: net.local(),
            net,
            events,
            seen: VecDeque::new(),
        }
    }

    pub(crate) fn plain(seed: u8) -> Self {
        Self::start(settings(seed))
    }

    /// Waits for an event that `pick` makes something of; others are kept for later calls.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&NetEvent) -> Option<T>,
    ) -> T {
        let mut found = None;
        let wanted = |event: &NetEvent| {
            found = pick(event);
            found.is_some()
        };
        self.take(what, wanted).await;
        found.unwrap()
    }

    /// Waits for a wanted event and gives it away; others are kept for later calls.
    pub(crate) async fn take(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&NetEvent) -> bool,
    ) -> NetEvent {
        if let Some(at) = self.seen.iter().position(&mut wanted) {
            return self.seen.remove(at).unwrap();
        }
        let search = async {
            loop {
                let event = self.events.next().await.expect("the node has stopped");
                if wanted(&event) {
                    return event;
                }
                self.seen.push_back(event);
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(event) => event,
            Err(_) => panic!("waited in vain for {what}; seen: {:#?}", self.seen),
        }
    }

    /// Waits for a request and gives the right to answer it away.
    pub(crate) async fn asked(&mut self, wanted: Protocol) -> (InboundRequest, Vec<u8>, bool) {
        let is_wanted = |event: &NetEvent| matches!(event, NetEvent::Request { protocol, .. } if *protocol == wanted);
        match self.take("a request", is_wanted).await {
            NetEvent::Request {
                token,
                data,
                admitted,
                ..
            } => (token, data, admitted),
            other => panic!("{other:?} is no request"),
        }
    }

    /// Waits for the outcome of a request of this node.
    pub(crate) async fn outcome(&mut self, wanted: u64) -> Result<Vec<u8>, RequestError> {
        self.wait("an answer", |event| match event {
            NetEvent::Response { id, result, .. } if *id == RequestId(wanted) => {
                Some(result.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until there will be no more events.
    pub(crate) async fn ended(&mut self) {
        let drain = async { while self.events.next().await.is_some() {} };
        assert!(
            tokio::time::timeout(PATIENCE, drain).await.is_ok(),
            "the node runs on"
        );
    }

    /// Returns the events that no wait has taken.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &NetEvent> {
        self.seen.iter()
    }

    pub(crate) async fn listening(&mut self) -> Multiaddr {
        self.wait("a listening address", |event| match event {
            NetEvent::Listening(address) => Some(address.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the link with a peer comes up, admitted or not.
    pub(crate) async fn link(&mut self, with: PeerKey, want_admitted: bool) {
        self.wait("a link", |event| match event {
            NetEvent::LinkUp { peer, admitted, .. } => {
                (*peer == with && *admitted == want_admitted).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// Collects whatever has been reported already.
    pub(crate) async fn settle(&mut self) {
        // Commands are obeyed in order, so the answer comes after what was reported before it.
        self.net.peers().await.unwrap();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, self.events.next()).await {
            self.seen.push_back(event);
        }
    }

    /// Waits until a condition on the node's own view holds, looking again at every tick.
    pub(crate) async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut(NetHandle) -> F,
    ) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let watch = async {
            while !holds(self.net.clone()).await {
                tick.tick().await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, watch).await.is_ok(),
            "waited in vain for {what}"
        );
    }
}

/// Starts nodes that admit each other and are connected in a full mesh.
pub(crate) async fn full_mesh(configs: Vec<NetConfig>) -> Vec<Node> {
    let mut nodes: Vec<_> = configs.into_iter().map(Node::start).collect();
    let keys: Vec<_> = nodes.iter().map(|node| node.key).collect();
    let mut addresses = Vec::new();
    for node in &mut nodes {
        node.net.admit(keys.clone()).await.unwrap();
        addresses.push(node.listening().await);
    }
    for dialler in 0..nodes.len() {
        for listener in 0..dialler {
            let (key, address) = (keys[listener], addresses[listener].clone());
            nodes[dialler].net.dial(key, vec![address]).await.unwrap();
            nodes[dialler].link(key, true).await;
            let from = keys[dialler];
            nodes[listener].link(from, true).await;
        }
    }
    nodes
}

/// Waits until every node has all others in the mesh of the topic.
pub(crate) async fn meshed(nodes: &[Node]) {
    let others = nodes.len() - 1;
    for node in nodes {
        node.until("the gossip mesh", |net| async move {
            let peers = net.peers().await.unwrap();
            peers
                .iter()
                .filter(|peer| !peer.in_mesh_topics.is_empty())
                .count()
                == others
        })
        .await;
    }
}
