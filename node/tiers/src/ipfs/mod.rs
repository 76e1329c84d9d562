//! The IPFS tier: an embedded node with its own swarm, its own peer id and its own blocks on disk.
//!
//! What it guarantees: a put is on disk before it returns; every block that comes from elsewhere is what its name says; it
//! speaks to nobody but those that its settings, its caller or the DHT of its settings name; memory is bounded whatever peers
//! do. What it does not: it keeps no secret. Whoever connects can ask it for any CID, and sees which ones it asks for
//! (docs/tiers.md).

mod bitswap;
mod config;
mod dht;
mod driver;
mod key;
mod one_way;
mod store;
mod swarm;
mod tree;

use std::{fs, os::unix::fs::DirBuilderExt as _, sync::Mutex};

use async_trait::async_trait;
use cid::Cid;
use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    swarm::{SwarmEvent, dial_opts::DialOpts},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tracing::debug;

pub use bitswap::PeerAnswer;
pub use config::{Dht, IpfsConfig, StartError};
pub use driver::Traffic;
pub use key::KeyError;
pub use store::{BlockStore, Held, Holder, Pin, Released, StoreError};
pub use tree::{Holding, PinError, Progress, TreeLimits, Unpinned};

use crate::{Block, Depth, Forgotten, Tier, TierError, TierKind};
use driver::{Command, Driver};
use swarm::Behaviour;

/// Folder of the blocks in the tier's directory.
const BLOCKS: &str = "blocks";
/// For the owner alone.
const DIRECTORY_MODE: u32 = 0o700;
/// Commands that wait; callers wait when there are more.
const COMMANDS_MAX: usize = 64;

/// A running IPFS node.
pub struct IpfsTier {
    store: BlockStore,
    commands: mpsc::Sender<Command>,
    task: Mutex<Option<JoinHandle<()>>>,
    peer: PeerId,
    config: IpfsConfig,
}

/// How the node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpfsStats {
    /// What is on disk.
    pub held: Held,
    /// Pinned trees, and how many of them are complete.
    pub pins: (u64, u64),
    /// What goes over the wire.
    pub traffic: Traffic,
}

