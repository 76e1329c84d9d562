//! What putting and reading blocks costs: the store of the IPFS tier against plain files, one for each block, which is what
//! rust-ipfs and Kubo do. Both are on disk when a put returns.
#![allow(clippy::unwrap_used, reason = "a measurement that fails says where")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use divan::{Bencher, counter::BytesCount};
use x0_tiers::{Block, BlockStore, Holder, RAW};

fn main() {
    divan::main();
}

const BLOCK_BYTES: usize = 256 << 10;
/// 64 MiB.
const BLOCKS: usize = 256;
/// Blocks that are put together: one, as by `Tier::put`, and as many as a pin writes at a time.
const TOGETHER: [usize; 2] = [1, 16];

fn blocks() -> Vec<Block> {
    let block = |number: usize| {
        let mut bytes = vec![0; BLOCK_BYTES];
        getrandom::fill(&mut bytes).unwrap();
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Block::named(RAW, bytes.into()).unwrap()
    };
    (0..BLOCKS).map(block).collect()
}

#[divan::bench(args = TOGETHER, sample_count = 5, sample_size = 1)]
fn put_store(bencher: Bencher<'_, '_>, together: usize) {
    let blocks = blocks();
    bencher
        .counter(BytesCount::new(BLOCKS * BLOCK_BYTES))
        .with_inputs(|| {
            let dir = tempfile::tempdir().unwrap();
            (BlockStore::open(dir.path()).unwrap(), dir)
        })
        .bench_local_refs(|(store, _dir)| {
            for some in blocks.chunks(together) {
                store.put(some, Holder::Node).unwrap();
            }
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn put_files(bencher: Bencher<'_, '_>) {
    let blocks = blocks();
    bencher
        .counter(BytesCount::new(BLOCKS * BLOCK_BYTES))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_local_refs(|dir| {
            for block in &blocks {
                write(dir.path(), block);
            }
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn get_store(bencher: Bencher<'_, '_>) {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), blocks());
    let store = BlockStore::open(dir.path()).unwrap();
    store.put(&blocks, Holder::Node).unwrap();
    bencher
        .counter(BytesCount::new(BLOCKS * BLOCK_BYTES))
        .bench_local(|| {
            for block in &blocks {
                divan::black_box(store.get(block.cid()).unwrap().unwrap());
            }
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn get_files(bencher: Bencher<'_, '_>) {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), blocks());
    blocks.iter().for_each(|block| write(dir.path(), block));
    bencher
        .counter(BytesCount::new(BLOCKS * BLOCK_BYTES))
        .bench_local(|| {
            for block in &blocks {
                let bytes = fs::read(path(dir.path(), block)).unwrap();
                divan::black_box(Block::new(*block.cid(), bytes.into()).unwrap());
            }
        });
}

fn path(dir: &Path, block: &Block) -> PathBuf {
    dir.join(block.cid().to_string())
}

fn write(dir: &Path, block: &Block) {
    let staged = dir.join("new");
    let mut file = fs::File::create(&staged).unwrap();
    file.write_all(block.bytes()).unwrap();
    file.sync_all().unwrap();
    fs::rename(&staged, path(dir, block)).unwrap();
    fs::File::open(dir).unwrap().sync_all().unwrap();
}
