//! What a node is told about Tor, and its check.
//!
//! [`Settings`] are as somebody wrote them; only [`Settings::check`] makes what Tor is started with.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use arti_client::config::{
    BridgeConfigBuilder, CfgPath, TorClientConfig, TorClientConfigBuilder,
    pt::TransportConfigBuilder,
};
use thiserror::Error;

/// Longest wait for Tor to come up, and for an onion service to answer, unless set otherwise. After 60 s without success
/// arti names a cause (tor-chanmgr 0.47, `MIN_DURATION`); the rest lets it.
const PATIENCE: Duration = Duration::from_secs(65);
/// How often an onion service's descriptor, and the service itself, are asked for: as often as it has introduction points.
/// With arti's own six it takes over a minute to find out that one is gone.
const ATTEMPTS: u32 = 3;
/// Most bridges: arti tries a few at a time, and people are given two or three.
const BRIDGES_MAX: usize = 32;
/// Longest bridge line, in bytes: those of Snowflake, the longest in use, have some 700.
const BRIDGE_BYTES_MAX: usize = 2048;
/// Largest description of a network, in bytes: that of eight relays has 2 KiB.
const NETWORK_BYTES_MAX: u64 = 256 * 1024;

/// Which Tor network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The one that everybody uses.
    Public,
    /// Another, as a file describes it: TOML in arti's words, with `[tor_network]` (`authorities` and `fallback_caches`)
    /// and, if wanted, `[path_rules]`.
    File(PathBuf),
}

/// What a node is told about Tor.
#[derive(Clone)]
pub struct Settings {
    /// The folder of what must outlive a restart: keys of services, chosen guards. Made if it is not there.
    pub state: PathBuf,
    /// The folder of what can be fetched again. Made if it is not there.
    pub cache: PathBuf,
    /// Which network.
    pub network: Network,
    /// Bridge lines as in a torrc, with or without the word `Bridge`. None: relays of the network are spoken to directly.
    pub bridges: Vec<String>,
    /// The program of a pluggable transport, for the lines that name one.
    pub transport: Option<PathBuf>,
    /// How long to wait for Tor to come up, and for an onion service to answer.
    pub patience: Duration,
}

/// Why settings are refused.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A line is no bridge line.
    #[error(
        "bridge {number} is no bridge line: {why}. Copy the whole line as https://bridges.torproject.org or the bridge's \
         operator gives it: ADDRESS:PORT FINGERPRINT, or TRANSPORT ADDRESS:PORT FINGERPRINT KEY=VALUE ..."
    )]
    Bridge {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// There are too many lines.
    #[error("there are {count} bridges, at most {BRIDGES_MAX} are taken: keep those that work")]
    TooManyBridges {
        /// How many.
        count: usize,
    },
    /// A line names a transport, and no program for it is named.
    #[error(
        "bridge {number} speaks '{transport}' and no program for it is named: install one (`apt-get install obfs4proxy`, \
         or lyrebird) and name its file as the transport"
    )]
    NoTransport {
        /// Which line, from 1.
        number: usize,
        /// The transport it names.
        transport: String,
    },
    /// The transport's file is no program.
    #[error("the transport {} cannot be run: {why}. Name the file of the program, such as /usr/bin/obfs4proxy", path.display())]
    Transport {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The description of a network is not one.
    #[error(
        "{} does not describe a Tor network: {why}. `x0-testnet tor DIR` starts one and writes such a file",
        path.display()
    )]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folders cannot serve.
    #[error("Tor cannot keep its files: {why}")]
    Folders {
        /// Why not.
        why: String,
    },
    /// arti refuses what it is given.
    #[error("Tor refuses its settings: {why}")]
    Refused {
        /// Why.
        why: String,
    },
}

/// Settings that have been checked.
pub(crate) struct Checked {
    pub(crate) config: TorClientConfig,
    pub(crate) state: PathBuf,
    pub(crate) cache: PathBuf,
    /// None: the network is reached directly.
    pub(crate) bridges: Option<Bridges>,
    pub(crate) patience: Duration,
}

/// The bridges, as far as they can be looked at.
pub(crate) struct Bridges {
    /// Addresses of those that need no transport.
    pub(crate) plain: Vec<SocketAddr>,
}

