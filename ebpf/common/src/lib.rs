//! Plain data shared by the two sides of the charter's kernel probe.
//!
//! The probe has a kernel side, eBPF programs with a toolchain of their own, and a user side, the loader. Both must agree
//! byte for byte on what stands in maps and in the ring buffer; that agreement is written down here and nowhere else:
//!
//! - [`keys`]: keys and values of the maps, as arrays of words;
//! - [`event`]: what a refusal tells, and [`reason`]: why something is refused;
//! - [`siphash`]: the keyed hash under which names are looked up and reported;
//! - [`statsd`]: which bytes are a StatsD datagram at all.
//!
//! Everything is an integer or an array of integers without padding, so that neither side needs unsafe code to read the
//! other's bytes. No pointers, no `std`, no allocation; no rule is decided here.
#![no_std]

#[cfg(not(target_endian = "little"))]
compile_error!("the words in maps and events are laid out for little-endian machines");

pub mod event;
pub mod keys;
pub mod reason;
pub mod siphash;
pub mod statsd;

/// Longest StatsD payload that is checked, bytes: what an Ethernet frame of 1,500 carries behind IPv4 and UDP. Longer ones
/// are refused; the StatsD clients' own limit is 1,432 (github.com/statsd/statsd, docs/metric_types.md, "Multi-Metric Packets").
pub const PAYLOAD_BYTES_MAX: u32 = 1_472;

/// Longest metric name, bytes; the policy holds no longer one.
pub const NAME_BYTES_MAX: u32 = 128;

/// Policies that fit into the maps at the same time: the one in force, and the one being written.
pub const SLOTS: u32 = 2;

/// Metric names that one policy may hold.
pub const NAMES_MAX: u32 = 16_384;

/// Classes, which are services with their rules, that one policy may hold.
pub const CLASSES_MAX: u32 = 64;

/// Egress rules that one policy may hold, over all classes.
pub const RULES_MAX: u32 = 8_192;

/// Gateway endpoints that one policy may hold.
pub const GATEWAYS_MAX: u32 = 64;

/// Ways of StatsD that one policy may hold: each service to each endpoint of the gateway.
pub const WAYS_MAX: u32 = CLASSES_MAX * GATEWAYS_MAX;

/// Ports to listen on that one policy may hold, over all classes.
pub const LISTEN_MAX: u32 = 1_024;

/// Size of the ring buffer, bytes: about 3,600 refusals that nobody has read yet.
pub const EVENTS_BYTES: u32 = 256 * 1024;

/// Protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;

/// Protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
