//! Votes on their way: what members hand to the seats, what the seats put into their log, what they certify of a
//! vote, and what proves to any node that one has passed (see `spine::ballot`).
//!
//! A [`VoteProposal`] names its *subject*: an act by its digest, or anything else that has a content id. Its own id
//! covers all it says, so whoever knows the id of a vote knows its rules and its subject.
//!
//! The seats certify three things of a vote, each once: that it is open and for whom ([`VoteOpened`]), what was
//! counted (`TallyStatement`), and what holds in the end ([`VoteResolved`]).

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature,
    capability::ShareBp,
    committee::{CommitteeKey, Purpose, ThresholdSignature},
};

use super::{
    Ballot, BallotList, Certificate, Choice, DecodeError, Delegation, DelegationScope, Elector,
    JuryProof, OnCall, Placed, Reason, Receipt, Statement, Unverified, Verified, Vote, VoteProof,
    VoteStatement,
    ballot::{UNSIGNED, signed_by},
    body::ordered,
    codec::encode,
    jury::{jury_electorate, jury_max, names},
};
use crate::{
    core::{
        limits::{
            ACCESS_WINDOW_MIN, BATCH_BALLOTS_MAX, FRAUD_BYTES_MAX, OPENINGS_MAX, PAGE_ELECTORS_MAX,
            PAGE_LEAVES_MAX, PAGE_NODES_MAX, PROPOSAL_BYTES_MAX, REASON_BYTES_MAX, SEATS_MAX,
        },
        reject::RejectReason,
        time::{Millis, Wall},
    },
    spine::ballot::{
        Electorate, Finality, Kind, Leaf, Outcome, Secrecy, Terms, TermsDraft, TermsError,
        VoidReason, sealed, tally::Node,
    },
};

/// Most of those who can vote that a refutation shows: two neighbours show that nobody stands between them.
const SHOWN_MAX: usize = 2;

/// The rules of a vote as a proposal states them; the electorate is who counts when the log takes it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteRules {
    /// How urgent it is, and the window.
    pub kind: Kind,
    /// The share of the ballots cast that yes must exceed; not used in an emergency.
    pub threshold: ShareBp,
    /// The share of the electorate that must have cast a ballot.
    pub quorum: ShareBp,
    /// Whether ballots can be changed.
    pub finality: Finality,
    /// Time from the certificate in which the tally can be refuted before it takes effect.
    pub challenge: Millis,
    /// The key to which ballots are sealed until the close; open ballots without one. The log takes no other than the
    /// committee's own, so that whoever knows the id of an open vote knows the right key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<Box<CommitteeKey>>,
}

/// A member's proposal to vote on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteProposal {
    /// Who proposes.
    pub proposer: PublicKey,
    /// What is decided: an act by its digest, or a document by its content id.
    pub subject: ContentId,
    /// What it is about, in words.
    pub text: Reason,
    /// The rules.
    pub rules: VoteRules,
    /// When it was made, in mesh time.
    pub made: Wall,
    /// The proposer's signature over the mesh and the id.
    pub signature: Signature,
}

/// What a member hands to the seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteItem {
    /// A proposal.
    Proposal(Box<VoteProposal>),
    /// A ballot.
    Ballot(Ballot),
    /// A delegation, or its end.
    Delegation(Delegation),
    /// Readiness for juries.
    OnCall(OnCall),
}

/// Ballots and delegations that the log takes in together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteBatch {
    /// Ballots, in order of id.
    pub ballots: Vec<Ballot>,
    /// Receipts for ballots among them that come after the close.
    pub receipts: Vec<Receipt>,
    /// Delegations.
    pub delegations: Vec<Delegation>,
}

