//! Sealed votes in a chamber: which proposals the log takes, and which openings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use x0_crypto::{ContentId, committee::CommitteeKey};
use x0_protocol::{
    core::limits::{OPENINGS_AT_ONCE, SEALED_VOTERS_MAX},
    spine::ballot::{Phase, sealed::seal_own},
    wire::{Ballot, Choice, Openings, Parameters, Subject, Vote, VoteEntry, VoteItem, VoteRules},
};

use super::Hall;
use crate::{random::Seed, world::Founding};

fn hall(members: u32) -> Hall {
    let founding = Founding {
        seats: 4,
        roots: 1,
        parameters: Parameters::default(),
        ..Founding::default()
    };
    Hall::new(Seed(7), members, &founding)
}

fn rules(key: CommitteeKey) -> VoteRules {
    VoteRules {
        sealed_to: Some(Box::new(key)),
        ..VoteRules::ordinary()
    }
}

fn propose(hall: &mut Hall, key: CommitteeKey) -> Result<ContentId, String> {
    let proposal = hall.proposal(9, ContentId::of(b"x"), "Under seal", rules(key));
    let item = VoteItem::Proposal(Box::new(proposal.clone()));
    let (state, time) = (&hall.chamber.state, hall.chamber.time);
    let roll = state.counted().ok_or("nobody is counted yet")?;
    let standing = state.vote_standing(&item, time, roll);
    let refused = hall.block(vec![VoteEntry::Proposed(Box::new(proposal.clone()))]);
    assert_eq!(standing.is_err(), refused == 1, "{standing:?}");
    standing.map(|_| proposal.id())
}

/// Casts a sealed ballot of each of these members.
fn cast(hall: &mut Hall, proposal: ContentId, voters: core::ops::Range<u32>) {
    let (mesh, key) = (hall.chamber.mesh, hall.keys().decryption);
    for voter in voters {
        let voter = hall.chamber.identity(voter);
        let sealed = seal_own(&key, (&mesh, &proposal), &voter, 0, Choice::No);
        let ballot = Ballot::sign(&mesh, &voter, proposal, 0, Vote::Sealed(sealed));
        hall.hand_in(0, ballot.value()).unwrap();
    }
    let batch = hall.batch(0).unwrap();
    assert_eq!(hall.block(vec![batch]), 0);
}

/// Closes the vote, with nothing on the seats' lists.
fn close(hall: &mut Hall, proposal: &ContentId) {
    let close = hall.poll(proposal).close();
    hall.pass_to(close);
    let lists = (0..4).map(|seat| hall.list(seat, proposal, Vec::new()));
    let lists = lists.collect();
    assert_eq!(hall.block(lists), 0);
}

/// Returns what opens the ballots that the seats are asked to open.
fn openings(hall: &Hall, proposal: ContentId) -> Openings {
    let subjects = hall.chamber.state.subjects();
    let signatures = subjects.into_iter().filter_map(|subject| match subject {
        Subject::Opening { voter, .. } => Some((voter, hall.chamber.sign(subject))),
        Subject::Statement(_) | Subject::Round(_) | Subject::Report { .. } => None,
    });
    Openings {
        proposal,
        key: hall.keys().decryption,
        signatures: signatures.collect(),
    }
}

fn entry(openings: &Openings) -> Vec<VoteEntry> {
    vec![VoteEntry::Opened(Box::new(openings.clone()))]
}

#[test]
fn a_sealed_vote_takes_the_committees_key_and_no_more_members_than_its_seats_open_ballots_for() {
    let mut few = hall(40);
    let (right, other) = (few.keys().decryption, few.keys().beacon);
    let refused = propose(&mut few, other).unwrap_err();
    assert!(refused.contains("another key"), "{refused}");
    propose(&mut few, right).unwrap();

    let mut many = hall(SEALED_VOTERS_MAX + 1);
    let key = many.keys().decryption;
    let refused = propose(&mut many, key).unwrap_err();
    assert!(refused.contains("4096 sealed ballots at most"), "{refused}");
}

#[test]
fn nothing_opens_a_ballot_but_what_the_committee_signs_after_the_close() {
    let mut hall = hall(40);
    let key = hall.keys().decryption;
    let id = propose(&mut hall, key).unwrap();
    cast(&mut hall, id, 0..6);
    assert!(openings(&hall, id).signatures.is_empty(), "it is open");
    let voter = hall.chamber.key(0);
    let early = Subject::Opening {
        proposal: id,
        voter,
    };
    let early = Openings {
        signatures: vec![(voter, hall.chamber.sign(early))],
        ..openings(&hall, id)
    };
    assert_eq!(hall.block(entry(&early)), 1);

    close(&mut hall, &id);
    let good = openings(&hall, id);
    assert_eq!(good.signatures.len(), 6);
    let mut swapped = good.clone();
    (swapped.signatures[0].1, swapped.signatures[1].1) =
        (good.signatures[1].1, good.signatures[0].1);
    let other_key = Openings {
        key: hall.keys().beacon,
        ..good.clone()
    };
    let mut nobody = good.clone();
    nobody.signatures[0].0 = hall.chamber.key(20);
    for bad in [swapped, other_key, nobody] {
        assert_eq!(hall.block(entry(&bad)), 1);
    }
    assert!(matches!(hall.poll(&id).phase(), Phase::Opening { .. }));
    assert_eq!(hall.block(entry(&good)), 0);
    let stated = hall.poll(&id).statement().unwrap();
    assert_eq!((stated.tally.sums.no, stated.tally.sums.leaves), (6, 6));
    assert_eq!(hall.block(entry(&good)), 1, "once is enough");
}

#[test]
fn the_seats_are_asked_for_some_openings_at_a_time_until_all_are_there() {
    let voters = u32::try_from(OPENINGS_AT_ONCE).unwrap() + 30;
    let mut hall = hall(voters);
    let key = hall.keys().decryption;
    let id = propose(&mut hall, key).unwrap();
    cast(&mut hall, id, 0..voters);
    close(&mut hall, &id);
    let first = openings(&hall, id);
    assert_eq!(first.signatures.len(), OPENINGS_AT_ONCE);
    assert_eq!(hall.block(entry(&first)), 0);
    let second = openings(&hall, id);
    assert_eq!(second.signatures.len(), 30);
    assert_eq!(hall.block(entry(&second)), 0);
    let stated = hall.poll(&id).statement().unwrap();
    assert_eq!(stated.tally.sums.no, u64::from(voters));
}
