//! The node at work: one protocol peer, driven by a swarm, a store and two clocks.
//!
//! [`start`] opens the store, restores the peer and runs it in one task; [`NodeHandle`] talks to it.
//! [`join`](join::join) and [`create_genesis`](genesis::create_genesis) make the store first. No
//! rule of the mesh is decided here: what happens goes into `Peer::handle`, and what comes out is done.

mod address_file;
mod control;
mod driver;
pub mod founder;
pub mod genesis;
pub mod invite;
pub mod join;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::{broadcast, mpsc, oneshot};
use tracing::warn;
use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{CapabilityError, CapabilityRoot, Caveat, Grant, RootKey, Scope, Token},
    committee::Keyring,
};
use x0_net::{Multiaddr, NetConfig, NetError, NetHandle, NetMetrics, PeerKey, PeerSnapshot};
use x0_protocol::{
    Command, CommandError, Event, Mono, Now, Outbox, Peer, PeerConfig, Reply, Wall,
    anti_meave::CosignPolicy,
    core::limits::{MESSAGE_BYTES_MAX, RECORD_BYTES_MAX},
    wire::{Change, Topic},
};

use self::{
    address_file::AddressFile,
    driver::{Asked, Driver, Secrets},
};
use crate::{
    charter::{in_force, inspection::Collection},
    metrics::{Counter, Gauge, Metrics},
    share_keys::ShareKeyFiles,
    standby::{self, StandbyError},
    store::{RocksStore, Store, StoreError, Writer},
};

/// Events kept for a listener that lags behind; after that it is told how many it missed.
const EVENTS_KEPT: usize = 1_024;
/// Commands that may wait for the driver.
const COMMANDS_WAITING: usize = 256;

/// What the network side of a node is started with.
#[derive(Clone, Debug, Default)]
pub struct NetworkSettings {
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach this node, told to them.
    pub external: Vec<Multiaddr>,
    /// Peers to dial at the start, each address ending in `/p2p/ID`.
    pub bootstrap: Vec<Multiaddr>,
    /// Whether to look for peers on the local network.
    pub lan: bool,
    /// Whether to relay connections for other members.
    pub relay_server: bool,
    /// Most established connections, each way.
    pub connections_max: u32,
}

/// What a node is started with.
pub struct NodeSettings {
    /// Where the node keeps its files.
    pub data_dir: PathBuf,
    /// Its network side.
    pub network: NetworkSettings,
    /// Whether the own chain is new, so that nobody can know more of it.
    pub fresh: bool,
    /// What the node does when it is drawn to co-sign or to approve.
    pub cosign: CosignPolicy,
}

/// An event and when it happened.
#[derive(Clone, Debug)]
pub struct TimedEvent {
    /// By the node's wall clock.
    pub wall: Wall,
    /// What happened.
    pub event: Event,
}

/// The network side of a node as it is now.
#[derive(Clone, Debug)]
pub struct NetworkView {
    /// Addresses the node listens on.
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach it.
    pub external: Vec<Multiaddr>,
    /// Its connected peers.
    pub peers: Vec<PeerSnapshot>,
    /// What went through since the start.
    pub traffic: NetMetrics,
}

/// Why a node did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NodeError {
    /// The node's own rules refuse it.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The node is stopping or its store failed; what was not answered was not acknowledged.
    #[error("the node is stopping: nothing was acknowledged; see its log for the cause")]
    Stopping,
    /// A token could not be made.
    #[error("the token cannot be made: {0}")]
    Token(#[from] CapabilityError),
    /// The store cannot be read, or has no room for what the command would write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network side cannot start.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The node's own healing token could not be made.
    #[error("the self-healing loop got no capability: {0}")]
    Healing(CapabilityError),
    /// Whether the node may sign for a seat cannot be told.
    #[error(transparent)]
    Standby(#[from] StandbyError),
    /// The keys that shares are sealed to cannot be read.
    #[error(
        "the keys for shares in {data_dir:?} cannot be read: {cause}; restore them from a backup, or move the directory share-keys away"
    )]
    ShareKeys {
        /// The data directory.
        data_dir: PathBuf,
        /// What happened.
        cause: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// A running node; cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    asked: mpsc::Sender<Asked>,
    events: broadcast::Sender<Arc<TimedEvent>>,
    net: NetHandle,
    store: Arc<dyn Store>,
    metrics: Metrics,
    root_secret: Arc<CapabilityRoot>,
    key: PublicKey,
    mesh: ContentId,
    clock: Clock,
    collection: Collection,
}

