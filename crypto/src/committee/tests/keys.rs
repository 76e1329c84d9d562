//! What can be done with a key once it is made: sign, hand over, seal.

use super::*;

#[test]
fn seats_of_any_number_make_one_key_and_a_threshold_of_them_signs() {
    for seats in [4, 5, 7, 10, 15] {
        let made = Made::new(Purpose::Certificate, seats);
        let needed = usize::from(threshold(seats));

        assert_eq!(made.group.threshold(), threshold(seats));
        assert_eq!(made.group.seats(), seats);
        assert!(made.shares.values().all(|share| made.group.covers(share)));
        assert_eq!(made.group.revealed().len(), 0);
        let partials = made.partials(b"decided");
        let first = made.group.combine(b"decided", &partials[..needed]).unwrap();
        let last = made
            .group
            .combine(b"decided", &partials[partials.len() - needed..])
            .unwrap();
        assert_eq!(first, last, "any threshold gives the same signature");
        assert_eq!(made.group.verify(b"decided", &first), Ok(()));
        let key = made.group.public();
        assert!(key.verify(Purpose::Certificate, b"decided", &first).is_ok());
        assert!(
            key.verify(Purpose::Certificate, b"undecided", &first)
                .is_err()
        );
        assert!(key.verify(Purpose::Beacon, b"decided", &first).is_err());
    }
}

#[test]
fn the_threshold_is_two_thirds_and_one() {
    for seats in SEATS_MIN..=SEATS_MAX {
        assert_eq!(threshold(seats), 2 * seats / 3 + 1, "{seats}");
    }
}

#[test]
fn a_key_handed_over_by_a_threshold_keeps_its_public_half_and_old_shares_are_worthless() {
    let old = Made::new(Purpose::Certificate, 4);
    let plan = CeremonyPlan {
        players: keys(11..=15),
        previous: Some(old.group.clone()),
        ..plan(Purpose::Certificate, 2, 1..=4)
    };
    let mut held = Held::with(&Ceremony::new(plan).unwrap(), &old.shares, |_, _| true);
    held.deal_all_but(&[3]);
    let new = held.made();

    assert_eq!(new.group.public(), old.group.public());
    assert_eq!(new.group.threshold(), 4);
    let certificate = new
        .group
        .combine(b"decided", &new.partials(b"decided"))
        .unwrap();
    assert_eq!(old.group.verify(b"decided", &certificate), Ok(()));
    // Three old parts and a new one: four seats, and no signature.
    let (old_parts, new_parts) = (old.partials(b"decided"), new.partials(b"decided"));
    let mixed = [&old_parts[..3], &new_parts[3..4]].concat();
    assert_eq!(
        new.group.combine(b"decided", &mixed),
        Err(CombineError::Bad {
            seats: vec![Seat(0), Seat(1), Seat(2)]
        })
    );
    assert!(new.shares.values().all(|share| !old.group.covers(share)));
}

#[test]
fn only_the_right_share_hands_a_key_over() {
    let old = Made::new(Purpose::Certificate, 4);
    let plan = CeremonyPlan {
        previous: Some(old.group.clone()),
        ..plan(Purpose::Certificate, 2, 1..=4)
    };
    let ceremony = Ceremony::new(plan).unwrap();
    let start = |share| Dealer::start(&ceremony, &identity(1), share, &[1; 32]).err();

    assert_eq!(start(None), Some(DealerError::NeedsShare));
    assert_eq!(
        start(Some(&old.shares[&2])),
        Some(DealerError::ShareDoesNotFit { key: key(1) })
    );
    assert_eq!(start(Some(&old.shares[&1])), None);
    let new_key = fresh(Purpose::Certificate, 1..=4);
    assert_eq!(
        Dealer::start(&new_key, &identity(1), Some(&old.shares[&1]), &[1; 32]).err(),
        Some(DealerError::NoShareWanted)
    );
    // What deals a new secret instead of the share is seen by every player.
    let other = Dealer::start(&new_key, &identity(1), None, &[1; 32]).unwrap();
    let mut player = Player::new(&ceremony, &identity(2)).unwrap();
    assert_eq!(
        player
            .take_dealing(&key(1), &other.commitment, &other.dealings[0].1)
            .err(),
        Some(DealingError::NotItsShare { dealer: key(1) })
    );
}

#[test]
fn parts_of_one_epoch_or_purpose_hold_under_no_other() {
    let made = Made::new(Purpose::Certificate, 4);
    let beacon = Made::new(Purpose::Beacon, 4);
    let later = Ceremony::new(plan(Purpose::Certificate, 2, 1..=4)).unwrap();
    let later = Held::honest(&later).made();
    let partials = made.partials(b"message");

    for (seat, partial) in &partials {
        assert!(
            made.group
                .verify_partial(*seat, b"message", partial)
                .is_ok()
        );
        for other in [&beacon.group, &later.group] {
            assert_eq!(
                other.verify_partial(*seat, b"message", partial),
                Err(BadPartialSignature {
                    seat: *seat,
                    purpose: other.purpose()
                })
            );
        }
    }
    // The same secret under another purpose's tag signs something else.
    let mut bytes = made.shares[&1].to_bytes();
    bytes[0] = Purpose::Beacon.number();
    let disguised = KeyShare::from_bytes(bytes.as_slice()).unwrap();
    let seat = disguised.seat();
    assert!(!made.group.covers(&disguised));
    assert!(
        made.group
            .verify_partial(seat, b"message", &disguised.sign(b"message"))
            .is_err()
    );
}

