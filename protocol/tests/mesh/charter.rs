//! The charter of a mesh, and what puts another in its place: a vote, and nothing else.

use x0_crypto::ContentId;
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    charter::{Charter, CharterDraft, NotNext},
    core::{
        command::AmendmentRefusal,
        vote::{VoteCommand, VoteRefusal},
    },
    wire::{Choice, VoteRules},
};

use super::world::World;

/// 72 h pass in 13 s, 24 h in 4.3 s.
const SCALE: u32 = 20_000;

fn founded() -> World {
    let mut world = World::fast_under(Charter::shipped(), 5, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

fn changed(from: &Charter, change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = from.text().clone();
    change(&mut draft);
    Charter::new(draft).unwrap()
}

/// Keeps everything for so many days, under the next number.
fn next(from: &Charter, days: u64) -> Charter {
    changed(from, |draft| {
        draft.number += 1;
        draft.metrics[0].retention_days = days;
    })
}

fn say(world: &mut World, at: usize, charter: &Charter) {
    world.recorded(at, Command::ProposeCharter(charter.clone()));
    world.pass(Millis(500));
}

fn propose(world: &mut World, at: usize, subject: ContentId, rules: VoteRules) -> ContentId {
    let command = VoteCommand::Propose {
        subject,
        text: "Amend the charter".parse().unwrap(),
        rules,
        sealed: false,
    };
    let Ok(Reply::Voted(id)) = world.command(at, Command::Vote(command)) else {
        panic!("it was not proposed");
    };
    world.pass(Millis(1_500));
    id
}

fn vote(world: &mut World, at: &[usize], proposal: ContentId, choice: Choice) {
    for at in at {
        let cast = VoteCommand::Cast { proposal, choice };
        world.command(*at, Command::Vote(cast)).unwrap();
    }
}

#[track_caller]
fn in_force(world: &World, nodes: impl IntoIterator<Item = usize>, charter: &Charter) {
    for at in nodes {
        assert_eq!(world.peer(at).charter(), Some(charter), "node {at}");
    }
}

#[test]
fn a_mesh_runs_under_the_charter_of_its_genesis_and_so_do_newcomers() {
    let mut world = founded();
    let newcomer = world.join(0, 60);

    in_force(&world, 0..5, &Charter::shipped());
    in_force(&world, [newcomer], &Charter::shipped());
    let Ok(Reply::Status(status)) = world.command(2, Command::Status) else {
        panic!("no status");
    };
    assert_eq!(status.charter, Some(Charter::shipped()));
}

#[test]
fn an_amendment_holds_at_every_node_once_its_vote_is_heeded_after_restarts_and_for_who_comes_later()
{
    let (mut world, old) = (founded(), Charter::shipped());
    let new = next(&old, 14);
    say(&mut world, 1, &new);
    in_force(&world, 0..5, &old);
    let id = propose(&mut world, 1, new.id(), VoteRules::ordinary());
    vote(&mut world, &[0, 1, 2], id, Choice::Yes);
    // The vote closes early or after 13 s of its window; until it is in effect nothing changes.
    world.pass(Millis::from_secs(1));
    in_force(&world, 0..5, &old);

    world.pass(Millis::from_secs(30));

    in_force(&world, 0..5, &new);
    for at in 0..5 {
        let is_told = |event: &Event| matches!(event, Event::Charter { number: 2, .. });
        assert!(world.heard(at, is_told), "node {at}");
    }
    world.crash(3);
    world.boot(3, false);
    in_force(&world, [3], &new);
    for at in [0, 1, 2, 4] {
        world.link(3, at);
    }
    world.settle();
    let newcomer = world.join(4, 60);
    world.pass(Millis::from_secs(5));
    in_force(&world, [newcomer], &new);

    // The next follows that one.
    let third = next(&new, 10);
    say(&mut world, 2, &third);
    let id = propose(&mut world, 2, third.id(), VoteRules::ordinary());
    vote(&mut world, &[0, 2, 3, 4], id, Choice::Yes);
    world.pass(Millis::from_secs(30));
    in_force(&world, 0..6, &third);
    world.crash(0);
    world.boot(0, false);
    in_force(&world, [0], &third);
}

#[test]
fn a_vote_on_an_amendment_shows_the_charter_that_it_would_put_in_force() {
    let (mut world, old) = (founded(), Charter::shipped());
    let new = next(&old, 14);
    say(&mut world, 1, &new);
    let amendment = propose(&mut world, 1, new.id(), VoteRules::ordinary());
    let something_else = ContentId::of(b"something else");
    let other = propose(&mut world, 1, something_else, VoteRules::ordinary());

    for at in 0..5 {
        let Ok(Reply::Votes(known)) = world.command(at, Command::Vote(VoteCommand::List)) else {
            panic!("no votes at node {at}");
        };
        let shown = |id| {
            let mut votes = known.votes.iter();
            let vote = votes.find(|vote| vote.proposal == id).unwrap();
            vote.amendment.clone()
        };
        assert_eq!(shown(amendment), Some(new.clone()), "node {at}");
        assert_eq!(shown(other), None, "node {at}");
    }
}

#[test]
fn without_a_vote_or_with_one_that_is_lost_nothing_changes() {
    let (mut world, old) = (founded(), Charter::shipped());
    let (unvoted, lost) = (next(&old, 14), next(&old, 300));
    say(&mut world, 0, &unvoted);
    say(&mut world, 1, &lost);
    let id = propose(&mut world, 1, lost.id(), VoteRules::ordinary());
    vote(&mut world, &[0, 2, 3], id, Choice::No);
    vote(&mut world, &[1], id, Choice::Yes);

    world.pass(Millis::from_secs(40));

    in_force(&world, 0..5, &old);
}

#[test]
fn a_vote_that_was_open_for_less_than_the_charter_asks_for_changes_nothing() {
    let (mut world, old) = (founded(), Charter::shipped());
    let new = next(&old, 14);
    say(&mut world, 0, &new);
    let short = VoteRules {
        kind: x0_protocol::spine::ballot::Kind::Ordinary {
            window: Millis::from_mins(24 * 60),
        },
        ..VoteRules::ordinary()
    };
    let id = propose(&mut world, 0, new.id(), short);
    vote(&mut world, &[0, 1, 2, 3], id, Choice::Yes);

    world.pass(Millis::from_secs(40));

    in_force(&world, 0..5, &old);
}

#[test]
fn of_two_amendments_with_one_number_the_one_decided_first_holds_everywhere() {
    let (mut world, old) = (founded(), Charter::shipped());
    let (first, second) = (next(&old, 14), next(&old, 15));
    // A node that hears of the second only, and of the first later.
    say(&mut world, 0, &second);
    say(&mut world, 0, &first);
    let one = propose(&mut world, 0, first.id(), VoteRules::ordinary());
    vote(&mut world, &[0, 1, 2, 3, 4], one, Choice::Yes);
    world.pass(Millis::from_secs(2));
    let other = propose(&mut world, 1, second.id(), VoteRules::ordinary());
    vote(&mut world, &[0, 1, 2, 3, 4], other, Choice::Yes);

    world.pass(Millis::from_secs(60));

    in_force(&world, 0..5, &first);
    world.crash(2);
    world.boot(2, false);
    in_force(&world, [2], &first);
}

#[test]
fn what_cannot_follow_is_not_even_proposed() {
    let (mut world, old) = (founded(), Charter::shipped());
    let skips = changed(&old, |draft| draft.number = 3);
    let same = changed(&old, |draft| draft.metrics[0].retention_days = 14);
    for charter in [skips, same] {
        let found = charter.number();
        let refused = world
            .command(0, Command::ProposeCharter(charter))
            .unwrap_err();
        let expected = AmendmentRefusal::NotNext(NotNext::Number { found, of: 1 });
        assert_eq!(refused, CommandError::Amendment(expected));
    }
    let mut bare = World::fast(4, SCALE);
    let refused = bare
        .command(0, Command::ProposeCharter(next(&old, 14)))
        .unwrap_err();
    assert_eq!(
        refused,
        CommandError::Amendment(AmendmentRefusal::NoCharter)
    );
    let mut small = World::fast_under(old.clone(), 2, SCALE);
    let refused = small
        .command(0, Command::ProposeCharter(next(&old, 14)))
        .unwrap_err();
    assert_eq!(refused, CommandError::Vote(VoteRefusal::NoCommittee));
}
