//! What checking a capability, signing and verifying cost.
//!
//! First comes the comparison that is a target of the project: a whole check (decode, verify the root's block
//! and three more, read every statement, decide) against the same with bare `biscuit-auth`, call by call in
//! turn, so that both see the same machine. Then the usual table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use biscuit_auth::builder::{Algorithm, Fact, Policy, PolicyKind, Predicate, Rule, Term};
use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits, Biscuit};
use divan::{Bencher, black_box, counter::ItemsCount};
use x0_crypto::capability::{
    Action, CapabilityRoot, Grant, Scope, ShareBp, Token, Use, Verifier, check,
};
use x0_crypto::{Identity, Namespace, Signed, verify, verify_batch};
use zeroize::Zeroizing;

/// Calls of each kind in the comparison; the slowest 40 lie above the 99th percentile.
const CALLS: usize = 4000;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        compare_with_bare_biscuit();
    }
    divan::main();
}

fn compare_with_bare_biscuit() {
    let (token, root, act) = (token(), root(), act());
    let key = biscuit_key(&root);
    let mut verifier = Verifier::default();
    verifier
        .check(&token, &root.public(), &|_| false, &act)
        .unwrap();
    let (mut bare, mut whole, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CALLS {
        bare.push(timed(|| bare_check(&token, key, &act)));
        whole.push(timed(|| {
            check(&token, &root.public(), &|_| false, &act).is_ok()
        }));
        seen.push(timed(|| {
            verifier
                .check(&token, &root.public(), &|_| false, &act)
                .is_ok()
        }));
    }
    let (bare, whole, seen) = (
        Percentiles::of(bare),
        Percentiles::of(whole),
        Percentiles::of(seen),
    );
    println!(
        "capability of {} bytes, root's block and three more; {CALLS} calls each, in turn",
        token.as_bytes().len()
    );
    println!(
        "  bare biscuit-auth   p50 {:>8.1?}   p99 {:>8.1?}",
        bare.p50, bare.p99
    );
    println!(
        "  whole check         p50 {:>8.1?}   p99 {:>8.1?}",
        whole.p50, whole.p99
    );
    println!(
        "  seen before         p50 {:>8.1?}   p99 {:>8.1?}",
        seen.p50, seen.p99
    );
    println!(
        "  whole / bare        p50 {:>7.2}×   p99 {:>7.2}×   (target 1.15×; seen before < 40 µs)\n",
        whole.p50.as_secs_f64() / bare.p50.as_secs_f64(),
        whole.p99.as_secs_f64() / bare.p99.as_secs_f64()
    );
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        }
    }
}

fn timed(work: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    let allowed = black_box(work());
    let elapsed = start.elapsed();
    assert!(allowed);
    elapsed
}

#[divan::bench]
fn bare_biscuit_whole_check(bencher: Bencher<'_, '_>) {
    let (token, root, act) = (token(), root(), act());
    let key = biscuit_key(&root);
    bencher.bench_local(|| bare_check(&token, key, &act));
}

#[divan::bench]
fn whole_check(bencher: Bencher<'_, '_>) {
    let (token, root, act) = (token(), root(), act());
    bencher.bench_local(|| check(&token, &root.public(), &|_| false, &act).unwrap());
}

#[divan::bench]
fn verify_token(bencher: Bencher<'_, '_>) {
    let (token, root) = (token(), root().public());
    bencher.bench_local(|| token.verify(&root).unwrap());
}

#[divan::bench]
fn check_of_a_token_seen_before(bencher: Bencher<'_, '_>) {
    let (token, root, act) = (token(), root().public(), act());
    let mut verifier = Verifier::default();
    bencher.bench_local(|| verifier.check(&token, &root, &|_| false, &act).unwrap());
}

#[divan::bench]
fn narrow(bencher: Bencher<'_, '_>) {
    let token = token();
    let caveats = ["affects_nodes_le=3".parse().unwrap()];
    bencher.bench_local(|| token.attenuate_seeded(&caveats, &[9; 32]).unwrap());
}

#[divan::bench]
fn sign_300_bytes(bencher: Bencher<'_, '_>) {
    let identity = identity(1);
    bencher.bench_local(|| identity.sign(Namespace::Record, &[7; 300]));
}

#[divan::bench]
fn verify_300_bytes(bencher: Bencher<'_, '_>) {
    let (key, signature) = (
        identity(1).public(),
        identity(1).sign(Namespace::Record, &[7; 300]),
    );
    bencher.bench_local(|| verify(&key, Namespace::Record, &[7; 300], &signature).unwrap());
}

