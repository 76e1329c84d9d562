//! Ceremonies in which somebody fails, lies, restarts or does not belong.

use commonware_codec::{Copying, DecodeExt as _, Encode as _, FixedSize as _};
use commonware_cryptography::Signer as _;
use commonware_cryptography::transcript::{Summary, Transcript, Version};

use super::*;
use crate::Namespace;

#[test]
fn who_only_watches_finds_the_same_key_as_the_players() {
    let mut held = Held::honest(&fresh(Purpose::Beacon, 1..=5));
    let observed = held.logs.observe().unwrap();

    for number in 1..=5 {
        let (outcome, share) = held.finish(number).unwrap();
        assert_eq!(outcome, observed);
        assert_eq!(Some(share.seat()), outcome.group.seat_of(&key(number)));
    }
}

#[test]
fn a_missing_dealer_is_named_and_does_not_stop_the_others() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut held = Held::with(&ceremony, &BTreeMap::new(), |dealer, _| dealer != 3);
    held.deal_all_but(&[3]);

    let (outcome, share) = held.finish(3).unwrap();

    assert_eq!(outcome.dealers[&key(3)], Standing::Missing);
    assert!(outcome.group.dealers().all(|dealer| dealer != key(3)));
    assert!(outcome.group.covers(&share));
}

#[test]
fn too_few_logs_make_no_key_and_everybody_is_named() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    // Dealer 2 reaches only itself and 1, so it would have to reveal two dealings of four.
    let mut held = Held::with(&ceremony, &BTreeMap::new(), |dealer, player| {
        dealer != 2 || player <= 2
    });
    held.deal_all_but(&[4]);

    let failed = held.logs.observe().unwrap_err();

    assert_eq!((failed.needed, failed.usable), (3, 2));
    assert_eq!(
        failed.dealers[&key(1)],
        Standing::Usable { revealed: vec![] }
    );
    assert_eq!(failed.dealers[&key(2)], Standing::HeldBack);
    assert_eq!(failed.dealers[&key(4)], Standing::Missing);
    assert_eq!(held.finish(1).err(), Some(FinishError::Failed(failed)));
}

#[test]
fn a_bad_dealing_is_refused_and_its_dealer_has_to_reveal_it() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut held = Held::with(&ceremony, &BTreeMap::new(), |dealer, player| {
        (dealer, player) != (1, 4)
    });
    let dealt = &held.dealt[&1];
    let bad = Dealing::from_bytes(&[1; 32]).unwrap();
    let answer = held
        .players
        .get_mut(&4)
        .unwrap()
        .take_dealing(&key(1), &dealt.commitment, &bad);
    assert_eq!(
        answer.err(),
        Some(DealingError::DoesNotFit { dealer: key(1) })
    );
    held.deal_all_but(&[]);

    let (outcome, share) = held.finish(4).unwrap();

    let revealed = vec![key(4)];
    assert_eq!(outcome.dealers[&key(1)], Standing::Usable { revealed });
    assert_eq!(
        outcome.group.revealed().len(),
        0,
        "one dealing is not a share"
    );
    assert!(outcome.group.covers(&share));
}

#[test]
fn a_player_whom_nobody_reaches_has_a_share_that_everybody_knows() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut held = Held::with(&ceremony, &BTreeMap::new(), |_, player| player != 4);
    held.deal_all_but(&[]);

    let (outcome, share) = held.finish(4).unwrap();

    assert_eq!(outcome.group.revealed().collect::<Vec<_>>(), [key(4)]);
    assert!(outcome.group.covers(&share));
}

