#![allow(clippy::unwrap_used, clippy::expect_used)]

mod committee;
mod crash;
mod erasure;
mod layouts;
mod proposals;
mod public_log;
mod room;
mod sublime;

use std::{path::Path, sync::Arc};

use tempfile::TempDir;
use x0_crypto::{ContentId, Identity, PublicKey, capability::RootKey};
use x0_protocol::{
    Write,
    core::{
        limits::WITNESSED_MAX,
        time::{Millis, Wall},
    },
    spine::{
        audit::{Entry, What, tree::Hash},
        halt::{By, End, Halt, HaltId, Stage},
    },
    wire::{Body, Draft, Founder, Genesis, Kind, LogHead, MeshName, Parameters, Record, Verified},
};
use zeroize::Zeroizing;

use super::{
    RocksStore, Store, StoreError, StoreOptions, columns::Column, place, set_aside, writer::Line,
};
use crate::metrics::Metrics;

#[test]
fn what_was_written_is_read_back_after_a_restart() {
    let home = Home::new();
    let records: Vec<_> = (0..3).map(|n| home.record(n, 100)).collect();
    let head = LogHead::sign(&home.identity, 4, Hash([7; 32]), Wall(9));
    let [kept, dropped] = [root(1), root(2)];
    let act = ContentId::of(b"act");
    let policy = |version, value| Write::Policy {
        policy: "links_min".parse().unwrap(),
        version,
        value,
    };
    let store = home.create();
    let groups = vec![
        records.iter().cloned().map(Write::Record).collect(),
        vec![Write::Executed(act), policy(1, 5), policy(2, 6)],
        vec![audit(0), audit(1), Write::Witnessed(head.clone())],
        vec![accept(kept, true), accept(dropped, true)],
        vec![accept(dropped, false)],
        vec![halted(None), halted(Some(Wall(7)))],
    ];
    for group in groups {
        store.submit(group).wait().unwrap();
    }
    drop(store);

    let stored = home.open().unwrap().load().unwrap();

    let mut ids: Vec<_> = records.iter().map(|record| record.value().id()).collect();
    ids.sort();
    let found: Vec<_> = stored.records.iter().map(|r| r.value().id()).collect();
    assert_eq!(found, ids);
    assert_eq!(stored.executed, [act].into());
    assert_eq!(stored.policies, [("links_min".parse().unwrap(), 2, 6)]);
    assert_eq!(stored.audit, [entry(0), entry(1)]);
    assert_eq!(stored.witnessed, [head]);
    assert_eq!(stored.roots, [kept]);
    let [halt] = stored.halts.as_slice() else {
        panic!("a halt has one row: {:?}", stored.halts);
    };
    assert_eq!(halt.end(), Wall(7), "as it stands last");
}

#[test]
fn records_are_found_by_id_in_the_order_asked_and_page_by_page() {
    let home = Home::new();
    let store = home.create();
    let records: Vec<_> = (0..5).map(|n| home.record(n, 100)).collect();
    let writes = records.iter().cloned().map(Write::Record).collect();
    store.submit(writes).wait().unwrap();
    let id = |n: usize| records[n].value().id();
    let bytes = |n: usize| Some(records[n].value().bytes().to_vec());
    let unknown = ContentId::of(b"unknown");

    let genesis = home.genesis.value();
    assert_eq!(
        store.record(&genesis.id()).unwrap().as_deref(),
        Some(genesis.bytes())
    );
    assert_eq!(store.record(&id(2)).unwrap(), bytes(2));
    assert_eq!(
        store.records(&[id(4), unknown, id(0), id(4)]).unwrap(),
        [bytes(4), None, bytes(0), bytes(4)]
    );

    let first = store.records_page(None, 3).unwrap();
    let second = store.records_page(Some(&first[2].0), 3).unwrap();
    let third = store.records_page(Some(&second[1].0), 3).unwrap();
    let mut ids: Vec<_> = (0..5).map(id).collect();
    ids.sort();
    let paged: Vec<_> = first.iter().chain(&second).map(|(id, _)| *id).collect();
    assert_eq!(paged, ids);
    assert_eq!(third, []);
}

#[test]
fn a_part_of_the_audit_log_can_be_read() {
    let home = Home::new();
    let store = home.create();
    // More than 256, so that the order of the keys in bytes matters.
    store.submit((0..300).map(audit).collect()).wait().unwrap();

    assert_eq!(
        store.audit_entries(254, 3).unwrap(),
        [entry(254), entry(255), entry(256)]
    );
    assert_eq!(store.audit_entries(298, 10).unwrap().len(), 2);
    assert_eq!(store.audit_entries(300, 10).unwrap(), []);
}

