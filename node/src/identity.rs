//! The identity file of a data directory: made, read, backed up, restored and exchanged.
//!
//! - The file is readable by its owner only; a file that others can read is refused, with the line that mends it.
//! - It is written whole or not at all, and safe on disk before anything rests on it.
//! - An identity is never overwritten. What is replaced is kept as `identity.old-` and the end of its peer id.
//! - A backup is always sealed with a passphrase.
//!
//! Passphrases come from a file, from systemd or from whoever asks the user; never from a
//! command line, which other users of the machine can read. What a new identity means to the mesh (it joins by
//! an invite of the old one, which then leaves) is not decided here.

mod passphrase;

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use x0_crypto::{Identity, IdentityFileError, NoRandomness, PublicKey, SealError};
use zeroize::Zeroizing;

pub use passphrase::{
    CREDENTIAL, CREDENTIALS_VARIABLE, PASSPHRASE_FILE_VARIABLE, given_passphrase,
};

const FILE: &str = "identity";
const STAGED: &str = "identity.new";
/// Read and write for the owner, nothing for anybody else.
const MODE: u32 = 0o600;
/// Longer than any identity file.
const FILE_BYTES_MAX: u64 = 4096;
/// Says why an identity could not be made, read or exchanged.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no identity.
    #[error("there is no identity at {}; make one with `x0 init`, or restore a backup with `x0 identity restore FILE`", path.display())]
    Missing {
        /// Where it would stand.
        path: PathBuf,
    },
    /// Something is there that must not be overwritten.
    #[error("{} exists already and is never overwritten; {mend}", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
        /// What to do.
        mend: &'static str,
    },
    /// Another identity is in use here.
    #[error(
        "the backup is of {found}, and {} holds {present}; add --replace to keep the present one as identity.old-{} and \
         go on as {found}",
        path.display(), present.short()
    )]
    OtherIdentity {
        /// The identity file.
        path: PathBuf,
        /// Whose backup it is.
        found: PublicKey,
        /// Who is there.
        present: PublicKey,
    },
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:o}); run `chmod 600 {}` and think about who may have read it", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file could not be made sense of.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: IdentityFileError,
    },
    /// The passphrase file is no use.
    #[error("the passphrase file {} {what}; write the passphrase on its first line", path.display())]
    PassphraseFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// systemd hands this program credentials, and the passphrase is not among them.
    #[error(
        "the identity is sealed, and systemd hands this service no passphrase: {CREDENTIAL} is not in {}. Add \
         `LoadCredentialEncrypted={CREDENTIAL}:FILE` to the service (docs/service.md shows how FILE is made), or name a file \
         that holds the passphrase in {PASSPHRASE_FILE_VARIABLE}",
        dir.display()
    )]
    NoCredential {
        /// The directory of the credentials.
        dir: PathBuf,
    },
    /// Others can read the credential, or write it.
    #[error(
        "the credential {} can be read or written by others (mode {mode:o}), which systemd does not do: let systemd make it, by \
         `LoadCredentialEncrypted={CREDENTIAL}:FILE`, and think about who may have read it",
        path.display()
    )]
    ExposedCredential {
        /// The credential.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The credential is no use.
    #[error(
        "the credential {} {what}: make it anew, with the passphrase on its first line, by `systemd-ask-password -n | \
         systemd-creds encrypt --name={CREDENTIAL} - FILE`",
        path.display()
    )]
    Credential {
        /// The credential.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The identity could not be sealed.
    #[error(transparent)]
    NotSealed(#[from] SealError),
    /// No identity could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The disk failed, or access was refused.
    #[error("{} cannot be used ({error}): check that the disk works and that x0 may use it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What to do about another identity that is in the way of a restored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Refuse.
    Never,
    /// Keep it beside the new one, as `identity.old-` and the end of its peer id.
    MoveAside,
}

/// Makes the identity of a data directory, and the directory if need be.
///
/// # Errors
/// [`IdentityError::Exists`] if there is one.
pub fn create(data_dir: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    make_dir(data_dir)?;
    let path = data_dir.join(FILE);
    let identity = Identity::generate()?;
    let mend = "this node has an identity; use another data directory (X0_HOME) for a second node";
    write_new(&path, &identity.to_file_bytes(passphrase)?, mend)?;
    Ok(identity)
}

/// Reads the identity of a data directory.
///
/// # Errors
/// [`IdentityError::Unreadable`] with [`IdentityFileError::NeedsPassphrase`] if it is sealed and no passphrase
/// is given.
pub fn load(data_dir: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    read(&data_dir.join(FILE), passphrase)
}

/// Tells whose identity a data directory holds, without its passphrase; none if there is none.
///
/// # Errors
/// If the file is exposed or unreadable.
pub fn owner(data_dir: &Path) -> Result<Option<PublicKey>, IdentityError> {
    owner_of(&data_dir.join(FILE))
}

/// Tells whether the identity of a data directory needs a passphrase.
///
/// # Errors
/// If the file is missing, exposed or unreadable.
pub fn is_sealed(data_dir: &Path) -> Result<bool, IdentityError> {
    match load(data_dir, None) {
        Ok(_) => Ok(false),
        Err(IdentityError::Unreadable {
            error: IdentityFileError::NeedsPassphrase { .. },
            ..
        }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Writes a sealed copy of an identity to a new file.
///
/// # Errors
/// If the file exists, or the passphrase is empty.
pub fn back_up(identity: &Identity, to: &Path, passphrase: &str) -> Result<(), IdentityError> {
    let bytes = identity.to_file_bytes(Some(passphrase))?;
    write_new(to, &bytes, "name another file for the backup")
}

/// Puts the identity of a backup in place, sealed for daily use with another passphrase or none.
///
/// The backup is opened first, so that only what can be used takes the place of anything. Restoring the
/// identity that is in place already writes its file anew.
///
/// # Errors
/// [`IdentityError::OtherIdentity`] if another one is there and may not be moved aside.
pub fn restore(
    data_dir: &Path,
    backup: &Path,
    backup_passphrase: Option<&str>,
    passphrase: Option<&str>,
    replace: Replace,
) -> Result<Identity, IdentityError> {
    let identity = parse(backup, &read_bytes(backup)?, backup_passphrase)?;
    make_dir(data_dir)?;
    let path = data_dir.join(FILE);
    if let Some(present) = owner_of(&path)?
        && present != identity.public()
    {
        match replace {
            Replace::Never => {
                return Err(IdentityError::OtherIdentity {
                    path,
                    found: identity.public(),
                    present,
                });
            }
            Replace::MoveAside => keep_aside(data_dir, &present)?,
        }
    }
    write_over(&path, &identity.to_file_bytes(passphrase)?)?;
    Ok(identity)
}

/// Seals the identity of a data directory with a new passphrase, or with none.
///
/// # Errors
/// If it cannot be opened with the present passphrase.
pub fn reseal(
    data_dir: &Path,
    present: Option<&str>,
    new: Option<&str>,
) -> Result<(), IdentityError> {
    let identity = load(data_dir, present)?;
    write_over(&data_dir.join(FILE), &identity.to_file_bytes(new)?)
}

/// Makes the identity that is to follow the present one, beside it.
///
/// # Errors
/// [`IdentityError::Exists`] if one is staged already: finish with [`promote`] or give up with [`unstage`].
pub fn stage_new(data_dir: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    let identity = Identity::generate()?;
    let mend = "a rotation has begun; run `x0 identity rotate` again to go on with it";
    let bytes = identity.to_file_bytes(passphrase)?;
    write_new(&data_dir.join(STAGED), &bytes, mend)?;
    Ok(identity)
}

/// Reads the staged identity.
///
/// # Errors
/// [`IdentityError::Missing`] if none is staged.
pub fn staged(data_dir: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    read(&data_dir.join(STAGED), passphrase)
}

/// Removes the staged identity, if there is one.
///
/// # Errors
/// If it cannot be removed.
pub fn unstage(data_dir: &Path) -> Result<(), IdentityError> {
    let path = data_dir.join(STAGED);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path, error)),
        _ => sync_dir_of(&path),
    }
}

/// Puts the staged identity in place and keeps the one before it; returns where.
///
/// There is an identity in place at every moment.
///
/// # Errors
/// [`IdentityError::Missing`] if there is none in place or none is staged.
pub fn promote(data_dir: &Path) -> Result<PathBuf, IdentityError> {
    let (path, staged) = (data_dir.join(FILE), data_dir.join(STAGED));
    let missing = |path: &Path| IdentityError::Missing {
        path: path.to_owned(),
    };
    let present = owner_of(&path)?.ok_or_else(|| missing(&path))?;
    owner_of(&staged)?.ok_or_else(|| missing(&staged))?;
    keep_aside(data_dir, &present)?;
    fs::rename(&staged, &path).map_err(|error| io_error(&path, error))?;
    sync_dir_of(&path)?;
    Ok(aside(data_dir, &present))
}

fn aside(data_dir: &Path, owner: &PublicKey) -> PathBuf {
    data_dir.join(format!("{FILE}.old-{}", owner.short()))
}

/// Gives the present file its second name; a second name from an earlier try is good as well.
fn keep_aside(data_dir: &Path, owner: &PublicKey) -> Result<(), IdentityError> {
    let to = aside(data_dir, owner);
    match fs::hard_link(data_dir.join(FILE), &to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if owner_of(&to)? == Some(*owner) {
                return Ok(());
            }
            Err(IdentityError::Exists {
                path: to,
                mend: "move that file away first",
            })
        }
        Err(error) => Err(io_error(&to, error)),
        Ok(()) => sync_dir_of(&to),
    }
}

