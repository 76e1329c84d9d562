//! Which blocks of an item are looked at when it is audited or its copies are counted: the root, and chunks drawn at random.
//!
//! Of an item with many chunks, a holder that has lost a tenth is found out 96 times in 100, for it is asked about 32 of them;
//! one that says it has what it has not, 27 times in 100, for it is to give three. Each time others are drawn.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ChunkId, ContentId};
use x0_protocol::sublime::{
    content::{LINKS_MAX, Links, Place, TreeBlock},
    known::Item,
};
use x0_tiers::{Cid, Depth, Tiers};

use super::CannotRead;

/// Chunks that are asked for by their bytes: 768 KiB of each holder.
const BYTES_DRAWN: usize = 3;
/// Chunks that are asked for by a word.
const WORDS_DRAWN: usize = 29;

/// Draws the blocks of a sample, the root first.
///
/// # Errors
///
/// Returns that links of the item cannot be had, or that there is no randomness.
pub(super) async fn draw(tiers: &Tiers, item: &Item) -> Result<Vec<(Cid, Depth)>, CannotRead> {
    let mut sample = vec![(item.content.into(), Depth::Bytes)];
    let mut known = BTreeMap::new();
    for (place, index) in indices(item.chunks)?.into_iter().enumerate() {
        let chunk = find(tiers, item, index, &mut known).await?;
        let depth = match place < BYTES_DRAWN {
            true => Depth::Bytes,
            false => Depth::Word,
        };
        sample.push((chunk.into(), depth));
    }
    Ok(sample)
}

/// Draws as many different chunks as a sample has, or all, in no order.
fn indices(chunks: u64) -> Result<Vec<u64>, CannotRead> {
    let wanted = usize::try_from(chunks).map_or(BYTES_DRAWN + WORDS_DRAWN, |all| {
        all.min(BYTES_DRAWN + WORDS_DRAWN)
    });
    let (mut drawn, mut seen) = (Vec::new(), BTreeSet::new());
    while drawn.len() < wanted {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|cause| CannotRead::NoRandomness(cause.to_string()))?;
        // 64 bits more than the largest number: none is likelier than another by more than 2^-64.
        let index = u128::from_le_bytes(bytes) % u128::from(chunks);
        let Ok(index) = u64::try_from(index) else {
            continue;
        };
        if seen.insert(index) {
            drawn.push(index);
        }
    }
    Ok(drawn)
}

/// Finds the name of a chunk by its number.
async fn find(
    tiers: &Tiers,
    item: &Item,
    mut index: u64,
    known: &mut BTreeMap<ContentId, TreeBlock>,
) -> Result<ChunkId, CannotRead> {
    let (mut id, mut place) = (item.content, Place::root(item.chunks));
    let mut span = span_below(item.chunks);
    loop {
        let tree = match known.get(&id) {
            Some(tree) => tree,
            None => {
                let tree = read(tiers, id, place).await?;
                known.entry(id).or_insert(tree)
            }
        };
        let at = usize::try_from(index / span).unwrap_or(usize::MAX);
        index %= span;
        match tree.links() {
            Links::Chunks(chunks) => {
                return chunks.get(at).copied().ok_or(CannotRead::NoSuchChunk);
            }
            Links::Blocks(_) => {
                (id, place) = tree.below().nth(at).ok_or(CannotRead::NoSuchChunk)?;
                span = (span / LINKS_MAX as u64).max(1);
            }
        }
    }
}

/// Reads a block of links from whichever tier has it.
pub(super) async fn read(
    tiers: &Tiers,
    id: ContentId,
    place: Place,
) -> Result<TreeBlock, CannotRead> {
    let reading = tiers.read(&id.into()).await?;
    Ok(TreeBlock::read(reading.block.bytes(), place)?)
}

/// Returns how many chunks lie under each link of the root.
const fn span_below(chunks: u64) -> u64 {
    let mut span = 1;
    while span * (LINKS_MAX as u64) < chunks {
        span *= LINKS_MAX as u64;
    }
    span
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use x0_protocol::{Wall, sublime::content::TreeBuilder};
    use x0_tiers::{Block, IpfsConfig, IpfsTier, Pace, Tier};

    use super::*;

    /// An item of so many chunks of a few bytes, and the names of those in order.
    async fn item(chunks: u32) -> (tempfile::TempDir, Tiers, Item, Vec<ChunkId>) {
        let dir = tempfile::tempdir().unwrap();
        let config = IpfsConfig::new(dir.path().join("ipfs"));
        let ipfs = Arc::new(IpfsTier::start(config).await.unwrap());
        let (mut tree, mut blocks, mut names) = (TreeBuilder::default(), Vec::new(), Vec::new());
        for index in 0..chunks {
            let chunk = ChunkId::of(&index.to_le_bytes());
            names.push(chunk);
            blocks.extend(tree.push(chunk).unwrap());
        }
        let (content, last) = tree.finish().unwrap();
        blocks.extend(last);
        let blocks = blocks
            .into_iter()
            .map(|block| Block::new(block.id.into(), block.bytes.into()).unwrap());
        ipfs.put_many(blocks.collect()).await.unwrap();
        let item = Item {
            key: x0_crypto::Identity::from_seed([7; 32].into()).public(),
            first: crate::sublime::tests::sharing(),
            content,
            chunks: u64::from(chunks),
            time: Wall(0),
            card: None,
            trustees: None,
        };
        let tiers = Tiers::new(vec![ipfs as Arc<dyn Tier>], Pace::default());
        (dir, tiers, item, names)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_chunk_is_found_by_its_number_whatever_the_levels() {
        for chunks in [1, 2, 1_024, 1_025, 3_000] {
            let (_dir, tiers, item, names) = item(chunks).await;
            let mut known = BTreeMap::new();
            for (index, name) in (0..).zip(&names).step_by(37) {
                let found = find(&tiers, &item, index, &mut known).await.unwrap();
                assert_eq!(found, *name, "{index} of {chunks}");
            }
            let last = u64::from(chunks) - 1;
            let found = find(&tiers, &item, last, &mut known).await.unwrap();
            assert_eq!(Some(&found), names.last(), "{chunks}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sample_is_of_different_chunks_and_drawn_anew_each_time() {
        let (_dir, tiers, item, names) = item(2_000).await;
        let samples = [
            draw(&tiers, &item).await.unwrap(),
            draw(&tiers, &item).await.unwrap(),
        ];
        for sample in &samples {
            let distinct: BTreeSet<_> = sample.iter().map(|(cid, _)| *cid).collect();
            assert_eq!(distinct.len(), 1 + BYTES_DRAWN + WORDS_DRAWN);
            assert_eq!(sample[0], (item.content.into(), Depth::Bytes));
            let bytes = sample.iter().filter(|(_, depth)| *depth == Depth::Bytes);
            assert_eq!(bytes.count(), 1 + BYTES_DRAWN);
        }
        assert_ne!(samples[0], samples[1]);
        assert_eq!(names.len(), 2_000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_small_item_every_chunk_is_in_the_sample() {
        let (_dir, tiers, item, names) = item(5).await;
        let sample = draw(&tiers, &item).await.unwrap();
        let sampled: BTreeSet<_> = sample.iter().map(|(cid, _)| *cid).collect();
        assert!(names.iter().all(|name| sampled.contains(&(*name).into())));
        assert_eq!(sample.len(), 6);
    }
}