impl NodeHandle {
    /// Asks the node something and waits for the answer.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the node's rules, or that it is stopping.
    pub async fn command(&self, command: Command) -> Result<Reply, NodeError> {
        if !command.is_question() {
            self.store.room(Writer::Own)?;
        }
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Command { command, reply };
        self.asked
            .send(asked)
            .await
            .map_err(|_| NodeError::Stopping)?;
        Ok(answer.await.map_err(|_| NodeError::Stopping)??)
    }

    /// Listens to what happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Arc<TimedEvent>> {
        self.events.subscribe()
    }

    /// Looks at the network side.
    ///
    /// # Errors
    ///
    /// Returns that the node is stopping.
    pub async fn network(&self) -> Result<NetworkView, NodeError> {
        let addresses = self
            .net
            .addresses()
            .await
            .map_err(|_| NodeError::Stopping)?;
        let peers = self.net.peers().await.map_err(|_| NodeError::Stopping)?;
        Ok(NetworkView {
            listen: addresses.listen,
            external: addresses.external,
            peers,
            traffic: self.net.metrics(),
        })
    }

    /// Returns the node's store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Reads the clocks by which links and records are dated.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Returns the node's numbers, for whoever counts something beside the node.
    pub const fn numbers(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes the node's numbers as they are now and writes those that the charter lists as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// Returns that the node is stopping.
    pub async fn metrics(&self) -> Result<String, NodeError> {
        let mut charter = None;
        if let Reply::Status(status) = self.command(Command::Status).await? {
            self.metrics.show(&status);
            charter = status.charter;
        }
        let traffic = self.net.metrics();
        self.metrics.raise(Counter::GossipIn, traffic.messages_in);
        self.metrics
            .raise(Counter::GossipOut, traffic.messages_published);
        self.metrics
            .raise(Counter::GossipRejected, traffic.messages_rejected);
        let is_waiting = self.store.room(Writer::Own).is_err();
        self.metrics.set(Gauge::StoreWaiting, u64::from(is_waiting));
        Ok(self.metrics.text(&in_force(charter)))
    }

    /// Returns what the node collects, for audits.
    pub const fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Returns the node's identity.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Returns the mesh's id.
    pub const fn mesh(&self) -> ContentId {
        self.mesh
    }

    /// Returns the root under which the node grants capabilities.
    pub fn capability_root(&self) -> RootKey {
        self.root_secret.public()
    }

    /// Grants a capability under the node's own root.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the grant.
    pub fn grant(&self, grant: &Grant) -> Result<Token, NodeError> {
        Ok(Token::grant(&self.root_secret, grant)?)
    }

    /// Dials peers given by address, such as those of a reloaded bootstrap list.
    pub async fn dial(&self, addresses: &[Multiaddr]) {
        for (peer, address) in addresses.iter().filter_map(invite::split_peer) {
            self.net
                .dial(PeerKey(*peer.bytes()), vec![address])
                .await
                .ok();
        }
    }

    /// Waits until the node has stopped, by whatever cause.
    pub async fn stopped(&self) {
        self.asked.closed().await;
    }

    /// Stops the node: ends its links, writes what is under way, closes the store.
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        if self.asked.send(Asked::Stop { done }).await.is_ok() {
            stopped.await.ok();
        }
    }
}

