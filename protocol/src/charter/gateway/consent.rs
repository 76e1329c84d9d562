//! Who has said yes to which collection.
//!
//! A metric that needs consent passes while somebody has given it and nobody has withdrawn. What counts is the newest word of
//! each person. A yes is to the metric as it was declared: where an amendment changes its kind, purpose, retention, labels or
//! cohort, the yes has lapsed and must be given anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::ContentId;

use super::super::{Charter, Metric};
use crate::{core::time::Wall, wire::encode_entry};

/// Most words that are kept, one for each person and metric.
pub const WORDS_MAX: usize = 10_000;

/// Longest name of a person, bytes.
pub const PERSON_BYTES_MAX: usize = 64;

/// What a person said about a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The metric.
    pub metric: String,
    /// Who: a name that means something on this machine.
    pub person: String,
    /// Whether it was yes.
    pub given: bool,
    /// When.
    pub at: Wall,
    /// What the metric was declared to be.
    pub declared: ContentId,
}

/// Why a word is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordFault {
    /// No such metric.
    #[error("the charter lists no metric {0}: x0 charter show")]
    NoMetric(String),
    /// It passes without.
    #[error("{0} needs no consent by the charter in force: nothing was written down")]
    NotNeeded(String),
    /// Nothing to take back.
    #[error("{person} has given no consent to {metric}: x0 charter consent list")]
    NeverGiven {
        /// Who.
        person: String,
        /// The metric.
        metric: String,
    },
    /// The name will not do.
    #[error("a person's name has 1 to {PERSON_BYTES_MAX} bytes, and no control characters")]
    BadPerson,
    /// There is no room.
    #[error("{WORDS_MAX} words are kept, which is all there is room for")]
    Full,
}

/// The newest word of each person about each metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents(BTreeMap<(String, String), Word>);

impl Consents {
    /// Puts together what was said, oldest first.
    pub fn restore(words: impl IntoIterator<Item = Word>) -> Self {
        let mut consents = Self::default();
        for word in words {
            let key = (word.metric.clone(), word.person.clone());
            if consents.0.len() < WORDS_MAX || consents.0.contains_key(&key) {
                consents.0.insert(key, word);
            }
        }
        consents
    }

    /// Checks a word, and makes the form in which it is kept; [`Consents::take`] takes it.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub fn check(
        &self,
        charter: &Charter,
        at: Wall,
        metric: &str,
        person: &str,
        given: bool,
    ) -> Result<Word, WordFault> {
        let is_named = (1..=PERSON_BYTES_MAX).contains(&person.len());
        if !is_named || person.chars().any(char::is_control) {
            return Err(WordFault::BadPerson);
        }
        let key = (metric.to_owned(), person.to_owned());
        let before = self.0.get(&key);
        let listed = charter.text().metrics.iter().find(|one| one.name == metric);
        let declared = match (listed, given, before) {
            (_, false, Some(before)) => before.declared,
            (_, false, None) => {
                return Err(WordFault::NeverGiven {
                    person: key.1,
                    metric: key.0,
                });
            }
            (None, true, _) => return Err(WordFault::NoMetric(key.0)),
            (Some(listed), true, _) if !listed.consent => return Err(WordFault::NotNeeded(key.0)),
            (Some(listed), true, _) => declaration(listed),
        };
        if before.is_none() && self.0.len() >= WORDS_MAX {
            return Err(WordFault::Full);
        }
        Ok(Word {
            metric: key.0,
            person: key.1,
            given,
            at,
            declared,
        })
    }

    /// Takes a checked word.
    pub fn take(&mut self, word: Word) {
        self.0
            .insert((word.metric.clone(), word.person.clone()), word);
    }

    /// Tells whether what a metric is declared to be has the consent that it needs.
    pub fn permits(&self, metric: &Metric) -> bool {
        if !metric.consent {
            return true;
        }
        let declared = declaration(metric);
        let mut words = self.words().filter(|word| word.metric == metric.name);
        let is_given = |word: &Word| word.given && word.declared == declared;
        words.clone().any(is_given) && words.all(|word| word.given)
    }

    /// Lists all words, by metric and person.
    pub fn words(&self) -> impl Iterator<Item = &Word> + Clone {
        self.0.values()
    }

    /// Tells whether a yes has lapsed, as the metric is no longer declared to be what it was given to.
    pub fn has_lapsed(&self, charter: &Charter, word: &Word) -> bool {
        let metrics = charter.text().metrics.iter();
        let mut same = metrics.filter(|one| one.name == word.metric);
        word.given && !same.any(|metric| declaration(metric) == word.declared)
    }
}

/// Returns the name of what a metric is declared to be.
fn declaration(metric: &Metric) -> ContentId {
    ContentId::of(&encode_entry(metric))
}
