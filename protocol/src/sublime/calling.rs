//! What a device does that calls for an item in an emergency, with nothing but the item's recovery card.
//!
//! The device belongs to no member and knows no record of the mesh. It believes a node as far as what the node says follows
//! from the card: the card names the item, the manifest of that name names the committee's keys, and these certify the jury of
//! the day and how the item is shared now. What cannot be checked so can delay the device, or have it ask elsewhere; it opens
//! nothing.
//!
//! ```text
//! learn     a node's hello, checked                          Learnt
//! call      a record signed by a key made for it             Called
//! gather    shares, each checked, from whichever node        Gathering
//! open      three shares and the card's second part          ItemKeys
//! ```

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, Identity, OnionAddress, PublicKey, seal_for,
    sublime::{HybridSecret, ItemKeys, SecondPart, Share, combine},
};
use zeroize::Zeroizing;

use super::opening::good_share;
use crate::{
    core::time::Wall,
    wire::{
        Body, Certificate, CommitteeKeys, Draft, EmergencyCall, HelloShown, JuryShown, Manifest,
        Reason, Record, Release, ReleasedPart, RotationNotice, Sharing, Statement, SublimeBody,
        call_reason_info, certified, decode_record, jury_electorate, keys_name, release_info,
        write_reason,
    },
};

/// What a card says of the item that it is for.
#[derive(Clone, Copy, Debug)]
pub struct OnCard<'a> {
    /// The mesh.
    pub mesh: &'a ContentId,
    /// The item, by the name of its manifest.
    pub item: &'a ContentId,
    /// The key that the card signs with.
    pub card: &'a PublicKey,
}

/// What a node has said, as far as it follows from the card.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The item's manifest.
    pub manifest: Manifest,
    /// The item's key.
    pub key: PublicKey,
    /// How the item is shared now.
    pub sharing: Sharing,
    /// Whether the node's committee is the one that the card's item was put under. Members who seat a new committee for a
    /// lost one change that; so does a node that lies.
    pub is_known_committee: bool,
    /// The jury of the day, if one serves.
    pub jury: Option<Vec<PublicKey>>,
    /// Mesh time, as the node says.
    pub time: Wall,
    /// Where other nodes are reached, as the node says.
    pub onions: Vec<OnionAddress>,
}

/// Why a node's hello is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// What it gave is not the item's manifest.
    #[error("the node gave something else than the item's manifest: {0}")]
    Manifest(String),
    /// The item has another card.
    #[error(
        "the words are not those of this item's card: look whether words and card belong together, and whether each word is right"
    )]
    OtherCard,
    /// What it says of a rotation is not certified.
    #[error("the node says something of the item's guardians that the committee has not certified")]
    Rotation,
    /// What it says of a jury is not certified.
    #[error("the node names a jury that the committee has not drawn")]
    Jury,
}

/// Checks what a node says at first.
///
/// # Errors
///
/// Returns what does not follow from the card.
pub fn learn(on_card: OnCard<'_>, hello: HelloShown) -> Result<Learnt, NotBelieved> {
    let HelloShown {
        manifest,
        rotation,
        committee,
        jury,
        time,
        onions,
    } = hello;
    let (key, manifest) = read_manifest(on_card, &manifest)?;
    let terms = manifest.card.as_deref();
    let terms = terms.filter(|terms| terms.key == *on_card.card);
    let terms = terms.ok_or(NotBelieved::OtherCard)?;
    let is_known_committee = terms.committee == keys_name(on_card.mesh, &committee);
    let is_certified = |certificate: &Certificate| {
        let epoch = certificate.epoch;
        let keys = CommitteeKeys { epoch, ..committee };
        certified(on_card.mesh, &keys, certificate).is_ok()
    };
    let sharing = match rotation {
        None => manifest.sharing.clone(),
        Some(notice) if is_certified(&notice.certificate) => {
            shared(&key, *notice).ok_or(NotBelieved::Rotation)?
        }
        Some(_) => return Err(NotBelieved::Rotation),
    };
    let jury = match jury {
        None => None,
        Some(shown) if is_certified(&shown.drawn) && is_jury(&shown) => Some(shown.jury),
        Some(_) => return Err(NotBelieved::Jury),
    };
    Ok(Learnt {
        manifest,
        key,
        sharing,
        is_known_committee,
        jury,
        time,
        onions,
    })
}

fn read_manifest(on_card: OnCard<'_>, bytes: &[u8]) -> Result<(PublicKey, Manifest), NotBelieved> {
    let wrong = |why: String| NotBelieved::Manifest(why);
    let record = decode_record(bytes).map_err(|error| wrong(error.to_string()))?;
    let record = record.verify().map_err(|error| wrong(error.to_string()))?;
    let record = record.value();
    if record.id() != *on_card.item || record.header().mesh != Some(*on_card.mesh) {
        return Err(wrong("it is of another item".to_owned()));
    }
    let Body::Sublime(SublimeBody::Manifest(manifest)) = record.body() else {
        return Err(wrong("it is another kind of record".to_owned()));
    };
    Ok((record.author(), (**manifest).clone()))
}

