//! The charter: what a mesh may collect, to whom its services may speak, who watches, and what follows.
//!
//! - [`CharterDraft`] is what was written; [`Charter`] is a draft in which nothing is wrong, and only the check makes
//!   one. It has one encoding (DAG-CBOR, lists in order) and by it a name ([`Charter::id`]).
//! - [`read`] makes one of a YAML file, or names every fault with its line; [`write()`] is the way back.
//! - [`compiled`] is the one form from which every enforcement is made: the node's own filter, a kernel probe's maps,
//!   a contract. What a name is stands in [`name`], byte for byte. [`cases`] lists what each must answer.
//! - [`gateway`] judges telemetry sample by sample, and knows for how long and before whom it may be.
//! - [`diff`] says in words what an amendment takes from people and gives them.
//! - [`inspection`] finds what of a node's collection violates it; [`following`] says when an enforcement is brought up to it.
//! - [`violation`] is what follows when somebody breaks it.
//!
//! Nothing here collects, sends or refuses anything by itself, and nothing here counts votes.

pub mod bounds;
pub mod cases;
mod check;
pub mod compiled;
pub mod diff;
mod draft;
mod fields;
pub mod following;
pub mod gateway;
pub mod inspection;
pub mod name;
mod near;
mod net;
mod read;
#[cfg(test)]
mod tests;
pub mod violation;
mod write;
mod yaml;

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use x0_crypto::ContentId;

use self::{bounds::CHARTER_BYTES_MAX, check::flaws};
pub use self::{
    check::Flaw,
    compiled::Compiled,
    draft::{
        Blocked, Bounty, CharterDraft, Committee, Egress, Gateway, Metric, Parser, Penalties,
        Penalty, Principle, Service, Telemetry, Windows,
    },
    name::MetricKind,
    near::nearest,
    net::{Ports, Prefix, Protocol},
    read::{Fault, Unread, read},
    write::write,
};
use crate::wire::{DecodeError, decode_entry, encode_entry};

/// The charter that ships, as a file.
pub const SHIPPED: &str = include_str!("default.yaml");

/// A charter in which nothing is wrong; cheap to clone, its contents are shared.
#[derive(Clone)]
pub struct Charter(Arc<Inner>);

struct Inner {
    draft: CharterDraft,
    id: ContentId,
    bytes_len: usize,
    compiled: Compiled,
}

/// Why a charter does not follow another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// It has another number.
    #[error("its number is {found}; the charter in force is number {of}, so write {}", of + 1)]
    Number {
        /// Which it has.
        found: u64,
        /// Which is in force.
        of: u64,
    },
    /// It is too large to travel.
    #[error("it has {0} bytes encoded; {max} fit into a record: shorten purposes or drop metrics", max = bounds::CARRIED_BYTES_MAX)]
    TooLarge(usize),
}

impl Charter {
    /// Makes a charter of what was written, and puts its lists in order.
    ///
    /// # Errors
    ///
    /// Returns every flaw.
    pub fn new(draft: CharterDraft) -> Result<Self, Vec<Flaw>> {
        let flaws = flaws(&draft);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let draft = in_order(draft);
        let bytes = encode_entry(&draft);
        let id = ContentId::of(&bytes);
        let compiled = Compiled::of(&draft, id);
        Ok(Self(Arc::new(Inner {
            draft,
            id,
            bytes_len: bytes.len(),
            compiled,
        })))
    }

    /// Returns the charter that ships with this build.
    ///
    /// # Panics
    ///
    /// Never: a test reads the file that is built in.
    pub fn shipped() -> Self {
        match read(SHIPPED.as_bytes()) {
            Ok(charter) => charter,
            Err(unread) => unreachable!("the shipped charter is read in a test: {unread:?}"),
        }
    }

    /// Reads the one encoding of a charter.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_entry("charter", bytes, CHARTER_BYTES_MAX)
    }

    /// Returns the one encoding.
    pub fn encode(&self) -> Vec<u8> {
        encode_entry(&self.0.draft)
    }

    /// Returns the name: the content id of the encoding.
    pub fn id(&self) -> ContentId {
        self.0.id
    }

    /// Returns the number, which only rises.
    pub fn number(&self) -> u64 {
        self.0.draft.number
    }

    /// Returns all it says.
    pub fn text(&self) -> &CharterDraft {
        &self.0.draft
    }

    /// Returns the form that enforcements are made of.
    pub fn compiled(&self) -> &Compiled {
        &self.0.compiled
    }

    /// Checks that a mesh can run under it: it must travel inside a record.
    ///
    /// # Errors
    ///
    /// [`NotNext::TooLarge`] if it does not fit.
    pub fn check_carried(&self) -> Result<(), NotNext> {
        match self.0.bytes_len <= bounds::CARRIED_BYTES_MAX {
            true => Ok(()),
            false => Err(NotNext::TooLarge(self.0.bytes_len)),
        }
    }

    /// Checks that it may take the place of another. That all principles stand in it is no question: no charter is
    /// without one.
    ///
    /// # Errors
    ///
    /// Returns why not.
    pub fn check_follows(&self, old: &Self) -> Result<(), NotNext> {
        if self.number() != old.number() + 1 {
            return Err(NotNext::Number {
                found: self.number(),
                of: old.number(),
            });
        }
        self.check_carried()
    }
}

impl PartialEq for Charter {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Charter {}

impl fmt::Debug for Charter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charter({} {})", self.number(), self.id())
    }
}

impl Serialize for Charter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.draft.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Charter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let draft = CharterDraft::deserialize(deserializer)?;
        let charter = Self::new(draft.clone()).map_err(|flaws| match flaws.first() {
            Some(flaw) => D::Error::custom(format!("{}: {}", flaw.key, flaw.what)),
            None => D::Error::custom("it has a flaw"),
        })?;
        match charter.0.draft == draft {
            true => Ok(charter),
            false => Err(D::Error::custom("its lists are not in order")),
        }
    }
}

/// Puts every list in its one order.
fn in_order(mut draft: CharterDraft) -> CharterDraft {
    draft.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    for metric in &mut draft.metrics {
        metric.labels.sort();
    }
    draft.blocked.names.sort();
    draft.blocked.prefixes.sort();
    draft.services.sort_by(|a, b| a.name.cmp(&b.name));
    for service in &mut draft.services {
        for rule in &mut service.egress {
            rule.ports.sort_unstable();
        }
        service.egress.sort();
    }
    draft.telemetry.sort_unstable();
    draft
}
