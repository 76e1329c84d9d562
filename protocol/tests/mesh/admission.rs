//! Acts in a mesh with a committee: keys that nobody deals, tickets, draws, co-signers, and what slips past none.

use x0_crypto::{
    ContentId, Identity,
    capability::{Caveat, Token},
};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    anti_meave::{
        CosignPolicy,
        consents::{Answer, ConsentView},
        proposals::{ProposalView, Stage},
    },
    core::command::{Aim, Status},
    wire::{Act, Body, Draft, Kind, Record, Targets, Verified},
};

use super::world::{Disk, World, identity, set_links, token};

const LIFE: Millis = Millis::from_mins(10);

fn status(world: &mut World, at: usize) -> Status {
    match world.command(at, Command::Status) {
        Ok(Reply::Status(status)) => *status,
        other => panic!("no status: {other:?}"),
    }
}

/// Founds a mesh and waits until its committee has keys and everybody knows them.
fn with_keys(founders: u8) -> World {
    let mut world = World::founded(founders);
    world.pass(Millis::from_secs(20));
    for at in 0..usize::from(founders) {
        assert_eq!(status(&mut world, at).trust.epoch, Some(1), "node {at}");
    }
    world
}

fn propose(world: &mut World, by: usize, value: u64, targets: Aim) -> ContentId {
    let root = identity(1);
    let command = Command::Propose {
        change: set_links(value),
        targets,
        token: token(&root, world.key(by), &[]),
        root: root.capability_root().public(),
        life: LIFE,
    };
    match world.command(by, command) {
        Ok(Reply::Proposed(act)) => act,
        other => panic!("not proposed: {other:?}"),
    }
}

fn proposal(world: &mut World, at: usize, act: ContentId) -> ProposalView {
    match world.command(at, Command::Proposals) {
        Ok(Reply::Proposals(all)) => all.into_iter().find(|own| own.act == act).unwrap(),
        other => panic!("no proposals: {other:?}"),
    }
}

fn asked(world: &mut World, at: usize) -> Vec<ConsentView> {
    match world.command(at, Command::Consents) {
        Ok(Reply::Consents(asked)) => asked
            .into_iter()
            .filter(|asked| asked.role.is_persons())
            .collect(),
        other => panic!("no consents: {other:?}"),
    }
}

/// Has the nodes wait for a person before they co-sign.
fn ask_persons(world: &mut World) {
    for at in 0..world.nodes.len() {
        world.nodes[at].cosign = CosignPolicy::Ask;
    }
}

fn changed(world: &mut World, value: u64) -> Vec<usize> {
    let nodes = 0..world.nodes.len();
    nodes
        .filter(|at| world.links_target(*at) == value)
        .collect()
}

#[test]
fn the_seats_make_keys_together_and_every_member_learns_them() {
    let mut world = World::founded(4);
    let newcomer = world.join(0, 50);
    world.pass(Millis::from_secs(20));

    for seat in 0..4 {
        let status = status(&mut world, seat);
        assert_eq!(status.committee.unwrap().shares, Some(3), "seat {seat}");
        assert_eq!(status.trust.epoch, Some(1), "seat {seat}");
    }
    let status = status(&mut world, newcomer);
    assert_eq!(status.committee, None);
    assert_eq!(status.trust.epoch, Some(1));
    let (_, electorate) = status.trust.checkpoint.expect("a checkpoint is certified");
    assert_eq!(electorate, 4, "a member of a minute does not count yet");
    let (time, now) = (status.trust.time.unwrap(), world.now().wall);
    assert!(
        time.0.abs_diff(now.0) < 5_000,
        "mesh time {time}, clock {now}"
    );
}

