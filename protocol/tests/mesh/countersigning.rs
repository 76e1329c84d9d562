//! Heads of audit logs, countersigned by the witnesses that a checkpoint draws.

use x0_crypto::{ContentId, capability::RevocationId};
use x0_protocol::{
    Command, Event, Millis, Reply,
    core::command::{AuditHeads, EntryProof},
    spine::{
        audit::What,
        public_log::proof::{AuditProof, KnownLog, ProofFault, ProofHead, ProvenEntry},
    },
    wire::{CountersignedHead, decode_record},
};

use super::world::World;

/// Ten founders, of whom four hold seats, once their committee has keys.
fn founded() -> World {
    let mut world = World::with_seats(10, 4);
    world.pass(Millis::from_secs(20));
    world
}

fn heads(world: &mut World, at: usize) -> AuditHeads {
    match world.command(at, Command::AuditHeads) {
        Ok(Reply::AuditHeads(heads)) => heads,
        other => panic!("no heads: {other:?}"),
    }
}

fn revoke(world: &mut World, at: usize, number: u8) {
    let ids = vec![RevocationId::from_bytes([number; 32])];
    let reason = "test".parse().unwrap();
    world.recorded(at, Command::Revoke { ids, reason });
}

fn prove(world: &mut World, at: usize, index: u64) -> EntryProof {
    let command = Command::ProveEntry { index, since: None };
    match world.command(at, command) {
        Ok(Reply::EntryProof(proof)) => *proof,
        other => panic!("no proof: {other:?}"),
    }
}

#[test]
fn witnesses_countersign_every_log_and_a_proof_shows_it_to_anybody() {
    let mut world = founded();
    for at in 0..10 {
        revoke(&mut world, at, u8::try_from(at).unwrap());
    }
    world.pass(Millis::from_mins(12));

    for at in 0..10 {
        let heads = heads(&mut world, at);
        let (size, by) = heads.countersigned.unwrap();
        assert!(size > 0 && size <= heads.size);
        assert_eq!((by.by >= 7, by.of), (true, 10), "node {at}: {by:?}");
    }

    let proof = prove(&mut world, 3, 0);
    let by = proof.countersigned.unwrap();
    assert_eq!(by.head.head, proof.head);
    let mesh = world.genesis.value().id();
    let entry = world.nodes[3].disk.rest.audit[0].clone();
    let make = |head: CountersignedHead, epochs: usize| AuditProof {
        mesh,
        index: 0,
        entry: entry.encode(),
        inclusion: proof.inclusion.clone(),
        earlier: None,
        head: ProofHead::Countersigned {
            head: Box::new(head),
            genesis: Box::new(decode_record(by.genesis.bytes()).unwrap()),
            epochs: by.epochs[..epochs]
                .iter()
                .map(|record| decode_record(record.bytes()).unwrap())
                .collect(),
        },
    };
    let known = KnownLog {
        mesh: Some(mesh),
        node: Some(world.key(3)),
        head: None,
    };
    let all = by.epochs.len();
    let shown = make(by.head.clone(), all).check(&known).unwrap();
    assert_eq!(shown.entry, ProvenEntry::Node(entry.clone()));
    assert_eq!(shown.countersigned.unwrap().of, 10);

    let fault = make(by.head.clone(), 0).check(&known).unwrap_err();
    assert_eq!(fault, ProofFault::NoKeys { epoch: 1 });
    let mut fewer = by.head.clone();
    fewer.signed.truncate(6);
    let fault = make(fewer, all).check(&known).unwrap_err();
    assert!(matches!(fault, ProofFault::NotCountersigned(_)), "{fault}");
    let mut elsewhere = known;
    elsewhere.mesh = Some(ContentId::of(b"another mesh"));
    let fault = make(by.head.clone(), all).check(&elsewhere).unwrap_err();
    assert!(matches!(fault, ProofFault::OtherMesh { .. }), "{fault}");
}

#[test]
fn a_head_is_countersigned_with_a_third_of_the_witnesses_down_and_not_with_more() {
    let mut world = founded();
    world.pass(Millis::from_mins(11));
    for at in 7..10 {
        world.crash(at);
    }
    revoke(&mut world, 0, 1);
    let size = heads(&mut world, 0).size;
    world.pass(Millis::from_mins(12));
    let (before, _) = heads(&mut world, 0).countersigned.unwrap();
    assert!(
        before >= size,
        "{before} of {size} entries, with three of ten down"
    );

    world.crash(6);
    revoke(&mut world, 0, 2);
    world.pass(Millis::from_mins(25));
    let after = heads(&mut world, 0);
    assert!(after.size > before);
    let (silent, _) = after.countersigned.unwrap();
    assert_eq!(silent, before, "four of ten are silent");

    world.boot(6, false);
    for other in 0..6 {
        world.link(6, other);
    }
    world.pass(Millis::from_mins(12));
    let after = heads(&mut world, 0);
    assert!(after.countersigned.unwrap().0 > silent);
}

#[test]
fn a_node_that_rewrote_its_log_is_found_out_by_the_witnesses_it_asks() {
    let mut world = founded();
    world.pass(Millis::from_mins(11));
    let copy = {
        world.crash(9);
        world.nodes[9].disk.clone()
    };
    let back = |world: &mut World| {
        world.boot(9, false);
        for other in 0..9 {
            world.link(9, other);
        }
        world.settle();
        world.pass(Millis::from_secs(30));
    };
    back(&mut world);
    revoke(&mut world, 9, 7);
    world.pass(Millis::from_mins(12));
    let before = heads(&mut world, 9);
    assert_eq!(before.countersigned.unwrap().0, before.size);
    let split = |event: &Event| matches!(event, Event::SplitView { .. });
    assert!((0..9).all(|at| !world.heard(at, split)));

    world.crash(9);
    world.nodes[9].disk.rest.audit = copy.rest.audit;
    back(&mut world);
    let forked = heads(&mut world, 9).size;
    for number in 8..12 {
        revoke(&mut world, 9, number);
    }
    world.pass(Millis::from_mins(40));

    let after = heads(&mut world, 9);
    assert!(
        after.size > forked && after.countersigned.is_none(),
        "{after:?}"
    );
    let author = world.key(9);
    let tells = (0..9).filter(|at| {
        let mut log = world.nodes[*at].disk.rest.audit.iter();
        log.any(|entry| {
            let two = matches!(&entry.what, What::TwoHeads { one, .. } if one.author == author);
            two || matches!(&entry.what, What::SplitView { author: of, .. } if *of == author)
        })
    });
    assert!(
        tells.count() >= 6,
        "those who countersigned the first log tell"
    );
}