#[divan::bench(args = [8, 64])]
fn verify_batch_of_distinct_signers(bencher: Bencher<'_, '_>, count: u8) {
    let message = [7; 300];
    let signed = |n| {
        (
            identity(n).public(),
            identity(n).sign(Namespace::Record, &message),
        )
    };
    let signed: Vec<_> = (0..count).map(signed).collect();
    let item = |(key, signature)| Signed {
        key,
        namespace: Namespace::Record,
        message: &message,
        signature,
    };
    let items: Vec<_> = signed.into_iter().map(item).collect();
    bencher
        .counter(ItemsCount::new(items.len()))
        .bench_local(|| verify_batch(&items).unwrap());
}

#[divan::bench]
fn membership_commitment(bencher: Bencher<'_, '_>) {
    let identity = identity(1);
    bencher.bench_local(|| identity.membership_commitment());
}

/// The same decision as x0's, written with `biscuit-auth` alone.
fn bare_check(token: &Token, key: biscuit_auth::PublicKey, act: &Use) -> bool {
    let integer = |number: u32| Term::Integer(number.into());
    let text = |word: &str| Term::Str(word.to_owned());
    let fact = |name: &str, term: Term| Fact::new(name.to_owned(), vec![term]);
    let of = |name: &str, variable: &str| {
        Predicate::new(name.to_owned(), vec![Term::Variable(variable.to_owned())])
    };
    let body = vec![
        of("holder", "agent"),
        of("agent", "agent"),
        of("can", "action"),
        of("action", "action"),
    ];
    let query = Rule::new(
        Predicate::new("query".to_owned(), vec![]),
        body,
        vec![],
        vec![],
    );
    let share = ShareBp::of(act.nodes, act.mesh_size);
    let biscuit = Biscuit::from(token.as_bytes(), key).unwrap();
    let authorizer = AuthorizerBuilder::new()
        .fact(fact("agent", Term::Bytes(act.agent.bytes().to_vec())))
        .and_then(|a| a.fact(fact("action", text(act.action.as_str()))))
        .and_then(|a| a.fact(fact("scope", text(act.scope.as_str()))))
        .and_then(|a| a.fact(fact("nodes", integer(act.nodes))))
        .and_then(|a| {
            a.fact(fact(
                "network_share_bp",
                integer(share.basis_points().into()),
            ))
        })
        .and_then(|a| a.fact(fact("time", Term::Date(act.time))))
        .and_then(|a| a.fact(fact("peer_signatures", integer(act.peer_signatures.into()))))
        .and_then(|a| {
            a.policy(Policy {
                queries: vec![query],
                kind: PolicyKind::Allow,
            })
        })
        .unwrap();
    let limits = AuthorizerLimits {
        max_time: Duration::from_secs(10),
        ..AuthorizerLimits::default()
    };
    authorizer
        .set_limits(limits)
        .build(&biscuit)
        .unwrap()
        .authorize()
        .is_ok()
}

fn biscuit_key(root: &CapabilityRoot) -> biscuit_auth::PublicKey {
    biscuit_auth::PublicKey::from_bytes(root.public().bytes(), Algorithm::Ed25519).unwrap()
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}

fn root() -> CapabilityRoot {
    identity(1).capability_root()
}

fn token() -> Token {
    let actions = ["routing.read", "routing.update"].map(|name| Action::new(name).unwrap());
    let caveats = vec!["affects_network_pct_le=1%".parse().unwrap()];
    let grant = Grant {
        holder: identity(2).public(),
        actions: BTreeSet::from(actions),
        caveats,
    };
    let token = Token::grant_seeded(&root(), &grant, &[7; 32]).unwrap();
    [
        "scope=regional",
        "affects_nodes_le=20",
        "valid_until=2026-12-31T00:00:00Z",
    ]
    .iter()
    .fold(token, |token, caveat| {
        token
            .attenuate_seeded(&[caveat.parse().unwrap()], &[8; 32])
            .unwrap()
    })
}

fn act() -> Use {
    Use {
        agent: identity(2).public(),
        action: Action::new("routing.update").unwrap(),
        scope: Scope::Regional,
        nodes: 10,
        mesh_size: 1000,
        time: 1_767_268_800,
        peer_signatures: 0,
        vote: None,
        multi_sig: None,
    }
}
