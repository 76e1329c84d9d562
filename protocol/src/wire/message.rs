//! Direct messages between two linked peers: a request and its response.
//!
//! [`Request::Hello`] is open to strangers and is all they get; everything else needs a link between
//! two members. Catch-up is by set reconciliation (see `spine::delivery`).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature,
    committee::{Ack, PartialSignature, SealedDealing, ThresholdSignature},
    verify,
};

use super::{
    Account, AccountAsk, Admission, Admitted, AuditAsk, AuditShown, Consented, Countersign,
    CountersignAsk, Decided, DecodeError, Entry, Kind, PublicAsk, PublicPage, Record, Role,
    RotationAnswer, SeatMessage, SublimeAsk, Topic, Unverified, VersionRange, VoteAnswer, VoteAsk,
    Warrant, Warrants,
    codec::{decode, encode},
    decode_record,
};
use crate::{
    core::{
        limits::{
            HEADS_PASSED_MAX, MESSAGE_BYTES_MAX, PAGE_BLOCKS_MAX, PAGE_RECORDS_MAX, PARTS_MAX,
            STATE_PART_BYTES, STATE_PARTS_MAX,
        },
        reject::RejectReason,
        time::Wall,
    },
    spine::audit::tree::{ConsistencyProof, Hash},
};

/// What one peer asks or tells another.
#[derive(Clone, Debug)]
pub enum Request {
    /// Opens a link, or knocks with a join.
    Hello(Hello),
    /// One round of set reconciliation.
    Reconcile {
        /// The records in question.
        part: Part,
        /// Keys the session's fingerprints.
        session: [u8; 32],
        /// The initiator's message.
        message: Vec<u8>,
    },
    /// Asks for records that a reconciliation named, by their keyed ids.
    Fetch {
        /// The records in question.
        part: Part,
        /// The key of the reconciliation.
        session: [u8; 32],
        /// Keyed ids, at most a page.
        keyed: Vec<[u8; 32]>,
    },
    /// Hands over records the other lacks.
    Push {
        /// The records, at most a page.
        records: Vec<Unverified<Record>>,
    },
    /// Passes a sensitive record along its stem, see [`super::Body::is_sensitive`]; the answer tells nothing.
    Stem(Unverified<Record>),
    /// Asks for the asker's own newest record known.
    HeadOf,
    /// Tells the head of the own audit log.
    Head(Unverified<LogHead>),
    /// Asks for proof that the audit log only grew.
    Consistency {
        /// The size known.
        old: u64,
        /// The size claimed.
        new: u64,
    },
    /// Tells the proposer of an act what became of it here.
    Outcome {
        /// The act's record.
        act: ContentId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Between seats: a statement about a height of the committee log.
    Seat(Box<Unverified<SeatMessage>>),
    /// Between seats: asks for decided blocks.
    Blocks {
        /// The first height wanted.
        from: u64,
    },
    /// Between seats: asks for a part of a state that a checkpoint certifies, as the asker is far behind.
    State {
        /// The hash of the state.
        state: ContentId,
        /// Which part, from 0.
        part: u32,
    },
    /// Between seats: what the asker deals to the asked in a key ceremony.
    Dealing {
        /// The ceremony.
        ceremony: ContentId,
        /// What is dealt.
        dealing: Box<SealedDealing>,
    },
    /// Between seats: the asker's parts of signatures that the seats make together.
    Parts(Vec<SignaturePart>),
    /// To a seat: something to be decided.
    Offer(Box<Unverified<Entry>>),
    /// To a seat: an act to be admitted. Consented again until the answer is final.
    Admit(Box<Unverified<Admission>>),
    /// To a target, drawn co-signer or signatory of an admitted act: its word. Consented again until the answer is final.
    Consent(Box<Consent>),
    /// To a seat: something about votes.
    Vote(Box<VoteAsk>),
    /// After a halt: what the audit log says of acts.
    Audit(Box<AuditAsk>),
    /// Asks for entries of the public log.
    Public(PublicAsk),
    /// Passes on heads of others' audit logs, so that two who were shown different logs find out.
    Heads(Vec<Unverified<LogHead>>),
    /// To a drawn witness: the head of the own audit log is to be countersigned. Asked again until it is.
    Countersign(Box<CountersignAsk>),
    /// As an auditor: asks what the node collects.
    Account(Box<AccountAsk>),
    /// Something about Sublime.
    Sublime(Box<SublimeAsk>),
}

/// An agent's request for a target's, co-signer's or signatory's word about its act.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The act.
    pub admission: Unverified<Admission>,
    /// The ticket; for who was drawn, the draw as well.
    pub warrants: Warrants,
    /// In which role the asked is to answer.
    pub role: Role,
}

