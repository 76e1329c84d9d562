//! Each property fails where its rule is broken: in worlds that somebody has tampered with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_crypto::{
    ContentId,
    capability::{Grant, Token},
};
use x0_protocol::{
    Wall, Write,
    charter::{Charter, violation::Stage},
    spine::audit::{
        What,
        tree::{Frontier, leaf_hash},
    },
    wire::{
        Act, Body, Change, Draft, HeldHead, Kind, LogHead, PublicEntry, PublicWhat, Record,
        Targets, Warrants,
    },
};

use super::*;
use crate::{
    scenarios::{Scenario, workload},
    time::{Span, Time},
    world::Sample,
};

const NODES: u32 = 48;

fn scenario(nodes: u32, seed: u64) -> Scenario {
    let (_, text) = crate::scenarios::LIBRARY
        .into_iter()
        .find(|(name, _)| *name == "charter")
        .unwrap();
    let calm = text.split("faults:").next().unwrap();
    let text = format!("{calm}safety_ms: 1000000\nliveness_ms: 1\n")
        .replace("senders: 100", "senders: 10")
        .replace("time_scale: 300", "time_scale: 600")
        .replace("seats: 7", "seats: 4");
    Scenario::parse_with(&text, Some(nodes), Some(seed)).unwrap()
}

/// A mesh under a charter, with its keys, in which nothing has happened.
fn founded() -> World {
    founded_with(NODES)
}

fn founded_with(nodes: u32) -> World {
    let mut world = World::new(&scenario(nodes, 4), 1);
    world.run_until(Time::START + Span::from_secs(16));
    world
}

/// The same after a few days of its time: cases are decided, an override has run, and one has lapsed, which does not come
/// about in every such mesh.
fn lived() -> World {
    let mut worlds = (1..=12).map(lived_of);
    worlds.find(|world| untold(world).is_some()).unwrap()
}

fn lived_of(seed: u64) -> World {
    let scenario = scenario(NODES, seed);
    let mut world = World::new(&scenario, 1);
    let mut work = workload::prepare(scenario.work, &world);
    let end = Time::START + Span::from_millis(620_000);
    while world.now() < end {
        let next = work.next().unwrap_or(end).min(end);
        world.run_until(next);
        work.act(&mut world);
    }
    world.run_until(end + Span::from_secs(10));
    world
}

/// Finds an override that has lapsed at a target, and a node that knows of it and has heard no announcement of it.
fn untold(world: &World) -> Option<(ContentId, u32)> {
    let executed = world.executed();
    let lapsed = (0..NODES).flat_map(|node| world.audit(node));
    let lapsed = lapsed.filter_map(|entry| {
        let What::Lapsed { act, .. } = &entry.what else {
            return None;
        };
        Some(*act)
    });
    let mut untold = lapsed.flat_map(|act| (13..NODES).map(move |node| (act, node)));
    untold.find(|(act, node)| {
        let record = world.record(*node, act);
        let Some(Body::Act(text)) = record.map(Record::body) else {
            return false;
        };
        let proof = Warrants::of(text).unwrap().emergency;
        let told = proof.as_ref().and_then(|proof| proof.entry.overriding());
        let mirror = world.mirror(*node);
        let is_told = mirror.is_some_and(|log| log.is_broadcast(&told.unwrap().act));
        world.is_up(*node) && !is_told && !executed.contains(&(*act, *node))
    })
}

fn sample(line: &str) -> Sample {
    let name = line.split(':').next().unwrap();
    Sample {
        bytes: line.as_bytes().to_vec(),
        names: vec![name.as_bytes().to_vec()],
        is_plain: true,
    }
}

/// The charter in force with one more metric.
fn looser(world: &World) -> Charter {
    let mut draft = world.charter(1).unwrap().text().clone();
    let mut more = draft.metrics[0].clone();
    more.name = "http_requests".to_owned();
    more.consent = false;
    draft.metrics.push(more);
    draft.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Charter::new(draft).unwrap()
}

