//! Gossip topics: one per class of record, so that a peer can weigh and limit each on its own.

use super::Kind;

/// A class of records that is gossiped on a topic of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Genesis, invites, joins, leaves, removals, merges.
    Directory,
    /// Capability tokens and their revocations.
    Capabilities,
    /// Acts on other nodes.
    Acts,
    /// Alerts about anomalies, and what is said to and by juries.
    Alerts,
    /// What the committee certifies, the charters that are voted on, what is said about violations of one, and
    /// audits of members' nodes.
    Certificates,
    /// Guardians, items and requests of Sublime.
    Sublime,
    /// Records of a kind this version does not know.
    Other,
}

impl Topic {
    /// Every topic a peer subscribes to.
    pub const ALL: [Self; 7] = [
        Self::Directory,
        Self::Capabilities,
        Self::Acts,
        Self::Alerts,
        Self::Certificates,
        Self::Sublime,
        Self::Other,
    ];

    /// Returns the name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Capabilities => "capabilities",
            Self::Acts => "acts",
            Self::Alerts => "alerts",
            Self::Certificates => "certificates",
            Self::Sublime => "sublime",
            Self::Other => "other",
        }
    }

    /// Returns the topic on which records of `kind` travel.
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::GENESIS
            | Kind::INVITE
            | Kind::JOIN
            | Kind::LEAVE
            | Kind::REMOVAL
            | Kind::MERGE => Self::Directory,
            Kind::CAPABILITY | Kind::REVOCATION => Self::Capabilities,
            Kind::ACT => Self::Acts,
            Kind::ALERT | Kind::JURY => Self::Alerts,
            Kind::KEYS
            | Kind::CHECKPOINT
            | Kind::HALT
            | Kind::VOTE
            | Kind::HAND_OVER
            | Kind::RECOVERY
            | Kind::CHARTER
            | Kind::RULING
            | Kind::REPORT
            | Kind::SEALED_REPORT
            | Kind::CASE_WORD
            | Kind::APPEAL
            | Kind::CLAIM
            | Kind::AUDIT_ROUND
            | Kind::AUDIT_REPORT => Self::Certificates,
            Kind::GUARDIAN
            | Kind::MANIFEST
            | Kind::ACCESS_REQUEST
            | Kind::ROTATION
            | Kind::FORGET
            | Kind::EMERGENCY_CALL
            | Kind::CARD_REVOKED
            | Kind::ONION
            | Kind::DRILLED
            | Kind::ATTESTATION
            | Kind::TRUSTEES_REVOKED => Self::Sublime,
            Kind::ERASURE | Kind(_) => Self::Other,
        }
    }
}
