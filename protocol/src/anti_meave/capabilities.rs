//! Capability tokens known here, what was revoked, and which delegation roots this node accepts.

use std::{cmp::Ordering, collections::BTreeSet};

use x0_crypto::{
    ContentId,
    capability::{Capability, RevocationId, RootKey},
};

use crate::{
    core::{command::CapabilityView, reject::ActRefusal},
    wire::{Record, Verified},
};

/// The tokens, revocations and roots known to a peer.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    known: BTreeSet<Known>,
    revoked: BTreeSet<(RootKey, RevocationId)>,
    accepted: BTreeSet<RootKey>,
}

/// A record that made a token known, in order of id.
#[derive(Clone, Debug)]
struct Known(Verified<Record>);

impl Known {
    fn id(&self) -> ContentId {
        self.0.value().id()
    }
}

impl Ord for Known {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(&other.id())
    }
}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Known {}

impl Capabilities {
    /// Takes note of a token that a record made known.
    pub fn learn(&mut self, record: &Verified<Record>) {
        if record.capability().is_some() {
            self.known.insert(Known(record.clone()));
        }
    }

    /// Forgets tokens by the records that made them known, in order; what was revoked stays so.
    pub fn forget(&mut self, records: &[ContentId]) {
        self.known
            .retain(|known| records.binary_search(&known.id()).is_err());
    }

    /// Revokes blocks of tokens granted under `root`, and everything derived from them.
    pub fn revoke(&mut self, root: RootKey, ids: &[RevocationId]) {
        self.revoked.extend(ids.iter().map(|id| (root, *id)));
    }

    /// Iterates over all that was revoked, by root.
    pub fn revoked(&self) -> impl Iterator<Item = &(RootKey, RevocationId)> {
        self.revoked.iter()
    }

    /// Accepts a delegation root by this node's own choice, or no longer.
    pub fn accept(&mut self, root: RootKey, accepted: bool) {
        if accepted {
            self.accepted.insert(root);
        } else {
            self.accepted.remove(&root);
        }
    }

    /// Tells whether this node accepts the root by its own choice.
    pub fn is_accepted(&self, root: &RootKey) -> bool {
        self.accepted.contains(root)
    }

    /// Checks that no block of the token was revoked.
    ///
    /// # Errors
    ///
    /// Returns the first block that was.
    pub fn check_revoked(&self, capability: &Capability) -> Result<(), ActRefusal> {
        let ids = capability.revocation_ids().iter().enumerate();
        for (block, id) in ids {
            if self.revoked.contains(&(*capability.root(), *id)) {
                let refusal = x0_crypto::capability::Refusal::Revoked { block, id: *id };
                return Err(ActRefusal::Token(refusal));
            }
        }
        Ok(())
    }

    /// Lists the tokens; `is_accepted` tells which roots this node takes acts under.
    pub fn view(&self, is_accepted: impl Fn(&RootKey) -> bool) -> Vec<CapabilityView> {
        let view = |Known(record): &Known| {
            let capability = record.capability()?;
            Some(CapabilityView {
                id: record.value().id(),
                publisher: record.value().author(),
                capability: capability.clone(),
                revoked: self.check_revoked(capability).is_err(),
                accepted: is_accepted(capability.root()),
            })
        };
        self.known.iter().filter_map(view).collect()
    }
}
