//! Overrides: acts without a vote, public before they run, that lapse unless they were told to all.

use x0_crypto::{ContentId, capability::RevocationId};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    anti_meave::{CosignPolicy, proposals::Stage, warrants::Question},
    core::{
        command::{Aim, OverrideView, PublicProof, PublicView},
        reject::ActRefusal,
    },
    spine::{
        audit::{
            What,
            tree::{Frontier, leaf_hash},
        },
        public_log::proof::{AuditProof, KnownLog, ProofFault, ProofHead, ProvenEntry},
    },
    wire::{
        Act, Body, Certificate, Kind, LogHead, PublicWhat, Record, Request, Statement, Targets,
        Warrants, decode_record,
    },
};

use super::{
    halt::{stroke, tell},
    world::{World, identity, set_links, token},
};

/// Mesh seconds per real second.
const SCALE: u32 = 60;
/// A little more than the notice of an override, real time.
const NOTICE: Millis = Millis::from_secs(70);

/// Founds a mesh of ten with four seats, whose persons approve of what they are asked, once its committee has keys.
fn founded() -> World {
    let mut world = World::fast_with_seats(10, 4, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

fn asks(world: &World, agent: usize, target: usize, why: &str) -> Command {
    let root = identity(1);
    Command::Override {
        change: set_links(5),
        targets: Aim::At(Targets::Nodes(vec![world.key(target)])),
        token: token(&root, world.key(agent), &[]),
        root: root.capability_root().public(),
        life: Millis::from_mins(10),
        why: why.to_owned(),
        consequences: "fewer links for an hour".to_owned(),
    }
}

fn propose(world: &mut World, agent: usize, target: usize) -> ContentId {
    let command = asks(world, agent, target, "links flood the region");
    match world.command(agent, command) {
        Ok(Reply::Proposed(act)) => act,
        other => panic!("not proposed: {other:?}"),
    }
}

fn stage(world: &mut World, agent: usize, act: ContentId) -> Stage {
    match world.command(agent, Command::Proposals) {
        Ok(Reply::Proposals(all)) => all.into_iter().find(|own| own.act == act).unwrap().stage,
        other => panic!("no proposals: {other:?}"),
    }
}

fn public(world: &mut World, at: usize) -> PublicView {
    match world.command(
        at,
        Command::PublicLog {
            from: 0,
            count: 256,
        },
    ) {
        Ok(Reply::PublicLog(view)) => *view,
        other => panic!("no public log: {other:?}"),
    }
}

fn overrides(world: &mut World, at: usize) -> Vec<OverrideView> {
    match world.command(at, Command::Overrides) {
        Ok(Reply::Overrides(all)) => all,
        other => panic!("no overrides: {other:?}"),
    }
}

fn written(world: &mut World, agent: usize, act: ContentId) -> (ContentId, Act) {
    let Stage::Written(Some(record)) = stage(world, agent, act) else {
        panic!("not written: {}", stage(world, agent, act));
    };
    let Body::Act(act) = world.nodes[agent].disk.records[&record].value().body() else {
        panic!("an act was written");
    };
    (record, act.clone())
}

fn lapsed(event: &Event) -> bool {
    matches!(event, Event::OverrideLapsed { .. })
}

#[test]
fn an_override_is_public_before_it_runs_and_stays_once_it_was_told_to_all() {
    let mut world = founded();
    let (agent, target) = world.outsiders();

    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));

    let (_, body) = written(&mut world, agent, act);
    assert!(body.is_override());
    assert_eq!(world.links_target(target), 5);
    for at in 0..10 {
        let view = public(&mut world, at);
        let told: Vec<_> = view
            .entries
            .iter()
            .filter_map(|it| it.overriding())
            .collect();
        let [told] = told.as_slice() else {
            panic!("node {at} has {} overrides", told.len());
        };
        assert_eq!((told.act, told.agent), (act, world.key(agent)));
        assert_eq!(told.words.why, "links flood the region");
        assert!(
            view.certificate.is_some() && view.wanted.is_none(),
            "node {at}"
        );
        let is_told = |what: &PublicWhat| *what == PublicWhat::Broadcast { act };
        assert!(view.entries.iter().any(|it| is_told(&it.what)), "node {at}");
    }
    assert!(world.heard(target, |event| matches!(event, Event::OverrideStays { .. })));

    world.pass(NOTICE);
    assert_eq!(world.links_target(target), 5, "it stays");
    assert!(!world.heard(target, lapsed));
    let view = &overrides(&mut world, target)[0];
    assert!(view.is_broadcast && !view.runs_here);
}

