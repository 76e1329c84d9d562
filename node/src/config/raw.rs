//! What the sources say, layer over layer, before it is checked.
//!
//! Here it is only seen to that keys exist and that values have the right shape in the file; whether a value
//! makes sense is for the check.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use x0_protocol::charter::nearest;

use super::{
    FILE,
    fault::{ConfigError, Fault},
    keys::{Key, Shape},
};

/// Characters of a value that an error shows.
const SHOWN_CHARS_MAX: usize = 80;

/// Where settings are read from.
#[derive(Clone, Debug)]
pub struct Sources {
    data_dir: PathBuf,
    variables: BTreeMap<String, String>,
    flags: Vec<(Key, String)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// A line of the file.
    File {
        /// The line, from 1.
        line: usize,
    },
    /// The environment variable of the key.
    Variable,
    /// A flag of the command line.
    Flag,
}

impl Sources {
    /// Reads only the file in a data directory.
    pub const fn file_only(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            variables: BTreeMap::new(),
            flags: Vec::new(),
        }
    }

    /// Reads the file in a data directory, this process's environment and its flags.
    pub fn of_process(data_dir: PathBuf, flags: Vec<(Key, String)>) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with("X0_")
                .then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self {
            data_dir,
            variables: variables.collect(),
            flags,
        }
    }

    #[cfg(test)]
    pub(super) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    #[cfg(test)]
    pub(super) fn with_flag(mut self, key: Key, value: &str) -> Self {
        self.flags.push((key, value.to_owned()));
        self
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn file(&self) -> PathBuf {
        self.data_dir.join(FILE)
    }

    /// Names the place of a value for an error.
    pub(super) fn place(&self, key: Key, source: &Source) -> String {
        match source {
            Source::Default => "default".to_owned(),
            Source::File { line } => format!("{}:{line}", self.file().display()),
            Source::Variable => key.variable(),
            Source::Flag => "command line".to_owned(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.pad("default"),
            Self::File { line } => f.pad(&format!("{FILE}:{line}")),
            Self::Variable => f.pad("environment"),
            Self::Flag => f.pad("flag"),
        }
    }
}

impl serde::Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was written for each key, by the source that counts.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    given: BTreeMap<Key, Given>,
}

/// What one source says about a key: one text, or as many as a list has.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) texts: Vec<String>,
    pub(super) source: Source,
}

impl Given {
    /// Takes a value written as one text.
    fn from_text(key: Key, text: &str, source: Source) -> Self {
        let texts = match key.row().shape {
            Shape::List => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
            Shape::Text | Shape::Bool | Shape::Number | Shape::Bytes => vec![text.to_owned()],
        };
        Self { texts, source }
    }
}

impl RawConfig {
    /// Reads all sources; faults found on the way come along.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] if the file exists and cannot be read.
    pub fn read(sources: &Sources) -> Result<(Self, Vec<Fault>), ConfigError> {
        let mut raw = Self::default();
        let mut faults = Vec::new();
        let file = sources.file();
        match fs::read_to_string(&file) {
            Ok(text) => raw.read_file(&file, &text, &mut faults),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ConfigError::Unreadable { path: file, error }),
        }
        raw.read_variables(&sources.variables, &mut faults);
        for (key, text) in &sources.flags {
            raw.give(*key, Given::from_text(*key, text, Source::Flag));
        }
        Ok((raw, faults))
    }

    /// Takes out what was written for a key; the default if nothing was.
    pub(super) fn take(&mut self, key: Key) -> Given {
        self.given
            .remove(&key)
            .unwrap_or_else(|| Given::from_text(key, key.row().default, Source::Default))
    }

    fn give(&mut self, key: Key, given: Given) {
        self.given.insert(key, given);
    }

    fn read_variables(&mut self, variables: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
        for (name, value) in variables {
            if let Some(key) = Key::ALL.into_iter().find(|key| key.variable() == *name) {
                self.give(key, Given::from_text(key, value, Source::Variable));
            } else if SECTIONS.iter().any(|section| {
                let rest = name.strip_prefix("X0_").unwrap_or_default();
                let section = section.replace('.', "_");
                rest.to_lowercase().starts_with(&format!("{section}_"))
            }) {
                let meant = nearest(name, Key::ALL.into_iter().map(Key::variable));
                faults.push(Fault {
                    place: "environment".to_owned(),
                    key: name.clone(),
                    value: shown(value),
                    what: "no setting has this variable".to_owned(),
                    mend: unknown_mend(meant),
                });
            }
        }
    }

    fn read_file(&mut self, file: &Path, text: &str, faults: &mut Vec<Fault>) {
        let reader = FileReader { file, text };
        let (table, errors) = DeTable::parse_recoverable(text);
        faults.extend(errors.iter().map(|error| reader.syntax(error)));
        if !errors.is_empty() {
            // What follows a broken line would be read wrongly.
            return;
        }
        for (section, value) in table.get_ref() {
            let name = section.get_ref().as_ref();
            match value.get_ref().as_table() {
                Some(keys) if SECTIONS.contains(&name) => {
                    self.read_section(&reader, name, keys, faults);
                }
                _ => faults.push(reader.unknown(name, value, section.span().start)),
            }
        }
    }

    fn read_section(
        &mut self,
        reader: &FileReader<'_>,
        section: &str,
        keys: &DeTable<'_>,
        faults: &mut Vec<Fault>,
    ) {
        for (name, value) in keys {
            let full = format!("{section}.{}", name.get_ref());
            let at = name.span().start;
            if let (Some(keys), true) = (
                value.get_ref().as_table(),
                SECTIONS.contains(&full.as_str()),
            ) {
                self.read_section(reader, &full, keys, faults);
                continue;
            }
            let Some(key) = Key::ALL.into_iter().find(|key| key.name() == full) else {
                faults.push(reader.unknown(&full, value, at));
                continue;
            };
            let source = Source::File {
                line: reader.line(at),
            };
            match texts(key.row().shape, value.get_ref()) {
                Some(texts) => self.give(key, Given { texts, source }),
                None => faults.push(Fault {
                    place: reader.place(at),
                    key: full,
                    value: reader.written(value),
                    what: format!("it is of type {}", value.get_ref().type_str()),
                    mend: format!("write {} ({})", shape_words(key.row().shape), key.allowed()),
                }),
            }
        }
    }
}

