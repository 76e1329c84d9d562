//! Overrides on more than a hundred nodes: a panel of three of five approves, drawn co-signers sign, and they lapse alike.

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Event, Millis, Reply,
    anti_meave::proposals::Stage,
    core::command::Aim,
    wire::{Body, Kind, Targets, Warrants, Word},
};

use super::world::{World, identity, set_links, token};

/// Nodes of the mesh.
const NODES: u8 = 113;
/// Nodes that an override names.
const WIDE: usize = 104;
/// Mesh seconds per real second: a notice of an hour passes in 40 s.
const SCALE: u32 = 90;
const NOTICE: Millis = Millis::from_secs(45);

fn founded() -> (World, usize) {
    let (mut world, agent) = World::fast_around_hubs(NODES, 6, SCALE);
    world.pass(Millis::from_secs(16));
    (world, agent)
}

/// Nodes that are neither the agent nor a seat, in order of key.
fn targets(world: &World, agent: usize) -> Vec<PublicKey> {
    let seats = world.seats();
    let others = (0..usize::from(NODES)).filter(|at| *at != agent && !seats.contains(at));
    let mut keys: Vec<_> = others.map(|at| world.key(at)).take(WIDE).collect();
    keys.sort_unstable();
    keys
}

fn propose(world: &mut World, agent: usize, at: &[PublicKey]) -> ContentId {
    let root = identity(1);
    let command = Command::Override {
        change: set_links(5),
        targets: Aim::At(Targets::Nodes(at.to_vec())),
        token: token(&root, world.key(agent), &[]),
        root: root.capability_root().public(),
        life: Millis::from_mins(10),
        why: "links flood half of the mesh".to_owned(),
        consequences: "fewer links for an hour".to_owned(),
    };
    match world.command(agent, command) {
        Ok(Reply::Proposed(act)) => act,
        other => panic!("not proposed: {other:?}"),
    }
}

fn written(world: &mut World, agent: usize, act: ContentId) -> ContentId {
    let Ok(Reply::Proposals(all)) = world.command(agent, Command::Proposals) else {
        panic!("no proposals");
    };
    let own = all.into_iter().find(|own| own.act == act).unwrap();
    let Stage::Written(Some(record)) = own.stage else {
        panic!("not written: {}", own.stage);
    };
    record
}

fn running(world: &mut World, at: &[PublicKey]) -> usize {
    let at: Vec<_> = at.iter().map(|key| world.at(key).unwrap()).collect();
    at.into_iter()
        .filter(|at| world.links_target(*at) == 5)
        .count()
}

#[test]
fn a_wide_override_needs_its_panel_and_stays_once_it_was_told_to_all() {
    let (mut world, agent) = founded();
    let at = targets(&world, agent);
    let act = propose(&mut world, agent, &at);
    world.pass(Millis::from_secs(16));

    let record = written(&mut world, agent, act);
    let Body::Act(body) = world.nodes[agent].disk.records[&record].value().body() else {
        panic!("an act was written");
    };
    let warrants = Warrants::of(body).unwrap();
    assert!(warrants.vote.is_none() && warrants.emergency.is_some());
    let approve = warrants.said.iter();
    let approve = approve.filter(|said| matches!(said.word, Word::Sign { .. }));
    assert!(approve.count() >= 3, "three of five approve");
    assert_eq!(running(&mut world, &at), WIDE);

    world.pass(NOTICE);

    assert_eq!(running(&mut world, &at), WIDE, "it stays");
}

#[test]
fn a_wide_override_that_too_few_seats_have_heard_lapses_on_every_target() {
    let (mut world, agent) = founded();
    let deaf = world.seats()[..2].to_vec();
    world.deafen(&deaf, &[Kind::ACT]);
    let at = targets(&world, agent);
    let act = propose(&mut world, agent, &at);
    world.pass(Millis::from_secs(16));
    written(&mut world, agent, act);
    assert_eq!(running(&mut world, &at), WIDE, "it runs meanwhile");

    world.pass(NOTICE);

    assert_eq!(running(&mut world, &at), 0);
    let lapsed = |event: &Event| matches!(event, Event::OverrideLapsed { .. });
    for key in &at {
        assert!(world.heard(world.at(key).unwrap(), lapsed));
    }
}
