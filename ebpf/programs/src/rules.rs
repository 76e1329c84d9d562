//! The rules of one cgroup in the policy in force: where it may send to, and where it may listen.

use aya_ebpf::maps::lpm_trie::Key;
use x0_ebpf_common::{
    TCP, UDP,
    keys::{
        Address, CLASS_NODE, RULE_SCOPE_BITS, class_key, gateway_key, listen_key, port_bits,
        port_word, rule_key, way_key,
    },
    reason::Reason,
};

use crate::{
    maps::{CLASSES, GATEWAYS, HEAD, LISTEN, PORTS, RULES, WAYS},
    packet::Packet,
};

/// What is to happen with a call or packet.
pub enum Verdict {
    Pass,
    CheckNames,
    Refuse(Reason),
}

/// Which policy is in force. It is read once for each call or packet, so that a change of policy never shows half
/// of one and half of another.
pub struct InForce {
    pub slot: u32,
    pub key: [u64; 2],
    /// Zero, which the verifier does not know.
    pub zero: u64,
}

/// The policy in force, as one cgroup sees it.
pub struct Policy {
    slot: u32,
    class: u32,
    flags: u32,
}

impl InForce {
    /// Reads which policy is in force; `None` if there never was one.
    #[inline(always)]
    pub fn read() -> Option<Self> {
        let head = HEAD.get(0)?;
        // The lowest byte is the only one that ever changes.
        let in_force = (head[0] & 3) as u32;
        if in_force == 0 {
            return None;
        }
        Some(Self {
            slot: in_force - 1,
            key: [head[1], head[2]],
            zero: head[3],
        })
    }

    /// Tells whether a datagram goes a way of StatsD: judged as [`Policy::judge`] would, names still to be checked.
    #[inline(always)]
    pub fn is_statsd_way(&self, cgroup: u64, packet: &Packet) -> bool {
        if packet.protocol != UDP || port_kind(self.slot, packet.port) != 1 {
            return false;
        }
        let key = way_key(self.slot, cgroup, packet.port, packet.destination);
        // SAFETY: entries of the slot in force are not written.
        unsafe { WAYS.get(&key) }.is_some()
    }

    /// Returns the rules of a cgroup; `None` if the policy has none for it.
    #[inline(always)]
    pub fn rules_of(&self, cgroup: u64) -> Option<Policy> {
        // SAFETY: as in `is_statsd_way`.
        let value = *unsafe { CLASSES.get(&class_key(self.slot, cgroup)) }?;
        Some(Policy {
            slot: self.slot,
            class: value as u32,
            flags: (value >> 32) as u32,
        })
    }
}

impl Policy {
    /// Returns the rules of a cgroup; `None` if there is no policy, or none for it.
    #[inline(always)]
    pub fn of(cgroup: u64) -> Option<Self> {
        InForce::read()?.rules_of(cgroup)
    }

    /// Judges where something goes. Telemetry comes first: no rule of a service opens a way round the gateway.
    #[inline(always)]
    pub fn judge(&self, protocol: u8, address: Address, port: u16, local_port: u16) -> Verdict {
        let is_node = self.flags & CLASS_NODE != 0;
        match port_kind(self.slot, port) {
            0 => {}
            _ if is_node => return Verdict::Refuse(Reason::TelemetryFromNode),
            1 if protocol != UDP => return Verdict::Refuse(Reason::Transport),
            _ if !self.is_gateway(protocol, port, address) => {
                return Verdict::Refuse(Reason::TelemetryElsewhere);
            }
            1 => return Verdict::CheckNames,
            _ => return Verdict::Pass,
        }
        if local_port != 0 && self.may_listen(protocol, local_port) {
            if port_kind(self.slot, local_port) == 0 {
                return Verdict::Pass;
            }
            // Somebody fetches metrics from here: only the gateway may.
            return match protocol == TCP && self.is_gateway(0, 0, address) {
                true => Verdict::Pass,
                false => Verdict::Refuse(Reason::TelemetryElsewhere),
            };
        }
        // No peer is at port 0, nor does any rule name it.
        match (is_node && port != 0) || self.is_allowed(protocol, port, address) {
            true => Verdict::Pass,
            false => Verdict::Refuse(Reason::Destination),
        }
    }

    /// Tells whether the cgroup may serve on a port.
    #[inline(always)]
    pub fn may_listen(&self, protocol: u8, port: u16) -> bool {
        if self.flags & CLASS_NODE != 0 && port_kind(self.slot, port) == 0 {
            return true;
        }
        let key = listen_key(self.slot, self.class, protocol, port);
        // SAFETY: as in `is_statsd_way`.
        unsafe { LISTEN.get(&key) }.is_some()
    }

    #[inline(always)]
    fn is_gateway(&self, protocol: u8, port: u16, address: Address) -> bool {
        // SAFETY: as in `is_statsd_way`.
        unsafe { GATEWAYS.get(&gateway_key(self.slot, protocol, port, address)) }.is_some()
    }

    #[inline(always)]
    fn is_allowed(&self, protocol: u8, port: u16, address: Address) -> bool {
        let key = rule_key(self.slot, self.class, protocol, port, address);
        RULES
            .get(Key::new(RULE_SCOPE_BITS + 128, key))
            .is_some_and(|allows| *allows == 1)
    }
}

#[inline(always)]
fn port_kind(slot: u32, port: u16) -> u64 {
    // An array has all its entries; were one missing, the port would be refused to all but the gateway.
    PORTS
        .get(port_word(slot, port))
        .map_or(2, |word| port_bits(*word, port))
}
