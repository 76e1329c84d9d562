//! From what was written to what holds: every value against its range, every fault noted.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tracing_subscriber::EnvFilter;
use x0_ebpf_loader::policy::{Listen, Protocol};
use x0_net::Multiaddr;
use x0_protocol::{anti_meave::CosignPolicy, charter::bounds::SERVICE_BYTES_MAX};

use super::{
    Acts, Api, ArweaveAccount, CharterSettings, Config, EmergencySettings, Fault, GatewayPlace,
    GatewaySettings, Key, Log, LogFormat, Network, ProbeMode, RawConfig, SiaSettings, Source,
    Sources, Store, SublimeSettings, Target, Telemetry,
    fault::UNITS,
    raw::{Given, shown},
};

/// Most addresses to listen on, or to be known by: each is told to every peer.
const OWN_ADDRESSES_MAX: usize = 16;
/// Most addresses to start from.
const BOOTSTRAP_MAX: usize = 64;
/// Longest path of a unix socket, bytes: `sun_path` has 108 with its final zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Most pairs of a list: as many as a charter has services.
const PAIRS_MAX: usize = 64;
/// Longest name of a node among the targets, bytes.
const NODE_NAME_BYTES_MAX: usize = 64;

/// Checks everything; none if a fault left a value unknown.
pub(super) fn check(raw: RawConfig, sources: Sources, faults: &mut Vec<Fault>) -> Option<Config> {
    let data_dir = sources.data_dir().to_owned();
    let mut check = Check {
        raw,
        sources: &sources,
        origins: BTreeMap::new(),
        faults,
    };
    let listen = check.addresses(Key::NetworkListen, OWN_ADDRESSES_MAX, listen_fault);
    let external = check.addresses(Key::NetworkExternal, OWN_ADDRESSES_MAX, external_fault);
    let bootstrap = check.addresses(Key::NetworkBootstrap, BOOTSTRAP_MAX, bootstrap_fault);
    let lan = check.flag(Key::NetworkLan);
    let relay_server = check.flag(Key::NetworkRelayServer);
    let connections_max = check.number(Key::NetworkConnectionsMax);
    let unix_socket = check.value(Key::ApiUnixSocket, |text| socket(&data_dir, text));
    let http = check.value(Key::ApiHttp, loopback);
    let rate_per_second = check.number(Key::ApiRatePerSecond);
    let body_bytes_max = check.number(Key::ApiBodyBytesMax);
    let max_bytes = check.number(Key::StoreMaxBytes);
    let cosign = check.value(Key::ActsCosign, cosign);
    let probe = check.value(Key::CharterProbe, probe_mode);
    let probe_socket = check.value(Key::CharterProbeSocket, absolute_socket);
    let probe_users = check.pairs(Key::CharterProbeUsers, probe_user);
    let probe_listen = check.pairs(Key::CharterProbeListen, probe_listen);
    let gateway_listen = check.value(Key::GatewayListen, gateway_place);
    let targets = check.pairs(Key::GatewayTargets, target);
    let scrape_secs = check.number(Key::GatewayScrapeSecs);
    let sublime = check.sublime(&data_dir);
    let emergency = check.emergency(&data_dir);
    let format = check.value(Key::LogFormat, format);
    let filter = check.value(Key::LogFilter, filter);
    let otlp_endpoint = check.value(Key::TelemetryOtlpEndpoint, endpoint);
    let origins = check.origins;
    Some(Config {
        data_dir,
        network: Network {
            listen: listen?,
            external: external?,
            bootstrap: bootstrap?,
            lan: lan?,
            relay_server: relay_server?,
            connections_max: connections_max?,
        },
        api: Api {
            unix_socket: unix_socket?,
            http: http?,
            rate_per_second: rate_per_second?,
            body_bytes_max: body_bytes_max?,
        },
        store: Store {
            max_bytes: max_bytes?,
        },
        acts: Acts { cosign: cosign? },
        charter: CharterSettings {
            probe: probe?,
            probe_socket: probe_socket?,
            probe_users: probe_users?,
            probe_listen: probe_listen?,
        },
        gateway: GatewaySettings {
            listen: gateway_listen?,
            targets: targets?,
            scrape_secs: scrape_secs?,
        },
        sublime: sublime?,
        emergency: emergency?,
        log: Log {
            format: format?,
            filter: filter?,
        },
        telemetry: Telemetry {
            otlp_endpoint: otlp_endpoint?,
        },
        sources,
        origins,
    })
}

