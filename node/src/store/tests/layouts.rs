//! Older and newer layouts, and directories that a crash left half changed.

use std::fs;

use rocksdb::DB;

use x0_protocol::{spine::committee::StoredLog, sublime::shares::SublimeWrite};

use super::{
    super::{SCHEMA, columns, schema},
    committee::journal,
    *,
};

#[test]
fn a_newer_layout_is_refused_with_both_numbers() {
    let home = Home::new();
    drop(home.create());
    let path = place::path(home.dir());
    let db = super::super::rocks::open_columns(&path, Column::ALL.map(Column::name)).unwrap();
    schema::write(&db, SCHEMA + 7).unwrap();
    drop(db);

    let error = home.open().err().unwrap();

    let known = SCHEMA;
    let found = SCHEMA + 7;
    assert_eq!(error, StoreError::NewerSchema { path, found, known });
    let text = error.to_string();
    assert!(
        text.contains(&format!("layout {found}")) && text.contains(&format!("up to {known}")),
        "{text}"
    );
}

#[test]
fn a_pre_release_store_is_migrated_and_keeps_everything() {
    let home = Home::new();
    let record = make_layout_0(&home);

    let store = home.open().unwrap();

    let id = record.value().id();
    assert!(store.record(&id).unwrap().is_some());
    assert_eq!(store.load().unwrap().audit, [entry(0)]);
    let accepted = accept(root(1), true);
    store.submit(vec![accepted]).wait().unwrap();
    drop(store);
    assert_eq!(home.open().unwrap().load().unwrap().roots, [root(1)]);
    assert_eq!(names(home.dir()), ["store", "store.lock"]);
}

#[test]
fn a_migration_that_fails_leaves_the_original_as_it_was() {
    let home = Home::new();
    let record = make_layout_0(&home);
    // The copy cannot be made where a file stands in the way.
    fs::create_dir(place::migrating(home.dir()).with_extension("x")).unwrap();
    let store = place::path(home.dir());
    fs::write(place::migrating(home.dir()), "in the way").unwrap();

    let error = home.open().err().unwrap();

    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    fs::remove_file(place::migrating(home.dir())).unwrap();
    assert!(store.exists());
    let id = record.value().id();
    assert!(home.open().unwrap().record(&id).unwrap().is_some());
}

#[test]
fn a_crash_while_copying_starts_the_migration_again() {
    let home = Home::new();
    let record = make_layout_0(&home);
    fs::create_dir(place::migrating(home.dir())).unwrap();
    fs::write(place::migrating(home.dir()).join("half"), "a file").unwrap();

    let store = home.open().unwrap();

    assert!(store.record(&record.value().id()).unwrap().is_some());
    assert_eq!(names(home.dir()), ["store", "store.lock"]);
}

#[test]
fn a_crash_between_the_two_renames_goes_on_with_the_migrated_copy() {
    let home = Home::new();
    drop(home.create());
    let store = place::path(home.dir());
    fs::create_dir(home.dir().join("store.before-migration")).unwrap();
    fs::rename(&store, place::migrating(home.dir())).unwrap();
    assert!(crate::store::exists(home.dir()));

    home.open().unwrap();

    assert_eq!(names(home.dir()), ["store", "store.lock"]);
}

#[test]
fn a_crash_after_the_renames_forgets_the_original() {
    let home = Home::new();
    drop(home.create());
    fs::create_dir(home.dir().join("store.before-migration")).unwrap();

    home.open().unwrap();

    assert_eq!(names(home.dir()), ["store", "store.lock"]);
}

#[test]
fn a_store_left_half_made_does_not_count() {
    let home = Home::new();
    fs::create_dir(place::making(home.dir())).unwrap();
    fs::write(place::making(home.dir()).join("CURRENT"), "nothing").unwrap();

    assert!(!crate::store::exists(home.dir()));
    drop(home.create());

    assert_eq!(names(home.dir()), ["store", "store.lock"]);
}

#[test]
fn a_directory_of_something_else_is_damage() {
    let home = Home::new();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    drop(DB::open(&options, place::path(home.dir())).unwrap());

    let error = home.open().err().unwrap();

    assert!(error.to_string().contains("`meta` is missing"), "{error}");
}

