//! Refusing: every refusal is counted by its reason, and its event is either delivered or counted as lost.

use core::arch::asm;

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use x0_ebpf_common::{
    event::{Event, WORDS},
    keys::Address,
    reason::{COUNT_DELIVERED, COUNT_LOST, Reason},
};

use crate::maps::{COUNTS, EVENTS};

/// What is known of a call or packet when it is refused.
pub struct Refusal {
    pub cgroup: u64,
    pub uid: u32,
    pub protocol: u8,
    pub address: Address,
    pub port: u16,
    pub local_port: u16,
    pub payload_bytes: u16,
    pub name_hash: u64,
}

impl Refusal {
    /// Starts with what is known of every one.
    #[inline(always)]
    pub fn in_cgroup(cgroup: u64) -> Self {
        Self {
            cgroup,
            uid: 0,
            protocol: 0,
            address: [0, 0],
            port: 0,
            local_port: 0,
            payload_bytes: 0,
            name_hash: 0,
        }
    }
}

/// Counts the refusal, tells of it, and returns what the hook answers.
#[inline(always)]
pub fn refuse(refusal: &Refusal, reason: Reason) -> i32 {
    count(reason.counter());
    let event = Event {
        // SAFETY: the helper takes nothing and returns a number.
        at_ns: unsafe { bpf_ktime_get_ns() },
        name_hash: refusal.name_hash,
        pid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: refusal.uid,
        address: refusal.address,
        cgroup: refusal.cgroup,
        port: refusal.port,
        local_port: refusal.local_port,
        payload_bytes: refusal.payload_bytes,
        protocol: refusal.protocol,
        reason,
    };
    let words: [u64; WORDS] = event.to_words();
    match EVENTS.output::<[u64; WORDS]>(&words, 0) {
        Ok(()) => count(COUNT_DELIVERED),
        Err(_) => count(COUNT_LOST),
    }
    0
}

/// Adds one to a counter. Atomic although each processor has its own: another task, or an interrupt that sends,
/// can come in between. In assembly, because the language has no atomic addition for this target.
#[inline(always)]
pub fn count(place: u32) {
    if let Some(counter) = COUNTS.get_ptr_mut(place) {
        // SAFETY: the map's value is eight aligned bytes that live as long as the map.
        unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) 1_u64) };
    }
}
