//! What a node does for the content of an item: holds it, audits its own copy, has counted who else holds it, mends, and stores it
//! where whoever put it wants it besides.
//!
//! A turn reads a few blocks of the own copy and asks others about as many; only if something is wrong, or somebody asked for it,
//! is everything read. What is missing comes from whichever tier has it. Copies of other nodes are theirs to mend: each
//! guardian's node does this for its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, broadcast};
use tracing::{debug, info, warn};
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Reply,
    core::sublime::{SublimeCommand, SublimeView},
    sublime::{
        content::{LINKS_MAX, Links, Place},
        known::Item,
    },
};
use x0_tiers::{
    Cid, Depth, Holding, IpfsTier, NotMended, Pin, PinError, PinProgress, TierError, TierKind,
    Tiers, TreeLimits,
};

use super::{
    CannotRead,
    accounts::Account,
    agenda::KeptItem,
    drill::Drills,
    introduced::Introduced,
    kept::{Beyond, Count, Kept, Memory},
    news::{self, ContentNews, Happening},
    numbers,
    policy::Policy,
    sample, unix_ms,
};
use crate::{identity::IdentityError, runtime::NodeHandle};

/// Events kept for a listener that lags behind.
const HAPPENINGS_KEPT: usize = 256;
/// How long what was stored on a tier that is paid is not looked at again: an index may need so long to know it.
const SETTLES_MS: u64 = 2 * 60 * 60 * 1_000;

/// What is being done for an item at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What, in a word or two.
    pub what: &'static str,
    /// Blocks that are done.
    pub done: u64,
    /// Of how many, as far as is known.
    pub of: u64,
}

