//! Looking after copies: storing and letting go on several tiers, which tier has lost what, and putting it back.
//!
//! [`Tiers::complete`] stores on a tier what of a list is not there. Audit and repair walk a list with a few questions at a time, tell how far they are, and stop when their future is
//! dropped; nothing runs on. A tier that does not answer several times in a row is not asked for the rest of the list. Whether a block may
//! be put on a tier, and at what price, is for the caller to say: only what it hands in is mended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cid::Cid;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    Block, Forgotten, Tier, TierError, TierKind,
    race::{NobodyGives, Tiers, within},
};

/// How many questions one tier is asked at a time: enough to hide the way there, few enough for a small gateway.
const QUESTIONS_MAX: usize = 8;
/// How many blocks are mended at a time; each is held in memory, 1 MiB at most.
const MENDED_MAX: usize = 4;
/// How many blocks are stored together on a tier that is completed: 32 MiB in blocks of 256 KiB, which Sia packs well.
const STORED_TOGETHER: usize = 128;
/// After so many questions in a row without an answer the tier counts as out of reach.
const SILENCES_MAX: usize = 8;

/// How a tier is asked about its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The tier's word is taken.
    Word,
    /// Each block is fetched and checked, so that a tier cannot lie.
    Bytes,
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: usize,
    /// What there is to do.
    pub of: usize,
}

/// What became of a block at one tier.
#[derive(Debug)]
pub struct Outcome<T> {
    /// Which tier, by its number among the tiers.
    pub place: usize,
    /// Of which kind it is.
    pub tier: TierKind,
    /// What it did.
    pub outcome: Result<T, TierError>,
}

/// What one tier has of a list of blocks.
#[derive(Debug)]
pub struct Audit {
    /// Which tier, by its number among the tiers.
    pub place: usize,
    /// Of which kind it is.
    pub tier: TierKind,
    /// How many it holds.
    pub held: usize,
    /// Which it has lost, in the order of the list.
    pub lost: Vec<Cid>,
    /// Which it could not be asked about, and why.
    pub unknown: Vec<(Cid, TierError)>,
}

/// What became of a copy that was lost.
#[derive(Debug)]
pub struct Mending {
    /// Which tier, by its number among the tiers.
    pub place: usize,
    /// Of which kind it is.
    pub tier: TierKind,
    /// Which block.
    pub cid: Cid,
    /// Whether the tier has it again.
    pub outcome: Result<(), NotMended>,
}

/// Says why a copy could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum NotMended {
    /// No other tier gives it.
    #[error(transparent)]
    NobodyGives(Arc<NobodyGives>),
    /// The tier that had lost it does not take it back.
    #[error("{0}")]
    NotTaken(TierError),
}

impl Tiers {
    /// Stores a block on all tiers of the kinds that are chosen, at the same time, and tells which of them hold it.
    ///
    /// Some keep for ever what they have once taken, and some want to be paid: each item's owner chooses.
    pub async fn put(&self, block: &Block, chosen: impl Fn(TierKind) -> bool) -> Vec<Outcome<()>> {
        self.on_each(chosen, |tier| tier.put(block)).await
    }

    /// Has all tiers let go of a block, and tells which of them keep it for ever.
    pub async fn forget(&self, cid: &Cid) -> Vec<Outcome<Forgotten>> {
        self.on_each(|_| true, |tier| tier.forget(cid)).await
    }

    async fn on_each<'a, T, F: Future<Output = Result<T, TierError>>>(
        &'a self,
        chosen: impl Fn(TierKind) -> bool,
        act: impl Fn(&'a dyn Tier) -> F,
    ) -> Vec<Outcome<T>> {
        let places = self.places.iter().enumerate();
        let acts = places.filter_map(|(place, at)| {
            let tier = at.tier.kind();
            let acting = chosen(tier).then(|| within(self.pace.write, tier, act(&*at.tier)))?;
            Some(async move {
                Outcome {
                    place,
                    tier,
                    outcome: acting.await,
                }
            })
        });
        futures::future::join_all(acts).await
    }