#[test]
fn what_does_not_combine_is_said() {
    let made = Made::new(Purpose::Certificate, 7);
    let good = made.partials(b"message");
    let combine = |partials: &[(Seat, PartialSignature)]| made.group.combine(b"message", partials);
    let mut bad = good.clone();
    bad[1].1 = made.share(1).sign(b"another message");
    bad[3].1 = good[2].1;

    assert_eq!(
        combine(&bad),
        Err(CombineError::Bad {
            seats: vec![Seat(1), Seat(3)]
        })
    );
    bad.retain(|(seat, _)| ![1, 3].contains(&seat.place()));
    assert!(combine(&bad).is_ok(), "five of seven are left");
    assert_eq!(
        combine(&good[..4]),
        Err(CombineError::TooFew {
            found: 4,
            needed: 5
        })
    );
    let twice = [&good[..5], &good[..1]].concat();
    assert_eq!(combine(&twice), Err(CombineError::Twice { seat: Seat(0) }));
    let stranger = [&good[..5], &[(Seat(7), good[0].1)]].concat();
    assert_eq!(
        combine(&stranger),
        Err(CombineError::NoSuchSeat { seat: Seat(7) })
    );
}

#[test]
fn a_beacon_value_is_the_hash_of_a_signature_that_holds() {
    let made = Made::new(Purpose::Beacon, 4);
    let signature = made
        .group
        .combine(b"round 7", &made.partials(b"round 7"))
        .unwrap();
    let key = made.group.public();

    let value = key.beacon_value(b"round 7", &signature).unwrap();

    let hash = Sha256::new_with_prefix(b"x0/committee/beacon-value/1");
    let hash: [u8; 32] = hash.chain_update(signature.to_bytes()).finalize().into();
    assert_eq!(value.bytes(), &hash);
    assert!(key.beacon_value(b"round 8", &signature).is_err());
}

#[test]
fn what_is_sealed_to_a_label_opens_with_its_signature_only() {
    let made = Made::new(Purpose::Decryption, 4);
    let key = made.group.public();
    let sign = |label: &[u8]| made.group.combine(label, &made.partials(label)).unwrap();
    let (signature, other) = (sign(b"ballot 1"), sign(b"ballot 2"));
    for length in [0, 1, 31, 32, 33, 70_000] {
        let plaintext = vec![7; length];
        let sealed = key.seal_to(b"ballot 1", &plaintext, &[3; 32]).unwrap();

        assert_eq!(
            sealed.open_with(b"ballot 1", &signature).as_deref(),
            Ok(&plaintext)
        );
        assert_eq!(sealed.open_with(b"ballot 1", &other), Err(OpenWithError));
        assert_eq!(
            sealed.open_with(b"ballot 2", &signature),
            Err(OpenWithError)
        );
        assert_eq!(sealed.open_with(b"ballot 2", &other), Err(OpenWithError));
    }
    let sealed = |plaintext: &[u8], seed| key.seal_to(b"ballot 1", plaintext, &[seed; 32]).unwrap();
    assert_eq!(sealed(b"yes", 1), sealed(b"yes", 1));
    assert_ne!(sealed(b"yes", 1), sealed(b"yes", 2));
    assert_ne!(
        sealed(b"yes", 1).to_bytes()[..97],
        sealed(b"no!", 1).to_bytes()[..97],
        "a seed used twice does not repeat the key"
    );
    let certificates = Made::new(Purpose::Certificate, 4);
    let partials = certificates.partials(b"ballot 1");
    let foreign = certificates.group.combine(b"ballot 1", &partials).unwrap();
    assert_eq!(
        sealed(b"yes", 1).open_with(b"ballot 1", &foreign),
        Err(OpenWithError)
    );
}

#[test]
fn what_is_too_long_is_not_sealed() {
    let key = Made::new(Purpose::Decryption, 4).group.public();
    let seal = |label, plaintext| {
        key.seal_to(&vec![0; label], &vec![0; plaintext], &[1; 32])
            .err()
    };

    assert_eq!(seal(LABEL_BYTES_MAX, SEALED_PLAINTEXT_BYTES_MAX), None);
    let bytes = SEALED_PLAINTEXT_BYTES_MAX + 1;
    assert_eq!(seal(0, bytes), Some(SealToError::TooLong { bytes }));
    let bytes = LABEL_BYTES_MAX + 1;
    assert_eq!(seal(bytes, 0), Some(SealToError::LabelTooLong { bytes }));
}
