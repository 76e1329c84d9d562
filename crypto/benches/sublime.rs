//! What encrypting content and sharing its key cost.
//!
//! First comes a comparison: sealing and opening chunks against bare AES-256-GCM of the same crate over the same
//! bytes, call by call in turn, so that both see the same machine. The bare calls are compiled into this program and
//! ours into the crate, which can come out quicker: being below 1 is no merit, it shows that nothing is added.
//!
//! Then the usual table, whose rows are measured one after the other: on a busy machine they do not compare.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use divan::Bencher;
use divan::counter::BytesCount;
use x0_crypto::sublime::{
    AccessStructure, CHUNK_BYTES, Chunk, Commitments, Dealing, HybridSecret, ItemKeys, ItemParts,
    Layout, Resharing, SEALED_CHUNK_BYTES, SHARE_BYTES, Share, ShareIndex, combine, deal,
    seal_hybrid,
};
use zeroize::Zeroizing;

/// Calls of each kind in the comparison.
const CALLS: usize = 2000;
const SEED: [u8; 32] = [7; 32];
/// Of a secret by default.
const THRESHOLD: u8 = 3;
const SHARES: u8 = 10;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        compare_with_bare_aes_gcm();
    }
    divan::main();
}

fn compare_with_bare_aes_gcm() {
    let bare = Aes256Gcm::new(&Key::<Aes256Gcm>::from([1; 32]));
    let nonce = Nonce::from([2; 12]);
    let (keys, chunk) = (parts().1, full_chunk());
    let mut buffer = vec![3; SEALED_CHUNK_BYTES];
    let mut bare_buffer = buffer[..CHUNK_BYTES].to_vec();
    let (mut sealed, mut opened) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..CALLS {
        let mut tag = Tag::default();
        sealed.0.push(timed(|| {
            let made = bare.encrypt_inout_detached(&nonce, &[], bare_buffer.as_mut_slice().into());
            tag = made.unwrap();
        }));
        sealed
            .1
            .push(timed(|| keys.content.seal(chunk, &mut buffer).unwrap()));
        opened.0.push(timed(|| {
            let buffer = bare_buffer.as_mut_slice().into();
            bare.decrypt_inout_detached(&nonce, &[], buffer, &tag)
                .unwrap();
        }));
        opened.1.push(timed(|| {
            keys.content.open(chunk, &mut buffer).unwrap();
        }));
    }
    println!("chunks of {SEALED_CHUNK_BYTES} bytes; {CALLS} calls each, in turn");
    report("seal", median(sealed.0), median(sealed.1));
    report("open", median(opened.0), median(opened.1));
    println!();
}

fn report(what: &str, bare: Duration, ours: Duration) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    let rate = CHUNK_BYTES as f64 / ours.as_secs_f64() / 1e9;
    println!(
        "  {what}: bare p50 {bare:>8.1?}, ours p50 {ours:>8.1?} ({rate:.2} GB/s), {ratio:.2}×"
    );
}

#[divan::bench]
fn seal_a_chunk(bencher: Bencher<'_, '_>) {
    let (keys, chunk) = (parts().1, full_chunk());
    let mut buffer = vec![3; SEALED_CHUNK_BYTES];
    bencher
        .counter(BytesCount::new(CHUNK_BYTES))
        .bench_local(|| keys.content.seal(chunk, &mut buffer).unwrap());
}

#[divan::bench]
fn seal_metadata_of_1_kib(bencher: Bencher<'_, '_>) {
    let keys = parts().1;
    bencher.bench_local(|| keys.metadata.seal(b"item", &[5; 1000]).unwrap());
}

#[divan::bench]
fn deal_3_of_10(bencher: Bencher<'_, '_>) {
    let parts = parts().0;
    bencher.bench_local(|| deal(&parts.secret, default_access(), &SEED));
}

#[divan::bench]
fn verify_a_share_of_3_of_10(bencher: Bencher<'_, '_>) {
    let dealt = dealt();
    bencher.bench_local(|| dealt.commitments.verify(&dealt.shares[9]).unwrap());
}

