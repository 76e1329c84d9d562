//! Bytes locked with a passphrase.
//!
//! The key is made of the passphrase by Argon2id, so that guessing is slow, and locks the bytes with AES-256-GCM,
//! so that a changed byte anywhere is noticed. The sealed form describes itself:
//!
//! ```text
//! "x0seal" ‖ version (1 byte) ‖ memory (4, KiB) ‖ passes (4) ‖ lanes (4) ‖ salt (16) ‖ nonce (12) ‖ locked bytes ‖ tag (16)
//! ```
//!
//! Numbers are big-endian. Everything before the locked bytes is authenticated with them. The costs are stored
//! so that they can rise later, and bounded on opening so that a planted file cannot exhaust a machine.
//!
//! A wrong passphrase and damaged bytes cannot be told apart; that is a property of the cipher.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::NoRandomness;

const MAGIC: &[u8; 6] = b"x0seal";
const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = MAGIC.len() + 1 + 3 * 4 + SALT_BYTES + NONCE_BYTES;
const MAX_SECRET_BYTES: usize = 1024 * 1024;

/// What it costs to try one passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// RFC 9106, section 4, second recommended option (64 MiB, 3 passes), with one lane: the `argon2` crate
    /// runs lanes one after the other, so more would only help an attacker who runs them side by side.
    pub(crate) const STANDARD: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// The most that is accepted on opening: 1 GiB, 16 passes, 16 lanes; some ten seconds of work.
    const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 16,
        lanes: 16,
    };

    const fn is_acceptable(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib
            && self.passes <= Self::MOST.passes
            && self.lanes <= Self::MOST.lanes
    }
}

/// Says why bytes could not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no randomness for salt and nonce.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Nothing protects the bytes.
    #[error(
        "the passphrase is empty; choose one, or store the secret without a passphrase on purpose"
    )]
    EmptyPassphrase,
    /// More bytes than a sealed secret may have.
    #[error("{bytes} bytes are too many to seal; the most is {MAX_SECRET_BYTES}")]
    TooLong {
        /// How many were given.
        bytes: usize,
    },
    /// The key could not be computed.
    #[error(
        "the key could not be made of the passphrase ({reason}); free some memory and try again"
    )]
    NoKey {
        /// What Argon2 reported.
        reason: String,
    },
}

/// Says why sealed bytes could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes were not made by sealing, or are cut short.
    #[error("these are not sealed bytes of x0 ({reason}); restore them from a backup")]
    NotSealed {
        /// What does not fit.
        reason: &'static str,
    },
    /// A newer x0 made them.
    #[error("the bytes were sealed in format {found}, and this x0 knows {VERSION}; use a newer x0")]
    NewerVersion {
        /// The version found.
        found: u8,
    },
    /// The passphrase is wrong or the bytes were changed.
    #[error(
        "the passphrase is wrong, or the sealed bytes are damaged; try again, or restore them from a backup"
    )]
    WrongPassphrase,
    /// Opening would take more memory or time than any honest seal.
    #[error(
        "opening would take {memory_kib} KiB of memory and {passes} passes, more than any seal of x0; restore from a backup"
    )]
    TooCostly {
        /// Memory asked for.
        memory_kib: u32,
        /// Passes asked for.
        passes: u32,
    },
    /// The key could not be computed.
    #[error(
        "the key could not be made of the passphrase ({reason}); free some memory and try again"
    )]
    NoKey {
        /// What Argon2 reported.
        reason: String,
    },
}

/// Locks a secret with a passphrase; takes about a tenth of a second and 64 MiB.
///
/// # Errors
/// If the passphrase is empty, the secret is over 1 MiB, or there is no randomness or memory.
pub fn seal(secret: &[u8], passphrase: &str) -> Result<Vec<u8>, SealError> {
    seal_at(Cost::STANDARD, secret, passphrase)
}

