//! Signatures, honest and crafted, alone and in batches.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use sha2::Sha512;
use zeroize::Zeroizing;

use super::*;
use crate::Identity;

const ALL: [Namespace; 14] = [
    Namespace::Record,
    Namespace::Invite,
    Namespace::Hello,
    Namespace::LogHead,
    Namespace::Seat,
    Namespace::KeyCeremony,
    Namespace::Act,
    Namespace::Ballot,
    Namespace::BallotReceipt,
    Namespace::Receipt,
    Namespace::Countersign,
    Namespace::Account,
    Namespace::Share,
    Namespace::Card,
];

#[test]
fn a_signature_holds_for_its_key_namespace_and_message_only() {
    let (alice, bob) = (identity(1), identity(2));
    let signature = alice.sign(Namespace::Record, b"hello");

    assert!(verify(&alice.public(), Namespace::Record, b"hello", &signature).is_ok());
    for namespace in ALL
        .into_iter()
        .filter(|namespace| *namespace != Namespace::Record)
    {
        assert!(
            verify(&alice.public(), namespace, b"hello", &signature).is_err(),
            "{namespace}"
        );
    }
    assert!(verify(&alice.public(), Namespace::Record, b"hallo", &signature).is_err());
    let error = verify(&bob.public(), Namespace::Record, b"hello", &signature).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the signature was not made by {} over this message as a record",
            bob.public()
        )
    );
}

#[test]
fn no_namespace_is_the_beginning_of_another() {
    for (a, b) in ALL
        .iter()
        .flat_map(|a| ALL.iter().map(move |b| (a, b)))
        .filter(|(a, b)| a != b)
    {
        assert!(!b.bind(b"").starts_with(&a.bind(b"")), "{a} {b}");
    }
}

/// What RFC 8032 signs for this seed; other implementations can verify x0 signatures.
#[test]
fn a_signature_is_plain_ed25519_over_label_zero_message() {
    let signature = identity(1).sign(Namespace::Invite, b"come");
    let key = ed25519_dalek::VerifyingKey::from_bytes(identity(1).public().bytes()).unwrap();

    let bound = b"x0/invite/1\0come";
    assert!(
        key.verify_strict(
            bound,
            &ed25519_dalek::Signature::from_bytes(signature.bytes())
        )
        .is_ok()
    );
}

#[test]
fn an_empty_batch_holds() {
    assert_eq!(verify_batch(&[]), Ok(()));
}

#[test]
fn a_batch_names_each_bad_item() {
    let mut made: Vec<Made> = (0..40).map(|n| Trick::Honest.make(n, n)).collect();
    made[7] = Trick::OtherMessage.make(7, 7);
    made[23] = Trick::NotCanonicalS.make(23, 23);

    assert_eq!(
        verify_batch(&items(&made)),
        Err(BadSignatures {
            indices: vec![7, 23]
        })
    );
    assert_eq!(verify_batch(&items(&made[8..23])), Ok(()));
}

/// ZIP-215 takes these; the rules of other libraries disagree about them, some even with themselves.
#[test]
fn signatures_with_a_small_order_part_hold_alone_and_in_a_batch() {
    for trick in [
        Trick::TorsionInR(1),
        Trick::TorsionInKey(3),
        Trick::NeutralR,
        Trick::NotCanonicalNeutralR,
    ] {
        let made = [trick.make(1, 1), Trick::Honest.make(2, 2)];

        assert!(made[0].holds(), "{trick:?}");
        assert_eq!(verify_batch(&items(&made)), Ok(()), "{trick:?}");
    }
}

/// Two torsion parts that cancel pass a batch without cofactor and fail alone; here both ways agree.
#[test]
fn torsion_parts_that_cancel_change_nothing() {
    let made = [
        Trick::TorsionInR(1).make(1, 1),
        Trick::TorsionInR(7).make(1, 2),
    ];

    assert!(made.iter().all(Made::holds));
    assert_eq!(verify_batch(&items(&made)), Ok(()));
}

