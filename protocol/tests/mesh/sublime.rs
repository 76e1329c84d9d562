//! Items of Sublime on a committee whose clock runs fast: guarded by consent, opened by a vote and by nothing else.

use x0_crypto::{
    ContentId, Identity, PublicKey, Signature,
    sublime::{AccessStructure, HybridSecret, ItemKeys, ItemParts, ShareIndex, deal},
};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::{
        secret::SecretTask,
        sublime::{
            DealtView, DrawnView, ReleasedView, Standing, SublimeCommand, SublimeRefusal,
            SublimeView,
        },
    },
    spine::audit::What,
    sublime::{
        opening::{self, Asked, NotYet},
        putting::{Prepared, prepare},
        shares::OfferedShare,
    },
    wire::{
        Appointed, Body, CardTerms, Choice, Draft, Forget, GuardAsk, Manifest, Record, Release,
        ReleasedPart, Request, SublimeAsk, SublimeBody, TrusteeTerms, VoteRules, decode_record,
    },
};
use zeroize::Zeroizing;

use super::{
    votes::{SCALE, cast, hand_in, proposed, vote},
    world::World,
};

/// Six founders, four of them with a seat; all but the owner serve as guardians.
pub(crate) fn founded() -> World {
    let mut world = World::fast_with_seats(6, 4, SCALE);
    world.pass(Millis::from_secs(20));
    for at in 1..6 {
        world.recorded(at, Command::Sublime(SublimeCommand::Serve(true)));
    }
    world.settle();
    world
}

pub(crate) const OWNER: usize = 0;
pub(crate) const ASKER: usize = 5;

pub(crate) fn ask(
    world: &mut World,
    at: usize,
    command: SublimeCommand,
) -> Result<Reply, CommandError> {
    world.command(at, Command::Sublime(command))
}

pub(crate) fn shown(world: &mut World, at: usize) -> SublimeView {
    match ask(world, at, SublimeCommand::Show) {
        Ok(Reply::Sublime(view)) => *view,
        other => panic!("nothing shown: {other:?}"),
    }
}

fn drawn(world: &mut World, item: PublicKey) -> DrawnView {
    match ask(world, OWNER, SublimeCommand::Draw(item)) {
        Ok(Reply::Drawn(view)) => *view,
        other => panic!("nobody drawn: {other:?}"),
    }
}

fn dealt(world: &mut World, asks: Vec<(PublicKey, GuardAsk)>) -> DealtView {
    match ask(world, OWNER, SublimeCommand::Deal(asks)) {
        Ok(Reply::Dealt(view)) => *view,
        other => panic!("nothing dealt: {other:?}"),
    }
}

/// An item that is put.
pub(crate) struct Put {
    pub(crate) item: ContentId,
    pub(crate) key: PublicKey,
    pub(crate) about: Vec<u8>,
}

pub(crate) fn parts(seed: u8) -> (ItemParts, Identity) {
    let parts = ItemParts::draw(&[seed; 32], b"test");
    let signer = Identity::from_seed(parts.signing_seed.clone());
    (parts, signer)
}

pub(crate) fn put(world: &mut World, seed: u8) -> Put {
    let (parts, signer) = parts(seed);
    put_parts(world, (parts, signer), (None, None), seed)
}

pub(crate) fn put_parts(
    world: &mut World,
    (parts, signer): (ItemParts, Identity),
    (card, trustees): (Option<Box<CardTerms>>, Option<Box<TrusteeTerms>>),
    seed: u8,
) -> Put {
    let drawn = drawn(world, signer.public());
    let prepared = prepare(&parts, &signer, &drawn, &[seed ^ 0x5a; 32]).unwrap();
    let Prepared {
        sharing,
        second,
        asks,
    } = prepared;
    let count = asks.len();
    let said = dealt(world, asks);
    assert_eq!((said.kept.len(), said.not), (count, Vec::new()));
    let keys = ItemKeys::derive(&parts.secret, &parts.second, signer.public().bytes());
    let about = keys.metadata.seal(b"about", b"Where the well is").unwrap();
    let mut manifest = Manifest {
        content: ContentId::of(b"some content"),
        chunks: 1,
        about: about.clone().into(),
        second,
        sharing,
        card,
        trustees,
        nonce: 0,
    };
    manifest.find_nonce(&drawn.mesh, &signer.public());
    let record = signed(&signer, world, manifest);
    let item = record.id();
    let unverified = decode_record(record.bytes()).unwrap();
    let submitted = ask(world, OWNER, SublimeCommand::Submit(Box::new(unverified)));
    assert!(matches!(submitted, Ok(Reply::Recorded(id)) if id == item));
    world.settle();
    Put {
        item,
        key: signer.public(),
        about,
    }
}