#[test]
fn a_signed_log_that_lies_is_proof_against_its_dealer() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut held = Held::with(&ceremony, &BTreeMap::new(), |dealer, player| {
        (dealer, player) != (1, 4)
    });
    held.deal_all_but(&[]);
    let honest = held.signed[&1].to_bytes();
    let summary = held.logs.observe().unwrap().group.output().encode()[..32].to_vec();
    let commitment = held.commitments[&1].clone();
    let results = 32 + commitment.len() + 1 + 1 + 4 * 32 + 1;
    let place = |number| ceremony.players().binary_search(&key(number)).unwrap();
    let at = |number: u8| {
        let before = place(number) - usize::from(place(number) > place(4));
        results + before * 65 + if place(number) > place(4) { 33 } else { 0 }
    };
    assert_eq!(
        (honest[at(4)], honest[at(2)]),
        (1, 0),
        "a dealing and an acknowledgement"
    );
    let lie = |at: usize| forged(1, &summary, &honest, at);
    let standing = |log: &SignedLog| Logs::new(&ceremony).add(log).cloned();

    assert_eq!(
        standing(&lie(at(4) + 32)),
        Ok(Standing::Faulty(Fault::WrongDealing))
    );
    assert_eq!(
        standing(&lie(at(2) + 10)),
        Ok(Standing::Faulty(Fault::ForgedAck))
    );
    // Without the liar the others still make a key, and its lie is in the outcome.
    let mut logs = Logs::new(&ceremony);
    logs.add(&lie(at(4) + 32)).unwrap();
    for number in 2..=4 {
        logs.add(&held.signed[&number]).unwrap();
    }
    let outcome = logs.observe().unwrap();
    assert_eq!(
        outcome.dealers[&key(1)],
        Standing::Faulty(Fault::WrongDealing)
    );
    assert!(outcome.group.dealers().all(|dealer| dealer != key(1)));
}

#[test]
fn logs_of_strangers_other_ceremonies_and_other_hands_are_refused() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let held = Held::honest(&ceremony);
    let beacon = Held::honest(&fresh(Purpose::Beacon, 1..=4));
    let strangers = Held::honest(&fresh(Purpose::Certificate, 11..=14));
    let mut logs = Logs::new(&ceremony);

    assert_eq!(
        logs.add(&beacon.signed[&1]).err(),
        Some(LogError::NotSigned { dealer: key(1) })
    );
    assert_eq!(
        logs.add(&strangers.signed[&11]).err(),
        Some(LogError::NotADealer { key: key(11) })
    );
    let mut forged = held.signed[&1].to_bytes();
    *forged.last_mut().unwrap() ^= 1;
    let forged = SignedLog::from_bytes(&forged).unwrap();
    assert_eq!(
        logs.add(&forged).err(),
        Some(LogError::NotSigned { dealer: key(1) })
    );
    let mut stolen = held.signed[&1].to_bytes();
    stolen[..32].copy_from_slice(key(2).bytes());
    let stolen = SignedLog::from_bytes(&stolen).unwrap();
    assert_eq!(
        logs.add(&stolen).err(),
        Some(LogError::NotSigned { dealer: key(2) })
    );
}

#[test]
fn the_first_log_of_a_dealer_counts() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut all = Held::honest(&ceremony);
    let mut fewer = Held::with(&ceremony, &BTreeMap::new(), |_, player| player != 4);
    fewer.deal_all_but(&[]);

    assert!(
        all.logs.add(&all.signed[&1].clone()).is_ok(),
        "the same again"
    );
    assert_eq!(
        all.logs.add(&fewer.signed[&1]).err(),
        Some(LogError::Second { dealer: key(1) })
    );
    assert_eq!(
        all.finish(1).unwrap().0.dealers[&key(1)],
        Standing::Usable { revealed: vec![] }
    );
}

#[test]
fn a_dealer_that_starts_again_from_its_seed_deals_the_same() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let start =
        |ceremony: &Ceremony| Dealer::start(ceremony, &identity(1), None, &[7; 32]).unwrap();
    let (mut first, mut again) = (start(&ceremony), start(&ceremony));
    let other = start(&Ceremony::new(plan(Purpose::Certificate, 2, 1..=4)).unwrap());

    assert_eq!(first.commitment.to_bytes(), again.commitment.to_bytes());
    assert_ne!(first.commitment.to_bytes(), other.commitment.to_bytes());
    for ((key, dealing), (same, dealing_again)) in first.dealings.iter().zip(&again.dealings) {
        assert_eq!(key, same);
        assert_eq!(*dealing.to_bytes(), *dealing_again.to_bytes());
    }
    for number in 1..=4 {
        let mut player = Player::new(&ceremony, &identity(number)).unwrap();
        let dealing = dealing_of(&first, number);
        let ack = player
            .take_dealing(&key(1), &first.commitment, &dealing)
            .unwrap();
        first.dealer.take_ack(&key(number), &ack).unwrap();
        again.dealer.take_ack(&key(number), &ack).unwrap();
    }
    assert!(again.dealer.waiting().is_empty());
    assert_eq!(
        first.dealer.finish().to_bytes(),
        again.dealer.finish().to_bytes()
    );
}

