//! What a vote costs whoever recounts it: checking signatures, and everything else on top.
//!
//! `floor` checks the signatures of the ballots and does nothing else; `recount` checks every leaf, its signature
//! and the order, and builds the tree. Their difference is what the tally itself costs.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The bench attribute keeps its arguments in a `LazyLock`.
#![allow(clippy::disallowed_types)]

use divan::{Bencher, counter::ItemsCount};
use x0_crypto::{ContentId, Identity, PublicKey, Signed, verify_batch};
use x0_protocol::{
    Wall,
    spine::{
        ballot::{
            Basis, Cast, Electorate, Leaf, Terms, TermsDraft, recount,
            tally::{TallyBuilder, Tree},
        },
        committee::Seats,
    },
    wire::{Ballot, Choice, Vote, VoteStatement},
};
use zeroize::Zeroizing;

const MESH: ContentId = ContentId::from_digest([1; 32]);
const PROPOSAL: ContentId = ContentId::from_digest([2; 32]);
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
/// Signatures checked together, as a recount does.
const CHUNK: usize = 1_024;

fn main() {
    divan::main();
}

/// Nothing but the signatures.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn floor(bencher: Bencher<'_, '_>, size: u32) {
    let signed: Vec<_> = ballots(size)
        .into_iter()
        .map(|ballot| (ballot.message(&MESH), ballot))
        .collect();
    bencher.counter(ItemsCount::new(size)).bench_local(|| {
        for chunk in signed.chunks(CHUNK) {
            let batch: Vec<_> = chunk
                .iter()
                .map(|(message, ballot)| Signed {
                    key: ballot.voter,
                    namespace: Ballot::NAMESPACE,
                    message,
                    signature: ballot.signature,
                })
                .collect();
            verify_batch(&batch).unwrap();
        }
    });
}

/// Ballots as they come in: each checked, with its message made first.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn verify_as_they_come(bencher: Bencher<'_, '_>, size: u32) {
    let ballots = ballots(size);
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| {
            let all = ballots.iter().map(VoteStatement::to_unverified);
            all.collect::<Vec<_>>()
        })
        .bench_local_values(|mut all| {
            while !all.is_empty() {
                let rest = all.split_off(all.len().min(CHUNK));
                let checked = Ballot::verify_all(&MESH, all);
                assert!(checked.iter().all(Result::is_ok));
                all = rest;
            }
        });
}

/// Signatures, rules, order and tree.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn recount_a_tally(bencher: Bencher<'_, '_>, size: u32) {
    let leaves = leaves(size);
    let electorate = Electorate {
        members_root: [3; 32],
        count: size,
    };
    let terms = Terms::new(PROPOSAL, Wall(0), TermsDraft::ordinary(electorate)).unwrap();
    let seats = Seats::new((0..4).map(|seat| identity(seat).public()).collect()).unwrap();
    let basis = Basis {
        mesh: &MESH,
        terms: &terms,
        seats: &seats,
        roll: &|_: &PublicKey| true,
    };
    bencher
        .counter(ItemsCount::new(size))
        .bench_local(|| recount(&basis, divan::black_box(&leaves)).unwrap());
}

/// The root alone, in memory for one node of each level.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn root_alone(bencher: Bencher<'_, '_>, size: u32) {
    let leaves = leaves(size);
    bencher.counter(ItemsCount::new(size)).bench_local(|| {
        let mut builder = TallyBuilder::default();
        for leaf in divan::black_box(&leaves) {
            builder.push(leaf).unwrap();
        }
        builder.finish(PROPOSAL)
    });
}

/// The whole tree, from which paths are made.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn whole_tree(bencher: Bencher<'_, '_>, size: u32) {
    let leaves = leaves(size);
    bencher
        .counter(ItemsCount::new(size))
        .bench_local(|| Tree::of(divan::black_box(&leaves)));
}

fn leaves(size: u32) -> Vec<Leaf> {
    let leaf = |ballot| Leaf {
        cast: Cast::Own {
            ballot,
            opening: None,
        },
        counted: Some(Choice::Yes),
    };
    ballots(size).into_iter().map(leaf).collect()
}

/// Ballots in order of voter.
fn ballots(size: u32) -> Vec<Ballot> {
    let vote = || Vote::Open(Choice::Yes);
    let ballot = |voter| Ballot::sign(&MESH, &identity(voter), PROPOSAL, 0, vote());
    let mut ballots: Vec<_> = (0..size)
        .map(|voter| ballot(voter).value().clone())
        .collect();
    ballots.sort_by_key(|ballot| ballot.voter);
    ballots
}

fn identity(number: u32) -> Identity {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed))
}