/// Starts the node that a store holds.
///
/// # Errors
///
/// Returns what is missing or cannot be opened, with the mend.
pub fn start(
    settings: NodeSettings,
    identity: Identity,
    store: RocksStore,
    metrics: Metrics,
) -> Result<NodeHandle, StartError> {
    let clock = Clock::start();
    let genesis = store.genesis().clone();
    let store: Arc<dyn Store> = Arc::new(store);
    let mut stored = store.load()?;
    let mesh = genesis.value().id();
    let mut keyring = Keyring::default();
    for (purpose, epoch, sealed) in store.key_shares()? {
        match keyring.open(&mesh, purpose, epoch, &sealed, &identity) {
            Ok(()) => stored.work.shares.push((purpose, epoch)),
            Err(cause) => warn!(%purpose, epoch, %cause, "a share of the committee's key is lost"),
        }
    }
    standby::settle(&settings.data_dir)?;
    let may_sit = standby::is_here(&settings.data_dir)?;
    if !may_sit {
        warn!("a seat of this identity may be kept elsewhere: this node signs for none");
    }
    let root_secret = identity.capability_root();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let config = PeerConfig {
        key: identity.public(),
        root: root_secret.public(),
        genesis,
        directory: None,
        introducers: introducers(&settings),
        healing: Some(healing_capability(&identity).map_err(StartError::Healing)?),
        seed,
        fresh: settings.fresh,
        cosign: settings.cosign,
        may_sit,
    };
    let (net, net_events) = x0_net::spawn(net_config(&identity, &mesh, &settings.network)?)?;
    let (events, _) = broadcast::channel(EVENTS_KEPT);
    let (asked, commands) = mpsc::channel(COMMANDS_WAITING);
    let handle = NodeHandle {
        asked,
        events: events.clone(),
        net: net.clone(),
        store: store.clone(),
        metrics: metrics.clone(),
        key: identity.public(),
        mesh,
        clock,
        root_secret: Arc::new(root_secret),
        collection: Collection::new(metrics.clone()),
    };
    let collection = handle.collection.clone();
    let data_dir = settings.data_dir.clone();
    let mut out = Outbox::new();
    let peer = Peer::new(config, stored, clock.now(), &mut out);
    let identity = Arc::new(identity);
    let share_keys = ShareKeyFiles::open(&data_dir, identity.clone());
    let share_keys = share_keys.map_err(|cause| StartError::ShareKeys { data_dir, cause })?;
    let secrets = Secrets {
        identity,
        share_keys: Arc::new(Mutex::new(share_keys)),
        keyring: Arc::new(Mutex::new(keyring)),
    };
    let metrics = (metrics, collection);
    let driver = Driver::new(peer, secrets, net, store, metrics, events, clock, settings);
    tokio::spawn(driver.run(out, net_events, commands));
    Ok(handle)
}

/// Returns whom the user named as members: in an invite or the bootstrap list, or by what was reached before.
fn introducers(settings: &NodeSettings) -> Vec<PublicKey> {
    let named = settings
        .network
        .bootstrap
        .iter()
        .filter_map(invite::split_peer);
    let known = AddressFile::open(&settings.data_dir).known();
    named.chain(known).map(|(peer, _)| peer).collect()
}

/// Grants the self-healing loop what it needs and no more: to link this node to members.
fn healing_capability(
    identity: &Identity,
) -> Result<Arc<x0_crypto::capability::Capability>, CapabilityError> {
    let root = identity.capability_root();
    let change = Change::Link {
        peer: identity.public(),
    };
    let grant = Grant {
        holder: identity.public(),
        actions: [change.action()].into(),
        caveats: vec![Caveat::Scope(Scope::Local), Caveat::AffectsNodesLe(1)],
    };
    Token::grant(&root, &grant)?
        .verify(&root.public())
        .map(Arc::new)
}

/// Returns the short name of a mesh in protocol names: half of its id, in hexadecimal.
fn mesh_label(mesh: &ContentId) -> String {
    data_encoding::HEXLOWER.encode(&mesh.digest()[..16])
}

fn net_config(
    identity: &Identity,
    mesh: &ContentId,
    settings: &NetworkSettings,
) -> Result<NetConfig, NetError> {
    let mut config = NetConfig::new(identity.transport_seed(), mesh_label(mesh));
    config.listen = settings.listen.clone();
    config.external = settings.external.clone();
    config.lan = settings.lan;
    config.relay_server = settings.relay_server;
    config.topics = Topic::ALL
        .iter()
        .map(|topic| x0_net::Topic::new(topic.name()))
        .collect::<Result<_, _>>()?;
    config.limits.inbound_max = settings.connections_max;
    config.limits.outbound_max = settings.connections_max;
    config.limits.message_bytes_max = RECORD_BYTES_MAX;
    config.limits.request_bytes_max = MESSAGE_BYTES_MAX;
    config.limits.response_bytes_max = MESSAGE_BYTES_MAX;
    config.limits.hello_bytes_max = RECORD_BYTES_MAX + 4 * 1024;
    Ok(config)
}

/// The two clocks of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now {
            mono: Mono(mono),
            wall: wall(),
        }
    }

    pub(crate) fn instant(&self, mono: Mono) -> tokio::time::Instant {
        (self.started + std::time::Duration::from_millis(mono.0)).into()
    }
}

/// Reads the wall clock.
pub(crate) fn wall() -> Wall {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
