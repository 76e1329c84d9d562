//! What the local user asks of the node about Sublime, and what comes back.

use x0_crypto::{
    ContentId, PublicKey,
    committee::CommitteeKey,
    sublime::{AccessStructure, HybridPublic, ShareIndex},
};

use super::{
    limits::{INVITATION_LIFE, INVITATIONS_MAX},
    time::{Millis, Wall},
};
use crate::{
    sublime::{
        invitations::Invitation,
        known::{Item, LastDrill},
    },
    wire::{
        Drilled, Forget, GuardAsk, Reason, Record, Release, Sharing, TierAddress, TrusteesRevoked,
        Unverified,
    },
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
        /// Whether the item's trustees decide, and no vote does.
        by_trustees: bool,
    },
    /// Lists the requests that trustees decide about.
    Recoveries,
    /// Says, as a trustee, whether a request to recover an item comes from its owner.
    Attest {
        /// The request.
        request: ContentId,
        /// Whether it does.
        is_owner: bool,
    },
    /// Says to all that an item's trustees count no longer.
    RevokeTrustees(TrusteesRevoked),
    /// Shows what was released for a request of this node.
    Released(ContentId),
    /// Says where this node's IPFS node is reached; linked nodes are told.
    Announce(Vec<TierAddress>),
    /// Has guardians destroy their shares of an item, for good.
    Forget(Forget),
    /// Shows who serves as a guardian, and who was invited to.
    Guardians,
    /// Asks another member to serve as a guardian; answered once its node has taken the invitation.
    Invite {
        /// Who.
        member: PublicKey,
        /// Why, in words for that member alone.
        why: Reason,
    },
    /// Serves as a guardian, as this member was invited to, or all who have invited it.
    Accept(Option<PublicKey>),
    /// Declines the invitation of this member.
    Decline(PublicKey),
    /// Tries the shares kept here; answered when each was opened and checked.
    Drill,
    /// Tells the mesh what came of a drill.
    TellDrill(Drilled),
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
    /// The name of the committee's keys, which a recovery card's terms give, see [`crate::wire::keys_name`].
    pub committee_name: ContentId,
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
    /// The items, the newest first, and how each is shared.
    pub items: Vec<(ContentId, Item, SharedView)>,
    /// The requests, the newest first.
    pub requests: Vec<RequestView>,
    /// The shares kept here: for which item, of which epoch and number, and for whom, if it did not come by a rotation.
    pub shares_kept: Vec<(PublicKey, u32, ShareIndex, Option<PublicKey>)>,
    /// The rotations that are open.
    pub rotations: Vec<RotationView>,
    /// The items that this member has had forgotten, and whose nodes have said that they destroyed their share.
    pub forgotten: Vec<(PublicKey, Vec<PublicKey>)>,
}

/// Who serves as a guardian, and who was invited to, as far as is known here.
#[derive(Clone, Debug, Default)]
pub struct GuardiansView {
    /// The members who serve, with what each last said of a drill.
    pub serving: Vec<(PublicKey, Option<LastDrill>)>,
    /// What this node last said of a drill.
    pub drilled: Option<LastDrill>,
    /// The invitations that came, the newest first.
    pub received: Vec<Invitation>,
    /// The invitations made from here, the newest first. Of who serves meanwhile it is said so.
    pub made: Vec<Invitation>,
}

/// What a drill found of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedShare {
    /// The key of the item.
    pub key: PublicKey,
    /// The item, if it is known here.
    pub item: Option<(ContentId, Item)>,
    /// The epoch of the sharing.
    pub epoch: u32,
    /// The number of the share.
    pub index: ShareIndex,
    /// Whether it is good.
    pub found: Result<(), DrillFault>,
    /// How long that took.
    pub took: Millis,
}

/// What is wrong with a share, or keeps it from being tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrillFault {
    /// It does not open.
    #[error(
        "the share does not open: the file of its key is gone or damaged; restore `share-keys` of the data directory from a copy"
    )]
    Shut,
    /// It opens and is another.
    #[error(
        "what stands on the disk is not the share that was dealt: restore the data directory from a copy, or wait for the next rotation"
    )]
    Wrong,
    /// The item is shared in another way by now.
    #[error("the share is not of the sharing in force: this node waits for its part in a rotation")]
    NotInForce,
    /// What it would be checked against is not known.
    #[error("the item is not known here yet, so that there is nothing to check the share against")]
    NotKnown,
}

impl DrillFault {
    /// Tells whether the share is one that this node owes to others.
    pub const fn is_owed(self) -> bool {
        match self {
            Self::Shut | Self::Wrong => true,
            Self::NotInForce | Self::NotKnown => false,
        }
    }
}

/// A rotation of an item's guardians that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationView {
    /// The item, if it is known here.
    pub item: Option<ContentId>,
    /// Its key.
    pub key: PublicKey,
    /// The epoch of the new sharing.
    pub epoch: u32,
    /// Mesh time at which the new guardians were drawn.
    pub since: Wall,
    /// Mesh time at which it is given up, and drawn anew.
    pub until: Wall,
    /// Whether this node deals its share on.
    pub deals: bool,
    /// Whether this node has parts of a new share.
    pub takes: bool,
    /// At a seat: how many dealers have reached new guardians.
    pub dealers: usize,
    /// At a seat: who was found to deal something wrong.
    pub liars: Vec<LiarView>,
}

