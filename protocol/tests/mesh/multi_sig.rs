//! Acts that need the approvals of a drawn panel: who is on it, how many must approve, and what passes for an approval
//! at no target.

use x0_crypto::{ContentId, capability::Capability};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    anti_meave::{
        CosignPolicy,
        consents::{Answer, ConsentView},
        proposals::{ProposalView, Stage},
        warrants::{Proven, Question},
    },
    core::{command::Aim, reject::ActRefusal},
    spine::committee::panel::NoPanel,
    wire::{Act, Body, Draft, MultiSig, Role, Said, Statement, Targets, Warrants, Word},
};

use super::world::{World, identity, set_links, token};

const LIFE: Millis = Millis::from_mins(10);
/// The agent of these tests.
const AGENT: usize = 2;
/// The one target of small acts.
const TARGET: usize = 5;
const THREE_OF_FIVE: MultiSig = MultiSig { k: 3, n: 5 };

/// Founds a mesh whose persons are asked, once its committee has keys.
fn founded(founders: u8) -> World {
    let mut world = World::with_seats(founders, 4);
    world.pass(Millis::from_secs(20));
    let all: Vec<_> = (0..usize::from(founders)).collect();
    world.reboot_with(&all, CosignPolicy::Ask);
    world
}

fn asks(world: &World, caveats: &[&str], value: u64, targets: Aim) -> Command {
    let root = identity(1);
    let caveats: Vec<_> = caveats.iter().map(|it| it.parse().unwrap()).collect();
    Command::Propose {
        change: set_links(value),
        targets,
        token: token(&root, world.key(AGENT), &caveats),
        root: root.capability_root().public(),
        life: LIFE,
    }
}

fn propose(world: &mut World, caveats: &[&str], value: u64, targets: Aim) -> ContentId {
    let command = asks(world, caveats, value, targets);
    match world.command(AGENT, command) {
        Ok(Reply::Proposed(act)) => {
            world.pass(Millis::from_secs(10));
            act
        }
        other => panic!("not proposed: {other:?}"),
    }
}

fn one(world: &World) -> Aim {
    Aim::At(Targets::Nodes(vec![world.key(TARGET)]))
}

fn proposal(world: &mut World, act: ContentId) -> ProposalView {
    match world.command(AGENT, Command::Proposals) {
        Ok(Reply::Proposals(all)) => all.into_iter().find(|own| own.act == act).unwrap(),
        other => panic!("no proposals: {other:?}"),
    }
}

fn asked(world: &mut World, at: usize) -> Vec<ConsentView> {
    match world.command(at, Command::Consents) {
        Ok(Reply::Consents(asked)) => asked,
        other => panic!("no consents: {other:?}"),
    }
}

fn answer(world: &mut World, at: usize, act: ContentId, approve: bool) {
    world
        .command(at, Command::Cosign { act, approve })
        .unwrap_or_else(|why| panic!("node {at}: {why}"));
    world.pass(Millis::from_secs(3));
}

fn panel(world: &mut World, act: ContentId) -> Vec<usize> {
    let panel = proposal(world, act).panel;
    panel.iter().map(|key| world.at(key).unwrap()).collect()
}

/// Runs an act with three approvals, and returns it as it was written.
fn approved_by_three(world: &mut World) -> Act {
    let targets = one(world);
    let act = propose(world, &["requires_multi_sig=3-of-5"], 5, targets);
    for at in panel(world, act).into_iter().take(3) {
        answer(world, at, act, true);
    }
    world.pass(Millis::from_secs(5));
    let Stage::Written(Some(record)) = proposal(world, act).stage else {
        panic!("not written: {:?}", proposal(world, act).stage);
    };
    let Body::Act(act) = world.nodes[AGENT].disk.records[&record].value().body() else {
        panic!("an act was written");
    };
    act.clone()
}

/// Asks the target's rule about an act with these warrants, under its token or another.
fn judged(
    world: &World,
    act: &Act,
    warrants: &Warrants,
    capability: Option<&Capability>,
) -> Result<(), String> {
    let agent = world.key(AGENT);
    let question = Question {
        mesh: world.peer(TARGET).directory().mesh(),
        act: act.digest(&agent),
        matter: act.matter(&agent),
        agent,
        warrants: warrants.clone(),
        keys: world.first_keys(0),
        vote_keys: None,
    };
    let proven: Proven = question.check()?;
    let own = act.token.verify(&act.root).unwrap();
    let capability = capability.unwrap_or(&own);
    let directory = world.peer(TARGET).directory();
    let time = proven.ticket().time;
    let signed = proven.suffices(directory, (act, &agent), capability, time);
    signed.map(|_| ()).map_err(|refusal| refusal.to_string())
}

