//! Keys and values of the maps. Every key names the slot of the policy it belongs to, so that two policies stand in the
//! same maps and changing one byte of [`Head`] changes between them.
//!
//! Addresses are those of IPv6; an IPv4 address is its mapped form (RFC 4291, section 2.5.5.2), so that both families
//! meet the same rules however a socket spells them.

/// An address: its 16 bytes as two words in the order of memory.
pub type Address = [u64; 2];

/// The rest of the mapped form of an IPv4 address: ten zero bytes, two of ones.
const MAPPED: u64 = 0xffff_0000;

/// Returns the address of 16 bytes in network order.
pub const fn address(bytes: [u8; 16]) -> Address {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// Returns the mapped address of an IPv4 address, given as the word that lies in memory.
#[inline(always)]
pub const fn mapped(word: u32) -> Address {
    [0, MAPPED | (word as u64) << 32]
}

/// Returns the 16 bytes of an address in network order.
pub const fn address_bytes(address: Address) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = address[0].to_le_bytes();
    let [i, j, k, l, m, n, o, p] = address[1].to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// The one entry of the map `HEAD`: the slot in force plus one, 0 where no policy was ever loaded; then the key of the hash;
/// then 0, for the programs to read where the verifier must not know the value beforehand.
///
/// A change of policy writes the same bytes but for the lowest one, so that a reader sees the old slot or the new one.
pub type Head = [u64; 4];

/// Key of `CLASSES`: the cgroup's id and the slot. The value is the class below, its flags above.
#[inline(always)]
pub const fn class_key(slot: u32, cgroup: u64) -> [u64; 2] {
    [cgroup, slot as u64]
}

/// Flag of a class: any destination and any port to listen on, except telemetry.
pub const CLASS_NODE: u32 = 1;

/// Returns the value of `CLASSES`.
pub const fn class_value(class: u32, flags: u32) -> u64 {
    class as u64 | (flags as u64) << 32
}

/// Key of `NAMES`: hash and length of the name, and the slot.
#[inline(always)]
pub const fn name_key(slot: u32, hash: u64, len: u32) -> [u64; 2] {
    [hash, slot as u64 | (len as u64) << 32]
}

/// Key of `GATEWAYS`; port and protocol 0 stand for the machine as such, which may fetch metrics from here.
#[inline(always)]
pub const fn gateway_key(slot: u32, protocol: u8, port: u16, address: Address) -> [u64; 3] {
    [scope(slot, protocol, port, 0), address[0], address[1]]
}

/// Key of `WAYS`: a guarded cgroup that may send StatsD to an endpoint. It says nothing that the other tables do not say;
/// it says it in one look-up, for the datagrams that there are most of.
#[inline(always)]
pub const fn way_key(slot: u32, cgroup: u64, port: u16, address: Address) -> [u64; 4] {
    [
        cgroup,
        scope(slot, crate::UDP, port, 0),
        address[0],
        address[1],
    ]
}

/// Key of `LISTEN`: a port that a class may listen on.
#[inline(always)]
pub const fn listen_key(slot: u32, class: u32, protocol: u8, port: u16) -> u64 {
    scope(slot, protocol, port, class)
}

/// Bits of a rule's key before its address; the prefix of every entry is at least so long.
pub const RULE_SCOPE_BITS: u32 = 64;

/// Key of `RULES`, a trie by longest prefix: all that must match in full, then the address.
#[inline(always)]
pub const fn rule_key(
    slot: u32,
    class: u32,
    protocol: u8,
    port: u16,
    address: Address,
) -> [u64; 3] {
    [scope(slot, protocol, port, class), address[0], address[1]]
}

#[inline(always)]
const fn scope(slot: u32, protocol: u8, port: u16, class: u32) -> u64 {
    (slot as u64 & 0xff) | (protocol as u64) << 8 | (port as u64) << 16 | (class as u64) << 32
}

/// What a port means in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PortKind {
    /// Nothing of the charter's.
    Plain = 0,
    /// StatsD over UDP: each name is checked.
    Statsd = 1,
    /// Other telemetry: to the gateway only, which checks the names.
    Telemetry = 2,
}

/// Words of `PORTS` for one slot: two bits for each port.
pub const PORT_WORDS: u32 = 65_536 / 32;

/// Returns the word of `PORTS` that holds a port.
#[inline(always)]
pub const fn port_word(slot: u32, port: u16) -> u32 {
    (slot & 1) * PORT_WORDS + (port as u32 >> 5)
}

/// Returns the two bits of a port in its word: 0 to 2 as in [`PortKind`].
#[inline(always)]
pub const fn port_bits(word: u64, port: u16) -> u64 {
    (word >> ((port & 31) * 2)) & 3
}

/// Returns a word with the meaning of a port set.
pub const fn with_port(word: u64, port: u16, kind: PortKind) -> u64 {
    let shift = (port & 31) * 2;
    (word & !(3 << shift)) | (kind as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapped_form_is_that_of_its_bytes() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
        let word = u32::from_le_bytes([192, 0, 2, 7]);

        assert_eq!(address(bytes), mapped(word));
        assert_eq!(address_bytes(mapped(word)), bytes);
    }

    #[test]
    fn each_port_has_bits_of_its_own_in_each_slot() {
        let word = with_port(0, 8_125, PortKind::Statsd);
        let word = with_port(word, 8_126, PortKind::Telemetry);

        assert_eq!(port_bits(word, 8_125), 1);
        assert_eq!(port_bits(word, 8_126), 2);
        assert_eq!(port_bits(word, 8_127), 0);
        assert_eq!(port_bits(with_port(word, 8_125, PortKind::Plain), 8_125), 0);
        assert_ne!(port_word(0, 8_125), port_word(1, 8_125));
        assert_eq!(port_word(1, u16::MAX), 2 * PORT_WORDS - 1);
    }
}
