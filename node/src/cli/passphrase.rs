//! Passphrases: from the file that `X0_PASSPHRASE_FILE` names, else from systemd's credential `x0-passphrase`, else from a person at
//! a terminal.
//!
//! They are never taken from the command line, which other users of the machine can read.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use x0_crypto::Identity;
use zeroize::Zeroizing;

use super::error::CliError;
use crate::identity::{self, CREDENTIAL, IdentityError, PASSPHRASE_FILE_VARIABLE};

/// A passphrase that is wiped after use.
pub(super) type Passphrase = Zeroizing<String>;

/// Opens the identity of a data directory, asking for its passphrase if it is sealed.
pub(super) fn open_identity(data_dir: &Path) -> Result<Identity, CliError> {
    let passphrase = present(data_dir)?;
    Ok(identity::load(
        data_dir,
        passphrase.as_ref().map(|text| text.as_str()),
    )?)
}

/// Returns the passphrase of the identity in place; none if it has none.
pub(super) fn present(data_dir: &Path) -> Result<Option<Passphrase>, CliError> {
    if !identity::is_sealed(data_dir)? {
        return Ok(None);
    }
    known("the identity").map(Some)
}

/// Returns the passphrase that was given to this program without asking anybody.
fn given() -> Result<Option<Passphrase>, CliError> {
    match identity::given_passphrase() {
        // A shell that a service has started has its credentials too, and somebody to be asked.
        Err(IdentityError::NoCredential { .. }) if io::stdin().is_terminal() => Ok(None),
        given => Ok(given?),
    }
}

/// Returns a passphrase that was chosen before.
pub(super) fn known(of: &str) -> Result<Passphrase, CliError> {
    match given()? {
        Some(passphrase) => Ok(passphrase),
        None => ask(&format!("Passphrase of {of}: ")),
    }
}

/// Returns a passphrase that is chosen now.
pub(super) fn chosen(of: &str) -> Result<Passphrase, CliError> {
    match given()? {
        Some(passphrase) => Ok(passphrase),
        None => ask_twice(of),
    }
}

/// Asks a person for a new passphrase, twice, so that a slip of the finger locks nobody out.
pub(super) fn ask_twice(of: &str) -> Result<Passphrase, CliError> {
    let first = ask(&format!("New passphrase for {of}: "))?;
    if first.is_empty() {
        let text = "the passphrase is empty: choose one, several words are good";
        return Err(CliError::Usage(text.to_owned()));
    }
    if first != ask("The same again: ")? {
        let text = "the two passphrases differ, and nothing was changed: try again";
        return Err(CliError::Usage(text.to_owned()));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Passphrase, CliError> {
    let failed = |cause: io::Error| {
        CliError::Usage(format!(
            "a passphrase is needed and nobody can be asked ({cause}): write it on the first line of a file that only \
             you can read, and name that file in {PASSPHRASE_FILE_VARIABLE}; a service of systemd is given it by \
             `LoadCredentialEncrypted={CREDENTIAL}:FILE` (docs/service.md)"
        ))
    };
    if !io::stdin().is_terminal() {
        return Err(failed(io::Error::other("standard input is no terminal")));
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(failed)
}
