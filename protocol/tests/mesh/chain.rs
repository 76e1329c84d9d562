//! One chain per author: forks are found, mended where they may be, and suspend where they may not.

use x0_protocol::{
    Command, Event, Millis,
    wire::{Act, Body, Draft, Reason, Targets},
};

use super::world::{Disk, World, identity, set_links, token};

fn revoke(reason: &str) -> Command {
    let ids = vec![x0_crypto::capability::RevocationId::from_bytes([1; 32])];
    Command::Revoke {
        ids,
        reason: reason.parse::<Reason>().unwrap(),
    }
}

#[test]
fn a_node_restored_from_an_old_copy_extends_the_chain_its_peers_know() {
    let mut world = World::founded(4);
    world.recorded(1, revoke("one"));
    let copy: Disk = world.nodes[1].disk.clone();
    world.recorded(1, revoke("two"));

    world.crash(1);
    world.nodes[1].disk = copy;
    world.boot(1, false);
    assert!(!world.peer(1).is_ready(), "it asks before it writes");
    for at in [0, 2, 3] {
        world.link(1, at);
    }
    world.settle();
    world.recorded(1, revoke("three"));

    for at in 0..4 {
        assert!(
            !world.heard(at, |event| matches!(event, Event::ForkFound { .. })),
            "node {at}"
        );
        assert_eq!(world.peer(at).record_count(), 4, "node {at}");
    }
}

#[test]
fn a_fork_made_in_good_faith_is_mended_by_a_signed_merge() {
    let mut world = World::founded(3);
    let copy: Disk = world.nodes[0].disk.clone();
    world.recorded(0, revoke("one"));

    world.crash(0);
    world.nodes[0].disk = copy;
    world.partition(1);
    world.boot(0, false);
    world.pass(Millis::from_secs(11));
    world.recorded(0, revoke("another"));
    world.heal();
    world.link(0, 1);
    world.settle();
    world.pass(Millis::from_secs(5));

    let merged = |at: usize| {
        let records = world.nodes[at].disk.records.values();
        records
            .filter(|record| matches!(record.value().body(), Body::Merge(_)))
            .count()
    };
    assert_eq!(merged(0), 1, "the author merges its heads");
    assert_eq!(merged(1), 1, "its peers learn of it");
}

#[test]
fn two_acts_at_one_place_suspend_their_author() {
    let mut world = World::founded(8);
    let rogue = identity(3);
    let mesh = Some(world.genesis.value().id());
    let act = |value, target| {
        let body = Body::Act(Act {
            change: set_links(value),
            targets: Targets::Nodes(vec![target]),
            root: identity(1).capability_root().public(),
            token: token(&identity(1), rogue.public(), &[]),
            expires: world.now().wall + Millis::from_mins(5),
            warrants: Vec::new(),
        });
        let wall = world.now().wall;
        Draft::new(
            mesh,
            rogue.public(),
            (0, None),
            wall,
            [value as u8; 16],
            body,
        )
        .sign(&rogue)
        .unwrap()
    };
    let (first, second) = (act(3, world.key(5)), act(4, world.key(6)));

    world.gossip(2, 6, &first);
    world.gossip(2, 6, &second);

    assert!(world.heard(6, |event| matches!(event, Event::ForkFound { .. })));
    assert!(world.heard(6, |event| {
        matches!(event, Event::Refused { why, .. } if why.contains("suspended"))
    }));
}
