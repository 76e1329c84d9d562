//! What the local user, or a device at this node's onion service, asks of the node about calls in an emergency.

use x0_crypto::{ContentId, OnionAddress, PublicKey};

use super::time::Wall;
use crate::{
    spine::ballot::TermsError,
    wire::{CallStage, CardRevoked, CardTerms, Choice, Pinned, Record, Unverified},
};

/// What is asked or done about calls in an emergency.
#[derive(Clone, Debug)]
pub enum EmergencyCommand {
    /// Says to all that an item's card counts no longer.
    Revoke(CardRevoked),
    /// Says to all where this node is reached over Tor, if that is news.
    Onion(Option<OnionAddress>),
    /// Says a call to all, for a device.
    Call(Box<Unverified<Record>>),
    /// Has the jury of the day asked about a call, if it was not asked.
    Convene(ContentId),
    /// Shows what a device needs to know of an item before it calls.
    Hello(ContentId),
    /// Shows a device how a call stands, and what was released for it.
    Standing(ContentId),
    /// Lists the calls known here, and where nodes are reached over Tor.
    Calls,
    /// Opens the reason of a call, as far as it is sealed to this node's member.
    Reason(ContentId),
}

/// The calls known here, and where nodes are reached over Tor.
#[derive(Clone, Debug, Default)]
pub struct CallsView {
    /// The calls, the newest first.
    pub calls: Vec<CallView>,
    /// Members whose nodes are reached over Tor, in order.
    pub onions: Vec<OnionView>,
    /// The newest checkpoint of the committee that is known here: what a recovery card holds nodes to.
    pub checkpoint: Option<Pinned>,
    /// Mesh time.
    pub now: Wall,
}

/// Where a member's node is reached over Tor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnionView {
    /// The member.
    pub member: PublicKey,
    /// Its node's address.
    pub address: OnionAddress,
    /// The member at the head of the first-level invite subtree in which it stands.
    pub subtree: PublicKey,
}

/// A call as a juror sees it: nothing of the content, and nothing of who calls.
#[derive(Clone, Debug)]
pub struct CallView {
    /// Its name.
    pub id: ContentId,
    /// The item.
    pub item: ContentId,
    /// What the owner says of the item's card.
    pub card: CardTerms,
    /// When it was made, by the device's clock.
    pub time: Wall,
    /// How far it is.
    pub stage: CallStage,
    /// What the jury was asked, if it was.
    pub asked: Option<AskedView>,
    /// The shares of guardians that this node has sealed for it or was handed for it.
    pub parts: usize,
}

/// What the jury was asked about a call.
#[derive(Clone, Debug)]
pub struct AskedView {
    /// The proposal.
    pub proposal: ContentId,
    /// Since when, mesh time.
    pub since: Wall,
    /// Until when jurors answer, mesh time.
    pub until: Wall,
    /// How many jurors there are.
    pub jury: usize,
    /// How many must say yes.
    pub needed: usize,
    /// How many have.
    pub yes: usize,
    /// How many have said no.
    pub no: usize,
    /// Whether this node's member sits on it.
    pub is_juror: bool,
    /// What it has said.
    pub own: Option<Choice>,
}

/// Why something about a call cannot be done, with the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmergencyRefusal {
    /// No such item is known.
    #[error("no item {0} is known to this node: try another one")]
    NoSuchItem(ContentId),
    /// The item was put without a card, or with another one.
    #[error(
        "the item {0} has no such recovery card: it was put without one, or the words are those of another card"
    )]
    NoSuchCard(ContentId),
    /// Its card counts no longer.
    #[error("the owner of the item {0} has revoked its card: nothing opens it in an emergency")]
    Revoked(ContentId),
    /// No such call is known.
    #[error("no call {0} is known here: `x0 emergency calls` lists those known")]
    NoSuchCall(ContentId),
    /// Only calls are handed in here.
    #[error("only a call is handed in like this")]
    NotACall,
    /// There is no committee whose word a device could check.
    #[error("this mesh has no committee with keys, so that no jury is drawn")]
    NoCommittee,
    /// No jury of this day is known here.
    #[error(
        "no jury serves today as far as this node knows: members say that they serve by `x0 vote jury on`, and a jury is drawn a day ahead"
    )]
    NoJury,
    /// The word that a card is revoked is not signed by its item's key.
    #[error(
        "the word that the card of the item with the key {0} is revoked is not signed by that key: it stands where the item was put"
    )]
    NotItsKey(PublicKey),
    /// The rules of the vote are out of range.
    #[error(transparent)]
    Terms(#[from] TermsError),
}
