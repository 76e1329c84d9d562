//! The index of known records: by id for deduplication, by place for the authors' chains.
//!
//! Two different records at one place of an author's chain are a *fork*: proof that the author, or
//! somebody with its key, signed both. Both stay; what a fork means is decided elsewhere, except
//! that a signed merge by the author mends it.
//!
//! What is kept of a record is shared with the record, so that the peers of a simulation keep it once.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{ContentId, PublicKey};

use super::reconcile::Item;
use crate::wire::{Kind, Merge, Part, Place, Record};

/// A record known, in order of id.
#[derive(Clone, Debug)]
struct ById(Arc<Place>);

/// The first record known at a place, in order of author and place.
#[derive(Clone, Debug)]
struct ByPlace(Arc<Place>);

/// Orders by the part by which it is looked up, as `Borrow` asks.
macro_rules! ordered_by {
    ($name:ident, $field:ident: $key:ty) => {
        impl Borrow<$key> for $name {
            fn borrow(&self) -> &$key {
                &self.0.$field
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.$field.cmp(&other.0.$field)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.$field == other.0.$field
            }
        }

        impl Eq for $name {}
    };
}

ordered_by!(ById, id: ContentId);
ordered_by!(ByPlace, at: (PublicKey, u64));

/// Where a record came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// At a place of its own.
    Alone,
    /// At a place where another record stands.
    Fork,
}

/// The records known to a peer.
#[derive(Clone, Debug, Default)]
pub struct Index {
    by_id: BTreeSet<ById>,
    by_place: BTreeSet<ByPlace>,
    forks: BTreeMap<(PublicKey, u64), BTreeSet<ContentId>>,
    merges: BTreeMap<PublicKey, Vec<BTreeSet<ContentId>>>,
    /// Records that are known here and that nobody else is to be told of yet.
    withheld: BTreeSet<ContentId>,
}

impl Index {
    /// Tells whether the record is known.
    pub fn contains(&self, id: &ContentId) -> bool {
        self.by_id.contains(id)
    }

    /// Counts the records.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Tells whether no record is known.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes a record in; one that is known stays where it is.
    pub fn insert(&mut self, record: &Record) -> Placed {
        let place = record.place();
        self.by_id.insert(ById(place.clone()));
        let first = match self.by_place.get(&place.at) {
            Some(first) => first.0.id,
            None => {
                self.by_place.insert(ByPlace(place.clone()));
                return Placed::Alone;
            }
        };
        if first == place.id {
            return Placed::Alone;
        }
        let fork = self.forks.entry(place.at).or_default();
        fork.extend([first, place.id]);
        self.forget_mended(place.at.0);
        Placed::Fork
    }

    /// Keeps a record out of reconciliations until it is shown.
    pub fn withhold(&mut self, id: ContentId) {
        self.withheld.insert(id);
    }

    /// Withholds a record no longer.
    pub fn show(&mut self, id: &ContentId) {
        self.withheld.remove(id);
    }

    /// Takes note that the author has merged its forks at these records, known here or yet to come.
    pub fn mend(&mut self, author: PublicKey, merge: &Merge) {
        let heads = merge.heads.iter().copied().collect();
        self.merges.entry(author).or_default().push(heads);
        self.forget_mended(author);
    }

    /// Drops the forks whose every head stands in one merge of the author.
    fn forget_mended(&mut self, author: PublicKey) {
        let Some(merges) = self.merges.get(&author) else {
            return;
        };
        self.forks.retain(|(forked, _), heads| {
            *forked != author || !merges.iter().any(|merged| heads.is_subset(merged))
        });
    }

    /// Returns the newest record of an author: its place and its id.
    pub fn head(&self, author: &PublicKey) -> Option<(u64, ContentId)> {
        let chain = (*author, 0)..=(*author, u64::MAX);
        let last = self.by_place.range(chain).next_back()?;
        Some((last.0.at.1, last.0.id))
    }

    /// Tells whether the record stands at the beginning of the author's chain.
    pub fn begins_with(&self, author: &PublicKey, id: &ContentId) -> bool {
        let first = self.by_place.range((*author, 0)..=(*author, 0)).next();
        first.is_some_and(|first| first.0.id == *id)
    }

    /// Returns the records at the author's unmended forks, in order, at most `max`.
    pub fn unmended(&self, author: &PublicKey, max: usize) -> Vec<ContentId> {
        let forks = self.forks.range((*author, 0)..=(*author, u64::MAX));
        let mut heads: Vec<_> = forks.flat_map(|(_, heads)| heads).copied().collect();
        heads.sort_unstable();
        heads.dedup();
        heads.truncate(max);
        heads
    }

    /// Tells whether the author has a fork in which an act is involved: it is suspended.
    pub fn is_suspended(&self, author: &PublicKey) -> bool {
        let mut forks = self.forks.range((*author, 0)..=(*author, u64::MAX));
        forks.any(|(_, heads)| heads.iter().any(|id| self.kind(id) == Some(Kind::ACT)))
    }

    /// Tells whether the record stands at a forked place.
    pub fn is_forked(&self, record: &Record) -> bool {
        self.forks
            .contains_key(&(record.author(), record.header().seq))
    }

    /// Lists what is known of an author's records before a place in its chain, those at its forks too.
    pub fn before(&self, author: &PublicKey, seq: u64) -> Vec<Arc<Place>> {
        let chain = (*author, 0)..(*author, seq);
        let firsts = self.by_place.range(chain.clone());
        let firsts = firsts.map(|first| first.0.clone());
        let forked = self.forks.range(chain).flat_map(|(_, heads)| heads);
        let merged = self.merges.get(author).into_iter().flatten().flatten();
        let others = forked
            .chain(merged)
            .filter_map(|id| self.place(id).cloned());
        let others = others.filter(|place| place.at.0 == *author && place.at.1 < seq);
        let mut places: Vec<_> = firsts.chain(others).collect();
        places.sort_unstable_by_key(|place| (place.at.1, place.id));
        places.dedup_by_key(|place| place.id);
        places
    }

    /// Returns what is known of a record.
    pub fn place(&self, id: &ContentId) -> Option<&Arc<Place>> {
        self.by_id.get(id).map(|known| &known.0)
    }

    /// Iterates over one part of the records as items of a reconciliation, but for what is withheld.
    pub fn items(&self, part: Part) -> impl Iterator<Item = Item> + '_ {
        let all = self.by_id.iter().map(|known| &known.0);
        let shown = all.filter(|place| !self.withheld.contains(&place.id));
        let inside = shown.filter(move |place| Part::of(place.kind) == part);
        inside.map(|place| Item {
            time: place.time.0,
            id: *place.id.digest(),
        })
    }

    fn kind(&self, id: &ContentId) -> Option<Kind> {
        self.place(id).map(|place| place.kind)
    }
}
