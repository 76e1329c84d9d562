//! Writing a policy into the maps, beside the one in force, and switching over in one step.
//!
//! Every key carries its slot. The slot that is not in force is cleared and filled; then one byte of `HEAD` changes. A
//! program reads that byte once for each packet, so that a packet meets the old policy or the new one, and never a mixture.
//! Before a slot is cleared, `membarrier` waits for all programs that may still be reading it.

use std::{collections::BTreeMap, net::IpAddr};

use aya::{
    Ebpf,
    maps::{Array, HashMap, LpmTrie, MapData, MapError, lpm_trie::Key},
};
use rustix::thread::{MembarrierCommand, membarrier};
use x0_ebpf_common::{
    keys::{
        CLASS_NODE, Head, PORT_WORDS, PortKind, RULE_SCOPE_BITS, address, class_key, class_value,
        gateway_key, listen_key, name_key, port_word, rule_key, way_key, with_port,
    },
    siphash::hash,
};

use crate::{
    error::ProbeError,
    kernel::{maps, take},
    policy::{Checked, Gateway, Policy, Protocol, Service},
};

/// Bits of an address in IPv6 form behind which an IPv4 address stands (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u32 = 96;

/// The maps that hold policies.
pub(crate) struct Tables {
    head: Array<MapData, Head>,
    classes: HashMap<MapData, [u64; 2], u64>,
    names: HashMap<MapData, [u64; 2], u8>,
    ports: Array<MapData, u64>,
    gateways: HashMap<MapData, [u64; 3], u8>,
    ways: HashMap<MapData, [u64; 4], u8>,
    rules: LpmTrie<MapData, [u64; 3], u8>,
    listen: HashMap<MapData, u64, u8>,
}

impl Tables {
    /// Takes the maps out of the loaded object, and draws the key of the hash where there is none yet.
    pub(crate) fn of(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let mut tables = Self {
            head: take(ebpf, "HEAD", Array::try_from)?,
            classes: take(ebpf, "CLASSES", HashMap::try_from)?,
            names: take(ebpf, "NAMES", HashMap::try_from)?,
            ports: take(ebpf, "PORTS", Array::try_from)?,
            gateways: take(ebpf, "GATEWAYS", HashMap::try_from)?,
            ways: take(ebpf, "WAYS", HashMap::try_from)?,
            rules: take(ebpf, "RULES", LpmTrie::try_from)?,
            listen: take(ebpf, "LISTEN", HashMap::try_from)?,
        };
        if tables.head()? == [0; 4] {
            let draw = || {
                getrandom::u64().map_err(|cause| ProbeError::Kernel {
                    what: "a wish for random numbers".to_owned(),
                    detail: cause.to_string(),
                })
            };
            let head: Head = [0, draw()?, draw()?, 0];
            tables.head.set(0, head, 0).map_err(maps)?;
        }
        Ok(tables)
    }

    /// Tells whether a policy is in force.
    pub(crate) fn is_in_force(&self) -> Result<bool, ProbeError> {
        let [in_force, ..] = self.head()?;
        Ok(in_force != 0)
    }

    /// Returns the keyed hash of a name.
    pub(crate) fn hash(&self, name: &[u8]) -> Result<u64, ProbeError> {
        let [_, first, second, _] = self.head()?;
        Ok(hash([first, second], name))
    }

    /// Puts a policy in force; `cgroups` are the ids of its services' cgroups.
    pub(crate) fn apply(
        &mut self,
        policy: &Checked,
        cgroups: &BTreeMap<String, u64>,
    ) -> Result<(), ProbeError> {
        let [in_force, first, second, zero] = self.head()?;
        // In force is 1 or 2, and 0 before the first policy; the slot to write is the other one.
        let slot: u32 = if in_force == 1 { 1 } else { 0 };
        membarrier(MembarrierCommand::Global).map_err(|cause| ProbeError::Kernel {
            what: "the wait for running programs".to_owned(),
            detail: cause.to_string(),
        })?;
        self.clear(slot).map_err(maps)?;
        self.fill(slot, policy.policy(), cgroups, [first, second])
            .map_err(maps)?;
        let head: Head = [u64::from(slot) + 1, first, second, zero];
        self.head.set(0, head, 0).map_err(maps)
    }

    fn head(&self) -> Result<Head, ProbeError> {
        self.head.get(&0, 0).map_err(maps)
    }

    fn clear(&mut self, slot: u32) -> Result<(), MapError> {
        let slot = u64::from(slot);
        for key in stale(self.classes.keys(), |key| key[1] == slot)? {
            self.classes.remove(&key)?;
        }
        for key in stale(self.names.keys(), |key| key[1] & 0xff == slot)? {
            self.names.remove(&key)?;
        }
        for key in stale(self.gateways.keys(), |key| key[0] & 0xff == slot)? {
            self.gateways.remove(&key)?;
        }
        for key in stale(self.ways.keys(), |key| key[1] & 0xff == slot)? {
            self.ways.remove(&key)?;
        }
        for key in stale(self.listen.keys(), |key| key & 0xff == slot)? {
            self.listen.remove(&key)?;
        }
        for key in stale(self.rules.keys(), |key| key.data()[0] & 0xff == slot)? {
            self.rules.remove(&key)?;
        }
        Ok(())
    }

