//! The committee passes to other seats: keys in force everywhere, deaths at any moment, forgeries, and a seat far behind.

use x0_crypto::{ContentId, PublicKey, committee::Purpose};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::command::{Aim, CommitteeView, Status},
    spine::committee::{SeatNews, State},
    wire::{Body, Draft, HandedOver, Kind, Targets},
};

use super::world::{World, identity, set_links, token};

fn status(world: &mut World, at: usize) -> Status {
    match world.command(at, Command::Status) {
        Ok(Reply::Status(status)) => *status,
        other => panic!("no status: {other:?}"),
    }
}

fn view(world: &mut World, at: usize) -> CommitteeView {
    match world.command(at, Command::Committee) {
        Ok(Reply::Committee(view)) => *view,
        other => panic!("no committee: {other:?}"),
    }
}

/// Founds four seats with keys and two members without a seat, all linked.
fn four_and_two() -> World {
    let mut world = World::founded(4);
    for seed in [50, 51] {
        let newcomer = world.join(0, seed);
        for other in 0..newcomer {
            world.link(newcomer, other);
        }
        world.settle();
    }
    world.pass(Millis::from_secs(20));
    for at in 0..6 {
        assert_eq!(status(&mut world, at).trust.epoch, Some(1), "node {at}");
    }
    world
}

fn propose(world: &mut World, by: usize, add: &[usize], remove: &[usize]) -> ContentId {
    let keys = |all: &[usize]| all.iter().map(|at| world.key(*at)).collect();
    let command = Command::ProposeSeats {
        add: keys(add),
        remove: keys(remove),
    };
    match world.command(by, command) {
        Ok(Reply::Plan(plan)) => plan,
        other => panic!("not proposed: {other:?}"),
    }
}

/// Has seat 3 replaced by node 4, by the word of seats 0 to 2.
fn replace(world: &mut World) {
    let plan = propose(world, 0, &[4], &[3]);
    world.pass(Millis::from_secs(1));
    for seat in [1, 2] {
        world.command(seat, Command::ApproveSeats(plan)).unwrap();
    }
}

fn records(world: &World, at: usize) -> Vec<HandedOver> {
    let records = world.nodes[at].disk.records.values();
    let handed = records.filter_map(|record| record.value().body().handed_over().cloned());
    handed.collect()
}

fn sorted(mut keys: Vec<PublicKey>) -> Vec<PublicKey> {
    keys.sort_unstable();
    keys
}

/// Asserts that the second committee decides, that everybody knows it, and that an act passes by its ticket.
fn in_force(world: &mut World, nodes: &[usize], what: &str) {
    let seats = sorted([0, 1, 2, 4].map(|at| world.key(at)).to_vec());
    for at in nodes {
        let view = view(world, *at);
        assert_eq!(view.seats, seats, "node {at}: {what}");
        assert!(view.epoch > Some(1), "node {at}: {what}");
    }
    let target = world.key(5);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::At(Targets::Nodes(vec![target])),
        token: token(&identity(1), world.key(2), &[]),
        root: identity(1).capability_root().public(),
        life: Millis::from_mins(10),
    };
    world.command(2, command).unwrap();
    world.pass(Millis::from_secs(15));
    assert_eq!(world.links_target(5), 5, "{what}");
}

#[test]
fn a_seat_is_replaced_and_the_new_keys_are_in_force_everywhere() {
    let mut world = four_and_two();
    let refused = Command::ProposeSeats {
        add: vec![world.key(4), world.key(5)],
        remove: vec![world.key(2), world.key(3)],
    };
    let refused = world.command(0, refused).unwrap_err();
    assert!(matches!(&refused, CommandError::OutOfRange(why) if why.contains("2 seats leave")));

    replace(&mut world);
    world.pass(Millis::from_secs(20));

    in_force(&mut world, &[0, 1, 2, 3, 4, 5], "a quiet hand-over");
    let handed = records(&world, 5).pop().unwrap();
    let first = world.first_keys(5);
    let next = handed.next.keys;
    assert_ne!(
        next.certificate, first.certificate,
        "the certificate key is fresh"
    );
    for kept in [Purpose::Beacon, Purpose::Decryption] {
        assert_eq!(next.key(kept), first.key(kept), "the {kept} key stays");
    }
    for seat in [0, 1, 2, 4] {
        let committee = status(&mut world, seat).committee.expect("it has a seat");
        assert_eq!(committee.shares, Some(3), "seat {seat}");
    }
    assert_eq!(status(&mut world, 3).committee, None, "it has left");
    only_shares_in_force_are_kept(&world, "a quiet hand-over");
    let (height, _) = status(&mut world, 5).trust.checkpoint.unwrap();
    assert!(
        height > handed.stated().unwrap().height,
        "the new keys certify the log"
    );
}