#[test]
fn a_seat_that_dies_at_any_moment_of_the_ceremony_does_not_stop_it() {
    for after in [0, 150, 300, 500, 1_000, 1_500, 2_500, 4_000] {
        let mut world = World::founded(4);
        world.pass(Millis(after));
        world.crash(2);
        world.pass(Millis::from_secs(80));
        for at in [0, 1, 3] {
            let status = status(&mut world, at);
            assert_eq!(
                status.trust.epoch,
                Some(1),
                "seat {at}, death after {after} ms"
            );
            assert_eq!(status.committee.unwrap().shares, Some(3));
        }

        world.boot(2, false);
        for at in [0, 1, 3] {
            world.link(2, at);
        }
        world.settle();
        world.pass(Millis::from_secs(30));
        let status = status(&mut world, 2);
        assert_eq!(status.trust.epoch, Some(1), "death after {after} ms");
        assert_eq!(
            status.committee.unwrap().shares,
            Some(3),
            "death after {after} ms"
        );
    }
}

#[test]
fn a_small_act_needs_a_ticket_and_the_word_of_its_target() {
    let mut world = with_keys(8);
    let target = world.key(5);
    let act = propose(&mut world, 2, 5, Aim::At(Targets::Nodes(vec![target])));
    world.pass(Millis::from_secs(10));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(own.stage, Stage::Written(Some(_))),
        "{:?}",
        own.stage
    );
    assert!(own.drawn.is_empty());
    assert_eq!(changed(&mut world, 5), [5]);
}

#[test]
fn a_target_that_is_silent_does_not_hold_up_an_act_on_others() {
    let mut world = with_keys(8);
    let mut targets: Vec<_> = [4, 5, 6, 7].map(|at| (world.key(at), at)).to_vec();
    targets.sort_unstable();
    world.crash(targets[0].1);
    let keys = targets.iter().map(|(key, _)| *key).collect();
    let act = propose(&mut world, 2, 5, Aim::At(Targets::Nodes(keys)));
    world.pass(Millis::from_mins(9));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(own.stage, Stage::Written(Some(_))),
        "{:?}",
        own.stage
    );
    for (_, at) in &targets[1..] {
        assert_eq!(world.links_target(*at), 5, "node {at}");
    }
}

#[test]
fn a_seat_that_has_admitted_acts_goes_on_from_its_snapshot() {
    let mut world = with_keys(4);
    let target = world.key(3);
    let act = propose(&mut world, 2, 5, Aim::At(Targets::Nodes(vec![target])));
    world.pass(Millis::from_mins(60));
    let height = status(&mut world, 0).committee.unwrap().height;
    assert!(height > 256, "a snapshot is taken at block 256: {height}");

    world.crash(0);
    world.boot(0, false);

    assert_eq!(status(&mut world, 0).committee.unwrap().height, height);
    let own = proposal(&mut world, 2, act);
    assert!(matches!(own.stage, Stage::Written(Some(_))));
}

#[test]
fn an_act_on_the_whole_mesh_runs_everywhere_once_all_drawn_have_signed() {
    let mut world = with_keys(8);
    let act = propose(&mut world, 2, 5, Aim::At(Targets::All));
    world.pass(Millis::from_secs(15));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(own.stage, Stage::Written(Some(_))),
        "{:?}",
        own.stage
    );
    assert_eq!(own.drawn.len(), 7, "over half the mesh takes seven");
    assert!(!own.drawn.contains(&world.key(2)), "the agent is not drawn");
    assert_eq!(changed(&mut world, 5).len(), 8);
}

#[test]
fn many_small_acts_of_one_root_count_as_one() {
    let mut world = with_keys(12);
    ask_persons(&mut world);
    for at in 0..12 {
        world.crash(at);
        world.boot(at, false);
    }
    for a in 0..12 {
        for b in a + 1..12 {
            world.link(a, b);
        }
    }
    world.settle();
    world.pass(Millis::from_secs(15));
    let one = |world: &World, at: usize| Aim::At(Targets::Nodes(vec![world.key(at)]));
    let first = one(&world, 4);
    let first = propose(&mut world, 2, 5, first);
    world.pass(Millis::from_secs(5));
    assert!(matches!(
        proposal(&mut world, 2, first).stage,
        Stage::Written(_)
    ));

    let second = one(&world, 6);
    let second = propose(&mut world, 2, 6, second);
    world.pass(Millis::from_secs(15));

    let own = proposal(&mut world, 2, second);
    let Stage::Collecting { cosigned, .. } = own.stage else {
        panic!("the second slice needs co-signers: {:?}", own.stage);
    };
    assert_eq!(cosigned, (0, 3));
    assert!(changed(&mut world, 6).is_empty());
}

