//! The same secret shared anew, for other guardians and another threshold, without ever putting it together.
//!
//! Each of a fixed set of old guardians, the *dealers*, shares its own share among the new guardians (Herzberg,
//! Jarecki, Krawczyk, Yung, "Proactive Secret Sharing", CRYPTO 1995; Desmedt and Jajodia, "Redistributing Secret
//! Shares to New Access Structures and Its Applications", 1997). Each new guardian adds up what it was dealt, weighted
//! so that the sum is a share of the old secret; everybody adds up the dealers' commitments alike.
//!
//! ```text
//! dealer i:        deals its value a(i) and blinding b(i); the constant of its commitments must be the one that
//!                  the old commitments give for share i
//! new share of j:  Σᵢ λᵢ · subshareᵢ(j)     new commitments: Σᵢ λᵢ · commitmentsᵢ     λ: Lagrange at zero
//! ```
//!
//! Who deals something else than its share is found out by everybody, who hands out a wrong subshare by whoever gets
//! it. Old and new shares lie on different polynomials and do not combine, and neither do new shares that came from
//! different sets of dealers: all new guardians must use the one set that was decided on.
//!
//! Enough old guardians who keep their old shares can put the secret together for ever. Resharing protects from who
//! comes by shares of different epochs, and nobody else.

use std::collections::BTreeMap;

use core::iter::zip;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul as _;

use super::seeded;
use super::sharing::{deal_with, weights_at_zero};
use super::{AccessStructure, Commitments, Dealing, Share, ShareIndex};

const REDEAL_DOMAIN: &[u8] = b"x0/sublime/redeal/1";

/// A set of dealers whose commitments are all good, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resharing {
    dealings: BTreeMap<ShareIndex, Commitments>,
    /// Of each dealer, in the order of their indices.
    weights: Vec<Scalar>,
    commitments: Commitments,
}

/// Names a dealer that broke the rules, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("guardian {dealer} {fault}; decide on a set of dealers without it")]
pub struct BadDealer {
    /// The index of its old share.
    pub dealer: ShareIndex,
    /// What is wrong.
    pub fault: DealerFault,
}

/// What a dealer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DealerFault {
    /// There is no such share in the old commitments.
    #[error("has no share of this secret")]
    NoShare,
    /// It dealt for another threshold or another number of guardians.
    #[error("deals {found}, not {wanted} as decided")]
    OtherAccess {
        /// What it deals.
        found: AccessStructure,
        /// What was decided.
        wanted: AccessStructure,
    },
    /// What it deals is not its share.
    #[error("deals something else than its share")]
    NotItsShare,
    /// It is not among those who were decided on.
    #[error("is none of the dealers")]
    NotADealer,
    /// What it dealt to a new guardian is not what it committed to.
    #[error("dealt a wrong part")]
    BadPart,
}

/// Says why nothing comes of a resharing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResharingError {
    /// The secret is not in so few shares.
    #[error("{dealers} guardians deal, and it takes {threshold}; decide on more dealers")]
    TooFewDealers {
        /// How many there are.
        dealers: usize,
        /// How many it takes.
        threshold: u8,
    },
    /// Dealers broke the rules.
    #[error("{}", all(.0))]
    BadDealers(Vec<BadDealer>),
    /// Dealers' parts have not come.
    #[error("the parts of guardians {} have not come; ask them again", list(.0))]
    Missing(Vec<ShareIndex>),
    /// There is no such new share.
    #[error("there is no share {index} of {access}; name one that there is")]
    NoSuchShare {
        /// Which was asked for.
        index: ShareIndex,
        /// How the secret is shared from now on.
        access: AccessStructure,
    },
    /// The dealings cancel each other out, which takes that all dealers agreed on it.
    #[error("the dealings cancel each other out; decide on another set of dealers")]
    Cancelled,
}

impl Share {
    /// Shares this share among new guardians. The same again gives the same.
    ///
    /// The seed must be secret and random. `rotation` names what this is dealt for: two resharings of one share must
    /// not have the same name, or else what is dealt in both could be put together.
    pub fn redeal(&self, access: AccessStructure, rotation: &[u8], seed: &[u8; 32]) -> Dealing {
        let own = self.to_bytes();
        let parts: [&[u8]; 3] = [&access.to_bytes(), rotation, own.as_slice()];
        let stream = seeded::stream(REDEAL_DOMAIN, seed, &parts);
        deal_with(&self.value, &self.blinding, access, stream)
    }
}

