//! Erased bodies: only the husk is read back, and no file of the store holds what was.

use ipld_core::ipld::Ipld;
use x0_crypto::{
    ContentId,
    capability::{Grant, Token},
};
use x0_protocol::{
    Write,
    core::time::Wall,
    wire::{Body, CapabilityGrant, Change, Draft, Record, Verified},
};

use super::{Home, committee::stands_in_a_file, identity};
use crate::store::Store as _;

fn erase(records: Vec<ContentId>) -> Write {
    Write::Erase {
        records,
        by: ContentId::of(b"erasure"),
    }
}

/// A record that makes a token known.
fn published(home: &Home, seq: u8) -> Verified<Record> {
    let holder = identity(100 + seq).public();
    let root = home.identity.capability_root();
    let grant = Grant {
        holder,
        actions: [Change::Link { peer: holder }.action()].into(),
        caveats: Vec::new(),
    };
    let body = Body::Capability(CapabilityGrant {
        root: root.public(),
        token: Token::grant_seeded(&root, &grant, &[seq; 32]).unwrap(),
    });
    let previous = ContentId::of(b"previous");
    let place = (u64::from(seq) + 1, Some(previous));
    let mesh = home.genesis.value().id();
    let key = home.identity.public();
    let draft = Draft::new(Some(mesh), key, place, Wall(9), [seq; 16], body);
    draft.sign(&home.identity).unwrap()
}

/// Returns what a record says, encoded.
fn said(record: &Verified<Record>) -> Vec<u8> {
    let Ipld::Map(fields) = serde_ipld_dagcbor::from_slice(record.value().bytes()).unwrap() else {
        panic!("a record is a map");
    };
    let Ipld::Bytes(body) = &fields["body"] else {
        panic!("a body is bytes");
    };
    body.clone()
}

fn id(record: &Verified<Record>) -> ContentId {
    record.value().id()
}

#[test]
fn an_erased_body_is_in_no_file_and_the_husk_is_read_back() {
    let home = Home::new();
    let store = home.create();
    let [on_disk, stays, same_batch] = [0, 1, 2].map(|seq| published(&home, seq));
    let write = |record: &Verified<Record>| Write::Record(record.clone());
    let first = vec![write(&on_disk), write(&stays)];
    store.submit(first).wait().unwrap();
    assert!(
        stands_in_a_file(home.dir(), &said(&on_disk)),
        "the search finds it"
    );

    // One is on disk already, the other comes in the same batch as its erasure.
    let erased = erase(vec![id(&on_disk), id(&same_batch)]);
    let group = vec![write(&same_batch), erased];
    store.submit(group).wait().unwrap();
    drop(store);

    for gone in [&on_disk, &same_batch] {
        assert!(!stands_in_a_file(home.dir(), &said(gone)));
    }
    assert!(stands_in_a_file(home.dir(), &said(&stays)));
    let stored = home.open().unwrap().load().unwrap();
    let is_husk = |of: &Verified<Record>| {
        let mut records = stored.records.iter();
        let found = records.find(|it| id(it) == id(of)).unwrap();
        found.value().is_husk()
    };
    assert!(is_husk(&on_disk) && is_husk(&same_batch) && !is_husk(&stays));
}

#[test]
fn what_a_crash_left_to_be_rewritten_is_rewritten_at_the_next_start() {
    let home = Home::new();
    let store = home.create();
    let [first, second] = [0, 1].map(|seq| published(&home, seq));
    store
        .submit(vec![Write::Record(first.clone())])
        .wait()
        .unwrap();
    store
        .submit(vec![Write::Record(second.clone())])
        .wait()
        .unwrap();
    store.submit(vec![erase(vec![id(&first)])]).wait().unwrap();
    // Files were rewritten just now, so that this one has to wait; the store is left before its time has come.
    store.submit(vec![erase(vec![id(&second)])]).wait().unwrap();
    drop(store);

    let store = home.open().unwrap();
    // The writing thread begins with what was left; what it writes after that is behind it.
    store
        .submit(vec![Write::Record(home.record(2, 10))])
        .wait()
        .unwrap();
    drop(store);

    assert!(!stands_in_a_file(home.dir(), &said(&second)));
}
