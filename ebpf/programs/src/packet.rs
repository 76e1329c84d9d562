//! Reading the headers of a packet. Only the plain form is read, the one every ordinary socket makes: what has options,
//! extension headers or fragments could end elsewhere than it says, or carry what is not seen, and is refused.

use aya_ebpf::bindings::__sk_buff;
use x0_ebpf_common::{
    TCP, UDP,
    keys::{Address, mapped},
    reason::Reason,
};

/// Header lengths without options, bytes (RFC 791, RFC 8200, RFC 768).
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
pub const UDP_BYTES: usize = 8;

/// EtherTypes as they lie in memory (RFC 894, RFC 2464).
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// Flags and offset of an IPv4 packet that are not "don't fragment" (RFC 791).
const FRAGMENT: u16 = 0xbfff;

/// IPv6 fragment header (RFC 8200, section 4.5).
const NEXT_FRAGMENT: u8 = 44;

/// What the headers say.
pub struct Packet {
    pub protocol: u8,
    pub destination: Address,
    pub port: u16,
    pub local_port: u16,
    /// Where the payload of a UDP datagram begins, bytes from the IP header.
    pub payload_at: u32,
    /// How long it is by the headers, bytes; 0 for TCP.
    pub payload_bytes: u16,
}

/// Reads the headers.
#[inline(always)]
pub fn read(skb: *mut __sk_buff) -> Result<Packet, Reason> {
    // SAFETY: fields of the context that programs may read.
    let (data, end, ethertype) = unsafe {
        (
            (*skb).data as usize,
            (*skb).data_end as usize,
            (*skb).protocol,
        )
    };
    let (protocol, destination, header_bytes) = match ethertype {
        IPV4 => {
            if data + IPV4_BYTES + UDP_BYTES > end {
                return Err(Reason::Headers);
            }
            let header = data as *const u8;
            // SAFETY: inside the packet by the comparison above, which the verifier follows. The kernel lays IP headers
            // on four bytes (NET_IP_ALIGN) where the processor cares.
            unsafe {
                if header.read() != 0x45 {
                    return Err(Reason::Headers);
                }
                if u16::from_be(header.add(6).cast::<u16>().read()) & FRAGMENT != 0 {
                    return Err(Reason::Fragment);
                }
                let word = header.add(16).cast::<u32>().read();
                (header.add(9).read(), mapped(word), IPV4_BYTES)
            }
        }
        IPV6 => {
            if data + IPV6_BYTES + UDP_BYTES > end {
                return Err(Reason::Headers);
            }
            let header = data as *const u8;
            // SAFETY: as above.
            unsafe {
                let next = header.add(6).read();
                if next == NEXT_FRAGMENT {
                    return Err(Reason::Fragment);
                }
                let words = header.add(24).cast::<u32>();
                let [a, b, c, d] = [words, words.add(1), words.add(2), words.add(3)]
                    .map(|word| word.read() as u64);
                let address = [a | b << 32, c | d << 32];
                (next, address, IPV6_BYTES)
            }
        }
        _ => return Err(Reason::Headers),
    };
    if protocol != TCP && protocol != UDP {
        return Err(Reason::Headers);
    }
    let header = (data + header_bytes) as *const u8;
    // SAFETY: eight bytes behind the IP header are inside the packet by the comparison of its branch.
    let (local_port, port, length) = unsafe {
        (
            u16::from_be(header.cast::<u16>().read()),
            u16::from_be(header.add(2).cast::<u16>().read()),
            u16::from_be(header.add(4).cast::<u16>().read()),
        )
    };
    Ok(Packet {
        protocol,
        destination,
        port,
        local_port,
        payload_at: (header_bytes + UDP_BYTES) as u32,
        payload_bytes: match protocol == UDP {
            true => length.saturating_sub(UDP_BYTES as u16),
            false => 0,
        },
    })
}
