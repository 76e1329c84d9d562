//! What several pages are built of: names of nodes and records, times, tiles, empty places, paging.

use maud::{Markup, Render, html};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{Millis, Mono, Now, Wall};

use super::{page::Page, text::Texts};

/// How something is meant: shown by colour and by a sign, never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Plain,
    Waiting,
    Bad,
}

impl Tone {
    /// Returns the style class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Plain => "·",
            Self::Waiting => "…",
            Self::Bad => "✕",
        }
    }
}

/// Shows the sign of a tone; the words beside it say the same.
pub(super) fn sign(tone: Tone) -> Markup {
    html! { span class={ "sign " (tone.class()) } aria-hidden="true" { (tone.sign()) } }
}

/// Shows a state in one or two words.
pub(super) fn badge(tone: Tone, words: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (sign(tone)) (words) } }
}

/// Shows a node by the end of its name, leading to its place on the map.
pub(super) fn node(key: &PublicKey) -> Markup {
    html! {
        a.id href={ (Page::Map.path()) "?node=" (key) } title=(key) { "…" (key.short()) }
    }
}

/// Shows a node, and says if it is this one.
pub(super) fn node_or_self(t: Texts, key: &PublicKey, own: &PublicKey) -> Markup {
    html! {
        (node(key))
        @if key == own { " " span.note { (t.say("this-node-note")) } }
    }
}

/// Shows the end of a record's name.
pub(super) fn record(id: &ContentId) -> Markup {
    html! { span.id title=(id) { "…" (id.short()) } }
}

/// Shows words that another node wrote, apart from the page's own.
pub(super) fn foreign(words: &str) -> Markup {
    html! { bdi.foreign lang="en" { (words) } }
}

/// Shows a point in time; a script rewrites it in the reader's own time.
pub(super) fn moment(wall: Wall) -> Markup {
    let seconds = i64::try_from(wall.as_secs()).ok();
    let date = seconds.and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    let written = date.and_then(|date| date.format(&Rfc3339).ok());
    let Some((date, written)) = date.zip(written) else {
        return html! { (wall) };
    };
    let (hour, minute, second) = date.to_hms();
    html! {
        time datetime=(written) {
            (date.date()) " " (format!("{hour:02}:{minute:02}:{second:02}")) " UTC"
        }
    }
}

/// Shows a reading of the monotonic clock as a point in time.
pub(super) fn mono_moment(mono: Mono, now: Now) -> Markup {
    moment(Wall(now.wall.0.saturating_sub(now.mono.since(mono).0)))
}

/// Writes a span of time in one unit.
pub(super) fn span(t: Texts, span: Millis) -> String {
    let ms = span.0;
    let (minutes, hours) = (ms / 60_000, ms / 3_600_000);
    if ms < 1_000 {
        t.count("span-ms", ms)
    } else if ms < 10_000 {
        t.with(
            "span-s",
            [("n", format!("{}.{}", ms / 1_000, ms % 1_000 / 100).into())],
        )
    } else if ms < 60_000 {
        t.with("span-s", [("n", (ms / 1_000).to_string().into())])
    } else if minutes < 60 {
        t.count("span-min", minutes)
    } else if hours < 48 {
        t.count("span-h", hours)
    } else {
        t.count("span-d", hours / 24)
    }
}

/// Writes a number of bytes in the unit that fits.
pub(super) fn size(t: Texts, bytes: u64) -> String {
    match bytes {
        0..1_024 => t.count("size-b", bytes),
        1_024..1_048_576 => t.count("size-kib", bytes >> 10),
        1_048_576..1_073_741_824 => t.with("size-mib", [("n", tenths(bytes >> 10).into())]),
        _ => t.with("size-gib", [("n", tenths(bytes >> 20).into())]),
    }
}

/// Writes a thousand-and-twenty-fourth as one decimal.
fn tenths(of_1024: u64) -> String {
    format!("{}.{}", of_1024 >> 10, (of_1024 % 1_024) * 10 / 1_024)
}

/// Shows one figure with its name and a remark.
pub(super) fn tile(name: &str, figure: impl Render, remark: &str) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd { strong { (figure) } @if !remark.is_empty() { small { (remark) } } }
        }
    }
}

