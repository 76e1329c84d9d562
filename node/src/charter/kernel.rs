//! A charter as the kernel enforces it: the policy of the probe, made of the one compiled form.
//!
//! Every exported name, the egress rules with their ports one by one, the gateway and the telemetry ports. Who may start
//! programs under a service, and what they serve on, is the operator's: the charter says nothing of either.

use x0_ebpf_loader::{
    Policy,
    policy::{Gateway, Protocol, Rule, Service},
};
use x0_protocol::charter::{
    Compiled, Protocol as Transport,
    bounds::{NODE_SERVICE, TELEMETRY_PORTS},
    compiled::{Rule as Egress, ServiceRules},
};

/// Returns the policy of a charter.
///
/// # Errors
///
/// Returns what of the charter the kernel cannot hold, in words.
pub fn policy(charter: &Compiled) -> Result<Policy, String> {
    let statsd_ports: Vec<u16> = charter.telemetry.iter().map(|one| one.port).collect();
    let others = TELEMETRY_PORTS.into_iter();
    let telemetry_ports = others.filter(|port| !statsd_ports.contains(port)).collect();
    let is_telemetry = |port: u16| TELEMETRY_PORTS.contains(&port) || statsd_ports.contains(&port);
    let services = charter.services.iter();
    let services =
        services.map(|service| Ok((service.service.clone(), of(service, is_telemetry)?)));
    let policy = Policy {
        metrics: charter.names.iter().map(|one| one.name.clone()).collect(),
        services: services.collect::<Result<_, String>>()?,
        gateways: vec![Gateway {
            address: charter.gateway.address,
            port: charter.gateway.port,
            protocol: protocol(charter.gateway.protocol),
        }],
        telemetry_ports,
        statsd_ports,
    };
    let checked = policy.check().map_err(|faults| {
        format!(
            "the kernel cannot hold this charter: {faults}\nShorten its lists or ranges of ports."
        )
    })?;
    Ok(checked.policy().clone())
}

fn of(service: &ServiceRules, is_telemetry: impl Fn(u16) -> bool) -> Result<Service, String> {
    if service.service == NODE_SERVICE {
        return Ok(Service {
            node: true,
            ..Service::default()
        });
    }
    let rules = service.rules.iter().map(|one| rule(one, &is_telemetry));
    let rules = rules.filter(|rule| !rule.as_ref().is_ok_and(|rule| rule.ports.is_empty()));
    Ok(Service {
        egress: rules.collect::<Result<_, String>>()?,
        ..Service::default()
    })
}

/// Returns a rule without the ports of telemetry, for which the gateway alone counts.
fn rule(rule: &Egress, is_telemetry: impl Fn(u16) -> bool) -> Result<Rule, String> {
    let ports = rule.ports.first()..=rule.ports.last();
    let to = format!("{}/{}", rule.to.address(), rule.to.bits());
    Ok(Rule {
        to: to.parse()?,
        ports: ports.filter(|port| !is_telemetry(*port)).collect(),
        protocol: protocol(rule.protocol),
    })
}

const fn protocol(protocol: Transport) -> Protocol {
    match protocol {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    }
}
