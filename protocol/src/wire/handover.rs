//! New seats for the committee: what its present seats agree on, and how everybody learns of it.

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{
    Certificate, CommitteeKeys, DecodeError, Said, Statement, body::ordered, codec::encode,
};
use crate::core::limits::{SEATS_MAX, SEATS_MIN};

/// Who is to sit on the committee after the present epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatsPlan {
    /// The epoch of the keys in force: a plan is void once there are others.
    pub epoch: u64,
    /// All seats of the next epoch, in order.
    pub seats: Vec<PublicKey>,
}

/// What a plan rests on.
///
/// A plan is carried out once what rests on it suffices: today the words of a quorum of the present seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Authority {
    /// The person of a present seat approves of it.
    Seat(Said),
}

/// Statement that the committee's keys pass to new seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The last height that the keys in force verify; above it only their successors do.
    pub height: u64,
    /// The [`NextCommittee`], by its name.
    pub next: ContentId,
}

/// Keys and seats of the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextCommittee {
    /// Its keys, with its number.
    pub keys: CommitteeKeys,
    /// Its seats, in order.
    pub seats: Vec<PublicKey>,
}

/// How the mesh learns of an epoch: who comes, and the word of who goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// The epoch that begins.
    pub next: NextCommittee,
    /// The certificate of the epoch before it, over a [`HandOver`].
    pub certificate: Certificate,
}

impl SeatsPlan {
    /// Returns the plan's name, of which approvals speak.
    pub fn id(&self, mesh: &ContentId) -> ContentId {
        ContentId::of(&encode(&("seats", mesh, self)))
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        ordered("plan", "seats", &self.seats, SEATS_MIN, SEATS_MAX)
    }
}

impl NextCommittee {
    /// Returns its name, which a [`HandOver`] certifies.
    pub fn id(&self) -> ContentId {
        ContentId::of(&encode(&("committee", self)))
    }
}

impl HandedOver {
    /// Returns what the certificate states, if it is about this very epoch.
    pub fn stated(&self) -> Option<&HandOver> {
        match &self.certificate.statement {
            Statement::HandOver(stated) if stated.next == self.next.id() => Some(stated),
            Statement::HandOver(_)
            | Statement::Checkpoint(_)
            | Statement::Ticket(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_) => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        ordered("hand-over", "seats", &self.next.seats, SEATS_MIN, SEATS_MAX)?;
        if self.certificate.epoch >= self.next.keys.epoch {
            let why = "is not after the epoch that hands over";
            return Err(DecodeError::bounds("hand-over", "epoch", why));
        }
        if self.stated().is_none() {
            let why = "is not over the keys and seats beside it";
            return Err(DecodeError::bounds("hand-over", "certificate", why));
        }
        Ok(())
    }
}
