#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use x0_crypto::Identity;
use zeroize::Zeroizing;

use super::*;
use crate::{
    core::time::Wall,
    wire::{Body, Draft, Kind},
};

const NOW: Mono = Mono(5_000_000);

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([seed; 32]))
}

fn peer(seed: u8) -> PublicKey {
    identity(seed).public()
}

/// Any record: whether it is sensitive is asked elsewhere.
fn record(number: u64) -> Verified<Record> {
    let body = Body::Unknown(Kind(0x7fff), vec![7].into());
    let author = identity(255);
    let mesh = Some(ContentId::of(b"mesh"));
    let at = (number, None);
    let draft = Draft::new(mesh, author.public(), at, Wall(1), [0; 16], body);
    draft.sign(&author).unwrap()
}

/// Links to so many peers, the first of them dialled.
fn links(count: u8, dialled: u8) -> Links {
    let mut links = Links::default();
    for seed in 0..count {
        links.up(peer(seed), seed < dialled, true, Mono(0));
        links.greet(&peer(seed));
    }
    links
}

fn stem(seed: u8) -> Stem {
    Stem::new(&Rng::new([seed; 32]))
}

/// Returns the relays that a node uses for all its links and its own user, at a moment.
fn routes(stem: &mut Stem, now: Mono, links: &Links) -> Vec<Option<PublicKey>> {
    let all: Vec<_> = links.greeted().map(Some).chain([None]).collect();
    let routes = all.iter().map(|from| stem.relay(now, from.as_ref(), links));
    routes.collect()
}

/// Finds a node that does not end the stems of others now.
fn passing(links: &Links) -> Stem {
    let mut stems = (0..=255).map(stem);
    let passes = |stem: &mut Stem| stem.relay(NOW, Some(&peer(0)), links).is_some();
    stems
        .find_map(|mut stem| passes(&mut stem).then_some(stem))
        .unwrap()
}

#[test]
fn the_way_of_each_link_is_fixed_for_an_epoch_and_no_longer() {
    let links = links(8, 8);
    let mut changed = 0;
    for seed in 0..40 {
        let mut node = stem(seed);
        let begins = (0..=STEM_EPOCH.0 / 1_000)
            .map(|second| NOW + Millis::from_secs(second))
            .find(|at| {
                let mut fresh = stem(seed);
                fresh.look(*at, &links);
                let now = fresh.epoch;
                fresh.look(NOW, &links);
                now != fresh.epoch
            });
        let begins = begins.unwrap();
        let first = routes(&mut node, begins, &links);
        for second in (0..STEM_EPOCH.0 / 1_000 - 1).step_by(37) {
            let at = begins + Millis::from_secs(second);
            assert_eq!(routes(&mut node, at, &links), first);
        }
        changed += u32::from(routes(&mut node, begins + STEM_EPOCH, &links) != first);
    }
    assert!(changed > 30, "{changed} of 40 ways changed with the epoch");
}

#[test]
fn a_node_has_two_relays_and_sends_nothing_back() {
    let links = links(8, 8);
    for seed in 0..=255 {
        let mut node = stem(seed);
        let from: Vec<_> = links.greeted().collect();
        let to = routes(&mut node, NOW, &links);
        let relays: BTreeSet<_> = to.iter().flatten().collect();
        assert!(relays.len() <= STEM_RELAYS, "{relays:?}");
        assert!(from.iter().zip(&to).all(|(from, to)| Some(*from) != *to));
        assert!(
            to.last().unwrap().is_some(),
            "own records take a hop at least"
        );
    }
}

#[test]
fn one_node_in_ten_ends_the_stems_of_others() {
    let links = links(8, 8);
    let mut ends = 0_u32;
    for seed in 0..1_000_u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&seed.to_be_bytes());
        let mut node = Stem::new(&Rng::new(bytes));
        let ended = routes(&mut node, NOW, &links)
            .iter()
            .filter(|to| to.is_none())
            .count();
        assert!(ended == 0 || ended == 8, "all of them or none: {ended}");
        ends += u32::from(ended > 0);
    }
    assert!((70..=130).contains(&ends), "{ends} of 1,000");
}

