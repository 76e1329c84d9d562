//! Checking the names of a StatsD datagram: every byte of it, every line of it.
//!
//! The bytes are read where they lie, in the kernel's own memory: a copy for each processor could be overwritten by
//! another task in the middle of a check, and pages lent by the sender could be changed after it.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_loop};
use x0_ebpf_common::{
    NAME_BYTES_MAX, PAYLOAD_BYTES_MAX,
    keys::name_key,
    reason::Reason,
    siphash::SipHash,
    statsd,
};

use crate::{maps::NAMES, packet::Packet, report::Refusal, rules::Policy};

/// How far a check has come.
#[repr(C)]
struct Walk {
    skb: *mut __sk_buff,
    key: [u64; 2],
    hash: SipHash,
    refused_hash: u64,
    zero: u64,
    at: u32,
    slot: u32,
    state: u32,
    is_refused: u32,
}

/// Checks the names of a datagram; on a refused name its hash goes into the refusal.
#[inline(always)]
pub fn check(
    skb: *mut __sk_buff,
    policy: &Policy,
    packet: &Packet,
    refusal: &mut Refusal,
) -> Result<(), Reason> {
    // SAFETY: fields of the context that programs may read.
    let (len, linear, segment) = unsafe {
        let linear = (*skb).data_end.wrapping_sub((*skb).data);
        ((*skb).len, linear, (*skb).gso_size)
    };
    if segment != 0 {
        return Err(Reason::Segmented);
    }
    let payload = len.wrapping_sub(packet.payload_at);
    if payload > PAYLOAD_BYTES_MAX {
        return Err(Reason::Oversized);
    }
    if linear != len {
        return Err(Reason::SharedMemory);
    }
    if payload == 0 || payload != packet.payload_bytes as u32 {
        return Err(Reason::Malformed);
    }
    let mut walk = Walk {
        skb,
        key: policy.key,
        hash: SipHash::new_from(policy.key, policy.zero),
        refused_hash: 0,
        zero: policy.zero,
        at: packet.payload_at + policy.zero as u32,
        slot: policy.slot,
        state: statsd::LINE as u32 + policy.zero as u32,
        is_refused: 0,
    };
    // SAFETY: the helper calls `take_byte` with this state, at most `payload` times, before it returns.
    unsafe { bpf_loop(payload, take_byte as *mut c_void, (&raw mut walk).cast(), 0) };
    if walk.is_refused != 0 {
        refusal.name_hash = walk.refused_hash;
        return Err(Reason::Name);
    }
    match statsd::may_end(walk.state as u8) && walk.at == len {
        true => Ok(()),
        false => Err(Reason::Malformed),
    }
}

/// Takes the next byte; returns 1 to stop.
extern "C" fn take_byte(_turn: u64, walk: *mut Walk) -> i64 {
    // SAFETY: `bpf_loop` hands back the state of `check`, which outlives it.
    let walk = unsafe { &mut *walk };
    // SAFETY: fields of the context that programs may read.
    let (data, end) = unsafe { ((*walk.skb).data as usize, (*walk.skb).data_end as usize) };
    // The mask tells the verifier that the sum cannot leave the packet's largest size.
    let mut next = data + (walk.at & 0xfff) as usize;
    // Added out of the compiler's sight, which would compare the byte's own address: the verifier wants its end compared.
    // SAFETY: an addition.
    unsafe { asm!("{0} += 1", inout(reg) next, options(pure, nomem, nostack)) };
    if next > end {
        return 1;
    }
    // SAFETY: inside the packet by the comparison above.
    let byte = unsafe { ((next - 1) as *const u8).read() };
    walk.at += 1;
    let state = statsd::step(walk.state as u8, byte);
    walk.state = state as u32;
    match state {
        statsd::NAME => walk.hash.push(byte),
        statsd::VALUE => {
            let len = walk.hash.len() as u32;
            let hash = walk.hash.finish();
            let key = name_key(walk.slot, hash, len);
            // SAFETY: entries of the slot in force are not written.
            if len > NAME_BYTES_MAX || unsafe { NAMES.get(&key) }.is_none() {
                walk.is_refused = 1;
                walk.refused_hash = hash;
                return 1;
            }
            walk.hash = SipHash::new_from(walk.key, walk.zero);
        }
        statsd::BAD => return 1,
        _ => {}
    }
    0
}
