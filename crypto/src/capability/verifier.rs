//! The whole check of a token against an act, with a memory for tokens seen before.
//!
//! Verifying a token costs a signature check per block; deciding about one act is far cheaper. A [`Verifier`]
//! remembers verified tokens by the hash of their bytes and the root, so that a token seen before goes straight
//! to the decision. Revocation, holder, time and every caveat are looked at each time. Refused tokens are not
//! remembered: there is no end of them.
//!
//! The memory is bounded and drops the token that was not used for longest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Capability, CapabilityError, DEFAULT_CACHE_TOKENS, Refusal, RevocationId, RootKey, Token, Use,
};

/// Checks tokens and remembers those it has verified.
pub struct Verifier {
    verified: BTreeMap<Key, Entry>,
    /// The same tokens by time of last use, for finding the one to drop.
    by_age: BTreeMap<u64, Key>,
    capacity_tokens: usize,
    uses: u64,
}

/// Hash of the token, and the root it was verified under.
type Key = ([u8; 32], RootKey);

struct Entry {
    capability: Arc<Capability>,
    last_use: u64,
}

/// Checks a token against an act without remembering anything.
///
/// # Errors
/// A [`Refusal`] that names what stood in the way.
pub fn check(
    token: &Token,
    root: &RootKey,
    revoked: &dyn Fn(&RevocationId) -> bool,
    act: &Use,
) -> Result<Capability, Refusal> {
    let capability = token.verify(root)?;
    decide(&capability, revoked, act)?;
    Ok(capability)
}

fn decide(
    capability: &Capability,
    revoked: &dyn Fn(&RevocationId) -> bool,
    act: &Use,
) -> Result<(), Refusal> {
    if let Some((id, block)) = capability
        .revocation_ids()
        .iter()
        .zip(0..)
        .find(|(id, _)| revoked(id))
    {
        return Err(Refusal::Revoked { block, id: *id });
    }
    capability.authorize(act)
}

impl Verifier {
    /// Makes a verifier that remembers up to so many tokens; 0 remembers none.
    pub const fn new(capacity_tokens: usize) -> Self {
        Self {
            verified: BTreeMap::new(),
            by_age: BTreeMap::new(),
            capacity_tokens,
            uses: 0,
        }
    }

    /// Checks a token against an act.
    ///
    /// # Errors
    /// A [`Refusal`] that names what stood in the way.
    pub fn check(
        &mut self,
        token: &Token,
        root: &RootKey,
        revoked: &dyn Fn(&RevocationId) -> bool,
        act: &Use,
    ) -> Result<Arc<Capability>, Refusal> {
        let capability = self.verify(token, root)?;
        decide(&capability, revoked, act)?;
        Ok(capability)
    }

    /// Verifies a token, or recalls that it was verified.
    ///
    /// # Errors
    /// As for [`Token::verify`].
    pub fn verify(
        &mut self,
        token: &Token,
        root: &RootKey,
    ) -> Result<Arc<Capability>, CapabilityError> {
        let key = (token.digest(), *root);
        if let Some(capability) = self.recall(&key) {
            return Ok(capability);
        }
        let capability = Arc::new(token.verify(root)?);
        self.remember(key, &capability);
        Ok(capability)
    }

    /// Returns how many tokens are remembered.
    pub fn len(&self) -> usize {
        self.verified.len()
    }

    /// Tells whether no token is remembered.
    pub fn is_empty(&self) -> bool {
        self.verified.is_empty()
    }

    fn recall(&mut self, key: &Key) -> Option<Arc<Capability>> {
        let entry = self.verified.get_mut(key)?;
        self.uses += 1;
        self.by_age.remove(&entry.last_use);
        self.by_age.insert(self.uses, *key);
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.capability))
    }

    fn remember(&mut self, key: Key, capability: &Arc<Capability>) {
        if self.capacity_tokens == 0 {
            return;
        }
        if self.verified.len() >= self.capacity_tokens
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.verified.remove(&oldest);
        }
        self.uses += 1;
        self.by_age.insert(self.uses, key);
        self.verified.insert(
            key,
            Entry {
                capability: Arc::clone(capability),
                last_use: self.uses,
            },
        );
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new(DEFAULT_CACHE_TOKENS)
    }
}