    /// Finds what each tier has lost of a list of blocks.
    pub async fn audit(
        &self,
        cids: &[Cid],
        depth: Depth,
        told: impl Fn(Progress) + Sync,
    ) -> Vec<Audit> {
        let of = cids.len() * self.places.len();
        let done = AtomicUsize::new(0);
        let step = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            told(Progress { done, of });
        };
        let audits = (0..self.places.len()).map(|place| self.audit_one(place, cids, depth, &step));
        futures::future::join_all(audits).await
    }

    async fn audit_one(
        &self,
        place: usize,
        cids: &[Cid],
        depth: Depth,
        step: &(impl Fn() + Sync),
    ) -> Audit {
        let tier = self.places[place].tier.kind();
        let mut audit = Audit {
            place,
            tier,
            held: 0,
            lost: Vec::new(),
            unknown: Vec::new(),
        };
        let silences = AtomicUsize::new(0);
        let silences = &silences;
        let ask = |cid: Cid| async move {
            if silences.load(Ordering::Relaxed) >= SILENCES_MAX {
                let reason = "it did not answer several times before".to_owned();
                return (cid, Err(TierError::Unreachable { tier, reason }));
            }
            let answer = self.holds(place, &cid, depth).await;
            match &answer {
                Err(TierError::Unreachable { .. }) => silences.fetch_add(1, Ordering::Relaxed),
                Ok(_)
                | Err(
                    TierError::NotFound { .. }
                    | TierError::Wrong { .. }
                    | TierError::Refused { .. },
                ) => silences.swap(0, Ordering::Relaxed),
            };
            (cid, answer)
        };
        let mut answers = stream::iter(cids.iter().copied())
            .map(ask)
            .buffered(QUESTIONS_MAX);
        while let Some((cid, answer)) = answers.next().await {
            match answer {
                Ok(true) => audit.held += 1,
                Ok(false) => audit.lost.push(cid),
                Err(reason) => audit.unknown.push((cid, reason)),
            }
            step();
        }
        audit
    }

    async fn holds(&self, place: usize, cid: &Cid, depth: Depth) -> Result<bool, TierError> {
        let tier = &self.places[place].tier;
        match depth {
            Depth::Word => within(self.pace.read, tier.kind(), tier.holds(cid)).await,
            Depth::Bytes => match self.fetch(place, cid).await {
                Ok(_) => Ok(true),
                Err(TierError::NotFound { .. } | TierError::Wrong { .. }) => Ok(false),
                Err(reason @ (TierError::Unreachable { .. } | TierError::Refused { .. })) => {
                    Err(reason)
                }
            },
        }
    }

    /// Copies each block that an audit of these tiers found lost from a tier that gives it to those that have lost it.
    ///
    /// A block is fetched once however many tiers lost it. The outcomes are in the order in which they came.
    pub async fn repair(&self, audits: &[Audit], told: impl Fn(Progress)) -> Vec<Mending> {
        let mut lost: BTreeMap<Cid, Vec<usize>> = BTreeMap::new();
        for audit in audits {
            for cid in &audit.lost {
                lost.entry(*cid).or_default().push(audit.place);
            }
        }
        let of = lost.values().map(Vec::len).sum();
        let mut mended = Vec::new();
        let mut mendings = stream::iter(lost)
            .map(|(cid, places)| self.mend(cid, places))
            .buffer_unordered(MENDED_MAX);
        while let Some(of_block) = mendings.next().await {
            mended.extend(of_block);
            let done = mended.len();
            told(Progress { done, of });
        }
        mended
    }

    /// Stores on a tier what of a list it lacks by its own word, fetched from the others; returns how many that were.
    ///
    /// # Errors
    /// [`NotMended`] with the reason of the first block that could not be stored. What was stored stays.
    pub async fn complete(
        &self,
        kind: TierKind,
        cids: &[Cid],
        told: impl Fn(Progress),
    ) -> Result<u64, NotMended> {
        let mut stored = 0;
        let places = self.places.iter().enumerate();
        for (place, at) in places.filter(|(_, at)| at.tier.kind() == kind) {
            let (mut lacking, of) = (Vec::new(), cids.len());
            let ask = |cid: Cid| async move { (cid, self.holds(place, &cid, Depth::Word).await) };
            let mut answers = stream::iter(cids.iter().copied())
                .map(ask)
                .buffered(QUESTIONS_MAX);
            while let Some((cid, answer)) = answers.next().await {
                match answer.map_err(NotMended::NotTaken)? {
                    true => {}
                    false => lacking.push(cid),
                }
            }
            drop(answers);
            let mut done = of - lacking.len();
            told(Progress { done, of });
            for group in lacking.chunks(STORED_TOGETHER) {
                let blocks = self.read_all(group, place).await?;
                let took = self.pace.write.saturating_mul(group.len() as u32);
                within(took, kind, at.tier.put_together(&blocks))
                    .await
                    .map_err(NotMended::NotTaken)?;
                stored += group.len() as u64;
                done += group.len();
                told(Progress { done, of });
            }
        }
        Ok(stored)
    }

    /// Reads blocks from any tier but one.
    async fn read_all(&self, cids: &[Cid], but: usize) -> Result<Vec<Block>, NotMended> {
        let read = |cid: Cid| async move {
            let read = self.read_from(&cid, |place| place != but).await;
            read.map(|reading| reading.block)
                .map_err(|nobody| NotMended::NobodyGives(Arc::new(nobody)))
        };
        stream::iter(cids.iter().copied())
            .map(read)
            .buffered(MENDED_MAX)
            .try_collect()
            .await
    }

    async fn mend(&self, cid: Cid, places: Vec<usize>) -> Vec<Mending> {
        let found = self.read_from(&cid, |place| !places.contains(&place)).await;
        let found = found.map(|reading| reading.block).map_err(Arc::new);
        let mut mended = Vec::with_capacity(places.len());
        for place in places {
            let outcome = match &found {
                Ok(block) => self.put_back(place, block).await,
                Err(nobody) => Err(NotMended::NobodyGives(Arc::clone(nobody))),
            };
            mended.push(Mending {
                place,
                tier: self.places[place].tier.kind(),
                cid,
                outcome,
            });
        }
        mended
    }

    async fn put_back(&self, place: usize, block: &Block) -> Result<(), NotMended> {
        let tier = &self.places[place].tier;
        within(self.pace.write, tier.kind(), tier.put(block))
            .await
            .map_err(NotMended::NotTaken)
    }
}
