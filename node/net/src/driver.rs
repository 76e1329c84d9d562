//! The task that owns the swarm: starts it, obeys commands, passes events on, shuts it down.
//!
//! The loop waits for the swarm, for commands, for room in the event queue and for its own tick.
//! The tick, at half the heartbeat, is what keeps gossip alive on an idle swarm: gossipsub re-arms
//! its heartbeat without polling it, so that nothing wakes it until something else does.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub, identity,
    request_response::{InboundRequestId, OutboundRequestId},
    swarm,
};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, debug, debug_span, error, warn};

use crate::{
    address_book::{AddressBook, Scope, ip_of, relay_of},
    api::{
        Addresses, Direction, DownReason, InboundRequest, MessageRef, NetEvent, PeerKey,
        PeerSnapshot, Protocol, RequestId, Topic, Verdict,
    },
    behaviour::{self, Behaviour, Members},
    causes::{listen_error, publish_error},
    config::{NetConfig, NetLimits},
    dials::{Dial, Dials, Purpose},
    error::{DialError, NetError, PublishError, RequestError},
    gossip,
    handle::{Command, NetEvents, NetHandle},
    links::{Link, Links},
    traffic::Counters,
    transport::{self, PeerTransport},
};

/// Events kept beyond the event queue because they must not be lost; more means that the
/// application is gone, and the swarm stops.
const BACKLOG_MAX: usize = 65_536;
/// How long connections may take to close at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Streams on one connection that may be negotiating their protocol.
const NEGOTIATING_STREAMS_MAX: usize = 64;

/// The swarm and what is known about it.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) links: Links,
    pub(crate) dials: Dials,
    pub(crate) book: AddressBook,
    pub(crate) circuits: Vec<Circuit>,
    /// Configured address of each listener.
    pub(crate) listeners: HashMap<ListenerId, Multiaddr>,
    /// Requests of ours without an answer yet.
    pub(crate) asked: HashMap<(Protocol, OutboundRequestId), (PeerKey, RequestId)>,
    /// Hellos of others without an answer yet.
    pub(crate) hellos: HashMap<InboundRequestId, PeerKey>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) mesh: String,
    pub(crate) limits: NetLimits,
    pub(crate) hello_timeout: Duration,
    pub(crate) lan: bool,
    /// Whether it was configured how others reach us.
    pub(crate) knows_external: bool,
    tick: Duration,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<NetEvent>,
    backlog: VecDeque<NetEvent>,
}

/// An address to listen on through a relay.
pub(crate) struct Circuit {
    pub(crate) address: Multiaddr,
    pub(crate) relay: PeerId,
    pub(crate) listener: Option<ListenerId>,
}

/// Starts a swarm, over the configured transports or a given one.
pub(crate) fn start(
    config: NetConfig,
    given: Option<PeerTransport>,
) -> Result<(NetHandle, NetEvents), NetError> {
    config.check()?;
    tokio::runtime::Handle::try_current().map_err(|_| NetError::NoRuntime)?;
    let keypair = keypair(&config)?;
    let local = keypair.public().to_peer_id();
    let counters = Arc::<Counters>::default();
    let (transport, relay_client) = match given {
        Some(transport) => (transport, None),
        None => transport::build(&config, &keypair)?,
    };
    let transport = transport::counted(transport, Arc::clone(&counters));
    let behaviour = behaviour::build(&config, &keypair, relay_client, Arc::clone(&counters))?;
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.idle)
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX);
    let (command_sender, commands) = mpsc::channel(config.limits.command_queue);
    let (events, event_receiver) = mpsc::channel(config.limits.event_queue);

    let mut driver = Driver {
        swarm: Swarm::new(transport, behaviour, local, settings),
        links: Links::default(),
        dials: Dials::new(
            config.limits.dials_in_flight_max,
            config.limits.dials_waiting_max,
        ),
        book: AddressBook::new(
            config.limits.known_peers_max,
            config.limits.addresses_per_peer_max,
        ),
        circuits: Vec::new(),
        listeners: HashMap::new(),
        asked: HashMap::new(),
        hellos: HashMap::new(),
        counters: Arc::clone(&counters),
        mesh: config.mesh.clone(),
        limits: config.limits.clone(),
        hello_timeout: config.hello_timeout,
        lan: config.lan,
        knows_external: !config.external.is_empty(),
        tick: config.gossip.heartbeat / 2,
        commands,
        events,
        backlog: VecDeque::new(),
    };
    for address in &config.external {
        driver.add_external(address.clone());
    }
    for address in &config.listen {
        driver.listen(address.clone())?;
    }
    let key = PeerKey::try_from(local).map_err(|error| NetError::Setup {
        part: "identity",
        reason: error.to_string(),
    })?;
    tokio::spawn(driver.run().instrument(debug_span!("net", %local)));
    Ok((
        NetHandle::new(key, command_sender, counters),
        NetEvents::new(event_receiver),
    ))
}

