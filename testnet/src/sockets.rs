//! Which process is at the other end of a loopback connection, and with whom a process speaks, as Linux tells it (proc(5)).

use std::{
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
};

/// Finds which of some processes holds the socket that is bound to `local` and connected to `remote`.
///
/// # Errors
///
/// Returns that the system does not tell.
pub fn owner(
    local: SocketAddrV4,
    remote: SocketAddrV4,
    among: impl IntoIterator<Item = u32>,
) -> io::Result<Option<u32>> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let Some(inode) = inode(&table, local, remote) else {
        return Ok(None);
    };
    let name = format!("socket:[{inode}]");
    Ok(among.into_iter().find(|pid| holds(*pid, &name)))
}

/// Finds with whom a process speaks at this moment over TCP and IPv4, or tries to.
///
/// # Errors
///
/// Returns that the system does not tell.
pub fn peers(pid: u32) -> io::Result<BTreeSet<SocketAddrV4>> {
    // The sockets first: one that is opened meanwhile is seen the next time.
    let held: BTreeSet<String> = links(pid).collect();
    let table = fs::read_to_string("/proc/net/tcp")?;
    Ok(connections(&table)
        .filter(|(_, inode)| held.contains(&format!("socket:[{inode}]")))
        .map(|(peer, _)| peer)
        .collect())
}

/// Tells whether a process has a socket of another kind at this moment: UDP, by which names are asked for, or IPv6.
///
/// # Errors
///
/// Returns that the system does not tell.
pub fn has_other(pid: u32) -> io::Result<bool> {
    let held: BTreeSet<String> = links(pid).collect();
    for kind in ["udp", "udp6", "tcp6", "raw", "raw6"] {
        let table = fs::read_to_string(format!("/proc/net/{kind}"))?;
        let inodes = table
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(9));
        if inodes
            .map(|inode| format!("socket:[{inode}]"))
            .any(|name| held.contains(&name))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds(pid: u32, name: &str) -> bool {
    links(pid).any(|link| link == name)
}

/// Reads what the files of a process are; nothing if it is gone or another user's.
fn links(pid: u32) -> impl Iterator<Item = String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    files.into_iter().flatten().flatten().filter_map(|file| {
        fs::read_link(file.path())
            .ok()?
            .into_os_string()
            .into_string()
            .ok()
    })
}

/// Reads the other ends of connections, and the inodes of their sockets, in the text of `/proc/net/tcp`.
fn connections(table: &str) -> impl Iterator<Item = (SocketAddrV4, u64)> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let peer = read(fields.next()?)?;
        let inode = fields.nth(6)?.parse().ok()?;
        // A socket that listens has no other end.
        (peer.port() != 0).then_some((peer, inode))
    })
}

/// Reads an address as the kernel writes it.
fn read(written: &str) -> Option<SocketAddrV4> {
    let (ip, port) = written.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
    Some(SocketAddrV4::new(
        Ipv4Addr::from(ip),
        u16::from_str_radix(port, 16).ok()?,
    ))
}

/// Finds the inode of a socket in the text of `/proc/net/tcp`.
fn inode(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u64> {
    let (local, remote) = (written(local), written(remote));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = (fields.next()?, fields.next()?);
        // After the two ends: state, queues, timer, retransmissions, user, timeout.
        (ends == (local.as_str(), remote.as_str())).then(|| fields.nth(6)?.parse().ok())?
    })
}

/// Writes an address as the kernel does: the address as a number in the machine's own byte order.
fn written(address: SocketAddrV4) -> String {
    let ip = u32::from_ne_bytes(address.ip().octets());
    format!("{ip:08X}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        net::{SocketAddr, TcpListener, TcpStream},
        process,
    };

    use super::*;

    #[test]
    fn the_holder_of_a_connection_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let v4 = |address| match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => unreachable!("bound to an IPv4 address"),
        };
        let ends = (
            v4(stream.local_addr().unwrap()),
            v4(stream.peer_addr().unwrap()),
        );
        let own = process::id();

        assert_eq!(owner(ends.0, ends.1, [own]).unwrap(), Some(own));
        assert_eq!(owner(ends.0, ends.1, []).unwrap(), None);
        assert_eq!(
            owner(ends.0, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1), [own]).unwrap(),
            None
        );
        let seen = peers(own).unwrap();
        assert!(seen.contains(&ends.1) && seen.iter().all(|peer| peer.port() != 0));
    }
}