impl Commitments {
    /// Checks that an old guardian's commitments are to its very share, dealt as decided.
    ///
    /// # Errors
    /// [`BadDealer`] if they are not, or there is no such share.
    pub fn verify_redealing(
        &self,
        access: AccessStructure,
        dealer: ShareIndex,
        dealing: &Self,
    ) -> Result<(), BadDealer> {
        let bad = |fault| Err(BadDealer { dealer, fault });
        let Some(own) = self.of_share(dealer) else {
            return bad(DealerFault::NoShare);
        };
        if dealing.access() != access {
            return bad(DealerFault::OtherAccess {
                found: dealing.access(),
                wanted: access,
            });
        }
        if dealing.of_secret() != own {
            return bad(DealerFault::NotItsShare);
        }
        Ok(())
    }
}

impl Resharing {
    /// Fixes the set of dealers, by the old commitments and what was decided.
    ///
    /// # Errors
    /// [`ResharingError`] if they are too few, or some are bad, of which all are named.
    pub fn new(
        old: &Commitments,
        access: AccessStructure,
        dealings: BTreeMap<ShareIndex, Commitments>,
    ) -> Result<Self, ResharingError> {
        let verdicts = dealings
            .iter()
            .map(|(dealer, dealing)| old.verify_redealing(access, *dealer, dealing));
        let bad: Vec<BadDealer> = verdicts.filter_map(Result::err).collect();
        if !bad.is_empty() {
            return Err(ResharingError::BadDealers(bad));
        }
        let threshold = old.access().threshold();
        if dealings.len() < usize::from(threshold) {
            return Err(ResharingError::TooFewDealers {
                dealers: dealings.len(),
                threshold,
            });
        }
        let dealers: Vec<ShareIndex> = dealings.keys().copied().collect();
        let weights = weights_at_zero(&dealers);
        let coefficient = |at: usize| {
            let points = dealings.values().map(|dealing| dealing.points()[at]);
            RistrettoPoint::vartime_multiscalar_mul(&weights, points)
        };
        let points = (0..usize::from(access.threshold())).map(coefficient);
        let commitments = Commitments::of_points(access, points.collect());
        let commitments = commitments.ok_or(ResharingError::Cancelled)?;
        Ok(Self {
            dealings,
            weights,
            commitments,
        })
    }

    /// Returns the commitments to the new shares. Everybody computes the same.
    pub const fn commitments(&self) -> &Commitments {
        &self.commitments
    }

    /// Returns whose parts make a new share, in order.
    pub fn dealers(&self) -> impl Iterator<Item = ShareIndex> {
        self.dealings.keys().copied()
    }

    /// Checks what a dealer dealt to one new guardian.
    ///
    /// # Errors
    /// [`BadDealer`] if it is not what it committed to, or it is none of the dealers.
    pub fn verify_part(&self, dealer: ShareIndex, part: &Share) -> Result<(), BadDealer> {
        let bad = |fault| BadDealer { dealer, fault };
        let dealing = self.dealings.get(&dealer);
        let dealing = dealing.ok_or(bad(DealerFault::NotADealer))?;
        dealing.verify(part).map_err(|_| bad(DealerFault::BadPart))
    }

    /// Makes a new guardian's share from what every dealer dealt to it. Parts of others than the dealers are ignored.
    ///
    /// # Errors
    /// [`ResharingError`] if parts are wrong, or else if some are missing; all those dealers are named.
    pub fn share(
        &self,
        index: ShareIndex,
        parts: &BTreeMap<ShareIndex, Share>,
    ) -> Result<Share, ResharingError> {
        let access = self.commitments.access();
        if index.number() > access.shares() {
            return Err(ResharingError::NoSuchShare { index, access });
        }
        let mut share = Share {
            index,
            value: Scalar::ZERO,
            blinding: Scalar::ZERO,
        };
        let (mut bad, mut missing) = (Vec::new(), Vec::new());
        for (dealer, weight) in zip(self.dealers(), &self.weights) {
            let Some(part) = parts.get(&dealer) else {
                missing.push(dealer);
                continue;
            };
            if part.index != index || self.verify_part(dealer, part).is_err() {
                bad.push(BadDealer {
                    dealer,
                    fault: DealerFault::BadPart,
                });
                continue;
            }
            share.value += part.value * weight;
            share.blinding += part.blinding * weight;
        }
        if !bad.is_empty() {
            return Err(ResharingError::BadDealers(bad));
        }
        if !missing.is_empty() {
            return Err(ResharingError::Missing(missing));
        }
        Ok(share)
    }
}

fn all(bad: &[BadDealer]) -> String {
    let bad: Vec<String> = bad.iter().map(BadDealer::to_string).collect();
    bad.join("; ")
}

fn list(indices: &[ShareIndex]) -> String {
    let indices: Vec<String> = indices.iter().map(ShareIndex::to_string).collect();
    indices.join(", ")
}
