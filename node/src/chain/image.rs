//! A charter as it is loaded into the contract and read from it: plain data, in batches that one hash commits to.
//!
//! Names mean the same here, in the contract and wherever else a charter is enforced: they are bytes, told apart by
//! every byte; a blocked pattern is a name, or a beginning if it ends with `*`; what is blocked stays blocked if it is
//! listed as well. The image is in order, so that the same charter always has the same root.

use std::collections::BTreeSet;

use alloy_primitives::{B256, hex, keccak256};
use alloy_sol_types::SolValue as _;
use serde::{Deserialize, Serialize};

use super::{
    abi::ICharter::{Batch, Metric, Rule},
    error::ChainError,
};

/// Longest file read, bytes.
pub const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most metrics.
const METRICS_MAX: usize = 10_000;
/// Most blocked patterns.
const PATTERNS_MAX: usize = 10_000;
/// Longest name or pattern, bytes; as in the contract.
const NAME_BYTES_MAX: usize = 128;
/// Words of storage that a batch writes at most, 22,100 gas each (EIP-2929): two thirds of what a transaction may use.
const BATCH_WORDS_MAX: usize = 500;

/// A charter as the contract holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterImage {
    /// Its number; each is higher than the one before.
    pub number: u64,
    /// The content id of the charter itself.
    pub cid: String,
    /// What may be collected.
    pub metrics: Vec<ListedMetric>,
    /// Names and beginnings (`user_*`) that may never be.
    pub blocked: Vec<String>,
}

/// A metric that may be collected, and what holds for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedMetric {
    /// Its name.
    pub name: String,
    /// How long values may be kept, days.
    pub retention_days: u32,
    /// Whether the person concerned is asked first.
    pub consent: bool,
    /// How many nodes a published value stands for at least.
    pub cohort_min: u32,
}

/// What the contract says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameVerdict {
    /// It is not on the whitelist.
    NotListed,
    /// It is on the whitelist.
    Allowed,
    /// It is blocked.
    Blocked,
}

impl CharterImage {
    /// Reads an image from JSON, checks it and puts it in order.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ChainError> {
        let image: Self = serde_json::from_slice(bytes)
            .map_err(|fault| ChainError::bad_input("the image", fault.to_string()))?;
        image.checked()
    }

    /// Checks an image as the contract would, and puts it in order.
    ///
    /// # Errors
    ///
    /// Returns what the contract would refuse.
    pub fn checked(mut self) -> Result<Self, ChainError> {
        let fault = |why: String| Err(ChainError::bad_input("the image", why));
        if self.number == 0 {
            return fault("number is 0: charters are counted from 1".to_owned());
        }
        cid_bytes(&self.cid)?;
        if self.metrics.len() > METRICS_MAX || self.blocked.len() > PATTERNS_MAX {
            return fault(format!(
                "it has {} metrics and {} blocked patterns: at most {METRICS_MAX} and {PATTERNS_MAX}",
                self.metrics.len(),
                self.blocked.len()
            ));
        }
        let mut names = BTreeSet::new();
        for metric in &self.metrics {
            let name = metric.name.as_str();
            if !is_name(name) {
                return fault(format!(
                    "metric {name:?}: a name has 1 to {NAME_BYTES_MAX} bytes and no *"
                ));
            }
            if !names.insert(name) {
                return fault(format!("metric {name:?} is listed twice"));
            }
        }
        let mut patterns = BTreeSet::new();
        for pattern in &self.blocked {
            let part = pattern.strip_suffix('*').unwrap_or(pattern);
            if !is_name(part) || pattern.len() > NAME_BYTES_MAX {
                return fault(format!(
                    "blocked {pattern:?}: a name, or a beginning with one * at its end, of at most {NAME_BYTES_MAX} bytes"
                ));
            }
            if !patterns.insert(pattern.as_str()) {
                return fault(format!("{pattern:?} is blocked twice"));
            }
        }
        self.metrics.sort();
        self.blocked.sort();
        Ok(self)
    }

    /// Returns the hash that commits to all its batches: what a committee signs.
    pub fn root(&self) -> B256 {
        let batches = self.batches();
        rests(&batches).first().copied().unwrap_or_default()
    }

    /// Cuts it into batches that fit a transaction each.
    pub(super) fn batches(&self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut batch = empty();
        let mut words = 0;
        // A batch is closed before it would be too full.
        let mut make_room = |batch: &mut Batch, more: usize| {
            if words + more > BATCH_WORDS_MAX {
                batches.push(std::mem::replace(batch, empty()));
                words = 0;
            }
            words += more;
        };
        for metric in &self.metrics {
            make_room(&mut batch, 1 + text_words(&metric.name));
            batch.metrics.push(metric.into());
        }
        for pattern in &self.blocked {
            make_room(&mut batch, 1 + text_words(pattern));
            batch.patterns.push(pattern.clone());
        }
        if !(batch.metrics.is_empty() && batch.patterns.is_empty()) {
            batches.push(batch);
        }
        batches
    }
}

