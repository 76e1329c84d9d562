//! The settings in force, and the file to start from.

use std::path::PathBuf;

use serde::Serialize;

use x0_protocol::anti_meave::CosignPolicy;

use super::{
    ArweaveAccount, Config, FILE, GatewayPlace, Key, LogFormat, ProbeMode, Source, fault::Size,
    keys::Shape, raw::SECTIONS,
};

/// One key as it is in force.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The key.
    pub key: Key,
    /// Its value, as it would be written in the file.
    pub value: String,
    /// Who said so.
    pub source: Source,
    /// What it does.
    pub meaning: &'static str,
    /// What it may be.
    pub allowed: String,
    /// Its environment variable.
    pub variable: String,
    /// Whether a reload changes it while the node runs.
    pub live: bool,
}

impl Config {
    /// Lists every key with its value and where that comes from.
    pub fn show(&self) -> Vec<Shown> {
        Key::ALL
            .into_iter()
            .map(|key| Shown {
                key,
                value: self.value(key),
                source: self.source(key).clone(),
                meaning: key.meaning(),
                allowed: key.allowed(),
                variable: key.variable(),
                live: key.is_live(),
            })
            .collect()
    }

    /// Writes the settings in force as a file, with the source of each value beside it.
    pub fn text(&self) -> String {
        let mut text = format!("# data directory: {}\n", self.data_dir.display());
        for section in SECTIONS {
            text.push_str(&format!("\n[{section}]\n"));
            for key in keys_of(section) {
                let line = format!("{} = {}", short(key), self.value(key));
                text.push_str(&format!("{line:<50} # {}\n", self.source(key)));
            }
        }
        text
    }

    /// Writes the value of a key as in the file.
    pub fn value(&self, key: Key) -> String {
        match key {
            Key::NetworkListen => list(&self.network.listen),
            Key::NetworkExternal => list(&self.network.external),
            Key::NetworkBootstrap => list(&self.network.bootstrap),
            Key::NetworkLan => self.network.lan.to_string(),
            Key::NetworkRelayServer => self.network.relay_server.to_string(),
            Key::NetworkConnectionsMax => self.network.connections_max.to_string(),
            Key::ApiUnixSocket => quoted(&self.api.unix_socket.display()),
            Key::ApiHttp => match self.api.http {
                Some(address) => quoted(&address),
                None => quoted(&"off"),
            },
            Key::ApiRatePerSecond => self.api.rate_per_second.to_string(),
            Key::ApiBodyBytesMax => size(self.api.body_bytes_max as u64),
            Key::StoreMaxBytes => size(self.store.max_bytes),
            Key::ActsCosign => quoted(&match self.acts.cosign {
                CosignPolicy::Ask => "ask",
                CosignPolicy::Approve => "approve",
                CosignPolicy::Refuse => "refuse",
            }),
            Key::CharterProbe => quoted(&match self.charter.probe {
                ProbeMode::Follow => "follow",
                ProbeMode::Manual => "manual",
            }),
            Key::CharterProbeSocket => quoted(&self.charter.probe_socket.display()),
            Key::CharterProbeUsers => {
                let pairs = self.charter.probe_users.iter();
                list(pairs.map(|(service, user)| format!("{service}={user}")))
            }
            Key::CharterProbeListen => {
                let pairs = self.charter.probe_listen.iter();
                list(pairs.map(|(service, listen)| {
                    format!("{service}={}/{}", listen.port, listen.protocol)
                }))
            }
            Key::GatewayListen => match self.gateway.listen {
                GatewayPlace::OfCharter => quoted(&"charter"),
                GatewayPlace::At(address) => quoted(&address),
                GatewayPlace::Off => quoted(&"off"),
            },
            Key::GatewayTargets => {
                let targets = self.gateway.targets.iter();
                list(targets.map(|target| format!("{}={}", target.node, target.url)))
            }
            Key::GatewayScrapeSecs => self.gateway.scrape_secs.to_string(),
            Key::SublimeListen => list(&self.sublime.listen),
            Key::SublimeCopies => self.sublime.copies.to_string(),
            Key::SublimeAuditSecs => self.sublime.audit_secs.to_string(),
            Key::EmergencyOnion => self.emergency.onion.to_string(),
            Key::EmergencyTorFile => or_off(shown_path(self.emergency.tor_file.as_ref())),
            Key::EmergencyListen => {
                or_off(self.emergency.listen.map(|address| address.to_string()))
            }
            Key::ArweaveGateway => self.arweave(|account| Some(account.gateway.clone())),
            Key::ArweaveProxy => self.arweave(|account| account.proxy.clone()),
            Key::ArweaveKeyFile => self.arweave(|account| shown_path(account.key_file.as_ref())),
            Key::ArweaveBundler => self.arweave(|account| account.bundler.clone()),
            Key::ArweavePriceMax => match &self.sublime.arweave {
                Some(account) => account.price_max.to_string(),
                None => key.row().default.to_owned(),
            },
            Key::SiaIndexer => {
                let sia = self.sublime.sia.as_ref();
                or_off(sia.map(|account| account.indexer.clone()))
            }
            Key::SiaKeyFile => {
                let sia = self.sublime.sia.as_ref();
                or_off(shown_path(sia.map(|account| &account.key_file)))
            }
            Key::LogFormat => quoted(&match self.log.format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }),
            Key::LogFilter => quoted(&self.log.filter),
            Key::TelemetryOtlpEndpoint => {
                quoted(&self.telemetry.otlp_endpoint.as_deref().unwrap_or("off"))
            }
        }
    }
}

impl Config {
    fn arweave(&self, part: impl Fn(&ArweaveAccount) -> Option<String>) -> String {
        or_off(self.sublime.arweave.as_ref().and_then(part))
    }
}

fn or_off(text: Option<String>) -> String {
    quoted(&text.as_deref().unwrap_or("off"))
}

fn shown_path(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

/// Returns the text of a new file: every key with its meaning, all at their defaults.
pub fn template() -> String {
    let mut text = format!(
        "# {FILE}: settings of this x0 node. Every line shows a default; remove the # to change one.\n\
         # `x0 config check` checks this file, `x0 config reload` has a running node read it again.\n"
    );
    for section in SECTIONS {
        text.push_str(&format!("\n[{section}]\n"));
        for key in keys_of(section) {
            let row = key.row();
            let value = match row.shape {
                Shape::List => list(row.default.split(',').filter(|part| !part.is_empty())),
                Shape::Text | Shape::Bytes => quoted(&row.default),
                Shape::Bool | Shape::Number => row.default.to_owned(),
            };
            let when = if row.live { "" } else { " Needs a restart." };
            text.push_str(&format!(
                "# {}{when}\n#   Allowed: {}.\n#{} = {value}\n",
                row.meaning,
                row.allowed,
                short(key),
            ));
        }
    }
    text
}

fn keys_of(section: &str) -> impl Iterator<Item = Key> {
    Key::ALL
        .into_iter()
        .filter(move |key| key.name().rsplit_once('.').map(|(part, _)| part) == Some(section))
}

fn short(key: Key) -> &'static str {
    key.name().rsplit_once('.').map_or("", |(_, short)| short)
}

fn quoted(text: &impl ToString) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// A size is written with its unit, or as a plain number of bytes.
fn size(bytes: u64) -> String {
    let written = Size(bytes).to_string();
    if written.ends_with("bytes") {
        return bytes.to_string();
    }
    quoted(&written)
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}
