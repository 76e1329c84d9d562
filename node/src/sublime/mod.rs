//! Sublime's content on this node: an IPFS node that keeps and exchanges it, and the keeper that sees to it that it is kept.
//!
//! The IPFS node has a peer id of its own, listens where the settings say, and dials nobody but the IPFS nodes that linked members
//! name. A guardian's node holds the content of each item that it keeps a share of. What is to be held follows from the records
//! that are known, so that a restart, or a loss of its directory, costs time only.

mod accounts;
mod agenda;
mod counting;
mod drill;
pub mod frames;
mod introduced;
mod keeper;
mod kept;
mod news;
mod numbers;
mod policy;
mod sample;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::broadcast::error::RecvError, task::JoinSet};
use tracing::{debug, info, warn};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Event,
    core::{limits::TIER_ADDRESSES_MAX, sublime::SublimeCommand},
    wire::{DecodeError, TierAddress},
};
use x0_tiers::{IpfsConfig, IpfsTier, Multiaddr, NobodyGives};

pub use accounts::{Account, AccountError};
use agenda::Agenda;
pub use drill::{DrillReport, DrilledShare, Drills};
pub use keeper::{KeepError, Keeper, Work};
pub use kept::{Beyond, Count, Kept};
pub use news::{ContentNews, Happening};
pub use policy::Policy;

use crate::{config::SublimeSettings, runtime::NodeHandle};

/// Folder of the IPFS node in the data directory.
const IPFS_DIR: &str = "ipfs";
/// Folder of Sublime in the data directory; commands keep their own files there too.
pub(crate) const DIR: &str = "sublime";
/// What the description of an item is bound to.
pub(crate) const ABOUT: &[u8] = b"x0/sublime/about/1";
/// Items that are looked after at a time.
const TURNS_MAX: usize = 4;
/// How often is looked which items are kept here, if nothing is heard.
const REFRESHED_EVERY: Duration = Duration::from_secs(60);

/// Why the keeper of content could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The IPFS node could not.
    #[error(transparent)]
    Ipfs(#[from] x0_tiers::StartError),
    /// An account of the settings cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The folder cannot be made.
    #[error("{dir} cannot be made: {cause}. Mend the rights of the data directory")]
    Directory {
        /// The folder.
        dir: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// Why links of an item cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum CannotRead {
    /// No tier has them.
    #[error(transparent)]
    NobodyGives(#[from] NobodyGives),
    /// They are no links.
    #[error("the content is not laid out as it should be: {0}")]
    Malformed(#[from] DecodeError),
    /// They lead nowhere.
    #[error("the content has fewer chunks than it says")]
    NoSuchChunk,
    /// Nothing can be drawn at random.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(String),
}

/// Starts the IPFS node and the keeper, which follows what linked members say.
///
/// # Errors
///
/// Returns what could not start.
pub async fn start(
    data_dir: &Path,
    settings: &SublimeSettings,
    node: &NodeHandle,
) -> Result<Arc<Keeper>, StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = data_dir.join(DIR);
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir);
    made.map_err(|cause| StartError::Directory {
        dir: dir.display().to_string(),
        cause,
    })?;
    let config = IpfsConfig {
        listen: settings.listen.clone(),
        ..IpfsConfig::new(data_dir.join(IPFS_DIR))
    };
    let ipfs = Arc::new(IpfsTier::start(config).await?);
    let tiers = accounts::open(&ipfs, settings)?;
    let memory = kept::Memory::open(&dir);
    let keeper = Keeper::new(node.clone(), ipfs, tiers, settings.copies, memory);
    let keeper = Arc::new(keeper);
    let interval = Duration::from_secs(u64::from(settings.audit_secs));
    tokio::spawn(follow(
        Arc::clone(&keeper),
        Agenda::new(node.key(), interval),
    ));
    Ok(keeper)
}

/// Returns the time by this machine's clock, milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Looks after what is kept here, until the node stops.
async fn follow(keeper: Arc<Keeper>, mut agenda: Agenda) {
    let mut events = keeper.node.events();
    announce(&keeper).await;
    let mut turns: JoinSet<(ContentId, bool)> = JoinSet::new();
    let mut refresh_at = Instant::now();
    loop {
        let now = Instant::now();
        if refresh_at <= now {
            refresh(&keeper, &mut agenda, now).await;
            refresh_at = now + REFRESHED_EVERY;
        }
        while turns.len() < TURNS_MAX
            && let Some(kept) = agenda.take(now)
        {
            let keeper = Arc::clone(&keeper);
            turns.spawn(async move {
                let is_well = keeper.look_after(&kept).await;
                (kept.item.content, is_well)
            });
        }
        let next = match turns.len() < TURNS_MAX {
            true => agenda
                .next()
                .map_or(refresh_at, |next| next.min(refresh_at)),
            false => refresh_at,
        };
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    if let Event::TierPeer { peer, addresses } = &event.event
                        && keeper.introduced.hear(*peer, addresses)
                    {
                        tokio::spawn(greet(Arc::clone(&keeper), *peer));
                    }
                    if let Event::Gone { member } = &event.event {
                        keeper.introduced.forget(member);
                    }
                    if let Event::Sublime { kind: "item" | "forget", .. } = &event.event {
                        refresh_at = now;
                    }
                }
                Err(RecvError::Lagged(_)) => refresh_at = now,
                Err(RecvError::Closed) => break,
            },
            Some(done) = turns.join_next() => match done {
                Ok((content, is_well)) => {
                    let is_hurried = keeper.asked().contains(&content);
                    agenda.done(&content, is_well, is_hurried, Instant::now());
                    // While others are at work the next refresh does.
                    if turns.is_empty() {
                        measure(&keeper, &agenda).await;
                    }
                }
                Err(cause) => tracing::error!(%cause, "looking after an item has failed"),
            },
            () = keeper.woken.notified() => {
                refresh(&keeper, &mut agenda, now).await;
                for content in keeper.asked().iter() {
                    agenda.hurry(content, now);
                }
            }
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
    turns.shutdown().await;
    keeper.ipfs.close().await;
}