#[test]
fn an_override_that_too_few_seats_have_heard_lapses_on_its_target_whatever_it_was_told() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    let deaf = world.seats()[..2].to_vec();
    world.deafen(&deaf, &[Kind::ACT]);

    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    let (record, _) = written(&mut world, agent, act);
    assert_eq!(world.links_target(target), 5, "it runs meanwhile");
    assert!(overrides(&mut world, target)[0].runs_here);

    // What it ran before is on its disk: a crash before the end changes nothing.
    world.crash(target);
    world.boot_linked(target);
    world.pass(NOTICE);

    assert_eq!(world.links_target(target), 8);
    assert!(world.heard(target, lapsed));
    let audit = &world.nodes[target].disk.rest.audit;
    let told = audit
        .iter()
        .filter(|entry| matches!(&entry.what, What::Lapsed { act, .. } if *act == record));
    assert_eq!(told.count(), 1, "the lapse is written down once");
    assert!(world.nodes[target].disk.rest.overrides.is_empty());

    // Too late: the log takes nothing up any more, and the target stays where it is.
    world.undeafen();
    world.pass(Millis::from_secs(30));
    assert!(!overrides(&mut world, target)[0].is_broadcast);
    assert_eq!(world.links_target(target), 8);
}

#[test]
fn a_target_that_is_cut_off_goes_back_by_itself_although_the_others_were_told() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    let deaf = world.seats();
    world.deafen(&deaf, &[Kind::ACT]);
    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    written(&mut world, agent, act);
    assert_eq!(world.links_target(target), 5);

    world.partition(target);
    world.undeafen();
    world.pass(Millis::from_secs(30));
    let agents = overrides(&mut world, agent);
    assert!(!agents[0].runs_here);

    world.pass(NOTICE);
    assert_eq!(world.links_target(target), 8);
    assert!(world.heard(target, lapsed));
}

#[test]
fn a_target_takes_no_override_without_the_proof_that_it_is_public() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    let (_, body) = written(&mut world, agent, act);
    let key = world.key(agent);
    let judged = |world: &World, warrants: &Warrants| -> Result<(), String> {
        let question = Question {
            mesh: world.peer(target).directory().mesh(),
            act: body.digest(&key),
            matter: body.matter(&key),
            agent: key,
            warrants: warrants.clone(),
            keys: world.first_keys(0),
            vote_keys: None,
        };
        let proven = question.check()?;
        let capability = body.token.verify(&body.root).unwrap();
        let directory = world.peer(target).directory();
        let time = proven.ticket().time;
        let signed = proven.suffices(directory, (&body, &key), &capability, time);
        signed.map(|_| ()).map_err(|refusal| refusal.to_string())
    };
    let genuine = Warrants::of(&body).unwrap();
    assert_eq!(judged(&world, &genuine), Ok(()));

    let without = Warrants {
        emergency: None,
        ..genuine.clone()
    };
    let refused = judged(&world, &without).unwrap_err();
    assert!(refused.contains("its ticket asks for 3-of-5"), "{refused}");

    let mut other = genuine.clone();
    other.emergency.as_mut().unwrap().index += 1;
    let refused = judged(&world, &other).unwrap_err();
    assert!(refused.contains("public log"), "{refused}");

    let mut altered = genuine.clone();
    let proof = altered.emergency.as_mut().unwrap();
    if let PublicWhat::Override(told) = &mut proof.entry.what {
        told.words.why.push('!');
    }
    let refused = judged(&world, &altered).unwrap_err();
    assert!(refused.contains("not shown to stand"), "{refused}");

    let mut unsigned = genuine;
    unsigned.emergency.as_mut().unwrap().head = unsigned.ticket.unwrap();
    let refused = judged(&world, &unsigned).unwrap_err();
    assert!(refused.contains("another statement"), "{refused}");
}

#[test]
fn an_author_is_told_at_once_what_an_override_lacks() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    let command = asks(&world, agent, target, "  ");
    let refused = world.command(agent, command).unwrap_err();
    assert!(
        matches!(&refused, CommandError::Act(ActRefusal::BadOverride(why)) if why.contains("reason")),
        "{refused}"
    );
    let long = "long ".repeat(300);
    let command = asks(&world, agent, target, &long);
    let refused = world.command(agent, command).unwrap_err();
    assert!(refused.to_string().contains("at most 1024"), "{refused}");

    let mut small = World::without_committee(5);
    let command = asks(&small, 2, 3, "no time");
    let refused = small.command(2, command).unwrap_err();
    assert!(refused.to_string().contains("no committee"), "{refused}");
}

#[test]
fn an_override_needs_a_panel_that_approves() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    let all: Vec<_> = (0..10).collect();
    world.reboot_with(&all, CosignPolicy::Refuse);
    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    let stage = stage(&mut world, agent, act);
    assert!(
        stage.to_string().contains("approvals cannot be reached"),
        "{stage}"
    );
    assert_eq!(world.links_target(target), 8);
    // That it was asked for stays public.
    assert_eq!(overrides(&mut world, target).len(), 1);
}