impl Settings {
    /// Makes settings for the public network, reached directly.
    pub fn new(state: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            cache: cache.into(),
            network: Network::Public,
            bridges: Vec::new(),
            transport: None,
            patience: PATIENCE,
        }
    }

    /// Tells whether Tor can be started with these; nothing is started or written.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, where, and how it should be.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.checked().map(drop)
    }

    pub(crate) fn checked(&self) -> Result<Checked, SettingsError> {
        let state = absolute(&self.state)?;
        let cache = absolute(&self.cache)?;
        if state == cache {
            let why = format!(
                "its state and its cache are both {}: give each its own folder",
                state.display()
            );
            return Err(SettingsError::Folders { why });
        }
        let mut builder = match &self.network {
            Network::Public => TorClientConfigBuilder::default(),
            Network::File(path) => described(path)?,
        };
        builder
            .storage()
            .state_dir(CfgPath::new_literal(&state))
            .cache_dir(CfgPath::new_literal(&cache));
        // Nothing leaves by an exit, so none is looked for in advance.
        builder
            .preemptive_circuits()
            .set_initial_predicted_ports(Vec::new());
        builder
            .circuit_timing()
            .hs_desc_fetch_attempts(ATTEMPTS)
            .hs_intro_rend_attempts(ATTEMPTS);
        let bridges = self.bridges(&mut builder)?;
        let config = builder.build().map_err(|error| SettingsError::Refused {
            why: error.to_string(),
        })?;
        Ok(Checked {
            config,
            state,
            cache,
            bridges,
            patience: self.patience,
        })
    }

    /// Puts the bridges and their transport into a configuration.
    fn bridges(
        &self,
        builder: &mut TorClientConfigBuilder,
    ) -> Result<Option<Bridges>, SettingsError> {
        let count = self.bridges.len();
        if count > BRIDGES_MAX {
            return Err(SettingsError::TooManyBridges { count });
        }
        if let Some(path) = &self.transport {
            runnable(path)?;
        }
        let mut plain = Vec::new();
        let mut spoken: Vec<String> = Vec::new();
        for (line, number) in self.bridges.iter().zip(1..) {
            let bridge = bridge(line).map_err(|why| SettingsError::Bridge { number, why })?;
            match bridge.get_transport().filter(|name| !name.is_empty()) {
                None => plain.extend(address(line)),
                Some(transport) if self.transport.is_none() => {
                    return Err(SettingsError::NoTransport {
                        number,
                        transport: transport.to_owned(),
                    });
                }
                Some(transport) if spoken.iter().any(|known| known == transport) => {}
                Some(transport) => spoken.push(transport.to_owned()),
            }
            builder.bridges().bridges().push(bridge);
        }
        if let (Some(path), false) = (&self.transport, spoken.is_empty()) {
            let protocols: Result<Vec<_>, _> = spoken.iter().map(|name| name.parse()).collect();
            let protocols = protocols.map_err(|error| SettingsError::Refused {
                why: format!("{error}"),
            })?;
            let mut transport = TransportConfigBuilder::default();
            transport
                .protocols(protocols)
                .path(CfgPath::new_literal(path))
                .run_on_startup(true);
            builder.bridges().transports().push(transport);
        }
        Ok((count > 0).then_some(Bridges { plain }))
    }
}

/// Who reads a log learns nothing of bridges, which are given to people one by one.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("state", &self.state)
            .field("cache", &self.cache)
            .field("network", &self.network)
            .field("bridges", &self.bridges.len())
            .field("transport", &self.transport)
            .field("patience", &self.patience)
            .finish()
    }
}

fn absolute(path: &Path) -> Result<PathBuf, SettingsError> {
    std::path::absolute(path).map_err(|error| SettingsError::Folders {
        why: format!("'{}' names no folder ({error})", path.display()),
    })
}

fn bridge(line: &str) -> Result<BridgeConfigBuilder, String> {
    if line.len() > BRIDGE_BYTES_MAX {
        return Err(format!(
            "it has {} bytes, and at most {BRIDGE_BYTES_MAX} are read",
            line.len()
        ));
    }
    let bridge: BridgeConfigBuilder = line.parse().map_err(|error| format!("{error}"))?;
    bridge.build().map_err(|error| error.to_string())?;
    Ok(bridge)
}

/// Finds the address in a line that names no transport.
fn address(line: &str) -> Option<SocketAddr> {
    line.split_ascii_whitespace()
        .find_map(|word| word.parse().ok())
}

fn runnable(path: &Path) -> Result<(), SettingsError> {
    let refused = |why: String| SettingsError::Transport {
        path: path.to_owned(),
        why,
    };
    let about = fs::metadata(path).map_err(|error| refused(error.to_string()))?;
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return Err(refused("it is no program".to_owned()));
    }
    Ok(())
}

