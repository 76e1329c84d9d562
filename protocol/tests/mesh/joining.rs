//! Coming in, leaving, being removed.

use x0_protocol::{Command, CommandError, Event, Millis, wire::Reason};

use super::world::{World, identity};

#[test]
fn a_newcomer_is_a_member_everywhere_and_knows_everything() {
    let mut world = World::without_committee(4);

    let at = world.join(1, 40);
    world.pass(Millis::from_secs(3));

    for node in 0..5 {
        assert!(
            world.peer(node).directory().is_active(&world.key(at)),
            "node {node}"
        );
        assert_eq!(
            world.peer(node).directory().active_count(),
            5,
            "node {node}"
        );
        assert_eq!(
            world.peer(node).record_count(),
            3,
            "genesis, invite and join at {node}"
        );
    }
}

#[test]
fn an_invite_admits_one_and_every_peer_agrees_on_whom() {
    let mut world = World::founded(3);
    let door = identity(99);
    let life = Millis::from_mins(5);
    let invite = world.recorded(
        0,
        Command::Invite {
            key: door.public(),
            life,
        },
    );
    let (a, b) = (identity(50), identity(51));
    let joins = [
        world.join_record(&a, &door, invite),
        world.join_record(&b, &door, invite),
    ];

    world.gossip(0, 1, &joins[0]);
    world.gossip(0, 1, &joins[1]);
    world.gossip(0, 2, &joins[1]);
    world.gossip(0, 2, &joins[0]);

    let active =
        |at: usize| [&a, &b].map(|one| world.peer(at).directory().is_active(&one.public()));
    assert_eq!(active(1), active(2));
    assert_eq!(active(1).iter().filter(|active| **active).count(), 1);
}

#[test]
fn whoever_knocks_with_a_used_invite_pushes_nobody_out_however_often_it_tries() {
    let mut world = World::founded(2);
    let door = identity(99);
    let life = Millis::from_mins(5);
    let invite = world.recorded(
        0,
        Command::Invite {
            key: door.public(),
            life,
        },
    );
    let first = identity(50);
    let entry = world.join_record(&first, &door, invite);
    world.knock(0, &entry);

    for seed in 51..60 {
        let late = world.join_record(&identity(seed), &door, invite);
        world.knock(0, &late);
    }

    let directory = world.peer(0).directory();
    assert!(directory.is_active(&first.public()));
    assert_eq!(directory.active_count(), 3);
}

#[test]
fn an_expired_invite_admits_nobody() {
    let mut world = World::founded(2);
    let door = identity(99);
    let life = Millis::from_secs(1);
    let invite = world.recorded(
        0,
        Command::Invite {
            key: door.public(),
            life,
        },
    );
    world.pass(Millis::from_secs(2));
    let late = identity(50);

    let join = world.join_record(&late, &door, invite);
    world.gossip(0, 1, &join);

    assert!(!world.peer(1).directory().is_active(&late.public()));
}

#[test]
fn whoever_leaves_is_gone_everywhere_and_may_not_act() {
    let mut world = World::founded(3);

    world.recorded(2, Command::Leave);

    for at in 0..3 {
        assert!(
            !world.peer(at).directory().is_active(&world.key(2)),
            "node {at}"
        );
    }
    let refused = world.command(2, Command::Leave).unwrap_err();
    assert_eq!(refused, CommandError::NotAMember);
}

#[test]
fn a_member_is_removed_when_two_thirds_of_the_seats_say_so() {
    let mut world = World::founded(4);
    let at = world.join(0, 40);
    let member = world.key(at);
    let remove = || Command::Remove {
        member,
        reason: "spam".parse::<Reason>().unwrap(),
    };

    world.recorded(0, remove());
    world.recorded(1, remove());
    assert!(
        world.peer(2).directory().is_active(&member),
        "two of four are not enough"
    );
    world.recorded(2, remove());

    for node in 0..4 {
        assert!(
            !world.peer(node).directory().is_active(&member),
            "node {node}"
        );
    }
    assert!(world.heard(3, |event| matches!(event, Event::Gone { .. })));
}

#[test]
fn only_a_seat_may_state_a_removal() {
    let mut world = World::founded(2);
    let at = world.join(0, 40);
    let member = world.key(0);

    let remove = Command::Remove {
        member,
        reason: "coup".parse::<Reason>().unwrap(),
    };
    let refused = world.command(at, remove).unwrap_err();

    assert!(matches!(refused, CommandError::NotASeat(_)), "{refused}");
}
