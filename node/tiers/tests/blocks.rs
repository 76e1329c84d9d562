//! The blocks on disk: what a crash leaves of them, what they take of memory and disk, and what is said of damage.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

mod shared;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use shared::{CHUNK_BYTES, raw};
use x0_tiers::{Block, BlockStore, Held, Holder, Pin, Released, StoreError};

/// Names the directory in which the writer of the crash test writes; only then is it one.
const WRITER: &str = "X0_TIERS_TEST_WRITER";

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_writer_is_killed_amid_a_put() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    // The next put is a large one, a large one, a small one.
    for kill_at in [2, 41, 97] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "writes_until_it_is_killed",
                "--nocapture",
                "--ignored",
            ])
            .env(WRITER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("put ") {
                acknowledged = number.parse().unwrap();
            }
            if acknowledged >= kill_at {
                break;
            }
        }
        // SIGKILL, while the next put is under way.
        writer.kill().unwrap();
        writer.wait().unwrap();

        let store = BlockStore::open(dir.path()).unwrap();
        for block in (1..=acknowledged).flat_map(put_together) {
            let held = store.get(block.cid()).unwrap();
            assert_eq!(held.as_ref(), Some(&block), "{}", block.cid());
            let holders = store.holders_of(block.cid()).unwrap();
            assert_eq!(holders, [Holder::Node], "{}", block.cid());
        }
        // What was not acknowledged is there whole or not at all.
        let next = put_together(acknowledged + 1);
        let is_there = store.get(next[0].cid()).unwrap().is_some();
        for block in next {
            assert_eq!(store.get(block.cid()).unwrap().is_some(), is_there);
            assert_eq!(store.length(block.cid()).unwrap().is_some(), is_there);
        }
    }
    assert!(acknowledged >= 97);
}

/// Not a test by itself: the process that the test above kills.
#[test]
#[ignore = "it is run, and killed, by the test of crashes"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(WRITER) else {
        return;
    };
    let store = BlockStore::open(Path::new(&dir)).unwrap();
    for number in 1.. {
        store.put(&put_together(number), Holder::Node).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "put {number}").unwrap();
        out.flush().unwrap();
    }
}

/// What the writer puts as its put of a number: every third is large, 4.25 MiB, and goes past the log of writes.
fn put_together(number: u64) -> Vec<Block> {
    let count = if number.is_multiple_of(3) { 17 } else { 1 };
    let blocks = (0..count).map(|block| raw(1_000 * number + block, CHUNK_BYTES));
    blocks.collect()
}

#[test]
fn what_was_released_is_on_disk_no_more_after_reclaiming() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlockStore::open(dir.path()).unwrap();
    let blocks: Vec<_> = (0..200).map(|number| raw(number, CHUNK_BYTES)).collect();
    store.put(&blocks, Holder::Node).unwrap();
    let (kept, gone) = blocks.split_at(20);
    let names: Vec<_> = gone.iter().map(|block| *block.cid()).collect();
    assert!(
        store
            .release(&names, Holder::Node)
            .unwrap()
            .iter()
            .all(|one| *one == Released::Gone)
    );
    store.reclaim().unwrap();
    for block in kept {
        assert_eq!(store.get(block.cid()).unwrap().as_ref(), Some(block));
    }
    let on_disk = |block: &Block| {
        let begin = &block.bytes()[..64];
        let files = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap());
        files
            .into_iter()
            .any(|file| file.windows(64).step_by(1).any(|window| window == begin))
    };
    assert!(on_disk(&kept[0]));
    assert!(!on_disk(&gone[0]));
}

#[test]
fn a_block_has_the_holders_that_put_it_and_leaves_with_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlockStore::open(dir.path()).unwrap();
    let (block, tree) = (raw(1, 100), *raw(2, 100).cid());
    assert_eq!(
        store.hold(block.cid(), Holder::Tree(tree)).unwrap(),
        None,
        "it is not here"
    );
    store
        .put(std::slice::from_ref(&block), Holder::Tree(tree))
        .unwrap();
    store
        .put(std::slice::from_ref(&block), Holder::Node)
        .unwrap();
    assert_eq!(
        store.holders_of(block.cid()).unwrap(),
        [Holder::Node, Holder::Tree(tree)]
    );
    let released = store.release(&[*block.cid()], Holder::Node).unwrap();
    assert_eq!(released, [Released::KeptBy(Holder::Tree(tree))]);
    assert!(store.get(block.cid()).unwrap().is_some());
    assert_eq!(
        store.release(&[*block.cid()], Holder::Tree(tree)).unwrap(),
        [Released::Gone]
    );
    assert_eq!(store.get(block.cid()).unwrap(), None);
    assert_eq!(store.held().unwrap(), Held::default());
}

#[test]
fn pins_outlast_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (root, pin) = (
        *raw(1, 10).cid(),
        Pin {
            is_complete: true,
            blocks: 7,
            bytes: 9,
        },
    );
    let store = BlockStore::open(dir.path()).unwrap();
    store.put_pin(&root, pin).unwrap();
    drop(store);
    let store = BlockStore::open(dir.path()).unwrap();
    assert_eq!(store.pins().unwrap(), [(root, pin)]);
    store.remove_pin(&root).unwrap();
    assert_eq!(store.pin(&root).unwrap(), None);
}

#[test]
fn damage_on_disk_is_not_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let block = raw(1, CHUNK_BYTES);
    let store = BlockStore::open(dir.path()).unwrap();
    store
        .put(std::slice::from_ref(&block), Holder::Node)
        .unwrap();
    store.reclaim().unwrap();
    drop(store);
    let blob = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let blob = blob
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "blob"))
        .unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let store = BlockStore::open(dir.path()).unwrap();
    let read = store.get(block.cid());
    assert!(
        matches!(read, Err(StoreError::Damaged(_) | StoreError::Disk { .. })),
        "{read:?}"
    );
}