pub(crate) fn seal_at(cost: Cost, secret: &[u8], passphrase: &str) -> Result<Vec<u8>, SealError> {
    if passphrase.is_empty() {
        return Err(SealError::EmptyPassphrase);
    }
    if secret.len() > MAX_SECRET_BYTES {
        return Err(SealError::TooLong {
            bytes: secret.len(),
        });
    }
    let mut random = [0; SALT_BYTES + NONCE_BYTES];
    getrandom::fill(&mut random).map_err(NoRandomness::from)?;
    let mut sealed = Vec::with_capacity(HEADER_BYTES + secret.len() + TAG_BYTES);
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        sealed.extend_from_slice(&number.to_be_bytes());
    }
    sealed.extend_from_slice(&random);
    let (salt, nonce) = random.split_at(SALT_BYTES);
    let cipher = cipher(cost, passphrase, salt).map_err(|reason| SealError::NoKey { reason })?;
    let locked = cipher.encrypt(
        &nonce_of(nonce),
        Payload {
            msg: secret,
            aad: &sealed,
        },
    );
    // AES-GCM refuses only above 64 GiB, far beyond `MAX_SECRET_BYTES`.
    sealed.extend(locked.map_err(|_| SealError::TooLong {
        bytes: secret.len(),
    })?);
    Ok(sealed)
}

/// Unlocks what [`seal`] has locked.
///
/// # Errors
/// [`OpenError`], by what can be done about it.
pub fn open(sealed: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(OpenError::NotSealed {
        reason: "they do not begin with x0seal",
    })?;
    let cut_short = OpenError::NotSealed {
        reason: "they are cut short",
    };
    match rest.first() {
        None => return Err(cut_short),
        Some(&VERSION) => {}
        Some(&found) => return Err(OpenError::NewerVersion { found }),
    }
    if sealed.len() < HEADER_BYTES + TAG_BYTES {
        return Err(cut_short);
    }
    if sealed.len() > HEADER_BYTES + MAX_SECRET_BYTES + TAG_BYTES {
        return Err(OpenError::NotSealed {
            reason: "they are too long",
        });
    }
    let (header, locked) = sealed.split_at(HEADER_BYTES);
    let (cost, salt, nonce) = read_header(header).ok_or(cut_short)?;
    if !cost.is_acceptable() {
        return Err(OpenError::TooCostly {
            memory_kib: cost.memory_kib,
            passes: cost.passes,
        });
    }
    let cipher = cipher(cost, passphrase, salt).map_err(|reason| OpenError::NoKey { reason })?;
    let secret = cipher.decrypt(
        &nonce_of(nonce),
        Payload {
            msg: locked,
            aad: header,
        },
    );
    secret
        .map(Zeroizing::new)
        .map_err(|_| OpenError::WrongPassphrase)
}

/// Splits a header of the right length into costs, salt and nonce.
fn read_header(header: &[u8]) -> Option<(Cost, &[u8], &[u8])> {
    let (costs, random) = header.get(MAGIC.len() + 1..)?.split_at_checked(12)?;
    let (salt, nonce) = random.split_at_checked(SALT_BYTES)?;
    let number = |at: usize| Some(u32::from_be_bytes(costs.get(at..at + 4)?.try_into().ok()?));
    Some((
        Cost {
            memory_kib: number(0)?,
            passes: number(4)?,
            lanes: number(8)?,
        },
        salt,
        nonce,
    ))
}

fn cipher(cost: Cost, passphrase: &str, salt: &[u8]) -> Result<Aes256Gcm, String> {
    let mut key = Zeroizing::new([0; 32]);
    let Cost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    Params::new(memory_kib, passes, lanes, Some(key.len()))
        .and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        })
        .map_err(|error| error.to_string())?;
    Ok(Aes256Gcm::new(<&Key<Aes256Gcm>>::from(&*key)))
}