#[test]
fn a_copy_of_the_public_log_is_the_same_after_a_restart_and_at_who_was_away() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    world.crash(9);
    propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    let before = public(&mut world, 0);
    assert!(before.head.size >= 2);

    world.crash(0);
    world.boot_linked(0);
    world.boot_linked(9);
    world.pass(Millis::from_secs(40));

    for at in [0, 9] {
        let after = public(&mut world, at);
        assert_eq!(after.entries, before.entries, "node {at}");
        assert_eq!(after.head, before.head, "node {at}");
        assert!(after.certificate.is_some(), "node {at}");
    }
}

#[test]
fn a_proof_of_the_public_log_rests_on_the_id_of_the_mesh_and_on_nothing_else() {
    let mut world = founded();
    let (agent, target) = world.outsiders();
    propose(&mut world, agent, target);
    world.pass(Millis::from_secs(20));
    let command = Command::ProvePublic {
        index: 0,
        since: Some(1),
    };
    let Ok(Reply::PublicProof(public)) = world.command(target, command) else {
        panic!("no proof");
    };
    let mesh = world.genesis.value().id();
    let make = || AuditProof {
        mesh,
        index: 0,
        entry: public.proof.entry.encode(),
        inclusion: public.proof.inclusion.clone(),
        earlier: public.earlier.clone(),
        head: head(&public, public.proof.head, public.epochs.as_slice()),
    };
    let known = KnownLog {
        mesh: Some(mesh),
        ..KnownLog::default()
    };
    let shown = make().check(&known).unwrap();
    assert_eq!(shown.entry, ProvenEntry::Public(public.proof.entry.clone()));
    assert_eq!(shown.node, None);

    let keyless = AuditProof {
        head: head(&public, public.proof.head, &[]),
        ..make()
    };
    let fault = keyless.check(&known).unwrap_err();
    assert_eq!(fault, ProofFault::NoKeys { epoch: 1 });
    let Statement::Checkpoint(mut checkpoint) = public.proof.head.statement else {
        panic!("the head is that of a checkpoint");
    };
    checkpoint.time = checkpoint.time + Millis(1);
    let altered = Certificate {
        statement: Statement::Checkpoint(checkpoint),
        ..public.proof.head
    };
    let altered = AuditProof {
        head: head(&public, altered, public.epochs.as_slice()),
        ..make()
    };
    let fault = altered.check(&known).unwrap_err();
    assert_eq!(fault, ProofFault::BadSignature);
    let elsewhere = KnownLog {
        mesh: Some(ContentId::of(b"another mesh")),
        ..known
    };
    let fault = make().check(&elsewhere).unwrap_err();
    assert!(matches!(fault, ProofFault::OtherMesh { .. }), "{fault}");
    for at in 0..public.proof.entry.encode().len() {
        let mut altered = make();
        altered.entry[at] ^= 1;
        assert!(altered.check(&known).is_err(), "byte {at} of the entry");
    }
}

fn head(public: &PublicProof, certificate: Certificate, epochs: &[Record]) -> ProofHead {
    let epochs = epochs.iter().map(|record| decode_record(record.bytes()));
    ProofHead::Public {
        certificate: Box::new(certificate),
        genesis: Box::new(decode_record(public.genesis.bytes()).unwrap()),
        epochs: epochs.collect::<Result<_, _>>().unwrap(),
    }
}

#[test]
fn two_who_were_shown_different_logs_of_one_size_find_out_by_passing_heads_on() {
    let mut world = World::without_committee(3);
    world.pass(Millis::from_secs(15));
    let revoke = |world: &mut World, n: u8| {
        let ids = vec![RevocationId::from_bytes([n; 32])];
        let reason = "test".parse().unwrap();
        world.recorded(0, Command::Revoke { ids, reason });
    };
    world.crash(0);
    let copy = world.nodes[0].disk.clone();
    let mut sizes = Vec::new();
    for (to, other, n) in [(1, 2, 7), (2, 1, 8)] {
        world.crash(other);
        world.nodes[0].disk = copy.clone();
        world.boot(0, false);
        world.link(0, to);
        world.settle();
        world.pass(Millis::from_secs(15));
        revoke(&mut world, n);
        world.pass(Millis::from_secs(5));
        world.crash(0);
        world.boot(other, false);
        sizes.push(world.nodes[0].disk.rest.audit.len());
    }
    assert_eq!(sizes[0], sizes[1], "two logs of one size");
    let split = |event: &Event| matches!(event, Event::SplitView { .. });
    assert!(!world.heard(1, split) && !world.heard(2, split));

    world.link(1, 2);
    world.pass(Millis::from_mins(20));

    let author = world.key(0);
    let proofs: Vec<_> = (1..3)
        .flat_map(|at| world.nodes[at].disk.rest.audit.iter())
        .filter_map(|entry| {
            let What::TwoHeads { one, other } = &entry.what else {
                return None;
            };
            Some((one, other))
        })
        .collect();
    assert!(!proofs.is_empty() && proofs.len() <= 2, "each tells once");
    for (one, other) in proofs {
        one.verify().unwrap();
        other.verify().unwrap();
        assert_eq!((one.author, other.author), (author, author));
        assert_eq!(one.size, other.size);
        assert_ne!(one.root, other.root);
    }
}