#[test]
fn a_signature_round_trips_in_json_and_dag_cbor() {
    let signature = identity(1).sign(Namespace::Record, b"hello");

    let json = serde_json::to_string(&signature).unwrap();
    assert_eq!(json.len(), 130, "hexadecimal in quotes");
    assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
    let cbor = serde_ipld_dagcbor::to_vec(&signature).unwrap();
    assert_eq!(cbor.len(), 66);
    assert_eq!(
        serde_ipld_dagcbor::from_slice::<Signature>(&cbor).unwrap(),
        signature
    );
    assert!(serde_ipld_dagcbor::from_slice::<Signature>(&cbor[..65]).is_err());
    assert!(serde_json::from_str::<Signature>("\"00\"").is_err());
}

proptest! {
    #[test]
    fn a_batch_holds_exactly_when_each_item_does(
        tricks in prop::collection::vec((any_trick(), 0u8..4, any::<u8>()), 0..12),
    ) {
        let made: Vec<Made> = tricks.iter().map(|(trick, signer, message)| trick.make(*signer, *message)).collect();
        let bad: Vec<usize> = (0..made.len()).filter(|&i| !made[i].holds()).collect();

        let expected = if bad.is_empty() { Ok(()) } else { Err(BadSignatures { indices: bad }) };
        prop_assert_eq!(verify_batch(&items(&made)), expected);
        for (made, (trick, ..)) in made.iter().zip(&tricks) {
            prop_assert_eq!(made.holds(), trick.should_hold(), "{:?}", trick);
        }
    }

    #[test]
    fn a_batch_of_anything_agrees_with_single_verification(
        signatures in prop::collection::vec((prop::array::uniform32(any::<u8>()), prop::array::uniform32(any::<u8>())), 2..6),
    ) {
        let made: Vec<Made> = signatures.into_iter().map(|(r, s)| Made {
            key: identity(1).public(),
            namespace: Namespace::Record,
            message: vec![],
            signature: joined(r, s),
        }).collect();
        let bad: Vec<usize> = (0..made.len()).filter(|&i| !made[i].holds()).collect();

        prop_assert_eq!(verify_batch(&items(&made)).map_err(|bad| bad.indices).err().unwrap_or_default(), bad);
    }
}

/// A way to make a signature, honest or not.
#[derive(Debug, Clone, Copy)]
enum Trick {
    Honest,
    OtherMessage,
    OtherNamespace,
    OtherSigner,
    /// `s` raised by the group order.
    NotCanonicalS,
    /// `R` with a point of small order added, signed with knowledge of it.
    TorsionInR(usize),
    /// A public key with a point of small order added.
    TorsionInKey(usize),
    /// `R` is the neutral element.
    NeutralR,
    /// `R` is the neutral element in its second encoding, y = p + 1.
    NotCanonicalNeutralR,
    /// Torsion added to `R` after signing, so that the hash no longer fits.
    TorsionAddedLater(usize),
}

#[derive(Debug)]
struct Made {
    key: PublicKey,
    namespace: Namespace,
    message: Vec<u8>,
    signature: Signature,
}

impl Made {
    fn holds(&self) -> bool {
        verify(&self.key, self.namespace, &self.message, &self.signature).is_ok()
    }
}

impl Trick {
    const fn should_hold(self) -> bool {
        match self {
            Self::Honest
            | Self::TorsionInR(_)
            | Self::TorsionInKey(_)
            | Self::NeutralR
            | Self::NotCanonicalNeutralR => true,
            Self::OtherMessage
            | Self::OtherNamespace
            | Self::OtherSigner
            | Self::NotCanonicalS
            | Self::TorsionAddedLater(_) => false,
        }
    }

    fn make(self, signer: u8, message: u8) -> Made {
        let message = vec![message; usize::from(message)];
        let mut made = forge(
            signer,
            message,
            ED25519_BASEPOINT_POINT * nonce(),
            Torsion { r: 0, key: 0 },
            nonce(),
        );
        match self {
            Self::Honest => {
                made.signature = identity(signer).sign(made.namespace, &made.message);
            }
            Self::OtherMessage => made.message.push(1),
            Self::OtherNamespace => made.namespace = Namespace::Hello,
            Self::OtherSigner => made.key = identity(signer ^ 0x80).public(),
            Self::NotCanonicalS => made.signature = raised_by_group_order(made.signature),
            Self::TorsionInR(t) => {
                made = forge(
                    signer,
                    made.message,
                    ED25519_BASEPOINT_POINT * nonce(),
                    Torsion { r: t, key: 0 },
                    nonce(),
                );
            }
            Self::TorsionInKey(t) => {
                made = forge(
                    signer,
                    made.message,
                    ED25519_BASEPOINT_POINT * nonce(),
                    Torsion { r: 0, key: t },
                    nonce(),
                );
            }
            Self::NeutralR => {
                made = forge(
                    signer,
                    made.message,
                    EdwardsPoint::default(),
                    Torsion { r: 0, key: 0 },
                    Scalar::ZERO,
                );
            }
            Self::NotCanonicalNeutralR => {
                let mut r = [0xff; 32];
                (r[0], r[31]) = (0xee, 0x7f);
                made.signature = signed_with_encoded_r(signer, &made, r);
            }
            Self::TorsionAddedLater(t) => {
                let r = (ED25519_BASEPOINT_POINT * nonce() + EIGHT_TORSION[t])
                    .compress()
                    .to_bytes();
                let s: [u8; 32] = made.signature.0[32..].try_into().unwrap();
                made.signature = joined(r, s);
            }
        }
        made
    }
}

