//! The recovery card as it goes on paper: plain text for any printer, one page of SVG, a QR code for the terminal.
//!
//! A card is its page ([`CardPage`]: which item, whom to call) and 24 words ([`CardSeed`]: a secret). The words are
//! numbered and stand in their order in the text itself, so that what is copied out of it reads as words again. A QR code
//! holds them only if asked for: it is photographed and read from afar, and programs that scan keep what they scanned.
//!
//! Whatever holds words is wiped when dropped and is made long enough at once, so that no shorter copy is left behind.
//! What the maker of QR codes holds meanwhile is not wiped.

use core::fmt::{self, Write as _};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use time::{Duration, OffsetDateTime};
use x0_crypto::sublime::CardSeed;
use x0_protocol::wire::{CardPage, CardPageError};
use zeroize::Zeroizing;

mod svg;

/// How long a card is left alone: as long as guardians keep their shares before these are dealt on to others.
const CHECKED_EVERY: Duration = Duration::days(182);
/// Recovers 15 in 100 of a code: paper is folded and gets spots (ISO/IEC 18004).
const QR_LEVEL: EcLevel = EcLevel::M;
/// What a page begins with, whatever its version.
const PAGE_START: &str = "X0CARD";
/// Columns of words, and groups of the page in a line of text.
const WORDS_A_LINE: usize = 4;
const GROUPS_A_LINE: usize = 8;
/// More than the text of any card, bytes.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// What to do with a card, line by line.
const ADVICE: [&str; 6] = [
    "The words are half a key; with enough guardians' shares they open the item.",
    "Keep this paper apart from computers. Never photograph it or say it aloud.",
    "Use it when you are in danger: on a clean computer, by x0 emergency request.",
    "Scan or type the page, then type the words in order; case does not matter.",
    "x0 calls the addresses above, over Tor. A jury decides, and guardians answer.",
    "Seen by others, or lost? Put the item anew with a new card: x0 sublime put.",
];

/// A page with the words that belong to it.
pub struct Card<'a> {
    page: &'a CardPage,
    seed: &'a CardSeed,
}

/// Reports words that are not those of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these words are of another card than this page; take both from the same paper")]
pub struct OtherCard;

impl<'a> Card<'a> {
    /// Puts a page and its words together.
    ///
    /// # Errors
    ///
    /// [`OtherCard`] if the page names another signer than the one that follows from the words.
    pub fn new(page: &'a CardPage, seed: &'a CardSeed) -> Result<Self, OtherCard> {
        match seed.signer().public() == page.key {
            true => Ok(Self { page, seed }),
            false => Err(OtherCard),
        }
    }

    /// Writes the card as plain text, at most 80 columns wide but for the label.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX));
        let written = self.write_text(&mut text);
        assert!(written.is_ok(), "writing to a string does not fail");
        text
    }

    /// Draws the card as one page of A4 in SVG, with the words as a QR code too if asked for.
    pub fn svg(&self, with_words_qr: bool) -> Zeroizing<String> {
        svg::draw(self, with_words_qr)
    }

    fn write_text(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "x0 RECOVERY CARD\n")?;
        for (name, value) in facts(self.page) {
            writeln!(text, "{name:<11} {value}")?;
        }
        writeln!(text, "\nPAGE\n")?;
        for line in page_lines(self.page, GROUPS_A_LINE) {
            writeln!(text, "{line}")?;
        }
        writeln!(text, "\nWORDS (secret)\n")?;
        let words = self.seed.words();
        for (number, word) in (1..).zip(words.split(' ')) {
            match number % WORDS_A_LINE {
                0 => writeln!(text, "{number:>2}. {word}")?,
                _ => write!(text, "{number:>2}. {word:<12}")?,
            }
        }
        writeln!(text, "\nWHAT TO DO WITH IT\n")?;
        for (number, line) in (1..).zip(ADVICE) {
            writeln!(text, "{number}. {line}")?;
        }
        writeln!(text)?;
        for line in when_to_check(self.page) {
            writeln!(text, "{line}")?;
        }
        Ok(())
    }

    /// Encodes the words; in capitals, of which a code holds more.
    fn words_qr(&self) -> QrCode {
        let mut words = self.seed.words();
        words.make_ascii_uppercase();
        qr(words.as_bytes())
    }
}

/// Draws the page as a QR code in half blocks, for the terminal.
pub fn terminal_qr(page: &CardPage) -> String {
    page_qr(page).render::<Dense1x2>().build()
}

/// Reads a page as it was scanned or typed; or out of the whole text of a card, where it ends at an empty line.
///
/// # Errors
///
/// Returns what is wrong with the page.
pub fn read_page(text: &str) -> Result<CardPage, CardPageError> {
    let lines = text.lines().map(str::trim);
    let page: String = lines
        .skip_while(|line| !begins_a_page(line))
        .take_while(|line| !line.is_empty())
        .collect();
    match page.parse() {
        Ok(page) => Ok(page),
        // Somebody typed it with empty lines in between, or with spaces in the first word.
        Err(_) if page.is_empty() || begins_a_page(text.trim_start()) => text.parse(),
        Err(fault) => Err(fault),
    }
}

fn begins_a_page(text: &str) -> bool {
    let start = text.get(..PAGE_START.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PAGE_START))
}

/// Returns what the page says, for people.
fn facts(page: &CardPage) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if !page.label.as_str().is_empty() {
        facts.push(("Label", page.label.to_string()));
    }
    facts.extend([
        ("Made", day(page, Duration::ZERO)),
        ("Check by", day(page, CHECKED_EVERY)),
        ("Mesh", page.mesh.to_string()),
        ("Item", page.item.to_string()),
        ("Checkpoint", page.checkpoint.id.to_string()),
        ("at height", page.checkpoint.height.to_string()),
    ]);
    let onions = page.onions.as_slice().iter();
    facts.extend(onions.map(|onion| ("Call", onion.to_string())));
    facts
}

/// Returns the day so long after the card was made, in UTC.
fn day(page: &CardPage, after: Duration) -> String {
    let made = i64::try_from(page.made.as_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    match made.and_then(|made| made.checked_add(after)) {
        Some(day) => day.date().to_string(),
        None => "unknown".to_owned(),
    }
}

fn when_to_check(page: &CardPage) -> [String; 2] {
    let by = day(page, CHECKED_EVERY);
    [
        format!("Check it by {by} and every six months: is it legible, do the addresses"),
        "still answer? Guardians change, and their addresses do. The words stay.".to_owned(),
    ]
}

/// Returns the text of the page in lines of so many groups.
pub(crate) fn page_lines(page: &CardPage, groups_a_line: usize) -> Vec<String> {
    let text = page.to_string();
    let groups: Vec<&str> = text.split('-').collect();
    let lines = groups.chunks(groups_a_line);
    lines.map(|groups| groups.join("-")).collect()
}

fn page_qr(page: &CardPage) -> QrCode {
    qr(page.compact().as_bytes())
}

fn qr(text: &[u8]) -> QrCode {
    match QrCode::with_error_correction_level(text, QR_LEVEL) {
        Ok(code) => code,
        // A page has 1,654 characters at most and words have 215; a code of this level holds 3,391 of their alphabet.
        Err(fault) => unreachable!("pages and words fit a QR code: {fault}"),
    }
}

#[cfg(test)]
mod tests;
