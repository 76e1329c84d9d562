//! Who can put a secret together: how many shares there are, how many it takes, and what each is called.

use core::fmt;

use curve25519_dalek::scalar::Scalar;
use serde::{Deserialize, Serialize};

/// Most shares of a secret: three times the default 10, which bounds every message and computation here.
pub const SHARES_MAX: u8 = 32;

/// How many shares there are and how many of them give the secret back: `threshold` of `shares`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct AccessStructure {
    threshold: u8,
    shares: u8,
}

/// Reports numbers by which nothing can be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret cannot be shared {threshold}-of-{shares}; take 1 ≤ threshold ≤ shares ≤ {SHARES_MAX}"
)]
pub struct NoSuchAccess {
    threshold: u8,
    shares: u8,
}

/// Names a share, and with it the guardian that holds it: 1 to [`SHARES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ShareIndex(u8);

/// Reports a number that names no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} names no share; shares are counted from 1 to at most {SHARES_MAX}")]
pub struct NoSuchIndex(u8);

impl AccessStructure {
    /// Takes how many shares are needed, and how many there are.
    ///
    /// # Errors
    /// [`NoSuchAccess`] unless 1 ≤ threshold ≤ shares ≤ [`SHARES_MAX`].
    pub const fn new(threshold: u8, shares: u8) -> Result<Self, NoSuchAccess> {
        if threshold == 0 || threshold > shares || shares > SHARES_MAX {
            return Err(NoSuchAccess { threshold, shares });
        }
        Ok(Self { threshold, shares })
    }

    /// Returns how many shares give the secret back.
    pub const fn threshold(self) -> u8 {
        self.threshold
    }

    /// Returns how many shares there are.
    pub const fn shares(self) -> u8 {
        self.shares
    }

    /// Returns the indices of all shares, in order.
    pub fn indices(self) -> impl Iterator<Item = ShareIndex> {
        (1..=self.shares).map(ShareIndex)
    }

    pub(super) const fn to_bytes(self) -> [u8; 2] {
        [self.threshold, self.shares]
    }
}

impl TryFrom<(u8, u8)> for AccessStructure {
    type Error = NoSuchAccess;

    fn try_from((threshold, shares): (u8, u8)) -> Result<Self, NoSuchAccess> {
        Self::new(threshold, shares)
    }
}

impl From<AccessStructure> for (u8, u8) {
    fn from(access: AccessStructure) -> Self {
        (access.threshold, access.shares)
    }
}

impl fmt::Display for AccessStructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.threshold, self.shares)
    }
}

impl ShareIndex {
    /// Names the share with this number.
    ///
    /// # Errors
    /// [`NoSuchIndex`] for 0 and above [`SHARES_MAX`].
    pub const fn new(number: u8) -> Result<Self, NoSuchIndex> {
        if number == 0 || number > SHARES_MAX {
            return Err(NoSuchIndex(number));
        }
        Ok(Self(number))
    }

    /// Returns the number, counted from 1.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns where the polynomials are evaluated for this share.
    pub(super) fn scalar(self) -> Scalar {
        Scalar::from(self.0)
    }
}

impl TryFrom<u8> for ShareIndex {
    type Error = NoSuchIndex;

    fn try_from(number: u8) -> Result<Self, NoSuchIndex> {
        Self::new(number)
    }
}

impl From<ShareIndex> for u8 {
    fn from(index: ShareIndex) -> Self {
        index.number()
    }
}

impl fmt::Display for ShareIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
