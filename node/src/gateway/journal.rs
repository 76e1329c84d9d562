//! What people said about collections, in a file of the data directory: one JSON object a line, oldest first.
//!
//! A word counts once it is on disk. The file is the history as well; when it has grown long it is written anew with the
//! newest word of each person about each metric.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use x0_protocol::charter::gateway::consent::{Consents, WORDS_MAX, Word};

use crate::identity::write_over;

/// The file in the data directory.
pub const FILE: &str = "consents.jsonl";

/// Lines after which the file is written anew.
const LINES_MAX: usize = 2 * WORDS_MAX;

/// Only the node's user may read who said what.
const MODE: u32 = 0o600;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("{} cannot be used ({cause}): see that it belongs to the user of the node and that there is space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A line is broken.
    #[error(
        "{}:{line}: this is no word about a collection ({what}): mend the line, or move the file away, \
         which withdraws all consent", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// The file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    lines: usize,
}

impl Journal {
    /// Opens the file of a data directory, and returns what people have said. A last line that was cut off while it was
    /// written was never acknowledged, and is left away.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file.
    pub fn open(data_dir: &Path) -> Result<(Self, Consents), JournalError> {
        let path = data_dir.join(FILE);
        let failed = |cause| JournalError::Io {
            path: path.clone(),
            cause,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => String::new(),
            Err(cause) => return Err(failed(cause)),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut words = Vec::new();
        for (at, line) in text[..whole].lines().enumerate() {
            let word: Word = serde_json::from_str(line).map_err(|fault| JournalError::Damaged {
                path: path.clone(),
                line: at + 1,
                what: fault.to_string(),
            })?;
            words.push(word);
        }
        let lines = words.len();
        let consents = Consents::restore(words);
        let mut journal = Self { path, lines };
        if whole < text.len() || lines > LINES_MAX {
            journal.write_anew(&consents)?;
        }
        Ok((journal, consents))
    }

    /// Writes a word down, so that it is on disk.
    ///
    /// # Errors
    ///
    /// Returns that it is not.
    pub fn append(&mut self, word: &Word) -> Result<(), JournalError> {
        let failed = |cause| JournalError::Io {
            path: self.path.clone(),
            cause,
        };
        let mut line = serde_json::to_vec(word).map_err(|fault| failed(fault.into()))?;
        line.push(b'\n');
        let opened = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .open(&self.path);
        let mut file = opened.map_err(failed)?;
        let before = file.metadata().map_err(failed)?.len();
        let written = file.write_all(&line).and_then(|()| file.sync_all());
        if let Err(cause) = written {
            // What is not whole must not stand before the next word.
            file.set_len(before).ok();
            return Err(failed(cause));
        }
        self.lines += 1;
        Ok(())
    }

    fn write_anew(&mut self, consents: &Consents) -> Result<(), JournalError> {
        let failed = |cause: io::Error| JournalError::Io {
            path: self.path.clone(),
            cause,
        };
        let mut text = Vec::new();
        let mut words: Vec<&Word> = consents.words().collect();
        words.sort_by_key(|word| word.at);
        for word in &words {
            serde_json::to_writer(&mut text, word).map_err(|fault| failed(fault.into()))?;
            text.push(b'\n');
        }
        write_over(&self.path, &text).map_err(|fault| failed(io::Error::other(fault)))?;
        self.lines = words.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use x0_protocol::{Wall, charter::Charter};

    use super::*;
    use crate::charter::SHIPPED;

    fn consented() -> Charter {
        let mut draft = SHIPPED.text().clone();
        draft.metrics[0].consent = true;
        Charter::new(draft).unwrap()
    }

    fn word(consents: &Consents, person: &str, given: bool) -> Word {
        let charter = consented();
        let metric = &charter.text().metrics[0].name;
        consents
            .check(&charter, Wall(7), metric, person, given)
            .unwrap()
    }

    #[test]
    fn what_people_said_is_there_after_a_restart_and_for_the_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, mut consents) = Journal::open(dir.path()).unwrap();
        for (person, given) in [("ada", true), ("bob", true), ("ada", false)] {
            let word = word(&consents, person, given);
            journal.append(&word).unwrap();
            consents.take(word);
        }

        let (_, again) = Journal::open(dir.path()).unwrap();

        assert_eq!(again, consents);
        let mode = fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(
            fs::read_to_string(dir.path().join(FILE))
                .unwrap()
                .lines()
                .count(),
            3
        );
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_away_and_a_broken_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (mut journal, consents) = Journal::open(dir.path()).unwrap();
        journal.append(&word(&consents, "ada", true)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{{\"metric\":\"lat")).unwrap();

        let (_, again) = Journal::open(dir.path()).unwrap();
        assert_eq!(again.words().count(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);

        fs::write(&path, format!("{whole}nonsense\n")).unwrap();
        let fault = Journal::open(dir.path()).unwrap_err().to_string();
        assert!(fault.contains("consents.jsonl:2: "), "{fault}");
    }
}
