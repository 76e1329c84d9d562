//! What a node knows of Sublime: who serves as a guardian, which items there are, who asks for one.
//!
//! All of it follows from the set of records known, whatever order they came in, up to the bounds.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey, sublime::HybridPublic};

use crate::{
    core::{
        limits::{
            FORGOTTEN_KNOWN_MAX, GUARDIANS_KNOWN_MAX, ITEMS_KNOWN_MAX, MANIFESTS_AN_HOUR_MAX,
            REQUESTS_KNOWN_MAX, REQUESTS_PER_MEMBER_MAX,
        },
        time::{Millis, Wall},
    },
    wire::{
        AccessRequest, GuardianWord, Manifest, Record, RotationShared, RotationStated, Sharing,
    },
};

const HOUR: Millis = Millis::from_mins(60);

/// An item, as far as releases and views need it; the manifest itself is a record on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: PublicKey,
    /// How its first part was shared first.
    pub first: Sharing,
    /// The root of its encrypted content.
    pub content: ContentId,
    /// Chunks under it.
    pub chunks: u64,
    /// When it was put, by its author's clock.
    pub time: Wall,
}

/// How an item is shared now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce<'a> {
    /// The sharing.
    pub sharing: &'a Sharing,
    /// The plan by which it came to be; none for the first.
    pub plan: Option<ContentId>,
    /// Mesh time of that; of the first the date of the manifest, by its author's clock.
    pub since: Wall,
}

/// What is known of the rotations of an item: the newest that is open, and the newest that has come to its end.
#[derive(Clone, Debug, Default)]
struct Rotated {
    open: Option<RotationStated>,
    shared: Option<(RotationStated, RotationShared)>,
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
    keys: BTreeMap<PublicKey, ContentId>,
    requests: BTreeMap<ContentId, Request>,
    rotated: BTreeMap<PublicKey, Rotated>,
    /// Items that are to be forgotten, and who says so.
    forgotten: BTreeMap<PublicKey, PublicKey>,
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
            first: manifest.sharing.clone(),
            content: manifest.content,
            chunks: manifest.chunks,
            time: record.header().time,
        };
        self.keys.insert(item.key, record.id());
        self.items.insert(record.id(), item);
    }

    /// Takes what the committee has certified of a rotation; tells whether it is news. Of two about the same epoch the later
    /// height counts.
    pub fn hear_rotation(
        &mut self,
        stated: &RotationStated,
        shared: Option<&RotationShared>,
    ) -> bool {
        let rotated = self.rotated.entry(stated.item).or_default();
        let place = |stated: &RotationStated| (stated.epoch, stated.height);
        let newest = rotated.shared.as_ref().map(|(known, _)| place(known));
        match shared {
            Some(shared) => {
                let is_news = newest < Some(place(stated));
                if is_news {
                    rotated.shared = Some((*stated, shared.clone()));
                }
                is_news
            }
            None => {
                let is_news = rotated.open.as_ref().map(place) < Some(place(stated));
                if is_news {
                    rotated.open = Some(*stated);
                }
                is_news
            }
        }
    }

    /// Tells whether a rotation is known, or one that counts in its place.
    pub fn knows_rotation(&self, stated: &RotationStated) -> bool {
        let place = |stated: &RotationStated| (stated.epoch, stated.height);
        let rotated = self.rotated.get(&stated.item);
        let known = rotated.and_then(|rotated| match stated.shared {
            Some(_) => rotated.shared.as_ref().map(|(known, _)| known),
            None => rotated.open.as_ref(),
        });
        known.is_some_and(|known| place(known) >= place(stated))
    }

    /// Returns the rotation of an item that is open, as far as is known here.
    pub fn rotation(&self, key: &PublicKey) -> Option<&RotationStated> {
        let rotated = self.rotated.get(key)?;
        let epoch = rotated.shared.as_ref().map(|(stated, _)| stated.epoch);
        rotated
            .open
            .as_ref()
            .filter(|open| Some(open.epoch) > epoch)
    }

    /// Takes a word to forget an item; the first counts. Of those beyond the bound the ones with the lowest keys stay.
    pub fn hear_forget(&mut self, item: PublicKey, by: PublicKey) {
        self.forgotten.entry(item).or_insert(by);
        while self.forgotten.len() > FORGOTTEN_KNOWN_MAX {
            self.forgotten.pop_last();
        }
    }

    /// Returns who has had an item forgotten, if somebody has.
    pub fn forgotten(&self, item: &PublicKey) -> Option<&PublicKey> {
        self.forgotten.get(item)
    }

    /// Returns the rotations that are open, as far as is known here.
    pub fn rotations(&self) -> impl Iterator<Item = &RotationStated> {
        self.rotated.keys().filter_map(|item| self.rotation(item))
    }

    /// Returns what the newest rotation of an item has come to.
    pub fn shared(&self, key: &PublicKey) -> Option<&(RotationStated, RotationShared)> {
        self.rotated.get(key)?.shared.as_ref()
    }

    /// Returns how an item is shared now.
    pub fn in_force<'a>(&'a self, item: &'a Item) -> InForce<'a> {
        match self.shared(&item.key) {
            Some((stated, shared)) => InForce {
                sharing: &shared.sharing,
                plan: Some(stated.plan),
                since: stated.time,
            },
            None => InForce {
                sharing: &item.first,
                plan: None,
                since: item.time,
            },
        }
    }

    /// Finds an item by its key.
    pub fn by_key(&self, key: &PublicKey) -> Option<(&ContentId, &Item)> {
        let id = self.keys.get(key)?;
        Some((id, self.items.get(id)?))
    }

    /// Lets go of the oldest items beyond the bound, of those last that `is_held` names; returns their keys.
    pub fn trim(&mut self, is_held: impl Fn(&PublicKey) -> bool) -> Vec<PublicKey> {
        let mut gone = Vec::new();
        while self.items.len() > ITEMS_KNOWN_MAX {
            let items = self.items.iter();
            let least = items.min_by_key(|(id, item)| (is_held(&item.key), item.time, **id));
            let Some(least) = least.map(|(id, _)| *id) else {
                break;
            };
            if let Some(item) = self.items.remove(&least) {
                self.keys.remove(&item.key);
                self.rotated.remove(&item.key);
                gone.push(item.key);
            }
        }
        gone
    }

    /// Finds an item.
    pub fn item(&self, id: &ContentId) -> Option<&Item> {
        self.items.get(id)
    }

    /// Tells whether an item with this key is known.
    pub fn has_key(&self, key: &PublicKey) -> bool {
        self.keys.contains_key(key)
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