fn signed(signer: &Identity, world: &World, manifest: Manifest) -> Record {
    let mesh = world.genesis.value().id();
    let body = Body::Sublime(SublimeBody::Manifest(Box::new(manifest)));
    let time = world.now().wall;
    let draft = Draft::new(Some(mesh), signer.public(), (0, None), time, [7; 16], body);
    draft.sign(signer).unwrap().value().clone()
}

/// Asks for an item and has the request known everywhere.
pub(crate) fn request(world: &mut World, item: ContentId) -> (ContentId, HybridSecret) {
    let secret = HybridSecret::from_seed(Zeroizing::new([9; 32]));
    let command = asking(item, &secret, false);
    let id = world.recorded(ASKER, Command::Sublime(command));
    world.settle();
    (id, secret)
}

pub(crate) fn asking(item: ContentId, secret: &HybridSecret, by_trustees: bool) -> SublimeCommand {
    SublimeCommand::Request {
        item,
        key: secret.public(),
        why: "the well is dry".parse().unwrap(),
        by_trustees,
    }
}

pub(crate) fn released(world: &mut World, request: ContentId) -> ReleasedView {
    match ask(world, ASKER, SublimeCommand::Released(request)) {
        Ok(Reply::Released(view)) => *view,
        other => panic!("nothing released: {other:?}"),
    }
}

pub(crate) fn standing(world: &mut World, at: usize, request: ContentId) -> Standing {
    let requests = shown(world, at).requests;
    let found = requests.into_iter().find(|known| known.id == request);
    found.expect("the request is known").standing
}

/// Has a vote of the asking member about a request pass or fail, up to the end of its challenge time.
pub(crate) fn decide(world: &mut World, request: ContentId, choice: Choice) {
    let rules = VoteRules::ordinary();
    let proposal = hand_in(world, ASKER, proposed(request, rules));
    world.pass(Millis::from_secs(3));
    for at in 0..6 {
        cast(world, at, proposal, choice);
    }
    world.pass(Millis::from_secs(25));
    assert!(
        vote(world, OWNER, proposal).resolved.is_some(),
        "the vote has not ended"
    );
}

pub(crate) fn manifest(world: &World, item: &ContentId) -> Manifest {
    let record = &world.nodes[ASKER].disk.records[item];
    let Body::Sublime(SublimeBody::Manifest(manifest)) = record.value().body() else {
        panic!("no manifest: {:?}", record.value().body());
    };
    (**manifest).clone()
}

pub(crate) fn opened(
    world: &World,
    view: &ReleasedView,
    put: &Put,
    secret: &HybridSecret,
) -> Result<Vec<u8>, NotYet> {
    let manifest = manifest(world, &put.item);
    let asked = Asked {
        mesh: &view.mesh,
        request: &view.request.id,
        item: &put.key,
        sharing: &view.sharing,
        second: &manifest.second,
        committee: &view.committee,
    };
    let opened = opening::open(asked, secret, &view.parts)?;
    let keys = ItemKeys::derive(&opened.secret, &opened.second, put.key.bytes());
    Ok(keys.metadata.open(b"about", &put.about).unwrap().to_vec())
}