/// A part of a signature, as seats send it to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturePart {
    /// What is signed, by its name.
    pub subject: ContentId,
    /// The part.
    pub part: PartialSignature,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug)]
pub enum Response {
    /// To [`Request::Hello`]: come in.
    Welcome(Welcome),
    /// To any request: no, and why.
    Refused(Refused),
    /// To [`Request::Reconcile`].
    Reconcile(Vec<u8>),
    /// To [`Request::Fetch`] and [`Request::HeadOf`]: the records at hand, at most a page.
    Records(Vec<Unverified<Record>>),
    /// To [`Request::Consistency`].
    Consistency(ConsistencyProof),
    /// To a request that only tells something.
    Noted,
    /// To [`Request::Seat`]: the last height decided here.
    Height(u64),
    /// To [`Request::Blocks`]: those at hand, in order, at most a page.
    Blocks(Vec<Unverified<Decided>>),
    /// To [`Request::State`].
    State {
        /// How many parts there are.
        parts: u32,
        /// The part.
        bytes: Vec<u8>,
    },
    /// To [`Request::Dealing`]: it is kept, and fits.
    Acknowledged(Box<Ack>),
    /// To [`Request::Parts`]: what the asked seat has the whole signature of.
    Signed(Vec<(ContentId, ThresholdSignature)>),
    /// To [`Request::Admit`].
    Admitted(Admitted),
    /// To [`Request::Consent`].
    Consent(Consented),
    /// To [`Request::Vote`].
    Vote(Box<VoteAnswer>),
    /// To [`Request::Audit`].
    Audit(Box<AuditShown>),
    /// To [`Request::Public`].
    Public(Box<PublicPage>),
    /// To [`Request::Countersign`].
    Countersigned(Countersign),
    /// To [`Request::Account`].
    Account(Box<Account>),
    /// To [`Request::Sublime`], about a rotation.
    Rotation(RotationAnswer),
}

/// A part of the records; each is reconciled on its own, the directory first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Records that say who is a member.
    Directory,
    /// All others.
    Rest,
}

impl Part {
    /// Returns the part to which records of `kind` belong.
    pub fn of(kind: Kind) -> Self {
        match Topic::of(kind) {
            Topic::Directory => Self::Directory,
            Topic::Capabilities
            | Topic::Acts
            | Topic::Alerts
            | Topic::Certificates
            | Topic::Sublime
            | Topic::Other => Self::Rest,
        }
    }
}

/// How a peer introduces itself.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Wire versions it speaks.
    pub versions: VersionRange,
    /// The mesh it means.
    pub mesh: ContentId,
    /// A newcomer's join record.
    pub join: Option<Unverified<Record>>,
}

/// How a peer lets another in.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Wire versions it speaks.
    pub versions: VersionRange,
    /// For a newcomer: the mesh's genesis record.
    pub genesis: Option<Unverified<Record>>,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Refused {
    /// The asker means another mesh.
    #[error("it belongs to another mesh")]
    OtherMesh,
    /// There is no wire version both speak.
    #[error("it speaks wire versions {min} to {max} only")]
    NoCommonVersion {
        /// Oldest spoken.
        min: u16,
        /// Newest spoken.
        max: u16,
    },
    /// The asker is not a member here.
    #[error("it does not know this node as a member")]
    NotAMember,
    /// The join rests on an invite that is not known here, or not yet.
    #[error("it does not know the invite")]
    UnknownInvite,
    /// The join does not admit.
    #[error("it refused the invite: {why}")]
    JoinRefused {
        /// The reason in words, at most 280 bytes.
        why: String,
    },
    /// Nothing to answer with: unknown session, log size or record.
    #[error("it has no answer to that")]
    NoAnswer,
    /// The asker sent what an honest peer would not.
    #[error("it found the request malformed")]
    Malformed,
    /// The asker has no right to ask this.
    #[error("it finds no right to ask that: {why}")]
    NotEntitled {
        /// The reason in words, at most 280 bytes.
        why: String,
    },
}

