//! Erasing what records say: at every node, for newcomers too, and by nobody but their author.

use x0_crypto::ContentId;
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::command::{Aim, ErasureRefusal, ErasureView},
    wire::{Body, Draft, Erasure, Kind, Record, Targets, Verified},
};

use super::world::{World, identity, set_links, token};

/// Node 0 makes a token for node 2 known to all.
fn publish(world: &mut World) -> ContentId {
    let by = &identity(1);
    let published = Command::PublishCapability {
        root: by.capability_root().public(),
        token: token(by, world.key(2), &[]),
    };
    let id = world.recorded(0, published);
    world.pass(Millis::from_secs(1));
    id
}

fn held<'a>(world: &'a World, at: usize, id: &ContentId) -> Option<&'a Record> {
    world.nodes[at].disk.records.get(id).map(Verified::value)
}

#[track_caller]
fn is_erased(world: &World, nodes: impl IntoIterator<Item = usize>, id: &ContentId) {
    for at in nodes {
        let record = held(world, at, id).unwrap_or_else(|| panic!("node {at} lacks the record"));
        assert!(record.is_husk(), "node {at} still holds what it said");
        assert_eq!(record.id(), *id);
    }
}

#[track_caller]
fn is_whole(world: &World, nodes: impl IntoIterator<Item = usize>, id: &ContentId) {
    for at in nodes {
        let record = held(world, at, id).unwrap_or_else(|| panic!("node {at} lacks the record"));
        assert!(!record.is_husk(), "node {at} has erased it");
    }
}

fn tokens(world: &mut World, at: usize) -> usize {
    match world.command(at, Command::Capabilities) {
        Ok(Reply::Capabilities(known)) => known.len(),
        other => panic!("no tokens: {other:?}"),
    }
}

fn erasures(world: &mut World, at: usize) -> Vec<ErasureView> {
    match world.command(at, Command::Erasures) {
        Ok(Reply::Erasures(erasures)) => erasures,
        other => panic!("no erasures: {other:?}"),
    }
}

