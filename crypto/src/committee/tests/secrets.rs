//! A ceremony held by the functions a seat runs: each step from what was written down, nothing carried over.

use super::*;

fn logs_of(
    ceremony: &Ceremony,
    silent: &[u8],
) -> (Logs, BTreeMap<u8, BTreeMap<PublicKey, SealedDealing>>) {
    let numbers = numbers(ceremony.players());
    let mut kept: BTreeMap<u8, BTreeMap<PublicKey, SealedDealing>> = BTreeMap::new();
    let mut logs = Logs::new(ceremony);
    for &dealer in &numbers {
        let mut acks = BTreeMap::new();
        for (player, sealed) in deal(ceremony, &identity(dealer), None).unwrap() {
            let number = numbers.iter().find(|n| key(**n) == player).unwrap();
            assert!(sealed.is_well_formed());
            if silent.contains(number) {
                continue;
            }
            let ack = acknowledge(ceremony, &identity(*number), &key(dealer), &sealed).unwrap();
            kept.entry(*number).or_default().insert(key(dealer), sealed);
            acks.insert(player, ack);
        }
        if !silent.contains(&dealer) {
            logs.add(&account(ceremony, &identity(dealer), None, &acks).unwrap())
                .unwrap();
        }
    }
    (logs, kept)
}

#[test]
fn a_key_comes_of_sealed_dealings_and_its_shares_sign() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let (logs, kept) = logs_of(&ceremony, &[]);
    let group = logs.observe().unwrap().group;
    let mesh = ceremony.mesh();
    let mut parts = Vec::new();
    for (number, dealings) in &kept {
        let share = own_share(&ceremony, &identity(*number), dealings, &logs).unwrap();
        let mut ring = Keyring::default();
        let sealed = ring.put(&mesh, 1, share, &identity(*number)).unwrap();
        assert_eq!(sealed.len(), SEALED_SHARE_BYTES);
        let mut again = Keyring::default();
        let me = identity(*number);
        again
            .open(&mesh, Purpose::Certificate, 1, &sealed, &me)
            .unwrap();
        let seat = group.seat_of(&key(*number)).unwrap();
        parts.push((
            seat,
            again.sign(Purpose::Certificate, 1, b"so be it").unwrap(),
        ));
        assert!(again.sign(Purpose::Beacon, 1, b"so be it").is_none());
    }
    let signature = group.combine(b"so be it", &parts).unwrap();
    group
        .public()
        .verify(Purpose::Certificate, b"so be it", &signature)
        .unwrap();
}

#[test]
fn a_silent_seat_neither_deals_nor_holds_the_ceremony_up() {
    let ceremony = fresh(Purpose::Beacon, 1..=4);
    let (logs, kept) = logs_of(&ceremony, &[3]);
    assert_eq!(logs.observe().unwrap().group.dealers().len(), 3);
    assert!(!kept.contains_key(&3));
    for (number, dealings) in &kept {
        own_share(&ceremony, &identity(*number), dealings, &logs).unwrap();
    }
    // What it was dealt stands in the logs for all to see, so even it finds its share.
    own_share(&ceremony, &identity(3), &BTreeMap::new(), &logs).unwrap();
}

#[test]
fn dealing_again_gives_the_same_and_another_ceremony_something_else() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let again = deal(&ceremony, &identity(2), None).unwrap();
    assert_eq!(deal(&ceremony, &identity(2), None).unwrap(), again);
    let other = fresh(Purpose::Beacon, 1..=4);
    assert_ne!(deal(&other, &identity(2), None).unwrap(), again);
}

#[test]
fn a_dealing_for_somebody_else_is_not_acknowledged() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let dealings = deal(&ceremony, &identity(2), None).unwrap();
    let (_, for_one) = dealings.iter().find(|(p, _)| *p == key(1)).unwrap();
    let (_, for_four) = dealings.iter().find(|(p, _)| *p == key(4)).unwrap();
    let refused = acknowledge(&ceremony, &identity(4), &key(2), for_one);
    assert!(matches!(refused, Err(AcknowledgeError::Sealed { .. })));
    let refused = acknowledge(&ceremony, &identity(4), &key(3), for_four);
    assert!(matches!(refused, Err(AcknowledgeError::Sealed { .. })));
    acknowledge(&ceremony, &identity(4), &key(2), for_four).unwrap();
}

#[test]
fn a_false_acknowledgement_is_named_and_left_out() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut acks = BTreeMap::new();
    for (player, sealed) in deal(&ceremony, &identity(1), None).unwrap() {
        let number = (1..=4).find(|n| key(*n) == player).unwrap();
        let ack = acknowledge(&ceremony, &identity(number), &key(1), &sealed).unwrap();
        acks.insert(player, ack);
    }
    acks.insert(key(2), Ack::from_bytes(&[9; ACK_BYTES]).unwrap());
    let refused = account(&ceremony, &identity(1), None, &acks).unwrap_err();
    let AccountError::Acks { faults } = refused else {
        panic!("{refused}");
    };
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].0, key(2));
    acks.remove(&key(2));
    account(&ceremony, &identity(1), None, &acks).unwrap();
}

#[test]
fn a_kept_share_opens_only_for_its_seat_purpose_and_epoch() {
    let made = Made::new(Purpose::Certificate, 4);
    let mesh = made.group.mesh();
    let sealed = Keyring::default()
        .put(
            &mesh,
            1,
            made.shares.into_values().next().unwrap(),
            &identity(1),
        )
        .unwrap();
    let mut ring = Keyring::default();
    assert!(
        ring.open(&mesh, Purpose::Certificate, 2, &sealed, &identity(1))
            .is_err()
    );
    assert!(
        ring.open(&mesh, Purpose::Beacon, 1, &sealed, &identity(1))
            .is_err()
    );
    assert!(
        ring.open(&mesh, Purpose::Certificate, 1, &sealed, &identity(2))
            .is_err()
    );
    ring.open(&mesh, Purpose::Certificate, 1, &sealed, &identity(1))
        .unwrap();
    ring.forget_before(Purpose::Certificate, 2);
    assert!(ring.share(Purpose::Certificate, 1).is_none());
}