/// What became of an act at one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Outcome {
    /// It was executed.
    Executed,
    /// It was refused for this reason, at most 280 bytes.
    Refused {
        /// The reason in words.
        why: String,
    },
}

/// The head of a node's audit log: its size and root at a moment, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// Whose log.
    pub author: PublicKey,
    /// Entries in the log.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
    /// When the head was signed.
    pub time: Wall,
    /// The author's signature over the four fields above.
    pub signature: Signature,
}

impl LogHead {
    /// Encodes the head, to be kept beside other evidence.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a head that was kept; its signature is still to be checked.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("head of an audit log", bytes, LOG_HEAD_BYTES_MAX)
    }

    /// Returns the head as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }

    /// Signs a head.
    pub fn sign(identity: &Identity, size: u64, root: Hash, time: Wall) -> Self {
        let author = identity.public();
        let message = encode(&(author, size, root, time));
        let signature = identity.sign(Namespace::LogHead, &message);
        Self {
            author,
            size,
            root,
            time,
            signature,
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    pub fn verify(&self) -> Result<(), RejectReason> {
        let message = encode(&(self.author, self.size, self.root, self.time));
        verify(&self.author, Namespace::LogHead, &message, &self.signature)
            .map_err(|_| RejectReason::BadSignature)
    }
}

/// Longest encoding of a head: two keys' worth of bytes, a signature and two numbers.
const LOG_HEAD_BYTES_MAX: usize = 512;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum RequestWire {
    Hello {
        versions: VersionRange,
        mesh: ContentId,
        join: Option<ByteBuf>,
    },
    Reconcile {
        part: Part,
        session: ByteBuf,
        message: ByteBuf,
    },
    Fetch {
        part: Part,
        session: ByteBuf,
        keyed: Vec<ByteBuf>,
    },
    Push {
        records: Vec<ByteBuf>,
    },
    Stem {
        record: ByteBuf,
    },
    HeadOf,
    Head(LogHead),
    Consistency {
        old: u64,
        new: u64,
    },
    Outcome {
        act: ContentId,
        outcome: Outcome,
    },
    Seat(Box<SeatMessage>),
    Blocks {
        from: u64,
    },
    State {
        state: ContentId,
        part: u32,
    },
    Dealing {
        ceremony: ContentId,
        dealing: Box<SealedDealing>,
    },
    Parts(Vec<SignaturePart>),
    Offer(Box<Entry>),
    Admit(Box<Admission>),
    Consent {
        admission: Box<Admission>,
        warrants: Vec<Warrant>,
        role: Role,
    },
    Vote(Box<VoteAsk>),
    Audit(Box<AuditAsk>),
    Public(PublicAsk),
    Heads(Vec<LogHead>),
    Countersign {
        head: Box<LogHead>,
        height: u64,
    },
    Account(Box<AccountAsk>),
    Sublime(Box<SublimeAsk>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ResponseWire {
    Welcome {
        versions: VersionRange,
        genesis: Option<ByteBuf>,
    },
    Refused(Refused),
    Reconcile(ByteBuf),
    Records(Vec<ByteBuf>),
    Consistency(ConsistencyProof),
    Noted,
    Height(u64),
    Blocks(Vec<Decided>),
    State {
        parts: u32,
        bytes: ByteBuf,
    },
    Acknowledged(Box<Ack>),
    Signed(Vec<(ContentId, ThresholdSignature)>),
    Admitted(Admitted),
    Consent(Consented),
    Vote(Box<VoteAnswer>),
    Audit(Box<AuditShown>),
    Public(Box<PublicPage>),
    Countersigned(Countersign),
    Account(Box<Account>),
    Rotation(RotationAnswer),
}

fn pack(records: &[Unverified<Record>]) -> Vec<ByteBuf> {
    records
        .iter()
        .map(|record| ByteBuf::from(record.peek().bytes()))
        .collect()
}

fn unpack(records: Vec<ByteBuf>) -> Result<Vec<Unverified<Record>>, DecodeError> {
    if records.len() > PAGE_RECORDS_MAX {
        let why = format!(
            "has {} records, a page holds {PAGE_RECORDS_MAX}",
            records.len()
        );
        return Err(DecodeError::bounds("message", "records", why));
    }
    records.iter().map(|bytes| decode_record(bytes)).collect()
}

/// Bounds a list that seats or agents send.
fn few<T>(items: Vec<T>, field: &'static str) -> Result<Vec<T>, DecodeError> {
    if items.len() > PARTS_MAX {
        let why = format!(
            "has {} entries, at most {PARTS_MAX} are allowed",
            items.len()
        );
        return Err(DecodeError::bounds("message", field, why));
    }
    Ok(items)
}

fn key32(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], DecodeError> {
    bytes
        .try_into()
        .map_err(|_| DecodeError::bounds("message", what, "has 32 bytes"))
}

impl Request {
    /// Encodes the request for the wire.
    pub fn encode(&self) -> Vec<u8> {
        encode(&match self {
            Self::Hello(hello) => RequestWire::Hello {
                versions: hello.versions,
                mesh: hello.mesh,
                join: hello
                    .join
                    .as_ref()
                    .map(|join| ByteBuf::from(join.peek().bytes())),
            },
            Self::Reconcile {
                part,
                session,
                message,
            } => RequestWire::Reconcile {
                part: *part,
                session: ByteBuf::from(session.as_slice()),
                message: ByteBuf::from(message.as_slice()),
            },
            Self::Fetch {
                part,
                session,
                keyed,
            } => RequestWire::Fetch {
                part: *part,
                session: ByteBuf::from(session.as_slice()),
                keyed: keyed
                    .iter()
                    .map(|id| ByteBuf::from(id.as_slice()))
                    .collect(),
            },
            Self::Push { records } => RequestWire::Push {
                records: pack(records),
            },
            Self::Stem(record) => RequestWire::Stem {
                record: ByteBuf::from(record.peek().bytes()),
            },
            Self::HeadOf => RequestWire::HeadOf,
            Self::Head(head) => RequestWire::Head(head.peek().clone()),
            Self::Consistency { old, new } => RequestWire::Consistency {
                old: *old,
                new: *new,
            },
            Self::Outcome { act, outcome } => RequestWire::Outcome {
                act: *act,
                outcome: outcome.clone(),
            },
            Self::Seat(message) => RequestWire::Seat(Box::new(message.peek().clone())),
            Self::Blocks { from } => RequestWire::Blocks { from: *from },
            Self::State { state, part } => RequestWire::State {
                state: *state,
                part: *part,
            },
            Self::Dealing { ceremony, dealing } => RequestWire::Dealing {
                ceremony: *ceremony,
                dealing: dealing.clone(),
            },
            Self::Parts(parts) => RequestWire::Parts(parts.clone()),
            Self::Offer(entry) => RequestWire::Offer(Box::new(entry.peek().clone())),
            Self::Admit(admission) => RequestWire::Admit(Box::new(admission.peek().clone())),
            Self::Consent(consent) => RequestWire::Consent {
                admission: Box::new(consent.admission.peek().clone()),
                warrants: consent.warrants.to_wire(),
                role: consent.role,
            },
            Self::Vote(ask) => RequestWire::Vote(ask.clone()),
            Self::Audit(ask) => RequestWire::Audit(ask.clone()),
            Self::Public(ask) => RequestWire::Public(*ask),
            Self::Heads(heads) => {
                RequestWire::Heads(heads.iter().map(|head| head.peek().clone()).collect())
            }
            Self::Countersign(ask) => RequestWire::Countersign {
                head: Box::new(ask.head.peek().clone()),
                height: ask.height,
            },
            Self::Account(ask) => RequestWire::Account(ask.clone()),
            Self::Sublime(ask) => RequestWire::Sublime(ask.clone()),
        })
    }

    /// Decodes a request from another peer.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(match decode("request", bytes, MESSAGE_BYTES_MAX)? {
            RequestWire::Hello {
                versions,
                mesh,
                join,
            } => Self::Hello(Hello {
                versions,
                mesh,
                join: join.map(|bytes| decode_record(&bytes)).transpose()?,
            }),
            RequestWire::Reconcile {
                part,
                session,
                message,
            } => Self::Reconcile {
                part,
                session: key32("session", &session)?,
                message: message.into_vec(),
            },
            RequestWire::Fetch {
                part,
                session,
                keyed,
            } => {
                if keyed.len() > PAGE_RECORDS_MAX {
                    let why = format!("asks for more than {PAGE_RECORDS_MAX} records");
                    return Err(DecodeError::bounds("message", "keyed", why));
                }
                let keyed = keyed
                    .iter()
                    .map(|id| key32("keyed", id))
                    .collect::<Result<_, _>>()?;
                Self::Fetch {
                    part,
                    session: key32("session", &session)?,
                    keyed,
                }
            }
            RequestWire::Push { records } => Self::Push {
                records: unpack(records)?,
            },
            RequestWire::Stem { record } => {
                let record = decode_record(&record)?;
                if !record.peek().body().is_sensitive() {
                    let why = "is of a kind that goes along a stem";
                    return Err(DecodeError::bounds("message", "record", why));
                }
                Self::Stem(record)
            }
            RequestWire::HeadOf => Self::HeadOf,
            RequestWire::Head(head) => Self::Head(Unverified::from_wire(head)),
            RequestWire::Consistency { old, new } => Self::Consistency { old, new },
            RequestWire::Outcome { act, outcome } => Self::Outcome { act, outcome },
            RequestWire::Seat(message) => {
                message.check()?;
                Self::Seat(Box::new(Unverified::from_wire(*message)))
            }
            RequestWire::Blocks { from } => Self::Blocks { from },
            RequestWire::State { state, part } => Self::State { state, part },
            RequestWire::Dealing { ceremony, dealing } => {
                if !dealing.is_well_formed() {
                    return Err(DecodeError::bounds(
                        "dealing",
                        "sealed",
                        "has one length only",
                    ));
                }
                Self::Dealing { ceremony, dealing }
            }
            RequestWire::Parts(parts) => Self::Parts(few(parts, "parts")?),
            RequestWire::Offer(entry) => {
                entry.check()?;
                Self::Offer(Box::new(Unverified::from_wire(*entry)))
            }
            RequestWire::Admit(admission) => {
                admission.check()?;
                Self::Admit(Box::new(Unverified::from_wire(*admission)))
            }
            RequestWire::Consent {
                admission,
                warrants,
                role,
            } => {
                admission.check()?;
                Self::Consent(Box::new(Consent {
                    admission: Unverified::from_wire(*admission),
                    warrants: Warrants::read(&few(warrants, "warrants")?)?,
                    role,
                }))
            }
            RequestWire::Vote(ask) => {
                ask.check()?;
                Self::Vote(ask)
            }
            RequestWire::Audit(ask) => {
                ask.check()?;
                Self::Audit(ask)
            }
            RequestWire::Public(ask) => Self::Public(ask),
            RequestWire::Heads(heads) => {
                if heads.len() > HEADS_PASSED_MAX {
                    let why = format!("has more than {HEADS_PASSED_MAX} entries");
                    return Err(DecodeError::bounds("message", "heads", why));
                }
                Self::Heads(heads.into_iter().map(Unverified::from_wire).collect())
            }
            RequestWire::Countersign { head, height } => {
                let head = Unverified::from_wire(*head);
                Self::Countersign(Box::new(CountersignAsk { head, height }))
            }
            RequestWire::Account(ask) => Self::Account(ask),
            RequestWire::Sublime(ask) => {
                ask.check()?;
                Self::Sublime(ask)
            }
        })
    }
}

