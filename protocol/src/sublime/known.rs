//! What a node knows of Sublime: who serves as a guardian, which items there are, who asks for one.
//!
//! All of it follows from the set of records known, whatever order they came in, up to the bounds.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, OnionAddress, PublicKey, sublime::HybridPublic};

use crate::{
    core::{
        limits::{
            ATTESTATIONS_KNOWN_MAX, ATTESTATIONS_PER_MEMBER_MAX, CALL_LIFE, CALLS_KNOWN_MAX,
            CALLS_OF_ITEM_MAX, FORGOTTEN_KNOWN_MAX, GUARDIANS_KNOWN_MAX, ITEMS_KNOWN_MAX,
            MANIFESTS_AN_HOUR_MAX, ONIONS_KNOWN_MAX, REQUESTS_KNOWN_MAX, REQUESTS_PER_MEMBER_MAX,
            STRANGE_CALLS_AN_HOUR_MAX,
        },
        time::{Millis, Wall},
    },
    wire::{
        AccessRequest, Attestation, CardRevoked, CardTerms, Certificate, Drilled, EmergencyCall,
        GuardianWord, Manifest, OnionWord, Record, RotationNotice, RotationShared, RotationStated,
        Sharing, TrusteeSalt, TrusteeTerms, TrusteesRevoked,
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
    /// Its recovery card, if it has one.
    pub card: Option<Box<CardTerms>>,
    /// Its trustees, if it has some.
    pub trustees: Option<Box<TrusteeTerms>>,
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
    /// The certificate of the latter.
    certificate: Option<Box<Certificate>>,
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
    /// Whether the item's trustees decide, and no vote does.
    pub by_trustees: bool,
}

/// What a member said of a request to recover an item; it is a trustee's word only if the salt shows so.
#[derive(Clone, Copy, Debug)]
struct Attested {
    is_owner: bool,
    time: Wall,
}

/// Who said something of a request, and by which salt.
type By = (PublicKey, TrusteeSalt);

/// What an item's trustees have said of a request.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The item's terms.
    pub terms: &'a TrusteeTerms,
    /// Who has said that it comes from the owner, and nothing else.
    pub yes: BTreeSet<PublicKey>,
    /// Who has said that it does not.
    pub no: BTreeSet<PublicKey>,
}

/// A call for an item in an emergency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The item.
    pub item: ContentId,
    /// The card that has signed it.
    pub card: PublicKey,
    /// The key that has signed the record, made for this call.
    pub author: PublicKey,
    /// What is released is sealed to this.
    pub key: HybridPublic,
    /// Why, sealed to each juror in order.
    pub reasons: Vec<ByteBuf>,
    /// When, by the device's clock.
    pub time: Wall,
}

/// What a member last said about where its node is reached over Tor, with its place in the member's chain.
#[derive(Clone, Copy, Debug)]
struct Onion {
    at: (u64, ContentId),
    address: Option<OnionAddress>,
}

/// What a member last said about serving, with its place in the member's chain.
#[derive(Clone, Debug)]
struct Word {
    at: (u64, ContentId),
    key: Option<HybridPublic>,
}

/// What a member last said of a drill of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastDrill {
    /// The record's place in the member's chain.
    at: (u64, ContentId),
    /// When, by the member's clock.
    pub time: Wall,
    /// What it said.
    pub said: Drilled,
}

/// What a node knows of Sublime.
#[derive(Clone, Debug, Default)]
pub struct Known {
    guardians: BTreeMap<PublicKey, Word>,
    drills: BTreeMap<PublicKey, LastDrill>,
    items: BTreeMap<ContentId, Item>,
    keys: BTreeMap<PublicKey, ContentId>,
    requests: BTreeMap<ContentId, Request>,
    rotated: BTreeMap<PublicKey, Rotated>,
    /// Items that are to be forgotten, and who says so.
    forgotten: BTreeMap<PublicKey, PublicKey>,
    hours: BTreeMap<u64, u32>,
    calls: BTreeMap<ContentId, Call>,
    /// Calls by hour for items that were not known here.
    strange: BTreeMap<u64, u32>,
    /// Items whose card counts no longer.
    revoked: BTreeSet<PublicKey>,
    onions: BTreeMap<PublicKey, Onion>,
    /// By request.
    attestations: BTreeMap<ContentId, BTreeMap<By, Attested>>,
    /// Items whose trustees count no longer.
    untrusted: BTreeSet<PublicKey>,
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

    /// Takes a member's word that its node has tried what it keeps; the one furthest on in its chain counts.
    pub fn hear_drill(&mut self, record: &Record, said: Drilled) {
        let at = (record.header().seq, record.id());
        let known = self.drills.get(&record.author());
        if known.is_some_and(|known| known.at >= at) {
            return;
        }
        let time = record.header().time;
        self.drills
            .insert(record.author(), LastDrill { at, time, said });
        while self.drills.len() > GUARDIANS_KNOWN_MAX {
            self.drills.pop_last();
        }
    }

