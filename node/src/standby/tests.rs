//! The right is in one place at a time, in whatever order things are run and wherever they break off.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;
use x0_protocol::{Wall, wire::SeatDraft};

use super::*;
use crate::{
    metrics::Metrics,
    runtime::genesis::{GenesisPlan, create_genesis},
    store::{MAX_BYTES_MIN, StoreOptions},
};

const SEAL: &str = "correct horse battery staple";

fn options() -> StoreOptions {
    StoreOptions::new(MAX_BYTES_MIN, Metrics::new())
}

/// A node that keeps a seat, with a line in its journal, and a second home with the same identity.
fn primary_and_standby() -> (TempDir, TempDir, Identity, RocksStore, RocksStore) {
    let (primary, standby) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let own = identity::create(primary.path(), None).unwrap();
    let plan = GenesisPlan {
        name: "test".parse().unwrap(),
        founders: Vec::new(),
        region: None,
        parameters: x0_protocol::wire::Parameters::default(),
    };
    let store = create_genesis(primary.path(), &own, plan, options()).unwrap();
    let lines = vec![JournalLine::Signing(SeatDraft::Clock {
        height: 1,
        time: Wall(7),
    })];
    store
        .submit(vec![Write::Journal { first: 0, lines }])
        .wait()
        .unwrap();
    let backup = primary.path().join("backup");
    identity::back_up(&own, &backup, SEAL).unwrap();
    let never = identity::Replace::Never;
    identity::restore(standby.path(), &backup, Some(SEAL), None, never).unwrap();
    restored(standby.path()).unwrap();
    let genesis = store.genesis().clone();
    let second =
        RocksStore::create(standby.path(), own.public(), &genesis, &[], options()).unwrap();
    (primary, standby, own, store, second)
}

#[test]
fn the_right_moves_to_the_standby_with_the_journal_and_comes_once() {
    let (primary, second, own, store, second_store) = primary_and_standby();
    assert!(is_here(primary.path()).unwrap());
    assert!(!is_here(second.path()).unwrap(), "a backup has no right");
    let file = primary.path().join("seat");

    let key = wait(second.path()).unwrap();
    export(primary.path(), &store, &own, key, &file).unwrap();
    assert!(!is_here(primary.path()).unwrap());
    assert!(!is_here(second.path()).unwrap(), "it is on its way");
    import(second.path(), &second_store, &own, &file).unwrap();

    assert!(is_here(second.path()).unwrap());
    assert!(!is_here(primary.path()).unwrap());
    assert_eq!(
        second_store.load().unwrap().committee.journal,
        store.load().unwrap().committee.journal
    );
    let again = import(second.path(), &second_store, &own, &file);
    assert!(matches!(again, Err(StandbyError::NotWaiting)));
}

#[test]
fn an_export_fits_one_standby_and_is_not_made_for_two() {
    let (primary, second, own, store, second_store) = primary_and_standby();
    let file = primary.path().join("seat");
    let first_key = wait(second.path()).unwrap();
    export(primary.path(), &store, &own, first_key, &file).unwrap();

    // The standby starts anew: the key it had is gone, and what was made for it opens no more.
    let other_key = wait(second.path()).unwrap();
    let import = import(second.path(), &second_store, &own, &file);
    assert!(matches!(import, Err(StandbyError::NotForThis { .. })));
    let other = primary.path().join("other");
    let export_again = export(primary.path(), &store, &own, other_key, &other);
    assert!(matches!(export_again, Err(StandbyError::GivenTo(to)) if to == first_key));
    assert!(!other.exists());
    assert!(!is_here(second.path()).unwrap());
}

#[test]
fn an_export_that_broke_off_goes_on_and_gives_nothing_back() {
    let (primary, second, own, store, second_store) = primary_and_standby();
    let key = wait(second.path()).unwrap();
    let nowhere = primary.path().join("no such folder").join("seat");
    assert!(export(primary.path(), &store, &own, key, &nowhere).is_err());
    assert!(!is_here(primary.path()).unwrap(), "the right went first");

    let file = primary.path().join("seat");
    export(primary.path(), &store, &own, key, &file).unwrap();
    import(second.path(), &second_store, &own, &file).unwrap();

    assert!(is_here(second.path()).unwrap());
    assert!(matches!(wait(second.path()), Err(StandbyError::Here)));
}
