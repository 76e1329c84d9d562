//! The task that owns the swarm.
//!
//! It carries messages between the swarm, what is wanted and what is served, and reads and checks blocks on threads that
//! may block. At most [`SERVED_MAX`] peers are sent blocks at a time, so that serving takes 32 MiB whoever asks; a peer that
//! does not take what it asked for is disconnected.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use cid::Cid;
use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tracing::{debug, trace};

use super::{
    bitswap::{self, Message, Outcome, Payload, PeerAnswer, Probes, Serving, Wants, What},
    config::Dht,
    dht::{Answer, Lookups, known_peers},
    store::BlockStore,
    swarm::{Behaviour, BehaviourEvent},
};
use crate::{Block, Depth};

/// Peers that are sent blocks at a time, each with a message of at most 2 MiB.
const SERVED_MAX: usize = 16;
/// How long a peer may take to take a message of 2 MiB: 0.5 Mbit/s.
const SEND_WAIT: Duration = Duration::from_secs(30);
/// Most entries that are said in one message.
const ENTRIES_MAX: usize = 512;
const TICK: Duration = Duration::from_secs(1);

/// What the task is asked.
pub(super) enum Command {
    /// Fetch a block, of these peers first. The block is dropped if nobody waits for it any more.
    Fetch(Cid, Vec<PeerId>, oneshot::Sender<Block>),
    /// Ask a connected peer about a block.
    Probe(PeerId, Cid, Depth, oneshot::Sender<PeerAnswer>),
    /// These blocks are here now.
    Stored(Vec<Cid>),
    Connect(Multiaddr, Answer<PeerId>),
    Provide(Cid, Answer<()>),
    /// Tell the DHT when it knows anybody; nobody waits for it.
    ProvideLater(Cid),
    Announce(Multiaddr),
    StopProviding(Cid),
    Providers(Cid, Answer<Vec<PeerId>>),
    Addresses(oneshot::Sender<Vec<Multiaddr>>),
    Traffic(oneshot::Sender<Traffic>),
    Close,
}

/// What has gone over the wire since the start, and what is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Peers that are connected and speak Bitswap.
    pub peers: usize,
    /// Peers of the DHT that are known.
    pub dht_peers: usize,
    /// Blocks that are waited for.
    pub wanted: usize,
    /// Blocks sent.
    pub blocks_sent: u64,
    /// Bytes of the blocks sent.
    pub bytes_sent: u64,
    /// Blocks received, checked and wanted.
    pub blocks_received: u64,
    /// Bytes of the blocks received.
    pub bytes_received: u64,
    /// Blocks that came and were not wanted, or not what content is made of.
    pub blocks_refused: u64,
}

pub(super) struct Driver {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) store: BlockStore,
    pub(super) dht: Dht,
    commands: mpsc::Receiver<Command>,
    links: BTreeMap<PeerId, Link>,
    wants: Wants,
    probes: Probes,
    serving: Serving,
    lookups: Lookups,
    dials: HashMap<ConnectionId, Answer<PeerId>>,
    work: JoinSet<Done>,
    traffic: Traffic,
}

/// The connection to a peer that is used for Bitswap; others of the same peer are spare.
struct Link {
    connections: Vec<ConnectionId>,
    /// Since when a message is on its way.
    sending: Option<Instant>,
    service: Service,
}

/// How far the answer to a peer's wants is.
#[derive(Default)]
enum Service {
    /// Nothing is read for it.
    #[default]
    Idle,
    /// Blocks are read.
    Reading,
    /// The answer waits for the message before it.
    Ready(Message),
    /// The answer is on its way.
    Sending,
}

/// What was done on a thread that may block.
enum Done {
    Answered(PeerId, ConnectionId, Outcome),
    Checked(PeerId, ConnectionId, Vec<Block>, u64),
}

