//! What every enforcement of a charter must answer, as a list made of the charter: names, near misses, traffic.
//!
//! The list is the same for the same charter. What is expected is not taken from [`Compiled`](super::Compiled): it
//! follows from how a case was made, or from walking the charter's own text entry by entry, so that a mistake in the compiled
//! form shows as well.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{
    Charter,
    bounds::{NAME_BYTES_MAX, NODE_SERVICE, TELEMETRY_PORTS},
    compiled::Destination,
    draft::{CharterDraft, Egress, Service},
    name::{check_name, exported},
    net::Protocol,
};

/// Metrics for which near misses are made; all are asked for as they are.
const NEAR_MISSES_OF_MAX: usize = 100;
/// Blocked names and prefixes for which cases are made, each.
const BLOCKED_MAX: usize = 200;
/// Rules of one service for which cases are made.
const RULES_MAX: usize = 32;

/// What is asked, and what must be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Why it is asked, in words.
    pub why: String,
    /// What is asked.
    pub probe: Probe,
    /// What must be answered.
    pub expect: Expect,
}

/// What an enforcement is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Whether something may be collected under a name: any bytes.
    Name(Vec<u8>),
    /// Whether a service may speak to somebody.
    Flow {
        /// The service.
        service: String,
        /// The host.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The protocol.
        protocol: Protocol,
    },
}

/// What must be answered. An enforcement that knows refusals but not their reasons refuses all but the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// It passes.
    Allowed,
    /// It passes if the parser of the port reads it and finds allowed names only.
    Guarded,
    /// It is blocked.
    Blocked,
    /// It is not listed, or no rule fits.
    NotListed,
    /// It is no name.
    Malformed,
}

impl Expect {
    /// Tells whether it must be refused.
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Allowed | Self::Guarded => false,
            Self::Blocked | Self::NotListed | Self::Malformed => true,
        }
    }
}

/// Lists the cases of a charter.
pub fn cases(charter: &Charter) -> Vec<Case> {
    let draft = charter.text();
    let mut cases = Vec::new();
    names(draft, &mut cases);
    blocked(draft, &mut cases);
    for service in &draft.services {
        flows(draft, service, &mut cases);
    }
    unknown_service(draft, &mut cases);
    cases
}

fn name(cases: &mut Vec<Case>, why: impl Into<String>, name: Vec<u8>, expect: Expect) {
    cases.push(Case {
        why: why.into(),
        probe: Probe::Name(name),
        expect,
    });
}

fn names(draft: &CharterDraft, cases: &mut Vec<Case>) {
    for metric in &draft.metrics {
        for (at, exported) in exported(&metric.name, metric.kind).enumerate() {
            let why = match at {
                0 => "an allowed name",
                _ => "an allowed name with a suffix of its kind",
            };
            name(cases, why, exported.into_bytes(), Expect::Allowed);
        }
    }
    for metric in draft.metrics.iter().take(NEAR_MISSES_OF_MAX) {
        near_misses(draft, &metric.name, cases);
    }
    name(cases, "nothing", Vec::new(), Expect::Malformed);
    name(
        cases,
        "the longest name",
        vec![b'z'; NAME_BYTES_MAX],
        by_text(draft, &[b'z'; NAME_BYTES_MAX]),
    );
    name(
        cases,
        "a name one byte too long",
        vec![b'z'; NAME_BYTES_MAX + 1],
        Expect::Malformed,
    );
    name(
        cases,
        "a name far too long",
        vec![b'z'; 4_096],
        Expect::Malformed,
    );
    name(
        cases,
        "bytes that are no text",
        vec![0xff, 0xfe, b'a'],
        Expect::Malformed,
    );
}