fn is_approval(said: &Said) -> bool {
    matches!(said.word, Word::Sign { .. })
}

#[test]
fn three_of_five_approve_one_refuses_one_is_silent_and_the_act_runs() {
    let mut world = founded(10);
    let targets = one(&world);
    let act = propose(&mut world, &["requires_multi_sig=3-of-5"], 5, targets);
    let on_panel = panel(&mut world, act);
    assert_eq!(on_panel.len(), 5);
    assert!(!on_panel.contains(&AGENT), "the agent approves nothing");
    let seats = world.genesis_body().seats.clone();
    let agent = world.key(AGENT);
    for seat in seats.iter().filter(|seat| **seat != agent) {
        let seat = world.at(seat).unwrap();
        assert!(on_panel.contains(&seat), "seats are drawn first");
    }
    for at in 0..10 {
        let asked = asked(&mut world, at);
        let waiting: Vec<_> = asked.iter().filter(|it| it.role.is_persons()).collect();
        assert_eq!(waiting.len(), usize::from(on_panel.contains(&at)));
        for asked in waiting {
            assert_eq!(
                (asked.role, &asked.answer),
                (Role::Signatory, &Answer::Waiting)
            );
            assert_eq!(asked.panel(), Some(THREE_OF_FIVE));
            assert!(asked.difference.contains("8 -> 5 links"));
        }
    }

    answer(&mut world, on_panel[0], act, true);
    answer(&mut world, on_panel[1], act, false);
    answer(&mut world, on_panel[2], act, true);
    let own = proposal(&mut world, act);
    assert!(
        own.stage.to_string().contains("2 of 3 approvals"),
        "{}",
        own.stage
    );
    assert_eq!(world.links_target(TARGET), 8, "two are not enough");
    answer(&mut world, on_panel[3], act, true);
    world.pass(Millis::from_secs(5));

    let own = proposal(&mut world, act);
    assert!(
        matches!(own.stage, Stage::Written(Some(_))),
        "{}",
        own.stage
    );
    assert_eq!(world.links_target(TARGET), 5);
    let Ok(Reply::Acts(acts)) = world.command(TARGET, Command::Acts) else {
        panic!("no acts");
    };
    assert_eq!(acts[0].approvals, Some((3, THREE_OF_FIVE)));
}

#[test]
fn three_refusals_of_five_end_an_act_and_another_try_draws_no_other_panel() {
    let mut world = founded(10);
    let targets = one(&world);
    let caveats = ["requires_multi_sig=3-of-5"];
    let act = propose(&mut world, &caveats, 5, targets);
    let on_panel = panel(&mut world, act);
    for at in &on_panel[..2] {
        answer(&mut world, *at, act, true);
    }
    for at in &on_panel[2..] {
        answer(&mut world, *at, act, false);
    }

    let own = proposal(&mut world, act);
    let Stage::Failed(why) = own.stage else {
        panic!("it goes on: {}", own.stage);
    };
    assert!(why.contains("3 of 5 signatories refused it"), "{why}");
    let targets = one(&world);
    let again = propose(&mut world, &caveats, 5, targets);
    let Stage::Failed(why) = proposal(&mut world, again).stage else {
        panic!("a second panel was drawn");
    };
    assert!(why.contains("next draw is in"), "{why}");
    assert_eq!(world.links_target(TARGET), 8);
}

#[test]
fn three_silent_of_five_leave_an_act_to_its_time() {
    let mut world = founded(10);
    let targets = one(&world);
    let act = propose(&mut world, &["requires_multi_sig=3-of-5"], 5, targets);
    for at in panel(&mut world, act).into_iter().take(2) {
        answer(&mut world, at, act, true);
    }
    world.pass(LIFE);

    let Stage::Failed(why) = proposal(&mut world, act).stage else {
        panic!("it does not end");
    };
    assert!(
        why.contains("its time is over") && why.contains("2 of 3 approvals"),
        "{why}"
    );
    assert_eq!(world.links_target(TARGET), 8);
}