#[test]
fn acknowledgements_of_others_and_for_others_do_not_count() {
    let held = Held::honest(&fresh(Purpose::Certificate, 1..=4));
    let ceremony = fresh(Purpose::Certificate, 1..=4);
    let mut dealt = Dealer::start(&ceremony, &identity(1), None, &[9; 32]).unwrap();
    let ack = &held.acks[&(1, 2)];

    assert_eq!(
        dealt.dealer.take_ack(&key(2), ack),
        Err(AckError::Bad { player: key(2) }),
        "for the dealing of another seed"
    );
    assert_eq!(
        dealt.dealer.take_ack(&key(11), ack),
        Err(AckError::NotAPlayer { key: key(11) })
    );
    assert_eq!(dealt.dealer.waiting().len(), 4);
}

#[test]
fn a_player_that_takes_what_it_kept_goes_on_as_before() {
    let mut held = Held::honest(&fresh(Purpose::Certificate, 1..=4));
    let (outcome, share) = held.finish(2).unwrap();
    let mut again = Player::new(&held.ceremony, &identity(2)).unwrap();
    for dealer in (1..=4).rev() {
        let (commitment, dealing) = held.kept(dealer, 2);
        let ack = again
            .take_dealing(&key(dealer), &commitment, &dealing)
            .unwrap();
        assert_eq!(ack.to_bytes(), held.acks[&(dealer, 2)].to_bytes());
        let same = again
            .take_dealing(&key(dealer), &commitment, &dealing)
            .unwrap();
        assert_eq!(same.to_bytes(), ack.to_bytes(), "a second time");
    }

    let (same_outcome, same_share) = again.finish(&held.logs).unwrap();

    assert_eq!(same_outcome, outcome);
    assert_eq!(*same_share.to_bytes(), *share.to_bytes());
}

#[test]
fn a_player_that_lost_what_it_acknowledged_is_told_whose() {
    let held = Held::honest(&fresh(Purpose::Certificate, 1..=4));
    let used: Vec<PublicKey> = held.logs.observe().unwrap().group.dealers().collect();
    let mut forgetful = Player::new(&held.ceremony, &identity(2)).unwrap();
    for dealer in (1..=4).filter(|dealer| key(*dealer) != used[0]) {
        let (commitment, dealing) = held.kept(dealer, 2);
        forgetful
            .take_dealing(&key(dealer), &commitment, &dealing)
            .unwrap();
    }

    assert_eq!(
        forgetful.finish(&held.logs).err(),
        Some(FinishError::LostDealings {
            dealers: vec![used[0]]
        })
    );
    let other = Held::honest(&fresh(Purpose::Beacon, 1..=4));
    let player = Player::new(&held.ceremony, &identity(2)).unwrap();
    assert_eq!(
        player.finish(&other.logs).err(),
        Some(FinishError::OtherCeremony)
    );
}

#[test]
fn a_dealer_that_deals_differently_is_held_to_its_first_dealing() {
    let held = Held::honest(&fresh(Purpose::Certificate, 1..=4));
    let mut player = Player::new(&held.ceremony, &identity(2)).unwrap();
    let (commitment, dealing) = held.kept(1, 2);
    player.take_dealing(&key(1), &commitment, &dealing).unwrap();
    let other = Dealer::start(&held.ceremony, &identity(1), None, &[9; 32]).unwrap();

    assert_eq!(
        player
            .take_dealing(&key(1), &other.commitment, &dealing_of(&other, 2))
            .err(),
        Some(DealingError::Another { dealer: key(1) })
    );
    assert_eq!(
        player.take_dealing(&key(11), &commitment, &dealing).err(),
        Some(DealingError::NotADealer { key: key(11) })
    );
    let larger = fresh(Purpose::Certificate, 1..=7);
    let larger = Dealer::start(&larger, &identity(3), None, &[9; 32]).unwrap();
    assert_eq!(
        player
            .take_dealing(&key(3), &larger.commitment, &dealing_of(&larger, 2))
            .err(),
        Some(DealingError::WrongDegree {
            dealer: key(3),
            found: 4,
            needed: 2
        })
    );
}

