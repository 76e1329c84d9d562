//! The one form from which every enforcement is made: sorted names, blocked names, egress, ports.
//!
//! An enforcement decides about a **name** in this order, and nothing else counts:
//! 1. bytes that are no name ([`super::name::check_name`]) are malformed;
//! 2. a name in [`Compiled::names`] is allowed: the whole of it, byte for byte;
//! 3. a name in [`Compiled::blocked_names`], or one that begins with a member of [`Compiled::blocked_prefixes`], is
//!    blocked; 4. any other is not listed. All but the allowed ones are refused.
//!
//! About **traffic** of a service to an address (IPv4 in IPv6 taken as IPv4), port and protocol:
//! 1. a service that is not named may speak to nobody;
//! 2. what goes to a telemetry port, one of the charter's by whichever protocol or one of [`TELEMETRY_PORTS`], must go to
//!    the gateway, whatever the rules say, and the node itself has no business there; if the charter names a parser for
//!    port and protocol, it must read the payload, and every name in it be allowed: what it cannot read is refused;
//! 3. else it must go to the gateway, or fit a rule of that service.
//!
//! Blocked names and prefixes refuse no more than the whitelist would: they say that a refusal was a violation.

use core::net::IpAddr;

use serde::Serialize;
use x0_crypto::ContentId;

use super::{
    bounds::{NODE_SERVICE, TELEMETRY_PORTS},
    draft::{CharterDraft, Gateway, Parser, Telemetry},
    name::{MetricKind, NameFault, check_name, exported},
    net::{Ports, Prefix, Protocol},
};

/// A charter as enforcements take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compiled {
    /// The charter's name.
    pub charter: ContentId,
    /// The charter's number.
    pub number: u64,
    /// Every name that may be exported, in order of bytes.
    pub names: Vec<Allowed>,
    /// Names that are blocked one by one, in order of bytes.
    pub blocked_names: Vec<String>,
    /// Beginnings of blocked names, in order of bytes; none begins with another.
    pub blocked_prefixes: Vec<String>,
    /// The services, in order of name.
    pub services: Vec<ServiceRules>,
    /// The telemetry ports, in order.
    pub telemetry: Vec<Telemetry>,
    /// The gateway, which every service may speak to.
    pub gateway: Gateway,
}

/// A name that may be exported, with the rules it stands under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// The whole name, its suffix included.
    pub name: String,
    /// The metric that exports it.
    pub metric: String,
    /// How that metric behaves.
    pub kind: MetricKind,
    /// How long it may be kept, days.
    pub retention_days: u16,
    /// Whether each person must have said yes before.
    pub consent: bool,
    /// Over how many nodes it is combined, at least, before anybody but the operator sees it.
    pub cohort_min: u16,
    /// Labels it may carry, in order.
    pub labels: Vec<String>,
}

/// To whom a service may speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceRules {
    /// The service.
    pub service: String,
    /// One for each set of hosts, protocol and range of ports.
    pub rules: Vec<Rule>,
}

/// Hosts and ports, by one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    /// The hosts.
    pub to: Prefix,
    /// The protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: Ports,
}

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The host.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// It is no name.
    #[error("it is no name of a metric: {0}")]
    Malformed(#[from] NameFault),
    /// The charter blocks it.
    #[error("the charter blocks it")]
    Blocked,
    /// The charter does not list it.
    #[error("the charter does not list it")]
    NotListed,
}

/// How traffic may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// As it is.
    Free,
    /// If this parser reads it, and finds allowed names only.
    Guarded(Parser),
}

/// Why traffic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressRefusal {
    /// The charter does not name the service.
    #[error("the charter names no such service")]
    NoService,
    /// It is telemetry, and does not go to the gateway.
    #[error("telemetry goes to the gateway of the own machine alone")]
    PastGateway,
    /// No rule of the service fits.
    #[error("the charter does not let this service speak to it")]
    NoRule,
}

