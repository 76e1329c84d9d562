//! The committee is lost, and members seat another: by two thirds of those who counted, and by nobody less.

use x0_crypto::PublicKey;
use x0_protocol::{
    Command, CommandError, Millis, Reply,
    charter::{Charter, violation::Violation},
    core::command::{Aim, CommitteeView, Status},
    wire::Targets,
};

use super::{
    violations::{SCALE, sentenced},
    world::{World, identity, set_links, token},
};

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

#[test]
fn two_thirds_of_the_members_seat_a_new_committee_in_place_of_a_lost_one() {
    let mut world = World::with_seats(8, 4);
    world.pass(Millis::from_secs(20));
    let seats = world.genesis_body().seats.clone();
    let (old, rest): (Vec<_>, Vec<_>) = (0..8).partition(|at| seats.contains(&world.key(*at)));
    let lost = [old[0], old[1]];
    for at in lost {
        world.crash(at);
    }
    let alive: Vec<_> = old[2..].iter().chain(&rest).copied().collect();
    world.pass(Millis::from_secs(60));
    assert_eq!(status(&mut world, alive[0]).trust.epoch, Some(1));

    let mut new: Vec<PublicKey> = [alive[0], rest[0], rest[1], rest[2]]
        .map(|at| world.key(at))
        .to_vec();
    new.sort_unstable();
    let propose = Command::ProposeRecovery { seats: new.clone() };
    world.recorded(rest[3], propose);
    world.settle();
    let plan = view(&mut world, alive[0]).recoveries.pop().unwrap();
    assert_eq!((plan.have, plan.need), (1, 6), "of eight members");
    let others: Vec<_> = alive.iter().copied().filter(|at| *at != rest[3]).collect();
    for at in &others[..4] {
        world.recorded(*at, Command::SignRecovery(plan.id));
        world.settle();
    }
    world.pass(Millis::from_secs(30));
    assert_eq!(view(&mut world, rest[0]).seats, seats, "five are too few");

    world.recorded(others[4], Command::SignRecovery(plan.id));
    world.pass(Millis::from_secs(90));
    let epoch = status(&mut world, alive[0]).trust.epoch;
    assert!(epoch > Some(1), "{epoch:?}");
    for at in &alive {
        assert_eq!(view(&mut world, *at).seats, new, "node {at}");
        assert_eq!(status(&mut world, *at).trust.epoch, epoch, "node {at}");
    }

    // Who comes back, and who starts again, follows.
    for at in [lost[0], lost[1], rest[0], alive[0]] {
        if world.nodes[at].peer.is_some() {
            world.crash(at);
        }
        world.boot_linked(at);
        world.pass(Millis::from_secs(20));
        assert_eq!(view(&mut world, at).seats, new, "node {at}");
        assert_eq!(status(&mut world, at).trust.epoch, epoch, "node {at}");
        let has_seat = new.contains(&world.key(at));
        let shares = status(&mut world, at).committee.map(|seat| seat.shares);
        assert_eq!(shares, has_seat.then_some(Some(3)), "node {at}");
    }
    let target = world.key(rest[3]);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::At(Targets::Nodes(vec![target])),
        token: token(&identity(1), world.key(rest[2]), &[]),
        root: identity(1).capability_root().public(),
        life: Millis::from_mins(10),
    };
    world.command(rest[2], command).unwrap();
    world.pass(Millis::from_secs(20));
    assert_eq!(world.links_target(rest[3]), 5);
}

#[test]
fn who_did_not_count_has_no_word_and_who_speaks_twice_has_none() {
    let mut world = World::with_seats(8, 4);
    let newcomer = world.join(0, 60);
    for other in 1..8 {
        world.link(newcomer, other);
    }
    world.settle();
    world.pass(Millis::from_secs(20));
    let seats = |world: &World, from: usize| (from..from + 4).map(|at| world.key(at)).collect();
    let first = Command::ProposeRecovery {
        seats: seats(&world, 0),
    };
    let refused = world.command(newcomer, first.clone()).unwrap_err();
    assert!(
        matches!(&refused, CommandError::OutOfRange(why) if why.contains("did not count")),
        "{refused:?}"
    );

    world.recorded(0, first);
    let second = Command::ProposeRecovery {
        seats: seats(&world, 4),
    };
    world.recorded(0, second);
    world.settle();
    let plans = view(&mut world, 5).recoveries;
    assert_eq!(plans.len(), 2);
    assert!(plans.iter().all(|plan| plan.have == 0), "{plans:?}");
}

#[test]
fn members_who_leave_a_lost_committee_do_not_hold_up_its_recovery() {
    let mut world = World::with_seats(8, 4);
    world.pass(Millis::from_secs(20));
    let seats = world.genesis_body().seats.clone();
    let (old, rest): (Vec<_>, Vec<_>) = (0..8).partition(|at| seats.contains(&world.key(*at)));
    // One left long before: it does not count, though nothing else tells it from those who leave now.
    world.recorded(rest[0], Command::Leave);
    world.pass(Millis::from_mins(120));
    world.crash(old[0]);
    world.crash(old[1]);
    world.recorded(rest[1], Command::Leave);
    world.pass(Millis::from_secs(60));

    let mut new = [old[2], old[3], rest[2], rest[3]]
        .map(|at| world.key(at))
        .to_vec();
    new.sort_unstable();
    world.recorded(rest[3], Command::ProposeRecovery { seats: new.clone() });
    world.settle();
    let plan = view(&mut world, old[2]).recoveries.pop().unwrap();

    assert_eq!((plan.have, plan.need), (1, 5), "of seven who counted");
}

#[test]
fn who_is_suspended_does_not_count_before_the_new_committee_either() {
    let mut draft = Charter::shipped().text().clone();
    draft.penalties.silent_collection.ban_days = 400;
    let mut world = World::fast_under_seats(Charter::new(draft).unwrap(), 9, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let (_, accused, reporter) = sentenced(&mut world, Violation::SilentCollection);
    world.pass(Millis::from_secs(20));
    let electors = |world: &mut World, at: usize| status(world, at).trust.checkpoint.unwrap().1;
    assert_eq!(electors(&mut world, reporter), 8, "of nine");

    let seats = world.genesis_body().seats.clone();
    let (old, rest): (Vec<_>, Vec<_>) = (0..9).partition(|at| seats.contains(&world.key(*at)));
    for at in &old[..2] {
        world.crash(*at);
    }
    let counted: Vec<_> = old[2..]
        .iter()
        .chain(&rest)
        .copied()
        .filter(|at| *at != accused)
        .collect();
    let mut new: Vec<_> = counted[..4].iter().map(|at| world.key(*at)).collect();
    new.sort_unstable();
    let propose = Command::ProposeRecovery { seats: new.clone() };
    world.recorded(reporter, propose);
    world.settle();
    let plan = view(&mut world, reporter).recoveries.pop().unwrap();
    assert_eq!(plan.need, 6, "of eight who count");
    for at in counted.iter().filter(|at| **at != reporter) {
        world.recorded(*at, Command::SignRecovery(plan.id));
        world.settle();
    }
    world.pass(Millis::from_secs(120));

    assert_eq!(view(&mut world, reporter).seats, new);
    assert!(status(&mut world, reporter).trust.epoch > Some(1));
    for at in &counted {
        assert_eq!(electors(&mut world, *at), 8, "node {at}");
    }
}
