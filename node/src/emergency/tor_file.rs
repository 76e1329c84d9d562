//! The file that says how Tor is reached: by which network, through which bridges. A node and a device in an emergency read
//! the same.
//!
//! ```toml
//! bridges = ["obfs4 192.0.2.7:443 0123… cert=… iat-mode=0"]
//! transport = "/usr/bin/obfs4proxy"
//! network = "arti-network.toml"   # a private Tor network, beside this file
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use x0_tor::{Network, Settings};

/// Longest file, in bytes: 32 bridge lines of two kilobytes.
const BYTES_MAX: u64 = 128 * 1024;

/// How Tor is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TorFile {
    /// Bridge lines, as in a torrc.
    pub bridges: Vec<String>,
    /// The program of a pluggable transport, for bridge lines that name one.
    pub transport: Option<PathBuf>,
    /// Describes another network than the public one.
    pub network: Option<PathBuf>,
}

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TorFileError {
    /// It cannot be read.
    #[error("{} cannot be read: {cause}. Name a file that says how Tor is reached; docs/tor.md has one", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It says something else.
    #[error("{} does not say how Tor is reached: {why}. It has `bridges`, `transport` and `network`; docs/tor.md has one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl TorFile {
    /// Reads a file; none is the public network, reached directly.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file.
    pub fn read(path: Option<&Path>) -> Result<Self, TorFileError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let on_read = |cause| TorFileError::Read {
            path: path.to_owned(),
            cause,
        };
        let malformed = |why: String| TorFileError::Malformed {
            path: path.to_owned(),
            why,
        };
        if fs::metadata(path).map_err(on_read)?.len() > BYTES_MAX {
            return Err(malformed(format!("it has more than {BYTES_MAX} bytes")));
        }
        let text = fs::read_to_string(path).map_err(on_read)?;
        let mut file: Self = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let beside = path.parent().unwrap_or(Path::new(""));
        file.network = file.network.map(|network| beside.join(network));
        Ok(file)
    }

    /// Returns what Tor is started with.
    pub fn settings(self, state: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Settings {
        let Self {
            bridges,
            transport,
            network,
        } = self;
        Settings {
            bridges,
            transport,
            network: network.map_or(Network::Public, Network::File),
            ..Settings::new(state, cache)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_read_with_its_network_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tor.toml");
        fs::write(&path, "bridges = [\"a\"]\nnetwork = \"net.toml\"\n").unwrap();
        let file = TorFile::read(Some(&path)).unwrap();
        assert_eq!(file.network, Some(dir.path().join("net.toml")));
        assert_eq!(file.bridges, ["a"]);
        let settings = file.settings("s", "c");
        assert!(matches!(settings.network, Network::File(_)));
        assert_eq!(TorFile::read(None).unwrap(), TorFile::default());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tor.toml");
        let missing = TorFile::read(Some(&path)).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        fs::write(&path, "brigdes = []\n").unwrap();
        let unknown = TorFile::read(Some(&path)).unwrap_err().to_string();
        assert!(unknown.contains("brigdes"), "{unknown}");
        fs::write(&path, "#".repeat(200_000)).unwrap();
        let long = TorFile::read(Some(&path)).unwrap_err().to_string();
        assert!(long.contains("more than"), "{long}");
    }
}
