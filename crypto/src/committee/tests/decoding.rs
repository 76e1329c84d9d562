//! The forms on the wire: bounded, one for each value, and pinned.

use std::sync::OnceLock;

use commonware_cryptography::bls12381::dkg::feldman_desmedt::Output;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::super::messages::{G2_BYTES, SEATS_BOUND};
use super::super::seat_key::SeatKey;
use super::*;

/// One of each form, from fixed seeds, and how it is decoded and encoded again.
struct Form {
    name: &'static str,
    bytes: Vec<u8>,
    again: fn(&[u8]) -> Option<Vec<u8>>,
}

macro_rules! form {
    ($name:ident, $bytes:expr) => {
        Form {
            name: stringify!($name),
            bytes: $bytes[..].to_vec(),
            again: |bytes| Some($name::from_bytes(bytes).ok()?.to_bytes()[..].to_vec()),
        }
    };
}

/// Dealer 1 does not reach player 4, so that a log holds both an acknowledgement and a dealing.
fn forms() -> &'static [Form] {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let ceremony = fresh(Purpose::Decryption, 1..=4);
        let mut held = Held::with(&ceremony, &BTreeMap::new(), |dealer, player| {
            (dealer, player) != (1, 4)
        });
        held.deal_all_but(&[]);
        let (commitment, dealing) = held.kept(1, 2);
        let (ack, log) = (held.acks[&(1, 2)].clone(), held.signed[&1].clone());
        let made = held.made();
        let partials = made.partials(b"label");
        let signature = made.group.combine(b"label", &partials).unwrap();
        let key = made.group.public();
        let sealed = key.seal_to(b"label", b"plaintext", &[5; 32]).unwrap();
        vec![
            form!(Commitment, commitment.to_bytes()),
            form!(Dealing, dealing.to_bytes()),
            form!(Ack, ack.to_bytes()),
            form!(SignedLog, log.to_bytes()),
            form!(GroupKey, made.group.to_bytes()),
            form!(KeyShare, made.share(0).to_bytes()),
            form!(PartialSignature, partials[0].1.to_bytes()),
            form!(ThresholdSignature, signature.to_bytes()),
            form!(CommitteeKey, key.to_bytes()),
            form!(SealedToLabel, sealed.to_bytes()),
        ]
    })
}

#[test]
fn every_form_decodes_to_what_encodes_the_same() {
    for form in forms() {
        assert_eq!(
            (form.again)(&form.bytes).as_ref(),
            Some(&form.bytes),
            "{}",
            form.name
        );
    }
}

/// A changed hash is a change of the wire: nodes that differ in it cannot hold a ceremony together.
#[test]
fn the_wire_forms_are_pinned() {
    let found: Vec<String> = forms()
        .iter()
        .map(|form| {
            let hash = HEXLOWER.encode(&Sha256::digest(&form.bytes));
            format!("{} {} {hash}", form.name, form.bytes.len())
        })
        .collect();

    assert_eq!(found, PINNED);
}

const PINNED: [&str; 10] = [
    "Commitment 289 6e07738bbc535b5a0a46eac56005a592a651f1b3184bf15cdacdb61ed09e830a",
    "Dealing 32 4aaf33be776f3edb056cadc46629fc4cf4459c738005147ff7a67f645fcbba75",
    "Ack 64 41be7fc72b5935705621363183f5e1a88bbf5a066d73ff2599e39bbff8264571",
    "SignedLog 744 c71a72f257723550c5a236ccdc4fd2b2fd746e96db7b894de39de3fc0294f2d0",
    "GroupKey 594 ecf3a796024b372900ecebc08e7ab86d1440b6aa0e42943f22514531768178a4",
    "KeyShare 34 5182fe2883cea4783692310f946fa20d4cb046b82b884f3bc03b563575b6df35",
    "PartialSignature 48 859058d278562dae8d070b05ab7390861a39e99df256e975732a90549bf8e13d",
    "ThresholdSignature 48 578761fa516f917e49ce918f30dc21d5a87e1c097bc21f939b0d29b5cc5700ed",
    "CommitteeKey 96 8da18a6109e7da7cad7583604c7e79892acb220862ea0d5ca9b4537e457d7165",
    "SealedToLabel 186 d9efbadb3d6e2da1638d8f4d17648f2ab9d51191fbccee9abbe2dfa40e9a1033",
];

#[test]
fn cut_and_lengthened_forms_are_refused() {
    // What is sealed may have any length; its tag notices the cut when it is opened.
    for form in forms().iter().filter(|form| form.name != "SealedToLabel") {
        for length in 0..form.bytes.len() {
            assert_eq!(
                (form.again)(&form.bytes[..length]),
                None,
                "{} {length}",
                form.name
            );
        }
        let longer = [&form.bytes[..], &[0]].concat();
        assert_eq!((form.again)(&longer), None, "{}", form.name);
        assert_eq!(
            (form.again)(&vec![0; 2 * 1024 * 1024]),
            None,
            "{}",
            form.name
        );
    }
}

#[test]
fn a_point_that_proves_nothing_is_no_signature_and_no_key() {
    let mut neutral = [0; 96];
    neutral[0] = 0xc0;
    assert!(ThresholdSignature::from_bytes(&neutral[..48]).is_err());
    assert!(PartialSignature::from_bytes(&neutral[..48]).is_err());
    assert!(CommitteeKey::from_bytes(&neutral).is_err());
    // Of the points with a small x, none lies in the subgroup.
    let outside = (0..=u8::MAX).filter(|x| {
        let mut point = [0; 48];
        (point[0], point[47]) = (0x80, *x);
        ThresholdSignature::from_bytes(&point).is_ok()
    });
    assert_eq!(outside.count(), 0);
}