impl IpfsTier {
    /// Starts a node; it listens when this returns.
    ///
    /// # Errors
    /// [`StartError`] names what could not start; nothing keeps running then.
    pub async fn start(config: IpfsConfig) -> Result<Self, StartError> {
        let mut made = fs::DirBuilder::new();
        let made = made
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&config.dir);
        made.map_err(|error| StartError::Directory {
            path: config.dir.clone(),
            error,
        })?;
        let key = key::read_or_make(&config.dir)?;
        let path = config.dir.join(BLOCKS);
        let store = blocking(move || BlockStore::open(&path)).await?;
        let mut swarm = swarm::build(&config, &key)?;
        listen(&mut swarm, &config.listen).await?;
        for address in &config.bootstrap {
            if let Err(error) = swarm.dial(DialOpts::from(address.clone())) {
                debug!(%address, %error, "a first peer of IPFS is not dialled");
            }
        }
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let driver = Driver::new(swarm, store.clone(), config.dht, queue);
        let tier = Self {
            store,
            commands,
            task: Mutex::new(Some(tokio::spawn(driver.run()))),
            peer: key.public().to_peer_id(),
            config,
        };
        tier.provide_again().await?;
        Ok(tier)
    }

    /// Returns the peer id in IPFS, which has nothing to do with that in the mesh.
    pub const fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// Returns the addresses that are listened on, each with the peer id.
    ///
    /// # Errors
    /// [`TierError::Unreachable`] if the node was closed.
    pub async fn addresses(&self) -> Result<Vec<Multiaddr>, TierError> {
        self.ask(Command::Addresses).await
    }

    /// Connects to a peer.
    ///
    /// # Errors
    /// [`TierError::Unreachable`] if it cannot be reached.
    pub async fn connect(&self, address: Multiaddr) -> Result<PeerId, TierError> {
        let connected = self.ask(|answer| Command::Connect(address, answer)).await?;
        connected.map_err(unreachable)
    }

    /// Asks one connected peer whether it has a block: by its word, or by having it give the block, which is checked.
    ///
    /// # Errors
    /// [`TierError::Unreachable`] if this node was closed.
    pub async fn ask_peer(
        &self,
        peer: PeerId,
        cid: Cid,
        depth: Depth,
    ) -> Result<PeerAnswer, TierError> {
        self.ask(|answer| Command::Probe(peer, cid, depth, answer))
            .await
    }

    /// Reads a block from this node's own disk and checks it; nobody else is asked.
    ///
    /// # Errors
    /// [`TierError::Wrong`] if it is damaged, [`TierError::Unreachable`] if the disk fails.
    pub async fn read_here(&self, cid: &Cid) -> Result<Option<Block>, TierError> {
        let cid = *cid;
        self.on_disk(move |store| store.get(&cid)).await
    }

    /// Takes in an address at which others reach this node; it is told to peers, and the DHT is served from then on.
    ///
    /// # Errors
    /// [`TierError::Unreachable`] if the node was closed.
    pub async fn announce(&self, address: Multiaddr) -> Result<(), TierError> {
        self.send(Command::Announce(address)).await
    }

    /// Stores blocks; all of them are on disk when it returns.
    ///
    /// # Errors
    /// [`TierError`] if the disk fails.
    pub async fn put_many(&self, blocks: Vec<Block>) -> Result<(), TierError> {
        self.put_for(blocks, Holder::Node).await
    }

    /// Tells the DHT that a block is here. Everybody can learn it there, with this node's addresses, for up to two days
    /// after it was told last.
    ///
    /// # Errors
    /// [`TierError`] if there is no DHT, or nobody in it answers.
    pub async fn provide(&self, cid: Cid) -> Result<(), TierError> {
        self.needs_dht()?;
        let provided = self.ask(|answer| Command::Provide(cid, answer)).await?;
        provided.map_err(unreachable)
    }

    /// Asks the DHT who has a block.
    ///
    /// # Errors
    /// [`TierError`] if there is no DHT.
    pub async fn providers(&self, cid: Cid) -> Result<Vec<PeerId>, TierError> {
        self.needs_dht()?;
        let found = self.ask(|answer| Command::Providers(cid, answer)).await?;
        found.map_err(unreachable)
    }

    /// Returns the pinned trees.
    ///
    /// # Errors
    /// [`TierError`] if the disk fails.
    pub async fn pins(&self) -> Result<Vec<(Cid, Pin)>, TierError> {
        self.on_disk(|store| store.pins()).await
    }

    /// Tells how the node is doing.
    ///
    /// # Errors
    /// [`TierError`] if the disk fails or the node was closed.
    pub async fn stats(&self) -> Result<IpfsStats, TierError> {
        let traffic = self.ask(Command::Traffic).await?;
        let (held, pins) = self
            .on_disk(|store| Ok((store.held()?, store.pins()?)))
            .await?;
        let complete = pins.iter().filter(|(_, pin)| pin.is_complete).count();
        Ok(IpfsStats {
            held,
            pins: (pins.len() as u64, complete as u64),
            traffic,
        })
    }

    /// Writes what is held anew, so that what was forgotten is on disk no more. It takes as long as reading and writing
    /// all of it.
    ///
    /// # Errors
    /// [`TierError`] if the disk fails.
    pub async fn reclaim(&self) -> Result<(), TierError> {
        self.on_disk(|store| store.reclaim()).await
    }

    /// Closes connections and waits until no peer is served any more. Later calls say that the node is closed; the
    /// directory is free when the last handle is dropped.
    pub async fn close(&self) {
        // A node that has stopped already takes no command.
        let _ = self.commands.send(Command::Close).await;
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the IPFS node has failed");
        }
    }

    /// Fetches a block from peers, without keeping it.
    async fn fetch(&self, cid: Cid, from: &[PeerId]) -> Result<Block, TierError> {
        let (waiter, waiting) = oneshot::channel();
        self.send(Command::Fetch(cid, from.to_vec(), waiter))
            .await?;
        match tokio::time::timeout(self.config.fetch_wait, waiting).await {
            Ok(Ok(block)) => Ok(block),
            Ok(Err(_)) => Err(unreachable(format!(
                "{cid} is not fetched, for the node was closed or waits for too many blocks"
            ))),
            Err(_) => Err(TierError::NotFound {
                tier: TierKind::Ipfs,
                cid,
            }),
        }
    }

    async fn put_for(&self, blocks: Vec<Block>, holder: Holder) -> Result<(), TierError> {
        let cids = blocks.iter().map(|block| *block.cid()).collect();
        self.on_disk(move |store| store.put(&blocks, holder))
            .await?;
        self.send(Command::Stored(cids)).await
    }

    const fn provides(&self) -> bool {
        self.config.provide && !matches!(self.config.dht, Dht::Off)
    }

    fn needs_dht(&self) -> Result<(), TierError> {
        match self.config.dht {
            Dht::Lan | Dht::Public => Ok(()),
            Dht::Off => Err(TierError::Refused {
                tier: TierKind::Ipfs,
                reason: "no DHT is set; set one, or name peers by their addresses".to_owned(),
            }),
        }
    }

    /// The DHT forgets, and so does the library when it ends.
    async fn provide_again(&self) -> Result<(), StartError> {
        if self.provides() {
            let store = self.store.clone();
            for (root, pin) in blocking(move || store.pins()).await? {
                if pin.is_complete {
                    self.provide_later(root).await;
                }
            }
        }
        Ok(())
    }

    async fn provide_later(&self, root: Cid) {
        // A node that was closed provides nothing.
        let _ = self.commands.send(Command::ProvideLater(root)).await;
    }

    async fn stop_providing(&self, root: Cid) {
        // A node that was closed provides nothing.
        let _ = self.commands.send(Command::StopProviding(root)).await;
    }

    async fn reclaim_if_worth(&self) -> Result<(), TierError> {
        self.on_disk(|store| match store.is_worth_reclaiming()? {
            true => store.reclaim(),
            false => Ok(()),
        })
        .await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, TierError> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer)).await?;
        answered.await.map_err(|_| closed())
    }

    async fn send(&self, command: Command) -> Result<(), TierError> {
        self.commands.send(command).await.map_err(|_| closed())
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BlockStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TierError> {
        let store = self.store.clone();
        blocking(move || work(&store))
            .await
            .map_err(|error| match error {
                StoreError::Damaged(reason) => TierError::Wrong {
                    tier: TierKind::Ipfs,
                    reason,
                },
                StoreError::Open { .. } | StoreError::Disk { .. } => unreachable(error.to_string()),
            })
    }
}

