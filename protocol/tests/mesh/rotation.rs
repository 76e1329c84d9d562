//! Shares of an item dealt on to other guardians: every six months, by a vote, because a guardian serves no longer or is a member
//! no more; whoever crashes.

use std::collections::BTreeSet;

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Event, Millis,
    core::sublime::{Standing, SublimeCommand},
    spine::audit::What,
    wire::{Choice, VoteRules},
};

use super::{
    sublime::{
        ASKER, OWNER, Put, decide, decide_without, founded, opened, put, released, request, shown,
        standing,
    },
    votes::{cast, hand_in, proposed, vote},
    world::{DealerLie, World},
};

/// Nearly six months, by the clock of these meshes.
const NOT_YET: Millis = Millis::from_secs(740);

fn epoch(world: &mut World, at: usize, put: &Put) -> u32 {
    let items = shown(world, at).items;
    let found = items.into_iter().find(|(id, ..)| *id == put.item);
    found.expect("the item is known").2.epoch
}

/// Returns the epochs of the shares of an item that a node keeps: one or none.
fn kept(world: &World, at: usize, key: &PublicKey) -> Option<u32> {
    let shares = &world.nodes[at].disk.rest.sublime.shares;
    let mut of_item = shares.iter().filter(|share| share.item == *key);
    let first = of_item.next().map(|share| share.epoch);
    assert!(
        of_item.next().is_none(),
        "a node keeps two shares of an item"
    );
    first
}

fn holders(world: &World, key: &PublicKey, epoch: u32) -> usize {
    let nodes = 0..world.nodes.len();
    nodes
        .filter(|at| kept(world, *at, key) == Some(epoch))
        .count()
}

fn told(world: &World, at: usize, is_meant: impl Fn(&What) -> bool) -> usize {
    let entries = world.nodes[at].disk.rest.audit.iter();
    entries.filter(|entry| is_meant(&entry.what)).count()
}

/// Asks for an item, has it granted, and opens it.
fn opens(world: &mut World, put: &Put) -> Vec<u8> {
    opens_without(world, put, &[])
}

/// Opens an item while some are away.
fn opens_without(world: &mut World, put: &Put, away: &[usize]) -> Vec<u8> {
    let (asked, secret) = request(world, put.item);
    decide_without(world, asked, away);
    assert_eq!(standing(world, ASKER, asked), Standing::Granted);
    let view = released(world, asked);
    opened(world, &view, put, &secret).unwrap()
}

fn subject(world: &mut World, put: &Put) -> ContentId {
    let items = shown(world, OWNER).items;
    let found = items.into_iter().find(|(id, ..)| *id == put.item);
    found.expect("the item is known").2.subject
}

/// Has a vote decide that an item's shares are dealt on.
fn vote_for_rotation(world: &mut World, put: &Put) {
    let subject = subject(world, put);
    let proposal = hand_in(world, 2, proposed(subject, VoteRules::ordinary()));
    world.pass(Millis::from_secs(3));
    for at in 0..6 {
        cast(world, at, proposal, Choice::Yes);
    }
    world.pass(Millis::from_secs(25));
    assert!(vote(world, OWNER, proposal).resolved.is_some());
}

#[test]
fn after_six_months_shares_are_dealt_on_and_the_old_ones_destroyed() {
    let mut world = founded();
    let put = put(&mut world, 1);
    world.pass(NOT_YET);
    assert_eq!(epoch(&mut world, OWNER, &put), 0, "it is not due yet");

    world.pass(Millis::from_secs(90));

    for at in 0..6 {
        assert_eq!(epoch(&mut world, at, &put), 1, "node {at} knows");
    }
    assert_eq!(holders(&world, &put.key, 1), 5);
    assert_eq!(holders(&world, &put.key, 0), 0, "no old share is left");
    for at in 1..6 {
        let kept = told(&world, at, |what| {
            matches!(
                what,
                What::ShareKept {
                    epoch: 1,
                    owner: None,
                    ..
                }
            )
        });
        assert_eq!(kept, 1, "the audit log of node {at} tells of it");
        assert!(world.nodes[at].disk.rest.sublime.parts.is_empty());
    }
    assert_eq!(opens(&mut world, &put), b"Where the well is");
}

#[test]
fn a_vote_has_shares_dealt_on_before_they_are_due() {
    let mut world = founded();
    let put = put(&mut world, 1);
    vote_for_rotation(&mut world, &put);
    world.pass(Millis::from_secs(40));
    assert_eq!(epoch(&mut world, 3, &put), 1);
    assert_eq!(holders(&world, &put.key, 1), 5);
    // The vote was about that sharing: it does not have the next one dealt on as well.
    world.pass(Millis::from_secs(60));
    assert_eq!(epoch(&mut world, 3, &put), 1);
}