/// Makes names that are nearly the given one; a charter's names are not empty, and ASCII throughout.
fn near_misses(draft: &CharterDraft, of: &str, cases: &mut Vec<Case>) {
    let shorter = &of.as_bytes()[..of.len() - 1];
    let texts = [
        ("capitals", of.to_ascii_uppercase()),
        ("a capital first letter", capitalised(of)),
        ("a space before", format!(" {of}")),
        ("a space behind", format!("{of} ")),
        ("a line break behind", format!("{of}\n")),
        ("a final zero byte", format!("{of}\0")),
        ("a StatsD value behind", format!("{of}:1|c")),
        ("a label behind", format!("{of}{{le=\"1\"}}")),
        (
            "a letter of another script (Cyrillic)",
            of.replace('a', "\u{430}")
                .replace('e', "\u{435}")
                .replace('o', "\u{43e}"),
        ),
        (
            "full-width digits",
            of.replace('9', "\u{ff19}").replace('0', "\u{ff10}"),
        ),
        (
            "an invisible character (zero width)",
            format!("{of}\u{200b}"),
        ),
        ("something before", format!("x_{of}")),
        ("something behind", format!("{of}_raw")),
        ("a suffix of another kind", format!("{of}_total_total")),
        ("a dot for an underscore", of.replace('_', ".")),
        ("twice", format!("{of}{of}")),
    ];
    for (what, text) in texts {
        if text != of {
            let expect = by_text(draft, text.as_bytes());
            name(
                cases,
                format!("{of} with {what}"),
                text.into_bytes(),
                expect,
            );
        }
    }
    let expect = by_text(draft, shorter);
    name(
        cases,
        format!("{of} without its last letter"),
        shorter.to_vec(),
        expect,
    );
}

fn capitalised(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", first.to_ascii_uppercase())
}

fn blocked(draft: &CharterDraft, cases: &mut Vec<Case>) {
    for blocked in draft.blocked.names.iter().take(BLOCKED_MAX) {
        name(
            cases,
            "a blocked name",
            blocked.clone().into_bytes(),
            Expect::Blocked,
        );
        let longer = format!("{blocked}x");
        let expect = by_text(draft, longer.as_bytes());
        name(
            cases,
            format!("{blocked} with a letter behind"),
            longer.into_bytes(),
            expect,
        );
    }
    for prefix in draft.blocked.prefixes.iter().take(BLOCKED_MAX) {
        name(
            cases,
            "a blocked prefix by itself",
            prefix.clone().into_bytes(),
            Expect::Blocked,
        );
        let longer = format!("{prefix}x");
        let expect = by_text(draft, longer.as_bytes());
        name(
            cases,
            "a name with a blocked prefix",
            longer.into_bytes(),
            expect,
        );
        let shorter = prefix.as_bytes()[..prefix.len() - 1].to_vec();
        let expect = by_text(draft, &shorter);
        name(
            cases,
            format!("{prefix} without its last letter"),
            shorter,
            expect,
        );
    }
}

/// Answers for a name by walking the charter.
fn by_text(draft: &CharterDraft, name: &[u8]) -> Expect {
    if check_name(name).is_err() {
        return Expect::Malformed;
    }
    let is_allowed = draft.metrics.iter().any(|metric| {
        let mut names = exported(&metric.name, metric.kind);
        name.starts_with(metric.name.as_bytes()) && names.any(|one| one.as_bytes() == name)
    });
    let mut named = draft.blocked.names.iter();
    let mut begun = draft.blocked.prefixes.iter();
    if is_allowed {
        Expect::Allowed
    } else if named.any(|one| one.as_bytes() == name)
        || begun.any(|one| name.starts_with(one.as_bytes()))
    {
        Expect::Blocked
    } else {
        Expect::NotListed
    }
}

fn flows(draft: &CharterDraft, service: &Service, cases: &mut Vec<Case>) {
    let mut flow = |why: &str, address: IpAddr, port: u16, protocol: Protocol| {
        let to = Destination {
            address,
            port,
            protocol,
        };
        cases.push(Case {
            why: why.to_owned(),
            expect: flow_by_text(draft, service, to),
            probe: Probe::Flow {
                service: service.name.clone(),
                address,
                port,
                protocol,
            },
        });
    };
    let gateway = draft.gateway;
    flow(
        "the gateway",
        gateway.address,
        gateway.port,
        gateway.protocol,
    );
    flow(
        "the gateway by the other protocol",
        gateway.address,
        gateway.port,
        other(gateway.protocol),
    );
    flow(
        "the gateway, IPv4 in IPv6",
        mapped(gateway.address),
        gateway.port,
        gateway.protocol,
    );
    for rule in service.egress.iter().take(RULES_MAX) {
        let (first, last) = ends(rule);
        for ports in &rule.ports {
            flow(
                "the first address and port of a rule",
                first,
                ports.first(),
                rule.protocol,
            );
            flow(
                "the last address and port of a rule",
                last,
                ports.last(),
                rule.protocol,
            );
            flow(
                "an address of a rule by the other protocol",
                first,
                ports.first(),
                other(rule.protocol),
            );
            flow(
                "an address of a rule, IPv4 in IPv6",
                mapped(first),
                ports.first(),
                rule.protocol,
            );
            if let Some(port) = ports.last().checked_add(1) {
                flow("the port behind a rule", first, port, rule.protocol);
            }
            flow(
                "the port before a rule",
                first,
                ports.first() - 1,
                rule.protocol,
            );
            if let Some(next) = neighbour(last, true) {
                flow(
                    "the address behind a rule",
                    next,
                    ports.first(),
                    rule.protocol,
                );
            }
            if let Some(before) = neighbour(first, false) {
                flow(
                    "the address before a rule",
                    before,
                    ports.first(),
                    rule.protocol,
                );
            }
        }
    }
    for guard in &draft.telemetry {
        flow(
            "a telemetry port of this machine",
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            guard.port,
            guard.protocol,
        );
        flow(
            "a telemetry port far away",
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
            guard.port,
            guard.protocol,
        );
    }
    for port in TELEMETRY_PORTS {
        let far = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
        flow(
            "telemetry of another kind, far away",
            far,
            port,
            Protocol::Tcp,
        );
    }
    let far = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
    flow("a host far away", far, 443, Protocol::Tcp);
    flow(
        "a host far away",
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
        443,
        Protocol::Tcp,
    );
}