#[test]
fn who_dials_in_becomes_no_relay_while_two_links_were_dialled() {
    let links = links(30, 2);
    for seed in 0..=255 {
        let to = routes(&mut stem(seed), NOW, &links);
        assert!(
            to.into_iter()
                .flatten()
                .all(|to| to == peer(0) || to == peer(1))
        );
    }
}

#[test]
fn with_too_few_links_a_record_is_gossiped_at_once() {
    for count in 0..3 {
        let ended = stem(1).pass(NOW, record(1), None, &links(count, count));
        assert!(ended.is_err_and(|ended| ended.is_own), "{count} links");
    }
    assert!(stem(1).pass(NOW, record(1), None, &links(3, 3)).is_ok());
}

#[test]
fn a_relay_whose_link_has_gone_is_replaced_and_the_other_stays() {
    let mut links = links(8, 8);
    let mut node = stem(3);
    node.look(NOW, &links);
    let [gone, stays] = node.relays;
    links.down(&gone.unwrap());

    node.look(NOW, &links);

    assert_ne!(node.relays[0], gone);
    assert!(node.relays[0].is_some());
    assert_eq!(node.relays[1], stays);
}

#[test]
fn whatever_became_of_the_relay_a_record_is_gossiped_within_ten_seconds() {
    let (links, mut waits) = (links(8, 8), Vec::new());
    let mut node = passing(&links);
    for number in 0..400 {
        let from = (number % 2 == 0).then(|| peer(0));
        let passed = node.pass(NOW, record(number), from.as_ref(), &links);
        assert!(passed.is_ok());
        let due = node.due().unwrap();
        waits.push(due.since(NOW).0);
        assert!(node.take_due(Mono(due.0 - 1)).is_none());
        let ended = node.take_due(due).unwrap();
        assert_eq!(ended.record.value().id(), record(number).value().id());
        assert_eq!(ended.is_own, from.is_none());
    }
    let mean = waits.iter().sum::<u64>() / waits.len() as u64;
    let in_bounds = STEM_WAIT_MIN.0..=STEM_WAIT_MAX.0;
    assert!(waits.iter().all(|wait| in_bounds.contains(wait)));
    assert!((3_600..4_300).contains(&mean), "{mean} ms in the mean");
}

#[test]
fn a_record_that_comes_back_goes_along_each_relay_once_and_is_still_waited_for() {
    let links = links(8, 8);
    let mut node = passing(&links);
    let id = record(1).value().id();
    let first = node.pass(NOW, record(1), None, &links).ok().unwrap();

    let again: Vec<_> = (0..3)
        .flat_map(|_| links.greeted())
        .filter_map(|from| node.pass_again(NOW, &id, &from, &links))
        .map(|(to, _)| to)
        .collect();

    assert!(again.len() <= 1 && !again.contains(&first), "{again:?}");
    assert!(node.holds(&id) && node.due().is_some());
}

#[test]
fn a_full_node_gossips_the_oldest_that_its_user_did_not_say() {
    let links = links(8, 8);
    let mut node = passing(&links);
    let own = record(0).value().id();
    assert!(node.pass(NOW, record(0), None, &links).is_ok());
    for number in 1..STEM_HELD_MAX as u64 {
        assert!(
            node.pass(NOW, record(number), Some(&peer(0)), &links)
                .is_ok()
        );
        assert!(node.take_due(NOW).is_none());
    }

    assert!(
        node.pass(NOW, record(1_000), Some(&peer(0)), &links)
            .is_ok()
    );

    let ended = node.take_due(NOW).unwrap();
    assert_eq!(ended.record.value().id(), record(1).value().id());
    assert!(node.take_due(NOW).is_none() && node.holds(&own));
}

#[test]
fn what_has_been_heard_is_waited_for_no_longer() {
    let links = links(8, 8);
    let mut node = stem(1);
    let id = record(1).value().id();
    assert!(node.pass(NOW, record(1), None, &links).is_ok());

    assert!(node.forget(&id).is_some_and(|ended| ended.is_own));

    assert_eq!(node.due(), None);
    assert!(node.forget(&id).is_none() && !node.holds(&id));
}