#[test]
fn heads_that_come_out_of_their_turn_accuse_nobody() {
    let mut world = World::without_committee(3);
    world.pass(Millis::from_secs(15));
    let author = world.key(0);
    let revoke = |world: &mut World, n: u8| {
        let ids = vec![RevocationId::from_bytes([n; 32])];
        let reason = "test".parse().unwrap();
        world.recorded(0, Command::Revoke { ids, reason });
    };
    revoke(&mut world, 1);
    world.pass(Millis::from_secs(5));
    let held = |world: &World| {
        let mut heads = world.nodes[1].disk.rest.witnessed.iter();
        heads
            .find(|head| head.author == author)
            .map(|head| head.size)
    };
    let first = held(&world).expect("node 1 holds a head of node 0");
    // Two larger heads that node 0 has signed, and that node 1 has not heard of yet, come at once from somebody else.
    world.partition(1);
    revoke(&mut world, 2);
    world.pass(Millis::from_secs(5));
    revoke(&mut world, 3);
    world.pass(Millis::from_secs(5));
    assert_eq!(held(&world), Some(first));
    world.heal();
    world.link(0, 1);
    world.settle();
    assert_eq!(held(&world), Some(first));
    let heads = [1, 2].map(|more| signed_head(&world, first + more).to_unverified());

    world.ask_as(2, 1, Request::Heads(heads.to_vec()));
    world.pass(Millis::from_secs(5));

    let split = |event: &Event| matches!(event, Event::SplitView { .. });
    assert!(!world.heard(1, split), "an honest node is accused");
    assert!(held(&world) >= Some(first + 2));
}

/// Signs the head that the log of node 0 had at a size.
fn signed_head(world: &World, size: u64) -> LogHead {
    let entries = world.nodes[0].disk.rest.audit.iter();
    let entries = entries.take(usize::try_from(size).unwrap());
    let frontier: Frontier = entries.map(|entry| leaf_hash(&entry.encode())).collect();
    assert_eq!(frontier.size(), size, "the log reaches so far");
    let time = world.now().wall;
    LogHead::sign(&world.nodes[0].identity, size, frontier.root(), time)
}

#[test]
fn a_halted_mesh_refuses_overrides_as_well() {
    let mut world = World::fast_with_seats(10, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let (agent, target) = world.outsiders();
    let acts = stroke(&world, &identity(10), &identity(1));
    tell(&mut world, 9, target, &acts);
    world.pass(Millis::from_secs(10));

    let command = asks(&world, agent, target, "links flood the region");
    let refused = world.command(agent, command).unwrap_err();

    assert!(
        matches!(&refused, CommandError::Act(ActRefusal::Stopped { .. })),
        "{refused}"
    );
    assert!(refused.to_string().contains("halted"), "{refused}");
    assert!(overrides(&mut world, target).is_empty());
}

#[test]
fn an_override_that_was_admitted_before_a_halt_runs_nowhere_within_it() {
    let mut world = World::fast_with_seats(10, 4, SCALE);
    world.pass(Millis::from_secs(20));
    let (agent, target) = world.outsiders();
    // The target hears of no act until the mesh is halted.
    world.deafen(&[target], &[Kind::ACT]);
    let act = propose(&mut world, agent, target);
    world.pass(Millis::from_secs(8));
    let (record, _) = written(&mut world, agent, act);
    let acts = stroke(&world, &identity(10), &identity(1));
    tell(&mut world, 9, agent, &acts);
    world.pass(Millis::from_secs(5));
    world.undeafen();
    let told = world.nodes[agent].disk.records[&record].clone();
    world.gossip(agent, target, &told);
    world.pass(Millis::from_secs(5));

    let ran =
        |event: &Event| matches!(event, Event::Executed { act: Some(done), .. } if *done == record);
    assert!(!world.heard(target, ran));
    assert_eq!(world.links_target(target), 8);
}
