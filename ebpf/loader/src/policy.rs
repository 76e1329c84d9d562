//! The policy that the kernel enforces, as it is written in JSON, and the checked form that goes into maps.
//!
//! [`Policy`] is what a person or the charter's compiler writes; [`Checked`] is what only [`Policy::check`] can make. All
//! faults are reported at once, each with its place, the value and what is allowed.
//!
//! Not decided here: which metrics a community wants. That is the charter's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use x0_ebpf_common::{
    CLASSES_MAX, GATEWAYS_MAX, LISTEN_MAX, NAME_BYTES_MAX, NAMES_MAX, RULES_MAX, TCP, UDP,
};

/// Port of StatsD (github.com/statsd/statsd, exampleConfig.js).
pub const STATSD_PORT: u16 = 8_125;

/// Ports of other telemetry by their programs' documentation: Graphite 2003, OTLP 4317 and 4318, InfluxDB 8086, Prometheus
/// 9090, its push gateway 9091 and node exporter 9100, StatsD exporter 9102 and 9125.
pub const TELEMETRY_PORTS: [u16; 9] = [
    2_003, 4_317, 4_318, 8_086, 9_090, 9_091, 9_100, 9_102, 9_125,
];

/// Longest name of a service, bytes; it names a cgroup too.
const SERVICE_BYTES_MAX: usize = 32;

/// Longest content id of a charter, characters: that of SHA-256 in base 32 has 59.
const CHARTER_CHARS_MAX: usize = 96;

/// What guarded processes may send, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Names of metrics that may leave over StatsD; compared as bytes, in full.
    pub metrics: Vec<String>,
    /// UDP ports on which every name is checked.
    #[serde(default = "statsd_ports")]
    pub statsd_ports: Vec<u16>,
    /// Ports of other telemetry, which goes to the gateway only.
    #[serde(default = "telemetry_ports")]
    pub telemetry_ports: Vec<u16>,
    /// Endpoints of the local telemetry gateway.
    #[serde(default)]
    pub gateways: Vec<Gateway>,
    /// Rules for each kind of guarded process, by name.
    pub services: BTreeMap<String, Service>,
    /// The charter that this was made of, by its content id; none for a policy that somebody wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<String>,
}

fn statsd_ports() -> Vec<u16> {
    vec![STATSD_PORT]
}

fn telemetry_ports() -> Vec<u16> {
    TELEMETRY_PORTS.to_vec()
}

/// One endpoint of the gateway that takes telemetry from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// Rules for one kind of guarded process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whether this is the x0 node: it reaches any peer, and no telemetry port.
    #[serde(default)]
    pub node: bool,
    /// Ids of the users who may start processes under these rules; none means the owner of the probe.
    #[serde(default)]
    pub users: Vec<u32>,
    /// Destinations.
    #[serde(default)]
    pub egress: Vec<Rule>,
    /// Ports to serve on. On a telemetry port only the gateway is answered.
    #[serde(default)]
    pub listen: Vec<Listen>,
}

/// Destinations that a service may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Addresses, such as `192.0.2.0/24`, `2001:db8::/32` or `192.0.2.7`.
    pub to: Prefix,
    /// Ports there.
    pub ports: Vec<u16>,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A port to serve on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// What rides on IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl Protocol {
    /// Returns its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Returns the address in IPv6 form, and how many of its 128 bits count.
    pub fn mapped(self) -> ([u8; 16], u32) {
        match self.address {
            IpAddr::V4(address) => (address.to_ipv6_mapped().octets(), u32::from(self.bits) + 96),
            IpAddr::V6(address) => (address.octets(), u32::from(self.bits)),
        }
    }

    /// Tells whether all mapped IPv4 addresses lie within it, though it is a prefix of IPv6.
    pub fn swallows_ipv4(self) -> bool {
        let IpAddr::V6(address) = self.address else {
            return false;
        };
        let mapped = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
        self.bits < 96 && masked_v6(mapped, self.bits) == address
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            format!(
                "'{text}' is not an address with a prefix such as 192.0.2.0/24 or 2001:db8::/32"
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wanted())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wanted())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(format!(
                "'{text}' counts {bits} bits; this family has {most}"
            ));
        }
        let first = match address {
            IpAddr::V4(address) => IpAddr::V4(masked_v4(address, bits)),
            IpAddr::V6(address) => IpAddr::V6(masked_v6(address, bits)),
        };
        if first != address {
            return Err(format!(
                "'{text}' has bits set behind its prefix; did you mean {first}/{bits}?"
            ));
        }
        if matches!(address, IpAddr::V6(v6) if bits >= 96 && v6.to_ipv4_mapped().is_some()) {
            return Err(format!(
                "'{text}' is a mapped IPv4 address; write it as IPv4, which covers both"
            ));
        }
        Ok(Self { address, bits })
    }
}