/// A guardian who deals something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiarView {
    /// Who.
    pub dealer: PublicKey,
    /// How many new guardians say so.
    pub named_by: usize,
    /// Whether everybody can see it from what it has signed.
    pub is_public: bool,
}

/// How an item is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedView {
    /// How often it was shared anew.
    pub epoch: u32,
    /// How many shares of how many open it.
    pub access: AccessStructure,
    /// Mesh time since when.
    pub since: Wall,
    /// Mesh time at which it is due to be dealt on.
    pub due: Wall,
    /// The subject of a vote to deal it on before.
    pub subject: ContentId,
    /// Whether it is to be forgotten: whoever kept a share destroys it.
    pub forgotten: bool,
    /// Whether its recovery card counts no longer.
    pub card_revoked: bool,
    /// Whether its trustees count no longer.
    pub trustees_revoked: bool,
}

impl SublimeView {
    /// Returns the items whose content this node holds: those of which it keeps a share.
    pub fn guarded(&self) -> impl Iterator<Item = &Item> {
        let items = self.items.iter().map(|(_, item, _)| item);
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
    /// Whether the item's trustees decide, and no vote does.
    pub by_trustees: bool,
}

/// A request that an item's trustees decide about.
#[derive(Clone, Debug)]
pub struct AttestedView {
    /// It.
    pub request: RequestView,
    /// The number that the owner reads out to trustees, see [`crate::wire::spoken_number`].
    pub number: String,
    /// How many trustees the item has.
    pub trustees: usize,
    /// How many must attest.
    pub needed: u8,
    /// Who has said that it comes from the owner.
    pub yes: Vec<PublicKey>,
    /// Who has said that it does not.
    pub no: Vec<PublicKey>,
    /// Mesh time up to which the owner can stop it, as this node counts; none before enough have attested.
    pub until: Option<Wall>,
    /// Whether this node's member is a trustee of the item, and no word of its own is known.
    pub asks_here: bool,
    /// Whether the trustees count no longer.
    pub is_revoked: bool,
}

/// How a request stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No vote of its author about it has ended, or not enough trustees have attested.
    Undecided,
    /// A vote has passed, or enough have attested, and this node does not act on it yet.
    Passed,
    /// It is granted: whoever guards releases.
    Granted,
    /// A vote has ended otherwise, so many trustees have said no that the others are too few, or they are revoked; that is final.
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
    /// How its first part is shared now.
    pub sharing: Sharing,
    /// The same, in figures.
    pub shared: SharedView,
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
    /// The word to forget an item, or that its trustees are revoked, is not signed by its key.
    #[error(
        "the word about the item with the key {0} is not signed by that key: it stands where the item was put"
    )]
    NotItsKey(PublicKey),
    /// The key for shares cannot be made.
    #[error("the key that shares are sealed to cannot be made: {0}")]
    NoKey(String),
    /// No such member can be invited.
    #[error("{0} is no other active member: `x0 peers --members` lists them")]
    NotInvitable(PublicKey),
    /// The member serves.
    #[error("{0} serves already: `x0 guardian list` lists who does")]
    ServesAlready(PublicKey),
    /// The member was invited and has not answered.
    #[error(
        "{0} is invited already and has not answered: `x0 guardian invitations --sent` shows it"
    )]
    InvitedAlready(PublicKey),
    /// The member has declined.
    #[error("{0} has declined: it can be asked again {days} days after the invitation", days = INVITATION_LIFE.0 / 86_400_000)]
    Declined(PublicKey),
    /// As many are invited as may be.
    #[error(
        "{max} invitations stand, and no more are kept: each is over {days} days after it was made",
        max = INVITATIONS_MAX, days = INVITATION_LIFE.0 / 86_400_000
    )]
    TooManyInvitations,
    /// The invitation did not arrive.
    #[error(
        "the node of {0} was not reached, so that nobody is invited: try again when `x0 peers` shows it"
    )]
    NotReached(PublicKey),
    /// The other node did not take the invitation.
    #[error("the node of {member} does not take the invitation: {why}")]
    InvitationRefused {
        /// Whose.
        member: PublicKey,
        /// Why, in its words.
        why: String,
    },
    /// There is no invitation to answer.
    #[error(
        "no invitation waits for an answer here: `x0 guardian invitations` lists those that came"
    )]
    NoInvitation,
    /// The item was put without trustees.
    #[error("the item {0} was put without trustees: ask for it by `x0 sublime request`")]
    NoTrustees(ContentId),
    /// The trustees count no longer.
    #[error(
        "the trustees of the item {0} are revoked, for good: ask for it by `x0 sublime request`"
    )]
    TrusteesRevoked(ContentId),
    /// No such request is for trustees to decide.
    #[error("no recovery {0} is known here: `x0 sublime recoveries` lists those known")]
    NoSuchRecovery(ContentId),
    /// The member is no trustee of the item, or has asked for it itself.
    #[error(
        "the recovery {0} is not for this member to attest: it is no trustee of the item, or asks for it itself"
    )]
    NotATrustee(ContentId),
    /// The member has said so before, or has said no.
    #[error(
        "this member has said of the recovery {0} what it says: a yes can be taken back by a no, which is final"
    )]
    AttestedBefore(ContentId),
    /// A drill runs.
    #[error("a drill runs already: wait until it is through")]
    DrillRuns,
    /// A drill was told lately.
    #[error("this node has told of a drill within a day: others take one a day")]
    DrilledLately,
}
