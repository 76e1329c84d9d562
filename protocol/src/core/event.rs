//! What a peer tells its user as it happens: the source of the live views and of the log.

use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::time::{Millis, Wall};
use crate::{
    spine::{
        committee::SeatNews,
        halt::{End, HaltId},
    },
    wire::{Role, TierAddress},
};

/// Something the user of the node may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link to a member is open and greeted.
    Linked {
        /// The member.
        peer: PublicKey,
    },
    /// A link to a member is gone.
    Unlinked {
        /// The member.
        peer: PublicKey,
    },
    /// A peer was turned away.
    TurnedAway {
        /// The peer.
        peer: PublicKey,
        /// Why.
        why: String,
    },
    /// A member joined.
    Joined {
        /// The member.
        member: PublicKey,
    },
    /// A member left or was removed.
    Gone {
        /// The member.
        member: PublicKey,
    },
    /// A record from outside was refused.
    Rejected {
        /// Who sent it.
        from: PublicKey,
        /// Why.
        why: String,
    },
    /// A new record of the mesh is known here.
    Recorded {
        /// The record.
        id: ContentId,
        /// Its author.
        author: PublicKey,
        /// Its kind's number.
        kind: u16,
    },
    /// A node has shown that it erased what this one asked for.
    ErasedAt {
        /// The erasure's record.
        erasure: ContentId,
        /// The node.
        node: PublicKey,
    },
    /// An act was executed on this node.
    Executed {
        /// The act's record; `None` for a local act.
        act: Option<ContentId>,
        /// What changed, in words.
        change: String,
    },
    /// An act was refused on this node.
    Refused {
        /// The act's record; `None` for a local act.
        act: Option<ContentId>,
        /// Why.
        why: String,
    },
    /// A target told what became of an own act.
    Outcome {
        /// The act's record.
        act: ContentId,
        /// The target.
        target: PublicKey,
        /// Whether it was executed there.
        executed: bool,
    },
    /// A catch-up with a peer ended.
    CaughtUp {
        /// The peer.
        with: PublicKey,
        /// Records that came.
        received: u32,
        /// Records that went.
        sent: u32,
    },
    /// An author signed two different records at the same place.
    ForkFound {
        /// The author.
        author: PublicKey,
        /// The place in its chain.
        seq: u64,
    },
    /// A node showed a log head that contradicts an earlier one.
    SplitView {
        /// The node.
        author: PublicKey,
    },
    /// The self-healing loop replaced a lost link.
    Healed {
        /// The new peer.
        peer: PublicKey,
        /// Time from the loss to the greeting of the new peer.
        took: Millis,
    },
    /// The committee has decided something.
    Decided {
        /// Its height.
        height: u64,
        /// Mesh time as of it.
        time: Wall,
    },
    /// The committee has made its keys.
    KeysMade {
        /// Their epoch.
        epoch: u64,
        /// How many seats' shares are known to everybody, as they did not answer in time.
        revealed: u32,
    },
    /// Something about seats and keys of the committee.
    Seats(SeatNews),
    /// This node's seat has no share of a key.
    ShareLost {
        /// The epoch of the key.
        epoch: u64,
        /// Why.
        why: String,
    },
    /// An own act has come further, or has ended.
    Proposed {
        /// The act, by its digest.
        act: ContentId,
        /// How far it is, in words.
        stage: String,
        /// Its record, once it is written.
        record: Option<ContentId>,
    },
    /// This node was drawn to co-sign or to approve, and a person is to decide.
    CosignAsked {
        /// The act, by its digest.
        act: ContentId,
        /// In which role it was drawn.
        role: Role,
        /// The agent.
        agent: PublicKey,
        /// What would change, in words.
        change: String,
    },
    /// This node has found an anomaly in the acts it sees.
    Anomaly {
        /// The agent it is laid to.
        agent: PublicKey,
        /// Whether it freezes the root; else a person should look.
        critical: bool,
        /// What was found, in words.
        words: String,
    },
    /// This node has frozen a delegation root.
    Frozen {
        /// The root.
        root: RootKey,
        /// Until when.
        until: Wall,
    },
    /// The mesh is halted, or its halt was confirmed or renewed.
    Halted {
        /// Which halt.
        halt: HaltId,
        /// The root whose acts caused it.
        root: RootKey,
        /// Whether it is confirmed.
        confirmed: bool,
        /// When it ends by itself.
        until: Wall,
    },
    /// A halt is over.
    HaltEnded {
        /// Which halt.
        halt: HaltId,
        /// How.
        how: End,
    },
    /// Something happened to a vote.
    Vote {
        /// The vote.
        proposal: ContentId,
        /// What, in words.
        what: String,
    },
    /// Something has become of an audit, or a round of audits is open.
    Audit {
        /// The round.
        round: u64,
        /// Whose node is audited; none if it is about the round.
        node: Option<PublicKey>,
        /// What, in words.
        what: String,
    },
    /// Somebody asked what this node collects.
    AccountAsked {
        /// Who.
        auditor: PublicKey,
        /// Why it was refused, if it was.
        refused: Option<String>,
    },
    /// Another charter is in force.
    Charter {
        /// Its name.
        charter: ContentId,
        /// Its number.
        number: u64,
    },
    /// This node's copy of the public log has another entry.
    Public {
        /// Its place, from 0.
        index: u64,
        /// What it tells, in words.
        words: String,
    },
    /// The committee has certified two public logs that contradict each other.
    TwoPublicLogs {
        /// The heights of the two certificates.
        heights: (u64, u64),
    },
    /// An override of this node was told to all in time: it stays.
    OverrideStays {
        /// The act's record.
        act: ContentId,
    },
    /// An override of this node has lapsed: it was not told to all in time.
    OverrideLapsed {
        /// The act's record.
        act: ContentId,
        /// What changes back, in words.
        change: String,
    },
    /// Something has become of a reported violation.
    Case {
        /// The case, by the record that reported it.
        case: ContentId,
        /// What, in words.
        what: String,
    },
    /// A record about Sublime has taken effect here.
    Sublime {
        /// The record.
        record: ContentId,
        /// `guardian`, `item`, `request`, `rotation`, `forget` or `drill`.
        kind: &'static str,
    },
    /// The rotation of an item's guardians is open, or has come to its end.
    Rotation {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the new sharing.
        epoch: u32,
        /// Whether the new sharing is in force.
        is_over: bool,
    },
    /// A guardian deals something wrong in a rotation, and has no part in it.
    BadDealer {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the new sharing.
        epoch: u32,
        /// Who.
        dealer: PublicKey,
        /// Who says so.
        by: PublicKey,
        /// Whether everybody can see it from what the dealer has signed; else it is that guardian's word.
        is_public: bool,
    },
    /// A guardian's node says that it has destroyed its share of an item that this member has had forgotten.
    Forgot {
        /// The item's key.
        item: PublicKey,
        /// Whose node.
        by: PublicKey,
    },
    /// A member has invited this one to serve as a guardian.
    Invited {
        /// Who.
        by: PublicKey,
    },
    /// A member that was invited from here to serve as a guardian has answered.
    InviteAnswered {
        /// Who.
        by: PublicKey,
        /// Whether it serves.
        serves: bool,
    },
    /// This node's new share of an item could not be put together: the others have theirs.
    ShareNotMade {
        /// The item's key.
        item: PublicKey,
        /// The epoch of the sharing.
        epoch: u32,
        /// Why.
        why: String,
    },
    /// A linked node says where its IPFS node is reached.
    TierPeer {
        /// Whose node.
        peer: PublicKey,
        /// Where.
        addresses: Vec<TierAddress>,
    },
    /// Something was released for a request of this node.
    Released {
        /// The request.
        request: ContentId,
        /// How many parts have come so far.
        parts: usize,
    },
    /// Authoring is open: the own chain's head is known.
    Ready {
        /// How many peers vouched for the head.
        witnesses: u8,
    },
}