struct Check<'a> {
    raw: RawConfig,
    sources: &'a Sources,
    origins: BTreeMap<Key, Source>,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    fn emergency(&mut self, data_dir: &Path) -> Option<EmergencySettings> {
        let onion = self.flag(Key::EmergencyOnion);
        let tor_file = self.value(Key::EmergencyTorFile, |text| file(data_dir, text));
        let listen = self.value(Key::EmergencyListen, own_tor);
        Some(EmergencySettings {
            onion: onion?,
            tor_file: tor_file?,
            listen: listen?,
        })
    }

    fn sublime(&mut self, data_dir: &Path) -> Option<SublimeSettings> {
        let listen = self.addresses(Key::SublimeListen, OWN_ADDRESSES_MAX, listen_fault);
        let copies = self.number(Key::SublimeCopies);
        let audit_secs = self.number(Key::SublimeAuditSecs);
        let gateway = self.value(Key::ArweaveGateway, private_address);
        let proxy = self.value(Key::ArweaveProxy, or_off);
        let key_file = self.value(Key::ArweaveKeyFile, |text| file(data_dir, text));
        let bundler = self.value(Key::ArweaveBundler, private_address);
        let price_max = self.number(Key::ArweavePriceMax);
        let indexer = self.value(Key::SiaIndexer, indexer);
        let sia_key_file = self.value(Key::SiaKeyFile, |text| file(data_dir, text));
        let (gateway, proxy, key_file, bundler) = (gateway?, proxy?, key_file?, bundler?);
        let (indexer, sia_key_file) = (indexer?, sia_key_file?);
        let needs = [
            (
                Key::ArweaveProxy,
                proxy.is_some(),
                Key::ArweaveGateway,
                gateway.is_some(),
            ),
            (
                Key::ArweaveKeyFile,
                key_file.is_some(),
                Key::ArweaveGateway,
                gateway.is_some(),
            ),
            (
                Key::ArweaveBundler,
                bundler.is_some(),
                Key::ArweaveKeyFile,
                key_file.is_some(),
            ),
            (
                Key::SiaIndexer,
                indexer.is_some(),
                Key::SiaKeyFile,
                sia_key_file.is_some(),
            ),
            (
                Key::SiaKeyFile,
                sia_key_file.is_some(),
                Key::SiaIndexer,
                indexer.is_some(),
            ),
        ];
        let mut is_whole = true;
        for (key, is_set, needed, is_there) in needs {
            if is_set && !is_there {
                let source = self.origins.get(&key).cloned().unwrap_or(Source::Default);
                self.fault(
                    key,
                    &source,
                    "",
                    format!("it is of no use without {needed}"),
                );
                is_whole = false;
            }
        }
        if !is_whole {
            return None;
        }
        let arweave = match gateway {
            Some(gateway) => Some(ArweaveAccount {
                gateway,
                proxy,
                key_file,
                bundler,
                price_max: price_max?,
            }),
            None => None,
        };
        let sia = indexer.zip(sia_key_file);
        Some(SublimeSettings {
            listen: listen?,
            copies: copies?,
            audit_secs: audit_secs?,
            arweave,
            sia: sia.map(|(indexer, key_file)| SiaSettings { indexer, key_file }),
        })
    }

    /// Reads a value of one text.
    fn value<T>(&mut self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let given = self.take(key);
        // Every shape but a list has exactly one text.
        let text = given.texts.first().map(String::as_str).unwrap_or_default();
        match read(text.trim()) {
            Ok(value) => Some(value),
            Err(what) => {
                self.fault(key, &given.source, text, what);
                None
            }
        }
    }

    fn flag(&mut self, key: Key) -> Option<bool> {
        self.value(key, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("it is neither true nor false".to_owned()),
        })
    }

    fn number<N: TryFrom<u64>>(&mut self, key: Key) -> Option<N> {
        self.value(key, |text| {
            let number = bytes(text).ok_or("it is not a whole number")?;
            if !key.row().allowed.contains(number) {
                return Err("it is out of range".to_owned());
            }
            N::try_from(number).map_err(|_| "it is out of range".to_owned())
        })
    }

    /// Reads a list of addresses, noting a fault for each bad one.
    fn addresses(
        &mut self,
        key: Key,
        count_max: usize,
        fault: fn(&[&str]) -> Option<&'static str>,
    ) -> Option<Vec<Multiaddr>> {
        let given = self.take(key);
        if given.texts.len() > count_max {
            let count = format!("{} addresses", given.texts.len());
            self.fault(key, &given.source, &count, "there are too many".to_owned());
            return None;
        }
        let mut addresses = Vec::new();
        for text in &given.texts {
            let what = match text.parse::<Multiaddr>() {
                Ok(address) => match fault(&address.protocol_stack().collect::<Vec<_>>()) {
                    None => {
                        addresses.push(address);
                        continue;
                    }
                    Some(what) => what.to_owned(),
                },
                Err(error) => format!("it is not an address ({error})"),
            };
            self.fault(key, &given.source, text, what);
        }
        (addresses.len() == given.texts.len()).then_some(addresses)
    }

    /// Reads a list of `name=value`, noting a fault for each bad one.
    fn pairs<T>(&mut self, key: Key, read: fn(&str, &str) -> Result<T, String>) -> Option<Vec<T>> {
        let given = self.take(key);
        if given.texts.len() > PAIRS_MAX {
            let count = format!("{} pairs", given.texts.len());
            self.fault(key, &given.source, &count, "there are too many".to_owned());
            return None;
        }
        let mut pairs = Vec::new();
        for text in &given.texts {
            let pair = match text.trim().split_once('=') {
                Some((name, value)) => read(name.trim(), value.trim()),
                None => Err("there is no `=` in it".to_owned()),
            };
            match pair {
                Ok(pair) => pairs.push(pair),
                Err(what) => self.fault(key, &given.source, text, what),
            }
        }
        (pairs.len() == given.texts.len()).then_some(pairs)
    }

    fn take(&mut self, key: Key) -> Given {
        let given = self.raw.take(key);
        self.origins.insert(key, given.source.clone());
        given
    }

    fn fault(&mut self, key: Key, source: &Source, value: &str, what: String) {
        self.faults.push(Fault {
            place: self.sources.place(key, source),
            key: key.name().to_owned(),
            value: shown(value),
            what,
            mend: format!("write {}", key.allowed()),
        });
    }
}