#[async_trait]
impl Tier for IpfsTier {
    fn kind(&self) -> TierKind {
        TierKind::Ipfs
    }

    async fn put(&self, block: &Block) -> Result<(), TierError> {
        self.put_for(vec![block.clone()], Holder::Node).await
    }

    /// Fetches from peers what is not here or is damaged, without keeping it.
    async fn get(&self, cid: &Cid) -> Result<Block, TierError> {
        match self.read_here(cid).await {
            Ok(Some(block)) => Ok(block),
            Ok(None) | Err(TierError::Wrong { .. }) => self.fetch(*cid, &[]).await,
            Err(
                error @ (TierError::NotFound { .. }
                | TierError::Unreachable { .. }
                | TierError::Refused { .. }),
            ) => Err(error),
        }
    }

    async fn holds(&self, cid: &Cid) -> Result<bool, TierError> {
        let cid = *cid;
        let length = self.on_disk(move |store| store.length(&cid)).await?;
        Ok(length.is_some())
    }

    async fn forget(&self, cid: &Cid) -> Result<Forgotten, TierError> {
        let cid = *cid;
        let kept_by = self
            .on_disk(move |store| {
                let holders = store.holders_of(&cid)?;
                let tree = holders.into_iter().find_map(|holder| match holder {
                    Holder::Tree(root) => Some(root),
                    Holder::Node => None,
                });
                if tree.is_none() {
                    store.release(&[cid], Holder::Node)?;
                }
                Ok(tree)
            })
            .await?;
        if let Some(root) = kept_by {
            return Err(TierError::Refused {
                tier: TierKind::Ipfs,
                reason: format!("{cid} is part of the pinned tree {root}; unpin that"),
            });
        }
        self.reclaim_if_worth().await?;
        Ok(Forgotten::Gone)
    }
}

/// Listens, and waits until it is so.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "libp2p's enum is not exhaustive; only the listener matters here"
)]
async fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<(), StartError> {
    for address in addresses {
        let failed = |reason: String| StartError::Listen {
            address: address.clone(),
            reason,
        };
        let wanted = swarm
            .listen_on(address.clone())
            .map_err(|error| failed(error.to_string()))?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == wanted => break,
                SwarmEvent::ListenerClosed {
                    listener_id,
                    reason,
                    ..
                } if listener_id == wanted => {
                    let reason = reason.map_or_else(|e| e.to_string(), |()| "it was closed".into());
                    return Err(failed(reason));
                }
                SwarmEvent::ListenerError { listener_id, error } if listener_id == wanted => {
                    return Err(failed(error.to_string()));
                }
                _ => (),
            }
        }
    }
    Ok(())
}

/// Runs on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn unreachable(reason: String) -> TierError {
    TierError::Unreachable {
        tier: TierKind::Ipfs,
        reason,
    }
}

fn closed() -> TierError {
    unreachable("the IPFS node was closed".to_owned())
}
