//! Cards of all sizes, on paper and back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use x0_crypto::{ContentId, OnionAddress};
use x0_protocol::{
    core::{limits::CARD_ONIONS_MAX, time::Wall},
    wire::Pinned,
};

use super::*;

fn seed() -> CardSeed {
    CardSeed::from_bytes([7; 32])
}

fn page(onions: usize, label: &str) -> CardPage {
    let onion = |number: usize| OnionAddress::from_key([u8::try_from(number).unwrap(); 32]);
    CardPage {
        mesh: ContentId::of(b"mesh"),
        item: ContentId::of(b"item"),
        key: seed().signer().public(),
        checkpoint: Pinned {
            height: 4_711,
            id: ContentId::of(b"checkpoint"),
        },
        onions: (0..onions)
            .map(onion)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
        label: label.parse().unwrap(),
        made: Wall(1_800_000_000_000),
    }
}

/// The largest card there is, with numbers of the greatest length.
fn largest() -> CardPage {
    let mut page = page(CARD_ONIONS_MAX, &"&".repeat(80));
    page.checkpoint.height = u64::MAX;
    page.made = Wall(u64::MAX);
    page
}

/// Returns the dark modules of the first code in an SVG.
fn drawn(svg: &str, width: usize) -> Vec<bool> {
    let path = svg.split("<path d=\"").nth(1).unwrap();
    let path = path.split('"').next().unwrap();
    let mut modules = vec![false; width * width];
    for run in path.split('M').skip(1) {
        let numbers: Vec<usize> = run
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let [x, y, length, ..] = numbers[..] else {
            panic!("a run has a place and a length: {run}");
        };
        let start = (y - 4) * width + x - 4;
        modules[start..start + length].fill(true);
    }
    modules
}

#[test]
fn the_text_holds_all_of_a_card() {
    let (page, seed) = (page(3, "archive <2026>"), seed());
    let text = Card::new(&page, &seed).unwrap().text();

    for onion in page.onions.as_slice() {
        assert!(text.contains(&onion.to_string()), "{}", *text);
    }
    for said in [
        "archive <2026>",
        "2027-01-15",
        "2027-07-16",
        &page.mesh.to_string(),
        &page.item.to_string(),
        &page.checkpoint.id.to_string(),
        "4711",
    ] {
        assert!(text.contains(said), "{said} is missing in {}", *text);
    }
    assert!(ADVICE.iter().all(|line| text.contains(line)));
    assert_eq!(read_page(&text), Ok(page.clone()));
    assert_eq!(read_page(&text.replace('\n', "\r\n")), Ok(page));
}

#[test]
fn words_copied_out_of_the_text_are_words_again() {
    let (page, seed) = (page(1, ""), seed());
    let text = Card::new(&page, &seed).unwrap().text();
    let (_, words) = text.split_once("WORDS (secret)").unwrap();
    let (words, _) = words.split_once("WHAT TO DO").unwrap();

    assert_eq!(words.trim().lines().count(), 6);
    let read = CardSeed::from_words(words).unwrap();
    assert_eq!(read.words(), seed.words());
}

#[test]
fn the_largest_card_fits_paper_and_what_was_set_aside_for_it() {
    let (page, seed) = (largest(), seed());
    let card = Card::new(&page, &seed).unwrap();
    let (text, svg) = (card.text(), card.svg(true));

    assert_eq!(
        text.capacity(),
        TEXT_BYTES_MAX,
        "it grew: a copy was left behind"
    );
    assert_eq!(
        svg.capacity(),
        256 * 1024,
        "it grew: a copy was left behind"
    );
    let labelled = |line: &&str| !line.starts_with("Label");
    assert!(
        text.lines().filter(labelled).all(|line| line.len() <= 80),
        "{}",
        *text
    );
    assert!(text.contains("Made        unknown"), "{}", *text);
    let lines = svg.split(" y=\"").skip(1);
    let lowest = lines.filter_map(|rest| rest.split(['.', '"']).next()?.parse::<u32>().ok());
    assert!((200..290).contains(&lowest.max().unwrap()));
    assert!(terminal_qr(&page).lines().count() > 40);
}

#[test]
fn the_drawing_holds_all_of_a_card_and_nothing_that_breaks_it() {
    let (page, seed) = (page(5, "<b> & \"archive\" \u{ffff}"), seed());
    let svg = Card::new(&page, &seed).unwrap().svg(false);

    assert!(
        svg.contains("&lt;b&gt; &amp; &quot;archive&quot; \u{fffd}"),
        "{}",
        *svg
    );
    for (number, word) in (1..).zip(seed.words().split(' ')) {
        assert!(
            svg.contains(&format!(">{number:>2}. {word}</text>")),
            "{number}"
        );
    }
    for line in page_lines(&page, 12) {
        assert!(svg.contains(&line), "{line}");
    }
    assert!(ADVICE.iter().all(|line| svg.contains(line)));
    let code = page_qr(&page);
    let colors: Vec<bool> = code
        .to_colors()
        .iter()
        .map(|c| *c == qrcode::Color::Dark)
        .collect();
    assert_eq!(drawn(&svg, code.width()), colors);
}

#[test]
fn words_are_in_a_code_only_if_asked_for() {
    let (page, seed) = (page(1, ""), seed());
    let card = Card::new(&page, &seed).unwrap();

    assert_eq!(card.svg(false).matches("<path").count(), 1);
    assert_eq!(card.svg(true).matches("<path").count(), 2);
}

#[test]
fn words_of_another_card_are_refused() {
    let other = CardSeed::from_bytes([8; 32]);
    assert_eq!(Card::new(&page(1, ""), &other).err(), Some(OtherCard));
}

#[test]
fn a_page_is_read_out_of_whatever_stands_round_it() {
    let page = page(2, "label");
    let shown = page.to_string();
    let (one, two) = shown.split_at(100);
    for text in [
        page.compact(),
        format!("  {}\n", shown.to_lowercase()),
        format!("{one}\n\n{two}\n"),
        format!("Page of the card:\n\n  {one}\n  {two}\n\nand some words"),
        shown.replacen("X0CARD1", "X0 CARD 1", 1),
    ] {
        assert_eq!(read_page(&text), Ok(page.clone()), "{text}");
    }
    assert_eq!(
        read_page("abandon ability able"),
        Err(CardPageError::NotAPage)
    );
    assert_eq!(read_page(""), Err(CardPageError::NotAPage));
    let cut = format!("Page:\n{one}\n\n");
    assert!(matches!(
        read_page(&cut),
        Err(CardPageError::CutShort | CardPageError::Checksum)
    ));
}
