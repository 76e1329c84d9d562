//! What making and using a committee's key costs.
//!
//! First comes a comparison: verifying a certificate against the same check with the library below it, and with
//! bare `blst`, over the same bytes and decoded points, call by call in turn, so that all see the same machine.
//! The library is the measure of what our layer adds. The `verify` of `blst` computes the two pairings in two
//! Miller loops where the library shares one, so being quicker than it is no merit of ours.
//!
//! Then the usual table, whose rows are measured one after the other: on a busy machine they do not compare.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use blst::BLST_ERROR;
use blst::min_sig::{PublicKey as BlstKey, Signature as BlstSignature};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::bls12381::primitives::{
    group::{G1, G2},
    ops::verify_message,
    variant::MinSig,
};
use divan::{Bencher, black_box};
use x0_crypto::committee::{
    Ack, Ceremony, CeremonyPlan, CommitteeKey, Dealer, GroupKey, KeyShare, Logs, PartialSignature,
    Player, Purpose, SealedDealing, Seat, ThresholdSignature, account, acknowledge, deal,
    own_share,
};
use x0_crypto::{ContentId, Identity, Namespace, PublicKey, verify};
use zeroize::Zeroizing;

/// Calls of each kind in the comparison.
const CALLS: usize = 400;
/// Seats of a committee by default.
const SEATS: u8 = 15;
/// How many of them sign together.
const THRESHOLD: usize = 11;
/// About the size of a certificate's statement.
const MESSAGE: [u8; 300] = [7; 300];
/// The suite that the library signs with.
const SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        compare_with_what_is_below();
    }
    divan::main();
}

