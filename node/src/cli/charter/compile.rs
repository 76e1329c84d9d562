//! A charter as each enforcement takes it, as JSON. All are made of `charter::compiled`.

use std::net::IpAddr;

use alloy_primitives::{hex, keccak256};
use serde_json::{Value, json};
use x0_protocol::charter::{
    Charter, Compiled, Protocol, bounds::NAME_BYTES_MAX, cases::Probe, compiled::Rule,
};

/// Writes it for the node's own filter: the form itself.
pub(super) fn node(charter: &Charter) -> Value {
    json!(charter.compiled())
}

/// Writes it for a kernel probe: names as they are, addresses as numbers in network order, protocols by their number.
pub(super) fn ebpf(charter: &Charter) -> Value {
    let Compiled {
        charter,
        number,
        names,
        blocked_names,
        blocked_prefixes,
        services,
        telemetry,
        gateway,
    } = charter.compiled();
    let services: Vec<_> = services
        .iter()
        .map(|one| {
            let rules: Vec<_> = one.rules.iter().map(rule).collect();
            json!({ "service": one.service, "rules": rules })
        })
        .collect();
    let telemetry: Vec<_> = telemetry
        .iter()
        .map(|one| json!({ "port": one.port, "protocol": protocol(one.protocol), "parser": one.parser }))
        .collect();
    let names: Vec<_> = names.iter().map(|one| &one.name).collect();
    json!({
        "charter": charter.to_string(),
        "number": number,
        "name_bytes_max": NAME_BYTES_MAX,
        "names": names,
        "blocked_names": blocked_names,
        "blocked_prefixes": blocked_prefixes,
        "services": services,
        "telemetry": telemetry,
        "gateway": {
            "family": family(gateway.address),
            "address": bytes(gateway.address),
            "port": gateway.port,
            "protocol": protocol(gateway.protocol),
        },
    })
}

/// Writes it for the contract: names with the Keccak-256 hash by which a chain finds them, and all that can be read
/// there.
pub(super) fn contract(charter: &Charter) -> Value {
    let key = |name: &str| keccak256(name.as_bytes()).to_string();
    let compiled = charter.compiled();
    let names: Vec<_> = compiled
        .names
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "key": key(&one.name),
                "retention_days": one.retention_days,
                "consent": one.consent,
                "cohort_min": one.cohort_min,
            })
        })
        .collect();
    let blocked: Vec<_> = compiled
        .blocked_names
        .iter()
        .map(|name| json!({ "name": name, "key": key(name) }))
        .collect();
    json!({
        "charter": compiled.charter.to_string(),
        "digest": hex::encode_prefixed(compiled.charter.digest()),
        "number": compiled.number,
        "name_bytes_max": NAME_BYTES_MAX,
        "names": names,
        "blocked_names": blocked,
        "blocked_prefixes": compiled.blocked_prefixes,
        "committee": charter.text().committee,
        "windows": charter.text().windows,
        "penalties": charter.text().penalties,
        "bounty": charter.text().bounty,
    })
}

/// Writes what every enforcement must answer; names in hex, as they may be any bytes.
pub(super) fn cases(charter: &Charter) -> Value {
    let cases = x0_protocol::charter::cases::cases(charter);
    let cases: Vec<_> = cases
        .iter()
        .map(|case| {
            let refused = case.expect.is_refusal();
            match &case.probe {
                Probe::Name(name) => json!({
                    "why": case.why, "name_hex": hex::encode(name), "expect": case.expect, "refused": refused,
                }),
                Probe::Flow { service, address, port, protocol } => json!({
                    "why": case.why, "service": service, "address": address, "port": port, "protocol": protocol,
                    "expect": case.expect, "refused": refused,
                }),
            }
        })
        .collect();
    json!({ "charter": charter.id().to_string(), "number": charter.number(), "cases": cases })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "family": family(rule.to.address()),
        "address": bytes(rule.to.address()),
        "bits": rule.to.bits(),
        "protocol": protocol(rule.protocol),
        "first_port": rule.ports.first(),
        "last_port": rule.ports.last(),
    })
}

const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 6,
    }
}

/// Returns an address in hex, in network order.
fn bytes(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => hex::encode(address.octets()),
        IpAddr::V6(address) => hex::encode(address.octets()),
    }
}

/// Returns the number of a protocol (IANA, "Protocol Numbers").
const fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}