impl Response {
    /// Encodes the response for the wire.
    pub fn encode(&self) -> Vec<u8> {
        encode(&match self {
            Self::Welcome(welcome) => ResponseWire::Welcome {
                versions: welcome.versions,
                genesis: welcome
                    .genesis
                    .as_ref()
                    .map(|g| ByteBuf::from(g.peek().bytes())),
            },
            Self::Refused(refused) => ResponseWire::Refused(refused.clone()),
            Self::Reconcile(message) => ResponseWire::Reconcile(ByteBuf::from(message.as_slice())),
            Self::Records(records) => ResponseWire::Records(pack(records)),
            Self::Consistency(proof) => ResponseWire::Consistency(proof.clone()),
            Self::Noted => ResponseWire::Noted,
            Self::Height(height) => ResponseWire::Height(*height),
            Self::Blocks(blocks) => {
                ResponseWire::Blocks(blocks.iter().map(|block| block.peek().clone()).collect())
            }
            Self::State { parts, bytes } => ResponseWire::State {
                parts: *parts,
                bytes: ByteBuf::from(bytes.as_slice()),
            },
            Self::Acknowledged(ack) => ResponseWire::Acknowledged(ack.clone()),
            Self::Signed(signed) => ResponseWire::Signed(signed.clone()),
            Self::Admitted(admitted) => ResponseWire::Admitted(admitted.clone()),
            Self::Consent(asked) => ResponseWire::Consent(asked.clone()),
            Self::Vote(answer) => ResponseWire::Vote(answer.clone()),
            Self::Audit(shown) => ResponseWire::Audit(shown.clone()),
            Self::Public(page) => ResponseWire::Public(page.clone()),
            Self::Countersigned(one) => ResponseWire::Countersigned(*one),
            Self::Account(account) => ResponseWire::Account(account.clone()),
            Self::Rotation(answer) => ResponseWire::Rotation(answer.clone()),
        })
    }