fn masked_v4(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn masked_v6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a path of keys.
    pub place: String,
    /// What stands there, and what is allowed.
    pub what: String,
}

/// All that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy is not valid:\n{}", lines(.0))]
pub struct PolicyFaults(pub Vec<Fault>);

fn lines(faults: &[Fault]) -> String {
    let lines = faults
        .iter()
        .map(|fault| format!("  {}: {}", fault.place, fault.what));
    lines.collect::<Vec<_>>().join("\n")
}

/// A policy that fits into the maps and means what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Policy);

impl Checked {
    /// Returns the policy as it was written.
    pub const fn policy(&self) -> &Policy {
        &self.0
    }
}

impl Policy {
    /// Reads and checks a policy in JSON.
    ///
    /// # Errors
    ///
    /// Returns the place where it is not the JSON of a policy, or all faults.
    pub fn from_json(text: &[u8]) -> Result<Checked, PolicyFaults> {
        let policy: Self = serde_json::from_slice(text).map_err(|fault| {
            let place = format!("line {}, column {}", fault.line(), fault.column());
            let what = fault.to_string();
            PolicyFaults(vec![Fault { place, what }])
        })?;
        policy.check()
    }

    /// Checks bounds and sense.
    ///
    /// # Errors
    ///
    /// Returns all faults.
    pub fn check(self) -> Result<Checked, PolicyFaults> {
        let mut faults = Faults::default();
        self.check_metrics(&mut faults);
        self.check_ports(&mut faults);
        self.check_gateways(&mut faults);
        if let Some(charter) = &self.charter
            && (charter.len() > CHARTER_CHARS_MAX
                || !charter.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            faults.add(
                "charter".to_owned(),
                "it is no content id: leave it out of a policy that you wrote yourself".to_owned(),
            );
        }
        faults.bound("services", self.services.len(), CLASSES_MAX);
        let rules = self.services.values().flat_map(|service| &service.egress);
        faults.bound(
            "services.*.egress",
            rules.map(|rule| rule.ports.len()).sum(),
            RULES_MAX,
        );
        let services = self.services.values();
        let listen = services.map(|service| self.served_by(service).count());
        faults.bound("services.*.listen", listen.sum(), LISTEN_MAX);
        for (name, service) in &self.services {
            self.check_service(name, service, &mut faults);
        }
        match faults.0.is_empty() {
            true => Ok(Checked(self)),
            false => Err(PolicyFaults(faults.0)),
        }
    }

    fn check_metrics(&self, faults: &mut Faults) {
        faults.bound("metrics", self.metrics.len(), NAMES_MAX);
        let mut seen = BTreeSet::new();
        for (place, name) in self.metrics.iter().enumerate() {
            let place = || format!("metrics[{place}]");
            let most = NAME_BYTES_MAX as usize;
            if name.is_empty() || name.len() > most {
                faults.add(
                    place(),
                    format!("a name has 1 to {most} bytes, this one {}", name.len()),
                );
            } else if name.contains([':', '\n']) {
                faults.add(
                    place(),
                    format!("{name:?}: a name holds no ':' and no line break"),
                );
            } else if !seen.insert(name) {
                faults.add(place(), format!("{name:?} stands here a second time"));
            }
        }
    }

    fn check_ports(&self, faults: &mut Faults) {
        let mut seen = BTreeSet::new();
        for (key, ports) in [
            ("statsd_ports", &self.statsd_ports),
            ("telemetry_ports", &self.telemetry_ports),
        ] {
            for (place, port) in ports.iter().enumerate() {
                let place = format!("{key}[{place}]");
                if *port == 0 {
                    faults.add(place, "a port is 1 to 65535".to_owned());
                } else if !seen.insert(*port) {
                    faults.add(place, format!("port {port} stands here a second time"));
                }
            }
        }
    }

    fn check_gateways(&self, faults: &mut Faults) {
        faults.bound("gateways", self.gateways.len(), GATEWAYS_MAX);
        for (place, gateway) in self.gateways.iter().enumerate() {
            let place = format!("gateways[{place}]");
            if !self.is_telemetry(gateway.port) {
                let port = gateway.port;
                faults.add(
                    place,
                    format!(
                        "port {port} is in neither statsd_ports nor telemetry_ports: add it there"
                    ),
                );
            } else if gateway.protocol == Protocol::Tcp && self.statsd_ports.contains(&gateway.port)
            {
                faults.add(
                    place,
                    "names are checked on UDP only: a StatsD port over TCP is always refused"
                        .to_owned(),
                );
            }
        }
    }