#[test]
fn a_mass_action_needs_its_co_signers_beside_the_panel_and_nobody_is_both() {
    let mut world = World::with_seats(14, 4);
    world.pass(Millis::from_secs(20));
    let act = propose(
        &mut world,
        &["requires_multi_sig=3-of-5"],
        5,
        Aim::At(Targets::All),
    );
    world.pass(Millis::from_secs(10));

    let own = proposal(&mut world, act);
    assert!(
        matches!(own.stage, Stage::Written(Some(_))),
        "{}",
        own.stage
    );
    assert_eq!((own.drawn.len(), own.panel.len()), (7, 5));
    let both = own.drawn.iter().find(|key| own.panel.contains(key));
    assert_eq!(both, None);
    for at in 0..14 {
        assert_eq!(world.links_target(at), 5, "node {at}");
    }
}

#[test]
fn what_no_panel_can_satisfy_is_refused_before_it_is_sent() {
    let mut world = World::with_seats(8, 4);
    world.pass(Millis::from_secs(20));
    let whole = || Aim::At(Targets::All);
    let refused = |world: &mut World, caveats: &[&str], targets| {
        let command = asks(world, caveats, 5, targets);
        match world.command(AGENT, command) {
            Err(CommandError::Act(ActRefusal::NoPanel(why))) => why,
            other => panic!("{other:?}"),
        }
    };
    let small = one(&world);
    let two = ["requires_multi_sig=2-of-3", "requires_multi_sig=3-of-5"];
    assert_eq!(
        refused(&mut world, &two, small.clone()),
        NoPanel::TwoSizes(3, 5)
    );
    let large = ["requires_multi_sig=3-of-30"];
    assert_eq!(
        refused(&mut world, &large, small.clone()),
        NoPanel::TooLarge(30)
    );
    let eight = ["requires_multi_sig=1-of-8"];
    assert!(matches!(
        refused(&mut world, &eight, small),
        NoPanel::TooFew { room: 7, .. }
    ));
    // Seven co-signers leave nobody for a panel, and are not fewer because of one.
    let one_of_one = ["requires_multi_sig=1-of-1"];
    assert!(matches!(
        refused(&mut world, &one_of_one, whole()),
        NoPanel::TooFew {
            wanted: 8,
            room: 7,
            ..
        }
    ));
}

#[test]
fn any_three_of_the_panel_and_nothing_less_suffice_at_a_target() {
    let mut world = founded(10);
    let act = approved_by_three(&mut world);
    let warrants = Warrants::of(&act).unwrap();
    assert_eq!(judged(&world, &act, &warrants, None), Ok(()));
    let Statement::Ticket(ticket) = warrants.ticket.unwrap().statement else {
        panic!("a ticket is a ticket");
    };
    let mesh = world.peer(TARGET).directory().mesh();
    let digest = act.digest(&world.key(AGENT));
    let rest: Vec<_> = warrants
        .said
        .iter()
        .filter(|it| !is_approval(it))
        .copied()
        .collect();
    let sign = |world: &World, at: usize, act, word| {
        Said::sign(&mesh, act, word, &world.nodes[at].identity)
    };
    let with = |said: Vec<Said>| Warrants {
        said: rest.iter().copied().chain(said).collect(),
        ..warrants.clone()
    };
    let good = Word::Sign {
        ticket: ticket.name(),
    };
    let on_panel = panel(&mut world, digest);
    let others: Vec<_> = (0..10).filter(|at| !on_panel.contains(at)).collect();

    // Every choice of the panel, whoever else approves beside it.
    for chosen in 0_u8..32 {
        let of_panel = (0..5)
            .filter(|bit| chosen >> bit & 1 == 1)
            .map(|bit| on_panel[bit]);
        let approving = of_panel.chain(others.iter().copied());
        let said = approving.map(|at| sign(&world, at, digest, good)).collect();
        let found = judged(&world, &act, &with(said), None);
        let count = chosen.count_ones();
        match count >= 3 {
            true => assert_eq!(found, Ok(()), "{chosen:05b}"),
            false => {
                let why = found.unwrap_err();
                let words = format!("{count} of 5 signatories approve");
                assert!(why.contains(&words), "{chosen:05b}: {why}");
            }
        }
    }

    // Two who approve, and a third word that is none.
    let two: Vec<_> = on_panel[..2]
        .iter()
        .map(|at| sign(&world, *at, digest, good))
        .collect();
    let third = on_panel[2];
    let mut forged = sign(&world, AGENT, digest, good);
    forged.by = world.key(third);
    let elsewhere = Word::Sign {
        ticket: ContentId::of(b"another ticket"),
    };
    let ticket = ticket.name();
    for (what, word, expected) in [
        ("the same again", two[0], "2 of 5"),
        (
            "another ticket",
            sign(&world, third, digest, elsewhere),
            "2 of 5",
        ),
        (
            "a co-signature",
            sign(&world, third, digest, Word::Cosign),
            "2 of 5",
        ),
        (
            "an agreement",
            sign(&world, third, digest, Word::Agree),
            "2 of 5",
        ),
        (
            "a refusal",
            sign(&world, third, digest, Word::Decline { ticket }),
            "2 of 5",
        ),
        (
            "another act",
            sign(&world, third, ContentId::of(b"x"), good),
            "speaks of another act",
        ),
        ("the agent's hand", forged, "does not hold"),
    ] {
        let said = two.iter().copied().chain([word]).collect();
        let why = judged(&world, &act, &with(said), None).unwrap_err();
        assert!(why.contains(expected), "{what}: {why}");
    }

    // The same approvals under tokens that ask for another panel.
    for other in ["2-of-3", "4-of-5", "3-of-6"] {
        let caveat = format!("requires_multi_sig={other}").parse().unwrap();
        let token = token(&identity(1), world.key(AGENT), &[caveat]);
        let capability = token.verify(&act.root).unwrap();
        let why = judged(&world, &act, &warrants, Some(&capability)).unwrap_err();
        assert!(why.contains(other), "{other}: {why}");
    }
}

