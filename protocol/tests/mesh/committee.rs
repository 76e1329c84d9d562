//! The committee log among whole peers: who keeps it, and what a crash does to it.

use x0_protocol::{Command, Millis, Reply, core::command::CommitteeStatus};

use super::world::World;

fn committee(world: &mut World, at: usize) -> Option<CommitteeStatus> {
    match world.command(at, Command::Status) {
        Ok(Reply::Status(status)) => status.committee,
        other => panic!("no status: {other:?}"),
    }
}

fn height(world: &mut World, at: usize) -> u64 {
    committee(world, at).expect("a seat keeps the log").height
}

fn same_blocks(world: &World, seats: &[usize]) {
    let logs: Vec<_> = seats
        .iter()
        .map(|at| &world.nodes[*at].disk.blocks)
        .collect();
    let common = logs.iter().map(|log| log.len()).min().unwrap();
    assert!(common > 0, "nothing was decided");
    for log in &logs {
        assert!(
            log.len() - common <= 1,
            "a seat is {} behind",
            log.len() - common
        );
        for (one, other) in log.iter().zip(logs[0]) {
            assert_eq!(one.block, other.block);
        }
    }
}

#[test]
fn founders_from_four_on_keep_one_log_and_nobody_else_does() {
    let mut world = World::founded(4);
    let newcomer = world.join(0, 50);
    world.pass(Millis::from_secs(35));

    same_blocks(&world, &[0, 1, 2, 3]);
    let status = committee(&mut world, 0).unwrap();
    // Three heartbeats, and what the keys took: their logs, their naming, a checkpoint.
    assert!((5..=14).contains(&status.height), "{status:?}");
    assert_eq!((status.seats, status.linked), ((4, 3), 4));
    let now = world.now().wall.0;
    assert!(now - status.time.0 <= 11_000, "mesh time is old");
    assert_eq!(committee(&mut world, newcomer), None);

    let mut small = World::founded(3);
    small.pass(Millis::from_secs(35));
    assert_eq!(committee(&mut small, 0), None);
}

#[test]
fn a_seat_that_crashed_goes_on_from_its_disk_and_takes_over_what_it_missed() {
    let mut world = World::founded(4);
    world.pass(Millis::from_secs(15));
    world.crash(2);
    let before = height(&mut world, 0);
    world.pass(Millis::from_secs(60));
    assert!(
        height(&mut world, 0) > before + 2,
        "three of four must go on"
    );

    world.boot(2, false);
    for at in [0, 1, 3] {
        world.link(2, at);
    }
    world.settle();
    world.pass(Millis::from_secs(25));

    same_blocks(&world, &[0, 1, 2, 3]);
}

#[test]
fn without_a_quorum_nothing_is_decided_until_one_is_back() {
    let mut world = World::founded(4);
    world.pass(Millis::from_secs(15));
    let before = height(&mut world, 0);
    world.partition(1);
    world.pass(Millis::from_secs(60));
    assert_eq!(height(&mut world, 0), before);
    assert_eq!(committee(&mut world, 0).unwrap().linked, 1);
    assert!(height(&mut world, 1) > before + 2, "the three others go on");

    world.heal();
    for at in [1, 2, 3] {
        world.link(0, at);
    }
    world.settle();
    world.pass(Millis::from_secs(25));

    same_blocks(&world, &[0, 1, 2, 3]);
}
