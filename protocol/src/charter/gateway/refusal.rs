//! Why the gateway refuses a sample, and the book in which its operator reads it.
//!
//! The book names the metric, so that the author of an exporter understands; it is kept in memory, bounded, and shown to
//! nobody but the operator. A name that is none is not repeated.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{compiled::NameRefusal, name::NameFault};
use crate::core::time::Wall;

/// Most different refusals that the book holds; beyond that the one that is longest ago makes room.
pub const REFUSALS_MAX: usize = 256;

/// Why a value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// It is no finite decimal number.
    #[error("the value is no finite number")]
    NotNumber,
    /// It is too large.
    #[error("the value is larger than 10^21")]
    TooLarge,
    /// A counter went down.
    #[error("a counter only grows, and this is below zero")]
    Negative,
    /// A rate of sampling is none.
    #[error("the rate of sampling is not above 0 and up to 1")]
    BadRate,
}

/// Why a sample is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What came cannot be read, so that no name in it could be looked at.
    #[error("it cannot be read: {0}")]
    Unreadable(&'static str),
    /// It is longer than what is looked at.
    #[error("it has more than {0} bytes")]
    TooLong(usize),
    /// What it is under is no name.
    #[error("it is no name of a metric: {0}")]
    Malformed(NameFault),
    /// The charter blocks the name.
    #[error("the charter blocks it: collecting it is a violation")]
    Blocked,
    /// The charter does not list the name.
    #[error("the charter does not list it")]
    NotListed,
    /// It behaves otherwise than the charter says.
    #[error("the charter lists it as a {listed}, and it was sent as {sent}")]
    Kind {
        /// What the charter says.
        listed: &'static str,
        /// What was sent.
        sent: &'static str,
    },
    /// It carries a label that the charter does not list.
    #[error(
        "it carries the label `{0}`, which the charter does not list for it: leave the label out"
    )]
    Label(String),
    /// A label's value is too long, or stands twice.
    #[error("its label `{0}` stands twice, or is longer than 128 bytes")]
    LabelValue(String),
    /// Who it is about has not said yes.
    #[error("it needs the consent of who it is about: x0 charter consent give {0}")]
    NoConsent(String),
    /// Its value will not do.
    #[error(transparent)]
    Value(#[from] ValueFault),
    /// There is no room.
    #[error("the gateway keeps as many series as it can: use fewer values of labels")]
    Full,
    /// Traces, which no charter allows.
    #[error("no charter allows traces: the gateway takes metrics alone")]
    Traces,
    /// Logs, which no charter allows.
    #[error("no charter allows logs: the gateway takes metrics alone")]
    Logs,
}

impl Refusal {
    /// Returns the word that programs know it by.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::TooLong(_) => "too-long",
            Self::Malformed(_) => "malformed",
            Self::Blocked => "blocked",
            Self::NotListed => "not-listed",
            Self::Kind { .. } => "kind",
            Self::Label(_) | Self::LabelValue(_) => "label",
            Self::NoConsent(_) => "consent",
            Self::Value(_) => "value",
            Self::Full => "full",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// Tells whether the name itself may be repeated: it is one, of an alphabet that holds no surprises.
    const fn is_about_a_name(&self) -> bool {
        match self {
            Self::Unreadable(_)
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Traces
            | Self::Logs => false,
            Self::Blocked
            | Self::NotListed
            | Self::Kind { .. }
            | Self::Label(_)
            | Self::LabelValue(_)
            | Self::NoConsent(_)
            | Self::Value(_)
            | Self::Full => true,
        }
    }
}

impl From<NameRefusal> for Refusal {
    fn from(refusal: NameRefusal) -> Self {
        match refusal {
            NameRefusal::Malformed(fault) => Self::Malformed(fault),
            NameRefusal::Blocked => Self::Blocked,
            NameRefusal::NotListed => Self::NotListed,
        }
    }
}

/// A sort of refusals, as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// By which way it came: `statsd`, `otlp`, `remote-write`, or the address it was fetched from.
    pub source: String,
    /// The name, where it is one.
    pub name: Option<String>,
    /// Why, as a word.
    pub reason: &'static str,
    /// Why, as a sentence, and what to do.
    pub words: String,
    /// How often.
    pub count: u64,
    /// When it was the last time.
    pub last: Wall,
}

/// The book of refusals.
#[derive(Clone, Debug, Default)]
pub struct Book {
    entries: BTreeMap<(String, Option<String>, String), Refused>,
    by_reason: BTreeMap<&'static str, u64>,
}

impl Book {
    /// Writes a refusal down.
    pub fn note(&mut self, now: Wall, source: &str, name: &[u8], refusal: &Refusal) {
        *self.by_reason.entry(refusal.word()).or_default() += 1;
        let name = match refusal.is_about_a_name() {
            true => Some(String::from_utf8_lossy(name).into_owned()),
            false => None,
        };
        let words = refusal.to_string();
        let key = (source.to_owned(), name.clone(), words.clone());
        if !self.entries.contains_key(&key) && self.entries.len() >= REFUSALS_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(key).or_insert_with(|| Refused {
            source: source.to_owned(),
            name,
            reason: refusal.word(),
            words,
            count: 0,
            last: now,
        });
        entry.count += 1;
        entry.last = now;
    }

    /// Returns how often each reason was given since the start.
    pub const fn by_reason(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_reason
    }

    /// Lists the refusals that are kept, the newest first.
    pub fn newest(&self) -> Vec<Refused> {
        let mut all: Vec<Refused> = self.entries.values().cloned().collect();
        all.sort_by_key(|refused| core::cmp::Reverse(refused.last));
        all
    }

    /// Returns how many samples were refused since the start.
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }
}