/// What an entry of the committee log says about votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteEntry {
    /// A vote is to be opened.
    Proposed(Box<VoteProposal>),
    /// A member serves on juries, or no longer.
    OnCall(OnCall),
    /// The round of the beacon by which the jury of a vote is drawn.
    Drawn {
        /// The vote.
        proposal: ContentId,
        /// The committee's signature over the round.
        signature: ThresholdSignature,
    },
    /// Ballots and delegations.
    Batch(VoteBatch),
    /// A part of a seat's list after the close.
    List(BallotList),
    /// The committee opens sealed ballots.
    Opened(Box<Openings>),
    /// The committee has certified a tally.
    Certified(Box<Certificate>),
    /// A proof that a tally is false.
    Refuted {
        /// The vote.
        proposal: ContentId,
        /// The encoded proof.
        fraud: ByteBuf,
    },
    /// A jury has decided where the log did not hear of it.
    Verdict(Box<JuryProof>),
}

/// The committee's signatures over labels of sealed ballots, which open them. What a proposer must see to: nobody offers
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Openings {
    /// The vote.
    pub proposal: ContentId,
    /// The key of the vote, so that the signatures can be checked by who does not know it.
    pub key: CommitteeKey,
    /// Whose ballots, in order, and the signatures.
    pub signatures: Vec<(PublicKey, ThresholdSignature)>,
}

/// The committee's word that a vote is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteOpened {
    /// The vote.
    pub proposal: ContentId,
    /// What is decided.
    pub subject: ContentId,
    /// Who votes: members that count, or a jury.
    pub electorate: Electorate,
    /// The mesh time from which ballots count.
    pub opened: Wall,
    /// The height of the committee log at which it was opened.
    pub height: u64,
}

/// How a vote ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteEnd {
    /// With this outcome.
    Outcome(Outcome),
    /// It decides nothing.
    Void(VoidReason),
}

impl VoteEnd {
    /// Returns its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Outcome(Outcome::Passed) => "passed",
            Self::Outcome(Outcome::Rejected) => "rejected",
            Self::Outcome(Outcome::NoQuorum) => "no_quorum",
            Self::Void(_) => "void",
        }
    }
}

impl fmt::Display for VoteEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(outcome) => write!(f, "{outcome}"),
            Self::Void(why) => write!(f, "void: {why}"),
        }
    }
}

/// The committee's word how a vote ended; the time for proofs against its tally is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteResolved {
    /// The vote.
    pub proposal: ContentId,
    /// What was decided.
    pub subject: ContentId,
    /// How it ended.
    pub end: VoteEnd,
    /// Whether a jury decided.
    pub emergency: bool,
    /// The mesh time from which it holds.
    pub time: Wall,
    /// The height of the committee log at which it ended.
    pub height: u64,
}

/// What every node is told of a vote or a jury.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteNotice {
    /// That it is open, what was counted, how it ended, or who is the jury of a day.
    pub certificate: Certificate,
    /// With the opening: the proposal.
    pub proposal: Option<Box<VoteProposal>>,
    /// With the opening of an emergency vote, or for a day: the jury, in order.
    pub jury: Vec<PublicKey>,
    /// With what was counted: a proof that it is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refutation: Option<Box<Refutation>>,
}

/// What shows to every node that a certified tally is false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refutation {
    /// The encoded proof.
    pub fraud: ByteBuf,
    /// Of those who can vote, the one whom the proof speaks of, or the two between whom it would stand; none if the
    /// proof speaks of nobody, or a jury decides.
    pub electors: Vec<Placed>,
}

impl VoteRules {
    /// Returns the usual rules of an ordinary vote.
    pub fn ordinary() -> Self {
        Self::of(TermsDraft::ordinary(NOBODY))
    }

    /// Returns the usual rules of an emergency vote.
    pub fn emergency() -> Self {
        Self::of(TermsDraft::emergency(NOBODY))
    }

    /// Tells whether a jury decides.
    pub const fn is_emergency(&self) -> bool {
        match self.kind {
            Kind::Ordinary { .. } => false,
            Kind::Emergency { .. } => true,
        }
    }

    /// Tells whether a vote under these rules may decide about items of Sublime: one of all members, and open long enough that
    /// whoever is against it hears of it.
    pub fn may_open_items(&self) -> bool {
        !self.is_emergency() && self.window() >= ACCESS_WINDOW_MIN
    }

