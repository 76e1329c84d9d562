#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn chunk(number: u64) -> ChunkId {
    ChunkId::of(&number.to_be_bytes())
}

/// Lays out so many chunks; returns the root and all blocks.
fn laid_out(chunks: u64) -> (ContentId, BTreeMap<ContentId, Vec<u8>>) {
    let mut builder = TreeBuilder::default();
    let mut blocks = BTreeMap::new();
    for number in 0..chunks {
        for block in builder.push(chunk(number)).unwrap() {
            assert_eq!(ContentId::of(&block.bytes), block.id);
            blocks.insert(block.id, block.bytes);
        }
    }
    let (root, last) = builder.finish().unwrap();
    blocks.extend(last.into_iter().map(|block| (block.id, block.bytes)));
    (root, blocks)
}

/// Reads a tree from its root, and returns its chunks in order.
fn read(root: ContentId, place: Place, blocks: &BTreeMap<ContentId, Vec<u8>>) -> Vec<ChunkId> {
    let block = TreeBlock::read(&blocks[&root], place).unwrap();
    match block.links() {
        Links::Chunks(chunks) => chunks.clone(),
        Links::Blocks(_) => {
            let below = block.below();
            below
                .flat_map(|(id, place)| read(id, place, blocks))
                .collect()
        }
    }
}

#[test]
fn a_tree_gives_its_chunks_back_in_order_around_every_full_block() {
    let full = LINKS_MAX as u64;
    for chunks in [1, 2, full - 1, full, full + 1, 2 * full, 3 * full + 5] {
        let (root, blocks) = laid_out(chunks);
        let wanted: Vec<_> = (0..chunks).map(chunk).collect();
        assert!(
            read(root, Place::root(chunks), &blocks) == wanted,
            "{chunks} chunks"
        );
        let over = chunks.div_ceil(full);
        let all = over + u64::from(over > 1);
        assert_eq!(blocks.len() as u64, all, "blocks over {chunks} chunks");
    }
}

#[test]
fn three_levels_are_read_as_they_were_written() {
    let chunks = span(2) + 1;
    let (root, blocks) = laid_out(chunks);
    let top = TreeBlock::read(&blocks[&root], Place::root(chunks)).unwrap();
    let below: Vec<_> = top
        .below()
        .map(|(_, place)| (place.chunks, place.levels))
        .collect();
    assert_eq!(below, [(span(2), 2), (1, 2)]);
    assert!(read(root, Place::root(chunks), &blocks) == (0..chunks).map(chunk).collect::<Vec<_>>());
}

#[test]
fn nothing_has_no_root() {
    assert_eq!(TreeBuilder::default().finish(), None);
}

#[test]
fn a_block_is_read_at_its_place_only() {
    let (root, blocks) = laid_out(1_500);
    let bytes = &blocks[&root];
    TreeBlock::read(bytes, Place::root(1_500)).unwrap();
    for chunks in [0, 1, 1_024, 1_499, 1_501, CHUNKS_MAX, CHUNKS_MAX + 1] {
        assert!(
            TreeBlock::read(bytes, Place::root(chunks)).is_err(),
            "{chunks}"
        );
    }
}

#[test]
fn a_block_that_lies_about_what_is_under_it_is_refused() {
    let lie = |chunks, links| Encoded::over(chunks, links).bytes;
    let leaf = lie(1, Links::Blocks(vec![ContentId::of(b"x")]));
    assert!(
        TreeBlock::read(&leaf, Place::root(1)).is_err(),
        "a block where a chunk belongs"
    );
    let few = lie(3, Links::Chunks(vec![chunk(0), chunk(1)]));
    assert!(
        TreeBlock::read(&few, Place::root(3)).is_err(),
        "too few chunks"
    );
    let flat = lie(1_025, Links::Chunks((0..1_025).map(chunk).collect()));
    assert!(
        TreeBlock::read(&flat, Place::root(1_025)).is_err(),
        "too many chunks in one block"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_no_block(bytes: Vec<u8>, chunks: u64) {
        prop_assert!(TreeBlock::read(&bytes, Place::root(chunks)).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed_or_names_something_else(at: prop::sample::Index, change in 1_u8..) {
        let (root, blocks) = laid_out(3);
        let mut bytes = blocks[&root].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if TreeBlock::read(&bytes, Place::root(3)).is_ok() {
            prop_assert_ne!(ContentId::of(&bytes), root);
        }
    }
}
