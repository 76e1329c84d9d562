//! What the local user asks of the node, and what comes back.
//!
//! A command that makes a record is answered once the record is on disk: what is acknowledged
//! survives a crash.

use std::sync::Arc;

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, RevocationId, RootKey, Token},
};

use super::{
    case::{CaseCommand, CaseRefusal, CasesView, LedgerView},
    emergency::{CallsView, EmergencyCommand, EmergencyRefusal},
    inspection::{AccountView, InspectionCommand, InspectionRefusal, RoundsView},
    limits::ERASED_IDS_MAX,
    reject::{ActRefusal, RejectReason},
    sublime::{
        AttestedView, DealtView, DrawnView, GuardiansView, ReleasedView, SublimeCommand,
        SublimeRefusal, SublimeView, TriedShare,
    },
    time::{Millis, Mono, Wall},
    vote::{JuryView, VoteCommand, VoteRefusal, VotesView},
};
use crate::{
    anti_meave::{consents::ConsentView, proposals::ProposalView},
    charter::{Charter, NotNext, violation::Barred},
    spine::{
        audit::{
            countersigned::Countersigned,
            tree::{ConsistencyProof, Hash, InclusionProof},
        },
        ballot::{BallotBundle, Recounted},
        committee::{HandingView, OpenPlan, RecoveryView},
        directory::Member,
        erasure::ErasureReceipt,
        halt::{self, HaltReport, PullReport},
    },
    wire::{
        CallStanding, Certificate, Change, CountersignedHead, ERASE_ACTS_AFTER, HelloShown,
        LogHead, MultiSig, Outcome, OverrideProof, PolicyName, PublicEntry, PublicHead, Reason,
        Record, Region, Rules, Targets,
    },
};

