//! Votes whose ballots are sealed until the close: over whole meshes, with seats that lie, fall or change.

use x0_crypto::ContentId;
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::vote::{VoteCommand, VoteRefusal},
    spine::ballot::{
        BallotBundle, Cast, Finality, OwnStage, Recounted, Sums, TermsError, sealed::seal_own,
    },
    wire::{
        Ballot, Choice, DelegationScope, Entry, Request, Vote, VoteAsk, VoteEntry, VoteItem,
        VoteRules,
    },
};

use super::{
    votes::{SCALE, bundle, cast, end, hand_in, open, proposed, stage, vote, with_keys},
    world::{World, identity},
};

/// The window of 72 h in real time, and a moment.
const WINDOW: Millis = Millis(12_960);

fn sealed(rules: VoteRules) -> VoteCommand {
    let mut command = proposed(ContentId::of(b"under seal"), rules);
    if let VoteCommand::Propose { sealed, .. } = &mut command {
        *sealed = true;
    }
    command
}

/// Returns what stands in the log about votes as a node has it.
fn entries(world: &World, at: usize) -> impl Iterator<Item = &VoteEntry> {
    let blocks = world.nodes[at].disk.blocks.iter();
    let entries = blocks.flat_map(|decided| &decided.block.entries);
    entries.filter_map(|entry| {
        let Entry::Vote(entry) = entry else {
            return None;
        };
        Some(&**entry)
    })
}

fn opened(world: &World, at: usize) -> usize {
    let openings = entries(world, at).filter_map(|entry| {
        let VoteEntry::Opened(openings) = entry else {
            return None;
        };
        Some(openings.signatures.len())
    });
    openings.sum()
}

fn ballots(world: &World, at: usize) -> Vec<&Ballot> {
    let batches = entries(world, at).filter_map(|entry| {
        let VoteEntry::Batch(batch) = entry else {
            return None;
        };
        Some(&batch.ballots)
    });
    batches.flatten().collect()
}

fn recounts_to_the_same(world: &mut World, nodes: core::ops::Range<usize>, id: ContentId) {
    for at in nodes {
        let found = world.command(at, Command::Vote(VoteCommand::Recount(id)));
        let Ok(Reply::Recounted(Recounted::Same(_))) = found else {
            panic!("node {at}: {found:?}");
        };
    }
}

#[test]
fn choices_are_read_by_nobody_before_the_close_and_opened_after_it_without_a_seat_that_lies() {
    let mut world = with_keys(5);
    let scope = DelegationScope::Standing;
    let delegate = Some(world.key(0));
    hand_in(&mut world, 3, VoteCommand::Delegate { scope, delegate });
    world.pass(Millis(1_500));
    let id = open(&mut world, 4, sealed(VoteRules::ordinary()));
    let choices = [(0, Choice::Yes), (1, Choice::No), (2, Choice::Yes)];
    let handed = choices.map(|(at, choice)| (at, cast(&mut world, at, id, choice)));
    world.pass(Millis(2_000));
    for (at, ballot) in handed {
        assert_eq!(stage(&mut world, at, ballot), OwnStage::Taken, "node {at}");
    }
    let again = VoteCommand::Cast {
        proposal: id,
        choice: Choice::No,
    };
    let refused = world.command(0, Command::Vote(again)).unwrap_err();
    assert_eq!(refused, VoteRefusal::AlreadyCast("under seal").into());
    // A ballot that holds another voter's sealed choice.
    let mesh = world.peer(0).directory().mesh();
    let copied = ballots(&world, 0)[0].vote.clone();
    let copy = Ballot::sign(&mesh, &identity(5), id, 0, copied);
    for seat in 0..4 {
        let item = VoteItem::Ballot(copy.value().clone());
        let receipts = Vec::new();
        let ask = Request::Vote(Box::new(VoteAsk::Take { item, receipts }));
        world.ask_as(4, seat, ask);
    }
    world.pass(Millis(1_000));

    assert_eq!(ballots(&world, 0).len(), 4);
    let is_sealed = |ballot: &&Ballot| matches!(ballot.vote, Vote::Sealed(_));
    assert!(ballots(&world, 0).iter().all(is_sealed));
    for at in 0..5 {
        let live = vote(&mut world, at, id).live.unwrap();
        assert_eq!(live.cast(), 0, "node {at}");
    }
    world.lying.insert(1);
    let liar = world.key(1);
    end(&mut world);

    assert_eq!(opened(&world, 0), 4);
    let sums = Sums {
        yes: 3,
        no: 1,
        abstain: 0,
        leaves: 5,
    };
    for at in 0..5 {
        let seen = vote(&mut world, at, id);
        assert_eq!(seen.tally.unwrap().tally.sums, sums, "node {at}");
        assert_eq!(seen.stage, "passed", "node {at}");
    }
    recounts_to_the_same(&mut world, 0..5, id);
    let found_out = |event: &Event| matches!(event, Event::Rejected { from, why } if *from == liar && why.contains("opens a sealed ballot"));
    let honest = [0, 2, 3, 4];
    assert!(honest.iter().any(|at| world.heard(*at, found_out)));
    let copier = world.key(4).to_string();
    let told = |event: &Event| matches!(event, Event::Vote { what, .. } if what.contains("holds no choice") && what.contains(&copier));
    assert!(world.heard(0, told));
}