    fn check_service(&self, name: &str, service: &Service, faults: &mut Faults) {
        let place = format!("services.{name}");
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > SERVICE_BYTES_MAX || !name.bytes().all(is_plain) {
            faults.add(
                place.clone(),
                format!("a name has 1 to {SERVICE_BYTES_MAX} of the characters a-z, 0-9 and '-'"),
            );
        }
        if service.users.contains(&0) {
            faults.add(
                format!("{place}.users"),
                "0 is root, whom no guard holds: name an ordinary user".to_owned(),
            );
        }
        if service.node && !(service.egress.is_empty() && service.listen.is_empty()) {
            faults.add(
                place.clone(),
                "the node reaches any peer: leave out egress and listen".to_owned(),
            );
        }
        for (number, rule) in service.egress.iter().enumerate() {
            let place = format!("{place}.egress[{number}].ports");
            if rule.ports.is_empty() {
                faults.add(place.clone(), "name at least one port".to_owned());
            }
            for port in &rule.ports {
                if *port == 0 {
                    faults.add(place.clone(), "a port is 1 to 65535".to_owned());
                } else if self.is_telemetry(*port) {
                    faults.add(
                        place.clone(),
                        format!("port {port} is telemetry, which goes to the gateways alone: list it there"),
                    );
                }
            }
        }
        for (number, listen) in service.listen.iter().enumerate() {
            if listen.port == 0 {
                let place = format!("{place}.listen[{number}].port");
                faults.add(place, "a port is 1 to 65535".to_owned());
            }
        }
    }

    /// Lists the ports that a service may serve on by name. The node keeps the gateway, so it serves on the gateway's ports:
    /// telemetry comes in by one protocol, and is shown by the other.
    pub(crate) fn served_by<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = Listen> {
        let kept = self.gateways.iter().filter(|_| service.node);
        let kept = kept.flat_map(|gateway| {
            [Protocol::Tcp, Protocol::Udp].map(|protocol| Listen {
                port: gateway.port,
                protocol,
            })
        });
        service.listen.iter().copied().chain(kept)
    }

    fn is_telemetry(&self, port: u16) -> bool {
        self.statsd_ports.contains(&port) || self.telemetry_ports.contains(&port)
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, place: String, what: String) {
        self.0.push(Fault { place, what });
    }

    fn bound(&mut self, place: &str, count: usize, most: u32) {
        if count > most as usize {
            self.add(
                place.to_owned(),
                format!("{count} entries; there is room for {most}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fault_of(json: &str) -> String {
        Policy::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_shortest_policy_checks_statsd_and_knows_the_usual_telemetry_ports() {
        let checked =
            Policy::from_json(br#"{"metrics":["a"],"services":{"exporter":{}}}"#).unwrap();

        assert_eq!(checked.policy().statsd_ports, [8_125]);
        assert!(checked.policy().telemetry_ports.contains(&4_317));
    }

    #[test]
    fn every_fault_names_its_place_and_what_is_allowed() {
        let text = fault_of(
            r#"{"metrics":["a","a","b:c",""],"gateways":[{"address":"127.0.0.1","port":80,"protocol":"udp"}],
            "services":{"Bad_Name":{"users":[0]},"x":{"egress":[{"to":"192.0.2.0/24","ports":[9090],"protocol":"tcp"}]}}}"#,
        );

        for part in [
            "metrics[1]: \"a\" stands here a second time",
            "metrics[2]: \"b:c\": a name holds no ':'",
            "metrics[3]: a name has 1 to 128 bytes",
            "gateways[0]: port 80 is in neither",
            "services.Bad_Name: a name has 1 to 32",
            "services.Bad_Name.users: 0 is root",
            "services.x.egress[0].ports: port 9090 is telemetry",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = fault_of("{\"metrics\":[],\n\"services\":{},\n\"metric\":[]}");

        assert!(text.contains("line 3"), "{text}");
        assert!(text.contains("unknown field `metric`"), "{text}");
    }

    #[test]
    fn a_prefix_has_one_spelling() {
        for text in [
            "192.0.2.0/24",
            "2001:db8::/32",
            "::/0",
            "0.0.0.0/0",
            "192.0.2.7/32",
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        for text in [
            "192.0.2.1/24",
            "192.0.2.0/33",
            "::ffff:192.0.2.1",
            "host",
            "1.2.3.4/",
            "/8",
        ] {
            text.parse::<Prefix>().unwrap_err();
        }
    }

    #[test]
    fn a_wide_prefix_of_ipv6_is_known_to_hold_the_mapped_addresses() {
        assert!("::/0".parse::<Prefix>().unwrap().swallows_ipv4());
        assert!("::/64".parse::<Prefix>().unwrap().swallows_ipv4());
        assert!(!"2000::/3".parse::<Prefix>().unwrap().swallows_ipv4());
        assert!(!"0.0.0.0/0".parse::<Prefix>().unwrap().swallows_ipv4());
    }
}
