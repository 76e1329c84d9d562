//! What a node's work costs it: virtual processor time and disk time.
//!
//! A verdict that another simulated node has already found is not computed again, but this node pays
//! for it as if it had. The figures were measured on one core of a 2-core cloud machine with the
//! crates this project uses; a run scales with them, so the report states them per node.

use x0_protocol::{
    Job,
    core::secret::SecretTask,
    wire::{Body, Entry, Record, RotationEntry, Warrants},
};

use crate::time::Span;

/// One copy of a gossip message received: a libp2p swarm of 1,000 nodes took 263 µs per delivery in
/// plain anonymous mode, with eight copies to a delivery.
pub(super) const COPY: Span = Span(33);

/// One request or response handled, advertisement or question of gossip: taken like a copy.
pub(super) const MESSAGE: Span = COPY;

/// One Ed25519 signature made (ed25519-dalek: 13 µs).
pub(super) const SIGN: Span = Span(13);

/// One Ed25519 signature verified (29 µs).
const VERIFY: Span = Span(29);

/// One capability token verified, authority and three blocks (biscuit-auth: 171 µs).
const TOKEN: Span = Span(171);

/// One authorization asked of a verified token (biscuit-auth: 32 µs).
const AUTHORIZE: Span = Span(32);

/// One signature of the committee verified (two pairings; 22 times an Ed25519 verification, as `make bench` shows).
const PAIRING: Span = Span(640);

/// A signature of the committee put together from its parts, and verified (11 of 15: 36 times).
const COMBINE: Span = Span(1_050);

/// One part of the committee's signature made (3.8 times).
const PART: Span = Span(110);

/// Making a hybrid key (X-Wing: about 60 µs).
const SEAL_HYBRID: Span = Span(60);

/// Opening a share and checking it against its commitments (about 120 µs and 3 multiplications in the group).
const CHECK_SHARE: Span = Span(400);

/// Opening a share, or signing a part, and sealing it to another hybrid key.
const RELEASE: Span = Span(300);

/// Opening what is sealed to a member (one multiplication in the group, 60 µs).
const OPEN_REASON: Span = Span(60);

/// Dealing to the seats in one ceremony (15 seats: 91 times).
const DEAL: Span = Span(2_630);

/// Signing the account of what was dealt (15 seats: 66 times).
const ACCOUNT: Span = Span(1_920);

/// Taking one dealing: opened, held against its commitment (15 seats: 65 times).
const TAKE: Span = Span(1_880);

/// Finding the own share from the accounts of one ceremony (15 seats: 1,240 times).
const FIND_SHARE: Span = Span(35_900);

/// One policy set on a running node: a store to memory, and what follows from it.
pub(super) const EXECUTE: Span = Span(10);

/// The least time until a write is safe (RocksDB with synced log, 1.6 ms in the mean, of which this
/// is half; the rest is drawn).
pub(super) const PERSIST_MIN: Span = Span(800);

/// The span over which the rest of a write's time is drawn evenly.
pub(super) const PERSIST_SPREAD: Span = Span(1_600);

/// Signatures in a proof against a tally, about: two ballots, or one with its receipts.
const REFUTATION_SIGNATURES: usize = 8;