impl Driver {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        store: BlockStore,
        dht: Dht,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            swarm,
            store,
            dht,
            commands,
            links: BTreeMap::new(),
            wants: Wants::default(),
            probes: Probes::default(),
            serving: Serving::default(),
            lookups: Lookups::default(),
            dials: HashMap::new(),
            work: JoinSet::new(),
            traffic: Traffic::default(),
        }
    }

    /// Runs until it is told to close, or nobody can tell it anything any more.
    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    None | Some(Command::Close) => break,
                    Some(command) => self.on_command(command),
                },
                Some(done) = self.work.join_next() => match done {
                    Ok(done) => self.on_done(done),
                    // Only a panic ends it early; the connection it was for is cleared by the next tick.
                    Err(error) => tracing::error!(%error, "a thread that reads or checks blocks has failed"),
                },
                _ = tick.tick() => self.on_tick(),
            }
            for peer in self.wants.to_be_told() {
                self.pump(peer);
            }
            for peer in self.probes.to_be_told() {
                self.pump(peer);
            }
        }
        // The store is let go of when the last reader is done, so that it can be opened again.
        self.work.shutdown().await;
    }

    fn on_command(&mut self, command: Command) {
        let no_dht = || "no DHT is set in the settings of the IPFS node".to_owned();
        // Who asked may have gone: then nobody reads the answer.
        match command {
            Command::Fetch(cid, from, waiter) => {
                let now = Instant::now();
                if let Err(error) = self.wants.add(cid, &from, waiter, now) {
                    debug!(%cid, %error, "a block is not fetched");
                }
                for peer in from {
                    self.dial(peer);
                }
                // A peer that gave other blocks of the tree is asked for this one: nobody else has to be looked for.
                if !self.wants.is_asked(&cid)
                    && let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
                {
                    self.lookups.find_for_want(kad, &cid);
                }
            }
            Command::Probe(peer, cid, depth, waiter) => {
                if self.links.contains_key(&peer) {
                    self.probes.add(peer, cid, depth, waiter, Instant::now());
                } else {
                    let _ = waiter.send(PeerAnswer::Nothing);
                }
            }
            Command::Stored(cids) => {
                for cid in cids {
                    for peer in self.serving.stored(&cid) {
                        self.pump(peer);
                    }
                }
            }
            Command::Connect(address, answer) => {
                if let Some(Protocol::P2p(peer)) = address.iter().last()
                    && self.links.contains_key(&peer)
                {
                    let _ = answer.send(Ok(peer));
                    return;
                }
                let dial = DialOpts::from(address);
                let connection = dial.connection_id();
                match self.swarm.dial(dial) {
                    Ok(()) => {
                        self.dials.insert(connection, answer);
                    }
                    Err(error) => {
                        let _ = answer.send(Err(error.to_string()));
                    }
                }
            }
            Command::Provide(cid, answer) => match self.swarm.behaviour_mut().kad.as_mut() {
                Some(kad) => self.lookups.provide(kad, &cid, Some(answer)),
                None => {
                    let _ = answer.send(Err(no_dht()));
                }
            },
            Command::ProvideLater(cid) => self.lookups.provide_later(cid),
            Command::StopProviding(cid) => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    self.lookups.stop_providing(kad, &cid);
                }
            }
            Command::Announce(address) => self.swarm.add_external_address(address),
            Command::Providers(cid, answer) => match self.swarm.behaviour_mut().kad.as_mut() {
                Some(kad) => self.lookups.find(kad, &cid, answer),
                None => {
                    let _ = answer.send(Err(no_dht()));
                }
            },
            Command::Addresses(answer) => {
                let own = *self.swarm.local_peer_id();
                let addresses = self.swarm.listeners().cloned();
                let _ = answer.send(addresses.filter_map(|to| to.with_p2p(own).ok()).collect());
            }
            Command::Traffic(answer) => {
                let kad = self.swarm.behaviour_mut().kad.as_mut();
                let _ = answer.send(Traffic {
                    dht_peers: kad.map_or(0, known_peers),
                    peers: self.links.len(),
                    wanted: self.wants.len(),
                    ..self.traffic
                });
            }
            Command::Close => (),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's enum is not exhaustive; dials and the protocols are what is looked at"
    )]
    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Bitswap(event)) => self.on_bitswap(event),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => {
                let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else {
                    return;
                };
                if let kad::Event::RoutingUpdated {
                    is_new_peer: true, ..
                } = event
                {
                    for cid in self.wants.unasked() {
                        self.lookups.find_for_want(kad, &cid);
                    }
                }
                let to_dial = self.lookups.on_event(kad, event);
                for peer in to_dial {
                    self.dial(peer);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.on_identified(peer_id, info),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => {
                if let Some(answer) = self.dials.remove(&connection_id) {
                    let _ = answer.send(Ok(peer_id));
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                debug!(%error, "a peer of IPFS cannot be reached");
                if let Some(answer) = self.dials.remove(&connection_id) {
                    let _ = answer.send(Err(error.to_string()));
                }
            }
            _ => (),
        }
    }

    /// Kademlia has to be told who speaks it, and where.
    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let Some(protocol) = self.dht.protocol() else {
            return;
        };
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
            && info.protocols.contains(&protocol)
        {
            for address in info.listen_addrs {
                kad.add_address(&peer, address);
            }
        }
    }

    fn on_bitswap(&mut self, event: bitswap::Event) {
        let bitswap::Event {
            peer,
            connection,
            what,
        } = event;
        match what {
            What::Opened => {
                let link = self.links.entry(peer).or_insert_with(|| Link {
                    connections: Vec::new(),
                    sending: None,
                    service: Service::Idle,
                });
                link.connections.push(connection);
                self.wants.connected(peer, Instant::now());
                self.pump(peer);
            }
            What::Closed => self.on_closed(peer, connection),
            What::Received(message) => self.on_message(peer, connection, message),
            What::Sent => {
                if let Some(link) = self.links.get_mut(&peer)
                    && link.connections.first() == Some(&connection)
                {
                    link.sending = None;
                    if matches!(link.service, Service::Sending) {
                        self.free_place(peer);
                    } else {
                        self.pump(peer);
                    }
                }
            }
            What::Unsupported => {
                trace!(%peer, "does not speak Bitswap 1.2.0");
                self.forget(peer);
            }
            What::Broken(reason) => {
                debug!(%peer, reason, "a connection of Bitswap is broken");
                self.swarm.close_connection(connection);
            }
        }
    }

    /// What was on its way on a connection that closed may be lost: all is said and asked anew on another one.
    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let was_used = link.connections.first() == Some(&connection);
        link.connections.retain(|other| *other != connection);
        let spare = std::mem::take(&mut link.connections);
        if was_used || spare.is_empty() {
            self.forget(peer);
            if !spare.is_empty() {
                for connection in spare {
                    self.on_bitswap(bitswap::Event {
                        peer,
                        connection,
                        what: What::Opened,
                    });
                }
            }
        } else {
            link.connections = spare;
        }
    }

    fn forget(&mut self, peer: PeerId) {
        let link = self.links.remove(&peer);
        self.wants.gone(&peer, Instant::now());
        self.probes.gone(&peer);
        self.serving.gone(&peer);
        if link.is_some_and(|link| !matches!(link.service, Service::Idle)) {
            self.pump_all();
        }
    }

    fn on_message(&mut self, peer: PeerId, connection: ConnectionId, message: Message) {
        if !self.links.contains_key(&peer) {
            self.swarm.behaviour_mut().bitswap.release(peer, connection);
            return;
        }
        let now = Instant::now();
        trace!(
            %peer, wants = message.wants.len(), payload = message.payload.len(),
            presences = message.presences.len(), "a message of Bitswap"
        );
        for (cid, has) in message.presences {
            self.wants.presence(peer, cid, has, now);
            let is_wanted = self.wants.is_wanted(&cid);
            self.probes.presence(&peer, &cid, has, is_wanted);
        }
        if message.full || !message.wants.is_empty() {
            self.serving.asked(peer, message.full, message.wants);
        }
        if message.payload.is_empty() {
            self.swarm.behaviour_mut().bitswap.release(peer, connection);
        } else if self.wants.expects(&peer) || self.probes.expects(&peer) {
            self.work
                .spawn_blocking(move || check(peer, connection, message.payload));
        } else {
            // Unasked for, it is not even hashed.
            self.traffic.blocks_refused += message.payload.len() as u64;
            self.swarm.behaviour_mut().bitswap.release(peer, connection);
        }
        self.pump(peer);
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Answered(peer, connection, outcome) => {
                // A peer that came back meanwhile has asked anew.
                let link = self.links.get_mut(&peer);
                let Some(link) = link.filter(|link| link.connections.first() == Some(&connection))
                else {
                    return;
                };
                self.serving.answered(&peer, &outcome);
                if outcome.message.is_empty() {
                    self.free_place(peer);
                } else {
                    link.service = Service::Ready(outcome.message);
                }
                self.pump(peer);
            }
            Done::Checked(peer, connection, blocks, refused) => {
                self.traffic.blocks_refused += refused;
                for block in blocks {
                    let is_asked = self.probes.block(&peer, &block);
                    if self.wants.block(peer, &block, Instant::now()) || is_asked {
                        self.traffic.blocks_received += 1;
                        self.traffic.bytes_received += block.bytes().len() as u64;
                    } else {
                        self.traffic.blocks_refused += 1;
                    }
                }
                self.swarm.behaviour_mut().bitswap.release(peer, connection);
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let again = self.wants.tick(now);
        self.probes.tick(now, |cid| self.wants.is_wanted(cid));
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            for cid in again {
                self.lookups.find_for_want(kad, &cid);
            }
            self.lookups.tick(kad);
        }
        let late = |link: &&Link| {
            link.sending
                .is_some_and(|at| now.duration_since(at) >= SEND_WAIT)
        };
        let late: Vec<_> = self
            .links
            .values()
            .filter(late)
            .flat_map(|link| link.connections.clone())
            .collect();
        for connection in late {
            self.swarm.close_connection(connection);
        }
    }

    /// Gives a peer's place among those that are served to others.
    fn free_place(&mut self, peer: PeerId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.service = Service::Idle;
            self.pump_all();
        }
    }

    fn pump_all(&mut self) {
        let peers: Vec<_> = self.links.keys().copied().collect();
        for peer in peers {
            self.pump(peer);
        }
    }

    /// Sends a peer what is to be said to it, and has read what it wants next.
    fn pump(&mut self, peer: PeerId) {
        let is_served = |link: &&Link| !matches!(link.service, Service::Idle);
        let served = self.links.values().filter(is_served).count();
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(connection) = link.connections.first().copied() else {
            return;
        };
        if matches!(link.service, Service::Idle)
            && served < SERVED_MAX
            && let Some(batch) = self.serving.next(&peer)
        {
            link.service = Service::Reading;
            let store = self.store.clone();
            self.work.spawn_blocking(move || {
                let has = |cid: &Cid| readable(cid, store.length(cid)).is_some();
                let get = |cid: &Cid| readable(cid, store.get(cid));
                Done::Answered(peer, connection, batch.answer(has, get))
            });
        }
        if link.sending.is_some() {
            return;
        }
        let mut message = match std::mem::take(&mut link.service) {
            Service::Ready(answer) => {
                link.service = Service::Sending;
                answer
            }
            service @ (Service::Idle | Service::Reading | Service::Sending) => {
                link.service = service;
                Message::default()
            }
        };
        message.wants = self.wants.say(&peer, ENTRIES_MAX);
        let room = ENTRIES_MAX - message.wants.len();
        message.wants.extend(self.probes.say(&peer, room));
        if !message.is_empty() {
            self.traffic.blocks_sent += message.payload.len() as u64;
            self.traffic.bytes_sent += message.payload_bytes() as u64;
            link.sending = Some(Instant::now());
            self.swarm
                .behaviour_mut()
                .bitswap
                .send(peer, connection, message);
        }
    }

    fn dial(&mut self, peer: PeerId) {
        if peer == *self.swarm.local_peer_id() || self.links.contains_key(&peer) {
            return;
        }
        let dial = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing);
        if let Err(error) = self.swarm.dial(dial.build()) {
            trace!(%peer, %error, "not dialled");
        }
    }
}

/// A block that cannot be read is not here for others; the operator hears why.
fn readable<T, E: std::fmt::Display>(cid: &Cid, read: Result<Option<T>, E>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::warn!(%cid, %error, "a block cannot be read");
        None
    })
}

/// Hashes what came, so that each block stands under the name that it really has.
fn check(peer: PeerId, connection: ConnectionId, payload: Vec<Payload>) -> Done {
    let count = payload.len() as u64;
    let named = payload.into_iter().filter_map(|payload| {
        let codec = payload.codec()?;
        Block::named(codec, payload.data).ok()
    });
    let blocks: Vec<_> = named.collect();
    let refused = count - blocks.len() as u64;
    Done::Checked(peer, connection, blocks, refused)
}
