//! What can be wrong with settings, told so that it can be mended without a manual.

use std::{fmt, io, path::PathBuf};

/// Says why there are no settings to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No data directory could be found.
    #[error(
        "neither --data-dir, X0_HOME, XDG_DATA_HOME nor HOME says where x0 keeps its data; set X0_HOME"
    )]
    NoHome,
    /// The file exists and cannot be read.
    #[error("{} cannot be read ({error}); mend its permissions or move it away", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The settings have faults: all of them.
    #[error("{}", Listed(.0))]
    Faults(Vec<Fault>),
}

/// One fault in the settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Where it stands: file and line, variable or flag.
    pub place: String,
    /// The key, as written.
    pub key: String,
    /// The value, as written, cut to a readable length.
    pub value: String,
    /// What is wrong with it.
    pub what: String,
    /// What is allowed, or what to do.
    pub mend: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.what, self.mend)
    }
}

/// What values a key may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// As these words say.
    Words(&'static str),
    /// From one number to another.
    Numbers(u64, u64),
    /// From one size to another, in bytes.
    Bytes(u64, u64),
}

impl Range {
    /// Tells whether a number is in the range; words allow any.
    pub(super) const fn contains(self, number: u64) -> bool {
        match self {
            Self::Words(_) => true,
            Self::Numbers(least, most) | Self::Bytes(least, most) => {
                least <= number && number <= most
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Words(words) => f.write_str(words),
            Self::Numbers(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Bytes(least, most) => {
                write!(f, "a size from {} to {}", Size(least), Size(most))
            }
        }
    }
}

/// A number of bytes, written with the largest unit that divides it.
pub(super) struct Size(pub(super) u64);

/// Units of size and their bytes, smallest first.
pub(super) const UNITS: [(&str, u64); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .rev()
            .find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        match unit {
            Some((unit, bytes)) => write!(f, "{} {unit}", self.0 / bytes),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

struct Listed<'a>(&'a [Fault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [fault] => write!(f, "the settings have a fault: {fault}"),
            faults => {
                write!(f, "the settings have {} faults:", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}
