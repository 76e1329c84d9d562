//! Shares kept for others, and what was released for this node.

use x0_crypto::{
    ContentId, Identity, PublicKey, Signature,
    sublime::{AccessStructure, ItemParts, ShareIndex, deal},
};
use x0_protocol::{
    Wall, Write,
    sublime::{
        invitations::Invitation,
        shares::{ForgetReceipt, KeptPart, KeptParts, KeptShare, KnownGuards, SublimeWrite},
    },
    wire::{Appointed, PartAck, Release, ReleasedPart, RotationDealing, RotationPlan, Sharing},
};
use zeroize::Zeroizing;

use super::{Home, Store};

fn key(number: u8) -> PublicKey {
    Identity::from_seed(Zeroizing::new([number; 32])).public()
}

pub(super) fn share(item: u8, epoch: u32) -> KeptShare {
    KeptShare {
        item: key(item),
        owner: Some(key(9)),
        sharing: ContentId::of(&[item]),
        epoch,
        index: ShareIndex::new(3).unwrap(),
        appointed: Appointed::Owner(Signature::from_bytes([7; 64])),
        sealed: vec![item; 40].into(),
    }
}

fn parts(item: u8, dealers: u8) -> KeptParts {
    let access = AccessStructure::new(2, 3).unwrap();
    let secret = ItemParts::draw(&[item; 32], b"").secret;
    let commitments = deal(&secret, access, &[1; 32]).commitments;
    let plan = RotationPlan {
        item: key(item),
        epoch: 1,
        from: Sharing {
            epoch: 0,
            commitments: commitments.clone(),
        },
        access,
        guardians: (1..4).map(key).collect(),
        height: 7,
        time: Wall(8),
    };
    let name = plan.id(&ContentId::of(b"mesh"));
    let index = ShareIndex::new(1).unwrap();
    let part = |dealer: u8| {
        let dealer = ShareIndex::new(dealer).unwrap();
        let signer = Identity::from_seed(Zeroizing::new([5; 32]));
        let dealing = RotationDealing::sign(&signer, name, dealer, commitments.clone());
        KeptPart {
            ack: PartAck::sign(&signer, &dealing, index),
            dealing,
            sealed: vec![item; 40].into(),
        }
    };
    KeptParts {
        plan,
        name,
        index,
        parts: (1..=dealers).map(part).collect(),
    }
}

pub(super) fn destroyed(item: u8, by: u8, epoch: u32) -> ForgetReceipt {
    ForgetReceipt {
        item: key(item),
        by: key(by),
        epoch,
        index: ShareIndex::new(by).unwrap(),
    }
}

fn release(from: u8) -> (PublicKey, Release) {
    let release = Release {
        request: ContentId::of(b"request"),
        part: ReleasedPart::Seat { epoch: 2 },
        sealed: vec![from; 40].into(),
    };
    (key(from), release)
}

#[test]
fn shares_and_what_was_released_come_back_and_a_later_share_takes_the_place_of_the_earlier() {
    let home = Home::new();
    let store = home.create();
    let keep = |share| Write::Sublime(SublimeWrite::Share(Box::new(share)));
    let released = |from| Write::Sublime(SublimeWrite::Released(Box::new(release(from))));
    let writes = vec![
        keep(share(1, 0)),
        keep(share(2, 0)),
        released(5),
        released(6),
    ];
    store.submit(writes).wait().unwrap();
    store
        .submit(vec![keep(share(1, 1)), released(5)])
        .wait()
        .unwrap();
    drop(store);

    let stored = home.open().unwrap().load().unwrap().sublime;

    let mut shares = stored.shares;
    shares.sort_by_key(|share| share.sealed.clone());
    assert_eq!(shares, [share(1, 1), share(2, 0)]);
    let mut parts = stored.released;
    parts.sort_by_key(|(_, release)| release.sealed.clone());
    assert_eq!(parts, [release(5), release(6)]);
}

