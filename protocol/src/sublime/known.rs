//! What a node knows of Sublime: who serves as a guardian, which items there are, who asks for one.
//!
//! All of it follows from the set of records known, whatever order they came in, up to the bounds.

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, PublicKey,
    sublime::{AccessStructure, HybridPublic},
};

use crate::{
    core::{
        limits::{
            GUARDIANS_KNOWN_MAX, ITEMS_KNOWN_MAX, MANIFESTS_AN_HOUR_MAX, REQUESTS_KNOWN_MAX,
            REQUESTS_PER_MEMBER_MAX,
        },
        time::{Millis, Wall},
    },
    wire::{AccessRequest, GuardianWord, Manifest, Record},
};

const HOUR: Millis = Millis::from_mins(60);

/// An item, as far as releases and views need it; the manifest itself is a record on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: PublicKey,
    /// How its first part is shared, by name.
    pub sharing: ContentId,
    /// How many shares of how many open it.
    pub access: AccessStructure,
    /// The root of its encrypted content.
    pub content: ContentId,
    /// Chunks under it.
    pub chunks: u64,
    /// When it was put, by its author's clock.
    pub time: Wall,
}

/// A member's request for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub by: PublicKey,
    /// For which item.
    pub item: ContentId,
    /// What is released is sealed to this.
    pub key: HybridPublic,
    /// Why, in words.
    pub why: String,
    /// When, by the member's clock.
    pub time: Wall,
}

/// What a member last said about serving, with its place in the member's chain.
#[derive(Clone, Debug)]
struct Word {
    at: (u64, ContentId),
    key: Option<HybridPublic>,
}

/// What a node knows of Sublime.
#[derive(Clone, Debug, Default)]
pub struct Known {
    guardians: BTreeMap<PublicKey, Word>,
    items: BTreeMap<ContentId, Item>,
    requests: BTreeMap<ContentId, Request>,
    hours: BTreeMap<u64, u32>,
}

impl Known {
    /// Tells whether one more manifest dated so is kept, and counts it.
    pub fn is_kept(&mut self, dated: Wall) -> bool {
        let count = self.hours.entry(dated.0 / HOUR.0).or_default();
        let is_kept = *count < MANIFESTS_AN_HOUR_MAX;
        *count += u32::from(is_kept);
        is_kept
    }

    /// Takes a member's word about serving.
    pub fn hear_guardian(&mut self, record: &Record, word: &GuardianWord) {
        let at = (record.header().seq, record.id());
        let known = self.guardians.get(&record.author());
        if known.is_some_and(|known| known.at >= at) {
            return;
        }
        let key = word.key.clone();
        self.guardians.insert(record.author(), Word { at, key });
        // Those with the lowest keys stay, so that all nodes remember the same.
        while self.guardians.len() > GUARDIANS_KNOWN_MAX {
            self.guardians.pop_last();
        }
    }

    /// Returns the members who serve, with their keys, in order.
    pub fn serving(&self) -> impl Iterator<Item = (&PublicKey, &HybridPublic)> {
        let words = self.guardians.iter();
        words.filter_map(|(member, word)| Some((member, word.key.as_ref()?)))
    }

    /// Returns the key that shares for a member are sealed to, if it serves.
    pub fn guardian(&self, member: &PublicKey) -> Option<&HybridPublic> {
        self.guardians.get(member)?.key.as_ref()
    }

    /// Takes an item.
    pub fn hear_manifest(&mut self, record: &Record, manifest: &Manifest) {
        let item = Item {
            key: record.author(),
            sharing: manifest.sharing.id(),
            access: manifest.sharing.access(),
            content: manifest.content,
            chunks: manifest.chunks,
            time: record.header().time,
        };
        self.items.insert(record.id(), item);
    }

    /// Lets go of the oldest items beyond the bound, of those last that `is_held` names.
    pub fn trim(&mut self, is_held: impl Fn(&PublicKey) -> bool) {
        while self.items.len() > ITEMS_KNOWN_MAX {
            let items = self.items.iter();
            let least = items.min_by_key(|(id, item)| (is_held(&item.key), item.time, **id));
            let Some(least) = least.map(|(id, _)| *id) else {
                return;
            };
            self.items.remove(&least);
        }
    }

    /// Finds an item.
    pub fn item(&self, id: &ContentId) -> Option<&Item> {
        self.items.get(id)
    }

    /// Tells whether an item with this key is known.
    pub fn has_key(&self, key: &PublicKey) -> bool {
        self.items.values().any(|item| item.key == *key)
    }

    /// Iterates over the items, by name.
    pub fn items(&self) -> impl Iterator<Item = (&ContentId, &Item)> {
        self.items.iter()
    }

    /// Takes a request.
    pub fn hear_request(&mut self, record: &Record, request: &AccessRequest) {
        let by = record.author();
        let request = Request {
            by,
            item: request.item,
            key: request.key.clone(),
            why: request.why.to_string(),
            time: record.header().time,
        };
        self.requests.insert(record.id(), request);
        let of_member = self.requests.values().filter(|known| known.by == by);
        if of_member.count() > REQUESTS_PER_MEMBER_MAX {
            self.drop_oldest_request(|known| known.by == by);
        }
        if self.requests.len() > REQUESTS_KNOWN_MAX {
            self.drop_oldest_request(|_| true);
        }
    }

    fn drop_oldest_request(&mut self, among: impl Fn(&Request) -> bool) {
        let requests = self.requests.iter().filter(|(_, known)| among(known));
        let oldest = requests.min_by_key(|(id, known)| (known.time, **id));
        if let Some(oldest) = oldest.map(|(id, _)| *id) {
            self.requests.remove(&oldest);
        }
    }

    /// Finds a request.
    pub fn request(&self, id: &ContentId) -> Option<&Request> {
        self.requests.get(id)
    }

    /// Iterates over the requests, by name.
    pub fn requests(&self) -> impl Iterator<Item = (&ContentId, &Request)> {
        self.requests.iter()
    }
}
