//! An alert whose finding this node has recomputed: the only thing that freezes or counts toward a halt.

use std::collections::BTreeSet;

use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
};

use crate::{
    anti_meave::anomaly::{Alert, NotAFinding, Observed, Severity, recheck},
    core::{
        limits::{CLOCK_SKEW_MAX, FROZEN_TOKENS_MAX},
        time::Wall,
    },
    wire::DecodeError,
};

/// A critical alert that holds: only [`Heard::of`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    alert: ContentId,
    signer: PublicKey,
    agent: PublicKey,
    root: RootKey,
    tokens: BTreeSet<RevocationId>,
    last_act: Wall,
    time: Wall,
}

/// Why an alert is not taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// It belongs to another mesh.
    #[error("the alert belongs to another mesh")]
    OtherMesh,
    /// It is out of its bounds.
    #[error(transparent)]
    OutOfBounds(#[from] DecodeError),
    /// Its evidence does not show what it claims.
    #[error("the evidence does not hold: {0}")]
    Evidence(#[from] NotAFinding),
    /// The evidence shows something else than what the alert claims.
    #[error("the evidence shows another finding than the alert claims")]
    OtherClaim,
    /// It is not critical: it is for people to look at, and stops nothing.
    #[error("the finding is not critical, so that it stops nothing")]
    NotCritical,
}

impl Heard {
    /// Recomputes an alert's finding from the acts it names, and takes it up if it is critical.
    ///
    /// `id` and `signer` are the id and the author of the verified record that carries the alert.
    ///
    /// # Errors
    ///
    /// Returns why the alert counts for nothing.
    pub fn of(
        alert: &Alert,
        (id, signer): (ContentId, PublicKey),
        mesh: &ContentId,
        acts: &[Observed],
        members_total: u32,
    ) -> Result<Self, NotHeard> {
        if alert.mesh != *mesh {
            return Err(NotHeard::OtherMesh);
        }
        alert.check()?;
        let finding = recheck(&alert.evidence, acts, members_total)?;
        if !alert.claims(&finding) {
            return Err(NotHeard::OtherClaim);
        }
        match finding.severity {
            Severity::High => return Err(NotHeard::NotCritical),
            Severity::Critical => {}
        }
        let tokens: BTreeSet<_> = acts
            .iter()
            .filter(|act| alert.evidence.acts.binary_search(&act.act).is_ok())
            .map(|act| act.token)
            .collect();
        Ok(Self {
            alert: id,
            signer,
            agent: finding.agent,
            root: finding.root,
            tokens: tokens.into_iter().take(FROZEN_TOKENS_MAX).collect(),
            last_act: finding.last,
            time: alert.time,
        })
    }

    /// Returns the alert's record.
    pub const fn alert(&self) -> ContentId {
        self.alert
    }

    /// Returns who signed the alert.
    pub const fn signer(&self) -> PublicKey {
        self.signer
    }

    /// Returns the agent the finding is laid to.
    pub const fn agent(&self) -> PublicKey {
        self.agent
    }

    /// Returns the root the finding is laid to.
    pub const fn root(&self) -> RootKey {
        self.root
    }

    /// Returns the tokens used by the acts of the evidence, as many as a freeze holds.
    pub const fn tokens(&self) -> &BTreeSet<RevocationId> {
        &self.tokens
    }

    /// Returns the date of the last act of the evidence.
    pub const fn last_act(&self) -> Wall {
        self.last_act
    }

    /// Returns the date of the alert.
    pub const fn time(&self) -> Wall {
        self.time
    }

    /// Tells whether alert and evidence are neither stale nor dated ahead.
    pub fn is_fresh(&self, now: Wall) -> bool {
        let is_near = |date: Wall| date <= now + CLOCK_SKEW_MAX && date + super::ALERT_LIFE > now;
        is_near(self.time) && is_near(self.last_act)
    }
}