/// Returns how an item is shared after a rotation that has come to its end.
fn shared(key: &PublicKey, notice: RotationNotice) -> Option<Sharing> {
    notice.check().ok()?;
    let is_of_item = notice.stated().is_some_and(|stated| stated.item == *key);
    let shared = notice.shared?;
    is_of_item.then_some(shared.sharing)
}

fn is_jury(shown: &JuryShown) -> bool {
    let Statement::Jury(drawn) = shown.drawn.statement else {
        return false;
    };
    shown.jury.is_sorted() && jury_electorate(&shown.jury) == drawn.electorate
}

/// A call, and what opens that which is released for it.
pub struct Called {
    /// The call.
    pub record: Record,
    /// What parts are sealed to; wiped when dropped.
    pub secret: HybridSecret,
}

/// Makes a call. All keys in it follow from the seed, which must be random, and used for nothing else.
///
/// The reason goes to the jurors alone, each under its own key; without a jury it goes to nobody.
pub fn call(
    (on_card, card): (OnCard<'_>, &Identity),
    (jury, reason): (&[PublicKey], &Reason),
    now: Wall,
    seed: &Zeroizing<[u8; 32]>,
) -> Option<Called> {
    let author = Identity::from_seed(derive(seed, b"author"));
    let secret = HybridSecret::from_seed(derive(seed, b"release"));
    let info = call_reason_info(on_card.mesh, on_card.item, &author.public());
    let padded = write_reason(reason);
    let reason_seed = derive(seed, b"reason");
    let reasons = jury.iter().map(|juror| {
        let sealed = seal_for(juror, &info, &padded, &reason_seed).ok()?;
        Some(sealed.into())
    });
    let reasons = reasons.collect::<Option<Vec<_>>>()?;
    let by = (on_card.mesh, &author.public());
    let asked = (*on_card.item, secret.public());
    let mut call = EmergencyCall::sign(card, by, asked, reasons);
    call.find_nonce(on_card.mesh, &author.public());
    let body = Body::Sublime(SublimeBody::Call(Box::new(call)));
    let mut salt = [0; 16];
    salt.copy_from_slice(&derive(seed, b"salt")[..16]);
    let draft = Draft::new(
        Some(*on_card.mesh),
        author.public(),
        (0, None),
        now,
        salt,
        body,
    );
    let record = draft.sign(&author).ok()?.value().clone();
    Some(Called { record, secret })
}

fn derive(seed: &[u8; 32], what: &[u8]) -> Zeroizing<[u8; 32]> {
    let derived = Sha256::new()
        .chain_update(b"x0/emergency-call/1\0")
        .chain_update(seed)
        .chain_update(what)
        .finalize();
    Zeroizing::new(derived.into())
}

/// What became of a part that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is a good share that was not here.
    Good,
    /// A share of that number is here.
    Before,
    /// It is not what it should be.
    Bad,
}

/// Shares on their way to enough of them.
pub struct Gathering {
    mesh: ContentId,
    call: ContentId,
    sharing: Sharing,
    shares: Vec<Share>,
    bad: BTreeSet<PublicKey>,
}

impl Gathering {
    /// Begins to gather for a call.
    pub const fn new(mesh: ContentId, call: ContentId, sharing: Sharing) -> Self {
        Self {
            mesh,
            call,
            sharing,
            shares: Vec::new(),
            bad: BTreeSet::new(),
        }
    }

    /// Goes over to how the item is shared now, if that is news; what was gathered of the sharing before is of no use then.
    pub fn follow(&mut self, sharing: &Sharing) {
        if sharing.epoch > self.sharing.epoch {
            self.sharing = sharing.clone();
            self.shares.clear();
        }
    }

    /// Takes a part that came from some node, sealed by `from`.
    pub fn take(&mut self, secret: &HybridSecret, from: &PublicKey, release: &Release) -> Part {
        let ReleasedPart::Share { epoch, index } = release.part else {
            return Part::Bad;
        };
        if self.shares.iter().any(|known| known.index() == index) {
            return Part::Before;
        }
        let info = release_info(&self.mesh, &self.call, (from, release.part));
        let opened = secret.open(&info, &release.sealed).ok();
        let share = opened.and_then(|opened| good_share(&self.sharing, (epoch, index), &opened));
        match share.filter(|_| release.request == self.call) {
            Some(share) => {
                self.shares.push(share);
                Part::Good
            }
            None => {
                self.bad.insert(*from);
                Part::Bad
            }
        }
    }

    /// Counts the good shares.
    pub fn shares(&self) -> usize {
        self.shares.len()
    }

    /// Returns how many it takes.
    pub const fn needed(&self) -> u8 {
        self.sharing.access().threshold()
    }

    /// Returns whose nodes sent something that is not what it should be, in order.
    pub fn bad(&self) -> impl Iterator<Item = &PublicKey> {
        self.bad.iter()
    }

    /// Puts the item's keys together with the card's second part, once there are enough shares.
    pub fn open(&self, item: &PublicKey, second: &SecondPart) -> Option<ItemKeys> {
        let combined = combine(&self.sharing.commitments, &self.shares).ok()?;
        Some(ItemKeys::derive(&combined.secret, second, item.bytes()))
    }
}
