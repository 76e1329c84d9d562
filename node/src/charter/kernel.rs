//! A charter as the kernel enforces it: the policy of the probe, made of the one compiled form.
//!
//! Every exported name, the egress rules with their ports one by one, the gateway and the telemetry ports. Who may start
//! programs under a service, and what they serve on, is the operator's: the charter says nothing of either.

use x0_ebpf_loader::{
    Checked, Policy,
    policy::{Gateway, Protocol, Rule, Service},
};
use x0_protocol::charter::{
    Compiled, Protocol as Transport,
    bounds::NODE_SERVICE,
    compiled::{Rule as Egress, ServiceRules},
};

use crate::config::CharterSettings;

/// Returns the policy of a charter.
///
/// # Errors
///
/// Returns what of the charter the kernel cannot hold, in words.
pub fn policy(charter: &Compiled) -> Result<Policy, String> {
    Ok(checked(bare(charter)?)?.policy().clone())
}

/// Returns the policy of a charter with what its operator adds: users and ports to serve on. A service of which the settings
/// say nothing keeps what it had in the policy before.
///
/// # Errors
///
/// Returns what of it the kernel cannot hold, in words.
pub fn policy_with(
    charter: &Compiled,
    settings: &CharterSettings,
    before: Option<&Policy>,
) -> Result<Checked, String> {
    let mut policy = bare(charter)?;
    for (name, service) in &mut policy.services {
        let had = before.and_then(|before| before.services.get(name));
        let users = settings.probe_users.iter();
        service.users = of_service(users, name)
            .or_else(|| had.map(|had| had.users.clone()))
            .unwrap_or_default();
        let listen = settings.probe_listen.iter();
        service.listen = of_service(listen, name)
            .or_else(|| had.map(|had| had.listen.clone()))
            .unwrap_or_default();
    }
    checked(policy)
}

/// Returns what a list of pairs says about a service, none if nothing.
fn of_service<'a, T: Copy + 'a>(
    pairs: impl Iterator<Item = &'a (String, T)>,
    service: &str,
) -> Option<Vec<T>> {
    let own: Vec<T> = pairs
        .filter(|(name, _)| name == service)
        .map(|(_, value)| *value)
        .collect();
    (!own.is_empty()).then_some(own)
}

fn checked(policy: Policy) -> Result<Checked, String> {
    policy.check().map_err(|faults| {
        format!(
            "the kernel cannot hold this charter: {faults}\nShorten its lists or ranges of ports, and look at what is added \
             in the settings `charter.probe_users` and `charter.probe_listen`."
        )
    })
}

/// Makes the policy of what the charter says.
fn bare(charter: &Compiled) -> Result<Policy, String> {
    let services = charter.services.iter();
    let services = services.map(|service| Ok((service.service.clone(), of(service, charter)?)));
    Ok(Policy {
        charter: Some(charter.charter.to_string()),
        metrics: charter.names.iter().map(|one| one.name.clone()).collect(),
        services: services.collect::<Result<_, String>>()?,
        gateways: vec![Gateway {
            address: charter.gateway.address,
            port: charter.gateway.port,
            protocol: protocol(charter.gateway.protocol),
        }],
        telemetry_ports: charter.unread_ports().collect(),
        statsd_ports: charter.telemetry.iter().map(|one| one.port).collect(),
    })
}

fn of(service: &ServiceRules, charter: &Compiled) -> Result<Service, String> {
    if service.service == NODE_SERVICE {
        if !service.reach_all() {
            return Err(format!(
                "the kernel cannot hold this charter: it lets the service `{NODE_SERVICE}` reach any peer, and the charter \
                 does not\nGive `{NODE_SERVICE}` all ports of 0.0.0.0/0 and ::/0 by tcp and udp, as the shipped charter does."
            ));
        }
        return Ok(Service {
            node: true,
            ..Service::default()
        });
    }
    let rules = service.rules.iter().map(|one| rule(one, charter));
    let rules = rules.filter(|rule| !rule.as_ref().is_ok_and(|rule| rule.ports.is_empty()));
    Ok(Service {
        egress: rules.collect::<Result<_, String>>()?,
        ..Service::default()
    })
}

/// Returns a rule without the ports of telemetry, for which the gateway alone counts.
fn rule(rule: &Egress, charter: &Compiled) -> Result<Rule, String> {
    let ports = rule.ports.first()..=rule.ports.last();
    let to = format!("{}/{}", rule.to.address(), rule.to.bits());
    Ok(Rule {
        to: to.parse()?,
        ports: ports.filter(|port| !charter.is_telemetry(*port)).collect(),
        protocol: protocol(rule.protocol),
    })
}

const fn protocol(protocol: Transport) -> Protocol {
    match protocol {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    }
}
