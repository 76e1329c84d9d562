//! Holding a tree: all blocks that a root leads to are fetched, checked and kept until it is unpinned.
//!
//! Blocks that are here are not fetched again, so that a pin that broke off goes on where it was. A parent is on disk no
//! later than its children; what an interrupted pin or unpin leaves can therefore always be reached from the root.

use std::collections::{HashSet, VecDeque};

use cid::Cid;
use futures::{StreamExt as _, stream::FuturesUnordered};
use ipld_core::codec::Links as _;
use libp2p::PeerId;
use serde_ipld_dagcbor::codec::DagCborCodec;

use super::{
    IpfsTier,
    store::{Holder, Pin, Released},
};
use crate::{
    BLOCK_BYTES_MAX, Block, DAG_CBOR, Depth, NobodyGives, NotThisBlock, RAW, TierError, Tiers,
};

/// Blocks of a tree that are waited for at a time: 16 MiB in blocks of 256 KiB.
const FETCHED_AT_A_TIME: usize = 64;
/// Blocks are written together when there are this many bytes of them.
const WRITTEN_AT_A_TIME: usize = 8 << 20;

/// How much a tree may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLimits {
    /// Most blocks.
    pub blocks_max: u64,
    /// Most bytes.
    pub bytes_max: u64,
}

/// How a tree is held.
#[derive(Clone, Copy)]
pub struct Holding<'a> {
    /// Peers that are asked first.
    pub from: &'a [PeerId],
    /// What is read besides peers, this node's own tier among them; without them only peers are asked.
    pub tiers: Option<&'a Tiers>,
    /// How much it may take.
    pub limits: TreeLimits,
    /// Whether a block that is here is believed to be whole, or read and checked. One that is damaged is fetched anew.
    pub depth: Depth,
}

/// How far a pin is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks that are here.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub bytes: u64,
    /// Blocks among them that had to be fetched.
    pub fetched: u64,
    /// Blocks among those that were here, and damaged.
    pub damaged: u64,
    /// Blocks that are known and not here yet; each may lead to more.
    pub missing: u64,
}

/// Says why a tree is not pinned. What came of it stays, and pinning it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A block cannot be had, or not be kept.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// A block is in no tier.
    #[error(transparent)]
    NobodyGives(#[from] NobodyGives),
    /// The tree is larger than allowed.
    #[error(
        "the tree of {root} has more than {blocks_max} blocks or {bytes_max} bytes; raise the limit or leave it"
    )]
    TooLarge {
        /// Its root.
        root: Cid,
        /// Most blocks.
        blocks_max: u64,
        /// Most bytes.
        bytes_max: u64,
    },
    /// A block links to what content never has.
    #[error("{block} links to what is no content: {reason}")]
    StrangeLink {
        /// The block with the link.
        block: Cid,
        /// What is wrong with the link.
        reason: Box<NotThisBlock>,
    },
    /// A block that should have links cannot be read.
    #[error("{block} is no DAG-CBOR: {reason}")]
    Unreadable {
        /// The block.
        block: Cid,
        /// What is wrong.
        reason: String,
    },
}

