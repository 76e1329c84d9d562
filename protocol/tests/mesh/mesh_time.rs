//! Mesh time at nodes that come back.

use x0_crypto::ContentId;
use x0_protocol::{Millis, spine::ballot::OwnStage, wire::VoteRules};

use super::{
    votes::{propose, stage, vote},
    world::World,
};

#[test]
fn who_was_off_for_some_minutes_dates_its_proposal_as_the_seats_do_at_once() {
    let mut world = World::with_seats(7, 5);
    world.pass(Millis::from_secs(20));
    let (seat, without_seat) = (world.seats()[4], world.outsiders().1);
    for at in [seat, without_seat] {
        world.crash(at);
    }
    world.pass(Millis::from_mins(11));
    for at in [seat, without_seat] {
        world.boot_linked(at);
    }

    for at in [seat, without_seat] {
        let subject = ContentId::of(&[u8::try_from(at).unwrap()]);
        let id = propose(&mut world, at, subject, VoteRules::ordinary());
        world.pass(Millis::from_secs(5));
        assert_eq!(stage(&mut world, at, id), OwnStage::Taken, "node {at}");
        assert_eq!(vote(&mut world, 0, id).stage, "open", "proposed by {at}");
    }
}

#[test]
fn who_was_off_for_hours_knows_mesh_time_once_it_has_caught_up() {
    let mut world = World::with_seats(7, 5);
    world.pass(Millis::from_secs(20));
    let away = world.outsiders().1;
    world.crash(away);
    // Longer than anything may be silent; the last of the checkpoints since is a good quarter of an hour old.
    world.pass(Millis::from_mins(140));

    world.boot_linked(away);
    world.pass(Millis::from_secs(5));

    let now = world.now();
    let time = world.peer(away).time(now);
    assert!(
        time.0.abs_diff(now.wall.0) < 5_000,
        "mesh time {time}, clock {}",
        now.wall
    );
}