/// Something the local user asks.
#[derive(Clone, Debug)]
pub enum Command {
    /// Asks how the node and its mesh are.
    Status,
    /// Lists the open links.
    Links,
    /// Lists the members.
    Members,
    /// Opens a door for one newcomer.
    Invite {
        /// Public half of the one-time key.
        key: PublicKey,
        /// How long the door stays open.
        life: Millis,
    },
    /// Makes a capability token known to the mesh.
    PublishCapability {
        /// The root it is signed under.
        root: RootKey,
        /// The token.
        token: Token,
    },
    /// Revokes tokens granted by the own root.
    Revoke {
        /// The blocks to revoke.
        ids: Vec<RevocationId>,
        /// Why.
        reason: Reason,
    },
    /// Lists the capability tokens known here.
    Capabilities,
    /// Accepts a delegation root for acts on this node, or no longer.
    AcceptRoot {
        /// The root.
        root: RootKey,
        /// Whether it is accepted from now on.
        accepted: bool,
    },
    /// Asks other nodes for a change.
    Propose {
        /// What; `from_version` is filled in from this node's own policy.
        change: Change,
        /// Where.
        targets: Aim,
        /// The agent's token.
        token: Token,
        /// The root it is signed under.
        root: RootKey,
        /// How long the act may wait for execution.
        life: Millis,
    },
    /// Asks other nodes for a change without a vote, in an emergency: it is public, and lapses unless told to all.
    Override {
        /// What; `from_version` is filled in from this node's own policy.
        change: Change,
        /// Where.
        targets: Aim,
        /// The agent's token.
        token: Token,
        /// The root it is signed under.
        root: RootKey,
        /// How long the act may wait for execution.
        life: Millis,
        /// Why there is no time for a vote.
        why: String,
        /// What will come of it.
        consequences: String,
    },
    /// Lists the overrides of the public log.
    Overrides,
    /// Shows entries of the public log.
    PublicLog {
        /// The first place.
        from: u64,
        /// How many, at most a page.
        count: u32,
    },
    /// Asks for the proof that an entry stands in the public log.
    ProvePublic {
        /// Its place.
        index: u64,
        /// Entries in an earlier head that the log is to be shown to extend.
        since: EarlierHead,
    },
    /// Asks for the proof that an entry stands in the own audit log.
    ProveEntry {
        /// Its place.
        index: u64,
        /// Entries in an earlier head that the log is to be shown to extend.
        since: EarlierHead,
    },
    /// Changes this node alone.
    Local {
        /// What.
        change: Change,
        /// The token of the agent that asks.
        token: Token,
    },
    /// Lists the acts known here, newest first.
    Acts,
    /// Asks what is frozen or halted, and why.
    Halt,
    /// Asks what audit logs say of the acts of a halt's root, and what they have said until now.
    Pull {
        /// The halt.
        halt: halt::HaltId,
        /// Whether those who were silent are asked again.
        again: bool,
    },
    /// Lists own acts on their way.
    Proposals,
    /// Lists what this node was asked to agree to, to co-sign or to approve.
    Consents,
    /// Co-signs or approves an act that this node was drawn for, or refuses it.
    Cosign {
        /// The act, by its digest.
        act: ContentId,
        /// Whether it is signed; else it is refused. A co-signer's refusal ends it.
        approve: bool,
    },
    /// Asks who sits on the committee, and who is to.
    Committee,
    /// Proposes other seats, as one of the present ones.
    ProposeSeats {
        /// Members that are to have a seat.
        add: Vec<PublicKey>,
        /// Seats that are to leave.
        remove: Vec<PublicKey>,
    },
    /// Approves of seats that another seat has proposed.
    ApproveSeats(ContentId),
    /// Proposes a new committee in place of a lost one, as a member that counts.
    ProposeRecovery {
        /// Who is to sit.
        seats: Vec<PublicKey>,
    },
    /// Speaks for a new committee that another member has proposed.
    SignRecovery(ContentId),
    /// Asks or does something about votes.
    Vote(VoteCommand),
    /// Says an amendment of the charter to all, so that it can be voted on.
    ProposeCharter(Charter),
    /// Has what own records say erased at every node; without a list all that can be.
    Erase(Option<Vec<ContentId>>),
    /// Lists own erasures with the receipts for them.
    Erasures,
    /// Asks or does something about violations of the charter.
    Case(CaseCommand),
    /// Asks or does something about audits of members' nodes.
    Inspection(InspectionCommand),
    /// Asks or does something about Sublime.
    Sublime(SublimeCommand),
    /// Asks or does something about calls in an emergency.
    Emergency(EmergencyCommand),
    /// Shows the policies in force here.
    Policies,
    /// Leaves the mesh.
    Leave,
    /// States as a committee seat that a member be removed.
    Remove {
        /// Who.
        member: PublicKey,
        /// Why.
        reason: Reason,
    },
    /// Asks for the head of the own audit log and for those seen of others.
    AuditHeads,
    /// Starts a catch-up with every linked peer now.
    CatchUp,
}

