//! The file that keeps a node's identity: one line of text that a person recognises.
//!
//! ```text
//! x0-identity-1 12D3KooW… plain  BASE64(seed)
//! x0-identity-1 12D3KooW… sealed BASE64(seed sealed with a passphrase)
//! ```
//!
//! The peer id in the line says whose file it is without a passphrase, and is compared with the key inside, so
//! that damage is noticed. Who may read the file is the caller's concern.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::sealed::Cost;
use crate::{Identity, OpenError, PublicKey, SealError, open, sealed};

const NAME: &str = "x0-identity-";
const VERSION: &str = "1";
const PLAIN: &str = "plain";
const SEALED: &str = "sealed";
/// Longer than any identity file.
const FILE_BYTES_MAX: usize = 1024;

/// Says why an identity file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    /// The file is sealed and no passphrase was given.
    #[error("the identity file of {owner} is sealed; give its passphrase")]
    NeedsPassphrase {
        /// Whose file it is.
        owner: PublicKey,
    },
    /// The passphrase does not open the file.
    #[error(
        "the passphrase does not open the identity file of {owner}; try again, or restore a backup if it is damaged"
    )]
    WrongPassphrase {
        /// Whose file it is.
        owner: PublicKey,
    },
    /// The file is not what was written.
    #[error("the identity file is damaged ({what}); restore it with `x0 identity restore`")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// A newer x0 wrote the file.
    #[error("the identity file has format {found}, and this x0 knows {VERSION}; use a newer x0")]
    NewerVersion {
        /// The version found.
        found: String,
    },
    /// Opening failed for want of memory.
    #[error(transparent)]
    NotOpened(OpenError),
}

impl Identity {
    /// Writes the identity as a file, sealed if there is a passphrase.
    ///
    /// # Errors
    /// As for [`crate::seal`].
    pub fn to_file_bytes(&self, passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.to_file_bytes_at(Cost::STANDARD, passphrase)
    }

    pub(crate) fn to_file_bytes_at(
        &self,
        cost: Cost,
        passphrase: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let seed = self.seed();
        let (kind, body) = match passphrase {
            None => (PLAIN, Zeroizing::new(seed.to_vec())),
            Some(passphrase) => (
                SEALED,
                Zeroizing::new(sealed::seal_at(cost, seed.as_slice(), passphrase)?),
            ),
        };
        let body = Zeroizing::new(BASE64.encode(&body));
        let line = format!("{NAME}{VERSION} {} {kind} {}\n", self.public(), *body);
        Ok(Zeroizing::new(line.into_bytes()))
    }

    /// Reads an identity file; a passphrase given for a plain file is not used.
    ///
    /// # Errors
    /// [`IdentityFileError`], by what can be done about it.
    pub fn from_file_bytes(
        file: &[u8],
        passphrase: Option<&str>,
    ) -> Result<Self, IdentityFileError> {
        let line = read_line(file)?;
        let seed = match line.kind {
            Kind::Plain => line.body,
            Kind::Sealed => {
                let passphrase =
                    passphrase.ok_or(IdentityFileError::NeedsPassphrase { owner: line.owner })?;
                open(&line.body, passphrase).map_err(|error| not_opened(line.owner, error))?
            }
        };
        let seed: &[u8; 32] = seed
            .as_slice()
            .try_into()
            .map_err(|_| damaged("the key does not have 32 bytes"))?;
        let identity = Self::from_seed(Zeroizing::new(*seed));
        if identity.public() != line.owner {
            return Err(damaged("the key is not that of the peer id beside it"));
        }
        Ok(identity)
    }
}

struct Line {
    owner: PublicKey,
    kind: Kind,
    body: Zeroizing<Vec<u8>>,
}

enum Kind {
    Plain,
    Sealed,
}

fn read_line(file: &[u8]) -> Result<Line, IdentityFileError> {
    if file.len() > FILE_BYTES_MAX {
        return Err(damaged("it is too long"));
    }
    let text = str::from_utf8(file).map_err(|_| damaged("it is not text"))?;
    let mut words = text.split_ascii_whitespace();
    let Some(version) = words.next().and_then(|word| word.strip_prefix(NAME)) else {
        return Err(damaged("it does not begin with x0-identity-"));
    };
    if version != VERSION {
        let is_number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        let newer = || IdentityFileError::NewerVersion {
            found: version.chars().take(20).collect(),
        };
        return Err(if is_number {
            newer()
        } else {
            damaged("the number of its format is unreadable")
        });
    }
    let (Some(owner), Some(kind), Some(body), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(damaged("it does not have four words"));
    };
    let owner = owner.parse().map_err(|error| damaged(format!("{error}")))?;
    let kind = match kind {
        PLAIN => Kind::Plain,
        SEALED => Kind::Sealed,
        _ => return Err(damaged("it is neither plain nor sealed")),
    };
    let body = BASE64
        .decode(body.as_bytes())
        .map_err(|_| damaged("the key is not base64"))?;
    Ok(Line {
        owner,
        kind,
        body: Zeroizing::new(body),
    })
}