#[test]
fn parts_are_kept_until_the_rotation_is_over_and_a_share_until_it_is_dealt_on() {
    let home = Home::new();
    let store = home.create();
    let keep = |write| Write::Sublime(write);
    let writes = vec![
        keep(SublimeWrite::Share(Box::new(share(1, 0)))),
        keep(SublimeWrite::Share(Box::new(share(2, 0)))),
        keep(SublimeWrite::Parts(Box::new(parts(1, 1)))),
        keep(SublimeWrite::Parts(Box::new(parts(2, 3)))),
    ];
    store.submit(writes).wait().unwrap();
    let writes = vec![
        keep(SublimeWrite::Parts(Box::new(parts(1, 2)))),
        keep(SublimeWrite::NoParts(key(2))),
        keep(SublimeWrite::NoShare(key(2))),
    ];
    store.submit(writes).wait().unwrap();
    drop(store);

    let stored = home.open().unwrap().load().unwrap().sublime;

    assert_eq!(stored.shares, [share(1, 0)]);
    assert_eq!(stored.parts, [parts(1, 2)]);
}

#[test]
fn who_has_destroyed_its_share_of_an_own_item_comes_back_and_stands_once() {
    let home = Home::new();
    let store = home.create();
    let write = |receipt| Write::Sublime(SublimeWrite::Destroyed(receipt));
    let (one, other, of_other) = (destroyed(1, 5, 0), destroyed(1, 6, 0), destroyed(2, 5, 3));
    store
        .submit(vec![
            write(one),
            write(of_other),
            Write::Sublime(SublimeWrite::Share(Box::new(share(1, 0)))),
        ])
        .wait()
        .unwrap();
    store.submit(vec![write(other), write(one)]).wait().unwrap();
    drop(store);

    let stored = home.open().unwrap().load().unwrap().sublime;

    let place = |receipt: &ForgetReceipt| (receipt.item, receipt.by);
    let mut expected = [one, other, of_other];
    expected.sort_by_key(place);
    // In order of their keys on the disk, which are those.
    assert_eq!(stored.destroyed, expected);
    assert_eq!(stored.shares, [share(1, 0)]);
}

#[test]
fn invitations_come_back_as_they_stood_those_made_and_those_that_came_apart() {
    let home = Home::new();
    let store = home.create();
    let invitation = |with, is_own, serves| Invitation {
        with: key(with),
        is_own,
        why: "it takes three".parse().unwrap(),
        since: Wall(7),
        serves,
        is_told: false,
    };
    let keep = |one| Write::Sublime(SublimeWrite::Invitation(Box::new(one)));
    let writes = vec![
        keep(invitation(1, true, None)),
        keep(invitation(1, false, None)),
        keep(invitation(2, false, None)),
    ];
    store.submit(writes).wait().unwrap();
    let gone = SublimeWrite::NoInvitation {
        with: key(2),
        is_own: false,
    };
    let writes = vec![
        keep(invitation(1, false, Some(false))),
        Write::Sublime(gone),
    ];
    store.submit(writes).wait().unwrap();
    drop(store);

    let mut stored = home.open().unwrap().load().unwrap().sublime.invitations;

    stored.sort_by_key(|invitation| invitation.is_own);
    assert_eq!(
        stored,
        [invitation(1, false, Some(false)), invitation(1, true, None)]
    );
}

fn guards(item: u8, guardians: u8) -> KnownGuards {
    KnownGuards {
        item: key(item),
        sharing: ContentId::of(&[item]),
        epoch: 2,
        guardians: (10..10 + guardians).map(key).collect(),
    }
}

#[test]
fn who_guards_what_comes_back_as_it_was_known_last_until_it_is_of_no_matter() {
    let home = Home::new();
    let store = home.create();
    let keep = |guards| Write::Sublime(SublimeWrite::Guards(Box::new(guards)));
    let writes = vec![keep(guards(1, 1)), keep(guards(2, 3))];
    store.submit(writes).wait().unwrap();
    let writes = vec![
        keep(guards(1, 3)),
        Write::Sublime(SublimeWrite::NoGuards(key(2))),
    ];
    store.submit(writes).wait().unwrap();
    drop(store);

    let stored = home.open().unwrap().load().unwrap().sublime;

    assert_eq!(stored.guards, [guards(1, 3)]);
    assert!(stored.shares.is_empty() && stored.parts.is_empty());
}
