#![allow(clippy::unwrap_used)]

use x0_crypto::{ContentId, Identity, PublicKey};
use zeroize::Zeroizing;

use super::*;
use crate::{
    charter::Charter,
    core::time::{Millis, Wall},
};

const DAY: u64 = 24 * 60 * 60 * 1_000;

fn key(number: u8) -> PublicKey {
    Identity::from_seed(Zeroizing::new([number; 32])).public()
}

fn sentence(sort: Violation, from: Wall) -> Sentence {
    Sentence::of(Charter::shipped().text().penalties.of(sort), from)
}

#[test]
fn the_shipped_charter_punishes_each_sort_as_planned() {
    let from = Wall(1_000);
    let year = Millis(365 * DAY);

    let silent = sentence(Violation::SilentCollection, from);
    assert_eq!(silent.suspended_until, Some(from + year));
    assert_eq!((silent.fine_x0, silent.removed), (100_000, false));
    let prediction = sentence(Violation::BehaviouralPrediction, from);
    assert!(prediction.removed && prediction.suspended_until.is_none());
    let extraction = sentence(Violation::DataExtraction, from);
    assert_eq!(extraction.probation_until, Some(from + year));
    assert!(extraction.deletion && extraction.fine_x0 == 50_000);
    let unauthorized = sentence(Violation::UnauthorizedOverride, from);
    assert!(unauthorized.removed && unauthorized.public_referral);
}

#[test]
fn names_of_sorts_are_those_of_the_charter() {
    let charter = Charter::shipped();
    let named = charter.text().penalties.named();
    for ((name, penalty), sort) in named.into_iter().zip(Violation::ALL) {
        assert_eq!(sort.name(), name);
        assert_eq!(name.parse(), Ok(sort));
        assert_eq!(charter.text().penalties.of(sort), penalty);
    }
    assert!("tracking".parse::<Violation>().is_err());
}

#[test]
fn a_key_is_barred_from_the_beginning_of_its_sentence_to_the_end_and_by_the_hardest() {
    let mut sentences = Sentences::default();
    let (from, year) = (Wall(DAY), 365 * DAY);
    let case = |number: u8| ContentId::of(&[number]);
    sentences.pass(key(1), case(1), sentence(Violation::DataExtraction, from));
    sentences.pass(key(1), case(2), sentence(Violation::SilentCollection, from));
    sentences.pass(
        key(2),
        case(3),
        sentence(Violation::BehaviouralPrediction, from),
    );

    let barred = |key: &PublicKey, time| sentences.barred(key, Wall(time));
    assert_eq!(barred(&key(1), DAY - 1), None);
    let until = Wall(DAY + year);
    assert_eq!(barred(&key(1), DAY), Some(Barred::Suspended { until }));
    assert_eq!(
        barred(&key(1), DAY + year - 1),
        Some(Barred::Suspended { until })
    );
    assert_eq!(barred(&key(1), DAY + year), None);
    assert_eq!(barred(&key(2), 0), Some(Barred::Removed));
    assert_eq!(barred(&key(3), DAY), None);
    assert!(sentences.is_out(&key(1), Wall(DAY)) && !sentences.is_out(&key(3), Wall(DAY)));
    assert_eq!(sentences.changes_after(Wall(0)), Some(from));
    assert_eq!(sentences.changes_after(from), Some(until));

    let mut later = sentences.clone();
    later.forget(until);
    assert_eq!(later.of(&key(1)).count(), 0);
    assert_eq!(later.barred(&key(2), until), Some(Barred::Removed));
}
