//! Which bodies their authors have had erased, and who has shown that it complied.
//!
//! An erasure is known like any record and never forgotten: whoever gets a body later that it covers keeps the husk
//! only. What it covers follows from the two records' headers alone (see [`Erasure::covers`]), so that all nodes agree.
//!
//! The author asks its links for *receipts*: pages of their audit logs that show the erasure, with proof up to a signed
//! head. A receipt says that the signer's store holds the bodies no more. It cannot say what somebody copied before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::audit::What;
use crate::{
    core::{
        limits::{ERASURES_WATCHED_MAX, RECEIPTS_KEPT_MAX},
        time::{Millis, Mono, Wall},
    },
    wire::{AuditShown, Body, DecodeError, Erasure, Place, Record, ShownFault},
};

/// Time from an own erasure to the first question after receipts: others have it on disk by then.
const FIRST_ASK: Millis = Millis::from_secs(3);
/// Longest time between two questions.
const ASK_AGAIN_MAX: Millis = Millis::from_mins(10);

/// The erasures known.
#[derive(Clone, Debug, Default)]
pub struct Erasures {
    by_author: BTreeMap<PublicKey, OfAuthor>,
}

/// What one author has had erased. Of several erasures about one record the last in the chain counts: an act that was too
/// young for the first is covered by the next.
#[derive(Clone, Debug, Default)]
struct OfAuthor {
    known: BTreeMap<(u64, ContentId), (Arc<Place>, Erasure)>,
    named: BTreeMap<ContentId, (u64, ContentId)>,
    all: Option<(u64, ContentId)>,
}

impl Erasures {
    /// Takes note of what a record has erased, if it is about that.
    pub fn learn(&mut self, record: &Record) {
        let Body::Erasure(erasure) = record.body() else {
            return;
        };
        let of_author = self.by_author.entry(record.author()).or_default();
        let at = (record.header().seq, record.id());
        match erasure {
            Erasure::All => of_author.all = of_author.all.max(Some(at)),
            Erasure::Records(ids) => {
                for id in ids {
                    let last = of_author.named.entry(*id).or_insert(at);
                    *last = at.max(*last);
                }
            }
        }
        let known = (record.place().clone(), erasure.clone());
        of_author.known.insert(at, known);
    }

    /// Returns the record that has the one at `place` erased, if any does.
    pub fn covering(&self, place: &Place) -> Option<ContentId> {
        let of_author = self.by_author.get(&place.at.0)?;
        let named = of_author.named.get(&place.id).copied();
        let mut may_cover = named.into_iter().chain(of_author.all);
        may_cover.find_map(|at| {
            let (by, erasure) = of_author.known.get(&at)?;
            erasure.covers(by, place).then_some(by.id)
        })
    }

    /// Tells whether the record is an erasure that is known.
    pub fn contains(&self, place: &Place) -> bool {
        let of_author = self.by_author.get(&place.at.0);
        of_author.is_some_and(|it| it.known.contains_key(&(place.at.1, place.id)))
    }

    /// Lists an author's erasures, in the order of its chain.
    pub fn of(
        &self,
        author: &PublicKey,
    ) -> impl DoubleEndedIterator<Item = (&Place, &Erasure)> + use<'_> {
        let of_author = self.by_author.get(author).into_iter();
        let known = of_author.flat_map(|it| it.known.values());
        known.map(|(place, erasure)| (&**place, erasure))
    }
}

/// One node's proof that it complied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureReceipt {
    /// The erasure's record.
    pub erasure: ContentId,
    /// What the node's audit log shows of it.
    pub shown: AuditShown,
}

/// Why what a node shows is no receipt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoReceipt {
    /// The bytes are none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What is shown does not hold.
    #[error(transparent)]
    Shown(#[from] ShownFault),
    /// It shows nothing of the erasure.
    #[error("it shows nothing of the erasure")]
    Nothing,
}

