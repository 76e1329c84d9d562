//! Everything a command prints goes through here: text for people, or JSON for programs.
//!
//! Results go to standard output, progress and notes to standard error. With `--json` there is one object
//! per command on standard output (one per line for streams) and nothing else; text made for people is then
//! not written at all. If the reader of the output has gone, the command ends quietly.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::error::CliError;

/// Where a command's output goes, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Writes text for people, or JSON.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Tells whether programs read the output.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Tells whether a person watches the notes.
    pub fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Writes a result: as JSON, or as the text made of it.
    ///
    /// # Errors
    ///
    /// Returns that nobody reads the output any more, or why it cannot be written.
    pub fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json {
            return self.write(&to_json(value)?);
        }
        self.write(&text(value))
    }

    /// Writes text for people; nothing with `--json`.
    ///
    /// # Errors
    ///
    /// As for [`Output::show`].
    pub fn text(self, text: &str) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        self.write(text)
    }

    /// Writes text as it is, whatever the form: what the command was asked to produce.
    ///
    /// # Errors
    ///
    /// As for [`Output::show`].
    pub fn raw(self, text: &str) -> Result<(), CliError> {
        self.write(text)
    }

    /// Tells a person what is going on; nothing with `--json`.
    pub fn note(self, text: &str) {
        if !self.json {
            writeln!(io::stderr().lock(), "{text}").ok();
        }
    }

    /// Clears the screen before a new picture, if a person watches it.
    ///
    /// # Errors
    ///
    /// As for [`Output::show`].
    pub fn new_picture(self) -> Result<(), CliError> {
        if self.json || !io::stdout().is_terminal() {
            return Ok(());
        }
        // ECMA-48: ED (erase the display) and CUP (cursor to the first place).
        self.write_bytes(b"\x1b[2J\x1b[H")
    }

    /// Writes why the command did not succeed.
    pub fn error(self, error: &CliError) {
        if self.json {
            if let Some(value) = error.json() {
                self.write(&value.to_string()).ok();
            }
            return;
        }
        let text = error.to_string();
        if !text.is_empty() {
            writeln!(io::stderr().lock(), "x0: {text}").ok();
        }
    }

    fn write(self, text: &str) -> Result<(), CliError> {
        let mut line = text.to_owned();
        if !line.ends_with('\n') {
            line.push('\n');
        }
        self.write_bytes(line.as_bytes())
    }

    fn write_bytes(self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        written.map_err(|cause| {
            if cause.kind() == io::ErrorKind::BrokenPipe {
                return CliError::OutputClosed;
            }
            CliError::Failed(format!("the output cannot be written: {cause}"))
        })
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, CliError> {
    serde_json::to_string(value).map_err(|fault| CliError::Failed(fault.to_string()))
}

/// Rows under headings, each column as wide as its widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(str::to_uppercase).to_vec()],
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)).to_vec());
    }

    /// Tells whether there is nothing below the headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Writes the table.
    pub fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ").ok();
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names with their values, one a line.
#[derive(Default)]
pub struct Facts {
    lines: Vec<(&'static str, String)>,
}

impl Facts {
    /// Adds a fact.
    pub fn add(&mut self, name: &'static str, value: impl ToString) -> &mut Self {
        self.lines.push((name, printable(&value.to_string())));
        self
    }

    /// Writes the facts.
    pub fn text(&self) -> String {
        let width = self
            .lines
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.lines {
            writeln!(text, "{name:<width$}  {value}").ok();
        }
        text
    }
}

/// Makes text of others harmless for a terminal: control characters could redraw the screen.
pub fn printable(text: &str) -> String {
    let harmless = |c: char| {
        // Marks that change the direction of writing could disguise what stands beside them
        // (Unicode 15, UAX #9: explicit formatting characters).
        let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || is_direction {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(harmless).collect()
}

/// Writes a moment of the wall clock as a date of RFC 3339 in UTC, to the second.
pub fn date(unix_ms: u64) -> String {
    let moment = UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms / 1_000 * 1_000));
    let date = moment
        .filter(|_| unix_ms < 253_402_300_800_000)
        .map(OffsetDateTime::from);
    date.and_then(|date| date.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_ms} ms"))
}

/// Writes a span the way people say it.
pub fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}

/// Writes bytes the way people say it.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{} KiB", count >> 10),
        _ => format!("{} MiB", count >> 20),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["peer", "rtt"]);
        table.row(["abc123".to_owned(), "1 ms".to_owned()]);
        table.row(["ü".to_owned(), String::new()]);

        assert_eq!(table.text(), "PEER    RTT\nabc123  1 ms\nü\n");
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\x1b[2J\u{202e}b\n"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}"
        );
    }

    #[test]
    fn dates_and_spans_read_like_people_write_them() {
        assert_eq!(date(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(date(u64::MAX), format!("{} ms", u64::MAX));
        assert_eq!(span(119), "119 s");
        assert_eq!(span(7_199), "119 min");
        assert_eq!(span(86_400 * 3), "3 days");
    }
}
