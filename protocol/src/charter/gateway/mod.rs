//! The gateway of a charter: what of the telemetry of a machine's programs passes, for how long, and who may see it.
//!
//! A [`Gateway`] takes what programs hand in or what was fetched from them, judges every sample by the charter in force, and
//! keeps no more than the newest value of each series:
//!
//! 1. a name that is none, is blocked or is not listed is refused, by the same rule as in every enforcement
//!    ([`Compiled::name`](super::Compiled::name));
//! 2. so is a sample that behaves otherwise than the charter says, and one with a label that it does not list;
//! 3. so is one of a metric that needs a consent which nobody has given, or somebody has withdrawn ([`consent`]);
//! 4. what is kept is forgotten when it is as old as the charter lets it be kept. A sum that grew here begins anew then, so that no
//!    number holds anything older;
//! 5. only the operator sees values one by one. Anybody else sees a metric combined over at least as many nodes as the
//!    charter says, or not at all ([`render`]).
//!
//! An amendment is obeyed at once: what it no longer allows is forgotten. Refusals stand in a [`refusal::Book`].
//!
//! Not here: sockets, clocks and files, which the node has; and no history, which is for whoever may collect.

pub mod consent;
pub mod exposition;
pub mod offer;
pub mod refusal;
pub mod render;
pub mod statsd;
#[cfg(test)]
mod tests;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    consent::{Consents, Word, WordFault},
    offer::{Offer, Sent, check_labels},
    refusal::{Book, Refusal, Refused, ValueFault},
    value::Value,
};
use super::{Charter, MetricKind, compiled::Allowed, nearest};
use crate::core::time::Wall;

/// Most series that are kept: with the longest names and labels about 20 MiB.
pub const SERIES_MAX: usize = 10_000;

/// Most series of one name, so that one label with many values leaves room for others.
pub const SERIES_OF_NAME_MAX: usize = 1_000;

/// Most different members of a set that are told apart.
pub const MEMBERS_MAX: usize = 1_000;

/// Most samples of one request or visit that are looked at.
pub const SAMPLES_MAX: usize = 20_000;

/// A day, milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The node whose they are; nodes are what cohorts are counted in.
    pub node: String,
    /// By which way they came.
    pub source: String,
}

/// What came of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Taken.
    pub taken: u64,
    /// Refused.
    pub refused: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    labels: Vec<(String, String)>,
    origin: Origin,
}

#[derive(Clone, Debug)]
struct Series {
    value: Value,
    members: BTreeSet<Value>,
    /// When it began here, if it is added up here.
    since: Option<Wall>,
    at: Wall,
}

/// What is to be done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Set,
    Add,
    Member,
}

/// The gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    charter: Charter,
    consents: Consents,
    /// Metrics that may not be collected for want of consent.
    unconsented: BTreeSet<String>,
    series: BTreeMap<Key, Series>,
    book: Book,
    taken: u64,
}

impl Gateway {
    /// Opens the gateway of a charter.
    pub fn new(charter: Charter, consents: Consents) -> Self {
        let mut gateway = Self {
            charter,
            consents,
            unconsented: BTreeSet::new(),
            series: BTreeMap::new(),
            book: Book::default(),
            taken: 0,
        };
        gateway.look_at_consents();
        gateway
    }

    /// Returns the charter that it obeys.
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Returns what people have said.
    pub const fn consents(&self) -> &Consents {
        &self.consents
    }

    /// Returns what was refused.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Returns how many samples were taken since the start.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns how many series are kept.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Obeys another charter from now on: what it does not allow is forgotten.
    pub fn amend(&mut self, charter: Charter) {
        self.charter = charter;
        self.look_at_consents();
    }