#[test]
fn one_refusal_ends_an_act_and_a_retry_has_to_wait() {
    let mut world = with_keys(8);
    for at in 0..8 {
        world.nodes[at].cosign = CosignPolicy::Ask;
        world.crash(at);
        world.boot(at, false);
    }
    for a in 0..8 {
        for b in a + 1..8 {
            world.link(a, b);
        }
    }
    world.settle();
    world.pass(Millis::from_secs(15));
    let act = propose(&mut world, 2, 5, Aim::At(Targets::All));
    world.pass(Millis::from_secs(10));
    let drawn = proposal(&mut world, 2, act).drawn;
    let refuser = (0..8).find(|at| drawn.contains(&world.key(*at))).unwrap();
    let waiting = asked(&mut world, refuser);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].answer, Answer::Waiting);
    assert!(
        waiting[0].difference.contains("8 -> 5 links"),
        "{}",
        waiting[0].difference
    );

    let refuse = Command::Cosign {
        act,
        approve: false,
    };
    world.command(refuser, refuse).unwrap();
    world.pass(Millis::from_secs(10));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(&own.stage, Stage::Failed(why) if why.contains("refused")),
        "{:?}",
        own.stage
    );
    let again = propose(&mut world, 2, 5, Aim::At(Targets::All));
    world.pass(Millis::from_secs(10));
    let again = proposal(&mut world, 2, again);
    assert!(
        matches!(&again.stage, Stage::Failed(why) if why.contains("next draw is in")),
        "{:?}",
        again.stage
    );
    assert!(changed(&mut world, 5).is_empty());
}

/// Founds a mesh of nodes whose persons are asked before they co-sign.
fn with_asking_persons(founders: u8) -> World {
    let mut world = with_keys(founders);
    ask_persons(&mut world);
    for at in 0..usize::from(founders) {
        world.crash(at);
        world.boot(at, false);
    }
    for a in 0..usize::from(founders) {
        for b in a + 1..usize::from(founders) {
            world.link(a, b);
        }
    }
    world.settle();
    world.pass(Millis::from_secs(15));
    world
}

/// Grants a node a new token under the first founder's root.
fn grant(world: &World, to: usize) -> Token {
    token(&identity(1), world.key(to), &[])
}

fn propose_under(
    world: &mut World,
    by: usize,
    value: u64,
    (targets, token): (Aim, &Token),
) -> ContentId {
    let command = Command::Propose {
        change: set_links(value),
        targets,
        token: token.clone(),
        root: identity(1).capability_root().public(),
        life: LIFE,
    };
    match world.command(by, command) {
        Ok(Reply::Proposed(act)) => act,
        other => panic!("not proposed: {other:?}"),
    }
}

fn revoke(world: &mut World, token: &Token) {
    let capability = token.verify(&identity(1).capability_root().public());
    let capability = capability.unwrap();
    let ids = capability.revocation_ids().to_vec();
    let reason = "its holder went rogue".parse().unwrap();
    world.recorded(0, Command::Revoke { ids, reason });
    world.pass(Millis::from_secs(5));
}