/// Reads the description of a network. Without both its authorities and its caches arti would dial the public network.
fn described(path: &Path) -> Result<TorClientConfigBuilder, SettingsError> {
    let refused = |why: String| SettingsError::Network {
        path: path.to_owned(),
        why,
    };
    let text = text_of(path).map_err(|error| refused(error.to_string()))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| refused(error.message().to_owned()))?;
    if let Some(other) = table
        .keys()
        .find(|key| !["tor_network", "path_rules"].contains(&key.as_str()))
    {
        return Err(refused(format!(
            "'{other}' is not read from such a file; 'tor_network' and 'path_rules' are"
        )));
    }
    let network = table.get("tor_network");
    let authorities = network.and_then(|network| network.get("authorities")?.get("v3idents"));
    let caches = network.and_then(|network| network.get("fallback_caches"));
    for (what, list) in [
        ("authorities.v3idents", authorities),
        ("fallback_caches", caches),
    ] {
        if list
            .and_then(toml::Value::as_array)
            .is_none_or(Vec::is_empty)
        {
            return Err(refused(format!("it has no tor_network.{what}")));
        }
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| refused(error.message().to_owned()))
}

fn text_of(path: &Path) -> io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > NETWORK_BYTES_MAX {
        let why = format!("it has {bytes} bytes, and at most {NETWORK_BYTES_MAX} are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PLAIN: &str = "Bridge 192.0.2.7:9001 316E643333645F6D79216558614D3931657A5F5F";
    const OBFS4: &str = "obfs4 192.0.2.55:38114 316E643333645F6D79216558614D3931657A5F5F \
                         cert=YXJlIGZyZXF1ZW50bHkgZnVsbCBvZiBsaXR0bGUgbWVzc2FnZXMgeW91IGNhbiBmaW5kLg iat-mode=0";

    fn settings(bridges: &[&str]) -> Settings {
        Settings {
            bridges: bridges.iter().map(|line| (*line).to_owned()).collect(),
            ..Settings::new("/nowhere/state", "/nowhere/cache")
        }
    }

    fn refusal(settings: &Settings) -> String {
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn a_plain_bridge_is_taken_and_its_address_known() {
        let checked = settings(&[PLAIN]).checked().unwrap();

        assert_eq!(
            checked.bridges.unwrap().plain,
            ["192.0.2.7:9001".parse().unwrap()]
        );
        assert!(settings(&[]).checked().unwrap().bridges.is_none());
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        for line in [
            "",
            "Bridge",
            "192.0.2.7:9001",
            "192.0.2.7 316E643333645F6D79216558614D3931657A5F5F",
            "ключ",
        ] {
            let refusal = refusal(&settings(&[PLAIN, line]));

            assert!(
                refusal.starts_with("bridge 2 is no bridge line"),
                "{line}: {refusal}"
            );
        }
        let long = format!("{OBFS4} x={}", "y".repeat(BRIDGE_BYTES_MAX));
        assert!(refusal(&settings(&[&long])).contains("bytes"));
        assert!(refusal(&settings(&[PLAIN; BRIDGES_MAX + 1])).contains("33 bridges"));
    }

    #[test]
    fn a_transport_needs_a_program_that_runs() {
        let mut settings = settings(&[OBFS4]);
        assert!(refusal(&settings).contains("'obfs4'"));

        let text = tempfile::NamedTempFile::new().unwrap();
        settings.transport = Some(text.path().to_owned());
        assert!(refusal(&settings).contains("it is no program"));
        settings.transport = Some("/nowhere/lyrebird".into());
        assert!(refusal(&settings).contains("/nowhere/lyrebird cannot be run"));

        settings.transport = Some("/bin/sh".into());
        assert!(
            settings
                .checked()
                .unwrap()
                .bridges
                .unwrap()
                .plain
                .is_empty()
        );
    }

    #[test]
    fn a_network_without_authorities_or_caches_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("network.toml");
        let of = |text: &str| {
            fs::write(&path, text).unwrap();
            refusal(&Settings {
                network: Network::File(path.clone()),
                ..settings(&[])
            })
        };

        assert!(of("").contains("authorities"));
        assert!(of("[tor_network]\nauthorities.v3idents = [\"00\"]").contains("fallback_caches"));
        assert!(of("[storage]\nstate_dir = \"/\"").contains("'storage'"));
        assert!(of("[tor_network").contains("does not describe"));
        assert!(of(&"#".repeat(300_000)).contains("bytes"));
    }

    #[test]
    fn bridges_are_not_shown() {
        let shown = format!("{:?}", settings(&[PLAIN]));

        assert!(!shown.contains("192.0.2.7"), "{shown}");
    }

    #[test]
    fn state_and_cache_are_two_folders() {
        assert!(refusal(&Settings::new("/x", "/x")).contains("its own folder"));
    }
}
