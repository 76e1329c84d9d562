//! Sharing a secret and putting it together.

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use super::*;

fn dealing(threshold: u8, shares: u8) -> Dealing {
    deal(&secret(1), access(threshold, shares), &SEED)
}

fn bad(error: Option<CombineError>) -> Vec<u8> {
    let bad = error.unwrap().bad;
    bad.into_iter().map(ShareIndex::number).collect()
}

#[test]
fn shares_of_another_dealing_of_the_same_secret_do_not_count() {
    let one = dealing(3, 10);
    let other = deal(&secret(1), access(3, 10), &[8; 32]);
    let mut shares = of(&one, &[1, 2]);
    shares.extend(of(&other, &[3, 4]));
    let error = combine(&one.commitments, &shares).err().unwrap();
    assert_eq!((error.good, error.threshold), (2, 3));
    assert_eq!(error.bad, [index(3), index(4)]);
}

#[test]
fn a_share_is_bad_under_another_index() {
    let dealt = dealing(2, 3);
    let mut share = of(&dealt, &[1]).remove(0);
    share.index = index(2);
    assert_eq!(
        dealt.commitments.verify(&share),
        Err(BadShare { index: index(2) })
    );
    share.index = index(4);
    assert_eq!(
        dealt.commitments.verify(&share),
        Err(BadShare { index: index(4) })
    );
}

#[test]
fn the_empty_share_is_bad() {
    let share = Share {
        index: index(1),
        value: Scalar::ZERO,
        blinding: Scalar::ZERO,
    };
    let verdict = dealing(3, 10).commitments.verify(&share);
    assert_eq!(verdict, Err(BadShare { index: index(1) }));
}

#[test]
fn shares_that_come_again_count_once() {
    let dealt = dealing(3, 10);
    let error = combine(&dealt.commitments, &of(&dealt, &[4, 4, 4, 5])).err();
    assert_eq!(error.as_ref().unwrap().good, 2);
    assert!(bad(error).is_empty());
    assert!(combine(&dealt.commitments, &of(&dealt, &[4, 4, 5, 6, 6])).is_ok());
}

#[test]
fn a_good_share_counts_whatever_else_comes_under_its_index() {
    let dealt = dealing(2, 3);
    let mut shares = of(&dealt, &[1, 1, 2]);
    shares[0].value += Scalar::ONE;
    let combined = combine(&dealt.commitments, &shares).ok().unwrap();
    assert_eq!(combined.secret.0, secret(1).0);
    assert!(combined.bad.is_empty());
}

#[test]
fn no_shares_give_nothing() {
    let error = combine(&dealing(1, 1).commitments, &[]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "0 good shares, and it takes 1; ask more guardians"
    );
}

#[test]
fn an_error_names_the_wrong_ones() {
    let dealt = dealing(3, 10);
    let mut shares = of(&dealt, &[7, 2, 3]);
    shares[0].value += Scalar::ONE;
    shares[1].blinding += Scalar::ONE;
    let error = combine(&dealt.commitments, &shares).err().unwrap();
    assert_eq!(
        error.to_string(),
        "1 good shares, and it takes 3 (wrong: 2, 7); ask more guardians"
    );
}

#[test]
fn the_secret_is_committed_to_with_a_blinding_and_never_bare() {
    let dealt = dealing(3, 10);
    let bare = RISTRETTO_BASEPOINT_POINT * secret(1).0;
    assert!(!dealt.commitments.points().contains(&bare));
    // The same secret from another seed: nothing that is published tells that it is the same.
    let other = deal(&secret(1), access(3, 10), &[8; 32]);
    for point in dealt.commitments.points() {
        assert!(!other.commitments.points().contains(point));
    }
}

#[test]
fn unshareable_numbers_are_refused() {
    for (threshold, shares) in [(0, 0), (0, 1), (2, 1), (1, 33), (33, 33)] {
        assert!(AccessStructure::new(threshold, shares).is_err());
    }
    assert_eq!(
        AccessStructure::new(4, 3).unwrap_err().to_string(),
        "a secret cannot be shared 4-of-3; take 1 ≤ threshold ≤ shares ≤ 32"
    );
    assert!(ShareIndex::new(0).is_err() && ShareIndex::new(33).is_err());
}

#[test]
fn the_same_deals_the_same_and_another_access_structure_something_else() {
    let bytes = |dealt: Dealing| dealt.commitments.to_bytes();
    assert_eq!(bytes(dealing(3, 10)), bytes(dealing(3, 10)));
    assert_ne!(bytes(dealing(3, 10))[1..], bytes(dealing(3, 9))[1..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_t_shares_give_the_secret_and_any_fewer_do_not(
        shares in 1_u8..=SHARES_MAX, threshold in 1_u8..=SHARES_MAX, seed: u64,
    ) {
        let threshold = threshold.min(shares);
        let dealt = dealing(threshold, shares);
        prop_assert_eq!(dealt.shares.len(), usize::from(shares));
        let mut drawn = some_of(shares, threshold, seed);
        let combined = combine(&dealt.commitments, &of(&dealt, &drawn)).ok().unwrap();
        prop_assert_eq!(combined.secret.0, secret(1).0);
        prop_assert!(combined.bad.is_empty());
        drawn.pop();
        let error = combine(&dealt.commitments, &of(&dealt, &drawn)).err().unwrap();
        prop_assert_eq!(error.good, usize::from(threshold) - 1);
    }

    #[test]
    fn whoever_hands_in_a_changed_share_is_named_and_the_others_suffice(
        wrong in 1_u8..=7, seed: u64, byte in 1_usize..SHARE_BYTES, change in 1_u8..=15,
    ) {
        let dealt = dealing(3, 10);
        let wrong = some_of(10, wrong, seed);
        let mut shares = of(&dealt, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        for number in &wrong {
            let share = &mut shares[usize::from(*number) - 1];
            let mut bytes = share.to_bytes();
            // The top 4 bits of a scalar are always zero; the rest may be anything.
            bytes[byte] ^= change;
            if let Ok(changed) = Share::from_bytes(bytes.as_slice()) {
                *share = changed;
            } else {
                share.value += Scalar::ONE;
            }
        }
        let combined = combine(&dealt.commitments, &shares).ok().unwrap();
        prop_assert_eq!(combined.secret.0, secret(1).0);
        let mut named: Vec<u8> = combined.bad.into_iter().map(ShareIndex::number).collect();
        let mut wrong = wrong;
        named.sort_unstable();
        wrong.sort_unstable();
        prop_assert_eq!(named, wrong);
    }

    #[test]
    fn a_changed_byte_of_commitments_makes_every_share_bad(at in 1_usize..1 + 3 * 32, change in 1_u8..=255) {
        let dealt = dealing(3, 10);
        let mut bytes = dealt.commitments.to_bytes();
        bytes[at] ^= change;
        if let Ok(changed) = Commitments::from_bytes(&bytes) {
            for share in &dealt.shares {
                prop_assert!(changed.verify(share).is_err());
            }
        }
    }
}

#[test]
fn the_second_generator_is_what_its_name_gives() {
    let h = *super::super::sharing::H;
    assert_ne!(h, RISTRETTO_BASEPOINT_POINT);
    assert_eq!(
        data_encoding::HEXLOWER.encode(h.compress().as_bytes()),
        "560c822db31323d079aa1dd445d795c283c9b03166d2968acba334515fa39c32"
    );
}