fn keypair(config: &NetConfig) -> Result<identity::Keypair, NetError> {
    let mut seed = config.identity_seed.clone();
    let secret = identity::ed25519::SecretKey::try_from_bytes(&mut seed[..]).map_err(|error| {
        NetError::Setup {
            part: "identity",
            reason: error.to_string(),
        }
    })?;
    Ok(identity::ed25519::Keypair::from(secret).into())
}

/// What ends the loop.
enum End {
    /// Asked for; the sender is told when it is done.
    Asked(oneshot::Sender<()>),
    /// Nobody holds a handle or reads events any more.
    Abandoned,
}

impl Driver {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(self.tick);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let events = self.events.clone();
        let end = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                command = self.commands.recv() => match command {
                    Some(command) => {
                        if let ControlFlow::Break(done) = self.obey(command) {
                            break End::Asked(done);
                        }
                    }
                    None => break End::Abandoned,
                },
                permit = events.reserve(), if !self.backlog.is_empty() => {
                    let (Ok(permit), Some(event)) = (permit, self.backlog.pop_front()) else {
                        break End::Abandoned;
                    };
                    permit.send(event);
                }
                _ = tick.tick() => self.on_tick(),
            }
            self.start_dials();
            if self.backlog.len() > BACKLOG_MAX {
                error!(
                    events = self.backlog.len(),
                    "events are not being read: stopping the network"
                );
                break End::Abandoned;
            }
        };
        self.stop().await;
        match end {
            // The caller may have stopped waiting.
            End::Asked(done) => done.send(()).unwrap_or_default(),
            End::Abandoned => {}
        }
    }

    async fn stop(&mut self) {
        self.commands.close();
        let listeners: Vec<_> = self.listeners.keys().copied().collect();
        for listener in listeners {
            self.swarm.remove_listener(listener);
        }
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // An error means that it is gone already.
            let _gone = self.swarm.disconnect_peer_id(peer);
        }
        let all_closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, all_closed)
            .await
            .is_err()
        {
            debug!("some connections did not close in time and are cut");
        }
        debug!("network stopped");
    }

    fn on_tick(&mut self) {
        let overdue = self.links.overdue(Instant::now(), self.hello_timeout);
        for connection in overdue {
            self.links.closing(connection, DownReason::HelloTimeout);
            self.swarm.close_connection(connection);
        }
    }

    fn obey(&mut self, command: Command) -> ControlFlow<oneshot::Sender<()>> {
        match command {
            Command::Publish { topic, data, reply } => self.publish(&topic, data, reply),
            Command::Report { message, verdict } => self.report(message, verdict),
            Command::Subscribe(topic) => self.subscribe(&topic),
            Command::Unsubscribe(topic) => {
                let topic = gossip::wire_topic(&self.mesh, &topic);
                self.members().gossip.unsubscribe(&topic);
            }
            Command::Request {
                peer,
                protocol,
                id,
                data,
            } => self.request(peer, protocol, id, data),
            Command::Respond { token, data } => self.respond(token, data),
            Command::Dial { peer, addresses } => self.dial(peer, addresses, Purpose::Asked),
            Command::Disconnect(peer) => self.disconnect(peer, &DownReason::Disconnected),
            Command::Admit(peers) => peers.into_iter().for_each(|peer| self.admit(peer)),
            Command::Expel(peer) => self.expel(peer),
            Command::AddAddress { peer, address } => {
                self.book.add(peer, &address);
            }
            Command::Find(peer) => self.find(peer),
            // A reply that nobody waits for is dropped.
            Command::Listen { address, reply } => {
                reply.send(self.listen(address)).unwrap_or_default()
            }
            Command::Peers(reply) => reply.send(self.peers()).unwrap_or_default(),
            Command::Addresses(reply) => reply.send(self.addresses()).unwrap_or_default(),
            Command::Shutdown(done) => return ControlFlow::Break(done),
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn members(&mut self) -> &mut Members {
        self.swarm.behaviour_mut().members.inner_mut()
    }

    fn publish(
        &mut self,
        topic: &Topic,
        data: Vec<u8>,
        reply: Option<oneshot::Sender<Result<[u8; 32], PublishError>>>,
    ) {
        let bytes = data.len();
        let max_bytes = self.limits.message_bytes_max;
        let result = if bytes > max_bytes {
            Err(PublishError::TooLarge { bytes, max_bytes })
        } else {
            let wire = gossip::wire_topic(&self.mesh, topic);
            self.members()
                .gossip
                .publish(wire, data)
                .map_err(|error| publish_error(error, topic, bytes, max_bytes))
        };
        let result = result.map(|id| gossip::digest(&id));
        match &result {
            Ok(_) => self.counters.messages_published.one(),
            Err(error) => debug!(%topic, bytes, %error, "message not published"),
        }
        if let Some(reply) = reply {
            reply.send(result).unwrap_or_default();
        }
    }

    pub(crate) fn report(&mut self, message: MessageRef, verdict: Verdict) {
        let (acceptance, counter) = match verdict {
            Verdict::Accept => (
                gossipsub::MessageAcceptance::Accept,
                &self.counters.messages_accepted,
            ),
            Verdict::Reject => (
                gossipsub::MessageAcceptance::Reject,
                &self.counters.messages_rejected,
            ),
            Verdict::Ignore => (
                gossipsub::MessageAcceptance::Ignore,
                &self.counters.messages_ignored,
            ),
        };
        counter.one();
        let id = gossipsub::MessageId::from(message.id.to_vec());
        let from = message.from.peer_id();
        if !self
            .members()
            .gossip
            .report_message_validation_result(&id, &from, acceptance)
        {
            self.counters.verdicts_late.one();
        }
    }

    fn subscribe(&mut self, topic: &Topic) {
        let mesh = self.mesh.clone();
        if let Err(error) = gossip::join(&mut self.members().gossip, &mesh, topic) {
            warn!(%topic, %error, "topic not joined");
        }
    }

    fn request(&mut self, peer: PeerKey, protocol: Protocol, id: RequestId, data: Vec<u8>) {
        if let Err(error) = self.check_request(&peer, protocol, data.len()) {
            self.counters.requests_failed.one();
            return self.emit(NetEvent::Response {
                id,
                from: peer,
                result: Err(error),
            });
        }
        let requests = match protocol {
            Protocol::Hello => &mut self.swarm.behaviour_mut().hello,
            Protocol::Sync => &mut self.members().sync,
        };
        let key = (protocol, requests.send_request(&peer.peer_id(), data));
        self.asked.insert(key, (peer, id));
        self.counters.requests_out.one();
    }

    fn check_request(
        &self,
        peer: &PeerKey,
        protocol: Protocol,
        bytes: usize,
    ) -> Result<(), RequestError> {
        let link = self.links.of(peer).ok_or(RequestError::NotConnected)?;
        let max_bytes = match protocol {
            Protocol::Hello => self.limits.hello_bytes_max,
            Protocol::Sync if !link.is_admitted() => return Err(RequestError::NotAdmitted),
            Protocol::Sync => self.limits.request_bytes_max,
        };
        if bytes > max_bytes {
            return Err(RequestError::TooLarge { bytes, max_bytes });
        }
        Ok(())
    }

    fn respond(&mut self, token: InboundRequest, data: Vec<u8>) {
        let (requests, max_bytes) = match token.protocol {
            Protocol::Hello => (
                &mut self.swarm.behaviour_mut().hello,
                self.limits.hello_bytes_max,
            ),
            Protocol::Sync => {
                let max_bytes = self.limits.response_bytes_max;
                (&mut self.members().sync, max_bytes)
            }
        };
        let bytes = data.len();
        if bytes > max_bytes {
            warn!(protocol = ?token.protocol, bytes, max_bytes, "answer over the limit: not sent");
        } else if requests.send_response(token.channel, data).is_err() {
            debug!(protocol = ?token.protocol, "answer came too late: the peer no longer waits");
        }
    }

    pub(crate) fn dial(&mut self, peer: PeerKey, mut addresses: Vec<Multiaddr>, purpose: Purpose) {
        let known = self
            .book
            .of(&peer)
            .filter(|known| !addresses.contains(*known))
            .cloned();
        let known: Vec<_> = known.collect();
        addresses.extend(known);
        if let Err(dial) = self.dials.ask(Dial {
            peer: Some(peer),
            addresses,
            purpose,
        }) {
            self.emit(NetEvent::DialFailed {
                peer,
                addresses: dial.addresses,
                error: DialError::QueueFull,
            });
        }
    }

    /// Starts waiting dials while there are places.
    fn start_dials(&mut self) {
        while let Some(options) = self.dials.next() {
            let id = options.connection_id();
            self.counters.dials.one();
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_failed(id, &error);
            }
            let under_way = self
                .swarm
                .network_info()
                .connection_counters()
                .num_pending_outgoing();
            self.counters.dials_peak.raise(under_way.into());
        }
    }

    pub(crate) fn disconnect(&mut self, peer: PeerKey, reason: &DownReason) {
        self.dials.forget(&peer);
        for connection in self.links.closing_all(&peer, reason) {
            self.swarm.close_connection(connection);
        }
    }

    fn admit(&mut self, peer: PeerKey) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.expelled.unblock_peer(peer.peer_id());
        if behaviour.members.is_admitted(&peer) {
            return;
        }
        behaviour.members.admit(peer);
        let Some(link) = self.links.of_mut(&peer) else {
            return;
        };
        // One notice for each connection outside: consecutive ones take them in turn.
        for _ in 0..link.admit(Instant::now()) {
            debug!(%peer, "connected peer admitted: telling it");
            behaviour.gate.send_request(&peer.peer_id(), Vec::new());
        }
        self.replace(peer);
    }

    /// Replaces the link of a peer if both sides admit each other and it is ours to do.
    pub(crate) fn replace(&mut self, peer: PeerKey) {
        if !self.swarm.behaviour().members.is_admitted(&peer) {
            return;
        }
        if let Some(address) = self
            .links
            .replace(&peer, Instant::now(), self.hello_timeout)
        {
            debug!(%peer, %address, "both sides admit each other: dialling again");
            self.dial(peer, vec![address], Purpose::Replacement);
        }
    }

    fn expel(&mut self, peer: PeerKey) {
        debug!(%peer, "peer expelled");
        self.disconnect(peer, &DownReason::Expelled);
        self.book.forget(&peer);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.members.dismiss(&peer);
        behaviour.expelled.block_peer(peer.peer_id());
        if let Some(kademlia) = behaviour.members.inner_mut().kademlia.as_mut() {
            kademlia.remove_peer(&peer.peer_id());
        }
    }

    fn find(&mut self, peer: PeerKey) {
        if let Some(kademlia) = self.members().kademlia.as_mut() {
            kademlia.get_closest_peers(peer.peer_id());
        }
    }

    /// Listens on an address; through a relay, as soon as the relay serves us.
    fn listen(&mut self, address: Multiaddr) -> Result<(), NetError> {
        if let Some(relay) = relay_of(&address) {
            self.circuits.push(Circuit {
                address,
                relay,
                listener: None,
            });
            return Ok(());
        }
        let listener = self
            .swarm
            .listen_on(address.clone())
            .map_err(|error| listen_error(&address, &error))?;
        self.listeners.insert(listener, address);
        Ok(())
    }

    pub(crate) fn add_external(&mut self, address: Multiaddr) {
        self.swarm.add_external_address(address.clone());
        self.emit(NetEvent::External(address));
    }

    /// Tells whether a listening address may be told to admitted peers: one that was configured
    /// as it is, one that reaches the internet, or any on a local network that we announce to.
    /// One of this machine is not told if it was configured by which addresses others reach us.
    pub(crate) fn is_shareable(&self, listener: ListenerId, address: &Multiaddr) -> bool {
        let configured = self.listeners.get(&listener).and_then(ip_of);
        let is_wildcard = configured.is_some_and(|ip| ip.is_unspecified());
        match Scope::of(address) {
            Scope::Global => true,
            Scope::Network => self.lan || !is_wildcard,
            Scope::Machine | Scope::Process => !is_wildcard && !self.knows_external,
        }
    }

    fn peers(&self) -> Vec<PeerSnapshot> {
        let members = self.swarm.behaviour().members.inner();
        let topics: Vec<_> = members
            .gossip
            .topics()
            .filter_map(|topic| Some((topic, gossip::short_topic(&self.mesh, topic)?)))
            .collect();
        let snapshot = |(peer, link): (&PeerKey, &Link)| {
            let id = peer.peer_id();
            let in_mesh = |topic| {
                members
                    .gossip
                    .mesh_peers(topic)
                    .any(|mesh_peer| *mesh_peer == id)
            };
            let meshes = topics.iter().filter(|(topic, _)| in_mesh(topic));
            PeerSnapshot {
                peer: *peer,
                addresses: link
                    .connections
                    .iter()
                    .map(|one| one.address.clone())
                    .collect(),
                direction: link
                    .connections
                    .first()
                    .map_or(Direction::Inbound, |one| one.direction),
                admitted: link.is_admitted(),
                rtt: link.connections.iter().rev().find_map(|one| one.rtt),
                score: members.gossip.peer_score(&id),
                in_mesh_topics: meshes.map(|(_, topic)| topic.clone()).collect(),
            }
        };
        self.links.iter().map(snapshot).collect()
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            listen: self.swarm.listeners().cloned().collect(),
            external: self.swarm.external_addresses().cloned().collect(),
        }
    }

    /// Passes an event on that must not be lost.
    pub(crate) fn emit(&mut self, event: NetEvent) {
        if !self.backlog.is_empty() {
            return self.backlog.push_back(event);
        }
        if let Err(refused) = self.events.try_send(event) {
            self.backlog.push_back(refused.into_inner());
        }
    }

    /// Passes an event on if there is room; returns whether there was.
    pub(crate) fn offer(&mut self, event: NetEvent) -> bool {
        let is_taken = self.backlog.is_empty() && self.events.try_send(event).is_ok();
        if !is_taken {
            self.counters.events_dropped.one();
        }
        is_taken
    }
}
