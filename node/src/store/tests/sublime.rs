//! Shares kept for others, and what was released for this node.

use x0_crypto::{ContentId, Identity, PublicKey, sublime::ShareIndex};
use x0_protocol::{
    Write,
    sublime::shares::{KeptShare, SublimeWrite},
    wire::{Release, ReleasedPart},
};
use zeroize::Zeroizing;

use super::{Home, Store};

fn key(number: u8) -> PublicKey {
    Identity::from_seed(Zeroizing::new([number; 32])).public()
}

fn share(item: u8, epoch: u32) -> KeptShare {
    KeptShare {
        item: key(item),
        owner: key(9),
        sharing: ContentId::of(&[item]),
        epoch,
        index: ShareIndex::new(3).unwrap(),
        sealed: vec![item; 40].into(),
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
