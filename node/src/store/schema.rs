//! The number of a store's layout, and how an older layout becomes the present one.
//!
//! A migration works on a copy (a RocksDB checkpoint, which shares the large files) and takes its place only
//! when complete; until the migrated store has been opened, the original stays beside it. So a crash or a
//! full disk in the middle leaves the original as it was.

use std::path::Path;

use rocksdb::{DB, Options, WriteOptions, checkpoint::Checkpoint};

use super::{
    StoreError,
    columns::{Column, SCHEMA_KEY},
    place, rocks,
};

/// The layout this program writes.
pub const SCHEMA: u32 = 10;

/// One step from a layout to the next.
struct Migration {
    /// What it changes, for the log.
    what: &'static str,
    run: fn(&mut DB) -> Result<(), rocksdb::Error>,
}

/// The steps: the one at place `n` leads from layout `n` to `n + 1`.
const MIGRATIONS: [Migration; SCHEMA as usize] = [
    Migration {
        what: "adds the column of accepted roots, which pre-release stores lack",
        run: |db| add(db, &[Column::Roots]),
    },
    Migration {
        what: "adds the columns of the committee log",
        run: |db| add(db, &[Column::Journal, Column::Blocks]),
    },
    Migration {
        what: "adds the column of the committee's keys",
        run: |db| add(db, &[Column::Keys]),
    },
    Migration {
        what: "adds the columns of halts and votes",
        run: |db| add(db, &[Column::Halts, Column::Votes]),
    },
    Migration {
        what: "adds the column of own acts on their way",
        run: |db| add(db, &[Column::Proposals]),
    },
    Migration {
        what: "adds the column of receipts for erasures",
        run: |db| add(db, &[Column::Receipts]),
    },
    Migration {
        what: "adds the column of the public log and of overrides",
        run: |db| add(db, &[Column::PublicLog]),
    },
    Migration {
        what: "adds the column of shares kept for others",
        run: |db| add(db, &[Column::Sublime]),
    },
    Migration {
        what: "lets go of shares kept for others that cannot be dealt on: their owners put the items again",
        run: |db| {
            db.drop_cf(Column::Sublime.name())?;
            add(db, &[Column::Sublime])
        },
    },
    Migration {
        what: "keeps receipts of forgetting, invitations of guardians and who guards what, which programs before it cannot read",
        run: |_| Ok(()),
    },
];

fn add(db: &mut DB, columns: &[Column]) -> Result<(), rocksdb::Error> {
    let mut columns = columns.iter();
    columns.try_for_each(|column| db.create_cf(column.name(), &rocks::column_options()))
}

/// Brings the store of a data directory to the present layout.
///
/// # Errors
/// [`StoreError::NewerSchema`], or what kept the migration from completing; the store is as it was then.
pub(super) fn bring_up_to_date(data_dir: &Path) -> Result<(), StoreError> {
    let store = place::path(data_dir);
    let found = read(&store)?;
    if found > SCHEMA {
        return Err(StoreError::NewerSchema {
            path: store,
            found,
            known: SCHEMA,
        });
    }
    if found == SCHEMA {
        return Ok(());
    }
    let copy = place::migrating(data_dir);
    let rocks = |error| StoreError::rocks(&copy, &error);
    let original = open_as_it_is(&store)?;
    Checkpoint::new(&original)
        .and_then(|checkpoint| checkpoint.create_checkpoint(&copy))
        .map_err(rocks)?;
    let mut migrated = open_as_it_is(&copy)?;
    for (from, migration) in (0..).zip(&MIGRATIONS).skip(found as usize) {
        tracing::info!(from, what = migration.what, "the store changes its layout");
        (migration.run)(&mut migrated).map_err(rocks)?;
    }
    write(&migrated, SCHEMA)?;
    drop(migrated);
    drop(original);
    place::adopt_migrated(data_dir)
}

/// Notes a layout number durably.
pub(super) fn write(db: &DB, schema: u32) -> Result<(), StoreError> {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.put_cf_opt(
        Column::Meta.of(db)?,
        SCHEMA_KEY,
        schema.to_be_bytes(),
        &options,
    )
    .map_err(|error| StoreError::rocks(db.path(), &error))
}

/// Reads the layout number, touching only the one column that every layout has.
fn read(store: &Path) -> Result<u32, StoreError> {
    let rocks = |error| StoreError::rocks(store, &error);
    let options = Options::default();
    let columns = DB::list_cf(&options, store).map_err(rocks)?;
    if !columns.iter().any(|name| name == Column::Meta.name()) {
        return Err(StoreError::damaged(store, "the column `meta` is missing"));
    }
    let db =
        DB::open_cf_for_read_only(&options, store, [Column::Meta.name()], false).map_err(rocks)?;
    let number = db
        .get_cf(Column::Meta.of(&db)?, SCHEMA_KEY)
        .map_err(rocks)?;
    match number.map(<[u8; 4]>::try_from) {
        None => Ok(0),
        Some(Ok(number)) => Ok(u32::from_be_bytes(number)),
        Some(Err(_)) => Err(StoreError::damaged(
            store,
            "the number of its layout is unreadable",
        )),
    }
}

/// Opens a store with the columns it has, whatever its layout.
fn open_as_it_is(store: &Path) -> Result<DB, StoreError> {
    let columns = DB::list_cf(&Options::default(), store);
    columns
        .and_then(|columns| rocks::open_columns(store, columns))
        .map_err(|error| StoreError::rocks(store, &error))
}
