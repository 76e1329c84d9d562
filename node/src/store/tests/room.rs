//! Caps and full disks: nothing is lost, nothing panics, and everybody is told.

use std::{
    collections::VecDeque,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use futures::FutureExt as _;

use super::{
    super::{Writer, space::Space, writer::QUEUE_MAX},
    *,
};

const MIB: u64 = 1 << 20;
/// Groups that wait while a disk fills up.
const WAITING_MAX: usize = 8;

#[test]
fn others_are_refused_before_the_cap_and_the_node_itself_at_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), vec![1; 15 * MIB as usize]).unwrap();
    let room = |max_bytes| {
        let space = Space::new(dir.path().to_owned(), max_bytes, 0);
        (space.room(Writer::Foreign), space.room(Writer::Own))
    };

    assert_eq!(room(20 * MIB), (Ok(()), Ok(())));
    let (foreign, own) = room(16 * MIB);
    let error = foreign.unwrap_err().to_string();
    assert!(
        error.contains("14 MiB") && error.contains("store.max_bytes"),
        "{error}"
    );
    assert_eq!(own, Ok(()));
    assert!(matches!(room(15 * MIB).1, Err(StoreError::Capped { .. })));
}

#[test]
fn others_are_refused_before_the_disk_is_full_and_the_node_itself_when_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let free = rustix::fs::statvfs(dir.path()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let room = |free_min| {
        let space = Space::new(dir.path().to_owned(), u64::MAX, free_min);
        (space.room(Writer::Foreign), space.room(Writer::Own))
    };

    assert_eq!(room(free / 4), (Ok(()), Ok(())));
    assert!(matches!(
        room(free / 4 * 3),
        (Err(StoreError::Full { .. }), Ok(()))
    ));
    assert!(matches!(room(free * 2).1, Err(StoreError::Full { .. })));
}

#[test]
fn a_capped_store_keeps_what_waits_and_writes_it_once_the_cap_is_raised() {
    let home = Home::new();
    let store = home.create();
    store.set_max_bytes(1);
    let receipt = store.submit(vec![Write::Record(home.record(0, 10)), audit(0)]);
    wait_for(|| matches!(store.room(Writer::Own), Err(StoreError::Capped { .. })));

    store.set_max_bytes(1 << 30);

    receipt.wait().unwrap();
    assert_eq!(store.room(Writer::Foreign), Ok(()));
    assert_eq!(store.load().unwrap().audit.len(), 1);
}

#[test]
fn a_store_closed_while_it_waits_for_space_says_so_and_keeps_a_prefix() {
    let home = Home::new();
    let store = home.create();
    store.submit(vec![audit(0)]).wait().unwrap();
    store.set_max_bytes(1);
    let receipts: Vec<_> = (1..4).map(|n| store.submit(vec![audit(n)])).collect();
    wait_for(|| store.room(Writer::Own).is_err());

    drop(store);

    for receipt in receipts {
        assert!(matches!(receipt.wait(), Err(StoreError::Capped { .. })));
    }
    assert_eq!(home.open().unwrap().load().unwrap().audit, [entry(0)]);
}

#[test]
fn a_store_that_waits_too_long_gives_up_for_good_instead_of_leaving_a_gap() {
    let home = Home::new();
    let store = home.create();
    store.set_max_bytes(1);
    let first = store.submit(vec![audit(0)]);
    wait_for(|| store.room(Writer::Own).is_err());
    // One batch may hold as many as the queue.
    for n in 1..=2 * QUEUE_MAX as u64 + 1 {
        drop(store.submit(vec![audit(n)]));
    }

    assert!(matches!(first.wait(), Err(StoreError::Capped { .. })));
    store.set_max_bytes(1 << 30);
    assert!(matches!(
        store.submit(vec![audit(0)]).wait(),
        Err(StoreError::Capped { .. })
    ));
    assert!(store.room(Writer::Own).is_err());
}

/// Runs the test below on a disk of its own, which takes the right to mount one.
#[test]
#[ignore = "it mounts a small disk, which takes root: scripts/test.sh root"]
fn a_full_disk_loses_nothing_and_writes_on_when_there_is_space() {
    let disk = tempfile::tempdir().unwrap();
    let dir = disk.path().to_str().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs", dir])
        .status();
    assert!(mounted.unwrap().success(), "run this test as root");
    let outcome = std::panic::catch_unwind(|| fill_up(disk.path()));
    let unmounted = Command::new("umount").arg("-l").arg(dir).status();
    assert!(unmounted.unwrap().success());
    outcome.unwrap();
}

fn fill_up(disk: &Path) {
    let author = identity(1);
    let store =
        RocksStore::create(disk, author.public(), &genesis(&author), &[], options()).unwrap();
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 36 * MIB as usize]).unwrap();
    let group = |seq| vec![Write::Record(record(&author, seq, 100_000)), audit(seq)];
    // Few groups wait at a time: what waits when the disk is full must find room where the ballast was.
    let mut waiting = VecDeque::new();
    let mut written = 0;
    while let Ok(()) = store.room(Writer::Own) {
        assert!(written < 2_000, "the disk does not fill up");
        waiting.push_back(store.submit(group(written)));
        written += 1;
        while waiting.len() > WAITING_MAX && store.room(Writer::Own).is_ok() {
            match waiting.front_mut().and_then(|first| first.now_or_never()) {
                Some(safe) => {
                    safe.unwrap();
                    waiting.pop_front();
                }
                None => std::thread::yield_now(),
            }
        }
    }
    let full = store.room(Writer::Own).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full}");
    assert!(store.load().is_ok(), "a full disk can be read");

    fs::remove_file(&ballast).unwrap();

    for receipt in waiting {
        receipt.wait().unwrap();
    }
    store.submit(group(written)).wait().unwrap();
    drop(store);
    let stored = RocksStore::open(disk, author.public(), options())
        .unwrap()
        .load()
        .unwrap();
    assert_eq!(stored.audit.len() as u64, written + 1);
    assert_eq!(stored.records.len() as u64, written + 1);
}

/// Waits for what another thread is about to do.
fn wait_for(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it does not happen"
        );
        std::thread::yield_now();
    }
}