impl Command {
    /// Tells whether the command only asks: it makes no record and changes nothing.
    pub const fn is_question(&self) -> bool {
        match self {
            Self::Status
            | Self::Links
            | Self::Members
            | Self::Capabilities
            | Self::Acts
            | Self::Proposals
            | Self::Consents
            | Self::Committee
            | Self::Halt
            | Self::Pull { .. }
            | Self::Policies
            | Self::AuditHeads
            | Self::Erasures
            | Self::Overrides
            | Self::PublicLog { .. }
            | Self::ProvePublic { .. }
            | Self::ProveEntry { .. }
            | Self::CatchUp
            | Self::Vote(
                VoteCommand::List
                | VoteCommand::Jury
                | VoteCommand::Recount(_)
                | VoteCommand::Bundle(_),
            )
            | Self::Case(CaseCommand::List | CaseCommand::Ledger)
            | Self::Inspection(InspectionCommand::Rounds)
            | Self::Sublime(
                SublimeCommand::Show
                | SublimeCommand::Draw(_)
                | SublimeCommand::Released(_)
                | SublimeCommand::Guardians
                | SublimeCommand::Recoveries
                | SublimeCommand::Drill,
            )
            | Self::Emergency(
                EmergencyCommand::Hello(_)
                | EmergencyCommand::Standing(_)
                | EmergencyCommand::Calls
                | EmergencyCommand::Reason(_),
            ) => true,
            Self::Invite { .. }
            | Self::PublishCapability { .. }
            | Self::Revoke { .. }
            | Self::AcceptRoot { .. }
            | Self::Propose { .. }
            | Self::Override { .. }
            | Self::Cosign { .. }
            | Self::ProposeSeats { .. }
            | Self::ApproveSeats(_)
            | Self::ProposeRecovery { .. }
            | Self::SignRecovery(_)
            | Self::ProposeCharter(_)
            | Self::Erase(_)
            | Self::Case(
                CaseCommand::Report(_)
                | CaseCommand::Submit(_)
                | CaseCommand::Say { .. }
                | CaseCommand::Appeal(_),
            )
            | Self::Inspection(InspectionCommand::Ask { .. })
            | Self::Sublime(
                SublimeCommand::Serve(_)
                | SublimeCommand::Deal(_)
                | SublimeCommand::Submit(_)
                | SublimeCommand::Announce(_)
                | SublimeCommand::Forget(_)
                | SublimeCommand::Invite { .. }
                | SublimeCommand::Accept(_)
                | SublimeCommand::Decline(_)
                | SublimeCommand::TellDrill(_)
                | SublimeCommand::Request { .. }
                | SublimeCommand::Attest { .. }
                | SublimeCommand::RevokeTrustees(_),
            )
            | Self::Emergency(
                EmergencyCommand::Revoke(_)
                | EmergencyCommand::Onion(_)
                | EmergencyCommand::Call(_)
                | EmergencyCommand::Convene(_),
            )
            | Self::Local { .. }
            | Self::Vote(
                VoteCommand::Propose { .. }
                | VoteCommand::Cast { .. }
                | VoteCommand::Delegate { .. }
                | VoteCommand::OnCall { .. },
            )
            | Self::Leave
            | Self::Remove { .. } => false,
        }
    }
}

/// Why a charter cannot be put to a vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmendmentRefusal {
    /// There is none to be amended.
    #[error(
        "this mesh was founded without a charter, so that there is none to amend: found a new one by `x0 genesis --charter`"
    )]
    NoCharter,
    /// It does not follow the one in force.
    #[error(transparent)]
    NotNext(#[from] NotNext),
}

/// Why what records say cannot be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureRefusal {
    /// No record is named.
    #[error("no record is named: name some, or erase all that can be")]
    Nothing,
    /// Too many are named.
    #[error("{0} records are named, {max} at most fit one erasure: erase all that can be, or go in steps", max = ERASED_IDS_MAX)]
    TooMany(usize),
    /// It is not known here.
    #[error("record {0} is not known here: `x0 data show` lists what is")]
    Unknown(ContentId),
    /// It is somebody else's.
    #[error("record {0} is not this node's: only its author can have it erased")]
    Others(ContentId),
    /// The state of the mesh follows from it.
    #[error(
        "record {0} is needed by everybody who joins later and stays: only acts and published tokens can be erased"
    )]
    Needed(ContentId),
    /// It may still be executed somewhere.
    #[error("act {0} may still be executed: it can be erased {minutes} minutes after it was written", minutes = ERASE_ACTS_AFTER.0 / 60_000)]
    TooYoung(ContentId),
}

/// An own erasure and what came of it.
#[derive(Clone, Debug)]
pub struct ErasureView {
    /// The erasure's record.
    pub id: ContentId,
    /// When it was written.
    pub time: Wall,
    /// How many records it covers, as far as they are known here.
    pub covered: u32,
    /// Whether it covers all that could be erased.
    pub all: bool,
    /// The proofs of nodes that complied.
    pub receipts: Vec<ErasureReceipt>,
    /// Active members, all of whom are to comply.
    pub members: u32,
}