/// Reads a whole number, with `_` between digits and a unit of size if there is one.
fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        None => (text, 1),
        Some(at) => {
            let (digits, name) = text.split_at(at);
            let (_, bytes) = UNITS.iter().find(|(unit, _)| *unit == name)?;
            (digits, *bytes)
        }
    };
    let number: u64 = digits.trim().replace('_', "").parse().ok()?;
    number.checked_mul(unit)
}

fn is_transport(stack: &[&str]) -> bool {
    match stack {
        ["ip4" | "ip6" | "dns" | "dns4" | "dns6", rest @ ..] => {
            matches!(rest, ["tcp"] | ["udp", "quic-v1"])
        }
        _ => false,
    }
}

fn listen_fault(stack: &[&str]) -> Option<&'static str> {
    match stack {
        [relay @ .., "p2p", "p2p-circuit"] if is_transport(relay) => None,
        ["dns" | "dns4" | "dns6", ..] => Some("a node listens on numbers, not on a name"),
        stack if is_transport(stack) => None,
        _ => Some("it is neither TCP nor QUIC"),
    }
}

fn external_fault(stack: &[&str]) -> Option<&'static str> {
    (!is_transport(stack)).then_some("it is neither TCP nor QUIC, or has more parts than these")
}

fn bootstrap_fault(stack: &[&str]) -> Option<&'static str> {
    match stack {
        [direct @ .., "p2p"] if is_transport(direct) => None,
        [relay @ .., "p2p", "p2p-circuit", "p2p"] if is_transport(relay) => None,
        stack if is_transport(stack) => {
            Some("it does not say who answers there: add /p2p/ and the peer id")
        }
        _ => Some("it is neither TCP nor QUIC with a peer id"),
    }
}

fn socket(data_dir: &Path, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let path = data_dir.join(text);
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        return Err(format!("the path {} has {bytes} bytes", path.display()));
    }
    Ok(path)
}

fn loopback(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "it is not an address with a port")?;
    if !address.ip().is_loopback() {
        return Err(
            "whoever reaches the API can try to command the node, so it listens on this machine only; \
             reach it from elsewhere by `ssh -L`"
                .to_owned(),
        );
    }
    Ok(Some(address))
}

fn probe_mode(text: &str) -> Result<ProbeMode, String> {
    match text {
        "follow" => Ok(ProbeMode::Follow),
        "manual" => Ok(ProbeMode::Manual),
        _ => Err("there is no such way".to_owned()),
    }
}

