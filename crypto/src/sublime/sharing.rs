//! A secret shared so that any `t` of `n` guardians can give it back, fewer learn nothing, and a wrong share is
//! noticed and named: Pedersen, "Non-Interactive and Information-Theoretic Secure Verifiable Secret Sharing",
//! CRYPTO 1991, over Ristretto's group (RFC 9496).
//!
//! ```text
//! share of guardian i:  a(i), b(i)     a, b: polynomials of degree t − 1, a(0) = the secret
//! commitment k:         aₖ·G + bₖ·H    nobody knows the logarithm of H to the base G
//! check:                a(i)·G + b(i)·H = Σₖ iᵏ · commitment k
//! ```
//!
//! The commitments say nothing about the secret, whatever the computing power of who looks at them. For that reason
//! `a(0)·G` is never computed: beside it the commitments would only be as strong as discrete logarithms, and a
//! quantum computer would undo the hybrid sealing of shares. What binds the dealer *is* discrete logarithms: with a
//! quantum computer a dealer could deal shares that pass and do not combine.
//!
//! All randomness comes from a seed through SHA-256 and ChaCha20: it is as hidden as these are strong.

use core::fmt;
use core::iter::zip;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity as _, MultiscalarMul as _};
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{AccessStructure, ItemSecret, SHARES_MAX, ShareIndex, seeded};
use crate::wire::{Malformed, serde_by_bytes};

/// Bytes of a [`Share`]: index, value (32), blinding (32).
pub const SHARE_BYTES: usize = 1 + 2 * SCALAR_BYTES;

/// Most bytes of [`Commitments`]: number of shares, then a point (32) for each of the threshold.
pub const COMMITMENTS_BYTES_MAX: usize = 1 + SHARES_MAX as usize * POINT_BYTES;

const SCALAR_BYTES: usize = 32;
const POINT_BYTES: usize = 32;
const DEAL_DOMAIN: &[u8] = b"x0/sublime/deal/1";
/// Where the second generator comes from.
const H_DOMAIN: &[u8] = b"x0/sublime/second-generator/1";

/// The second generator, by the one-way map of SHA-512 of its name (RFC 9496, 4.3.4): nothing up the sleeve.
pub(super) static H: LazyLock<RistrettoPoint> =
    LazyLock::new(|| RistrettoPoint::from_uniform_bytes(&Sha512::digest(H_DOMAIN).into()));

/// One guardian's share. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Share {
    #[zeroize(skip)]
    pub(super) index: ShareIndex,
    pub(super) value: Scalar,
    pub(super) blinding: Scalar,
}

serde_by_bytes!(Share, SHARE_BYTES);

/// What everybody may see of a dealing: it binds the dealer and says nothing about the secret.
///
/// How many shares there are stands beside the points and does not follow from them: who relies on it has the
/// commitments from what was signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Commitments {
    access: AccessStructure,
    /// One for each coefficient, the constant first; none is the identity.
    points: Vec<RistrettoPoint>,
}

serde_by_bytes!(Commitments, COMMITMENTS_BYTES_MAX);

/// All that a dealer gives out.
pub struct Dealing {
    /// For everybody.
    pub commitments: Commitments,
    /// One for each guardian alone, in the order of their indices from 1 on.
    pub shares: Vec<Share>,
}

/// Reports a share that is not of these commitments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("share {index} is not the one that was dealt; ask guardian {index} for its share again")]
pub struct BadShare {
    /// Whose share it is said to be.
    pub index: ShareIndex,
}

/// A secret that was put together.
pub struct Combined {
    /// The secret.
    pub secret: ItemSecret,
    /// Whose shares were wrong, in order; they had no part in it.
    pub bad: Vec<ShareIndex>,
}

/// Reports that too few shares are good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{good} good shares, and it takes {threshold}{}; ask more guardians",
    wrong(.bad)
)]
pub struct CombineError {
    /// How many guardians' shares are good.
    pub good: usize,
    /// How many it takes.
    pub threshold: u8,
    /// Whose shares are wrong, in order.
    pub bad: Vec<ShareIndex>,
}

/// Shares a secret. The same again gives the same.
///
/// The seed must be secret and random.
pub fn deal(secret: &ItemSecret, access: AccessStructure, seed: &[u8; 32]) -> Dealing {
    let parts: [&[u8]; 2] = [&access.to_bytes(), secret.0.as_bytes()];
    let mut stream = seeded::stream(DEAL_DOMAIN, seed, &parts);
    let blinding = Zeroizing::new(seeded::scalar(&mut stream));
    deal_with(&secret.0, &blinding, access, stream)
}

