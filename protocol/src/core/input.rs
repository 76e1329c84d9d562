//! Everything that can happen to a peer.

use x0_crypto::PublicKey;

use super::{
    command::Command,
    ids::{CommandId, JobId, MessageId, RequestId, RequestToken},
    job::Verdict,
    reject::RejectReason,
    secret::SecretDone,
};
use crate::wire::{
    Countersign, InspectionSigned, LogHead, Record, Request, Response, Said, SeatMessage,
    Unverified, Verified, VoteSigned,
};

/// Something that happened, handed to [`crate::Peer::handle`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A record arrived by gossip.
    Gossip {
        /// Which linked peer sent it.
        from: PublicKey,
        /// The gossip message to report on.
        message: MessageId,
        /// The decoded record.
        record: Unverified<Record>,
    },
    /// A link to a peer came up.
    LinkUp {
        /// The peer at the other end, authenticated by TLS.
        peer: PublicKey,
        /// Whether this side dialled.
        dialled: bool,
        /// Whether the network gate let it in as a member.
        admitted: bool,
    },
    /// The last link to a peer went down.
    LinkDown {
        /// The peer at the other end.
        peer: PublicKey,
    },
    /// A dial to a member, asked for by an approved [`crate::wire::Change::Link`], came to nothing.
    DialFailed {
        /// The peer that could not be reached.
        peer: PublicKey,
    },
    /// A peer asks something.
    Request {
        /// Who asks.
        from: PublicKey,
        /// To be returned with the answer.
        token: RequestToken,
        /// The decoded request.
        request: Request,
    },
    /// An answer to an own request, or its failure; the driver owes one for every request.
    Response {
        /// The request.
        id: RequestId,
        /// The decoded answer; `None` if none came in time or it did not decode.
        response: Option<Response>,
    },
    /// The local user asks something.
    Command {
        /// To be returned with the reply.
        id: CommandId,
        /// What is asked.
        command: Command,
    },
    /// A job was run.
    Checked {
        /// The job.
        id: JobId,
        /// What it found.
        verdict: Verdict,
    },
    /// A draft was signed, or cannot be.
    Signed {
        /// The job.
        id: JobId,
        /// The record, from [`crate::wire::Draft::sign`].
        result: Result<Verified<Record>, RejectReason>,
    },
    /// A log head was signed.
    HeadSigned {
        /// The job.
        id: JobId,
        /// The head.
        head: LogHead,
    },
    /// The head of a log was countersigned.
    Countersigned {
        /// The job.
        id: JobId,
        /// The signature, from [`crate::wire::HeldHead::sign`].
        one: Countersign,
    },
    /// A statement of this node's seat was signed.
    SeatSigned {
        /// The job.
        id: JobId,
        /// The statement, from [`crate::wire::SeatDraft::sign`].
        message: Verified<SeatMessage>,
    },
    /// What came of something done with the node's secrets.
    SecretDone {
        /// The job.
        id: JobId,
        /// From [`super::secret::SecretTask::run`].
        done: SecretDone,
    },
    /// A word about an act is signed.
    WordSigned {
        /// The job.
        id: JobId,
        /// The word, from [`Said::sign`].
        said: Said,
    },
    /// Something about a vote is signed.
    VoteSigned {
        /// The job.
        id: JobId,
        /// From [`crate::wire::VoteDraft::sign`].
        signed: Box<VoteSigned>,
    },
    /// Something for an audit is signed.
    Inspected {
        /// The job.
        id: JobId,
        /// From [`crate::wire::InspectionDraft::sign`].
        signed: Box<InspectionSigned>,
    },
    /// Everything in a persist effect is on disk.
    Persisted {
        /// The job.
        id: JobId,
    },
    /// An approved change was carried out on this node.
    Executed {
        /// The job.
        id: JobId,
        /// Why it could not be, if it could not.
        result: Result<(), String>,
    },
    /// The deadline given by [`crate::Peer::next_deadline`] has passed.
    Wake,
}