fn not_opened(owner: PublicKey, error: OpenError) -> IdentityFileError {
    match error {
        OpenError::WrongPassphrase => IdentityFileError::WrongPassphrase { owner },
        OpenError::NotSealed { reason } => damaged(reason),
        OpenError::TooCostly { .. } => damaged("its seal asks for absurd costs"),
        OpenError::NewerVersion { found } => IdentityFileError::NewerVersion {
            found: format!("{VERSION}, seal {found}"),
        },
        OpenError::NoKey { .. } => IdentityFileError::NotOpened(error),
    }
}

fn damaged(what: impl Into<String>) -> IdentityFileError {
    IdentityFileError::Damaged { what: what.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::sealed::tests::CHEAP;

    #[test]
    fn a_plain_file_is_one_line_that_names_its_owner() {
        let file = identity().to_file_bytes(None).unwrap();

        let expected = format!(
            "x0-identity-1 {} plain AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
            identity().public()
        );
        assert_eq!(str::from_utf8(&file).unwrap(), expected);
        assert_eq!(read(&file, None).unwrap(), identity().public());
        assert_eq!(
            read(&file, Some("not needed")).unwrap(),
            identity().public()
        );
    }

    #[test]
    fn a_sealed_file_opens_with_its_passphrase_only() {
        let file = identity()
            .to_file_bytes_at(CHEAP, Some("passphrase"))
            .unwrap();
        let owner = identity().public();

        assert_eq!(read(&file, Some("passphrase")), Ok(owner));
        assert_eq!(
            read(&file, None),
            Err(IdentityFileError::NeedsPassphrase { owner })
        );
        assert_eq!(
            read(&file, Some("other")),
            Err(IdentityFileError::WrongPassphrase { owner })
        );
        assert_eq!(
            identity().to_file_bytes(Some("")).map(|_| ()),
            Err(SealError::EmptyPassphrase)
        );
    }

    #[test]
    fn a_file_that_was_sealed_in_an_editor_friendly_way_still_opens() {
        let file = identity().to_file_bytes(None).unwrap();
        let edited = [b"\n  ", file.as_slice(), b"\r\n\n"].concat();

        assert_eq!(read(&edited, None).unwrap(), identity().public());
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        let file = String::from_utf8(identity().to_file_bytes(None).unwrap().to_vec()).unwrap();
        let other = Identity::from_seed(Zeroizing::new([2; 32]))
            .public()
            .to_string();
        let error = |file: &str| read(file.as_bytes(), None).unwrap_err();
        let damaged = |file: &str| {
            let error = error(file);
            let IdentityFileError::Damaged { what } = error else {
                panic!("{error}")
            };
            what
        };

        assert_eq!(damaged(""), "it does not begin with x0-identity-");
        assert_eq!(damaged(&file[..30]), "it does not have four words");
        assert_eq!(
            damaged(&file.replace("plain", "plane")),
            "it is neither plain nor sealed"
        );
        assert_eq!(
            damaged(&file.replace("AQE=", "AQF=")),
            "the key is not base64"
        );
        assert_eq!(
            damaged(&file.replace("AQEBAQE=", "AQEC")),
            "the key does not have 32 bytes"
        );
        assert_eq!(
            damaged(&file.replace("plain AQ", "plain Ag")),
            "the key is not that of the peer id beside it"
        );
        assert_eq!(
            damaged(&file.replace(&identity().public().to_string(), &other)),
            "the key is not that of the peer id beside it"
        );
        assert_eq!(
            damaged(&file.replace("identity-1", "identity-one")),
            "the number of its format is unreadable"
        );
        assert_eq!(damaged(&"x".repeat(2000)), "it is too long");
        assert_eq!(
            error(&file.replace("identity-1", "identity-2")),
            IdentityFileError::NewerVersion {
                found: "2".to_owned()
            }
        );
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(bytes: Vec<u8>, words in "x0-identity-1 [ -~]{0,200}") {
            prop_assert!(read(&bytes, Some("passphrase")).is_err());
            prop_assert!(read(words.as_bytes(), Some("passphrase")).is_err());
        }
    }

    fn identity() -> Identity {
        Identity::from_seed(Zeroizing::new([1; 32]))
    }

    fn read(file: &[u8], passphrase: Option<&str>) -> Result<PublicKey, IdentityFileError> {
        Identity::from_file_bytes(file, passphrase).map(|identity| identity.public())
    }
}