impl IpfsTier {
    /// Fetches all that a root leads to from whoever has it, and holds it; `from` are asked first. `progress` is called for
    /// each block.
    ///
    /// # Errors
    /// [`PinError`]; what came is held all the same, and the pin can be taken up again or undone by [`Self::unpin`].
    pub async fn pin_tree(
        &self,
        root: Cid,
        from: &[PeerId],
        limits: TreeLimits,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Progress, PinError> {
        let holding = Holding {
            from,
            tiers: None,
            limits,
            depth: Depth::Word,
        };
        self.hold_tree(root, holding, progress).await
    }

    /// As [`Self::pin_tree`], and mends what is held already.
    ///
    /// # Errors
    /// [`PinError`], as there.
    pub async fn hold_tree(
        &self,
        root: Cid,
        holding: Holding<'_>,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Progress, PinError> {
        is_content(root, &root)?;
        let known = self.on_disk(move |store| store.pin(&root)).await?;
        if known.is_none() {
            let begun = Pin::default();
            self.on_disk(move |store| store.put_pin(&root, begun))
                .await?;
        }
        let done = self.fetch_tree(root, holding, &mut progress).await?;
        let pin = Pin {
            is_complete: true,
            blocks: done.blocks,
            bytes: done.bytes,
        };
        self.on_disk(move |store| store.put_pin(&root, pin)).await?;
        if self.provides() {
            self.provide_later(root).await;
        }
        Ok(done)
    }

    async fn fetch_tree(
        &self,
        root: Cid,
        holding: Holding<'_>,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<Progress, PinError> {
        let holder = Holder::Tree(root);
        let limits = holding.limits;
        let too_large = || PinError::TooLarge {
            root,
            blocks_max: limits.blocks_max,
            bytes_max: limits.bytes_max,
        };
        let mut seen = HashSet::from([root]);
        let mut waiting = VecDeque::from([root]);
        let mut coming = FuturesUnordered::new();
        let mut unwritten = Unwritten::default();
        let mut done = Progress::default();
        let result = loop {
            while coming.len() < FETCHED_AT_A_TIME
                && let Some(cid) = waiting.pop_front()
            {
                coming.push(self.find(cid, holding, holder));
            }
            let Some(found) = coming.next().await else {
                break Ok(());
            };
            let found = match found {
                Ok(found) => found,
                Err(error) => break Err(error),
            };
            done.blocks += 1;
            done.bytes += found.length;
            done.fetched += u64::from(found.comes != Comes::Here);
            done.damaged += u64::from(found.comes == Comes::Damaged);
            if done.bytes > limits.bytes_max || done.blocks > limits.blocks_max {
                break Err(too_large());
            }
            if let Some(block) = &found.block {
                let links = match links(block) {
                    Ok(links) => links,
                    Err(error) => break Err(error),
                };
                waiting.extend(links.into_iter().filter(|link| seen.insert(*link)));
            }
            if seen.len() as u64 > limits.blocks_max {
                break Err(too_large());
            }
            done.missing = seen.len() as u64 - done.blocks;
            match (found.comes, found.block) {
                (Comes::New, Some(block)) => unwritten.push(block),
                (Comes::Damaged, Some(block)) => {
                    let replaced = self.on_disk(move |store| store.replace(&[block], holder));
                    if let Err(error) = replaced.await {
                        break Err(error.into());
                    }
                }
                (Comes::Here, _) | (Comes::New | Comes::Damaged, None) => {}
            }
            if unwritten.bytes >= WRITTEN_AT_A_TIME
                && let Err(error) = self.write(&mut unwritten, holder).await
            {
                break Err(error.into());
            }
            progress(done);
        };
        // What came before something went wrong is kept too.
        drop(coming);
        self.write(&mut unwritten, holder).await?;
        result.map(|()| done)
    }

    /// Finds a block here or elsewhere. Of a raw block that is here only the length is looked at, unless it is to be checked.
    async fn find(
        &self,
        cid: Cid,
        holding: Holding<'_>,
        holder: Holder,
    ) -> Result<Found, PinError> {
        let is_read = cid.codec() == DAG_CBOR || holding.depth == Depth::Bytes;
        let here = self
            .on_disk(move |store| {
                let Some(length) = store.hold(&cid, holder)? else {
                    return Ok(None);
                };
                let block = match is_read {
                    true => store.get(&cid)?,
                    false => None,
                };
                Ok(Some((length, block)))
            })
            .await;
        let comes = match here {
            Ok(Some((length, block))) => {
                return Ok(Found {
                    length: u64::from(length),
                    comes: Comes::Here,
                    block,
                });
            }
            Ok(None) => Comes::New,
            Err(TierError::Wrong { .. }) => Comes::Damaged,
            Err(
                error @ (TierError::NotFound { .. }
                | TierError::Unreachable { .. }
                | TierError::Refused { .. }),
            ) => return Err(error.into()),
        };
        let block = match holding.tiers {
            Some(tiers) => tiers.read(&cid).await?.block,
            None => self.fetch(cid, holding.from).await?,
        };
        Ok(Found {
            length: block.bytes().len() as u64,
            comes,
            block: Some(block),
        })
    }

    async fn write(&self, unwritten: &mut Unwritten, holder: Holder) -> Result<(), TierError> {
        let Unwritten { blocks, .. } = std::mem::take(unwritten);
        if blocks.is_empty() {
            return Ok(());
        }
        self.put_for(blocks, holder).await
    }

    /// Lets go of a tree. Blocks leave unless this node put them itself or another pinned tree has them.
    ///
    /// # Errors
    /// [`TierError`] if the disk fails; the pin then stands, and can be undone again.
    pub async fn unpin(&self, root: Cid) -> Result<Unpinned, TierError> {
        self.stop_providing(root).await;
        let unpinned = self
            .on_disk(move |store| {
                let mut unpinned = Unpinned::default();
                if store.pin(&root)?.is_none() {
                    return Ok(unpinned);
                }
                let holder = Holder::Tree(root);
                let mut order = vec![root];
                let mut seen = HashSet::from([root]);
                let mut next = 0;
                while let Some(cid) = order.get(next).copied() {
                    next += 1;
                    if cid.codec() == RAW || !store.holders_of(&cid)?.contains(&holder) {
                        continue;
                    }
                    let Some(block) = store.get(&cid)? else {
                        continue;
                    };
                    // What was pinned could be read; what cannot be read leads nowhere.
                    let links = links(&block).unwrap_or_default();
                    order.extend(links.into_iter().filter(|link| seen.insert(*link)));
                }
                // Leaves first: while a block is here, so are those that lead to it.
                order.reverse();
                for cids in order.chunks(RELEASED_AT_A_TIME) {
                    for released in store.release(cids, holder)? {
                        match released {
                            Released::Gone => unpinned.gone += 1,
                            Released::KeptBy(_) => unpinned.kept += 1,
                        }
                    }
                }
                store.remove_pin(&root)?;
                Ok(unpinned)
            })
            .await?;
        self.reclaim_if_worth().await?;
        Ok(unpinned)
    }
}

/// Blocks that are let go of in one write.
const RELEASED_AT_A_TIME: usize = 1024;

/// What became of the blocks of an unpinned tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpinned {
    /// Blocks that are not here any more.
    pub gone: u64,
    /// Blocks that this node or another tree holds.
    pub kept: u64,
}