fn owner_of(path: &Path) -> Result<Option<PublicKey>, IdentityError> {
    let bytes = match read_private(path) {
        Err(IdentityError::Missing { .. }) => return Ok(None),
        bytes => bytes?,
    };
    match Identity::from_file_bytes(&bytes, None) {
        Ok(identity) => Ok(Some(identity.public())),
        Err(IdentityFileError::NeedsPassphrase { owner }) => Ok(Some(owner)),
        Err(error) => Err(IdentityError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

fn read(path: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    parse(path, &read_private(path)?, passphrase)
}

fn parse(path: &Path, bytes: &[u8], passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    Identity::from_file_bytes(bytes, passphrase).map_err(|error| IdentityError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    check_mode(path)?;
    read_bytes(path)
}

fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    read_at_most(path, FILE_BYTES_MAX).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return IdentityError::Missing {
                path: path.to_owned(),
            };
        }
        io_error(path, error)
    })
}

/// Reads a file into memory that is wiped; one byte over the limit shows that there is more.
fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_opened(fs::File::open(path)?, bytes_max)
}

fn read_opened(file: fs::File, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let capacity = usize::try_from(bytes_max + 1).unwrap_or(0);
    // Reserved at once: growing would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_mode(path: &Path) -> Result<(), IdentityError> {
    // A file that is missing is reported by whoever reads it.
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn make_dir(data_dir: &Path) -> Result<(), IdentityError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(|error| io_error(data_dir, error))
}

