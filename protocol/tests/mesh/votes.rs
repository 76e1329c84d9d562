//! Votes from the proposal to the end that every node knows, on a committee whose clock runs fast.

use x0_crypto::{ContentId, PublicKey, capability::Capability};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    anti_meave::warrants::Question,
    core::{
        command::Aim,
        reject::ActRefusal,
        vote::{VoteCommand, VoteRefusal, VoteView, VotesView},
    },
    spine::{
        ballot::{BallotBundle, BundleError, OwnStage, Recounted, Sums},
        committee::{
            Seats, State,
            panel::{NETWORK, NoPanel},
        },
    },
    wire::{
        Act, Ballot, Body, Choice, DelegationScope, JuryProof, NotPassed, Request, Statement,
        Targets, Vote, VoteAsk, VoteItem, VoteProof, VoteRules, Warrants, Word,
    },
};

use super::world::{START, World, identity, set_links, token};

/// 72 h pass in 13 s, 24 h in 4.3 s.
pub(crate) const SCALE: u32 = 20_000;

pub(crate) fn with_keys(founders: u8) -> World {
    let mut world = World::fast(founders, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

fn votes(world: &mut World, at: usize) -> VotesView {
    match world.command(at, Command::Vote(VoteCommand::List)) {
        Ok(Reply::Votes(votes)) => *votes,
        other => panic!("no votes: {other:?}"),
    }
}

pub(crate) fn vote(world: &mut World, at: usize, id: ContentId) -> VoteView {
    let all = votes(world, at).votes;
    let found = all.into_iter().find(|vote| vote.proposal == id);
    found.unwrap_or_else(|| panic!("node {at} does not know the vote"))
}

pub(crate) fn hand_in(world: &mut World, at: usize, command: VoteCommand) -> ContentId {
    match world.command(at, Command::Vote(command)) {
        Ok(Reply::Voted(id)) => id,
        other => panic!("not handed in: {other:?}"),
    }
}

pub(crate) fn propose(
    world: &mut World,
    at: usize,
    subject: ContentId,
    rules: VoteRules,
) -> ContentId {
    open(world, at, proposed(subject, rules))
}

pub(crate) fn proposed(subject: ContentId, rules: VoteRules) -> VoteCommand {
    VoteCommand::Propose {
        subject,
        text: "A proposal".parse().unwrap(),
        rules,
        sealed: false,
    }
}

pub(crate) fn open(world: &mut World, at: usize, command: VoteCommand) -> ContentId {
    let id = hand_in(world, at, command);
    world.pass(Millis(1_500));
    id
}

pub(crate) fn cast(world: &mut World, at: usize, proposal: ContentId, choice: Choice) -> ContentId {
    hand_in(world, at, VoteCommand::Cast { proposal, choice })
}

pub(crate) fn stage(world: &mut World, at: usize, id: ContentId) -> OwnStage {
    let own = votes(world, at).own;
    let found = own.into_iter().find(|(own, _)| *own == id);
    found.map(|(_, own)| own.stage).unwrap()
}

/// Lets the window, the count and the challenge time pass.
pub(crate) fn end(world: &mut World) {
    world.pass(Millis::from_secs(30));
}

#[test]
fn a_vote_is_counted_certified_and_known_to_all_and_any_node_counts_the_same() {
    let mut world = with_keys(5);
    let scope = DelegationScope::Standing;
    let delegate = Some(world.key(0));
    let said = hand_in(&mut world, 3, VoteCommand::Delegate { scope, delegate });
    world.pass(Millis(1_500));
    assert_eq!(stage(&mut world, 3, said), OwnStage::Taken);

    let id = propose(
        &mut world,
        4,
        ContentId::of(b"relay"),
        VoteRules::ordinary(),
    );
    let mut handed = Vec::new();
    for (at, choice) in [(0, Choice::Yes), (1, Choice::No)] {
        handed.push((at, cast(&mut world, at, id, choice)));
    }
    let again = VoteCommand::Cast {
        proposal: id,
        choice: Choice::No,
    };
    let refused = world.command(0, Command::Vote(again)).unwrap_err();
    assert_eq!(refused, VoteRefusal::AlreadyCast("yes").into());

    // A seat falls with what it holds, and is back before the close.
    world.pass(Millis(1_000));
    world.crash(2);
    world.pass(Millis(1_000));
    world.boot(2, false);
    for at in [0, 1, 3, 4] {
        world.link(2, at);
    }
    world.settle();
    world.pass(Millis(1_000));
    handed.push((2, cast(&mut world, 2, id, Choice::Abstain)));
    world.pass(Millis(1_500));
    for (at, ballot) in handed {
        assert_eq!(stage(&mut world, at, ballot), OwnStage::Taken, "node {at}");
    }

    end(&mut world);
    let sums = Sums {
        yes: 2,
        no: 1,
        abstain: 1,
        leaves: 4,
    };
    for at in 0..5 {
        let seen = vote(&mut world, at, id);
        assert_eq!(seen.tally.unwrap().tally.sums, sums, "node {at}");
        assert_eq!(seen.stage, "rejected", "node {at}: 2 of 4 are no majority");
        let found = world.command(at, Command::Vote(VoteCommand::Recount(id)));
        let Ok(Reply::Recounted(Recounted::Same(_))) = found else {
            panic!("node {at}: {found:?}");
        };
    }
    let late = VoteCommand::Cast {
        proposal: id,
        choice: Choice::Yes,
    };
    let refused = world.command(4, Command::Vote(late)).unwrap_err();
    assert_eq!(refused, VoteRefusal::Over(id).into());

    // What is certified is there again after a restart.
    world.crash(3);
    world.boot(3, false);
    assert_eq!(vote(&mut world, 3, id).stage, "rejected");
}

#[test]
fn two_ballots_with_one_number_count_for_nothing_whoever_saw_which() {
    let mut world = with_keys(4);
    let id = propose(&mut world, 0, ContentId::of(b"x"), VoteRules::ordinary());
    let mesh = world.peer(0).directory().mesh();
    for (seat, choice) in [(0, Choice::Yes), (1, Choice::No)] {
        let ballot = Ballot::sign(&mesh, &identity(4), id, 0, Vote::Open(choice));
        let item = VoteItem::Ballot(ballot.value().clone());
        let receipts = Vec::new();
        let ask = Request::Vote(Box::new(VoteAsk::Take { item, receipts }));
        world.ask_as(3, seat, ask);
    }
    for at in 0..2 {
        cast(&mut world, at, id, Choice::Yes);
    }
    end(&mut world);
    let seen = vote(&mut world, 2, id).tally.unwrap().tally.sums;
    assert_eq!((seen.yes, seen.no, seen.leaves), (2, 0, 3));
}

#[test]
fn a_vote_in_which_too_few_take_part_decides_nothing() {
    let mut world = with_keys(6);
    let id = propose(&mut world, 0, ContentId::of(b"x"), VoteRules::ordinary());
    cast(&mut world, 1, id, Choice::Yes);
    end(&mut world);
    assert_eq!(vote(&mut world, 5, id).stage, "no quorum");
    assert!(world.heard(
        5,
        |event| matches!(event, Event::Vote { what, .. } if what.contains("ended"))
    ));
}

#[test]
fn what_a_newcomer_says_of_juries_waits_until_it_counts() {
    let mut world = with_keys(5);
    let newcomer = world.join(1, 40);
    let said = hand_in(&mut world, newcomer, VoteCommand::OnCall { serves: true });
    world.pass(Millis(1_500));
    let stage = |world: &mut World| {
        let own = votes(world, newcomer).own;
        let own = own.into_iter().find(|(id, _)| *id == said);
        own.unwrap().1.stage
    };
    assert_eq!(stage(&mut world), OwnStage::Sending, "it is too new");
    // 30 days pass in 130 s; by then the node asks every other minute.
    world.pass(Millis::from_secs(260));
    assert_eq!(stage(&mut world), OwnStage::Taken);
}

#[test]
fn a_jury_drawn_from_those_on_call_decides_within_hours_and_its_ballots_are_proof() {
    let mut world = with_keys(5);
    for at in 0..4 {
        hand_in(&mut world, at, VoteCommand::OnCall { serves: true });
    }
    world.pass(Millis(1_500));
    let subject = ContentId::of(b"stop");
    // A day passes in 4 s: time enough for the draw and for ballots.
    let mut rules = VoteRules::emergency();
    rules.kind = x0_protocol::spine::ballot::Kind::Emergency {
        window: Millis::from_mins(24 * 60),
    };
    let id = propose(&mut world, 4, subject, rules);
    let opening = vote(&mut world, 4, id).opening.unwrap();
    assert_eq!(opening.jury.len(), 4, "all who are on call");
    let outsider = VoteCommand::Cast {
        proposal: id,
        choice: Choice::Yes,
    };
    let refused = world.command(4, Command::Vote(outsider)).unwrap_err();
    assert_eq!(refused, CommandError::Vote(VoteRefusal::NotAJuror(id)));
    for at in 0..3 {
        cast(&mut world, at, id, Choice::Yes);
    }
    end(&mut world);
    assert_eq!(vote(&mut world, 4, id).stage, "passed");

    let (mesh, keys) = (world.peer(0).directory().mesh(), world.first_keys(0));
    let yes = |seeds: core::ops::RangeInclusive<u8>| {
        let ballots = seeds.map(|seed| {
            let signed = Ballot::sign(&mesh, &identity(seed), id, 0, Vote::Open(Choice::Yes));
            signed.value().clone()
        });
        let mut ballots: Vec<_> = ballots.collect();
        ballots.sort_by_key(|ballot| ballot.voter);
        VoteProof::Jury(Box::new(JuryProof {
            drawn: opening.certificate,
            proposal: opening.proposal.clone(),
            jury: opening.jury.clone(),
            ballots,
        }))
    };
    let passed = yes(1..=3).check(&mesh, &keys, &subject).unwrap();
    assert_eq!((passed.proposal(), passed.is_emergency()), (id, true));
    assert!(matches!(
        yes(1..=2).check(&mesh, &keys, &subject),
        Err(NotPassed::Jury(_))
    ));
    let other = ContentId::of(b"go on");
    let wrong = yes(1..=3).check(&mesh, &keys, &other);
    assert!(matches!(wrong, Err(NotPassed::OtherSubject { .. })));
}

/// Founders of a mesh in which acts on the network level are possible: seven co-signers and a panel of five take
/// twelve members beside the agent.
const WIDE: u8 = 14;

/// Has node 0 propose an act on all nodes of such a mesh, and strangers besides: 103 nodes.
fn act(world: &mut World, value: u64) -> Result<Reply, CommandError> {
    let mut nodes: Vec<PublicKey> = (100..=188).map(|seed| identity(seed).public()).collect();
    nodes.extend((0..usize::from(WIDE)).map(|at| world.key(at)));
    let root = identity(1);
    let command = Command::Propose {
        change: set_links(value),
        targets: Aim::At(Targets::Nodes(nodes)),
        token: token(&root, world.key(0), &[]),
        root: root.capability_root().public(),
        life: Millis::from_mins(10),
    };
    world.command(0, command)
}

#[test]
fn a_vote_that_has_passed_counts_for_an_act_after_the_committee_was_handed_over() {
    let mut world = World::fast_with_seats(WIDE, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let Err(CommandError::Act(ActRefusal::NeedsVote { matter, .. })) = act(&mut world, 5) else {
        panic!("an act on 103 nodes was taken without a vote");
    };
    let id = propose(&mut world, 1, matter, VoteRules::ordinary());
    for at in 0..4 {
        cast(&mut world, at, id, Choice::Yes);
    }
    end(&mut world);
    assert_eq!(vote(&mut world, 0, id).stage, "passed");
    let voted = vote(&mut world, 0, id).resolved.unwrap();

    let seats = world.genesis_body().seats.clone();
    let (seated, free): (Vec<_>, Vec<_>) =
        (0..usize::from(WIDE)).partition(|at| seats.contains(&world.key(*at)));
    let command = Command::ProposeSeats {
        add: vec![world.key(free[0])],
        remove: vec![world.key(seated[3])],
    };
    let Ok(Reply::Plan(plan)) = world.command(seated[0], command) else {
        panic!("the change of seats was not proposed");
    };
    world.pass(Millis::from_secs(1));
    for at in &seated[1..3] {
        world.command(*at, Command::ApproveSeats(plan)).unwrap();
    }
    world.pass(Millis::from_secs(30));
    let Ok(Reply::Committee(view)) = world.command(free[1], Command::Committee) else {
        panic!("no committee");
    };
    assert!(view.epoch > Some(1), "{:?}", view.epoch);

    // It is there after a restart, and for who comes later; the ballots are counted again against the seats of then.
    world.crash(0);
    world.boot(0, false);
    for other in 1..usize::from(WIDE) {
        world.link(0, other);
    }
    world.settle();
    let newcomer = world.join(free[1], 60);
    world.pass(Millis::from_secs(10));
    for at in [0, newcomer] {
        let seen = vote(&mut world, at, id);
        assert_eq!(seen.resolved, Some(voted), "node {at}");
        let found = world.command(at, Command::Vote(VoteCommand::Recount(id)));
        let Ok(Reply::Recounted(Recounted::Same(_))) = found else {
            panic!("node {at}: {found:?}");
        };
    }
    // The keys of both epochs follow from the genesis.
    let checked = bundle(&mut world, newcomer, id).unwrap().check().unwrap();
    assert!(matches!(checked.found, Recounted::Same(_)));
    let proposed = act(&mut world, 5);
    assert!(matches!(proposed, Ok(Reply::Proposed(_))), "{proposed:?}");
    world.pass(Millis::from_secs(30));
    for at in 0..usize::from(WIDE) {
        assert_eq!(world.links_target(at), 5, "node {at}");
    }
}

pub(crate) fn bundle(
    world: &mut World,
    at: usize,
    id: ContentId,
) -> Result<BallotBundle, CommandError> {
    let reply = world.command(at, Command::Vote(VoteCommand::Bundle(id)))?;
    let Reply::Bundle(bundle) = reply else {
        panic!("no ballots: {reply:?}");
    };
    Ok(*bundle)
}

#[test]
fn who_has_counted_hands_the_ballots_on_and_a_file_of_them_needs_no_node() {
    let mut world = World::fast_with_seats(6, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let id = propose(&mut world, 1, ContentId::of(b"x"), VoteRules::ordinary());
    for (at, choice) in [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::No)] {
        cast(&mut world, at, id, choice);
    }
    end(&mut world);
    let seats = world.genesis_body().seats.clone();
    let (seated, others): (Vec<_>, Vec<_>) = (0..6).partition(|at| seats.contains(&world.key(*at)));
    let recount = Command::Vote(VoteCommand::Recount(id));
    let found = world.command(others[0], recount.clone());
    assert!(matches!(found, Ok(Reply::Recounted(Recounted::Same(_)))));
    for at in seated {
        world.crash(at);
    }
    world.settle();

    let found = world.command(others[1], recount);
    assert!(
        matches!(found, Ok(Reply::Recounted(Recounted::Same(_)))),
        "{found:?}"
    );
    let fetched = bundle(&mut world, others[1], id).unwrap();
    let read = BallotBundle::from_bytes(&fetched.to_bytes()).unwrap();
    assert_eq!(read, fetched);
    let checked = read.check().unwrap();
    assert_eq!(checked.mesh, world.genesis.value().id());
    assert!(matches!(checked.found, Recounted::Same(_)));

    let mut other_choice = fetched.clone();
    let leaf = &mut other_choice.leaves[0];
    leaf.counted = match leaf.counted == Some(Choice::Yes) {
        true => Some(Choice::No),
        false => Some(Choice::Yes),
    };
    let found = other_choice.check().unwrap().found;
    assert!(!matches!(found, Recounted::Same(_)), "{found:?}");
    let mut left_out = fetched.clone();
    left_out.leaves.pop();
    let found = left_out.check().unwrap().found;
    assert!(!matches!(found, Recounted::Same(_)), "{found:?}");
    let mut other_count = fetched.clone();
    if let Statement::Tally(stated) = &mut other_count.tally.statement {
        stated.tally.sums.yes += 1;
    }
    assert!(matches!(
        other_count.check(),
        Err(BundleError::NotCertified("count"))
    ));
    let mut without_keys = fetched;
    without_keys.records.pop();
    assert!(matches!(
        without_keys.check(),
        Err(BundleError::NotCertified("opening"))
    ));
}

#[test]
fn an_act_on_the_whole_network_takes_a_passed_vote_on_just_this() {
    let mut world = World::fast_with_seats(WIDE, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let Err(CommandError::Act(ActRefusal::NeedsVote { nodes, matter })) = act(&mut world, 5) else {
        panic!("an act on 103 nodes was taken without a vote");
    };
    assert_eq!(nodes, 103);
    let id = propose(&mut world, 1, matter, VoteRules::ordinary());
    for at in 0..3 {
        cast(&mut world, at, id, Choice::Yes);
    }
    end(&mut world);
    assert_eq!(vote(&mut world, 0, id).stage, "passed");

    assert!(matches!(
        act(&mut world, 6),
        Err(CommandError::Act(ActRefusal::NeedsVote { .. }))
    ));
    assert!(matches!(act(&mut world, 5), Ok(Reply::Proposed(_))));
    world.pass(Millis::from_secs(20));
    for at in 0..usize::from(WIDE) {
        assert_eq!(world.links_target(at), 5, "node {at}");
    }
    let acts = world.nodes[0].disk.records.values();
    let mut acts = acts.filter_map(|record| {
        let Body::Act(act) = record.value().body() else {
            return None;
        };
        Some(act.clone())
    });
    let written = acts.next().expect("the act was written");
    no_multi_signature_no_act(&world, &written);

    // What follows from the log, votes and tickets among it, is written down and read back as it was.
    let parameters = &world.genesis_body().parameters;
    let seats = Seats::new(world.genesis_body().seats.clone()).unwrap();
    let directory = world.peer(0).directory();
    let members = directory.first_members().clone();
    let seat = world.at(&seats.keys()[0]).unwrap();
    let mut state = State::new(directory.mesh(), &seats, parameters, START, members);
    for decided in &world.nodes[seat].disk.blocks {
        let block = &decided.block;
        let time = block.median().max(state.time() + Millis(1));
        state.apply(block, time);
    }
    assert!(state.polls().find(&id).is_some());
    let bytes = state.encode();
    let back = State::decode(&bytes).expect("what is written reads back");
    assert_eq!(back.encode(), bytes);
}

/// Has a target judge an act on the network level as it was written, without approvals, and under a narrowed token.
fn no_multi_signature_no_act(world: &World, act: &Act) {
    let agent = world.key(0);
    let own = act.token.verify(&act.root).unwrap();
    let judged = |warrants: &Warrants, capability: &Capability| {
        let directory = world.peer(3).directory();
        let question = Question {
            mesh: directory.mesh(),
            act: act.digest(&agent),
            matter: act.matter(&agent),
            agent,
            warrants: warrants.clone(),
            keys: world.first_keys(0),
            vote_keys: Some(world.first_keys(0)),
        };
        let proven = question.check().unwrap();
        let time = proven.ticket().time;
        proven.suffices(directory, (act, &agent), capability, time)
    };
    let mut warrants = Warrants::of(act).unwrap();
    let signed = judged(&warrants, &own).unwrap();
    assert!(matches!(signed.multi_sig, Some((3.., 5))), "{signed:?}");

    // Its holder narrows the token to what it could collect alone.
    let narrowed = act
        .token
        .attenuate(&["requires_multi_sig=1-of-1".parse().unwrap()]);
    let narrowed = narrowed.unwrap().verify(&act.root).unwrap();
    let refused = judged(&warrants, &narrowed).unwrap_err();
    assert!(matches!(refused, ActRefusal::NoPanel(NoPanel::TooWeak(_))));

    warrants
        .said
        .retain(|said| !matches!(said.word, Word::Sign { .. }));
    let refused = judged(&warrants, &own).unwrap_err();
    let none = ActRefusal::TooFewApprove {
        approved: 0,
        panel: NETWORK,
    };
    assert_eq!(refused, none, "a vote is no multi-signature");
}
