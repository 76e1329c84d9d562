//! The charter in the kernel: programs on the hooks of a guarded cgroup.
//!
//! Whatever a guarded process sends passes [`egress`], packet by packet: where to, and, for StatsD, under which names.
//! That hook alone carries the promise. The others ([`connect4`] and so on) ask the same rules earlier, so that the
//! caller of `connect`, `sendto`, `bind` or `socket` is told EPERM there and then.
//!
//! What cannot be read is refused: fragments, options, extension headers, segmented or paged payloads, and
//! everything of a cgroup that the policy does not name. A refusal is counted and told, and nothing else is kept.
//!
//! Unsafe code is confined to this crate, as the kernel's helpers are raw calls. The verifier checks every
//! memory access below before the program may run at all.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod datagram;
mod maps;
mod packet;
mod report;
mod rules;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock, bpf_sock_addr},
    helpers::{bpf_get_current_cgroup_id, bpf_get_current_uid_gid, bpf_skb_cgroup_id},
    macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr},
    programs::{SkBuffContext, SockAddrContext, SockContext},
};
use x0_ebpf_common::{
    TCP, UDP,
    keys::{Address, mapped},
    reason::{COUNT_CHECKED, Reason},
};

use crate::{
    report::{Refusal, count, refuse},
    rules::{InForce, Policy, Verdict},
};

/// What a hook returns to let a call or a packet through; 0 refuses it with EPERM.
const PASS: i32 = 1;

/// Socket types of `socket(2)`, Linux UAPI.
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;

/// Judges every packet that a guarded socket sends.
#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: the helper takes the context that the kernel handed in.
    let cgroup = unsafe { bpf_skb_cgroup_id(skb) };
    let mut refusal = Refusal::in_cgroup(cgroup);
    let verdict = judge(skb, cgroup, &mut refusal);
    match verdict {
        Ok(()) => PASS,
        Err(reason) => {
            refusal.uid = ctx.skb.get_socket_uid();
            refuse(&refusal, reason)
        }
    }
}

#[inline(always)]
fn judge(skb: *mut __sk_buff, cgroup: u64, refusal: &mut Refusal) -> Result<(), Reason> {
    let policy = InForce::read().ok_or(Reason::NoPolicy)?;
    let packet = packet::read(skb)?;
    refusal.protocol = packet.protocol;
    refusal.address = packet.destination;
    refusal.port = packet.port;
    refusal.local_port = packet.local_port;
    refusal.payload_bytes = packet.payload_bytes;
    if !policy.is_statsd_way(cgroup, &packet) {
        let rules = policy.rules_of(cgroup).ok_or(Reason::NoPolicy)?;
        match rules.judge(
            packet.protocol,
            packet.destination,
            packet.port,
            packet.local_port,
        ) {
            Verdict::Pass => return Ok(()),
            Verdict::CheckNames => {}
            Verdict::Refuse(reason) => return Err(reason),
        }
    }
    datagram::check(skb, &policy, &packet, refusal)?;
    count(COUNT_CHECKED);
    Ok(())
}

/// Judges `connect` of IPv4 sockets.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    destination(ctx.sock_addr, ip4(ctx.sock_addr))
}

/// Judges `connect` of IPv6 sockets.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    destination(ctx.sock_addr, ip6(ctx.sock_addr))
}

/// Judges datagrams of unconnected IPv4 sockets before they are made.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    destination(ctx.sock_addr, ip4(ctx.sock_addr))
}

/// Judges datagrams of unconnected IPv6 sockets before they are made.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    destination(ctx.sock_addr, ip6(ctx.sock_addr))
}

/// Judges `bind` of IPv4 sockets.
#[cgroup_sock_addr(bind4)]
pub fn bind4(ctx: SockAddrContext) -> i32 {
    own_port(ctx.sock_addr, ip4(ctx.sock_addr))
}

/// Judges `bind` of IPv6 sockets.
#[cgroup_sock_addr(bind6)]
pub fn bind6(ctx: SockAddrContext) -> i32 {
    own_port(ctx.sock_addr, ip6(ctx.sock_addr))
}