#[test]
fn a_group_key_whose_parts_disagree_is_refused() {
    let bytes = &forms()[4].bytes;
    let seats_at = 41 + 32 + 1;
    let players_at = seats_at + 4 + 1 + 3 * G2_BYTES + 1 + 3 * 32;
    assert_eq!((bytes[seats_at + 3], bytes[players_at]), (4, 4));
    let mut more_seats = bytes.clone();
    more_seats[seats_at + 3] = 5;
    let mut stranger = bytes.clone();
    *stranger.last_mut().unwrap() = 1;
    stranger.extend_from_slice(key(11).bytes());
    let mut own = stranger.clone();
    let end = own.len() - 32;
    own[end..].copy_from_slice(key(2).bytes());
    let mut other_purpose = bytes.clone();
    other_purpose[0] = 3;

    assert!(GroupKey::from_bytes(&more_seats).is_err());
    assert!(GroupKey::from_bytes(&stranger).is_err());
    assert!(GroupKey::from_bytes(&own).is_ok());
    assert!(GroupKey::from_bytes(&other_purpose).is_err());
}

#[test]
fn the_largest_committee_fills_the_longest_forms() {
    let ceremony = fresh(Purpose::Certificate, 1..=SEATS_MAX);
    let mut dealt = Dealer::start(&ceremony, &identity(1), None, &[1; 32]).unwrap();
    for number in 1..=SEATS_MAX {
        let mut player = Player::new(&ceremony, &identity(number)).unwrap();
        let dealing = dealing_of(&dealt, number);
        let ack = player.take_dealing(&key(1), &dealt.commitment, &dealing);
        dealt.dealer.take_ack(&key(number), &ack.unwrap()).unwrap();
    }
    let log = dealt.dealer.finish().to_bytes();

    assert_eq!(dealt.commitment.to_bytes().len(), COMMITMENT_BYTES_MAX);
    assert_eq!(log.len(), SIGNED_LOG_BYTES_MAX);
    assert!(SignedLog::from_bytes(&log).is_ok());
    // The library reckons with as many coefficients as seats, and five bytes for the length of each of four lists.
    let spare = usize::from(SEATS_MAX - threshold(SEATS_MAX)) * G2_BYTES + 4 * 4;
    assert_eq!(
        GROUP_KEY_BYTES_MAX + spare,
        41 + Output::<MinSig, SeatKey>::max_encode_size(SEATS_BOUND)
    );
}

#[test]
fn every_form_travels_as_a_byte_string() {
    fn travels<T: Serialize + DeserializeOwned>(form: &Form) {
        let cbor = serde_ipld_dagcbor::to_vec(&serde_bytes_of(&form.bytes)).unwrap();
        let value: T = serde_ipld_dagcbor::from_slice(&cbor).unwrap();
        assert_eq!(
            serde_ipld_dagcbor::to_vec(&value).unwrap(),
            cbor,
            "{}",
            form.name
        );
        let json = format!("\"{}\"", HEXLOWER.encode(&form.bytes));
        let value: T = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            json,
            "{}",
            form.name
        );
        assert!(serde_json::from_str::<T>("\"zz\"").is_err());
        assert!(serde_json::from_str::<T>("[1, 2, 3]").is_err());
    }
    let forms = forms();
    travels::<Commitment>(&forms[0]);
    travels::<Dealing>(&forms[1]);
    travels::<Ack>(&forms[2]);
    travels::<SignedLog>(&forms[3]);
    travels::<GroupKey>(&forms[4]);
    travels::<KeyShare>(&forms[5]);
    travels::<PartialSignature>(&forms[6]);
    travels::<ThresholdSignature>(&forms[7]);
    travels::<CommitteeKey>(&forms[8]);
    travels::<SealedToLabel>(&forms[9]);
}

/// A byte string for the serializer.
fn serde_bytes_of(bytes: &[u8]) -> impl Serialize {
    struct Bytes<'a>(&'a [u8]);
    impl Serialize for Bytes<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    Bytes(bytes)
}

#[test]
fn seats_beyond_the_largest_committee_do_not_exist() {
    assert_eq!(Seat::new(30).map(Seat::place), Ok(30));
    assert!(Seat::new(31).is_err());
    assert!(serde_json::from_str::<Seat>("31").is_err());
    assert_eq!(serde_json::from_str::<Seat>("3").unwrap(), Seat(3));
}

proptest! {
    #[test]
    fn changed_bytes_decode_to_nothing_or_to_what_encodes_the_same(
        which in 0usize..10,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let form = &forms()[which];
        let mut bytes = form.bytes.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(again) = (form.again)(&bytes) {
            prop_assert_eq!(again, bytes, "{}", form.name);
        }
    }

    #[test]
    fn any_bytes_decode_to_nothing_or_to_what_encodes_the_same(
        which in 0usize..10,
        bytes in prop::collection::vec(any::<u8>(), 0..2100),
        start in 0usize..300,
    ) {
        let form = &forms()[which];
        let start = start.min(form.bytes.len());
        for bytes in [bytes.clone(), [&form.bytes[..start], &bytes].concat()] {
            if let Some(again) = (form.again)(&bytes) {
                prop_assert_eq!(again, bytes, "{}", form.name);
            }
        }
    }
}