/// All ten shares come, and each is checked.
#[divan::bench]
fn combine_10_shares_of_3_of_10(bencher: Bencher<'_, '_>) {
    let dealt = dealt();
    bencher.bench_local(|| combine(&dealt.commitments, &dealt.shares).is_ok());
}

#[divan::bench]
fn deal_and_combine_3_of_10(bencher: Bencher<'_, '_>) {
    let parts = parts().0;
    bencher.bench_local(|| {
        let dealt = deal(&parts.secret, default_access(), &SEED);
        combine(&dealt.commitments, &dealt.shares).is_ok()
    });
}

/// What one old guardian does.
#[divan::bench]
fn redeal_a_share_to_10(bencher: Bencher<'_, '_>) {
    let dealt = dealt();
    bencher.bench_local(|| dealt.shares[0].redeal(default_access(), b"rotation", &SEED));
}

/// What everybody does: the commitments of three dealers checked and added up.
#[divan::bench]
fn check_and_add_up_3_dealers(bencher: Bencher<'_, '_>) {
    let rotation = Rotation::new();
    bencher.bench_local(|| rotation.resharing());
}

/// What one new guardian does with its parts from three dealers.
#[divan::bench]
fn new_share_from_3_dealers(bencher: Bencher<'_, '_>) {
    let rotation = Rotation::new();
    let (resharing, parts) = (rotation.resharing(), rotation.parts_of_first());
    let first = ShareIndex::new(1).unwrap();
    bencher.bench_local(|| resharing.share(first, &parts).is_ok());
}

#[divan::bench]
fn hybrid_key_from_its_seed(bencher: Bencher<'_, '_>) {
    let secret = hybrid();
    bencher.bench_local(|| secret.public());
}

#[divan::bench]
fn hybrid_seal_a_share(bencher: Bencher<'_, '_>) {
    let public = hybrid().public();
    bencher.bench_local(|| seal_hybrid(&public, b"info", &[5; SHARE_BYTES], &SEED).unwrap());
}

#[divan::bench]
fn hybrid_open_a_share(bencher: Bencher<'_, '_>) {
    let secret = hybrid();
    let sealed = seal_hybrid(&secret.public(), b"info", &[5; SHARE_BYTES], &SEED).unwrap();
    bencher.bench_local(|| secret.open(b"info", &sealed).unwrap());
}

/// Three of ten guardians deal their shares to ten others.
struct Rotation {
    old: Commitments,
    dealt: BTreeMap<ShareIndex, Dealing>,
}

impl Rotation {
    fn new() -> Self {
        let old = dealt();
        let dealers = old.shares.iter().take(THRESHOLD.into());
        let dealt = dealers.map(|share| {
            let dealing = share.redeal(default_access(), b"rotation", &SEED);
            (share.index(), dealing)
        });
        Self {
            dealt: dealt.collect(),
            old: old.commitments,
        }
    }

    fn resharing(&self) -> Resharing {
        let dealt = self.dealt.iter();
        let commitments = dealt.map(|(dealer, dealing)| (*dealer, dealing.commitments.clone()));
        Resharing::new(&self.old, default_access(), commitments.collect()).unwrap()
    }

    fn parts_of_first(&self) -> BTreeMap<ShareIndex, Share> {
        let dealt = self.dealt.iter();
        let part = |dealing: &Dealing| {
            let bytes = dealing.shares[0].to_bytes();
            Share::from_bytes(bytes.as_slice()).unwrap()
        };
        dealt
            .map(|(dealer, dealing)| (*dealer, part(dealing)))
            .collect()
    }
}

fn parts() -> (ItemParts, ItemKeys) {
    let parts = ItemParts::draw(&SEED, b"item");
    let keys = ItemKeys::derive(&parts.secret, &parts.second, b"item");
    (parts, keys)
}

fn dealt() -> Dealing {
    deal(&parts().0.secret, default_access(), &SEED)
}

fn default_access() -> AccessStructure {
    AccessStructure::new(THRESHOLD, SHARES).unwrap()
}

fn full_chunk() -> Chunk {
    let layout = Layout::of(2 * CHUNK_BYTES as u64).unwrap();
    layout.chunk(0).unwrap()
}

fn hybrid() -> HybridSecret {
    HybridSecret::from_seed(Zeroizing::new(SEED))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