#[test]
fn a_revoked_token_gets_no_ticket_and_uses_up_nothing_of_its_roots_reach() {
    let mut world = with_asking_persons(12);
    // The agent's own node would refuse the act; it does not hear of the revocation.
    world.deafen(&[2], &[Kind::REVOCATION]);
    let granted = grant(&world, 2);
    revoke(&mut world, &granted);
    let one = |world: &World, at: usize| Aim::At(Targets::Nodes(vec![world.key(at)]));
    let first = one(&world, 4);
    let struck = propose_under(&mut world, 2, 5, (first, &granted));
    world.pass(Millis::from_secs(15));

    let own = proposal(&mut world, 2, struck);
    assert!(
        matches!(&own.stage, Stage::Failed(why) if why.contains("is revoked")),
        "{:?}",
        own.stage
    );
    // Had the first act counted, the root would have reached two nodes of twelve and needed co-signers.
    let second = one(&world, 6);
    let second = propose(&mut world, 2, 6, second);
    world.pass(Millis::from_secs(15));
    let own = proposal(&mut world, 2, second);
    assert!(matches!(own.stage, Stage::Written(_)), "{:?}", own.stage);
    assert_eq!(changed(&mut world, 6), [6]);
}

#[test]
fn a_revocation_ends_the_ticket_that_an_act_holds() {
    let mut world = with_asking_persons(8);
    let granted = grant(&world, 2);
    let act = propose_under(&mut world, 2, 5, (Aim::At(Targets::All), &granted));
    world.pass(Millis::from_secs(10));
    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(own.stage, Stage::Collecting { .. }),
        "{:?}",
        own.stage
    );

    revoke(&mut world, &granted);
    world.pass(Millis::from_secs(15));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(&own.stage, Stage::Failed(why) if why.contains("is revoked")),
        "{:?}",
        own.stage
    );
}

#[test]
fn seats_that_know_a_revocation_sign_no_ticket_before_the_others_know_it_too() {
    let mut world = with_keys(4);
    // Two of four seats do not hear of it: so few know it that the log cannot agree on it, and the others admit it.
    world.deafen(&[2, 3], &[Kind::REVOCATION]);
    let granted = grant(&world, 2);
    revoke(&mut world, &granted);
    let target = Aim::At(Targets::Nodes(vec![world.key(3)]));
    let act = propose_under(&mut world, 2, 5, (target, &granted));
    world.pass(Millis::from_secs(30));
    assert_eq!(proposal(&mut world, 2, act).stage, Stage::Asked);

    world.undeafen();
    for at in 0..4 {
        world.command(at, Command::CatchUp).unwrap();
    }
    world.pass(Millis::from_secs(30));

    let own = proposal(&mut world, 2, act);
    assert!(
        matches!(&own.stage, Stage::Failed(why) if why.contains("is revoked")),
        "{:?}",
        own.stage
    );
    assert!(changed(&mut world, 5).is_empty());
}

/// Signs an act of a rogue member on one node, with a token that would allow it and without any warrants.
fn unwarranted(world: &World, rogue: &Identity, target: usize) -> Verified<Record> {
    let body = Body::Act(Act {
        change: set_links(5),
        targets: Targets::Nodes(vec![world.key(target)]),
        root: identity(1).capability_root().public(),
        token: token(&identity(1), rogue.public(), &[Caveat::AffectsNodesLe(1)]),
        expires: world.now().wall + LIFE,
        warrants: Vec::new(),
    });
    let mesh = Some(world.genesis.value().id());
    let draft = Draft::new(
        mesh,
        rogue.public(),
        (0, None),
        world.now().wall,
        [7; 16],
        body,
    );
    draft.sign(rogue).unwrap()
}

#[test]
fn an_act_sent_past_the_committee_moves_no_target() {
    let mut world = with_keys(8);
    let act = unwarranted(&world, &identity(3), 5);

    world.gossip(2, 5, &act);

    let refused =
        |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("no ticket"));
    assert!(world.heard(5, refused), "{:?}", world.nodes[5].events);
    assert!(changed(&mut world, 5).is_empty());
}