struct Found {
    length: u64,
    comes: Comes,
    /// Not of a raw block that was here and is believed.
    block: Option<Block>,
}

/// Where a block of a tree came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// It is here.
    Here,
    /// It was not here.
    New,
    /// What was here in its place is damaged.
    Damaged,
}

#[derive(Default)]
struct Unwritten {
    blocks: Vec<Block>,
    bytes: usize,
}

impl Unwritten {
    fn push(&mut self, block: Block) {
        self.bytes += block.bytes().len();
        self.blocks.push(block);
    }
}

/// Returns the blocks that a block links to, each of a kind that content can have. A block of [`BLOCK_BYTES_MAX`] has 26,000
/// links at most.
fn links(block: &Block) -> Result<Vec<Cid>, PinError> {
    debug_assert!(block.bytes().len() <= BLOCK_BYTES_MAX);
    if block.cid().codec() != DAG_CBOR {
        return Ok(Vec::new());
    }
    let links = DagCborCodec::links(block.bytes()).map_err(|error| PinError::Unreadable {
        block: *block.cid(),
        reason: error.to_string(),
    })?;
    links
        .map(|link| is_content(*block.cid(), &link).map(|()| link))
        .collect()
}

fn is_content(block: Cid, link: &Cid) -> Result<(), PinError> {
    Block::could_be(link).map_err(|reason| PinError::StrangeLink {
        block,
        reason: Box::new(reason),
    })
}
