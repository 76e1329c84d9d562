//! A card as one page of A4: the page's QR code, the words beside it, and below in small print what the page says.
//!
//! Lengths are millimetres. Everything is black on white, in the one font that every printer has: of fixed width.

use core::fmt::{self, Write as _};

use maud::Escaper;
use qrcode::{Color, QrCode};
use zeroize::Zeroizing;

use super::{ADVICE, Card, facts, page_lines, page_qr, when_to_check};

/// More than any card, bytes: the runs of dark modules of the largest code take some 90 KiB.
const SVG_BYTES_MAX: usize = 256 * 1024;

/// Left edge of everything.
const LEFT: u32 = 15;
/// Where codes and words begin, and how far the page's code reaches with its margin.
const CODE_TOP: u32 = 34;
const CODE_SIDE: u32 = 84;
/// Words in two columns beside the code.
const WORDS_LEFT: u32 = 108;
const WORD_COLUMN: u32 = 46;
const WORDS_A_COLUMN: u32 = 12;
/// The code of the words, right of what the page says.
const WORDS_CODE_LEFT: u32 = 152;
const WORDS_CODE_SIDE: u32 = 44;
/// Light modules round a code (ISO/IEC 18004).
const QUIET: usize = 4;
/// Where the small print begins.
const FACTS_TOP: u32 = 126;
/// Where advice begins at the earliest: below the code of the words.
const ADVICE_TOP: u32 = FACTS_TOP + WORDS_CODE_SIDE + 4;
/// From line to line of it, in tenths.
const LINE_TENTHS: u32 = 42;
const GROUPS_A_LINE: usize = 12;

/// Draws a card.
pub(super) fn draw(card: &Card<'_>, with_words_qr: bool) -> Zeroizing<String> {
    let mut svg = Zeroizing::new(String::with_capacity(SVG_BYTES_MAX));
    let written = write(&mut svg, card, with_words_qr);
    assert!(written.is_ok(), "writing to a string does not fail");
    svg
}

fn write(svg: &mut String, card: &Card<'_>, with_words_qr: bool) -> fmt::Result {
    svg.push_str(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"210mm\" height=\"297mm\" viewBox=\"0 0 210 297\" \
         font-family=\"monospace\" fill=\"#000\">\n<rect width=\"210\" height=\"297\" fill=\"#fff\"/>\n",
    );
    line(svg, (LEFT, 200), 70, "x0 recovery card")?;
    line(svg, (LEFT, 280), 35, card.page.label.as_str())?;
    code(svg, (LEFT, CODE_TOP, CODE_SIDE), &page_qr(card.page))?;
    words(svg, card)?;
    if with_words_qr {
        let place = (WORDS_CODE_LEFT, FACTS_TOP, WORDS_CODE_SIDE);
        code(svg, place, &card.words_qr())?;
        let below = (FACTS_TOP + WORDS_CODE_SIDE) * 10 + 20;
        line(svg, (WORDS_CODE_LEFT + 4, below), 28, "the words (secret)")?;
    }
    small_print(svg, card)?;
    svg.push_str("</svg>\n");
    Ok(())
}

fn words(svg: &mut String, card: &Card<'_>) -> fmt::Result {
    line(svg, (WORDS_LEFT, CODE_TOP * 10 + 40), 35, "words (secret)")?;
    let words = card.seed.words();
    for (place, word) in (0..).zip(words.split(' ')) {
        let (column, row) = (place / WORDS_A_COLUMN, place % WORDS_A_COLUMN);
        let x = WORDS_LEFT + column * WORD_COLUMN;
        let y = CODE_TOP * 10 + 110 + row * 62;
        start(svg, (x, y), 42)?;
        writeln!(svg, "{:>2}. {word}</text>", place + 1)?;
    }
    Ok(())
}

fn small_print(svg: &mut String, card: &Card<'_>) -> fmt::Result {
    let mut y = FACTS_TOP * 10;
    for (name, value) in facts(card.page).iter().filter(|(name, _)| *name != "Label") {
        y += LINE_TENTHS;
        line(svg, (LEFT, y), 28, &format!("{name:<11} {value}"))?;
    }
    y = (y + LINE_TENTHS).max(ADVICE_TOP * 10);
    let numbered = (1..).zip(ADVICE);
    let advice = numbered.map(|(number, advice)| format!("{number}. {advice}"));
    for advice in advice.chain(when_to_check(card.page)) {
        y += LINE_TENTHS;
        line(svg, (LEFT, y), 32, &advice)?;
    }
    y += LINE_TENTHS;
    for groups in page_lines(card.page, GROUPS_A_LINE) {
        y += LINE_TENTHS;
        line(svg, (LEFT, y), 26, &groups)?;
    }
    Ok(())
}

/// Writes a line of text; its base line and its size are given in tenths.
fn line(svg: &mut String, place: (u32, u32), size_tenths: u32, text: &str) -> fmt::Result {
    start(svg, place, size_tenths)?;
    // Unicode has two numbers in its first plane that XML forbids and that are no control characters.
    let text = text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    Escaper::new(svg).write_str(&text)?;
    svg.push_str("</text>\n");
    Ok(())
}

fn start(svg: &mut String, (x, y_tenths): (u32, u32), size_tenths: u32) -> fmt::Result {
    let (y, y_tenth) = (y_tenths / 10, y_tenths % 10);
    let (size, size_tenth) = (size_tenths / 10, size_tenths % 10);
    write!(
        svg,
        "<text x=\"{x}\" y=\"{y}.{y_tenth}\" font-size=\"{size}.{size_tenth}\" xml:space=\"preserve\">"
    )
}

/// Draws the dark modules of a code, run by run, into a square with its margin.
fn code(svg: &mut String, (x, y, side): (u32, u32, u32), code: &QrCode) -> fmt::Result {
    let (width, modules) = (code.width(), Zeroizing::new(dark(code)));
    let whole = width + 2 * QUIET;
    write!(
        svg,
        "<svg x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" viewBox=\"0 0 {whole} {whole}\" \
         shape-rendering=\"crispEdges\"><path d=\""
    )?;
    for (row, modules) in modules.chunks(width).enumerate() {
        let mut at = 0;
        for run in modules.chunk_by(|one, next| one == next) {
            if run[0] {
                let (x, y, length) = (at + QUIET, row + QUIET, run.len());
                write!(svg, "M{x} {y}h{length}v1h-{length}z")?;
            }
            at += run.len();
        }
    }
    svg.push_str("\"/></svg>\n");
    Ok(())
}

fn dark(code: &QrCode) -> Vec<bool> {
    let is_dark = |color: &Color| *color == Color::Dark;
    code.to_colors().iter().map(is_dark).collect()
}