impl ErasureReceipt {
    /// Encodes what was shown.
    pub fn encode(&self) -> Vec<u8> {
        self.shown.encode()
    }

    /// Reads what was shown about an erasure, with every signature and proof checked; only whether the log went on from an
    /// earlier head is left open.
    ///
    /// # Errors
    ///
    /// Returns why it is no receipt.
    pub fn decode(erasure: ContentId, bytes: &[u8]) -> Result<Self, NoReceipt> {
        let shown = AuditShown::decode(bytes)?;
        let author = shown.head.author;
        shown.verify(&author, &BTreeSet::from([erasure]), None)?;
        let receipt = Self { erasure, shown };
        match receipt.complied() {
            Some(_) => Ok(receipt),
            None => Err(NoReceipt::Nothing),
        }
    }

    /// Returns who complied, when by its clock, and how many bodies it held until then.
    pub fn complied(&self) -> Option<(PublicKey, Wall, u32)> {
        let author = self.shown.head.author;
        self.shown.entries.iter().find_map(|shown| {
            let What::Erased {
                erasure, records, ..
            } = &shown.entry.what
            else {
                return None;
            };
            (*erasure == self.erasure).then_some((author, shown.entry.time, *records))
        })
    }
}

/// The receipts for own erasures, and when to ask for more.
#[derive(Clone, Debug, Default)]
pub struct Receipts {
    kept: BTreeMap<ContentId, BTreeMap<PublicKey, ErasureReceipt>>,
    ask_at: Option<Mono>,
    wait: Millis,
}

impl Receipts {
    /// Takes receipts up that were kept.
    pub fn restore(kept: Vec<ErasureReceipt>) -> Self {
        let mut receipts = Self::default();
        for receipt in kept {
            receipts.keep(receipt);
        }
        receipts
    }

    /// Keeps a checked receipt; `false` if it shows no erasure, is known, or there are enough.
    pub fn keep(&mut self, receipt: ErasureReceipt) -> bool {
        let Some((node, _, _)) = receipt.complied() else {
            return false;
        };
        let of_erasure = self.kept.entry(receipt.erasure).or_default();
        if of_erasure.len() >= RECEIPTS_KEPT_MAX || of_erasure.contains_key(&node) {
            return false;
        }
        of_erasure.insert(node, receipt);
        true
    }

    /// Lists the receipts for an erasure.
    pub fn of<'a>(
        &'a self,
        erasure: &ContentId,
    ) -> impl Iterator<Item = &'a ErasureReceipt> + use<'a> {
        self.kept
            .get(erasure)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Has links asked soon: there is a new erasure, or a new link.
    pub fn hurry(&mut self, now: Mono) {
        self.wait = FIRST_ASK;
        let soon = now + FIRST_ASK;
        self.ask_at = Some(self.ask_at.map_or(soon, |at| at.min(soon)));
    }

    /// Returns when to ask.
    pub const fn due(&self) -> Option<Mono> {
        self.ask_at
    }

    /// Lists whom to ask about which erasure, of those linked, and sets the next time; none if that has not come yet.
    pub fn to_ask(
        &mut self,
        now: Mono,
        own: &[ContentId],
        links: &[PublicKey],
    ) -> Vec<(PublicKey, ContentId)> {
        if self.ask_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let newest = own.iter().rev().take(ERASURES_WATCHED_MAX);
        let mut asks = Vec::new();
        for erasure in newest {
            let of_erasure = self.kept.get(erasure);
            let has = |node: &PublicKey| of_erasure.is_some_and(|kept| kept.contains_key(node));
            let is_full = of_erasure.is_some_and(|kept| kept.len() >= RECEIPTS_KEPT_MAX);
            let lacking = links.iter().filter(|node| !is_full && !has(node));
            asks.extend(lacking.map(|node| (*node, *erasure)));
        }
        self.ask_at = (!asks.is_empty()).then_some(now + self.wait);
        self.wait = Millis((self.wait.0 * 2).min(ASK_AGAIN_MAX.0));
        asks
    }
}