#[test]
fn who_serves_no_longer_is_rid_of_its_share_and_the_others_hold_all() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let leaves = 1;
    world.recorded(leaves, Command::Sublime(SublimeCommand::Serve(false)));
    world.pass(Millis::from_secs(60));

    assert_eq!(kept(&world, leaves, &put.key), None);
    assert_eq!(
        told(&world, leaves, |what| matches!(
            what,
            What::ShareDestroyed { epoch: 0, .. }
        )),
        1
    );
    assert_eq!(holders(&world, &put.key, 1), 4);
    assert_eq!(opens(&mut world, &put), b"Where the well is");
}

/// Returns a guardian without a seat; it is not who asks.
fn guardian_without_seat(world: &World) -> usize {
    let seats = world.seats();
    let found = (1..6).find(|at| !seats.contains(at) && *at != ASKER);
    found.expect("there is one")
}

/// Has three of four seats remove a member, whose node is gone by then.
fn remove(world: &mut World, at: usize) {
    world.crash(at);
    let member = world.key(at);
    for seat in world.seats().into_iter().take(3) {
        let reason = "it sold what it guarded".parse().unwrap();
        world.recorded(seat, Command::Remove { member, reason });
    }
    assert!(!world.peer(OWNER).directory().is_active(&member));
}

/// Returns whom a node knows to guard an item, and of which epoch.
fn known_guards(world: &World, at: usize, put: &Put) -> Option<(u32, usize)> {
    let known = world.nodes[at].disk.rest.sublime.guards.iter();
    let mut of_item = known.filter(|guards| guards.item == put.key);
    let first = of_item.next();
    assert!(of_item.next().is_none(), "an item is noted twice");
    first.map(|guards| (guards.epoch, guards.guardians.len()))
}

fn is_dealt_on_without(world: &mut World, gone: usize, put: &Put) {
    world.pass(Millis::from_secs(60));
    let seat = world.seats()[0];
    assert_eq!(epoch(world, seat, put), 1);
    assert_eq!(holders(world, &put.key, 1), 4, "all who are left");
    assert_eq!(kept(world, gone, &put.key), Some(0), "it was not there");
    assert_eq!(opens_without(world, put, &[gone]), b"Where the well is");
    world.pass(Millis::from_secs(60));
    assert_eq!(epoch(world, seat, put), 1, "once, and not again");
}

#[test]
fn what_a_removed_member_guarded_is_dealt_on_without_anybody_asking() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let other = super::sublime::put(&mut world, 2);
    world.pass(Millis::from_secs(30));
    assert_eq!(epoch(&mut world, OWNER, &put), 0, "nobody has gone yet");
    let gone = guardian_without_seat(&world);
    remove(&mut world, gone);
    is_dealt_on_without(&mut world, gone, &put);
    assert_eq!(epoch(&mut world, OWNER, &other), 1, "all that it guarded");
}

#[test]
fn who_leaves_the_mesh_has_what_it_guarded_dealt_on() {
    let mut world = founded();
    let put = put(&mut world, 1);
    world.pass(Millis::from_secs(30));
    let gone = guardian_without_seat(&world);
    world.recorded(gone, Command::Leave);
    world.crash(gone);
    is_dealt_on_without(&mut world, gone, &put);
}

#[test]
fn seats_that_start_anew_still_know_what_a_member_guarded_who_is_removed_then() {
    let mut world = founded();
    let put = put(&mut world, 1);
    world.pass(Millis::from_secs(30));
    let gone = guardian_without_seat(&world);
    world.crash(gone);
    for seat in world.seats() {
        world.crash(seat);
    }
    for seat in world.seats() {
        world.boot_linked(seat);
    }
    world.pass(Millis::from_secs(20));
    remove(&mut world, gone);
    is_dealt_on_without(&mut world, gone, &put);
}

#[test]
fn seats_and_nobody_else_know_who_guards_an_item_as_it_is_shared_now() {
    let mut world = founded();
    let put = put(&mut world, 1);
    world.pass(Millis::from_secs(30));
    let seats = world.seats();
    for at in 0..6 {
        let known = seats.contains(&at).then_some((0, 5));
        assert_eq!(known_guards(&world, at, &put), known, "node {at}");
    }
    vote_for_rotation(&mut world, &put);
    world.pass(Millis::from_secs(60));
    for at in 0..6 {
        let known = seats.contains(&at).then_some((1, 5));
        assert_eq!(known_guards(&world, at, &put), known, "node {at}");
    }
}

