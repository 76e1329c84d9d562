//! Audits of members' nodes: who audits whom, what is asked, and what a node says it collects.
//!
//! - [`AuditRound`]: the committee's word that a round of audits is open, and the draw.
//! - [`AccountAsk`]: what an auditor asks one node, with the right by which it asks, signed by the auditor.
//! - [`Account`]: what the node says it collects, signed by the node over the ask it answers. Whoever holds one can check
//!   it again without asking anybody; a lie in it is a signed lie.
//! - [`AuditReport`]: what the drawn auditor tells the mesh, a record. It carries the account whole, so that every node
//!   comes to the findings by itself and takes nobody's word for them.

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature,
    capability::{Action, RootKey, Token},
    verify,
};

use super::{
    Certificate, DecodeError, Reason, Statement,
    body::ordered,
    codec::{decode, encode},
};
use crate::{
    charter::inspection::Collected,
    core::{
        limits::{AUDITED_MAX, RECORD_BYTES_MAX},
        reject::RejectReason,
        time::Wall,
    },
    spine::audit::tree::Hash,
};

/// The name of what a token must grant so that its holder is told what a node collects.
const AUDIT_ACTION: &str = "audit.collection";

/// One member's node, and the seat whose node audits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPair {
    /// Whose node is audited.
    pub node: PublicKey,
    /// Who audits it.
    pub auditor: PublicKey,
}

/// The committee's word that a round of audits is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditsDrawn {
    /// Its number; numbers rise.
    pub round: u64,
    /// The height of the committee log at which it was drawn.
    pub height: u64,
    /// Mesh time from which it runs.
    pub opened: Wall,
    /// Mesh time from which an audit without a report is overdue.
    pub due: Wall,
    /// Mesh time at which the next round is to open.
    pub next: Wall,
    /// The charter in force, as the committee log knew it.
    pub charter: ContentId,
    /// The draw, by its name; see [`AuditRound::name`].
    pub pairs: ContentId,
}

/// A round of audits as every node is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRound {
    /// The committee's certificate over [`AuditsDrawn`].
    pub certificate: Certificate,
    /// Who audits whom, in order of node.
    pub pairs: Vec<AuditPair>,
}

impl AuditRound {
    /// Returns the name of a draw: the hash of its encoding.
    pub fn name(pairs: &[AuditPair]) -> ContentId {
        ContentId::of(&encode(&("x0/audits/1", pairs)))
    }

    /// Returns what is certified.
    pub const fn drawn(&self) -> Option<&AuditsDrawn> {
        self.certificate.statement.audits()
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let what = "round of audits";
        let nodes: Vec<_> = self.pairs.iter().map(|pair| pair.node).collect();
        ordered(what, "pairs", &nodes, 1, AUDITED_MAX)?;
        if self.pairs.iter().any(|pair| pair.node == pair.auditor) {
            return Err(DecodeError::bounds(
                what,
                "pairs",
                "let a node audit itself",
            ));
        }
        match self.certificate.statement {
            Statement::Audits(drawn) if drawn.pairs == Self::name(&self.pairs) => Ok(()),
            Statement::Audits(_)
            | Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Halt(_)
            | Statement::HandOver(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_)
            | Statement::Ruling(_)
            | Statement::Rotation(_) => {
                let why = "is not about this draw";
                Err(DecodeError::bounds(what, "statement", why))
            }
        }
    }
}

/// By which right somebody asks what a node collects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AuditRight {
    /// It was drawn to audit the node in this round.
    Round(u64),
    /// It holds a seat, and the committee looks into this case about the node.
    Case(ContentId),
    /// It holds a token for audits, granted under the root of a seat or of the node itself.
    Token {
        /// The root it is signed under.
        root: RootKey,
        /// The token.
        token: Token,
    },
}

impl AuditRight {
    /// Returns what a token must grant.
    ///
    /// # Panics
    ///
    /// Never: the name is well-formed.
    pub fn action() -> Action {
        match AUDIT_ACTION.parse() {
            Ok(action) => action,
            Err(fault) => unreachable!("the name of an action of ours is well-formed: {fault}"),
        }
    }

    /// Says it in words.
    pub fn words(&self) -> String {
        match self {
            Self::Round(round) => format!("drawn for round {round} of the audits"),
            Self::Case(case) => format!("a seat that looks into case {case}"),
            Self::Token { root, .. } => format!("by a token of root {root}"),
        }
    }
}

/// What an auditor asks a node, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskDraft {
    /// Who asks.
    pub auditor: PublicKey,
    /// Who is asked.
    pub node: PublicKey,
    /// By which right.
    pub right: AuditRight,
    /// Mesh time as the auditor knows it.
    pub time: Wall,
    /// Tells two asks of one moment apart.
    pub nonce: u64,
}

/// What an auditor asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountAsk {
    /// What is asked.
    pub asked: AskDraft,
    /// The auditor's signature over the mesh and what is asked.
    pub signature: Signature,
}

