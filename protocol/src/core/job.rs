//! Work a peer hands out because it is heavy: signature and capability checks.
//!
//! [`Job::run`] is pure and is the only way to a [`Verdict`]; a driver decides where and when it
//! runs, not what it finds. The simulator keeps verdicts of the same job for many peers.

use std::{collections::BTreeSet, sync::Arc};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, CapabilityError, Refusal, RootKey, Token, Use},
    committee::{CombineError, GroupKey, PartialSignature, Seat, ThresholdSignature},
};

use super::reject::RejectReason;
use crate::{
    anti_meave::warrants::{Proven, Question as WarrantsQuestion},
    spine::{
        ballot::{RecountTask, Recounted, RefutationTask},
        committee::Question as CertificateQuestion,
    },
    wire::{
        Account, AccountAsk, Admission, AuditRight, AuditShown, Countersign, Dealt, Decided, Entry,
        HeldHead, LogHead, Receipt, Record, RotationPlan, SeatMessage, ShownFault, Unverified,
        Verified, VoteItem, VoteStatement,
    },
};

/// A check to be run outside the peer's own turn.
#[derive(Clone, Debug)]
pub enum Job {
    /// Checks signatures and tokens of records.
    Records(Vec<Unverified<Record>>),
    /// Checks the signature of a log head.
    Head(Unverified<LogHead>),
    /// Checks what a witness signed under a head of the own log.
    Countersigned {
        /// What it should have signed.
        held: HeldHead,
        /// Its signature.
        one: Countersign,
    },
    /// Checks every signature in a statement of a seat.
    Seat {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// The statement.
        message: Box<Unverified<SeatMessage>>,
    },
    /// Checks every signature in blocks of the committee log.
    Blocks(Vec<Unverified<Decided>>),
    /// Checks the signatures of those who are not seats in something offered to the committee.
    Entry {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// The entry.
        entry: Box<Unverified<Entry>>,
    },
    /// Combines parts into the committee's signature, and checks it.
    Combine {
        /// The committee's key.
        group: Box<GroupKey>,
        /// What is signed.
        message: Vec<u8>,
        /// The parts.
        parts: Vec<(Seat, PartialSignature)>,
    },
    /// Checks a certificate of the committee.
    Certificate(Box<CertificateQuestion>),
    /// Checks the warrants of an act.
    Warrants(Box<WarrantsQuestion>),
    /// Checks an act that somebody asks a word about, and its warrants.
    Consent {
        /// The act.
        admission: Box<Unverified<Admission>>,
        /// Its warrants.
        warrants: Box<WarrantsQuestion>,
    },
    /// Checks what a member hands in for a vote; receipts that do not hold are left out.
    Vote {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// What is handed in.
        item: Box<Unverified<VoteItem>>,
        /// Receipts that come with it.
        receipts: Vec<Receipt>,
    },
    /// Counts a certified vote again.
    Recount(Box<RecountTask>),
    /// Checks a proof against a certified tally.
    Refutation(Box<RefutationTask>),
    /// Checks what a node shows of its audit log.
    Shown {
        /// Whose log it should be.
        author: PublicKey,
        /// The acts asked about.
        acts: BTreeSet<ContentId>,
        /// The newest head held of that log.
        held: Option<Box<LogHead>>,
        /// What it shows.
        shown: Box<AuditShown>,
    },
    /// Checks what an auditor asks: its signature, and a token that it shows.
    Ask {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// What is asked.
        ask: Box<AccountAsk>,
        /// For what a token is used.
        usage: Option<Box<Use>>,
    },
    /// Checks the signatures in an account.
    Account {
        /// The mesh it belongs to.
        mesh: ContentId,
        /// The account.
        account: Box<Account>,
    },
    /// Checks the signatures in what a dealer sends of a rotation.
    Dealt {
        /// The plan.
        plan: Box<RotationPlan>,
        /// What the dealer sends; words of new guardians that do not hold are left out.
        dealt: Dealt,
    },
    /// Verifies a token the local user hands in.
    Token {
        /// The token.
        token: Token,
        /// The root it should be signed under.
        root: RootKey,
    },
    /// Asks a capability whether it allows a use.
    Authorize {
        /// The verified capability.
        capability: Arc<Capability>,
        /// What it is to be used for.
        usage: Use,
    },
}

/// What a job found; only [`Job::run`] makes one.
#[derive(Clone, Debug)]
pub struct Verdict(pub(crate) Finding);

/// Something handed in for a vote that is good, with those of its receipts that are.
pub(crate) type HandedIn = Result<(Verified<VoteItem>, Vec<Receipt>), RejectReason>;

#[derive(Clone, Debug)]
pub(crate) enum Finding {
    Records(Vec<Result<Verified<Record>, RejectReason>>),
    Head(Result<LogHead, RejectReason>),
    Seat(Box<Result<Verified<SeatMessage>, RejectReason>>),
    Blocks(Vec<Result<Verified<Decided>, RejectReason>>),
    Entry(Box<Result<Verified<Entry>, RejectReason>>),
    Combined(Result<ThresholdSignature, CombineError>),
    Certificate(bool),
    Warrants(Box<Result<Proven, String>>),
    Consent(Box<Result<(Verified<Admission>, Proven), String>>),
    Vote(Box<HandedIn>),
    Recounted(Box<Recounted>),
    Shown(Box<Result<AuditShown, (ShownFault, LogHead)>>),
    Ask(Result<Option<Arc<Capability>>, String>),
    Account(Option<Box<Account>>),
    Dealt(Option<Box<Dealt>>),
    Token(Result<Arc<Capability>, CapabilityError>),
    Authorize(Result<(), Refusal>),
}

