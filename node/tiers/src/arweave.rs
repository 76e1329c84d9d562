//! The Arweave tier: blocks as signed data items or transactions, each found by the tag with its content id.
//!
//! What is stored is public and stays for ever: the ciphertext, its content id, the public key that signed it and the time.
//! Nothing else is written, no name, no type, no mesh. An item is handed to a bundler; without one a wallet pays for a
//! transaction, which any node serves, while a bundle of our own would wait for a gateway to unpack it. Whatever a gateway gives back is checked by the content id, so that neither a
//! gateway nor somebody who tags other bytes with the id can pass them off as the block. The tier does not wait until the
//! network has confirmed an upload; a later look ([`Tier::holds`]) tells.

mod deep_hash;
mod gateway;
mod item;
mod key;
mod transaction;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::{TryStreamExt as _, stream};
use reqwest::Url;

use self::gateway::{Gateway, Given, refused};
pub use self::{
    item::{DataItem, ItemId},
    key::ArweaveKey,
};
use crate::{Block, Forgotten, NotThisBlock, Tier, TierError, TierKind};

/// How long an upload may take to be found before it counts as lost: bundlers promise minutes, the network needs up to an
/// hour for the confirmations after which gateways unpack a bundle. Until then the same block is not paid for again.
const SETTLES: Duration = Duration::from_secs(60 * 60);
/// How many blocks of a list are uploaded at a time.
const UPLOADED_AT_A_TIME: usize = 4;
/// How many uploads are remembered, some 100 bytes each.
const UPLOADS_MAX: usize = 16 * 1024;

/// Where an Arweave tier reads and writes.
pub struct ArweaveSettings {
    /// The gateway or node that blocks are read from, such as `https://arweave.net`.
    pub gateway: String,
    /// Its index of tags, if it is not at `/graphql` of the gateway.
    pub index: Option<String>,
    /// Addresses whose items alone are read; with none, those of anybody.
    pub owners: Vec<String>,
    /// A proxy for all of it, such as `socks5h://127.0.0.1:9050`; without one, that of the environment.
    pub proxy: Option<String>,
    /// How blocks are written.
    pub writing: Writing,
}

/// How blocks come onto Arweave.
pub enum Writing {
    /// Not at all.
    No,
    /// A bundler takes them, at the address to which items are posted, such as `https://upload.ardrive.io/v1/tx`.
    Bundler {
        /// The address.
        url: String,
        /// The key that has credit there.
        key: ArweaveKey,
    },
    /// Each in a transaction, posted to the gateway and paid for in AR.
    Wallet {
        /// The wallet.
        key: ArweaveKey,
        /// The most that one block may cost, in winston (10^-12 AR).
        price_max: u128,
    },
}

/// Blocks on Arweave.
pub struct ArweaveTier {
    gateway: Gateway,
    owners: Vec<String>,
    route: Route,
    uploads: Mutex<BTreeMap<Cid, Upload>>,
}

enum Route {
    No,
    Bundler(Url, ArweaveKey),
    Wallet(ArweaveKey, u128),
}

#[derive(Clone, Copy)]
struct Upload {
    item: ItemId,
    at: Instant,
}

/// Tells whether an address of a gateway or bundler would be asked: by https, or by http on this machine.
///
/// # Errors
/// [`TierError::Refused`] says why not.
pub fn gateway_address(text: &str) -> Result<(), TierError> {
    gateway::address(text).map(|_| ())
}

impl ArweaveTier {
    /// Sets up a tier; nobody is asked yet.
    ///
    /// # Errors
    /// [`TierError::Refused`] if an address cannot be asked, or if an Ethereum key is to pay in AR.
    pub fn new(settings: ArweaveSettings) -> Result<Self, TierError> {
        let gateway = Gateway::new(
            &settings.gateway,
            settings.index.as_deref(),
            settings.proxy.as_deref(),
        )?;
        let route = match settings.writing {
            Writing::No => Route::No,
            Writing::Bundler { url, key } => Route::Bundler(gateway::address(&url)?, key),
            Writing::Wallet { key, price_max } if key.is_wallet() => Route::Wallet(key, price_max),
            Writing::Wallet { .. } => {
                return Err(refused(
                    "an Ethereum key cannot pay for transactions; name a bundler, or the file of an Arweave wallet"
                        .to_owned(),
                ));
            }
        };
        Ok(Self {
            gateway,
            owners: settings.owners,
            route,
            uploads: Mutex::default(),
        })
    }

