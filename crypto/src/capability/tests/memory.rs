//! What a verifier remembers, and what it looks at each time all the same.

use std::cell::Cell;
use std::sync::Arc;

use super::*;
use crate::capability::{CapabilityError, Refusal, Verifier};

#[test]
fn a_token_seen_before_is_not_verified_again() {
    let (mut verifier, root, token) = (Verifier::default(), root().public(), token(&[]));

    let first = verifier.check(&token, &root, &|_| false, &act()).unwrap();
    let second = verifier.check(&token, &root, &|_| false, &act()).unwrap();

    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(verifier.len(), 1);
}

#[test]
fn a_token_seen_before_is_refused_once_revoked_or_expired() {
    let (mut verifier, root) = (Verifier::default(), root().public());
    let token = token(&["valid_until=2026-12-31T00:00:00Z"]);
    let is_revoked = Cell::new(false);
    let revoked = |_: &_| is_revoked.get();
    assert!(verifier.check(&token, &root, &revoked, &act()).is_ok());

    let late = Use {
        time: 1_798_675_201,
        ..act()
    };
    assert!(matches!(
        verifier.check(&token, &root, &revoked, &late),
        Err(Refusal::Caveats { .. })
    ));
    is_revoked.set(true);
    assert!(matches!(
        verifier.check(&token, &root, &revoked, &act()),
        Err(Refusal::Revoked { block: 0, .. })
    ));
}

#[test]
fn a_token_remembered_under_one_root_is_no_good_under_another() {
    let (mut verifier, token) = (Verifier::default(), token(&[]));
    verifier.verify(&token, &root().public()).unwrap();

    let other = identity(9).capability_root().public();

    assert_eq!(
        verifier.verify(&token, &other).unwrap_err(),
        CapabilityError::NotFromRoot { root: other }
    );
}

#[test]
fn the_token_unused_for_longest_is_dropped_first() {
    let mut verifier = Verifier::new(2);
    let root_key = root().public();
    let tokens =
        [1u8, 2, 3].map(|seed| Token::grant_seeded(&root(), &grant(&[]), &[seed; 32]).unwrap());
    let [a, b, c] = &tokens;
    let mut verify = |token| verifier.verify(token, &root_key).unwrap();

    let (first_a, first_b) = (verify(a), verify(b));
    verify(a);
    verify(c);

    assert!(Arc::ptr_eq(&first_a, &verify(a)), "used a moment ago");
    assert!(
        !Arc::ptr_eq(&first_b, &verify(b)),
        "dropped and verified again"
    );
    assert_eq!(verifier.len(), 2);
}

#[test]
fn refused_tokens_and_a_verifier_without_memory_take_no_room() {
    let mut verifier = Verifier::default();
    assert!(verifier.is_empty());
    assert!(
        verifier
            .verify(&token(&[]), &identity(9).capability_root().public())
            .is_err()
    );
    assert!(verifier.is_empty());

    let mut forgetful = Verifier::new(0);
    assert!(
        forgetful
            .check(&token(&[]), &root().public(), &|_| false, &act())
            .is_ok()
    );
    assert!(forgetful.is_empty());
}