#[test]
fn a_file_of_opened_ballots_needs_no_node_and_shows_a_choice_or_an_opening_that_was_changed() {
    let mut world = World::fast_with_seats(6, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let id = open(&mut world, 1, sealed(VoteRules::ordinary()));
    for (at, choice) in [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::No)] {
        cast(&mut world, at, id, choice);
    }
    end(&mut world);
    recounts_to_the_same(&mut world, 0..6, id);
    let fetched = bundle(&mut world, 5, id).unwrap();
    let read = BallotBundle::from_bytes(&fetched.to_bytes()).unwrap();
    assert_eq!(read, fetched);
    let found = read.check().unwrap().found;
    assert!(matches!(found, Recounted::Same(_)), "{found:?}");

    let mut other_choice = fetched.clone();
    other_choice.leaves[0].counted = Some(Choice::Abstain);
    let mut other_opening = fetched.clone();
    let Cast::Own { opening, .. } = &fetched.leaves[1].cast else {
        panic!("each has voted itself");
    };
    let other = *opening;
    if let Cast::Own { opening, .. } = &mut other_opening.leaves[0].cast {
        *opening = other;
    }
    let mut unopened = fetched;
    if let Cast::Own { opening, .. } = &mut unopened.leaves[0].cast {
        *opening = None;
    }
    for changed in [other_choice, other_opening, unopened] {
        let found = changed.check().unwrap().found;
        assert!(!matches!(found, Recounted::Same(_)), "{found:?}");
    }
}

#[test]
fn a_sealed_ballot_is_changed_as_the_rules_allow_and_the_same_choice_looks_different() {
    let mut world = with_keys(4);
    let mut rules = VoteRules::ordinary();
    rules.finality = Finality::Changeable;
    let id = open(&mut world, 0, sealed(rules));
    for (at, choice) in [
        (0, Choice::Yes),
        (0, Choice::Yes),
        (1, Choice::Yes),
        (1, Choice::No),
        (2, Choice::Yes),
    ] {
        cast(&mut world, at, id, choice);
        world.pass(Millis(1_000));
    }
    let voter = world.key(0);
    let own: Vec<_> = ballots(&world, 0)
        .into_iter()
        .filter(|ballot| ballot.voter == voter)
        .map(|ballot| ballot.vote.clone())
        .collect();
    assert_eq!(own.len(), 2);
    assert_ne!(own[0], own[1]);
    // It is the same again after a crash.
    let mesh = world.peer(0).directory().mesh();
    let key = world.first_keys(0).decryption;
    let again = seal_own(&key, (&mesh, &id), &identity(1), 1, Choice::Yes);
    assert_eq!(own[1], Vote::Sealed(again));

    end(&mut world);
    let sums = vote(&mut world, 3, id).tally.unwrap().tally.sums;
    assert_eq!((sums.yes, sums.no, sums.leaves), (2, 1, 3));
    recounts_to_the_same(&mut world, 0..4, id);
}