    /// Returns what a member last said of a drill.
    pub fn drill(&self, member: &PublicKey) -> Option<&LastDrill> {
        self.drills.get(member)
    }

    /// Tells whether a word about a drill is told on another day than the newest known of its author, and on a later one if it
    /// stands further on in the chain; `day` finds the day of a date.
    pub fn is_of_another_day(&self, record: &Record, day: impl Fn(Wall) -> u64) -> bool {
        let Some(known) = self.drills.get(&record.author()) else {
            return true;
        };
        let at = (record.header().seq, record.id());
        let (said, newest) = (day(record.header().time), day(known.time));
        match at.cmp(&known.at) {
            Ordering::Less => said < newest,
            Ordering::Equal => true,
            Ordering::Greater => said > newest,
        }
    }

    /// Takes an item.
    pub fn hear_manifest(&mut self, record: &Record, manifest: &Manifest) {
        let item = Item {
            key: record.author(),
            first: manifest.sharing.clone(),
            content: manifest.content,
            chunks: manifest.chunks,
            time: record.header().time,
            card: manifest.card.clone(),
            trustees: manifest.trustees.clone(),
        };
        self.keys.insert(item.key, record.id());
        self.items.insert(record.id(), item);
    }

    /// Takes what the committee has certified of a rotation; tells whether it is news. Of two about the same epoch the later
    /// height counts.
    pub fn hear_rotation(&mut self, stated: &RotationStated, notice: &RotationNotice) -> bool {
        let rotated = self.rotated.entry(stated.item).or_default();
        let place = |stated: &RotationStated| (stated.epoch, stated.height);
        let newest = rotated.shared.as_ref().map(|(known, _)| place(known));
        match &notice.shared {
            Some(shared) => {
                let is_news = newest < Some(place(stated));
                if is_news {
                    rotated.shared = Some((*stated, shared.clone()));
                    rotated.certificate = Some(Box::new(notice.certificate));
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

    /// Returns the notice of the newest rotation of an item that has come to its end.
    pub fn shared_notice(&self, key: &PublicKey) -> Option<RotationNotice> {
        let rotated = self.rotated.get(key)?;
        Some(RotationNotice {
            certificate: **rotated.certificate.as_ref()?,
            shared: rotated.shared.as_ref().map(|(_, shared)| shared.clone()),
        })
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

    /// Tells whether one more call is kept, and counts it. Calls signed by the card of an item that is known are bounded by
    /// item and day, so that nobody without a card crowds them out; all others by hour.
    pub fn is_call_kept(&mut self, call: &EmergencyCall, dated: Wall) -> bool {
        let is_of_card = |item: &Item| item.card.as_ref().is_some_and(|c| c.key == call.card);
        if self.items.get(&call.item).is_some_and(is_of_card) {
            let same = self.calls.values().filter(|known| {
                known.item == call.item
                    && known.card == call.card
                    && known.time.0.abs_diff(dated.0) < CALL_LIFE.0
            });
            return same.count() < CALLS_OF_ITEM_MAX;
        }
        let count = self.strange.entry(dated.0 / HOUR.0).or_default();
        let is_kept = *count < STRANGE_CALLS_AN_HOUR_MAX;
        *count += u32::from(is_kept);
        is_kept
    }

    /// Takes a call.
    pub fn hear_call(&mut self, record: &Record, call: &EmergencyCall) {
        let known = Call {
            item: call.item,
            card: call.card,
            author: record.author(),
            key: call.key.clone(),
            reasons: call.reasons.clone(),
            time: record.header().time,
        };
        self.calls.insert(record.id(), known);
        if self.calls.len() > CALLS_KNOWN_MAX {
            let calls = self.calls.iter();
            let least =
                calls.min_by_key(|(id, call)| (self.card_of(call).is_some(), call.time, **id));
            if let Some(least) = least.map(|(id, _)| *id) {
                self.calls.remove(&least);
            }
        }
    }

    /// Returns the terms of the card that has signed a call; none if it is not the card of the item.
    pub fn card_of(&self, call: &Call) -> Option<&CardTerms> {
        let card = self.items.get(&call.item)?.card.as_deref()?;
        (card.key == call.card).then_some(card)
    }

    /// Finds a call that the card of its item has signed.
    pub fn call(&self, id: &ContentId) -> Option<&Call> {
        let call = self.calls.get(id)?;
        self.card_of(call).map(|_| call)
    }

    /// Iterates over the calls that the cards of their items have signed, by name.
    pub fn calls(&self) -> impl Iterator<Item = (&ContentId, &Call)> {
        let calls = self.calls.iter();
        calls.filter(|(_, call)| self.card_of(call).is_some())
    }

    /// Takes the word of an item's key that its card counts no longer. Of those beyond the bound the ones with the lowest keys
    /// stay, and those of items that are known.
    pub fn hear_revoked(&mut self, word: &CardRevoked) {
        self.revoked.insert(word.item);
        bound_revoked(&mut self.revoked, &self.keys);
    }

    /// Tells whether the card of an item was revoked.
    pub fn is_revoked(&self, item: &PublicKey) -> bool {
        self.revoked.contains(item)
    }

    /// Takes a member's word about where its node is reached over Tor.
    pub fn hear_onion(&mut self, record: &Record, word: OnionWord) {
        let at = (record.header().seq, record.id());
        let known = self.onions.get(&record.author());
        if known.is_some_and(|known| known.at >= at) {
            return;
        }
        let address = word.address;
        self.onions.insert(record.author(), Onion { at, address });
        while self.onions.len() > ONIONS_KNOWN_MAX {
            self.onions.pop_last();
        }
    }

    /// Returns where members' nodes are reached over Tor, in order of member.
    pub fn onions(&self) -> impl Iterator<Item = (&PublicKey, &OnionAddress)> {
        let words = self.onions.iter();
        words.filter_map(|(member, word)| Some((member, word.address.as_ref()?)))
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
            by_trustees: request.by_trustees,
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

    /// Takes a member's word about a request to recover an item. Who has said no has said no, whatever else it says: so it
    /// does not matter what came first.
    pub fn hear_attestation(&mut self, mesh: &ContentId, record: &Record, said: &Attestation) {
        let (by, time) = (record.author(), record.header().time);
        let of_request = self.attestations.entry(said.request).or_default();
        let known = of_request.entry((by, said.salt)).or_insert(Attested {
            is_owner: said.is_owner,
            time,
        });
        known.is_owner &= said.is_owner;
        known.time = known.time.min(time);
        let places = self.attestation_places();
        let of_member = places.filter(|(_, (author, _))| *author == by);
        if of_member.count() > ATTESTATIONS_PER_MEMBER_MAX {
            self.drop_attestation(|(_, (author, _))| *author == by);
        }
        if self.attestation_places().count() > ATTESTATIONS_KNOWN_MAX {
            let idle = self.attestation_places();
            let idle = idle.filter(|(request, by)| !self.is_of_trustee(mesh, request, by));
            let idle: BTreeSet<_> = idle.collect();
            self.drop_attestation(|place| idle.is_empty() || idle.contains(place));
        }
    }

    fn attestation_places(&self) -> impl Iterator<Item = (ContentId, By)> {
        let requests = self.attestations.iter();
        requests.flat_map(|(request, said)| said.keys().map(|by| (*request, *by)))
    }

    fn drop_attestation(&mut self, among: impl Fn(&(ContentId, By)) -> bool) {
        let known = self.attestation_places().filter(among);
        let time = |(request, by): &(ContentId, By)| self.attestations[request][by].time;
        let oldest = known.min_by_key(|place| (time(place), *place));
        let Some((request, by)) = oldest else {
            return;
        };
        if let Some(said) = self.attestations.get_mut(&request) {
            said.remove(&by);
            if said.is_empty() {
                self.attestations.remove(&request);
            }
        }
    }

    fn is_of_trustee(&self, mesh: &ContentId, request: &ContentId, (author, salt): &By) -> bool {
        let request = self.requests.get(request);
        let item = request.and_then(|request| self.items.get(&request.item));
        item.is_some_and(|item| {
            let terms = item.trustees.as_ref();
            terms.is_some_and(|terms| terms.names((mesh, &item.key), author, salt))
        })
    }

    /// Returns what an item's trustees have said of a request; none if it is not for them to decide, or the item has none.
    /// Whoever makes a request says nothing of it.
    pub fn said_of(&self, mesh: &ContentId, id: &ContentId) -> Option<Said<'_>> {
        let request = self.requests.get(id).filter(|known| known.by_trustees)?;
        let terms = self.items.get(&request.item)?.trustees.as_deref()?;
        let (mut yes, mut no) = (BTreeSet::new(), BTreeSet::new());
        for (by, said) in self.attestations.get(id).into_iter().flatten() {
            if by.0 == request.by || !self.is_of_trustee(mesh, id, by) {
                continue;
            }
            match said.is_owner {
                true => yes.insert(by.0),
                false => no.insert(by.0),
            };
        }
        yes.retain(|member| !no.contains(member));
        Some(Said { terms, yes, no })
    }

    /// Takes the word of an item's key that its trustees count no longer. Of those beyond the bound the ones with the lowest
    /// keys stay, and those of items that are known.
    pub fn hear_untrusted(&mut self, word: &TrusteesRevoked) {
        self.untrusted.insert(word.item);
        bound_revoked(&mut self.untrusted, &self.keys);
    }

    /// Tells whether the trustees of an item were revoked.
    pub fn is_untrusted(&self, item: &PublicKey) -> bool {
        self.untrusted.contains(item)
    }
}

fn bound_revoked(revoked: &mut BTreeSet<PublicKey>, known: &BTreeMap<PublicKey, ContentId>) {
    if revoked.len() > FORGOTTEN_KNOWN_MAX {
        let items = revoked.iter();
        let last = items.max_by_key(|item| (!known.contains_key(*item), **item));
        if let Some(last) = last.copied() {
            revoked.remove(&last);
        }
    }
}
