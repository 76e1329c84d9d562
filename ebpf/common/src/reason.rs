//! Why the kernel refuses, and what it counts.

/// Declares the reasons with their numbers, the words programs read and those people read.
macro_rules! reasons {
    ($($name:ident = $code:literal, $word:literal, $text:literal;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $text] $name = $code,)*
        }

        impl Reason {
            /// All reasons, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the reason with this number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the word that programs know it by.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns a sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    NoPolicy = 1, "no-policy", "the cgroup has no rules in the policy in force";
    Destination = 2, "destination", "the destination is not on the allow-list of the service";
    TelemetryElsewhere = 3, "telemetry-elsewhere", "telemetry may go to the local gateway only";
    TelemetryFromNode = 4, "telemetry-from-node", "the node itself may not reach telemetry ports";
    Name = 5, "name", "the metric name is not on the whitelist";
    Malformed = 6, "malformed", "the datagram is not made of plain StatsD lines";
    Oversized = 7, "oversized", "the datagram is longer than what is checked";
    Fragment = 8, "fragment", "the packet is a fragment";
    Headers = 9, "headers", "the packet has headers that are not followed";
    Segmented = 10, "segmented", "one send makes several datagrams";
    SharedMemory = 11, "shared-memory", "the payload lies in memory that its sender could still change";
    Transport = 12, "transport", "the metric names could not be checked on this transport";
    SocketKind = 13, "socket-kind", "only TCP and UDP sockets are allowed";
    Listen = 14, "listen", "the port to listen on is not in the policy";
}

/// Number of counters: those below, and one for each reason.
pub const COUNTERS: u32 = 32;

/// Counter of StatsD datagrams of which every name was checked and all were on the list.
pub const COUNT_CHECKED: u32 = 0;

/// Counter of refusals whose event stands in the ring buffer.
pub const COUNT_DELIVERED: u32 = 1;

/// Counter of refusals whose event found the ring buffer full.
pub const COUNT_LOST: u32 = 2;

/// Counter of the first reason; the others follow by number.
pub const COUNT_REFUSED: u32 = 8;

impl Reason {
    /// Returns the place of its counter.
    pub const fn counter(self) -> u32 {
        COUNT_REFUSED + self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own_and_reads_back_by_number() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(*reason as u8), Some(*reason));
            assert_eq!(*reason as usize, place + 1);
            assert!(reason.counter() > COUNT_REFUSED && reason.counter() < COUNTERS);
        }
        assert_eq!(Reason::from_code(0), None);
    }
}