    /// Returns the items that may carry a block: the one uploaded from here, then those that the index names.
    async fn items(&self, cid: &Cid) -> Result<Vec<ItemId>, TierError> {
        let own = self.uploads().get(cid).map(|upload| upload.item);
        let mut found = self.gateway.look_up(cid, &self.owners).await?;
        if let Some(own) = own {
            found.retain(|id| *id != own);
            found.insert(0, own);
        }
        Ok(found)
    }

    async fn upload(&self, block: &Block) -> Result<ItemId, TierError> {
        match &self.route {
            Route::No => Err(refused(
                "it is set up for reading only; name a bundler or a wallet to write".to_owned(),
            )),
            Route::Bundler(url, key) => {
                let item = DataItem::sign(key, block.cid(), block.bytes())
                    .map_err(|error| refused(error.to_string()))?;
                self.gateway.hand_in(url, &item, &key.address()).await?;
                Ok(item.id())
            }
            Route::Wallet(key, price_max) => self.post(key, *price_max, block).await,
        }
    }

    async fn post(
        &self,
        wallet: &ArweaveKey,
        price_max: u128,
        block: &Block,
    ) -> Result<ItemId, TierError> {
        let (reward, anchor) = self.gateway.terms(block.bytes().len()).await?;
        if reward > price_max {
            return Err(refused(format!(
                "the block would cost {reward} winston, and {price_max} is the most that the settings allow; raise it, \
                 or name a bundler"
            )));
        }
        let terms = transaction::Terms { reward, anchor };
        let (id, transaction) =
            transaction::sign(wallet, &terms, block).map_err(|error| refused(error.to_string()))?;
        self.gateway.post(&transaction, &wallet.address()).await?;
        Ok(id)
    }

    fn uploads(&self) -> MutexGuard<'_, BTreeMap<Cid, Upload>> {
        // Nothing is done under the lock that could leave it half changed.
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settles(&self, cid: &Cid) -> bool {
        self.uploads()
            .get(cid)
            .is_some_and(|upload| upload.at.elapsed() < SETTLES)
    }

    fn remember(&self, cid: Cid, item: ItemId) {
        let mut uploads = self.uploads();
        if uploads.len() >= UPLOADS_MAX {
            uploads.retain(|_, upload| upload.at.elapsed() < SETTLES);
        }
        if uploads.len() >= UPLOADS_MAX {
            uploads.pop_first();
        }
        let at = Instant::now();
        uploads.insert(cid, Upload { item, at });
    }
}

#[async_trait]
impl Tier for ArweaveTier {
    fn kind(&self) -> TierKind {
        TierKind::Arweave
    }

    /// Uploads a block, unless the gateway gives it already or it was uploaded from here within the last hour.
    async fn put(&self, block: &Block) -> Result<(), TierError> {
        if self.settles(block.cid()) {
            return Ok(());
        }
        // Fetched and not only looked for: somebody may have tagged other bytes with the name.
        match self.get(block.cid()).await {
            Ok(_) => return Ok(()),
            Err(TierError::NotFound { .. } | TierError::Wrong { .. }) => {}
            Err(error @ (TierError::Unreachable { .. } | TierError::Refused { .. })) => {
                return Err(error);
            }
        }
        let item = self.upload(block).await?;
        self.remember(*block.cid(), item);
        Ok(())
    }

    /// Uploads several blocks at the same time; each stands for itself.
    async fn put_together(&self, blocks: &[Block]) -> Result<(), TierError> {
        stream::iter(blocks.iter().map(Ok))
            .try_for_each_concurrent(UPLOADED_AT_A_TIME, |block| self.put(block))
            .await
    }

    async fn get(&self, cid: &Cid) -> Result<Block, TierError> {
        let tier = TierKind::Arweave;
        let mut last = TierError::NotFound { tier, cid: *cid };
        for item in self.items(cid).await? {
            let checked = match self.gateway.fetch(item).await {
                Ok(Some(Given::Bytes(bytes))) => Block::new(*cid, Bytes::from(bytes)),
                Ok(Some(Given::TooMany(length))) => Err(NotThisBlock::TooLong(length)),
                Ok(None) => continue,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            match checked {
                Ok(block) => return Ok(block),
                Err(reason) => last = TierError::Wrong { tier, reason },
            }
        }
        Err(last)
    }

    /// Asks the index for items with the tag, and the gateway whether it has one of them. Their bytes are not fetched, so
    /// that an item of somebody else with other bytes counts as the block; an audit of the bytes tells them apart.
    async fn holds(&self, cid: &Cid) -> Result<bool, TierError> {
        for item in self.items(cid).await? {
            if self.gateway.has(item).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn forget(&self, _: &Cid) -> Result<Forgotten, TierError> {
        Ok(Forgotten::Kept)
    }
}