/// Shows a place where there is nothing yet: why, and the command that changes it.
pub(super) fn empty(title: &str, lesson: &str, command: Option<&str>) -> Markup {
    html! {
        div.empty {
            p.title { (title) }
            p { (lesson) }
            @if let Some(command) = command { p { code { (command) } } }
        }
    }
}

/// One page of a longer list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Which, from 1.
    pub(super) number: usize,
    /// How many there are, at least 1.
    pub(super) of: usize,
    size: usize,
}

impl Sheet {
    /// Picks the sheet asked for, or the nearest there is.
    pub(super) fn pick(asked: Option<&str>, entries: usize, size: usize) -> Self {
        let of = entries.div_ceil(size).max(1);
        let number = asked.and_then(|text| text.parse().ok()).unwrap_or(1);
        Self {
            number: usize::clamp(number, 1, of),
            of,
            size,
        }
    }

    /// Returns how many entries stand before this sheet.
    pub(super) const fn skipped(self) -> usize {
        (self.number - 1) * self.size
    }

    /// Returns the entries on this sheet.
    pub(super) fn cut<T>(self, entries: &[T]) -> &[T] {
        let start = self.skipped().min(entries.len());
        let end = (start + self.size).min(entries.len());
        &entries[start..end]
    }
}

/// Shows the way to the sheets before and after.
pub(super) fn pager(t: Texts, page: Page, sheet: Sheet) -> Markup {
    pager_of(t, page, "", sheet)
}

/// Shows the way to the sheets before and after of a part of a page, which the beginning of a query names.
pub(super) fn pager_of(t: Texts, page: Page, part: &str, sheet: Sheet) -> Markup {
    if sheet.of == 1 {
        return html! {};
    }
    let there = t.with(
        "sheet-of",
        [("n", sheet.number.into()), ("of", sheet.of.into())],
    );
    html! {
        nav.pager aria-label=(t.say("sheets")) {
            @if sheet.number > 1 {
                a href={ (page.path()) "?" (part) "sheet=" (sheet.number - 1) } rel="prev" { (t.say("sheet-before")) }
            }
            span { (there) }
            @if sheet.number < sheet.of {
                a href={ (page.path()) "?" (part) "sheet=" (sheet.number + 1) } rel="next" { (t.say("sheet-after")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::text::Language;

    #[test]
    fn a_sheet_stays_within_the_list() {
        let numbers: Vec<_> = (0..25).collect();
        let sheet = |asked| Sheet::pick(asked, numbers.len(), 10);

        assert_eq!(sheet(None).cut(&numbers), &numbers[..10]);
        assert_eq!(sheet(Some("3")).cut(&numbers), &numbers[20..]);
        assert_eq!(sheet(Some("99")).number, 3);
        assert_eq!(sheet(Some("0")).number, 1);
        assert_eq!(sheet(Some("x")).number, 1);
        assert_eq!(Sheet::pick(None, 0, 10).of, 1);
    }

    #[test]
    fn spans_are_written_in_the_unit_that_fits() {
        let write = |ms| span(Texts(Language::English), Millis(ms));

        assert_eq!(write(840), "840 ms");
        assert_eq!(write(1_260), "1.2 s");
        assert_eq!(write(59_999), "59 s");
        assert_eq!(write(180_000), "3 min");
        assert_eq!(write(7_200_000), "2 h");
        assert_eq!(write(259_200_000), "3 days");
    }

    #[test]
    fn sizes_are_written_in_the_unit_that_fits() {
        let write = |bytes| size(Texts(Language::English), bytes);

        assert_eq!(write(1_023), "1023 B");
        assert_eq!(write(262_144), "256 KiB");
        assert_eq!(write(97 * 262_144), "24.2 MiB");
        assert_eq!(write(1_610_612_736), "1.5 GiB");
        assert!(write(u64::MAX).ends_with(" GiB"));
    }

    #[test]
    fn a_time_beyond_the_calendar_is_still_shown() {
        assert!(moment(Wall(u64::MAX)).into_string().contains("ms"));
        assert!(
            moment(Wall(1_764_000_000_000))
                .into_string()
                .contains("datetime=\"2025-11-24T16:00:00Z\"")
        );
    }
}