    /// Returns the time in which ballots count.
    pub const fn window(&self) -> Millis {
        let (Kind::Ordinary { window } | Kind::Emergency { window }) = self.kind;
        window
    }

    /// Returns the whole rules for an electorate, checked.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range.
    pub fn terms(
        &self,
        proposal: ContentId,
        opened: Wall,
        electorate: Electorate,
    ) -> Result<Terms, TermsError> {
        let Self {
            kind,
            threshold,
            quorum,
            finality,
            challenge,
            sealed_to,
        } = self.clone();
        let secrecy = sealed_to.map_or(Secrecy::Open, |key| Secrecy::Sealed { key });
        let draft = TermsDraft {
            kind,
            electorate,
            threshold,
            quorum,
            finality,
            secrecy,
            challenge,
        };
        Terms::new(proposal, opened, draft)
    }

    /// Checks every value, whoever votes.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range.
    pub fn check(&self) -> Result<(), TermsError> {
        let somebody = Electorate { count: 1, ..NOBODY };
        let any = ContentId::from_digest([0; 32]);
        self.terms(any, Wall(0), somebody).map(|_| ())
    }

    fn of(draft: TermsDraft) -> Self {
        Self {
            kind: draft.kind,
            threshold: draft.threshold,
            quorum: draft.quorum,
            finality: draft.finality,
            challenge: draft.challenge,
            sealed_to: match draft.secrecy {
                Secrecy::Open => None,
                Secrecy::Sealed { key } => Some(key),
            },
        }
    }
}

/// Stands in rules of which nobody has been named as voter yet.
const NOBODY: Electorate = Electorate {
    members_root: [0; 32],
    count: 0,
};

impl VoteProposal {
    /// Signs a proposal.
    pub fn sign(
        mesh: &ContentId,
        proposer: &Identity,
        (subject, text): (ContentId, Reason),
        rules: VoteRules,
        made: Wall,
    ) -> Verified<Self> {
        let proposal = Self {
            proposer: proposer.public(),
            subject,
            text,
            rules,
            made,
            signature: UNSIGNED,
        };
        proposal.signed(mesh, proposer)
    }

    /// Returns the name of the vote: the hash of what is proposed, without the signature.
    pub fn id(&self) -> ContentId {
        let Self {
            proposer,
            subject,
            text,
            rules,
            made,
            signature: _,
        } = self;
        ContentId::of(&encode(&(
            "x0/vote/1",
            proposer,
            subject,
            text,
            rules,
            made,
        )))
    }
}

impl VoteStatement for VoteProposal {
    const WHAT: &'static str = "proposal of a vote";
    const BYTES_MAX: usize = PROPOSAL_BYTES_MAX;
    const NAMESPACE: Namespace = Namespace::Ballot;

    signed_by!(proposer);

    fn message(&self, mesh: &ContentId) -> Vec<u8> {
        encode(&("proposal", mesh, self.id()))
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.rules
            .check()
            .map_err(|error| DecodeError::bounds(Self::WHAT, "rules", error.to_string()))
    }
}

impl VoteItem {
    /// Returns who says it.
    pub const fn signer(&self) -> PublicKey {
        match self {
            Self::Proposal(proposal) => proposal.proposer,
            Self::Ballot(ballot) => ballot.voter,
            Self::Delegation(delegation) => delegation.member,
            Self::OnCall(ready) => ready.member,
        }
    }

    /// Returns its name.
    pub fn id(&self) -> ContentId {
        match self {
            Self::Proposal(proposal) => proposal.id(),
            Self::Ballot(ballot) => ballot.id(),
            Self::Delegation(delegation) => ContentId::of(&encode(delegation)),
            Self::OnCall(ready) => ContentId::of(&encode(ready)),
        }
    }

    /// Returns the item as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Proposal(proposal) => proposal.check(),
            Self::Ballot(ballot) => ballot.check(),
            Self::Delegation(delegation) => delegation.check(),
            Self::OnCall(ready) => ready.check(),
        }
    }

    fn holds(&self, mesh: &ContentId) -> bool {
        match self {
            Self::Proposal(proposal) => proposal.holds(mesh),
            Self::Ballot(ballot) => ballot.holds(mesh),
            Self::Delegation(delegation) => delegation.holds(mesh),
            Self::OnCall(ready) => ready.holds(mesh),
        }
    }
}

