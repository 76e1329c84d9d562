//! The IPFS node of Sublime: keeps encrypted content, and exchanges it with the nodes of linked members.
//!
//! It has a peer id of its own, listens where the settings say, and dials nobody but the IPFS nodes that linked members name.
//! A guardian's node holds the content of each item that it keeps a share of. What is to be held follows from the
//! records that are known, so that a restart, or a loss of its directory, costs time only.

pub mod frames;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, info, warn};
use x0_crypto::{PublicKey, sublime::SEALED_CHUNK_BYTES};
use x0_protocol::{
    Command, Event, Reply,
    core::{limits::TIER_ADDRESSES_MAX, sublime::SublimeCommand},
    sublime::{content::LINKS_MAX, known::Item},
    wire::TierAddress,
};
use x0_tiers::{IpfsConfig, IpfsTier, Multiaddr, StartError, TreeLimits};

use crate::{config::SublimeSettings, runtime::NodeHandle};

/// Folder of the IPFS node in the data directory.
const DIR: &str = "ipfs";
/// Time between two introductions of one member that are heeded: each can have addresses dialled.
const INTRODUCED_EVERY: Duration = Duration::from_secs(5);

/// Starts the IPFS node, and follows what linked members say.
///
/// # Errors
///
/// Returns what could not start.
pub async fn start(
    data_dir: &Path,
    settings: &SublimeSettings,
    node: &NodeHandle,
) -> Result<Arc<IpfsTier>, StartError> {
    let config = IpfsConfig {
        listen: settings.listen.clone(),
        ..IpfsConfig::new(data_dir.join(DIR))
    };
    let ipfs = Arc::new(IpfsTier::start(config).await?);
    tokio::spawn(follow(Arc::clone(&ipfs), node.clone()));
    Ok(ipfs)
}

async fn follow(ipfs: Arc<IpfsTier>, node: NodeHandle) {
    let mut events = node.events();
    announce(&ipfs, &node).await;
    hold(&ipfs, &node).await;
    let mut introduced: BTreeMap<PublicKey, Instant> = BTreeMap::new();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let Event::TierPeer { peer, addresses } = &event.event {
                    introduced.retain(|_, at| at.elapsed() < INTRODUCED_EVERY);
                    if introduced.insert(*peer, Instant::now()).is_none() {
                        tokio::spawn(connect(Arc::clone(&ipfs), addresses.clone()));
                    }
                }
                if let Event::Sublime { kind: "item", .. } = &event.event {
                    let (ipfs, node) = (Arc::clone(&ipfs), node.clone());
                    tokio::spawn(async move { hold(&ipfs, &node).await });
                }
            }
            Err(RecvError::Lagged(_)) => hold(&ipfs, &node).await,
            Err(RecvError::Closed) => return ipfs.close().await,
        }
    }
}

/// Says to linked members where the IPFS node is reached.
async fn announce(ipfs: &IpfsTier, node: &NodeHandle) {
    let addresses = match ipfs.addresses().await {
        Ok(addresses) => addresses,
        Err(cause) => return warn!(%cause, "the IPFS node does not say where it listens"),
    };
    let told = addresses.iter().map(Multiaddr::to_string);
    let told = told.filter_map(|address| address.parse::<TierAddress>().ok());
    let told = told.take(TIER_ADDRESSES_MAX).collect();
    info!(?addresses, "the IPFS node is up");
    let command = Command::Sublime(SublimeCommand::Announce(told));
    if let Err(cause) = node.command(command).await {
        warn!(%cause, "linked members are not told where the IPFS node is");
    }
}

/// Connects to the IPFS node of a linked member, by the first of its addresses that works.
async fn connect(ipfs: Arc<IpfsTier>, addresses: Vec<TierAddress>) {
    for address in addresses {
        let Ok(address) = address.as_str().parse::<Multiaddr>() else {
            continue;
        };
        match ipfs.connect(address.clone()).await {
            Ok(peer) => return debug!(%peer, %address, "connected to an IPFS node"),
            Err(cause) => debug!(%cause, %address, "an IPFS node is not reached"),
        }
    }
}

/// Holds the content of every item that this node keeps a share of.
async fn hold(ipfs: &IpfsTier, node: &NodeHandle) {
    let reply = node.command(Command::Sublime(SublimeCommand::Show)).await;
    let Ok(Reply::Sublime(view)) = reply else {
        return;
    };
    let pinned: Vec<_> = match ipfs.pins().await {
        Ok(pins) => pins.into_iter().map(|(root, _)| root).collect(),
        Err(cause) => return warn!(%cause, "what the IPFS node holds cannot be read"),
    };
    for item in view.guarded() {
        let root = item.content.into();
        if pinned.contains(&root) {
            continue;
        }
        match ipfs.pin_tree(root, &[], limits(item), |_| {}).await {
            Ok(held) => {
                info!(content = %item.content, blocks = held.blocks, bytes = held.bytes, "holds the content of a guarded item")
            }
            Err(cause) => {
                debug!(content = %item.content, %cause, "the content of a guarded item is not here yet")
            }
        }
    }
}

/// Returns what the content of an item can take at most: its chunks, and the blocks over them.
fn limits(item: &Item) -> TreeLimits {
    let over = item.chunks.div_ceil(LINKS_MAX as u64 - 1) + 3;
    let chunks = item.chunks.saturating_mul(SEALED_CHUNK_BYTES as u64);
    TreeLimits {
        blocks_max: item.chunks.saturating_add(over),
        bytes_max: chunks.saturating_add(over.saturating_mul(64 * 1024)),
    }
}
