//! What the local user asks of the node about Sublime, and what comes back.

use x0_crypto::{
    ContentId, PublicKey,
    committee::CommitteeKey,
    sublime::{AccessStructure, HybridPublic, ShareIndex},
};

use super::time::Wall;
use crate::{
    sublime::known::Item,
    wire::{GuardAsk, Reason, Record, Release, TierAddress, Unverified},
};

/// What the local user asks or does about Sublime.
#[derive(Clone, Debug)]
pub enum SublimeCommand {
    /// Shows the items, requests and guardians known here, and the shares kept here.
    Show,
    /// Serves as a guardian from now on, or no longer.
    Serve(bool),
    /// Draws the guardians of an item that is to be put.
    Draw(PublicKey),
    /// Hands shares to guardians' nodes; answered when each has answered or is out of reach.
    Deal(Vec<(PublicKey, GuardAsk)>),
    /// Hands in a manifest, signed by the item's key.
    Submit(Box<Unverified<Record>>),
    /// Asks for an item.
    Request {
        /// The item.
        item: ContentId,
        /// A key made for this request alone.
        key: HybridPublic,
        /// Why, in words for everyone who votes.
        why: Reason,
    },
    /// Shows what was released for a request of this node.
    Released(ContentId),
    /// Says where this node's IPFS node is reached; linked nodes are told.
    Announce(Vec<TierAddress>),
}

/// Who is to guard an item, and what seals to them and to the committee.
#[derive(Clone, Debug)]
pub struct DrawnView {
    /// The guardians with their keys; they keep the shares from 1 in this order.
    pub guardians: Vec<(PublicKey, HybridPublic)>,
    /// Who stands in for one that does not take its share, in order.
    pub stand_ins: Vec<(PublicKey, HybridPublic)>,
    /// How many shares of how many are to open the item.
    pub access: AccessStructure,
    /// How many first-level invite subtrees the guardians come from.
    pub subtrees: usize,
    /// The mesh.
    pub mesh: ContentId,
    /// What the second part of the key is sealed to.
    pub committee: CommitteeKey,
}

/// What came of handing out shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DealtView {
    /// Whose nodes have checked their share and keep it.
    pub kept: Vec<PublicKey>,
    /// Whose have not, and why, in words.
    pub not: Vec<(PublicKey, String)>,
}

/// What is known of Sublime here.
#[derive(Clone, Debug, Default)]
pub struct SublimeView {
    /// How many members serve as guardians.
    pub serving: usize,
    /// How many shares of how many would open an item that is put now; none if too few members serve.
    pub shares: Option<AccessStructure>,
    /// Whether this node serves.
    pub serves: bool,
    /// The items, the newest first.
    pub items: Vec<(ContentId, Item)>,
    /// The requests, the newest first.
    pub requests: Vec<RequestView>,
    /// The shares kept here: for which item, of which epoch and number, and for whom.
    pub shares_kept: Vec<(PublicKey, u32, ShareIndex, PublicKey)>,
}

impl SublimeView {
    /// Returns the items whose content this node holds: those of which it keeps a share.
    pub fn guarded(&self) -> impl Iterator<Item = &Item> {
        let items = self.items.iter().map(|(_, item)| item);
        items.filter(|item| self.shares_kept.iter().any(|(key, ..)| *key == item.key))
    }
}

/// A request for an item.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Its name, which is the subject of the vote.
    pub id: ContentId,
    /// The item.
    pub item: ContentId,
    /// Who asks.
    pub by: PublicKey,
    /// Why.
    pub why: String,
    /// When, by the member's clock.
    pub time: Wall,
    /// How it stands.
    pub standing: Standing,
}

/// How a request stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No vote of its author about it has ended.
    Undecided,
    /// A vote has passed, and this node does not act on it yet.
    Passed,
    /// It is granted: whoever guards releases.
    Granted,
    /// A vote has ended otherwise; that is final.
    Denied,
    /// It is too old to be granted.
    Over,
}

impl Standing {
    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Passed => "passed",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Over => "over",
        }
    }
}

/// What was released for a request of this node.
#[derive(Clone, Debug)]
pub struct ReleasedView {
    /// The request.
    pub request: RequestView,
    /// The item.
    pub item: Item,
    /// The parts, each with whose node sent it.
    pub parts: Vec<(PublicKey, Release)>,
    /// The mesh.
    pub mesh: ContentId,
    /// The committee's public key that openings are of.
    pub committee: CommitteeKey,
}

/// Why something about Sublime cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SublimeRefusal {
    /// There is nobody to hold the second part of a key.
    #[error(
        "this mesh has no committee with keys, so that nobody could hold the second part of an item's key: found one with \
         4 seats or more, or wait until its keys are made"
    )]
    NoCommittee,
    /// Too few members serve as guardians.
    #[error(
        "{serving} other members serve as guardians, and an item needs {needed} or more: ask members to run \
         `x0 guardian serve`"
    )]
    TooFewGuardians {
        /// How many serve.
        serving: usize,
        /// How many are needed.
        needed: u8,
    },
    /// No such item is known.
    #[error("no item {0} is known here: `x0 sublime list` lists those known")]
    NoSuchItem(ContentId),
    /// No such request was made by this node.
    #[error("no request {0} was made from this node: `x0 sublime request` makes one")]
    NoSuchRequest(ContentId),
    /// Only manifests are handed in here.
    #[error("only a manifest is handed in like this")]
    NotAManifest,
    /// Nothing is to be dealt, or too much at once.
    #[error("{0} shares cannot be dealt at once")]
    TooMany(usize),
    /// The key for shares cannot be made.
    #[error("the key that shares are sealed to cannot be made: {0}")]
    NoKey(String),
}
