//! The node's settings: defaults, under `x0.toml` in the data directory, under `X0_…` variables, under flags.
//!
//! What was written ([`RawConfig`]) and what was checked ([`Config`]) are two types, and only the second
//! reaches the rest of the node. A check reports every fault at once, each with its place, key, value, what
//! is allowed and what to do. [`Key`] is the one table of keys: names, variables, defaults and meanings come
//! from there, in the file, in `x0 config show` and in error messages alike.
//!
//! Reloading reads the same sources again. Keys that can change while the node runs take effect; the others
//! keep their value and are reported as waiting for a restart. A reload with a fault changes nothing.

mod check;
mod fault;
mod keys;
mod raw;
mod show;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use x0_ebpf_loader::policy::Listen;
use x0_net::Multiaddr;
use x0_protocol::anti_meave::CosignPolicy;

pub use fault::{ConfigError, Fault};
pub use keys::Key;
pub use raw::{RawConfig, Source, Sources};
pub use show::{Shown, template};

/// The name of the file in the data directory.
pub const FILE: &str = "x0.toml";

/// Settings that were checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds everything the node keeps.
    pub data_dir: PathBuf,
    /// How the node reaches others.
    pub network: Network,
    /// How the node is reached by its user.
    pub api: Api,
    /// What the node may keep.
    pub store: Store,
    /// What the node does about acts of others.
    pub acts: Acts,
    /// Who has the kernel hold programs to the charter.
    pub charter: CharterSettings,
    /// What the node takes in as the charter's gateway.
    pub gateway: GatewaySettings,
    /// How content is kept and exchanged.
    pub sublime: SublimeSettings,
    /// How people in danger reach this node.
    pub emergency: EmergencySettings,
    /// What the node tells about its work.
    pub log: Log,
    /// What the node sends to a collector of traces.
    pub telemetry: Telemetry,
    sources: Sources,
    origins: BTreeMap<Key, Source>,
}

/// How the node reaches others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach the node, if it cannot find them out.
    pub external: Vec<Multiaddr>,
    /// Addresses of members to connect to at a start; each ends with `/p2p/` and a peer id.
    pub bootstrap: Vec<Multiaddr>,
    /// Whether to announce the node on the local network and look for others there.
    pub lan: bool,
    /// Whether to carry connections between members that cannot reach each other.
    pub relay_server: bool,
    /// The most connections opened by others, and as many opened by this node.
    pub connections_max: u32,
}

/// How the node is reached by its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The unix socket of the local API.
    pub unix_socket: PathBuf,
    /// The loopback address of API and dashboard; port 0 has the system choose; none if switched off.
    pub http: Option<SocketAddr>,
    /// The most calls in a second by one caller.
    pub rate_per_second: u32,
    /// The largest body of a call, in bytes.
    pub body_bytes_max: usize,
}

/// What the node may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// The most space the store may take on disk, in bytes.
    pub max_bytes: u64,
}

/// What the node does about acts of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acts {
    /// What it does when it is drawn to co-sign or to approve.
    pub cosign: CosignPolicy,
}

/// Who has the kernel hold programs to the charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharterSettings {
    /// Whether the node loads each charter that comes into force.
    pub probe: ProbeMode,
    /// The socket of the helper.
    pub probe_socket: PathBuf,
    /// Who may start programs under the rules of a service, by their numbers.
    pub probe_users: Vec<(String, u32)>,
    /// On which ports programs of a service may serve.
    pub probe_listen: Vec<(String, Listen)>,
}

/// Who loads the charter into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMode {
    /// The node, whenever another is in force.
    Follow,
    /// The operator.
    Manual,
}

/// What the node takes in as the charter's gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Where it takes telemetry.
    pub listen: GatewayPlace,
    /// From whom it fetches.
    pub targets: Vec<Target>,
    /// Time between two visits of a target, seconds.
    pub scrape_secs: u32,
}

/// How content is kept and exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SublimeSettings {
    /// Where the IPFS node listens.
    pub listen: Vec<Multiaddr>,
    /// How many nodes must hold an item before it is called safe.
    pub copies: u8,
    /// Time between two audits of an item that is kept here, seconds.
    pub audit_secs: u32,
    /// Arweave, if it is read.
    pub arweave: Option<ArweaveAccount>,
    /// Sia, if there is an account.
    pub sia: Option<SiaSettings>,
}

/// How people in danger reach this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmergencySettings {
    /// Whether the node has an onion service.
    pub onion: bool,
    /// The file that says how Tor is reached; none is the public network.
    pub tor_file: Option<PathBuf>,
    /// Where they are served for an onion service that another program has.
    pub listen: Option<SocketAddr>,
}

