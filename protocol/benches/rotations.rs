//! What it costs a seat to find which sharings are due, among a thousand items and among ten thousand.
//!
//! `asked` has sixteen items due, by their term, by votes and as guardians have gone, whatever the number of items: the three
//! lines say the same if it costs what is due and not what there is. `none` has nothing due. `walked` looks at every item, which
//! is the bar. `made` puts all of them into a schedule with their ten guardians, as after a restart.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The bench attribute keeps its arguments in a `LazyLock`.
#![allow(clippy::disallowed_types)]

use divan::{Bencher, black_box, counter::ItemsCount};
use x0_crypto::{ContentId, Identity, PublicKey};
use x0_protocol::{
    Millis, Wall,
    spine::committee::{Schedule, rotation_term},
};
use zeroize::Zeroizing;

const SIZES: [u32; 3] = [1_000, 3_000, 10_000];
const GUARDIANS: usize = 10;
/// Members who serve; they are no fewer with fewer items.
const SERVING: u32 = 1_000;
/// Now, by mesh time; most items came to be just now.
const NOW: Wall = Wall(1_800_000_000_000);
/// Older than six months.
const OLD: Wall = Wall(1_700_000_000_000);

fn main() {
    divan::main();
}

/// An item, its sharing and since when.
struct Item {
    key: PublicKey,
    sharing: ContentId,
    subject: ContentId,
    since: Wall,
    guardians: Vec<PublicKey>,
}

fn key(number: u32) -> PublicKey {
    let mut seed = Zeroizing::new([3; 32]);
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(seed).public()
}

/// Items of which so many are old. The first four have a guardian of their own.
fn items(size: u32, old: usize) -> Vec<Item> {
    let serving: Vec<_> = (0..SERVING).map(|number| key(1_000_000 + number)).collect();
    let item = |(place, number): (usize, u32)| {
        let key = key(number);
        let mut guardians: Vec<_> = (0..GUARDIANS)
            .map(|of_item| serving[(place * 7 + of_item * 97) % serving.len()])
            .collect();
        if place < 4 {
            guardians[0] = self::key(2_000_000 + number);
        }
        Item {
            sharing: ContentId::of(key.bytes()),
            subject: ContentId::of(ContentId::of(key.bytes()).digest()),
            since: if place < old { OLD } else { NOW },
            guardians,
            key,
        }
    };
    (0..size)
        .enumerate()
        .map(|(place, number)| item((place, number)))
        .collect()
}

fn scheduled(items: &[Item]) -> Schedule {
    let mut schedule = Schedule::default();
    for item in items {
        schedule.put(item.key, (item.sharing, item.since), item.subject);
        schedule.guard(&item.key, &item.sharing, item.guardians.iter().copied());
    }
    schedule
}

/// Sixteen are due: four as a guardian has gone, four by votes, eight by their term.
#[divan::bench(args = SIZES)]
fn asked(bencher: Bencher<'_, '_>, size: u32) {
    let mut items = items(size, 0);
    for old in &mut items[8..16] {
        old.since = OLD;
    }
    let mut schedule = scheduled(&items);
    for of_gone in &items[..4] {
        schedule.see_gone(of_gone.guardians[0]);
    }
    let voted: Vec<_> = items[4..8].iter().map(|item| item.subject).collect();
    assert_eq!(schedule.due(NOW, &voted, |_| true).len(), 16);
    bencher
        .counter(ItemsCount::new(16_u32))
        .bench_local(|| schedule.due(black_box(NOW), &voted, |_| true));
}

/// Nothing is due.
#[divan::bench(args = SIZES)]
fn none(bencher: Bencher<'_, '_>, size: u32) {
    let schedule = scheduled(&items(size, 0));
    bencher.bench_local(|| schedule.due(black_box(NOW), [], |_| true));
}

/// Nothing is due, and every item is looked at.
#[divan::bench(args = SIZES)]
fn walked(bencher: Bencher<'_, '_>, size: u32) {
    let items = items(size, 0);
    bencher.counter(ItemsCount::new(size)).bench_local(|| {
        let due = items
            .iter()
            .filter(|item| rotation_term(item.since, &item.sharing) <= black_box(NOW));
        due.count()
    });
}

/// All of them are put into a schedule.
#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn made(bencher: Bencher<'_, '_>, size: u32) {
    let items = items(size, 16);
    assert!(OLD + Millis::from_mins(180 * 24 * 60) < NOW, "they are due");
    bencher
        .counter(ItemsCount::new(size))
        .bench_local(|| scheduled(&items));
}
