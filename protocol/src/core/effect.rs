//! Everything a peer can ask of the world.
//!
//! *Persist before send*: effects that others will rely on are not in the outbox until the driver
//! has confirmed the write they rest on.

use std::sync::Arc;

use x0_crypto::{
    ContentId, PublicKey,
    committee::{Purpose, SealedDealing},
};

use super::{
    command::{CommandError, Reply},
    event::Event,
    ids::{CommandId, JobId, MessageId, RequestId, RequestToken},
    job::Job,
    secret::SecretTask,
    time::{Mono, Wall},
};
use crate::{
    anti_meave::{Approved, overrides::OverrideWrite, proposals::ProposalWrite},
    spine::{
        audit::{Entry, tree::Hash},
        ballot::VoteWrite,
        committee::{JournalLine, Tip},
        erasure::ErasureReceipt,
        halt::Halt,
    },
    sublime::shares::SublimeWrite,
    wire::{
        Change, Decided, Draft, HeldHead, InspectionDraft, LogHead, PolicyName, PublicEntry,
        Record, Request, Response, SeatDraft, Topic, Verified, VoteDraft, Word,
    },
};

/// Something the driver is to do.
#[derive(Debug)]
pub enum Effect {
    /// Gossips a record.
    Publish {
        /// The topic of its class.
        topic: Topic,
        /// The record.
        record: Record,
    },
    /// Reports on a gossip message, which decides whether it travels on.
    Report {
        /// The message.
        message: MessageId,
        /// What became of it.
        verdict: MessageVerdict,
    },
    /// Sends a request; the driver dials if there is no link and owes an [`super::input::Input::Response`].
    Request {
        /// To be returned with the response.
        id: RequestId,
        /// To whom.
        to: PublicKey,
        /// What.
        request: Request,
    },
    /// Sends stored records to a peer as [`Request::Push`], as many as fit one message.
    Push {
        /// To be returned with the response.
        id: RequestId,
        /// To whom.
        to: PublicKey,
        /// Which records.
        records: Vec<ContentId>,
    },
    /// Answers a request.
    Respond {
        /// From the request.
        token: RequestToken,
        /// The answer.
        response: Response,
    },
    /// Answers a request with stored records as [`Response::Records`], as many as fit one message.
    RespondRecords {
        /// From the request.
        token: RequestToken,
        /// Which records.
        records: Vec<ContentId>,
    },
    /// Answers a request with stored blocks of the committee log as [`Response::Blocks`], in order, as many as
    /// fit one message.
    RespondBlocks {
        /// From the request.
        token: RequestToken,
        /// The first height wanted.
        from: u64,
    },
    /// Runs a job.
    Check {
        /// To be returned with the verdict.
        id: JobId,
        /// What to run.
        job: Job,
    },
    /// Signs a record with the node's identity.
    Sign {
        /// To be returned with the record.
        id: JobId,
        /// What to sign.
        draft: Box<Draft>,
    },
    /// Signs the head of the audit log.
    SignHead {
        /// To be returned with the head.
        id: JobId,
        /// Entries in the log.
        size: u64,
        /// Root over them.
        root: Hash,
        /// When.
        time: Wall,
    },
    /// Countersigns the head of a node's audit log, as a drawn witness.
    Countersign {
        /// To be returned with the signature.
        id: JobId,
        /// What to sign.
        held: HeldHead,
    },
    /// Signs a statement of this node's seat.
    SignSeat {
        /// To be returned with the statement.
        id: JobId,
        /// What to sign.
        draft: Box<SeatDraft>,
    },
    /// Does something with the node's secrets.
    Secret {
        /// To be returned with what comes of it.
        id: JobId,
        /// What to do.
        task: Box<SecretTask>,
    },
    /// Signs a word about an act.
    SignWord {
        /// To be returned with the word.
        id: JobId,
        /// The act, by its digest.
        act: ContentId,
        /// The word.
        word: Word,
    },
    /// Signs something about a vote.
    SignVote {
        /// To be returned with what is signed.
        id: JobId,
        /// What to sign.
        draft: Box<VoteDraft>,
    },
    /// Signs something for an audit; of an account, the driver says what the node collects.
    Inspect {
        /// To be returned with what is signed.
        id: JobId,
        /// What to sign.
        draft: Box<InspectionDraft>,
    },
    /// Writes to the store, all or nothing, and confirms when it is safe on disk.
    Persist {
        /// To be returned with the confirmation.
        id: JobId,
        /// What to write, in order.
        writes: Vec<Write>,
    },
    /// Carries out an approved change on this node: dials or hangs up, or applies a policy's value.
    Execute {
        /// To be returned with the result.
        id: JobId,
        /// The change, and the proof that it was approved.
        change: Approved<Change>,
    },
    /// Answers a command.
    Reply {
        /// From the command.
        id: CommandId,
        /// The answer.
        reply: Result<Reply, CommandError>,
    },
    /// Tells the user what happened.
    Notify(Event),
    /// Lets peers through the network gate as members.
    Admit(Vec<PublicKey>),
    /// Shuts the network gate to a peer and ends its links.
    Expel(PublicKey),
    /// Ends the links to a peer.
    Disconnect(PublicKey),
}

