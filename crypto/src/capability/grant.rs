//! Making tokens: the root grants, and anyone who has a token narrows it.
//!
//! Narrowing needs no key of one's own and no network. The key for the next block is derived from fresh
//! randomness and from everything signed so far, so that even randomness used twice gives two keys.

use std::collections::BTreeSet;

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::datalog::SymbolTable;
use zeroize::Zeroizing;

use super::token::malformed;
use super::{
    Action, CapabilityError, CapabilityRoot, Caveat, MAX_ACTIONS, MAX_BLOCKS, MAX_CAVEATS, Token,
    datalog, root,
};
use crate::{NoRandomness, PublicKey};

/// What a root grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who may use the token.
    pub holder: PublicKey,
    /// What it may be used for; 1 to [`MAX_ACTIONS`].
    pub actions: BTreeSet<Action>,
    /// Within what limits; at most [`MAX_CAVEATS`].
    pub caveats: Vec<Caveat>,
}

impl Token {
    /// Grants a capability.
    ///
    /// # Errors
    /// If the grant is empty, too large or senseless, or there is no randomness.
    pub fn grant(root: &CapabilityRoot, grant: &Grant) -> Result<Self, CapabilityError> {
        Self::grant_seeded(root, grant, &*random_seed()?)
    }

    /// Grants a capability with the given 32 secret random bytes in place of the operating system's.
    ///
    /// The same bytes and grant make the same token.
    ///
    /// # Errors
    /// If the grant is empty, too large or senseless.
    pub fn grant_seeded(
        root: &CapabilityRoot,
        grant: &Grant,
        seed: &[u8; 32],
    ) -> Result<Self, CapabilityError> {
        if grant.actions.is_empty() || grant.actions.len() > MAX_ACTIONS {
            return Err(CapabilityError::ActionCount {
                actions: grant.actions.len(),
            });
        }
        ensure_sensible(&grant.caveats)?;
        let biscuit = datalog::write_grant(grant)
            .and_then(|block| {
                let (root_key, holder) = (root.public(), grant.holder.bytes());
                let (actions, caveats) = (words(&grant.actions), words(&grant.caveats));
                let content = [root_key.bytes(), holder.as_slice(), &actions, &caveats];
                let next = root::next_key_pair(seed, &content);
                block.build_with_key_pair(root.key_pair(), SymbolTable::new(), &next)
            })
            .and_then(|biscuit| biscuit.to_vec());
        Self::from_bytes(&biscuit.map_err(malformed)?)
    }

    /// Narrows a capability; needs no key and no network.
    ///
    /// # Errors
    /// If there is no caveat or one is senseless, the token would become too large, the bytes are no token, or
    /// there is no randomness.
    pub fn attenuate(&self, caveats: &[Caveat]) -> Result<Self, CapabilityError> {
        self.attenuate_seeded(caveats, &*random_seed()?)
    }

    /// Narrows a capability with the given 32 secret random bytes in place of the operating system's.
    ///
    /// The same bytes, token and caveats make the same token.
    ///
    /// # Errors
    /// As for [`Token::attenuate`].
    pub fn attenuate_seeded(
        &self,
        caveats: &[Caveat],
        seed: &[u8; 32],
    ) -> Result<Self, CapabilityError> {
        if caveats.is_empty() {
            return Err(CapabilityError::CaveatCount { caveats: 0 });
        }
        ensure_sensible(caveats)?;
        let frame = self.decode()?;
        if frame.blocks.len() + 1 >= MAX_BLOCKS {
            return Err(CapabilityError::TooManyBlocks {
                blocks: frame.blocks.len() + 2,
            });
        }
        let narrowed = UnverifiedBiscuit::from(self.as_bytes())
            .and_then(|biscuit| {
                let block = datalog::write_caveats(caveats)?;
                let next = root::next_key_pair(seed, &[self.as_bytes(), &words(caveats)]);
                biscuit.append_with_keypair(&next, block)
            })
            .and_then(|biscuit| biscuit.to_vec());
        Self::from_bytes(&narrowed.map_err(malformed)?)
    }
}

/// Writes each item on a line of its own; neither names nor caveats contain a line break.
fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<u8> {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    words.join("\n").into_bytes()
}

fn ensure_sensible(caveats: &[Caveat]) -> Result<(), CapabilityError> {
    if caveats.len() > MAX_CAVEATS {
        return Err(CapabilityError::CaveatCount {
            caveats: caveats.len(),
        });
    }
    match caveats.iter().find(|caveat| !caveat.is_well_formed()) {
        None => Ok(()),
        Some(caveat) => Err(CapabilityError::SenselessCaveat {
            caveat: caveat.clone(),
        }),
    }
}

fn random_seed() -> Result<Zeroizing<[u8; 32]>, NoRandomness> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    Ok(seed)
}