fn refusal(world: &mut World, at: usize, records: Vec<ContentId>) -> ErasureRefusal {
    match world.command(at, Command::Erase(Some(records))) {
        Err(CommandError::Erasure(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_its_author_has_erased_is_gone_everywhere_and_every_link_proves_it() {
    let mut world = World::founded(5);
    let id = publish(&mut world);
    is_whole(&world, 0..5, &id);
    assert_eq!(tokens(&mut world, 3), 1);

    let erasure = world.recorded(0, Command::Erase(None));
    world.pass(Millis::from_secs(10));

    is_erased(&world, 0..5, &id);
    for at in 0..5 {
        assert_eq!(tokens(&mut world, at), 0, "node {at} still shows the token");
    }
    let told = erasures(&mut world, 0);
    let [view] = told.as_slice() else {
        panic!("one erasure: {told:?}");
    };
    assert_eq!((view.id, view.covered, view.all), (erasure, 1, true));
    let shown: Vec<_> = view
        .receipts
        .iter()
        .filter_map(|it| it.complied())
        .collect();
    let mut nodes: Vec<_> = shown.iter().map(|(node, _, _)| *node).collect();
    let mut others: Vec<_> = (1..5).map(|at| world.key(at)).collect();
    nodes.sort_unstable();
    others.sort_unstable();
    assert_eq!(nodes, others);
    assert!(shown.iter().all(|(_, _, records)| *records == 1));
    let is_told =
        |event: &Event| matches!(event, Event::ErasedAt { erasure: of, .. } if *of == erasure);
    assert!(world.heard(0, is_told));
    // Receipts are on disk.
    world.crash(0);
    world.boot(0, false);
    assert_eq!(erasures(&mut world, 0)[0].receipts.len(), 4);
    is_erased(&world, [0], &id);
}

#[test]
fn newcomers_and_who_was_away_are_given_the_husk_and_let_go_of_the_body() {
    let mut world = World::founded(5);
    let id = publish(&mut world);
    world.crash(4);
    world.recorded(0, Command::Erase(Some(vec![id])));
    world.pass(Millis::from_secs(2));
    is_whole(&world, [4], &id);

    let newcomer = world.join(1, 60);
    world.boot_linked(4);
    world.pass(Millis::from_secs(5));

    is_erased(&world, [0, 1, 2, 3, 4, newcomer], &id);
    assert_eq!(tokens(&mut world, 4), 0);
    // A copy that somebody has kept does not bring it back, neither here nor at who never had it.
    let copy = world.nodes[0].disk.records[&id].clone();
    world.gossip(0, newcomer, &copy);
    is_erased(&world, [newcomer], &id);
}

#[test]
fn a_body_that_comes_after_its_erasure_is_not_taken_in() {
    let mut world = World::founded(4);
    world.partition(3);
    let id = publish(&mut world);
    let whole = world.nodes[0].disk.records[&id].clone();
    let erasure = world.recorded(0, Command::Erase(Some(vec![id])));
    let erasure = world.nodes[0].disk.records[&erasure].clone();
    assert!(held(&world, 3, &id).is_none());

    world.gossip(2, 3, &erasure);
    world.gossip(2, 3, &whole);

    is_erased(&world, [3], &id);
    assert_eq!(tokens(&mut world, 3), 0);
}

#[test]
fn a_husk_without_its_erasure_waits_for_it_and_does_not_stand_in_the_way_of_the_record() {
    let mut world = World::founded(4);
    world.partition(3);
    let id = publish(&mut world);
    let whole = world.nodes[0].disk.records[&id].clone();
    let invented = whole.husk(ContentId::of(b"no such record"));

    world.gossip(2, 3, &invented);
    assert!(held(&world, 3, &id).is_none(), "a husk alone is nothing");

    world.gossip(2, 3, &whole);
    is_whole(&world, [3], &id);
    assert_eq!(tokens(&mut world, 3), 1);
}

#[test]
fn nobody_erases_what_others_wrote() {
    let mut world = World::founded(4);
    let id = publish(&mut world);
    let attacker = identity(2);
    let at = world.at(&attacker.public()).unwrap();
    assert_eq!(
        refusal(&mut world, at, vec![id]),
        ErasureRefusal::Others(id)
    );

    let erasure = Draft::new(
        Some(world.genesis.value().id()),
        attacker.public(),
        (900, Some(ContentId::of(b"before"))),
        world.now().wall,
        [7; 16],
        Body::Erasure(Erasure::Records(vec![id])),
    );
    let erasure = erasure.sign(&attacker).unwrap();
    for to in [0, 2, 3] {
        world.gossip(at, to, &erasure);
    }
    world.pass(Millis::from_secs(5));

    is_whole(&world, 0..4, &id);
    assert!(
        held(&world, 3, &erasure.value().id()).is_some(),
        "it is a record like any"
    );
}

#[test]
fn what_the_mesh_follows_from_stays_and_acts_stay_until_nobody_executes_them() {
    let mut world = World::without_committee(4);
    let newcomer = world.join(0, 60);
    let own = |world: &World, at: usize, kind: Kind| {
        let records = world.nodes[at].disk.records.values();
        let mut of_kind = records.filter(|it| it.value().header().kind == kind);
        let author = world.key(at);
        of_kind
            .find(|it| it.value().author() == author)
            .unwrap()
            .value()
            .id()
    };
    let join = own(&world, newcomer, Kind::JOIN);
    assert_eq!(
        refusal(&mut world, newcomer, vec![join]),
        ErasureRefusal::Needed(join)
    );
    let unknown = ContentId::of(b"unknown");
    assert_eq!(
        refusal(&mut world, 0, vec![unknown]),
        ErasureRefusal::Unknown(unknown)
    );
    assert_eq!(refusal(&mut world, 0, Vec::new()), ErasureRefusal::Nothing);

    let by = identity(1);
    let holder = world.key(1);
    let act = Command::Propose {
        change: set_links(3),
        targets: Aim::At(Targets::Nodes(vec![world.key(2)])),
        token: token(&by, holder, &[]),
        root: by.capability_root().public(),
        life: Millis::from_mins(1),
    };
    let act = world.recorded(1, act);
    world.pass(Millis::from_secs(1));
    assert_eq!(
        refusal(&mut world, 1, vec![act]),
        ErasureRefusal::TooYoung(act)
    );
    world.recorded(1, Command::Erase(None));
    world.pass(Millis::from_secs(1));
    is_whole(&world, 0..4, &act);
    assert_eq!(world.links_target(2), 3);

    world.pass(Millis::from_mins(31));
    world.recorded(1, Command::Erase(Some(vec![act])));
    world.pass(Millis::from_secs(5));

    is_erased(&world, 0..5, &act);
    assert_eq!(world.links_target(2), 3, "what was done stays done");
    world.crash(2);
    world.boot(2, false);
    assert_eq!(world.links_target(2), 3);
}