impl ServiceRules {
    /// Tells whether the rules let the service speak to every host on every port, by both protocols and both families.
    pub fn reach_all(&self) -> bool {
        let all = |is_v4: bool, protocol: Protocol| {
            self.rules.iter().any(|rule| {
                rule.to.bits() == 0
                    && rule.to.address().is_ipv4() == is_v4
                    && rule.protocol == protocol
                    && (rule.ports.first(), rule.ports.last()) == (1, u16::MAX)
            })
        };
        [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .all(|protocol| all(true, protocol) && all(false, protocol))
    }
}

impl Compiled {
    pub(super) fn of(draft: &CharterDraft, charter: ContentId) -> Self {
        let mut names: Vec<Allowed> = draft
            .metrics
            .iter()
            .flat_map(|metric| {
                let own = metric.kind.own_label().map(str::to_owned);
                let mut labels: Vec<String> = metric.labels.iter().cloned().chain(own).collect();
                labels.sort();
                exported(&metric.name, metric.kind).map(move |name| Allowed {
                    name,
                    metric: metric.name.clone(),
                    kind: metric.kind,
                    // Both are in a range that 16 bits hold.
                    retention_days: u16::try_from(metric.retention_days).unwrap_or(u16::MAX),
                    consent: metric.consent,
                    cohort_min: u16::try_from(metric.cohort_min).unwrap_or(u16::MAX),
                    labels: labels.clone(),
                })
            })
            .collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let services = draft.services.iter().map(|service| {
            let each = service.egress.iter().flat_map(|rule| {
                rule.ports.iter().map(|ports| Rule {
                    to: rule.to,
                    protocol: rule.protocol,
                    ports: *ports,
                })
            });
            ServiceRules {
                service: service.name.clone(),
                rules: each.collect(),
            }
        });
        Self {
            charter,
            number: draft.number,
            names,
            blocked_names: draft.blocked.names.clone(),
            blocked_prefixes: draft.blocked.prefixes.clone(),
            services: services.collect(),
            telemetry: draft.telemetry.clone(),
            gateway: draft.gateway,
        }
    }

    /// Says whether something may be collected under a name, and under which rules.
    ///
    /// # Errors
    ///
    /// Returns why not.
    pub fn name(&self, name: &[u8]) -> Result<&Allowed, NameRefusal> {
        check_name(name)?;
        let found = self
            .names
            .binary_search_by(|one| one.name.as_bytes().cmp(name));
        if let Some(allowed) = found.ok().and_then(|at| self.names.get(at)) {
            return Ok(allowed);
        }
        match self.is_blocked(name) {
            true => Err(NameRefusal::Blocked),
            false => Err(NameRefusal::NotListed),
        }
    }

    fn is_blocked(&self, name: &[u8]) -> bool {
        let named = self
            .blocked_names
            .binary_search_by(|one| one.as_bytes().cmp(name));
        // No prefix begins with another, so only the last one that is not behind the name can be its beginning.
        let behind = self
            .blocked_prefixes
            .partition_point(|one| one.as_bytes() <= name);
        let before = behind
            .checked_sub(1)
            .and_then(|at| self.blocked_prefixes.get(at));
        named.is_ok() || before.is_some_and(|prefix| name.starts_with(prefix.as_bytes()))
    }

    /// Says whether and how a service may speak to somebody.
    ///
    /// # Errors
    ///
    /// Returns why not.
    pub fn egress(&self, service: &str, to: Destination) -> Result<Passage, EgressRefusal> {
        let address = to.address.to_canonical();
        let rules = &self.service(service).ok_or(EgressRefusal::NoService)?.rules;
        let Gateway {
            address: host,
            port,
            protocol,
        } = self.gateway;
        let is_gateway = host == address && port == to.port && protocol == to.protocol;
        let fits = |rule: &Rule| {
            rule.protocol == to.protocol
                && rule.ports.contains(to.port)
                && rule.to.contains(address)
        };
        if self.is_telemetry(to.port) {
            if !is_gateway || service == NODE_SERVICE {
                return Err(EgressRefusal::PastGateway);
            }
            let mut guards = self.telemetry.iter();
            let guard = guards.find(|one| one.port == to.port && one.protocol == to.protocol);
            return Ok(guard.map_or(Passage::Free, |guard| Passage::Guarded(guard.parser)));
        }
        if is_gateway || rules.iter().any(fits) {
            return Ok(Passage::Free);
        }
        Err(EgressRefusal::NoRule)
    }

    /// Tells whether what goes to a port is telemetry, by whichever protocol, and so for the gateway alone.
    pub fn is_telemetry(&self, port: u16) -> bool {
        TELEMETRY_PORTS.contains(&port) || self.is_read(port)
    }

    /// Returns the ports of telemetry that nothing reads on its way, in order: what goes there is judged by its
    /// destination alone.
    pub fn unread_ports(&self) -> impl Iterator<Item = u16> {
        let known = TELEMETRY_PORTS.into_iter();
        known.filter(|port| !self.is_read(*port))
    }

    /// Tells whether the charter names a parser for a port.
    fn is_read(&self, port: u16) -> bool {
        self.telemetry.iter().any(|one| one.port == port)
    }

    /// Returns the rules of a service, if the charter names it.
    fn service(&self, name: &str) -> Option<&ServiceRules> {
        let found = self
            .services
            .binary_search_by(|one| one.service.as_str().cmp(name));
        self.services.get(found.ok()?)
    }
}
