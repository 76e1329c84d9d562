//! Heads that witnesses have countersigned: every part altered, and two logs shown to one epoch's witnesses.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use x0_crypto::{ContentId, Identity, PublicKey};
use zeroize::Zeroizing;

use super::{
    AuditLog, Seen,
    countersigned::{Countersigning, DrawnWitnesses, NotCountersigned},
    tree::Hash,
};
use crate::{
    core::{
        limits::WITNESSED_MAX,
        time::{Millis, Mono, Wall},
    },
    spine::{
        beacon::{draw_witnesses, witness_places},
        committee::{Roll, roll_of},
        halt::Witnesses,
    },
    wire::{
        Certificate, Checkpoint, Countersign, CountersignedHead, HeldHead, LogHead, PublicHead,
        Statement, no_signature,
    },
};

const HEIGHT: u64 = 12;

fn mesh() -> ContentId {
    ContentId::of(b"mesh")
}

/// The identity of the member of a number in [`roll_of`].
fn member(number: u16) -> Identity {
    let [a, b] = number.to_be_bytes();
    let mut seed = [7; 32];
    (seed[0], seed[1]) = (a, b);
    Identity::from_seed(Zeroizing::new(seed))
}

fn author() -> Identity {
    Identity::from_seed(Zeroizing::new([1; 32]))
}

fn head(size: u64, root: u8) -> LogHead {
    LogHead::sign(&author(), size, Hash([root; 32]), Wall(5))
}

/// Witnesses drawn from so many members; nobody checks the certificate's signature here.
fn drawn(members: u16) -> DrawnWitnesses {
    let roll: Roll = roll_of(members, None);
    let certificate = Certificate {
        epoch: 1,
        statement: Statement::Checkpoint(Checkpoint {
            height: HEIGHT,
            block: ContentId::of(b"block"),
            time: Wall(9),
            round: 0,
            members: members.into(),
            electorate: roll.electorate(),
            state: ContentId::of(b"state"),
            log: PublicHead::default(),
        }),
        signature: no_signature(),
    };
    let drawn = draw_witnesses(&roll, &certificate.seed());
    DrawnWitnesses {
        places: witness_places(&roll, &drawn).unwrap(),
        keys: Witnesses::new(drawn.keys).unwrap(),
        certificate,
    }
}

fn sign(head: &LogHead, by: &Identity) -> Countersign {
    HeldHead::new(mesh(), HEIGHT, head).sign(by)
}

/// The head with the signatures of these witnesses.
fn countersigned(drawn: &DrawnWitnesses, head: LogHead, by: &[PublicKey]) -> CountersignedHead {
    let members = (0..200).map(member);
    let mut signed: Vec<_> = members
        .filter(|identity| by.contains(&identity.public()))
        .map(|identity| sign(&head, &identity))
        .collect();
    signed.sort();
    CountersignedHead {
        head,
        certificate: drawn.certificate,
        places: drawn.places.clone(),
        signed,
    }
}

#[test]
fn a_head_holds_with_the_signatures_of_a_quorum_and_with_no_part_altered() {
    let drawn = drawn(120);
    let keys = drawn.keys.keys();
    assert_eq!((keys.len(), drawn.quorum()), (16, 11));
    let good = countersigned(&drawn, head(8, 3), &keys[..11]);
    let by = good.check(&mesh()).unwrap();
    assert_eq!((by.by, by.of, by.height), (11, 16, HEIGHT));
    assert_eq!(CountersignedHead::decode(&good.encode()), Ok(good.clone()));

    let few = countersigned(&drawn, head(8, 3), &keys[..10]);
    let fault = few.check(&mesh()).unwrap_err();
    assert!(
        matches!(fault, NotCountersigned::NoQuorum { by: 10, .. }),
        "{fault}"
    );

    let outsider = (0..120)
        .map(member)
        .find(|one| !drawn.keys.contains(&one.public()));
    let outsider = outsider.unwrap();
    let mut other = few.clone();
    other.signed.push(sign(&few.head, &outsider));
    other.signed.sort();
    let fault = other.check(&mesh()).unwrap_err();
    assert_eq!(fault, NotCountersigned::NotDrawn(outsider.public()));

    let mut moved = good.clone();
    moved.head = head(8, 4);
    let fault = moved.check(&mesh()).unwrap_err();
    assert!(
        matches!(fault, NotCountersigned::BadSignature(_)),
        "{fault}"
    );
    let fault = good.check(&ContentId::of(b"another mesh")).unwrap_err();
    assert!(
        matches!(fault, NotCountersigned::BadSignature(_)),
        "{fault}"
    );

    let mut fewer = good.clone();
    fewer.places.pop();
    let mut twice = good.clone();
    twice.signed[1] = twice.signed[0];
    assert!(matches!(
        fewer.check(&mesh()),
        Err(NotCountersigned::Draw(_))
    ));
    assert!(CountersignedHead::decode(&twice.encode()).is_err());
    let mut later = good;
    let Statement::Checkpoint(checkpoint) = &mut later.certificate.statement else {
        unreachable!()
    };
    checkpoint.electorate.count -= 1;
    assert!(matches!(
        later.check(&mesh()),
        Err(NotCountersigned::Draw(_))
    ));
}