fn unknown_service(draft: &CharterDraft, cases: &mut Vec<Case>) {
    let gateway = draft.gateway;
    // No service is called so: names of services hold no capitals.
    for service in ["", "Nobody"] {
        cases.push(Case {
            why: "a service that is not named".to_owned(),
            expect: Expect::NotListed,
            probe: Probe::Flow {
                service: service.to_owned(),
                address: gateway.address,
                port: gateway.port,
                protocol: gateway.protocol,
            },
        });
    }
}

/// Answers for traffic by walking the charter.
fn flow_by_text(draft: &CharterDraft, service: &Service, to: Destination) -> Expect {
    let address = to.address.to_canonical();
    let gateway = draft.gateway;
    let is_gateway =
        (gateway.address, gateway.port, gateway.protocol) == (address, to.port, to.protocol);
    let fits = service.egress.iter().any(|rule| {
        let (first, last) = ends(rule);
        let same_family = first.is_ipv4() == address.is_ipv4();
        let is_between = same_family && first <= address && address <= last;
        let is_port = rule
            .ports
            .iter()
            .any(|ports| (ports.first()..=ports.last()).contains(&to.port));
        is_between && is_port && rule.protocol == to.protocol
    });
    let mut guards = draft.telemetry.iter();
    let is_guarded = guards.any(|guard| (guard.port, guard.protocol) == (to.port, to.protocol));
    let mut telemetry = draft.telemetry.iter().map(|guard| guard.port);
    let is_telemetry = telemetry.any(|port| port == to.port) || TELEMETRY_PORTS.contains(&to.port);
    let may_hand_in = is_gateway && service.name != NODE_SERVICE;
    match (is_telemetry, is_guarded) {
        (true, true) if may_hand_in => Expect::Guarded,
        (true, false) if may_hand_in => Expect::Allowed,
        (false, _) if is_gateway || fits => Expect::Allowed,
        (_, _) => Expect::NotListed,
    }
}

/// Returns the first and the last address of a rule.
fn ends(rule: &Egress) -> (IpAddr, IpAddr) {
    let first = rule.to.address();
    let last = match first {
        IpAddr::V4(first) => {
            let open = u32::MAX.checked_shr(u32::from(rule.to.bits())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | open))
        }
        IpAddr::V6(first) => {
            let open = u128::MAX
                .checked_shr(u32::from(rule.to.bits()))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | open))
        }
    };
    (first, last)
}

fn neighbour(address: IpAddr, is_next: bool) -> Option<IpAddr> {
    Some(match (address, is_next) {
        (IpAddr::V4(one), true) => IpAddr::V4(Ipv4Addr::from_bits(one.to_bits().checked_add(1)?)),
        (IpAddr::V4(one), false) => IpAddr::V4(Ipv4Addr::from_bits(one.to_bits().checked_sub(1)?)),
        (IpAddr::V6(one), true) => IpAddr::V6(Ipv6Addr::from_bits(one.to_bits().checked_add(1)?)),
        (IpAddr::V6(one), false) => IpAddr::V6(Ipv6Addr::from_bits(one.to_bits().checked_sub(1)?)),
    })
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V6(address.to_ipv6_mapped()),
        IpAddr::V6(address) => IpAddr::V6(address),
    }
}

const fn other(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Tcp => Protocol::Udp,
        Protocol::Udp => Protocol::Tcp,
    }
}
