//! Evidence after a halt: audit logs that are asked, what they prove, and what is told of those that prove nothing.

use x0_protocol::{
    Command, Event, Millis, Reply,
    spine::{
        audit::What,
        halt::{Checked, Packed, PackedLog, Part, PullReport, Pulled, PulledLog, check_pack},
    },
    wire::{AuditShown, Verified},
};

use super::{
    halt::{ROGUE, stroke, tell, with_keys},
    world::{World, identity},
};

/// The nodes that the stroke names.
const TARGETS: [usize; 3] = [3, 4, 5];

/// Halts a mesh of ten nodes with five seats by acts past the committee, and lets the seats pull.
fn halted() -> World {
    let mut world = with_keys(10, 5);
    let acts = stroke(&world, &identity(3), &identity(1));
    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(30));
    world
}

/// Finds a node that had no part in the acts, with a seat or without.
fn bystander(world: &World, with_seat: bool) -> usize {
    let seats = &world.genesis_body().seats;
    let mut apart = (0..10).filter(|at| *at != ROGUE && !TARGETS.contains(at));
    let found = apart.find(|at| seats.contains(&world.key(*at)) == with_seat);
    found.expect("of six bystanders one has a seat, and one has none")
}

fn pull(world: &mut World, at: usize, again: bool) -> PullReport {
    let Ok(Reply::Halt(report)) = world.command(at, Command::Halt) else {
        panic!("no report");
    };
    let halt = report.halts[0].id;
    match world.command(at, Command::Pull { halt, again }) {
        Ok(Reply::Pulled(report)) => *report,
        other => panic!("nothing pulled: {other:?}"),
    }
}

fn log_of<'a>(world: &World, report: &'a PullReport, at: usize) -> &'a PulledLog {
    let log = report.pull.log(&world.key(at));
    log.unwrap_or_else(|| panic!("the log of node {at} is not asked"))
}

fn refusals(log: &PulledLog) -> usize {
    let entries = log.pages.iter().flat_map(|page| &page.entries);
    let refused = entries.filter(|it| matches!(it.entry.what, What::Refused { .. }));
    refused.count()
}

fn packed(world: &World, at: usize, report: &PullReport) -> Packed {
    let records = &world.nodes[at].disk.records;
    let ids = report.epochs.iter().chain(&report.alerts);
    let ids = ids.chain(&report.acts);
    let records = ids.filter_map(|id| records.get(id));
    let logs = report.pull.logs().map(|(node, log)| PackedLog {
        node: *node,
        part: log.part,
        acts: log.acts.clone(),
        held: log.held.clone(),
        pages: log.pages.clone(),
    });
    Packed {
        genesis: report.genesis.to_unverified(),
        halt: report.halt.id,
        root: report.halt.root,
        certificate: report.certificate,
        members: report.members,
        records: records.map(Verified::to_unverified).collect(),
        logs: logs.collect(),
    }
}

fn checked(packed: Packed) -> Checked {
    check_pack(packed).expect("the genesis holds")
}

/// Changes one entry in what a log shows, as its owner or a carrier might.
fn falsify(page: &mut AuditShown) {
    let shown = page.entries.first_mut().expect("the page has an entry");
    let What::Refused { why, .. } = &mut shown.entry.what else {
        panic!("the target has refused: {shown:?}");
    };
    "it was never asked".clone_into(why);
}

#[test]
fn a_seat_asks_the_logs_by_itself_and_every_target_shows_what_it_did() {
    let mut world = halted();
    let seat = bystander(&world, true);

    let report = pull(&mut world, seat, false);

    assert!(report.pull.is_done(), "{report:?}");
    for at in TARGETS {
        let log = log_of(&world, &report, at);
        assert_eq!((log.part, &log.state), (Part::Target, &Pulled::Whole));
        assert_eq!(refusals(log), 1, "node {at}: {log:?}");
    }
    let author = log_of(&world, &report, ROGUE);
    assert_eq!(author.part, Part::Author);
    assert_eq!(author.state, Pulled::Whole);
    assert_eq!(author.acts.len(), 3, "it wrote all three");
}

#[test]
fn a_member_without_a_seat_asks_when_its_user_wants_it() {
    let mut world = halted();
    let asker = bystander(&world, false);
    let before = pull(&mut world, asker, false);
    assert!(!before.pull.is_done(), "nobody had asked: {before:?}");

    world.pass(Millis::from_secs(5));

    let report = pull(&mut world, asker, false);
    assert!(report.pull.is_done(), "{report:?}");
    assert_eq!(refusals(log_of(&world, &report, 4)), 1);
}