/// Puts the secret together from shares, of which each is checked.
///
/// More shares than are needed do no harm, nor do shares of one guardian that came more than once. A guardian
/// counts as wrong if none of the shares under its index is good.
///
/// # Errors
/// [`CombineError`] if fewer guardians' shares are good than it takes.
pub fn combine(commitments: &Commitments, shares: &[Share]) -> Result<Combined, CombineError> {
    let mut by_index: BTreeMap<ShareIndex, Option<&Share>> = BTreeMap::new();
    for share in shares {
        let known = by_index.entry(share.index).or_default();
        if known.is_none() && commitments.verify(share).is_ok() {
            *known = Some(share);
        }
    }
    let threshold = commitments.access.threshold();
    let bad = by_index.iter().filter(|(_, good)| good.is_none());
    let bad: Vec<ShareIndex> = bad.map(|(index, _)| *index).collect();
    let good: Vec<&Share> = by_index.into_values().flatten().collect();
    let Some(enough) = good.get(..usize::from(threshold)) else {
        return Err(CombineError {
            good: good.len(),
            threshold,
            bad,
        });
    };
    let indices: Vec<ShareIndex> = enough.iter().map(|share| share.index).collect();
    let weights = weights_at_zero(&indices);
    let parts = zip(enough, weights).map(|(share, weight)| share.value * weight);
    Ok(Combined {
        secret: ItemSecret(parts.sum::<Scalar>()),
        bad,
    })
}

/// Deals a value whose blinding is given; the other coefficients are drawn.
pub(super) fn deal_with(
    value: &Scalar,
    blinding: &Scalar,
    access: AccessStructure,
    mut stream: ChaCha20Rng,
) -> Dealing {
    let values = polynomial(value, access.threshold(), &mut stream);
    let blindings = polynomial(blinding, access.threshold(), &mut stream);
    let coefficients = zip(values.iter(), blindings.iter());
    let points = coefficients.map(|(value, blinding)| commit(value, blinding));
    Dealing {
        commitments: Commitments {
            access,
            points: points.collect(),
        },
        shares: access
            .indices()
            .map(|index| Share {
                index,
                value: evaluate(&values, index),
                blinding: evaluate(&blindings, index),
            })
            .collect(),
    }
}

/// Returns the weights by which values of a polynomial at these distinct places add up to its value at zero
/// (Lagrange).
pub(super) fn weights_at_zero(indices: &[ShareIndex]) -> Vec<Scalar> {
    let weight = |own: &ShareIndex| {
        let others = indices.iter().filter(|other| *other != own);
        let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
        for other in others {
            above *= other.scalar();
            below *= other.scalar() - own.scalar();
        }
        // Never zero: the indices are distinct and far below the order of the group.
        above * below.invert()
    };
    indices.iter().map(weight).collect()
}

fn polynomial(
    constant: &Scalar,
    threshold: u8,
    stream: &mut ChaCha20Rng,
) -> Zeroizing<Vec<Scalar>> {
    let mut coefficients = Zeroizing::new(Vec::with_capacity(threshold.into()));
    coefficients.push(*constant);
    for _ in 1..threshold {
        coefficients.push(seeded::scalar(stream));
    }
    coefficients
}

fn evaluate(coefficients: &[Scalar], at: ShareIndex) -> Scalar {
    let at = at.scalar();
    let from_highest = coefficients.iter().rev();
    from_highest.fold(Scalar::ZERO, |sum, coefficient| sum * at + coefficient)
}

/// Computes `value·G + blinding·H` in constant time and in one go, so that `value·G` does not arise.
fn commit(value: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    RistrettoPoint::multiscalar_mul([value, blinding], [G, *H])
}

/// Multiplies a public point by a small public number.
fn times(point: &RistrettoPoint, number: u8) -> RistrettoPoint {
    let bits = (0..u8::BITS - number.leading_zeros()).rev();
    bits.fold(RistrettoPoint::identity(), |sum, bit| {
        let doubled = sum + sum;
        if number >> bit & 1 == 1 {
            doubled + point
        } else {
            doubled
        }
    })
}

fn wrong(bad: &[ShareIndex]) -> String {
    if bad.is_empty() {
        return String::new();
    }
    let bad: Vec<String> = bad.iter().map(ShareIndex::to_string).collect();
    format!(" (wrong: {})", bad.join(", "))
}

impl Share {
    const WHAT: &str = "share of a secret";

    /// Returns whose share it is.
    pub const fn index(&self) -> ShareIndex {
        self.index
    }

