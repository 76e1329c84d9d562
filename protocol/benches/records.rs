//! What a record costs before it counts: decoding, and checking its signature alone and in a page.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use divan::{Bencher, counter::ItemsCount};
use x0_crypto::{
    ContentId, Identity,
    capability::{Grant, Token},
};
use x0_protocol::{
    Millis, Wall,
    core::limits::PAGE_RECORDS_MAX,
    wire::{Body, CapabilityGrant, Change, Draft, Kind, Record, Verified, decode_record},
};
use zeroize::Zeroizing;

const START: Wall = Wall(1_700_000_000_000);
/// Bytes of a body as records mostly have it: an act on a few nodes without its token.
const BODY_BYTES: usize = 200;

fn main() {
    divan::main();
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let record = plain(0);
    bencher.bench(|| decode_record(divan::black_box(record.value().bytes())).unwrap());
}

#[divan::bench]
fn decode_and_verify(bencher: Bencher<'_, '_>) {
    let record = plain(0);
    bencher.bench(|| {
        let decoded = decode_record(divan::black_box(record.value().bytes())).unwrap();
        decoded.verify().unwrap()
    });
}

/// The same for a record that carries a capability token, whose signature and statements are checked as well.
#[divan::bench]
fn decode_and_verify_a_capability(bencher: Bencher<'_, '_>) {
    let record = capability();
    bencher.bench(|| {
        let decoded = decode_record(divan::black_box(record.value().bytes())).unwrap();
        decoded.verify().unwrap()
    });
}

/// As they come in a catch-up: signatures are checked together.
#[divan::bench]
fn verify_a_page(bencher: Bencher<'_, '_>) {
    let records: Vec<_> = (0..PAGE_RECORDS_MAX as u64).map(plain).collect();
    bencher
        .counter(ItemsCount::new(PAGE_RECORDS_MAX))
        .with_inputs(|| {
            records
                .iter()
                .map(Verified::to_unverified)
                .collect::<Vec<_>>()
        })
        .bench_values(|page| {
            let checked = x0_protocol::wire::Unverified::verify_all(page);
            assert!(checked.iter().all(Result::is_ok));
            checked
        });
}

fn plain(seq: u64) -> Verified<Record> {
    let body = vec![seq as u8; BODY_BYTES];
    sign(seq, Body::Unknown(Kind(0x7fff), body.into()))
}

fn capability() -> Verified<Record> {
    let author = author();
    let root = author.capability_root();
    let change = Change::Link {
        peer: author.public(),
    };
    let caveats = ["affects_network_pct_le=1%", "scope=regional"];
    let grant = Grant {
        holder: author.public(),
        actions: [change.action()].into(),
        caveats: caveats
            .iter()
            .map(|caveat| caveat.parse().unwrap())
            .collect(),
    };
    let token = Token::grant_seeded(&root, &grant, &[7; 32]).unwrap();
    sign(
        0,
        Body::Capability(CapabilityGrant {
            root: root.public(),
            token,
        }),
    )
}

fn sign(seq: u64, body: Body) -> Verified<Record> {
    let author = author();
    let prev = (seq > 0).then(|| ContentId::of(&seq.to_be_bytes()));
    let mesh = Some(ContentId::of(b"mesh"));
    let time = START + Millis(seq);
    Draft::new(mesh, author.public(), (seq, prev), time, [1; 16], body)
        .sign(&author)
        .unwrap()
}

fn author() -> Identity {
    Identity::from_seed(Zeroizing::new([1; 32]))
}