#[test]
fn a_pack_checked_by_itself_proves_the_halt_the_findings_and_what_the_logs_say() {
    let mut world = halted();
    let seat = bystander(&world, true);
    let report = pull(&mut world, seat, false);

    let found = checked(packed(&world, seat, &report));

    assert_eq!(found.faults, Vec::<String>::new());
    let halted = found.halted.as_ref().expect("the committee certified it");
    assert_eq!(halted.halt, report.halt.id);
    assert!(found.seats_holding() >= found.seats.1, "{found:?}");
    assert_eq!(found.acts.0, 3);
    assert!(found.lacks.is_empty());
    let refused: u32 = found.logs.iter().map(|log| log.refused).sum();
    assert_eq!(refused, 3, "{:?}", found.logs);
    let shown = found.logs.iter().filter(|log| log.part == Part::Target);
    let held = shown.filter(|log| log.held.is_some()).count();
    assert!(held > 0, "heads were gossiped before: {:?}", found.logs);
}

#[test]
fn a_pack_that_was_tampered_with_is_told_and_one_that_lacks_something_is_told_apart() {
    let mut world = halted();
    let seat = bystander(&world, true);
    let report = pull(&mut world, seat, false);
    let whole = packed(&world, seat, &report);

    let mut altered = whole.clone();
    let log = altered.logs.iter_mut().find(|log| {
        let mut pages = log.pages.iter();
        pages.any(|page| !page.entries.is_empty())
    });
    falsify(&mut log.expect("a log shows an entry").pages[0]);
    let faults = checked(altered).faults;
    assert!(
        faults[0].contains("does not stand in the log"),
        "{faults:?}"
    );

    let mut swapped = whole.clone();
    let pages = swapped.logs[0].pages.clone();
    let other = swapped.logs.len() - 1;
    swapped.logs[other].pages = pages;
    let faults = checked(swapped).faults;
    assert!(faults[0].contains("another node's log"), "{faults:?}");

    let mut forged = whole.clone();
    if let Some(certificate) = &mut forged.certificate {
        let x0_protocol::wire::Statement::Halt(halted) = &mut certificate.statement else {
            panic!("a halt is certified");
        };
        halted.until = halted.until + Millis(1);
    }
    let found = checked(forged);
    assert!(found.faults[0].contains("does not hold"), "{found:?}");
    assert!(found.halted.is_err());

    let mut bare = whole;
    bare.certificate = None;
    bare.logs.clear();
    let acts = report.acts.clone();
    bare.records.retain(|record| record.peek().id() != acts[0]);
    let found = checked(bare);
    assert_eq!(found.faults, Vec::<String>::new(), "nothing is false");
    assert!(found.halted.is_err());
    assert_eq!(found.lacks.into_iter().collect::<Vec<_>>(), [acts[0]]);
    assert!(found.alerts.iter().all(|alert| alert.finding.is_err()));
}

#[test]
fn who_is_silent_is_named_and_asked_again_when_the_user_wants_it() {
    let mut world = halted();
    let asker = bystander(&world, false);
    world.crash(4);
    pull(&mut world, asker, false);
    world.pass(Millis::from_secs(20));
    let report = pull(&mut world, asker, false);
    assert!(report.pull.is_done());
    let silent = &log_of(&world, &report, 4).state;
    assert!(matches!(silent, Pulled::Silent(_)), "{silent:?}");

    world.boot(4, false);
    for at in [0, 1, 2, 3, 5, 6, 7, 8, 9] {
        world.link(4, at);
    }
    world.settle();
    world.pass(Millis::from_secs(5));
    pull(&mut world, asker, true);
    world.pass(Millis::from_secs(5));

    let report = pull(&mut world, asker, false);
    assert_eq!(log_of(&world, &report, 4).state, Pulled::Whole);
    assert_eq!(refusals(log_of(&world, &report, 4)), 1);
}

#[test]
fn a_log_rewritten_after_the_halt_is_found_out() {
    let mut world = halted();
    let asker = bystander(&world, false);
    world.crash(4);
    let entries = &mut world.nodes[4].disk.rest.audit;
    let told = entries.iter_mut().find_map(|entry| match &mut entry.what {
        What::Refused { why, .. } => Some(why),
        What::Executed { .. }
        | What::Local { .. }
        | What::LocalRefused { .. }
        | What::Wrote { .. }
        | What::Fork { .. }
        | What::SplitView { .. }
        | What::Erased { .. }
        | What::Lapsed { .. }
        | What::TwoHeads { .. }
        | What::TwoPublicLogs { .. }
        | What::Account { .. }
        | What::AccountRefused { .. }
        | What::ShareKept { .. }
        | What::ShareDestroyed { .. }
        | What::BadDealer { .. }
        | What::Attested { .. }
        | What::Released { .. } => None,
    });
    "it was never asked".clone_into(told.expect("node 4 has refused"));
    world.boot(4, false);
    for at in [0, 1, 2, 3, 5, 6, 7, 8, 9] {
        world.link(4, at);
    }
    world.settle();
    world.pass(Millis::from_secs(5));

    pull(&mut world, asker, false);
    world.pass(Millis::from_secs(5));

    let report = pull(&mut world, asker, false);
    let state = &log_of(&world, &report, 4).state;
    assert!(
        matches!(state, Pulled::Faulty(why) if why.contains("rewritten")),
        "{state:?}"
    );
    let split = |event: &Event| matches!(event, Event::SplitView { .. });
    assert!(world.heard(asker, split));
}