/// Lets guarded processes have TCP and UDP sockets, and no others of the internet families.
#[cgroup_sock(sock_create)]
pub fn sock_create(ctx: SockContext) -> i32 {
    let sock: *const bpf_sock = ctx.sock;
    // SAFETY: the kernel hands in a socket, and the verifier knows which of its fields may be read.
    let (kind, protocol) = unsafe { ((*sock).type_, (*sock).protocol) };
    match (kind, protocol) {
        (SOCK_STREAM, 6) | (SOCK_DGRAM, 17) => PASS,
        _ => {
            let mut refusal = Refusal::in_cgroup(current_cgroup());
            refusal.uid = current_uid();
            refusal.protocol = protocol as u8;
            refuse(&refusal, Reason::SocketKind)
        }
    }
}

#[inline(always)]
fn destination(call: *mut bpf_sock_addr, address: Address) -> i32 {
    // SAFETY: the kernel hands in the call, and the verifier knows which of its fields may be read.
    let (protocol, port, local_port) = unsafe {
        let port = u16::from_be((*call).user_port as u16);
        (
            (*call).protocol as u8,
            port,
            (*(*call).__bindgen_anon_1.sk).src_port as u16,
        )
    };
    let cgroup = current_cgroup();
    let verdict = match Policy::of(cgroup) {
        None => Verdict::Refuse(Reason::NoPolicy),
        Some(_) if protocol != TCP && protocol != UDP => Verdict::Refuse(Reason::SocketKind),
        Some(policy) => policy.judge(protocol, address, port, local_port),
    };
    match verdict {
        Verdict::Pass | Verdict::CheckNames => PASS,
        Verdict::Refuse(reason) => {
            let mut refusal = Refusal::in_cgroup(cgroup);
            refusal.uid = current_uid();
            refusal.protocol = protocol;
            refusal.address = address;
            refusal.port = port;
            refusal.local_port = local_port;
            refuse(&refusal, reason)
        }
    }
}

#[inline(always)]
fn own_port(call: *mut bpf_sock_addr, address: Address) -> i32 {
    // SAFETY: as in `destination`.
    let (protocol, port) = unsafe {
        (
            (*call).protocol as u8,
            u16::from_be((*call).user_port as u16),
        )
    };
    let cgroup = current_cgroup();
    let reason = match Policy::of(cgroup) {
        None => Reason::NoPolicy,
        // Port 0: the kernel picks one, as it does for every client.
        Some(policy) if port == 0 || policy.may_listen(protocol, port) => return PASS,
        Some(_) => Reason::Listen,
    };
    let mut refusal = Refusal::in_cgroup(cgroup);
    refusal.uid = current_uid();
    refusal.protocol = protocol;
    refusal.address = address;
    refusal.local_port = port;
    refuse(&refusal, reason)
}

#[inline(always)]
fn ip4(call: *mut bpf_sock_addr) -> Address {
    // SAFETY: as in `destination`.
    mapped(unsafe { (*call).user_ip4 })
}

#[inline(always)]
fn ip6(call: *mut bpf_sock_addr) -> Address {
    // SAFETY: as in `destination`; the verifier wants whole words of these fields.
    let [a, b, c, d] = unsafe {
        let words = &raw const (*call).user_ip6;
        let words = words.cast::<u32>();
        [
            words.read_volatile(),
            words.add(1).read_volatile(),
            words.add(2).read_volatile(),
            words.add(3).read_volatile(),
        ]
    };
    [a as u64 | (b as u64) << 32, c as u64 | (d as u64) << 32]
}

#[inline(always)]
fn current_cgroup() -> u64 {
    // SAFETY: the helper takes nothing and returns a number.
    unsafe { bpf_get_current_cgroup_id() }
}

#[inline(always)]
fn current_uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}

/// Is there because the language wants one: no path leads here, or the verifier would refuse the program.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// Helpers that only GPL-compatible programs may call want it stated; this is one of the words the kernel knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