#[test]
fn a_store_from_before_the_committee_log_is_migrated_and_can_keep_it() {
    let home = Home::new();
    let record = make_store(
        &home,
        &[
            Column::Journal,
            Column::Blocks,
            Column::Keys,
            Column::Halts,
            Column::Votes,
            Column::Proposals,
            Column::Receipts,
            Column::PublicLog,
            Column::Sublime,
        ],
        Some(1),
    );

    let store = home.open().unwrap();

    assert!(store.record(&record.value().id()).unwrap().is_some());
    assert_eq!(store.load().unwrap().committee, StoredLog::default());
    store.submit(vec![journal(0, 1)]).wait().unwrap();
    drop(store);
    let kept = home.open().unwrap().load().unwrap().committee;
    assert_eq!(kept.journal.len(), 1);
}

#[test]
fn a_store_from_before_own_acts_were_kept_is_migrated_and_can_keep_them() {
    let home = Home::new();
    let later = [
        Column::Proposals,
        Column::Receipts,
        Column::PublicLog,
        Column::Sublime,
    ];
    let record = make_store(&home, &later, Some(4));

    let store = home.open().unwrap();

    assert!(store.record(&record.value().id()).unwrap().is_some());
    assert_eq!(store.load().unwrap().proposals, []);
    let asked = proposals::asked(&home, 5);
    store.submit(vec![proposals::keep(&asked)]).wait().unwrap();
    drop(store);
    assert_eq!(home.open().unwrap().load().unwrap().proposals, [asked]);
}

#[test]
fn a_store_from_before_receipts_of_forgetting_keeps_what_it_has_of_sublime() {
    let home = Home::new();
    let record = make_store(&home, &[], Some(9));
    let path = place::path(home.dir());
    let db = super::super::rocks::open_columns(&path, Column::ALL.map(Column::name)).unwrap();
    let mut batch = rocksdb::WriteBatch::default();
    let share = sublime::share(1, 0);
    let kept = Write::Sublime(SublimeWrite::Share(Box::new(share.clone())));
    columns::put(&db, &mut batch, &std::iter::empty(), &kept).unwrap();
    db.write(batch).unwrap();
    drop(db);

    let store = home.open().unwrap();

    assert!(store.record(&record.value().id()).unwrap().is_some());
    let stored = store.load().unwrap().sublime;
    assert_eq!((stored.shares, stored.destroyed), (vec![share], Vec::new()));
    let receipt = sublime::destroyed(1, 5, 0);
    let write = Write::Sublime(SublimeWrite::Destroyed(receipt));
    store.submit(vec![write]).wait().unwrap();
    drop(store);
    let stored = home.open().unwrap().load().unwrap().sublime;
    assert_eq!(stored.destroyed, [receipt]);
}

/// Makes a store as pre-release versions did: no column `roots`, no number.
fn make_layout_0(home: &Home) -> Verified<Record> {
    let later = [
        Column::Roots,
        Column::Journal,
        Column::Blocks,
        Column::Keys,
        Column::Halts,
        Column::Votes,
        Column::Proposals,
        Column::Receipts,
        Column::PublicLog,
        Column::Sublime,
    ];
    make_store(home, &later, None)
}

fn make_store(home: &Home, without: &[Column], number: Option<u32>) -> Verified<Record> {
    let columns = Column::ALL
        .into_iter()
        .filter(|column| !without.contains(column));
    let path = place::path(home.dir());
    let db = super::super::rocks::open_columns(&path, columns.map(Column::name)).unwrap();
    let meta = Column::Meta.of(&db).unwrap();
    let genesis = home.genesis.value().bytes();
    db.put_cf(meta, columns::GENESIS_KEY, genesis).unwrap();
    db.put_cf(meta, columns::OWNER_KEY, home.owner().bytes())
        .unwrap();
    let record = home.record(0, 100);
    let mut batch = rocksdb::WriteBatch::default();
    columns::put(
        &db,
        &mut batch,
        &std::iter::empty(),
        &Write::Record(record.clone()),
    )
    .unwrap();
    columns::put(&db, &mut batch, &std::iter::empty(), &audit(0)).unwrap();
    db.write(batch).unwrap();
    if let Some(number) = number {
        schema::write(&db, number).unwrap();
    }
    record
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
