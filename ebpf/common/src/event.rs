//! What one refusal tells: who, where to, why. It holds no byte of the payload; a refused name is told as its keyed hash,
//! since a name can itself be personal data.

use crate::{keys::Address, reason::Reason};

/// Words of an event in the ring buffer.
pub const WORDS: usize = 8;

/// Bytes of an event in the ring buffer.
pub const BYTES: usize = WORDS * 8;

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, nanoseconds since the machine started, without the time it was suspended.
    pub at_ns: u64,
    /// Keyed hash of the refused name; 0 where the refusal is not about a name.
    pub name_hash: u64,
    /// Process that ran when it happened, in the first namespace of processes. For a segment that the kernel sends
    /// again by itself this can be another process.
    pub pid: u32,
    /// User of the socket.
    pub uid: u32,
    /// Address asked for.
    pub address: Address,
    /// The guarded cgroup.
    pub cgroup: u64,
    /// Port asked for.
    pub port: u16,
    /// The socket's own port, where it is known.
    pub local_port: u16,
    /// Length of the payload, bytes, where it is known.
    pub payload_bytes: u16,
    /// Protocol number: 6 is TCP, 17 is UDP.
    pub protocol: u8,
    /// Why.
    pub reason: Reason,
}

impl Event {
    /// Lays the event out for the ring buffer.
    #[inline(always)]
    pub const fn to_words(&self) -> [u64; WORDS] {
        [
            self.at_ns,
            self.name_hash,
            self.pid as u64 | (self.uid as u64) << 32,
            self.address[0],
            self.address[1],
            self.cgroup,
            self.port as u64
                | (self.local_port as u64) << 16
                | (self.payload_bytes as u64) << 32
                | (self.protocol as u64) << 48
                | (self.reason as u64) << 56,
            0,
        ]
    }

    /// Reads an event; `None` if it has another length, or a reason that this build does not know.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let mut words = [0; WORDS];
        for (word, part) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(part.try_into().ok()?);
        }
        let [at_ns, name_hash, who, first, second, cgroup, rest, _] = words;
        Some(Self {
            at_ns,
            name_hash,
            pid: who as u32,
            uid: (who >> 32) as u32,
            address: [first, second],
            cgroup,
            port: rest as u16,
            local_port: (rest >> 16) as u16,
            payload_bytes: (rest >> 32) as u16,
            protocol: (rest >> 48) as u8,
            reason: Reason::from_code((rest >> 56) as u8)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::mapped;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = Event {
            at_ns: u64::MAX - 1,
            name_hash: 0x0123_4567_89ab_cdef,
            pid: u32::MAX - 2,
            uid: 65_534,
            address: mapped(u32::from_le_bytes([127, 0, 0, 1])),
            cgroup: 77,
            port: 8_125,
            local_port: 65_535,
            payload_bytes: 1_472,
            protocol: 17,
            reason: Reason::Listen,
        };
        let mut bytes = [0; BYTES];
        for (part, word) in bytes.chunks_exact_mut(8).zip(event.to_words()) {
            part.copy_from_slice(&word.to_le_bytes());
        }

        assert_eq!(Event::from_bytes(&bytes), Some(event));
        assert_eq!(Event::from_bytes(&bytes[1..]), None);
        bytes[55] = 200;
        assert_eq!(Event::from_bytes(&bytes), None);
    }
}