#[test]
fn plans_that_cannot_be_held_are_refused_with_the_mend() {
    let old = Made::new(Purpose::Certificate, 4).group;
    let hand_over = || CeremonyPlan {
        previous: Some(old.clone()),
        ..plan(Purpose::Certificate, 2, 1..=4)
    };
    let refused = |plan| Ceremony::new(plan).unwrap_err();

    for (numbers, found) in [(1..=3, 3), (1..=32, 32)] {
        assert_eq!(
            refused(plan(Purpose::Certificate, 1, numbers)),
            CeremonyError::SeatCount {
                role: Role::Dealer,
                found
            }
        );
    }
    let mut twice = plan(Purpose::Certificate, 1, 1..=4);
    twice.players.push(key(2));
    assert_eq!(
        refused(twice).to_string(),
        format!("{} is named twice as a player; name each once", key(2))
    );
    assert_eq!(
        refused(CeremonyPlan {
            mesh: ContentId::of(b"another"),
            ..hand_over()
        }),
        CeremonyError::OtherMesh {
            planned: ContentId::of(b"another"),
            found: mesh()
        }
    );
    assert_eq!(
        refused(CeremonyPlan {
            purpose: Purpose::Beacon,
            ..hand_over()
        }),
        CeremonyError::OtherPurpose {
            planned: Purpose::Beacon,
            found: Purpose::Certificate
        }
    );
    assert_eq!(
        refused(CeremonyPlan {
            epoch: 1,
            ..hand_over()
        }),
        CeremonyError::EpochNotAfter {
            planned: 1,
            previous: 1
        }
    );
    assert_eq!(
        refused(CeremonyPlan {
            dealers: keys(2..=5),
            ..hand_over()
        }),
        CeremonyError::HoldsNoShare { key: key(5) }
    );
    let large = Made::new(Purpose::Certificate, 7).group;
    assert_eq!(
        refused(CeremonyPlan {
            previous: Some(large),
            ..hand_over()
        }),
        CeremonyError::TooFewToHandOver {
            found: 4,
            needed: 5
        }
    );
}

#[test]
fn the_order_in_a_plan_means_nothing() {
    let mut turned = plan(Purpose::Certificate, 1, 1..=5);
    turned.dealers.reverse();
    turned.players.rotate_left(2);

    let turned = Ceremony::new(turned).unwrap();

    assert_eq!(turned.digest(), fresh(Purpose::Certificate, 1..=5).digest());
    assert!(turned.players().is_sorted());
}

#[test]
fn strangers_neither_deal_nor_play() {
    let ceremony = fresh(Purpose::Certificate, 1..=4);

    assert_eq!(
        Dealer::start(&ceremony, &identity(11), None, &[1; 32]).err(),
        Some(DealerError::NotADealer { key: key(11) })
    );
    assert_eq!(
        Player::new(&ceremony, &identity(11)).err(),
        Some(PlayerError::NotAPlayer { key: key(11) })
    );
}

/// What a seat signs in a ceremony is one of the node's namespaced signatures, and the library's namespace is part
/// of the message.
#[test]
fn a_seat_signs_in_the_namespace_of_key_ceremonies() {
    let signature = SeatSigner::new(&identity(1)).sign(b"ns", b"message");
    let bytes: [u8; 64] = signature.encode().as_ref().try_into().unwrap();
    let signature = crate::Signature::from_bytes(bytes);

    let bound = b"\0\0\0\0\0\0\0\x02nsmessage";
    assert!(crate::verify(&key(1), Namespace::KeyCeremony, bound, &signature).is_ok());
}

/// Signs the log of a dealer anew after changing one byte of it, as only the dealer itself could.
fn forged(dealer: u8, summary: &[u8], honest: &[u8], at: usize) -> SignedLog {
    let mut bytes = honest.to_vec();
    bytes[at] ^= 1;
    let end = bytes.len() - 64;
    let summary = Summary::decode(Copying(&summary[..Summary::SIZE])).unwrap();
    let mut transcript = Transcript::resume(summary, Version::V0).fork(b"log");
    transcript.commit(&bytes[32..end]);
    let signature = transcript.sign(&SeatSigner::new(&identity(dealer)));
    bytes[end..].copy_from_slice(&signature);
    SignedLog::from_bytes(&bytes).unwrap()
}