#[test]
fn a_panel_is_drawn_the_same_by_anybody_and_takes_no_other_places() {
    let mut world = founded(10);
    let act = approved_by_three(&mut world);
    let warrants = Warrants::of(&act).unwrap();
    let draw = warrants.draw.clone().unwrap();
    let drawn = draw.panel.clone().unwrap();
    assert!(
        !drawn.members.is_empty(),
        "four seats make no panel of five"
    );
    let altered = |panel| {
        let mut draw = draw.clone();
        draw.panel = panel;
        let warrants = Warrants {
            draw: Some(draw),
            ..warrants.clone()
        };
        judged(&world, &act, &warrants, None).unwrap_err()
    };
    assert!(altered(None).contains("another number of signatories"));
    for at in 0..drawn.seats.len() {
        let mut left_out = drawn.clone();
        left_out.seats.remove(at);
        assert!(
            altered(Some(left_out)).contains("other places"),
            "seat {at}"
        );
    }
    let mut turned = drawn.clone();
    turned.seats.reverse();
    assert!(altered(Some(turned)).contains("other places"));
    let mut fewer = drawn.clone();
    fewer.members.pop();
    assert!(altered(Some(fewer)).contains("another number of signatories"));
    let mut more = drawn.clone();
    more.members.push(drawn.members[0].clone());
    assert!(altered(Some(more)).contains("another number of signatories"));
    let mut posing = drawn.clone();
    posing.seats[0].elector.key = identity(77).public();
    assert!(altered(Some(posing)).contains("does not stand"));
}

#[test]
fn a_target_itself_refuses_an_act_sent_past_its_own_node_with_an_approval_missing() {
    let mut world = founded(10);
    // The target as it is before it knows of the act.
    let before = world.nodes[TARGET].disk.clone();
    let act = approved_by_three(&mut world);
    assert_eq!(world.links_target(TARGET), 5);
    let mut warrants = Warrants::of(&act).unwrap();
    let last = warrants.said.iter().rposition(is_approval).unwrap();
    warrants.said.remove(last);
    let agent = identity(u8::try_from(AGENT + 1).unwrap());
    let mesh = Some(world.genesis.value().id());
    let wall = world.now().wall;
    let write = |act: Act, place| {
        let draft = Draft::new(mesh, agent.public(), place, wall, [7; 16], Body::Act(act));
        draft.sign(&agent).unwrap()
    };
    let bare = write(
        Act {
            warrants: warrants.to_wire(),
            ..act.clone()
        },
        (0, None),
    );
    let whole = write(act, (1, Some(bare.value().id())));
    world.crash(TARGET);
    for at in 0..10 {
        if at != TARGET && at != AGENT {
            world.crash(at);
        }
    }
    world.crash(AGENT);
    world.nodes[TARGET].disk = before;
    world.nodes[TARGET].events.clear();
    world.boot(TARGET, true);

    world.gossip(AGENT, TARGET, &bare);
    let refused = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("2 of 5 signatories approve"));
    assert!(
        world.heard(TARGET, refused),
        "{:?}",
        world.nodes[TARGET].events
    );
    assert_eq!(world.links_target(TARGET), 8);

    world.gossip(AGENT, TARGET, &whole);
    assert_eq!(
        world.links_target(TARGET),
        5,
        "{:?}",
        world.nodes[TARGET].events
    );
}
