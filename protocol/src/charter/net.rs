//! Addresses and ports as a charter writes them: a prefix, ranges of ports, a protocol.
//!
//! An IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`, RFC 4291, section 2.5.5.2) is the IPv4 address, wherever it
//! turns up, so that nobody passes a rule by writing an address otherwise.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A set of hosts: an address, and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// Which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Ports from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Prefix {
    /// This machine alone: 127.0.0.1.
    pub const OWN_MACHINE: Self = Self {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        bits: 32,
    };

    /// Returns the first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Returns how many bits count.
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Tells whether an address is in the set, one of IPv4 also where it is mapped into IPv6.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = mask_v4(self.bits);
                other.to_bits() & mask == own.to_bits()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = mask_v6(self.bits);
                other.to_bits() & mask == own.to_bits()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

const fn mask_v4(bits: u8) -> u32 {
    match bits {
        0 => 0,
        bits => u32::MAX << (32 - bits as u32),
    }
}

const fn mask_v6(bits: u8) -> u128 {
    match bits {
        0 => 0,
        bits => u128::MAX << (128 - bits as u32),
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "it is no set of hosts".to_owned();
        let (address, bits) = text.split_once('/').ok_or_else(fault)?;
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let (most, is_mapped) = match address {
            IpAddr::V4(_) => (32, false),
            IpAddr::V6(address) => (128, address.to_ipv4_mapped().is_some()),
        };
        if is_mapped {
            return Err(format!(
                "it is IPv4 written as IPv6: write {}",
                address.to_canonical()
            ));
        }
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits.parse().map_err(|_| fault())?;
        if !digits || bits > most {
            return Err(format!("it has {bits} bits, {most} at most can count"));
        }
        let first = match address {
            IpAddr::V4(address) => {
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask_v4(bits)))
            }
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask_v6(bits)))
            }
        };
        if first != address {
            return Err(format!(
                "bits are set that do not count: write {first}/{bits}"
            ));
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Protocol {
    /// Every protocol, with the name it has in a file.
    pub const NAMED: [(Self, &'static str); 2] = [(Self::Tcp, "tcp"), (Self::Udp, "udp")];

    /// Returns the name it has in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Ports {
    /// Returns the first port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// Returns the last port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Tells whether a port is in the range.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u16>().ok().filter(|port| *port > 0),
            false => None,
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (Some(first), Some(last)) = (port(first), port(last)) else {
            return Err("it is no port and no range of ports".to_owned());
        };
        if last < first {
            return Err(format!("it ends before it begins: write {last}-{first}"));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let value: Self = text.parse()?;
                match value.to_string() == text {
                    true => Ok(value),
                    false => Err(format!("{text:?} is not the usual form: {value}")),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(Prefix, Ports);
