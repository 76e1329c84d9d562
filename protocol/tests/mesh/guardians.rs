//! A guardian's life: members are invited to serve and answer, and guardians try what they keep and say so.

use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::{
        limits::DRILL_EVERY,
        sublime::{DrillFault, GuardiansView, SublimeCommand, SublimeRefusal, TriedShare},
    },
    wire::{Body, Draft, Drilled, Reason, Record, Request, SublimeAsk, SublimeBody, Verified},
};

use super::{
    sublime::{OWNER, ask, founded, put, shown},
    votes::SCALE,
    world::World,
};

/// Does not serve in the world that items are put in; it is the owner there.
const INVITED: usize = OWNER;
const INVITER: usize = 2;

fn invite(world: &mut World, at: usize, member: usize) -> Result<Reply, CommandError> {
    let member = world.key(member);
    let why: Reason = "it takes three".parse().unwrap();
    ask(world, at, SublimeCommand::Invite { member, why })
}

fn refusal(answer: Result<Reply, CommandError>) -> SublimeRefusal {
    match answer {
        Err(CommandError::Sublime(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn guardians(world: &mut World, at: usize) -> GuardiansView {
    match ask(world, at, SublimeCommand::Guardians) {
        Ok(Reply::Guardians(view)) => *view,
        other => panic!("nothing shown: {other:?}"),
    }
}

fn answer_seen(world: &mut World, at: usize) -> Option<bool> {
    let made = guardians(world, at).made;
    let [one] = made.as_slice() else {
        panic!("not one: {made:?}");
    };
    one.serves
}

#[test]
fn an_invited_member_that_accepts_serves_and_all_who_asked_it_hear_so() {
    let mut world = founded();
    for at in [INVITER, 3] {
        invite(&mut world, at, INVITED).unwrap();
    }
    assert!(world.heard(INVITED, |event| matches!(event, Event::Invited { .. })));
    let came = guardians(&mut world, INVITED).received;
    assert_eq!(came.len(), 2);
    assert!(
        came.iter()
            .all(|came| came.why.as_str() == "it takes three")
    );
    assert_eq!(answer_seen(&mut world, INVITER), None);
    assert!(!shown(&mut world, INVITED).serves, "it has not answered");

    let by = Some(world.key(INVITER));
    world.recorded(INVITED, Command::Sublime(SublimeCommand::Accept(by)));
    world.settle();

    assert!(shown(&mut world, INVITED).serves);
    for at in [INVITER, 3] {
        assert_eq!(answer_seen(&mut world, at), Some(true));
        let answered = |event: &Event| matches!(event, Event::InviteAnswered { serves: true, .. });
        assert!(world.heard(at, answered));
    }
    let view = guardians(&mut world, 4);
    assert_eq!(view.serving.len(), 6, "its record tells everybody");
    assert!(view.made.is_empty() && view.received.is_empty());
    let again = ask(&mut world, INVITED, SublimeCommand::Accept(None));
    assert_eq!(refusal(again), SublimeRefusal::NoInvitation);
    let serving = refusal(invite(&mut world, INVITER, INVITED));
    assert_eq!(serving, SublimeRefusal::ServesAlready(world.key(INVITED)));
}

#[test]
fn a_member_that_declines_is_not_asked_again_by_the_same() {
    let mut world = founded();
    invite(&mut world, INVITER, INVITED).unwrap();
    let by = world.key(INVITER);

    let answer = ask(&mut world, INVITED, SublimeCommand::Decline(by));

    assert!(matches!(answer, Ok(Reply::Done)));
    assert_eq!(answer_seen(&mut world, INVITER), Some(false));
    assert!(!shown(&mut world, INVITED).serves);
    let again = ask(&mut world, INVITED, SublimeCommand::Decline(by));
    assert_eq!(refusal(again), SublimeRefusal::NoInvitation);
    let invited = world.key(INVITED);
    let asked_again = refusal(invite(&mut world, INVITER, INVITED));
    assert_eq!(asked_again, SublimeRefusal::Declined(invited));
    // A node that does not hold itself to it is refused by the other.
    let why: Reason = "please".parse().unwrap();
    let insists = Request::Sublime(Box::new(SublimeAsk::Invite { why }));
    world.ask_as(INVITER, INVITED, insists);
    world.settle();
    assert_eq!(
        guardians(&mut world, INVITED).received[0].serves,
        Some(false)
    );
    invite(&mut world, 3, INVITED).unwrap();
}

#[test]
fn nobody_invites_itself_a_stranger_or_the_same_member_twice() {
    let mut world = founded();
    invite(&mut world, INVITER, INVITED).unwrap();

    let twice = refusal(invite(&mut world, INVITER, INVITED));
    assert_eq!(twice, SublimeRefusal::InvitedAlready(world.key(INVITED)));
    let itself = refusal(invite(&mut world, INVITER, INVITER));
    assert_eq!(itself, SublimeRefusal::NotInvitable(world.key(INVITER)));
    let stranger = x0_crypto::Identity::from_seed(zeroize::Zeroizing::new([77; 32])).public();
    let why: Reason = "".parse().unwrap();
    let invite = SublimeCommand::Invite {
        member: stranger,
        why,
    };
    let answer = refusal(ask(&mut world, INVITER, invite));
    assert_eq!(answer, SublimeRefusal::NotInvitable(stranger));
}

#[test]
fn who_is_away_is_not_invited_and_an_answer_reaches_an_inviter_that_was_away() {
    let mut world = founded();
    world.crash(INVITED);
    let away = refusal(invite(&mut world, INVITER, INVITED));
    assert_eq!(away, SublimeRefusal::NotReached(world.key(INVITED)));
    assert!(guardians(&mut world, INVITER).made.is_empty());
    world.boot_linked(INVITED);
    world.pass(Millis::from_secs(10));
    invite(&mut world, INVITER, INVITED).unwrap();

    // Both nodes are started anew before the inviter hears the answer.
    world.crash(INVITER);
    let by = world.key(INVITER);
    let declined = ask(&mut world, INVITED, SublimeCommand::Decline(by));
    assert!(matches!(declined, Ok(Reply::Done)));
    world.crash(INVITED);
    world.boot_linked(INVITED);
    world.boot_linked(INVITER);
    world.pass(Millis::from_secs(10));

    assert_eq!(answer_seen(&mut world, INVITER), Some(false));
    let came = guardians(&mut world, INVITED).received;
    assert!(came[0].is_told, "it is told once: {came:?}");
}

#[test]
fn an_answer_to_what_nobody_asked_is_not_kept() {
    let mut world = founded();
    let unasked = Request::Sublime(Box::new(SublimeAsk::Invited { serves: true }));
    world.ask_as(INVITED, INVITER, unasked);
    world.settle();

    assert!(guardians(&mut world, INVITER).made.is_empty());
    let answered = |event: &Event| matches!(event, Event::InviteAnswered { .. });
    assert!(!world.heard(INVITER, answered));
}

fn drilled(world: &mut World, at: usize) -> Vec<TriedShare> {
    match ask(world, at, SublimeCommand::Drill) {
        Ok(Reply::Tried(tried)) => tried,
        other => panic!("nothing tried: {other:?}"),
    }
}

fn found(tried: &[TriedShare]) -> Vec<Result<(), DrillFault>> {
    tried.iter().map(|share| share.found).collect()
}

#[test]
fn a_drill_opens_every_share_and_finds_out_those_that_would_fail() {
    let mut world = founded();
    let items = [put(&mut world, 1), put(&mut world, 2), put(&mut world, 3)];
    let tried = drilled(&mut world, INVITER);
    assert_eq!(found(&tried), [Ok(()); 3]);
    let mut keys = items.each_ref().map(|put| put.key);
    keys.sort();
    assert_eq!(
        tried.iter().map(|share| share.key).collect::<Vec<_>>(),
        keys
    );
    assert!(drilled(&mut world, OWNER).is_empty(), "it keeps none");

    // One is damaged on the disk, and of one the number is changed, so that its key is none that is kept.
    world.crash(INVITER);
    let disk = &mut world.nodes[INVITER].disk;
    let shares = &mut disk.rest.sublime.shares;
    shares.sort_by_key(|share| share.item);
    shares[0].sealed[40] ^= 1;
    shares[1].index = match shares[1].index.number() {
        1 => x0_crypto::sublime::ShareIndex::new(2).unwrap(),
        _ => x0_crypto::sublime::ShareIndex::new(1).unwrap(),
    };
    world.boot_linked(INVITER);
    world.pass(Millis::from_secs(10));

    let tried = drilled(&mut world, INVITER);

    assert_eq!(
        found(&tried),
        [Err(DrillFault::Shut), Err(DrillFault::Shut), Ok(())]
    );
    assert_eq!(drilled(&mut world, 3).len(), 3, "others are not concerned");
}

#[test]
fn what_a_drill_found_is_told_once_a_day_and_known_to_all() {
    let mut world = founded();
    let told = |shares, good| {
        let said = Drilled { shares, good };
        SublimeCommand::TellDrill(said)
    };
    world.recorded(INVITER, Command::Sublime(told(3, 2)));
    world.settle();

    let soon = refusal(ask(&mut world, INVITER, told(3, 3)));
    assert_eq!(soon, SublimeRefusal::DrilledLately);
    let member = world.key(INVITER);
    let last = |world: &mut World, at: usize| {
        let serving = guardians(world, at).serving;
        let found = serving.into_iter().find(|(of, _)| *of == member);
        found.unwrap().1.map(|last| last.said)
    };
    for at in 0..6 {
        let said = last(&mut world, at);
        assert_eq!(said, Some(Drilled { shares: 3, good: 2 }), "node {at}");
    }
    world.pass(Millis(DRILL_EVERY.0 / u64::from(SCALE) + 1_000));
    world.recorded(INVITER, Command::Sublime(told(3, 3)));
    world.crash(4);
    world.boot_linked(4);
    world.pass(Millis::from_secs(10));
    for at in 0..6 {
        let said = last(&mut world, at);
        assert_eq!(said, Some(Drilled { shares: 3, good: 3 }), "node {at}");
    }
}

#[test]
fn a_member_that_tells_of_drills_all_day_is_heard_once() {
    let mut world = founded();
    let first = flood(&world, 0);
    let second = flood(&world, 1);
    for record in [&first, &second] {
        world.gossip(INVITER, 3, record);
    }

    let known = |world: &World, at: usize, record: &Verified<Record>| {
        world.peer(at).knows(&record.value().id())
    };
    assert!(known(&world, 3, &first) && known(&world, 4, &first));
    assert!(!known(&world, 3, &second) && !known(&world, 4, &second));
}

/// Writes a word about a drill past the end of the inviter's chain.
fn flood(world: &World, after: u64) -> Verified<Record> {
    let identity = &world.nodes[INVITER].identity;
    let mesh = world.genesis.value().id();
    let own = world.nodes[INVITER].disk.records.values();
    let own = own.filter(|record| record.value().author() == identity.public());
    let newest = own
        .max_by_key(|record| record.value().header().seq)
        .unwrap();
    let (seq, id) = (newest.value().header().seq, newest.value().id());
    let said = Drilled { shares: 1, good: 1 };
    let body = Body::Sublime(SublimeBody::Drilled(said));
    let place = (seq + 1 + after, Some(id));
    let time = world.now().wall;
    let draft = Draft::new(Some(mesh), identity.public(), place, time, [7; 16], body);
    draft.sign(identity).unwrap()
}