/// Connects to the IPFS node that a linked member has named.
async fn greet(keeper: Arc<Keeper>, member: PublicKey) {
    let peer = keeper.introduced.connect_one(&keeper.ipfs, &member).await;
    debug!(%member, ?peer, "a linked member has named its IPFS node");
}

async fn refresh(keeper: &Keeper, agenda: &mut Agenda, now: Instant) {
    match keeper.kept_items().await {
        Ok(kept) => {
            agenda.set(kept, now);
            measure(keeper, agenda).await;
        }
        Err(cause) => debug!(%cause, "which items are kept here is not known"),
    }
    if let Err(cause) = keeper.drop_forgotten().await {
        warn!(%cause, "content of forgotten items is still here");
    }
}

async fn measure(keeper: &Keeper, agenda: &Agenda) {
    if let Err(cause) = keeper.measure(agenda.contents()).await {
        debug!(%cause, "how much content is kept here is not known");
    }
}

/// Says to linked members where the IPFS node is reached.
async fn announce(keeper: &Keeper) {
    let addresses = match keeper.ipfs.addresses().await {
        Ok(addresses) => addresses,
        Err(cause) => return warn!(%cause, "the IPFS node does not say where it listens"),
    };
    let told = addresses.iter().map(Multiaddr::to_string);
    let told = told.filter_map(|address| address.parse::<TierAddress>().ok());
    let told = told.take(TIER_ADDRESSES_MAX).collect();
    info!(?addresses, "the IPFS node is up");
    let command = Command::Sublime(SublimeCommand::Announce(told));
    if let Err(cause) = keeper.node.command(command).await {
        warn!(%cause, "linked members are not told where the IPFS node is");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::sublime::{AccessStructure, ItemParts, deal};
    use x0_protocol::wire::Sharing;

    /// Some sharing among ten.
    pub(crate) fn sharing() -> Sharing {
        let access = AccessStructure::new(3, 10).unwrap();
        let secret = ItemParts::draw(&[1; 32], b"").secret;
        Sharing {
            epoch: 0,
            commitments: deal(&secret, access, &[2; 32]).commitments,
        }
    }
}
