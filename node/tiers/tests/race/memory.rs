//! A tier in memory that can lose, lie, fail and hang.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use x0_tiers::{Block, Forgotten, NotThisBlock, Tier, TierError, TierKind};

/// How the tier behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Honest,
    /// Gives another block than it was asked for, and says that it has everything.
    Lying,
    /// Is out of reach.
    Failing,
    /// Never answers.
    Hanging,
    /// Takes nothing.
    Full,
}

pub(super) struct MemoryTier {
    kind: TierKind,
    blocks: Mutex<BTreeMap<Cid, Block>>,
    mood: Mutex<Mood>,
    /// How often a block was asked for.
    gets: AtomicUsize,
    /// How many questions were dropped without an answer.
    cancelled: AtomicUsize,
    asked: Semaphore,
}

impl MemoryTier {
    pub(super) fn new(kind: TierKind, blocks: &[Block]) -> Self {
        let blocks = blocks.iter().map(|block| (*block.cid(), block.clone()));
        Self {
            kind,
            blocks: Mutex::new(blocks.collect()),
            mood: Mutex::new(Mood::Honest),
            gets: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            asked: Semaphore::new(0),
        }
    }

    pub(super) fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn lose(&self, cid: &Cid) {
        self.blocks.lock().unwrap().remove(cid);
    }

    pub(super) fn has(&self, cid: &Cid) -> bool {
        self.blocks.lock().unwrap().contains_key(cid)
    }

    pub(super) fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }

    pub(super) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until somebody has asked for a block.
    pub(super) async fn was_asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn out_of_reach(&self) -> TierError {
        TierError::Unreachable {
            tier: self.kind,
            reason: "it is switched off".to_owned(),
        }
    }

    async fn hang<T>(&self) -> T {
        struct Cancelled<'a>(&'a AtomicUsize);
        impl Drop for Cancelled<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let _counted = Cancelled(&self.cancelled);
        std::future::pending().await
    }
}

#[async_trait]
impl Tier for MemoryTier {
    fn kind(&self) -> TierKind {
        self.kind
    }

    async fn put(&self, block: &Block) -> Result<(), TierError> {
        match self.mood() {
            Mood::Honest | Mood::Lying => {
                let mut blocks = self.blocks.lock().unwrap();
                blocks.insert(*block.cid(), block.clone());
                Ok(())
            }
            Mood::Failing => Err(self.out_of_reach()),
            Mood::Hanging => self.hang().await,
            Mood::Full => Err(TierError::Refused {
                tier: self.kind,
                reason: "it is full".to_owned(),
            }),
        }
    }

    async fn get(&self, cid: &Cid) -> Result<Block, TierError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.asked.add_permits(1);
        match self.mood() {
            Mood::Honest | Mood::Full => {
                let blocks = self.blocks.lock().unwrap();
                let tier = self.kind;
                let missing = || TierError::NotFound { tier, cid: *cid };
                blocks.get(cid).cloned().ok_or_else(missing)
            }
            Mood::Lying => Ok(block(b"something else")),
            Mood::Failing => Err(self.out_of_reach()),
            Mood::Hanging => self.hang().await,
        }
    }

    async fn holds(&self, cid: &Cid) -> Result<bool, TierError> {
        match self.mood() {
            Mood::Honest | Mood::Full => Ok(self.has(cid)),
            Mood::Lying => Ok(true),
            Mood::Failing => Err(self.out_of_reach()),
            Mood::Hanging => self.hang().await,
        }
    }

    async fn forget(&self, cid: &Cid) -> Result<Forgotten, TierError> {
        match self.mood() {
            Mood::Honest | Mood::Lying | Mood::Full => {
                self.lose(cid);
                Ok(Forgotten::Gone)
            }
            Mood::Failing => Err(self.out_of_reach()),
            Mood::Hanging => self.hang().await,
        }
    }
}

/// Returns the raw block of some bytes.
pub(super) fn block(bytes: &[u8]) -> Block {
    let hash = Multihash::wrap(0x12, &Sha256::digest(bytes)).unwrap();
    Block::new(Cid::new_v1(0x55, hash), Bytes::copy_from_slice(bytes)).unwrap()
}

/// Returns the reason why bytes are not a block, for comparing.
pub(super) fn is_other_bytes(error: &TierError) -> bool {
    matches!(
        error,
        TierError::Wrong {
            reason: NotThisBlock::OtherBytes(_),
            ..
        }
    )
}