#[test]
fn a_seat_that_falls_while_ballots_are_opened_comes_back_and_opens_them_with_the_others() {
    // With one that lies of five, the four others must all sign.
    for after in [0, 100, 300, 600] {
        let mut world = with_keys(5);
        let id = open(&mut world, 4, sealed(VoteRules::ordinary()));
        for at in 0..4 {
            cast(&mut world, at, id, Choice::Yes);
        }
        world.lying.insert(1);
        world.pass(Millis(WINDOW.0 - 2_000));
        world.crash(3);
        world.pass(Millis(2_000 + after));
        assert!(vote(&mut world, 0, id).tally.is_none(), "{after} ms");
        assert_eq!(opened(&world, 0), 0, "{after} ms");
        world.boot_linked(3);
        end(&mut world);
        assert_eq!(opened(&world, 3), 4, "{after} ms");
        for at in 0..5 {
            assert_eq!(
                vote(&mut world, at, id).stage,
                "passed",
                "node {at}, {after} ms"
            );
        }
    }
}

#[test]
fn a_vote_whose_ballots_are_not_opened_in_time_is_void_and_stays_sealed() {
    let mut world = with_keys(5);
    let id = open(&mut world, 4, sealed(VoteRules::ordinary()));
    for at in 0..4 {
        cast(&mut world, at, id, Choice::Yes);
    }
    world.lying.insert(1);
    world.pass(Millis(2_000));
    world.crash(3);
    end(&mut world);
    world.boot_linked(3);
    world.pass(Millis::from_secs(20));
    for at in 0..5 {
        let seen = vote(&mut world, at, id);
        assert_eq!(
            seen.stage, "void: sealed ballots were not opened",
            "node {at}"
        );
    }
    assert_eq!(opened(&world, 3), 0);
}

#[test]
fn what_was_sealed_before_a_hand_over_is_opened_by_the_seats_after_it_whenever_it_falls() {
    for before_close in [9_000, 4_000, 2_500, 1_500, 700, 0] {
        let what = format!("begun {before_close} ms before the close");
        let mut world = World::fast_with_seats(6, 4, SCALE);
        world.pass(Millis::from_secs(20));
        let id = open(&mut world, 1, sealed(VoteRules::ordinary()));
        for at in 0..4 {
            cast(&mut world, at, id, Choice::Yes);
        }
        world.pass(Millis(11_400 - before_close));
        // One of those who stay lies: the newcomer's share is needed.
        let seats = world.genesis_body().seats.clone();
        let (seated, free): (Vec<_>, Vec<_>) =
            (0..6).partition(|at| seats.contains(&world.key(*at)));
        world.lying.insert(seated[0]);
        let command = Command::ProposeSeats {
            add: vec![world.key(free[0])],
            remove: vec![world.key(seated[3])],
        };
        let Ok(Reply::Plan(plan)) = world.command(seated[0], command) else {
            panic!("the change of seats was not proposed");
        };
        world.pass(Millis(200));
        for at in &seated[1..3] {
            world.command(*at, Command::ApproveSeats(plan)).unwrap();
        }
        end(&mut world);
        let Ok(Reply::Committee(view)) = world.command(free[1], Command::Committee) else {
            panic!("no committee");
        };
        assert!(view.epoch > Some(1), "{what}: {:?}", view.epoch);
        for at in [seated[1], free[0], free[1]] {
            assert_eq!(
                vote(&mut world, at, id).stage,
                "passed",
                "node {at}, {what}"
            );
        }
    }
}

#[test]
fn a_vote_is_not_sealed_for_a_jury_nor_without_a_committee() {
    let mut world = with_keys(4);
    let refused = world
        .command(0, Command::Vote(sealed(VoteRules::emergency())))
        .unwrap_err();
    assert_eq!(refused, VoteRefusal::Terms(TermsError::SealedJury).into());
    assert!(
        refused.to_string().contains("cannot be sealed"),
        "{refused}"
    );

    let mut world = World::without_committee(2);
    let refused = world
        .command(0, Command::Vote(sealed(VoteRules::ordinary())))
        .unwrap_err();
    assert_eq!(refused, CommandError::Vote(VoteRefusal::NoCommittee));
}
