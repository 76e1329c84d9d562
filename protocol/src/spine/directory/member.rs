//! One member as the directory knows it.

use x0_crypto::{ContentId, MembershipCommitment, PublicKey, capability::RootKey};

use crate::{
    core::time::Wall,
    wire::{MemberFacts, Region},
};

/// One who is or was a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub key: PublicKey,
    /// The root of the capability tokens it grants.
    pub root: RootKey,
    /// Commitment for anonymous membership proofs.
    pub commitment: MembershipCommitment,
    /// Region it picked, if any.
    pub region: Option<Region>,
    /// Since when, by its own clock.
    pub since: Wall,
    /// Whose invite it came by; `None` for founders.
    pub invited_by: Option<PublicKey>,
    /// The record it came in by: a join, or the genesis.
    pub entry: ContentId,
    /// That record's place in the member's own chain.
    pub entry_seq: u64,
    /// How it stands now.
    pub standing: Standing,
}

impl Member {
    /// Tells whether the member counts and may act.
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    /// Returns what the committee counts of the member, who stands in this first-level invite subtree.
    pub fn facts(&self, subtree: PublicKey) -> MemberFacts {
        MemberFacts {
            since: self.since,
            subtree,
            region: self.region.clone(),
            founder: self.invited_by.is_none(),
            serves: false,
        }
    }
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In.
    Active,
    /// Out by its own word.
    Left,
    /// Out by the seats' word.
    Removed,
    /// Out because another join on the same invite has the lower id.
    Displaced,
}