fn compare_with_what_is_below() {
    let made = Made::new();
    let (key, signature) = (made.group.public(), made.certificate());
    let bare = Bare::of(&key, &signature);
    let (mut blst, mut library, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CALLS {
        blst.push(timed(|| bare.holds_by_blst()));
        library.push(timed(|| bare.holds_by_library()));
        ours.push(timed(|| {
            key.verify(Purpose::Certificate, &MESSAGE, &signature)
                .is_ok()
        }));
    }
    let (blst, library, ours) = (median(blst), median(library), median(ours));
    println!("certificate of {SEATS} seats; {CALLS} calls each, in turn");
    println!("  bare blst           p50 {blst:>8.1?}");
    println!("  library             p50 {library:>8.1?}");
    println!("  certificate verify  p50 {ours:>8.1?}");
    let ratio = |other: Duration| ours.as_secs_f64() / other.as_secs_f64();
    println!("  ours / library      p50 {:>7.2}×", ratio(library));
    println!("  ours / bare blst    p50 {:>7.2}×\n", ratio(blst));
}

#[divan::bench]
fn bare_blst_verify(bencher: Bencher<'_, '_>) {
    let made = Made::new();
    let bare = Bare::of(&made.group.public(), &made.certificate());
    bencher.bench_local(|| bare.holds_by_blst());
}

#[divan::bench]
fn certificate_verify(bencher: Bencher<'_, '_>) {
    let made = Made::new();
    let (key, signature) = (made.group.public(), made.certificate());
    bencher.bench_local(|| {
        key.verify(Purpose::Certificate, &MESSAGE, &signature)
            .unwrap();
    });
}

#[divan::bench]
fn certificate_decode(bencher: Bencher<'_, '_>) {
    let bytes = Made::new().certificate().to_bytes();
    bencher.bench_local(|| ThresholdSignature::from_bytes(&bytes).unwrap());
}

#[divan::bench]
fn partial_sign(bencher: Bencher<'_, '_>) {
    let made = Made::new();
    bencher.bench_local(|| made.shares[0].sign(&MESSAGE));
}

#[divan::bench]
fn partial_verify(bencher: Bencher<'_, '_>) {
    let made = Made::new();
    let (seat, partial) = made.partials()[0];
    bencher.bench_local(|| made.group.verify_partial(seat, &MESSAGE, &partial).unwrap());
}

#[divan::bench]
fn combine_11_of_15(bencher: Bencher<'_, '_>) {
    let made = Made::new();
    let partials = &made.partials()[..THRESHOLD];
    bencher.bench_local(|| made.group.combine(&MESSAGE, partials).unwrap());
}

#[divan::bench(sample_count = 5)]
fn key_for_15_seats_in_one_process(bencher: Bencher<'_, '_>) {
    bencher.bench_local(Made::new);
}

/// All that a seat of 15 deals, each dealing sealed for its player.
#[divan::bench]
fn deal_to_15_seats(bencher: Bencher<'_, '_>) {
    let held = Held::new();
    bencher.bench_local(|| deal(&held.ceremony, held.first(), None).unwrap());
}

/// One dealing opened, held against its commitment and acknowledged.
#[divan::bench]
fn take_a_dealing_of_15(bencher: Bencher<'_, '_>) {
    let held = Held::new();
    let (dealer, dealing) = held.dealings.first_key_value().unwrap();
    bencher.bench_local(|| acknowledge(&held.ceremony, held.first(), dealer, dealing).unwrap());
}

/// A dealer's account of its dealings, with the acknowledgements of all players.
#[divan::bench]
fn account_for_15_seats(bencher: Bencher<'_, '_>) {
    let held = Held::new();
    bencher.bench_local(|| account(&held.ceremony, held.first(), None, &held.acks).unwrap());
}

/// The own share, from what 15 dealers dealt and their accounts.
#[divan::bench]
fn share_from_15_dealings(bencher: Bencher<'_, '_>) {
    let held = Held::new();
    bencher.bench_local(|| {
        own_share(&held.ceremony, held.first(), &held.dealings, &held.logs).unwrap()
    });
}

/// The unit that the simulator's table of costs is in: one Ed25519 signature verified.
#[divan::bench]
fn one_ed25519_signature_verified(bencher: Bencher<'_, '_>) {
    let identity = Identity::from_seed(Zeroizing::new([1; 32]));
    let (key, signature) = (identity.public(), identity.sign(Namespace::Act, &MESSAGE));
    bencher.bench_local(|| verify(&key, Namespace::Act, &MESSAGE, &signature).unwrap());
}

#[divan::bench]
fn seal_1_kib_to_a_label(bencher: Bencher<'_, '_>) {
    let key = Made::new().group.public();
    bencher.bench_local(|| key.seal_to(b"label", &[7; 1024], &[1; 32]).unwrap());
}

/// The same check written with what is below: points are decoded before, as ours are.
struct Bare {
    key: BlstKey,
    signature: BlstSignature,
    message: Vec<u8>,
    key_of_library: G2,
    signature_of_library: G1,
}

impl Bare {
    fn of(key: &CommitteeKey, signature: &ThresholdSignature) -> Self {
        let tag = Purpose::Certificate.tag().as_bytes();
        let length = u8::try_from(tag.len()).unwrap();
        Self {
            key: BlstKey::from_bytes(&key.to_bytes()).unwrap(),
            signature: BlstSignature::from_bytes(&signature.to_bytes()).unwrap(),
            message: [&[length], tag, &MESSAGE].concat(),
            key_of_library: G2::decode(Copying(&key.to_bytes())).unwrap(),
            signature_of_library: G1::decode(Copying(&signature.to_bytes())).unwrap(),
        }
    }

    fn holds_by_library(&self) -> bool {
        let tag = Purpose::Certificate.tag().as_bytes();
        let (key, signature) = (&self.key_of_library, &self.signature_of_library);
        verify_message::<MinSig>(key, tag, &MESSAGE, signature).is_ok()
    }

    fn holds_by_blst(&self) -> bool {
        let verified = self
            .signature
            .verify(false, &self.message, SUITE, &[], &self.key, false);
        verified == BLST_ERROR::BLST_SUCCESS
    }
}

/// A ceremony as the seat with the lowest key sees it at its end.
struct Held {
    ceremony: Ceremony,
    identities: BTreeMap<PublicKey, Identity>,
    /// What every dealer dealt to this seat.
    dealings: BTreeMap<PublicKey, SealedDealing>,
    /// Every player's acknowledgement of what this seat dealt.
    acks: BTreeMap<PublicKey, Ack>,
    logs: Logs,
}

impl Held {
    fn new() -> Self {
        let (ceremony, identities) = plan();
        let first = *identities.keys().next().unwrap();
        let (mut dealings, mut own_acks) = (BTreeMap::new(), BTreeMap::new());
        let mut logs = Logs::new(&ceremony);
        for (dealer, identity) in &identities {
            let dealt = deal(&ceremony, identity, None).unwrap();
            let take = |(player, dealing): &(PublicKey, SealedDealing)| {
                let ack = acknowledge(&ceremony, &identities[player], dealer, dealing).unwrap();
                (*player, ack)
            };
            let acks: BTreeMap<_, _> = dealt.iter().map(take).collect();
            logs.add(&account(&ceremony, identity, None, &acks).unwrap())
                .unwrap();
            let own = dealt.into_iter().find(|(player, _)| *player == first);
            dealings.insert(*dealer, own.unwrap().1);
            if *dealer == first {
                own_acks = acks;
            }
        }
        Self {
            ceremony,
            identities,
            dealings,
            acks: own_acks,
            logs,
        }
    }

    fn first(&self) -> &Identity {
        self.identities.values().next().unwrap()
    }
}

fn plan() -> (Ceremony, BTreeMap<PublicKey, Identity>) {
    let identities: BTreeMap<PublicKey, Identity> = (1..=SEATS)
        .map(|number| Identity::from_seed(Zeroizing::new([number; 32])))
        .map(|identity| (identity.public(), identity))
        .collect();
    let keys: Vec<PublicKey> = identities.keys().copied().collect();
    let plan = CeremonyPlan {
        mesh: ContentId::of(b"mesh"),
        epoch: 1,
        purpose: Purpose::Certificate,
        dealers: keys.clone(),
        players: keys,
        previous: None,
    };
    (Ceremony::new(plan).unwrap(), identities)
}

struct Made {
    group: GroupKey,
    /// In the order of seats.
    shares: Vec<KeyShare>,
}

impl Made {
    /// Holds a whole ceremony.
    fn new() -> Self {
        let (ceremony, identities) = plan();
        let mut players: BTreeMap<PublicKey, Player> = identities
            .iter()
            .map(|(key, identity)| (*key, Player::new(&ceremony, identity).unwrap()))
            .collect();
        let mut logs = Logs::new(&ceremony);
        for (dealer, identity) in &identities {
            let mut dealt = Dealer::start(&ceremony, identity, None, dealer.bytes()).unwrap();
            for (key, dealing) in &dealt.dealings {
                let player = players.get_mut(key).unwrap();
                let ack = player.take_dealing(dealer, &dealt.commitment, dealing);
                dealt.dealer.take_ack(key, &ack.unwrap()).unwrap();
            }
            logs.add(&dealt.dealer.finish()).unwrap();
        }
        let finish = |player: Player| player.finish(&logs).unwrap().1;
        Self {
            group: logs.observe().unwrap().group,
            shares: players.into_values().map(finish).collect(),
        }
    }

    fn partials(&self) -> Vec<(Seat, PartialSignature)> {
        let shares = self.shares.iter();
        shares
            .map(|share| (share.seat(), share.sign(&MESSAGE)))
            .collect()
    }

    fn certificate(&self) -> ThresholdSignature {
        self.group.combine(&MESSAGE, &self.partials()).unwrap()
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(work: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    let holds = black_box(work());
    let elapsed = start.elapsed();
    assert!(holds);
    elapsed
}