fn absolute_socket(text: &str) -> Result<PathBuf, String> {
    if !Path::new(text).is_absolute() {
        return Err("it is no absolute path".to_owned());
    }
    socket(Path::new("/"), text)
}

fn service(name: &str) -> Result<String, String> {
    match is_plain(name, SERVICE_BYTES_MAX) {
        true => Ok(name.to_owned()),
        false => Err("it names no service".to_owned()),
    }
}

fn probe_user(name: &str, user: &str) -> Result<(String, u32), String> {
    let user: u32 = user.parse().map_err(|_| "the user is no number")?;
    if user == 0 {
        return Err("0 is root, whom no guard holds".to_owned());
    }
    Ok((service(name)?, user))
}

fn probe_listen(name: &str, listen: &str) -> Result<(String, Listen), String> {
    let (port, protocol) = listen.split_once('/').ok_or("the protocol is missing")?;
    let port: u16 = port.parse().map_err(|_| "the port is none")?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err("the protocol is neither tcp nor udp".to_owned()),
    };
    if port == 0 {
        return Err("the port is none".to_owned());
    }
    Ok((service(name)?, Listen { port, protocol }))
}

fn gateway_place(text: &str) -> Result<GatewayPlace, String> {
    match text {
        "charter" => Ok(GatewayPlace::OfCharter),
        "off" => Ok(GatewayPlace::Off),
        _ => {
            let address: SocketAddr = text
                .parse()
                .map_err(|_| "it is not an address with a port")?;
            match address.ip().is_loopback() {
                true => Ok(GatewayPlace::At(address)),
                false => Err("a gateway takes telemetry of its own machine only".to_owned()),
            }
        }
    }
}

fn target(node: &str, url: &str) -> Result<Target, String> {
    if !is_plain(node, NODE_NAME_BYTES_MAX) {
        return Err("the name has other characters than a-z, 0-9 and '-'".to_owned());
    }
    Ok(Target {
        node: node.to_owned(),
        url: http_address(url)?.to_string(),
    })
}

fn is_plain(name: &str, most: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= most && name.bytes().all(is_plain)
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("there is no such format".to_owned()),
    }
}

fn cosign(text: &str) -> Result<CosignPolicy, String> {
    match text {
        "ask" => Ok(CosignPolicy::Ask),
        "approve" => Ok(CosignPolicy::Approve),
        "refuse" => Ok(CosignPolicy::Refuse),
        _ => Err("there is no such answer".to_owned()),
    }
}

fn filter(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("it is not understood ({error})"))
}

fn or_off(text: &str) -> Result<Option<String>, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        "off" => Ok(None),
        _ => Ok(Some(text.trim_end_matches('/').to_owned())),
    }
}

/// Reads where an onion service of another program hands over those who come by it.
fn own_tor(text: &str) -> Result<Option<SocketAddr>, String> {
    let Some(address) = or_off(text)? else {
        return Ok(None);
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| "it is not an address with a port")?;
    match address.ip().is_loopback() {
        true => Ok(Some(address)),
        false => {
            Err("people in danger come by Tor alone, so it listens on this machine only".to_owned())
        }
    }
}

fn file(data_dir: &Path, text: &str) -> Result<Option<PathBuf>, String> {
    Ok(or_off(text)?.map(|path| data_dir.join(path)))
}

/// Reads an address at which nobody on the way learns what is asked for.
fn private_address(text: &str) -> Result<Option<String>, String> {
    let address = or_off(text)?;
    if let Some(address) = &address {
        x0_tiers::gateway_address(address).map_err(|error| error.to_string())?;
    }
    Ok(address)
}

fn indexer(text: &str) -> Result<Option<String>, String> {
    let indexer = private_address(text)?;
    if indexer.is_some() && !x0_tiers::HAS_SIA {
        return Err("this program was built without Sia".to_owned());
    }
    Ok(indexer)
}

fn endpoint(text: &str) -> Result<Option<String>, String> {
    if text == "off" {
        return Ok(None);
    }
    http_address(text)?;
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

fn http_address(text: &str) -> Result<hyper::Uri, String> {
    let uri: hyper::Uri = text
        .parse()
        .map_err(|error| format!("it is not an address ({error})"))?;
    if uri.scheme_str() != Some("http") || uri.authority().is_none() {
        return Err("it is not an http:// address".to_owned());
    }
    Ok(uri)
}
