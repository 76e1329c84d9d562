//! What keys follow from, and metadata under them.

use proptest::prelude::*;

use super::*;

/// Tells whether metadata sealed under one set of keys opens under the other.
fn opens(sealed_by: &ItemKeys, opened_by: &ItemKeys) -> bool {
    let sealed = sealed_by.metadata.seal(b"", b"title").unwrap();
    opened_by.metadata.open(b"", &sealed).is_ok()
}

#[test]
fn keys_follow_from_both_parts_and_the_item_and_from_nothing_else() {
    let (parts, other) = (
        ItemParts::draw(&[1; 32], b"item"),
        ItemParts::draw(&[2; 32], b"item"),
    );
    let derive = |secret: &ItemParts, second: &ItemParts, item: &[u8]| {
        ItemKeys::derive(&secret.secret, &second.second, item)
    };
    let keys = derive(&parts, &parts, b"item");
    assert!(opens(&keys, &derive(&parts, &parts, b"item")));
    assert!(!opens(&keys, &derive(&other, &parts, b"item")));
    assert!(!opens(&keys, &derive(&parts, &other, b"item")));
    assert!(!opens(&keys, &derive(&parts, &parts, b"items")));
}

#[test]
fn the_same_seed_draws_the_same_parts_for_an_item_and_others_for_another() {
    let draw = |item: &[u8]| ItemParts::draw(&SEED, item);
    let (one, again, other) = (draw(b"one"), draw(b"one"), draw(b"other"));
    assert_eq!(one.secret.0, again.secret.0);
    assert_eq!(one.second.to_bytes(), again.second.to_bytes());
    assert_eq!(one.signing_seed, again.signing_seed);
    assert_ne!(one.secret.0, other.secret.0);
    assert_ne!(one.second.to_bytes(), other.second.to_bytes());
    assert_ne!(one.signing_seed, other.signing_seed);
    assert_ne!(one.second.to_bytes(), one.signing_seed);
}

#[test]
fn the_second_part_comes_back_from_its_bytes() {
    let parts = ItemParts::draw(&SEED, b"item");
    let again = SecondPart::from_bytes(*parts.second.to_bytes());
    assert!(opens(
        &keys(),
        &ItemKeys::derive(&parts.secret, &again, b"item")
    ));
}

/// A changed hash is a change of the form: what was sealed before no longer opens.
#[test]
fn keys_and_sealed_forms_are_pinned() {
    let mut chunk = vec![0; 4096 + 16];
    let place = Layout::of(0).unwrap().chunk(0).unwrap();
    keys().content.seal(place, &mut chunk).unwrap();
    let metadata = keys().metadata.seal(b"belongs to", b"title").unwrap();
    let found = [chunk, metadata].map(|bytes| crate::ContentId::of(&bytes).to_string());
    assert_eq!(
        found,
        [
            "bafyreiaphs3yu2xr36a6nscrm6jltb3d77psdvbfg4pucq2k74wm2ifc5u",
            "bafyreie3fah6ficxv5b2ptg4cbsliwvrhcfxmqsrn7u4yuzvwahj4dtdxe",
        ]
    );
}

#[test]
fn metadata_opens_with_what_it_belongs_to_and_nothing_else() {
    let sealed = keys().metadata.seal(b"item 1", b"title").unwrap();
    let opened = keys().metadata.open(b"item 1", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"title");
    assert_eq!(keys().metadata.open(b"item 2", &sealed), Err(BadMetadata));
}

#[test]
fn only_four_lengths_of_metadata_occur() {
    let of = |bytes: usize| keys().metadata.seal(b"", &vec![1; bytes]).unwrap().len();
    assert_eq!(of(0), 32 + 1024 + 16);
    assert_eq!(of(1020), of(0));
    assert_eq!(of(1021), 32 + 4096 + 16);
    assert_eq!(of(4093), 32 + 16_384 + 16);
    assert_eq!(of(16_381), SEALED_METADATA_BYTES_MAX);
    assert_eq!(of(METADATA_BYTES_MAX), SEALED_METADATA_BYTES_MAX);
    let bytes = METADATA_BYTES_MAX + 1;
    assert_eq!(
        keys().metadata.seal(b"", &vec![1; bytes]),
        Err(MetadataTooLong { bytes })
    );
}

#[test]
fn other_metadata_is_sealed_under_another_key() {
    let seal = |text: &[u8]| keys().metadata.seal(b"", text).unwrap();
    assert_eq!(seal(b"yes"), seal(b"yes"));
    let (yes, no) = (seal(b"yes"), seal(b"noo"));
    // Under one key and nonce the zeros after the text would be locked alike.
    let alike = core::iter::zip(&yes, &no).filter(|(yes, no)| yes == no);
    assert!(alike.count() < 30);
}

proptest! {
    #[test]
    fn metadata_comes_back(text in prop::collection::vec(any::<u8>(), 0..5000), belongs_to: [u8; 8]) {
        let sealed = keys().metadata.seal(&belongs_to, &text).unwrap();
        let opened = keys().metadata.open(&belongs_to, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), text.as_slice());
    }

    #[test]
    fn a_changed_byte_of_metadata_anywhere_is_noticed(at: prop::sample::Index, change in 1_u8..=255) {
        let mut sealed = keys().metadata.seal(b"", b"title").unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= change;
        prop_assert_eq!(keys().metadata.open(b"", &sealed), Err(BadMetadata));
    }

    #[test]
    fn arbitrary_bytes_are_no_metadata(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(keys().metadata.open(b"", &bytes), Err(BadMetadata));
    }
}