#[test]
fn a_node_that_is_cut_off_from_the_committee_says_so_and_obeys_nobody_until_it_is_back() {
    let mut world = with_keys(8);
    world.partition(7);
    world.pass(Millis::from_mins(120));
    assert_eq!(status(&mut world, 7).trust.silence, None);
    world.pass(Millis::from_mins(30));
    let silence = status(&mut world, 7).trust.silence;
    assert!(silence > Some(Millis::from_mins(130)), "{silence:?}");
    assert_eq!(status(&mut world, 6).trust.silence, None);

    let act = unwarranted(&world, &identity(3), 7);
    world.gossip(2, 7, &act);
    let refused = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("nothing was heard"));
    assert!(world.heard(7, refused), "{:?}", world.nodes[7].events);

    world.heal();
    world.link(0, 7);
    world.settle();
    world.pass(Millis::from_secs(60));
    assert_eq!(status(&mut world, 7).trust.silence, None);
    let target = world.key(7);
    propose(&mut world, 2, 5, Aim::At(Targets::Nodes(vec![target])));
    world.pass(Millis::from_secs(10));
    assert_eq!(changed(&mut world, 5), [7]);
}

#[test]
fn a_newcomer_obeys_nobody_before_it_knows_the_checkpoint_that_its_invite_names() {
    let mut world = World::founded(8);
    // A founder that was cut off before the first checkpoint: all it can show is the mesh of then.
    let old = 7;
    world.partition(old);
    world.pass(Millis::from_mins(5));
    let by = |at: usize, world: &World| {
        let key = world.key(at);
        let records = world.nodes[at].disk.records.values().cloned();
        let mut own: Vec<_> = records
            .filter(|record| record.value().author() == key)
            .collect();
        own.sort_by_key(|record| record.value().header().seq);
        own
    };
    let is_silent = |at: &usize| {
        let own = by(*at, &world);
        !own.iter()
            .any(|record| matches!(record.value().body(), Body::Checkpoint(_)))
    };
    let inviter = (0..old).find(is_silent).unwrap();
    let door = identity(99);
    let invite = Command::Invite {
        key: door.public(),
        life: LIFE,
    };
    let invite = world.recorded(inviter, invite);
    let named = status(&mut world, inviter)
        .trust
        .checkpoint
        .map(|(height, _)| height);
    let entry = world.join_record(&identity(61), &door, invite);
    let mut disk = Disk::default();
    disk.records.insert(entry.value().id(), entry.clone());
    let newcomer = world.add(identity(61), disk, true);
    world.partition(old);
    for record in by(inviter, &world).iter().chain([&entry]) {
        world.gossip(inviter, old, record);
    }

    world.link(newcomer, old);
    world.settle();
    world.pass(Millis::from_secs(20));
    assert!(named.is_some());
    assert_eq!(status(&mut world, newcomer).trust.behind, named);

    world.heal();
    world.link(newcomer, 1);
    world.settle();
    world.pass(Millis::from_secs(20));
    assert_eq!(status(&mut world, newcomer).trust.behind, None);
    let target = world.key(newcomer);
    propose(&mut world, 2, 5, Aim::At(Targets::Nodes(vec![target])));
    world.pass(Millis::from_secs(20));
    assert_eq!(changed(&mut world, 5), [newcomer]);
}

#[test]
fn nothing_is_admitted_while_the_committee_has_no_quorum() {
    let mut world = with_keys(4);
    world.crash(0);
    world.crash(1);
    let target = world.key(3);
    let act = propose(&mut world, 2, 5, Aim::At(Targets::Nodes(vec![target])));
    world.pass(Millis::from_secs(60));

    assert_eq!(proposal(&mut world, 2, act).stage, Stage::Asked);
    assert_eq!(changed_of(&mut world, 3), 8);

    let nothing = Command::Cosign { act, approve: true };
    let refused = world.command(3, nothing).unwrap_err();
    assert_eq!(refused, CommandError::NothingToCosign(act));
}

fn changed_of(world: &mut World, at: usize) -> u64 {
    world.links_target(at)
}
