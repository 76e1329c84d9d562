//! The copy of the public log, and overrides that run here.

use x0_crypto::ContentId;
use x0_protocol::{
    Wall, Write,
    anti_meave::overrides::{OverrideHere, OverrideWrite},
    wire::{PublicEntry, PublicWhat},
};

use super::{Home, Store};

fn entry(number: u64) -> PublicEntry {
    PublicEntry {
        time: Wall(number),
        height: number,
        what: PublicWhat::Broadcast {
            act: ContentId::of(&number.to_be_bytes()),
        },
    }
}

fn write(index: u64) -> Write {
    Write::Public {
        index,
        entry: Box::new(entry(index)),
    }
}

fn here(act: &[u8]) -> OverrideHere {
    OverrideHere {
        act: ContentId::of(act),
        record: ContentId::of(b"record"),
        policy: "links.target".parse().unwrap(),
        before: 8,
        version: 3,
        until: Wall(60),
        until_own: Wall(61),
    }
}

#[test]
fn entries_come_back_in_order_and_overrides_that_still_run_with_them() {
    let home = Home::new();
    let store = home.create();
    let keep = |here| Write::Override(OverrideWrite::Keep(Box::new(here)));
    store.submit((0..300).map(write).collect()).wait().unwrap();
    let overrides = vec![keep(here(b"one")), keep(here(b"another"))];
    store.submit(overrides).wait().unwrap();
    let forget = OverrideWrite::Forget(ContentId::of(b"one"));
    store.submit(vec![Write::Override(forget)]).wait().unwrap();
    drop(store);

    let stored = home.open().unwrap().load().unwrap();

    let expected: Vec<_> = (0..300).map(entry).collect();
    assert_eq!(stored.public, expected);
    assert_eq!(stored.overrides, [here(b"another")]);
}

#[test]
fn a_gap_in_the_public_log_is_told_as_damage() {
    let home = Home::new();
    let store = home.create();
    store.submit(vec![write(0), write(2)]).wait().unwrap();
    drop(store);

    let fault = home.open().unwrap().load().unwrap_err().to_string();

    assert!(
        fault.contains("entry 1 of the public log is missing"),
        "{fault}"
    );
}