    fn fill(
        &mut self,
        slot: u32,
        policy: &Policy,
        cgroups: &BTreeMap<String, u64>,
        key: [u64; 2],
    ) -> Result<(), MapError> {
        for name in &policy.metrics {
            let name = name.as_bytes();
            let entry = name_key(slot, hash(key, name), name.len() as u32);
            self.names.insert(entry, 1, 0)?;
        }
        self.fill_ports(slot, policy)?;
        for gateway in &policy.gateways {
            let at = address(octets(gateway.address));
            let endpoint = gateway_key(slot, gateway.protocol.number(), gateway.port, at);
            for entry in [endpoint, gateway_key(slot, 0, 0, at)] {
                self.gateways.insert(entry, 1, 0)?;
            }
        }
        for (class, (name, service)) in (1_u32..).zip(&policy.services) {
            if let Some(cgroup) = cgroups.get(name) {
                let flags = if service.node { CLASS_NODE } else { 0 };
                let value = class_value(class, flags);
                self.classes.insert(class_key(slot, *cgroup), value, 0)?;
                self.fill_ways(slot, policy, service, *cgroup)?;
            }
            for listen in policy.served_by(service) {
                let entry = listen_key(slot, class, listen.protocol.number(), listen.port);
                self.listen.insert(entry, 1, 0)?;
            }
            self.fill_rules(slot, class, service)?;
        }
        Ok(())
    }

    fn fill_ways(
        &mut self,
        slot: u32,
        policy: &Policy,
        service: &Service,
        cgroup: u64,
    ) -> Result<(), MapError> {
        let is_way = |gateway: &&Gateway| {
            gateway.protocol == Protocol::Udp
                && policy.statsd_ports.contains(&gateway.port)
                && !service.node
        };
        for gateway in policy.gateways.iter().filter(is_way) {
            let at = address(octets(gateway.address));
            self.ways
                .insert(way_key(slot, cgroup, gateway.port, at), 1, 0)?;
        }
        Ok(())
    }

    fn fill_ports(&mut self, slot: u32, policy: &Policy) -> Result<(), MapError> {
        let statsd = policy
            .statsd_ports
            .iter()
            .map(|port| (*port, PortKind::Statsd));
        let others = policy
            .telemetry_ports
            .iter()
            .map(|port| (*port, PortKind::Telemetry));
        let mut words = BTreeMap::new();
        for (port, kind) in statsd.chain(others) {
            let word = words.entry(port_word(slot, port)).or_insert(0);
            *word = with_port(*word, port, kind);
        }
        let first = slot * PORT_WORDS;
        for place in first..first + PORT_WORDS {
            let wanted = words.get(&place).copied().unwrap_or(0);
            if self.ports.get(&place, 0)? != wanted {
                self.ports.set(place, wanted, 0)?;
            }
        }
        Ok(())
    }

    /// A prefix of IPv6 says nothing of IPv4, whose addresses lie inside it in their mapped form: so first holes are cut
    /// where a rule would take them along, and then come the rules, among them those of IPv4.
    fn fill_rules(&mut self, slot: u32, class: u32, service: &Service) -> Result<(), MapError> {
        let all_ipv4 = (octets(IpAddr::from([0, 0, 0, 0])), MAPPED_BITS);
        let holes = service.egress.iter().filter(|rule| rule.to.swallows_ipv4());
        let holes = holes.map(|rule| (rule, all_ipv4, 0));
        let rules = service
            .egress
            .iter()
            .map(|rule| (rule, rule.to.mapped(), 1));
        for (rule, (bytes, bits), value) in holes.chain(rules) {
            for port in &rule.ports {
                let data = rule_key(slot, class, rule.protocol.number(), *port, address(bytes));
                self.rules
                    .insert(&Key::new(RULE_SCOPE_BITS + bits, data), value, 0)?;
            }
        }
        Ok(())
    }
}

/// Returns the keys of a slot. They are collected first: a walk that removes as it goes begins again at the front.
fn stale<K>(
    keys: impl Iterator<Item = Result<K, MapError>>,
    is_stale: impl Fn(&K) -> bool,
) -> Result<Vec<K>, MapError> {
    let keys = keys.filter(|key| key.as_ref().map_or(true, &is_stale));
    keys.collect()
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_hash_of_names_is_siphash_1_3(first: u64, second: u64, name in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut oracle = siphasher::sip::SipHasher13::new_with_keys(first, second);
            oracle.write(&name);

            prop_assert_eq!(hash([first, second], &name), oracle.finish());
        }
    }
}