    /// Decodes a share.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not an index and two scalars below the order of the group.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let another_length = || Malformed::not_one(Self::WHAT, "it has another length");
        let (index, rest) = bytes.split_first().ok_or_else(another_length)?;
        let ([value, blinding], []) = rest.as_chunks() else {
            return Err(another_length());
        };
        let index =
            ShareIndex::new(*index).map_err(|reason| Malformed::not_one(Self::WHAT, reason))?;
        let scalar = |bytes: &[u8; SCALAR_BYTES]| {
            let scalar = Option::from(Scalar::from_canonical_bytes(*bytes));
            scalar.ok_or_else(|| Malformed::not_one(Self::WHAT, "a number in it is too large"))
        };
        Ok(Self {
            index,
            value: scalar(value)?,
            blinding: scalar(blinding)?,
        })
    }

    /// Encodes the share.
    pub fn to_bytes(&self) -> Zeroizing<[u8; SHARE_BYTES]> {
        let mut bytes = Zeroizing::new([0; SHARE_BYTES]);
        bytes[0] = self.index.number();
        bytes[1..][..SCALAR_BYTES].copy_from_slice(self.value.as_bytes());
        bytes[1 + SCALAR_BYTES..].copy_from_slice(self.blinding.as_bytes());
        bytes
    }

    /// Returns the commitment to this share by itself.
    pub(super) fn commitment(&self) -> RistrettoPoint {
        commit(&self.value, &self.blinding)
    }
}

impl Commitments {
    const WHAT: &str = "commitment to a shared secret";

    /// Returns how the secret is shared.
    pub const fn access(&self) -> AccessStructure {
        self.access
    }

    /// Checks that a share is the one that was dealt under its index.
    ///
    /// # Errors
    /// [`BadShare`] if it is not, or there is no such index.
    pub fn verify(&self, share: &Share) -> Result<(), BadShare> {
        let index = share.index;
        let expected = self.of_share(index).ok_or(BadShare { index })?;
        if share.commitment() == expected {
            Ok(())
        } else {
            Err(BadShare { index })
        }
    }

    /// Returns the commitment to the share with this index, if there is one.
    pub(super) fn of_share(&self, index: ShareIndex) -> Option<RistrettoPoint> {
        let from_highest = self.points.iter().rev();
        let sum = from_highest.fold(RistrettoPoint::identity(), |sum, point| {
            times(&sum, index.number()) + point
        });
        (index.number() <= self.access.shares()).then_some(sum)
    }

    /// Returns the commitment to the secret.
    pub(super) fn of_secret(&self) -> RistrettoPoint {
        // Every access structure has a threshold of at least 1, and as many points.
        self.points[0]
    }

    pub(super) fn points(&self) -> &[RistrettoPoint] {
        &self.points
    }

    /// Takes as many points as the threshold, unless one of them is the identity: no honest dealing has one.
    pub(super) fn of_points(access: AccessStructure, points: Vec<RistrettoPoint>) -> Option<Self> {
        let fits = points.len() == usize::from(access.threshold())
            && !points.contains(&RistrettoPoint::identity());
        fits.then_some(Self { access, points })
    }

    /// Decodes commitments.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are too many, or no access structure with as many points in their one encoding,
    /// of which none is the identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > COMMITMENTS_BYTES_MAX {
            return Err(Malformed::TooLong {
                what: Self::WHAT,
                bytes_max: COMMITMENTS_BYTES_MAX,
                bytes: bytes.len(),
            });
        }
        let Some((&shares, points)) = bytes.split_first() else {
            return Err(Malformed::not_one(Self::WHAT, "it is empty"));
        };
        let (points, rest) = points.as_chunks::<POINT_BYTES>();
        // At most SHARES_MAX points, by the check of the length.
        let threshold = u8::try_from(points.len()).unwrap_or(u8::MAX);
        let access = AccessStructure::new(threshold, shares)
            .map_err(|reason| Malformed::not_one(Self::WHAT, reason))?;
        if !rest.is_empty() {
            return Err(Malformed::not_one(Self::WHAT, "it is cut short"));
        }
        let points: Option<Vec<RistrettoPoint>> = points
            .iter()
            .map(|point| CompressedRistretto(*point).decompress())
            .collect();
        points
            .and_then(|points| Self::of_points(access, points))
            .ok_or_else(|| Malformed::not_one(Self::WHAT, "there is no point where one belongs"))
    }

    /// Encodes the commitments.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.access.shares()];
        for point in &self.points {
            bytes.extend_from_slice(point.compress().as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Commitments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitments({})", self.access)
    }
}
