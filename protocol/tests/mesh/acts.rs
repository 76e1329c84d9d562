//! What an agent can do to others, and what it cannot.

use x0_crypto::capability::{Caveat, ShareBp};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::{
        command::{ActView, Aim},
        reject::ActRefusal,
    },
    wire::{Act, Body, Draft, Outcome, Targets},
};

use super::world::{World, identity, set_links, token};

const LIFE: Millis = Millis::from_mins(5);

fn propose(world: &World, by: usize, targets: Aim, caveats: &[Caveat]) -> Command {
    let root = identity(1);
    Command::Propose {
        change: set_links(5),
        targets,
        token: token(&root, world.key(by), caveats),
        root: root.capability_root().public(),
        life: LIFE,
    }
}

fn acts(world: &mut World, at: usize) -> Vec<ActView> {
    match world.command(at, Command::Acts) {
        Ok(Reply::Acts(acts)) => acts,
        other => panic!("no acts: {other:?}"),
    }
}

#[test]
fn an_act_within_its_token_is_executed_at_its_target_and_nowhere_else() {
    let mut world = World::without_committee(8);
    let command = propose(&world, 2, Aim::Count(1), &[Caveat::AffectsNodesLe(1)]);

    let act = world.recorded(2, command);

    let view = acts(&mut world, 2)
        .into_iter()
        .find(|view| view.id == act)
        .unwrap();
    let [(target, Outcome::Executed)] = view.elsewhere.as_slice() else {
        panic!("one target tells that it executed: {:?}", view.elsewhere);
    };
    for at in 0..8 {
        let changed = world.links_target(at) == 5;
        assert_eq!(changed, world.key(at) == *target, "node {at}");
    }
}

#[test]
fn an_act_wider_than_its_token_is_refused_at_the_proposer_with_the_reason() {
    let mut world = World::without_committee(8);
    let command = propose(&world, 2, Aim::Count(4), &[Caveat::AffectsNodesLe(1)]);

    let refused = world.command(2, command).unwrap_err();

    assert!(
        matches!(refused, CommandError::Act(ActRefusal::Token(_))),
        "{refused}"
    );
    assert!(refused.to_string().contains('4'), "{refused}");
}

#[test]
fn a_mass_action_is_refused_whatever_the_token_says() {
    let mut world = World::without_committee(8);
    let command = propose(&world, 2, Aim::At(Targets::All), &[]);

    let refused = world.command(2, command).unwrap_err();

    let mass = ActRefusal::MassAction {
        nodes: 8,
        members: 8,
        allowed: 1,
    };
    assert_eq!(refused, CommandError::Act(mass));
}

#[test]
fn an_act_sent_past_the_proposers_checks_is_refused_at_every_target() {
    let mut world = World::without_committee(8);
    let rogue = identity(3);
    let mut nodes: Vec<_> = (4..8).map(|at| world.key(at)).collect();
    nodes.sort_unstable();
    let body = Body::Act(Act {
        change: set_links(64),
        targets: Targets::Nodes(nodes),
        root: identity(1).capability_root().public(),
        token: token(&identity(1), rogue.public(), &[Caveat::AffectsNodesLe(1)]),
        expires: world.now().wall + LIFE,
        warrants: Vec::new(),
    });
    let mesh = Some(world.genesis.value().id());
    let place = (0, None);
    let draft = Draft::new(mesh, rogue.public(), place, world.now().wall, [7; 16], body);
    let act = draft.sign(&rogue).unwrap();

    for at in 4..8 {
        world.gossip(2, at, &act);
    }

    for at in 4..8 {
        let refused = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("at most 1 node"));
        assert!(
            world.heard(at, refused),
            "node {at}: {:?}",
            world.nodes[at].events
        );
        assert_ne!(world.links_target(at), 64);
    }
}

#[test]
fn a_root_that_the_target_does_not_accept_moves_nothing() {
    let mut world = World::without_committee(8);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::Count(1),
        token: token(&identity(5), world.key(2), &[]),
        root: identity(5).capability_root().public(),
        life: LIFE,
    };

    let refused = world.command(2, command).unwrap_err();

    assert!(
        matches!(refused, CommandError::Act(ActRefusal::UnknownRoot(_))),
        "{refused}"
    );
}

#[test]
fn a_revoked_token_is_refused_everywhere_once_the_revocation_is_known() {
    let mut world = World::without_committee(8);
    let root = identity(1);
    let granted = token(&root, world.key(2), &[]);
    let capability = granted.verify(&root.capability_root().public()).unwrap();
    let ids = capability.revocation_ids().to_vec();
    world.recorded(
        0,
        Command::Revoke {
            ids,
            reason: "lost".parse().unwrap(),
        },
    );

    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::Count(1),
        token: granted,
        root: root.capability_root().public(),
        life: LIFE,
    };
    let refused = world.command(2, command).unwrap_err();

    assert!(refused.to_string().contains("revoked"), "{refused}");
}

#[test]
fn a_share_of_the_mesh_is_computed_by_the_verifier() {
    let mut world = World::without_committee(12);
    let one_percent = [Caveat::AffectsNetworkPctLe(ShareBp::from_percent(1))];
    let command = propose(&world, 2, Aim::Count(1), &one_percent);

    let refused = world.command(2, command).unwrap_err();

    assert!(
        matches!(refused, CommandError::Act(ActRefusal::Token(_))),
        "{refused}"
    );
}

#[test]
fn an_act_is_executed_once_even_when_it_comes_again_after_a_crash() {
    let mut world = World::without_committee(4);
    let command = propose(&world, 2, Aim::At(Targets::Nodes(vec![world.key(3)])), &[]);
    let act = world.recorded(2, command);
    let record = world.nodes[3].disk.records[&act].clone();
    let executed = world.nodes[3].disk.rest.audit.len();

    world.crash(3);
    world.boot(3, false);
    world.link(3, 0);
    world.settle();
    world.pass(Millis::from_secs(20));
    world.gossip(2, 3, &record);

    assert_eq!(world.links_target(3), 5);
    let again = world.nodes[3].disk.rest.audit[executed..]
        .iter()
        .any(|entry| matches!(entry.what, x0_protocol::spine::audit::What::Executed { .. }));
    assert!(!again, "executed twice");
}

#[test]
fn links_are_a_nodes_own_affair() {
    let mut world = World::without_committee(4);
    let root = identity(1);
    let change = x0_protocol::wire::Change::Unlink { peer: world.key(0) };
    let grant = x0_crypto::capability::Grant {
        holder: world.key(2),
        actions: [change.action()].into(),
        caveats: Vec::new(),
    };
    let command = Command::Propose {
        change,
        targets: Aim::Count(1),
        token: x0_crypto::capability::Token::grant(&root.capability_root(), &grant).unwrap(),
        root: root.capability_root().public(),
        life: LIFE,
    };

    let refused = world.command(2, command).unwrap_err();

    assert_eq!(refused, CommandError::Act(ActRefusal::LocalOnly));
}