#[test]
fn an_item_opens_for_who_asked_once_a_vote_has_passed() {
    let mut world = founded();
    let put = put(&mut world, 1);
    for at in 0..6 {
        let view = shown(&mut world, at);
        assert_eq!(view.items.len(), 1, "node {at} knows the item");
        assert_eq!(view.shares_kept.len(), usize::from(at != OWNER));
    }
    let (request, secret) = request(&mut world, put.item);
    assert_eq!(standing(&mut world, 2, request), Standing::Undecided);
    let before = released(&mut world, request);
    assert!(
        before.parts.is_empty(),
        "released before the vote: {:?}",
        before.parts
    );
    assert!(opened(&world, &before, &put, &secret).is_err());

    decide(&mut world, request, Choice::Yes);

    assert_eq!(standing(&mut world, 2, request), Standing::Granted);
    let view = released(&mut world, request);
    let shares = view
        .parts
        .iter()
        .filter(|(_, release)| matches!(release.part, ReleasedPart::Share { .. }));
    assert_eq!(shares.count(), 5, "every guardian has released");
    assert_eq!(
        opened(&world, &view, &put, &secret).unwrap(),
        b"Where the well is"
    );
    let thief = HybridSecret::from_seed(Zeroizing::new([8; 32]));
    let stolen = opened(&world, &view, &put, &thief).unwrap_err();
    assert_eq!(
        (stolen.shares, stolen.seats),
        (0, 0),
        "it opens for one key only"
    );
    let told = world.nodes[2].disk.rest.audit.iter();
    let told = told
        .filter(|entry| matches!(entry.what, What::Released { request: of, .. } if of == request));
    assert_eq!(told.count(), 1, "the audit log tells of the release, once");
    assert!(world.heard(ASKER, |event| matches!(event, Event::Released { .. })));
}

#[test]
fn what_a_vote_denies_stays_shut_whatever_is_decided_later() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (request, _) = request(&mut world, put.item);

    decide(&mut world, request, Choice::No);
    assert_eq!(standing(&mut world, 2, request), Standing::Denied);
    decide(&mut world, request, Choice::Yes);

    assert_eq!(standing(&mut world, 2, request), Standing::Denied);
    assert!(released(&mut world, request).parts.is_empty());
}

#[test]
fn a_vote_that_another_proposed_or_that_was_short_opens_nothing() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (request, _) = request(&mut world, put.item);

    let by_another = hand_in(&mut world, 2, proposed(request, VoteRules::ordinary()));
    world.pass(Millis::from_secs(3));
    for at in 0..6 {
        cast(&mut world, at, by_another, Choice::Yes);
    }
    world.pass(Millis::from_secs(25));
    assert!(vote(&mut world, OWNER, by_another).resolved.is_some());

    assert_eq!(standing(&mut world, 2, request), Standing::Undecided);
    assert!(released(&mut world, request).parts.is_empty());
}

#[test]
fn a_guardian_takes_no_share_that_is_not_what_all_were_shown() {
    let mut world = founded();
    let (parts, signer) = parts(3);
    let drawn = drawn(&mut world, signer.public());
    let Prepared { mut asks, .. } = prepare(&parts, &signer, &drawn, &[4; 32]).unwrap();
    // Two guardians are handed each other's sealed share, one a share of another item.
    let first = asks[0].1.sealed.clone();
    asks[0].1.sealed = core::mem::replace(&mut asks[1].1.sealed, first);
    let (other, other_key) = self::parts(5);
    let another = prepare(&other, &other_key, &drawn, &[6; 32]).unwrap();
    asks[2].1.sharing = another.sharing;
    let liars: Vec<_> = asks[..3].iter().map(|(guardian, _)| *guardian).collect();
    let count = asks.len();

    let said = dealt(&mut world, asks);

    assert_eq!(said.kept.len(), count - 3);
    let mut refused: Vec<_> = said.not.iter().map(|(guardian, _)| *guardian).collect();
    refused.sort();
    let mut wanted = liars;
    wanted.sort();
    assert_eq!(refused, wanted);
    assert!(
        said.not
            .iter()
            .all(|(_, why)| why.contains("does not open, or is not the one"))
    );
}