impl Unverified<VoteItem> {
    /// Checks the member's signature.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    pub fn verify(self, mesh: &ContentId) -> Result<Verified<VoteItem>, RejectReason> {
        let item = self.into_inner();
        if item.holds(mesh) {
            Ok(Verified::attest(item))
        } else {
            Err(RejectReason::BadSignature)
        }
    }
}

impl VoteEntry {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Proposed(proposal) => proposal.check(),
            Self::OnCall(ready) => ready.check(),
            Self::Batch(batch) => batch.check(),
            Self::List(list) => list.check(),
            Self::Opened(openings) => openings.check(),
            Self::Refuted { fraud, .. } if fraud.len() > FRAUD_BYTES_MAX => {
                Err(DecodeError::TooLong {
                    what: "fraud proof",
                    len: fraud.len(),
                    max: FRAUD_BYTES_MAX,
                })
            }
            Self::Verdict(proof) => VoteProof::Jury(proof.clone()).check_bounds(),
            Self::Refuted { .. } | Self::Drawn { .. } | Self::Certified(_) => Ok(()),
        }
    }

    /// Checks every signature of members and seats in it, and those that open ballots by the key that they come with;
    /// certificates and verdicts are the log's business, which has the keys and the juries.
    pub(super) fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        let holds = match self {
            Self::Proposed(proposal) => proposal.holds(mesh),
            Self::OnCall(ready) => ready.holds(mesh),
            Self::Batch(batch) => batch.holds(mesh),
            Self::List(list) => list.holds(mesh),
            Self::Opened(openings) => openings.holds(mesh),
            Self::Refuted { .. } | Self::Drawn { .. } | Self::Certified(_) | Self::Verdict(_) => {
                true
            }
        };
        holds.then_some(()).ok_or(RejectReason::BadSignature)
    }
}

impl Openings {
    fn check(&self) -> Result<(), DecodeError> {
        let voters: Vec<_> = self.signatures.iter().map(|(voter, _)| *voter).collect();
        ordered("openings", "signatures", &voters, 1, OPENINGS_MAX)
    }

    fn holds(&self, mesh: &ContentId) -> bool {
        self.signatures.iter().all(|(voter, signature)| {
            let label = sealed::label(mesh, &self.proposal, voter);
            let checked = self.key.verify(Purpose::Decryption, &label, signature);
            checked.is_ok()
        })
    }
}

impl VoteBatch {
    fn check(&self) -> Result<(), DecodeError> {
        let count = self.ballots.len() + self.receipts.len() + self.delegations.len();
        if !(1..=BATCH_BALLOTS_MAX).contains(&count) {
            let why = format!("has {count} parts, 1 to {BATCH_BALLOTS_MAX} are allowed");
            return Err(DecodeError::bounds("batch of ballots", "ballots", why));
        }
        self.ballots.iter().try_for_each(Ballot::check)?;
        self.delegations.iter().try_for_each(Delegation::check)
    }

    fn holds(&self, mesh: &ContentId) -> bool {
        let Self {
            ballots,
            receipts,
            delegations,
        } = self;
        let mut parts = Vec::with_capacity(ballots.len() + receipts.len() + delegations.len());
        parts.extend(
            ballots
                .iter()
                .map(|ballot| super::SignedPart::of(ballot, mesh)),
        );
        parts.extend(
            receipts
                .iter()
                .map(|receipt| super::SignedPart::of(receipt, mesh)),
        );
        parts.extend(
            delegations
                .iter()
                .map(|said| super::SignedPart::of(said, mesh)),
        );
        super::SignedPart::bad(&parts).is_empty()
    }
}

/// Takes what a decided block holds as verified: a quorum of seats has checked it before they precommitted.
pub(crate) const fn decided<T: VoteStatement>(statement: T) -> Verified<T> {
    Verified::attest(statement)
}