#[test]
fn a_gap_in_the_audit_log_is_damage() {
    let home = Home::new();
    let store = home.create();
    store.submit(vec![audit(0), audit(2)]).wait().unwrap();

    let error = store.load().unwrap_err();

    assert!(
        error.to_string().contains("audit entry 1 is missing"),
        "{error}"
    );
    assert!(error.to_string().contains("x0 join"), "{error}");
}

#[test]
fn a_record_that_is_not_what_was_written_is_named() {
    let home = Home::new();
    let store = home.create();
    let (good, other) = (home.record(0, 10), home.record(1, 10));
    drop(store);
    let id = good.value().id();
    let path = place::path(home.dir());
    let db = super::rocks::open_columns(&path, Column::ALL.map(Column::name)).unwrap();
    db.put_cf(
        Column::Records.of(&db).unwrap(),
        id.digest(),
        other.value().bytes(),
    )
    .unwrap();
    drop(db);

    let error = home.open().unwrap().load().unwrap_err();

    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(&id.to_string()), "{error}");
}

#[test]
fn only_the_newest_log_heads_come_back() {
    let home = Home::new();
    let store = home.create();
    let heads = (0..WITNESSED_MAX as u64 + 5).map(|n| {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        let author = Identity::from_seed(Zeroizing::new(seed));
        Write::Witnessed(LogHead::sign(&author, 1, Hash([0; 32]), Wall(n)))
    });
    store.submit(heads.collect()).wait().unwrap();

    let witnessed = store.load().unwrap().witnessed;

    assert_eq!(witnessed.len(), WITNESSED_MAX);
    assert!(witnessed.iter().all(|head| head.time >= Wall(5)));
}

#[test]
fn a_second_node_on_one_directory_is_refused() {
    let home = Home::new();
    let store = home.create();

    let error = home.open().err().unwrap();

    let process = Some(std::process::id());
    let path = home.dir().to_owned();
    assert_eq!(error, StoreError::InUse { path, process });
    assert!(error.to_string().contains("stop the other one"), "{error}");
    drop(store);
    home.open().unwrap();
}

#[test]
fn the_store_of_another_identity_or_mesh_is_refused_by_name() {
    let home = Home::new();
    let store = home.create();
    let mesh = store.genesis().value().id();
    store.expect_mesh(mesh).unwrap();
    let other = ContentId::of(b"other");
    let error = store.expect_mesh(other).unwrap_err().to_string();
    assert!(error.contains(&mesh.to_string()) && error.contains(&other.to_string()));
    drop(store);

    let stranger = identity(9).public();
    let error = RocksStore::open(home.dir(), stranger, options())
        .err()
        .unwrap();

    let error = error.to_string();
    assert!(error.contains(&stranger.to_string()), "{error}");
    assert!(error.contains(&home.owner().to_string()), "{error}");
}

#[test]
fn a_store_is_made_once() {
    let home = Home::new();
    assert!(!super::exists(home.dir()));
    assert!(matches!(
        home.open().err(),
        Some(StoreError::Missing { .. })
    ));
    drop(home.create());
    assert!(super::exists(home.dir()));

    let again = RocksStore::create(home.dir(), home.owner(), &home.genesis, &[], options());

    assert!(matches!(again.err(), Some(StoreError::Exists { .. })));
}

#[test]
fn a_store_set_aside_makes_room_for_another() {
    let home = Home::new();
    let store = home.create();
    assert!(matches!(
        set_aside(home.dir(), &home.owner()),
        Err(StoreError::InUse { .. })
    ));
    store.submit(vec![audit(0)]).wait().unwrap();
    drop(store);

    let aside = set_aside(home.dir(), &home.owner()).unwrap();

    assert!(aside.ends_with(format!("store.old-{}", home.owner().short())));
    assert!(aside.exists());
    assert_eq!(home.create().load().unwrap().audit, []);
}

#[test]
fn groups_that_wait_share_a_batch_of_at_most_a_megabyte() {
    let home = Home::new();
    let line = Line::default();
    let group = |seq| vec![Write::Record(home.record(seq, 100_000))];
    for seq in 0..25 {
        drop(line.submit(group(seq)));
    }

    let batches: Vec<_> = (0..3).map(|_| line.take(None).unwrap().len()).collect();

    assert_eq!(batches, [10, 10, 5]);
}

