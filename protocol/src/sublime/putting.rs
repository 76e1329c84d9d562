//! How an owner's device seals what opens an item: shares for guardians, the second part for the committee.

use x0_crypto::{
    Identity, NotForThisKey, PublicKey,
    committee::{SealToError, SealedToLabel},
    sublime::{AccessStructure, HybridPublic, ItemParts, deal, seal_hybrid},
};

use crate::{
    core::sublime::DrawnView,
    wire::{Appointed, GuardAsk, Sharing, second_label, share_info},
};

/// What goes out when an item is put, beside its content.
pub struct Prepared {
    /// How the first part is shared.
    pub sharing: Sharing,
    /// The second part, sealed to the committee.
    pub second: SealedToLabel,
    /// Each guardian's share.
    pub asks: Vec<(PublicKey, GuardAsk)>,
}

/// Why an item's key cannot be given into others' hands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotPrepare {
    /// There are not as many guardians as shares.
    #[error("{guardians} guardians are named for {shares} shares")]
    Guardians {
        /// How many are named.
        guardians: usize,
        /// How many there must be.
        shares: u8,
    },
    /// Nothing can be sealed to a guardian's key.
    #[error("nothing can be sealed to the key of guardian {guardian}: {cause}")]
    Guardian {
        /// Whose.
        guardian: PublicKey,
        /// What is wrong with it.
        cause: NotForThisKey,
    },
    /// Nothing can be sealed to the committee.
    #[error("the second part of the key cannot be sealed to the committee: {0}")]
    Committee(#[from] SealToError),
}

/// Of ten guardians this many must keep their share before an item is made known; of fewer, as many in proportion.
const KEPT_OF_TEN: usize = 8;

/// Tells whether enough guardians keep their share for an item to be made known.
pub fn is_safe(kept: usize, access: AccessStructure) -> bool {
    kept >= (usize::from(access.shares()) * KEPT_OF_TEN).div_ceil(10)
}

/// Deals an item's secret to guardians and seals its second part to the committee.
///
/// All that is random here follows from the seed, which must be secret; it may be the one that the parts were drawn from.
///
/// # Errors
///
/// Returns what cannot be sealed, and to whom.
pub fn prepare(
    parts: &ItemParts,
    signer: &Identity,
    drawn: &DrawnView,
    seed: &[u8; 32],
) -> Result<Prepared, CannotPrepare> {
    let DrawnView {
        guardians,
        access,
        mesh,
        committee,
        ..
    } = drawn;
    check_count(guardians, *access)?;
    let item = &signer.public();
    let dealing = deal(&parts.secret, *access, seed);
    let sharing = Sharing {
        epoch: 0,
        commitments: dealing.commitments,
    };
    let name = sharing.id();
    let shares = guardians.iter().zip(&dealing.shares);
    let asks = shares.map(|((guardian, key), share)| {
        let index = share.index();
        let info = share_info(mesh, item, &name, (guardian, index));
        let sealed = seal_hybrid(key, &info, share.to_bytes().as_slice(), seed);
        let sealed = sealed.map_err(|cause| CannotPrepare::Guardian {
            guardian: *guardian,
            cause,
        })?;
        let ask = GuardAsk {
            item: *item,
            sharing: sharing.clone(),
            index,
            appointed: Appointed::by_owner(signer, mesh, &name, (guardian, index)),
            sealed: sealed.into(),
        };
        Ok((*guardian, ask))
    });
    let asks = asks.collect::<Result<_, CannotPrepare>>()?;
    let label = second_label(mesh, item);
    let second = committee.seal_to(&label, parts.second.to_bytes().as_slice(), seed)?;
    Ok(Prepared {
        sharing,
        second,
        asks,
    })
}

fn check_count(
    guardians: &[(PublicKey, HybridPublic)],
    access: AccessStructure,
) -> Result<(), CannotPrepare> {
    match guardians.len() == usize::from(access.shares()) {
        true => Ok(()),
        false => Err(CannotPrepare::Guardians {
            guardians: guardians.len(),
            shares: access.shares(),
        }),
    }
}
