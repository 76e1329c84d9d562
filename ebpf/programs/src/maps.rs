//! The maps: what the loader writes and the programs read. Keys and values are laid out in `x0_ebpf_common::keys`.
//!
//! All are pinned by name, so that killing the loader leaves the gate as it stands. Tables hold two policies.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf},
};
use x0_ebpf_common::{
    CLASSES_MAX, EVENTS_BYTES, GATEWAYS_MAX, LISTEN_MAX, NAMES_MAX, RULES_MAX, SLOTS, WAYS_MAX,
    keys::{Head, PORT_WORDS},
    reason::COUNTERS,
};

/// Which policy is in force, and the key of the hash.
#[map]
pub static HEAD: Array<Head> = Array::pinned(1, 0);

/// Class of each guarded cgroup.
#[map]
pub static CLASSES: HashMap<[u64; 2], u64> =
    HashMap::pinned(SLOTS * CLASSES_MAX, BPF_F_NO_PREALLOC);

/// Metric names, by keyed hash.
#[map]
pub static NAMES: HashMap<[u64; 2], u8> = HashMap::pinned(SLOTS * NAMES_MAX, BPF_F_NO_PREALLOC);

/// Meaning of each port.
#[map]
pub static PORTS: Array<u64> = Array::pinned(SLOTS * PORT_WORDS, 0);

/// Endpoints of the telemetry gateway. Each stands twice: as an endpoint and as a machine.
#[map]
pub static GATEWAYS: HashMap<[u64; 3], u8> =
    HashMap::pinned(SLOTS * 2 * GATEWAYS_MAX, BPF_F_NO_PREALLOC);

/// Guarded cgroups and the endpoints that they may send StatsD to.
#[map]
pub static WAYS: HashMap<[u64; 4], u8> = HashMap::pinned(SLOTS * WAYS_MAX, BPF_F_NO_PREALLOC);

/// Destinations of each class: 1 allows, 0 cuts out of a wider prefix.
#[map]
pub static RULES: LpmTrie<[u64; 3], u8> = LpmTrie::pinned(SLOTS * 2 * RULES_MAX, BPF_F_NO_PREALLOC);

/// Ports that each class may listen on.
#[map]
pub static LISTEN: HashMap<u64, u8> = HashMap::pinned(SLOTS * LISTEN_MAX, BPF_F_NO_PREALLOC);

/// Counters, each the sum over all processors.
#[map]
pub static COUNTS: PerCpuArray<u64> = PerCpuArray::pinned(COUNTERS, 0);

/// Refusals that nobody has read yet.
#[map]
pub static EVENTS: RingBuf = RingBuf::pinned(EVENTS_BYTES, 0);