/// What became of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageVerdict {
    /// It is good and travels on.
    Accept,
    /// It is the sender's fault: it stops here and costs the sender score.
    Reject,
    /// It stops here and is nobody's fault.
    Ignore,
}

/// One thing to be written to the store.
#[derive(Clone, Debug)]
pub enum Write {
    /// A verified record.
    Record(Verified<Record>),
    /// An act this node is about to execute: never again, whatever happens.
    Executed(ContentId),
    /// A policy's new value.
    Policy {
        /// Which.
        policy: PolicyName,
        /// Its version.
        version: u64,
        /// Its value.
        value: u64,
    },
    /// An entry of the own audit log.
    Audit {
        /// Its place, from 0.
        index: u64,
        /// What it says.
        entry: Entry,
    },
    /// The newest log head seen of another node.
    Witnessed(LogHead),
    /// Lines of the journal of a height of the committee log, which this node's seat is bound by.
    Journal {
        /// The place of the first in the journal.
        first: u32,
        /// The lines.
        lines: Vec<JournalLine>,
    },
    /// A block of the committee log; the journal of its height is over with it.
    Block {
        /// The block and its commit.
        decided: Arc<Decided>,
        /// What the log ends with now.
        tip: Tip,
        /// What follows from the log up to the block before, now and then; takes the place of the last one.
        snapshot: Option<Vec<u8>>,
    },
    /// A state of the committee log, taken over from another seat; the journal and older blocks count no longer.
    State {
        /// What the log ends with now.
        tip: Tip,
        /// The state as of it.
        state: Vec<u8>,
    },
    /// What this node's seat was dealt in a key ceremony, sealed for it.
    Dealing {
        /// The ceremony.
        ceremony: ContentId,
        /// Who dealt.
        dealer: PublicKey,
        /// What was dealt.
        dealing: Box<SealedDealing>,
    },
    /// This seat's share of a key, sealed for it.
    KeyShare {
        /// What the key is for.
        purpose: Purpose,
        /// The epoch of the key.
        epoch: u64,
        /// The share.
        sealed: Vec<u8>,
    },
    /// Shares and dealings of keys that are over; they are erased from the disk.
    ForgetKeys {
        /// Shares.
        shares: Vec<(Purpose, u64)>,
        /// What was dealt, by ceremony and dealer.
        dealings: Vec<(ContentId, PublicKey)>,
    },
    /// Bodies of records that their author has erased; of each only the husk stays, also on the disk.
    Erase {
        /// The records.
        records: Vec<ContentId>,
        /// The author's record that says so.
        by: ContentId,
    },
    /// Another node's proof that it erased what this one asked for.
    Receipt(Box<ErasureReceipt>),
    /// A halt as it stands now.
    Halt(Box<Halt>),
    /// Something about votes.
    Vote(Box<VoteWrite>),
    /// Something about own acts on their way.
    Proposal(ProposalWrite),
    /// Whether this node shows and uses a delegation root of its own choice.
    AcceptRoot {
        /// The root.
        root: x0_crypto::capability::RootKey,
        /// Whether it is accepted from now on.
        accepted: bool,
    },
    /// An entry of this node's copy of the public log.
    Public {
        /// Its place, from 0.
        index: u64,
        /// What it says.
        entry: Box<PublicEntry>,
    },
    /// Something about overrides that run here.
    Override(OverrideWrite),
    /// A share kept for somebody, or what was released for this node.
    Sublime(SublimeWrite),
}

/// The effects of one call to [`crate::Peer::handle`], in order.
#[derive(Debug, Default)]
pub struct Outbox {
    effects: Vec<Effect>,
}

impl Outbox {
    /// Makes an empty outbox; drivers keep one and drain it after every call.
    pub const fn new() -> Self {
        Self {
            effects: Vec::new(),
        }
    }

    /// Takes all effects out, in order, keeping the allocation.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain(..)
    }

    /// Tells whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn extend(&mut self, effects: impl IntoIterator<Item = Effect>) {
        self.effects.extend(effects);
    }
}

/// When a peer wants to be woken, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Not before this moment.
    pub at: Mono,
    /// What is due then.
    pub why: Why,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A link has stayed ungreeted for too long.
    Greeting,
    /// Nobody told the head of the own chain in time.
    HeadWait,
    /// The head of the audit log is to be gossiped.
    HeadGossip,
    /// A sensitive record has not been heard since it was passed along its stem.
    Stem,
    /// A catch-up with a linked peer is due.
    CatchUp,
    /// The self-healing loop looks at its links again.
    Healing,
    /// The committee log goes on, or the work of this node's seat.
    Committee,
    /// An own act waits for its ticket or for others' words.
    Proposal,
    /// A freeze or a halt ends by itself.
    Halt,
    /// An own ballot, proposal or delegation waits for the seats.
    Vote,
    /// A vote on the charter that has passed is heeded from then on.
    Charter,
    /// Links are asked whether they have erased what this node asked for.
    Receipts,
    /// The public log lacks entries, or an override lapses.
    Public,
    /// Witnesses are asked to countersign the own audit log.
    Countersigning,
    /// A node is to be audited.
    Audits,
    /// Something of an item is to be released, or looked at whether it is.
    Releases,
    /// A sharing is due to be dealt on, or something of a rotation is to be done or told again.
    Rotations,
}
