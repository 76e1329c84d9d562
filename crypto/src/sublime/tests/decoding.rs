//! The forms on the wire: bounded, one for each value, and pinned.

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::*;

/// The order of Ristretto's group, little-endian: the least number that is no scalar.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn dealt() -> Dealing {
    deal(&secret(1), access(3, 10), &SEED)
}

fn hybrid() -> HybridPublic {
    HybridSecret::from_seed(Zeroizing::new(SEED)).public()
}

fn again<T>(value: &T) -> (T, T)
where
    T: Serialize + DeserializeOwned,
{
    let binary = serde_ipld_dagcbor::to_vec(value).unwrap();
    let text = serde_json::to_string(value).unwrap();
    (
        serde_ipld_dagcbor::from_slice(&binary).unwrap(),
        serde_json::from_str(&text).unwrap(),
    )
}

#[test]
fn every_form_comes_back_in_both_kinds_of_formats() {
    let dealt = dealt();
    let (binary, text) = again(&dealt.commitments);
    assert_eq!((&binary, &text), (&dealt.commitments, &dealt.commitments));
    let (binary, text) = again(&dealt.shares[4]);
    assert_eq!(binary.to_bytes(), dealt.shares[4].to_bytes());
    assert_eq!(text.to_bytes(), dealt.shares[4].to_bytes());
    assert_eq!(again(&hybrid()), (hybrid(), hybrid()));
    assert_eq!(again(&access(3, 10)), (access(3, 10), access(3, 10)));
    assert_eq!(again(&index(32)), (index(32), index(32)));
}

#[test]
fn numbers_out_of_bounds_do_not_decode() {
    assert!(serde_json::from_str::<AccessStructure>("[4,3]").is_err());
    assert!(serde_json::from_str::<AccessStructure>("[0,3]").is_err());
    assert!(serde_json::from_str::<ShareIndex>("0").is_err());
    assert!(serde_json::from_str::<ShareIndex>("33").is_err());
}

/// A changed hash is a change of the wire: nodes that differ in it do not understand each other's shares.
#[test]
fn the_wire_forms_are_pinned() {
    let dealt = dealt();
    let redealt = dealt.shares[0].redeal(access(2, 3), b"rotation", &SEED);
    let forms = [
        dealt.commitments.to_bytes(),
        dealt.shares[0].to_bytes().to_vec(),
        redealt.commitments.to_bytes(),
        redealt.shares[0].to_bytes().to_vec(),
        hybrid().to_bytes().to_vec(),
        seal_hybrid(&hybrid(), b"info", b"plaintext", &SEED).unwrap(),
    ];
    let found = forms.map(|bytes| crate::ContentId::of(&bytes).to_string());
    assert_eq!(
        found,
        [
            "bafyreigwovahproqnrs3w3g3kicsjjlyqcyqn6b2uavtto7brsk4v353rm",
            "bafyreia7zmpwxi2353k2gbatvgnm7iw4qghhequ7w5mu3p2x6xmpdf45m4",
            "bafyreiapfuwrwxfnv3vve7myjexnd5dm35oehzbe4uvudk44c7srlrmo7y",
            "bafyreihmmmllnokod4v32dxdrfcjnrw5g2q57ysvehwlhakatthssiriru",
            "bafyreidusq5u5tked3d7sljcyp5to6rjzv73szuh57ni7ltuvyrbtiocpe",
            "bafyreih3gj373zlbu7j345okuftprioc4nn7rrd6jtwptmlawy2zrrfkxe",
        ]
    );
}

#[test]
fn a_scalar_that_is_not_reduced_is_no_part_of_a_share() {
    for at in [1, 33] {
        let mut bytes = dealt().shares[0].to_bytes();
        bytes[at..at + 32].copy_from_slice(&ORDER);
        let error = Share::from_bytes(bytes.as_slice()).err().unwrap();
        assert_eq!(
            error,
            Malformed::not_one("share of a secret", "a number in it is too large")
        );
        bytes[at] -= 1;
        assert!(Share::from_bytes(bytes.as_slice()).is_ok());
    }
}

#[test]
fn a_share_without_a_guardian_does_not_decode() {
    for number in [0, 33, 255] {
        let mut bytes = dealt().shares[0].to_bytes();
        bytes[0] = number;
        assert!(Share::from_bytes(bytes.as_slice()).is_err());
    }
}

#[test]
fn the_identity_is_no_commitment() {
    let bytes = dealt().commitments.to_bytes();
    for at in 0..3 {
        let mut changed = bytes.clone();
        // The identity of Ristretto's group is all zeros (RFC 9496, 4.3.2).
        changed[1 + 32 * at..][..32].fill(0);
        assert!(Commitments::from_bytes(&changed).is_err());
    }
}

#[test]
fn a_point_in_a_second_encoding_is_no_commitment() {
    // Negative and not reduced field elements, from RFC 9496, appendix A.2.
    for bad in [
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000",
    ] {
        let mut bytes = dealt().commitments.to_bytes();
        bytes[1..33].copy_from_slice(&data_encoding::HEXLOWER.decode(bad.as_bytes()).unwrap());
        assert!(Commitments::from_bytes(&bytes).is_err(), "{bad}");
    }
}

#[test]
fn commitments_with_more_or_fewer_points_than_can_be_do_not_decode() {
    let point = &dealt().commitments.to_bytes()[1..33].to_vec();
    let of = |shares: u8, points: usize| [vec![shares], point.repeat(points)].concat();
    assert!(Commitments::from_bytes(&of(32, 32)).is_ok());
    assert!(Commitments::from_bytes(&of(10, 0)).is_err());
    assert!(Commitments::from_bytes(&of(2, 3)).is_err());
    assert!(Commitments::from_bytes(&of(33, 3)).is_err());
    assert!(Commitments::from_bytes(&[]).is_err());
    assert_eq!(
        Commitments::from_bytes(&of(33, 33)),
        Err(Malformed::TooLong {
            what: "commitment to a shared secret",
            bytes_max: COMMITMENTS_BYTES_MAX,
            bytes: COMMITMENTS_BYTES_MAX + 32
        })
    );
}

#[test]
fn what_is_too_long_is_refused_by_serde_before_it_is_decoded() {
    let text = format!("\"{}\"", "00".repeat(COMMITMENTS_BYTES_MAX + 1));
    let error = serde_json::from_str::<Commitments>(&text).unwrap_err();
    assert!(error.to_string().contains("invalid length"), "{error}");
}

proptest! {
    #[test]
    fn what_decodes_is_the_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(share) = Share::from_bytes(&bytes) {
            prop_assert_eq!(share.to_bytes().to_vec(), bytes.clone());
        }
        if let Ok(commitments) = Commitments::from_bytes(&bytes) {
            prop_assert_eq!(commitments.to_bytes(), bytes.clone());
        }
        prop_assert!(HybridPublic::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_decodes_to_another_value_or_not_at_all(at: prop::sample::Index, change in 1_u8..=255) {
        let of = |mut bytes: Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            bytes
        };
        let bytes = of(dealt().shares[0].to_bytes().to_vec());
        if let Ok(share) = Share::from_bytes(&bytes) {
            prop_assert_eq!(share.to_bytes().to_vec(), bytes.clone());
        }
        let bytes = of(dealt().commitments.to_bytes());
        if let Ok(commitments) = Commitments::from_bytes(&bytes) {
            prop_assert_eq!(commitments.to_bytes(), bytes);
        }
        let bytes = of(hybrid().to_bytes().to_vec());
        if let Ok(key) = HybridPublic::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes().to_vec(), bytes);
        }
    }
}