fn nonce_of(bytes: &[u8]) -> aes_gcm::Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = aes_gcm::Nonce::default();
    nonce.copy_from_slice(bytes);
    nonce
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    /// Quick, for tests about anything but cost.
    pub(crate) const CHEAP: Cost = Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    #[test]
    fn what_is_sealed_at_the_standard_cost_opens_again() {
        let sealed = seal(b"secret", "correct horse").unwrap();

        assert_eq!(
            open(&sealed, "correct horse").unwrap().as_slice(),
            b"secret"
        );
        assert_eq!(
            sealed[7..19],
            [0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1],
            "64 MiB, 3 passes, 1 lane"
        );
    }

    /// The format is pinned. The bytes were made with other implementations: Argon2 in C, AES-GCM of OpenSSL.
    #[test]
    fn a_seal_of_version_1_opens() {
        let sealed = data_encoding::HEXLOWER.decode(PINNED.as_bytes()).unwrap();

        assert_eq!(
            open(&sealed, "passphrase").unwrap().as_slice(),
            b"the secret"
        );
    }

    const PINNED: &str = "78307365616c01000000400000000200000001000102030405060708090a0b0c0d0e0f6465666768696a6b\
                          6c6d6e6f166674be5ce1a25245c5ff4f451a518b5f92f322242372f284ff";

    #[test]
    fn the_same_secret_is_never_sealed_to_the_same_bytes() {
        let seal = || seal_at(CHEAP, b"secret", "passphrase").unwrap();

        assert_ne!(seal()[HEADER_BYTES..], seal()[HEADER_BYTES..]);
    }

    #[test]
    fn a_wrong_passphrase_and_any_changed_byte_are_noticed() {
        let sealed = seal_at(CHEAP, b"secret", "passphrase").unwrap();

        assert_eq!(open(&sealed, "Passphrase"), Err(OpenError::WrongPassphrase));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(open(&damaged, "passphrase").is_err(), "byte {at}");
            assert!(open(&sealed[..at], "passphrase").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_version_and_absurd_costs_are_told_apart_from_damage() {
        let sealed = seal_at(CHEAP, b"secret", "passphrase").unwrap();
        let with = |at: usize, byte: u8| {
            let mut sealed = sealed.clone();
            sealed[at] = byte;
            open(&sealed, "passphrase").unwrap_err()
        };

        assert_eq!(with(6, 2), OpenError::NewerVersion { found: 2 });
        assert_eq!(
            with(7, 0xff),
            OpenError::TooCostly {
                memory_kib: 0xff00_0008,
                passes: 1
            }
        );
        assert!(matches!(with(11, 1), OpenError::TooCostly { .. }));
        assert!(matches!(with(0, b'y'), OpenError::NotSealed { .. }));
        assert_eq!(
            open(b"x0seal", ""),
            Err(OpenError::NotSealed {
                reason: "they are cut short"
            })
        );
    }

    #[test]
    fn what_cannot_be_sealed_is_said() {
        assert_eq!(seal(b"secret", ""), Err(SealError::EmptyPassphrase));
        let long = vec![0; MAX_SECRET_BYTES + 1];
        assert_eq!(
            seal(&long, "passphrase"),
            Err(SealError::TooLong {
                bytes: MAX_SECRET_BYTES + 1
            })
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_secret_and_passphrase_round_trip(secret: Vec<u8>, passphrase in ".+") {
            let sealed = seal_at(CHEAP, &secret, &passphrase).unwrap();

            prop_assert_eq!(open(&sealed, &passphrase), Ok(Zeroizing::new(secret)));
        }

        #[test]
        fn opening_anything_never_panics(bytes: Vec<u8>, costs in prop::array::uniform3(0u32..40), passphrase: String) {
            prop_assert!(open(&bytes, &passphrase).is_err());
            let costs: Vec<u8> = costs.iter().flat_map(|cost| cost.to_be_bytes()).collect();
            let sealed = [MAGIC.as_slice(), &[VERSION], &costs, &bytes].concat();
            prop_assert!(open(&sealed, &passphrase).is_err());
        }
    }
}