#[test]
fn dropping_the_store_writes_what_still_waits() {
    let home = Home::new();
    let store = home.create();
    let receipts: Vec<_> = (0..200).map(|n| store.submit(vec![audit(n)])).collect();

    drop(store);

    for receipt in receipts {
        receipt.wait().unwrap();
    }
    assert_eq!(home.open().unwrap().load().unwrap().audit.len(), 200);
}

#[tokio::test]
async fn receipts_can_be_awaited_by_many_tasks() {
    let home = Home::new();
    let store = Arc::new(home.create());
    let tasks: Vec<_> = (0..20)
        .map(|seq| {
            let (store, record) = (Arc::clone(&store), home.record(seq, 1000));
            tokio::spawn(async move {
                store.submit(vec![Write::Record(record.clone())]).await?;
                store.record(&record.value().id())
            })
        })
        .collect();

    for task in tasks {
        assert!(task.await.unwrap().unwrap().is_some());
    }
}

/// A data directory and who lives in it.
struct Home {
    dir: TempDir,
    identity: Identity,
    genesis: Verified<Record>,
}

impl Home {
    fn new() -> Self {
        let identity = identity(1);
        let dir = tempfile::tempdir().unwrap();
        let genesis = genesis(&identity);
        Self {
            dir,
            identity,
            genesis,
        }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn owner(&self) -> PublicKey {
        self.identity.public()
    }

    fn create(&self) -> RocksStore {
        RocksStore::create(self.dir(), self.owner(), &self.genesis, &[], options()).unwrap()
    }

    fn open(&self) -> Result<RocksStore, StoreError> {
        RocksStore::open(self.dir(), self.owner(), options())
    }

    /// A record of a kind nobody knows, with a body that does not compress.
    fn record(&self, seq: u64, body_bytes: usize) -> Verified<Record> {
        record(&self.identity, seq, body_bytes)
    }
}

fn options() -> StoreOptions {
    StoreOptions {
        free_bytes_min: 0,
        ..StoreOptions::new(1 << 30, Metrics::new())
    }
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}

fn genesis(founder: &Identity) -> Verified<Record> {
    let name: MeshName = "test".parse().unwrap();
    let root = founder.capability_root().public();
    let body = Body::Genesis(Genesis {
        name,
        founders: vec![Founder {
            key: founder.public(),
            root,
            commitment: founder.membership_commitment(),
            region: None,
        }],
        seats: vec![founder.public()],
        roots: vec![root],
        parameters: Parameters::default(),
    });
    let draft = Draft::new(None, founder.public(), (0, None), Wall(1), [1; 16], body);
    draft.sign(founder).unwrap()
}

fn record(author: &Identity, seq: u64, body_bytes: usize) -> Verified<Record> {
    let mut state = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let body = std::iter::repeat_with(|| {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    let body = Body::Unknown(Kind(0x7fff), body.take(body_bytes).collect());
    let prev = (seq > 0).then(|| ContentId::of(&seq.to_be_bytes()));
    let mesh = Some(ContentId::of(b"mesh"));
    let time = Wall(1) + Millis(seq);
    Draft::new(mesh, author.public(), (seq, prev), time, [1; 16], body)
        .sign(author)
        .unwrap()
}

fn entry(index: u64) -> Entry {
    Entry {
        time: Wall(index),
        what: What::Wrote {
            record: ContentId::of(&index.to_be_bytes()),
            kind: 0x7fff,
        },
    }
}

fn audit(index: u64) -> Write {
    Write::Audit {
        index,
        entry: entry(index),
    }
}

fn root(number: u8) -> RootKey {
    identity(number).capability_root().public()
}

/// A halt of the mesh, in force or ended at a moment.
fn halted(ended: Option<Wall>) -> Write {
    let root = root(1);
    let began = Wall(5);
    let stage = match ended {
        None => Stage::Unconfirmed,
        Some(at) => Stage::Ended {
            at,
            how: End::Expired,
        },
    };
    Write::Halt(Box::new(Halt {
        id: HaltId::of(&ContentId::of(b"mesh"), &root, 0),
        root,
        alert: None,
        began,
        expires: began,
        lapses: began,
        by: By::Witnesses,
        stage,
        renewals: Vec::new(),
    }))
}

fn accept(root: RootKey, accepted: bool) -> Write {
    Write::AcceptRoot { root, accepted }
}