/// Returns what a job costs the node that asks for it.
pub(super) fn of_job(job: &Job) -> Span {
    match job {
        Job::Records(records) => records
            .iter()
            .map(|record| of_record(record.peek()))
            .fold(Span::default(), |sum, cost| sum + cost),
        Job::Head(_) | Job::Countersigned { .. } => VERIFY,
        Job::Seat { message, .. } => times(VERIFY, message.peek().signatures()),
        Job::Blocks(blocks) => {
            let signatures = blocks.iter().map(|decided| decided.peek().signatures());
            times(VERIFY, signatures.sum())
        }
        Job::Entry { entry, .. } => match entry.peek() {
            Entry::Admission(_) => VERIFY + TOKEN,
            Entry::Dealt { .. }
            | Entry::Keys(_)
            | Entry::Members(_)
            | Entry::Checkpoint
            | Entry::Said { .. }
            | Entry::Vote(_)
            | Entry::Halt { .. }
            | Entry::Revoked { .. }
            | Entry::Case(_)
            | Entry::Seats { .. } => VERIFY,
            Entry::Rotation(entry) => match &**entry {
                RotationEntry::Open(_) => VERIFY,
                RotationEntry::Draw { .. } => PAIRING,
                RotationEntry::Fix(fix) => {
                    let words = fix.dealt.iter().map(|dealt| 1 + dealt.acks.len());
                    times(VERIFY, words.sum())
                }
            },
            Entry::HandOver(_) | Entry::Audits { .. } => PAIRING,
        },
        Job::Combine { .. } => COMBINE,
        Job::Certificate(_) => PAIRING,
        Job::Warrants(question) => of_warrants(&question.warrants),
        Job::Consent { warrants, .. } => VERIFY + TOKEN + of_warrants(&warrants.warrants),
        Job::Vote { receipts, .. } => times(VERIFY, 1 + receipts.len()),
        Job::Recount(task) => times(VERIFY, task.leaves.len()),
        Job::Shown { .. } => VERIFY,
        Job::Ask { usage: None, .. } => VERIFY,
        Job::Ask { usage: Some(_), .. } => VERIFY + TOKEN + AUTHORIZE,
        Job::Account { .. } => times(VERIFY, 2),
        Job::Dealt { dealt, .. } => times(VERIFY, 1 + dealt.acks.len()),
        Job::Refutation(_) => PAIRING + times(VERIFY, REFUTATION_SIGNATURES),
        Job::Token { .. } => TOKEN,
        Job::Authorize { .. } => AUTHORIZE,
    }
}

/// Returns what a seat's work with its secrets costs it.
pub(super) const fn of_secret(task: &SecretTask) -> Span {
    match task {
        SecretTask::Deal(_) => DEAL,
        SecretTask::Account { .. } => ACCOUNT,
        SecretTask::Acknowledge { .. } => TAKE,
        SecretTask::Share { .. } => FIND_SHARE,
        SecretTask::Part { .. } => PART,
        SecretTask::ShareKey => SEAL_HYBRID,
        SecretTask::CheckShare { .. } | SecretTask::TakePart(_) | SecretTask::JoinShare(_) => {
            CHECK_SHARE
        }
        SecretTask::TryShare(_) => RELEASE,
        SecretTask::Redeal(task) => Span(SEAL_HYBRID.0 * task.to.len() as u64),
        SecretTask::ReleaseShare { .. } | SecretTask::ReleaseOpening { .. } => RELEASE,
        SecretTask::OpenReason { .. } => OPEN_REASON,
        SecretTask::OpenSlot { sealed, .. } => Span(OPEN_REASON.0 * sealed.len() as u64),
        SecretTask::Forget { .. }
        | SecretTask::DestroyShareKeys(_)
        | SecretTask::RetainShareKeys(_) => Span(0),
    }
}

fn of_warrants(warrants: &Warrants) -> Span {
    let pairings = usize::from(warrants.ticket.is_some()) + usize::from(warrants.draw.is_some());
    times(PAIRING, pairings) + times(VERIFY, warrants.said.len())
}

fn times(cost: Span, count: usize) -> Span {
    Span(cost.0.saturating_mul(count as u64))
}

fn of_record(record: &Record) -> Span {
    match record.body() {
        Body::Capability(_) | Body::Act(_) => VERIFY + TOKEN,
        Body::Genesis(_)
        | Body::Invite(_)
        | Body::Join(_)
        | Body::Leave(_)
        | Body::Removal(_)
        | Body::Merge(_)
        | Body::Revocation(_)
        | Body::Alert(_)
        | Body::Checkpoint(_)
        | Body::HandOver(_)
        | Body::Recovery(_)
        | Body::Halt(_)
        | Body::Charter(_)
        | Body::Erasure(_)
        | Body::Erased { .. }
        | Body::Ruling(_)
        | Body::Report(_)
        | Body::SealedReport(_)
        | Body::CaseWord(_)
        | Body::Appeal(_)
        | Body::Claim(_)
        | Body::AuditRound(_)
        | Body::Sublime(_)
        | Body::Vote(_)
        | Body::Unknown(..) => VERIFY,
        Body::Jury(_) => times(VERIFY, 2),
        Body::AuditReport(_) => times(VERIFY, 3),
        Body::Keys(named) => times(VERIFY, 1 + named.decided.signatures()),
    }
}
