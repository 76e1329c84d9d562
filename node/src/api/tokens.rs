//! The API's own tokens: who may call it over the loopback, and for what.
//!
//! A token is 32 random bytes, shown once when it is made. The file `api-tokens.json` in the data directory
//! (mode 0600) keeps only its SHA-256 hash: whoever reads the file cannot call the API with what it holds.
//! The bytes are random and long, so a plain hash is as good as a slow one. These tokens have nothing to do
//! with the mesh's capability tokens.

use std::{
    fmt, fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Begins every token, so that people and secret scanners know it.
const PREFIX: &str = "x0api1";
/// Most tokens of a node.
const TOKENS_MAX: usize = 64;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The file in the data directory.
pub const FILE_NAME: &str = "api-tokens.json";

/// What a caller may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Look, propose acts and publish capability tokens.
    Act,
    /// Everything, such as inviting, granting, leaving and stopping the node.
    Admin,
    /// Look, as the dashboard does.
    Dashboard,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Act, Self::Admin, Self::Dashboard];

    /// Returns the written name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
            Self::Admin => "admin",
            Self::Dashboard => "dashboard",
        }
    }

    /// Tells whether a caller with this scope may do what needs `needed`.
    pub const fn covers(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Admin, _) | (_, Self::Dashboard | Self::Read) | (Self::Act, Self::Act) => true,
            (Self::Read | Self::Act | Self::Dashboard, Self::Admin)
            | (Self::Read | Self::Dashboard, Self::Act) => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| format!("there is no scope {text:?}: use read, act, admin or dashboard"))
    }
}

/// A token that exists, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiTokenView {
    /// Names it in lists: the first eight digits of its hash.
    pub id: String,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made, Unix seconds.
    pub created_secs: u64,
}

/// The tokens of a node, in memory and on disk.
pub struct ApiTokens {
    path: PathBuf,
    tokens: Mutex<Vec<Stored>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    scopes: Vec<Scope>,
    created_secs: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tokens: Vec<Stored>,
}

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error(
        "the API tokens in {path} cannot be {what}: {cause}; check that the data directory is yours and has space"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Read or written.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// Others may read the file.
    #[error(
        "others may read {path} (mode {mode:03o}): make it yours alone with `chmod 600 {path}`"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is not what was written.
    #[error("the API tokens in {path} do not read ({cause}): remove the file and make new tokens")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// The name does not do.
    #[error("an API token needs a name of 1 to {NAME_CHARS_MAX} printable characters")]
    BadName,
    /// No scope was given.
    #[error("an API token needs a scope: read, act, admin or dashboard")]
    NoScope,
    /// There are too many.
    #[error("there are {TOKENS_MAX} API tokens already: remove one with `x0 api-token remove ID`")]
    TooMany,
    /// There is no such token.
    #[error("there is no API token {id}: `x0 api-token list` shows them")]
    NoSuchToken {
        /// What was asked for.
        id: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

impl ApiTokens {
    /// Reads the tokens of a data directory; there may be none yet.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file, with the mend.
    pub fn open(data_dir: &Path) -> Result<Self, TokensError> {
        let path = data_dir.join(FILE_NAME);
        let tokens = read(&path)?;
        Ok(Self {
            path,
            tokens: Mutex::new(tokens),
        })
    }

    /// Makes a token and returns its secret text, which is kept nowhere.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the name or scopes, or that the file cannot be written.
    pub fn add(
        &self,
        name: &str,
        scopes: &[Scope],
        now_secs: u64,
    ) -> Result<(ApiTokenView, Zeroizing<String>), TokensError> {
        let is_good = |name: &str| !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !is_good(name) || name.chars().count() > NAME_CHARS_MAX {
            return Err(TokensError::BadName);
        }
        if scopes.is_empty() {
            return Err(TokensError::NoScope);
        }
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let text = random_secret(PREFIX)?;
        let stored = Stored {
            name: name.to_owned(),
            scopes,
            created_secs: now_secs,
            sha256: hash(&text),
        };
        let view = stored.view();
        self.change(|tokens| {
            if tokens.len() >= TOKENS_MAX {
                return Err(TokensError::TooMany);
            }
            tokens.push(stored);
            Ok(())
        })?;
        Ok((view, text))
    }

    /// Removes a token by its id.
    ///
    /// # Errors
    ///
    /// Returns that there is none, or that the file cannot be written.
    pub fn remove(&self, id: &str) -> Result<(), TokensError> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.id() != id);
            if tokens.len() == before {
                return Err(TokensError::NoSuchToken { id: id.to_owned() });
            }
            Ok(())
        })
    }

    /// Lists the tokens.
    pub fn list(&self) -> Vec<ApiTokenView> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().map(Stored::view).collect()
    }

    /// Looks a token up by its secret text.
    pub fn find(&self, text: &str) -> Option<ApiTokenView> {
        // Hashes are compared, not secrets: how long that takes tells nothing about the token.
        let sha256 = hash(text.trim());
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .iter()
            .find(|token| token.sha256 == sha256)
            .map(Stored::view)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Stored>) -> Result<(), TokensError>,
    ) -> Result<(), TokensError> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = tokens.clone();
        change(&mut changed)?;
        write(&self.path, &changed)?;
        *tokens = changed;
        Ok(())
    }
}