#[track_caller]
fn broken(finding: &Finding, why: &str) {
    assert!(
        !finding.holds && finding.detail.contains(why),
        "{finding:?}"
    );
}

#[track_caller]
fn holds(finding: &Finding) {
    assert!(finding.holds, "{finding:?}");
}

#[test]
fn a_name_off_the_list_that_leaves_a_process_is_found() {
    let mut world = founded();
    for line in ["latency_p99:1|g", "http_requests:1|c", "Latency_p99:1|g"] {
        world.send_sample(1, &sample(line));
    }
    holds(&no_metric_off_the_list::check(&world));
    let charter = looser(&world);
    world.tamper(1, |guarded| guarded.load_by_hand(&charter));

    world.send_sample(1, &sample("http_requests:1|c"));

    let finding = no_metric_off_the_list::check(&world);
    broken(
        &finding,
        "\"http_requests\" left the process under charter 1",
    );
}

#[test]
fn a_gateway_that_obeys_another_charter_is_found() {
    let mut world = founded();
    // Node 0 has no guard in the kernel.
    world.send_sample(0, &sample("http_requests:1|c"));
    holds(&no_metric_off_the_list::check(&world));
    let charter = looser(&world);
    world.tamper(0, |guarded| guarded.obey(&charter));

    world.send_sample(0, &sample("http_requests:1|c"));

    broken(
        &no_metric_off_the_list::check(&world),
        "was taken by the gateway",
    );
}

#[test]
fn a_sample_without_the_consent_it_needs_is_found() {
    let mut world = founded();
    let metric = world.charter(0).unwrap().text().metrics.iter();
    let metric = metric
        .clone()
        .find(|metric| metric.consent)
        .unwrap()
        .clone();
    let line = format!("{}:1|c", metric.name);
    world.send_sample(0, &sample(&line));
    assert_eq!(world.watched(0).unwrap().taken, 0);
    world.say_consent(0, &metric, true);
    world.send_sample(0, &sample(&line));
    assert_eq!(world.watched(0).unwrap().taken, 1);
    holds(&no_metric_off_the_list::check(&world));
    let mut draft = world.charter(0).unwrap().text().clone();
    draft
        .metrics
        .iter_mut()
        .for_each(|metric| metric.consent = false);
    let charter = Charter::new(draft).unwrap();
    world.say_consent(0, &metric, false);
    world.tamper(0, |guarded| guarded.obey(&charter));

    world.send_sample(0, &sample(&line));

    broken(
        &no_metric_off_the_list::check(&world),
        "was taken by the gateway",
    );
}

#[test]
fn a_refusal_that_is_not_counted_is_found_also_after_a_crash() {
    let mut world = founded();
    world.send_sample(1, &sample("http_requests:1|c"));
    world.crash(1);
    world.restart(1);
    world.send_sample(1, &sample("http_requests:1|c"));
    assert_eq!(world.refusals_counted(1), [2, 0]);
    holds(&no_metric_off_the_list::check(&world));

    world.tamper(1, |guarded| guarded.miscount());

    let finding = no_metric_off_the_list::check(&world);
    broken(
        &finding,
        "[2, 0] refusals were made by guard and gateway, [1, 0] counted",
    );
}

#[test]
fn a_public_log_that_nothing_certifies_and_one_that_is_no_prefix_are_found() {
    let mut world = founded();
    let told = |height| {
        let act = ContentId::of(b"an act");
        let entry = PublicEntry {
            time: Wall(1),
            height,
            what: PublicWhat::Broadcast { act },
        };
        vec![Write::Public {
            index: 0,
            entry: Box::new(entry),
        }]
    };
    let (one, other) = (told(1), told(2));
    holds(&audit_only_grows::check(&world));
    world.write_past_peer(3, one);
    broken(
        &audit_only_grows::check(&world),
        "0 of 1 entries of the public log are certified",
    );
    world.write_past_peer(5, other);
    broken(
        &audit_only_grows::check(&world),
        "is no prefix of that of node",
    );
}