/// Writes a file that must not exist yet, under another name first, so that it appears whole.
fn write_new(path: &Path, bytes: &[u8], mend: &'static str) -> Result<(), IdentityError> {
    let draft = write_draft(path, bytes)?;
    let linked = fs::hard_link(&draft, path);
    let removed = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(IdentityError::Exists {
            path: path.to_owned(),
            mend,
        }),
        linked => {
            linked.and(removed).map_err(|error| io_error(path, error))?;
            sync_dir_of(path)
        }
    }
}

/// Writes a file that only its owner may read and that must not exist yet.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    write_new(path, bytes, "name another file, or move that one away")
}

/// Writes a file in place of the one that may be there.
pub(crate) fn write_over(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let draft = write_draft(path, bytes)?;
    fs::rename(&draft, path).map_err(|error| io_error(path, error))?;
    sync_dir_of(path)
}

fn write_draft(path: &Path, bytes: &[u8]) -> Result<PathBuf, IdentityError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let draft = path.with_file_name(name);
    let write = || -> io::Result<()> {
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| io_error(&draft, error))?;
    Ok(draft)
}

fn sync_dir_of(path: &Path) -> Result<(), IdentityError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| io_error(parent, error))
}

fn io_error(path: &Path, error: io::Error) -> IdentityError {
    IdentityError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_new_identity_is_private_and_never_overwritten() {
        let home = home();
        let dir = home.path().join("deep/data");

        let identity = create(&dir, None).unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.join(FILE)), 0o600);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(load(&dir, None).unwrap().public(), identity.public());
        let error = create(&dir, None).err().unwrap();
        assert!(matches!(error, IdentityError::Exists { .. }), "{error}");
        assert_eq!(owner(&dir).unwrap(), Some(identity.public()));
        assert_eq!(names(&dir), [FILE], "no draft is left behind");
    }

    #[test]
    fn a_file_others_can_read_is_refused_with_the_line_that_mends_it() {
        let home = home();
        create(home.path(), None).unwrap();
        let path = home.path().join(FILE);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();

            let error = load(home.path(), None).err().unwrap().to_string();

            assert!(
                error.contains(&format!("chmod 600 {}", path.display())),
                "{error}"
            );
        }
    }

    #[test]
    fn a_sealed_identity_names_its_owner_and_opens_with_its_passphrase() {
        let home = home();
        let identity = create(home.path(), Some("open sesame")).unwrap();

        assert!(is_sealed(home.path()).unwrap());
        assert_eq!(owner(home.path()).unwrap(), Some(identity.public()));
        assert!(load(home.path(), Some("open barley")).is_err());
        let error = load(home.path(), None).err().unwrap().to_string();
        assert!(
            error.contains("is sealed") && error.contains("identity"),
            "{error}"
        );

        reseal(home.path(), Some("open sesame"), None).unwrap();

        assert!(!is_sealed(home.path()).unwrap());
        assert_eq!(load(home.path(), None).unwrap().public(), identity.public());
    }

    #[test]
    fn a_missing_identity_says_how_to_get_one() {
        let home = home();
        assert_eq!(owner(home.path()).unwrap(), None);
        let error = load(home.path(), None).err().unwrap().to_string();
        assert!(
            error.contains("x0 init") && error.contains("x0 identity restore"),
            "{error}"
        );
    }

    #[test]
    fn a_backup_restores_the_same_identity_elsewhere() {
        let (home, elsewhere) = (home(), home());
        let identity = create(home.path(), None).unwrap();
        let backup = home.path().join("backup");
        back_up(&identity, &backup, "paper").unwrap();
        let text = fs::read_to_string(&backup).unwrap();
        assert!(text.contains(&identity.public().to_string()) && text.contains(" sealed "));
        let error = back_up(&identity, &backup, "paper").unwrap_err();
        assert!(matches!(error, IdentityError::Exists { .. }), "{error}");
        assert!(back_up(&identity, &home.path().join("other"), "").is_err());

        let restore = |passphrase| {
            restore(
                elsewhere.path(),
                &backup,
                Some(passphrase),
                None,
                Replace::Never,
            )
        };

        assert!(restore("stone").is_err());
        assert_eq!(
            owner(elsewhere.path()).unwrap(),
            None,
            "nothing is put in place"
        );
        assert_eq!(restore("paper").unwrap().public(), identity.public());
        assert_eq!(
            restore("paper").unwrap().public(),
            identity.public(),
            "again"
        );
        assert_eq!(
            load(elsewhere.path(), None).unwrap().public(),
            identity.public()
        );
    }

    #[test]
    fn restoring_over_another_identity_keeps_that_one_aside() {
        let (home, elsewhere) = (home(), home());
        let identity = create(home.path(), None).unwrap();
        let backup = home.path().join("backup");
        back_up(&identity, &backup, "paper").unwrap();
        let present = create(elsewhere.path(), None).unwrap().public();
        let restore = |replace| restore(elsewhere.path(), &backup, Some("paper"), None, replace);

        let error = restore(Replace::Never).err().unwrap().to_string();
        assert!(
            error.contains(&present.to_string()) && error.contains("--replace"),
            "{error}"
        );
        assert_eq!(owner(elsewhere.path()).unwrap(), Some(present));
        restore(Replace::MoveAside).unwrap();

        assert_eq!(owner(elsewhere.path()).unwrap(), Some(identity.public()));
        let kept = aside(elsewhere.path(), &present);
        assert_eq!(read(&kept, None).unwrap().public(), present);
    }

    #[test]
    fn a_rotation_exchanges_the_files_and_keeps_the_old_one() {
        let home = home();
        let old = create(home.path(), None).unwrap().public();
        let missing = promote(home.path()).unwrap_err();
        assert!(
            matches!(missing, IdentityError::Missing { .. }),
            "{missing}"
        );
        let new = stage_new(home.path(), Some("word")).unwrap().public();
        assert!(stage_new(home.path(), None).is_err(), "one at a time");
        assert_eq!(owner(home.path()).unwrap(), Some(old), "not yet");
        assert_eq!(staged(home.path(), Some("word")).unwrap().public(), new);

        let kept = promote(home.path()).unwrap();

        assert_eq!(load(home.path(), Some("word")).unwrap().public(), new);
        assert_eq!(read(&kept, None).unwrap().public(), old);
        assert!(staged(home.path(), None).is_err());
    }

    #[test]
    fn a_rotation_interrupted_after_the_old_file_was_kept_can_go_on() {
        let home = home();
        let old = create(home.path(), None).unwrap().public();
        let new = stage_new(home.path(), None).unwrap().public();
        keep_aside(home.path(), &old).unwrap();

        promote(home.path()).unwrap();

        assert_eq!(owner(home.path()).unwrap(), Some(new));
    }

    #[test]
    fn a_rotation_can_be_given_up() {
        let home = home();
        let old = create(home.path(), None).unwrap().public();
        stage_new(home.path(), None).unwrap();

        unstage(home.path()).unwrap();
        unstage(home.path()).unwrap();

        assert!(staged(home.path(), None).is_err());
        assert_eq!(owner(home.path()).unwrap(), Some(old));
    }

    #[test]
    fn damage_is_reported_with_the_file() {
        let home = home();
        create(home.path(), None).unwrap();
        let path = home.path().join(FILE);
        fs::write(&path, "x0-identity-1 torn").unwrap();

        for error in [
            load(home.path(), None).err().unwrap(),
            owner(home.path()).unwrap_err(),
            promote(home.path()).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.contains("damaged"), "{error}");
        }
    }

    fn home() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}
