#![allow(clippy::unwrap_used)]

use x0_crypto::{Identity, OnionAddress};
use x0_protocol::{Wall, wire::Pinned};

use super::*;
use crate::api::emergency::{OnionNodeView, OwnServiceView};

fn seed(number: u8) -> CardSeed {
    CardSeed::from_bytes([number; 32])
}

fn onion(node: u8) -> OnionAddress {
    OnionAddress::from_key([node; 32])
}

/// The page of the card with the seed 1; it names the nodes 1 to 3.
fn page() -> CardPage {
    CardPage {
        mesh: ContentId::of(b"mesh"),
        item: ContentId::of(b"item"),
        key: seed(1).signer().public(),
        checkpoint: Pinned {
            height: 7,
            id: ContentId::of(b"checkpoint"),
        },
        onions: vec![onion(1), onion(2), onion(3)].try_into().unwrap(),
        label: "Where the wells are".parse().unwrap(),
        made: Wall(1_795_504_000_000),
    }
}

fn item(card: Option<(u8, bool)>) -> ItemView {
    let card = card.map(|(number, revoked)| CardView {
        key: seed(number).signer().public().to_string(),
        label: "Where the wells are".to_owned(),
        policy: String::new(),
        veto_secs: 0,
        revoked,
    });
    ItemView {
        item: ContentId::of(b"item").to_string(),
        key: Identity::generate().unwrap().public().to_string(),
        content: ContentId::of(b"content").to_string(),
        chunks: 1,
        shares_needed: 3,
        guardians: 10,
        epoch: 0,
        shared_ms: 0,
        rotation_due_ms: 0,
        rotation_subject: ContentId::of(b"subject").to_string(),
        trustees: None,
        forgotten: false,
        card,
        time_ms: 0,
    }
}

fn nodes(reached: &[u8]) -> NodesView {
    let nodes = reached.iter().map(|node| OnionNodeView {
        member: format!("member-{node}"),
        address: onion(*node).to_string(),
        subtree: "root".to_owned(),
    });
    NodesView {
        nodes: nodes.collect(),
        own: OwnServiceView {
            address: None,
            status: "off".to_owned(),
            reached_secs_ago: None,
        },
        checkpoint: None,
    }
}

#[test]
fn a_card_is_of_use_as_long_as_it_counts_and_an_address_of_it_does() {
    let trouble = |card, reached: &[u8], words| {
        let item = item(card);
        let checked = CheckedCard::new(&page(), Some(&item), &nodes(reached), words);
        checked.trouble()
    };
    assert_eq!(trouble(Some((1, false)), &[3], None), None);
    assert_eq!(trouble(Some((1, false)), &[3], Some(true)), None);
    for (card, reached, words, why) in [
        (Some((1, true)), vec![1, 2], None, "is revoked"),
        (Some((2, false)), vec![1, 2], None, "no card with this key"),
        (Some((2, true)), vec![1, 2], None, "no card with this key"),
        (None, vec![1, 2], None, "no card with this key"),
        (Some((1, false)), vec![1, 2], Some(false), "of another card"),
        (Some((1, false)), vec![4, 5], None, "card reissue"),
        (Some((1, false)), vec![], Some(true), "card reissue"),
    ] {
        let found = trouble(card, &reached, words).unwrap();
        assert!(found.contains(why), "{why}: {found}");
    }
    let unknown = CheckedCard::new(&page(), None, &nodes(&[1]), None);
    assert!(unknown.trouble().unwrap().contains("not known here"));
}

#[test]
fn what_was_found_is_told_address_by_address_and_so_is_what_to_do() {
    let known = item(Some((1, false)));
    let checked = CheckedCard::new(&page(), Some(&known), &nodes(&[2, 8, 9]), Some(true));
    let text = checked_text(&checked);

    for words in [
        "Where the wells are".to_owned(),
        "belong to the page".to_owned(),
        format!("{}  that of member-2", onion(2)),
        format!("{}  nobody's any more", onion(1)),
        format!(
            "2 nodes are reached over Tor that this card does not name: `x0 sublime card reissue {}`",
            page().item
        ),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    let all = CheckedCard::new(&page(), Some(&known), &nodes(&[1, 2, 3, 9]), None);
    assert!(!checked_text(&all).contains("reissue"));
}

#[test]
fn words_are_found_to_belong_to_their_page_and_to_no_other_and_an_error_shows_none_of_them() {
    let words = seed(1).words();
    let numbered: Vec<_> = (1..)
        .zip(words.split(' '))
        .map(|(number, word)| format!("{number}. {word}"))
        .collect();

    assert!(belong(&words, &page()).unwrap());
    assert!(belong(&numbered.join("\n").to_uppercase(), &page()).unwrap());
    assert!(!belong(&seed(2).words(), &page()).unwrap());
    let first = words.split(' ').next().unwrap();
    let fault = belong(&words.replacen(first, "xylophon", 1), &page());
    let fault = fault.unwrap_err().to_string();
    assert!(
        fault.contains("word 1") && !fault.contains("xylophon"),
        "{fault}"
    );
}

#[test]
fn a_page_made_anew_is_read_again_from_what_is_printed() {
    let text = reissued_text(&page());

    assert_eq!(read_page(&text), Ok(page()));
    assert!(text.contains(&onion(3).to_string()) && text.contains("The words stay"));
}

#[test]
fn what_is_too_long_or_no_text_is_not_read_as_a_card() {
    let room = usize::try_from(FILE_BYTES_MAX).unwrap();
    let read = |bytes: &[u8]| read_words(&mut &*bytes);

    assert_eq!(read(&vec![b'a'; room]).unwrap().len(), room);
    let long = read(&vec![b'a'; room + 1]).unwrap_err().to_string();
    assert!(long.contains("more than 65536 bytes"), "{long}");
    let foreign = read(&[0xff, 0xfe]).unwrap_err().to_string();
    assert!(foreign.contains("it is no text"), "{foreign}");
}

#[test]
fn an_item_without_a_card_or_with_a_revoked_one_gets_no_new_page() {
    let view = |card| {
        let mut view = serde_json::json!({
            "serving": 0, "shares_needed": null, "shares_of": null, "serves": false, "held_bytes": 0, "held_blocks": 0,
            "ipfs_peers": 0, "kept": [], "accounts": [], "items": [], "requests": [], "shares_kept": [], "rotations": [],
            "forgotten": [],
        });
        view["items"] = serde_json::to_value([item(card)]).unwrap();
        serde_json::from_value::<SublimeView>(view).unwrap()
    };
    let name = ContentId::of(b"item").to_string();
    let refusal = |view: &SublimeView, item: &str| card_of(view, item).unwrap_err().to_string();

    assert!(card_of(&view(Some((1, false))), &name).is_ok());
    assert!(refusal(&view(None), &name).contains("without a recovery card"));
    assert!(refusal(&view(Some((1, true))), &name).contains("is revoked"));
    assert!(refusal(&view(None), "bafyother").contains("no item bafyother"));
}

#[test]
fn a_label_is_cut_where_a_letter_ends() {
    let long = "я".repeat(60);

    assert_eq!(shortened(&long).unwrap().as_str(), "я".repeat(40));
    assert_eq!(shortened("short").unwrap().as_str(), "short");
}
