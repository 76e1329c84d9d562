//! The same secret for other guardians.

use std::collections::BTreeMap;

use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use super::*;

const ROTATION: &[u8] = b"rotation 1";

/// Old shares 3-of-5, dealt on by some, and the new commitments.
struct Rotated {
    old: Dealing,
    dealt: BTreeMap<ShareIndex, Dealing>,
    resharing: Resharing,
    new: AccessStructure,
}

impl Rotated {
    fn by(old: AccessStructure, new: AccessStructure, dealers: &[u8]) -> Self {
        let old = deal(&secret(1), old, &SEED);
        let dealt: BTreeMap<ShareIndex, Dealing> = dealers
            .iter()
            .map(|dealer| {
                let share = &old.shares[usize::from(*dealer) - 1];
                (index(*dealer), share.redeal(new, ROTATION, &[*dealer; 32]))
            })
            .collect();
        let resharing = Resharing::new(&old.commitments, new, commitments(&dealt)).unwrap();
        Self {
            old,
            dealt,
            resharing,
            new,
        }
    }

    /// What all dealers dealt to one new guardian.
    fn parts(&self, number: u8) -> BTreeMap<ShareIndex, Share> {
        let parts = self.dealt.iter();
        parts
            .map(|(dealer, dealing)| (*dealer, copy(&dealing.shares[usize::from(number) - 1])))
            .collect()
    }

    fn share(&self, number: u8) -> Share {
        let share = self.resharing.share(index(number), &self.parts(number));
        share.ok().unwrap()
    }

    fn shares(&self, numbers: &[u8]) -> Vec<Share> {
        numbers.iter().map(|number| self.share(*number)).collect()
    }
}

fn commitments(dealt: &BTreeMap<ShareIndex, Dealing>) -> BTreeMap<ShareIndex, Commitments> {
    let dealt = dealt.iter();
    dealt
        .map(|(dealer, dealing)| (*dealer, dealing.commitments.clone()))
        .collect()
}

fn three_of_five() -> Rotated {
    Rotated::by(access(3, 5), access(3, 5), &[1, 2, 4])
}

fn named(error: Option<ResharingError>) -> Vec<(u8, DealerFault)> {
    let Some(ResharingError::BadDealers(bad)) = error else {
        panic!("{error:?} names nobody");
    };
    let bad = bad.into_iter();
    bad.map(|bad| (bad.dealer.number(), bad.fault)).collect()
}

#[test]
fn old_and_new_shares_do_not_combine() {
    let rotated = three_of_five();
    let mut mixed = of(&rotated.old, &[1, 2]);
    mixed.extend(rotated.shares(&[3, 4]));
    let by_old = combine(&rotated.old.commitments, &mixed).err().unwrap();
    assert_eq!(by_old.bad, [index(3), index(4)]);
    let by_new = combine(rotated.resharing.commitments(), &mixed)
        .err()
        .unwrap();
    assert_eq!(by_new.bad, [index(1), index(2)]);
}

#[test]
fn the_values_of_mixed_epochs_give_another_secret() {
    // Nothing but the numbers: whoever ignores the commitments gets nothing either.
    let rotated = three_of_five();
    let mut mixed = of(&rotated.old, &[1, 2]);
    mixed.extend(rotated.shares(&[3]));
    let weights = super::super::sharing::weights_at_zero(&[index(1), index(2), index(3)]);
    let sum: Scalar = core::iter::zip(&mixed, weights)
        .map(|(share, weight)| share.value * weight)
        .sum();
    assert_ne!(sum, secret(1).0);
}

#[test]
fn shares_of_different_sets_of_dealers_do_not_combine() {
    let (one, other) = (
        three_of_five(),
        Rotated::by(access(3, 5), access(3, 5), &[1, 2, 5]),
    );
    let mut mixed = one.shares(&[1, 2]);
    mixed.extend(other.shares(&[3, 4]));
    for commitments in [one.resharing.commitments(), other.resharing.commitments()] {
        assert_eq!(combine(commitments, &mixed).err().unwrap().bad.len(), 2);
    }
}

#[test]
fn the_commitment_to_the_secret_stays() {
    let rotated = three_of_five();
    let (old, new) = (&rotated.old.commitments, rotated.resharing.commitments());
    assert_eq!(old.of_secret(), new.of_secret());
    assert_ne!(old.points()[1..], new.points()[1..]);
}

