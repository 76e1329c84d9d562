//! Own acts on their way when their agent's node is killed: the same act goes on, or ends with a reason.

use x0_crypto::ContentId;
use x0_protocol::{
    Command, Event, Millis, Reply,
    anti_meave::{
        CosignPolicy,
        proposals::{ProposalView, Stage},
    },
    core::command::Aim,
    wire::{Body, Targets},
};

use super::world::{World, identity, set_links, token};

/// The node whose agent asks.
const AGENT: usize = 2;
const LIFE: Millis = Millis::from_mins(10);

fn link_all(world: &mut World, nodes: &[usize]) {
    let count = world.nodes.len();
    for one in nodes {
        for other in (0..count).filter(|other| other != one) {
            world.link(*one, other);
        }
    }
    world.settle();
}

/// A mesh of eight with keys; persons co-sign when they are asked to.
fn asking() -> World {
    let mut world = World::founded(8);
    for node in &mut world.nodes {
        node.cosign = CosignPolicy::Ask;
    }
    for at in 0..8 {
        world.crash(at);
        world.boot(at, false);
    }
    link_all(&mut world, &[0, 1, 2, 3, 4, 5, 6, 7]);
    world.pass(Millis::from_secs(30));
    world
}

fn restart(world: &mut World) {
    world.crash(AGENT);
    world.boot(AGENT, false);
    link_all(world, &[AGENT]);
}

fn propose(world: &mut World, targets: Aim, life: Millis) -> ContentId {
    let root = identity(1);
    let command = Command::Propose {
        change: set_links(5),
        targets,
        token: token(&root, world.key(AGENT), &[]),
        root: root.capability_root().public(),
        life,
    };
    match world.command(AGENT, command) {
        Ok(Reply::Proposed(act)) => act,
        other => panic!("not proposed: {other:?}"),
    }
}

fn proposals(world: &mut World) -> Vec<ProposalView> {
    match world.command(AGENT, Command::Proposals) {
        Ok(Reply::Proposals(all)) => all,
        other => panic!("no proposals: {other:?}"),
    }
}

fn only(world: &mut World) -> ProposalView {
    let mut all = proposals(world);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Lets every drawn person say yes.
fn cosign(world: &mut World, act: ContentId) {
    for at in (0..8).filter(|at| *at != AGENT) {
        let yes = Command::Cosign { act, approve: true };
        // Who was not drawn has nothing to say.
        world.command(at, yes).ok();
    }
}

fn acts_of_agent(world: &World) -> usize {
    let agent = world.key(AGENT);
    let records = world.nodes[0].disk.records.values();
    let acts = records.filter(|record| {
        let record = record.value();
        record.author() == agent && matches!(record.body(), Body::Act(_))
    });
    acts.count()
}

#[test]
fn an_act_goes_on_with_the_same_draw_after_its_node_was_killed() {
    let mut world = asking();
    let act = propose(&mut world, Aim::At(Targets::All), LIFE);
    world.pass(Millis::from_secs(10));
    let before = only(&mut world);
    assert!(
        matches!(before.stage, Stage::Collecting { .. }),
        "{before:?}"
    );
    assert!(!before.drawn.is_empty());

    restart(&mut world);
    world.pass(Millis::from_secs(10));

    let after = only(&mut world);
    assert_eq!((after.act, after.since), (act, before.since));
    assert_eq!(after.drawn, before.drawn, "nobody else is drawn");
    cosign(&mut world, act);
    world.pass(Millis::from_secs(15));
    let end = only(&mut world);
    assert!(matches!(end.stage, Stage::Written(Some(_))), "{end:?}");
    assert_eq!(acts_of_agent(&world), 1);
    for at in 0..8 {
        assert_eq!(world.links_target(at), 5, "node {at}");
    }
}

#[test]
fn an_act_whose_node_was_killed_right_after_the_answer_is_asked_for_after_all() {
    let mut world = asking();
    let target = Aim::At(Targets::Nodes(vec![world.key(5)]));
    let act = propose(&mut world, target, LIFE);

    restart(&mut world);
    world.pass(Millis::from_secs(20));

    let end = only(&mut world);
    assert_eq!(end.act, act);
    assert!(matches!(end.stage, Stage::Written(Some(_))), "{end:?}");
    assert_eq!(world.links_target(5), 5);
}

#[test]
fn an_act_whose_time_ran_out_while_its_node_was_down_ends_with_the_reason() {
    let mut world = asking();
    propose(&mut world, Aim::At(Targets::All), Millis::from_mins(2));
    world.pass(Millis::from_secs(5));

    world.crash(AGENT);
    world.pass(Millis::from_mins(3));
    world.boot(AGENT, false);
    link_all(&mut world, &[AGENT]);
    world.pass(Millis::from_secs(5));

    let end = only(&mut world);
    assert!(
        matches!(&end.stage, Stage::Failed(why) if why.contains("before this node was up again")),
        "{end:?}"
    );
    assert_eq!(acts_of_agent(&world), 0);
}

#[test]
fn how_acts_ended_is_still_shown_after_a_restart() {
    let mut world = asking();
    let target = Aim::At(Targets::Nodes(vec![world.key(5)]));
    propose(&mut world, target, LIFE);
    world.pass(Millis::from_secs(10));
    propose(&mut world, Aim::At(Targets::All), LIFE);
    world.pass(Millis::from_secs(10));
    let drawn = proposals(&mut world)[0].drawn.clone();
    let refuser = (0..8).find(|at| drawn.contains(&world.key(*at))).unwrap();
    let act = proposals(&mut world)[0].act;
    let refuse = Command::Cosign {
        act,
        approve: false,
    };
    world.command(refuser, refuse).unwrap();
    world.pass(Millis::from_secs(10));
    let before = proposals(&mut world);
    assert!(matches!(before[0].stage, Stage::Failed(_)), "{before:?}");
    assert!(matches!(before[1].stage, Stage::Written(Some(_))));

    restart(&mut world);

    let stages = |all: Vec<ProposalView>| all.into_iter().map(|own| (own.act, own.stage));
    let after = proposals(&mut world);
    assert!(stages(after).eq(stages(before)));
}

#[test]
fn an_act_that_was_written_just_before_its_node_was_killed_is_not_written_again() {
    let mut world = asking();
    let target = Aim::At(Targets::Nodes(vec![world.key(5)]));
    propose(&mut world, target, LIFE);
    world.pass(Millis::from_secs(10));
    assert_eq!(acts_of_agent(&world), 1);

    // The crash fell between the record and the note that it is written.
    world.crash(AGENT);
    let kept = &mut world.nodes[AGENT].disk.rest.proposals;
    kept[0].end = None;
    world.boot(AGENT, false);
    link_all(&mut world, &[AGENT]);
    world.pass(Millis::from_secs(20));

    let end = only(&mut world);
    assert!(matches!(end.stage, Stage::Written(Some(_))), "{end:?}");
    assert_eq!(acts_of_agent(&world), 1, "one act was asked for");
    let again = |event: &Event| matches!(event, Event::Refused { .. });
    assert!(!world.heard(5, again));
}