/// Asserts that nothing is left of the old keys' shares on any disk, those of who has left included.
fn only_shares_in_force_are_kept(world: &World, what: &str) {
    let handed = records(world, 5).pop().unwrap();
    let epoch = handed.next.keys.epoch;
    for at in 0..world.nodes.len() {
        let disk = &world.nodes[at].disk;
        let kept: Vec<_> = disk.epochs_of_shares().into_iter().collect();
        let has_seat = [0, 1, 2, 4].contains(&at);
        let expected: &[u64] = if has_seat { &[epoch] } else { &[] };
        assert_eq!(kept, expected, "node {at}: {what}");
        let dealt = disk.rest.work.dealings.len();
        // Four dealers at most, in each of three ceremonies.
        assert!(
            dealt <= if has_seat { 12 } else { 0 },
            "node {at} keeps {dealt} dealings: {what}"
        );
    }
}

#[test]
fn too_few_approvals_change_nothing() {
    let mut world = four_and_two();
    let plan = propose(&mut world, 0, &[4], &[3]);
    world.pass(Millis::from_secs(2));
    world.command(1, Command::ApproveSeats(plan)).unwrap();
    world.command(1, Command::ApproveSeats(plan)).unwrap();
    world.pass(Millis::from_secs(30));

    let open = view(&mut world, 2).plans;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].1.by.len(), 2);
    assert_eq!(status(&mut world, 5).trust.epoch, Some(1));
    let stranger = world.command(5, Command::ApproveSeats(plan)).unwrap_err();
    assert!(matches!(stranger, CommandError::NoSeat(_)), "{stranger:?}");
}

#[test]
fn whoever_dies_at_any_moment_of_a_hand_over_does_not_stop_it() {
    // One that stays, one that leaves and the one that comes.
    for victim in [1, 3, 4] {
        for after in [0, 200, 500, 900, 1_400, 2_000, 3_000, 5_000] {
            let what = format!("node {victim} died after {after} ms");
            let mut world = four_and_two();
            replace(&mut world);
            world.pass(Millis(after));
            world.crash(victim);
            world.pass(Millis::from_secs(60));
            let others: Vec<_> = (0..6).filter(|at| *at != victim).collect();
            let seats = view(&mut world, 5).seats;
            let is_seated = seats.contains(&world.key(4));
            assert!(is_seated, "{what}: {:?}", world.nodes[0].events);

            world.boot_linked(victim);
            world.pass(Millis::from_secs(40));
            in_force(&mut world, &others, &what);
            in_force(&mut world, &[victim], &what);
            let committee = status(&mut world, victim).committee;
            match victim {
                3 => assert_eq!(committee, None, "{what}"),
                _ => assert_eq!(committee.unwrap().shares, Some(3), "{what}"),
            }
            only_shares_in_force_are_kept(&world, &what);
        }
    }
}

#[test]
fn a_hand_over_whose_ceremonies_fail_leaves_the_old_epoch_in_force() {
    let mut world = four_and_two();
    replace(&mut world);
    // With two of the four who come, no quorum of them deals; with three old ones the log goes on.
    world.crash(4);
    world.crash(2);
    world.pass(Millis::from_mins(20));
    world.boot_linked(2);
    world.pass(Millis::from_secs(60));
    let given_up = SeatNews::Failed {
        epoch: 2,
        again: false,
    };
    let given_up = |event: &Event| *event == Event::Seats(given_up.clone());
    assert!(world.heard(0, given_up), "{:?}", world.nodes[0].events);
    let old = sorted((0..4).map(|at| world.key(at)).collect());
    for at in 0..6 {
        if at != 4 {
            assert_eq!(view(&mut world, at).seats, old);
            assert_eq!(status(&mut world, at).trust.epoch, Some(1));
        }
    }
    let height = status(&mut world, 0).committee.unwrap().height;
    world.pass(Millis::from_secs(30));
    assert!(status(&mut world, 0).committee.unwrap().height > height);
}

#[test]
fn a_forged_hand_over_changes_nothing_and_is_told() {
    let mut world = four_and_two();
    replace(&mut world);
    world.pass(Millis::from_secs(20));
    let mut forged = records(&world, 5).pop().unwrap();
    let epoch = forged.next.keys.epoch;
    // The certificate is good, but of the epoch before: who held those keys could have signed anything by now.
    forged.next.keys.epoch = epoch + 1;
    forged.next.seats = sorted((0..4).map(|at| world.key(at)).collect());
    let name = forged.next.id();
    let x0_protocol::wire::Statement::HandOver(stated) = &mut forged.certificate.statement else {
        panic!("a hand-over states one");
    };
    stated.next = name;
    for certified_by in [1, epoch] {
        forged.certificate.epoch = certified_by;
        let rogue = identity(51);
        let mesh = Some(world.genesis.value().id());
        let body = Body::HandOver(Box::new(forged.clone()));
        let place = (7 + certified_by, Some(ContentId::of(&[1])));
        let wall = world.now().wall;
        let record = Draft::new(mesh, rogue.public(), place, wall, [3; 16], body);
        let record = record.sign(&rogue).unwrap();
        world.nodes[2].events.clear();
        world.gossip(5, 2, &record);
        world.settle();

        let told = |event: &Event| matches!(event, Event::Rejected { why, .. } if why.contains("did not certify"));
        assert!(world.heard(2, told), "{:?}", world.nodes[2].events);
        assert_eq!(status(&mut world, 2).trust.epoch, Some(epoch));
    }
}