/// How the targets of an act are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// As the record will say.
    At(Targets),
    /// So many other members, drawn at random by this node.
    Count(u32),
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::Links`].
    Links(Vec<LinkView>),
    /// To [`Command::Members`].
    Members(Vec<Member>),
    /// To commands that make a record: it is on disk and on its way.
    Recorded(ContentId),
    /// To [`Command::Capabilities`].
    Capabilities(Vec<CapabilityView>),
    /// To [`Command::Acts`].
    Acts(Vec<ActView>),
    /// To [`Command::Propose`] in a mesh with a committee: the act, by its digest, is on its way.
    Proposed(ContentId),
    /// To [`Command::Proposals`].
    Proposals(Vec<ProposalView>),
    /// To [`Command::Consents`].
    Consents(Vec<ConsentView>),
    /// To [`Command::Committee`].
    Committee(Box<CommitteeView>),
    /// To [`Command::ProposeSeats`] and [`Command::ApproveSeats`]: the plan, by its name, is on its way to the seats.
    Plan(ContentId),
    /// To [`Command::Halt`].
    Halt(Box<HaltReport>),
    /// To [`Command::Pull`].
    Pulled(Box<PullReport>),
    /// To [`VoteCommand::List`].
    Votes(Box<VotesView>),
    /// The juries known here.
    Jury(Box<JuryView>),
    /// To votes' commands that hand something in: it is on disk and on its way, by its name.
    Voted(ContentId),
    /// To [`VoteCommand::Recount`].
    Recounted(Recounted),
    /// To [`VoteCommand::Bundle`].
    Bundle(Box<BallotBundle>),
    /// To [`CaseCommand::List`].
    Cases(Box<CasesView>),
    /// To [`InspectionCommand::Rounds`].
    Rounds(Box<RoundsView>),
    /// To [`InspectionCommand::Ask`].
    Account(Box<AccountView>),
    /// To [`SublimeCommand::Show`].
    Sublime(Box<SublimeView>),
    /// To [`SublimeCommand::Draw`].
    Drawn(Box<DrawnView>),
    /// To [`SublimeCommand::Deal`].
    Dealt(Box<DealtView>),
    /// To [`EmergencyCommand::Hello`]; the manifest is left to the driver, which has the record.
    Hello(Box<HelloShown>),
    /// To [`EmergencyCommand::Standing`].
    CallStanding(Box<CallStanding>),
    /// To [`EmergencyCommand::Calls`].
    Calls(Box<CallsView>),
    /// To [`EmergencyCommand::Reason`]; none if it is not sealed to this node's member.
    Reason(Option<Reason>),
    /// To [`SublimeCommand::Released`].
    Released(Box<ReleasedView>),
    /// To [`SublimeCommand::Recoveries`], the newest first.
    Recoveries(Vec<AttestedView>),
    /// To [`SublimeCommand::Guardians`].
    Guardians(Box<GuardiansView>),
    /// To [`SublimeCommand::Drill`], by the key of the item.
    Tried(Vec<TriedShare>),
    /// To [`CaseCommand::Ledger`].
    Ledger(Box<LedgerView>),
    /// To [`Command::Policies`].
    Policies(Vec<PolicyView>),
    /// To [`Command::AuditHeads`].
    AuditHeads(AuditHeads),
    /// To [`Command::Erasures`].
    Erasures(Vec<ErasureView>),
    /// To [`Command::Overrides`], the newest first.
    Overrides(Vec<OverrideView>),
    /// To [`Command::PublicLog`].
    PublicLog(Box<PublicView>),
    /// To [`Command::ProvePublic`].
    PublicProof(Box<PublicProof>),
    /// To [`Command::ProveEntry`].
    EntryProof(Box<EntryProof>),
    /// To commands that change only this node: it is done.
    Done,
}

/// Entries in an earlier head of a log, if a proof is to lead on from one.
pub type EarlierHead = Option<u64>;

/// An override as the public log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideView {
    /// Its place in the public log.
    pub index: u64,
    /// Who, what, where, why, and with what consequences.
    pub entry: PublicEntry,
    /// Whether the time in which it must be told to all is over.
    pub is_over: bool,
    /// Whether it was told to all in time, so that it stays.
    pub is_broadcast: bool,
    /// Whether it runs on this node and may still lapse here.
    pub runs_here: bool,
}

/// A page of this node's copy of the public log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicView {
    /// Where the copy stands.
    pub head: PublicHead,
    /// The newest checkpoint that certifies it.
    pub certificate: Option<Certificate>,
    /// Entries that are certified, if that is more than are here.
    pub wanted: Option<u64>,
    /// Entries from the place asked for on.
    pub entries: Vec<PublicEntry>,
}

/// The proof that an entry stands in the public log, with all that it takes to check it.
#[derive(Clone, Debug)]
pub struct PublicProof {
    /// The entry, its place, the way to the root, and the checkpoint.
    pub proof: OverrideProof,
    /// An earlier head, and the proof that the log extends it.
    pub earlier: Option<(PublicHead, ConsistencyProof)>,
    /// The mesh's genesis.
    pub genesis: Record,
    /// The records that name the committee's keys, the newest last.
    pub epochs: Vec<Record>,
}

impl PublicProof {
    /// Returns the head under which the entry stands; an empty one if the certificate is none of a checkpoint.
    pub fn head(&self) -> PublicHead {
        self.proof.head.statement.public_head().unwrap_or_default()
    }
}

/// The proof that an entry stands in the own audit log.
#[derive(Clone, Debug)]
pub struct EntryProof {
    /// The mesh.
    pub mesh: ContentId,
    /// The entry's place.
    pub index: u64,
    /// The way to the root.
    pub inclusion: InclusionProof,
    /// The head: one that is countersigned if the entry stands under it, else one that was signed for this answer.
    pub head: LogHead,
    /// Who has countersigned the head.
    pub countersigned: Option<Box<CountersignedProof>>,
    /// An earlier head, and the proof that the log extends it.
    pub earlier: Option<(PublicHead, ConsistencyProof)>,
}

/// A head that is countersigned, with all that it takes to check by whom, from the genesis on.
#[derive(Clone, Debug)]
pub struct CountersignedProof {
    /// The head.
    pub head: CountersignedHead,
    /// The mesh's genesis.
    pub genesis: Record,
    /// The records that name the committee's keys.
    pub epochs: Vec<Record>,
}

/// How the node and its mesh are.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub node: PublicKey,
    /// The mesh's id.
    pub mesh: ContentId,
    /// The mesh's name.
    pub name: String,
    /// Rules of validity in force.
    pub rules: Rules,
    /// Mesh seconds per real second.
    pub time_scale: u32,
    /// Active members.
    pub members: u32,
    /// Open, greeted links.
    pub links: u32,
    /// Links the self-healing loop keeps up.
    pub links_target: u64,
    /// Records known.
    pub records: u64,
    /// Records waiting for one they depend on.
    pub orphans: u32,
    /// Whether the own chain's head is known, so that this node may write and execute.
    pub ready: bool,
    /// Entries in the own audit log.
    pub audit_size: u64,
    /// The charter in force; none if the mesh was founded without one.
    pub charter: Option<Charter>,
    /// Nodes an act may touch with a token alone.
    pub token_reach: u32,
    /// Seats whose statements remove a member, and how many must agree.
    pub seats: (u32, u32),
    /// The committee log, at a node that keeps it.
    pub committee: Option<CommitteeStatus>,
    /// What this node knows of the committee, whether it has a seat or not.
    pub trust: TrustStatus,
    /// Whether this node is still an active member.
    pub member: bool,
    /// Time of the last repair by the self-healing loop, if there was one.
    pub last_repair: Option<Millis>,
    /// How things stand for acts under this node's own root: running, unless the mesh is halted.
    pub standing: halt::Standing,
    /// When that was, by the clock of halts.
    pub standing_at: Wall,
    /// Roots frozen on this node.
    pub frozen: u32,
    /// Witnesses of this epoch, if so many can be drawn.
    pub witnesses: u32,
    /// Cases known here that are not over, and those of them that are overdue.
    pub cases: (u32, u32),
    /// Audits of members' nodes that have time, and what is overdue of them.
    pub audits: (u32, u32),
    /// What bars this node by a verdict, if anything does.
    pub barred: Option<Barred>,
}

impl Status {
    /// Tells whether the mesh is halted, as this node knows it.
    pub const fn is_halted(&self) -> bool {
        matches!(self.standing, halt::Standing::Halted { .. })
    }
}

/// What a node knows of the committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStatus {
    /// Whether the mesh has seats enough for a committee.
    pub has_committee: bool,
    /// How long a member must have been one to be drawn and to count; anything but 30 days marks a test mesh.
    pub member_age: Millis,
    /// The epoch of the committee's keys, once they are made and known here.
    pub epoch: Option<u64>,
    /// The last height certified that is known here, and how many members count as of it.
    pub checkpoint: Option<(u64, u32)>,
    /// Mesh time, once it is certified.
    pub time: Option<Wall>,
    /// For how long no newer checkpoint was heard of, once that is so long that acts on this node are refused.
    pub silence: Option<Millis>,
    /// The height of the checkpoint that this node's invite names, as long as none of it or later is known here.
    pub behind: Option<u64>,
    /// Acts that wait for a person of this node to co-sign or approve them.
    pub cosign_waiting: u32,
}

/// Who sits on the committee, and who is to, as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeView {
    /// The epoch of the keys in force.
    pub epoch: Option<u64>,
    /// Who sits.
    pub seats: Vec<PublicKey>,
    /// Plans that wait for approvals, by name; only seats know them.
    pub plans: Vec<(ContentId, OpenPlan)>,
    /// How far a hand-over is; only seats know it.
    pub handing: Option<HandingView>,
    /// Plans to recover a lost committee, and how many have spoken for each.
    pub recoveries: Vec<RecoveryView>,
}

/// How the committee log stands, as a seat keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitteeStatus {
    /// Seats, and how many of them decide.
    pub seats: (u32, u32),
    /// Seats linked to this node, itself included.
    pub linked: u32,
    /// The last height decided.
    pub height: u64,
    /// Mesh time as of it.
    pub time: Wall,
    /// The height under way and for how long it has been, if there is one.
    pub deciding: Option<(u64, Millis)>,
    /// Keys of the present epoch of which this seat holds its share, of three; none while they are being made.
    pub shares: Option<u32>,
}

/// An open link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The peer at the other end.
    pub peer: PublicKey,
    /// Whether this side dialled.
    pub dialled: bool,
    /// Whether both sides have greeted.
    pub greeted: bool,
    /// Since when it is up.
    pub since: Mono,
}

/// A capability token known here.
#[derive(Clone, Debug)]
pub struct CapabilityView {
    /// The record that made it known.
    pub id: ContentId,
    /// Who published it.
    pub publisher: PublicKey,
    /// The token, verified and understood.
    pub capability: Arc<Capability>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether this node takes acts under its root.
    pub accepted: bool,
}

/// An act known here.
#[derive(Clone, Debug)]
pub struct ActView {
    /// Its record.
    pub id: ContentId,
    /// The agent.
    pub agent: PublicKey,
    /// What it changes, in words.
    pub change: String,
    /// Where.
    pub targets: Targets,
    /// When it was written.
    pub time: Wall,
    /// What became of it here, if this node is a target.
    pub here: Option<Outcome>,
    /// For own acts: what became of it elsewhere.
    pub elsewhere: Vec<(PublicKey, Outcome)>,
    /// Approvals that it carries, and what was asked for, if its ticket asks for any.
    pub approvals: Option<(u32, MultiSig)>,
}

/// A policy in force here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// Its name.
    pub policy: PolicyName,
    /// Its value.
    pub value: u64,
    /// How often it was changed.
    pub version: u64,
}

/// The heads of audit logs known here.
#[derive(Clone, Debug)]
pub struct AuditHeads {
    /// Entries in the own log.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Peers that hold the own head or an earlier one.
    pub witnesses: Vec<(PublicKey, u64)>,
    /// Entries under the newest own head that is countersigned, and by whom it is.
    pub countersigned: Option<(u64, Countersigned)>,
    /// The newest heads seen of others.
    pub seen: Vec<crate::wire::LogHead>,
}

/// Why a command was not carried out, with the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The node has not found the head of its own chain yet.
    #[error(
        "this node is still asking its peers for the head of its own record chain, so that it does not \
         write the same place twice: try again in a few seconds, or check `x0 peers`"
    )]
    NotReady,
    /// The node is no longer a member.
    #[error("this node is no longer a member of the mesh: join again with a new invite")]
    NotAMember,
    /// The act is refused by this node's own check, as its targets would refuse it.
    #[error("refused: {0}")]
    Act(#[from] ActRefusal),
    /// The token does not hold.
    #[error("the token does not hold: {0}")]
    Token(String),
    /// The record cannot be made.
    #[error("the record cannot be made: {0}")]
    Record(#[from] RejectReason),
    /// A value is out of range.
    #[error("{0}")]
    OutOfRange(String),
    /// A log has no such entry.
    #[error(
        "the log has {size} entries, counted from 0, and none at {index}: `x0 audit` lists them"
    )]
    NoSuchEntry {
        /// What was asked for.
        index: u64,
        /// Entries in the log.
        size: u64,
    },
    /// An earlier head is larger than the log.
    #[error(
        "the log has {size} entries, so that no earlier head has {old}: name a size of at most {size}"
    )]
    NoSuchHead {
        /// What was asked for.
        old: u64,
        /// Entries in the log.
        size: u64,
    },
    /// The public log here is not certified as it stands.
    #[error(
        "this node does not know the committee's checkpoint for its copy of the public log: it is still catching up; \
         try again in a minute"
    )]
    NotCertified,
    /// Nobody asks this node's person for a word about such an act.
    #[error("this node is not asked to co-sign or approve {0}: `x0 act cosign` lists what waits")]
    NothingToCosign(ContentId),
    /// Only a seat of the committee has a say in who sits on it.
    #[error("this node has no seat of the committee; the seats are {0}")]
    NoSeat(String),
    /// No such halt is known to this node.
    #[error("no halt {0} is known here: `x0 halt status` lists those known")]
    NoSuchHalt(String),
    /// No plan of this name waits for approvals.
    #[error("no plan {0} of new seats waits for approvals")]
    NoSuchPlan(ContentId),
    /// The charter cannot be put to a vote.
    #[error(transparent)]
    Amendment(#[from] AmendmentRefusal),
    /// What records say cannot be erased.
    #[error(transparent)]
    Erasure(#[from] ErasureRefusal),
    /// A verdict bars this node from this.
    #[error("this node {0}: `x0 charter case list` shows the case")]
    Barred(Barred),
    /// Something about a case cannot be done.
    #[error(transparent)]
    Case(#[from] CaseRefusal),
    /// A node gave no account of what it collects.
    #[error(transparent)]
    Inspection(#[from] InspectionRefusal),
    /// Something about Sublime cannot be done.
    #[error(transparent)]
    Sublime(#[from] SublimeRefusal),
    /// Something about a call in an emergency cannot be done.
    #[error(transparent)]
    Emergency(#[from] EmergencyRefusal),
    /// Something about a vote cannot be done.
    #[error(transparent)]
    Vote(#[from] VoteRefusal),
    /// Too many own acts are on their way.
    #[error("{0} own acts are on their way: wait until some have ended")]
    TooManyProposals(usize),
    /// Only a seat may say this.
    #[error("only a seat of the genesis may state a removal; the seats are {0}")]
    NotASeat(String),
    /// There is no such member.
    #[error("{0} is not an active member: `x0 peers --members` lists them")]
    NoSuchMember(PublicKey),
    /// The region is not in the genesis list.
    #[error("the region {0} is not in the genesis list")]
    NoSuchRegion(Region),
    /// The change was approved but could not be carried out.
    #[error("the change was approved but failed: {0}")]
    Failed(String),
}