impl VoteNotice {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let what = "notice of a vote";
        ordered(what, "jury", &self.jury, 0, jury_max())?;
        match (
            &self.certificate.statement,
            &self.proposal,
            &self.refutation,
        ) {
            (Statement::Opened(opened), Some(proposal), None) => {
                proposal.check()?;
                if !names(opened, proposal, &self.jury) {
                    let why = "is not the one that the certificate names, or the jury is not";
                    return Err(DecodeError::bounds(what, "proposal", why));
                }
                Ok(())
            }
            (Statement::Tally(_) | Statement::Resolved(_), None, None) if self.jury.is_empty() => {
                Ok(())
            }
            (Statement::Jury(drawn), None, None)
                if jury_electorate(&self.jury) == drawn.electorate =>
            {
                Ok(())
            }
            (Statement::Tally(_), None, Some(refutation)) if self.jury.is_empty() => {
                refutation.check()
            }
            _ => {
                let why = "does not go with the statement that is certified";
                Err(DecodeError::bounds(what, "proposal", why))
            }
        }
    }
}

impl Refutation {
    fn check(&self) -> Result<(), DecodeError> {
        if self.fraud.len() > FRAUD_BYTES_MAX {
            return Err(DecodeError::TooLong {
                what: "fraud proof",
                len: self.fraud.len(),
                max: FRAUD_BYTES_MAX,
            });
        }
        let places: Vec<_> = self.electors.iter().map(|placed| placed.place).collect();
        ordered("refutation", "electors", &places, 0, SHOWN_MAX)
    }
}

/// Something about votes that a node is to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteDraft {
    /// A proposal.
    Proposal {
        /// What is decided.
        subject: ContentId,
        /// What it is about, in words.
        text: Reason,
        /// The rules.
        rules: VoteRules,
        /// When it is made, in mesh time.
        made: Wall,
    },
    /// A ballot.
    Ballot {
        /// The vote.
        proposal: ContentId,
        /// Its number.
        seq: u32,
        /// The choice.
        choice: Choice,
        /// The key to which the choice is sealed, if it is.
        sealed_to: Option<Box<CommitteeKey>>,
    },
    /// A delegation.
    Delegation {
        /// For what.
        scope: DelegationScope,
        /// Its number.
        seq: u32,
        /// To whom; nobody takes it back.
        delegate: Option<PublicKey>,
    },
    /// Readiness for juries.
    OnCall {
        /// Its number.
        seq: u32,
        /// Whether the member serves.
        serves: bool,
    },
    /// As a seat: a receipt.
    Receipt {
        /// The vote.
        proposal: ContentId,
        /// The ballot.
        ballot: ContentId,
        /// When it was taken in, in mesh time.
        time: Wall,
    },
    /// As a seat: a part of its list.
    List {
        /// The vote.
        proposal: ContentId,
        /// Which part, and whether it is the last.
        part: (u32, bool),
        /// The ballots.
        ballots: Vec<ContentId>,
    },
}

/// A [`VoteDraft`], signed.
#[derive(Clone, Debug)]
pub enum VoteSigned {
    /// What a member hands to the seats.
    Item(VoteItem),
    /// A receipt.
    Receipt(Receipt),
    /// A part of a list.
    List(BallotList),
}