#[test]
fn who_does_not_serve_is_not_drawn_and_keeps_nothing() {
    let mut world = founded();
    let (parts, signer) = parts(3);
    let before = drawn(&mut world, signer.public());
    assert_eq!(before.guardians.len(), 5);
    world.recorded(1, Command::Sublime(SublimeCommand::Serve(false)));
    world.settle();
    let after = drawn(&mut world, signer.public());
    let left = world.key(1);
    assert!(
        after
            .guardians
            .iter()
            .all(|(guardian, _)| *guardian != left)
    );

    let prepared = prepare(&parts, &signer, &before, &[4; 32]).unwrap();
    let said = dealt(&mut world, prepared.asks);
    assert_eq!(said.not.len(), 1);
    assert!(said.not[0].1.contains("does not serve"), "{:?}", said.not);

    for at in 2..4 {
        world.recorded(at, Command::Sublime(SublimeCommand::Serve(false)));
    }
    world.settle();
    let few = ask(&mut world, OWNER, SublimeCommand::Draw(signer.public()));
    assert!(matches!(
        few,
        Err(CommandError::Sublime(SublimeRefusal::TooFewGuardians {
            serving: 2,
            needed: 3
        }))
    ));
}

#[test]
fn guardians_that_were_away_release_when_they_come_back_and_what_came_survives() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (request, secret) = request(&mut world, put.item);
    for at in [3, 4] {
        world.crash(at);
    }
    decide_without(&mut world, request, &[3, 4]);
    let view = released(&mut world, request);
    let from: Vec<_> = view.parts.iter().map(|(from, _)| *from).collect();
    assert!(!from.contains(&world.key(3)) && !from.contains(&world.key(4)));
    let count = view.parts.len();

    world.crash(ASKER);
    for at in [3, 4, ASKER] {
        world.boot_linked(at);
    }
    world.pass(Millis::from_secs(60));

    let view = released(&mut world, request);
    assert!(
        view.parts.len() > count,
        "those who were away have released"
    );
    assert_eq!(
        opened(&world, &view, &put, &secret).unwrap(),
        b"Where the well is"
    );
}

/// Has the vote pass while some nodes are away; of four seats, three go on.
pub(crate) fn decide_without(world: &mut World, request: ContentId, away: &[usize]) {
    let proposal = hand_in(world, ASKER, proposed(request, VoteRules::ordinary()));
    world.pass(Millis::from_secs(3));
    for at in (0..6).filter(|at| !away.contains(at)) {
        cast(world, at, proposal, Choice::Yes);
    }
    world.pass(Millis::from_secs(30));
    assert!(
        vote(world, OWNER, proposal).resolved.is_some(),
        "the vote has not ended"
    );
}

#[test]
fn what_nobody_asked_for_is_not_kept() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (request, secret) = request(&mut world, put.item);
    let forged = |request| {
        let index = ShareIndex::new(1).unwrap();
        let release = Release {
            request,
            part: ReleasedPart::Share { epoch: 0, index },
            sealed: vec![1; 64].into(),
        };
        Request::Sublime(Box::new(SublimeAsk::Release(Box::new(release))))
    };
    world.ask_as(3, ASKER, forged(ContentId::of(b"no request")));
    world.ask_as(3, ASKER, forged(request));
    world.settle();
    // The forged part for the real request is kept, named, and does no harm.
    decide(&mut world, request, Choice::Yes);
    let view = released(&mut world, request);
    let sent_by_3 = view
        .parts
        .iter()
        .filter(|(from, _)| *from == world.key(3))
        .count();
    assert!(sent_by_3 >= 1);
    assert_eq!(
        opened(&world, &view, &put, &secret).unwrap(),
        b"Where the well is"
    );
    let manifest = manifest(&world, &put.item);
    let asked = Asked {
        mesh: &view.mesh,
        request: &request,
        item: &put.key,
        sharing: &view.sharing,
        second: &manifest.second,
        committee: &view.committee,
    };
    let bad = opening::open(asked, &secret, &view.parts).unwrap().bad;
    assert_eq!(bad, [world.key(3)], "who sent it is named");
}

