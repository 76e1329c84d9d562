//! The page of a recovery card: what stands on paper has to be read for years.

use x0_crypto::{OnionAddress, sublime::CardSeed};
use x0_protocol::wire::{CardPage, Pinned};

use super::{TIME, hold, id};

fn page() -> CardPage {
    let onions = [1, 2, 3]
        .map(|key| OnionAddress::from_key([key; 32]))
        .to_vec();
    CardPage {
        mesh: id(b"mesh"),
        item: id(b"item"),
        key: CardSeed::from_bytes([7; 32]).signer().public(),
        checkpoint: Pinned {
            height: 12,
            id: id(b"checkpoint"),
        },
        onions: onions.try_into().unwrap(),
        label: "the archive".parse().unwrap(),
        made: TIME,
    }
}

#[test]
fn pages_of_recovery_cards() {
    hold(
        &[
            ("page", page().encode()),
            ("text of a page", page().to_string().into_bytes()),
        ],
        &[
            (
                "page",
                "bafyreiguuk2k2gge64j3ajmxdo7f7vvkdlf3xmqiu3cvh5k37xjgfwqz3q",
            ),
            (
                "text of a page",
                "bafyreiczkzlohzh2itobefx52sln2ifef65r5g3ahrbybwchvff34iyybe",
            ),
        ],
    );
}