/// The sections of the file.
pub(super) const SECTIONS: [&str; 12] = [
    "network",
    "api",
    "store",
    "acts",
    "charter",
    "gateway",
    "sublime",
    "sublime.arweave",
    "sublime.sia",
    "emergency",
    "log",
    "telemetry",
];

/// Takes a value of the file apart if it has the shape of its key.
fn texts(shape: Shape, value: &DeValue<'_>) -> Option<Vec<String>> {
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    let number = |value: &DeValue<'_>| {
        let number = value.as_integer()?;
        let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
        Some(number.to_string())
    };
    match shape {
        Shape::List => {
            let items = value.as_array()?.iter();
            items.map(|item| text(item.get_ref())).collect()
        }
        Shape::Text => Some(vec![text(value)?]),
        Shape::Bool => Some(vec![value.as_bool()?.to_string()]),
        Shape::Number => Some(vec![number(value)?]),
        Shape::Bytes => Some(vec![number(value).or_else(|| text(value))?]),
    }
}

const fn shape_words(shape: Shape) -> &'static str {
    match shape {
        Shape::List => "a list of texts in quotes, [\"…\", \"…\"]",
        Shape::Text => "a text in quotes",
        Shape::Bool => "true or false without quotes",
        Shape::Number => "a number without quotes",
        Shape::Bytes => "a number of bytes, or a text such as \"512 MiB\"",
    }
}

struct FileReader<'a> {
    file: &'a Path,
    text: &'a str,
}

impl FileReader<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn place(&self, at: usize) -> String {
        format!("{}:{}", self.file.display(), self.line(at))
    }

    fn written(&self, value: &Spanned<DeValue<'_>>) -> String {
        shown(self.text.get(value.span()).unwrap_or_default())
    }

    fn syntax(&self, error: &toml::de::Error) -> Fault {
        let at = error.span().map_or(0, |span| span.start);
        let line = self.text.lines().nth(self.line(at) - 1).unwrap_or_default();
        Fault {
            place: self.place(at),
            key: String::new(),
            value: String::new(),
            what: format!(
                "the line `{}` is not TOML ({})",
                shown(line.trim()),
                error.message().replace('\n', ", ")
            ),
            mend: "write `key = value` under a [section]; `x0 config show` lists all keys"
                .to_owned(),
        }
    }

    fn unknown(&self, name: &str, value: &Spanned<DeValue<'_>>, at: usize) -> Fault {
        let is_section = value.get_ref().is_table();
        let meant = if is_section {
            nearest(name, SECTIONS.iter().map(|section| (*section).to_owned()))
        } else {
            // A key that stands outside its section is found by its last part.
            let whole = Key::ALL.into_iter().map(|key| key.name().to_owned());
            nearest(name, whole).or_else(|| {
                let key = Key::ALL
                    .into_iter()
                    .find(|key| key.name().ends_with(&format!(".{name}")))?;
                Some(key.name().to_owned())
            })
        };
        let mend = if name == "data_dir" {
            "the data directory says where this file is: set X0_HOME or --data-dir instead"
                .to_owned()
        } else {
            unknown_mend(meant)
        };
        Fault {
            place: self.place(at),
            key: name.to_owned(),
            value: if is_section {
                String::new()
            } else {
                self.written(value)
            },
            what: format!(
                "there is no such {}",
                if is_section { "section" } else { "key" }
            ),
            mend,
        }
    }
}

fn unknown_mend(meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => "`x0 config show` lists all keys".to_owned(),
    }
}

/// Cuts what was written to what an error can show.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.replace(['\n', '\r'], " ")
}

pub(super) fn data_dir(
    flag: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, ConfigError> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let dir = flag
        .map(Path::to_owned)
        .or_else(|| set("X0_HOME"))
        // The XDG base directory specification has relative paths ignored.
        .or_else(|| {
            set("XDG_DATA_HOME")
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join("x0"))
        })
        .or_else(|| set("HOME").map(|home| home.join(".local/share/x0")))
        .ok_or(ConfigError::NoHome)?;
    std::path::absolute(&dir).map_err(|error| ConfigError::Unreadable { path: dir, error })
}