fn dealers_named(world: &World, at: usize) -> BTreeSet<PublicKey> {
    let events = world.nodes[at].events.iter();
    let named = events.filter_map(|event| {
        let Event::BadDealer { dealer, .. } = event else {
            return None;
        };
        Some(*dealer)
    });
    named.collect()
}

fn a_lie_is_named(lie: DealerLie, is_seen_by_all: bool) {
    let mut world = founded();
    let put = put(&mut world, 1);
    let liar = 3;
    world.lying_dealers.insert(liar, lie);
    vote_for_rotation(&mut world, &put);
    world.pass(Millis::from_secs(60));

    assert_eq!(epoch(&mut world, 2, &put), 1, "it is done without the liar");
    let name = world.key(liar);
    let seats = world.seats();
    let at = seats.into_iter().find(|at| *at != liar).unwrap();
    assert_eq!(dealers_named(&world, at), [name].into());
    let public = world.heard(at, |event| {
        matches!(event, Event::BadDealer { dealer, is_public: true, .. } if *dealer == name)
    });
    assert_eq!(public, is_seen_by_all);
    for at in (1..6).filter(|at| *at != liar) {
        let named = told(
            &world,
            at,
            |what| matches!(what, What::BadDealer { dealer, .. } if *dealer == name),
        );
        assert_eq!(named, 1, "guardian {at} names it once");
    }
    assert_eq!(opens(&mut world, &put), b"Where the well is");
}

#[test]
fn a_dealer_whose_parts_are_wrong_is_named_by_who_got_them() {
    a_lie_is_named(DealerLie::Parts, false);
}

#[test]
fn a_dealer_that_does_not_deal_its_share_is_named_by_everybody() {
    a_lie_is_named(DealerLie::Dealing, true);
}

#[test]
fn no_share_is_destroyed_before_enough_others_have_theirs() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let outsiders: Vec<_> = {
        let seats = world.seats();
        (1..6).filter(|at| !seats.contains(at)).collect()
    };
    let subject = subject(&mut world, &put);
    let proposal = hand_in(&mut world, 2, proposed(subject, VoteRules::ordinary()));
    world.pass(Millis::from_secs(3));
    for at in 0..6 {
        cast(&mut world, at, proposal, Choice::Yes);
    }
    // Of five guardians two are away: three have parts, and it takes four.
    let away = [
        outsiders[0],
        (1..6)
            .find(|at| *at != outsiders[0] && *at != ASKER)
            .unwrap(),
    ];
    for at in away {
        world.crash(at);
    }
    world.pass(Millis::from_secs(60));
    assert_eq!(holders(&world, &put.key, 0), 5, "every old share is there");
    assert_eq!(holders(&world, &put.key, 1), 0);

    for at in away {
        world.boot_linked(at);
    }
    world.pass(Millis::from_secs(90));
    assert_eq!(holders(&world, &put.key, 0), 0);
    assert!(holders(&world, &put.key, 1) >= 4);
    assert_eq!(opens(&mut world, &put), b"Where the well is");
}

#[test]
fn whoever_crashes_at_whatever_step_a_rotation_comes_to_its_end() {
    for crashed in [1, 2, 4] {
        let mut world = founded();
        let put = put(&mut world, 1);
        let subject = subject(&mut world, &put);
        let proposal = hand_in(&mut world, 2, proposed(subject, VoteRules::ordinary()));
        world.pass(Millis::from_secs(3));
        for at in 0..6 {
            cast(&mut world, at, proposal, Choice::Yes);
        }
        for _ in 0..60 {
            world.pass(Millis(700));
            world.crash(crashed);
            world.pass(Millis(150));
            world.boot_linked(crashed);
        }
        world.pass(Millis::from_secs(60));
        assert_eq!(epoch(&mut world, OWNER, &put), 1, "{crashed} crashed");
        assert_eq!(holders(&world, &put.key, 0), 0, "{crashed} crashed");
        assert!(holders(&world, &put.key, 1) >= 4, "{crashed} crashed");
        assert_eq!(opens(&mut world, &put), b"Where the well is");
    }
}

#[test]
fn a_request_that_is_granted_before_a_rotation_opens_after_it() {
    let mut world = founded();
    let put = put(&mut world, 1);
    let (asked, secret) = request(&mut world, put.item);
    // Whoever asked is away while all that is released for it is of the old sharing.
    decide(&mut world, asked, Choice::Yes);
    vote_for_rotation(&mut world, &put);
    world.pass(Millis::from_secs(60));
    assert_eq!(epoch(&mut world, ASKER, &put), 1);
    let view = released(&mut world, asked);
    assert_eq!(
        opened(&world, &view, &put, &secret).unwrap(),
        b"Where the well is",
        "with shares of the new sharing"
    );
}