#[test]
fn a_secret_survives_many_rotations() {
    let mut commitments = deal(&secret(1), access(2, 3), &SEED).commitments;
    let mut shares = deal(&secret(1), access(2, 3), &SEED).shares;
    for epoch in 0..6_u8 {
        let new = access(2 + epoch % 3, 4 + epoch);
        let dealt: BTreeMap<ShareIndex, Dealing> = shares
            .iter()
            .map(|share| (share.index(), share.redeal(new, &[epoch], &[epoch; 32])))
            .collect();
        let resharing = Resharing::new(&commitments, new, self::commitments(&dealt)).unwrap();
        shares = new
            .indices()
            .map(|index| {
                let at = usize::from(index.number()) - 1;
                let parts = dealt
                    .iter()
                    .map(|(dealer, dealing)| (*dealer, copy(&dealing.shares[at])));
                resharing.share(index, &parts.collect()).ok().unwrap()
            })
            .collect();
        commitments = resharing.commitments().clone();
    }
    let combined = combine(&commitments, &shares).ok().unwrap();
    assert_eq!(combined.secret.0, secret(1).0);
}

#[test]
fn who_deals_something_else_than_its_share_is_named() {
    let mut rotated = three_of_five();
    let mut other = copy(&rotated.old.shares[1]);
    other.value += Scalar::ONE;
    let dealing = other.redeal(rotated.new, ROTATION, &SEED);
    rotated.dealt.insert(index(2), dealing);
    // And who deals the share of somebody else.
    let dealing = rotated.old.shares[0].redeal(rotated.new, ROTATION, &SEED);
    rotated.dealt.insert(index(4), dealing);
    let resharing = Resharing::new(
        &rotated.old.commitments,
        rotated.new,
        commitments(&rotated.dealt),
    );
    assert_eq!(
        named(resharing.err()),
        [(2, DealerFault::NotItsShare), (4, DealerFault::NotItsShare)]
    );
}

#[test]
fn who_deals_for_another_threshold_or_number_is_named() {
    let mut rotated = three_of_five();
    for (dealer, found) in [(1, access(2, 5)), (2, access(3, 4))] {
        let dealing = rotated.old.shares[usize::from(dealer) - 1].redeal(found, ROTATION, &SEED);
        rotated.dealt.insert(index(dealer), dealing);
    }
    let wanted = rotated.new;
    let resharing = Resharing::new(
        &rotated.old.commitments,
        wanted,
        commitments(&rotated.dealt),
    );
    let other = |found| DealerFault::OtherAccess { found, wanted };
    assert_eq!(
        named(resharing.err()),
        [(1, other(access(2, 5))), (2, other(access(3, 4)))]
    );
}

#[test]
fn who_has_no_share_cannot_deal() {
    let mut rotated = three_of_five();
    let dealing = rotated.old.shares[0].redeal(rotated.new, ROTATION, &SEED);
    rotated.dealt.insert(index(6), dealing);
    let resharing = Resharing::new(
        &rotated.old.commitments,
        rotated.new,
        commitments(&rotated.dealt),
    );
    assert_eq!(named(resharing.err()), [(6, DealerFault::NoShare)]);
}

#[test]
fn too_few_dealers_are_refused() {
    let mut rotated = three_of_five();
    rotated.dealt.remove(&index(4));
    let resharing = Resharing::new(
        &rotated.old.commitments,
        rotated.new,
        commitments(&rotated.dealt),
    );
    assert_eq!(
        resharing.err(),
        Some(ResharingError::TooFewDealers {
            dealers: 2,
            threshold: 3
        })
    );
}

#[test]
fn a_missing_part_is_asked_for_and_nobody_is_blamed() {
    let rotated = three_of_five();
    let mut parts = rotated.parts(1);
    parts.remove(&index(2));
    let error = rotated.resharing.share(index(1), &parts).err();
    assert_eq!(error, Some(ResharingError::Missing(vec![index(2)])));
}

#[test]
fn a_part_for_another_guardian_names_its_dealer() {
    let rotated = three_of_five();
    let mut parts = rotated.parts(1);
    parts.insert(index(4), copy(&rotated.dealt[&index(4)].shares[1]));
    let error = rotated.resharing.share(index(1), &parts).err();
    assert_eq!(named(error), [(4, DealerFault::BadPart)]);
}