/// Returns what the batches from each one on hash to; the first is the root, the last is zero.
pub(super) fn rests(batches: &[Batch]) -> Vec<B256> {
    let mut rests = vec![B256::ZERO];
    let mut rest = B256::ZERO;
    for batch in batches.iter().rev() {
        let hash = keccak256(batch.abi_encode());
        rest = keccak256((hash, rest).abi_encode());
        rests.push(rest);
    }
    rests.reverse();
    rests
}

/// Reads a content id.
pub(super) fn cid_bytes(text: &str) -> Result<Vec<u8>, ChainError> {
    cid::Cid::try_from(text)
        .map(|cid| cid.to_bytes())
        .map_err(|fault| {
            ChainError::bad_input(
                &format!("{text:?}"),
                format!("it is no content id ({fault}): they look like bafy…"),
            )
        })
}

/// Writes a content id; bytes that are none as digits.
pub(super) fn cid_text(bytes: &[u8]) -> String {
    match cid::Cid::try_from(bytes) {
        Ok(cid) => cid.to_string(),
        Err(_) => hex::encode_prefixed(bytes),
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains('*')
}

/// Words of storage that a text takes: a short one stands beside its length.
fn text_words(text: &str) -> usize {
    match text.len() {
        0..32 => 1,
        length => 1 + length.div_ceil(32),
    }
}

const fn empty() -> Batch {
    Batch {
        metrics: Vec::new(),
        patterns: Vec::new(),
    }
}

impl From<&ListedMetric> for Metric {
    fn from(metric: &ListedMetric) -> Self {
        Self {
            name: metric.name.clone(),
            rule: Rule {
                retentionDays: metric.retention_days,
                consent: metric.consent,
                cohortMin: metric.cohort_min,
            },
        }
    }
}

impl From<Metric> for ListedMetric {
    fn from(metric: Metric) -> Self {
        Self {
            name: metric.name,
            retention_days: metric.rule.retentionDays,
            consent: metric.rule.consent,
            cohort_min: metric.rule.cohortMin,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const CID: &str = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    fn image(names: &[&str], blocked: &[&str]) -> CharterImage {
        let metric = |name: &&str| ListedMetric {
            name: (*name).to_owned(),
            retention_days: 30,
            consent: false,
            cohort_min: 5,
        };
        CharterImage {
            number: 1,
            cid: CID.to_owned(),
            metrics: names.iter().map(metric).collect(),
            blocked: blocked.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn what_the_contract_would_refuse_is_refused_before_it_costs_anything() {
        let long = "n".repeat(129);
        let faulty = [
            (image(&[""], &[]), "metric \"\""),
            (image(&["a*"], &[]), "metric \"a*\""),
            (image(&[&long], &[]), "128 bytes"),
            (image(&["a", "b", "a"], &[]), "listed twice"),
            (image(&[], &["*"]), "blocked \"*\""),
            (image(&[], &["a*b"]), "blocked \"a*b\""),
            (image(&[], &["a**"]), "blocked \"a**\""),
            (image(&[], &["a", "a"]), "blocked twice"),
        ];
        for (image, why) in faulty {
            let fault = image.checked().unwrap_err().to_string();
            assert!(fault.contains(why), "{fault}");
        }
        let mut nameless = image(&[], &[]);
        nameless.cid = "no-cid".to_owned();
        assert!(
            nameless
                .checked()
                .unwrap_err()
                .to_string()
                .contains("no content id")
        );
        assert!(image(&["a"], &["a", "a*"]).checked().is_ok());
    }

    #[test]
    fn the_order_of_writing_does_not_change_the_root_and_every_value_does() {
        let one = image(&["a", "b"], &["x", "y*"]).checked().unwrap();
        let other = image(&["b", "a"], &["y*", "x"]).checked().unwrap();
        assert_eq!(one.root(), other.root());

        let mut changed = one.clone();
        changed.metrics[0].cohort_min += 1;
        assert_ne!(one.root(), changed.root());
        assert_ne!(
            one.root(),
            image(&["a", "b"], &["x", "y"]).checked().unwrap().root()
        );
        assert_eq!(image(&[], &[]).root(), B256::ZERO);
    }

    #[test]
    fn batches_hold_everything_once_and_fit() {
        let names: Vec<String> = (0..1_000)
            .map(|i| format!("{i}{}", "x".repeat(i % 100)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let whole = image(&names, &["user_*", "y"]).checked().unwrap();

        let batches = whole.batches();

        let metrics: Vec<ListedMetric> = batches
            .iter()
            .flat_map(|batch| batch.metrics.iter().cloned().map(ListedMetric::from))
            .collect();
        assert_eq!(metrics, whole.metrics);
        let words = |batch: &Batch| -> usize {
            let names = batch.metrics.iter().map(|metric| &metric.name);
            names
                .chain(&batch.patterns)
                .map(|text| 1 + text_words(text))
                .sum()
        };
        assert!(batches.iter().all(|batch| words(batch) <= BATCH_WORDS_MAX));
        assert!(batches.len() < 10, "{}", batches.len());
    }
}