#[test]
fn the_author_asks_those_who_have_not_signed_until_a_quorum_has() {
    let drawn = drawn(40);
    let (keys, quorum) = (drawn.keys.keys().to_vec(), drawn.quorum());
    let mut own = Countersigning::default();
    let mut now = Mono(1_000);
    own.wish(now, 8, 40, 0);
    assert!(own.take_begin(now) && !own.take_begin(now));
    own.begin(now, head(8, 3), drawn);
    assert_eq!(own.to_ask(now), keys);
    assert!(own.to_ask(now).is_empty(), "not at once again");

    let held = HeldHead::new(mesh(), HEIGHT, &head(8, 3));
    let signer = |key: &PublicKey| {
        (0..40)
            .map(member)
            .find(|one| one.public() == *key)
            .unwrap()
    };
    for key in &keys[1..quorum] {
        assert!(!own.take(&held, sign(&head(8, 3), &signer(key))));
    }
    let other = HeldHead::new(mesh(), HEIGHT + 1, &head(8, 3));
    assert!(
        !own.take(&other, sign(&head(8, 3), &signer(&keys[0]))),
        "for another epoch"
    );
    now = own.due().unwrap();
    let asked = own.to_ask(now);
    assert_eq!(asked.len(), keys.len() - (quorum - 1));
    assert!(asked.contains(&keys[0]) && !asked.contains(&keys[1]));

    assert!(own.take(&held, sign(&head(8, 3), &signer(&keys[0]))));
    let (newest, by) = own.newest().unwrap();
    assert_eq!((newest.check(&mesh()).unwrap(), by.by), (*by, quorum));
    assert_eq!(own.due(), None);
    own.wish(now, 8, 40, 0);
    assert_eq!(own.due(), None, "that head is countersigned");
    own.wish(now, 9, 40, 500_000);
    assert!(own.due().unwrap() >= Mono(1_000) + Millis::from_mins(10));
}

#[test]
fn a_witness_holds_what_it_countersigned_until_the_epoch_is_over() {
    let of = |number: u16, size, root| {
        LogHead::sign(
            &member(number),
            size,
            Hash([root; 32]),
            Wall(u64::from(number)),
        )
    };
    let mut log = AuditLog::default();
    log.enter_epoch(HEIGHT);
    assert!(log.promise(&of(0, 4, 1), HEIGHT) && log.promise(&of(0, 4, 1), HEIGHT));
    assert!(!log.promise(&of(0, 4, 2), HEIGHT) && !log.promise(&of(0, 5, 1), HEIGHT));
    assert!(matches!(log.weigh(&of(0, 4, 2)), Seen::Split(_)));

    let many = u16::try_from(WITNESSED_MAX).unwrap() + 50;
    for number in 1..=many {
        assert!(log.keep(of(number, 1, 1)));
    }
    assert!(
        log.head_of(&member(0).public()).is_some(),
        "the oldest of all, and promised"
    );
    let kept: Vec<_> = log.seen().cloned().collect();
    assert_eq!(kept.len(), WITNESSED_MAX + 1);

    log.enter_epoch(HEIGHT + 1);
    assert!(log.keep(of(many + 1, 1, 1)));
    assert!(
        log.head_of(&member(0).public()).is_none(),
        "it gives way like any other"
    );

    let mut anew = AuditLog::restore([].into_iter(), kept);
    anew.enter_epoch(HEIGHT);
    assert!(anew.keep(of(many + 2, 1, 1)));
    assert!(
        anew.head_of(&member(0).public()).is_some(),
        "a restart forgets no promise"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// An honest witness signs one of two heads that contradict each other, as [`AuditLog::promise`] has it; whom the
    /// author reaches with which first is the author's to choose.
    #[test]
    fn two_logs_are_countersigned_only_if_more_than_a_third_of_the_witnesses_sign_both(
        members in 8_u16..60,
        hostile in 0_usize..16,
        first in prop::collection::vec(any::<bool>(), 16),
    ) {
        let drawn = drawn(members);
        let keys = drawn.keys.keys();
        let (one, other) = (head(8, 3), head(9, 4));
        let mut signed = (Vec::new(), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            let is_hostile = at < hostile;
            let mut log = AuditLog::default();
            log.enter_epoch(HEIGHT);
            let order = if first[at] { [&one, &other] } else { [&other, &one] };
            for shown in order {
                if is_hostile || log.promise(shown, HEIGHT) {
                    match shown == &one {
                        true => signed.0.push(*key),
                        false => signed.1.push(*key),
                    }
                }
            }
        }
        let holds = |head: &LogHead, by: &[PublicKey]| {
            countersigned(&drawn, head.clone(), by).check(&mesh()).is_ok()
        };
        let both = holds(&one, &signed.0) && holds(&other, &signed.1);
        let faulty_max = drawn.keys.faulty_max();
        prop_assert!(!both || hostile > faulty_max, "{hostile} of {}", keys.len());
        if hostile >= keys.len() {
            prop_assert!(both, "witnesses who all sign both show any log");
        }
    }
}
