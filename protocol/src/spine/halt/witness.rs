//! Who can make a halt together: the committee or the drawn witnesses, counted apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use crate::{
    core::{
        limits::{SEATS_MIN, WITNESSES_MAX},
        time::Wall,
    },
    spine::committee::Seats,
};

/// The witnesses drawn for this epoch, in order of key; the draw is the beacon's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses(Vec<PublicKey>);

impl Witnesses {
    /// Takes the keys drawn; `None` if they are too few for any to be hostile, or too many.
    pub fn new(mut keys: Vec<PublicKey>) -> Option<Self> {
        keys.sort_unstable();
        keys.dedup();
        (SEATS_MIN..=WITNESSES_MAX)
            .contains(&keys.len())
            .then_some(Self(keys))
    }

    /// Returns the keys, in order.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Tells whether `key` was drawn.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.binary_search(key).is_ok()
    }

    /// Returns how many witnesses may be hostile without harm: `⌊(n−1)/3⌋`.
    pub const fn faulty_max(&self) -> usize {
        (self.0.len() - 1) / 3
    }
}

/// The two groups as they stand; a mesh may have neither yet.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// The seats of the committee.
    pub committee: Option<&'a Seats>,
    /// This epoch's witnesses.
    pub witnesses: Option<&'a Witnesses>,
}

/// What one member of a group said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The alert's record.
    pub alert: ContentId,
    /// The alert's date.
    pub time: Wall,
}

/// The alerts about one root, by who signed them, in two counts that are never added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmations {
    /// Those of seats.
    pub committee: BTreeMap<PublicKey, Said>,
    /// Those of witnesses. A seat that was drawn stands in both.
    pub witnesses: BTreeMap<PublicKey, Said>,
}

impl Confirmations {
    /// Takes note of an alert in the groups its signer belongs to; the signer's newest counts.
    pub fn add(&mut self, groups: Groups<'_>, signer: PublicKey, said: Said) {
        let seat = groups
            .committee
            .is_some_and(|seats| seats.contains(&signer))
            .then_some(&mut self.committee);
        let witness = groups
            .witnesses
            .is_some_and(|drawn| drawn.contains(&signer))
            .then_some(&mut self.witnesses);
        for group in seat.into_iter().chain(witness) {
            let newest = group.entry(signer).or_insert(said);
            if (newest.time, newest.alert) < (said.time, said.alert) {
                *newest = said;
            }
        }
    }

    /// Forgets what does not count any more.
    pub fn retain(&mut self, counts: impl Fn(&Said) -> bool) {
        self.committee.retain(|_, said| counts(said));
        self.witnesses.retain(|_, said| counts(said));
    }

    /// Returns what f+1 present seats said by now, if so many did.
    pub fn by_committee(&self, groups: Groups<'_>) -> Vec<Said> {
        let Some(seats) = groups.committee else {
            return Vec::new();
        };
        enough(&self.committee, seats.faulty_max() + 1, |key| {
            seats.contains(key)
        })
    }

    /// Returns what f+1 of this epoch's witnesses said by now, if so many did.
    pub fn by_witnesses(&self, groups: Groups<'_>) -> Vec<Said> {
        let Some(drawn) = groups.witnesses else {
            return Vec::new();
        };
        enough(&self.witnesses, drawn.faulty_max() + 1, |key| {
            drawn.contains(key)
        })
    }
}

/// Returns what the counted said, or nothing if they are fewer than needed.
fn enough(
    group: &BTreeMap<PublicKey, Said>,
    need: usize,
    counts: impl Fn(&PublicKey) -> bool,
) -> Vec<Said> {
    let said: Vec<_> = group
        .iter()
        .filter(|(key, _)| counts(key))
        .map(|(_, said)| *said)
        .collect();
    if said.len() < need {
        return Vec::new();
    }
    said
}
