//! The two ends of a running swarm: commands go in by [`NetHandle`], events come out by [`NetEvents`].
//!
//! Both queues are bounded. A full command queue makes the `async` methods wait and the `try_`
//! methods return [`CallError::Busy`] with nothing done. The driver never waits for the
//! application: with a full event queue it drops messages (ignored, so that nobody is penalised),
//! requests (the peer gets `Refused`) and discoveries, counts them, and keeps every link event,
//! answer and failure.

use std::sync::Arc;

use libp2p::Multiaddr;
use tokio::sync::{mpsc, oneshot};

use crate::{
    api::{
        Addresses, InboundRequest, MessageRef, NetEvent, PeerKey, PeerSnapshot, Protocol,
        RequestId, Topic, Verdict,
    },
    error::{CallError, NetError, PublishError},
    traffic::{Counters, NetMetrics},
};

/// A clone-able handle on a running swarm; when the last one is dropped the swarm shuts down.
#[derive(Clone, Debug)]
pub struct NetHandle {
    local: PeerKey,
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
}

/// The events of a running swarm.
#[derive(Debug)]
pub struct NetEvents {
    events: mpsc::Receiver<NetEvent>,
}

impl NetEvents {
    pub(crate) fn new(events: mpsc::Receiver<NetEvent>) -> Self {
        Self { events }
    }

    /// Waits for the next event; `None` after shutdown.
    pub async fn next(&mut self) -> Option<NetEvent> {
        self.events.recv().await
    }
}

/// What the driver is told.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        topic: Topic,
        data: Vec<u8>,
        reply: Option<oneshot::Sender<Result<[u8; 32], PublishError>>>,
    },
    Report {
        message: MessageRef,
        verdict: Verdict,
    },
    Subscribe(Topic),
    Unsubscribe(Topic),
    Request {
        peer: PeerKey,
        protocol: Protocol,
        id: RequestId,
        data: Vec<u8>,
    },
    Respond {
        token: InboundRequest,
        data: Vec<u8>,
    },
    Dial {
        peer: PeerKey,
        addresses: Vec<Multiaddr>,
    },
    Disconnect(PeerKey),
    Admit(Vec<PeerKey>),
    Expel(PeerKey),
    AddAddress {
        peer: PeerKey,
        address: Multiaddr,
    },
    Find(PeerKey),
    Listen {
        address: Multiaddr,
        reply: oneshot::Sender<Result<(), NetError>>,
    },
    Peers(oneshot::Sender<Vec<PeerSnapshot>>),
    Addresses(oneshot::Sender<Addresses>),
    Shutdown(oneshot::Sender<()>),
}

