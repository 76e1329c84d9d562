#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use x0_crypto::Identity;
use zeroize::Zeroizing;

use super::*;

fn key(number: u8) -> PublicKey {
    Identity::from_seed(Zeroizing::new([number; 32])).public()
}

fn candidate(number: u8, subtree: u8, region: Option<&str>) -> Candidate {
    Candidate {
        key: key(number),
        subtree: key(subtree),
        region: region.map(|region| region.parse().unwrap()),
    }
}

#[test]
fn three_of_ten_where_ten_serve_and_less_where_fewer_do() {
    let shares = |serving| shares(serving).map(|access| (access.threshold(), access.shares()));
    let table: Vec<_> = (0..13).map(shares).collect();
    assert_eq!(table[..3], [None, None, None]);
    assert_eq!(table[3..5], [Some((2, 3)), Some((2, 4))]);
    assert_eq!(table[5..7], [Some((3, 5)), Some((3, 6))]);
    assert_eq!(table[10..], [Some((3, 10)); 3]);
    assert_eq!(shares(100_000), Some((3, 10)));
}

#[test]
fn guardians_come_from_as_many_subtrees_as_there_are() {
    // Ten of one subtree, nine others alone in theirs.
    let many = (0..10).map(|number| candidate(number, 200, None));
    let alone = (10..19).map(|number| candidate(number, number, None));
    let drawn = draw(&[7; 32], &key(99), many.chain(alone).collect()).unwrap();
    assert_eq!((drawn.access.threshold(), drawn.guardians.len()), (3, 10));
    assert!(drawn.diverse(), "one of the crowded subtree and all others");
    assert_eq!(drawn.stand_ins.len(), 9);
}

#[test]
fn regions_differ_first_and_crowding_is_said() {
    let regions = ["north", "south", "west"];
    let all = (0..3).map(|number| candidate(number, number, Some("north")));
    let rest =
        (3..5).map(|number| candidate(number, number, Some(regions[usize::from(number) - 2])));
    let drawn = draw(&[7; 32], &key(99), all.chain(rest).collect()).unwrap();
    assert!(drawn.guardians.contains(&key(3)) && drawn.guardians.contains(&key(4)));
    let crowded = (0..4).map(|number| candidate(number, 200, None));
    let drawn = draw(&[7; 32], &key(99), crowded.collect()).unwrap();
    assert!(!drawn.diverse());
    assert_eq!(drawn.subtrees, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_draw_names_everybody_once_and_does_not_depend_on_their_order(
        subtrees in prop::collection::vec(0_u8..6, 3..24),
        seed: [u8; 32],
        by in 0_usize..24,
    ) {
        let all: Vec<_> = subtrees.iter().enumerate()
            .map(|(number, subtree)| candidate(number as u8, 100 + subtree, None))
            .collect();
        let drawn = draw(&seed, &key(99), all.clone()).unwrap();
        let mut turned = all.clone();
        turned.rotate_left(by % all.len());
        prop_assert_eq!(draw(&seed, &key(99), turned), Some(drawn.clone()));
        let named: BTreeSet<_> = drawn.guardians.iter().chain(&drawn.stand_ins).collect();
        prop_assert_eq!(named.len(), all.len());
        let distinct: BTreeSet<_> = subtrees.iter().collect();
        prop_assert_eq!(drawn.subtrees, distinct.len().min(drawn.guardians.len()));
    }
}