impl AccountAsk {
    fn message(mesh: &ContentId, asked: &AskDraft) -> Vec<u8> {
        encode(&("ask", mesh, asked))
    }

    /// Tells whether the auditor has signed it.
    pub fn holds(&self, mesh: &ContentId) -> bool {
        let message = Self::message(mesh, &self.asked);
        let signed = verify(
            &self.asked.auditor,
            Namespace::Account,
            &message,
            &self.signature,
        );
        signed.is_ok()
    }
}

/// What a node knows when it answers, but for what it collects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountDraft {
    /// What it answers.
    pub ask: AccountAsk,
    /// The charter in force, as the node knows it.
    pub charter: ContentId,
    /// Its number.
    pub number: u64,
    /// Entries in the node's audit log, the one about this ask included.
    pub log_size: u64,
    /// The root over them.
    pub log_root: Hash,
    /// Mesh time as the node knows it.
    pub time: Wall,
}

/// What a node says it collects and hands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What it answers, and how it stands.
    pub stated: AccountDraft,
    /// What it collects.
    pub collected: Collected,
    /// The node's signature over the mesh and both.
    pub signature: Signature,
}

impl Account {
    /// Returns whose it is.
    pub const fn node(&self) -> PublicKey {
        self.stated.ask.asked.node
    }

    fn message(mesh: &ContentId, stated: &AccountDraft, collected: &Collected) -> Vec<u8> {
        encode(&("account", mesh, stated, collected))
    }

    /// Tells whether the node has signed it, in answer to what the auditor has signed.
    pub fn holds(&self, mesh: &ContentId) -> bool {
        let message = Self::message(mesh, &self.stated, &self.collected);
        let signed = verify(&self.node(), Namespace::Account, &message, &self.signature);
        signed.is_ok() && self.stated.ask.holds(mesh)
    }

    /// Encodes the account, to be kept beside other evidence.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an account that was kept; its signatures are still to be checked.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let account: Self = decode("collection account", bytes, RECORD_BYTES_MAX)?;
        account.check()?;
        Ok(account)
    }

    /// Returns its name: the hash of its encoding.
    pub fn id(&self) -> ContentId {
        ContentId::of(&self.encode())
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.collected.check()
    }
}

/// What the node's identity is to sign for an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InspectionDraft {
    /// An ask, as the auditor.
    Ask(Box<AskDraft>),
    /// An account, as the asked.
    Account(Box<AccountDraft>),
}

/// What is signed for an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InspectionSigned {
    /// An ask.
    Ask(Box<AccountAsk>),
    /// An account.
    Account(Box<Account>),
}

impl InspectionDraft {
    /// Signs with the node's identity; `collected` says what the node collects, and is asked for an account only.
    pub fn sign(
        self,
        mesh: &ContentId,
        identity: &Identity,
        collected: impl FnOnce() -> Collected,
    ) -> InspectionSigned {
        match self {
            Self::Ask(asked) => {
                let message = AccountAsk::message(mesh, &asked);
                let signature = identity.sign(Namespace::Account, &message);
                let asked = *asked;
                InspectionSigned::Ask(Box::new(AccountAsk { asked, signature }))
            }
            Self::Account(stated) => {
                let collected = collected();
                let message = Account::message(mesh, &stated, &collected);
                InspectionSigned::Account(Box::new(Account {
                    stated: *stated,
                    collected,
                    signature: identity.sign(Namespace::Account, &message),
                }))
            }
        }
    }
}

/// What came of an audit, as the drawn auditor tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AuditOutcome {
    /// The node has given an account, which speaks for itself.
    Answered(Box<Account>),
    /// The node has given none by the time the round was due. That is no violation.
    Unanswered {
        /// How often it was asked.
        tries: u32,
        /// What came of the last try, in words.
        why: Reason,
    },
}

/// A drawn auditor's report about one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditReport {
    /// The round.
    pub round: u64,
    /// Whose node was audited.
    pub node: PublicKey,
    /// What came of it.
    pub outcome: AuditOutcome,
}

impl AuditReport {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match &self.outcome {
            AuditOutcome::Answered(account) => account.check(),
            AuditOutcome::Unanswered { .. } => Ok(()),
        }
    }

    /// Checks that the account in a report answers what its author asked in this round.
    pub(super) fn verify(&self, mesh: &ContentId, author: &PublicKey) -> Result<(), RejectReason> {
        let AuditOutcome::Answered(account) = &self.outcome else {
            return Ok(());
        };
        let asked = &account.stated.ask.asked;
        let is_theirs = asked.auditor == *author
            && asked.node == self.node
            && asked.right == AuditRight::Round(self.round);
        match is_theirs && account.holds(mesh) {
            true => Ok(()),
            false => Err(RejectReason::BadSignature),
        }
    }
}