impl NetHandle {
    pub(crate) fn new(
        local: PeerKey,
        commands: mpsc::Sender<Command>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            local,
            commands,
            counters,
        }
    }

    /// Returns this node's own key.
    pub fn local(&self) -> PeerKey {
        self.local
    }

    /// Publishes a message to a topic and returns its id, the SHA-256 of the data.
    ///
    /// # Errors
    /// [`PublishError`]; the message was not kept for later.
    pub async fn publish(&self, topic: Topic, data: Vec<u8>) -> Result<[u8; 32], PublishError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Publish {
            topic,
            data,
            reply: Some(reply),
        })
        .await?;
        answer.await.map_err(|_| CallError::Closed)?
    }

    /// Publishes without waiting for the outcome, which is logged only.
    ///
    /// # Errors
    /// [`CallError`]: the command was not taken.
    pub fn try_publish(&self, topic: Topic, data: Vec<u8>) -> Result<(), CallError> {
        self.try_send(Command::Publish {
            topic,
            data,
            reply: None,
        })
    }

    /// Gives the verdict on a message; to be called once per message, within 10 heartbeats.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn report(&self, message: MessageRef, verdict: Verdict) -> Result<(), CallError> {
        self.send(Command::Report { message, verdict }).await
    }

    /// As [`Self::report`], without waiting.
    ///
    /// # Errors
    /// [`CallError`]: the verdict was not taken; without one the message is not forwarded.
    pub fn try_report(&self, message: MessageRef, verdict: Verdict) -> Result<(), CallError> {
        self.try_send(Command::Report { message, verdict })
    }

    /// Takes part in a topic.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn subscribe(&self, topic: Topic) -> Result<(), CallError> {
        self.send(Command::Subscribe(topic)).await
    }

    /// Leaves a topic.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn unsubscribe(&self, topic: Topic) -> Result<(), CallError> {
        self.send(Command::Unsubscribe(topic)).await
    }

    /// Asks a connected peer; the outcome is one [`NetEvent::Response`] with the same id.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn request(
        &self,
        peer: PeerKey,
        protocol: Protocol,
        id: RequestId,
        data: Vec<u8>,
    ) -> Result<(), CallError> {
        self.send(Command::Request {
            peer,
            protocol,
            id,
            data,
        })
        .await
    }

    /// As [`Self::request`], without waiting.
    ///
    /// # Errors
    /// [`CallError`]: nothing was sent and no event will come.
    pub fn try_request(
        &self,
        peer: PeerKey,
        protocol: Protocol,
        id: RequestId,
        data: Vec<u8>,
    ) -> Result<(), CallError> {
        self.try_send(Command::Request {
            peer,
            protocol,
            id,
            data,
        })
    }

    /// Answers a request. An answer over the limit is dropped, and the peer gets `Refused`.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn respond(&self, token: InboundRequest, data: Vec<u8>) -> Result<(), CallError> {
        self.send(Command::Respond { token, data }).await
    }

    /// As [`Self::respond`], without waiting.
    ///
    /// # Errors
    /// [`CallError`]: the answer is lost and the peer gets `Refused`.
    pub fn try_respond(&self, token: InboundRequest, data: Vec<u8>) -> Result<(), CallError> {
        self.try_send(Command::Respond { token, data })
    }

    /// Connects to a peer at the given addresses and those known of it.
    ///
    /// [`NetEvent::LinkUp`] or [`NetEvent::DialFailed`] follows, unless the peer is connected already.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn dial(&self, peer: PeerKey, addresses: Vec<Multiaddr>) -> Result<(), CallError> {
        self.send(Command::Dial { peer, addresses }).await
    }

    /// As [`Self::dial`], without waiting.
    ///
    /// # Errors
    /// [`CallError`]: no dial was started.
    pub fn try_dial(&self, peer: PeerKey, addresses: Vec<Multiaddr>) -> Result<(), CallError> {
        self.try_send(Command::Dial { peer, addresses })
    }

    /// Closes all connections with a peer, which may come back.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn disconnect(&self, peer: PeerKey) -> Result<(), CallError> {
        self.send(Command::Disconnect(peer)).await
    }

    /// Lets peers take part: gossip, sync requests, look-ups, relaying. Lifts an expulsion.
    ///
    /// A stranger that is connected keeps its connection until both sides admit each other; then
    /// the side that dialled opens a new one, on which everything is spoken, and closes the old.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn admit(&self, peers: Vec<PeerKey>) -> Result<(), CallError> {
        self.send(Command::Admit(peers)).await
    }

    /// Cuts a peer off and refuses its connections until it is admitted again.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn expel(&self, peer: PeerKey) -> Result<(), CallError> {
        self.send(Command::Expel(peer)).await
    }

    /// Remembers an address of a peer.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn add_address(&self, peer: PeerKey, address: Multiaddr) -> Result<(), CallError> {
        self.send(Command::AddAddress { peer, address }).await
    }

    /// Looks a peer up among admitted peers; [`NetEvent::Discovered`] follows if it is found.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn find(&self, peer: PeerKey) -> Result<(), CallError> {
        self.send(Command::Find(peer)).await
    }

    /// Listens on one more address.
    ///
    /// # Errors
    /// [`NetError`] names the address and the mend; after shutdown it is reported as a listening error.
    pub async fn listen(&self, address: Multiaddr) -> Result<(), NetError> {
        let (reply, answer) = oneshot::channel();
        let closed = |closed: CallError| NetError::Listen {
            address: address.clone(),
            reason: closed.to_string(),
        };
        self.send(Command::Listen {
            address: address.clone(),
            reply,
        })
        .await
        .map_err(closed)?;
        answer.await.map_err(|_| closed(CallError::Closed))?
    }

    /// Returns the connected peers, ordered by key.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn peers(&self) -> Result<Vec<PeerSnapshot>, CallError> {
        self.ask(Command::Peers).await
    }

    /// Returns our own addresses.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn addresses(&self) -> Result<Addresses, CallError> {
        self.ask(Command::Addresses).await
    }

    /// Returns the counters so far; needs no driver and never waits.
    pub fn metrics(&self) -> NetMetrics {
        self.counters.read()
    }

    /// Stops listening, closes all connections and ends the task; returns when that is done.
    pub async fn shutdown(&self) {
        // A closed queue means that it is done already.
        let _done = self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| CallError::Closed)
    }

    async fn send(&self, command: Command) -> Result<(), CallError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| CallError::Closed)
    }

    fn try_send(&self, command: Command) -> Result<(), CallError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => CallError::Busy,
                mpsc::error::TrySendError::Closed(_) => CallError::Closed,
            })
    }
}