impl Stored {
    fn id(&self) -> &str {
        self.sha256.get(..8).unwrap_or(&self.sha256)
    }

    fn view(&self) -> ApiTokenView {
        ApiTokenView {
            id: self.id().to_owned(),
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            created_secs: self.created_secs,
        }
    }
}

/// Makes a secret of 32 random bytes as text.
pub(super) fn random_secret(prefix: &str) -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    let encoded = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
    Ok(Zeroizing::new(format!(
        "{prefix}{}",
        encoded.to_ascii_lowercase()
    )))
}

/// Returns the SHA-256 hash of a secret text, in hexadecimal.
pub(super) fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

fn read(path: &Path) -> Result<Vec<Stored>, TokensError> {
    let failed = |cause| TokensError::Io {
        path: path.to_owned(),
        what: "read",
        cause,
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokensError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let file: File = serde_json::from_slice(&text).map_err(|cause| TokensError::Damaged {
        path: path.to_owned(),
        cause,
    })?;
    Ok(file.tokens)
}

/// Replaces the file at once, so that a crash leaves the old one or the new one.
fn write(path: &Path, tokens: &[Stored]) -> Result<(), TokensError> {
    let attempt = || {
        let text = serde_json::to_vec_pretty(&File {
            tokens: tokens.to_vec(),
        })?;
        let fresh = path.with_extension("json.new");
        if let Err(cause) = fs::remove_file(&fresh)
            && cause.kind() != io::ErrorKind::NotFound
        {
            return Err(cause);
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    attempt().map_err(|cause| TokensError::Io {
        path: path.to_owned(),
        what: "written",
        cause,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_token_is_found_after_a_restart_and_its_text_is_nowhere_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = ApiTokens::open(dir.path()).unwrap();
        let (view, text) = tokens.add("grafana", &[Scope::Read], 7).unwrap();

        let again = ApiTokens::open(dir.path()).unwrap();

        assert_eq!(again.find(&text), Some(view));
        let file = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert!(!file.contains(text.as_str()));
        let mode = fs::metadata(dir.path().join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_removed_token_and_a_guess_are_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = ApiTokens::open(dir.path()).unwrap();
        let (view, text) = tokens.add("grafana", &[Scope::Read], 7).unwrap();

        tokens.remove(&view.id).unwrap();

        assert_eq!(tokens.find(&text), None);
        assert_eq!(tokens.find(""), None);
        assert!(tokens.list().is_empty());
        assert!(matches!(
            tokens.remove(&view.id),
            Err(TokensError::NoSuchToken { .. })
        ));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, "{\"tokens\":[]}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        let error = ApiTokens::open(dir.path()).err().unwrap().to_string();

        assert!(
            error.contains("mode 644") && error.contains("chmod 600"),
            "{error}"
        );
    }

    #[test]
    fn scopes_cover_what_they_say_and_no_more() {
        let covered = |scope: Scope| {
            Scope::ALL
                .into_iter()
                .filter(|needed| scope.covers(*needed))
                .collect::<Vec<_>>()
        };

        assert_eq!(covered(Scope::Read), [Scope::Read, Scope::Dashboard]);
        assert_eq!(covered(Scope::Dashboard), [Scope::Read, Scope::Dashboard]);
        assert_eq!(
            covered(Scope::Act),
            [Scope::Read, Scope::Act, Scope::Dashboard]
        );
        assert_eq!(covered(Scope::Admin), Scope::ALL);
    }

    #[test]
    fn names_and_scopes_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = ApiTokens::open(dir.path()).unwrap();

        assert!(matches!(
            tokens.add(" ", &[Scope::Read], 0),
            Err(TokensError::BadName)
        ));
        assert!(matches!(
            tokens.add("a\nb", &[Scope::Read], 0),
            Err(TokensError::BadName)
        ));
        assert!(matches!(tokens.add("a", &[], 0), Err(TokensError::NoScope)));
    }
}