struct Torsion {
    r: usize,
    key: usize,
}

/// Signs as RFC 8032 does, but with any `R`, and any torsion in `R` and in the public key.
fn forge(signer: u8, message: Vec<u8>, r: EdwardsPoint, torsion: Torsion, nonce: Scalar) -> Made {
    let secret = secret_scalar(signer);
    let key = (ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[torsion.key])
        .compress()
        .to_bytes();
    let r = (r + EIGHT_TORSION[torsion.r]).compress().to_bytes();
    let s = nonce + challenge(&r, &key, &Namespace::Record.bind(&message)) * secret;
    let key = PublicKey::from_bytes(&key).unwrap();
    Made {
        key,
        namespace: Namespace::Record,
        message,
        signature: joined(r, s.to_bytes()),
    }
}

/// Signs with `R` the neutral element, whatever its encoding.
fn signed_with_encoded_r(signer: u8, made: &Made, r: [u8; 32]) -> Signature {
    let s = challenge(&r, made.key.bytes(), &made.namespace.bind(&made.message))
        * secret_scalar(signer);
    joined(r, s.to_bytes())
}

fn challenge(r: &[u8; 32], key: &[u8; 32], bound: &[u8]) -> Scalar {
    let hash: [u8; 64] = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(bound)
        .finalize()
        .into();
    Scalar::from_bytes_mod_order_wide(&hash)
}

fn secret_scalar(signer: u8) -> Scalar {
    ed25519_dalek::SigningKey::from_bytes(&identity(signer).seed()).to_scalar()
}

fn nonce() -> Scalar {
    Scalar::from(0x0123_4567_89ab_cdef_u64)
}

/// Adds the order of the group, 2²⁵² + 27742317777372353535851937790883648493, to `s`.
fn raised_by_group_order(signature: Signature) -> Signature {
    let order_minus_one = (-Scalar::ONE).to_bytes();
    let (r, s) = signature.0.split_at(32);
    let mut sum = [0; 32];
    let mut carry = 1;
    for ((out, a), b) in sum.iter_mut().zip(s).zip(order_minus_one) {
        carry += u16::from(*a) + u16::from(b);
        *out = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    joined(r.try_into().unwrap(), sum)
}

fn joined(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature([r, s].concat().try_into().unwrap())
}

fn items(made: &[Made]) -> Vec<Signed<'_>> {
    let item = |made: &'_ Made| (made.key, made.namespace, made.signature);
    let with_message = made
        .iter()
        .map(|made| (item(made), made.message.as_slice()));
    with_message
        .map(|((key, namespace, signature), message)| Signed {
            key,
            namespace,
            message,
            signature,
        })
        .collect()
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([number; 32]))
}

fn any_trick() -> impl Strategy<Value = Trick> {
    prop_oneof![
        8 => Just(Trick::Honest),
        1 => Just(Trick::OtherMessage),
        1 => Just(Trick::OtherNamespace),
        1 => Just(Trick::OtherSigner),
        1 => Just(Trick::NotCanonicalS),
        2 => (0usize..8).prop_map(Trick::TorsionInR),
        2 => (0usize..8).prop_map(Trick::TorsionInKey),
        1 => Just(Trick::NeutralR),
        1 => Just(Trick::NotCanonicalNeutralR),
        1 => (1usize..8).prop_map(Trick::TorsionAddedLater),
    ]
}