#[test]
fn an_item_is_forgotten_by_the_word_of_its_key_and_by_no_other() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (_, signer) = parts(1);
    let mesh = world.genesis.value().id();
    let forged = Forget {
        item: put.key,
        ..Forget::sign(&parts(2).1, &mesh)
    };
    let refused = ask(&mut world, OWNER, SublimeCommand::Forget(forged));
    assert!(matches!(
        refused,
        Err(CommandError::Sublime(SublimeRefusal::NotItsKey(_)))
    ));
    world.crash(3);
    let forget = Forget::sign(&signer, &mesh);
    let forget = Command::Sublime(SublimeCommand::Forget(forget));
    world.recorded(OWNER, forget);
    world.pass(Millis::from_secs(5));
    let receipts = |world: &mut World| {
        let view = shown(world, OWNER);
        assert!(view.items[0].2.forgotten);
        view.forgotten[0].1.len()
    };
    assert_eq!(receipts(&mut world), 4, "who is up has destroyed its share");

    world.boot_linked(3);
    world.pass(Millis::from_secs(60));

    assert_eq!(receipts(&mut world), 5);
    // Who has said so stands on the disk of the node where the item was put.
    world.crash(OWNER);
    world.boot_linked(OWNER);
    world.pass(Millis::from_secs(5));
    assert_eq!(receipts(&mut world), 5);
    assert_eq!(
        world.nodes[OWNER].disk.rest.sublime.destroyed.len(),
        5,
        "each stands there once"
    );
    for at in 1..6 {
        assert!(world.nodes[at].disk.rest.sublime.shares.is_empty());
    }
    let (asked, secret) = request(&mut world, put.item);
    decide(&mut world, asked, Choice::Yes);
    let view = released(&mut world, asked);
    assert!(
        opened(&world, &view, &put, &secret).is_err(),
        "nobody opens it"
    );
}

#[test]
fn a_node_that_says_again_that_it_destroyed_a_share_is_counted_once_and_of_what_stays_nobody_is() {
    let mut world = founded();
    let (kept, forgotten) = (put(&mut world, 1), put(&mut world, 2));
    let mesh = world.genesis.value().id();
    let forget = Forget::sign(&parts(2).1, &mesh);
    world.recorded(OWNER, Command::Sublime(SublimeCommand::Forget(forget)));
    world.pass(Millis::from_secs(5));

    for (item, number) in [(forgotten.key, 1), (forgotten.key, 2), (kept.key, 1)] {
        let ask = SublimeAsk::Forgot {
            item,
            epoch: u32::from(number),
            index: ShareIndex::new(number).unwrap(),
        };
        world.ask_as(3, OWNER, Request::Sublime(Box::new(ask)));
    }
    world.pass(Millis::from_secs(5));

    let view = shown(&mut world, OWNER);
    let [(item, destroyed)] = view.forgotten.as_slice() else {
        panic!("one item is forgotten: {:?}", view.forgotten);
    };
    assert_eq!((*item, destroyed.len()), (forgotten.key, 5));
    assert_eq!(world.nodes[OWNER].disk.rest.sublime.destroyed.len(), 5);
}

#[test]
fn secrets_that_leave_a_task_are_sealed() {
    // A task tells its name when it is shown, and nothing of what it holds.
    let task = SecretTask::CheckShare {
        mesh: ContentId::of(b"mesh"),
        share: Box::new(OfferedShare {
            item: parts(1).1.public(),
            owner: parts(2).1.public(),
            sharing: ContentId::of(b"sharing"),
            index: ShareIndex::new(1).unwrap(),
            appointed: Appointed::Owner(Signature::from_bytes([0; 64])),
        }),
        sealed: vec![2],
        commitments: Box::new(
            deal(
                &parts(1).0.secret,
                AccessStructure::new(2, 3).unwrap(),
                &[1; 32],
            )
            .commitments,
        ),
    };
    assert_eq!(format!("{task:?}"), "CheckShare");
}
