//! What a gigabyte of blocks takes of memory. A program of its own, for memory is counted by the process.
#![allow(clippy::unwrap_used, reason = "a test says by it what did not come")]

mod shared;

use std::{fs, io::Write as _, time::Instant};

use shared::{CHUNK_BYTES, raw};
use x0_tiers::{BlockStore, Held, Holder};

#[test]
fn a_gigabyte_is_put_and_read_in_200_mib_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlockStore::open(dir.path()).unwrap();
    let count = (1 << 30) / CHUNK_BYTES as u64;
    let put_at = Instant::now();
    let mut names = Vec::new();
    for first in (0..count).step_by(16) {
        let blocks: Vec<_> = (first..first + 16)
            .map(|number| raw(number, CHUNK_BYTES))
            .collect();
        store.put(&blocks, Holder::Node).unwrap();
        names.extend(blocks.iter().map(|block| *block.cid()));
    }
    let (put, read_at) = (put_at.elapsed(), Instant::now());
    for name in &names {
        assert!(store.get(name).unwrap().is_some());
    }
    let read = read_at.elapsed();
    assert_eq!(
        store.held().unwrap(),
        Held {
            blocks: count,
            bytes: 1 << 30
        }
    );
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak_kib: u64 = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "1 GiB put in {put:?}, read in {read:?}, {} MiB of memory",
        peak_kib >> 10
    )
    .unwrap();
    assert!(peak_kib < 200 << 10, "{peak_kib} KiB");
}