    /// Decodes a response from another peer.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(match decode("response", bytes, MESSAGE_BYTES_MAX)? {
            ResponseWire::Welcome { versions, genesis } => Self::Welcome(Welcome {
                versions,
                genesis: genesis.map(|bytes| decode_record(&bytes)).transpose()?,
            }),
            ResponseWire::Refused(refused) => Self::Refused(refused),
            ResponseWire::Reconcile(message) => Self::Reconcile(message.into_vec()),
            ResponseWire::Records(records) => Self::Records(unpack(records)?),
            ResponseWire::Consistency(proof) => Self::Consistency(proof),
            ResponseWire::Noted => Self::Noted,
            ResponseWire::Height(height) => Self::Height(height),
            ResponseWire::Blocks(blocks) => {
                if blocks.len() > PAGE_BLOCKS_MAX {
                    let why = format!(
                        "has {} blocks, a page holds {PAGE_BLOCKS_MAX}",
                        blocks.len()
                    );
                    return Err(DecodeError::bounds("message", "blocks", why));
                }
                blocks.iter().try_for_each(Decided::check)?;
                Self::Blocks(blocks.into_iter().map(Unverified::from_wire).collect())
            }
            ResponseWire::State { parts, bytes } => {
                if parts > STATE_PARTS_MAX || bytes.len() > STATE_PART_BYTES {
                    let why = format!(
                        "has at most {STATE_PARTS_MAX} parts of {STATE_PART_BYTES} bytes each"
                    );
                    return Err(DecodeError::bounds("message", "state", why));
                }
                Self::State {
                    parts,
                    bytes: bytes.into_vec(),
                }
            }
            ResponseWire::Acknowledged(ack) => Self::Acknowledged(ack),
            ResponseWire::Signed(signed) => Self::Signed(few(signed, "signed")?),
            ResponseWire::Admitted(admitted) => {
                admitted.check()?;
                Self::Admitted(admitted)
            }
            ResponseWire::Consent(asked) => {
                asked.check()?;
                Self::Consent(asked)
            }
            ResponseWire::Vote(answer) => {
                answer.check()?;
                Self::Vote(answer)
            }
            ResponseWire::Audit(shown) => {
                shown.check()?;
                Self::Audit(shown)
            }
            ResponseWire::Public(page) => {
                page.check()?;
                Self::Public(page)
            }
            ResponseWire::Countersigned(one) => Self::Countersigned(one),
            ResponseWire::Account(account) => {
                account.check()?;
                Self::Account(account)
            }
            ResponseWire::Rotation(answer) => {
                answer.check()?;
                Self::Rotation(answer)
            }
        })
    }
}
