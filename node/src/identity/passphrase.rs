//! Where a passphrase comes from before anybody is asked.
//!
//! 1. The file that `X0_PASSPHRASE_FILE` names. If it is named and of no use, nothing else is tried.
//! 2. The credential `x0-passphrase` of systemd, in the directory that `CREDENTIALS_DIRECTORY` names (systemd.exec(5),
//!    "Credentials"): systemd decrypts it when it starts the service, into memory that is not swapped, and takes it away afterwards.
//!
//! Of either the first line counts. It is read once, into memory that is wiped.

use std::{env, ffi::OsString, fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use zeroize::Zeroizing;

use super::{IdentityError, check_mode, io_error, read_at_most, read_opened};

/// Names the file that holds the passphrase of the identity.
pub const PASSPHRASE_FILE_VARIABLE: &str = "X0_PASSPHRASE_FILE";
/// Names the directory of a service's credentials; systemd sets it.
pub const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The name of the credential.
pub const CREDENTIAL: &str = "x0-passphrase";

/// Longer than any passphrase a person keeps.
const PASSPHRASE_BYTES_MAX: u64 = 1024;
/// Bits that no credential has: others may do nothing, and nobody but the owner may write. systemd lets the service's user in by
/// an access control list, whose mask shows as the group's right to read (`0440`).
const CREDENTIAL_FORBIDDEN: u32 = 0o027;

/// Reads the passphrase that was given to this program; none if none was.
///
/// # Errors
/// If a file is named, or a directory of credentials, and it is missing there, exposed, too long or empty.
pub fn given_passphrase() -> Result<Option<Zeroizing<String>>, IdentityError> {
    given(
        env::var_os(PASSPHRASE_FILE_VARIABLE),
        env::var_os(CREDENTIALS_VARIABLE),
    )
}

fn given(
    file: Option<OsString>,
    credentials: Option<OsString>,
) -> Result<Option<Zeroizing<String>>, IdentityError> {
    if let Some(path) = file {
        return read_file(Path::new(&path)).map(Some);
    }
    match credentials.filter(|dir| !dir.is_empty()) {
        Some(dir) => read_credential(Path::new(&dir)).map(Some),
        None => Ok(None),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let fault = |what| IdentityError::PassphraseFile {
        path: path.to_owned(),
        what,
    };
    check_mode(path)?;
    let bytes = read_at_most(path, PASSPHRASE_BYTES_MAX).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return fault("does not exist");
        }
        io_error(path, error)
    })?;
    first_line(&bytes).map_err(fault)
}

fn read_credential(dir: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let path = dir.join(CREDENTIAL);
    let fault = |what| IdentityError::Credential {
        path: path.clone(),
        what,
    };
    let file = fs::File::open(&path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return IdentityError::NoCredential {
                dir: dir.to_owned(),
            };
        }
        io_error(&path, error)
    })?;
    // Of the very file that is read.
    let metadata = file.metadata().map_err(|error| io_error(&path, error))?;
    if !metadata.is_file() {
        return Err(fault("is no file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & CREDENTIAL_FORBIDDEN != 0 {
        return Err(IdentityError::ExposedCredential { path, mode });
    }
    let bytes = read_opened(file, PASSPHRASE_BYTES_MAX).map_err(|error| io_error(&path, error))?;
    first_line(&bytes).map_err(fault)
}

fn first_line(bytes: &[u8]) -> Result<Zeroizing<String>, &'static str> {
    if bytes.len() as u64 > PASSPHRASE_BYTES_MAX {
        return Err("is longer than 1024 bytes");
    }
    let text = str::from_utf8(bytes).map_err(|_| "is not text")?;
    match text.lines().next() {
        None | Some("") => Err("is empty"),
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use super::*;

    fn write(path: &Path, text: &[u8], mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn text(
        given: Result<Option<Zeroizing<String>>, IdentityError>,
    ) -> Result<Option<String>, String> {
        given
            .map(|given| given.map(|text| text.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_a_private_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("passphrase");
        let read = |text: &[u8], mode| {
            write(&path, text, mode);
            let read = read_file(&path);
            fs::remove_file(&path).unwrap();
            read
        };

        assert_eq!(*read(b"two words\nrest", 0o600).unwrap(), "two words");
        assert_eq!(*read(b"windows\r\n", 0o400).unwrap(), "windows");
        for (text, mode, what) in [
            (&b"secret"[..], 0o644, "chmod 600"),
            (b"\nlater", 0o600, "is empty"),
            (b"", 0o600, "is empty"),
            (b"\xff", 0o600, "is not text"),
            (&[b'x'; 1025], 0o600, "longer than 1024"),
        ] {
            let error = read(text, mode).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let error = read_file(&home.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
    }

    #[test]
    fn a_credential_is_read_as_systemd_lays_it_down_and_refused_if_others_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CREDENTIAL);
        let read = |written: &[u8], mode| {
            write(&path, written, mode);
            let read = given(None, Some(dir.path().into()));
            fs::remove_file(&path).unwrap();
            text(read)
        };

        for mode in [0o400, 0o440, 0o600] {
            assert_eq!(read(b"two words\n", mode), Ok(Some("two words".to_owned())));
        }
        for (written, mode, what) in [
            (&b"secret"[..], 0o444, "mode 444"),
            (b"secret", 0o420, "mode 420"),
            (b"secret", 0o404, "mode 404"),
            (b"\nlater", 0o400, "is empty"),
            (b"", 0o400, "is empty"),
            (b"\xff", 0o400, "is not text"),
            (&[b'x'; 1025], 0o400, "longer than 1024"),
        ] {
            let error = read(written, mode).unwrap_err();
            assert!(error.contains(what) && error.contains("systemd"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        fs::create_dir(&path).unwrap();
        let error = text(given(None, Some(dir.path().into()))).unwrap_err();
        assert!(error.contains("is no file"), "{error}");
    }

    #[test]
    fn a_directory_of_credentials_without_it_is_told_with_the_line_of_the_unit_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("another"), b"x", 0o400);
        for lacks in [dir.path().to_owned(), dir.path().join("gone")] {
            let error = text(given(None, Some(lacks.clone().into()))).unwrap_err();
            assert!(error.contains(&lacks.display().to_string()), "{error}");
            assert!(
                error.contains("LoadCredentialEncrypted=x0-passphrase:"),
                "{error}"
            );
            assert!(error.contains(PASSPHRASE_FILE_VARIABLE), "{error}");
        }
    }

    #[test]
    fn the_file_that_is_named_wins_over_the_credential_even_if_it_is_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write(&file, b"from the file", 0o600);
        write(&dir.path().join(CREDENTIAL), b"from systemd", 0o400);
        let credentials = || Some(dir.path().into());
        let named = |path: PathBuf| text(given(Some(path.into()), credentials()));

        assert_eq!(named(file), Ok(Some("from the file".to_owned())));
        assert!(named(dir.path().join("none")).is_err());
        let from_systemd = Ok(Some("from systemd".to_owned()));
        assert_eq!(text(given(None, credentials())), from_systemd);
        assert_eq!(text(given(None, None)), Ok(None));
        assert_eq!(text(given(None, Some(OsString::new()))), Ok(None));
    }
}
