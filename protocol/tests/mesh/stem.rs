//! Sensitive records on their stem: who hears them when, and what becomes of them if a relay swallows them.

use x0_crypto::ContentId;
use x0_protocol::{
    Command, Millis,
    charter::Charter,
    core::{
        case::CaseCommand,
        limits::{STEM_WAIT_MAX, STEM_WAIT_MIN},
    },
};

use super::{
    violations::{SCALE, report, sealed_report, submit},
    world::World,
};

/// Eight members, all linked, under a charter; four of them have a seat.
fn founded() -> World {
    let mut world = World::fast_under_seats(Charter::shipped(), 8, 4, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

/// Has a node's user say something under a key of its own.
fn say(world: &mut World, at: usize, seed: u8) -> ContentId {
    let told = report(Some(world.key(0)));
    let (_, record) = sealed_report(world, seed, &told);
    world.stems.clear();
    submit(world, at, &record)
}

/// Finds a node and the first two of whom its user's word passes, and has all others but `honest` swallow what comes along
/// a stem from now on.
fn found_stem(honest: usize) -> (World, Vec<usize>) {
    let mut world = founded();
    let outsiders: Vec<_> = (0..8).filter(|at| !world.seats().contains(at)).collect();
    for (seed, origin) in (50..).zip(outsiders) {
        say(&mut world, origin, seed);
        let way: Vec<_> = world.stems.iter().map(|(_, to, _)| *to).take(2).collect();
        world.pass(STEM_WAIT_MAX);
        if way.len() == 2 && !way.contains(&origin) {
            let honest = [&[origin], &way[..honest]].concat();
            world.swallowing = (0..8).filter(|at| !honest.contains(at)).collect();
            return (world, [vec![origin], way].concat());
        }
    }
    panic!("no stem has two hops");
}

fn knowing(world: &World, id: &ContentId) -> Vec<usize> {
    (0..8)
        .filter(|at| {
            world.nodes[*at]
                .peer
                .as_ref()
                .is_some_and(|peer| peer.knows(id))
        })
        .collect()
}

/// Opens a node's links anew, so that all of the others compare their records with it.
fn relink(world: &mut World, at: usize, but: &[usize]) {
    for other in (0..8).filter(|other| *other != at && !but.contains(other)) {
        world.unlink(at, other);
        world.settle();
        world.link(other, at);
        world.settle();
    }
}

#[test]
fn what_is_said_passes_along_single_links_and_reaches_all() {
    let (mut world, way) = found_stem(2);
    world.swallowing.clear();

    let id = say(&mut world, way[0], 90);

    let (from, to, passed) = world.stems[0];
    assert_eq!(
        (from, to, passed),
        (way[0], way[1], id),
        "the way is that of before"
    );
    world.pass(STEM_WAIT_MAX);
    assert_eq!(knowing(&world, &id).len(), 8);
}

#[test]
fn a_swallowed_record_reaches_all_within_ten_seconds_and_nobody_before_it_is_gossiped() {
    let (mut world, way) = found_stem(0);

    let id = say(&mut world, way[0], 90);

    world.pass(Millis(STEM_WAIT_MIN.0 - 1));
    assert_eq!(knowing(&world, &id), [way[0]]);
    world.pass(STEM_WAIT_MAX);
    assert_eq!(knowing(&world, &id).len(), 8);
}

#[test]
fn nobody_finds_it_by_comparing_records_neither_where_it_began_nor_further_along() {
    let (mut world, way) = found_stem(1);
    let id = say(&mut world, way[0], 90);
    assert!(world.stems.len() >= 2, "it was passed on");

    relink(&mut world, way[0], &way);
    relink(&mut world, way[1], &way);

    assert_eq!(knowing(&world, &id), [way[0]]);
    world.pass(STEM_WAIT_MAX);
    assert_eq!(knowing(&world, &id).len(), 8);
    relink(&mut world, way[0], &[]);
    assert_eq!(knowing(&world, &id).len(), 8);
}

#[test]
fn who_is_further_along_gossips_it_when_its_origin_has_gone() {
    let (mut world, way) = found_stem(1);
    let id = say(&mut world, way[0], 90);
    world.crash(way[0]);

    world.pass(STEM_WAIT_MAX);

    assert_eq!(knowing(&world, &id).len(), 7);
}

#[test]
fn an_origin_that_starts_again_withholds_nothing_that_stands_on_its_disk() {
    let (mut world, way) = found_stem(0);
    let id = say(&mut world, way[0], 90);
    world.crash(way[0]);
    world.settle();
    assert!(knowing(&world, &id).is_empty());

    world.boot_linked(way[0]);
    world.pass(STEM_WAIT_MAX);

    assert_eq!(knowing(&world, &id).len(), 8);
}

#[test]
fn what_a_member_signs_is_gossiped_at_once() {
    let mut world = founded();
    let told = report(Some(world.key(0)));
    let (_, reporter) = world.outsiders();
    world.stems.clear();

    let command = CaseCommand::Report(Box::new(told));
    let id = world.recorded(reporter, Command::Case(command));

    assert_eq!(knowing(&world, &id).len(), 8);
    assert!(world.stems.is_empty());
}
