//! The seat's journal and the blocks of the committee log.

use x0_crypto::committee::Purpose;
use x0_protocol::{
    core::limits::BLOCKS_KEPT_MAX,
    spine::committee::{JournalLine, Tip},
    wire::{Block, Decided, Phase, Quorum, SeatDraft},
};

use super::*;

#[test]
fn a_journal_is_read_back_in_order_and_ends_with_its_block() {
    let home = Home::new();
    let store = home.create();
    store.submit(vec![journal(0, 2)]).wait().unwrap();
    store.submit(vec![journal(2, 300)]).wait().unwrap();
    drop(store);

    let store = home.open().unwrap();
    let kept = store.load().unwrap().committee;
    assert_eq!(kept.tip, None);
    assert_eq!(kept.journal, (0..302).map(line).collect::<Vec<_>>());

    store.submit(vec![block(1)]).wait().unwrap();
    store.submit(vec![journal(0, 1)]).wait().unwrap();
    drop(store);
    let kept = home.open().unwrap().load().unwrap().committee;
    assert_eq!(kept.tip, Some(tip(1)));
    assert_eq!(kept.journal, [line(0)]);
}

#[test]
fn blocks_are_read_from_a_height_on_and_the_oldest_give_way() {
    let home = Home::new();
    let store = home.create();
    let last = BLOCKS_KEPT_MAX + 3;
    let blocks = (1..=last).map(block).collect();
    store.submit(blocks).wait().unwrap();

    let heights = |from, count| {
        let blocks = store.blocks(from, count).unwrap();
        let height = |bytes: &Vec<u8>| Decided::decode(bytes).unwrap().peek().block.height;
        blocks.iter().map(height).collect::<Vec<_>>()
    };
    assert_eq!(heights(10, 3), [10, 11, 12]);
    assert_eq!(heights(last, 3), [last]);
    assert!(heights(last + 1, 3).is_empty());
    assert_eq!(heights(0, 1), [4], "blocks 1 to 3 gave way");
}

#[test]
fn a_gap_in_the_journal_is_damage_that_is_named() {
    let home = Home::new();
    let store = home.create();
    store.submit(vec![journal(1, 1)]).wait().unwrap();

    let error = store.load().unwrap_err();

    assert!(error.to_string().contains("journal line 0"), "{error}");
}

#[test]
fn forgotten_shares_stand_in_no_file_of_the_store() {
    let home = Home::new();
    let store = home.create();
    let sealed = |epoch: u64| -> Vec<u8> {
        let number = u8::try_from(epoch).unwrap();
        (0..200)
            .map(|at: u8| at.wrapping_mul(31) ^ number)
            .collect()
    };
    let share = |epoch| Write::KeyShare {
        purpose: Purpose::Beacon,
        epoch,
        sealed: sealed(epoch),
    };
    store.submit(vec![share(1)]).wait().unwrap();
    store.submit(vec![share(2)]).wait().unwrap();
    assert!(
        stands_in_a_file(home.dir(), &sealed(1)),
        "the search finds it"
    );

    let forget = Write::ForgetKeys {
        shares: vec![(Purpose::Beacon, 1)],
        dealings: Vec::new(),
    };
    store.submit(vec![forget]).wait().unwrap();
    let kept = store.key_shares().unwrap();
    assert_eq!(kept, [(Purpose::Beacon, 2, sealed(2))]);
    drop(store);
    assert!(!stands_in_a_file(home.dir(), &sealed(1)));
}

/// Tells whether a file somewhere under a directory holds these bytes.
pub(super) fn stands_in_a_file(dir: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands_in_a_file(&path, bytes);
        }
        let held = std::fs::read(&path).unwrap();
        held.windows(bytes.len()).any(|part| part == bytes)
    })
}

/// Writes so many lines from a place on.
pub(super) fn journal(first: u32, count: u32) -> Write {
    Write::Journal {
        first,
        lines: (first..first + count).map(line).collect(),
    }
}

fn line(place: u32) -> JournalLine {
    JournalLine::Signing(SeatDraft::Vote {
        height: 1,
        round: place,
        phase: Phase::Prevote,
        block: None,
    })
}

fn tip(height: u64) -> Tip {
    Tip {
        height,
        block: ContentId::of(&height.to_be_bytes()),
        time: Wall(height),
    }
}

fn block(height: u64) -> Write {
    let owner = Identity::from_seed(Zeroizing::new([1; 32]));
    let block = Block {
        mesh: ContentId::of(b"mesh"),
        height,
        previous: ContentId::of(b"previous"),
        clocks: Vec::new(),
        entries: Vec::new(),
    };
    let signature = owner.sign(x0_crypto::Namespace::Seat, b"not checked here");
    Write::Block {
        decided: Arc::new(Decided {
            block,
            commit: Quorum {
                round: 0,
                votes: vec![(owner.public(), signature)],
            },
        }),
        tip: tip(height),
        snapshot: None,
    }
}
