//! Ports of the loopback that nobody listens on.
//!
//! They are chosen below the range from which systems take ports for outgoing connections, so that no
//! connection of a running node takes the port of one that is just being started again.

use std::{
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    process,
};

use anyhow::{Result, bail};

/// Ports to choose from: below Linux's own range for outgoing connections, which starts at 32768
/// (ip(7), `ip_local_port_range`), and above most services.
const CHOICE: Range<u16> = 20_000..32_000;

/// Finds so many different free ports on 127.0.0.1.
///
/// # Errors
///
/// Returns that there are not enough.
pub fn free(count: usize) -> Result<Vec<u16>> {
    free_on(Ipv4Addr::LOCALHOST, count)
}

/// Finds so many different free ports on one of this machine's addresses.
///
/// # Errors
///
/// As for [`free`].
pub fn free_on(address: Ipv4Addr, count: usize) -> Result<Vec<u16>> {
    let size = CHOICE.end - CHOICE.start;
    // Two meshes at a time start looking at different places.
    let start = u16::try_from(process::id().wrapping_mul(97) % u32::from(size)).unwrap_or(0);
    let ring = (0..size).map(|step| CHOICE.start + (start + step) % size);
    // Held until all are found, so that none is found twice.
    let held: Vec<(u16, TcpListener)> = ring
        .filter_map(|port| Some((port, TcpListener::bind((address, port)).ok()?)))
        .take(count)
        .collect();
    if held.len() < count {
        bail!(
            "only {} free ports between {} and {} on {address}, {count} are needed: end other meshes first",
            held.len(),
            CHOICE.start,
            CHOICE.end
        );
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_free_and_different() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free(1).unwrap()[0])).unwrap();

        let ports = free(40).unwrap();

        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 40);
        assert!(!ports.contains(&taken.local_addr().unwrap().port()));
    }
}
