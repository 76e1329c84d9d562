//! The words of a recovery card, and what follows from them.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;
use crate::{Identity, Namespace, verify};

/// BIP-39's own test vector for 32 bytes of zeros.
const ZEROS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon abandon abandon art";
/// BIP-39's own test vector for these 32 bytes.
const VECTOR: (&str, &str) = (
    "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
    "hamster diagram private dutch cause delay private meat slide toddler razor book happy \
     fancy gospel tennis maple dilemma loan word shrug inflict delay length",
);

fn card(number: u8) -> CardSeed {
    CardSeed::from_bytes([number; 32])
}

fn public(number: u8) -> crate::PublicKey {
    Identity::from_seed(zeroize::Zeroizing::new([number; 32])).public()
}

fn fault(text: &str) -> BadWords {
    CardSeed::from_words(text).err().unwrap()
}

/// Tells whether two seeds are the same, by what follows from them.
fn same(one: &CardSeed, other: &CardSeed) -> bool {
    one.second(&public(1)).to_bytes() == other.second(&public(1)).to_bytes()
        && one.signer().public() == other.signer().public()
}

#[test]
fn words_are_those_of_bip_39() {
    let seed: [u8; 32] = HEXLOWER
        .decode(VECTOR.0.as_bytes())
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(*CardSeed::from_bytes(seed).words(), VECTOR.1);
    assert_eq!(*card(0).words(), ZEROS);
    assert!(same(&CardSeed::from_words(ZEROS).unwrap(), &card(0)));
}

#[test]
fn words_are_read_however_they_are_written_down() {
    let written = card(7).words();
    let words: Vec<&str> = written.split(' ').collect();
    let numbered = |between: &str| -> String {
        let line = |(i, word): (usize, &&str)| format!("{}{between}{word}\r\n", i + 1);
        words.iter().enumerate().map(line).collect()
    };
    for text in [
        written.to_uppercase(),
        words.join("\n\t \u{a0}"),
        words.join(","),
        numbered(". "),
        numbered("."),
        numbered(") "),
        numbered(" "),
    ] {
        assert!(
            same(&CardSeed::from_words(&text).unwrap(), &card(7)),
            "{text}"
        );
    }
}

#[test]
fn an_error_names_the_place_and_never_the_word() {
    let unknown = ZEROS.replacen("abandon abandon", "abandon secretword", 1);
    assert_eq!(fault(&unknown), BadWords::Unknown { place: 2 });
    assert!(!fault(&unknown).to_string().contains("secretword"));
    assert_eq!(fault("1. абандон"), BadWords::Unknown { place: 1 });
    let short = ZEROS.replacen("abandon ", "", 1);
    assert_eq!(fault(&short), BadWords::Count { found: 23 });
    assert_eq!(
        fault(&format!("{ZEROS} art")),
        BadWords::Count { found: 25 }
    );
    assert_eq!(fault(" 1. 2. "), BadWords::Count { found: 0 });
    // The length of BIP-39's shorter kinds is no card's either.
    let twelve = "abandon ".repeat(11) + "about";
    assert_eq!(fault(&twelve), BadWords::Count { found: 12 });
    let other = ZEROS.replacen("abandon", "zoo", 1);
    assert_eq!(fault(&other), BadWords::Checksum);
}

/// The last word holds 3 bits of the seed and the checksum.
#[test]
fn of_all_last_words_eight_fit() {
    let start = ZEROS.strip_suffix("art").unwrap();
    let fits = |word: &&&str| CardSeed::from_words(&format!("{start}{word}")).is_ok();
    let list = bip39::Language::English.word_list();
    assert_eq!(list.iter().filter(fits).count(), 8);
}

#[test]
fn an_item_with_a_card_has_the_second_part_that_the_card_gives() {
    let with = ItemParts::draw_with_card(&SEED, b"item", &card(7));
    let without = ItemParts::draw(&SEED, b"item");
    assert_eq!(with.secret.0, without.secret.0);
    assert_eq!(with.signing_seed, without.signing_seed);
    assert_ne!(with.second.to_bytes(), without.second.to_bytes());

    let signer = Identity::from_seed(with.signing_seed.clone()).public();
    let again = CardSeed::from_words(&card(7).words()).unwrap();
    assert_eq!(with.second.to_bytes(), again.second(&signer).to_bytes());
    assert_ne!(with.second.to_bytes(), card(8).second(&signer).to_bytes());
}

#[test]
fn a_card_signs_calls() {
    let signature = card(7).signer().sign(Namespace::Card, b"call");
    let key = card(7).signer().public();
    assert!(verify(&key, Namespace::Card, b"call", &signature).is_ok());
    assert!(
        verify(
            &card(8).signer().public(),
            Namespace::Card,
            b"call",
            &signature
        )
        .is_err()
    );
}

/// Computed with Python's hmac module, after RFC 5869. A changed one means that cards on paper no longer open anything.
#[test]
fn what_follows_from_a_card_is_pinned() {
    let key = crate::PublicKey::from_bytes(&ITEM).unwrap();
    assert_eq!(
        HEXLOWER.encode(card(7).second(&key).to_bytes().as_slice()),
        "84e8f85bcbafff361a1219719473839919dea3db5ebcdc8f9c0fbaf1c9b6bc70"
    );
    let signer = Identity::from_seed(zeroize::Zeroizing::new(
        HEXLOWER
            .decode(b"ab3384755082abd0387d0c357003a7088ba627acd004c6ce54728e86c7f63515")
            .unwrap()
            .try_into()
            .unwrap(),
    ));
    assert_eq!(card(7).signer().public(), signer.public());
}

/// The public key of RFC 8032, 7.1, test 1.
const ITEM: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

proptest! {
    #[test]
    fn a_seed_comes_back_from_its_words(seed: [u8; 32]) {
        let words = CardSeed::from_bytes(seed).words();
        prop_assert_eq!(words.split(' ').count(), CARD_WORDS);
        let again = CardSeed::from_words(&words).unwrap();
        prop_assert!(same(&again, &CardSeed::from_bytes(seed)));
    }

    /// One wrong word of 256 passes the checksum of 8 bits; what is read then is another seed.
    #[test]
    fn another_word_never_gives_the_same_seed(seed: [u8; 32], at in 0_usize..CARD_WORDS, other: [u8; 32]) {
        let (seed, other) = (CardSeed::from_bytes(seed), CardSeed::from_bytes(other));
        let (words, others) = (seed.words(), other.words());
        let mut changed: Vec<&str> = words.split(' ').collect();
        let word = others.split(' ').nth(at).unwrap();
        prop_assume!(changed[at] != word);
        changed[at] = word;
        match CardSeed::from_words(&changed.join(" ")) {
            Ok(read) => prop_assert!(!same(&read, &seed)),
            Err(fault) => prop_assert_eq!(fault, BadWords::Checksum),
        }
    }

    #[test]
    fn another_item_has_another_second_part(seed: [u8; 32], one in 0_u8..128, other in 128_u8..) {
        let card = CardSeed::from_bytes(seed);
        prop_assert_ne!(card.second(&public(one)).to_bytes(), card.second(&public(other)).to_bytes());
    }

    #[test]
    fn never_panics_on_text(text: String) {
        let _ = CardSeed::from_words(&text);
    }
}