#[test]
fn a_node_that_joins_later_follows_the_chain_and_one_that_starts_again_too() {
    let mut world = four_and_two();
    replace(&mut world);
    world.pass(Millis::from_secs(20));
    let plan = propose(&mut world, 0, &[3], &[1]);
    world.pass(Millis::from_secs(1));
    for seat in [2, 4] {
        world.command(seat, Command::ApproveSeats(plan)).unwrap();
    }
    world.pass(Millis::from_secs(30));
    let seats = sorted([0, 2, 3, 4].map(|at| world.key(at)).to_vec());
    assert_eq!(view(&mut world, 5).seats, seats);
    let epoch = view(&mut world, 5).epoch;

    let newcomer = world.join(5, 60);
    world.pass(Millis::from_secs(30));
    assert_eq!(view(&mut world, newcomer).epoch, epoch);
    assert_eq!(view(&mut world, newcomer).seats, seats);

    for at in [0, 1, 5] {
        world.crash(at);
        world.boot_linked(at);
        assert_eq!(view(&mut world, at).epoch, epoch, "node {at}");
    }
    world.pass(Millis::from_secs(30));
    assert_eq!(status(&mut world, 1).committee, None);
    assert_eq!(status(&mut world, 0).committee.unwrap().shares, Some(3));
}

#[test]
fn a_node_that_learns_of_new_keys_first_takes_no_act_of_the_old_ones_for_an_anomaly() {
    let mut world = four_and_two();
    world.partition(5);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::At(Targets::All),
        token: token(&identity(1), world.key(2), &[]),
        root: identity(1).capability_root().public(),
        life: Millis::from_mins(10),
    };
    world.command(2, command).unwrap();
    world.pass(Millis::from_secs(30));
    assert_eq!(world.links_target(4), 5, "the others have executed it");
    replace(&mut world);
    world.pass(Millis::from_secs(30));

    world.deafen(&[5], &[Kind::ACT]);
    world.heal();
    for other in 0..5 {
        world.link(5, other);
    }
    world.settle();
    world.pass(Millis::from_secs(20));
    assert!(view(&mut world, 5).epoch > Some(1), "it knows the new keys");
    assert_eq!(world.links_target(5), 8, "and not the act");
    world.undeafen();
    world.command(5, Command::CatchUp).unwrap();
    world.pass(Millis::from_secs(5));

    let alarmed = |event: &Event| matches!(event, Event::Frozen { .. } | Event::Anomaly { .. });
    assert!(!world.heard(5, alarmed), "{:?}", world.nodes[5].events);
    assert_eq!(world.links_target(5), 5);
}

#[test]
fn who_gets_a_seat_when_the_log_is_long_takes_over_its_state() {
    let mut world = four_and_two();
    world.pass(Millis::from_mins(75));
    let height = status(&mut world, 0).committee.unwrap().height;
    assert!(height > 400, "{height}");
    replace(&mut world);
    world.pass(Millis::from_secs(30));

    in_force(&mut world, &[0, 1, 2, 4, 5], "a long log");
    let blocks = world.nodes[4].disk.blocks.len();
    assert!(
        blocks < 300,
        "it took {blocks} of {height} blocks one by one"
    );
}

#[test]
fn a_seat_that_starts_again_knows_the_acts_and_plans_of_its_last_copy() {
    let mut world = four_and_two();
    let target = world.key(5);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::At(Targets::Nodes(vec![target])),
        token: token(&identity(1), world.key(2), &[]),
        root: identity(1).capability_root().public(),
        life: Millis::from_mins(10),
    };
    world.command(2, command).unwrap();
    let plan = propose(&mut world, 0, &[4], &[3]);
    world.pass(Millis::from_secs(5));
    // A new member makes a checkpoint due, and with it a copy of the state.
    world.join(0, 60);
    world.pass(Millis::from_secs(15));
    let copied = world.nodes[1].disk.rest.committee.snapshot.clone();

    world.crash(1);
    world.boot_linked(1);

    assert!(copied.is_some_and(|copy| State::decode(&copy).is_some()));
    let open = view(&mut world, 1).plans;
    assert_eq!(open.first().map(|(id, _)| *id), Some(plan));
    world.pass(Millis::from_secs(15));
    assert_eq!(world.links_target(5), 5);
}