#[test]
fn two_heads_of_one_size_that_nobody_has_found_are_found() {
    let mut world = founded();
    let identity = world.identity(9);
    let leaf = |byte: u8| -> Frontier { [leaf_hash(&[byte])].into_iter().collect() };
    for (node, byte) in [(3, 1), (4, 2)] {
        let head = LogHead::sign(&identity, 1, leaf(byte).root(), Wall(1));
        world.write_past_peer(node, vec![Write::Witnessed(head)]);
    }
    broken(&audit_only_grows::check(&world), "keep two heads of");
}

#[test]
fn two_heads_of_one_log_that_witnesses_have_countersigned_are_found() {
    let mut world = founded();
    let identity = world.identity(9);
    let mesh = ContentId::of(b"mesh");
    let held = |byte: u8| {
        let root = [leaf_hash(&[byte])]
            .into_iter()
            .collect::<Frontier>()
            .root();
        HeldHead::new(mesh, 7, &LogHead::sign(&identity, 1, root, Wall(1)))
    };
    let (one, other) = (held(1), held(2));
    world.countersign_past_peer(3, one);
    holds(&audit_only_grows::check(&world));
    world.countersign_past_peer(4, other);
    broken(
        &audit_only_grows::check(&world),
        "countersigned two heads of",
    );
}

#[test]
fn a_network_act_without_its_warrants_is_found() {
    let mut world = founded_with(104);
    let (agent, grantor) = (world.identity(20), world.identity(0));
    let change = Change::SetPolicy {
        policy: "acts.shown".parse().unwrap(),
        value: 5,
        from_version: 0,
    };
    let grant = Grant {
        holder: agent.public(),
        actions: [change.action()].into(),
        caveats: Vec::new(),
    };
    let root = grantor.capability_root();
    let act = Act {
        change,
        targets: Targets::All,
        root: root.public(),
        token: Token::grant_seeded(&root, &grant, &[1; 32]).unwrap(),
        expires: world.wall(),
        warrants: Vec::new(),
    };
    let place = (0, None);
    let (mesh, time) = (Some(world.mesh()), world.wall());
    let draft = Draft::new(mesh, agent.public(), place, time, [7; 16], Body::Act(act));
    let record = draft.sign(&agent).unwrap();
    let id = record.value().id();
    holds(&network_acts::check(&world));

    world.write_past_peer(21, vec![Write::Record(record)]);
    world.tell_executed(21, id);

    broken(
        &network_acts::check(&world),
        "does not know the committee's keys",
    );
}

#[test]
fn what_breaks_a_rule_about_cases_and_overrides_is_found() {
    let mut world = lived();
    for check in [
        sentences_certified::check,
        one_ledger::check,
        overrides_announced::check,
        barred_acts::check,
        audit_only_grows::check,
        no_metric_off_the_list::check,
    ] {
        holds(&check(&world));
    }
    assert!(!world.sentences(10).is_empty(), "somebody is sentenced");
    let finals = world.docket(10).unwrap().cases();
    let finals = finals.filter(|(_, case)| case.stage() == Stage::Final);
    assert!(finals.count() > 0);

    // Whoever was removed has acts from before, and one of them runs again.
    let gone = world.sentences(10).into_iter();
    let (gone, ..) = gone
        .clone()
        .find(|(_, _, sentence)| sentence.removed)
        .unwrap();
    let acts = world.executed().into_iter();
    let (act, node) = acts
        .clone()
        .find(|(act, node)| world.record(*node, act).unwrap().author() == gone)
        .unwrap();
    world.tell_executed(node, act);
    broken(&barred_acts::check(&world), "1 acts did");

    world.forget_on_disk(12, Kind::RULING);
    broken(&sentences_certified::check(&world), "node 12 holds");
    world.crash(12);
    world.restart(12);
    broken(&one_ledger::check(&world), "come to different balances");

    // An override that has lapsed at its targets runs at a node that keeps nothing of it.
    let (lapsed, other) = untold(&world).unwrap();
    world.tell_executed(other, lapsed);
    broken(&overrides_announced::check(&world), "was never told to all");
}
