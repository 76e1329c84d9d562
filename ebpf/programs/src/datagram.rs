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
    statsd::{self, NameEnd},
};

use crate::{maps::NAMES, packet::Packet, report::Refusal, rules::InForce};

/// How far a check has come.
#[repr(C)]
struct Walk {
    skb: *mut __sk_buff,
    key: [u64; 2],
    hash: SipHash,
    refused_hash: u64,
    zero: u64,
    at: u32,
    len: u32,
    slot: u32,
    state: u32,
    is_refused: u32,
}

/// Checks the names of a datagram; on a refused name its hash goes into the refusal.
#[inline(always)]
pub fn check(
    skb: *mut __sk_buff,
    policy: &InForce,
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
        len,
        slot: policy.slot,
        state: statsd::LINE as u32 + policy.zero as u32,
        is_refused: 0,
    };
    // SAFETY: the helper calls `take_word` with this state, at most `payload` times, before it returns.
    unsafe { bpf_loop(payload, take_word as *mut c_void, (&raw mut walk).cast(), 0) };
    if walk.is_refused != 0 {
        refusal.name_hash = walk.refused_hash;
        return Err(Reason::Name);
    }
    match statsd::may_end(walk.state as u8) && walk.at == len {
        true => Ok(()),
        false => Err(Reason::Malformed),
    }
}

/// Bytes that one turn looks at.
const WORD: u32 = 8;

/// Takes up to eight bytes: of a name, or of what follows one. Returns 1 to stop.
extern "C" fn take_word(_turn: u64, walk: *mut Walk) -> i64 {
    // SAFETY: `bpf_loop` hands back the state of `check`, which outlives it.
    let walk = unsafe { &mut *walk };
    let rest = walk.len.wrapping_sub(walk.at);
    // Near the end the last eight bytes are read, and those before are shifted out; headers always lie before.
    let from = if rest < WORD {
        walk.len - WORD
    } else {
        walk.at
    };
    let Some(word) = load(walk.skb, from) else {
        return 1;
    };
    let word = word >> ((walk.at.wrapping_sub(from) & 7) * 8);
    let bytes = if rest < WORD { rest } else { WORD };
    let stop = match walk.state as u8 {
        statsd::LINE | statsd::NAME => take_name(walk, word, bytes),
        _ => take_value(walk, word, bytes),
    };
    (stop || walk.at == walk.len) as i64
}

/// Takes bytes of a name, and of its value where they follow; tells whether to stop.
#[inline(always)]
fn take_name(walk: &mut Walk, word: u64, bytes: u32) -> bool {
    match statsd::name_ends(word) {
        NameEnd::Beyond if bytes == WORD => {
            walk.hash.push(word);
            walk.at += WORD;
            walk.state = statsd::NAME as u32;
            false
        }
        NameEnd::After(count, tail) if count != 0 || !walk.hash.is_empty() => {
            let len = walk.hash.len() + count;
            let hash = walk.hash.finish(tail, count);
            let key = name_key(walk.slot, hash, len as u32);
            // SAFETY: entries of the slot in force are not written.
            if len > NAME_BYTES_MAX as u64 || unsafe { NAMES.get(&key) }.is_none() {
                walk.is_refused = 1;
                walk.refused_hash = hash;
                return true;
            }
            walk.hash = SipHash::new_from(walk.key, walk.zero);
            let taken = count as u32 + 1;
            walk.at += taken;
            walk.state = statsd::VALUE as u32;
            // In two steps, for taken may be eight, and a word cannot be shifted by all its bits.
            let behind = word >> ((count as u32 & 7) * 8) >> 8;
            take_value(walk, behind, bytes - taken)
        }
        // The datagram or the line ends within the name, or the name is empty.
        NameEnd::Beyond | NameEnd::After(..) | NameEnd::Never => {
            walk.state = statsd::BAD as u32;
            true
        }
    }
}

/// Takes bytes of a value, up to the end of its line; tells whether to stop.
#[inline(always)]
fn take_value(walk: &mut Walk, mut word: u64, bytes: u32) -> bool {
    let mut state = walk.state as u8;
    let mut taken = 0;
    while taken < WORD {
        if taken == bytes || state == statsd::LINE {
            break;
        }
        state = statsd::step(state, word as u8);
        word >>= 8;
        taken += 1;
    }
    walk.at += taken;
    walk.state = state as u32;
    state == statsd::BAD
}

/// Loads eight bytes of the packet, if they lie in it.
#[inline(always)]
fn load(skb: *mut __sk_buff, from: u32) -> Option<u64> {
    // SAFETY: fields of the context that programs may read.
    let (data, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    // The mask tells the verifier that the sum cannot leave the packet's largest size.
    let mut next = data + (from & 0xfff) as usize;
    // Added out of the compiler's sight, which would compare the byte's own address: the verifier wants its end compared.
    // SAFETY: an addition.
    unsafe { asm!("{0} += 8", inout(reg) next, options(pure, nomem, nostack)) };
    if next > end {
        return None;
    }
    let word: u64;
    // SAFETY: inside the packet by the comparison above. One load, where the compiler would make eight of bytes: the
    // word lies anywhere, and the verifier knows whether the processor minds.
    unsafe {
        asm!("{0} = *(u64 *)({1} - 8)", out(reg) word, in(reg) next, options(pure, readonly, nostack));
    }
    Some(word)
}