/// How Arweave is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArweaveAccount {
    /// The gateway.
    pub gateway: String,
    /// The way to it.
    pub proxy: Option<String>,
    /// The file of the key that signs and pays; without one it is only read.
    pub key_file: Option<PathBuf>,
    /// Who takes items; without one the key pays for transactions.
    pub bundler: Option<String>,
    /// The most that a block may cost, in winston.
    pub price_max: u64,
}

/// An account with Sia.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiaSettings {
    /// The indexer.
    pub indexer: String,
    /// The file of the account's key.
    pub key_file: PathBuf,
}

/// Where the gateway takes telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayPlace {
    /// Where the charter in force says.
    OfCharter,
    /// At a loopback address.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// An exporter that the gateway fetches from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The node it stands on; [`OWN_NODE`] for this one.
    pub node: String,
    /// Its address.
    pub url: String,
}

/// The name of this node among those that telemetry comes from.
pub const OWN_NODE: &str = "self";

/// What the node tells about its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// Which lines are written, in the syntax of `tracing`'s `EnvFilter`.
    pub filter: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the node sends to a collector of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Where an OpenTelemetry collector takes traces (OTLP over HTTP); nothing is sent if there is none.
    pub otlp_endpoint: Option<String>,
}

impl Config {
    /// Reads all sources and checks what they say together.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] lists every fault there is.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let (raw, mut faults) = RawConfig::read(&sources)?;
        let checked = check::check(raw, sources, &mut faults);
        match checked {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigError::Faults(faults)),
        }
    }

    /// Returns the file of settings, whether it exists or not.
    pub fn file(&self) -> PathBuf {
        self.data_dir.join(FILE)
    }

    /// Returns where the value of a key comes from.
    pub fn source(&self, key: Key) -> &Source {
        self.origins.get(&key).unwrap_or(&Source::Default)
    }

    /// Reads the same sources again and says what changed; `self` stays as it is.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn reload(&self) -> Result<Reload, ConfigError> {
        let new = Self::load(self.sources.clone())?;
        let changes: Vec<Change> = Key::ALL
            .into_iter()
            .filter_map(|key| {
                let (from, to) = (self.value(key), new.value(key));
                (from != to).then_some(Change { key, from, to })
            })
            .collect();
        let mut config = self.clone();
        for change in &changes {
            config.take_live(change.key, &new);
        }
        Ok(Reload { config, changes })
    }

    /// Takes over the value of a key that can change while the node runs; others stay.
    fn take_live(&mut self, key: Key, new: &Self) {
        match key {
            Key::NetworkBootstrap => self.network.bootstrap.clone_from(&new.network.bootstrap),
            Key::ApiRatePerSecond => self.api.rate_per_second = new.api.rate_per_second,
            Key::ApiBodyBytesMax => self.api.body_bytes_max = new.api.body_bytes_max,
            Key::StoreMaxBytes => self.store = new.store,
            Key::LogFilter => self.log.filter.clone_from(&new.log.filter),
            Key::NetworkListen
            | Key::NetworkExternal
            | Key::NetworkLan
            | Key::NetworkRelayServer
            | Key::NetworkConnectionsMax
            | Key::ApiUnixSocket
            | Key::ApiHttp
            | Key::ActsCosign
            | Key::CharterProbe
            | Key::CharterProbeSocket
            | Key::CharterProbeUsers
            | Key::CharterProbeListen
            | Key::GatewayListen
            | Key::GatewayTargets
            | Key::GatewayScrapeSecs
            | Key::SublimeListen
            | Key::SublimeCopies
            | Key::SublimeAuditSecs
            | Key::EmergencyOnion
            | Key::EmergencyTorFile
            | Key::EmergencyListen
            | Key::ArweaveGateway
            | Key::ArweaveProxy
            | Key::ArweaveKeyFile
            | Key::ArweaveBundler
            | Key::ArweavePriceMax
            | Key::SiaIndexer
            | Key::SiaKeyFile
            | Key::LogFormat
            | Key::TelemetryOtlpEndpoint => return,
        }
        self.origins.insert(key, new.source(key).clone());
    }
}

/// What reloading found.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The settings in force from now on: keys that need a restart keep their value.
    pub config: Config,
    /// Every key that reads differently now.
    pub changes: Vec<Change>,
}

/// A key that reads differently than before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// Its value before.
    pub from: String,
    /// Its value now.
    pub to: String,
}

impl Change {
    /// Tells whether the change waits for a restart of the node.
    pub const fn needs_restart(&self) -> bool {
        !self.key.is_live()
    }
}

/// Finds the data directory: the flag, else `X0_HOME`, else `x0` in the user's data directory.
///
/// # Errors
/// [`ConfigError::NoHome`] if the environment names no home at all.
pub fn data_dir(flag: Option<&Path>) -> Result<PathBuf, ConfigError> {
    raw::data_dir(flag, &|name| std::env::var_os(name))
}