    /// Checks what a person says about a metric; [`Gateway::take_word`] takes it once it is safe.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub fn check_word(
        &self,
        now: Wall,
        metric: &str,
        person: &str,
        given: bool,
    ) -> Result<Word, WordFault> {
        self.consents
            .check(&self.charter, now, metric, person, given)
    }

    /// Takes a checked word; what is no longer consented to is forgotten.
    pub fn take_word(&mut self, word: Word) {
        self.consents.take(word);
        self.look_at_consents();
    }

    /// Finds which metrics want consent, and forgets what may not be kept.
    fn look_at_consents(&mut self) {
        let metrics = self.charter.text().metrics.iter();
        self.unconsented = metrics
            .filter(|metric| !self.consents.permits(metric))
            .map(|metric| metric.name.clone())
            .collect();
        let (charter, unconsented) = (&self.charter, &self.unconsented);
        self.series.retain(|key, _| {
            let allowed = charter.compiled().name(key.name.as_bytes());
            allowed.is_ok_and(|allowed| {
                let mut labels = key.labels.iter();
                !unconsented.contains(&allowed.metric)
                    && labels.all(|(label, _)| allowed.labels.binary_search(label).is_ok())
            })
        });
    }

    /// Forgets what is as old as the charter lets it be kept.
    pub fn expire(&mut self, now: Wall) {
        let charter = &self.charter;
        self.series.retain(|key, series| {
            let allowed = charter.compiled().name(key.name.as_bytes());
            allowed.is_ok_and(|allowed| {
                let keep = u64::from(allowed.retention_days) * DAY_MS;
                let oldest = series.since.unwrap_or(series.at);
                now.0.saturating_sub(oldest.0) < keep
            })
        });
    }

    /// Forgets what came from somewhere, such as an exporter that has been silent for long.
    pub fn forget(&mut self, origin: &Origin) {
        self.series.retain(|key, _| key.origin != *origin);
    }

    /// Takes in a StatsD datagram of this machine.
    pub fn statsd(&mut self, now: Wall, origin: &Origin, datagram: &[u8]) -> Taken {
        match statsd::read(datagram) {
            Ok(lines) => self.offers(now, origin, lines.into_iter()),
            Err(refusal) => self.refuse(now, origin, &[], &refusal),
        }
    }

    /// Takes in what an exporter answered, in place of what it answered before.
    pub fn exposition(&mut self, now: Wall, origin: &Origin, text: &[u8]) -> Taken {
        let lines = match exposition::read(text) {
            Ok(lines) => lines,
            Err(refusal) => return self.refuse(now, origin, &[], &refusal),
        };
        self.forget(origin);
        let lines = lines
            .into_iter()
            .map(|(name, offer)| (name.as_bytes(), offer));
        self.offers(now, origin, lines)
    }

    /// Takes in samples, each with its name as it was sent.
    pub fn offers<'a>(
        &mut self,
        now: Wall,
        origin: &Origin,
        offers: impl Iterator<Item = (&'a [u8], Result<Offer, Refusal>)>,
    ) -> Taken {
        let mut all = Taken::default();
        for (at, (name, offer)) in offers.enumerate() {
            if at >= SAMPLES_MAX {
                let refused = self.refuse(now, origin, &[], &TOO_MANY);
                all.refused += refused.refused;
                return all;
            }
            // The name counts first, whatever else is wrong with the sample.
            let judged = self.judge(name).and_then(|allowed| {
                let offer = offer?;
                offer.sent.check(&allowed)?;
                Ok((allowed, offer))
            });
            let done = judged.and_then(|(allowed, offer)| self.take(now, origin, &allowed, offer));
            match done {
                Ok(()) => {
                    self.taken += 1;
                    all.taken += 1;
                }
                Err(refusal) => all.refused += self.refuse(now, origin, name, &refusal).refused,
            }
        }
        all
    }

    /// Writes down that something was refused.
    pub fn refuse(&mut self, now: Wall, origin: &Origin, name: &[u8], refusal: &Refusal) -> Taken {
        self.book.note(now, &origin.source, name, refusal);
        Taken {
            taken: 0,
            refused: 1,
        }
    }

    /// Lists what was refused, the newest first, with what an unknown name may have been meant to be.
    pub fn refusals(&self) -> Vec<Refused> {
        let mut all = self.book.newest();
        for refused in &mut all {
            let listed = self.charter.text().metrics.iter();
            let listed = listed.map(|metric| metric.name.as_str());
            if let Some(name) = &refused.name
                && refused.reason == Refusal::NotListed.word()
                && let Some(near) = nearest(name, listed)
            {
                refused.words.push_str(&format!("; did you mean {near}?"));
            }
        }
        all
    }

    /// Judges a name.
    ///
    /// # Errors
    ///
    /// Returns why nothing may be collected under it.
    pub fn judge(&self, name: &[u8]) -> Result<Allowed, Refusal> {
        match self.charter.compiled().name(name) {
            Ok(allowed) if self.unconsented.contains(&allowed.metric) => {
                Err(Refusal::NoConsent(allowed.metric.clone()))
            }
            Ok(allowed) => Ok(allowed.clone()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn take(
        &mut self,
        now: Wall,
        origin: &Origin,
        allowed: &Allowed,
        offer: Offer,
    ) -> Result<(), Refusal> {
        let labels = check_labels(allowed, offer.labels)?;
        let grows = matches!(allowed.kind, MetricKind::Counter | MetricKind::Histogram)
            && !allowed.name.ends_with("_sum");
        if grows && offer.value.is_negative() && !matches!(offer.sent, Sent::Observed(_)) {
            return Err(ValueFault::Negative.into());
        }
        // When something began says nothing that the value does not.
        if allowed.name.len() > allowed.metric.len() && allowed.name.ends_with("_created") {
            return Ok(());
        }
        let key = |name: String| Key {
            name,
            labels: labels.clone(),
            origin: origin.clone(),
        };
        let metric = &allowed.metric;
        let total = || key(format!("{metric}_total"));
        let own = || key(allowed.name.clone());
        match offer.sent {
            Sent::Growth => self.put(now, total(), offer.value, Change::Add),
            Sent::Total => self.put(now, total(), offer.value, Change::Set),
            Sent::Untold if allowed.kind == MetricKind::Counter => {
                self.put(now, total(), offer.value, Change::Set)
            }
            Sent::Shift | Sent::GrowthOfHistogram => self.put(now, own(), offer.value, Change::Add),
            Sent::Member => self.put(now, own(), offer.value, Change::Member),
            Sent::Observed(times) => {
                self.put(now, key(format!("{metric}_count")), times, Change::Add)?;
                self.put(now, key(format!("{metric}_sum")), offer.value, Change::Add)
            }
            Sent::Level | Sent::OfHistogram | Sent::OfSummary | Sent::Untold => {
                self.put(now, own(), offer.value, Change::Set)
            }
        }
    }

    fn put(&mut self, now: Wall, key: Key, value: Value, change: Change) -> Result<(), Refusal> {
        if !self.series.contains_key(&key) {
            let of_name = self.series.range(first_of(&key.name)..);
            let of_name = of_name.take_while(|(other, _)| other.name == key.name);
            if self.series.len() >= SERIES_MAX
                || of_name.take(SERIES_OF_NAME_MAX).count() == SERIES_OF_NAME_MAX
            {
                return Err(Refusal::Full);
            }
        }
        let is_added = change != Change::Set;
        let series = self.series.entry(key).or_insert_with(|| Series {
            value: Value::ZERO,
            members: BTreeSet::new(),
            since: is_added.then_some(now),
            at: now,
        });
        series.value = match change {
            Change::Set => value,
            Change::Add => series.value.plus(value)?,
            Change::Member => {
                if !series.members.contains(&value) && series.members.len() >= MEMBERS_MAX {
                    return Err(Refusal::Full);
                }
                series.members.insert(value);
                Value::whole(series.members.len() as u64)
            }
        };
        series.at = now;
        Ok(())
    }
}

/// What is said once where a request holds more than is looked at.
const TOO_MANY: Refusal =
    Refusal::Unreadable("it holds more than 20000 samples: the rest was not looked at");

/// The first key that a name can have.
fn first_of(name: &str) -> Key {
    Key {
        name: name.to_owned(),
        labels: Vec::new(),
        origin: Origin {
            node: String::new(),
            source: String::new(),
        },
    }
}