impl Job {
    /// Runs the check.
    pub fn run(self) -> Verdict {
        Verdict(match self {
            Self::Records(records) => Finding::Records(Unverified::verify_all(records)),
            Self::Head(head) => {
                let head = head.into_inner();
                Finding::Head(head.verify().map(|()| head))
            }
            Self::Countersigned { held, one } => Finding::Certificate(one.verify(&held).is_ok()),
            Self::Seat { mesh, message } => Finding::Seat(Box::new(message.verify(&mesh))),
            Self::Blocks(blocks) => Finding::Blocks(
                blocks
                    .into_iter()
                    .map(Unverified::<Decided>::verify)
                    .collect(),
            ),
            Self::Entry { mesh, entry } => Finding::Entry(Box::new(entry.verify(&mesh))),
            Self::Combine {
                group,
                message,
                parts,
            } => Finding::Combined(group.combine(&message, &parts)),
            Self::Certificate(question) => Finding::Certificate(question.holds()),
            Self::Warrants(question) => Finding::Warrants(Box::new(question.check())),
            Self::Consent {
                admission,
                warrants,
            } => Finding::Consent(Box::new(check_consent(*admission, &warrants))),
            Self::Vote {
                mesh,
                item,
                mut receipts,
            } => {
                receipts.retain(|receipt| receipt.holds(&mesh));
                let checked = item.verify(&mesh).map(|item| (item, receipts));
                Finding::Vote(Box::new(checked))
            }
            Self::Recount(task) => Finding::Recounted(Box::new(task.run())),
            Self::Refutation(task) => Finding::Certificate(task.holds()),
            Self::Shown {
                author,
                acts,
                held,
                shown,
            } => {
                let checked = shown.verify(&author, &acts, held.as_deref());
                let head = shown.head.clone();
                let checked = checked.map(|()| *shown).map_err(|fault| (fault, head));
                Finding::Shown(Box::new(checked))
            }
            Self::Ask { mesh, ask, usage } => {
                Finding::Ask(check_ask(&mesh, &ask, usage.as_deref()))
            }
            Self::Account { mesh, account } => {
                Finding::Account(Some(account).filter(|account| account.holds(&mesh)))
            }
            Self::Dealt { plan, mut dealt } => {
                let holds = dealt.hold(&plan);
                Finding::Dealt(holds.then(|| Box::new(dealt)))
            }
            Self::Token { token, root } => Finding::Token(token.verify(&root).map(Arc::new)),
            Self::Authorize { capability, usage } => {
                Finding::Authorize(capability.authorize(&usage))
            }
        })
    }

    /// Names a question about the mesh that many peers ask alike, so that a driver of many may answer it once.
    pub fn name(&self) -> Option<ContentId> {
        match self {
            Self::Certificate(question) => Some(question.name()),
            Self::Warrants(question) => Some(question.name()),
            Self::Refutation(task) => Some(task.name()),
            Self::Records(_)
            | Self::Head(_)
            | Self::Countersigned { .. }
            | Self::Seat { .. }
            | Self::Blocks(_)
            | Self::Entry { .. }
            | Self::Combine { .. }
            | Self::Consent { .. }
            | Self::Vote { .. }
            | Self::Recount(_)
            | Self::Shown { .. }
            | Self::Ask { .. }
            | Self::Account { .. }
            | Self::Dealt { .. }
            | Self::Token { .. }
            | Self::Authorize { .. } => None,
        }
    }

    /// Joins the verdicts of single-record jobs into the verdict of one job over all of them.
    ///
    /// Lets a driver that remembers verdicts per record answer a job without running it again.
    pub fn verdict_of_records(parts: Vec<Verdict>) -> Verdict {
        let mut all = Vec::with_capacity(parts.len());
        for Verdict(part) in parts {
            match part {
                Finding::Records(records) => all.extend(records),
                Finding::Head(_)
                | Finding::Seat(_)
                | Finding::Blocks(_)
                | Finding::Entry(_)
                | Finding::Combined(_)
                | Finding::Certificate(_)
                | Finding::Warrants(_)
                | Finding::Consent(_)
                | Finding::Vote(_)
                | Finding::Recounted(_)
                | Finding::Shown(_)
                | Finding::Ask(_)
                | Finding::Account(_)
                | Finding::Dealt(_)
                | Finding::Token(_)
                | Finding::Authorize(_) => {}
            }
        }
        Verdict(Finding::Records(all))
    }
}

fn check_consent(
    admission: Unverified<Admission>,
    warrants: &WarrantsQuestion,
) -> Result<(Verified<Admission>, Proven), String> {
    let proven = warrants.check()?;
    let verified = admission.verify(&warrants.mesh);
    Ok((verified.map_err(|reason| reason.to_string())?, proven))
}

/// Checks an ask but for what its asker is, and returns the token that it shows.
fn check_ask(
    mesh: &ContentId,
    ask: &AccountAsk,
    usage: Option<&Use>,
) -> Result<Option<Arc<Capability>>, String> {
    if !ask.holds(mesh) {
        return Err("it is not signed by who asks".to_owned());
    }
    let (AuditRight::Token { root, token }, Some(usage)) = (&ask.asked.right, usage) else {
        return Ok(None);
    };
    let capability = token.verify(root).map_err(|fault| fault.to_string())?;
    let allowed = capability.authorize(usage);
    allowed.map_err(|refusal| refusal.to_string())?;
    Ok(Some(Arc::new(capability)))
}