impl VoteDraft {
    /// Signs it with the node's identity; a choice that is to be sealed is, with a seed that follows from the identity.
    pub fn sign(self, mesh: &ContentId, own: &Identity) -> VoteSigned {
        match self {
            Self::Proposal {
                subject,
                text,
                rules,
                made,
            } => {
                let signed = VoteProposal::sign(mesh, own, (subject, text), rules, made);
                VoteSigned::Item(VoteItem::Proposal(Box::new(signed.value().clone())))
            }
            Self::Ballot {
                proposal,
                seq,
                choice,
                sealed_to,
            } => {
                let vote = match sealed_to {
                    None => Vote::Open(choice),
                    Some(key) => {
                        Vote::Sealed(sealed::seal_own(&key, (mesh, &proposal), own, seq, choice))
                    }
                };
                let signed = Ballot::sign(mesh, own, proposal, seq, vote);
                VoteSigned::Item(VoteItem::Ballot(signed.value().clone()))
            }
            Self::Delegation {
                scope,
                seq,
                delegate,
            } => {
                let signed = Delegation::sign(mesh, own, scope, seq, delegate);
                VoteSigned::Item(VoteItem::Delegation(signed.value().clone()))
            }
            Self::OnCall { seq, serves } => {
                let signed = OnCall::sign(mesh, own, seq, serves);
                VoteSigned::Item(VoteItem::OnCall(signed.value().clone()))
            }
            Self::Receipt {
                proposal,
                ballot,
                time,
            } => VoteSigned::Receipt(
                Receipt::sign(mesh, own, proposal, ballot, time)
                    .value()
                    .clone(),
            ),
            Self::List {
                proposal,
                part,
                ballots,
            } => VoteSigned::List(
                BallotList::sign(mesh, own, proposal, part, ballots)
                    .value()
                    .clone(),
            ),
        }
    }
}

/// What a node asks a seat about votes; for what was counted it asks anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteAsk {
    /// To take something in.
    Take {
        /// What.
        item: VoteItem,
        /// For a ballot: the receipts that the voter has.
        receipts: Vec<Receipt>,
    },
    /// For the roots of the pages of counted ballots.
    Contents {
        /// The ballots, by the root over them.
        bundle: ContentId,
        /// The first page wanted.
        from: u32,
    },
    /// For counted ballots, a page of them.
    Page {
        /// The ballots, by the root over them.
        bundle: ContentId,
        /// Which page, from 0.
        page: u32,
    },
    /// For those who can vote, a page of them.
    Electors {
        /// The vote.
        proposal: ContentId,
        /// The place of the first one wanted.
        from: u32,
    },
    /// To put a proof against a tally before the committee.
    Refute {
        /// The vote.
        proposal: ContentId,
        /// The encoded proof.
        fraud: ByteBuf,
    },
}

/// The answer to a [`VoteAsk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum VoteAnswer {
    /// It is being looked at: ask again.
    Pending,
    /// The ballot is held.
    Receipt(Receipt),
    /// It stands in the log.
    Taken,
    /// It has no effect, for this reason, at most 280 bytes.
    Refused {
        /// The reason in words.
        why: String,
    },
    /// The roots of pages of counted ballots; none behind the last.
    Contents(Vec<Node>),
    /// Counted ballots, at most a page; none if they are not here.
    Leaves(Vec<Leaf>),
    /// Those who can vote, at most a page; none behind the last.
    Electors(Vec<Elector>),
}

impl VoteAsk {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Take { item, receipts } => {
                if receipts.len() > SEATS_MAX {
                    let why = format!("are {}, at most {SEATS_MAX} are allowed", receipts.len());
                    return Err(DecodeError::bounds("message", "receipts", why));
                }
                item.check()
            }
            Self::Contents { .. } | Self::Page { .. } | Self::Electors { .. } => Ok(()),
            Self::Refute { fraud, .. } if fraud.len() <= FRAUD_BYTES_MAX => Ok(()),
            Self::Refute { fraud, .. } => Err(DecodeError::TooLong {
                what: "fraud proof",
                len: fraud.len(),
                max: FRAUD_BYTES_MAX,
            }),
        }
    }
}

impl VoteAnswer {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let (field, len, max) = match self {
            Self::Pending | Self::Receipt(_) | Self::Taken => return Ok(()),
            Self::Refused { why } => ("why", why.len(), REASON_BYTES_MAX),
            Self::Contents(pages) => ("contents", pages.len(), PAGE_NODES_MAX),
            Self::Leaves(leaves) => ("leaves", leaves.len(), PAGE_LEAVES_MAX),
            Self::Electors(electors) => ("electors", electors.len(), PAGE_ELECTORS_MAX),
        };
        if len > max {
            let why = format!("has length {len}, at most {max} is allowed");
            return Err(DecodeError::bounds("message", field, why));
        }
        Ok(())
    }
}
