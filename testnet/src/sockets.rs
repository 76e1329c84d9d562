//! Which process is at the other end of a loopback connection, as Linux tells it (proc(5)).

use std::{fs, io, net::SocketAddrV4};

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

fn holds(pid: u32, name: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut links = files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok());
    links.any(|link| link.as_os_str() == name)
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
        net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
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
    }
}
