#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::{super::members::tests::key, *};
use crate::wire::{decode_own, encode_entry};

fn value(seed: u8) -> BeaconValue {
    decode_own(&encode_entry(&ByteBuf::from([seed; 32]))).unwrap()
}

fn keys(numbers: impl Iterator<Item = u16>) -> Vec<PublicKey> {
    let mut keys: Vec<_> = numbers.map(key).collect();
    keys.sort_unstable();
    keys
}

fn loads(pairs: &[AuditPair], seats: &[PublicKey]) -> Vec<usize> {
    let load = |seat: &PublicKey| pairs.iter().filter(|pair| pair.auditor == *seat).count();
    seats.iter().map(load).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_draw_is_even_never_of_oneself_by_seats_alone_and_the_same_for_all(
        members in 4u16..260, seats in 4u16..32, seed in any::<u8>(),
    ) {
        let members_of = keys(0..members.max(seats));
        let seats_of = keys(0..seats);
        let mut seen = BTreeSet::new();

        let pairs = draw(&members_of, &seats_of, &mut seen, &value(seed));

        prop_assert_eq!(pairs.len(), audited(members_of.len()));
        prop_assert!(pairs.is_sorted_by(|a, b| a.node < b.node));
        prop_assert!(pairs.iter().all(|pair| pair.node != pair.auditor));
        prop_assert!(pairs.iter().all(|pair| seats_of.contains(&pair.auditor)));
        let loads = loads(&pairs, &seats_of);
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", loads);
        let again = draw(&members_of, &seats_of, &mut BTreeSet::new(), &value(seed));
        prop_assert_eq!(pairs, again);
    }

    #[test]
    fn every_member_is_audited_before_anybody_is_for_the_third_time(
        members in 21u16..400, first in any::<u8>(),
    ) {
        let (members, seats) = (keys(0..members), keys(0..4));
        let mut seen = BTreeSet::new();
        let mut times: BTreeMap<PublicKey, u32> = BTreeMap::new();
        let rounds = members.len().div_ceil(audited(members.len()));
        for round in 0..rounds {
            let value = value(first.wrapping_add(u8::try_from(round).unwrap()));
            for pair in draw(&members, &seats, &mut seen, &value) {
                *times.entry(pair.node).or_default() += 1;
            }
        }

        prop_assert_eq!(times.len(), members.len());
        prop_assert!(times.values().all(|times| *times <= 2));
    }
}

#[test]
fn in_a_small_mesh_all_are_audited_and_in_a_large_one_a_tenth_up_to_a_hundred() {
    let counts = [
        (4, 4),
        (20, 20),
        (21, 20),
        (200, 20),
        (300, 30),
        (999, 100),
        (100_000, 100),
    ];
    for (members, expected) in counts {
        assert_eq!(audited(members), expected, "{members} members");
    }
}

#[test]
fn who_joins_meanwhile_moves_nobody_else() {
    let seats = keys(0..4);
    let before = draw(&keys(0..15), &seats, &mut BTreeSet::new(), &value(3));
    let after = draw(&keys(0..16), &seats, &mut BTreeSet::new(), &value(3));

    let order =
        |of: &[AuditPair]| -> BTreeSet<PublicKey> { of.iter().map(|pair| pair.node).collect() };
    assert!(order(&before).is_subset(&order(&after)));
    let seated = |of: Vec<AuditPair>| -> Vec<AuditPair> {
        let of = of.into_iter();
        of.filter(|pair| seats.contains(&pair.node)).collect()
    };
    assert_eq!(seated(before), seated(after));
}

#[test]
fn another_value_of_the_beacon_draws_others() {
    let (members, seats) = (keys(0..200), keys(0..4));
    let one = draw(&members, &seats, &mut BTreeSet::new(), &value(1));
    let other = draw(&members, &seats, &mut BTreeSet::new(), &value(2));
    assert_ne!(one, other);
}

#[test]
fn a_round_opens_when_its_days_are_over_and_once() {
    let charter = Charter::shipped();
    let days = charter.text().committee.audit_days;
    let mut audits = Audits::new(Wall(1_000), Some(&charter));
    let first = Wall(1_000) + period(days);
    assert!(!audits.plan(Wall(first.0 - 1), (5, 0)));
    assert!(audits.plan(first, (5, 0)));
    assert!(!audits.plan(first, (6, 0)), "one draw at a time");
    assert_eq!(audits.to_draw(), Some((1, 5)));

    audits.draw((9, first), &keys(0..6), &keys(0..4), &value(1));

    assert_eq!(audits.to_draw(), None);
    let drawn = *audits.drawn().next().unwrap();
    assert_eq!((drawn.round, drawn.height, drawn.opened), (1, 9, first));
    assert_eq!(
        (drawn.due, drawn.next),
        (first + allowed(days), first + period(days))
    );
    assert_eq!(audits.next_at(), Some(first + period(days)));
    for round in 2..6 {
        let at = audits.next_at().unwrap();
        assert!(audits.plan(at, (round, 0)));
        audits.draw((round * 10, at), &keys(0..6), &keys(0..4), &value(1));
    }
    assert_eq!(audits.drawn().count(), AUDIT_ROUNDS_SIGNED_MAX);
    assert_eq!(audits.drawn().last().unwrap().round, 5);
}

#[test]
fn an_amended_charter_moves_the_next_round_and_without_one_there_is_none() {
    let charter = Charter::shipped();
    let mut draft = charter.text().clone();
    (draft.number, draft.committee.audit_days) = (draft.number + 1, 30);
    let amended = Charter::new(draft).unwrap();
    let mut audits = Audits::new(Wall(0), Some(&charter));
    audits.amend(&amended);
    assert_eq!(audits.next_at(), Some(Wall(0) + period(30)));

    let mut none = Audits::new(Wall(0), None);
    assert!(!none.plan(Wall(u64::MAX), (1, 0)));
}

#[test]
fn a_state_from_the_disk_goes_on_where_it_was() {
    let mut audits = Audits::new(Wall(0), Some(&Charter::shipped()));
    audits.number_from(4);
    assert!(audits.plan(Wall(u64::MAX / 2), (8, 0)));
    let mut read: Audits = decode_own(&encode_entry(&audits)).unwrap();

    for audits in [&mut audits, &mut read] {
        audits.draw((3, Wall(7)), &keys(0..9), &keys(0..5), &value(9));
    }

    assert_eq!(encode_entry(&audits), encode_entry(&read));
    assert_eq!(audits.drawn().next().unwrap().round, 4_001);
}