/// Why something is not done for an item.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// This node does not keep it.
    #[error("this node does not keep {0}: it neither guards it nor put it")]
    NotKept(ContentId),
    /// The node does not answer.
    #[error("the node is stopping")]
    Stopping,
    /// The memory cannot be written.
    #[error("what is wished for the item cannot be written down: {0}")]
    Memory(String),
    /// Nothing of the item can be read.
    #[error(transparent)]
    CannotRead(#[from] CannotRead),
    /// The IPFS node does not answer.
    #[error(transparent)]
    Tier(#[from] TierError),
}

/// The keeper of a node's content.
pub struct Keeper {
    pub(super) node: NodeHandle,
    pub(super) ipfs: Arc<IpfsTier>,
    pub(super) introduced: Introduced,
    /// Said when the agenda has to be looked at again.
    pub(super) woken: Notify,
    pub(super) tiers: Tiers,
    pub(super) accounts: Vec<Account>,
    copies: u8,
    memory: Arc<Memory>,
    /// Items of which everything is to be read, for somebody asked for it.
    asked: Mutex<BTreeSet<ContentId>>,
    work: Mutex<BTreeMap<ContentId, Work>>,
    pub(super) drills: Mutex<Drills>,
    happened: broadcast::Sender<Happening>,
}

/// What a turn found.
struct Found {
    held: Result<PinProgress, PinError>,
    count: Option<Count>,
    stored: Vec<TierKind>,
    trouble: Option<String>,
}

impl Keeper {
    pub(super) fn new(
        node: NodeHandle,
        ipfs: Arc<IpfsTier>,
        (tiers, accounts): (Tiers, Vec<Account>),
        copies: u8,
        memory: Memory,
    ) -> Self {
        Self {
            node,
            ipfs,
            introduced: Introduced::default(),
            woken: Notify::new(),
            tiers,
            accounts,
            copies,
            memory: Arc::new(memory),
            asked: Mutex::default(),
            work: Mutex::default(),
            drills: Mutex::default(),
            happened: broadcast::Sender::new(HAPPENINGS_KEPT),
        }
    }

    /// Returns the IPFS node.
    pub fn ipfs(&self) -> &IpfsTier {
        &self.ipfs
    }

    /// Returns the tiers, read as one.
    pub const fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// Returns the tiers beside the mesh that the settings name.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Returns how many copies of an item are enough: as many as the settings say, or of fewer guardians all.
    pub fn needed(&self, item: &Item) -> u32 {
        u32::from(self.copies.min(item.first.access().shares()))
    }

    /// Returns what is remembered of an item.
    pub fn remembered(&self, item: &Item) -> Option<Kept> {
        self.memory_of(&item.content)
    }

    pub(super) fn memory_of(&self, content: &ContentId) -> Option<Kept> {
        self.memory.of(content)
    }

    /// Returns what is being done for an item.
    pub fn work(&self, item: &Item) -> Option<Work> {
        self.works().get(&item.content).copied()
    }

    /// Listens to what happens to items that are kept here.
    pub fn happenings(&self) -> broadcast::Receiver<Happening> {
        self.happened.subscribe()
    }

    /// Returns how much of an item is pinned here.
    ///
    /// # Errors
    ///
    /// Returns that the disk fails.
    pub async fn pinned(&self, item: &Item) -> Result<Option<Pin>, TierError> {
        let root = Cid::from(item.content);
        let pins = self.ipfs.pins().await?;
        let pin = pins.into_iter().find(|(pinned, _)| *pinned == root);
        Ok(pin.map(|(_, pin)| pin))
    }

    /// Writes down where whoever puts a content wants it; it is seen to as soon as the item is known.
    ///
    /// # Errors
    ///
    /// Returns that it cannot be written.
    pub async fn wish(&self, content: ContentId, policy: Policy) -> Result<(), KeepError> {
        let wish = move |kept: &mut Kept| {
            kept.policy = Some(policy);
            kept.put_ms = unix_ms();
        };
        let changed = self.change(content, wish).await;
        changed.map_err(|error| KeepError::Memory(error.to_string()))?;
        self.woken.notify_one();
        Ok(())
    }

    /// Has everything of an item read, and what is wrong mended, as soon as may be.
    ///
    /// # Errors
    ///
    /// Returns that the item is not kept here.
    pub async fn repair(&self, item: &Item) -> Result<(), KeepError> {
        let kept = self.kept_items().await?;
        if !kept.iter().any(|kept| kept.item.content == item.content) {
            return Err(KeepError::NotKept(item.content));
        }
        self.asked().insert(item.content);
        let waiting = Work {
            what: "waiting",
            done: 0,
            of: item.chunks,
        };
        self.works().entry(item.content).or_insert(waiting);
        self.woken.notify_one();
        Ok(())
    }

    /// Returns the items that are asked to be repaired.
    pub(super) fn asked(&self) -> MutexGuard<'_, BTreeSet<ContentId>> {
        // Nothing is done under the lock that could leave it half changed.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works(&self) -> MutexGuard<'_, BTreeMap<ContentId, Work>> {
        // As above.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn view(&self) -> Result<Box<SublimeView>, KeepError> {
        let reply = self.node.command(Command::Sublime(SublimeCommand::Show));
        match reply.await {
            Ok(Reply::Sublime(view)) => Ok(view),
            Ok(_) | Err(_) => Err(KeepError::Stopping),
        }
    }

    /// Returns the names of the items that are kept here.
    pub async fn kept(&self) -> Vec<ContentId> {
        let kept = self.kept_items().await.unwrap_or_default();
        kept.into_iter().map(|kept| kept.id).collect()
    }

    /// Lets go of the content of items that are to be forgotten.
    pub(super) async fn drop_forgotten(&self) -> Result<(), KeepError> {
        let view = self.view().await?;
        let pins = self.ipfs.pins().await?;
        let items = view.items.iter();
        let forgotten = items.filter(|(_, _, shared)| shared.forgotten);
        for (id, item, _) in forgotten {
            let root = Cid::from(item.content);
            if pins.iter().any(|(pinned, _)| *pinned == root) {
                let dropped = self.ipfs.unpin(root).await?;
                info!(item = %id, ?dropped, "the content of a forgotten item is let go of");
            }
        }
        Ok(())
    }

    /// Returns the items that are kept here: those that this node guards, and those that its user put.
    pub(super) async fn kept_items(&self) -> Result<Vec<KeptItem>, KeepError> {
        let view = self.view().await?;
        let guarded: BTreeSet<_> = view.guarded().map(|item| item.content).collect();
        let known = view.items.iter();
        let known = known.filter(|(_, _, shared)| !shared.forgotten);
        let items = known.filter_map(|(id, item, _)| {
            let guards = guarded.contains(&item.content);
            let put = || {
                let kept = self.memory.of(&item.content);
                kept.is_some_and(|kept| kept.policy.is_some())
            };
            (guards || put()).then(|| KeptItem {
                id: *id,
                item: item.clone(),
                guards,
            })
        });
        Ok(items.collect())
    }

    /// Looks after an item; tells whether nothing is left to be done.
    pub(super) async fn look_after(&self, kept: &KeptItem) -> bool {
        let content = kept.item.content;
        let is_asked = self.asked().remove(&content);
        let depth = match is_asked {
            true => Depth::Bytes,
            false => Depth::Word,
        };
        let found = self.turn(kept, depth).await;
        let is_well = self.take_in(kept, found).await;
        if !self.asked().contains(&content) {
            self.works().remove(&content);
        }
        is_well
    }

    async fn turn(&self, kept: &KeptItem, depth: Depth) -> Found {
        self.introduced.connect(&self.ipfs).await;
        let mut held = self.hold(kept, depth).await;
        let mut trouble = held.as_ref().err().map(ToString::to_string);
        let sample = match &held {
            Ok(_) => sample::draw(&self.tiers, &kept.item).await.ok(),
            Err(_) => None,
        };
        let Some(sample) = sample else {
            return Found {
                held,
                count: None,
                stored: Vec::new(),
                trouble,
            };
        };
        if depth == Depth::Word && !self.is_sound(&sample).await {
            held = self.hold(kept, Depth::Bytes).await;
            trouble = held.as_ref().err().map(ToString::to_string);
        }
        let mut stored = Vec::new();
        if held.is_ok() {
            for tier in self.due(kept, depth) {
                match self.store_on(tier, kept).await {
                    Ok(()) => stored.push(tier),
                    Err(cause) => trouble = Some(format!("it is not whole on {tier}: {cause}")),
                }
            }
        }
        self.tell_work(&kept.item, "counting", 0, 1);
        let beyond = !self.wanted(kept).is_empty();
        let count = self.ask_around(kept, &sample, held.is_ok(), beyond).await;
        Found {
            held,
            count: count.ok(),
            stored,
            trouble,
        }
    }

    async fn hold(&self, kept: &KeptItem, depth: Depth) -> Result<PinProgress, PinError> {
        let holding = Holding {
            from: &[],
            tiers: Some(&self.tiers),
            limits: limits(&kept.item),
            depth,
        };
        let root = kept.item.content.into();
        let told = |progress: PinProgress| {
            let of = kept.item.chunks.max(progress.blocks + progress.missing);
            self.tell_work(&kept.item, "holding", progress.blocks, of);
        };
        self.ipfs.hold_tree(root, holding, told).await
    }

    /// Returns the tiers beside the mesh where whoever put an item wants it.
    fn wanted(&self, kept: &KeptItem) -> &'static [TierKind] {
        let remembered = self.remembered(&kept.item);
        let policy = remembered.and_then(|kept| kept.policy);
        policy.unwrap_or_default().beyond()
    }

    /// Returns those of them where every block has to be looked for, and stored if it is not there: what was not stored yet, and
    /// later what a sample was missed of.
    fn due(&self, kept: &KeptItem, depth: Depth) -> Vec<TierKind> {
        let remembered = self.remembered(&kept.item).unwrap_or_default();
        let is_due = |tier: &&TierKind| {
            let stores = |account: &Account| account.tier == **tier && account.stores;
            let is_missed = match remembered.stored_ms.get(tier.name()) {
                None => true,
                Some(at) if unix_ms() < at.saturating_add(SETTLES_MS) => false,
                Some(_) => {
                    let count = remembered.count.as_ref();
                    let seen = count.and_then(|count| count.beyond.get(tier.name()));
                    depth == Depth::Bytes || seen != Some(&Beyond::Whole)
                }
            };
            is_missed && self.accounts.iter().any(stores)
        };
        let wanted = self.wanted(kept).iter();
        wanted.filter(is_due).copied().collect()
    }

    /// Stores on a tier what of an item it lacks, one block of links and what it links to after the other.
    async fn store_on(&self, tier: TierKind, kept: &KeptItem) -> Result<(), NotStored> {
        let item = &kept.item;
        let (mut done, of) = (0, blocks_max(item));
        let what = match tier {
            TierKind::Ipfs => "storing",
            TierKind::Arweave => "arweave",
            TierKind::Sia => "sia",
        };
        let mut waiting = vec![(item.content, Place::root(item.chunks))];
        while let Some((id, place)) = waiting.pop() {
            let tree = sample::read(&self.tiers, id, place).await?;
            let mut cids = vec![Cid::from(id)];
            match tree.links() {
                Links::Blocks(_) => waiting.extend(tree.below()),
                Links::Chunks(chunks) => cids.extend(chunks.iter().map(|chunk| Cid::from(*chunk))),
            }
            let told = |progress: x0_tiers::Progress| {
                self.tell_work(item, what, done + progress.done as u64, of);
            };
            self.tiers.complete(tier, &cids, told).await?;
            done += cids.len() as u64;
        }
        Ok(())
    }

    fn tell_work(&self, item: &Item, what: &'static str, done: u64, of: u64) {
        self.works().insert(item.content, Work { what, done, of });
    }

    /// Remembers what a turn found, and tells what has changed; returns whether nothing is left to be done.
    async fn take_in(&self, kept: &KeptItem, found: Found) -> bool {
        let now = unix_ms();
        let Found {
            held,
            count,
            stored,
            trouble,
        } = found;
        let (fetched, is_held) = (held.as_ref().map_or(0, |held| held.fetched), held.is_ok());
        let is_well = is_held && trouble.is_none() && count.as_ref().is_some_and(Count::is_safe);
        let newly_stored = stored.clone();
        let changed = self.remember(kept, move |kept| {
            // What comes for the first time is no repair.
            let repaired = match kept.whole_ms {
                Some(_) => fetched,
                None => 0,
            };
            if is_held {
                kept.whole_ms = Some(now);
            }
            if repaired > 0 {
                kept.repaired += repaired;
                kept.repaired_ms = Some(now);
            }
            for tier in &newly_stored {
                kept.stored_ms.insert(tier.name().to_owned(), now);
            }
            if count.is_some() {
                kept.count = count;
            }
            kept.trouble = trouble;
        });
        let (before, after) = changed.await;
        numbers::count_turn(self.node.numbers(), (&before, &after), (is_held, is_well));
        let here = held.as_ref().ok().map(|held| (held.blocks, held.bytes));
        let stored: Vec<_> = stored.iter().map(|tier| tier.name()).collect();
        let news = news::of_turn(&before, &after, here, &stored);
        if let Some(trouble) = &after.trouble {
            debug!(item = %kept.id, %trouble, "an item is not here, or not as it should be");
        }
        for news in news {
            self.tell(kept, news);
        }
        is_well
    }

    /// Changes what is remembered of an item, and tells if it became safe, is no longer, or lost copies.
    pub(super) async fn remember(
        &self,
        kept: &KeptItem,
        change: impl FnOnce(&mut Kept) + Send + 'static,
    ) -> (Kept, Kept) {
        let content = kept.item.content;
        let changed = self.change(content, change).await;
        let (before, after) = changed.unwrap_or_else(|cause| {
            warn!(%cause, "what an audit found is not remembered over a restart");
            let after = self.memory.of(&content).unwrap_or_default();
            (after.clone(), after)
        });
        if let Some(news) = news::of_count(&before, &after) {
            self.tell(kept, news);
        }
        (before, after)
    }

    /// Changes what is remembered of a content, on a thread that may wait for the disk.
    async fn change(
        &self,
        content: ContentId,
        change: impl FnOnce(&mut Kept) + Send + 'static,
    ) -> Result<(Kept, Kept), IdentityError> {
        let memory = Arc::clone(&self.memory);
        match tokio::task::spawn_blocking(move || memory.change(content, change)).await {
            Ok(changed) => changed,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn tell(&self, kept: &KeptItem, news: ContentNews) {
        let (item, content) = (kept.id, kept.item.content);
        match &news {
            ContentNews::Trouble { .. } | ContentNews::NotSafe { .. } => {
                warn!(%item, %content, "an item that this node keeps: {news}");
            }
            ContentNews::Held { .. }
            | ContentNews::Repaired { .. }
            | ContentNews::Stored { .. }
            | ContentNews::LostCopy { .. }
            | ContentNews::Safe { .. } => info!(%item, %content, "{news}"),
        }
        let happening = Happening {
            time_ms: unix_ms(),
            item,
            news,
        };
        // Nobody may listen.
        let _ = self.happened.send(happening);
    }
}

/// Why an item is not whole on a tier beside the mesh.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error(transparent)]
    CannotRead(#[from] CannotRead),
    #[error(transparent)]
    NotMended(#[from] NotMended),
}

/// Returns how many blocks an item has at most: its chunks, and those over them.
const fn blocks_max(item: &Item) -> u64 {
    item.chunks
        .saturating_add(item.chunks.div_ceil(LINKS_MAX as u64 - 1) + 3)
}

/// Returns what the content of an item can take at most.
fn limits(item: &Item) -> TreeLimits {
    let chunks = item
        .chunks
        .saturating_mul(x0_crypto::sublime::SEALED_CHUNK_BYTES as u64);
    let over = blocks_max(item) - item.chunks;
    TreeLimits {
        blocks_max: blocks_max(item),
        bytes_max: chunks.saturating_add(over.saturating_mul(64 * 1024)),
    }
}