#[test]
fn parts_of_others_than_the_dealers_change_nothing() {
    let rotated = three_of_five();
    let mut parts = rotated.parts(1);
    parts.insert(index(5), copy(&rotated.old.shares[0]));
    let share = rotated.resharing.share(index(1), &parts).ok().unwrap();
    assert_eq!(share.to_bytes(), rotated.share(1).to_bytes());
    let verdict = rotated
        .resharing
        .verify_part(index(5), &rotated.old.shares[0]);
    assert_eq!(verdict.unwrap_err().fault, DealerFault::NotADealer);
}

#[test]
fn nobody_is_blamed_for_a_share_that_there_is_not() {
    let rotated = three_of_five();
    let error = rotated.resharing.share(index(6), &rotated.parts(1)).err();
    assert_eq!(
        error,
        Some(ResharingError::NoSuchShare {
            index: index(6),
            access: access(3, 5)
        })
    );
}

#[test]
fn two_rotations_of_one_share_have_nothing_in_common() {
    let old = deal(&secret(1), access(3, 5), &SEED);
    let redeal = |rotation: &[u8]| old.shares[0].redeal(access(3, 5), rotation, &SEED);
    let (one, again, other) = (redeal(b"one"), redeal(b"one"), redeal(b"other"));
    assert_eq!(one.commitments, again.commitments);
    assert_eq!(one.commitments.of_secret(), other.commitments.of_secret());
    assert_ne!(one.commitments.points()[1], other.commitments.points()[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_t_new_shares_give_the_old_secret(
        old in 1_u8..=8, old_threshold in 1_u8..=8, more in 0_u8..=8,
        new in 1_u8..=8, new_threshold in 1_u8..=8, seed: u64,
    ) {
        let old = access(old_threshold.min(old), old);
        let new = access(new_threshold.min(new), new);
        let dealers = (old.threshold() + more).min(old.shares());
        let rotated = Rotated::by(old, new, &some_of(old.shares(), dealers, seed));
        let drawn = some_of(new.shares(), new.threshold(), seed ^ 1);
        let shares = rotated.shares(&drawn);
        for share in &shares {
            prop_assert!(rotated.resharing.commitments().verify(share).is_ok());
        }
        let combined = combine(rotated.resharing.commitments(), &shares).ok().unwrap();
        prop_assert_eq!(combined.secret.0, secret(1).0);
    }

    #[test]
    fn a_dealer_that_changes_any_byte_of_a_part_is_named(
        dealer: prop::sample::Index, at in 0_usize..SHARE_BYTES, change in 1_u8..=255,
    ) {
        let rotated = three_of_five();
        let dealer = [1, 2, 4][dealer.index(3)];
        let mut parts = rotated.parts(3);
        let mut bytes = parts[&index(dealer)].to_bytes();
        bytes[at] ^= change;
        // What is no share any more never gets this far.
        if let Ok(changed) = Share::from_bytes(bytes.as_slice()) {
            parts.insert(index(dealer), changed);
            let error = rotated.resharing.share(index(3), &parts).err();
            prop_assert_eq!(named(error), [(dealer, DealerFault::BadPart)]);
        }
    }

    #[test]
    fn a_dealer_that_changes_any_byte_of_its_commitments_is_found_out(
        dealer: prop::sample::Index, at in 0_usize..1 + 3 * 32, change in 1_u8..=255,
    ) {
        let rotated = three_of_five();
        let dealer = [1, 2, 4][dealer.index(3)];
        let mut dealings = commitments(&rotated.dealt);
        let mut bytes = dealings[&index(dealer)].to_bytes();
        bytes[at] ^= change;
        // What is no commitment any more never gets this far.
        if let Ok(changed) = Commitments::from_bytes(&bytes) {
            dealings.insert(index(dealer), changed);
            match Resharing::new(&rotated.old.commitments, rotated.new, dealings) {
                Err(error) => prop_assert_eq!(named(Some(error))[0].0, dealer),
                // The constant is the share's, so another coefficient differs: every part is wrong.
                Ok(resharing) => {
                    let error = resharing.share(index(3), &rotated.parts(3)).err();
                    prop_assert_eq!(named(error), [(dealer, DealerFault::BadPart)]);
                }
            }
        }
    }
}
