//! Whatever was apart comes together: late joiners, healed partitions, any order of arrival.

use proptest::prelude::*;
use x0_crypto::capability::RevocationId;
use x0_protocol::{Command, Event, Millis, core::limits::GREET_PATIENCE};

use super::world::{World, identity};

fn revoke(world: &mut World, at: usize, n: u8) {
    let ids = vec![RevocationId::from_bytes([n; 32])];
    world.recorded(
        at,
        Command::Revoke {
            ids,
            reason: "test".parse().unwrap(),
        },
    );
}

#[test]
fn two_halves_that_were_apart_know_the_same_after_healing() {
    let mut world = World::without_committee(6);
    world.partition(3);
    for n in 0..20 {
        revoke(&mut world, usize::from(n % 6), n);
    }
    assert_eq!(
        world.peer(0).record_count(),
        12,
        "the genesis and 11 of its half"
    );

    world.heal();
    world.link(0, 5);
    world.settle();
    world.pass(Millis::from_secs(30));

    for at in 0..6 {
        assert_eq!(world.peer(at).record_count(), 21, "node {at}");
    }
}

#[test]
fn a_lost_link_is_replaced_by_the_healing_loop_within_two_seconds() {
    let mut world = World::unlinked(6);
    world.link(0, 1);
    world.settle();
    world.pass(Millis::from_secs(3));
    assert_eq!(world.peer(0).directory().active_count(), 6);

    world.crash(1);
    world.settle();
    world.pass(Millis::from_secs(2));

    let linked = (2..6)
        .filter(|at| world.peer(0).is_linked(&world.key(*at)))
        .count();
    assert_eq!(linked, 4, "it links to all who are left");
}

#[test]
fn a_link_whose_greeting_was_lost_at_one_end_is_greeted_again() {
    let mut world = World::founded(2);
    world.pass(Millis::from_secs(3));

    world.replace_connection_at(1, 0);
    assert_eq!(world.links(1), 0, "the new link is not greeted yet");
    world.pass(GREET_PATIENCE);

    assert_eq!((world.links(0), world.links(1)), (1, 1));
}

#[test]
fn the_audit_log_is_witnessed_by_linked_peers() {
    let mut world = World::founded(3);
    revoke(&mut world, 0, 1);
    world.pass(Millis::from_secs(3));
    revoke(&mut world, 0, 2);
    world.pass(Millis::from_secs(3));

    for at in 1..3 {
        let seen = &world.nodes[at].disk.rest.witnessed;
        let size = seen
            .iter()
            .find(|head| head.author == world.key(0))
            .map(|head| head.size);
        assert_eq!(size, Some(world.peer(0).audit_head().0), "node {at}");
        assert!(!world.heard(at, |event| matches!(event, Event::SplitView { .. })));
    }
}

#[test]
fn a_rewritten_audit_log_is_seen_by_whoever_held_its_head() {
    let mut world = World::founded(3);
    revoke(&mut world, 0, 1);
    world.pass(Millis::from_secs(3));

    world.crash(0);
    world.nodes[0].disk.rest.audit.clear();
    world.boot(0, false);
    for at in 1..3 {
        world.link(0, at);
    }
    world.settle();
    for n in 2..9 {
        revoke(&mut world, 0, n);
    }
    world.pass(Millis::from_secs(3));

    let split = |event: &Event| matches!(event, Event::SplitView { .. });
    assert!(world.heard(1, split) && world.heard(2, split));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_directory_is_a_function_of_the_set_of_records(order in Just((0..10usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut world = World::founded(4);
        let member = world.join(0, 40);
        let door = identity(99);
        let life = Millis::from_mins(5);
        let invite = world.recorded(member, Command::Invite { key: door.public(), life });
        let joins = [50, 51].map(|seed| world.join_record(&identity(seed), &door, invite));
        for join in &joins {
            world.gossip(0, 1, join);
        }
        let gone = world.key(member);
        for at in 0..3 {
            let reason = "test".parse().unwrap();
            world.recorded(at, Command::Remove { member: gone, reason });
        }
        world.recorded(3, Command::Leave);
        let mut records: Vec<_> = world.nodes[1].disk.records.values().cloned().collect();
        records.sort_by_key(|record| record.value().id());
        let mut directory = x0_protocol::spine::directory::Directory::new(
            world.genesis.value().id(),
            std::sync::Arc::new(world.genesis_body().clone()),
            world.genesis.value().header().time,
        );
        let mut left: Vec<_> = order.iter().filter_map(|at| records.get(*at)).collect();
        prop_assert!(records.len() <= order.len(), "every record is in the order");
        loop {
            let before = left.len();
            left.retain(|record| directory.apply(record.value()).is_err());
            if left.is_empty() || left.len() == before {
                break;
            }
        }
        let expected: Vec<_> = world.peer(1).directory().members().cloned().collect();
        let found: Vec<_> = directory.members().cloned().collect();
        prop_assert_eq!(expected, found);
    }
}
